"""Calls with odd arguments, each name in a process of its own under limits of time and memory."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.odd_calls.answers import alike, holds_nan, plain
from benchmarks.odd_calls.odd_values import Odd, odd_versions
from benchmarks.odd_calls.recorder import Call, recorded_calls
from physlearn.checks import BackendUnavailable, InputError, NotIdentified, NotWritten

MOST_BYTES_MORE = 2**30
LONGEST_EXAMPLE_S = 150.0
LOST = "no valid call"
OURS = (InputError, NotIdentified, BackendUnavailable, NotWritten)
WRONG_TYPES = tuple(
    f"-> {kind}"
    for kind in (
        "None", "object()", "'nonsense'", "{}", "[]", "7", "'3'", "odd function", "(1+2j)", "[[]]",
        "[None]", "text", "objects", "array", "{1: 'a'}", "{'nonsense': 1}", "['a', 'a', 'a']",
    )
)  # fmt: skip
FAULTS = ("crash", "hang", "memory", "changed its argument", "another answer", "raw error")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Limits:
    """How much is tried, and for how long.

    Attributes
    ----------
    longest_s
        CPU seconds of one odd call.
    calls
        Odd calls of one function.
    budget_s
        CPU seconds of the odd calls of one public name; what is left is not tried.
    seed
        Chooses the odd calls and their order.
    wrong_types
        Also hand over what is of another type altogether.
    """

    longest_s: float = 20.0
    calls: int = 60
    budget_s: float = 30.0
    seed: int = 0
    wrong_types: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of one odd call."""

    name: str
    argument: str
    odd: str
    outcome: str
    error: str = ""
    message: str = ""
    where: str = ""
    seconds: float = 0.0
    bad_numbers: bool = False


def odd_calls(name: str, limits: Limits) -> list[Outcome]:
    """Return what came of the odd calls of one public name."""
    found: list[Outcome] = []
    skip = 0
    for _ in range(8):  # begun again behind a call that hung or crashed
        lines, end = _forked(name, limits, skip)
        found += [Outcome(**line) for line in lines if "outcome" in line]
        started = [line for line in lines if "started" in line]
        if not end or not started:
            if end:
                found.append(Outcome(name, "", "example", end))
            break
        last = started[-1]
        found.append(Outcome(last["name"], last["argument"], last["odd"], end))
        skip = last["started"] + 1
    return found


def _forked(name: str, limits: Limits, skip: int) -> tuple[list[dict[str, Any]], str]:
    """Run the odd calls from ``skip`` on in a child; return its lines and how it ended badly."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(name, limits, skip, writing)
    os.close(writing)
    return _watched(child, reading, limits)


def _child(name: str, limits: Limits, skip: int, writing: int) -> None:
    try:
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        folder = os.environ.get("ODD_CALLS_FOLDER", "/")
        os.chdir(folder)
        # files that an example wrote are there for the odd calls too
        tempfile.tempdir = folder
        tempfile.TemporaryDirectory.cleanup = lambda self: self._finalizer.detach()  # type: ignore[method-assign]
        warnings.simplefilter("ignore")
        faulthandler.disable()  # a planted abort is a finding, not a crash of the tests
        for line in _lines(name, limits, skip):
            os.write(writing, (json.dumps(line) + "\n").encode())
        os._exit(0)
    except BaseException as error:  # the child must never return into the parent's code
        text = "".join(traceback.format_exception(error))[-1500:]
        os.write(writing, (json.dumps({"broken": text}) + "\n").encode())
        os._exit(1)


def _watched(child: int, reading: int, limits: Limits) -> tuple[list[dict[str, Any]], str]:
    """Read a child's lines until it ends; end it where one call takes too long."""
    lines: list[dict[str, Any]] = []
    rest, end, since, longest = b"", "", 0.0, LONGEST_EXAMPLE_S
    process = psutil.Process(child)
    while True:
        ready, _, _ = select.select([reading], [], [], 0.5)
        if ready:
            got = os.read(reading, 1 << 20)
            if not got:
                break
            *whole, rest = (rest + got).split(b"\n")
            lines += [json.loads(line) for line in whole]
            since, longest = _cpu_s(process), limits.longest_s
            if not any("started" in line for line in lines):
                longest = LONGEST_EXAMPLE_S
        elif _cpu_s(process) - since > longest:
            os.kill(child, signal.SIGKILL)
            end = "hang"
            break
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if not end and os.WIFSIGNALED(status):
        end = "crash"
    if not end and lines and "broken" in lines[-1]:
        end = "broken: " + lines[-1]["broken"][-700:]
    return lines, end


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _lines(name: str, limits: Limits, skip: int) -> Iterator[dict[str, Any]]:
    calls = recorded_calls(name)
    place, spent = 0, 0.0
    yield {"recorded": [call.name for call in calls]}
    planned = [(call, *choice) for call in calls for choice in _choices(call, limits)]
    answers: dict[str, Any] = {}
    allowed = False
    for call, argument, odd in planned:
        place += 1
        if place - 1 < skip:
            continue
        if spent > limits.budget_s:
            return
        if call.name not in answers:
            try:
                answers[call.name] = _valid_answer(call)
            except Exception as error:
                yield {"recorded": call.name, "lost": repr(error)[:300]}
                answers[call.name] = LOST
        if answers[call.name] is LOST:
            continue
        if not allowed:
            _allow_memory()
            allowed = True
        yield {"started": place - 1, "name": call.name, "argument": argument, "odd": odd.kind}
        tried = _tried(call, argument, odd, answers[call.name])
        spent += tried.seconds
        yield asdict(tried)


def _choices(call: Call, limits: Limits) -> list[tuple[str, Odd]]:
    every = [
        (argument, odd)
        for argument, value in call.arguments.items()
        if argument != "self"
        for odd in odd_versions(value)
        if limits.wrong_types or not odd.kind.endswith(WRONG_TYPES)
    ]
    random.Random(f"{limits.seed} {call.name}").shuffle(every)  # noqa: S311 -- a choice of tests
    return every[: limits.calls]


def _valid_answer(call: Call) -> Any:
    """Return the plain answer of the valid call; None where two calls differ."""
    one, other = plain(call()), plain(call())
    return one if alike(one, other) else None


def _allow_memory() -> None:
    now = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (now + MOST_BYTES_MORE + 2**28, resource.RLIM_INFINITY))


def _tried(call: Call, argument: str, odd: Odd, expected: Any) -> Outcome:
    what = (call.name, argument, odd.kind)
    try:
        value = odd.make()
    except Exception:
        return Outcome(*what, "not made")
    before = plain(value) if isinstance(value, np.ndarray) and value.size < 10**6 else None
    began = time.process_time()
    try:
        answer = plain(call(**{argument: value}))
    except Exception as error:
        spent = time.process_time() - began
        ours = isinstance(error, OURS)
        if isinstance(error, MemoryError) and not ours:
            return Outcome(*what, "memory", "MemoryError", str(error)[:200], _where(error))
        kind = "our error" if ours else "raw error"
        return Outcome(
            *what,
            kind,
            type(error).__name__,
            str(error)[:300],
            "" if ours else _where(error),
            spent,
        )
    spent = time.process_time() - began
    outcome = "result"
    if before is not None and not _same_array(before, value):
        outcome = "changed its argument"
    elif odd.same and expected is not None and not alike(answer, expected):
        outcome = "another answer"
    return Outcome(*what, outcome, seconds=spent, bad_numbers=holds_nan(answer))


def _same_array(before: Any, value: np.ndarray) -> bool:
    return not isinstance(before, np.ndarray) or np.array_equal(
        before, np.asarray(value), equal_nan=before.dtype.kind in "fc"
    )


def _where(error: BaseException) -> str:
    """Return the innermost line of the package in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if frame.filename.startswith(str(ROOT)) and "/benchmarks/" not in frame.filename
    ]
    return f"{Path(own[-1].filename).relative_to(ROOT)}:{own[-1].lineno}" if own else ""
