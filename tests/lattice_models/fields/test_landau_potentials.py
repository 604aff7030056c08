"""Landau potentials: derivatives against finite differences, minima against closed forms."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.fields import LandauPotential, VectorLandauPotential

SCALAR = LandauPotential(a=-1.3, b=0.4, c=0.7, e=0.2)
VECTOR = VectorLandauPotential(a1=-0.7, a11=0.3, a12=0.5, a111=0.1, a112=0.2)


def test_scalar_derivatives_are_those_of_the_density():
    p = np.linspace(-2, 2, 41)
    h = 1e-5
    slope = (SCALAR.density(p + h) - SCALAR.density(p - h)) / (2 * h)
    bend = (SCALAR.derivative(p + h) - SCALAR.derivative(p - h)) / (2 * h)
    np.testing.assert_allclose(SCALAR.derivative(p), slope, atol=1e-8)
    np.testing.assert_allclose(SCALAR.curvature(p), bend, atol=1e-8)


def test_density_is_the_formula_of_the_docstring():
    a, b, c, e, p = -1.3, 0.4, 0.7, 0.2, 1.7
    wanted = a / 2 * p**2 + b / 3 * p**3 + c / 4 * p**4 + e / 6 * p**6
    assert float(SCALAR.density(p)) == pytest.approx(wanted, rel=1e-14)


def test_vector_derivatives_are_those_of_the_density():
    point = np.random.default_rng(1).normal(size=(2, 30))
    h = 1e-5
    for part in range(2):
        shift = np.zeros((2, 1))
        shift[part] = h
        slope = (VECTOR.density(point + shift) - VECTOR.density(point - shift)) / (2 * h)
        np.testing.assert_allclose(VECTOR.derivative(point)[part], slope, atol=1e-7)
        bend = (VECTOR.derivative(point + shift) - VECTOR.derivative(point - shift)) / (2 * h)
        np.testing.assert_allclose(VECTOR.hessian(point)[:, part], bend, atol=1e-6)


def test_isotropic_vector_potential_does_not_see_the_direction():
    law = VectorLandauPotential(a1=-1.0, a11=0.5, a12=1.0, a111=0.2, a112=0.6)
    angle = np.linspace(0, 2 * np.pi, 50)
    energies = law.density(0.8 * np.stack([np.cos(angle), np.sin(angle)]))
    np.testing.assert_allclose(energies, energies[0], rtol=1e-13)


def test_minima_and_stationary_points_in_a_field():
    law = LandauPotential(a=-2.0, c=3.0, e=1.0)
    wanted = np.sqrt((-3 + np.sqrt(9 + 8)) / 2)  # a + c q + e q^2 = 0
    np.testing.assert_allclose(law.minima(), [-wanted, wanted], rtol=1e-12)
    for p in law.stationary_points(0.3):
        assert float(law.derivative(p)) == pytest.approx(0.3, abs=1e-10)


def test_extent_and_largest_curvature_bound_what_they_promise():
    low, high = SCALAR.extent(-0.5, 0.5, 0.3)
    for field in np.linspace(-0.5, 0.5, 21):
        points = SCALAR.stationary_points(field)
        assert points.min() >= low - 1e-9
        assert points.max() <= high + 1e-9
    largest, size = SCALAR.largest_curvature(low, high)
    values = SCALAR.curvature(np.linspace(low, high, 2001))
    assert values.max() <= largest + 1e-12
    assert np.abs(values).max() == pytest.approx(size, rel=1e-5)
    radius = VECTOR.extent(-0.2, 0.2, 0.0)[1]
    angle = np.linspace(0, 2 * np.pi, 181)
    outside = 1.01 * radius * np.stack([np.cos(angle), np.sin(angle)])
    outwards = np.sum(VECTOR.derivative(outside) * outside, axis=0) / (1.01 * radius)
    assert (outwards > 0.2).all()
    points = np.random.default_rng(2).uniform(-radius, radius, (2, 4000))
    points = points[:, np.hypot(*points) <= radius]
    bends = np.linalg.eigvalsh(np.moveaxis(VECTOR.hessian(points), -1, 0)).max()
    assert bends <= VECTOR.largest_curvature(-radius, radius)[0] * 1.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LandauPotential(a=float("nan")), "a must be a finite number"),
        (lambda: LandauPotential(a="1"), "a must be a finite number"),
        (lambda: LandauPotential(a=-1.0), "must rise for large P"),
        (lambda: LandauPotential(a=1.0, b=0.2), "must rise for large P"),
        (lambda: LandauPotential(a=1.0, c=1.0, e=-0.1), "must rise for large P"),
        (lambda: LandauPotential(a=1.0, kappa_x=-1.0), "kappa_x must be a .* of at least 0"),
        (lambda: LandauPotential(a=1.0, kappa_xy=1.5), "kappa_xy must satisfy"),
        (lambda: VectorLandauPotential(a1=-1.0), "in every direction"),
        (lambda: VectorLandauPotential(a1=-1.0, a11=1.0, a12=-2.5), "in every direction"),
        (lambda: VectorLandauPotential(a1=-1.0, a11=1.0, a111=1.0, a112=-1.5), "every direction"),
        (lambda: VectorLandauPotential(a1=1.0, g12=3.0), "g12 must leave"),
        (lambda: VectorLandauPotential(a1=1.0, g44=-1.0), "g44 must be a .* of at least 0"),
    ],
)  # fmt: skip
def test_bad_potentials_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
