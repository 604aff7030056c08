"""The search of drift and diffusion: curves propose laws, the likelihood of transitions decides."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.dynamics.drift_checks import Memory, memory_of, standard_steps
from physlearn.inference.dynamics.drift_curve import FreeCurve, Told
from physlearn.inference.dynamics.drift_data import DriftData, motion_of
from physlearn.inference.dynamics.drift_fit import (
    Bench,
    Climb,
    Motion,
    MotionLaw,
    fields_of,
)
from physlearn.inference.dynamics.drift_force import force_laws
from physlearn.inference.dynamics.drift_forms import (
    DriftForm,
    diffusion_forms,
    drift_forms,
    fit_form,
    raised,
    searched_forms,
    zero_law,
)
from physlearn.inference.dynamics.drift_frames import (
    MOST_ROWS,
    PHASES,
    REACH,
    curve_of,
    frames_apart,
)
from physlearn.inference.dynamics.drift_grid import GridMotion
from physlearn.inference.dynamics.drift_moments import MomentMotion
from physlearn.inference.dynamics.drift_units import DriftUnits, in_own_units
from physlearn.inference.laws.equation import Equation, Term

__all__ = ["SearchedDrift", "search_drift"]

Floats = NDArray[np.float64]
Stop = Callable[[], bool] | None
Progress = Callable[[int, int, str], None] | None

N_EXACT = {0: 8, 1: 5, 2: 3}  # laws that are fitted by the likelihood: on a grid, by moments
WITHIN = {0: 7.0, 1: 6.0, 2: 5.0}  # nats behind the best of the curve's laws
HOPELESS = 25.0
SAID_AGAIN = 0.02  # of the drift that counts: what fits leave open
TOLD_APART = 1.0  # nats
SAME = 0.01  # of the errors at the nodes
SAMPLE = 400


@dataclass(frozen=True, eq=False)
class SearchedDrift:
    """What a search found.

    Attributes
    ----------
    data, motion
        As they were used: frames apart, rows left out; ``motion`` in ``units``.
    units
        In which laws were searched; all else stands in the units that were given.
    laws
        For each axis' drift, and last for D: laws by description length.
    forces
        Where D depends on the place, for each axis: laws of the drift less the gradient of D.
    best
        The best laws together, fitted.
    climbed
        Where that fit ended, in ``units``.
    curve_fields
        Drift and D of the free curves at the motion's points.
    memory
        Of the steps, under the best laws; ``first_memory`` with frames one apart.
    trap
        Rate of a harmonic trap along each axis and its error, were there one (and dD/dx).
    flow
        A constant drift along each axis and its error.
    n_left_out
        Rows that were not used.
    stopped
        Whether the search was stopped.
    """

    data: DriftData
    motion: Motion
    units: DriftUnits
    laws: tuple[tuple[Equation, ...], ...]
    forces: tuple[tuple[Equation, ...], ...] | None
    best: MotionLaw
    climbed: Climb
    curve_fields: tuple[Floats, Floats]
    memory: Memory | None
    first_memory: Memory | None
    trap: tuple[tuple[float, float], ...]
    flow: tuple[tuple[float, float], ...]
    n_left_out: int
    stopped: bool


def search_drift(
    data: DriftData, apart: int | None, search: bool, stop: Stop, progress: Progress
) -> SearchedDrift | None:
    """Search laws of drift and diffusion; None where no likelihood is found.

    Raises
    ------
    NotIdentified
        Where no diffusion is positive where the particles may come.
    """
    first_memory = None
    data, units = in_own_units(data)
    if apart is None and not data.is_exact:
        used, first_memory = frames_apart(data)
    else:
        used = data.thinned(apart or 1, PHASES)
    every = len(used.series.gaps)
    used = used.capped(MOST_ROWS[len(used.names)])
    motion = motion_of(used)
    curve = curve_of(motion, used)
    if curve is None:
        return None
    if isinstance(motion, MomentMotion):
        motion = motion.for_drift(curve.fields[0])
    places = used.series.positions.T
    chosen = np.linspace(0, places.shape[1] - 1, min(SAMPLE, places.shape[1])).astype(int)
    columns = dict(zip(used.names, places[:, chosen], strict=True))
    level = float(np.median(curve.diffusion.values))
    spread = float(np.sqrt(places.var(axis=1).mean()))
    bench = Bench(motion, used.names, columns, REACH * level / spread)
    proposed = [
        _proposals(told, used.names, bench.reach, columns, drift_forms(used.names, told.nodes),
                   motion.points, search)
        for told in curve.drift
    ]  # fmt: skip
    spreads = _proposals(
        curve.diffusion,
        used.names,
        level,
        columns,
        diffusion_forms(used.names),
        motion.points,
        False,
        positive=True,
    )
    if not spreads:
        raise NotIdentified(
            "no diffusion was found that is positive wherever these particles may come: look at "
            "the tracks for jumps and wrong links (check_trajectory)."
        )
    law = MotionLaw(
        used.names, tuple(laws[0] for laws in proposed), spreads[0], curve.log_noise,
        motion.has_noise,
    )  # fmt: skip
    return _decided(used, bench, law, [*proposed, spreads], curve, stop, progress,
                    (first_memory, every - len(used.series.gaps), units))  # fmt: skip


def _decided(
    data: DriftData, bench: Bench, law: MotionLaw, proposed: list[list[Equation]],
    curve: FreeCurve, stop: Stop, progress: Progress, said: tuple[Memory | None, int, DriftUnits],
) -> SearchedDrift | None:  # fmt: skip
    """Fit the proposed laws by the likelihood, one equation after the other."""
    stopped = False
    laws: list[list[Equation]] = [[] for _ in proposed]
    counts = [_n_exact(own, bench) for own in proposed]
    total, done = sum(counts), 0
    last = len(proposed) - 1
    climbed = Climb(law.numbers, -math.inf, law.numbers, np.eye(0), law.numbers, settled=False)
    # D first, for the drifts' errors stand on it; then each drift; then D given the drifts
    for index in [last, *range(last)]:
        fits: list[tuple[Equation, MotionLaw, Climb]] = []
        must = _must(proposed[index], counts[index], index == last)
        for own in proposed[index][: counts[index]] + must:
            stopped = stopped or (stop is not None and bool(stop()))
            if stopped and fits:
                break
            try:
                found = bench.measured(_replaced(law, index, own), index)
            except KeyboardInterrupt:  # the best so far is handed back
                found, stopped = None, True
            done += 1
            if found is not None:
                fits.append(found)
            if progress is not None and fits:
                from physlearn.inference.laws.equation_text import text_of

                best = min(fits, key=lambda one: one[0].description_length)
                shown = said[2].given(best[0], index == last) or best[0]
                progress(min(done, total), total, text_of(shown))
        if not fits:
            return None
        fits.sort(key=lambda one: one[0].description_length)
        laws[index] = _listed([one[0] for one in fits], proposed[index], bench)
        first = laws[index][0]
        best = next((one for one in fits if one[0] is first), fits[0])
        law, climbed = best[1], best[2]
    laws = _on_one_scale(laws)
    steps = standard_steps(bench.motion, data, fields_of(law, bench.motion.points)(law.numbers))
    memory = None if steps is None else memory_of(steps, data)
    forces, tied = None, law
    if laws[last][0].variables:
        found_tied = force_laws(
            bench, law, laws[:last], lambda: stopped or (stop is not None and bool(stop()))
        )
        tied, forces = (replace(law, tied=True), []) if found_tied is None else found_tied
        forces = _on_one_scale(forces)
    trap, flow = _limits(bench, tied)
    return _in_given_units(SearchedDrift(
        data, bench.motion, said[2], tuple(tuple(own) for own in laws),
        None if forces is None else tuple(tuple(own) for own in forces), law, climbed,
        curve.fields, memory, said[0], trap, flow, said[1], stopped,
    ))  # fmt: skip


def _in_given_units(found: SearchedDrift) -> SearchedDrift:
    """Return what was found in the units of the data; laws that cannot take them up are left."""
    units, last = found.units, len(found.laws) - 1

    def moved(laws: tuple[Equation, ...], of_diffusion: bool) -> tuple[Equation, ...]:
        given = (units.given(law, of_diffusion) for law in laws)
        return tuple(law for law in given if law is not None)

    best = found.best
    drift = tuple(units.given(law) or law for law in best.drift)
    speed = units.length / units.time
    return replace(
        found,
        data=units.given_data(found.data),
        laws=tuple(moved(own, k == last) for k, own in enumerate(found.laws)),
        forces=None if found.forces is None else tuple(moved(own, False) for own in found.forces),
        best=replace(best, drift=drift, diffusion=units.given(best.diffusion, True)
                     or best.diffusion, log_noise=best.log_noise + math.log(units.length)),
        curve_fields=(found.curve_fields[0] * speed, found.curve_fields[1] * speed * units.length),
        trap=tuple((rate / units.time, error / units.time) for rate, error in found.trap),
        flow=tuple((flow * speed, error * speed) for flow, error in found.flow),
    )  # fmt: skip


def _n_exact(laws: list[Equation], bench: Bench) -> int:
    """Laws that are fitted: many on a grid, few where a likelihood takes long."""
    kind = 0 if isinstance(bench.motion, GridMotion) else len(bench.names)
    best = laws[0].description_length
    near = sum(law.description_length < best + WITHIN[kind] for law in laws)
    return min(near, N_EXACT[kind])


def _must(laws: list[Equation], count: int, of_diffusion: bool) -> list[Equation]:
    """Laws that are always fitted: nothing, a constant, a trap, unless they are hopeless.

    Of a diffusion a constant and an exponential, which are positive everywhere, and squares, of
    which a curve knows little where D is small.
    """
    if of_diffusion:
        always = (1, "exp", "square")
        return [law for law in laws[count:]
                if all(term.program[-1] in always for term in law.terms)]  # fmt: skip
    shapes = [((1,),), (("x",),), (("y",),)]
    best = laws[0].description_length
    return [
        law for law in laws[count:]
        if tuple(term.program for term in law.terms) in shapes
        and law.description_length < best + HOPELESS
    ]  # fmt: skip


def _replaced(law: MotionLaw, index: int, own: Equation) -> MotionLaw:
    if index == len(law.drift):
        return replace(law, diffusion=own)
    drift = tuple(own if k == index else one for k, one in enumerate(law.drift))
    return replace(law, drift=drift)


def _listed(fitted: list[Equation], proposed: list[Equation], bench: Bench) -> list[Equation]:
    """Fitted laws, each once, and behind them those that the curve alone weighed."""
    kept: list[Equation] = []
    seen: list[Floats] = []
    near = SAID_AGAIN * bench.reach
    # A law that says the same with more numbers is no other law: its prior room is an illusion
    for law in sorted(fitted, key=lambda one: (one.n_constants, one.complexity)):
        values = law.predict(bench.columns)
        again = any(
            float(np.abs(values - before).max()) < near and law.loss > other.loss - TOLD_APART
            for other, before in zip(kept, seen, strict=True)
        )
        if not again:
            kept.append(law)
            seen.append(values)
    there = {_shape(law) for law in fitted}
    # The curve's lengths differ from the likelihood's by what all laws share
    best = min(proposed, key=lambda law: law.description_length)
    anchor = next((law for law in fitted if _shape(law) == _shape(best)), fitted[0])
    shift = anchor.description_length - best.description_length
    rest = [
        replace(law, description_length=law.description_length + shift, loss=anchor.loss
                + 0.5 * (law.loss - best.loss))
        for law in proposed if _shape(law) not in there
    ]  # fmt: skip
    return sorted([*kept, *rest], key=lambda law: law.description_length)


def _shape(law: Equation) -> tuple[frozenset[tuple[str, ...]], int]:
    """Return the law without its numbers; nothing is another law than a constant."""
    return law.structure, law.n_constants


def _on_one_scale(laws: list[list[Equation]]) -> list[list[Equation]]:
    """Losses as nats behind the best law of each target."""
    out = []
    for own in laws:
        least = min(one.loss for one in own)
        out.append([replace(one, loss=max(one.loss - least, 0.0)) for one in own])
    return out


def _proposals(
    told: Told, names: tuple[str, ...], reach: float, columns: dict[str, Floats],
    forms: list[DriftForm], points: Floats, search: bool, positive: bool = False,
) -> list[Equation]:  # fmt: skip
    """Return what fits a curve, by description length, each law once."""
    if search:
        forms = forms + searched_forms(told, names, forms)
    fitted = [fit_form(form, told, names, reach, columns) for form in forms]
    found = [law for law in fitted if law is not None]
    laws = sorted(
        (raised(law, told, names, points) if positive else law for law in found),
        key=lambda law: (law.description_length, law.complexity),
    )
    at = dict(zip(names, told.nodes, strict=True))
    kept: list[Equation] = []
    said: list[Floats] = []
    sd = 1.0 / np.sqrt(np.maximum(told.precisions, 1e-300))
    for law in laws:
        values = law.predict(at) / sd
        same = any(
            other.n_constants <= law.n_constants and float(np.abs(values - before).max()) < SAME
            for other, before in zip(kept, said, strict=True)
        )
        if not same and np.isfinite(values).all() and _is_defined(law, names, points, positive):
            kept.append(law)
            said.append(values)
    return kept


def _is_defined(law: Equation, names: tuple[str, ...], points: Floats, positive: bool) -> bool:
    """Whether a law has a value wherever particles may come, and a positive one."""
    with np.errstate(all="ignore"):
        values = law.predict(dict(zip(names, points, strict=True)))
    return bool(np.isfinite(values).all() and (not positive or values.min() > 0.0))


def _limits(
    bench: Bench, law: MotionLaw
) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]:
    """Return a trap's rate and a constant drift along each axis, with errors, were there one."""
    nothing = tuple(zero_law() for _ in law.drift)
    traps: list[tuple[float, float]] = []
    flows: list[tuple[float, float]] = []
    for axis, name in enumerate(bench.names):
        start = 1e-3 * bench.reach
        trap = Equation((Term(-start, (name,)), Term(0.0, (1,))), 0.0, 0.0, 2)
        flow = Equation((Term(start, (1,)),), 0.0, 0.0, 1)
        for own, found in ((trap, traps), (flow, flows)):
            drift = tuple(own if k == axis else one for k, one in enumerate(nothing))
            fitted = bench.measured(replace(law, drift=drift), axis)
            if fitted is None or fitted[0].covariance is None:
                found.append((math.nan, math.nan))
                continue
            sign = -1.0 if own is trap else 1.0
            error = math.sqrt(max(float(fitted[0].covariance[0, 0]), 0.0))
            found.append((sign * float(fitted[0].constants[0]), error))
    return tuple(traps), tuple(flows)
