"""The twin of a measured table: its patches, and hidden mechanisms between its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import networkx as nx
import numpy as np

from physlearn.causal.actions import Action
from physlearn.causal.twins.sample_state import (
    Area,
    Conditions,
    Floats,
    Response,
    TrueAct,
    chosen_area,
)
from physlearn.checks import InputError, check_positive
from physlearn.records import PatchTable
from physlearn.records.storage import html_table, short_repr

__all__ = ["TableSample"]

Mechanism = float | Callable[[Floats], Floats]
VERBS = ("expose_site", "expose_patch")


@dataclass(frozen=True, slots=True, eq=False)
class TableSample:
    """Patches as a table holds them, with mechanisms that only acts can reveal.

    `expose_site` and `expose_patch` with the arguments ``column`` and ``to`` (as `exposures` makes
    them) set a column of the patches that are hit. What it causes follows, along all ways of the
    hidden mechanisms; a column that was set follows nothing any more. Readout: how much the column
    `readout` of these patches changes, on average. A table whose columns move together through a
    common cause, and whose mechanisms are empty, shows no change at all.

    Attributes
    ----------
    table
        What the patches are; pictures measure it anew, with the table's own errors.
    mechanisms
        (cause, effect) -> slope in the columns' units, or a function of the cause's values whose
        difference counts. No cycles.
    readout
        Column that is read out.
    setting_sd
        How far the value set differs from the one asked for, in the unit of the column.

    Raises
    ------
    InputError
        For columns that the table lacks, cycles, or slopes that are no finite numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.causal import DigitalTwin
    >>> y, x = np.mgrid[:4, :4].reshape(2, -1)
    >>> frame = pd.DataFrame({"a": x * 1.0, "b": 2.0 * x, "c": 6.0 * x})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0)
    >>> twin = DigitalTwin(TableSample(table, {("a", "b"): 2.0, ("b", "c"): 3.0}, "c"), rng=1)
    >>> act = {"x": 1.0, "y": 1.0, "column": "a", "to": 2.0}
    >>> twin.do(Action("expose_site", act, 1.0, 1.0, 1.0, irreversible=True)).readout
    6.0
    """

    table: PatchTable
    mechanisms: Mapping[tuple[str, str], Mechanism]
    readout: str
    setting_sd: float = 0.0
    order: tuple[str, ...] = field(init=False, default=())

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not isinstance(self.table, PatchTable):
            raise InputError(f"table must be a PatchTable; got {type(self.table).__name__}.")
        check_positive("setting_sd", self.setting_sd, allow_zero=True)
        names = [self.readout, *(name for pair in self.mechanisms for name in pair)]
        missing = [name for name in names if name not in self.table.columns]
        if missing:
            raise InputError(
                f"{missing[0]!r} is no column of the table; it has {self.table.columns}."
            )
        for pair, slope in self.mechanisms.items():
            if not callable(slope) and not np.isfinite(slope):
                raise InputError(f"the slope of {pair} must be a finite number; got {slope!r}.")
        graph = nx.DiGraph(list(self.mechanisms))
        graph.add_nodes_from(self.table.columns)
        if not nx.is_directed_acyclic_graph(graph):
            raise InputError("mechanisms must have no cycle: a column may not cause itself.")
        object.__setattr__(self, "mechanisms", MappingProxyType(dict(self.mechanisms)))
        object.__setattr__(self, "order", tuple(nx.lexicographical_topological_sort(graph)))

    @property
    def field_of_view(self) -> Area:
        """All patches, whole."""
        low = self.table.centers.min(axis=0) - 0.5 * self.table.patch_size
        high = self.table.centers.max(axis=0) + 0.5 * self.table.patch_size
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def unit(self) -> str:
        """Unit of lengths."""
        return self.table.unit

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be done to it beside looking and waiting."""
        return VERBS

    def check(self, action: Action) -> None:
        """Refuse an exposure that does not say what it sets, before anything moves."""
        if action.verb not in VERBS:
            return
        if action.args.get("column") not in self.table.columns:
            raise InputError(
                f"{action.verb} must name a column of {self.table.columns}; got "
                f"{action.args.get('column')!r}."
            )
        action.number("to")

    def prepare(self, rng: np.random.Generator) -> _TableState:
        """Return the patches as they are."""
        return _TableState(self, rng)


class _TableState:
    """The columns' values now, and which were set."""

    def __init__(self, sample: TableSample, rng: np.random.Generator) -> None:
        self._sample, self._rng = sample, rng
        frame = sample.table.frame
        self._values = {n: frame[n].to_numpy(dtype=np.float64).copy() for n in frame.columns}
        self._set = {name: np.zeros(len(frame), bool) for name in frame.columns}

    def act(self, act: TrueAct) -> Response:
        sample, centers = self._sample, self._sample.table.centers
        area = chosen_area(act, sample.field_of_view)
        if act.verb == "expose_site":
            nearest = int(np.argmin(((centers - (act.x, act.y)) ** 2).sum(axis=1)))
            hit = np.arange(len(centers)) == nearest
        else:
            x, y = centers.T
            hit = (x >= area[0]) & (y >= area[1]) & (x <= area[2]) & (y <= area[3])
        if not hit.any():
            return Response(None)
        if act.verb in ("image", "scan_again"):
            return Response(float(self._values[sample.readout][hit].mean()))
        column, level = str(act.args["column"]), act.number("to", 0.0)
        if sample.setting_sd > 0:
            level += float(sample.setting_sd * self._rng.standard_normal())
        before = {name: values.copy() for name, values in self._values.items()}
        self._values[column][hit] = level
        self._set[column] |= hit
        self._follow(before)
        moved = self._values[sample.readout][hit] - before[sample.readout][hit]
        return Response(float(moved.mean()), 0, {"to": level})

    def rest(
        self, duration_s: float, conditions: Conditions, area: Area | None = None, dose: float = 0.0
    ) -> None:
        pass

    def brightness(self, x: Floats, y: Floats) -> Floats:
        centers = self._sample.table.centers
        squared = (x[:, None] - centers[:, 0]) ** 2 + (y[:, None] - centers[:, 1]) ** 2
        nearest = np.argmin(squared, axis=1)
        return np.asarray(self._values[self._sample.readout][nearest])

    def table(self, rng: np.random.Generator) -> PatchTable:
        """Return what a picture measures of all patches."""
        given = self._sample.table
        frame = given.frame.copy()
        for name, values in self._values.items():
            frame[name] = values
        if given.measurement_covariance is not None:
            roots = [_root(matrix) for matrix in given.measurement_covariance]
            draws = rng.standard_normal((len(frame), len(frame.columns)))
            frame += np.stack([roots[k % len(roots)] @ draw for k, draw in enumerate(draws)])
        return replace(given, frame=frame)

    def truth(self) -> dict[str, Any]:
        return {
            "mechanisms": dict(self._sample.mechanisms),
            "columns": {name: values.copy() for name, values in self._values.items()},
        }

    def _follow(self, before: dict[str, Floats]) -> None:
        """Let every column follow its causes, where it was not set."""
        for name in self._sample.order:
            change = np.zeros(len(before[name]))
            for (cause, effect), mechanism in self._sample.mechanisms.items():
                if effect != name:
                    continue
                now, then = self._values[cause], before[cause]
                if callable(mechanism):
                    change += np.asarray(mechanism(now)) - np.asarray(mechanism(then))
                else:
                    change += mechanism * (now - then)
            free = ~self._set[name]
            self._values[name][free] += change[free]


def _root(matrix: Floats) -> Floats:
    """Return a root of a covariance that may have zeros."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
