"""Which actions may still be done: one flag each, or refused."""

import numpy as np
import pytest

from physlearn import InputError
from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.evidence import declare_test, follow
from physlearn.causal.severity.verdicts import assess


@pytest.mark.parametrize("bad", [7, [True], np.ones((9, 1), bool), "all", [np.nan] * 9])
def test_flags_of_another_shape_are_refused(bad):
    table = DesignTable(("a", "b"), (np.zeros((1, 9)), np.ones((1, 9))), 0.1, np.linspace(0, 1, 9))
    evidence = follow(declare_test(table, rng=0))
    assert assess(evidence, allowed=np.ones(9, bool)).kind == "continue"
    assert assess(evidence, allowed=np.zeros(9, bool)).kind != "continue"
    with pytest.raises(InputError, match="allowed must"):
        assess(evidence, allowed=bad)
