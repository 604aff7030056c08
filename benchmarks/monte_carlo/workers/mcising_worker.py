"""mcising (Rust), square lattice with up to three shells, and triangular.

Tasks ``square``, ``triangular`` (Metropolis), ``wolff``, ``swendsen_wang`` (square). Options:
``size``, ``couplings`` (kT, one to three shells), ``burn_in`` (sweeps or clusters), ``seed``. Work:
spin updates (Wolff: spins flipped).
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import mcising  # type: ignore[import-not-found]
from worker import Job, serve


class Sweeps:
    """Sweeps of one lattice at temperature 1 (couplings are in kT)."""

    def __init__(self, options: Mapping[str, Any], algorithm: str, lattice: str) -> None:
        first, second, third = (*options["couplings"], 0.0, 0.0)[:3]
        self.simulation = mcising.IsingSimulation(
            int(options["size"]), float(first), float(second), float(third), 0.0,
            int(options.get("seed", 1)), algorithm=algorithm, lattice_type=lattice,
        )  # fmt: skip
        self.clusters = algorithm == "wolff"
        self.simulation.sweep(int(options.get("burn_in", 300)), temperature=1.0)

    def step(self, n: int) -> float:
        accepted, _, _ = self.simulation.sweep(n, temperature=1.0)
        return float(accepted if self.clusters else n * self.simulation.num_sites)

    def quality(self) -> dict[str, float]:
        energies = []
        for _ in range(200):
            self.simulation.sweep(1, temperature=1.0)
            energies.append(self.simulation.energy())
        return {"energy_per_site": sum(energies) / len(energies)}


def task(algorithm: str, lattice: str) -> Callable[[Mapping[str, Any]], Job]:
    return lambda options: Sweeps(options, algorithm, lattice)


if __name__ == "__main__":
    serve(
        {
            "square": task("metropolis", "square"),
            "triangular": task("metropolis", "triangular"),
            "wolff": task("wolff", "square"),
            "swendsen_wang": task("swendsen_wang", "square"),
        },
        importlib.metadata.version("mcising"),
    )
