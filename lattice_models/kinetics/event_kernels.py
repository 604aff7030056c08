"""Compiled event loop of kinetic Monte Carlo; the kernels and their helpers live here.

What can happen at a site adds up to the site's rate; the sites are the leaves of a tree in which
every node holds the sum of its eight children. An event costs the sums on its way up, each formed
anew, so that nothing drifts. The time of the next event is drawn once and kept, so that a run may
be cut anywhere; where the beam changes, the clock starts anew, which is exact because waiting times
have no memory (Bortz, Kalos & Lebowitz 1975, doi:10.1016/0021-9991(75)90060-1; Gillespie 1977,
doi:10.1021/j100540a008).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel
from physlearn.lattice_models.kinetics.event_tables import (
    Changes,
    EventLog,
    EventState,
    Hops,
    Interactions,
    Schedule,
)

Index = int | np.unsignedinteger[Any]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS = np.uint64(11)
VACANT = 0  # code of a site that a particle may enter
NO_ENERGY, SYMMETRIC, METROPOLIS = 0, 1, 2
# indices without sign save numba the question whether to count from the end
ONE, TWO, THREE, FOUR = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4)
ROW = np.uintp(8)  # length of a row of ``sites``
CODE, HOLDER, STAMP = np.uintp(0), np.uintp(1), np.uintp(2)  # places in such a row
WAYS, LINKS, NEAR = np.uintp(3), np.uintp(4), np.uintp(5)
TARGET, REVERSE, BOND = np.uintp(0), np.uintp(1), np.uintp(2)  # places in a row of ``ways``
ATTEMPT, BARRIER, MUTUAL, CROSS_SECTION = 0, 1, 2, 3  # last axis of ``numbers``
SOURCE, RESULT, WATCHED = 0, 1, 2  # columns of ``kinds``
THERMAL, PER_DOSE, FACTORS = 0, 1, 2  # columns of ``strengths``
TIME, NEXT, PART_END = 0, 1, 2  # places in ``clock``
CYCLE, PART, EVENTS, NOW = 0, 1, 2, 3  # places in ``counts``
LOGGED, PARTICLES, BEGUN, BUDGET = 4, 5, 6, 7


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
def pick(tree: Float, level: Int64, draw: float) -> Any:
    """Return the leaf in whose share of the total ``draw`` in [0, 1) falls, and how far in."""
    rest = draw * tree[level[-1]]
    node = np.int64(0)
    for k in range(level.shape[0] - 2, -1, -1):
        first = level[np.uintp(k)] + 8 * node
        chosen = 0
        inside = False
        for child in range(8):
            share = tree[np.uintp(first + child)]
            if share > 0.0:
                chosen = child
                if rest < share:
                    inside = True
                    break
                rest -= share
        if not inside:  # rounding ran over the end: the last child that has a share
            rest = 0.0
        node = 8 * node + chosen
    return np.uintp(node), rest


@kernel
def draw_next(clock: Float, total: float, lanes: UInt64) -> None:
    """Draw the time of the next event: never, where nothing can happen."""
    if total > 0.0:
        clock[NEXT] = clock[TIME] - math.log(1.0 - uniform(lanes)) / total
    else:
        clock[NEXT] = np.inf


@kernel
def note(sites: Int64, touched: Int64, now: int, site: Index, n: int) -> int:
    """Put ``site`` on the list of touched ones, once; return the length of the list."""
    if sites[ROW * site + STAMP] != now:
        sites[ROW * site + STAMP] = now
        touched[np.uintp(n)] = site
        n += 1
    return n


@kernel
def note_around(
    sites: Int64, column: Index, links: Int32, touched: Int64, now: int, site: Index, n: int
) -> int:
    """Put the neighbours of ``site`` on the list of touched ones."""
    for entry in range(sites[ROW * site + column], sites[ROW * (site + ONE) + column]):
        n = note(sites, touched, now, np.uintp(links[np.uintp(entry), 0]), n)
    return n


@kernel
def set_fields(
    sites: Int64, local: Float, site_energy: Float, pair_energy: Float, links: Int32, weight: Float,
    touched: Int64, n: int,
) -> None:  # fmt: skip
    """Write the energy of every code on ``touched[:n]`` among their neighbours."""
    for index in range(n):
        site = np.uintp(touched[np.uintp(index)])
        first = sites[ROW * site + LINKS]
        end = sites[ROW * (site + ONE) + LINKS]
        for code in range(site_energy.shape[1]):
            total = site_energy[site, np.uintp(code)]
            for link in range(first, end):
                entry = np.uintp(link)
                other = np.uintp(sites[ROW * np.uintp(links[entry, 0]) + CODE])
                kind = np.uintp(links[entry, 1])
                total += weight[entry] * pair_energy[kind, other, np.uintp(code)]
            local[site, np.uintp(code)] = total


@kernel
def boltzmann_factor(barrier: float, change: float, rule: int) -> float:
    """Return exp(-E_a) of a hop that changes the energy by ``change``, all in kT."""
    up = max(change, 0.0)
    height = barrier + up if rule == METROPOLIS else max(barrier + 0.5 * change, up)
    return math.exp(-height)


@kernel
def set_ways(
    sites: Int64, local: Float, ways: Int32, numbers: Float, rule: int, rate: Float, touched: Int64,
    n: int,
) -> int:  # fmt: skip
    """Renew the rates of all ways from and to ``touched[:n]``; list the others they leave, too.

    A way has a rate where it leads from a particle to a vacancy: one of the two ways of a bond.
    """
    n_first = n
    dose = np.uintp(local.shape[1] - 1)
    for index in range(n_first):
        site = np.uintp(touched[np.uintp(index)])
        now = sites[ROW * site + STAMP]
        here = np.uintp(sites[ROW * site + CODE])
        first, end = sites[ROW * site + WAYS], sites[ROW * (site + ONE) + WAYS]
        if here == VACANT:
            for entry in range(first, end):
                way = np.uintp(entry)
                other = np.uintp(ways[THREE * way + TARGET])
                code = np.uintp(sites[ROW * other + CODE])
                fresh = 0.0
                if code != VACANT:
                    bond = np.uintp(ways[THREE * way + BOND])
                    fresh = numbers[code, bond, ATTEMPT]
                    if rule != NO_ENERGY:
                        change = local[site, code] - local[site, VACANT]
                        change -= local[other, code] - local[other, VACANT]
                        change += numbers[code, bond, MUTUAL]
                        fresh *= boltzmann_factor(numbers[code, bond, BARRIER], change, rule)
                    fresh += numbers[code, bond, CROSS_SECTION] * local[other, dose]
                rate[way] = 0.0
                back = np.uintp(ways[THREE * way + REVERSE])
                if fresh != rate[back]:
                    rate[back] = fresh
                    n = note(sites, touched, now, other, n)
        else:
            for entry in range(first, end):
                way = np.uintp(entry)
                other = np.uintp(ways[THREE * way + TARGET])
                fresh = 0.0
                if sites[ROW * other + CODE] == VACANT:
                    bond = np.uintp(ways[THREE * way + BOND])
                    fresh = numbers[here, bond, ATTEMPT]
                    if rule != NO_ENERGY:
                        change = local[other, here] - local[other, VACANT]
                        change -= local[site, here] - local[site, VACANT]
                        change += numbers[here, bond, MUTUAL]
                        fresh *= boltzmann_factor(numbers[here, bond, BARRIER], change, rule)
                    fresh += numbers[here, bond, CROSS_SECTION] * local[site, dose]
                rate[way] = fresh
                back = np.uintp(ways[THREE * way + REVERSE])
                if rate[back] != 0.0:
                    rate[back] = 0.0
                    n = note(sites, touched, now, other, n)
    return n


@kernel
def set_changes(
    sites: Int64, local: Float, kinds: Int8, strengths: Float, near: Int32, rule: int, share: Float,
    touched: Int64, n: int,
) -> None:  # fmt: skip
    """Write the beam's and the thermal rate of all changes at ``touched[:n]`` into ``share``."""
    dose = local.shape[1] - 1
    for index in range(n):
        site = np.uintp(touched[np.uintp(index)])
        code = sites[ROW * site + CODE]
        for number in range(kinds.shape[0]):
            change = np.uintp(number)
            beam = 0.0
            thermal = 0.0
            if code == kinds[change, SOURCE]:
                seen = 0
                if kinds[change, WATCHED] >= 0:
                    for entry in range(sites[ROW * site + NEAR], sites[ROW * (site + ONE) + NEAR]):
                        other = np.uintp(near[np.uintp(entry), 0])
                        if sites[ROW * other + CODE] == kinds[change, WATCHED]:
                            seen += near[np.uintp(entry), 1]
                factor = strengths[change, np.uintp(FACTORS + seen)]
                thermal = factor * strengths[change, THERMAL]
                if rule != NO_ENERGY:
                    result = np.uintp(kinds[change, RESULT])
                    rise = local[site, result] - local[site, np.uintp(code)]
                    thermal *= math.exp(-0.5 * rise)
                beam = factor * (strengths[change, PER_DOSE] * local[site, np.uintp(dose)])
            share[site, change, 0] = beam
            share[site, change, 1] = thermal


@kernel
def sum_up(
    sites: Int64, rate: Float, share: Float, tree: Float, level: Int64, touched: Int64, n: int
) -> None:
    """Form the sums of rates at and above ``touched[:n]`` anew; the list is used up."""
    for index in range(n):
        site = np.uintp(touched[np.uintp(index)])
        total = 0.0
        for change in range(share.shape[1]):
            total += share[site, np.uintp(change), 0] + share[site, np.uintp(change), 1]
        for way in range(sites[ROW * site + WAYS], sites[ROW * (site + ONE) + WAYS]):
            total += rate[np.uintp(way)]
        tree[site] = total
    for k in range(level.shape[0] - 1):
        below = level[np.uintp(k)]
        above = level[np.uintp(k + 1)]
        kept = 0
        last = np.int64(-1)
        for index in range(n):
            block = touched[np.uintp(index)] >> 3
            if block != last:
                f = np.uintp(below + 8 * block)
                left = (tree[f] + tree[f + ONE]) + (tree[f + TWO] + tree[f + THREE])
                f += FOUR
                right = (tree[f] + tree[f + ONE]) + (tree[f + TWO] + tree[f + THREE])
                tree[np.uintp(above + block)] = left + right
                touched[np.uintp(kept)] = block
                kept += 1
                last = block
        n = kept


@kernel
def choose(sites: Int64, rate: Float, share: Float, site: Index, rest: float) -> Any:
    """Return the change or way (-1: not this) in whose share ``rest`` falls, and what is left.

    Where rounding ran over the end it is the last one that has a share.
    """
    change = -1
    for candidate in range(share.shape[1]):
        here = share[site, np.uintp(candidate), 0] + share[site, np.uintp(candidate), 1]
        if here > 0.0:
            change = candidate
            if rest < here:
                return change, -1, rest
            rest -= here
    way = -1
    for candidate in range(sites[ROW * site + WAYS], sites[ROW * (site + ONE) + WAYS]):
        here = rate[np.uintp(candidate)]
        if here > 0.0:
            way = candidate
            change = -1
            if rest < here:
                break
            rest -= here
    return change, way, rest


@kernel
def follow(
    sites: Int64, winding: Int32, shift: Int32, count: Int64, site: Index,
    goal: Index, way: Index,
) -> int:  # fmt: skip
    """Carry identities along with a hop, a birth or a loss; return the particle."""
    particle = sites[ROW * site + HOLDER]
    if way >= 0:
        sites[ROW * site + HOLDER] = -1
        sites[ROW * goal + HOLDER] = particle
        for axis in range(shift.shape[1]):
            crossed = shift[np.uintp(way), np.uintp(axis)]
            winding[np.uintp(particle), np.uintp(axis)] += crossed
    elif particle < 0:
        particle = count[PARTICLES]
        count[PARTICLES] += 1
        sites[ROW * site + HOLDER] = particle
    elif sites[ROW * site + CODE] == VACANT:
        sites[ROW * site + HOLDER] = -1
    return int(particle)


@kernel
def write_event(
    log_time: Float, log_row: Int64, clock: Float, count: Int64, change: int, particle: int,
    site: Index, goal: Index, beam: bool,
) -> None:  # fmt: skip
    """Put the event of the present time into the log."""
    row = np.uintp(count[LOGGED])
    log_time[row] = clock[TIME]
    log_row[row, 0] = change
    log_row[row, 1] = particle
    log_row[row, 2] = site
    log_row[row, 3] = goal
    log_row[row, 4] = beam
    count[LOGGED] += 1


@kernel
def enter_part(
    starts: Float, doses: Float, period: float, clock: Float, count: Int64, sites: Int64,
    local: Float, touched: Int64,
) -> int:  # fmt: skip
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
    dose = local.shape[1] - 1
    n = int(np.int64(0))  # a plain 0 would compile ``note`` once more
    for number in range(local.shape[0]):
        site = np.uintp(number)
        now = doses[count[PART], number if doses.shape[1] > 1 else 0]
        if fresh or now != local[site, dose]:
            local[site, dose] = now
            n = note(sites, touched, count[NOW], site, n)
    return n


@kernel
def run_events(
    hops: Hops, changes: Changes, energies: Interactions, state: EventState, schedule: Schedule,
    until: float, log: EventLog,
) -> bool:  # fmt: skip
    """Let events happen up to the time ``until``; return False when room or budget ended before."""
    # flat: constant lengths of rows spare the strides of two dimensions
    sites, ways = state.sites.reshape(-1), hops.ways.reshape(-1)
    local, rate, share = state.local, state.rate, state.share
    tree, level, touched = state.tree, state.level, state.touched
    clock, count, lanes = state.clock, state.counts, state.lanes
    winding, shift, numbers = state.winding, hops.shift, hops.numbers
    kinds, strengths, near = changes.kinds, changes.strengths, changes.near
    site_energy, pair_energy, rule = energies.site_energy, energies.pair_energy, energies.rule
    links, weight, starts, doses = energies.links, energies.weight, schedule.start, schedule.dose
    log_time, log_row = log.time, log.row
    root, dose = np.uintp(level[-1]), np.uintp(local.shape[1] - 1)
    while True:
        event = False
        site = goal = np.uintp(0)
        if count[BEGUN] == 0 or (clock[PART_END] <= until and clock[NEXT] >= clock[PART_END]):
            count[NOW] += 1
            n = enter_part(starts, doses, schedule.period, clock, count, sites, local, touched)
        elif clock[NEXT] > until:
            return True
        elif (
            count[BUDGET] <= 0
            or count[LOGGED] == log_time.shape[0] > 0
            or count[PARTICLES] == winding.shape[0] > 0
        ):
            return False
        else:
            event = True
            clock[TIME] = clock[NEXT]
            count[EVENTS] += 1
            count[BUDGET] -= 1
            count[NOW] += 1
            site, rest = pick(tree, level, uniform(lanes))
            change, way, rest = choose(sites, rate, share, site, rest)
            goal = site
            code = np.uintp(sites[ROW * site + CODE])
            if way >= 0:
                goal = np.uintp(ways[THREE * np.uintp(way) + TARGET])
                bond = np.uintp(ways[THREE * np.uintp(way) + BOND])
                beam = numbers[code, bond, CROSS_SECTION] * local[site, dose]
                sites[ROW * goal + CODE] = code
                sites[ROW * site + CODE] = VACANT
            else:
                beam = share[site, np.uintp(change), 0]
                sites[ROW * site + CODE] = kinds[np.uintp(change), RESULT]
            particle = -1
            if winding.shape[0] > 0:
                particle = follow(sites, winding, shift, count, site, goal, way)
            if log_time.shape[0] > 0:
                write_event(
                    log_time, log_row, clock, count, change, particle, site, goal, rest < beam
                )
            n = note(sites, touched, count[NOW], site, int(np.int64(0)))
            n = note(sites, touched, count[NOW], goal, n)
            if rule != NO_ENERGY:
                n = note_around(sites, LINKS, links, touched, count[NOW], site, n)
                if goal != site:
                    n = note_around(sites, LINKS, links, touched, count[NOW], goal, n)
        if rule != NO_ENERGY:
            set_fields(sites, local, site_energy, pair_energy, links, weight, touched, n)
        if ways.shape[0] > 0:
            n = set_ways(sites, local, ways, numbers, rule, rate, touched, n)
        if share.shape[1] > 0:
            if event:
                n = note_around(sites, NEAR, near, touched, count[NOW], site, n)
                if goal != site:
                    n = note_around(sites, NEAR, near, touched, count[NOW], goal, n)
            set_changes(sites, local, kinds, strengths, near, rule, share, touched, n)
        sum_up(sites, rate, share, tree, level, touched, n)
        draw_next(clock, tree[root], lanes)
