"""What particles refuse: coinciding ones, attractions without a core, counts; and units."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.particles import (
    HarmonicTrap,
    InversePower,
    LangevinSettings,
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
    start_checks,
)
from physlearn.lattice_models.particles.interaction import read_physics
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.records import AtomicConfiguration

ENGINES = {
    "langevin": lambda law, start, **call: simulate_langevin(
        law, start, 2, 5, time_step=1e-6, rng=1, **call
    ),
    "metropolis": lambda law, start, **call: sample_positions(law, start, 2, 5, rng=1, **call),
}
ONE_FORM = {
    "energy": particle_energy,
    "forces": particle_forces,
    "pressure": lambda law, atoms: particle_pressure(law, atoms, temperature=1.0),
}
LAWS = {
    "lennard_jones": LennardJones(cutoff=2.0), "morse": Morse(cutoff=2.0),
    "yukawa": Yukawa(cutoff=2.0), "inverse_power": InversePower(cutoff=2.0),
    "spline": SplinePotential([0.5, 1.0, 1.5], [2.0, 0.5, 0.0]),
    "stillinger_weber": StillingerWeberPair(), "angle": StillingerWeberAngle(),
}  # fmt: skip


def boxed(x, species=None):
    x = np.asarray(x, dtype=float)
    return AtomicConfiguration(x, unit="reduced", cell=np.eye(x.shape[1]) * 4.2, species=species)


@pytest.mark.parametrize("act", [*ONE_FORM.values(), *ENGINES.values()],
                         ids=[*ONE_FORM, *ENGINES])  # fmt: skip
@pytest.mark.parametrize("name", LAWS)
def test_particles_at_one_place_are_refused(name, act):
    with pytest.raises(InputError, match="particles 1 and 3 overlap: their distance is 0"):
        act(LAWS[name], boxed([[0, 0], [1, 1], [2.5, 2], [1, 1]]))
    # one place through the border, one of them below it by less than a number can tell
    with pytest.raises(InputError, match="particles 0 and 1 overlap: their distance is 0"):
        act(LAWS[name], boxed([[0.0, 1.0], [-1e-20, 1.0], [2.0, 2.0]]))


@pytest.mark.parametrize("act", ONE_FORM.values(), ids=ONE_FORM)
def test_particles_too_close_for_a_number_are_refused(act):
    with pytest.raises(InputError, match="so close that their energy or force is not finite"):
        act(LAWS["lennard_jones"], boxed([[0.0, 1.0], [1e-200, 1.0]]))


def test_particles_that_do_not_see_each_other_may_stand_at_one_place():
    assert particle_energy(HarmonicTrap(2.0), np.ones((3, 2))) == pytest.approx(6.0)
    path = simulate_langevin(HarmonicTrap(2.0), np.ones((3, 2)), 2, time_step=1e-3, rng=1)
    assert np.isfinite(path.positions).all()


WITHOUT_CORE = {
    "yukawa": Yukawa(-1.0, cutoff=2.0), "inverse_power": InversePower(-1.0, exponent=3.0, cutoff=2),
    "charges": InversePower(-1.0, exponent=1.0),
    "switched": Yukawa(-1.0, cutoff=2.0, truncation="switch"),
    "stillinger_weber": StillingerWeberPair(exponent_p=2.0, exponent_q=4.0),
    "same powers": StillingerWeberPair(exponent_p=2.0, exponent_q=2.0, factor_b=0.9),
}  # fmt: skip
PAIR = [[0.0, 0.0], [1.1, 0.0]]


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("name", WITHOUT_CORE)
def test_attractions_without_a_core_are_refused(name, engine):
    """What the property says is what the energy does on the way in."""
    potential = WITHOUT_CORE[name]
    depths = potential.value([1e-3, 1e-6, 1e-9])
    assert depths[2] < 10 * depths[1] < 100 * depths[0] < 0
    for law in (potential, (potential, HarmonicTrap(1.0))):
        with pytest.raises(InputError, match="of species 0 and 0 falls to minus infinity"):
            engine(law, PAIR)


@pytest.mark.parametrize("name", LAWS)
def test_potentials_with_a_floor_say_so(name):
    if name != "angle":
        assert not LAWS[name].has_no_floor
        assert LAWS[name].value(1e-9) > -2.0
    assert not StillingerWeberPair(exponent_p=2.0, exponent_q=2.0, factor_b=1.1).has_no_floor


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_only_species_that_meet_need_a_core(engine):
    """One positive and one negative charge attract; a lone charge has nothing to fall into."""
    like, unlike = Yukawa(1.0, cutoff=2.0), Yukawa(-1.0, cutoff=2.0)
    salt = PairTable({(0, 0): like, (0, 1): unlike, (1, 1): like})
    with pytest.raises(InputError, match="the Yukawa of species 0 and 1 falls to minus infinity"):
        engine(salt, boxed(PAIR, species=[0, 1]))
    engine(salt, boxed(PAIR, species=[1, 1]))
    attracting = PairTable({(0, 0): unlike, (0, 1): like, (1, 1): unlike})
    engine(attracting, boxed(PAIR, species=[0, 1]))


def test_energies_of_an_attraction_without_a_core_remain_to_be_had():
    wanted = float(WITHOUT_CORE["charges"].value(1.1))
    assert particle_energy(WITHOUT_CORE["charges"], PAIR) == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.5, 3.0, 10.5, -1, True, "3", None])
def test_counts_are_whole_numbers(value):
    """The same for all of them; a float is refused even where it has no fraction."""
    law = HarmonicTrap(1.0)
    calls = {
        "n_frames": lambda: simulate_langevin(law, PAIR, value, time_step=1e-3),
        "steps_between": lambda: simulate_langevin(law, PAIR, 2, value, time_step=1e-3),
        "burn_in_steps": lambda: LangevinSettings(burn_in_steps=value),
        "n_samples": lambda: sample_positions(law, PAIR, value),
        "sweeps_between": lambda: sample_positions(law, PAIR, 2, value),
        "burn_in_sweeps": lambda: MetropolisSettings(value),
    }
    for name, call in calls.items():
        with pytest.raises(InputError, match=f"^{name} must be a whole number of at least [01]; "):
            call()


def test_counts_of_numpy_are_taken():
    path = simulate_langevin(
        HarmonicTrap(1.0), PAIR, np.int64(2), np.int32(3), time_step=1e-3,
        settings=LangevinSettings(burn_in_steps=np.int64(2)), rng=1,
    )  # fmt: skip
    assert path.n_frames == 2
    settings = MetropolisSettings(np.int64(20))
    assert len(sample_positions(HarmonicTrap(1.0), PAIR, np.int64(2), settings=settings)) == 2


ARGON_LENGTH, ARGON_ENERGY = 3.4e-10, 1.65e-21  # metres, joules


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("trapped", [True, False])
def test_stiffness_does_not_depend_on_units(trapped, offset, oracle):
    """A crystal in diameters and in metres: energy / length^2 of the one is that of the other."""
    x = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3) * 1.1
    x = x + np.random.default_rng(1).normal(0, 0.03, x.shape) + offset
    found = []
    for length, energy in ((1.0, 1.0), (ARGON_LENGTH, ARGON_ENERGY), (1e6, 1e9)):
        bond = Morse(energy, 5.0 / length, 1.1 * length, cutoff=2.2 * length)
        law = (bond, HarmonicTrap(3.0 * energy / length**2)) if trapped else bond
        system = ParticleSystem(*read_physics(law, x * length))
        found.append(start_checks.stiffest_direction(system) * length**2 / energy)
    bond = Morse(1.0, 5.0, 1.1, cutoff=2.2)
    exact = curvature(bond, x, 3.0 if trapped else 0.0)
    for name, value in zip(("diameters", "metres", "large"), found, strict=True):
        assert 0.5 * exact < value < exact * (1 + 1e-4)  # power steps come from below
        oracle(f"stiffness in {name} and in diameters", error=value / found[0] - 1, bound=1e-4)


def curvature(bond, x, trap):
    """Largest eigenvalue of the matrix of second derivatives, in closed form."""
    n, d = x.shape
    matrix = np.zeros((n, d, n, d))
    for i in range(n):
        for j in range(i):
            r = x[i] - x[j]
            length = np.sqrt(r @ r)
            if length < bond.cutoff:
                along = np.outer(r, r) / length**2
                block = float(bond.second_derivative(length)) * along
                block += float(bond.derivative(length)) / length * (np.eye(d) - along)
                matrix[i, :, i] += block
                matrix[j, :, j] += block
                matrix[i, :, j] -= block
                matrix[j, :, i] -= block
    flat = matrix.reshape(n * d, n * d) + trap * np.eye(n * d)
    return float(np.abs(np.linalg.eigvalsh(flat)).max())


@pytest.mark.parametrize("dynamics", ["overdamped", "underdamped"])
def test_a_run_in_metres_is_the_run_in_diameters(dynamics, oracle):
    """The same seed, lengths and energies in SI: the same motion to round-off."""
    x = np.stack(np.meshgrid(*[np.arange(4)] * 2), -1).reshape(-1, 2) * 1.2
    paths = []
    for length, energy in ((1.0, 1.0), (ARGON_LENGTH, ARGON_ENERGY)):
        atoms = AtomicConfiguration(x * length, unit="reduced", cell=np.eye(2) * 6.0 * length)
        law = LennardJones(energy, length, cutoff=2.5 * length)
        settings = LangevinSettings(diffusion=length**2, mass=energy / length**2)
        path = simulate_langevin(law, atoms, 2, 200, time_step=2e-4, temperature=energy,
                                 dynamics=dynamics, settings=settings, rng=4)  # fmt: skip
        paths.append(path.positions / length)
        with pytest.raises(InputError, match="is too large") as refused:
            simulate_langevin(law, atoms, 2, time_step=9.0, temperature=energy, dynamics=dynamics,
                              settings=settings)  # fmt: skip
        paths.append(float(str(refused.value).rsplit("time_step = ", 1)[1].rstrip(".")))
    assert paths[1] == paths[3]
    oracle(f"{dynamics} motion in metres", error=np.abs(paths[0] - paths[2]).max(), bound=1e-9)
