import numpy as np
import pandas as pd
import pytest

from physlearn.causal import spatial_independence
from physlearn.causal.columns import prepare_columns
from physlearn.causal.independence.choose_test import choose_test, default_test, discrete_columns
from physlearn.checks import InputError
from physlearn.records import PatchTable


def scattered(n=300):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    return PatchTable.from_frame(frame, rng.random((n, 2)) * 10, 0.1)


@pytest.mark.parametrize(
    ("table", "kind", "words"),
    [
        (lambda imaged: imaged(32, 0)[0], "channel", "32 x 32"),
        (lambda imaged: imaged(32, 0, keep=0.85)[0], "channel", "blur, offsets"),
        (lambda imaged: imaged(12, 0)[0], "linear", "too few"),
        (lambda imaged: imaged(32, 0, keep=0.4)[0], "linear", "too few"),
        (lambda _: scattered(), "linear", "no cells of one grid"),
    ],
)
def test_the_table_decides_which_test_answers(imaged, table, kind, words):
    given = table(imaged)
    first, second = given.columns[:2]
    result = spatial_independence(given, first, second)
    assert result.test == kind
    assert words in result.why


def test_a_named_test_answers_without_a_reason(imaged):
    table = imaged(32, 0)[0]
    columns = prepare_columns(table)
    assert choose_test(table, columns, test="linear")(0, 1).test == "linear"
    assert choose_test(table, columns, test="channel")(0, 1).why == ""
    with pytest.raises(InputError, match="test must be"):
        choose_test(table, columns, test="kernel")
    with pytest.raises(InputError, match="rectangular grid"):
        choose_test(scattered(), prepare_columns(scattered()), test="channel")


def test_each_question_goes_to_the_test_of_its_kinds(imaged):
    table = imaged(32, 0, effect=0.5)[0]
    frame = table.frame.assign(phase=(table.frame.z1 > 0).astype(float))
    whole = PatchTable.from_frame(
        frame, table.centers, 1.0, measurement_covariance=np.zeros((1, 4, 4))
    )
    columns = prepare_columns(whole)
    assert discrete_columns(whole, columns) == ["phase"]
    test = choose_test(whole, columns)
    assert test(0, 1, [2]).test == "channel"
    assert test(0, 3).test == "mixed"
    assert "phase" in test(0, 3).why
    half = test.on_blocks(np.arange(test.n_blocks) % 2 == 0)
    assert half(0, 1, [2]).verdict == test(0, 1, [2]).verdict == "dependent"
    assert half(0, 3).test == "mixed"
    assert default_test(table, prepare_columns(table))[0] == "channel"


def curved(edge, seed, *, effect=0.0):
    """x and y answer to the square of z; `effect` of x's own part on y."""
    rng = np.random.default_rng(seed)
    z, u, v = rng.normal(size=(3, edge * edge))
    x = z**2 + z + u
    frame = pd.DataFrame({"x": x, "y": z**2 - z + effect * u + v, "z": z})
    row, column = np.mgrid[:edge, :edge].reshape(2, -1)
    return PatchTable.from_frame(
        frame, np.stack([column, row], 1), 1.0, measurement_covariance=np.zeros((1, 3, 3))
    )


def test_curved_responses_feign_no_dependence_in_small_fields():
    null = [spatial_independence(curved(20, seed), "x", "y", ["z"]) for seed in range(20)]
    # binomial(20, .05): 5 or fewer with probability .9997
    assert sum(r.verdict == "dependent" for r in null) <= 5
    assert all("curved responses" in r.why or r.test == "linear" for r in null)
    true = [spatial_independence(curved(20, k, effect=0.5), "x", "y", ["z"]) for k in range(6)]
    assert [r.verdict for r in true] == ["dependent"] * 6


def test_small_fields_claim_no_independence_that_they_could_not_refute(imaged):
    found = [
        spatial_independence(imaged(6, seed, n_given=0, length=1.5)[0], "x", "y").verdict
        for seed in range(12)
    ]
    assert "independent" not in found
