"""Patches whose columns cause each other, with a background that drives both: confounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.causal.actions import Action
from physlearn.causal.twins.sample_state import (
    Area,
    Conditions,
    Floats,
    Response,
    TrueAct,
    chosen_area,
)
from physlearn.checks import InputError, check_choice, check_count, check_positive
from physlearn.option_fields import check_fields
from physlearn.records import PatchTable
from physlearn.records.storage import html_table, short_repr

__all__ = ["StructuralSample"]

FAMILIES = ("linear", "threshold", "saturating", "spill-over")
ARROWS = ("driver to response", "response to driver", "none")
VERBS = ("expose_site", "expose_patch")
COLUMNS = ("driver", "response")
SEEN_SD = 3.0
"""Measurement errors by which a neighbour must change before it is seen to have changed."""


@dataclass(frozen=True, slots=True)
class StructuralSample:
    """A grid of patches with two columns, `driver` and `response`, and a hidden smooth background.

    driver = background_to_driver x background + noise, response = f(driver) +
    background_to_response x background + noise, all noises of patches independent and of unit
    variance, the background a smooth Gaussian field of unit variance. With the arrow "response to
    driver" the two change places; with "none" f is 0: only the background links them.

    `expose_site` and `expose_patch` with the arguments ``column`` ("driver" or "response") and
    ``to`` set that column: its own mechanism is dropped there for good, and what it causes follows
    by the same equations with the same noise (a true counterfactual). Readout: how much the OTHER
    column of the patches that were hit changes, on average; the value that was truly set is read
    back as ``to``. Pictures read the mean response of their area and give a table of all patches.

    Attributes
    ----------
    edge
        Patches along one edge of the grid; patch (row, column) lies at x = column, y = row.
    effect
        Slope of f (of its steepest part).
    background_to_driver, background_to_response
        As above.
    background_length
        Over which the background agrees, in patches.
    background_measured
        Whether the table has a column `background`.
    arrow
        As above.
    family
        f: "linear"; "threshold" (a step of 2 x effect at 0); "saturating" (effect x tanh);
        "spill-over" (linear, and half the effect of the mean of the four neighbours as well).
    measurement_sd
        Noise of each column in a table.
    setting_sd
        How far the value set differs from the one asked for.

    Raises
    ------
    InputError
        For numbers or names that cannot be.

    Examples
    --------
    >>> from physlearn.causal import Action
    >>> from physlearn.causal.twins.digital_twin import DigitalTwin
    >>> twin = DigitalTwin(StructuralSample(arrow="none", background_to_driver=2.0), rng=1)
    >>> set_driver = {"x": 3.0, "y": 4.0, "column": "driver", "to": 5.0}
    >>> twin.do(Action("expose_site", set_driver, 0.0, 1.0, 1.0, irreversible=True)).readout
    0.0
    """

    edge: int = 24
    effect: float = 0.8
    background_to_driver: float = 1.0
    background_to_response: float = 1.0
    background_length: float = 4.0
    background_measured: bool = False
    arrow: str = "driver to response"
    family: str = "linear"
    measurement_sd: float = 0.2
    setting_sd: float = 0.0
    unit: str = "reduced"

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_count("edge", self.edge, 3)
        check_positive("background_length", self.background_length)
        for name in ("measurement_sd", "setting_sd"):
            check_positive(name, getattr(self, name), allow_zero=True)
        check_choice("arrow", self.arrow, ARROWS)
        check_choice("family", self.family, FAMILIES)
        check_fields(self)

    @property
    def field_of_view(self) -> Area:
        """All patches, whole."""
        return -0.5, -0.5, self.edge - 0.5, self.edge - 0.5

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be done to it beside looking and waiting."""
        return VERBS

    def check(self, action: Action) -> None:
        """Refuse an exposure that does not say what it sets, before anything moves."""
        if action.verb not in VERBS:
            return
        if action.args.get("column") not in COLUMNS or isinstance(action.args.get("to"), str):
            raise InputError(
                f"{action.verb} must name a column ({', '.join(COLUMNS)}) and the number `to` set "
                f"it to; got {dict(action.args)}."
            )
        action.number("to")

    def prepare(self, rng: np.random.Generator) -> _StructuralState:
        """Draw the patches."""
        return _StructuralState(self, rng)


class _StructuralState:
    """The columns of all patches, their hidden background and noises."""

    def __init__(self, sample: StructuralSample, rng: np.random.Generator) -> None:
        self._sample, self._rng = sample, rng
        edge = sample.edge
        self._background = _smooth_field(edge, sample.background_length, rng)
        self._noise = {name: rng.standard_normal((edge, edge)) for name in COLUMNS}
        self._set: dict[str, Floats] = {name: np.full((edge, edge), np.nan) for name in COLUMNS}
        self._values = self._solve()

    def act(self, act: TrueAct) -> Response:
        area = chosen_area(act, self._sample.field_of_view)
        if act.verb in ("image", "scan_again"):
            return Response(self._mean("response", self._values, self._inside(area)))
        column = str(act.args["column"])
        if act.verb == "expose_site":
            last = self._sample.edge - 1
            hit = np.zeros((last + 1, last + 1), bool)
            hit[int(np.clip(round(act.y), 0, last)), int(np.clip(round(act.x), 0, last))] = True
        else:
            hit = self._inside(area)
        before = self._values
        level = act.number("to", 0.0)
        if self._sample.setting_sd > 0:
            level += float(self._sample.setting_sd * self._rng.standard_normal())
        self._set[column] = np.where(hit, level, self._set[column])
        self._values = self._solve()
        other = COLUMNS[1 - COLUMNS.index(column)]
        after, earlier = self._mean(other, self._values, hit), self._mean(other, before, hit)
        if after is None or earlier is None:
            return Response(None, reported={"to": level})
        seen = SEEN_SD * self._sample.measurement_sd
        moved = (np.abs(self._values[other] - before[other]) > seen) & ~hit
        return Response(after - earlier, int(moved.sum()), {"to": level})

    def rest(
        self, duration_s: float, conditions: Conditions, area: Area | None = None, dose: float = 0.0
    ) -> None:
        pass

    def brightness(self, x: Floats, y: Floats) -> Floats:
        last = self._sample.edge - 1
        row = np.clip(np.rint(y).astype(int), 0, last)
        column = np.clip(np.rint(x).astype(int), 0, last)
        return np.asarray(self._values["response"][row, column])

    def table(self, rng: np.random.Generator) -> PatchTable:
        """Return what a picture measures of all patches, with its noise."""
        sample = self._sample
        columns = {name: self._values[name].ravel() for name in COLUMNS}
        if sample.background_measured:
            columns = {"background": self._background.ravel(), **columns}
        noisy = {
            name: values + sample.measurement_sd * rng.standard_normal(len(values))
            for name, values in columns.items()
        }
        rows, across = np.mgrid[: sample.edge, : sample.edge].reshape(2, -1).astype(float)
        errors = np.eye(len(noisy))[None] * sample.measurement_sd**2
        return PatchTable.from_frame(
            pd.DataFrame(noisy), np.stack([across, rows], axis=1), 1.0, unit=sample.unit,
            units=dict.fromkeys(noisy, "1"), measurement_covariance=errors,
            metadata={"source": "digital twin"},
        )  # fmt: skip

    def truth(self) -> dict[str, Any]:
        return {
            "sample": self._sample, "background": self._background.copy(),
            "columns": {name: values.copy() for name, values in self._values.items()},
        }  # fmt: skip

    def _inside(self, area: Area) -> NDArray[np.bool_]:
        place = np.arange(self._sample.edge, dtype=float)
        across = (place >= area[0]) & (place <= area[2])
        return np.asarray(((place >= area[1]) & (place <= area[3]))[:, None] & across)

    @staticmethod
    def _mean(name: str, values: dict[str, Floats], hit: NDArray[np.bool_]) -> float | None:
        return float(values[name][hit].mean()) if hit.any() else None

    def _solve(self) -> dict[str, Floats]:
        """Return both columns by their equations, where they were not set."""
        sample = self._sample
        paths = {"driver": sample.background_to_driver, "response": sample.background_to_response}
        free = {name: paths[name] * self._background + self._noise[name] for name in COLUMNS}
        first = "response" if sample.arrow == "response to driver" else "driver"
        second = COLUMNS[1 - COLUMNS.index(first)]
        values = {first: np.where(np.isnan(self._set[first]), free[first], self._set[first])}
        caused = 0.0 if sample.arrow == "none" else _caused(sample, values[first])
        follows = free[second] + caused
        values[second] = np.where(np.isnan(self._set[second]), follows, self._set[second])
        return values


def _caused(sample: StructuralSample, cause: Floats) -> Floats:
    """Return f of the cause."""
    if sample.family == "threshold":
        return np.where(cause > 0, 2.0 * sample.effect, 0.0)
    if sample.family == "saturating":
        return np.asarray(sample.effect * np.tanh(cause))
    if sample.family == "spill-over":
        padded = np.pad(cause, 1, mode="edge")
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        return np.asarray(sample.effect * (cause + 0.125 * around))
    return sample.effect * cause


def _smooth_field(edge: int, length: float, rng: np.random.Generator) -> Floats:
    """Return a Gaussian field of unit variance and covariance exp(-r^2 / 2 length^2)."""
    wave = 2 * np.pi * np.fft.fftfreq(2 * edge)
    power = np.exp(-0.5 * length**2 * (wave[:, None] ** 2 + wave[None] ** 2))
    white = np.fft.fft2(rng.standard_normal((2 * edge, 2 * edge)))
    field = np.fft.ifft2(np.sqrt(power / power.mean()) * white).real
    return np.asarray(field[:edge, :edge])
