"""Laws of walls and free energies as hypotheses: closed forms are the truth."""

import numpy as np
import pytest

from physlearn.causal import Action
from physlearn.causal.hypothesis_families.wall_hypotheses import (
    equilibrium_order,
    hypotheses_from_landau_fits,
    hypotheses_from_wall_laws,
)
from physlearn.checks import InputError
from physlearn.inference import fit_drive_law
from physlearn.results import fit_from_draws

SAID = {"likelihood": "Gauss", "approximation": "none", "seed": 1, "data": b"x"}


def _bias(value):
    return Action("change_bias", {"bias_V": float(value)}, 0, 1, 1)


def _landau(terms, n=200, spread=0.01):
    rng = np.random.default_rng(2)
    values = np.array(list(terms.values())) + spread * rng.standard_normal((n, len(terms)))
    return fit_from_draws(
        {"landau": values}, model="film", dims={"landau": ["term"]},
        coords={"term": list(terms)}, **SAID,
    )  # fmt: skip


def test_laws_fitted_to_speeds_predict_the_speeds():
    levels = np.linspace(0.8, 2.0, 9)
    speeds = np.exp(3.0 - (4.0 / levels) ** 0.5)
    sd = 0.01
    covariance = sd**2 * np.eye(9)
    noisy = speeds + sd * np.random.default_rng(1).normal(size=9)
    fits = {
        law: fit_drive_law(levels, noisy, covariance, law, rng=1) for law in ("linear", "creep")
    }
    linear, creep = hypotheses_from_wall_laws(fits, noise_sd=sd, unit="nm/s")
    inside = [_bias(v) for v in (1.0, 1.5)]
    drawn = creep.joint(inside, np.random.default_rng(0), 2000)
    truth = np.exp(3.0 - (4.0 / np.array([1.0, 1.5])) ** 0.5)
    assert (np.abs(drawn.mean(axis=0) - truth) < 4 * sd).all()
    assert (drawn.std(axis=0) < sd).all()
    mobility = (levels @ noisy) / (levels @ levels)
    assert linear.mean_sd(_bias(2.0), 0)[0] == pytest.approx(2 * mobility, rel=1e-3)
    # odd in the drive, nothing moves at none
    assert creep.mean_sd(_bias(-1.0), 0)[0] == pytest.approx(-creep.mean_sd(_bias(1.0), 0)[0])
    assert creep.mean_sd(_bias(0.0), 0) == (0.0, sd)
    assert creep.unit == "nm/s"


def test_a_pinned_wall_stands_below_its_threshold():
    draws = {
        "depinning_field": np.full(50, 1.0), "depinning_exponent": np.full(50, 0.5),
        "depinning_velocity": np.full(50, 3.0),
    }  # fmt: skip
    fit = fit_from_draws(draws, model="wall", **SAID)
    (law,) = hypotheses_from_wall_laws({"pinned": fit}, noise_sd=0.1)
    means = [law.mean_sd(_bias(v), 0)[0] for v in (-0.9, 0.9, 1.25, -5.0)]
    assert means == pytest.approx([0.0, 0.0, 1.5, -6.0])
    assert law.mean_sd(Action("wait", {"wait_s": 1.0}, 0, 1, 1), 0) is None


def test_order_is_the_lowest_minimum_of_the_free_energy():
    rng = np.random.default_rng(3)
    c = {name: rng.uniform(-2, 2, 300) for name in ("a", "b", "c", "bias")}
    c["e"] = rng.uniform(0.2, 2.0, 300)
    found = equilibrium_order(c, 0.7)
    for k in range(300):
        # powers 5, 4 (none), 3, 2, 1, 0 of the equation of state, by numpy's own roots
        force = [c["e"][k], 0.0, c["c"][k], c["b"][k], c["a"][k], -c["bias"][k] - 0.7]
        roots = np.roots(force)
        real = roots[np.abs(roots.imag) < 1e-9].real
        energy = np.polyval(np.polyint(force), real)
        assert energy.min() == pytest.approx(np.polyval(np.polyint(force), found[k]), abs=1e-6)


def test_films_give_ratios_and_loops_give_coefficients():
    film = _landau({"alpha": -0.8, "beta": 0.8, "gradient": 0.3, "field": 0.4}, spread=0.0)
    loop = _landau({"a": -2.0, "c": 2.0}, spread=0.0)
    laws = hypotheses_from_landau_fits(
        {"film": film, "loop": loop}, noise_sd=0.1, argument="bias_V"
    )
    means = [law.mean_sd(_bias(12.0), 0)[0] for law in laws]
    # -2 P + 2 P^3 = 12 at P = 2
    assert means == pytest.approx([2.0, 2.0])


def test_members_of_a_free_energy_share_its_uncertainty():
    (law,) = hypotheses_from_landau_fits(
        {"loop": _landau({"a": 1.0, "c": 1e-9}, n=4000, spread=0.0)},
        noise_sd=0.1,
        argument="bias_V",
    )
    drawn = law.joint([_bias(1.0), _bias(2.0)], np.random.default_rng(0), 100)
    np.testing.assert_allclose(drawn, np.tile([1.0, 2.0], (100, 1)), rtol=1e-6)


def test_fits_that_cannot_be_are_refused():
    other = fit_from_draws({"rate": np.ones(5)}, model="m", **SAID)
    with pytest.raises(InputError, match=r"laws of a wall .*'x' has the variables rate"):
        hypotheses_from_wall_laws({"x": other}, noise_sd=0.1)
    with pytest.raises(InputError, match="must hold the variable landau; 'x' has rate"):
        hypotheses_from_landau_fits({"x": other}, noise_sd=0.1)
    with pytest.raises(InputError, match="has no field term"):
        hypotheses_from_landau_fits({"x": _landau({"alpha": -1.0, "beta": 1.0})}, noise_sd=0.1)
    with pytest.raises(InputError, match="above 0 in every draw"):
        hypotheses_from_landau_fits({"x": _landau({"a": 1.0, "c": -1.0})}, noise_sd=0.1)
    with pytest.raises(InputError, match="fits must hold name -> Fit"):
        hypotheses_from_wall_laws({}, noise_sd=0.1)
