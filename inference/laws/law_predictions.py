"""What a set of laws predicts: averaged over the laws and over their constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    CREDIBLE_MASS,
    InputError,
    NotIdentified,
    as_generator,
    check_array,
    check_count,
)
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.expression import evaluate_many
from physlearn.inference.laws.law_posterior import draw_constants

if TYPE_CHECKING:
    from physlearn.inference.laws.equation_set import EquationSet

__all__ = [
    "INVERSE_LINKS", "extrapolated", "mixture_constants", "mixture_draws", "prediction_interval",
    "quantity_interval", "slope_interval",
]  # fmt: skip

Floats = NDArray[np.float64]

INVERSE_LINKS: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda v: v,
    "log": np.exp,
    "log10": lambda v: 10.0**v,
    "sqrt": np.square,
    "inv": lambda v: 1.0 / v,
    "logit": lambda v: 1.0 / (1.0 + np.exp(-v)),
}
MOST_UNDEFINED = 0.1
"""Share of the draws that may be undefined at a point whose interval is told."""
HULL_VARIABLES = 3
ROUNDING = 1e-9
SMALLEST_SHARE = 1e-3


def mixture_constants(
    laws: EquationSet, n_draws: int, rng: int | np.random.Generator | None
) -> list[tuple[int, Floats, Floats]]:
    """Draw laws by their weights and constants given the law (Bayesian model averaging).

    Laws of a weight below 0.1 % are left out. A law with neither observations nor covariance
    keeps its fitted constants.

    Returns
    -------
    list
        For each law drawn: its place, constants (m, n_constants) and noise sd of a point of weight
        1 (m,); the m add to ``n_draws``.
    """
    check_count("n_draws", n_draws, 100)
    generator, _ = as_generator(rng)
    weights = np.where(laws.weights >= SMALLEST_SHARE, laws.weights, 0.0)
    marks = (np.arange(n_draws) + generator.uniform()) / n_draws
    picked = np.searchsorted(np.cumsum(weights / weights.sum()), marks).clip(max=len(weights) - 1)
    counts = np.bincount(picked, minlength=len(weights))
    found = []
    for index in np.flatnonzero(counts):
        law, count = laws.equations[index], int(counts[index])
        try:
            draws = draw_constants(law, laws.data, count, generator, laws.log_likelihood)
            found.append((int(index), draws.constants, draws.noise_sd))
        except NotIdentified:
            fixed = np.repeat(law.constants[None], count, axis=0)
            found.append((int(index), fixed, np.full(count, law.noise_sd or laws.noise_sd)))
    return found


def mixture_draws(
    laws: EquationSet,
    x: ArrayLike,
    n_draws: int = 4000,
    rng: int | np.random.Generator | None = None,
    *,
    noise: bool = False,
    noise_sd: ArrayLike | None = None,
) -> Floats:
    """Draws of the target at the rows of x, shape (n_draws, n), in the target's units.

    Parameters
    ----------
    laws
        The set.
    x
        Shape (n, n_variables).
    n_draws, rng
        Number of draws; seed or generator.
    noise
        Add the noise of one measurement.
    noise_sd
        Its standard deviation on the link's scale, one number or one a row of x: needed where the
        noise differs from point to point; None takes that of the set.

    Raises
    ------
    InputError
        If the noise of the set differs from point to point and ``noise_sd`` is not given, or it
        has a wrong shape or sign.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Equation, Term
    >>> from physlearn.inference.laws.equation_set import EquationSet
    >>> law = Equation((Term(2.0, ("x",)),), 0.0, 1.0, 1, np.array([[0.01]]))
    >>> laws = EquationSet((law,), ("x",), "y", np.array([[0.0, 1.0]]), 0.1)
    >>> mixture_draws(laws, [[1.0], [2.0]], 1000, rng=1).shape
    (1000, 2)
    """
    generator, _ = as_generator(rng)
    columns = laws.columns(x)
    given = _given_noise(laws, noise_sd, len(next(iter(columns.values())))) if noise else None
    parts = []
    for index, constants, drawn_sd in mixture_constants(laws, n_draws, generator):
        values = np.array(evaluate_many(laws.equations[index].program, columns, constants))
        if noise:
            size = _typical_noise(laws, drawn_sd)[:, None] if given is None else given
            values += size * generator.standard_normal(values.shape)
        parts.append(values)
    with np.errstate(all="ignore"):
        return INVERSE_LINKS[laws.link](np.concatenate(parts))


def _given_noise(laws: EquationSet, noise_sd: ArrayLike | None, n: int) -> Floats | None:
    """Return the noise stated, (n,); None where that of the set holds at every point."""
    if noise_sd is not None:
        sd = check_array("noise_sd", noise_sd, minimum=0.0)
        if sd.shape not in ((), (n,)):
            raise InputError(f"noise_sd must be one number or have shape ({n},), got {sd.shape}.")
        return np.broadcast_to(sd, (n,))
    data = laws.data
    differs = data is not None and np.ptp(data.weight) > ROUNDING * float(data.weight.max())
    # Lengths without observations come from a noise model, whose noise may follow the law
    modelled = laws.log_likelihood is not None or (
        data is None and laws.constant_length is not None
    )
    if differs or modelled:
        raise InputError(
            "noise=True needs noise_sd, the standard deviation at the rows of x: the noise "
            "of these laws is not known to be one number for all points."
        )
    return None


def _typical_noise(laws: EquationSet, noise_sd: Floats) -> Floats:
    if laws.log_likelihood is not None or laws.data is None or laws.data.noise_known:
        return np.full(noise_sd.size, laws.noise_sd)
    return noise_sd / math.sqrt(float(np.mean(laws.data.weight)))


def prediction_interval(
    laws: EquationSet,
    x: ArrayLike,
    mass: float = CREDIBLE_MASS,
    rng: int | np.random.Generator | None = None,
    *,
    noise: bool = False,
    noise_sd: ArrayLike | None = None,
    n_draws: int = 4000,
) -> Floats:
    """Equal-tailed intervals (n, 2) of the mixture; see `EquationSet.predict_interval`."""
    return _quantiles(mixture_draws(laws, x, n_draws, rng, noise=noise, noise_sd=noise_sd), mass)


def _quantiles(draws: Floats, mass: float) -> Floats:
    if not 0 < mass < 1:
        raise InputError(f"mass must lie between 0 and 1, got {mass!r}.")
    undefined = ~np.isfinite(draws)
    result = np.full((draws.shape[1], 2), np.nan)
    told = undefined.mean(axis=0) <= MOST_UNDEFINED
    if told.any():
        values = np.where(undefined, np.nan, draws)[:, told]
        tails = [(1 - mass) / 2, (1 + mass) / 2]
        result[told] = np.nanquantile(values, tails, axis=0).T
    return result


def slope_interval(
    laws: EquationSet,
    x: ArrayLike,
    variable: str,
    mass: float = CREDIBLE_MASS,
    rng: int | np.random.Generator | None = None,
    *,
    n_draws: int = 4000,
) -> Floats:
    """Intervals (n, 2) of the derivative of the target by a variable, averaged over the laws.

    Raises
    ------
    InputError
        If there is no such variable.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Equation, Term
    >>> from physlearn.inference.laws.equation_set import EquationSet
    >>> law = Equation((Term(2.0, ("x",)),), 0.0, 1.0, 1, np.array([[0.01]]))
    >>> laws = EquationSet((law,), ("x",), "y", np.array([[0.0, 1.0]]), 0.1)
    >>> low, high = slope_interval(laws, [[0.5]], "x", rng=1)[0]
    >>> bool(1.8 < low < 2.0 < high < 2.2)
    True
    """
    if variable not in laws.variables:
        raise InputError(f"variable must be one of {', '.join(laws.variables)}, got {variable!r}.")
    place = laws.variables.index(variable)
    matrix = check_array("x", x, shape=(None, len(laws.variables)))
    span = float(laws.ranges[place, 1] - laws.ranges[place, 0]) or 1.0
    step = 1e-5 * span
    ends = np.concatenate([matrix, matrix])
    ends[: len(matrix), place] += step
    ends[len(matrix) :, place] -= step
    draws = mixture_draws(laws, ends, n_draws, rng)
    return _quantiles((draws[:, : len(matrix)] - draws[:, len(matrix) :]) / (2.0 * step), mass)


def quantity_interval(
    laws: EquationSet,
    quantity: Callable[[Equation], float | None],
    mass: float = CREDIBLE_MASS,
    rng: int | np.random.Generator | None = None,
    *,
    n_draws: int = 2000,
) -> tuple[float, float, float]:
    """Interval of a quantity that laws share, averaged over those that have it.

    Parameters
    ----------
    laws
        The set.
    quantity
        Reads the quantity, a rate say, from a law with drawn constants; None where it has none.
    mass, rng, n_draws
        Probability inside; seed or generator; number of draws.

    Returns
    -------
    tuple
        Lower end, upper end, and the weight of the laws that have the quantity.

    Raises
    ------
    NotIdentified
        If no law of the set has it.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
    >>> from physlearn.inference.laws.equation_set import EquationSet
    >>> law = Equation((Term(2.0, ("x",)),), 0.0, 1.0, 1, np.array([[0.01]]))
    >>> laws = EquationSet((law,), ("x",), "y", np.array([[0.0, 1.0]]), 0.1)
    >>> low, high, share = quantity_interval(laws, lambda law: law.terms[0].coefficient, rng=1)
    >>> 1.8 < low < 2.0 < high < 2.2, share
    (True, 1.0)
    """
    values: list[float] = []
    count = 0
    for index, constants, _ in mixture_constants(laws, n_draws, rng):
        law = laws.equations[index]
        count += len(constants)
        read = [quantity(law.with_constants(row)) for row in constants]
        values += [float(value) for value in read if value is not None]
    finite = np.array(values)[np.isfinite(values)] if values else np.empty(0)
    if not finite.size:
        raise NotIdentified("no law of the set has this quantity.")
    (low, high), *_ = _quantiles(finite[:, None], mass)
    return float(low), float(high), finite.size / count


def extrapolated(laws: EquationSet, x: ArrayLike) -> NDArray[np.bool_]:
    """Where x lies outside of what was seen; the rule is in `EquationSet.extrapolates`."""
    matrix = check_array("x", x, shape=(None, len(laws.variables)))
    span = np.maximum(laws.ranges[:, 1] - laws.ranges[:, 0], 1e-300)
    scaled = (matrix - laws.ranges[:, 0]) / span
    outside = np.any((scaled < -ROUNDING) | (scaled > 1 + ROUNDING), axis=1)
    if laws.data is None or len(laws.variables) == 1:
        return np.asarray(outside)
    seen = (laws.data.x[: len(span)].T - laws.ranges[:, 0]) / span
    return np.asarray(outside | _outside_cloud(seen, scaled))


def _outside_cloud(seen: Floats, asked: Floats) -> NDArray[np.bool_]:
    if seen.shape[1] <= HULL_VARIABLES:
        from scipy.spatial import ConvexHull, QhullError

        try:
            faces = ConvexHull(seen).equations
            return np.asarray(np.any(asked @ faces[:, :-1].T + faces[:, -1] > 1e-7, axis=1))
        except (QhullError, ValueError):  # too few points, or all in one plane: by leverage
            pass
    middle = seen.mean(axis=0)
    inverse = np.linalg.pinv((seen - middle).T @ (seen - middle), rcond=1e-10)

    def leverage(points: Floats) -> Floats:
        result: Floats = (((points - middle) @ inverse) * (points - middle)).sum(axis=1)
        return result

    # A flat cloud has no leverage off its plane: what leaves the plane is outside
    plane = np.linalg.pinv(inverse, rcond=1e-10) @ inverse
    off = np.abs((asked - middle) @ (np.eye(len(plane)) - plane)).max(axis=1) > 1e-6
    far = leverage(asked) > leverage(seen).max() * (1 + ROUNDING)
    return np.asarray(far | off)
