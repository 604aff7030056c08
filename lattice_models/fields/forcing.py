"""What pushes a field from outside: drives in space and time, and quenched disorder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_count, check_positive
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["FieldDrive", "Pinning", "random_pinning"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FieldDrive:
    """A field E(x, t) = waveform(t) profile(x) that favours P along it (energy ``- E P``).

    Attributes
    ----------
    waveform
        One number, one number per interval between frames (n_frames - 1,), or a function of time
        (an array of times -> an array of numbers). It is read at the middle of every time step.
    profile
        None (uniform), or (n_rows, n_columns); for a vector (2,) or (2, n_rows, n_columns).

    Raises
    ------
    InputError
        For numbers that are not finite, or a profile of no such shape.

    Examples
    --------
    >>> drive = FieldDrive(waveform=lambda time: 0.2 * np.sin(0.1 * time))
    >>> drive.values(np.array([0.0, 5.0]), 0).round(4).tolist()
    [0.0, 0.0959]
    """

    waveform: float | ArrayLike | Callable[[Floats], ArrayLike] = 1.0
    profile: ArrayLike | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not callable(self.waveform):
            wave = check_array("waveform", self.waveform).copy()
            if wave.ndim > 1:
                raise InputError(
                    f"waveform must be a number, (n_frames - 1,) or callable; got {wave.shape}."
                )
            wave.flags.writeable = False
            object.__setattr__(self, "waveform", wave)
        if self.profile is not None:
            shape = check_array("profile", self.profile).copy()
            if shape.shape != (2,) and shape.ndim not in (2, 3):
                raise InputError(
                    "profile must have shape (n_rows, n_columns), (2,) or (2, n_rows, n_columns); "
                    f"got {shape.shape}."
                )
            shape.flags.writeable = False
            object.__setattr__(self, "profile", shape)
        check_fields(self)

    def values(self, times: Floats, interval: int) -> Floats:
        """Return the waveform at times that lie in one interval between frames."""
        times = check_array("times", times, allow_empty=True)
        if callable(self.waveform):
            found = check_array("waveform's values", self.waveform(times))
            if found.shape not in ((), times.shape):
                raise InputError(
                    "waveform must return one number per time; "
                    f"for {times.shape} it returned {found.shape}."
                )
            return np.broadcast_to(found, times.shape).astype(float)
        wave = np.asarray(self.waveform, dtype=float)
        if wave.ndim == 0:
            return np.full(times.shape, wave)
        if check_count("interval", interval, 0) >= len(wave):
            raise InputError(
                f"interval must be below {len(wave)}, the length of waveform; got {interval}."
            )
        return np.full(times.shape, wave[interval])


@dataclass(frozen=True, eq=False)
class Pinning:
    """Quenched disorder: a random local field and a random local temperature.

    Adds ``- field(x) P + softening(x) / 2 |P|^2`` to the free energy density.

    Attributes
    ----------
    field
        None, or (n_rows, n_columns); for a vector (2, n_rows, n_columns). The unit of E.
    softening
        None, or (n_rows, n_columns): added to ``a`` (to ``2 a1`` of a vector).

    Raises
    ------
    InputError
        For numbers that are not finite or arrays of other dimensions.

    Examples
    --------
    >>> Pinning(softening=np.full((4, 4), 0.5)).field is None
    True
    """

    field: ArrayLike | None = None
    softening: ArrayLike | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name, dimensions in (("field", (2, 3)), ("softening", (2,))):
            given = getattr(self, name)
            if given is None:
                continue
            array = check_array(f"pinning {name}", given).copy()
            if array.ndim not in dimensions or (array.ndim == 3 and array.shape[0] != 2):
                raise InputError(
                    f"pinning {name} must have one value per cell; got shape {array.shape}."
                )
            array.flags.writeable = False
            object.__setattr__(self, name, array)


def random_pinning(
    shape: tuple[int, int],
    *,
    field_sd: float = 0.0,
    softening_sd: float = 0.0,
    correlation_length: float = 0.0,
    pixel_size: float = 1.0,
    rng: int | np.random.Generator | None = None,
) -> Pinning:
    """Draw Gaussian disorder for a scalar field, periodic, of a given strength and grain.

    Its covariance is ``sd^2 exp(-r^2 / (2 correlation_length^2))``; a length of 0 makes cells
    independent.

    Parameters
    ----------
    shape
        (n_rows, n_columns).
    field_sd, softening_sd
        Standard deviations of the random field and of the random temperature.
    correlation_length
        In the unit of ``pixel_size``.
    pixel_size
        Edge of a cell.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        For a shape that is none, or a negative number.

    Examples
    --------
    >>> disorder = random_pinning((8, 8), field_sd=0.1, rng=1)
    >>> disorder.field.shape, disorder.softening is None
    ((8, 8), True)
    """
    if len(shape) != 2 or any(
        isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1 for n in shape
    ):
        raise InputError(f"shape must be two whole numbers of at least 1; got {shape!r}.")
    length = check_positive("correlation_length", correlation_length, allow_zero=True)
    edge = check_positive("pixel_size", pixel_size)
    strengths = (
        check_positive("field_sd", field_sd, allow_zero=True),
        check_positive("softening_sd", softening_sd, allow_zero=True),
    )
    generator, _ = as_generator(rng)
    k_y = 2 * np.pi * np.fft.fftfreq(shape[0], edge)[:, None]
    k_x = 2 * np.pi * np.fft.fftfreq(shape[1], edge)[None, :]
    keep = np.exp(-((k_x**2 + k_y**2) * length**2) / 4)
    keep /= np.sqrt(np.mean(keep**2))
    maps = [
        sd * np.fft.ifft2(np.fft.fft2(generator.normal(size=shape)) * keep).real if sd else None
        for sd in strengths
    ]
    return Pinning(*maps)


@dataclass(frozen=True, eq=False)
class Forcing:
    """Drive and disorder on the grid of one call.

    ``softening``: (n_rows, n_columns) or None; ``field``: (components, n_rows, n_columns) or None;
    ``film``: drive held per interval, (n_frames - 1, components, n_rows, n_columns), or None;
    ``profile``: (components, n_rows, n_columns), or None for a uniform drive of a scalar.
    """

    drive: FieldDrive
    softening: Floats | None
    field: Floats | None
    film: Floats | None
    profile: Floats | None
    shape: tuple[int, int, int]

    @property
    def is_local(self) -> bool:
        """Whether anything differs from cell to cell."""
        parts = (self.softening, self.field, self.film, self.profile)
        return any(part is not None for part in parts)

    def local(self, interval: int) -> tuple[Floats, Floats, Floats]:
        """Return softening, field and profile in one interval, zeros where there is none."""
        softening = np.zeros(self.shape[1:]) if self.softening is None else self.softening
        field = np.zeros(self.shape) if self.field is None else self.field
        if self.film is not None:
            field = field + self.film[interval]
        return softening, field, np.zeros(self.shape) if self.profile is None else self.profile

    def field_range(self, waves: Floats) -> tuple[float, float]:
        """Return bounds of the whole field for a waveform's values."""
        low, high = 0.0, 0.0
        for part in (self.field, self.film):
            if part is not None:
                low, high = low + float(part.min()), high + float(part.max())
        if self.film is None:
            pushed = waves[:, None] * (
                np.ones(1) if self.profile is None
                else np.array([self.profile.min(), self.profile.max()])
            )  # fmt: skip
            low, high = low + float(pushed.min()), high + float(pushed.max())
        if self.shape[0] == 2:
            low, high = np.sqrt(2) * low, np.sqrt(2) * high
        return low, high

    def strongest_softening(self) -> tuple[float, float]:
        """Return the lowest (at most 0) and the highest (at least 0) random temperature."""
        if self.softening is None:
            return 0.0, 0.0
        return min(0.0, float(self.softening.min())), max(0.0, float(self.softening.max()))


def make_forcing(
    drive: Any, pinning: Pinning | None, shape: tuple[int, int, int], times: Floats
) -> Forcing:
    """Bring drive and disorder onto the grid, or say what does not fit it."""
    record, film = _read_drive(drive, shape, times)
    softening = field = None
    if pinning is not None:
        if not isinstance(pinning, Pinning):
            raise InputError(f"pinning must be a Pinning record; got {type(pinning).__name__}.")
        if pinning.softening is not None:
            softening = check_array("pinning softening", pinning.softening, shape=shape[1:])
        if pinning.field is not None:
            wanted = shape[1:] if shape[0] == 1 else shape
            field = check_array("pinning field", pinning.field, shape=wanted).reshape(shape)
    profile = None
    if record.profile is not None:
        given = np.asarray(record.profile)
        if shape[0] == 2 and given.shape == (2,):
            profile = np.broadcast_to(given[:, None, None], shape).copy()
        else:
            wanted = shape[1:] if shape[0] == 1 else shape
            profile = check_array("profile", given, shape=wanted).reshape(shape)
    elif shape[0] == 2 and film is None and (callable(record.waveform) or np.any(record.waveform)):
        raise InputError(
            "the drive of a vector needs a direction: FieldDrive(waveform=..., profile=[Ex, Ey])."
        )
    return Forcing(record, softening, field, film, profile, shape)


def _read_drive(
    drive: Any, shape: tuple[int, int, int], times: Floats
) -> tuple[FieldDrive, Floats | None]:
    """Return the separable part of a drive and what is held per interval."""
    n_intervals = times.size - 1
    if drive is None:
        return FieldDrive(0.0), None
    if isinstance(drive, FieldDrive):
        wave = drive.waveform
        if not callable(wave) and np.ndim(wave) == 1:
            check_array("waveform", wave, shape=(n_intervals,))
        return drive, None
    if callable(drive):
        drive = np.stack([np.asarray(drive(float(time)), dtype=float) for time in times[:-1]])
    values = check_array("drive", drive)
    if values.ndim == 0 or values.shape == (n_intervals,):
        return FieldDrive(values), None
    wanted = (n_intervals, *(shape[1:] if shape[0] == 1 else shape))
    if values.shape != wanted:
        raise InputError(
            f"drive must be a number, ({n_intervals},) or {wanted}: one per interval between "
            f"frames; got {values.shape}."
        )
    return FieldDrive(0.0), values.reshape(n_intervals, *shape)
