"""Statistical distance: parameters come back, its error bars cover, missing atoms are in it."""

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.posteriors.priors import make_prior
from physlearn.inference.posteriors.statistical_distance import fit_statistical_distance
from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    Potts,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.records import LatticeSnapshots

PRIOR = {"field": 1.0, "couplings": 0.5}


def fitted(record, family, start, seed, prior=PRIOR, **options):
    data = gather_snapshots(record, family)
    rng = np.random.default_rng(seed)
    return fit_statistical_distance(
        data, make_prior(prior, data), np.array(start, float), 2000, rng, **options
    )


def scores(found, truth):
    """Return (mean - truth) / sd of every parameter."""
    return (found.draws.mean(axis=0) - truth) / found.draws.std(axis=0)


def ising_fits(truth, shape, n, n_shells=1):
    graph, family = square_lattice(shape, n_shells), lattice_family("ising", (-1, 1), n_shells)
    return [
        fitted(
            simulate_lattice(Ising(truth[1:], truth[0]), graph, burn_in=300, rng=seed), family,
            truth, seed,
        )
        for seed in range(n)
    ]  # fmt: skip


def coverage(fits, truth):
    """Return how many 90 % intervals hold the truth: ours, and the distance's own."""
    ours, naive = 0, 0
    for one in fits:
        low, high = np.quantile(one.draws, [0.05, 0.95], axis=0)
        ours = ours + ((low < truth) & (truth < high))
        naive = naive + (np.abs(one.estimate - truth) < 1.645 * one.naive_sds)
    return ours, naive


def test_error_bars_by_simulation_cover_and_naive_ones_do_not(oracle):
    truth, n = np.array([0.02, 0.30]), 40
    ours, naive = coverage(ising_fits(truth, (32, 32), n), truth)
    for index, name in enumerate(("field", "coupling")):
        oracle(f"cover of {name}", p=stats.binomtest(int(ours[index]), n, 0.9).pvalue)
        # the naive bar claims 90 % too
        assert stats.binomtest(int(naive[index]), n, 0.9, "less").pvalue < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    ("truth", "n_shells"), [([0.02, 0.30], 1), ([0.05, 0.15, -0.08], 2), ([0.0, 0.38], 1)]
)
def test_coverage_over_many_pictures(truth, n_shells, oracle):
    truth, n = np.array(truth), 200
    ours, naive = coverage(ising_fits(truth, (64, 64), n, n_shells), truth)
    for index in range(len(truth)):
        oracle(f"parameter {index}", p=stats.binomtest(int(ours[index]), n, 0.9).pvalue)
    assert naive[0] < 0.8 * n


def test_two_shells_triplets_and_several_states_come_back(oracle):
    graph = square_lattice((48, 48), n_shells=2)
    picture = simulate_lattice(Ising([0.15, -0.1], 0.05), graph, burn_in=300, rng=1)
    found = fitted(picture, lattice_family("ising", (-1, 1), 2), [0, 0.1, 0], 1)
    for z in scores(found, [0.05, 0.15, -0.1]):
        oracle("two shells", z=z)

    picture = simulate_lattice(
        Ising([0.1, 0.0], 0.0, triplets={(0, 0, 1): 0.06}), graph, burn_in=300, rng=2
    )
    family = lattice_family("ising", (-1, 1), 1, [(0, 0, 1)])
    found = fitted(picture, family, [0, 0.1, 0], 2)
    for z in scores(found, [0.0, 0.1, 0.06]):
        oracle("triplets", z=z)

    graph = triangular_lattice((32, 32))
    potts = simulate_lattice(Potts(3, [0.35]), graph, burn_in=300, rng=3)
    found = fitted(potts, lattice_family("potts", (0, 1, 2), 1), [0, 0, 0.2], 3)
    for z in scores(found, [0.0, 0.0, 0.35]):
        oracle("Potts", z=z)

    blume = simulate_lattice(BlumeCapel([0.2], 0.3, 0.1), graph, burn_in=300, rng=4)
    found = fitted(blume, lattice_family("blume_capel", (-1, 0, 1), 1), [0, 0, 0.1], 4)
    for z in scores(found, [0.1, 0.3, 0.2]):
        oracle("Blume-Capel", z=z)


def test_a_wrong_model_is_far_from_the_picture():
    graph = square_lattice((48, 48), n_shells=2)
    picture = simulate_lattice(
        Ising([0.1, 0.0], 0.0, triplets={(0, 0, 1): 0.1}), graph, burn_in=300, rng=1
    )
    wrong = fitted(picture, lattice_family("ising", (-1, 1), 1), [0, 0.15], 1)
    assert wrong.distance_p < 0.01
    assert any("the model is wrong for this picture" in text for text in wrong.flags)
    right = fitted(picture, lattice_family("ising", (-1, 1), 1, [(0, 0, 1)]), [0, 0.15, 0], 1)
    assert right.distance_p > 0.01
    assert right.distance < wrong.distance


def test_a_narrow_prior_and_a_bounded_one_hold():
    graph = square_lattice((24, 24))
    picture = simulate_lattice(Ising([0.2]), graph, burn_in=200, rng=1)
    family = lattice_family("ising", (-1, 1), 1)
    narrow = fitted(picture, family, [0, 0.2], 1, {"field": 0.5, "couplings": (0.3, 0.001)})
    assert narrow.draws[:, 1].mean() == pytest.approx(0.3, abs=0.002)
    assert narrow.draws[:, 1].std() == pytest.approx(0.001, rel=0.1)
    import pymc as pm

    low = float(np.quantile(fitted(picture, family, [0, 0.2], 1).draws[:, 1], 0.6))
    bounded = fitted(
        picture, family, [0, 0.2], 1, {"field": 0.5, "couplings": pm.Uniform.dist(low, 0.4)}
    )
    assert low <= bounded.draws[:, 1].min() < low + 0.005  # it leans on its bound
    with pytest.raises(InputError, match="prior excludes the data"):
        fitted(picture, family, [0, 0.2], 1, {"couplings": pm.Uniform.dist(4.0, 5.0)})


TRUTH, DETECTION = np.array([0.05, 0.3]), np.array([0.7, 0.98])


def picture_with_missing_atoms(seed):
    """Return a picture whose dim state is missed in 30 %, the other in 2 %."""
    graph, rng = square_lattice((48, 48)), np.random.default_rng(seed)
    full = simulate_lattice(Ising(TRUTH[1:], TRUTH[0]), graph, burn_in=300, rng=seed).states
    seen = rng.random(full.shape) < DETECTION[(full + 1) // 2]
    return LatticeSnapshots(full, graph, observed=seen)


def test_missing_atoms_are_simulated_and_bias_the_field_if_ignored(oracle):
    family = lattice_family("ising", (-1, 1), 1)
    right, ignored = [], []
    for seed in range(4):
        record = picture_with_missing_atoms(seed)
        right.append(fitted(record, family, [0, 0.25], seed, detection=DETECTION))
        ignored.append(fitted(record, family, [0, 0.25], seed))
    for index, name in enumerate(("field", "coupling")):
        z = np.mean([scores(one, TRUTH)[index] for one in right]) * np.sqrt(4)
        oracle(f"{name} with missing atoms", z=z)
    # the coupling hardly suffers, the field does
    z = np.mean([scores(one, TRUTH)[1] for one in ignored]) * np.sqrt(4)
    oracle("coupling, missing atoms left out", z=z)
    assert np.mean([scores(one, TRUTH)[0] for one in ignored]) > 1.2
    text = "sites were not seen: they are left out as if missing had nothing to do with"
    assert any(text in flag for flag in ignored[0].flags)
    assert not any(text in flag for flag in right[0].flags)


def test_the_front_offers_it():
    graph = square_lattice((32, 32))
    picture = simulate_lattice(Ising([0.25], 0.02), graph, burn_in=200, rng=1)
    fit = fit_lattice_hamiltonian(picture, 1, method="statistical_distance", rng=1)
    assert fit.attrs["likelihood"].startswith("statistical distance")
    low, high = fit.interval("couplings", 0.9999)[0]
    assert low < 0.25 < high


def test_what_is_refused():
    graph = square_lattice((16, 16))
    picture = simulate_lattice(Ising([0.2]), graph, rng=1)
    family = lattice_family("ising", (-1, 1), 1)
    with pytest.raises(InputError, match="detection must lie above 0 and at most at 1"):
        fitted(picture, family, [0, 0], 1, detection=[0.0, 1.0])
    seen = np.ones((1, 256), bool)
    seen[0, ::3] = False
    hidden = LatticeSnapshots(picture.states, graph, observed=seen)
    with pytest.raises(InputError, match="seen with all their neighbours"):
        fitted(hidden, family, [0, 0], 1)


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_rare_dopants_get_no_error_bars_below_the_bound(seed):
    """14 dopants placed at random among 728 sites: less than one pair is expected."""
    graph = triangular_lattice((26, 28))
    states = -np.ones((1, graph.n_sites), np.int8)
    states[0, np.random.default_rng(seed).choice(graph.n_sites, 14, replace=False)] = 1
    fit = fit_lattice_hamiltonian(
        LatticeSnapshots(states, graph), 1, composition="fixed", method="statistical_distance",
        rng=seed,
    )  # fmt: skip
    low, high = fit.interval("couplings")[0]
    # .6 pairs expected, 16 a pair of information: sd .32 at J = 0, times 3.29; stuck: .05 to .17
    assert high - low > 0.35


def test_error_bars_of_small_pictures_cover(oracle):
    """Scatter at one truth alone was .7 of the error bar that is due here."""
    truth, graph, n = np.array([0.1, 0.2]), square_lattice((12, 12)), 60
    fits = [
        fitted(
            simulate_lattice(Ising([0.2], 0.1), graph, n_snapshots=2, rng=seed),
            lattice_family("ising", (-1, 1), 1), truth, seed,
        )
        for seed in range(n)
    ]  # fmt: skip
    ours, _ = coverage(fits, truth)
    for index, name in enumerate(("field", "coupling")):
        oracle(f"cover of {name}", p=stats.binomtest(int(ours[index]), n, 0.9).pvalue)
