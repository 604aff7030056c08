"""Energies and forces against sums over all pairs, differences and published crystals."""

import inspect
import itertools

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.particles import (
    HarmonicTrap,
    InversePower,
    LennardJones,
    Morse,
    PairTable,
    SplinePotential,
    StillingerWeberAngle,
    StillingerWeberPair,
    Yukawa,
    metropolis_kernels,
    motion_kernels,
    particle_energy,
    particle_forces,
    particle_pressure,
)
from physlearn.lattice_models.particles.interaction import (
    Interaction,
    read_particles,
    read_physics,
)
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.records import AtomicConfiguration

BUMP = SplinePotential(np.linspace(0.4, 2.1, 9), np.linspace(1.0, 0.0, 9) ** 2 * 7.0)
POTENTIALS = [
    LennardJones(truncation="cut"), LennardJones(truncation="switch"), Morse(cutoff=2.0), BUMP,
    Yukawa(3.0, 0.5, cutoff=2.4), InversePower(exponent=6.0, cutoff=2.1), StillingerWeberPair(),
]  # fmt: skip


def scattered(n, box, *, periodic, rng=1, species=None):
    """Particles nowhere nearer than .7: random places, thinned."""
    generator, places = np.random.default_rng(rng), []
    for x in generator.random((40 * n, len(box))) * box:
        apart = np.array(places).reshape(-1, len(box)) - x
        if periodic:
            apart -= box * np.round(apart / box)
        if not places or (apart**2).sum(axis=1).min() > 0.49:
            places.append(x)
        if len(places) == n:
            break
    cell = np.diag(box) if periodic else None
    codes = None if species is None else np.arange(len(places)) % species
    return AtomicConfiguration(places, unit="reduced", cell=cell, species=codes)


def all_pairs(atoms, potential_of):
    """Energy, forces and virial by a plain sum over all pairs; species 0 for every particle."""
    x, n = atoms.positions, atoms.n
    species = np.zeros(n, dtype=int) if atoms.species is None else atoms.species
    energy, virial, force = 0.0, 0.0, np.zeros_like(x)
    for i in range(n):
        apart = x[i] - x
        if atoms.cell is not None:
            box = np.diag(atoms.cell)
            apart = apart - box * np.round(apart / box)
        for code in np.unique(species):
            others = np.flatnonzero((species == code) & (np.arange(n) != i))
            r = np.sqrt((apart[others] ** 2).sum(axis=1))
            potential = potential_of(int(species[i]), int(code))
            energy += float(potential.value(r).sum()) / 2
            push = (-potential.derivative(r) / r)[:, None] * apart[others]
            force[i] += push.sum(axis=0)
            virial += (push * apart[others]).sum() / 2
    return energy, force, virial


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize(
    "potential", POTENTIALS, ids=lambda p: f"{type(p).__name__}-{p.truncation}"
)
def test_against_a_sum_over_all_pairs(potential, dimension, periodic, oracle):
    box = np.array([9.0, 11.0]) if dimension == 2 else np.array([5.5, 6.0, 5.1])
    atoms = scattered(100, box, periodic=periodic)
    energy, force, virial = all_pairs(atoms, lambda a, b: potential)
    name = f"{type(potential).__name__} {potential.truncation} {dimension}-D"
    found = particle_forces(potential, atoms)
    oracle(f"energy, all pairs, {name}",
           error=particle_energy(potential, atoms) / energy - 1, bound=1e-12)  # fmt: skip
    oracle(f"forces, all pairs, {name}",
           error=np.abs(found - force).max() / np.abs(force).max(), bound=1e-12)  # fmt: skip
    # Newton's third law
    oracle(f"sum of forces, {name}",
           error=np.abs(found.sum(axis=0)).max() / np.abs(force).max(), bound=1e-12)  # fmt: skip
    system = ParticleSystem(read_particles(atoms), Interaction.of(potential, dimension, 1))
    system.refresh_forces()  # the vector path of plain Lennard-Jones
    fast = system.in_order(system.force)
    assert np.abs(fast - force).max() < 1e-12 * np.abs(force).max()
    if periodic:
        wanted = (atoms.n * 1.5 + virial / dimension) / box.prod()
        assert particle_pressure(potential, atoms, temperature=1.5) == pytest.approx(wanted)


def test_large_crowd_on_the_vector_path(oracle):
    """Thousands of particles: many columns, crossings of the box, half-empty groups."""
    box = np.array([14.0, 9.0, 11.0])
    atoms = scattered(907, box, periodic=True, rng=3)
    potential = LennardJones(diameter=0.9, cutoff=2.3, truncation="cut")
    _, force, _ = all_pairs(atoms, lambda a, b: potential)
    system = ParticleSystem(read_particles(atoms), Interaction.of(potential, 3, 1))
    system.refresh_forces()
    error = np.abs(system.in_order(system.force) - force).max() / np.abs(force).max()
    oracle("Lennard-Jones forces of 907 particles, all pairs", error=error, bound=1e-12)


def test_species(oracle):
    table = PairTable({(0, 0): LennardJones(), (0, 1): Morse(2.0, 5.0, 1.1, cutoff=1.9),
                       (1, 1): BUMP})  # fmt: skip
    atoms = scattered(90, np.array([5.6, 5.2, 6.0]), periodic=True, species=2)
    energy, force, _ = all_pairs(atoms, table.of)
    found = particle_forces(table, atoms)
    oracle("two species, energy", error=particle_energy(table, atoms) / energy - 1, bound=1e-12)
    oracle("two species, forces",
           error=np.abs(found - force).max() / np.abs(force).max(), bound=1e-12)  # fmt: skip


TERMS = {
    "angle": StillingerWeberAngle(strength=3.0, cosine=-0.4, decay_length=0.8, cutoff=1.9),
    "silicon": (StillingerWeberPair(), StillingerWeberAngle()),
    "trapped": (Yukawa(2.0, 1.0), HarmonicTrap(1.3)),
}


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("name", TERMS)
def test_forces_are_minus_the_gradient(name, dimension, oracle):
    box = np.full(dimension, 4.2)
    atoms = scattered(14, box, periodic=name != "trapped", rng=5)
    force, step = particle_forces(TERMS[name], atoms), 1e-4
    error = 0.0
    for i, d in itertools.product(range(atoms.n), range(dimension)):
        energies = []
        for k in (-2, -1, 1, 2):
            moved = atoms.positions.copy()
            moved[i, d] += k * step
            energies.append(particle_energy(TERMS[name], atoms.with_changes(positions=moved)))
        slope = (energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * step)
        error = max(error, abs(slope + force[i, d]))
    oracle(f"force is minus the gradient, {name} {dimension}-D",
           error=error / np.abs(force).max(), bound=1e-9)  # fmt: skip


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("name", ["angle", "silicon", "pairs"])
def test_pressure_is_minus_the_change_of_energy_with_volume(name, dimension, oracle):
    """The virial, three-body forces included, against energies of a box strained as a whole."""
    law = LennardJones(truncation="switch", cutoff=2.0) if name == "pairs" else TERMS[name]
    edge, step = 4.3, 1e-4
    atoms = scattered(16, np.full(dimension, edge), periodic=True, rng=6)
    energies = []
    for k in (-2, -1, 1, 2):
        factor = 1.0 + k * step
        strained = atoms.with_changes(positions=atoms.positions * factor, cell=atoms.cell * factor)
        energies.append(particle_energy(law, strained))
    slope = (energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * step)
    volume = edge**dimension  # dE/dV = (dE / d strain) / (d V)
    wanted = atoms.n * 0.7 / volume - slope / (dimension * volume)
    found = particle_pressure(law, atoms, temperature=0.7)
    assert abs(found - atoms.n * 0.7 / volume) > 0.1  # there is a virial to speak of
    oracle(f"pressure by strain, {name} {dimension}-D", error=found / wanted - 1, bound=1e-8)


def angles_one_by_one(term, atoms):
    """Three-body energy of every triple of particles and images, by its definition."""
    x, total = atoms.positions, 0.0
    shifts = [np.zeros(x.shape[1])]
    if atoms.cell is not None:
        box = np.diag(atoms.cell)
        shifts = [box * s for s in itertools.product((-1, 0, 1), repeat=len(box))]
    for i in range(atoms.n):
        near = [x[j] + s - x[i] for j in range(atoms.n) for s in shifts]
        near = [v for v in near if 0 < np.linalg.norm(v) < term.cutoff]
        for u, v in itertools.combinations(near, 2):
            r, s = np.linalg.norm(u), np.linalg.norm(v)
            total += float(term.value(r, s, u @ v / (r * s)))
    return total


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("periodic", [True, False])
def test_three_body_energy_triple_by_triple(dimension, periodic, oracle):
    term = TERMS["angle"]
    atoms = scattered(25, np.full(dimension, 4.5), periodic=periodic, rng=8)
    wanted = angles_one_by_one(term, atoms)
    oracle(f"three-body energy, {dimension}-D", error=particle_energy(term, atoms) / wanted - 1,
           bound=1e-12)  # fmt: skip


def test_published_energy_of_silicon(oracle):
    """Stillinger and Weber: the diamond crystal has -2 per atom at bonds of 2^(1/6)."""
    edge = 2 ** (1 / 6) * 4 / np.sqrt(3)
    base = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]])
    base = np.concatenate([base, base + 1]) / 4
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    atoms = AtomicConfiguration(
        ((grid[:, None] + base).reshape(-1, 3)) * edge, unit="reduced", cell=np.eye(3) * 2 * edge
    )
    energy = particle_energy(TERMS["silicon"], atoms) / atoms.n
    oracle("silicon crystal, published energy", error=energy + 2.0, bound=1e-8)
    oracle("silicon crystal, no forces",
           error=np.abs(particle_forces(TERMS["silicon"], atoms)).max(), bound=1e-7)  # fmt: skip
    # and the honeycomb lattice, whose angles of 120 degrees cost nothing for cosine -1/2
    plane = StillingerWeberAngle(cosine=-0.5)
    ring = np.array([[np.cos(a), np.sin(a)] for a in np.arange(3) * 2 * np.pi / 3])
    assert particle_energy(plane, np.concatenate([[[0.0, 0.0]], 1.1 * ring])) == pytest.approx(
        0.0, abs=1e-12
    )


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("law", [
    LennardJones(), LennardJones(truncation="switch"), Morse(cutoff=2.0), BUMP, TERMS["silicon"],
    Yukawa(3.0, 0.5, cutoff=2.4), InversePower(exponent=6.0, cutoff=2.1),
    PairTable({(0, 0): LennardJones(), (0, 1): BUMP, (1, 1): StillingerWeberPair()}),
], ids=lambda law: type(law).__name__)  # fmt: skip
def test_plain_python_gives_the_same_bits(law, fast, monkeypatch):
    """Every helper of the module in its Python form as well."""
    atoms = scattered(17, np.full(3, 5.1), periodic=True, rng=2, species=2)
    particles = read_particles(atoms)
    found, compiled = [], motion_kernels.evaluate
    for part in (compiled, compiled.py_func):
        if part is not compiled:
            for name, value in list(vars(motion_kernels).items()):
                if hasattr(value, "py_func"):
                    monkeypatch.setattr(motion_kernels, name, value.py_func)
        system = ParticleSystem(particles, Interaction.of(law, 3, 2))
        with np.errstate(divide="ignore", invalid="ignore"):  # a particle is in its own list
            part(system.points, system.force, system.names, system.lists, system.interaction.law,
                 system.box, system.counts, system.near, system.lanes, system.sums,
                 fast)  # fmt: skip
        found.append((system.force, system.sums, system.points))
    assert found[0][0].any()
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


def test_plain_python_of_a_trap_gives_the_same_bits():
    system = ParticleSystem(*read_physics(HarmonicTrap((1.0, 2.0)), [[1.0, 2.0], [0.3, 0.1]]))
    system.refresh_forces()
    compiled, system.force[:] = system.force.copy(), 0.0
    sums = np.zeros(4)
    motion_kernels.trap_forces.py_func(
        system.points, 2, system.force, system.interaction.trap, sums
    )
    assert np.array_equal(system.force, compiled)
    assert sums[2] == system.sums[2] == pytest.approx(0.5 * (1.09 + 2.0 * 4.01))


@pytest.mark.parametrize("name", ["pair_terms", "spline_terms", "stillinger_terms"])
def test_both_kernel_files_hold_the_same_pair_functions(name):
    one, other = (
        inspect.getsource(getattr(file, name).py_func)
        for file in (motion_kernels, metropolis_kernels)
    )
    assert one == other


@pytest.mark.parametrize(("call", "said"), [
    (lambda: particle_energy(3.0, [[0.0, 0.0]]), "potential must be a pair potential.*got float"),
    (lambda: particle_energy([], [[0.0, 0.0]]), "potential must be.*got nothing"),
    (lambda: particle_energy((Morse(), Yukawa()), [[0.0, 0.0]]), "one pair part"),
    (lambda: particle_energy(Morse(), [[0.0, 0.0, 0.0, 0.0]]), r"\(n, 2\) or \(n, 3\)"),
    (lambda: particle_energy(Morse(), [[0.0, np.nan]]), "must hold finite numbers"),
    (lambda: particle_energy(Morse(), np.zeros((0, 2))), "must not be empty"),
    (lambda: particle_energy(LennardJones(), AtomicConfiguration(
        [[0.0, 0.0]], unit="reduced", cell=np.eye(2) * 4)), "cutoff 2.5 must not exceed half.*2"),
    (lambda: particle_energy(LennardJones(), AtomicConfiguration(
        [[0.0, 0.0]], unit="reduced", cell=[[9.0, 1.0], [0.0, 9.0]])), "must be rectangular"),
    (lambda: particle_energy(HarmonicTrap(), AtomicConfiguration(
        [[0.0, 0.0]], unit="reduced", cell=np.eye(2) * 4)), "needs an open box"),
    (lambda: particle_energy(PairTable({(0, 0): Morse()}), AtomicConfiguration(
        [[0.0, 0.0], [1.0, 0.0]], unit="reduced", species=[0, 1])), "has 1 species.*have 2"),
    (lambda: particle_pressure(Morse(), [[0.0, 0.0]], temperature=1.0), "must have a cell"),
    (lambda: particle_energy(Morse(), np.arange(40002.0).reshape(-1, 2)),
     "has no end and the 20001 particles"),
])  # fmt: skip
def test_refusals(call, said):
    with pytest.raises(InputError, match=said):
        call()
