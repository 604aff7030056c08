"""Coordinates of films before their law: patterns, circles, an object read row by row."""

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp

from physlearn.checks import InputError
from physlearn.inference import (
    MotionLawOptions,
    discover_motion_law,
    film_coordinates,
    track_series,
)
from physlearn.records import Trajectory

SIZE = 64
LINE_TIME = 0.18 / SIZE


def swinging_bead(seed, noise=0.3, n_frames=150):
    """A bead on a rod, d2q/dt2 = -2 sin q - 0.15 dq/dt, every row drawn at its own time."""
    generator = np.random.default_rng(seed)
    times, place = 0.2 * np.arange(n_frames), np.arange(float(SIZE))
    motion = solve_ivp(
        lambda _t, s: [s[1], -2 * np.sin(s[0]) - 0.15 * s[1]], (0.0, times[-1] + 1.0), (2.0, 0.0),
        rtol=1e-9, atol=1e-10, dense_output=True,
    ).sol  # fmt: skip
    clock = times[:, None] + LINE_TIME * np.arange(SIZE)
    angle = motion(clock.ravel())[0].reshape(clock.shape)
    y, x = 32 + 28 * np.cos(angle), 32 + 28 * np.sin(angle)
    far = (place - y)[:, :, None] ** 2 + (place - x[:, :, None]) ** 2
    values = np.exp(-far / 8.0) + noise * generator.normal(size=far.shape)
    coords = {"time": times, "y": place, "x": place}
    film = xr.DataArray(values, coords, ("time", "y", "x"), attrs={"line_time": LINE_TIME})
    return film, motion


def turning_pattern(seed, noise=0.2, line_time=0.0):
    """u = r cos(phase - place), dr/dt = 0.5 r - 0.8 r^3, d phase/dt = 2 - 1.5 r^2."""
    generator = np.random.default_rng(seed)
    times = 0.1 * np.arange(200)
    motion = solve_ivp(
        lambda _t, s: [0.5 * s[0] - 0.8 * s[0] ** 3, 2 - 1.5 * s[0] ** 2], (0.0, 21.0), (0.15, 0.0),
        rtol=1e-9, atol=1e-10, dense_output=True,
    ).sol  # fmt: skip
    y, x = np.arange(24), np.arange(32)
    clock = times[:, None] + line_time * y
    r, phase = (v.reshape(clock.shape)[:, :, None] for v in motion(clock.ravel()))
    # unit root mean square of cosine and sine: r is the amplitude of the table
    values = np.sqrt(2) * r * np.cos(phase - 2 * np.pi * x / 32)
    values = values + noise * generator.normal(size=values.shape)
    coords = {"time": times, "y": y, "x": x}
    return xr.DataArray(values, coords, ("time", "y", "x"), attrs={"line_time": line_time}), motion


def check_law(law, truth):
    assert {term.program for term in law.terms} == set(truth)
    wanted = np.array([truth[term.program] for term in law.terms])
    assert (np.abs(law.constants - wanted) < 4 * np.sqrt(np.diag(law.covariance))).all()


def test_law_of_a_bead_that_is_scanned():
    film, motion = swinging_bead(1)
    truth = {("q", "sin"): -2.0, ("v_q",): -0.15}
    options = MotionLawOptions(order="2", angles=["q"], degree=3)
    table = film_coordinates(film, "angle")
    error = table.q - motion(table.t.to_numpy())[0]
    # a peak's least possible error: noise / (height sqrt(pi / 2)), here over the radius
    expected = 0.3 / np.sqrt(np.pi / 2) / 28
    assert error.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * len(error)))
    law = discover_motion_law(table, options=options).best
    check_law(law, truth)
    # with the frame's time for that of the row the motion follows no such law
    frames = film_coordinates(film, "angle", line_time=0.0)
    assert (frames.q - motion(frames.t.to_numpy())[0]).std() > 10 * expected
    late = discover_motion_law(frames, options=options).best
    assert (
        set(late.structure) != set(law.structure)
        or (np.diag(late.covariance) > 100 * np.diag(law.covariance)).all()
    )


@pytest.mark.parametrize("line_time", [0.0, 0.003])
def test_amplitude_and_phase_of_a_pattern_that_turns(line_time):
    film, motion = turning_pattern(2, line_time=line_time)
    table = film_coordinates(film, "polar")
    r = motion(table.t.to_numpy())[0]
    # an amplitude's error: the noise over the root of the pixels; 5 sd for the largest of 200
    assert np.abs(table.r - r).max() < 5 * 0.2 / np.sqrt(24 * 32)
    options = MotionLawOptions(order="1", terms=["1", "r", "r**2", "r**3", "r**4", "r**5"])
    laws = discover_motion_law(table, variables=["r"], options=options)
    check_law(laws.best, {("r",): 0.5, ("r", 3, "pow"): -0.8})
    error = (table.phase - motion(table.t.to_numpy())[1])[r > 0.7]
    assert np.abs(error - error.mean()).max() < 5 * 0.2 / np.sqrt(24 * 32) / 0.7


def test_principal_patterns():
    film, _ = turning_pattern(3, noise=0.0)
    table = film_coordinates(film, n=3)
    assert table.columns.tolist() == ["t", "q1", "q2", "q3"]
    power = (table[["q1", "q2"]] ** 2).mean().sum()
    assert power == pytest.approx(float(((film - film.mean("time")) ** 2).mean()), rel=1e-9)
    assert table.q3.abs().max() < 1e-6


def test_tracks_get_the_times_of_their_rows():
    track = Trajectory(
        [0, 0, 1, 1], [3, 5, 3, 5], [[1.0, 10.0], [2.0, 20.0], [1.5, 30.0], [2.5, 20.0]], [0.0, 1.0]
    )
    first, second = track_series(track, line_time=0.02, pixel_size=2.0)
    assert first.t.tolist() == pytest.approx([0.1, 1.3])
    assert second.t.tolist() == pytest.approx([0.2, 1.2])
    assert second.x.tolist() == [2.0, 2.5]
    with pytest.raises(InputError, match="times of particle 3 increasing"):
        track_series(track, line_time=-0.2)


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda f: f, {"kind": "spiral"}, "kind"),
        (lambda f: f, {"n": 0}, "n must"),
        (lambda f: f, {"n": 900}, "less than the film's 200 frames"),
        (lambda f: f.where(f.x != 3), {}, "single NaN pixels .* row 0, column 3"),
        (lambda f: f, {"line_time": 0.01}, "24 rows take 0.23, frames follow after 0.1"),
        (lambda f: f.isel(y=0, drop=True), {"kind": "centre"}, "one field with dims"),
        (lambda f: {"u": f, "v": f}, {"kind": "angle"}, "one field with dims"),
        (lambda f: f.time * (f.x + f.y) ** 2, {"kind": "polar"}, "at least two patterns"),
    ],
)
def test_what_is_refused(change, options, says):
    film, _ = turning_pattern(4)
    with pytest.raises(InputError, match=says):
        film_coordinates(change(film), **options)


def test_places_are_those_of_the_films_own_coordinates():
    film, _ = swinging_bead(5, n_frames=40)
    moved = film.assign_coords(x=200 + 0.5 * film.x, y=100 + 0.5 * film.y)
    plain, found = film_coordinates(film, "centre"), film_coordinates(moved, "centre")
    np.testing.assert_allclose(found.x, 200 + 0.5 * plain.x, atol=1e-9)
    np.testing.assert_allclose(found.y, 100 + 0.5 * plain.y, atol=1e-9)
    row = moved[20].sel(y=float(found.y[20]), method="nearest")
    brightest = float(moved.x[int(np.argmax(row.to_numpy()))])
    assert found.x[20] == pytest.approx(brightest, abs=1.5)
    # an angle about the circle's own centre does not depend on the origin, nor on the pixel
    angles = [film_coordinates(one, "angle").q for one in (film, moved)]
    np.testing.assert_allclose(angles[1], angles[0], atol=1e-6)
    # a film without coordinates counts pixels
    bare = film_coordinates(film.drop_vars(["x", "y"]), "centre")
    np.testing.assert_allclose(bare.x, plain.x)


@pytest.mark.parametrize(
    "cell", [[[10.0, 0.0], [0.0, 8.0]], [[10.0, 0.0], [5.0, np.sqrt(75.0)]]], ids=["box", "hexagon"]
)
def test_tracks_go_on_across_the_border_of_their_cell(cell):
    generator, cell = np.random.default_rng(1), np.array(cell)
    walk = 5.0 + generator.normal(0.3, 0.8, (60, 2, 2)).cumsum(axis=0)
    inside = walk @ np.linalg.inv(cell)
    wrapped = (inside - np.floor(inside)) @ cell
    assert np.abs(np.diff(wrapped, axis=0)).max() > 6
    track = Trajectory(
        np.repeat(np.arange(60), 2), np.tile([0, 1], 60), wrapped.reshape(-1, 2), np.arange(60.0),
        cell=cell,
    )  # fmt: skip
    tables = track_series(track, line_time=0.01)
    for k, table in enumerate(tables):
        moved = table[["x", "y"]].to_numpy() - walk[:, k]
        np.testing.assert_allclose(moved, np.tile(moved[0], (60, 1)), atol=1e-9)
        # rows are those of the picture, not of the way that was gone
        np.testing.assert_allclose(table.t, np.arange(60) + 0.01 * wrapped[:, k, 1])


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ([[10.0, 0.0], [9.0, 10.0]], "shortest periods"),
        ([[10.0, 0.0], [0.0, 0.0]], "along every axis"),
    ],
)
def test_cells_without_a_nearest_image_are_refused(cell, says):
    track = Trajectory([0, 1], [0, 0], [[1.0, 1.0], [9.0, 1.0]], [0.0, 1.0], cell=cell)
    with pytest.raises(InputError, match=says):
        track_series(track)


def test_a_particle_seen_once_is_no_series(caplog):
    track = Trajectory([0, 1, 1], [4, 4, 7], [[1.0, 1.0], [2.0, 1.0], [5.0, 5.0]], [0.0, 1.0])
    tables = track_series(track)
    assert [len(table) for table in tables] == [2]
    assert "1 particles that are seen once" in caplog.text
    once = Trajectory([0, 1], [4, 7], [[1.0, 1.0], [5.0, 5.0]], [0.0, 1.0])
    with pytest.raises(InputError, match="at least 2 frames; each of the 2 is seen once"):
        track_series(once)
