"""Hypotheses from fitted lattice Hamiltonians: what the neighbours of a flipped site do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.hypotheses import Hypothesis
from physlearn.causal.hypothesis_families.drawn_hypotheses import (
    Asked,
    Draws,
    hypothesis_from_draws,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, check_count

if TYPE_CHECKING:
    from physlearn.records import LatticeSnapshots
    from physlearn.results import Fit

__all__ = ["hypotheses_from_hamiltonians"]


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """One picture, and who is whose neighbour."""

    codes: NDArray[np.int64]
    values: Floats
    neighbours: list[list[tuple[int, int, int]]]


def hypotheses_from_hamiltonians(
    fits: Mapping[str, Fit],
    snapshots: LatticeSnapshots,
    *,
    noise_sd: float = 0.0,
    picture: int = 0,
    shell: int = 0,
    weights: Mapping[str, float] | None = None,
    n_draws: int = 1000,
) -> tuple[Hypothesis, ...]:
    """Return one hypothesis for each fitted Hamiltonian: the response of neighbours to a flip.

    An `expose_site` or `tip_pulse` with the argument ``site`` sets that site to another state and
    holds it (to the state ``to`` where given, else to the next one); every neighbour of the shell
    then settles by heat bath with the others as in the picture. The readout is the mean state of
    these neighbours. Nobody asks how the site itself came to its state: its own energy plays no
    part once it was set.

    Parameters
    ----------
    fits
        Name -> `Fit` of `fit_lattice_hamiltonian`: other ranges, other models of the same states.
    snapshots
        Pictures with the graph that the acts refer to; every site seen.
    noise_sd
        Of one measured mean; the chance of finitely many neighbours is added.
    picture
        Which of them shows the sample as it is.
    shell
        Which neighbours are read.
    weights
        Name -> weight (from `compare_models`, say); equal when None.
    n_draws
        Draws of each posterior that are kept.

    Raises
    ------
    InputError
        For fits of other states or with motifs, a picture or shell that is not there, or an act at
        a site without neighbours of that shell.

    Notes
    -----
    p(s_j = a | others) = exp(-site[a] - sum_k pair[a, s_k]) / sum over a (energies in kT). The
    neighbours of a site that are no neighbours of each other settle independently.

    Examples
    --------
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> snapshots = simulate_lattice(Ising([0.4]), square_lattice((16, 16)), rng=1)
    >>> fits = {"none": fit_lattice_hamiltonian(snapshots, 0, rng=1),
    ...         "nearest": fit_lattice_hamiltonian(snapshots, 1, rng=1)}
    >>> laws = hypotheses_from_hamiltonians(fits, snapshots)
    >>> flip = Action("expose_site", {"x": 8, "y": 8, "site": 136}, 1, 1, 1, irreversible=True)
    >>> laws[1].mean_sd(flip, 0) != laws[0].mean_sd(flip, 0)
    True
    """
    from physlearn.inference.lattices.fit_contents import family_of, theta_of

    if not isinstance(fits, Mapping) or not fits:
        raise InputError(f"fits must hold name -> Fit; got {fits!r}.")
    strict_number("noise_sd", noise_sd, minimum=0)
    check_count("n_draws", n_draws, 2)
    seen = _picture(snapshots, picture, shell)
    asked = Asked("which Hamiltonian holds", f"mean state of shell {shell + 1} after a flip", "1")
    result = []
    for name, fit in fits.items():
        family = family_of(fit)
        if family.motifs or tuple(family.state_values) != tuple(snapshots.state_values):
            raise InputError(
                f"{name!r} must have pairs only and the states {snapshots.state_values}; it has "
                f"{len(family.motifs)} motif(s) and {family.state_values}."
            )
        theta = theta_of(fit)[:, : family.n_parameters]
        kept = theta[np.linspace(0, len(theta) - 1, min(n_draws, len(theta))).astype(np.int64)]
        site, pair, _ = family.energies(kept)
        draws = {"site": site, "pair": pair.reshape(len(kept), -1, *pair.shape[2:])}
        mean = {key: values.mean(axis=0, keepdims=True) for key, values in draws.items()}
        weight = 1.0 if weights is None else weights[name]
        result.append(
            hypothesis_from_draws(
                name, draws, _response(seen, shell), weight=weight, asked=asked,
                noise_sd=_chance(seen, shell, mean, noise_sd),
            )
        )  # fmt: skip
    return tuple(result)


def _picture(snapshots: LatticeSnapshots, picture: int, shell: int) -> _Picture:
    graph = snapshots.graph
    if not 0 <= picture < snapshots.n_snapshots:
        raise InputError(f"picture must be below {snapshots.n_snapshots}; got {picture!r}.")
    if not 0 <= shell < graph.n_shells:
        raise InputError(f"shell must be below {graph.n_shells}; got {shell!r}.")
    if snapshots.observed is not None and not snapshots.observed[picture].all():
        raise InputError(f"every site of picture {picture} must be seen.")
    values = np.array(snapshots.state_values, dtype=np.float64)
    order = np.argsort(values)
    codes = order[np.searchsorted(values[order], snapshots.states[picture])]
    neighbours: list[list[tuple[int, int, int]]] = [[] for _ in range(graph.n_sites)]
    for (a, b), kind, count in zip(graph.edges, graph.shell, graph.multiplicity, strict=True):
        neighbours[a].append((int(b), int(kind), int(count)))
        neighbours[b].append((int(a), int(kind), int(count)))
    return _Picture(codes.astype(np.int64), values, neighbours)


def _flipped(seen: _Picture, shell: int, action: Action) -> tuple[int, int, list[int]] | None:
    """Return site, its new code and the neighbours that are read; None for other acts."""
    if "site" not in action.args:
        return None
    place = action.number("site")
    if not 0 <= place < len(seen.codes) or place != int(place):
        raise InputError(f"site must be a whole number below {len(seen.codes)}; got {place!r}.")
    site = int(place)
    code = (int(seen.codes[site]) + 1) % len(seen.values)
    if "to" in action.args:
        found = np.flatnonzero(seen.values == action.number("to"))
        if not found.size:
            raise InputError(f"to must be one of {seen.values.tolist()}; got {action.args['to']}.")
        code = int(found[0])
    read = sorted({j for j, kind, _ in seen.neighbours[site] if kind == shell})
    if not read:
        raise InputError(f"site {site} has no neighbours of shell {shell + 1}: leave it out.")
    return site, code, read


def _settled(
    seen: _Picture, shell: int, action: Action, members: Draws
) -> tuple[Floats, Floats] | None:
    """Return mean and variance of the neighbours' mean state, for every member."""
    found = _flipped(seen, shell, action)
    if found is None:
        return None
    site, code, read = found
    n_shells = members["pair"].shape[1]
    total = np.zeros(len(members["site"]))
    variance = np.zeros_like(total)
    for j in read:
        energy = members["site"].copy()
        for k, kind, count in seen.neighbours[j]:
            if kind < n_shells:
                state = code if k == site else int(seen.codes[k])
                energy += count * members["pair"][:, kind, :, state]
        chance = np.exp(-(energy - energy.min(axis=1, keepdims=True)))
        chance /= chance.sum(axis=1, keepdims=True)
        mean = chance @ seen.values
        total += mean
        variance += chance @ seen.values**2 - mean**2
    return total / len(read), np.maximum(variance, 0.0) / len(read) ** 2


def _response(seen: _Picture, shell: int) -> Callable[[Action, Draws], Floats | None]:
    def expected(action: Action, members: Draws) -> Floats | None:
        found = _settled(seen, shell, action, members)
        return None if found is None else found[0]

    return expected


def _chance(seen: _Picture, shell: int, mean: Draws, noise_sd: float) -> Callable[[Action], float]:
    def noise(action: Action) -> float:
        found = _settled(seen, shell, action, mean)
        own = 0.0 if found is None else math.sqrt(float(found[1][0]))
        return max(math.hypot(noise_sd, own), 1e-9)

    return noise
