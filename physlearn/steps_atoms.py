"""The steps of a study that end at the atoms: found, checked, told apart, placed on a lattice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physlearn.checks import NotIdentified
from physlearn.findings import Findings, Step

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ATOM_STEPS"]

WIDEST_PIXEL = 5.0
"""Angstrom: no two atoms beside one another are that far apart."""
FEWEST_COLUMNS = 3
"""A picture of noise may show one or two."""


def _find_atoms(findings: Findings) -> None:
    from physlearn.datasets.columns.edited_atoms import apply_edits
    from physlearn.datasets.columns.find_atoms import find_atoms

    if findings.image is None:
        return
    if findings.edited is None:
        _refuse_wide_pixels(findings.image)
    atoms = find_atoms(findings.image)
    if findings.edited is not None:
        atoms = apply_edits(atoms, findings.edited, findings.image)
    if atoms.n == 0:
        raise NotIdentified("no atom columns stand out of the noise of this picture.")
    findings.atoms = atoms


def _refuse_wide_pixels(image: xr.DataArray) -> None:
    """Refuse to see atoms where one pixel is wider than any: what looks round there is no atom."""
    from physlearn.datasets.reading.picture_frame import picture_frame
    from physlearn.records.atoms import ANGSTROM_PER

    frame = picture_frame(image)
    per = ANGSTROM_PER.get(frame.unit)
    if per is None or min(frame.pixel_size) * per <= WIDEST_PIXEL:
        return
    raise NotIdentified(
        f"one pixel is {min(frame.pixel_size) * per / 10:.3g} nm wide, and atoms are no farther "
        "apart than that: the picture can show domains, grains or particles. Its patches are "
        "described; find_walls and describe_patches (Python) take domains, find_atoms takes "
        "anything round."
    )


def _check_errors(findings: Findings) -> None:
    from physlearn.datasets.columns.self_consistency import check_consistency

    if findings.image is not None:
        findings.consistency = check_consistency(
            findings.image, rng=findings.rng("halves of the picture")
        )


def _correct_scan(findings: Findings) -> None:
    from physlearn.datasets import correct_scan

    if findings.atoms is None or findings.lattice is None:
        return
    findings.scan = correct_scan(findings.atoms, findings.image, lattice=findings.lattice)


def _classify(findings: Findings) -> None:
    from physlearn.datasets.sites.species import classify_species

    if findings.atoms is not None:
        if findings.atoms.n < FEWEST_COLUMNS:
            raise NotIdentified(
                f"{findings.atoms.n} column(s) were found; to tell species apart takes "
                f"{FEWEST_COLUMNS}."
            )
        findings.atoms = classify_species(findings.atoms, findings.options.n_species or "auto")


def _assign(findings: Findings) -> None:
    from physlearn.datasets.sites.assign_sites import assign_sites
    from physlearn.datasets.sites.lattice_finding import FEWEST_ATOMS

    if findings.atoms is not None:
        if findings.atoms.n < FEWEST_ATOMS:
            raise NotIdentified(
                f"{findings.atoms.n} column(s) were found; a lattice takes {FEWEST_ATOMS}."
            )
        findings.snapshots = assign_sites(findings.atoms, n_shells=findings.options.n_shells)


def _find_vacancies(findings: Findings) -> None:
    from physlearn.datasets.sites.vacancies import find_vacancies

    if findings.atoms is not None and findings.image is not None:
        findings.vacancies = find_vacancies(findings.atoms, findings.image)


def _measure_strain(findings: Findings) -> None:
    from physlearn.datasets.structure.strain import measure_strain

    # what is drawn over the picture stays where the picture has it; strain wants it straight
    atoms = findings.atoms if findings.scan is None else findings.scan.atoms
    if atoms is not None:
        findings.strain = measure_strain(atoms)


ATOM_STEPS = (
    Step("atoms", "Find atoms", _find_atoms, ("image",)),
    Step("consistency", "Check the error bars", _check_errors, ("atoms",)),
    Step("scan", "Put scan rows in order", _correct_scan, ("atoms", "lattice")),
    Step("species", "Tell species apart", _classify, ("atoms",)),
    Step("sites", "Assign lattice sites", _assign, ("atoms",)),
    Step("vacancies", "Look for vacancies", _find_vacancies, ("snapshots",)),
    Step("strain", "Measure strain", _measure_strain, ("snapshots",)),
)
