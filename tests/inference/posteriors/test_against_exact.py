"""Posteriors of lattice fits against exact ones: Kaufman at 64 x 64, tori by transfer matrices."""

import pytest
from exact_comparison import REST, compare

NAMES = (
    "kaufman", "kaufman at the transition", "ising", "one picture", "two shells", "potts",
    "blume_capel",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_posterior_is_the_exact_one(name, oracle):
    compare(name, oracle)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_posteriors_of_six_more_pictures_are_the_exact_ones(name, oracle):
    compare(name, oracle, REST)
