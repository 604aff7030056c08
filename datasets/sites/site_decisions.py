"""From evidence at each site to probabilities, named states, interstitials and shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from physlearn.datasets.sites.amplitude_mixture import (
    AmplitudeMixture,
    amplitude_share_interval,
    fit_amplitudes,
)
from physlearn.datasets.sites.site_frame import SiteFrame
from physlearn.datasets.sites.site_states import SITE_STATES

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "name_states",
    "select_discoveries",
    "share_table",
    "state_probabilities",
]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def state_probabilities(
    evidence: Floats, sublattice: NDArray[np.int64], levels: list[AmplitudeMixture]
) -> Floats:
    """Return the probability of each state, its share in the sublattice fitted to the evidence."""
    result = np.zeros_like(evidence)
    for part in range(len(levels)):
        here = sublattice == part
        logs = evidence[here]
        n = len(logs)
        shares = np.where(np.isfinite(logs).any(axis=0), 1.0, 0.0) if n else np.ones(4)
        shares = shares / shares.sum()
        for _ in range(300):
            with np.errstate(divide="ignore"):
                joint = logs + np.log(shares)
            result[here] = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
            # half a site of each possible state: no share is ever exactly none
            mass = result[here].sum(axis=0) + 0.5 * (shares > 0)
            new = mass / mass.sum()
            if np.abs(new - shares).max() < 1e-7:
                break
            shares = new
    return result


def select_discoveries(p_values: Floats, rate: float) -> Flags:
    """Return which tests Benjamini and Hochberg's procedure selects at a false-discovery rate."""
    order = np.argsort(p_values)
    passed = p_values[order] <= rate * np.arange(1, len(order) + 1) / max(len(order), 1)
    selected = np.zeros(len(order), dtype=np.bool_)
    if passed.any():
        selected[order[: int(np.flatnonzero(passed)[-1]) + 1]] = True
    return selected


def name_states(probability: Floats, too_dim: Floats, rate: float) -> NDArray[np.int64]:
    """Return the state of each site; vacant and half need the false-discovery control."""
    state = probability.argmax(axis=1)
    dim = select_discoveries(too_dim, rate)
    refused = ((state == 1) | (state == 2)) & ~dim
    others = probability.copy()
    others[:, 1:3] = -1.0
    state[refused] = others[refused].argmax(axis=1)
    return np.asarray(state, dtype=np.int64)


def share_table(
    frame: SiteFrame, levels: list[AmplitudeMixture], possible: Flags, state: NDArray[np.int64],
    values: Floats, errors: Floats, relative: Floats,
) -> pd.DataFrame:  # fmt: skip
    """Return share and interval of each state on each sublattice, from all amplitudes together.

    ``relative`` = amplitude over the sublattice's typical one.
    """
    import pandas as pd

    rows = []
    for part in range(len(levels)):
        here = frame.sublattice == part
        if here.sum() < 4:
            continue
        best = fit_amplitudes(values[here], errors[here], possible[part], start=levels[part])
        for code, name in enumerate(SITE_STATES):
            if possible[part, code]:
                low, high = amplitude_share_interval(
                    values[here], errors[here], possible[part], best, code
                )
                rows.append(
                    {
                        "sublattice": part, "state": name, "n_sites": int(here.sum()),
                        "count": int((state[here] == code).sum()),
                        "brighter": int(((state[here] == code) & (relative[here] > 1)).sum()),
                        "share": float(best.shares[code]), "low": low, "high": high,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)
