"""Atoms of many frames joined into trajectories: identities, gaps, common drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, check_array, check_count, check_positive
from physlearn.datasets.motion.common_shift import measure_shift, refined_shift
from physlearn.records import AtomicConfiguration, Trajectory
from physlearn.records.storage import html_table, short_repr

__all__ = ["LinkedAtoms", "link_atoms"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MANY_AMBIGUOUS = 0.05


class _Group(NamedTuple):
    """Atoms that may be linked to one another: rows of each frame, and how far."""

    rows: list[Integers]
    reach: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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
        As used: the longest length in the trajectory's unit, and frames a particle may be missing.
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

    __repr__ = short_repr
    _repr_html_ = html_table


def link_atoms(
    frames: Sequence[AtomicConfiguration],
    *,
    search_range: float | Mapping[str, float] | None = None,
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
        that hop between sites need more: a little above the hop. A mapping gives some species,
        by name, a range of their own and links within species.
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
    own = dict(search_range) if isinstance(search_range, Mapping) else {}
    within_species = within_species or bool(own)
    given = None if own else search_range
    usual = _search_range(frames) if given is None else float(given)  # type: ignore[arg-type]
    for length in (usual, *own.values()):
        check_positive("search_range", length)
    measured = isinstance(frame_shift, str)
    if measured:
        if frame_shift != "measure":
            raise InputError(
                f"frame_shift must be 'measure' or an array of shape ({n}, 2); got {frame_shift!r}."
            )
        shift = measure_shift(frames)
    else:
        shift = check_array("frame_shift", frame_shift, shape=(n, 2))
    places = _without(frames, shift)
    groups = _groups(frames, usual, own) if within_species else [
        _Group([np.arange(frame.n) for frame in frames], usual)
    ]  # fmt: skip
    particle = _identities(frames, places, groups, memory)
    if measured:
        shift = refined_shift(frames, shift, particle)
        places = _without(frames, shift)
    return _linked(
        frames, places, particle, groups, shift, moments, memory, unit, times is None
    )  # fmt: skip


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
        np.asarray(cKDTree(frame.positions).query(frame.positions, k=2)[0])[:, 1]
        for frame in frames
        if frame.n > 1
    ]
    if not nearest:
        raise InputError(
            "search_range can't be chosen where no frame holds two atoms; give it in the frames' "
            "unit."
        )
    return 0.5 * float(np.median(np.concatenate(nearest)))


def _groups(
    frames: Sequence[AtomicConfiguration], usual: float, own: Mapping[str, float]
) -> list[_Group]:
    """Return the atoms of each species in each frame, with the species' search range."""
    if any(frame.species is None for frame in frames):
        raise InputError(
            "within_species needs classified frames: give what classify_species returns."
        )
    names = max((frame.species_names for frame in frames), key=len)
    unknown = [name for name in own if name not in names]
    if unknown:
        raise InputError(
            f"search_range names the species {unknown[0]!r}; the frames have {', '.join(names)}."
        )
    codes = sorted({int(code) for frame in frames for code in np.unique(_species_of(frame))})
    return [
        _Group(
            [np.flatnonzero(_species_of(frame) == code) for frame in frames],
            float(own.get(names[code] if code < len(names) else "", usual)),
        )
        for code in codes
    ]


def _species_of(frame: AtomicConfiguration) -> Integers:
    """Return the species of a classified frame."""
    return np.empty(0, dtype=np.int64) if frame.species is None else frame.species


def _identities(
    frames: Sequence[AtomicConfiguration], places: list[Floats], groups: list[_Group], memory: int
) -> list[Integers]:
    """Return the particle number of every atom of every frame."""
    found = [np.full(frame.n, -1, dtype=np.int64) for frame in frames]
    first = 0
    for group in groups:
        coordinates = [place[row] for place, row in zip(places, group.rows, strict=True)]
        numbers = _trackpy_numbers(coordinates, group.reach, memory)
        for t, row in enumerate(group.rows):
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


def _all_ambiguous(
    places: list[Floats], particle: list[Integers], groups: list[_Group]
) -> list[NDArray[np.bool_]]:
    """Flag atoms whose link had another candidate of their own group."""
    flags = [np.zeros(len(place), dtype=np.bool_) for place in places]
    for group in groups:
        near = [place[row] for place, row in zip(places, group.rows, strict=True)]
        who = [number[row] for number, row in zip(particle, group.rows, strict=True)]
        for t, part in enumerate(_ambiguous(near, who, group.reach)):
            flags[t][group.rows[t]] = part
    return flags


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
        behind = np.asarray(tree.query_ball_point(places[t + 1], reach, return_length=True))
        number = dict(zip(particle[t + 1].tolist(), behind.tolist(), strict=True))
        shared = np.array([number.get(who, 0) for who in particle[t].tolist()])
        flags[t] = (np.asarray(ahead) > 1) | (shared > 1)
    return flags


def _linked(
    frames: Sequence[AtomicConfiguration],
    places: list[Floats],
    particle: list[Integers],
    groups: list[_Group],
    shift: Floats,
    moments: Floats,
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
    reach = max(group.reach for group in groups)
    ambiguous = np.concatenate(_all_ambiguous(places, particle, groups))[order]
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


def _joined(frames: Sequence[AtomicConfiguration], name: str, order: Integers) -> Any:
    """Return one attribute of all frames, or None where a frame with atoms lacks it."""
    parts = [getattr(frame, name) for frame in frames if frame.n]
    if any(part is None for part in parts):
        return None
    if name == "species_log_likelihood" and len({part.shape[1] for part in parts}) > 1:
        return None
    return np.concatenate(parts)[order]
