"""Free energies from samples, against closed forms and the scatter of repeated experiments."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.tempering.mbar import mbar_estimate, solve_partition

N_SPINS = 100
FIELDS = np.linspace(0.0, 1.6, 8)


def magnetizations(rng, n_samples):
    """Return sums of independent spins in each field, shape (8, n_samples)."""
    up = 1 / (1 + np.exp(-2 * FIELDS[:, None]))
    return 2.0 * rng.binomial(N_SPINS, up, (len(FIELDS), n_samples)) - N_SPINS


def correlated(rng, n_samples, stay):
    """Return sums of the same distribution in which each sample repeats the last at ``stay``."""
    sums = magnetizations(rng, n_samples)
    for t in range(1, n_samples):
        same = rng.random(len(FIELDS)) < stay
        sums[same, t] = sums[same, t - 1]
    return sums


@pytest.mark.parametrize("stay", [0.0, 0.8])
def test_log_partitions_means_and_their_errors_over_repeated_experiments(stay, oracle):
    rng = np.random.default_rng(4)
    n_runs, between = 100, 0.77
    last, inner, means = np.empty(n_runs), np.empty(n_runs), np.empty(n_runs)
    for run in range(n_runs):
        sums = correlated(rng, 200 if stay == 0.0 else 2000, stay)
        found = mbar_estimate(sums[:, :, None] * FIELDS, 0, N_SPINS * np.log(2))
        assert found.settled and found.errors[0] == 0.0
        exact = N_SPINS * np.log(2 * np.cosh(FIELDS[-1]))
        last[run] = (found.log_partitions[-1] - exact) / found.errors[-1]
        value, error = found.log_partition(between * sums)
        inner[run] = (value - N_SPINS * np.log(2 * np.cosh(between))) / error
        value, error = found.mean(between * sums, sums)
        means[run] = (value - N_SPINS * np.tanh(between)) / error
    for name, z in (("last reference", last), ("between references", inner), ("mean", means)):
        label = f"MBAR, {name}, {'independent' if stay == 0 else 'correlated'} samples"
        # Student t with 19 degrees of freedom: variance 19 / 17
        oracle(f"{label}, bias", z=z.mean() / np.sqrt(19 / 17 / n_runs))
        oracle(f"{label}, size of the errors", z=(z.var() / (19 / 17) - 1) / np.sqrt(2.6 / n_runs))


def test_one_newton_step_without_a_block_is_as_good_as_solving_again(oracle):
    sums = magnetizations(np.random.default_rng(1), 400)
    found = mbar_estimate(sums[:, :, None] * FIELDS)
    for block in (0, 7, 19):
        kept = sums[:, np.arange(400) * 20 // 400 != block]
        again = mbar_estimate(kept[:, :, None] * FIELDS)
        change = again.log_partitions - found.log_partitions
        oracle("MBAR without a block, against solving again", bound=0.05 * found.errors[-1],
               error=np.max(np.abs(change - found.shifts[block])))  # fmt: skip


def test_equations_hold_to_round_off(oracle):
    sums = magnetizations(np.random.default_rng(2), 100)
    exponent = (sums[:, :, None] * FIELDS).reshape(-1, len(FIELDS))
    found = mbar_estimate(sums[:, :, None] * FIELDS)
    weight = np.exp(exponent - exponent.max(axis=1, keepdims=True) - found.log_partitions
                    + found.log_partitions.max())  # fmt: skip
    share = weight / weight.sum(axis=1, keepdims=True)
    oracle("MBAR equations", error=np.max(np.abs(share.sum(axis=0) / 100 - 1)), bound=1e-8)


def test_two_references_are_bennetts_acceptance_ratio(oracle):
    """Bennett 1976, doi:10.1016/0021-9991(76)90078-4: one equation for one unknown."""
    from scipy.optimize import brentq

    rng = np.random.default_rng(3)
    sums = 2.0 * rng.binomial(50, 1 / (1 + np.exp(-2 * np.array([[0.0], [0.2]]))), (2, 500)) - 50

    def excess(shift):
        upper, lower = 0.2 * sums[0] - shift, 0.2 * sums[1] - shift
        return np.sum(1 / (1 + np.exp(-upper))) - np.sum(1 / (1 + np.exp(lower)))

    exact = brentq(excess, -20, 20, xtol=1e-13)
    found = mbar_estimate(sums[:, :, None] * np.array([0.0, 0.2]))
    oracle("MBAR of two, against Bennett's equation", bound=1e-8,
           error=found.log_partitions[1] - exact)  # fmt: skip


def test_references_that_never_meet_are_called_unsettled():
    exponent = np.zeros((2, 50, 2))
    exponent[0, :, 1] = -2000.0
    exponent[1, :, 0] = -2000.0
    found = mbar_estimate(exponent)
    assert not found.settled


def test_few_samples_have_no_errors_and_bad_input_is_refused():
    rng = np.random.default_rng(1)
    found = mbar_estimate(magnetizations(rng, 10)[:, :, None] * FIELDS)
    assert np.isnan(found.errors).all() and np.isfinite(found.log_partitions).all()
    with pytest.raises(InputError, match="shape"):
        mbar_estimate(np.zeros((2, 5, 3)))
    with pytest.raises(InputError, match="anchor"):
        mbar_estimate(np.zeros((2, 5, 2)), anchor=2)
    with pytest.raises(InputError, match="finite"):
        mbar_estimate(np.full((2, 5, 2), np.nan))
    with pytest.raises(InputError, match="samples"):
        found.log_partition(np.zeros((2, 2)))


def test_the_solver_that_inference_shares_agrees_with_the_polished_one(oracle):
    sums = magnetizations(np.random.default_rng(5), 300)
    exponent = (sums[:, :, None] * FIELDS).reshape(-1, len(FIELDS))
    plain, settled = solve_partition(exponent, np.zeros(len(FIELDS)))
    assert settled
    polished = mbar_estimate(sums[:, :, None] * FIELDS)
    oracle("MBAR of inference against its polished form", bound=0.1 * polished.errors[-1],
           error=np.max(np.abs(plain - plain[0] - polished.log_partitions)))  # fmt: skip
