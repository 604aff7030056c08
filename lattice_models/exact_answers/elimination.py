"""Exact answers and independent exact pictures of medium lattices, by summing site after site.

Sites are summed out one by one; what a site leaves behind is a table over its neighbours that are
still there (Dechter 1999, doi:10.1016/S0004-3702(99)00059-4). That is the transfer matrix for any
graph: random bonds and fields, triplets, vacancies and any boundary are no obstacle, only the
number of sites that one table spans. Drawn backwards, the same tables give pictures without any
memory of each other (Lauritzen and Spiegelhalter 1988, doi:10.1111/j.2517-6161.1988.tb01721.x).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_count
from physlearn.lattice_models.hamiltonians.energy_terms import (
    EnergyTerms,
    Hamiltonian,
    check_graph,
    check_hamiltonian,
)
from physlearn.records import LatticeSnapshots, SiteGraph
from physlearn.records.storage import html_table, short_repr

__all__ = ["ExactThermodynamics", "draw_exact_snapshots", "exact_thermodynamics"]

Float = NDArray[np.float64]
LARGEST_TABLE = 1 << 22
LARGEST_MEMORY = 1 << 26
"""Largest numbers of entries of one table, and of all tables that a drawing keeps."""
MOST_SITES_SEARCHED = 20000


@dataclass(frozen=True, slots=True)
class ExactThermodynamics:
    """Exact sums over all states of a lattice, in kT; M is the sum of the state values.

    Attributes
    ----------
    log_partition
        log Z.
    energy, energy_variance
        Mean and variance of the energy of the whole lattice.
    magnetization, magnetization_variance
        Mean and variance of M.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> free = exact_thermodynamics(Ising([0.0]), square_lattice((4, 4)))
    >>> round(free.magnetization_variance, 9)
    16.0
    """

    log_partition: float
    energy: float
    energy_variance: float
    magnetization: float
    magnetization_variance: float

    __repr__ = short_repr
    _repr_html_ = html_table


class _Table(NamedTuple):
    """A function of the states of some sites; one axis a site, the next to be summed out first.

    ``log_weight`` and, given those states, mean and variance of the energy and of M of all that was
    summed into it. Without moments these are empty.
    """

    sites: tuple[int, ...]
    log_weight: Float
    moments: tuple[Float, ...]


class _Step(NamedTuple):
    """One site, and the log probability of its state (first axis) given the sites of its table."""

    site: int
    given: tuple[int, ...]
    log_chance: Float


def exact_thermodynamics(hamiltonian: Hamiltonian, graph: SiteGraph) -> ExactThermodynamics:
    """Return log Z and mean and variance of energy and magnetization of a medium lattice.

    Parameters
    ----------
    hamiltonian
        Any Hamiltonian; random bonds, fields of single sites and triplets included.
    graph
        Any graph on which sites can be summed out one by one with tables of at most 2 ** 22
        entries: open square lattices of two states with a side of up to 20, tori up to 10, strips
        of any length; honeycomb lattices wider still.

    Raises
    ------
    InputError
        For a graph whose tables would be larger.

    Examples
    --------
    >>> from physlearn.lattice_models import spin_glass, square_lattice
    >>> graph = square_lattice((12, 12), periodic=False)
    >>> glass = spin_glass(graph, 0.5, rng=1)
    >>> round(exact_thermodynamics(glass, graph).log_partition, 6)
    131.354837
    """
    terms = check_hamiltonian(hamiltonian).terms(check_graph(graph))
    order = _best_order(terms, graph)
    tables = _first_tables(terms, order, True)
    total, _ = _sum_out(tables, order, len(terms.state_values), False)
    return ExactThermodynamics(
        float(total.log_weight), *(float(moment) for moment in total.moments)
    )


def draw_exact_snapshots(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    n_snapshots: int = 1,
    *,
    rng: int | np.random.Generator | None = None,
) -> LatticeSnapshots:
    """Draw independent pictures at equilibrium, exactly: no chain, no burn-in, no correlation.

    Parameters
    ----------
    hamiltonian, graph
        As in ``exact_thermodynamics``.
    n_snapshots
        Number of pictures.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        As in ``exact_thermodynamics``, or for a number of pictures below 1.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> graph = square_lattice((12, 12), periodic=False)
    >>> draw_exact_snapshots(Ising([0.4]), graph, 3, rng=1).states.shape
    (3, 144)
    """
    check_count("n_snapshots", n_snapshots, 1)
    terms = check_hamiltonian(hamiltonian).terms(check_graph(graph))
    generator, seed = as_generator(rng)
    order = _best_order(terms, graph, keep=True)
    tables = _first_tables(terms, order, False)
    _, steps = _sum_out(tables, order, len(terms.state_values), True)
    codes = np.zeros((n_snapshots, graph.n_sites), np.intp)
    for step in reversed(steps):
        here: tuple[Any, ...] = (slice(None), *(codes[:, site] for site in step.given))
        chances = np.exp(step.log_chance[here]).reshape(len(step.log_chance), -1)
        limits = np.cumsum(chances, axis=0)  # one column where no site is given
        draw = generator.random(n_snapshots) * limits[-1]
        codes[:, step.site] = np.minimum((draw >= limits).sum(axis=0), len(limits) - 1)
    return LatticeSnapshots(
        terms.state_values[codes], graph,
        state_values=tuple(int(value) for value in terms.state_values),
        metadata={
            "source": "draw_exact_snapshots", "method": "exact", "seed": seed, "boundary": "free"
        },
    )  # fmt: skip


def _neighbours(terms: EnergyTerms) -> list[set[int]]:
    """Return the sites that share a bond or a triplet with each site."""
    n_sites = len(terms.site_energy)
    near = [
        set(terms.neighbour[terms.start[site] : terms.start[site + 1]].tolist())
        for site in range(n_sites)
    ]
    for row in terms.triplets.tolist():
        for site in row:
            near[site].update(row)
    for site in range(n_sites):
        near[site].discard(site)
    return near


def _best_order(terms: EnergyTerms, graph: SiteGraph, keep: bool = False) -> list[int]:
    """Return the order of summing with the least work among a few, or refuse."""
    q, near = len(terms.state_values), _neighbours(terms)
    most = int(np.log(LARGEST_TABLE) / np.log(q) + 1e-9) - 1
    orders = [list(range(graph.n_sites))]
    if graph.positions is not None:
        orders += [
            np.lexsort(np.roll(graph.positions, turn, axis=1).T).tolist()
            for turn in range(graph.positions.shape[1])
        ]
    if graph.n_sites <= MOST_SITES_SEARCHED:
        orders.append(_by_degree(near, most))
    best, least = orders[0], np.inf
    for order in orders:
        work = sum(float(q) ** (width + 1) for width in _widths(near, order, most))
        if len(order) == graph.n_sites and work < least:
            best, least = order, work
    if not np.isfinite(least) or (keep and least > LARGEST_MEMORY):
        wanted = f"{least:.2g} entries of all tables" if np.isfinite(least) else "a larger table"
        raise InputError(
            f"graph must be narrower to be summed exactly: it needs {wanted}, where one table may "
            f"span {most + 1} sites of {q} states"
            f"{f' and all hold {LARGEST_MEMORY} entries' if keep else ''}. Use simulate_lattice."
        )
    return best


def _by_degree(near: list[set[int]], most: int) -> list[int]:
    """Return the order that always takes the site with the fewest neighbours left.

    It ends early where even that site has more than ``most``.
    """
    left = [set(others) for others in near]
    waiting = [(len(others), site) for site, others in enumerate(left)]
    heapify(waiting)
    order: list[int] = []
    gone: set[int] = set()
    while waiting:
        degree, site = heappop(waiting)
        if site in gone or degree != len(left[site]):
            continue  # an older entry: the site has another one
        if degree > most:
            break
        order.append(site)
        gone.add(site)
        for other in left[site]:
            left[other] |= left[site]
            left[other] -= {site, other}
            heappush(waiting, (len(left[other]), other))
    return order


def _widths(near: list[set[int]], order: Sequence[int], most: int) -> list[float]:
    """Return how many sites the table of each site spans when they are summed in this order.

    A table beyond ``most`` ends the list with infinity.
    """
    left = [set(others) for others in near]
    widths: list[float] = []
    for site in order:
        others = left[site]
        if len(others) > most:
            return [*widths, np.inf]
        widths.append(len(others))
        for other in others:
            left[other] |= others
            left[other] -= {site, other}
    return widths


def _first_tables(terms: EnergyTerms, order: Sequence[int], moments: bool) -> list[_Table]:
    """Return the tables of all single sites, bonds and triplets."""
    rank = np.empty(len(order), np.intp)
    rank[np.asarray(order)] = np.arange(len(order))
    values = terms.state_values.astype(np.float64)
    tables = []

    def add(sites: Sequence[int], energy: Float, total: Float) -> None:
        # energies are the same for every order of the sites of a bond or triplet
        next_first = tuple(sorted((int(site) for site in sites), key=lambda one: rank[one]))
        none = np.zeros_like(energy)
        carried = (energy, none, total, none) if moments else ()
        tables.append(_Table(next_first, -energy, carried))

    for site, energy in enumerate(terms.site_energy):
        add((site,), energy, values)
        for entry in range(terms.start[site], terms.start[site + 1]):
            other = int(terms.neighbour[entry])
            if site < other:
                bond = terms.weight[entry] * terms.pair_energy[terms.kind[entry]]
                add((site, other), bond, np.zeros_like(bond))
    for row, motif in zip(terms.triplets.tolist(), terms.motif, strict=True):
        table = terms.triplet_energy[motif]
        add(row, table, np.zeros_like(table))
    return tables


def _sum_out(
    tables: list[_Table], order: Sequence[int], q: int, keep: bool
) -> tuple[_Table, list[_Step]]:
    """Return what is left when all sites are summed out, and how each was."""
    rank = {site: place for place, site in enumerate(order)}
    waiting: dict[int, list[_Table]] = {site: [] for site in order}
    rest: list[_Table] = []
    for table in tables:
        waiting[table.sites[0]].append(table)
    steps = []
    for site in order:
        joined = _join(waiting.pop(site), rank, q)
        summed, log_chance = _sum_first(joined)
        if keep:
            steps.append(_Step(site, joined.sites[1:], log_chance))
        (waiting[summed.sites[0]] if summed.sites else rest).append(summed)
    return _join(rest, rank, q), steps


def _join(tables: list[_Table], rank: dict[int, int], q: int) -> _Table:
    """Return the product of tables; means and variances of independent parts add."""
    sites = sorted({site for table in tables for site in table.sites}, key=lambda one: rank[one])
    shape = (q,) * len(sites)
    log_weight = np.zeros(shape)
    moments = tuple(np.zeros(shape) for _ in tables[0].moments)
    for table in tables:
        held = set(table.sites)
        spread = tuple(q if site in held else 1 for site in sites)
        log_weight += table.log_weight.reshape(spread)
        for mine, theirs in zip(moments, table.moments, strict=True):
            mine += theirs.reshape(spread)
    return _Table(tuple(sites), log_weight, moments)


def _sum_first(table: _Table) -> tuple[_Table, Float]:
    """Return the table summed over its first site, and the log probability of its states."""
    largest = table.log_weight.max(axis=0)
    weight = np.exp(table.log_weight - largest)
    total = weight.sum(axis=0)
    log_total = np.log(total) + largest
    moments = []
    if table.moments:
        weight /= total
        for mean, variance in zip(table.moments[::2], table.moments[1::2], strict=True):
            middle = (weight * mean).sum(axis=0)
            spread = (weight * (variance + (mean - middle) ** 2)).sum(axis=0)
            moments += [middle, spread]
    left = _Table(table.sites[1:], np.asarray(log_total), tuple(np.asarray(m) for m in moments))
    return left, table.log_weight - log_total
