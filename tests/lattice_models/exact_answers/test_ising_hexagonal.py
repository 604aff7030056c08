"""Triangular and honeycomb Ising lattices against double integrals, duality, series and strips."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import Ising
from physlearn.lattice_models.exact_answers.ising_hexagonal import (
    hexagonal_energy,
    hexagonal_free_energy,
    hexagonal_heat_capacity,
    hexagonal_magnetization,
)
from physlearn.lattice_models.exact_answers.ising_square import critical_coupling
from physlearn.lattice_models.exact_answers.torus_transfer import torus_ensemble
from physlearn.lattice_models.exact_answers.transfer_matrix import strip_free_energy

LATTICES = ("triangular", "honeycomb")


def double_integral(coupling, lattice, n=600):
    angle = 2 * np.pi * (np.arange(n) + 0.5) / n
    a, b = np.meshgrid(angle, angle)
    w = np.cos(a) + np.cos(b) + np.cos(a + b)
    c, s = np.cosh(2 * coupling), np.sinh(2 * coupling)
    if lattice == "triangular":
        return -np.log(2) - np.mean(np.log(c**3 + s**3 - s * w)) / 2
    return -0.75 * np.log(2) - np.mean(np.log(1 + c**3 - s**2 * w)) / 4


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("coupling", [0.1, 0.22, -0.3, 0.35, 0.9, -0.5, 0.0])
def test_free_energy_is_houtappels_double_integral(lattice, coupling, oracle):
    error = float(hexagonal_free_energy(coupling, lattice) - double_integral(coupling, lattice))
    oracle(f"{lattice} f, K = {coupling}", error=error, bound=1e-12)


@pytest.mark.parametrize("coupling", [0.1, 0.2, -0.3, 0.4])
def test_triangular_strips_converge_to_it(coupling, oracle):
    """Transfer matrices know nothing of the integral; the error falls with the width."""
    strips = [strip_free_energy(Ising([coupling]), width, "triangular") for width in (6, 9)]
    errors = [abs(strip.free_energy - hexagonal_free_energy(coupling)) for strip in strips]
    assert errors[1] < errors[0] / 3
    oracle(f"triangular strip of 9, f, K = {coupling}", error=errors[1], bound=1e-3)
    error = float(strips[1].energy - hexagonal_energy(coupling))
    oracle(f"triangular strip of 9, u, K = {coupling}", error=error, bound=2e-2)


def test_hot_torus_has_its_energy_and_heat_capacity(oracle):
    """At K = 0.05 loops around a 9 x 9 torus weigh tanh(K)^9 or 1e-12 each."""
    torus = torus_ensemble(Ising([0.05]), (9, 9), "triangular")
    n = torus.n_sites
    error = torus.log_partition / n + float(hexagonal_free_energy(0.05))
    oracle("hot triangular torus, f", error=error, bound=1e-9)
    error = float(torus.energy / n - hexagonal_energy(0.05))
    oracle("hot triangular torus, u", error=error, bound=1e-8)
    error = float(torus.heat_capacity - hexagonal_heat_capacity(0.05))
    oracle("hot triangular torus, c", error=error, bound=1e-7)


def test_hot_honeycomb_has_its_high_temperature_series(oracle):
    """- f = log 2 + 3 / 2 log cosh K + v^6 / 2 + 3 v^10 / 2 + O(v^12), v = tanh K: closed loops."""
    k = np.array([0.05, 0.1, 0.15])
    v = np.tanh(k)
    series = np.log(2) + 1.5 * np.log(np.cosh(k)) + v**6 / 2 + 1.5 * v**10
    error = np.abs(-hexagonal_free_energy(k, "honeycomb") - series)
    oracle("honeycomb series, in units of 20 v^12", error=np.max(error / v**12) / 20, bound=1.0)


def test_duality_joins_the_two_lattices(oracle):
    """Z_tri(K) / Z_hex(K*) is known bond by bond: sinh 2K sinh 2K* = 1 (Kramers, Wannier)."""
    k = np.array([0.05, 0.2, 0.27, 0.5, 1.0])
    dual = np.arctanh(np.exp(-2 * k))
    # per triangular site: three bonds, two honeycomb sites
    left = -hexagonal_free_energy(k) - 1.5 * np.log(np.sinh(2 * k)) / 2
    right = -2 * hexagonal_free_energy(dual, "honeycomb") - 1.5 * np.log(np.sinh(2 * dual)) / 2
    difference = left - right
    # Z(K) = 2^(1 - N*) (2 sinh 2K)^(B / 2) Z*(K*): both sides lack the same power of two
    constant = -2 * np.log(2) + 1.5 * np.log(2)
    error = np.abs(difference - constant)
    oracle("triangular-honeycomb duality", error=error.max(), bound=1e-14)


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("coupling", [0.12, 0.27, 0.5, -0.4, 0.65])
def test_energy_and_heat_capacity_are_derivatives(lattice, coupling, oracle):
    step = 1e-4
    factors = 1 + step * np.array([-2, -1, 0, 1, 2])
    f = hexagonal_free_energy(coupling * factors, lattice)
    energy = (f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * step)
    error = float(hexagonal_energy(coupling, lattice) - energy)
    oracle(f"{lattice} energy, K = {coupling}", error=error, bound=1e-10)
    u = hexagonal_energy(coupling * factors, lattice) / factors
    bend = -(u[0] - 8 * u[1] + 8 * u[3] - u[4]) / (12 * step)
    error = float(hexagonal_heat_capacity(coupling, lattice) - bend)
    oracle(f"{lattice} heat capacity, K = {coupling}", error=error, bound=1e-7)


def test_critical_points_have_the_known_energies(oracle):
    kc = critical_coupling("triangular")
    oracle("triangular u at Kc", error=float(hexagonal_energy(kc) / kc + 2), bound=1e-13)
    kc = critical_coupling("honeycomb")
    known = -2 / np.sqrt(3)  # Houtappel 1950: <s s'> = 4 / (3 sqrt 3)
    error = float(hexagonal_energy(kc, "honeycomb") / kc - known)
    oracle("honeycomb u at Kc", error=error, bound=1e-13)
    for lattice in LATTICES:
        at = critical_coupling(lattice)
        assert hexagonal_magnetization(at * (1 - 1e-6), lattice) == 0.0
        assert 0.1 < hexagonal_magnetization(at * (1 + 1e-6), lattice) < 0.3


def test_the_cold_triangular_antiferromagnet_keeps_wanniers_entropy(oracle):
    """2 / pi times the integral of log(2 cos x) over 0 < x < pi / 3: 0.3230659669."""
    x = (np.arange(20000) + 0.5) / 20000 * np.pi / 3
    entropy = 2 / np.pi * np.mean(np.log(2 * np.cos(x))) * np.pi / 3
    for coupling in (-20.0, -300.0):
        error = float(-hexagonal_free_energy(coupling) + coupling) - entropy
        oracle(f"residual entropy, K = {coupling}", error=error, bound=1e-9)
    assert hexagonal_energy(-20.0) == pytest.approx(-20.0, rel=1e-14)
    assert hexagonal_magnetization(-5.0) == 0.0


def test_cold_ferromagnets_are_their_ground_state():
    assert hexagonal_free_energy(300.0) == pytest.approx(-900.0, rel=1e-15)
    assert hexagonal_free_energy(-300.0, "honeycomb") == pytest.approx(-450.0, rel=1e-15)
    assert hexagonal_energy([2.0, 0.0]).shape == (2,)
    assert hexagonal_energy(50.0, "honeycomb") == pytest.approx(-75.0, rel=1e-15)
    assert hexagonal_magnetization(-50.0, "honeycomb") == 1.0
    # one flipped spin: 2 exp(-2 z K)
    expected = 1 - 2 * np.exp(-12 * 1.2)
    assert hexagonal_magnetization(1.2) == pytest.approx(expected, abs=1e-9)
    expected = 1 - 2 * np.exp(-6 * 2.5) - 6 * np.exp(-8 * 2.5)  # and pairs
    assert hexagonal_magnetization(2.5, "honeycomb") == pytest.approx(expected, abs=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="triangular, honeycomb"):
        hexagonal_free_energy(0.1, "kagome")
    with pytest.raises(InputError, match="coupling must hold finite"):
        hexagonal_energy(np.nan)
