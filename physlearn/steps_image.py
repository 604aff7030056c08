"""The steps of a study of a picture: atoms, lattice, couplings, patches, causes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import CREDIBLE_MASS, NotIdentified
from physlearn.findings import Findings, Step

__all__ = ["IMAGE_STEPS", "correlations_by_shell"]

N_SHELLS = 2
N_CHECKED_SHELLS = 4
N_REPLICAS = 60
FEWEST_PATCHES = 30


def _find_atoms(findings: Findings) -> None:
    from physlearn.datasets.find_atoms import find_atoms

    if findings.image is None:
        return
    atoms = find_atoms(findings.image)
    if atoms.n == 0:
        raise NotIdentified("no atom columns stand out of the noise of this picture.")
    findings.atoms = atoms


def _classify(findings: Findings) -> None:
    from physlearn.datasets.species import classify_species

    if findings.atoms is not None:
        findings.atoms = classify_species(findings.atoms)


def _assign(findings: Findings) -> None:
    from physlearn.datasets.sites import assign_sites

    if findings.atoms is not None:
        findings.snapshots = assign_sites(findings.atoms, n_shells=N_SHELLS)


def _fit_couplings(findings: Findings) -> None:
    from physlearn.inference import fit_lattice_hamiltonian

    if findings.snapshots is not None:
        findings.couplings = fit_lattice_hamiltonian(
            findings.snapshots, n_shells=N_SHELLS, rng=findings.rng("couplings")
        )


def _predict_correlations(findings: Findings) -> None:
    from physlearn.lattice_models import Ising, simulate_lattice

    snapshots, fit = findings.snapshots, findings.couplings
    if snapshots is None or fit is None:
        return
    graph = snapshots.graph
    rng = findings.rng("correlations")
    seen = np.ones(graph.n_sites, dtype=bool)
    if snapshots.observed is not None:
        seen = snapshots.observed[0]
    pairs = _pairs_by_shell(findings, seen)
    couplings = fit["couplings"].reshape(len(fit["couplings"]), -1)
    field = fit["field"] if "field" in fit.variables else np.zeros(len(couplings))
    chosen = rng.choice(len(couplings), N_REPLICAS, replace=False)
    simulated = np.empty((N_REPLICAS, len(pairs)))
    for row, draw in enumerate(chosen):
        replica = simulate_lattice(
            Ising(tuple(couplings[draw]), float(field[draw])), graph, 1, 1, burn_in=200, rng=rng
        )
        simulated[row] = correlations_by_shell(replica.states[0].astype(np.float64), pairs)
    tails = [(1 - CREDIBLE_MASS) / 2, (1 + CREDIBLE_MASS) / 2]
    low, high = np.quantile(simulated, tails, axis=0)
    findings.correlations = pd.DataFrame(
        {
            "shell": np.arange(1, len(pairs) + 1),
            "observed": correlations_by_shell(snapshots.states[0].astype(np.float64), pairs),
            "predicted": simulated.mean(axis=0),
            "q05": low,
            "q95": high,
            "pairs": [len(pair) for pair in pairs],
            "fitted": [shell < couplings.shape[1] for shell in range(len(pairs))],
        }
    )


def correlations_by_shell(
    states: NDArray[np.float64], pairs: list[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Return the covariance of states over the pairs of every shell.

    Parameters
    ----------
    states
        Shape (n_sites,): -1 or +1.
    pairs
        One array (n_pairs, 2) of sites a shell.

    Examples
    --------
    >>> correlations_by_shell(np.array([1.0, -1.0, 1.0, -1.0]), [np.array([[0, 1], [2, 3]])])
    array([-1.])
    """
    used = np.unique(np.concatenate(pairs))
    centred = states - states[used].mean()
    return np.array([float(np.mean(centred[p[:, 0]] * centred[p[:, 1]])) for p in pairs])


def _pairs_by_shell(findings: Findings, seen: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the pairs of seen sites in the fitted shells, and in the next if places are known."""
    snapshots = findings.snapshots
    if snapshots is None:
        return []
    graph = snapshots.graph
    shells = [graph.edges[graph.shell == shell] for shell in range(graph.n_shells)]
    if graph.positions is not None and graph.cell is None and graph.shell_radii:
        shells += _farther_pairs(graph.positions, graph.shell_radii, N_CHECKED_SHELLS - len(shells))
    kept = [pair[seen[pair].all(axis=1)] for pair in shells]
    return [pair for pair in kept if len(pair)]


def _farther_pairs(
    positions: NDArray[np.float64], radii: tuple[float, ...], n_more: int
) -> list[NDArray[np.int64]]:
    """Return the pairs of the next ``n_more`` distances beyond the last radius."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(positions).query_pairs(2.4 * radii[0], output_type="ndarray")
    distance = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    beyond = distance > radii[-1] + 0.12 * radii[0]
    pairs, distance = pairs[beyond], distance[beyond]
    order = np.argsort(distance)
    pairs, distance = pairs[order], distance[order]
    # A new shell starts where the sorted distances jump
    cuts = np.flatnonzero(np.diff(distance) > 0.1 * radii[0]) + 1
    groups = np.split(pairs, cuts)
    return [group.astype(np.int64) for group in groups[: max(n_more, 0)] if len(group)]


def _describe(findings: Findings) -> None:
    from physlearn.datasets.patches import describe_patches

    channels = findings.channels
    if findings.atoms is None:
        channels = findings.image if channels is None else channels
    findings.patches = describe_patches(findings.atoms, findings.snapshots, channels)


def _discover(findings: Findings) -> None:
    from physlearn.causal import discover_graph

    table = findings.patches
    if table is None:
        return
    if len(table.columns) < 2 or table.n_patches < FEWEST_PATCHES:
        raise NotIdentified(
            f"{table.n_patches} patches with {len(table.columns)} column(s) are too few to look "
            "for causes; take a larger picture or give more channels."
        )
    findings.graph = discover_graph(table, rng=findings.rng("graph"))


def _estimate(findings: Findings) -> None:
    from physlearn.causal import estimate_effect

    table, graph = findings.patches, findings.graph
    if table is None or graph is None:
        return
    for cause, outcome in _questions(findings):
        low, high = np.quantile(table.frame[cause], [0.1, 0.9])
        findings.effects.append(
            estimate_effect(
                table, graph, cause, outcome, contrast=(float(low), float(high)),
                rng=findings.rng(f"effect of {cause}"),
            )
        )  # fmt: skip
    if not findings.effects:
        raise NotIdentified(
            "the patch table has no response channel whose causes could be asked for; give one "
            "with --channel."
        )


def _questions(findings: Findings) -> list[tuple[str, str]]:
    """Return the (cause, outcome) pairs to ask about: what is linked to each response."""
    table, graph = findings.patches, findings.graph
    if table is None or graph is None:
        return []
    last = max(table.tiers.values(), default=0)
    responses = [name for name in graph.columns if table.tiers.get(name) == last and last > 0]
    pairs = []
    for outcome in responses:
        for cause in graph.columns:
            edge = graph.edge_between(cause, outcome)
            if table.tiers.get(cause, 0) < last and edge is not None:
                pairs.append((cause, outcome))
    return pairs


def _ask_what_if(findings: Findings) -> None:
    from physlearn.causal import counterfactual

    table, graph = findings.patches, findings.graph
    if table is None or graph is None:
        return
    identified = [effect for effect in findings.effects if effect.identified]
    if not identified:
        raise NotIdentified("no effect is identified, so no change can be imagined soundly.")
    strongest = max(identified, key=lambda effect: abs(effect.mean) / max(effect.sd, 1e-300))
    values = table.frame[strongest.cause].to_numpy()
    patch = int(np.argmin(values))
    findings.counterfactuals.append(
        counterfactual(
            table, graph, patch=patch, do={strongest.cause: float(np.median(values))},
            outcome=strongest.outcome, rng=findings.rng("counterfactual"),
        )
    )  # fmt: skip


IMAGE_STEPS = (
    Step("atoms", "Find atoms", _find_atoms, ("image",)),
    Step("species", "Tell species apart", _classify, ("atoms",)),
    Step("sites", "Assign lattice sites", _assign, ("atoms",)),
    Step("couplings", "Fit couplings", _fit_couplings, ("snapshots",)),
    Step("correlations", "Check against simulated pictures", _predict_correlations,
         ("couplings", "snapshots")),
    Step("patches", "Describe patches", _describe, ("image",)),
    Step("graph", "Look for causes", _discover, ("patches",)),
    Step("effects", "Estimate effects", _estimate, ("graph", "patches")),
    Step("counterfactual", "Ask what if", _ask_what_if, ("effects",)),
)  # fmt: skip
