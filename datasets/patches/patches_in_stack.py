"""Patches of every frame of films larger than the memory: one table, made frame by frame."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.patches.channel_knowledge import ChannelKnowledge, know_channels
from physlearn.datasets.patches.covariates import acquisition_covariates
from physlearn.datasets.patches.patch_assembly import assemble_table, stack_frames
from physlearn.datasets.patches.patch_blocks import check_extra, collect_blocks
from physlearn.datasets.patches.patch_layout import choose_places
from physlearn.datasets.patches.patch_options import PatchOptions
from physlearn.datasets.patches.patch_sources import Sources, gather_sources
from physlearn.datasets.reading.open_stack import Stack, open_stack
from physlearn.datasets.reading.part_files import PartFiles, parts_beside
from physlearn.datasets.reading.picture_frame import free_memory_bytes
from physlearn.executors import ExecutorLike, open_workers
from physlearn.records import PatchTable

__all__ = ["describe_patches_in_stack"]

PICTURE = ""
"""Key of a film that stands alone and has no name of a channel."""
TABLES_HELD = 4
"""Copies of the numbers in memory while the table is put together."""
WORDS = ("names", "tiers", "units", "error_length", "derived", "flags", "notes", "periods",
         "pixels_of")  # fmt: skip


def describe_patches_in_stack(
    source: Any,
    path: str | os.PathLike[str],
    *,
    patch_size: float | None = None,
    options: PatchOptions | None = None,
    executor: ExecutorLike | None = None,
    progress: Callable[[int], Any] | None = None,
) -> PatchTable:
    """Describe the patches of every frame of films of any size.

    The table is that of ``describe_patches`` of the film in memory, to the last digit. Frames that
    are done lie beside the file until all are there; the same call goes on after an interruption.
    In memory are one block of frames and, at the end, the table.

    Parameters
    ----------
    source
        What ``open_stack`` opens, or a mapping of channels' names to such, of the same frames.
    path
        The netCDF file to write, which ``PatchTable.load`` reads.
    patch_size, options
        As in ``describe_patches``.
    executor
        Threads, processes or a cluster for the descriptors; the frames are read here. The answer
        does not depend on it.
    progress
        Called with the number of frames that are done.

    Returns
    -------
    PatchTable
        One row a patch and frame; ``covariates`` hold ``frame`` and ``time``.

    Raises
    ------
    InputError
        For what ``describe_patches`` refuses, films of different frames, parts of other work beside
        the path, or a table that would not fit into memory.
    NotIdentified
        When no patch has every descriptor.

    Examples
    --------
    >>> import tempfile
    >>> film = np.random.default_rng(0).normal(size=(3, 64, 64))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = describe_patches_in_stack(film, f"{folder}/patches.nc", patch_size=16.0)
    >>> table.n_patches, sorted(set(table.covariates["frame"]))
    (48, [0.0, 1.0, 2.0])
    """
    chosen = options or PatchOptions()
    stacks = _opened(source)
    first = next(iter(stacks.values()))
    n_frames = first.n_frames
    sources = replace(
        gather_sources(_pictures(stacks, n_frames // 2), None, None, None, None, ()),
        frame_times=first.times,
        time_unit=first.time_unit,
    )
    check_extra(sources, chosen)
    places, frame = choose_places(sources, patch_size, chosen)
    knowledge = know_channels(sources, places)
    final = Path(path)
    with parts_beside(path, _identity(stacks, patch_size, chosen)) as parts:
        blocks = [
            _of_arrays(arrays)
            for arrays in _described(
                parts, stacks, (sources, places, chosen, knowledge), executor, progress
            )
        ]
        table = assemble_table(
            stack_frames(blocks),
            places,
            chosen,
            covariates=acquisition_covariates(sources, places, frame, chosen),
            metadata={
                "frame_of_reference": chosen.frame_of_reference, "channels": [*sources.channels],
            },
            warnings=(*sources.warnings, *knowledge.notes),
            n_frames=n_frames,
        )  # fmt: skip
        table.save(final)
    return table


def _opened(source: Any) -> dict[str, Stack]:
    """Return the films by name, checked to be of the same frames."""
    given = source if isinstance(source, Mapping) else {PICTURE: source}
    if not given:
        raise InputError("source must hold at least one film; the mapping is empty.")
    stacks = {str(name): open_stack(one) for name, one in given.items()}
    (name, first), *rest = stacks.items()
    for other, stack in rest:
        if not np.array_equal(stack.times, first.times):
            raise InputError(
                f"{other} holds {stack.n_frames} frames and {name} {first.n_frames}, or at other "
                "times; give the same frames."
            )
    return stacks


def _pictures(stacks: Mapping[str, Stack], index: int) -> Any:
    """Return one frame as the source of a single picture."""
    if PICTURE in stacks:
        return stacks[PICTURE].picture(index)
    return {name: stack.picture(index) for name, stack in stacks.items()}


def _identity(stacks: Mapping[str, Stack], patch_size: float | None, options: PatchOptions) -> str:
    told = hashlib.sha256(repr(patch_size).encode())
    for name, stack in stacks.items():
        told.update(name.encode() + stack.identity().encode())
    for name in PatchOptions.__slots__:
        value = getattr(options, name)
        if isinstance(value, xr.DataArray):
            value = value.to_numpy()
        if isinstance(value, np.ndarray):
            told.update(np.ascontiguousarray(value).tobytes())
        else:
            told.update(_name_of(value).encode())
    return told.hexdigest()


def _name_of(value: Any) -> str:
    """Return the words of an option; functions by their names, as their address changes."""
    if isinstance(value, Mapping):
        return repr([(str(key), _name_of(one)) for key, one in value.items()])
    return getattr(value, "__qualname__", None) or repr(value)


def _described(
    parts: PartFiles,
    stacks: Mapping[str, Stack],
    what: tuple[Sources, Any, PatchOptions, ChannelKnowledge],
    executor: ExecutorLike | None,
    progress: Callable[[int], Any] | None,
) -> list[dict[str, NDArray[Any]]]:
    """Return the blocks of every frame as plain arrays: those that are kept, and the others."""
    n_frames = next(iter(stacks.values())).n_frames
    found: dict[int, dict[str, NDArray[Any]]] = {}
    left = []
    for number in range(n_frames):
        kept = parts.load(number)
        if kept is None:
            left.append(number)
        else:
            found[number] = kept

    def tasks() -> Any:
        for number in left:
            yield number, _values(stacks, number), *what

    with open_workers(executor) as workers:
        for _, (number, arrays) in workers.run(_one, tasks()):
            parts.save(number, arrays)
            if not found:
                _check_room(arrays, n_frames)
            found[number] = arrays
            if progress is not None:
                progress(len(found))
    return [found[number] for number in range(n_frames)]


def _values(stacks: Mapping[str, Stack], number: int) -> list[NDArray[np.float64]]:
    return [stack.picture(number).transpose("y", "x").to_numpy() for stack in stacks.values()]


def _one(
    number: int,
    values: Sequence[NDArray[np.float64]],
    sources: Sources,
    places: Any,
    options: PatchOptions,
    knowledge: ChannelKnowledge,
) -> tuple[int, dict[str, NDArray[Any]]]:
    """Describe one frame."""
    if sources.picture is not None:
        own = replace(sources, picture=sources.picture.copy(data=values[0]))
    else:
        channels = {
            name: one.copy(data=pixels)
            for (name, one), pixels in zip(sources.channels.items(), values, strict=True)
        }
        own = replace(sources, channels=channels)
    return number, _as_arrays(
        collect_blocks(own, places, options, knowledge=knowledge, frame=number)
    )


def _as_arrays(blocks: Sequence[ColumnBlock]) -> dict[str, NDArray[Any]]:
    """Return blocks as arrays and one text, without loss."""
    arrays: dict[str, NDArray[Any]] = {}
    for place, block in enumerate(blocks):
        arrays[f"values_{place}"] = block.values
        if block.covariance is not None:
            arrays[f"covariance_{place}"] = block.covariance
    words = [{name: getattr(block, name) for name in WORDS} for block in blocks]
    arrays["words"] = np.array(json.dumps(words))
    return arrays


def _of_arrays(arrays: Mapping[str, NDArray[Any]]) -> list[ColumnBlock]:
    blocks = []
    for place, words in enumerate(json.loads(str(arrays["words"]))):
        blocks.append(
            ColumnBlock(
                tuple(words["names"]), arrays[f"values_{place}"], tuple(words["tiers"]),
                tuple(words["units"]), arrays.get(f"covariance_{place}"), words["error_length"],
                {name: tuple(of) for name, of in words["derived"].items()}, words["flags"],
                tuple(words["notes"]), words["periods"], words["pixels_of"],
            )
        )  # fmt: skip
    return blocks


def _check_room(arrays: Mapping[str, NDArray[Any]], n_frames: int) -> None:
    """Refuse a table that would not fit, when the first frame is described and not the last."""
    needed = TABLES_HELD * n_frames * sum(each.nbytes for each in arrays.values())
    free = free_memory_bytes()
    if needed > free:
        raise InputError(
            f"the table of {n_frames} frames needs {needed / 1e9:.1f} GB to be put together and "
            f"{free / 1e9:.1f} GB are free; take larger patches, fewer descriptors or "
            "PatchOptions(covariance='pooled')."
        )
