"""The argument checks that every floor shares, and the errors that people see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "CREDIBLE_MASS",
    "BackendUnavailable",
    "InputError",
    "NotEnoughMemory",
    "NotFound",
    "NotIdentified",
    "NotWritten",
    "as_generator",
    "check_array",
    "check_choice",
    "check_count",
    "check_image",
    "check_number",
    "check_positive",
    "check_temperature",
]

CREDIBLE_MASS = 0.90
"""The one credible mass of the library: equal-tailed intervals that hold 90 %."""

SMALLEST_IMAGE_EDGE = 16
LARGEST_COUNT = 10**11
LARGEST_NUMBER = 10**300
LONGEST_SHOWN = 200
WIDEST_TEMPERATURE = 1.0 / 3.0
"""Standard deviation over the mean."""


LONGEST_SENTENCE = 600
"""Letters of a refusal that are shown; of a longer one the beginning and the end."""


class InputError(ValueError):
    """What was given cannot be used; the message names the argument and what to do."""

    def __str__(self) -> str:
        text = super().__str__()  # it may hold a damaged file's text of any length
        if len(text) <= LONGEST_SENTENCE:
            return text
        return f"{text[: LONGEST_SENTENCE - 150]} ... {text[-100:]}"


class NotWritten(InputError, OSError):  # noqa: N818 -- it names what happened
    """A file was not written: a full disk, a folder that is gone or refuses; nothing was changed.

    ``errno`` says which, as in other errors of the system.
    """

    def __init__(self, said: str, number: int | None = None) -> None:
        super().__init__(said)
        self.errno = number


class NotFound(InputError, FileNotFoundError):  # noqa: N818 -- as above
    """No file lies at a path that was given; the message names the argument."""


class NotEnoughMemory(InputError, MemoryError):  # noqa: N818 -- as above
    """An argument asks for more memory than there is; the message names it."""


class NotIdentified(RuntimeError):  # noqa: N818 -- it names the finding, as the summary prints it
    """The input is sound, but it does not hold what the question needs."""


class BackendUnavailable(RuntimeError):  # noqa: N818 -- as above
    """An optional engine is not installed on this machine; the message holds the recipe."""


def as_generator(rng: int | np.random.Generator | None) -> tuple[np.random.Generator, int]:
    """Return a generator and the seed that reproduces it.

    Parameters
    ----------
    rng
        An integer seed, a generator (a seed is drawn from it), or None (a seed is drawn from
        the operating system and handed back, so that a result can always be repeated).

    Returns
    -------
    tuple
        The generator and its integer seed.

    Raises
    ------
    InputError
        For anything else, or a negative seed.

    Examples
    --------
    >>> generator, seed = as_generator(7)
    >>> seed, int(generator.integers(100)) == int(np.random.default_rng(7).integers(100))
    (7, True)
    """
    if isinstance(rng, np.random.Generator):
        seed = int(rng.integers(2**32))
    elif rng is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    elif isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        seed = int(rng)
        if seed < 0:
            raise InputError(f"rng must be a seed of at least 0; got {seed}.")
    else:
        raise InputError(
            "rng must be an integer seed, a numpy.random.Generator or None; "
            f"got {type(rng).__name__}."
        )
    return np.random.default_rng(seed), seed


def check_array(
    name: str,
    value: ArrayLike,
    *,
    ndim: int | None = None,
    shape: Sequence[int | None] | None = None,
    dtype: DTypeLike = np.float64,
    finite: bool = True,
    minimum: float | None = None,
    allow_empty: bool = False,
) -> NDArray[Any]:
    """Return ``value`` as a contiguous array of ``dtype``, or say what is wrong with it.

    Parameters
    ----------
    name
        The argument's name, for the message.
    value
        Anything that numpy reads as an array of numbers.
    ndim, shape
        Expected number of dimensions, or expected shape with None for a free length.
    dtype
        Type of the result; a conversion that would change a value is refused.
    finite
        Refuse NaN and infinity.
    minimum
        Smallest legal value.
    allow_empty
        Accept an array without elements.

    Raises
    ------
    InputError
        Naming the argument, the expectation and the first offending value with its index.

    Examples
    --------
    >>> check_array("field", [1, 2], shape=(None,))
    array([1., 2.])
    >>> check_array("field", [[1.0]], ndim=1)
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: field must have 1 dimension(s), got shape (1, 1).
    """
    try:
        given = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{name} must be a rectangular array of numbers; {error}.") from None
    if given.dtype.kind not in "biuf" or np.ma.isMaskedArray(value):
        found = "a masked array" if np.ma.isMaskedArray(value) else f"dtype {given.dtype}"
        raise InputError(f"{name} must hold real numbers, got {found}.")
    if shape is not None and (
        given.ndim != len(shape)
        or any(
            want is not None and want != got for want, got in zip(shape, given.shape, strict=True)
        )
    ):
        wanted = ", ".join("n" if length is None else str(length) for length in shape)
        wanted += "," if len(shape) == 1 else ""
        raise InputError(f"{name} must have shape ({wanted}), got {given.shape}.")
    if ndim is not None and given.ndim != ndim:
        raise InputError(f"{name} must have {ndim} dimension(s), got shape {given.shape}.")
    if given.size == 0 and not allow_empty:
        raise InputError(f"{name} must not be empty, got shape {given.shape}.")
    if finite and given.dtype.kind == "f" and not np.isfinite(given).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(given))[0])
        count = int(np.count_nonzero(~np.isfinite(given)))
        raise InputError(
            f"{name} must hold finite numbers; found {count} NaN or infinite value(s), "
            f"first at index {where}."
        )
    with np.errstate(invalid="ignore", over="ignore"):
        # ascontiguousarray promotes a scalar to one dimension; keep the shape that was checked
        array = np.ascontiguousarray(given, dtype=dtype).reshape(given.shape)
        if array.dtype.kind == "f" and finite and not np.isfinite(array).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise InputError(
                f"{name} must hold numbers that fit {array.dtype}; "
                f"got {given[where]} at index {where}."
            )
        if array.dtype.kind in "iu" and given.size and not np.array_equal(array, given):
            where = tuple(int(i) for i in np.argwhere(array != given)[0])
            raise InputError(
                f"{name} must hold whole numbers that fit {array.dtype}; "
                f"got {given[where]} at index {where}."
            )
    if minimum is not None and array.size and not array.min() >= minimum:
        where = tuple(int(i) for i in np.argwhere(~(array >= minimum))[0])
        raise InputError(f"{name} must be at least {minimum}; got {array[where]} at index {where}.")
    return array


def check_positive(name: str, value: float, *, allow_zero: bool = False) -> float:
    """Return ``value`` as a float when it is a finite number above zero.

    Raises
    ------
    InputError
        For zero (unless ``allow_zero``), a negative number, NaN, infinity or no number.

    Examples
    --------
    >>> check_positive("pixel_size", 3)
    3.0
    """
    legal = isinstance(value, int | float | np.integer | np.floating) and not isinstance(
        value, bool
    )
    if legal and isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        legal = False  # a whole number of Python that no float holds
    if not legal or not math.isfinite(value) or value < 0 or (value == 0 and not allow_zero):
        wanted = "a finite number of at least 0" if allow_zero else "a finite number above 0"
        raise InputError(f"{name} must be {wanted}; got {_short(value)}.")
    return float(value)


def check_number(name: str, value: object, *, least: float = -math.inf) -> float:
    """Return ``value`` as a float when it is a finite number, of any sign unless ``least`` says.

    Raises
    ------
    InputError
        For NaN, infinity, a number below ``least``, or no number.

    Examples
    --------
    >>> check_number("field", -2)
    -2.0
    """
    if isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "iuf":
        value = value.item()
    legal = isinstance(value, int | float | np.integer | np.floating)
    if not legal or isinstance(value, bool) or not _fits_float(value) or value < least:  # type: ignore[operator]
        wanted = "a finite number" + (f" of at least {least:g}" if least > -math.inf else "")
        raise InputError(f"{name} must be {wanted}; got {_short(value)}.")
    return float(value)  # type: ignore[arg-type]


def _fits_float(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) <= LARGEST_NUMBER
    return math.isfinite(value)  # type: ignore[arg-type]


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < LARGEST_NUMBER else "too large"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def check_temperature(temperature: object) -> tuple[float, float]:
    """Return an uncertain temperature as mean and standard deviation.

    Raises
    ------
    InputError
        For anything but two numbers, a mean that is not above 0, or a standard deviation below 0
        or above a third of the mean, where draws of the temperature could be negative.

    Examples
    --------
    >>> check_temperature((300, 2.0))
    (300.0, 2.0)
    """
    if (
        not isinstance(temperature, Sequence | np.ndarray)
        or isinstance(temperature, str | bytes)
        or (isinstance(temperature, np.ndarray) and temperature.ndim != 1)
        or len(temperature) != 2
    ):
        raise InputError(
            f"temperature must be a pair (mean, standard deviation); got {_short(temperature)}."
        )
    mean = check_positive("temperature mean", temperature[0])
    sd = check_positive("temperature sd", temperature[1], allow_zero=True)
    if sd > WIDEST_TEMPERATURE * mean:
        raise InputError(
            "temperature must be known better than to a third (or kT could be negative); got "
            f"{mean:g} +- {sd:g}."
        )
    return mean, sd


def check_count(name: str, value: object, least: int) -> int:
    """Return a whole number of at least ``least``, or refuse it.

    Raises
    ------
    InputError
        For another type (true, false and 3.0 included), a smaller number, or one above 10^11, which
    no run would reach.

    Examples
    --------
    >>> check_count("n_snapshots", 3, 1)
    3
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}; got {_short(value)}.")
    if value > LARGEST_COUNT:
        raise InputError(f"{name} must be at most {LARGEST_COUNT:g}; got {_short(value)}.")
    return int(value)


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """Return ``value`` when it is one of ``choices``.

    Raises
    ------
    InputError
        Naming the argument and the legal choices.

    Examples
    --------
    >>> check_choice("noise", "poisson", ("auto", "poisson"))
    'poisson'
    """
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}; got {_short(value)}.")
    return value


def check_image(image: ArrayLike, name: str = "image") -> NDArray[np.float64]:
    """Return a picture as a 2-D float array, or say why it is none.

    Parameters
    ----------
    image
        Array of shape (rows, columns), at least 16 by 16, finite and not constant.
    name
        The argument's (or file's) name, for the message.

    Raises
    ------
    InputError
        Naming what is wrong and what to do.

    Examples
    --------
    >>> check_image(np.zeros((8, 20)))
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: image must be at least 16 x 16 pixels, got 8 x 20.
    """
    shape = () if isinstance(image, list | tuple) else np.shape(image)
    if len(shape) == 3 and shape[-1] in (3, 4):
        raise InputError(f"{name} is a colour picture of shape {shape}; give one channel.")
    if len(shape) == 3:
        raise InputError(
            f"{name} must be one picture (rows, columns), got shape {shape}; "
            "read a stack or a film with read_video."
        )
    # as it came: a mask would be lost on the way through an array
    array = check_array(name, image, ndim=2)
    if min(array.shape) < SMALLEST_IMAGE_EDGE:
        raise InputError(
            f"{name} must be at least {SMALLEST_IMAGE_EDGE} x {SMALLEST_IMAGE_EDGE} pixels, "
            f"got {array.shape[0]} x {array.shape[1]}."
        )
    if array.min() == array.max():
        raise InputError(
            f"{name} is constant (every pixel is {array.flat[0]}): there is nothing to see; "
            "check the export."
        )
    return array
