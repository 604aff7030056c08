"""Posteriors of lattice fits against sums over all states of small lattices."""

import pytest
from exact_comparison import REST, compare

NAMES = ("vacancies", "triplets", "fixed composition", "lattice gas", "pair table")


@pytest.mark.parametrize("name", NAMES)
def test_posterior_is_the_exact_one(name, oracle):
    compare(name, oracle)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_posteriors_of_six_more_pictures_are_the_exact_ones(name, oracle):
    compare(name, oracle, REST)
