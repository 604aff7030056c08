"""Scores of spectra on their own shapes."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import make_spectra, score_spectra


def components_above_the_cut(clean):
    """Return how many singular values unit noise leaves above the cut: surely, and at most.

    A singular value x is seen at sqrt((x^2 + n)(x^2 + m)) / x (Gavish and Donoho, 2014), within 4
    of its standard deviations of 1; what is below (n m)^(1/4) is lost. The cut is in units of the
    median, which r values that are signal raise from the middle to r / 2 places above it.
    """
    n, m = clean.shape
    x = np.linalg.svd(clean - clean.mean(axis=0), compute_uv=False)
    seen = np.where(x**4 > n * m, np.sqrt((x**2 + n) * (x**2 + m)) / np.maximum(x, 1e-9), 0.0)
    beta, signals = m / n, int((x**4 > n * m).sum())
    noise = np.random.default_rng(0).normal(size=(n, m))
    noise = np.linalg.svd(noise, compute_uv=False)[: m - signals]
    values = np.sort(np.concatenate([seen[:signals], noise]))
    cut = (0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43) * np.median(values)
    return int((seen > cut + 4).sum()), int((seen > cut - 4).sum())


@pytest.mark.parametrize("spoilt_share", [0.0, 0.25])
def test_errors_are_those_of_planted_noise(spoilt_share, oracle):
    scene = make_spectra("tunnelling", (60, 60), spoilt_share=spoilt_share, rng=3)
    clean = make_spectra("tunnelling", (60, 60), noise=1e-9, spoilt_share=0.0, rng=3)
    found = score_spectra(scene.spectra)
    least, most = components_above_the_cut(clean.spectra.to_numpy().reshape(-1, 64) / 0.05)
    assert least <= found.sizes["component"] <= most
    weight = 1.0 / found.noise_sd.to_numpy()
    shapes = (found.components.to_numpy() * weight).T
    target = (clean.spectra.to_numpy().reshape(-1, 64) - found["mean"].to_numpy()) * weight
    truth = np.linalg.lstsq(shapes, target.T, rcond=None)[0]
    for k in range(found.sizes["component"]):
        z = found[f"spectral_score_{k + 1}"].to_numpy().ravel() - truth[k]
        z = z / found[f"spectral_score_{k + 1}_sd"].to_numpy().ravel()
        good = np.isfinite(z)
        assert good.mean() > 0.98
        oracle(f"score {k + 1} z sd", error=z[good].std() - 1.0, bound=0.08)
    assert float(found.noise_sd.median()) == pytest.approx(0.05, rel=0.05)


def test_shapes_do_not_turn_with_the_sign_or_the_scale():
    scene = make_spectra("tunnelling", (16, 16), rng=2)
    plain, scaled = score_spectra(scene.spectra), score_spectra(7.0 * scene.spectra)
    np.testing.assert_allclose(scaled.spectral_score_1, 7.0 * plain.spectral_score_1, rtol=1e-6)
    assert (np.abs(plain.components).max("bias") == plain.components.max("bias")).all()


def test_noise_that_is_correlated_along_the_axis_is_said():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(900, 48))
    level = rng.normal(size=(900, 1))
    axis = {"bias": np.arange(48.0)}
    white = score_spectra(xr.DataArray(level + noise, axis, ("pixel", "bias")))
    assert white.sizes["component"] == 1
    assert white.attrs["warnings"] == ()
    smooth = gaussian_filter1d(noise, 2.0, axis=1)
    found = score_spectra(xr.DataArray(level + smooth, axis, ("pixel", "bias")))
    assert "the most that are taken" in found.attrs["warnings"][0]
    one = score_spectra(xr.DataArray(level + smooth, axis, ("pixel", "bias")), 1)
    assert "neighbouring points correlates by 0.9" in one.attrs["warnings"][0]


def test_noise_has_no_shape_and_bad_input_gets_one_sentence():
    scene = make_spectra("tunnelling", (12, 12), rng=1)
    noise = scene.spectra.copy(data=np.random.default_rng(1).normal(size=scene.spectra.shape))
    with pytest.raises(NotIdentified, match="do not differ by more than their noise"):
        score_spectra(noise)
    with pytest.raises(InputError, match="at least 8 sound spectra"):
        score_spectra(scene.spectra[:2, :2])
    with pytest.raises(InputError, match="must be real"):
        score_spectra(scene.spectra + 0j)
    with pytest.raises(InputError, match="n_components"):
        score_spectra(scene.spectra, 0)
