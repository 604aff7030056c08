"""Surfaces with known truth: levels, polarity, tip changes, biases."""

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree
from scipy.stats import poisson

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    FindAtomsOptions,
    StmSettings,
    compare_biases,
    find_surface_atoms,
    find_tip_changes,
    level_scan,
    make_stm_image,
)

SHAPE = (160, 160)


def matched(found, truth):
    distance, near = cKDTree(truth.atoms.positions).query(found.atoms.positions)
    good = distance < 3
    return good, near[good]


@pytest.mark.parametrize("dark", [False, True])
def test_atoms_and_heights_with_their_errors(dark, oracle):
    z, heights, false, total = [], [], 0, 0
    for seed in range(6):
        scene = make_stm_image(SHAPE, StmSettings(dark=dark), rng=seed)
        found = find_surface_atoms(scene.image)
        assert found.atoms.metadata["polarity"] == ("dark" if dark else "bright")
        assert found.atoms.metadata["bias_v"] == -0.2
        assert any("bias" in text for text in found.atoms.warnings)
        good, near = matched(found, scene.truth)
        assert good.sum() == scene.truth.atoms.n
        false += found.atoms.n - good.sum()
        total += found.atoms.n
        error = found.atoms.positions[good] - scene.truth.atoms.positions[near]
        sd = np.sqrt(np.einsum("kaa->ka", np.asarray(found.atoms.position_covariance)[good]))
        z.append(error / sd)
        heights.append((found.height[good] - scene.truth.height_pm[near]) / found.height_sd[good])
    # what the finder promises: at most this share of the columns is noise
    share = FindAtomsOptions().false_discovery_rate
    oracle(f"false atoms, {'dark' if dark else 'bright'}", p=poisson.sf(false - 1, share * total))
    for name, values in (
        ("places", np.concatenate(z).ravel()),
        ("heights", np.concatenate(heights)),
    ):
        oracle(
            f"z sd of {name}, {'dark' if dark else 'bright'}",
            z=(values.std() - 1) * np.sqrt(2 * len(values)),
        )


def test_levels_are_found_with_the_atoms_in_the_model():
    settings = StmSettings(pink_noise_pm=0.0)
    scene = make_stm_image(SHAPE, settings, rng=1)
    found = find_surface_atoms(scene.image).leveled
    gap = found.row_level - scene.truth.row_level_pm
    gap -= np.polyval(np.polyfit(np.arange(len(gap)), gap, 1), np.arange(len(gap)))
    assert gap.std() < 1.5 * found.row_level_sd[0] < 1.0
    assert abs(found.plane[0] - settings.plane_pm_per_px[0]) < 0.02
    assert abs(found.white_noise - settings.white_noise_pm) < 0.3
    blind = level_scan(scene.image)
    assert any("without atoms" in text for text in blind.warnings)


def test_pink_noise_is_seen():
    scene = make_stm_image(SHAPE, StmSettings(pink_noise_pm=6.0), rng=2)
    found = find_surface_atoms(scene.image).leveled
    assert found.pink_noise > 1.0
    assert 0.5 < found.pink_exponent < 1.8


def test_errors_of_levels_hold_the_slow_noise():
    """Noise slower than a row moves its mean, by 8 times what white noise alone says."""
    spread = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        size = 128 * 256
        frequency = np.fft.rfftfreq(size)
        frequency[0] = frequency[1]
        pink = np.fft.irfft(np.fft.rfft(rng.normal(size=size)) * frequency**-0.5, size)
        level = rng.normal(0, 5, 128)
        noise = rng.normal(0, 1, (128, 256)) + (pink / pink.std()).reshape(128, 256)
        found = level_scan(level[:, None] + noise)
        gap = found.row_level - level
        gap -= np.polyval(np.polyfit(np.arange(128), gap, 1), np.arange(128))
        spread.append((gap / found.row_level_sd).std())
    # the spectrum is carried on from within rows over two decades: right to about a third
    assert 0.67 < np.mean(spread) < 1.5


def test_tip_changes_are_found_and_not_invented():
    false, hits = 0, 0
    for seed in range(10):
        quiet = find_surface_atoms(make_stm_image(SHAPE, rng=seed).image)
        false += len(quiet.tip.rows)
        scene = make_stm_image(SHAPE, StmSettings(tip_changes=1), rng=100 + seed)
        rows = find_surface_atoms(scene.image).tip.rows
        hits += bool(len(rows)) and np.abs(rows - scene.truth.tip_rows[0]).min() <= 10
    # .01 asked: three in ten has a chance of 1e-4
    assert false <= 2
    assert hits >= 8


def test_biases_are_compared_and_not_mixed():
    one, two = (
        find_surface_atoms(make_stm_image(SHAPE, StmSettings(bias_v=bias), rng=4).image)
        for bias in (-0.2, 1.5)
    )
    table = compare_biases(one, two)
    # the second species looks higher at -.2 V and lower at 1.5 V
    assert np.corrcoef(table.height_first, table.height_second)[0, 1] < -0.5
    assert np.abs(table.z).max() > 5
    with pytest.raises(InputError, match="bias"):
        compare_biases(one, one)


def test_bad_input_gets_a_sentence():
    rng = np.random.default_rng(0)
    with pytest.raises(NotIdentified, match="polarity"):
        find_surface_atoms(rng.normal(size=(64, 64)))
    scene = make_stm_image(SHAPE, rng=1)
    with pytest.raises(InputError, match="at least 24"):
        few = scene.truth.atoms.with_changes(
            positions=scene.truth.atoms.positions[:4], species=None, species_names=(),
            width=np.ones(4), intensity=np.ones(4),
        )  # fmt: skip
        find_tip_changes(scene.image, few)
    with pytest.raises(InputError, match="false_alarm"):
        find_tip_changes(scene.image, scene.truth.atoms, false_alarm=0.9)
    with pytest.raises(InputError, match="pixels along each edge"):
        make_stm_image((20, 200))
    with pytest.raises(InputError):
        StmSettings(second_share=1.0)


def test_the_plane_is_a_slope_in_height_per_length():
    x, y = 0.2 * np.arange(64.0), 0.5 * np.arange(48.0)
    heights = 3.0 * x - 1.5 * y[:, None] + np.random.default_rng(0).normal(0, 0.05, (48, 64))
    image = xr.DataArray(heights, {"y": y, "x": x}, ("y", "x"))
    for axis in "xy":
        image[axis].attrs["units"] = "nm"
    assert level_scan(image).plane == pytest.approx((3.0, -1.5), abs=0.02)
