"""Laws of drift do not depend on the units of place and time, nor on where 0 is."""

import re
from functools import cache

import numpy as np
import pytest

from physlearn.inference import DriftLawOptions, discover_drift_law


def well(rng):
    at, seen = rng.normal(size=(1, 20)), []
    for _ in range(100):
        seen.append(at)
        for _ in range(10):
            at = at + 0.015 * (2 * at - at**3) + np.sqrt(0.03) * rng.normal(size=at.shape)
    return np.array(seen)


def trap(rng):
    at, seen = 0.7 * rng.normal(size=(2, 8)), []
    turn = np.array([[-1.0, -0.7], [0.7, -1.0]])
    for _ in range(90):
        seen.append(at)
        for _ in range(10):
            at = at + 0.015 * turn @ at + np.sqrt(0.015) * rng.normal(size=at.shape)
    return np.array(seen)


def steep(rng):
    """Diffusion that grows with the place, towards 0 at the margin."""
    at, seen = rng.uniform(-1.0, 1.0, (1, 40)), []
    for _ in range(40):
        seen.append(at)
        for _ in range(10):
            level = np.maximum(0.5 + 0.25 * at, 0.05)
            at = at + 0.005 * (0.25 - at) + np.sqrt(0.01 * level) * rng.normal(size=at.shape)
    return np.array(seen)


def found(places, length, time, offset, noise=0.0):
    moved = length * (places + offset * places.std())
    times = time * 0.15 * np.arange(len(moved))
    tables = [{"t": times, **dict(zip("xy", row, strict=False))} for row in moved.T]
    options = DriftLawOptions(localization_sd=noise * length, search=False)
    return discover_drift_law(tables, options=options)


def without_centre(law):
    """Structures of the law's terms, each place less its centre written as the place."""
    return {re.sub(r"([xy])( \d+)( \d+ div)? sub", r"\1", " ".join(s)) for s in law.structure}


def words(laws):
    """What is said, without numbers and the words of one set of units."""
    first = laws.said[0].partition(":")[0]
    return first, {name: own.claims_law for name, own in laws.equations.items()}


@cache
def in_given_units(motion):
    places = motion(np.random.default_rng(1))
    return places, found(places, 1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("motion", "length", "time"),
    [(well, 1e-6, 1.0), (well, 1.0, 1e3), (trap, 1e-6, 1e3), (steep, 1e-6, 1e3)],
)
def test_laws_are_the_same_in_other_units(motion, length, time):
    places, first = in_given_units(motion)
    other = found(places, length, time, 0.0)
    assert words(first) == words(other)
    at = {n: row.ravel() for n, row in zip("xy", np.moveaxis(places, 1, 0), strict=False)}
    there = {n: length * row for n, row in at.items()}
    for name in first:
        one, two = first[name].best, other[name].best
        assert one.structure == two.structure
        scale = length ** (2 if name == "D" else 1) / time
        assert two.predict(there) / scale == pytest.approx(one.predict(at), rel=1e-4, abs=1e-5)
        if one.n_constants == 1 and not one.variables:
            assert two.covariance / scale**2 == pytest.approx(one.covariance, rel=1e-3)


@pytest.mark.parametrize("motion", [well, pytest.param(trap, marks=pytest.mark.slow)])
def test_laws_far_from_0_are_written_about_the_middle(motion):
    places, first = in_given_units(motion)
    other = found(places, 1e-6, 1e3, 5.0)
    assert words(first) == words(other)
    for name in first:
        one, two = first[name].best, other[name].best
        assert {" ".join(s) for s in one.structure} <= without_centre(two)
    assert any("lies far from 0" in text for text in other["D"].warnings)


def test_a_linear_diffusion_that_would_end_beside_the_places_is_not_the_end_of_the_search():
    rng = np.random.default_rng(3)
    at, seen = rng.uniform(-0.9, 1.0, 60), []
    for _ in range(40):
        seen.append(at)
        for _ in range(20):
            level = np.maximum(0.2 * (1.0 + at), 1e-3)
            at = at + 0.001 + np.sqrt(0.01 * level) * rng.normal(size=at.shape)
    laws = found(np.array(seen)[:, None], 1.0, 1.0, 0.0)
    margin = {"x": np.linspace(*laws["D"].ranges[0] + [-0.5, 0.5], 50)}
    assert laws["D"].claims_law and (laws["D"].best.predict(margin) > 0).all()
    assert any(not law.variables for law in laws["D"].equations)


def test_no_searched_form_belongs_to_a_unit():
    from physlearn.inference.dynamics.drift_curve import Told
    from physlearn.inference.dynamics.drift_forms import drift_forms, searched_forms

    nodes = np.linspace(-2.0, 2.0, 15)[None]
    root = 30.0 * np.eye(15)
    values = 7.1 * np.sin(nodes[0])
    told = Told(nodes, values, root, root @ values)
    forms = searched_forms(told, ["x"], drift_forms(["x"], nodes))
    assert forms and all(("x", "sin") not in form.programs for form in forms)
