"""May these fits be put together? Models, lattices and pictures behind the numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from physlearn.checks import InputError
from physlearn.inference.lattices.fit_contents import family_of, snapshots_of
from physlearn.inference.prediction.crystal_recognition import recognise_crystal
from physlearn.results import Fit

__all__ = ["check_same_models", "crystals_of", "holds_pictures"]

UNKNOWN = "none of the known crystals"
NO_DATA = hashlib.sha256(b"").hexdigest()


def holds_pictures(fit: Fit) -> bool:
    """Return whether a fit was made from pictures, with their lattice model."""
    return "prior" in fit.attrs and "constant_data" in getattr(fit, "idata", {})


def crystals_of(fit: Fit) -> set[str]:
    """Return the kinds of crystal that a fit's pictures show.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((16, 16)), rng=1)
    >>> crystals_of(fit_lattice_hamiltonian(picture, 1, rng=1))
    {'square'}
    """
    found = set()
    for record in snapshots_of(fit):
        try:
            found.add(recognise_crystal(record.graph))
        except InputError:
            found.add(UNKNOWN)
    return found


def check_same_models(fits: Sequence[Fit], names: Sequence[str], variable: str) -> list[str]:
    """Refuse fits of different models; return warnings on lattices and on data met twice.

    Raises
    ------
    InputError
        When model, state values, motifs, shells or units differ.
    """
    held = [index for index, fit in enumerate(fits) if holds_pictures(fit)]
    for index in held[1:]:
        one, other = (family_of(fits[place]) for place in (held[0], index))
        for what, ours, theirs in (
            ("model", one.model, other.model),
            ("number of states", one.n_states, other.n_states),
            ("state values", _values_that_count(one), _values_that_count(other)),
            ("number of shells", one.n_shells, other.n_shells),
            ("triplets", one.motifs, other.motifs),
        ):
            if ours != theirs:
                raise InputError(
                    f"fits must be of one model for their {variable} to mean the same; the {what} "
                    f"is {ours} for sample {names[held[0]]} and {theirs} for sample "
                    f"{names[index]}: fit all with the same model and shells."
                )
    units = [json.loads(fit.attrs.get("units", "{}")).get(variable, "") for fit in fits]
    said = {unit: name for unit, name in zip(units, names, strict=True) if unit}
    if len(said) > 1:
        listed = ", ".join(f"{unit!r} for sample {name}" for unit, name in said.items())
        raise InputError(f"fits must have {variable} in one unit; it is {listed}.")
    return [*_lattice_flags(fits, names, held), *_copies(fits, names, variable)]


def _values_that_count(family: object) -> tuple[int, ...]:
    """Return the state values where couplings multiply them; elsewhere they are mere names."""
    if getattr(family, "model", "") in ("ising", "potts", "pair"):
        return ()
    return tuple(getattr(family, "state_values", ()))


def _lattice_flags(fits: Sequence[Fit], names: Sequence[str], held: Sequence[int]) -> list[str]:
    kinds = {names[index]: crystals_of(fits[index]) for index in held}
    found = sorted(set().union(*kinds.values()))
    if len(found) < 2:
        return []
    listed = ", ".join(f"sample {name}: {' and '.join(sorted(k))}" for name, k in kinds.items())
    return [
        f"the pictures show different lattices ({listed}): one coupling of each shell for all is "
        "an assumption about bonds of different lengths and surroundings"
    ]


def _copies(fits: Sequence[Fit], names: Sequence[str], variable: str) -> list[str]:
    """Say which samples were made from the same data."""
    out = []
    for later in range(1, len(fits)):
        for earlier in range(later):
            one, other = fits[earlier], fits[later]
            known = str(one.attrs.get("data_sha256", NO_DATA))
            told = known != NO_DATA and known == str(other.attrs.get("data_sha256", ""))
            if told or np.array_equal(one[variable], other[variable]):
                out.append(
                    f"samples {names[earlier]} and {names[later]} were fitted to the same data: "
                    "they count twice, and spread and error bars are too small; leave one out"
                )
                break
    return out
