"""Langevin motion against closed forms of the schemes, exact averages and conserved energies."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from physlearn.lattice_models.particles import (
    HarmonicTrap,
    InversePower,
    LangevinSettings,
    LennardJones,
    Morse,
    StillingerWeberPair,
    Yukawa,
    motion_kernels,
    simulate_langevin,
)
from physlearn.lattice_models.particles import (
    langevin_motion as motion,
)
from physlearn.lattice_models.particles.interaction import (
    Interaction,
    read_particles,
)
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.lattice_models.random_numbers import ziggurat_tables
from physlearn.records import AtomicConfiguration

KT = 1.7


def melt(cells, *, temperature=1.0, rng=1, density=0.8442):
    """A face-centred crystal with thermal velocities, as a start and settings."""
    edge = (4 / density) ** (1 / 3)
    grid = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    x = (grid + base).reshape(-1, 3) * edge
    v = np.random.default_rng(rng).normal(0, np.sqrt(temperature), x.shape)
    atoms = AtomicConfiguration(x, unit="reduced", cell=np.eye(3) * cells * edge)
    return atoms, v - v.mean(axis=0)


def frames_of(trajectory):
    return trajectory.positions.reshape(trajectory.n_frames, trajectory.n_particles, -1)


def engine(potential, start, scheme, time_step, settings=None, rng=1):
    """The arrays behind ``simulate_langevin``, with velocities to look at."""
    particles = read_particles(start)
    interaction = Interaction.of(potential, particles.dimension, 1)
    settings = settings or LangevinSettings()
    system = ParticleSystem(particles, interaction, settings.skin)
    mass = motion.masses(settings, system.n)
    generator = np.random.default_rng(rng)
    motion.set_in_motion(system, particles, settings, scheme, mass, KT, generator)
    friction = settings.friction if scheme == "baoab" else 0.0
    return system, motion.Mover(system, time_step, KT, settings.diffusion, friction, np.inf)


# --- the harmonic trap: everything is a closed form, at any time step ---

STIFFNESS = 2.3
N_CHAINS = 20000


def heun_variance(a):
    """Stationary variance in kT / k: x' = (1 - a + a^2/2) x + (1 - a/2) noise."""
    return (1 - a / 2) ** 2 * 2 * a / (1 - (1 - a + a * a / 2) ** 2)


@pytest.mark.parametrize("a", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("scheme", ["heun", "leimkuhler_matthews"])
def test_overdamped_variance_in_a_trap(scheme, dimension, a, oracle):
    """N_CHAINS independent particles; each is one number."""
    diffusion = 0.6
    time_step = a * KT / (STIFFNESS * diffusion)
    start = np.random.default_rng(4).normal(0, np.sqrt(KT / STIFFNESS), (N_CHAINS, dimension))
    path = simulate_langevin(
        HarmonicTrap(STIFFNESS), start, 2, int(12 / a), time_step=time_step, temperature=KT,
        settings=LangevinSettings(scheme=scheme, diffusion=diffusion), rng=7,
    )  # fmt: skip
    square = frames_of(path)[1].ravel() ** 2 * STIFFNESS / KT
    exact = heun_variance(a) if scheme == "heun" else 1.0
    z = (square.mean() - exact) / (square.std() / np.sqrt(square.size))
    oracle(f"trap, {scheme} variance at step x rate = {a}, {dimension}-D", z=z)
    p = stats.kstest(frames_of(path)[1].ravel(), "norm", (0, np.sqrt(exact * KT / STIFFNESS)))
    oracle(f"trap, {scheme} distribution at {a}, {dimension}-D", p=p.pvalue)


@pytest.mark.parametrize("w", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("friction", [0.3, 4.0])
def test_baoab_variances_in_a_trap(w, friction, oracle):
    """Positions exact; <v^2> = kT/m (1 - (w/2)^2) at the end of a step, w = omega x step."""
    mass = 1.9
    time_step = w * np.sqrt(mass / STIFFNESS)
    generator = np.random.default_rng(4)
    start = generator.normal(0, np.sqrt(KT / STIFFNESS), (N_CHAINS, 2))
    speed = np.sqrt(KT / mass * (1 - w * w / 4))
    settings = LangevinSettings(
        friction=friction, mass=mass, velocities=generator.normal(0, speed, (N_CHAINS, 2))
    )
    system, mover = engine(HarmonicTrap(STIFFNESS), start, "baoab", time_step, settings)
    mover.step(int(6 / (w * min(friction, 1))))
    x = system.in_order(system.points).ravel() ** 2 * STIFFNESS / KT
    v = system.in_order(system.carried).ravel() ** 2 * mass / KT
    for name, square, exact in (("position", x, 1.0), ("velocity", v, 1 - w * w / 4)):
        z = (square.mean() - exact) / (square.std() / np.sqrt(square.size))
        oracle(f"trap, BAOAB {name} at omega x step = {w}, friction {friction}", z=z)


def test_conservative_motion_in_a_trap_is_the_closed_form(oracle):
    """Velocity Verlet turns phase space by acos(1 - w^2/2) a step, on an ellipse."""
    w, n = 0.3, 500
    settings = LangevinSettings(velocities=[[0.0, 0.5]])
    path = simulate_langevin(
        HarmonicTrap(1.0), [[1.0, 0.0]], n + 1, 1, time_step=w, temperature=KT,
        dynamics="conservative", settings=settings, rng=1,
    )  # fmt: skip
    angle = np.arccos(1 - w * w / 2) * np.arange(n + 1)
    exact = np.stack([np.cos(angle), 0.5 / np.sqrt(1 - w * w / 4) * np.sin(angle)], axis=1)
    error = np.abs(path.positions - exact).max()
    oracle("trap, velocity Verlet closed form", error=error, bound=1e-12)


def moments_of_scheme(scheme, a, n):
    """Mean factor and variance (of kT / k) after n steps of size a = step x rate, from a point."""
    if scheme == "heun":
        factor = 1 - a + a * a / 2
        return factor**n, heun_variance(a) * (1 - factor ** (2 * n))
    # x' = f x + s (old + fresh): the noise of a step enters with the weights of its two steps
    factor, weights = 1 - a, np.sqrt(2 * a) / 2 * (1 - a) ** np.arange(n)
    shared = np.concatenate([weights, [0.0]]) + np.concatenate([[0.0], weights])
    return factor**n, float((shared**2).sum())


@pytest.mark.parametrize(("scheme", "wanted"), [("heun", 2), ("leimkuhler_matthews", 1)])
def test_weak_order_on_the_way_to_equilibrium(scheme, wanted, oracle):
    """Errors of mean and variance after a fixed time against the exact ones, over the time step.

    Heun has slope 2; Leimkuhler and Matthews slope 1 here (it has 2 in equilibrium). The mean is
    the kernel's own, with noise of 1e-15; the variance is a closed form of the scheme, to which
    20,000 particles are held at 4 sigma.
    """
    steps = np.array([4, 8, 16, 32, 64])
    means, variances = [], []
    for n in steps:
        a = 0.5 / n  # after one relaxation time an error of the variance would cancel
        mean, variance = moments_of_scheme(scheme, a, n)
        quiet = simulate_langevin(
            HarmonicTrap(1.0), [[3.0, 1.0]], 2, int(n), time_step=a, temperature=1e-30,
            settings=LangevinSettings(scheme=scheme, diffusion=1e-30), rng=3,
        )  # fmt: skip
        factor = frames_of(quiet)[1, 0] / [3.0, 1.0]
        oracle(f"trap, {scheme} mean after {n} steps", error=abs(factor - mean).max(), bound=1e-12)
        means.append(abs(factor[0] - np.exp(-0.5)))
        variances.append(abs(variance - (1 - np.exp(-1.0))))
        if n <= 16:
            path = simulate_langevin(
                HarmonicTrap(1.0), np.full((N_CHAINS, 2), 3.0), 2, int(n), time_step=a,
                settings=LangevinSettings(scheme=scheme), rng=3,
            )  # fmt: skip
            square = (frames_of(path)[1].ravel() - 3.0 * mean) ** 2
            z = (square.mean() - variance) / (square.std() / np.sqrt(square.size))
            oracle(f"trap, {scheme} variance after {n} steps", z=z)
    for name, found in (("mean", means), ("variance", variances)):
        slope = np.polyfit(np.log(1 / steps[1:]), np.log(found[1:]), 1)[0]
        oracle(f"weak order of {scheme} on the way, {name}", error=slope - wanted, bound=0.1)


@pytest.mark.parametrize("scheme", motion.CODES)
def test_schemes_step_by_step(scheme, oracle):
    """The published formulas in plain numpy with the kernel's own noise, on an anharmonic bond."""
    bond, step, mass, friction = Morse(4.0, 2.0, 1.5), 0.01, 1.7, 0.8
    start = np.array([[0.0, 0.0, 0.0], [1.2, 0.3, -0.2]])
    settings = LangevinSettings(mass=mass, friction=friction, diffusion=0.9)
    system, mover = engine((bond, HarmonicTrap(1.3)), start, scheme, step, settings)
    noise_state, tables = system.random_state.copy(), ziggurat_tables()
    x, v, old = start.copy(), system.carried[:2, :3].copy(), system.carried[:2, 4:7].copy()

    def force(y):
        apart = y[0] - y[1]
        r = np.sqrt(apart @ apart)
        push = -float(bond.derivative(r)) * apart / r
        return np.stack([push, -push]) - 1.3 * y

    def noise():
        return np.array([[motion_kernels.normal(noise_state, tables) for _ in range(3)]
                         for _ in range(2)])  # fmt: skip

    pull, spread = step * 0.9 / KT, np.sqrt(2 * 0.9 * step)
    for _ in range(100):
        if scheme == "heun":
            here, kicked = force(x), spread * noise()
            x = x + pull * (here + force(x + pull * here + kicked)) / 2 + kicked
        elif scheme == "leimkuhler_matthews":
            fresh = noise()
            x, old = x + pull * force(x) + spread * (old + fresh) / 2, fresh
        else:
            v = v + step / 2 * force(x) / mass
            x = x + step / 2 * v
            if scheme == "baoab":
                keep = np.exp(-friction * step)
                v = keep * v + np.sqrt(KT / mass * (1 - keep**2)) * noise()
            x = x + step / 2 * v
            v = v + step / 2 * force(x) / mass
    mover.step(100)
    error = np.abs(system.positions() - x).max()
    if scheme in ("baoab", "velocity_verlet"):
        error = max(error, np.abs(system.in_order(system.carried) - v).max())
    oracle(f"{scheme} step by step, 100 steps", error=error, bound=1e-12)


def errors_of_steps(scheme, steps, n):
    """Error of <u> and of <v^2> of a Morse bond in a trap with its own error, step by step."""
    bond, trap, found = Morse(3.0, 1.0, 1.5), 1.0, []
    exact = pair_average(bond, trap, 2, bond.value)
    for step in steps:
        rows = []
        for chain in range(20):
            x, heat = run_pair(bond, trap, 2, scheme, step, n, (chain, 5), every=10)
            rows.append([np.mean(bond.value(x)) - exact, heat.mean() - 4 * KT])
        found.append((np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / np.sqrt(20)))
    return np.array(found)  # (step, value or error, u or v^2)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "steps", "n", "which"), [
    ("heun", [0.021, 0.0105], 1000000, 0), ("baoab", [0.13, 0.065], 300000, 1)
])  # fmt: skip
def test_order_two_in_an_anharmonic_force(scheme, steps, n, which, oracle):
    """The error at a step is four times that at half of it: <u> by Heun, <v^2> by BAOAB."""
    (coarse, s1), (fine, s2) = errors_of_steps(scheme, steps, n)[:, :, which]
    oracle(f"order 2 in a Morse bond, {scheme}", z=(coarse - 4 * fine) / np.hypot(s1, 4 * s2))
    assert abs(coarse) > 4 * s1  # there is an error to speak of


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "steps"), [
    ("leimkuhler_matthews", [0.08, 0.04]), ("baoab", [0.26, 0.13])
])  # fmt: skip
def test_at_least_order_two_of_places(scheme, steps, oracle):
    """Half the step leaves a fourth of the error of <u> or less.

    Where these schemes' error can be told from noise, at steps far beyond what is accepted, it
    comes from hard collisions and falls faster than the square; below, it is within the noise.
    """
    (coarse, s1), (fine, s2) = errors_of_steps(scheme, steps, 300000)[:, :, 0]
    assert abs(coarse) > 4 * s1
    z = (abs(coarse) - 4 * abs(fine)) / np.hypot(s1, 4 * s2)
    oracle(f"order 2 of places or better in a Morse bond, {scheme}", z=min(z, 0.0))


# --- two particles in a trap: the exact distribution of their distance ---


def pair_weight(potential, trap, dimension):
    """Density of the distance: r^(d-1) exp(-(u(r) + trap r^2 / 4) / kT)."""
    return lambda r: (
        r ** (dimension - 1) * np.exp(-(float(potential.value(r)) + trap * r * r / 4) / KT)
    )


def pair_average(potential, trap, dimension, of):
    weight = pair_weight(potential, trap, dimension)
    norm = quad(weight, 0.05, 12, limit=400)[0]
    return quad(lambda r: weight(r) * float(of(r)), 0.05, 12, limit=400)[0] / norm


def run_pair(potential, trap, dimension, scheme, step, n, rng, every=1):
    start = np.zeros((2, dimension))
    start[1, 0] = 1.5
    system, mover = engine((potential, HarmonicTrap(trap)), start, scheme, step, rng=rng)
    mover.step(int(20 / step))
    distance, heat = np.empty(n // every), np.empty(n // every)
    for k in range(n // every):
        mover.step(every)
        apart = system.points[0, :3] - system.points[1, :3]
        distance[k] = np.sqrt(apart @ apart)
        heat[k] = (system.carried[:2, :3] ** 2).sum()
    return distance, heat


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("potential", [
    Morse(1.5, 2.0, 1.2, cutoff=4.0), Yukawa(2.0, 1.0), InversePower(0.5, 1.0, 6.0, cutoff=3.0),
    LennardJones(diameter=1.0, truncation="switch"), StillingerWeberPair(diameter=1.2),
], ids=lambda p: type(p).__name__)  # fmt: skip
def test_two_particles_by_baoab(potential, dimension, oracle):
    """Mean distance against quadrature, 16 chains; the step's own error is far below theirs."""
    means = []
    for chain in range(16):
        x, _ = run_pair(potential, 1.0, dimension, "baoab", 0.02, 16000, (chain, 3), every=8)
        means.append(x.mean())
    exact = pair_average(potential, 1.0, dimension, lambda r: r)
    z = (np.mean(means) - exact) / (np.std(means, ddof=1) / 4)
    oracle(f"two particles, BAOAB, {type(potential).__name__} {dimension}-D", z=z)


# --- many particles ---


def test_equipartition_in_a_fluid(oracle):
    """kT per velocity component in a Lennard-Jones fluid; 24 independent chains."""
    found = []
    for chain in range(24):
        atoms, _ = melt(3, rng=chain)
        settings = LangevinSettings(friction=3.0)
        system, mover = engine(LennardJones(), atoms, "baoab", 0.002, settings, rng=(chain, 1))
        # The crystal's melting takes up heat, 9 % of kT after 300 steps (measured); the thermostat
        # brings it back at rate 3, that is twice 3 for a half of the energy: at 900 steps
        # 9 % exp(-3.6) = 0.25 %, over the window 0.07 % on average, a tenth of the error.
        mover.step(900)
        heat = []
        for _ in range(30):
            mover.step(20)
            heat.append((system.carried[: system.n, :3] ** 2).mean())
        found.append(np.mean(heat))
    # (1 - (omega step)^2 / 4) of the stiffest motion is 1 - 1e-3: below the error
    z = (np.mean(found) - KT) / (np.std(found, ddof=1) / np.sqrt(24))
    oracle("equipartition, Lennard-Jones fluid, BAOAB", z=z)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("scheme", ["heun", "leimkuhler_matthews"])
def test_free_diffusion(scheme, dimension, oracle):
    """<dx^2> = 2 D t, displacements of separate times independent."""
    start = np.zeros((4000, dimension))
    path = frames_of(simulate_langevin(
        HarmonicTrap(0.0), start, 3, 25, time_step=0.02, temperature=KT,
        settings=LangevinSettings(scheme=scheme, diffusion=0.7), rng=5,
    ))  # fmt: skip
    first, second = path[1] - path[0], path[2] - path[1]
    for name, square in (("first", first.ravel() ** 2), ("second", second.ravel() ** 2)):
        exact = 2 * 0.7 * 0.5
        if scheme == "leimkuhler_matthews":  # neighbouring steps share half of a noise
            exact *= 1 - 0.5 / 25
        z = (square.mean() - exact) / (square.std() / np.sqrt(square.size))
        oracle(f"free diffusion, {scheme}, {name} stretch, {dimension}-D", z=z)


def test_free_particle_with_inertia(oracle):
    """Mean square displacement of Ornstein and Uhlenbeck; BAOAB's own free motion is close."""
    friction, t = 1.5, 2.0
    start = np.zeros((20000, 2))
    path = frames_of(simulate_langevin(
        HarmonicTrap(0.0), start, 2, 400, time_step=t / 400, temperature=KT,
        dynamics="underdamped", settings=LangevinSettings(friction=friction), rng=5,
    ))  # fmt: skip
    square = (path[1] - path[0]).ravel() ** 2
    exact = 2 * KT / friction**2 * (friction * t - 1 + np.exp(-friction * t))
    z = (square.mean() - exact) / (square.std() / np.sqrt(square.size))
    oracle("free particle with inertia, mean square displacement", z=z)


def test_energy_is_conserved_to_order_two(oracle):
    """The error of the energy falls by four with half the step; momentum stays as it is."""
    atoms, velocities = melt(4, temperature=0.8)
    potential = LennardJones(truncation="switch")
    spread = []
    for step in (0.004, 0.002):
        settings = LangevinSettings(velocities=velocities, skin=0.3)
        system, mover = engine(potential, atoms, "velocity_verlet", step, settings)
        energies = []
        for _ in range(50):
            mover.step(round(0.008 / step))
            energies.append(sum(system.energy()[:3]) + mover.kinetic())
        spread.append(np.abs(np.array(energies) - energies[0]).max() / system.n)
        momentum = np.abs(system.carried[: system.n, :3].sum(axis=0)).max()
        oracle(f"momentum after {50 * 0.008:g}", error=momentum, bound=1e-10)
    oracle("energy error, step over half a step", error=spread[0] / spread[1] - 4, bound=0.6)
    oracle("energy error a particle at step .002", error=spread[1], bound=2e-4)


# --- to the bit ---


# --- what bad input gets ---
