"""Maps of what was measured atom by atom, cell by cell or patch by patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from physlearn.checks import InputError, check_choice
from physlearn.report.drawing import BLUE, COLORS, GREY, INK, MARKS, RED, get_axes, unit_label

if TYPE_CHECKING:
    from physlearn.datasets import (
        BondOrder,
        HopEvents,
        LocalSymmetry,
        PatchClasses,
        PatchClusters,
        PolarizationField,
        SurfaceAtoms,
    )
    from physlearn.records import AtomicConfiguration

__all__ = [
    "plot_bond_order", "plot_classes", "plot_heights", "plot_hops", "plot_polarization",
    "plot_symmetry",
]  # fmt: skip

SYMMETRIES = ("c2", "c3", "c4", "c6", "mirror")
DOUBTFUL = 0.9
"""Probability below which a patch's class is drawn pale."""
MAP_SIZE = (5.2, 4.6)


def plot_polarization(field: PolarizationField, *, ax: Axes | None = None) -> Axes:
    """Draw the polar displacement of each cell as an arrow coloured by its direction.

    Cells whose displacement is within two standard errors of none are grey. The length of the key's
    arrow is a displacement in the field's unit.

    Parameters
    ----------
    field
        From `measure_polarization`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.datasets import make_polar_perovskite, measure_polarization
    >>> truth = make_polar_perovskite((3, 3), domains="single", rng=0).scene.truth
    >>> plot_polarization(measure_polarization(truth, center="B", cage="A")).get_aspect()
    1.0
    """
    ax = get_axes(ax, MAP_SIZE)
    moved = field.displacements
    length = np.hypot(*moved.T)
    error = np.sqrt(np.maximum(np.trace(field.covariance, axis1=1, axis2=2), 0.0))
    seen = ~(length < 2.0 * error)
    typical = float(np.nanmedian(length)) or 1.0
    scale = typical / _spacing(field.positions)
    x, y = field.positions.T
    angle = np.degrees(np.arctan2(-moved[:, 1], moved[:, 0])) % 360.0
    if (~seen).any():
        ax.quiver(x[~seen], y[~seen], *moved[~seen].T, color=GREY, alpha=0.7, angles="xy",
                  scale_units="xy", scale=scale, pivot="mid", width=0.006)  # fmt: skip
    arrows = ax.quiver(x[seen], y[seen], *moved[seen].T, angle[seen], cmap="twilight_shifted",
                       angles="xy", scale_units="xy", scale=scale, pivot="mid", width=0.007,
                       clim=(0.0, 360.0))  # fmt: skip
    unit = unit_label("", field.unit).strip(" ()")
    ax.quiverkey(arrows, 0.86, 1.05, typical, f"{typical:.2g} {unit}".strip(), labelpos="E")
    ax.margins(0.12)
    _as_map(ax, field.unit)
    _color_bar(ax, arrows, "direction (degrees, from right, upwards)")
    return ax


def plot_bond_order(
    order: BondOrder, atoms: AtomicConfiguration, *, ax: Axes | None = None
) -> Axes:
    """Draw |psi_k| of each atom's bonds; atoms at the rim, whose cells are open, are rings.

    Parameters
    ----------
    order
        From `measure_bond_order`.
    atoms
        Those that were measured.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.datasets import measure_bond_order
    >>> from physlearn.records import AtomicConfiguration
    >>> y, x = np.mgrid[:5, :5].reshape(2, -1) * 1.0
    >>> atoms = AtomicConfiguration(np.stack([x, y], axis=1))
    >>> plot_bond_order(measure_bond_order(atoms, 4), atoms).get_title()
    '4-fold bond order'
    """
    size = np.abs(order.psi)
    ax = _colored(atoms, size, "|psi|", ax, limits=(0.0, 1.0), open_rings=order.edge)
    error = np.sqrt(np.nanmedian(np.trace(order.covariance, axis1=1, axis2=2) / 2.0))
    said = f" (median error {error:.2g})" if np.isfinite(error) else ""
    ax.set_title(f"{order.n_fold}-fold bond order{said}")
    return ax


def plot_symmetry(
    found: LocalSymmetry,
    atoms: AtomicConfiguration,
    symmetry: str = "c6",
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how far each neighbourhood is from a symmetry, as a share of the nearest distance.

    Parameters
    ----------
    found
        From `score_local_symmetry`.
    atoms
        Those that were measured.
    symmetry
        "c2", "c3", "c4", "c6" or "mirror".
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.datasets import score_local_symmetry
    >>> from physlearn.records import AtomicConfiguration
    >>> y, x = np.mgrid[:6, :6].reshape(2, -1) * 1.0
    >>> atoms = AtomicConfiguration(np.stack([x, y], axis=1))
    >>> plot_symmetry(score_local_symmetry(atoms), atoms, "c4").get_title()
    'c4'
    """
    column = SYMMETRIES.index(check_choice("symmetry", symmetry, SYMMETRIES))
    ax = _colored(atoms, found.deviations[:, column], "deviation (share of nearest distance)", ax,
                  open_rings=found.edge)  # fmt: skip
    noise = np.nanmedian(found.noise[:, column]) if np.isfinite(found.noise).any() else np.nan
    said = f": {noise:.2g} from position errors alone" if np.isfinite(noise) else ""
    ax.set_title(f"{symmetry}{said}")
    return ax


def plot_heights(surface: SurfaceAtoms, *, ax: Axes | None = None) -> Axes:
    """Draw the apparent height of each atom of a surface.

    Parameters
    ----------
    surface
        From `find_surface_atoms`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.datasets import find_surface_atoms, make_stm_image
    >>> plot_heights(find_surface_atoms(make_stm_image((96, 96), rng=3).image)).get_aspect()
    1.0
    """
    unit = str(surface.leveled.image.attrs.get("units", ""))
    ax = _colored(surface.atoms, surface.height, unit_label("apparent height", unit), ax)
    error = float(np.nanmedian(surface.height_sd))
    ax.set_title(f"{surface.atoms.n} atoms, median error {error:.2g} {unit}".rstrip())
    return ax


def plot_classes(found: PatchClasses | PatchClusters, *, ax: Axes | None = None) -> Axes:
    """Draw the class of each patch; pale where its probability is below 90 %.

    Parameters
    ----------
    found
        From `classify_patches` or `cluster_patches` of patches that have places.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For rows without places.

    Examples
    --------
    >>> from physlearn.datasets import PatchClusters
    >>> import pandas as pd
    >>> centers = np.array([[0.0, 0.0], [8.0, 0.0], [16.0, 0.0]])
    >>> found = PatchClusters(np.array([0, 0, 1]), np.array([[1, 0], [0.6, 0.4], [0, 1.0]]),
    ...     np.zeros((2, 1)), np.array([0.67, 0.33]), "full", pd.DataFrame(), 3.0, 1, ("a",),
    ...     centers, 1, ())
    >>> [text.get_text() for text in plot_classes(found).get_legend().get_texts()]
    ['class 0 (2)', 'class 1 (1)']
    """
    centers = found.centers
    if centers is None:
        raise InputError("found holds rows without places; there is no map of them.")
    names: dict[Any, str] = (
        {name: str(name) for name in found.classes}
        if hasattr(found, "classes")
        else {k: f"class {k}" for k in range(found.probabilities.shape[1])}
    )
    ax = get_axes(ax, MAP_SIZE)
    sure = found.probabilities.max(axis=1) >= DOUBTFUL
    size = _mark_size(len(centers))
    x, y = centers.T
    for number, (label, name) in enumerate(names.items()):
        color, mark = COLORS[number % len(COLORS)], MARKS[number % len(MARKS)]
        rows = np.asarray(found.labels == label)
        for which, alpha in ((rows & sure, 1.0), (rows & ~sure, 0.35)):
            ax.scatter(
                centers[which, 0],
                centers[which, 1],
                s=size,
                c=color,
                marker=mark,
                alpha=alpha,
                lw=0,
            )
        ax.scatter([], [], c=color, marker=mark, label=f"{name} ({int(rows.sum())})")
    unlike = getattr(found, "unlike", np.zeros(len(centers), dtype=bool))
    if np.any(unlike):
        ax.scatter(x[unlike], y[unlike], s=1.8 * size, facecolors="none", edgecolors=INK,
                   label=f"unlike all ({int(np.sum(unlike))})")  # fmt: skip
    ax.set_aspect("equal")
    ax.invert_yaxis()
    ax.set(xticks=[], yticks=[])
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    doubtful = int((~sure).sum())
    ax.set_xlabel(f"pale: probability below 90 % ({doubtful} of {len(centers)})")
    return ax


def plot_hops(hops: HopEvents, *, ax: Axes | None = None) -> Axes:
    """Draw each hop as an arrow; hops whose particle is ambiguous are dashed orange.

    Parameters
    ----------
    hops
        From `find_hops`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.datasets import HopEvents
    >>> table = pd.DataFrame({"x_before": [0.0], "y_before": [0.0], "x_after": [2.0],
    ...     "y_after": [0.0], "ambiguous": [False], "frame_before": [0], "frame_after": [1]})
    >>> plot_hops(HopEvents(table, 50, 50.0, "s", "nm", 1.0, 0.5)).get_xlabel()
    'x (nm)'
    """
    ax = get_axes(ax, MAP_SIZE)
    table = hops.table
    for ambiguous, color, style, name in (
        (False, BLUE, "-", "hop"), (True, RED, (0, (3, 2)), "which particle is not certain"),
    ):  # fmt: skip
        rows = table[table["ambiguous"].astype(bool) == ambiguous] if len(table) else table
        for row in rows.itertuples():
            ax.annotate("", (row.x_after, row.y_after), (row.x_before, row.y_before),
                        arrowprops={"arrowstyle": "-|>", "color": color, "lw": 1.1, "ls": style,
                                    "shrinkA": 0, "shrinkB": 0, "mutation_scale": 8})  # fmt: skip
        if len(rows):
            ax.plot([], [], color=color, ls=style, label=f"{name} ({len(rows)})")
            ax.plot(rows["x_before"], rows["y_before"], "o", color=color, ms=2.5)
    if len(table):
        ends = np.vstack([table[["x_before", "y_before"]], table[["x_after", "y_after"]]])
        ax.update_datalim(ends.astype(np.float64))
        ax.autoscale_view()
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.1), ncols=2)
    rate, low, high = hops.rate()
    ax.set_title(f"{rate:.3g} per {hops.time_unit} and particle (90 %: {low:.2g} to {high:.2g})",
                 fontweight="normal")  # fmt: skip
    _as_map(ax, hops.unit)
    return ax


def _colored(
    atoms: AtomicConfiguration,
    values: NDArray[np.float64],
    label: str,
    ax: Axes | None,
    *,
    limits: tuple[float, float] | None = None,
    open_rings: NDArray[np.bool_] | None = None,
) -> Axes:
    ax = get_axes(ax, MAP_SIZE)
    rim = np.zeros(len(values), dtype=bool) if open_rings is None else open_rings
    inside = ~rim & np.isfinite(values)
    size = _mark_size(atoms.n)
    x, y = atoms.positions[:, 0], atoms.positions[:, 1]
    if limits is None and inside.any():
        low, high = np.percentile(values[inside], [2, 98])
        limits = (float(low), float(high))
    low, high = limits or (0.0, 1.0)
    ax.scatter(x[~inside], y[~inside], s=size, facecolors="none", edgecolors=GREY, lw=0.6)
    drawn = ax.scatter(x[inside], y[inside], s=size, c=values[inside], cmap="cividis",
                       vmin=low, vmax=high, lw=0)  # fmt: skip
    _as_map(ax, atoms.unit)
    _color_bar(ax, drawn, label)
    return ax


def _as_map(ax: Axes, unit: str) -> None:
    ax.set_aspect("equal")
    ax.invert_yaxis()
    ax.set_xlabel(unit_label("x", unit))
    ax.set_ylabel(unit_label("y", unit))


def _color_bar(ax: Axes, drawn: Any, label: str) -> None:
    figure = ax.get_figure()
    if figure is not None:
        bar = figure.colorbar(drawn, ax=ax, shrink=0.85, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label(label)


def _mark_size(n: int) -> float:
    return float(np.clip((200.0 / max(n, 1) ** 0.5) ** 2, 3.0, 90.0))


def _spacing(positions: NDArray[np.float64]) -> float:
    """Return about the distance between neighbours of points that fill their box evenly."""
    area = float(np.prod(np.ptp(positions, axis=0))) or float(np.ptp(positions)) ** 2
    return float(np.sqrt(area / max(len(positions), 1))) or 1.0
