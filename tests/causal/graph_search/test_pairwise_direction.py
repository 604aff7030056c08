"""Worlds of fields: 36 x 36 patches, correlation length 1, a fifth of the variance white."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal.graph_search.pairwise_direction import pairwise_direction
from physlearn.causal.graph_search.pairwise_models import independence_p_value, shift_rows
from physlearn.causal.spatial_layout import SpatialLayout
from physlearn.checks import InputError
from physlearn.records import PatchTable

LAWS = {
    "square": lambda x: x + 0.5 * x**2,
    "saturates": lambda x: np.tanh(2 * x),
    "cubic": lambda x: x**3 / 3 + 0.3 * x,
    "exponential": lambda x: np.exp(0.7 * x),
    "line": lambda x: x,
}


@pytest.fixture
def pair(fields, grid):
    """Return a table of columns p and q; p drives q, or q drives p for odd seeds."""

    def make(seed, law="line", *, noise=0.5, edge=36, confounded="", covariance=0.0):
        rng = np.random.default_rng(seed)
        x, n, hidden = np.sqrt(0.8) * fields(edge, 1.0, 3, rng) + np.sqrt(
            0.2
        ) * rng.standard_normal((3, edge * edge))
        y = LAWS[law](x)
        y = y / y.std() + noise * n
        if confounded == "linear":
            x, y = 0.8 * hidden + 0.6 * x, 0.8 * hidden + 0.6 * n
        elif confounded == "curved":
            x, y = hidden + 0.5 * hidden**2 + 0.5 * x, np.tanh(2 * hidden) + 0.5 * n
        columns = (y, x) if seed % 2 else (x, y)
        frame = pd.DataFrame(dict(zip("pq", columns, strict=True)))
        noise_table = np.array([[[covariance, 0.0], [0.0, 0.0]]])
        return PatchTable.from_frame(frame, grid(edge), 1.0, measurement_covariance=noise_table)

    return make


def _truth(seed):
    return "y->x" if seed % 2 else "x->y"


@pytest.mark.parametrize("law", ["square", "saturates", "cubic", "exponential"])
def test_additive_noise_finds_the_direction_of_curved_laws(pair, law):
    right = wrong = 0
    for seed in range(10):
        found = pairwise_direction(pair(seed, law), "p", "q", rng=seed)
        right += found.verdict == _truth(seed)
        wrong += found.verdict not in (_truth(seed), "undecided")
    assert right >= 9
    assert wrong == 0


def test_a_line_of_gaussian_columns_is_left_open(pair):
    answers = [pairwise_direction(pair(seed), "p", "q", rng=seed) for seed in range(16)]
    # each of two directions is ruled out by chance in 1 %: 0.3 of 16, more than 2 in 0.4 %
    assert sum(a.verdict != "undecided" for a in answers) <= 2
    open_ones = [a for a in answers if a.verdict == "undecided"]
    assert all("linear relations of Gaussian" in a.reason for a in open_ones)
    assert "is open" in open_ones[0].claim()


@pytest.mark.parametrize(("kind", "says"), [("linear", "both directions"), ("curved", "hidden")])
def test_a_hidden_cause_is_not_taken_for_a_direction(pair, kind, says):
    answers = [
        pairwise_direction(pair(seed, confounded=kind), "p", "q", rng=seed) for seed in range(8)
    ]
    assert sum(a.verdict != "undecided" for a in answers) <= 1
    assert sum(says in a.reason for a in answers) >= 7


@pytest.mark.parametrize("law", ["cubic", "exponential"])
def test_slopes_find_the_direction_of_an_all_but_noise_free_law(pair, law):
    for seed in range(6):
        table = pair(seed, law, noise=0.05)
        found = pairwise_direction(table, "p", "q", method="igci", rng=seed)
        assert found.verdict == _truth(seed)
        assert found.cause == ("q" if seed % 2 else "p")
        assert "weak claim" in found.claim()


def test_slopes_leave_lines_and_scattered_relations_open(pair):
    lines = [
        pairwise_direction(pair(seed, noise=0.05), "p", "q", method="igci") for seed in range(12)
    ]
    assert sum(a.verdict != "undecided" for a in lines) <= 1
    scattered = pairwise_direction(pair(0, "square"), "p", "q", method="igci")
    assert scattered.verdict == "undecided"
    assert "scatters" in scattered.reason


def test_shifted_fields_give_independence_its_level(fields, grid):
    rng = np.random.default_rng(0)
    shifts = shift_rows(SpatialLayout(grid(24)), rng)
    values = [
        independence_p_value(*fields(24, 1.5, 2, np.random.default_rng(seed)), shifts)
        for seed in range(150)
    ]
    rejected = sum(p < 0.05 for p in values)
    assert stats.binomtest(rejected, 150, 0.05, alternative="greater").pvalue > 1e-4
    assert stats.binomtest(rejected, 150, 0.05, alternative="less").pvalue > 1e-4


def test_what_cannot_be_answered_says_why(pair):
    noisy = pairwise_direction(pair(0, "square", covariance=0.2), "p", "q")
    assert noisy.verdict == "undecided"
    assert "of p is measurement noise" in noisy.reason
    small = pairwise_direction(pair(0, "square", edge=8), "p", "q")
    assert "use a larger field" in small.reason
    table = pair(0, "square")
    coarse = PatchTable.from_frame(table.frame.round(0), table.centers, 1.0)
    assert "continuous column" in pairwise_direction(coarse, "p", "q").reason
    with pytest.raises(InputError, match="'r' is no column"):
        pairwise_direction(table, "p", "r")
    with pytest.raises(InputError, match="named twice"):
        pairwise_direction(table, "p", "p")
    with pytest.raises(InputError, match="method"):
        pairwise_direction(table, "p", "q", method="guess")
