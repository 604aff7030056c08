"""The law of the force between particles that diffuse, from a measured curve with covariance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.dynamics.pair_forms import (
    PairForm,
    fit_to_curve,
    force_forms,
    searched_forms,
)
from physlearn.inference.dynamics.pair_options import PairLawOptions
from physlearn.inference.dynamics.pair_score import (
    curve_log_likelihood,
    different_laws,
    measured_law,
)
from physlearn.inference.langevin.fit_langevin import fit_langevin
from physlearn.inference.langevin.pair_force_by_distance import measure_pair_force
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.potential_families.fit_contents import interaction_of, theta_draws
from physlearn.records import Trajectory
from physlearn.results import Fit

__all__ = ["FilmCurve", "curve_of_film", "laws_of_film"]

Floats = NDArray[np.float64]

SMALLEST_SHARE = 1e-9  # of the largest variance: directions in which the draws do not move
DOUBTFUL_P = 1e-3
TOLD = 1.0  # kT / length over its error: nodes that say something


@dataclass(frozen=True, slots=True, eq=False)
class FilmCurve:
    """Force at distances with covariance.

    ``freedom``: of Student's t, infinite for a Gaussian; ``force_unit``, ``unit``: of force and
    length.
    """

    distance: Floats
    force: Floats
    covariance: Floats
    freedom: float
    unit: str
    warnings: tuple[str, ...]


def curve_of_film(
    trajectory: Trajectory, options: PairLawOptions, rng: np.random.Generator
) -> FilmCurve:
    """Measure the force by distance of an overdamped film, as the options say."""
    sd = options.localization_sd
    recorded = trajectory.localization_sd
    exact = sd == 0.0 or (sd is None and recorded is not None and not np.any(recorded))
    kind = options.curve
    if kind == "auto":
        kind = "spline" if trajectory.cell is not None and exact else "bins"
    if kind == "bins":
        if options.cutoff is not None:
            raise InputError("cutoff belongs to curve='spline'; leave it out for bins.")
        fit = measure_pair_force(trajectory, lag=options.lag, projected=options.projected, rng=rng)
        return _of_bins(fit, trajectory.unit)
    if options.lag is not None:
        raise InputError("lag belongs to curve='bins'; leave it out for a spline.")
    fit = fit_langevin(trajectory, "spline", localization_sd=sd, cutoff=options.cutoff, rng=rng)
    return _of_spline(fit, trajectory.unit)


def _of_bins(fit: Fit, unit: str) -> FilmCurve:
    draws = fit["force"]
    edges = np.asarray(fit.diagnostics["edges"])
    blocks = float(fit.diagnostics["n_blocks"])
    # The draws are Student's t: their covariance is wider than that of the estimate
    narrower = (blocks - 3.0) / (blocks - 1.0) if blocks > 4 else 1.0
    return FilmCurve(
        np.sqrt(edges[1:] * edges[:-1]), draws.mean(axis=0), np.cov(draws.T) * narrower,
        max(blocks - 1.0, 1.0), unit, tuple(fit.warnings),
    )  # fmt: skip


def _of_spline(fit: Fit, unit: str) -> FilmCurve:
    """Return forces midway between the knots, from every draw of the spline."""
    family = interaction_of(fit)
    theta = theta_draws(fit, family)
    knots = np.array([float(name.split("[")[1].rstrip("]")) for name in family.names])
    ends = np.append(knots, family.parts[0].cutoff)
    distance = 0.5 * (ends[1:] + ends[:-1])
    forces = np.array([-family.parts[0].radial(one, distance)[1] for one in theta[::4]])
    return FilmCurve(
        distance, forces.mean(axis=0), np.cov(forces.T), math.inf, unit, tuple(fit.warnings)
    )  # fmt: skip


def laws_of_film(curve: FilmCurve, options: PairLawOptions) -> EquationSet:
    """Fit forms to the curve by its whole covariance; no force is always one of them."""
    length = float(np.median(curve.distance))
    sd = np.sqrt(np.diag(curve.covariance))
    size = float(sd.min())
    force, covariance = curve.force / size, curve.covariance / size**2
    distance = curve.distance / length
    root = _root(covariance)
    forms = force_forms(tuple(options.laws))
    if options.search:
        forms += searched_forms(distance, force, sd / size)
    information = root.T @ root
    weight = (1.0 / sd) ** 2 / ((1.0 / sd) ** 2).sum()
    laws: list[Equation] = []
    for form in forms:
        fitted = (
            fit_to_curve(form, distance, force, root) if form.n_constants < len(force) else None
        )
        if fitted is not None and not form.degenerate(fitted[0]):
            laws.append(_measured(form, *fitted, distance, information, weight, curve,
                                  (length, size)))  # fmt: skip
    kept = different_laws(laws, curve.distance, sd, options.n_kept)
    return EquationSet(
        tuple(kept), ("r",), "force",
        np.array([[curve.distance[0], curve.distance[-1]]]), float(np.median(sd)),
        (*curve.warnings, *_doubts(kept[0], curve)), units=f"kT/{curve.unit}",
        variable_units=(curve.unit,),
    )  # fmt: skip


def _root(covariance: Floats) -> Floats:
    """Return R with R^T R the inverse covariance, without directions that hardly vary."""
    sd = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(sd, sd))
    good = values > SMALLEST_SHARE * values.max()
    return np.asarray((vectors[:, good] / np.sqrt(values[good])).T / sd)


def _measured(
    form: PairForm, constants: Floats, misfit: float, distance: Floats, information: Floats,
    weight: Floats, curve: FilmCurve, scales: tuple[float, float],
) -> Equation:  # fmt: skip
    slopes = np.nan_to_num(form(constants, distance)[1])
    likelihood = curve_log_likelihood(misfit, len(distance), curve.freedom)
    return measured_law(
        form, constants, slopes @ information @ slopes.T, likelihood, distance, weight, scales,
        misfit / len(distance),
    )  # fmt: skip


def _doubts(best: Equation, curve: FilmCurve) -> tuple[str, ...]:
    from scipy import stats

    freedom = len(curve.distance) - best.n_constants
    misfit = best.loss * len(curve.distance)
    if freedom < 1:
        return ()
    if math.isfinite(curve.freedom):
        p = float(stats.f.sf(misfit / freedom, freedom, curve.freedom))
    else:
        p = float(stats.chi2.sf(misfit, freedom))
    if p < DOUBTFUL_P:
        return (
            f"the best law leaves a misfit of {misfit:.3g} where {freedom} is expected: the true "
            "law is not in the list",
        )
    return ()
