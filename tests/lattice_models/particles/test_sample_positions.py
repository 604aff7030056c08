"""Samples of positions: what their record says, their runs, a published fluid, and refusals."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models.particles import (
    HarmonicTrap,
    LennardJones,
    MetropolisSettings,
    Yukawa,
    particle_energy,
    sample_positions,
)
from physlearn.lattice_models.particles.interaction import Interaction, read_particles
from physlearn.lattice_models.particles.metropolis_walk import MetropolisWalk
from physlearn.records import AtomicConfiguration

KT = 1.3


def walk_of(potential, x, *, cell=None, temperature=KT, displacement=0.5, rng=1, species=None):
    atoms = AtomicConfiguration(x, unit="reduced", cell=cell, species=species)
    particles = read_particles(atoms)
    n_species = int(particles.species.max()) + 1
    interaction = Interaction.of(potential, particles.dimension, n_species)
    walk = MetropolisWalk(particles, interaction, temperature, displacement)
    walk.random_state[:] = np.random.default_rng(rng).integers(1, 2**64, 2, dtype=np.uint64)
    return walk


def fluid(density, n, cutoff, chain, sweeps, rng=0):
    """Energy per particle of a Lennard-Jones fluid at kT = .85 with the tail correction."""
    box = (n / density) ** (1 / 3)
    per_side = int(np.ceil((n / 4) ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(per_side)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    x = ((grid + base).reshape(-1, 3) * box / per_side)[:n]
    potential = LennardJones(cutoff=cutoff, truncation="cut")
    walk = walk_of(potential, x, cell=np.eye(3) * box, temperature=0.85, displacement=0.17,
                   rng=(chain, rng))  # fmt: skip
    walk.numbers[0] = 4.0  # melt the crystal of the start
    walk.sweep(60)
    walk.numbers[0] = 0.85
    if density < 0.1:
        walk.numbers[1] = 0.5 * box
    walk.sweep(max(sweeps // 4, 200))
    energies = []
    for _ in range(sweeps // 10):
        walk.sweep(10)
        atoms = AtomicConfiguration(walk.positions(), unit="reduced", cell=np.eye(3) * box)
        energies.append(particle_energy(potential, atoms) / n)
    tail = 8 / 3 * np.pi * density * (cutoff**-9 / 3 - cutoff**-3)
    return np.mean(energies) + tail


@pytest.mark.parametrize(("density", "published", "error", "sweeps"), [
    (0.001, -1.0317e-2, 2.2e-5, 300),
    (0.776, -5.5121, 4.6e-4, 600),
])  # fmt: skip
def test_published_energy_of_the_fluid(density, published, error, sweeps, oracle):
    """NIST Standard Reference Simulation, Monte Carlo, T* = .85, N = 500, cutoff 3 with tail."""
    chains = [fluid(density, 500, 3.0, chain, sweeps) for chain in range(6)]
    z = (np.mean(chains) - published) / np.hypot(np.std(chains, ddof=1) / np.sqrt(6), error)
    oracle(f"published fluid (NIST), density {density}", z=z)


@pytest.mark.slow
def test_published_energy_of_the_fluid_long(oracle):
    for density, published, error in ((0.776, -5.5121, 4.6e-4), (0.86, -6.0305, 2.3e-4)):
        chains = [fluid(density, 500, 3.0, chain, 20000, rng=1) for chain in range(10)]
        spread = np.std(chains, ddof=1) / np.sqrt(10)
        oracle(f"published fluid (NIST), density {density}, long",
               z=(np.mean(chains) - published) / np.hypot(spread, error))  # fmt: skip


def crowd(periodic=True, dimension=3, n=60, rng=3):
    side = int(np.ceil(n ** (1 / dimension)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * dimension), -1).reshape(-1, dimension)[:n]
    x = grid * 1.12 + np.random.default_rng(rng).normal(0, 0.05, grid.shape)
    return x, (np.eye(dimension) * max(side * 1.12, 5.1) if periodic else None)


def test_runs_in_two_threads_are_the_runs_one_by_one():
    x, cell = crowd()
    start = AtomicConfiguration(x, unit="reduced", cell=cell)

    def run(seed):
        settings = MetropolisSettings(100)
        samples = sample_positions(LennardJones(), start, 4, 50, settings=settings, rng=seed)
        return np.stack([sample.positions for sample in samples])

    one_by_one = [run(seed) for seed in (1, 2, 1, 3)]
    with ThreadPoolExecutor(2) as threads:
        side_by_side = list(threads.map(run, (1, 2, 1, 3)))
    for one, other in zip(one_by_one, side_by_side, strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(one_by_one[0], one_by_one[1])


def test_adaptation_reaches_its_aim_and_stops():
    x, cell = crowd()
    samples = sample_positions(
        LennardJones(), AtomicConfiguration(x, unit="reduced", cell=cell), 40, 10,
        settings=MetropolisSettings(600, target_acceptance=0.3), rng=4,
    )  # fmt: skip
    assert samples[0].metadata["acceptance"] == pytest.approx(0.3, abs=0.05)
    assert len({s.metadata["displacement"] for s in samples}) == 1
    inside = np.stack([s.positions for s in samples])
    assert inside.min() >= 0 and (inside <= np.diag(cell)).all()


def test_reported_acceptance_is_that_of_equilibrium(oracle):
    """A far start accepts half of all moves on its way in; that must not be counted."""
    stiffness, reach = 100.0, 0.5
    found = []
    for seed in range(8):
        sample = sample_positions(
            HarmonicTrap(stiffness), [[1500.0, 0.0]], 1, 20_000, temperature=KT,
            settings=MetropolisSettings(20_000, displacement=reach), rng=seed,
        )[0]  # fmt: skip
        found.append(sample.metadata["acceptance"])
    generator = np.random.default_rng(1)
    x = generator.normal(0.0, np.sqrt(KT / stiffness), (1_000_000, 2))
    y = x + generator.uniform(-reach, reach, x.shape)
    rise = stiffness / 2 * ((y**2).sum(axis=1) - (x**2).sum(axis=1)) / KT
    exact = np.minimum(1.0, np.exp(-rise)).mean()
    error = np.std(found, ddof=1) / np.sqrt(8)
    oracle("reported acceptance", p=2 * stats.t.sf(abs(np.mean(found) - exact) / error, 7))


def test_same_seed_and_a_stopped_run_goes_on(tmp_path):
    x, cell = crowd()
    start = AtomicConfiguration(x, unit="nm", cell=cell)
    call = {"settings": MetropolisSettings(100), "rng": 8}
    whole = sample_positions(LennardJones(), start, 6, 20, **call)
    again = sample_positions(LennardJones(), start, 6, 20, **call)
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(whole, again, strict=True))
    assert whole[0].unit == "nm" and np.array_equal(whole[0].cell, cell)
    for after in (40, 130):  # within the burn-in and after it
        path = tmp_path / f"{after}.npz"

        def press(done, total, after=after):
            if done > after:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt, match="goes on from there"):
            sample_positions(LennardJones(), start, 6, 20, **call, checkpoint=path, progress=press)
        resumed = sample_positions(LennardJones(), start, 6, 20, **call, checkpoint=path)
        for a, b in zip(whole, resumed, strict=True):
            assert np.array_equal(a.positions, b.positions)
            assert a.metadata == b.metadata


@pytest.mark.parametrize(("call", "said"), [
    (lambda: sample_positions(LennardJones(), [[0, 0], [3, 3], [0.1, 0]]),
     "particles 0 and 2 overlap: their distance 0.1"),
    (lambda: sample_positions(LennardJones(), AtomicConfiguration(
        [[0.0, 0.0]], unit="reduced", cell=np.eye(2) * 4)), "cutoff 2.5 must not exceed half"),
    (lambda: sample_positions(Yukawa(), [[0.0, 0.0]], 0), "n_samples must be"),
    (lambda: sample_positions(Yukawa(), [[0.0, 0.0]], temperature=0.0), "temperature must be"),
    (lambda: sample_positions(Yukawa(), [[np.inf, 0.0]]), "start must hold finite"),
    (lambda: MetropolisSettings(5), "to adapt the displacement; got 5"),
    (lambda: MetropolisSettings(displacement=-1.0), "displacement must be"),
    (lambda: MetropolisSettings(target_acceptance=1.0), "between 0 and 1"),
    (lambda: MetropolisSettings(-3, displacement=1.0), "burn_in_sweeps must be a whole"),
])  # fmt: skip
def test_refusals(call, said):
    with pytest.raises(InputError, match=said):
        call()
