"""The methods of a study as a paper tells them: past tense, this study's numbers, references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from physlearn.findings import DONE, Findings
from physlearn.phrases import said_interval, said_number, species_counts, unit_text
from physlearn.report.page import page_file

__all__ = ["bibliography", "cited", "methods_paragraph"]

Part = tuple[str, tuple[str, ...]]
"""A sentence, and the keys of what it cites."""


def methods_paragraph(findings: Findings, versions: Mapping[str, str]) -> list[str]:
    """Return the paragraphs of a methods section; references stand as [1], [2] in their order.

    Parameters
    ----------
    findings
        Of the study.
    versions
        Library -> version, from the summary.

    Examples
    --------
    >>> methods_paragraph(Findings("a picture", 7), {"physlearn": "0.1"})[-1][:45]
    'All steps were done with physlearn 0.1 [1] (s'
    """
    keys = cited(findings)
    number = {key: place for place, key in enumerate(keys, start=1)}
    paragraphs = []
    for parts in _paragraphs(findings, versions):
        said = []
        for sentence, used in parts:
            marks = ", ".join(str(number[key]) for key in used)
            if "[]" in sentence:
                said.append(sentence.replace("[]", f"[{marks}]"))
            else:
                said.append(f"{sentence.removesuffix('.')} [{marks}]." if marks else sentence)
        paragraphs.append(" ".join(said))
    return paragraphs


def cited(findings: Findings) -> list[str]:
    """Return the keys of everything that this study's methods cite, in their order.

    Examples
    --------
    >>> cited(Findings("a picture", 7))
    ['physlearn', 'harris2020', 'virtanen2020']
    """
    keys = [
        key for parts in _paragraphs(findings, {}) for _, used in parts for key in used
    ]  # fmt: skip
    return list(dict.fromkeys(keys))


def bibliography(findings: Findings, version: str) -> str:
    """Return BibTeX of what this study used, and of nothing else.

    Examples
    --------
    >>> bibliography(Findings("a picture", 7), "0.1").count("@")
    3
    """
    entries = _entries()
    return "\n\n".join(entries[key].replace("VERSION", version) for key in cited(findings)) + "\n"


@cache
def _entries() -> dict[str, str]:
    blocks = re.split(r"\n(?=@)", page_file("references.bib"))
    return {
        found.group(1): block.strip()
        for block in blocks
        if (found := re.match(r"@\w+\{(\w+),", block))
    }


def _paragraphs(findings: Findings, versions: Mapping[str, str]) -> Iterator[list[Part]]:
    done = {note.name for note in findings.notes if note.status == DONE}
    for parts in (
        _atoms(findings, done), _lattice(findings), _causes(findings), _walls(findings),
        _motion(findings, done), _planning(findings),
    ):  # fmt: skip
        if sentences := list(parts):
            yield sentences
    yield list(_software(findings, versions))


def _atoms(findings: Findings, done: set[str]) -> Iterator[Part]:
    image, atoms = findings.image, findings.atoms
    if image is None:
        return
    yield f"A picture of {image.sizes['x']} by {image.sizes['y']} pixels was analysed.", ()
    if atoms is None:
        return
    yield (
        "Atom columns were detected by score tests [] on the residual of the current fit and "
        "fitted jointly by maximum likelihood, each position with the covariance of that fit.",
        ("rao1948",),
    )
    text = f"{atoms.n:,} columns were found"
    if atoms.position_covariance is not None and atoms.n:
        sd = np.sqrt(np.einsum("nii->n", atoms.position_covariance) / atoms.dimension)
        text += (
            f", with a median standard deviation of {said_number(float(np.median(sd)), 2)} "
            f"{unit_text(atoms.unit)} along each axis"
        )
    yield f"{text}.", ()
    if "species" in done:
        yield (
            "Species were told apart by a mixture over the fitted intensities that allows for the "
            "error of each; the number of species was chosen by the Bayesian information criterion "
            "[].", ("schwarz1978",),
        )  # fmt: skip
    if "consistency" in done and findings.consistency is not None:
        scatter = ", ".join(said_number(float(v), 3) for v in findings.consistency.z_sd)
        yield (
            "The error bars were checked on the picture itself: differences between independent "
            f"halves, over their error bars, scattered by {scatter} (x, y; 1 expected).", (),
        )  # fmt: skip
    if "scan" in done:
        yield "Displaced scan rows were put in order with the declared lattice.", ()
    if findings.vacancies is not None:
        rate = findings.vacancies.metadata.get("false_discovery_rate", 0.05)
        yield (
            "Each site was judged by the likelihood of the picture there, with the false discovery "
            f"rate of named vacancies held at {float(rate):.0%} [].", ("benjamini1995",),
        )  # fmt: skip
    if "strain" in done:
        yield (
            "Strain was the best affine map of each atom's lattice neighbours against the mean "
            "lattice, with errors from the joint covariance of the positions.", (),
        )  # fmt: skip


def _lattice(findings: Findings) -> Iterator[Part]:
    fit, snapshots = findings.couplings, findings.snapshots
    if fit is None or snapshots is None:
        return
    counts = species_counts(findings)
    said = " and ".join(f"{n:,} {name}" for name, n in counts.items())
    how = f"{fit.attrs['likelihood']} {fit.attrs['approximation']}".lower()
    keys: tuple[str, ...] = ()
    if "pseudo" in how:
        keys += ("besag1975",)
    if "monte carlo" in how:
        keys += ("geyer1992", "shirts2008")
    yield (
        f"A lattice Hamiltonian with {len(snapshots.graph.shell_radii)} shells of pair couplings "
        f"and a field, p ∝ exp(Σ h s + Σ J s s'), was fitted to {snapshots.n_observed:,} sites "
        f"({said}), temperature absorbed ({fit.attrs['approximation']}).", keys,
    )  # fmt: skip
    rows = [r for r in fit.summary().to_dict("records") if str(r["name"]).startswith("coupl")]
    yield f"{_numbers(rows)}.", ()
    if findings.correlations is not None:
        table = findings.correlations
        inside = int(
            table["observed"].between(table["predicted_q05"], table["predicted_q95"]).sum()
        )
        yield (
            f"Of {len(table)} correlations in pictures simulated from the posterior, {inside} "
            "agreed with the picture within 90 % intervals.", (),
        )  # fmt: skip


def _causes(findings: Findings) -> Iterator[Part]:
    table, graph = findings.patches, findings.graph
    if table is not None:
        yield (
            f"The picture was divided into {table.n_patches:,} patches of "
            f"{said_number(float(table.patch_size))} {unit_text(table.unit)}, described by "
            f"{len(table.columns)} quantities.", (),
        )  # fmt: skip
    if graph is not None:
        keys: tuple[str, ...] = ("shah2013", "dutilleul1993", "zheng2024")
        if graph.method.startswith("PC"):
            keys = ("spirtes2000", *keys)
        yield (
            f"Causal links were sought by {graph.method} at a level of {graph.alpha:g}; their "
            "stability was judged on half-samples, and correlated neighbours were counted by an "
            "effective sample size.", keys,
        )  # fmt: skip
        n = sum(edge.presence == "present" for edge in graph.edges)
        text = f"{n} link{'' if n == 1 else 's'} stood"
        if np.isfinite(graph.detectable):
            text += f"; partial correlations below {min(graph.detectable, 1):.2f} were out of reach"
        yield f"{text}.", ()
    if findings.effects:
        yield (
            f"{len(findings.effects)} effects were estimated with the back-door criterion [] as "
            "implemented in DoWhy.".replace("1 effects were", "1 effect was"),
            ("pearl2009", "sharma2020"),
        )


def _walls(findings: Findings) -> Iterator[Part]:
    video, track, fit = findings.video, findings.track, findings.wall_fit
    if video is None:
        return
    frames, rows, columns = (video.sizes[dim] for dim in ("time", "y", "x"))
    yield f"A film of {frames} frames of {columns} by {rows} pixels was analysed.", ()
    if track is not None:
        yield (
            f"{len(track.walls)} domain walls were followed; each of {len(track.table):,} wall "
            "points was the maximum-likelihood place of a tanh profile along the local normal.", (),
        )  # fmt: skip
    if fit is not None:
        yield (
            "The velocity law v = drive mobility × drive − curvature mobility × curvature was "
            f"fitted to the contours ({fit.attrs['likelihood']}; {fit.attrs['approximation']}).",
            ("vehtari2024",) if "importance" in str(fit.attrs["approximation"]) else (),
        )
        yield f"{_numbers(fit.summary().to_dict('records'))}.", ()
    if findings.laws is not None:
        yield (
            f"{len(findings.laws.table)} candidate laws were scored by the same likelihood and "
            "weighted by their description length [].", ("rissanen1978",),
        )  # fmt: skip


def _motion(findings: Findings, done: set[str]) -> Iterator[Part]:
    track, found = findings.trajectory, findings.diffusion
    if track is None:
        return
    yield f"{track.n_particles:,} tracked particles over {track.n_frames} frames were analysed.", ()
    if found is not None:
        yield (
            "Diffusion was estimated from the likelihood of successive displacements with "
            "localisation noise and blur [], common drift removed.", ("berglund2010",),
        )  # fmt: skip
        row = {"name": "diffusion coefficient", "mean": found.diffusion, "q05": found.low,
               "q95": found.high, "unit": found.unit}  # fmt: skip
        yield f"{_numbers([row])}.", ()
    if findings.pair_force is not None:
        how = findings.pair_force.attrs["likelihood"]
        yield f"The force between pairs was estimated by distance ({how}).", ()
    if findings.drift is not None:
        yield (
            "Laws of the force on each particle were scored by the density of the transitions "
            "between frames.", (),
        )  # fmt: skip
    if "hops" in done:
        yield (
            "Hops were steps that the errors of the positions cannot explain, at a false discovery "
            "rate held by the procedure of [].", ("benjamini1995",),
        )  # fmt: skip
    if findings.hop_rates is not None:
        rows = findings.hop_rates.summary().to_dict("records")
        yield f"{_numbers(rows)}; likelihood: {findings.hop_rates.attrs['likelihood']}.", ()


def _planning(findings: Findings) -> Iterator[Part]:
    if findings.plan is not None and findings.plan.steps:
        yield (
            f"The next {len(findings.plan.steps)} measurement"
            f"{'s were' if len(findings.plan.steps) > 1 else ' was'} chosen by the information "
            "expected per cost [] inside a hard envelope of dose and sites.", ("lindley1956",),
        )  # fmt: skip
    if findings.rehearsal is not None:
        yield (
            "The experiment was rehearsed in simulation; claims needed e-values [] against every "
            "declared class of deviations.", ("ramdas2023",),
        )  # fmt: skip


def _software(findings: Findings, versions: Mapping[str, str]) -> Iterator[Part]:
    yield (
        f"All steps were done with physlearn {versions.get('physlearn', '')} [] (seed "
        f"{findings.seed}).", ("physlearn",),
    )  # fmt: skip
    told = [
        f"{said} {versions[name]}" if name in versions else said
        for name, said in (("numpy", "NumPy"), ("scipy", "SciPy"))
    ]
    yield (
        f"Numerics relied on {' and '.join(told)} []. Intervals are equal-tailed and hold 90 %.",
        ("harris2020", "virtanen2020"),
    )


def _numbers(rows: list[dict[Any, Any]]) -> str:
    """Return rows of a posterior as a paper says them."""
    said = []
    for row in rows:
        mean, low, high = said_interval(row["mean"], row["q05"], row["q95"])
        value = f"{mean} {unit_text(str(row['unit']))}".strip()
        said.append(f"{_said_name(str(row['name']))} was {value} (90 % interval {low} to {high})")
    text = "; ".join(said)
    return text[:1].upper() + text[1:]


def _said_name(name: str) -> str:
    stem, _, shell = name.rstrip("]").partition("[")
    if stem == "couplings":
        return f"J of shell {shell}"
    return f"{stem.replace('_', ' ')} {shell}".strip()
