"""Reference pages of every public name: one page a topic, made from the lazy ``__all__`` tables."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

PACKAGES = {
    "physlearn": "Records, results and the study",
    "physlearn.datasets": "From files to records",
    "physlearn.inference": "From records to posteriors and laws",
    "physlearn.causal": "Causes, effects and plans",
    "physlearn.lattice_models": "Forward models",
    "physlearn.lattice_models.fields": "Fields, one step at a time",
    "physlearn.records": "What was observed",
    "physlearn.plots": "Plots",
    "physlearn.live": "A folder that frames arrive in",
}
NOT_OURS = "set_fit_request, set_predict_request, set_score_request"
INSIDE = r"(?:(?!\n\s*\n)[^`])"
CODE = re.compile(rf"``(?:(?!``|\n\s*\n).)*``|:\w+:`{INSIDE}*`|`{INSIDE}+`", re.DOTALL)
ACTIVE = re.compile(r"[*|\\]|(?<=\w)_(?!\w)")


def public_names() -> Iterator[tuple[str, str, Any]]:
    """Every public name with its package and value; a name shown by a package above is left out."""
    seen: set[tuple[int, str]] = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in sorted(module.__all__):
            value = getattr(module, name)
            if (id(value), name) not in seen:
                yield package, name, value
            seen.add((id(value), name))


def topic_of(package: str, value: Any) -> str:
    """Name of the page of a value: its sub-package, or its package."""
    home = getattr(inspect.unwrap(value), "__module__", package)
    inside = home.removeprefix(f"{package}.")
    if inside == home or "." not in inside:
        return package
    return f"{package}.{inside.split('.')[0]}"


def directive(package: str, name: str, value: Any) -> str:
    """Entry of one name."""
    kind = "function"
    if isinstance(value, type):
        kind = "exception" if issubclass(value, Exception) else "class"
    elif not callable(value):
        kind = "data"
    members = f"\n   :members:\n   :exclude-members: {NOT_OURS}" if kind == "class" else ""
    return f".. auto{kind}:: {package}.{name}{members}\n"


def first_sentence(value: Any) -> str:
    """Return what a name is, in a line."""
    text = inspect.getdoc(value) or ""
    if isinstance(value, (str, float, int, tuple)):
        return "A constant."
    return escape(" ".join(text.partition("\n\n")[0].split()))


def api_pages() -> dict[str, str]:
    """Every page by its name below generated/api."""
    topics: dict[str, list[tuple[str, str, Any]]] = defaultdict(list)
    for package, name, value in public_names():
        topics[topic_of(package, value)].append((package, name, value))
    pages, lists = {}, []
    for package, title in PACKAGES.items():
        own = [topic for topic in sorted(topics) if topics[topic][0][0] == package]
        if not own:
            continue
        lists += [_heading(f"{package}: {title}", "-"), _table(own, topics)]
        for topic in own:
            pages[f"{topic}.rst"] = _page(topic, topics[topic])
    pages["index.rst"] = "\n".join([
        _heading("Reference", "="),
        "Every public name, with its shapes, units, errors and a running example. "
        "``from physlearn.inference import fit_langevin`` and the like: import from the package "
        "that heads the list.\n",
        *lists,
        ".. toctree::\n   :hidden:\n\n" + "\n".join(f"   {topic}" for topic in sorted(topics)),
    ])  # fmt: skip
    return pages


def _table(own: list[str], topics: dict[str, list[tuple[str, str, Any]]]) -> str:
    lines = [".. list-table::", "   :widths: 35 65", ""]
    for topic in own:
        for package, name, value in topics[topic]:
            lines.append(f"   * - :py:obj:`{name} <{package}.{name}>`")
            lines.append(f"     - {first_sentence(value)}")
    return "\n".join([*lines, ""])


def _page(topic: str, names: list[tuple[str, str, Any]]) -> str:
    about = (importlib.import_module(topic).__doc__ or "").strip().partition("\n\n")[0]
    return "\n".join([
        _heading(topic, "="), escape(" ".join(about.split())) + "\n",
        *(directive(*entry) for entry in names),
    ])  # fmt: skip


def _heading(text: str, mark: str) -> str:
    return f"{text}\n{mark * len(text)}\n"


def escape(text: str) -> str:
    """Return text in which stars, bars and trailing underscores outside code mean themselves."""
    done, at = "", 0
    for span in CODE.finditer(text):
        done += ACTIVE.sub(r"\\\g<0>", text[at : span.start()]) + span.group(0)
        at = span.end()
        if span.group(0).startswith("``") and text[at : at + 1].isalnum():
            done += "\\ "  # the plural of a name
    return done + ACTIVE.sub(r"\\\g<0>", text[at:])


def escape_docstring(
    app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Keep the formulas of a docstring as they were written, outside math and examples."""
    del app, name, value, options
    done: list[str] = []
    prose: list[str] = []
    math, code = None, False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if math is not None and line.strip() and indent <= math:
            math = None
        if line.lstrip().startswith(".. math::"):
            math = indent
        code = line.lstrip().startswith(">>>") or (code and bool(line.strip()))
        if math is None and not code:
            prose.append(line)
            continue
        done += [*escape("\n".join(prose)).split("\n"), line] if prose else [line]
        prose = []
    if prose:
        done += escape("\n".join(prose)).split("\n")
    if what in ("attribute", "data", "property"):  # or else what stands before it is read as a type
        done = [re.sub(r"(?<!:):(?=\s|$)", " |colon|", line) for line in done]
    lines[:] = done
