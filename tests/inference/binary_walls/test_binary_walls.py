"""Walls of thresholded films: planted laws, flips, events, open walls, bad input."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import WallSceneOptions, make_wall_scene
from physlearn.inference import fit_binary_walls
from physlearn.inference.binary_walls import binary_errors, binary_walls
from physlearn.inference.binary_walls.binary_contours import cut_pieces, film_contours
from physlearn.inference.binary_walls.binary_errors import answer_share
from physlearn.inference.binary_walls.binary_fronts import ChainFront, chain_geometry
from physlearn.inference.binary_walls.binary_kernels import advance_chains, find_feet, score_pixels
from physlearn.lattice_models.walls.wall_front import propagate_polar_front

SIZE, N_FRAMES = 80, 30
SPEED, MOBILITY = 0.45, 0.7


def star_film(seed=1, flip=0.0, center=(39.3, 39.8), size=SIZE, radius=15.0):
    """Labels of one star-shaped domain whose drive changes sign, and the drive."""
    rng = np.random.default_rng(seed)
    drive = np.where(np.arange(N_FRAMES) % 15 < 10, 1.0, -0.7)
    angles = np.arange(128) * 2 * np.pi / 128
    radii = radius + sum(
        rng.normal(0, 1.2 / mode) * np.cos(mode * angles + rng.uniform(0, 6.28))
        for mode in range(2, 6)
    )
    fronts = propagate_polar_front(
        radii[None], SPEED * drive[:-1], MOBILITY, np.arange(N_FRAMES, dtype=float), substeps=8
    )[:, 0]
    fine = np.fft.irfft(np.fft.rfft(fronts, axis=1) * 16, 2048, axis=1)
    rows, columns = np.mgrid[:size, :size]
    angle = np.arctan2(rows - center[1], columns - center[0]) % (2 * np.pi)
    away = np.hypot(columns - center[0], rows - center[1])
    grid = np.arange(2049) * 2 * np.pi / 2048
    labels = np.array([away < np.interp(angle, grid, np.append(f, f[0])) for f in fine])
    return labels ^ (rng.random(labels.shape) < flip), drive


def z_values(fit, name="drive_mobility", speed=SPEED, mobility=MOBILITY):
    return [
        (fit[one].mean() - truth) / fit[one].std()
        for one, truth in ((name, speed), ("curvature_mobility", mobility))
    ]


@pytest.mark.parametrize("flip", [0.0, 0.02])
def test_planted_law_of_one_domain(flip, oracle):
    labels, drive = star_film(flip=flip)
    fit = fit_binary_walls(labels, drive=drive, rng=2)
    for name, z in zip(("speed", "mobility"), z_values(fit), strict=True):
        oracle(f"thresholded domain, {flip:.0%} flips: {name}", z=z)
    assert fit["drive_mobility"].std() < 0.01 * SPEED
    assert abs(fit.diagnostics["flip_rate"] - max(flip, 1e-4)) < 0.003
    assert not any("does not fit" in text for text in fit.warnings)


def test_units_times_and_missing_frames(oracle):
    labels, drive = star_film(seed=3)
    values = labels.astype(float)
    values[[4, 5, 12]] = np.nan
    values[:, :3] = np.nan
    video = xr.DataArray(
        values, dims=("time", "y", "x"),
        coords={"time": 2.0 * np.arange(N_FRAMES), "y": 0.5 * np.arange(SIZE),
                "x": 0.5 * np.arange(SIZE), "drive": ("time", drive)},
    )  # fmt: skip
    video["time"].attrs["units"] = "s"
    video["x"].attrs["units"] = video["y"].attrs["units"] = "nm"
    fit = fit_binary_walls(video, rng=1)
    z = z_values(fit, speed=0.5 * SPEED / 2, mobility=0.25 * MOBILITY / 2)
    oracle("thresholded domain in nm and s, frames missing: speed", z=z[0])
    oracle("thresholded domain in nm and s, frames missing: mobility", z=z[1])
    summary = fit.summary().set_index("name")["unit"]
    assert summary["curvature_mobility"] == "nm^2/s"


def test_wall_that_leaves_the_picture(oracle):
    labels, drive = star_film(seed=5, center=(4.2, 30.4), size=64, radius=24.0)
    fit = fit_binary_walls(labels, drive=drive, rng=1)
    for name, z in zip(("speed", "mobility"), z_values(fit), strict=True):
        oracle(f"thresholded open wall: {name}", z=z)


@pytest.mark.slow
def test_merging_and_splitting_domains(oracle):
    scene = make_wall_scene("driven_topology", (128, 128), 30, options=WallSceneOptions(), rng=2)
    fit = fit_binary_walls(scene.binary, rng=1)
    assert fit.diagnostics["n_merge"] and fit.diagnostics["n_split"]
    assert fit.diagnostics["n_walls"] > 3
    planted = scene.options
    z = z_values(fit, speed=planted.drive_mobility, mobility=planted.curvature_mobility)
    oracle("thresholded domains that merge and split: speed", z=z[0])
    oracle("thresholded domains that merge and split: mobility", z=z[1])


def test_a_strip_of_unseen_columns_is_bridged(oracle):
    labels, drive = star_film(seed=3)
    values = labels.astype(float)
    values[:, :, 38:42] = np.nan
    fit = fit_binary_walls(values, drive=drive, rng=1)
    assert fit.diagnostics["n_walls"] == 1
    for name, z in zip(("speed", "mobility"), z_values(fit), strict=True):
        oracle(f"thresholded domain behind an unseen strip: {name}", z=z)


def test_levels_and_creep_need_a_drive_of_levels():
    labels, drive = star_film()
    fit = fit_binary_walls(labels, drive=drive, law="levels", rng=2)
    assert fit["level_velocity"].shape[1] == 2
    low, high = fit.interval("level_velocity").T
    assert (low < [-0.7 * SPEED, SPEED]).all() and (high > [-0.7 * SPEED, SPEED]).all()
    with pytest.raises(NotIdentified, match="drive level"):
        fit_binary_walls(labels, drive=drive, law="creep", rng=2)
    with pytest.raises(InputError, match="drive"):
        fit_binary_walls(labels, law="creep")


def test_pinned_wall_is_flagged():
    labels, drive = star_film(seed=7)
    pinned = labels.copy()
    pinned[:, :, 39:] = labels[:1, :, 39:]  # half of the domain does not move
    try:
        fit = fit_binary_walls(pinned, drive=drive, rng=1)
    except NotIdentified:
        return
    assert any("does not fit" in text for text in fit.warnings)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda v: v * 0.5, InputError, "0 and 1"),
        (lambda v: v[0], InputError, "time, y, x"),
        (lambda v: np.random.default_rng(0).random(v.shape) < 0.5, NotIdentified, "wrong"),
        (lambda v: np.repeat(v[:2], 1, axis=0), NotIdentified, "3 frames"),
    ],
)
def test_bad_films_are_refused(change, kind, words):
    labels, _ = star_film()
    with pytest.raises(kind, match=words):
        fit_binary_walls(change(labels.astype(float)))


def test_chain_of_a_circle_shrinks_as_a_circle(oracle):
    angles = np.arange(48) * 2 * np.pi / 48
    start = 10.0 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)[None]
    frames = np.empty((4, 1, 48, 2))
    zero = np.zeros((1, 3))
    advance_chains(start, True, zero, np.array([0.6]), np.full(3, 10.0), frames)
    radius = np.hypot(*frames[:, 0].reshape(-1, 2).T).reshape(4, 48)
    expected = np.sqrt(100.0 - 2 * 0.6 * 10.0 * np.arange(4))
    oracle("chain of nodes, circle under curvature",
           error=np.abs(radius / expected[:, None] - 1).max(), bound=1e-5)  # fmt: skip
    normals, curvature = chain_geometry(start, True)
    assert np.allclose(normals, start / 10.0, atol=1e-6)
    assert np.allclose(curvature, 0.1, rtol=1e-5)


def test_kernels_equal_their_plain_form():
    labels, _ = star_film()
    film = labels[:3].astype(np.uint8)
    pieces, _, _ = cut_pieces(film_contours(film, np.ones(film.shape, bool), 0.8)[0])
    front = ChainFront.of(pieces[0], 10.0)
    frames = [np.empty((3, 1, front.n_nodes, 2)) for _ in range(2)]
    arguments = (front.start[None], True, np.full((1, 2), 0.3), np.array([0.5]), np.ones(2))
    advance_chains(*arguments, frames[0])
    np.testing.assert_array_equal(frames[0][0, 0], front.start)
    normals, curvatures = chain_geometry(front.start, True)
    following = np.roll(np.arange(front.n_nodes), -1)
    none = np.zeros(front.n_nodes, dtype=np.int64)
    results = []
    for find, score in ((find_feet, score_pixels), (find_feet.py_func, score_pixels.py_func)):
        found, feet = np.empty((4000, 4), dtype=np.int64), np.empty((4000, 2))
        count = find(
            front.start, normals, curvatures, following, none, none, np.ones((1, SIZE, SIZE), bool),
            1.2, np.zeros(2), np.full((SIZE, SIZE, 3), np.inf), found, feet,
        )  # fmt: skip
        sums = [np.zeros(front.n_nodes) for _ in range(3)]
        label = film[0][found[:count, 1], found[:count, 2]]
        total = score(label, found[:count], feet[:count], following, 0.3, 0.01, *sums)
        results.append((count, feet[:count], total, *sums))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)


def test_answer_of_labels_that_scatter_as_expected_is_one():
    assert abs(answer_share(0.2, 0.2, 0.01) - 1.0) < 1e-6
    assert answer_share(0.2, 0.0, 1e-9) == pytest.approx(0.886, abs=0.003)


def test_labels_that_answer_by_half_scatter_the_estimate_twice_as_far(monkeypatch):
    kept = []

    def keep(*given):
        kept.append(given)
        return binary_errors.simulate_films(*given)

    monkeypatch.setattr(binary_walls, "simulate_films", keep)
    rows, columns = np.mgrid[:32, :32]
    away = np.hypot(rows - 15.3, columns - 15.8)
    fit_binary_walls(np.array([away < 9.0 + 0.2 * time for time in range(8)]), rng=1)
    film, fronts, optimum, blur, jitter, *_ = kept[0]

    def covariance(share):
        monkeypatch.setattr(binary_errors, "answer_share", lambda *_: share)
        return binary_errors.simulate_films(
            film, fronts, optimum, blur, jitter, np.random.default_rng(2), 20
        )[0]

    # what shapes and locked pixels add does not answer: differences of scatter are left
    half, whole, double = (covariance(share) for share in (0.5, 1.0, 2.0))
    assert np.diag(whole - double).min() > 0
    np.testing.assert_allclose(half - whole, 4 * (whole - double), rtol=1e-9)


def test_a_wall_that_stays_in_its_column_of_pixels_is_known_to_a_pixel():
    columns = np.mgrid[:48, :48][1]
    film = np.array([columns < 20.512 + 0.03 * time for time in range(12)])
    fit = fit_binary_walls(film, rng=1)
    low, high = fit.interval("drive_velocity")
    assert low < 0.03 < high < 0.2
    assert any("known to a pixel" in text for text in fit.warnings)
