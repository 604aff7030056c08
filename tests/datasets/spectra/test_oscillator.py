"""Band-excitation fits against planted oscillators."""

import inspect

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import fit_harmonic_oscillator, make_spectra
from physlearn.datasets.spectra import loop_kernels
from physlearn.datasets.spectra import oscillator_kernels as kernels
from physlearn.datasets.spectra.oscillator import RESONANCE_COLUMNS


def test_errors_are_those_of_planted_noise_with_a_quarter_spoilt(oracle):
    scene = make_spectra("resonance", (70, 70), spoilt_share=0.25, rng=3)
    found = fit_harmonic_oscillator(scene.spectra)
    for name in RESONANCE_COLUMNS:
        z = ((found[name] - scene.truth[name]) / found[f"{name}_sd"]).to_numpy()
        good = np.isfinite(z)
        assert good.mean() > 0.93
        oracle(f"{name} z sd", error=z[good].std() - 1.0, bound=0.05)
        oracle(f"{name} of spoilt z sd", error=z[good & scene.spoilt].std() - 1.0, bound=0.1)
        oracle(f"{name} mean z", error=z[good].mean(), bound=0.06)
    assert float(found.noise_sd.median()) == pytest.approx(0.05, rel=0.03)


def test_errors_reach_the_bound(oracle):
    """Without spikes the stated variance is the Cramer-Rao bound of the four parameters."""
    scene = make_spectra("resonance", (20, 20), spoilt_share=0.0, smooth_px=0.0, rng=4)
    found = fit_harmonic_oscillator(scene.spectra)
    f = scene.spectra.frequency.to_numpy()

    def response(p):
        return p[0] * np.exp(1j * p[3]) * p[1] ** 2 / (p[1] ** 2 - f**2 + 1j * f * p[1] / p[2])

    truth = np.array([float(scene.truth[name][0, 0]) for name in RESONANCE_COLUMNS])
    slopes = []
    for k in range(4):
        step = np.zeros(4)
        step[k] = 1e-6 * truth[k]
        slopes.append((response(truth + step) - response(truth - step)) / (2 * step[k]))
    slopes = np.array(slopes)
    bound = np.sqrt(np.diag(np.linalg.inv((slopes.conj() @ slopes.T).real / scene.noise_sd**2)))
    for k, name in enumerate(RESONANCE_COLUMNS):
        spread = float((found[name] - truth[k]).std())
        # 400 draws: the spread is known to 3.5 %
        oracle(f"{name} spread over bound", error=spread / bound[k] - 1.0, bound=0.15)


def test_amplitudes_alone_give_what_they_hold(oracle):
    scene = make_spectra("resonance", (40, 40), spoilt_share=0.25, rng=3)
    found = fit_harmonic_oscillator(np.abs(scene.spectra))
    assert "phase" not in found
    for name in RESONANCE_COLUMNS[:3]:
        z = ((found[name] - scene.truth[name]) / found[f"{name}_sd"]).to_numpy()
        good = np.isfinite(z)
        assert good.mean() > 0.93
        # 1500 pixels: four standard errors of a spread are .07
        oracle(f"{name} z sd", error=z[good].std() - 1.0, bound=0.1)
        oracle(f"{name} mean z", error=z[good].mean(), bound=0.12)
    # the mean of Rice's distribution, not of a Gaussian: noise off the resonance is no response
    assert float(found.noise_sd.median()) == pytest.approx(0.05, rel=0.03)
    both = fit_harmonic_oscillator(scene.spectra)
    ratio = (found.amplitude / both.amplitude).median()
    assert float(ratio) == pytest.approx(1.0, abs=0.01)


def noisy(clean, n=200, noise=0.05, seed=1):
    """Return n pixels of one response with complex noise."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(2, n, len(clean)))
    axis = {"frequency": np.linspace(300e3, 340e3, len(clean))}
    return xr.DataArray(clean + noise * (parts[0] + 1j * parts[1]), axis, ("pixel", "frequency"))


def response(place=320e3, quality=80.0, phase=0.5, height=1.6, m=64):
    """Return an oscillator's response over 300 to 340 kHz."""
    f = np.linspace(300e3, 340e3, m)
    static = height / quality * np.exp(1j * phase)
    return static * place**2 / (place**2 - f**2 + 1j * f * place / quality)


@pytest.mark.parametrize("part", [lambda s: s, np.abs])
def test_what_is_not_one_oscillator_is_said(part, oracle):
    plain = fit_harmonic_oscillator(part(noisy(response())))
    misfit = plain.misfit.to_numpy()
    chance = plain.misfit.attrs["chance"]
    oracle("misfit of noise", error=np.median(misfit) - 1.0, bound=5 * chance / np.sqrt(200))
    oracle("its spread", error=misfit.std() / chance - 1.0, bound=0.25)
    assert plain.attrs["warnings"] == ()
    # cross-talk of a sixteenth of the peak moves the phase by four of its errors
    talk = fit_harmonic_oscillator(part(noisy(response() + 0.1)))
    assert (talk.misfit > 1 + 4 * chance).mean() > 0.95
    assert "cross-talk" in talk.attrs["warnings"][0]
    two = fit_harmonic_oscillator(part(noisy(response(315e3) + response(328e3, height=1.2))))
    assert "second mode" in two.attrs["warnings"][0]
    delay = np.exp(-2j * np.pi * np.linspace(-20e3, 20e3, 64) * 1e-5)
    if part is not np.abs:
        late = fit_harmonic_oscillator(part(noisy(response() * delay)))
        assert float(late.misfit.median()) > 3


def test_the_other_sign_of_time_is_named():
    found = fit_harmonic_oscillator(np.conj(noisy(response())))
    assert (found.reason == 5).all()
    assert "complex conjugate" in found.attrs["warnings"][0]
    nothing = fit_harmonic_oscillator(noisy(np.zeros(64)))
    assert (nothing.reason == 2).mean() > 0.95
    assert nothing.attrs["warnings"] == ()


def test_scale_and_a_common_phase_move_what_they_should():
    scene = make_spectra("resonance", (5, 5), spoilt_share=0.0, rng=5)
    plain = fit_harmonic_oscillator(scene.spectra)
    moved = fit_harmonic_oscillator(scene.spectra * (3e-6 * np.exp(0.3j)))
    np.testing.assert_allclose(moved.amplitude, 3e-6 * plain.amplitude, rtol=1e-4)
    np.testing.assert_allclose(moved.resonance_frequency, plain.resonance_frequency, rtol=1e-6)
    turned = np.angle(np.exp(1j * (moved.phase - plain.phase - 0.3)))
    np.testing.assert_allclose(turned, 0.0, atol=1e-3)


def test_what_cannot_be_measured_is_said():
    scene = make_spectra("resonance", (8, 8), spoilt_share=0.0, rng=6)
    rng = np.random.default_rng(1)
    noise = rng.normal(size=scene.spectra.shape) + 1j * rng.normal(size=scene.spectra.shape)
    found = fit_harmonic_oscillator(scene.spectra.copy(data=noise))
    assert float((found.reason > 0).mean()) > 0.9
    holed = scene.spectra.where(np.abs(scene.spectra.frequency - 320e3) > 25e3)
    assert (fit_harmonic_oscillator(holed).reason > 0).all()
    with pytest.raises(InputError, match="must be complex, or amplitudes"):
        fit_harmonic_oscillator(scene.spectra.real)
    with pytest.raises(InputError, match="must rise"):
        fit_harmonic_oscillator(scene.spectra.isel(frequency=slice(None, None, -1)))


@pytest.mark.parametrize("part", [lambda s: s, np.abs])
@pytest.mark.filterwarnings("error")
def test_empty_constant_and_holed_spectra_are_given_up_without_a_word(part):
    spectra = make_spectra("resonance", (8, 8), spoilt_share=0.0, rng=1).spectra
    spectra[0, 0], spectra[0, 1], spectra[0, 2] = np.nan, 0.0, 1.0
    spectra[0, 3, :40] = np.nan
    found = fit_harmonic_oscillator(part(spectra))
    assert (found.reason[0, :4] > 0).all()
    assert float((found.reason[1:] == 0).mean()) > 0.9


def test_compiled_kernels_equal_the_plain_ones():
    scene = make_spectra("resonance", (1, 2), n_points=24, rng=1)
    x = scene.spectra.frequency.to_numpy() / 320e3
    y, n = scene.spectra.to_numpy()[0], 24
    work = np.empty(48)
    assert kernels._rough_noise(y[0], n, work) == pytest.approx(
        kernels._rough_noise.py_func(y[0], n, work)
    )
    starts, refined = [], []
    for suffix in (lambda f: f, lambda f: f.py_func):
        p = np.empty(4)
        suffix(kernels._start)(x, y[0], n, x[1] - x[0], 0.05, p)
        starts.append(p.copy())
        r, jac = np.empty(n, dtype=complex), np.empty((n, 4), dtype=complex)
        suffix(kernels._refine)(x, y[0], n, x[1] - x[0], 0.05, work, p, r, jac)
        refined.append(p)
    np.testing.assert_allclose(*starts)
    np.testing.assert_allclose(*refined, rtol=1e-8)
    sums = []
    for run in (kernels._summary, kernels._summary.py_func):
        bread, found = np.zeros((4, 4)), np.empty(3)
        run(x, r, jac, n, 0.05, 0.02, 1.0, bread, found)
        sums.append(np.r_[bread.ravel(), found])
    np.testing.assert_allclose(*sums)


def test_derivatives_are_differences():
    x = np.linspace(0.9, 1.1, 30)
    p = np.array([0.3, 0.2, 1.01, 0.03])
    y = np.zeros(30, dtype=complex)
    r, jac = np.empty(30, dtype=complex), np.empty((30, 4), dtype=complex)
    kernels._residuals(p, x, y, 30, r, jac)
    for k in range(4):
        step = np.zeros(4)
        step[k] = 1e-7
        up, down, other = np.empty_like(r), np.empty_like(r), np.empty_like(jac)
        kernels._residuals.py_func(p + step, x, y, 30, up, other)
        kernels._residuals.py_func(p - step, x, y, 30, down, other)
        np.testing.assert_allclose(-(up - down) / 2e-7, jac[:, k], rtol=1e-4, atol=1e-5)


def test_the_solver_is_one_in_both_files():
    # numba's cache looks at one file: a kernel's helpers stand beside it, and must stay alike
    one, two = (inspect.getsource(file._solve.py_func) for file in (kernels, loop_kernels))
    assert one == two
