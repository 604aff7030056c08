"""Roughness of walls: the exponent of the displacement's spectrum, with an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from physlearn.checks import InputError, NotIdentified, check_choice, check_positive
from physlearn.datasets.wall_motion.space_time_grid import (
    WallGrid,
    filled_heights,
    mode_noise,
    to_modes,
    wave_numbers,
)
from physlearn.datasets.wall_motion.space_time_kernels import log_likelihood
from physlearn.datasets.wall_motion.space_time_prior import NORMAL_QUANTILE, laplace_covariance
from physlearn.datasets.wall_motion.wall_points import (
    LEAST_POINTS,
    check_measured,
    each_wall,
    pilot_grid,
)
from physlearn.one_thread import one_blas_thread
from physlearn.records import WallTrack
from physlearn.records.storage import html_table, short_repr

__all__ = ["WallRoughness", "measure_roughness"]

Floats = NDArray[np.float64]
ENDS = ("cut", "free")
LEAST_MODES = 6
SHORTEST_NODES, LONGEST_SHARE = 8.0, 0.5
DOMAIN = 8
FALLOFF = (2.5, 2.5)
NOISE_SD = 0.05
LARGEST_BEND = 3.0
WIDEST = 1.0
REACH = 6.0
STEEPNESS = 0.0, 6.0
AT_THE_END = 0.02
COLUMNS = (
    "wall",
    "exponent",
    "low",
    "high",
    "amplitude",
    "bend_z",
    "n_modes",
    "n_frames",
    "refused",
)


@dataclass(frozen=True, slots=True, eq=False)
class WallRoughness:
    """Roughness exponents of the walls of a track.

    Attributes
    ----------
    table
        One row a wall: wall, exponent (zeta: the spectrum of the displacement falls as
        q^-(1 + 2 zeta)), low, high (90 % interval), amplitude (spectral density at the middle wave
        number, length^3), bend_z (how many standard deviations a curved spectrum is away from a
        straight one), n_modes, n_frames, refused (a sentence, or empty).
    shortest, longest
        Wavelengths between which the exponent holds; in ``unit``.
    unit
        Unit of length.

    Examples
    --------
    >>> table = pd.DataFrame({"wall": [0], "exponent": [0.5], "low": [0.4], "high": [0.6]})
    >>> WallRoughness(table, 8.0, 100.0, "pixel").table["exponent"].tolist()
    [0.5]
    """

    table: pd.DataFrame
    shortest: float
    longest: float
    unit: str

    __repr__ = short_repr
    _repr_html_ = html_table


def measure_roughness(
    track: WallTrack,
    *,
    shortest: float | None = None,
    longest: float | None = None,
    ends: str = "cut",
) -> WallRoughness:
    """Measure the roughness exponent of each wall with its 90 % interval, the noise removed.

    Displacements over the wall's chart are split into modes. Between the wavelengths ``shortest``
    and ``longest`` their variances follow A q^-(1 + 2 zeta), each mode relaxes at a rate
    proportional to a power of q (so that frames that repeat each other are not counted as
    independent), and the points' errors add white noise. The posterior of all five numbers is
    Gaussian about its maximum (Laplace); zeta's margin is reported.

    Parameters
    ----------
    track
        Walls as measured, or simulated lines.
    shortest
        Shortest wavelength; None: eight point spacings. Below it lie the scales of the medium, of
        the wall's width and of the tracker's smoothing.
    longest
        Longest wavelength; None: half the wall's length.
    ends
        ``cut``: open walls go on beyond the view (what a cut does to the spectrum is part of the
        model); ``free``: they end there without slope.

    Returns
    -------
    WallRoughness
        Walls for which no exponent can be told have NaN and a sentence in ``refused``; a bent
        spectrum (no single exponent) is one reason.

    Raises
    ------
    InputError
        If ``track`` cannot be used or ``shortest`` is not below ``longest``.
    NotIdentified
        If the track has no walls.

    Notes
    -----
    A straight line is subtracted from every frame of a cut wall, and the exponent is that of the
    spectrum: above 1 it is not the one that the height difference of two points shows (Lopez,
    Rodriguez and Cuerno, Phys. Rev. E 56, 3993 (1997)).

    Examples
    --------
    >>> from physlearn.datasets import measure_roughness
    >>> from physlearn.lattice_models import LineOptions, simulate_wall
    >>> line = simulate_wall(1.0, 1.0, 0.0, start=np.zeros(128), frame_times=[0.0, 900.0, 1800.0],
    ...     options=LineOptions(thermal_energy=0.1), rng=2)
    >>> found = measure_roughness(line).table.iloc[0]
    >>> bool(found["low"] < 0.5 < found["high"])
    True
    """
    check_measured(track)
    check_choice("ends", ends, ENDS)
    for name, value in (("shortest", shortest), ("longest", longest)):
        if value is not None:
            check_positive(name, value)
    if shortest is not None and longest is not None and shortest >= longest:
        raise InputError(f"shortest must be below longest; got {shortest:g} and {longest:g}.")
    rows, bands = [], []
    with one_blas_thread():
        for number, wall, points in each_wall(track):
            if wall is None:
                few = len(points) < LEAST_POINTS
                reason = (
                    f"{len(points)} points in all frames together, {LEAST_POINTS} are needed"
                    if few else "the wall turns back on itself: no height or radius describes it"
                )  # fmt: skip
                rows.append({"wall": number, "refused": reason})
                continue
            grid = pilot_grid(wall)
            modes = _wall_modes(grid, shortest, longest, ends, FALLOFF[0])
            facts = _exponent(modes)
            if ends == "cut" and not grid.closed and "point" in facts:
                # the modes of the spectrum that was found
                modes = _wall_modes(grid, shortest, longest, ends, round(2 * facts["point"][1]) / 2)
                facts = _exponent(modes, facts["point"])
            bands.append(modes.band)
            rows.append({"wall": number, **facts})
    if not rows:
        raise NotIdentified("track has no walls: there is no roughness to measure.")
    band = np.median(bands, axis=0) if bands else np.array([np.nan, np.nan])
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    return WallRoughness(table, shortest or float(band[0]), longest or float(band[1]), track.unit)


@dataclass(frozen=True, slots=True, eq=False)
class _WallModes:
    """Modes in the band: values and noise (n_modes, n_frames), spectra (n_modes, n_waves)."""

    values: Floats
    noise: Floats
    waves: Floats
    spread: Floats
    inner: Floats
    basis: Floats
    spans: Floats
    spacing: float
    band: tuple[float, float]


def _wall_modes(
    grid: WallGrid, shortest: float | None, longest: float | None, ends: str, fall: float
) -> _WallModes:
    """Return the modes between two wavelengths, and what each makes of the wall's spectrum.

    A cut wall's modes are those that are independent for a spectrum that falls as q^-``fall``.
    """
    inside = slice(grid.pad, grid.shape[1] - grid.pad) if grid.pad else slice(None)
    field = filled_heights(grid)[:, inside]
    count = field.shape[1]
    longer = longest or LONGEST_SHARE * count * grid.spacing
    band = (shortest or SHORTEST_NODES * grid.spacing, longer)
    if ends == "cut" and not grid.closed:
        vectors, basis, inner, waves = _cut_modes(count, float(np.clip(fall, 1.5, 4.5)))
        waves = waves / grid.spacing
        values = vectors.T @ field.T  # orthogonal to a constant and to a line
    else:
        waves = wave_numbers(count, grid.spacing, grid.closed)
        basis, inner = np.eye(count)[None], waves * grid.spacing
        values = to_modes(field, grid.closed)
    used = (waves <= 2 * np.pi / band[0]) & (waves >= 2 * np.pi / band[1] * (1 - 1e-9))
    if grid.closed:
        # the first wave of a closed wall is its displacement
        used &= waves > 1.5 * waves[1]
    blur = 2.0 * np.mean(grid.share * (1 - grid.share))
    damping = 1.0 - blur * (1 - np.cos(waves * grid.spacing))
    noise = mode_noise(grid, grid.lumped[:, inside].mean(axis=1), len(waves))
    noise[0] = noise[-1]
    points = np.bincount(grid.left // grid.shape[1], minlength=grid.shape[0])
    noise[waves[:, None] > np.pi / grid.spacing * np.minimum(0.9 * points / count, 1.0)] = np.inf
    return _WallModes(
        np.ascontiguousarray((values / np.sqrt(damping)[:, None])[used]),
        np.ascontiguousarray(noise[used]), waves[used], (basis[:, used] ** 2).sum(axis=0),
        np.maximum(inner / grid.spacing, 1e-9), basis[:, used], grid.spans, grid.spacing, band,
    )  # fmt: skip


def _straightened(field: Floats) -> Floats:
    """Subtract each frame's straight line."""
    place = np.linspace(-1.0, 1.0, field.shape[1])
    slope = field @ place / (place @ place)
    return np.asarray(field - field.mean(axis=1, keepdims=True) - slope[:, None] * place)


@lru_cache(maxsize=16)
def _cut_modes(count: int, fall: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the independent modes of a straightened cut of a line with a given spectrum.

    ``vectors`` (n_nodes, n_modes) orthonormal; ``basis`` (2, n_modes, n_waves): cosine's and sine's
    part in each mode for unit spectral density at ``inner`` (n_waves,), the wave numbers per node
    of a periodic line ``DOMAIN`` times as long; ``waves`` (n_modes,) their own wave numbers.
    """
    long = DOMAIN * count
    inner = 2 * np.pi * np.arange(1, long // 2) / long
    phase = inner[:, None] * np.arange(count)
    parts = np.stack([_straightened(wave) for wave in (np.cos(phase), np.sin(phase))])
    parts *= np.sqrt(2.0 / long)
    density = inner**-fall
    weighted = parts * np.sqrt(density)[:, None]
    covariance = np.einsum("cqi,cqj->ij", weighted, weighted, optimize=True)
    vectors = np.linalg.eigh(covariance)[1][:, :1:-1]
    basis = np.einsum("cqi,im->cmq", parts, vectors, optimize=True)
    share = (basis**2).sum(axis=0) * density
    waves = np.exp((share @ np.log(inner)) / share.sum(axis=1))
    return vectors, basis, inner, waves


def _exponent(modes: _WallModes, begin: Floats | None = None) -> dict[str, Any]:
    """Return a wall's exponent with its interval, or why there is none."""
    count = len(modes.waves)
    facts: dict[str, Any] = {"n_modes": count, "n_frames": len(modes.spans), "refused": ""}
    if count < LEAST_MODES:
        facts["refused"] = (
            f"only {count} wave{'' if count == 1 else 's'} between the shortest and the longest "
            "wavelength; "
            f"{LEAST_MODES} are needed"
        )
        return facts
    middle = float(np.exp(np.log(modes.waves).mean()))
    base = np.log(modes.inner / middle)
    center, spread = _weak_prior(modes)

    def loss(point: Floats, gliding: bool) -> float:
        size, fall, rate, growth, noise, bend = point
        density = _density(base, size, fall, bend)
        power = np.clip(modes.spread @ density / modes.spacing, 1e-200, 1e200)
        rates = np.exp(rate + growth * np.log(modes.waves / middle))
        chance = log_likelihood(
            modes.values, modes.noise * np.exp(2 * noise), modes.spans, power, rates, gliding
        )
        return float(0.5 * (((point - center) / spread) ** 2).sum() - chance)

    def straight_loss(point: Floats, gliding: bool) -> float:
        return loss(np.append(point, 0.0), gliding)

    bounds = np.stack([center - REACH * spread, center + REACH * spread], axis=1)[:-1]
    bounds[1] = STEEPNESS
    start = center[:-1] if begin is None else begin
    best = _search(partial(straight_loss, gliding=True), start, bounds)
    kept = True
    if len(modes.spans) > 1:
        other = _search(partial(straight_loss, gliding=False), best.x, bounds)
        if other.fun < best.fun:
            best, kept = other, False
    straight = np.append(best.x, 0.0)
    covariance = laplace_covariance(
        lambda point: loss(np.append(point, 0.0), kept), best.x, spread[:-1]
    )
    inflation = _inflation(
        modes, base, _density(base, best.x[0], best.x[1], 0.0), np.exp(2 * best.x[4])
    )
    facts["point"] = best.x
    facts["bend_z"] = _bend(lambda point: loss(point, kept), straight, spread) / np.sqrt(
        inflation[1]
    )
    sd = np.sqrt(covariance[1, 1] * inflation[0])
    zeta, half = 0.5 * (best.x[1] - 1.0), 0.5 * NORMAL_QUANTILE * sd
    facts["refused"] = _why_none(float(facts["bend_z"]), float(best.x[1]), float(half))
    if facts["refused"]:
        return facts
    facts.update(
        exponent=float(zeta), low=float(zeta - half), high=float(zeta + half),
        amplitude=float(np.exp(best.x[0])),
    )  # fmt: skip
    return facts


def _why_none(bend_z: float, fall: float, half: float) -> str:
    """Say why a spectrum gives no exponent; empty where it does."""
    if abs(bend_z) > LARGEST_BEND:
        return (
            "the spectrum is bent between these wavelengths: no single exponent describes it; "
            "choose a narrower band"
        )
    if fall > STEEPNESS[1] - AT_THE_END:
        return (
            "the spectrum falls faster than that of any rough line: the wall is smooth at these "
            "wavelengths"
        )
    return "the noise or the few waves leave the exponent open" if half > WIDEST else ""


def _density(base: Floats, size: float, fall: float, bend: float) -> Floats:
    """Return the spectral density at waves ``base`` (logarithm over the middle one)."""
    return np.asarray(np.exp(np.clip(size - fall * base - bend * base * np.abs(base), -400, 400)))


def _inflation(
    modes: _WallModes, base: Floats, density: Floats, noise_scale: float
) -> tuple[float, float]:
    """Return by how much the variances of fall and bend exceed those of independent modes.

    The likelihood takes the modes as independent; those of a cut wall share the cut. Sandwich of
    the scores' true covariance, which holds the squared correlations of the modes.
    """
    noise = np.nanmin(np.where(np.isfinite(modes.noise), modes.noise, np.nan), axis=1)
    noise = np.nan_to_num(noise, nan=np.inf) * noise_scale
    parts = modes.basis * np.sqrt(density / modes.spacing)
    covariance = np.einsum("ckq,clq->kl", parts, parts)
    total = np.diag(covariance) + noise
    squares = covariance**2 / np.outer(total, total)
    np.fill_diagonal(squares, 1.0)
    shapes = np.stack([np.ones_like(base), base, base * np.abs(base)], axis=1)
    slopes = (modes.spread @ (shapes * density[:, None])) / modes.spacing / total[:, None]
    factors = []
    for count in (2, 3):
        own = slopes[:, :count]
        inverse = np.linalg.pinv(own.T @ own)
        true = inverse @ own.T @ squares @ own @ inverse
        factors.append(max(float(true[-1, -1] / inverse[-1, -1]), 1.0))
    return factors[0], factors[1]


def _search(
    loss: Callable[[Floats], float], start: Floats, bounds: Floats
) -> optimize.OptimizeResult:
    limits = [(float(low), float(high)) for low, high in bounds]
    return optimize.minimize(loss, start, method="L-BFGS-B", bounds=limits)


def _bend(loss: Callable[[Floats], float], straight: Floats, spread: Floats) -> float:
    """Return how many sds a bent spectrum is away from the best straight one (a score test)."""
    covariance = laplace_covariance(loss, straight, spread)
    step = 0.03 * np.append(np.zeros(len(straight) - 1), spread[-1])
    slope = float(loss(straight + step) - loss(straight - step)) / (2 * step[-1])
    return float(-slope * np.sqrt(covariance[-1, -1]))


def _weak_prior(modes: _WallModes) -> tuple[Floats, Floats]:
    """Return centre and sd over ln density, fall, ln rate, growth, ln noise and bend."""
    seen = np.isfinite(modes.noise)
    power = np.where(seen, modes.values**2, 0.0).sum() / max(seen.sum(), 1)
    step = np.median(modes.spans[1:]) if len(modes.spans) > 1 else 1.0
    center = np.array([
        np.log(max(power * modes.spacing, 1e-300)), FALLOFF[0], np.log(0.1 / step), 1.0, 0.0, 0.0
    ])  # fmt: skip
    return center, np.array([4.0, FALLOFF[1], 3.0, 1.0, NOISE_SD, 0.3])
