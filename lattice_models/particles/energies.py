"""Energy, forces and pressure of one configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.particles.interaction import Interaction, Term, read_particles
from physlearn.lattice_models.particles.system import ParticleSystem

__all__ = ["particle_energy", "particle_forces"]


def _system(potential: Term | Sequence[Term], configuration: Any) -> ParticleSystem:
    particles = read_particles(configuration, "configuration")
    n_species = int(particles.species.max()) + 1
    interaction = Interaction.of(potential, particles.dimension, n_species)
    particles.check_against(interaction)
    return ParticleSystem(particles, interaction, skin=1e-3 * (interaction.cutoff or 1.0))


def particle_energy(potential: Term | Sequence[Term], configuration: Any) -> float:
    """Return the total potential energy, in the potential's unit.

    Parameters
    ----------
    potential
        A pair potential, PairTable, StillingerWeberAngle or HarmonicTrap, or a sequence of them.
    configuration
        ``AtomicConfiguration`` (with a rectangular ``cell`` the box is periodic) or array (n, d).

    Raises
    ------
    InputError
        For wrong shapes, NaN or a cutoff beyond half the box.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import InversePower
    >>> particle_energy(InversePower(2.0, exponent=1.0), [[0.0, 0.0], [4.0, 0.0]])
    0.5
    """
    pair, angle, trap, _ = _system(potential, configuration).energy()
    return pair + angle + trap


def particle_forces(potential: Term | Sequence[Term], configuration: Any) -> NDArray[np.float64]:
    """Return the force on each particle, minus the gradient of ``particle_energy``.

    Parameters
    ----------
    potential, configuration
        As for ``particle_energy``.

    Returns
    -------
    ndarray
        float64, shape (n, d), energy / length.

    Raises
    ------
    InputError
        As ``particle_energy``.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import InversePower
    >>> particle_forces(InversePower(2.0, exponent=1.0), [[0.0, 0.0], [2.0, 0.0]]).tolist()
    [[-0.5, 0.0], [0.5, 0.0]]
    """
    system = _system(potential, configuration)
    system.energy()
    return system.in_order(system.scratch_force)
