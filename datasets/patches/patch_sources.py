"""What a user hands to ``describe_patches``, sorted into atoms, pictures, spectra and walls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.descriptors.channel_names import plain_channel_name
from physlearn.records import AtomicConfiguration, LatticeSnapshots, WallTrack

__all__ = ["RESERVED_NAMES", "Channels", "PatchSource", "Sources", "gather_sources"]

Floats = NDArray[np.float64]
Channels = xr.Dataset | xr.DataArray | Mapping[str, xr.DataArray]
PatchSource = AtomicConfiguration | WallTrack | Channels
RESERVED_NAMES = (
    "composition", "intensity_residual", "missing_neighbours", "dilation", "deviatoric_strain",
    "shear_strain", "bond_order", "mean_intensity", "local_variance", "crystallinity", "gradient",
    "density",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Everything that one set of patches is described by.

    Attributes
    ----------
    atoms, snapshots
        Columns and their sites, or None.
    picture
        A single picture (y, x) or (time, y, x) that carries no name of a channel, or None.
    channels, spectra
        Maps (y, x) or (time, y, x), and spectra (y, x, axis), by controlled name.
    walls
        Walls, or None.
    measurements
        Records measured on the atoms.
    frame_times
        Of the frames of a video or wall track; None when there is one frame.
    time_unit
        Unit of ``frame_times``.
    warnings
        What the sources said.
    """

    atoms: AtomicConfiguration | None = None
    snapshots: LatticeSnapshots | None = None
    picture: xr.DataArray | None = None
    channels: Mapping[str, xr.DataArray] = field(default_factory=dict)
    spectra: Mapping[str, xr.DataArray] = field(default_factory=dict)
    walls: WallTrack | None = None
    measurements: tuple[Any, ...] = ()
    frame_times: Floats | None = None
    time_unit: str = "frame"
    warnings: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        """Number of frames, 1 without a time axis."""
        return 1 if self.frame_times is None else len(self.frame_times)

    @property
    def maps(self) -> dict[str, xr.DataArray]:
        """Picture and channels by name; the picture is called ``image``."""
        named = {} if self.picture is None else {"image": self.picture}
        return {**named, **self.channels}

    def at_frame(self, frame: int) -> Sources:
        """Return the sources of one frame; walls are cut by ``wall_blocks`` itself."""

        def cut(array: xr.DataArray) -> xr.DataArray:
            return array.isel(time=frame, drop=True) if "time" in array.dims else array

        return replace(
            self,
            picture=None if self.picture is None else cut(self.picture),
            channels={name: cut(each) for name, each in self.channels.items()},
        )


def gather_sources(
    source: PatchSource | None,
    snapshots: LatticeSnapshots | None,
    channels: Channels | None,
    walls: WallTrack | None,
    spectra: xr.DataArray | Mapping[str, xr.DataArray] | None,
    measurements: Sequence[Any] | Any,
) -> Sources:
    """Return the sources sorted by kind, under controlled names.

    Raises
    ------
    InputError
        When there is nothing to describe, a kind is given twice, or a name is taken.
    """
    atoms: AtomicConfiguration | None = None
    picture: xr.DataArray | None = None
    given: list[Channels] = [] if channels is None else [channels]
    if isinstance(source, AtomicConfiguration):
        atoms = source if source.n else None
    elif isinstance(source, WallTrack):
        if walls is not None:
            raise InputError("walls are given twice, as source and as walls; give them once.")
        walls = source
    elif isinstance(source, xr.DataArray | xr.Dataset | Mapping):
        given.insert(0, source)
    elif source is not None:
        raise InputError(
            "source must be an AtomicConfiguration, a WallTrack, a Dataset, a DataArray or a "
            f"mapping of DataArrays; got {type(source).__name__}. read_channels(path) makes one "
            "of a file, xarray.DataArray(numbers, dims=('y', 'x')) of an array."
        )
    # one array without atoms or walls beside it is the picture, whatever its name
    single = given and isinstance(given[0], xr.DataArray) and "channel" not in given[0].dims
    if single and (isinstance(source, xr.DataArray) or (source is None and walls is None)):
        picture = cast("xr.DataArray", given.pop(0))
    maps, curves = _by_kind(_pairs_of(given))
    maps, angles = _with_angles(maps)
    curves.update(_named_spectra(spectra, taken=set(maps)))
    if picture is not None and _kind("of source", picture) == "spectra":
        curves[plain_channel_name(str(picture.name or "spectra"))] = picture.transpose(
            "y", "x", ...
        )
        picture = None
    if atoms is None and picture is None and walls is None and not maps and not curves:
        raise InputError(
            "source, channels, walls and spectra are all None: there is nothing to describe."
        )
    if atoms is None and snapshots is not None:
        raise InputError("snapshots are the sites of atoms; give the atoms as source too.")
    records = tuple(measurements) if isinstance(measurements, list | tuple) else (measurements,)
    if records and atoms is None:
        raise InputError("measurements are measured on atoms; give the atoms as source too.")
    # a map of any order of dims; the owners of the descriptors rely on (time, y, x)
    turned = None if picture is None else picture.transpose(..., "y", "x")
    if turned is not None:
        named, more = _with_angles({str(turned.name or "image"): turned})
        (turned,), angles = named.values(), (*angles, *more)
    said = _said(atoms, snapshots, walls, *given, *([] if turned is None else [turned]))
    found = Sources(
        atoms, snapshots, turned, maps, curves, walls, records, warnings=(*said, *angles)
    )
    times, unit = _frame_times(found)
    return replace(found, frame_times=times, time_unit=unit)


def _pairs_of(given: Iterable[Channels]) -> list[tuple[str, xr.DataArray]]:
    """Return every map under the name it came with."""
    pairs: list[tuple[str, xr.DataArray]] = []
    for channels in given:
        if isinstance(channels, xr.DataArray):
            if "channel" not in channels.dims:
                pairs.append((str(channels.name or "channel"), channels))
                continue
            if "channel" not in channels.coords:
                raise InputError("channels must have a coordinate `channel` with their names.")
            units = channels.attrs.get("channel_units", {})
            units = units if isinstance(units, Mapping) else {}
            for name in channels.coords["channel"].to_numpy():
                one = channels.sel(channel=name, drop=True)
                known = {"units": units[name]} if name in units else {}
                pairs.append((str(name), one.assign_attrs(known)))
        elif isinstance(channels, xr.Dataset | Mapping):
            pairs += [(str(name), value) for name, value in channels.items()]
        else:
            raise InputError(
                "channels must be a Dataset, a DataArray or a mapping of DataArrays; got "
                f"{type(channels).__name__}."
            )
    return pairs


def _kind(name: str, value: object) -> str:
    """Return map, video or spectra by an array's dims."""
    dims = set(value.dims) if isinstance(value, xr.DataArray) else set()
    if {"y", "x"} <= dims:
        rest = dims - {"y", "x"}
        if not rest:
            return "map"
        if len(rest) == 1:
            return "video" if rest == {"time"} else "spectra"
    raise InputError(
        f"channel {name} must be a DataArray with dims (y, x), (time, y, x) or (y, x, axis of a "
        "spectrum)."
    )


def _by_kind(
    pairs: Iterable[tuple[str, xr.DataArray]],
) -> tuple[dict[str, xr.DataArray], dict[str, xr.DataArray]]:
    """Return the maps and the spectra by controlled name."""
    maps: dict[str, xr.DataArray] = {}
    spectra: dict[str, xr.DataArray] = {}
    for name, value in pairs:
        kind, clean = _kind(name, value), plain_channel_name(name)
        # "image" is the picture that has no name of its own
        clean = "image_channel" if clean == "image" else clean
        if clean in maps or clean in spectra or clean in RESERVED_NAMES:
            raise InputError(f"channel name {name!r} is taken; rename the channel.")
        if kind == "spectra":
            spectra[clean] = value.transpose("y", "x", ...)
        else:
            maps[clean] = value.transpose(..., "y", "x")
    return maps, spectra


def _with_angles(
    maps: Mapping[str, xr.DataArray],
) -> tuple[dict[str, xr.DataArray], tuple[str, ...]]:
    """Return the maps, those that only their name makes angles with a unit, and sentences.

    Decided here, once: whoever gets the channel later may not know what it was called.
    """
    from physlearn.datasets.channels.angles import angle_with_unit

    both = {name: angle_with_unit(name, one) for name, one in maps.items()}
    return {name: one for name, (one, _) in both.items()}, tuple(
        text for _, text in both.values() if text
    )


def _named_spectra(
    spectra: xr.DataArray | Mapping[str, xr.DataArray] | None, taken: set[str]
) -> dict[str, xr.DataArray]:
    """Return the argument ``spectra`` by controlled name."""
    if spectra is None:
        return {}
    named = (
        {str(spectra.name or "spectra"): spectra} if isinstance(spectra, xr.DataArray) else spectra
    )
    result = {}
    for name, value in named.items():
        if not isinstance(value, xr.DataArray) or _kind(name, value) != "spectra":
            raise InputError(
                f"spectra {name} must be a DataArray with dims (y, x, axis of the spectrum)."
            )
        if plain_channel_name(name) in taken:
            raise InputError(f"the name of spectra {name!r} is taken; rename them.")
        result[plain_channel_name(name)] = value.transpose("y", "x", ...)
    return result


def _said(*sources: object) -> tuple[str, ...]:
    """Return the warnings that the sources carry."""
    notes: list[str] = []
    for source in sources:
        if isinstance(source, xr.DataArray | xr.Dataset):
            text = source.attrs.get("warnings", ())
        else:
            text = getattr(source, "warnings", ())
        notes += [text] if isinstance(text, str) else [str(each) for each in text]
    return tuple(dict.fromkeys(notes))


def _frame_times(found: Sources) -> tuple[Floats | None, str]:
    """Return the times of the frames that all videos and walls share, or None."""
    series: dict[str, tuple[Floats, str]] = {}
    for name, value in found.maps.items():
        if "time" in value.dims:
            known = "time" in value.coords
            times = (
                value.coords["time"].to_numpy() if known else np.arange(float(value.sizes["time"]))
            )
            unit = str(value.coords["time"].attrs.get("units", "frame")) if known else "frame"
            series[name] = (np.asarray(times, dtype=np.float64), unit)
    if found.walls is not None and (len(found.walls.frame_times) > 1 or series):
        series["walls"] = (found.walls.frame_times, found.walls.time_unit)
    if not series:
        return None, "frame"
    if found.atoms is not None:
        raise InputError("atoms are of one moment and the channels of several; give one frame.")
    (first, (times, unit)), *rest = series.items()
    for name, (other, _) in rest:
        if len(other) != len(times):
            raise InputError(
                f"{name} holds {len(other)} frames and {first} {len(times)}; give the same frames."
            )
    return times, unit
