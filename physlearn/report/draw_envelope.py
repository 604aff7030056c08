"""Picture of an operating envelope: what can be told at which dose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from physlearn.checks import InputError
from physlearn.report.drawing import BLUE, GREY, INK

if TYPE_CHECKING:
    from physlearn.datasets.columns.operating_envelope import OperatingEnvelope

__all__ = ["plot_envelope"]

PANELS = (
    ("columns", "weak columns found", "found_weak"),
    ("species", "labels right", "species_error"),
    ("vacancies", "vacancies judged right", "vacancy_error"),
    ("displacement", "shift of one column seen", "displacement_power"),
)
CONDITIONS = ("counts", "pixel_size", "width", "spacing", "weak", "background", "displacement")
PALE = 0.12
STRONG = 0.55


def plot_envelope(
    envelope: OperatingEnvelope, *, against: str = "spacing", figure: Figure | None = None
) -> Figure:
    """Draw four panels over counts and one more condition; a filled cell can be told.

    The number is the probability of a right answer; below it, in italics, what a simulated picture
    gave.

    Parameters
    ----------
    envelope
        Of ``operating_envelope``; every condition but ``counts`` and ``against`` has one value.
    against
        The condition along y.
    figure
        Figure to draw in; None makes a new one.

    Raises
    ------
    InputError
        When another condition has several values.

    Examples
    --------
    >>> from physlearn.datasets import operating_envelope
    >>> envelope = operating_envelope([300, 3000], pixel_size=0.2, width=0.5, spacing=2.0)
    >>> len(plot_envelope(envelope).axes)
    4
    """
    table = envelope.table
    if against not in CONDITIONS[1:]:
        raise InputError(f"against must be one of {', '.join(CONDITIONS[1:])}; got {against!r}.")
    for name in CONDITIONS:
        if name not in ("counts", against) and table[name].nunique() > 1:
            raise InputError(
                f"the envelope must have one {name}; it has {table[name].nunique()}: choose rows "
                "or draw against it."
            )
    figure = figure or Figure(figsize=(11.0, 6.4), layout="constrained")
    counts, others = np.unique(table["counts"]), np.unique(table[against])
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    for ax, (question, title, column) in zip(axes.ravel(), PANELS, strict=True):
        for _, row in table.iterrows():
            x = int(np.searchsorted(counts, row["counts"]))
            y = int(np.searchsorted(others, row[against]))
            _draw_cell(ax, x, y, row, question, column)
        ax.set_title(title, fontsize=11)
        ax.set_xlim(-0.5, len(counts) - 0.5)
        ax.set_ylim(-0.5, len(others) - 0.5)
        ax.set_xticks(
            range(len(counts)),
            [f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}" for value in counts],
        )
        ax.set_yticks(range(len(others)), [f"{value:.3g}" for value in others])
        ax.tick_params(length=0)
        for side in ax.spines.values():
            side.set_visible(False)
    for ax in axes[1]:
        ax.set_xlabel("counts a bright column")
    for ax in axes[:, 0]:
        ax.set_ylabel(against.replace("_", " "))
    return figure


def _draw_cell(ax: Any, x: int, y: int, row: Any, question: str, column: str) -> None:
    """Draw one combination."""
    can = bool(row[f"can_tell_{question}"])
    box = (x - 0.46, y - 0.44)
    ax.add_patch(
        Rectangle(box, 0.92, 0.88, color=BLUE if can else GREY, alpha=STRONG if can else PALE, lw=0)
    )
    wrong = column.endswith("_error")
    value = 1.0 - row[column] if wrong else row[column]
    simulated = row.get(f"simulated_{column}", np.nan)
    lift = 0.0
    if np.isfinite(simulated):
        shown = 1.0 - simulated if wrong else simulated
        ax.text(x, y - 0.2, f"{shown:.3f}", ha="center", va="center", fontsize=8, style="italic",
                color=INK)  # fmt: skip
        lift = 0.13
    ax.text(x, y + lift, f"{value:.3f}", ha="center", va="center", fontsize=9, color=INK)
