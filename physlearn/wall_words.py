"""What a study says of domain walls, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from scipy.special import stdtr

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
    import pandas as pd

    from physlearn.datasets.wall_motion.wall_advance import WallAdvance
    from physlearn.records import WallTrack

__all__ = ["forecast_text", "roughness_text", "wall_answers", "walls_followed"]

FEWEST_FRAMES = 3
"""Frames that a wall must be seen in to count as followed."""

SMOOTH_FROM = 1.5
"""Exponents certainly above this belong to no rough line (depinning: 1.25)."""

QUESTIONS = {
    "drive_mobility": ("Does the drive move the walls?", "the drive grows the bright domain",
                       "the drive shrinks the bright domain"),
    "drive_velocity": ("Do the walls advance, curvature apart?", "the bright domain grows",
                       "the bright domain shrinks"),
    "curvature_mobility": ("Do the walls pull straight?", "walls pull straight", ""),
}  # fmt: skip
"""Parameter of a wall law -> the question, and its answer for a positive and a negative number."""

CALLED = {"drive_velocity": "velocity that the walls share"}
NEVER_NEGATIVE = "curvature_mobility"
BY_CHANCE = 0.05
"""Chance below which a difference of two forecasts counts."""
CLEAR_OF_ZERO = 2.0
"""Mean over standard deviation: that of a Gaussian cut at 0 where 5 % of it were below."""


def walls_followed(track: WallTrack) -> str:
    """Say how many walls live long enough to be followed, and how many pieces do not.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> walls_followed(track_walls(make_wall_video(n_frames=4, rng=1).video))
    '4 walls followed over at least 3 of the 4 frames'
    """
    lives = track.table.groupby("wall")["frame"].nunique()
    fewest = min(FEWEST_FRAMES, track.n_frames)
    long = int((lives >= fewest).sum())
    text = f"{long or 'no'} wall{'' if long == 1 else 's'} followed over at least {fewest} of the "
    text += f"{track.n_frames} frames"
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
        shares = findings.domain_shares
        detail = ""
        if shares is not None:
            known = shares["normalised"].dropna()
            if len(known):
                detail = f"share of the bright domain {known.iloc[0]:.3f} → {known.iloc[-1]:.3f}"
        yield Answer(
            "What moves in the video?",
            walls_followed(findings.track).capitalize() + ".", "settled", detail,
        )  # fmt: skip
    if findings.wall_advance is not None:
        yield _advance_answer(findings.wall_advance)
    if findings.wall_fit is not None:
        doubts = doubts_of(findings.wall_fit.warnings)
        for row in findings.wall_fit.summary().to_dict("records"):
            if str(row["name"]) in QUESTIONS:
                yield _wall_answer(row, doubts)
    worse = _forecast_is_worse(findings.wall_forecast)
    if worse:
        yield Answer(
            "Can the next frames be foreseen?",
            "Not with this law: over the frames that were held out its forecast is worse than "
            "walls that stand still."
            if worse == "surely"
            else "These data can’t tell: over the frames that were held out walls that stand still "
            "are as good a forecast as the law, or a better one, by no more than chance explains.",
            "open", _forecast_errors(findings),
        )  # fmt: skip


def _advance_answer(advance: WallAdvance) -> Answer:
    """Say the mean velocity: over this film where its areas tell it, else as a steady one."""
    question = "Do the walls advance on the whole?"
    low, high, steady = advance.low, advance.high, ""
    if math.isfinite(advance.film_low):
        _, *ends = said_interval(advance.mean, advance.low, advance.high)
        steady = (
            "the interval is that of the noise of this film; as a steady velocity, which another "
            f"film of these walls would show again: [{ends[0]} to {ends[1]}]"
        )
        low, high = advance.film_low, advance.film_high
    detail = "; ".join(part for part in (steady, *advance.warnings) if part)
    speed = interval_text({"mean": advance.mean, "q05": low, "q95": high, "unit": advance.unit})
    where = "Over this film the" if steady else "The"
    if low > 0 or high < 0:
        way = "grows" if low > 0 else "shrinks"
        return Answer(
            question, f"{where} bright domain {way}: its walls move at {speed}.", "settled", detail
        )
    return Answer(
        question, f"These data can’t tell whether the bright domain grows or shrinks: {speed}.",
        "open", detail,
    )  # fmt: skip


def _wall_answer(row: Mapping[Any, Any], doubts: list[str]) -> Answer:
    """Say what one parameter of the wall law tells."""
    name, verdict = str(row["name"]), str(row["verdict"])
    question, positive, negative = QUESTIONS[name]
    chance = float(row["probability_positive"])
    words = positive if chance > 0.5 else negative
    sure = max(chance, 1 - chance)
    detail = f"{CALLED.get(name, plain_name(name))} {interval_text(row)}"
    if verdict:
        detail += f" ({verdict})"
    if doubts or "inadequate" in verdict:
        misfit = "inadequate" in verdict or any("does not fit" in text for text in doubts)
        why = (
            "the wall law does not fit this film" if misfit else "the wall fit is not to be trusted"
        )
        # What was seen to grow or shrink stays true; only what made it do so is open
        return Answer(
            question, f"No law says what moves these walls: {why}, and its numbers mean little.",
            "open", detail,
        )  # fmt: skip
    silenced = any(text in verdict for text in SILENCING)
    if name == NEVER_NEGATIVE:
        # The sign is the model's, so that a probability of it would say nothing
        if float(row["mean"]) > CLEAR_OF_ZERO * float(row["sd"]) and not silenced:
            return Answer(question, f"{positive.capitalize()}.", "settled", detail)
        sentence = f"These data can’t tell whether {positive}: the number may be as small as 0."
        return Answer(question, sentence, "open", f"{detail}; below 0 it is never looked for")
    if sure >= SETTLED and not silenced:
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
    text = (
        f"The last {score['frame'].nunique()} frames were held out and forecast from the ones "
        f"before: {_forecast_errors(findings)}. "
        f"{score['covered'].mean():.0%} of the points lie in the 90 % intervals."
    )
    worse = _forecast_is_worse(score)
    if worse == "surely":
        text += " Standing still foresees these walls better than the law: do not forecast with it."
    elif worse:
        text += (
            " Standing still did better than the law, by no more than the walls differ among "
            "themselves: that may be chance."
        )
    return text


def _last_errors(score: pd.DataFrame) -> list[float]:
    """Return the errors in the last frame: of the law, standing still, going on steadily."""
    last = score[score["frame"] == score["frame"].max()]
    names = ("rmse", "persistence_rmse", "steady_rmse")
    return [float((last[name] ** 2).mean() ** 0.5) for name in names]


def _forecast_is_worse(score: pd.DataFrame | None) -> str:
    """Say whether standing still would have been the better forecast: surely, perhaps, or ''.

    Surely only where the walls agree: squared errors of the last frame, wall by wall, in a paired
    t-test. A single wall is one comparison and decides nothing.
    """
    if score is None:
        return ""
    law, still, _ = _last_errors(score)
    if not law > still:
        return ""
    last = score[score["frame"] == score["frame"].max()]
    excess = (last["rmse"] ** 2 - last["persistence_rmse"] ** 2).to_numpy()
    if excess.size < 2:
        return "perhaps"
    error = float(excess.std(ddof=1)) / math.sqrt(excess.size)
    beyond = float(stdtr(excess.size - 1, -excess.mean() / error)) if error > 0 else 0.0
    return "surely" if beyond < BY_CHANCE else "perhaps"


def _forecast_errors(findings: Findings) -> str:
    if findings.wall_forecast is None:
        return ""
    unit = "" if findings.track is None else unit_text(findings.track.unit)
    law, still, steady = (
        f"{said_number(error, 2)}\u00a0{unit}" for error in _last_errors(findings.wall_forecast)
    )
    return (
        f"after the last of them the walls are off by {law}; standing still would have been off by "
        f"{still}, going on at the last velocity by {steady}"
    )
