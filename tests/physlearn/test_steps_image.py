"""Which change of a cause a study asks about."""

import numpy as np

from physlearn.steps_image import _contrast


def test_an_effect_is_asked_for_between_the_outer_tenths_of_its_cause():
    np.testing.assert_allclose(_contrast(np.arange(101.0)), (10.0, 90.0))


def test_a_cause_that_is_nearly_always_the_same_is_asked_for_between_its_extremes():
    assert _contrast(np.append(np.zeros(95), [1.0, 2.0])) == (0.0, 2.0)
