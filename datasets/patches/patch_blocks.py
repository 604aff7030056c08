"""Every block of descriptors of one set of patches, asked of those who know how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.descriptors.channel_names import plain_channel_name
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.channel_knowledge import ChannelKnowledge, mark_block
from physlearn.datasets.patches.patch_assembly import is_pooled
from physlearn.datasets.patches.patch_options import PatchOptions
from physlearn.datasets.patches.patch_sources import Sources

__all__ = ["check_extra", "collect_blocks"]

Floats = NDArray[np.float64]

PICTURE_GROUPS = ("mean", "variance", "crystallinity", "gradient")
CHANNEL_GROUPS = ("mean",)


def collect_blocks(
    sources: Sources,
    places: PatchPlaces,
    options: PatchOptions,
    *,
    knowledge: ChannelKnowledge,
    frame: int = 0,
) -> list[ColumnBlock]:
    """Return the blocks of one frame: atoms, picture and channels, spectra, walls."""
    pooled = options.covariance == "pooled"
    blocks: list[ColumnBlock] = []
    if sources.atoms is not None:
        blocks += _atom_blocks(sources, places, pooled)
    if sources.picture is not None:
        blocks += _pixel_blocks("image", sources.picture, places, options, knowledge, pooled)
    for name, channel in sources.channels.items():
        blocks += _pixel_blocks(name, channel, places, options, knowledge, pooled)
        if not pooled and is_pooled(options, places.n, sum(len(each.names) for each in blocks)):
            # covariances by patch would fill the memory before the table takes their mean
            pooled, blocks = True, [_with_mean_covariance(each) for each in blocks]
    if sources.spectra:
        from physlearn.datasets.spectra.spectra_blocks import spectra_blocks

        for name, one in sources.spectra.items():
            own = spectra_blocks(one, places, options.spectra)
            blocks += own if len(sources.spectra) == 1 else [prefixed(each, name) for each in own]
    if sources.walls is not None:
        from physlearn.datasets.patches.wall_blocks import wall_blocks

        blocks += wall_blocks(sources.walls, places, frame=frame)
    return blocks


def check_extra(sources: Sources, options: PatchOptions) -> None:
    """Refuse the user's descriptors of channels that are not there.

    Raises
    ------
    InputError
        Naming the channels that are.
    """
    if options.extra and not sources.maps:
        raise InputError("extra holds functions of pixels; source and channels have none.")
    for key in options.extra:
        if isinstance(key, tuple) and plain_channel_name(key[0]) not in sources.maps:
            raise InputError(
                f"extra must name channels that are there; {key[0]!r} is none of "
                f"{', '.join(sources.maps)}."
            )


def _with_mean_covariance(block: ColumnBlock) -> ColumnBlock:
    """Return the block with one covariance: the mean over the patches that have its columns."""
    covariance = block.covariance
    if covariance is None or len(covariance) == 1:
        return block
    known = np.isfinite(block.values).all(axis=1)
    mean = covariance[known].mean(axis=0) if known.any() else covariance.mean(axis=0)
    return replace(block, covariance=mean[None])


def prefixed(block: ColumnBlock, name: str) -> ColumnBlock:
    """Return the block with a channel's name before those of its columns."""

    def named(column: str) -> str:
        return f"{name}_{column}"

    return replace(
        block,
        names=tuple(map(named, block.names)),
        derived={named(column): tuple(map(named, of)) for column, of in block.derived.items()},
        flags={named(column): text for column, text in block.flags.items()},
        periods={named(column): period for column, period in block.periods.items()},
        pixels_of={named(column): f"{of} of {name}" for column, of in block.pixels_of.items()},
    )


def _atom_blocks(sources: Sources, places: PatchPlaces, pooled: bool) -> list[ColumnBlock]:
    from physlearn.datasets.patches.atom_blocks import atom_blocks

    assert sources.atoms is not None  # noqa: S101 -- the caller has checked it
    return atom_blocks(
        sources.atoms, sources.snapshots, places, sources.measurements, pooled=pooled
    )


def _pixel_blocks(
    name: str,
    channel: xr.DataArray,
    places: PatchPlaces,
    options: PatchOptions,
    knowledge: ChannelKnowledge,
    pooled: bool,
) -> list[ColumnBlock]:
    """Return the chosen groups of one channel's pixels, and the user's own descriptors of it."""
    from physlearn.datasets.descriptors.pixel_blocks import pixel_blocks

    alone = name == "image"
    groups = options.descriptors
    if groups is None:
        groups = PICTURE_GROUPS if alone else CHANNEL_GROUPS
    extra = {}
    for key, descriptor in options.extra.items():
        of, column = key if isinstance(key, tuple) else (name, key)
        if plain_channel_name(of) == name:
            extra[column] = descriptor
    blocks = pixel_blocks(
        name, channel, places, groups, knowledge.noises.get(name), extra=extra,
        tier=options.tiers.get(name, 2), alone=alone, pooled=pooled,
    )  # fmt: skip
    return [mark_block(block, name, knowledge) for block in blocks]
