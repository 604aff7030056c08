"""From the draws of a law of hops to a fit that says what it knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.event_rates.hop_model import (
    HopModel,
    is_sum,
    moved_steps,
    plain_data,
)
from physlearn.inference.event_rates.hop_steps import Pairs
from physlearn.inference.event_rates.rate_laws import RateLaw
from physlearn.inference.event_rates.rate_models import hop_contents
from physlearn.inference.event_rates.rate_posterior import RateSample
from physlearn.results import Fit, fit_from_draws

__all__ = ["hop_fit", "law_draws"]

Floats = NDArray[np.float64]
UNRESOLVED = 2.0
"""Loss of log likelihood below which rates many times larger cannot be excluded."""
MANY_TIMES = 30.0
OFF_SITE = 0.01


def law_draws(
    law: RateLaw, draws: Floats, labels: Sequence[str], bonds: Floats, time_unit: str
) -> tuple[dict[str, Floats], dict[str, list[str]], dict[str, list[Any]], dict[str, str]]:
    """Return variables, dims, coords and units of draws of a law's parameters."""
    per = f"1/{time_unit}"
    thermal = law.thermal_rates(draws)
    several = law.n_levels > 1
    out = {"hop_rate": thermal if several else thermal[:, 0]}
    dims = {"hop_rate": ["temperature", "hop"] if several else ["hop"]}
    coords: dict[str, list[Any]] = {"hop": list(labels)}
    units = {"hop_rate": per, "total_rate": per}
    total = thermal @ bonds
    out["total_rate"] = total if several else total[:, 0]
    if several:
        coords["temperature"] = [float(t) for t in np.unique(law.temperature)]
        dims["total_rate"] = ["temperature"]
    if law.arrhenius:
        c = law.n_classes
        log_rate, barrier = draws[:, :c], draws[:, c : 2 * c]
        out["barrier_ev"] = barrier
        out["log10_attempt_frequency"] = (log_rate + barrier * law.middle) / np.log(10.0)
        dims |= {"barrier_ev": ["hop"], "log10_attempt_frequency": ["hop"]}
        units |= {"barrier_ev": "eV", "log10_attempt_frequency": f"log10({per})"}
    if law.beam:
        out["beam_cross_section"] = law.cross_sections(draws)
        dims["beam_cross_section"] = ["hop"]
        units["beam_cross_section"] = "A^2"
    if law.count_from:
        out["neighbour_effect"] = law.neighbour_effects(draws)
        dims["neighbour_effect"] = ["site"]
        coords["site"] = ["from", "to"][: out["neighbour_effect"].shape[1]]
    return out, dims, coords, units


def hop_fit(
    model: HopModel, sample: RateSample, groups: Sequence[Pairs], notes: list[str],
    seed: int, by: str, tests: dict[str, float], conditions: dict[str, float],
) -> Fit:  # fmt: skip
    """Return the fit with its diagnostics and sentences."""
    law, network = model.law, model.network
    unit, time_unit = groups[0].unit, groups[0].time_unit
    out, dims, coords, units = law_draws(
        law, sample.draws, network.labels, network.n_bonds, time_unit
    )
    if not law.count_from:
        square = network.n_bonds * np.sum(network.vectors**2, axis=1)
        spread = 0.5 * law.thermal_rates(sample.draws) @ square / network.n_dimensions
        out["diffusion"] = spread if law.n_levels > 1 else spread[:, 0]
        units["diffusion"] = f"{unit}^2/{time_unit}"
        if law.n_levels > 1:
            dims["diffusion"] = ["temperature"]
    said, texts, verdicts = _checks(model, sample, groups)
    said |= tests
    said["separated"] = not is_sum(law.beam, law.dose_rate)
    arrays, kind = hop_contents(model.problems, law)
    return fit_from_draws(
        out,
        model=f"hops along bonds by {by}: rate = "
        + ("attempt frequency exp(-barrier / kT)" if law.arrhenius else "thermal rate")
        + (" + cross section x dose rate" if law.beam else "")
        + (", times exp(neighbour_effect . occupied neighbours)" if law.count_from else ""),
        likelihood="Markov chain over sites between sightings (uniformisation)",
        approximation=sample.approximation,
        seed=seed,
        data=plain_data(groups),
        units=units,
        dims=dims,
        coords=coords,
        diagnostics=sample.diagnostics | said,
        warnings=[*notes, *sample.warnings, *texts],
        verdicts=verdicts,
        attrs={"subject": "hop rates", "n_bonds": json.dumps(network.n_bonds.tolist())}
        | kind
        | {"conditions": json.dumps(conditions)},
        constants=arrays,
        prior_sd=_prior_sds(law),
    )


def _prior_sds(law: RateLaw) -> dict[str, float]:
    out: dict[str, float] = {}
    if law.arrhenius:
        out["barrier_ev"] = 2.0
    if law.count_from:
        out["neighbour_effect"] = 2.0
    return out


def _checks(
    model: HopModel, sample: RateSample, groups: Sequence[Pairs]
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Return diagnostics, warnings and verdicts of a fit."""
    moved, watched = moved_steps(model, groups)
    steps = float(sum(p.count.sum() for p in groups))
    rates = model.law.row_rates(sample.mode, model.problems.rows)
    said: dict[str, Any] = {
        "steps": steps, "moved_steps": float(moved.sum()), "watched_time": float(watched.sum()),
        "unexplained_steps": model.problems.n_unreached, "radius": model.problems.radius,
        "log_evidence": sample.log_evidence,
    }  # fmt: skip
    texts: list[str] = []
    verdicts: dict[str, str] = {}
    here = model.problems.log_likelihood(rates)
    there = model.problems.log_likelihood(MANY_TIMES * rates)
    said["loss_at_faster_rates"] = here - there
    if here - there < UNRESOLVED and moved.sum() > 0:
        verdicts["hop_rate"] = verdicts["total_rate"] = "lower bound only"
        texts.append(
            f"rates {MANY_TIMES:.0f} times larger explain the frames as well: hops are faster than "
            "the frames and only a lower bound of the rate is known; take frames faster."
        )
    if moved.sum() == 0:
        verdicts["hop_rate"] = verdicts["total_rate"] = "upper bound only"
        texts.append("nothing hopped: the rates are upper bounds.")
    if model.problems.n_unreached:
        share = model.problems.n_unreached / steps
        texts.append(
            f"{model.problems.n_unreached:.0f} of {steps:.0f} steps ({share:.2%}) are explained "
            "by no chain of hops (off the lattice, too far) and left out: look for wrong links."
        )
    return said, texts, verdicts
