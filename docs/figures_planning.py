"""The figure of the planning page: a campaign inside its list of laws, and one outside of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physlearn.causal import (
    Action,
    Campaign,
    DigitalTwin,
    Instrument,
    Planner,
    ResponseSample,
    SafetyEnvelope,
    SeverityOptions,
    hypothesis_from_draws,
    run_campaign,
)
from physlearn.plots import plot_campaign_evidence
from physlearn.report.drawing import COLORS, GREY, INK

NOISE = 0.15
BIASES = np.linspace(-3, 3, 25)
GAINS = {"gain": np.random.default_rng(1).uniform(0.3, 1.3, 1000)}
SHAPES: dict[str, Callable[[float, np.ndarray], np.ndarray]] = {
    "linear": lambda bias, gain: 0.7 * gain * bias,
    "saturating": lambda bias, gain: np.tanh(gain * bias),
    "cubic": lambda bias, gain: gain * bias**3 / 9,
}
SAMPLES: dict[str, Callable[[float], float]] = {
    "a sample in the list, tanh(.9 V)": lambda bias: float(np.tanh(0.9 * bias)),
    "a sample that nobody listed, sin(2.5 V)": lambda bias: float(np.sin(2.5 * bias)),
}


def planning_figure() -> Figure:
    """Draw what was read out, and the evidence against the dose, for two samples."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    axes = figure.subplots(2, 2, width_ratios=(1.1, 1.0))
    for row, (title, law) in enumerate(SAMPLES.items()):
        campaign = _campaign(law)
        _readouts(axes[row, 0], campaign, law, title)
        plot_campaign_evidence(campaign, ax=axes[row, 1])
        said = f"{campaign.verdict} {campaign.hypothesis or 'of these'}"
        axes[row, 1].set_title(f"verdict: {said}, after {len(campaign.steps)} shots")
    return figure


def _campaign(law: Callable[[float], float]) -> Campaign:
    hypotheses = [
        hypothesis_from_draws(
            name, GAINS, lambda act, draws, of=of: of(act.number("bias_V"), draws["gain"]),
            noise_sd=NOISE,
        )
        for name, of in SHAPES.items()
    ]  # fmt: skip
    acts = [Action("change_bias", {"bias_V": float(b)}, 1.0, 10.0, 1.0) for b in BIASES]
    envelope = SafetyEnvelope(40.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3))
    planner = Planner(hypotheses, acts, envelope, 60.0, severity=SeverityOptions(), rng=1)
    sample = ResponseSample(lambda act: law(act.number("bias_V")))
    return run_campaign(planner, DigitalTwin(sample, Instrument(readout_noise_sd=NOISE), rng=3))


def _readouts(ax: Axes, campaign: Campaign, law: Callable[[float], float], title: str) -> None:
    """Draw the readouts with their order, each law's members and the truth."""
    fine = np.linspace(-3, 3, 121)
    for color, (name, of) in zip(COLORS, SHAPES.items(), strict=False):
        spread = np.array([np.quantile(of(bias, GAINS["gain"]), (0.05, 0.95)) for bias in fine])
        ax.fill_between(fine, *spread.T, color=color, alpha=0.18, lw=0, label=f"{name} (90 %)")
    ax.plot(fine, [law(bias) for bias in fine], color=GREY, lw=1.2, label="hidden truth")
    biases = [step.action.number("bias_V") for step in campaign.steps]
    seen = [step.outcome.readout for step in campaign.steps]
    ax.errorbar(
        biases, seen, yerr=NOISE, fmt="o", color=INK, ms=4, lw=1, label="read out, in order"
    )
    for number, (bias, readout) in enumerate(zip(biases, seen, strict=True), start=1):
        ax.annotate(f"{number}", (bias, readout), xytext=(5, 4), textcoords="offset points",
                    fontsize=8)  # fmt: skip
    ax.set_ylim(-2.2, 3.6)  # the legend stands above
    ax.set_xlabel("bias (V)")
    ax.set_ylabel("readout")
    ax.set_title(title)
    ax.legend(fontsize=8, loc="upper left", ncols=2)


PLANNING_FIGURES = {"planning": planning_figure}
