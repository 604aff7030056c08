"""Units are read, brought to SI and asked what they can make."""

from fractions import Fraction

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.law_data.pi_groups import (
    check_units_make,
    independent_groups,
    monomials_of_unit,
)
from physlearn.inference.law_data.units import parse_unit, unit_text

PAIRS = [
    ("kg*m^2/(s^2*K)", "J/K"), ("V/m", "N/C"), ("F", "C/V"), ("T", "Wb/m^2"), ("W", "V*A"),
    ("H", "ohm*s"), ("Pa", "J/m^3"), ("S", "1/ohm"), ("m s^-2", "m/s**2"), ("", "1"),
]  # fmt: skip
FACTORS = [
    ("nm", 1e-9), ("eV/angstrom", 1.602176634e-9), ("kg", 1.0), ("mT", 1e-3), ("mm^2", 1e-6),
    ("1/cm", 100.0), ("\u00b5s", 1e-6), ("\u212b", 1e-10), ("min", 60.0), ("GPa", 1e9),
    ("kV/mm", 1e6), ("g/L", 1.0), ("bar", 1e5), ("%", 0.01), ("L/(mol*s)", 1e-3),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_equal_units_are_equal(first, second):
    assert parse_unit(first) == parse_unit(second)


@pytest.mark.parametrize(("text", "factor"), FACTORS)
def test_prefixes_and_other_units_have_their_factor(text, factor):
    assert float(parse_unit(text).factor) == pytest.approx(factor, rel=1e-12)


def test_a_prefix_is_no_product():
    assert unit_text(parse_unit("mT").exponents) == "kg/(s^2*A)"
    assert unit_text(parse_unit("m*T").exponents) == "m*kg/(s^2*A)"


@pytest.mark.parametrize("text", ["foo", "m//s", "(m", "m^", "2", "m*", "((m))", "m)", "m^99", 3])
def test_what_is_no_unit_is_refused(text):
    with pytest.raises(InputError, match=r"units\['x'\]"):
        parse_unit(text, "units['x']")


def test_units_that_cannot_make_the_target_name_what_is_missing():
    with pytest.raises(InputError, match=r"has s \(time\)"):
        check_units_make([parse_unit("K")], ["T"], parse_unit("1/s"), "rate")
    with pytest.raises(InputError, match="only in other combinations"):
        check_units_make([parse_unit("m/s")], ["v"], parse_unit("1/s"), "rate")
    assert (
        check_units_make([parse_unit("m/s"), parse_unit("m")], "vx", parse_unit("Hz"), "f") is None
    )


def test_groups_are_dimensionless_independent_and_as_many_as_buckingham_says():
    units = [parse_unit(u) for u in ("1/m^3", "kg", "m/s^2", "m", "J/K", "K")]
    groups = independent_groups(units)
    assert len(groups) == 2  # 6 quantities, rank 4
    exponents = np.array([[float(e) for e in unit.exponents] for unit in units])
    rows = np.array([[float(p) for p in group.powers] for group in groups])
    np.testing.assert_allclose(rows @ exponents, 0.0, atol=1e-12)
    assert np.linalg.matrix_rank(rows) == 2


def test_every_prefactor_has_the_unit_of_the_target():
    units = [parse_unit(u) for u in ("kg", "1/m^3", "A^2*s^4/(kg*m^3)", "A*s")]
    goal = parse_unit("1/s")
    assert not monomials_of_unit([parse_unit("kg")], goal)
    for monomial in monomials_of_unit(units, goal):
        pairs = list(zip(monomial.powers, units, strict=True))
        made = [sum(p * u.exponents[i] for p, u in pairs) for i in range(7)]
        assert tuple(made) == goal.exponents
    plasma = (Fraction(-1, 2), Fraction(1, 2), Fraction(-1, 2), Fraction(1))
    assert monomials_of_unit(units, goal)[0].powers == plasma


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("°C", "must not be in degrees.*in K"),
        ("mV/°C", "must not be in degrees"),
        ("degC", "must not be in degrees"),
        ("deg", "angles in 'rad'"),
        ("J/kg K", r"two ways: write 'J/\(kg\*K\)' or 'J\*K/kg'"),
        ("W/m^2 K", r"'W/\(m\^2\*K\)' or 'W\*K/m\^2'"),
    ],
)
def test_units_with_an_offset_or_two_readings_are_refused(text, said):
    with pytest.raises(InputError, match=said):
        parse_unit(text)


def test_a_blank_before_the_line_is_a_product():
    assert parse_unit("kg m/s^2") == parse_unit("N")
    assert parse_unit("J/(kg K)") == parse_unit("J/(kg*K)")
