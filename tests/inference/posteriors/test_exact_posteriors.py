"""The exact posteriors themselves: log Z against other sums, and ranks of prior draws."""

import numpy as np
import pytest
from exact_cases import CASES, all_states, blume_capel_torus, ising_torus, potts_torus
from exact_grids import exact_posterior, normal_prior
from exact_models import ising_units, statistics
from exact_posteriors import kaufman_posterior, noisy_labels
from scipy import stats

from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    exact_enumeration,
    kaufman_torus,
    square_lattice,
    torus_ensemble,
)
from physlearn.records import LatticeSnapshots


def test_transfer_matrices_agree_with_other_sums(oracle):
    own = ising_torus().log_z(np.array([0.0, 0.3]))
    oracle("Kaufman", error=own - kaufman_torus((16, 8), 0.3).log_partition, bound=1e-9)
    own = blume_capel_torus().log_z(np.array([0.1, 0.4, 0.2]))
    other = torus_ensemble(BlumeCapel([0.2], 0.4, 0.1), (12, 4)).log_partition
    oracle("torus ensemble", error=own - other, bound=1e-9)


def test_sums_over_states_agree_with_enumeration(oracle):
    world, theta = all_states("triplets"), (0.1, 0.2, -0.15)
    other = exact_enumeration(Ising([0.2], 0.1, triplets={(0, 0, 0): -0.15}), world.graph)
    own = world.log_sum([np.array([value]) for value in theta]).item()
    oracle("log Z", error=own - other.log_partition, bound=1e-9)


def test_rows_are_drawn_at_equilibrium(oracle):
    torus, theta = potts_torus(), np.array([0.1, -0.2, 0.5])
    pictures = torus.draw(theta, 4000, np.random.default_rng(1))
    seen = statistics(torus.units, pictures.states, torus.graph)
    for k, unit in enumerate(np.eye(3)):
        step = 1e-4 * unit
        slope = (torus.log_z(theta + step) - torus.log_z(theta - step)) / 2e-4
        z = (seen[:, k].mean() - slope) / (seen[:, k].std() / np.sqrt(4000))
        oracle(f"statistic {k}", z=z)


def test_a_conjugate_posterior_has_its_closed_form(oracle):
    """Independent spins: the field's posterior is the one of a coin."""
    world = all_states("ising")
    codes = world.draw((0.2, 0.0), 6, np.random.default_rng(2))
    exact = exact_posterior(world.certain(codes), normal_prior([0.4, 1e-7]))
    up, n = int(codes.sum()), codes.size
    field = np.linspace(-1.5, 2.0, 40001)
    log_p = (2 * up - n) * field - n * np.log(2 * np.cosh(field)) - field**2 / 0.32
    weight = np.exp(log_p - log_p.max())
    mean = np.average(field, weights=weight)
    sd = np.sqrt(np.average((field - mean) ** 2, weights=weight))
    oracle("mean", error=(exact.mean[0] - mean) / sd, bound=1e-4)
    oracle("sd", error=exact.sd[0] / sd - 1, bound=1e-4)


def test_unknown_rate_at_one_rate_is_the_known_one(oracle):
    world, rng = all_states("ising"), np.random.default_rng(3)
    codes = world.draw((0.1, 0.2), 5, rng)
    read, label, known = noisy_labels(codes, 0.1, 2, rng, 0.2)
    axes = [np.array([0.1, 0.3]), np.array([-0.1, 0.2])]
    given = world.uncertain(label)(axes)
    found = world.unknown_rate(read, known)([*axes, np.array([0.1])])[..., 0]
    oracle("log likelihood", error=np.abs(given - found).max(), bound=1e-9)


def test_the_mean_of_a_cut_posterior(oracle):
    """One site, flip rate alone: k wrong of n labels would be a beta distribution."""
    seen, n = 3, 12

    def likelihood(axes):
        return seen * np.log(axes[0]) + (n - seen) * np.log1p(-axes[0])

    flat = normal_prior([0.5], low=[0.0], high=[1.0], log_density={0: np.zeros_like})
    exact = exact_posterior(likelihood, flat)
    beta = stats.beta(seen + 1, n - seen + 1)
    oracle("mean", error=exact.mean[0] - beta.mean(), bound=1e-4)
    oracle("sd", error=exact.sd[0] - beta.std(), bound=1e-4)
    oracle("PIT", error=exact.pit([0.2])[0] - beta.cdf(0.2), bound=1e-3)


def test_kaufman_agrees_with_all_states(oracle):
    world = all_states("ising")
    codes = world.draw((0.0, 0.25), 8, np.random.default_rng(4))
    pictures = LatticeSnapshots(np.array([-1, 1])[codes], square_lattice((4, 4)))
    one = kaufman_posterior(pictures, (4, 4), normal_prior([0.2]))
    two = exact_posterior(world.certain(codes), normal_prior([1e-7, 0.2]))
    oracle("mean", error=(one.mean[0] - two.mean[1]) / one.sd[0], bound=1e-4)
    oracle("sd", error=one.sd[0] / two.sd[1] - 1, bound=1e-4)


@pytest.mark.parametrize("noisy", [False, True])
def test_truths_from_the_prior_have_uniform_pits(noisy, oracle):
    rng, world, pits = np.random.default_rng(4), all_states("ising"), []
    for _ in range(80):
        truth = rng.normal(0, [0.3, 0.2])
        codes = world.draw(truth, 3, rng)
        label = noisy_labels(codes, 0.1, 2, rng, 0.1)[1]
        likelihood = world.uncertain(label) if noisy else world.certain(codes)
        pits.append(exact_posterior(likelihood, normal_prior([0.3, 0.2])).pit(truth))
    for k, column in enumerate(np.array(pits).T):
        oracle(f"parameter {k}", p=stats.kstest(column, "uniform").pvalue)


def test_a_posterior_at_the_edge_of_the_box_is_refused():
    torus = ising_torus()
    pictures = torus.draw(np.array([0.0, 0.55]), 1, np.random.default_rng(1))
    with pytest.raises(ValueError, match="edge"):
        torus.posterior(pictures, normal_prior([0.5, 0.5]))


@pytest.mark.parametrize("name", CASES)
def test_every_case_can_be_made(name):
    world = CASES[name](1)
    d = len(world.exact.mean)
    assert all(rows.shape[-1] == d for rows in world.rows.values())
    assert np.all(world.exact.sd > 0)
    assert np.all((world.exact.pit(world.truth) > 1e-4) & (world.exact.pit(world.truth) < 0.9999))
    assert len(ising_units(2)) == 3
