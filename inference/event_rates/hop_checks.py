"""Whether hops behave as the law says: distances, particles alike, sites told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm, poisson

from physlearn.inference.event_rates.hop_steps import LINGERS, OFF_LATTICE, Pairs
from physlearn.inference.event_rates.rate_posterior import RateSample

if TYPE_CHECKING:
    from physlearn.inference.event_rates.hop_model import HopModel

__all__ = ["hop_checks"]

Floats = NDArray[np.float64]
DOUBTFUL_P = 1e-3
FEWEST_EXPECTED = 3.0
DOUBTFUL_SHIFT = 0.3
"""Shift of a rate by errors of position, in standard errors of the number of moved steps."""
EDGE = 0.75
"""Of a hop: width of the outermost row of sites."""
FAR_FROM_SITE = 0.25
"""Root mean square distance from the sites over the length of a hop that makes wrong sites."""


def hop_checks(
    model: HopModel, sample: RateSample, groups: Sequence[Pairs], notes: list[str],
    on_graph: bool, edge_margin: float,
) -> dict[str, float]:  # fmt: skip
    """Return p values of the law, and add sentences where it fails."""
    said = {}
    found = _distance_test(model, sample)
    if found is not None:
        p, seen, expected = found
        said["distance_p"] = p
        if p < DOUBTFUL_P:
            said |= {"far_steps": seen[-1], "far_steps_expected": expected[-1]}
            notes.append(
                f"{seen[-1]:.0f} steps end {len(seen) - 1} or more hops away, {expected[-1]:.1f} "
                f"expected (p = {p:.1g}): jumps longer than a bond, wrong links, or rates that "
                "change."
            )
    p_alike = _particle_test(model, groups)
    if p_alike is not None:
        said["particles_alike_p"] = p_alike
        if p_alike < DOUBTFUL_P:
            notes.append(
                f"particles hop at different rates (p = {p_alike:.1g}): kinds of particles or of "
                "sites are mixed, and the interval of the mean rate is too narrow."
            )
    off = float(np.sqrt(np.mean(model.off_lattice**2)))
    said["off_lattice"] = off
    if off > FAR_FROM_SITE:
        notes.append(
            f"positions lie {off:.0%} of a hop from their sites (root mean square): some are taken "
            "for the wrong site, which looks like hops; correct drift, or give the right graph."
        )
    said |= _misread_steps(model, groups, notes, on_graph)
    if edge_margin < EDGE * float(np.linalg.norm(model.network.vectors, axis=1).min()):
        said |= _lost_at_edge(model, groups, notes)
    return said


def _misread_steps(
    model: HopModel, groups: Sequence[Pairs], notes: list[str], on_graph: bool
) -> dict[str, float]:
    """Return the expected number of steps that are errors of position, not hops."""
    network = model.network
    length = np.linalg.norm(network.vectors, axis=1) / np.linalg.norm(network.vectors, axis=1).min()
    usual = np.sqrt(chi2.ppf(0.5, network.vectors.shape[1]))
    error = max(float(np.median(model.off_lattice)) / usual, 1e-9)
    # a site is misread beyond the half of a hop, and two steps with it; a displacement where the
    # error takes it into the circle around another lattice point
    reach, times = (0.5 * length, 2.0) if on_graph else (length - OFF_LATTICE, 1.0)
    chance = times * float(network.n_bonds @ norm.sf(reach / error))
    false = min(chance, 1.0) * float(sum(p.count.sum() for p in groups))
    moved = _counted_moves(model)
    if false > DOUBTFUL_SHIFT * np.sqrt(max(moved, 1.0)):
        notes.append(
            f"about {false:.0f} of {moved:.0f} steps that moved are expected to be errors of "
            f"position ({error:.2f} of a hop) that put a particle on a wrong site: rates are too "
            "high by about that share; measure positions better, or average frames."
        )
    return {"misread_steps_expected": false}


def _counted_moves(model: HopModel) -> float:
    """Return how many steps of the likelihood end on another site."""
    p = model.problems
    origin = np.repeat(p.origin, np.diff(p.query_offset))
    return float(p.query_count[p.query_node != origin].sum())


def _lost_at_edge(model: HopModel, groups: Sequence[Pairs], notes: list[str]) -> dict[str, float]:
    """Return how many outward hops seem lost with tracks that end at the edge of what is seen."""
    margin = EDGE * float(np.linalg.norm(model.network.vectors, axis=1).min())
    count = np.zeros((2, 2))  # inside, edge x sightings, ends
    for pairs in groups:
        track = pairs.track
        if track is None:
            continue
        order = np.lexsort((track.frame, track.particle))
        last = np.append(np.diff(track.particle[order]) != 0, True)
        where, frame = track.positions[order], track.frame[order]
        use = frame < track.n_frames - 1 - LINGERS  # it could have been seen again
        low, high = where.min(axis=0), where.max(axis=0)
        edge = np.any(((where < low + margin) | (where > high - margin)) & (high > low), axis=1)
        for side, chosen in enumerate((~edge, edge)):
            count[side] += (chosen & use).sum(), (chosen & use & last).sum()
    (seen_in, ends_in), (seen_edge, ends_edge) = count
    if min(seen_in, seen_edge) < 1 or ends_edge < FEWEST_EXPECTED:
        return {}
    # as many ends inside as chance allows, at least half of one
    expected = seen_edge * (ends_in + 0.5) / seen_in
    p = float(poisson.sf(ends_edge - 1, expected))
    lost = max(ends_edge - expected, 0.0)
    if p < DOUBTFUL_P:
        moved = _counted_moves(model)
        notes.append(
            f"{ends_edge:.0f} tracks end at the edge of the field of view, {expected:.1f} expected "
            f"(p = {p:.1g}): outward hops are lost with them and rates are too low by about "
            f"{lost / (moved + lost):.0%}; set edge_margin= to a hop or more."
        )
    return {"lost_at_edge": lost, "edge_p": p}


def _distance_test(
    model: HopModel, sample: RateSample
) -> tuple[float, list[float], list[float]] | None:
    """Return p, and observed and expected numbers of steps by how many hops away they end."""
    problems = model.problems.every_end()
    rates = model.law.row_rates(sample.mode, problems.rows)
    chance, _, _ = problems.chances(rates, np.zeros((len(rates), 0)))
    far_of = [_hops_away(model, k) for k in range(len(problems.origin))]
    most = max(int(far.max()) for far in far_of)
    expected, seen = np.zeros(most + 1), np.zeros(most + 1)
    for k, far in enumerate(far_of):
        for store, source, weight in (
            (expected, problems, chance * problems.query_count),
            (seen, model.problems, model.problems.query_count),
        ):
            part = slice(source.query_offset[k], source.query_offset[k + 1])
            np.add.at(store, far[source.query_node[part]], weight[part])
    last = len(expected)
    while last > 1 and expected[last - 1 :].sum() < FEWEST_EXPECTED:
        last -= 1
    if last < 3:  # rests, single hops and something farther
        return None
    pooled = [[float(v) for v in (*x[: last - 1], x[last - 1 :].sum())] for x in (seen, expected)]
    score = sum((a - b) ** 2 / b for a, b in zip(*pooled, strict=True))
    return float(chi2.sf(score, last - 2)), pooled[0], pooled[1]


def _hops_away(model: HopModel, k: int) -> NDArray[np.int64]:
    """Return how many hops each node of a patch is from its origin."""
    p = model.problems
    n = int(p.node_offset[k + 1] - p.node_offset[k])
    part = slice(p.edge_offset[k], p.edge_offset[k + 1])
    start, end = p.edge_from[part], p.edge_to[part]
    inside = end >= 0
    start, end = start[inside], end[inside]
    far = np.full(n, n, np.int64)
    far[p.origin[k]] = 0
    for _ in range(p.radius + 1):
        before = far.copy()
        np.minimum.at(far, end, far[start] + 1)
        if np.array_equal(before, far):
            break
    return np.minimum(far, p.radius)


def _particle_test(model: HopModel, groups: Sequence[Pairs]) -> float | None:
    """Return the p of equal shares of moved steps among the particles of each data set."""
    if model.law.count_from:
        return None
    spacing = 0.5 * float(np.linalg.norm(model.network.vectors, axis=1).min())
    score, freedom = 0.0, 0
    for pairs in groups:
        if pairs.track is None:
            continue
        _, who = np.unique(pairs.track.particle[pairs.before], return_inverse=True)
        moved = np.linalg.norm(pairs.move, axis=1) > spacing
        _, last = np.unique(pairs.time, return_inverse=True)
        share = np.bincount(last, moved) / np.bincount(last)
        expected = np.bincount(who, share[last])
        spread = np.bincount(who, (share * (1.0 - share))[last])
        seen = np.bincount(who, moved)
        use = spread > FEWEST_EXPECTED / 2
        if use.sum() > 1:
            score += float(np.sum((seen - expected)[use] ** 2 / spread[use]))
            freedom += int(use.sum()) - 1
    return float(chi2.sf(score, freedom)) if freedom else None
