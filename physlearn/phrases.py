"""How numbers, units and answers are said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from physlearn.findings import Findings

__all__ = [
    "Answer", "as_sentence", "doubts_of", "interval_text", "plain_name", "said_interval",
    "said_number", "said_probability", "said_share", "species_counts", "unit_text",
]  # fmt: skip

UNITS = {"angstrom": "Å", "um": "µm", "pixel": "px", "1": "", "reduced": "", "kT": "kT"}

SETTLED = 0.95
"""Probability of a sign from which on a headline states it."""

SILENCING = ("not identified", "prior repeated", "inadequate")
"""What in a verdict keeps a headline from stating a number's sign."""

DOUBTS = ("error bars unreliable", "too narrow", "do not trust", "does not fit")
"""What in a fit's warnings keeps its headlines from being settled."""

NONE_SEEN = "none seen"
"""How ``assign_sites`` calls the second state where one species is all there is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One headline.

    Attributes
    ----------
    question
        What was asked.
    sentence
        The answer in words.
    state
        "settled", "found" (in data that nobody intervened in), "hand" (a person chose),
        "open" (these data cannot tell),
        "none" (the step could not be done) or "plan".
    detail
        Numbers behind it.
    """

    question: str
    sentence: str
    state: str
    detail: str = ""


def unit_text(unit: str) -> str:
    """Return a unit as people write it.

    Examples
    --------
    >>> unit_text("pixel^2/frame")
    'px²/frame'
    """
    text = unit.replace("pixel", "px").replace("angstrom", "Å").replace("um", "µm")
    text = text.replace("^2", "²").replace("^3", "³").replace("/[drive]", " per unit of drive")
    return UNITS.get(unit, text)


def said_number(value: float | None, digits: int = 3) -> str:
    """Return a number with significant digits and a real minus sign.

    Examples
    --------
    >>> said_number(-0.0934), said_number(None), said_number(12345.6)
    ('−0.0934', '–', '12,346')
    """
    if value is None or math.isnan(value):
        return "–"
    size = abs(value)
    if size >= 10**digits:
        text = f"{value:,.0f}"
    elif size and size < 1e-4:
        text = f"{value:.{digits - 1}e}"
    else:
        text = f"{value:.{digits}g}"
    return text.replace("-", "−")


def said_interval(mean: float, low: float, high: float) -> tuple[str, str, str]:
    """Return mean and ends of an interval with as many decimals as its width deserves.

    Examples
    --------
    >>> said_interval(0.49921, 0.49807, 0.50028)
    ('0.4992', '0.4981', '0.5003')
    >>> said_interval(-120.4, -180.0, -60.0)
    ('−120', '−180', '−60')
    """
    width = high - low
    if not math.isfinite(width):
        return said_number(mean), said_number(low), said_number(high)
    if width <= 0 or max(abs(low), abs(high)) / width > 1e6 or width < 1e-6:
        return said_number(mean, 5), said_number(low, 5), said_number(high, 5)
    decimals = max(0, 1 - math.floor(math.log10(width)))
    # Adding zero turns -0.0 into 0.0
    first, second, third = (
        f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", "−")
        for value in (mean, low, high)
    )
    return first, second, third


def as_sentence(text: str) -> str:
    """Return ``text`` with a capital and a full stop.

    Examples
    --------
    >>> as_sentence("no atoms were found")
    'No atoms were found.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def interval_text(row: Mapping[Any, Any]) -> str:
    """Return ``mean [low to high] unit`` of a row with mean, q05, q95 and unit.

    Examples
    --------
    >>> interval_text({"mean": 0.5, "q05": 0.4, "q95": 0.6, "unit": "pixel/frame"})
    '0.50 [0.40 to 0.60] px/frame'
    """
    unit = unit_text(str(row["unit"]))
    mean, low, high = said_interval(*(float(row[key]) for key in ("mean", "q05", "q95")))
    return f"{mean} [{low} to {high}]{' ' + unit if unit else ''}"


def species_counts(findings: Findings) -> dict[str, int]:
    """Return how many observed sites hold each state.

    Examples
    --------
    >>> from physlearn.records import LatticeSnapshots, SiteGraph
    >>> chain = SiteGraph(3, [[0, 1], [1, 2]], [0, 0], [1, 1])
    >>> found = Findings("a", 1, snapshots=LatticeSnapshots([[1, -1, 1]], chain))
    >>> species_counts(found)
    {'state -1': 1, 'state +1': 2}
    """
    snapshots = findings.snapshots
    if snapshots is None:
        return {}
    names = snapshots.state_names or tuple(f"state {v:+d}" for v in snapshots.state_values)
    seen = snapshots.states if snapshots.observed is None else snapshots.states[snapshots.observed]
    counts = {
        name: int((seen == value).sum())
        for name, value in zip(names, snapshots.state_values, strict=True)
    }
    return {name: count for name, count in counts.items() if count or name != NONE_SEEN}


def said_probability(value: float) -> str:
    r"""Return ``P = 0.98`` with no-break spaces; 1 is never claimed.

    Examples
    --------
    >>> said_probability(0.9983), said_probability(0.9999)
    ('P\xa0=\xa00.998', 'P\xa0>\xa00.999')
    """
    if value > 0.999:
        return "P\u00a0>\u00a00.999"
    return f"P\u00a0=\u00a0{value:.2f}" if value < 0.995 else f"P\u00a0=\u00a0{value:.3f}"


def said_share(value: float) -> str:
    """Return a share in per cent, small ones with two digits.

    Examples
    --------
    >>> said_share(0.0527), said_share(0.00037), said_share(3e-298)
    ('5.3%', '0.037%', '0%')
    """
    if 1e-7 < value < 1e-3:
        return f"{100 * value:.2g}%"
    return f"{value:.1%}" if value > 1e-7 else "0%"


def doubts_of(warnings: Iterable[str]) -> list[str]:
    """Return the warnings that keep a headline from being settled."""
    return [text for text in warnings if any(doubt in text for doubt in DOUBTS)]


def plain_name(name: str) -> str:
    """Return a column's name as people write it."""
    return name.replace("_", " ")
