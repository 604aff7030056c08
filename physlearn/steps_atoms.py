"""The steps of a study that end at the atoms: found, checked, told apart, placed on a lattice."""

from __future__ import annotations

from physlearn.checks import NotIdentified
from physlearn.findings import Findings, Step

__all__ = ["ATOM_STEPS", "N_SHELLS"]

N_SHELLS = 2


def _find_atoms(findings: Findings) -> None:
    from physlearn.datasets.columns.edited_atoms import apply_edits
    from physlearn.datasets.columns.find_atoms import find_atoms

    if findings.image is None:
        return
    atoms = find_atoms(findings.image)
    if findings.edited is not None:
        atoms = apply_edits(atoms, findings.edited, findings.image)
    if atoms.n == 0:
        raise NotIdentified("no atom columns stand out of the noise of this picture.")
    findings.atoms = atoms


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
        findings.atoms = classify_species(findings.atoms)


def _assign(findings: Findings) -> None:
    from physlearn.datasets.sites.assign_sites import assign_sites

    if findings.atoms is not None:
        findings.snapshots = assign_sites(findings.atoms, n_shells=N_SHELLS)


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
