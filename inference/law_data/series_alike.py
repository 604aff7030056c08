"""Whether a constant that series share is one number: each series' own pull against the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.inference.law_data.likelihood_fit import Optimum
from physlearn.inference.law_data.noise_models import NoiseModel, Observations

if TYPE_CHECKING:
    from physlearn.inference.law_data.grouped_laws import Grouped

__all__ = ["apart_notes"]

Floats = NDArray[np.float64]
SMALLEST_P = 0.001
KINDS = ("additive", "multiplicative")


def apart_notes(
    grouped: Grouped, found: Optimum, data: Observations, noise: NoiseModel
) -> list[str]:
    """Return a sentence for every shared constant that differs between series beyond the noise.

    One linear step from the common fit: an F test of the residuals against a constant of each
    series' own, all other constants free. Normal noise of one size (or in proportion to the law).
    """
    if noise.kind not in KINDS or noise.x_sd or data.censored.any():
        return []
    values, slopes = grouped.model(found.constants, data.columns)
    _, by_name = grouped.form.model_of_rows(
        found.constants[grouped.places[grouped.member].T], data.columns
    )
    weight = np.ones(data.y.size) if noise.sd is None else 1.0 / np.broadcast_to(
        np.asarray(noise.sd, dtype=np.float64), data.y.shape
    )  # fmt: skip
    if noise.kind == "multiplicative":
        weight = weight / np.abs(values)
    left = (data.y - values) * weight
    free = slopes[(np.abs(slopes) > 0).any(axis=1)] * weight
    if not (np.isfinite(left).all() and np.isfinite(free).all()):
        return []
    base, _ = np.linalg.qr(free.T)
    left = left - base @ (base.T @ left)
    shared = np.flatnonzero((grouped.places == grouped.places[0]).all(axis=0))
    notes = []
    for column in shared:
        own = np.zeros((len(grouped.labels), data.y.size))
        own[grouped.member, np.arange(data.y.size)] = by_name[column] * weight
        added = own.T - base @ (base.T @ own.T)
        u, sizes, _ = np.linalg.svd(added, full_matrices=False)
        more = u[:, sizes > 1e-6 * max(float(np.abs(own).max()) * np.sqrt(data.y.size), 1e-300)]
        rest = data.y.size - base.shape[1] - more.shape[1]
        if not more.shape[1] or rest < 1:
            continue
        gain = float(((more.T @ left) ** 2).sum())
        lost = max(float(left @ left) - gain, 1e-300)
        p = float(stats.f.sf(gain / more.shape[1] / (lost / rest), more.shape[1], rest))
        if p * len(shared) < SMALLEST_P:
            notes.append(
                f"{grouped.form.names[column]} is not the same in all series (p = {p:.2g}): its "
                "interval is too narrow for any of them; name it in own=, or find what changes it."
            )
    return notes
