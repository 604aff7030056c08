"""How well a crystal can tell its springs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.inference.crystals.crystal_data import read_crystal
from physlearn.inference.crystals.spring_geometry import spring_geometry
from physlearn.inference.crystals.spring_model import read_position_error
from physlearn.inference.crystals.wave_likelihood import WaveLikelihood

__all__ = ["spring_bound"]

Float = NDArray[np.float64]


def spring_bound(
    configurations: Any,
    springs: ArrayLike,
    *,
    position_sd: Any = None,
    lattice: str | None = None,
) -> Float:
    """Return the Cramer-Rao standard deviations of springs of a periodic crystal.

    Parameters
    ----------
    configurations
        Periodic crystal, as ``fit_crystal`` takes it: its sites, box and number of frames, which
        count as independent.
    springs
        Longitudinal and transverse of shell 1, of shell 2, ..., kT over length squared.
    position_sd
        As of ``fit_crystal``, but not ``"free"``: a bound holds at an error's value, so say
        (value, a large sd). What is known of it beforehand counts as a measurement.
    lattice
        Its name; None: recognised.

    Returns
    -------
    ndarray
        float64, shape (k,), in the unit of the springs; no prior of the springs is counted.

    Raises
    ------
    InputError
        For ``position_sd="free"``.
    NotIdentified
        For a field of view or a crystal with vacancies.

    Examples
    --------
    >>> from physlearn.inference.crystals.harmonic_crystal import sample_harmonic_crystal
    >>> atoms = sample_harmonic_crystal("square", 16, [300.0, 30.0], rng=1)[0]
    >>> [round(float(sd), 1) for sd in spring_bound(atoms, [300.0, 30.0], position_sd=0)]
    [23.4, 6.0]
    """
    stiffness = check_array("springs", springs, ndim=1)
    if len(stiffness) < 2 or len(stiffness) % 2:
        raise InputError(
            "springs must hold two constants for every shell (along and across its bonds); "
            f"got {len(stiffness)}."
        )
    if isinstance(position_sd, str):
        raise InputError(
            "position_sd='free' has no bound: it holds at one value of the error; give (value, sd) "
            "with a large sd."
        )
    frames = read_crystal(configurations, lattice)
    first = frames.sites[0]
    if not frames.is_whole or first.periods is None:
        raise NotIdentified("the bound is known of whole periodic crystals; give a cell.")
    geometry = spring_geometry(first.kind, first.primitive, len(stiffness) // 2)
    error = read_position_error(position_sd, frames.covariance, first.spacing)
    part = WaveLikelihood.of(
        first.displacement[None], first.indices, first.basis, first.periods, geometry,
        float(len(frames.sites)),
    )  # fmt: skip
    try:
        information = part.score(stiffness, error.mean**2)[1]
    except np.linalg.LinAlgError:
        raise InputError(
            f"springs must hold every atom in its place; with {stiffness.tolist()} some wave costs "
            "no energy."
        ) from None
    k = len(stiffness)
    if error.is_known:
        information = information[:k, :k]
    elif error.mean > 0.0:
        # d variance = 2 mean d sd
        information[k, k] += 1.0 / (2.0 * error.mean * error.sd) ** 2
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(information)))[:k])
