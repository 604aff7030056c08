"""Terms that users write: checked where they are made, their slopes exact."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference import FieldTerm
from physlearn.inference.fields import term_kernels
from physlearn.inference.fields.user_terms import BUILT_IN

ORDER = np.linspace(-1.2, 1.4, 12).reshape(3, 4)
FIELD = np.full((3, 4), 0.3)


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda order, field: order**2, 2 * ORDER),
        (lambda order, field: np.tanh(order) * field, 0.3 / np.cosh(ORDER) ** 2),
        (lambda order, field: np.abs(order) * order, 2 * np.abs(ORDER)),
        (lambda order, field: np.where(order > 0, order**2, 0.0), 2 * np.maximum(ORDER, 0)),
        (lambda order, field: 1.0, 0 * ORDER),
    ],
)
def test_slopes_by_complex_step_or_differences(function, slope):
    term = FieldTerm("own", function)
    assert np.allclose(term.slope(ORDER, FIELD), slope, atol=2e-5)
    assert term.value(ORDER, FIELD).shape == ORDER.shape


def test_a_given_derivative_is_used_and_checked():
    term = FieldTerm("own", lambda order, field: order**2, lambda order, field: 2 * order)
    assert np.array_equal(term.slope(ORDER, FIELD), 2 * ORDER)
    with pytest.raises(InputError, match="must be that of its function"):
        FieldTerm("own", lambda order, field: order**2, lambda order, field: 3 * order)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "alpha"}, "built-in"),
        ({"name": "two words"}, "must be a word"),
        ({"operator": "curl"}, "operator"),
        ({"function": 3}, "callable"),
        ({"function": lambda order, field: np.log(order)}, "finite"),
        ({"function": lambda order, field: np.roll(order, 1)}, "mixes neighbours"),
        ({"function": lambda order, field: order - order.mean()}, "mixes neighbours"),
        ({"function": lambda order, field: np.ones(7)}, "must return the shape"),
        ({"function": lambda order, field: 1j * order}, "real"),
    ],
)
def test_functions_that_cannot_be_used_are_said(given, words):
    with pytest.raises(InputError, match=words):
        FieldTerm(**{"name": "own", "function": lambda order, field: order, **given})


def test_a_numpy_function_of_one_argument_is_refused():
    # numpy would write the result over the drive
    with pytest.raises(InputError, match=r"must take \(P, E\)"):
        FieldTerm("square", np.square)


def test_names_and_places_of_the_built_in_terms_agree():
    places = [
        term_kernels.BIAS, term_kernels.ALPHA, term_kernels.CUBIC, term_kernels.BETA,
        term_kernels.GAMMA, term_kernels.BEND_X, term_kernels.BEND_Y, term_kernels.FIELD,
    ]  # fmt: skip
    names = ("bias", "alpha", "cubic", "beta", "gamma", "gradient_x", "gradient_y", "field")
    assert [BUILT_IN.index(name) for name in names] == places
    assert len(places) == term_kernels.BUILT_IN
