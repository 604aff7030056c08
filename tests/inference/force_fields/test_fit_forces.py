"""Potentials from computed forces: recovered, calibrated, and refused where they can't hold."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import read_forces, read_structures
from physlearn.inference import fit_forces, prior_from_forces
from physlearn.inference.force_fields.condition_spread import SPREAD_SCALE, sample_spread
from physlearn.inference.force_fields.force_worlds import CUTOFF, MORSE, make_force_world
from physlearn.inference.potential_families.fit_contents import potential_of
from physlearn.records import AtomicConfiguration

NAMES = ("depth", "steepness", "minimum")


def fit_world(world, potential="morse", **options):
    given = {
        "energies": world.energies, "forces": world.forces, "conditions": world.conditions,
        "cutoff": CUTOFF, "compare": False, "rng": 1, **options,
    }  # fmt: skip
    return fit_forces(world.structures, potential, **given)


@cache
def exact_world():
    return make_force_world(6, 3, noise=0.0, rng=1)


def test_exact_forces_give_the_exact_potential():
    fit = fit_world(exact_world())
    for name, truth in zip(NAMES, MORSE, strict=True):
        assert np.isclose(fit[name].mean(), truth, rtol=2e-3)
    assert fit.diagnostics["share_unexplained_left_out"] < 1e-6
    assert fit.summary()["unit"].tolist()[:3] == ["eV", "1/angstrom", "angstrom"]


def test_own_family_ends_at_its_own_cutoff_however_far_the_pairs_reach():
    from physlearn.inference.potential_families.make_family import make_family
    from physlearn.lattice_models import LennardJones, particle_energy, particle_forces

    rng = np.random.default_rng(2)
    grid = np.stack(np.meshgrid(*[np.arange(4) * 1.7] * 3), axis=-1).reshape(-1, 3)
    boxes = [AtomicConfiguration(grid + rng.normal(0, 0.12, grid.shape), unit="reduced",
                                 cell=6.8 * np.eye(3)) for _ in range(4)]  # fmt: skip
    truth = LennardJones(0.4, 1.5, cutoff=2.5, truncation="shift")
    family = make_family("lennard_jones", length=1.5, cutoff=2.5)  # its slope ends with a jump
    for reach in (2.5, 3.3, None):
        fit = fit_forces(
            boxes, family, cutoff=reach, compare=False, rng=1,
            energies=[particle_energy(truth, one) for one in boxes],
            forces=[particle_forces(truth, one) for one in boxes],
        )  # fmt: skip
        assert np.isclose(fit["depth"].mean(), 0.4, rtol=2e-3)
        assert np.isclose(fit["diameter"].mean(), 1.5, rtol=5e-4)
    with pytest.raises(InputError, match="reach the family"):
        fit_forces(boxes, family, cutoff=2.0, energies=[0.0] * 4)


def test_spline_follows_the_potential_where_atoms_are():
    fit = fit_world(make_force_world(4, 2, noise=0.0, size=3, rng=1), "spline")
    r = np.linspace(2.6, 4.5, 9)
    from physlearn.lattice_models import Morse

    truth = Morse(*MORSE, cutoff=CUTOFF, truncation="switch")
    assert np.abs(potential_of(fit).derivative(r) - truth.derivative(r)).max() < 0.01


def test_energies_alone_and_forces_alone_find_it_too():
    world = exact_world()
    alone = fit_world(world, energies=None)
    assert np.isclose(alone["minimum"].mean(), MORSE[2], rtol=0.01)
    assert "energy_per_atom" not in alone.variables
    by_energy = fit_world(world, forces=None)
    assert np.isclose(by_energy["minimum"].mean(), MORSE[2], rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [(0.0, 0.0, 0.0), (0.1, 0.05, 0.01)])
def test_intervals_hold_the_average_potential(spread, oracle):
    held = []
    for index in range(100):
        world = make_force_world(8, 4, spread=spread, rng=np.random.default_rng((11, index)))
        fit = fit_world(world, rng=index, n_draws=500)
        held.append([fit.interval(n)[0] < t < fit.interval(n)[1]
                     for n, t in zip(NAMES, MORSE, strict=True)])  # fmt: skip
    for name, count in zip(NAMES, np.sum(held, axis=0), strict=True):
        oracle(f"cov90 {name}", p=stats.binomtest(int(count), 100, 0.9).pvalue)


def test_spread_of_one_parameter_is_that_of_the_integral(oracle):
    """Half-t prior times normal likelihoods, on a grid, against the Gibbs sampler."""
    rng = np.random.default_rng(3)
    told, error = 0.2 * rng.standard_normal(6) + 1.0, np.full(6, 0.1)
    precision = (1 / error**2)[:, None, None]
    means, spreads = sample_spread(precision, (told / error**2)[:, None], 8000, rng)
    sizes = np.geomspace(1e-4, 20, 4000)
    variance = sizes[:, None] ** 2 + error**2
    weight = 1 / variance
    center = (weight * told).sum(axis=1) / weight.sum(axis=1)
    log_density = -0.5 * (np.log(variance) + (told - center[:, None]) ** 2 / variance).sum(axis=1)
    log_density -= 0.5 * np.log(weight.sum(axis=1))
    log_density += stats.t.logpdf(sizes / SPREAD_SCALE, 2) + np.log(sizes)
    density = np.exp(log_density - log_density.max())
    exact = (density * np.log(sizes)).sum() / density.sum()
    drawn = 0.5 * np.log(spreads[:, 0, 0])
    block = drawn.reshape(50, -1).mean(axis=1)
    oracle("log spread", z=(drawn.mean() - exact) / (block.std(ddof=1) / np.sqrt(50)))
    exact_mean = (density * center).sum() / density.sum()
    block = means[:, 0].reshape(50, -1).mean(axis=1)
    oracle("mean", z=(means.mean() - exact_mean) / (block.std(ddof=1) / np.sqrt(50)))


def test_three_body_truth_rejects_pairs_and_pair_truth_does_not():
    bent_world = make_force_world(6, 4, angle=3.0, rng=5)
    bent = fit_world(bent_world, compare=True)
    row = bent.diagnostics["comparisons"]["three_body"]
    assert row["needed"] and row["log10_odds"] > 3
    assert any("a pair force is not enough" in text for text in bent.warnings)
    plain = fit_world(make_force_world(6, 4, rng=6), compare=True)
    assert not any(row["needed"] for row in plain.diagnostics["comparisons"].values())
    full = fit_world(bent_world, beyond_pairs="three_body")
    shares = [fit.diagnostics["share_unexplained_left_out"] for fit in (bent, full)]
    assert shares[1] < 0.5 * shares[0]
    with pytest.raises(InputError, match="beyond_pairs"):
        prior_from_forces(full, (300.0, 10.0))


def test_prior_is_wider_where_conditions_differ_and_in_units_of_temperature():
    alike = fit_world(make_force_world(6, 3, rng=7))
    apart = fit_world(make_force_world(6, 3, spread=(0.3, 0.1, 0.02), rng=7))
    widths = []
    for fit in (alike, apart):
        part = prior_from_forces(fit, (400.0, 0.0)).parts[0]
        widths.append(np.sqrt(part.prior_covariance[0, 0]))
    assert widths[1] > 2 * widths[0]
    cold, hot = (prior_from_forces(alike, (t, 0.1 * t)).parts[0] for t in (200.0, 400.0))
    assert np.isclose(cold.prior_mean[0] - hot.prior_mean[0], np.log(2.0))
    assert cold.prior_covariance[0, 0] > 0.1**2
    new = fit_world(make_force_world(6, 3, spread=(0.3, 0.1, 0.02), rng=7), target="prior")
    assert np.log(new["depth"]).std() > np.log(apart["depth"]).std()


def test_what_cannot_be_fitted_is_said():
    world = exact_world()
    with pytest.raises(InputError, match="energies or forces"):
        fit_forces(world.structures)
    with pytest.raises(InputError, match="at least 2"):
        fit_forces(world.structures[:1], energies=[1.0])
    with pytest.raises(InputError, match="at least 3"):
        fit_forces(world.structures[:2], "morse", forces=world.forces[:2], conditions=["a"] * 2)
    with pytest.raises(InputError, match=r"forces\[0\]"):
        fit_forces(world.structures[:2], forces=[np.zeros((2, 3))] * 2)
    with pytest.raises(InputError, match="conditions must name"):
        fit_world(world, conditions=["a"])
    still = [AtomicConfiguration(one.positions, unit="angstrom", cell=one.cell)
             for one in world.structures[:1] * 3]  # fmt: skip
    with pytest.raises(InputError, match="at rest"):
        fit_forces(still, forces=[np.zeros((16, 3))] * 3, energies=[-1.0] * 3)
    double = AtomicConfiguration(
        np.vstack([world.structures[0].positions, world.structures[0].positions[:1] + 0.01]),
        unit="angstrom", cell=world.structures[0].cell,
    )  # fmt: skip
    with pytest.raises(InputError, match="on top of each other"):
        fit_forces([double, double], forces=[np.zeros((17, 3))] * 2)
    with pytest.raises(NotIdentified, match="parameters"):
        fit_forces(world.structures[:3], "spline", energies=world.energies[:3])


def test_atoms_nearer_than_any_other_condition_has_are_counted_apart():
    world = make_force_world(4, 2, noise=0.0, size=3, rng=1)
    fit = fit_world(world, "spline")
    assert fit.diagnostics["n_atoms_out_of_support"] > 0
    assert any("nearer than any" in text for text in fit.warnings)
    assert fit.diagnostics["share_unexplained_left_out"] < 0.1


def test_gradients_given_as_forces_are_told_by_the_energies():
    world = make_force_world(6, 4, rng=3)
    for sign, said in ((1.0, False), (-1.0, True)):
        fit = fit_world(world, forces=[sign * one for one in world.forces])
        assert any("may not belong together" in text for text in fit.warnings) is said


def test_energies_are_in_ev_in_any_unit_of_length_but_the_reduced_one():
    world, medians = exact_world(), []
    for unit, factor in (("angstrom", 1.0), ("nm", 0.1), ("reduced", 1.0)):
        boxes = [AtomicConfiguration(factor * one.positions, unit=unit, cell=factor * one.cell)
                 for one in world.structures]  # fmt: skip
        fit = fit_forces(
            boxes, "morse", energies=world.energies, forces=[f / factor for f in world.forces],
            conditions=world.conditions, cutoff=factor * CUTOFF, compare=False, rng=1,
        )  # fmt: skip
        medians.append(np.exp(prior_from_forces(fit, (400.0, 20.0)).parts[0].prior_mean[0]))
    kelvin = 8.617333e-5
    assert np.allclose(np.array(medians) * [kelvin, kelvin, 1.0] * 400, MORSE[0], rtol=0.02)


def test_one_condition_says_that_it_cannot_see_others():
    world = make_force_world(1, 8, rng=8)
    fit = fit_world(world)
    assert any("one condition only" in text for text in fit.warnings)
    wide = fit_world(world, target="prior")
    assert np.log(wide["depth"]).std() > 3 * np.log(fit["depth"]).std()


def test_two_elements_have_potentials_of_their_own():
    from physlearn.lattice_models import LennardJones, PairTable, particle_energy, particle_forces

    rng = np.random.default_rng(9)
    grid = np.stack(np.meshgrid(*[np.arange(4) * 1.7] * 3), axis=-1).reshape(-1, 3)
    species = (np.arange(64) + np.arange(64) // 4) % 2
    boxes = [AtomicConfiguration(grid + rng.normal(0, 0.12, grid.shape), unit="reduced",
                                 cell=6.8 * np.eye(3), species=species, species_names=("A", "B"))
             for _ in range(6)]  # fmt: skip
    numbers = {(0, 0): (0.4, 1.5), (0, 1): (0.7, 1.4), (1, 1): (0.2, 1.6)}
    truth = PairTable({pair: LennardJones(*two, cutoff=3.3, truncation="switch")
                       for pair, two in numbers.items()})  # fmt: skip
    fit = fit_forces(
        boxes, "lennard_jones", cutoff=3.3, rng=1,
        energies=[particle_energy(truth, one) for one in boxes],
        forces=[particle_forces(truth, one) for one in boxes],
    )  # fmt: skip
    assert np.allclose(fit["depth"].mean(axis=0), [0.4, 0.7, 0.2], rtol=0.02)
    assert np.allclose(fit["diameter"].mean(axis=0), [1.5, 1.4, 1.6], rtol=0.01)


def test_lithium_is_a_pair_potential_to_a_hundredth(public_file):
    path = public_file("dft_forces_elements/pes_Li.json")
    structures, forces = read_structures(path), read_forces(path)
    kept = [k for k, one in enumerate(structures) if one.metadata["group"] != "Surface"][::5]
    fit = fit_forces(
        [structures[k] for k in kept], forces=[forces[k] for k in kept], compare=False, rng=1
    )
    assert fit.diagnostics["share_unexplained_left_out"] < 0.02
    assert 0.01 < fit.diagnostics["force_error_left_out"] < 0.04


def test_silicon_rejects_pairs(public_file):
    path = public_file("dft_forces_elements/pes_Si.json")
    structures, forces = read_structures(path), read_forces(path)
    fit = fit_forces(structures[::6], forces=forces[::6], rng=1)
    assert fit.diagnostics["share_unexplained_left_out"] > 0.08
    row = fit.diagnostics["comparisons"]["three_body"]
    assert row["needed"] and row["log10_odds"] > 3
