"""Spectra as columns of a patch table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_choice
from physlearn.datasets.channels.angles import wide_angle_flag
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.spectra.edges import measure_edges
from physlearn.datasets.spectra.loop_sweep import sweep_directions
from physlearn.datasets.spectra.loops import LOOP_COLUMNS, describe_loops
from physlearn.datasets.spectra.oscillator import RESONANCE_COLUMNS, fit_harmonic_oscillator
from physlearn.datasets.spectra.patch_locations import patch_locations
from physlearn.datasets.spectra.pixel_spectra import pixel_spectra
from physlearn.datasets.spectra.scores import score_spectra
from physlearn.option_fields import check_fields

__all__ = ["SpectraOptions", "pixel_descriptors", "spectra_blocks"]

Floats = NDArray[np.float64]
Window = tuple[float, float]

KINDS = ("auto", "loops", "resonance", "edges", "scores")
RESPONSE, COMPOSITION = 2, 0
DERIVED = {
    "imprint": ("coercive_voltage_rising", "coercive_voltage_falling"),
    "loop_area": (
        "switchable_response", "coercive_voltage_rising", "coercive_voltage_falling",
    ),
    "remanent_response": (
        "switchable_response", "coercive_voltage_rising", "coercive_voltage_falling",
    ),
}  # fmt: skip
NOTE = (
    "errors of {kind} columns are the scatter of a patch's pixels about a plane, pixels taken for "
    "independent: structure finer than the patch counts as error."
)


@dataclass(frozen=True, slots=True)
class SpectraOptions:
    """How spectra become columns.

    Attributes
    ----------
    kind
        ``loops``, ``resonance``, ``edges``, ``scores``, or ``auto``: complex spectra, and those
        over a frequency, hold a resonance, a sweep up and down holds a loop, windows make edges,
        any other is scored.
    columns
        Which descriptors to keep; None: all.
    level
        As in ``describe_loops``.
    edges, gain
        As in ``measure_edges``.
    n_components
        As in ``score_spectra``.
    least_share
        Share of a patch's pixels that must be measured.

    Examples
    --------
    >>> SpectraOptions(columns=("imprint",)).kind
    'auto'
    """

    kind: str = "auto"
    columns: tuple[str, ...] | None = None
    level: str = "middle"
    edges: Mapping[str, tuple[Window, Window]] = field(default_factory=dict)
    gain: float = 1.0
    n_components: int | None = None
    least_share: float = 0.4

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        if not 0.0 < self.least_share <= 1.0:
            raise InputError(f"least_share must lie in (0, 1]; got {self.least_share!r}.")
        check_fields(self)


def pixel_descriptors(
    spectra: xr.DataArray, options: SpectraOptions | None = None
) -> tuple[str, tuple[str, ...], xr.Dataset]:
    """Return the kind of the spectra, the names of their descriptors, and the maps of these."""
    options = options or SpectraOptions()
    kind = options.kind if options.kind != "auto" else _kind(spectra, options)
    if kind == "loops":
        names: Sequence[str] = LOOP_COLUMNS
        maps = describe_loops(spectra, level=options.level)
    elif kind == "resonance":
        maps = fit_harmonic_oscillator(spectra)
        names = [name for name in RESONANCE_COLUMNS if name in maps]
    elif kind == "edges":
        names, maps = tuple(options.edges), measure_edges(spectra, options.edges, gain=options.gain)
    else:
        maps = score_spectra(spectra, options.n_components)
        names = [str(name) for name in maps["column"].to_numpy()]
    if options.columns is not None:
        unknown = [name for name in options.columns if name not in names]
        if unknown:
            raise InputError(
                f"columns must be descriptors of {kind} ({', '.join(names)}); got {unknown[0]!r}."
            )
        names = options.columns
    return kind, tuple(names), maps


def _kind(spectra: xr.DataArray, options: SpectraOptions) -> str:
    """Return what kind of spectra these are."""
    if options.edges:
        return "edges"
    pixels = pixel_spectra("spectra", spectra)
    if np.iscomplexobj(pixels.values) or pixels.axis_unit.endswith("Hz"):
        return "resonance"
    try:
        sweep_directions(pixels.axis)
    except InputError:
        return "scores"
    return "loops"


def spectra_blocks(
    spectra: xr.DataArray, places: PatchPlaces, options: SpectraOptions | None = None
) -> list[ColumnBlock]:
    """Return the descriptors of the spectra in each patch, robustly, with their covariance.

    Every pixel is measured by itself (``describe_loops`` and its like), and a patch has the value
    of a plane through its pixels, by Tukey's bisquare: a quarter of the pixels may be spoilt.

    Raises
    ------
    InputError
        For spectra without the dimensions y and x, or an unknown column.
    """
    if "y" not in spectra.dims or "x" not in spectra.dims:
        raise InputError(
            f"spectra must have the dimensions (y, x, axis) to lie in patches; got {spectra.dims}."
        )
    options = options or SpectraOptions()
    kind, names, maps = pixel_descriptors(spectra, options)
    axes = [_coordinate(spectra, name) for name in ("x", "y")]
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    values = np.stack([maps[name].to_numpy().ravel() for name in names], axis=1)
    turn, wide = None, ""
    if "phase" in names:
        # a phase is measured from its own mean, so that no patch sees the jump at pi
        k = names.index("phase")
        turn = float(np.angle(np.nanmean(np.exp(1j * values[:, k]))))
        values[:, k] = np.angle(np.exp(1j * (values[:, k] - turn)))
    found = patch_locations(
        places.members(points), places.n, points, values, least_share=options.least_share
    )
    if turn is not None:
        found.values[:, names.index("phase")] += turn
        wide = wide_angle_flag(found.values[:, names.index("phase")], 2.0 * np.pi, "rad")
    tier = COMPOSITION if kind == "edges" else RESPONSE
    derived = {name: of for name, of in DERIVED.items() if name in names and set(of) <= set(names)}
    notes = [NOTE.format(kind=kind)]
    lost = float(np.mean(~np.isfinite(values).all(axis=1)))
    if lost > 0:
        notes.append(f"{lost:.0%} of the spectra could not be measured in full ({kind}).")
    notes += list(maps.attrs.get("warnings", ()))
    # an edge's name is the user's; the controlled word stands behind it
    columns = tuple(f"{name}_edge_counts" for name in names) if kind == "edges" else names
    return [
        ColumnBlock(
            columns, found.values, (tier,) * len(names),
            tuple(str(maps[name].attrs["units"]) for name in names), found.covariance,
            derived=derived, notes=tuple(notes),
            flags={"phase": wide} if wide else {},
            periods={} if turn is None else {"phase": 2.0 * np.pi},
            # numbers of one fitted curve; counts of different edges are different elements
            pixels_of={} if kind == "edges" else dict.fromkeys(columns, "the spectra"),
        )
    ]  # fmt: skip


def _coordinate(spectra: xr.DataArray, name: str) -> Floats:
    """Return a coordinate of the map; without one, pixels are numbered."""
    if name in spectra.coords:
        return np.asarray(spectra.coords[name].to_numpy(), dtype=np.float64)
    return np.arange(spectra.sizes[name], dtype=np.float64)
