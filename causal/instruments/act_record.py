"""Which acts of a plan were begun and ended, in a file that outlives the process."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from physlearn.causal.actions import Action
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.verbs import FIELD_VERBS, POINT_VERBS
from physlearn.checks import InputError

__all__ = ["ActRecord", "is_once_only", "open_record", "settle_act"]

FORMAT = "physlearn-act-record-1"


def is_once_only(action: Action) -> bool:
    """Return whether an act must not be done again when it was cut short.

    Examples
    --------
    >>> is_once_only(Action("move", {"x": 1.0, "y": 2.0}, 0.0, 1.0, 1.0))
    False
    """
    exposes = action.verb in POINT_VERBS | FIELD_VERBS | {"scan_again"}
    return exposes or action.irreversible or action.dose > 0


@dataclass(slots=True)
class ActRecord:
    """Acts of one run of a plan: a line in a file before an act that happens once, one after it.

    Attributes
    ----------
    plan
        Checksum of the plan.
    path
        Of the file, JSON lines; None keeps the record in memory.
    ended
        (name of the step, verb, what came of it) of every act that ended, in order.
    begun
        (name, verb) of an act that happens once, was begun, and whose end was not written.
    """

    plan: str
    path: Path | None
    ended: list[tuple[str, str, Outcome]] = field(default_factory=list)
    begun: tuple[str, str] | None = None

    def earlier(self, number: int, step: str, verb: str) -> Outcome | None:
        """Return what came of an act (counted from 0) that ended before, or None."""
        if number >= len(self.ended):
            return None
        name, did, outcome = self.ended[number]
        if (name, did) != (step, verb):
            raise InputError(
                f"record must be of this plan and way to run it: its act {number + 1} is {name} "
                f"({did}), here it is {step} ({verb})."
            )
        return outcome

    def tip_after(self, tip: str) -> str:
        """Return how the acts left a tip that was found so."""
        for _, verb, _ in self.ended:
            if tip != "none" and verb in ("approach", "withdraw"):
                tip = "approached" if verb == "approach" else "withdrawn"
        return tip

    def begin(self, number: int, step: str, verb: str) -> None:
        """Write that an act is about to be done; refuse one that was begun before."""
        if self.begun is not None or number < len(self.ended):
            raise InputError(f"{step} ({verb}) was begun before; it is not done twice.")
        self._write({"act": number, "step": step, "verb": verb, "status": "begun"})
        self.begun = (step, verb)

    def end(self, number: int, step: str, verb: str, outcome: Outcome) -> None:
        """Write what came of an act."""
        if number != len(self.ended):
            raise InputError(f"act {number + 1} ({step}) was ended before; nothing was written.")
        line = {"act": number, "step": step, "verb": verb, "status": "ended"}
        self._write({**line, "outcome": outcome.to_dict()})
        self.ended.append((step, verb, outcome))
        self.begun = None

    def _write(self, line: dict[str, Any]) -> None:
        if self.path is None:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())  # the line must outlive a crash that follows the pulse


def open_record(plan: ExperimentPlan, path: str | os.PathLike[str] | None) -> ActRecord:
    """Return the record of a plan's run: of the file at ``path``, which is made if it lacks.

    Raises
    ------
    InputError
        For the record of another plan, one in which an act that happens once has no end (see
        `settle_act`), or no path for a plan that changes the sample for good.
    """
    if path is None:
        final = [n for n, s in zip(plan.step_names(), plan.steps, strict=True)
                 if s.action.irreversible]  # fmt: skip
        if final:
            raise InputError(
                f"record must be the path of a file, as {final[0]} cannot be undone and must not "
                "be done twice after a crash; got None."
            )
        return ActRecord(plan.checksum, None)
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"record must be the path of a file; got {path!r}.")
    made = ActRecord(plan.checksum, Path(path))
    place = Path(path)
    if not place.exists():
        if not place.parent.is_dir():
            raise InputError(f"record must lie in a folder that exists; {place.parent} does not.")
        made._write({"format": FORMAT, "plan": made.plan})
        return made
    _read_lines(made, place)
    if made.begun is not None:
        step, verb = made.begun
        raise InputError(
            f"record says that {step} ({verb}) was begun and not how it ended: it may have been "
            f"done and is not repeated. Look at the sample, then say what came of it: "
            f"settle_act(plan, record, outcome)."
        )
    return made


def settle_act(plan: ExperimentPlan, record: str | os.PathLike[str], outcome: Outcome) -> str:
    """Write into a record what came of the act whose end a killed process did not write.

    Parameters
    ----------
    plan
        The plan of the record.
    record
        Path of the file.
    outcome
        What a person saw; ``Outcome(None, succeeded=False)`` where nothing can be said.

    Returns
    -------
    str
        Name of the step.

    Raises
    ------
    InputError
        For a record in which no act lacks its end.

    Examples
    --------
    >>> import tempfile
    >>> from physlearn.causal import ExperimentPlan, SafetyEnvelope
    >>> plan = ExperimentPlan((), (), SafetyEnvelope(1.0, (0, 0, 1, 1)), budget=1.0)
    >>> path = Path(tempfile.mkdtemp()) / "run.jsonl"
    >>> opened = open_record(plan, path)
    >>> opened.begin(0, "s1", "tip_pulse")  # and here the process is killed
    >>> settle_act(plan, path, Outcome(None, note="the domain is there"))
    's1'
    """
    if not isinstance(outcome, Outcome):
        raise InputError(f"outcome must be an Outcome; got {outcome!r}.")
    path = Path(record)
    if not path.is_file():
        raise InputError(f"record must be the path of a file; {path.name} is none.")
    made = ActRecord(plan.checksum, path)
    _read_lines(made, path)
    if made.begun is None:
        raise InputError(f"record {path.name} has no act without an end: nothing is to be settled.")
    step, verb = made.begun
    made.end(len(made.ended), step, verb, outcome)
    return step


def _read_lines(record: ActRecord, path: Path) -> None:
    """Fill a record from its file; a last line cut short by a crash is taken off."""
    if path.is_dir():
        raise InputError(f"record must be the path of a file; {path} is a folder.")
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        lines = [_line(text, path) for text in whole.decode("utf-8").splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"record {path.name} is no record of acts: take another path.") from None
    first = {"format": FORMAT, "plan": record.plan}
    begins = bool(lines) or json.dumps(first).encode("utf-8").startswith(content)
    if not begins or (lines and lines[0].get("format") != FORMAT):
        raise InputError(f"record {path.name} is no record of acts: take another path.")
    if lines and lines[0].get("plan") != record.plan:
        raise InputError(f"record {path.name} is of another plan: take another path.")
    # only now: a file that is something else must stay as it is
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    if not lines:
        record._write(first)
        return
    for line in lines[1:]:
        step, verb = str(line.get("step")), str(line.get("verb"))
        if line.get("status") == "begun":
            record.begun = (step, verb)
        else:
            record.ended.append((step, verb, Outcome.from_dict(line.get("outcome", {}))))
            record.begun = None


def _line(text: str, path: Path) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):  # also nested too deeply
        line = None
    if not isinstance(line, dict):
        raise InputError(f"record {path.name} must hold JSON lines; got {text[:60]!r}.")
    return line
