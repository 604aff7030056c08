"""How mobility x term changes when a film's values are multiplied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fields.user_terms import FieldTerm

__all__ = ["POWERS", "film_scale", "term_factors"]

Floats = NDArray[np.float64]
POWERS = {"bias": -1, "alpha": 0, "cubic": 1, "beta": 2, "gamma": 4}


def film_scale(values: Floats, terms: Sequence[str | FieldTerm]) -> float:
    """Return the power of two nearest to the values' size; 1 where users' functions see P.

    Examples
    --------
    >>> film_scale(np.array([-300.0, 300.0]), ("alpha", "beta"))
    256.0
    """
    spread = float(np.sqrt(np.mean(np.square(values))))
    if not spread > 0 or any(isinstance(term, FieldTerm) for term in terms):
        return 1.0
    return float(2.0 ** np.round(np.log2(spread)))


def term_factors(terms: Sequence[str | FieldTerm], scale: float) -> Floats:
    """Return each term of a film over that of the film divided by ``scale``.

    Examples
    --------
    >>> term_factors(("alpha", "beta", "gradient", "field"), 2.0).tolist()
    [1.0, 0.25, 1.0, 2.0]
    """
    powers = [
        1.0 if term == "field" else -float(POWERS.get(term, 0)) if isinstance(term, str) else 0.0
        for term in terms
    ]
    return np.asarray(scale ** np.array(powers))
