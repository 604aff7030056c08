"""What a film's fit says of its residual."""

from types import SimpleNamespace

import numpy as np
import pytest

from physlearn.inference.fields.film_report import _texts
from physlearn.inference.fields.residual_guard import ResidualGuard


def fitted(scores):
    """A fit that has nothing else to be said of it."""
    return SimpleNamespace(
        guard=ResidualGuard(scores), draws=SimpleNamespace(pareto_k=0.1),
        optimum=SimpleNamespace(
            converged=True, covariance=np.eye(2) * 1e-4, point=SimpleNamespace(few=np.ones(2))
        ),
        last=SimpleNamespace(shift=np.zeros(2)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (
            {"time": 3.9, "space": -1.0, "kicks": 3.6},
            "kicks between the frames (score 3.6",
        ),
        ({"time": -5.2, "space": 0.3, "kicks": 3.6}, "kicks between the frames (score -5.2"),
    ],
)
def test_the_score_is_that_of_what_is_named(scores, said):
    """Kicks are flagged from 3.5 on, the others from 4: a larger score may be none to speak of."""
    texts, failed = _texts(SimpleNamespace(edges="periodic"), fitted(scores), ["alpha", "beta"])
    assert failed
    assert len(texts) == 1
    assert said in texts[0]
    assert ("correlated in time" in texts[0]) == (abs(scores["time"]) > 4)
