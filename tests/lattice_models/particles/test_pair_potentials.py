"""Energies and derivatives against formulas in 40 digits, ends, splines and what is refused."""

import mpmath as mp
import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from physlearn.checks import InputError
from physlearn.lattice_models.particles import (
    HarmonicTrap,
    InversePower,
    LennardJones,
    Morse,
    PairTable,
    SplinePotential,
    StillingerWeberAngle,
    StillingerWeberPair,
    Yukawa,
)
from physlearn.lattice_models.particles.motion_kernels import pair_terms

mp.mp.dps = 40
M = mp.mpf
KNOTS = np.array([0.6, 0.8, 1.0, 1.3, 1.7, 2.2])
HEIGHTS = np.array([9.0, 2.5, -0.5, -0.8, -0.2, 0.0])

# potential, cutoff, formula of the energy without its end
CASES = {
    "lennard_jones": (
        LennardJones(depth=1.3, diameter=0.9, cutoff=2.4, truncation="cut"),
        lambda r: 4 * M(1.3) * ((M(0.9) / r) ** 12 - (M(0.9) / r) ** 6),
    ),
    "morse": (
        Morse(1.7, 4.1, 1.2, cutoff=2.4, truncation="cut"),
        lambda r: M(1.7) * ((1 - mp.exp(-M(4.1) * (r - M(1.2)))) ** 2 - 1),
    ),
    "yukawa": (
        Yukawa(-2.3, 0.7, cutoff=2.4, truncation="cut"),
        lambda r: -M(2.3) * mp.exp(-r / M(0.7)) / r,
    ),
    "inverse_power": (
        InversePower(1.1, 0.8, 4.5, cutoff=2.4, truncation="cut"),
        lambda r: M(1.1) * (M(0.8) / r) ** M(4.5),
    ),
    "stillinger_weber": (
        StillingerWeberPair(1.2, 0.9, 7.0, 0.6, 5.0, 1.5, cutoff=1.7),
        lambda r: M(1.2) * 7 * (M(0.6) * (M(0.9) / r) ** 5 - (M(0.9) / r) ** M(1.5))
        * mp.exp(M(0.9) / (r - M(1.7))) if r < M(1.7) else M(0),
    ),
}  # fmt: skip


def worst(found, wanted):
    scale = max(abs(float(w)) for w in wanted)
    pairs = zip(found, wanted, strict=True)
    return max(abs(float(f - w)) / max(abs(float(w)), 1e-6 * scale) for f, w in pairs)


@pytest.mark.parametrize("name", CASES)
def test_energy_and_two_derivatives_in_forty_digits(name, oracle):
    potential, formula = CASES[name]
    r = np.linspace(0.62, 1.6, 9)
    for order, method in enumerate(
        (potential.value, potential.derivative, potential.second_derivative)
    ):
        wanted = [mp.diff(formula, M(float(x)), order) for x in r]
        error = worst(method(r), wanted)
        oracle(f"{name}, derivative {order}, 40 digits", error=error, bound=1e-11)


@pytest.mark.parametrize("truncation", ["cut", "shift", "switch"])
@pytest.mark.parametrize("name", [name for name in CASES if name != "stillinger_weber"])
def test_ends(name, truncation, oracle):
    plain, formula = CASES[name]
    fields = {k: getattr(plain, k) for k in plain.__dataclass_fields__ if k != "switch_start"}
    potential = type(plain)(**fields | {"truncation": truncation})
    cutoff, start = M(plain.cutoff), M(0.9 * plain.cutoff)

    def ended(r):
        x = (r - start) / (cutoff - start)
        if truncation == "switch" and r > start:
            return formula(r) * (1 - 10 * x**3 + 15 * x**4 - 6 * x**5)
        return formula(r) - (formula(cutoff) if truncation == "shift" else 0)

    r = np.array([0.7, 1.1, 2.0, 2.2, 2.3, 2.39])
    for order, method in enumerate(
        (potential.value, potential.derivative, potential.second_derivative)
    ):
        wanted = [mp.diff(ended, M(float(x)), order) for x in r]
        oracle(
            f"{name}, {truncation}, derivative {order}",
            error=worst(method(r), wanted),
            bound=1e-9,
        )
    beyond = np.array([plain.cutoff, plain.cutoff + 1.0])
    assert not potential.value(beyond).any() and not potential.derivative(beyond).any()
    if truncation != "cut":
        assert abs(potential.value(plain.cutoff * (1 - 1e-9))) < 1e-7
    if truncation == "switch":
        edge = plain.cutoff * (1 - 1e-9)
        assert abs(potential.derivative(edge)) < 1e-6


@pytest.mark.parametrize("potential", [
    LennardJones(depth=1.3, diameter=0.9), LennardJones(truncation="switch"),
    Morse(1.7, 4.1, 1.2, cutoff=2.4), Yukawa(2.3, 0.7, cutoff=2.4, truncation="switch"),
    Yukawa(2.3, 0.7), InversePower(1.1, 0.8, 4.5, cutoff=2.4), StillingerWeberPair(),
    SplinePotential(KNOTS, HEIGHTS),
], ids=lambda p: f"{type(p).__name__}-{p.truncation}")  # fmt: skip
def test_kernel_agrees_with_the_record(potential, oracle):
    row, spline = potential.encoded()
    end = potential.cutoff or 5.0
    r = np.linspace(0.3, end * (1 - 1e-12), 700)
    found = np.array([pair_terms(row, spline, x * x) for x in r])
    # rounding of r^2 moves the energy by its slope times 1e-16; the terms of a spline are of the
    # size of its values and cancel near the end
    scale = np.abs(potential.value(r)) + np.abs(r * potential.derivative(r))
    scale += 0.01 * potential.energy_scale
    energy = np.abs(found[:, 0] - potential.value(r)) / scale
    slope = np.abs(-found[:, 1] * r - potential.derivative(r)) * r
    bend = scale + np.abs(potential.second_derivative(r)) * r * r
    oracle(f"kernel and record, {type(potential).__name__}", error=energy.max(), bound=2e-14)
    oracle(f"kernel and record, {type(potential).__name__}, slope",
           error=(slope / bend).max(), bound=2e-14)  # fmt: skip
    for x in r[::97]:  # plain Python gives the same bits
        assert pair_terms.py_func(row, spline, x * x) == pair_terms(row, spline, x * x)


def test_spline_is_scipys_and_straight_inside(oracle):
    potential = SplinePotential(KNOTS, HEIGHTS)
    reference = CubicSpline(KNOTS, HEIGHTS, bc_type=((2, 0.0), (1, 0.0)))
    r = np.linspace(0.6, 2.2, 500)[:-1]
    row, table = potential.encoded()
    found = np.array([pair_terms(row, table, x * x)[0] for x in r])
    oracle("spline kernel and scipy", error=np.abs(found - reference(r)).max(), bound=1e-14)
    inside = potential.value([0.2, 0.4])
    line = 9.0 + reference(0.6, 1) * (np.array([0.2, 0.4]) - 0.6)
    assert inside == pytest.approx(line, rel=1e-14)
    assert np.array([pair_terms(row, table, x * x)[0] for x in (0.2, 0.4)]) == pytest.approx(line)


def test_published_minima():
    for potential in (LennardJones(truncation="cut"), StillingerWeberPair()):
        minimum = 2 ** (1 / 6)
        assert potential.value(minimum) == pytest.approx(-1.0, abs=2e-9)
        assert potential.derivative(minimum) == pytest.approx(0.0, abs=2e-8)


@pytest.mark.parametrize(("make", "said"), [
    (lambda: LennardJones(depth=float("nan")), "depth must be a finite number above 0; got nan"),
    (lambda: LennardJones(cutoff=-1.0), "cutoff must be a finite number above 0; got -1.0"),
    (lambda: LennardJones(truncation="soft"), "truncation must be one of cut, shift, switch"),
    (lambda: LennardJones(switch_start=2.0), "switch_start belongs to truncation='switch'"),
    (lambda: LennardJones(truncation="switch", switch_start=3.0), "must lie below cutoff = 2.5"),
    (lambda: Morse(truncation="switch"), "truncation='switch' needs a cutoff; got None"),
    (lambda: Yukawa(0.0), "strength must be a finite number other than 0; got 0.0"),
    (lambda: InversePower(exponent=0.0), "exponent must be a finite number above 0"),
    (lambda: StillingerWeberPair(truncation="switch"), "this one ends smoothly"),
    (lambda: StillingerWeberAngle(cosine=1.5), "cosine must lie between -1 and 1; got 1.5"),
    (lambda: SplinePotential([1.0, 0.5, 2.0], [1, 1, 0]), "increasing distances above 0"),
    (lambda: SplinePotential([0.5, 1.0, 2.0], [1, 1, 0.5]), "must end with 0 .* got 0.5"),
    (lambda: SplinePotential([0.5, 1.0, 2.0], [1, np.nan, 0]), "values must hold finite numbers"),
    (lambda: HarmonicTrap(-1.0), "stiffness must be at least 0"),
    (lambda: HarmonicTrap((1.0, 2.0)).value([[0.0, 0.0, 0.0]]), "must be one number or 3; got 2"),
    (lambda: PairTable({(0, 0): LennardJones(), (1, 1): Morse()}), r"\(0, 1\) is missing"),
    (lambda: PairTable({(0, 1): Morse(), (1, 0): Morse()}), r"the pair \(0, 1\) twice"),
    (lambda: LennardJones().value([1.0, 0.0]), "distance must be above 0; got 0"),
])  # fmt: skip
def test_refusals(make, said):
    with pytest.raises(InputError, match=said):
        make()
