"""A continuous node as a function of its parents plus a part of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physlearn.causal.counterfactual_models.model_data import ModelData
from physlearn.causal.counterfactual_models.node_terms import (
    FORMS,
    Basis,
    make_basis,
    noisy_design,
)
from physlearn.causal.mechanisms import Mechanism, mechanism_slopes, resampled_grams, slope_draws
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import MIN_RELIABILITY, SpatialScore
from physlearn.checks import NotIdentified

NOISE_FOR_SPLINES = 0.02
"""Above this share of noise in a parent a spline would be flattened: monomials are corrected."""
GAIN_SIGMA = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class AdditiveMechanism:
    """node = f(parents) + its own part, with the draws of f.

    Attributes
    ----------
    node, parents
        Columns.
    basis
        Terms of f.
    coefficients
        One a term, in the node's unit, shape (k,).
    draws
        The same from resampled blocks, shape (n_draws, k).
    reason
        Why this form.
    """

    node: str
    parents: tuple[str, ...]
    basis: Basis
    coefficients: Floats
    draws: Floats
    reason: str

    @property
    def form(self) -> str:
        """Name of the form."""
        return self.basis.form

    def influence(self, data: ModelData, state: dict[str, Floats], draw: Floats | None) -> Floats:
        """Return f at a state, in the node's unit.

        Coefficients (k,) or, in `draw`, (n_draws, k) for states (n_draws or 1, n).
        """
        terms = self.basis.evaluate(data.design(self.parents, state))
        if draw is None:
            return np.asarray(terms @ self.coefficients)
        return np.asarray((terms @ draw[:, :, None])[..., 0])


def fit_additive(
    data: ModelData, node: str, parents: tuple[str, ...], form: str
) -> AdditiveMechanism:
    """Fit one mechanism; `form` one of `FORMS` or "auto", chosen by blocks left out.

    Raises
    ------
    NotIdentified
        Where the parents determine one another, or drown in their noise.
    """
    chosen, reason = (form, "as asked for") if form != "auto" else _choose_form(data, node, parents)
    state = dict(data.raw)
    columns = data.design((*parents, node), state)
    groups = data.groups(parents)
    noise = data.design_noise((*parents, node))
    for candidate in dict.fromkeys((chosen, "linear")):
        basis = make_basis(candidate, columns[:, :-1], groups)
        values, extra = noisy_design(basis, columns, noise, data.trend)
        spatial = SpatialScore(values, data.columns.layout, extra, n_trend=data.trend.shape[1])
        if candidate == "linear":
            _require_linear(spatial, parents, basis.n_terms)
        elif not _fits(spatial, basis.n_terms):
            reason = f"linear, as the noise leaves no {candidate} form"
            continue
        break
    mechanism = Mechanism(basis.n_terms, tuple(range(basis.n_terms)))
    grams = resampled_grams(spatial, data.blocks, data.weights)
    scale = float(data.columns.scale[data.columns.index(node)])
    return AdditiveMechanism(
        node,
        parents,
        basis,
        mechanism_slopes(spatial.gram, spatial.noise, mechanism) * scale,
        slope_draws(spatial, mechanism, grams, together=basis.form != "linear") * scale,
        reason,
    )


def _require_linear(spatial: SpatialScore, parents: tuple[str, ...], n_terms: int) -> None:
    terms = tuple(range(n_terms))
    if spatial.determined(terms):
        both = ", ".join(parents)
        raise NotIdentified(f"{both} determine one another: their influences cannot be told.")
    if spatial.reliability(terms) < MIN_RELIABILITY:
        raise NotIdentified(
            "the causes vary too little above their measurement noise to fit a mechanism; "
            "repeat the scan to lower the noise."
        )


def _fits(spatial: SpatialScore, n_terms: int) -> bool:
    terms = tuple(range(n_terms))
    if n_terms > spatial.n // 10 or spatial.determined(terms):
        return False
    return spatial.reliability(terms) >= MIN_RELIABILITY


def _choose_form(data: ModelData, node: str, parents: tuple[str, ...]) -> tuple[str, str]:
    """Return the form whose predictions of blocks left out are firmly better than simpler ones."""
    columns = data.design((*parents, node), data.raw)
    groups = data.groups(parents)
    noise = data.design_noise(parents).mean(axis=0)
    noisy = bool(len(noise)) and float(np.diag(noise).max()) > NOISE_FOR_SPLINES
    if all(group >= 0 for group in groups) and len(parents) == 1:
        return "linear", "one number a level"
    chosen, errors = "linear", _errors_left_out(data, columns, "linear", groups)
    for form in FORMS[1:]:
        if (noisy and form == "spline") or errors is None:
            continue
        other = _errors_left_out(data, columns, form, groups)
        if other is None:
            continue
        gain = errors - other
        spread = float(gain.std(ddof=1)) * math.sqrt(len(gain))
        if float(gain.sum()) > GAIN_SIGMA * spread > 0:
            chosen, errors = form, other
    note = "; splines were not tried, noise would flatten them" if noisy else ""
    return chosen, f"best at predicting spatial blocks left out{note}"


def _errors_left_out(
    data: ModelData, columns: Floats, form: str, groups: list[int]
) -> Floats | None:
    """Return the squared error of each block, predicted from the others; None if none can be."""
    basis = make_basis(form, columns[:, :-1], groups)
    values = np.column_stack([basis.evaluate(columns[:, :-1]), columns[:, -1]])
    values = values - data.trend @ (data.trend.T @ values)
    k = basis.n_terms
    if k > len(values) // 10:
        return None
    grams = np.stack(
        [
            values[data.blocks == b].T @ values[data.blocks == b]
            for b in range(int(data.blocks.max()) + 1)
        ]
    )
    rest = grams.sum(axis=0) - grams
    # the ridge is for rounding alone: terms have unit size
    inner = rest[:, :k, :k] + 1e-9 * len(values) * np.eye(k)
    slopes = np.linalg.solve(inner, rest[:, :k, k, None])
    weights = np.concatenate([-slopes[:, :, 0], np.ones((len(grams), 1))], axis=1)
    return np.asarray(np.einsum("bi,bij,bj->b", weights, grams, weights))
