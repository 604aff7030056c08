"""Steps between sightings: on which site a particle was before and after, and who stood near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.motion.find_hops import HopEvents
from physlearn.inference.event_rates.walk_problems import Network, StepSet
from physlearn.records import SiteGraph, Trajectory

__all__ = ["Pairs", "pairs_of", "steps_on_graph", "steps_on_lattice"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
OFF_LATTICE = 0.35
"""Farther than this share of a hop from any lattice point, a displacement is none of its hops."""
LINGERS = 3
"""Frames for which a particle that is never seen again still counts as standing there."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Successive sightings of a data set: displacement, time between, rows before and after."""

    move: Floats
    time: Floats
    count: Floats
    direct: NDArray[np.bool_]
    before: Integers
    after: Integers
    track: Trajectory | None
    unit: str
    time_unit: str


def pairs_of(data: Trajectory | HopEvents, name: str, edge_margin: float = 0.0) -> Pairs:
    """Return the pairs of successive sightings of each particle, begun away from the edge."""
    if isinstance(data, HopEvents):
        if edge_margin > 0:
            raise InputError(
                "edge_margin needs a Trajectory: hop events do not tell where rests were."
            )
        return _pairs_of_events(data)
    if not isinstance(data, Trajectory):
        raise InputError(
            f"{name} must be a Trajectory, HopEvents (find_hops) or a DataFrame of counts; got "
            f"{type(data).__name__}."
        )
    if data.n_frames < 2:
        raise NotIdentified(f"{name} holds a single frame: a rate needs frames at two times.")
    order = np.lexsort((data.frame, data.particle))
    same = np.diff(data.particle[order]) == 0
    before, after = order[:-1][same], order[1:][same]
    if edge_margin > 0 and len(before):
        low, high = data.positions.min(axis=0), data.positions.max(axis=0)
        start = data.positions[before]
        inside = (start >= low + edge_margin) & (start <= high - edge_margin)
        use = np.all(inside | (high - low == 0), axis=1)
        if not use.any():
            raise InputError(
                f"edge_margin {edge_margin:g} leaves no step of {name}: positions span "
                f"{np.round(high - low, 6).tolist()}."
            )
        before, after = before[use], after[use]
    if not len(before):
        raise NotIdentified(f"{name} holds no particle that was seen in two frames.")
    time = data.times[data.frame[after]] - data.times[data.frame[before]]
    return Pairs(
        data.positions[after] - data.positions[before], _rounded(time), np.ones(len(before)),
        data.frame[after] - data.frame[before] == 1, before, after, data, data.unit,
        data.time_unit,
    )  # fmt: skip


def _rounded(time: Floats) -> Floats:
    """Return times with 9 digits, so that equal intervals are equal."""
    scale = 10.0 ** (9 - np.ceil(np.log10(time.max())))
    return np.asarray(np.round(time * scale) / scale)


def _pairs_of_events(events: HopEvents) -> Pairs:
    """Return hops between successive frames and the steps without one (gaps are left out)."""
    if events.n_steps < 1:
        raise NotIdentified("the hop events were watched over no step between successive frames.")
    table = events.table
    step = (table["frame_after"] - table["frame_before"]).to_numpy() if len(table) else np.zeros(0)
    use = table[step == 1] if len(table) else table
    move = np.array([use["dx"], use["dy"]], np.float64).T if len(use) else np.zeros((0, 2))
    interval = events.watched_time / events.n_steps
    n = len(move)
    empty = np.zeros(n + 1, np.int64)
    return Pairs(
        np.concatenate([np.zeros((1, 2)), move]), np.full(n + 1, interval),
        np.concatenate([[float(events.n_steps - n)], np.ones(n)]), np.ones(n + 1, np.bool_),
        empty, empty, None, events.unit, events.time_unit,
    )  # fmt: skip


def steps_on_lattice(
    groups: Sequence[Pairs], basis: Floats, coords: Integers
) -> tuple[StepSet, Floats]:
    """Return displacements as steps from the home site, and how far they were from the lattice."""
    number = {tuple(node): k for k, node in enumerate(coords.tolist())}
    inverse = np.linalg.pinv(basis)
    spacing = float(np.linalg.norm(basis, axis=1).min())
    ends, off = [], []
    for pairs in groups:
        whole = np.round(pairs.move @ inverse).astype(np.int64)
        far = np.linalg.norm(pairs.move - whole @ basis, axis=1) / spacing
        end = np.array([number.get(tuple(node), -1) for node in whole.tolist()], np.int64)
        ends.append(np.where(far > OFF_LATTICE, -2, end))
        off.append(far)
    return _joined(groups, [np.zeros(len(end), np.int64) for end in ends], ends), np.concatenate(
        off
    )


def steps_on_graph(
    groups: Sequence[Pairs], graph: SiteGraph, network: Network, *, blocking: bool
) -> tuple[StepSet, Floats]:
    """Return steps between the sites nearest to the positions, and how far these were off."""
    spacing = float(np.linalg.norm(network.vectors, axis=1).min())
    starts, ends, off, before, after = [], [], [], [], []
    for pairs in groups:
        if pairs.track is None:
            raise InputError(
                "hop events name no sites: give the Trajectory with graph=, or leave graph out."
            )
        site, far = _sites(pairs.track, graph)
        starts.append(site[pairs.before])
        ends.append(site[pairs.after])
        off.append(far / spacing)
        if blocking:
            a, b = _surroundings(pairs, site)
            before += a
            after += b
    steps = _joined(groups, starts, ends, (before, after) if blocking else None)
    return steps, np.concatenate(off)


def _joined(
    groups: Sequence[Pairs], starts: list[Integers], ends: list[Integers],
    around: tuple[list[Integers], list[Integers]] | None = None,
) -> StepSet:  # fmt: skip
    group = np.concatenate([np.full(len(p.time), g) for g, p in enumerate(groups)])
    before, after = around or (None, None)
    return StepSet(
        np.concatenate(starts), np.concatenate(ends), np.concatenate([p.time for p in groups]),
        group, np.concatenate([p.count for p in groups]), before, after,
    )  # fmt: skip


def _sites(track: Trajectory, graph: SiteGraph) -> tuple[Integers, Floats]:
    """Return the site nearest to each position, across the cell's faces too, and how far."""
    places = graph.positions
    assert places is not None  # noqa: S101 -- network_of_graph has checked it
    d = places.shape[1]
    if d > track.positions.shape[1]:
        raise InputError(
            f"graph has positions of {d} dimensions, the trajectory of "
            f"{track.positions.shape[1]}: they must agree."
        )
    if graph.unit != track.unit:
        raise InputError(
            f"graph is in {graph.unit} and the trajectory in {track.unit}: give both in one unit."
        )
    seen = track.positions[:, :d]
    index = np.arange(len(places))
    if graph.cell is not None:
        c = graph.cell.shape[0]
        inverse = np.linalg.inv(graph.cell)

        def home(x: Floats) -> Floats:
            out = np.array(x)
            part = out[:, :c] @ inverse
            out[:, :c] = (part - np.floor(part)) @ graph.cell
            return out

        seen, places = home(seen), home(places)
        shifts = np.stack(np.meshgrid(*[(-1, 0, 1)] * c, indexing="ij"), axis=-1).reshape(-1, c)
        images = []
        for shift in shifts:
            image = places.copy()
            image[:, :c] += shift @ graph.cell
            images.append(image)
        places = np.concatenate(images)
        index = np.tile(index, len(shifts))
    far, nearest = cKDTree(places).query(seen)
    return np.asarray(index[nearest], np.int64), np.asarray(far)


def _surroundings(pairs: Pairs, site: Integers) -> tuple[list[Integers], list[Integers]]:
    """Return, for each step, the sites of the other particles when it began and when it ended.

    Where another particle was missed, its last known site stands in at the start of the interval
    and its next known one at the end: each counts for half of the interval.
    """
    track = pairs.track
    assert track is not None  # noqa: S101 -- steps_on_graph has checked it
    _, who = np.unique(track.particle, return_inverse=True)
    known = np.full((track.n_frames, int(who.max()) + 1), -1, np.int64)
    known[track.frame, who] = site
    last, ahead = known.copy(), known.copy()
    _fill_gaps(last)
    _fill_gaps(ahead[::-1])
    early = np.where(last < 0, ahead, last)
    late = np.where(ahead < 0, last, ahead)
    before: list[Integers] = []
    after: list[Integers] = []
    for a, b in zip(pairs.before, pairs.after, strict=True):
        for rows, kept, row in ((early, before, a), (late, after, b)):
            there = rows[track.frame[row]]
            kept.append(there[(there >= 0) & (np.arange(len(there)) != who[row])])
    return before, after


def _fill_gaps(known: Integers) -> None:
    """Carry each particle's site over frames that missed it, beyond its last one a few frames."""
    seen = known >= 0
    again = np.cumsum(seen[::-1], axis=0)[::-1] > 0
    age = np.zeros(known.shape[1], np.int64)
    for f in range(1, len(known)):
        age = np.where(seen[f], 0, age + 1)
        carried = np.where(again[f] | (age <= LINGERS), known[f - 1], -1)
        known[f] = np.where(seen[f], known[f], carried)
