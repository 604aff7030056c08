"""Pairs, clusters and straight runs of chosen sites, counted for many random placements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["count_clusters", "count_pairs", "count_runs"]

Integers = NDArray[np.int64]


@kernel
def count_pairs(
    draws: Integers, n_sites: int, edges: Integers, shell: Integers, multiplicity: Integers,
    n_shells: int,
) -> Integers:  # fmt: skip
    """Return how many bonds of each shell join two chosen sites, shape (n_draws, n_shells)."""
    result = np.zeros((len(draws), n_shells), np.int64)
    flags = np.zeros(n_sites, np.bool_)
    for d in range(len(draws)):
        for site in draws[d]:
            flags[site] = True
        for e in range(len(edges)):
            if flags[edges[e, 0]] and flags[edges[e, 1]]:
                result[d, shell[e]] += multiplicity[e]
        for site in draws[d]:
            flags[site] = False
    return result


@kernel
def count_runs(draws: Integers, following: Integers, n_lengths: int) -> Integers:
    """Return runs of at least 1, 2, ... sites along each direction, (n_draws, n_dirs, n_lengths).

    ``following`` (n_dirs, n_sites): the next site along a direction, or -1.
    """
    n_directions, n_sites = following.shape
    result = np.zeros((len(draws), n_directions, n_lengths), np.int64)
    flags = np.zeros(n_sites, np.bool_)
    has_before = np.zeros(n_sites, np.bool_)
    for d in range(len(draws)):
        for site in draws[d]:
            flags[site] = True
        for direction in range(n_directions):
            for site in draws[d]:
                after = following[direction, site]
                if after >= 0:
                    has_before[after] = True
            for site in draws[d]:
                if has_before[site]:
                    continue
                length = 1
                here = following[direction, site]
                while here >= 0 and flags[here]:
                    length += 1
                    here = following[direction, here]
                for k in range(min(length, n_lengths)):
                    result[d, direction, k] += 1
            for site in draws[d]:
                after = following[direction, site]
                if after >= 0:
                    has_before[after] = False
        for site in draws[d]:
            flags[site] = False
    return result


@kernel
def root_of(parents: Integers, site: int) -> int:
    """Return the root of a site's tree, halving the path."""
    while parents[site] != site:
        parents[site] = parents[parents[site]]
        site = parents[site]
    return site


@kernel
def count_clusters(
    draws: Integers, n_sites: int, edges: Integers, n_sizes: int
) -> tuple[Integers, Integers]:
    """Return clusters of at least 1, 2, ... sites, (n_draws, n_sizes), and the largest's size."""
    result = np.zeros((len(draws), n_sizes), np.int64)
    largest = np.zeros(len(draws), np.int64)
    flags = np.zeros(n_sites, np.bool_)
    parents = np.zeros(n_sites, np.int64)
    size = np.zeros(n_sites, np.int64)
    for d in range(len(draws)):
        for site in draws[d]:
            flags[site] = True
            parents[site] = site
            size[site] = 0
        for e in range(len(edges)):
            if flags[edges[e, 0]] and flags[edges[e, 1]]:
                one, two = root_of(parents, edges[e, 0]), root_of(parents, edges[e, 1])
                if one != two:
                    parents[one] = two
        for site in draws[d]:
            size[root_of(parents, site)] += 1
        for site in draws[d]:
            if parents[site] == site:
                largest[d] = max(largest[d], size[site])
                for k in range(min(size[site], n_sizes)):
                    result[d, k] += 1
        for site in draws[d]:
            flags[site] = False
    return result, largest
