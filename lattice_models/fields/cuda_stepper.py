"""Explicit Euler steps of a scalar field on a GPU, without noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.lattice_models.cuda_device import require_cuda
from physlearn.lattice_models.fields.explicit_stepper import ScalarSteps
from physlearn.lattice_models.fields.problem import FieldProblem

__all__ = ["CudaScalarSteps"]

Floats = NDArray[np.float64]
THREADS = (8, 32)


class CudaScalarSteps:
    """The steps of ``ScalarSteps`` on a GPU: no noise, no local fields, no oblique gradient.

    Values differ from those of the CPU by the rounding of fused products and sums.

    Raises
    ------
    BackendUnavailable
        Without a GPU.
    InputError
        For a problem with noise or an oblique gradient, or a vector.
    """

    def __init__(self, problem: FieldProblem, start: Floats, words: NDArray[np.uint64]) -> None:
        oblique = getattr(problem.potential, "kappa_xy", 0.0) != 0.0
        if problem.shape[0] != 1 or problem.thermal_energy > 0 or oblique:
            raise InputError(
                "settings.backend may be 'cuda' for a scalar order parameter without noise and "
                "kappa_xy only; use backend='cpu'."
            )
        self._cuda = require_cuda()
        self._host = ScalarSteps(problem, start, words)  # knows the coefficients of a step
        self.problem = problem
        self._field = self._cuda.to_device(self._host.values)
        self._other = self._cuda.device_array_like(self._field)
        self._coefficients = self._cuda.to_device(self._host.coefficients)

    def set_interval(self, time_step: float, local: tuple[Floats, Floats, Floats] | None) -> None:
        """Prepare for steps of one length; there are no local fields here."""
        if local is not None:
            raise InputError(
                "settings.backend may be 'cuda' for a uniform drive without pinning only; use "
                "backend='cpu'."
            )
        self._host.set_interval(time_step, None)
        self._coefficients = self._cuda.to_device(self._host.coefficients)

    def step(self, drive: Floats) -> None:
        """Do one step per column of ``drive`` (2, n): uniform field, waveform of the profile."""
        from physlearn.lattice_models.fields.cuda_field_kernels import (
            diffuse_cells,
            relax_cells,
            write_potential,
        )

        shape = self._host.values.shape
        where = tuple(-(-size // n) for size, n in zip(shape, THREADS, strict=True)), THREADS
        mirror, coefficients = self.problem.mirror, self._coefficients
        waves = self._cuda.to_device(np.ascontiguousarray(drive[0], self._host.values.dtype))
        for number in range(drive.shape[1]):
            if self.problem.conserved:
                write_potential[where](self._field, self._other, coefficients, mirror)
                diffuse_cells[where](self._field, self._other, coefficients, mirror)
            else:
                relax_cells[where](self._field, self._other, coefficients, waves, number, mirror)
                self._field, self._other = self._other, self._field

    def field(self) -> Floats:
        """Return the field as it is now, (1, n_rows, n_columns)."""
        return np.asarray(self._field.copy_to_host()[None], np.float64)

    def largest(self) -> float:
        """Return the largest size of the order parameter, NaN where it left the numbers."""
        return float(np.abs(self._field.copy_to_host()).max())

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the whole state."""
        return {"values": self._field.copy_to_host(), "words": self._host.words}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a saved state."""
        self._field = self._cuda.to_device(
            np.ascontiguousarray(arrays["values"], self._host.values.dtype)
        )
