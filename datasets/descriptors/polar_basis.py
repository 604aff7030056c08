"""Laguerre-Gauss functions on a patch's pixels, written as sums of separable ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import NDArray

__all__ = ["PolarBasis", "polar_basis"]

Floats = NDArray[np.float64]
GRID_STEP_PX = 0.5
RINGS_PER_PX = 2.0
MASS_WIDTH = 0.5
"""Width of the Gaussian under which a motif's light is gathered, in half edges of a patch."""
LEAST_APART_PX = 1.5
NEARNESS = 3.0
"""A centre this many reaches away counts exp(-1/2) as much."""
MASS_SAY = 3.0
"""Weight of that light squared against the circular power: 1 to 10 cluster equally well."""


@dataclass(frozen=True, slots=True, eq=False)
class PolarBasis:
    """Functions up to one order, for patches of one shape.

    Attributes
    ----------
    shape
        Rows and columns of a patch.
    order, scale
        Largest n = 2 p + m, and the width of the Gaussian in pixels.
    modes
        (p, m), circular ones (m = 0) first, shape (k, 2).
    n_circular
        How many have m = 0.
    mass
        Weights of c_p0 in the light under a wide Gaussian, times its say in the centre.
    table
        Shape (k, order + 1): weight of h_a(y) h_(n - a)(x); real for even a, imaginary for odd.
    functions
        Complex, (k, rows, columns), about the patch's middle.
    disc
        Weights of the inscribed disc's mean, (rows, columns), sum 1.
    ring_weights
        |function|^2 by distance, (rings, k); ``rings_per_px`` of them a pixel.
    """

    shape: tuple[int, int]
    order: int
    scale: float
    modes: NDArray[np.int64]
    n_circular: int
    mass: Floats
    table: Floats
    functions: NDArray[np.complex128]
    disc: Floats
    ring_weights: Floats
    rings_per_px: float = RINGS_PER_PX
    grids: dict[float, tuple[Floats, NDArray[np.float32]]] = field(default_factory=dict)

    def best_of_grid(self, flat: NDArray[np.float32], reach: float) -> tuple[Floats, Floats]:
        """Return the shift (x, y) from the middle at which each patch is most circular, (n, 2).

        And the best of those 1.5 pixels or more away from it, which noise could have made the best.
        """
        if reach not in self.grids:
            self.grids[reach] = self._grid(reach)
        shifts, functions = self.grids[reach]
        parts = flat.reshape(len(flat), -1) @ functions
        parts *= parts
        power = parts.reshape(len(flat), len(shifts), self.n_circular + 1).sum(axis=2)
        # of two centres that are equally good the nearer one; Newton steps know nothing of this
        power *= np.exp(-0.5 * (shifts**2).sum(axis=1) / (NEARNESS * reach) ** 2)
        best = np.argmax(power, axis=1)
        apart = np.hypot(*(shifts[:, None] - shifts[None]).transpose(2, 0, 1)) >= LEAST_APART_PX
        second = np.argmax(np.where(apart[best], power, -1.0), axis=1)
        return shifts[best], shifts[second]

    def _grid(self, reach: float) -> tuple[Floats, NDArray[np.float32]]:
        """Return shifts within reach, nearest first, and the circular functions at each."""
        steps = np.arange(-int(reach / GRID_STEP_PX), int(reach / GRID_STEP_PX) + 1)
        y, x = (GRID_STEP_PX * each.ravel() for each in np.meshgrid(steps, steps, indexing="ij"))
        near = np.argsort(np.hypot(x, y), kind="stable")
        near = near[np.hypot(x, y)[near] <= reach + 1e-9]
        shifts = np.stack([x[near], y[near]], axis=1)
        middle = 0.5 * (np.array(self.shape) - 1)
        functions = [
            oscillator_functions(
                self.shape, (middle[1] + dx, middle[0] + dy), self.scale,
                self.modes[: self.n_circular], self.table,
            ).real
            for dx, dy in shifts
        ]  # fmt: skip
        functions = [
            np.concatenate([each, np.tensordot(self.mass, each, 1)[None]]) for each in functions
        ]
        stacked = np.concatenate(functions).reshape(len(shifts) * (self.n_circular + 1), -1)
        return shifts, np.ascontiguousarray(stacked.T, dtype=np.float32)


@lru_cache(maxsize=16)
def polar_basis(shape: tuple[int, int], order: int, fill: float) -> PolarBasis:
    """Return the functions whose outermost turning point lies at ``fill`` of the half edge."""
    modes = [(p, 0) for p in range(order // 2 + 1)]
    modes += [(p, m) for m in range(1, order + 1) for p in range((order - m) // 2 + 1)]
    numbers = np.array(modes, dtype=np.int64)
    table = np.zeros((len(modes), order + 1))
    for k, (p, m) in enumerate(modes):
        table[k, : 2 * p + m + 1] = _shell_weights(p, m)
    half = 0.5 * min(shape)
    scale = fill * half / np.sqrt(2 * order + 1)
    middle = 0.5 * (np.array(shape) - 1)
    functions = oscillator_functions(shape, (middle[1], middle[0]), scale, numbers, table)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(rows - middle[0], columns - middle[1])
    disc = np.clip(half - distance + 0.5, 0.0, 1.0)
    rings = np.arange(int(np.ceil(RINGS_PER_PX * np.hypot(*shape))) + 2) / RINGS_PER_PX
    along = oscillator_functions((1, len(rings)), (0.0, 0.0), scale, numbers, table, rings)
    return PolarBasis(
        shape, order, float(scale), numbers, order // 2 + 1,
        _mass_weights(order // 2 + 1, scale, half), table, functions,
        disc / disc.sum(), np.abs(along[:, 0, :].T) ** 2,
    )  # fmt: skip


def _mass_weights(n_circular: int, scale: float, half: float) -> Floats:
    """Return weights of c_p0 in the light under the wide Gaussian, times the root of its say."""
    wide = (MASS_WIDTH * half) ** 2
    share = (wide - scale**2) / (wide + scale**2)
    weights = share ** np.arange(n_circular)
    return np.asarray(np.sqrt(MASS_SAY) * weights / np.linalg.norm(weights))


def _shell_weights(p: int, m: int) -> Floats:
    """Return the weights of h_a(y) h_(n-a)(x) in the function (p, m): (X - iY)^(p+m) (X + iY)^p."""
    n = 2 * p + m
    polynomial = np.ones(1, dtype=np.complex128)
    for sign in [-1j] * (p + m) + [1j] * p:
        polynomial = np.convolve(polynomial, [1.0, sign])
    norm = np.sqrt(2.0**n * factorial(p + m) * factorial(p))
    a = np.arange(n + 1)
    roots = np.sqrt([float(factorial(int(k)) * factorial(n - int(k))) for k in a])
    weights = polynomial * roots / norm
    return np.asarray(np.where(a % 2 == 0, weights.real, weights.imag))


def oscillator_functions(
    shape: tuple[int, int],
    center: tuple[float, float],
    scale: float,
    modes: NDArray[np.int64],
    table: Floats,
    columns: Floats | None = None,
) -> NDArray[np.complex128]:
    """Return conj(R_pm exp(i m theta)) at the pixels, (k, rows, columns), centred at (x, y)."""
    order = int((2 * modes[:, 0] + modes[:, 1]).max())
    along_x = _hermite((np.arange(shape[1]) if columns is None else columns) - center[0],
                       scale, order)  # fmt: skip
    along_y = _hermite(np.arange(shape[0]) - center[1], scale, order)
    result = np.zeros((len(modes), *shape), dtype=np.complex128)
    for k, (p, m) in enumerate(modes):
        n = 2 * p + m
        for a in range(n + 1):
            unit = 1.0 if a % 2 == 0 else 1j
            result[k] += unit * table[k, a] * np.outer(along_y[a], along_x[n - a])
    return result


def _hermite(place: NDArray[np.floating], scale: float, order: int) -> Floats:
    """Return the orthonormal Hermite functions of place / scale, (order + 1, n)."""
    u = np.asarray(place, dtype=np.float64) / scale
    result = [np.pi**-0.25 * np.exp(-0.5 * u * u) / np.sqrt(scale)]
    for a in range(order):
        before = result[a - 1] if a else np.zeros_like(u)
        result.append(np.sqrt(2.0 / (a + 1)) * u * result[a] - np.sqrt(a / (a + 1)) * before)
    return np.array(result)
