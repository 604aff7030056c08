"""Compiled counts of patterns in many pictures of one lattice; their helpers live here too.

Codes 0 to q - 1 of shape (n_sites, n_pictures), uint8: the pictures lie in the inner axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

NOBODY = -1


@kernel
def count_like_pairs(codes: UInt8, edges: Int64, bounds: Int64, count: Int32, out: Int64) -> None:
    """Add the pairs of like states to ``out`` (n_classes, R).

    Class k is ``edges[bounds[k]:bounds[k + 1]]``; ``count`` (R,) is scratch.
    """
    for k in range(len(bounds) - 1):
        count[:] = 0
        for e in range(bounds[k], bounds[k + 1]):
            one, two = codes[edges[e, 0]], codes[edges[e, 1]]
            for r in range(len(count)):
                count[r] += one[r] == two[r]
        for r in range(len(count)):
            out[k, r] += count[r]


@kernel
def sum_pair_values(codes: UInt8, edges: Int64, bounds: Int64, table: Int64, out: Int64) -> None:
    """Add ``table[a, b]`` of every pair to ``out`` (n_classes, R)."""
    for k in range(len(bounds) - 1):
        for e in range(bounds[k], bounds[k + 1]):
            one, two = codes[edges[e, 0]], codes[edges[e, 1]]
            for r in range(out.shape[1]):
                out[k, r] += table[one[r], two[r]]


@kernel
def count_environments(
    codes: UInt8, sites: Int64, start: Int64, neighbour: Int32, like: Int32, out: Int64
) -> None:
    """Add the sites in state a with n like neighbours to ``out[a, n]`` (q, most + 1, R).

    The neighbours of site i are ``neighbour[start[i]:start[i + 1]]``; ``like`` (R,) is scratch.
    """
    for i in sites:
        own = codes[i]
        like[:] = 0
        for place in range(start[i], start[i + 1]):
            other = codes[neighbour[place]]
            for r in range(len(like)):
                like[r] += other[r] == own[r]
        for r in range(len(like)):
            out[own[r], like[r], r] += 1


@kernel
def count_seen_environments(
    codes: UInt8, sites: Int64, start: Int64, neighbour: Int32, like: Int32, out: Int64
) -> None:
    """Do what ``count_environments`` does where some sites were not seen: their code is q.

    A site counts in the pictures in which it and all of its neighbours were seen.
    """
    unseen = len(out)
    for i in sites:
        own = codes[i]
        like[:] = 0
        for place in range(start[i], start[i + 1]):
            other = codes[neighbour[place]]
            for r in range(len(like)):
                if other[r] == unseen:
                    like[r] = NOBODY
                elif like[r] != NOBODY and other[r] == own[r]:
                    like[r] += 1
        for r in range(len(like)):
            if own[r] != unseen and like[r] != NOBODY:
                out[own[r], like[r], r] += 1


@kernel
def count_seen_triplets(codes: UInt8, triplets: Int64, out: Int64) -> None:
    """Add triplets seen whole to ``out[a]`` (q + 1, R): all in state a, or (last) not alike."""
    unseen = len(out) - 1
    for t in range(len(triplets)):
        one, two, three = codes[triplets[t, 0]], codes[triplets[t, 1]], codes[triplets[t, 2]]
        for r in range(out.shape[1]):
            if one[r] != unseen and two[r] != unseen and three[r] != unseen:
                alike = one[r] == two[r] and two[r] == three[r]
                out[one[r] if alike else unseen, r] += 1


@kernel
def count_seen_pairs(codes: UInt8, edges: Int64, out: Int64) -> None:
    """Add pairs seen whole to ``out[a, b]`` (q, q, R), a <= b."""
    unseen = len(out)
    for e in range(len(edges)):
        one, two = codes[edges[e, 0]], codes[edges[e, 1]]
        for r in range(out.shape[2]):
            if one[r] != unseen and two[r] != unseen:
                out[min(one[r], two[r]), max(one[r], two[r]), r] += 1


@kernel
def count_like_triplets(codes: UInt8, triplets: Int64, count: Int32, out: Int64) -> None:
    """Add the triplets that are all in state a to ``out[a]`` (q, R); ``count`` (R,) is scratch."""
    for a in range(len(out)):
        count[:] = 0
        for t in range(len(triplets)):
            one, two, three = codes[triplets[t, 0]], codes[triplets[t, 1]], codes[triplets[t, 2]]
            for r in range(len(count)):
                count[r] += (one[r] == a) & (two[r] == a) & (three[r] == a)
        for r in range(len(count)):
            out[a, r] += count[r]


@kernel
def count_by_block(codes: UInt8, block: Int64, edges: Int64, singles: Int64, pairs: Int64) -> None:
    """Add states to ``singles`` (n_blocks, q, R), like pairs inside a block to ``pairs``.

    Sites with ``block`` -1 belong to none.
    """
    for i in range(len(block)):
        if block[i] != NOBODY:
            for r in range(codes.shape[1]):
                singles[block[i], codes[i, r], r] += 1
    for e in range(len(edges)):
        a, b = edges[e, 0], edges[e, 1]
        if block[a] == block[b] and block[a] != NOBODY:
            for r in range(codes.shape[1]):
                pairs[block[a], r] += codes[a, r] == codes[b, r]


@kernel
def find_root(parent: Int32, site: int) -> int:
    """Return the root of a site and halve its path."""
    while parent[site] != site:
        parent[site] = parent[parent[site]]
        site = parent[site]
    return site


@kernel
def measure_clusters(
    codes: UInt8, edges: Int64, parent: Int32, size: Int64, number: Int64, largest: Int64,
    squares: Int64,
) -> None:  # fmt: skip
    """Measure the clusters of like states joined by ``edges``, picture by picture.

    ``number[a, r]`` clusters of state a, the ``largest`` of them, and the sum of the ``squares`` of
    their sizes. ``parent``, ``size`` (n_sites,) are scratch.
    """
    n_sites, n_pictures = codes.shape
    own = np.empty(n_sites, np.uint8)
    for r in range(n_pictures):
        for i in range(n_sites):
            parent[i], size[i], own[i] = i, 0, codes[i, r]
        for e in range(len(edges)):
            if own[edges[e, 0]] == own[edges[e, 1]]:
                one, two = find_root(parent, edges[e, 0]), find_root(parent, edges[e, 1])
                if one < two:
                    parent[two] = one
                else:
                    parent[one] = two
        for i in range(n_sites):
            size[find_root(parent, i)] += 1
        for i in range(n_sites):
            if size[i] > 0:
                a = own[i]
                number[a, r] += 1
                squares[a, r] += size[i] * size[i]
                largest[a, r] = max(largest[a, r], size[i])


@kernel
def spread_from_seeds(
    start: Int64, neighbour: Int32, seeds: Int64, block: Int64, queue: Int64
) -> int:
    """Give every site the number of its nearest seed; return how many sites were reached.

    ``block`` (n_sites,) comes in as -1; ``queue`` (n_sites,) is scratch.
    """
    tail = 0
    for k in range(len(seeds)):
        block[seeds[k]] = k
        queue[tail] = seeds[k]
        tail += 1
    head = 0
    while head < tail:
        i = queue[head]
        head += 1
        for place in range(start[i], start[i + 1]):
            j = neighbour[place]
            if block[j] == NOBODY:
                block[j] = block[i]
                queue[tail] = j
                tail += 1
    return tail
