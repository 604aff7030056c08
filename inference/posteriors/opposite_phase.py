"""A rim of one state, and the phase of the other state inside it.

Inside a rim that is held, a lattice of mostly one state s = r may turn over as a whole once its
field points the other way far enough: log Z has a kink there, behind a barrier that no chain
crosses. Replicas then stay in the picture's phase, and the other one is added,

Z = Z_r(h, J, K) + Z_-r(h, J, K),    Z_-r(h, J, K) = exp(2 h sum of rim) Z_r(-h, J, -K),

with K the couplings to the rim (K = J in the model): all states inside turned over. From
(h, J, J) to (-h, J, -J) replicas reach without leaving their phase, as the field turns with the
couplings to the rim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.posteriors.importance import resample
from physlearn.inference.posteriors.lattice_population import Population
from physlearn.inference.posteriors.partition_surface import PartitionSurface

__all__ = ["HeldRim", "OppositePhase"]

Float = NDArray[np.float64]
LEAST_ORDER, LEAST_DISTANCE = 0.8, 10.0
"""Mean state of a picture that counts as of one phase: by itself, and in sds of free sites."""
LEFT = 0.25
"""Share of the picture's order below which a replica has left its phase."""
N_REPLICAS, N_RECORDS, BETWEEN = 64, 16, 10
ANNEALING, BURN_IN = 20, 100
WINDOW = 3
NEAR = 10.0
"""Difference of log Z of the phases up to which replicas look at parameters."""


@dataclass(frozen=True, eq=False)
class HeldRim:
    """What surrounds the open sites of one picture of two states with a field and pairs.

    Attributes
    ----------
    population
        Makes copies that start from the picture, with one more natural parameter for each
        coupling: of the bonds that lead to the rim, beside their own.
    n_open
        Number of sites that are drawn.
    rim_sum, order
        Sum of the states of the rim; mean state of the open sites.
    """

    population: Callable[[int], Population]
    n_open: int
    rim_sum: float
    order: float

    @property
    def one_phase(self) -> bool:
        """Whether the picture is so far from balance that its phase can be told."""
        far = abs(self.order) * np.sqrt(self.n_open) > LEAST_DISTANCE
        return bool(far and abs(self.order) > LEAST_ORDER)

    def stays(self, trace: Float) -> NDArray[np.bool_]:
        """Return which replicas stayed in the picture's phase, from statistics (R, n, d)."""
        order = (trace[..., 0] - self.rim_sum) / self.n_open
        return np.asarray(np.all(order / self.order > LEFT, axis=1))


class OppositePhase:
    """log of Z of both phases over Z of the picture's, by replicas between the two.

    Parameters
    ----------
    rim
        What is held.
    rng
        For the places of the replicas.
    """

    def __init__(self, rim: HeldRim, rng: np.random.Generator) -> None:
        self.rim, self._rng = rim, rng
        self.surface: PartitionSurface | None = None
        self._rounds: list[tuple[Float, Float]] = []
        self._share = rng.permutation((np.arange(N_REPLICAS) + 0.5) / N_REPLICAS)

    @property
    def settled(self) -> bool:
        """Whether what was learnt of the opposite phase hangs together."""
        return self.surface is None or self.surface.settled

    def excess(self, natural: Float) -> Float:
        """Return log Z of the opposite phase less that of the picture's, natural (n, d)."""
        if self.surface is None:
            return np.full(len(natural), -np.inf)
        zero, one = np.zeros(len(natural)), np.ones(len(natural))
        both = self.surface(np.concatenate([_between(natural, zero), _between(natural, one)]))
        turned = both[len(natural) :] - both[: len(natural)]
        return np.asarray(turned + 2.0 * natural[:, 0] * self.rim.rim_sum)

    def look(self, natural: Float, weight: Float) -> bool:
        """Sweep replicas where the phases weigh alike; return whether there is anything to see.

        ``natural`` (n, d) and ``weight`` (n,): the posterior as if there were one phase.
        """
        against = natural[:, 0] * self.rim.order < 0.0
        if float(weight[against].sum()) < 1.0 / len(weight) ** 0.75:
            return False
        near = np.where(against, np.sqrt(weight), 0.0)
        if self.surface is not None:
            close = near * np.exp(-0.5 * (self.excess(natural) / NEAR) ** 2)
            near = close if close.sum() > 0.0 else near
        places = resample(natural, near, N_REPLICAS, self._rng)
        trace, kept = self._trace(places)
        self._rounds.append((_between(places, self._share)[kept], trace[kept]))
        del self._rounds[:-WINDOW]
        self.surface = PartitionSurface.pooled(self._rounds)
        return True

    def _trace(self, places: Float) -> tuple[Float, NDArray[np.bool_]]:
        """Return statistics at places on the way over, and which replicas kept their phase."""
        population = self.rim.population(N_REPLICAS)
        for step in range(1, ANNEALING + 1):
            population.sweep(_between(places, self._share * step / ANNEALING), BETWEEN)
        there = _between(places, self._share)
        population.sweep(there, BURN_IN)
        out = np.empty((N_REPLICAS, N_RECORDS, there.shape[1]))
        for record in range(N_RECORDS):
            population.sweep(there, BETWEEN)
            out[:, record] = population.statistics()
        return out, self.rim.stays(out)


def _between(natural: Float, share: Float) -> Float:
    """Return field, couplings and couplings to the rim, these beside their own, on the way over."""
    turn = np.asarray(share)[:, None]
    field, couplings = natural[:, :1], natural[:, 1:]
    return np.hstack([field * (1.0 - 2.0 * turn), couplings, -2.0 * turn * couplings])
