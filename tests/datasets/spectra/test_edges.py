"""Edge counts over a power law against planted counts."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import make_spectra, measure_edges

WINDOWS = {"nitrogen": ((340.0, 396.0), (400.0, 460.0))}


@pytest.mark.parametrize("counts", [30.0, 300.0])
def test_errors_are_those_of_counting_with_a_quarter_spoilt(counts, oracle):
    scene = make_spectra("edges", (70, 70), n_points=128, counts=counts, rng=3)
    found = measure_edges(scene.spectra, WINDOWS)
    z = ((found.nitrogen - scene.truth.nitrogen) / found.nitrogen_sd).to_numpy()
    good = np.isfinite(z)
    assert good[~scene.spoilt].mean() > 0.99
    assert good[scene.spoilt].mean() > 0.4
    # a burst of spikes leaves no pixel far off
    assert np.abs(z[good]).max() < 7
    oracle("z sd", error=z[good].std() - 1.0, bound=0.06)
    oracle("z mean", error=z[good].mean(), bound=0.08)
    exponent = (found.nitrogen_exponent - scene.truth.background_exponent).to_numpy()
    z = exponent / found.nitrogen_exponent_sd.to_numpy()
    oracle("exponent z sd", error=np.nanstd(z) - 1.0, bound=0.06)


def test_edges_that_share_counts_are_correlated(oracle):
    # the second background window lies in the first edge's window: both hold those counts
    edges = {**WINDOWS, "later": ((410.0, 520.0), (530.0, 590.0))}
    wide = make_spectra("edges", (50, 50), n_points=128, spoilt_share=0.0, smooth_px=0.0, rng=5)
    found = measure_edges(wide.spectra, edges)
    seen = np.corrcoef(found.nitrogen.to_numpy().ravel(), found.later.to_numpy().ravel())[0, 1]
    stated = found.covariance[:, :, 0, 1] / (found.nitrogen_sd * found.later_sd)
    # 2500 draws: a correlation is known to .02
    oracle("correlation", error=seen - float(stated.mean()), bound=0.08)
    assert float(stated.mean()) > 0.05


def test_a_wrong_gain_is_noticed_and_the_right_one_repairs_it():
    scene = make_spectra("edges", (12, 12), n_points=128, spoilt_share=0.0, rng=6)
    wrong = measure_edges(4.0 * scene.spectra, WINDOWS)
    assert "scatters 4" in wrong.attrs["warnings"][0] or "scatters 3" in wrong.attrs["warnings"][0]
    right = measure_edges(4.0 * scene.spectra, WINDOWS, gain=4.0)
    assert right.attrs["warnings"] == ()
    plain = measure_edges(scene.spectra, WINDOWS)
    np.testing.assert_allclose(right.nitrogen, plain.nitrogen, rtol=1e-9)


@pytest.mark.parametrize(
    ("share", "height", "width"), [(0.1, 1000, 2), (0.1, 300, 4), (0.03, 1000, 2)]
)
def test_an_element_in_few_pixels_is_no_spike(share, height, width, oracle):
    """A sharp line of a tenth of the pixels is counted where it is, and no pixel is given up."""
    rng = np.random.default_rng(1)
    energy = np.linspace(300.0, 560.0, 130)
    holds = np.arange(400) < share * 400
    line = height * np.exp(-((energy - 430) ** 2) / 2 / width**2)
    counts = rng.poisson(200 * (energy / 300) ** -3.0 + holds[:, None] * line).astype(float)
    stack = xr.DataArray(counts, {"energy": energy}, ("pixel", "energy"))
    found = measure_edges(stack, {"line": ((330.0, 395.0), (400.0, 460.0))})
    assert (found.reason == 0).all()
    assert found.attrs["warnings"] == ()
    z = ((found.line - holds * line.sum()) / found.line_sd).to_numpy()
    oracle("mean z of carriers", error=z[holds].mean(), bound=4 / np.sqrt(holds.sum()))
    oracle("z sd", error=z.std() - 1.0, bound=0.15)
    # the same height in one or two points of single pixels is a spike still
    spiked = counts.copy()
    spiked[np.arange(300, 400, 10), rng.integers(55, 80, 10)] += height
    found = measure_edges(stack.copy(data=spiked), {"line": ((330.0, 395.0), (400.0, 460.0))})
    assert (found.reason[300::10] == 1).all()
    assert "2% of the pixels are given up" in found.attrs["warnings"][0]


def test_bad_input_gets_one_sentence():
    scene = make_spectra("edges", (3, 3), n_points=64, spoilt_share=0.0, rng=7)
    with pytest.raises(InputError, match="share none"):
        measure_edges(scene.spectra, {"nitrogen": ((340, 420), (400, 460))})
    with pytest.raises(InputError, match="at least 3 energies"):
        measure_edges(scene.spectra, {"nitrogen": ((340, 341), (400, 460))})
    with pytest.raises(InputError, match="at least one edge"):
        measure_edges(scene.spectra, {})
    with pytest.raises(InputError, match="must rise"):
        measure_edges(scene.spectra.assign_coords(energy_loss=np.arange(64.0) - 10), WINDOWS)
    empty = measure_edges(0.0 * scene.spectra, WINDOWS)
    assert (empty.reason == 2).all()
    assert empty.attrs["warnings"] == ()
