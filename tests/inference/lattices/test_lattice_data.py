"""Pictures as data: statistics, labels, conditions, covariates, windows, what cannot be told."""

import itertools

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.lattices.lattice_data import code_statistics, gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.lattices.lattice_identification import (
    connection_notes,
    find_unidentified,
    identification_flags,
)
from physlearn.inference.lattices.lattice_window import window_of
from physlearn.inference.lattices.picture_overlap import count_independent_pictures
from physlearn.inference.posteriors.local_sandwich import picture_sandwich
from physlearn.inference.posteriors.priors import make_prior
from physlearn.lattice_models import square_lattice, triangular_lattice
from physlearn.records import LatticeSnapshots, SiteGraph

GRAPH = square_lattice((6, 5), n_shells=2)
ISING = lattice_family("ising", (-1, 1), 2)


def random_snapshots(graph, values=(-1, 1), n=1, seed=1, **options):
    states = np.random.default_rng(seed).choice(values, (n, graph.n_sites))
    return LatticeSnapshots(states, graph, state_values=values, **options)


FAMILIES = {
    "ising": ((-1, 1), {}), "lattice_gas": ((0, 1), {"triplets": [(0, 0, 1)]}),
    "potts": ((0, 1, 2), {}), "clock": ((0, 1, 2, 3), {}), "blume_capel": ((-1, 0, 1), {}),
    "pair": ((0, 2, 5), {}),
}  # fmt: skip


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("fixed", [False, True])
def test_statistics_equal_the_core_energies(model, fixed):
    values, options = FAMILIES[model]
    family = lattice_family(model, values, 2, **options, fixed_composition=fixed)
    snapshots = random_snapshots(GRAPH, values)
    data = gather_snapshots(snapshots, family)
    codes = np.searchsorted(values, snapshots.states[0])
    assert np.allclose(data.observed(), family.statistics(codes, GRAPH))


def test_several_records_are_one_group_with_picture_numbers():
    other = square_lattice((4, 7), n_shells=3)
    given = [random_snapshots(GRAPH, n=2), random_snapshots(other, seed=2)]
    data = gather_snapshots(given, ISING)
    (group,) = data.groups
    assert np.bincount(group.picture).tolist() == [30, 30, 28]
    parts = [
        code_statistics(ISING, record.graph, (states > 0).astype(np.uint8))
        for record in given
        for states in record.states
    ]
    assert np.allclose(data.observed(), np.sum(parts, axis=0))


def test_temperatures_and_fields_make_designs():
    conditions = {"temperature": [300.0, 600.0, 300.0], "field": [0.0, 2.0, 1.0]}
    snapshots = random_snapshots(GRAPH, n=3, conditions=conditions)
    data = gather_snapshots(snapshots, ISING)
    theta = np.array([0.1, 0.2, -0.05, 0.3])
    assert data.names == ["field", "couplings[1]", "couplings[2]", "field_response"]
    natural = [group.design @ theta for group in data.groups]
    assert np.allclose(natural[0], [0.1, 0.2, -0.05])
    assert np.allclose(natural[1], np.array([0.1 + 2 * 0.3, 0.2, -0.05]) / 2)
    assert np.allclose(natural[2], [0.1 + 0.3, 0.2, -0.05])
    # the log weight of all pictures, term by term
    codes = (snapshots.states > 0).astype(np.uint8)
    direct = sum(
        n @ code_statistics(ISING, GRAPH, one) for n, one in zip(natural, codes, strict=True)
    )
    assert theta @ data.observed() == pytest.approx(direct)
    assert any("temperatures differ" in note and "300" in note for note in data.notes)


def test_pictures_of_equal_conditions_share_a_group():
    snapshots = random_snapshots(GRAPH, n=4, conditions={"temperature": [2.0, 1.0, 2.0, 1.0]})
    groups = gather_snapshots(snapshots, ISING).groups
    assert [np.unique(group.picture).tolist() for group in groups] == [[0, 2], [1, 3]]
    assert groups[1].design[0, 0] == 2.0


def test_conditions_that_do_not_differ_or_have_no_place():
    same = random_snapshots(GRAPH, n=2, conditions={"temperature": [5.0, 5.0], "field": [1, 1]})
    assert gather_snapshots(same, ISING).names == ISING.labels
    other = random_snapshots(GRAPH, n=2, conditions={"humidity": [1.0, 2.0]})
    assert "humidity differs" in " ".join(gather_snapshots(other, ISING).notes)
    potts = random_snapshots(GRAPH, (0, 1, 2), n=2, conditions={"field": [0.0, 1.0]})
    data = gather_snapshots(potts, lattice_family("potts", (0, 1, 2), 1))
    assert "not used" in " ".join(data.notes)
    assert len(data.groups) == 1


def test_bad_conditions_are_refused():
    cold = random_snapshots(GRAPH, n=2, conditions={"temperature": [0.0, 1.0]})
    with pytest.raises(InputError, match="above 0"):
        gather_snapshots(cold, ISING)
    some = [random_snapshots(GRAPH, conditions={"temperature": [1.0]}), random_snapshots(GRAPH)]
    with pytest.raises(InputError, match="all snapshots or for none"):
        gather_snapshots(some, ISING)


def test_covariates_are_sums_over_sites():
    snapshots = random_snapshots(GRAPH)
    data = gather_snapshots(snapshots, ISING, covariates="quadratic")
    assert data.names[3:] == [f"field_gradient[{name}]" for name in ("x", "y", "x^2", "x y", "y^2")]
    points, spins = GRAPH.positions, snapshots.states[0].astype(float)
    x = 2 * (points[:, 0] - points[:, 0].min()) / np.ptp(points[:, 0]) - 1
    assert data.observed()[3] == pytest.approx(spins @ x)
    assert data.observed()[5] == pytest.approx(spins @ (x**2 - np.mean(x**2)))
    table = np.random.default_rng(3).normal(size=(30, 2)) * 50
    given = gather_snapshots(snapshots, ISING, covariates=table)
    assert np.allclose(given.observed()[3:], spins @ table)
    # a covariate of size 50 gets a prior 50 times narrower
    assert make_prior(None, given).sd[3] == pytest.approx(3 / np.abs(table[:, 0]).max())


def test_bad_covariates_and_fields_are_refused():
    snapshots = random_snapshots(GRAPH)
    for wrong, message in (
        ("cubic", "gradient"), (np.ones(7), "one row for each site"), (np.zeros(30), "zero"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            gather_snapshots(snapshots, ISING, covariates=wrong)
    potts = random_snapshots(GRAPH, (0, 1, 2))
    with pytest.raises(InputError, match="one field"):
        gather_snapshots(potts, lattice_family("potts", (0, 1, 2), 1), covariates="gradient")
    with pytest.raises(InputError, match="site_field"):
        gather_snapshots(snapshots, ISING, site_field=np.ones(4))


def test_known_fields_become_log_weights():
    field = np.linspace(-1, 1, 30)
    (group,) = gather_snapshots(random_snapshots(GRAPH), ISING, site_field=field).groups
    assert np.allclose(group.offset, np.outer(field, [-1, 1]))


def test_label_rows_hold_also_where_a_site_was_missed():
    table = np.zeros((1, 30, 2))
    table[0, :, 0] = -1.0
    table[0, 3] = [np.log(0.3), np.log(0.05)]  # missed: dim atoms more often than bright ones
    observed = np.ones((1, 30), bool)
    observed[0, 3] = False
    snapshots = random_snapshots(GRAPH, observed=observed, label_log_likelihood=table)
    (group,) = gather_snapshots(snapshots, ISING).groups
    assert np.allclose(group.label[3], [0.0, np.log(0.05 / 0.3)])
    assert np.allclose(group.label[4], [-1.0, 0.0])
    assert group.labelled.sum() == 29
    notes = gather_snapshots(snapshots, ISING).notes
    assert any("how likely each state is to be missed" in note for note in notes)


def test_known_and_unknown_flips():
    snapshots = random_snapshots(GRAPH, (0, 1, 2))
    family = lattice_family("potts", (0, 1, 2), 1)
    (known,) = gather_snapshots(snapshots, family, label_noise=0.1).groups
    odds = np.exp(known.label - known.label.max(axis=1, keepdims=True))
    assert np.allclose(odds / odds.sum(axis=1, keepdims=True), np.where(odds == 1, 0.9, 0.05))
    (unknown,) = gather_snapshots(snapshots, family, label_noise="unknown").groups
    assert not unknown.label.any()
    certain = gather_snapshots(snapshots, family, label_noise=0.0)
    assert not certain.uncertain
    for wrong in (0.7, -0.1, "some", True):
        with pytest.raises(InputError, match="label_noise"):
            gather_snapshots(snapshots, family, label_noise=wrong)


def test_sure_likelihoods_are_certain_labels_and_the_table_rules():
    sure = np.zeros((1, 30, 2))
    codes = np.random.default_rng(5).integers(2, size=30)
    sure[0, np.arange(30), 1 - codes] = -60.0
    data = gather_snapshots(random_snapshots(GRAPH, label_log_likelihood=sure), ISING)
    assert not data.uncertain
    assert np.array_equal(data.groups[0].codes, codes)


def test_mostly_unlabelled_pictures_are_refused():
    observed = np.zeros((1, 30), bool)
    observed[0, :12] = True
    with pytest.raises(NotIdentified, match="half"):
        gather_snapshots(random_snapshots(GRAPH, observed=observed), ISING)


def test_states_must_be_the_models():
    with pytest.raises(InputError, match="model's states"):
        gather_snapshots(random_snapshots(GRAPH, (0, 1)), ISING)
    with pytest.raises(InputError, match="share one set"):
        gather_snapshots([random_snapshots(GRAPH), random_snapshots(GRAPH, (0, 1))], ISING)


def test_an_uncertain_cut_out_gets_a_margin():
    graph = square_lattice((8, 8), periodic=False)
    family = lattice_family("ising", (-1, 1), 1)
    snapshots = random_snapshots(graph)
    certain = gather_snapshots(snapshots, family)
    assert certain.n_terms == 36
    noisy = gather_snapshots(snapshots, family, label_noise=0.05)
    assert noisy.n_sites > 64 == noisy.groups[0].labelled.sum()
    assert noisy.n_terms == noisy.n_sites
    two = gather_snapshots(snapshots, family, margin=1)
    assert two.n_sites == 64 + 4 * 8
    gradient = gather_snapshots(snapshots, family, label_noise=0.05, covariates=np.arange(64.0))
    assert gradient.groups[0].extra.shape == (1, noisy.n_sites, 2)
    with pytest.raises(InputError, match="margin"):
        gather_snapshots(snapshots, family, margin="none")


def test_a_shell_twice_is_named():
    twice = SiteGraph(
        30, np.vstack([GRAPH.edges[GRAPH.shell == 0]] * 2), np.repeat([0, 1], 60), np.ones(120)
    )
    data = gather_snapshots(random_snapshots(twice), ISING)
    directions = find_unidentified(data)
    assert directions.shape == (1, 3)
    assert np.allclose(directions[0] / directions[0, 1], [0, 1, -1])
    (flag,) = identification_flags(data, directions)
    assert "couplings[1] and couplings[2] can't be told apart" in flag


def test_an_empty_shell_is_named():
    keep = GRAPH.shell == 0
    bare = SiteGraph(
        30, GRAPH.edges[keep], GRAPH.shell[keep], GRAPH.multiplicity[keep], shell_radii=(1.0, 1.5)
    )
    data = gather_snapshots(random_snapshots(bare), ISING)
    (flag,) = identification_flags(data, find_unidentified(data))
    assert flag.startswith("couplings[2] has no effect")


def test_a_complete_graph_at_fixed_composition_says_nothing():
    pairs = np.array(list(itertools.combinations(range(12), 2)))
    graph = SiteGraph(12, pairs, np.zeros(66), np.ones(66))
    for fixed, n in ((True, 1), (False, 0)):
        family = lattice_family("ising", (-1, 1), 1, fixed_composition=fixed)
        assert len(find_unidentified(gather_snapshots(random_snapshots(graph), family))) == n


@pytest.mark.parametrize("n_shells", [3, 4, 5])
def test_shells_that_wrap_a_small_box_are_found_as_often_as_all_states_show(n_shells):
    graph = triangular_lattice((4, 4), n_shells=n_shells)
    family = lattice_family("ising", (-1, 1), n_shells)
    data = gather_snapshots(random_snapshots(graph), family)
    codes = np.array(list(itertools.product([0, 1], repeat=16)), np.uint8)
    rank = np.linalg.matrix_rank(np.cov(family.statistics(codes, graph).T))
    directions = find_unidentified(data)
    assert len(directions) == family.n_parameters - rank
    assert len(identification_flags(data, directions)) == len(directions)


def test_large_pictures_are_tried_in_part():
    graph = square_lattice((80, 80))
    twice = SiteGraph(
        6400, np.vstack([graph.edges] * 2), np.repeat([0, 1], len(graph.edges)),
        np.ones(2 * len(graph.edges)),
    )  # fmt: skip
    one = lattice_family("ising", (-1, 1), 1)
    assert len(find_unidentified(gather_snapshots(random_snapshots(graph), one))) == 0
    assert len(find_unidentified(gather_snapshots(random_snapshots(twice), ISING))) == 1


def test_graphs_in_parts_are_noted():
    chain = [(i, i + 1) for i in range(5)] + [(i, i + 1) for i in range(6, 10)]
    graph = SiteGraph(12, chain, np.zeros(9), np.ones(9))
    data = gather_snapshots(
        random_snapshots(graph, metadata={"boundary": "free"}), lattice_family("ising", (-1, 1), 1)
    )
    first, second = connection_notes(data)
    assert "2 parts" in first
    assert "1 of 12 sites have no neighbour" in second
    assert not connection_notes(gather_snapshots(random_snapshots(GRAPH), ISING))


def test_scores_of_a_picture_have_the_variance_that_they_show(oracle):
    """Over all states of 12 sites E[J] equals the variance of the score, exactly."""
    graph = triangular_lattice((3, 4), periodic=False)
    family = lattice_family("ising", (-1, 1), 1, [(0, 0, 0)])
    theta = np.array([0.1, 0.15, 0.1])
    codes = np.array(list(itertools.product([0, 1], repeat=12)), np.uint8)
    exponent = family.statistics(codes, graph) @ theta
    weight = np.exp(exponent - exponent.max())
    weight /= weight.sum()
    mean_j, scores = np.zeros((3, 3)), np.zeros((len(codes), 3))
    metadata = {"boundary": "free"}
    chosen = np.random.default_rng(1).choice(len(codes), 1500, p=weight)
    for row in chosen:
        snapshots = LatticeSnapshots(2 * codes[[row]].astype(int) - 1, graph, metadata=metadata)
        data = gather_snapshots(snapshots, family)
        mean_j += picture_sandwich(data, theta)[1] / len(chosen)
    # the score by central differences of the log pseudolikelihood, written out
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-5
        scores[:, k] = (
            log_pseudolikelihood(codes, graph, family, theta + step)
            - log_pseudolikelihood(codes, graph, family, theta - step)
        ) / 2e-5
    assert np.allclose(weight @ scores, 0, atol=1e-6)
    exact = (scores * weight[:, None]).T @ scores
    for i, j in ((0, 0), (1, 1), (2, 2), (0, 1)):
        scale = np.sqrt(exact[i, i] * exact[j, j])
        oracle(f"J[{i}, {j}]", error=abs(mean_j[i, j] - exact[i, j]) / scale, bound=0.12)


def log_pseudolikelihood(codes, graph, family, theta):
    energy = family.statistics(codes, graph) @ theta
    place = codes @ (1 << np.arange(12)[::-1])
    by_place = np.empty(len(codes))
    by_place[place] = energy
    total = np.zeros(len(codes))
    for site in range(12):
        other = by_place[place ^ (1 << (11 - site))]
        total -= np.logaddexp(0.0, other - energy)
    return total


def test_a_window_holds_its_outer_sites():
    graph = square_lattice((20, 20), n_shells=2)
    (group,) = gather_snapshots(random_snapshots(graph), ISING).groups
    window = window_of(group, 144)
    assert (window.n_sites, len(window.terms)) == (144, 100)
    assert window_of(group, 400) is group


def test_pictures_of_one_chain_are_counted_by_their_overlap():
    graph = square_lattice((16, 16), 2)
    rng = np.random.default_rng(1)
    chain = [rng.choice([-1, 1], 256)]
    for _ in range(19):
        fresh = rng.random(256) < 0.3
        chain.append(np.where(fresh, rng.choice([-1, 1], 256), chain[-1]))
    states = np.array(chain)
    notes = gather_snapshots(LatticeSnapshots(states, graph), ISING).notes
    assert any("more alike" in note for note in notes)
    # an overlap of .7 from one to the next: 20 * .3 / 1.7 = 3.5
    assert 2 < count_independent_pictures(LatticeSnapshots(states, graph)) < 6
    order = rng.permutation(20)
    timed = LatticeSnapshots(states[order], graph, times=order.astype(float))
    assert count_independent_pictures(timed) is not None
    found = [
        count_independent_pictures(LatticeSnapshots(rng.choice([-1, 1], (20, 256)), graph))
        for _ in range(50)
    ]
    assert found.count(None) >= 48


def test_gradients_have_one_scale_for_pictures_of_all_sizes():
    rng = np.random.default_rng(2)
    records = tuple(
        LatticeSnapshots(rng.choice([-1, 1], (1, n * n)), square_lattice((n, n), 2))
        for n in (6, 12)
    )
    small, large = gather_snapshots(records, ISING, covariates="gradient").records
    data = gather_snapshots(records, ISING, covariates="gradient")
    (group,) = data.groups
    values = group.extra[:, :, 1] - group.extra[:, :, 0]
    step = [np.abs(np.diff(np.unique(values[0, group.picture == k].round(9)))) for k in (0, 1)]
    assert np.allclose(step[0], step[1][0])
    assert small.graph.n_sites < large.graph.n_sites
