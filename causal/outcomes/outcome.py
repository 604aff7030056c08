"""What came of one act of the instrument, as a person or a machine reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from physlearn.causal.actions import strict_number
from physlearn.checks import InputError, check_count
from physlearn.records.storage import html_table, short_repr

__all__ = ["Outcome"]


LARGEST_READOUT = 1e100


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one act: its readout, whether it worked, and what the instrument read back.

    Attributes
    ----------
    readout
        What was read out, in the unit of the hypotheses, or None when nothing was read out.
    succeeded
        Whether the act did what it was to do; the readout of one that did not says nothing about
        the hypotheses.
    readout_sd
        Standard deviation of the readout's noise; that of the hypotheses when None.
    commanded, reported
        Arguments as sent and as read back, in the units of their names. What was read back
        counts: hypotheses are asked what they expect THERE.
    dose
        Dose that the sample took, in the envelope's unit; the one that the action states when
        None.
    started_s, duration_s
        When it began, in seconds since the campaign began, and how long it took.
    neighbours_hit
        How many sites beside the one aimed at were changed.
    note
        Anything else, in words.

    Raises
    ------
    InputError
        For NaN, infinity, bool or text in a number, a negative dose or duration, or a readout_sd
        without a readout.

    Examples
    --------
    >>> seen = Outcome(0.31, commanded={"x": 4.0}, reported={"x": 4.2}, dose=12.0)
    >>> Outcome.from_dict(seen.to_dict()) == seen
    True
    >>> Outcome(None, succeeded=False, note="the tip missed").succeeded
    False
    """

    readout: float | None
    succeeded: bool = True
    readout_sd: float | None = None
    commanded: Mapping[str, float] = field(default_factory=dict)
    reported: Mapping[str, float] = field(default_factory=dict)
    dose: float | None = None
    started_s: float | None = None
    duration_s: float | None = None
    neighbours_hit: int = 0
    note: str = ""

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not isinstance(self.succeeded, bool | np.bool_):
            raise InputError(f"succeeded must be True or False; got {self.succeeded!r}.")
        object.__setattr__(self, "succeeded", bool(self.succeeded))
        if self.readout is not None:
            object.__setattr__(self, "readout", strict_number("readout", self.readout))
            if abs(self.readout) > LARGEST_READOUT:
                raise InputError(
                    f"readout must lie within -{LARGEST_READOUT:g} to {LARGEST_READOUT:g}, so that "
                    f"its square is a number; got {self.readout!r}: see its unit."
                )
        if self.readout_sd is not None:
            if self.readout is None:
                raise InputError("readout_sd must come with a readout; got no readout.")
            sd = strict_number("readout_sd", self.readout_sd, above=0)
            object.__setattr__(self, "readout_sd", sd)
        for name in ("commanded", "reported"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        for name in ("dose", "started_s", "duration_s"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, strict_number(name, value, minimum=0))
        hit = check_count("neighbours_hit", self.neighbours_hit, 0)
        object.__setattr__(self, "neighbours_hit", hit)
        if not isinstance(self.note, str):
            raise InputError(f"note must be a text; got {self.note!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain numbers and texts, as JSON can hold them."""
        plain = {part.name: getattr(self, part.name) for part in fields(self)}
        return {**plain, "commanded": dict(self.commanded), "reported": dict(self.reported)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Outcome:
        """Return the outcome that `to_dict` wrote."""
        if not isinstance(content, Mapping):
            raise InputError(f"an outcome must be a mapping; got {content!r}.")
        known = [part.name for part in fields(cls)]
        unknown = [name for name in content if name not in known]
        if unknown:
            raise InputError(
                f"an outcome may hold {', '.join(known)}; got {unknown[0]!r}: take it out."
            )
        if "readout" not in content:
            raise InputError(
                "an outcome must hold 'readout' (None when nothing was read out); got "
                f"{list(content)}."
            )
        return cls(**content)


def _numbers(name: str, given: object) -> Mapping[str, float]:
    if not isinstance(given, Mapping):
        raise InputError(f"{name} must map names of arguments to numbers; got {given!r}.")
    return MappingProxyType(
        {str(key): strict_number(f"{name}[{key!r}]", value) for key, value in given.items()}
    )
