"""Wall columns of patches: exact on a circle, turned with the picture, errors that are true."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import InputError
from physlearn.datasets import make_wall_video, track_walls
from physlearn.datasets.descriptors.patch_places import PatchPlaces, grid_places
from physlearn.datasets.patches.wall_blocks import wall_blocks
from physlearn.records import WallTrack

RADIUS, CENTER = 27.4, np.array([53.3, 51.7])
PLACES = grid_places([0, 0], [100, 100], 10.0)


def circle(error=0.12, correlation=1.0, moved=0.0, turn=0.0):
    n = round(2 * np.pi * RADIUS)
    angle = np.arange(n) * 2 * np.pi / n
    out = np.stack([np.cos(angle + turn), np.sin(angle + turn)], axis=1)
    x, y = (CENTER + (RADIUS + np.broadcast_to(moved, n))[:, None] * out).T
    table = pd.DataFrame({
        "frame": 0, "wall": 0, "time": 0.0, "x": x, "y": y, "normal_x": out[:, 0],
        "normal_y": out[:, 1], "normal_error": error, "error_correlation_length": correlation,
        "arc_length": RADIUS * angle, "curvature": 1 / RADIUS, "normal_velocity": np.nan,
    })  # fmt: skip
    return WallTrack(table, [0.0], closed={0: True})


def line(n=101):
    x = np.arange(n, dtype=float)
    table = pd.DataFrame({
        "frame": 0, "wall": 0, "time": 0.0, "x": x, "y": 40.0, "normal_x": 0.0, "normal_y": 1.0,
        "normal_error": 0.1, "error_correlation_length": 1.0, "arc_length": x, "curvature": 0.0,
        "normal_velocity": np.nan,
    })  # fmt: skip
    return WallTrack(table, [0.0], closed={0: False})


def test_circle_is_described_exactly():
    block = wall_blocks(circle(), PLACES)[0]
    away = PLACES.centers - CENTER
    radius = np.hypot(*away.T)
    distance, curvature, length, normal_x, normal_y = block.values.T
    assert np.allclose(distance, np.abs(radius - RADIUS), atol=1e-9)
    assert np.allclose(curvature * RADIUS, 1.0, atol=1e-9)
    assert np.allclose(np.stack([normal_x, normal_y], 1), away / radius[:, None], atol=1e-9)
    assert length.sum() == pytest.approx(2 * np.pi * RADIUS, rel=1e-3)
    assert block.units == ("pixel", "1/pixel", "pixel", "1", "1")


def test_straight_wall_and_its_end():
    places = PatchPlaces(np.array([[50.0, 44.0], [112.0, 49.0]]), 16.0, "pixel")
    block = wall_blocks(line(), places)[0]
    assert block.values[0] == pytest.approx([4.0, 0.0, 16.0, 0.0, 1.0], abs=1e-9)
    assert block.values[1, 0] == pytest.approx(15.0)
    assert any("end of a wall" in note for note in block.notes)


def test_turned_walls_turn_the_normals_alone():
    turn = 0.7
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    places = PatchPlaces(CENTER + np.array([[20.0, 9.0], [-3.0, 31.0]]), 8.0, "pixel")
    turned = replace(places, centers=CENTER + (places.centers - CENTER) @ spin)
    noise = 0.1 * np.random.default_rng(1).normal(size=172)
    one = wall_blocks(circle(moved=noise), places)[0].values
    two = wall_blocks(circle(moved=noise, turn=turn), turned)[0].values
    assert np.allclose(one[:, :2], two[:, :2])
    assert np.allclose(one[:, 3:] @ spin, two[:, 3:])


@pytest.mark.parametrize("reach", [0.0, 2.0])
def test_errors_are_those_of_noisy_walls(reach, oracle):
    rng = np.random.default_rng(3)
    n = round(2 * np.pi * RADIUS)
    lag = np.minimum(np.arange(n), n - np.arange(n))
    law = np.exp(-lag / reach) if reach else (lag == 0).astype(float)
    root = np.sqrt(np.maximum(np.fft.fft(law).real, 0.0))
    integral = 1 / np.tanh(0.5 / reach) if reach else 1.0
    truth = wall_blocks(circle(correlation=integral), PLACES)[0]
    found = []
    for _ in range(120):
        noise = np.fft.ifft(root * np.fft.fft(rng.normal(size=n))).real
        found.append(wall_blocks(circle(correlation=integral, moved=0.12 * noise), PLACES)[0])
    away = np.array([block.values for block in found]) - truth.values
    sd = np.sqrt(np.einsum("knii->kni", [block.covariance for block in found]))
    far = truth.values[:, 0] > 1.0  # nearer, a distance is folded at 0
    z = away[:, far] / np.maximum(sd[:, far], 1e-12)
    # 120 noisy walls of about 17 independent sections
    oracle(f"z sd of distances, reach {reach}", error=abs(z[..., 0].std() - 1), bound=0.05)
    oracle(f"z sd of curvatures, reach {reach}", error=abs(z[..., 1].std() - 1), bound=0.05)
    crossed = truth.values[:, 2] > 3.0
    ratio = np.mean(away[:, crossed, 2] ** 2) / truth.covariance[crossed, 2, 2].mean()
    # a wall that grazes a patch's edge moves its length in more than first order
    oracle(f"error of lengths, reach {reach}", error=abs(np.sqrt(ratio) - 1), bound=0.2)
    near = (truth.values[:, 0] < 8.0)[None, :]
    both = np.where(near, away[..., 3] ** 2 + away[..., 4] ** 2, 0.0).mean(axis=0)
    expected = (truth.covariance[:, 3, 3] + truth.covariance[:, 4, 4]) * near[0]
    oracle(f"error of normals, reach {reach}",
           error=abs(np.sqrt(both.sum() / expected.sum()) - 1), bound=0.1)  # fmt: skip


def test_shared_shift_moves_all_distances():
    track = circle(error=1e-6)
    shifted = replace(track, metadata={"frame_shift_error": [0.2]})
    block = wall_blocks(shifted, PLACES)[0]
    assert np.allclose(np.sqrt(block.covariance[:, 0, 0]), 0.2, rtol=1e-3)


def test_tracked_film_gives_true_distances(oracle):
    film = make_wall_video(n_frames=3, rng=2)
    track = track_walls(film.video)
    places = grid_places([0, 0], [160, 160], 10.0)
    block = wall_blocks(track, places, 1)[0]
    coarse = np.linspace(0, 2 * np.pi, film.radii.shape[2] + 1)
    angle = np.linspace(0, 2 * np.pi, 16 * film.radii.shape[2], endpoint=False)
    out = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    walls = [
        center + np.interp(angle, coarse, [*radius, radius[0]])[:, None] * out
        for center, radius in zip(film.centers, film.radii[1], strict=True)
    ]
    points = np.concatenate(walls)
    truth = np.array([np.hypot(*(points - each).T).min() for each in places.centers])
    use = truth > 2.0
    z = (block.values[use, 0] - truth[use]) / np.sqrt(block.covariance[use, 0, 0])
    # 250 patches look at about 400 pixels of wall, a dozen at a time
    oracle("z sd of tracked distances", error=abs(z.std() - 1), bound=4 / np.sqrt(2 * 40))


def test_frame_without_walls_units_and_frames():
    track = circle()
    empty = WallTrack(track.table, [0.0, 1.0], closed={0: True})
    block = wall_blocks(empty, PLACES, 1)[0]
    assert block.names == ("wall_length",)
    assert not block.values.any()
    with pytest.raises(InputError, match="frame"):
        wall_blocks(track, PLACES, 3)
    with pytest.raises(InputError, match="share a unit"):
        wall_blocks(track, replace(PLACES, unit="nm"))
