"""Hops in trajectories: jumps that the errors of the positions cannot explain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.datasets.motion.broken_tracks import count_broken_tracks
from physlearn.datasets.motion.link_atoms import LinkedAtoms
from physlearn.records import Trajectory
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HopEvents", "find_hops"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MEDIAN_CHI2_2 = float(chi2.median(2))
FEWEST_STEPS = 20
FEWEST_FOR_TAIL = 500
MOST_BEFORE_TAIL = 0.08
"""Share of steps that are judged hops beyond which heavy tails are hops that were not judged so."""
TAIL, HEAVY, HEAVY_ERRORS = 0.99, 1.2, 5.0
"""The tail's scale over the median's is heavy from here on, and by this many standard errors of a
normal law's: Student's law of 5 degrees of freedom gives 1.3, hops too short to be found 1.07."""
LASTING = 0.01
"""A jump lasts when the places a frame further apart differ at this level too."""
HEAVY_TAILS = (
    "steps have heavier tails than a normal law: the positions' errors are not what they say for "
    "some atoms. Hops are judged by the tails; give shortest where the length of a hop is known.",
)
POWER = 0.95


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HopEvents:
    """Hops of a film, and how much was watched to see them.

    Attributes
    ----------
    table
        One row a hop: particle, frame_before, frame_after (they differ by more than 1 across a
        gap), time_before, time_after, x_before, y_before, x_after, y_after (means over the rest
        before and after), dx, dy, length, length_sd, p, ambiguous.
    n_steps
        Pairs of successive frames in which a particle was seen in both.
    watched_time
        Sum of the time between those frames.
    time_unit, unit
        Of times and lengths.
    error_scale
        Standard deviation of steps without a hop over what the positions' errors say: vibration,
        drift left over and scan errors make it exceed 1.
    smallest_hop
        Length of a hop that is found with probability .95.
    n_broken
        Trajectories that end where, in the next frame, another begins beyond the search range: what
        a hop longer than that range leaves. They are no rows of ``table``.
    warnings
        Sentences that travel to the report.

    Examples
    --------
    >>> import pandas as pd
    >>> still = HopEvents(pd.DataFrame({"frame_before": [], "frame_after": []}), 50, 50.0, "frame",
    ...                   "pixel", 1.0, 0.5)
    >>> [round(number, 3) for number in still.rate()]
    [0.0, 0.0, 0.06]
    """

    table: pd.DataFrame
    n_steps: int
    watched_time: float
    time_unit: str
    unit: str
    error_scale: float
    smallest_hop: float
    n_broken: int = 0
    warnings: tuple[str, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def n_hops(self) -> int:
        """Number of hops."""
        return len(self.table)

    def rate(self, level: float = 0.9) -> tuple[float, float, float]:
        """Return hops per particle and unit of time, with the exact Poisson interval.

        Only hops between successive frames count, over the time watched that way; the interval's
        upper end counts the ``n_broken`` trajectories as hops too. Two hops within one frame are
        seen as one or none: the rate is too low where it nears one a frame. Garwood (1936),
        doi:10.1093/biomet/28.3-4.437.
        """
        step = self.table["frame_after"] - self.table["frame_before"]
        n = int((step == 1).sum())
        tail = 0.5 * (1.0 - level)
        low = 0.5 * float(chi2.ppf(tail, 2 * n)) if n else 0.0
        most = n + self.n_broken
        high = 0.5 * float(chi2.ppf(1.0 - tail, 2 * most + 2))
        return n / self.watched_time, low / self.watched_time, high / self.watched_time


def find_hops(
    linked: LinkedAtoms | Trajectory, *, false_share: float = 0.01, shortest: float = 0.0
) -> HopEvents:
    """Find the hops of linked atoms.

    Each step d of a particle is tested by z^2 = d' S^-1 d with S the summed covariances of its two
    positions, times the square of the scale that the median step shows; among all steps the share
    of false hops is controlled (Benjamini and Hochberg, 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x). Where a hop leads from and to is the weighted mean of
    the positions in the rest before and after it.

    Parameters
    ----------
    linked
        What ``link_atoms`` returned; its search range must reach as far as a hop: a longer hop
        breaks the trajectory, which is counted (``n_broken``) and warned of. Or a ``Trajectory``
        in two dimensions that another program linked: its search range is not known, so that
        longer hops can't be missed by name.
    false_share
        Expected share of false hops among those found.
    shortest
        Shorter jumps are no hops, in the trajectory's unit.

    Returns
    -------
    HopEvents
        Table of hops and what was watched.

    Raises
    ------
    NotIdentified
        With fewer than 20 steps, from which no usual step can be told, or with hops in so many
        steps that they can't be told from heavy tails.

    Examples
    --------
    >>> from physlearn.datasets import link_atoms
    >>> from physlearn.records import AtomicConfiguration
    >>> rng = np.random.default_rng(1)
    >>> sites = 10.0 * np.argwhere(np.ones((4, 4)))
    >>> frames = [AtomicConfiguration(sites + [[9.0 * (t > 3) * (k == 15), 0] for k in range(16)]
    ...           + rng.normal(0, 0.1, sites.shape)) for t in range(8)]
    >>> hops = find_hops(link_atoms(frames, search_range=9.9))
    >>> hops.n_hops, round(hops.table["dx"][0]), hops.table["frame_after"][0].item()
    (1, 9, 4)
    """
    check_positive("shortest", shortest, allow_zero=True)
    if not 0 < false_share < 1:
        raise InputError(f"false_share must lie between 0 and 1; got {false_share}.")
    if isinstance(linked, Trajectory):
        linked = _linked(linked)
    track = linked.trajectory
    order = np.lexsort((track.frame, track.particle))
    same = np.diff(track.particle[order]) == 0
    before, after = order[:-1][same], order[1:][same]
    if len(before) < FEWEST_STEPS:
        raise NotIdentified(
            f"the trajectories hold {len(before)} steps; at least {FEWEST_STEPS} are needed to "
            "tell a hop from a usual step."
        )
    errors = _covariances(linked, before, after)
    move = track.positions[after] - track.positions[before]
    joint = errors[before] + errors[after]
    square = _squares(move, joint)
    # without given errors the scale IS the error; with them it may only widen
    floor = 0.0 if linked.covariance is None else 1.0
    scale = float(np.sqrt(max(floor, np.median(square) / MEDIAN_CHI2_2)))
    reach = np.hypot(*move.T) >= shortest
    # who says how short a hop can be has said what a hop is; else it must last
    lasting = square if shortest > 0 else np.minimum(square, _lasting(linked, errors, order, same))
    p, cut, jump = _judge(square, lasting, scale, false_share, reach)
    # what stays behind tells the tails: a normal law has chi^2 above 9.2 in one step of a hundred
    tail = float(np.sqrt(np.quantile(square[~jump], TAIL) / chi2.ppf(TAIL, 2)))
    n_usual = int((~jump).sum())
    # the quantile q of chi^2 with 2 degrees of freedom has density (1 - TAIL) / 2; tail is sqrt(q)
    doubt = np.sqrt(TAIL / (1 - TAIL) / n_usual) / chi2.ppf(TAIL, 2)
    limit = max(HEAVY, 1.0 + HEAVY_ERRORS * doubt)
    heavy = tail > limit * scale and n_usual >= FEWEST_FOR_TAIL
    if heavy and jump.mean() > MOST_BEFORE_TAIL:
        raise NotIdentified(
            f"{jump.mean():.0%} of the steps look like hops, too many to tell hops from the tails "
            "of usual steps: give shortest (the length of a hop), take frames closer together, or "
            "fit_hop_rates(trajectory), which counts several hops in one step."
        )
    if heavy:
        scale = tail
        p, cut, jump = _judge(square, lasting, scale, false_share, reach)
    table = _table(linked, errors * scale**2, before, after, p, jump)
    direct = np.diff(track.frame[np.stack([before, after])], axis=0)[0] == 1
    waits = track.times[track.frame[after]] - track.times[track.frame[before]]
    typical = scale * float(np.sqrt(np.median(0.5 * np.einsum("nii->n", joint))))
    least = float(np.sqrt(chi2.isf(max(cut, 1e-300), 2))) + float(norm.ppf(POWER))
    broken, clear = count_broken_tracks(linked)
    return HopEvents(
        table, int(direct.sum()), float(waits[direct].sum()), track.time_unit, track.unit, scale,
        max(shortest, typical * least), broken,
        _broken_warning(linked, broken, len(table), clear=clear)
        + (HEAVY_TAILS if heavy else ()) + _warnings(linked, table, scale),
    )  # fmt: skip


def _linked(track: Trajectory) -> LinkedAtoms:
    """Return a trajectory that came without the errors and doubts of its linking."""
    n, d = track.positions.shape
    if d != 2:
        raise InputError(f"linked must have positions in two dimensions; got {d}.")
    order = np.lexsort((track.frame, track.particle))
    same = np.diff(track.particle[order]) == 0
    gaps = np.diff(track.frame[order])[same]
    if track.cell is not None:
        track = _unwrapped(track, order, same)
    covariance = None
    if track.localization_sd is not None:
        covariance = track.localization_sd[:, None, None] ** 2 * np.eye(2)
    return LinkedAtoms(
        track, np.arange(n), covariance, None, (), None, np.zeros(n, dtype=bool),
        np.zeros((track.n_frames, 2)), np.inf, int(gaps.max(initial=1)) - 1,
    )  # fmt: skip


def _unwrapped(track: Trajectory, order: Integers, same: NDArray[np.bool_]) -> Trajectory:
    """Return tracks that go on across the border of their periodic cell."""
    cell = np.asarray(track.cell)
    steps = np.diff(track.positions[order], axis=0) @ np.linalg.inv(cell)
    turns = np.where(same[:, None], -np.round(steps), 0.0)
    moved = np.zeros_like(track.positions)
    moved[order[1:]] = np.cumsum(turns, axis=0) @ cell
    return replace(track, positions=track.positions + moved)


def _covariances(linked: LinkedAtoms, before: Integers, after: Integers) -> Floats:
    """Return each position's covariance; without errors, one isotropic guess from the steps."""
    if linked.covariance is not None:
        return linked.covariance
    positions = linked.trajectory.positions
    move = positions[after] - positions[before]
    variance = float(np.median((move**2).sum(axis=1))) / MEDIAN_CHI2_2 / 2
    return np.broadcast_to(max(variance, 1e-300) * np.eye(2), (len(positions), 2, 2))


def _squares(move: Floats, joint: Floats) -> Floats:
    """Return d' S^-1 d."""
    solved = np.linalg.solve(joint, move[..., None])[..., 0]
    return np.asarray(np.einsum("ni,ni->n", move, solved))


def _judge(
    square: Floats, lasting: Floats, scale: float, false_share: float, reach: NDArray[np.bool_]
) -> tuple[Floats, float, NDArray[np.bool_]]:
    """Return the p of each step, the largest that passes, and which steps are jumps."""
    p = chi2.sf(square / scale**2, 2)
    cut = _cut(p, false_share)
    lasts = lasting > scale**2 * chi2.isf(LASTING, 2)
    return p, cut, (p <= cut) & lasts & reach


def _lasting(
    linked: LinkedAtoms, errors: Floats, order: Integers, same: NDArray[np.bool_]
) -> Floats:
    """Return, for each step, the smaller z^2 of the two moves that reach a frame further.

    One skips the position after the step, one that before it: where that position alone is off,
    the move that skips it is a usual one. Infinite where a track offers neither.
    """
    first = np.flatnonzero(same)
    last = len(same) - 1
    least = np.full(len(first), np.inf)
    positions = linked.trajectory.positions
    for start, end, fits in (
        (first, first + 2, same[np.minimum(first + 1, last)] & (first < last)),
        (first - 1, first + 1, same[np.maximum(first - 1, 0)] & (first > 0)),
    ):
        a, b = order[start[fits]], order[end[fits]]
        least[fits] = np.minimum(
            least[fits], _squares(positions[b] - positions[a], errors[a] + errors[b])
        )
    return least


def _cut(p: Floats, false_share: float) -> float:
    """Return the largest p that passes, at this expected share of false discoveries."""
    ordered = np.sort(p)
    passes = np.flatnonzero(ordered <= false_share * np.arange(1, len(p) + 1) / len(p))
    # where nothing passes, the strictest comparison (one step) is what a hop would have to beat
    return float(ordered[passes[-1]]) if passes.size else false_share / len(p) * (1 - 1e-12)


def _table(
    linked: LinkedAtoms, errors: Floats, before: Integers, after: Integers, p: Floats,
    jump: NDArray[np.bool_],
) -> pd.DataFrame:  # fmt: skip
    """Return one row a hop, its ends averaged over the rests on either side."""
    import pandas as pd

    track = linked.trajectory
    order = np.lexsort((track.frame, track.particle))
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.diff(track.particle[order]) != 0
    where = np.empty(len(order), dtype=np.int64)
    where[order] = np.arange(len(order))
    new[where[after[jump]]] = True
    rest = np.empty(len(order), dtype=np.int64)
    rest[order] = np.cumsum(new) - 1
    weight = np.linalg.inv(errors)
    total = np.zeros((rest.max() + 1, 2, 2))
    pull = np.zeros((rest.max() + 1, 2))
    np.add.at(total, rest, weight)
    np.add.at(pull, rest, np.einsum("nij,nj->ni", weight, track.positions))
    spread = np.linalg.inv(total)
    center = np.einsum("nij,nj->ni", spread, pull)
    a, b = before[jump], after[jump]
    start, end = center[rest[a]], center[rest[b]]
    move = end - start
    length = np.hypot(*move.T)
    along = move / np.maximum(length, 1e-300)[:, None]
    variance = np.einsum("ni,nij,nj->n", along, spread[rest[a]] + spread[rest[b]], along)
    return pd.DataFrame(
        {
            "particle": track.particle[a], "frame_before": track.frame[a],
            "frame_after": track.frame[b], "time_before": track.times[track.frame[a]],
            "time_after": track.times[track.frame[b]], "x_before": start[:, 0],
            "y_before": start[:, 1], "x_after": end[:, 0], "y_after": end[:, 1],
            "dx": move[:, 0], "dy": move[:, 1], "length": length, "length_sd": np.sqrt(variance),
            "p": p[jump], "ambiguous": linked.ambiguous[a],
        }
    ).sort_values(["frame_after", "particle"], ignore_index=True)  # fmt: skip


def _broken_warning(
    linked: LinkedAtoms, broken: int, n_hops: int, *, clear: bool
) -> tuple[str, ...]:
    """Return the sentence on trajectories that longer hops, or missed atoms, have broken."""
    if not clear:
        missed = (
            f"{broken} trajectories broke inside the film, as many as atoms missed for a frame "
            "make by chance; the upper end of rate() counts them as hops: link with memory.",
        )
        return missed if broken > max(n_hops, 2) else ()
    return (
        f"{broken} trajectories broke inside the film, each with another one beginning next to it: "
        f"that is what a hop longer than the search range ({linked.search_range:.4g} "
        f"{linked.trajectory.unit}) leaves, and no such hop is in the table; link again with "
        "search_range a little above a hop, and with memory where atoms may be missed for a frame. "
        "The upper end of rate() counts them.",
    )


def _warnings(linked: LinkedAtoms, table: pd.DataFrame, scale: float) -> tuple[str, ...]:
    found = list(linked.warnings)
    if linked.covariance is None:
        found.append("the positions carry no errors: the usual step stands in for them.")
    elif scale > 1.5:
        found.append(
            f"steps without a hop are {scale:.1f} times what the positions' errors say: vibration, "
            "drift or scan errors; hops are judged against that."
        )
    if len(table) and (table["length"] > 0.9 * linked.search_range).any():
        found.append(
            "some hops are nearly as long as the search range: longer ones were lost; widen it."
        )
    if len(table) and table["ambiguous"].any():
        found.append(
            f"{int(table['ambiguous'].sum())} of {len(table)} hops had another candidate in the "
            "next frame: two atoms that exchange identity look like hops."
        )
    return tuple(dict.fromkeys(found))
