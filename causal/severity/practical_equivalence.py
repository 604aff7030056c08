"""Nested hypotheses: is the added term as good as zero, decided with as many looks as one likes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.actions import strict_number
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError
from physlearn.declared_types import shown
from physlearn.records.storage import html_table, short_repr

__all__ = ["Equivalence", "practical_equivalence"]

Process = Callable[[float], float]

WIDEST = 1e6
"""Half-width, in standard errors, up to which an end of the interval is looked for."""


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether an effect lies in the region of practical equivalence.

    Attributes
    ----------
    decision
        "equivalent": inside the region; "different": outside; "continue": not decided.
    interval
        Confidence sequence at this moment: over ALL moments at which one may look, it holds the
        effect each time with probability 1 - 1 / `evidence`.
    evidence_equivalent, evidence_different
        Evidence (e-value) against every effect outside the region, and against every one inside.
    estimate
        Weighted mean of the readings.
    n_readings
        Readings so far.
    sentence
        The decision in words.
    """

    decision: Literal["equivalent", "different", "continue"]
    interval: tuple[float, float]
    evidence_equivalent: float
    evidence_different: float
    estimate: float
    n_readings: int
    sentence: str

    __repr__ = short_repr
    _repr_html_ = html_table


def practical_equivalence(
    readings: ArrayLike,
    sd: ArrayLike | None,
    *,
    region: tuple[float, float],
    evidence: float = 20.0,
    expected_readings: float | None = None,
) -> Equivalence:
    """Decide whether an effect is as good as none, however often one looks.

    A nested hypothesis (the added term is zero) is never proved by the odds of a point against
    a broad prior within a budget; that the term lies within limits which make no difference can
    be. At every value of the effect an e-process compares readings with a normal mixture of
    effects around that value; the values whose e-process stays below `evidence` are a confidence
    sequence, valid at every moment together.

    Parameters
    ----------
    readings
        (n,): unbiased readings of the effect, one after the other; each the same quantity (an
        estimate of the added coefficient from one shot or one batch).
    sd
        Standard deviation of each reading, (n,) or one number; None when unknown and the same
        for all (then a t mixture is used, from the second reading on).
    region
        (low, high): effects that make no difference, in the unit of the readings.
    evidence
        Evidence from which it is decided; the interval's level is 1 - 1 / evidence.
    expected_readings
        Number of readings the mixture is tuned for: those that pin the effect to a quarter of
        the region's width when None (10 when `sd` is None). A wrong guess costs power only.

    Raises
    ------
    InputError
        For readings or sds that are not finite, an empty region, or evidence of 1 or less.

    Notes
    -----
    Normal mixture: Robbins, doi:10.1214/aoms/1177696786; with unknown sd the right Haar mixture
    over the scale (Lai, doi:10.1214/aos/1176343406; Wang and Ramdas, arXiv:2310.03722).

    Examples
    --------
    >>> readings = np.random.default_rng(0).normal(0.0, 1.0, 300)
    >>> practical_equivalence(readings, 1.0, region=(-0.4, 0.4)).decision
    'equivalent'
    >>> practical_equivalence(readings + 1, 1.0, region=(-0.4, 0.4)).decision
    'different'
    """
    given = np.asarray(readings)
    numbers = given.dtype.kind in "biuf"
    if given.ndim != 1 or not numbers or not np.isfinite(given).all():
        raise InputError(f"readings must be a finite row of numbers; got {shown(given)}.")
    values = given.astype(np.float64)
    if not isinstance(region, tuple | list | np.ndarray) or np.shape(region) != (2,):
        raise InputError(f"region must be a pair (low, high) of numbers; got {region!r}.")
    low, high = (strict_number("region", edge) for edge in region)
    if low >= high:
        raise InputError(f"region must be (low, high) with low < high; got {region!r}.")
    strict_number("evidence", evidence, above=1)
    if expected_readings is not None:
        strict_number("expected_readings", expected_readings, above=0)
    if sd is None:
        process = _unknown_scale(values, expected_readings)
        estimate = float(values.mean()) if values.size else math.nan
        error = float(values.std() / math.sqrt(values.size)) if values.size > 1 else math.inf
    else:
        process, estimate, error = _known_scale(values, sd, (low, high), expected_readings)
    interval = _interval(process, estimate, error, math.log(evidence))
    inside = low <= estimate <= high
    edge = min(process(low), process(high)) if values.size else 0.0
    outside = math.exp(min(edge, 700.0))
    equivalent, different = (outside, 0.0) if inside else (0.0, outside)
    decision: Literal["equivalent", "different", "continue"] = "continue"
    if interval[0] >= low and interval[1] <= high:
        decision = "equivalent"
    elif interval[0] > high or interval[1] < low:
        decision = "different"
    return Equivalence(
        decision, interval, equivalent, different, estimate, int(values.size),
        _sentence(decision, (low, high), interval, evidence, int(values.size)),
    )  # fmt: skip


def _log_process(
    effect: float, *, summed: float, information: float, mixture: float, rest: float | None
) -> float:
    """Return the log e-process against one effect; least at the estimate and rising from it.

    ``rest``: squares around the mean when the noise is unknown, None when it is known.
    """
    if information == 0:
        return 0.0
    shrink = 0.5 * math.log(mixture / (mixture + information))
    away = summed - information * effect
    if rest is None:
        return shrink + 0.5 * away**2 / (mixture + information)
    squares = rest + away**2 / information
    left = squares - away**2 / (information + mixture)
    if left <= 0:
        return math.inf if squares > 0 else 0.0
    return shrink + 0.5 * information * math.log(squares / left)


def _known_scale(
    values: Floats,
    sd: ArrayLike,
    region: tuple[float, float],
    expected: float | None,
) -> tuple[Process, float, float]:
    given = np.asarray(sd, dtype=np.float64)
    if given.shape not in ((), values.shape) or not (np.isfinite(given) & (given > 0)).all():
        raise InputError(f"sd must be above 0, one number or one a reading; got {given.tolist()}.")
    sds = np.broadcast_to(given, values.shape)
    information = float((sds**-2).sum())
    summed = float((values / sds**2).sum())
    typical = float(np.median(given)) ** -2
    wanted = (8.0 / (region[1] - region[0])) ** 2 if expected is None else expected * typical
    # the mixture whose interval is narrowest at the wanted information has about a tenth of it
    process = partial(
        _log_process, summed=summed, information=information, mixture=0.1 * wanted, rest=None
    )
    if information == 0:
        return process, math.nan, math.inf
    return process, summed / information, information**-0.5


def _unknown_scale(values: Floats, expected: float | None) -> Process:
    rho = 0.1 * (10.0 if expected is None else expected)
    rest = float(((values - values.mean()) ** 2).sum()) if values.size else 0.0
    return partial(
        _log_process,
        summed=float(values.sum()),
        information=float(values.size),
        mixture=rho,
        rest=rest,
    )


def _interval(process: Process, estimate: float, error: float, goal: float) -> tuple[float, float]:
    """Return the effects whose e-process stays below the goal."""
    if not math.isfinite(estimate) or not math.isfinite(error) or error == 0:
        return -math.inf, math.inf
    reach = error
    while process(estimate + reach) < goal:
        reach *= 2
        if reach > WIDEST * error:
            return -math.inf, math.inf
    near = 0.0
    for _ in range(80):
        middle = 0.5 * (near + reach)
        near, reach = (middle, reach) if process(estimate + middle) < goal else (near, middle)
    return estimate - reach, estimate + reach


def _sentence(
    decision: str,
    region: tuple[float, float],
    interval: tuple[float, float],
    evidence: float,
    n_readings: int,
) -> str:
    limits = f"{region[0]:g} to {region[1]:g}"
    held = (
        f"{interval[0]:.3g} to {interval[1]:.3g} ({n_readings} readings, "
        f"{1 - 1 / evidence:.0%} at every look)"
    )
    if decision == "equivalent":
        return f"The effect makes no difference: it lies within {limits}; interval {held}."
    if decision == "different":
        return f"The effect lies outside {limits}; interval {held}."
    return f"Not decided whether the effect lies within {limits}; interval {held}."
