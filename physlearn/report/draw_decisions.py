"""What was decided, what would have been, what is planned, and what the sample took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from physlearn.checks import InputError
from physlearn.phrases import plain_name, unit_text
from physlearn.report.drawing import (
    BLUE,
    COLORS,
    GREY,
    INK,
    MARKS,
    RED,
    get_axes,
    interval_rows,
    unit_label,
)  # fmt: skip

if TYPE_CHECKING:
    from physlearn.causal import (
        Counterfactuals,
        ExperimentPlan,
        LedgerReport,
        LocalEffect,
    )
    from physlearn.causal.severity.verdicts import Verdict
    from physlearn.datasets import Components

__all__ = [
    "plot_components", "plot_counterfactuals", "plot_ledger", "plot_local_effect", "plot_plan",
    "plot_verdict",
]  # fmt: skip

MOST_PATCHES = 40


def plot_counterfactuals(answer: Counterfactuals, *, ax: Axes | None = None) -> Axes:
    """Draw for each patch what was measured and what would have been, with its 90 % interval.

    Answers that graph and data leave open span all graphs still possible, without a mean; patches
    changed beyond what was seen are rings.

    Parameters
    ----------
    answer
        From `counterfactuals`; of many patches, 40 evenly over the order of what was measured.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.causal import Counterfactuals
    >>> draws = np.array([[0.9, 2.1], [1.1, 1.9]])
    >>> answer = Counterfactuals("structural", "b = f(a)", np.arange(2), {"a": np.zeros(2)}, "b",
    ...     "V", mean=draws.mean(0), low=draws[0], high=draws[1], factual=np.array([2.0, 2.5]),
    ...     sd=np.full(2, 0.2), sd_graph=np.zeros(2), sd_parameters=np.full(2, 0.1),
    ...     sd_noise=np.full(2, 0.1), sd_change_noise=np.zeros(2),
    ...     identified=np.ones(2, bool), reason="", out_of_support=np.zeros(2, bool),
    ...     graph_means=draws.mean(0)[None], parameter_draws=(draws,), graphs=("a -> b",))
    >>> plot_counterfactuals(answer).get_ylabel()
    'b (V)'
    """
    ax = get_axes(ax, (5.8, 3.6))
    order = np.argsort(answer.factual)
    if len(order) > MOST_PATCHES:
        order = order[np.linspace(0, len(order) - 1, MOST_PATCHES).round().astype(int)]
    x = np.arange(len(order))
    low, high, mean = (np.asarray(v)[order] for v in (answer.low, answer.high, answer.mean))
    known = np.asarray(answer.identified)[order]
    for rows, color, name in ((known, BLUE, "would have been"), (~known, RED, "not one number")):
        if rows.any():
            ax.vlines(x[rows], low[rows], high[rows], color=color, lw=3, alpha=0.5,
                      label=f"{name} (90 %)")  # fmt: skip
    outside = np.asarray(answer.out_of_support)[order]
    ax.plot(x[known & ~outside], mean[known & ~outside], "o", color=BLUE, ms=4)
    if outside.any():
        ax.plot(x[outside], mean[outside], "o", color=BLUE, mfc="none", ms=5,
                label="beyond what was seen")  # fmt: skip
    ax.plot(x, answer.factual[order], marker="_", ls="none", color=INK, ms=8, mew=1.8,
            label="measured")  # fmt: skip
    ax.set_xticks([])
    shown = f"{len(order)} of {len(answer.patches)} patches"
    ax.set_xlabel(f"{shown}, by what was measured")
    ax.set_ylabel(unit_label(plain_name(answer.outcome), answer.unit))
    changes = [
        f"{plain_name(name)} = {values[0]:.3g}" if np.ptp(values) == 0 else plain_name(name)
        for name, values in answer.do.items()
    ]
    ax.set_title(f"had it been: {', '.join(changes)}")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.1), ncols=3)
    return ax


def plot_local_effect(found: LocalEffect, *, ax: Axes | None = None) -> Axes:
    """Draw what each column changed by inside the mask beyond outside it, with 90 % intervals.

    Parameters
    ----------
    found
        From `local_effect`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.causal import LocalEffect
    >>> rows = pd.DataFrame({"column": ["a"], "effect": [0.2], "low": [0.1], "high": [0.3],
    ...     "unit": ["nm"], "verdict": ["effect"], "words": ["a changed."]})
    >>> plot_local_effect(LocalEffect(rows, pd.DataFrame(), 9, 500, (0.0, 0.0), ())).get_title()
    '9 patches inside, 500 far away'
    """
    table = found.table[np.isfinite(found.table["effect"])]
    if not len(table):
        raise InputError("found holds no effect to draw; its table says why.")
    ax = get_axes(ax, (5.6, 1.3 + 0.5 * len(table)))
    units = table["unit"] if "unit" in table else ["1"] * len(table)
    names = [
        plain_name(name) + (f" ({unit_text(str(unit))})" if unit_text(str(unit)) else "")
        for name, unit in zip(table["column"], units, strict=True)
    ]
    mean, low, high = (table[c].to_numpy(dtype=np.float64) for c in ("effect", "low", "high"))
    interval_rows(ax, names, mean, low, high)
    ax.set_xlabel("change inside beyond change outside")
    ax.set_title(f"{found.n_mask} patches inside, {found.n_control} far away")
    return ax


def plot_verdict(verdict: Verdict, *, needed: float = 10.0, ax: Axes | None = None) -> Axes:
    """Draw the weight of each hypothesis, and under the title what may be claimed.

    Parameters
    ----------
    verdict
        From `assess` or `Planner.verdict`.
    needed
        Evidence against every class of deviations that a claim needs.
    ax
        Axes to draw in; None makes new ones.
    """
    ax = get_axes(ax, (5.6, 1.5 + 0.4 * len(verdict.weights)))
    names = list(verdict.weights)
    rows = np.arange(len(names))[::-1]
    claimed = [name == verdict.hypothesis and verdict.kind == "claim" for name in names]
    ax.barh(rows, [verdict.weights[name] for name in names], height=0.6,
            color=[BLUE if one else GREY for one in claimed],
            hatch=["" if one else "//" for one in claimed], edgecolor="white")  # fmt: skip
    for row, name in zip(rows, names, strict=True):
        ax.text(verdict.weights[name] + 0.01, row, f"{verdict.weights[name]:.3g}", va="center",
                fontsize="small", color=INK)  # fmt: skip
    ax.set_yticks(rows, [plain_name(name) for name in names])
    ax.set_xlim(0.0, 1.12)
    ax.set_xlabel("weight among the hypotheses")
    against = ", ".join(
        f"{plain_name(name)} {value:.2g}{'' if value >= needed else ' (too little)'}"
        for name, value in verdict.e_values.items()
    )
    said = verdict.kind if verdict.hypothesis is None else f"{verdict.kind}: {verdict.hypothesis}"
    ax.set_title(f"{said}, {verdict.n_shots} shots")
    if against:
        ax.annotate(f"evidence against deviations: {against}", (0.0, 0.0), (0.0, -34.0),
                    color=INK, xycoords="axes fraction", textcoords="offset points",
                    fontsize="x-small", va="top")  # fmt: skip
    return ax


def plot_plan(plan: ExperimentPlan, *, ax: Axes | None = None) -> Axes:
    """Draw dose and cost of a plan step by step against what the envelope and the budget allow.

    Parameters
    ----------
    plan
        From `plan_experiment`, `Planner.plan` or a file.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For a plan without steps.
    """
    if not plan.steps:
        raise InputError("plan holds no steps to draw; its warnings say why.")
    ax = get_axes(ax, (5.8, 3.6))
    steps = np.arange(len(plan.steps) + 1)
    dose = np.append(0.0, np.cumsum([step.action.dose for step in plan.steps]))
    cost = np.append(0.0, np.cumsum([step.action.cost for step in plan.steps]))
    limit = plan.envelope.max_total_dose
    for total, most, color, mark, name in (
        (dose, limit, RED, "o", f"dose, of {limit:.3g} allowed"),
        (cost, plan.budget, BLUE, "s", f"cost, of {plan.budget:.3g} in the budget"),
    ):
        share = 100.0 * total / most if most > 0 else np.zeros(len(total))
        ax.step(steps, share, where="post", color=color, lw=1.4)
        ax.plot(steps, share, mark, color=color, ms=4, label=name)
    ax.axhline(100.0, color=GREY, lw=1.0, ls=(0, (4, 3)), label="limit")
    lasting = [k for k, step in enumerate(plan.steps, start=1) if step.action.irreversible]
    if lasting:
        ax.plot(lasting, np.full(len(lasting), 0.02), "|", color=INK, ms=9, mew=1.6,
                clip_on=False, transform=ax.get_xaxis_transform(),
                label="changes the sample for good")  # fmt: skip
    names = ["start", *(plain_name(step.action.verb) for step in plan.steps)]
    if len(names) <= 16:
        ax.set_xticks(steps, names, rotation=40, ha="right")
    ax.set_ylabel("share of what is allowed (%)")
    ax.set_ylim(0.0, max(105.0, ax.get_ylim()[1]))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def plot_ledger(report: LedgerReport, *, ax: Axes | None = None) -> Axes:
    """Draw the dose of every exposed site as a disc whose area and colour tell it.

    Parameters
    ----------
    report
        From `check_ledger`.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        Where no site was exposed.

    Examples
    --------
    >>> from physlearn.causal import LedgerReport
    >>> report = LedgerReport(30.0, {(1.0, 2.0): 10.0, (3.0, 1.0): 20.0}, 0.0, 2, 10.0, ())
    >>> plot_ledger(report).get_title()
    '30 in all, 2 lasting changes, every limit kept'
    """
    if not report.site_doses:
        raise InputError("report names no exposed site; there is nothing to draw.")
    ax = get_axes(ax, (5.0, 4.4))
    places = np.array(list(report.site_doses))
    doses = np.array(list(report.site_doses.values()))
    x, y = places.T
    drawn = ax.scatter(x, y, s=20.0 + 180.0 * doses / doses.max(), c=doses, cmap="cividis",
                       marker=MARKS[0], edgecolors=INK, lw=0.5)  # fmt: skip
    figure = ax.get_figure()
    if figure is not None:
        figure.colorbar(drawn, ax=ax, shrink=0.85, pad=0.02).set_label("dose (envelope's unit)")
    ax.set_aspect("equal")
    ax.margins(0.15)
    ax.invert_yaxis()
    ax.set_xlabel("x (unit of the field of view)")
    ax.set_ylabel("y (unit of the field of view)")
    broken = len(report.violations)
    kept = "every limit kept" if not broken else f"{broken} limits broken"
    ax.set_title(f"{report.total_dose:.4g} in all, {report.n_irreversible} lasting changes, {kept}",
                 color=RED if broken else INK)  # fmt: skip
    return ax


def plot_components(found: Components, *, ax: Axes | None = None) -> Axes:
    """Draw the patterns of columns: one line a component, and what share it explains.

    Parameters
    ----------
    found
        From `find_components`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.datasets import find_components
    >>> rows = np.outer(np.arange(60.0) % 7, [1.0, 2.0, 3.0, 4.0])
    >>> plot_components(find_components(rows, n_components=1, rng=0)).get_ylabel()
    'loading (unit of each column)'
    """
    ax = get_axes(ax, (6.0, 3.6))
    x = np.arange(found.loadings.shape[1])
    shares = np.diff(found.explained, prepend=0.0)
    for number, (loading, share) in enumerate(zip(found.loadings, shares, strict=True)):
        ax.plot(x, loading, marker=MARKS[number % len(MARKS)], ms=4, lw=1.2,
                color=COLORS[number % len(COLORS)],
                label=f"{number + 1}: {100 * share:.3g} %")  # fmt: skip
    ax.axhline(0.0, color=GREY, lw=0.9, ls=(0, (4, 3)))
    if len(x) <= 16:
        ax.set_xticks(x, [plain_name(str(name)) for name in found.columns], rotation=40, ha="right")
    else:
        ax.set_xlabel("column")
    ax.set_ylabel("loading (unit of each column)")
    ax.legend(title=f"{found.method}, explained", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
