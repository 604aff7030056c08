"""Onsager's and Yang's formulas against mpmath's elliptic integrals and published numbers."""

import mpmath
import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.exact_answers.ising_square import (
    critical_coupling,
    onsager_energy,
    onsager_free_energy,
    onsager_heat_capacity,
    onsager_interface_tension,
    onsager_magnetization,
)

KC = critical_coupling()
COUPLINGS = [1e-3, 0.1, 0.3, 0.44, 0.4407, 0.5, 1.0]
mpmath.mp.dps = 40


def textbook_energy(coupling):
    k = mpmath.mpf(coupling)
    modulus = 2 * mpmath.sinh(2 * k) / mpmath.cosh(2 * k) ** 2
    factor = 2 / mpmath.pi * (2 * mpmath.tanh(2 * k) ** 2 - 1)
    return -k * mpmath.coth(2 * k) * (1 + factor * mpmath.ellipk(modulus**2))


def textbook_heat_capacity(coupling):
    k = mpmath.mpf(coupling)
    modulus = 2 * mpmath.sinh(2 * k) / mpmath.cosh(2 * k) ** 2
    first, second = mpmath.ellipk(modulus**2), mpmath.ellipe(modulus**2)
    twice = mpmath.tanh(2 * k) ** 2
    rest = (1 - twice) * (mpmath.pi / 2 + (2 * twice - 1) * first)
    return 4 / mpmath.pi * (k * mpmath.coth(2 * k)) ** 2 * (first - second - rest)


def double_integral(k_x, k_y, n=400):
    """Return Onsager's double integral by the midpoint rule (spectrally exact off criticality)."""
    angle = 2 * np.pi * (np.arange(n) + 0.5) / n
    inside = np.cosh(2 * k_x) * np.cosh(2 * k_y) - np.sinh(2 * k_x) * np.cos(angle)[:, None]
    return -np.log(2) - np.mean(np.log(inside - np.sinh(2 * k_y) * np.cos(angle))) / 2


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_equal_couplings_have_the_textbook_energy_and_heat_capacity(coupling, oracle):
    error = float(onsager_energy(coupling) - textbook_energy(coupling))
    oracle(f"Onsager energy, K = {coupling}", error=error, bound=3e-15)
    error = float(onsager_heat_capacity(coupling) / textbook_heat_capacity(coupling) - 1)
    oracle(f"Onsager heat capacity, K = {coupling}", error=error, bound=1e-11)


@pytest.mark.parametrize("pair", [(0.2, 0.3), (0.3, 0.7), (-0.7, 0.2), (0.9, 0.9), (0.0, 0.4)])
def test_free_energy_is_onsagers_double_integral(pair, oracle):
    error = float(onsager_free_energy(*pair) - double_integral(*pair))
    oracle(f"Onsager free energy, K = {pair}", error=error, bound=1e-13)


def test_critical_point_has_the_known_closed_forms(oracle):
    closed = -np.log(2) / 2 - 2 * float(mpmath.catalan) / np.pi
    oracle("Onsager f at Kc", error=float(onsager_free_energy(KC) - closed), bound=1e-15)
    oracle("Onsager u at Kc", error=float(onsager_energy(KC) / KC + np.sqrt(2)), bound=1e-14)
    assert np.sinh(2 * KC) == pytest.approx(1.0, rel=1e-15)
    assert np.exp(4 * critical_coupling("triangular")) == pytest.approx(3.0, rel=1e-15)
    assert np.cosh(2 * critical_coupling("honeycomb")) == pytest.approx(2.0, rel=1e-15)
    # star-triangle and duality join the two: sinh 2K sinh 2K* = 1
    pair = 2 * critical_coupling("triangular"), 2 * critical_coupling("honeycomb")
    assert np.sinh(pair[0]) * np.sinh(pair[1]) == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("pair", [(0.3, 0.5), (0.44, 0.45), (0.8, 0.2), (-0.3, 0.6)])
def test_energy_and_heat_capacity_are_derivatives_of_the_free_energy(pair, oracle):
    """Finite differences of the textbook integral, in 40 digits."""
    k_x, k_y = (mpmath.mpf(k) for k in pair)

    def free_energy(factor):
        def integrand(angle):
            c, s = mpmath.cosh(2 * k_x * factor), mpmath.sinh(2 * k_x * factor)
            c_y, s_y = mpmath.cosh(2 * k_y * factor), mpmath.sinh(2 * k_y * factor)
            middle = c * c_y - s * mpmath.cos(angle)
            return mpmath.log(middle + mpmath.sqrt(middle**2 - s_y**2))

        pieces = [0, 1e-3, 1e-2, 0.1, 0.5, 1, 2, 2.6, 3, 3.1, 3.14, mpmath.pi]
        return -mpmath.log(2) / 2 - mpmath.quad(integrand, pieces) / (2 * mpmath.pi)

    step = mpmath.mpf("1e-8")
    low, here, high = free_energy(1 - step), free_energy(mpmath.mpf(1)), free_energy(1 + step)
    energy, bend = (high - low) / (2 * step), -(high - 2 * here + low) / step**2
    oracle(f"anisotropic energy {pair}", error=float(onsager_energy(*pair) - energy), bound=1e-12)
    error = float(onsager_heat_capacity(*pair) - bend)
    oracle(f"anisotropic heat capacity {pair}", error=error, bound=1e-9)


def test_duality_joins_high_and_low_temperature(oracle):
    """Kramers and Wannier: f(K) + log sinh(2K) / 2 is the same at K and at its dual."""
    k = np.array([0.05, 0.2, 0.4, 0.44])
    dual = np.arctanh(np.exp(-2 * k))
    left = onsager_free_energy(k) + np.log(np.sinh(2 * k)) / 2
    right = onsager_free_energy(dual) + np.log(np.sinh(2 * dual)) / 2
    oracle("Kramers-Wannier duality", error=np.abs(left - right).max(), bound=2e-15)


def test_magnetization_is_yangs():
    k = np.array([0.45, 0.5, 0.8, 1.5])
    assert np.allclose(onsager_magnetization(k), (1 - np.sinh(2 * k) ** -4.0) ** 0.125, rtol=1e-13)
    assert onsager_magnetization(KC * 0.999999) == 0.0
    assert np.array_equal(onsager_magnetization(-k), onsager_magnetization(k))
    assert onsager_magnetization(0.0) == 0.0
    assert onsager_magnetization(0.2, 1.0) == pytest.approx(
        (1 - (np.sinh(0.4) * np.sinh(2.0)) ** -2.0) ** 0.125
    )


def test_interface_tension_vanishes_at_criticality_and_is_the_bond_at_zero_temperature():
    assert onsager_interface_tension(KC) == pytest.approx(0.0, abs=1e-15)
    assert onsager_interface_tension(20.0) == pytest.approx(40.0, rel=1e-15)
    # critical amplitude: sigma ~ 4 (K - Kc) at equal couplings
    assert onsager_interface_tension(KC + 1e-6) == pytest.approx(4e-6, rel=1e-5)


def test_extreme_couplings_do_not_overflow():
    assert onsager_free_energy(500.0) == pytest.approx(-1000.0, rel=1e-15)
    assert onsager_energy(500.0) == pytest.approx(-1000.0, rel=1e-15)
    assert onsager_heat_capacity(500.0) == pytest.approx(0.0, abs=1e-15)
    assert onsager_magnetization(500.0) == 1.0
    assert onsager_free_energy(0.0) == pytest.approx(-np.log(2), rel=1e-15)
    assert onsager_energy(0.0) == 0.0
    assert onsager_free_energy(np.zeros((2, 3)), 0.3).shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: onsager_free_energy(np.nan), "coupling must hold finite"),
        (lambda: onsager_energy(0.1, np.inf), "coupling_y must hold finite"),
        (lambda: onsager_energy([0.1, 0.2], [0.1, 0.2, 0.3]), "coupling_y must have the shape"),
        (lambda: onsager_interface_tension(-0.1), "above 0"),
        (lambda: critical_coupling("kagome"), "square, triangular, honeycomb"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
