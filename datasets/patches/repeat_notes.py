"""Sentences about errors that come from two scans of one place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["error_notes", "offset_notes"]

Floats = NDArray[np.float64]

DISAGREEMENT = 1.5
"""Ratio of the two scans' error to that of one scan's own estimate that is worth a sentence."""
OFFSET_SDS = 3.0
"""A mean difference of more than this many errors of one scan is worth a sentence."""
SMALL_ERROR = 1e-2  # of a column's scatter: of no consequence, whatever the ratio


def offset_notes(
    covariance: Floats, offsets: Floats, names: Sequence[str], units: Sequence[str]
) -> tuple[str, ...]:
    """Say which columns the second scan shows higher or lower throughout."""
    sd = np.sqrt(np.diag(covariance))
    return tuple(
        f"{name} is {abs(offset):.3g} {unit} {'lower' if offset > 0 else 'higher'} in the second "
        "scan: the table holds the middle, and errors hold nothing of it."
        for name, unit, offset, each in zip(names, units, offsets, sd, strict=True)
        if abs(offset) > OFFSET_SDS * each
    )


def error_notes(
    covariance: Floats,
    correlated: bool,
    own: Sequence[Floats | None],
    names: Sequence[str],
    scatter: Floats,
) -> tuple[str, ...]:
    """Return what to know of errors that come from a repeat."""
    notes = [
        "measurement errors come from a repeated scan, var(Z1 - Z2)/4 for the mean of both: an "
        "error that both scans share (a fixed pattern) is not seen."
    ]
    if not correlated:
        notes.append(
            f"too few patches for {len(names)} columns: the errors of different columns were "
            "taken as independent."
        )
    first = 0
    for sd in own:
        width = 1 if sd is None else sd.shape[1]
        if sd is not None:
            here = slice(first, first + width)
            seen = np.sqrt(np.diag(covariance))[here]
            said = np.sqrt(np.nanmean(sd**2, axis=0))
            matters = np.maximum(seen, said) > SMALL_ERROR * scatter[here]
            ratio = seen / said
            for name, each, large in zip(names[here], ratio, matters, strict=True):
                if large and not 1 / DISAGREEMENT < each < DISAGREEMENT:
                    notes.append(
                        f"the repeat finds the error of {name} {each:.2g} times as large as the "
                        "scans' own estimates."
                    )
        first += width
    return tuple(notes)
