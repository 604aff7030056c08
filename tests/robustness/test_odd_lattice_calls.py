"""Odd arguments of lattice models that once passed without a word."""

import numpy as np
import pytest

from physlearn import InputError
from physlearn.checks import check_number
from physlearn.lattice_models import (
    ElasticEnergy,
    HopRates,
    Ising,
    LandauPotential,
    Potts,
    StillingerWeberAngle,
    SwendsenWangEngine,
    ThinFilmDepolarization,
    VectorLandauPotential,
    WolffEngine,
    Yukawa,
    energy_of_codes,
    propagate_polar_front,
    square_lattice,
)

DOUBLE_WELL = LandauPotential(a=-1.0, c=1.0)


@pytest.mark.parametrize("make", [WolffEngine, SwendsenWangEngine])
@pytest.mark.parametrize("n", [-1, 2.5, "3", None, 10**12, np.array(2), True])
def test_sweeps_are_counted(make, n):
    engine = make(Ising([0.4]), square_lattice((4, 4)), np.ones(16), np.random.default_rng(1))
    before = engine.states()
    with pytest.raises(InputError, match="n must be"):
        engine.sweep(n)
    assert np.array_equal(before, engine.states())
    engine.sweep(0)


@pytest.mark.parametrize("bad", [None, "3", 1 + 2j, object(), [None], [[1.0], [1.0, 2.0]]])
def test_orders_and_wave_numbers_are_numbers(bad):
    film = ThinFilmDepolarization(strength=1.0, thickness=2.0)
    for name in ("density", "derivative", "curvature"):
        with pytest.raises(InputError, match="order must"):
            getattr(DOUBLE_WELL, name)(bad)
    with pytest.raises(InputError, match="order must"):
        VectorLandauPotential(a1=1.0).density(bad)
    with pytest.raises(InputError, match="field must"):
        DOUBLE_WELL.minima(bad)
    with pytest.raises(InputError, match="wave_number must"):
        film.factor(bad)
    with pytest.raises(InputError, match="wave_number must hold finite"):
        film.factor([0.0, np.nan])


def test_missing_order_stays_missing():
    assert np.isnan(DOUBLE_WELL.density([1.0, np.nan])).tolist() == [False, True]
    assert DOUBLE_WELL.density([]).shape == (0,)


@pytest.mark.parametrize("bad", [np.nan, "1", None, 10**400, True, 1j])
def test_coefficients_are_numbers_of_any_size_that_a_float_holds(bad):
    assert LandauPotential(a=-1.0, c=1.0, e=2**70).e == 2.0**70
    assert Yukawa(strength=2**70, screening_length=1.0, cutoff=3.0).strength == 2**70
    assert ElasticEnergy(c11=2**70, c12=0, c44=1, q_xx=0.1, q_yy=0.1).c11 == 2.0**70
    with pytest.raises(InputError, match="e must be"):
        LandauPotential(a=-1.0, c=1.0, e=bad)
    with pytest.raises(InputError, match="strength must be"):
        Yukawa(strength=bad, screening_length=1.0, cutoff=3.0)
    with pytest.raises(InputError, match="c44 must be"):
        ElasticEnergy(c11=3.0, c12=0, c44=bad, q_xx=0.1, q_yy=0.1)
    with pytest.raises(InputError, match="cosine must be"):
        StillingerWeberAngle(cosine=bad)
    with pytest.raises(InputError, match="x must be a finite number of at least 0"):
        check_number("x", bad, least=0.0)


@pytest.mark.parametrize("bad", [object(), "1", [], np.nan, 0.5, 10**12])
def test_thermal_rates_of_a_state(bad):
    rates = HopRates([0.5], temperature_kelvin=300.0)
    assert rates.thermal_rates_hz(0).size == 0
    with pytest.raises(InputError, match="state must be"):
        rates.thermal_rates_hz(bad)


@pytest.mark.parametrize(
    "codes", [[0], np.zeros(16), np.full(16, -1), np.full(16, 3), np.zeros(16) + 1j, "codes", None]
)
def test_codes_of_an_energy(codes):
    terms = Potts(3, [0.5]).terms(square_lattice((4, 4)))
    assert energy_of_codes(terms, np.zeros((2, 16), np.int8)).tolist() == [-16.0, -16.0]
    with pytest.raises(InputError, match="codes must"):
        energy_of_codes(terms, codes)


@pytest.mark.parametrize(
    ("name", "value"),
    [("drive_velocity", "fast"), ("drive_velocity", None), ("drive_velocity", [1.0, 2.0, 3.0]),
     ("curvature_mobility", "3"), ("curvature_mobility", [0.1, 0.2]), ("substeps", -1),
     ("substeps", 10**12), ("substeps", 2.5)],
)  # fmt: skip
def test_fronts_are_driven_by_numbers(name, value):
    given = {
        "radii": np.full((1, 32), 10.0), "drive_velocity": [0.0], "curvature_mobility": 0.5,
        "times": [0.0, 1.0], "substeps": 4,
    }  # fmt: skip
    assert propagate_polar_front(**given).shape == (2, 1, 32)
    with pytest.raises(InputError, match=f"{name} must"):
        propagate_polar_front(**{**given, name: value})
