"""Kernels of the Metropolis walk: one particle at a time, cells whose places lie together.

``places``: (3, n_cells x room) coordinates cell by cell, unused ones infinitely far away, so that
eight places of a cell are one vector. ``slots``: (n_cells x room, 2) particle and species;
``inside``: particles in each cell; ``where``: (n,) place of each particle. ``around``: (n_cells,
27) the cells that touch a cell, itself too, then -1; ``turn``: which of the 27 rows of ``shift``
the box moves each of them by. A cell is at least as wide as the cutoff; the last cells along an
open axis reach to infinity. ``pair_terms`` and its helpers are those of ``motion_kernels``, kept
alike by a test.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["fill_cells", "metropolis_trials"]

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Web = tuple[Int32, NDArray[np.int8], Float]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS = np.uint64(11)

LANES = 8
FAR = 1e8
DONE, FULL = 0, 1
# places in `counts`
N_DONE, N_WANTED, N_ACCEPTED, DIMENSION, ROOM, CELL_A, CELL_B, CELL_C = 0, 1, 2, 3, 4, 5, 6, 7


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
def pair_terms(row: Float, spline: Float, square: float) -> Any:
    """Energy u and -u'(r) / r of a pair at a squared distance below the row's cutoff."""
    kind = int(row[0])
    if kind == 0:
        q = row[2] * row[2] / square
        six = q * q * q
        u = 4.0 * row[1] * six * (six - 1.0)
        w = 24.0 * row[1] * six * (2.0 * six - 1.0) / square
        r = math.sqrt(square)
    else:
        r = math.sqrt(square)
        if kind == 1:
            e = math.exp(-row[2] * (r - row[3]))
            u = row[1] * e * (e - 2.0)
            w = 2.0 * row[2] * row[1] * e * (e - 1.0) / r
        elif kind == 2:
            u = row[1] * math.exp(-r / row[2]) / r
            w = u * (1.0 / r + 1.0 / row[2]) / r
        elif kind == 3:
            u = row[1] * math.pow(row[2] / r, row[3])
            w = row[3] * u / square
        elif kind == 4:
            u, w = spline_terms(row, spline, r)
        else:
            u, w = stillinger_terms(row, r)
    u -= row[7]
    if r > row[8]:
        width = row[9] - row[8]
        x = (r - row[8]) / width
        s = 1.0 - x * x * x * (10.0 - 15.0 * x + 6.0 * x * x)
        slope = -30.0 * x * x * (1.0 - x) * (1.0 - x) / width
        w = w * s - u * slope / r
        u *= s
    return u, w


@kernel
def spline_terms(row: Float, spline: Float, r: float) -> Any:
    """Energy and -u'(r) / r of a cubic spline; a straight line below its first knot."""
    first = int(row[10])
    x = r - row[3]
    if x < 0.0:
        return spline[first, 1] + spline[first, 2] * x, -spline[first, 2] / r
    k = first + int(spline[first + min(int(x * row[4]), int(row[2]) - 1), 5])
    while r >= spline[k + 1, 0]:
        k += 1
    x = r - spline[k, 0]
    u = spline[k, 1] + x * (spline[k, 2] + x * (spline[k, 3] + x * spline[k, 4]))
    slope = spline[k, 2] + x * (2.0 * spline[k, 3] + x * 3.0 * spline[k, 4])
    return u, -slope / r


@kernel
def stillinger_terms(row: Float, r: float) -> Any:
    """Energy and -u'(r) / r of the two-body part of Stillinger and Weber."""
    gap = min(r - row[9], -1e-3 * row[2])
    end = math.exp(row[2] / gap)
    first = row[1] * row[3] * math.pow(row[2] / r, row[4])
    second = row[1] * math.pow(row[2] / r, row[5])
    slope = (row[5] * second - row[4] * first) / r
    body = first - second
    return body * end, -(slope - body * row[2] / (gap * gap)) * end / r


@kernel
def cell_of(x: float, y: float, z: float, frame: Float, counts: Int64) -> Any:
    """Cell of a place; ``frame``: origin and 1 / width of each axis."""
    a = min(max(int((x - frame[0]) * frame[3]), 0), counts[CELL_A] - 1)
    b = min(max(int((y - frame[1]) * frame[4]), 0), counts[CELL_B] - 1)
    c = min(max(int((z - frame[2]) * frame[5]), 0), counts[CELL_C] - 1)
    return (a * counts[CELL_B] + b) * counts[CELL_C] + c


@kernel
def fill_cells(
    positions: Float,
    species: Int64,
    places: Float,
    slots: Int32,
    inside: Int64,
    where: Int64,
    frame: Float,
    counts: Int64,
) -> Any:
    """Put every particle into its cell; return the most that a cell must hold."""
    inside[:] = 0
    places[:] = FAR
    most = 0
    for i in range(where.size):
        cell = cell_of(positions[i, 0], positions[i, 1], positions[i, 2], frame, counts)
        if inside[cell] < counts[ROOM]:
            slot = cell * counts[ROOM] + inside[cell]
            for d in range(3):
                places[d, slot] = positions[i, d]
            slots[slot, 0], slots[slot, 1] = i, species[i]
            where[i] = slot
        inside[cell] += 1
        most = max(most, inside[cell])
    return most


@kernel
def lennard_jones_change(
    places: Float,
    inside: Int64,
    room: int,
    web: Web,
    cells: tuple[int, int],
    fresh: tuple[float, float, float],
    old: tuple[float, float, float],
    row: Float,
    sums: Float,
) -> Any:
    """Change of the pair energy from ``old`` to ``fresh``, the ``cells`` of which are given.

    Both places are held against the cells around the one; where the old one has another cell,
    each is held against its own cells, with the other infinitely far away.
    """
    around, turn, shift = web
    q = row[2] * row[2]
    six = q * q * q
    low = 4.0 * row[1] * six
    high = low * six
    limit, lift = row[6], row[7]
    x, y, z = places[0], places[1], places[2]
    sums[:room] = 0.0
    same = cells[0] == cells[1]
    for side in range(1 if same else 2):
        away_old = FAR if side == 0 and not same else 0.0
        away_fresh = FAR if side == 1 else 0.0
        cell = cells[side]
        for neighbour in range(27):
            other = around[cell, neighbour]
            if other < 0:
                break
            move = turn[cell, neighbour]
            a, b, c = shift[move, 0], shift[move, 1], shift[move, 2]
            x0, y0, z0 = old[0] - a - away_old, old[1] - b, old[2] - c
            x1, y1, z1 = fresh[0] - a - away_fresh, fresh[1] - b, fresh[2] - c
            first = other * room
            m = (inside[other] + 7) // LANES * LANES
            base = np.uint64(first)  # unsigned: no negative index to look out for in the loop
            for k in range(m):
                dx, dy, dz = (
                    x[base + np.uint64(k)] - x0,
                    y[base + np.uint64(k)] - y0,
                    z[base + np.uint64(k)] - z0,
                )
                s = dx * dx + dy * dy + dz * dz
                inverse = 1.0 / s
                cube = inverse * inverse * inverse
                before = cube * (high * cube - low) - lift
                before = before if s < limit else 0.0
                ex, ey, ez = (
                    x[base + np.uint64(k)] - x1,
                    y[base + np.uint64(k)] - y1,
                    z[base + np.uint64(k)] - z1,
                )
                t = ex * ex + ey * ey + ez * ez
                inverse = 1.0 / t
                cube = inverse * inverse * inverse
                after = cube * (high * cube - low) - lift
                after = after if t < limit else 0.0
                sums[np.uint64(k)] += after - before
    change = 0.0
    for k in range(room):
        change += sums[k]
    return change


@kernel
def pair_energy(
    places: Float,
    slots: Int32,
    inside: Int64,
    cell: int,
    room: int,
    web: Web,
    place: tuple[float, float, float],
    rows: Float,
    offset: int,
    spline: Float,
    squares: Float,
) -> Any:
    """Energy of one particle with those of a cell and around; ``offset``: first row of its kind."""
    around, turn, shift = web
    energy = 0.0
    for neighbour in range(27):
        other = around[cell, neighbour]
        if other < 0:
            break
        move = turn[cell, neighbour]
        x0, y0, z0 = place[0] - shift[move, 0], place[1] - shift[move, 1], place[2] - shift[move, 2]
        first = other * room
        m = inside[other]
        last = first + m
        x, y, z = places[0, first:last], places[1, first:last], places[2, first:last]
        square = squares[:m]
        for k in range(m):
            dx, dy, dz = x[k] - x0, y[k] - y0, z[k] - z0
            square[k] = dx * dx + dy * dy + dz * dz
        for k in range(m):
            kind = offset + slots[first + k, 1] if rows.shape[0] > 1 else 0
            if square[k] < rows[kind, 6]:
                if square[k] == 0.0:
                    return math.inf
                energy += pair_terms(rows[kind], spline, square[k])[0]
    return energy


@kernel
def collect(
    places: Float,
    inside: Int64,
    place: tuple[float, float, float],
    reach: float,
    frame: Float,
    counts: Int64,
    web: Web,
    near: Float,
) -> Any:
    """List the particles near a place: unit vector, distance and end factor of each in ``near``."""
    around, turn, shift = web
    cell = cell_of(place[0], place[1], place[2], frame, counts)
    n = 0
    for m in range(27):
        other = around[cell, m]
        if other < 0:
            break
        first = other * counts[ROOM]
        for slot in range(first, first + inside[other]):
            dx = places[0, slot] + shift[turn[cell, m], 0] - place[0]
            dy = places[1, slot] + shift[turn[cell, m], 1] - place[1]
            dz = places[2, slot] + shift[turn[cell, m], 2] - place[2]
            square = dx * dx + dy * dy + dz * dz
            if 0.0 < square < reach * reach and n < near.shape[0]:
                r = math.sqrt(square)
                near[n, 0], near[n, 1], near[n, 2], near[n, 3] = dx / r, dy / r, dz / r, r
                n += 1
    return n


@kernel
def angle_energy(
    places: Float,
    inside: Int64,
    place: tuple[float, float, float],
    angle: Float,
    box: Float,
    frame: Float,
    counts: Int64,
    web: Web,
    near: Float,
    far: Float,
) -> Any:
    """Three-body energy of a particle at ``place``: as the middle and as an end of angles.

    The particle itself must be out of its cell.
    """
    n = collect(places, inside, place, angle[3], frame, counts, web, near)
    energy = 0.0
    for a in range(n):
        end_a = math.exp(angle[2] / min(near[a, 3] - angle[3], -1e-3 * angle[2]))
        for b in range(a):
            end_b = math.exp(angle[2] / min(near[b, 3] - angle[3], -1e-3 * angle[2]))
            cosine = near[a, 0] * near[b, 0] + near[a, 1] * near[b, 1] + near[a, 2] * near[b, 2]
            energy += (cosine - angle[1]) * (cosine - angle[1]) * end_a * end_b
        r = near[a, 3]
        x, y, z = place[0] + r * near[a, 0], place[1] + r * near[a, 1], place[2] + r * near[a, 2]
        if box[0] > 0.0:
            x, y = x - math.floor(x / box[0]) * box[0], y - math.floor(y / box[1]) * box[1]
        if box[2] > 0.0:
            z -= math.floor(z / box[2]) * box[2]
        m = collect(places, inside, (x, y, z), angle[3], frame, counts, web, far)
        for b in range(m):
            if far[b, 3] < 1e-9 * angle[3]:
                continue  # the neighbour itself, put back into the box with round-off
            end_b = math.exp(angle[2] / min(far[b, 3] - angle[3], -1e-3 * angle[2]))
            cosine = near[a, 0] * far[b, 0] + near[a, 1] * far[b, 1] + near[a, 2] * far[b, 2]
            energy += (-cosine - angle[1]) * (-cosine - angle[1]) * end_a * end_b
    return angle[0] * energy


@kernel
def is_plain(rows: Float) -> Any:
    """Whether the pair part is one kind of Lennard-Jones without a switch: the vector path."""
    return rows.shape[0] == 1 and rows[0, 0] == 0.0 and rows[0, 8] == math.inf


@kernel
def other_change(
    places: Float,
    slots: Int32,
    inside: Int64,
    fresh: tuple[float, float, float],
    old: tuple[float, float, float],
    cells: tuple[int, int],
    species: int,
    law: tuple[Float, Float, Float, Float],
    box: Float,
    frame: Float,
    counts: Int64,
    web: Web,
    sums: Float,
    near: Float,
    far: Float,
) -> Any:
    """Energy that a particle gains from ``old`` to ``fresh`` besides ``lennard_jones_change``.

    The particle must be out of its cell.
    """
    rows, spline, angle, trap = law
    change = 0.0
    if rows[0, 0] >= 0.0 and not is_plain(rows):
        offset = species * int(math.sqrt(rows.shape[0]) + 0.5)
        for side in range(2):
            place = fresh if side == 0 else old
            energy = pair_energy(
                places, slots, inside, cells[side], counts[ROOM], web, place, rows, offset,
                spline, sums,
            )  # fmt: skip
            change += energy if side == 0 else -energy
    for d in range(3):
        if trap[d] > 0.0:
            after, before = fresh[d] - trap[3 + d], old[d] - trap[3 + d]
            change += 0.5 * trap[d] * (after * after - before * before)
    if angle[0] != 0.0 and change < math.inf:
        for side in range(2):
            energy = angle_energy(
                places, inside, fresh if side == 0 else old, angle, box, frame, counts, web, near,
                far,
            )  # fmt: skip
            change += energy if side == 0 else -energy
    return change


@kernel
def metropolis_trials(
    places: Float,
    slots: Int32,
    inside: Int64,
    where: Int64,
    turns: Int64,
    law: tuple[Float, Float, Float, Float],
    box: Float,
    frame: Float,
    numbers: Float,
    counts: Int64,
    random_state: UInt64,
    scratch: tuple[Float, Float, Float, Float],
    web: Web,
) -> Any:
    """Try moves until counts[N_DONE] reaches counts[N_WANTED]; FULL: a cell needs more room.

    ``numbers``: kT, largest displacement along an axis; ``turns``: (n, 3) box lengths crossed.
    A trial that finds a cell full is taken back with its random numbers, and tried again.
    """
    sums, near, far, held = scratch
    room = counts[ROOM]
    n = where.size
    plain = is_plain(law[0])
    more = not plain or law[2][0] != 0.0 or law[3][0] + law[3][1] + law[3][2] > 0.0
    while counts[N_DONE] < counts[N_WANTED]:
        first, second = random_state[0], random_state[1]
        i = min(int(uniform(random_state) * n), n - 1)
        slot = int(where[i])
        species = int(slots[slot, 1])
        held[0], held[1], held[2] = places[0, slot], places[1, slot], places[2, slot]
        for d in range(3):
            held[3 + d], held[6 + d] = held[d], 0.0
            if d < counts[DIMENSION]:
                held[3 + d] += numbers[1] * (2.0 * uniform(random_state) - 1.0)
                if box[d] > 0.0:
                    held[6 + d] = math.floor(held[3 + d] / box[d])
                    held[3 + d] -= held[6 + d] * box[d]
        limit = uniform(random_state)
        old = (held[0], held[1], held[2])
        fresh = (held[3], held[4], held[5])
        cell = cell_of(fresh[0], fresh[1], fresh[2], frame, counts)
        if cell != slot // room and inside[cell] == room:
            random_state[0], random_state[1] = first, second
            return FULL
        for d in range(3):
            places[d, slot] = FAR
        cells = (cell, slot // room)
        change = 0.0
        if plain:
            change = lennard_jones_change(
                places, inside, room, web, cells, fresh, old, law[0][0], sums
            )
        if more and change < math.inf:
            change += other_change(
                places, slots, inside, fresh, old, cells, species, law, box, frame, counts, web,
                sums, near, far,
            )  # fmt: skip
        if change <= 0.0 or limit < math.exp(-change / numbers[0]):
            counts[N_ACCEPTED] += 1
            put(places, slots, inside, where, i, slot, cell, room, species, fresh)
            for d in range(3):
                turns[i, d] += np.int64(held[6 + d])
        else:
            for d in range(3):
                places[d, slot] = old[d]
        counts[N_DONE] += 1
    return DONE


@kernel
def put(
    places: Float,
    slots: Int32,
    inside: Int64,
    where: Int64,
    i: int,
    slot: int,
    cell: int,
    room: int,
    species: int,
    place: tuple[float, float, float],
) -> None:
    """Write a particle to its new place; the last one of the cell that it left fills the gap."""
    left = slot // room
    if left != cell:
        last = left * room + inside[left] - 1
        for d in range(3):
            places[d, slot] = places[d, last]
            places[d, last] = FAR
        slots[slot, 0], slots[slot, 1] = slots[last, 0], slots[last, 1]
        where[slots[slot, 0]] = slot
        inside[left] -= 1
        slot = cell * room + inside[cell]
        inside[cell] += 1
        slots[slot, 0], slots[slot, 1] = i, species
        where[i] = slot
    for d in range(3):
        places[d, slot] = place[d]
