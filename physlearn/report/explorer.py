"""The picture that a reader can go into: its dots, its atoms marked, its patches squared."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from physlearn.findings import Findings
from physlearn.phrases import unit_text
from physlearn.words import species_counts

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from physlearn.records import AtomicConfiguration, PatchTable

__all__ = ["LARGEST_SIDE", "LEGEND_MARKS", "MOST_ATOMS", "MOST_PATCHES", "build_explorer"]

MOST_ATOMS = 10_000
MOST_PATCHES = 3_000
LARGEST_SIDE = 2048
"""Pixels: a larger picture is shown smaller; its numbers come from the file."""

LOSSLESS_BYTES = 700_000
JPEG_QUALITY = 88
RING_SHARE = 0.3
"""Radius of a mark over the typical distance of neighbours."""

SHAPES = (
    "m{r} 0a{r} {r} 0 1 0-{d} 0a{r} {r} 0 1 0 {d} 0z",  # ring
    "m0-{r}l{r} {r}-{r} {r}-{r}-{r}z",  # diamond
    "m-{s}-{s}h{e}v{e}h-{e}z",  # square
    "m0-{r}l{r} {d}h-{d}z",  # triangle
)
"""Of each species in turn: shapes differ, and not colours alone."""


def _shape(code: int, radius: float) -> str:
    """Return the path of a mark about the current point."""
    r = round(radius, 1)
    return SHAPES[code % len(SHAPES)].format(
        r=r, d=round(2 * r, 1), s=round(0.85 * r, 1), e=round(1.7 * r, 1)
    )


LEGEND_MARKS = tuple("M0 0" + _shape(code, 5.0) for code in range(len(SHAPES)))
"""The shapes as a legend of 16 by 16 draws them."""


def build_explorer(findings: Findings) -> dict[str, Any] | None:
    """Return what the page needs to show the picture with its atoms and patches, or None.

    Positions are in pixels of the picture as it was read. ``data`` goes into the page as JSON.

    Examples
    --------
    >>> build_explorer(Findings("a picture", 1)) is None
    True
    """
    image, atoms, table = findings.image, findings.atoms, findings.patches
    if image is None or (atoms is None and table is None):
        return None
    rows, columns = image.sizes["y"], image.sizes["x"]
    origin, step = _frame(image)
    uri, kept = _dots(image)
    notes = []
    if kept < 1.0:
        notes.append(
            f"The picture is shown smaller than it is ({columns} by {rows} pixels); every number "
            "comes from the file itself."
        )
    shown: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    if atoms is not None:
        shown = _sample(atoms, findings.seed)
        if len(shown) < atoms.n:
            notes.append(
                f"Marks stand on a random sample of {len(shown):,} of the {atoms.n:,} columns; all "
                "are in atoms.csv."
            )
    squares = None if table is None or table.n_patches > MOST_PATCHES else table
    if table is not None and squares is None:
        notes.append(f"The {table.n_patches:,} patches are too many to show; see patches.csv.")
    data: dict[str, Any] = {
        "unit": "px" if atoms is None else unit_text(atoms.unit),
        "origin": [_short(v) for v in origin], "step": [_short(v, 6) for v in step],
        "atoms": None, "patches": None,
    }  # fmt: skip
    layers: list[dict[str, Any]] = []
    if atoms is not None and len(shown):
        layers, data["atoms"] = _atom_layer(atoms, shown, origin, step)
    edge = 0.0
    if squares is not None:
        data["patches"] = _patch_layer(squares, origin, step)
        data["unit"] = unit_text(squares.unit) if atoms is None else data["unit"]
        edge = data["patches"]["edge"]
    return {
        "uri": uri, "width": columns, "height": rows, "layers": layers, "notes": notes,
        "data": data, "alt": _alt(findings, rows, columns),
        "grid": _grid(data["patches"]["at"], edge) if squares is not None else "",
        "sampled": len(shown),
        # "<" can't stand inside a script element of HTML
        "json": Markup(json.dumps(data, allow_nan=False).replace("<", "\\u003c")),  # noqa: S704
    }  # fmt: skip


def _alt(findings: Findings, rows: int, columns: int) -> str:
    text = f"The picture itself, {columns} by {rows} pixels, in grey"
    if findings.atoms is None:
        return f"{text}; no atom columns were found in it."
    counts = species_counts(findings)
    said = ", ".join(f"{n:,} {name}" for name, n in counts.items())
    return f"{text}, with a mark on each of {findings.atoms.n:,} fitted atom columns" + (
        f": {said}." if said else "."
    )


def _frame(image: xr.DataArray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the coordinates of the first pixel's centre, and the distance of pixels, as x, y."""
    origin, step = [], []
    for dim in ("x", "y"):
        axis = (
            image.coords[dim].to_numpy().astype(float)
            if dim in image.coords
            else np.arange(image.sizes[dim], dtype=float)
        )
        origin.append(float(axis[0]))
        step.append(float((axis[-1] - axis[0]) / max(len(axis) - 1, 1)) or 1.0)
    return (origin[0], origin[1]), (step[0], step[1])


def _dots(image: xr.DataArray) -> tuple[str, float]:
    """Return the picture's grey values as a data URI, and the scale at which it is shown.

    Without loss where that is small; else a JPEG, which is for looking only.
    """
    from PIL import Image

    values = image.to_numpy().astype(np.float64)
    low, high = np.nanpercentile(values, [0.5, 99.5])
    grey = np.nan_to_num((values - low) / max(high - low, 1e-300), nan=0.0)
    dots = Image.fromarray((255 * np.clip(grey, 0.0, 1.0)).astype(np.uint8))
    scale = min(1.0, LARGEST_SIDE / max(dots.size))
    if scale < 1.0:
        dots = dots.resize(
            (round(dots.width * scale), round(dots.height * scale)), Image.Resampling.LANCZOS
        )
    stream = io.BytesIO()
    dots.save(stream, "PNG", optimize=True)
    kind = "png"
    if len(stream.getvalue()) > LOSSLESS_BYTES:
        stream, kind = io.BytesIO(), "jpeg"
        dots.save(stream, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}", scale


def _sample(atoms: AtomicConfiguration, seed: int) -> NDArray[np.int64]:
    """Return the rows that get a mark: all, or a random sample of a picture with very many."""
    if atoms.n <= MOST_ATOMS:
        return np.arange(atoms.n)
    return np.sort(np.random.default_rng(seed).choice(atoms.n, MOST_ATOMS, replace=False))


def _atom_layer(
    atoms: AtomicConfiguration,
    shown: NDArray[np.int64],
    origin: tuple[float, float],
    step: tuple[float, float],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a path of marks for each species, and the atoms' numbers."""
    from physlearn.atom_summary import species_probabilities

    places = (atoms.positions[shown, :2] - origin) / step + 0.5
    radius = RING_SHARE * _spacing(atoms.positions[:, :2] / np.asarray(step))
    codes = np.zeros(len(shown), dtype=np.int64)
    names: Sequence[str] = ["column"]
    if atoms.species is not None:
        codes = atoms.species[shown]
        names = atoms.species_names or [f"species {c}" for c in range(int(codes.max()) + 1)]
    layers = []
    for code, name in enumerate(names):
        if (codes == code).any():
            mark = _shape(code, radius)
            path = "".join(f"M{x:.1f} {y:.1f}{mark}" for x, y in places[codes == code])
            layers.append({"name": name, "path": path, "kind": code % len(SHAPES)})
    chances = species_probabilities(atoms)
    sd = None
    if atoms.position_covariance is not None:
        sd = np.sqrt(np.einsum("nii->ni", atoms.position_covariance[shown])[:, :2])
    return layers, {
        "at": np.round(places, 2).tolist(),
        "id": shown.tolist() if len(shown) < atoms.n else None,
        "kind": codes.tolist(),
        "names": list(names) if atoms.species is not None else [],
        "sd": None if sd is None else [[_short(v, 2) for v in row] for row in sd.tolist()],
        "chance": None if chances is None
        else np.round(chances[shown, codes], 4).tolist(),
        "radius": _short(radius),
    }  # fmt: skip


def _spacing(places: NDArray[np.float64]) -> float:
    """Return the median distance of nearest neighbours, in pixels."""
    from scipy.spatial import cKDTree

    if len(places) < 2:
        return 10.0
    away = np.asarray(cKDTree(places).query(places, k=2)[0])
    return float(np.median(away[:, 1]))


def _patch_layer(
    table: PatchTable, origin: tuple[float, float], step: tuple[float, float]
) -> dict[str, Any]:
    """Return the patches' places, edge and values."""
    covariance = table.measurement_covariance
    columns = []
    for index, name in enumerate(table.columns):
        sd = None
        if covariance is not None and name not in table.errors_unknown:
            sd = _short(float(np.sqrt(covariance[:, index, index].mean())), 2)
        columns.append(
            {
                "name": name.replace("_", " "),
                "unit": unit_text(table.units[name]),
                "sd": sd,
                "values": [_short(v) for v in table.frame[name].tolist()],
            }
        )
    at = (table.centers - origin) / step + 0.5
    edge = table.patch_size * (1.0 - table.overlap) / abs(step[0])
    return {"at": np.round(at, 1).tolist(), "edge": _short(edge), "columns": columns}


def _grid(centers: Sequence[Sequence[float]], edge: float) -> str:
    half = edge / 2
    return "".join(f"M{x - half:.1f} {y - half:.1f}h{edge:.1f}v{edge:.1f}h-{edge:.1f}z"
                   for x, y in centers)  # fmt: skip


def _short(value: float, digits: int = 4) -> float | None:
    """Return a number with few digits, or None where there is none."""
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None
