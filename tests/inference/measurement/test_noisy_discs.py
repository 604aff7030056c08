"""The study of noisy discs: calibration over the joint prior, bias and cost."""

import time
from dataclasses import replace

import numpy as np
import pytest
from noisy_worlds import DiscWorld

from physlearn.inference.calibration.calibration import check_calibration
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.lattice_models import Ising, simulate_lattice

WORLD = DiscWorld()
SMALL = replace(WORLD, radius=12.0)


def test_a_noisy_disc_is_fitted_with_all_its_errors(oracle):
    rng = np.random.default_rng(3)
    truth = {"field": 0.05, "couplings": np.array([0.3]), "flip_rate": 0.03}
    picture = SMALL.simulate(truth, rng)
    fit = SMALL.fit(picture, rng)
    assert fit["flip_rate"].min() > 0
    assert fit["flip_rate"].max() < 1
    draws = fit["couplings"][:, 0]
    oracle("coupling", z=(draws.mean() - 0.3) / draws.std())
    oracle("flip rate", z=(fit["flip_rate"].mean() - 0.03) / fit["flip_rate"].std())
    assert "not identified" in str(fit.attrs)
    assert "unseen sites" in str(fit.attrs)


@pytest.mark.slow
def test_discs_are_calibrated_over_the_joint_prior():
    report = check_calibration(WORLD.simulate, WORLD.fit, WORLD.prior, 300, rng=5)
    assert report.calibrated, report.verdict


@pytest.mark.slow
def test_no_bias_where_the_flip_rate_is_identified(oracle):
    world = replace(WORLD, radius=32.0, coupling=(0.33, 0.04))
    rng = np.random.default_rng(6)
    pulls = []
    while len(pulls) < 100:
        truth = world.prior(rng)
        fit = world.fit(world.simulate(truth, rng), rng)
        if fit["flip_rate"].std() >= 0.5 * world.rate.sd:
            continue
        for_one = []
        for name in ("field", "couplings", "flip_rate"):
            draws = fit[name].reshape(len(fit[name]))
            for_one.append((draws.mean() - np.ravel(truth[name])[0]) / draws.std())
        pulls.append(for_one)
    for name, mean in zip(("field", "coupling", "flip rate"), np.mean(pulls, axis=0), strict=True):
        oracle(f"bias of the {name}", error=mean, bound=0.2 + 4 / np.sqrt(100))


@pytest.mark.slow
def test_noise_costs_less_than_ten_clean_fits():
    rng = np.random.default_rng(8)
    times = {"clean": [], "noisy": []}
    for _ in range(12):
        truth = WORLD.prior(rng)
        noisy = WORLD.simulate(truth, rng)
        states = simulate_lattice(
            Ising(truth["couplings"], truth["field"]), noisy.graph, burn_in=200, rng=rng
        )
        start = time.process_time()
        fit_lattice_hamiltonian(states, 1, rng=rng)
        middle = time.process_time()
        WORLD.fit(noisy, rng)
        times["clean"].append(middle - start)
        times["noisy"].append(time.process_time() - middle)
    assert np.median(times["noisy"]) < 10 * np.median(times["clean"])
