"""Core-loss edges of a spectral stack: background power law and window counts, with errors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.datasets.spectra.pixel_spectra import maps_of, pixel_spectra
from physlearn.datasets.spectra.spoilt import spoilt_points

__all__ = ["measure_edges"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Window = tuple[float, float]

REASONS = ("measured", "points of a window are missing or spikes", "no background to fit")
N_STEPS = 30
LEAST_POINTS = 3
MOST_MISSING = 0.3
LARGEST_MISFIT = 1.5
MUCH_GIVEN_UP = 0.02


def measure_edges(
    stack: xr.DataArray, edges: Mapping[str, tuple[Window, Window]], *, gain: float = 1.0
) -> xr.Dataset:
    r"""Integrate edges over a power-law background, pixel by pixel, with counting errors.

    The background :math:`A E^{-r}` is fitted to the counts before each edge by Poisson's
    likelihood and carried on under the edge. The error of the net counts holds the counts of both
    windows and the error of the carried background; windows that edges share correlate them.

    Parameters
    ----------
    stack
        DataArray (y, x, energy), (pixel, energy) or (energy,): counts, or numbers that ``gain``
        turns into counts. Spikes (X-rays) are found and passed over in background windows.
    edges
        Name -> ((first, last) energy of the background window, (first, last) of the edge's).
    gain
        Units of the stack per electron.

    Returns
    -------
    xarray.Dataset
        By pixel: net counts of each edge under its name and ``<name>_sd``, their ``covariance``,
        ``<name>_background`` counts below it, ``<name>_exponent`` r with ``_sd``, ``<name>_misfit``
        (chi-square of the background window per degree of freedom, 1 for counting noise), and
        ``reason`` (0 measured). ``attrs["warnings"]`` says where the noise is not that of counts,
        and where so many pixels are given up that the others may be a biased choice. Below about
        5 counts a point the carried background is a little high (3 counts a point, 66 points:
        net a fifth low, a tenth of its error).

    Raises
    ------
    InputError
        For windows that hold fewer than 3 points or overlap one another in an edge, energies that
        do not rise from above 0, complex values, or no edge.

    References
    ----------
    R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope (Springer, 2011),
    on the power law and its extrapolation error.

    Examples
    --------
    >>> from physlearn.datasets import make_spectra
    >>> scene = make_spectra("edges", (6, 6), n_points=128, spoilt_share=0.0, rng=1)
    >>> found = measure_edges(scene.spectra, {"nitrogen": ((340, 395), (400, 460))})
    >>> z = (found.nitrogen - scene.truth.nitrogen) / found.nitrogen_sd
    >>> bool(abs(z).max() < 4)
    True
    """
    pixels = pixel_spectra("stack", stack, least=8)
    check_positive("gain", gain)
    if np.iscomplexobj(pixels.values):
        raise InputError("stack must hold counts; it is complex.")
    if not edges:
        raise InputError("edges must name at least one edge and its two windows; it is empty.")
    energy = pixels.axis
    if not (np.diff(energy) > 0).all() or energy[0] <= 0:
        raise InputError(f"{pixels.dim} must rise from above 0; cut and sort the stack first.")
    counts = pixels.values / gain
    spoilt = spoilt_points(counts)
    names = list(edges)
    influence = np.zeros((pixels.n, len(names), len(energy)))
    variance = np.where(np.isnan(counts), 0.0, np.maximum(counts, 0.0))
    net = np.empty((pixels.n, len(names)))
    extra: dict[str, Floats] = {}
    why = np.zeros(pixels.n, dtype=np.int64)
    warnings = []
    for k, name in enumerate(names):
        before, under = _windows(name, edges[name], energy)
        found = _edge(counts, spoilt, energy, before, under)
        net[:, k], influence[:, k] = found["net"], found["influence"]
        why = np.maximum(why, found["why"].astype(np.int64))
        for word in ("background", "exponent", "exponent_sd", "misfit"):
            extra[f"{name}_{word}"] = found[word]
        warnings += _given_up(name, found["why"])
        measured = found["why"] == 0
        misfit = float(np.nanmedian(found["misfit"][measured])) if measured.any() else 1.0
        if misfit > LARGEST_MISFIT or misfit < 1.0 / LARGEST_MISFIT:
            warnings.append(
                f"the background window of {name} scatters {misfit:.2g} times as much as counts "
                "do: gain, or the power law, is not right, and the errors are not either."
            )
    covariance = (influence * variance[:, None]) @ np.swapaxes(influence, 1, 2)
    attrs = {"gain": gain, "warnings": tuple(warnings)}
    units = ["counts"] * len(names)
    result = maps_of(pixels, names, units, net, covariance, REASONS, why, attrs)
    for name, values in extra.items():
        unit = "counts" if name.endswith("background") else "1"
        held = np.where(why > 0, np.nan, values).reshape(pixels.shape)
        result[name] = (pixels.dims, held, {"units": unit})
    return result


def _given_up(name: str, why: Floats) -> list[str]:
    """Return the sentence that the pixels left are a choice, where many are given up."""
    share = float(np.mean(why == 1))
    if share < MUCH_GIVEN_UP:
        return []
    return [
        f"{share:.0%} of the pixels are given up for spikes or missing points in the windows of "
        f"{name}: a mean over the others misses what these hold; look at find_spoilt_spectra."
    ]


def _windows(name: str, windows: tuple[Window, Window], energy: Floats) -> tuple[Flags, Flags]:
    """Return which points are in the two windows of an edge."""
    (b0, b1), (s0, s1) = windows
    before, under = (energy >= b0) & (energy <= b1), (energy >= s0) & (energy <= s1)
    if before.sum() < LEAST_POINTS or under.sum() < LEAST_POINTS or (before & under).any():
        raise InputError(
            f"the windows of edge {name} must hold at least {LEAST_POINTS} energies each and share "
            f"none; they hold {before.sum()} and {under.sum()}, {np.sum(before & under)} shared."
        )
    return before, under


def _edge(
    counts: Floats, spoilt: Flags, energy: Floats, before: Flags, under: Flags
) -> dict[str, Floats]:
    """Fit the background, carry it on, and return net counts with what each point adds to them."""
    n = len(counts)
    x = np.stack([np.ones(before.sum()), np.log(energy[before] / energy[before].mean())])
    y = np.maximum(np.nan_to_num(counts[:, before]), 0.0)
    used = ~spoilt[:, before]
    why = np.where(used.mean(axis=1) < 1.0 - MOST_MISSING, 1, 0)
    why[spoilt[:, under].any(axis=1)] = 1
    why[(y * used).sum(axis=1) < 2 * LEAST_POINTS] = 2
    theta, fisher = _power_law(x, y, used, why == 0)
    mean = np.exp(theta @ x) * used
    ahead = np.stack([np.ones(under.sum()), np.log(energy[under] / energy[before].mean())])
    carried = np.exp(np.clip(theta @ ahead, -700, 700))
    inverse = np.linalg.inv(fisher)
    influence = np.zeros((n, len(energy)))
    influence[:, under] = 1.0
    # a count more at a point of the background window moves the fit by F^-1 x
    pull = ((carried @ ahead.T)[:, None] @ inverse)[:, 0]
    influence[:, before] -= (pull @ x) * used
    freedom = np.maximum(used.sum(axis=1) - 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = np.where(used, (y - mean) ** 2 / mean, 0.0).sum(axis=1)
    return {
        "net": counts[:, under].sum(axis=1) - carried.sum(axis=1),
        "influence": influence, "background": carried.sum(axis=1), "exponent": -theta[:, 1],
        "exponent_sd": np.sqrt(inverse[:, 1, 1]), "misfit": square / freedom,
        "why": why.astype(np.float64),
    }  # fmt: skip


def _power_law(x: Floats, y: Floats, used: Flags, sound: Flags) -> tuple[Floats, Floats]:
    """Maximize Poisson's likelihood of log-linear counts by Newton steps; return Fisher too."""
    n = len(y)
    theta = np.zeros((n, 2))
    level = (y * used).sum(axis=1) / np.maximum(used.sum(axis=1), 1)
    theta[:, 0] = np.log(np.maximum(level, 1e-9))
    fisher = np.broadcast_to(np.eye(2), (n, 2, 2)).copy()
    for _ in range(N_STEPS):
        mean = np.exp(np.clip(theta @ x, -700, 700)) * used
        fisher[sound] = (mean[sound][:, None] * x) @ x.T
        score = ((y - mean) * used) @ x.T
        step = np.zeros_like(theta)
        step[sound] = np.linalg.solve(fisher[sound], score[sound][..., None])[..., 0]
        theta += np.clip(step, -2.0, 2.0)
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return theta, fisher
