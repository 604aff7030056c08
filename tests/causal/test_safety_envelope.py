import math

import pytest

from physlearn.causal import Action, SafetyEnvelope
from physlearn.checks import InputError

VIEW = (0.0, 0.0, 100.0, 100.0)
RANGES = {
    "pulse_limits_volt": (-2000.0, 0.0),
    "temperature_limits_kelvin": (-1.0, 300.0),
    "field_limits_tesla": (0.0, 101.0),
    "focus_limits_nanometre": (0.0, 2e6),
}


@pytest.mark.parametrize("name", RANGES)
def test_ranges_must_be_possible_and_in_order(name):
    for wrong in (RANGES[name], (5.0, 1.0), (1.0,), (0.0, True), (0.0, math.nan), "12", 7):
        with pytest.raises(InputError, match=name):
            SafetyEnvelope(1.0, VIEW, **{name: wrong})
    assert getattr(SafetyEnvelope(1.0, VIEW, **{name: (1, 2)}), name) == (1.0, 2.0)


@pytest.mark.parametrize(
    "name",
    [
        "max_step_dose",
        "max_site_dose",
        "max_field_dose",
        "site_radius",
        "max_pulse_s",
        "max_travel",
    ],
)
def test_largest_values_are_numbers_from_0(name):
    for wrong in (-1.0, True, "9", math.nan):
        with pytest.raises(InputError, match=name):
            SafetyEnvelope(1.0, VIEW, **{name: wrong})


def test_other_fields():
    with pytest.raises(InputError, match="site_radius"):
        SafetyEnvelope(1.0, VIEW, site_radius=None)
    with pytest.raises(InputError, match="forbidden_sites"):
        SafetyEnvelope(1.0, VIEW, forbidden_sites=((1, 2, -1),))
    with pytest.raises(InputError, match="dose_unit"):
        SafetyEnvelope(1.0, VIEW, dose_unit=1)


def test_an_empty_row_of_acts_breaks_nothing():
    assert SafetyEnvelope(0.0, VIEW, max_irreversible=0).violations([]) == []


def test_sums_of_a_site_and_of_a_point():
    envelope = SafetyEnvelope(99.0, VIEW, max_site_dose=9.0, max_field_dose=7.0, site_radius=1.0)

    def image(x, dose):
        edges = {"x_min": x, "y_min": 0.0, "x_max": x + 10.0, "y_max": 10.0}
        return Action("image", edges, dose, 1.0, 1.0)

    again = Action("scan_again", {"n_repeats": 1}, 3.0, 1.0, 1.0)
    shot = Action("expose_site", {"x": 5.0, "y": 5.0}, 4.0, 1.0, 1.0)
    beside = Action("expose_site", {"x": 5.5, "y": 5.0}, 2.0, 1.0, 1.0)
    assert envelope.violations([image(0.0, 4.0), again, image(10.0, 7.0)]) == []
    assert envelope.violations([image(0.0, 5.0), again]) == [
        "step 2: the point (0, 0) of the field has taken 8 e/A^2, above 7"
    ]
    assert envelope.violations([shot, image(0.0, 3.0), beside, image(30.0, 1.0)]) == []
    assert envelope.violations([shot, image(0.0, 4.0), beside]) == [
        "step 3: the site (5, 5) has taken 10 e/A^2, above 9",
        "step 3: the site (5.5, 5) has taken 10 e/A^2, above 9",
    ]


def test_ways_between_places():
    envelope = SafetyEnvelope(9.0, VIEW, max_travel=50.0)
    places = [(0.0, 0.0), (30.0, 40.0), (90.0, 40.0)]
    moves = [Action("move", {"x": x, "y": y}, 0.0, 1.0, 1.0) for x, y in places]
    tune = Action("tune", {}, 0.0, 1.0, 1.0)
    assert envelope.violations([moves[0], tune, moves[1]]) == []
    assert envelope.violations([moves[0], moves[1], tune, moves[2]]) == [
        "step 4: it is 60 away from the place before, above 50"
    ]
