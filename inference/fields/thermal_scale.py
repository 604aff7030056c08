"""From mobility x coefficients to the mobility itself, where an energy scale is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified

__all__ = ["coefficients_from_ratios", "mobility_draws"]

Floats = NDArray[np.float64]
LEAST_CLEAR = 3.0  # posterior sd that a product must lie from zero to be divided by


def _scale(
    energy_scale: Mapping[str, tuple[float, float]], terms: Sequence[str]
) -> tuple[str, float, float]:
    """Return the term whose energy coefficient is known, its value and sd."""
    if not isinstance(energy_scale, Mapping) or len(energy_scale) != 1:
        raise InputError(
            "energy_scale must name one term and give its coefficient's value and sd in energy "
            f"units, e.g. {{'alpha': (-2.0, 0.1)}}; got {energy_scale!r}."
        )
    (name, pair), = energy_scale.items()  # fmt: skip
    if name not in terms:
        raise InputError(
            f"energy_scale must name one of the fit's terms ({', '.join(terms)}); got {name!r}."
        )
    numbers = np.asarray(pair, dtype=float)
    if numbers.shape != (2,) or not np.isfinite(numbers).all() or numbers[1] < 0 or not numbers[0]:
        raise InputError(
            f"energy_scale[{name!r}] must be (value, sd), the value not zero; got {pair!r}."
        )
    if abs(numbers[0]) < LEAST_CLEAR * numbers[1]:
        raise InputError(
            f"energy_scale[{name!r}] must be known to a third of its value; got {pair!r}."
        )
    return name, float(numbers[0]), float(numbers[1])


def mobility_draws(
    products: Floats,
    terms: Sequence[str],
    energy_scale: Mapping[str, tuple[float, float]],
    generator: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return draws of the mobility (n_draws,) and of the energy coefficients (n_draws, n_terms).

    ``products``: draws of mobility x coefficient, the posterior's ``landau``. One coefficient known
    from elsewhere, with its sd, gives the mobility; the mobility gives all others.

    Raises
    ------
    InputError
        For a scale that names no term, or is no (value, sd).
    NotIdentified
        Where the product of that term is not clearly different from zero, or of the other sign.

    Examples
    --------
    >>> products = np.array([[-0.4, 0.4], [-0.42, 0.41]])
    >>> rng = np.random.default_rng(1)
    >>> mobility, known = mobility_draws(products, ("alpha", "beta"), {"alpha": (-2.0, 0.0)}, rng)
    >>> mobility.round(3).tolist(), known[:, 0].round(3).tolist()
    ([0.2, 0.21], [-2.0, -2.0])
    """
    name, value, sd = _scale(energy_scale, terms)
    product = products[:, list(terms).index(name)]
    centre, spread = float(product.mean()), float(product.std())
    if abs(centre) < LEAST_CLEAR * spread or np.sign(centre) != np.sign(value):
        raise NotIdentified(
            f"energy_scale gives {name} = {value:.4g}, but the film's mobility x {name} is "
            f"{centre:.4g} +- {spread:.2g}: no positive mobility follows; scale by another term."
        )
    mobility = product / generator.normal(value, sd, len(product))
    return mobility, products / mobility[:, None]


def coefficients_from_ratios(
    ratios: Floats,
    energy_scale: Mapping[str, tuple[float, float]],
    generator: np.random.Generator,
) -> Floats:
    """Return draws of (alpha, beta, gradient) from the ratios of a still picture and one of them.

    ``ratios``: (n_draws, 3): -alpha/beta, -gradient/alpha, gradient/beta.
    """
    unscaled = np.column_stack([-np.ones(len(ratios)), 1 / ratios[:, 0], ratios[:, 1]])
    terms = ("alpha", "beta", "gradient")
    name, value, sd = _scale(energy_scale, terms)
    own = unscaled[:, terms.index(name)]
    if np.sign(own[0]) != np.sign(value):
        raise NotIdentified(
            f"energy_scale gives {name} = {value:.4g}: two domains need alpha below 0, beta and "
            "gradient above."
        )
    return unscaled * (generator.normal(value, sd, len(ratios)) / own)[:, None]
