"""Motion along one axis between frames: the Fokker-Planck equation solved on a grid.

The drift b and the diffusion D are Ito's: dx = b(x) dt + sqrt(2 D(x)) dW, so that a density moves
by dp/dt = -d/dx [(b - dD/dx) p - D dp/dx]. Walls stand outside of the data. On the grid this is a
chain of jumps between neighbours (Scharfetter and Gummel's rates), whose transition matrix is
exact at any frame interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GridMotion", "grid_motion", "transition_matrix"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FINEST = 4.0  # cells in the standard deviation of a step
MOST_CELLS = 240
FEWEST_CELLS = 140
MOST_GAPS = 6
MARGIN = 3.0  # steps between the data and the walls
JUMPS = 16  # terms of the exponential of one small step, which holds at most one jump
EMPTY = 1e-290


@dataclass(frozen=True, eq=False)
class GridMotion:
    """Steps of particles on a grid: their number near each pair of cells, once for all laws.

    Attributes
    ----------
    points
        float64, shape (1, 2 m - 1): cells and the faces between them, where laws are evaluated.
    spacing
        Between cells.
    gaps
        Times between rows that occur.
    counts
        Shape (n_gaps, m, m): weights of log densities from row to column, cubic between cells.
    starts
        Shape (n_gaps, m): steps that begin near a cell.
    weight
        How much one step counts.
    """

    points: Floats
    spacing: float
    gaps: tuple[float, ...]
    counts: Floats
    starts: Floats
    weight: float = 1.0

    @property
    def has_noise(self) -> bool:
        """Whether a localisation noise is among the unknowns."""
        return False

    def densities(self, drift: Floats, diffusion: Floats, log_noise: float) -> Floats | None:
        """Return log densities from cell to cell (n_gaps, m, m); None where D is not positive."""
        del log_noise
        if not (np.isfinite(drift).all() and np.isfinite(diffusion).all() and diffusion.min() > 0):
            return None
        single = transition_matrix(drift[0, 1::2], diffusion, self.spacing, self.gaps[0])
        found = [single]
        for gap in self.gaps[1:]:
            times = gap / self.gaps[0]
            whole = round(times)
            found.append(
                np.linalg.matrix_power(single, whole) if abs(times - whole) < 1e-6
                else transition_matrix(drift[0, 1::2], diffusion, self.spacing, gap)
            )  # fmt: skip
        result: Floats = np.log(np.maximum(np.stack(found) / self.spacing, EMPTY))
        return result

    def log_likelihood(self, rows: Floats) -> float:
        """Log likelihood of all steps."""
        return self.weight * float((self.counts * rows).sum())

    def score(self, rows: Floats, moved: list[Floats], steps: Floats) -> tuple[Floats, Floats]:
        """Gradient and expected information by what moves when one number moves by its step."""
        share = np.exp(rows) * self.spacing * self.starts[:, :, None]
        slopes = [(other - rows) / step for other, step in zip(moved, steps, strict=True)]
        gradient = np.array([float((self.counts * slope).sum()) for slope in slopes])
        flat = np.array([slope.ravel() for slope in slopes]).reshape(len(slopes), -1)
        information = (flat * share.ravel()) @ flat.T
        return self.weight * gradient, self.weight * 0.5 * (information + information.T)


def grid_motion(begin: Floats, end: Floats, gaps: Floats, weight: float = 1.0) -> GridMotion | None:
    """Place steps on a grid; None where it would be too large, or times too many.

    Parameters
    ----------
    begin, end
        Shape (n,): places before and after each step.
    gaps
        Shape (n,): its duration.
    weight
        How much one step counts.

    Examples
    --------
    >>> walk = np.cumsum(np.random.default_rng(1).normal(0.0, 0.1, 200))
    >>> steps = grid_motion(walk[:-1], walk[1:], np.ones(199))
    >>> fields = np.zeros((1, steps.points.shape[1])), np.full(steps.points.shape[1], 0.005)
    >>> found = steps.log_likelihood(steps.densities(*fields, 0.0))
    >>> moves = np.diff(walk) / 0.1
    >>> bool(abs(found + 0.5 * (moves**2 + np.log(2 * np.pi * 0.01)).sum()) < 1.0)
    True
    """
    times, kinds = distinct_times(gaps)
    if len(times) > MOST_GAPS:
        return None
    sd = float(np.sqrt(np.mean((end - begin)[kinds == 0] ** 2)))
    low, high = min(begin.min(), end.min()), max(begin.max(), end.max())
    low, high = low - MARGIN * sd, high + MARGIN * sd
    m = max(FEWEST_CELLS, math.ceil((high - low) / (sd / FINEST)))
    if m > MOST_CELLS:
        return None
    spacing = (high - low) / (m - 1)
    counts, starts = np.zeros((len(times), m, m)), np.zeros((len(times), m))
    first, second = _taps((begin - low) / spacing, m), _taps((end - low) / spacing, m)
    near = np.clip(np.rint((begin - low) / spacing).astype(np.int64), 0, m - 1)
    np.add.at(starts, (kinds, near), 1.0)
    for i in range(4):
        for j in range(4):
            both = first[1][i] * second[1][j]
            np.add.at(counts, (kinds, first[0] + i, second[0] + j), both)
    points = (low + 0.5 * spacing * np.arange(2 * m - 1))[None]
    return GridMotion(points, spacing, tuple(times.tolist()), counts, starts, weight)


def distinct_times(gaps: Floats) -> tuple[Floats, Ints]:
    """Return the distinct times between rows, most frequent first, and which each row has."""
    shortest = float(gaps.min())
    kinds = np.rint(gaps / shortest * 1e6).astype(np.int64)
    _, first, place, number = np.unique(
        kinds, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(-number, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return gaps[first[order]], rank[place].astype(np.int64)


def _taps(places: Floats, m: int) -> tuple[Ints, Floats]:
    """First of four cells around each place, and Lagrange's cubic weights, shape (4, n)."""
    first = np.clip(np.floor(places).astype(np.int64) - 1, 0, m - 4)
    t = places - first
    weights = np.stack([
        -(t - 1) * (t - 2) * (t - 3) / 6, t * (t - 2) * (t - 3) / 2,
        -t * (t - 1) * (t - 3) / 2, t * (t - 1) * (t - 2) / 6,
    ])  # fmt: skip
    return first, weights


def transition_matrix(drift: Floats, diffusion: Floats, spacing: float, duration: float) -> Floats:
    """Probability to go from each cell to each other one within a duration, shape (m, m).

    Parameters
    ----------
    drift
        Shape (m - 1,): Ito's drift at the faces.
    diffusion
        Shape (2 m - 1,): at cells and faces.
    spacing
        Between cells.
    duration
        Time.

    Notes
    -----
    Rates of Scharfetter and Gummel, IEEE Trans. Electron Devices 16, 64 (1969),
    10.1109/T-ED.1969.16566; the exponential by uniformisation of a small step and squaring, in
    which all terms are positive, so that small probabilities keep their digits.

    Examples
    --------
    >>> chain = transition_matrix(np.zeros(100), np.ones(201), 0.1, 0.1)
    >>> places = 0.1 * np.arange(101)
    >>> round(float(chain[50] @ (places - 5.0) ** 2), 6)
    0.2
    """
    faces, cells = diffusion[1::2], diffusion[::2]
    velocity = drift - np.diff(cells) / spacing
    ratio = np.clip(velocity * spacing / faces, -300.0, 300.0)
    up = faces / spacing**2 * _bernoulli(-ratio)
    down = faces / spacing**2 * _bernoulli(ratio)
    leave = np.zeros(len(cells))
    leave[:-1] += up
    leave[1:] += down
    rate = float(leave.max())
    halvings = max(0, math.ceil(math.log2(max(rate * duration, 1e-12))))
    small = rate * duration / 2.0**halvings
    stay, forth, back = 1.0 - leave / rate, up / rate, down / rate
    power = np.eye(len(cells))
    total = power.copy()
    for k in range(1, JUMPS + 1):
        following = power * stay
        following[:, 1:] += power[:, :-1] * forth
        following[:, :-1] += power[:, 1:] * back
        power = following * (small / k)
        total += power
    total *= math.exp(-small)
    for _ in range(halvings):
        total = total @ total
    return total


def _bernoulli(z: Floats) -> Floats:
    """Return z / (exp(z) - 1), 1 at 0."""
    flat = np.abs(z) < 1e-6
    safe = np.where(flat, 1.0, z)
    result: Floats = np.where(flat, 1.0 - 0.5 * z, safe / np.expm1(safe))
    return result
