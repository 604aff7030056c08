"""The models of hops and of changes under the beam as PyMC models, for NUTS and for extension."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.event_rates.beam_model import FASTEST, BeamModel
from physlearn.inference.event_rates.beam_table import BeamCounts
from physlearn.inference.event_rates.rate_laws import BARRIER_PRIOR, NEIGHBOUR_SD, RateLaw
from physlearn.inference.event_rates.rate_laws import FASTEST as FASTEST_HOPS
from physlearn.inference.event_rates.walk_problems import WalkProblems
from physlearn.results import Fit

if TYPE_CHECKING:
    import pymc

__all__ = ["beam_contents", "event_rate_model", "hop_contents"]

Floats = NDArray[np.float64]
Contents = tuple[dict[str, NDArray[Any]], dict[str, str]]


def event_rate_model(fit: Fit) -> pymc.Model:
    """Return the PyMC model of a fit of hop rates or of beam rates, with the same priors.

    Parameters
    ----------
    fit
        From `fit_hop_rates` of trajectories, or from `fit_beam_rates` (without a threshold).

    Raises
    ------
    InputError
        For another fit.

    Notes
    -----
    Its variables have the names of the fit's. Draw with ``pymc.sample(nuts_sampler="nutpie")``
    where nutpie is installed.

    Examples
    --------
    >>> from physlearn.inference import fit_beam_rates
    >>> fit = fit_beam_rates([4, 40], n_sites=1000, duration_s=10.0, dose_rate=[0, 50], rng=1)
    >>> [variable.name for variable in event_rate_model(fit).free_RVs]
    ['thermal_rate', 'cross_section']
    """
    kind = str(fit.attrs.get("rate_model", "")) if isinstance(fit, Fit) else ""
    if kind == "hops":
        return _hop_model(fit)
    if kind == "beam":
        return _beam_model(fit)
    raise InputError(
        "fit must come from fit_hop_rates of trajectories or from fit_beam_rates without a "
        "threshold, with thermal and beam-driven parts separated."
    )


def hop_contents(problems: WalkProblems, law: RateLaw) -> Contents:
    """Return the arrays and texts that make the model of a fit of hops again."""
    arrays = {f"walk_{f.name}": np.asarray(getattr(problems, f.name)) for f in fields(WalkProblems)}
    arrays |= {f"law_{name}": getattr(law, name) for name in ("temperature", "level", "dose_rate")}
    plain = {
        name: getattr(law, name)
        for name in (
            "n_classes", "arrhenius", "beam", "count_from", "count_to", "shortest", "attempt_prior"
        )
    }  # fmt: skip
    return arrays, {"rate_model": "hops", "law": json.dumps(plain)}


def beam_contents(model: BeamModel) -> Contents:
    """Return the arrays and texts that make the model of a fit under the beam again."""
    arrays = {
        f"beam_{f.name}": np.asarray(getattr(model.counts, f.name))
        for f in fields(BeamCounts) if f.name != "once"
    }  # fmt: skip
    plain = {
        "once": model.counts.once, "beam": model.beam, "arrhenius": model.arrhenius,
        "attempt_prior": model.attempt_prior,
    }  # fmt: skip
    return arrays, {"rate_model": "beam", "law": json.dumps(plain)}


def _stored(fit: Fit, prefix: str) -> dict[str, NDArray[Any]]:
    group = fit.idata["constant_data"]
    return {
        str(name)[len(prefix) :]: group[name].to_numpy()
        for name in group.data_vars if str(name).startswith(prefix)
    }  # fmt: skip


def _hop_model(fit: Fit) -> pymc.Model:
    pm: Any = import_module("pymc")
    pt: Any = import_module("pytensor.tensor")
    stored: dict[str, Any] = dict(_stored(fit, "walk_"))
    for name in ("n_unreached", "radius"):
        stored[name] = stored[name].item()
    problems = WalkProblems(**stored)
    known: dict[str, Any] = dict(_stored(fit, "law_"))
    plain = json.loads(fit.attrs["law"])
    prior = plain.pop("attempt_prior")
    law = RateLaw(**known, **plain, attempt_prior=tuple(prior) if prior else None)
    rim = law.shortest / FASTEST_HOPS
    c = law.n_classes
    with pm.Model() as model:
        parts = []
        if law.arrhenius:
            log_rate = pm.Flat("log_rate", shape=c, initval=np.full(c, np.log(1.0 / law.shortest)))
            pm.Potential("rate_prior", pt.sum(0.5 * log_rate - rim * pt.exp(log_rate)))
            barrier = pm.Normal("barrier_ev", *BARRIER_PRIOR, shape=c)
            if law.attempt_prior is not None:
                mean, sd = law.attempt_prior
                off = (log_rate + barrier * law.middle - mean) / sd
                pm.Potential("attempt_prior", -0.5 * pt.sum(off**2))
            parts += [log_rate, barrier]
        else:
            shape = (law.n_levels, c) if law.n_levels > 1 else (c,)
            start = np.full(shape, np.mean(fit["hop_rate"]))
            rate = pm.Gamma("hop_rate", alpha=0.5, beta=rim, shape=shape, initval=start)
            parts.append(pt.sqrt(rate).flatten())
        if law.beam:
            edge = rim * float(law.dose_rate.max())
            start = np.mean(fit["beam_cross_section"], axis=0)
            area = pm.Gamma("beam_cross_section", alpha=0.5, beta=edge, shape=c, initval=start)
            parts.append(pt.sqrt(area))
        if law.count_from:
            n = int(law.count_from) + int(law.count_to)
            parts.append(pm.Normal("neighbour_effect", 0.0, NEIGHBOUR_SD, shape=n))
        x = pt.concatenate(parts)
        pm.Potential("steps", _log_likelihood_op(problems, law)(x))
    return model


def _log_likelihood_op(problems: WalkProblems, law: RateLaw) -> Any:
    """Return an operation of PyTensor: parameters to log likelihood, with its gradient."""
    pt: Any = import_module("pytensor.tensor")
    op: Any = import_module("pytensor.graph.op").Op

    def parts(x: Floats) -> tuple[float, Floats]:
        chance, slope, _ = problems.chances(
            law.row_rates(x, problems.rows), law.row_slopes(x, problems.rows)
        )
        safe = np.maximum(chance, 1e-300)
        value = float(problems.query_count @ np.log(safe))
        return value, np.asarray((problems.query_count / safe) @ slope)

    class Slope(op):  # type: ignore[misc]
        itypes = (pt.dvector,)
        otypes = (pt.dvector,)

        def perform(self, _node: Any, inputs: Any, outputs: Any) -> None:
            outputs[0][0] = parts(inputs[0])[1]

    class LogLikelihood(op):  # type: ignore[misc]
        itypes = (pt.dvector,)
        otypes = (pt.dscalar,)

        def perform(self, _node: Any, inputs: Any, outputs: Any) -> None:
            outputs[0][0] = np.asarray(parts(inputs[0])[0])

        def grad(self, inputs: Any, gradients: Any) -> Any:
            return [gradients[0] * Slope()(inputs[0])]

    return LogLikelihood()


def _beam_model(fit: Fit) -> pymc.Model:
    pm: Any = import_module("pymc")
    pt: Any = import_module("pytensor.tensor")
    plain = json.loads(fit.attrs["law"])
    counts = BeamCounts(**_stored(fit, "beam_"), once=plain["once"])
    prior = plain["attempt_prior"]
    law = BeamModel(
        counts, beam=plain["beam"], arrhenius=plain["arrhenius"],
        attempt_prior=tuple(prior) if prior else None,
    )  # fmt: skip
    rim = float(counts.duration.min()) / FASTEST
    shape_of = {"thermal_rate": len(counts.temperatures), "cross_section": len(counts.voltages)}
    start = {name: np.mean(fit[name], axis=0) for name in shape_of if name in fit.variables}
    with pm.Model() as model:
        if law.arrhenius:
            log_rate = pm.Flat("log_rate", initval=float(np.log(np.mean(start["thermal_rate"]))))
            pm.Potential("rate_prior", 0.5 * log_rate - rim * pt.exp(log_rate))
            barrier = pm.Normal("barrier_ev", *BARRIER_PRIOR)
            if law.attempt_prior is not None:
                mean, sd = law.attempt_prior
                off = (log_rate + barrier * law.middle - mean) / sd
                pm.Potential("attempt_prior", -0.5 * off**2)
            away = law.inverse_temperature - law.middle
            thermal = pm.Deterministic("thermal_rate", pt.exp(log_rate - barrier * away))
        else:
            thermal = _rates(pm, "thermal_rate", rim, start["thermal_rate"])
        mean = (thermal[counts.level] if thermal.ndim else thermal) * counts.duration
        if law.beam:
            edge = float(counts.dose[counts.dose > 0].min()) / FASTEST
            area = _rates(pm, "cross_section", edge, start["cross_section"])
            mean = mean + (area[counts.volt] if area.ndim else area) * counts.dose
            shares, dose_rate = law.beam_shares
            lit = np.flatnonzero(dose_rate > 0)
            ratio = pt.dot(shares[lit], pt.atleast_1d(thermal)) / dose_rate[lit]
            lit_area = pt.atleast_1d(area)[lit]
            log_share = 0.5 * (pt.log(lit_area) - pt.log(lit_area + ratio))
            pm.Potential(
                "given_thermal", pt.sum(log_share - pt.log(pt.erfcx(pt.sqrt(edge * ratio))))
            )
        if counts.once:
            pm.Binomial("events", n=counts.n_sites.astype(int), p=-pt.expm1(-mean),
                        observed=counts.events.astype(int))  # fmt: skip
        else:
            pm.Poisson("events", counts.n_sites * mean, observed=counts.events.astype(int))
    return model


def _rates(pm: Any, name: str, rim: float, start: Any) -> Any:
    """Return rates with the reference prior, one number or several."""
    if np.ndim(start) == 0:
        return pm.Gamma(name, alpha=0.5, beta=rim, initval=float(start))
    return pm.Gamma(name, alpha=0.5, beta=rim, shape=len(start), initval=start)
