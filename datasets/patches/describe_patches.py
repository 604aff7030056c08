"""Patches of a picture: composition, structure and response of each, with measurement errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from physlearn.datasets.channels.axis_frame import axis_frame
from physlearn.datasets.patches.channel_knowledge import know_channels
from physlearn.datasets.patches.covariates import acquisition_covariates
from physlearn.datasets.patches.patch_assembly import assemble_table, stack_frames
from physlearn.datasets.patches.patch_blocks import check_extra, collect_blocks
from physlearn.datasets.patches.patch_layout import choose_places
from physlearn.datasets.patches.patch_options import PatchOptions
from physlearn.datasets.patches.patch_sources import (
    Channels,
    PatchSource,
    Sources,
    gather_sources,
)
from physlearn.datasets.patches.repeat_sources import align_sources, seen_twice
from physlearn.datasets.patches.repeated_scan import merge_repeat
from physlearn.records import LatticeSnapshots, PatchTable, WallTrack

__all__ = ["describe_patches"]


def describe_patches(
    source: PatchSource | None,
    snapshots: LatticeSnapshots | None = None,
    channels: Channels | None = None,
    *,
    walls: WallTrack | None = None,
    spectra: xr.DataArray | Mapping[str, xr.DataArray] | None = None,
    repeat: PatchSource | None = None,
    measurements: Sequence[Any] | Any = (),
    patch_size: float | None = None,
    options: PatchOptions | None = None,
) -> PatchTable:
    """Describe square patches by what their atoms, pixels, spectra and walls show.

    One row a patch (and frame), one column a descriptor with unit, tier and measurement error
    (``descriptor_terms`` lists formulas and invariances). Tier 0, composition: ``composition``
    (share of state +1), ``intensity_residual``, ``density``, ``missing_neighbours``. Tier 1,
    structure: ``dilation``, ``deviatoric_strain`` (xx - yy), ``shear_strain`` (xy + yx),
    ``lattice_rotation``, ``spacing``, ``bond_order`` (|psi_6| or |psi_4|), what ``measurements``
    hold, ``wall_distance``, ``wall_length``. Tier 2, response: the mean of each channel, and what
    spectra show (coercive voltages, resonance). One picture without a name gives
    ``mean_intensity`` (0), ``local_variance``, ``crystallinity`` and ``gradient`` (1).

    Errors come from the atoms' covariances, from each channel's noise (declared or measured) and
    the scatter of spectra; or, with ``repeat``, from two scans: both are registered, every column
    is computed on both, the table holds ``(Z1 + Z2) / 2`` with the covariance
    ``cov(Z1 - Z2) / 4``. What both scans share (a fixed pattern) is not seen.

    Parameters
    ----------
    source
        Columns of a picture, walls, a picture (y, x), a video (time, y, x), channels, or spectra
        (y, x, axis); None when only ``channels`` are given.
    snapshots
        Sites of the atoms (``assign_sites``); None leaves out what needs a lattice.
    channels
        Dataset, DataArray (channel, y, x) or mapping of DataArrays (y, x) on the picture's
        coordinates, of any pixel size. One DataArray (y, x) without a source is the picture.
        Attributes ``units`` and ``noise_sd`` (of one pixel) are used where given.
    walls
        Domain walls in the same coordinates.
    spectra
        Spectra by pixel, dims (y, x, axis), beside those among the channels.
    repeat
        The same place measured again: of the kind of ``source`` or ``channels``.
    measurements
        Records measured on the atoms: ``SiteStates``, ``PolarizationField``, ``Rings``...
    patch_size
        Edge in the unit of length; None takes the cells of a channel much coarser than the rest,
        else 3 lattice constants. Several channels alone get 64 patches along the short edge, of at
        least 4 pixels, anything else 16 of at least 8 pixels.
    options
        Overlap, centres, descriptors and more: ``PatchOptions``.

    Returns
    -------
    PatchTable
        Patches that lack a descriptor are left out and counted in ``selection``; a column that
        more than half of the patches lack is left out instead unless ``PatchOptions.require``
        names it; columns that do not vary are left out. ``flags`` mark channels without a signal
        above their noise, ``derived`` those that repeat another, ``errors_unknown`` columns whose
        error nobody knows. ``covariates``: row, column, frame, time, scan_time, drift, dose.

    Raises
    ------
    InputError
        When there is nothing to describe, units differ, the patches are too large, or a repeat is
        of another kind.
    NotIdentified
        When no patch has every descriptor, or the repeat does not overlap.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> scene = 5 * np.sin(np.arange(96) / 7)[:, None] * np.cos(np.arange(96) / 9)
    >>> scans = [xr.DataArray(scene + rng.normal(size=(96, 96)), dims=("y", "x")) for _ in "ab"]
    >>> table = describe_patches(scans[0], patch_size=16.0)
    >>> table.n_patches, table.tiers["mean_intensity"]
    (36, 0)
    >>> twice = describe_patches({"height": scans[0]}, repeat={"height": scans[1]}, patch_size=8.0)
    >>> variance = float(twice.measurement_covariance[0, 0, 0])
    >>> abs(variance - 1 / 64 / 2) < 0.3 / 64  # of the mean of 64 pixels of two scans
    True
    """
    chosen = options or PatchOptions()
    sources = gather_sources(source, snapshots, channels, walls, spectra, measurements)
    check_extra(sources, chosen)
    metadata: dict[str, Any] = {"frame_of_reference": chosen.frame_of_reference}
    again: Sources | None = None
    scanned, notes = sources, sources.warnings
    if repeat is not None:
        aligned = align_sources(sources, repeat)
        sources, again = aligned.first, aligned.again
        notes += aligned.notes
    places, frame = choose_places(sources, patch_size, chosen)
    metadata["channels"] = [*sources.channels, *sources.spectra]
    if chosen.spectra is not None and sources.spectra:
        metadata["channels"] += [str(edge) for edge in chosen.spectra.edges]
    knowledge = know_channels(sources, places, repeated=() if again is None else list(again.maps))
    blocks = stack_frames(
        [
            collect_blocks(sources.at_frame(k), places, chosen, knowledge=knowledge, frame=k)
            for k in range(sources.n_frames)
        ]
    )
    if again is not None:
        own = know_channels(again, places, repeated=list(again.maps))
        second = collect_blocks(again, places, chosen, knowledge=own)
        seen, pair = None, None
        if aligned.seen is not None:
            seen = seen_twice(aligned.seen.again, places)
            pair = (
                collect_blocks(aligned.seen.first, places, chosen, knowledge=knowledge),
                collect_blocks(aligned.seen.again, places, chosen, knowledge=own),
            )
        each = chosen.covariance == "each"
        blocks, found = merge_repeat(blocks, second, places, each=each, seen=seen, by_both=pair)
        metadata["repeat"] = {**aligned.told, **found}
        if scanned.maps:
            # rows and times count from the first line that was scanned, not from the cut
            frame = axis_frame(*next(iter(scanned.maps.items())))
    return assemble_table(
        blocks,
        places,
        chosen,
        covariates=acquisition_covariates(scanned, places, frame, chosen),
        metadata=metadata,
        warnings=(*notes, *knowledge.notes),
        n_frames=sources.n_frames,
    )
