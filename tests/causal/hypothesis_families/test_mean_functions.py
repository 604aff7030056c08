"""Structured Gaussian processes against scikit-learn, closed forms and planted laws."""

import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from physlearn.causal import Action
from physlearn.causal.hypothesis_families.mean_functions import hypotheses_from_mean_functions
from physlearn.causal.hypothesis_families.structured_process import (
    MeanFunction,
    Process,
    ProcessOptions,
    draw_functions,
    process_log_likelihood,
)
from physlearn.causal.hypothesis_families.tempered_particles import tempered_particles
from physlearn.checks import InputError, NotIdentified

LINE = MeanFunction(lambda x, p: p["slope"] * x[:, 0], {"slope": stats.norm(0, 2)})
SQUARE = MeanFunction(lambda x, p: p["size"] * x[:, 0] ** 2, {"size": stats.norm(0, 2)})
WAVE = MeanFunction(
    lambda x, p: p["size"] * np.sin(p["rate"] * x[:, 0]),
    {"size": stats.norm(0, 2), "rate": stats.uniform(1, 3)},
)


def _bias(value):
    return Action("change_bias", {"bias_V": float(value)}, 0, 1, 1)


def test_likelihood_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 3, (12, 2)), rng.normal(size=(3, 12))
    size, length = np.array([0.5, 1.0, 2.0]), np.array([0.3, 1.0, 0.7])
    found = process_log_likelihood(y, x, size, length, 0.4)
    for k in range(3):
        kernel = ConstantKernel(size[k] ** 2, "fixed") * RBF(length[k], "fixed")
        reference = GaussianProcessRegressor(kernel, alpha=0.4**2, optimizer=None).fit(x, y[k])
        assert found[k] == pytest.approx(reference.log_marginal_likelihood(), rel=1e-9)


def test_functions_have_the_moments_of_scikit_learns_posterior():
    rng = np.random.default_rng(2)
    x = np.linspace(0, 3, 6)[:, None]
    y = np.sin(2 * x[:, 0]) + rng.normal(0, 0.2, 6)
    zero = MeanFunction(lambda x, p: np.zeros((1, len(x))), {})
    process = Process(zero, x, y, 0.2, True, np.log([[0.8, 0.6]]))
    places = np.array([[0.3], [1.7], [4.0]])
    n = 6_000
    drawn = draw_functions(process, places, np.random.default_rng(0), n, 200)
    kernel = ConstantKernel(0.64, "fixed") * RBF(0.6, "fixed")
    reference = GaussianProcessRegressor(kernel, alpha=0.04, optimizer=None).fit(x, y)
    mean, covariance = reference.predict(places, return_cov=True)
    error = np.sqrt(np.diag(covariance) / n)
    assert (np.abs(drawn.mean(axis=0) - mean) < 4 * error).all()
    # covariances of n draws scatter by at most sqrt(2 / n) of the variances
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert (np.abs(np.cov(drawn.T) - covariance) < 4 * np.sqrt(2 / n) * scale + 1e-3).all()


def test_particles_give_the_evidence_of_a_gaussian():
    rng = np.random.default_rng(3)
    data, sd, n = 1.3, 0.05, 2000
    found = [
        tempered_particles(
            np.random.default_rng([3, k]).normal(size=(n, 1)),
            lambda t: -0.5 * (t**2).sum(axis=1),
            lambda t: stats.norm.logpdf(data, t[:, 0], sd),
            np.random.default_rng([4, k]),
        )
        for k in range(8)
    ]
    evidence = np.array([f.log_evidence for f in found])
    exact = stats.norm.logpdf(data, 0, np.hypot(1, sd))
    assert abs(evidence.mean() - exact) < 4 * max(evidence.std(ddof=1) / np.sqrt(8), 0.01)
    pooled = np.concatenate([f.draws[:, 0] for f in found])
    assert pooled.std() == pytest.approx(1 / np.hypot(1, 1 / sd), rel=0.05)
    with pytest.raises(NotIdentified, match="no draw of the prior"):
        tempered_particles(
            rng.normal(size=(100, 1)), lambda t: np.zeros(len(t)),
            lambda t: np.full(len(t), -np.inf), rng,
        )  # fmt: skip


def test_weights_are_exact_without_deviations():
    x = np.linspace(0.2, 1.0, 6)
    y = 0.4 * x + np.random.default_rng(5).normal(0, 0.3, 6)
    options = ProcessOptions(deviation_sd=0.0, n_particles=4000)
    found = hypotheses_from_mean_functions(
        {"line": LINE, "square": SQUARE}, ["bias_V"], noise_sd=0.3, data=(x, y),
        options=options, rng=1,
    )  # fmt: skip
    # linear Gaussian models: the evidence is a Gaussian with covariance noise + prior
    logs = [
        stats.multivariate_normal.logpdf(y, np.zeros(6), 0.09 * np.eye(6) + 4 * np.outer(f, f))
        for f in (x, x**2)
    ]
    exact = 1 / (1 + np.exp(logs[1] - logs[0]))
    assert found[0].weight == pytest.approx(exact, abs=0.04)
    precision = (x @ x) / 0.09 + 0.25
    drawn = found[0].joint([_bias(1.0)], np.random.default_rng(0), 4000)[:, 0]
    assert drawn.mean() == pytest.approx((x @ y) / 0.09 / precision, abs=0.1 / np.sqrt(precision))
    assert drawn.std() == pytest.approx(1 / np.sqrt(precision), rel=0.1)


@pytest.mark.parametrize(("truth", "law"), [("line", 0), ("square", 1), ("wave", 2)])
def test_the_planted_law_gets_the_weight_although_it_deviates(truth, law):
    laws = {"line": LINE, "square": SQUARE, "wave": WAVE}
    x = np.linspace(0, 2, 14)
    exact = {"line": 1.5 * x, "square": 0.9 * x**2, "wave": 1.4 * np.sin(3 * x)}[truth]
    y = exact + 0.05 * np.cos(2.5 * x) + np.random.default_rng(6).normal(0, 0.08, 14)
    options = ProcessOptions(deviation_sd=0.05, deviation_spread=0.5, n_particles=600)
    found = hypotheses_from_mean_functions(
        laws, ["bias_V"], noise_sd=0.08, data=(x, y), options=options, rng=2
    )
    assert int(np.argmax([h.weight for h in found])) == law
    assert found[law].weight > 0.9
    # and its process predicts inside of the data to the noise
    middle = [float(np.interp(1.05, x, exact)), 0.08]
    assert abs(found[law].mean_sd(_bias(1.05), 0)[0] - middle[0]) < 0.16


def test_members_are_the_same_for_any_acts_and_silent_elsewhere():
    (law,) = hypotheses_from_mean_functions(
        {"line": LINE}, ["bias_V"], noise_sd=0.1, data=([0.0, 1.0], [0.0, 1.0]),
        options=ProcessOptions(n_particles=100), rng=0,
    )  # fmt: skip
    wait = Action("wait", {"wait_s": 1.0}, 0, 1, 1)
    both = law.joint([_bias(0.5), wait, _bias(2.0)], np.random.default_rng(1), 30)
    alone = law.joint([_bias(2.0)], np.random.default_rng(1), 30)
    np.testing.assert_allclose(both[:, 2], alone[:, 0])
    assert np.isnan(both[:, 1]).all()
    assert law.mean_sd(wait, 0) is None


def test_without_data_the_prior_speaks():
    (law,) = hypotheses_from_mean_functions(
        {"line": LINE}, lambda act: act.number("bias_V"), noise_sd=0.1,
        options=ProcessOptions(deviation_sd=0.0), rng=0,
    )  # fmt: skip
    drawn = law.joint([_bias(1.0)], np.random.default_rng(0), 4000)[:, 0]
    assert drawn.std() == pytest.approx(2.0, rel=0.12)
    assert law.weight == 1.0


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"frozen distributions of scipy.stats.*'slope' is 3"):
        MeanFunction(lambda x, p: x, {"slope": 3})
    with pytest.raises(InputError, match=r"laws must hold name -> MeanFunction"):
        hypotheses_from_mean_functions({}, ["bias_V"], noise_sd=0.1)
    with pytest.raises(InputError, match="coordinates"):
        hypotheses_from_mean_functions(
            {"line": LINE}, ["bias_V"], noise_sd=0.1, data=([0.0, 1.0, 2.0], [0.0, 1.0])
        )
    wrong = MeanFunction(lambda x, p: np.zeros(7), {})
    with pytest.raises(InputError, match="a mean function must return"):
        hypotheses_from_mean_functions(
            {"wrong": wrong}, ["bias_V"], noise_sd=0.1, data=([0.0, 1.0], [0.0, 1.0])
        )
