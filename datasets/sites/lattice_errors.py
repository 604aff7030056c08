"""Error of a fitted lattice where the scan's rows, or regions, move their columns alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr
from scipy.stats import t as student

__all__ = ["LatticeError", "lattice_error"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BLOCKS = 5
FEWEST_BLOCKS = 6
MOST_BANDS = 40
MEMORY = (0.0, 0.3, 0.6, 0.8, 0.9, 0.96, 0.99, 0.999)
"""Correlation of the shifts of neighbouring bands, from none to a random walk."""
MEMORY_SHARE = np.diff([0.0, *(0.5 * (np.array(MEMORY[1:]) + np.array(MEMORY[:-1]))), 1.0])
"""Every correlation between 0 and 1 is equally likely beforehand."""
STRENGTH = tuple(np.geomspace(0.02, 2e4, 13).tolist())
"""Variance of a band's common shift over the squared error of its columns' mean; evenly likely
beforehand, and together as likely as no common shift."""


@dataclass(frozen=True, slots=True)
class LatticeError:
    """Standard error of a function of the lattice, and the half width of its 95 % interval."""

    sd: float
    reach: float


def lattice_error(
    design: Floats, positions: Floats, rest: Floats, gradient: Floats, spacing: float
) -> LatticeError | None:
    """Return the error of a function of the least-squares lattice; None for too few columns.

    ``design`` (n, 3), ``rest`` the residuals (n, 2), ``gradient`` (3, 2) of the function by the
    coefficients, ``spacing`` a lattice constant. The largest of three errors: blocks of the
    picture left out in turn; bands along y, and along x, that shift their columns alike.
    """
    found = [_block_error(design, positions, rest, gradient)]
    if found[0] is None:
        return None
    found += [_band_error(design, positions[:, a], rest, gradient, spacing) for a in (1, 0)]
    known = [error for error in found if error is not None]
    return LatticeError(max(e.sd for e in known), max(e.reach for e in known))


def _block_error(
    design: Floats, positions: Floats, rest: Floats, gradient: Floats
) -> LatticeError | None:
    """Return the jackknife error over blocks: each is left out in turn (Efron, 1982)."""
    low, size = positions.min(axis=0), np.ptp(positions, axis=0)
    cell = np.minimum((positions - low) / np.maximum(size, 1e-300) * BLOCKS, BLOCKS - 1)
    number = cell.astype(np.int64) @ np.array([1, BLOCKS])
    block = np.unique(number, return_inverse=True)[1]
    count = int(block.max()) + 1
    if count < FEWEST_BLOCKS:
        return None
    normal, pull = np.zeros((count, 3, 3)), np.zeros((count, 3, 2))
    np.add.at(normal, block, design[:, :, None] * design[:, None, :])
    np.add.at(pull, block, design[:, :, None] * rest[:, None, :])
    left = normal.sum(axis=0) - normal
    if (np.linalg.cond(left) > 1e12).any():
        return None
    # the residuals of all give no change: what a block pulls is missing without it
    change = np.linalg.solve(left, -pull)
    moved = (change * gradient).sum(axis=(1, 2))
    sd = float(np.sqrt((count - 1) / count * (moved**2).sum()))
    return LatticeError(sd, float(student.ppf(0.975, count - 3)) * sd)


def _band_error(
    design: Floats, along: Floats, rest: Floats, gradient: Floats, spacing: float
) -> LatticeError | None:
    """Return the error where bands of one direction shift their columns alike, with a memory.

    Strength and memory of the shifts are integrated over the restricted likelihood of the
    residuals (Patterson and Thompson, 1971, doi:10.1093/biomet/58.3.545).
    """
    size = float(np.ptp(along))
    count = int(np.clip(size / spacing + 1, 2, MOST_BANDS))
    if count < FEWEST_BLOCKS:
        return None
    band = np.minimum(((along - along.min()) / size * count).astype(np.int64), count - 1)
    pieces = [_band_posterior(design, band, count, rest[:, a], gradient[:, a]) for a in (0, 1)]
    # errors along x and y are taken as independent: their variances add, each pair with its weight
    weight = np.exp(pieces[0][0][:, None] + pieces[1][0]).ravel()
    variance = (pieces[0][1][:, None] + pieces[1][1]).ravel()
    spread = np.sqrt(variance)
    low, high = 0.0, 40.0 * float(spread.max())
    for _ in range(60):
        middle = 0.5 * (low + high)
        if float(weight @ ndtr(-middle / np.maximum(spread, 1e-300))) > 0.025:
            low = middle
        else:
            high = middle
    return LatticeError(float(np.sqrt(weight @ variance)), high)


def _band_posterior(
    design: Floats, band: Integers, count: int, rest: Floats, gradient: Floats
) -> tuple[Floats, Floats]:
    """Return log posterior weight and variance of the estimate for each strength and memory."""
    n, terms = design.shape
    sizes = np.bincount(band, minlength=count).astype(np.float64)
    shared = np.zeros((count, terms))
    np.add.at(shared, band, design)
    total = np.bincount(band, weights=rest, minlength=count)
    gram = design.T @ design
    square = float(rest @ rest)
    lever = shared @ np.linalg.solve(gram, gradient)
    white = float(gradient @ np.linalg.solve(gram, gradient))
    gaps = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    cases = np.array([(0.0, 0.0), *product(MEMORY, STRENGTH)])
    shift = cases[:, 1, None, None] * count / n * cases[:, 0, None, None] ** gaps
    # Woodbury: V^-1 = 1 - Z T Z', T = shift (1 + N shift)^-1
    inner = np.eye(count) + sizes[:, None] * shift
    middle = shift @ np.linalg.inv(inner)
    information = gram - shared.T @ middle @ shared
    pull = -(middle @ total) @ shared
    solved = np.linalg.solve(information, pull[:, :, None])[:, :, 0]
    left = square - (middle @ total) @ total - (pull * solved).sum(axis=1)
    left = np.maximum(left, 1e-300)
    log = -0.5 * (
        np.linalg.slogdet(inner)[1] + np.linalg.slogdet(information)[1]
        + (n - terms) * np.log(left)
    )  # fmt: skip
    log[0] += np.log(len(STRENGTH))
    log[1:] += np.log(np.repeat(MEMORY_SHARE, len(STRENGTH)))
    variance = left / (n - terms) * (white + (shift @ lever) @ lever)
    return log - logsumexp(log), np.maximum(variance, 0.0)
