"""Loops with spoilt pixels, uniform films, refusals, and a film of PbTiO3."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binomtest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference import fit_landau_loop
from physlearn.inference.hysteresis.landau_branches import (
    coefficients_of_loop,
    landau_branch,
    landau_stiffness,
)
from physlearn.inference.hysteresis.landau_loop import _columns
from physlearn.inference.hysteresis.loop_scenes import make_loop_map
from physlearn.inference.hysteresis.pixel_pooling import design_effect, pool_pixels
from physlearn.lattice_models import LandauPotential

STEPS = (5.0, -3.0)
CALIBRATION = {"polarisation": (0.5, 0.02), "field": (1e7, 1e5)}


@pytest.mark.parametrize("shape", [0.0, 0.6, 2.5])
def test_branches_are_the_minima_of_the_potential_they_name(shape):
    one = np.array(1.0)
    found = {name: float(value) for name, value in
             coefficients_of_loop(one, one, np.array(shape)).items()}  # fmt: skip
    potential = LandauPotential(a=found["a"], c=found["c"], e=found["e"])
    for field in (0.0, 0.5, -0.7, 2.0):
        branch = float(landau_branch(np.array([field]), shape)[0])
        assert potential.minima(field).max() == pytest.approx(branch, abs=1e-9)
    top = float(potential.density(0.0) - potential.density(1.0))
    assert top == pytest.approx(found["barrier"], rel=1e-9)
    # beyond the coercive field the state is gone, just before it is not
    assert len(potential.minima(-1.001)) == 1
    assert len(potential.minima(-0.999)) == 2
    assert np.isnan(landau_branch(np.array([-1.01]), shape))[0]
    assert landau_stiffness(np.array(0.0)) == pytest.approx(1.5 * np.sqrt(3))


@pytest.mark.parametrize("n", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_quarter_of_spoilt_pixels_does_not_enter(oracle, n):
    inside = 0
    for index in range(n):
        scene = make_loop_map((10, 10), steps=STEPS, rng=index)
        fit = fit_landau_loop(scene.loops, rng=index, n_draws=500)
        low, high = fit.interval("imprint")
        inside += low < 1.0 < high
        assert np.abs(fit["coercive_voltages"].mean(axis=0) - STEPS).max() < 0.4
        crossed = fit["median_loop_crossings"].mean(axis=0)
        assert np.abs(crossed - STEPS).max() < 0.4
    oracle("imprint", p=binomtest(inside, n, 0.9).pvalue)
    assert any("nucleates" in text for text in fit.warnings)
    assert fit.idata["constant_data"]["pixel_mean"].shape[0] == fit.diagnostics["n_pixels"]


@pytest.mark.parametrize("n", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_pooling_covers_the_population_and_the_pixels(oracle, n):
    rng = np.random.default_rng(3)
    truth, population = np.array([1.0, -2.0]), np.array([[1.0, 0.5], [0.5, 1.0]])
    inside, within = 0, 0
    for _ in range(n):
        theta = rng.multivariate_normal(truth, population, 60)
        noise = 0.3 * rng.uniform(0.5, 2.0, 60)
        values = theta + noise[:, None] * rng.standard_normal((60, 2))
        pooled = pool_pixels(values, noise[:, None, None] ** 2 * np.eye(2), rng)
        low, high = np.quantile(pooled.center[:, 0], (0.05, 0.95))
        inside += low < 1.0 < high
        within += int((np.abs(pooled.pixel_mean - theta) < 1.645 * pooled.pixel_sd).sum())
    oracle("centre", p=binomtest(inside, n, 0.9).pvalue)
    oracle("pixels", p=binomtest(within, n * 120, 0.9).pvalue)


def test_neighbours_that_repeat_each_other_are_counted():
    rng = np.random.default_rng(1)
    fine, coarse = rng.normal(size=(24, 24)), np.kron(rng.normal(size=(6, 6)), np.ones((4, 4)))
    everywhere = np.ones((24, 24), dtype=bool)
    assert design_effect(fine.ravel(), everywhere) < 2.5
    assert 6 < design_effect(coarse.ravel(), everywhere) < 40


def test_pixels_that_repeat_each_other_widen_the_error():
    few = make_loop_map((6, 6), spoilt_share=0.0, rng=5).loops
    rng = np.random.default_rng(1)
    values = np.kron(few.to_numpy(), np.ones((4, 4, 1)))
    values += rng.normal(0.0, 0.01 * np.abs(values).max(), values.shape)
    order = rng.permutation(24 * 24)
    mixed = values.reshape(24 * 24, -1)[order].reshape(values.shape)
    blocks, shuffled = (
        fit_landau_loop(xr.DataArray(v, {"voltage": few["voltage"]}, few.dims), rng=1)
        for v in (values, mixed)
    )
    effects = [np.mean(fit.diagnostics["design_effect"][:2]) for fit in (blocks, shuffled)]
    assert effects[0] > 5 * effects[1]
    ratio = blocks["imprint"].std() / shuffled["imprint"].std()
    assert ratio == pytest.approx(np.sqrt(effects[0] / effects[1]), rel=0.15)


@pytest.mark.parametrize("shape", [0.5, 2.0])
def test_a_uniform_film_gives_its_free_energy(shape):
    scene = make_loop_map((8, 8), steps=STEPS, spread=0.05, noise_sd=0.03, landau_shape=shape,
                          rng=1)  # fmt: skip
    fit = fit_landau_loop(scene.loops, homogeneous_switching=True, rng=1, **CALIBRATION)
    truth = coefficients_of_loop(np.array(0.5), np.array(4e7), np.array(shape))
    assert abs(fit["landau_shape"].mean() - shape) < 4 * fit["landau_shape"].std() + 0.05
    for term, (low, high) in zip("ac", fit.interval("landau")[:2], strict=True):
        # four standard errors around the posterior's middle
        assert abs(0.5 * (low + high) - truth[term]) < 4 * (high - low) / 3.29
    low, high = fit.interval("barrier")
    assert low < truth["barrier"] < high
    assert not any("not that of a uniform film" in text for text in fit.warnings)


def test_coefficients_rest_on_what_is_declared():
    scene = make_loop_map((6, 6), step_width=1.5, rng=2)
    with pytest.raises(NotIdentified, match="nucleates"):
        fit_landau_loop(scene.loops, **CALIBRATION)
    with pytest.raises(NotIdentified, match=r"polarisation=\(value, sd\)"):
        fit_landau_loop(scene.loops, homogeneous_switching=True, field=(1e7, 1e5))
    with pytest.raises(InputError, match="field must be"):
        fit_landau_loop(scene.loops, field=(1e7, -1.0))
    fit = fit_landau_loop(scene.loops, homogeneous_switching=True, rng=1, **CALIBRATION)
    assert any("not that of a uniform film" in text for text in fit.warnings)
    flat = xr.zeros_like(scene.loops) + np.random.default_rng(1).normal(size=scene.loops.shape)
    with pytest.raises(NotIdentified, match="pixels show a loop"):
        fit_landau_loop(flat)


def test_pooling_does_not_bend_the_voltages(oracle):
    z = []
    for index in range(4):
        scene = make_loop_map((8, 8), steps=STEPS, spoilt_share=0.0, rng=index)
        constants = fit_landau_loop(scene.loops, rng=index).idata["constant_data"]
        kept = constants["pixel_index"].to_numpy()
        away = constants["pixel_mean"].to_numpy()[:, :2] - scene.steps.reshape(-1, 2)[kept]
        z.append((away / constants["pixel_sd"].to_numpy()[:, :2]).ravel())
    z = np.concatenate(z)
    oracle("mean of z", z=z.mean() * np.sqrt(z.size))
    # single loops' errors are 3-4 % short (of describe_loops, 57 degrees of freedom each)
    assert z.std() < 1.04 + 4 / np.sqrt(2 * z.size)


def test_units_bounds_and_directions_are_said():
    scene = make_loop_map((6, 6), steps=STEPS, spread=0.05, noise_sd=0.03, landau_shape=0.0, rng=3)
    declared = {"homogeneous_switching": True, "rng": 1}
    fit = fit_landau_loop(scene.loops, **declared, **CALIBRATION)
    low, high = fit.interval("landau_shape")
    assert 0 < low < high < 0.5
    assert fit["landau"][:, 2].std() > 0
    volt = scene.loops["voltage"].to_numpy()
    milli = scene.loops.assign_coords(voltage=("voltage", 1e3 * volt, {"units": "mV"}))
    same = fit_landau_loop(milli, **declared, **CALIBRATION)
    np.testing.assert_allclose(same.interval("barrier"), fit.interval("barrier"), rtol=1e-6)
    with pytest.raises(InputError, match="voltage axis in V"):
        fit_landau_loop(scene.loops.assign_coords(voltage=volt), **declared, **CALIBRATION)
    square = make_loop_map((8, 8), steps=STEPS, rng=1).loops
    bound = fit_landau_loop(square, **declared, **CALIBRATION)
    assert any("squarer than any branch" in text for text in bound.warnings)
    back = fit_landau_loop(square[..., ::-1], rng=1)
    assert any("the other way round" in text for text in back.warnings)
    holes = square.copy()
    holes.values[np.random.default_rng(0).random(holes.shape) < 0.2] = np.nan
    assert any("only " in text for text in fit_landau_loop(holes, rng=1).warnings)
    plain = fit_landau_loop(square.assign_coords(voltage=volt), rng=1)
    assert any("the voltage axis has no unit" in text for text in plain.warnings)
    offset = fit_landau_loop(square + 0.4 * float(abs(square).median()), rng=1)
    assert any("median_loop_crossings lie up to" in text for text in offset.warnings)
    assert not any("lie up to" in text for text in fit_landau_loop(square, rng=1).warnings)
    for wrong in ({"n_draws": 0}, {"polarisation": "a"}):
        with pytest.raises(InputError):
            fit_landau_loop(square, **wrong)


def test_one_loop_stands_alone():
    scene = make_loop_map((1, 1), spoilt_share=0.0, spread=0.0, rng=4)
    fit = fit_landau_loop(scene.loops[0, 0], rng=1)
    low, high = fit.interval("coercive_voltages")[0]
    assert low - 0.3 < 5.0 < high + 0.3
    assert "pixel_spread" not in fit.variables
    assert "median_loop_crossings" not in fit.variables


def test_loops_of_lead_titanate(public_file):
    import h5py

    with h5py.File(public_file("beps_pto_loops/BEPS_PTO_50x50.h5")) as file:
        voltage = file["Channel_000/generic/Voltage"][:]
        values = file["Channel_000/generic/generic"][::3, ::3]
    fit = fit_landau_loop(xr.DataArray(values, {"voltage": voltage}, ("y", "x", "voltage")), rng=1)
    (low, high), (down, up) = fit.interval("median_loop_crossings")
    assert low < 5.5 < high + 0.1
    assert down < -3.0 < up
    assert fit.interval("imprint")[0] > 0


def test_squareness_knows_nothing_of_the_gain():
    names = ["coercive_voltage_rising", "coercive_voltage_falling", "switchable_response",
             "remanent_response"]  # fmt: skip
    values = np.array([5.0, -3.0, 4.0, 1.5])
    gain = 0.1 * np.array([0.0, 0.0, 4.0, 1.5])  # swing and remanence err by one factor
    apart = np.diag([0.01, 0.04, 0.0, 0.09])  # and what the remanence alone errs by
    described = xr.Dataset(
        {name: ("pixel", np.full(2, value)) for name, value in zip(names, values, strict=True)}
        | {"covariance": (("pixel", "column", "other"),
                          np.stack([np.outer(gain, gain), np.outer(gain, gain) + apart]))},
        coords={"column": names},
    )  # fmt: skip
    found, covariance = _columns(described)
    np.testing.assert_allclose(found, [[5.0, -3.0, np.log(4.0), 0.75]] * 2)
    sizes = np.diagonal(covariance, axis1=1, axis2=2)
    np.testing.assert_allclose(sizes[0], [0.0, 0.0, 0.01, 0.0], atol=1e-15)
    np.testing.assert_allclose(sizes[1], [0.01, 0.04, 0.01, 0.25 * 0.09])
