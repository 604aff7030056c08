"""Which interactions made this pattern? Posterior of a lattice Hamiltonian from snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_count
from physlearn.inference.adequacy.lattice_adequacy import Adequacy, check_adequacy
from physlearn.inference.lattices.fit_contents import constants_of, model_attrs
from physlearn.inference.lattices.lattice_answer import Answer, Task
from physlearn.inference.lattices.lattice_data import LatticeData, as_records, gather_snapshots
from physlearn.inference.lattices.lattice_doubts import (
    data_alone,
    draw_flags,
    magnetization_flags,
)
from physlearn.inference.lattices.lattice_family import LatticeFamily, lattice_family
from physlearn.inference.lattices.lattice_identification import (
    connection_notes,
    find_unidentified,
    identification_flags,
    order_flags,
)
from physlearn.inference.lattices.lattice_methods import METHODS, solve
from physlearn.inference.lattices.lattice_verdicts import (
    prior_flags,
    prior_widths,
    ruled_by_prior,
    sign_verdicts,
    state_flags,
)
from physlearn.inference.measurement.flip_rate import FLIP_RATE_PRIOR, FlipRate
from physlearn.inference.posteriors.priors import LatticePrior, Prior, make_prior
from physlearn.records import LatticeSnapshots
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_lattice_hamiltonian"]

Float = NDArray[np.float64]
COMPOSITIONS = ("free", "fixed")
ASSUMPTIONS = (
    "equilibrium at one temperature, which is absorbed into the couplings; one column thick"
)
SEVERAL_TEMPERATURES = (
    "equilibrium at each picture's temperature; parameters are those at temperature {:g}; one "
    "column thick"
)


def fit_lattice_hamiltonian(
    snapshots: LatticeSnapshots | Sequence[LatticeSnapshots],
    n_shells: int = 2,
    *,
    model: str = "auto",
    triplets: Sequence[tuple[int, int, int]] = (),
    composition: str = "free",
    method: str = "auto",
    label_noise: float | str | None = None,
    covariates: str | ArrayLike | None = None,
    site_field: ArrayLike | None = None,
    margin: str | int = "auto",
    prior: LatticePrior | Prior | Mapping[str, Any] | None = None,
    n_draws: int = 4000,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Infer the Hamiltonian of a lattice from pictures of it, with error bars.

    The model is p(s) ~ exp(-E(s)), temperature absorbed, with E of ``Ising`` (+ sum h s + sum_bonds
    J s s' = -E, the second of ``state_values`` as s = +1, J > 0 prefers like neighbours),
    ``LatticeGas``, ``Potts``, ``Clock``, ``BlumeCapel`` or ``PairHamiltonian``.

    Parameters
    ----------
    snapshots
        One ``LatticeSnapshots`` or a list; all pictures share one Hamiltonian. Where
        ``label_log_likelihood`` leaves labels uncertain they are summed over; sites not observed
        are hidden. ``conditions["temperature"]`` that differ scale all parameters by T_ref / T
        (T_ref that of the first picture); ``conditions["field"]`` that differ add the variable
        ``field_response``: the field is then field + field_response * condition.
        ``metadata["boundary"] = "free"`` says that the crystal ends where the picture does.
    n_shells
        Shells of neighbours with a coupling; 0: independent sites, the first null model.
    model
        ``ising``, ``lattice_gas``, ``potts``, ``clock``, ``blume_capel``, ``pair``, or ``auto``:
        ``ising`` for two states, ``blume_capel`` for -1, 0, 1, otherwise ``pair``.
    triplets
        Motifs with a three-site term, the three shells of their sides each, 0-based.
    composition
        ``free``, or ``fixed``: the numbers of each state were given in advance (then there is no
        field).
    method
        ``likelihood`` (Monte Carlo likelihood, any shape), ``pseudolikelihood`` (sandwich
        covariance, Gaussian), ``exchange`` (an independent check, slow), ``statistical_distance``
        (pattern counts, error bars by simulation), or ``auto``: the likelihood; for very large
        pictures the pseudolikelihood, unless its own checks fail or it would lose more than a
        quarter of the precision. ``diagnostics["method_choice"]`` says why.
    label_noise
        Known probability that a label is wrong, or ``"unknown"`` (adds the variable
        ``flip_rate``); not with ``label_log_likelihood``.
    covariates
        A field that varies over the picture: ``"gradient"``, ``"quadratic"`` or an array
        (n_sites, k); adds the variable ``field_gradient``.
    site_field
        A known field of every site in kT, shape (n_sites,).
    margin
        ``"rim"``: sites at the rim of a cut-out serve as neighbours only, for certain labels; a
        number of layers of unseen sites that are summed over; ``auto``: the rim where labels are
        certain, else four layers.
    prior
        ``LatticePrior``, or a mapping from names (``field``, ``couplings``, ``couplings[1]``,
        ``flip_rate``) to a standard deviation, (mean, sd) or a PyMC distribution; see
        ``make_prior``. A field that is known to be zero: ``{"field": 0.001}``.
    n_draws
        Number of posterior draws.
    rng
        Seed or generator.
    progress
        Called with (rounds done, most rounds).

    Returns
    -------
    Fit
        Variables of the model, in kT: ``field`` and ``couplings`` (dim shell, 1-based) for Ising.
        ``idata`` holds the groups ``posterior`` (resampled draws as one chain: ``r_hat`` says
        nothing, and ArviZ's ``ess`` counts copies; ``attrs["effective_draws"]`` says what they are
        worth) and ``constant_data`` (the pictures). There is no ``log_likelihood``: the sites of a
        picture are not independent, and leaving one out means nothing; compare models with
        ``compare_models``. A verdict names a sign where the coupling's own 90 % interval leaves 0
        out: of couplings that are 0, one in ten gets one.
        ``diagnostics`` hold ``correlations`` and ``patterns`` (what pictures simulated from the
        posterior look like beside the observed one), ``method_choice``,
        ``probability_positive``, and the checks' numbers; ``log_evidence_relative`` is that
        relative to log Z at ``evidence_reference``, another place in every fit: it compares none.
        ``fit_contents`` reads pictures, model and prior back.

    Raises
    ------
    InputError
        For states that the model does not know, more shells than the graph has, or bad options.
    NotIdentified
        For fewer than 10 sites with a complete neighbourhood, labels on less than half, or a
        likelihood that fewer than 10 effective draws describe.

    Notes
    -----
    Besag (1975), doi:10.2307/2987782; Godambe (1960), doi:10.1214/aoms/1177705693; Shirts &
    Chodera (2008), doi:10.1063/1.2978177.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((24, 24)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    >>> fit["couplings"].shape
    (4000, 1)
    """
    check_choice("method", method, METHODS)
    check_choice("composition", composition, COMPOSITIONS)
    check_count("n_draws", n_draws, 100)
    generator, seed = as_generator(rng)
    records = as_records(snapshots)
    family = lattice_family(
        model, records[0].state_values, n_shells, triplets, fixed_composition=composition == "fixed"
    )
    given, flip_rate = _take_flip_rate(prior, family, label_noise)
    data = gather_snapshots(
        records, family, label_noise=label_noise, covariates=covariates, site_field=site_field,
        margin=margin,
    )  # fmt: skip
    full_prior = make_prior(given, data)
    directions = find_unidentified(data)
    answer = solve(Task(data, full_prior, method, int(n_draws), generator, flip_rate, progress))
    found = check_adequacy(
        data, answer.theta, generator, completed=answer.completed, populations=answer.populations,
        distances=_distances(records[0]),
    )  # fmt: skip
    ruled = ruled_by_prior(answer.theta, full_prior, make_prior(None, data))
    warnings = [
        *data.notes, *connection_notes(data), *identification_flags(data, directions),
        *state_flags(data), *order_flags(data), *answer.flags, *found.warnings,
        *_prior_notes(data, answer, full_prior, ruled),
        *magnetization_flags(data, answer.theta, generator), *draw_flags(answer, int(n_draws)),
    ]  # fmt: skip
    options = {
        "label_noise": label_noise, "margin": margin,
        "covariates": covariates if isinstance(covariates, str) else None,
    }  # fmt: skip
    return _wrap(
        data, full_prior, answer, found, warnings, seed, ruled,
        model_attrs(family, full_prior, options) | {"method_choice": answer.choice},
        constants_of(data, full_prior, covariates, site_field), flip_rate,
    )  # fmt: skip


def _prior_notes(
    data: LatticeData, answer: Answer, prior: Prior, ruled: NDArray[np.bool_]
) -> list[str]:
    """Return what is to be said of the prior; nothing where the posterior is known to be it."""
    if answer.method == "prior":
        return []
    alone = data_alone(data) if ruled.any() else None
    return prior_flags(prior.names, answer.theta, prior, ruled, alone)


def _take_flip_rate(
    prior: LatticePrior | Prior | Mapping[str, Any] | None,
    family: LatticeFamily,
    label_noise: float | str | None,
) -> tuple[LatticePrior | Prior | Mapping[str, Any] | None, FlipRate | None]:
    """Return the prior without the flip rate's, and the flip rate where it is unknown."""
    mean, sd = FLIP_RATE_PRIOR
    if isinstance(prior, Mapping) and "flip_rate" in prior:
        if label_noise != "unknown":
            raise InputError("prior['flip_rate'] has a use only with label_noise='unknown'.")
        rest = dict(prior)
        value = rest.pop("flip_rate")
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise InputError(
                f"prior['flip_rate'] must be (mean, sd) of its Beta distribution; got {value!r}."
            )
        prior, (mean, sd) = rest, value
    if label_noise != "unknown":
        return prior, None
    return prior, FlipRate(family.n_states, float(mean), float(sd))


def _distances(record: LatticeSnapshots) -> list[float | None]:
    graph = record.graph
    if len(graph.shell_radii) == graph.n_shells:
        return [float(radius) for radius in graph.shell_radii]
    return [None] * graph.n_shells


def _wrap(
    data: LatticeData,
    prior: Prior,
    answer: Answer,
    found: Adequacy,
    warnings: list[str],
    seed: int,
    ruled: NDArray[np.bool_],
    attrs: dict[str, str | float | int],
    constants: dict[str, NDArray[Any]],
    flip_rate: FlipRate | None,
) -> Fit:
    """Return draws, texts and numbers as a ``Fit``."""
    theta = answer.theta
    draws = {
        one.name: np.tensordot(theta, one.map, axes=(-1, -1)) for one in data.variables
    } | answer.nuisances  # fmt: skip
    widths: dict[str, Any] = prior_widths(data.variables, prior)
    if flip_rate is not None:
        widths["flip_rate"] = flip_rate.sd
    units = dict.fromkeys(draws, "kT") | dict.fromkeys(answer.nuisances, "1")
    if "field_response" in units:
        units["field_response"] = "kT per unit of the applied field"
    reference = data.conditions.reference_temperature
    alone = bool((data.state_counts > 0).sum() == 1)
    states = [record.states for record in data.given]
    tables = [r.label_log_likelihood for r in data.given if r.label_log_likelihood is not None]
    return fit_from_draws(
        draws,
        model=_model_line(data),
        likelihood=answer.method,
        approximation=answer.approximation,
        seed=seed,
        data=[*states, *(record.graph.edges for record in data.given), *tables],
        prior_sd=widths,
        units=units,
        dims={one.name: list(one.dims) for one in data.variables if one.dims},
        coords={
            dim: list(labels)
            for one in data.variables
            for dim, labels in zip(one.dims, one.coords, strict=True)
        },
        diagnostics={
            "correlations": found.correlations, "patterns": found.patterns,
            "adequacy": found.summary(), "method_choice": answer.choice,
            "n_sites": data.n_sites, "n_terms": data.n_terms, "n_pictures": data.n_pictures,
            "minority_sites": data.minority,
            "probability_positive": {
                name: (values > 0).mean(axis=0).tolist() for name, values in draws.items()
            },
            **({} if reference is None else {"reference_temperature": reference}),
            **answer.numbers,
        },
        warnings=list(dict.fromkeys(warnings)),
        verdicts=sign_verdicts(data.variables, theta, one_state=alone, ruled=ruled)
        | {"model": found.verdict},
        attrs=attrs | {"effective_draws": float(answer.numbers.get("effective_draws", len(theta)))},
        constants=constants,
    )  # fmt: skip


def _model_line(data: LatticeData) -> str:
    """Return what was fitted and what that assumes."""
    reference = data.conditions.reference_temperature
    fixed = ", composition fixed" if data.family.fixed_composition else ""
    assumes = ASSUMPTIONS if reference is None else SEVERAL_TEMPERATURES.format(reference)
    return f"{_title(data)}{fixed}; assumes {assumes}"


def _title(data: LatticeData) -> str:
    """Return what was fitted, in one line."""
    names = {
        "ising": "Ising", "lattice_gas": "lattice gas", "potts": "Potts", "clock": "clock",
        "blume_capel": "Blume-Capel", "pair": "pair",
    }  # fmt: skip
    family = data.family
    parts = [f"{family.n_shells} shell(s) of couplings"] if family.n_shells else ["no couplings"]
    if family.motifs:
        parts.append(f"{len(family.motifs)} triplet term(s)")
    if not family.fixed_composition:
        parts.append("a field" if family.n_states == 2 else "fields")
    further = [one.name for one in data.variables[len(family.variables) :]]
    return (
        f"{names[family.model]} with "
        + " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
        + "".join(f", {name}" for name in further)
    )
