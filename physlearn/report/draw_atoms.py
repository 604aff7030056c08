"""Pictures of an image, its atoms, its species and its patches."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.patheffects
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.records import AtomicConfiguration, LatticeSnapshots, PatchTable
from physlearn.report.drawing import COLORS, INK, MARKS, RED, get_axes, scale_bar, unit_label

__all__ = ["plot_atoms", "plot_image", "plot_patches", "plot_species", "site_atoms"]


SCATTER_POINTS = 200.0
"""Marks of a square picture, side by side, fill this many points."""

NOTE_LETTERS, TITLE_LETTERS = 27, 18
"""What fits below a small map in one line, and above it in full size."""

RING_COLORS = ("#56b4e9", "#ff9a4d", "#35d0a0", "#f0e442", "#e79ac6", "#ffffff")
"""As `COLORS`, lighter, for rings on a dark picture."""


def plot_image(image: xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Draw a picture in grey, its 0.5 to 99.5 percentile range, with a scale bar.

    Parameters
    ----------
    image
        Dims (y, x), as ``read_image`` returns it; y grows downwards, as in the file.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> picture = xr.DataArray(np.random.default_rng(0).normal(size=(20, 30)), dims=("y", "x"))
    >>> plot_image(picture).get_aspect()
    1.0
    """
    ax = get_axes(ax, (5.0, 5.0))
    values = image.to_numpy()
    low, high = np.nanpercentile(values, [0.5, 99.5])
    ax.imshow(values, cmap="gray", vmin=low, vmax=high, extent=_extent(image))
    unit = str(image.coords["x"].attrs.get("units", "pixel")) if "x" in image.coords else "pixel"
    scale_bar(ax, unit)
    return ax


def plot_atoms(image: xr.DataArray, atoms: AtomicConfiguration, *, ax: Axes | None = None) -> Axes:
    """Draw the picture and a small ring on every atom, one colour and shape a species.

    Examples
    --------
    >>> picture = xr.DataArray(np.random.default_rng(0).normal(size=(20, 30)), dims=("y", "x"))
    >>> len(plot_atoms(picture, AtomicConfiguration([[5.0, 6.0]])).collections)
    1
    """
    ax = plot_image(image, ax=ax)
    _scatter_species(ax, atoms, filled=False)
    return ax


def plot_species(found: AtomicConfiguration | LatticeSnapshots, *, ax: Axes | None = None) -> Axes:
    """Draw where each species stands, without the picture.

    Parameters
    ----------
    found
        Atoms with species, or the first snapshot of a lattice that knows its positions.

    Examples
    --------
    >>> atoms = AtomicConfiguration([[0, 0], [1, 1]], species=[0, 1], species_names=("Mo", "Re"))
    >>> [text.get_text() for text in plot_species(atoms).get_legend().get_texts()]
    ['Mo (1)', 'Re (1)']
    """
    ax = get_axes(ax, (5.0, 5.4))
    if isinstance(found, LatticeSnapshots):
        found = site_atoms(found)
    _scatter_species(ax, found, filled=True)
    ax.set_aspect("equal")
    ax.invert_yaxis()
    ax.set_xlabel(unit_label("x", found.unit))
    ax.set_ylabel(unit_label("y", found.unit))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, markerscale=1.6)
    return ax


def plot_patches(table: PatchTable, column: str, *, ax: Axes | None = None) -> Axes:
    """Draw one descriptor as a map of coloured squares.

    The mark beside the scale of colours spans two standard errors of one patch, where they are
    known. What the table flags is said below the map.

    Examples
    --------
    >>> import pandas as pd
    >>> table = PatchTable.from_frame(pd.DataFrame({"strain": [0.0, 0.01]}), [[0, 0], [8, 0]], 8.0)
    >>> plot_patches(table, "strain").get_title()
    'strain'
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    if column not in table.columns:
        raise InputError(f"column must be one of {', '.join(table.columns)}; got {column!r}.")
    ax = get_axes(ax, (4.4, 4.0))
    edge = table.patch_size * (1.0 - table.overlap)
    squares = [Rectangle((x - edge / 2, y - edge / 2), edge, edge) for x, y in table.centers]
    collection = PatchCollection(squares, cmap="cividis", lw=0)
    values = table.frame[column].to_numpy()
    collection.set_array(values)
    collection.set_clim(*np.percentile(values, [2, 98]))
    ax.add_collection(collection)
    ax.autoscale_view()
    ax.set_aspect("equal")
    ax.invert_yaxis()
    ax.set(xticks=[], yticks=[])
    title = column.replace("_", " ")
    ax.set_title(title, fontsize=11 if len(title) <= TITLE_LETTERS else 8.5)
    for spine in ax.spines.values():
        spine.set_visible(False)
    figure = ax.get_figure()
    if figure is not None:
        bar = figure.colorbar(collection, ax=ax, shrink=0.85, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label(unit_label("", table.units[column]).strip())
        bar.ax.ticklabel_format(scilimits=(-3, 4))
        _mark_error(bar.ax, table, column)
    note = table.flags.get(column, "")
    if column in table.derived:
        note = note or f"follows from {', '.join(table.derived[column])}".replace("_", " ")
    if note:
        ax.set_xlabel(textwrap.fill(note, NOTE_LETTERS), color=RED, fontsize=8.5)
    return ax


def _mark_error(bar: Axes, table: PatchTable, column: str) -> None:
    """Draw the error of one patch, up and down, beside the middle of the colour scale."""
    if table.measurement_covariance is None or column in table.errors_unknown:
        return
    index = table.columns.index(column)
    error = float(np.sqrt(table.measurement_covariance[:, index, index].mean()))
    low, high = bar.get_ylim()
    if error > 0:
        middle = 0.5 * (low + high)
        ends = np.clip([middle - error, middle + error], low, high)
        bar.plot([-0.35, -0.35], ends, color=INK, lw=2.2, clip_on=False, solid_capstyle="butt")
        for end in ends:
            bar.plot([-0.6, -0.1], [end, end], color=INK, lw=1.2, clip_on=False)


def _extent(image: xr.DataArray) -> tuple[float, float, float, float]:
    """Return (left, right, bottom, top) of the picture's edges in its coordinates."""
    edges: list[float] = []
    for dim in ("x", "y"):
        n = image.sizes[dim]
        axis = image.coords[dim].to_numpy() if dim in image.coords else np.arange(n, dtype=float)
        half = 0.5 * (axis[-1] - axis[0]) / (n - 1)
        edges += [float(axis[0] - half), float(axis[-1] + half)]
    return edges[0], edges[1], edges[3], edges[2]


def site_atoms(snapshots: LatticeSnapshots) -> AtomicConfiguration:
    """Return the sites seen in the first snapshot as atoms whose species is the site's state.

    Raises
    ------
    InputError
        When the graph does not know where its sites are.

    Examples
    --------
    >>> from physlearn.records import SiteGraph
    >>> chain = SiteGraph(2, [[0, 1]], [0], [1], positions=[[0.0, 0.0], [1.0, 0.0]])
    >>> site_atoms(LatticeSnapshots([[1, -1]], chain)).species.tolist()
    [1, 0]
    """
    positions = snapshots.graph.positions
    if positions is None:
        raise InputError("found must know where its sites are; this graph has no positions.")
    seen = (
        np.ones(snapshots.graph.n_sites, dtype=bool)
        if snapshots.observed is None
        else snapshots.observed[0]
    )
    codes = np.searchsorted(np.asarray(snapshots.state_values), snapshots.states[0])
    names = snapshots.state_names or tuple(f"state {v:+d}" for v in snapshots.state_values)
    return AtomicConfiguration(
        positions[seen], snapshots.graph.unit, species=codes[seen], species_names=names
    )


def _scatter_species(ax: Axes, atoms: AtomicConfiguration, *, filled: bool) -> None:
    codes: NDArray[np.int64] = (
        np.zeros(atoms.n, dtype=np.int64) if atoms.species is None else atoms.species
    )
    names: Sequence[str] = atoms.species_names or [
        f"species {code}" for code in range(int(codes.max(initial=0)) + 1)
    ]
    size = float(np.clip((SCATTER_POINTS / max(atoms.n, 1) ** 0.5) ** 2, 2.0, 60.0))
    for code, name in enumerate(names):
        rows = codes == code
        if not rows.any():
            continue
        color, mark = COLORS[code % len(COLORS)], MARKS[code % len(MARKS)]
        label = f"{name} ({int(rows.sum())})"
        x, y = atoms.positions[rows, 0], atoms.positions[rows, 1]
        if filled:
            ax.scatter(x, y, s=size, c=color, marker=mark, lw=0, label=label)
        else:
            rings = ax.scatter(
                x, y, s=1.2 * size, facecolors="none", edgecolors=RING_COLORS[code % 6],
                marker=mark, lw=float(np.clip(size / 14, 0.5, 1.8)), label=label,
            )  # fmt: skip
            rings.set_path_effects(
                [matplotlib.patheffects.withStroke(linewidth=2.4, foreground="black", alpha=0.6)]
            )
