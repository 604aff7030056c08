"""Bad input gets one clear sentence, or a fit that says what is wrong with it."""

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
from physlearn.records import LatticeSnapshots, SiteGraph

SIGMAS_4 = 2 * stats.norm.sf(4)
GRAPH = square_lattice((12, 12))


def picture(truth=(0.05, 0.3), graph=GRAPH, seed=1):
    return simulate_lattice(Ising([truth[1]], truth[0]), graph, burn_in=300, rng=seed)


def alike(values, state, graph=GRAPH, **options):
    return LatticeSnapshots(np.full((1, graph.n_sites), state), graph, state_values=values)


@pytest.mark.parametrize(
    ("model", "values", "state"),
    [("ising", (-1, 1), 1), ("potts", (0, 1, 2), 2), ("pair", (0, 1, 2), 0),
     ("blume_capel", (-1, 0, 1), 0), ("lattice_gas", (0, 1), 1), ("clock", (0, 1, 2, 3), 1)],
)  # fmt: skip
def test_all_sites_alike_gives_a_proper_wide_posterior(model, values, state):
    fit = fit_lattice_hamiltonian(alike(values, state), 1, model=model, rng=1, n_draws=2000)
    assert any("all sites hold one state" in warning for warning in fit.warnings)
    table = fit.summary()
    assert table["sd_over_prior_sd"].max() > 0.35
    assert np.all(np.isfinite(table[["mean", "sd"]]))
    # the state that is seen is the one that the field prefers, where it can
    if model == "potts":
        assert fit["field"].mean(axis=0).argmax() == 2
    if model == "blume_capel":
        assert fit["crystal_field"].mean() > 0


def test_alike_at_fixed_composition_is_the_prior():
    fit = fit_lattice_hamiltonian(alike((-1, 1), 1), 1, composition="fixed", rng=1)
    assert any("the posterior is the prior" in warning for warning in fit.warnings)
    assert stats.kstest(fit["couplings"][:, 0], stats.norm(0, 0.5).cdf).pvalue > SIGMAS_4


def test_a_state_that_nobody_saw_is_named():
    states = np.random.default_rng(1).integers(0, 2, (1, 144))
    snapshots = LatticeSnapshots(states, GRAPH, state_values=(0, 1, 2))
    fit = fit_lattice_hamiltonian(snapshots, 1, model="potts", rng=1)
    assert any("no site holds state 2" in warning for warning in fit.warnings)
    low, high = fit.interval("field")[2]
    assert high < -1  # some bound follows, and the other end is the prior's
    assert high - low > 2


def test_fewer_than_ten_sites():
    tiny = LatticeSnapshots(np.ones((1, 9)), square_lattice((3, 3)))
    with pytest.raises(NotIdentified, match=r"9 sites .* at least 10"):
        fit_lattice_hamiltonian(tiny, 1)


def test_a_disconnected_graph_is_flagged():
    graph = square_lattice((8, 8))
    parts = SiteGraph(
        128, np.vstack([graph.edges, graph.edges + 64]), np.tile(graph.shell, 2),
        np.tile(graph.multiplicity, 2),
    )  # fmt: skip
    states = np.concatenate([picture(graph=graph, seed=k).states for k in (1, 2)], axis=1)
    fit = fit_lattice_hamiltonian(LatticeSnapshots(states, parts), 1, rng=1)
    assert any("falls into 2 parts" in warning for warning in fit.warnings)
    two = [LatticeSnapshots(states[:, half], graph) for half in (slice(0, 64), slice(64, 128))]
    same = fit_lattice_hamiltonian(two, 1, rng=1)
    for name in ("field", "couplings"):
        shift = fit[name].mean() - same[name].mean()
        assert abs(shift) < 0.15 * same[name].std()


def test_states_outside_the_alphabet():
    with pytest.raises(InputError, match=r"states may hold only -1, 1; .* 2 at snapshot 0, site 5"):
        states = np.ones((1, 144))
        states[0, 5] = 2
        LatticeSnapshots(states, GRAPH)


def test_label_log_likelihoods_of_the_wrong_shape_or_impossible():
    states = np.ones((1, 144))
    with pytest.raises(InputError, match="label_log_likelihood must have shape"):
        LatticeSnapshots(states, GRAPH, label_log_likelihood=np.zeros((1, 144, 3)))
    table = np.zeros((1, 144, 2))
    table[0, 7] = -np.inf
    with pytest.raises(InputError, match="site 7 has none"):
        LatticeSnapshots(states, GRAPH, label_log_likelihood=table)


def test_couplings_that_cannot_be_told_apart_are_named_and_end_at_the_prior():
    graph = square_lattice((20, 20))
    seen = picture((0.1, 0.2), graph)
    twice = SiteGraph(
        400, np.vstack([graph.edges] * 2), np.repeat([0, 1], len(graph.edges)),
        np.ones(2 * len(graph.edges)),
    )  # fmt: skip
    fit = fit_lattice_hamiltonian(LatticeSnapshots(seen.states, twice), 2, rng=1)
    assert any("couplings[1] and couplings[2] can't be told apart" in w for w in fit.warnings)
    difference = np.diff(fit["couplings"], axis=1)[:, 0]
    # the difference of two couplings of prior sd 0.5 has prior sd 0.707
    assert difference.std() / 0.5**0.5 == pytest.approx(1.0, abs=0.08)
    assert fit["couplings"].sum(axis=1).std() < 0.1


def test_a_shell_without_bonds_is_named():
    bare = SiteGraph(
        144, GRAPH.edges, GRAPH.shell, GRAPH.multiplicity, positions=GRAPH.positions,
        cell=GRAPH.cell, shell_radii=(1.0, 1.4),
    )  # fmt: skip
    fit = fit_lattice_hamiltonian(LatticeSnapshots(picture().states, bare), 2, rng=1)
    assert any("couplings[2] has no effect" in warning for warning in fit.warnings)
    assert fit["couplings"][:, 1].std() == pytest.approx(0.5, rel=0.08)


def test_a_bounded_prior_that_excludes_the_data_is_flagged():
    pm = pytest.importorskip("pymc")
    for low, high, bound in ((-0.6, -0.1, "-0.1"), (0.6, 1.0, "0.6")):
        prior = {"couplings": pm.Uniform.dist(low, high)}
        fit = fit_lattice_hamiltonian(picture(), 1, prior=prior, rng=1)
        draws = fit["couplings"]
        assert np.all((draws >= low) & (draws <= high))
        assert any(f"presses against the prior's bound {bound}" in w for w in fit.warnings)


def test_a_bounded_prior_that_holds_the_data_is_not():
    pm = pytest.importorskip("pymc")
    fit = fit_lattice_hamiltonian(picture(), 1, prior={"couplings": pm.Uniform.dist(0, 0.6)}, rng=1)
    assert not any("presses" in warning for warning in fit.warnings)
    free = fit_lattice_hamiltonian(picture(), 1, prior={"couplings": 5.0}, rng=1)
    assert abs(fit["couplings"].mean() - free["couplings"].mean()) < 0.2 * free["couplings"].std()


def test_a_narrow_prior_far_from_the_data_is_flagged():
    fit = fit_lattice_hamiltonian(picture(), 1, prior={"couplings": (-0.5, 0.02)}, rng=1)
    assert any("prior and data disagree" in warning for warning in fit.warnings)


def test_uncertain_labels_refuse_other_methods():
    with pytest.raises(InputError, match="method must be auto or likelihood"):
        fit_lattice_hamiltonian(picture(), 1, label_noise=0.1, method="pseudolikelihood")


def test_a_flip_rates_prior_needs_an_unknown_flip_rate():
    with pytest.raises(InputError, match="label_noise='unknown'"):
        fit_lattice_hamiltonian(picture(), 1, prior={"flip_rate": (0.1, 0.05)})
    with pytest.raises(InputError, match="Beta"):
        fit_lattice_hamiltonian(picture(), 1, prior={"flip_rate": 0.1}, label_noise="unknown")
