"""The figures of a rehearsed campaign, with what they show in words."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from physlearn.campaign_words import campaign_dose, shots_text
from physlearn.findings import Findings
from physlearn.phrases import plain_name, said_number
from physlearn.report.draw_campaign import (
    plot_campaign,
    plot_campaign_evidence,
    plot_campaign_readouts,
)
from physlearn.report.drawing import blank_figure

__all__ = ["campaign_figures"]


def campaign_figures(findings: Findings) -> Iterator[tuple[str, Figure, str, str]]:
    """Yield name, figure, alternative text and caption of what the twin's campaign showed."""
    found = findings.rehearsal
    if found is None or found.twinned is None or not found.twinned.campaign.steps:
        return
    done = found.twinned
    campaign, last = done.campaign, done.campaign.steps[-1]
    said = ", ".join(f"{plain_name(name)} {weight:.2g}" for name, weight in last.weights.items())
    figure, ax = blank_figure((5.6, 4.0))
    plot_campaign(campaign, before={h.name: h.weight for h in found.hypotheses}, ax=ax)
    yield ("campaign", figure,
           f"Belief in each hypothesis against the dose; after {campaign_dose(done)}: {said}.",
           "What was learned, and what it cost: every mark is one exposure.")  # fmt: skip
    figure, ax = blank_figure((5.6, 4.0))
    plot_campaign_evidence(campaign, needed=found.severity.evidence, ax=ax)
    told = ", ".join(f"{name} {value:.2g}" for name, value in last.e_values.items())
    yield ("campaign_evidence", figure,
           f"Evidence against each class of deviations, against the dose; in the end: {told}.",
           "Belief alone is no claim: both curves against a deviation must pass the dashed line "
           "first.")  # fmt: skip
    figure, ax = blank_figure((5.6, 4.0))
    plot_campaign_readouts(found, ax=ax)
    yield ("campaign_readouts", figure,
           f"Readouts of {shots_text(len(campaign.steps))} against the change that each set; "
           f"slope {said_number(done.slope)}, planted {said_number(done.planted_slope)}.",
           "What every exposure read (two standard deviations of noise), with what each hypothesis "
           "expects (shaded: 90 % of its members) and what was planted.")  # fmt: skip
