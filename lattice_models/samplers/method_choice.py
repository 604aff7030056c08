"""Which sampler suits a Hamiltonian on a graph, and why."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.hamiltonians.energy_terms import EnergyTerms

__all__ = ["Candidate", "Strength", "coupling_strength", "method_candidates"]

NEAR_ORDER = 1.1 * (1 + np.sqrt(2))
"""Reach times 1 + sqrt(q) above which domains are large: on the square, order sets in at 3."""
WEAK_FIELD, ROUND_OFF = 0.1, 1e-9
LARGEST_TEMPERED = 4096
SMALLEST_FAST = 1024


class Candidate(NamedTuple):
    """A method and one sentence on why it is taken."""

    method: str
    reason: str


class Strength(NamedTuple):
    """How strongly sites are coupled.

    Attributes
    ----------
    reach
        Mean over sites of (z - 1) t: how many further sites a site persuades, where t is the
        correlation across one bond alone (Ising: tanh |J|). Above 1 a tree is ordered (Bethe).
    random_reach
        The same with t^2, the order of a spin glass on a tree.
    frustrated
        Whether some bonds cannot all be content at once.
    field
        Largest difference of site energies between states, in kT.
    """

    reach: float
    random_reach: float
    frustrated: bool
    field: float


def coupling_strength(terms: EnergyTerms) -> Strength:
    """Return how strongly the sites of a Hamiltonian are coupled.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> strength = coupling_strength(Ising([0.4]).terms(square_lattice((8, 8))))
    >>> round(strength.reach, 2), strength.frustrated
    (1.14, False)
    """
    n_sites, q = terms.site_energy.shape
    types, entry_type = np.unique(
        np.column_stack([terms.kind, terms.weight]), axis=0, return_inverse=True
    )
    kinds = types[:, 0].astype(np.intp)
    energy = types[:, 1, None, None] * _without_slope(terms.pair_energy)[kinds]
    size = _bond_correlations(energy)[entry_type] if len(energy) else np.empty(0)
    site = np.repeat(np.arange(n_sites), np.diff(terms.start))
    valence = np.maximum(np.bincount(site, size > 0, minlength=n_sites), 1.0)
    branches = (valence - 1.0) / valence
    reach = branches * np.bincount(site, size, minlength=n_sites)
    random_reach = branches * np.bincount(site, size**2, minlength=n_sites)
    like = energy[:, range(q), range(q)].max(axis=1, initial=-np.inf)
    unlike = (energy + np.diag(np.full(q, np.inf))).min(axis=(1, 2), initial=np.inf)
    sign = np.where(like <= unlike, 1, -1 if q == 2 else 0)[entry_type]
    used = size > 0
    frustrated = bool(np.any(sign[used] == 0)) or _unbalanced(
        n_sites, site[used], terms.neighbour[used], sign[used]
    )
    return Strength(
        float(reach.mean()), float(random_reach.mean()), frustrated,
        float(np.ptp(_bare_fields(terms, site), axis=1).max()),
    )  # fmt: skip


def _without_slope(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pair energies without what one end alone would have: rows and columns sum to zero."""
    rows = energy.mean(axis=2, keepdims=True)
    return np.asarray(energy - rows - rows.swapaxes(1, 2) + energy.mean(axis=(1, 2), keepdims=True))


def _bond_correlations(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the second largest over the largest eigenvalue of exp(-energy), of each bond alone."""
    weight = np.exp(energy.min(axis=(1, 2), keepdims=True) - energy)
    values = np.sort(np.abs(np.linalg.eigvalsh(weight)), axis=1)
    return np.asarray(np.where(np.ptp(energy, axis=(1, 2)) > 0, values[:, -2] / values[:, -1], 0.0))


def _bare_fields(terms: EnergyTerms, site: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return site energies with what pairs contribute in the mean over the neighbour's states."""
    fields = terms.site_energy.copy()
    np.add.at(fields, site, terms.weight[:, None] * terms.pair_energy.mean(axis=2)[terms.kind])
    return np.asarray(fields - fields.mean(axis=1, keepdims=True))


def _unbalanced(
    n_sites: int,
    site: NDArray[np.intp],
    neighbour: NDArray[np.int32],
    sign: NDArray[np.int64],
) -> bool:
    """Return whether no choice of states contents all bonds (Harary: a cycle of odd sign)."""
    if np.all(sign > 0):
        return False
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # two copies of every site: a bond of sign -1 leads from one copy to the other
    other = neighbour + n_sites * (sign < 0)
    ends = np.concatenate([site, site + n_sites]), np.concatenate([other, (other + n_sites)])
    links = coo_array(
        (np.ones(len(ends[0]), np.int8), (ends[0], ends[1] % (2 * n_sites))),
        shape=(2 * n_sites, 2 * n_sites),
    )
    _, label = connected_components(links, directed=False)
    return bool(np.any(label[:n_sites] == label[n_sites:]))


def method_candidates(terms: EnergyTerms) -> tuple[Candidate, ...]:
    """Return methods for a Hamiltonian on a graph, best first; the last always fits.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> graph = square_lattice((8, 8))
    >>> [method_candidates(Ising([j]).terms(graph))[0].method for j in (0.1, 0.44)]
    ['heat_bath', 'wolff']
    """
    if len(terms.triplets) and np.any(terms.triplet_energy):
        return (Candidate("heat_bath", "the Hamiltonian holds triplets"),)
    strength = coupling_strength(terms)
    n_sites, q = terms.site_energy.shape
    said = f"a site persuades {strength.reach:.2f} others"
    strong = strength.reach * (1 + np.sqrt(q)) >= NEAR_ORDER
    if strong and not strength.frustrated:
        if strength.field <= ROUND_OFF:
            why = f"bonds do not compete and are strong ({said}), so that domains are large"
            return Candidate("wolff", why), Candidate("heat_bath", f"{said}; clusters do not fit")
        if strength.field <= WEAK_FIELD:
            why = f"bonds do not compete and are strong ({said}), in a weak field"
            return (
                Candidate("swendsen_wang", why),
                Candidate("heat_bath", f"{said}; clusters do not fit"),
            )
        return (Candidate("heat_bath", f"{said}, but a field of {strength.field:.2g} kT decides"),)
    if strong and strength.random_reach >= 1.0:
        if n_sites <= LARGEST_TEMPERED:
            why = f"bonds compete and are strong ({said}): single sites would stay in one valley"
            return Candidate("tempering", why), Candidate("heat_bath", f"{said}")
        return (
            Candidate(
                "heat_bath",
                f"bonds compete and are strong ({said}), which asks for tempering, but {n_sites} "
                f"sites are more than the {LARGEST_TEMPERED} that are tempered by choice",
            ),
        )
    plain = Candidate("heat_bath", f"{said}, so that single sites soon forget")
    if q > 2 or n_sites < SMALLEST_FAST:
        return (plain,)
    return (
        Candidate("multispin", f"{said}, and 64 sites of this lattice fit a word"),
        Candidate("checkerboard", f"{said}, and this lattice is swept colour by colour"),
        plain,
    )
