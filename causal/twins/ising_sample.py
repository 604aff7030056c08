"""Ising films with hidden defects: spins that follow bias, field, heat and pulses of a tip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.twins.sample_state import (
    Area,
    Conditions,
    Floats,
    Response,
    TrueAct,
    chosen_area,
    in_strip,
)
from physlearn.checks import InputError, check_choice, check_count, check_positive
from physlearn.lattice_models.graphs.regular_lattices import square_lattice
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising
from physlearn.lattice_models.samplers.two_state_engines import TwoStateEngine
from physlearn.option_fields import check_fields
from physlearn.records import SiteGraph
from physlearn.records.storage import html_table, short_repr

__all__ = ["IsingSample"]

FAMILIES = ("pairs", "random field", "imprint")
VERBS = (
    "change_bias", "change_temperature", "change_field", "expose_site", "expose_patch", "tip_pulse",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IsingSample:
    """Spins on a square lattice of free edges that move by the heat bath as time runs.

    p(s) ~ exp(sum h_i s_i + sum J s s') with h_i = field + field_per_volt x bias +
    field_per_tesla x applied field + what defects and pulses add, all times
    reference_kelvin / T. Readouts are mean spins: of the whole film after `change_bias`,
    `change_temperature` and `change_field`; within `read_radius` after a pulse or an exposure; of
    the area of a picture or a patch.

    Attributes
    ----------
    shape
        Rows and columns; site (row, column) stands at x = column, y = row.
    couplings
        J in kT by shell of neighbours.
    field
        In kT, everywhere.
    defects
        (x, y, radius, field in kT): where the film has a field of its own.
    field_per_volt, field_per_tesla
        What bias and applied field add, in kT.
    pulse_field_per_volt, pulse_radius
        Field in kT per volt under the tip, and the width (standard deviation) of its spot.
    beam_field_per_dose
        Field that an exposure adds in its spot for good, in kT per dose.
    sweeps_per_s
        Heat-bath sweeps a second.
    read_radius
        Within which a local readout is averaged.
    reference_kelvin
        Temperature for which couplings and fields are given.
    family
        "pairs"; "random field": every site has a hidden field of its own with this
        `disorder_kt`; "imprint": pulses leave `disorder_kt` of a field of their sign behind, a
        memory that no pair model has.
    disorder_kt
        Strength of what the family adds, in kT.
    start
        "equilibrium", "up" or "down".

    Raises
    ------
    InputError
        For shapes, numbers or names that cannot be.

    Examples
    --------
    >>> from physlearn.causal import Action
    >>> from physlearn.causal.twins.digital_twin import DigitalTwin
    >>> film = IsingSample((16, 16), (0.5,), field_per_volt=0.4, start="down")
    >>> twin = DigitalTwin(film, rng=1)
    >>> act = Action("change_bias", {"bias_V": 3.0}, 0.0, 20.0, 1.0)
    >>> twin.do(act).readout > 0.8
    True
    """

    shape: tuple[int, int] = (24, 24)
    couplings: tuple[float, ...] = (0.3,)
    field: float = 0.0
    defects: tuple[tuple[float, float, float, float], ...] = ()
    field_per_volt: float = 0.2
    field_per_tesla: float = 0.2
    pulse_field_per_volt: float = 1.0
    pulse_radius: float = 1.5
    beam_field_per_dose: float = 0.0
    sweeps_per_s: float = 2.0
    read_radius: float = 1.5
    reference_kelvin: float = 300.0
    family: str = "pairs"
    disorder_kt: float = 0.3
    start: str = "equilibrium"
    unit: str = "reduced"

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name, edge in zip(("rows of shape", "columns of shape"), self.shape, strict=True):
            check_count(name, edge, 3)
        object.__setattr__(self, "shape", tuple(int(edge) for edge in self.shape))
        for name in ("pulse_radius", "sweeps_per_s", "read_radius", "reference_kelvin"):
            check_positive(name, getattr(self, name))
        check_choice("family", self.family, FAMILIES)
        check_choice("start", self.start, ("equilibrium", "up", "down"))
        if any(len(defect) != 4 for defect in self.defects):
            raise InputError(
                f"defects must hold (x, y, radius, field in kT); got {self.defects!r}."
            )
        check_fields(self)

    @property
    def field_of_view(self) -> Area:
        """From the first to the last site."""
        return 0.0, 0.0, float(self.shape[1] - 1), float(self.shape[0] - 1)

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be done to it beside looking and waiting."""
        return VERBS

    def prepare(self, rng: np.random.Generator) -> _IsingState:
        """Draw a film."""
        return _IsingState(self, rng)


class _IsingState:
    """Spins, their hidden fields, and an engine that is kept while nothing about them changes."""

    def __init__(self, sample: IsingSample, rng: np.random.Generator) -> None:
        self._sample, self._rng = sample, rng
        self._graph = _lattice(sample.shape, len(sample.couplings))
        rows, columns = sample.shape
        self._y, self._x = (a.ravel().astype(float) for a in np.mgrid[:rows, :columns])
        self._own = np.full(self._graph.n_sites, float(sample.field))
        for x, y, radius, strength in sample.defects:
            self._own[np.hypot(self._x - x, self._y - y) <= radius] += strength
        if sample.family == "random field":
            self._own += sample.disorder_kt * rng.standard_normal(self._graph.n_sites)
        self._left_over = 0.0
        self._key: tuple[Any, ...] = ()
        self._engine: TwoStateEngine | None = None
        self._version = 0
        self._spins: NDArray[np.int8] = rng.choice(np.array([-1, 1], np.int8), self._graph.n_sites)
        if sample.start != "equilibrium":
            self._spins[:] = 1 if sample.start == "up" else -1
        else:
            self._sweep(500, Conditions(temperature_kelvin=sample.reference_kelvin), None)

    def act(self, act: TrueAct) -> Response:
        sample = self._sample
        if act.verb in ("image", "scan_again"):
            return Response(self._mean_in(chosen_area(act, sample.field_of_view)))
        if act.verb not in ("expose_site", "expose_patch", "tip_pulse"):
            self.rest(act.duration_s, act.conditions)
            return Response(float(self._spins.mean()))
        if act.verb == "expose_patch":
            area = chosen_area(act, sample.field_of_view)
            spot = self._inside(area).astype(float)
        else:
            squared = (self._x - act.x) ** 2 + (self._y - act.y) ** 2
            spot = np.exp(-0.5 * squared / sample.pulse_radius**2)
        pulse_s = min(act.number("pulse_s", act.duration_s), act.duration_s)
        if act.verb == "tip_pulse":
            push = sample.pulse_field_per_volt * act.number("bias_V", 0.0) * spot
            self._sweep(self._sweeps(pulse_s, least=1), act.conditions, push)
            if sample.family == "imprint":
                self._own = self._own + sample.disorder_kt * np.sign(push) * spot
                self._version += 1
        else:
            self._own = self._own + sample.beam_field_per_dose * act.dose * spot
            self._version += 1
        self.rest(act.duration_s - (pulse_s if act.verb == "tip_pulse" else 0.0), act.conditions)
        if act.verb == "expose_patch":
            return Response(float(self._spins[spot > 0].mean()) if spot.any() else None)
        near = np.hypot(self._x - act.x, self._y - act.y)
        read = near <= max(sample.read_radius, float(near.min()))
        return Response(float(self._spins[read].mean()))

    def rest(
        self, duration_s: float, conditions: Conditions, area: Area | None = None, dose: float = 0.0
    ) -> None:
        if area is not None and dose > 0 and self._sample.beam_field_per_dose != 0:
            inside = in_strip(area, self._x, self._y)
            self._own = self._own + self._sample.beam_field_per_dose * dose * inside
            self._version += 1
        self._sweep(self._sweeps(duration_s), conditions, None)

    def brightness(self, x: Floats, y: Floats) -> Floats:
        rows, columns = self._sample.shape
        row = np.clip(np.rint(y).astype(int), 0, rows - 1)
        column = np.clip(np.rint(x).astype(int), 0, columns - 1)
        return np.asarray(self._spins[row * columns + column], dtype=np.float64)

    def truth(self) -> dict[str, Any]:
        shape = self._sample.shape
        return {
            "sample": self._sample, "spins": self._spins.reshape(shape).copy(),
            "fields_kt": self._own.reshape(shape).copy(),
        }  # fmt: skip

    def _inside(self, area: Area) -> NDArray[np.bool_]:
        x_min, y_min, x_max, y_max = area
        x, y = self._x, self._y
        return np.asarray((x >= x_min) & (x <= x_max) & (y >= y_min) & (y <= y_max))

    def _mean_in(self, area: Area) -> float | None:
        inside = self._inside(area)
        return float(self._spins[inside].mean()) if inside.any() else None

    def _sweeps(self, duration_s: float, least: int = 0) -> int:
        """Return whole sweeps; what is left over counts for the next time."""
        wanted = self._left_over + self._sample.sweeps_per_s * duration_s
        whole = max(int(wanted), least)
        self._left_over = max(wanted - whole, 0.0)
        return whole

    def _sweep(self, n: int, conditions: Conditions, push: Floats | None) -> None:
        if n == 0:
            return
        sample = self._sample
        # a push is never the same twice; without one the engine serves as long as nothing changes
        key = () if push is not None else (conditions, self._version)
        if self._engine is None or push is not None or key != self._key:
            scale = sample.reference_kelvin / conditions.temperature_kelvin
            even = (
                sample.field_per_volt * conditions.bias_volt
                + sample.field_per_tesla * conditions.field_tesla
            )
            field = scale * (self._own + even + (0.0 if push is None else push))
            model = Ising(scale * np.asarray(sample.couplings), field)
            self._engine = TwoStateEngine(model, self._graph, self._spins, self._rng, "heat_bath")
            self._key = key
        self._engine.sweep(n)
        self._spins = self._engine.states()


@lru_cache(maxsize=16)
def _lattice(shape: tuple[int, int], n_shells: int) -> SiteGraph:
    """Return the lattice of films of this shape; records are read-only, so all may share it."""
    return square_lattice(shape, n_shells, periodic=False)
