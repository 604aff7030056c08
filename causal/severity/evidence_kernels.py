"""Compiled loops of severity tests: sums over thousands of functions and actions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["add_shot", "log_mean_likelihood", "mixture_information_kernel", "survival_values"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

WINDOW_SD = 4.5
BINS_PER_SD = 4.0
MOST_BINS = 512
NEGLIGIBLE = 40.0
"""Log likelihoods this far below the best count as nothing."""


@kernel
def _log_likelihood(squares: float, dof: float, n_shots: int) -> float:
    """Gaussian, or Student with the noise's scale integrated out; normalisations cancel."""
    if math.isinf(dof):
        return -0.5 * squares
    return -0.5 * (dof + n_shots) * math.log1p(squares / dof)


@kernel
def add_shot(
    residual: Floats,
    member: NDArray[np.int32],
    shape: Singles,
    products: Singles,
    squares: Singles,
) -> None:
    """Add residual times deviation to ``products``, squared deviation to ``squares``."""
    for i in range(member.size):
        products[i] += residual[member[i]] * shape[i]
        squares[i] += shape[i] * shape[i]


@kernel
def log_mean_likelihood(
    residual_squares: Floats,
    member: NDArray[np.int32],
    products: Singles,
    squares: Singles,
    sizes: Floats,
    dof: float,
    n_shots: int,
    result: Floats,
) -> None:
    """Write log of the mean likelihood over functions, one per size, into ``result``."""
    totals = np.empty(member.size, dtype=np.float32)
    for k in range(sizes.size):
        twice = np.float32(2 * sizes[k])
        squared = np.float32(sizes[k] * sizes[k])
        least = np.float32(np.inf)
        for i in range(member.size):
            moved = squared * squares[i] - twice * products[i]
            totals[i] = max(np.float32(residual_squares[member[i]]) + moved, np.float32(0.0))
            least = min(least, totals[i])
        best = _log_likelihood(float(least), dof, n_shots)
        far = least + 2 * NEGLIGIBLE
        if not math.isinf(dof):
            far = (dof + least) * math.exp(2 * NEGLIGIBLE / (dof + n_shots)) - dof
        summed = 0.0
        for i in range(member.size):
            if totals[i] < far:
                summed += math.exp(_log_likelihood(float(totals[i]), dof, n_shots) - best)
        result[k] = best + math.log(summed / member.size)


@kernel
def survival_values(
    columns: Floats,
    shift: Floats,
    member: NDArray[np.int32],
    shape: Singles,
    top: NDArray[np.int64],
    weights: Floats,
    scale: Floats,
    means: Floats,
    variances: Floats,
    values: Floats,
) -> None:
    """Write how much of the surviving weight one shot is expected to remove, in nats.

    ``columns``: (n_actions, n_members) expected readouts; ``top``: functions that count, with
    ``weights`` and ``shift``; ``scale``: (n_actions,) of the deviations; ``means``,
    ``variances``: (n_actions,) of the readout under the hypothesis; ``values``: (n_actions,).
    """
    for j in range(columns.shape[0]):
        kept = 0.0
        for i in range(top.size):
            expected = columns[j, member[top[i]]] + shift[i] + scale[j] * shape[j, top[i]]
            distance = expected - means[j]
            exponent = 0.5 * distance * distance / variances[j]
            if exponent < NEGLIGIBLE:
                kept += weights[i] * math.exp(-exponent)
        values[j] = -math.log(max(kept, 1e-300))


@kernel
def _spread(
    members: Floats, weights: Floats, j: int, low: float, step: float, mass: Floats
) -> None:
    for i in range(members.shape[0]):
        place = (members[i, j] - low) / step
        left = math.floor(place)
        share = place - left
        mass[left] += weights[i] * (1 - share)
        mass[left + 1] += weights[i] * share


@kernel
def _blurred(mass: Floats, sd_bins: float, density: Floats) -> None:
    half = math.ceil(WINDOW_SD * sd_bins)
    window = np.empty(half + 1)
    total = 0.0
    for m in range(half + 1):
        window[m] = math.exp(-0.5 * (m / sd_bins) ** 2)
        total += window[m] if m == 0 else 2 * window[m]
    density[:] = 0.0
    for b in range(mass.size):
        if mass[b] > 0:
            for m in range(max(0, b - half), min(mass.size, b + half + 1)):
                density[m] += mass[b] * window[abs(m - b)] / total


@kernel
def mixture_information_kernel(
    members: Floats,
    weights: Floats,
    starts: NDArray[np.int64],
    prior: Floats,
    sds: Floats,
    values: Floats,
) -> None:
    """Write the information of one readout about which hypothesis holds, in nats.

    ``members``: (n, n_actions), those of hypothesis k in rows starts[k] to starts[k + 1];
    ``weights``: (n,), summing to 1 within each; ``prior``: (n_hypotheses,);
    ``sds``: (n_hypotheses, n_actions) of one readout.
    """
    n_hypotheses = prior.size
    for j in range(members.shape[1]):
        widest = 0.0
        narrowest = math.inf
        for k in range(n_hypotheses):
            widest = max(widest, sds[k, j])
            narrowest = min(narrowest, sds[k, j])
        low = members[:, j].min() - WINDOW_SD * widest
        high = members[:, j].max() + WINDOW_SD * widest
        step = max(narrowest / BINS_PER_SD, (high - low) / MOST_BINS)
        n_bins = int((high - low) / step) + 3
        density = np.zeros((n_hypotheses, n_bins))
        mass = np.zeros(n_bins)
        for k in range(n_hypotheses):
            mass[:] = 0.0
            rows = slice(starts[k], starts[k + 1])
            _spread(members[rows], weights[rows], j, low, step, mass)
            _blurred(mass, max(sds[k, j] / step, 0.5), density[k])
        total = 0.0
        for b in range(n_bins):
            mixed = 0.0
            for k in range(n_hypotheses):
                mixed += prior[k] * density[k, b]
            for k in range(n_hypotheses):
                share = prior[k] * density[k, b]
                if share > 0.0:  # a hypothesis may have weight 0, and a density may underflow
                    total += share * math.log(density[k, b] / mixed)
        values[j] = max(total, 0.0)
