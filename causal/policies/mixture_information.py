"""How much one readout is expected to tell about which group of members holds: exact mixtures."""

from __future__ import annotations

import numpy as np

from physlearn.causal.policies.belief import Belief, Floats, Ints
from physlearn.causal.policies.mixture_kernels import lay_on_grid

__all__ = ["information_about", "information_about_hypotheses"]

CELLS_PER_SD = 2.0
MARGIN_SD = 6.0
MOST_CELLS = 4096
MOST_NUMBERS = 4_000_000
"""Cells of all acts that are worked on at once."""
SMALLEST_SHARE = 1e-10
"""Members with less of the best one's weight are left out of the range of readouts."""


def information_about_hypotheses(belief: Belief, columns: Ints | None = None) -> Floats:
    """Return the expected information about the hypotheses, in nats, of a readout of each act."""
    return information_about(belief.hypothesis, belief, columns)


def information_about(groups: Ints, belief: Belief, columns: Ints | None = None) -> Floats:
    """Return the mutual information, in nats, between a readout and a grouping of the members.

    The readout of a group is the mixture of its members, each a Gaussian around what it expects;
    the entropies of the mixtures are integrals over the readout.

    Parameters
    ----------
    groups
        Shape (n_members,): the group of each member, from 0; `Belief.hypothesis` asks which
        hypothesis holds.
    belief
        Members, weights and noise.
    columns
        Acts to look at; all when None.

    Returns
    -------
    array
        Shape (n_actions,) or that of `columns`; 0 for acts that nobody speaks about.

    Notes
    -----
    Lindley, doi:10.1214/aoms/1177728069. Members are laid on a grid of at least two cells a
    standard deviation by the weights of a cubic spline and convolved with the noise as a product
    of Fourier coefficients, in which the weights' own transfer function is undone (as in
    particle-mesh sums; Hockney & Eastwood, doi:10.1201/9780367806934). Where
    readouts range over more than 2000 standard deviations the noise is taken larger, so that the
    information is too small there, not too large: by then members are told apart for sure.

    Examples
    --------
    >>> far = Belief(("a", "b"), np.array([[0.0], [100.0]]), np.array([0, 1]),
    ...              np.log([0.5, 0.5]), np.ones((2, 1)))
    >>> round(float(information_about(np.array([0, 1]), far)[0]), 4)
    0.6931
    """
    chosen = np.arange(belief.expected.shape[1]) if columns is None else np.asarray(columns)
    shares = np.exp(belief.log_weights)
    kept = shares > SMALLEST_SHARE * shares.max()
    expected = belief.expected[kept][:, chosen]
    spoken = np.isfinite(expected).all(axis=0)
    found = np.zeros(len(chosen))
    if not spoken.any():
        return found
    # members of one hypothesis and one group share their noise: a class of the histogram
    n_hypotheses = len(belief.names)
    labels, classes = np.unique(
        groups[kept] * n_hypotheses + belief.hypothesis[kept], return_inverse=True
    )
    group_of_class = np.unique(labels // n_hypotheses, return_inverse=True)[1]
    shares = shares[kept] / shares[kept].sum()
    sd = belief.noise_sd[:, chosen][labels % n_hypotheses]
    low, high = expected.min(axis=0), expected.max(axis=0)
    span = 1.02 * (high - low) + 2.0 * MARGIN_SD * sd.max(axis=0)
    needed = np.where(spoken, span * CELLS_PER_SD / sd.min(axis=0), 64.0)
    cells = np.exp2(np.ceil(np.log2(np.clip(needed, 64, MOST_CELLS)))).astype(np.int64)
    for n_cells in np.unique(cells[spoken]).tolist():
        alike = np.flatnonzero(spoken & (cells == n_cells))
        at_once = max(1, MOST_NUMBERS // (n_cells * len(labels)))
        for start in range(0, len(alike), at_once):
            part = alike[start : start + at_once]
            counts = np.zeros((len(labels), len(part), n_cells))
            middle = 0.5 * (low[part] + high[part])
            lay_on_grid(expected[:, part], shares, classes, middle, span[part], counts)
            density = _smoothed(counts, sd[:, part] / span[part])
            found[part] = _information(density, group_of_class)
    return found


def _smoothed(counts: Floats, sd: Floats) -> Floats:
    """Return the probability of every cell with the noise added; grids are 1 long."""
    n_cells = counts.shape[2]
    frequency = np.arange(n_cells // 2 + 1) / n_cells
    width = np.maximum(sd * n_cells, CELLS_PER_SD)[:, :, None]
    transfer = np.exp(-2.0 * (np.pi * width * frequency) ** 2) / np.sinc(frequency) ** 4
    spectrum = np.fft.rfft(counts, axis=2) * transfer
    return np.maximum(np.fft.irfft(spectrum, n_cells, axis=2), 0.0)


def _information(density: Floats, group_of_class: Ints) -> Floats:
    n_groups = int(group_of_class.max()) + 1
    grouped = np.zeros((n_groups, *density.shape[1:]))
    np.add.at(grouped, group_of_class, density)
    total = grouped.sum(axis=0)
    group_shares = grouped.sum(axis=2)
    inside = _times_log(grouped).sum(axis=(0, 2)) - _times_log(total).sum(axis=1)
    return np.asarray(np.maximum(inside - _times_log(group_shares).sum(axis=0), 0.0))


def _times_log(p: Floats) -> Floats:
    return np.asarray(p * np.log(np.where(p > 0, p, 1.0)))
