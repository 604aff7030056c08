"""Kinetic Monte Carlo of sites that change their state, by heat and under an electron beam."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from physlearn.checks import InputError, as_generator
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian
from physlearn.lattice_models.kinetics.event_rates import BeamSchedule, Transformation
from physlearn.lattice_models.kinetics.event_records import (
    TransformationHistory,
    make_change_events,
    make_snapshots,
)
from physlearn.lattice_models.kinetics.event_run import EventRun, check_times
from physlearn.lattice_models.kinetics.event_setup import (
    check_records,
    make_changes,
    make_event_state,
    make_interactions,
    make_schedule,
    no_hops,
    starting_codes,
)
from physlearn.records import LatticeSnapshots, SiteGraph

__all__ = ["simulate_transformation_history", "simulate_transformations"]

Progress = Callable[[int, int], Any]
Rng = int | np.random.Generator | None


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
    array([1.      , 0.453125])
    """
    run = _change_run(transformations, graph, start, frame_times_s, beam, hamiltonian, rng)
    frames = run.follow(False, progress, checkpoint)
    return make_snapshots(run, frames, graph, "simulate_transformations")


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
        make_snapshots(run, frames, graph, "simulate_transformations"),
        make_change_events(frames.events(), transformations),
    )


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
    check_records(graph, transformations, beam, hamiltonian)
    times = check_times(frame_times_s)
    if not len(transformations):
        raise InputError("transformations must hold at least one Transformation; got none.")
    states, codes = starting_codes(start, graph, hamiltonian, transformations, set())
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
