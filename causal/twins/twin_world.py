"""What happens inside a twin when an act is done: the instrument, the sample, the records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr

from physlearn.causal.actions import Action, SafetyEnvelope
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.twins.instrument import Instrument
from physlearn.causal.twins.readout_chain import ReadoutChain
from physlearn.causal.twins.sample_state import (
    Area,
    Conditions,
    Floats,
    Response,
    Sample,
    SampleState,
    TrueAct,
    with_upper_edge,
)
from physlearn.causal.twins.scan_picture import Scan, analyse_picture, as_picture, scan_picture
from physlearn.causal.twins.stage import Landing, Stage
from physlearn.checks import InputError

__all__ = ["MAP_PIXELS", "TwinOpened", "World", "carry_out", "refuse"]

OWN_VERBS = (
    "image", "scan_again", "move", "change_focus", "wait", "tune", "approach", "withdraw",
    "analyse",
)  # fmt: skip
"""What the instrument does by itself; the rest is up to the sample."""
SCANS = ("image", "scan_again")
TIP_VERBS = ("image", "scan_again", "tip_pulse", "withdraw")
HELD = {
    "change_bias": ("bias_V", "bias_volt"),
    "change_temperature": ("temperature_K", "temperature_kelvin"),
    "change_field": ("field_T", "field_tesla"),
}
MAP_PIXELS = 64


@dataclass(slots=True)
class World:
    """All that a twin hides, and what it has recorded."""

    state: SampleState
    sample: Sample
    instrument: Instrument
    envelope: SafetyEnvelope | None
    stage: Stage
    chain: ReadoutChain
    rng: np.random.Generator
    seed: int
    dose_map: Floats
    conditions: Conditions = field(default_factory=Conditions)
    time_s: float = 0.0
    dose: float = 0.0
    focus_nm: float = 0.0
    tip: str = "none"
    area: Area | None = None
    is_open: bool = False
    done: list[Action] = field(default_factory=list)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    pictures: list[xr.DataArray] = field(default_factory=list)
    tables: list[Any] = field(default_factory=list)


class TwinOpened(InputError):  # noqa: N818 -- it names the finding
    """The truth was read: no act follows, and no campaign."""


def refuse(world: World, action: Action) -> None:
    """Refuse what cannot be done, before anything moves."""
    if not isinstance(action, Action):
        raise InputError(f"action must be an Action; got {action!r}.")
    if world.is_open:
        raise TwinOpened("the twin's truth was opened by reveal(); make a new twin to go on.")
    verb = action.verb
    if verb not in OWN_VERBS and verb not in world.sample.verbs:
        raise InputError(
            f"this sample knows {', '.join(world.sample.verbs)} beside what every instrument does; "
            f"got {verb!r}."
        )
    if world.tip == "none" and verb in ("tip_pulse", "approach", "withdraw"):
        raise InputError(f"{verb} needs a tip, and this instrument has none.")
    if world.tip == "withdrawn" and verb in TIP_VERBS:
        raise InputError(
            f"{verb} needs the tip at the sample, and it is withdrawn: approach first."
        )
    if world.tip == "approached" and verb == "approach":
        raise InputError("approach needs a tip that is withdrawn; it is at the sample already.")
    if verb == "analyse" and not world.pictures:
        raise InputError("analyse needs a picture, and none was taken: do an image act first.")
    if verb == "analyse":
        analyse_picture(world.pictures[-1], str(action.args.get("quantity", "")))
    left, bottom, right, top = world.sample.field_of_view
    for x_name, y_name in (("x", "y"), ("x_min", "y_min"), ("x_max", "y_max")):
        if x_name in action.args:
            x, y = action.number(x_name), action.number(y_name)
            if not (left <= x <= right and bottom <= y <= top):
                raise InputError(
                    f"{verb} must stay in the field of view {world.sample.field_of_view}; got "
                    f"({x:g}, {y:g})."
                )
    if "temperature_K" in action.args and action.number("temperature_K") <= 0:
        raise InputError(f"temperature_K must be above 0; got {action.args['temperature_K']}.")
    check = getattr(world.sample, "check", None)
    if check is not None:
        check(action)
    if world.envelope is not None:
        _hold_envelope(world, world.envelope, action)


def _hold_envelope(world: World, envelope: SafetyEnvelope, action: Action) -> None:
    """Refuse what breaks a limit, with the doses that were truly given so far."""
    asked = replace(action, dose=_least_dose(world, action))
    # what an earlier act broke (more dose than was asked for, say) is no reason against this one
    last = f"step {len(world.done) + 1}: "
    found = envelope.violations([*world.done, asked])
    broken = [reason.removeprefix(last) for reason in found if reason.startswith(last)]
    if broken:
        raise InputError(f"{action.verb} breaks the envelope: {broken[0]}.")
    until = world.time_s + _overhead(world, _place(world, action)) + _lasts(action)
    if envelope.max_duration_s is not None and until > envelope.max_duration_s:
        raise InputError(
            f"{action.verb} breaks the envelope: it would end after {until:g} s, above "
            f"{envelope.max_duration_s:g} s."
        )
    places = [_middle(act) for act in (*world.done, action)]
    known = [place for place in places if place is not None]
    if envelope.max_travel is None or places[-1] is None or len(known) < 2:
        return
    way = math.dist(known[-2], known[-1])
    if way > envelope.max_travel:
        raise InputError(
            f"{action.verb} breaks the envelope: it lies {way:g} from the place before, above "
            f"{envelope.max_travel:g}."
        )


def _middle(action: Action) -> tuple[float, float] | None:
    """Return the place that an act names."""
    if "x" in action.args:
        return action.number("x"), action.number("y")
    if "x_min" not in action.args:
        return None
    area = _area(action)
    return 0.5 * (area[0] + area[2]), 0.5 * (area[1] + area[3])


def carry_out(world: World, action: Action) -> Outcome:
    """Do an act that was not refused: move, wait, let the sample answer, read out, record."""
    made, started = world.instrument, world.time_s
    _record(world, action, action.dose, "begun")
    landing = _move(world, action)
    missed = (
        landing is not None
        and "x" in action.args
        and math.dist(landing.actual, landing.commanded) > made.capture_radius
    )
    dose = _given_dose(world, action)
    _set_conditions(world, action)
    if action.verb not in ("tune", *SCANS):  # in a scan it changes at a row
        world.chain.maybe_change_tip()
    response = _respond(world, action, landing, dose)
    _add_to_map(world, action, landing, dose)
    world.dose += dose
    world.done.append(replace(action, dose=dose))
    seen = missed and made.misses_seen
    _record(world, action, dose, "failed" if seen else "done")
    readout = None
    if response.expected is not None and not seen:
        repeats = int(action.number("n_repeats")) if action.verb == "scan_again" else 1
        exact = action.verb == "analyse"
        readout = response.expected if exact else world.chain.read(response.expected, dose, repeats)
    numbers = {name: float(v) for name, v in action.args.items() if not isinstance(v, str)}
    outcome = Outcome(
        readout, not seen, made.declared_noise_sd if readout is not None else None, numbers,
        {**numbers, **_read_back(landing, numbers), **response.reported}, dose, started,
        world.time_s - started, response.neighbours_hit,
        "the act landed off its site" if seen else response.note,
    )  # fmt: skip
    world.outcomes.append(outcome)
    return outcome


def _move(world: World, action: Action) -> Landing | None:
    """Bring the stage to where the act is, and let the time pass that this takes."""
    place = _place(world, action)
    overhead = _overhead(world, place)
    landing = None if place is None else world.stage.go(place)
    if overhead > 0:
        world.state.rest(overhead, world.conditions)
        _pass_time(world, overhead)
    return landing


def _overhead(world: World, place: tuple[float, float] | None) -> float:
    """Return the time that passes before an act can begin: settling, and the way there."""
    made = world.instrument
    if place is None or made.speed_per_s is None:
        return made.settle_s
    return made.settle_s + world.stage.distance_to(place) / made.speed_per_s


def _place(world: World, action: Action) -> tuple[float, float] | None:
    if action.verb == "scan_again":
        area = world.area or world.sample.field_of_view
        return 0.5 * (area[0] + area[2]), 0.5 * (area[1] + area[3])
    return _middle(action)


def _area(action: Action) -> Area:
    return (
        action.number("x_min"), action.number("y_min"), action.number("x_max"),
        action.number("y_max"),
    )  # fmt: skip


def _lasts(action: Action) -> float:
    """Return how long an act takes: a pulse or a wait is never cut short."""
    named = [action.number(name) for name in ("wait_s", "pulse_s") if name in action.args]
    return max(action.duration_s, *named) if named else action.duration_s


def _pass_time(world: World, duration_s: float) -> None:
    world.stage.wait(duration_s)
    world.chain.wait(duration_s)
    world.time_s += duration_s


def _given_dose(world: World, action: Action) -> float:
    """Return the dose truly given."""
    dose = _least_dose(world, action)
    if dose > 0 and world.instrument.dose_error > 0:
        dose *= math.exp(world.instrument.dose_error * world.rng.standard_normal())
    return float(dose)


def _least_dose(world: World, action: Action) -> float:
    """Return the dose that an act asks for; a picture is never free."""
    looks = action.verb in SCANS
    return max(action.dose, world.instrument.scan_dose) if looks else action.dose


def _set_conditions(world: World, action: Action) -> None:
    if action.verb in HELD:
        name, held = HELD[action.verb]
        world.conditions = replace(world.conditions, **{held: action.number(name)})
    if action.verb == "change_focus":
        world.focus_nm = action.number("focus_nm")
    if action.verb == "tune":
        world.chain.mend()
    if action.verb in ("approach", "withdraw"):
        world.tip = "approached" if action.verb == "approach" else "withdrawn"


def _respond(world: World, action: Action, landing: Landing | None, dose: float) -> Response:
    """Let the sample answer while the act lasts."""
    if action.verb == "analyse":
        quantity = str(action.args["quantity"])
        response = Response(analyse_picture(world.pictures[-1], quantity))
    elif action.verb in SCANS:
        return _look(world, action, landing, dose)
    elif action.verb not in OWN_VERBS:
        response = world.state.act(_true_act(world, action, landing, dose))
        _pass_time(world, _lasts(action))
        return response
    else:
        response = Response(None)
    world.state.rest(_lasts(action), world.conditions)
    _pass_time(world, _lasts(action))
    return response


def _true_act(world: World, action: Action, landing: Landing | None, dose: float) -> TrueAct:
    """Return the act as it reaches the sample: an area lies as far off as its middle does."""
    actual = (math.nan, math.nan) if landing is None else landing.actual
    aimed = (math.nan, math.nan) if landing is None else landing.commanded
    args: Mapping[str, float | int | str] = action.args
    if landing is not None and action.verb in (*SCANS, "expose_patch"):
        area = _area(action) if "x_min" in args else world.area or world.sample.field_of_view
        args = {**args, **_corners(_landed(area, landing))}
    return TrueAct(action.verb, args, *actual, *aimed, dose, _lasts(action), world.conditions)


def _landed(area: Area, landing: Landing) -> Area:
    """Return where an area truly lies in the sample."""
    x, y = (a - c for a, c in zip(landing.actual, landing.commanded, strict=True))
    return area[0] + x, area[1] + y, area[2] + x, area[3] + y


def _look(world: World, action: Action, landing: Landing | None, dose: float) -> Response:
    """Scan: pictures cost time and dose, and the readout is what the sample shows in the area."""
    area = _area(action) if action.verb == "image" else world.area or world.sample.field_of_view
    world.area = area
    made, started = world.instrument, world.time_s
    if made.pictures and landing is not None:
        blur = made.blur_per_focus_nm * abs(world.focus_nm)
        scan = Scan(area, landing, _lasts(action), dose, world.conditions, blur)
        numbers = scan_picture(world.state, scan, world.stage, world.chain, world.rng)
        world.time_s += _lasts(action)
        world.pictures.append(
            as_picture(
                numbers, area, world.sample.unit, time_s=started, duration_s=_lasts(action),
                dose=dose,
            )
        )  # fmt: skip
    else:
        world.chain.maybe_change_tip()
        seen = area if landing is None else _landed(area, landing)
        world.state.rest(_lasts(action), world.conditions, with_upper_edge(seen), dose)
        _pass_time(world, _lasts(action))
    response = world.state.act(_true_act(world, action, landing, dose))
    make_table = getattr(world.state, "table", None)
    if make_table is not None and made.pictures:
        world.tables.append(make_table(world.rng))
    return response


def _corners(area: Area) -> dict[str, float]:
    return dict(zip(("x_min", "y_min", "x_max", "y_max"), area, strict=True))


def _read_back(landing: Landing | None, numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the arguments as the encoder reads them back."""
    if landing is None:
        return {}
    moved = [r - c for r, c in zip(landing.reported, landing.commanded, strict=True)]
    return {
        name: numbers[name] + moved[axis]
        for axis, names in enumerate((("x", "x_min", "x_max"), ("y", "y_min", "y_max")))
        for name in names
        if name in numbers
    }


def _add_to_map(world: World, action: Action, landing: Landing | None, dose: float) -> None:
    if dose <= 0:
        return
    x_min, y_min, x_max, y_max = world.sample.field_of_view
    cell = (np.arange(MAP_PIXELS) + 0.5) / MAP_PIXELS
    x, y = x_min + cell * (x_max - x_min), y_min + cell * (y_max - y_min)
    if landing is not None and "x" in action.args:
        squared = (x - landing.reported[0]) ** 2 + (y - landing.reported[1])[:, None] ** 2
        hit = squared <= world.instrument.probe_radius**2
        if not hit.any():
            hit.flat[int(np.argmin(squared))] = True
    else:
        area = world.area or world.sample.field_of_view
        area = _area(action) if "x_min" in action.args else area
        hit = ((x >= area[0]) & (x <= area[2])) & ((y >= area[1]) & (y <= area[3]))[:, None]
    world.dose_map[hit] += dose


def _record(world: World, action: Action, dose: float, status: str) -> None:
    world.events.append(
        MappingProxyType(
            {
                "time_s": world.time_s, "verb": action.verb, "args": action.args,
                "dose": float(dose), "irreversible": action.irreversible, "status": status,
            }
        )
    )  # fmt: skip
