"""The tabulated Metropolis walk: energies, equilibrium, and that compiling changes nothing."""

import inspect

import numpy as np
import pytest
from snapshot_pairs import CUTOFF, LENGTH, boltzmann, grid

from physlearn.inference.configurations import snapshot_kernels as kernels
from physlearn.inference.configurations.partition_samples import PartitionSamples
from physlearn.inference.configurations.snapshot_chain import SnapshotChain
from physlearn.inference.configurations.snapshot_energies import SnapshotEnergies, ThreeBody
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.lattice_models import random_numbers
from physlearn.lattice_models.particles import StillingerWeberAngle, particle_energy
from physlearn.records import AtomicConfiguration

ANGLE = StillingerWeberAngle(2.0, -0.5, 0.8, 1.5)


def spread_out(n, d, box, rng):
    """Particles at least 0.85 apart."""
    places = [rng.random(d) * box]
    while len(places) < n:
        fresh = rng.random(d) * box
        gap = np.array(places) - fresh
        gap -= np.round(gap / box) * box
        if (np.linalg.norm(gap, axis=1) > 0.85).all():
            places.append(fresh)
    return np.array(places)


def interpolation_error(counts, vector):
    """Bound of what straight lines between nodes miss: an eighth of the second differences."""
    bent = np.abs(np.convolve(vector[:-1], [1.0, -2.0, 1.0], mode="same"))
    wide = np.maximum.reduce([bent, np.roll(bent, 1), np.roll(bent, -1)])
    return float(counts[:-1] @ wide) / 8 + 1e-6


def chain_of(energies, places, species, box, seed=1, **more):
    return SnapshotChain(energies, places, species, box, np.random.default_rng(seed), **more)


@pytest.mark.parametrize(("d", "q", "periodic", "angle"), [
    (2, 1, True, False), (2, 2, True, False), (3, 1, True, True), (2, 1, False, True),
    (3, 2, False, False),
])  # fmt: skip
def test_counts_give_the_energy(d, q, periodic, angle):
    rng = np.random.default_rng(3)
    box = np.array([6.3, 7.1, 6.5])[:d]
    places = spread_out(40, d, box, rng)
    species = rng.integers(0, q, 40)
    species[0] = q - 1
    family = make_interaction("morse", q, length=1.0, cutoff=2.2)
    energies = SnapshotEnergies(family, ThreeBody(ANGLE) if angle else None)
    theta = family.prior_mean + 0.3 * rng.standard_normal(family.n_parameters)
    start = AtomicConfiguration(
        places, unit="reduced", species=species, cell=np.diag(box) if periodic else None
    )
    wanted = particle_energy(family.potential(theta), start)
    if angle:
        wanted += particle_energy(ANGLE, start)
        theta = np.append(theta, ANGLE.strength)
    chain = chain_of(energies, places, species, box if periodic else None)
    vector = energies.vector(theta)
    found = chain.statistics()
    assert found @ vector == pytest.approx(wanted, abs=interpolation_error(found, vector))
    chain.settle(vector, 20)
    there = AtomicConfiguration(chain.positions, unit="reduced", species=species,
                                cell=start.cell)  # fmt: skip
    wanted = particle_energy(family.potential(theta[: family.n_parameters]), there)
    if angle:
        wanted += particle_energy(ANGLE, there)
    found = chain.statistics()
    assert found @ vector == pytest.approx(wanted, abs=interpolation_error(found, vector))


def test_two_particles_reach_equilibrium_and_log_z_is_their_integral(oracle):
    family = make_interaction("lennard_jones", length=1.0, cutoff=CUTOFF)
    energies = SnapshotEnergies(family)
    thetas = np.array([[0.0, 0.0], [0.7, 0.02], [1.2, -0.02]])
    box = np.array([LENGTH, LENGTH])
    chain = chain_of(energies, np.array([[0.1, 0.1], [1.5, 1.5]]), np.zeros(2, int), box)
    samples = PartitionSamples()
    for theta in thetas:
        vector = energies.vector(theta)
        chain.settle(vector, 200)
        counts = chain.record(vector, 1600, 20)
        samples.add(vector, counts)
        weight, _ = boltzmann(family, theta)
        u = family.potential(theta).value(np.linalg.norm(grid(), axis=-1).ravel())
        share = weight.ravel() / weight.sum()
        exact = share @ np.minimum(u, 700.0)
        energy = counts.astype(float) @ vector
        spread = energy.reshape(40, -1).mean(axis=1).std(ddof=1) / np.sqrt(40)
        oracle(f"energy at {theta}", z=(energy.mean() - exact) / spread)
    samples.solve()
    found = samples.log_partition(np.array(samples.vectors))[0]
    exact = np.log([boltzmann(family, theta)[1] for theta in thetas])
    gap = (found - found[0]) - (exact - exact[0])
    oracle("log Z", error=np.abs(gap).max(), bound=0.1)  # 4 errors of 1,600 samples


def test_tethers_walls_and_frozen_particles(oracle):
    family = make_interaction("lennard_jones", length=0.5, cutoff=1.0)
    energies = SnapshotEnergies(family)
    box = np.array([9.0, 9.0])
    places = np.array([[1.5, 1.5], [4.5, 4.5], [7.5, 7.5]])
    sd = np.array([[0.2, 0.2], [0.05, 0.05], [0.0, 0.0]])
    chain = chain_of(energies, places, np.zeros(3, int), box, tether_sd=sd,
                     frozen=np.array([False, False, True]))  # fmt: skip
    vector = energies.vector(family.prior_mean)
    chain.settle(vector, 100)
    seen = []
    for _ in range(4000):
        chain.sweep(vector, 10)
        seen.append(chain.positions)
    seen = np.array(seen)
    assert (seen[:, 2] == places[2]).all()
    for k, (wanted, own) in enumerate(zip((0.2, 0.05), (0, 1), strict=True)):
        away = (seen[:, own] - places[own]) / wanted
        pieces = (away**2).reshape(40, -1).mean(axis=1)
        oracle(f"tether {k}", z=(pieces.mean() - 1) / (pieces.std(ddof=1) / np.sqrt(40)))
    held = chain_of(energies, places[:1], np.zeros(1, int), None, 4,
                    walls=np.array([[1.0, 1.0], [2.0, 3.0]]))  # fmt: skip
    held.settle(vector, 50)
    seen = []
    for _ in range(2000):
        held.sweep(vector, 30)
        seen.append(held.positions[0])
    share = (np.array(seen) - 1.0) / (1.0, 2.0)
    assert share.min() >= 0 and share.max() <= 1
    pieces = share.reshape(40, -1, 2).mean(axis=1)
    oracle("between walls", z=(pieces[:, 0].mean() - 0.5) / (pieces[:, 0].std() / np.sqrt(39)))


def test_compiling_changes_nothing():
    family = make_interaction("lennard_jones", 2, length=1.0, cutoff=2.0)
    energies = SnapshotEnergies(family, ThreeBody(ANGLE))
    rng = np.random.default_rng(2)
    places = spread_out(16, 2, np.array([6.1, 6.1]), rng)
    vector = energies.vector(np.append(family.prior_mean, 0.7))
    one, two = (chain_of(energies, places, np.arange(16) % 2, np.array([6.1, 6.1])) for _ in "ab")
    one.sweep(vector, 2)
    kernels.sweep_particles.py_func(
        two.x, two.species, (two.frozen, two.inside), energies.law(vector), two.space, two.hold,
        two.step, two.counts, two.random_state, 2,
    )  # fmt: skip
    assert np.allclose(one.x, two.x, atol=1e-9)
    assert (one.random_state == two.random_state).all()
    counts = np.zeros(len(vector))
    law = (counts, energies.scales, energies.kinds, energies.angle)
    counts[-1] = kernels.add_statistics.py_func(
        two.x, two.species, two.frozen, law, two.space, counts[:-1]
    )
    assert np.allclose(counts, one.statistics(), atol=1e-9)


def test_random_numbers_are_the_one_copy():
    for name in ("next_word", "uniform"):
        texts = [inspect.getsource(getattr(module, name).py_func)
                 for module in (kernels, random_numbers)]  # fmt: skip
        assert texts[0].split('"""')[2] == texts[1].split('"""')[2]
