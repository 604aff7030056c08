"""The lattice likelihood inside PyMC: against exact posteriors, and where it must warn."""

import arviz
import numpy as np
import pymc
import pytest

from physlearn.checks import InputError
from physlearn.inference import fit_lattice_hamiltonian
from physlearn.inference.posteriors.pymc_bridge import lattice_potential
from physlearn.lattice_models import Ising, Potts, simulate_lattice, square_lattice
from physlearn.records import LatticeSnapshots

SQUARE = square_lattice((4, 4))


def pictures(n, seed):
    return simulate_lattice(
        Ising([0.25], 0.1), SQUARE, n, 50, method="heat_bath", burn_in=200, rng=seed
    )


def fit_of(record, **options):
    return fit_lattice_hamiltonian(record, 1, method="likelihood", rng=1, **options)


@pytest.fixture(scope="module")
def potential():
    return lattice_potential(fit_of(pictures(20, 1)), rng=2)


def exact_log_likelihood(record, theta):
    """Sum over all 65,536 states of the 4 x 4 torus."""
    bits = (np.arange(2**16)[:, None] >> np.arange(16)) & 1
    spins = 2.0 * bits - 1
    ends = SQUARE.edges
    pairs = (spins[:, ends[:, 0]] * spins[:, ends[:, 1]]) @ SQUARE.multiplicity
    table = np.column_stack([spins.sum(axis=1), pairs])
    places = ((record.states + 1) // 2) @ (1 << np.arange(16))
    log_z = np.log(np.exp(theta @ table.T).sum(axis=1))
    return theta @ table[places].sum(axis=0) - record.n_snapshots * log_z


def test_log_likelihood_equals_the_sum_over_all_states(potential, oracle):
    record = pictures(20, 1)
    rng = np.random.default_rng(1)
    theta = potential.mean + potential.half_width * rng.uniform(-0.5, 0.5, (40, 2))
    exact = exact_log_likelihood(record, theta)
    ours = potential.evaluate(theta)
    gap = (ours - ours.mean()) - (exact - exact.mean())
    # the range of log L over these points is several units; noise must stay far below one
    assert np.ptp(exact) > 3
    oracle("PyMC bridge, log likelihood, 4x4", error=np.abs(gap).max(), bound=0.25)
    assert np.abs(gap).mean() < 0.08


def test_expression_equals_plain_numbers_and_its_gradient_theirs(potential):
    import pytensor
    import pytensor.tensor as pt

    theta = pt.dvector("theta")
    value = potential(theta)
    function = pytensor.function([theta], [value, pt.grad(value, theta)])
    point = potential.mean + 0.3 * potential.half_width
    found, slope = function(point)
    assert found == pytest.approx(potential.evaluate(point[None])[0], abs=2e-3)
    steps = 1e-3 * potential.half_width
    around = [function(point + e * s)[0] for e in np.eye(2) for s in (steps, -steps)]
    numeric = np.array([around[0] - around[1], around[2] - around[3]]) / (2 * steps)
    np.testing.assert_allclose(slope, numeric, rtol=1e-3)


def test_nuts_draws_the_exact_posterior(potential):
    """A prior of the person's own, which the fit never saw."""
    record = pictures(20, 1)
    with pymc.Model():
        field = pymc.Normal("field", 0.0, 0.1)
        couplings = pymc.Normal("couplings", 0.2, 0.05, shape=1)
        pymc.Potential("pictures", potential({"field": field, "couplings": couplings}))
        idata = pymc.sample(
            1500, tune=500, chains=2, cores=1, random_seed=1, progressbar=False,
            compute_convergence_checks=False,
        )  # fmt: skip
    draws = np.column_stack(
        [
            idata.posterior["field"].to_numpy().ravel(),
            idata.posterior["couplings"].to_numpy().ravel(),
        ]
    )
    assert potential.check(draws) == []
    grids = [np.linspace(-0.3, 0.4, 71), np.linspace(-0.05, 0.5, 71)]
    theta = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, 2)
    log_posterior = exact_log_likelihood(record, theta)
    log_posterior -= theta[:, 0] ** 2 / 0.02 + (theta[:, 1] - 0.2) ** 2 / 0.005
    weight = np.exp(log_posterior - log_posterior.max())
    weight /= weight.sum()
    mean = weight @ theta
    sd = np.sqrt(weight @ (theta - mean) ** 2)
    shift = (draws.mean(axis=0) - mean) / sd
    assert np.abs(shift).max() < 0.12, shift
    assert np.abs(draws.std(axis=0) / sd - 1).max() < 0.07


def test_a_vector_in_zero_sum_gauge_and_a_mapping_agree():
    record = simulate_lattice(
        Potts(3, [0.4]), square_lattice((10, 10)), method="heat_bath", burn_in=200, rng=1
    )
    potential = lattice_potential(fit_of(record, model="potts"), rng=1)
    theta = potential.mean
    values = {v.name: v.map @ theta for v in potential.variables}
    assert potential(values).eval() == pytest.approx(potential.evaluate(theta[None])[0], abs=2e-3)


def test_draws_far_away_are_warned_of(potential):
    far = potential.mean + 12 * potential.half_width
    flags = potential.check(np.repeat(far[None], 50, axis=0))
    assert any("fewer than" in text for text in flags)
    assert potential.check(potential.mean[None]) == []


def test_draws_are_checked_as_pymc_returns_them(potential):
    """By variable, with chains, whatever the order of the variables."""
    rng = np.random.default_rng(1)
    far = potential.mean + 12 * potential.half_width + 0.01 * rng.standard_normal((2, 50, 2))
    idata = arviz.from_dict(posterior={"couplings": far[:, :, 1:], "field": far[:, :, 0]})
    assert potential.check(idata) == potential.check(far.reshape(-1, 2)) != []
    assert potential.check(idata.posterior) == potential.check(idata)
    with pytest.raises(InputError, match="theta must hold field, couplings; got level"):
        potential.check(arviz.from_dict(posterior={"level": np.zeros((1, 10))}))


def test_bad_input_is_one_sentence(potential):
    record = pictures(1, 3)
    with pytest.raises(InputError, match='method="likelihood"'):
        lattice_potential(fit_lattice_hamiltonian(record, 1, method="pseudolikelihood", rng=1))
    with pytest.raises(InputError, match="field, couplings"):
        potential({"field": 0.0})
    with pytest.raises(InputError, match=r"\['couplings'\] must have 1 element.*; got 2"):
        potential({"field": 0.0, "couplings": [0.1, 0.2]})
    with pytest.raises(InputError, match=r"vector of 2 \(field.*got shape"):
        potential([0.0, 0.1, 0.2])
    with pytest.raises(InputError, match="spread"):
        lattice_potential(fit_of(record), spread=0.0)
    hidden = LatticeSnapshots(record.states, SQUARE, observed=np.arange(16)[None] > 1)
    with pytest.raises(InputError, match="certain labels"):
        lattice_potential(fit_of(hidden), rng=1)
