"""From the fit of a film to the `Fit` that a user gets: texts, units, what live use needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fields.film_data import FilmData
from physlearn.inference.fields.film_fit import FilmFit, FilmModel, term_names, term_units
from physlearn.inference.fields.gauss_newton import scaled_inverse
from physlearn.inference.fields.residual_guard import GUARD_WORDS
from physlearn.results import Fit, fit_from_draws

__all__ = ["dressed_film"]

Floats = NDArray[np.float64]

LARGEST_PARETO_K = 0.7
UNKNOWN = 1 / 3  # of its value: a term known no better is said to be
DECIDED = 1.0


def _texts(film: FilmData, result: FilmFit, names: Sequence[str]) -> tuple[list[str], bool]:
    """Return what must be said about a fit, and whether the model failed."""
    texts = []
    flagged = result.guard.flagged
    if flagged:
        worst = max((result.guard.scores[name] for name in flagged), key=abs)
        texts.append(
            f"the model does not hold: its residual is correlated in "
            f"{', '.join(GUARD_WORDS[name] for name in flagged)} "
            f"(score {worst:.1f}): drift that is not even, thermal noise, or a missing term; the "
            "intervals are too narrow"
        )
    if not result.optimum.converged:
        texts.append("the fit did not converge: do not trust the numbers")
    if np.isfinite(result.draws.pareto_k) and not result.draws.pareto_k < LARGEST_PARETO_K:
        texts.append(
            "the posterior is not near its proposal "
            f"(Pareto k {result.draws.pareto_k:.2f}): do not trust the intervals"
        )
    few, sd = result.optimum.point.few, np.sqrt(np.diag(result.optimum.covariance))
    loose = [name for name, value, error in zip(names, few, sd, strict=False)
             if error > UNKNOWN * abs(value)]  # fmt: skip
    if len(loose) == len(names):
        texts.append(
            "no term is known to a third of its value: the field hardly moves in this film; a "
            "still picture holds only their ratios"
        )
    if _marginal_shift(result) > DECIDED:
        texts.append(
            "the film hardly moves: how its unknown first frame is weighed moves the terms by "
            f"{_marginal_shift(result):.1f} standard deviations; trust at most their ratios"
        )
    if film.edges == "open":
        texts.append(f"edges: open; {result.margin} pixels beyond the picture are fitted along")
    lost = _marginal_shift(result) > DECIDED or result.draws.pareto_k >= LARGEST_PARETO_K
    return texts, bool(flagged) or lost or not result.optimum.converged


def _marginal_shift(result: FilmFit) -> float:
    """Largest shift from integrating out the first frame, in standard deviations."""
    return float(np.abs(result.last.shift / np.sqrt(np.diag(result.optimum.covariance))).max())


def dressed_film(
    film: FilmData, model: FilmModel, result: FilmFit, waves: Floats, seed: int,
    energy_scale: Mapping[str, tuple[float, float]] | None, generator: np.random.Generator,
) -> Fit:  # fmt: skip
    """Return the Fit."""
    names = term_names(model.terms)
    n_terms = len(names)
    few = result.draws.few
    draws: dict[str, Floats] = {"landau": few[:, :n_terms]}
    dims, coords = {"landau": ["term"]}, {"term": list(names)}
    units = {"landau": "mobility x term, see attrs term_units"}
    prior_sd: dict[str, Any] = {"landau": result.prior[:n_terms, 1]}
    if "drift_x" in result.nuisances:
        draws["drift"] = few[:, n_terms : n_terms + 2]
        dims["drift"], coords["axis"] = ["axis"], ["x", "y"]
        units["drift"] = f"{film.length_unit}/{film.time_unit}"
        prior_sd["drift"] = result.prior[n_terms : n_terms + 2, 1]
    if energy_scale is not None:
        from physlearn.inference.fields.thermal_scale import mobility_draws

        mobility, potential = mobility_draws(draws["landau"], names, energy_scale, generator)
        draws["mobility"], draws["potential"] = mobility, potential
        name = next(iter(energy_scale))
        own = term_units(model, film, "")[names.index(name)]
        units["mobility"] = f"({own}) / (unit of energy_scale's {name})"
        units["potential"] = f"unit of energy_scale's {name} x unit of the term / ({own})"
        dims["potential"] = ["term"]
    texts, failed = _texts(film, result, names)
    verdict = "model inadequate: the interval is too narrow" if result.guard.flagged else ""
    if failed and not verdict:
        verdict = "not to be trusted: see the fit's warnings"
    return fit_from_draws(
        draws,
        model=_equation(names, model.conserved),
        likelihood="pixels of the film about its simulation, Gaussian, first frame integrated out",
        approximation=result.draws.approximation,
        seed=seed,
        data=[film.values, film.weights, film.times, waves],
        units=units, dims=dims, coords=coords, prior_sd=prior_sd,
        diagnostics=_diagnostics(film, result),
        warnings=texts,
        verdicts=dict.fromkeys(draws, verdict) if verdict else {},
        attrs={
            "term_units": json.dumps(list(term_units(model, film, ""))),
            "field_model": json.dumps(_settings(film, model, result, names)),
        },
        constants=_constants(film, result, waves, n_terms),
    )  # fmt: skip


def _diagnostics(film: FilmData, result: FilmFit) -> dict[str, Any]:
    """Return what the fit found out about itself."""
    optimum = result.optimum
    return {
        "noise_sd": optimum.noise_sd,
        "guard": result.guard.scores,
        "guard_flagged": list(result.guard.flagged),
        "time_step_shift": float(np.abs(result.step_shift).max()),
        "marginal_shift": _marginal_shift(result),
        "laplace_deviation": result.draws.deviation,
        "pareto_k": result.draws.pareto_k,
        "iterations": optimum.iterations, "halvings": optimum.halvings,
        "converged": optimum.converged, "n_pixels": result.problem.camera.n_seen,
        "edges": film.edges, "margin": result.margin,
    }  # fmt: skip


def _constants(film: FilmData, result: FilmFit, waves: Floats, n_terms: int) -> dict[str, Any]:
    """Return the arrays that live updates and predictions need."""
    optimum, last, covariance = result.optimum, result.last, result.optimum.covariance
    return {
        "last_field": last.mode,
        "field_sensitivity": last.sensitivity[:n_terms],
        "field_deviations": last.deviations,
        "few_mean": optimum.point.few,
        "few_information": optimum.information,
        "few_sensitivity": last.sensitivity,
        "landau_mean": optimum.point.few[:n_terms],
        "landau_information": scaled_inverse(covariance[:n_terms, :n_terms]),
        "noise_sd": np.array(optimum.noise_sd),
        "frame_times": film.times,
        "drive": waves,
    }  # fmt: skip


def _equation(names: Sequence[str], conserved: bool) -> str:
    """Return the fitted equation as a line."""
    parts = {
        "bias": "bias", "alpha": "- alpha P", "cubic": "- cubic P^2", "beta": "- beta P^3",
        "gamma": "- gamma P^5", "gradient": "+ gradient lap P", "field": "+ field E(t)",
        "gradient_x": "+ gradient_x d2P/dx2", "gradient_y": "+ gradient_y d2P/dy2",
    }  # fmt: skip
    right = " ".join(parts.get(name, f"+ {name}") for name in names)
    return f"dP/dt = - lap( {right} )" if conserved else f"dP/dt = {right}"


def _settings(
    film: FilmData, model: FilmModel, result: FilmFit, names: Sequence[str]
) -> dict[str, Any]:
    """Return what live updates and predictions need to rebuild the model."""
    n_terms, point = len(names), result.optimum.point
    drift = point.nuisance[:2].tolist() if "drift_x" in result.nuisances else [0.0, 0.0]
    steps = result.problem.model.steps
    return {
        "dynamics": "conserved" if model.conserved else "nonconserved",
        "terms": list(names), "user_terms": [t.name for t in model.terms if not isinstance(t, str)],
        "edges": film.edges, "margin": result.margin, "pixel_size": list(film.pixel_size),
        "psf_width": model.psf[0], "psf_width_sd": model.psf[1], "drift": drift,
        "steps_per_time": float(steps.n_steps / (film.times[-1] - film.times[0])),
        "largest": result.scale * float(getattr(result.problem.model, "largest", 1.0)),
        "noise_sd": result.optimum.noise_sd, "first_time": float(film.times[0]),
        "last_time": float(film.times[-1]), "frame_interval": film.interval,
        "order_unit": film.order_unit, "length_unit": film.length_unit,
        "time_unit": film.time_unit, "n_terms": n_terms,
        "few": [*names, *result.nuisances],
        "profile": None if model.profile is None else model.profile.tolist(),
    }  # fmt: skip
