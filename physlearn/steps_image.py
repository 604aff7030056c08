"""The steps of a study of a picture: atoms, lattice, couplings, patches, causes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from physlearn.checks import NotIdentified
from physlearn.findings import Findings, Step
from physlearn.steps_atoms import ATOM_STEPS

if TYPE_CHECKING:
    import xarray as xr

    from physlearn.records import AtomicConfiguration

__all__ = ["IMAGE_STEPS"]

FEWEST_PATCHES = 30
RESPONSE_TIER = 2


def _fit_couplings(findings: Findings) -> None:
    from physlearn.inference import fit_lattice_hamiltonian

    if findings.snapshots is not None:
        if len(np.unique(findings.snapshots.states)) < 2:
            raise NotIdentified(
                "all sites hold one species, so the pattern holds nothing of the couplings."
            )
        findings.couplings = fit_lattice_hamiltonian(
            findings.snapshots, n_shells=findings.options.n_shells, rng=findings.rng("couplings")
        )
        rows = findings.couplings.diagnostics.get("correlations", [])
        if rows:
            findings.correlations = pd.DataFrame(rows)


def _describe(findings: Findings) -> None:
    from physlearn.datasets.columns.edited_atoms import edited_by_hand
    from physlearn.datasets.patches.describe_patches import describe_patches

    channels, size = findings.channels, findings.options.patch_size
    if findings.atoms is not None:
        table = describe_patches(
            findings.atoms, findings.snapshots, _other_channels(findings),
            repeat=_repeated(findings), patch_size=size,
        )  # fmt: skip
        if edited_by_hand(findings.atoms):
            # the causal step warns of patches that were chosen; so were the atoms in these
            table = replace(table, selection=f"{table.selection}, of atoms that a person edited")
    elif channels is None and findings.spectra is None:
        table = describe_patches(findings.image, repeat=findings.repeat, patch_size=size)
    else:
        spectra = findings.spectra
        stacks = None if spectra is None else {str(n): one for n, one in spectra.items()}
        table = describe_patches(
            None, None, channels, spectra=stacks, repeat=findings.repeat, patch_size=size
        )
    findings.patches = table


def _other_channels(findings: Findings) -> xr.Dataset | None:
    """Return the channels without the picture itself, which the atoms stand for."""
    image, channels = findings.image, findings.channels
    if image is None or channels is None:
        return channels
    own = [
        name
        for name, channel in channels.data_vars.items()
        if name == image.attrs.get("channel")
        and channel.attrs.get("source") == image.attrs.get("source")
    ]
    kept = channels.drop_vars(own)
    return kept if kept.data_vars else None


def _repeated(findings: Findings) -> AtomicConfiguration | xr.Dataset | None:
    """Return what the second scan shows: channels, or else the atoms of its picture."""
    import xarray as xr

    from physlearn.datasets.columns.find_atoms import find_atoms
    from physlearn.datasets.sites.species import classify_species

    if findings.repeat is None:
        return None
    if isinstance(findings.repeat, xr.Dataset):
        others = _other_channels(findings)
        names = [] if others is None else [n for n in findings.repeat if n in others]
        return findings.repeat[names] if names else None
    again = find_atoms(findings.repeat)
    if again.n == 0:
        raise NotIdentified("no atom columns stand out of the noise of the repeated picture.")
    return classify_species(again, findings.options.n_species or "auto")


def _discover(findings: Findings) -> None:
    from physlearn.causal import discover_graph

    table = findings.patches
    if table is None:
        return
    if findings.atoms is None and findings.channels is None and findings.spectra is None:
        raise NotIdentified(
            "without atoms or further channels every descriptor is a function of the same pixels, "
            "and such descriptors do not cause one another; give a channel with --channel."
        )
    if len(table.columns) < 2 or table.n_patches < FEWEST_PATCHES:
        raise NotIdentified(
            f"{table.n_patches} patches with {len(table.columns)} column(s) are too few to look "
            "for causes; take a larger picture or give more channels."
        )
    findings.graph = discover_graph(
        table, method=findings.options.graph_method, alpha=findings.options.significance,
        rng=findings.rng("graph"),
    )  # fmt: skip


def _estimate(findings: Findings) -> None:
    from physlearn.causal import estimate_effect

    table, graph = findings.patches, findings.graph
    if table is None or graph is None:
        return
    for cause, outcome in _questions(findings):
        findings.effects.append(
            estimate_effect(
                table, graph, cause, outcome, contrast=_contrast(table.frame[cause].to_numpy()),
                rng=findings.rng(f"effect of {cause}"),
            )
        )  # fmt: skip
    if not findings.effects:
        raise NotIdentified(
            "no link leads to a descriptor of the last tier, so there is no effect to estimate."
            if max(table.tiers.values(), default=0) == RESPONSE_TIER
            else "the patch table has no response channel whose causes could be asked for; give "
            "one with --channel."
        )


def _contrast(values: np.ndarray) -> tuple[float, float]:
    """Return the two values of a cause between which its effect is asked for."""
    low, high = (float(value) for value in np.quantile(values, [0.1, 0.9]))
    # a column that is the same in nine of ten patches differs only in its extremes
    return (low, high) if low < high else (float(values.min()), float(values.max()))


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
    first = [effect for effect in identified if effect.outcome == identified[0].outcome]
    strongest = max(first, key=lambda effect: abs(effect.mean) / max(effect.sd, 1e-300))
    values = table.frame[strongest.cause].to_numpy()
    patch = int(np.argmin(values))
    findings.counterfactuals.append(
        counterfactual(
            table, graph, patch=patch, do={strongest.cause: float(np.quantile(values, 0.9))},
            outcome=strongest.outcome, rng=findings.rng("counterfactual"),
        )
    )  # fmt: skip


IMAGE_STEPS = (
    *ATOM_STEPS,
    Step("couplings", "Fit couplings", _fit_couplings, ("snapshots",)),
    Step("patches", "Describe patches", _describe, ("image",)),
    Step("graph", "Look for causes", _discover, ("patches",)),
    Step("effects", "Estimate effects", _estimate, ("graph", "patches")),
    Step("counterfactual", "Ask what if", _ask_what_if, ("effects",)),
)  # fmt: skip
