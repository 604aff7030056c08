"""Semi-implicit spectral steps of a field, scalar or vector, with noise and couplings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physlearn.lattice_models.fields.explicit_stepper import vector_coefficients
from physlearn.lattice_models.fields.noise_kernels import fill_normal
from physlearn.lattice_models.fields.operators import (
    elastic_form,
    gradient_symbol,
    squared_wave_numbers,
)
from physlearn.lattice_models.fields.potentials import LandauPotential
from physlearn.lattice_models.fields.problem import FieldProblem
from physlearn.lattice_models.fields.spectral_kernels import local_force, local_vector_force
from physlearn.lattice_models.random_numbers import ziggurat_tables

__all__ = ["SpectralSteps"]

Floats = NDArray[np.float64]
Real = NDArray[Any]
Arrays = Mapping[str, NDArray[Any]]


class SpectralSteps:
    """``(1 + r K (s + A)) P' = P - r K (f'(P) - s P - E)_k + noise`` with r = mobility x dt.

    K = 1, or k^2 where P is conserved; A(k) the gradients and quadratic couplings, implicit; s the
    stabilizer. With s at least half the largest curvature of f no step raises the free energy. The
    noise of mode k has the variance ``2 r K kT (1 + r K (s + A) / 2)``: then the fluctuations that
    the implicit part holds are those of equilibrium at any dt, also where r A is large.
    """

    def __init__(
        self, problem: FieldProblem, start: Floats, words: NDArray[np.uint64], stabilizer: float
    ) -> None:
        self.problem = problem
        self.kind = np.dtype(problem.precision)
        self.words = words
        self.ziggurat = ziggurat_tables() if problem.thermal_energy > 0 else np.zeros((2, 0))
        grid = problem.shape[1:]
        self.grid = grid
        self.symbol = gradient_symbol(problem.potential, grid, problem.spacing, problem.couplings)
        form = elastic_form(problem.couplings, grid, problem.spacing)
        self.form = None if form is None else form.astype(self.kind)
        squares = squared_wave_numbers(grid, problem.spacing)
        self.weight = squares if problem.conserved else np.ones_like(squares)
        potential = problem.potential
        parts = (
            (potential.a, potential.b, potential.c, potential.e)
            if isinstance(potential, LandauPotential) else vector_coefficients(potential)
        )  # fmt: skip
        self.coefficients: Real = np.array([stabilizer, *parts], self.kind)
        self.stabilizer = stabilizer
        self.spectrum: NDArray[Any] = fft.rfft2(start.astype(self.kind), axes=(1, 2))
        self.force: Real = np.zeros(start.shape, self.kind)
        self.noise: Real = np.zeros(start.shape if problem.thermal_energy > 0 else 0, self.kind)
        self.local: Real = np.zeros((3 if start.shape[0] == 1 else 5, 0, 0), self.kind)
        self.inverse = self.rate = self.spread = np.zeros(0, self.kind)
        self.time_step = 0.0

    def set_interval(self, time_step: float, local: tuple[Floats, Floats, Floats] | None) -> None:
        """Prepare for steps of one length in one set of local fields."""
        if local is not None:
            softening, field, profile = local
            self.local = np.ascontiguousarray(np.stack([softening, *field, *profile]), self.kind)
        if time_step == self.time_step:
            return
        self.time_step = time_step
        rate = self.problem.mobility * time_step * self.weight
        unit = np.eye(self.symbol.shape[0])[:, :, None, None]
        implicit = rate * (self.stabilizer * unit + self.symbol)
        self.inverse = _inverse(unit + implicit).astype(self.kind)
        self.rate = rate.astype(self.kind)
        if self.problem.thermal_energy > 0:
            power = 2 * rate * self.problem.thermal_energy / self.problem.cell_area
            self.spread = (np.sqrt(power) * _root(unit + implicit / 2)).astype(self.kind)

    def step(self, drive: Floats) -> None:
        """Do one step per column of ``drive`` (2, n): uniform field, waveform of the profile."""
        for push, wave in np.ascontiguousarray(drive.T, self.kind):
            order = self._values()
            if order.shape[0] == 1:
                local_force(order, self.force, self.coefficients, self.local, push, wave)
            else:
                local_vector_force(order, self.force, self.coefficients, self.local, wave)
            if self.form is not None:
                stress = fft.irfft2(
                    self.form * fft.rfft2(order[0] * order[0]), s=self.grid, overwrite_x=True
                )
                self.force[0] += (order[0] + order[0]) * stress
            change = fft.rfft2(self.force, axes=(1, 2))
            change *= self.rate
            np.subtract(self.spectrum, change, out=change)
            if self.noise.size:
                fill_normal(self.noise.reshape(-1), self.words, self.ziggurat)
                change += _apply(self.spread, fft.rfft2(self.noise, axes=(1, 2)))
            self.spectrum = _apply(self.inverse, change)

    def _values(self) -> Real:
        order: Real = fft.irfft2(self.spectrum, s=self.grid, axes=(1, 2))
        return order

    def field(self) -> Floats:
        """Return the field as it is now, (components, n_rows, n_columns)."""
        return self._values().astype(np.float64)

    def largest(self) -> float:
        """Return the largest size of the order parameter, NaN where it left the numbers."""
        return float(np.abs(self._values()).max())

    def arrays(self) -> Arrays:
        """Return the whole state."""
        return {"values": self.spectrum, "words": self.words}

    def restore(self, arrays: Arrays) -> None:
        """Go on from a saved state."""
        self.spectrum = arrays["values"].copy()
        self.words[:] = arrays["words"]


def _apply(matrix: Real, waves: NDArray[Any]) -> NDArray[Any]:
    """Multiply the components of every wave with its symmetric matrix."""
    if waves.shape[0] == 1:
        waves *= matrix[0, 0]
        return waves
    return np.stack(
        [
            matrix[0, 0] * waves[0] + matrix[0, 1] * waves[1],
            matrix[1, 0] * waves[0] + matrix[1, 1] * waves[1],
        ]
    )


def _inverse(matrix: Floats) -> Floats:
    """Inverse of 1 x 1 or symmetric 2 x 2 matrices along the first two axes."""
    if matrix.shape[0] == 1:
        return 1.0 / matrix
    first, cross, second = matrix[0, 0], matrix[0, 1], matrix[1, 1]
    adjoint = np.stack([np.stack([second, -cross]), np.stack([-cross, first])])
    inverse: Floats = adjoint / (first * second - cross**2)
    return inverse


def _root(matrix: Floats) -> Floats:
    """Positive square root of 1 x 1 or symmetric positive 2 x 2 matrices."""
    if matrix.shape[0] == 1:
        return np.sqrt(matrix)
    first, cross, second = matrix[0, 0], matrix[0, 1], matrix[1, 1]
    size = np.sqrt(first * second - cross**2)
    unit = np.eye(2)[:, :, None, None]
    root: Floats = (matrix + size * unit) / np.sqrt(first + second + 2 * size)
    return root
