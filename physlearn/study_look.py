"""A first look at the data of a study: what will trouble the steps, in under a second."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.findings import Findings

__all__ = ["FirstLook", "lattice_period", "look_at"]

FEWEST_PIXELS_A_PERIOD = 6.0
FEWEST_COLUMNS = 300
LONGEST_PERIOD_SHARE = 0.125
"""Of the picture's edge: what repeats less than eight times is no lattice."""
STANDS_OUT = 25.0
"""Strongest wave over the usual power of waves of its length (noise alone: below 20 in 1000)."""
LARGE_PIXELS = 2**24
MOST_SATURATED = 0.001
FEWEST_FRAMES = 6
FEWEST_STEPS = 50


@dataclass(slots=True)
class FirstLook:
    """What was seen: warnings in sentences, and how many atom columns there may be."""

    warnings: list[str] = field(default_factory=list)
    columns: int = 0


def look_at(findings: Findings) -> FirstLook:
    """Return what a first look at the data of a study shows.

    Examples
    --------
    >>> from physlearn.demo import demo_findings
    >>> look = look_at(demo_findings(1, small=True)[0])
    >>> 400 < look.columns < 800
    True
    """
    look = FirstLook([text for _, text in findings.warnings()])
    if findings.image is not None:
        _look_at_picture(findings.image, look)
    if findings.channels is not None:
        for name, channel in findings.channels.data_vars.items():
            _look_for_nothing(str(name), channel.to_numpy(), look)
    if findings.video is not None:
        _look_at_video(findings.video, look)
    if findings.trajectory is not None:
        _look_at_tracks(findings, look)
    return look


def _look_at_picture(image: xr.DataArray, look: FirstLook) -> None:
    from physlearn.datasets.columns.usable_pixels import saturated_pixels
    from physlearn.study_init import pixel_of

    values = image.to_numpy().astype(np.float64)
    unit, _ = pixel_of(image)
    if unit in ("", "px", "pixel"):
        look.warnings = [text for text in look.warnings if "has no scale" not in text]
        look.warnings.append(
            "the file does not say how large a pixel is: all lengths will be in pixels; give "
            "pixel_size (0.05nm)."
        )
    share = float(saturated_pixels(values).mean())
    if share > MOST_SATURATED:
        look.warnings.append(
            f"{share:.1%} of the pixels are saturated (plateaus at the largest value): what they "
            "hid is lost; lower the gain, or export with more bits."
        )
    if values.size > LARGE_PIXELS:
        look.warnings.append(
            f"{values.size / 1e6:.0f} million pixels: it may take long; region takes a part."
        )
    period = lattice_period(values)
    if period is None:
        look.warnings.append(
            "no lattice is seen at first sight: steps that need atoms will probably not be done."
        )
        return
    look.columns = max(1, round(values.size / period**2))
    if period < FEWEST_PIXELS_A_PERIOD:
        look.warnings.append(
            f"about {period:.1f} pixels from one atom to the next: fewer than "
            f"{FEWEST_PIXELS_A_PERIOD:.0f} blur neighbours into each other; take the picture at a "
            "higher magnification."
        )
    if look.columns < FEWEST_COLUMNS:
        look.warnings.append(
            f"about {look.columns} atoms: couplings and causes will hardly be told from nothing; "
            "a larger field of view shows more."
        )


def lattice_period(image: NDArray[np.float64]) -> float | None:
    """Return the length in pixels of the strongest wave of a picture, None where none stands out.

    Examples
    --------
    >>> x = np.arange(128)
    >>> round(lattice_period(np.cos(2 * np.pi * x / 8)[None] + np.cos(2 * np.pi * x / 8)[:, None]))
    8
    >>> lattice_period(np.random.default_rng(1).normal(size=(128, 128))) is None
    True
    """
    known = np.where(np.isfinite(image), image, np.nanmean(image))
    window = np.outer(np.hanning(known.shape[0]), np.hanning(known.shape[1]))
    power = np.abs(np.fft.rfft2((known - known.mean()) * window)) ** 2
    rows = np.fft.fftfreq(known.shape[0])[:, None]
    wave = np.hypot(rows, np.fft.rfftfreq(known.shape[1])[None, :])
    lowest = 1.0 / (LONGEST_PERIOD_SHARE * min(known.shape))
    power = np.where((wave > lowest) & (wave < 0.5), power, 0.0)
    if not power.any():
        return None
    peak = np.unravel_index(int(power.argmax()), power.shape)
    alike = power[(np.abs(wave - wave[peak]) < 0.15 * wave[peak]) & (power > 0)]
    if power[peak] < STANDS_OUT * float(alike.mean() if len(alike) < 8 else np.median(alike)):
        return None
    return float(1.0 / wave[peak])


def _look_at_video(video: xr.DataArray, look: FirstLook) -> None:
    n_frames = video.sizes["time"]
    if n_frames < FEWEST_FRAMES:
        look.warnings.append(
            f"{n_frames} frames: a law of motion needs {FEWEST_FRAMES} or more."
        )  # fmt: skip
    if str(video.coords["time"].attrs.get("units", "frame")) == "frame":
        look.warnings.append(
            "the file does not say how far apart frames are: velocities will be per frame; give "
            "frame_interval_s."
        )
    if str(video.coords["x"].attrs.get("units", "px")) in ("", "px", "pixel"):
        look.warnings.append(
            "the file does not say how large a pixel is: all lengths will be in pixels; give "
            "pixel_size (25nm)."
        )
    if "drive" not in video.coords:
        look.warnings.append(
            "no drive is given: what moves the walls can't be told from what lets them relax; if "
            "there was one, give drive (a CSV with a row a frame)."
        )
    values = video.to_numpy()
    still = [k for k in range(1, n_frames) if np.array_equal(values[k], values[k - 1])]
    if still:
        look.warnings.append(
            f"{len(still)} frame(s) repeat the one before (first: frame {still[0]}): drop them, or "
            "nothing will seem to move."
        )


def _look_at_tracks(findings: Findings, look: FirstLook) -> None:
    tracks = findings.trajectory
    if tracks is None:
        return
    if tracks.unit in ("px", "pixel"):
        look.warnings.append("lengths are in pixels; give pixel_size (0.35um).")
    if tracks.time_unit == "frame":
        look.warnings.append("times are in frames; give frame_interval_s.")
    n_steps = int(np.isfinite(tracks.positions[..., 0]).sum()) - tracks.positions.shape[-2]
    if n_steps < FEWEST_STEPS:
        look.warnings.append(
            f"{n_steps} steps in all: a diffusion coefficient needs {FEWEST_STEPS} or more."
        )


def _look_for_nothing(name: str, values: NDArray[np.float64], look: FirstLook) -> None:
    if np.nanmin(values) == np.nanmax(values):
        look.warnings.append(f"channel {name} is the same everywhere: it says nothing.")
