"""Mean normal velocity of walls, against circles whose growth is exact."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.reading.read_video import read_video
from physlearn.datasets.reading.set_scale import set_scale
from physlearn.datasets.synthetic.synthetic_walls import make_wall_video
from physlearn.datasets.wall_motion.wall_advance import measure_wall_advance
from physlearn.datasets.walls.normalize_frames import domain_fraction, normalize_frames
from physlearn.datasets.walls.track_walls import TrackWallsOptions, track_walls
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


def test_uneven_times_count_in_the_velocity():
    times = np.array([0.0, 1.0, 3.0, 4.0, 8.0, 8.5])
    radii = 10 + 0.3 * times
    table = circles(radii)
    table["time"] = times[table["frame"]]
    found = measure_wall_advance(WallTrack(table, times), np.pi * radii**2)
    assert found.mean == pytest.approx(0.3, rel=1e-9)
    assert found.film_low <= found.mean <= found.film_high


def test_the_film_itself_gives_its_areas():
    scene = make_wall_video(n_frames=8, rng=1)
    grey = (120 + 60 * scene.video).assign_attrs(scene.video.attrs)
    track = track_walls(grey)
    normal = normalize_frames(grey)
    area = domain_fraction(normal) * normal[0].size
    plain = measure_wall_advance(track, area)
    assert plain.mean != 0
    for film in (grey, normal):
        assert measure_wall_advance(track, film).mean == pytest.approx(plain.mean, rel=1e-9)
    fine = set_scale(grey, pixel_size=0.05, unit="um", frame_interval_s=2.0)
    scaled = measure_wall_advance(track_walls(fine), fine)
    assert scaled.unit == "um/s"
    assert scaled.mean == pytest.approx(plain.mean * 0.05 / 2.0, rel=1e-6)
    with pytest.raises(InputError, match="track's unit um; its x is in pixel"):
        measure_wall_advance(track_walls(fine), grey)
    with pytest.raises(InputError, match="of 8 frames, or one area a frame"):
        measure_wall_advance(track, grey[:4])


def test_areas_in_another_unit_are_refused():
    film = make_wall_video(n_frames=5, rng=1).video
    share = domain_fraction(film)
    with pytest.raises(InputError, match="looks like a share: multiply it by the field of view"):
        measure_wall_advance(track_walls(film), share)
    fine = set_scale(film, pixel_size=0.05, unit="um", frame_interval_s=2.0)
    with pytest.raises(InputError, match=r"in um\^2, within the field of view of 64; got up to"):
        measure_wall_advance(track_walls(fine), share * film[0].size)


def film_of(speeds):
    """Track and areas of a wall of fixed length whose mean velocities are ``speeds``."""
    n_frames = len(speeds) + 1
    track = WallTrack(circles(np.full(n_frames, 30.0), points=60), np.arange(float(n_frames)))
    return track, 5000 + np.r_[0, np.cumsum(speeds)] * 2 * np.pi * 30


def coverage(noise_of, n_films=300, n_intervals=15):
    """Share of 90 % intervals that hold a truth drawn anew for every film."""
    rng = np.random.default_rng(4)
    track, _ = film_of(np.zeros(n_intervals))
    inside = 0
    for _ in range(n_films):
        truth = rng.normal(0.2, 0.5)
        _, area = film_of(truth + 0.1 * noise_of(rng, n_intervals))
        found = measure_wall_advance(track, area)
        inside += found.low <= truth <= found.high
    return inside / n_films


def autoregressive(correlation):
    def draw(rng, n):
        steps = rng.standard_normal(n + 100)
        return lfilter([1], [1, -correlation], steps)[100:]

    return draw


# 4 sigma of a binomial of 300 about .93, .92 and .85, which 2000 series gave (90 % is nominal)
@pytest.mark.parametrize(
    ("correlation", "expected"), [(0.0, 0.928), (0.5, 0.924), (0.8, 0.848)]
)  # fmt: skip
def test_interval_covers_where_velocities_hang_together(correlation, expected):
    found = coverage(autoregressive(correlation))
    assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / 300)


def test_noise_of_the_areas_is_never_taken_for_too_little():
    # noise of an area enters two velocities with opposite signs
    assert coverage(lambda rng, n: np.diff(rng.standard_normal(n + 1))) > 0.95


def test_velocities_that_hang_together_are_flagged():
    # half a wave: 15 velocities of a random drift may by chance show no correlation
    found = measure_wall_advance(*film_of(np.cos(np.linspace(0, np.pi, 15))))
    assert found.autocorrelation > 0.6
    assert found.effective_intervals < 3
    assert "independent intervals" in found.warnings[0]
    even = measure_wall_advance(*film_of(np.random.default_rng(3).normal(size=40)))
    assert even.effective_intervals > 15
    assert even.warnings == ()


def test_mean_over_the_film_is_known_to_the_noise_of_its_areas():
    # the walls slow down, so that another film is hard to foresee; over this one the mean is plain
    slowing = 0.6 * 0.8 ** np.arange(15)
    rng, inside = np.random.default_rng(6), 0
    for _ in range(200):
        track, area = film_of(slowing)
        found = measure_wall_advance(track, area + 20.0 * rng.standard_normal(area.size))
        inside += found.film_low <= slowing.mean() <= found.film_high
    # slowing down counts as noise, so at least 90 % less four standard errors
    assert inside / 200 > 0.9 - 4 * np.sqrt(0.09 / 200)
    assert found.film_high - found.film_low < 0.5 * (found.high - found.low)


def test_frames_without_an_area_are_left_out():
    speeds = np.full(10, 0.3)
    track, area = film_of(speeds)
    area[4] = np.nan
    found = measure_wall_advance(track, area)
    assert found.n_intervals == 8
    assert found.mean == pytest.approx(0.3, rel=1e-3)
    with pytest.raises(InputError, match="at least 0"):
        measure_wall_advance(track, -area)


def test_a_gap_in_the_walls_is_bridged_by_its_length():
    speeds = autoregressive(0.6)(np.random.default_rng(5), 12)
    track, area = film_of(speeds)
    table = track.table[track.table["frame"] != 6]
    found = measure_wall_advance(WallTrack(table, track.frame_times), area)
    assert found.n_intervals == 10
    assert found.mean == pytest.approx(np.delete(speeds, [5, 6]).mean(), rel=1e-3)
    assert found.low < found.mean < found.high


def test_an_open_wall_has_no_closing_piece():
    rows = circles([30.0] * 6, points=21)
    rows = rows[rows["arc_length"] < 30 * np.pi]  # the last point lies 10 spacings from the first
    area = 1000.0 + 40.0 * np.arange(6)
    length = 10 * 30 * 2 * np.pi / 21
    opened = measure_wall_advance(WallTrack(rows, np.arange(6.0), closed={0: False}), area)
    assert opened.mean == pytest.approx(40 / length, rel=1e-9)
    closed = measure_wall_advance(WallTrack(rows, np.arange(6.0), closed={0: True}), area)
    assert closed.mean == pytest.approx(40 / (1.1 * length), rel=1e-9)


def test_the_xpeem_film_gets_an_answer(public_file):
    film = normalize_frames(
        read_video(public_file("xpeem_domain_wall_fluctuations/i161204_084_Original.gif"))
    )
    track = track_walls(film, TrackWallsOptions(normalize=False))
    area = domain_fraction(film) * np.isfinite(film.to_numpy()[0]).sum()
    found = measure_wall_advance(track, area)
    # the dark domain grows in every frame, ever more slowly: .013 of the view a frame in the first
    # five, .003 in the last five (.009 and .002 by Otsu's threshold of each raw frame)
    steps = np.diff(area)
    assert (steps < 0).all()
    assert steps[:5].mean() < 3 * steps[-5:].mean()
    assert -0.6 < found.mean < -0.3
    # so its velocities hang together, and 15 of them tell no steady mean
    assert found.low < found.mean < found.high < 0.2
    assert any("hang together" in text for text in found.warnings)


def test_too_little_is_said():
    track = WallTrack(circles([5.0, 6.0]), np.arange(2.0))
    with pytest.raises(NotIdentified, match="needs 3"):
        measure_wall_advance(track, [1.0, 2.0])
    with pytest.raises(InputError, match="positive_area must have shape"):
        measure_wall_advance(track, [1.0])
