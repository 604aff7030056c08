"""Weights of one variable's laws against all pairs of laws, fitted one by one."""

import numpy as np
import pytest

from physlearn.inference.dynamics.motion_fit import fit_motion, own_coefficients
from physlearn.inference.dynamics.motion_joint import weigh_pairs
from physlearn.inference.dynamics.motion_law import MotionLawOptions, _search
from physlearn.inference.dynamics.motion_series import read_series, smooth_paths


@pytest.fixture(scope="module")
def searched():
    """A spiral in the plane, measured so that each rate has rivals within two nats."""
    t = np.linspace(0.0, 8.0, 50)
    rate = np.array([[-0.2, 0.8], [-0.8, -0.2]])
    values, vectors = np.linalg.eig(rate)
    start = np.linalg.solve(vectors, [2.0, 0.5])
    paths = (vectors @ (np.exp(values[:, None] * t) * start[:, None])).real
    noisy = paths + 0.25 * np.random.default_rng(4).normal(size=paths.shape)
    series = read_series({"t": t, "x": noisy[0], "y": noisy[1]}, "t", None, ())
    settings = MotionLawOptions(order="1", degree=2)
    return _search(series, smooth_paths(series), False, settings)


def test_weights_are_sums_over_the_laws_of_the_other(searched):
    best = searched.best
    near = [
        sorted(laws.values(), key=searched.length)[:4] for laws in searched.laws
    ]  # the best and its three rivals
    lengths = np.empty((4, 4))
    for i, one in enumerate(near[0]):
        for j, other in enumerate(near[1]):
            support = (one.support[0], other.support[1])
            start = np.concatenate([own_coefficients(one, 0), own_coefficients(other, 1)])
            fit = fit_motion(searched.problem, support, start, best.starts, best.states)
            lengths[i, j] = searched.length(fit)
    assert np.ptp(lengths[0]) < 4  # all of them are near
    exact = -np.logaddexp.reduce(-lengths, axis=1)
    given = np.array([searched.marginal_length(fit, 0) for fit in near[0]])
    assert given - given[0] == pytest.approx(exact - exact[0], abs=0.02)
    alone = np.array([searched.length(fit) for fit in near[0]])
    assert np.abs((alone - alone[0]) - (exact - exact[0])).max() > 0.02


def test_a_better_pair_is_handed_back(searched):
    """From a best law that is none of the best, the pair of both best laws is found."""
    laws = [sorted(own.values(), key=searched.length) for own in searched.laws]
    assert weigh_pairs(searched) is None
    kept, best = searched.laws, searched.best
    worse = [own[1] for own in laws]
    support = tuple(fit.support[k] for k, fit in enumerate(worse))
    start = np.concatenate([own_coefficients(fit, k) for k, fit in enumerate(worse)])
    searched.best = fit_motion(searched.problem, support, start, best.starts, best.states)
    try:
        found = weigh_pairs(searched)
    finally:
        searched.best, searched.laws = best, kept
    assert found is not None
    assert searched.length(found) == pytest.approx(searched.length(best), abs=0.05)
