"""Posteriors of lattice fits against sums over all states of small lattices."""

import pytest
from exact_comparison import compare


@pytest.mark.parametrize(
    "name",
    [
        "vacancies",
        "triplets",
        "fixed composition",
        "lattice gas",
        "pair table",
    ],
)  # fmt: skip
def test_posterior_is_the_exact_one(name, oracle):
    compare(name, oracle)
