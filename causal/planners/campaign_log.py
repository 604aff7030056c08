"""What was asked and told so far, in a file that is written whole after every step."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from physlearn.causal.json_files import file_text, read_json, write_json
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["CampaignLog", "Entry", "read_log", "write_log"]

FORMAT = "physlearn-planner-state-1"

Status = Literal["open", "told", "forgotten", "not done"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One question and what came of it.

    Attributes
    ----------
    number
        From 1, in the order of asking.
    act
        Index of the action.
    purpose
        "policy", "test the leader" or "reference".
    reason
        Why, in words.
    value
        What the act was worth under the policy.
    status
        "open", "told", "forgotten" (perhaps done, nobody knows) or "not done".
    told_as
        From 1, in the order of telling; 0 while open.
    outcome
        What was told.
    weights
        Of the hypotheses after it was told.
    """

    number: int
    act: int
    purpose: str
    reason: str
    value: float
    status: Status = "open"
    told_as: int = 0
    outcome: Outcome | None = None
    weights: tuple[float, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True)
class CampaignLog:
    """Everything that a planner must remember.

    Attributes
    ----------
    key
        Name of this campaign; questions of another one are refused by it.
    seed
        Of all draws.
    fingerprint
        sha256 of hypotheses, actions, envelope, budget and options.
    entries
        In the order of asking.
    revision
        How often the log changed.
    """

    key: str
    seed: int
    fingerprint: str
    entries: tuple[Entry, ...] = ()
    revision: int = 0

    def asked(self, entry: Entry) -> CampaignLog:
        """Return the log with one question more."""
        return replace(self, entries=(*self.entries, entry), revision=self.revision + 1)

    def changed(self, entry: Entry) -> CampaignLog:
        """Return the log with the entry of that number replaced."""
        entries = tuple(entry if e.number == entry.number else e for e in self.entries)
        return replace(self, entries=entries, revision=self.revision + 1)

    @property
    def told(self) -> tuple[tuple[Entry, Outcome], ...]:
        """Entries with their outcomes, in the order of telling."""
        done = [(e.told_as, e, e.outcome) for e in self.entries if e.outcome is not None]
        return tuple((e, outcome) for _, e, outcome in sorted(done, key=lambda item: item[0]))

    @property
    def open(self) -> tuple[Entry, ...]:
        """Entries that wait for an outcome."""
        return tuple(entry for entry in self.entries if entry.status == "open")

    @property
    def touched(self) -> tuple[Entry, ...]:
        """Entries whose act was done, may have been done, or is being done."""
        return tuple(entry for entry in self.entries if entry.status != "not done")


def state_path(state_file: str | os.PathLike[str]) -> Path:
    """Return where the state is to stand.

    Raises
    ------
    InputError
        For what is no path of a file, or lies in no folder.
    """
    if not isinstance(state_file, str | os.PathLike) or not os.fspath(state_file):
        raise InputError(f"state_file must be the path of a JSON file; got {state_file!r}.")
    path = Path(state_file)
    if not path.parent.is_dir():
        raise InputError(
            f"state_file must lie in a folder that exists; {os.fspath(path.parent)!r} does not."
        )
    if not path.exists() and not os.access(path.parent, os.W_OK):
        raise InputError(
            "state_file must lie in a folder that may be written; "
            f"{os.fspath(path.parent)!r} may not."
        )
    return path


def write_log(log: CampaignLog, path: str | os.PathLike[str]) -> None:
    """Write the log beside `path` and rename it there; refuse when another process changed it."""
    if Path(path).exists():
        there = read_log(path)
        if there.key != log.key or there.revision >= log.revision:
            raise InputError(
                f"state_file {os.fspath(path)!r} was changed by another planner since this one "
                "read it; close one of them and start anew from the file."
            )
    content = _plain(log)
    write_json({**content, "checksum": _checksum(content)}, path)


def read_log(path: str | os.PathLike[str]) -> CampaignLog:
    """Return the log of a state file.

    Raises
    ------
    InputError
        For a file that is no such log, or was edited.
    """
    text = file_text("state_file", path, "a planner's state")
    # any other beginning would be taken for the name of a file
    content = read_json(text, "a planner's state") if text.lstrip().startswith("{") else None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"state_file {os.fspath(path)!r} must hold the format {FORMAT!r}.")
    claimed = content.pop("checksum", None)
    if claimed != _checksum(content):
        raise InputError(
            f"state_file {os.fspath(path)!r} was changed after it was written; take the last copy "
            "that was not."
        )
    try:
        return CampaignLog(
            content["key"], content["seed"], content["fingerprint"],
            tuple(_entry(plain) for plain in content["entries"]), content["revision"],
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"state_file {os.fspath(path)!r} must hold a planner's whole state; it is damaged "
            f"({error})."
        ) from None


def _entry(plain: dict[str, Any]) -> Entry:
    outcome, weights = plain.pop("outcome"), plain.pop("weights")
    told = None if outcome is None else Outcome.from_dict(outcome)
    return Entry(**plain, outcome=told, weights=tuple(weights))


def _plain(log: CampaignLog) -> dict[str, Any]:
    entries = []
    for entry in log.entries:
        told = None if entry.outcome is None else entry.outcome.to_dict()
        plain = asdict(replace(entry, outcome=None))
        entries.append({**plain, "weights": list(entry.weights), "outcome": told})
    return {
        "format": FORMAT,
        "key": log.key,
        "seed": log.seed,
        "revision": log.revision,
        "fingerprint": log.fingerprint,
        "entries": entries,
    }


def _checksum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
