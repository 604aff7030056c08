"""peapods (Rust), square lattice, nearest neighbours.

Tasks ``square`` (Metropolis) and ``swendsen_wang`` (each step one Metropolis and one Swendsen-Wang
sweep, as the package offers it). Options: ``size``, ``couplings`` (kT), ``burn_in``. Work: spin
updates.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import peapods  # type: ignore[import-not-found]
from worker import Job, serve


class Sweeps:
    """Sweeps of one lattice; the coupling is 1 and the temperature 1 / coupling."""

    def __init__(self, options: Mapping[str, Any], clusters: bool) -> None:
        (self.coupling,) = options["couplings"]
        size = int(options["size"])
        self.n_sites = size * size
        self.model = peapods.Ising((size, size), temperatures=np.array([1.0 / self.coupling]))
        self.clusters = clusters
        self.step(int(options.get("burn_in", 100)))

    def step(self, n: int) -> float:
        if self.clusters:
            self.model.sample(n, cluster_update_interval=1, cluster_mode="sw", sequential=True)
        else:
            self.model.sample(n, sequential=True)
        return float(n * self.n_sites)

    def quality(self) -> dict[str, float]:
        self.step(200)
        # the package's energy is per site, +sum J s s' (no minus sign)
        energy = float(np.ravel(self.model.get_energies())[0])
        return {"energy_per_site": -abs(energy) * self.coupling}


def task(clusters: bool) -> Callable[[Mapping[str, Any]], Job]:
    return lambda options: Sweeps(options, clusters)


if __name__ == "__main__":
    serve(
        {"square": task(False), "swendsen_wang": task(True)},
        importlib.metadata.version("peapods"),
    )
