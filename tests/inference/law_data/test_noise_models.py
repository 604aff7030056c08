"""Noise models and measurements: what they refuse, in words."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.law_data.noise_models import NoiseModel, observe

X = np.arange(1.0, 7.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "gamma"}, "kind"),
        ({"sd": 0.0}, "sd must be above 0"),
        ({"kind": "counts", "sd": 1.0}, "sd must be None for kind 'counts'"),
        ({"kind": "student", "x_sd": {"x": 0.1}}, "x_sd goes with"),
        ({"x_sd": {"x": -0.1}}, "x_sd"),
        ({"kind": "outliers", "widening": 1.0}, "widening"),
        ({"kind": "student", "degrees": np.nan}, "degrees"),
    ],
)
def test_noise_models_refuse_what_they_cannot_be(given, said):
    with pytest.raises(InputError, match=said):
        NoiseModel(**given)


@pytest.mark.parametrize(
    ("columns", "y", "noise", "marks", "said"),
    [
        ({"x": np.full(6, 2.0)}, X, None, {}, r"columns\['x'\] must vary, it is 2"),
        ({"x": X, "z": 3.0 * X - 1.0}, X, None, {}, "'x' and 'z' must not be linear"),
        ({"x": X}, np.where(X == 3.0, np.nan, X), None, {}, "y must hold finite numbers.*index .2"),
        ({"x": X[:5]}, X, None, {}, r"columns\['x'\] must have shape"),
        ({"sin": X}, X, None, {}, "named like x"),
        ({"x": X}, X - 1.0, NoiseModel("log"), {}, "got 0 at index 0"),
        ({"x": X}, X + 0.5, NoiseModel("counts"), {}, "must hold counts"),
        ({"x": X}, X, NoiseModel("student"), {"below": X < 3}, "below and above go with"),
        ({"x": X}, X, None, {"below": X > 0}, "leave no measured value"),
        ({"x": X}, X, None, {"below": X < 3, "above": X < 2}, "both true at index 0"),
        ({"x": X}, X, None, {"below": [1.0] * 6}, "booleans"),
        ({"x": X}, X, NoiseModel(x_sd={"z": 0.1}), {}, "x_sd names 'z'"),
        ({"x": X}, X, NoiseModel(sd=np.ones(5)), {}, "one number or 6"),
    ],
)
def test_measurements_that_cannot_be_used_are_named(columns, y, noise, marks, said):
    with pytest.raises(InputError, match=said):
        observe(columns, y, noise, **marks)


def test_repeated_x_is_fine_and_ranges_are_the_columns():
    data = observe({"x": [1.0, 1.0, 2.0, 2.0]}, [1.0, 1.1, 2.0, 2.1])
    assert data.ranges.tolist() == [[1.0, 2.0]]
    assert not data.censored.any()


def test_nuisance_numbers_follow_the_kind():
    assert NoiseModel().nuisance == ("log_sd",)
    assert NoiseModel(sd=1.0).nuisance == NoiseModel("counts").nuisance == ()
    assert NoiseModel("outliers", sd=1.0).nuisance == ("logit_share",)
