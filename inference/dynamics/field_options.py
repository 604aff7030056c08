"""What a search of a field's law may be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from physlearn.checks import InputError, check_array, check_choice, check_count, check_positive
from physlearn.inference.fields.user_terms import FieldTerm
from physlearn.option_fields import check_fields

__all__ = ["FieldLawOptions"]

EDGES = ("auto", "periodic", "open")


@dataclass(frozen=True)
class FieldLawOptions:
    """Settings of `discover_field_law`.

    Attributes
    ----------
    terms
        Names of candidate terms, and `FieldTerm` records; None takes the default library. With a
        field u: ``1``, ``u`` ... ``u5``, ``lap_u``, ``lap_u2``, ``lap_u3``, ``bilap_u``,
        ``trilap_u``, ``u_x``, ``u2_x`` (d(u^2)/dx, twice u u_x), ``grad_u_squared``, ``drive``,
        ``drive_u``; untied ``u_xx``, ``u_yy``; with a second field v also ``u_v``, ``u2_v``, ....
    extra_terms
        `FieldTerm` records beside the default library. With two fields u and v a term ``bent``
        acts on each: ``bent_u``, ``bent_v``.
    expressions
        Name -> text of further terms in the fields and ``drive``, such as ``u*v/(1 + u)``.
    isotropic
        Tie the second derivatives along x and y (``lap_u``).
    conservative
        Keep only divergences: the mean of the field is then conserved.
    noise_sd
        Standard deviation of a pixel's noise (one number a field); None infers it.
    window
        Half widths of the test functions (time, space), in the film's units; None chooses them.
    largest_support
        Most terms of a law.
    n_kept
        Laws to list.
    line_time
        Row r of a frame is read r x line_time after the frame's time; None reads the film's
        attribute ``line_time``, else 0.
    edges
        ``periodic``, ``open``, or ``auto``: what the film's attribute ``boundary`` says, else open.
    frame_gap
        Frames between which the noise is independent; None tests it.
    debias
        Clear powers of the noise's mean (Hermite polynomials); False for comparison.
    instruments
        Cross moments between two sets of frames; False takes all frames for both (biased).
    progress
        Called with (windows tried, windows at most, text of the best law so far).
    stop
        Called between windows; True ends the search of windows.

    Examples
    --------
    >>> FieldLawOptions(conservative=True).largest_support
    7
    """

    terms: Sequence[str | FieldTerm] | None = None
    extra_terms: Sequence[FieldTerm] = ()
    expressions: Mapping[str, str] | None = None
    isotropic: bool = True
    conservative: bool = False
    noise_sd: ArrayLike | None = None
    window: tuple[float, float] | None = None
    largest_support: int = 7
    n_kept: int = 40
    line_time: float | None = None
    edges: str = "auto"
    frame_gap: int | None = None
    debias: bool = True
    instruments: bool = True
    progress: Callable[[int, int, str], object] | None = None
    stop: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        check_choice("edges", self.edges, EDGES)
        check_count("largest_support", self.largest_support, 1)
        check_count("n_kept", self.n_kept, 1)
        if self.frame_gap is not None:
            check_count("frame_gap", self.frame_gap, 1)
        if self.noise_sd is not None:
            check_array("noise_sd", np.atleast_1d(np.asarray(self.noise_sd)), minimum=0.0)
        if self.window is not None:
            if np.ndim(self.window) != 1 or len(self.window) != 2:
                raise InputError(
                    f"window must be two half widths, (time, space); got {self.window}."
                )
            for name, value in zip(("window[0]", "window[1]"), self.window, strict=True):
                check_positive(name, value)
        for term in () if self.terms is None or isinstance(self.terms, str) else self.terms:
            if not isinstance(term, str | FieldTerm):
                raise InputError(
                    f"terms must be a list of names and FieldTerm records; it holds {term!r}."
                )
        if not isinstance(self.expressions or {}, Mapping):
            raise InputError(
                "expressions must map names to texts such as 'u*v/(1 + u)'; got "
                f"{type(self.expressions).__name__}."
            )
        if isinstance(self.terms, str):
            raise InputError(f"terms must be a list of names; got the text {self.terms!r}.")
        check_fields(self)
