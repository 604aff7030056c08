"""Every sampler against the same torus, solved by its transfer matrix."""

import numpy as np
import pytest

from physlearn.lattice_models import Ising, simulate_lattice, square_lattice, torus_ensemble
from physlearn.lattice_models.replicas.pair_replicas import Replicas

MODEL, GRAPH = Ising([0.4], 0.02), square_lattice((8, 8))
N_CHAINS = 96
# pictures of each chain, sweeps between them and before the first; clusters forget within a few
RUNS = {
    "heat_bath": (60, 40, 600),
    "metropolis": (60, 40, 600),
    "checkerboard": (60, 40, 600),
    "replicas": (60, 40, 600),
    "wolff": (60, 6, 60),
    "swendsen_wang": (60, 6, 60),
    "tempering": (40, 6, 60),
}


@pytest.fixture(scope="module")
def torus():
    return torus_ensemble(MODEL, (8, 8))


def pictures(method):
    """Return states of shape (n_chains, n_pictures, n_sites)."""
    n, between, before = RUNS[method]
    if method != "replicas":
        drawn = simulate_lattice(
            MODEL, GRAPH, n, between, method=method, burn_in=before, n_chains=N_CHAINS, rng=41
        )
        return drawn.states.reshape(N_CHAINS, n, 64)
    rng = np.random.default_rng(41)
    copies = Replicas(GRAPH, 1, rng.choice([-1, 1], (64, N_CHAINS)), N_CHAINS, rng)
    states = np.empty((N_CHAINS, n, 64), np.int8)
    for sample in range(n):
        copies.sweep([0.02, 0.4], before if sample == 0 else between)
        states[:, sample] = copies.states.reshape(64, N_CHAINS).T
    return states


@pytest.mark.parametrize("method", RUNS)
def test_energy_and_moments_of_the_magnetization_are_those_of_the_torus(method, torus, oracle):
    """Errors are the scatter of independent chains; that of the ratio leaves out one at a time."""
    states = pictures(method)
    energy = MODEL.energy(states, GRAPH).mean(axis=1)
    total = states.sum(axis=2, dtype=np.int64).astype(float)
    powers = {k: (total**k).mean(axis=1) for k in (1, 2, 4)}
    exact = dict(enumerate(torus.magnetization_moments, start=1))
    for name, found, wanted in (
        ("energy", energy, torus.energy), *((f"<M^{k}>", powers[k], exact[k]) for k in powers),
    ):  # fmt: skip
        error = found.std(ddof=1) / np.sqrt(N_CHAINS)
        oracle(f"{method}: {name} of the 8 x 8 torus", z=(found.mean() - wanted) / error)

    def binder(second, fourth):
        return 1.0 - fourth / (3.0 * second**2)

    without = binder(*((p.sum() - p) / (N_CHAINS - 1) for p in (powers[2], powers[4])))
    error = np.sqrt((N_CHAINS - 1) * without.var())
    rest = N_CHAINS * binder(powers[2].mean(), powers[4].mean()) - (N_CHAINS - 1) * without.mean()
    oracle(f"{method}: Binder ratio of the 8 x 8 torus", z=(rest - torus.binder_ratio) / error)
