"""The running text of a report: what is assumed, what was found, what would narrow it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from physlearn.findings import DONE, Findings
from physlearn.track_words import tracks_text
from physlearn.wall_words import roughness_text, walls_followed
from physlearn.words import interval_text, said_number, species_counts, unit_text

if TYPE_CHECKING:
    from physlearn.causal import CausalGraph
    from physlearn.results import Fit

__all__ = [
    "atoms_text", "illumination_jumps", "laws_text", "lead", "methods",
    "scale_notes", "walls_text", "what_if",
]  # fmt: skip


JUMP = 0.02
"""Sudden change of a raw share, in shares of the picture, that is called a jump."""

NOTHING = 1e-6
"""Of a column's spread: smaller values are said as 0."""


def lead(findings: Findings) -> str:
    """Return the paragraph that opens the report.

    Examples
    --------
    >>> lead(Findings("a picture", 1))
    'Nothing could be read from this input.'
    """
    parts = []
    if findings.atoms is not None:
        counts = species_counts(findings)
        said = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        parts.append(
            f"The picture shows {findings.atoms.n:,} atom columns"
            + (f" ({said} on the lattice that was fitted)" if said else "")
        )
    elif findings.image is not None:
        parts.append(
            "No lattice of atoms was found in the picture; it is described in patches only"
        )
    if findings.couplings is not None:
        parts.append("from their arrangement follow the couplings between neighbours")
    if findings.graph is not None:
        n = sum(edge.presence == "present" for edge in findings.graph.edges)
        links = "1 causal link stands" if n == 1 else f"{n or 'no'} causal links stand"
        parts.append(f"{links} between the properties of its patches")
    sentences = [", and ".join(parts) + "."] if parts else []
    if findings.track is not None:
        track = findings.track
        text = f"The video shows domain walls: {walls_followed(track)}"
        if findings.wall_fit is not None:
            text += ", and what moves them was fitted from their contours"
        sentences.append(text + ".")
    elif findings.video is not None:
        sentences.append("No domain walls could be followed in the video.")
    if findings.trajectory is not None:
        sentences.append(tracks_text(findings))
    if findings.plan is not None and findings.plan.steps:
        sentences.append(
            f"A plan of {len(findings.plan.steps)} steps says what to measure next, and why."
        )
    return " ".join(sentences) or "Nothing could be read from this input."


def scale_notes(findings: Findings) -> list[str]:
    """Say in which units results stand where a file carried no scale.

    Examples
    --------
    >>> scale_notes(Findings("a picture", 1))
    []
    """
    notes = []
    track = findings.trajectory
    if track is not None:
        lacking = [name for name, unit, own in
                   (("length", track.unit, "pixel"), ("time", track.time_unit, "frame"))
                   if unit == own]  # fmt: skip
        if lacking:
            notes.append(
                f"The tracks carry no scale of {' or '.join(lacking)}: give it (--pixel-size, "
                "--frame-interval) to have results in units."
            )
    for record, what in ((findings.image, "picture"), (findings.video, "video")):
        if record is None or "x" not in record.coords:
            continue
        no_length = record.coords["x"].attrs.get("units", "pixel") == "pixel"
        no_time = (
            "time" in record.coords and record.coords["time"].attrs.get("units", "frame") == "frame"
        )
        if no_length and no_time:
            notes.append(
                f"The {what} carries no scale of length or time: results stand in pixels per frame."
            )
        elif no_length:
            notes.append(f"The {what} carries no scale of length: results stand in pixels.")
        elif no_time:
            notes.append(f"The {what} carries no scale of time: results stand per frame.")
    return notes


def atoms_text(findings: Findings) -> str:
    """Return the sentence that heads the picture's section.

    Examples
    --------
    >>> atoms_text(Findings("a picture", 1))
    ''
    """
    atoms = findings.atoms
    if atoms is None:
        return ""
    text = f"{atoms.n:,} atom columns"
    if atoms.position_covariance is not None and atoms.n:
        variance = np.median(np.einsum("nii->n", atoms.position_covariance) / atoms.dimension)
        error = said_number(float(variance) ** 0.5, 2)
        text += f", each placed to about {error} {unit_text(atoms.unit)}"
    if findings.snapshots is not None:
        said = " and ".join(f"{n:,} {name}" for name, n in species_counts(findings).items())
        n_sites = findings.snapshots.n_observed
        text += f"; {n_sites:,} of them make the lattice that was fitted: {said}"
        constant = findings.snapshots.metadata.get("lattice_constant")
        if constant is not None:
            text += f". Lattice constant {said_number(float(constant), 4)} {unit_text(atoms.unit)}"
    if atoms.pixel_size is not None and atoms.unit != "pixel":
        text += f"; one pixel is {said_number(atoms.pixel_size[0])} {unit_text(atoms.unit)}"
    return text + "."


def what_if(findings: Findings) -> list[str]:
    """Return every counterfactual in words.

    Examples
    --------
    >>> what_if(Findings("a picture", 1))
    []
    """
    texts = []
    for answer in findings.counterfactuals:
        unit = unit_text(answer.unit)
        table = findings.patches
        where, was = f"patch {answer.patch}", {}
        if table is not None:
            x, y = (said_number(float(place), 3) for place in table.centers[answer.patch])
            where += f" (x {x}, y {y} {unit_text(table.unit)})"
            was = {name: _seen(table.frame[name], answer.patch) for name in answer.do}
        changed = " and ".join(
            f"{name.replace('_', ' ')} were {said_number(value)}"
            + (f" instead of {said_number(was[name])}" if name in was else "")
            for name, value in answer.do.items()
        )
        outcome = answer.outcome.replace("_", " ")
        low, high = answer.interval()
        head = f"If in {where} the {changed}, its {outcome} would be "
        if answer.identified:
            row = {"mean": answer.mean, "q05": low, "q95": high, "unit": answer.unit}
            body = f"{interval_text(row)} instead of the measured {said_number(answer.factual)}."
        elif not math.isnan(low):
            body = (
                f"between {said_number(low)} and {said_number(high)} {unit}: the graph leaves more "
                f"than one answer open (measured: {said_number(answer.factual)})."
            )
        else:
            head, body = (
                f"What if in {where} the {changed}? ",
                (f"These data do not say: {answer.reason}"),
            )
        texts.append((head + body).replace("  ", " "))
    return texts


def _seen(column: pd.Series, patch: int) -> float:
    """Return a patch's value; what is nothing beside the column's spread is 0."""
    value = float(column.iloc[patch])
    return value if abs(value) > NOTHING * float(column.std(ddof=0)) else 0.0


def walls_text(findings: Findings) -> str:
    """Return the sentence that heads the video's section.

    Examples
    --------
    >>> walls_text(Findings("a video", 1))
    ''
    """
    track = findings.track
    if track is None:
        return ""
    error = float(track.table["normal_error"].median()) if len(track.table) else float("nan")
    text = (
        f"{walls_followed(track).capitalize()}, each point placed to about "
        f"{said_number(error, 2)} {unit_text(track.unit)}"
    )
    if len(track.events):
        kinds = track.events["kind"].value_counts()
        named = ", ".join(f"{kind} {count}×" for kind, count in kinds.items())
        text += f"; events: {named}"
    text += "."
    jumps = [] if findings.domain_shares is None else illumination_jumps(findings.domain_shares)
    if jumps:
        named = ", ".join(str(frame) for frame in jumps)
        text += (
            f" The illumination jumps in frame{'s' if len(jumps) > 1 else ''} {named}; that is no "
            "switching, and it was removed first."
        )
    return " ".join(part for part in (text, roughness_text(findings)) if part)


def illumination_jumps(shares: pd.DataFrame) -> list[int]:
    """Return the frames whose raw share of the bright domain leaves the normalised one at once.

    Examples
    --------
    >>> shares = pd.DataFrame({"raw": [0.5, 0.5, 0.6, 0.5, 0.5], "normalised": 0.5})
    >>> illumination_jumps(shares)
    [2]
    """
    from scipy.ndimage import median_filter

    offset = (shares["raw"] - shares["normalised"]).to_numpy()
    return [int(i) for i in np.flatnonzero(np.abs(offset - median_filter(offset, 5)) > JUMP)]


def laws_text(findings: Findings) -> str:
    """Return what the set of candidate laws says.

    Examples
    --------
    >>> laws_text(Findings("a video", 1))
    ''
    """
    if findings.laws is None:
        return ""
    table = findings.laws.table.sort_values("weight", ascending=False)
    top = table.iloc[0]
    if float(top["weight"]) >= 0.9:
        return (
            f"One law stands out: {top['equation']} holds {float(top['weight']):.0%} of the weight."
        )
    count = int((table["weight"].cumsum() < 0.9).sum()) + 1
    return f"These data leave {count} laws open that together hold 90 % of the weight."


def _of_graph(graph: CausalGraph | None) -> str:
    return "none were sought" if graph is None else graph.method


def methods(findings: Findings) -> list[str]:
    """Return the methods paragraph of every step that was done.

    Examples
    --------
    >>> methods(Findings("a picture", 1))
    []
    """
    done = {note.name for note in findings.notes if note.status == DONE}
    texts = {
        "atoms": "Columns were found by score tests on the residual and fitted jointly by maximum "
        "likelihood; each position carries the covariance of that fit.",
        "species": "Species come from a mixture over the fitted intensities that takes each atom’s "
        "own intensity error into account; likelihoods, not probabilities, are handed on.",
        "consistency": _of_check(findings),
        "scan": "Scan rows were put in order by the declared lattice, whose vectors were inferred; "
        "what is left of their error is in the positions’ covariances.",
        "vacancies": "Each site’s state is the likelihood of the picture there, integrated over "
        "place and amplitude, with a false-discovery control on what is named vacant.",
        "strain": "Strain is the best affine map of each atom’s lattice neighbours against the "
        "picture’s mean lattice, with errors from the joint covariance of the positions.",
        "couplings": f"Couplings and field: {_of_fit(findings.couplings)} The check simulates "
        "pictures of the same lattice from the posterior.",
        "graph": f"Causal links: {_of_graph(findings.graph)}; neighbours are counted once.",
        "effects": "Effects hold fixed the columns that dowhy’s back-door criterion names; their "
        "errors count correlated neighbours once.",
        "walls": "Each wall point is the maximum-likelihood place of a tanh profile along the "
        "local normal, after every frame was brought to the same two domain levels.",
        "wall_parameters": f"Wall parameters: {_of_fit(findings.wall_fit)} Fronts are propagated "
        "inside the likelihood of the contour points; contours are never subtracted.",
        "wall_forecast": "Forecasts propagate posterior draws of parameters and shapes from the "
        "frames before; what the law has missed so far widens them.",
        "wall_roughness": "Roughness exponents come from the walls’ spectra, with the points’ "
        "errors and the cut at the edge of the view in the model.",
        "laws": "Known laws of walls and what a search proposes were scored, and their constants "
        "fitted, by the fronts’ likelihood; weights follow from the description length.",
        "diffusion": "Diffusion coefficients come from the exact likelihood of successive "
        "displacements with localisation noise and blur, drift common to all particles removed.",
        "pair_force": f"The pair force: {_of_fit(findings.pair_force)}",
        "drift": "Laws of the force on each particle, and of its diffusion, were scored by the "
        "density of the transitions between frames, not by regression of displacements; no drift, "
        "a constant one and a harmonic trap are always among them.",
        "hops": "Hops are steps that the positions’ errors cannot explain, with a false-discovery "
        "control.",
        "hop_rates": f"Rates of hops: {_of_fit(findings.hop_rates)}",
        "plan": "The plan ranks actions by the expected information about the hypotheses per cost, "
        "inside a hard envelope of dose and sites.",
        "campaign": "The rehearsal asks act by act for what tells the hypotheses apart, then for "
        "what would refute the one that leads; a claim needs evidence (an e-value) against every "
        "declared class of deviations, so that looking after each act does no harm.",
    }  # fmt: skip
    return [text for name, text in texts.items() if name in done]


def _of_check(findings: Findings) -> str:
    """Return how the error bars were checked, as it was done."""
    check = findings.consistency
    if check is None:
        return ""
    done = {
        "rows": "columns of its even and of its odd rows were fitted apart and compared",
        "thin": "each count was dealt to one of two pictures, whose columns were compared",
        "repeat": "columns of two pictures of the same field were compared",
    }[check.method]
    return f"The error bars were checked on the picture itself: {done}."


def _of_fit(fit: Fit | None) -> str:
    """Return in words how the fit was done."""
    if fit is None:
        return ""
    attrs = fit.attrs
    how = str(attrs["approximation"])
    return (
        f"{attrs['likelihood']}, approximated by {how}."
        if how != "none"
        else (f"{attrs['likelihood']}, without approximation.")
    )
