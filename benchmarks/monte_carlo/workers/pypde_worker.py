"""py-pde, periodic square grid of unit spacing, explicit Euler steps compiled by numba, one thread.

Tasks ``allen_cahn``: du/dt = laplace(u) + u - u^3 - ``sextic`` u^5, and ``cahn_hilliard``:
du/dt = laplace(u^3 - u - laplace(u)). Options: ``size``, ``time_step``. Work: cell steps.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pde  # type: ignore[import-not-found]
from worker import Job, serve

QUALITY_STEPS = 40  # as in cases_fields.py


class Steps:
    """Compiled Euler steps of one field."""

    def __init__(self, equation: Any, options: Mapping[str, Any], time_step: float) -> None:
        size = int(options["size"])
        self.n_cells = size * size
        self.time_step = float(options.get("time_step", time_step))
        grid = pde.CartesianGrid([[0, size]] * 2, [size, size], periodic=True)
        self.start = 0.1 * np.random.default_rng(0).normal(size=(size, size))
        self.field = pde.ScalarField(grid, self.start)
        solver = pde.EulerSolver(equation, backend="numba")
        self.stepper = solver.make_stepper(self.field, dt=self.time_step)
        self.time = 0.0

    def step(self, n: int) -> float:
        end = self.time + n * self.time_step
        self.stepper(self.field, self.time, end)
        self.time = end
        return float(n * self.n_cells)

    def quality(self) -> dict[str, float]:
        """The field after ``QUALITY_STEPS`` from the start, as the other contender's quality is."""
        field = pde.ScalarField(self.field.grid, self.start)
        self.stepper(field, 0.0, QUALITY_STEPS * self.time_step)
        values = field.data
        return {
            "mean_shift": float(values.mean() - self.start.mean()),
            "first_value": float(values[0, 0]),
            "mean_square": float((values**2).mean()),
            "largest_value": float(np.abs(values).max()),
        }


def allen_cahn(options: Mapping[str, Any]) -> Job:
    sextic = float(options.get("sextic", 0.0))
    right = "laplace(u) + u - u**3" + (f" - {sextic!r} * u**5" if sextic else "")
    return Steps(pde.PDE({"u": right}), options, 0.05)


def cahn_hilliard(options: Mapping[str, Any]) -> Job:
    return Steps(pde.CahnHilliardPDE(), options, 0.005)


TASKS: dict[str, Callable[[Mapping[str, Any]], Job]] = {
    "allen_cahn": allen_cahn,
    "cahn_hilliard": cahn_hilliard,
}

if __name__ == "__main__":
    serve(TASKS, importlib.metadata.version("py-pde"))
