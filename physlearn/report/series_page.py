"""The overview of several studies: sentences, figures and tables of what differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.phrases import Answer, said_interval, unit_text
from physlearn.results import library_versions, plain_json
from physlearn.series_numbers import SIGNIFICANT, holm, judged

if TYPE_CHECKING:
    from physlearn.report.picture import Picture
    from physlearn.series import Member, SeriesResult

__all__ = ["build_series_report", "draw_series", "series_answers", "series_content"]

MOST_FIGURES = 12
MOST_ANSWERS = 6
BOLTZMANN_MEV_PER_KELVIN = 0.08617333262
AXES = {
    "temperature_K": ("temperature", "K"), "composition": ("composition", ""),
    "dose": ("dose", ""), "time_s": ("time", "s"),
}  # fmt: skip
CHIPS = {
    "found": "seen in these data", "open": "these data can’t tell", "none": "not done",
    "settled": "settled by these data",
}  # fmt: skip


def series_answers(result: SeriesResult) -> list[Answer]:
    """Return the sentences that head the overview: what differs, what does not, what is pooled."""
    from physlearn.report.builder import label

    view = result.overview
    if view.kind == "nothing":
        return [Answer("What differs between the inputs?", view.notes[0], "none")]
    verdicts = verdicts_of(result)
    answers = _pooled_answers(result)
    seen = [name for name, (state, _) in verdicts.items() if state == "found"]
    for name in seen[:MOST_ANSWERS] if view.kind != "repeats" else ():
        row = view.rows[name]
        word = verdicts[name][1]
        answers.append(
            Answer(_question(view.kind), f"{_capital(label(name))} {word}.", "found",
                   f"{_change_text(result, row)}, 90 % interval")
        )  # fmt: skip
    rest = [name for name in verdicts if name not in seen]
    if view.kind != "repeats" and rest:
        counted = "None" if not seen else f"{len(rest)}"
        sentence = (
            f"{counted} of the {len(verdicts)} numbers compared show{'s' * (not seen)} "
            f"{'a' if not seen else 'no'} change that these data could tell from chance."
        )
        answers.append(Answer(_question(view.kind), sentence, "open", ", ".join(
            label(name) for name in rest[:MOST_ANSWERS]) + (" …" if len(rest) > MOST_ANSWERS
                                                            else "")))  # fmt: skip
    if view.kind == "repeats":
        answers += _repeat_answers(result)
    if not view.rows:
        answers.append(
            Answer(_question(view.kind), "The inputs have no number in common that could be "
                   "compared.", "none")
        )  # fmt: skip
    return answers


def _question(kind: str) -> str:
    if kind == "before_after":
        return "What changed?"
    return "Do repeats agree?" if kind == "repeats" else f"What follows the {AXES[kind][0]}?"


def _repeat_answers(result: SeriesResult) -> list[Answer]:
    from physlearn.report.builder import label

    rows = result.overview.rows
    apart = [name for name, (state, _) in verdicts_of(result).items() if state == "found"]
    if apart:
        names = ", ".join(label(name) for name in apart[:MOST_ANSWERS])
        sentence = (
            f"{len(apart)} of {len(rows)} numbers differ between the repeats by more than their "
            "own errors say: the places differ, or an error is too small."
        )
        return [Answer("Do repeats agree?", sentence, "found", names)]
    return [Answer("Do repeats agree?", f"All {len(rows)} numbers agree within their errors.",
                   "settled")]  # fmt: skip


def _pooled_answers(result: SeriesResult) -> list[Answer]:
    fit = result.overview.pooled
    if fit is None:
        return []
    answers = []
    n_inputs = len(result.members)
    draws = fit["population"].reshape(len(fit["population"]), -1)
    reference = float(fit.attrs["covariate_reference"])
    for shell in range(draws.shape[1]):
        values, unit = draws[:, shell], "kT"
        where = "" if result.overview.kind == "repeats" else f" at {reference:.4g}"
        name = f"coupling J of shell {shell + 1}{where}"
        if result.overview.kind == "temperature_K":
            values, unit = -values * BOLTZMANN_MEV_PER_KELVIN * reference, "meV"
            name = f"interaction energy V = −J kT of shell {shell + 1}"
        low, high = np.quantile(values, [0.05, 0.95])
        mean, first, last = said_interval(float(values.mean()), float(low), float(high))
        settled = low > 0 or high < 0
        answers.append(
            Answer("What do all inputs say together?",
                   f"Pooled over {n_inputs} inputs, the {name} is {mean} {unit}.",
                   "settled" if settled else "open", f"[{first} to {last}] {unit}, 90 % interval")
        )  # fmt: skip
    return answers


def verdicts_of(result: SeriesResult) -> dict[str, tuple[str, str]]:
    """Return the state and the verdict of every comparison."""
    view = result.overview
    if view.kind == "repeats":
        together = holm([row.p_value for row in view.rows.values()])
        return {
            name: ("found", "the repeats differ beyond their errors") if p < SIGNIFICANT
            else ("settled", "the repeats agree")
            for name, p in zip(view.rows, together, strict=True)
        }  # fmt: skip
    if view.kind == "before_after":
        return judged(view.rows, up="rose", down="fell", nothing="changed")
    if view.kind not in AXES:
        return {}
    axis = AXES[view.kind][0]
    return judged(
        view.rows, up=f"rises with {axis}", down=f"falls with {axis}", nothing=f"follows {axis}"
    )


def _change_text(result: SeriesResult, row: Any) -> str:
    """Return a difference, a common value, or the change over the whole range, in words."""
    low, high = _range(result)
    span = high - low if result.overview.kind in AXES else 1.0
    mean, first, last = said_interval(row.mean * span, row.low * span, row.high * span)
    unit = unit_text(row.unit.removesuffix(" per unit"))
    return f"{mean} [{first} to {last}] {unit}".strip()


def _range(result: SeriesResult) -> tuple[float, float]:
    kind = result.overview.kind
    values = [one.covariates[kind] for one in result.members if kind in one.covariates]
    return (min(values), max(values)) if values else (0.0, 1.0)


def _what(result: SeriesResult) -> str:
    kind = result.overview.kind
    if kind in AXES:
        low, high = _range(result)
        return f"Change from {low:g} to {high:g} {AXES[kind][1]}".strip()
    return "Common value" if kind == "repeats" else "Change, after minus before"


def series_content(result: SeriesResult) -> dict[str, Any]:
    """Return what ``summary.json`` of a series holds."""
    verdicts = verdicts_of(result)
    content = {
        "format": "physlearn-series-1",
        "title": result.title,
        "kind": result.overview.kind,
        "answers": [
            {"question": a.question, "answer": a.sentence, "state": a.state, "detail": a.detail}
            for a in series_answers(result)
        ],
        "inputs": [
            {"label": one.label, "folder": one.folder, "covariates": dict(one.covariates),
             "headlines": one.summary["headlines"]}
            for one in result.members
        ],
        "compared": [
            {"name": name, "unit": row.unit, "mean": row.mean, "q05": row.low, "q95": row.high,
             "p_value": row.p_value, "scatter": row.scatter, "verdict": verdicts[name][1]}
            for name, row in result.overview.rows.items()
        ],
        "notes": list(result.overview.notes),
        "warnings": [*result.remarks, *([] if result.overview.pooled is None
                                        else result.overview.pooled.warnings)],
        "steps": [
            {"input": one.label, **step} for one in result.members for step in one.summary["steps"]
        ],
        "versions": library_versions(),
    }  # fmt: skip
    plain: dict[str, Any] = plain_json(content, texts=True)
    return plain


def draw_series(result: SeriesResult) -> dict[str, Picture]:
    """Draw each compared number over the inputs, with 90 % intervals and the fitted trend."""
    import matplotlib

    from physlearn.report.drawing import STYLE, blank_figure, unit_label
    from physlearn.report.picture import render_picture

    pictures: dict[str, Picture] = {}
    kind = result.overview.kind
    with matplotlib.rc_context(STYLE):
        for number, name in enumerate(_drawn(result)):
            held = [one for one in result.members if name in one.quantities]
            figure, ax = blank_figure((4.4, 3.2))
            _draw_one(ax, held, name, kind)
            caption = _figure_text(result, name)
            ax.set_ylabel(unit_label(_short(name), held[0].quantities[name].unit))
            alt = f"{_capital(name)} of {len(held)} inputs with 90 % intervals."
            place = f"number_{number + 1:02d}"
            pictures[place] = render_picture(place, figure, alt, caption)
    return pictures


def _drawn(result: SeriesResult) -> list[str]:
    """Return the numbers to draw: those that differ first."""
    verdicts = verdicts_of(result)
    order = sorted(verdicts, key=lambda name: verdicts[name][0] == "open")
    return order[:MOST_FIGURES]


def _draw_one(ax: Any, held: list[Member], name: str, kind: str) -> None:
    from physlearn.report.drawing import BLUE, unit_label

    quantities = [one.quantities[name] for one in held]
    means = np.array([one.mean for one in quantities])
    ends = np.array([one.interval() for one in quantities])
    along = kind in AXES
    x = np.array([one.covariates[kind] for one in held]) if along else np.arange(len(held))
    errors = np.abs(ends.T - means)
    ax.errorbar(x, means, yerr=errors, fmt="o", color=BLUE, ms=6, elinewidth=2.2, capsize=0)
    if along:
        ax.set_xlabel(unit_label(*AXES[kind]))
    else:
        labels = [one.label if len(one.label) <= 16 else f"{one.label[:15]}…" for one in held]
        ax.set_xticks(x, labels, rotation=0 if len(held) <= 3 else 35)
        ax.margins(x=0.25)


def _figure_text(result: SeriesResult, name: str) -> str:
    from physlearn.report.builder import label

    row, (_, verdict) = result.overview.rows[name], verdicts_of(result)[name]
    text = _change_text(result, row)
    return f"{_capital(label(name))}: {verdict}. {_what(result)}: {text}, 90 % interval."


def _short(name: str) -> str:
    from physlearn.report.builder import label

    said = label(name)
    return said if len(said) <= 34 else f"{said[:33]}…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def build_series_report(
    result: SeriesResult, content: Mapping[str, Any], pictures: Mapping[str, Picture]
) -> str:
    """Return the overview as HTML text that asks for nothing outside its folder."""
    from physlearn.report.builder import label, strip
    from physlearn.report.page import fill_page

    verdicts = verdicts_of(result)
    rows = [
        {"label": _capital(label(name)), "text": _change_text(result, row),
         "unit": unit_text(row.unit), "verdict": verdicts[name][1], "state": verdicts[name][0],
         "strip": strip(row.mean, row.low, row.high, zero=result.overview.kind != "repeats")}
        for name, row in result.overview.rows.items()
    ]  # fmt: skip
    members = [
        {"label": one.label, "href": f"{one.folder}/report.html",
         "at": ", ".join(f"{AXES[k][0]} {v:g} {AXES[k][1]}".strip()
                         for k, v in one.covariates.items()),
         "sentences": [row["answer"] for row in one.summary["headlines"][:3]],
         "could_not": [s["title"] for s in one.summary["steps"] if s["status"] == "could not"]}
        for one in result.members
    ]  # fmt: skip
    context = {
        "title": result.title, "answers": series_answers(result), "chips": CHIPS,
        "lead": _lead(result), "rows": rows, "members": members, "pictures": pictures,
        "kind": result.overview.kind, "notes": result.overview.notes,
        "assumptions": _assumptions(result), "warnings": content["warnings"],
        "files": content["files"], "seed": content["seed"], "versions": content["versions"],
        "what": _what(result),
    }  # fmt: skip
    return fill_page("series.html.j2", context)


def _lead(result: SeriesResult) -> str:
    n_inputs = len(result.members)
    how = {
        "nothing": "each studied by itself",
        "repeats": "repeats of one sample, taken together",
        "before_after": "before and after",
    }.get(result.overview.kind)
    return f"{n_inputs} inputs, {how or 'along the ' + AXES[result.overview.kind][0]}."


def _assumptions(result: SeriesResult) -> list[str]:
    kind = result.overview.kind
    if kind == "nothing":
        return []
    told = [
        "The inputs are independent of each other: no two show the same atoms or the same frames.",
        "Means over a picture count patches that go together once, so that their errors hold for "
        "larger fields of the same kind; other places of the sample may differ by more.",
        f"{len(result.overview.rows)} numbers are judged together (Holm): the verdicts hold for "
        "all of them at 90 %, the intervals for each by itself.",
    ]
    if kind == "before_after":
        told.append(
            "One input before and one after: a difference is that of two places. That the "
            "treatment made it, and not the place, only repeats of both can show."
        )
    if kind in AXES:
        told.append(
            "Trends are straight lines; inputs may scatter beyond their own errors, by an amount "
            "that is averaged over (half-Cauchy prior with the median error as scale)."
        )
    if kind == "temperature_K" and result.overview.pooled is not None:
        told.append(
            "The pooled interaction energy takes every picture to be in equilibrium at its "
            "temperature: a quenched sample shows the temperature at which its atoms stopped."
        )
    return told
