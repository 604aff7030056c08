"""Pictures of rings of bonded atoms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patches import Patch

from physlearn.report.draw_atoms import plot_image
from physlearn.report.drawing import get_axes, scale_bar

if TYPE_CHECKING:
    from physlearn.datasets import Rings

__all__ = ["plot_rings"]

RING_FILLS = {4: "#cc79a7", 5: "#e69f00", 7: "#56b4e9", 8: "#009e73"}
OTHER_FILL = "#d55e00"
USUAL = 6


def plot_rings(rings: Rings, image: xr.DataArray | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw bonds, and every ring that is no hexagon filled with the colour of its size.

    Parameters
    ----------
    rings
        What ``find_rings`` returned.
    image
        The picture behind, dims (y, x); None draws none.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.datasets import find_rings, make_stone_wales_graphene
    >>> made = make_stone_wales_graphene(1, rng=0)
    >>> axes = plot_rings(find_rings(made.scene.truth))
    >>> sorted(text.get_text() for text in axes.get_legend().get_texts())
    ['5 (2)', '7 (2)']
    """
    ax = get_axes(ax, (5.0, 5.4))
    places = rings.atoms.positions
    if image is not None:
        plot_image(image, ax=ax)
    ends = places[rings.bonds]
    color = "#ffffffb0" if image is not None else "#8a949e"
    ax.add_collection(LineCollection(list(ends), colors=color, lw=0.8))
    marks = []
    for size in np.unique(rings.sizes):
        if size == USUAL:
            continue
        rows = np.flatnonzero(rings.sizes == size)
        shapes = [places[rings.members[rings.starts[k] : rings.starts[k + 1]]] for k in rows]
        fill = RING_FILLS.get(int(size), OTHER_FILL)
        ax.add_collection(PolyCollection(shapes, facecolors=fill, edgecolors=fill, alpha=0.55))
        marks.append(Patch(color=fill, alpha=0.55, label=f"{size} ({len(rows)})"))
    if image is None:
        ax.autoscale_view()
        ax.set_aspect("equal")
        ax.invert_yaxis()
        scale_bar(ax, rings.atoms.unit)
    if marks:
        ax.legend(handles=marks, title="atoms in a ring", loc="lower center",
                  bbox_to_anchor=(0.5, 1.0), ncols=5)  # fmt: skip
    return ax
