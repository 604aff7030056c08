"""Compiled motion of bodies: a closed orbit, and sensitivities against differences."""

import numpy as np
import pytest

from physlearn.inference.dynamics.pair_bodies import read_bodies
from physlearn.inference.dynamics.pair_forms import force_forms
from physlearn.inference.dynamics.pair_motion_fit import force_table
from physlearn.inference.dynamics.pair_motion_kernels import follow_bodies
from physlearn.records import Trajectory


def _inverse_square():
    return next(f for f in force_forms() if f.program[-2:] == ("inv", "mul") and "square" in
                f.program and f.n_constants == 1)  # fmt: skip


def _bodies():
    places = np.array([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]] * 10) + 0.01 * np.eye(3)[:, :2]
    return read_bodies(
        Trajectory(np.repeat(range(10), 3), np.tile(range(3), 10), places.reshape(-1, 2),
                   np.arange(10.0), unit="reduced", time_unit="reduced")
    )  # fmt: skip


def _follow(state, strengths, constant, times, width, box=(np.inf, np.inf)):
    table = force_table(_inverse_square(), np.array([constant]), _bodies())
    if not width:
        table = (np.ascontiguousarray(table[0][:, :, :1]), *table[1:])
    n, d = state.shape[1:]
    out, end = np.empty((len(times), n, d)), np.empty((n, d))
    slopes, end_slopes = np.empty((len(times), n, d, width)), np.empty((n, d, width))
    good = follow_bodies(
        state, strengths, np.array(box), *table, times, 0.01, 50.0, out, slopes, end, end_slopes
    )
    return good, out, slopes, end


def test_a_light_body_goes_round_a_heavy_one_and_comes_back():
    state = np.array([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]])
    times = np.array([0.0, 0.5 * np.pi, 2 * np.pi])
    good, out, _, end = _follow(state, np.array([1.0, 0.0]), -1.0, times, 0)
    assert good
    # Cells of the table and steps of 0.01: both of fourth order
    assert out[1, 1] == pytest.approx([0.0, 1.0], abs=1e-5)
    assert out[2, 1] == pytest.approx([1.0, 0.0], abs=1e-5)
    assert end[1] == pytest.approx([0.0, 1.0], abs=1e-5)


def test_sensitivities_are_the_differences():
    state = np.array([[[0.0, 0.0], [1.0, 0.0], [-0.3, 1.8]], [[0.0, 0.1], [0.0, 1.0], [0.6, 0.0]]])
    strengths, times = np.array([0.8, 0.15, 0.05]), np.linspace(0.0, 2.0, 4)
    width = 12 + 3 + 1
    slopes = _follow(state, strengths, -1.0, times, width)[2]
    step = 1e-5
    for k in range(width):
        paths = []
        for sign in (1.0, -1.0):
            flat, heavy, constant = state.ravel().copy(), strengths.copy(), -1.0
            if k < 12:
                flat[k] += sign * step
            elif k < 15:
                heavy[k - 12] += sign * step
            else:
                constant += sign * step
            paths.append(_follow(flat.reshape(state.shape), heavy, constant, times, 0)[1])
        difference = (paths[0] - paths[1]) / (2 * step)
        assert slopes[..., k] == pytest.approx(difference, abs=2e-5)


def test_bodies_act_through_the_border_of_a_periodic_box():
    inside = np.array([[[0.5, 0.0], [1.5, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    across = np.array([[[0.5, 0.0], [9.5, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    times, strengths = np.array([0.0, 0.3]), np.ones(2)
    near = _follow(inside, strengths, -1.0, times, 0, (10.0, 10.0))[1][-1]
    far = _follow(across, strengths, -1.0, times, 0, (10.0, 10.0))[1][-1]
    assert near[0, 0] - 0.5 == pytest.approx(-(far[0, 0] - 0.5), abs=1e-10)


def test_bodies_that_run_away_are_told():
    state = np.array([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [1000.0, 0.0]]])
    assert not _follow(state, np.ones(2), -1.0, np.array([0.0, 1.0]), 0)[0]
