"""One self-contained page from the findings of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from physlearn.atom_words import atom_answers
from physlearn.findings import Findings
from physlearn.law_words import law_sentences
from physlearn.report.advice import grouped_warnings, narrow
from physlearn.report.beside import assumptions, assumptions_by_section, warnings_by_section
from physlearn.report.campaign_prose import campaign_context
from physlearn.report.downloads import csv_text, data_link, report_tables
from physlearn.report.explorer import LEGEND_MARKS, build_explorer
from physlearn.report.methods import bibliography, methods_paragraph
from physlearn.report.page import fill_page, page_file
from physlearn.report.page_words import answer_groups, plain_text
from physlearn.report.patch_prose import patch_rows, patches_text, repeat_text
from physlearn.report.picture import Picture
from physlearn.report.plan_prose import plan_rows, plan_text
from physlearn.report.prose import (
    atoms_text,
    laws_text,
    lead,
    methods,
    scale_notes,
    walls_text,
    what_if,
)
from physlearn.track_words import track_answers, tracks_text
from physlearn.wall_words import CALLED, forecast_text, wall_answers
from physlearn.warning_codes import warning_code, warning_title
from physlearn.words import (
    as_sentence,
    headlines,
    interval_text,
    said_interval,
    said_number,
    unit_text,
)

__all__ = ["build_report"]

CHIPS = {
    "settled": "settled by these data",
    "found": "found here; an intervention would settle it",
    "hand": "selected by hand",
    "open": "these data can’t tell",
    "none": "not done",
    "plan": "proposed",
    "twin": "rehearsed on a digital twin",
    "simulated": "simulated before the first act",
}
SECTIONS = (
    ("truth", "Truth beside answer"), ("picture", "Atoms"),
    ("couplings", "Couplings"), ("patches", "Patches"), ("causes", "Causes"), ("walls", "Walls"),
    ("laws", "Laws"), ("motion", "Motion"), ("next", "Next experiment"),
    ("rehearsal", "Rehearsal"), ("assumptions", "Assumptions"), ("warnings", "Warnings"),
    ("methods", "Methods"), ("files", "Files"),
)  # fmt: skip
SMALLEST_WEIGHT = 0.01


def build_report(
    findings: Findings,
    summary: Mapping[str, Any],
    pictures: Mapping[str, Picture],
    artefacts: Sequence[str],
) -> str:
    """Return the page as HTML text that asks for nothing outside itself.

    Parameters
    ----------
    findings
        What the study found.
    summary
        From ``summarize``.
    pictures
        From ``draw_pictures``.
    artefacts
        Names of the files in the study's folder.

    Examples
    --------
    >>> from physlearn.summary import summarize
    >>> found = Findings("A picture <1>", 3)
    >>> page = build_report(found, summarize(found), {}, ["summary.json"])
    >>> "A picture &lt;1&gt;" in page, "https:" in page
    (True, False)
    """
    return fill_page("template.html.j2", _context(findings, summary, pictures, artefacts))


def _context(
    findings: Findings,
    summary: Mapping[str, Any],
    pictures: Mapping[str, Picture],
    artefacts: Sequence[str],
) -> dict[str, Any]:
    answers = headlines(findings)
    has_image, has_video = findings.image is not None, findings.video is not None
    hidden = set()
    if not has_image:
        hidden |= {"picture", "couplings", "patches", "causes"}
    if not has_video:
        hidden |= {"walls", "laws"}
    if findings.trajectory is None:
        hidden.add("motion")
    if summary["truth"] is None:
        hidden.add("truth")
    if all(note.name != "campaign" for note in findings.notes):
        hidden.add("rehearsal")
    return {
        "title": findings.title,
        "version": summary["versions"]["physlearn"],
        "lead": lead(findings),
        "scale_notes": scale_notes(findings),
        "contents": [(anchor, text) for anchor, text in SECTIONS if anchor not in hidden],
        "answer_groups": answer_groups(answers),
        "coupling_answers": [a for a in answers if a.question.startswith("Who sits")],
        "wall_answers": list(wall_answers(findings)),
        "chips": CHIPS,
        "as_sentence": as_sentence,
        "warning_code": warning_code,
        "warning_title": warning_title,
        "plain": plain_text,
        "planted": _planted(summary["truth"]),
        "assumptions": assumptions(findings),
        "assumed": assumptions_by_section(findings),
        "warned": warnings_by_section(findings.warnings()),
        "has_image": has_image,
        "has_video": has_video,
        "has_tracks": findings.trajectory is not None,
        "tracks_text": tracks_text(findings),
        "track_answers": list(track_answers(findings)),
        "force_rows": [number_row(row) for row in summary["pair_force"]],
        "hop_rows": [number_row(row) for row in summary["hop_rates"]],
        "notes": findings.notes,
        "pictures": dict(pictures),
        "atoms_text": atoms_text(findings),
        "atom_answers": list(atom_answers(findings))[1:],
        "lattice_declared": findings.lattice is not None,
        "coupling_rows": [number_row(row) for row in summary["couplings"]],
        "patches_text": patches_text(findings),
        "repeat_text": repeat_text(findings),
        "patch_rows": patch_rows(summary["patches"]),
        "spectrum_pictures": [name for name in pictures if name.startswith("spectra_")],
        "patch_pictures": [name for name in pictures if name.startswith("patch_")],
        "graph_claims": findings.graph.claims() if findings.graph else [],
        "effect_rows": [_effect_row(row) for row in summary["effects"]],
        "what_if": what_if(findings),
        "walls_text": walls_text(findings),
        "forecast_text": forecast_text(findings),
        "wall_pictures": [name for name in pictures if name.startswith("walls_")],
        "wall_rows": [number_row(row) for row in summary["wall_parameters"]],
        "law_rows": _law_rows(summary["laws"]),
        "laws_text": laws_text(findings),
        "law_sentences": [] if findings.laws is None else law_sentences(findings.laws),
        "plan_rows": plan_rows(findings),
        "plan_text": plan_text(),
        "rehearsed": "rehearsal" not in hidden,
        "campaign": campaign_context(findings),
        "narrow": narrow(findings),
        "warnings": grouped_warnings(findings.warnings()),
        "methods": methods(findings),
        "artefacts": artefacts,
        "seed": findings.seed,
        "versions": summary["versions"],
        **_taken_away(findings, summary, artefacts),
        **_explored(findings),
    }


def _taken_away(
    findings: Findings, summary: Mapping[str, Any], artefacts: Sequence[str]
) -> dict[str, Any]:
    """Return what a reader takes away: tables as links, the methods for a paper, its references."""
    book = bibliography(findings, summary["versions"]["physlearn"])
    return {
        "tables": {
            name: data_link(csv_text(rows), "text/csv")
            for name, rows in report_tables(findings, summary).items()
        },
        "paper": methods_paragraph(findings, summary["versions"]),
        "book": book,
        "book_link": data_link(book, "text/plain"),
        "beside": set(artefacts),
    }


def _explored(findings: Findings) -> dict[str, Any]:
    """Return the picture that can be zoomed into, and the scripts of the page."""
    explorer = build_explorer(findings)
    scripts = ["page.js"] if explorer is None else ["page.js", "panzoom.min.js", "explorer.js"]
    return {
        "explorer": explorer,
        "shapes": LEGEND_MARKS,
        "scripts": [Markup(page_file(name)) for name in scripts],  # noqa: S704 -- our own files
    }


def number_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one number of the summary in words, with the positions of its strip."""
    mean, low, high = said_interval(row["mean"], row["q05"], row["q95"])
    return {
        "label": label(str(row["name"])),
        "mean": mean,
        "low": low,
        "high": high,
        "unit": unit_text(str(row["unit"])),
        "verdict": row["verdict"],
        "strip": strip(row["mean"], row["q05"], row["q95"], zero=True),
    }


def label(name: str) -> str:
    """Return the name of a number as people say it.

    Examples
    --------
    >>> label("couplings[1]"), label("drive_mobility")
    ('coupling J, shell 1', 'drive mobility')
    """
    if name in CALLED:
        return CALLED[name]
    stem, _, inside = name.rstrip("]").partition("[")
    if stem == "couplings":
        return f"coupling J, shell {inside}"
    if stem == "force":
        return f"force at {said_number(float(inside))}"
    return f"{stem.replace('_', ' ')} {inside}".strip()


def strip(
    mean: float | None,
    low: float | None,
    high: float | None,
    *,
    truth: float | None = None,
    zero: bool = False,
) -> dict[str, float | None] | None:
    """Return where the parts of an interval's strip stand, in per cent of its width.

    Examples
    --------
    >>> strip(0.5, 0.0, 1.0)["mean"]
    50.0
    """
    if mean is None or low is None or high is None:
        return None
    inside = [low, high] + ([] if truth is None else [truth])
    if zero and min(abs(low), abs(high)) < 4 * (high - low):
        inside.append(0.0)
    left, right = min(inside), max(inside)
    margin = 0.14 * (right - left) or 1.0
    left, right = left - margin, right + margin

    def place(value: float) -> float:
        return round(100 * (value - left) / (right - left), 2)

    return {
        "low": place(low), "width": round(place(high) - place(low), 2), "mean": place(mean),
        "truth": None if truth is None else place(truth),
        "zero": place(0.0) if 0.0 in inside else None,
    }  # fmt: skip


def equation_text(equation: str) -> str:
    """Return an equation as people write it.

    Examples
    --------
    >>> equation_text("-0.38*curvature**2 + 0.5*drive")
    '−0.38 curvature^2 + 0.5 drive'
    """
    return equation.replace("**", "^").replace("*", " ").replace("-", "−")


def _planted(truth: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if truth is None:
        return None
    rows = []
    for row in truth["parameters"]:
        unit = unit_text(str(row["unit"]))
        found = "could not be found"
        verdict = "no answer"
        if row["mean"] is not None:
            found = interval_text(row)
            verdict = "inside the 90 % interval" if row["inside"] else "outside the 90 % interval"
        rows.append(
            {
                "label": label(row["name"]),
                "truth": f"{said_number(row['truth'])} {unit}",
                "found": found,
                "inside": row["inside"],
                "verdict": verdict,
                "strip": strip(row["mean"], row["q05"], row["q95"], truth=row["truth"]),
            }
        )
    for row in truth["effects"]:
        name = f"effect of {row['cause']} on {row['outcome']}".replace("_", " ")
        verdict = "inside the 90 % interval" if row["inside"] else "outside the 90 % interval"
        rows.append(
            {
                "label": name,
                "truth": f"{said_number(row['truth'])} {unit_text(str(row['unit']))}",
                "found": "no one number" if row["mean"] is None else interval_text(row),
                "inside": row["inside"],
                "verdict": verdict,
                "strip": strip(row["mean"], row["q05"], row["q95"], truth=row["truth"]),
            }
        )
    said = {True: "found", False: "missed", None: "not judged: no graph"}
    lines = [
        (f"Planted cause: {c['cause']} of {c['effect']}: {said[c['found']]}.".replace("_", " "),
         bool(c["found"]))
        for c in truth["causes"]
    ]  # fmt: skip
    spared = {
        False: "not called a cause of the response",
        True: "wrongly called a cause of the response",
        None: "not judged: no graph",
    }
    lines += [
        (f"Planted bystander, column {d['name']}: {spared[d['called_a_cause']]}.".replace("_", " "),
         d["called_a_cause"] is False)
        for d in truth["distractors"]
    ]  # fmt: skip
    return {"rows": rows, "lines": lines}


def _effect_row(row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row["contrast"]
    unit = unit_text(str(row["unit"]))
    mean, ends = "–", "–"
    if row["q05"] is not None:
        middle = 0.5 * (row["q05"] + row["q95"]) if row["mean"] is None else row["mean"]
        mean, left, right = said_interval(middle, row["q05"], row["q95"])
        ends = f"{left} to {right}"
    if row["mean"] is None:
        mean = "no one number"
    return {
        "label": f"{row['cause']} on {row['outcome']}".replace("_", " "),
        "contrast": f"{said_number(low)} to {said_number(high)}",
        "mean": mean,
        "interval": ends,
        "unit": unit,
        "held": (", ".join(row["adjustment_set"]).replace("_", " ") or "nothing")
        if row["mean"] is not None
        else row["reason"],
    }


def _law_rows(laws: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    kept = sorted(
        (row for row in laws if row["weight"] is not None and row["weight"] >= SMALLEST_WEIGHT),
        key=lambda row: -float(row["weight"]),
    )
    return [
        {
            "equation": equation_text(str(row["equation"])), "weight": f"{row['weight']:.0%}",
            "complexity": row["complexity"], "loss": said_number(row["loss"]),
        }
        for row in kept
    ]  # fmt: skip
