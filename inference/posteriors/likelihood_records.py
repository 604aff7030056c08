"""What a Monte Carlo likelihood is made of, and what its sampling gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.posteriors.lattice_population import Population
from physlearn.inference.posteriors.likelihood_mode import PriorShape
from physlearn.inference.posteriors.partition_surface import PartitionSurface
from physlearn.inference.posteriors.replica_chains import Ensemble

__all__ = ["LatticeProblem", "LikelihoodPosterior"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LatticeProblem:
    """A posterior: phi @ linear + sum of power * log Z(design @ phi) + extra(phi) + log prior.

    Attributes
    ----------
    ensembles
        The normalisation constants.
    linear
        float64, shape (d_phi,): the observed statistics, mapped to phi.
    extra
        Further known terms of the log likelihood, (n, d_phi) -> (n,), or None.
    prior
        Of phi.
    names
        Of phi.
    """

    ensembles: tuple[Ensemble, ...]
    linear: Float
    extra: Callable[[Float], Float] | None
    prior: PriorShape
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LikelihoodPosterior:
    """Draws from a ``LatticeProblem`` and what is known about them.

    Attributes
    ----------
    draws
        float64, shape (n_draws, d_phi).
    effective_draws
        The fewer of: how many independent draws the importance weights are worth, and how many
        would move the posterior's mean as much as the Monte Carlo noise of log Z does.
    converged
        Whether the last rounds agreed in mean and standard deviations.
    rounds
        How often the populations moved.
    mean, covariance
        Of the posterior, shapes (d_phi,) and (d_phi, d_phi).
    log_evidence
        log of the integral of prior times likelihood, with every log Z taken relative to that at
        ``design @ reference``.
    reference
        float64, shape (d_phi,).
    partition
        For every ensemble log Z, relative to that at ``design @ reference``.
    numbers
        ``monte_carlo_shift`` and ``monte_carlo_sd_change`` (largest over the parameters, in
        posterior standard deviations), ``importance_draws``, ``memory_sweeps``, ``sweeps``,
        ``newton_steps``, ``dynamics``.
    flags
        What a reader of the result must know; empty where all is well.
    populations
        For every ensemble its replicas, in equilibrium at parameters spread like the posterior.
    """

    draws: Float
    effective_draws: float
    converged: bool
    rounds: int
    mean: Float
    covariance: Float
    log_evidence: float
    reference: Float
    partition: list[PartitionSurface]
    numbers: dict[str, Any]
    flags: list[str]
    populations: list[Population]

    @property
    def surfaces(self) -> list[PartitionSurface]:
        """The same as ``partition``."""
        return self.partition
