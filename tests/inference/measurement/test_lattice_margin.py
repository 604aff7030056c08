"""The crystal around a field of view: against the larger lattice that the picture was cut from."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.lattices.lattice_data import gather_snapshots, term_sites
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.measurement.lattice_margin import extend_field_of_view
from physlearn.lattice_models import (
    Ising,
    cubic_lattice,
    honeycomb_lattice,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.graphs.site_graphs import keep_sites
from physlearn.records import LatticeSnapshots, SiteGraph

LATTICES = {
    "square": (square_lattice((36, 36), 3, periodic=False), 11.0, 0.06),
    "triangular": (triangular_lattice((42, 38), 3, periodic=False), 11.0, 0.06),
    "honeycomb": (honeycomb_lattice((26, 22), 2, periodic=False), 11.0, 0.05),
    "fcc": (cubic_lattice((8, 8, 8), "fcc", 2, periodic=False), 2.6, 0.0),
}


def disc(graph, radius, vacancies, seed):
    """Return the sites of a disc with vacancies well inside, and these vacancies."""
    points = np.asarray(graph.positions)
    depth = radius - np.linalg.norm(points - points.mean(axis=0), axis=1)
    rng = np.random.default_rng(seed)
    gone = (depth > 2.5) & (rng.random(len(points)) < vacancies)
    return keep_sites(graph, np.flatnonzero((depth > 0) & ~gone)), np.flatnonzero(gone)


def bonds(edges, shell):
    return set(map(tuple, np.column_stack([np.sort(edges, axis=1), shell]).tolist()))


@pytest.mark.parametrize("jitter", [0.0, 1.0])
@pytest.mark.parametrize("name", LATTICES)
def test_the_margin_is_the_crystal_that_the_picture_was_cut_from(name, jitter):
    graph, radius, noise = LATTICES[name]
    small, gone = disc(graph, radius, 0.05, 3)
    moved = small.positions + jitter * noise * np.random.default_rng(4).standard_normal(
        small.positions.shape
    )
    seen = replace(small, positions=moved)
    layers = 1 if name == "fcc" else 3
    wide = extend_field_of_view(LatticeSnapshots(np.ones((1, small.n_sites)), seen), layers)
    far, place = cKDTree(graph.positions).query(wide.graph.positions)
    assert far.max() < 0.35
    assert len(np.unique(place)) == len(place)
    assert not np.isin(gone, place).any()
    order = np.argsort(np.argsort(place))
    true = keep_sites(graph, np.sort(place))
    assert bonds(order[wide.graph.edges], wide.graph.shell) == bonds(true.edges, true.shell)
    assert len(wide.graph.edges) == len(true.edges)
    assert wide.observed[0, : small.n_sites].all()
    assert not wide.observed[0, small.n_sites :].any()
    # all neighbours of what was seen are there, and as many layers of nearest ones as asked for
    degree = np.bincount(wide.graph.edges.ravel(), minlength=wide.graph.n_sites)
    inside = np.bincount(graph.edges.ravel(), minlength=graph.n_sites)
    lost = np.zeros(graph.n_sites, int)
    touching = np.isin(graph.edges, gone)
    np.add.at(lost, graph.edges[touching[:, 0], 1], 1)
    np.add.at(lost, graph.edges[touching[:, 1], 0], 1)
    rows = place[: small.n_sites]
    assert np.array_equal(degree[: small.n_sites], (inside - lost)[rows])


def test_layers_are_counted_in_nearest_neighbours():
    seen = LatticeSnapshots(np.ones((1, 25)), square_lattice((5, 5), periodic=False))
    for layers in (1, 2, 4):
        # an open square of side 5 grows to a cut diamond: 4 sides of 5 and 4 corners a layer
        grown = sum(20 + 4 * (layer - 1) for layer in range(1, layers + 1))
        assert extend_field_of_view(seen, layers).graph.n_sites == 25 + grown


def test_a_notch_is_outside_and_a_hole_is_not():
    graph = square_lattice((20, 20), periodic=False)
    row, column = np.divmod(np.arange(400), 20)
    notch = (column >= 12) & (row >= 6) & (row < 12)
    hole = (column >= 3) & (column < 7) & (row >= 8) & (row < 12)
    small = keep_sites(graph, np.flatnonzero(~notch & ~hole))
    wide = extend_field_of_view(LatticeSnapshots(np.ones((1, small.n_sites)), small), 3)
    new = wide.graph.positions[small.n_sites :]
    distance, place = cKDTree(graph.positions).query(new)
    within = place[distance < 0.1]
    assert notch[within].all()
    assert notch[within].sum() == notch.sum()


def test_records_keep_what_they_hold():
    graph = square_lattice((6, 6), periodic=False)
    table = np.random.default_rng(1).normal(size=(2, 36, 2))
    seen = np.random.default_rng(2).random((2, 36)) < 0.9
    record = LatticeSnapshots(
        np.ones((2, 36)), graph, observed=seen, label_log_likelihood=table,
        conditions={"temperature": [300.0, 400.0]}, metadata={"source": "x"},
    )  # fmt: skip
    wide = extend_field_of_view(record, 2)
    assert np.array_equal(wide.label_log_likelihood[:, :36], table)
    assert not wide.label_log_likelihood[:, 36:].any()
    assert np.array_equal(wide.observed[:, :36], seen)
    assert wide.metadata["boundary"] == "free"
    assert wide.metadata["source"] == "x"
    assert wide.metadata["margin_sites"] == wide.graph.n_sites - 36
    assert np.array_equal(wide.conditions["temperature"], [300.0, 400.0])


def test_periodic_crystals_have_no_margin():
    record = LatticeSnapshots(np.ones((1, 16)), square_lattice((4, 4)))
    assert extend_field_of_view(record) is record


def test_what_is_no_crystal_is_refused():
    rng = np.random.default_rng(5)
    points = rng.uniform(0, 20, (300, 2))
    pairs = cKDTree(points).query_pairs(1.6, output_type="ndarray")
    amorphous = SiteGraph(300, pairs, np.zeros(len(pairs)), np.ones(len(pairs)), positions=points)
    with pytest.raises(InputError, match="crystal"):
        extend_field_of_view(LatticeSnapshots(np.ones((1, 300)), amorphous))
    bare = SiteGraph(3, [[0, 1], [1, 2]], [0, 0], [1, 1])
    with pytest.raises(InputError, match="positions"):
        extend_field_of_view(LatticeSnapshots(np.ones((1, 3)), bare))
    square = square_lattice((8, 8), periodic=False)
    apart = keep_sites(square, np.flatnonzero(np.arange(64) // 8 != 4))
    with pytest.raises(InputError, match="one"):
        extend_field_of_view(LatticeSnapshots(np.ones((1, apart.n_sites)), apart))


@pytest.mark.parametrize(
    ("shape", "n_shells", "width"),
    [((12, 12), 3, 2), ((6, 6), 2, 1), ((4, 4), 2, 1), ((3, 40), 1, 1), ((4, 40), 1, 1),
     ((20, 20), 6, 3)],
)  # fmt: skip
def test_small_and_narrow_pictures_have_no_rim_among_their_terms(shape, n_shells, width):
    graph = square_lattice(shape, n_shells, periodic=False)
    row, column = np.unravel_index(np.arange(graph.n_sites), shape)
    depth = np.minimum.reduce([row, shape[0] - 1 - row, column, shape[1] - 1 - column])
    terms = term_sites(LatticeSnapshots(np.ones((1, graph.n_sites)), graph), n_shells)
    assert np.array_equal(terms, np.flatnonzero(depth >= width))
    # without positions, too: a sizeable share has the full degree
    bare = replace(graph, positions=None)
    blind = term_sites(LatticeSnapshots(np.ones((1, graph.n_sites)), bare), n_shells)
    assert np.isin(blind, terms).all()


def test_the_rim_along_a_notch_is_rim_and_that_of_a_hole_is_not():
    graph = square_lattice((20, 20), periodic=False)
    row, column = np.divmod(np.arange(400), 20)
    notch = (column >= 10) & (row >= 10)
    hole = (column == 4) & (row == 4)
    small = keep_sites(graph, np.flatnonzero(~notch & ~hole))
    terms = term_sites(LatticeSnapshots(np.ones((1, small.n_sites)), small), 1)
    degree = np.bincount(small.edges.ravel(), minlength=small.n_sites)
    lacking = terms[degree[terms] < 4]
    assert len(lacking) == 4
    assert np.all(np.abs(small.positions[lacking] - [4, 4]).sum(axis=1) == 1)


def test_too_small_pictures_and_open_rims_are_refused_with_ways_out():
    graph = square_lattice((6, 6), 2, periodic=False)
    states = np.random.default_rng(1).choice([-1, 1], (20, 36))
    family = lattice_family("ising", (-1, 1), 2)
    assert gather_snapshots(LatticeSnapshots(states, graph), family).n_terms == 20 * 16
    with pytest.raises(NotIdentified, match="margin=4"):
        gather_snapshots(
            LatticeSnapshots(states[:1, :9], square_lattice((3, 3), 2, periodic=False)),
            family, margin="rim",
        )  # fmt: skip
    rows = np.random.default_rng(2).normal(size=(1, 36, 2))
    unsure = LatticeSnapshots(states[:1], graph, label_log_likelihood=rows)
    with pytest.raises(InputError, match="rim"):
        gather_snapshots(unsure, family, margin="rim")
    bare = LatticeSnapshots(states[:1], replace(graph, positions=None), label_log_likelihood=rows)
    assert any("biases" in note for note in gather_snapshots(bare, family).notes)


def cut_out(coupling, rng):
    """Return a disc, all labels certain, of a large crystal in equilibrium."""
    crystal = square_lattice((44, 44))
    states = simulate_lattice(Ising([coupling], 0.05), crystal, burn_in=400, rng=rng).states[0]
    away = np.asarray(crystal.positions) - 21.5
    inside = np.flatnonzero(np.hypot(*away.T) < 13)
    graph = replace(keep_sites(crystal, inside), cell=None)
    return LatticeSnapshots(states[inside][None], graph)


@pytest.mark.slow
@pytest.mark.parametrize("margin", ["rim", 2, 4])
@pytest.mark.parametrize("coupling", [-0.25, 0.1, 0.3, 0.38])
def test_neither_way_to_treat_the_rim_is_biased(coupling, margin, oracle):
    rng = np.random.default_rng(7)
    pulls, hits = [], []
    for _ in range(100):
        fit = fit_lattice_hamiltonian(cut_out(coupling, rng), 1, margin=margin, rng=rng)
        draws = fit["couplings"][:, 0]
        low, high = np.quantile(draws, [0.05, 0.95])
        hits.append(low < coupling < high)
        pulls.append((draws.mean() - coupling) / draws.std())
    oracle("bias of the coupling", error=np.mean(pulls), bound=0.2 + 4 / np.sqrt(100))
    oracle("90 % intervals", p=stats.binomtest(int(np.sum(hits)), 100, 0.9).pvalue)
