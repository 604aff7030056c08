"""Where laws differ, what would tell them apart, and the verdict on a set of laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import CREDIBLE_MASS, InputError
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.equation_text import text_of
from physlearn.inference.laws.law_predictions import INVERSE_LINKS

if TYPE_CHECKING:
    from physlearn.inference.laws.equation_set import EquationSet

__all__ = [
    "constant_probability", "differences", "law_functions", "verdict_of", "worth_measuring",
]  # fmt: skip

Floats = NDArray[np.float64]

BEYOND = 0.25
POINTS_OF_ONE = 601
POINTS_OF_MANY = 4000
DECISIVE_NATS = math.log(20.0)
REPEATS = tuple(dict.fromkeys(round(10 ** (k / 8)) for k in range(49)))  # to a million
CONSTANT_REFUTED = 0.05
"""A law is claimed where a constant keeps less than this probability."""


def constant_probability(laws: EquationSet) -> float:
    """Posterior probability that the target is a constant, among the laws and the constant.

    NaN where nothing tells: no constant in the set, no observations, no length given.
    """
    lengths = np.array([law.description_length for law in laws.equations])
    constant = np.array([not law.variables for law in laws.equations])
    if constant.any():
        return float(laws.weights[constant].sum())
    length = laws.constant_length
    # Lengths under another noise model are on another scale
    if length is None and laws.data is not None and laws.log_likelihood is None:
        from physlearn.inference.law_search.description_length import measure_law
        from physlearn.inference.laws.equation import Term

        mean = float(np.average(laws.data.y, weights=laws.data.weight))
        length = measure_law(laws.data, (Term(mean, (1,)),)).description_length
    if length is None:
        return math.nan
    return float(1.0 / (1.0 + np.exp(np.minimum(length - lengths, 700.0)).sum()))


def _points(laws: EquationSet) -> Floats:
    """Points over the range and a quarter beyond; never through 0 from a positive range."""
    low, high = laws.ranges[:, 0], laws.ranges[:, 1]
    span = high - low
    first, last = low - BEYOND * span, high + BEYOND * span
    first = np.where(low > 0, np.maximum(first, 0.5 * low), first)
    last = np.where(high < 0, np.minimum(last, 0.5 * high), last)
    if len(low) == 1:
        # The ends of the range belong to the grid: there laws differ most
        inside = np.linspace(low[0], high[0], POINTS_OF_ONE)
        left = np.linspace(first[0], low[0], POINTS_OF_ONE // 4, endpoint=False)
        right = np.linspace(last[0], high[0], POINTS_OF_ONE // 4, endpoint=False)
        return np.concatenate([inside, left, right])[:, None]
    generator = np.random.default_rng(0)
    unit = generator.uniform(size=(POINTS_OF_MANY, len(low)))
    inner = low + span * unit[: POINTS_OF_MANY // 2]
    outer = first + (last - first) * unit[POINTS_OF_MANY // 2 :]
    return np.concatenate([inner, outer])


def _spread(law: Equation, columns: dict[str, Floats]) -> Floats:
    """Variance of the law's value from its constants (first order), shape (n,)."""
    if law.covariance is None:
        return np.zeros(len(next(iter(columns.values()))))
    slopes = law.sensitivities(columns)
    result: Floats = np.maximum(np.einsum("in,ij,jn->n", slopes, law.covariance, slopes), 0.0)
    return result


def _median_noise(laws: EquationSet) -> float:
    """Noise of the median point: of noise that differs the mean variance is the worst points'."""
    if laws.data is None or not (laws.data.weight > 0).any():
        return laws.noise_sd
    weight = laws.data.weight[laws.data.weight > 0]
    return laws.noise_sd * math.sqrt(float(np.mean(weight) / np.median(weight)))


def differences(laws: EquationSet, mass: float = CREDIBLE_MASS) -> pd.DataFrame:
    """Where the laws of the credible set differ most; see `EquationSet.discriminating_ranges`."""
    count = laws.n_credible(mass)
    points = _points(laws)
    columns = laws.columns(points)
    beyond = laws.extrapolates(points)
    noise = max(_median_noise(laws), 1e-300)
    first = laws.equations[0].predict(columns)
    own = _spread(laws.equations[0], columns)
    rows = []
    for law in laws.equations[1:count]:
        gap = np.abs(law.predict(columns) - first)
        other = _spread(law, columns)
        for inside in (True, False):
            usable = (beyond != inside) & np.isfinite(gap) & np.isfinite(own) & np.isfinite(other)
            places = np.flatnonzero(usable)
            if not places.size:
                continue
            best, repeats = _soonest(gap[places], own[places], other[places], noise)
            where = places[best]
            rows.append({
                "law": text_of(law, laws),
                **dict(zip(laws.variables, points[where].tolist(), strict=True)),
                "difference": float(gap[where]),
                "difference_over_noise": float(gap[where]) / noise,
                "inside": inside,
                "repeats": repeats,
            })  # fmt: skip
    numbers = [*laws.variables, "difference", "difference_over_noise", "repeats"]
    names = ["law", *numbers[:-1], "inside", "repeats"]
    kinds = {"inside": bool, **dict.fromkeys(numbers, float)}
    return pd.DataFrame(rows, columns=names).astype(kinds)


def _nats(gap: Floats, own: Floats, other: Floats, noise: float, repeats: float) -> Floats:
    """Log odds that the mean of some repeats is expected to give, whichever law is true.

    The smaller of the two Kullback-Leibler divergences between the laws' predictive Gaussians (Box
    and Hill, Technometrics 9:57, 1967, DOI 10.1080/00401706.1967.10490441).
    """
    first, second = own + noise**2 / repeats, other + noise**2 / repeats
    log = np.log(second / first)
    one = 0.5 * (log + (first + gap**2) / second - 1.0)
    two = 0.5 * (-log + (second + gap**2) / first - 1.0)
    return np.minimum(one, two)


def _soonest(gap: Floats, own: Floats, other: Floats, noise: float) -> tuple[int, float]:
    """Place where the fewest repeats are expected to give 20 to 1, and their number."""
    before = 0
    for number in REPEATS:
        nats = _nats(gap, own, other, noise, number)
        best = int(np.argmax(nats))
        if nats[best] >= DECISIVE_NATS:
            break
        before = number
    else:
        return best, math.inf
    low, high = before, number
    while high - low > 1:  # the odds grow with the repeats
        middle = (low + high) // 2
        enough = _nats(gap[best], own[best], other[best], noise, middle) >= DECISIVE_NATS
        low, high = (low, middle) if enough else (middle, high)
    return best, float(high)


def worth_measuring(laws: EquationSet) -> pd.Series | None:
    """Return the place that parts the likeliest other law that can be parted soonest, or None."""
    table = laws.discriminating_ranges
    for law in dict.fromkeys(table["law"]):
        rows = table[(table["law"] == law) & np.isfinite(table["repeats"])]
        if len(rows):
            soonest: pd.Series = rows.sort_values("repeats", kind="stable").iloc[0]
            return soonest
    return None


def verdict_of(laws: EquationSet) -> str:
    """Say in one sentence what the set claims; see `EquationSet.verdict`."""
    constant = constant_probability(laws)
    if not laws.claims_law:
        return f"no law claimed: a constant explains these data (its probability is {constant:.2g})"
    best = f"{_left(laws)} = {text_of(laws.best, laws)}"
    if laws.fixes_law:
        return f"these data fix the law among {len(laws.equations)}: {best} ({_share(laws)})"
    count = laws.n_credible()
    said = f"these data do not fix the law: {count} laws hold 90 %"
    row = worth_measuring(laws)
    if row is None:
        return (
            f"{said}, {best} the first ({_share(laws)}); no measurement within a quarter beyond "
            "the range would tell it from another"
        )
    units = laws.variable_units or ("",) * len(laws.variables)
    place = ", ".join(
        f"{name} = {row[name]:.4g} {unit}".rstrip()
        for name, unit in zip(laws.variables, units, strict=True)
    )
    where = "" if row["inside"] else ", beyond the range seen"
    times = int(row["repeats"])
    data = laws.data
    noise = "noise" if data is None or np.ptp(data.weight) == 0.0 else "median noise"
    return (
        f"{said}; measure at {place}{where} (difference {row['difference']:.3g} = "
        f"{row['difference_over_noise']:.2g} {noise}; {times} {'time' if times == 1 else 'times'}) "
        f"to decide between {text_of(laws.best, laws)} and {row['law']}"
    )


def _left(laws: EquationSet) -> str:
    return laws.target if laws.link == "identity" else f"{laws.link}({laws.target})"


def _share(laws: EquationSet) -> str:
    return f"weight {100 * float(laws.weights[0]):.3g} %"


def law_functions(
    laws: EquationSet, mass: float = CREDIBLE_MASS
) -> dict[str, Callable[[float], float]]:
    """Laws of the credible set as functions of their one variable, by text.

    `physlearn.causal.hypotheses_from_functions` takes them, with ``laws.noise_sd`` and
    ``laws.weights``, to plan the measurement that tells them apart.

    Raises
    ------
    InputError
        If the set has more than one variable.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
    >>> from physlearn.inference.laws.equation_set import EquationSet
    >>> law = Equation((Term(2.0, ("x",)),), 0.0, 1.0, 1)
    >>> laws = EquationSet((law,), ("x",), "y", np.array([[0.0, 1.0]]), 0.1)
    >>> law_functions(laws)["2*x"](3.0)
    6.0
    """
    if len(laws.variables) != 1:
        raise InputError(f"laws must have one variable, they have {len(laws.variables)}.")

    def bound(law: Equation) -> Callable[[float], float]:
        def function(value: float) -> float:
            columns = laws.columns([[float(value)]])
            found = INVERSE_LINKS[laws.link](law.predict(columns))
            return float(found[0])

        return function

    count = laws.n_credible(mass)
    functions: dict[str, Callable[[float], float]] = {}
    for index, law in enumerate(laws.equations[:count]):
        text = text_of(law, laws)
        # Two laws may read the same with rounded numbers
        functions[f"{text} [{index}]" if text in functions else text] = bound(law)
    return functions
