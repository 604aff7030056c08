"""Codes of the sentences that stand beside results: one a kind, with a page in docs/warnings.

The sentences themselves stay plain text, so that they pass through files, tables and reports as
they are; their code is found by their words. ``warning_codes.txt`` lists them, ``{}`` where a
number or a name stands. A sentence never leaves that list: files of earlier releases hold it.
"""

from __future__ import annotations

import functools
import re
from importlib import resources

__all__ = ["warning_code", "warning_codes", "warning_page", "warning_title", "with_code"]

HEADINGS = {"means": "What it means.", "why": "Why.", "do": "What to do."}
Kind = tuple[str, dict[str, str]]
GAP = re.compile(r"\{\w*(?::[^{}]*)?\}")


def warning_code(sentence: str) -> str:
    """Return the code of a warning or note of ours, empty for any other text.

    Parameters
    ----------
    sentence
        An element of ``fit.warnings``, of a record's ``warnings``, or of a report.

    Examples
    --------
    >>> warning_code("the fit of the best laws did not settle")
    'PL101'
    >>> warning_code("scan 2: 3 line(s) jumped in one scan and are left out there.")
    'PL504'
    >>> warning_code("good morning")
    ''
    """
    return _code(" ".join(sentence.split()))


def warning_title(code: str) -> str:
    """Return what a code means, in a few words.

    Examples
    --------
    >>> warning_title("PL101")
    'The search did not settle'
    """
    return _registry()[0].get(code, ("", {}))[0]


def warning_page(code: str) -> str:
    """Return a code's page: what it means, why it is said, what to do; empty for no code.

    The pages stand in ``docs/warnings``, too.

    Examples
    --------
    >>> warning_page("PL105").splitlines()[0]
    '# PL105: The search was stopped'
    """
    kinds = _registry()[0]
    if code not in kinds:
        return ""
    title, said = kinds[code]
    parts = [f"**{HEADINGS[name]}** {text}" for name, text in said.items()]
    return "\n\n".join([f"# {code}: {title}", *parts]) + "\n"


def with_code(sentence: str) -> str:
    """Return the sentence with its code behind it, where it has one.

    Examples
    --------
    >>> with_code("the fit of the best laws did not settle")
    'the fit of the best laws did not settle [PL101]'
    """
    code = warning_code(sentence)
    return f"{sentence} [{code}]" if code else sentence


@functools.lru_cache(maxsize=4096)
def _code(sentence: str) -> str:
    for code, pattern in _registry()[1]:
        if pattern.search(sentence):
            return code
    return ""


@functools.cache
def _registry() -> tuple[dict[str, Kind], list[tuple[str, re.Pattern[str]]]]:
    kinds: dict[str, Kind] = {}
    listed: list[tuple[str, str]] = []
    text = resources.files("physlearn").joinpath("warning_codes.txt").read_text(encoding="utf-8")
    code = ""
    for line in text.splitlines():
        if line.startswith("PL"):
            code, title = line.split(" ", 1)
            kinds[code] = (title, {})
        elif line.startswith("  "):
            listed.append((code, line.strip()))
        else:
            name, said = line.split(": ", 1)
            kinds[code][1][name] = said
    # What is said at more length is tried first: a short sentence may be a part of a long one
    listed.sort(key=lambda one: -len(GAP.sub("", one[1])))
    return kinds, [(code, _pattern(template)) for code, template in listed]


def warning_codes() -> list[str]:
    """Return every code there is.

    Examples
    --------
    >>> "PL101" in warning_codes()
    True
    """
    return sorted(_registry()[0])


def _pattern(template: str) -> re.Pattern[str]:
    # The ends may be missing: sentences are joined to others, and given a place in front
    parts = [part for part in GAP.split(template) if part.strip()]
    return re.compile(".*?".join(re.escape(part) for part in parts), re.DOTALL)
