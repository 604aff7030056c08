"""Pictures of counterfactual answers: where, how sure, and whether two models agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.columns import require_table
from physlearn.causal.counterfactual_models.answer_records import Counterfactuals
from physlearn.causal.counterfactual_models.comparison import compare_counterfactuals
from physlearn.checks import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from physlearn.records import PatchTable

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#8a8a8a"
MOST_SHOWN = 150


def draw_counterfactuals(
    table: PatchTable, structural: Counterfactuals, physical: Counterfactuals | None = None
) -> Figure:
    """Draw a map of the change, what makes it uncertain, and the agreement with a physical model.

    Parameters
    ----------
    table
        The patches asked for lie where it says.
    structural
        From `counterfactuals`.
    physical
        From `physical_counterfactual`, of the same question.

    Returns
    -------
    Figure
        Three panels; the third only with a physical answer.

    Raises
    ------
    InputError
        Where nothing is identified.

    Examples
    --------
    >>> import networkx as nx, pandas as pd
    >>> from physlearn.causal.counterfactual_models.structural_answers import counterfactuals
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:12, :12].reshape(2, -1)
    >>> a = rng.normal(size=144)
    >>> frame = pd.DataFrame({"a": a, "b": a + 0.2 * rng.normal(size=144)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> answer = counterfactuals(table, nx.DiGraph([("a", "b")]), do={"a": 0.5}, outcome="b", rng=0)
    >>> draw_counterfactuals(table, answer).axes[0].get_title()
    'Change of b'
    """
    from matplotlib.figure import Figure

    require_table(table)
    if not structural.identified.any():
        raise InputError(f"structural holds no identified answer to draw: {structural.reason}")
    n_panels = 2 if physical is None else 3
    figure = Figure(figsize=(4.3 * n_panels, 3.9), layout="constrained")
    axes = figure.subplots(1, n_panels)
    _draw_map(axes[0], table, structural)
    _draw_parts(axes[1], structural)
    if physical is not None:
        _draw_agreement(axes[2], structural, physical)
    return figure


def _units(answer: Counterfactuals) -> str:
    return "" if answer.unit in ("1", "") else f" ({answer.unit})"


def _draw_map(axes: Axes, table: PatchTable, answer: Counterfactuals) -> None:
    places = table.centers[answer.patches]
    change = answer.change
    largest = max(float(np.nanmax(np.abs(change))), 1e-300)
    known = answer.identified
    extent = max(float(np.ptp(table.centers, axis=0).max()), table.patch_size)
    side = float(np.clip(230.0 * table.patch_size / extent, 2.0, 16.0))
    dots = axes.scatter(
        places[known, 0], places[known, 1], c=change[known], s=side**2, marker="s",
        cmap="RdBu_r", vmin=-largest, vmax=largest, linewidths=0,
    )  # fmt: skip
    beyond = places[answer.out_of_support & known]
    if len(beyond):
        axes.scatter(
            beyond[:, 0], beyond[:, 1], s=9, marker="x", c="k", linewidths=0.7,
            label="extrapolated",
        )  # fmt: skip
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.14), frameon=False, fontsize=8)
    axes.set_aspect("equal")
    axes.set_xlabel(f"x ({table.unit})")
    axes.set_ylabel(f"y ({table.unit})")
    axes.set_title(f"Change of {answer.outcome}{_units(answer)}", fontsize=10)
    axes.figure.colorbar(dots, ax=axes, shrink=0.8)


def _draw_parts(axes: Axes, answer: Counterfactuals) -> None:
    known = np.flatnonzero(answer.identified)
    order = known[np.argsort(answer.mean[known])]
    order = order[np.linspace(0, len(order) - 1, min(len(order), MOST_SHOWN)).astype(int)]
    place = np.arange(len(order))
    axes.fill_between(
        place, answer.low[order], answer.high[order], color=BLUE, alpha=0.2, linewidth=0,
        label="90 % interval",
    )  # fmt: skip
    axes.plot(place, answer.mean[order], color=BLUE, label="had it been changed")
    axes.plot(place, answer.factual[order], ".", color=GREY, ms=3, label="as measured")
    axes.set_xlabel("patches, by answer")
    axes.set_ylabel(f"{answer.outcome}{_units(answer)}")
    axes.legend(frameon=False, fontsize=8)
    parts = {
        "graph": answer.sd_graph, "parameters": answer.sd_parameters, "noise": answer.sd_noise,
    }  # fmt: skip
    told = ", ".join(f"{name} {float(np.sqrt((sd**2).mean())):.2g}" for name, sd in parts.items())
    axes.set_title(f"sd from {told}", fontsize=10)


def _draw_agreement(axes: Axes, structural: Counterfactuals, physical: Counterfactuals) -> None:
    compared = compare_counterfactuals(structural, physical)
    shown = np.linspace(0, len(physical.mean) - 1, min(len(physical.mean), MOST_SHOWN)).astype(int)
    along = (physical.mean - physical.factual)[shown]
    change = along + compared.difference[shown]
    axes.errorbar(
        along, change, yerr=1.645 * compared.sd[shown], fmt="o", ms=3, lw=0.8,
        color=BLUE if compared.agree else ORANGE,
    )  # fmt: skip
    ends = [min(along.min(), change.min()), max(along.max(), change.max())]
    axes.plot(ends, ends, color=GREY, lw=1)
    axes.set_xlabel(f"change by the {physical.model}")
    axes.set_ylabel("change by the causal graph")
    verdict = "agree" if compared.agree else "disagree"
    axes.set_title(f"They {verdict}: p = {compared.p_value:.2g}", fontsize=10)
