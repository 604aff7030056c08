"""Gradient energies and couplings as symbols A(k) on the grid of a real Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.fields.nonlocal_energies import (
    Coupling,
    DepolarizationEnergy,
    ElasticEnergy,
    ThinFilmDepolarization,
)
from physlearn.lattice_models.fields.potentials import LandauPotential, VectorLandauPotential

__all__ = ["elastic_form", "gradient_symbol", "largest_gradient", "squared_wave_numbers"]

Floats = NDArray[np.float64]
PHASES = 65  # of a grid of wave vectors that holds the largest of the difference operator


def wave_numbers(shape: tuple[int, int], spacing: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return k_x (1, n) and k_y (n_rows, 1) of ``rfft2``; ``spacing``: dx, dy."""
    k_x = 2 * np.pi * np.fft.rfftfreq(shape[1], spacing[0])[None, :]
    k_y = 2 * np.pi * np.fft.fftfreq(shape[0], spacing[1])[:, None]
    return k_x.astype(np.float64), k_y.astype(np.float64)


def squared_wave_numbers(shape: tuple[int, int], spacing: tuple[float, float]) -> Floats:
    """Return k^2, shape (n_rows, n_columns // 2 + 1)."""
    k_x, k_y = wave_numbers(shape, spacing)
    squares: Floats = k_x**2 + k_y**2
    return squares


def _products(
    shape: tuple[int, int], spacing: tuple[float, float], derivative: str
) -> tuple[Floats, Floats, Floats]:
    """Symbols of -d2/dx2, -d2/dy2 and -d2/dxdy.

    A product of two odd derivatives has no sign at the Nyquist number of an even grid: it is zero
    there, which leaves the energy real and positive.
    """
    k_x, k_y = wave_numbers(shape, spacing)
    dx, dy = spacing
    if derivative == "difference":
        return (
            (2 - 2 * np.cos(k_x * dx)) / dx**2,
            (2 - 2 * np.cos(k_y * dy)) / dy**2,
            np.sin(k_x * dx) * np.sin(k_y * dy) / (dx * dy),
        )
    odd_x = np.where(np.isclose(np.abs(k_x) * dx, np.pi), 0.0, k_x)
    odd_y = np.where(np.isclose(np.abs(k_y) * dy, np.pi), 0.0, k_y)
    return k_x**2, k_y**2, odd_x * odd_y


def _combine(
    potential: LandauPotential | VectorLandauPotential, xx: Floats, yy: Floats, xy: Floats
) -> Floats:
    """Gradient energy of one wave vector as a symmetric matrix over components."""
    if isinstance(potential, LandauPotential):
        scalar = potential.kappa_x * xx + potential.kappa_y * yy + 2 * potential.kappa_xy * xy
        return np.asarray(scalar)[None, None]
    shear = potential.g44 + potential.g44m
    cross = (potential.g12 + potential.g44 - potential.g44m) * xy
    return np.stack(
        [
            np.stack([potential.g11 * xx + shear * yy, cross]),
            np.stack([cross, shear * xx + potential.g11 * yy]),
        ]
    )


def gradient_symbol(
    potential: LandauPotential | VectorLandauPotential,
    shape: tuple[int, int],
    spacing: tuple[float, float],
    couplings: tuple[Coupling, ...] = (),
    derivative: str = "spectral",
) -> Floats:
    """Return A(k) of the quadratic energies, (components, components, rows, columns // 2 + 1)."""
    xx, yy, xy = _products(shape, spacing, derivative)
    symbol = _combine(potential, xx, yy, xy)
    k_x, k_y = wave_numbers(shape, spacing)
    squares = np.where((k_x == 0) & (k_y == 0), 1.0, k_x**2 + k_y**2)
    for coupling in couplings:
        if isinstance(coupling, ThinFilmDepolarization):
            symbol = symbol + coupling.strength * coupling.factor(np.hypot(k_x, k_y))
        elif isinstance(coupling, DepolarizationEnergy):
            _, _, odd = _products(shape, spacing, "spectral")
            along = np.stack([np.stack([k_x**2 + 0 * odd, odd]), np.stack([odd, k_y**2 + 0 * odd])])
            symbol = symbol + coupling.strength * along / squares
    return symbol


def elastic_form(
    couplings: tuple[Coupling, ...], shape: tuple[int, int], spacing: tuple[float, float]
) -> Floats | None:
    """Return the summed B(n) of the elastic couplings, or None without any."""
    found = [c for c in couplings if isinstance(c, ElasticEnergy)]
    if not found:
        return None
    k_x, k_y = wave_numbers(shape, spacing)
    # a shear has no sign at the Nyquist number: mean of both signs, which keeps the energy real
    forms = [0.5 * (c.form(k_x + 0 * k_y, k_y + 0 * k_x) + c.form(k_x + 0 * k_y, -k_y + 0 * k_x))
             for c in found]  # fmt: skip
    plain = [c.form(k_x + 0 * k_y, k_y + 0 * k_x) for c in found]
    at_edge = np.isclose(np.abs(k_x) * spacing[0], np.pi) | np.isclose(
        np.abs(k_y) * spacing[1], np.pi
    )
    total: Floats = np.where(at_edge, sum(forms), sum(plain))
    return total


def largest_gradient(
    potential: LandauPotential | VectorLandauPotential, spacing: tuple[float, float]
) -> float:
    """Return the largest eigenvalue of the difference operator of the gradient energy."""
    dx, dy = spacing
    phase = np.linspace(0.0, np.pi, PHASES)
    x, y = np.meshgrid(phase, np.concatenate([-phase[:0:-1], phase]))
    symbol = _combine(
        potential,
        (2 - 2 * np.cos(x)) / dx**2,
        (2 - 2 * np.cos(y)) / dy**2,
        np.sin(x) * np.sin(y) / (dx * dy),
    )
    matrices = np.moveaxis(symbol.reshape(*symbol.shape[:2], -1), -1, 0)
    return float(np.linalg.eigvalsh(matrices).max())
