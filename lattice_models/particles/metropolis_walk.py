"""The state of a Metropolis walk of particles, and its sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.particles import metropolis_kernels as kernels
from physlearn.lattice_models.particles.aligned import aligned
from physlearn.lattice_models.particles.interaction import Interaction, Particles
from physlearn.lattice_models.particles.start_checks import contact

__all__ = ["MetropolisWalk"]

Float = NDArray[np.float64]
KEPT = ("places", "slots", "inside", "where", "turns", "counts", "numbers", "random_state")


class MetropolisWalk:
    """State of a walk: particles in cells, displacement and random numbers."""

    def __init__(
        self,
        particles: Particles,
        interaction: Interaction,
        temperature: float,
        displacement: float | None = None,
    ) -> None:
        n, d = particles.positions.shape
        self.n, self.dimension = n, d
        self.interaction, self.box, self.species = interaction, particles.box_3, particles.species
        places = np.zeros((n, 3))
        places[:, :d] = particles.positions
        if particles.box is not None:
            places[:, :d] -= np.floor(places[:, :d] / particles.box) * particles.box
        self.turns = np.zeros((n, 3), dtype=np.int64)
        self.where = np.zeros(n, dtype=np.int64)
        self.random_state = np.ones(2, dtype=np.uint64)
        self.counts = np.zeros(8, dtype=np.int64)
        self.counts[3], self.counts[4] = d, 8
        self.largest_step = self._scale(temperature)
        first = 0.1 * self.largest_step if displacement is None else displacement
        self.numbers = np.array([temperature, first])
        self.frame = self._choose_cells(places)
        self.web = self._cells_around()
        self._fill(places)

    def _scale(self, temperature: float) -> float:
        """Length of which a tenth is a sensible first displacement."""
        lengths = []
        if self.interaction.pairs is not None:
            for potential in self.interaction.pairs.potentials.values():
                lengths.append(contact(potential, temperature)[0])
        stiffest = self.interaction.trap[:3].max()
        if stiffest > 0.0:
            lengths.append(10.0 * np.sqrt(temperature / stiffest))
        lengths.append(float(self.interaction.angle[3]))
        known = [length for length in lengths if length > 0.0]
        return float(min(known)) if known else 1.0

    def _choose_cells(self, places: Float) -> Float:
        frame = np.zeros(6)
        low, high = places.min(axis=0), places.max(axis=0)
        low, high = np.where(self.box > 0, 0.0, low), np.where(self.box > 0, self.box, high)
        length, cutoff = high - low, self.interaction.cutoff
        if cutoff == 0.0 or not np.isfinite(cutoff):
            cutoff = max(float(length.max()), 1.0)
        shape = np.maximum((length / cutoff).astype(np.int64), 1)
        while shape.prod() > 4 * self.n + 64:  # mostly empty space: fewer, larger cells
            shape = np.maximum(shape * 3 // 4, 1)
        frame[:3] = low
        frame[3:] = np.where(length > 0.0, shape / np.where(length > 0.0, length, 1.0), 0.0)
        self.counts[5:8] = shape
        return frame

    def _cells_around(self) -> tuple[NDArray[np.int32], NDArray[np.int8], Float]:
        """Cells that touch a cell (itself too), -1 behind them, and how the box moves each."""
        shape = self.counts[5:8]
        cells = np.stack(np.unravel_index(np.arange(shape.prod()), tuple(shape)), axis=1)
        steps = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), axis=1) - 1
        there = cells[:, None] + steps
        turns = there // shape
        there -= turns * shape
        around = (there[..., 0] * shape[1] + there[..., 1]) * shape[2] + there[..., 2]
        absent = ((turns != 0) & (self.box == 0.0)).any(axis=2)
        around[absent] = -1
        order = np.argsort(absent, axis=1, kind="stable")
        code = ((turns + 1) * (9, 3, 1)).sum(axis=2)
        return (
            np.take_along_axis(around, order, axis=1).astype(np.int32),
            np.take_along_axis(code, order, axis=1).astype(np.int8),
            steps * self.box,
        )

    def _fill(self, places: Float) -> None:
        """Put the particles into cells with room for the fullest and some more."""
        n_cells = int(self.counts[5:8].prod())
        self.inside = np.zeros(n_cells, dtype=np.int64)
        while True:
            room = int(self.counts[4])
            self.places = aligned((3, n_cells * room), kernels.FAR)
            self.slots = np.zeros((n_cells * room, 2), dtype=np.int32)
            most = kernels.fill_cells(
                places, self.species, self.places, self.slots, self.inside, self.where,
                self.frame, self.counts,
            )  # fmt: skip
            if most < room:
                break
            self.counts[4] = 8 * (most // 8 + 1)
        self._make_scratch()

    def _make_scratch(self) -> None:
        near, far = np.zeros((self.n + 1, 4)), np.zeros((self.n + 1, 4))
        sums = aligned((int(self.counts[4]),))
        self.scratch = (sums, near, far, np.zeros(9))

    def _unsorted(self) -> Float:
        return self.places[:, self.where].T.copy()

    def sweep(self, n: int) -> None:
        """Do n sweeps of as many trials as there are particles."""
        self.counts[1] = self.counts[0] + n * self.n
        while True:
            ended = kernels.metropolis_trials(
                self.places, self.slots, self.inside, self.where, self.turns,
                self.interaction.law, self.box, self.frame, self.numbers, self.counts,
                self.random_state, self.scratch, self.web,
            )  # fmt: skip
            if ended == kernels.DONE:
                return
            self.counts[4] += 8
            self._fill(self._unsorted())

    def adapt(self, target: float) -> None:
        """Change the displacement towards the target acceptance, and count anew."""
        longest = self.box[self.box > 0.0].min() / 2 if self.box.any() else np.inf
        factor = float(np.clip(np.exp(2.0 * (self.acceptance - target)), 0.5, 2.0))
        self.numbers[1] = min(self.numbers[1] * factor, longest, 1e3 * self.largest_step)
        self.forget_acceptance()

    def forget_acceptance(self) -> None:
        """Count accepted moves from here on."""
        self.counts[0] = self.counts[1] = self.counts[2] = 0

    @property
    def acceptance(self) -> float:
        """Share of accepted trials since the count began."""
        return float(self.counts[2] / max(int(self.counts[0]), 1))

    def positions(self) -> Float:
        """Positions (n, d), inside the box where it is periodic."""
        return self._unsorted()[:, : self.dimension]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that a checkpoint must keep."""
        return {name: getattr(self, name) for name in KEPT}

    def restore(self, saved: dict[str, NDArray[Any]]) -> None:
        """Take over what ``arrays`` gave."""
        for name in KEPT:
            setattr(self, name, np.ascontiguousarray(saved[name]).copy())
        self._make_scratch()
