"""What a reader takes away: every table as CSV, every figure as dots and as lines, BibTeX."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physlearn.findings import Findings
from physlearn.report.methods import bibliography, methods_paragraph
from physlearn.warning_codes import warning_code

if TYPE_CHECKING:
    from physlearn.report.picture import Picture

__all__ = ["csv_text", "data_link", "report_tables", "write_downloads"]

Row = Mapping[str, Any]
DERIVED = {"strip"}


def report_tables(findings: Findings, summary: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Return the tables of a report by name, with the numbers as they are and not as said.

    Examples
    --------
    >>> from physlearn.summary import summarize
    >>> found = Findings("a picture", 1)
    >>> sorted(report_tables(found, summarize(found)))
    []
    """
    truth = summary["truth"] or {"parameters": [], "effects": []}
    tables: dict[str, list[Row]] = {
        "answers": list(summary["headlines"]),
        "planted_numbers": list(truth["parameters"]),
        "planted_effects": list(truth["effects"]),
        "couplings": list(summary["couplings"]),
        "correlations": list(summary["correlations"]),
        "causal_links": [] if summary["graph"] is None else list(summary["graph"]["edges"]),
        "effects": [_flat(row) for row in summary["effects"]],
        "wall_parameters": list(summary["wall_parameters"]),
        "laws": [_flat(row) for row in summary["laws"]],
        "pair_force": list(summary["pair_force"]),
        "hop_rates": list(summary["hop_rates"]),
        "warnings": [
            {"from": source, "warning": text, "code": warning_code(text)}
            for source, text in findings.warnings()
        ],
        "steps": [
            {"step": note.name, "title": note.title, "status": note.status, "reason": note.reason,
             "seconds": round(note.seconds, 3)}
            for note in findings.notes
        ],
    }  # fmt: skip
    return {name: rows for name, rows in tables.items() if rows}


def _flat(row: Row) -> Row:
    """Return a row without what is no single cell: lists become words."""
    return {
        key: "; ".join(str(part) for part in value) if isinstance(value, list | tuple) else value
        for key, value in row.items()
        if not isinstance(value, dict)
    }


def csv_text(rows: Sequence[Row]) -> str:
    """Return rows as CSV; what is not known is an empty cell.

    Examples
    --------
    >>> csv_text([{"a": 1, "b": None}, {"a": 2, "c": "x, y"}]).splitlines()
    ['a,b,c', '1,,', '2,,"x, y"']
    """
    names = list(dict.fromkeys(key for row in rows for key in row if key not in DERIVED))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(row.get(key)) for key in names})
    return stream.getvalue()


def _cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, str) and value[:1] in "=+-@\t":
        return "'" + value
    return value


def data_link(text: str, kind: str) -> str:
    """Return a text as a link that needs no file.

    Examples
    --------
    >>> data_link("a", "text/csv")
    'data:text/csv;charset=utf-8;base64,YQ=='
    """
    coded = base64.b64encode(text.encode("utf-8")).decode("ascii")
    return f"data:{kind};charset=utf-8;base64,{coded}"


def write_downloads(
    findings: Findings, summary: Mapping[str, Any], pictures: Mapping[str, Picture], folder: Path
) -> list[str]:
    """Write figures, tables, the methods paragraph and its references; return their names.

    Parameters
    ----------
    findings, summary, pictures
        Of the study.
    folder
        Of the study; ``figures`` and ``tables`` are made inside.

    Examples
    --------
    >>> import tempfile
    >>> from physlearn.summary import summarize
    >>> found = Findings("a picture", 1)
    >>> write_downloads(found, summarize(found), {}, Path(tempfile.mkdtemp()))
    ['methods.txt', 'references.bib']
    """
    names: list[str] = []

    def put(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        names.append(name)

    for name, picture in pictures.items():
        put(f"figures/{name}.png", picture.png)
        put(f"figures/{name}.svg", picture.svg)
    for name, rows in report_tables(findings, summary).items():
        put(f"tables/{name}.csv", csv_text(rows).encode("utf-8"))
    text = "\n\n".join(methods_paragraph(findings, summary["versions"])) + "\n"
    put("methods.txt", text.encode("utf-8"))
    book = bibliography(findings, summary["versions"]["physlearn"])
    put("references.bib", book.encode("utf-8"))
    return names
