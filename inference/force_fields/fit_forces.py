"""Pair potentials from the energies and forces of computed structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    InputError,
    NotIdentified,
    as_generator,
    check_choice,
    check_count,
    check_positive,
)
from physlearn.inference.force_fields.condition_spread import draw_shapes
from physlearn.inference.force_fields.energy_terms import (
    AngleTerm,
    EmbeddingTerm,
    EnergyModel,
    EnergyTerm,
    PairTerm,
)
from physlearn.inference.force_fields.energy_unit import (
    energies_scale,
    in_unit,
)
from physlearn.inference.force_fields.force_checks import (
    check_forces,
)
from physlearn.inference.force_fields.force_regression import (
    fit_pooled,
    leave_each_out,
)
from physlearn.inference.force_fields.force_result import Fitted, fit_of_forces
from physlearn.inference.force_fields.structure_table import (
    Computed,
    Condition,
    make_conditions,
    nearest_distance,
    read_computed,
)
from physlearn.inference.potential_families.make_family import (
    FAMILIES,
    make_family,
    make_interaction,
)
from physlearn.inference.potential_families.pair_family import InteractionFamily, PairFamily
from physlearn.results import Fit

__all__ = ["fit_forces"]

Float = NDArray[np.float64]
N_KNOTS = 14
KNOT_POWER = 1.3
BEND = 0.3
"""Prior sd of the third differences of a spline's values, in the unit of energy."""
ANGLE_REACH = 1.65
"""Of the angles, in nearest distances: between the first and the second shell of a diamond."""
FEWEST_OF_ONE = 3
FARTHEST = 4.0
"""Prior standard deviations at which a parameter has run away."""
BEYOND = ("none", "embedded", "three_body")
START_SHIFTS = {"lennard_jones": 0.9, "morse": 0.9}


def fit_forces(
    structures: Sequence[Any],
    potential: str | PairFamily | Sequence[str | PairFamily] = "spline",
    *,
    energies: ArrayLike | None = None,
    forces: Sequence[ArrayLike] | None = None,
    target: str = "potential",
    beyond_pairs: str = "none",
    elements: Sequence[str] | None = None,
    conditions: Sequence[str] | None = None,
    cutoff: float | None = None,
    truncation: str = "switch",
    compare: bool = True,
    n_draws: int = 2000,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Infer a pair potential from computed energies and forces, and say what it lacks.

    E = sum_i e(element) + sum_pairs u(r) + inadequacy, F = -dE/dx + inadequacy. What density
    functional theory computes has next to no noise: what a pair potential leaves is what it can't
    say. Its parameters differ between conditions (runs at a temperature, a density, with a
    defect) by a spread that is estimated. The potential is the one that leaves least of all
    forces; its interval comes from leaving out whole conditions in turn (forces of one structure,
    and structures of one run, are not independent).

    Parameters
    ----------
    structures
        Two or more ``AtomicConfiguration`` (``read_structures``) or ASE Atoms, in cells of any
        shape; the cutoff may exceed the cell.
    potential
        ``spline``, ``morse``, ``lennard_jones``, ``yukawa``, ``inverse_power``, or a
        ``PairFamily`` with energies in the data's unit; with several elements one for all pairs of
        elements, or one for each (sorted names, upper triangle).
    energies
        Shape (n_structures,), of whole cells; None: ``energy_ev`` of the structures.
    forces
        For each structure (n, d), energy over length: ``read_forces(path)``; None: ASE's results.
    target
        ``potential``: draws of the potential that serves all conditions best; ``prior``: draws of
        what a new condition may have, the spread between conditions included.
    beyond_pairs
        ``none``; ``embedded`` adds a square-root embedding, ``three_body`` Stillinger and Weber's
        angles (both for one element).
    elements
        Names of the elements, in order; None: those that are there, sorted.
    conditions
        Name of the run of each structure; None: from the structures' description or group.
    cutoff
        Length; None: 2.5 times the median distance of nearest neighbours.
    truncation
        How parametric families end: ``switch``, ``shift`` or ``cut``.
    compare
        Whether to compare pairs alone with both additions on held-out conditions (one element).
    n_draws
        Number of posterior draws.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        The potential's natural parameters by name (energies in eV for structures in angstrom),
        ``energy_per_atom`` (dim element), parameters of the addition. ``potential_of(fit)`` is the
        potential, ``prior_from_forces(fit, ...)`` the prior of a fit to pictures. Diagnostics:
        ``force_error``, ``energy_error`` and the share of force variance left, in and out of
        sample, by condition and group; ``coverage_90`` of predictions for held-out conditions;
        ``comparisons``: log10 odds of each addition against pairs alone.

    Raises
    ------
    InputError
        For wrong shapes, atoms on top of each other, or nothing that was computed.
    NotIdentified
        Where the family runs away from any finite value, or there are fewer data than parameters.

    Notes
    -----
    The jackknife over clusters as a robust covariance: Liang and Zeger (1986),
    doi:10.1093/biomet/73.1.13.

    Examples
    --------
    >>> from physlearn.lattice_models import LennardJones, particle_energy, particle_forces
    >>> from physlearn.records import AtomicConfiguration
    >>> rng = np.random.default_rng(1)
    >>> grid = np.stack(np.meshgrid(*[np.arange(4) * 1.7] * 3), axis=-1).reshape(-1, 3)
    >>> boxes = [AtomicConfiguration(grid + rng.normal(0, 0.1, grid.shape), unit="reduced",
    ...     cell=6.8 * np.eye(3)) for _ in range(6)]
    >>> truth = LennardJones(0.4, 1.5, cutoff=3.3, truncation="switch")
    >>> fit = fit_forces(boxes, "lennard_jones", cutoff=3.3, compare=False, rng=1,
    ...     energies=[particle_energy(truth, one) for one in boxes],
    ...     forces=[particle_forces(truth, one) for one in boxes])
    >>> float(fit["depth"].mean().round(3)), float(fit["diameter"].mean().round(3))
    (0.4, 1.5)
    """
    check_choice("target", target, ("potential", "prior"))
    check_choice("beyond_pairs", beyond_pairs, BEYOND)
    check_count("n_draws", n_draws, 100)
    generator, seed = as_generator(rng)
    data = read_computed(structures, energies, forces, conditions, elements)
    length = nearest_distance(data.structures)
    reach = 2.5 * length if cutoff is None else check_positive("cutoff", cutoff)
    scale = 1.0 if _is_own(potential) else energies_scale(data, length)
    chosen = make_conditions(in_unit(data, scale), reach)
    if len(chosen) == 1 and chosen[0].n_structures < FEWEST_OF_ONE:
        raise InputError(
            f"structures of a single condition must be at least {FEWEST_OF_ONE}, as only their "
            f"differences tell the errors; got {chosen[0].n_structures}."
        )
    family = _family_of(potential, data, chosen, length, reach, truncation)
    fitted = _fit(chosen, family, data, length, beyond_pairs)
    _check_identified(fitted)
    left_out = leave_each_out(fitted.model, chosen, fitted.pooled)
    draws = draw_shapes(fitted.pooled, left_out, n_draws, generator)
    others = {"none": fitted.model}
    if compare and len(data.elements) == 1 and len(chosen) > 1:
        others = {name: _model(chosen, family, data, length, name) for name in BEYOND}
    checks = check_forces(
        fitted.model,
        fitted.conditions,
        fitted.pooled,
        data.groups,
        others,
        beyond_pairs,
        scale,
        left_out,
    )
    return fit_of_forces(
        fitted, family, data, draws, checks, target, beyond_pairs, scale, seed, generator
    )


def _is_own(potential: Any) -> bool:
    """Whether a family of the user's own, whose energies have a unit, is among those given."""
    given = [potential] if isinstance(potential, str | PairFamily) else list(potential)
    return any(isinstance(one, PairFamily) for one in given)


def _family_of(
    potential: str | PairFamily | Sequence[str | PairFamily],
    data: Computed,
    conditions: Sequence[Condition],
    length: float,
    reach: float,
    truncation: str,
) -> InteractionFamily:
    q = len(data.elements)
    one = isinstance(potential, str | PairFamily)
    given: list[Any] = [potential] * (q * (q + 1) // 2) if one else list(potential)  # type: ignore[arg-type]
    first = _shortest(conditions)
    knots = first + (reach - first) * (np.arange(N_KNOTS) / (N_KNOTS - 1.0)) ** KNOT_POWER
    parts: list[Any] = []
    for part in given:
        if isinstance(part, PairFamily):
            if part.cutoff > reach * (1.0 + 1e-9):
                raise InputError(
                    f"cutoff must reach the family's own, {part.cutoff:g}; got {reach:g}."
                )
            parts.append(part)
            continue
        check_choice("potential", str(part), FAMILIES)
        parts.append(
            _smooth(make_family("spline", length=length, cutoff=reach, knots=knots))
            if part == "spline"
            else make_family(str(part), length=length, cutoff=reach, truncation=truncation)
        )  # fmt: skip
    return make_interaction(parts, q, length=length)


def _smooth(part: PairFamily) -> PairFamily:
    """Return a spline whose values at knots bend alike: knots without data follow the others.

    A run that was left out may hold the closest pairs; a free first knot would leave them to the
    prior alone. The values of the last knot, 0, count in the differences.
    """
    n = part.n_parameters
    third = np.diff(np.eye(n + 1), 3, axis=0)[:, :n]
    precision = np.linalg.inv(part.prior_covariance) + third.T @ third / BEND**2
    covariance = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    return replace(part, prior_covariance=covariance)


def _shortest(conditions: Sequence[Condition]) -> float:
    found = [one.distance.min() for one in conditions if len(one.distance)]
    if not found:
        raise InputError("cutoff must reach the nearest neighbours; no pair of atoms lies within.")
    return 0.999 * float(min(found))


def _model(
    conditions: Sequence[Condition],
    family: InteractionFamily,
    data: Computed,
    length: float,
    beyond: str,
) -> EnergyModel:
    terms: list[EnergyTerm] = [PairTerm(family, _shortest(conditions))]
    if beyond != "none" and len(data.elements) > 1:
        raise InputError(
            f"beyond_pairs={beyond!r} holds for one element; these structures have "
            f"{', '.join(data.elements)}."
        )
    if beyond == "embedded":
        terms.append(EmbeddingTerm(length, family.cutoff))
    if beyond == "three_body":
        terms.append(AngleTerm(length, min(ANGLE_REACH * length, family.cutoff)))
    means = [one.energies.mean() for one in conditions if one.energies is not None]
    middle = float(np.mean(means)) if means else 0.0
    scatter = 10.0 + 10.0 * abs(middle)
    return EnergyModel(tuple(terms), data.elements, np.full(len(data.elements), middle), scatter)


def start_of(model: EnergyModel) -> Float:
    """Return where the search begins: the prior's mean, the well at the nearest distance."""
    theta = model.prior_mean.copy()
    pair = model.terms[0]
    if not isinstance(pair, PairTerm):
        return theta
    for part, at in zip(pair.family.parts, pair.family.slices(), strict=True):
        shift = START_SHIFTS.get(part.name)
        if shift is not None:
            place = part.names.index("diameter" if part.name == "lennard_jones" else "minimum")
            theta[at.start + place] += np.log(shift)
    return theta


def _fit(
    conditions: list[Condition],
    family: InteractionFamily,
    data: Computed,
    length: float,
    beyond: str,
) -> Fitted:
    model = _model(conditions, family, data, length, beyond)
    n_numbers = sum(one.n_structures * (one.energies is not None) for one in conditions)
    n_numbers += sum(one.forces.size for one in conditions if one.forces is not None)
    if n_numbers < model.n_shape + len(data.elements) + 2:
        raise NotIdentified(
            f"structures give {n_numbers} numbers for {model.n_shape + len(data.elements)} "
            "parameters; give more structures, their forces, or a potential with fewer."
        )
    return Fitted(model, conditions, fit_pooled(model, conditions, start_of(model)))


def _check_identified(fitted: Fitted) -> None:
    """Refuse a family whose best parameters lie nowhere finite."""
    model = fitted.model
    away = (fitted.pooled.theta - model.prior_mean) / np.sqrt(np.diag(model.prior_covariance))
    for k, name in enumerate(model.names[: model.n_shape]):
        if model.is_positive[k] and abs(away[k]) > FARTHEST:
            raise NotIdentified(
                f"{name} runs to {'0' if away[k] < 0 else 'infinity'}: no potential of this family "
                "is near these forces; take potential='spline' or 'morse'."
            )
