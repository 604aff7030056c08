"""Explicit Euler steps of a field: picks the kernel, holds its rooms and its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.fields.explicit_kernels import diffuse_tiles, relax_tiles
from physlearn.lattice_models.fields.forced_kernels import forced_steps
from physlearn.lattice_models.fields.noise_kernels import add_noise, fill_normal, flux_noise
from physlearn.lattice_models.fields.potentials import LandauPotential, VectorLandauPotential
from physlearn.lattice_models.fields.problem import FieldProblem
from physlearn.lattice_models.fields.vector_kernels import vector_steps
from physlearn.lattice_models.random_numbers import ziggurat_tables

__all__ = ["ScalarSteps", "VectorSteps"]

Floats = NDArray[np.float64]
Real = NDArray[Any]
Arrays = Mapping[str, NDArray[Any]]
# steps per visit of a tile and its inner rows, for relaxing and for diffusing fields: what ran
# fastest for fields from 256 x 256 to 4096 x 4096 with a second cache of 1 MiB
DEPTHS, ROWS = (6, 6), (128, 256)
CACHE_LINE = 64  # bytes
ROUNDING = 1e-9
COLUMNS = 512  # computed per row of a tile: a multiple of the length of a vector


class ScalarSteps:
    """Explicit steps of a scalar; the stationary noise is exact for a quadratic potential.

    Noise: the mean of this step's and the last one's (Leimkuhler and Matthews, Appl. Math. Res.
    Express 2013, 34, doi:10.1093/amrx/abs010): the stationary state is of second order in dt. It
    stays exact where the step becomes shorter, see `shorten_memory`.
    """

    def __init__(self, problem: FieldProblem, start: Floats, words: NDArray[np.uint64]) -> None:
        kind = np.dtype(problem.precision)
        self.problem = problem
        self.values: Real = np.array(start[0], kind, order="C")
        self.words = words
        n_rows, n_columns = self.values.shape
        self.noise: Real = np.zeros((2, 0, 0), kind)
        self.noise_step = np.inf  # the step that ``noise[0]`` belongs to
        self.ziggurat = ziggurat_tables() if problem.thermal_energy > 0 else np.zeros((2, 0))
        self.faces: Real = np.zeros((2, n_rows, n_columns) if problem.conserved else 0, kind)
        if problem.thermal_energy > 0:
            self.noise = np.zeros((2, n_rows, n_columns), kind)
            self._draw(self.noise[0])
        self.local: Real = np.zeros((3, 0, 0), kind)
        self.coefficients: Real = np.zeros(9, kind)
        self.amplitude = kind.type(0)
        self._room: Sequence[Real] = ()
        self._columns = 0

    def set_interval(self, time_step: float, local: tuple[Floats, Floats, Floats] | None) -> None:
        """Prepare for steps of one length in one set of local fields."""
        problem, kind = self.problem, self.values.dtype
        potential = problem.potential
        assert isinstance(potential, LandauPotential)  # noqa: S101 -- chosen by its components
        dx, dy = problem.spacing
        rate = problem.mobility * time_step
        rates = (rate / dx**2, rate / dy**2) if problem.conserved else (rate, rate)
        self.coefficients = np.array(
            [*rates, potential.a, potential.b, potential.c, potential.e,
             potential.kappa_x / dx**2, potential.kappa_y / dy**2,
             potential.kappa_xy / (2 * dx * dy)],
            kind,
        )  # fmt: skip
        power = 2 * rate * problem.thermal_energy / problem.cell_area
        self.amplitude = kind.type(0.5 * np.sqrt(power))
        if is_shorter(time_step, self.noise_step) and self.noise.size:
            self._draw(self.noise[1])
            shorten_memory(self.noise, time_step / self.noise_step)
        self.noise_step = time_step
        if local is not None:
            self.local = np.ascontiguousarray(np.stack([local[0], local[1][0], local[2][0]]), kind)

    def step(self, drive: Floats) -> None:
        """Do one step per column of ``drive`` (2, n): uniform field, waveform of the profile."""
        waves = np.ascontiguousarray(drive, self.values.dtype)
        plain = self.local.shape[1] == 0 and not self.noise.size
        if plain and self.coefficients[8] == 0:
            self._tiles(waves)
        else:
            if not self._room:
                shape = (self.values.shape[0] + 2, self.values.shape[1] + 2)
                self._room = tuple(np.zeros(shape, self.values.dtype) for _ in range(2))
            padded, potential = self._room
            # with noise one step at a time: its kernels stay small
            pieces = [waves] if not self.noise.size else [waves[:, k : k + 1] for k in
                                                          range(waves.shape[1])]  # fmt: skip
            for piece in pieces:
                forced_steps(
                    self.values, padded, potential, self.local, np.ascontiguousarray(piece),
                    self.coefficients, self.problem.conserved, self.problem.mirror, piece.shape[1],
                )  # fmt: skip
                if self.noise.size:
                    before, now = self.noise
                    self._draw(now)
                    add_noise(
                        self.values.reshape(-1), before.reshape(-1), now.reshape(-1),
                        self.amplitude,
                    )  # fmt: skip

    def _draw(self, noise: Real) -> None:
        """Fill with unit noise: white, or the divergence of white fluxes."""
        if not self.problem.conserved:
            fill_normal(noise.reshape(-1), self.words, self.ziggurat)
            return
        fill_normal(self.faces.reshape(-1), self.words, self.ziggurat)
        per_x, per_y = (self.values.dtype.type(1 / edge) for edge in self.problem.spacing)
        flux_noise(noise, self.faces, per_x, per_y, self.problem.mirror)

    def _tiles(self, waves: Real) -> None:
        problem = self.problem
        depth = DEPTHS[problem.conserved]
        if not self._room:
            *self._room, self._columns = tile_rooms(self.values, problem.conserved)
        other, tile, second = self._room
        if problem.conserved:
            diffuse_tiles(
                self.values, other, tile, second, self.coefficients, problem.mirror,
                waves.shape[1], depth, self._columns,
            )  # fmt: skip
        else:
            relax_tiles(
                self.values, other, tile, second, self.coefficients, waves[0], problem.mirror,
                waves.shape[1], depth, self._columns,
            )  # fmt: skip

    def field(self) -> Floats:
        """Return the field as it is now, (1, n_rows, n_columns)."""
        return self.values[None].astype(np.float64)

    def largest(self) -> float:
        """Return the largest size of the order parameter, NaN where it left the numbers."""
        return float(np.abs(self.values).max())

    def arrays(self) -> Arrays:
        """Return the whole state."""
        state = {"values": self.values, "words": self.words}
        if not self.noise.size:
            return state
        return {**state, "noise": self.noise[0], "noise_step": np.array(self.noise_step)}

    def restore(self, arrays: Arrays) -> None:
        """Go on from a saved state."""
        self.values[:] = arrays["values"]
        self.words[:] = arrays["words"]
        if self.noise.size:
            self.noise[0] = arrays["noise"]
            self.noise_step = float(arrays["noise_step"])


def is_shorter(time_step: float, before: float) -> bool:
    """Whether a step is shorter than the last one by more than rounding; not the first step."""
    return before < np.inf and time_step < before * (1 - ROUNDING)


def shorten_memory(noise: Real, ratio: float) -> None:
    """Fit the unit noise of the last step, ``noise[0]``, to a step shorter by ``ratio``.

    In equilibrium the field and that noise have the covariance (step kT mobility / 2 area)^1/2,
    the same for every mode: mixed with the fresh noise in ``noise[1]`` it gets that of the shorter
    step, and its variance stays 1. No mixture raises a covariance: steps must not grow.
    """
    kind = noise.dtype.type
    noise[0] *= kind(np.sqrt(ratio))
    noise[0] += kind(np.sqrt(1 - ratio)) * noise[1]


def tile_rooms(values: Real, conserved: bool) -> tuple[Real, Real, Real, int]:
    """Return another field, two tiles for the tiled kernels, and the columns to use of them.

    The first computed column of every row of a tile begins a line of the cache: a quarter of the
    time of a step otherwise goes to loads and stores that cross lines.
    """
    rim = (2 if conserved else 1) * DEPTHS[conserved]
    n_rows, n_columns = values.shape
    rows, columns = min(ROWS[conserved], n_rows) + 2 * rim, min(COLUMNS + 2, n_columns + 2 * rim)
    tile = _aligned(rows, columns, values.dtype)
    second = _aligned(3 if conserved else rows, columns, values.dtype)
    return np.zeros_like(values), tile, second, columns


def _aligned(rows: int, columns: int, kind: np.dtype[Any]) -> Real:
    """Return zeros of at least these columns, column 1 of every row at the start of a line."""
    per_line = CACHE_LINE // kind.itemsize
    stride = -(-columns // per_line) * per_line
    flat: Real = np.zeros(rows * stride + 2 * per_line, kind)
    past = (flat.ctypes.data + kind.itemsize) % CACHE_LINE
    first = (-past % CACHE_LINE) // kind.itemsize
    return flat[first : first + rows * stride].reshape(rows, stride)


class VectorSteps:
    """Explicit steps of a polarisation vector, periodic; noise as in `ScalarSteps`."""

    def __init__(self, problem: FieldProblem, start: Floats, words: NDArray[np.uint64]) -> None:
        kind = np.dtype(problem.precision)
        self.problem = problem
        self.values: Real = np.array(start, kind, order="C")
        self.words = words
        n_rows, n_columns = start.shape[1:]
        self.ziggurat = ziggurat_tables() if problem.thermal_energy > 0 else np.zeros((2, 0))
        self.noise: Real = np.zeros((2, 0), kind)
        self.noise_step = np.inf
        if problem.thermal_energy > 0:
            self.noise = np.zeros((2, self.values.size), kind)
            fill_normal(self.noise[0], self.words, self.ziggurat)
        self.local: Real = np.zeros((5, 0, 0), kind)
        self.coefficients: Real = np.zeros(12, kind)
        self.amplitude = kind.type(0)
        self.padded: Real = np.zeros((2, n_rows + 2, n_columns + 2), kind)
        self.force: Real = np.zeros_like(self.values)

    def set_interval(self, time_step: float, local: tuple[Floats, Floats, Floats] | None) -> None:
        """Prepare for steps of one length in one set of local fields."""
        problem, kind = self.problem, self.values.dtype
        potential = problem.potential
        assert isinstance(potential, VectorLandauPotential)  # noqa: S101 -- as above
        dx, dy = problem.spacing
        shear = potential.g44 + potential.g44m
        rate = problem.mobility * time_step
        self.coefficients = np.array(
            [rate, *vector_coefficients(potential), potential.g11 / dx**2, potential.g11 / dy**2,
             shear / dx**2, shear / dy**2,
             (potential.g12 + potential.g44 - potential.g44m) / (4 * dx * dy)],
            kind,
        )  # fmt: skip
        power = 2 * rate * problem.thermal_energy / problem.cell_area
        self.amplitude = kind.type(0.5 * np.sqrt(power))
        if is_shorter(time_step, self.noise_step) and self.noise.size:
            fill_normal(self.noise[1], self.words, self.ziggurat)
            shorten_memory(self.noise, time_step / self.noise_step)
        self.noise_step = time_step
        if local is not None:
            self.local = np.ascontiguousarray(np.stack([local[0], *local[1], *local[2]]), kind)

    def step(self, drive: Floats) -> None:
        """Do one step per column of ``drive`` (2, n); only the profile's waveform counts."""
        waves = np.ascontiguousarray(drive, self.values.dtype)
        pieces = [waves] if not self.noise.size else [waves[:, k : k + 1] for k in
                                                      range(waves.shape[1])]  # fmt: skip
        for piece in pieces:
            vector_steps(
                self.values, self.padded, self.force, self.local, np.ascontiguousarray(piece),
                self.coefficients, piece.shape[1],
            )  # fmt: skip
            if self.noise.size:
                fill_normal(self.noise[1], self.words, self.ziggurat)
                before, now = self.noise
                add_noise(self.values.reshape(-1), before, now, self.amplitude)

    def field(self) -> Floats:
        """Return the field as it is now, (2, n_rows, n_columns)."""
        return self.values.astype(np.float64)

    def largest(self) -> float:
        """Return the largest size of the order parameter, NaN where it left the numbers."""
        return float(np.abs(self.values).max())

    def arrays(self) -> Arrays:
        """Return the whole state."""
        state = {"values": self.values, "words": self.words}
        if not self.noise.size:
            return state
        return {**state, "noise": self.noise[0], "noise_step": np.array(self.noise_step)}

    def restore(self, arrays: Arrays) -> None:
        """Go on from a saved state."""
        self.values[:] = arrays["values"]
        self.words[:] = arrays["words"]
        if self.noise.size:
            self.noise[0] = arrays["noise"]
            self.noise_step = float(arrays["noise_step"])


def vector_coefficients(potential: VectorLandauPotential) -> tuple[float, ...]:
    """Return the factors of the powers in df/dPx / Px."""
    return (
        2 * potential.a1, 4 * potential.a11, 2 * potential.a12, 6 * potential.a111,
        4 * potential.a112, 2 * potential.a112,
    )  # fmt: skip
