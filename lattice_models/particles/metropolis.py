"""Positions in thermal equilibrium by the Metropolis walk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_positive
from physlearn.lattice_models.particles import metropolis_kernels as kernels
from physlearn.lattice_models.particles.interaction import (
    Interaction,
    Particles,
    Term,
    read_particles,
)
from physlearn.lattice_models.particles.start_checks import check_no_overlap, contact
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.long_run import LongRun
from physlearn.records import AtomicConfiguration

__all__ = ["MetropolisSettings", "MetropolisWalk", "sample_positions"]

Float = NDArray[np.float64]
KEPT = ("places", "slots", "inside", "where", "turns", "counts", "numbers", "random_state")
ADAPT_SWEEPS = 10


@dataclass(frozen=True)
class MetropolisSettings:
    """Numbers of the walk.

    Attributes
    ----------
    burn_in_sweeps
        Sweeps (one trial a particle) before the first sample.
    displacement
        Largest move along each axis; None: adapted during the burn-in, then fixed.
    target_acceptance
        Share of accepted moves that the adaptation aims at.

    Raises
    ------
    InputError
        For numbers out of range, or adaptation without a burn-in.

    Examples
    --------
    >>> MetropolisSettings(displacement=0.1).burn_in_sweeps
    1000
    """

    burn_in_sweeps: int = 1000
    displacement: float | None = None
    target_acceptance: float = 0.4

    def __post_init__(self) -> None:
        if self.burn_in_sweeps < 0:
            raise InputError(f"burn_in_sweeps must be at least 0; got {self.burn_in_sweeps}.")
        if self.displacement is not None:
            check_positive("displacement", self.displacement)
        elif self.burn_in_sweeps < ADAPT_SWEEPS:
            raise InputError(
                f"burn_in_sweeps must be at least {ADAPT_SWEEPS} to adapt the displacement; got "
                f"{self.burn_in_sweeps}: give a displacement or a longer burn-in."
            )
        if not 0.0 < self.target_acceptance < 1.0:
            raise InputError(
                f"target_acceptance must lie between 0 and 1; got {self.target_acceptance}."
            )


def sample_positions(
    potential: Term | Sequence[Term],
    start: Any,
    n_samples: int = 100,
    sweeps_between: int = 10,
    *,
    temperature: float = 1.0,
    settings: MetropolisSettings | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> list[AtomicConfiguration]:
    """Sample positions with probability proportional to exp(-energy / kT).

    Metropolis et al. 1953 (doi:10.1063/1.1699114): a particle drawn at random is moved uniformly
    within a cube, and the move is accepted with probability min(1, exp(-change / kT)). The size
    of the cube is adapted during the burn-in only: later moves are reversible.

    Parameters
    ----------
    potential
        A pair potential, PairTable, StillingerWeberAngle or HarmonicTrap, or a sequence of them.
    start
        ``AtomicConfiguration`` (with a rectangular ``cell`` the box is periodic) or array (n, d).
    n_samples, sweeps_between
        Samples to return; sweeps (n trials each) between two of them.
    temperature
        kT in the potential's energy.
    settings
        Burn-in and displacement, see ``MetropolisSettings``.
    rng
        Seed or generator; None draws a seed. It stands in the metadata.
    progress, checkpoint
        Called with (sweeps done, sweeps); a file to go on from after Ctrl-C.

    Returns
    -------
    list of AtomicConfiguration
        Positions inside the box where it is periodic; the metadata name the seed, the
        displacement and the share of accepted moves after the burn-in.

    Raises
    ------
    InputError
        For wrong shapes, overlapping particles (named) or a cutoff beyond half the box.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import HarmonicTrap
    >>> samples = sample_positions(HarmonicTrap(1.0), [[0.0, 0.0]], 5, 20, rng=1)
    >>> len(samples), samples[0].n
    (5, 1)
    """
    chosen = MetropolisSettings() if settings is None else settings
    particles = read_particles(start)
    n_species = int(particles.species.max()) + 1
    interaction = Interaction.of(potential, particles.dimension, n_species)
    particles.check_against(interaction)
    for name, number in (("n_samples", n_samples), ("sweeps_between", sweeps_between)):
        if int(number) != number or number < 1:
            raise InputError(f"{name} must be a whole number of at least 1; got {number!r}.")
    temperature = check_positive("temperature", temperature)
    check_no_overlap(particles, interaction, temperature)
    generator, seed = as_generator(rng)
    walk = MetropolisWalk(particles, interaction, temperature, chosen.displacement)
    walk.random_state[:] = seed_words(generator, (2,))
    identity = {
        "positions": particles.positions, "species": particles.species, "box": particles.box_3,
        "law": np.concatenate([part.ravel() for part in interaction.law]),
        "numbers": walk.numbers, "seed": seed, "target": chosen.target_acceptance,
        "samples": [n_samples, sweeps_between, chosen.burn_in_sweeps],
    }  # fmt: skip
    burn_in = chosen.burn_in_sweeps
    samples = np.zeros((n_samples, *particles.positions.shape))
    total = burn_in + n_samples * sweeps_between
    n_done, adapted = 0, 0
    with LongRun(total, progress=progress, checkpoint=checkpoint, arguments=identity) as run:
        if run.saved is not None:
            walk.restore(run.saved)
            samples[:] = run.saved["samples"]
            n_done, adapted = int(run.saved["n_done"]), int(run.saved["adapted"])

        def arrays() -> dict[str, NDArray[Any]]:
            marks = {"n_done": np.array(n_done), "adapted": np.array(adapted)}
            return {**walk.arrays(), "samples": samples, **marks}

        going = True
        while going and chosen.displacement is None and adapted + ADAPT_SWEEPS <= burn_in:
            going = run.advance_to(adapted + ADAPT_SWEEPS, walk.sweep, arrays)
            if going:
                adapted += ADAPT_SWEEPS
                walk.adapt(chosen.target_acceptance)
        if going and run.advance_to(burn_in, walk.sweep, arrays):
            if n_done == 0:
                walk.forget_acceptance()
            for k in range(n_done, n_samples):
                if not run.advance_to(burn_in + (k + 1) * sweeps_between, walk.sweep, arrays):
                    break
                samples[k] = walk.positions()
                n_done = k + 1
        warnings = run.finish(n_done, n_samples, "samples")
    metadata = {
        "potential": repr(potential), "temperature": temperature, "seed": seed,
        "displacement": float(walk.numbers[1]), "acceptance": walk.acceptance,
    }  # fmt: skip
    species = particles.species if n_species > 1 else None
    return [
        AtomicConfiguration(
            sample, unit=particles.unit, species=species, cell=particles.cell,
            metadata=metadata, warnings=warnings,
        )
        for sample in samples[:n_done]
    ]  # fmt: skip


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
            self.places = np.full((3, n_cells * room), kernels.FAR)
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
        sums = np.zeros(int(self.counts[4]))
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
