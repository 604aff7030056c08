"""What a patch table itself says against looking for causes in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from physlearn.checks import NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable

SAFE_PATCHES = 24 * 24
MIN_PATCHES = 30
"""With fewer patches nothing is said about dependence."""


def touching_patches(table: PatchTable) -> int:
    """Return how many patches that only touch cover the same area."""
    return round(table.n_patches * (1.0 - table.overlap) ** 2)


def require_patches(table: PatchTable) -> None:
    """Refuse tables with too few patches, or with several frames of the same places.

    Raises
    ------
    NotIdentified
        Saying how many there are, and what to do.
    """
    n = table.n_patches
    if n < MIN_PATCHES:
        raise NotIdentified(
            f"the table holds {n} patches; at least {MIN_PATCHES} are needed to "
            "say anything about dependence: use smaller patches or more images."
        )
    if touching_patches(table) < MIN_PATCHES:
        raise NotIdentified(
            f"the table holds {n} patches that overlap by {table.overlap:.0%}, no more than "
            f"{touching_patches(table)} that only touch; at least {MIN_PATCHES} of those are "
            "needed to say anything about dependence: use smaller patches or more images."
        )
    places, counts = np.unique(table.centers, axis=0, return_counts=True)
    n_places = len(places)
    if n_places < n and (table.covariates is None or "frame" not in table.covariates):
        x, y = places[counts.argmax()]
        raise NotIdentified(
            f"the table holds {n} patches at {n_places} places ({counts.max()} of them at "
            f"x = {x:g}, y = {y:g}): patches of one place are no independent evidence; keep one "
            "patch a place, or, where rows have no place, use PatchTable.from_rows."
        )
    if n_places < n:
        raise NotIdentified(
            f"the table holds {n} patches at {n_places} places (frames of a video): patches of one "
            "place are no independent evidence; take one frame, "
            'table.take(table.covariates["frame"] == k).'
        )


def without_derived(table: PatchTable, notes: list[str]) -> list[str]:
    """Return the columns without those that others of the table give by arithmetic."""
    kept = list(table.columns)
    for name, sources in table.derived.items():
        there = [source for source in sources if source in kept]
        if there and name in kept:
            kept.remove(name)
            notes.append(
                f"column {name!r} is computed from {' and '.join(map(repr, there))} and was left "
                "out: what they share is arithmetic, not a cause."
            )
    return kept


def shared_pixels(table: PatchTable, first: str, second: str) -> str:
    """Return what both columns are computed from (a channel, a response, spectra), "" for none."""
    pixels = table.metadata.get("pixels_of", {})
    channel = pixels.get(first, "") if isinstance(pixels, Mapping) else ""
    return str(channel) if channel and pixels.get(second) == channel else ""


def selection_notes(table: PatchTable, names: Sequence[str]) -> list[str]:
    """Return what the choice, overlap and marks of the patches mean for a graph."""
    notes = []
    if table.chosen_by_result:
        notes.append(
            f"the patches were chosen by what they show ({table.selection}): that makes "
            "independent causes look linked; describe all patches before claiming a link."
        )
    elif table.selection != "all":
        notes.append(
            f"the patches were chosen ({table.selection}): choosing by a result makes "
            "independent causes look linked."
        )
    if table.overlap > 0:
        notes.append(
            f"the patches overlap by {table.overlap:.0%}: {table.n_patches} of them tell no more "
            f"than {touching_patches(table)} that only touch; the test counts what they share once."
        )
    marked: dict[str, list[str]] = {}
    for name, text in table.flags.items():
        if name in names:
            marked.setdefault(text, []).append(name)
    notes += [f"column(s) {', '.join(of)}: {text}." for text, of in marked.items()]
    return notes


def graph_notes(
    table: PatchTable, tiers: Mapping[str, int], names: Sequence[str], detectable: float
) -> list[str]:
    """Return what the reader of a graph must know."""
    notes = [
        "a hidden common cause of two columns looks like an edge between them; "
        "only an intervention tells."
    ]
    if touching_patches(table) < SAFE_PATCHES:
        notes.append(
            f"{table.n_patches} patches are few (below {SAFE_PATCHES}): links with a partial "
            f"correlation below about {min(detectable, 1):.2f} are missed more often than found."
        )
    notes += selection_notes(table, names)
    loose = [name for name in names if name not in tiers]
    if loose:
        notes.append(f"no tier is known for {', '.join(loose)}: directions there stay open.")
    return notes
