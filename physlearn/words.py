"""The answers of a study in plain sentences: what is settled, what these data cannot tell."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from physlearn.act_words import act_name, act_place
from physlearn.atom_words import atom_answers
from physlearn.campaign_words import campaign_answers
from physlearn.findings import COULD_NOT, Findings
from physlearn.patch_summary import patch_answers
from physlearn.phrases import (
    SETTLED,
    SILENCING,
    Answer,
    as_sentence,
    doubts_of,
    interval_text,
    plain_name,
    said_interval,
    said_number,
    said_probability,
    species_counts,
    unit_text,
)
from physlearn.track_words import track_answers
from physlearn.wall_words import wall_answers, walls_followed

if TYPE_CHECKING:
    from physlearn.causal import CausalGraph

__all__ = [
    "Answer", "as_sentence", "claims_a_cause", "coupling_answer", "headlines", "interval_text",
    "said_interval", "said_number", "species_counts", "unit_text", "walls_followed",
]  # fmt: skip

RESPONSE_TIER = 2
FIRM_FREQUENCY = 0.9
"""Share of half-samples from which on a headline states a link without reserve."""


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
        sure = said_probability(max(unlike, probability_positive))
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
        *wall_answers(findings),
        *track_answers(findings),
    ]
    answers += [
        Answer(note.title, f"Could not be done. {as_sentence(note.reason)}", "none")
        for note in findings.notes
        if note.status == COULD_NOT
    ]
    return [*answers, *_next(findings), *campaign_answers(findings)]


def _couplings(findings: Findings) -> Iterable[Answer]:
    if findings.couplings is None:
        return
    doubts = doubts_of(findings.couplings.warnings)
    for row in findings.couplings.summary().to_dict("records"):
        if str(row["name"]).startswith("couplings"):
            answer = coupling_answer(
                str(row["name"]), float(row["probability_positive"]), str(row["verdict"]),
                doubtful=bool(doubts),
            )  # fmt: skip
            detail = "; ".join([f"J = {interval_text(row)}", *doubts])
            yield Answer(answer.question, answer.sentence, answer.state, detail)


def _causes(findings: Findings) -> Iterable[Answer]:
    graph = findings.graph
    if graph is None:
        return
    last = max(graph.tiers.values(), default=0)
    without = []
    for response in (name for name in graph.columns if graph.tiers.get(name) == last):
        causes = [name for name in graph.columns if claims_a_cause(graph, name, response)]
        flags = {} if findings.patches is None else findings.patches.flags
        if causes and "no signal" in flags.get(response, ""):
            continue
        if causes:
            question = f"What changes the {plain_name(response)}?"
            yield _named_causes(graph, causes, response, question)
        elif last == RESPONSE_TIER:
            without.append(plain_name(response))
    if without:
        named = " or ".join([", ".join(without[:-1]), without[-1]] if without[1:] else without)
        yield Answer(
            f"What changes the {named}?",
            f"No cause of the {named} was established.",
            "open",
            _linked_without_direction(graph),
        )


def _linked_without_direction(graph: CausalGraph) -> str:
    """Return the links of the last tier whose direction is open, and what would be missed."""
    last = max(graph.tiers.values(), default=0)
    links = [
        f"{plain_name(edge.source)} and {plain_name(edge.target)}"
        for edge in graph.edges
        if edge.presence == "present"
        and graph.tiers.get(edge.source) == graph.tiers.get(edge.target) == last
    ]
    told = [f"linked, which way is open: {'; '.join(links)}"] if links else []
    if math.isfinite(graph.detectable):
        told.append(f"partial correlations below {graph.detectable:.2g} would have been missed")
    return "; ".join(told)


def _named_causes(graph: CausalGraph, causes: list[str], response: str, question: str) -> Answer:
    named = " and ".join(plain_name(name) for name in causes)
    edges = [graph.edge_between(cause, response) for cause in causes]
    shares = [edge.frequency for edge in edges if edge is not None]
    firm = all(math.isnan(share) or share >= FIRM_FREQUENCY for share in shares)
    if firm:
        verb = "changes" if len(causes) == 1 else "change"
        text = f"{named} {verb} the {plain_name(response)}."
        return Answer(question, text.capitalize(), "found", "unless a hidden cause drives both")
    text = f"{named} may change the {plain_name(response)}."
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


def _first_of(act: str, n_steps: int) -> str:
    return f"{act}, first of {n_steps} steps." if n_steps > 1 else f"{act}."


def _next(findings: Findings) -> list[Answer]:
    plan = findings.plan
    if plan is None or not plan.steps:
        return []
    unit = findings.atoms.unit if findings.atoms is not None else "pixel"
    first = plan.steps[0].action
    if first.verb == "image":  # where is in the plan's table: what matters is that it is new
        act = "Take a picture of a new field"
    elif first.verb == "scan_again":
        act = "Scan the same field again"
    else:
        where = act_place(first, unit)
        act = as_sentence(f"{act_name(first)} {where}".strip()).removesuffix(".")
    question = plan.steps[0].expect[0].question if plan.steps[0].expect else ""
    detail = f"the question: {plain_name(question)}?" if question else ""
    return [Answer("What to do next?", _first_of(act, len(plan.steps)), "plan", detail)]
