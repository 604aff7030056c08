"""Free energy of a field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.lattice_models.fields.forcing import Pinning, make_forcing
from physlearn.lattice_models.fields.nonlocal_energies import Coupling, check_couplings
from physlearn.lattice_models.fields.operators import elastic_form, gradient_symbol
from physlearn.lattice_models.fields.potentials import (
    LandauPotential,
    VectorLandauPotential,
    check_potential,
)

__all__ = ["free_energy"]

Floats = NDArray[np.float64]


def check_spacing(pixel_size: Any) -> tuple[float, float]:
    """Return (dx, dy) from one number or two."""
    if isinstance(pixel_size, tuple | list | np.ndarray):
        if len(pixel_size) != 2:
            raise InputError(f"pixel_size must be one number or (dx, dy); got {pixel_size!r}.")
        first, second = (check_positive("pixel_size", float(edge)) for edge in pixel_size)
        return first, second
    edge = check_positive("pixel_size", pixel_size)
    return edge, edge


def free_energy(
    field: ArrayLike,
    potential: LandauPotential | VectorLandauPotential,
    *,
    pixel_size: float | tuple[float, float] = 1.0,
    couplings: Coupling | tuple[Coupling, ...] = (),
    applied_field: ArrayLike | None = None,
    pinning: Pinning | None = None,
    derivative: str = "spectral",
    boundary: str = "periodic",
) -> Floats:
    """Return the free energy of one field or of each frame of a film.

    ``F = sum over cells of dx dy (f(P) + gradients - E P) + couplings``

    Parameters
    ----------
    field
        Scalar: (n_rows, n_columns) or (n_frames, n_rows, n_columns). Vector: (2, n_rows,
        n_columns) or (n_frames, 2, n_rows, n_columns).
    potential
        Local part and gradient energy.
    pixel_size
        Edge of a cell, or (dx, dy).
    couplings
        Non-local energies.
    applied_field
        E: a number, (n_rows, n_columns), for a vector (2, n_rows, n_columns).
    pinning
        Disorder.
    derivative
        ``spectral`` (that of the spectral steps) or ``difference`` (that of the explicit steps).
    boundary
        ``periodic`` or ``no_flux`` (differences only).

    Returns
    -------
    ndarray
        energy (density x length^2), shape () or (n_frames,).

    Raises
    ------
    InputError
        For shapes that do not fit each other, or no-flux edges with spectral derivatives.

    Examples
    --------
    >>> double_well = LandauPotential(a=-1.0, c=1.0)
    >>> float(free_energy(np.ones((8, 8)), double_well, pixel_size=0.5))
    -4.0
    """
    check_potential(potential)
    check_choice("derivative", derivative, ("spectral", "difference"))
    check_choice("boundary", boundary, ("periodic", "no_flux"))
    spacing = check_spacing(pixel_size)
    n_parts = potential.n_components
    frames = check_array("field", field)
    one = frames.ndim == (2 if n_parts == 1 else 3)
    if one:
        frames = frames[None]
    if n_parts == 1 and frames.ndim == 3:
        frames = frames[:, None]
    if frames.ndim != 4 or frames.shape[1] != n_parts:
        raise InputError(
            f"field must hold {n_parts} component(s) on a grid, as one frame or a film; "
            f"got shape {np.shape(field)}."
        )
    found = check_couplings(potential, couplings)
    mirror = boundary == "no_flux"
    if mirror and (derivative == "spectral" or found):
        raise InputError(
            "boundary must be periodic with spectral derivatives or couplings; "
            "give derivative='difference' and no couplings."
        )
    shape = (n_parts, frames.shape[2], frames.shape[3])
    push = _applied(applied_field, shape)
    disorder = make_forcing(None, pinning, shape, np.arange(2.0))
    if disorder.field is not None:
        push = push + disorder.field
    symbol = None if mirror else gradient_symbol(potential, shape[1:], spacing, found, derivative)
    form = elastic_form(found, shape[1:], spacing)
    energies = np.array(
        [_one(frame, potential, push, disorder.softening, symbol, form, spacing)
         for frame in frames]
    )  # fmt: skip
    return energies[0] if one else energies


def _applied(applied_field: ArrayLike | None, shape: tuple[int, int, int]) -> Floats:
    """Return the applied field on the grid."""
    if applied_field is None:
        return np.zeros(shape)
    given = check_array("applied_field", applied_field)
    if given.shape == (2,) and shape[0] == 2:
        given = given[:, None, None]
    try:
        return np.broadcast_to(given, shape).astype(float)
    except ValueError:
        raise InputError(
            f"applied_field must fit the grid {shape[1:]}; got shape {given.shape}."
        ) from None


def _one(
    frame: Floats,
    potential: LandauPotential | VectorLandauPotential,
    push: Floats,
    softening: Floats | None,
    symbol: Floats | None,
    form: Floats | None,
    spacing: tuple[float, float],
) -> float:
    """Return the free energy of (components, n_rows, n_columns)."""
    area = spacing[0] * spacing[1]
    local = potential.density(frame if potential.n_components == 2 else frame[0])
    total = float(np.sum(local)) - float(np.sum(push * frame))
    if softening is not None:
        total += 0.5 * float(np.sum(softening * np.sum(frame * frame, axis=0)))
    if symbol is None:
        return area * (total + _closed_gradient(frame[0], potential, spacing))
    waves = np.fft.rfft2(frame)
    total += 0.5 * _form_sum(np.einsum("abij,aij,bij->ij", symbol, waves.conj(), waves).real, frame)
    if form is not None:
        squares = np.fft.rfft2(frame[0] ** 2)
        total += 0.5 * _form_sum(form * np.abs(squares) ** 2, frame)
    return float(area * total)


def _form_sum(values: Floats, frame: Floats) -> float:
    """Sum over all wave vectors from the half that a real transform holds, per Parseval."""
    n_rows, n_columns = frame.shape[1:]
    weights = np.full(values.shape[1], 2.0)
    weights[0] = 1.0
    if n_columns % 2 == 0:
        weights[-1] = 1.0
    return float(np.sum(values * weights) / (n_rows * n_columns))


def _closed_gradient(
    frame: Floats, potential: LandauPotential | VectorLandauPotential, spacing: tuple[float, float]
) -> float:
    """Gradient energy over the inner faces of a closed grid."""
    if not isinstance(potential, LandauPotential) or potential.kappa_xy != 0:
        raise InputError(
            "boundary must be periodic for a vector and for kappa_xy other than 0; got 'no_flux'."
        )
    steps_x = np.diff(frame, axis=1) / spacing[0]
    steps_y = np.diff(frame, axis=0) / spacing[1]
    return 0.5 * float(
        potential.kappa_x * np.sum(steps_x**2) + potential.kappa_y * np.sum(steps_y**2)
    )
