"""Posteriors of imperfect pictures against exact ones: wrong, missing and unknown labels."""

import pytest
from exact_comparison import compare


@pytest.mark.parametrize(
    "name",
    [
        "label noise",
        "noise and vacancies",
        "noisy potts",
        "unknown",
    ],
)  # fmt: skip
def test_posterior_is_the_exact_one(name, oracle):
    compare(name, oracle)
