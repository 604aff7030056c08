"""What a search of drift found, in sentences that a physicist would sign."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from physlearn.checks import CREDIBLE_MASS
from physlearn.inference.dynamics.drift_grid import GridMotion
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.equation_text import text_of

if TYPE_CHECKING:
    from physlearn.inference.dynamics.drift_search import SearchedDrift

__all__ = ["drift_warnings", "force_targets", "said_of_drift"]

DOUBTFUL_P = 1e-3
COARSE = 0.1  # slope of the drift times the frame interval, from which regression is far off
COARSE_FOR_MOMENTS = 0.5
LESS_GRADIENT = " - dD/"
FRICTION = "drift = force over friction"
LEFT = "the drift less what the diffusion's gradient makes of particles at one temperature"
FAR = float(stats.norm.ppf(0.95))


def said_of_drift(found: SearchedDrift, sets: Mapping[str, EquationSet]) -> tuple[str, ...]:
    """Return the verdict on the drift, on D, and how the frames were looked at."""
    data = found.data
    varies = found.forces is not None
    drifts = {name: sets[name] for name in force_targets(sets)}
    if varies and not found.forces:
        drifts = {}
    claimed = [name for name, laws in drifts.items() if laws.claims_law]
    sentences = []
    if not claimed:
        sentences += _said_of_nothing(found)
    else:
        for name in claimed:
            laws = drifts[name]
            sentences.append(
                f"a force law is seen: {name} = {text_of(laws.best, laws)} (weight "
                f"{100 * float(laws.weights[0]):.3g} %; {LEFT if varies else FRICTION})"
            )
        rest = [name for name in drifts if name not in claimed]
        if rest:
            sentences.append(f"no force law is claimed for {' and '.join(rest)}")
    sentences.append(_said_of_diffusion(sets["D"]))
    sentences += _said_of_frames(found)
    if data.apart > 1:
        sentences.append(
            f"places {data.apart} frames apart were compared ({data.series.interval:.3g} "
            f"{data.time_unit or 'units of time'}): on shorter times a step remembers the ones "
            "before (smeared frames, or a bias of the tracking), which is no motion of the "
            "particles; what the force does on shorter times these frames do not tell, and for the "
            "number of a free diffusion take measure_diffusion, which counts what smearing leaves"
        )
    return tuple(sentences)


def _said_of_nothing(found: SearchedDrift) -> list[str]:
    """Without a force: what was looked for, how small it must be, and what flows."""
    per_time = f"1/{found.data.time_unit}" if found.data.time_unit else "1/time"
    speed = f" {found.data.unit}/{found.data.time_unit}" if found.data.unit else ""
    limits, flows = [], []
    for name, (rate, error), (flow, spread) in zip(
        found.data.names, found.trap, found.flow, strict=True
    ):
        limit = max(rate, 0.0) + FAR * error
        if math.isfinite(limit):
            limits.append(f"less than {limit:.2g} {per_time} along {name}")
        if math.isfinite(spread) and abs(flow) > 3.0 * spread:
            flows.append(f"{flow:.3g} +- {spread:.2g}{speed} along {name}")
    if found.forces is None:
        said = ["free diffusion: no force law is seen"]
    elif found.forces:
        said = ["the drift is what the diffusion's gradient makes: no force is seen"]
    else:
        return [
            "no force law is seen: whether particles drift by more than the diffusion's gradient "
            "makes could not be worked out"
        ]
    if limits:
        said.append(f"a trap would pull back at {' and '.join(limits)}")
    if flows:
        said.append(
            f"all particles drift at {' and '.join(flows)} (a flow, the stage, or a constant "
            "force: motion alone does not tell which)"
        )
    return said


def force_targets(sets: Iterable[str]) -> list[str]:
    """Return the targets that tell of a force: less the gradient of D where that is not 0.

    Examples
    --------
    >>> force_targets(["dx/dt", "D"]), force_targets(["dx/dt", "dx/dt - dD/dx", "D"])
    (['dx/dt'], ['dx/dt - dD/dx'])
    """
    drifts = [name for name in sets if name != "D"]
    return [name for name in drifts if LESS_GRADIENT in name] or drifts


def _said_of_diffusion(laws: EquationSet) -> str:
    unit = f" {laws.units}" if laws.units else ""
    if laws.claims_law:
        return f"the diffusion depends on the place: D = {text_of(laws.best, laws)}{unit}"
    flat = next((law for law in laws.equations if not law.variables), laws.best)
    if flat.covariance is None:
        return f"the diffusion is the same everywhere, D = {flat.constants[0]:.4g}{unit}"
    reach = float(stats.norm.ppf(0.5 + CREDIBLE_MASS / 2) * np.sqrt(flat.covariance[0, 0]))
    value = float(flat.constants[0])
    return (
        f"the diffusion is the same everywhere, D = {value:.4g} ({value - reach:.4g} to "
        f"{value + reach:.4g}){unit}"
    )


def _said_of_frames(found: SearchedDrift) -> list[str]:
    """How far particles relax between frames, and what regression would say."""
    times = fastest_rate(found) * found.data.series.interval
    if times == 0.0:
        return []
    if times < COARSE:
        return [f"frames are fine: the drift relaxes by {times:.1g} of itself between two"]
    lost = 1.0 - (1.0 - math.exp(-times)) / times
    return [
        f"frames are coarse: the fastest rate of the drift times the frame interval is {times:.2g};"
        f" a regression of displacements would find it about {100 * lost:.0f} % too small there"
    ]


def fastest_rate(found: SearchedDrift) -> float:
    """Steepest fall of the best drift where particles are (98th percentile)."""
    law, places = found.best, found.data.series.positions
    chosen = places[:: max(1, len(places) // 400)].T
    step = 1e-4 * places.std(axis=0).mean()
    rates = []
    for axis, equation in enumerate(law.drift):
        high, low = chosen.copy(), chosen.copy()
        high[axis] += step
        low[axis] -= step
        values = [equation.predict(dict(zip(law.names, at, strict=True))) for at in (high, low)]
        rates.append(np.abs(values[0] - values[1]) / (2 * step))
    with np.errstate(all="ignore"):
        return float(np.nan_to_num(np.nanquantile(rates, 0.98)))


def drift_warnings(found: SearchedDrift) -> tuple[str, ...]:
    """Return what makes the laws doubtful."""
    said = []
    if found.stopped:
        said.append("the search was stopped before its end: laws may be missing")
    if not found.climbed.settled:
        said.append("the fit of the best laws did not settle")
    memory = found.memory
    if memory is not None and memory.p < DOUBTFUL_P:
        said.append(
            f"steps remember those before under the best laws (correlation "
            f"{memory.correlation:.2g} {memory.lag} frames on, p = {memory.p:.1g}): something is "
            "missing, such as localisation errors, inertia, a drifting stage or a second force"
        )
    times = fastest_rate(found) * found.data.series.interval
    bent = any(len(term.program) > 1 for law in found.best.drift for term in law.terms)
    if bent and times > COARSE_FOR_MOMENTS and not isinstance(found.motion, GridMotion):
        said.append(
            f"the drift relaxes by {times:.2g} of itself between frames, and transitions were "
            "taken as Gaussian here: constants may be off by some of their errors (exact places "
            "along one coordinate, localization_sd=0, need no such step)"
        )
    for name, centre in zip(found.data.names, found.units.centre, strict=True):
        if centre:
            said.append(
                f"{name} lies far from 0 compared with its spread: its laws are written about "
                f"{float(centre):g}, the middle of the places; a law about another point, such as "
                "that of a double well, is shorter in places from that point: subtract it"
            )
    if found.data.still:
        names = " and ".join(found.data.still)
        said.append(f"{names} never changes and was left out")
    if found.n_left_out:
        said.append(
            f"{found.n_left_out} rows were left out to keep the search short; errors are those of "
            "the rest"
        )
    return tuple(said)
