"""Compiled event loop of kinetic Monte Carlo; the kernels and their helpers live here.

What can happen at a site adds up to the site's rate; the sites are the leaves of a tree in which
every node holds the sum of its eight children. An event costs the sums on its way up, each formed
anew, so that nothing drifts. The time of the next event is drawn once and kept, so that a run may
be cut anywhere; where the beam changes, the clock starts anew, which is exact because waiting times
have no memory (Bortz, Kalos & Lebowitz 1975, doi:10.1016/0021-9991(75)90060-1; Gillespie 1977,
doi:10.1021/j100540a008).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.event_tables import (
    Changes,
    EventLog,
    EventState,
    Hops,
    Interactions,
    Schedule,
)
from physlearn.lattice_models.kernels import kernel

Int64 = NDArray[np.int64]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS = np.uint64(11)
VACANT = 0  # code of a site that a particle may enter
NO_ENERGY, SYMMETRIC, METROPOLIS = 0, 1, 2
TARGET, REVERSE, BOND = 0, 1, 2  # columns of ``ways``
ATTEMPT, BARRIER, MUTUAL, CROSS_SECTION = 0, 1, 2, 3  # last axis of ``numbers``
SOURCE, RESULT, WATCHED = 0, 1, 2  # columns of ``kinds``
THERMAL, PER_DOSE, FACTORS = 0, 1, 2  # columns of ``strengths``
TIME, NEXT, PART_END = 0, 1, 2  # places in ``clock``
CYCLE, PART, EVENTS, STAMP = 0, 1, 2, 3  # places in ``count``
LOGGED, PARTICLES, BEGUN = 4, 5, 6


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
def lift(tree: Float, level: Int64, nodes: Int64, n: int) -> None:
    """Form the sums above the leaves ``nodes[:n]`` anew; ``nodes`` is used up."""
    for k in range(level.shape[0] - 1):
        below = level[k]
        above = level[k + 1]
        kept = 0
        last = np.int64(-1)
        for index in range(n):
            block = nodes[index] >> 3
            if block != last:
                f = below + 8 * block
                left = (tree[f] + tree[f + 1]) + (tree[f + 2] + tree[f + 3])
                right = (tree[f + 4] + tree[f + 5]) + (tree[f + 6] + tree[f + 7])
                tree[above + block] = left + right
                nodes[kept] = block
                kept += 1
                last = block
        n = kept


@kernel
def pick(tree: Float, level: Int64, draw: float) -> Any:
    """Return the leaf in whose share of the total ``draw`` in [0, 1) falls, and how far in."""
    rest = draw * tree[level[-1]]
    node = np.int64(0)
    for k in range(level.shape[0] - 2, -1, -1):
        first = level[k] + 8 * node
        chosen = np.int64(0)
        inside = False
        for child in range(8):
            share = tree[first + child]
            if share > 0.0:
                chosen = np.int64(child)
                if rest < share:
                    inside = True
                    break
                rest -= share
        if not inside:  # rounding ran over the end: the last child that has a share
            rest = 0.0
        node = 8 * node + chosen
    return node, rest


@kernel
def draw_next(clock: Float, total: float, lanes: UInt64) -> None:
    """Draw the time of the next event: never, where nothing can happen."""
    if total > 0.0:
        clock[NEXT] = clock[TIME] - np.log(1.0 - uniform(lanes)) / total
    else:
        clock[NEXT] = np.inf


@kernel
def note(stamp: Int64, touched: Int64, now: int, site: int, n: int) -> int:
    """Put ``site`` on the list of touched ones, once; return the length of the list."""
    if stamp[site] != now:
        stamp[site] = now
        touched[n] = site
        n += 1
    return n


@kernel
def note_around(
    start: Int64, links: Int32, stamp: Int64, touched: Int64, now: int, site: int, n: int
) -> int:
    """Put the neighbours of ``site`` on the list of touched ones."""
    for entry in range(start[site], start[site + 1]):
        n = note(stamp, touched, now, links[entry, 0], n)
    return n


@kernel
def set_fields(
    codes: Int8,
    field: Float,
    site_energy: Float,
    pair_energy: Float,
    start: Int64,
    links: Int32,
    weight: Float,
    sites: Int64,
    n: int,
) -> None:
    """Write the energy of every code on ``sites[:n]`` among their neighbours."""
    n_codes = field.shape[1]
    for index in range(n):
        site = sites[index]
        for code in range(n_codes):
            field[site, code] = site_energy[site, code]
        for entry in range(start[site], start[site + 1]):
            other = codes[links[entry, 0]]
            kind = links[entry, 1]
            for code in range(n_codes):
                field[site, code] += weight[entry] * pair_energy[kind, other, code]


@kernel
def way_rate(
    codes: Int8,
    field: Float,
    dose: Float,
    ways: Int32,
    numbers: Float,
    rule: int,
    site: int,
    way: int,
) -> float:
    """Return the rate of the hop from ``site`` along ``way``; 0 unless it leads to a vacancy."""
    code = codes[site]
    goal = ways[way, TARGET]
    if code == VACANT or codes[goal] != VACANT:
        return 0.0
    bond = ways[way, BOND]
    rate = numbers[code, bond, ATTEMPT]
    if rule != NO_ENERGY:
        change = (field[goal, code] - field[goal, VACANT]) - (
            field[site, code] - field[site, VACANT]
        )
        change += numbers[code, bond, MUTUAL]
        height = numbers[code, bond, BARRIER]
        if rule == METROPOLIS:
            height += max(change, 0.0)
        else:
            height = max(height + 0.5 * change, max(change, 0.0))
        rate *= np.exp(-height)
    return rate + numbers[code, bond, CROSS_SECTION] * dose[site]


@kernel
def set_ways(
    codes: Int8,
    field: Float,
    dose: Float,
    start: Int64,
    ways: Int32,
    numbers: Float,
    rule: int,
    rate: Float,
    stamp: Int64,
    touched: Int64,
    n: int,
) -> int:
    """Renew the rates of all ways from and to ``touched[:n]``; list the others they leave, too."""
    now = stamp[touched[0]]
    first_n = n
    for index in range(first_n):
        site = touched[index]
        occupied = codes[site] != VACANT
        for way in range(start[site], start[site + 1]):
            back = ways[way, REVERSE]
            if occupied:
                rate[way] = way_rate(codes, field, dose, ways, numbers, rule, site, way)
                fresh = 0.0
            else:
                rate[way] = 0.0
                fresh = way_rate(codes, field, dose, ways, numbers, rule, ways[way, TARGET], back)
            if fresh != rate[back]:
                rate[back] = fresh
                n = note(stamp, touched, now, ways[way, TARGET], n)
    return n


@kernel
def change_rates(
    codes: Int8,
    field: Float,
    dose: Float,
    kinds: Int8,
    strengths: Float,
    start: Int64,
    near: Int32,
    rule: int,
    site: int,
    change: int,
) -> Any:
    """Return the beam's and the thermal rate of one change at ``site``."""
    code = codes[site]
    if code != kinds[change, SOURCE]:
        return 0.0, 0.0
    seen = 0
    if kinds[change, WATCHED] >= 0:
        for entry in range(start[site], start[site + 1]):
            if codes[near[entry, 0]] == kinds[change, WATCHED]:
                seen += near[entry, 1]
    factor = strengths[change, FACTORS + seen]
    thermal = factor * strengths[change, THERMAL]
    if rule != NO_ENERGY:
        thermal *= np.exp(-0.5 * (field[site, kinds[change, RESULT]] - field[site, code]))
    return factor * (strengths[change, PER_DOSE] * dose[site]), thermal


@kernel
def set_leaves(
    codes: Int8,
    field: Float,
    dose: Float,
    kinds: Int8,
    strengths: Float,
    near_start: Int64,
    near: Int32,
    rule: int,
    rate: Float,
    start: Int64,
    tree: Float,
    touched: Int64,
    n: int,
) -> None:
    """Write the sum of all rates at each of ``touched[:n]``."""
    for index in range(n):
        site = touched[index]
        total = 0.0
        for change in range(kinds.shape[0]):
            beam, thermal = change_rates(
                codes, field, dose, kinds, strengths, near_start, near, rule, site, change
            )
            total += beam + thermal
        for way in range(start[site], start[site + 1]):
            total += rate[way]
        tree[site] = total


@kernel
def choose_change(
    codes: Int8,
    field: Float,
    dose: Float,
    kinds: Int8,
    strengths: Float,
    near_start: Int64,
    near: Int32,
    rule: int,
    site: int,
    rest: float,
) -> Any:
    """Return the change in whose share ``rest`` falls (-1: beyond all), what is left, and whether
    the beam did it; the last change with a share where nothing lies beyond.
    """
    last = -1
    by_beam = False
    for change in range(kinds.shape[0]):
        beam, thermal = change_rates(
            codes, field, dose, kinds, strengths, near_start, near, rule, site, change
        )
        if beam + thermal > 0.0:
            last = change
            by_beam = rest < beam
            if rest < beam + thermal:
                return change, last, rest, by_beam
            rest -= beam + thermal
    return -1, last, rest, by_beam


@kernel
def choose_way(rate: Float, first: int, end: int, rest: float) -> Any:
    """Return the way in whose share ``rest`` falls, -1 where none has a share, and what is left."""
    chosen = -1
    for way in range(first, end):
        share = rate[way]
        if share > 0.0:
            chosen = way
            if rest < share:
                break
            rest -= share
    return chosen, rest


@kernel
def follow_particle(
    holder: Int64, site_of: Int64, count: Int64, site: int, goal: int, lost: bool
) -> int:
    """Carry identities along with a hop, a birth or a loss; return the particle."""
    particle = holder[site]
    if goal != site:
        holder[site] = -1
        holder[goal] = particle
        site_of[particle] = goal
    elif particle < 0:
        particle = count[PARTICLES]
        count[PARTICLES] += 1
        holder[site] = particle
        site_of[particle] = site
    elif lost:
        holder[site] = -1
        site_of[particle] = -1
    return int(particle)


@kernel
def enter_part(
    starts: Float,
    doses: Float,
    period: float,
    clock: Float,
    count: Int64,
    dose: Float,
    stamp: Int64,
    touched: Int64,
) -> int:
    """Begin, or go to the next part of the schedule; list the sites whose dose rate changes."""
    fresh = count[BEGUN] == 0
    if fresh:
        count[BEGUN] = 1
    else:
        clock[TIME] = clock[PART_END]
        count[PART] += 1
        if count[PART] == starts.shape[0]:
            count[PART] = 0
            count[CYCLE] += 1
    before = count[CYCLE] * period if count[CYCLE] > 0 else 0.0
    if count[PART] + 1 < starts.shape[0]:
        clock[PART_END] = before + starts[count[PART] + 1]
    else:
        clock[PART_END] = before + period
    count[STAMP] += 1
    n = 0
    for site in range(dose.shape[0]):
        now = doses[count[PART], site if doses.shape[1] > 1 else 0]
        if fresh or now != dose[site]:
            dose[site] = now
            n = note(stamp, touched, count[STAMP], site, n)
    return n


@kernel
def run_events(
    hops: Hops,
    changes: Changes,
    energies: Interactions,
    state: EventState,
    schedule: Schedule,
    until: float,
    log: EventLog,
) -> bool:
    """Let events happen up to the time ``until``; return False when an array filled up before."""
    start, ways, numbers, shift = hops.start, hops.ways, hops.numbers, hops.shift
    kinds, strengths, near_start, near = (
        changes.kinds,
        changes.strengths,
        changes.start,
        changes.near,
    )
    pair_start, links, weight = energies.start, energies.links, energies.weight
    codes, field, dose, rate = state.codes, state.field, state.dose, state.rate
    tree, level, stamp, touched = state.tree, state.level, state.stamp, state.touched
    clock, count, holder, site_of = state.clock, state.count, state.holder, state.site_of
    rule, root = energies.rule, level[-1]
    while True:
        site = goal = -1
        if count[BEGUN] == 0 or (clock[PART_END] <= until and clock[NEXT] >= clock[PART_END]):
            n = enter_part(
                schedule.start, schedule.dose, schedule.period, clock, count, dose, stamp, touched
            )
        elif clock[NEXT] > until:
            return True
        elif count[LOGGED] == log.time.shape[0] > 0 or count[PARTICLES] == site_of.shape[0] > 0:
            return False
        else:
            clock[TIME] = clock[NEXT]
            site, rest = pick(tree, level, uniform(state.lanes))
            change, last, rest, by_beam = choose_change(
                codes, field, dose, kinds, strengths, near_start, near, rule, site, rest
            )
            way = -1
            if change < 0:
                way, rest = choose_way(rate, start[site], start[site + 1], rest)
            goal = site
            code = codes[site]
            if way >= 0:
                goal = np.int64(ways[way, TARGET])
                by_beam = rest < numbers[code, ways[way, BOND], CROSS_SECTION] * dose[site]
                codes[goal] = code
                codes[site] = VACANT
            else:
                change = last
                codes[site] = kinds[change, RESULT]
            particle = -1
            if holder.shape[0] > 0:
                particle = follow_particle(
                    holder, site_of, count, site, goal, codes[site] == VACANT
                )
                if way >= 0:
                    for axis in range(shift.shape[1]):
                        state.winding[particle, axis] += shift[way, axis]
            if log.time.shape[0] > 0:
                place = count[LOGGED]
                log.time[place] = clock[TIME]
                log.beam[place] = by_beam
                log.change[place] = change
                log.particle[place] = particle
                log.site_from[place] = site
                log.site_to[place] = goal
                count[LOGGED] += 1
            count[EVENTS] += 1
            count[STAMP] += 1
            n = note(stamp, touched, count[STAMP], site, 0)
            n = note(stamp, touched, count[STAMP], goal, n)
            n = note_around(pair_start, links, stamp, touched, count[STAMP], site, n)
            n = note_around(pair_start, links, stamp, touched, count[STAMP], goal, n)
        set_fields(
            codes,
            field,
            energies.site_energy,
            energies.pair_energy,
            pair_start,
            links,
            weight,
            touched,
            n,
        )
        n = set_ways(codes, field, dose, start, ways, numbers, rule, rate, stamp, touched, n)
        if site >= 0:
            n = note_around(near_start, near, stamp, touched, count[STAMP], site, n)
            n = note_around(near_start, near, stamp, touched, count[STAMP], goal, n)
        set_leaves(
            codes,
            field,
            dose,
            kinds,
            strengths,
            near_start,
            near,
            rule,
            rate,
            start,
            tree,
            touched,
            n,
        )
        lift(tree, level, touched, n)
        draw_next(clock, tree[root], state.lanes)
