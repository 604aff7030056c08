"""Figures of one effect: as a curve of the cause, and against a hidden common cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from physlearn.phrases import unit_text
from physlearn.report.drawing import BLUE, GREY, INK, RED, get_axes

if TYPE_CHECKING:
    from physlearn.causal.effect_estimates.dose_response import DoseResponse
    from physlearn.causal.effect_estimates.sensitivity import Sensitivity

__all__ = ["plot_dose_response", "plot_sensitivity"]


def plot_dose_response(answer: DoseResponse, *, ax: Axes | None = None) -> Axes:
    """Draw a curve with its 90 % interval and band, and below it where there are patches.

    Parameters
    ----------
    answer
        From `dose_response`; one that is not identified is named, not drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from physlearn.causal.effect_estimates.dose_response import DoseResponse
    >>> v = np.linspace(0, 1, 5)
    >>> answer = DoseResponse("a", "b", "nm", v, 0.0, v, v, v - 1, v + 1, v - 2, v + 2, v, 0.5,
    ...                       True, "")
    >>> plot_dose_response(answer).get_xlabel()
    'a'
    """
    ax = get_axes(ax, (4.8, 3.4))
    ax.set_xlabel(answer.cause.replace("_", " "))
    unit = "" if answer.unit in ("", "1") else f" ({unit_text(answer.unit)})"
    ax.set_ylabel(f"change of {answer.outcome.replace('_', ' ')}{unit}")
    if not answer.identified:
        ax.text(0.5, 0.5, answer.reason, transform=ax.transAxes, ha="center", va="center",
                wrap=True, color=INK, fontsize=9)  # fmt: skip
        return ax
    ax.fill_between(answer.values, answer.band_low, answer.band_high, color=BLUE, alpha=0.15,
                    lw=0, label="band of the whole curve, 90 %")  # fmt: skip
    ax.fill_between(answer.values, answer.low, answer.high, color=BLUE, alpha=0.3, lw=0,
                    label="at each value, 90 %")  # fmt: skip
    ax.plot(answer.values, answer.mean, color=BLUE)
    ax.axhline(0.0, color=GREY, lw=0.8)
    bottom, top = ax.get_ylim()
    share = answer.support / max(float(answer.support.max()), 1.0)
    width = float(answer.values[1] - answer.values[0])
    ax.bar(answer.values, 0.12 * (top - bottom) * share, width, bottom=bottom, color=GREY,
           alpha=0.5, label="patches")  # fmt: skip
    ax.set_ylim(bottom, top)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)
    return ax


def plot_sensitivity(answer: Sensitivity, *, ax: Axes | None = None) -> Axes:
    """Draw the effect that is left as contours of the strength of a hidden common cause.

    Parameters
    ----------
    answer
        From `sensitivity`. Columns held fixed are marked where a cause of their strength stands.

    Examples
    --------
    >>> import numpy as np
    >>> from physlearn.causal.effect_estimates.sensitivity import Sensitivity
    >>> r = np.linspace(0, 0.8, 5)
    >>> left = 1 - np.sqrt(r[:, None] * r / (1 - r))
    >>> answer = Sensitivity("a", "b", 1.0, "nm", 0.5, 0.62, 0.5, 3.0, 2.0, r, left)
    >>> plot_sensitivity(answer).get_ylabel()
    'share of b it explains'
    """
    ax = get_axes(ax, (4.6, 3.8))
    drawn = ax.contour(answer.shares, answer.shares, answer.contour, 8, colors=GREY,
                       linewidths=0.9)  # fmt: skip
    ax.clabel(drawn, fontsize=7.5)
    if answer.contour.min() < 0 < answer.contour.max():
        ax.contour(answer.shares, answer.shares, answer.contour, [0.0], colors=RED, linewidths=2.0)
    for name, (of_cause, of_outcome) in answer.benchmarks.items():
        if np.isfinite([of_cause, of_outcome]).all():
            ax.plot(of_cause, of_outcome, "o", color=BLUE, ms=5)
            ax.annotate(name.replace("_", " "), (of_cause, of_outcome), xytext=(5, 4),
                        textcoords="offset points", fontsize=8.5, color=INK)  # fmt: skip
    cause, outcome = (name.replace("_", " ") for name in (answer.cause, answer.outcome))
    ax.set_xlabel(f"share of {cause} that a hidden cause explains")
    ax.set_ylabel(f"share of {outcome} it explains")
    ax.set_title(f"effect left, {unit_text(answer.unit)}" if answer.unit != "1" else "effect left")
    return ax
