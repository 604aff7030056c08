"""What a study says of its patch table: a row a column, the headlines, and the file's metadata."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from physlearn.findings import Findings
from physlearn.phrases import Answer

if TYPE_CHECKING:
    from physlearn.records import PatchTable

__all__ = ["MOSTLY_NOISE", "column_rows", "patch_answers", "patches_content", "scan_metadata"]

NOT_RECORDED = "not recorded"
NO_SIGNAL = "no signal above its noise"
NO_ERROR = 1e-9
"""Share of a column's spread below which an error (of labels all but certain) is said as 0."""
MOSTLY_NOISE = 0.5
"""Share of a column's variance from which on the errors make up most of what one sees."""


def column_rows(table: PatchTable) -> list[dict[str, Any]]:
    """Return what must be known of each column, one dict a column.

    ``spread`` is the standard deviation over the patches, ``error`` the measurement error of one
    patch (root mean square; None when nobody knows it), ``noise_share`` the share of the variance
    over the patches that the errors make up.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.records import PatchTable
    >>> table = PatchTable.from_frame(pd.DataFrame({"dilation": [0.0, 0.01]}), [[0, 0], [8, 0]], 8)
    >>> column_rows(table)[0]["term"], column_rows(table)[0]["error"] is None
    ('dilation', True)
    """
    from physlearn.checks import InputError
    from physlearn.datasets.descriptors.vocabulary import find_term
    from physlearn.records.patches import TIERS

    rows = []
    for index, name in enumerate(table.columns):
        values = table.frame[name].to_numpy()
        spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        error, share = _error_of(table, index, spread)
        try:
            term = find_term(name, table.metadata.get("channels", ()))
            word, formula = term.name, term.formula
        except InputError:
            word, formula = "", NOT_RECORDED
        tier = table.tiers.get(name)
        rows.append(
            {
                "name": name, "term": word, "unit": table.units[name],
                "tier": "" if tier is None else TIERS[tier], "mean": float(values.mean()),
                "spread": spread, "error": error, "noise_share": share,
                "flag": table.flags.get(name, ""),
                "derived_from": ", ".join(table.derived.get(name, ())), "formula": formula,
            }
        )  # fmt: skip
    return rows


def _error_of(table: PatchTable, index: int, spread: float) -> tuple[float | None, float | None]:
    """Return the error of a column's patches, and its share of the column's variance."""
    if table.measurement_covariance is None or table.columns[index] in table.errors_unknown:
        return None, None
    variance = float(table.measurement_covariance[:, index, index].mean())
    if variance < (NO_ERROR * spread) ** 2:
        return 0.0, 0.0
    return math.sqrt(variance), variance / spread**2 if spread > 0 else None


def patches_content(table: PatchTable | None) -> dict[str, Any] | None:
    """Return what ``summary.json`` says of the patch table.

    Examples
    --------
    >>> patches_content(None) is None
    True
    """
    if table is None:
        return None
    return {
        "count": table.n_patches, "columns": table.columns, "units": dict(table.units),
        "tiers": dict(table.tiers), "patch_size": table.patch_size, "unit": table.unit,
        "selection": table.selection, "chosen_by_result": table.chosen_by_result,
        "overlap": table.overlap, "error_correlation_length": table.error_correlation_length,
        "derived": {name: list(of) for name, of in table.derived.items()},
        "flags": dict(table.flags), "errors_unknown": list(table.errors_unknown),
        "covariates": [] if table.covariates is None
        else [str(name) for name in table.covariates.columns],
        "repeat": table.metadata.get("repeat"), "descriptors": column_rows(table),
    }  # fmt: skip


def patch_answers(table: PatchTable | None) -> Iterator[Answer]:
    """Return the headlines of the patch table: what two scans say, and what holds no signal.

    Examples
    --------
    >>> list(patch_answers(None))
    []
    """
    if table is None:
        return
    rows = column_rows(table)
    silent = [row["name"] for row in rows if NO_SIGNAL in row["flag"]]
    if silent:
        yield Answer(
            "Is there anything to see in every channel?",
            f"{_listed(silent).capitalize()} show{'s' if len(silent) == 1 else ''} no signal above "
            "the noise.",
            "open", "kept in the table and flagged",
        )  # fmt: skip
    if table.metadata.get("repeat") is None:
        return
    judged = [row for row in rows if row["noise_share"] is not None]
    clear = [row for row in judged if row["noise_share"] < MOSTLY_NOISE]
    yield Answer(
        "Do patches differ by more than their errors?",
        f"Measured twice, {len(clear)} of {len(judged)} descriptors differ from patch to patch "
        "by more than one measurement errs.",
        "settled" if judged else "open",
        _noise_shares(judged),
    )


def _noise_shares(rows: list[dict[str, Any]]) -> str:
    """Say how much of each descriptor's variance is noise, where it is worth a number."""
    loud = [row for row in rows if row["noise_share"] >= 0.01]
    said = [
        f"{_plain(row['name'])} {100 * min(row['noise_share'], 1.0):.0f}\u00a0%" for row in loud
    ]
    if len(loud) < len(rows):
        said.append("under 1\u00a0% elsewhere" if loud else "under 1\u00a0% everywhere")
    return f"noise in the variance: {', '.join(said)}"


def scan_metadata(findings: Findings) -> dict[str, Any]:
    """Return the metadata that a study's files must carry, "not recorded" where nobody said.

    Examples
    --------
    >>> scan_metadata(Findings("a picture", 1))["dwell_time_s"]
    'not recorded'
    """
    import xarray as xr

    from physlearn.datasets.layouts.required_metadata import gather_metadata, required_metadata
    from physlearn.results import library_versions

    unknown = dict.fromkeys(required_metadata(), NOT_RECORDED)
    image = findings.image
    version = library_versions()["physlearn"]
    said = {
        "history": f"patches described by physlearn {version}; what was done to the picture "
        f"before is {NOT_RECORDED}",
        "frame_of_reference": "x along the columns and y down the rows of the picture, in its own "
        f"coordinates; how it lies on the sample is {NOT_RECORDED}",
        "source": findings.source or NOT_RECORDED,
    }
    if image is None:
        return {**unknown, **said}
    plain = image.to_dataset(name="picture")
    known = xr.Dataset(coords=plain.coords, attrs=image.attrs)
    given = {name: value for name, value in unknown.items() if name not in image.attrs}
    spoken = {**given, **said}
    for name in ("pixel_size", "pixel_size_unit"):
        if str(image["x"].attrs.get("units", "pixel")) != "pixel":
            spoken.pop(name, None)
    whole = gather_metadata(known, spoken)
    return {name: value for name, value in whole.items() if name in unknown or name in said}


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _listed(names: list[str]) -> str:
    said = [_plain(name) for name in names]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
