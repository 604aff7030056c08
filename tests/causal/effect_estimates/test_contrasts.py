import networkx as nx
import numpy as np
import pandas as pd
import pytest

from physlearn.causal import estimate_effect
from physlearn.causal.effect_estimates.contrasts import chosen_contrast, contrast_notes
from physlearn.checks import InputError
from physlearn.records import PatchTable

LINK = nx.DiGraph([("a", "b")])


def table_of(a, grid):
    b = 2.0 * a + np.random.default_rng(1).normal(size=len(a))
    return PatchTable.from_frame(pd.DataFrame({"a": a, "b": b}), grid(24), 1.0)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_cause_of_two_values_is_set_from_one_to_the_other(grid, share):
    a = 3.0 + (np.random.default_rng(0).random(576) < share)
    effect = estimate_effect(table_of(a, grid), LINK, "a", "b", rng=0)
    assert effect.contrast == (3.0, 4.0)
    assert effect.sd > 0
    assert abs(effect.mean - 2.0) < 4 * effect.sd


def test_percentiles_that_are_the_same_give_way_to_the_range(grid):
    a = np.zeros(576)
    a[:20] = np.linspace(1, 2, 20)
    a = np.random.default_rng(0).permutation(a)
    effect = estimate_effect(table_of(a, grid), LINK, "a", "b", rng=0)
    assert effect.contrast == (0.0, 2.0)
    assert any("least to its largest" in note for note in effect.warnings)


def test_a_contrast_beyond_what_was_seen_is_warned_of(grid):
    a = np.random.default_rng(0).normal(size=576)
    for contrast, warned in (((0, 1e6), True), ((0, 1), False), (None, False)):
        effect = estimate_effect(table_of(a, grid), LINK, "a", "b", contrast=contrast, rng=0)
        assert warned == any("reaches beyond" in note for note in effect.warnings)
    assert contrast_notes("a", a, (-20.0, 0.0), given=True)


@pytest.mark.parametrize(
    "contrast", [("x", 1), 5, (1,), (0, 0), (0, np.nan), "ab", (0, None), (0, 1, 2), {1, 2}]
)
def test_no_contrast(contrast):
    with pytest.raises(InputError, match="two different finite numbers"):
        chosen_contrast("a", np.arange(9.0), contrast)


def test_numbers_of_any_kind_are_a_contrast():
    for contrast in ((0, 1), [0.0, 1], np.array([0, 1]), (np.float32(0), np.int64(1))):
        assert chosen_contrast("a", np.arange(9.0), contrast) == (0.0, 1.0)
