"""Atoms of many frames joined into trajectories: identities, gaps, common drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, check_array, check_count, check_positive
from physlearn.records import AtomicConfiguration, Trajectory

__all__ = ["LinkedAtoms", "link_atoms"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MANY_AMBIGUOUS = 0.05
DRIFT_ROUNDS = 4
FEWEST_FOR_REFINEMENT, REFINEMENTS = 8, 4
OUTLYING = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class LinkedAtoms:
    """Atoms of several frames with the identity of each.

    Attributes
    ----------
    trajectory
        Rows sorted by frame, then particle; positions WITHOUT the common shift of each frame.
    atom
        int64, shape (n,): which atom of its frame's configuration a row is.
    covariance
        Shape (n, 2, 2): covariance of each position, or None.
    species, species_names, species_log_likelihood
        Of each row, as in ``AtomicConfiguration``; None where the frames had none.
    ambiguous
        bool, shape (n,): another partner stood within the search range, so the link to the next
        row of this particle may be wrong.
    frame_shift
        Shape (n_frames, 2): common shift of each frame against the first, already taken off.
    search_range, memory
        As used: length in the trajectory's unit, and frames a particle may be missing.
    warnings
        Sentences that travel to the report.

    Examples
    --------
    >>> frame = AtomicConfiguration([[2.0, 2.0], [8.0, 2.0]])
    >>> link_atoms([frame, frame]).ambiguous.any().item()
    False
    """

    trajectory: Trajectory
    atom: Integers
    covariance: Floats | None
    species: Integers | None
    species_names: tuple[str, ...]
    species_log_likelihood: Floats | None
    ambiguous: NDArray[np.bool_]
    frame_shift: Floats
    search_range: float
    memory: int
    warnings: tuple[str, ...] = ()


def link_atoms(
    frames: Sequence[AtomicConfiguration],
    *,
    search_range: float | None = None,
    memory: int = 0,
    times: ArrayLike | None = None,
    frame_shift: ArrayLike | str = "measure",
    within_species: bool = False,
) -> LinkedAtoms:
    """Join the atoms of many frames into trajectories.

    The common shift of each frame is taken off first; then links minimise the sum of squared
    displacements (trackpy; Crocker and Grier, 1996, doi:10.1006/jcis.1996.0217).

    Parameters
    ----------
    frames
        One configuration a frame, in order, all in one unit.
    search_range
        Longest displacement of an atom between two sightings, in the frames' unit; None takes half
        of the median distance of nearest neighbours, beyond which identity is not certain. Atoms
        that hop between sites need more: a little above the hop.
    memory
        Frames that a particle may be missing and still keep its identity.
    times
        Shape (n_frames,): time of each frame in seconds; None counts frames.
    frame_shift
        ``measure`` (median displacement of atoms, right while a frame moves by less than half of
        the distance of neighbours), or shape (n_frames, 2) in the frames' unit, zeros for none.
    within_species
        Link only atoms of one species: for sparse hopping dopants in a host that stands still.

    Returns
    -------
    LinkedAtoms
        Trajectory, and what else is known of each row.

    Raises
    ------
    InputError
        For fewer than two frames, mixed units, no atoms, a wrong shape, or a search range so long
        that links cannot be resolved.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> sites = 10.0 * np.argwhere(np.ones((5, 5)))
    >>> frames = [AtomicConfiguration(sites + 0.5 * t + rng.normal(0, 0.1, sites.shape))
    ...           for t in range(4)]
    >>> linked = link_atoms(frames)
    >>> linked.trajectory.n_particles, bool(np.abs(linked.frame_shift[3] - 1.5).max() < 0.2)
    (25, True)
    """
    unit = _check_frames(frames)
    check_count("memory", memory, 0)
    n = len(frames)
    moments = np.arange(n, dtype=np.float64)
    if times is not None:
        moments = check_array("times", times, shape=(n,))
    reach = _search_range(frames) if search_range is None else float(search_range)
    check_positive("search_range", reach)
    measured = isinstance(frame_shift, str)
    if measured:
        if frame_shift != "measure":
            raise InputError(
                f"frame_shift must be 'measure' or an array of shape ({n}, 2); got {frame_shift!r}."
            )
        shift = _measure_shift(frames)
    else:
        shift = check_array("frame_shift", frame_shift, shape=(n, 2))
    places = _without(frames, shift)
    particle = _identities(frames, places, reach, memory, within_species=within_species)
    if measured:
        shift = _refined_shift(frames, shift, particle)
        places = _without(frames, shift)
    return _linked(frames, places, particle, shift, moments, reach, memory, unit, times is None)


def _without(frames: Sequence[AtomicConfiguration], shift: Floats) -> list[Floats]:
    return [frame.positions - offset for frame, offset in zip(frames, shift, strict=True)]


def _check_frames(frames: Sequence[AtomicConfiguration]) -> str:
    """Return the one unit of the frames."""
    if isinstance(frames, AtomicConfiguration) or len(frames) < 2:
        raise InputError("frames must hold at least two configurations, one a frame.")
    units = sorted({frame.unit for frame in frames})
    if len(units) > 1:
        raise InputError(f"frames must have one unit; got {', '.join(units)}.")
    if any(frame.dimension != 2 for frame in frames):
        raise InputError("frames must have positions in the plane, shape (n, 2).")
    if sum(frame.n for frame in frames) == 0:
        raise InputError("frames hold no atoms at all; there is nothing to link.")
    return units[0]


def _search_range(frames: Sequence[AtomicConfiguration]) -> float:
    """Return half of the median distance of nearest neighbours."""
    nearest = [
        cKDTree(frame.positions).query(frame.positions, k=2)[0][:, 1]
        for frame in frames
        if frame.n > 1
    ]
    if not nearest:
        raise InputError(
            "search_range can't be chosen where no frame holds two atoms; give it in the frames' "
            "unit."
        )
    return 0.5 * float(np.median(np.concatenate(nearest)))


def _measure_shift(frames: Sequence[AtomicConfiguration]) -> Floats:
    """Return the common shift of each frame against the first that holds atoms."""
    shift = np.zeros((len(frames), 2))
    last: Floats | None = None
    for t, frame in enumerate(frames):
        if t:
            shift[t] = shift[t - 1]
        if frame.n == 0:
            continue
        if last is not None:
            shift[t] += _pair_shift(last, frame.positions - shift[t])
        last = frame.positions - shift[t]
    return shift


def _pair_shift(before: Floats, after: Floats) -> Floats:
    """Return the median displacement between points that are each other's nearest."""
    tree, move = cKDTree(before), np.zeros(2)
    for _ in range(DRIFT_ROUNDS):
        moved = after - move
        distance, there = tree.query(moved)
        _, back = cKDTree(moved).query(before)
        mutual = np.asarray(back)[there] == np.arange(len(moved))
        mutual &= distance <= 2.0 * np.median(distance[mutual]) + 1e-12
        step = np.median((moved - before[there])[mutual], axis=0)
        move = move + step
        if np.hypot(*step) < 1e-9:
            break
    return np.asarray(move)


def _refined_shift(
    frames: Sequence[AtomicConfiguration], shift: Floats, particle: list[Integers]
) -> Floats:
    """Return the shift against where each particle mostly stands: steps no longer add up."""
    who = np.concatenate(particle)
    frame_of = np.repeat(np.arange(len(frames)), [frame.n for frame in frames])
    places = np.concatenate([frame.positions for frame in frames])
    lasting = np.bincount(who)[who] > 0.5 * len(frames)
    if np.unique(who[lasting]).size < FEWEST_FOR_REFINEMENT:
        return shift
    shift = shift.copy()
    mine, when = who[lasting], frame_of[lasting]
    for _ in range(REFINEMENTS):
        still = (places - shift[frame_of])[lasting]
        off = still - _medians(still, mine)[mine]
        # atoms that hopped all the same way would pull a mean, and less so a median
        near = np.hypot(*(off - np.median(off, axis=0)).T)
        near = near < OUTLYING * np.median(near)
        members = np.maximum(np.bincount(when[near], minlength=len(frames)), 1)
        for axis in range(2):
            sums = np.bincount(when[near], off[near, axis], minlength=len(frames))
            shift[:, axis] += sums / members
    return np.asarray(shift - shift[0])


def _medians(values: Floats, group: Integers) -> Floats:
    """Return the median of each group along both axes; 0 for a group without members."""
    n = int(group.max()) + 1
    found = np.zeros((n, 2))
    counts = np.bincount(group, minlength=n)
    ends = np.cumsum(counts)
    full = np.flatnonzero(counts)
    for axis in range(2):
        ordered = values[np.lexsort((values[:, axis], group)), axis]
        low = ordered[ends[full] - counts[full] + (counts[full] - 1) // 2]
        found[full, axis] = 0.5 * (low + ordered[ends[full] - counts[full] + counts[full] // 2])
    return found


def _identities(
    frames: Sequence[AtomicConfiguration],
    places: list[Floats],
    reach: float,
    memory: int,
    *,
    within_species: bool,
) -> list[Integers]:
    """Return the particle number of every atom of every frame."""
    found = [np.full(frame.n, -1, dtype=np.int64) for frame in frames]
    if not within_species:
        groups = [[np.arange(frame.n) for frame in frames]]
    else:
        if any(frame.species is None for frame in frames):
            raise InputError(
                "within_species needs classified frames: give what classify_species returns."
            )
        codes = sorted({int(code) for frame in frames for code in np.unique(frame.species)})
        groups = [[np.flatnonzero(frame.species == code) for frame in frames] for code in codes]
    first = 0
    for rows in groups:
        coordinates = [place[row] for place, row in zip(places, rows, strict=True)]
        numbers = _trackpy_numbers(coordinates, reach, memory)
        for t, row in enumerate(rows):
            found[t][row] = numbers[t] + first
        first += 1 + max((int(part.max()) for part in numbers if len(part)), default=-1)
    return found


def _trackpy_numbers(coordinates: list[Floats], reach: float, memory: int) -> list[Integers]:
    """Return trackpy's particle numbers, frame by frame."""
    import trackpy

    trackpy.quiet()
    try:
        return [
            np.asarray(numbers, dtype=np.int64)
            for _, numbers in trackpy.link_iter(iter(coordinates), reach, memory=memory)
        ]
    except trackpy.SubnetOversizeException:
        raise InputError(
            f"search_range {reach:.4g} is so long that too many atoms may be each other's "
            "successors; shorten it, or link within_species."
        ) from None


def _ambiguous(
    places: list[Floats], particle: list[Integers], reach: float
) -> list[NDArray[np.bool_]]:
    """Flag atoms whose link to the following frame had another candidate."""
    flags = [np.zeros(len(place), dtype=np.bool_) for place in places]
    trees = [cKDTree(place) if len(place) else None for place in places]
    for t in range(len(places) - 1):
        tree, following = trees[t], trees[t + 1]
        if tree is None or following is None:
            continue
        ahead = following.query_ball_point(places[t], reach, return_length=True)
        behind = tree.query_ball_point(places[t + 1], reach, return_length=True)
        number = dict(zip(particle[t + 1].tolist(), behind.tolist(), strict=True))
        shared = np.array([number.get(who, 0) for who in particle[t].tolist()])
        flags[t] = (np.asarray(ahead) > 1) | (shared > 1)
    return flags


def _linked(
    frames: Sequence[AtomicConfiguration],
    places: list[Floats],
    particle: list[Integers],
    shift: Floats,
    moments: Floats,
    reach: float,
    memory: int,
    unit: str,
    counts_frames: bool,
) -> LinkedAtoms:
    """Return the record, its rows sorted by frame and particle."""
    sizes = [frame.n for frame in frames]
    frame_of = np.repeat(np.arange(len(frames)), sizes)
    who = np.concatenate(particle)
    order = np.lexsort((who, frame_of))
    atom = np.concatenate([np.arange(size) for size in sizes])[order]
    covariance = _joined(frames, "position_covariance", order)
    names = max((frame.species_names for frame in frames), key=len)
    ambiguous = np.concatenate(_ambiguous(places, particle, reach))[order]
    warnings = list(dict.fromkeys(text for frame in frames for text in frame.warnings))
    if ambiguous.mean() > MANY_AMBIGUOUS:
        warnings.append(
            f"{ambiguous.mean():.0%} of the links had another candidate within the search range "
            f"({reach:.4g} {unit}): identities may be exchanged; take frames faster or shorten it."
        )
    sd = None
    if covariance is not None:
        sd = np.sqrt(0.5 * np.einsum("nii->n", covariance))
    trajectory = Trajectory(
        frame_of[order], who[order], np.concatenate(places)[order], moments, unit=unit,
        time_unit="frame" if counts_frames else "s", localization_sd=sd,
        metadata={"search_range": reach, "memory": memory, "linked_by": "trackpy"},
        warnings=tuple(warnings),
    )  # fmt: skip
    return LinkedAtoms(
        trajectory, atom, covariance, _joined(frames, "species", order), names,
        _joined(frames, "species_log_likelihood", order), ambiguous, shift, reach, memory,
        tuple(warnings),
    )  # fmt: skip


def _joined(frames: Sequence[AtomicConfiguration], name: str, order: Integers) -> NDArray | None:
    """Return one attribute of all frames, or None where a frame with atoms lacks it."""
    parts = [getattr(frame, name) for frame in frames if frame.n]
    if any(part is None for part in parts):
        return None
    if name == "species_log_likelihood" and len({part.shape[1] for part in parts}) > 1:
        return None
    return np.concatenate(parts)[order]
