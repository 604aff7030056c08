"""Exposures as acts to plan with: what a fit of event rates says about each one's chance."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.actions import Action, ActionLibrary
from physlearn.checks import InputError, check_array, check_positive
from physlearn.inference.event_rates.event_chances import event_probability
from physlearn.results import Fit

__all__ = ["actions_from_event_rates"]


def actions_from_event_rates(
    fit: Fit,
    sites: ArrayLike,
    *,
    doses: Sequence[float],
    dose_rate: float,
    voltage_kv: float | None = None,
    temperature_kelvin: float | None = None,
    overhead_s: float = 0.0,
    cost_per_s: float = 1.0 / 60.0,
) -> ActionLibrary:
    """Return exposures of sites, each with the chance that the fit gives it to change its site.

    Parameters
    ----------
    fit
        From `fit_beam_rates` or `fit_hop_rates`, with thermal and beam-driven parts apart.
    sites
        Shape (n, 2): where to expose, in the unit of the envelope's field of view.
    doses
        Doses to choose from, e/A^2.
    dose_rate
        At which they are given, e/A^2/s.
    voltage_kv, temperature_kelvin
        As in `event_probability`.
    overhead_s
        Time an act takes besides its exposure.
    cost_per_s
        Cost of time in the unit of the budget; minutes by default.

    Returns
    -------
    ActionLibrary
        An irreversible ``expose_site`` for each site and dose. ``attempts`` hold, for the label of
        each dose, the successes and failures of the Beta law with the mean and variance of the
        posterior of the chance: `ActionLibrary.success_probability` is its mean, and
        `ActionLibrary.observe` goes on from it.

    Raises
    ------
    InputError
        For sites of another shape, or a fit that cannot say.

    Examples
    --------
    >>> from physlearn.inference import fit_beam_rates
    >>> fit = fit_beam_rates([4, 40], n_sites=1000, duration_s=10.0, dose_rate=[0, 50], rng=1)
    >>> library = actions_from_event_rates(fit, [[1.0, 2.0]], doses=[100, 5000], dose_rate=50.0)
    >>> [round(library.success_probability(action), 1) for action in library]
    [0.0, 0.3]
    """
    units = json.loads(fit.attrs.get("units", "{}")) if isinstance(fit, Fit) else {}
    per = units.get("total_rate", units.get("thermal_rate", "1/s"))
    if per != "1/s":
        raise InputError(
            f"fit must have rates per second, as durations are in seconds; got {per}: "
            "set_scale(tracks, frame_interval_s=...) before the fit."
        )
    places = check_array("sites", sites, shape=(None, 2))
    rate = check_positive("dose_rate", dose_rate)
    check_positive("overhead_s", overhead_s, allow_zero=True)
    check_positive("cost_per_s", cost_per_s)
    given = check_array("doses", np.asarray(doses, np.float64), ndim=1)
    if not np.all(given > 0):
        raise InputError(f"doses must be above 0; got {given.min():g}.")
    actions, attempts = [], {}
    for dose in given.tolist():
        chance = event_probability(
            fit, duration_s=dose / rate, dose=dose, voltage_kv=voltage_kv,
            temperature_kelvin=temperature_kelvin,
        )  # fmt: skip
        label = f"{dose:g} e/A^2"
        attempts[f"expose_site: {label}"] = _as_attempts(chance)
        lasts = dose / rate + overhead_s
        actions += [
            Action("expose_site", {"x": x, "y": y, "label": label}, dose, lasts,
                   lasts * cost_per_s, irreversible=True)
            for x, y in places.tolist()
        ]  # fmt: skip
    return ActionLibrary(actions, attempts)


def _as_attempts(chance: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
    """Return successes and failures, from a flat start, of the Beta law of these moments."""
    mean = float(np.clip(chance.mean(), 1e-12, 1.0 - 1e-12))
    spread = float(chance.var())
    total = mean * (1.0 - mean) / spread - 1.0 if spread > 0 else 1e12
    total = max(total, 1e-6)
    return mean * total - 1.0, (1.0 - mean) * total - 1.0
