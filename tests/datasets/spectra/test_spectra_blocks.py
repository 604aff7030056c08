"""Spectra in patches: robust values whose stated errors are those of planted noise."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import (
    PatchOptions,
    SpectraOptions,
    describe_patches,
    make_spectra,
    read_channels,
)
from physlearn.datasets.descriptors.patch_places import grid_places
from physlearn.datasets.descriptors.terms_spectra import SPECTRUM_TERMS
from physlearn.datasets.spectra.patch_locations import patch_locations
from physlearn.datasets.spectra.spectra_blocks import spectra_blocks


def patches_of(scene, size_px):
    """Return square patches of a scene and the true mean of each column in each."""
    rows, columns = scene.spectra.shape[:2]
    places = grid_places([-10, -10], [20 * columns - 10, 20 * rows - 10], 20.0 * size_px, unit="nm")
    y, x = np.mgrid[:rows, :columns] * 20.0
    patch, point = places.members(np.stack([x.ravel(), y.ravel()], axis=1))

    def mean(name):
        values = scene.truth[name].to_numpy().ravel()[point]
        return np.bincount(patch, weights=values) / np.bincount(patch)

    return places, mean


@pytest.mark.parametrize(("kind", "smooth_px"), [("loops", 0.0), ("loops", 25.0)])
def test_patch_values_with_a_quarter_of_the_pixels_spoilt(kind, smooth_px, oracle):
    scene = make_spectra(kind, (60, 60), smooth_px=smooth_px, rng=5)
    places, mean = patches_of(scene, 6)
    block = spectra_blocks(scene.spectra, places)[0]
    assert np.isfinite(block.values).all()
    sd = np.sqrt(np.einsum("nii->ni", block.covariance))
    pooled = []
    for k, name in enumerate(block.names):
        z = (block.values[:, k] - mean(name)) / sd[:, k]
        assert np.abs(z).max() < 6
        # 100 patches: four standard errors of a spread are .28
        oracle(f"{name} z sd", error=z.std() - 1.0, bound=0.3)
        pooled.append(z)
    # the eight columns hold about four independent ones, of 100 patches each
    oracle("z sd of all", error=np.std(pooled) - 1.0, bound=0.15)


def test_patch_values_of_resonances(oracle):
    scene = make_spectra("resonance", (60, 60), smooth_px=25.0, rng=6)
    places, mean = patches_of(scene, 5)
    block = spectra_blocks(scene.spectra, places)[0]
    for k, name in enumerate(block.names):
        z = (block.values[:, k] - mean(name)) / np.sqrt(block.covariance[:, k, k])
        oracle(f"{name} z sd", error=z.std() - 1.0, bound=0.25)


def test_spikes_of_whole_pixels_do_not_enter_a_patch(oracle):
    """Planted scatter and a quarter of spoilt pixels: value, error, and column with column."""
    rng = np.random.default_rng(1)
    n, size = 2000, 16
    truth = rng.normal(size=(2, 2))
    mixing = np.array([[1.0, 0.0], [0.6, 0.8]])
    points = np.tile(np.stack(np.meshgrid(range(4), range(4)), axis=-1).reshape(-1, 2), (n, 1))
    slope = points @ truth
    values = rng.normal(size=(n * size, 2)) @ mixing.T + slope
    # of the 16 pixels of each patch three are wild and one is missing
    order = np.argsort(rng.random((n, size)), axis=1) + size * np.arange(n)[:, None]
    values[order[:, :3].ravel()] += 1e3
    values[order[:, 3]] = np.nan
    patch = np.repeat(np.arange(n), size)
    found = patch_locations((patch, np.arange(n * size)), n, points.astype(float), values)
    z = (found.values - 1.5 * truth.sum(axis=0)) / np.sqrt(np.einsum("nii->ni", found.covariance))
    assert np.isfinite(z).mean() > 0.99
    for k in (0, 1):
        oracle(f"z sd {k}", error=np.nanstd(z[:, k]) - 1.0, bound=0.08)
    one = found.covariance[:, 0, 1] / np.sqrt(found.covariance[:, 0, 0] * found.covariance[:, 1, 1])
    oracle("correlation", error=np.nanmean(one) - 0.6, bound=0.05)


def test_kinds_names_and_marks():
    scene = make_spectra("tunnelling", (16, 16), rng=7)
    places, _ = patches_of(scene, 4)
    scores = spectra_blocks(scene.spectra, places)[0]
    assert scores.names[0] == "spectral_score_1"
    loops = spectra_blocks(make_spectra("loops", (16, 16), rng=1).spectra, places)[0]
    assert loops.derived["imprint"] == ("coercive_voltage_rising", "coercive_voltage_falling")
    chosen = SpectraOptions(columns=("imprint", "switchable_response"))
    kept = spectra_blocks(make_spectra("loops", (16, 16), rng=1).spectra, places, chosen)[0]
    assert kept.names == ("imprint", "switchable_response")
    assert kept.derived == {}
    edges = SpectraOptions(edges={"nitrogen": ((340, 396), (400, 460))})
    stack = make_spectra("edges", (16, 16), n_points=96, rng=1).spectra
    assert spectra_blocks(stack, places, edges)[0].names == ("nitrogen_edge_counts",)
    assert spectra_blocks(stack, places, edges)[0].tiers == (0,)
    known = {term.name for term in SPECTRUM_TERMS}
    resonances = spectra_blocks(make_spectra("resonance", (16, 16), rng=1).spectra, places)[0]
    assert {*loops.names, *resonances.names} <= known
    with pytest.raises(InputError, match="columns must be descriptors of loops"):
        spectra_blocks(
            make_spectra("loops", (16, 16), rng=1).spectra, places, SpectraOptions(columns=("gap",))
        )
    with pytest.raises(InputError, match="dimensions \\(y, x, axis\\)"):
        spectra_blocks(scene.spectra[0].rename(x="pixel"), places)


def test_a_phase_about_pi_has_no_jump():
    scene = make_spectra("resonance", (16, 16), spoilt_share=0.0, smooth_px=0.0, rng=8)
    turned = scene.spectra * np.exp(1j * (np.pi - float(scene.truth.phase[0, 0])))
    places, _ = patches_of(scene, 4)
    block = spectra_blocks(turned, places)[0]
    phase = block.values[:, block.names.index("phase")]
    assert np.ptp(phase) < 0.2
    assert np.abs(np.abs(phase) - np.pi).max() < 0.1


def test_a_patch_table_takes_spectra_with_their_covariance():
    scene = make_spectra("loops", (20, 20), rng=9)
    options = PatchOptions(spectra=SpectraOptions(columns=("imprint", "switchable_response")))
    table = describe_patches(None, spectra=scene.spectra, patch_size=100.0, options=options)
    assert table.columns == ["imprint", "switchable_response"]
    assert table.units == {"imprint": "V", "switchable_response": "pm"}
    assert table.measurement_covariance is not None
    assert (np.einsum("nii->ni", table.measurement_covariance) > 0).all()
    assert table.n_patches == 16


def test_recorded_loops_fill_a_patch_table(public_file):
    loops = read_channels(public_file("beps_pto_loops/BEPS_PTO_50x50.h5"))["Piezoresponse"]
    step = float(loops.x[1] - loops.x[0])
    places = grid_places([-step / 2] * 2, [49.5 * step] * 2, 5 * step, unit="nm")
    block = spectra_blocks(loops, places, SpectraOptions(level="middle"))[0]
    there = np.isfinite(block.values).all(axis=1)
    assert places.n == 100
    assert there.mean() > 0.7
    rising, falling = (np.median(block.values[there, k]) for k in (0, 1))
    assert 4.0 < rising < 6.0
    assert -4.5 < falling < -2.5
    assert block.units[4] == "a.u."
