"""From ranked supports to the set of equations that is handed out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.inference.dynamics.field_film import FieldFilm
from physlearn.inference.dynamics.field_fit import TargetFit
from physlearn.inference.dynamics.field_library import Feature
from physlearn.inference.dynamics.field_moments import WeakSystem
from physlearn.inference.dynamics.field_selection import Support
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet

__all__ = ["equation_set"]

Floats = NDArray[np.float64]

SMALL_P = 1e-3
LEAST_EXPLAINED = 0.8
CLOSELY_MEASURED = 8


def equation_set(
    film: FieldFilm, library: tuple[Feature, ...], fit: TargetFit, system: WeakSystem, target: int,
    n_kept: int, remarks: tuple[str, ...],
) -> EquationSet:  # fmt: skip
    """Return the laws of one field, with the no-law ``0`` always among them."""
    kept = fit.supports[:n_kept]
    if not any(support.places == () for support in kept):
        kept = [*kept[: n_kept - 1], fit.nothing]
    equations = tuple(
        _equation(library, fit, support, place < CLOSELY_MEASURED)
        for place, support in enumerate(kept)
    )
    chosen = [k for k, feature in enumerate(library) if not feature.constant]
    seen = system.features[:, system.valid][..., chosen]
    ranges = np.stack([seen.min(axis=(0, 1)), seen.max(axis=(0, 1))], axis=1)
    noise = float(np.sqrt(fit.moments.residual(fit.coefficients(fit.best.places))))
    name = film.names[target]
    return EquationSet(
        equations, tuple(library[k].name for k in chosen), f"d{name}/dt", ranges, noise,
        remarks + _warnings(fit, len(library)),
        units=f"{film.field_units[target]}/{film.time_unit}" if film.time_unit else None,
        variable_units=tuple(_unit(film, library[k]) for k in chosen),
    )  # fmt: skip


def _unit(film: FieldFilm, feature: Feature) -> str:
    """Return the unit of a feature, factor by factor.

    Empty for a user's function, the drive, and where the length has no known unit.
    """
    source = feature.source
    if source.own or source.of_drive:
        return ""
    powers = list(source.powers)
    order = feature.operator[0][1] + feature.operator[0][2]
    if source.squared_gradient is not None:
        powers[source.squared_gradient], order = 2, 2
    parts = [
        unit if power == 1 else f"{unit}^{power}"
        for unit, power in zip(film.field_units, powers, strict=True)
        if power and unit != "1"
    ]
    if order and not film.length_unit:
        return ""
    length = film.length_unit if order == 1 else f"{film.length_unit}^{order}"
    return ("*".join(parts) or "1") + (f"/{length}" if order else "")


def _equation(
    library: tuple[Feature, ...], fit: TargetFit, support: Support, closely: bool
) -> Equation:
    constants, covariance = fit.constants(support.places, closely)
    terms = tuple(
        Term(float(value), (1,) if library[k].constant else (library[k].name,))
        for value, k in zip(constants, support.places, strict=True)
    )
    loss = fit.moments.residual(fit.coefficients(support.places))
    return Equation(
        terms or (Term(0, (1,)),), loss, support.description_length, len(constants),
        covariance if terms else None,
        -support.description_length, float(np.sqrt(loss)),
    )  # fmt: skip


def _warnings(fit: TargetFit, n_terms: int) -> tuple[str, ...]:
    found = []
    best = fit.best
    freedom = n_terms - len(best.places)
    if freedom and stats.chi2.sf(best.misfit, freedom) < SMALL_P:
        found.append(
            f"the best law leaves a misfit of {best.misfit:.0f} where {freedom} is expected: a "
            "term is missing from the candidates, or the law changes in space or time"
        )
    if best.places and fit.moments.motion > 0:
        coefficients = fit.coefficients(best.places)
        share = 1.0 - fit.moments.unexplained(coefficients) / fit.moments.motion
        if share < LEAST_EXPLAINED:
            found.append(
                f"the best law explains {100 * max(share, 0.0):.0f} % of the motion: something "
                "else drives the field (random forcing, a hidden field), and the constants may be "
                "biased"
            )
    if fit.n_independent < 3 * n_terms:
        found.append(
            f"only {fit.n_independent:.0f} independent windows for {n_terms} candidate terms: a "
            "longer or larger film, or fewer terms, would make this safe"
        )
    return tuple(found)
