"""Replicas of a lattice, each at its own couplings."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.monte_carlo.harness import Case, Peer, compile_c, times_faster
from physlearn.lattice_models import square_lattice, triangular_lattice
from physlearn.lattice_models.replicas import pair_replicas as module
from physlearn.lattice_models.replicas.pair_replicas import Replicas
from physlearn.records import SiteGraph

N_REPLICAS = 128
Sweep = Callable[[int], None]


def prepared(graph: SiteGraph, couplings: list[float]) -> tuple[Replicas, np.ndarray]:
    rng = np.random.default_rng(1)
    start = rng.choice([-1, 1], (graph.n_sites, N_REPLICAS))
    theta = np.zeros((N_REPLICAS, 1 + len(couplings)))
    theta[:, 1:] = np.array(couplings) + rng.normal(0, 0.01, (N_REPLICAS, len(couplings)))
    return Replicas(graph, len(couplings), start, N_REPLICAS, rng), theta


def twin(copies: Replicas, theta: np.ndarray) -> Sweep:
    """Sweep by the C twin: the same tables, taken from one call of the kernel."""
    c = compile_c("replicas")
    calls: list[tuple[Any, ...]] = []
    kernel, module.replica_sweeps = module.replica_sweeps, lambda *given: calls.append(given)
    try:
        copies.sweep(theta, 0)
    finally:
        module.replica_sweeps = kernel
    (states, _, sites, *groups, strength, field, offset, _, lanes, around, _, words) = calls[0]
    keep = (sites, *groups, strength, field, offset, around, words)

    def pointer(array: np.ndarray) -> ctypes.c_void_p:
        return ctypes.c_void_p(array.ctypes.data)

    def sweep(n: int) -> None:
        assert keep
        c.replica_sweeps(
            pointer(states), pointer(sites), ctypes.c_int64(len(sites)),
            *[pointer(array) for array in groups], pointer(strength), pointer(field),
            ctypes.c_int64(len(field)), pointer(offset), ctypes.c_int64(n), pointer(lanes),
            pointer(around), pointer(words), ctypes.c_int64(states.shape[1]),
        )  # fmt: skip

    return sweep


def case(
    name: str, graph: SiteGraph, couplings: list[float], peer: Peer | None, target: dict[str, float]
) -> Case:
    sweeps = max(1, 10_000_000 // graph.n_sites // N_REPLICAS)
    ours, theta = prepared(graph, couplings)
    in_c = twin(*prepared(graph, couplings))

    def check() -> None:
        one, values = prepared(graph, couplings)
        two, _ = prepared(graph, couplings)
        one.sweep(values, 5)
        twin(two, values)(5)
        assert np.array_equal(one.states, two.states)
        assert np.array_equal(one._lanes, two._lanes)

    def quality() -> dict[str, float]:
        sums = ours.statistics()
        bonds = graph.multiplicity[graph.shell == 0].sum()
        return {"mean_of_nearest_bonds": float(sums[:, 1].mean() / bonds)}

    contenders: dict[str, Any] = {
        "physlearn": lambda: ours.sweep(theta, sweeps), "C": lambda: in_c(sweeps)
    }  # fmt: skip
    if peer is not None:
        contenders["mcising"] = peer
    return Case(
        name=f"replicas, {name}, {N_REPLICAS} of them",
        unit="spin update",
        work=float(sweeps * graph.n_sites * N_REPLICAS),
        contenders=contenders,
        target=target,
        check=check,
        quality=quality,
    )


def cases(quick: bool) -> list[Case]:
    found = []
    for size in (64,) if quick else (32, 64, 128):
        target = {"mcising": times_faster(8)} if size >= 64 else {}
        for name, lattice, task, couplings in (
            ("J1-J2 square", square_lattice, "square", [0.35, -0.1]),
            ("triangular, 3 shells,", triangular_lattice, "triangular", [0.1, 0.05, 0.02]),
        ):
            peer = Peer("mcising", task, {"size": size, "couplings": couplings})
            graph = lattice((size, size), n_shells=len(couplings))
            found.append(case(f"{name} {size} x {size}", graph, couplings, peer, target))
    if not quick:
        rng = np.random.default_rng(3)
        edges = np.sort(rng.integers(0, 8192, (24576, 2)), axis=1)
        edges = np.unique(edges[edges[:, 0] != edges[:, 1]], axis=0)
        ones = np.ones(len(edges), np.int64)
        graph = SiteGraph(8192, edges, 0 * ones, ones)
        found.append(case("random graph, 6 neighbours", graph, [0.1], None, {}))
    return found
