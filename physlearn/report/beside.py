"""What stands beside each part of a report: what it assumes, and what it warns of."""

from __future__ import annotations

from collections.abc import Sequence

from physlearn.findings import Findings
from physlearn.report.advice import grouped_warnings

__all__ = ["assumptions", "assumptions_by_section", "warnings_by_section"]

SECTION_OF = {
    "picture": "picture", "atoms": "picture", "sites": "picture", "vacancies": "picture",
    "strain": "picture", "scan": "picture", "couplings": "couplings", "channels": "patches",
    "patches": "patches", "causal graph": "causes", "effects": "causes", "what if": "causes",
    "video": "walls", "walls": "walls", "wall parameters": "walls", "laws": "laws",
    "tracks": "motion", "diffusion": "motion", "pair force": "motion", "drift": "motion",
    "hops": "motion", "hop rates": "motion", "plan": "next",
}  # fmt: skip
"""Where a warning comes from -> the section of the page that it belongs to."""

NO_MODEL = (
    "The numbers in the file are taken as they are; no model of a material was fitted to them."
)


def assumptions(findings: Findings) -> list[str]:
    """Return what must hold for the answers to mean what they say.

    Examples
    --------
    >>> assumptions(Findings("a picture", 1))
    ['The numbers in the file are taken as they are; no model of a material was fitted to them.']
    """
    parts = assumptions_by_section(findings)
    texts = [text for part in parts.values() for text in part]
    if set(parts) <= {"picture", "patches"}:
        texts.append(NO_MODEL)
    return texts


def assumptions_by_section(findings: Findings) -> dict[str, list[str]]:
    """Return the same, by the section of the page that each belongs to.

    Examples
    --------
    >>> assumptions_by_section(Findings("a picture", 1))
    {}
    """
    parts: dict[str, list[str]] = {}
    if findings.atoms is not None:
        parts["picture"] = [
            "Atoms: every column is a round Gaussian spot on a smooth background; columns that "
            "merge into one spot are found as one."
        ]
    if findings.couplings is not None:
        parts["couplings"] = _of_couplings(findings)
    if findings.patches is not None:
        parts["patches"] = [
            "Patches: inside one patch the sample is taken as uniform; what varies faster is "
            "averaged."
        ]
    if findings.graph is not None:
        parts["causes"] = [
            "Causes: linear links between the columns of the patch table; an open end of a link "
            "may hide a common cause that nobody measured. A composition or a strain is never "
            "caused by the response."
        ]
    if findings.track is not None:
        parts["walls"] = [_of_walls(findings)]
    if findings.laws is not None:
        parts["laws"] = [
            "Laws: the true law is among the candidates, or close to one of them; the weights "
            "compare these laws with each other and with nothing else."
        ]
    if findings.trajectory is not None:
        parts["motion"] = [
            "Tracks: the links between frames are right, and every particle moves by the same law."
        ]
    if findings.pair_force is not None:
        parts["motion"].append(
            "Forces act between pairs and depend on their distance alone; what other particles or "
            "the liquid do to a pair is not counted, nor depth across the plane of the picture."
        )
    return parts


def _of_couplings(findings: Findings) -> list[str]:
    thick = None if findings.atoms is None else findings.atoms.thickness_columns
    return [
        "Equilibrium at one temperature: the arrangement is a fair sample of it. An alloy’s "
        "pattern is often frozen in; the temperature is then that of the freeze.",
        "Temperature is absorbed: couplings are energies divided by kT.",
        "One atom along each column, as the user says."
        if thick == 1
        else "One atom along each column. Nobody said so for this picture; if columns are "
        "thicker, the couplings are effective ones.",
        "Only pairs of neighbours in the shells that are listed interact, alike everywhere.",
    ]


def _of_walls(findings: Findings) -> str:
    text = "Walls: two kinds of domains with one wall profile"
    if findings.wall_fit is not None:
        text += (
            "; each wall point moves along its normal with v = drive mobility × drive − "
            "curvature mobility × curvature, with the same two numbers everywhere and without "
            "pinning"
        )
    return f"{text}."


def warnings_by_section(warnings: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return warnings by the section of the page that each belongs to.

    Examples
    --------
    >>> warnings_by_section([("sites", "b"), ("walls", "do not trust it"), ("atoms", "a")])
    {'walls': ['do not trust it'], 'picture': ['b', 'a']}
    """
    parts: dict[str, list[str]] = {}
    for source, texts in grouped_warnings(warnings):
        parts.setdefault(SECTION_OF.get(source, "next"), []).extend(texts)
    return parts
