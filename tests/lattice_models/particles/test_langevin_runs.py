"""Runs of Langevin dynamics to the bit, their record, and what they refuse."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.particles import (
    HarmonicTrap,
    InversePower,
    LangevinSettings,
    LennardJones,
    Morse,
    StillingerWeberAngle,
    StillingerWeberPair,
    Yukawa,
    motion_kernels,
    simulate_langevin,
    start_checks,
)
from physlearn.lattice_models.particles import (
    langevin_motion as motion,
)
from physlearn.lattice_models.particles.interaction import (
    Interaction,
    read_particles,
    read_physics,
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


def everything(system):
    return {name: array.copy() for name, array in system.arrays().items()}


@pytest.mark.parametrize("scheme", motion.CODES)
@pytest.mark.parametrize("potential", [
    LennardJones(), (StillingerWeberPair(), StillingerWeberAngle())
], ids=["pairs", "angles"])  # fmt: skip
def test_chunks_do_not_matter(scheme, potential):
    atoms, velocities = melt(3 if isinstance(potential, LennardJones) else 2, density=0.5)
    settings = LangevinSettings(velocities=velocities, diffusion=0.5, skin=0.15)
    found = []
    for pieces in ([60], [1, 7, 30, 22]):
        system, mover = engine(potential, atoms, scheme, 2e-3, settings)
        for n in pieces:
            mover.step(n)
            mover.energies(True)  # looking changes nothing
        found.append(everything(system))
    for name in found[0]:
        assert np.array_equal(found[0][name], found[1][name]), name


def test_skin_does_not_change_the_motion(oracle):
    atoms, velocities = melt(3)
    x = []
    for skin in (0.05, 0.9):
        settings = LangevinSettings(velocities=velocities, skin=skin)
        system, mover = engine(LennardJones(), atoms, "velocity_verlet", 0.004, settings)
        mover.step(100)
        x.append(system.positions())
    oracle("motion with two skins", error=np.abs(x[0] - x[1]).max(), bound=1e-9)


@pytest.mark.parametrize("scheme", motion.CODES)
@pytest.mark.parametrize("law", [
    LennardJones(cutoff=2.0), (StillingerWeberPair(), StillingerWeberAngle())
], ids=["pairs", "angles"])  # fmt: skip
def test_plain_python_gives_the_same_bits(law, scheme, monkeypatch):
    """The loop and every helper that it calls, noise included, in their Python form."""
    atoms, velocities = melt(2, density=0.25)
    settings = LangevinSettings(velocities=velocities)
    found, compiled = [], motion_kernels.advance
    for loop in (compiled, compiled.py_func):
        system, mover = engine(law, atoms, scheme, 2e-3, settings)
        before = system.positions()
        system.counts[3] = 3
        if loop is not compiled:
            for name, value in list(vars(motion_kernels).items()):
                if hasattr(value, "py_func"):
                    monkeypatch.setattr(motion_kernels, name, value.py_func)
        with np.errstate(all="ignore"):  # words wrap around; a particle is in its own list
            ended = loop(
                system.points, system.carried, system.force, system.reference, system.names,
                system.lists, system.interaction.law, system.box, mover.numbers, system.counts,
                system.near, system.lanes, system.sums, system.random_state, ziggurat_tables(),
            )  # fmt: skip
        assert ended == motion_kernels.DONE
        assert np.abs(system.positions() - before).min() > 0.0
        found.append(everything(system))
    for name in found[0]:
        assert np.array_equal(found[0][name], found[1][name]), name


def test_runs_in_two_threads_are_the_runs_one_by_one():
    atoms, _ = melt(3)

    def run(seed):
        return simulate_langevin(LennardJones(), atoms, 4, 100, time_step=1e-4, rng=seed).positions

    one_by_one = [run(seed) for seed in (1, 2, 1, 3)]
    with ThreadPoolExecutor(2) as threads:
        side_by_side = list(threads.map(run, (1, 2, 1, 3)))
    for one, other in zip(one_by_one, side_by_side, strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(one_by_one[0], one_by_one[1])


def test_same_seed_same_trajectory_and_a_stopped_run_goes_on(tmp_path):
    atoms, _ = melt(3)
    call = {"time_step": 1e-4, "rng": 5, "settings": LangevinSettings(burn_in_steps=30)}
    whole = simulate_langevin(LennardJones(), atoms, 6, 20, **call)
    again = simulate_langevin(LennardJones(), atoms, 6, 20, **call)
    other = simulate_langevin(LennardJones(), atoms, 6, 20, **{**call, "rng": 6})
    assert np.array_equal(whole.positions, again.positions)
    assert not np.array_equal(whole.positions, other.positions)

    def press(done, total):
        if done > total // 2:
            os.kill(os.getpid(), signal.SIGINT)

    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        simulate_langevin(LennardJones(), atoms, 6, 20, **call, checkpoint=path, progress=press)
    assert path.exists()
    resumed = simulate_langevin(LennardJones(), atoms, 6, 20, **call, checkpoint=path)
    assert np.array_equal(whole.positions, resumed.positions)
    assert not path.exists()


def test_the_record():
    atoms, _ = melt(3)
    path = simulate_langevin(LennardJones(), atoms, 3, 5, time_step=1e-4, rng=5)
    assert path.n_frames == 3 and path.n_particles == atoms.n
    assert np.array_equal(path.positions[: atoms.n], atoms.positions)
    assert np.array_equal(path.cell, atoms.cell)
    assert path.metadata["scheme"] == "heun" and path.metadata["seed"] == 5
    # positions run on across the border
    far = simulate_langevin(
        HarmonicTrap(0.0), np.zeros((5, 2)), 2, 100, time_step=1.0, rng=1,
        settings=LangevinSettings(diffusion=50.0),
    )  # fmt: skip
    assert np.abs(far.positions).max() > 30
    gas = AtomicConfiguration(np.zeros((1, 2)), unit="nm", cell=np.eye(2) * 6)
    soft = InversePower(1e-6, exponent=1.0, cutoff=2.0)
    wide = simulate_langevin(soft, gas, 2, 2000, time_step=0.05, rng=1)
    assert np.abs(wide.positions).max() > 6 and wide.unit == "nm"


PAIR = [[0.0, 0.0], [1.1, 0.0]]


@pytest.mark.parametrize(("call", "said"), [
    (lambda: simulate_langevin(LennardJones(), [[0, 0], [5.0, 5], [0.2, 0]], time_step=1e-5),
     "particles 0 and 2 overlap: their distance 0.2"),
    (lambda: simulate_langevin(Yukawa(), [[1.0, 1], [1.0, 1]], time_step=1e-5),
     "particles 0 and 1 overlap: their distance is 0;"),
    (lambda: simulate_langevin(LennardJones(), PAIR, time_step=0.01), "use time_step = "),
    (lambda: simulate_langevin(HarmonicTrap(9.0), PAIR, time_step=0.2), "rate 9 .*= 0.028"),
    (lambda: simulate_langevin(HarmonicTrap(9.0), PAIR, time_step=0.4, dynamics="underdamped"),
     "rate 3 .*= 0.083"),
    (lambda: simulate_langevin(Yukawa(), [[0.0]], time_step=1e-5), r"\(n, 2\) or \(n, 3\)"),
    (lambda: simulate_langevin(Yukawa(), [[0.0, np.nan]], time_step=1e-5), "finite numbers"),
    (lambda: simulate_langevin(Yukawa(), PAIR, time_step=0.0), "time_step must be"),
    (lambda: simulate_langevin(Yukawa(), PAIR, 0, time_step=1e-5), "n_frames must be"),
    (lambda: simulate_langevin(Yukawa(), PAIR, time_step=1e-5, temperature=-1.0), "temperature"),
    (lambda: simulate_langevin(Yukawa(), PAIR, time_step=1e-5, dynamics="hot"), "dynamics must"),
    (lambda: simulate_langevin(Yukawa(), PAIR, time_step=1e-5,
                               settings=LangevinSettings(scheme="baoab")), "scheme of overdamped"),
    (lambda: simulate_langevin(Yukawa(), PAIR, time_step=1e-5,
                               settings=LangevinSettings(mass=[1.0, 1.0, 1.0])), "mass must be"),
    (lambda: LangevinSettings(mass=0.0), "mass must be above 0"),
    (lambda: LangevinSettings(diffusion=np.inf), "diffusion must be"),
    (lambda: LangevinSettings(burn_in_steps=-1), "burn_in_steps"),
])  # fmt: skip
def test_refusals(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_the_look_for_overlaps_is_short_sighted():
    """A potential without an end must not list every pair of a large crowd to find none."""
    x = np.stack(np.meshgrid(*[np.arange(60)] * 2), -1).reshape(-1, 2) * 1.5
    particles, interaction = read_physics(Yukawa(1.0, 1.0), x)
    start_checks.check_no_overlap(particles, interaction, 1.0)
    assert start_checks._enormous_below(Yukawa(1.0, 1.0), 1.0) < 0.01
    x[77] = x[1234] + 1e-4
    particles, interaction = read_physics(Yukawa(1.0, 1.0), x)
    with pytest.raises(InputError, match="particles 77 and 1234 overlap"):
        start_checks.check_no_overlap(particles, interaction, 1.0)


def test_the_proposed_time_step_is_usable():
    for potential, dynamics in ((LennardJones(), "overdamped"), (Morse(), "underdamped")):
        with pytest.raises(InputError) as refused:
            simulate_langevin(potential, PAIR, time_step=1.0, dynamics=dynamics)
        step = float(str(refused.value).rsplit("time_step = ", 1)[1].rstrip("."))
        path = simulate_langevin(potential, PAIR, 3, 2000, time_step=step, dynamics=dynamics, rng=1)
        assert np.isfinite(path.positions).all()


def test_a_motion_that_blows_up_says_so():
    """Velocities far beyond the temperature, of which the check of the time step cannot know."""
    settings = LangevinSettings(velocities=[[900.0, 0.0], [-900.0, 0.0]])
    with pytest.raises(InputError, match=r"blew up at time step 1: .* particle [01] .* well below"):
        simulate_langevin(LennardJones(), PAIR, 2, 1000, time_step=1e-3,
                          dynamics="conservative", settings=settings)  # fmt: skip
