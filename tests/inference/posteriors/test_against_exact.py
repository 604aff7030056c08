"""Posteriors of lattice fits against exact ones: Kaufman at 64 x 64, tori by transfer matrices."""

import pytest
from exact_comparison import compare


@pytest.mark.parametrize(
    "name",
    [
        "kaufman",
        "kaufman at the transition",
        "ising",
        "one picture",
        "two shells",
        "potts",
        "blume_capel",
    ],
)  # fmt: skip
def test_posterior_is_the_exact_one(name, oracle):
    compare(name, oracle)
