"""Control variates have mean zero under the model, by sums over all states."""

import numpy as np
import pytest

from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.posteriors.local_controls import LocalControls, recentre
from physlearn.lattice_models import square_lattice


@pytest.mark.parametrize("periodic", [True, False])
def test_sums_have_mean_zero_at_their_parameters(periodic):
    graph = square_lattice((3, 4) if periodic else (3, 3), 2, periodic)
    n, rng = graph.n_sites, np.random.default_rng(1)
    codes = (np.arange(2**n)[None] >> np.arange(n)[:, None] & 1).astype(np.uint8)
    sites = np.arange(1, n)
    codes = codes[:, codes[0] == 1]  # the first site is held
    spins = 2.0 * codes - 1.0
    offset, extra = rng.normal(size=(n, 2)), rng.normal(size=(1, n, 2))
    theta = np.array([0.2, 0.3, -0.15, 0.4])
    weight = theta[0] * spins.sum(axis=0)
    for shell in range(2):
        here = graph.shell == shell
        bonds = spins[graph.edges[here, 0]] * spins[graph.edges[here, 1]]
        weight += theta[1 + shell] * graph.multiplicity[here] @ bonds
    for table in (offset, theta[3] * extra[0]):
        weight += np.where(codes == 1, table[:, 1:], table[:, :1]).sum(axis=0)
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    controls = LocalControls(lattice_family("ising", (-1, 1), 2), graph, sites, offset, extra)
    sums = controls(codes, theta[None])
    assert sums.shape == (codes.shape[1], 4)
    assert np.abs(weight @ sums).max() < 1e-5
    assert np.sqrt(weight @ sums**2).min() > 0.1


def test_recentring_keeps_means_and_spread_and_loses_noise():
    rng = np.random.default_rng(2)
    chance = rng.standard_normal((400, 10, 2))
    level = rng.normal(size=(400, 1, 2))
    trace = (
        level + chance @ np.array([[2.0, 0.3], [0.0, 1.0]]) + 0.2 * rng.normal(size=(400, 10, 2))
    )
    found = recentre(trace, chance)
    error = (found.mean(axis=1) - level[:, 0]).std(axis=0)
    assert np.all(error < 1.3 * 0.2 / np.sqrt(10))
    assert np.all(error < 0.3 * (trace.mean(axis=1) - level[:, 0]).std(axis=0))
    about = found - level
    true = np.sqrt([4.04, 1.13])
    assert np.allclose(np.sqrt((about**2).mean(axis=(0, 1))), true, rtol=0.05)
    same = recentre(trace, np.zeros((400, 10, 2)))
    assert np.allclose(same.mean(axis=1), trace.mean(axis=1))
