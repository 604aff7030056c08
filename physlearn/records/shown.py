"""What a session and a notebook show of any record or result: short, escaped, dark or light."""

from __future__ import annotations

import hashlib
import html
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["full_text", "html_table", "object_repr", "short_repr", "table_html"]

LONGEST_SHOWN = 4
ROWS_SHOWN = 5
COLUMNS_SHOWN = 8
LINES_SHOWN = 6
LINE_LETTERS = 96
TEXT_LETTERS = 70
SENTENCES_SHOWN = 4

STYLE = (
    "<style>.physlearn-shown{color:inherit;background:transparent;border-collapse:collapse;"
    "margin:.3em 0;font-size:90%}"
    ".physlearn-shown caption{color:inherit;text-align:left;font-weight:600;padding:0 0 .2em}"
    ".physlearn-shown th,.physlearn-shown td{color:inherit;background:transparent;"
    "border-bottom:1px solid rgba(128,128,128,.45);padding:.15em .8em .15em 0;"
    "text-align:left;vertical-align:top;white-space:normal}</style>"
)
"""The colours are the page's own, so that light and dark need no more; the rules stand alone."""


def short_repr(record: Any) -> str:
    """Return class and contents in one to six lines: arrays by shape, tables by size.

    Examples
    --------
    >>> from physlearn.records import SiteGraph
    >>> print(short_repr(SiteGraph(3, [[0, 1], [1, 2]], [0, 0], [1, 1])))
    SiteGraph(n_sites=3, edges=int64[2, 2], shell=[0, 0], multiplicity=[1, 1], unit='reduced')
    """
    return _in_lines(type(record).__name__, _contents(record))


def full_text(value: Any) -> str:
    """Return a text that differs whenever a number inside differs: for files that must match.

    Examples
    --------
    >>> full_text((0.1, np.array([1, 2]))) == full_text((0.1, np.array([1, 3])))
    False
    """
    if isinstance(value, np.ndarray):
        if value.size <= 16:
            return f"array({value.tolist()})"
        whole = np.ascontiguousarray(value).tobytes()
        return f"{value.dtype}{list(value.shape)}:{hashlib.sha256(whole).hexdigest()[:16]}"
    if is_dataclass(value) and not isinstance(value, type):
        inside = [f"{item.name}={full_text(getattr(value, item.name))}" for item in fields(value)]
        return f"{type(value).__name__}({', '.join(inside)})"
    if isinstance(value, Mapping):
        inside = [f"{key!r}: {full_text(item)}" for key, item in value.items()]
        return f"{{{', '.join(inside)}}}"
    if isinstance(value, tuple | list):
        return f"({', '.join(full_text(item) for item in value)})"
    return repr(value)


def object_repr(thing: Any, **contents: Any) -> str:
    """Return what `short_repr` would, for an object that is no dataclass."""
    return _in_lines(type(thing).__name__, [(name, _said(v)) for name, v in contents.items()])


def html_table(record: Any) -> str:
    """Return what a notebook shows: a table of the contents, warnings, and the first rows."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(text)}</td></tr>'
        for name, text in _contents(record)
        if name != "warnings"
    )
    name = html.escape(type(record).__name__)
    said = ""
    if any("__str__" in vars(kind) for kind in type(record).__mro__[:-1]):
        said = f"<p>{html.escape(textwrap.shorten(str(record), 600, placeholder=' ...'))}</p>"
    head = (
        f'{STYLE}{said}<table class="physlearn-shown"><caption>{name}</caption>'
        f"<tbody>{rows}</tbody></table>"
    )
    table = _first_table(record)
    below = "" if table is None else table_html(table.head(ROWS_SHOWN), _of(table))
    return head + below + _sentences(getattr(record, "warnings", ()))


def table_html(table: pd.DataFrame, caption: str = "") -> str:
    """Return a small table whose heads say of which column or row they are."""
    shown = table.iloc[:, :COLUMNS_SHOWN]
    heads = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in shown.columns)
    if shown.shape[1] < table.shape[1]:
        heads += f'<th scope="col">and {table.shape[1] - shown.shape[1]} more</th>'
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(_said(value, bare=True))}</td>' for value in row)}</tr>"
        for row in shown.itertuples(index=False)
    )
    said = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return (
        f'<table class="physlearn-shown">{said}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _sentences(sentences: object) -> str:
    if not isinstance(sentences, Sequence) or isinstance(sentences, str) or not sentences:
        return ""
    said = "".join(f"<li>{html.escape(str(text))}</li>" for text in sentences[:SENTENCES_SHOWN])
    more = len(sentences) - SENTENCES_SHOWN
    said += f"<li>and {more} more</li>" if more > 0 else ""
    return f"<ul>{said}</ul>"


def _first_table(record: Any) -> pd.DataFrame | None:
    """Return the table of a record that has one: ``to_pandas()``, or its field ``table``."""
    if hasattr(record, "to_pandas"):
        table: pd.DataFrame = record.to_pandas()
        return table
    given = getattr(record, "table", None)
    return given if type(given).__name__ == "DataFrame" else None


def _of(table: pd.DataFrame) -> str:
    return f"first {ROWS_SHOWN} of {len(table):,} rows" if len(table) > ROWS_SHOWN else ""


def _contents(record: Any) -> list[tuple[str, str]]:
    """Return name and text of every field, or attribute, that is public and holds something."""
    if is_dataclass(record):
        names = [item.name for item in fields(record)]
    else:
        names = list(getattr(record, "_fields", getattr(record, "__dict__", ())))
    given = [(name, getattr(record, name)) for name in names if not name.startswith("_")]
    return [(name, _said(value)) for name, value in given if not _is_empty(value)]


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | tuple | list | Mapping) and not value)


def _said(value: Any, *, bare: bool = False) -> str:
    """Return a value in a few words; ``bare`` texts stand without quotes."""
    if isinstance(value, str):
        text = textwrap.shorten(value, TEXT_LETTERS, placeholder=" ...") or value[:TEXT_LETTERS]
        return text if bare else repr(text)
    if value is None or isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, int | np.integer | complex | np.complexfloating):
        return f"{value}"
    if isinstance(value, np.ndarray):
        small = value.ndim == 1 and 0 < value.size <= LONGEST_SHOWN and value.dtype.kind in "biuf"
        inside = ", ".join(_said(item) for item in value) if small else ""
        return f"[{inside}]" if small else f"{value.dtype}{list(value.shape)}"
    return _said_of_many(value)


def _said_of_many(value: Any) -> str:
    name = type(value).__name__
    if name in ("DataFrame", "Series"):
        return f"table of {len(value):,} rows"
    if name in ("DataArray", "Dataset"):
        sizes = ", ".join(f"{dim}: {size}" for dim, size in value.sizes.items())
        return f"{name}({sizes})"
    if hasattr(value, "shape") and not callable(value.shape):
        return f"{name}{list(value.shape)}"
    if isinstance(value, Mapping):
        few = len(value) <= LONGEST_SHOWN and all(_is_plain(v) for v in value.values())
        inside = ", ".join(f"{key}: {_said(item)}" for key, item in value.items()) if few else ""
        return f"{{{inside}}}" if few and len(inside) <= TEXT_LETTERS else f"{len(value)} entries"
    if isinstance(value, tuple | list | set | frozenset):
        return _said_of_sequence(value)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__name__")):
        return f"{value.__name__}" if value.__name__ != "<lambda>" else "a function"
    if isinstance(value, Collection):
        return f"{name} of {len(value)} entries"
    return name


def _said_of_sequence(value: Collection[Any]) -> str:
    brackets = "()" if isinstance(value, tuple) else "[]" if isinstance(value, list) else "{}"
    if len(value) <= LONGEST_SHOWN and all(_is_plain(item) for item in value):
        inside = ", ".join(_said(item) for item in value)
        if len(inside) <= TEXT_LETTERS:
            comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
            return f"{brackets[0]}{inside}{comma}{brackets[1]}"
    kinds = {type(item).__name__ for item in value}
    many = len(value) != 1
    if len(kinds) == 1 and not any(_is_plain(item) for item in value):
        return f"{len(value)} {kinds.pop()}" if many else f"one {kinds.pop()}"
    return f"{len(value)} entries" if many else "one entry"


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return len(value) <= LONGEST_SHOWN and all(_is_plain(item) for item in value)
    return value is None or isinstance(value, str | bool | int | float | np.generic)


def _in_lines(name: str, contents: Iterable[tuple[str, str]]) -> str:
    """Return ``name(a=1, b=2)`` in lines of about 96 letters, at most six of them."""
    parts = [f"{field}={text}" for field, text in contents]
    lines, line = [], f"{name}("
    for number, part in enumerate(parts):
        end = ")" if number == len(parts) - 1 else ", "
        if len(line) + len(part) + 1 > LINE_LETTERS and line.strip() and number:
            lines.append(line.rstrip())
            line = "  "
            if len(lines) == LINES_SHOWN - 1:
                last = f"{line}and {len(parts) - number} more: {', '.join(_names(parts[number:]))}"
                return "\n".join([*lines, f"{textwrap.shorten(last, 90, placeholder=' ...')})"])
        line += part + end
    return "\n".join([*lines, line if parts else f"{name}()"])


def _names(parts: Sequence[str]) -> list[str]:
    return [part.split("=", 1)[0] for part in parts]
