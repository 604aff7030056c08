"""Each law of a set with the posterior of its constants, as hypotheses."""

import numpy as np
import pytest

from physlearn.causal import Action
from physlearn.causal.hypothesis_families.symbolic_hypotheses import hypotheses_from_laws
from physlearn.checks import InputError, NotIdentified
from physlearn.inference import EquationSet, SymbolicRegressor
from physlearn.inference.laws.equation import Equation, Term

NOISE_SD = 0.2
X = np.linspace(0.5, 2.0, 25)


def _act(bias):
    return Action("change_bias", {"bias_V": float(bias)}, 0, 1, 1)


@pytest.fixture(scope="module")
def laws():
    y = 1.5 * X**2 + np.random.default_rng(0).normal(0, NOISE_SD, X.size)
    model = SymbolicRegressor(noise=NOISE_SD, variables=["x"], largest_size=3, rng=1)
    return model.fit(X[:, None], y).equations_


def test_weights_and_constants_are_those_of_the_set(laws):
    found = hypotheses_from_laws(laws, {"x": "bias_V"}, rng=0, n_draws=4000)
    assert [h.weight for h in found] == pytest.approx(laws.weights[: len(found)].tolist())
    place = laws.index_of([("x", "x", "mul")]) or laws.index_of([("x", "square")])
    assert place is not None
    law = found[place]
    drawn = law.joint([_act(1.0), _act(2.0)], np.random.default_rng(0), 4000)
    # one constant: least squares on x^2 with known noise
    sd = NOISE_SD / np.sqrt((X**4).sum())
    assert drawn[:, 0].std() == pytest.approx(sd, rel=4 / np.sqrt(2 * 4000) + 0.02)
    np.testing.assert_allclose(drawn[:, 1], 4 * drawn[:, 0])
    assert abs(drawn[:, 0].mean() - 1.5) < 4 * sd


def test_acts_outside_of_what_was_measured_are_marked(laws):
    law = hypotheses_from_laws(laws, {"x": "bias_V"}, rng=0)[0]
    assert law.supports(_act(1.0))
    assert not law.supports(_act(5.0))
    wait = Action("wait", {"wait_s": 1.0}, 0, 1, 1)
    assert law.supports(wait)
    assert law.mean_sd(wait, 0) is None


def test_an_argument_may_be_a_function_of_the_act(laws):
    direct = hypotheses_from_laws(laws, {"x": "bias_V"}, rng=0)[0]
    by_function = hypotheses_from_laws(laws, {"x": lambda act: act.number("bias_V") / 2}, rng=0)[0]
    assert by_function.mean_sd(_act(3.0), 0) == direct.mean_sd(_act(1.5), 0)


def test_what_cannot_be_is_refused(laws):
    with pytest.raises(InputError, match="which argument of an action sets x"):
        hypotheses_from_laws(laws, {"y": "bias_V"})
    one = Equation((Term(2.0, ("x",)),), loss=0.0, description_length=1.0, n_constants=1)
    single = EquationSet((one,), ("x",), "y", np.array([[0.0, 1.0]]), 0.1)
    with pytest.raises(NotIdentified, match="holds one law"):
        hypotheses_from_laws(single, {"x": "bias_V"})


def test_a_law_that_is_not_defined_at_an_act_says_so():
    def law(program, length):
        return Equation((Term(2.0, program),), 0.0, length, 1, covariance=np.array([[0.01]]))

    pair = EquationSet(
        (law(("x", "log"), 1.0), law(("x",), 2.0)), ("x",), "y", np.array([[0.5, 2.0]]), 0.1
    )
    found = hypotheses_from_laws(pair, {"x": "bias_V"}, rng=0)
    assert found[1].mean_sd(_act(-1.0), 0)[0] == pytest.approx(-2.0, abs=0.05)
    with pytest.raises(InputError, match="not defined for 100% of its constants"):
        found[0].mean_sd(_act(-1.0), 0)
