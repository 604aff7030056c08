"""What a study says of domain walls, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from physlearn.findings import Findings
from physlearn.phrases import (
    SETTLED,
    SILENCING,
    Answer,
    doubts_of,
    interval_text,
    plain_name,
    said_interval,
    said_number,
    said_probability,
    unit_text,
)

if TYPE_CHECKING:
    from physlearn.records import WallTrack

__all__ = ["forecast_text", "roughness_text", "wall_answers", "walls_followed"]

FEWEST_FRAMES = 3
"""Frames that a wall must be seen in to count as followed."""

SMOOTH_FROM = 1.5
"""Exponents certainly above this belong to no rough line (depinning: 1.25)."""


def walls_followed(track: WallTrack) -> str:
    """Say how many walls live long enough to be followed, and how many pieces do not.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> walls_followed(track_walls(make_wall_video(n_frames=4, rng=1).video))
    '4 walls followed through 4 frames'
    """
    lives = track.table.groupby("wall")["frame"].nunique()
    long = int((lives >= min(FEWEST_FRAMES, track.n_frames)).sum())
    text = f"{long or 'no'} wall{'' if long == 1 else 's'} followed through {track.n_frames} frames"
    short = len(lives) - long
    if short:
        text += f", and {short} short-lived piece{'' if short == 1 else 's'}"
    return text


def wall_answers(findings: Findings) -> Iterable[Answer]:
    """Return the headlines about walls.

    Examples
    --------
    >>> list(wall_answers(Findings("a video", 1)))
    []
    """
    if findings.track is not None:
        track = findings.track
        shares = findings.domain_shares
        detail = ""
        if shares is not None:
            first, last = shares["normalised"].iloc[0], shares["normalised"].iloc[-1]
            detail = f"share of the bright domain {first:.3f} → {last:.3f}"
        # Where the law of motion was fitted, a mean over its whole course says nothing more
        if findings.wall_advance is not None and findings.wall_fit is None:
            advance = findings.wall_advance
            speed = {"mean": advance.mean, "q05": advance.low, "q95": advance.high,
                     "unit": advance.unit}  # fmt: skip
            if math.isfinite(advance.film_low):
                seen = {**speed, "q05": advance.film_low, "q95": advance.film_high}
                _, low, high = said_interval(advance.mean, advance.low, advance.high)
                detail += f"; over this film the walls advance at {interval_text(seen)}"
                detail += f", as a steady velocity [{low} to {high}]"
            else:
                detail += f"; walls advance at {interval_text(speed)} on the mean"
            detail += "".join(f" ({text})" for text in advance.warnings)
        yield Answer(
            "What moves in the video?",
            walls_followed(track).capitalize() + ".", "settled", detail,
        )  # fmt: skip
    if findings.wall_fit is None:
        return
    said = {
        "drive_mobility": ("Does the drive move the walls?", "the drive grows the bright domain",
                           "the drive shrinks the bright domain"),
        "drive_velocity": ("Do the walls advance?", "the bright domain grows", "it shrinks"),
        "curvature_mobility": ("Do the walls pull straight?", "walls pull straight",
                               "walls bulge"),
    }  # fmt: skip
    doubts = doubts_of(findings.wall_fit.warnings)
    for row in findings.wall_fit.summary().to_dict("records"):
        if str(row["name"]) in said:
            yield _wall_answer(row, *said[str(row["name"])], doubts)


def _wall_answer(
    row: Mapping[Any, Any], question: str, positive: str, negative: str, doubts: list[str]
) -> Answer:
    chance, verdict = float(row["probability_positive"]), str(row["verdict"])
    words = positive if chance > 0.5 else negative
    sure = max(chance, 1 - chance)
    detail = f"{plain_name(str(row['name']))} {interval_text(row)}"
    if verdict:
        detail += f" ({verdict})"
    if doubts or "inadequate" in verdict:
        misfit = "inadequate" in verdict or any("does not fit" in text for text in doubts)
        why = (
            "the wall law does not fit this film" if misfit else "the wall fit is not to be trusted"
        )
        sentence = f"These data can’t tell whether {words}: {why}, and its numbers mean little."
        return Answer(question, sentence, "open", detail)
    if sure >= SETTLED and not any(text in verdict for text in SILENCING):
        return Answer(
            question, f"{words.capitalize()}: {said_probability(sure)}.", "settled", detail
        )
    sentence = f"These data can’t tell whether {words}: {said_probability(sure)}."
    return Answer(question, sentence, "open", detail)


def roughness_text(findings: Findings) -> str:
    """Say how rough the walls are, wall by wall, with intervals.

    Examples
    --------
    >>> roughness_text(Findings("a video", 1))
    ''
    """
    if findings.wall_roughness is None:
        return ""
    table = findings.wall_roughness.table
    told = table[table["refused"] == ""]
    rough = told[told["low"] < SMOOTH_FROM]
    rows = []
    for row in rough.to_dict("records"):
        mean, low, high = said_interval(*(float(row[k]) for k in ("exponent", "low", "high")))
        rows.append(f"wall {row['wall']}: {mean} [{low} to {high}]")
    parts = [f"Roughness exponent (90 % interval) {'; '.join(rows)}."] if rows else []
    smooth = len(told) - len(rough)
    if smooth:
        parts.append(
            f"{smooth} {'wall is' if smooth == 1 else 'walls are'} smooth: the spectrum falls "
            "faster than that of any rough line."
        )
    silent = len(table) - len(told)
    if parts and silent:
        parts.append(f"For {silent} other{'' if silent == 1 else 's'} it cannot be told.")
    return " ".join(parts)


def forecast_text(findings: Findings) -> str:
    """Say how well the frames that were held out were foreseen.

    Examples
    --------
    >>> forecast_text(Findings("a video", 1))
    ''
    """
    score = findings.wall_forecast
    if score is None:
        return ""
    last = score[score["frame"] == score["frame"].max()]
    unit = "" if findings.track is None else unit_text(findings.track.unit)
    errors = [
        f"{said_number(float((last[name] ** 2).mean() ** 0.5), 2)}\u00a0{unit}"
        for name in ("rmse", "persistence_rmse", "steady_rmse")
    ]
    return (
        f"The last {score['frame'].nunique()} frames were held out and forecast from the ones "
        f"before: after the last of them the walls are off by {errors[0]}; standing still would "
        f"have been off by {errors[1]}, going on at the last velocity by {errors[2]}. "
        f"{score['covered'].mean():.0%} of the points lie in the 90 % intervals."
    )
