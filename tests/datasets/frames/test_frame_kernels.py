"""Compiled passes over frames equal their plain forms; zero lines run where they should."""

import numpy as np
import pytest
from scipy import ndimage

from physlearn.datasets.contours.curve_kernels import curvature_errors, lay_curves
from physlearn.datasets.contours.zero_line_kernels import trace_lines
from physlearn.datasets.frames.frame_kernels import (
    regress_frame,
    running_median,
    scale_frame,
    scan_frame,
    smooth_blocks,
)
from physlearn.datasets.frames.frame_level_kernels import label_inner, scale_blocks, split_in_two


def both(kernel, make):
    """Run a kernel and its plain form on the same arguments; return the changed arguments."""
    results = []
    for function in (kernel, kernel.py_func):
        arguments = make()
        returned = function(*arguments)
        results.append([*(a for a in arguments if isinstance(a, np.ndarray)), returned])
    for compiled, plain in zip(*results, strict=True):
        if compiled is not None:
            np.testing.assert_allclose(compiled, plain, rtol=1e-10, atol=1e-10)
    return results[0]


@pytest.fixture
def frame():
    rows, columns = np.mgrid[:21, :26]
    picture = -np.tanh((np.hypot(columns - 12.2, rows - 10.4) - 6.0) / 1.5)
    picture += 0.05 * np.random.default_rng(3).standard_normal(picture.shape)
    picture[3, 4] = np.nan
    return picture


def test_sums_over_rows_and_blocks(frame):
    seen = np.ones(frame.shape, bool)
    seen[:, :2] = False
    reference = np.nan_to_num(frame) * 0.9
    shape = (6, 7)

    def arguments():
        return (frame, seen, reference, 1.1, 0.02, 0.3, 4, np.zeros((21, 3)), np.zeros(shape),
                np.zeros(shape))  # fmt: skip

    result = both(scan_frame, arguments)
    known = np.where(seen & np.isfinite(frame), frame, 0.0)
    assert result[-3].sum() == pytest.approx(known.sum())
    assert result[-2].sum() == 21 * 24 - 1
    line = both(regress_frame, lambda: (frame, seen, reference, 2, np.zeros(2)))[-2]
    np.testing.assert_allclose(line, [1 / 0.9, 0.0], atol=0.01)


@pytest.mark.parametrize("flat", [True, False])
def test_scaled_frames_and_their_block_sums(frame, flat):
    seen = np.ones(frame.shape, bool)
    seen[0] = False
    size = (1, 1) if flat else frame.shape

    def arguments():
        return (frame, seen, 1.2, 0.1, np.full(size, 0.05), np.full(size, 0.9),
                np.zeros(frame.shape), np.zeros((11, 13)), np.zeros((11, 13)))  # fmt: skip

    *_, scaled, sums, counts, _ = both(scale_frame, arguments)
    np.testing.assert_allclose(scaled[1:], ((frame[1:] - 0.1) / 1.2 - 0.05) / 0.9)
    assert np.isnan(scaled[0]).all()
    assert sums.sum() == pytest.approx(np.nansum(scaled))
    assert counts.sum() == 20 * 26 - 1


def test_smoothing_is_that_of_scipy(frame):
    from scipy.ndimage import correlate1d

    picture = np.nan_to_num(frame)
    taps = np.array([0.5, 0.2, 0.05])
    result = both(smooth_blocks, lambda: (picture, taps, np.zeros(30), np.zeros((25, 26)),
                                          np.zeros(picture.shape)))[-2]  # fmt: skip
    whole = np.concatenate([taps[:0:-1], taps])
    expected = correlate1d(correlate1d(picture, whole, axis=0, mode="constant"), whole, axis=1,
                           mode="constant")  # fmt: skip
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_domain_levels_of_blocks():
    generator = np.random.default_rng(4)
    truth = np.where(np.arange(16) < 7, -1.0, 1.0) * np.ones((3, 12, 16))
    pictures = 1.3 * truth + 0.4 + 0.05 * generator.standard_normal(truth.shape)
    known = np.ones(truth.shape, bool)
    known[0, 3, 3] = False
    flat = 3, -1
    classes = both(split_in_two, lambda: (pictures.reshape(flat), known.reshape(flat),
                                          np.zeros((3, 3))))[-2]  # fmt: skip
    np.testing.assert_allclose(classes[:, 1:], [[-0.9, 1.7]] * 3, atol=0.05)
    cut = np.full((12, 16), 0.4)
    start = np.tile([1.0, 0.0], (3, 1))
    labels = both(label_inner, lambda: (pictures, known, cut, start, 1,
                                        np.zeros(truth.shape, np.int8)))[-2]  # fmt: skip
    np.testing.assert_array_equal(labels[1, 5], [-1] * 6 + [0, 0] + [1] * 8)
    ones = np.ones((12, 16))
    *_, scales, errors, _ = both(scale_blocks, lambda: (
        pictures, np.full(truth.shape, 16.0), labels, -ones, ones, 16.0,
        np.tile([1.0, 0.0], (3, 1)), np.zeros((3, 2))))  # fmt: skip
    np.testing.assert_allclose(scales, [[1.3, 0.4]] * 3, atol=0.02)
    np.testing.assert_allclose(errors, 0.05 / np.sqrt(90), rtol=0.5)


def traced(picture, seen):
    shape = picture.shape
    found = []

    def arguments():
        return (picture, seen, 3.0, np.zeros((*shape, 2), np.uint8), np.zeros((999, 2)),
                np.zeros((999, 2)), np.zeros(20, np.int64), np.zeros(20, bool))  # fmt: skip

    *_, points, ends, closed, count = both(trace_lines, arguments)
    for line in range(count):
        found.append((points[ends[line] : ends[line + 1]], bool(closed[line])))
    return found


def test_zero_lines_are_closed_round_a_disc_and_open_at_an_edge():
    rows, columns = np.mgrid[:24, :30]
    disc = 6.0 - np.hypot(columns - 12.3, rows - 11.2)
    seen = np.ones(disc.shape, bool)
    ((points, closed),) = traced(disc, seen)
    assert closed
    np.testing.assert_allclose(np.hypot(*(points - [12.3, 11.2]).T), 6.0, atol=0.05)
    steps = np.roll(points, -1, axis=0) - points
    normals = np.stack([steps[:, 1], -steps[:, 0]], axis=1)
    assert ((normals * (points - [12.3, 11.2])).sum(axis=1) > 0).all()
    ((points, closed),) = traced(columns - 9.5 + 0.0 * rows, seen)
    assert not closed
    assert len(points) == 24
    np.testing.assert_allclose(points[:, 0], 9.5)
    half = columns < 12
    ((points, closed),) = traced(disc, half)
    assert not closed
    assert len(traced(disc - 99.0, seen)) == 0


def test_curves_keep_a_circle_and_its_curvature():
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = np.stack([20 + 9 * np.cos(angles), 20 + 9 * np.sin(angles)], axis=1)[::-1].copy()

    def arguments():
        return (points, np.array([0, 40]), np.array([True]), 1.0, 2.0, True, np.zeros((99, 5)),
                np.zeros(99), np.zeros(2, np.int64), np.zeros(1))  # fmt: skip

    *_, nodes, arc, starts, lengths, count = both(lay_curves, arguments)
    nodes = nodes[: starts[1]]
    assert count == 1
    assert lengths[0] == pytest.approx(2 * np.pi * 9, rel=0.01)
    np.testing.assert_allclose(np.hypot(*(nodes[:, :2] - 20).T), 9.0, atol=0.05)
    np.testing.assert_allclose(np.abs(nodes[:, 4]), 1 / 9, rtol=0.05)
    assert arc[starts[1] - 1] < lengths[0]


def test_curvature_errors_are_those_of_drawn_offsets():
    n, generator = 80, np.random.default_rng(5)
    covariance = np.zeros((n, 4))
    covariance[:, 0] = 0.01
    keep, starts = np.ones(n, bool), np.array([0, n])
    line = np.array([False]), np.array([n - 1.0])
    errors = both(
        curvature_errors, lambda: (covariance, keep, starts, *line, 2.0, np.zeros(n))
    )[-2]  # fmt: skip
    found = []
    for _ in range(300):
        offsets = 0.1 * generator.standard_normal(n)
        points = np.stack([np.arange(n, dtype=float), offsets], axis=1)
        nodes, starts_out = np.zeros((2 * n, 5)), np.zeros(2, np.int64)
        lay_curves(points, starts, np.array([False]), 1.0, 2.0, False, nodes, np.zeros(2 * n),
                   starts_out, np.zeros(1))  # fmt: skip
        found.append(np.interp(40.0, nodes[: starts_out[1], 0], nodes[: starts_out[1], 4]))
    assert np.std(found) == pytest.approx(errors[40], rel=0.2)


def test_running_median():
    values = np.random.default_rng(4).standard_normal(30)
    result = both(running_median, lambda: (values, 4, np.zeros(30)))[1]
    np.testing.assert_array_equal(result, ndimage.median_filter(values, 9, mode="nearest"))
