"""Single-site moves and exchanges on any graph against their C twins: equal arrays and words."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from benchmarks.monte_carlo.harness import Case, compile_c
from physlearn.lattice_models import Ising, square_lattice, triangular_lattice
from physlearn.lattice_models.graphs.site_graphs import site_graph_from_networkx
from physlearn.lattice_models.samplers.two_state_engines import TwoStateEngine
from physlearn.records import SiteGraph

TABLES = (
    "start", "neighbour", "step", "triplet_start", "triplet_left", "triplet_right", "triplet_step",
    "count_start", "count_neighbour", "count_place", "count_times",
)  # fmt: skip


class Chain(ctypes.Structure):
    """The argument of the C twin."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in TABLES),
        *((name, ctypes.c_int64) for name in ("n_triplet_entries", "n_counted", "n_sites")),
        *(
            (name, ctypes.c_void_p)
            for name in ("chances", "states", "around", "totals", "random_state")
        ),
    ]


def address(array: np.ndarray) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def twin_sweep(engine: TwoStateEngine, method: str) -> Callable[[int], None]:
    """Sweeps of the C twin over the arrays of an engine of ours."""
    library = compile_c("scalar")
    tables = engine._tables
    sizes = [len(tables.triplet_step), len(tables.count_place), len(engine._states)]
    state = (
        engine._chances, engine._states, engine._around, engine._totals, engine._random_state,
    )  # fmt: skip
    chain = Chain(
        *(address(getattr(tables, name)) for name in TABLES), *sizes, *(address(a) for a in state)
    )
    if method == "kawasaki_local":
        extra = [address(engine._ends), address(engine._shared), ctypes.c_int64(len(engine._ends))]
        name = "bond_exchange_sweeps"
    elif method == "kawasaki":
        extra, name = [address(engine._order), ctypes.c_int64(engine._n_up)], "exchange_sweeps"
    else:
        extra = [ctypes.c_double(number) for number in engine._rule]
        name = "single_site_sweeps"
    function = getattr(library, name)
    function.restype = None
    return lambda n: function(ctypes.byref(chain), *extra, ctypes.c_int64(n))


def scalar_case(name: str, graph: SiteGraph, model: Ising, method: str, count: bool) -> Case:
    """One method on one graph; the start is a long way towards equilibrium."""
    rng = np.random.default_rng(1)
    start = rng.permutation(np.resize(np.array([-1, 1], np.int8), graph.n_sites))
    ours, theirs = (
        TwoStateEngine(model, graph, start, np.random.default_rng(2), method, count)
        for _ in range(2)
    )
    n = max(1, 500_000 // graph.n_sites)
    sweep = twin_sweep(theirs, method)

    def check() -> None:
        for _ in range(3):
            ours.sweep(n)
            sweep(n)
            for key, array in ours.arrays().items():
                assert np.array_equal(array, theirs.arrays()[key]), key
            assert np.array_equal(ours._around, theirs._around)

    return Case(
        f"scalar, {name}", "trial", float(n * graph.n_sites),
        {"physlearn": lambda: ours.sweep(n), "C": lambda: sweep(n)}, {"C": 1.1}, check=check,
        quality=lambda: {"energy_per_site": ours.totals()[0] / graph.n_sites},
    )  # fmt: skip


def cases(quick: bool) -> list[Case]:
    """All cases; quick: small lattices only."""
    import networkx as nx

    found = []
    critical, three = Ising([0.4406868]), Ising([0.12, 0.05, 0.03])
    for size in (64,) if quick else (64, 256, 1024):
        square, triangular = (
            square_lattice((size, size)), triangular_lattice((size, size), n_shells=3)
        )  # fmt: skip
        for method in ("heat_bath", "metropolis"):
            found += [
                scalar_case(f"{method}, square z = 4, {size}", square, critical, method, False),
                scalar_case(
                    f"{method}, triangular z = 18, {size}", triangular, three, method, False
                ),
            ]
        found += [
            scalar_case(f"kawasaki along bonds, square, {size}", square, critical,
                        "kawasaki_local", False),
            scalar_case(f"kawasaki any distance, square, {size}", square, critical,
                        "kawasaki", False),
        ]  # fmt: skip
    random = site_graph_from_networkx(nx.random_regular_graph(6, 16384, seed=1))
    for method in ("heat_bath", "metropolis"):
        found.append(scalar_case(f"{method}, random z = 6, 16384 sites", random, Ising([0.19]),
                                 method, False))  # fmt: skip
    counted = triangular_lattice((64, 64), n_shells=3)
    found.append(
        scalar_case("heat_bath with sums, triangular z = 18, 64", counted, three, "heat_bath", True)
    )
    triplets = Ising([0.1], 0.05, triplets={(0, 0, 0): 0.03})
    small = triangular_lattice((64, 64))
    for method in ("heat_bath", "kawasaki_local", "kawasaki"):
        found.append(scalar_case(f"{method} with triplets, triangular, 64", small, triplets,
                                 method, True))  # fmt: skip
    return found
