"""Terms of a mechanism: monomials and splines of the parents, freed of known measurement noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from physlearn.causal.spatial_layout import Floats

FORMS = ("linear", "quadratic", "cubic", "spline")
KNOT_QUANTILES = {
    0: (0.05, 0.275, 0.5, 0.725, 0.95),
    500: (0.025, 0.1833, 0.3417, 0.5, 0.6583, 0.8167, 0.975),
}
"""Of a spline, by the least number of patches."""
MOST_PRODUCTS = 6
"""With more parents than this products of two parents are left out."""

Exponents = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Basis:
    """Functions of standardised parents, a line each.

    Attributes
    ----------
    form
        "linear", "quadratic", "cubic" or "spline".
    monomials
        Exponents of the parents, one tuple a term; of a spline its linear terms.
    knots
        Of a spline, one tuple a parent (empty for a parent that enters as a line).

    Examples
    --------
    >>> basis = Basis("quadratic", ((1,), (2,)), ((),))
    >>> basis.evaluate(np.array([[3.0]])).tolist()
    [[3.0, 9.0]]
    """

    form: str
    monomials: tuple[Exponents, ...]
    knots: tuple[tuple[float, ...], ...] = ()

    @property
    def n_terms(self) -> int:
        """Number of functions."""
        return len(self.monomials) + sum(max(len(of) - 2, 0) for of in self.knots)

    def evaluate(self, parents: Floats) -> Floats:
        """Return the functions (..., n_terms) at parents (..., n_parents)."""
        columns = [_monomial(parents, exponents) for exponents in self.monomials]
        for k, knots in enumerate(self.knots):
            if knots:
                columns += _natural_spline(parents[..., k], knots)
        return np.stack(columns, axis=-1)


def make_basis(form: str, parents: Floats, groups: Sequence[int]) -> Basis:
    """Return the functions of a form.

    Parameters
    ----------
    form
        One of `FORMS`.
    parents
        Standardised parents (n, q); the knots of a spline are their quantiles.
    groups
        For each parent -1, or the number of the categorical column whose indicator it is:
        indicators have no powers and no products within one column.
    """
    q = len(groups)
    terms = [_unit(q, k) for k in range(q)]
    free = [k for k in range(q) if groups[k] < 0]
    if form in ("quadratic", "cubic"):
        terms += [
            _unit(q, k, power) for k in free for power in ((2,) if form[0] == "q" else (2, 3))
        ]
        if q <= MOST_PRODUCTS:
            for i, j in combinations(range(q), 2):
                if groups[i] < 0 or groups[i] != groups[j]:
                    terms.append(tuple(int(k in (i, j)) for k in range(q)))
    knots: tuple[tuple[float, ...], ...] = ((),) * q
    if form == "spline":
        quantiles = KNOT_QUANTILES[max(least for least in KNOT_QUANTILES if least <= len(parents))]
        knots = tuple(
            tuple(np.quantile(parents[:, k], quantiles).tolist()) if k in free else ()
            for k in range(q)
        )
    return Basis(form, tuple(terms), knots)


def _unit(q: int, place: int, power: int = 1) -> Exponents:
    return tuple(power if k == place else 0 for k in range(q))


def _monomial(values: Floats, exponents: Exponents) -> Floats:
    result = np.ones(values.shape[:-1])
    for k, power in enumerate(exponents):
        for _ in range(power):
            result = result * values[..., k]
    return result


def _natural_spline(values: Floats, knots: Sequence[float]) -> list[Floats]:
    """Return the curved functions of a natural cubic spline (Harrell, 2001, section 2.4.5)."""
    last, before = knots[-1], knots[-2]
    size = (last - knots[0]) ** 2

    def cube(knot: float) -> Floats:
        return np.asarray(np.maximum(values - knot, 0.0) ** 3)

    top, second = cube(last), cube(before)
    return [
        (cube(t) - second * (last - t) / (last - before) + top * (before - t) / (last - before))
        / size
        for t in knots[:-2]
    ]


class NoiseFreeMonomials:
    """Monomials of noisy columns whose expected value is that of the noise-free columns.

    With Gaussian noise of known covariance S the polynomial ``H_a`` with
    ``H_(a + e_i) = x_i H_a - sum_j S_ij a_j H_(a - e_j)`` has the mean of the noise-free monomial
    (Stefanski, Stat. Probab. Lett. 8, 229 (1989), doi:10.1016/0167-7152(89)90130-7).

    Parameters
    ----------
    values
        Noisy columns, shape (n, q).
    covariance
        Of their noise, shape (n or 1, q, q).

    Examples
    --------
    >>> noisy = NoiseFreeMonomials(np.array([[2.0]]), np.array([[[0.5]]]))
    >>> noisy((2,)).tolist()
    [3.5]
    """

    def __init__(self, values: Floats, covariance: Floats) -> None:
        self.values = values
        self.covariance = covariance
        self._known: dict[Exponents, Floats] = {(0,) * values.shape[1]: np.ones(len(values))}

    def __call__(self, exponents: Exponents) -> Floats:
        """Return the polynomial (n,) of one tuple of exponents."""
        if exponents not in self._known:
            i = next(k for k, power in enumerate(exponents) if power)
            lower = _less(exponents, i)
            result = self.values[:, i] * self(lower)
            for j, power in enumerate(lower):
                if power and self.covariance[:, i, j].any():
                    result = result - self.covariance[:, i, j] * power * self(_less(lower, j))
            self._known[exponents] = result
        return self._known[exponents]


def _less(exponents: Exponents, place: int) -> Exponents:
    return tuple(power - (k == place) for k, power in enumerate(exponents))


def noisy_design(
    basis: Basis, columns: Floats, covariance: Floats, trend: Floats
) -> tuple[Floats, Floats]:
    """Return terms and outcome free of the trend, and what noise adds to their second moments.

    Parameters
    ----------
    basis
        Of the parents.
    columns
        Standardised parents and, last, the node (n, q + 1).
    covariance
        Of their measurement errors (n or 1, q + 1, q + 1), standardised.
    trend
        Orthonormal location terms (n, t).

    Returns
    -------
    tuple
        Values (n, k + 1), and the part of their mean products that is noise (k + 1, k + 1).
    """
    n, width = columns.shape
    q = width - 1
    if basis.form == "spline" or not covariance.any():
        terms = np.column_stack([basis.evaluate(columns[:, :q]), columns[:, q]])
        noise = np.zeros((terms.shape[1], terms.shape[1]))
    else:
        free = NoiseFreeMonomials(columns, covariance)
        powers = [(*exponents, 0) for exponents in basis.monomials] + [_unit(width, q)]
        terms = np.column_stack([free(power) for power in powers])
        # a patch's own share of what the trend leaves of it
        left = (1.0 - (trend**2).sum(axis=1)) / max(n - trend.shape[1], 1)
        noise = np.empty((len(powers), len(powers)))
        for a, first in enumerate(powers):
            for b, second in enumerate(powers[: a + 1]):
                both = tuple(i + j for i, j in zip(first, second, strict=True))
                noise[a, b] = noise[b, a] = left @ (terms[:, a] * terms[:, b] - free(both))
    return terms - trend @ (trend.T @ terms), noise
