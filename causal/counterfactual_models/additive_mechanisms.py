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
from physlearn.causal.mechanisms import (
    Mechanism,
    mechanism_slopes,
    resampled_grams,
    resampled_slopes,
    widening,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import MIN_RELIABILITY, SpatialScore
from physlearn.checks import NotIdentified

ADDED_NOISE = (0.0, 0.5, 1.0, 1.5, 2.0)
N_ADDED = 4
"""Times that noise is added to see how it flattens a spline, for each multiple of its variance."""
GAIN_SIGMA = {"linear": 2.0}
"""Standard errors by which a curve must beat a line; among curves one is enough."""


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
    if candidate == "spline" and noise.any():
        slopes, draws = _without_flattening(data, basis, columns, noise)
    else:
        mechanism = _of_terms(basis)
        slopes = mechanism_slopes(spatial.gram, spatial.noise, mechanism)
        draws = _draws(data, spatial, mechanism, slopes, together=candidate != "linear")
    scale = float(data.columns.scale[data.columns.index(node)])
    return AdditiveMechanism(node, parents, basis, slopes * scale, draws * scale, reason)


def _of_terms(basis: Basis) -> Mechanism:
    return Mechanism(basis.n_terms, tuple(range(basis.n_terms)))


def _draws(
    data: ModelData, spatial: SpatialScore, mechanism: Mechanism, slopes: Floats, *, together: bool
) -> Floats:
    """Return resampled slopes, widened to their spatial error; by one factor if `together`."""
    grams = resampled_grams(spatial, data.blocks, data.weights)
    deviation = resampled_slopes(spatial, mechanism, grams) - slopes
    factors = widening(spatial, mechanism, deviation)
    # the errors of the terms of one curve cancel each other: one factor keeps them so
    return np.asarray(slopes + deviation * (factors.max() if together else factors))


def _without_flattening(
    data: ModelData, basis: Basis, columns: Floats, noise: Floats
) -> tuple[Floats, Floats]:
    """Return coefficients and draws of a spline of noisy parents, extrapolated to no noise.

    Noise is added on purpose, and a parabola through what that does to the coefficients is
    followed back to minus the noise there is (SIMEX: Cook and Stefanski, J. Am. Stat. Assoc. 89,
    1314 (1994), doi:10.1080/01621459.1994.10476871).
    """
    generator = np.random.default_rng(data.seed)
    mechanism = _of_terms(basis)
    size, vectors = np.linalg.eigh(noise)
    root = vectors * np.sqrt(np.maximum(size, 0.0))[:, None, :]
    powers = np.vander(ADDED_NOISE, 3, increasing=True)
    shares = np.array([1.0, -1.0, 1.0]) @ np.linalg.pinv(powers)
    factor = 1.0
    slopes, draws = np.zeros(basis.n_terms), np.zeros((len(data.weights), basis.n_terms))
    for multiple, share in zip(ADDED_NOISE, shares, strict=True):
        times = N_ADDED if multiple else 1
        for _ in range(times):
            normal = generator.standard_normal((len(columns), columns.shape[1], 1))
            noisier = columns + math.sqrt(multiple) * (root @ normal)[:, :, 0]
            values, none = noisy_design(basis, noisier, 0.0 * noise, data.trend)
            spatial = SpatialScore(values, data.columns.layout, none, n_trend=data.trend.shape[1])
            found = mechanism_slopes(spatial.gram, none, mechanism)
            grams = resampled_grams(spatial, data.blocks, data.weights)
            deviation = resampled_slopes(spatial, mechanism, grams) - found
            if not multiple:
                factor = float(widening(spatial, mechanism, deviation).max())
            slopes += share / times * found
            draws += share / times * deviation
    return slopes, np.asarray(slopes + factor * draws)


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
    if all(group >= 0 for group in groups) and len(parents) == 1:
        return "linear", "one number a level"
    chosen, errors = "linear", _errors_left_out(data, columns, "linear", groups)
    for form in FORMS[1:]:
        other = _errors_left_out(data, columns, form, groups)
        if other is None or errors is None:
            continue
        gain = errors - other
        spread = float(gain.std(ddof=1)) * math.sqrt(len(gain))
        if float(gain.sum()) > GAIN_SIGMA.get(chosen, 1.0) * spread > 0:
            chosen, errors = form, other
    return chosen, "best at predicting spatial blocks left out"


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
    order = np.argsort(data.blocks, kind="stable")
    ends = np.cumsum(np.bincount(data.blocks))
    parts = np.split(values[order], ends[:-1])
    grams = np.stack([part.T @ part for part in parts])
    rest = grams.sum(axis=0) - grams
    # the ridge is for rounding alone: terms have unit size
    inner = rest[:, :k, :k] + 1e-9 * len(values) * np.eye(k)
    slopes = np.linalg.solve(inner, rest[:, :k, k, None])
    weights = np.concatenate([-slopes[:, :, 0], np.ones((len(grams), 1))], axis=1)
    return np.asarray(np.einsum("bi,bij,bj->b", weights, grams, weights))
