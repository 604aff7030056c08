"""Blocks of descriptors put together to one table with one covariance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.patch_options import PatchOptions
from physlearn.records import PatchTable

__all__ = ["MOST_COVARIANCES", "assemble_table", "is_pooled", "stack_frames"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_COVARIANCES = 2e7
"""Numbers of a covariance by patch, above which the patches share their mean: 160 MB."""
FEWEST_COVERED = 0.5
"""A column that fewer of the patches have that its neighbours cover would cost too many of them."""
STILL = 1e-12


def is_pooled(options: PatchOptions, n_patches: int, n_columns: int) -> bool:
    """Return whether all patches share one covariance."""
    if options.covariance == "auto":
        return n_patches * n_columns**2 > MOST_COVARIANCES
    return options.covariance == "pooled"


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A block, the columns of it that stay, and where they stand in the table."""

    block: ColumnBlock
    columns: list[int]
    first: int


def stack_frames(frames: Sequence[Sequence[ColumnBlock]]) -> list[ColumnBlock]:
    """Return the blocks of several frames as blocks of all their patches, frame by frame.

    A frame may lack columns of a block (there is no wall in it): its patches lack them too.
    """
    if len(frames) == 1:
        return list(frames[0])
    if len({len(blocks) for blocks in frames}) > 1:
        raise InputError("the frames give different descriptors; describe each frame by itself.")
    return [_stacked(parts) for parts in zip(*frames, strict=True)]


def _stacked(parts: Sequence[ColumnBlock]) -> ColumnBlock:
    """Return the blocks of one kind, one a frame, as one."""
    first = max(parts, key=lambda part: len(part.names))
    parts = [_widened(part, first.names) for part in parts]
    n, k = first.values.shape
    known = [part.covariance for part in parts if part.covariance is not None]
    covariance = None
    if len(known) == len(parts):
        if all(len(each) == 1 for each in known):
            covariance = np.mean(known, axis=0)
        else:
            covariance = np.concatenate([np.broadcast_to(each, (n, k, k)) for each in known])
    lengths = [part.error_length for part in parts if part.error_length is not None]
    return replace(
        first,
        values=np.concatenate([part.values for part in parts]),
        covariance=covariance,
        error_length=max(lengths) if lengths else None,
        derived={name: of for part in parts for name, of in part.derived.items()},
        flags={name: text for part in parts for name, text in part.flags.items()},
        notes=_once([note for part in parts for note in part.notes], len(parts)),
    )


def _widened(block: ColumnBlock, names: tuple[str, ...]) -> ColumnBlock:
    """Return the block with NaN for the columns of ``names`` that it lacks."""
    if block.names == names:
        return block
    if not set(block.names) <= set(names):
        raise InputError(
            f"the frames give different columns beside {names[0]}; describe each frame by itself."
        )
    place = [names.index(name) for name in block.names]
    values = np.full((len(block.values), len(names)), np.nan)
    values[:, place] = block.values
    covariance = None
    if block.covariance is not None:
        covariance = np.zeros((len(block.covariance), len(names), len(names)))
        here = np.array(place)
        covariance[:, here[:, None], here] = block.covariance
    return replace(
        block, names=names, values=values, covariance=covariance, tiers=(0,) * len(names),
        units=("1",) * len(names),
    )  # fmt: skip


def _once(notes: Sequence[str], n_frames: int) -> tuple[str, ...]:
    """Return each sentence once, also where only its numbers change from frame to frame."""
    said: dict[str, list[str]] = {}
    for note in notes:
        said.setdefault(re.sub(r"[0-9.]+", "#", note), []).append(note)
    return tuple(
        first
        if len({first, *more}) == 1
        else f"{first} (so in {len(more) + 1} of {n_frames} frames, with other numbers)"
        for first, *more in said.values()
    )


def assemble_table(
    blocks: list[ColumnBlock],
    places: PatchPlaces,
    options: PatchOptions,
    *,
    covariates: pd.DataFrame,
    metadata: Mapping[str, Any],
    warnings: Sequence[str],
    n_frames: int = 1,
) -> PatchTable:
    """Return the table of the patches that have every descriptor; ``blocks`` is emptied.

    Raises
    ------
    InputError
        For two columns of one name, or a required column that is none.
    NotIdentified
        When no patch has every descriptor, or none varies.
    """
    notes = list(warnings)
    for block in blocks:
        notes += block.notes
    _check_names(blocks, options, metadata.get("channels", ()))
    complete, present = _complete(blocks, options, notes)
    kept, n_columns = _varying(blocks, present, complete, notes)
    n, total = int(complete.sum()), len(complete)
    selection = places.selection
    if n < total:
        lacking = f"{n} of {total} patches that have every descriptor"
        selection = lacking if selection == "all" else f"{selection}; {lacking}"
    names = [part.block.names[i] for part in kept for i in part.columns]
    centers = np.tile(places.centers, (n_frames, 1))[complete]
    unknown = tuple(
        part.block.names[i] for part in kept if part.block.covariance is None for i in part.columns
    )
    if n < len(names):
        notes.append(
            f"{n} patches hold {len(names)} columns: with fewer patches than columns no column can "
            "be told from a combination of the others; take smaller patches or fewer descriptors."
        )
    lengths = [p.block.error_length for p in kept if p.block.error_length is not None]
    if places.overlap > 0 and len(unknown) < len(names):
        # means of white noise over squares that share 37 % of their edge agree by 1/e
        lengths.append((1.0 - np.exp(-1.0)) * places.size)
    tiers = {part.block.names[i]: part.block.tiers[i] for part in kept for i in part.columns}
    tiers.update({name: tier for name, tier in options.tiers.items() if name in tiers})
    units = {part.block.names[i]: part.block.units[i] for part in kept for i in part.columns}
    derived = _of_columns(names, *(part.block.derived for part in kept))
    flags = _of_columns(names, *(part.block.flags for part in kept))
    pixels = _of_columns(names, *(part.block.pixels_of for part in kept))
    metadata = {**metadata, "pixels_of": pixels} if pixels else metadata
    frame, covariance = _numbers(kept, complete, n_columns, options, notes)
    # the numbers stand twice now: of 1e5 patches the blocks' own are hundreds of megabytes
    kept.clear()
    blocks.clear()
    table = PatchTable(
        frame, centers, places.size, unit=places.unit, tiers=tiers, units=units,
        measurement_covariance=covariance,
        error_correlation_length=float(max(lengths)) if lengths else None,
        overlap=places.overlap, selection=selection, chosen_by_result=places.chosen_by_result,
        derived=derived, flags=flags, errors_unknown=unknown, covariates=covariates[complete],
        metadata=metadata, warnings=tuple(dict.fromkeys(notes)),
    )  # fmt: skip
    return _selected(table, options)


def _of_columns(names: Sequence[str], *parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of columns that are in the table."""
    return {name: said for part in parts for name, said in part.items() if name in names}


def _check_names(
    blocks: Sequence[ColumnBlock], options: PatchOptions, channels: Sequence[str]
) -> None:
    """Refuse two columns of one name, and required columns or tiers of what is none."""
    names = [name for block in blocks for name in block.names]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two descriptors are called {twice!r}; rename the channel of one.")
    loose = [name for name in options.tiers if name not in names and name not in channels]
    if loose:
        raise InputError(
            f"tiers must name columns or channels; {loose[0]!r} is none of {', '.join(names)}."
        )
    missing = [name for name in options.require if name not in names]
    if missing:
        raise InputError(
            f"require must name columns of the table; {missing[0]!r} is none of {', '.join(names)}."
        )


def _complete(
    blocks: Sequence[ColumnBlock], options: PatchOptions, notes: list[str]
) -> tuple[Mask, list[list[int]]]:
    """Return which patches have every descriptor that stays, and which columns stay by block."""
    complete = np.ones(len(blocks[0].values), dtype=bool)
    present: list[list[int]] = []
    for block in blocks:
        known = np.isfinite(block.values)
        number = known.sum(axis=0)
        stay = []
        for i, name in enumerate(block.names):
            if number[i] >= FEWEST_COVERED * number.max() or name in options.require:
                stay.append(i)
                complete &= known[:, i]
            else:
                notes.append(
                    f"{name} exists in {number[i]} of {len(known)} patches and was left out; with "
                    "it in PatchOptions.require only those patches stay."
                )
        present.append(stay)
    if not complete.any():
        raise NotIdentified("no patch holds enough columns and pixels for every descriptor.")
    return complete, present


def _varying(
    blocks: Sequence[ColumnBlock], present: list[list[int]], complete: Mask, notes: list[str]
) -> tuple[list[_Kept], int]:
    """Return the columns that differ between patches, with their place in the table."""
    kept, first = [], 0
    for block, stay in zip(blocks, present, strict=True):
        columns = []
        for i in stay:
            values = block.values[complete, i]
            if np.ptp(values) <= STILL * max(float(np.abs(values).max()), 1e-300):
                notes.append(f"{block.names[i]} does not vary between patches and was left out.")
            else:
                columns.append(i)
        if columns:
            kept.append(_Kept(block, columns, first))
            first += len(columns)
    if not kept:
        names = [block.names[i] for block, stay in zip(blocks, present, strict=True) for i in stay]
        raise NotIdentified(
            f"none of the {len(names)} descriptors ({', '.join(names[:6])}"
            f"{', ...' if len(names) > 6 else ''}) differs between the {int(complete.sum())} "
            "patches: the picture is the same in all of them (a perfect crystal without noise, or "
            "patches of whole periods)."
        )
    return kept, first


def _numbers(
    kept: Sequence[_Kept], complete: Mask, k: int, options: PatchOptions, notes: list[str]
) -> tuple[pd.DataFrame, Floats | None]:
    """Return the values and the covariance of the columns that stay."""
    n = int(complete.sum())
    values = np.empty((k, n))
    pooled = is_pooled(options, n, k)
    known = any(part.block.covariance is not None for part in kept)
    alike = all(part.block.covariance is None or len(part.block.covariance) == 1 for part in kept)
    covariance = np.zeros((1 if pooled or alike else n, k, k)) if known else None
    for part in kept:
        here = slice(part.first, part.first + len(part.columns))
        values[here] = part.block.values[:, part.columns][complete].T
        own = part.block.covariance
        if covariance is None or own is None:
            continue
        own = own[:, part.columns][:, :, part.columns]
        if len(own) > 1:
            own = own[complete]
        if len(covariance) == 1 and len(own) > 1:
            own = own.mean(axis=0, keepdims=True)
        covariance[:, here, here] = own
    if pooled and known:
        notes.append(
            "the patches share one mean measurement covariance"
            + (": one by patch would be too large." if options.covariance == "auto" else ".")
        )
    names = [part.block.names[i] for part in kept for i in part.columns]
    return pd.DataFrame(values.T, columns=pd.Index(names, dtype=object), copy=False), covariance


def _selected(table: PatchTable, options: PatchOptions) -> PatchTable:
    """Return the patches that the user's function of the frame keeps."""
    if options.select is None:
        return table
    mask: ArrayLike = options.select(table.frame)
    chosen = check_array("the result of select", np.asarray(mask), shape=(table.n_patches,),
                         dtype=np.bool_)  # fmt: skip
    if not chosen.any():
        raise NotIdentified("select keeps none of the patches.")
    name = getattr(options.select, "__name__", "a function")
    rule = "a function of the result" if name == "<lambda>" else f"{name} of the result"
    return table.take(
        np.flatnonzero(chosen),
        selection=f"{int(chosen.sum())} of {table.n_patches} patches chosen by {rule}",
        chosen_by_result=True,
    )
