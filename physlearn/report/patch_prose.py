"""What the report says of the patch table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from physlearn.findings import Findings
from physlearn.phrases import said_interval, said_number, unit_text
from physlearn.report.figures import maps_shown

__all__ = ["patch_rows", "patches_text", "repeat_text"]

WORTH_SAYING = 0.2
"""Share of a column's variance from which on its errors are named beside it; share of a patch from
which on the reach of errors is."""
NO_ERROR = 1e-3
"""Of a column's spread: errors below it are not told apart (labels that are certain)."""
SMALLEST_DECIMAL = 1e-3
"""Smaller numbers are said with a power of ten."""


def patches_text(findings: Findings) -> str:
    """Return what the patch table holds.

    Examples
    --------
    >>> patches_text(Findings("a picture", 1))
    ''
    """
    table = findings.patches
    if table is None:
        return ""
    text = (
        f"{table.n_patches} patches of {said_number(table.patch_size)} {unit_text(table.unit)}, "
        f"each described by {len(table.columns)} numbers. "
    )
    if table.selection != "all":
        text += f"Which are in: {table.selection}. "
    if table.overlap:
        text += f"Each shares {table.overlap:.0%} of its edge with the next. "
    if table.chosen_by_result:
        text += "They were chosen by what they show, which makes independent causes look tied. "
    if table.measurement_covariance is not None:
        text += "The bar beside each map’s colours is the error of one patch, up and down. "
    left = len(table.columns) - len(maps_shown(table))
    if left:
        text += (
            f"Maps of {left} that follow from others, are mostly noise or come last are left out. "
        )
    return (
        f"{text}Neighbouring patches are not independent; the tests below count them for what "
        "they are worth."
    )


def _said_error(error: float | None, spread: float) -> str:
    if error is None:
        return "unknown"
    if error < NO_ERROR * spread:
        return f"below {said_number(NO_ERROR * spread, 1)}"
    return f"± {said_number(error, 2)}"


def repeat_text(findings: Findings) -> list[str]:
    """Return what a second scan of the same place told, in sentences.

    Examples
    --------
    >>> repeat_text(Findings("a picture", 1))
    []
    """
    table = findings.patches
    told = None if table is None else table.metadata.get("repeat")
    if table is None or not isinstance(told, Mapping):
        return []
    texts = []
    if told.get("registered") and "shift" in told:
        x, y = (said_number(float(value)) for value in told["shift"])
        text = f"The second scan lies {x} along x and {y} along y from the first"
        if "shift_sd" in told:
            sd = max(float(value) for value in told["shift_sd"])
            text += f" (to {said_number(sd, 2)})"
        texts.append(f"{text} {unit_text(table.unit)} and was brought back by that much.")
    texts.append(
        "Values are the means of both scans, and errors come from their difference. An error that "
        "both scans share is not seen in it."
    )
    length = table.error_correlation_length
    if length and length > WORTH_SAYING * table.patch_size:
        texts.append(
            f"Errors of patches nearer than about {said_number(float(length))} "
            f"{unit_text(table.unit)} agree."
        )
    return texts


def patch_rows(content: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """Return the columns of the patch table in words, from ``patches_content``.

    Examples
    --------
    >>> patch_rows(None)
    []
    """
    if content is None:
        return []
    rows = []
    for row in content["descriptors"]:
        remarks = [row["flag"]] if row["flag"] else []
        if row["derived_from"]:
            of = row["derived_from"].replace("_", " ")
            remarks.append(f"follows from {of}")
        if row["error"] is None:
            remarks.append("its error is unknown")
        elif row["noise_share"] is not None and row["noise_share"] > WORTH_SAYING:
            share = min(row["noise_share"], 1.0)
            remarks.append(f"{100 * share:.0f}\u00a0% of its variance is noise")
        rows.append(
            {
                "label": row["name"].replace("_", " "), "tier": row["tier"] or "–",
                "mean": _mean_beside(row["mean"], row["spread"]),
                "spread": said_number(row["spread"]),
                "error": _said_error(row["error"], row["spread"]),
                "unit": unit_text(row["unit"]), "remark": "; ".join(remarks),
            }
        )  # fmt: skip
    return rows


def _mean_beside(mean: float, spread: float | None) -> str:
    """Return a mean with as many decimals as the spread about it deserves."""
    if spread is None or not spread > 0 or max(spread, abs(mean)) < SMALLEST_DECIMAL:
        return said_number(mean)
    return said_interval(mean, mean - spread, mean + spread)[0]
