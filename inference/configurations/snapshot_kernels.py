"""Kernels of a Metropolis walk in tabulated energies, with tethers and particles that stay put.

Each sweep lays a grid of cells at a random offset over the box and visits cell after cell: the
particles of a cell and around it are gathered into one list, the cell's own first, and each of
those is tried a few times. Moves that leave the cell are refused; as the next sweep's grid lies
elsewhere this holds detailed balance and keeps nobody in (Anderson et al. 2013,
doi:10.1016/j.jcp.2013.07.023). A cell is at least as wide as energies reach.

``x``: (n, 3) places, inside the box. ``law``: ``table`` (n_kinds (G + 3),) energies at squared
distances k limit / G, 0 behind G; ``scales`` (n_kinds,) G / limit; ``kinds`` (q, q) which row acts
between two species; ``angle`` (4,) strength, cosine, decay length and cutoff. ``space``: ``box``
lengths (3,), 0 where open; ``walls`` (2, 3) between which particles move; ``shape`` (3,) cells
along each axis; ``extent`` (2, 3) origin and length of what the cells cover.
``hold``: ``stiffness`` and ``home``, (n, 3) each, of springs that tie particles to places.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel, summing_kernel

__all__ = ["add_statistics", "sweep_particles"]

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
Flags = NDArray[np.bool_]
UInt64 = NDArray[np.uint64]
Law = tuple[Float, Float, Int64, Float]
Space = tuple[Float, Float, Int64, Float]
Cells = tuple[Int64, Int64]
Near = tuple[Float, Float, Float, Int64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS = np.uint64(11)
FAR = 1e8
SPARE = 3  # entries of a table behind its last node
TRIALS = 2  # of each particle when its cell is visited
# places in `counts`
N_TRIED, N_ACCEPTED, DIMENSION = 0, 1, 2


@kernel
def next_word(state: UInt64) -> Any:
    """Return the next 64 random bits and advance ``state``; the high bits are the best."""
    first = state[0]
    second = state[1]
    word = first + second
    second ^= first
    state[0] = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
    state[1] = (second << ROTATE_B) | (second >> BACK_B)
    return word


@kernel
def uniform(state: UInt64) -> Any:
    """Return the next number in [0, 1) and advance ``state``."""
    return (next_word(state) >> LOW_BITS) * UNIT_STEP


@kernel
def sort_cells(x: Float, space: Space, offset: Float, cell_of: Int64, cells: Cells) -> Any:
    """Sort particles by cell: ``start`` of each cell in ``order``; return the fullest's number."""
    box, _, shape, extent = space
    start, order = cells
    start[:] = 0
    for i in range(x.shape[0]):
        cell = 0
        for d in range(3):
            part = (x[i, d] - extent[0, d] - offset[d]) / extent[1, d]
            if box[d] > 0.0:
                part -= math.floor(part)
            cell = cell * shape[d] + min(max(int(part * shape[d]), 0), shape[d] - 1)
        cell_of[i] = cell
        start[cell + 1] += 1
    most = 0
    for cell in range(start.size - 1):
        most = max(most, start[cell + 1])
        start[cell + 1] += start[cell]
    for i in range(x.shape[0] - 1, -1, -1):
        cell = cell_of[i]
        start[cell + 1] -= 1
        order[start[cell + 1]] = i
    # every start now stands one cell late
    for cell in range(start.size - 2):
        start[cell + 1] = start[cell + 2]
    start[start.size - 1] = x.shape[0]
    return most


@kernel
def gather_near(cell: int, x: Float, space: Space, offset: Float, cells: Cells, near: Near) -> Any:
    """Copy the places of a cell's particles and of those around it, nearest images, to ``near``."""
    box, _, shape, extent = space
    start, order = cells
    nx, ny, nz, names = near
    home = (cell // (shape[1] * shape[2]), cell // shape[2] % shape[1], cell % shape[2])
    turn, spot = np.zeros(3), np.zeros(3)
    n = 0
    for step in range(27):
        move = (step + 13) % 27  # the cell itself first
        other, inside = 0, True
        turn[:] = 0.0
        for d in range(3):
            way = (move // 9 if d == 0 else (move // 3 % 3 if d == 1 else move % 3)) - 1
            at = home[d] + way
            if at < 0 or at >= shape[d]:
                inside = inside and box[d] > 0.0
                turn[d] = math.floor(at / shape[d]) * box[d]
                at = (at + shape[d]) % shape[d]
            other = other * shape[d] + at
        if not inside:
            continue
        for slot in range(start[other], start[other + 1]):
            i = order[slot]
            for d in range(3):
                spot[d] = x[i, d] + turn[d]
                if box[d] > 0.0:
                    # the image that belongs to the cell where it stands on the grid
                    low = extent[0, d] + offset[d]
                    spot[d] -= math.floor((x[i, d] - low) / box[d]) * box[d]
            nx[n], ny[n], nz[n], names[n] = spot[0], spot[1], spot[2], i
            n += 1
    return n


@summing_kernel
def energy_of_one(
    n: int, x0: float, y0: float, z0: float, x: Float, y: Float, z: Float, scale: float,
    last: float, table: Float,
) -> Any:  # fmt: skip
    """Energy of a particle at a place with ``n`` others, all of one kind.

    Plain arrays and unsigned indices: tuples of arrays would cost more than the sum does.
    """
    total = 0.0
    for k in range(n):
        dx, dy, dz = x[np.uint64(k)] - x0, y[np.uint64(k)] - y0, z[np.uint64(k)] - z0
        s = (dx * dx + dy * dy + dz * dz) * scale
        s = s if s < last else last + 1.0
        at = np.uint64(s)
        low = table[at]
        total += low + (s - np.float64(at)) * (table[at + np.uint64(1)] - low)
    return total


@summing_kernel
def energy_of_kinds(
    n: int, x0: float, y0: float, z0: float, x: Float, y: Float, z: Float, label: Int64,
    scales: Float, offsets: Int64, last: float, table: Float,
) -> Any:  # fmt: skip
    """Energy of a particle with others whose species ``label`` says which part of the table."""
    total = 0.0
    for k in range(n):
        dx, dy, dz = x[np.uint64(k)] - x0, y[np.uint64(k)] - y0, z[np.uint64(k)] - z0
        kind = np.uint64(label[np.uint64(k)])
        s = (dx * dx + dy * dy + dz * dz) * scales[kind]
        s = s if s < last else last + 1.0
        at = np.uint64(s)
        to = at + np.uint64(offsets[kind])
        low = table[to]
        total += low + (s - np.float64(at)) * (table[to + np.uint64(1)] - low)
    return total


@kernel
def ends(r: float, angle: Float) -> Any:
    """Factor by which one bond's length enters the energy of an angle."""
    return math.exp(angle[2] / min(r - angle[3], -1e-3 * angle[2]))


@kernel
def bonds_at(
    place: tuple[float, float, float], n: int, near: Near, reach: float, out: Float
) -> Any:
    """List bonds from a place to gathered particles: unit vector, length, place in the list."""
    x, y, z, _ = near
    m = 0
    for k in range(n):
        dx, dy, dz = x[k] - place[0], y[k] - place[1], z[k] - place[2]
        square = dx * dx + dy * dy + dz * dz
        if 0.0 < square < reach * reach and m < out.shape[0]:
            r = math.sqrt(square)
            out[m, 0], out[m, 1], out[m, 2], out[m, 3], out[m, 4] = dx / r, dy / r, dz / r, r, k
            m += 1
    return m


@kernel
def angle_energy_of(
    place: tuple[float, float, float], n: int, near: Near, angle: Float, bonds: tuple[Float, Float]
) -> Any:
    """Three-body energy over strength of a particle at a place; itself must be far away."""
    one, two = bonds
    m = bonds_at(place, n, near, angle[3], one)
    energy = 0.0
    for a in range(m):
        end_a = ends(one[a, 3], angle)
        for b in range(a):
            off = one[a, 0] * one[b, 0] + one[a, 1] * one[b, 1] + one[a, 2] * one[b, 2] - angle[1]
            energy += off * off * end_a * ends(one[b, 3], angle)
        k = int(one[a, 4])
        middle = (near[0][k], near[1][k], near[2][k])
        last = bonds_at(middle, n, near, angle[3], two)
        for b in range(last):
            off = -one[a, 0] * two[b, 0] - one[a, 1] * two[b, 1] - one[a, 2] * two[b, 2] - angle[1]
            energy += off * off * end_a * ends(two[b, 3], angle)
    return energy


@kernel
def sweep_particles(
    x: Float, species: Int64, flags: tuple[Flags, Flags], law: Law, space: Space,
    hold: tuple[Float, Float], step: Float, counts: Int64, random_state: UInt64, n_sweeps: int,
) -> None:  # fmt: skip
    """Try to move every particle that is not frozen ``TRIALS`` times in each sweep.

    ``flags``: which particles are frozen, and which the walls hold; ``step``: largest displacement
    along an axis.
    """
    frozen, held = flags
    stiffness, home = hold
    box, walls, shape, extent = space
    table, scales, kinds, angle = law
    width = table.size // scales.size
    last_node = float(width - SPARE)
    own_scales, own_offsets = np.zeros(kinds.shape[0]), np.zeros(kinds.shape[0], dtype=np.int64)
    n_cells = shape[0] * shape[1] * shape[2]
    cells = (np.zeros(n_cells + 1, dtype=np.int64), np.zeros(x.shape[0], dtype=np.int64))
    cell_of = np.zeros(x.shape[0], dtype=np.int64)
    offset, bottom, top, fresh = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    bonds = (np.zeros((512, 5)), np.zeros((512, 5)))
    for _ in range(n_sweeps):
        for d in range(3):
            # open cells go beyond what they cover by one, so that their walls move as well
            offset[d] = -uniform(random_state) * extent[1, d] / shape[d]
        most = sort_cells(x, space, offset, cell_of, cells)
        room = 27 * most + 8
        near = (np.empty(room), np.empty(room), np.empty(room), np.empty(room, dtype=np.int64))
        nx, ny, nz, names = near
        label = np.zeros(room, dtype=np.int64)
        for cell in range(n_cells):
            first, last = cells[0][cell], cells[0][cell + 1]
            if first == last:
                continue
            n = gather_near(cell, x, space, offset, cells, near)
            if scales.size > 1:
                for k in range(n):
                    label[k] = species[names[k]]
            part = cell
            for d in range(2, -1, -1):
                at = part % shape[d]
                part //= shape[d]
                bottom[d] = extent[0, d] + offset[d] + at * extent[1, d] / shape[d]
                top[d] = bottom[d] + extent[1, d] / shape[d]
                if box[d] == 0.0:
                    bottom[d] = -math.inf if at == 0 else bottom[d]
                    top[d] = math.inf if at == shape[d] - 1 else top[d]
            for k in range(last - first):
                i = names[k]
                if frozen[i]:
                    continue
                for kind in range(kinds.shape[0]):
                    own_scales[kind] = scales[kinds[species[i], kind]]
                    own_offsets[kind] = width * kinds[species[i], kind]
                old = (nx[k], ny[k], nz[k])
                nx[k] = FAR
                before = 0.0
                if scales.size == 1:
                    before += energy_of_one(
                        n, old[0], old[1], old[2], nx, ny, nz, scales[0], last_node, table
                    )
                else:
                    before += energy_of_kinds(
                        n, old[0], old[1], old[2], nx, ny, nz, label, own_scales, own_offsets,
                        last_node, table,
                    )  # fmt: skip
                if angle[0] != 0.0:
                    before += angle[0] * angle_energy_of(old, n, near, angle, bonds)
                for d in range(3):
                    if stiffness[i, d] > 0.0:
                        gap = old[d] - home[i, d]
                        if box[d] > 0.0:
                            gap -= box[d] * np.rint(gap / box[d])
                        before += 0.5 * stiffness[i, d] * gap * gap
                for _ in range(TRIALS):
                    after, inside = 0.0, True
                    for d in range(3):
                        fresh[d] = old[d]
                        if d < counts[DIMENSION]:
                            fresh[d] += step[0] * (2.0 * uniform(random_state) - 1.0)
                            inside = inside and bottom[d] <= fresh[d] < top[d]
                            if held[i]:
                                inside = inside and walls[0, d] <= fresh[d] <= walls[1, d]
                            if stiffness[i, d] > 0.0:
                                gap = fresh[d] - home[i, d]
                                if box[d] > 0.0:
                                    gap -= box[d] * np.rint(gap / box[d])
                                after += 0.5 * stiffness[i, d] * gap * gap
                    limit = uniform(random_state)
                    counts[N_TRIED] += 1
                    if not inside:
                        continue
                    place = (fresh[0], fresh[1], fresh[2])
                    if scales.size == 1:
                        after += energy_of_one(
                            n, place[0], place[1], place[2], nx, ny, nz, scales[0], last_node, table
                        )
                    else:
                        after += energy_of_kinds(
                            n, place[0], place[1], place[2], nx, ny, nz, label, own_scales,
                            own_offsets,
                            last_node, table,
                        )  # fmt: skip
                    if angle[0] != 0.0:
                        after += angle[0] * angle_energy_of(place, n, near, angle, bonds)
                    if after <= before or limit < math.exp(before - after):
                        counts[N_ACCEPTED] += 1
                        old, before = place, after
                nx[k], ny[k], nz[k] = old
                for d in range(3):
                    x[i, d] = old[d]
                    if box[d] > 0.0:
                        x[i, d] -= math.floor(old[d] / box[d]) * box[d]


@kernel
def add_statistics(
    x: Float, species: Int64, frozen: Flags, law: Law, space: Space, histogram: Float
) -> Any:
    """Add every pair to the two nodes around its squared distance; return the angles' energy.

    Energies of a table are then sums over its nodes, exactly as the walk takes them. Pairs and
    angles of particles that all stay put are left out.
    """
    _, scales, kinds, angle = law
    shape = space[2]
    width = histogram.size // scales.size
    last_node = float(width - SPARE)
    n_cells = shape[0] * shape[1] * shape[2]
    cells = (np.zeros(n_cells + 1, dtype=np.int64), np.zeros(x.shape[0], dtype=np.int64))
    offset = np.zeros(3)
    most = sort_cells(x, space, offset, np.zeros(x.shape[0], dtype=np.int64), cells)
    room = 27 * most + 8
    near = (np.empty(room), np.empty(room), np.empty(room), np.empty(room, dtype=np.int64))
    nx, ny, nz, names = near
    bonds = np.zeros((512, 5))
    energy = 0.0
    for cell in range(n_cells):
        n = gather_near(cell, x, space, offset, cells, near)
        for a in range(cells[0][cell + 1] - cells[0][cell]):
            i = names[a]
            for b in range(n):
                dx, dy, dz = nx[b] - nx[a], ny[b] - ny[a], nz[b] - nz[a]
                j = names[b]
                kind = kinds[species[i], species[j]]
                s = (dx * dx + dy * dy + dz * dz) * scales[kind]
                if s < last_node and j > i and not (frozen[i] and frozen[j]):
                    at = kind * width + int(s)
                    histogram[at] += 1.0 - (s - int(s))
                    histogram[at + 1] += s - int(s)
            if angle[3] > 0.0:
                place = (nx[a], ny[a], nz[a])
                m = bonds_at(place, n, near, angle[3], bonds)
                for c in range(m):
                    one = names[int(bonds[c, 4])]
                    for e in range(c):
                        two = names[int(bonds[e, 4])]
                        if not (frozen[i] and frozen[one] and frozen[two]):
                            off = bonds[c, 0] * bonds[e, 0] + bonds[c, 1] * bonds[e, 1] - angle[1]
                            off += bonds[c, 2] * bonds[e, 2]
                            energy += (
                                off * off * ends(bonds[c, 3], angle) * ends(bonds[e, 3], angle)
                            )
    return energy
