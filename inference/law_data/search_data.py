"""The points that a law is fitted to, as the search takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SearchData"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SearchData:
    """Columns (n_variables, n), target, weights (1 / variance where that is known), names."""

    x: Floats
    y: Floats
    weight: Floats
    noise_known: bool
    names: tuple[str, ...]

    @property
    def columns(self) -> dict[str, Floats]:
        """Columns by name."""
        return dict(zip(self.names, self.x, strict=True))
