"""Terms of an order parameter's dynamics that a user writes as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_choice
from physlearn.records.storage import html_table, short_repr

__all__ = ["OPERATORS", "FieldTerm"]

Floats = NDArray[np.float64]
OPERATORS = ("identity", "laplacian", "gradient_x", "gradient_y")
BUILT_IN = (
    "bias", "alpha", "cubic", "beta", "gamma", "gradient_x", "gradient_y", "field", "gradient"
)  # fmt: skip
PROBES = np.linspace(-1.3, 1.3, 12).reshape(3, 4)
FINE = 1e-5  # relative step of the central difference
COMPLEX_STEP = 1e-20


@dataclass(frozen=True, eq=False)
class FieldTerm:
    """A term ``theta O[phi(P, E)]`` of dP/dt whose coefficient theta is to be found.

    Attributes
    ----------
    name
        Of the coefficient in the posterior; not that of a built-in term (alpha, beta, ...).
    function
        phi: takes the order parameter P and the field E (arrays of one shape; E is 0 without a
        drive) and returns an array of that shape, each value from its own P and E only.
    derivative
        d phi / dP in the same form. None: by a complex step where the function takes complex
        numbers, else by central differences.
    operator
        O: ``identity``, ``laplacian``, ``gradient_x`` or ``gradient_y`` (central differences). A
        flexoelectric or charged-wall term is, for instance, ``gradient_x`` of ``P**2``.

    Raises
    ------
    InputError
        When the function is none, mixes neighbouring values, returns another shape or numbers
        that are not finite, or when the derivative is not its derivative.

    Examples
    --------
    >>> charged = FieldTerm("charge", lambda order, field: order**2, operator="gradient_x")
    >>> charged.slope(np.array([[2.0]]), np.array([[0.0]])).tolist()
    [[4.0]]
    """

    name: str
    function: Callable[[Floats, Floats], Floats]
    derivative: Callable[[Floats, Floats], Floats] | None = None
    operator: str = "identity"

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise InputError(f"name must be a word, e.g. 'charge'; got {self.name!r}.")
        if self.name in BUILT_IN:
            raise InputError(
                f"name must not be one of the built-in terms ({', '.join(BUILT_IN)}); "
                f"got {self.name!r}."
            )
        check_choice("operator", self.operator, OPERATORS)
        if not callable(self.function):
            raise InputError(f"function must be callable; got {type(self.function).__name__}.")
        # numpy would read E as the place for the result
        if isinstance(self.function, np.ufunc) and self.function.nin != 2:
            raise InputError(
                f"function must take (P, E); np.{self.function.__name__} takes {self.function.nin} "
                f"argument: write lambda P, E: np.{self.function.__name__}(P)."
            )
        if self.derivative is not None and not callable(self.derivative):
            raise InputError(f"derivative must be callable; got {type(self.derivative).__name__}.")
        self._check_pointwise()
        if self.derivative is not None:
            self._check_derivative()

    def value(self, order: Floats, field: Floats) -> Floats:
        """Return phi(P, E), the shape of ``order``."""
        with np.errstate(all="ignore"):
            found = np.asarray(self.function(order, field))
        if found.shape != np.shape(order):
            # phi may be a constant or a function of E alone
            try:
                found = np.broadcast_to(found, np.shape(order))
            except ValueError:
                raise InputError(
                    f"function of {self.name!r} must return the shape of P, "
                    f"{np.shape(order)}; it returned {found.shape}."
                ) from None
        if np.iscomplexobj(found):
            raise InputError(f"function of {self.name!r} must return real numbers.")
        return np.ascontiguousarray(found, dtype=np.float64)

    def slope(self, order: Floats, field: Floats) -> Floats:
        """Return d phi / dP, the shape of ``order``."""
        if self.derivative is not None:
            with np.errstate(all="ignore"):
                found = np.asarray(self.derivative(order, field), dtype=np.float64)
            return np.ascontiguousarray(np.broadcast_to(found, np.shape(order)))
        by_complex = self._complex_slope(order, field)
        return self._central_slope(order, field) if by_complex is None else by_complex

    def _central_slope(self, order: Floats, field: Floats) -> Floats:
        step = FINE * (1.0 + np.abs(order))
        return (self.value(order + step, field) - self.value(order - step, field)) / (2 * step)

    def _complex_slope(self, order: Floats, field: Floats) -> Floats | None:
        """Return the imaginary part of a tiny complex step, where the function is analytic."""
        if not self._takes_complex:
            return None
        nudged: Any = order + 1j * COMPLEX_STEP
        with np.errstate(all="ignore"):
            found = np.asarray(self.function(nudged, field))
        return np.ascontiguousarray(np.broadcast_to(found.imag / COMPLEX_STEP, np.shape(order)))

    @property
    def _takes_complex(self) -> bool:
        """Whether a complex step gives the derivative: abs, comparisons and casts do not."""
        none, nudged = np.zeros_like(PROBES), cast(Any, PROBES + 1j * COMPLEX_STEP)
        try:
            with np.errstate(all="ignore"):
                found = np.asarray(self.function(nudged, none))
        except (TypeError, ValueError):
            return False
        if not np.iscomplexobj(found):
            return False
        by_step = np.broadcast_to(found.imag / COMPLEX_STEP, PROBES.shape)
        by_difference = self._central_slope(PROBES, none)
        return bool(np.allclose(by_step, by_difference, rtol=1e-5, atol=1e-6))

    def _check_pointwise(self) -> None:
        none = np.zeros_like(PROBES)
        whole = self.value(PROBES, none)
        if not np.isfinite(whole).all():
            row, column = np.argwhere(~np.isfinite(whole))[0]
            raise InputError(
                f"function of {self.name!r} must be finite for ordinary P; it returned "
                f"{whole[row, column]} at P = {PROBES[row, column]:.3g}, E = 0."
            )
        turned = self.value(np.ascontiguousarray(PROBES[::-1, ::-1]), none)[::-1, ::-1]
        alone = np.array([[self.value(np.array([[p]]), np.zeros((1, 1)))[0, 0] for p in row]
                          for row in PROBES])  # fmt: skip
        if not (np.allclose(whole, turned) and np.allclose(whole, alone)):
            raise InputError(
                f"function of {self.name!r} must take each value from its own P and E: it mixes "
                "neighbours; put derivatives in space into `operator`."
            )

    def _check_derivative(self) -> None:
        none = np.zeros_like(PROBES)
        given, found = self.slope(PROBES, none), self._central_slope(PROBES, none)
        gap = np.abs(given - found)
        if not np.all(gap <= 1e-4 * (1.0 + np.abs(found))):
            row, column = np.unravel_index(int(np.nanargmax(gap)), gap.shape)
            raise InputError(
                f"derivative of {self.name!r} must be that of its function: at "
                f"P = {PROBES[row, column]:.3g} it gave {given[row, column]:.6g}, the function's "
                f"slope is {found[row, column]:.6g}; leave it out to have it taken numerically."
            )
