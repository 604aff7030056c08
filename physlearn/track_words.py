"""What a study of tracked particles says in sentences, and its part of the summary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from physlearn.findings import Findings
from physlearn.phrases import (
    SETTLED,
    Answer,
    doubts_of,
    interval_text,
    plain_name,
    said_number,
    unit_text,
)

if TYPE_CHECKING:
    from physlearn.inference import DynamicsLaws
    from physlearn.results import Fit

__all__ = ["track_answers", "tracks_content", "tracks_text"]


def tracks_text(findings: Findings) -> str:
    """Say what the file of tracks holds.

    Examples
    --------
    >>> from physlearn.records import Trajectory
    >>> walk = Trajectory([0, 1], [4, 4], [[0.0, 0.0], [0.1, 0.0]], [0.0, 0.04], unit="um")
    >>> tracks_text(Findings("tracks", 1, trajectory=walk))
    'The file holds 1 tracked particle over 2 frames, 2 positions in all.'
    """
    track = findings.trajectory
    if track is None:
        return ""
    n = track.n_particles
    return (
        f"The file holds {n:,} tracked particle{'' if n == 1 else 's'} over {track.n_frames:,} "
        f"frames, {len(track.positions):,} positions in all."
    )


def track_answers(findings: Findings) -> Iterable[Answer]:
    """Return the headlines about tracked particles.

    Examples
    --------
    >>> list(track_answers(Findings("tracks", 1)))
    []
    """
    if findings.track_report is not None:
        report = findings.track_report
        if findings.hopping:  # a hop is a long step, and no wrong link
            report = report[report["what"] != "long steps"]
        odd = [str(said) for said in report["said"] if said]
        yield Answer(
            "Are the tracks sound?",
            "The linking shows nothing odd." if not odd
            else f"Look at the linking first: {len(odd)} of its numbers stand out.",
            "settled" if not odd else "open", "; ".join(text.rstrip(".") for text in odd),
        )  # fmt: skip
    found = findings.diffusion
    if found is not None:
        row = {"mean": found.diffusion, "q05": found.low, "q95": found.high, "unit": found.unit}
        doubts = doubts_of(found.warnings)
        smeared = bool(found.min_lag > 1)
        yield Answer(
            "How fast do they spread?",
            f"The diffusion coefficient is {interval_text(row)}"
            + (f", from lags of {found.min_lag} frames and more." if smeared else "."),
            "open" if doubts else "settled",
            "; ".join([*doubts, *([SMEARED] if smeared else [])]),
        )
    if findings.pair_force is not None:
        yield _pair_answer(findings.pair_force)
    if findings.drift is not None:
        yield _drift_answer(findings.drift)
    if findings.hop_rates is not None:
        rows = findings.hop_rates.summary().to_dict("records")
        said = "; ".join(f"{plain_name(str(row['name']))} {interval_text(row)}" for row in rows[:4])
        doubts = doubts_of(findings.hop_rates.warnings)
        yield Answer(
            "How often do they hop?", f"Rates of hops: {said}.",
            "open" if doubts else "settled", "; ".join(doubts),
        )  # fmt: skip


SMEARED = "shorter lags are smeared and show another number: see the figure"


SAME_EVERYWHERE = "the diffusion is the same everywhere"


def _drift_answer(laws: DynamicsLaws) -> Answer:
    """Say whether a force that depends on the place acts on each particle."""
    from physlearn.inference.dynamics.drift_words import force_targets

    claimed = [name for name in force_targets(laws) if laws[name].claims_law]
    # Free diffusion has its own answer, whose number counts what smearing leaves at short lags
    said = [text for text in laws.said if not text.startswith(SAME_EVERYWHERE)]
    first, *rest = (text[0].upper() + text[1:] for text in said)
    fixed = all(laws[name].fixes_law for name in claimed)
    doubts = doubts_of(laws["D"].warnings)
    state = "open" if doubts or not claimed or not fixed else "settled"
    details = [*rest, *doubts, "forces between particles are counted as noise here"]
    return Answer("Does a force act on each particle?", f"{first}.", state, "; ".join(details))


def _pair_answer(fit: Fit) -> Answer:
    """Say whether the particles push or pull each other where they are seen near each other."""
    question = "Do the particles act on each other?"
    rows = [row for row in fit.summary().to_dict("records") if str(row["name"]).startswith("force")]
    p = float(fit.diagnostics["p_no_force"])
    edges = fit.diagnostics["edges"]
    length = str(rows[0]["unit"]).partition("/")[2]
    told = f"pairs watched from {said_number(edges[0])} to {said_number(edges[-1])} "
    told += f"{unit_text(length)}; no force at any distance: p = {said_number(p, 2)}"
    detail = "; ".join([told, *doubts_of(fit.warnings)])
    if p > BY_CHANCE:
        return Answer(
            question,
            "No force between them is seen: its intervals, taken together, hold 0.", "open", detail,
        )  # fmt: skip
    # one sign in each bin, and all bins as one family
    sure = 1.0 - (1.0 - SETTLED) / len(rows)
    ways = [
        word
        for word, chance in (
            ("repel", max(float(row["probability_positive"]) for row in rows)),
            ("attract", max(1.0 - float(row["probability_positive"]) for row in rows)),
        )
        if chance >= sure
    ]
    if not ways:
        return Answer(
            question, "Some force acts between them, but these data can’t tell its sign.", "open",
            detail,
        )  # fmt: skip
    return Answer(
        question, f"They {' and '.join(ways)} each other, by their distance.", "settled", detail
    )


BY_CHANCE = 0.01
"""Chance of such forces where there are none, above which none is claimed."""


def tracks_content(findings: Findings) -> dict[str, Any] | None:
    """Return the tracks' part of the summary.

    Examples
    --------
    >>> tracks_content(Findings("a picture", 1)) is None
    True
    """
    track, found, hops = findings.trajectory, findings.diffusion, findings.hops
    if track is None:
        return None
    return {
        "particles": track.n_particles, "frames": track.n_frames, "unit": track.unit,
        "time_unit": track.time_unit, "positions": len(track.positions),
        "diffusion": None if found is None else {
            "mean": found.diffusion, "q05": found.low, "q95": found.high, "unit": found.unit,
            "min_lag": found.min_lag, "by_lag": found.table.to_dict("records"),
        },
        "linking": [] if findings.track_report is None
        else findings.track_report.to_dict("records"),
        "drift": None if findings.drift is None else {
            "said": list(findings.drift.said),
            "laws": {name: laws.table.to_dict("records")
                     for name, laws in findings.drift.equations.items()},
        },
        "hops": None if hops is None else {"count": hops.n_hops, "steps": hops.n_steps},
    }  # fmt: skip
