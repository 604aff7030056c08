"""The live page: its parts as HTML, from a state."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib import resources
from itertools import pairwise
from statistics import median
from time import localtime, strftime
from typing import TYPE_CHECKING, Any

from physlearn.live.follow import Pulse
from physlearn.live.frame_warnings import dose_text
from physlearn.live.records import Estimate, FrameResult, LiveState, Picture
from physlearn.phrases import as_sentence, said_interval, said_number, unit_text

if TYPE_CHECKING:
    from jinja2 import Environment, Template

__all__ = [
    "PARTS", "inline_hashes", "live_file", "page_context", "page_template", "render_page",
    "render_parts",
]  # fmt: skip

PARTS = ("status", "next", "last", "estimates", "warnings", "frames", "latency")
"""Parts of the page, each replaced by itself when it changes."""

FRAMES_SHOWN = 200
KIND_WORDS = {"picture": "atomic pictures", "film": "one film of domain walls", "auto": "frames"}
RELATIONS = {"first": "new", "other": "new", "same": "seen before", "unclear": "can’t tell"}


def live_file(name: str) -> str:
    """Return the text of a file that travels with this package.

    Examples
    --------
    >>> "fetch" in live_file("live.js")
    True
    """
    return resources.files("physlearn.live").joinpath(name).read_text("utf-8")


def page_template() -> Template:
    """Return the page's template, which extends that of the reports."""
    from jinja2 import ChoiceLoader, FunctionLoader

    from physlearn.report.page import page_environment, page_file

    environment: Environment = page_environment().overlay(
        loader=ChoiceLoader([FunctionLoader(_own_template), FunctionLoader(page_file)])
    )
    return environment.get_template("page.html.j2")


def _own_template(name: str) -> str | None:
    return live_file(name) if name == "page.html.j2" else None


def page_context(
    state: LiveState,
    pictures: Mapping[str, Picture],
    *,
    title: str,
    pulse: Pulse,
    drawn_s: float = 0.0,
    live_version: int | None = None,
) -> dict[str, Any]:
    """Return what the template names.

    Parameters
    ----------
    state, pictures
        To show.
    title
        Heading: the folder's name.
    pulse
        What the watch is doing.
    drawn_s
        Seconds that drawing the pictures took.
    live_version
        Number of a page that a server updates; None: a page that stands for itself, its pictures
        inside.
    """
    from markupsafe import Markup

    from physlearn import __version__
    from physlearn.report.page import page_file

    last = state.last
    return {
        "title": title, "version": __version__, "live": live_version is not None,
        "live_version": live_version or 0,
        "css": Markup(page_file("style.css")),  # noqa: S704 -- our own file
        "live_css": Markup(live_file("live.css")),  # noqa: S704 -- our own file
        "pictures": {
            name: _picture_row(name, picture, live_version) for name, picture in pictures.items()
        },
        "arrived": _clock(last),
        "pulse": pulse, "kind": KIND_WORDS[state.kind], "is_film": state.kind == "film",
        "n_frames": len(state.frames), "n_fields": state.n_fields,
        "dose": dose_text(state.frames), "estimates": [_estimate_row(e) for e in state.estimates],
        "warnings": [(source, said_sentence(text)) for source, text in state.warnings],
        "advice": [said_sentence(text) for text in state.advice], "plan": state.plan,
        "plan_refused": next(
            (note.reason for note in state.notes if note.name == "plan" and note.reason), ""
        ),
        "refused": [
            (note.title, as_sentence(note.reason)) for note in state.notes
            if note.status == "could not" and note.name != "plan"
        ],
        "frames": [_frame_row(one, state) for one in _newest_first(state)[:FRAMES_SHOWN]],
        "n_hidden": max(len(state.frames) - FRAMES_SHOWN, 0),
        "left_out": [(name, said_sentence(reason)) for name, reason in state.left_out],
        "pace": pace_text(state, pulse, drawn_s), "latency": _latency_rows(state, drawn_s),
        "steps": [] if last is None else (last.notes or state.notes), "seed": state.seed,
        "as_sentence": said_sentence, "seconds": said_seconds,
    }  # fmt: skip


def _clock(frame: FrameResult | None) -> str:
    return "" if frame is None else strftime("%Y-%m-%d at %H:%M:%S", localtime(frame.file.noticed))


def _picture_row(name: str, picture: Picture, live_version: int | None) -> dict[str, Any]:
    mark = hashlib.sha256(picture.png).hexdigest()[:16]
    source = f"/picture/{name}?v={mark}"
    if live_version is None:
        source = "data:image/png;base64," + base64.b64encode(picture.png).decode("ascii")
    return {
        "src": source, "alt": picture.alt, "caption": picture.caption, "width": picture.width,
        "height": picture.height,
    }  # fmt: skip


def _newest_first(state: LiveState) -> list[FrameResult]:
    if state.kind == "film":
        return list(reversed(state.frames))
    return sorted(state.frames, key=lambda one: -one.order)


def _estimate_row(one: Estimate) -> dict[str, str]:
    mean, low, high = said_interval(one.mean, one.low, one.high)
    return {
        "label": one.label, "mean": mean, "interval": f"{low} to {high}",
        "unit": unit_text(one.unit), "basis": one.basis, "verdict": one.verdict,
    }  # fmt: skip


def _frame_row(one: FrameResult, state: LiveState) -> dict[str, str]:
    found = "–"
    if one.counts:
        found = ", ".join(f"{n:,} {name}" for name, n in one.counts.items())
    elif "atoms" in one.facts:
        found = f"{one.facts['atoms']:,.0f} columns"
    couplings = [
        f"{e.label.removeprefix('coupling of ')}: {said_interval(e.mean, e.low, e.high)[0]} "
        f"[{' to '.join(said_interval(e.mean, e.low, e.high)[1:])}]"
        for e in one.estimates if e.name.startswith("couplings")
    ]  # fmt: skip
    moved = "–"
    if one.shift is not None:
        x, y = one.shift
        moved = (
            f"{x:.2f}, {y:.2f} px".replace("-", "−")
            if state.kind == "film"
            else f"{said_number(x, 2)}, {said_number(y, 2)} {unit_text(one.unit)}"
        )
    return {
        "name": one.name, "found": found, "own": "; ".join(couplings) or "–",
        "field": f"{one.field + 1} ({RELATIONS.get(one.relation, '–')})", "moved": moved,
        "seconds": said_seconds(one.lag_s),
    }  # fmt: skip


def said_sentence(text: str) -> str:
    """Return ``text`` as a sentence; a file's name at its beginning stays as it is.

    Examples
    --------
    >>> said_sentence("f1.npy is blurred"), said_sentence("the stage drifts.")
    ('f1.npy is blurred.', 'The stage drifts.')
    """
    first = text.strip().partition(" ")[0]
    if re.search(r"\w[._]\w|\d", first):
        return text.strip() + ("" if text.strip().endswith(".") else ".")
    return as_sentence(text)


def said_seconds(value: float) -> str:
    """Return seconds as people say them.

    Examples
    --------
    >>> said_seconds(0.0123), said_seconds(3.21), said_seconds(150)
    ('0.01 s', '3.2 s', '150 s')
    """
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def arrival_interval(state: LiveState) -> float | None:
    """Return the median seconds between the arrivals of the last dozen files."""
    times = sorted({one.file.noticed for one in state.frames})[-12:]
    steps = [b - a for a, b in pairwise(times)]
    return median(steps) if len(steps) >= 2 else None


def busy_seconds(state: LiveState) -> float | None:
    """Return the median seconds of work for a frame of the last dozen."""
    work = [one.analysed_s + one.file.read_s for one in _newest_first(state)[:12]]
    return median(work) + state.update_s if work else None


def pace_text(state: LiveState, pulse: Pulse, drawn_s: float) -> str:
    """Say whether the analysis keeps up with the frames, and the lag where it does not.

    Examples
    --------
    >>> from physlearn.live.records import WatchOptions
    >>> pace_text(LiveState(WatchOptions(), 1), Pulse("waits"), 0.0)
    ''
    """
    last = state.last
    if last is None:
        return ""
    text = (
        f"From the first sight of a file to this page: {said_seconds(last.lag_s + drawn_s)} for "
        "the last frame."
    )
    every, work = arrival_interval(state), busy_seconds(state)
    if pulse.waiting:
        files = "1 file waits" if pulse.waiting == 1 else f"{pulse.waiting} files wait"
        text += (
            f" {files}, the oldest for {said_seconds(pulse.oldest_s)}: the newest goes first, none "
            "is dropped."
        )
    if every is not None and work is not None:
        pace = f" Frames came every {said_seconds(every)}; each takes {said_seconds(work)} of work"
        text += pace + (": it keeps up." if work <= every else ": they come faster than that.")
    return text


def _latency_rows(state: LiveState, drawn_s: float) -> list[dict[str, str]]:
    frames = _newest_first(state)
    if not frames:
        return []
    columns = {
        "waited until the file stood still": [one.file.waited_s for one in frames],
        "waited for its turn": [one.file.queued_s for one in frames],
        "read": [one.file.read_s for one in frames],
        "analysed": [one.analysed_s for one in frames],
        "first sight to estimates, all together": [one.lag_s for one in frames],
    }
    rows = [
        {"what": what, "last": said_seconds(values[0]), "median": said_seconds(median(values)),
         "worst": said_seconds(max(values))}
        for what, values in columns.items()
    ]  # fmt: skip
    once = [("estimates over all frames", state.update_s), ("pictures drawn", drawn_s)]
    return [
        *rows,
        *({"what": what, "last": said_seconds(value), "median": "–", "worst": "–"}
          for what, value in once),
    ]  # fmt: skip


def render_parts(template: Template, context: Mapping[str, Any]) -> dict[str, str]:
    """Return the HTML inside each part of the page."""
    return {
        name: "".join(template.blocks[f"part_{name}"](template.new_context(dict(context))))
        for name in PARTS
    }


def render_page(template: Template, context: Mapping[str, Any]) -> str:
    """Return the whole page."""
    return template.render(dict(context))


def inline_hashes(page: str, tag: str) -> list[str]:
    """Return the policy's hashes of all inline elements of a kind.

    Examples
    --------
    >>> inline_hashes("<style>a {}</style>", "style")
    ["'sha256-mkSHzL7faOU7/U/v8Umg+058R69+vN2A2xmE3Fz1q98='"]
    """
    inside = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
    return [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in inside
    ]
