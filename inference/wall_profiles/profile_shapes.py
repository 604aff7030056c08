"""A wall's profile as a camera sees it: blurred by the point spread and averaged over pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ProfileTables", "profile_tables", "sextic_ratios"]

Floats = NDArray[np.float64]

TAIL = 9.0
"""Half widths of the wall beyond the last pixel after which the table repeats: exp(-18)."""
FINENESS = 6.0
"""Steps of the table per width: its highest wave carries 1e-10 of the slope."""
MOST_POINTS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class ProfileTables:
    """Blurred profiles on one grid of distances from the wall, one row a parameter set.

    Attributes
    ----------
    origin, step
        First distance of the grid and its spacing.
    rise, slope
        Profile between -1 and 1, and its derivative by the distance, shape (m, n).
    bump, bump_slope
        Blurred even bump 1 - rise^2 (before the blur) and its derivative; shape (1, 1) if unasked.
    """

    origin: float
    step: float
    rise: Floats
    slope: Floats
    bump: Floats
    bump_slope: Floats


def profile_tables(
    width: Floats,
    blur: Floats,
    *,
    reach: float,
    pixel: tuple[float, float],
    sextic: Floats | None = None,
    bump: bool = False,
) -> ProfileTables:
    r"""Tabulate blurred profiles of walls.

    The wave of wave number k of ``tanh(d / w)'`` has the amplitude ``x / sinh(x)``,
    ``x = pi k w / 2``; the Gaussian point spread multiplies it by ``exp(-k^2 s^2 / 2)`` and a
    pixel's average by ``sinc(k a / 2) sinc(k b / 2)``.

    Parameters
    ----------
    width, blur
        Half the jump over the steepest slope, and the point spread's sd, shape (m,).
    reach
        Largest distance of a pixel from the wall.
    pixel
        Edges a, b of a pixel, projected on the wall's normal.
    sextic
        Shape Q of a 2-4-6 wall ``T sqrt(Q / (1 + Q - T^2))``, shape (m,); tanh when None.
    bump
        Tabulate the even bump, too.
    """
    half = reach + TAIL * float(width.max()) + 5.0 * float(blur.max()) + max(pixel)
    fine = min(float(width.min()) / FINENESS, half / 32)
    n = int(min(MOST_POINTS, 2 ** np.ceil(np.log2(2 * half / fine))))
    step = 2 * half / n
    wave = np.asarray(np.pi / half * np.arange(n // 2 + 1), dtype=np.float64)
    lens = np.exp(-0.5 * (wave * blur[:, None]) ** 2)
    lens *= np.sinc(wave * pixel[0] / (2 * np.pi)) * np.sinc(wave * pixel[1] / (2 * np.pi))
    bumps = bump_slopes = np.zeros((1, 1))
    if sextic is None:
        waves = _waves_of_tanh(wave, width) * lens
        hump = waves * width[:, None] if bump else None
    else:
        rising, dome = _sextic_waves(width, sextic, n, step, bump)
        waves = rising * lens
        hump = dome * lens if dome is not None else None
    slope, rise = _curve(waves, wave, step, n, half)
    if hump is not None:
        bumps = np.fft.irfft(hump / step * _signs(n), n=n, axis=1)
        bump_slopes = np.fft.irfft(hump / step * 1j * wave * _signs(n), n=n, axis=1)
    return ProfileTables(-half, step, rise, slope, bumps, bump_slopes)


def _waves_of_tanh(wave: Floats, width: Floats) -> Floats:
    """Waves of the slope of tanh, which integrates to 2."""
    x = np.minimum(0.5 * np.pi * wave * width[:, None], 350.0)
    with np.errstate(invalid="ignore"):
        found = 2.0 * x / np.sinh(x)
    found[:, 0] = 2.0
    return np.asarray(found)


def _sextic_waves(
    width: Floats, shape: Floats, n: int, step: float, bump: bool
) -> tuple[Floats, Floats | None]:
    """Waves of the slope (and the bump) of 2-4-6 walls, by sampling them before any blur."""
    place = step * (np.arange(n) - n // 2)
    q = shape[:, None]
    inner = width[:, None] * np.sqrt(q / (1 + q))
    t = np.tanh(place / inner)
    left = 1 + q - t * t
    slope = np.sqrt(q) * (1 + q) / left**1.5 * (1 - t * t) / inner
    rising = np.fft.rfft(np.fft.ifftshift(slope, axes=1), axis=1).real * step
    rising *= 2.0 / rising[:, :1]
    if not bump:
        return rising, None
    dome = (1 + q) * (1 - t * t) / left
    return rising, np.fft.rfft(np.fft.ifftshift(dome, axes=1), axis=1).real * step


def _signs(n: int) -> Floats:
    """Shift by half the grid: the table starts at -half."""
    return np.where(np.arange(n // 2 + 1) % 2 == 0, 1.0, -1.0)


def _curve(waves: Floats, wave: Floats, step: float, n: int, half: float) -> tuple[Floats, Floats]:
    """Return slope and profile from the waves of the slope."""
    turned = waves / step * _signs(n)
    slope = np.fft.irfft(turned, n=n, axis=1)
    odd = np.zeros(turned.shape, dtype=complex)
    odd[:, 1:] = -1j * turned[:, 1:] / wave[1:]
    odd[:, -1] = 0.0
    rise = np.fft.irfft(odd, n=n, axis=1)
    # the mean slope of the repeated profile: a straight line that the waves do not hold
    rise += waves[:, :1] / (2 * half) * (step * np.arange(n) - half)
    return slope, rise


def sextic_ratios(width: Floats, height: Floats, shape: Floats) -> dict[str, Floats]:
    """Ratios of ``f = a/2 P^2 + c/4 P^4 + e/6 P^6 + kappa/2 P'^2`` that hold such a wall at rest.

    With ``p = P / P0`` the wall obeys ``p' = (1 - p^2) sqrt(p^2 + Q) / (w sqrt(Q))``.
    """
    inner = width * np.sqrt(shape / (1 + shape))
    return {
        "a_over_e": height**4 * (1 - 2 * shape) / 3,
        "c_over_e": 2 * height**2 * (shape - 2) / 3,
        "kappa_over_e": height**4 * inner**2 * (1 + shape) / 3,
    }
