"""Which lattice model do the pictures ask for? Evidence of models, and what hangs on the prior."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_count
from physlearn.inference.adequacy.comparison_verdicts import comparison_verdicts, motif_name
from physlearn.inference.adequacy.lattice_adequacy import Adequacy, check_adequacy
from physlearn.inference.adequacy.model_evidence import (
    PRIOR_FACTORS,
    Evidence,
    check_same_pictures,
    measure_evidence,
)
from physlearn.inference.lattices.lattice_data import LatticeData, as_records, gather_snapshots
from physlearn.inference.lattices.lattice_family import MODELS, LatticeFamily, lattice_family
from physlearn.inference.lattices.lattice_identification import (
    find_unidentified,
    identification_flags,
)
from physlearn.inference.lattices.lattice_verdicts import prior_flags, state_flags
from physlearn.inference.posteriors.priors import LatticePrior, Prior, make_prior
from physlearn.lattice_models.graphs.triplets import check_motif
from physlearn.records import LatticeSnapshots
from physlearn.records.storage import html_table, short_repr
from physlearn.results import Fit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LatticeModel", "ModelComparison", "compare_models"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LatticeModel:
    """A model to compare.

    Attributes
    ----------
    n_shells
        Shells of neighbours with a coupling.
    triplets
        Motifs with a three-site term, three 0-based shells each.
    model
        As in ``fit_lattice_hamiltonian``.

    Examples
    --------
    >>> LatticeModel(2, triplets=[(0, 0, 1)]).label
    '2 shells, triplets 1-1-2'
    """

    n_shells: int
    triplets: Sequence[tuple[int, int, int]] = ()
    model: str = "auto"

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_count("n_shells", self.n_shells, 0)
        motifs = tuple(check_motif(motif) for motif in self.triplets)
        object.__setattr__(self, "triplets", motifs)
        if self.model not in MODELS:
            raise InputError(f"model must be one of {', '.join(MODELS)}; got {self.model!r}.")

    @property
    def label(self) -> str:
        """A name for tables."""
        text = f"{self.n_shells} shell{'' if self.n_shells == 1 else 's'}"
        if self.triplets:
            text += ", triplets " + ", ".join(motif_name(motif) for motif in self.triplets)
        return text if self.model == "auto" else f"{self.model}, {text}"


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Evidence of several models on the same pictures.

    Attributes
    ----------
    table
        One row a model: model, n_parameters, log_evidence (the best model has 0), error (one sd of
        the difference to the best), probability (all models equally likely beforehand),
        log_evidence_third and log_evidence_triple (priors of those couplings and triplets that
        not all models have at a third and three times their sd) with their own error_third and
        error_triple (a prior far from the one sampled leaves few effective draws), adequate and
        adequacy_p (does the model explain the pictures?), settled.
    verdicts
        Plain sentences.
    warnings
        What a reader must know first.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((16, 16), n_shells=2), rng=1)
    >>> found = compare_models(picture, [1, 2], rng=1)
    >>> found.best
    '1 shell'
    """

    table: pd.DataFrame
    verdicts: tuple[str, ...]
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def best(self) -> str:
        """Name of the most probable model."""
        return str(self.table["model"][int(self.table["probability"].to_numpy().argmax())])

    def log_odds(self, model: str, other: str) -> float:
        """Return log of the evidence of a model over that of another, by name."""
        names = self.table["model"].tolist()
        for name in (model, other):
            if name not in names:
                raise InputError(f"model must be one of {'; '.join(names)}; got {name!r}.")
        value = self.table["log_evidence"].to_numpy()
        return float(value[names.index(model)] - value[names.index(other)])

    def __str__(self) -> str:
        """Return warnings, verdicts and table."""
        columns = ["model", "n_parameters", "log_evidence", "error", "probability", "adequate"]
        return "\n".join([*self.warnings, *self.verdicts, self.table[columns].to_string()])


def compare_models(
    given: LatticeSnapshots | Sequence[LatticeSnapshots] | Sequence[Fit],
    models: Sequence[LatticeModel | int] | None = None,
    *,
    prior: LatticePrior | Mapping[str, Any] | None = None,
    composition: str = "free",
    label_noise: float | str | None = None,
    n_draws: int = 8000,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> ModelComparison:
    """Compare lattice models by their evidence on the same pictures.

    The evidence is the integral of prior times the full likelihood, so it depends on the prior:
    every odds is also given with the priors of the couplings and triplets that not all models have
    at a third and three times their standard deviations.

    Parameters
    ----------
    given
        Pictures, or fits of ``fit_lattice_hamiltonian`` to the same pictures with the full
        likelihood, whose models and priors are then compared.
    models
        For pictures: ``LatticeModel``s, or numbers of shells. None: 1 to as many as the graph has,
        3 at most.
    prior, composition, label_noise
        For pictures, as in ``fit_lattice_hamiltonian``. Names of a mapping that only some models
        have hold for these.
    n_draws
        Posterior draws of each model.
    rng
        Seed or generator.
    progress
        Called with (steps done, steps in all).

    Raises
    ------
    InputError
        For fits by pseudolikelihood, of different data, or fewer than two models.

    Notes
    -----
    Bridge between models by the multistate Bennett acceptance ratio (Shirts & Chodera 2008,
    doi:10.1063/1.2978177). Bayes factors and their dependence on priors: Kass & Raftery (1995),
    doi:10.1080/01621459.1995.10476572.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> graph = square_lattice((16, 16), n_shells=2)
    >>> picture = simulate_lattice(Ising([0.2, -0.2]), graph, rng=1)
    >>> found = compare_models(picture, [1, 2], prior={"couplings": 0.1}, rng=1)
    >>> found.verdicts[0].split(":")[0]
    'second shell needed'
    """
    generator, _ = as_generator(rng)
    check_count("n_draws", n_draws, 500)
    fits = _fits(given)
    starts: list[tuple[Float, Float] | None] = []
    if fits:
        names, members, starts = _from_fits(fits, models)
    else:
        names, members = _from_pictures(given, models, prior, composition, label_noise)  # type: ignore[arg-type]
    if len(members) < 2:
        raise InputError(f"models must be at least two; got {len(members)}.")
    names = _distinct(names)
    data = [member[0] for member in members]
    check_same_pictures(data)
    found = measure_evidence(members, generator, n_draws=n_draws, starts=starts, progress=progress)
    checks = [
        check_adequacy(own, draws, generator) if _certain(own) else None
        for own, draws in zip(data, found.draws, strict=True)
    ]
    table = _table(names, data, found, checks)
    flags = (*_warnings(names, found, checks), *_own_flags(names, members, found, fits))
    return ModelComparison(table, comparison_verdicts(names, members, found, checks), flags)


def _fits(given: Any) -> list[Fit]:
    """Return the fits, or none for pictures."""
    if isinstance(given, LatticeSnapshots) or not np.iterable(given):
        return []
    listed = list(given)
    fits = [item for item in listed if isinstance(item, Fit)]
    if fits and len(fits) < len(listed):
        raise InputError("given must be all fits or all snapshots; got some of both.")
    return fits


def _from_fits(
    fits: Sequence[Fit], models: Any
) -> tuple[list[str], list[tuple[LatticeData, Prior]], list[tuple[Float, Float] | None]]:
    from physlearn.inference.lattices.fit_contents import data_of, prior_of, theta_of

    if models is not None:
        raise InputError("models must be left out where fits are given: they name their models.")
    for fit in fits:
        if not str(fit.attrs.get("likelihood", "")).startswith("likelihood"):
            raise InputError(
                f"fits must be made with method='likelihood' to be compared: "
                f"{fit.attrs.get('likelihood')} has no evidence."
            )
        if json.loads(fit.attrs["lattice"]).get("label_noise") == "unknown":
            raise InputError("fits must have a known flip rate to be compared.")
    if len({fit.attrs["data_sha256"] for fit in fits}) > 1:
        raise InputError("fits must be of the same data; these were fitted to different pictures.")
    members = []
    starts: list[tuple[Float, Float] | None] = []
    for fit in fits:
        members.append((data_of(fit), prior_of(fit)))
        theta = theta_of(fit)
        starts.append((theta.mean(axis=0), np.atleast_2d(np.cov(theta.T))))
    return [_family_name(data.family) for data, _ in members], members, starts


def _from_pictures(
    snapshots: LatticeSnapshots | Sequence[LatticeSnapshots],
    models: Sequence[LatticeModel | int] | None,
    prior: LatticePrior | Mapping[str, Any] | None,
    composition: str,
    label_noise: float | str | None,
) -> tuple[list[str], list[tuple[LatticeData, Prior]]]:
    records = as_records(snapshots)
    if label_noise == "unknown":
        raise InputError("label_noise must be a known rate, or None, where models are compared.")
    if composition not in ("free", "fixed"):
        raise InputError(f"composition must be free or fixed; got {composition!r}.")
    if models is None:
        models = range(1, 1 + min(3, *(record.graph.n_shells for record in records)))
    chosen = [item if isinstance(item, LatticeModel) else LatticeModel(item) for item in models]
    data = []
    for item in chosen:
        family = lattice_family(
            item.model, records[0].state_values, item.n_shells, item.triplets,
            fixed_composition=composition == "fixed",
        )  # fmt: skip
        data.append(gather_snapshots(records, family, label_noise=label_noise))
    return [item.label for item in chosen], list(zip(data, _priors(prior, data), strict=True))


def _priors(prior: Any, data: Sequence[LatticeData]) -> list[Prior]:
    """Return every model's prior; each takes the names that it has."""
    if not isinstance(prior, Mapping):
        return [make_prior(prior, own) for own in data]
    usual = {"field_sd", "coupling_sd"}
    known = [usual | {variable.name for variable in own.variables} | set(own.names) for own in data]
    legal = set().union(*known)
    out = []
    for own, names in zip(data, known, strict=True):
        # a name that no model has is left to make_prior, which says so
        out.append(
            make_prior({k: v for k, v in prior.items() if k in names or k not in legal}, own)
        )
    return out


def _certain(data: LatticeData) -> bool:
    return not data.uncertain and all(group.labelled.all() for group in data.groups)


def _family_name(family: LatticeFamily) -> str:
    usual = family.model == ("ising" if family.n_states == 2 else "pair")
    return LatticeModel(family.n_shells, family.motifs, "auto" if usual else family.model).label


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names of which no two are alike."""
    return [
        f"{name} ({names[:index].count(name) + 1})" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]


def _table(
    names: Sequence[str],
    data: Sequence[LatticeData],
    found: Evidence,
    checks: Sequence[Adequacy | None],
) -> pd.DataFrame:
    import pandas as pd

    value, errors = found.log_evidence, found.errors
    best = int(value[0].argmax())
    relative = value - value.max(axis=1, keepdims=True)
    weight = np.exp(relative[0])
    bests = np.where(np.isnan(value).any(axis=1), best, np.nan_to_num(value).argmax(axis=1))
    gap = np.sqrt(errors**2 + np.take_along_axis(errors, bests[:, None], axis=1) ** 2)
    np.put_along_axis(gap, bests[:, None], 0.0, axis=1)
    gap[np.isnan(value)] = np.nan
    return pd.DataFrame(
        {
            "model": list(names), "n_parameters": [own.n_parameters for own in data],
            "log_evidence": relative[0], "error": gap[0], "probability": weight / weight.sum(),
            "log_evidence_third": relative[1], "log_evidence_triple": relative[2],
            "error_third": gap[1], "error_triple": gap[2],
            "adequate": [None if check is None else check.adequate for check in checks],
            "adequacy_p": [np.nan if check is None else check.p_value for check in checks],
            "settled": list(found.settled),
        }
    )  # fmt: skip


def _warnings(
    names: Sequence[str], found: Evidence, checks: Sequence[Adequacy | None]
) -> tuple[str, ...]:
    out = [
        f"{name}: the evidence did not settle; treat its odds as rough"
        for name, settled in zip(names, found.settled, strict=True) if not settled
    ]  # fmt: skip
    best = int(found.log_evidence[0].argmax())
    check = checks[best]
    if check is not None and not check.adequate:
        out.append(
            f"{names[best]} is the most probable of these models and still wrong: "
            f"{check.sentences[0]}"
        )
    if len(PRIOR_FACTORS) == 3 and np.isnan(found.log_evidence[1:]).any():
        out.append("a prior is not Gaussian: odds at other widths of the prior are not given")
    return tuple(out)


def _own_flags(
    names: Sequence[str],
    members: Sequence[tuple[LatticeData, Prior]],
    found: Evidence,
    fits: Sequence[Fit],
) -> tuple[str, ...]:
    """Hand on what each model's fit says of itself; what all say, once."""
    own = [list(fit.warnings) for fit in fits] or [
        [
            *data.notes, *identification_flags(data, find_unidentified(data)), *state_flags(data),
            *prior_flags(prior.names, draws[:, : len(prior.names)], prior),
        ]
        for (data, prior), draws in zip(members, found.draws, strict=True)
    ]  # fmt: skip
    common = [text for text in own[0] if all(text in flags for flags in own)]
    rest = [
        f"{name}: {text}"
        for name, flags in zip(names, own, strict=True)
        for text in flags
        if text not in common
    ]
    return (*dict.fromkeys(common), *dict.fromkeys(rest))
