"""Short series that alone fix no law fix it together; what is shared is found, not told."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.law_data.grouped_laws import fit_grouped_law
from physlearn.inference.law_data.grouped_search import GroupedSearchOptions, discover_grouped_law
from physlearn.inference.law_data.noise_models import NoiseModel

QUICK = GroupedSearchOptions(("exp", "log", "inv"), highest_price=10, n_structures=6, n_refined=2)
SERIES, POINTS = 5, 7


def world(seed, *, own_barrier=False, sd=0.01):
    """Draw series v exp(-b / x), v of each, b of all or of each."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.5, 2.0, SERIES * POINTS)
    sample = np.repeat(np.arange(SERIES), POINTS)
    speed = rng.uniform(0.7, 3.0, SERIES)[sample]
    barrier = rng.uniform(0.6, 2.0, SERIES)[sample] if own_barrier else 1.2
    y = speed * np.exp(-barrier / x) + sd * rng.standard_normal(x.size)
    return x, y, sample, NoiseModel(sd=sd)


@pytest.mark.parametrize(("own_barrier", "own"), [(False, "c0"), (True, "c0, c1")])
def test_the_law_and_what_is_shared_are_found(own_barrier, own):
    x, y, sample, noise = world(2, own_barrier=own_barrier, sd=0.003)
    found = discover_grouped_law({"x": x}, y, sample, noise, QUICK)
    assert found.table["equation"][0] == "c0 * exp(1 / x * c1)"
    assert found.table["own"][0] == own
    assert found.claims_law
    again = fit_grouped_law("a*exp(b/x)", {"x": x}, y, sample, ["a", "b"][: 1 + own_barrier], noise)
    assert found.best.log_evidence == pytest.approx(again.log_evidence, abs=1e-3)
    np.testing.assert_allclose(
        found.best.own["value"].to_numpy(), again.own["value"].to_numpy(), rtol=1e-3
    )
    assert str(found).startswith("c0 * exp(1 / x * c1)")


def test_levels_that_differ_are_no_law():
    rng = np.random.default_rng(3)
    x, sample = rng.uniform(0.5, 2.0, 42), np.repeat(np.arange(6), 7)
    y = rng.uniform(1.0, 3.0, 6)[sample] + 0.05 * rng.standard_normal(42)
    few = GroupedSearchOptions(("exp", "inv"), highest_price=6, n_structures=3, n_refined=1)
    found = discover_grouped_law({"x": x}, y, sample, NoiseModel(sd=0.05), few)
    assert not found.claims_law
    assert str(found).startswith("no law claimed")


@pytest.mark.parametrize(
    ("groups", "said"),
    [(["a"] * 35, "at least 2 different labels"), (["a", "b"], "one label a point, 35; got 2")],
)
def test_series_that_cannot_be_used_are_refused(groups, said):
    x, y, _, noise = world(1)
    with pytest.raises(InputError, match=said):
        discover_grouped_law({"x": x}, y, groups, noise, QUICK)
