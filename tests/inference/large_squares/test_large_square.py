"""Fits of large square pictures: calibrated, equal to the fit on a graph, and honest."""

from __future__ import annotations

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.large_squares.large_square import fit_large_square
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.lattice_models import square_lattice
from physlearn.lattice_models.samplers.multispin import MultispinIsing
from physlearn.records import LatticeSnapshots

TRUTH = np.array([0.03, 0.25])


def simulated(seed, edge=128, coupling=TRUTH[1], n_sweeps=200):
    lattice = MultispinIsing((edge, edge), coupling, TRUTH[0], rng=seed)
    lattice.sweep(n_sweeps)
    return lattice.states().reshape(edge, edge)


def draws_of(fit):
    return np.column_stack([fit["field"], fit["couplings"][:, 0]])


def test_likelihood_equals_that_of_the_graph():
    picture = simulated(1)[:110, :101]
    record = LatticeSnapshots(picture.reshape(1, -1), square_lattice(picture.shape, 1, False))
    usual = draws_of(fit_lattice_hamiltonian(record, 1, method="likelihood", rng=2))
    packed = fit_large_square(picture, method="likelihood", rng=3)
    ours = draws_of(packed)
    # two Monte Carlo answers of at least 400 effective draws each: means to 4 sqrt(2 / 400) sd
    assert packed.diagnostics["effective_draws"] > 400
    assert np.all(np.abs(ours.mean(axis=0) - usual.mean(axis=0)) < 0.28 * usual.std(axis=0))
    np.testing.assert_allclose(ours.std(axis=0), usual.std(axis=0), rtol=4 / np.sqrt(400))


@pytest.mark.parametrize(("method", "boundary"), [
    ("pseudolikelihood", "rim"), ("likelihood", "rim"), ("likelihood", "periodic"),
])  # fmt: skip
def test_errors_are_as_large_as_said(method, boundary):
    scores = []
    for seed in range(4):
        fit = fit_large_square(simulated(seed), method=method, boundary=boundary, rng=seed)
        ours = draws_of(fit)
        scores.append(
            np.linalg.solve(np.linalg.cholesky(np.cov(ours.T)), ours.mean(axis=0) - TRUTH)
        )
    total = float(np.sum(np.square(scores)))
    # chi squared of 8 degrees of freedom: from .46 to 31.8 but for 2 in 10,000
    assert 0.46 < total < 31.8


def test_auto_says_why_and_the_model_is_checked_on_a_window():
    fit = fit_large_square(simulated(4), 2, rng=5)
    assert fit.attrs["likelihood"] == "pseudolikelihood"
    assert fit["couplings"].shape == (4000, 2)
    assert fit.diagnostics["window_sites"] == 8100
    assert "in a window of 8100 sites" in fit.attrs["verdicts"]
    # near a transition the window shows that its errors cannot be trusted
    fit = fit_large_square(simulated(4, coupling=0.43, n_sweeps=2000), rng=5)
    assert fit.attrs["likelihood"] == "likelihood"
    assert "escalated" in fit.diagnostics["method_choice"]


def test_a_second_shell_left_out_is_seen():
    from physlearn.lattice_models import Ising, simulate_lattice

    picture = simulate_lattice(Ising([0.25, -0.15]), square_lattice((128, 128), 2), rng=1)
    fit = fit_large_square(picture.states.reshape(128, 128), boundary="periodic", rng=1)
    assert any("does not explain" in said for said in fit.warnings)


def test_seeds_repeat_and_refusals_are_said():
    picture = simulated(6)
    once, twice = (fit_large_square(picture, rng=1)["field"] for _ in range(2))
    np.testing.assert_array_equal(once, twice)
    with pytest.raises(NotIdentified, match="fit_lattice_hamiltonian"):
        fit_large_square(picture[:50, :50])
    with pytest.raises(NotIdentified, match="one state"):
        fit_large_square(np.ones((128, 128)))
    with pytest.raises(InputError, match="n_shells must be 1"):
        fit_large_square(picture, 2, method="likelihood")
