"""Atomic pictures, frame by frame: atoms, species, vacancies, couplings; and all fields pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from physlearn.checks import InputError
from physlearn.findings import Findings, run_steps
from physlearn.live.frame_facts import frame_facts
from physlearn.live.records import Estimate, FrameFile, FrameResult
from physlearn.live.same_field import FieldMatch, match_fields

if TYPE_CHECKING:
    import xarray as xr

    from physlearn.results import Fit

__all__ = ["PICTURE_STEPS", "analyse_picture", "counted_fields", "place_fields", "pool_fields"]

PICTURE_STEPS = ("atoms", "species", "sites", "couplings", "vacancies")
NAMES = {"field": "field (composition)"}


def analyse_picture(image: xr.DataArray, file: FrameFile, part: int, seed: int) -> FrameResult:
    """Find atoms, species, sites, couplings and vacancies of one picture.

    The random numbers follow from the file's content: the same picture gives the same numbers
    whenever and under whatever name it arrives.

    Examples
    --------
    >>> import xarray as xr
    >>> noise = xr.DataArray(np.random.default_rng(0).normal(size=(48, 48)), dims=("y", "x"))
    >>> found = analyse_picture(noise, FrameFile("noise.npy", "00"), 0, 1)
    >>> found.estimates, found.notes[0].status
    ((), 'could not')
    """
    from physlearn.steps_image import IMAGE_STEPS

    own = int(np.random.SeedSequence([seed, part, int(file.sha256[:15] or "0", 16)])
              .generate_state(1)[0])  # fmt: skip
    findings = Findings(file.name, own, source=file.name, image=image)
    by_name = {step.name: step for step in IMAGE_STEPS}
    run_steps([by_name[name] for name in PICTURE_STEPS], findings)
    facts = frame_facts(image)
    atoms = findings.atoms
    if atoms is not None:
        facts["atoms"] = float(atoms.n)
        facts["spacing"] = _spacing(atoms.positions)
    if findings.snapshots is not None:
        facts["sites"] = float(findings.snapshots.n_observed)
    dose = image.attrs.get("dose_e_per_angstrom2")
    x = image.coords.get("x")
    step = 1.0 if x is None else float(x[1] - x[0])
    return FrameResult(
        file, part, facts, _counts(findings), _estimates(findings),
        tuple(findings.warnings()), tuple(findings.notes),
        unit="pixel" if x is None else str(x.attrs.get("units", "pixel")),
        width=step * image.sizes["x"], dose=float(dose) if dose else None,
        model="" if findings.couplings is None else _model_of(findings.couplings),
        image=image, atoms=atoms, snapshots=findings.snapshots, couplings=findings.couplings,
    )  # fmt: skip


def _spacing(points: np.ndarray) -> float:
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return float("nan")
    distance, _ = cKDTree(points).query(points, k=2)
    return float(np.median(np.asarray(distance)[:, 1]))


def _counts(findings: Findings) -> dict[str, int]:
    from physlearn.phrases import species_counts

    return species_counts(findings)


def _estimates(findings: Findings) -> tuple[Estimate, ...]:
    found = [] if findings.couplings is None else fit_estimates(findings.couplings, "this frame")
    if findings.vacancies is not None:
        rows = findings.vacancies.shares
        many = len(findings.vacancies.phases) > 1
        for row in rows[rows["state"] == "vacant"].to_dict("records"):
            part = int(row["sublattice"])
            found.append(
                Estimate(
                    f"vacant_share[{part}]",
                    "share of vacant sites" + (f", sublattice {part}" if many else ""),
                    float(row["share"]), float(row["low"]), float(row["high"]), "",
                    "", f"{int(row['count']):,} of {int(row['n_sites']):,} sites; 95 % interval",
                )
            )  # fmt: skip
    return tuple(found)


def label_of(name: str) -> str:
    """Return what a number of a fit is called on the page.

    Examples
    --------
    >>> label_of("couplings[1]"), label_of("curvature_mobility")
    ('coupling of shell 1', 'curvature mobility')
    """
    from physlearn.phrases import plain_name

    whole, _, shell = name.partition("[")
    if whole == "couplings" and shell.rstrip("]").isdecimal():
        return f"coupling of shell {shell.rstrip(']')}"
    return NAMES.get(name, plain_name(name))


def fit_estimates(fit: Fit, basis: str) -> list[Estimate]:
    """Return every row of a fit's summary as an estimate."""
    return [
        Estimate(
            str(row["name"]), label_of(str(row["name"])),
            float(row["mean"]), float(row["q05"]), float(row["q95"]), str(row["unit"]),
            str(row["verdict"]), basis,
        )
        for row in fit.summary().to_dict("records")
    ]  # fmt: skip


def place_fields(
    frames: Sequence[FrameResult], matches: Mapping[tuple[str, str], FieldMatch]
) -> tuple[list[FrameResult], dict[tuple[str, str], FieldMatch]]:
    """Say which field of view each frame shows, and how far it lies from the field's first frame.

    Where the pattern cannot tell, a frame counts with the field of the frame before it: two
    pictures that may be of one place must not be taken for two samples.

    Parameters
    ----------
    frames
        In the order of their names.
    matches
        Pairs that were compared before.

    Returns
    -------
    (list, dict)
        The frames, and the pairs compared so far.
    """
    known = dict(matches)
    placed: list[FrameResult] = []
    firsts: list[FrameResult] = []
    for frame in frames:
        found, unclear = None, False
        # the field seen last is the likeliest to be seen again
        before = placed[-1].field if placed else 0
        for number in sorted(range(len(firsts)), key=lambda k: (k != before, -k)):
            match = _matched(firsts[number], frame, known)
            unclear |= match.relation == "unclear"
            if match.relation == "same":
                found = replace(frame, field=number, relation="same", shift=match.shift)
                break
        if found is None and unclear:
            found = replace(frame, field=before, relation="unclear", shift=None)
        if found is None:
            relation = "other" if firsts else "first"
            found = replace(frame, field=len(firsts), relation=relation, shift=None)
            firsts.append(found)
        placed.append(found)
    return placed, known


def _matched(
    first: FrameResult, frame: FrameResult, known: dict[tuple[str, str], FieldMatch]
) -> FieldMatch:
    key = (f"{first.file.sha256}/{first.part}", f"{frame.file.sha256}/{frame.part}")
    if key not in known:
        found = FieldMatch("unclear")
        if first.atoms is not None and frame.atoms is not None and first.unit == frame.unit:
            found = match_fields(first.atoms, frame.atoms)
        known[key] = found
    return known[key]


def counted_fields(frames: Sequence[FrameResult]) -> dict[int, FrameResult]:
    """Return, of each field with couplings, the one frame that counts: the one with most sites.

    Repeats of one field show the same atoms: counted each, they would narrow the interval without
    any new pattern behind it.
    """
    best: dict[int, FrameResult] = {}
    for frame in sorted(frames, key=lambda one: (one.facts.get("sites", 0.0), one.file.sha256)):
        if frame.couplings is not None:
            best[frame.field] = frame
    return dict(sorted(best.items()))


def pool_fields(
    frames: Sequence[FrameResult], seed: int
) -> tuple[Fit | None, tuple[Estimate, ...], list[str]]:
    """Return couplings of all fields together: (fit, estimates, warnings).

    One field: its own fit. More: their population mean, with the spread between fields inferred
    (``pool_couplings``).
    """
    from physlearn.inference.pooling.hierarchy import pool_couplings

    chosen = counted_fields(frames)
    if not chosen:
        return None, (), []
    models = [one.model for one in chosen.values()]
    common = max(sorted(set(models)), key=models.count)
    alike = {one.name: one.couplings for one in chosen.values() if one.model == common}
    fits = {name: fit for name, fit in alike.items() if fit is not None}
    doubts = [
        f"{one.name} is left out of the couplings: it is {one.model}, the others are {common}"
        for one in chosen.values()
        if one.model != common
    ]
    only = next(iter(fits.values()))
    if len(fits) == 1:
        return only, tuple(fit_estimates(only, "1 field")), [*doubts, *only.warnings]
    try:
        pooled = pool_couplings({name: _posterior_only(fit) for name, fit in fits.items()},
                                rng=seed)  # fmt: skip
    except InputError as refusal:
        return only, (), [*doubts, f"the fields could not be pooled: {refusal}"]
    return (
        as_couplings(pooled, only), _pooled_estimates(pooled, len(fits)),
        [*doubts, *pooled.warnings],
    )  # fmt: skip


def _model_of(fit: Fit) -> str:
    """Say what was fitted, and on which crystal."""
    from physlearn.inference.lattices.fit_contents import family_of
    from physlearn.inference.pooling.same_models import crystals_of

    family = family_of(fit)
    crystal = " and ".join(sorted(crystals_of(fit)))
    return f"{family.model} with {family.n_states} states and {family.n_shells} shells, {crystal}"


def _posterior_only(fit: Fit) -> Fit:
    """Return a fit without its pictures: their crystal was recognised when the frame came.

    Pooling would recognise it again for every field at every update, a quarter of a second each.
    """
    from physlearn.inference.pooling.fit_likelihoods import prior_moments
    from physlearn.results import fit_from_draws

    mean, sd = prior_moments(fit, "couplings")
    if np.any(mean != 0):  # a light fit can only say a prior about zero
        return fit
    return fit_from_draws(
        {"couplings": fit["couplings"]}, model=fit.model,
        likelihood=str(fit.attrs["likelihood"]), approximation=str(fit.attrs["approximation"]),
        seed=int(fit.attrs["seed"]), data=str(fit.attrs["data_sha256"]).encode(),
        prior_sd={"couplings": sd.tolist()}, units={"couplings": "kT"},
        dims={"couplings": ["shell"]}, warnings=fit.warnings,
        coords={"shell": [str(k + 1) for k in range(len(sd))]},
    )  # fmt: skip


def _pooled_estimates(pooled: Fit, n_fields: int) -> tuple[Estimate, ...]:
    found = []
    for row in fit_estimates(pooled, f"{n_fields} fields pooled"):
        whole, _, shell = row.name.partition("[")
        shell = shell.rstrip("]")
        if whole == "population":
            found.append(
                replace(row, name=f"couplings[{shell}]", label=f"coupling of shell {shell}")
            )
        elif whole == "spread":
            found.append(replace(row, label=f"spread between fields, shell {shell}"))
    return tuple(found)


def as_couplings(pooled: Fit, like: Fit) -> Fit:
    """Return the population of a pooled fit under the name that planning asks for."""
    from physlearn.results import fit_from_draws

    return fit_from_draws(
        {"couplings": pooled["population"]}, model=like.model, likelihood="fields pooled",
        approximation=str(pooled.attrs.get("approximation", "")), seed=int(pooled.attrs["seed"]),
        data=str(pooled.attrs.get("data_sha256", "")).encode(),
        dims={"couplings": ["shell"]}, units={"couplings": "kT"},
        coords={"shell": [str(k + 1) for k in range(pooled["population"].shape[1])]},
        warnings=pooled.warnings,
    )  # fmt: skip
