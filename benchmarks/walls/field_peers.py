"""What else fits a film's terms: regressions in weak form."""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fields.first_guesses import estimate_noise, weak_guess
from physlearn.inference.fields.polynomial_field import make_polynomial_field
from physlearn.inference.fields.synthetic_film import PlantedFilm

__all__ = ["library_of_terms", "weak_form"]

Floats = NDArray[np.float64]


def weak_form(film: PlantedFilm) -> Floats:
    """Regress smoothed rates on smoothed features, the noise's mean taken off."""
    video = film.video.to_numpy()
    times = np.arange(float(len(video)))
    model = make_polynomial_field(
        video.shape[1:], times, film.terms, drive=lambda when, _: film.drive(when)
    )
    seen = np.ones_like(video)
    return weak_guess(video, seen, times, model.features, estimate_noise(video, seen > 0), "wrap")


def library_of_terms(film: PlantedFilm) -> Floats | None:
    """Fit with PySINDy's weak library (polynomials to degree 3); None where not installed."""
    if importlib.util.find_spec("pysindy") is None:
        return None
    import pysindy

    video = film.video.to_numpy()
    n_frames, rows, columns = video.shape
    field = np.moveaxis(video, 0, 2)[..., None]
    times = np.arange(float(n_frames))
    grid = np.stack(
        np.meshgrid(np.arange(rows), np.arange(columns), times, indexing="ij"), axis=-1
    ).astype(float)
    library = pysindy.WeakPDELibrary(
        function_library=pysindy.PolynomialLibrary(degree=3, include_bias=False),
        derivative_order=2, spatiotemporal_grid=grid, is_uniform=True, K=400,
        H_xt=[6.0, 6.0, 4.0], include_interaction=False,
    )  # fmt: skip
    push = np.broadcast_to(film.drive(times), (rows, columns, n_frames))[..., None]
    optimizer = pysindy.STLSQ(threshold=0.0, alpha=1e-9)
    model = pysindy.SINDy(feature_library=library, optimizer=optimizer)
    model.fit(field, t=times, u=push)
    table = dict(zip(model.get_feature_names(), model.coefficients()[0], strict=True))
    pick = {"alpha": -table["x0"], "beta": -table["x0^3"], "field": table["u0"],
            "gradient": 0.5 * (table["x0_11"] + table["x0_22"])}  # fmt: skip
    return np.array([pick[name] for name in film.terms])
