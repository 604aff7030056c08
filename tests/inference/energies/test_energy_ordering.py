"""Order predicted from bond energies, and energies as the prior of couplings."""

import itertools

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.reading.read_structures import read_structures
from physlearn.inference.energies.cluster_expansion import (
    EnergyOptions,
    fit_hamiltonian_to_energies,
)
from physlearn.inference.energies.energy_prior import (
    join_energies_and_snapshots,
    prior_from_energies,
)
from physlearn.inference.energies.expansion_ordering import (
    BOLTZMANN_MEV,
    hamiltonian_from_energies,
    predict_ordering,
    thermal_energy_of,
)
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.lattice_models import (
    Ising,
    cubic_lattice,
    find_triplets,
    simulate_lattice,
    square_lattice,
)
from physlearn.records import LatticeSnapshots
from physlearn.results import fit_from_draws


def energy_fit(bonds, sds, rng, unit="meV", lattice="bcc", motifs="[]", n=4000, triplets=None):
    """A fit to energies with a normal posterior."""
    draws = {
        "bond_energies": np.array(bonds) + np.array(sds) * rng.standard_normal((n, len(bonds)))
    }
    if triplets is not None:
        draws["triplet_energies"] = np.tile(np.array(triplets), (n, 1))
    return fit_from_draws(
        draws, model="planted energies", likelihood="normal", approximation="none", seed=0,
        data=[np.array(bonds)], attrs={"energy_unit": unit, "lattice": lattice, "motifs": motifs},
    )  # fmt: skip


def picture_fit(estimate, sd, rng, prior_sd=0.5, n=8000):
    """A fit to pictures whose likelihood is one normal measurement of the couplings."""
    estimate, sd = np.atleast_1d(estimate), np.atleast_1d(sd)
    variance = 1 / (1 / sd**2 + 1 / prior_sd**2)
    mean = variance * estimate / sd**2
    draws = mean + np.sqrt(variance) * rng.standard_normal((n, len(mean)))
    return fit_from_draws(
        {"couplings": draws, "field": rng.normal(0, 0.1, n)}, model="planted pictures",
        likelihood="exact", approximation="none", seed=0, data=[estimate],
        prior_sd={"couplings": [prior_sd] * len(mean), "field": 3.0},
    )  # fmt: skip


def test_couplings_are_minus_energies_over_kt():
    fit = energy_fit([10.0, -2.0], [0.0, 0.0], np.random.default_rng(1))
    thermal = thermal_energy_of(fit, 300.0)
    assert thermal == pytest.approx(300 * BOLTZMANN_MEV)
    assert thermal == pytest.approx(25.852, abs=1e-3)
    model = hamiltonian_from_energies(fit, 300.0)
    assert model.couplings == pytest.approx([-10 / thermal, 2 / thermal])
    three = energy_fit(
        [1.0, 0.5], [0.0, 0.0], np.random.default_rng(1), motifs="[[0, 0, 1]]", triplets=[3.0],
        unit="reduced",
    )  # fmt: skip
    assert dict(hamiltonian_from_energies(three, 2.0).triplets) == {(0, 0, 1): -1.5}
    # energy over kT of the same states, up to composition terms
    graph = cubic_lattice((2, 2, 2), "bcc", 2)
    states = np.random.default_rng(2).choice([-1, 1], (3, 16))
    plus = -Ising([1.0, 0.5], triplets={(0, 0, 1): 3.0}).energy(states, graph)
    assert hamiltonian_from_energies(three, 2.0).energy(states, graph) == pytest.approx(plus / 2)


@pytest.mark.parametrize(
    ("lattice", "bonds", "pattern"),
    [("bcc", [10.0], "B2"), ("bcc", [-10.0], "separation into phases"),
     ("sc", [10.0], "rock salt"), ("bcc", [0.0, 10.0], "B32"),
     ("fcc", [10.0, -5.0], "L1_0 or L1_2")],
)  # fmt: skip
def test_known_ground_states(lattice, bonds, pattern):
    rng = np.random.default_rng(3)
    fit = energy_fit(bonds, np.full(len(bonds), 0.1), rng, lattice=lattice)
    found = predict_ordering(fit, 350.0, n_cells=8, n_posterior=4, n_pictures=8, rng=1)
    assert next(iter(found.patterns)) == pattern
    assert found.transition_temperature[0] > 350
    assert pattern in found.summary()


def test_mean_field_instability_in_closed_form(oracle):
    """bcc, nearest neighbours only: kT = 8 V; with the second shell B2 gives 8 V1 - 6 V2."""
    rng = np.random.default_rng(4)
    for bonds, exact in (([5.0], 8 * 5.0), ([5.0, -1.0], 8 * 5.0 + 6 * 1.0), ([-3.0], 8 * 3.0)):
        fit = energy_fit(bonds, np.zeros(len(bonds)) + 1e-9, rng, unit="reduced")
        found = predict_ordering(fit, 200.0, n_cells=4, n_posterior=2, n_pictures=4, rng=1)
        oracle(f"instability of {bonds}", error=found.transition_temperature[0] - exact, bound=1e-6)


def test_triplets_move_the_instability_off_one_half(oracle):
    """The lowest curvature of the energy of a box, with every bond and triplet written out."""
    rng, mean, bonds, threes = np.random.default_rng(5), 0.4, [5.0, -1.0], 3.0
    graph = cubic_lattice((4, 4, 4), "bcc", 2)
    hessian = np.zeros((graph.n_sites, graph.n_sites))
    for (a, b), shell, times in zip(graph.edges, graph.shell, graph.multiplicity, strict=True):
        hessian[[a, b], [b, a]] += bonds[shell] * times
    for corners in find_triplets(graph, (0, 0, 1)):
        for a, b in itertools.permutations(corners, 2):
            hessian[a, b] += mean * threes
    exact = -(1 - mean**2) * np.linalg.eigvalsh(hessian)[0]
    fit = energy_fit(
        bonds, [1e-9, 1e-9], rng, unit="reduced", motifs="[[0, 0, 1]]", triplets=[threes]
    )
    found = predict_ordering(
        fit, 200.0, mean_state=mean, n_cells=4, n_posterior=2, n_pictures=4, rng=1
    )
    share = abs(found.mean_state - mean)
    oracle("mean state", error=share, bound=0.02)
    oracle("instability", error=found.transition_temperature[0] / exact - 1, bound=0.03)


def test_short_range_order_at_high_temperature(oracle):
    """Weak J: <s s'> = J + O(J^3) on bcc neighbours, less the fixed composition's 1 / (N - 1)."""
    rng = np.random.default_rng(5)
    fit = energy_fit([-0.03], [1e-6], rng, unit="reduced")
    found = predict_ordering(
        fit, 1.0, n_cells=10, n_posterior=16, n_pictures=100, burn_in=50, rng=1
    )
    row = found.table.iloc[0]
    exact = np.tanh(0.03) * (1 + 12 * 0.03**2) - 1 / 999
    oracle("Warren-Cowley", z=(row["warren_cowley"] - exact) / (row["sd"] / 4))
    assert row["probability_unlike"] < 0.5
    assert not found.warnings


def test_composition_and_posterior_width_reach_the_answer():
    rng = np.random.default_rng(6)
    fit = energy_fit([0.5], [3.0], rng)
    found = predict_ordering(fit, 600.0, mean_state=-0.5, n_cells=8, rng=1, n_pictures=10)
    assert found.mean_state == pytest.approx(-0.5)
    assert 0 < found.table["probability_unlike"][0] < 1  # the sign is open
    with pytest.raises(InputError, match="mean_state must lie between"):
        predict_ordering(fit, 600.0, mean_state=1.0)
    with pytest.raises(InputError, match="fit must be of crystals"):
        predict_ordering(energy_fit([1.0], [0.1], rng, lattice="graph"), 300.0)
    with pytest.raises(InputError, match="n_cells"):
        predict_ordering(fit, 600.0, n_cells=2)
    with pytest.raises(InputError, match="must come from fit_hamiltonian_to_energies"):
        predict_ordering(picture_fit(0.1, 0.1, rng), 300.0)
    with pytest.raises(InputError, match="temperature must be"):
        hamiltonian_from_energies(fit, -1.0)
    with pytest.raises(InputError, match="draw must be from 0"):
        hamiltonian_from_energies(fit, 300.0, draw=4000)


@pytest.mark.parametrize(
    ("name", "temperature", "unlike", "pattern"),
    [("NbMo", 700.0, True, "B2"), ("NbTa", 250.0, False, "separation into phases")],
)
def test_sign_of_order_in_public_alloys(public_file, name, temperature, unlike, pattern):
    """Nb-Mo orders (V_NN > 0), Nb-Ta clusters (V_NN < 0), with two shells and with three."""
    crystals = read_structures(public_file(f"dft_alloys_bcc/{name}_SS.json"), "relax")
    for n_shells in (2, 3):
        fit = fit_hamiltonian_to_energies(crystals, n_shells=n_shells, rng=1)
        found = predict_ordering(fit, temperature, n_cells=8, n_pictures=10, rng=1)
        assert found.table["probability_unlike"][0] == float(unlike)
        assert next(iter(found.patterns)) == pattern


def test_prior_moments_of_a_normal_temperature(oracle):
    rng = np.random.default_rng(7)
    fit = energy_fit([-20.0, 5.0], [1.0, 2.0], rng, n=50_000)
    table = prior_from_energies(fit, (500.0, 60.0), discrepancy=1.5)
    temperature = rng.normal(500, 60, 400_000)
    for index, (v, sd) in enumerate(((-20.0, 1.0), (5.0, 2.0))):
        j = -(v + np.hypot(sd, 1.5) * rng.standard_normal(400_000)) / (BOLTZMANN_MEV * temperature)
        mean, width = table[f"couplings[{index + 1}]"]
        oracle(f"prior mean {index}", error=mean / j.mean() - 1, bound=0.01)
        oracle(f"prior sd {index}", error=width / j.std() - 1, bound=0.02)
    with pytest.raises(InputError, match="must be a pair"):
        prior_from_energies(fit, 500.0)
    with pytest.raises(InputError, match="better than to a third"):
        prior_from_energies(fit, (500.0, 200.0))
    with pytest.raises(InputError, match="temperature mean"):
        prior_from_energies(fit, (0.0, 10.0))


def test_joint_posterior_at_a_known_temperature_is_the_product_of_normals(oracle):
    rng = np.random.default_rng(8)
    energies = energy_fit([-10.0], [2.0], rng, unit="reduced", n=200_000)
    pictures = picture_fit(0.16, 0.03, rng, n=200_000)
    joint = join_energies_and_snapshots(energies, pictures, (50.0, 0.0), rng=1)
    precision = 1 / 0.03**2 + 1 / 0.04**2
    mean = (0.16 / 0.03**2 + 0.2 / 0.04**2) / precision
    oracle("mean", error=(joint["couplings"].mean() - mean) * np.sqrt(precision), bound=0.02)
    oracle("sd", error=joint["couplings"].std() * np.sqrt(precision) - 1, bound=0.02)
    assert np.allclose(joint["bond_energies"], -50 * joint["couplings"])
    assert joint["temperature"].std() == 0


def test_joint_posterior_covers_planted_truth_and_is_narrower(oracle):
    """Truths of V, T drawn; pictures and energies measured: ranks of J, V and T."""
    rng = np.random.default_rng(9)
    ranks, narrower = [], []
    for _ in range(80):
        temperature = rng.normal(100, 10)
        v = rng.normal([-20.0, 8.0], [6.0, 3.0])
        measured = rng.normal(v, [1.0, 0.5])
        # the posterior of V under its prior, as a fit to energies reports it
        tight = 1 / (1 / np.array([6.0, 3.0]) ** 2 + 1 / np.array([1.0, 0.5]) ** 2)
        center = tight * (np.array([-20.0, 8.0]) / np.array([6.0, 3.0]) ** 2
                          + measured / np.array([1.0, 0.5]) ** 2)  # fmt: skip
        energies = energy_fit(center, np.sqrt(tight), rng, unit="reduced")
        j = -v / temperature
        pictures = picture_fit(rng.normal(j, 0.015), [0.015, 0.015], rng)
        joint = join_energies_and_snapshots(energies, pictures, (100.0, 10.0), rng=rng)
        narrower.append(joint["couplings"].std(axis=0) < pictures["couplings"].std(axis=0))
        ranks.append(
            [*(joint["couplings"] < j).mean(axis=0), (joint["temperature"] < temperature).mean(),
             (joint["bond_energies"][:, 0] < v[0]).mean()]
        )  # fmt: skip
    assert np.mean(narrower) > 0.95
    for name, column in zip(["J1", "J2", "T", "V1"], np.array(ranks).T, strict=True):
        oracle(f"ranks of {name}", p=stats.kstest(column, "uniform").pvalue)


def test_disagreement_and_few_draws_are_said(oracle):
    rng = np.random.default_rng(10)
    energies = energy_fit([-20.0, 8.0], [0.5, 0.5], rng, unit="reduced")
    wrong = picture_fit([0.2, 0.1], [0.01, 0.01], rng)
    joint = join_energies_and_snapshots(energies, wrong, (100.0, 10.0), rng=1)
    assert any("energies and pictures disagree" in text for text in joint.warnings)
    assert any("effective draws" in text for text in joint.warnings)
    p = []
    for seed in range(80):
        inner = np.random.default_rng(seed)
        temperature, v = inner.normal(100, 10), inner.normal([-20.0, 8.0], [0.5, 0.5])
        pictures = picture_fit(inner.normal(-v / temperature, 0.01), [0.01, 0.01], inner, n=1000)
        joint = join_energies_and_snapshots(energies, pictures, (100.0, 10.0), rng=1)
        p.append(joint.diagnostics["agreement_p"])
    oracle("p values of the agreement", p=stats.kstest(p, "uniform").pvalue)
    with pytest.raises(InputError, match="shells of snapshot_fit"):
        join_energies_and_snapshots(energies, picture_fit(0.1, 0.1, rng), (100.0, 10.0))


def test_a_planted_pattern_with_its_energies(oracle):
    """Simulated picture, planted energies: the prior narrows J, and so does the joint answer."""
    rng = np.random.default_rng(11)
    graph = square_lattice((32, 32))
    picture = simulate_lattice(Ising([0.2]), graph, rng=1)
    energies = energy_fit([-20.5], [0.5], rng, unit="reduced", lattice="graph")
    prior = prior_from_energies(energies, (100.0, 5.0))
    alone = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    helped = fit_lattice_hamiltonian(
        picture, n_shells=1, rng=1, prior={"couplings[1]": prior["couplings[1]"]}
    )
    joint = join_energies_and_snapshots(energies, alone, (100.0, 5.0), rng=1)
    widths = [fit["couplings"].std() for fit in (alone, helped, joint)]
    assert widths[1] < widths[0]
    assert widths[2] < widths[0]
    apart = helped["couplings"].mean() - joint["couplings"].mean()
    oracle("prior against weights", error=apart / widths[2], bound=0.25)
    oracle("joint J", z=(joint["couplings"].mean() - 0.2) / widths[2])


def test_triplets_take_part_in_the_prediction():
    """A strong triplet energy of s s' s'' changes the order at a composition off one half."""
    rng = np.random.default_rng(12)
    made = {"sds": [0.01, 0.01], "rng": rng, "unit": "reduced", "motifs": "[[0, 0, 1]]"}
    orders = []
    for strength in (-0.02, 0.02):
        fit = energy_fit([0.05, 0.0], triplets=[strength], **made)
        found = predict_ordering(
            fit, 1.0, mean_state=0.4, n_cells=8, n_posterior=4, n_pictures=20, rng=1
        )
        orders.append(found.table["warren_cowley"][0])
    # triplets of a mean s = .4 act as a pair energy .4 W in addition
    assert orders[0] > orders[1] + 0.02


def test_energies_and_pictures_of_planted_worlds_end_to_end(oracle):
    """Structures with energies, a picture of the same alloy: z of J, narrower than either alone."""
    rng = np.random.default_rng(13)
    box, crystal = square_lattice((6, 6)), square_lattice((24, 24))
    z, shrunk = [], []
    for seed in range(16):
        temperature, v = rng.normal(100, 8), rng.normal(-20, 5)
        states = np.where(rng.random((30, 36)) < rng.uniform(0.3, 0.7, (30, 1)), 1, -1)
        energies = -Ising([v]).energy(states, box) + rng.normal(0, 40.0, 30)
        measured = fit_hamiltonian_to_energies(
            LatticeSnapshots(states, box), energies, 1, options=EnergyOptions(unit="reduced"),
            rng=seed,
        )  # fmt: skip
        picture = simulate_lattice(Ising([-v / temperature]), crystal, rng=seed)
        alone = fit_lattice_hamiltonian(picture, n_shells=1, rng=seed)
        joint = join_energies_and_snapshots(measured, alone, (100.0, 8.0), rng=seed)
        table = prior_from_energies(measured, (100.0, 8.0))["couplings[1]"]
        width = joint["couplings"].std()
        z.append((joint["couplings"].mean() + v / temperature) / width)
        shrunk.append(width < 1.02 * min(alone["couplings"].std(), table[1]))
    oracle("z of the couplings", p=stats.chi2.sf(np.sum(np.square(z)), 16))
    oracle("mean z", z=np.mean(z) * 4)
    assert np.mean(shrunk) > 0.9


def test_energies_of_other_models_and_lattices_are_not_joined_in_silence():
    """Couplings of Potts are twice Ising's; bcc bonds are no bonds of a square lattice."""
    picture = simulate_lattice(Ising([0.2]), square_lattice((16, 16)), rng=5)
    energies = energy_fit([-25.0], [2.0], np.random.default_rng(1), unit="reduced")
    ising = fit_lattice_hamiltonian(picture, 1, rng=1)
    potts = fit_lattice_hamiltonian(picture, 1, model="potts", rng=1)
    with pytest.raises(InputError, match="must be of model 'ising'"):
        join_energies_and_snapshots(energies, potts, (120.0, 30.0), rng=1)
    joint = join_energies_and_snapshots(energies, ising, (120.0, 30.0), rng=1)
    assert any("of bcc crystals, the pictures show square" in text for text in joint.warnings)
    alike = energy_fit([-25.0], [2.0], np.random.default_rng(1), unit="reduced", lattice="square")
    joint = join_energies_and_snapshots(alike, ising, (120.0, 30.0), rng=1)
    assert not any("pictures show" in text for text in joint.warnings)


def test_signs_that_no_temperature_ties_are_refused(oracle):
    rng = np.random.default_rng(2)
    energies = energy_fit([20.0], [0.1], rng, unit="reduced")
    with pytest.raises(NotIdentified, match="opposite signs"):
        join_energies_and_snapshots(energies, picture_fit(0.3, 0.01, rng), (100.0, 30.0), rng=1)
    # a coupling of either sign: only temperatures above zero are left
    energies = energy_fit([2.0], [4.0], rng, unit="reduced", n=200_000)
    joint = join_energies_and_snapshots(energies, picture_fit(0.1, 0.05, rng), (50.0, 16.0), rng=1)
    assert joint["temperature"].min() > 0
    t, v = rng.normal(50, 16, 1_000_000), rng.normal(2, 4, 1_000_000)
    t, v = t[t > 1], v[t > 1]
    weight = np.exp(-0.5 * ((-v / t - 0.1) / 0.05) ** 2)
    expected = (weight * t).sum() / weight.sum()
    oracle("mean temperature", error=(joint["temperature"].mean() - expected) / 16, bound=0.06)
