"""Frequencies of a crystal's waves from its springs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count
from physlearn.inference.crystals.crystal_kinds import crystal_kind
from physlearn.inference.crystals.spring_geometry import spring_geometry
from physlearn.results import Fit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["dispersion_curve"]

Float = NDArray[np.float64]
MOST_DRAWS = 400


def dispersion_curve(fit: Fit, waves: ArrayLike | None = None, n_waves: int = 60) -> pd.DataFrame:
    """Return the frequencies of waves from the springs of ``fit_crystal``, with their intervals.

    Parameters
    ----------
    fit
        Of ``fit_crystal``.
    waves
        Shape (n, d): waves in the lattice's own axes, radians over length; None: from 0 along the
        first primitive vector of the reciprocal lattice to the middle of it.
    n_waves
        Waves of that line.

    Returns
    -------
    DataFrame
        One row a wave and branch: ``wave`` (its length), ``branch`` (1: softest), ``mean``,
        ``q05``, ``q95`` of the frequency times the root of mass over kT, in 1 over length.

    Raises
    ------
    InputError
        For another fit or a wrong shape.

    Examples
    --------
    >>> from physlearn.inference import fit_crystal
    >>> from physlearn.inference.crystals.harmonic_crystal import sample_harmonic_crystal
    >>> atoms = sample_harmonic_crystal("triangular", 12, [300.0, 0.0], rng=1)[0]
    >>> fit = fit_crystal(atoms, sampling="thermal_snapshot", n_shells=1, position_sd=0, rng=1)
    >>> dispersion_curve(fit, n_waves=3)["branch"].tolist()
    [1, 2, 1, 2, 1, 2]
    """
    import pandas as pd

    if "lattice" not in fit.attrs or "longitudinal" not in fit.variables:
        raise InputError("fit must be one of fit_crystal.")
    kind = crystal_kind(str(fit.attrs["lattice"]))
    primitive = np.asarray(fit.idata["constant_data"]["primitive"].to_numpy(), dtype=np.float64)
    if waves is None:
        count = check_count("n_waves", n_waves, 2)
        shares = np.zeros((count, kind.dimension))
        shares[:, 0] = np.linspace(0.0, 0.5, count)
        lengths = np.linalg.norm(2.0 * np.pi * shares @ np.linalg.inv(primitive).T, axis=1)
    else:
        rows = check_array("waves", waves, shape=(None, kind.dimension))
        shares, lengths = rows @ primitive.T / (2.0 * np.pi), np.linalg.norm(rows, axis=1)
    longitudinal = fit["longitudinal"]
    springs = np.stack([longitudinal, fit["transverse"]], axis=2).reshape(len(longitudinal), -1)
    springs = springs[:: max(len(springs) // MOST_DRAWS, 1)]
    geometry = spring_geometry(kind, primitive, springs.shape[1] // 2)
    stiff = np.einsum("mk,qkij->mqij", springs, geometry.matrices(shares))
    values = np.linalg.eigvalsh(stiff)
    if kind.n_basis > 1:  # the real form holds each branch twice
        values = values[..., ::2]
    frequency = np.sqrt(np.maximum(values, 0.0))
    low, high = np.quantile(frequency, [0.05, 0.95], axis=0)
    n, branches = frequency.shape[1:]
    return pd.DataFrame(
        {
            "wave": np.repeat(lengths, branches), "branch": np.tile(np.arange(1, branches + 1), n),
            "mean": frequency.mean(axis=0).ravel(), "q05": low.ravel(), "q95": high.ravel(),
        }
    )  # fmt: skip
