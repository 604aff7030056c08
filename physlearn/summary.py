"""Every number of a study for machines: what `summary.json` holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physlearn.atom_summary import atoms_content
from physlearn.campaign_words import campaign_content
from physlearn.findings import Findings
from physlearn.patch_summary import patches_content
from physlearn.results import library_versions, plain_json
from physlearn.track_words import tracks_content
from physlearn.warning_codes import warning_code
from physlearn.words import claims_a_cause, headlines, species_counts

if TYPE_CHECKING:
    import xarray as xr

    from physlearn.results import Fit

__all__ = ["SUMMARY_FORMAT", "summarize", "truth_beside_answers"]

SUMMARY_FORMAT = "physlearn-summary-1"
ROW_KEYS = ("name", "mean", "sd", "q05", "q95", "unit", "verdict", "probability_positive",
            "sd_over_prior_sd")  # fmt: skip


def summarize(findings: Findings) -> dict[str, Any]:
    """Return the content of `summary.json`: plain dicts, lists, numbers and texts.

    Numbers that are not known are None. With planted data, ``truth`` stands beside the answers.

    Examples
    --------
    >>> sorted(summarize(Findings("a picture", 3)))[:4]
    ['atoms', 'consistency', 'correlations', 'counterfactuals']
    """
    content: dict[str, Any] = {
        "format": SUMMARY_FORMAT,
        "title": findings.title,
        "inputs": {
            "source": findings.source,
            "image": _described(findings.image),
            "channels": None if findings.channels is None
            else {str(name): _described(data) for name, data in findings.channels.items()},
            "video": _described(findings.video),
        },
        "headlines": [
            {"question": a.question, "answer": a.sentence, "state": a.state, "detail": a.detail}
            for a in headlines(findings)
        ],
        **atoms_content(findings),
        "sites": _sites(findings),
        "couplings": _fit_rows(findings.couplings),
        "correlations": []
        if findings.correlations is None
        else findings.correlations.to_dict("records"),
        "patches": patches_content(findings.patches),
        "graph": _graph(findings),
        "effects": [{**e.summary(), "warnings": list(e.warnings)} for e in findings.effects],
        "counterfactuals": [_counterfactual(answer) for answer in findings.counterfactuals],
        "plan": _plan(findings),
        "campaign": campaign_content(findings),
        "walls": _walls(findings),
        "wall_parameters": _fit_rows(findings.wall_fit),
        "laws": [] if findings.laws is None else _records(findings.laws.table),
        "tracks": tracks_content(findings),
        "pair_force": _fit_rows(findings.pair_force),
        "hop_rates": _fit_rows(findings.hop_rates),
        "steps": [
            {"name": n.name, "title": n.title, "status": n.status, "reason": n.reason,
             "seconds": round(n.seconds, 3), "kept": n.kept}
            for n in findings.notes
        ],
        "warnings": [
            {"source": s, "text": text, "code": warning_code(text)}
            for s, text in findings.warnings()
        ],
        "truth": truth_beside_answers(findings),
        "versions": library_versions(),
        "seed": findings.seed,
    }  # fmt: skip
    result: dict[str, Any] = plain_json(content, texts=True)
    return result


def truth_beside_answers(findings: Findings) -> dict[str, Any] | None:
    """Return planted values beside what was found, or None when nothing was planted.

    ``parameters``: rows with name, truth, mean, q05, q95, unit, inside. ``causes``: planted pairs
    and whether each was found. ``distractors``: whether each was called a cause. None stands where
    the step could not be done.

    Examples
    --------
    >>> truth_beside_answers(Findings("a picture", 1)) is None
    True
    """
    truth = findings.truth
    if truth is None:
        return None
    rows = {row["name"]: row for row in _fit_rows(findings.couplings)}
    rows |= {row["name"]: row for row in _fit_rows(findings.wall_fit)}
    parameters = []
    for name, value in truth.parameters.items():
        row = rows.get(name)
        inside = None if row is None else bool(row["q05"] <= value <= row["q95"])
        numbers = {key: None if row is None else row[key] for key in ("mean", "sd", "q05", "q95")}
        unit = "" if row is None else row["unit"]
        parameters.append({"name": name, "truth": value, **numbers, "unit": unit, "inside": inside})
    graph = findings.graph
    effects = sorted({effect for _, effect in truth.causes})
    return {
        "parameters": parameters,
        "causes": [
            {"cause": cause, "effect": effect,
             "found": None if graph is None else claims_a_cause(graph, cause, effect)}
            for cause, effect in truth.causes
        ],
        "distractors": [
            {"name": name, "called_a_cause": None if graph is None
             else any(claims_a_cause(graph, name, effect) for effect in effects)}
            for name in truth.distractors
        ],
        "effects": _planted_effects(findings),
    }  # fmt: skip


def _planted_effects(findings: Findings) -> list[dict[str, Any]]:
    if findings.truth is None:
        return []
    rows = []
    for effect in findings.effects:
        slope = findings.truth.slopes.get((effect.cause, effect.outcome))
        if slope is None:
            continue
        low, high = effect.interval()
        truth = slope * (effect.contrast[1] - effect.contrast[0])
        rows.append(
            {"cause": effect.cause, "outcome": effect.outcome, "truth": truth, "mean": effect.mean,
             "q05": low, "q95": high, "unit": effect.unit, "inside": bool(low <= truth <= high)}
        )  # fmt: skip
    return rows


def _described(data: xr.DataArray | None) -> dict[str, Any] | None:
    if data is None:
        return None
    units = {
        str(dim): data.coords[dim].attrs.get("units")
        for dim in data.dims
        if dim in data.coords and "units" in data.coords[dim].attrs
    }
    attrs = {
        key: value for key, value in data.attrs.items() if isinstance(value, str | int | float)
    }
    result = {
        "shape": list(data.shape), "dims": list(data.dims), "units": units, "attributes": attrs,
    }  # fmt: skip
    if "drive" in data.coords:
        result["drive"] = data.coords["drive"].to_numpy().tolist()
    return result


def _fit_rows(fit: Fit | None) -> list[dict[str, Any]]:
    if fit is None:
        return []
    return [{key: row[key] for key in ROW_KEYS} for row in fit.summary().to_dict("records")]


def _records(table: Any) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _sites(findings: Findings) -> dict[str, Any] | None:
    snapshots = findings.snapshots
    if snapshots is None:
        return None
    return {
        "count": snapshots.graph.n_sites,
        "observed": snapshots.n_observed,
        "species_counts": species_counts(findings),
        "shell_radii": list(snapshots.graph.shell_radii),
        "unit": snapshots.graph.unit,
    }


def _graph(findings: Findings) -> dict[str, Any] | None:
    graph = findings.graph
    if graph is None:
        return None
    return {
        "edges": _records(graph.summary()), "claims": graph.claims(), "method": graph.method,
        "alpha": graph.alpha, "n_patches": graph.n_patches, "detectable": graph.detectable,
        "columns": list(graph.columns), "tiers": dict(graph.tiers),
    }  # fmt: skip


def _counterfactual(answer: Any) -> dict[str, Any]:
    low, high = answer.interval()
    return {
        "patch": answer.patch, "do": dict(answer.do), "outcome": answer.outcome,
        "factual": answer.factual, "mean": answer.mean, "sd": answer.sd, "q05": low, "q95": high,
        "unit": answer.unit, "identified": answer.identified, "reason": answer.reason,
        "warnings": list(answer.warnings),
    }  # fmt: skip


def _plan(findings: Findings) -> dict[str, Any] | None:
    if findings.plan is None:
        return None
    import json

    content = json.loads(findings.plan.to_json())
    steps = content.get("steps", [])
    return {
        "steps": steps,
        "first": steps[0] if steps else None,
        "checksum": findings.plan.checksum,
    }


def _advance(findings: Findings) -> dict[str, Any] | None:
    found = findings.wall_advance
    if found is None:
        return None
    return {
        "mean": found.mean, "q05": found.low, "q95": found.high, "unit": found.unit,
        "intervals": found.n_intervals, "film_q05": found.film_low, "film_q95": found.film_high,
    }  # fmt: skip


def _walls(findings: Findings) -> dict[str, Any] | None:
    track = findings.track
    if track is None:
        return None
    shares = findings.domain_shares
    rough, forecast = findings.wall_roughness, findings.wall_forecast
    return {
        "count": len(track.walls), "frames": track.n_frames, "points": len(track.table),
        "unit": track.unit, "time_unit": track.time_unit,
        "median_normal_error": float(track.table["normal_error"].median()),
        "mean_normal_velocity": _advance(findings),
        "events": track.events.to_dict("records"),
        "roughness": [] if rough is None else rough.table.to_dict("records"),
        "forecast": [] if forecast is None else forecast.to_dict("records"),
        "domain_shares": [] if shares is None else shares.to_dict("records"),
        "metadata": {k: v for k, v in track.metadata.items() if isinstance(v, str | int | float)},
    }  # fmt: skip
