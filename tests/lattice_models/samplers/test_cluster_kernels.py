"""Compiled clusters against their Python form, what they cost, and what they refuse."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.graphs.regular_lattices import square_lattice, triangular_lattice
from physlearn.lattice_models.hamiltonians.state_hamiltonians import (
    BlumeCapel,
    Clock,
    Potts,
)
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising
from physlearn.lattice_models.samplers import cluster_kernels as kernels
from physlearn.lattice_models.samplers.cluster_tables import cluster_tables
from physlearn.lattice_models.samplers.clusters import (
    SwendsenWangEngine,
    WolffEngine,
    make_swendsen_wang_engine,
    make_wolff_engine,
)

MAKERS = {"wolff": make_wolff_engine, "swendsen_wang": make_swendsen_wang_engine}


CRITICAL = np.log1p(np.sqrt(2.0)) / 2


TORUS, SMALL = square_lattice((3, 3)), square_lattice((2, 4))


TRIANGLES = triangular_lattice((3, 3))


def test_strong_coupling_links_all_like_neighbours_and_keeps_every_cluster_whole():
    graph = square_lattice((6, 6))
    for make in MAKERS.values():
        engine = make(Ising([60.0]), graph, np.ones(36), np.random.default_rng(2))
        seen = set()
        for _ in range(40):
            engine.sweep(1)
            seen.add(int(engine.states().sum()))
        assert seen == {-36, 36}
    table = cluster_tables(Ising([60.0]).terms(graph))
    assert table.thresholds.max() == 2**53  # certain, not 1 in 2^53 short of it
    assert table.square[2] == 2**32


@pytest.mark.parametrize("method", MAKERS)
@pytest.mark.parametrize(
    ("hamiltonian", "graph"),
    [
        (Ising([0.5]), square_lattice((5, 4))),
        (Potts(3, [0.9]), square_lattice((5, 4))),
        (Ising([0.5, -0.2], 0.1), square_lattice((5, 4), n_shells=2)),
        (Potts(3, [0.9], [0.1, 0.0, 0.0]), square_lattice((5, 4))),
        (Clock(4, [0.7]), square_lattice((5, 4))),
    ],
)
def test_kernels_equal_their_python_form_and_pieces_do_not_matter(
    method, hamiltonian, graph, monkeypatch
):
    def run(*pieces):
        engine = MAKERS[method](hamiltonian, graph, np.ones(20), np.random.default_rng(8))
        for n in pieces:
            engine.sweep(n)
        return engine.arrays()

    compiled = run(12)
    for other in (run(1, 4, 7), run(5, 7)):
        assert all(np.array_equal(compiled[name], other[name]) for name in compiled)
    for name in ("advance", "take_in", "find", "join"):
        monkeypatch.setattr(kernels, name, getattr(kernels, name).py_func)
    for name in ("wolff_square", "wolff_any", "swendsen_wang_square", "swendsen_wang_any"):
        monkeypatch.setattr(f"physlearn.lattice_models.samplers.clusters.{name}",
                            getattr(kernels, name).py_func)  # fmt: skip
    with np.errstate(over="ignore"):  # words wrap around, as they should
        plain = run(12)
    assert all(np.array_equal(compiled[name], plain[name]) for name in compiled)


@pytest.mark.parametrize("method", MAKERS)
def test_a_restored_engine_goes_on_to_the_bit(method):
    graph = triangular_lattice((6, 6))
    make, hamiltonian = MAKERS[method], Ising([0.3], 0.05)
    engine = make(hamiltonian, graph, np.ones(36), np.random.default_rng(1))
    engine.sweep(20)
    kept = engine.arrays()
    engine.sweep(15)
    other = make(hamiltonian, graph, -np.ones(36), np.random.default_rng(99))
    other.sweep(3)
    other.restore(kept)
    other.sweep(15)
    assert np.array_equal(engine.states(), other.states())
    assert all(np.array_equal(a, other.arrays()[name]) for name, a in engine.arrays().items())


@pytest.mark.parametrize("method", MAKERS)
def test_chains_on_two_threads_equal_chains_one_after_the_other(method):
    graph = square_lattice((16, 16))

    def run(seed):
        field = 0.0 if seed % 2 else 0.01  # both paths
        engine = MAKERS[method](
            Ising([CRITICAL], field), graph, np.ones(256), np.random.default_rng(seed)
        )
        engine.sweep(200)
        return engine.states()

    alone = [run(seed) for seed in range(8)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(run, range(8)))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert len({state.tobytes() for state in alone}) == 8


def test_a_wolff_sweep_visits_about_all_sites_and_its_clusters_are_fixed():
    graph = square_lattice((32, 32))
    for coupling in (0.2, CRITICAL, 0.6):
        engine = WolffEngine(Ising([coupling]), graph, np.ones(1024), np.random.default_rng(4))
        before = engine.clusters_per_sweep
        engine.sweep(2000)
        share = engine.counts[1] / 2000 / 1024
        assert engine.clusters_per_sweep == before
        assert 0.6 < share < 1.6
        # the coin: half a cluster a sweep on top
        assert abs(engine.counts[0] - 2000 * (before + 0.5)) < 4 * np.sqrt(2000 / 4)


def test_a_wolff_cluster_does_not_cost_the_whole_lattice():
    engine = WolffEngine(
        Ising([0.1]), square_lattice((512, 512)), np.ones(512**2), np.random.default_rng(4)
    )
    clusters, sites = engine.counts
    assert clusters == sites == 0  # the pilot left no trace
    engine.clusters_per_sweep = 1
    engine.sweep(1000)
    assert engine.counts[1] < 20 * engine.counts[0]  # sites looked at, of 262,144


def test_a_cluster_against_the_field_is_given_up_at_once():
    graph = square_lattice((64, 64), n_shells=2)
    engine = WolffEngine(Ising([1.0, 0.1], 0.2), graph, np.ones(4096), np.random.default_rng(4))
    engine.sweep(10)
    assert engine.counts[1] < 20 * engine.counts[0]  # about 1 / (2 h) sites, not all 4096


def test_models_without_reflections_and_triplets_are_refused():
    with pytest.raises(InputError, match="Blume-Capel has not"):
        cluster_tables(BlumeCapel([0.5], 0.2).terms(TORUS))
    with pytest.raises(InputError, match="triplets"):
        cluster_tables(Ising([0.1], triplets={(0, 0, 0): 0.1}).terms(TRIANGLES))
    with pytest.raises(InputError, match="fewer states or fewer different bonds"):
        many = Potts(100, [1.0]).terms(square_lattice((6, 6)))
        cluster_tables(many._replace(weight=np.arange(len(many.weight)) * 0.01))
    with pytest.raises(InputError, match="states"):
        SwendsenWangEngine(Ising([0.1]), TORUS, np.zeros(9), np.random.default_rng(1))
