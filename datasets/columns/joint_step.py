"""One joint Newton step of columns, background and common width: what sweeps reach slowly.

Columns that overlap through each other and a supple background have slow common modes (all widths
up, the background down): fits by turns stop on the way, biased by a good part of their errors. The
whole information, solved by conjugate gradients, takes such a mode in one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.columns import (
    background_kernels,
    column_kernels,
    information_kernels,
    joint_kernels,
)
from physlearn.datasets.columns.column_covariance import overlapping_pairs

if TYPE_CHECKING:
    from physlearn.datasets.columns.column_fit import ColumnFit

__all__ = ["center_prior", "joint_step", "refit", "settle"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
GRADIENT_STEPS = 60
ACCURACY = 0.004
COUPLED_WIDTHS = 6.5
"""A step does well without what columns further apart share (.0005 of their information)."""
SETTLED_GAIN = 0.02
"""Mean gain of a step, in squared standard errors that leaves next to nothing behind."""
STALLED = 0.5
CLEAR_SCATTERS = 3.0
MOST_HALVINGS = 3
RUINED = 2.0
"""Chi-square over that before from which on a step is taken back."""
SLACK = 1.0
LARGEST_STEP = np.array([0.5, 0.5, 0.7, 0.2])
"""Longest step of x and y (in widths), log amplitude and log width."""


def center_prior(fit: ColumnFit) -> NDArray[np.bool_]:
    """Move the width prior to the mean of the widths near it; flag those.

    That is the prior's own maximum of the likelihood: a centre once measured and then held draws
    all widths to where the fit was when it was measured.
    """
    center, precision = fit.width_prior
    if precision == 0.0:
        return np.zeros(len(fit.columns), dtype=np.bool_)
    widths = fit.columns[:, 3]
    for _ in range(3):
        near = np.abs(widths - center) <= CLEAR_SCATTERS / np.sqrt(precision)
        if not near.any():
            break
        center = float(widths[near].mean())
    fit.width_prior = (center, precision)
    return np.asarray(near, dtype=np.bool_)


def settle(
    fit: ColumnFit, n_steps: int = 4, *, free_width: bool = True, enough: float = SETTLED_GAIN
) -> float:
    """Take joint steps until the fit rests or stalls; return the last one's gain per column."""
    gain, last = 0.0, np.inf
    for _ in range(n_steps):
        last, gain = gain or last, joint_step(fit, free_width=free_width)
        # far from rest steps are bounded and may gain alike; near it only wanderers do
        if gain <= enough or STALLED * last < gain < 1.0 or not np.isfinite(gain):
            break
    return gain


def refit(fit: ColumnFit, n_sweeps: int, *, free_width: bool = True) -> None:
    """Fit columns, background and common width until they rest.

    Joint steps do it; up to ``n_sweeps`` sweeps follow where some columns do not come to rest that
    way (faint ones that wander), or rows have their own levels.
    """
    rows = bool(fit.row_levels.size)
    gain = np.inf if rows else settle(fit, free_width=free_width)
    if gain <= SETTLED_GAIN:
        return
    fit.sweep(n_sweeps, free_width=free_width)
    settle(fit, free_width=free_width)
    if rows:
        fit.sweep(n_sweeps, free_width=free_width)


def joint_step(fit: ColumnFit, *, free_width: bool = True) -> float:
    """Take one joint step; return its mean gain in squared standard errors per column.

    Infinity where no step of this direction fits better: far from rest, sweeps are to follow.
    """
    n = len(fit.columns)
    if n == 0:
        return 0.0
    near = center_prior(fit)
    scores, own = np.empty((n, 4)), np.empty((n, 4, 4))
    column_kernels.column_scores(
        fit.image, fit.model, fit.weight, fit.columns, fit.options.reach_widths, fit.sign,
        scores, own,
    )  # fmt: skip
    center, precision = fit.width_prior
    scores[:, 3] += precision * (center - fit.columns[:, 3])
    own[:, 3, 3] += precision
    common = near * np.sqrt(precision / max(1, int(near.sum())))
    matrix, right = np.empty((*fit.nodes.shape, 5)), np.empty(fit.nodes.shape)
    background_kernels.normal_equations(fit.image, fit.model, fit.weight, matrix, right)
    pairs, blocks, shares, first = _shared(fit)
    step, node_step = np.empty((n, 4)), np.empty(fit.nodes.shape)
    gain = joint_kernels.solve_jointly(
        own, blocks, pairs, shares, first, matrix, common, scores, right,
        4 if free_width else 3, GRADIENT_STEPS, ACCURACY, step, node_step,
    )  # fmt: skip
    return float(gain) if _move(fit, step, node_step) else np.inf


def _shared(fit: ColumnFit) -> tuple[Integers, Floats, Floats, Integers]:
    """Return pairs and blocks of overlapping columns, and what each shares with which nodes."""
    coarse = not fit.mask.size
    n, shape = len(fit.columns), fit.nodes.shape
    pairs = overlapping_pairs(fit.columns, COUPLED_WIDTHS)
    blocks = np.empty((len(pairs), 4, 4))
    information_kernels.pair_information(fit.weight, fit.columns, pairs, coarse, blocks)
    shares, first = np.empty((n, 9, 4)), np.empty((n, 2), np.int64)
    step_y, step_x = ((fit.image.shape[k] - 1) / (shape[k] - 1) for k in (0, 1))
    information_kernels.background_share(
        fit.weight, fit.columns, fit.options.reach_widths, step_y, step_x, shape[0], shape[1],
        coarse, shares, first,
    )  # fmt: skip
    return pairs, blocks, shares * fit.sign, first


def _move(fit: ColumnFit, step: Floats, node_step: Floats) -> bool:
    """Apply a step within its bounds, shorter where it does not fit better; redraw the model.

    The shortest is taken though it may fit a little worse, for the next may fit better; returns
    False, with all as it was, where it fits very much worse.
    """
    width = np.exp(fit.columns[:, 3])
    longest = np.abs(step) / LARGEST_STEP
    longest[:, :2] /= width[:, None]
    step /= np.maximum(1.0, longest.max(axis=1))[:, None]
    node_step = fit.bounded(node_step)
    rules = fit.rules(free_width=True)
    columns, nodes, weight = fit.columns, fit.nodes, fit.weight.copy()
    before = background_kernels.chi_square(fit.image, fit.model, weight)
    for halvings in range(MOST_HALVINGS + 1):
        share = 0.5**halvings
        new = columns + share * step
        new[:, 3] = np.clip(new[:, 3], rules[1], rules[2])
        for axis, length in ((0, fit.image.shape[1]), (1, fit.image.shape[0])):
            new[:, axis] = np.clip(new[:, axis], -2.0 * width, length - 1.0 + 2.0 * width)
        fit.columns, fit.nodes = np.ascontiguousarray(new), nodes + share * node_step
        fit.rebuild()
        after = background_kernels.chi_square(fit.image, fit.model, weight)
        # the width prior may cost a little
        if after <= before + SLACK * len(columns):
            break
    if after > RUINED * before:
        fit.columns, fit.nodes = columns, nodes
        fit.rebuild()
        return False
    if fit.width_prior[1]:
        center_prior(fit)
    return True
