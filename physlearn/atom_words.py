"""What a study says of its atoms: how many, how sure, strained or not, vacancies, edits by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.findings import Findings
from physlearn.phrases import Answer, said_number, said_share, species_counts, unit_text

if TYPE_CHECKING:
    from physlearn.datasets import ConsistencyCheck, ScanCorrection, SiteStates, StrainField

__all__ = ["atom_answers", "edit_text", "strain_beyond_errors"]

Floats = NDArray[np.float64]
CLEAR = 4.0
FEWEST_SHARE = 1e-3
FEW_DOPANTS = 0.1
"""Share of sites from which on another species is part of the crystal."""
NEIGHBOURHOOD = 7.0
"""Atoms that share neighbours: their strains are not independent."""


def atom_answers(findings: Findings) -> Iterable[Answer]:
    """Return the answers of the steps that end at the atoms.

    Examples
    --------
    >>> list(atom_answers(Findings("a picture", 1)))
    []
    """
    atoms = findings.atoms
    if atoms is None:
        return
    detail = ""
    if findings.snapshots is not None:
        detail = ", ".join(f"{n:,} {name}" for name, n in species_counts(findings).items())
        detail += f" on {findings.snapshots.n_observed:,} lattice sites"
        elsewhere = atoms.n - findings.snapshots.n_observed
        if elsewhere > 0:
            detail += f"; {elsewhere:,} on other sublattices or on no site"
    edits = edit_text(findings)
    sentence = f"{atoms.n:,} atom columns were found."
    if edits:
        sentence = f"{atoms.n:,} atom columns, chosen by hand: {edits}."
    yield Answer("What is in the picture?", sentence, "hand" if edits else "settled", detail)
    if findings.consistency is not None:
        yield _consistency(findings.consistency)
    if findings.scan is not None:
        yield Answer("Is the scan straight?", _scan_verdict(findings.scan), "settled")
    if findings.vacancies is not None:
        yield from _vacancies(findings.vacancies)
    if findings.strain is not None:
        yield _strain(findings.strain)


def edit_text(findings: Findings) -> str:
    """Return what a person changed, or nothing.

    Examples
    --------
    >>> edit_text(Findings("a picture", 1))
    ''
    """
    said = {} if findings.atoms is None else findings.atoms.metadata
    if not said.get("edited_by_hand", False):
        return ""
    words = [f"{said[f'edit_{word}']} {word}" for word in ("added", "moved", "removed")]
    return ", ".join(words)


def _consistency(check: ConsistencyCheck) -> Answer:
    question = "Do the error bars hold on this picture?"
    halves = {"rows": "Even and odd rows", "thin": "Halves of its counts"}.get(
        check.method, "Two pictures"
    )
    x, y = (said_number(value, 3) for value in check.z_sd)
    expected = said_number(check.expected_z_sd, 3)
    counts = (
        f"{check.n_both:,} atoms in both halves, "
        f"{check.n_only_first + check.n_only_second:,} in one only"
    )
    if not check.judged:
        # halves that share their noise agree whatever the error bars: their scatter says nothing
        return Answer(question, f"These data can’t tell: {check.reason}.", "open", counts)
    errors = [said_number(value, 1) for value in check.z_sd_error]
    detail = (
        f"differences over their error bars scatter by {x} ± {errors[0]} (x) and {y} ± {errors[1]} "
        f"(y), {expected} expected; {counts}"
    )
    if check.passed:
        return Answer(question, f"{halves} agree within the error bars.", "settled", detail)
    wide = [axis for axis, sd in zip("xy", check.z_sd, strict=True) if sd > check.expected_z_sd]
    if not wide:
        return Answer(question, f"The error bars are too wide: {halves.lower()} agree better than "
                      "they say.", "settled", detail)  # fmt: skip
    factor = max(check.z_sd) / check.expected_z_sd
    sentence = (
        f"The error bars do not hold: {halves.lower()} differ by {factor:.1f} times as much along "
        f"{' and '.join(wide)}"
    )
    if wide == ["x"] or check.z_sd[0] > 1.15 * check.z_sd[1]:
        sentence += ", as row shifts of the scan do"
    return Answer(question, sentence + ".", "settled", detail)


def _vacancies(sites: SiteStates) -> Iterable[Answer]:
    """Return one answer a sublattice: the count at the false-discovery rate, share and interval."""
    rate = float(sites.metadata.get("false_discovery_rate", np.nan))
    yield from _dopants(sites)
    for row in sites.shares[sites.shares["state"].isin(["vacant", "half"])].to_dict("records"):
        n, part = int(row["count"]), int(row["sublattice"])
        kind = "vacant" if row["state"] == "vacant" else "half empty"
        where = _sublattice(sites, part)
        untold = any(f"sublattice {part} stands out" in text for text in sites.warnings)
        share, low, high = (said_share(row[key]) for key in ("share", "low", "high"))
        few = n == 0 and row["low"] < FEWEST_SHARE
        verb = "is" if n == 1 else "are"
        sentence = (
            f"No site{where} stands out as {kind}; a share above {high} would have been seen."
            if few
            else f"{n:,} of {int(row['n_sites']):,} sites{where} {verb} {kind}."
        )  # fmt: skip
        yield Answer(
            f"Are sites{where} {kind}?", sentence, "open" if few or untold else "settled",
            f"share {share} [{low} to {high}] (95 %); at most {rate:.0%} of those named are "
            "expected to be false"
            + ("; the noise hides single ones here: trust the share" if untold else ""),
        )  # fmt: skip


def _sublattice(sites: SiteStates, part: int) -> str:
    """Return which sublattice is meant, numbered as in the tables; nothing where there is one."""
    if len(sites.phases) == 1:
        return ""
    return f" of sublattice {part}" + (" (the brightest)" if part == 0 else "")


def _dopants(sites: SiteStates) -> Iterable[Answer]:
    """Return how many sites hold another species, brighter or dimmer, where these are few."""
    table = sites.shares
    if "brighter" not in table:
        return
    for row in table[table["state"] == "other"].to_dict("records"):
        n, all_sites = int(row["count"]), int(row["n_sites"])
        if 0 < n <= FEW_DOPANTS * all_sites:
            where = _sublattice(sites, int(row["sublattice"]))
            more = int(row["brighter"])
            yield Answer(
                f"Do sites{where} hold another species?",
                f"{n:,} of {all_sites:,} sites{where} look{'s' if n == 1 else ''} like another "
                f"species: {more:,} brighter "
                f"and {n - more:,} dimmer than usual.", "open",
                "a dopant, a contaminant or a column that the fit missed",
            )  # fmt: skip


def _scan_verdict(scan: ScanCorrection) -> str:
    unit = unit_text(scan.atoms.unit)
    size, error = said_number(scan.jitter_sd, 2), said_number(scan.jitter_sd_error, 1)
    if scan.jitter_sd < CLEAR * scan.jitter_sd_error:
        return f"No row shifts of the scan stand out: {size} ± {error} {unit}."
    return (
        f"Its rows are displaced by {size} ± {error} {unit} (rms); that was taken out of the "
        "strain, with the lattice as declared."
    )


def strain_beyond_errors(field: StrainField) -> dict[str, tuple[float, float]]:
    """Return the variance that the errors do not explain, and its error, of xx, yy and xy.

    Atoms whose neighbours are all there; a seventh of them count as independent.
    """
    rows = field.complete & np.isfinite(field.covariance[:, 0, 0])
    return {
        name: _beyond(field.strain[rows, k], field.covariance[rows, k, k])
        for k, name in enumerate(("xx", "yy", "xy"))
    }


def _beyond(value: Floats, variance: Floats) -> tuple[float, float]:
    """Return the variance beyond that of the errors; neighbouring values share positions."""
    if len(value) < 2 * NEIGHBOURHOOD:
        return float("nan"), float("nan")
    excess = (value - value.mean()) ** 2 - variance
    error = float(excess.std(ddof=1) / np.sqrt(len(excess) / NEIGHBOURHOOD))
    return float(excess.mean()), error


def _strain(field: StrainField) -> Answer:
    question = "Is the lattice strained?"
    found = strain_beyond_errors(field)
    rows = field.complete & np.isfinite(field.covariance[:, 0, 0])
    typical = float(np.sqrt(np.median(field.covariance[rows, 0, 0]))) if rows.any() else np.nan
    detail = f"{int(rows.sum()):,} atoms, each strain placed to about {typical:.2%}"
    if not all(np.isfinite(excess) for excess, _ in found.values()):
        return Answer(question, "These data can’t tell: too few whole neighbourhoods.", "open",
                      detail)  # fmt: skip
    clear = {name: excess for name, (excess, error) in found.items() if excess > CLEAR * error}
    if clear:
        said = ", ".join(f"{name} by {np.sqrt(excess):.2%}" for name, excess in clear.items())
        # a slow drift of the scan strains a picture as a crystal does, in rows put in order too
        rival = "row shifts of the scan" if list(clear) == ["xy"] else "scan errors (drift)"
        return Answer(
            question,
            f"Its strain varies from place to place beyond the error bars: {said} (rms). Real "
            f"strain, {rival} or both.", "open", detail,
        )  # fmt: skip
    if all(excess < -CLEAR * error for excess, error in found.values()):
        return Answer(
            question,
            "No strain stands out, and its error bars are too wide: strain scatters less than they "
            "say.", "open", detail,
        )  # fmt: skip
    limits = [max(excess, 0.0) + 1.645 * error for excess, error in found.values()]
    return Answer(
        question, f"No strain stands out: variations above {np.sqrt(max(limits)):.2%} (rms) would.",
        "open", detail,
    )  # fmt: skip
