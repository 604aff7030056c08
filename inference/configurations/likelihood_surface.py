"""A polynomial that stands for a log likelihood near its mode, for samplers that need slopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.records.storage import html_table, short_repr

__all__ = ["LikelihoodSurface", "fit_surface"]

Float = NDArray[np.float64]
DEGREES = {1: 8, 2: 6, 3: 5, 4: 4, 5: 4, 6: 3, 7: 3, 8: 3}
"""Of the polynomial, by the number of parameters; 2 where there are more."""
FLOOR = 0.02
"""Share of the even weights that every point keeps."""


@dataclass(frozen=True, eq=False)
class LikelihoodSurface:
    """log L(theta) up to a constant as a polynomial of z = inverse(factor) (theta - center).

    Attributes
    ----------
    center, factor
        Shapes (p,), (p, p): the posterior's mean, and the lower triangle of its covariance.
    powers
        Index tuples of the monomials.
    coefficients
        One of each monomial.
    residual_sd
        Of the fit, over the posterior.
    """

    center: Float
    factor: Float
    powers: tuple[tuple[int, ...], ...]
    coefficients: Float
    residual_sd: float

    __repr__ = short_repr
    _repr_html_ = html_table

    def __call__(self, theta: Float) -> Float:
        """Return log L at theta (m, p)."""
        z: Float = np.asarray(np.linalg.solve(self.factor, (theta - self.center).T), np.float64)
        return np.asarray(_design(z, self.powers) @ self.coefficients)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "center": self.center.tolist(), "factor": self.factor.tolist(),
            "powers": [list(power) for power in self.powers],
            "coefficients": self.coefficients.tolist(), "residual_sd": self.residual_sd,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LikelihoodSurface:
        """Make again what ``to_dict`` returned."""
        return cls(
            np.array(content["center"]), np.array(content["factor"]),
            tuple(tuple(power) for power in content["powers"]),
            np.array(content["coefficients"]), float(content["residual_sd"]),
        )  # fmt: skip


def fit_surface(theta: Float, values: Float, weights: Float) -> LikelihoodSurface:
    """Return the polynomial through log L at points (m, p) with posterior weights."""
    center = weights @ theta
    away = theta - center
    factor: Float = np.asarray(np.linalg.cholesky((away * weights[:, None]).T @ away), np.float64)
    z: Float = np.asarray(np.linalg.solve(factor, away.T), np.float64)
    near = np.sqrt((z**2).sum(axis=0)) < 4.0 + np.sqrt(len(center))
    p = theta.shape[1]
    powers = tuple(
        power for degree in range(DEGREES.get(p, 2) + 1)
        for power in combinations_with_replacement(range(p), degree)
    )  # fmt: skip
    trust = np.sqrt(weights + FLOOR / len(weights))[near]
    design, seen = _design(z[:, near], powers), values[near]
    level = float(seen.max())
    coefficients = np.linalg.lstsq(design * trust[:, None], (seen - level) * trust, rcond=None)[0]
    coefficients[0] += level
    gap = design @ coefficients - seen
    share = weights[near] / weights[near].sum()
    residual = float(np.sqrt(share @ (gap - share @ gap) ** 2))
    return LikelihoodSurface(center, factor, powers, coefficients, residual)


def _design(z: Float, powers: tuple[tuple[int, ...], ...]) -> Float:
    """Return the monomials of z (p, m), shape (m, n_powers)."""
    columns = [np.prod(z[list(power)], axis=0) if power else np.ones(z.shape[1])
               for power in powers]  # fmt: skip
    return np.stack(columns, axis=1)
