"""Pictures of strain and of the scan's row shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from physlearn.checks import check_choice
from physlearn.report.drawing import BLUE, GREY, get_axes, scale_bar, unit_label

if TYPE_CHECKING:
    from physlearn.datasets import ScanCorrection, StrainField

__all__ = ["plot_row_shifts", "plot_strain"]

COMPONENTS = ("dilation", "xx", "yy", "xy", "rotation")


def plot_strain(field: StrainField, component: str = "dilation", *, ax: Axes | None = None) -> Axes:
    """Draw one component of the strain at every atom whose neighbours are all there.

    Parameters
    ----------
    field
        What ``measure_strain`` returned.
    component
        ``dilation`` ((xx + yy) / 2), ``xx``, ``yy``, ``xy`` or ``rotation``.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.datasets import measure_strain
    >>> from physlearn.records import AtomicConfiguration
    >>> y, x = np.mgrid[:6, :6].reshape(2, -1) * 2.5
    >>> atoms = AtomicConfiguration(np.stack([1.02 * x, y], axis=1), unit="angstrom")
    >>> plot_strain(measure_strain(atoms)).get_title()
    'dilation'
    """
    check_choice("component", component, COMPONENTS)
    ax = get_axes(ax, (5.0, 4.4))
    rows = field.complete
    if component == "dilation":
        values = 0.5 * (field.strain[rows, 0] + field.strain[rows, 1])
    else:
        values = field.strain[rows, COMPONENTS.index(component) - 1]
    scale = 1.0 if component == "rotation" else 100.0
    limit = scale * float(np.quantile(np.abs(values), 0.98)) if len(values) else 1.0
    size = float(np.clip(60_000.0 / max(len(values), 1), 3.0, 90.0))
    x, y = field.positions[rows].T
    marks = ax.scatter(x, y, c=scale * values, s=size, cmap="RdBu_r", vmin=-limit, vmax=limit, lw=0)
    ax.set_aspect("equal")
    ax.invert_yaxis()
    ax.set(title=component, facecolor="#e8ebee")
    ax.margins(0.03)
    scale_bar(ax, field.unit)
    figure = ax.get_figure()
    if figure is not None:
        bar = figure.colorbar(marks, ax=ax, shrink=0.85, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label("radians" if component == "rotation" else "per cent")
    return ax


def plot_row_shifts(scan: ScanCorrection, *, ax: Axes | None = None) -> Axes:
    """Draw how far each scan row was displaced, with a band of two standard deviations.

    Parameters
    ----------
    scan
        What ``correct_scan`` returned.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(row_shift=np.zeros(8), row_shift_sd=np.ones(8),
    ...                         atoms=SimpleNamespace(unit="pixel"))
    >>> plot_row_shifts(found).get_ylabel()
    'row shift along x (px)'
    """
    ax = get_axes(ax, (5.4, 3.2))
    rows = np.arange(len(scan.row_shift))
    ax.axhline(0, color=GREY, lw=0.8)
    low, high = (scan.row_shift + k * scan.row_shift_sd for k in (-2, 2))
    ax.fill_between(rows, low, high, color=BLUE, alpha=0.25, lw=0)
    ax.plot(rows, scan.row_shift, color=BLUE, lw=1.0)
    ax.set_xlabel("picture row")
    ax.set_ylabel(unit_label("row shift along x", scan.atoms.unit))
    ax.margins(x=0.01)
    return ax
