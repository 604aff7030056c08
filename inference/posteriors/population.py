"""What a posterior needs of the copies of a lattice model that it sweeps."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Population", "ScoredPopulation"]

Float = NDArray[np.float64]


class Population(Protocol):
    """Independent copies of one lattice model, p(s) ~ exp(natural . T(s)) in each copy.

    Attributes
    ----------
    n_sites, n_replicas
        Number of sites of a copy, and of copies, R.
    n_parameters
        Number of natural parameters, those of the family and then one for each extra statistic.
    dynamics
        ``heat_bath``, ``clusters`` or ``exchange``.
    update_seconds
        About how long it takes to draw one site of one copy.
    """

    n_sites: int
    n_replicas: int
    n_parameters: int
    dynamics: str
    update_seconds: float

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        """Draw every site ``n_sweeps`` times at parameters (d,) or (R, d)."""
        ...

    def statistics(self) -> Float:
        """Return T of every copy, shape (R, d)."""
        ...

    def codes(self) -> NDArray[np.uint8]:
        """Return a copy of the codes, shape (n_sites, R)."""
        ...

    def restart(self, codes: ArrayLike) -> None:
        """Set the codes, shape (n_sites,) for all copies or (n_sites, R)."""
        ...


class ScoredPopulation(Population, Protocol):
    """Copies that know the pseudolikelihood too."""

    def scores(self, natural: ArrayLike, terms: NDArray[np.int64]) -> tuple[Float, Float]:
        """Return gradient (R, d) and curvature (R, d, d) of each copy's log pseudolikelihood.

        Only the sites ``terms`` count; all sites serve as neighbours.
        """
        ...
