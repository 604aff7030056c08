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

__all__ = ["common_species", "defect_places", "plot_vacancies"]

RINGS = {
    "vacant": ("#ff9a4d", "o"), "half": ("#f0e442", "s"), "brighter": ("#56b4e9", "D"),
    "dimmer": ("#39c5a5", "v"), "interstitial": ("#e79ac6", "^"),
}  # fmt: skip
COMMON = 0.1
"""Share of a sublattice's sites from which on another species is part of the crystal, no defect."""


def common_species(sites: SiteStates) -> int:
    """Return how many sites hold another species that is too common for a defect.

    Examples
    --------
    >>> from physlearn.datasets import find_atoms, find_vacancies, make_defect_scene
    >>> picture = make_defect_scene((96, 96), rng=1).scene.image
    >>> common_species(find_vacancies(find_atoms(picture), picture))
    0
    """
    return int(_common(sites).sum())


def defect_places(sites: SiteStates) -> dict[str, np.ndarray]:
    """Return the places (n, 2) of sites that are vacant, half filled, brighter or dimmer."""
    other = sites.flags("other") & ~_common(sites)
    return {
        "vacant": sites.positions[sites.flags("vacant")],
        "half": sites.positions[sites.flags("half")],
        "brighter": sites.positions[other & (sites.amplitude > 1)],
        "dimmer": sites.positions[other & (sites.amplitude <= 1)],
    }


def _common(sites: SiteStates) -> np.ndarray:
    result = np.zeros(sites.n_sites, dtype=np.bool_)
    for part in range(len(sites.phases)):
        mine, other = sites.sublattice == part, sites.flags("other", part)
        if other.sum() > COMMON * mine.sum():
            result |= other
    return result


def plot_vacancies(
    image: xr.DataArray, sites: SiteStates, interstitials: np.ndarray | None = None, *,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Draw the picture and a mark on every site that is not as it should be.

    Another species on more than a tenth of a sublattice's sites is part of the crystal: no marks.

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
    places = defect_places(sites)
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
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return ax
