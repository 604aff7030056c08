"""The numbers of the steps that end at the atoms, for ``summary.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.atom_words import strain_beyond_errors
from physlearn.findings import Findings

if TYPE_CHECKING:
    from physlearn.datasets import SiteStates, StrainField
    from physlearn.records import AtomicConfiguration

__all__ = ["atoms_content", "species_probabilities"]

EDITS = ("added", "moved", "removed", "unsupported")


def atoms_content(findings: Findings) -> dict[str, Any]:
    """Return what ``summary.json`` says of atoms, error bars, scan and strain.

    Examples
    --------
    >>> atoms_content(Findings("a picture", 1))
    {'atoms': None, 'consistency': None, 'scan': None, 'vacancies': None, 'strain': None}
    """
    return {
        "atoms": _atoms(findings),
        "consistency": _consistency(findings),
        "scan": _scan(findings),
        "vacancies": None if findings.vacancies is None else _vacancies(findings.vacancies),
        "strain": None if findings.strain is None else _strain(findings.strain),
    }


def species_probabilities(atoms: AtomicConfiguration) -> np.ndarray | None:
    """Return the probability of each species for each atom, shape (n, species), or None.

    The class shares that the mixture found serve as prior (even ones where it says none): for
    display and counting; inference takes the likelihoods.

    Examples
    --------
    >>> from physlearn.records import AtomicConfiguration
    >>> atoms = AtomicConfiguration([[0, 0]], species_log_likelihood=np.log([[0.3, 0.1]]))
    >>> species_probabilities(atoms).round(2).tolist()
    [[0.75, 0.25]]
    """
    logs = atoms.species_log_likelihood
    if logs is None or atoms.n == 0:
        return None
    shares = [atoms.metadata.get(f"species_{k}_share", np.nan) for k in range(logs.shape[1])]
    prior = np.array(shares, dtype=np.float64)
    if not (np.isfinite(prior).all() and prior.min() > 0):
        prior = np.full(logs.shape[1], 1.0 / logs.shape[1])
    joint = logs + np.log(prior)
    joint = np.exp(joint - joint.max(axis=1, keepdims=True))
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _atoms(findings: Findings) -> dict[str, Any] | None:
    atoms = findings.atoms
    if atoms is None:
        return None
    result: dict[str, Any] = {"count": atoms.n, "unit": atoms.unit}
    if atoms.position_covariance is not None and atoms.n:
        variances = np.einsum("nii->ni", atoms.position_covariance)
        result["median_position_sd"] = float(np.median(np.sqrt(variances.mean(axis=1))))
    if atoms.species is not None:
        result["species_counts"] = {
            name: int((atoms.species == code).sum())
            for code, name in enumerate(atoms.species_names)
        }
        chances = species_probabilities(atoms)
        if chances is not None:
            result["expected_species_counts"] = dict(
                zip(atoms.species_names, chances.sum(axis=0).tolist(), strict=False)
            )
    said = atoms.metadata
    result["residual_chi_square"] = said.get("residual_chi_square_per_pixel")
    result["edited_by_hand"] = bool(said.get("edited_by_hand", False))
    if result["edited_by_hand"]:
        result["edits"] = {word: said[f"edit_{word}"] for word in EDITS}
        result["edits"] |= {key: said[key] for key in ("edit_file", "edit_sha256") if key in said}
    return result


def _consistency(findings: Findings) -> dict[str, Any] | None:
    check = findings.consistency
    if check is None:
        return None
    return {
        "method": check.method, "judged": check.judged, "passed": check.passed,
        "reason": check.reason, "z_sd": list(check.z_sd), "z_sd_error": list(check.z_sd_error),
        "expected_z_sd": check.expected_z_sd, "both": check.n_both,
        "only_first": check.n_only_first, "only_second": check.n_only_second,
        "noise_correlation": list(check.noise_correlation),
    }  # fmt: skip


def _scan(findings: Findings) -> dict[str, Any] | None:
    scan = findings.scan
    if scan is None:
        return None
    pair = None if scan.drift is None else scan.drift.tolist()
    return {
        "lattice": findings.lattice, "jitter_sd": scan.jitter_sd,
        "jitter_sd_error": scan.jitter_sd_error, "jitter_correlation": scan.jitter_correlation,
        "displacement_sd": scan.displacement_sd, "drift": pair, "unit": scan.atoms.unit,
        "lattice_vectors": scan.lattice_vectors.tolist(),
        "lattice_vectors_sd": scan.lattice_vectors_sd.tolist(),
    }  # fmt: skip


def _vacancies(sites: SiteStates) -> dict[str, Any]:
    return {
        "sites": sites.n_sites, "shares": sites.shares.to_dict("records"),
        "interstitials": len(sites.interstitials),
        "false_discovery_rate": sites.metadata.get("false_discovery_rate"),
    }  # fmt: skip


def _strain(field: StrainField) -> dict[str, Any]:
    rows = field.complete & np.isfinite(field.covariance[:, 0, 0])
    return {
        "atoms": int(rows.sum()),
        "variance_beyond_errors": {
            name: {"value": value, "error": error}
            for name, (value, error) in strain_beyond_errors(field).items()
        },
        "median_sd_xx": float(np.sqrt(np.median(field.covariance[rows, 0, 0])))
        if rows.any() else None,
        "row_mean_identified": bool(field.row_mean_identified),
    }  # fmt: skip
