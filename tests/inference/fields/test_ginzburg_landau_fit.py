"""Films of known Landau terms: what the fit finds, what it flags, what it refuses."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.inference import fit_ginzburg_landau
from physlearn.inference.fields.field_frames import FieldFrames
from physlearn.inference.fields.gauss_newton import Problem, Unknowns
from physlearn.inference.fields.polynomial_field import make_polynomial_field
from physlearn.inference.fields.residual_guard import kick_score, residual_correlations
from physlearn.inference.fields.synthetic_film import planted_film
from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau
from physlearn.results import Fit


def _scores(fit, film):
    draws = fit["landau"]
    return (draws.mean(axis=0) - film.theta) / draws.std(axis=0)


@pytest.fixture(scope="module")
def usual():
    film = planted_film((32, 32), 24, rng=1)
    return film, fit_ginzburg_landau(film.video, drive=film.drive, drift=False, rng=1)


def test_terms_are_found_with_their_errors(usual, oracle):
    film, fit = usual
    for name, z in zip(film.terms, _scores(fit, film), strict=True):
        oracle(f"film_{name}", z=float(z))
    assert fit.diagnostics["guard_flagged"] == []
    assert fit.diagnostics["converged"]
    assert fit.diagnostics["edges"] == "periodic"
    assert abs(fit.diagnostics["noise_sd"] / 0.05 - 1) < 4 / np.sqrt(2 * 23 * 1024)
    assert json.loads(fit.attrs["term_units"])[2] == "pixel^2/frame"


def test_the_fit_keeps_what_live_use_needs(usual, tmp_path):
    film, fit = usual
    fit.save(tmp_path / "fit.nc")
    constants = Fit.load(tmp_path / "fit.nc").idata["constant_data"]
    last = constants["last_field"].to_numpy()
    assert last.shape == (32, 32)
    sd = constants["field_deviations"].to_numpy().std()
    off = last - film.clean[-1]
    assert 0.3 * sd < off.std() < 3 * sd
    assert constants["few_sensitivity"].shape == (4, 32, 32)
    settings = json.loads(fit.attrs["field_model"])
    assert settings["few"] == list(film.terms)


def test_drift_missing_frames_and_pixels_and_blur(oracle):
    film = planted_film((32, 32), 30, rng=2, drift=(0.03, -0.02), missing=0.3, blur=0.8,
                        missing_pixels=0.05)  # fmt: skip
    fit = fit_ginzburg_landau(film.video, drive=film.drive, psf_width=(0.8, 0.04), rng=1)
    for name, z in zip(film.terms, _scores(fit, film), strict=True):
        oracle(f"film_hard_{name}", z=float(z))
    drift = fit["drift"]
    for axis, truth in enumerate((0.03, -0.02)):
        oracle(
            f"film_drift_{axis}", z=float((drift[:, axis].mean() - truth) / drift[:, axis].std())
        )


def test_units_of_the_film_scale_the_terms(usual):
    film, fit = usual
    video = xr.DataArray(
        3.0 * film.video.to_numpy(), dims=("time", "y", "x"),
        coords={"time": ("time", 0.5 * np.arange(24.0), {"units": "s"}),
                "y": ("y", 2.0 * np.arange(32.0), {"units": "nm"}),
                "x": ("x", 2.0 * np.arange(32.0), {"units": "nm"})},
    )  # fmt: skip
    other = fit_ginzburg_landau(
        video, drive=lambda times: film.drive(times / 0.5), drift=False, rng=1, order_unit="uC/cm^2"
    )
    factor = np.array([2.0, 2.0 / 9, 8.0, 6.0])
    sd = fit["landau"].std(axis=0)
    np.testing.assert_allclose(
        other["landau"].mean(axis=0) / factor, fit["landau"].mean(axis=0), atol=0.2 * sd.min()
    )
    assert json.loads(other.attrs["term_units"]) == [
        "1/s", "(uC/cm^2)^-2/s", "nm^2/s", "uC/cm^2/s"]  # fmt: skip


def test_drift_that_is_not_modelled_is_flagged():
    film = planted_film((32, 32), 24, rng=3, drift=(0.1, 0.0))
    fit = fit_ginzburg_landau(film.video, drive=film.drive, drift=False, rng=1)
    assert fit.diagnostics["guard_flagged"]
    assert "does not hold" in fit.warnings[0]
    assert fit.summary()["verdict"].str.contains("inadequate").all()


@pytest.mark.parametrize("case", [
    {"shape": (32, 32), "n_frames": 24, "noise_sd": 0.05, "rng": 201},
    {"shape": (48, 48), "n_frames": 30, "noise_sd": 0.1, "rng": 4},
])  # fmt: skip
def test_thermal_noise_is_flagged_where_it_is_weaker_than_the_camera(case):
    film = planted_film(**case, thermal=0.02)
    fit = fit_ginzburg_landau(film.video, drive=film.drive, drift=False, rng=1)
    assert "kicks" in fit.diagnostics["guard_flagged"]
    assert "thermal noise" in fit.warnings[0]
    assert fit.summary()["verdict"].str.contains("too narrow").all()


def test_kicks_are_carried_back_through_every_interval():
    # the score's mean and variance, from the matrix of a small film's derivatives
    film = planted_film((8, 8), 5, rng=7)
    times, drive = np.arange(5.0), lambda when, _: film.drive(when)
    model = make_polynomial_field((8, 8), times, film.terms, drive=drive).with_steps(film.theta)
    camera = FieldFrames(film.clean, np.ones((5, 8, 8)), times, (1.0, 1.0))
    problem = Problem(model, camera, np.tile([0.0, 1e3], (4, 1)), film.clean[0], 10.0)
    point = Unknowns(film.clean[0], film.theta, np.zeros(0))
    frames, _ = problem.residual(point)

    def of_interval(index):
        pair = make_polynomial_field((8, 8), times[index : index + 2], film.terms, drive=drive)
        return pair.with_steps(film.theta)

    # what a kick before frame k does to all later frames
    response = np.zeros((4, 64, 5, 64))
    for k in range(1, 5):
        moved = np.eye(64).reshape(64, 8, 8)
        for t in range(k, 5):
            response[k - 1, :, t] = moved.reshape(64, 64)
            if t < 4:
                pair = of_interval(t)
                pair.forward(frames[t], film.theta)
                moved = pair.tangent(moved)[:, 1]
    matrix = response.reshape(256, 320).T @ response.reshape(256, 320)
    rng = np.random.default_rng(1)
    noise, residual = rng.normal(size=(200, 320)), rng.normal(size=320)
    noise *= np.sqrt((noise**2).sum() / 200 / (noise**2).sum(axis=1))[:, None]
    freedom = (noise**2).sum() / 200
    residual *= np.sqrt(freedom / (residual**2).sum())
    power = np.einsum("ni,ij,nj->n", noise, matrix, noise)
    expected = (residual @ matrix @ residual - power.mean()) / power.std()
    probes = [(field, field) for field in noise.reshape(200, 5, 8, 8)]
    optimum = SimpleNamespace(point=point, frames=frames, residual=residual.reshape(5, 8, 8))
    found = kick_score(problem, optimum, of_interval, probes, conserved=False)
    assert found == pytest.approx(expected, rel=0.3, abs=0.1)


def test_correlations_of_white_noise_are_standard_normal():
    rng = np.random.default_rng(4)
    weights = (rng.random((20, 24, 24)) > 0.2).astype(float)
    scores = np.array([
        residual_correlations(2.0 * rng.normal(size=weights.shape) * weights, weights, 2.0)
        for _ in range(300)
    ])  # fmt: skip
    assert np.abs(scores.mean(axis=0)).max() < 4 / np.sqrt(300)
    assert np.abs(scores.std(axis=0) - 1).max() < 4 / np.sqrt(600)


def test_what_is_refused(usual):
    film, _ = usual
    video = film.video.to_numpy()
    for words, match in (
        ({"terms": ("alpha", "delta")}, "terms may hold"),
        ({"terms": ("alpha", "field")}, "needs a drive"),
        ({"terms": ("gradient", "gradient_x")}, "gradient is"),
        ({"dynamics": "ballistic"}, "dynamics"),
        ({"edges": "hard"}, "edges"),
        ({"drive": np.ones(7)}, "drive must be"),
        ({"psf_width": -1.0}, "psf_width"),
        ({"psf_width": 1e3}, "unit of length"),
        ({"frame_times": np.arange(24.0)[::-1]}, "increase"),
    ):
        with pytest.raises(InputError, match=match):
            fit_ginzburg_landau(video, **words)
    with pytest.raises(InputError, match="psf_width"):
        fit_ginzburg_landau(video[0])
    with pytest.raises(NotIdentified, match="still picture"):
        fit_ginzburg_landau(video[0], temperature=1.0)
    empty = np.full_like(video, np.nan)
    empty[:2] = video[:2]
    with pytest.raises(InputError, match="at least 3 frames"):
        fit_ginzburg_landau(empty)


def test_a_film_that_does_not_move_says_so():
    rng = np.random.default_rng(5)
    wall = 0.9 * np.tanh((np.arange(32) - 15.5) / 2.0)
    still = np.broadcast_to(wall, (6, 32, 32)) + 0.05 * rng.normal(size=(6, 32, 32))
    fit = fit_ginzburg_landau(still, drift=False, edges="no_flux", rng=1)
    assert any("do not trust" in text or "hardly moves" in text for text in fit.warnings)


@pytest.mark.slow
def test_open_edges_recover_the_terms(oracle):
    film = planted_film((72, 72), 20, rng=6)
    crop = film.video.to_numpy()[:, 20:52, 20:52]
    fit = fit_ginzburg_landau(crop, drive=film.drive, drift=False, rng=1)
    assert fit.diagnostics["edges"] == "open"
    for name, z in zip(film.terms, _scores(fit, film), strict=True):
        oracle(f"film_open_{name}", z=float(z))


@pytest.mark.parametrize("factor", [1e-9, 1e4])
def test_the_brightness_scale_does_not_matter(factor):
    film = planted_film((24, 24), 12, rng=1)
    fit = fit_ginzburg_landau(film.video, drive=film.drive, drift=False, rng=1)
    other = fit_ginzburg_landau(factor * film.video, drive=film.drive, drift=False, rng=1)
    scale = np.array([1.0, factor**2, 1.0, 1 / factor])
    np.testing.assert_allclose(
        other["landau"] * scale, fit["landau"], atol=1e-3 * fit["landau"].std(axis=0).min()
    )
    newer = fit_ginzburg_landau(
        factor * film.video[-1], previous=other, frame_times=[12.0], drive=[0.0], n_draws=150, rng=1
    )
    assert newer["landau"].shape == (150, 4)


def test_an_even_film_tells_no_gradient():
    rng = np.random.default_rng(1)
    film = np.linspace(0.5, 0.9, 8)[:, None, None] + 0.05 * rng.normal(size=(8, 16, 16))
    with pytest.raises(NotIdentified, match="even within its noise"):
        fit_ginzburg_landau(film, edges="periodic", rng=1)
    fit = fit_ginzburg_landau(film, terms=("alpha",), drift=False, edges="periodic", rng=1)
    assert fit.diagnostics["converged"]


def test_a_still_picture_keeps_its_units():
    y, x = np.mgrid[:48, :48]
    rng = np.random.default_rng(1)
    still = np.tanh((x - 23.3 - 0.1 * y) / 2.5) + 0.05 * rng.normal(size=x.shape)
    line = 0.5 * np.arange(48)
    picture = xr.DataArray(
        still, dims=("y", "x"), attrs={"units": "C/m^2"},
        coords={"y": ("y", line, {"units": "nm"}), "x": ("x", line, {"units": "nm"})},
    )  # fmt: skip
    nm = fit_ginzburg_landau(picture, psf_width=0.5, rng=1)
    pixels = fit_ginzburg_landau(still, psf_width=1.0, rng=1)
    np.testing.assert_allclose(nm["wall_width"], 0.5 * pixels["wall_width"])
    assert json.loads(nm.attrs["units"])["wall_width"] == "nm"
    with pytest.raises(InputError, match="drive must be left out"):
        fit_ginzburg_landau(picture, psf_width=0.5, drive=3.0)
    with pytest.raises(InputError, match="square pixels"):
        fit_ginzburg_landau(picture.assign_coords(x=np.arange(48.0)), psf_width=0.5)
    with pytest.raises(NotIdentified, match="no wall between"):
        fit_ginzburg_landau(x + 0.05 * rng.normal(size=x.shape), psf_width=0.0)


def test_arguments_without_meaning_are_refused():
    film = planted_film((24, 24), 12, rng=1)
    with pytest.raises(InputError, match="start_values may name"):
        fit_ginzburg_landau(film.video, drive=film.drive, start_values={"alfa": 1.0})
    with pytest.raises(InputError, match="psf_width must be"):
        fit_ginzburg_landau(film.video, psf_width="free")
    with pytest.raises(InputError, match="drive must be numbers"):
        fit_ginzburg_landau(film.video, drive="up")
    with pytest.raises(InputError, match="noise_sd must be left out"):
        fit_ginzburg_landau(film.video, noise_sd=0.05)
    fit = fit_ginzburg_landau(film.video, drive=film.drive, drift=False, rng=1)
    with pytest.raises(InputError, match="psf_width must be left out"):
        fit_ginzburg_landau(film.video[-1], previous=fit, drive=[0.0], psf_width=1.0)
    wide = film.video[-1].assign_coords(x=2.0 * np.arange(24))
    with pytest.raises(InputError, match="pixels are 2 along x"):
        fit_ginzburg_landau(wide, previous=fit, frame_times=[12.0], drive=[0.0])


def test_a_thermal_film_takes_the_camera_s_noise():
    film = simulate_ginzburg_landau(
        LandauPotential(a=-1.0, c=1.0, kappa_x=1.0, kappa_y=1.0), np.ones((16, 16)),
        frame_times=np.arange(12) * 0.5, mobility=0.5, thermal_energy=0.01, rng=1,
    )  # fmt: skip
    found = [
        fit_ginzburg_landau(scale * film, temperature=0.01, noise_sd=0.0, rng=1)["mobility"].mean()
        for scale in (1.0, 1e-3)
    ]
    assert abs(found[1] / found[0] / 1e-6 - 1) < 0.02
