"""The pinning map: exact tangent and adjoint, agreement with an oracle, what it refuses."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.fronts.wall_runs import usable_runs
from physlearn.inference.pinning import pinning_kernels
from physlearn.inference.pinning.pinned_line import PinnedLine
from physlearn.inference.pinning.pinning_map import fit_pinning_map, pinning_of
from physlearn.inference.pinning.pinning_solver import curvature_log_determinant
from physlearn.inference.walls.planted_lines import field_agreement, open_wall, pinned_wall

KNOWN = {
    "speed": 0.5, "curvature_mobility": 1.2, "pinning_strength": 0.2, "pinning_length": 2.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def line():
    track, _ = pinned_wall(np.random.default_rng(1), length=20, n_frames=6)
    run = usable_runs(track)[0][0]
    made = PinnedLine(run, track.drive, track.frame_times, steep=True, largest_mobility=1.2)
    made.choose((0.5, 0.1), 1.2, 0.2, 3.0)
    made.until(99)
    return made


def test_the_adjoint_is_the_transpose_and_the_tangent_the_slope(line):
    rng = np.random.default_rng(0)
    theta, change = 0.3 * rng.standard_normal((2, line.size))
    line.residuals(theta)
    force = rng.standard_normal(line.data.size)
    moved = line.tangent(change)
    assert moved @ force == pytest.approx(line.adjoint(force) @ change, rel=1e-10)
    step = 1e-5
    slope = (line.residuals(theta - step * change) - line.residuals(theta + step * change)) / step
    np.testing.assert_allclose(0.5 * slope, moved, atol=1e-7 * np.abs(moved).max())


def test_the_log_determinant_is_that_of_the_whole_matrix(line):
    line.residuals(np.zeros(line.size))
    columns = np.array([line.tangent(unit) for unit in np.eye(line.size)])
    exact = np.linalg.slogdet(np.eye(line.size) + columns @ columns.T)[1]
    found, effective = curvature_log_determinant(line, np.random.default_rng(0), probes=300)
    shares = np.linalg.eigvalsh(columns @ columns.T)
    assert found == pytest.approx(exact, rel=0.03)
    assert effective == pytest.approx((shares / (1 + shares)).sum(), rel=0.03)


def test_the_log_determinant_is_smooth_in_the_correlation_length(line):
    lengths, found, exact = np.exp(np.linspace(0.6, 1.2, 9)), [], []
    for length in lengths:
        line.choose((0.5, 0.1), 1.2, 0.2, length)
        line.residuals(np.zeros(line.size))
        columns = np.array([line.tangent(unit) for unit in np.eye(line.size)])
        exact.append(np.linalg.slogdet(np.eye(line.size) + columns @ columns.T)[1])
        found.append(curvature_log_determinant(line, np.random.default_rng(3), probes=2)[0])
    line.choose((0.5, 0.1), 1.2, 0.2, 3.0)
    away = np.array(found) - exact
    assert np.abs(away).max() > 1.0  # two probes are rough, but equally so at all lengths
    assert np.abs(np.diff(away, 2)).max() < 0.1


def test_compiled_steps_equal_python(line):
    rng = np.random.default_rng(2)
    field = 0.2 * rng.standard_normal((12, 30))
    start, counts = rng.standard_normal(12), np.array([2, 1])
    drives, spans = np.array([0.4, -0.1]), np.ones(2) * 0.2
    paths = np.empty((4, 12)), np.empty((4, 12))
    backs = []
    for path, pick in zip(paths, (lambda f: f, lambda f: f.py_func), strict=True):
        pick(pinning_kernels.forward_line)(
            start, drives, counts, spans, field, -4.0, 0.5, 0.7, 1.0, 1.0, path
        )
        frames, back = np.empty((3, 12)), np.empty(12)
        pick(pinning_kernels.tangent_line)(
            path, start, drives, drives, counts, spans, field, field, -4.0, 0.5, 0.7, 0.1, 1.0,
            1.0, frames,
        )  # fmt: skip
        by_field, by_drive = np.zeros_like(field), np.zeros(2)
        total = pick(pinning_kernels.adjoint_line)(
            path, frames, drives, counts, spans, field, -4.0, 0.5, 0.7, 1.0, 1.0, by_field,
            by_drive, back,
        )  # fmt: skip
        backs.append(np.concatenate([back, by_drive, by_field.ravel(), [total]]))
    np.testing.assert_allclose(*paths, rtol=1e-12)
    np.testing.assert_allclose(*backs, rtol=1e-9, atol=1e-12)


def test_the_oracle_finds_the_planted_field_with_honest_errors():
    track, planted = pinned_wall(np.random.default_rng(4), length=40, n_frames=24)
    fit = fit_pinning_map(track, known=KNOWN, n_draws=24, rng=1)
    correlation, spread = field_agreement(fit, planted)
    assert correlation > 0.93
    assert 0.7 < spread < 1.4
    assert not any("does not explain" in text for text in fit.warnings)


@pytest.mark.slow
def test_the_map_reaches_the_oracle(oracle):
    track, planted = pinned_wall(np.random.default_rng(5))
    own, _ = field_agreement(fit_pinning_map(track, rng=1), planted)
    best, _ = field_agreement(fit_pinning_map(track, known=KNOWN, rng=1), planted)
    oracle("correlation of the pinning map beside the oracle", error=1 - own / best, bound=0.05)


def test_walls_at_rest_closed_or_smoothed_are_refused():
    still = open_wall(np.random.default_rng(0), mobility=0.0, tension=0.0)
    with pytest.raises(NotIdentified, match="stays where it is"):
        fit_pinning_map(still)
    with pytest.raises(InputError, match="known may hold"):
        fit_pinning_map(still, known={"mass": 1.0})
    for name, value in (("pinning_strength", -1.0), ("pinning_length", 0.0), ("speed", "a")):
        with pytest.raises(InputError, match="above zero but for speed"):
            fit_pinning_map(still, known={name: value})


def test_a_fit_without_a_field_says_so():
    from physlearn.inference.walls.wall_dynamics import fit_wall_dynamics

    with pytest.raises(InputError, match="pinning=True"):
        pinning_of(fit_wall_dynamics(open_wall(np.random.default_rng(0)), rng=0))
