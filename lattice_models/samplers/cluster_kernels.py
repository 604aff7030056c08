"""Kernels of cluster updates: Wolff by a queue without branches, Swendsen-Wang by union-find.

Codes are 0 ... q - 1. Word thresholds are ``ceil(p 2**53)`` of a 53-bit draw (2**32 of a 32-bit
half on the square lattice), so p = 0 never and p = 1 always links two sites.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["swendsen_wang_any", "swendsen_wang_square", "wolff_any", "wolff_square"]

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, HALF_WORD = np.uint64(11), np.uint64(32)
LOW_HALF = np.uint64(0xFFFFFFFF)
COLUMN_BITS, COLUMN_MASK = np.uint32(16), np.uint32(0xFFFF)
ONE, LAST_BIT = np.uint64(1), np.uint64(63)


@kernel
def advance(first: Any, second: Any) -> Any:
    """Return a word of xoroshiro128+ and its next state, in registers (cf. ``next_word``)."""
    word = first + second
    second ^= first
    first = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
    second = (second << ROTATE_B) | (second >> BACK_B)
    return word, first, second


@kernel
def take_in(
    codes: Int8,
    queue: UInt32,
    row: Any,
    column: Any,
    columns: Any,
    draw: Any,
    threshold: Any,
    old: Any,
    turn: Any,
    end: Any,
) -> Any:
    """Put a neighbour at the end of the queue and return the new end, moved if it is linked."""
    site = row * columns + column
    link = (codes[site] == old) & (draw < threshold)
    codes[site] ^= turn & -np.int8(link)
    queue[end] = (row << COLUMN_BITS) | column
    return end + np.uint32(link)


@kernel
def wolff_square(
    codes: Int8,
    n_rows: int,
    n_columns: int,
    threshold: Any,
    n_codes: int,
    n_clusters: int,
    n_sweeps: int,
    queue: UInt32,
    counts: Int64,
    state: UInt64,
) -> None:
    """Flip ``n_clusters`` clusters or one more, at even chances, ``n_sweeps`` times.

    The coin keeps a chain of single-site clusters from alternating. The lattice is square and
    periodic; ``counts`` gains the numbers of clusters and of their sites. Every neighbour is
    written to the end of ``queue`` (n_sites + 4) and every state stored back; only a linked one
    moves the end on and changes its state. No branch depends on a random number: mispredicted
    branches were more than half the time of the textbook loop.
    """
    n_sites = n_rows * n_columns
    rows = np.uint32(n_rows)
    columns = np.uint32(n_columns)
    one = np.uint32(1)
    zero = np.uint32(0)
    first = state[0]
    second = state[1]
    for _ in range(n_sweeps):
        word, first, second = advance(first, second)
        for _ in range(n_clusters + int(word >> LAST_BIT)):
            word, first, second = advance(first, second)
            site = np.uint32(((word >> LOW_BITS) * UNIT_STEP) * n_sites)
            old = codes[site]
            new = np.int8(1) - old
            if n_codes > 2:
                word, first, second = advance(first, second)
                new = np.int8(((word >> LOW_BITS) * UNIT_STEP) * (n_codes - 1))
                new = np.int8(new + 1) if new >= old else new
            turn = old ^ new
            codes[site] = new
            queue[0] = ((site // columns) << COLUMN_BITS) | (site % columns)
            head = np.uint32(0)
            end = np.uint32(1)
            while head < end:
                place = queue[head]
                head += one
                row = place >> COLUMN_BITS
                column = place & COLUMN_MASK
                word, first, second = advance(first, second)
                other, first, second = advance(first, second)
                right = column + one
                right = zero if right == columns else right
                left = (columns if column == zero else column) - one
                down = row + one
                down = zero if down == rows else down
                up = (rows if row == zero else row) - one

                for near_row, near_column, draw in (
                    (row, right, word & LOW_HALF),
                    (row, left, word >> HALF_WORD),
                    (down, column, other & LOW_HALF),
                    (up, column, other >> HALF_WORD),
                ):
                    end = take_in(
                        codes, queue, near_row, near_column, columns, draw, threshold, old, turn,
                        end,
                    )  # fmt: skip
            counts[0] += 1
            counts[1] += end
    state[0] = first
    state[1] = second


@kernel
def find(parents: UInt32, site: Any) -> Any:
    """Return the root of ``site``, halving the path to it."""
    above = parents[site]
    while above != site:
        higher = parents[above]
        parents[site] = higher
        site = higher
        above = parents[site]
    return site


@kernel
def join(parents: UInt32, site: Any, other: Any) -> None:
    """Make two sites one cluster; its root is the smaller one."""
    a = find(parents, site)
    b = find(parents, other)
    parents[max(a, b)] = min(a, b)


@kernel
def swendsen_wang_square(
    codes: Int8,
    n_rows: int,
    n_columns: int,
    threshold: Any,
    n_codes: int,
    n_sweeps: int,
    parents: UInt32,
    state: UInt64,
) -> None:
    """Give every cluster of a periodic square lattice a new state, uniformly, ``n_sweeps`` times.

    Rows are read as in Hoshen-Kopelman: a new site hangs on the root of its left neighbour, which
    is still at hand, so only the bond upwards searches. Bonds around the torus come last.
    """
    rows = np.uint32(n_rows)
    columns = np.uint32(n_columns)
    one = np.uint32(1)
    zero = np.uint32(0)
    first = state[0]
    second = state[1]
    for _ in range(n_sweeps):
        site = zero
        for row in range(rows):
            root = zero
            for column in range(columns):
                word, first, second = advance(first, second)
                # Without a left neighbour a site meets itself, and the bond must not be made
                left = site - one if column > 0 else site
                linked = (codes[site] == codes[left]) & ((word & LOW_HALF) < threshold)
                root = root if linked & (column > 0) else site
                parents[site] = root
                if row > 0:
                    above = site - columns
                    if (codes[site] == codes[above]) & ((word >> HALF_WORD) < threshold):
                        high = find(parents, above)
                        parents[max(high, root)] = min(high, root)
                        root = min(high, root)
                        parents[site] = root
                site += one
        for row in range(rows):
            site = np.uint32(row) * columns
            other = site + columns - one
            word, first, second = advance(first, second)
            if codes[site] == codes[other] and (word >> HALF_WORD) < threshold:
                join(parents, site, other)
        for column in range(columns):
            site = np.uint32(column)
            other = (rows - one) * columns + site
            word, first, second = advance(first, second)
            if codes[site] == codes[other] and (word >> HALF_WORD) < threshold:
                join(parents, site, other)
        bits = ONE
        for place in range(rows * columns):
            if n_codes == 2 and place & 63 == 0:
                bits, first, second = advance(first, second)
            root = parents[place]
            if root == place:
                if n_codes == 2:
                    codes[place] = np.int8((bits >> (np.uint64(place) & LAST_BIT)) & ONE)
                else:
                    word, first, second = advance(first, second)
                    codes[place] = np.int8(((word >> LOW_BITS) * UNIT_STEP) * n_codes)
            else:
                root = parents[root]  # roots are the smallest sites: final by now
                parents[place] = root
                codes[place] = codes[root]
    state[0] = first
    state[1] = second


@kernel
def wolff_any(
    codes: Int8,
    start: UInt64,
    neighbour: UInt32,
    offset: UInt32,
    thresholds: UInt64,
    images: Int8,
    movers: Int32,
    n_movers: Int64,
    site_energy: Float,
    with_field: bool,
    one_way: bool,
    n_clusters: int,
    n_sweeps: int,
    queue: UInt32,
    stamps: Int64,
    counts: Int64,
    state: UInt64,
) -> None:
    """Grow clusters on any graph, as many as ``wolff_square``, and reflect those accepted.

    A seed of code a draws one of the reflections ``images`` (n_reflections, q) that move a
    (``movers[a, :n_movers[a]]``). A member of code a with image a' takes in a neighbour of code b
    with the chance ``thresholds[offset + (a q + a') q + b]``. The whole cluster then changes with
    the Metropolis chance of its ``site_energy`` (n_sites, q); the draw is made first, so that a
    cluster whose energy only rises (``one_way``) is given up at once. ``stamps`` (n_sites) holds
    the number of the cluster that a site was in last.
    """
    n_sites = codes.shape[0]
    q = images.shape[1]
    one = np.uint32(1)
    first = state[0]
    second = state[1]
    for _ in range(n_sweeps):
        word, first, second = advance(first, second)
        for _ in range(n_clusters + int(word >> LAST_BIT)):
            counts[0] += 1
            cluster = counts[0]
            word, first, second = advance(first, second)
            seed = np.uint32(((word >> LOW_BITS) * UNIT_STEP) * n_sites)
            code = codes[seed]
            choices = n_movers[code]
            if choices == 0:
                continue
            choice = 0
            if choices > 1:
                word, first, second = advance(first, second)
                choice = int(((word >> LOW_BITS) * UNIT_STEP) * choices)
            image = images[movers[code, choice]]
            limit = np.inf
            if with_field:
                word, first, second = advance(first, second)
                limit = -np.log(1.0 - (word >> LOW_BITS) * UNIT_STEP)
            stamps[seed] = cluster
            queue[0] = seed
            head = np.uint32(0)
            end = np.uint32(1)
            rise = 0.0
            while head < end:
                site = queue[head]
                head += one
                code = codes[site]
                reflected = image[code]
                if with_field:
                    rise += site_energy[site, reflected] - site_energy[site, code]
                    if one_way and rise > limit:
                        break
                row = np.uint32((code * q + reflected) * q)
                for entry in range(start[site], start[site + one]):
                    other = neighbour[entry]
                    word, first, second = advance(first, second)
                    threshold = thresholds[offset[entry] + row + np.uint32(codes[other])]
                    link = (stamps[other] != cluster) & ((word >> LOW_BITS) < threshold)
                    stamps[other] = cluster if link else stamps[other]
                    queue[end] = other
                    end += np.uint32(link)
            counts[1] += head
            if rise <= limit:
                for member in range(end):
                    site = queue[member]
                    codes[site] = image[codes[site]]
    state[0] = first
    state[1] = second


@kernel
def swendsen_wang_any(
    codes: Int8,
    start: UInt64,
    earlier: UInt32,
    offset: UInt32,
    thresholds: UInt64,
    images: Int8,
    recolour: bool,
    site_energy: Float,
    with_field: bool,
    n_sweeps: int,
    parents: UInt32,
    turns: Int8,
    state: UInt64,
) -> None:
    """Build all clusters of any graph and change each at random, ``n_sweeps`` times.

    Each bond is listed once, by its later site: ``earlier[start[i]:start[i + 1]]`` are the others.
    With ``recolour`` (like states are linked) a cluster draws one of the q codes; else a sweep
    draws one of the reflections ``images`` and a cluster is reflected or not, at even chances.
    Node 0 of ``parents`` (n_sites + 1) is the ghost: a site hangs on it with the chance
    1 - exp(-rise) of the rise of its ``site_energy`` (n_sites, q), and clusters that do stay.
    Thresholds are those of ``wolff_any``.
    """
    n_sites = codes.shape[0]
    q = images.shape[1]
    one = np.uint32(1)
    first = state[0]
    second = state[1]
    for _ in range(n_sweeps):
        choice = 0
        if images.shape[0] > 1:
            word, first, second = advance(first, second)
            choice = int(((word >> LOW_BITS) * UNIT_STEP) * images.shape[0])
        image = images[choice]
        parents[0] = 0
        for site in range(n_sites):
            node = np.uint32(site) + one
            root = node  # hangs on what it meets, as in swendsen_wang_square
            parents[node] = root
            code = codes[site]
            row = np.uint32((code * q + image[code]) * q)
            for entry in range(start[site], start[site + 1]):
                other = earlier[entry]
                word, first, second = advance(first, second)
                if (word >> LOW_BITS) < thresholds[offset[entry] + row + np.uint32(codes[other])]:
                    high = find(parents, other + one)
                    parents[max(high, root)] = min(high, root)
                    root = min(high, root)
            if with_field:
                rise = site_energy[site, image[code]] - site_energy[site, code]
                if recolour:
                    rise = site_energy[site].max() - site_energy[site, code]
                word, first, second = advance(first, second)
                if rise > 0.0 and (word >> LOW_BITS) * UNIT_STEP >= np.exp(-rise):
                    parents[root] = 0
                    root = np.uint32(0)
            parents[node] = root
        bits = ONE
        for site in range(n_sites):
            if site & 63 == 0:
                bits, first, second = advance(first, second)
            node = np.uint32(site) + one
            root = parents[node]
            if root != node:  # roots are the smallest nodes: their turn is known by now
                root = parents[root]
                parents[node] = root
            elif recolour:
                word, first, second = advance(first, second)
                turns[node] = np.int8(((word >> LOW_BITS) * UNIT_STEP) * q)
            else:
                turns[node] = np.int8((bits >> (np.uint64(site) & LAST_BIT)) & ONE)
            if root != 0:
                if recolour:
                    codes[site] = turns[root]
                elif turns[root] == 1:
                    codes[site] = image[codes[site]]
    state[0] = first
    state[1] = second
