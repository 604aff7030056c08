"""The polynomial that stands for a simulated likelihood, in PyMC; odds; the bound."""

import numpy as np
import pytest
from snapshot_pairs import CUTOFF, LENGTH, boltzmann, grid

from physlearn.checks import InputError
from physlearn.inference.configurations.compare_potentials import (
    PotentialCandidate,
    compare_potentials,
)
from physlearn.inference.configurations.likelihood_surface import LikelihoodSurface, fit_surface
from physlearn.inference.configurations.snapshot_chain import SnapshotChain
from physlearn.inference.configurations.snapshot_energies import SnapshotEnergies, ThreeBody
from physlearn.inference.configurations.snapshot_potential import snapshot_model, snapshot_potential
from physlearn.inference.potential_families.fit_contents import write_interaction
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.lattice_models.particles import StillingerWeberAngle
from physlearn.records import AtomicConfiguration
from physlearn.results import fit_from_draws

FAMILY = make_interaction("lennard_jones", length=1.0, cutoff=CUTOFF)


def quartic(theta):
    return -40 * theta[:, 0] ** 2 - 30 * theta[:, 1] ** 2 + 20 * theta[:, 0] ** 2 * theta[:, 1]


def surface_fit(values=quartic):
    theta = np.random.default_rng(1).normal(0.0, 0.12, (800, 2))
    surface = fit_surface(theta, values(theta), np.full(800, 1 / 800))
    fit = fit_from_draws(
        {"depth": np.exp(theta[:, 0])}, model="m", likelihood="l", approximation="a", seed=1,
        data=b"x", diagnostics={"likelihood_surface": surface.to_dict()},
        attrs=write_interaction(FAMILY),
    )  # fmt: skip
    return theta, surface, fit


def test_polynomial_is_exact_where_the_likelihood_is_one():
    theta, surface, _ = surface_fit()
    again = LikelihoodSurface.from_dict(surface.to_dict())
    assert again(theta) == pytest.approx(quartic(theta), abs=1e-8)


def test_pymc_sees_the_same_numbers():
    pytest.importorskip("pymc")
    theta, _, fit = surface_fit()
    potential = snapshot_potential(fit)
    numbers = {"depth": float(np.exp(theta[3, 0])), "diameter": float(np.exp(theta[3, 1]))}
    assert float(potential(numbers).eval()) == pytest.approx(quartic(theta[3:4])[0], abs=1e-8)
    model = snapshot_model(fit)
    point = model.initial_point()
    slope = model.compile_dlogp()(point)
    value = model.compile_logp()
    for k in range(2):
        up, down = ({"z": point["z"] + s * 1e-5 * np.eye(2)[k]} for s in (1, -1))
        assert slope[k] == pytest.approx((value(up) - value(down)) / 2e-5, abs=1e-5)
    with pytest.raises(InputError, match="must name"):
        potential({"depth": 1.0})


def test_the_volume_of_score_matching_is_no_part_of_the_likelihood():
    pytest.importorskip("pymc")
    theta, surface, plain = surface_fit()
    tilt = fit_surface(theta, 3.0 * theta[:, 0], np.full(800, 1 / 800))
    both = {"likelihood_surface": surface.to_dict(), "volume_surface": tilt.to_dict()}
    fit = fit_from_draws(
        {"depth": np.exp(theta[:, 0])}, model="m", likelihood="l", approximation="a", seed=1,
        data=b"x", diagnostics=both, attrs=write_interaction(FAMILY),
    )  # fmt: skip
    at = theta[5]
    assert float(snapshot_potential(fit)(at).eval()) == pytest.approx(quartic(at[None])[0])
    z = np.linalg.solve(surface.factor, at - surface.center)
    more = snapshot_model(fit).compile_logp()({"z": z})
    less = snapshot_model(plain).compile_logp()({"z": z})
    assert more - less == pytest.approx(3.0 * at[0], abs=1e-6)


def test_a_likelihood_that_is_no_polynomial_is_refused():
    *_, fit = surface_fit(lambda theta: 3.0 * np.sign(np.sin(40 * theta[:, 0])))
    with pytest.raises(InputError, match="departs from a polynomial"):
        snapshot_potential(fit)


def test_information_of_two_particles_is_the_integral(oracle):
    energies = SnapshotEnergies(FAMILY)
    theta = np.array([0.4, 0.0])
    box = np.array([LENGTH, LENGTH])
    chain = SnapshotChain(
        energies, np.array([[0.1, 0.1], [1.5, 1.5]]), np.zeros(2, int), box,
        np.random.default_rng(1),
    )  # fmt: skip
    vector, rows = energies.vector(theta), energies.slopes(theta)
    chain.settle(vector, 100)
    seen = chain.record(vector, 4000, 20).astype(float) @ rows[0]
    weight, _ = boltzmann(FAMILY, theta)
    r = np.maximum(np.linalg.norm(grid(), axis=-1).ravel(), 0.4)
    slope = FAMILY.radial_gradient(theta, r, np.zeros(len(r), int))[0, :, 0]
    share = weight.ravel() / weight.sum()
    exact = share @ slope**2 - (share @ slope) ** 2
    pieces = seen.reshape(40, -1)
    spread = pieces.var(axis=1).std(ddof=1) / np.sqrt(40)
    oracle("information of the depth", z=(seen.var() - exact) / spread)


def test_comparison_refuses_what_does_not_fit_together():
    gas = AtomicConfiguration(
        np.random.default_rng(1).random((30, 2)) * 8, unit="reduced", cell=np.eye(2) * 8
    )
    with pytest.raises(InputError, match="at least two"):
        compare_potentials(
            gas,
            {"one": PotentialCandidate(FAMILY)},
            position_sd=0.0,
            rng=1,
            sampling="thermal_snapshot",
        )
    with pytest.raises(InputError, match="sampling must say"):
        compare_potentials(gas, {"one": PotentialCandidate(FAMILY)}, position_sd=0.0, rng=1)
    angles = [StillingerWeberAngle(cosine=c) for c in (-0.5, -0.3)]
    some = {str(a): PotentialCandidate(FAMILY, ThreeBody(a)) for a in angles}
    with pytest.raises(InputError, match="share angle"):
        compare_potentials(gas, some, position_sd=0.0, rng=1, sampling="thermal_snapshot")
