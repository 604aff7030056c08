"""Allen-Cahn films: error against the Cramer-Rao bound, coverage, time, guard, peers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.walls.field_peers import library_of_terms, weak_form
from physlearn.checks import InputError, NotIdentified
from physlearn.inference import fit_ginzburg_landau
from physlearn.inference.fields.field_frames import FieldFrames
from physlearn.inference.fields.gauss_newton import Problem, Unknowns, linear_step
from physlearn.inference.fields.polynomial_field import make_polynomial_field
from physlearn.inference.fields.synthetic_film import PlantedFilm, planted_film

__all__ = ["CHECKS"]

Row = dict[str, Any]
Floats = NDArray[np.float64]

LARGEST_RMSE, LARGEST_SECONDS, STRETCH_SECONDS = 1.2, 5.0, 2.0
COVERAGE = (0.86, 0.94)
DRIFT = (0.02, -0.01)
CASES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "30 % of the frames missing, drift of .02 px/frame": {"drift": DRIFT, "missing": 0.3},
    "blur of .8 px known, 5 % of the pixels missing": {"blur": 0.8, "missing_pixels": 0.05},
    "noise .2": {"noise_sd": 0.2},
}


def crb(film: PlantedFilm, *, drift: tuple[float, float] | None, blur: float) -> Floats:
    """Return the bound on the terms' errors: information at the truth, first frame free."""
    video = film.video.to_numpy()
    times = np.arange(float(len(video)))
    weights = (~np.isnan(video)).astype(float)
    model = make_polynomial_field(
        video.shape[1:], times, film.terms, drive=lambda when, _: film.drive(when), largest=1.3
    ).with_steps(film.theta)
    names = () if drift is None else ("drift_x", "drift_y")
    camera = FieldFrames(np.nan_to_num(video), weights, times, (1.0, 1.0), 0, False, names, blur)
    place = np.zeros(0) if drift is None else np.array(drift)
    flat = np.column_stack([np.zeros(4 + place.size), np.full(4 + place.size, 1e3)])
    problem = Problem(model, camera, flat, film.clean[0], 10.0)
    point = Unknowns(film.clean[0], film.theta, place)
    frames, residual = problem.residual(point)
    step = linear_step(problem, point, frames, residual, film.noise_sd, 1e-4, None)
    covariance = film.noise_sd**2 * np.linalg.inv(step.information)
    return np.sqrt(np.diag(covariance))[:4]


def planted(name: str, quick: bool) -> list[Row]:
    """Fit replicates of one case; drift is fitted wherever it is allowed."""
    case = CASES[name]
    shape, n_frames, replicates = ((32, 32), 24, 3) if quick else ((64, 64), 60, 50)
    scores, inside, seconds, alarms, failed = [], [], [], 0, 0
    for seed in range(replicates):
        film = planted_film(shape, n_frames, rng=10_000 + seed, **case)
        begun = time.process_time()
        try:
            fit = fit_ginzburg_landau(
                film.video, drive=film.drive, psf_width=case.get("blur"), rng=seed
            )
        except (InputError, NotIdentified):
            failed += 1
            continue
        seconds.append(time.process_time() - begun)
        failed += not fit.diagnostics["converged"]
        alarms += bool(fit.diagnostics["guard_flagged"])
        bound = crb(film, drift=case.get("drift", (0.0, 0.0)), blur=case.get("blur", 0.0))
        scores.append((fit["landau"].mean(axis=0) - film.theta) / bound)
        low, high = fit.interval("landau").T
        inside.append((low <= film.theta) & (film.theta <= high))
    rmse = np.sqrt(np.mean(np.square(scores), axis=0))
    held, count = float(np.mean(inside)), 4 * len(inside)
    return [
        {"what": f"{name}: RMSE / crb (alpha, beta, gradient, field), {len(scores)} films",
         "measured": ", ".join(f"{value:.2f}" for value in rmse), "goal": f"<= {LARGEST_RMSE}",
         "met": bool(rmse.max() <= LARGEST_RMSE)},
        {"what": f"{name}: bias / crb", "measured":
         ", ".join(f"{value:.2f}" for value in np.mean(scores, axis=0)), "goal": "-", "met": None},
        {"what": f"{name}: cov90 ({count} intervals)", "measured": f"{held:.3f}",
         "goal": f"{COVERAGE[0]}-{COVERAGE[1]}", "met": COVERAGE[0] <= held <= COVERAGE[1]},
        {"what": f"{name}: failures of {replicates}", "measured": str(failed), "goal": "0",
         "met": failed == 0},
        {"what": f"{name}: median and largest CPU time, s (first call apart)",
         "measured": f"{np.median(seconds):.2f}, {max(seconds[1:]):.2f}",
         "goal": f"<= {LARGEST_SECONDS:g} (stretch {STRETCH_SECONDS:g})",
         "met": bool(np.median(seconds) <= LARGEST_SECONDS)},
        {"what": f"{name}: false alarms of the residual guard", "measured":
         f"{alarms} of {len(scores)}", "goal": "<= 1 of 20", "met": alarms <= len(scores) / 20},
    ]  # fmt: skip


def guard(quick: bool) -> list[Row]:
    """What the guard must see: drift that is not fitted, thermal noise."""
    shape, n_frames, replicates = ((32, 32), 24, 3) if quick else ((64, 64), 60, 20)
    rows: list[Row] = []
    for what, case, options in (
        ("drift of .02 px/frame, not fitted", {"drift": (0.02, 0.0)}, {"drift": False}),
        ("thermal noise, .02 a frame", {"thermal": 0.02}, {}),
    ):
        seen = 0
        for seed in range(replicates):
            film = planted_film(shape, n_frames, rng=20_000 + seed, **case)
            fit = fit_ginzburg_landau(film.video, drive=film.drive, rng=seed, **options)
            seen += bool(fit.diagnostics["guard_flagged"])
        rows.append({"what": f"flagged: {what}", "measured": f"{seen} of {replicates}",
                     "goal": "19 of 20", "met": seen >= 0.95 * replicates})  # fmt: skip
    return rows


def peers(quick: bool) -> list[Row]:
    """Weak-form regressions on the same films (as it comes)."""
    shape, n_frames, replicates = ((32, 32), 24, 3) if quick else ((64, 64), 60, 10)
    errors: dict[str, list[Floats]] = {"weak form, own": [], "PySINDy weak library": []}
    ours = []
    for seed in range(replicates):
        film = planted_film(shape, n_frames, rng=30_000 + seed)
        bound = crb(film, drift=None, blur=0.0)
        for name, method in (("weak form, own", weak_form),
                             ("PySINDy weak library", library_of_terms)):  # fmt: skip
            found = method(film)
            if found is not None:
                errors[name].append((found - film.theta) / bound)
        fit = fit_ginzburg_landau(film.video, drive=film.drive, drift=False, rng=seed)
        ours.append((fit["landau"].mean(axis=0) - film.theta) / bound)
    rows: list[Row] = []
    for name, values in (("fit_ginzburg_landau", ours), *errors.items()):
        text = "not installed here"
        if values:
            text = ", ".join(f"{v:.3g}" for v in np.sqrt(np.mean(np.square(values), axis=0)))
        rows.append({"what": f"RMSE / crb: {name}", "measured": text, "goal": "-", "met": None})
    return rows


CHECKS = {
    **{f"Allen-Cahn: {name}": (lambda quick, name=name: planted(name, quick)) for name in CASES},
    "Allen-Cahn: residual guard": guard,
    "Allen-Cahn: peers": peers,
}
