"""Pictures of laws over their data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import check_array, check_choice
from physlearn.report.drawing import BLUE, GREEN, GREY, INK, RED, get_axes, unit_label

if TYPE_CHECKING:
    from physlearn.inference import EquationSet

__all__ = ["plot_equations"]

BEYOND = 0.25
N_POINTS = 240
LONGEST_LABEL = 46


def plot_equations(
    laws: EquationSet,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    variable: str | None = None,
    rng: int | np.random.Generator | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the data, the best law with the 90 % band of all laws, and the next two laws dashed.

    What lies beyond the data is shaded grey. ``plot_laws(laws.table)`` draws misfit against
    complexity beside it.

    Parameters
    ----------
    laws
        ``SymbolicRegressor.equations_`` or another set.
    x, y
        Observations, shapes (n, n_variables) and (n,); None takes those that the set keeps. They
        are drawn for laws of one variable.
    variable
        The variable to draw along; None takes the first. The others stand at the middle of their
        range.
    rng
        Seed or generator of the band.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.inference import SymbolicRegressor
    >>> x = np.linspace(1.0, 3.0, 20)
    >>> model = SymbolicRegressor(largest_size=3, n_terms=1).fit(x[:, None], 2.5 / x)
    >>> plot_equations(model.equations_, x[:, None], 2.5 / x, rng=1).get_xlabel()
    'x0'
    """
    ax = get_axes(ax, (5.4, 3.8))
    name = check_choice("variable", variable or laws.variables[0], laws.variables)
    place = laws.variables.index(name)
    low, high = laws.ranges[place]
    edge = BEYOND * (high - low)
    first = max(low - edge, 0.5 * low) if low > 0 else low - edge
    points = np.repeat(laws.ranges.mean(axis=1)[None], N_POINTS, axis=0)
    points[:, place] = np.linspace(first, high + edge, N_POINTS)
    along = points[:, place]
    band = laws.predict_interval(points, rng=rng)
    ax.fill_between(along, band[:, 0], band[:, 1], color=BLUE, alpha=0.22, lw=0,
                    label="90 % of laws and constants")  # fmt: skip
    shown = [band]
    labels = laws.table["equation"].head(3)
    for index, (text, color) in enumerate(zip(labels, (BLUE, RED, GREEN), strict=False)):
        values = laws.predict_law(points, index)
        style, width = ("-", 1.8) if index == 0 else ("--", 1.3)
        said = _label(text, laws.weights[index])
        ax.plot(along, values, color=color, label=said, ls=style, lw=width)
        shown.append(values[:, None])
    seen = _observations(laws, x, y)
    if seen is not None:
        ax.plot(seen[0], seen[1], "o", color=INK, ms=3.5, alpha=0.7, label="data", zorder=3)
        shown.append(seen[1][:, None])
    beyond = laws.extrapolates(points)
    for start, end in ((first, low), (high, high + edge)):
        ax.axvspan(start, end, color=GREY, alpha=0.18, lw=0, zorder=0)
    ax.set_xlim(first, high + edge)
    _limit(ax, shown, beyond)
    units = dict(zip(laws.variables, laws.variable_units or (), strict=False))
    ax.set_xlabel(unit_label(name, units.get(name, "1")))
    ax.set_ylabel(unit_label(laws.target, laws.units or "1"))
    ax.legend()
    return ax


def _label(text: str, weight: float) -> str:
    short = text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 3]}..."
    # Dollars would start TeX
    said = short.replace("**", "^").replace("*", " ").replace("-", "−").replace("$", r"\$")
    return f"{said}: {100 * weight:.3g} %"


def _observations(
    laws: EquationSet, x: ArrayLike | None, y: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    if len(laws.variables) > 1:
        return None
    if x is not None and y is not None:
        matrix = check_array("x", x, shape=(None, 1))
        return matrix[:, 0], check_array("y", y, shape=(len(matrix),))
    if laws.data is None or laws.link != "identity":
        return None
    return laws.data.x[0], laws.data.y


def _limit(ax: Axes, shown: list[NDArray[np.float64]], beyond: NDArray[np.bool_]) -> None:
    """Leave poles beyond the data out of the picture: they would flatten all else."""
    parts = [np.ravel(v[~beyond] if len(v) == len(beyond) else v) for v in shown]
    inside = np.concatenate(parts)
    inside = inside[np.isfinite(inside)]
    if inside.size:
        low, high = inside.min(), inside.max()
        room = 0.35 * (high - low) or 1.0
        ax.set_ylim(low - room, high + room)
