"""The law of the force between bodies that coast: candidates weighed by their integrated motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.checks import NotIdentified
from physlearn.inference.dynamics.pair_curve import BodyCurve, distance_weights, information_on_law
from physlearn.inference.dynamics.pair_forms import (
    PairForm,
    fit_to_curve,
    force_forms,
    searched_forms,
)
from physlearn.inference.dynamics.pair_motion_fit import (
    PairFit,
    PairProblem,
    fit_pair_motion,
    followed_places,
    join_pieces,
)
from physlearn.inference.dynamics.pair_options import PairLawOptions
from physlearn.inference.dynamics.pair_score import NATS_OF_KNOWN, different_laws, measured_law
from physlearn.inference.dynamics.pair_start import LEAST_SPAN, NodeForce, pair_lines
from physlearn.inference.law_search.description_length import structure_length
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.equation_set import EquationSet

__all__ = ["laws_of_bodies"]

Floats = NDArray[np.float64]

ROUNDS = 4
DOUBTFUL_P = 1e-3
WORSE = 1.1  # a joined piece may raise the misfit by this factor
SHORT = 0.1  # of the distance: a range that tells a law from another with great precision only
TELLING = 6.0  # nats: laws no further apart than so count as alike on a short range
NAMED = 8  # bodies whose strengths a remark tells


@dataclass(frozen=True, slots=True, eq=False)
class _Followed:
    """A form and the motion that it makes."""

    form: PairForm
    fit: PairFit


def laws_of_bodies(curve: BodyCurve, options: PairLawOptions) -> EquationSet:
    """Fit forms to the curve, the best of them to the tracks, and weigh these."""
    forms = _promising(curve, options)
    problem = curve.problem
    found = [_followed(problem, form, at, curve.fit) for form, at in forms]
    before: PairForm | None = None
    for _ in range(ROUNDS):
        sound = [one for one in found if one is not None]
        if not sound:
            raise NotIdentified("no law could be followed along the tracks: give more times.")
        best = max(sound, key=lambda one: _evidence(problem, one, curve))
        longer, joined = join_pieces(problem, best.form, best.fit, WORSE)
        if len(longer.starts) == len(problem.starts) and best.form is before:
            break
        before, problem = best.form, replace(longer, pull=None)
        # From the best motion: from where they were, others may end in minima of their own
        found = [
            _followed(problem, one.form, _alike(one, _Followed(best.form, joined), curve), joined)
            for one in sound
        ]
    return _equation_set([one for one in found if one is not None], problem, curve, options)


def _alike(one: _Followed, best: _Followed, curve: BodyCurve) -> Floats:
    """Constants with which a form comes nearest to the best law."""
    values = best.form(best.fit.constants, curve.nodes)[0]
    if one.form is best.form:
        return best.fit.constants
    if not values.any():
        return one.fit.constants
    size = np.maximum(np.abs(values), 1e-6 * np.abs(values).max())
    root = np.diag(np.sqrt(distance_weights(curve)) / size)
    fitted = fit_to_curve(one.form, curve.nodes, values, root)
    return one.fit.constants if fitted is None else fitted[0]


def _promising(curve: BodyCurve, options: PairLawOptions) -> list[tuple[PairForm, Floats]]:
    """Return the forms that follow the curve best, with their constants; no force always."""
    information = curve.information / curve.variance
    values, vectors = np.linalg.eigh(information)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    sd = _errors_at_nodes(curve)
    forms = force_forms(tuple(options.laws))
    if options.search:
        forms += searched_forms(curve.nodes, curve.values, np.maximum(sd, 1e-12 * sd.max()))
    ranked = []
    for form in forms:
        fitted = fit_to_curve(form, curve.nodes, curve.values, root)
        if fitted is not None and not form.degenerate(fitted[0]):
            constants, misfit = fitted
            price = structure_length(form.equation(constants)[0].terms, 1)
            ranked.append((0.5 * misfit + 2.0 * form.n_constants + price, form, constants))
    ranked.sort(key=lambda row: row[0])
    # On a short range the curve ranks by chance: powers of the distance stand for all laws
    short = np.log(curve.nodes[-1] / curve.nodes[0]) < 1.1 * LEAST_SPAN
    kept = [row for place, row in enumerate(ranked) if place < options.n_refitted
            or row[1].n_constants < 1 + (short and row[1].known)]  # fmt: skip
    return [(form, constants) for _, form, constants in kept]


def _errors_at_nodes(curve: BodyCurve) -> Floats:
    """Return the force's standard deviation at nodes; the largest where the tracks tell nothing."""
    inverse = np.linalg.pinv(curve.information, hermitian=True) * curve.variance
    sd = np.sqrt(np.maximum(np.diag(inverse), 0.0))
    told = np.isfinite(sd) & (sd > 0)
    largest = sd[told].max() if told.any() else float(np.abs(curve.values).max()) or 1.0
    return np.where(told, sd, largest)


def _followed(
    problem: PairProblem, form: PairForm, constants: Floats, near: PairFit
) -> _Followed | None:
    fit = fit_pair_motion(problem, form, constants, near.strengths, near.states)
    if fit is None and not form.n_constants:
        # Bodies that no force holds may leave at another law's speeds; no force is always listed
        still = near.states * np.array([1.0, 0.0])[:, None, None]
        fit = fit_pair_motion(problem, form, constants, near.strengths, still)
    return None if fit is None or form.degenerate(fit.constants) else _Followed(form, fit)


def _variance(problem: PairProblem, one: _Followed) -> float:
    if problem.bodies.noise_known:
        return 1.0
    freedom = problem.n_measured - problem.n_spent - one.form.n_constants
    return max(one.fit.misfit, 1e-280) / max(freedom, 1)


def _measured(problem: PairProblem, one: _Followed, curve: BodyCurve) -> Equation:
    bodies = problem.bodies
    return measured_law(
        one.form, one.fit.constants, information_on_law(one.fit) / _variance(problem, one),
        problem.log_likelihood(one.fit.misfit), curve.nodes, distance_weights(curve),
        (bodies.length, bodies.length / bodies.duration**2), one.fit.misfit / problem.n_measured,
    )  # fmt: skip


def _evidence(problem: PairProblem, one: _Followed, curve: BodyCurve) -> float:
    return -_measured(problem, one, curve).description_length


def _equation_set(
    found: list[_Followed], problem: PairProblem, curve: BodyCurve, options: PairLawOptions
) -> EquationSet:
    bodies = problem.bodies
    pairs = [(_measured(problem, one, curve), one) for one in found]
    best = min(pairs, key=lambda pair: pair[0].description_length)[1]
    force_unit = bodies.length / bodies.duration**2
    sd = _errors_at_nodes(curve) * force_unit
    nodes = curve.nodes * bodies.length
    median, span, noise = _range_of_distances(problem, best)
    measured = [law for law, _ in pairs]
    remarks = [_said_of_strengths(problem, best), *_said_of_pieces(problem)]
    if span < max(SHORT * median, 2.0 * noise):
        measured = _alike_on_a_short_range(measured)
        remarks.append(
            f"the distance hardly varies ({100 * span / median:.2g} % of it, its noise "
            f"{100 * noise / median:.2g} %): orbits at other distances are needed to tell a law"
        )
    laws = different_laws(measured, nodes, sd, options.n_kept)
    known = len(force_forms(tuple(options.laws)))
    tried = sum(one.form.known for one in found)
    if tried < known:
        remarks.append(
            f"{tried} of {known} known laws were compared along the tracks; the others follow the "
            "force by distance less well (n_refitted= takes more)"
        )
    remarks += _doubts(problem, best, curve)
    unit = f"{bodies.unit}/{bodies.time_unit}^2"
    return EquationSet(
        tuple(laws), ("r",), "force", np.array([[nodes[0], nodes[-1]]]), float(np.median(sd)),
        tuple(remark for remark in remarks if remark), units=unit, variable_units=(bodies.unit,),
    )  # fmt: skip


def _range_of_distances(problem: PairProblem, best: _Followed) -> tuple[float, float, float]:
    """Median, range and noise of the distances at which the sources act, along the best motion."""
    places = followed_places(problem, best.form, best.fit)
    distance = pair_lines(places, problem.bodies.box)[1]
    told = np.isfinite(distance) & ~np.eye(problem.bodies.n_bodies, dtype=bool)
    heavy = np.broadcast_to(best.fit.strengths**2, distance.shape)[told]
    order = np.argsort(distance[told])
    share = np.cumsum(heavy[order]) / heavy.sum()
    low, median, high = np.interp([0.01, 0.5, 0.99], share, distance[told][order])
    variance = _variance(problem, best) / float(np.median(problem.bodies.weight))
    return float(median), float(high - low), float(np.sqrt(2.0 * variance))


def _alike_on_a_short_range(laws: list[Equation]) -> list[Equation]:
    """Let laws of one constant weigh the same: neither brevity nor chance is to choose there."""
    seen = [law.log_evidence or 0.0 for law in laws]  # measured_law always says it
    top, alike = max(seen), []
    for law, evidence in zip(laws, seen, strict=True):
        length = max(law.description_length, NATS_OF_KNOWN - evidence)
        if law.n_constants == 1 and evidence > top - TELLING:
            length = NATS_OF_KNOWN - top
        alike.append(replace(law, description_length=length) if law.n_constants else law)
    return alike


def strength_errors(fit: PairFit, variance: float) -> Floats:
    """Return the standard deviations of the strengths, shape (n,)."""
    free = fit.basis.shape[1]
    inverse = np.linalg.pinv(fit.information, hermitian=True)[:free, :free] * variance
    spread = np.einsum("ni,ij,nj->n", fit.basis, inverse, fit.basis)
    return np.asarray(np.sqrt(np.maximum(spread, 0.0)))


def _said_of_strengths(problem: PairProblem, best: _Followed) -> str:
    if not problem.free:
        return ""
    errors = strength_errors(best.fit, _variance(problem, best))
    order = np.argsort(-np.abs(best.fit.strengths))[:NAMED]
    told = ", ".join(
        f"{problem.bodies.particle[k]}: {best.fit.strengths[k]:.2g} +- {errors[k]:.1g}"
        for k in order
    )
    rest = problem.bodies.n_bodies - len(order)
    return (
        f"strengths of the bodies as sources (particle: share of the sum, one standard deviation): "
        f"{told}{f' and {rest} more' if rest else ''}; the force is that of a source of strength 1"
    )


def _said_of_pieces(problem: PairProblem) -> list[str]:
    pieces = len(problem.starts) - 1
    if pieces == 1:
        return []
    return [
        f"the best law was followed over {pieces} pieces of the tracks, each with a start of its "
        "own: over longer ones the motion is chaotic, or a force lacks"
    ]


def _doubts(problem: PairProblem, best: _Followed, curve: BodyCurve) -> list[str]:
    """Warn where a force that is free at nodes follows the bodies better than the best law."""
    prior = (curve.values, np.full(len(curve.nodes), 1e-4 / np.abs(curve.values).max() ** 2))
    start = (best.form(best.fit.constants, curve.nodes)[0], best.fit.strengths, best.fit.states)
    free = fit_pair_motion(problem, NodeForce(curve.nodes), *start, prior)
    extra = len(curve.nodes) - best.form.n_constants
    if free is None or extra < 1:
        return []
    freedom = max(problem.n_measured - problem.n_spent - len(curve.nodes), 1)
    noise = 1.0 if problem.bodies.noise_known else free.misfit / freedom
    gain = (best.fit.misfit - free.misfit) / noise / extra
    p = float(stats.f.sf(gain, extra, freedom)) if gain > 0 else 1.0
    if p < DOUBTFUL_P:
        return [
            f"a force that is free at {len(curve.nodes)} distances follows the bodies better than "
            f"the best law (p = {p:.1g}): the true law is not in the list, or something else acts"
        ]
    return []
