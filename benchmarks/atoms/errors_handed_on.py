"""One posterior twice, with and without the labels' errors: ``python -m ...errors_handed_on``.

The picture goes through ``find_atoms``, ``classify_species`` and ``assign_sites`` once. The lattice
Hamiltonian is then inferred from the sites' labels alone, as if they were certain, and from their
log-likelihoods. On the public picture of rhenium in MoS2 the labels are nearly certain, so the two
agree; on a planted picture whose two species overlap in brightness they do not, and the truth says
which is right.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import expit

from physlearn.datasets import (
    StemSettings,
    assign_sites,
    classify_species,
    find_atoms,
    make_stem_image,
    read_image,
    registry,
)
from physlearn.inference import fit_lattice_hamiltonian
from physlearn.records import LatticeSnapshots
from physlearn.results import Fit

PUBLIC = "stem_mo_re_s2/re05.tiff"
PLANTED = {"couplings[1]": 0.2, "field": 0.1}
PEAKS = (26.0, 30.0)
HALF_WIDTH = 1.645


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.atoms.errors_handed_on")
    parser.add_argument(
        "picture", nargs="?", help="file; default: the public picture of Re in MoS2"
    )
    parser.add_argument("--planted", action="store_true", help="a synthetic picture with a truth")
    parser.add_argument("--shells", type=int, default=None, help="shells of neighbours (2; 1)")
    parser.add_argument("--sites", type=int, default=40, help="planted sites along an edge")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=1, help="planted: this many, summed up")
    return parser.parse_args(arguments)


def planted_sites(sites: int, seed: int) -> LatticeSnapshots:
    """Return the sites of a planted picture whose two species overlap in brightness."""
    scene = make_stem_image(
        (sites, sites), couplings=(PLANTED["couplings[1]"],), field=PLANTED["field"],
        settings=StemSettings(peak_counts=PEAKS), rng=seed,
    )  # fmt: skip
    return assign_sites(classify_species(find_atoms(scene.image), 2), n_shells=1)


def both_posteriors(snapshots: LatticeSnapshots, n_shells: int, seed: int) -> tuple[Fit, Fit]:
    """Return the posterior from certain labels, and the one from their log-likelihoods."""
    certain = replace(snapshots, label_log_likelihood=None)
    return (
        fit_lattice_hamiltonian(certain, n_shells=n_shells, rng=seed),
        fit_lattice_hamiltonian(snapshots, n_shells=n_shells, rng=seed),
    )


def doubtful_share(snapshots: LatticeSnapshots) -> float:
    """Return the expected share of wrong labels, at even odds of the two states."""
    labels = snapshots.label_log_likelihood
    if labels is None:
        return 0.0
    return float(np.mean(expit(-np.abs(labels[..., 1] - labels[..., 0]))))


def rows_of(fit: Fit) -> dict[str, dict[str, Any]]:
    """Return the couplings and the field of a fit by name."""
    return {str(row["name"]): row for row in fit.summary().to_dict("records")}


def compare(
    certain: Fit, handed_on: Fit, truth: Mapping[str, float] | None = None
) -> list[tuple[str, ...]]:
    """Return one row a number: name, both posteriors, and the truth where it is known."""
    lines = []
    plain, full = rows_of(certain), rows_of(handed_on)
    for name in [name for name in full if name in plain]:
        line = [name]
        for row in (plain[name], full[name]):
            inside = ""
            if truth and name in truth:
                holds = row["q05"] <= truth[name] <= row["q95"]
                off = (row["mean"] - truth[name]) / row["sd"]
                inside = f" ({'holds' if holds else 'MISSES'} it, {off:+.1f} sd)"
            line.append(
                f"{row['mean']:+.4f} [{row['q05']:+.4f} to {row['q95']:+.4f}], sd {row['sd']:.4f}"
                f"{inside}"
            )
        line.append(f"{truth[name]:+.3f}" if truth and name in truth else "not known")
        lines.append(tuple(line))
    return lines


def repeated(given: argparse.Namespace, console: Console) -> list[tuple[str, ...]]:
    """Print how the two posteriors of the coupling stand to the truth over many pictures."""
    name, off = "couplings[1]", np.empty((given.pictures, 2))
    for k in range(given.pictures):
        snapshots = planted_sites(given.sites, given.seed + k)
        for column, fit in enumerate(both_posteriors(snapshots, 1, given.seed + k)):
            row = rows_of(fit)[name]
            off[k, column] = (row["mean"] - PLANTED[name]) / row["sd"]
    table = Table("coupling", "mean of (found - planted) / sd", "its sd", "in the 90 % interval")
    lines = []
    for column, word in enumerate(("labels as if certain", "their errors handed on")):
        z = off[:, column]
        inside = int((np.abs(z) < HALF_WIDTH).sum())
        lines.append((word, f"{z.mean():+.2f} +- {z.std(ddof=1) / np.sqrt(len(z)):.2f}",
                      f"{z.std(ddof=1):.2f}", f"{inside} of {len(z)}"))  # fmt: skip
        table.add_row(*lines[-1])
    console.print(table)
    return lines


def main(arguments: Sequence[str] | None = None) -> list[tuple[str, ...]]:
    """Print both posteriors side by side and return the rows."""
    given, console = options(arguments), Console(width=160)
    if given.planted and given.pictures > 1:
        return repeated(given, console)
    truth = None
    if given.planted:
        snapshots, truth = planted_sites(given.sites, given.seed), PLANTED
        title = f"planted picture, {given.sites} x {given.sites} sites"
    else:
        file = Path(given.picture) if given.picture else registry.fetch(PUBLIC)
        atoms = classify_species(find_atoms(read_image(file)))
        snapshots = assign_sites(atoms, n_shells=given.shells or 2)
        title = file.name
    n_shells = given.shells or (1 if given.planted else 2)
    counts = [int((snapshots.states == value).sum()) for value in snapshots.state_values]
    console.print(
        f"{title}: {snapshots.n_observed} sites, {counts[0]} {snapshots.state_names[0]} and "
        f"{counts[1]} {snapshots.state_names[1]}; expected share of wrong labels "
        f"{doubtful_share(snapshots):.2g}"
    )
    lines = compare(*both_posteriors(snapshots, n_shells, given.seed), truth)
    table = Table("number", "labels as if certain", "their errors handed on", "planted")
    for line in lines:
        table.add_row(*line)
    console.print(table)
    return lines


if __name__ == "__main__":
    main()
