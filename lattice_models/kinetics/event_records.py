"""Records of kinetic Monte Carlo: what a run shows at its frames, and its table of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.lattice_models.kinetics.event_rates import Transformation
from physlearn.lattice_models.kinetics.event_run import EventRun, Frames
from physlearn.lattice_models.kinetics.event_tables import EventLog
from physlearn.records import LatticeSnapshots, SiteGraph, Trajectory
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "HopHistory", "TransformationHistory", "make_change_events", "make_hop_events",
    "make_snapshots", "make_trajectory",
]  # fmt: skip

EVENTS = 2  # place of the number of events in ``counts``


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
    >>> from physlearn.lattice_models import HopRates, simulate_hop_history, square_lattice
    >>> history = simulate_hop_history(
    ...     HopRates([0.5]), square_lattice((4, 4)), [1] + 15 * [0], [0.0, 1e-4], rng=1)
    >>> list(history.events)
    ['time_s', 'kind', 'cause', 'particle', 'site_from', 'site_to']
    """

    trajectory: Trajectory
    snapshots: LatticeSnapshots
    events: pd.DataFrame

    __repr__ = short_repr
    _repr_html_ = html_table


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
    >>> from physlearn.lattice_models import simulate_transformation_history, square_lattice
    >>> decay = Transformation(1, 0, thermal_rate_hz=2.0)
    >>> history = simulate_transformation_history(
    ...     [decay], square_lattice((4, 4)), np.ones(16), [0.0, 0.5], rng=1)
    >>> len(history.events) == 16 - int(history.snapshots.states[1].sum())
    True
    """

    snapshots: LatticeSnapshots
    events: pd.DataFrame

    __repr__ = short_repr
    _repr_html_ = html_table


def make_trajectory(run: EventRun, frames: Frames, graph: SiteGraph, unwrap: bool) -> Trajectory:
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


def make_snapshots(
    run: EventRun, frames: Frames, graph: SiteGraph, source: str
) -> LatticeSnapshots:
    """Return the states of the sites at the frames that were reached."""
    values = np.array(run.states, np.int8)
    return LatticeSnapshots(
        values[frames.codes[: frames.n_done]], graph, state_values=tuple(sorted(run.states)),
        times=run.times[: frames.n_done], metadata=_metadata(run, source),
        warnings=frames.warnings,
    )  # fmt: skip


def _metadata(run: EventRun, source: str) -> dict[str, Any]:
    """Return what the records say about their run."""
    return {"source": source, "seed": run.seed, "n_events": int(run.state.counts[EVENTS])}


def _causes(log: EventLog) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(log.row[:, 4], pd.Index(["thermal", "beam"]))


def _kinds(names: Sequence[str], code: NDArray[np.integer[Any]]) -> pd.Categorical[str]:
    """Return the names of events; different transformations may share one."""
    different = list(dict.fromkeys(names))
    number = np.array([different.index(name) for name in names])
    return pd.Categorical.from_codes(number[code], pd.Index(different))


def make_hop_events(
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


def make_change_events(log: EventLog, transformations: Sequence[Transformation]) -> pd.DataFrame:
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
