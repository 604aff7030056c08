"""Domain walls that a bias drives through a hidden medium."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from physlearn.causal.twins.sample_state import (
    Area,
    Conditions,
    Floats,
    Response,
    TrueAct,
    chosen_area,
)
from physlearn.checks import check_choice, check_count, check_positive
from physlearn.lattice_models.random_numbers import seed_words, ziggurat_tables
from physlearn.lattice_models.walls.driven_line_kernels import PERIODIC, line_steps
from physlearn.lattice_models.walls.pinning import PinningLandscape, random_landscape
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["WallSample"]

FAMILIES = ("random medium", "washboard", "clean")
VERBS = ("change_bias", "change_temperature", "expose_site", "tip_pulse")
STEP_SHARE = 0.25
"""Step as a share of the largest one that keeps the energy from rising."""
PULSE_PARTS = 20
MOST_STEPS = 200_000
BOLTZMANN = 1.0 / 300.0
"""kT per kelvin in units of the thermal energy at 300 K."""


@dataclass(frozen=True, slots=True)
class WallSample:
    """A periodic elastic wall u(x) in a quenched medium (quenched Edwards-Wilkinson equation).

    du/dt = mobility (tension u'' + force_per_volt bias - dV/du) + thermal noise. Readouts: the
    wall's mean velocity over a `change_bias` or `change_temperature` act; how far the wall moved
    under the tip after `tip_pulse` and `expose_site`; the mean height over the area of a picture.

    Attributes
    ----------
    n_points, spacing
        Points of the wall, and their distance.
    height
        Of the field of view, which reaches from -height / 2 to height / 2.
    tension, mobility, force_per_volt
        As above; energies per length, in units that go together.
    pinning_strength, pinning_length
        Root mean square of the pinning force, and the length over which it agrees.
    thermal_energy
        kT at 300 K; 0: no creep.
    pulse_force_per_volt, pulse_radius
        Force per length under the tip, and the width of its spot.
    pin_per_dose, saturating_dose
        An exposure writes a pinning centre of depth pin_per_dose x saturating_dose x
        (1 - exp(-dose / saturating_dose)) for good.
    wall_width
        Width of the wall in pictures: tanh((u - y) / width).
    family
        "random medium", "washboard" (the same ridges everywhere) or "clean".

    Raises
    ------
    InputError
        For numbers or names that cannot be.

    Examples
    --------
    >>> from physlearn.causal import Action
    >>> from physlearn.causal.twins.digital_twin import DigitalTwin
    >>> twin = DigitalTwin(WallSample(family="clean", force_per_volt=0.5), rng=1)
    >>> round(twin.do(Action("change_bias", {"bias_V": 2.0}, 0.0, 4.0, 1.0)).readout, 9)
    1.0
    """

    n_points: int = 64
    spacing: float = 1.0
    height: float = 60.0
    tension: float = 1.0
    mobility: float = 1.0
    force_per_volt: float = 0.2
    pinning_strength: float = 0.3
    pinning_length: float = 2.0
    thermal_energy: float = 0.0
    pulse_force_per_volt: float = 0.5
    pulse_radius: float = 3.0
    pin_per_dose: float = 0.01
    saturating_dose: float = 100.0
    wall_width: float = 1.0
    family: str = "random medium"
    unit: str = "nm"

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_count("n_points", self.n_points, 3)
        for name in (
            "spacing", "height", "mobility", "pinning_length", "pulse_radius", "saturating_dose",
            "wall_width",
        ):  # fmt: skip
            check_positive(name, getattr(self, name))
        for name in ("tension", "pinning_strength", "thermal_energy"):
            check_positive(name, getattr(self, name), allow_zero=True)
        check_choice("family", self.family, FAMILIES)
        check_fields(self)

    @property
    def field_of_view(self) -> Area:
        """The whole wall, and half the height on either side of where it starts."""
        width = (self.n_points - 1) * self.spacing
        return 0.0, -0.5 * self.height, width, 0.5 * self.height

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be done to it beside looking and waiting."""
        return VERBS

    def prepare(self, rng: np.random.Generator) -> _WallState:
        """Draw a medium with a wall that has come to rest in it."""
        return _WallState(self, rng)


class _WallState:
    """The heights of a wall, and the medium that nobody sees."""

    def __init__(self, sample: WallSample, rng: np.random.Generator) -> None:
        self._sample = sample
        self._x = sample.spacing * np.arange(sample.n_points)
        self._u = np.zeros(sample.n_points)
        self._medium = _draw_medium(sample, rng)
        self._lanes = seed_words(rng, (2,))
        self._work, self._ziggurat = np.empty((4, sample.n_points)), _ziggurat()
        self._lay_out()
        self._move(100.0, Conditions())

    def act(self, act: TrueAct) -> Response:
        if act.verb in ("image", "scan_again"):
            area = chosen_area(act, self._sample.field_of_view)
            inside = (self._x >= area[0]) & (self._x <= area[2])
            return Response(float(self._u[inside].mean()) if inside.any() else None)
        before = self._u.copy()
        if act.verb in ("change_bias", "change_temperature"):
            self._move(act.duration_s, act.conditions)
            lasted = act.duration_s
            moved = float((self._u - before).mean())
            return Response(moved / lasted if lasted > 0 else None)
        point = int(np.argmin(np.abs(self._distance(act.x))))
        if act.verb == "tip_pulse":
            pulse_s = min(act.number("pulse_s", act.duration_s), act.duration_s)
            push = self._sample.pulse_force_per_volt * act.number("bias_V", 0.0)
            spot = np.exp(-0.5 * (self._distance(act.x) / self._sample.pulse_radius) ** 2)
            for _ in range(PULSE_PARTS):  # the tip's push and the wall's own motion in turn
                self._u += self._sample.mobility * push * spot * pulse_s / PULSE_PARTS
                self._move(pulse_s / PULSE_PARTS, act.conditions)
            self._move(act.duration_s - pulse_s, act.conditions)
        else:
            self._write_pin(act)
            self._move(act.duration_s, act.conditions)
        return Response(float(self._u[point] - before[point]))

    def rest(
        self, duration_s: float, conditions: Conditions, area: Area | None = None, dose: float = 0.0
    ) -> None:
        del area, dose  # scans do not pin it
        self._move(duration_s, conditions)

    def brightness(self, x: Floats, y: Floats) -> Floats:
        heights = np.interp(x, self._x, self._u)
        return np.asarray(np.tanh((heights - y) / self._sample.wall_width))

    def truth(self) -> dict[str, Any]:
        return {"sample": self._sample, "heights": self._u.copy(), "medium": self._medium}

    def _distance(self, x: float) -> Floats:
        """Return how far along the (periodic) wall its points lie from x."""
        around = self._sample.n_points * self._sample.spacing
        apart = np.abs(self._x - x) % around
        return np.asarray(np.minimum(apart, around - apart))

    def _lay_out(self) -> None:
        """Make what the steps need of the medium."""
        sample, medium = self._sample, self._medium
        self._stiffness = sample.tension / sample.spacing**2
        curvature = 4.0 * self._stiffness
        if medium is None:
            self._table, self._per_period = np.empty((sample.n_points, 0)), 0.0
        else:
            self._table, self._per_period = medium.force_table(), 1.0 / medium.period
            curvature += medium.largest_curvature()
        largest = math.inf if curvature == 0 else 1.0 / (sample.mobility * curvature)
        self._step_s = STEP_SHARE * largest

    def _move(self, duration_s: float, conditions: Conditions) -> None:
        if duration_s <= 0:
            return
        sample = self._sample
        n_steps = min(max(math.ceil(duration_s / self._step_s), 1), MOST_STEPS)
        step = duration_s / n_steps
        kt = sample.thermal_energy * conditions.temperature_kelvin * BOLTZMANN / sample.spacing
        line_steps(
            self._u, self._table, self._per_period, self._stiffness,
            float(sample.force_per_volt * conditions.bias_volt), PERIODIC, sample.mobility * step,
            math.sqrt(2.0 * sample.mobility * kt * step), n_steps, self._lanes, self._ziggurat,
            self._work,
        )  # fmt: skip

    def _write_pin(self, act: TrueAct) -> None:
        """Add a well to the medium where the beam stood."""
        sample = self._sample
        depth = sample.pin_per_dose * sample.saturating_dose
        depth *= -math.expm1(-act.dose / sample.saturating_dose)
        if depth == 0:
            return
        period = _period(sample) if self._medium is None else self._medium.period
        if self._medium is None:
            n_knots = math.ceil(4 * period / sample.pinning_length)
            potential = np.zeros((sample.n_points, n_knots))
        else:
            potential = self._medium.potential.copy()
        knots = np.arange(potential.shape[1]) * period / potential.shape[1]
        apart = np.abs(knots - act.y % period)
        up = np.minimum(apart, period - apart)
        squared = self._distance(act.x)[:, None] ** 2 + up[None] ** 2
        potential -= depth * np.exp(-0.5 * squared / sample.pinning_length**2)
        self._medium = PinningLandscape(potential, period)
        self._lay_out()


def _period(sample: WallSample) -> float:
    """Return the height after which the medium repeats: beyond what is seen."""
    return max(2.0 * sample.height, 8.0 * sample.pinning_length)


def _draw_medium(sample: WallSample, rng: np.random.Generator) -> PinningLandscape | None:
    if sample.family == "clean" or sample.pinning_strength == 0:
        return None
    if sample.family == "random medium":
        return random_landscape(
            sample.n_points, sample.spacing, sample.pinning_strength, sample.pinning_length,
            _period(sample), rng=rng,
        )  # fmt: skip
    # ridges 2 pi pinning lengths apart have the same force and the same length
    period = 2.0 * math.pi * sample.pinning_length
    heights = np.arange(32) * period / 32
    ridges = np.cos(heights / sample.pinning_length + 2 * math.pi * rng.random())
    strength = math.sqrt(2.0) * sample.pinning_strength * sample.pinning_length
    return PinningLandscape(np.tile(strength * ridges, (sample.n_points, 1)), period)


@lru_cache(maxsize=1)
def _ziggurat() -> Floats:
    return ziggurat_tables()
