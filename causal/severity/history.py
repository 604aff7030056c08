"""What was shot, when, and what was read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["History"]


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Shots in the order in which they were taken.

    Attributes
    ----------
    action_index
        int, (n_shots,): column of the design table.
    readout
        (n_shots,), in the unit of the table.
    time_s
        (n_shots,), not falling, in seconds; the shots' numbers from 1 on when None.
    reference
        bool, (n_shots,): shots at one fixed action that are there to see drift; they say nothing
        about the hypotheses. None for none.

    Raises
    ------
    InputError
        For lengths that differ, readouts that are not finite, time that runs back, or reference
        shots at different actions.

    Examples
    --------
    >>> History([3, 0], [0.2, 0.1]).time_s.tolist()
    [1.0, 2.0]
    """

    action_index: NDArray[np.int64]
    readout: Floats
    time_s: Floats
    reference: NDArray[np.bool_]

    __repr__ = short_repr
    _repr_html_ = html_table

    def __init__(
        self,
        action_index: ArrayLike = (),
        readout: ArrayLike = (),
        time_s: ArrayLike | None = None,
        reference: ArrayLike | None = None,
    ) -> None:
        index = np.array(action_index)
        values = np.array(readout, dtype=np.float64)
        n = values.size
        if n == 0:
            index = index.astype(np.int64)
        if values.ndim != 1 or index.shape != (n,) or index.dtype.kind not in "iu":
            raise InputError(
                "action_index and readout must be whole numbers and numbers of one length; got "
                f"shapes {index.shape} ({index.dtype}) and {values.shape}."
            )
        times = np.arange(1.0, n + 1) if time_s is None else np.array(time_s, dtype=np.float64)
        marks = np.zeros(n, bool) if reference is None else np.array(reference, dtype=bool)
        if times.shape != (n,) or marks.shape != (n,):
            raise InputError(
                f"time_s and reference must have {n} entries; got {times.shape} and {marks.shape}."
            )
        bad = np.flatnonzero(~(np.isfinite(values) & np.isfinite(times)) | (index < 0))
        if bad.size:
            raise InputError(
                f"shots must have an index from 0, a finite readout and a finite time; shot "
                f"{int(bad[0])} has {int(index[bad[0]])}, {values[bad[0]]}, {times[bad[0]]}."
            )
        if (np.diff(times) < 0).any():
            back = int(np.argmax(np.diff(times) < 0)) + 1
            raise InputError(f"time_s must not fall; shot {back} comes before shot {back - 1}.")
        if len(set(index[marks].tolist())) > 1:
            raise InputError("reference shots must all be taken at one action.")
        for name, array in (
            ("action_index", index.astype(np.int64)),
            ("readout", values),
            ("time_s", times),
            ("reference", marks),
        ):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return int(self.readout.size)

    def after(
        self, action_index: int, readout: float, time_s: float | None, reference: bool
    ) -> History:
        """Return the history with one more shot; one second later when no time is given."""
        if time_s is None:
            time_s = float(self.time_s[-1]) + 1.0 if len(self) else 1.0
        return History(
            np.append(self.action_index, action_index),
            np.append(self.readout, readout),
            np.append(self.time_s, time_s),
            np.append(self.reference, reference),
        )
