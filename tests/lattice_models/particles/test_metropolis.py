"""The Metropolis walk against exact distributions, virial coefficients and a published fluid."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from physlearn.lattice_models.particles import (
    HarmonicTrap,
    InversePower,
    LennardJones,
    MetropolisSettings,
    Morse,
    PairTable,
    SplinePotential,
    StillingerWeberAngle,
    StillingerWeberPair,
    Yukawa,
    metropolis_kernels,
    neighbour_pairs,
    particle_energy,
    particle_pressure,
    sample_positions,
)
from physlearn.lattice_models.particles.interaction import Interaction, read_particles
from physlearn.lattice_models.particles.metropolis_walk import MetropolisWalk
from physlearn.records import AtomicConfiguration

KT = 1.3
POTENTIALS = [
    LennardJones(truncation="cut"), LennardJones(truncation="shift"),
    LennardJones(truncation="switch"), Morse(1.5, 3.0, 1.1, cutoff=2.3),
    Yukawa(3.0, 0.8, cutoff=2.2),
    InversePower(2.0, 1.0, 3.0, cutoff=2.4), StillingerWeberPair(2.0),
    SplinePotential([0.5, 0.9, 1.2, 1.6, 2.2], [6.0, 1.0, -1.4, -0.6, 0.0]),
]  # fmt: skip
NAMES = [f"{type(p).__name__} {p.truncation}" for p in POTENTIALS]


def walk_of(potential, x, *, cell=None, temperature=KT, displacement=0.5, rng=1, species=None):
    atoms = AtomicConfiguration(x, unit="reduced", cell=cell, species=species)
    particles = read_particles(atoms)
    n_species = int(particles.species.max()) + 1
    interaction = Interaction.of(potential, particles.dimension, n_species)
    walk = MetropolisWalk(particles, interaction, temperature, displacement)
    walk.random_state[:] = np.random.default_rng(rng).integers(1, 2**64, 2, dtype=np.uint64)
    return walk


def shell(dimension):
    return 2 * np.pi if dimension == 2 else 4 * np.pi


def second_virial(potential, dimension, temperature=KT):
    """B2 = -(1/2) integral of exp(-u / kT) - 1 over space."""

    def excess(r):
        return (np.exp(-float(potential.value(r)) / temperature) - 1) * r ** (dimension - 1)

    end = potential.cutoff
    marks = np.linspace(0.05, end * (1 - 1e-12), 30)
    total = sum(quad(excess, a, b)[0] for a, b in itertools.pairwise(marks))
    return -0.5 * shell(dimension) * (total - 0.05**dimension / dimension)


def pair_distances(walk, n, every, box):
    """Distance of two particles at n times, through the nearest image."""
    found = np.empty(n)
    for k in range(n):
        walk.sweep(every)
        apart = walk.positions()
        apart = apart[0] - apart[1]
        apart -= box * np.round(apart / box)
        found[k] = np.sqrt(apart @ apart)
    return found


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("potential", POTENTIALS, ids=NAMES)
def test_two_particles_in_a_box(potential, dimension, oracle):
    """Histogram of the distance and the pressure against quadrature, to the last particle.

    The displacement is half the box: with 25 sweeps between two samples they are independent
    (their correlation is part of the test).
    """
    box = 5.2
    x = np.zeros((2, dimension))
    x[1] = 0.5 * box
    walk = walk_of(potential, x, cell=np.eye(dimension) * box, displacement=box / 2, rng=3)
    walk.sweep(100)
    r = pair_distances(walk, 6000, 25, box)
    name = f"two particles, {type(potential).__name__} {potential.truncation} {dimension}-D"
    centred = r - r.mean()
    correlation = (centred[1:] * centred[:-1]).mean() / r.var()
    oracle(f"{name}, correlation of samples", z=correlation * np.sqrt(r.size))
    edges = np.array([0.05, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0, 2.3, box / 2])
    inside = np.array([
        quad(lambda s: np.exp(-float(potential.value(s)) / KT) * s ** (dimension - 1), a, b,
             points=[c for c in (potential.cutoff,) if a < c < b] or None, limit=200)[0]
        for a, b in itertools.pairwise(edges)
    ]) * shell(dimension)  # fmt: skip
    volume = box**dimension
    norm = volume - 2 * second_virial(potential, dimension)
    share = np.append(inside, norm - inside.sum()) / norm
    counts = np.append(np.histogram(r, edges)[0], (r >= edges[-1]).sum())
    keep = share * r.size > 5
    wanted = np.append(share[keep], share[~keep].sum()) * r.size
    found = np.append(counts[keep], counts[~keep].sum())
    if wanted[-1] < 5:  # join what is hardly ever seen to its neighbour
        wanted = np.append(wanted[:-2], wanted[-2:].sum())
        found = np.append(found[:-2], found[-2:].sum())
    assert abs(wanted.sum() - r.size) < 1e-6 * r.size
    oracle(f"{name}, histogram", p=stats.chisquare(found, wanted * r.size / wanted.sum()).pvalue)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("potential", [LennardJones(), Yukawa(3.0, 0.8, cutoff=2.2)],
                         ids=["LennardJones", "Yukawa"])  # fmt: skip
def test_second_virial_coefficient_from_the_pressure(potential, dimension, oracle):
    """Two particles: P = kT (2 / V + 2 B2 / V^2 / (1 - 2 B2 / V)), from ln Z = ln(V^2 - 2 B2 V)."""
    box = 5.0 if dimension == 3 else 6.0
    cell, volume = np.eye(dimension) * box, box**dimension
    x = np.zeros((2, dimension))
    x[1] = 0.5 * box
    samples = sample_positions(
        potential, AtomicConfiguration(x, unit="reduced", cell=cell), 5000, 25, temperature=KT,
        settings=MetropolisSettings(100, displacement=box / 2), rng=11,
    )  # fmt: skip
    pressure = np.array([particle_pressure(potential, s, temperature=KT) for s in samples])
    b2 = second_virial(potential, dimension)
    exact = KT * (2 / volume + 2 * b2 / volume**2 / (1 - 2 * b2 / volume))
    z = (pressure.mean() - exact) / (pressure.std() / np.sqrt(pressure.size))
    oracle(f"second virial coefficient, {type(potential).__name__} {dimension}-D", z=z)


@pytest.mark.parametrize("dimension", [2, 3])
def test_pair_distribution_of_a_thin_gas(dimension, oracle):
    """g(r) -> exp(-u / kT): 30 particles so thin that the next order is below the error."""
    potential, n = LennardJones(), 30
    box = 200.0 if dimension == 2 else 40.0
    edges = np.array([0.85, 1.0, 1.1, 1.25, 1.5, 2.0, 2.5])
    rows = []
    for chain in range(16):
        x = np.stack(np.meshgrid(*[np.arange(6)] * dimension), -1).reshape(-1, dimension)[:n]
        walk = walk_of(potential, x * box / 6, cell=np.eye(dimension) * box,
                       displacement=box / 2, rng=(chain, 9))  # fmt: skip
        walk.sweep(50)
        counts = np.zeros(len(edges) - 1)
        for _ in range(300):
            walk.sweep(5)
            _, apart = neighbour_pairs(walk.positions(), 2.5, np.eye(dimension) * box)
            counts += np.histogram(np.sqrt((apart**2).sum(axis=1)), edges)[0]
        rows.append(counts)
    found = np.sum(rows, axis=0)
    n_pairs = 16 * 300 * n * (n - 1) / 2

    def weight(r):
        return np.exp(-float(potential.value(r)) / KT) * r ** (dimension - 1)

    share = [quad(weight, a, b)[0] for a, b in itertools.pairwise(edges)]
    wanted = n_pairs * shell(dimension) * np.array(share)
    wanted /= box**dimension - 2 * second_virial(potential, dimension)
    spread = np.std(rows, axis=0, ddof=1) * np.sqrt(16)
    total = (found.sum() - wanted.sum()) / np.sqrt(np.sum(rows, axis=1).var(ddof=1) * 16)
    oracle(f"g(r) of a thin gas, pairs in all, {dimension}-D", z=total)
    for k in np.flatnonzero(wanted > 20):
        z = (found[k] - wanted[k]) / max(spread[k], np.sqrt(wanted[k]))
        oracle(f"g(r) of a thin gas, bin {k}, {dimension}-D", z=z)


def test_trap(oracle):
    """Independent particles in a trap of two stiffnesses: Gaussian in each axis."""
    stiffness = np.array([0.8, 3.0])
    walk = walk_of(HarmonicTrap(stiffness, [1.0, -2.0]), np.zeros((6000, 2)) + 1.0,
                   displacement=2.0)  # fmt: skip
    walk.sweep(150)
    x = walk.positions()
    for d, (k, c) in enumerate(zip(stiffness, (1.0, -2.0), strict=True)):
        p = stats.kstest(x[:, d], "norm", (c, np.sqrt(KT / k))).pvalue
        oracle(f"particles in a trap, axis {d}", p=p)


def test_two_species_mix(oracle):
    """A pair of unlike particles feels the unlike potential."""
    table = PairTable({(0, 0): InversePower(5.0, cutoff=2.0), (1, 1): InversePower(5.0, cutoff=2.0),
                       (0, 1): Morse(2.0, 3.0, 1.0, cutoff=2.0)})  # fmt: skip
    walk = walk_of(table, [[0.0, 0.0], [2.0, 2.0]], cell=np.eye(2) * 4.4, displacement=2.2,
                   species=[1, 0])  # fmt: skip
    walk.sweep(100)
    r = pair_distances(walk, 8000, 30, 4.4)
    bond = table.of(0, 1)
    norm = 4.4**2 - 2 * second_virial(bond, 2)
    share = 2 * np.pi * quad(lambda s: s * np.exp(-float(bond.value(s)) / KT), 0.05, 2.0)[0] / norm
    z = ((r < 2.0).mean() - share) / np.sqrt(share * (1 - share) / r.size)
    oracle("two species, share of bonds", z=z)


# --- the kernel ---


def crowd(periodic=True, dimension=3, n=60, rng=3):
    side = int(np.ceil(n ** (1 / dimension)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * dimension), -1).reshape(-1, dimension)[:n]
    x = grid * 1.12 + np.random.default_rng(rng).normal(0, 0.05, grid.shape)
    return x, (np.eye(dimension) * max(side * 1.12, 5.1) if periodic else None)


def change_of(walk, new, old):
    """What the kernels say that a move costs; the particle must be out of its cell."""
    cells = tuple(
        int(metropolis_kernels.cell_of(*where, walk.frame, walk.counts)) for where in (new, old)
    )
    sums, near, far, _ = walk.scratch
    law, change = walk.interaction.law, 0.0
    if metropolis_kernels.is_plain(law[0]):
        change = metropolis_kernels.lennard_jones_change(
            walk.places, walk.inside, int(walk.counts[4]), walk.web, cells, tuple(new), tuple(old),
            law[0][0], sums,
        )  # fmt: skip
    return change + metropolis_kernels.other_change(
        walk.places, walk.slots, walk.inside, tuple(new), tuple(old), cells, 0, law, walk.box,
        walk.frame, walk.counts, walk.web, sums, near, far,
    )  # fmt: skip


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("potential", [
    LennardJones(), LennardJones(truncation="switch"), Morse(cutoff=2.3),
    (StillingerWeberPair(), StillingerWeberAngle()), StillingerWeberAngle(cosine=-0.5),
    (Yukawa(cutoff=2.0), HarmonicTrap(0.7)),
], ids=["lennard_jones", "switched", "morse", "silicon", "angle", "trap"])  # fmt: skip
def test_energy_of_a_move_is_the_difference_of_energies(potential, dimension, periodic, oracle):
    trapped = isinstance(potential, tuple) and isinstance(potential[1], HarmonicTrap)
    x, cell = crowd(periodic and not trapped, dimension)
    walk = walk_of(potential, x, cell=cell)
    generator, worst = np.random.default_rng(5), 0.0
    for i in generator.integers(len(x), size=25):
        place = walk.where[i]
        old = np.zeros(3)
        old[:] = walk.places[:, place]
        new = old.copy()
        new[:dimension] += generator.normal(0, 0.3, dimension)
        if cell is not None:
            new[:dimension] %= np.diag(cell)
        energies = []
        for where in (old, new):
            y = walk.positions()
            y[i] = where[:dimension]
            atoms = AtomicConfiguration(y, unit="reduced", cell=cell)
            energies.append(particle_energy(potential, atoms))
        walk.places[:, place] = metropolis_kernels.FAR
        change = change_of(walk, new, old)
        walk.places[:, place] = old
        scale = max(abs(energies[0]), abs(energies[1]), 1.0)
        worst = max(worst, abs(change - (energies[1] - energies[0])) / scale)
    oracle(f"energy of a move, {potential!r:.40} {dimension}-D", error=worst, bound=1e-12)


def everything(walk):
    return {name: np.copy(array) for name, array in walk.arrays().items()}


@pytest.mark.parametrize("periodic", [True, False])
def test_chunks_do_not_matter(periodic):
    """Pieces of a run give the same bits; cells stay in order."""
    x, cell = crowd(periodic)
    found = []
    for pieces in ([12], [1, 4, 7]):
        walk = walk_of(LennardJones(), x, cell=cell, displacement=0.3)
        for n in pieces:
            walk.sweep(n)
        found.append(everything(walk))
    for name in found[0]:
        assert np.array_equal(found[0][name], found[1][name]), name
    assert np.array_equal(np.sort(walk.slots[walk.where, 0]), np.arange(len(x)))
    assert walk.inside.sum() == len(x)
    assert (walk.places[0] < 1e7).sum() == len(x)


def trials(walk, loop):
    return loop(
        walk.places, walk.slots, walk.inside, walk.where, walk.turns, walk.interaction.law,
        walk.box, walk.frame, walk.numbers, walk.counts, walk.random_state, walk.scratch, walk.web,
    )  # fmt: skip


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("law", [
    LennardJones(), LennardJones(truncation="switch"), (Yukawa(cutoff=2.0), HarmonicTrap(0.7)),
    (StillingerWeberPair(), StillingerWeberAngle()),
    PairTable({(0, 0): LennardJones(), (0, 1): Morse(cutoff=2.0), (1, 1): POTENTIALS[-1]}),
], ids=["plain", "switched", "trap", "silicon", "table"])  # fmt: skip
def test_plain_python_gives_the_same_bits(law, periodic, monkeypatch):
    """The loop and every helper that it calls; moves within a cell and to another one."""
    if isinstance(law, tuple) and isinstance(law[1], HarmonicTrap):
        periodic = False
    x, cell = crowd(periodic, n=30)
    species = np.arange(30) % 2 if isinstance(law, PairTable) else None
    found, compiled = [], metropolis_kernels.metropolis_trials
    for loop in (compiled, compiled.py_func):
        walk = walk_of(law, x, cell=cell, displacement=0.3, species=species)
        walk.counts[1] = 30
        if loop is not compiled:
            for name, value in list(vars(metropolis_kernels).items()):
                if hasattr(value, "py_func"):
                    monkeypatch.setattr(metropolis_kernels, name, value.py_func)
        with np.errstate(all="ignore"):  # words of the generator wrap around
            assert trials(walk, loop) == metropolis_kernels.DONE
        found.append(everything(walk))
    assert 0 < found[0]["counts"][2] < 30
    for name in found[0]:
        assert np.array_equal(found[0][name], found[1][name]), name


def test_full_cells_grow():
    """All particles drift into one corner of an open plane: cells must take them all."""
    x = np.random.default_rng(1).random((400, 2)) * 60
    walk = walk_of((InversePower(0.01, cutoff=1.0), HarmonicTrap(500.0)), x, displacement=4.0)
    walk.sweep(400)
    assert np.abs(walk.positions()).max() < 9.0
    assert walk.counts[4] >= walk.inside.max() > 48
    assert np.array_equal(np.sort(walk.slots[walk.where, 0]), np.arange(400))


BINS = np.array([0.85, 1.0, 1.1, 1.2, 1.35, 1.5, 1.7])


@pytest.mark.parametrize("start", [0.95, 1.12, 1.45])
@pytest.mark.parametrize("bond", [LennardJones(2.0), Morse(2.0, 3.0, 1.1, cutoff=2.3)],
                         ids=["vector path", "one by one"])  # fmt: skip
def test_transitions_of_one_trial(bond, start, oracle):
    """P(x -> bin) of single trials against proposal times min(1, pi(y) / pi(x)), integrated.

    Uphill and downhill; the walk is put back to the same place before each trial.
    """
    reach, n = 0.35, 40000
    side = (np.arange(2000) + 0.5) / 1000 - 1.0
    dx, dy = np.meshgrid(reach * side, reach * side)
    r = np.sqrt((start + dx) ** 2 + dy**2).ravel()
    ratio = np.exp(-(bond.value(r) - float(bond.value(start))) / KT)
    weights = np.minimum(1.0, ratio) / r.size
    share = np.histogram(r, BINS, weights=weights)[0]
    share = np.append(share, [weights.sum() - share.sum(), 1.0 - weights.sum()])
    walk = walk_of(bond, [[2.0, 2.0], [2.0 + start, 2.0]], cell=np.eye(2) * 6.0,
                   displacement=reach)  # fmt: skip
    kept = [(array, array.copy()) for array in
            (walk.places, walk.slots, walk.inside, walk.where, walk.turns)]  # fmt: skip
    counts = np.zeros(len(share))
    for _ in range(n):
        accepted = int(walk.counts[2])
        walk.counts[1] = walk.counts[0] + 1
        trials(walk, metropolis_kernels.metropolis_trials)
        if walk.counts[2] == accepted:
            counts[-1] += 1
            continue
        apart = walk.places[:, walk.where[0]] - walk.places[:, walk.where[1]]
        place = int(np.searchsorted(BINS, np.sqrt(apart @ apart))) - 1
        counts[place if 0 <= place < len(BINS) - 1 else -2] += 1
        for array, before in kept:
            array[:] = before
    keep = share * n > 10
    wanted = np.append(share[keep], share[~keep].sum()) * n
    found = np.append(counts[keep], counts[~keep].sum())
    if wanted[-1] < 5:
        wanted = np.append(wanted[:-2], wanted[-2:].sum())
        found = np.append(found[:-2], found[-2:].sum())
    assert len(wanted) > 4
    p = stats.chisquare(found, wanted * n / wanted.sum()).pvalue
    oracle(f"transitions of one trial from {start}, {type(bond).__name__}", p=p)


# --- the front ---
