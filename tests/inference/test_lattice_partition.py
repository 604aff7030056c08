"""log Z between references, against independent spins where it is known in closed form."""

import numpy as np

from physlearn.inference.lattice_likelihood import PartitionEstimate


def estimate_difference(n_spins, fields, seed):
    """Estimate log Z(last) - log Z(first) of spins in a field from sampled magnetizations."""
    rng = np.random.default_rng(seed)
    statistics = np.stack(
        [2.0 * rng.binomial(n_spins, 1 / (1 + np.exp(-2 * h)), 200) - n_spins for h in fields]
    )[:, :, None]
    log_z = PartitionEstimate(fields[:, None], statistics)(fields[[0, -1], None])
    return log_z[1] - log_z[0]


def test_log_partition_spanning_thousands_is_exact_within_its_scatter():
    n_spins, fields = 2000, np.linspace(0.0, 2.0, 60)
    exact = n_spins * (np.log(np.cosh(2.0)) - np.log(np.cosh(0.0)))
    assert exact > 2000  # exp() of this overflows: the case that must not
    found = np.array([estimate_difference(n_spins, fields, seed) for seed in range(12)])
    assert np.isfinite(found).all()
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - exact) < 4 * error
    # Integrating the magnetization over independent samples of each field has this variance; MBAR
    # is at most that good by a few per cent. 12 estimates know their sd to 1 part in sqrt(22)
    step = fields[1] - fields[0]
    theory = np.sqrt(step**2 * np.sum(n_spins / np.cosh(fields) ** 2 / 200))
    assert found.std(ddof=1) < (1 + 4 / np.sqrt(22)) * theory
