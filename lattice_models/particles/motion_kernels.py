"""Kernels of moving particles: forces, energies and the four time steps, with their noise.

``points``: rows of slots, ghosts and one far point (see ``neighbour_kernels``); ``carried``:
(n_slots, 8) velocity, 1 / mass, and three numbers that a scheme keeps from step to step;
``force``: (n_slots, 4). ``pair_terms`` and its helpers stand in ``metropolis_kernels`` once more
(a kernel's helpers live in its file); a test keeps both alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["advance", "evaluate"]

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, LAYER_BITS, LAYER_SHIFT = np.uint64(11), np.uint64(8), np.uint64(56)

GROUP = 8
HEUN, LEIMKUHLER_MATTHEWS, BAOAB, VERLET = 0, 1, 2, 3
DONE, STALE, BLOWN_UP = 0, 1, 2
# places in `counts`
PHASE, N_GHOSTS, N_DONE, N_WANTED, SCHEME, DIMENSION, WHO = 0, 1, 2, 3, 4, 5, 6


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
def normal(state: UInt64, ziggurat: Float) -> Any:
    """Return the next standard normal number; ``ziggurat`` comes from ``ziggurat_tables``."""
    while True:
        word = next_word(state)
        layer = np.int64(word >> LAYER_SHIFT)
        place = 2.0 * (((word << LAYER_BITS) >> LOW_BITS) * UNIT_STEP) - 1.0
        value = place * ziggurat[0, layer]
        if abs(place) < ziggurat[1, layer]:
            return value
        if layer == 0:
            while True:
                beyond = -np.log(1.0 - uniform(state)) / ziggurat[0, 1]
                if -2.0 * np.log(1.0 - uniform(state)) > beyond * beyond:
                    tail = ziggurat[0, 1] + beyond
                    return tail if place > 0.0 else -tail
        lower = np.exp(-0.5 * (ziggurat[0, layer] * ziggurat[0, layer] - value * value))
        upper = np.exp(-0.5 * (ziggurat[0, layer + 1] * ziggurat[0, layer + 1] - value * value))
        if upper + uniform(state) * (lower - upper) < 1.0:
            return value


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
def lennard_jones_forces(
    points: Float, group_start: Int64, entries: Int32, force: Float, row: Float, lanes: Float
) -> None:
    """Fill the forces of one kind of Lennard-Jones particle, eight at a time per neighbour.

    Every pair is computed from both sides: no scattered writes, so the eight lanes are one
    vector. The first 48 numbers of ``lanes`` hold places and forces of the group.
    """
    limit = row[6]
    q = row[2] * row[2]
    six = q * q * q
    low = 24.0 * row[1] * six
    high = 2.0 * low * six
    for group in range(group_start.size - 1):
        first = GROUP * group
        for k in range(GROUP):
            for d in range(3):
                lanes[8 * d + k] = points[first + k, d]
                lanes[24 + 8 * d + k] = 0.0
        for e in range(group_start[group], group_start[group + 1], 2):
            j, other = entries[e], entries[e + 1]
            x0, y0, z0 = points[j, 0], points[j, 1], points[j, 2]
            x1, y1, z1 = points[other, 0], points[other, 1], points[other, 2]
            for k in range(GROUP):
                x, y, z = lanes[k], lanes[8 + k], lanes[16 + k]
                dx, dy, dz = x - x0, y - y0, z - z0
                s = dx * dx + dy * dy + dz * dz
                inverse = 1.0 / s
                cube = inverse * inverse * inverse
                w = cube * (high * cube - low) * inverse
                w = w if (s < limit) & (s > 0.0) else 0.0
                ex, ey, ez = x - x1, y - y1, z - z1
                t = ex * ex + ey * ey + ez * ez
                inverse = 1.0 / t
                cube = inverse * inverse * inverse
                v = cube * (high * cube - low) * inverse
                v = v if (t < limit) & (t > 0.0) else 0.0
                lanes[24 + k] += w * dx + v * ex
                lanes[32 + k] += w * dy + v * ey
                lanes[40 + k] += w * dz + v * ez
        for k in range(GROUP):
            for d in range(3):
                force[first + k, d] = lanes[24 + 8 * d + k]


@kernel
def pair_forces(
    points: Float,
    names: Int64,
    lists: tuple[Int64, Int32, Int32],
    force: Float,
    rows: Float,
    spline: Float,
    lanes: Float,
    sums: Float,
) -> None:
    """Add the forces of any pair potential, each pair once; add energy and virial to ``sums``."""
    group_start, entries, ghosts = lists
    n = names.shape[0]
    n_species = int(math.sqrt(rows.shape[0]) + 0.5)
    n_slots, far = GROUP * (group_start.size - 1), points.shape[0] - 1
    longest = 0.0
    for kind in range(rows.shape[0]):
        longest = max(longest, rows[kind, 6])
    for group in range(group_start.size - 1):
        first = GROUP * group
        for k in range(GROUP):
            for d in range(3):
                lanes[8 * d + k] = points[first + k, d]
        for e in range(group_start[group], group_start[group + 1]):
            j = entries[e]
            source = j if j < n_slots else np.int64(ghosts[(j - n_slots) % ghosts.shape[0], 0])
            # each pair once: from the particle in the earlier slot
            if source <= first or source >= n or j == far:
                continue
            x, y, z = points[j, 0], points[j, 1], points[j, 2]
            for k in range(GROUP):
                dx, dy, dz = lanes[k] - x, lanes[8 + k] - y, lanes[16 + k] - z
                lanes[24 + k] = dx * dx + dy * dy + dz * dz
            for k in range(min(GROUP, source - first)):
                if lanes[24 + k] >= longest:
                    continue
                i = first + k
                kind = names[i, 1] * n_species + names[source, 1]
                square = lanes[24 + k]
                if square < rows[kind, 6]:
                    u, w = pair_terms(rows[kind], spline, square)
                    sums[0] += u
                    sums[3] += w * square
                    for d in range(3):
                        push = w * (lanes[8 * d + k] - points[j, d])
                        force[i, d] += push
                        force[source, d] -= push


@kernel
def angle_forces(
    points: Float,
    names: Int64,
    lists: tuple[Int64, Int32, Int32],
    force: Float,
    angle: Float,
    near: Float,
    sums: Float,
) -> None:
    """Add the three-body forces; ``angle``: strength, cosine, decay length, cutoff.

    ``near``: (most neighbours, 7) unit vector, distance, end factor, its slope, source slot.
    """
    group_start, entries, ghosts = lists
    n = names.shape[0]
    n_slots = GROUP * (group_start.size - 1)
    cutoff = angle[3]
    for i in range(n):
        n_near = 0
        for e in range(group_start[i // GROUP], group_start[i // GROUP + 1]):
            j = entries[e]
            square = 0.0
            for d in range(3):
                near[n_near, d] = points[j, d] - points[i, d]
                square += near[n_near, d] * near[n_near, d]
            if square >= cutoff * cutoff or j == i:
                continue
            r = math.sqrt(square)
            gap = min(r - cutoff, -1e-3 * angle[2])
            for d in range(3):
                near[n_near, d] /= r
            near[n_near, 3] = r
            near[n_near, 4] = math.exp(angle[2] / gap)
            near[n_near, 5] = -angle[2] / (gap * gap)
            near[n_near, 6] = j if j < n_slots else ghosts[j - n_slots, 0]
            n_near += 1
        for a in range(n_near):
            for b in range(a):
                cosine = 0.0
                for d in range(3):
                    cosine += near[a, d] * near[b, d]
                miss = cosine - angle[1]
                scale = angle[0] * near[a, 4] * near[b, 4]
                sums[1] += scale * miss * miss
                for one, two in ((a, b), (b, a)):
                    source = int(near[one, 6])
                    for d in range(3):
                        turn = 2.0 * miss * (near[two, d] - cosine * near[one, d]) / near[one, 3]
                        pull = scale * (turn + miss * miss * near[one, 5] * near[one, d])
                        force[source, d] -= pull
                        force[i, d] += pull
                        sums[3] -= pull * near[one, d] * near[one, 3]


@kernel
def trap_forces(points: Float, n: int, force: Float, trap: Float, sums: Float) -> None:
    """Add the forces of a harmonic trap; ``trap``: stiffness and centre of each axis."""
    for i in range(n):
        for d in range(3):
            away = points[i, d] - trap[3 + d]
            sums[2] += 0.5 * trap[d] * away * away
            force[i, d] -= trap[d] * away


@kernel
def evaluate(
    points: Float,
    force: Float,
    names: Int64,
    lists: tuple[Int64, Int32, Int32],
    law: tuple[Float, Float, Float, Float],
    box: Float,
    counts: Int64,
    near: Float,
    lanes: Float,
    sums: Float,
    fast: bool,
) -> None:
    """Place the ghosts and fill ``force`` and ``sums`` (pair, angle, trap energy, virial).

    ``lists``: start of each group, entries, ghosts; ``law``: rows of pair kinds, spline table,
    angle, trap; ``fast``: the energy of plain Lennard-Jones pairs is left out.
    """
    group_start, entries, ghosts = lists
    rows, spline, angle, trap = law
    n_slots = GROUP * (group_start.size - 1)
    for g in range(counts[N_GHOSTS]):
        slot, shift = ghosts[g, 0], ghosts[g, 1]
        points[n_slots + g, 0] = points[slot, 0] + (shift // 9 - 1) * box[0]
        points[n_slots + g, 1] = points[slot, 1] + (shift // 3 % 3 - 1) * box[1]
        points[n_slots + g, 2] = points[slot, 2] + (shift % 3 - 1) * box[2]
    sums[:] = 0.0
    if fast and rows.shape[0] == 1 and rows[0, 0] == 0.0 and rows[0, 8] == math.inf:
        lennard_jones_forces(points, group_start, entries, force, rows[0], lanes)
    else:
        force[:] = 0.0
        if rows[0, 0] >= 0.0:
            pair_forces(points, names, lists, force, rows, spline, lanes, sums)
    if angle[0] != 0.0:
        angle_forces(points, names, lists, force, angle, near, sums)
    if trap[0] + trap[1] + trap[2] > 0.0:
        trap_forces(points, names.shape[0], force, trap, sums)


@kernel
def advance(
    points: Float,
    carried: Float,
    force: Float,
    reference: Float,
    names: Int64,
    lists: tuple[Int64, Int32, Int32],
    law: tuple[Float, Float, Float, Float],
    box: Float,
    numbers: Float,
    counts: Int64,
    near: Float,
    lanes: Float,
    sums: Float,
    random_state: UInt64,
    ziggurat: Float,
) -> Any:
    """Do time steps until counts[N_DONE] reaches counts[N_WANTED]; return how it ended.

    STALE: a particle left its half of the skin, list the neighbours anew and call again (the
    step under way goes on); BLOWN_UP: counts[WHO] moved beyond all measure in one step.
    ``numbers``: time step, kT, diffusion, friction, largest move squared, half skin squared.
    """
    fast = counts[SCHEME] >= HEUN  # always; for a literal True numba would compile all once more
    while counts[N_DONE] < counts[N_WANTED]:
        if counts[PHASE] % 2 == 0:
            move(points, carried, force, names, numbers, counts, random_state, ziggurat)
            counts[PHASE] += 1
            if counts[WHO] >= 0:
                return BLOWN_UP
            if left_skin(points, reference, names.shape[0], numbers[5]):
                return STALE
        evaluate(points, force, names, lists, law, box, counts, near, lanes, sums, fast)
        counts[PHASE] += 1
        if counts[SCHEME] == HEUN and counts[PHASE] == 2:
            continue  # the corrected place needs its own force
        if counts[SCHEME] >= BAOAB:
            kick(carried, force, names.shape[0], 0.5 * numbers[0])
        counts[PHASE] = 0
        counts[N_DONE] += 1
    return DONE


@kernel
def left_skin(points: Float, reference: Float, n: int, limit: float) -> Any:
    """Whether a particle is further than half the skin from where the lists were made."""
    n_out = 0
    for i in range(n):
        x = points[i, 0] - reference[i, 0]
        y = points[i, 1] - reference[i, 1]
        z = points[i, 2] - reference[i, 2]
        n_out += 1 if x * x + y * y + z * z > limit else 0
    return n_out > 0


@kernel
def kick(carried: Float, force: Float, n: int, time: float) -> None:
    """Change the velocities by force x time / mass."""
    for i in range(n):
        for d in range(3):
            carried[i, d] += time * carried[i, 3] * force[i, d]


@kernel
def move(
    points: Float,
    carried: Float,
    force: Float,
    names: Int64,
    numbers: Float,
    counts: Int64,
    random_state: UInt64,
    ziggurat: Float,
) -> None:
    """Do the part of a step that changes places; note in counts[WHO] a particle that flies off."""
    step, temperature = numbers[0], numbers[1]
    scheme = counts[SCHEME]
    pull = step * numbers[2] / temperature if scheme < BAOAB else 0.0
    spread = math.sqrt(2.0 * numbers[2] * step)
    keep = math.exp(-numbers[3] * step)
    stir = math.sqrt(temperature * (1.0 - keep * keep))
    for i in range(names.shape[0]):
        square = 0.0
        heat = stir * math.sqrt(carried[i, 3])
        for d in range(counts[DIMENSION]):
            if scheme == HEUN and counts[PHASE] == 0:
                drift = pull * force[i, d]
                carried[i, 4 + d] = force[i, d]
                points[i, d] += drift + spread * normal(random_state, ziggurat)
            elif scheme == HEUN:
                drift = 0.5 * pull * (force[i, d] - carried[i, 4 + d])
                points[i, d] += drift
            elif scheme == LEIMKUHLER_MATTHEWS:
                drift = pull * force[i, d]
                fresh = normal(random_state, ziggurat)
                points[i, d] += drift + 0.5 * spread * (carried[i, 4 + d] + fresh)
                carried[i, 4 + d] = fresh
            else:
                carried[i, d] += 0.5 * step * carried[i, 3] * force[i, d]
                drift = step * carried[i, d]
                if scheme == BAOAB:
                    points[i, d] += 0.5 * drift
                    carried[i, d] = keep * carried[i, d]
                    carried[i, d] += heat * normal(random_state, ziggurat)
                    points[i, d] += 0.5 * step * carried[i, d]
                else:
                    points[i, d] += drift
            square += drift * drift
        if not square <= numbers[4]:
            counts[WHO] = names[i, 0]
