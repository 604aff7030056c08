"""Particles of several species under one potential for all, and under a table of them."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.particles import (
    InversePower,
    LennardJones,
    MetropolisSettings,
    Morse,
    PairTable,
    SplinePotential,
    StillingerWeberAngle,
    StillingerWeberPair,
    Yukawa,
    particle_energy,
    particle_forces,
    particle_pressure,
    sample_positions,
    simulate_langevin,
)
from physlearn.records import AtomicConfiguration

POTENTIALS = {
    "lennard_jones": LennardJones(), "switched": LennardJones(truncation="switch"),
    "morse": Morse(cutoff=2.3), "yukawa": Yukawa(3.0, 0.5, cutoff=2.4),
    "inverse_power": InversePower(exponent=6.0, cutoff=2.1),
    "spline": SplinePotential([0.5, 0.9, 1.2, 1.6, 2.2], [6.0, 1.0, -1.4, -0.6, 0.0]),
    "stillinger_weber": StillingerWeberPair(), "angle": StillingerWeberAngle(),
    "silicon": (StillingerWeberPair(), StillingerWeberAngle()),
    "table of one": PairTable({(0, 0): Morse(cutoff=2.3)}),
}  # fmt: skip
CASES = [name for name in POTENTIALS if name != "table of one"]


def crowd(species):
    x = np.stack(np.meshgrid(*[np.arange(5)] * 3), -1).reshape(-1, 3) * 1.12
    x = x + np.random.default_rng(3).normal(0, 0.05, x.shape)
    codes = None if species is None else np.arange(len(x)) % species
    return AtomicConfiguration(x, unit="reduced", cell=np.eye(3) * 5.6, species=codes)


@pytest.mark.parametrize("name", CASES)
def test_one_potential_for_all_species_is_blind_to_them(name):
    potential, plain, named = POTENTIALS[name], crowd(None), crowd(3)
    energy = particle_energy(potential, plain)
    assert energy != 0.0
    assert particle_energy(potential, named) == energy
    assert np.array_equal(particle_forces(potential, named), particle_forces(potential, plain))
    pressures = [particle_pressure(potential, atoms, temperature=1.0) for atoms in (plain, named)]
    assert pressures[0] == pressures[1]
    paths = [
        simulate_langevin(potential, atoms, 3, 10, time_step=1e-5, rng=1).positions
        for atoms in (plain, named)
    ]  # fmt: skip
    assert np.array_equal(*paths)
    assert np.ptp(paths[0].reshape(3, -1), axis=0).min() > 0.0
    samples = [
        sample_positions(potential, atoms, 2, 3, settings=MetropolisSettings(20), rng=1)
        for atoms in (plain, named)
    ]
    for one, other in zip(*samples, strict=True):
        assert np.array_equal(one.positions, other.positions)
        assert one.species is None
        assert np.array_equal(other.species, named.species)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("angle", "silicon")])
def test_a_table_of_equal_potentials_is_the_potential(name, oracle):
    """Rows of every pair of species, through the indices of the kernels."""
    one = POTENTIALS[name]
    table = PairTable({(a, b): one for a in range(3) for b in range(a, 3)})
    named, wanted = crowd(3), particle_forces(one, crowd(None))
    error = particle_energy(table, named) / particle_energy(one, crowd(None)) - 1
    oracle(f"table of one {name}, energy", error=error, bound=1e-13)
    worst = np.abs(particle_forces(table, named) - wanted).max() / np.abs(wanted).max()
    oracle(f"table of one {name}, forces", error=worst, bound=1e-13)


def test_three_morse_particles_of_one_code():
    """The code of a single potential's particles says nothing: here it is 1 for all three."""
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    atoms = AtomicConfiguration(triangle, unit="reduced", species=[1, 1, 1])
    assert particle_energy(Morse(), atoms) == pytest.approx(-3.0, abs=1e-14)
    assert np.abs(particle_forces(Morse(), atoms)).max() < 1e-13  # the stiffness is 72


@pytest.mark.parametrize("act", [
    lambda table, atoms: particle_energy(table, atoms),
    lambda table, atoms: particle_forces(table, atoms),
    lambda table, atoms: particle_pressure(table, atoms, temperature=1.0),
    lambda table, atoms: simulate_langevin(table, atoms, 2, time_step=1e-5),
    lambda table, atoms: sample_positions(table, atoms, 2),
], ids=["energy", "forces", "pressure", "langevin", "metropolis"])  # fmt: skip
def test_codes_beyond_a_table_are_refused(act):
    two = PairTable({(0, 0): LennardJones(), (0, 1): LennardJones(), (1, 1): LennardJones()})
    for table, held in ((two, 2), (POTENTIALS["table of one"], 1)):
        with pytest.raises(InputError, match=f"has {held} species; the particles have 3"):
            act(table, crowd(3))


def test_a_trajectory_keeps_the_species():
    table = PairTable({(0, 0): LennardJones(), (0, 1): LennardJones(), (1, 1): LennardJones()})
    named = crowd(2)
    path = simulate_langevin(table, named, 2, time_step=1e-5, rng=1)
    assert path.metadata["species"] == named.species.tolist()
    assert "species" not in simulate_langevin(
        LennardJones(), crowd(None), 2, time_step=1e-5, rng=1
    ).metadata  # fmt: skip
