"""Cluster updates against their C twins and the peers: equal arrays, equal words."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.monte_carlo.harness import Case, Contender, Peer, compile_c
from physlearn.lattice_models.graphs.regular_lattices import square_lattice, triangular_lattice
from physlearn.lattice_models.hamiltonians.state_hamiltonians import Potts
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising
from physlearn.lattice_models.samplers.clusters import SwendsenWangEngine, WolffEngine
from physlearn.lattice_models.tempering.tempering_engine import TemperingEngine

CRITICAL = float(np.log1p(np.sqrt(2.0)) / 2)
TRIANGULAR_CRITICAL = float(np.log(3.0) / 4)
WHOLE = ctypes.c_int64


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Where an array's numbers lie."""
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def twin_arguments(engine: Any, n_sweeps: int) -> tuple[str, list[Any]]:
    """Name and arguments of the C function that does what ``engine.sweep(n_sweeps)`` does."""
    tables, q = engine.tables, len(engine.state_values)
    codes, state = pointer(engine.codes), pointer(engine.random_state)
    wolff = isinstance(engine, WolffEngine)
    clusters = [WHOLE(engine.clusters_per_sweep)] if wolff else []
    if wolff:
        work = [pointer(engine._queue), pointer(engine.counts), state]
    else:
        work = [pointer(engine._parents), state]
    if tables.square is not None:
        rows, columns, threshold = tables.square
        numbers = [WHOLE(rows), WHOLE(columns), ctypes.c_uint64(int(threshold)), WHOLE(q)]
        name = "wolff_square" if wolff else "swendsen_wang_square"
        return name, [codes, *numbers, *clusters, WHOLE(n_sweeps), *work]
    head = [codes, WHOLE(len(engine.codes)), WHOLE(q)]
    energy = [pointer(tables.site_energy), WHOLE(tables.with_field)]
    if wolff:
        lists = (tables.start, tables.neighbour, tables.offset, tables.thresholds, tables.images,
                 tables.movers)  # fmt: skip
        return "wolff_any", [
            *head, *map(pointer, lists), WHOLE(tables.movers.shape[1]), pointer(tables.n_movers),
            *energy, WHOLE(tables.one_way), *clusters, WHOLE(n_sweeps), pointer(engine._queue),
            pointer(engine._stamps), pointer(engine.counts), state,
        ]  # fmt: skip
    return "swendsen_wang_any", [
        *head, pointer(tables.earlier_start), pointer(tables.earlier),
        pointer(tables.earlier_offset),
        pointer(tables.thresholds), pointer(engine._images), WHOLE(len(engine._images)),
        WHOLE(tables.recolour), *energy, WHOLE(n_sweeps), pointer(engine._parents),
        pointer(engine._turns), state,
    ]  # fmt: skip


def visited(engine: Any, sweep: Callable[[], object], n_sweeps: int) -> int:
    """Do the sweeps and return the sites they visited."""
    if isinstance(engine, SwendsenWangEngine):
        sweep()
        return n_sweeps * len(engine.codes)
    before = int(engine.counts[1])
    sweep()
    return int(engine.counts[1]) - before


def cluster_case(
    name: str, make: Callable[[], Any], n_sweeps: int, others: dict[str, Contender] | None = None
) -> Case:
    """Compare one engine with its twin, from the same states and words."""
    library = compile_c("clusters")
    ours, theirs = make(), make()
    for engine in (ours, theirs):
        engine.sweep(200)
    function, arguments = twin_arguments(theirs, n_sweeps)

    def physlearn() -> int:
        return visited(ours, lambda: ours.sweep(n_sweeps), n_sweeps)

    def c() -> int:
        return visited(theirs, lambda: getattr(library, function)(*arguments), n_sweeps)

    def check() -> None:
        for _ in range(3):
            assert physlearn() == c() > 0
        for key, mine in ours.arrays().items():
            assert np.array_equal(mine, theirs.arrays()[key]), key

    return Case(
        f"clusters, {name}", "site", None, {"physlearn": physlearn, "C": c, **(others or {})},
        {"C": 1.1}, check=check,
    )  # fmt: skip


def textbook(size: int, n_clusters: int) -> Callable[[], int]:
    """The loop of textbooks in C, at the same coupling: what a queue without branches gains."""
    library = compile_c("clusters")
    engine = WolffEngine(
        Ising([CRITICAL]), square_lattice((size, size)), np.ones(size**2), np.random.default_rng(2)
    )
    engine.sweep(200)
    stack = np.zeros(size**2 + 4, np.int32)
    rows, _, threshold = engine.tables.square

    def run() -> int:
        before = int(engine.counts[1])
        library.wolff_textbook(
            pointer(engine.codes), WHOLE(rows), ctypes.c_uint64(int(threshold)), WHOLE(n_clusters),
            pointer(stack), pointer(engine.counts), pointer(engine.random_state),
        )  # fmt: skip
        return int(engine.counts[1]) - before

    return run


def tempering_case(size: int, n_rungs: int) -> Case:
    """Compare replicas of a spin glass on a ladder with their twin."""
    rng = np.random.default_rng(3)
    graph = square_lattice((size, size))
    glass = Ising([1.0], bonds=rng.normal(size=len(graph.edges)))
    ladder, start = np.linspace(0.0, 1.0, n_rungs), np.ones(graph.n_sites)
    ours, theirs = (
        TemperingEngine([glass], graph, ladder, start, np.random.default_rng(1)) for _ in range(2)
    )
    n_sweeps = max(1, 2**20 // (graph.n_sites * n_rungs))
    state, tables = theirs._state, theirs._two_states
    library = compile_c("clusters")
    names = ("energies", "rung_of", "replica_at", "tallies", "counter", "lanes", "random_state")
    arguments = [
        pointer(state["codes"]), WHOLE(graph.n_sites), WHOLE(n_rungs), *map(pointer, tables),
        pointer(theirs.factors), WHOLE(n_sweeps), *(pointer(state[name]) for name in names),
        pointer(theirs._work),
    ]  # fmt: skip

    def physlearn() -> None:
        ours.sweep(n_sweeps)

    def c() -> None:
        assert theirs  # its arrays must live as long as this
        library.temper_two_states(*arguments)

    def check() -> None:
        for _ in range(3):
            physlearn()
            c()
        for key, mine in ours.arrays().items():
            assert np.array_equal(mine, state[key]), key

    return Case(
        f"tempering, spin glass {size}, {n_rungs} rungs", "spin update",
        float(n_sweeps * graph.n_sites * n_rungs), {"physlearn": physlearn, "C": c}, {"C": 1.1},
        check=check,
    )  # fmt: skip


def cases(quick: bool) -> list[Case]:
    """All cases; quick: small lattices only."""
    found = []
    for size in (64,) if quick else (64, 256, 1024):
        square, rng = square_lattice((size, size)), np.random.default_rng
        sweeps = max(1, 2**18 // size**2)
        options = {"size": size, "couplings": [CRITICAL]}
        for label, engine in (("Wolff", WolffEngine), ("Swendsen-Wang", SwendsenWangEngine)):
            task = "wolff" if label == "Wolff" else "swendsen_wang"
            packages = ("mcising",) if label == "Wolff" else ("mcising", "peapods")
            found.append(
                cluster_case(
                    f"{label}, square {size}",
                    lambda e=engine, g=square, r=rng: e(
                        Ising([CRITICAL]), g, np.ones(g.n_sites), r(1)
                    ),
                    sweeps,
                    ({"C, textbook": textbook(size, 40)} if label == "Wolff" else {})
                    | {package: Peer(package, task, options) for package in packages},
                )
            )
    size = 64 if quick else 256
    sweeps = max(1, 2**18 // size**2)
    square, triangular = square_lattice((size, size)), triangular_lattice((size, size))
    for label, hamiltonian, graph in (
        ("triangular", Ising([TRIANGULAR_CRITICAL]), triangular),
        ("square in a field", Ising([CRITICAL], 1e-3), square),
        ("square, Potts 3", Potts(3, [float(np.log1p(np.sqrt(3.0)))]), square),
    ):
        for method, engine in (("Wolff", WolffEngine), ("Swendsen-Wang", SwendsenWangEngine)):
            start = np.full(graph.n_sites, hamiltonian.state_values[-1])
            found.append(
                cluster_case(
                    f"{method}, {label} {size}",
                    lambda e=engine, h=hamiltonian, g=graph, s=start: e(
                        h, g, s, np.random.default_rng(1)
                    ),
                    sweeps,
                )
            )
    return [*found, tempering_case(16, 64), *([] if quick else [tempering_case(64, 64)])]
