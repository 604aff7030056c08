"""Bond energies from energies of structures: posterior, left-out errors, flags, public alloys."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.reading.read_structures import read_structures
from physlearn.inference.energies.cluster_expansion import (
    EnergyOptions,
    fit_hamiltonian_to_energies,
)
from physlearn.inference.energies.expansion_checks import nested_test
from physlearn.inference.energies.shrunken_regression import (
    DECAYS,
    LOG_SIZES,
    PRIOR_SCALE,
    PRIOR_SHAPE,
    ShrinkagePrior,
    fit_shrunken_regression,
)
from physlearn.lattice_models import Ising, cubic_lattice, square_lattice
from physlearn.records import AtomicConfiguration, LatticeSnapshots
from physlearn.results import Fit

MEV = EnergyOptions(unit="meV", per="site")


def small_problem(rng, n=14, k=3):
    composition = np.column_stack([np.ones(n), rng.uniform(-1, 1, n)])
    features = rng.normal(size=(n, k))
    features[5] = features[6] = features[7]
    composition[5] = composition[6] = composition[7]
    values = composition @ [3.0, 1.0] + features @ [1.0, -0.4, 0.1] + rng.normal(0, 0.2, n)
    return values, composition, features, np.array([1.0, 1.2, 1.5])


def brute_log_density(values, composition, features, distances, scale0):
    """log p(y) of every grid point, in the space that composition leaves, by scipy's Student t."""
    outside = np.linalg.qr(composition, mode="complete")[0][:, composition.shape[1] :]
    y, x = outside.T @ values, outside.T @ features
    prior = ShrinkagePrior()
    out, weights = [], []
    for log_size in LOG_SIZES:
        for decay in DECAYS:
            sd = np.exp(log_size) * distances**-decay
            shape = np.eye(len(y)) + (x * sd**2) @ x.T
            t = stats.multivariate_t(shape=shape * scale0, df=PRIOR_SHAPE)
            out.append(t.logpdf(y))
            weights.append(
                -0.5 * ((log_size - np.log(prior.size)) / prior.log_size_sd) ** 2
                - 0.5 * ((decay - prior.decay) / prior.decay_sd) ** 2
            )
    weights = np.array(weights) - logsumexp(weights)
    return np.array(out) + weights


def test_evidence_is_the_students_t(oracle):
    rng = np.random.default_rng(1)
    values, composition, features, distances = small_problem(rng)
    out = fit_shrunken_regression(
        values, composition, features, distances, ShrinkagePrior(), 200, rng
    )
    outside = np.linalg.qr(composition, mode="complete")[0][:, composition.shape[1] :]
    scale0 = PRIOR_SCALE**2 * np.mean((outside.T @ values) ** 2)
    exact = logsumexp(brute_log_density(values, composition, features, distances, scale0))
    oracle("log evidence", error=out.log_evidence - exact, bound=1e-6)


def generalised_least_squares(values, composition, features, sd, row):
    """Posterior mean prediction at a row, by the normal equations with a nearly flat prior."""
    x = np.column_stack([composition, features])
    precision = np.diag(np.concatenate([np.full(composition.shape[1], 1e-12), sd**-2.0]))
    return row @ np.linalg.solve(x.T @ x + precision, x.T @ values)


@pytest.mark.parametrize("group", [[2], [5, 6, 7]])
def test_left_out_predictions_equal_fits_without_them(group, oracle):
    rng = np.random.default_rng(4)
    values, composition, features, distances = small_problem(rng)
    out = fit_shrunken_regression(
        values, composition, features, distances, ShrinkagePrior(), 200, rng
    )
    outside = np.linalg.qr(composition, mode="complete")[0][:, composition.shape[1] :]
    scale0 = PRIOR_SCALE**2 * np.mean((outside.T @ values) ** 2)
    kept = np.setdiff1d(np.arange(len(values)), group)
    weights = brute_log_density(values[kept], composition[kept], features[kept], distances, scale0)
    weights = np.exp(weights - logsumexp(weights))
    row = np.concatenate([composition[group[0]], features[group[0]]])
    sds = [np.exp(a) * distances**-p for a in LOG_SIZES for p in DECAYS]
    used = weights > 1e-9
    means = [
        generalised_least_squares(values[kept], composition[kept], features[kept], sd, row)
        for sd, use in zip(sds, used, strict=True) if use
    ]  # fmt: skip
    exact = weights[used] @ means / weights[used].sum()
    found = (out.left_out if len(group) == 1 else out.left_out_group)[group[0]]
    oracle(f"left out {group}", error=found - exact, bound=2e-5)


def test_posterior_moments_of_one_grid_point_are_the_conjugate_ones(oracle):
    rng = np.random.default_rng(6)
    values, composition, features, distances = small_problem(rng, n=40)
    tight = ShrinkagePrior(size=np.exp(1.0), log_size_sd=1e-3, decay=2.0, decay_sd=1e-3)
    out = fit_shrunken_regression(values, composition, features, distances, tight, 40_000, rng)
    x = np.column_stack([composition, features])
    sd = np.exp(1.0) * distances**-2.0
    precision = x.T @ x + np.diag([1e-12, 1e-12, *sd**-2.0])
    mean = np.linalg.solve(precision, x.T @ values)
    shape = PRIOR_SHAPE / 2 + 38 / 2
    scale0 = PRIOR_SCALE**2 * np.mean(
        (np.linalg.qr(composition, mode="complete")[0][:, 2:].T @ values) ** 2
    )
    scale = PRIOR_SHAPE * scale0 / 2 + 0.5 * float(values @ (values - x @ mean))
    variance = np.linalg.inv(precision) * scale / (shape - 1)
    found = np.column_stack([out.composition, out.coefficients])
    z = (found.mean(axis=0) - mean) / np.sqrt(np.diag(variance) / 40_000)
    oracle("means of the draws", z=float(np.abs(z).max()))
    ratio = np.cov(found.T) / np.sqrt(np.outer(np.diag(variance), np.diag(variance)))
    correlation = variance / np.sqrt(np.outer(np.diag(variance), np.diag(variance)))
    oracle("covariance of the draws", error=np.abs(ratio - correlation).max(), bound=0.04)
    exact = np.sqrt(scale / (shape - 1))
    oracle("model error", error=np.sqrt((out.model_error**2).mean()) / exact - 1, bound=0.01)


def test_ranks_of_the_truth_are_uniform(oracle):
    """Truths from the prior, size and decay included: simulation-based calibration."""
    rng = np.random.default_rng(8)
    prior, distances = ShrinkagePrior(size=1.0, log_size_sd=1.0), np.array([1.0, 1.15, 1.6])
    log_size, decay, weight = prior.grid()
    ranks = []
    for _ in range(150):
        n = 24
        point = rng.choice(len(weight), p=np.exp(weight))
        composition = np.column_stack([np.ones(n), rng.uniform(-1, 1, n)])
        features = rng.normal(size=(n, 3))
        sigma = np.exp(rng.normal())
        truth = rng.normal(size=3) * sigma * np.exp(log_size[point]) * distances ** -decay[point]
        values = composition @ rng.normal(0, 5, 2) + features @ truth + rng.normal(0, sigma, n)
        out = fit_shrunken_regression(values, composition, features, distances, prior, 199, rng)
        ranks.append([*(out.coefficients < truth).sum(axis=0), (out.model_error < sigma).sum()])
    for name, column in zip(["V1", "V2", "V3", "model error"], np.array(ranks).T, strict=True):
        counts = np.histogram(column, bins=10, range=(0, 200))[0]
        oracle(f"ranks of {name}", p=stats.chisquare(counts).pvalue)


def planted(rng, n=60, noise=0.5, bonds=(4.0, -2.0), volume=None, stiffness=0.0):
    """Crystals in 2 x 2 x 2 bcc boxes with planted bond energies (meV), noise per site."""
    graph = cubic_lattice((2, 2, 2), "bcc", 2)
    crystals, energies = [], []
    for index in range(n):
        s = np.where(rng.permutation(16) < rng.integers(3, 14), 1, -1)
        scale = 1.0 if volume is None else float(np.exp(volume[index] / 3))
        crystals.append(
            AtomicConfiguration(
                3.3 * scale * (graph.positions + rng.normal(0, 0.01, (16, 3))), unit="angstrom",
                cell=3.3 * scale * graph.cell, species=(s + 1) // 2, species_names=("A", "B"),
            )
        )  # fmt: skip
        m = s.mean()
        energy = -Ising(bonds).energy(s, graph) / 16 + 100 - 20 * m + 5 * m**2
        strain = 0.0 if volume is None else volume[index]
        energies.append(energy + stiffness * strain**2 + noise * rng.normal())
    return crystals, np.array(energies)


def test_sign_and_normalisation_of_planted_energies(oracle):
    """E = + sum over bonds V s s', which is minus the energy of Ising with J = V."""
    rng = np.random.default_rng(2)
    crystals, energies = planted(rng, noise=0.1)
    fit = fit_hamiltonian_to_energies(crystals, energies, 2, options=MEV, rng=1)
    z = (fit["bond_energies"].mean(axis=0) - [4.0, -2.0]) / fit["bond_energies"].std(axis=0)
    oracle("planted bond energies", z=float(np.abs(z).max()))
    assert fit["model_error"].mean() == pytest.approx(0.1, rel=0.3)
    per_cell = fit_hamiltonian_to_energies(
        crystals, 16e-3 * energies, 2, options=EnergyOptions(), rng=1
    )
    assert np.allclose(per_cell["bond_energies"], fit["bond_energies"], rtol=1e-6)
    assert per_cell.summary()["unit"][0] == "meV"
    assert fit.diagnostics["rms_left_out"] > fit.diagnostics["rms_in_sample"]
    assert not any("volume" in text for text in fit.warnings)


def test_triplets_are_told_from_pairs(oracle):
    rng = np.random.default_rng(3)
    graph = square_lattice((6, 6), n_shells=2)
    states = np.where(rng.random((80, 36)) < rng.uniform(0.2, 0.8, (80, 1)), 1, -1)
    true = Ising([3.0, 1.0], triplets={(0, 0, 1): -0.8})
    energies = -true.energy(states, graph) + rng.normal(0, 2.0, 80)
    pictures = LatticeSnapshots(states, graph)
    options = EnergyOptions(unit="reduced")
    fit = fit_hamiltonian_to_energies(
        pictures, energies, 2, triplets=[(0, 1, 0)], options=options, rng=1
    )
    found = np.column_stack([fit["bond_energies"], fit["triplet_energies"]])
    z = (found.mean(axis=0) - [3.0, 1.0, -0.8]) / found.std(axis=0)
    oracle("pairs and triplets", z=float(np.abs(z).max()))
    assert fit.summary()["unit"][0] == "reduced"
    without = fit_hamiltonian_to_energies(pictures, energies, 2, options=options, rng=1)
    assert fit.diagnostics["log_evidence"] > without.diagnostics["log_evidence"] + 10


def test_shrinkage_beats_least_squares_on_far_shells():
    """Four shells, two of them empty, few structures: the mean error must fall."""
    graph = cubic_lattice((4, 5, 5), "sc", 4)
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        states = np.where(rng.random((14, 100)) < rng.uniform(0.3, 0.7, (14, 1)), 1, -1)
        truth = np.array([3.0, 1.0, 0.0, 0.0])
        energies = -Ising(truth).energy(states, graph) / 100 + rng.normal(0, 0.5, 14)
        pictures = LatticeSnapshots(states, graph)
        fit = fit_hamiltonian_to_energies(pictures, energies, 4, options=MEV, rng=1, n_draws=500)
        rows = fit.diagnostics["other_terms"]
        plain = next(row for row in rows if row["name"] == "as fitted")["bond_energies"]
        errors.append(
            [np.sum((fit["bond_energies"].mean(axis=0) - truth) ** 2),
             np.sum((np.array(plain) - truth) ** 2)]
        )  # fmt: skip
    mean = np.mean(errors, axis=0)
    assert mean[0] < 0.8 * mean[1]


def test_nested_test_rejects_at_its_level(oracle):
    rng = np.random.default_rng(5)
    base = np.column_stack([np.ones(50), rng.normal(size=(50, 3))])
    more = rng.normal(size=(50, 2))
    p = [nested_test(rng.normal(size=50), base, more)[1] for _ in range(500)]
    oracle("p values of the F test", p=stats.kstest(p, "uniform").pvalue)


def test_strain_is_flagged_and_small_scatter_is_not():
    rng = np.random.default_rng(9)
    volume = rng.normal(0, 0.03, 80)
    crystals, energies = planted(rng, 80, noise=0.3, volume=volume, stiffness=9000.0)
    fit = fit_hamiltonian_to_energies(crystals, energies, 2, options=MEV, rng=1)
    row = next(row for row in fit.diagnostics["strain"] if row["name"] == "volume")
    assert row["flagged"]
    assert row["p"] < 1e-6
    assert "Fit relaxed cells" in fit.warnings[0]
    # cells at rest: volume and energy answer to the same missing clusters, no strain
    volume = rng.normal(0, 0.0005, 80)
    crystals, energies = planted(rng, 80, noise=0.05, volume=volume)
    energies = energies + 1000 * volume
    fit = fit_hamiltonian_to_energies(crystals, energies, 2, options=MEV, rng=1)
    row = next(row for row in fit.diagnostics["strain"] if row["name"] == "volume")
    assert row["p"] < 1e-6
    assert row["share"] > 0.5
    assert not row["flagged"]


def test_bonds_that_are_the_same_in_these_cells_are_named():
    """Shells 1 and 4 of a 2 x 2 x 2 bcc box join the same sites, 8 and 24 times."""
    rng = np.random.default_rng(11)
    crystals, energies = planted(rng, 40)
    options = EnergyOptions(unit="meV", per="site", composition_order=1)
    fit = fit_hamiltonian_to_energies(crystals, energies, 4, options=options, rng=1)
    assert fit.diagnostics["not_told_apart"] == [["bond_energies[1]", "bond_energies[4]"]]
    assert any("bond_energies[1] and bond_energies[4] can't be told" in w for w in fit.warnings)


def test_an_odd_energy_is_named():
    rng = np.random.default_rng(12)
    crystals, energies = planted(rng, 50, noise=0.2)
    energies[17] += 4.0
    fit = fit_hamiltonian_to_energies(crystals, energies, 2, options=MEV, rng=1)
    assert any(text.startswith("structure 17 lies") for text in fit.warnings)


def test_save_and_load(tmp_path):
    crystals, energies = planted(np.random.default_rng(13), 20)
    fit = fit_hamiltonian_to_energies(crystals, energies, 2, options=MEV, rng=1)
    fit.save(tmp_path / "fit.nc")
    back = Fit.load(tmp_path / "fit.nc")
    assert np.array_equal(back["bond_energies"], fit["bond_energies"])
    assert back.attrs["lattice"] == "bcc"
    again = fit_hamiltonian_to_energies(crystals, energies, 2, options=MEV, rng=1)
    assert np.array_equal(again["bond_energies"], fit["bond_energies"])


def test_bad_input_gets_sentences():
    crystals, energies = planted(np.random.default_rng(14), 20)
    with pytest.raises(InputError, match="energies must have shape"):
        fit_hamiltonian_to_energies(crystals, energies[:-1])
    with pytest.raises(InputError, match="20 have none, first structures"):
        fit_hamiltonian_to_energies(crystals)
    with pytest.raises(NotIdentified, match="structures are 5 for 5 terms; give at least 7"):
        fit_hamiltonian_to_energies(crystals[:5], energies[:5])
    with pytest.raises(InputError, match="n_shells"):
        fit_hamiltonian_to_energies(crystals, energies, 0)
    with pytest.raises(InputError, match="unit must be one of"):
        EnergyOptions(unit="Ha")
    with pytest.raises(InputError, match="decay must be at most 6"):
        ShrinkagePrior(decay=7.0)
    with pytest.raises(InputError, match="prior must be a ShrinkagePrior"):
        EnergyOptions(prior=0.5)
    picture = LatticeSnapshots(np.resize([-1, 1], (8, 16)), square_lattice((4, 4)))
    with pytest.raises(InputError, match="energies must be given for structures on graphs"):
        fit_hamiltonian_to_energies(picture, n_shells=1)


@pytest.mark.parametrize(
    ("name", "tag", "v_nn", "rms"),
    [("NbTa", "relax", -1.9, None), ("NbMo", "relax", 7.6, 2.7), ("NbMo", "unrelax", 14.0, 10.0)],
)
def test_public_alloys(public_file, oracle, name, tag, v_nn, rms):
    """Figures published with the task: linear fit (1, x, x^2, first and second shell) per atom."""
    crystals = read_structures(public_file(f"dft_alloys_bcc/{name}_SS.json"), tag)
    fit = fit_hamiltonian_to_energies(crystals, rng=1)
    oracle(f"V_NN {name} {tag}", error=fit["bond_energies"][:, 0].mean() - v_nn, bound=0.3)
    if rms:
        oracle("rms", error=fit.diagnostics["rms_in_sample"] - rms, bound=0.05 * rms)
    flagged = any("volume explains" in text for text in fit.warnings)
    assert flagged == (tag == "unrelax")
    assert fit.diagnostics["rms_left_out"] < 1.1 * fit.diagnostics["rms_in_sample"]
    assert any("depends on the terms beside it" in text for text in fit.warnings)


def test_ase_atoms_carry_their_energies(oracle):
    ase = pytest.importorskip("ase")
    from ase.calculators.singlepoint import SinglePointCalculator

    crystals, energies = planted(np.random.default_rng(15), 30, noise=0.1)
    atoms = []
    for one, energy in zip(crystals, energies, strict=True):
        symbols = [("Nb", "Mo")[code] for code in one.species]
        atoms.append(ase.Atoms(symbols, one.positions, cell=one.cell, pbc=True))
        atoms[-1].calc = SinglePointCalculator(atoms[-1], energy=16e-3 * energy)
    fit = fit_hamiltonian_to_energies(atoms, rng=1)
    known = fit_hamiltonian_to_energies(crystals, energies, options=MEV, rng=1)
    # Mo comes first in the alphabet: s changes sign, bonds do not
    apart = fit["bond_energies"].mean(axis=0) - known["bond_energies"].mean(axis=0)
    oracle("ASE against records", error=np.abs(apart).max(), bound=0.01)
    assert fit["composition_terms"][:, 1].mean() == pytest.approx(20.0, abs=1.0)


def test_one_composition_has_no_composition_terms(oracle):
    rng = np.random.default_rng(16)
    graph = square_lattice((6, 6))
    states = np.stack([np.where(rng.permutation(36) < 18, 1, -1) for _ in range(40)])
    energies = -Ising([2.0]).energy(states, graph) + rng.normal(0, 3, 40)
    fit = fit_hamiltonian_to_energies(
        LatticeSnapshots(states, graph), energies, 1, options=EnergyOptions(unit="meV"), rng=1
    )
    assert fit["composition_terms"].shape == (4000, 1)
    z = (fit["bond_energies"].mean() - 2.0) / fit["bond_energies"].std()
    oracle("one composition", z=z)


def test_energies_without_noise_and_without_order():
    crystals, energies = planted(np.random.default_rng(17), 30, noise=0.0)
    fit = fit_hamiltonian_to_energies(crystals, energies, options=MEV, rng=1)
    assert np.allclose(fit["bond_energies"].mean(axis=0), [4.0, -2.0], atol=0.02)
    assert fit["model_error"].mean() < 0.05
    with pytest.raises(NotIdentified, match="smooth function of composition alone"):
        fit_hamiltonian_to_energies(crystals, np.ones(30), options=MEV, rng=1)


def test_copies_of_structures_do_not_narrow_the_answer():
    """The same structures and energies six times over say what they say once."""
    rng = np.random.default_rng(1)
    graph = square_lattice((6, 6), 2)
    states = rng.choice([-1, 1], (30, 36))
    energies = -Ising([5.0, 0.0]).energy(states, graph) + rng.normal(0, 30, 30)
    options = EnergyOptions(unit="meV")
    once = fit_hamiltonian_to_energies(
        LatticeSnapshots(states, graph), energies, 1, options=options, rng=1
    )
    often = fit_hamiltonian_to_energies(
        LatticeSnapshots(np.tile(states, (6, 1)), graph), np.tile(energies, 6), 1,
        options=options, rng=1,
    )  # fmt: skip
    assert np.array_equal(once["bond_energies"], often["bond_energies"])
    assert (once.diagnostics["n_copies"], often.diagnostics["n_copies"]) == (0, 150)
    assert any("150 of 180 structures repeat" in text for text in often.warnings)
    again = fit_hamiltonian_to_energies(  # measured anew: other energies are new information
        LatticeSnapshots(np.tile(states, (2, 1)), graph),
        np.concatenate([energies, energies + rng.normal(0, 1, 30)]), 1, options=options, rng=1,
    )  # fmt: skip
    assert again.diagnostics["n_copies"] == 0
