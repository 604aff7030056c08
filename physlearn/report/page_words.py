"""How a page orders its answers, and says what was written for machines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from physlearn.phrases import Answer

__all__ = ["answer_groups", "plain_text"]

GROUPS = (
    ("What these data say", ("settled", "found", "hand")),
    ("What these data can’t tell", ("open",)),
    ("What to do next", ("plan", "twin", "simulated")),
    ("What could not be done", ("none",)),
)
"""Answers stand by how sure they are."""


def answer_groups(answers: Sequence[Answer]) -> list[tuple[str, list[Answer]]]:
    """Return answers by how sure they are, in their order; groups without any are left out.

    Examples
    --------
    >>> found = Answer("Which?", "This.", "settled")
    >>> [(title, len(part)) for title, part in answer_groups([found])]
    [('What these data say', 1)]
    """
    groups = [
        (title, [a for a in answers if a.state in states]) for title, states in GROUPS
    ]  # fmt: skip
    return [(title, part) for title, part in groups if part]


def plain_text(text: str) -> str:
    """Return a sentence that names columns and formulas as people write them.

    Examples
    --------
    >>> plain_text("bond_order: -0.4*curvature + c0 * drive")
    'bond order: −0.4 curvature + c0 drive'
    """
    text = re.sub(r"(?<=[a-z])_(?=[a-z])", " ", text.replace("**", "^"))
    return re.sub(r"(?<![\w.)])-(?=\d)", "−", re.sub(r" ?\* ?", " ", text))
