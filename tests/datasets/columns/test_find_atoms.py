"""Columns with known places: error at the bound, honest error bars, all found and none invented."""

import importlib

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage
from scipy.spatial import cKDTree

from physlearn.checks import InputError
from physlearn.datasets import FindAtomsOptions, find_atoms, read_image
from physlearn.datasets.columns import column_kernels

WIDTH = 2.5


def scene(n, *, spacing=14.0, peaks=(100.0, 100.0), background=10.0, seed=0, jitter=0.5):
    """Return counts, positions and peaks of n x n columns with Poisson noise."""
    rng = np.random.default_rng(seed)
    j, i = np.mgrid[:n, :n]
    places = spacing * (np.stack([i.ravel(), j.ravel()], 1) + 1.2)
    places = places + rng.normal(0, jitter, places.shape)
    heights = np.where(rng.random(n * n) < 0.5, *peaks)
    mean = np.full((int((n + 1.4) * spacing),) * 2, background)
    columns = np.column_stack([places, np.log(heights), np.full(n * n, np.log(WIDTH))])
    column_kernels.add_columns(mean, columns, 7.0)
    return rng.poisson(mean).astype(float), places, heights


def joint_bound(places, heights, background, k, reach=2.6, spacing=14.0):
    """Return the Cramer-Rao sd of x and y of column k; neighbours and background free (oracle)."""
    near = np.flatnonzero(np.hypot(*(places - places[k]).T) < reach * spacing)
    half = int(reach * spacing + 4 * WIDTH)
    cx, cy = np.round(places[k]).astype(int)
    y, x = np.mgrid[cy - half : cy + half + 1, cx - half : cx + half + 1].astype(float)
    mean, slopes, first = np.full(x.shape, background), [np.ones(x.size)], 0
    for m in range(len(places)):
        square = (x - places[m, 0]) ** 2 + (y - places[m, 1]) ** 2
        value = heights[m] * np.exp(-square / (2 * WIDTH**2))
        mean += value
        if m in near:
            parts = (value * (x - places[m, 0]), value * (y - places[m, 1]), value, value * square)
            first = len(slopes) if m == k else first
            slopes += [part.ravel() for part in parts]
    design = np.array(slopes)
    bound = np.linalg.inv((design / mean.ravel()) @ design.T)
    return np.sqrt(np.diag(bound)[first : first + 2]) * WIDTH**2


def matched(atoms, places):
    distance, near = cKDTree(atoms.positions).query(places)
    return distance < 2.0, near


@pytest.mark.parametrize(
    ("peaks", "noise"),
    [((100.0, 100.0), "poisson"), ((100.0, 30.0), "gain"), ((1000.0, 300.0), "gain")],
)
def test_positions_reach_the_bound_and_all_columns_are_found(peaks, noise):
    background = 0.1 * peaks[0]
    counts, places, heights = scene(16, peaks=peaks, background=background)
    atoms = find_atoms(counts, noise=noise)
    found, near = matched(atoms, places)
    assert found.all()
    assert atoms.n <= 1.01 * len(places)
    some = [k for k in range(len(places)) if k % 16 in (4, 8, 11) and k // 16 in (4, 7, 11)]
    bounds = np.array([joint_bound(places, heights, background, k) for k in some])
    said = np.sqrt(atoms.position_covariance[near][:, [0, 1], [0, 1]])
    # the errors said are the bound, up to the noise of the fitted parameters they come from
    assert np.median(said[some] / bounds) == pytest.approx(1.0, abs=0.04)
    inner = [k for k in range(len(places)) if k % 16 in range(2, 14) and k // 16 in range(2, 14)]
    errors = atoms.positions[near[inner]] - places[inner]
    ratio = np.sqrt(np.mean((errors / said[inner]) ** 2))
    assert ratio < 1.05 + 4 / np.sqrt(2 * errors.size)


@pytest.mark.parametrize("noise", ["poisson", "gain"])
def test_error_bars_are_honest(noise):
    counts, places, heights = scene(22, peaks=(100.0, 40.0), seed=2)
    atoms = find_atoms(counts, noise=noise)
    found, near = matched(atoms, places)
    assert found.all()
    z = (atoms.positions[near] - places) / np.sqrt(
        atoms.position_covariance[near][:, [0, 1], [0, 1]]
    )
    assert z.std() == pytest.approx(1.0, abs=0.05 + 4 / np.sqrt(2 * z.size))
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    volumes = 2 * np.pi * heights * WIDTH**2
    z = (atoms.intensity[near] - volumes) / atoms.intensity_sd[near]
    assert z.std() == pytest.approx(1.0, abs=0.05 + 4 / np.sqrt(2 * z.size))


@pytest.mark.slow
def test_error_bars_within_five_percent_on_many_columns():
    scores = []
    for seed in range(5):
        counts, places, _ = scene(40, peaks=(100.0, 40.0), seed=100 + seed)
        atoms = find_atoms(counts, noise="poisson")
        found, near = matched(atoms, places)
        assert found.mean() > 0.999
        sd = np.sqrt(atoms.position_covariance[near][:, [0, 1], [0, 1]])
        scores.append(((atoms.positions[near] - places) / sd)[found])
    z = np.concatenate(scores)
    assert len(z) > 4000
    assert z.std() == pytest.approx(1.0, abs=0.05)


def test_gain_is_measured_and_correlated_noise_widens_the_error_bars():
    counts, places, _ = scene(16, seed=4)
    rng = np.random.default_rng(5)
    atoms = find_atoms(3.0 * counts + rng.normal(0, 6.0, counts.shape), noise="gain")
    assert atoms.metadata["noise_gain"] == pytest.approx(3.0, rel=0.15)
    # oracle for correlated pixels: the scatter of the fitted positions about the planted ones
    smooth = ndimage.gaussian_filter(rng.normal(size=counts.shape), 0.8)
    smooth *= 8.0 / smooth.std()
    columns = np.column_stack([places, np.full(256, np.log(100.0)), np.full(256, np.log(WIDTH))])
    clean = np.full(counts.shape, 10.0)
    column_kernels.add_columns(clean, columns, 7.0)
    atoms = find_atoms(clean + smooth, noise="gain")
    found, near = matched(atoms, places)
    assert found.all()
    z = (atoms.positions[near] - places) / np.sqrt(
        atoms.position_covariance[near][:, [0, 1], [0, 1]]
    )
    assert z.std() == pytest.approx(1.0, abs=0.05 + 4 / np.sqrt(2 * z.size))
    assert atoms.metadata["pixel_correlation_x"] > 0.4


def test_pictures_without_atoms_give_none_and_say_so():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:160, :160]
    white = rng.normal(size=(160, 160))
    pictures = {
        "white": white,
        "counts": rng.poisson(5.0, (160, 160)).astype(float),
        "correlated": ndimage.gaussian_filter(white, 1.0),
        "slope": 100 + 0.3 * x + 0.2 * y + white,
        "hill": 100 * np.exp(-((x - 80.0) ** 2 + (y - 80.0) ** 2) / (2 * 50.0**2)) + white,
        "stripes": np.sign(np.sin(x / 17.0)) + 0.1 * white,
    }
    for name, picture in pictures.items():
        atoms = find_atoms(picture)
        assert atoms.n == 0, name
        assert any("no atom columns" in text for text in atoms.warnings)


def test_unit_and_origin_of_the_picture_are_kept():
    counts, _, _ = scene(6)
    image = xr.DataArray(
        counts, dims=("y", "x"), attrs={"counts": "known"},
        coords={"y": ("y", 5.0 + 0.02 * np.arange(counts.shape[0]), {"units": "nm"}),
                "x": ("x", 0.02 * np.arange(counts.shape[1]) - 1.0, {"units": "nm"})},
    )  # fmt: skip
    atoms = find_atoms(image)
    assert atoms.unit == "nm"
    assert atoms.pixel_size == pytest.approx((0.02, 0.02))
    assert atoms.metadata["noise_model"] == "poisson"
    pixel = find_atoms(counts, noise="poisson")
    assert np.allclose(atoms.positions, pixel.positions * 0.02 + [-1.0, 5.0])
    assert np.allclose(atoms.position_covariance, pixel.position_covariance * 0.02**2)
    assert np.median(atoms.width) == pytest.approx(0.02 * WIDTH, rel=0.05)


def test_unknown_counts_are_said_and_progress_reports():
    counts, _, _ = scene(5)
    heard = []
    atoms = find_atoms(counts, progress=lambda share, word: heard.append((share, word)))
    assert any("counts unknown" in text for text in atoms.warnings)
    assert heard
    assert all(0 <= share <= 1 for share, _ in heard)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"noise": "pink"}, "noise must be one of"),
        ({"width": -1.0}, "width must be"),
        ({"image": np.zeros((8, 8))}, "16 x 16"),
        ({"image": np.ones((32, 32, 3))}, "colour"),
        ({"image": np.ones((5, 32, 32))}, "read_video"),
        ({"image": -np.random.default_rng(0).random((32, 32)), "noise": "poisson"}, "negative"),
    ],
)
def test_bad_arguments(change, words):
    arguments = {"image": np.random.default_rng(0).random((32, 32))} | change
    with pytest.raises(InputError, match=words):
        find_atoms(arguments.pop("image"), **arguments)


def test_picture_too_large_for_memory_is_refused(monkeypatch):
    module = importlib.import_module("physlearn.datasets.columns.find_atoms")
    monkeypatch.setattr(module, "free_memory_bytes", lambda: 10**6)
    with pytest.raises(InputError, match="200 x 200 pixels needs"):
        find_atoms(np.random.default_rng(0).random((200, 200)))


def test_options_are_checked():
    with pytest.raises(InputError, match="width_range"):
        FindAtomsOptions(width_range=(1.2, 2.0))


def test_weak_columns_between_strong_ones_are_found():
    rng = np.random.default_rng(8)
    counts, places, _ = scene(12, spacing=16.0, peaks=(100.0, 100.0), jitter=0.2, seed=8)
    weak = places.reshape(12, 12, 2)[:-1, :-1].reshape(-1, 2) + 8.0
    columns = np.column_stack([weak, np.full(121, np.log(20.0)), np.full(121, np.log(WIDTH))])
    extra = np.zeros_like(counts)
    column_kernels.add_columns(extra, columns, 7.0)
    atoms = find_atoms(counts + rng.poisson(extra), noise="poisson")
    assert matched(atoms, places)[0].all()
    assert matched(atoms, weak)[0].mean() > 0.95
    assert atoms.n <= 1.02 * (len(places) + len(weak))


def test_real_picture_re05(public_file):
    atoms = find_atoms(read_image(public_file("stem_mo_re_s2/re05.tiff")))
    assert atoms.n > 1300  # 726 metal sites and about as many weak sulphur columns
    assert np.isfinite(atoms.position_covariance).all()
    assert (np.linalg.eigvalsh(atoms.position_covariance) > 0).all()
