"""Pictures of vacancies and other defects on the sites of a lattice, and of trajectories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.patheffects
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from physlearn.report.draw_atoms import plot_image

if TYPE_CHECKING:
    from physlearn.datasets import SiteStates

__all__ = ["plot_vacancies"]

RINGS = {
    "vacant": ("#ff9a4d", "o"), "half": ("#f0e442", "s"), "other": ("#56b4e9", "D"),
    "interstitial": ("#e79ac6", "^"),
}  # fmt: skip


def plot_vacancies(
    image: xr.DataArray, sites: SiteStates, interstitials: np.ndarray | None = None, *,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Draw the picture and a mark on every site that is not as it should be.

    Parameters
    ----------
    image
        Dims (y, x), as ``read_image`` returns it.
    sites
        What ``find_vacancies`` returned.
    interstitials
        Shape (n, 2): places of columns on no site; None draws none.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.datasets import find_atoms, find_vacancies, make_defect_scene
    >>> picture = make_defect_scene((96, 96), rng=1).scene.image
    >>> sites = find_vacancies(find_atoms(picture), picture)
    >>> plot_vacancies(picture, sites).get_aspect()
    1.0
    """
    ax = plot_image(image, ax=ax)
    places = {kind: sites.positions[sites.flags(kind)] for kind in ("vacant", "half", "other")}
    places["interstitial"] = np.empty((0, 2)) if interstitials is None else interstitials
    for kind, points in places.items():
        if len(points) == 0:
            continue
        color, mark = RINGS[kind]
        rings = ax.scatter(
            points[:, 0], points[:, 1], s=46, facecolors="none", edgecolors=color, marker=mark,
            lw=1.5, label=f"{kind} ({len(points)})",
        )  # fmt: skip
        rings.set_path_effects(
            [matplotlib.patheffects.withStroke(linewidth=2.8, foreground="black", alpha=0.7)]
        )
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return ax
