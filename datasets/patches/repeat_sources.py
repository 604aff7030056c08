"""A second measurement of one place brought onto the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.repeat_pairs import check_another_scan
from physlearn.datasets.channels.scan_gain import scan_gain
from physlearn.datasets.channels.scan_units import scaled_channel
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.covariates import seen_share
from physlearn.datasets.patches.patch_sources import PatchSource, Sources, gather_sources
from physlearn.records import AtomicConfiguration

__all__ = ["AlignedSources", "SeenByBoth", "align_sources", "seen_twice"]

Floats = NDArray[np.float64]

FEWEST_SHARED = 0.5
"""Share of the atoms of the smaller set that must be found again."""
FEWEST_PIXELS = 12
ROUNDS = 5
GAIN_SDS = 4.0
"""A gain between the scans this many of its standard errors from 1 is taken out."""
LARGEST_GAIN = 30.0
"""A gain beyond this, or below its inverse, is a unit that nobody stated."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenByBoth:
    """Maps of the first and the second scan with a gap where either has one."""

    first: Sources
    again: Sources


@dataclass(frozen=True, slots=True, eq=False)
class AlignedSources:
    """Both measurements on common coordinates.

    Attributes
    ----------
    first, again
        The second holds only what the repeat measured.
    told
        How they were brought there.
    notes
        What to know.
    seen
        What both saw, for the errors; None where neither has gaps.
    """

    first: Sources
    again: Sources
    told: dict[str, Any]
    notes: tuple[str, ...]
    seen: SeenByBoth | None = None


def align_sources(sources: Sources, repeat: PatchSource) -> AlignedSources:
    """Return both measurements on common coordinates.

    Atoms are matched to the nearest; pictures and channels are registered with an error bar and
    cut to what both cover, the second at the first one's units and gain, the gaps of one
    filled from the other. Walls and spectra carry nothing to register by and are taken as they
    lie.

    Raises
    ------
    InputError
        When the repeat is of another kind, is a video, holds the numbers of the first, or shows
        it in another unit or with the opposite contrast.
    NotIdentified
        When it does not overlap with the first.
    """
    second = gather_sources(repeat, None, None, None, None, ())
    if sources.n_frames > 1 or second.n_frames > 1:
        raise InputError("repeat needs one frame of each scan; a video is its own repeat.")
    if second.atoms is not None and sources.atoms is not None:
        return AlignedSources(sources, *_align_atoms(sources, second.atoms))
    if second.maps:
        return _align_maps(sources, second)
    if (second.walls is None or sources.walls is None) and not (
        set(second.spectra) & set(sources.spectra)
    ):
        raise InputError("repeat must be of the kind of source or of channels; it is of neither.")
    for name in set(second.spectra) & set(sources.spectra):
        check_another_scan(
            f"spectra {name}", sources.spectra[name].to_numpy(), second.spectra[name].to_numpy()
        )
    note = (
        "walls and spectra of the repeat were taken in their own coordinates: they are not "
        "registered."
    )
    return AlignedSources(sources, second, {"registered": False}, (note,))


def _align_maps(sources: Sources, second: Sources) -> AlignedSources:
    """Register the picture or the channels that both scans hold."""
    from physlearn.datasets.channels.repeats import align_repeat

    common = [name for name in sources.maps if name in second.maps]
    if not common:
        raise InputError(
            f"repeat must hold a channel of the first scan ({', '.join(sources.maps)}); it holds "
            f"{', '.join(second.maps)}."
        )
    pair = align_repeat(
        {name: sources.maps[name] for name in common}, {name: second.maps[name] for name in common}
    )
    found = pair.registration
    told: dict[str, Any] = {
        "registered": True,
        "shift": [float(v) for v in found.shift],
        "shift_sd": [float(v) for v in found.shift_sd],
        "correlation": float(found.correlation),
    }
    one = dict(cast("dict[str, xr.DataArray]", pair.first))
    two = dict(cast("dict[str, xr.DataArray]", pair.second))
    notes, gaps = list(pair.warnings), {}
    for name in common:
        check_another_scan(_called(name), one[name].to_numpy(), two[name].to_numpy())
        two[name], gain = _at_gain_of(name, one[name], two[name], notes)
        if gain is not None:
            told.setdefault("gain", {})[name] = gain
        gaps[name] = ~np.isfinite(one[name].to_numpy()) | ~np.isfinite(two[name].to_numpy())
        one[name], two[name] = _filled_by_each_other(one[name], two[name])
    both = _with_maps(sources, one), _with_maps(Sources(), two)
    seen = None
    if any(each.any() for each in gaps.values()):
        notes.append(
            "pixels that one scan did not see were filled from the other; errors come from pixels "
            "that both saw."
        )
        seen = SeenByBoth(*(
            _with_maps(start, {name: part.where(~gaps[name]) for name, part in maps.items()})
            for start, maps in ((Sources(), one), (Sources(), two))
        ))  # fmt: skip
    return AlignedSources(*both, told, tuple(notes), seen)


def _with_maps(sources: Sources, maps: Mapping[str, xr.DataArray]) -> Sources:
    """Return sources with other maps."""
    channels = {name: part for name, part in maps.items() if name != "image"}
    return replace(
        sources, picture=maps.get("image", sources.picture),
        channels={**sources.channels, **channels},
    )  # fmt: skip


def seen_twice(again: Sources, places: PatchPlaces) -> Floats:
    """Return the share of each patch's pixels that both scans saw, of the channel with fewest."""
    return np.asarray(
        np.min([seen_share(name, one, places) for name, one in again.maps.items()], axis=0)
    )


def _called(name: str) -> str:
    return "the picture" if name == "image" else f"channel {name}"


def _at_gain_of(
    name: str, first: xr.DataArray, second: xr.DataArray, notes: list[str]
) -> tuple[xr.DataArray, list[float] | None]:
    """Return the second scan of a channel at the first one's gain, and the gain with its error.

    A gain that cannot be told from 1 changes nothing.
    """
    if angle_period(first) is not None:
        return second, None
    values = [part.transpose("y", "x").to_numpy().astype(np.float64) for part in (first, second)]
    try:
        found = scan_gain(*values)
    except NotIdentified:
        # without structure in common there is nothing that a gain could bend
        return second, None
    if found.gain < 0:
        raise InputError(
            f"{_called(name)} has the opposite contrast in the second scan (gain {found.gain:.3g} "
            f"+- {found.sd:.2g}): turn its sign, or give another repeat."
        )
    if not 1.0 / LARGEST_GAIN < found.gain < LARGEST_GAIN:
        raise InputError(
            f"{_called(name)} is {found.gain:.3g} times as large in the second scan: that is "
            "another unit or another quantity; give both scans in one unit."
        )
    if abs(found.gain - 1.0) > GAIN_SDS * found.sd:
        second = scaled_channel(second, 1.0 / found.gain, found.offset)
        notes.append(
            f"{_called(name)} of the second scan was {found.gain:.4g} +- {found.sd:.2g} times that "
            "of the first and was brought to the first one's gain and level."
        )
    return second, [found.gain, found.sd]


def _filled_by_each_other(
    first: xr.DataArray, second: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return both scans of a channel with the gaps of one filled from the other at its level.

    A patch of which one scan saw a part only would else be that part.
    """
    pair = [part.transpose("y", "x") for part in (first, second)]
    one, two = (np.asarray(part.to_numpy(), dtype=np.float64) for part in pair)
    gaps = [~np.isfinite(one), ~np.isfinite(two)]
    both = ~gaps[0] & ~gaps[1]
    if both.all() or both.sum() < FEWEST_PIXELS or angle_period(first) is not None:
        return first, second
    grid: Floats = np.indices(one.shape, dtype=np.float64)
    sides = (grid[0] / one.shape[0], grid[1] / one.shape[1])
    design = np.stack([np.ones(one.shape), *sides], axis=-1)
    plane = design @ np.linalg.lstsq(design[both], (one - two)[both], rcond=None)[0]
    filled = np.where(gaps[0], two + plane, one), np.where(gaps[1], one - plane, two)
    return pair[0].copy(data=filled[0]), pair[1].copy(data=filled[1])


def _align_atoms(
    sources: Sources, second: AtomicConfiguration
) -> tuple[Sources, dict[str, Any], tuple[str, ...]]:
    """Bring the second set of atoms onto the first by a rigid motion of the matched ones."""
    first = sources.atoms
    assert first is not None  # noqa: S101 -- the caller has checked it
    if second.unit != first.unit:
        raise InputError(f"repeat must share the unit {first.unit}; it is in {second.unit}.")
    check_another_scan("the atoms", first.positions, second.positions)
    one, two = first.positions[:, :2], second.positions[:, :2]
    near = np.asarray(cKDTree(one).query(one, k=2)[0])[:, 1]
    gap = float(np.median(near))
    # a crystal fits itself after every lattice vector: the stages' coordinates decide which
    turn, shift = np.eye(2), _middle_shift(one, two, gap)
    center = one.mean(axis=0)
    matched = np.zeros(0, dtype=np.int64)
    for _ in range(ROUNDS):
        moved = (two - center - shift) @ turn.T + center
        distance, partner = _nearest(one, moved, 0.35 * gap)
        matched = np.flatnonzero(np.isfinite(distance))
        if len(matched) < FEWEST_SHARED * min(len(one), len(two)):
            raise NotIdentified(
                f"the repeat shares {len(matched)} of {len(one)} atoms with the first picture, "
                "which is too few: it shows another place or moved by more than a third of a "
                "spacing; register the pictures first (register_images)."
            )
        left, right = one[partner[matched]] - center, two[matched] - center
        angle = _angle(left, right)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        shift = (right - left @ turn).mean(axis=0)
    back = (second.positions[:, :2] - center - shift) @ turn.T + center
    covariance = second.position_covariance
    if covariance is not None:
        covariance = turn @ covariance @ turn.T
    moved_atoms = second.with_changes(
        positions=back, position_covariance=covariance, covariance=None,
        field_of_view=first.field_of_view,
    )  # fmt: skip
    snapshots, notes = None, []
    if sources.snapshots is not None:
        from physlearn.datasets.sites.assign_sites import assign_sites
        from physlearn.datasets.sites.species import classify_species

        if moved_atoms.species is None:
            moved_atoms = classify_species(moved_atoms)
        snapshots = assign_sites(moved_atoms)
    if sources.measurements:
        notes.append("what was measured on the atoms has no repeat and keeps its own errors.")
    residual = (one[partner[matched]] - back[matched]).std(axis=0) / np.sqrt(len(matched))
    told = {
        "registered": True, "shift": [float(v) for v in shift],
        "shift_sd": [float(v) for v in residual], "angle": angle, "n_matched": len(matched),
    }  # fmt: skip
    again = Sources(atoms=moved_atoms, snapshots=snapshots)
    return again, told, tuple(notes)


def _middle_shift(one: Floats, two: Floats, gap: float) -> Floats:
    """Return the commonest step from an atom of the first to a near atom of the second."""
    distance, partner = _nearest(one, two, 0.5 * gap)
    near = np.isfinite(distance)
    steps = two[near] - one[partner[near]]
    return np.zeros(2) if not len(steps) else np.asarray(np.median(steps, axis=0))


def _nearest(one: Floats, two: Floats, reach: float) -> tuple[Floats, NDArray[np.int64]]:
    """Return distance (infinite beyond reach) and number of the nearest of the first."""
    distance, partner = cKDTree(one).query(two, distance_upper_bound=reach)
    return np.asarray(distance, dtype=np.float64), np.asarray(partner, dtype=np.int64)


def _angle(left: Floats, right: Floats) -> float:
    """Return the rotation from left to right, x towards y."""
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    cross = (left[:, 0] * right[:, 1] - left[:, 1] * right[:, 0]).sum()
    return float(np.arctan2(cross, (left * right).sum()))
