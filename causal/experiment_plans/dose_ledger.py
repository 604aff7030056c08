"""Adds up what an instrument really did, and says which limit was broken.

The independent checker: it shares no line with the checks of a plan, and reads plain dictionaries,
so that a plan, a digital twin and a real instrument can all be held to the same limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["EVENT_KEYS", "STATUSES", "LedgerReport", "check_ledger"]

EVENT_KEYS = ("time_s", "verb", "args", "dose", "irreversible", "status")
"""What an event is: a dictionary with these keys; others are ignored."""
STATUSES = ("begun", "done", "failed", "aborted")
"""An act begins once and ends in one of the other three; an end without a beginning counts whole.
The dose of an end is what was given, and replaces the dose that the beginning promised."""

SLACK = 1e-9
POINT_VERBS = ("expose_site", "tip_pulse")
FIELD_VERBS = ("image", "expose_patch")
TIP_VERBS = ("image", "scan_again", "tip_pulse", "withdraw")
EDGES = ("x_min", "y_min", "x_max", "y_max")
NUMBERS = {
    "image": EDGES, "scan_again": ("n_repeats",), "move": ("x", "y"), "expose_site": ("x", "y"),
    "expose_patch": EDGES, "tip_pulse": ("x", "y", "bias_V", "pulse_s"),
    "change_bias": ("bias_V",), "change_temperature": ("temperature_K",),
    "change_field": ("field_T",), "change_focus": ("focus_nm",), "wait": ("wait_s",),
    "tune": (), "approach": (), "withdraw": (), "analyse": (),
}  # fmt: skip
RANGES = {
    "change_bias": ("bias_V", "bias_limits_volt", "V"),
    "tip_pulse": ("bias_V", "pulse_limits_volt", "V"),
    "change_temperature": ("temperature_K", "temperature_limits_kelvin", "K"),
    "change_field": ("field_T", "field_limits_tesla", "T"),
    "change_focus": ("focus_nm", "focus_limits_nanometre", "nm"),
}
SHAPES: Mapping[str, tuple[int | None, ...]] = {
    "field_of_view": (4,), "forbidden_sites": (None, 3),
}  # fmt: skip
LIMIT_NAMES = (
    "max_total_dose", "field_of_view", "max_step_dose", "bias_limits_volt", "max_irreversible",
    "max_duration_s", "forbidden_sites", "max_site_dose", "max_field_dose", "site_radius",
    "pulse_limits_volt", "max_pulse_s", "temperature_limits_kelvin", "field_limits_tesla",
    "focus_limits_nanometre", "max_travel",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What was done, and every limit that it broke.

    Attributes
    ----------
    total_dose
        Sum of the doses given, in the envelope's unit.
    site_doses
        (x, y) of every site that was exposed, and the dose it took, scans of it included.
    largest_field_dose
        Largest dose that one point took from pictures and patches together.
    n_irreversible
        Acts that changed the sample for good, whether they ended well or not.
    duration_s
        From the first event to the last.
    violations
        One sentence each; empty when every limit was kept.

    Examples
    --------
    >>> check_ledger([], {"max_total_dose": 1.0, "field_of_view": (0, 0, 1, 1)}).total_dose
    0.0
    """

    total_dose: float
    site_doses: Mapping[tuple[float, float], float]
    largest_field_dose: float
    n_irreversible: int
    duration_s: float
    violations: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(slots=True)
class _Entry:
    """One act of the ledger."""

    number: int
    verb: str
    args: dict[str, Any]
    dose: float
    irreversible: bool
    is_open: bool
    area: tuple[float, float, float, float] | None = None


@dataclass(slots=True)
class _Book:
    """What the stream has shown so far."""

    entries: list[_Entry] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    tip: str = "none"
    place: tuple[float, float] | None = None
    scanned: tuple[float, float, float, float] | None = None


def check_ledger(
    events: Iterable[Mapping[str, Any]], envelope: Any, *, tip: str = "none"
) -> LedgerReport:
    """Add up the doses of a stream of events and hold it to an envelope.

    Parameters
    ----------
    events
        Dictionaries with `EVENT_KEYS`: when (s), which verb with which arguments, the dose in the
        envelope's unit, whether the sample is changed for good, and one of `STATUSES`.
    envelope
        A `SafetyEnvelope`, or the ``envelope`` of a plan's JSON.
    tip
        "none" for an instrument without one, "approached" or "withdrawn": how the tip was found.

    Returns
    -------
    LedgerReport
        Sums and violations. Doses count from the beginning of an act on; an act that fails or is
        aborted has still given its dose and is still irreversible.

    Raises
    ------
    InputError
        For an event that lacks a key, limits that are no numbers, or a tip of another name.
        Numbers of events that are NaN, bool, text or negative are violations, as they come from a
        machine that must be stopped.

    Examples
    --------
    >>> view = {"max_total_dose": 10.0, "field_of_view": (0, 0, 9, 9), "max_site_dose": 5.0}
    >>> shot = {"verb": "expose_site", "args": {"x": 1.0, "y": 1.0}, "irreversible": False}
    >>> doses = [{**shot, "time_s": t, "dose": 4.0, "status": "done"} for t in (0.0, 1.0)]
    >>> check_ledger(doses, view).violations
    ('event 2: the site (1, 1) has taken 8, above 5',)
    """
    if tip not in ("none", "approached", "withdrawn"):
        raise InputError(f"tip must be 'none', 'approached' or 'withdrawn'; got {tip!r}.")
    limits = _limits(envelope)
    book = _Book(tip=tip)
    for number, event in enumerate(events, start=1):
        missing = [key for key in EVENT_KEYS if key not in event]
        if missing:
            raise InputError(f"event {number} must have the key {missing[0]!r}; got {list(event)}.")
        before = len(book.broken)
        _enter(book, number, event, limits)
        book.broken[before:] = [f"event {number}: {text}" for text in book.broken[before:]]
    doses = _site_doses(book, limits)
    return LedgerReport(
        math.fsum(entry.dose for entry in book.entries),
        doses,
        _largest_overlap(book),
        sum(entry.irreversible for entry in book.entries),
        max(book.times) - min(book.times) if book.times else 0.0,
        tuple(book.broken),
    )


def _limits(envelope: Any) -> dict[str, Any]:
    if isinstance(envelope, Mapping):
        limits = {name: envelope.get(name) for name in LIMIT_NAMES}
    else:
        limits = {name: getattr(envelope, name, None) for name in LIMIT_NAMES}
    if limits["field_of_view"] is None:
        raise InputError("envelope must hold field_of_view (x_min, y_min, x_max, y_max).")
    for name, value in limits.items():
        if value is not None:
            _check_limit(name, value)
    return limits


def _check_limit(name: str, value: Any) -> None:
    """Refuse a limit that is no number: every dose would be within NaN."""
    shape = SHAPES.get(name, (2,) if "_limits_" in name else ())
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"envelope's {name} must be numbers; got {value!r}.") from None
    if name == "forbidden_sites" and numbers.size == 0:
        return
    fits = len(shape) == numbers.ndim and all(
        want in (None, got) for want, got in zip(shape, numbers.shape, strict=True)
    )
    if not fits or np.isnan(numbers).any():
        wanted = " x ".join("n" if length is None else str(length) for length in shape) or "1"
        raise InputError(f"envelope's {name} must be {wanted} number(s), not NaN; got {value!r}.")


def _enter(book: _Book, number: int, event: Mapping[str, Any], limits: dict[str, Any]) -> None:
    time, dose = event["time_s"], event["dose"]
    if not _is_number(time):
        book.broken.append(f"the time {time!r} is no finite number")
    else:
        if book.times and time < book.times[-1] - SLACK:
            book.broken.append(f"the time {time:g} s lies before the event before it")
        book.times.append(float(time))
    if event["status"] not in STATUSES:
        book.broken.append(f"the status {event['status']!r} is none of {', '.join(STATUSES)}")
        return
    if not isinstance(event["irreversible"], bool):
        book.broken.append(f"irreversible is {event['irreversible']!r}, not True or False")
    if not _is_number(dose) or dose < 0:
        book.broken.append(f"the dose {dose!r} is no number from 0")
        dose = 0.0
    verb, args = str(event["verb"]), dict(event["args"])
    wrong = _wrong_arguments(verb, args)
    if wrong:
        book.broken.append(wrong)
        return
    running = next(
        (e for e in book.entries if e.is_open and e.verb == verb and e.args == args), None
    )
    ends = event["status"] != "begun"
    if running is not None and ends:
        running.dose, running.is_open = float(dose), False
        _hold_sums(book, running, limits, is_new=False)
    else:
        if running is not None:
            book.broken.append(f"{verb} began again before it had ended")
        entry = _Entry(number, verb, args, float(dose), event["irreversible"] is True, not ends)
        _hold_place(book, entry, limits)
        _hold_ranges(book, entry, limits)
        book.entries.append(entry)
        _hold_sums(book, entry, limits, is_new=True)


def _wrong_arguments(verb: str, args: Mapping[str, Any]) -> str:
    """Return why the place and size of an act are not known; nothing when they are."""
    if verb not in NUMBERS:
        return f"{verb} is no known verb"
    for name in NUMBERS[verb]:
        if not _is_number(args.get(name)):
            return f"{name} is {args.get(name)!r}, no finite number"
    if verb in FIELD_VERBS and not (
        args["x_min"] < args["x_max"] and args["y_min"] < args["y_max"]
    ):
        return "the edges of the field are in the wrong order"
    return ""


def _hold_place(book: _Book, entry: _Entry, limits: dict[str, Any]) -> None:
    """Say where an act goes that is out of reach, forbidden, or gone, and what the tip is at."""
    args, broken = entry.args, book.broken
    if book.tip == "withdrawn" and entry.verb in TIP_VERBS:
        broken.append(f"{entry.verb} while the tip is withdrawn")
    if book.tip == "none" and entry.verb in ("tip_pulse", "approach", "withdraw"):
        broken.append(f"{entry.verb} on an instrument without a tip")
    if book.tip == "approached" and entry.verb == "approach":
        broken.append("approach while the tip is approached")
    if entry.verb in ("approach", "withdraw") and book.tip != "none":
        book.tip = "approached" if entry.verb == "approach" else "withdrawn"
    left, bottom, right, top = limits["field_of_view"]
    if entry.verb in FIELD_VERBS:
        entry.area = (args["x_min"], args["y_min"], args["x_max"], args["y_max"])
    if entry.verb == "scan_again":  # nothing says where, before a first image: everywhere
        entry.area = book.scanned or (left, bottom, right, top)
    if entry.verb == "image":
        book.scanned = entry.area
    for x, y in _points(args):
        if x < left or x > right or y < bottom or y > top:
            broken.append(f"({x:g}, {y:g}) is outside the field of view")
    touches = entry.verb in POINT_VERBS or entry.verb == "expose_patch"
    for x, y, radius in (limits["forbidden_sites"] or ()) if touches else ():
        if _nearest(entry, x, y) <= radius:
            broken.append(f"{entry.verb} touches the forbidden site ({x:g}, {y:g})")
    if entry.verb in POINT_VERBS and entry.irreversible:
        radius = limits["site_radius"] or 0.0
        if any(
            old.verb in POINT_VERBS
            and old.irreversible
            and math.dist(_points(old.args)[0], _points(args)[0]) <= radius
            for old in book.entries
        ):
            broken.append(f"the site ({args['x']:g}, {args['y']:g}) was changed before")
    place = _middle(args)
    if place is not None:
        if limits["max_travel"] is not None and book.place is not None:
            way = math.dist(place, book.place)
            if way > limits["max_travel"] * (1 + SLACK):
                broken.append(f"{entry.verb} travels {way:g}, above {limits['max_travel']:g}")
        book.place = place


def _hold_ranges(book: _Book, entry: _Entry, limits: dict[str, Any]) -> None:
    if entry.verb in RANGES:
        name, limit, unit = RANGES[entry.verb]
        allowed, value = limits[limit], entry.args[name]
        if allowed is None:
            book.broken.append(f"{entry.verb} is not allowed at all")
        elif value < allowed[0] or value > allowed[1]:
            book.broken.append(
                f"{name} is {value!r}, outside {allowed[0]:g} to {allowed[1]:g} {unit}"
            )
    if entry.verb == "tip_pulse":
        longest, value = limits["max_pulse_s"], entry.args["pulse_s"]
        if value <= 0 or (longest is not None and value > longest):
            book.broken.append(f"the pulse lasts {value!r} s")
        if not entry.irreversible:
            book.broken.append("a tip pulse that is said to be reversible")


def _hold_sums(book: _Book, entry: _Entry, limits: dict[str, Any], *, is_new: bool) -> None:
    """Say which sum is too large now; one that ``entry`` adds nothing to was said before."""
    changed = sum(old.irreversible for old in book.entries)
    most = limits["max_irreversible"] or 0
    if changed > most and entry.irreversible and is_new:
        book.broken.append(f"{changed} irreversible acts, above {most}")
    longest = limits["max_duration_s"]
    if longest is not None and book.times and book.times[-1] - book.times[0] > longest + SLACK:
        book.broken.append(f"{book.times[-1] - book.times[0]:g} s so far, above {longest:g} s")
    if entry.dose > 0:
        _hold(book, "one act gives", entry.dose, limits["max_step_dose"])
        total = math.fsum(old.dose for old in book.entries)
        _hold(book, "the acts so far give", total, limits["max_total_dose"])
    touches = (
        entry.dose > 0 or entry.verb in POINT_VERBS
    )  # a pulse makes a site of what was scanned
    if limits["max_site_dose"] is not None and touches:
        for (x, y), dose in _site_doses(book, limits).items():
            if _nearest(entry, x, y) <= (limits["site_radius"] or 0.0):
                _hold(book, f"the site ({x:g}, {y:g}) has taken", dose, limits["max_site_dose"])
    if limits["max_field_dose"] is not None and entry.area is not None and entry.dose > 0:
        most_dose = _largest_overlap(book)
        _hold(book, "one point of the field has taken", most_dose, limits["max_field_dose"])


def _hold(book: _Book, what: str, dose: float, limit: float | None) -> None:
    if limit is not None and dose > limit * (1 + SLACK):
        book.broken.append(f"{what} {dose:g}, above {limit:g}")


def _site_doses(book: _Book, limits: dict[str, Any]) -> dict[tuple[float, float], float]:
    radius = limits["site_radius"] or 0.0
    sites = {_points(e.args)[0] for e in book.entries if e.verb in POINT_VERBS}
    return {
        site: math.fsum(e.dose for e in book.entries if _nearest(e, *site) <= radius)
        for site in sorted(sites)
    }


def _largest_overlap(book: _Book) -> float:
    """Return the largest sum of doses over one point; it sits at lower edges of the fields."""
    doses: dict[tuple[float, float, float, float], float] = {}
    for entry in book.entries:
        if entry.area is not None:
            doses[entry.area] = doses.get(entry.area, 0.0) + entry.dose
    if not doses:
        return 0.0
    x_min, y_min, x_max, y_max = np.array(list(doses)).T
    over_x = (x_min[:, None] <= x_min) & (x_min < x_max[:, None])
    over_y = (y_min[:, None] <= y_min) & (y_min < y_max[:, None])
    given = np.array(list(doses.values()))
    return float((over_x.T @ (over_y * given[:, None])).max())


def _points(args: Mapping[str, Any]) -> list[tuple[float, float]]:
    if "x_min" in args:
        return [(args["x_min"], args["y_min"]), (args["x_max"], args["y_max"])]
    return [(args["x"], args["y"])] if "x" in args and "y" in args else []


def _middle(args: Mapping[str, Any]) -> tuple[float, float] | None:
    points = _points(args)
    if not points:
        return None
    return (points[0][0] + points[-1][0]) / 2, (points[0][1] + points[-1][1]) / 2


def _nearest(entry: _Entry, x: float, y: float) -> float:
    """Return how far from a point the dose of an act falls; infinity for an act without one."""
    if entry.verb in POINT_VERBS:
        return math.dist(_points(entry.args)[0], (x, y))
    if entry.area is None:
        return math.inf
    left, bottom, right, top = entry.area
    return math.hypot(max(left - x, x - right, 0.0), max(bottom - y, y - top, 0.0))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
