"""Kinetic Monte Carlo of particles that hop between sites, by heat and under a beam."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator
from physlearn.lattice_models.kinetics.event_rates import BeamSchedule, HopRates, Transformation
from physlearn.lattice_models.kinetics.event_records import (
    HopHistory,
    make_hop_events,
    make_snapshots,
    make_trajectory,
)
from physlearn.lattice_models.kinetics.event_run import EventRun, check_times
from physlearn.lattice_models.kinetics.event_setup import (
    check_records,
    crossings,
    make_changes,
    make_event_state,
    make_hops,
    make_interactions,
    make_schedule,
    starting_codes,
)
from physlearn.records import SiteGraph, Trajectory

__all__ = ["simulate_hop_history", "simulate_hops"]

RULES = {"symmetric": 1, "metropolis": 2}
Progress = Callable[[int, int], Any]
Rng = int | np.random.Generator | None


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
        Any sites with positions (1 to 3 dimensions) and bonds: a lattice, one with sites removed,
        or a network. Particles hop along the bonds of the shells that have a barrier and nowhere
        else, whatever the positions; these only tell where a particle is, and with ``cell`` which
        face a hop crosses. Vacancies hop when they are the particles, or implicitly when atoms are.
    start
        States of the sites at time 0, shape (n_sites,); ``rates.vacant_state`` (0) is vacant.
        Particles are numbered in the order of their sites.
    frame_times_s
        Times of the frames, ascending, at least 0.
    beam
        Dose rate over time and site, for cross sections of hops and transformations.
    transformations
        Changes of state besides hops. To the vacant state the particle is lost, from it a new
        particle is born; between other states it keeps its number. Their thermal rates see the
        energies of ``rates``, those of the sites too.
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
        For records of another type, numbers of a state that does not exist, a start with a state
        that has no meaning or without a particle, a graph without
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
    return make_trajectory(run, frames, graph, unwrap)


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
        make_trajectory(run, frames, graph, unwrap),
        make_snapshots(run, frames, graph, "simulate_hops"),
        make_hop_events(frames.events(), transformations, rates.vacant_state),
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
    if not isinstance(rates, HopRates):
        raise InputError(f"rates must be HopRates; got {type(rates).__name__}.")
    check_records(graph, transformations, beam, rates.hamiltonian)
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
    states, codes = starting_codes(start, graph, rates.hamiltonian, transformations, named)
    _refuse_unknown_states(rates, states)
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


def _refuse_unknown_states(rates: HopRates, states: list[int]) -> None:
    """Refuse numbers of states that no site can ever have."""
    for name in ("attempt_frequency_hz", "beam_cross_section_angstrom2"):
        named = getattr(rates, name)
        unknown = sorted(set(named) - set(states)) if isinstance(named, Mapping) else []
        if unknown:
            raise InputError(
                f"{name} must name states that exist here, {states}; got {unknown[0]}."
            )


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
