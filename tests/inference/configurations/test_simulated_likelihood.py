"""The simulated likelihood against exact posteriors of two particles, and on liquids."""

import numpy as np
import pytest
from snapshot_pairs import CUTOFF, draw_frames, exact_log_likelihood

from physlearn.checks import InputError
from physlearn.inference.configurations.simulated_likelihood import (
    fit_by_simulation,
    simulate_posterior,
)
from physlearn.inference.configurations.simulated_problem import Effort
from physlearn.inference.configurations.snapshot_energies import SnapshotEnergies
from physlearn.inference.configurations.snapshots import Snapshot, read_snapshots
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.lattice_models.particles import LennardJones, MetropolisSettings, sample_positions
from physlearn.records import AtomicConfiguration

TRUTH = np.array([np.log(1.5), 0.0])
FAMILY = make_interaction("lennard_jones", length=1.0, cutoff=CUTOFF)


def exact_posterior(frames, lows, highs, n=31):
    """Means and standard deviations of theta, and log evidence, by sums over a grid of theta."""
    x = [np.linspace(low, high, n) for low, high in zip(lows, highs, strict=True)]
    thetas = np.stack(np.meshgrid(*x, indexing="ij"), -1).reshape(-1, 2)
    away = thetas - FAMILY.prior_mean
    precision = np.linalg.inv(FAMILY.prior_covariance)
    log_prior = -0.5 * np.einsum("ij,jk,ik->i", away, precision, away)
    log_prior += 0.5 * np.linalg.slogdet(precision / (2 * np.pi))[1]
    value = log_prior + exact_log_likelihood(FAMILY, frames, thetas, 240)
    weight = np.exp(value - value.max())
    cell = (x[0][1] - x[0][0]) * (x[1][1] - x[1][0])
    evidence = value.max() + np.log(weight.sum() * cell)
    weight /= weight.sum()
    mean = weight @ thetas
    return mean, np.sqrt(weight @ (thetas - mean) ** 2), evidence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("position_sd", "n_frames", "lows", "highs"),
    # thirty frames hardly tell the depth: the posterior reaches far towards weak attraction
    [(0.0, 200, (-1.0, -0.12), (1.8, 0.12)), (0.04, 30, (-5.0, -0.3), (2.2, 0.3))],
)
def test_posterior_is_the_exact_one_of_two_particles(position_sd, n_frames, lows, highs, oracle):
    rng = np.random.default_rng(5)
    frames = draw_frames(FAMILY, TRUTH, n_frames, rng, position_sd)
    mean, sd, _ = exact_posterior(frames, lows, highs)
    effort = Effort(
        between=20, between_tied=4, round_records=60, final_records=300 if position_sd else 1500,
        most_passes=2, n_draws=1000,
    )  # fmt: skip
    found = fit_by_simulation(frames, FAMILY, TRUTH, effort=effort, rng=2)
    assert found.diagnostics["pareto_k"] < 0.7 and not found.warnings
    # the simulation's own noise is part of the posterior, so its mean may be off by its share
    off = np.abs(found.draws.mean(axis=0) - mean) / sd
    share = np.sqrt(found.diagnostics["simulation_noise_share"])
    oracle("mean", error=off.max(), bound=4 * share + 4 / np.sqrt(500))
    oracle(
        "sd", error=np.abs(np.log(found.draws.std(axis=0) / sd)).max(), bound=4 / np.sqrt(2 * 250)
    )


@pytest.mark.slow
def test_noise_that_nobody_tells_of_makes_the_posterior_wrong():
    frames = draw_frames(FAMILY, TRUTH, 1000, np.random.default_rng(8), 0.05)
    hidden = [
        Snapshot(f.positions, f.species, f.box, f.window, 0 * f.position_sd, f.unit) for f in frames
    ]
    x = np.linspace(-0.3, 1.2, 16)
    thetas = np.stack(np.meshgrid(x, np.linspace(-0.1, 0.06, 21), indexing="ij"), -1).reshape(-1, 2)
    best = [thetas[np.argmax(exact_log_likelihood(FAMILY, some, thetas, 240))]
            for some in (frames, hidden)]  # fmt: skip
    assert best[1][1] < best[0][1] - 0.02  # particles seem smaller than they are


def liquid(n=8, density=0.6, seed=1, potential=None, burn_in=2000):
    side = np.sqrt(n * n / density)
    places = np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) * side / n
    start = AtomicConfiguration(places, unit="reduced", cell=np.eye(2) * side)
    potential = LennardJones(1.0, 1.0, cutoff=2.0) if potential is None else potential
    return sample_positions(
        potential, start, 1, 10, settings=MetropolisSettings(burn_in_sweeps=burn_in), rng=seed
    )[0]


def test_field_of_view_needs_no_cell(oracle):
    inside = liquid(16, seed=3)
    side = inside.cell[0, 0]
    view = AtomicConfiguration(
        inside.positions % side, unit="reduced", field_of_view=(0, 0, side, side)
    )
    family = make_interaction("lennard_jones", length=1.0, cutoff=2.0)
    effort = Effort(round_records=60, final_records=150, most_passes=1, n_draws=600)
    for name, frame in (("cell", inside), ("view", view)):
        found = fit_by_simulation(
            read_snapshots(frame, 0.0), family, np.zeros(2), effort=effort, rng=1
        )
        z = found.draws.mean(axis=0) / found.draws.std(axis=0)
        for k in range(2):
            oracle(f"{name} {family.names[k]}", z=z[k])


def test_problem_knows_its_slopes():
    family = make_interaction("lennard_jones", length=1.0, cutoff=2.0)
    snapshots = read_snapshots(liquid(), 0.0)
    effort = Effort(round_records=60, final_records=100, most_passes=1, n_draws=300)
    posterior, problem, mode = simulate_posterior(
        snapshots, SnapshotEnergies(family), np.zeros(2), effort, np.random.default_rng(1)
    )
    assert posterior.draws.shape == (150, 2)
    h = 1e-3
    for k, step in enumerate(np.eye(2) * h):
        up, down = problem.slopes(mode + step).value, problem.slopes(mode - step).value
        assert problem.slopes(mode).gradient[k] == pytest.approx((up - down) / (2 * h), abs=0.05)


def test_cutoff_beyond_half_the_box_is_refused():
    family = make_interaction("lennard_jones", length=1.0, cutoff=9.0)
    with pytest.raises(InputError, match="half the shortest box length"):
        fit_by_simulation(read_snapshots(liquid(), 0.0), family, np.zeros(2), rng=1)
