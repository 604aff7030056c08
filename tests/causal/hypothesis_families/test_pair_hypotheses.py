"""Pair potentials of fits as hypotheses of a force at a distance."""

import numpy as np
import pytest

from physlearn.causal import Action
from physlearn.causal.hypothesis_families.pair_hypotheses import hypotheses_from_pair_fits
from physlearn.checks import InputError
from physlearn.inference.potential_families.fit_contents import name_draws, write_interaction
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.results import fit_from_draws

SAID = {"likelihood": "l", "approximation": "a", "seed": 0, "data": b"x"}


def _at(distance):
    return Action("move", {"x": 0.0, "y": 0.0, "distance": float(distance)}, 0, 1, 1)


def _fit(depth, diameter):
    """Lennard-Jones with draws of depth and diameter."""
    family = make_interaction("lennard_jones", length=1.0)
    assert family.names == ("depth", "diameter")
    theta = family.unconstrained(np.stack([depth, diameter], axis=1))
    named = name_draws(family, theta, "nm")
    return fit_from_draws(named.draws, model="lj", attrs=write_interaction(family), **SAID)


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(1)
    return _fit(np.exp(rng.normal(0, 0.1, 500)), np.exp(rng.normal(0, 0.02, 500)))


def test_force_and_energy_are_those_of_lennard_jones():
    exact = _fit(np.full(5, 2.0), np.full(5, 1.1))
    (force,) = hypotheses_from_pair_fits({"lj": exact}, noise_sd=0.1)
    (energy,) = hypotheses_from_pair_fits({"lj": exact}, noise_sd=0.1, readout="energy")
    r, s = 1.3, 1.1
    wanted = 4 * 2.0 * (12 * s**12 / r**13 - 6 * s**6 / r**7)
    assert force.mean_sd(_at(r), 0)[0] == pytest.approx(wanted, rel=1e-3)
    # energies are shifted to 0 at the cut-off, so that their differences are compared
    far = 1.8
    difference = energy.mean_sd(_at(r), 0)[0] - energy.mean_sd(_at(far), 0)[0]
    exactly = [4 * 2.0 * ((s / x) ** 12 - (s / x) ** 6) for x in (r, far)]
    assert difference == pytest.approx(exactly[0] - exactly[1], rel=1e-6)


def test_members_move_together_over_distances(fit):
    (law,) = hypotheses_from_pair_fits({"lj": fit}, noise_sd=0.1, n_draws=500)
    drawn = law.joint([_at(1.25), _at(1.35)], np.random.default_rng(0), 500)
    assert np.corrcoef(drawn.T)[0, 1] > 0.5
    assert drawn.std(axis=0).min() > 0.01


def test_what_cannot_be_is_refused(fit):
    (law,) = hypotheses_from_pair_fits({"lj": fit}, noise_sd=0.1)
    assert law.mean_sd(Action("wait", {"wait_s": 1.0}, 0, 1, 1), 0) is None
    with pytest.raises(InputError, match="distance of move must be above 0; got -1"):
        law.mean_sd(_at(-1.0), 0)
    with pytest.raises(InputError, match="kind must be two species"):
        hypotheses_from_pair_fits({"lj": fit}, noise_sd=0.1, kind=(0, 1))
    with pytest.raises(InputError, match="readout"):
        hypotheses_from_pair_fits({"lj": fit}, noise_sd=0.1, readout="slope")
    with pytest.raises(InputError, match="must be one of a pair potential"):
        hypotheses_from_pair_fits(
            {"other": fit_from_draws({"a": np.ones(5)}, model="m", **SAID)}, noise_sd=0.1
        )
