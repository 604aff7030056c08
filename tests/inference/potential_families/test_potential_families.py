"""Families of pair potentials: derivatives, names, priors, and what fits keep of them."""

from __future__ import annotations

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.potential_families.fit_contents import (
    add_energies,
    interaction_of,
    name_draws,
    potential_of,
    theta_draws,
    write_interaction,
)
from physlearn.inference.potential_families.make_family import (
    FAMILIES,
    make_family,
    make_interaction,
)
from physlearn.inference.potential_families.user_function import family_from_function, with_prior
from physlearn.lattice_models.particles import LennardJones
from physlearn.results import fit_from_draws

DISTANCE = np.linspace(0.9, 2.4, 30)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("n_species", [1, 2])
def test_a_fit_makes_its_families_again(name, n_species):
    family = make_interaction(name, n_species, length=1.05, cutoff=2.5)
    theta = family.prior_mean + 0.1 * np.random.default_rng(1).standard_normal(
        (7, family.n_parameters)
    )
    named = name_draws(family, theta, "nm")
    fit = fit_from_draws(
        named.draws, model="m", likelihood="l", approximation="a", seed=0, data=b"x",
        units=named.units, prior_sd=named.prior_sd, dims=named.dims, coords=named.coords,
        attrs=write_interaction(family),
    )  # fmt: skip
    again = interaction_of(fit)
    assert again.names == family.names
    np.testing.assert_allclose(theta_draws(fit, again), theta, atol=1e-9)
    kinds = np.zeros(len(DISTANCE), dtype=np.int64)
    np.testing.assert_allclose(
        again.radial(theta[2], DISTANCE, kinds), family.radial(theta[2], DISTANCE, kinds)
    )
    made = potential_of(fit, 2)
    pair = made if n_species == 1 else made.of(0, 0)
    np.testing.assert_allclose(
        pair.value(DISTANCE), family.radial(theta[2], DISTANCE, kinds)[0], atol=1e-9
    )
    with pytest.raises(InputError, match="draw must lie"):
        potential_of(fit, 7)


def test_a_users_function_is_the_function():
    family = family_from_function(
        lambda r, depth, size: 4 * depth * ((size / r) ** 12 - (size / r) ** 6),
        {"depth": (1.0, 0.5), "size": (1.0, 0.1)}, cutoff=2.5, closest=0.7,
        positive=["depth", "size"],
    )  # fmt: skip
    twin = LennardJones(1.3, 0.98, cutoff=2.5)
    theta = family.unconstrained([1.3, 0.98])
    u, slope, _ = family.radial(theta, DISTANCE)
    np.testing.assert_allclose(u, twin.value(DISTANCE), atol=2e-3)
    np.testing.assert_allclose(slope, twin.derivative(DISTANCE), atol=0.05)
    with pytest.raises(InputError, match="finite energies"):
        family_from_function(
            lambda r, a: np.full_like(r, np.nan), {"a": (1.0, 1.0)}, cutoff=2, closest=1
        )
    with pytest.raises(InputError, match="closest must lie below"):
        family_from_function(lambda r, a: a * r, {"a": (1.0, 1.0)}, cutoff=1, closest=2)


def test_priors_in_natural_units():
    family = with_prior(make_family("morse", length=1.0), {"steepness": (5.0, 0.5)})
    assert family.prior_mean[1] == pytest.approx(np.log(5.0))
    assert np.sqrt(family.prior_covariance[1, 1]) == pytest.approx(0.1)
    with pytest.raises(InputError, match="above 0"):
        with_prior(family, {"depth": (-1.0, 1.0)})


def test_energies_at_a_temperature_owe_the_draws_nothing(oracle):
    """k_B in meV / K is 0.08617333262 (SI); the temperature has a stream of its own."""
    n, seed = 4000, 3
    family = make_interaction("lennard_jones", 2, length=1.0, cutoff=2.5)
    theta = np.random.default_rng(seed).multivariate_normal(
        family.prior_mean, 0.01 * np.eye(family.n_parameters), n
    )
    named = name_draws(family, theta, "nm")
    add_energies(named, (300.0, 30.0), seed)
    assert {name for name in named.units if name.endswith("_mev")} == {"depth_mev"}
    assert named.units["depth_mev"] == "meV"
    assert named.dims["depth_mev"] == named.dims["depth"]
    kelvin = named.draws["depth_mev"] / named.draws["depth"] / 0.08617333262
    np.testing.assert_allclose(kelvin[:, 1:], kelvin[:, :-1])
    kelvin = kelvin[:, 0]
    oracle("mean temperature", z=(kelvin.mean() - 300.0) / (30.0 / np.sqrt(n)))
    oracle("sd of temperature", z=(kelvin.std() - 30.0) / (30.0 / np.sqrt(2 * n)))
    for column in theta.T:
        oracle("temperature and draws", z=np.corrcoef(column, kelvin)[0, 1] * np.sqrt(n))
    add_energies(empty := name_draws(family, theta[:1], "nm"), (300.0, 0.0), seed)
    assert empty.draws["depth_mev"].shape == empty.draws["depth"].shape
