"""A drift that the diffusion's gradient makes is no force; one beside it is."""

import numpy as np
import pytest

from physlearn.inference import DriftLawOptions, discover_drift_law

EXACT = DriftLawOptions(localization_sd=0.0, search=False)
HALF_WIDTH = 2.5758293035489004  # 99 %


def tracks(drift, seed, n=500, n_frames=20, interval=0.02, n_sub=20):
    """Ito's motion with D = 1 + x**2 / 4 by Milstein's steps, from a uniform start."""
    rng = np.random.default_rng(seed)
    at, seen, h = rng.uniform(-2.0, 2.0, n), [], interval / n_sub
    for _ in range(n_frames):
        seen.append(at)
        for _ in range(n_sub):
            kick = rng.normal(size=n)
            spread = np.sqrt(2 * (1 + at**2 / 4) * h)
            at = at + drift(at) * h + spread * kick + at / 4 * h * (kick**2 - 1)
    times = interval * np.arange(n_frames)
    return [{"t": times, "x": row} for row in np.array(seen).T]


@pytest.mark.parametrize(
    "seed", [2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 3))]
)
def test_the_drift_of_a_free_particle_where_diffusion_varies_is_no_force(seed):
    laws = discover_drift_law(tracks(lambda x: x / 2, seed), options=EXACT)
    assert laws["D"].claims_law
    force = laws["dx/dt - dD/dx"]
    assert not force.claims_law and not force.best.variables
    assert laws.said[0].startswith("the drift is what the diffusion's gradient makes: no force")
    assert "friction" not in laws.verdict and "force law is seen" not in laws.verdict


def test_a_trap_where_diffusion_varies_is_a_force():
    laws = discover_drift_law(tracks(lambda x: -1.5 * x, 4), options=EXACT)
    force = laws["dx/dt - dD/dx"]
    assert force.claims_law and force.best.structure == {("x",)}
    error = float(np.sqrt(force.best.covariance[0, 0]))
    assert abs(float(force.best.constants[0]) + 2.0) < HALF_WIDTH * error
    assert laws.said[0].startswith("a force law is seen: dx/dt - dD/dx = ")
    assert "friction" not in laws.verdict


def test_a_constant_diffusion_has_no_law_less_its_gradient():
    walk = np.cumsum(np.random.default_rng(5).normal(0.0, 0.3, (100, 5)), axis=0)
    laws = discover_drift_law([{"t": np.arange(100.0), "x": row} for row in walk.T], options=EXACT)
    assert list(laws) == ["dx/dt", "D"]


def test_of_two_coordinates_too_the_gradient_of_diffusion_is_no_force():
    rng = np.random.default_rng(1)
    at, seen, h = rng.uniform(-1.5, 1.5, (2, 30)), [], 0.004
    for _ in range(25):
        seen.append(at)
        for _ in range(10):
            level = 1.0 + (at**2).sum(axis=0) / 4.0
            at = at + 0.5 * at * h + np.sqrt(2.0 * level * h) * rng.normal(size=at.shape)
    times = 0.04 * np.arange(25)
    laws = discover_drift_law(
        [{"t": times, "x": row[0], "y": row[1]} for row in np.array(seen).T], options=EXACT
    )
    assert laws["D"].best.structure == {("c",), ("x", "square"), ("y", "square")}
    assert not any(laws[f"d{name}/dt - dD/d{name}"].claims_law for name in "xy")
    assert laws.said[0].startswith("the drift is what the diffusion's gradient makes: no force")
