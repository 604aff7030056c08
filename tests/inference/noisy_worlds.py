"""Pictures as microscopes take them: a disc of a crystal with vacancies, wrong and missing labels.

For ``check_calibration``: truths come from the prior that the fit uses, the flip rate included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.measurement.flip_rate import FlipRate
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
from physlearn.lattice_models.graphs.site_graphs import keep_sites, remove_sites
from physlearn.records import LatticeSnapshots

RATE = FlipRate(2, 0.03, 0.02)


@dataclass(frozen=True)
class DiscWorld:
    """A disc cut out of a larger square crystal; its prior, its simulator and its fit.

    ``field`` and ``coupling`` are mean and sd of normal priors; J = 0 lies well inside.
    """

    radius: float = 24.0
    vacancies: float = 0.03
    unlabelled: float = 0.05
    field: tuple[float, float] = (0.0, 0.1)
    coupling: tuple[float, float] = (0.1, 0.12)
    rate: FlipRate = RATE
    n_draws: int = 1000
    margin: str | int = "auto"
    sweeps: int = 1000

    def prior(self, rng):
        """Return a truth."""
        eps = float(self.rate.value(self.rate.prior().draw(1, rng)[0, 0]))
        return {
            "field": rng.normal(*self.field),
            "couplings": np.array([rng.normal(*self.coupling)]),
            "flip_rate": eps,
        }

    def crystal(self, rng):
        """Return a periodic crystal with vacancies, and the sites of the disc."""
        size = int(2 * self.radius) + 12
        whole = square_lattice((size, size))
        gone = np.flatnonzero(rng.random(whole.n_sites) < self.vacancies)
        crystal = remove_sites(whole, gone)
        away = np.asarray(crystal.positions) - (size - 1) / 2
        return crystal, np.flatnonzero(np.hypot(*away.T) < self.radius)

    def simulate(self, theta, rng):
        """Return a snapshot: what was read of the disc."""
        crystal, disc = self.crystal(rng)
        model = Ising(theta["couplings"], theta["field"])
        states = simulate_lattice(model, crystal, burn_in=self.sweeps, rng=rng).states[0, disc]
        read = np.where(rng.random(len(disc)) < theta["flip_rate"], -states, states)
        seen = rng.random((1, len(disc))) >= self.unlabelled
        graph = replace(keep_sites(crystal, disc), cell=None)
        return LatticeSnapshots(np.where(seen, read, 1), graph, observed=seen)

    def fit(self, data, rng):
        """Return the fit with the prior of this world."""
        return fit_lattice_hamiltonian(
            data, 1, label_noise="unknown", margin=self.margin, n_draws=self.n_draws, rng=rng,
            prior={
                "field": self.field, "couplings": self.coupling,
                "flip_rate": (self.rate.mean, self.rate.sd),
            },
        )  # fmt: skip
