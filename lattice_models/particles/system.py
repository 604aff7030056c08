"""All arrays of a moving system in one place: what the kernels change and a checkpoint keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.lattice_models.particles import neighbour_kernels as near_by
from physlearn.lattice_models.particles.aligned import aligned
from physlearn.lattice_models.particles.interaction import Interaction, Particles
from physlearn.lattice_models.particles.motion_kernels import evaluate

__all__ = ["ParticleSystem"]

Float = NDArray[np.float64]
KEPT = (
    "points", "carried", "force", "reference", "names", "group_start", "entries", "ghosts",
    "counts", "random_state",
)  # fmt: skip
MOST_WITHOUT_END = 20000  # their lists take 200 MB
FEW = 64  # up to here every pair is listed, once and for all, where space is open


class ParticleSystem:
    """Particles sorted in space with their lists of neighbours.

    ``skin``: how much further than the cutoff the lists reach; they hold until a particle has
    moved half of it.
    """

    def __init__(
        self, particles: Particles, interaction: Interaction, skin: float | None = None
    ) -> None:
        n, d = particles.positions.shape
        self.interaction, self.box = interaction, particles.box_3
        self.n, self.dimension = n, d
        n_slots = near_by.GROUP * -(-n // near_by.GROUP)
        self.n_slots = n_slots
        self.names = np.zeros((n, 5), dtype=np.int64)
        self.names[:, 0] = np.arange(n)
        if len(interaction.rows) > 1:  # one potential acts between all species alike
            self.names[:, 1] = particles.species
        self.carried = np.zeros((n_slots, 8))
        self.force, self.scratch_force = np.zeros((n_slots, 4)), np.zeros((n_slots, 4))
        self.reference = np.zeros((n_slots, 4))
        self.group_start = np.zeros(n_slots // near_by.GROUP + 1, dtype=np.int64)
        self.entries = np.zeros(2, dtype=np.int32)
        self.ghosts = np.zeros((1, 2), dtype=np.int32)
        self.counts = np.zeros(8, dtype=np.int64)
        self.counts[6] = -1
        self.random_state = np.zeros(2, dtype=np.uint64)
        self.lanes, self.sums = aligned((64,)), np.zeros(4)
        self.near = np.zeros((2, 7))
        self.points = aligned((n_slots + 2, 4), near_by.FAR)
        self.points[:, 3] = 0.0
        self.points[:n, :d] = particles.positions
        self.points[:n, d:] = 0.0
        self.skin = self._choose_skin(skin)
        self.rebuild()

    def _choose_skin(self, skin: float | None) -> float:
        cutoff = self.interaction.cutoff
        if cutoff == 0.0 or not np.isfinite(cutoff) or self._every_pair():
            return float("inf")
        chosen = 0.2 * cutoff if skin is None else skin
        if skin is None and self.n <= FEW:
            chosen = cutoff
        periodic = self.box[self.box > 0.0]
        return float(min(chosen, periodic.min() - cutoff)) if periodic.size else chosen

    def _every_pair(self) -> bool:
        return not self.box.any() and (self.n <= FEW or not np.isfinite(self.interaction.cutoff))

    @property
    def lists(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        """Neighbour lists in the order of the kernels."""
        return self.group_start, self.entries, self.ghosts

    def rebuild(self) -> None:
        """Sort the particles and list their neighbours."""
        if self.interaction.cutoff == 0.0:
            pass
        elif self._every_pair():
            self._list_every_pair()
        else:
            self._sort_and_list()
        self.reference[: self.n] = self.points[: self.n]
        if self.interaction.angle[0] != 0.0:
            self.near = np.zeros((int(np.diff(self.group_start).max()) + 1, 7))

    def _list_every_pair(self) -> None:
        if self.n > MOST_WITHOUT_END:
            raise InputError(
                f"potential has no end and the {self.n} particles would all see each other; give "
                f"it a cutoff (without one at most {MOST_WITHOUT_END} particles)."
            )
        n_groups, even = self.group_start.size - 1, self.n + self.n % 2
        row = np.full(even, len(self.points) - 1, dtype=np.int32)
        row[: self.n] = np.arange(self.n)
        self.entries = np.tile(row, n_groups)
        self.group_start[:] = even * np.arange(n_groups + 1)

    def _sort_and_list(self) -> None:
        n, reach = self.n, self.interaction.cutoff + self.skin
        grid, frame = np.zeros(6, dtype=np.int64), np.zeros(6)
        start = np.zeros(8 * n + 66, dtype=np.int64)
        near_by.sort_particles(
            self.points, self.carried, self.names, self.box, reach, grid, frame, start,
            np.empty((n, 17)),
        )  # fmt: skip
        ghost_of = np.empty((27 if self.box.any() else 1, n), dtype=np.int32)
        while True:
            n_entries, n_ghosts = near_by.list_neighbours(
                self.points, n, self.box, reach, grid, frame, start, self.group_start,
                self.entries, self.ghosts, ghost_of, self.lanes,
            )  # fmt: skip
            if n_entries <= self.entries.size and n_ghosts <= len(self.ghosts):
                break
            if n_entries > self.entries.size:
                self.entries = np.zeros(n_entries + n_entries // 8, dtype=np.int32)
            if n_ghosts > len(self.ghosts):
                self._grow_ghosts(n_ghosts + n_ghosts // 8)
        self.counts[1] = n_ghosts

    def _grow_ghosts(self, size: int) -> None:
        self.ghosts = np.zeros((size, 2), dtype=np.int32)
        points = aligned((self.n_slots + size + 1, 4), near_by.FAR)
        points[:, 3] = 0.0
        points[: self.n_slots] = self.points[: self.n_slots]
        self.points = points

    def energy(self) -> tuple[float, float, float, float]:
        """Pair, three-body and trap energy and the virial sum of r . F; forces stay as they are."""
        evaluate(
            self.points, self.scratch_force, self.names, self.lists, self.interaction.law,
            self.box, self.counts, self.near, self.lanes, self.sums, False,
        )  # fmt: skip
        pair, angle, trap, virial = (float(number) for number in self.sums)
        return pair, angle, trap, virial

    def refresh_forces(self) -> None:
        """Compute the forces at the present places."""
        evaluate(
            self.points, self.force, self.names, self.lists, self.interaction.law,
            self.box, self.counts, self.near, self.lanes, self.sums, True,
        )  # fmt: skip

    def in_order(self, rows: Float) -> Float:
        """Rows of slots as (n, d) in the order of the particles given at the start."""
        ordered = np.empty((self.n, self.dimension))
        ordered[self.names[:, 0]] = rows[: self.n, : self.dimension]
        return ordered

    def positions(self) -> Float:
        """Positions (n, d), continuous in time: not wrapped into the box."""
        turns = self.names[:, 2 : 2 + self.dimension] * self.box[: self.dimension]
        return self.in_order(self.points[: self.n, : self.dimension] + turns)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that a checkpoint must keep."""
        return {name: getattr(self, name) for name in KEPT}

    def restore(self, saved: dict[str, NDArray[Any]]) -> None:
        """Take over what ``arrays`` gave."""
        for name in KEPT:
            setattr(self, name, np.ascontiguousarray(saved[name]).copy())
        if self.interaction.angle[0] != 0.0:
            self.near = np.zeros((int(np.diff(self.group_start).max()) + 1, 7))
