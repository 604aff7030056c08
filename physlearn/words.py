"""The answers of a study in plain sentences: what is settled, what these data cannot tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from physlearn.atom_words import atom_answers
from physlearn.findings import COULD_NOT, Findings
from physlearn.patch_summary import patch_answers
from physlearn.phrases import (
    Answer,
    as_sentence,
    interval_text,
    said_interval,
    said_number,
    species_counts,
    unit_text,
)

if TYPE_CHECKING:
    from physlearn.causal import CausalGraph
    from physlearn.records import WallTrack

__all__ = [
    "Answer", "as_sentence", "claims_a_cause", "coupling_answer", "headlines", "interval_text",
    "said_interval", "said_number", "species_counts", "unit_text", "walls_followed",
]  # fmt: skip

RESPONSE_TIER = 2
FIRM_FREQUENCY = 0.9
"""Share of half-samples from which on a headline states a link without reserve."""

FEWEST_FRAMES = 3
"""Frames that a wall must be seen in to count as followed."""

SETTLED = 0.95
"""Probability of a sign from which on a headline states it."""

SILENCING = ("not identified", "prior repeated", "inadequate")
"""What in a verdict keeps a headline from stating a number's sign."""

DOUBTS = ("error bars unreliable", "too narrow", "do not trust", "does not fit")
"""What in a fit's warnings keeps its headlines from being settled."""


def coupling_answer(
    name: str, probability_positive: float, verdict: str, *, doubtful: bool = False
) -> Answer:
    r"""Return what the posterior of one coupling says about its neighbours.

    Parameters
    ----------
    name
        Name in the summary, such as ``couplings[1]``.
    probability_positive
        Posterior probability of a coupling above 0 (like neighbours preferred).
    verdict
        The fit's own verdict; "not identified", "prior repeated" and "inadequate" silence it.
    doubtful
        The fit warns that its error bars are unreliable or too narrow: nothing is settled.

    Examples
    --------
    >>> coupling_answer("couplings[1]", 0.02, "").sentence
    'Unlike neighbours are preferred in shell 1: P\xa0=\xa00.98.'
    >>> coupling_answer("couplings[1]", 0.4, "").state
    'open'
    """
    shell = name.partition("[")[2].rstrip("]") or "1"
    question = f"Who sits beside whom in shell {shell}?"
    silenced = doubtful or any(text in verdict for text in SILENCING)
    unlike = 1.0 - probability_positive
    if not silenced and max(unlike, probability_positive) >= SETTLED:
        kind = "Unlike" if unlike > 0.5 else "Like"
        sure = _probability(max(unlike, probability_positive))
        return Answer(question, f"{kind} neighbours are preferred in shell {shell}: {sure}.",
                      "settled", verdict)  # fmt: skip
    sentence = (
        f"These data can’t tell whether unlike or like neighbours are preferred in shell {shell}: "
        f"P(unlike)\u00a0=\u00a0{unlike:.2f}"
    )
    if doubtful:
        sentence += ", and the fit’s error bars are not to be trusted"
    return Answer(question, sentence + ".", "open", verdict)


def headlines(findings: Findings) -> list[Answer]:
    """Return the study's answers in the order of its steps.

    Examples
    --------
    >>> headlines(Findings("a picture", 1))
    []
    """
    answers = [
        *atom_answers(findings),
        *_couplings(findings),
        *patch_answers(findings.patches),
        *_causes(findings),
        *_walls(findings),
    ]
    answers += [
        Answer(note.title, f"Could not be done. {as_sentence(note.reason)}", "none")
        for note in findings.notes
        if note.status == COULD_NOT
    ]
    return answers + _next(findings)


def _probability(value: float) -> str:
    """Return ``P = 0.98`` with no-break spaces; 1 is never claimed."""
    if value > 0.999:
        return "P\u00a0>\u00a00.999"
    return f"P\u00a0=\u00a0{value:.2f}" if value < 0.995 else f"P\u00a0=\u00a0{value:.3f}"


def _couplings(findings: Findings) -> Iterable[Answer]:
    if findings.couplings is None:
        return
    doubts = _doubts(findings.couplings.warnings)
    for row in findings.couplings.summary().to_dict("records"):
        if str(row["name"]).startswith("couplings"):
            answer = coupling_answer(
                str(row["name"]), float(row["probability_positive"]), str(row["verdict"]),
                doubtful=bool(doubts),
            )  # fmt: skip
            detail = "; ".join([f"J = {interval_text(row)}", *doubts])
            yield Answer(answer.question, answer.sentence, answer.state, detail)


def _doubts(warnings: Iterable[str]) -> list[str]:
    return [text for text in warnings if any(doubt in text for doubt in DOUBTS)]


def _causes(findings: Findings) -> Iterable[Answer]:
    graph = findings.graph
    if graph is None:
        return
    last = max(graph.tiers.values(), default=0)
    without = []
    for response in (name for name in graph.columns if graph.tiers.get(name) == last):
        causes = [name for name in graph.columns if claims_a_cause(graph, name, response)]
        if causes:
            question = f"What changes the {_plain_name(response)}?"
            yield _named_causes(graph, causes, response, question)
        elif last == RESPONSE_TIER:
            without.append(_plain_name(response))
    if without:
        named = " or ".join([", ".join(without[:-1]), without[-1]] if without[1:] else without)
        yield Answer(
            f"What changes the {named}?", f"No cause of the {named} was established.", "open"
        )


def _named_causes(graph: CausalGraph, causes: list[str], response: str, question: str) -> Answer:
    named = " and ".join(_plain_name(name) for name in causes)
    edges = [graph.edge_between(cause, response) for cause in causes]
    shares = [edge.frequency for edge in edges if edge is not None]
    firm = all(math.isnan(share) or share >= FIRM_FREQUENCY for share in shares)
    if firm:
        verb = "changes" if len(causes) == 1 else "change"
        text = f"{named} {verb} the {_plain_name(response)}."
        return Answer(question, text.capitalize(), "found", "unless a hidden cause drives both")
    text = f"{named} may change the {_plain_name(response)}."
    detail = f"the link stands in {min(shares):.0%} of half-samples only"
    return Answer(question, text.capitalize(), "open", detail)


def claims_a_cause(graph: CausalGraph, cause: str, effect: str) -> bool:
    """Whether a present edge has its arrow head at ``effect`` and none at ``cause``.

    Examples
    --------
    >>> from physlearn.causal import CausalGraph
    >>> graph = CausalGraph.from_edges([("composition", "response")])
    >>> claims_a_cause(graph, "composition", "response")
    True
    >>> claims_a_cause(graph, "response", "composition")
    False
    """
    edge = graph.edge_between(cause, effect)
    if edge is None or edge.presence != "present":
        return False
    marks = {edge.source: edge.mark_source, edge.target: edge.mark_target}
    return bool(marks[effect] == "arrow" and marks[cause] != "arrow")


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


def _walls(findings: Findings) -> Iterable[Answer]:
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
    doubts = _doubts(findings.wall_fit.warnings)
    for row in findings.wall_fit.summary().to_dict("records"):
        if str(row["name"]) in said:
            yield _wall_answer(row, *said[str(row["name"])], doubts)


def _wall_answer(
    row: Mapping[Any, Any], question: str, positive: str, negative: str, doubts: list[str]
) -> Answer:
    chance, verdict = float(row["probability_positive"]), str(row["verdict"])
    words = positive if chance > 0.5 else negative
    sure = max(chance, 1 - chance)
    detail = f"{_plain_name(str(row['name']))} {interval_text(row)}"
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
        return Answer(question, f"{words.capitalize()}: {_probability(sure)}.", "settled", detail)
    sentence = f"These data can’t tell whether {words}: {_probability(sure)}."
    return Answer(question, sentence, "open", detail)


def _next(findings: Findings) -> list[Answer]:
    plan = findings.plan
    if plan is None or not plan.steps:
        return []
    first = plan.steps[0].action
    act = {
        "image": "Take a picture of a new field",
        "scan_again": "Scan the same field again",
        "expose_site": "Expose one site",
        "change_bias": "Change the bias",
    }[first.verb]
    if "bias_V" in first.args:
        act += f" to {said_number(first.number('bias_V'))} V"
    elif first.verb == "expose_site":
        act += f" at x {said_number(first.number('x'))}, y {said_number(first.number('y'))}"
    question = plan.steps[0].expect[0].question if plan.steps[0].expect else ""
    detail = f"the question: {_plain_name(question)}?" if question else ""
    return [Answer("What to do next?", f"{act}, first of {len(plan.steps)} steps.", "plan", detail)]


def _plain_name(name: str) -> str:
    return name.replace("_", " ")
