"""Walls found in planted films: error at the bound, honest error bars, identities and events."""

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.contours.contour_kernels import (
    collect_pixels,
    fit_offsets,
    forget_pixels,
    offset_covariance,
    step_heights,
)
from physlearn.datasets.synthetic.synthetic_walls import WallVideoOptions, make_wall_video
from physlearn.datasets.walls.track_walls import TrackWallsOptions, track_walls


def film(frames, **coords):
    return xr.DataArray(np.asarray(frames, float), dims=("time", "y", "x"), coords=coords)


def disc(shape, x, y, radius, width=2.0):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return -np.tanh((np.hypot(columns - x, rows - y) - radius) / width)


def noisy(frames, noise=0.1, seed=0):
    return np.asarray(frames) + noise * np.random.default_rng(seed).standard_normal(
        np.shape(frames)
    )


def offsets_from_truth(scene, track):
    """Distance of every contour point from the planted wall, along the planted normal."""
    result = np.empty(len(track.table))
    angles = np.linspace(0, 2 * np.pi, 4096, endpoint=False)
    for frame, rows in track.table.groupby("frame"):
        points, normals = [], []
        for center, radii in zip(scene.centers, scene.radii[frame], strict=True):
            spectrum = np.fft.rfft(radii) / radii.size
            modes = np.arange(spectrum.size)
            waves = np.exp(1j * np.outer(angles, modes)) * np.where(modes, 2, 1)
            radius, slope = (waves @ spectrum).real, (waves @ (1j * modes * spectrum)).real
            along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
            across = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
            points.append(center + radius[:, None] * along)
            normal = radius[:, None] * along - slope[:, None] * across
            normals.append(normal / np.hypot(*normal.T)[:, None])
        points, normals = np.concatenate(points), np.concatenate(normals)
        place = rows[["x", "y"]].to_numpy()
        _, nearest = cKDTree(points).query(place)
        result[rows.index] = np.einsum("ij,ij->i", place - points[nearest], normals[nearest])
    return result


@pytest.fixture(scope="module")
def scene():
    return make_wall_video(n_frames=10, rng=3)


@pytest.fixture(scope="module")
def track(scene):
    return track_walls(scene.video)


def test_error_is_at_the_bound_and_the_error_bars_are_honest(scene, track):
    offset = offsets_from_truth(scene, track)
    bound = 0.1 * np.sqrt(3 * 2.0 / 4)  # one pixel of wall, noise .1, width 2: .1225 pixel
    n = offset.size
    assert bound * 0.97 < np.sqrt(np.mean(offset**2)) < 1.06 * bound
    score = offset / track.table["normal_error"].to_numpy()
    assert abs(score.std() - 1.0) < 4 / np.sqrt(2 * n)
    # The mean holds each frame's uncertain zero level, so its error is that of the frames
    assert abs(score.mean()) < 4 / np.sqrt(n) + 0.03
    assert track.table["normal_error"].median() == pytest.approx(bound, rel=0.05)


def test_noise_and_width_are_measured(track):
    assert track.metadata["noise_sd"] == pytest.approx(0.1, rel=0.03)
    assert track.metadata["wall_width"] == pytest.approx(2.0, rel=0.03)
    assert track.metadata["profile_misfit"] == pytest.approx(1.0, abs=0.05)


def test_every_planted_wall_is_one_closed_wall(scene, track):
    assert track.walls == [0, 1, 2, 3]
    assert all(track.closed.values())
    assert len(track.events) == 0
    assert (track.table.groupby("wall")["frame"].nunique() == 10).all()
    np.testing.assert_array_equal(track.drive, scene.drive)


def test_normals_point_out_of_the_positive_domain_and_curvature_is_that_of_a_circle():
    frames = noisy([disc((64, 64), 31.3, 30.8, 14.0)] * 2, noise=0.02)
    track = track_walls(film(frames))
    outward = track.table[["x", "y"]].to_numpy() - [31.3, 30.8]
    facing = np.einsum("ij,ij->i", outward, track.table[["normal_x", "normal_y"]].to_numpy())
    assert (facing > 13).all()
    assert track.table["curvature"].mean() == pytest.approx(1 / 14, rel=0.02)
    inverse = track_walls(film(-frames))
    assert inverse.table["curvature"].mean() == pytest.approx(-1 / 14, rel=0.02)


def test_normal_velocity_of_a_growing_disc():
    frames = noisy([disc((80, 80), 40, 39, 15 + 0.7 * k) for k in range(5)], noise=0.05)
    track = track_walls(film(frames))
    assert track.table["normal_velocity"].mean() == pytest.approx(0.7, abs=0.01)


def test_units_of_the_video_are_kept():
    frames = noisy([disc((64, 64), 32, 32, 14.0)] * 3)
    video = film(frames, time=[0.0, 0.5, 1.0], y=0.2 * np.arange(64), x=0.2 * np.arange(64))
    video["time"].attrs["units"] = "s"
    video["x"].attrs["units"] = video["y"].attrs["units"] = "um"
    track = track_walls(video)
    assert (track.unit, track.time_unit) == ("um", "s")
    assert track.table["normal_error"].median() == pytest.approx(0.2 * 0.1225, rel=0.1)
    assert track.table["curvature"].mean() == pytest.approx(1 / 2.8, rel=0.05)


def test_birth_merge_and_vanish_are_events():
    shape = (80, 110)
    lone, second = disc(shape, 30, 40, 16), disc(shape, 75, 40, 12)
    joined = np.maximum(np.maximum(lone, second), disc(shape, 54, 40, 12))
    both = np.maximum(lone, second)
    frames = [lone, lone, both, both, both, both, joined, joined]
    kinds = track_walls(film(noisy(frames))).events
    assert kinds[kinds["frame"] == 2]["kind"].tolist() == ["birth"]
    assert set(kinds[kinds["frame"] == 6]["kind"]) == {"merge"}
    back = track_walls(film(noisy(frames[::-1]))).events
    assert set(back[back["frame"] == 2]["kind"]) == {"split"}
    assert back[back["frame"] == 6]["kind"].tolist() == ["vanish"]


def test_a_straight_wall_is_open():
    column = np.tanh((np.arange(70) - 33.4) / 2.0)
    track = track_walls(film(noisy(np.tile(column, (3, 64, 1)))))
    assert list(track.closed.values()) == [False]
    score = (track.table["x"] - 33.4) / track.table["normal_error"]
    assert abs(score.std() - 1) < 4 / np.sqrt(2 * len(score))


def test_correlated_noise_enlarges_the_errors():
    from scipy.ndimage import gaussian_filter

    frames = np.array([disc((96, 96), 47.6, 48.2, 28.0)] * 4)
    grain = gaussian_filter(np.random.default_rng(5).standard_normal(frames.shape), (0, 1, 1))
    track = track_walls(film(frames + 0.1 * grain / grain.std()))
    offset = np.hypot(track.table["x"] - 47.6, track.table["y"] - 48.2) - 28.0
    score = offset / track.table["normal_error"]
    assert 0.85 < score.std() < 1.15  # neighbours correlate: about 4 sigma of 700 / 3.5 points
    assert track.table["error_correlation_length"].median() > 2.5
    assert any("correlated" in text for text in track.warnings)


@pytest.mark.parametrize(
    ("make", "reason"),
    [("noise", "one level only|no domains that last"), ("ramp", "changes gradually")],
)  # fmt: skip
def test_a_film_without_walls_is_refused(make, reason):
    generator = np.random.default_rng(1)
    if make == "noise":
        frames = generator.standard_normal((4, 64, 64))
    else:
        frames = np.tile(np.linspace(0, 1, 64), (4, 64, 1)) + 0.01 * generator.standard_normal(
            (4, 64, 64)
        )
    with pytest.raises(NotIdentified, match=reason):
        track_walls(film(frames))


def test_bad_arguments_get_one_sentence(scene):
    with pytest.raises(InputError, match="spacing_pixel"):
        track_walls(scene.video, TrackWallsOptions(spacing_pixel=0.0))
    with pytest.raises(InputError, match="square pixels"):
        track_walls(scene.video.assign_coords(x=2.0 * scene.video.x))
    with pytest.raises(InputError, match="read a file with read_video"):
        track_walls(scene.video.to_numpy())


def test_kernels_equal_their_plain_python_forms():
    frame = noisy(disc((40, 40), 19.5, 20.2, 9.0), seed=7)
    angles = np.linspace(0, 2 * np.pi, 56, endpoint=False)
    normals = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    nodes = np.column_stack([[19.5, 20.2] + 8.8 * normals, normals, np.full(56, 1 / 8.8)])
    lags = np.array([[0, -1, 0.3], [0, 0, 1.0], [0, 1, 0.3]])
    starts, closed = np.array([0, 56]), np.array([True])
    results = []
    kernels = collect_pixels, fit_offsets, offset_covariance, step_heights, forget_pixels
    for collect, fit, covary, measure, forget in (
        kernels,
        tuple(kernel.py_func for kernel in kernels),
    ):
        nearest, owner = np.full((40, 40), np.inf), np.full((40, 40), -1)
        places, pixels = np.zeros((1600, 3), np.int64), np.zeros((1600, 2))
        count = collect(nodes, 0.5, 7.0, frame, nearest, owner, places, pixels)
        assert 500 < count < 900
        offsets, information, residual = np.zeros(56), np.zeros(56), np.zeros(2)
        fit(places, pixels, count, 2.0, 3, offsets, information, residual)
        covariance, slope, heights = np.zeros((56, 4)), np.zeros((40, 40)), np.zeros(56)
        covary(places, pixels, count, owner, 2.0, offsets, information, lags, slope, covariance)
        measure(places, pixels, count, 2.0, offsets, starts, closed, 7, heights)
        results.append((places, pixels, offsets, information, residual, covariance, heights))
        forget(places, count, owner)
        assert (owner == -1).all()
        assert np.isinf(nearest).all()
    for compiled, plain in zip(*results, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-11, atol=1e-11)


def test_the_same_film_gives_the_same_walls(scene, track):
    again = track_walls(scene.video)
    assert again.table.equals(track.table)


def test_planted_films_refuse_domains_that_touch_or_vanish():
    with pytest.raises(InputError, match="would touch"):
        make_wall_video(options=WallVideoOptions(radii_pixel=(30, 38, 38, 38)), rng=1)
    with pytest.raises(InputError, match="vanish"):
        make_wall_video(n_frames=48, options=WallVideoOptions(curvature_mobility=20.0), rng=1)
    with pytest.raises(InputError, match="drive must have shape"):
        make_wall_video(drive=[1.0], rng=1)


def test_planted_films_repeat_with_their_seed():
    one, two = (make_wall_video(n_frames=3, rng=9) for _ in range(2))
    np.testing.assert_array_equal(one.video.to_numpy(), two.video.to_numpy())
    assert (
        one.video.to_numpy()[0, 0, 0]
        != make_wall_video(n_frames=3, rng=10).video.to_numpy()[0, 0, 0]
    )
