"""Positions in thermal equilibrium by the Metropolis walk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_count, check_positive
from physlearn.lattice_models.particles.interaction import Term, read_physics
from physlearn.lattice_models.particles.metropolis_walk import MetropolisWalk
from physlearn.lattice_models.particles.start_checks import check_no_overlap
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.long_run import LongRun
from physlearn.records import AtomicConfiguration
from physlearn.records.shown import full_text

__all__ = ["MetropolisSettings", "sample_positions"]

Float = NDArray[np.float64]
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
        check_count("burn_in_sweeps", self.burn_in_sweeps, 0)
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
        For wrong shapes, overlapping particles (named), an attraction without a core, or a cutoff
        beyond half the box.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import HarmonicTrap
    >>> samples = sample_positions(HarmonicTrap(1.0), [[0.0, 0.0]], 5, 20, rng=1)
    >>> len(samples), samples[0].n
    (5, 1)
    """
    chosen = MetropolisSettings() if settings is None else settings
    particles, interaction = read_physics(potential, start)
    check_count("n_samples", n_samples, 1)
    check_count("sweeps_between", sweeps_between, 1)
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
    total = chosen.burn_in_sweeps + n_samples * sweeps_between
    with LongRun(total, progress=progress, checkpoint=checkpoint, arguments=identity) as run:
        samples, warnings = _samples(run, walk, n_samples, sweeps_between, chosen)
    metadata = {
        "potential": full_text(potential), "temperature": temperature, "seed": seed,
        "displacement": float(walk.numbers[1]), "acceptance": walk.acceptance,
    }  # fmt: skip
    species = particles.species if particles.species.any() else None
    return [
        AtomicConfiguration(
            sample, unit=particles.unit, species=species, cell=particles.cell,
            metadata=metadata, warnings=warnings,
        )
        for sample in samples
    ]  # fmt: skip


def _samples(
    run: LongRun, walk: MetropolisWalk, n_samples: int, between: int, chosen: MetropolisSettings
) -> tuple[Float, tuple[str, ...]]:
    """Positions (n_done, n, d), and what a stopped run warns of; the burn-in adapts first."""
    burn_in, n_done, adapted = chosen.burn_in_sweeps, 0, 0
    samples = np.zeros((n_samples, walk.n, walk.dimension))
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
        if run.done == burn_in:
            walk.forget_acceptance()
        for k in range(n_done, n_samples):
            if not run.advance_to(burn_in + (k + 1) * between, walk.sweep, arrays):
                break
            samples[k] = walk.positions()
            n_done = k + 1
    return samples[:n_done], run.finish(n_done, n_samples, "samples")
