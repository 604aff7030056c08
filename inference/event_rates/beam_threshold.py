"""On which side of a threshold each voltage lies, and the displacement energy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.event_rates.beam_model import BeamModel, Threshold
from physlearn.inference.event_rates.knock_on import largest_transfer_ev
from physlearn.inference.event_rates.rate_posterior import RateSample, sample_rates

__all__ = ["beam_gains", "fit_threshold", "open_upwards", "sample_model"]

Floats = NDArray[np.float64]
PRESENT, ABSENT = 3.32, 1.92
"""Gain of log likelihood by a cross section: 99 % significant; not significant at 95 %."""
UNRESOLVED, MANY_TIMES = 2.0, 30.0
"""Loss of log likelihood below which rates so many times larger cannot be excluded."""


def sample_model(model: BeamModel, generator: np.random.Generator, n_draws: int) -> RateSample:
    """Return draws of a model of events under the beam."""
    start = model.start()
    scale = np.where(model.folded, np.maximum(np.abs(start), 1e-300), 1.0)
    return sample_rates(model.log_density, start, model.folded, generator, n_draws, scale=scale)


def open_upwards(model: BeamModel, sample: RateSample) -> list[str]:
    """Return the rates of which the counts give a lower bound only: larger ones explain as much."""
    if model.counts.events.sum() == 0 or model.threshold is not None:
        return []
    signed = np.median(sample.draws, axis=0)
    here = float(np.max(model.log_likelihood(sample.draws)))
    found = []
    t, b = model.n_thermal, model.n_beam
    n = len(model.counts.temperatures) if model.thermal and not model.arrhenius else 0
    for name, places in (("thermal_rate", range(n)), ("cross_section", range(t, t + b))):
        for place in places:
            faster = signed.copy()
            faster[place] *= np.sqrt(MANY_TIMES)
            if here - float(model.log_likelihood(faster)) < UNRESOLVED:
                found.append(name)
                break
    return found


def beam_gains(model: BeamModel, sample: RateSample) -> dict[str, Any]:
    """Return for each voltage whether the beam drives events there, by likelihood ratio."""
    best = _best_fit(model, sample, None)
    gains = []
    for v in range(len(model.counts.voltages)):
        used = (model.counts.volt == v) & (model.counts.dose > 0)
        gains.append(best - _best_fit(model, sample, v) if used.any() else float("nan"))
    return {"beam_gain": gains}


def _best_fit(model: BeamModel, sample: RateSample, without: int | None) -> float:
    """Return the largest log likelihood, with the cross section at one voltage set to zero."""
    keep = np.ones(model.n_parameters, np.bool_)
    if without is not None:
        keep[model.n_thermal + without] = False
    unit = np.maximum(np.abs(sample.mode[keep]), 1e-12)

    def loss(y: Floats) -> float:
        x = np.zeros(model.n_parameters)
        x[keep] = y * unit
        return -float(model.log_likelihood(x))

    best = -np.inf
    for start in (np.ones(keep.sum()), 2.0 * np.ones(keep.sum())):
        found = minimize(loss, start, method="L-BFGS-B")
        best = max(best, -float(found.fun))
    return best


def fit_threshold(
    model: BeamModel, sample: RateSample, said: dict[str, Any], wanted: bool | None,
    element: str | None, speed_sd: float, notes: list[str], generator: np.random.Generator,
) -> tuple[BeamModel, RateSample] | None:  # fmt: skip
    """Return the fit of a displacement energy, or say why there is none."""
    if wanted is False or (wanted is None and element is None):
        return None
    if element is None:
        raise InputError("threshold=True needs element=, the atom that is knocked out.")
    if not np.all(np.isfinite(model.counts.voltages)):
        raise InputError("a threshold needs voltage_kv.")
    gains = np.asarray(said.get("beam_gain", []), float)
    voltages = model.counts.voltages
    above = voltages[gains > PRESENT] if len(gains) else voltages[:0]
    below = voltages[gains < ABSENT] if len(gains) else voltages[:0]
    both = bool(len(above) and len(below) and below.min() < above.max())
    said["threshold_between_kv"] = [float(below.max()), float(above.min())] if both and (
        below.max() < above.min()
    ) else None  # fmt: skip
    if not both:
        lack = "below it (where the beam does nothing)" if len(above) else (
            "above it (where the beam acts)"
        )  # fmt: skip
        text = (
            "a threshold needs voltages on both sides of it; there is none "
            f"{lack}: the displacement energy has a bound only; add exposures at such a voltage."
        )
        if wanted:
            raise NotIdentified(text)
        notes.append(text)
        return None
    law = BeamModel(
        model.counts, arrhenius=model.arrhenius, attempt_prior=model.attempt_prior,
        threshold=Threshold(element, speed_sd),
    )  # fmt: skip
    return law, _sample_threshold(law, sample, generator)


def _sample_threshold(
    law: BeamModel, sample: RateSample, generator: np.random.Generator
) -> RateSample:
    """Return draws of the law with a displacement energy, from the best start on a grid."""
    assert law.threshold is not None  # noqa: S101 -- made with one
    top = largest_transfer_ev(law.counts.voltages.max(), law.threshold.element)
    low = largest_transfer_ev(law.counts.voltages.min(), law.threshold.element)
    t = law.n_thermal
    trials = []
    for energy in np.linspace(0.7 * float(low), 1.4 * float(top), 60):
        for scale in (-1.0, 0.0, 1.0):
            trials.append([*sample.mode[:t], energy, scale])
    start = np.array(trials)
    best = start[int(np.argmax(law.log_density(start)))]
    size = np.where(law.folded, np.maximum(np.abs(best), 1e-300), 1.0)
    return sample_rates(law.log_density, best, law.folded, generator, len(sample.draws), scale=size)
