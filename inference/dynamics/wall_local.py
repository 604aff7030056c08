"""The front likelihood of laws that depend on distances to pins, or on bends not linearly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.dynamics.wall_options import WallLawOptions
from physlearn.inference.dynamics.wall_proposals import (
    Moves,
    Proposal,
    moves_of,
    propose_bends,
    propose_pins,
)
from physlearn.inference.dynamics.wall_speeds import WallSpeeds, few_levels
from physlearn.inference.fronts.local_fronts import make_local_front
from physlearn.inference.fronts.local_laws import LocalLaw
from physlearn.inference.fronts.pin_map import PinMap, make_pin_map
from physlearn.inference.fronts.wall_fronts import FrontModel
from physlearn.inference.fronts.wall_runs import WallRun
from physlearn.inference.wall_laws.wall_drive import Scales, WallDrive, drive_design
from physlearn.inference.walls.track_fit import (
    FittedFronts,
    fit_fronts,
    seen_levels,
    usable_walls,
)
from physlearn.inference.walls.wall_judgement import judge_walls
from physlearn.inference.walls.wall_posterior import (
    WallOptimum,
    misfit_of_walls,
    optimize_walls,
)
from physlearn.one_thread import one_blas_thread
from physlearn.records import WallTrack

__all__ = ["LocalSpeeds", "local_speeds", "pins_of"]

Floats = NDArray[np.float64]

MOST_PINNED = 4
MOST_BENT = 2
WEAKEST_BEND = 1.0  # squared t of a bend's form below which no front is fitted
WORTH = 4.0  # gain in the log likelihood from which two local effects are tried together
MOST_ROUNDS = 2
PRIOR_SD = {"amplitude": 10.0, "log_length": 1.5, "saturating": 10.0, "power": 2.0, "driven": 10.0}


@dataclass(frozen=True, slots=True, eq=False)
class LocalSpeeds:
    """Speeds under a local law: its unknowns stand after the curvature's coefficient.

    Attributes
    ----------
    law
        The local law.
    speeds
        Values: speed at every drive, minus the mobility, then the law's unknowns.
    gain
        Log likelihood over that of the plain law.
    """

    law: LocalLaw
    speeds: WallSpeeds
    gain: float


@dataclass(frozen=True, slots=True, eq=False)
class _Film:
    """What all fits of a film share."""

    track: WallTrack
    runs: list[WallRun]
    told: WallDrive
    fronts: FittedFronts
    base: WallSpeeds
    misfit: float


def pins_of(track: WallTrack, options: WallLawOptions) -> PinMap | None:
    """Read the pins of the options; see `make_pin_map`."""
    if options.pins is None:
        return None
    return make_pin_map(options.pins, track, _spacing(track))


def local_speeds(
    track: WallTrack, base: WallSpeeds, pins: PinMap | None, options: WallLawOptions
) -> list[LocalSpeeds]:
    """Fit the local laws that the walls' moves propose, by the front likelihood."""
    film = _film_of(track, base)
    moves = moves_of(track, film.runs, film.told.design, film.told.force)
    if moves is None:
        return []
    scales = _scales(film, moves)
    pinned = propose_pins(moves, pins, scales)[:MOST_PINNED] if pins is not None else []
    bent = []
    if options.curvature == "free" and base.curved:
        driven = film.told.levels.size > 1 and np.ptp(np.abs(film.told.levels)) > 0
        found = propose_bends(moves, scales, driven=bool(driven))
        bent = [one for one in found[:MOST_BENT] if one.strength > WEAKEST_BEND]
    with one_blas_thread():
        fits = [_fitted(film, one) for one in (*pinned, *bent)]
        both = _both(
            [fit for fit in fits[: len(pinned)] if fit], [fit for fit in fits[len(pinned) :] if fit]
        )
        fits += [_fitted(film, one) for one in both]
    return [fit for fit in fits if fit is not None]


def _film_of(track: WallTrack, base: WallSpeeds) -> _Film:
    """Fit the plain law once more: its fronts are where every local one starts."""
    drive, _ = few_levels(track)
    many = drive is not None and np.unique(drive[:-1]).size > 1
    runs, _ = usable_walls(track)
    if many:
        told, _ = seen_levels(drive_design(track, drive, "levels"), runs)
    else:
        ones = np.ones(track.n_frames)
        told = WallDrive(ones[:, None], "drive_velocity", np.empty(0), False, True, ones)
    with one_blas_thread():
        fronts = fit_fronts(track, runs, told, Scales())
    sds = np.concatenate([fronts.prior_sd, fronts.shift_sd])
    optimum = fronts.optimum
    misfit = misfit_of_walls(fronts.models, optimum.globals, optimum.shapes, sds)
    return _Film(track, runs, told, fronts, base, misfit)


def _scales(film: _Film, moves: Moves) -> LocalLaw:
    speed = float(np.sqrt(np.mean(moves.velocity**2)))
    common = float(np.mean(moves.bend * moves.instrument))  # of both, without their noise
    bend = max(np.sqrt(max(common, 0.0)), 0.1 / max(run.size for run in film.runs))
    drive = float(np.abs(film.told.force).max())
    size, span = film.runs[0].size, float(np.ptp(film.track.frame_times))  # of walls at rest
    return LocalLaw(speed=speed or size / span, curvature=float(bend), drive=max(drive, 1e-300))


def _both(pinned: list[LocalSpeeds], bent: list[LocalSpeeds]) -> list[Proposal]:
    """Return the best pinning with the best bend, where each says something."""
    best = [max(fits, key=lambda fit: fit.gain, default=None) for fits in (pinned, bent)]
    if best[0] is None or best[1] is None or min(fit.gain for fit in best if fit) < WORTH:
        return []
    n = best[0].speeds.n_levels + 1
    law = replace(best[0].law, bending=best[1].law.bending)
    start = (*best[0].speeds.values[n:].tolist(), float(best[1].speeds.values[-1]))
    return [Proposal(law, start, 0.0)]


def _fitted(film: _Film, proposal: Proposal) -> LocalSpeeds | None:
    """Fit one local law; None where it has no front or no mode."""
    law, plain, n_law = proposal.law, film.fronts.optimum, film.fronts.optimum.n_law
    models = [
        make_local_front(run, film.told.design, film.track.frame_times, law, film.told.force)
        for run in film.runs
    ]
    unknown = np.array([PRIOR_SD[name] for name in law.names])
    prior_sd = film.fronts.prior_sd
    sds = np.concatenate([prior_sd[:-1], unknown, prior_sd[-1:], film.fronts.shift_sd])
    settled = None
    for share in (1.0, 0.3):  # a shape that the plain law bent may collapse under a strong start
        begun = share * np.array(proposal.start)
        mobility = plain.globals[n_law - 1 : n_law]
        if law.bending == "saturating":  # as strong at the usual bend
            mobility = mobility * (1.0 + begun[-1])
        start = np.concatenate([plain.globals[: n_law - 1], begun, mobility])
        settled = _settled(models, start, plain.shapes, sds)
        if settled is not None:
            break
    if settled is None:
        return None
    misfit, found = settled
    information = found.marginal
    if not np.isfinite(information).all():
        return None
    n, m = film.base.n_levels, len(law.names)
    order = [*range(n), *([n + m] if film.base.curved else []), *range(n, n + m)]
    width = sds[: found.n_law]  # numbers without units, which one threshold may tell from none
    whole = np.linalg.pinv(information * np.outer(width, width), hermitian=True)
    covariance = (whole * np.outer(width, width))[np.ix_(order, order)]
    values = found.globals[order]
    if film.base.curved:
        flip = np.ones(len(order))
        flip[n] = -1.0
        values, covariance = values * flip, covariance * np.outer(flip, flip)
    if law.bending in ("power", "saturating") and values[-1] <= 0:
        return None  # steeper than a law can be at no bend, or without bounds at a finite one
    _, doubts = judge_walls(models, found, 0.0)
    others = tuple(text for text in film.base.warnings if not _judges(text))
    speeds = replace(
        film.base, values=values, covariance=0.5 * (covariance + covariance.T),
        warnings=(*doubts, *others), widths=tuple(_widths(film, law)),
    )  # fmt: skip
    return LocalSpeeds(law, speeds, 0.5 * (film.misfit - misfit) / _scatter(film, misfit))


def _settled(
    models: list[FrontModel], start: Floats, shapes: list[Floats], sds: Floats
) -> tuple[float, WallOptimum] | None:
    """Find the mode in as many rounds as it takes; None where there is none."""
    found = None
    for _ in range(MOST_ROUNDS):
        try:
            found = optimize_walls(models, start, shapes, sds)
        except np.linalg.LinAlgError:
            return None
        if found.converged:
            break
        start, shapes = found.globals[: start.size], found.shapes
    if found is None:
        return None
    misfit = misfit_of_walls(models, found.globals, found.shapes, sds)
    return (misfit, found) if np.isfinite(misfit) else None


def _judges(text: str) -> bool:
    """Whether a warning speaks of how the plain law fits."""
    return "does not fit" in text or "do not trust" in text


def _widths(film: _Film, law: LocalLaw) -> list[float]:
    """Prior widths of the unknowns: what changes the walls' moves by as much as they move."""
    widths = {"log_length": PRIOR_SD["log_length"], "saturating": 1.0, "power": 1.0, "driven": 1.0}
    if law.pins is not None:
        table = film.track.table
        reach = law.reach_of(law.pins.at(table["x"].to_numpy(), table["y"].to_numpy()))
        widths["amplitude"] = 1.0 / max(float(np.sqrt(np.mean(reach**2))), 1e-2)
    return [widths[name] for name in law.names]


def _scatter(film: _Film, misfit: float) -> float:
    """How much more the points scatter than their errors say: a gain counts for less by that."""
    n_points = sum(model.n_points for model in film.fronts.models)
    n_free = sum(model.n_shape for model in film.fronts.models) + film.fronts.optimum.n_law
    return float(max(misfit / max(n_points - n_free, 1), 1.0))


def _spacing(track: WallTrack) -> float:
    told = track.metadata.get("point_spacing")
    if told is not None and float(told) > 0:
        return float(told)
    table = track.table.sort_values(["wall", "frame", "arc_length"])
    steps = np.diff(table["arc_length"].to_numpy())
    return float(np.median(steps[steps > 0]))
