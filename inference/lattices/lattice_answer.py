"""A lattice fit's task, and its answer: draws with how they came about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.lattice_data import LatticeData
from physlearn.inference.measurement.flip_rate import FlipRate
from physlearn.inference.posteriors.lattice_population import Population
from physlearn.inference.posteriors.priors import Prior

__all__ = ["Answer", "Task"]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Answer:
    """Draws with how they came about.

    Attributes
    ----------
    theta
        float64, shape (n_draws, d).
    method, approximation, choice
        Which likelihood, what stands between it and the exact posterior, and why this way.
    numbers, flags
        Diagnostics, and sentences for people.
    nuisances
        Draws of further variables, such as ``flip_rate``.
    completed
        For each group pictures (n_sites, n) drawn given its labels; None where all are certain.
    populations
        Equilibrated free populations, one a group, or None.
    """

    theta: Float
    method: str
    approximation: str
    choice: str
    numbers: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    nuisances: dict[str, Float] = field(default_factory=dict)
    completed: list[Codes] | None = None
    populations: list[Population] | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """What ``solve`` needs: data, prior, method, number of draws, generator, options."""

    data: LatticeData
    prior: Prior
    method: str
    n_draws: int
    rng: np.random.Generator
    flip_rate: FlipRate | None = None
    progress: Callable[[int, int], Any] | None = None
