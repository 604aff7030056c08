"""Energy, forces and pressure of one configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.lattice_models.particles.interaction import Term, read_physics
from physlearn.lattice_models.particles.start_checks import check_apart
from physlearn.lattice_models.particles.system import ParticleSystem

__all__ = ["particle_energy", "particle_forces", "particle_pressure"]


def _system(potential: Term | Sequence[Term], configuration: Any) -> ParticleSystem:
    particles, interaction = read_physics(potential, configuration, "configuration")
    check_apart(particles, interaction)
    return ParticleSystem(particles, interaction, skin=1e-3 * (interaction.cutoff or 1.0))


def _finite(number: Any) -> Any:
    """Return energies or forces, refusing what two particles at next to no distance give."""
    if not np.isfinite(number).all():
        raise InputError(
            "configuration has two particles so close that their energy or force is not finite; "
            "move or remove one of them."
        )
    return number


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
        For wrong shapes, NaN, particles at (nearly) one place or a cutoff beyond half the box.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import InversePower
    >>> particle_energy(InversePower(2.0, exponent=1.0), [[0.0, 0.0], [4.0, 0.0]])
    0.5
    """
    pair, angle, trap, _ = _system(potential, configuration).energy()
    return float(_finite(pair + angle + trap))


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
    forces: NDArray[np.float64] = _finite(system.in_order(system.scratch_force))
    return forces


def particle_pressure(
    potential: Term | Sequence[Term], configuration: Any, *, temperature: float
) -> float:
    """Return (n kT + sum over r . F / d) / volume: its mean is the pressure of a periodic box.

    The virial counts the forces inside the cutoff; a potential with ``truncation="cut"`` has a
    jump there whose part of the pressure is not in it.

    Parameters
    ----------
    potential, configuration
        As for ``particle_energy``; the configuration has a cell.
    temperature
        kT.

    Returns
    -------
    float
        Energy / length^d.

    Raises
    ------
    InputError
        For a configuration without a cell, and as ``particle_energy``.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import LennardJones
    >>> from physlearn.records import AtomicConfiguration
    >>> gas = AtomicConfiguration([[1.0, 1.0], [5.0, 5.0]], unit="reduced", cell=np.eye(2) * 8.0)
    >>> particle_pressure(LennardJones(), gas, temperature=2.0)
    0.0625
    """
    system = _system(potential, configuration)
    temperature = check_positive("temperature", temperature)
    box = system.box[: system.dimension]
    if not box.all():
        raise InputError("configuration must have a cell; a pressure needs a volume.")
    virial = _finite(system.energy()[3])
    return float((system.n * temperature + virial / system.dimension) / box.prod())
