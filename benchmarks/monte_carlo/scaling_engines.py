"""What `benchmarks.monte_carlo.scaling` measures: a stepper of each method at any size."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from physlearn.lattice_models import Ising, square_lattice
from physlearn.lattice_models.exact_answers.ising_square import critical_coupling
from physlearn.lattice_models.fields.explicit_stepper import ScalarSteps
from physlearn.lattice_models.fields.potentials import LandauPotential
from physlearn.lattice_models.fields.problem import FieldProblem
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.samplers.checkerboard import CheckerboardIsing
from physlearn.lattice_models.samplers.clusters import SwendsenWangEngine
from physlearn.lattice_models.samplers.multispin import MultispinIsing
from physlearn.lattice_models.samplers.two_state_engines import TwoStateEngine
from physlearn.records import SiteGraph

Stepper = Callable[[int], object]


@lru_cache(maxsize=1)
def lattice_of(size: int) -> SiteGraph:
    """The graph of one size; two methods and both chains of a thread pair share it."""
    return square_lattice((size, size))


def checkerboard(size: int, rng: np.random.Generator) -> Stepper:
    return CheckerboardIsing((size, size), critical_coupling(), rng=rng).sweep


def multispin(size: int, rng: np.random.Generator) -> Stepper | None:
    if size % 128:  # one side must hold whole pairs of words
        return None
    return MultispinIsing((size, size), critical_coupling(), rng=rng).sweep


def random_states(size: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int8]]:
    return rng.choice(np.array([-1, 1], np.int8), size * size)


def scalar(size: int, rng: np.random.Generator) -> Stepper:
    start = random_states(size, rng)
    ising = Ising([critical_coupling()])
    return TwoStateEngine(ising, lattice_of(size), start, rng, "heat_bath").sweep


def swendsen_wang(size: int, rng: np.random.Generator) -> Stepper:
    ising = Ising([critical_coupling()])
    engine = SwendsenWangEngine(ising, lattice_of(size), random_states(size, rng), rng)
    engine.sweep(20)  # clusters of the random start are small
    return engine.sweep


def allen_cahn(size: int, rng: np.random.Generator) -> Stepper:
    problem = FieldProblem(
        potential=LandauPotential(a=-1.0, c=1.0), couplings=(), shape=(1, size, size),
        spacing=(1.0, 1.0), conserved=False, mobility=1.0, thermal_energy=0.0, mirror=False,
        precision="float64",
    )  # fmt: skip
    steps = ScalarSteps(problem, 0.1 * rng.normal(size=(1, size, size)), seed_words(rng, (2,)))
    steps.set_interval(0.05, None)
    return lambda n: steps.step(np.zeros((2, n)))


METHODS: dict[str, Callable[[int, np.random.Generator], Stepper | None]] = {
    "int8 checkerboard": checkerboard,
    "multi-spin coded": multispin,
    "heat bath, any graph": scalar,
    "Swendsen-Wang": swendsen_wang,
    "Allen-Cahn, explicit": allen_cahn,
}
