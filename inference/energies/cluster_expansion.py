"""Bond energies from the energies of structures: a Bayesian cluster expansion, error included."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    CREDIBLE_MASS,
    InputError,
    NotIdentified,
    as_generator,
    check_array,
    check_choice,
    check_count,
)
from physlearn.inference.energies.expansion_checks import (
    StrainTest,
    alias_groups,
    repeat_error,
    strain_sentences,
    strain_tests,
    term_sentences,
    try_other_terms,
)
from physlearn.inference.energies.expansion_features import (
    StructureTable,
    describe_structures,
    without_copies,
)
from physlearn.inference.energies.shrunken_regression import (
    LinearPosterior,
    ShrinkagePrior,
    fit_shrunken_regression,
)
from physlearn.lattice_models.graphs.triplets import check_motif
from physlearn.option_fields import check_fields
from physlearn.records import LatticeSnapshots
from physlearn.results import Fit, fit_from_draws

__all__ = ["EnergyOptions", "ShrinkagePrior", "fit_hamiltonian_to_energies"]

Float = NDArray[np.float64]
Motif = tuple[int, int, int]
UNITS = {"eV": (1000.0, "meV"), "meV": (1.0, "meV"), "reduced": (1.0, "reduced")}
ODD_RESIDUAL = 6.0
SAME = 1e-12
ASSUMPTIONS = "energies of one parent lattice at rest, a smooth function of composition plus bonds"


@dataclass(frozen=True, slots=True)
class EnergyOptions:
    """Choices of ``fit_hamiltonian_to_energies`` that usually stay as they are.

    Attributes
    ----------
    lattice
        Parent lattice of crystals: ``sc``, ``bcc``, ``fcc``, or ``auto``, the one that needs the
        least strain.
    unit
        Of the energies given: ``eV`` and ``meV`` give results in meV, ``reduced`` leaves them.
    per
        ``cell`` where each energy is of the whole structure, ``site`` where it is per site.
    composition_order
        Highest power of the mean state in the smooth part of the energy.
    prior
        How bond energies shrink with distance.

    Examples
    --------
    >>> EnergyOptions(unit="meV").per
    'cell'
    """

    lattice: str = "auto"
    unit: str = "eV"
    per: str = "cell"
    composition_order: int = 2
    prior: ShrinkagePrior = field(default_factory=ShrinkagePrior)

    def __post_init__(self) -> None:
        check_choice("unit", self.unit, tuple(UNITS))
        check_choice("per", self.per, ("cell", "site"))
        check_count("composition_order", self.composition_order, 0)
        if not isinstance(self.prior, ShrinkagePrior):
            raise InputError(
                f"prior must be a ShrinkagePrior; got {type(self.prior).__name__}. Make one with "
                "ShrinkagePrior(decay=3.0)."
            )
        check_fields(self)


def fit_hamiltonian_to_energies(
    structures: Sequence[Any] | LatticeSnapshots,
    energies: ArrayLike | None = None,
    n_shells: int = 2,
    *,
    triplets: Sequence[Motif] = (),
    options: EnergyOptions | None = None,
    n_draws: int = 4000,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Infer bond energies from the energies of structures, with the model's own error.

    Per site, E / N = sum_p c_p m^p + (1/N) sum_bonds V s s' + (1/N) sum_triplets W s s' s'' + e,
    with s = -1, +1, m the mean of s, each bond counted once (as often as the infinite periodic
    crystal has it) and e ~ N(0, model_error^2) alike for all structures. V > 0: unlike neighbours
    preferred; the coupling of a fit to snapshots is J = -V / kT. The composition terms have a flat
    prior; V and W shrink with distance by as much as the energies say (``ShrinkagePrior``).

    Parameters
    ----------
    structures
        Crystals of two species with a periodic cell (ASE Atoms, or what ``read_structures``
        gives), relaxed or not: their atoms are mapped onto the ideal lattice, free of strain and
        rotation. Or ``LatticeSnapshots``, or a list of them: each picture is one structure.
    energies
        Shape (n_structures,), in ``options.unit``. None: the ``energy_ev`` of the crystals.
    n_shells
        Shells of neighbours with a bond energy.
    triplets
        Motifs with a three-site energy, three shells each, 0-based.
    options
        Lattice, units, composition terms and prior.
    n_draws
        Number of posterior draws.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        ``bond_energies`` (dim shell, 1-based), ``triplet_energies`` (dim motif),
        ``composition_terms`` (dim power) and ``model_error`` (per site), in meV (or reduced).
        ``diagnostics``: ``rms_in_sample``, ``rms_left_out`` (each structure predicted from the
        others), ``rms_left_out_alike`` (from those that look different to the model),
        ``rms_alike`` (scatter among structures that look the same, which no bond energy
        explains), ``strain`` (a test each for volume, shear and displacement), ``other_terms``
        (bond energies with a shell or a power more or less), ``n_copies`` (structures left out
        because bonds and energy are exactly another's), ``log_evidence``.

    Raises
    ------
    InputError
        For structures that do not fit one lattice (strained too far, displaced by more than
        .12 of the neighbour distance, graphs of other coordination) or do not hold two species,
        energies of the wrong number, or structures without energies.
    NotIdentified
        With fewer structures than terms + 2, or energies that composition alone explains.

    Notes
    -----
    J. M. Sanchez, F. Ducastelle, D. Gratias, Physica A 128, 334 (1984),
    doi:10.1016/0378-4371(84)90096-7; T. Mueller and G. Ceder, Phys. Rev. B 80, 024103 (2009),
    doi:10.1103/PhysRevB.80.024103 (priors of cluster expansions).

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> rng = np.random.default_rng(1)
    >>> pictures = LatticeSnapshots(rng.choice([-1, 1], (40, 64)), square_lattice((8, 8)))
    >>> s, ends = pictures.states, pictures.graph.edges
    >>> energies = 5.0 * (s[:, ends[:, 0]] * s[:, ends[:, 1]]).sum(axis=1) + rng.normal(0, 2, 40)
    >>> fit = fit_hamiltonian_to_energies(
    ...     pictures, energies, 1, options=EnergyOptions(unit="meV"), rng=1)
    >>> round(float(fit["bond_energies"].mean()), 1)
    5.0
    """
    chosen = options or EnergyOptions()
    check_count("n_shells", n_shells, 1)
    check_count("n_draws", n_draws, 100)
    motifs = tuple(dict.fromkeys(check_motif(motif) for motif in triplets))
    generator, seed = as_generator(rng)
    table = describe_structures(structures, n_shells, motifs, chosen.lattice)
    values, unit = _energies_per_site(structures, energies, table, chosen)
    n_given = len(values)
    table, values, kept = without_copies(table, values)
    composition = _composition_columns(table.mean_state, chosen.composition_order)
    features = np.column_stack([table.pairs, table.triplets])
    n_terms = composition.shape[1] + features.shape[1]
    if len(values) < n_terms + 2:
        raise NotIdentified(
            f"structures are {len(values)} for {n_terms} terms; give at least {n_terms + 2}, or "
            "take fewer shells, triplets or composition terms."
        )
    left = values - composition @ np.linalg.lstsq(composition, values, rcond=None)[0]
    if np.abs(left).max() <= SAME * np.abs(values).max():
        raise NotIdentified(
            "energies are a smooth function of composition alone (or all alike) to rounding: no "
            "bond energy follows; check that they belong to these structures."
        )
    distances = np.concatenate([table.distances, table.motif_distances])
    posterior = fit_shrunken_regression(
        values, composition, features, distances, chosen.prior, int(n_draws), generator
    )
    labels = [f"bond_energies[{shell + 1}]" for shell in range(n_shells)]
    labels += [f"triplet_energies[{_motif_name(motif)}]" for motif in motifs]
    tests = strain_tests(values, table, composition, features)
    variants = try_other_terms(values, table, composition)
    numbers, flags = _judge(
        values, composition, features, posterior, tests, variants, labels, unit, kept
    )
    numbers["n_copies"] = n_given - len(values)
    return _as_fit(
        table, posterior, motifs, unit, seed, values, numbers, [*table.doubts, *flags], kept,
    )  # fmt: skip


def _motif_name(motif: Motif) -> str:
    return "-".join(str(shell + 1) for shell in motif)


def _energies_per_site(
    structures: Any, energies: ArrayLike | None, table: StructureTable, options: EnergyOptions
) -> tuple[Float, str]:
    """Return energies per site in the result's unit."""
    factor, unit = UNITS[options.unit]
    n = len(table.mean_state)
    if energies is None:
        if table.lattice == "graph":
            raise InputError("energies must be given for structures on graphs; got None.")
        found = [getattr(one, "metadata", {}).get("energy_ev") for one in structures]
        from_ase = [
            _ase_energy(one) if e is None else e for one, e in zip(structures, found, strict=True)
        ]
        missing = [index for index, energy in enumerate(from_ase) if energy is None]
        if missing:
            raise InputError(
                f"energies must be given, or be in the structures; {len(missing)} have none, "
                f"first structures[{missing[0]}]."
            )
        return 1000.0 * np.array(from_ase, np.float64) / table.n_sites, "meV"
    given = check_array("energies", energies, shape=(n,))
    return factor * given / (table.n_sites if options.per == "cell" else 1.0), unit


def _ase_energy(atoms: Any) -> float | None:
    results = getattr(getattr(atoms, "calc", None), "results", {})
    return float(results["energy"]) if "energy" in results else None


def _composition_columns(mean_state: Float, order: int) -> Float:
    """Return the powers of the mean state that these structures tell apart."""
    levels = len(np.unique(np.round(mean_state, 9)))
    powers = [mean_state**power for power in range(min(order, levels - 1) + 1)]
    return np.column_stack(powers)


def _judge(
    values: Float,
    composition: Float,
    features: Float,
    posterior: LinearPosterior,
    tests: list[StrainTest],
    variants: list[dict[str, Any]],
    labels: list[str],
    unit: str,
    kept: NDArray[np.int64],
) -> tuple[dict[str, Any], list[str]]:
    """Return the diagnostics and the warnings."""
    alike, n_alike = repeat_error(values, composition, features)
    left_out = values - posterior.left_out
    rms = {
        "rms_in_sample": _rms(values - posterior.fitted),
        "rms_left_out": _rms(left_out),
        "rms_left_out_alike": _rms(values - posterior.left_out_group),
        "rms_alike": alike,
    }
    groups = alias_groups(composition, features, labels)
    energies = posterior.coefficients.mean(axis=0)
    flags = strain_sentences(tests, energies, unit)
    flags += term_sentences(variants, unit)
    flags += [
        f"{' and '.join(group)} can't be told apart in these cells (their bonds are the same up "
        "to composition): only the prior divides them; larger cells would"
        for group in groups
    ]
    odd = int(np.argmax(np.abs(left_out)))
    size = abs(left_out[odd]) / max(float(np.median(np.abs(left_out))) * 1.4826, 1e-300)
    if size > ODD_RESIDUAL:
        flags.append(
            f"structure {kept[odd]} lies {size:.0f} sd from what the others predict: its energy is "
            "odd, or it has what these terms lack"
        )
    numbers: dict[str, Any] = {
        **rms, "n_structures": len(values), "n_alike": n_alike,
        "log_evidence": posterior.log_evidence, "decay": posterior.decay,
        "log_size": posterior.log_size, "not_told_apart": groups,
        "strain": [
            {"name": t.name, "f": t.f_statistic, "p": t.p_value, "share": t.share,
             "scatter": t.scatter, "flagged": t.flagged, "energies": t.energies.tolist()}
            for t in tests
        ],
        "other_terms": variants,
        "probability_positive": (posterior.coefficients > 0).mean(axis=0).tolist(),
    }  # fmt: skip
    return numbers, flags


def _rms(values: Float) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _as_fit(
    table: StructureTable,
    posterior: LinearPosterior,
    motifs: tuple[Motif, ...],
    unit: str,
    seed: int,
    values: Float,
    numbers: dict[str, Any],
    flags: list[str],
    kept: NDArray[np.int64],
) -> Fit:
    """Wrap everything as a fit."""
    n_shells = table.pairs.shape[1]
    draws = {
        "bond_energies": posterior.coefficients[:, :n_shells],
        "composition_terms": posterior.composition,
        "model_error": posterior.model_error,
    }
    dims = {"bond_energies": ["shell"], "composition_terms": ["power"]}
    coords: dict[str, list[Any]] = {
        "shell": list(range(1, n_shells + 1)),
        "power": list(range(posterior.composition.shape[1])),
    }
    prior_sd: dict[str, Any] = {"bond_energies": posterior.prior_sd[:n_shells].tolist()}
    if motifs:
        draws["triplet_energies"] = posterior.coefficients[:, n_shells:]
        dims["triplet_energies"] = ["motif"]
        coords["motif"] = [_motif_name(motif) for motif in motifs]
        prior_sd["triplet_energies"] = posterior.prior_sd[n_shells:].tolist()
    return fit_from_draws(
        draws,
        model=f"cluster expansion, {n_shells} shell(s) of bonds and {len(motifs)} triplet(s) on "
        f"{table.lattice}; s = +1 is {table.state_names[1]}; assumes {ASSUMPTIONS}",
        likelihood="normal, the same model error per site for every structure",
        approximation="conjugate; shrinkage on a grid",
        seed=seed,
        data=[values, table.pairs, table.triplets, table.mean_state],
        prior_sd=prior_sd,
        units=dict.fromkeys(draws, unit),
        dims=dims,
        coords=coords,
        diagnostics=numbers,
        warnings=flags,
        verdicts=_verdicts(draws["bond_energies"]),
        attrs={
            "lattice": table.lattice, "state_names": json.dumps(list(table.state_names)),
            "motifs": json.dumps([list(motif) for motif in motifs]), "energy_unit": unit,
        },
        constants={
            "energy_per_site": values, "mean_state": table.mean_state,
            "fitted": posterior.fitted, "left_out": posterior.left_out, "structure": kept,
        },
    )  # fmt: skip


def _verdicts(energies: Float) -> dict[str, str]:
    tail = (1 - CREDIBLE_MASS) / 2
    low, high = np.quantile(energies, [tail, 1 - tail], axis=0)
    out = {}
    for index in range(energies.shape[1]):
        kind = "unlike" if low[index] > 0 else "like"
        out[f"bond_energies[{index + 1}]"] = (
            "these energies can't tell the sign"
            if low[index] <= 0 <= high[index]
            else f"{kind} neighbours preferred"
        )
    return out
