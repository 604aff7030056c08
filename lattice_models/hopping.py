"""Kinetic Monte Carlo on any site graph: hops, changes of state and the beam, in real time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array
from physlearn.lattice_models.energy_terms import Hamiltonian
from physlearn.lattice_models.event_rates import (
    BeamSchedule,
    HopRates,
    Transformation,
    check_state,
)
from physlearn.lattice_models.event_run import EventRun, Frames, check_times
from physlearn.lattice_models.event_setup import (
    crossings,
    make_changes,
    make_event_state,
    make_hops,
    make_interactions,
    make_schedule,
    no_hops,
)
from physlearn.lattice_models.event_tables import EventLog
from physlearn.records import LatticeSnapshots, SiteGraph, Trajectory

__all__ = [
    "HopHistory",
    "TransformationHistory",
    "simulate_hop_history",
    "simulate_hops",
    "simulate_transformation_history",
    "simulate_transformations",
]

EVENTS = 2
RULES = {"symmetric": 1, "metropolis": 2}
Progress = Callable[[int, int], Any]
Rng = int | np.random.Generator | None


@dataclass(frozen=True, slots=True, eq=False)
class HopHistory:
    """A run of hops: where the particles stood at the frames, and every event between.

    Attributes
    ----------
    trajectory
        Positions of the particles at the frames, ``time_unit`` s.
    snapshots
        States of the sites at the same frames.
    events
        One row an event in the order of time: time_s, kind (hop, or the name of a transformation),
        cause (thermal or beam), particle, site_from, site_to (-1 where the particle is lost, and
        site_from is -1 where it is born).

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> history = simulate_hop_history(
    ...     HopRates([0.5]), square_lattice((4, 4)), [1] + 15 * [0], [0.0, 1e-4], rng=1)
    >>> list(history.events)
    ['time_s', 'kind', 'cause', 'particle', 'site_from', 'site_to']
    """

    trajectory: Trajectory
    snapshots: LatticeSnapshots
    events: pd.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class TransformationHistory:
    """A run of transformations: the states at the frames, and every event between.

    Attributes
    ----------
    snapshots
        States of the sites; ``times`` in seconds.
    events
        One row an event in the order of time: time_s, kind (name of the transformation), cause
        (thermal or beam), site, state_from, state_to.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> decay = Transformation(1, 0, thermal_rate_hz=2.0)
    >>> history = simulate_transformation_history(
    ...     [decay], square_lattice((4, 4)), np.ones(16), [0.0, 0.5], rng=1)
    >>> len(history.events) == 16 - history.snapshots.states[1].sum()
    True
    """

    snapshots: LatticeSnapshots
    events: pd.DataFrame


def simulate_hops(
    rates: HopRates,
    graph: SiteGraph,
    start: ArrayLike,
    frame_times_s: ArrayLike,
    *,
    beam: BeamSchedule | None = None,
    transformations: Sequence[Transformation] = (),
    unwrap: bool = True,
    rng: Rng = None,
    progress: Progress | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Trajectory:
    """Let particles hop between sites and return where they are at the frames.

    Rejection-free kinetic Monte Carlo (Bortz, Kalos & Lebowitz 1975,
    doi:10.1016/0021-9991(75)90060-1): every event moves one particle along one bond to a vacant
    site, after a waiting time that is exponential with the sum of all rates. Rates that change
    with the beam are constant within each part of its schedule and treated exactly.

    Parameters
    ----------
    rates
        Barriers, temperature, energies.
    graph
        Sites with positions, and bonds. Vacancies hop when they are the particles, or implicitly
        when atoms are.
    start
        States of the sites at time 0, shape (n_sites,); ``rates.vacant_state`` (0) is vacant.
        Particles are numbered in the order of their sites.
    frame_times_s
        Times of the frames, ascending, at least 0.
    beam
        Dose rate over time and site, for cross sections of hops and transformations.
    transformations
        Changes of state besides hops. To the vacant state the particle is lost, from it a new
        particle is born; between other states it keeps its number.
    unwrap
        Follow particles through the faces of a periodic cell; False gives the site's position.
    rng
        Seed or generator; the same seed gives the same run.
    progress
        Called with (done, total), in parts of the time.
    checkpoint
        File to save to and to go on from, see ``LongRun``.

    Returns
    -------
    Trajectory
        One row for each particle and frame, in the unit of the graph; ``metadata`` name the seed,
        the number of events and whether positions are ``unwrapped`` or ``wrapped``.

    Raises
    ------
    InputError
        For a start with a state that has no meaning or without a particle, a graph without
        positions, a hop that wraps a small cell twice (unwrapped, its way is not defined), or
        arrays that do not fit the graph.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> walk = simulate_hops(
    ...     HopRates([0.5]), square_lattice((4, 4)), [1] + 15 * [0], [0.0, 1e-4, 2e-4], rng=1)
    >>> walk.n_frames, walk.n_particles
    (3, 1)
    """
    run = _hop_run(rates, graph, start, frame_times_s, beam, transformations, unwrap, rng)
    frames = run.follow(False, progress, checkpoint)
    return _trajectory(run, frames, graph, unwrap)


def simulate_hop_history(
    rates: HopRates,
    graph: SiteGraph,
    start: ArrayLike,
    frame_times_s: ArrayLike,
    *,
    beam: BeamSchedule | None = None,
    transformations: Sequence[Transformation] = (),
    unwrap: bool = True,
    rng: Rng = None,
    progress: Progress | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> HopHistory:
    """Do as ``simulate_hops`` and return every event, too (about 50 bytes each).

    Parameters
    ----------
    rates, graph, start, frame_times_s, beam, transformations, unwrap, rng, progress, checkpoint
        As in ``simulate_hops``; the same seed gives the same run.

    Raises
    ------
    InputError
        As in ``simulate_hops``.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> history = simulate_hop_history(
    ...     HopRates([0.5]), square_lattice((4, 4)), [1] + 15 * [0], [0.0, 1e-4], rng=1)
    >>> len(history.events) == history.trajectory.metadata["n_events"]
    True
    """
    run = _hop_run(rates, graph, start, frame_times_s, beam, transformations, unwrap, rng)
    frames = run.follow(True, progress, checkpoint)
    return HopHistory(
        _trajectory(run, frames, graph, unwrap),
        _snapshots(run, frames, graph, "simulate_hops"),
        _hop_events(frames.events(), transformations, rates.vacant_state),
    )


def simulate_transformations(
    transformations: Sequence[Transformation],
    graph: SiteGraph,
    start: ArrayLike,
    frame_times_s: ArrayLike,
    *,
    beam: BeamSchedule | None = None,
    hamiltonian: Hamiltonian | None = None,
    rng: Rng = None,
    progress: Progress | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> LatticeSnapshots:
    """Let sites change their states, by heat and by the beam, and return them at the frames.

    Rejection-free kinetic Monte Carlo as in ``simulate_hops``, with events at single sites.

    Parameters
    ----------
    transformations
        What may happen to a site.
    graph
        Sites and bonds; the bonds of the first shell tell the neighbours that count.
    start
        States at time 0, shape (n_sites,).
    frame_times_s
        Times of the frames, ascending, at least 0.
    beam
        Dose rate over time and site.
    hamiltonian
        Energies in kT that bias the thermal rates by exp(-dE / 2), or None.
    rng, progress, checkpoint
        As in ``simulate_hops``.

    Returns
    -------
    LatticeSnapshots
        With ``times`` in seconds; ``metadata`` name the seed and the number of events.

    Raises
    ------
    InputError
        For no transformation, states that the Hamiltonian does not know, or arrays that do not fit
        the graph.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> knock_out = Transformation(1, 0, cross_section_angstrom2=1e-3)
    >>> simulate_transformations([knock_out], square_lattice((8, 8)), np.ones(64), [0.0, 1.0],
    ...     beam=BeamSchedule([700.0]), rng=1).states.mean(axis=1)
    array([1.      , 0.515625])
    """
    run = _change_run(transformations, graph, start, frame_times_s, beam, hamiltonian, rng)
    frames = run.follow(False, progress, checkpoint)
    return _snapshots(run, frames, graph, "simulate_transformations")


def simulate_transformation_history(
    transformations: Sequence[Transformation],
    graph: SiteGraph,
    start: ArrayLike,
    frame_times_s: ArrayLike,
    *,
    beam: BeamSchedule | None = None,
    hamiltonian: Hamiltonian | None = None,
    rng: Rng = None,
    progress: Progress | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> TransformationHistory:
    """Do as ``simulate_transformations`` and return every event, too.

    Parameters
    ----------
    transformations, graph, start, frame_times_s, beam, hamiltonian, rng, progress, checkpoint
        As in ``simulate_transformations``; the same seed gives the same run.

    Raises
    ------
    InputError
        As in ``simulate_transformations``.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> history = simulate_transformation_history(
    ...     [Transformation(1, 0, 2.0, name="decay")], square_lattice((4, 4)), np.ones(16), [0.5],
    ...     rng=1)
    >>> history.events["kind"].unique().tolist()
    ['decay']
    """
    run = _change_run(transformations, graph, start, frame_times_s, beam, hamiltonian, rng)
    frames = run.follow(True, progress, checkpoint)
    return TransformationHistory(
        _snapshots(run, frames, graph, "simulate_transformations"),
        _change_events(frames.events(), transformations),
    )


def _hop_run(
    rates: HopRates,
    graph: SiteGraph,
    start: ArrayLike,
    frame_times_s: ArrayLike,
    beam: BeamSchedule | None,
    transformations: Sequence[Transformation],
    unwrap: bool,
    rng: Rng,
) -> EventRun:
    """Check the arguments of a run of hops and lay out its arrays."""
    times = check_times(frame_times_s)
    if graph.positions is None:
        raise InputError("graph must have positions, so that a trajectory can be returned.")
    if graph.positions.shape[1] > 3:
        raise InputError(
            f"graph must have positions of 1 to 3 dimensions; got {graph.positions.shape[1]}."
        )
    named = {rates.vacant_state}
    if isinstance(rates.barriers_ev, Mapping):
        named |= {int(state) for state in rates.barriers_ev}
    states, codes = _codes(start, graph, rates.hamiltonian, transformations, named)
    states, codes = _vacant_first(states, codes, rates.vacant_state)
    if not codes.any():
        raise InputError(
            f"start must hold at least one particle; every site is {rates.vacant_state} (vacant)."
        )
    site_energies = rates.site_energies_ev
    if site_energies is not None:
        if site_energies.shape != (graph.n_sites,):
            raise InputError(
                f"site_energies_ev must have shape ({graph.n_sites},), got {site_energies.shape}."
            )
        site_energies = site_energies / rates.thermal_energy_ev
    energies, links = make_interactions(
        rates.hamiltonian, graph, states, RULES[rates.barrier_rule], site_energies
    )
    crossed = crossings(graph) if unwrap else None
    hops, ways = make_hops(rates, graph, states, energies, links, crossed)
    if crossed is not None:
        _refuse_double_ways(graph, len(hops.ways))
    generator, seed = as_generator(rng)
    changes, near = make_changes(transformations, graph, states)
    state = make_event_state(
        codes, (hops, changes, energies), (ways, links, near), generator, follow=True
    )
    return EventRun(
        hops, changes, energies, state,
        make_schedule(beam, graph.n_sites), times, states, seed,
    )  # fmt: skip


def _change_run(
    transformations: Sequence[Transformation],
    graph: SiteGraph,
    start: ArrayLike,
    frame_times_s: ArrayLike,
    beam: BeamSchedule | None,
    hamiltonian: Hamiltonian | None,
    rng: Rng,
) -> EventRun:
    """Check the arguments of a run of transformations and lay out its arrays."""
    times = check_times(frame_times_s)
    if not len(transformations):
        raise InputError("transformations must hold at least one Transformation; got none.")
    states, codes = _codes(start, graph, hamiltonian, transformations, set())
    hops, ways = no_hops(graph.n_sites, len(states))
    changes, near = make_changes(transformations, graph, states)
    energies, links = make_interactions(hamiltonian, graph, states)
    generator, seed = as_generator(rng)
    state = make_event_state(
        codes, (hops, changes, energies), (ways, links, near), generator, follow=False
    )
    return EventRun(
        hops, changes, energies, state,
        make_schedule(beam, graph.n_sites), times, states, seed,
    )  # fmt: skip


def _codes(
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


def _vacant_first(
    states: list[int], codes: NDArray[np.int8], vacant: int
) -> tuple[list[int], NDArray[np.int8]]:
    """Return states and codes renumbered so that the vacant state has code 0."""
    order = [vacant, *(state for state in states if state != vacant)]
    if len(order) == 1:
        order.append(vacant + 1)
    renumbered = np.array([order.index(state) for state in states], np.int8)
    return order, renumbered[codes]


def _refuse_double_ways(graph: SiteGraph, n_ways: int) -> None:
    """Refuse hops whose way around a small periodic cell is not defined."""
    hopping = np.argsort(graph.shell, kind="stable")[: n_ways // 2]
    twice = hopping[graph.multiplicity[hopping] > 1]
    if twice.size:
        raise InputError(
            f"graph must be so large that no hop wraps its cell twice; edge {twice[0]} counts "
            f"{graph.multiplicity[twice[0]]} times. Enlarge it, or set unwrap=False."
        )


def _trajectory(run: EventRun, frames: Frames, graph: SiteGraph, unwrap: bool) -> Trajectory:
    """Return the particles' positions at the frames that were reached."""
    sites = graph.positions
    assert sites is not None  # noqa: S101 -- checked before the run
    if not sum(frames.n_at):
        raise InputError("frame_times_s must begin before the last particle is lost; none is left.")
    site, winding = np.concatenate(frames.site), np.concatenate(frames.winding)
    positions, cell = sites[site], graph.cell
    if unwrap and cell is not None:
        positions = positions + winding @ cell
    if positions.shape[1] == 1:  # a chain lies along x
        positions, cell = np.column_stack([positions, np.zeros(len(positions))]), None
    return Trajectory(
        np.repeat(np.arange(frames.n_done), frames.n_at), np.concatenate(frames.particle),
        positions, run.times[: frames.n_done], unit=graph.unit, time_unit="s", cell=cell,
        metadata=_metadata(run, "simulate_hops")
        | {"positions": "unwrapped" if unwrap else "wrapped"},
        warnings=frames.warnings,
    )  # fmt: skip


def _snapshots(run: EventRun, frames: Frames, graph: SiteGraph, source: str) -> LatticeSnapshots:
    """Return the states of the sites at the frames that were reached."""
    values = np.array(run.states, np.int8)
    return LatticeSnapshots(
        values[frames.codes[: frames.n_done]], graph, state_values=tuple(sorted(run.states)),
        times=run.times[: frames.n_done], metadata=_metadata(run, source),
        warnings=frames.warnings,
    )  # fmt: skip


def _metadata(run: EventRun, source: str) -> dict[str, Any]:
    """Return what the records say about their run."""
    return {"source": source, "seed": run.seed, "n_events": int(run.state.count[EVENTS])}


def _causes(log: EventLog) -> pd.Categorical:
    return pd.Categorical.from_codes(log.row[:, 4], ["thermal", "beam"])


def _kinds(names: Sequence[str], code: NDArray[np.integer[Any]]) -> pd.Categorical:
    """Return the names of events; different transformations may share one."""
    different = list(dict.fromkeys(names))
    number = np.array([different.index(name) for name in names])
    return pd.Categorical.from_codes(number[code], different)


def _hop_events(
    log: EventLog, transformations: Sequence[Transformation], vacant: int
) -> pd.DataFrame:
    """Return the table of a ``HopHistory``."""
    born = np.array([False, *(change.from_state == vacant for change in transformations)])
    lost = np.array([False, *(change.to_state == vacant for change in transformations)])
    change, particle, site_from, site_to = log.row[:, :4].T
    code = change + 1
    return pd.DataFrame(
        {
            "time_s": log.time,
            "kind": _kinds(["hop", *(change.name for change in transformations)], code),
            "cause": _causes(log),
            "particle": particle,
            "site_from": np.where(born[code], -1, site_from),
            "site_to": np.where(lost[code], -1, site_to),
        }
    )


def _change_events(log: EventLog, transformations: Sequence[Transformation]) -> pd.DataFrame:
    """Return the table of a ``TransformationHistory``."""
    before = np.array([change.from_state for change in transformations])
    after = np.array([change.to_state for change in transformations])
    return pd.DataFrame(
        {
            "time_s": log.time,
            "kind": _kinds([change.name for change in transformations], log.row[:, 0]),
            "cause": _causes(log),
            "site": log.row[:, 2],
            "state_from": before[log.row[:, 0]],
            "state_to": after[log.row[:, 0]],
        }
    )
