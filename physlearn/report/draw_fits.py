"""Pictures of any fit, of many fits, and of models beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from physlearn.checks import InputError
from physlearn.phrases import plain_name
from physlearn.report.drawing import (
    BLUE,
    COLORS,
    GREY,
    INK,
    MARKS,
    get_axes,
    interval_rows,
    unit_label,
)  # fmt: skip

if TYPE_CHECKING:
    from physlearn.inference import Adequacy, BatchFits, ModelComparison, PotentialComparison
    from physlearn.results import Fit

__all__ = ["plot_adequacy", "plot_batch", "plot_fit", "plot_model_comparison"]

MOST_ROWS = 24


def plot_fit(fit: Fit, *, unit: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw mean and 90 % interval of every number of a fit that has one unit.

    Parameters
    ----------
    fit
        Any.
    unit
        Numbers of which unit; None takes the unit that most have, and names the others below.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        Where no number has this unit.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> draws = {"rate": np.random.default_rng(1).normal(2.0, 0.1, (400, 2))}
    >>> fit = fit_from_draws(draws, model="m", likelihood="l", approximation="a", seed=1,
    ...     data=b"x", units={"rate": "1/s"})
    >>> plot_fit(fit).get_xlabel()
    'value (1/s)'
    """
    rows = fit.summary()
    units = rows["unit"].value_counts()
    wanted = str(units.index[0]) if unit is None else unit
    shown = rows[rows["unit"] == wanted]
    if not len(shown):
        raise InputError(f"unit must be one of {', '.join(map(str, units.index))}; got {unit!r}.")
    left_out = max(len(shown) - MOST_ROWS, 0)
    shown = shown.head(MOST_ROWS)
    ax = get_axes(ax, (5.4, 1.2 + 0.34 * len(shown)))
    low, mean, high = (shown[name].to_numpy() for name in ("q05", "mean", "q95"))
    interval_rows(ax, [plain_name(name) for name in shown["name"]], mean, low, high)
    ax.set_xlabel(unit_label("value", wanted))
    others = [f"{count} in {name}" for name, count in units.items() if name != wanted]
    notes = [*others, *([f"{left_out} more in {wanted}"] if left_out else [])]
    if notes:
        ax.set_title(f"not shown: {', '.join(notes)}", fontweight="normal", fontsize="small")
    return ax


def plot_batch(batch: BatchFits, name: str, *, ax: Axes | None = None) -> Axes:
    """Draw one number of many fits, with its 90 % interval, data set by data set.

    Parameters
    ----------
    batch
        From `fit_batch`.
    name
        A row of the fits' summaries, such as "couplings[1]".
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For a name that no fit has.

    Examples
    --------
    >>> from physlearn.inference import BatchFits
    >>> from physlearn.results import fit_from_draws
    >>> rng = np.random.default_rng(1)
    >>> fits = tuple(fit_from_draws({"a": rng.normal(k, 0.1, 400)}, model="m", likelihood="l",
    ...     approximation="a", seed=1, data=b"x", units={"a": "nm"}) for k in range(3))
    >>> plot_batch(BatchFits((*fits, None), {3: "too few sites"}, 1), "a").get_ylabel()
    'a (nm)'
    """
    table = batch.table
    rows = table[table["name"] == name] if len(table) else table
    if not len(rows):
        known = list(dict.fromkeys(table["name"])) if len(table) else []
        raise InputError(f"name must be one of {', '.join(known[:12])}; got {name!r}.")
    ax = get_axes(ax, (5.6, 3.4))
    x, mean = rows["data"].to_numpy(), rows["mean"].to_numpy()
    errors = np.abs(np.stack([mean - rows["q05"], rows["q95"] - mean]))
    ax.errorbar(x, mean, errors, fmt="o", color=BLUE, ms=4, lw=1.2, label="mean and 90 % interval")
    if batch.refusals:
        refused = sorted(batch.refusals)
        ax.plot(refused, np.zeros(len(refused)), "x", color=INK, ms=6, clip_on=False,
                transform=ax.get_xaxis_transform(), label="refused")  # fmt: skip
        ax.legend(loc="best")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("data set")
    ax.set_ylabel(unit_label(plain_name(name), str(rows["unit"].iloc[0])))
    return ax


def plot_model_comparison(
    found: ModelComparison | PotentialComparison, *, ax: Axes | None = None
) -> Axes:
    """Draw the log evidence of each model below the best one's, with its error.

    Parameters
    ----------
    found
        From `compare_models` or `compare_potentials`.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.inference import PotentialComparison
    >>> ranks = pd.DataFrame({"log_evidence": [0.0, -2.0], "log_evidence_error": [0.1, 0.2],
    ...     "probability": [0.88, 0.12]}, index=["pair", "pair + angle"])
    >>> ax = plot_model_comparison(PotentialComparison(ranks, {}, "a pair force is enough.", ()))
    >>> [tick.get_text() for tick in ax.get_yticklabels()]
    ['pair', 'pair + angle']
    """
    table = found.table
    names = [str(name) for name in table.get("model", table.index)]
    value = table["log_evidence"].to_numpy(dtype=np.float64)
    error = table["error" if "error" in table else "log_evidence_error"].to_numpy(dtype=np.float64)
    ax = get_axes(ax, (5.6, 1.3 + 0.4 * len(names)))
    rows = np.arange(len(names))[::-1]
    ax.axvspan(-1.0, 1.0, color=GREY, alpha=0.18, lw=0)
    ax.errorbar(value, rows, xerr=error, fmt="o", color=BLUE, ms=6, lw=1.6, capsize=3)
    right = 1.02
    for row, share in zip(rows, table["probability"], strict=True):
        ax.text(right, row, f"{100 * share:.3g} %", va="center", color=INK, fontsize="small",
                transform=ax.get_yaxis_transform())  # fmt: skip
    ax.text(right, len(names) - 0.35, "probability", fontsize="small", color=INK,
            transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.7, len(names) - 0.1)
    ax.set_xlabel("log evidence, best model 0 (shaded: a factor e)")
    return ax


def plot_adequacy(found: Adequacy, *, ax: Axes | None = None) -> Axes:
    """Draw each compared statistic in standard deviations from what the fit predicts.

    Parameters
    ----------
    found
        From `check_adequacy`: its correlations and patterns.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        Where nothing was compared.

    Examples
    --------
    >>> from physlearn.inference import Adequacy
    >>> row = {"shell": 1, "fitted": True, "misfit_sd": 0.4, "p": 0.9}
    >>> plot_adequacy(Adequacy([row], [], 0.4, 0.6, 256)).get_title()
    'p = 0.4 over all'
    """
    rows: list[dict[str, Any]] = [*found.correlations, *found.patterns]
    if not rows:
        raise InputError("found holds no comparison to draw.")
    left_out = max(len(rows) - MOST_ROWS, 0)
    if left_out:
        rows = sorted(rows, key=lambda row: -abs(float(row["misfit_sd"])))[:MOST_ROWS]
    ax = get_axes(ax, (5.6, 1.4 + 0.3 * len(rows)))
    places = np.arange(len(rows))[::-1]
    for limit, alpha in ((2.0, 0.16), (1.0, 0.16)):
        ax.axvspan(0.0, limit, color=GREY, alpha=alpha, lw=0)
    ax.axvline(0.0, color=GREY, lw=0.9, ls=(0, (4, 3)))
    for fitted in (True, False):
        chosen = [k for k, row in enumerate(rows) if bool(row.get("fitted", False)) == fitted]
        color = BLUE if fitted else COLORS[1]
        ax.plot([float(rows[k]["misfit_sd"]) for k in chosen], places[chosen], ls="none",
                marker=MARKS[0 if fitted else 1], color=color, ms=6,
                mfc=color if fitted else "none",
                label="fitted" if fitted else "not fitted")  # fmt: skip
    ax.set_yticks(places, [_row_name(row) for row in rows])
    ax.set_xlabel("misfit (standard deviations; shaded: up to 1 and 2)")
    said = f"p = {found.p_value:.2g} over all"
    ax.set_title(f"{said}; {left_out} smaller ones left out" if left_out else said)
    ax.legend(loc="lower left", bbox_to_anchor=(1.0, 0.0))
    return ax


def _row_name(row: dict[str, Any]) -> str:
    if "name" in row:
        return plain_name(str(row["name"]))
    kind = row.get("pairs", "")
    said = f"shell {row['shell']}"
    return f"{said}, {kind}" if isinstance(kind, str) and kind else said
