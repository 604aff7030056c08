"""What Langevin motion samples, against quadrature: a periodic box, tables, splines, angles."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from physlearn.lattice_models.particles import (
    HarmonicTrap,
    LangevinSettings,
    Morse,
    PairTable,
    SplinePotential,
    StillingerWeberAngle,
    Yukawa,
    particle_energy,
)
from physlearn.lattice_models.particles import (
    langevin_motion as motion,
)
from physlearn.lattice_models.particles.interaction import read_physics
from physlearn.lattice_models.particles.metropolis_walk import MetropolisWalk
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.records import AtomicConfiguration

KT, N_CHAINS = 1.3, 16
BUMP = SplinePotential([0.5, 0.9, 1.2, 1.6, 2.2], [6.0, 1.0, -1.4, -0.6, 0.0])
BOND = Morse(1.5, 2.0, 1.2, cutoff=2.5, truncation="switch")
TABLE = PairTable({(0, 0): Yukawa(9.0, cutoff=2.0), (0, 1): BOND, (1, 1): Yukawa(9.0, cutoff=2.0)})


def engine(law, start, scheme, step, chain):
    particles, interaction = read_physics(law, start)
    settings, generator = LangevinSettings(), np.random.default_rng(chain)
    system = ParticleSystem(particles, interaction)
    mass = motion.masses(settings, system.n)
    motion.set_in_motion(system, particles, settings, scheme, mass, KT, generator)
    return system, motion.Mover(system, step, KT, 1.0, 1.0, np.inf)


def sides(x, box=None):
    apart = np.array([x[i] - x[j] for i, j in itertools.combinations(range(len(x)), 2)])
    if box is not None:
        apart -= box * np.round(apart / box)
    return np.sqrt((apart**2).sum(axis=1))


def chains(law, start, scheme, step, every, n, of):
    """Averages of ``of(positions)``, one row a chain."""
    rows = []
    for chain in range(N_CHAINS):
        system, mover = engine(law, start, scheme, step, (chain, 8))
        mover.step(int(5 / step))
        found = []
        for _ in range(n):
            mover.step(every)
            found.append(of(system.positions()))
        rows.append(np.mean(found, axis=0))
    return np.array(rows)


def compare(oracle, name, rows, exact):
    """A spread known from 16 chains only has Student's tails: the z is the normal one as rare."""
    for k, wanted in enumerate(exact):
        student = (rows[:, k].mean() - wanted) / (rows[:, k].std(ddof=1) / np.sqrt(N_CHAINS))
        z = stats.norm.isf(stats.t.sf(abs(student), N_CHAINS - 1)) * np.sign(student)
        oracle(f"{name}, {k}", z=z)


EDGES = np.array([0.0, 1.0, 1.2, 1.5, 2.0])


@pytest.mark.parametrize(("scheme", "step"), [
    ("heun", 0.002), ("leimkuhler_matthews", 0.002), ("baoab", 0.02)
])  # fmt: skip
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("name", ["bond", "table", "spline"])
def test_two_particles_in_a_periodic_box(name, dimension, scheme, step, oracle):
    """Shares of distances; beyond the cutoff the weight is 1, up to the corners of the box.

    In the minimum of the bond step x rate is .04, at the spline's stiffest .14; what the step
    does to the shares is far below the spread of the chains.
    """
    law = {"bond": BOND, "table": TABLE, "spline": BUMP}[name]
    potential = BUMP if name == "spline" else BOND
    box = 5.2
    x = np.zeros((2, dimension))
    x[1] = 2.0
    start = AtomicConfiguration(
        x, unit="reduced", cell=np.eye(dimension) * box, species=[1, 0] if name == "table" else None
    )

    def shares(y):
        return np.histogram(sides(y, box)[:1], EDGES)[0]

    rows = chains(law, start, scheme, step, round(0.16 / step), 500, shares)
    shell = 2 * np.pi if dimension == 2 else 4 * np.pi

    def weight(r):
        return shell * r ** (dimension - 1) * np.exp(-float(potential.value(r)) / KT)

    end = potential.cutoff
    marks = [1e-9, 0.5, 0.9, 1.0, 1.2, 1.5, 1.6, 2.0, end * (1 - 1e-12)]
    parts = [quad(weight, a, b)[0] for a, b in itertools.pairwise(marks)]
    free = box**dimension - shell * end**dimension / dimension
    share = np.cumsum([0.0, *parts]) / (sum(parts) + free)
    exact = np.diff([share[marks.index(r)] if r else 0.0 for r in EDGES])
    keep = exact > 5e-3
    compare(oracle, f"two particles in a box, {name}, {scheme} {dimension}-D",
            rows[:, keep], exact[keep])  # fmt: skip


def three_particles(bond, angle, trap, dimension):
    """Means of angle energy, bond energy and side of three particles in a trap.

    With equal traps the centre of mass is free of the rest: what remains are the two sides from
    one particle and the angle between them, here integrated on a grid of Gauss points.
    """
    node, weight = np.polynomial.legendre.leggauss(60)

    def grid(a, b):
        return 0.5 * (b - a) * node + 0.5 * (a + b), 0.5 * (b - a) * weight

    parts = [grid(a, b) for a, b in ((1e-3, 1.0), (1.0, 2.6), (2.6, 7.0))]
    r, wr = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    parts = [grid(a, b) for a, b in ((0, 0.5), (0.5, 1.2), (1.2, np.pi))]
    t, wt = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    a, b, turn = np.meshgrid(r, r, t, indexing="ij", sparse=True)
    c = np.sqrt(np.maximum(a * a + b * b - 2 * a * b * np.cos(turn), 1e-12))
    # cosines at the three particles: between sides a and b, at the end of a, at the end of b
    cosines = (np.cos(turn), (a - b * np.cos(turn)) / c, (b - a * np.cos(turn)) / c)
    pair = bond.value(a) + bond.value(b) + bond.value(c)
    three = angle.value(a, b, cosines[0]) + angle.value(a, c, cosines[1])
    three = three + angle.value(b, c, cosines[2])
    held = trap * (a * a + b * b + c * c) / 6
    measure = (a * b) ** (dimension - 1) * np.sin(turn) ** (dimension - 2)
    density = measure * np.exp(-(pair + three + held) / KT)
    density = density * wr[:, None, None] * wr[None, :, None] * wt
    return [float((density * f).sum() / density.sum()) for f in (three, pair, c)]


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("way", ["metropolis", "heun", "baoab"])
def test_three_particles_with_angles(way, dimension, oracle):
    """A light trap holds three particles with a bond angle: both engines against quadrature."""
    angle = StillingerWeberAngle(strength=9.0, cosine=-0.3, decay_length=0.5, cutoff=2.6)
    bond, trap = Morse(1.0, 2.0, 1.2, cutoff=2.6), 1.5
    exact = three_particles(bond, angle, trap, dimension)
    law = (bond, angle, HarmonicTrap(trap))
    start = np.zeros((3, dimension))
    start[1, 0], start[2, 1] = 1.3, 1.3

    def look(x):
        length = sides(x)
        return [particle_energy(angle, x), float(bond.value(length).sum()), length.mean()]

    if way == "metropolis":
        rows = []
        for chain in range(N_CHAINS):
            walk = MetropolisWalk(*read_physics(law, start), KT, 0.9)
            walk.random_state[:] = np.random.default_rng(chain).integers(1, 2**63, 2)
            walk.sweep(200)
            found = []
            for _ in range(350):
                walk.sweep(6)
                found.append(look(walk.positions()))
            rows.append(np.mean(found, axis=0))
    else:
        step = 0.001 if way == "heun" else 0.01
        rows = chains(law, start, way, step, round(0.2 / step), 350, look)
    name = f"three particles, {way} {dimension}-D: angle energy, bond energy, side"
    compare(oracle, name, np.array(rows), exact)
