"""Mean normal velocity of walls, against circles whose growth is exact."""

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.wall_advance import measure_wall_advance
from physlearn.records import WallTrack


def circles(radii, wall=0, points=400):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return pd.concat(
        pd.DataFrame(
            {
                "frame": frame, "wall": wall, "time": float(frame), "x": r * np.cos(angle),
                "y": r * np.sin(angle), "normal_x": np.cos(angle), "normal_y": np.sin(angle),
                "normal_error": 0.1, "error_correlation_length": 1.0, "arc_length": r * angle,
                "curvature": 1 / r, "normal_velocity": np.nan,
            }
        )
        for frame, r in enumerate(radii)
    )  # fmt: skip


def test_growing_circle_advances_at_its_radial_velocity():
    radii = 10 + 0.3 * np.arange(8)
    track = WallTrack(circles(radii), np.arange(8.0))
    found = measure_wall_advance(track, np.pi * radii**2)
    # area won over mean length is (r1^2 - r0^2) / (r1 + r0), exactly the step of the radius
    assert found.mean == pytest.approx(0.3, rel=1e-9)
    assert found.low <= found.mean <= found.high
    assert found.unit == "pixel/frame"


def test_two_walls_share_the_area_by_their_length():
    growing, shrinking = 10 + 0.5 * np.arange(5), 20 - 0.1 * np.arange(5)
    track = WallTrack(pd.concat([circles(growing), circles(shrinking, wall=1)]), np.arange(5.0))
    found = measure_wall_advance(track, np.pi * (growing**2 + shrinking**2))
    middle = (growing[1:] + growing[:-1], shrinking[1:] + shrinking[:-1])
    expected = np.mean((0.5 * middle[0] - 0.1 * middle[1]) / (middle[0] + middle[1]))
    assert found.mean == pytest.approx(expected, rel=1e-9)


def test_interval_covers_at_its_nominal_rate():
    rng = np.random.default_rng(4)
    radii = np.full(12, 30.0)
    track = WallTrack(circles(radii, points=60), np.arange(12.0))
    inside = 0
    for _ in range(300):
        speeds = rng.normal(0.2, 0.1, 11)
        area = 5000 + np.r_[0, np.cumsum(speeds)] * 2 * np.pi * 30
        found = measure_wall_advance(track, area)
        inside += found.low <= 0.2 <= found.high
    # binomial at .90 of 300, 4 sigma
    assert abs(inside - 270) < 4 * np.sqrt(300 * 0.9 * 0.1)


def test_too_little_is_said():
    track = WallTrack(circles([5.0, 6.0]), np.arange(2.0))
    with pytest.raises(NotIdentified, match="needs 3"):
        measure_wall_advance(track, [1.0, 2.0])
    with pytest.raises(InputError, match="positive_area must have shape"):
        measure_wall_advance(track, [1.0])
