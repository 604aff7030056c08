"""Whether a fitted lattice Hamiltonian reproduces the picture, also where it was not fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.inference.lattice_data import LatticeData
from physlearn.inference.pseudolikelihood import Sandwich, replica_count
from physlearn.lattice_models.replicas import Replicas, pair_sums
from physlearn.records import SiteGraph

__all__ = ["correlation_table", "pair_classes", "trust_flags"]

Float = NDArray[np.float64]
MOST_STEPS = 4
MOST_SITES_FOR_STEPS = 50_000
MAX_INFLATION = 6.0
MAX_MISFIT = 4.0
MAX_MEMORY = 0.3
SWEEPS, N_RECORDS, SWEEPS_BETWEEN = 100, 6, 15


def trust_flags(data: LatticeData, sandwich: Sandwich) -> tuple[list[str], dict[str, Any]]:
    """Return reasons not to trust pseudolikelihood error bars, and the numbers behind them.

    Near a transition (or in a frozen-in phase) the statistics at the estimate disagree with the
    picture's, depend on the start, keep a memory of earlier sweeps, or the sandwich exceeds the
    naive covariance many times.
    """
    trace = sandwich.statistics
    n_records, n_replicas, _ = trace.shape
    copies = Replicas(data.graph, data.n_shells, data.states, 1, np.random.default_rng(0))
    observed = copies.statistics()[0]
    spread = trace.reshape(-1, trace.shape[-1]).std(axis=0) + 1e-12
    misfit = float(np.max(np.abs(observed - trace.mean(axis=(0, 1))) / spread))
    by_replica = trace.mean(axis=0)
    half = n_replicas // 2
    error = np.sqrt(by_replica[:half].var(axis=0) / half + by_replica[half:].var(axis=0) / half)
    start_gap = by_replica[:half].mean(axis=0) - by_replica[half:].mean(axis=0)
    start_effect = float(np.max(np.abs(start_gap) / (error + 1e-12)))
    centered = trace - trace.mean(axis=(0, 1))
    lag = n_records // 2
    covariance = (centered[lag:] * centered[:-lag]).mean(axis=(0, 1))
    memory = float(np.max(covariance / (centered**2).mean(axis=(0, 1)).clip(1e-12)))
    numbers = {
        "statistics_misfit_sd": misfit, "start_effect_se": start_effect, "memory": memory,
        "sandwich_over_naive": sandwich.inflation,
    }  # fmt: skip
    reasons = []
    if misfit > MAX_MISFIT:
        reasons.append(f"its simulated statistics miss the picture's by {misfit:.1f} sd")
    if start_effect > 5.0:
        reasons.append("simulations from the picture and from random states disagree")
    if memory > MAX_MEMORY:
        reasons.append("simulated statistics keep their memory over 80 sweeps")
    if sandwich.inflation > MAX_INFLATION:
        reasons.append(f"the sandwich exceeds the naive variance {sandwich.inflation:.1f} times")
    return reasons, numbers


def pair_classes(graph: SiteGraph) -> tuple[SiteGraph, list[str]]:
    """Return a graph whose shells are the pairs to compare, and a name for each.

    First every shell of ``graph``; then pairs that are 2, 3 and 4 nearest-neighbour steps apart
    and in no earlier class.
    """
    edges, shell, count = [graph.edges], [graph.shell], [graph.multiplicity]
    names = [f"shell {index + 1}" for index in range(graph.n_shells)]
    if graph.n_sites <= MOST_SITES_FOR_STEPS:
        nearest = graph.edges[graph.shell == 0]
        shape = (graph.n_sites, graph.n_sites)

        def matrix(pairs: NDArray[np.int64]) -> Any:
            ones = np.ones(len(pairs), np.int32)
            half = sparse.csr_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape)
            return _present(half + half.T)

        step = matrix(nearest)
        known = _present(matrix(graph.edges) + sparse.identity(shape[0], np.int32))
        walk = step
        for length in range(2, MOST_STEPS + 1):
            walk = _present(walk @ step)
            new = sparse.triu(walk - walk.multiply(known), k=1).tocoo()
            known = _present(known + walk)
            if new.nnz:
                keep = new.data > 0
                pairs = np.column_stack([new.row[keep], new.col[keep]]).astype(np.int64)
                edges.append(pairs)
                shell.append(np.full(len(pairs), len(names)))
                count.append(np.ones(len(pairs), np.int64))
                names.append(f"{length} steps, beyond shell {graph.n_shells}")
    classes = SiteGraph(
        graph.n_sites, np.concatenate(edges), np.concatenate(shell), np.concatenate(count)
    )
    return classes, names


def _present(counts: Any) -> Any:
    """Return 1 where a sparse matrix of counts is positive."""
    return (counts > 0).astype(np.int32)


def correlation_table(
    data: LatticeData,
    pictured: NDArray[np.int8],
    draws: Float,
    distances: list[float | None],
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Return observed and predicted correlations, <s s'> - <s>^2, one row a class of pairs.

    ``pictured`` (n_sites, n) are the picture's states (or several completions of it). Predictions
    come from replicas that each hold one posterior draw, so they carry its uncertainty.
    """
    classes, names = pair_classes(data.graph)
    n_replicas = replica_count(data.graph.n_sites)
    chosen = draws[rng.choice(len(draws), n_replicas)]
    copies = Replicas(data.graph, data.n_shells, data.states, n_replicas, rng, data.terms)
    copies.sweep(chosen, SWEEPS)
    predicted = []
    for _ in range(N_RECORDS):
        copies.sweep(chosen, SWEEPS_BETWEEN)
        predicted.append(_correlations(copies.states, classes, len(names)))
    sample = np.concatenate(predicted)
    observed = _correlations(pictured, classes, len(names)).mean(axis=0)
    rows = []
    for index, name in enumerate(names):
        low, high = np.quantile(sample[:, index], [0.05, 0.95])
        sd = float(sample[:, index].std())
        rows.append(
            {
                "shell": index + 1, "pairs": name, "fitted": index < data.n_shells,
                "distance": distances[index] if index < len(distances) else None,
                "observed": float(observed[index]),
                "predicted_mean": float(sample[:, index].mean()), "predicted_sd": sd,
                "predicted_q05": float(low), "predicted_q95": float(high),
                "misfit_sd": float(abs(observed[index] - sample[:, index].mean()) / (sd + 1e-12)),
            }
        )  # fmt: skip
    return rows


def _correlations(states: NDArray[np.int8], classes: SiteGraph, n_classes: int) -> Float:
    """Return the correlation of every class of pairs and replica, (n_replicas, n_classes)."""
    out = pair_sums(states, classes, n_classes)
    pairs = np.bincount(classes.shell, weights=classes.multiplicity, minlength=n_classes)
    mean = out[:, :1] / classes.n_sites
    return np.asarray(out[:, 1:] / np.maximum(pairs, 1) - mean**2)
