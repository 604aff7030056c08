"""Hops on other graphs: three dimensions, honeycombs, removed sites, networks; rates by hand."""

from concurrent.futures import ThreadPoolExecutor

import networkx as nx
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm

from physlearn.checks import InputError
from physlearn.lattice_models import (
    LatticeGas,
    cubic_lattice,
    honeycomb_lattice,
    remove_sites,
    site_graph_from_networkx,
    square_lattice,
)
from physlearn.lattice_models.kinetics import (
    BeamSchedule,
    HopRates,
    Transformation,
    arrhenius_rate_hz,
    simulate_hop_history,
    simulate_hops,
    simulate_transformations,
)
from physlearn.records import SiteGraph

RATE, TIME = 1.3, 0.8
WALK = HopRates([0.0], attempt_frequency_hz=RATE)


def copies_of(graph, n):
    """n graphs without bonds between them: as many independent walks in one."""
    shift = graph.n_sites * np.arange(n)[:, None, None]
    return SiteGraph(
        n * graph.n_sites, (graph.edges[None] + shift).reshape(-1, 2), np.tile(graph.shell, n),
        np.tile(graph.multiplicity, n), positions=np.tile(graph.positions, (n, 1)),
        cell=graph.cell, shell_radii=graph.shell_radii,
    )  # fmt: skip


def network():
    """A network with positions that say nothing about its bonds."""
    graph = nx.lollipop_graph(4, 3)
    for node in graph:
        graph.nodes[node]["position"] = (float(node), float(node**2 % 5))
    return graph


GRAPHS = {
    "simple cubic": lambda: cubic_lattice((3, 3, 3)),
    "open simple cubic": lambda: cubic_lattice((2, 3, 4), periodic=False),
    "body-centred cubic": lambda: cubic_lattice((3, 3, 3), "bcc"),
    "honeycomb": lambda: honeycomb_lattice((3, 4)),
    "square with sites removed": lambda: remove_sites(square_lattice((5, 5)), [3, 7, 12, 13]),
    "network": lambda: site_graph_from_networkx(network()),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_walk_on_any_graph_follows_its_laplacian(name, oracle):
    """p(t) = exp(-L rate t) p(0) with the Laplacian of the graph, from networkx."""
    graph, n, first = GRAPHS[name](), 4000, 1
    plain = nx.Graph()
    plain.add_nodes_from(range(graph.n_sites))
    plain.add_edges_from(map(tuple, graph.edges.tolist()))
    laplacian = nx.laplacian_matrix(plain).toarray()
    exact = expm(-laplacian * RATE * TIME)[first]
    history = simulate_hop_history(
        WALK, copies_of(graph, n), np.tile(np.arange(graph.n_sites) == first, n), [TIME], rng=5
    )
    counts = history.snapshots.states[0].reshape(n, -1).sum(axis=0)
    assert counts.sum() == n
    possible = exact > 1e-12
    assert not counts[~possible].any()
    p = stats.chisquare(counts[possible], n * exact[possible] / exact[possible].sum()).pvalue
    oracle(f"hops on a graph, {name}", p=p)


@pytest.mark.parametrize(("kind", "neighbours", "length"), [("sc", 6, 1.0), ("bcc", 8, 0.75**0.5)])
def test_walk_in_three_dimensions_is_followed_through_the_faces(kind, neighbours, length, oracle):
    graph, n = cubic_lattice((3, 4, 5), kind), 3000
    start = np.tile(np.arange(graph.n_sites) == 11, n)
    films = [simulate_hops(WALK, copies_of(graph, n), start, [0.0, TIME], unwrap=unwrap, rng=4)
             for unwrap in (True, False)]  # fmt: skip
    apart = films[0].positions - films[1].positions
    turns = apart @ np.linalg.inv(graph.cell)
    assert np.abs(turns - np.round(turns)).max() < 1e-9
    assert np.abs(np.round(turns)).max(axis=0).min() >= 1  # through all faces
    moved = films[0].positions[films[0].frame == 1] - films[0].positions[films[0].frame == 0]
    for axis, label in enumerate("xyz"):
        squared = moved[:, axis] ** 2
        wanted = neighbours * RATE * TIME * length**2 / 3
        z = (squared.mean() - wanted) / (squared.std() / np.sqrt(n))
        oracle(f"hops in three dimensions, {kind}, <{label}^2>", z=z)
    if kind == "sc":  # axes are independent: the law of each is Skellam's
        counts = np.bincount(np.round(moved[:, 2]).astype(int) + 12, minlength=25)
        exact = stats.skellam(RATE * TIME, RATE * TIME).pmf(np.arange(-12, 13))
        kept = exact * n > 5
        both = [np.append(part[kept], part[~kept].sum()) for part in (counts, n * exact)]
        both[1] *= n / both[1].sum()
        oracle("hops in three dimensions, p(z, t)", p=stats.chisquare(*both).pvalue)


def test_walk_on_a_honeycomb_spreads_with_its_three_bonds(oracle):
    """The bonds of a site add up to 0: steps are uncorrelated, <r^2> = 3 rate t."""
    graph, n = honeycomb_lattice((4, 4)), 3000
    walk = simulate_hops(
        WALK, copies_of(graph, n), np.tile(np.arange(graph.n_sites) == 6, n), [0.0, TIME], rng=8
    )
    moved = walk.positions[walk.frame == 1] - walk.positions[walk.frame == 0]
    squared = (moved**2).sum(axis=1)
    z = (squared.mean() - 3 * RATE * TIME) / (squared.std() / np.sqrt(n))
    oracle("hops on a honeycomb, <r^2>", z=z)


def test_a_network_without_positions_is_refused():
    graph = site_graph_from_networkx(nx.cycle_graph(5))
    with pytest.raises(InputError, match="graph must have positions, so that"):
        simulate_hops(WALK, graph, [1, 0, 0, 0, 0], [1.0])
    with pytest.raises(InputError, match=r"graph must be a SiteGraph.*got Graph"):
        simulate_hops(WALK, nx.cycle_graph(5), [1, 0, 0, 0, 0], [1.0])


def test_arrhenius_rates_are_those_by_hand(oracle):
    """With k_B = 1.380649e-23 J/K and e = 1.602176634e-19 C (exact in the SI), by long division."""
    for arguments, exact in (
        ((0.7, 450.0, 2e13), 289317.724506272170),
        ((1.25, 1200.0), 56264058.6273773560),
    ):
        rate = arrhenius_rate_hz(*arguments)
        oracle(f"Arrhenius rate at {arguments[1]} K", error=rate / exact - 1, bound=1e-9)
    assert arrhenius_rate_hz(0.0, 300.0) == 1e13


def test_mean_dose_rates_are_those_by_hand():
    beam = BeamSchedule([[1.0, 2.0], [3.0, 0.0], [5.0, 6.0]], [0.0, 0.2, 0.5], 1.0)
    np.testing.assert_allclose(beam.mean_dose_rate_per_angstrom2_s(), [3.6, 3.4], rtol=1e-14)
    endless = BeamSchedule([1.0, 4.0], [0.0, 2.0])
    assert endless.mean_dose_rate_per_angstrom2_s() == 4.0


def test_threads_change_nothing():
    rates = HopRates([0.2], hamiltonian=LatticeGas([-0.5]))
    change = Transformation(1, 0, 2.0)

    def runs(seed):
        start = np.random.default_rng(seed).integers(0, 2, 400)
        walk = simulate_hops(rates, square_lattice((20, 20)), start, [1e-10, 2e-10], rng=seed)
        end = simulate_transformations([change], square_lattice((20, 20)), start, [0.5], rng=seed)
        assert walk.metadata["n_events"] > 100
        return walk.positions, walk.frame, end.states

    serial = [runs(seed) for seed in (1, 2, 3, 4)]
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(runs, (1, 2, 3, 4)))
    for one, other in zip(serial, threaded, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, theirs)
