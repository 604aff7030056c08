"""How a benchmark is written down and measured.

A file ``cases_<topic>.py`` beside this one has one function, ``cases(quick: bool) -> list[Case]``::

    from benchmarks.monte_carlo.harness import Case, Late, Peer, compile_c, times_faster

    def cases(quick: bool) -> list[Case]:
        size = 256
        c = compile_c("checkerboard")                     # c_twins/checkerboard.c -> ctypes library
        c.sweeps.argtypes = [...]
        ours, theirs = prepared(size), prepared(size)     # equal states and equal random lanes
        return [Case(
            name=f"checkerboard, square {size}",
            unit="spin update",
            work=100 * size**2,                           # units that one call of a contender does
            contenders={
                "physlearn": lambda: kernel(*ours, 100),  # first, always
                "C": lambda: c.sweeps(*theirs, 100),
                "mcising": Peer("mcising", "square", {"size": size, "couplings": [0.44]}),
            },
            target={"C": 1.1, "mcising": times_faster(16)},
            check=assert_same_spins,                      # run before any timing
            quality=lambda: {"energy_per_site": ..., "exact": ...},
        )]

- A contender is a function of no arguments that does ``work`` units; what it returns is ignored,
  except where ``work`` is None: then it returns how many units it did (Wolff's clusters). `Late`
  wraps a function that makes the contender when the case begins, for large arrays.
- A `Peer` is another package in an environment of its own (`benchmarks.monte_carlo.peers`).
- What cannot run raises `AbsentError` and is a row of the table with its reason, never left out.
- ``target``: contender -> the largest allowed ratio, time of physlearn / time of the contender.
  ``times_faster(16)`` is 1/16. A contender may also be another kernel of ours or the copy limit.
- All contenders of a case are measured in turn in every round, in an order that rotates. Times are
  CPU seconds of the process (a peer's: of its own process). A figure is the median over rounds with
  its quartiles; a ratio is the median over rounds of the ratio within the round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.monte_carlo.peers import Peer, PeerProcess
from benchmarks.monte_carlo.twins import AbsentError, compile_c

__all__ = [
    "AbsentError", "Case", "Contender", "Late", "Peer", "compile_c", "measure", "quartiles",
    "times_faster",
]  # fmt: skip

OURS = "physlearn"


@dataclass(frozen=True)
class Late:
    """A contender that is made when its case begins; what ``make`` says is absent is a row."""

    make: Callable[[], Callable[[], object]]


Contender = Callable[[], object] | Late | Peer


def times_faster(factor: float) -> float:
    """Target of a contender than which physlearn shall be ``factor`` times faster."""
    return 1.0 / factor


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes
    ----------
    name
        Unique; begins with the topic's words.
    unit
        Of the work, e.g. ``spin update``.
    work
        Units that one call of each contender does; None where each call returns them.
    contenders
        Name -> contender, ``physlearn`` first.
    target
        Contender -> largest allowed time of physlearn / time of the contender.
    check
        Called before timing; raises where the contenders do not do the same thing.
    quality
        Called after timing; figures that belong beside the speed.
    """

    name: str
    unit: str
    work: float | None
    contenders: Mapping[str, Contender]
    target: Mapping[str, float] = field(default_factory=dict)
    quality: Callable[[], Mapping[str, float]] | None = None
    check: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        if next(iter(self.contenders), None) != OURS:
            raise ValueError(f"{self.name}: the first contender must be {OURS!r}")
        if unknown := sorted(set(self.target) - set(self.contenders)):
            raise ValueError(f"{self.name}: targets of unknown contenders {', '.join(unknown)}")


class Runner:
    """A contender ready to be timed."""

    def __init__(self, contender: Contender, work: float | None, seconds: float) -> None:
        self.work = work
        self.calls = 1
        self.peer: PeerProcess | None = None
        self.version = ""
        if isinstance(contender, Peer):
            options = {"seconds": seconds, **contender.options}
            self.peer = PeerProcess(Peer(contender.package, contender.task, options))
            self.version = self.peer.version
            return
        self.function = contender.make() if isinstance(contender, Late) else contender
        self.function()  # compiles, loads, warms
        start = time.process_time()
        self.function()
        used = time.process_time() - start
        self.calls = max(1, round(seconds / max(used, 1e-6)))

    def nanoseconds(self) -> float:
        """CPU time of one unit in one measurement."""
        if self.peer is not None:
            seconds, work = self.peer.run()
        else:
            work, start = 0.0, time.process_time()
            for _ in range(self.calls):
                done = self.function()
                work += float(done) if self.work is None else self.work  # type: ignore[arg-type]
            seconds = time.process_time() - start
        if not work > 0:
            raise ValueError("no work was done")
        return 1e9 * seconds / work

    def close(self) -> None:
        """End a peer's process."""
        if self.peer is not None:
            self.peer.close()


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile (linear between the two nearest values)."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, statistics.median(values), high


def measure(
    case: Case, rounds: int, seconds: float, tick: Callable[[int, int], object] | None = None
) -> dict[str, Any]:
    """Measure one case; return plain numbers for the results file.

    Parameters
    ----------
    case
        What to measure.
    rounds
        Interleaved rounds (at least 5 for a figure that is published).
    seconds
        CPU time of one measurement, about.
    tick
        Called with (rounds done, rounds).
    """
    record: dict[str, Any] = {"unit": case.unit, "rounds": rounds, "contenders": {}}
    record["check"] = _checked(case)
    runners: dict[str, Runner] = {}
    rows: dict[str, dict[str, Any]] = {name: {} for name in case.contenders}
    try:
        for name, contender in case.contenders.items():
            try:
                runners[name] = Runner(contender, case.work, seconds)
            except AbsentError as error:
                rows[name]["absent"] = str(error)
        if OURS not in runners:
            raise RuntimeError(rows[OURS]["absent"])
        times: dict[str, list[float]] = {name: [] for name in runners}
        order = list(runners)
        for number in range(rounds):
            turn = number % len(order)
            for name in order[turn:] + order[:turn]:
                times[name].append(runners[name].nanoseconds())
            if tick is not None:
                tick(number + 1, rounds)
        for name, runner in runners.items():
            rows[name] |= _row(times, name, case.target.get(name))
            if runner.peer is not None:
                rows[name] |= {"version": runner.version, "quality": runner.peer.quality()}
        if case.quality is not None:
            rows[OURS]["quality"] = {k: float(v) for k, v in case.quality().items()}
    finally:
        for runner in runners.values():
            runner.close()
    for name, target in case.target.items():
        rows[name]["target"] = target
    record["contenders"] = rows
    return record


def _checked(case: Case) -> str:
    if case.check is None:
        return "none"
    try:
        case.check()
    except AbsentError as error:
        return f"not done: {error}"
    return "passed"


def _row(times: Mapping[str, Sequence[float]], name: str, target: float | None) -> dict[str, Any]:
    low, middle, high = quartiles(times[name])
    row: dict[str, Any] = {"ns": middle, "ns_quartiles": [low, high], "ns_rounds": times[name]}
    if name != OURS:
        ratios = [ours / theirs for ours, theirs in zip(times[OURS], times[name], strict=True)]
        low, middle, high = quartiles(ratios)
        row |= {"ratio": middle, "ratio_quartiles": [low, high]}
        if target is not None:
            row["met"] = middle <= target
    return row
