"""The chance to be somewhere after hops at given rates along bonds: uniformisation, compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["grow_patch", "walk_chances"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MOST_HOPS = 5e3
"""Mean number of hops in an interval beyond which the chance of every end is taken for zero."""


@kernel
def walk_chances(
    node_offset: Integers, edge_offset: Integers, origin: Integers, edge_from: Integers,
    edge_to: Integers, edge_row: Integers, edge_weight: Floats, row_rate: Floats,
    row_slope: Floats, query_offset: Integers, query_node: Integers, query_time: Floats,
    chance: Floats, slope: Floats,
) -> float:  # fmt: skip
    """Fill chance (Q,) and its derivatives slope (Q, m); return the largest share that leaked.

    Problem k has the nodes, edges and queries between its offsets. A walker starts at its origin,
    moves along edge e at the rate edge_weight[e] * row_rate[edge_row[e]], and is lost along edges
    to -1. Uniformisation: p(t) = sum_n Poisson(n; L t) (1 + Q / L)^n p(0), every term positive, so
    that small chances are as exact as large ones; the derivatives follow the same recursion.
    """
    n_slopes = row_slope.shape[1]
    worst = 0.0
    for k in range(len(origin)):
        n = node_offset[k + 1] - node_offset[k]
        e0, e1 = edge_offset[k], edge_offset[k + 1]
        q0, q1 = query_offset[k], query_offset[k + 1]
        out = np.zeros(n)
        out_slope = np.zeros((n, n_slopes))
        for e in range(e0, e1):
            i = edge_from[e]
            row = edge_row[e]
            out[i] += edge_weight[e] * row_rate[row]
            for s in range(n_slopes):
                out_slope[i, s] += edge_weight[e] * row_slope[row, s]
        top = 1e-300
        for i in range(n):
            top = max(top, out[i])
        longest = 0.0
        for q in range(q0, q1):
            longest = max(longest, query_time[q])
            chance[q] = 0.0
            for s in range(n_slopes):
                slope[q, s] = 0.0
        mean = top * longest
        if not mean < MOST_HOPS:  # no chance at all: also NaN
            for q in range(q0, q1):
                chance[q] = 0.0
            continue
        n_terms = int(mean + 6.0 * math.sqrt(mean)) + 10
        now = np.zeros(n)
        now[origin[k]] = 1.0
        d_now = np.zeros((n, n_slopes))
        nxt = np.zeros(n)
        d_nxt = np.zeros((n, n_slopes))
        mass = 0.0
        for term in range(n_terms):
            for q in range(q0, q1):
                m = top * query_time[q]
                log_w = term * math.log(max(m, 1e-300)) - m - math.lgamma(term + 1.0)
                if log_w < -700.0:
                    continue
                w = math.exp(log_w)
                chance[q] += w * now[query_node[q]]
                for s in range(n_slopes):
                    slope[q, s] += w * d_now[query_node[q], s]
            w = math.exp(term * math.log(max(mean, 1e-300)) - mean - math.lgamma(term + 1.0))
            total = 0.0
            for i in range(n):
                total += now[i]
            mass += w * total
            for i in range(n):
                stay = 1.0 - out[i] / top
                nxt[i] = now[i] * stay
                for s in range(n_slopes):
                    d_nxt[i, s] = d_now[i, s] * stay - now[i] * out_slope[i, s] / top
            for e in range(e0, e1):
                j = edge_to[e]
                if j < 0:
                    continue
                i = edge_from[e]
                row = edge_row[e]
                share = edge_weight[e] * row_rate[row] / top
                nxt[j] += now[i] * share
                for s in range(n_slopes):
                    d_nxt[j, s] += (
                        d_now[i, s] * share + now[i] * edge_weight[e] * row_slope[row, s] / top
                    )
            now, nxt = nxt, now
            d_now, d_nxt = d_nxt, d_now
        worst = max(worst, 1.0 - mass)
    return worst


@kernel
def grow_patch(
    start: int, radius: int, target: Integers, kind: Integers, before: NDArray[np.bool_],
    after: NDArray[np.bool_], n_counts: int, count_from: int, count_to: int, where: Integers,
    nodes: Integers, ends: Integers, weights: Floats,
) -> tuple[int, int]:  # fmt: skip
    """Fill the sites within ``radius`` hops of ``start`` and the edges between; return how many.

    target, kind: (sites, bonds), -1 where there is no bond, target -2 where it leads out of what
    is modelled. before, after: (sites,) whether another particle holds the site at the start and
    at the end of the interval; each counts for half of it. ends: (edges, 3) from, to, row, with
    row = (kind * n_counts + m_from) * n_counts + m_to for the numbers of occupied neighbours of
    the two sites (0 where not counted). ``where`` holds -1 everywhere and does so again after.
    """
    nodes[0] = start
    where[start] = 0
    n_nodes, first, last = 1, 0, 1
    for _ in range(radius):
        for a in range(first, last):
            for b in range(target.shape[1]):
                j = target[nodes[a], b]
                if j >= 0 and where[j] < 0 and not (before[j] and after[j]):
                    where[j] = n_nodes
                    nodes[n_nodes] = j
                    n_nodes += 1
        first, last = last, n_nodes
    n_edges = 0
    same = True
    for a in range(len(before)):
        if before[a] != after[a]:
            same = False
            break
    for half in range(1 if same else 2):
        held = before if half == 0 else after
        weight = 1.0 if same else 0.5
        for a in range(n_nodes):
            i = nodes[a]
            m_from = 0
            if count_from:
                for b in range(target.shape[1]):
                    j = target[i, b]
                    if j >= 0 and kind[i, b] >= 0 and held[j]:
                        m_from += 1
            for b in range(target.shape[1]):
                j = target[i, b]
                if j == -1 or (j >= 0 and held[j]):
                    continue
                m_to = 0
                if count_to and j >= 0:
                    for c in range(target.shape[1]):
                        other = target[j, c]
                        if other >= 0 and other != i and held[other]:
                            m_to += 1
                ends[n_edges, 0] = a
                ends[n_edges, 1] = where[j] if j >= 0 else -1
                ends[n_edges, 2] = (kind[i, b] * n_counts + m_from) * n_counts + m_to
                weights[n_edges] = weight
                n_edges += 1
    for a in range(n_nodes):
        where[nodes[a]] = -1
    return n_nodes, n_edges
