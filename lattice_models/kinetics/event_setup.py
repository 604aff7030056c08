"""From records of rates to the arrays of kinetic Monte Carlo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian
from physlearn.lattice_models.kinetics.event_rates import (
    BeamSchedule,
    HopRates,
    Transformation,
    check_state,
)
from physlearn.lattice_models.kinetics.event_tables import (
    Changes,
    EventState,
    Hops,
    Interactions,
    Schedule,
)
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.records import SiteGraph

__all__ = [
    "check_records", "crossings", "make_changes", "make_event_state", "make_hops",
    "make_interactions", "make_schedule", "no_hops", "starting_codes", "sum_levels",
]  # fmt: skip

NO_ENERGY, SYMMETRIC, METROPOLIS = 0, 1, 2
CHILDREN = 8
CODE, HOLDER, WAYS, LINKS, NEAR = 0, 1, 3, 4, 5  # columns of ``sites``
PARTICLES, N_COUNTS = 5, 8

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]


def check_records(
    graph: object, transformations: object, beam: object, hamiltonian: object
) -> None:
    """Say which of the records of a run is not one."""
    if not isinstance(graph, SiteGraph):
        raise InputError(
            "graph must be a SiteGraph (square_lattice, site_graph_from_networkx, ...); got "
            f"{type(graph).__name__}."
        )
    if not isinstance(transformations, Sequence) or isinstance(transformations, str):
        raise InputError(
            "transformations must be a list of Transformation records; got "
            f"{type(transformations).__name__}."
        )
    for index, change in enumerate(transformations):
        if not isinstance(change, Transformation):
            raise InputError(
                "transformations must hold Transformation records; got "
                f"{type(change).__name__} at index {index}."
            )
    if beam is not None and not isinstance(beam, BeamSchedule):
        raise InputError(f"beam must be a BeamSchedule or None; got {type(beam).__name__}.")
    if hamiltonian is not None and not hasattr(hamiltonian, "terms"):
        raise InputError(
            "hamiltonian must be a record of energies such as LatticeGas or Ising, or None; got "
            f"{type(hamiltonian).__name__}."
        )


def starting_codes(
    start: ArrayLike,
    graph: SiteGraph,
    hamiltonian: Hamiltonian | None,
    transformations: Sequence[Transformation],
    named: set[int],
) -> tuple[list[int], NDArray[np.int8]]:
    """Return the states, ascending, and the code of each site at the start."""
    given = check_array("start", start, shape=(graph.n_sites,), dtype=np.int64)
    for change in transformations:
        named |= {change.from_state, change.to_state}
        named |= set() if change.neighbour_state is None else {change.neighbour_state}
    if hamiltonian is not None:
        states = [int(value) for value in hamiltonian.state_values]
        unknown = sorted(named - set(states))
        if unknown:
            raise InputError(
                f"hamiltonian must know every state; {unknown[0]} is not among its states {states}."
            )
    else:
        # every state that stands on a site is one, as long as the record can hold it
        states = sorted(named | {check_state("start", value) for value in np.unique(given)})
    wrong = np.flatnonzero(~np.isin(given, states))
    if wrong.size:
        raise InputError(f"start may hold only {states}; got {given[wrong[0]]} at site {wrong[0]}.")
    return states, np.searchsorted(states, given).astype(np.int8)


def make_schedule(beam: BeamSchedule | None, n_sites: int) -> Schedule:
    """Return the dose rates by part; none at all without beam."""
    if beam is None:
        return Schedule(np.zeros(1), np.zeros((1, 1)), np.inf)
    dose = beam.dose_rate_per_angstrom2_s
    if dose.ndim == 2 and dose.shape[1] != n_sites:
        raise InputError(
            f"dose_rate_per_angstrom2_s must have one column for each of the {n_sites} sites, "
            f"got shape {dose.shape}."
        )
    period = np.inf if beam.period_s is None else float(beam.period_s)
    return Schedule(beam.start_times_s.copy(), dose.reshape(len(dose), -1).copy(), period)


def make_interactions(
    hamiltonian: Hamiltonian | None,
    graph: SiteGraph,
    states: Sequence[int],
    rule: int = SYMMETRIC,
    site_energies: Float | None = None,
) -> tuple[Interactions, Int64]:
    """Return energies in kT with codes in the order of ``states``, and where links begin.

    ``site_energies`` (n_sites,) is added to every code but the first.
    """
    q, n_sites = len(states), graph.n_sites
    on_site = np.zeros((n_sites, q))
    if site_energies is not None:
        on_site[:, 1:] += site_energies[:, None]
    if hamiltonian is None:
        return Interactions(
            NO_ENERGY if site_energies is None else rule, on_site, np.zeros((1, q, q)),
            np.empty((0, 2), np.int32), np.empty(0),
        ), np.zeros(n_sites + 1, np.int64)  # fmt: skip
    terms = hamiltonian.terms(graph)
    if len(terms.triplets):
        raise InputError(
            "hamiltonian must hold energies of sites and pairs only; kinetic Monte Carlo has no "
            f"triplet terms (got {len(terms.triplets)} triplets)."
        )
    order = [list(terms.state_values).index(state) for state in states]
    pairs = np.ascontiguousarray(terms.pair_energy[:, order][:, :, order])
    return Interactions(
        rule, on_site + terms.site_energy[:, order], pairs,
        np.column_stack([terms.neighbour, terms.kind]).astype(np.int32), terms.weight,
    ), terms.start  # fmt: skip


def make_hops(
    rates: HopRates,
    graph: SiteGraph,
    states: Sequence[int],
    energies: Interactions,
    links_start: Int64,
    periods_crossed: NDArray[np.int32] | None,
) -> tuple[Hops, Int64]:
    """Return the ways between sites, their numbers by code and class, and where they begin."""
    barriers = [rates.barriers_of(state) for state in states]
    n_shells = max((len(found) for found in barriers if found is not None), default=0)
    if n_shells > graph.n_shells:
        raise InputError(
            f"barriers_ev has {n_shells} shells, the graph only {graph.n_shells}; build the graph "
            "with as many shells."
        )
    extra = _edge_barriers(rates, graph)
    edges = np.flatnonzero(graph.shell < n_shells)
    q = len(states)
    mutual = _mutual(energies, links_start, graph.edges[edges], q)
    columns = [graph.shell[edges], graph.multiplicity[edges], extra[edges], *mutual.T]
    bond, first = _classes(columns)
    numbers = np.zeros((q, max(len(first), 1), 4))
    shell, times = graph.shell[edges][first], graph.multiplicity[edges][first]
    for code, found in enumerate(barriers):
        if found is None:
            continue
        reachable = shell < len(found)
        height = np.where(reachable, np.append(found, np.zeros(n_shells))[shell], 0.0)
        height = np.where(reachable, height + extra[edges][first], 0.0)
        if np.any(height < 0.0):
            raise InputError(
                "edge_barriers_ev must leave every barrier at least 0; the lowest is "
                f"{height.min():.4g} eV, on edge {edges[first][np.argmin(height)]}."
            )
        named = rates.attempt_frequency_hz
        if isinstance(named, Mapping) and states[code] not in named:
            raise InputError(
                f"attempt_frequency_hz must name every state that hops; {states[code]} is missing."
            )
        here = numbers[code, : len(first)]
        frequency = rates.of_state("attempt_frequency_hz", states[code])
        section = rates.of_state("beam_cross_section_angstrom2", states[code])
        here[:, 0] = np.where(reachable, times * frequency, 0.0)
        here[:, 1] = height / rates.thermal_energy_ev
        here[:, 2] = mutual[first, code]
        here[:, 3] = np.where(reachable, times * section, 0.0)
    if energies.rule == NO_ENERGY:
        numbers[:, :, 0] *= np.exp(-numbers[:, :, 1])
    if periods_crossed is None:
        periods_crossed = np.zeros((len(graph.edges), 0), np.int32)
    return _directed(graph, edges, bond, periods_crossed[edges], numbers)


def no_hops(n_sites: int, q: int) -> tuple[Hops, Int64]:
    """Return the tables of a lattice on which nothing hops."""
    ways, shift = np.empty((0, 3), np.int32), np.empty((0, 0), np.int32)
    return Hops(ways, shift, np.zeros((q, 1, 4))), np.zeros(n_sites + 1, np.int64)


def _edge_barriers(rates: HopRates, graph: SiteGraph) -> Float:
    """Return what is added to the barrier of every edge."""
    n_edges = len(graph.edges)
    if rates.edge_barriers_ev is None:
        return np.zeros(n_edges)
    if rates.edge_barriers_ev.shape != (n_edges,):
        raise InputError(
            f"edge_barriers_ev must have one number for each of the {n_edges} edges of the graph, "
            f"got shape {rates.edge_barriers_ev.shape}."
        )
    return rates.edge_barriers_ev


def _mutual(energies: Interactions, start: Int64, edges: Int64, q: int) -> Float:
    """Return, (n_edges, q), what the bond between i and j adds to the energy of a hop i -> j.

    The fields of both sites count the bond between them: 2 E(a, 0) - E(a, a) - E(0, 0) corrects
    the sum of their differences, for a particle a and the vacant code 0.
    """
    out = np.zeros((len(edges), q))
    if not len(energies.weight) or not len(edges):
        return out
    n_sites = len(energies.site_energy)
    site = np.repeat(np.arange(n_sites), np.diff(start))
    once = site < energies.links[:, 0]
    pair = energies.pair_energy[energies.links[once, 1]]
    own = pair[:, range(q), range(q)]
    value = energies.weight[once, None] * (2.0 * pair[:, :, 0] - own - pair[:, :1, 0])
    keys, place = np.unique(site[once] * n_sites + energies.links[once, 0], return_inverse=True)
    sums = np.zeros((len(keys), q))
    np.add.at(sums, place, value)
    wanted = edges.min(axis=1) * n_sites + edges.max(axis=1)
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    hit = keys[found] == wanted
    out[hit] = sums[found[hit]]
    return out


def _classes(columns: Sequence[NDArray[np.generic]]) -> tuple[NDArray[np.int32], Int64]:
    """Return the class of each row of equal columns, and the first row of each class."""
    label = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, code = np.unique(column, return_inverse=True)
        label = np.unique(label * max(len(values), 1) + code, return_inverse=True)[1]
    first = np.unique(label, return_index=True)[1]
    return label.astype(np.int32), first.astype(np.int64)


def _directed(
    graph: SiteGraph,
    edges: Int64,
    bond: NDArray[np.int32],
    crossed: NDArray[np.int32],
    numbers: Float,
) -> tuple[Hops, Int64]:
    """Return both ways of each edge, sorted by the site they leave."""
    n = len(edges)
    left, right = graph.edges[edges].T
    site = np.concatenate([left, right])
    order = np.argsort(site, kind="stable")
    place = np.empty(2 * n, np.int64)
    place[order] = np.arange(2 * n)
    start = np.zeros(graph.n_sites + 1, np.int64)
    np.cumsum(np.bincount(site, minlength=graph.n_sites), out=start[1:])
    target, back = np.concatenate([right, left])[order], place[(order + n) % max(2 * n, 1)]
    hops = Hops(
        np.column_stack([target, back, np.tile(bond, 2)[order]]).astype(np.int32),
        np.ascontiguousarray(np.concatenate([crossed, -crossed])[order], dtype=np.int32),
        numbers,
    )
    return hops, start


def crossings(graph: SiteGraph) -> NDArray[np.int32] | None:
    """Return how many periods of the cell each edge crosses, (n_edges, d); None without cell."""
    if graph.cell is None or graph.positions is None:
        return None
    dimension = graph.positions.shape[1]
    if graph.cell.shape != (dimension, dimension) or abs(np.linalg.det(graph.cell)) < 1e-12:
        raise InputError(
            f"graph.cell must hold {dimension} independent periods, got {graph.cell.tolist()}."
        )
    left, right = graph.edges.T
    apart = graph.positions[right] - graph.positions[left]
    base = -np.round(apart @ np.linalg.inv(graph.cell))
    radii = np.array(graph.shell_radii)
    best = np.full(len(apart), np.inf)
    crossed = np.zeros(apart.shape, np.int32)
    for around in product((-1, 0, 1), repeat=dimension):
        image = base + around
        length = np.linalg.norm(apart + image @ graph.cell, axis=1)
        wanted = radii[graph.shell] if len(radii) else 0.0
        # of equally good images the shorter one
        miss = np.round(np.abs(length - wanted), 9) + 1e-12 * length
        better = miss < best
        best[better] = miss[better]
        crossed[better] = image[better]
    return crossed


def make_changes(
    transformations: Sequence[Transformation], graph: SiteGraph, states: Sequence[int]
) -> tuple[Changes, Int64]:
    """Return the tables of the transformations, and where near neighbours begin."""
    table = bond_table(graph, 1)
    counts = np.zeros(graph.n_sites, np.int64)
    np.add.at(counts, np.repeat(np.arange(graph.n_sites), np.diff(table.start)), table.times)
    most = int(counts.max())
    n = len(transformations)
    code = {state: index for index, state in enumerate(states)}
    kinds = np.full((n, 3), -1, np.int8)
    strengths = np.ones((n, 2 + most + 1))
    for index, change in enumerate(transformations):
        kinds[index, :2] = code[change.from_state], code[change.to_state]
        strengths[index, :2] = change.thermal_rate_hz, change.cross_section_angstrom2
        if change.neighbour_state is None:
            continue
        if len(change.neighbour_factors) != most + 1:
            raise InputError(
                f"neighbour_factors must have {most + 1} numbers, for 0 to {most} neighbours on "
                f"this graph; transformation {index} has {len(change.neighbour_factors)}."
            )
        kinds[index, 2] = code[change.neighbour_state]
        strengths[index, 2:] = change.neighbour_factors
    start = table.start
    if np.all(kinds[:, 2] < 0):  # nobody looks at neighbours, nobody need be told
        start = np.zeros(graph.n_sites + 1, np.int64)
    near = np.column_stack([table.neighbour, table.times]).astype(np.int32)
    return Changes(kinds, strengths, near), start


def sum_levels(n_sites: int) -> Int64:
    """Return where each level of the tree of sums starts; the last entry is the root's place."""
    level, length = [0], n_sites
    while True:
        length = -(-length // CHILDREN)
        level.append(level[-1] + CHILDREN * length)
        if length == 1:
            return np.array(level, np.int64)


def make_event_state(
    codes: NDArray[np.int8],
    tables: tuple[Hops, Changes, Interactions],
    starts: tuple[Int64, Int64, Int64],
    rng: np.random.Generator,
    follow: bool,
) -> EventState:
    """Return the arrays of a run at time zero; particles stand where the code is not 0.

    ``starts``: where each site's ways, links and near neighbours begin.
    """
    hops, changes, energies = tables
    n_sites, level = len(codes), sum_levels(len(codes))
    sites = np.zeros((n_sites + 1, 8), np.int64)
    sites[:-1, CODE], sites[:, HOLDER] = codes, -1
    for column, start in zip((WAYS, LINKS, NEAR), starts, strict=True):
        sites[:, column] = start
    count = np.zeros(N_COUNTS, np.int64)
    if follow:
        found = np.flatnonzero(codes)
        sites[found, HOLDER] = np.arange(len(found))
        count[PARTICLES] = len(found)
    return EventState(
        sites, np.zeros((n_sites, energies.site_energy.shape[1] + 1)), np.zeros(len(hops.ways)),
        np.zeros((n_sites, len(changes.kinds), 2)), np.zeros(level[-1] + 1), level,
        np.zeros(n_sites, np.int64),
        np.zeros((count[PARTICLES] + 1 if follow else 0, hops.shift.shape[1]), np.int32),
        np.zeros(3), count,
        seed_words(rng, (2,)),
    )  # fmt: skip
