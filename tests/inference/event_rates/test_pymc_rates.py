"""Event rates as PyMC models: the density and its derivatives are those of the fits."""

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import InputError
from physlearn.inference import event_rate_model, fit_beam_rates, fit_hop_rates
from physlearn.inference.event_rates.beam_model import BeamModel
from physlearn.inference.event_rates.beam_table import read_beam_counts
from physlearn.records import Trajectory

VECTORS = np.array([[1.0, 0.0], [0.0, 1.0]])


def test_arrhenius_laws_with_a_prior_of_the_attempt_frequency():
    given = {"n_sites": 500, "duration_s": 10.0, "dose": 0.0, "temperature_kelvin": [300, 330, 360]}
    fit = fit_beam_rates([2, 20, 120], attempt_frequency_hz=(1e13, 0.5), rng=1, **given)
    log_density = event_rate_model(fit).compile_logp(jacobian=False, mode="FAST_COMPILE")
    data = read_beam_counts([2, 20, 120], given, None)
    law = BeamModel(
        data, beam=False, arrhenius=True, attempt_prior=(np.log(1e13), 0.5 * np.log(10))
    )
    points = np.array([[-5.0, 0.9], [-6.0, 1.0], [-5.5, 0.8], [-4.0, 1.1]])
    found = [log_density({"log_rate": a, "barrier_ev": b}) for a, b in points]
    apart = np.array(found) - law.log_density(points)
    np.testing.assert_allclose(apart, apart[0], atol=1e-6)  # what no parameter moves


@pytest.mark.parametrize("arrhenius", [False, True])
def test_hops_have_the_density_and_slopes_of_their_walks(arrhenius):
    films = []
    for seed in range(3 if arrhenius else 1):
        rng = np.random.default_rng(seed)
        steps = np.einsum("tpk,kd->tpd", rng.poisson(0.05, (30, 6, 4)),
                          np.concatenate([VECTORS, -VECTORS]))  # fmt: skip
        places = np.concatenate([np.zeros((1, 6, 2)), np.cumsum(steps, axis=0)])
        frame, particle = (x.ravel() for x in np.mgrid[:31, :6])
        films.append(Trajectory(frame, particle, places.reshape(-1, 2), np.arange(31) * 1.0))
    more = {"temperature_kelvin": [300.0, 330.0, 360.0]} if arrhenius else {}
    fit = fit_hop_rates(films, hop_vectors=VECTORS, rng=1, **more)
    model = event_rate_model(fit)
    point = model.initial_point()
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    slope = model.compile_dlogp(jacobian=False, mode="FAST_COMPILE")(point)
    names = list(point)
    values = np.concatenate([np.ravel(point[name]) for name in names])
    step, rises = 1e-5, []
    for e in np.eye(len(values)) * step:
        ends = []
        for moved in (values + e, values - e):
            cuts = np.split(moved, np.cumsum([np.size(point[name]) for name in names])[:-1])
            ends.append(log_density({n: c.reshape(np.shape(point[n]))
                                     for n, c in zip(names, cuts, strict=True)}))  # fmt: skip
        rises.append((ends[0] - ends[1]) / (2 * step))
    np.testing.assert_allclose(np.ravel(slope), rises, rtol=1e-4, atol=1e-4)


def test_a_table_of_counts_makes_no_walk():
    table = pd.DataFrame({"hops": [3, 9], "exposure": [10.0, 20.0]})
    with pytest.raises(InputError, match="fit_hop_rates of trajectories"):
        event_rate_model(fit_hop_rates(table, rng=1))
