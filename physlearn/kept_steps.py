"""Steps that run only when something they read has changed since an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, cast

from physlearn.findings import Findings, RunOne, Step, StepNote, run_noted
from physlearn.step_store import KeptStep, StepStore, find_kept, keep_step, kept_value
from physlearn.stored_values import (
    DamagedValueError,
    NotStorableError,
    digest_of,
    from_bytes,
    to_bytes,
)
from physlearn.study_options import StudyOptions

__all__ = ["keeping"]

FIELDS = frozenset(part.name for part in fields(Findings))
GROWING = ("effects", "counterfactuals")
"""Fields that a step adds to in place."""
OPTION = "options."


def keeping(store: StepStore) -> RunOne:
    """Return how to run a step so that its result is kept, or taken from an earlier run.

    While a step runs, what it reads of the findings (and which options) is written down with a
    digest of the content. The next time, a run whose reads have the same digests stands for it.
    What a step has just found is read back from the store at once: a study that was stopped and
    goes on has the very same numbers, bit for bit, as one that was not.

    Examples
    --------
    >>> import tempfile
    >>> from physlearn.step_store import open_store
    >>> step = Step("wall", "Look", lambda findings: setattr(findings, "hopping", True))
    >>> with open_store(Path(tempfile.mkdtemp()) / "study") as store:
    ...     notes = [keeping(store)(step, Findings("a film", 1)) for _ in range(2)]
    >>> [note.kept for note in notes]
    [False, True]
    """
    return partial(_run_kept, store, _Digests())


class _Digests:
    """Digests of the fields of the findings; each is computed once, as long as it stands."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[Any, str]] = {}

    def of(self, findings: Findings, name: str) -> str:
        if name.startswith(OPTION):
            return digest_of(getattr(findings.options, name.removeprefix(OPTION)))
        value = getattr(findings, name)
        if name == "edited" and value is not None:  # a path stands for what the file holds
            return digest_of(Path(value).read_bytes())
        if name in GROWING:  # the same list may have grown
            return digest_of(value)
        held, digest = self.known.get(name, (None, ""))
        if not digest or held is not value:
            digest = digest_of(value)
            self.known[name] = (value, digest)
        return digest


class _Traced:
    """Stands for the findings while a step runs, and writes down what it reads and sets."""

    def __init__(self, findings: Findings, digests: _Digests) -> None:
        own = {
            "_findings": findings, "_digests": digests, "reads": {}, "written": [], "kept": True,
        }  # fmt: skip
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "options":
            return _TracedOptions(self)
        if name not in FIELDS:  # a method: it reads through here as the step does
            return partial(getattr(Findings, name), self)
        self._note(name)
        return getattr(self._findings, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._findings, name, value)
        if name not in self.written:
            self.written.append(name)

    def _note(self, name: str) -> None:
        if name in self.reads or name in self.written:
            return
        try:
            self.reads[name] = self._digests.of(self._findings, name)
        except NotStorableError:
            object.__setattr__(self, "kept", False)


class _TracedOptions:
    def __init__(self, traced: _Traced) -> None:
        self._traced = traced

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._traced._findings.options, name)
        self._traced._note(OPTION + name)
        return value


def _run_kept(store: StepStore, digests: _Digests, step: Step, findings: Findings) -> StepNote:
    found = find_kept(store, step.name, _safely(digests, findings))
    if found is not None:
        try:
            values = {n: from_bytes(kept_value(store, one)) for n, one in found.written.items()}
        except (DamagedValueError, OSError) as error:
            store.say(f"{step.title}: a kept result was damaged and is computed again ({error}).")
        else:
            _put(findings, values, step)
            return StepNote(
                step.name, step.title, found.status, found.reason, found.seconds, kept=True
            )
    return _run_and_keep(store, digests, step, findings)


def _safely(digests: _Digests, findings: Findings) -> Callable[[str], str]:
    def digest(name: str) -> str:
        known = name in FIELDS or name.removeprefix(OPTION) in StudyOptions.__slots__
        try:
            return digests.of(findings, name) if known else ""
        except (NotStorableError, OSError):
            return ""

    return digest


def _run_and_keep(store: StepStore, digests: _Digests, step: Step, findings: Findings) -> StepNote:
    before = {name: list(getattr(findings, name)) for name in GROWING}
    traced = _Traced(findings, digests)
    note = run_noted(step, cast("Findings", traced))
    grown = [
        name
        for name in GROWING
        if name not in traced.written and len(getattr(findings, name)) != len(before[name])
    ]
    if not traced.kept:
        return note
    try:
        packed = {
            name: to_bytes(getattr(findings, name), leave_out=_not_kept(step, name))
            for name in (*traced.written, *grown)
        }
    except NotStorableError as refusal:
        store.say(f"{step.title}: its result can't be kept ({refusal}).")
        return note
    _put(findings, {name: from_bytes(content) for name, content in packed.items()}, step)
    keep_step(
        store, KeptStep(step.name, traced.reads, {}, note.status, note.reason, note.seconds), packed
    )
    return note


def _not_kept(step: Step, name: str) -> tuple[str, ...]:
    return (step.not_kept[1],) if step.not_kept and step.not_kept[0] == name else ()


def _put(findings: Findings, values: dict[str, Any], step: Step) -> None:
    for name, value in values.items():
        setattr(findings, name, value)
    if values and step.complete is not None:
        step.complete(findings)
