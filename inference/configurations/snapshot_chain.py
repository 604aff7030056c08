"""A Metropolis chain of configurations, free or tied to what was seen, kept as counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.configurations import snapshot_kernels as kernels
from physlearn.inference.configurations.snapshot_energies import N_NODES, SnapshotEnergies
from physlearn.lattice_models.random_numbers import seed_words

__all__ = ["SnapshotChain"]

Float = NDArray[np.float64]
TARGET = 0.4


class SnapshotChain:
    """State of one chain.

    Parameters
    ----------
    energies
        The family on its grid.
    positions, species, box
        As of a snapshot; box None where open.
    frozen
        bool, shape (n,): particles that stay where they are.
    walls, inside
        (2, d), between which the particles ``inside``, shape (n,), may move; None: all, anywhere.
    tether_sd
        (n, d), standard deviation of a Gaussian tether to the first place; 0: none.
    """

    def __init__(
        self,
        energies: SnapshotEnergies,
        positions: Float,
        species: NDArray[np.int64],
        box: Float | None,
        rng: np.random.Generator,
        *,
        frozen: NDArray[np.bool_] | None = None,
        walls: Float | None = None,
        inside: NDArray[np.bool_] | None = None,
        tether_sd: Float | None = None,
    ) -> None:
        n, d = positions.shape
        self.energies, self.n, self.dimension = energies, n, d
        self.x = np.zeros((n, 3))
        self.x[:, :d] = positions
        self.species = np.ascontiguousarray(species, dtype=np.int64)
        self.frozen = np.zeros(n, dtype=bool) if frozen is None else frozen
        self.inside = np.ones(n, dtype=bool) if inside is None else inside
        periods = np.zeros(3)
        if box is not None:
            periods[:d] = box
            self.x[:, :d] -= np.floor(self.x[:, :d] / box) * box
        limits = np.array([[-np.inf] * 3, [np.inf] * 3])
        if walls is not None:
            limits[:, :d] = walls
        stiffness = np.zeros((n, 3))
        if tether_sd is not None:
            held = tether_sd > 0.0
            stiffness[:, :d][held] = tether_sd[held] ** -2.0
        self.hold = (stiffness, self.x.copy())
        first, held = 0.05 * energies.reach, stiffness > 0.0
        if held[~self.frozen, :d].all():
            first = min(first, 1.5 * float(np.median(stiffness[held] ** -0.5)))
        self.step = np.array([first])
        self.longest = 0.25 * energies.reach
        self.counts = np.array([0, 0, d], dtype=np.int64)
        self.random_state = seed_words(rng, (2,))
        self.space = (periods, limits, *self._choose_cells(periods))

    def _choose_cells(self, box: Float) -> tuple[NDArray[np.int64], Float]:
        """Return the number of cells along each axis, and where they are."""
        low, high = np.where(box > 0, 0.0, self.x.min(axis=0)), self.x.max(axis=0)
        # no narrower than a cell, or the random offset would not move its walls far enough
        length = np.where(box > 0, box, np.maximum(high - low, self.energies.cell_width))
        shape = np.maximum((length / self.energies.cell_width).astype(np.int64), 1)
        while shape.prod() > 4 * self.n + 64:  # mostly empty space: fewer, larger cells
            shape = np.maximum(shape * 3 // 4, 1)
        # one more where open: the grid is moved back by up to one cell
        more = np.where((box > 0) | (np.arange(3) >= self.dimension), 0, 1)
        extent = np.stack([low, length * (shape + more) / shape])
        return shape + more, extent

    @property
    def positions(self) -> Float:
        """Places (n, d), inside the box where it is periodic."""
        return self.x[:, : self.dimension].copy()

    def sweep(self, vector: Float, n_sweeps: int) -> None:
        """Try to move every particle a few times in each of ``n_sweeps`` sweeps."""
        kernels.sweep_particles(
            self.x, self.species, (self.frozen, self.inside), self.energies.law(vector), self.space,
            self.hold, self.step, self.counts, self.random_state, n_sweeps,
        )  # fmt: skip

    def settle(self, vector: Float, n_sweeps: int) -> None:
        """Burn in, the displacement adapted every fifth sweep."""
        for _ in range(max(n_sweeps // 5, 1)):
            self.counts[:2] = 0
            self.sweep(vector, 5)
            share = self.counts[1] / max(int(self.counts[0]), 1)
            self.step[0] *= float(np.clip(np.exp(share - TARGET), 0.6, 1.5))
            self.step[0] = min(self.step[0], self.longest)

    def statistics(self) -> Float:
        """Return the counts of the present configuration, shape (n_kinds (G + 3) + 1,)."""
        out = np.zeros(self.energies.n_kinds * (N_NODES + 3) + 1)
        law = (out, self.energies.scales, self.energies.kinds, self.energies.angle)
        out[-1] = kernels.add_statistics(
            self.x, self.species, self.frozen, law, self.space, out[:-1]
        )
        return out

    def record(self, vector: Float, n_records: int, between: int) -> NDArray[np.float32]:
        """Return the counts of ``n_records`` configurations, ``between`` sweeps apart."""
        out = np.empty((n_records, self.energies.n_kinds * (N_NODES + 3) + 1), dtype=np.float32)
        for k in range(n_records):
            self.sweep(vector, between)
            out[k] = self.statistics()
        return out
