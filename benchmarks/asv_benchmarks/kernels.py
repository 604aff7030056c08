"""Calls whose time asv keeps by revision; each is compiled once, in ``setup``, before the clock.

asv calls ``setup``, then every method ``time_*``; see https://asv.readthedocs.io.
"""

from __future__ import annotations

import numpy as np

from physlearn import datasets  # asv takes any name that begins with "track_" for a benchmark
from physlearn.causal import spatial_independence
from physlearn.inference import SymbolicRegressor, fit_lattice_hamiltonian
from physlearn.lattice_models import (
    Ising,
    LandauPotential,
    simulate_ginzburg_landau,
    simulate_lattice,
    square_lattice,
)
from physlearn.records import PatchTable


class Simulations:
    """Forward models."""

    def setup(self) -> None:
        self.lattice = square_lattice((64, 64))
        self.near_transition = Ising([0.44])
        self.start = 0.05 * np.random.default_rng(1).normal(size=(128, 128))
        for name in dir(self):
            if name.startswith("time_"):
                getattr(self, name)()

    def time_heat_bath(self) -> None:
        simulate_lattice(Ising([0.2]), self.lattice, burn_in=200, method="heat_bath", rng=1)

    def time_wolff(self) -> None:
        simulate_lattice(self.near_transition, self.lattice, burn_in=200, method="wolff", rng=1)

    def time_swendsen_wang(self) -> None:
        simulate_lattice(
            self.near_transition, self.lattice, burn_in=200, method="swendsen_wang", rng=1
        )

    def time_allen_cahn(self) -> None:
        simulate_ginzburg_landau(
            LandauPotential(a=-1.0, c=1.0), self.start, frame_times=np.linspace(0, 5, 3)
        )

    def time_cahn_hilliard(self) -> None:
        simulate_ginzburg_landau(
            LandauPotential(a=-1.0, c=1.0), self.start, dynamics="conserved",
            frame_times=np.linspace(0, 5, 3),
        )  # fmt: skip


class Answers:
    """From data to answers."""

    timeout = 600

    def setup(self) -> None:
        rng = np.random.default_rng(1)
        self.image = datasets.make_stem_image((12, 12), rng=1).image
        self.film = datasets.make_wall_scene("domains", (96, 96), 5, rng=1).video
        self.picture = simulate_lattice(Ising([0.3]), square_lattice((32, 32)), rng=1)
        self.x = np.linspace(0.5, 4.0, 40)
        self.y = 2.0 * self.x**2 + 0.05 * rng.normal(size=40)
        rows, columns = np.mgrid[:24, :24].reshape(2, -1)
        import pandas as pd

        self.table = PatchTable.from_frame(
            pd.DataFrame(rng.normal(size=(576, 3)), columns=["x", "y", "z"]),
            np.stack([columns, rows], 1), 1.0, unit="nm",
            measurement_covariance=np.zeros((1, 3, 3)),
        )  # fmt: skip
        for name in dir(self):
            if name.startswith("time_"):
                getattr(self, name)()

    def time_find_atoms(self) -> None:
        datasets.find_atoms(self.image)

    def time_track_walls(self) -> None:
        datasets.track_walls(self.film)

    def time_fit_lattice_hamiltonian(self) -> None:
        fit_lattice_hamiltonian(self.picture, n_shells=1, rng=1)

    def time_symbolic_regression(self) -> None:
        SymbolicRegressor(variables=["x"], noise=0.05).fit(self.x[:, None], self.y)

    def time_spatial_independence(self) -> None:
        spatial_independence(self.table, "x", "y", ["z"])
