"""How a command speaks: sentences, or one JSON document, or only what went wrong."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physlearn.phrases import Answer

__all__ = ["Voice", "answer_document", "say_answers", "shown", "stop", "voice"]

stop = threading.Event()
"""Set by Ctrl-C: a compiled library that is just being imported may swallow the exception."""


@dataclass(slots=True)
class Voice:
    """What the user asked to hear.

    Attributes
    ----------
    quiet
        Nothing but errors.
    as_json
        One JSON document on standard output.
    keeps
        Steps that were done are kept, should the command be stopped.
    """

    quiet: bool = False
    as_json: bool = False
    keeps: bool = False

    def say(self, *lines: str) -> None:
        """Print lines for people."""
        if not (self.quiet or self.as_json):
            sys.stdout.write("".join(f"{line}\n" for line in lines))

    def give(self, document: Mapping[str, Any]) -> None:
        """Print the document for machines, where it was asked for."""
        if self.as_json:
            text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
            sys.stdout.write(text + "\n")


voice = Voice()
"""Of the command that runs in this process."""


@contextmanager
def shown() -> Iterator[Callable[[str, float], None]]:
    """Give a function that shows progress, or shows nothing where that was asked for."""
    from physlearn.shown_progress import shown_progress

    if not voice.quiet:
        with shown_progress(stop) as progress:
            yield progress
        return

    def silent(_title: str, _share: float) -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    yield silent


def say_answers(answers: list[Answer]) -> None:
    """Print the answers of a study, each in a line."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    for answer in answers:
        # Units and ranges stand in square brackets, which would be read as a style
        detail = f" [dim]{escape(answer.detail)}[/dim]" if answer.detail else ""
        asked = f"{answer.question}: " if answer.state == "none" else ""
        console.print(f"• {escape(asked + answer.sentence)}{detail}")


def answer_document(
    summary: Mapping[str, Any], report: str, files: list[str]
) -> dict[str, Any]:  # fmt: skip
    """Return what ``--json`` gives of a study.

    Examples
    --------
    >>> from physlearn.findings import Findings
    >>> from physlearn.summary import summarize
    >>> sorted(answer_document(summarize(Findings("a picture", 1)), "r.html", []))
    ['answers', 'files', 'ok', 'report', 'seed', 'steps', 'title', 'warnings']
    """
    return {
        "ok": True, "title": summary["title"], "report": report,
        "answers": [
            {"question": row["question"], "sentence": row["answer"], "state": row["state"],
             "detail": row["detail"]}
            for row in summary["headlines"]
        ],
        "files": files,
        "warnings": [row["text"] for row in summary["warnings"]],
        "steps": summary["steps"],
        "seed": summary["seed"],
    }  # fmt: skip
