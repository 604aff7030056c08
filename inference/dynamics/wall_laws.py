"""The law of a wall's motion, found rather than assumed, by the likelihood of its fronts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from physlearn.inference.dynamics.wall_forms import WallForm, drive_forms
from physlearn.inference.dynamics.wall_local import LocalSpeeds, local_speeds, pins_of
from physlearn.inference.dynamics.wall_local_terms import written_out
from physlearn.inference.dynamics.wall_options import WallLawOptions
from physlearn.inference.dynamics.wall_speeds import WallSpeeds, measure_wall_speeds
from physlearn.inference.dynamics.wall_units import in_units
from physlearn.inference.law_search.description_length import structure_length
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.expression import Program, floats_of, gradients, with_floats
from physlearn.records import WallTrack

__all__ = ["discover_wall_law", "laws_of_speeds"]

Floats = NDArray[np.float64]

N_KEPT = 40
DOUBTFUL_P = 1e-3
ALMOST_NO_DRIVE = 1e-9  # of the largest: creep is undefined at exactly none
FAR = 1e6
HOPELESS = 20.0  # nats behind the best local law: more than simpler words can make up for
LARGEST = 1e12  # over the start
POLISHED = 2  # starts that are followed to their end
MOST_STEPS = 60
SAME = 1e-6
WIDE = 1e-6
CURVATURE: Program = ("curvature",)
UNKNOWN = "unknown_"
"""Begins the placeholders of a local law's unknowns, which no speed depends on."""


def discover_wall_law(
    track: WallTrack,
    *,
    options: WallLawOptions | None = None,
    rng: int | np.random.Generator | None = None,
) -> EquationSet:
    """Find laws normal velocity = f(drive) + c * curvature of walls, open or closed.

    Velocity and curvature of a contour share its noise, which biases any regression of one on the
    other. So neither is taken from contours: every law is scored, and its constants fitted, by the
    front likelihood of `fit_wall_dynamics` (one speed a drive level and the curvature's mobility,
    jointly, as a Gaussian). f is tried as no motion, constant, linear, threshold or imprint,
    powers, creep exp(-(E0 / E)^mu), and what a search among short expressions proposes; each with
    and without the curvature.

    With ``options`` pins may also slow, push or draw a wall: h(d) = exp(-d / l), 1 / d or d of the
    distance d to the nearest stands as a factor (1 + a h(d)) of the velocity, added to it, or added
    times the cosine between normal and pin; and the curvature may act otherwise than linearly.
    Which of these are tried a regression proposes (instruments from other frames); fronts that move
    by them, fitted to the same points, decide.

    Parameters
    ----------
    track
        From `track_walls`; its drive is used where it has one.
    options
        Pins and forms of the curvature; None for neither.
    rng
        Seed or generator of the fit's draws.

    Returns
    -------
    EquationSet
        Laws for ``velocity`` in the variables ``drive`` (if known and not constant),
        ``curvature`` (positive where the positive domain is convex) and, with pins,
        ``pin_distance`` and ``pin_facing`` (1 where the wall grows straight towards the nearest
        pin, -1 away from it), in the track's units; a tension gives the curvature a negative
        constant.
        ``noise_sd`` is the error of the speed at one drive in a film like this one.

    Raises
    ------
    InputError
        For pins of a wrong shape, outside the picture or not finite.
    NotIdentified
        If no wall can be used, or drive and tension cannot be told apart, saying why.

    Notes
    -----
    The shape of the front likelihood is taken as Gaussian in speeds, mobility and the unknowns of
    pins and curvature; a mobility cannot be negative. Distances below half a spacing of contour
    points count as that.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> laws = discover_wall_law(track_walls(make_wall_video(n_frames=8, rng=1).video), rng=1)
    >>> laws.target, laws.variables, laws.claims_law
    ('velocity', ('drive', 'curvature'), True)
    """
    asked = options or WallLawOptions()
    pins = pins_of(track, asked)
    speeds = measure_wall_speeds(track, rng)
    names = ("drive", "curvature") if speeds.n_levels > 1 else ("curvature",)
    ranges = [(float(speeds.drive.min()), float(speeds.drive.max()))] * (len(names) - 1)
    ranges.append(speeds.curvature[:2])
    units = (track.drive_unit, f"1/{track.unit}")[-len(names) :]
    if pins is not None:
        away = pins.at(track.table["x"].to_numpy(), track.table["y"].to_numpy())
        names, units = (*names, "pin_distance", "pin_facing"), (*units, track.unit, "1")
        ranges += [(float(away.min()), float(away.max())), (-1.0, 1.0)]
    scored = [(law, speeds) for law in laws_of_speeds(speeds)]
    if pins is not None or asked.curvature != "linear":
        fits = local_speeds(track, speeds, pins, asked)
        best_gain = max((fit.gain for fit in fits), default=0.0)
        for fit in fits:
            if fit.gain > best_gain - HOPELESS:
                scored += [(law, fit.speeds) for law in laws_of_local(fit, speeds, len(names))]
    scored.sort(key=lambda pair: pair[0].description_length)
    best, its = scored[0]
    return EquationSet(
        tuple(law for law, _ in scored[:N_KEPT]), names, "velocity", np.array(ranges),
        float(np.sqrt(np.mean(np.diag(speeds.covariance)[: speeds.n_levels]))),
        its.warnings + _doubts(best, its), units=f"{track.unit}/{track.time_unit}",
        variable_units=units,
    )  # fmt: skip


def laws_of_local(local: LocalSpeeds, base: WallSpeeds, n_variables: int) -> list[Equation]:
    """Return the laws of a fit with pins or a bend of its own, on the scale of the plain ones.

    ``base``: the speeds that the plain laws were scored by.
    """
    drive = local.speeds.drive
    spreads = [np.linalg.slogdet(2 * np.pi * one.covariance)[1] for one in (local.speeds, base)]
    more = local.gain + 0.5 * float(spreads[0] - spreads[1])
    n_tail = local.speeds.n_tail
    laws = []
    for law in laws_of_speeds(local.speeds, search=False):
        n_drive = len(law.terms) - n_tail
        said = written_out(law, local.law, n_drive, both_signs=bool(drive.min() < 0))
        evidence = float(law.log_evidence or 0.0) + more
        length = structure_length(said.terms, n_variables) - evidence
        laws.append(replace(said, description_length=length, log_evidence=evidence))
    return laws


def laws_of_speeds(speeds: WallSpeeds, *, search: bool = True) -> list[Equation]:
    """Return the laws that speeds and curvature's share allow, by description length.

    ``search``: look for forms beyond the known ones, too.

    Examples
    --------
    >>> drive = np.array([1.0, 2.0, 3.0, 4.0])
    >>> covariance = np.diag([0.01] * 4 + [0.02]) ** 2
    >>> values = np.append(0.5 * drive, -0.3)
    >>> law = laws_of_speeds(WallSpeeds(drive, values, covariance, True, (0.0, 0.2, 0.1), ()))[0]
    >>> [term.program for term in law.terms], law.constants.round(3).tolist()
    ([('drive',), ('curvature',)], [0.5, -0.3])
    """
    # The drive has a unit: the search sees it over its largest value, constants are scaled back
    size = float(np.abs(speeds.drive).max())
    if speeds.n_levels > 1 and size > 0:
        scaled = replace(speeds, drive=speeds.drive / size)
        return [in_units(law, size) for law in _scaled_laws(scaled, search)]
    return _scaled_laws(speeds, search)


def _scaled_laws(speeds: WallSpeeds, search: bool) -> list[Equation]:
    n_variables = 2 if speeds.n_levels > 1 else 1
    laws = []
    for form in drive_forms(speeds.drive, speeds.speed, speeds.covariance, search=search):
        for tail in _tails(speeds):
            law = _best_fit(form, speeds, tail, n_variables)
            laws += [law] if law is not None else []
    return _different(laws, speeds)[:N_KEPT]


def _tails(speeds: WallSpeeds) -> list[tuple[Program, ...]]:
    """Terms that may follow those of the drive: the curvature's, and all unknowns."""
    unknown: tuple[Program, ...] = tuple((f"{UNKNOWN}{k}",) for k in range(len(speeds.widths)))
    if unknown:
        return [(CURVATURE, *unknown) if speeds.curved else unknown]
    return [(), (CURVATURE,)] if speeds.curved else [()]


def _tail_of(law: Equation) -> int:
    """How many of a law's last terms say values, not speeds."""
    return sum(
        term.program == CURVATURE or str(term.program[0]).startswith(UNKNOWN) for term in law.terms
    )


def _columns(speeds: WallSpeeds) -> dict[str, Floats]:
    """Columns at which a law's own part is evaluated: every drive, a flat wall."""
    tiny = ALMOST_NO_DRIVE * float(np.abs(speeds.drive).max())
    drive = np.where(speeds.drive == 0, tiny, speeds.drive)
    none = np.zeros(speeds.n_levels)
    unknown = {f"{UNKNOWN}{k}": none for k in range(len(speeds.widths))}
    return {"drive": drive, "curvature": none, **unknown}


def _predicted(law: Equation, speeds: WallSpeeds) -> tuple[Floats, Floats]:
    """Return what a law says of ``speeds.values``, and its derivatives (n_constants, n_values)."""
    return _predicted_by(law.program, _tail_of(law), speeds)


def _predicted_by(program: Program, tail: int, speeds: WallSpeeds) -> tuple[Floats, Floats]:
    values, slopes = gradients(program, _columns(speeds))
    count = speeds.n_tail
    said = np.array(floats_of(program)[-tail:]) if tail else np.zeros(count)
    last = np.zeros((len(slopes), count))
    if tail:
        last[-tail:] = np.eye(tail)
    return np.append(values, said), np.concatenate([slopes, last], axis=1)


def _best_fit(
    form: WallForm, speeds: WallSpeeds, tail: tuple[Program, ...], n_variables: int
) -> Equation | None:
    """Fit a form from all its starts and measure the best; None where none is defined."""
    root = np.linalg.cholesky(np.linalg.inv(speeds.covariance)).T
    begun = [_started(form, start, speeds, tail, root) for start in form.starts]
    rough = [(_misfit(law, speeds, root), law) for law in begun if law is not None]
    rough.sort(key=lambda pair: pair[0])
    best = [_polished(law, speeds, root) for _, law in rough[:POLISHED]]
    fits = [(_misfit(law, speeds, root), law) for law in best]
    if not fits:
        return None
    misfit, law = min(fits, key=lambda pair: pair[0])
    return _measured(law, misfit, speeds, n_variables)


def _started(
    form: WallForm,
    start: Sequence[float],
    speeds: WallSpeeds,
    tail: tuple[Program, ...],
    root: Floats,
) -> Equation | None:
    """Take the inner constants as given and the factors by generalised least squares."""
    left = list(start)
    terms = []
    for program in form.programs:
        count = len(floats_of(program))
        terms.append(Term(1.0, with_floats(program, left[:count])))
        left = left[count:]
    terms += [Term(1.0, program) for program in tail]
    if not terms:
        return Equation((Term(0, (1,)),), 0.0, 0.0, 0)
    columns = _columns(speeds)
    design = np.stack([term.values(columns) for term in terms], axis=1)
    last = np.zeros((speeds.n_tail, len(terms)))
    if tail:
        last[:, -len(tail) :] = np.eye(len(tail))
    design = np.concatenate([design, last])
    if not np.isfinite(design).all():
        return None
    factors = np.linalg.lstsq(root @ design, root @ speeds.values, rcond=None)[0]
    with_factors = [
        Term(float(factor), term.program) for factor, term in zip(factors, terms, strict=True)
    ]
    return Equation(tuple(with_factors), 0.0, 0.0, 0)


def _misfit(law: Equation, speeds: WallSpeeds, root: Floats) -> float:
    return float((_miss(_predicted(law, speeds)[0], speeds, root) ** 2).sum())


def _miss(values: Floats, speeds: WallSpeeds, root: Floats) -> Floats:
    """Standardised residuals; far off where the law is undefined."""
    rest: Floats = root @ (speeds.values - values)
    return np.where(np.isfinite(rest), rest, FAR)


def _polished(law: Equation, speeds: WallSpeeds, root: Floats) -> Equation:
    """Fit all constants; laws that are linear in them stand as they are."""
    if not any(floats_of(term.program) for term in law.terms):
        return law
    scale = np.where(law.constants == 0, 1.0, np.abs(law.constants))
    program, tail = law.program, _tail_of(law)

    def miss(point: Floats) -> Floats:
        filled = with_floats(program, point * scale)
        return _miss(_predicted_by(filled, tail, speeds)[0], speeds, root)

    def slopes(point: Floats) -> Floats:
        here = _predicted_by(with_floats(program, point * scale), tail, speeds)[1]
        return np.nan_to_num(-(root @ here.T) * scale)

    begun = law.constants / scale
    found = optimize.least_squares(miss, begun, slopes, method="lm", max_nfev=MOST_STEPS)
    sound = np.isfinite(found.x).all() and np.abs(found.x).max() < LARGEST
    return law.with_constants(found.x * scale) if sound else law


def _measured(law: Equation, misfit: float, speeds: WallSpeeds, n_variables: int) -> Equation:
    """Loss, covariance, evidence and description length, on the scale of the search's laws.

    Prior widths of the constants are those of `description_length`: the constant's size, or what
    moves the wall by as much as it moves.
    """
    slopes = np.nan_to_num(_predicted(law, speeds)[1])
    inverse = np.linalg.inv(speeds.covariance)
    information = slopes @ inverse @ slopes.T
    n = speeds.n_levels
    effect = np.sqrt((slopes[:, :n] ** 2).mean(axis=1))
    motion = float((speeds.speed**2).mean())
    if speeds.curved:
        bend = speeds.curvature[2]
        effect = np.hypot(effect, bend * slopes[:, n])
        motion += (bend * float(speeds.values[n])) ** 2
    reach = np.where(effect > 0, math.sqrt(motion) / np.maximum(effect, 1e-300), 0.0)
    if speeds.widths:
        reach[-len(speeds.widths) :] = speeds.widths
    width = np.maximum(np.maximum(np.abs(law.constants), reach), 1e-300)
    scaled = information * np.outer(width, width)
    _, room = np.linalg.slogdet(np.eye(len(width)) + scaled)
    _, spread = np.linalg.slogdet(2 * np.pi * speeds.covariance)
    evidence = -0.5 * (misfit + float(spread) + float(room))
    # Nearly no prior: what the data leave open shall look open
    covariance = np.linalg.inv(scaled + WIDE * np.eye(len(width))) * np.outer(width, width)
    return Equation(
        law.terms, misfit / speeds.values.size,
        structure_length(law.terms, n_variables) - evidence, len(width),
        0.5 * (covariance + covariance.T) if len(width) else None, evidence,
    )  # fmt: skip


def _different(laws: list[Equation], speeds: WallSpeeds) -> list[Equation]:
    """Sort by description length; of laws that say the same the shortest stays."""
    kept: list[Equation] = []
    said: list[Floats] = []
    sd = np.sqrt(np.diag(speeds.covariance))
    for law in sorted(laws, key=lambda law: (law.description_length, law.complexity)):
        values = _predicted(law, speeds)[0] / sd
        same = (
            other.n_constants == law.n_constants and float(np.abs(values - before).max()) < SAME
            for other, before in zip(kept, said, strict=True)
        )  # fmt: skip
        if math.isfinite(law.description_length) and not any(same):
            kept.append(law)
            said.append(values)
    return kept


def _doubts(best: Equation, speeds: WallSpeeds) -> tuple[str, ...]:
    freedom = speeds.values.size - best.n_constants
    misfit = best.loss * speeds.values.size
    if freedom > 0 and stats.chi2.sf(misfit, freedom) < DOUBTFUL_P:
        return (
            f"the best law leaves a misfit of {misfit:.3g} where {freedom} is expected: the true "
            "law is not in the set, or the wall's errors are too small",
        )
    return ()
