"""How measurements scatter about a law, and the measurements themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice
from physlearn.inference.laws.expression import OPERATIONS
from physlearn.records.storage import html_table, short_repr

__all__ = ["NoiseModel", "Observations", "observe"]

Floats = NDArray[np.float64]

KINDS = ("additive", "multiplicative", "log", "counts", "student", "outliers")
POSITIVE_KINDS = ("log", "multiplicative", "counts")
CENSORED_KINDS = ("additive", "multiplicative", "log")
"""Kinds that allow values known only to lie below or above a limit."""
X_ERROR_KINDS = ("additive", "multiplicative", "log", "outliers")
MOST_VARIABLES = 10


@dataclass(frozen=True, slots=True, eq=False)
class NoiseModel:
    """The distribution of a measurement y about the law's value f.

    Attributes
    ----------
    kind
        ``"additive"``: normal with standard deviation sd. ``"multiplicative"``: normal with
        standard deviation sd * f, for f > 0. ``"log"``: ln y is normal about ln f with sd.
        ``"counts"``: Poisson with mean f. ``"student"``: Student t of ``degrees`` degrees of
        freedom and scale sd. ``"outliers"``: normal with sd, but an unknown share of the points
        (prior Beta(1, 9)) has ``widening`` times that.
    sd
        One number or one a point, in units of y (``"multiplicative"``: of f; ``"log"``: of ln y);
        None infers one number.
    x_sd
        Standard deviations of the columns' own errors by name, one number or one a point. The true
        values are integrated over, their distribution taken from the column (`true_values`); they
        must be like one sample of it, as readings of a sweep are. More than two such columns are
        taken to first order.
    degrees
        Degrees of freedom of ``"student"``.
    widening
        Of ``"outliers"``.

    Raises
    ------
    InputError
        If a number is not in its range or errors of x do not go with the kind.

    Examples
    --------
    >>> NoiseModel("additive", sd=0.1, x_sd={"x": 0.05}).kind
    'additive'
    """

    kind: str = "additive"
    sd: ArrayLike | None = None
    x_sd: Mapping[str, ArrayLike] = field(default_factory=dict)
    degrees: float = 4.0
    widening: float = 10.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        if self.sd is not None:
            if self.kind == "counts":
                raise InputError("sd must be None for kind 'counts': the mean gives the variance.")
            sd = check_array("sd", self.sd).copy()
            if sd.ndim > 1 or not (sd > 0).all():
                raise InputError("sd must be above 0: one number, or one a point.")
            sd.setflags(write=False)
            object.__setattr__(self, "sd", sd)
        if self.x_sd and self.kind not in X_ERROR_KINDS:
            raise InputError(f"x_sd goes with {', '.join(X_ERROR_KINDS)}; got kind {self.kind!r}.")
        checked = {}
        for name, value in self.x_sd.items():
            checked[name] = check_array(f"x_sd[{name!r}]", value, minimum=0.0)
        object.__setattr__(self, "x_sd", checked)
        for name, number, least in (("degrees", self.degrees, 1.0), ("widening", self.widening, 2)):
            if not least <= number < np.inf:
                raise InputError(f"{name} must be a number from {least:g} on, got {number!r}.")

    @property
    def nuisance(self) -> tuple[str, ...]:
        """Names of the noise's own unknown numbers."""
        names = ("log_sd",) if self.sd is None and self.kind != "counts" else ()
        return (*names, "logit_share") if self.kind == "outliers" else names

    def sizes(self, n: int) -> Floats:
        """Return sd for each of n points; ones where it is not known."""
        sd = 1.0 if self.sd is None else self.sd
        return np.broadcast_to(np.asarray(sd, dtype=np.float64), (n,))

    @property
    def x_errors(self) -> tuple[tuple[str, Floats], ...]:
        """Names and standard deviations of the columns that have errors."""
        return tuple((name, np.asarray(sd, dtype=np.float64)) for name, sd in self.x_sd.items())


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Measurements: columns x (n_variables, n), y (n,), names; ``censored`` is -1, 0 or 1.

    Where ``censored`` is -1 (1) the value is known only to lie below (above) y.
    """

    x: Floats
    y: Floats
    names: tuple[str, ...]
    censored: NDArray[np.int8]

    @property
    def columns(self) -> dict[str, Floats]:
        """Columns by name."""
        return dict(zip(self.names, self.x, strict=True))

    @property
    def ranges(self) -> Floats:
        """Shape (n_variables, 2): smallest and largest value of each column."""
        return np.stack([self.x.min(axis=1), self.x.max(axis=1)], axis=1)


def observe(
    columns: Mapping[str, ArrayLike],
    y: ArrayLike,
    noise: NoiseModel | None = None,
    *,
    below: ArrayLike | None = None,
    above: ArrayLike | None = None,
    independent: bool = True,
) -> Observations:
    """Check measurements against what the noise model can hold.

    Parameters
    ----------
    columns
        Name -> values (n,) of each variable.
    y
        Shape (n,); for censored points the limit.
    noise
        The noise model; None is additive noise of unknown size.
    below, above
        Booleans (n,): the value is known only to lie below (above) y.
    independent
        Refuse constant and collinear columns; False leaves them to the caller.

    Raises
    ------
    InputError
        For NaN, unequal lengths, constant or collinear columns, values that the noise forbids.

    Examples
    --------
    >>> observe({"x": [1.0, 2.0, 3.0]}, [0.1, 0.1, 0.3], below=[True, False, False]).censored
    array([-1,  0,  0], dtype=int8)
    """
    noise = noise or NoiseModel()
    target = check_array("y", y, ndim=1)
    n = target.size
    if not isinstance(columns, Mapping) or not 1 <= len(columns) <= MOST_VARIABLES:
        raise InputError(f"columns must map 1 to {MOST_VARIABLES} names to arrays.")
    for name in columns:
        if not isinstance(name, str) or not name.isidentifier() or name in OPERATIONS:
            raise InputError(f"columns must be named like x or drive, got {name!r}.")
    x = np.stack([check_array(f"columns[{name!r}]", v, shape=(n,)) for name, v in columns.items()])
    names = tuple(columns)
    if independent:
        _check_independent(x, names)
    censored = np.zeros(n, dtype=np.int8)
    for name, marks, code in (("below", below, -1), ("above", above, 1)):
        if marks is not None:
            chosen = np.asarray(marks)
            if chosen.dtype != np.bool_ or chosen.shape != (n,):
                raise InputError(f"{name} must be booleans of shape ({n},), got {chosen.shape}.")
            if (chosen & (censored != 0)).any():
                place = int(np.flatnonzero(chosen & (censored != 0))[0])
                raise InputError(f"below and above are both true at index {place}.")
            censored[chosen] = code
    _check_noise(noise, target, censored)
    _check_x_sd(noise, x, names)
    return Observations(x, target, names, censored)


def _check_independent(x: Floats, names: tuple[str, ...]) -> None:
    for name, column in zip(names, x, strict=True):
        if np.ptp(column) == 0.0:
            raise InputError(
                f"columns[{name!r}] must vary, it is {column[0]:g} in all rows: drop it, or write "
                "the number into the form."
            )
    for second in range(1, len(names)):
        for first in range(second):
            together = np.corrcoef(x[first], x[second])[0, 1]
            if x.shape[1] > 2 and abs(together) > 1.0 - 1e-12:
                raise InputError(
                    f"columns {names[first]!r} and {names[second]!r} must not be linear functions "
                    "of each other, no data tell which of them a law holds: keep one."
                )


def _check_noise(noise: NoiseModel, y: Floats, censored: NDArray[np.int8]) -> None:
    if noise.kind == "log" and not (y > 0).all():
        place = int(np.flatnonzero(y <= 0)[0])
        raise InputError(
            f"y must be above 0 for kind 'log', got {y[place]:g} at index {place}: take "
            "'additive' noise, or mark it as below its detection limit."
        )
    if noise.kind == "counts" and not ((y >= 0) & (y == np.round(y))).all():
        place = int(np.flatnonzero((y < 0) | (y != np.round(y)))[0])
        raise InputError(f"y must hold counts for kind 'counts', got {y[place]:g} at {place}.")
    if censored.any() and noise.kind not in CENSORED_KINDS:
        raise InputError(
            f"below and above go with {', '.join(CENSORED_KINDS)} noise; got kind {noise.kind!r}."
        )
    if not (censored == 0).any():
        raise InputError("below and above leave no measured value: a law needs some.")
    for name, value in (("sd", noise.sd), *((f"x_sd[{k!r}]", v) for k, v in noise.x_sd.items())):
        if value is not None and np.shape(value) not in ((), (y.size,)):
            raise InputError(f"{name} must be one number or {y.size}, got {np.shape(value)}.")


def _check_x_sd(noise: NoiseModel, x: Floats, names: tuple[str, ...]) -> None:
    for name, sd in noise.x_errors:
        if name not in names:
            raise InputError(f"x_sd names {name!r}; the columns are {', '.join(names)}.")
        column = x[names.index(name)]
        if np.ptp(column) == 0.0 and np.max(sd) > 0.0:
            raise InputError(
                f"x_sd[{name!r}] must be left out: the column is constant ({column[0]:g}), so its "
                "readings show no error."
            )
