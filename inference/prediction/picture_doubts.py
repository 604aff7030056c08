"""What a fit's pictures say about a prediction from it: crystal, vacancies, shares, energy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_choice
from physlearn.inference.energies.periodic_crystal import KINDS, PeriodicCrystal
from physlearn.inference.lattices.fit_contents import theta_of
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.prediction.crystal_recognition import (
    check_named,
    match_crystal,
    recognise_crystal,
)
from physlearn.inference.prediction.thermal_ladders import composition_codes
from physlearn.inference.prediction.thermal_runs import jackknife_error
from physlearn.records import LatticeSnapshots, SiteGraph
from physlearn.results import Fit

__all__ = [
    "check_composition",
    "check_coupled",
    "check_snapshot_temperature",
    "composition_of",
    "crystal_kind",
    "energy_doubts",
    "inherited_notes",
    "picture_energies",
]

Float = NDArray[np.float64]
FEW_EMPTY = 0.01
FAR_OFF = 3.0
AT_THE_PICTURE = 1e-6


def check_coupled(family: LatticeFamily) -> LatticeFamily:
    """Return the family; raise where its sites are independent."""
    if not family.n_shells:
        raise InputError(
            "fit must have couplings for a prediction at other temperatures; this one is of "
            "independent sites (n_shells=0), which no temperature orders: give a fit with "
            "n_shells=1 or more."
        )
    return family


def crystal_kind(lattice: str | None, snapshots: Sequence[LatticeSnapshots]) -> str:
    """Return the kind of crystal that all pictures show; a named one must be it."""
    graphs = _graphs(snapshots)
    if lattice is not None:
        kind = check_choice("lattice", lattice, KINDS)
        for graph in graphs:
            check_named(graph, kind)
        return kind
    kinds = sorted({recognise_crystal(graph) for graph in graphs})
    if len(kinds) > 1:
        raise InputError(
            f"the fit's pictures must show one crystal; they show {' and '.join(kinds)}: fit them "
            "apart."
        )
    return kinds[0]


def _graphs(snapshots: Sequence[LatticeSnapshots]) -> list[SiteGraph]:
    """Return the graphs of the pictures that hold bonds."""
    return [record.graph for record in snapshots if len(record.graph.edges)]


def inherited_notes(
    fit: Fit, family: LatticeFamily, snapshots: Sequence[LatticeSnapshots], kind: str
) -> tuple[str, ...]:
    """Return what a fit says about itself, and what a prediction from it leaves out."""
    out = [f"the fit says: {text}" for text in fit.warnings]
    reference = fit.diagnostics.get("reference_temperature")
    if reference is not None:
        out.append(f"ratios refer to the temperature {reference:g}, at which the parameters hold")
    if theta_of(fit).shape[1] > family.n_parameters:
        out.append("applied fields and gradients of the pictures are left out: a crystal without")
    return (*out, *_vacancies(snapshots, kind), *_unlike_shares(family, snapshots))


def _vacancies(snapshots: Sequence[LatticeSnapshots], kind: str) -> list[str]:
    """Return what to say about neighbours that the pictures' sites lack."""
    found = [match_crystal(graph, kind) for graph in _graphs(snapshots)]
    empty = [match.empty for match in found if match is not None]
    if max(empty, default=0.0) <= FEW_EMPTY:
        return []
    missing = f"{max(empty):.2g}" if max(empty) < FEW_EMPTY else f"{max(empty):.1%}"
    if all(match is None or match.outlined for match in found):
        return [
            f"the prediction is for a crystal without the picture's vacancies: {missing} of the "
            "places of neighbours inside its outline are empty; they weaken order and shift the "
            "transition by at least this share"
        ]
    return [
        f"sites of the picture lack {missing} of their neighbours; without positions, or in so "
        "small a picture, a rim is not told from vacancies, and the prediction is for a crystal "
        "without either"
    ]


def _shares(record: LatticeSnapshots) -> Float:
    """Return the share of every state in each picture, (n_snapshots, q)."""
    seen = np.ones(record.states.shape, bool) if record.observed is None else record.observed
    counts = np.stack(
        [((record.states == value) & seen).sum(axis=1) for value in record.state_values], axis=1
    )
    return np.asarray(counts / np.maximum(seen.sum(axis=1, keepdims=True), 1))


def _unlike_shares(family: LatticeFamily, snapshots: Sequence[LatticeSnapshots]) -> list[str]:
    """Return what to say where pictures of fixed composition differ in it by more than a site."""
    if not family.fixed_composition:
        return []
    shares = np.concatenate([_shares(record) for record in snapshots])
    low, high = shares.min(axis=0), shares.max(axis=0)
    state = family.n_states - 1 - int(np.argmax((high - low).round(9)[::-1]))
    if high[state] - low[state] <= 1.5 / min(record.graph.n_sites for record in snapshots):
        return []
    mean = composition_of(family, snapshots)
    assert mean is not None  # noqa: S101 -- the composition is fixed
    return [
        f"the pictures differ in composition: the share of state {family.state_values[state]} is "
        f"{low[state]:.3g} to {high[state]:.3g}, and their mean of {mean[state]:.3g} is "
        "simulated; predict_phase_diagram takes each"
    ]


def composition_of(family: LatticeFamily, snapshots: Sequence[LatticeSnapshots]) -> Float | None:
    """Return the share of every state over all pictures, where the model holds it fixed."""
    if not family.fixed_composition:
        return None
    counts = np.zeros(family.n_states)
    for record in snapshots:
        seen = record.states if record.observed is None else record.states[record.observed]
        counts += [(seen == value).sum() for value in record.state_values]
    return np.asarray(counts / counts.sum())


def check_composition(composition: Float | None, crystal: PeriodicCrystal) -> Float | None:
    """Return the shares that whole sites of the crystal give; refuse one state on all sites."""
    if composition is None:
        return None
    n = crystal.graph.n_sites
    counts = np.bincount(composition_codes(composition, n), minlength=len(composition))
    if counts.max() == n:
        raise InputError(
            f"composition must leave a site of another state to the crystal; shares of "
            f"{', '.join(f'{share:.3g}' for share in composition)} round to one state on all its "
            f"{n} sites: take a larger shape."
        )
    return np.asarray(counts / n)


def check_snapshot_temperature(
    fit: Fit, snapshots: Sequence[LatticeSnapshots], given: tuple[float, float] | None
) -> list[str]:
    """Refuse a temperature that the fit's own reference contradicts; warn of the pictures'."""
    if given is None:
        return []
    mean, sd = (float(number) for number in given)
    reference = fit.diagnostics.get("reference_temperature")
    if reference is not None and _far(mean, sd, float(reference)):
        raise InputError(
            f"snapshot_temperature must be the temperature that the fit's parameters refer to, "
            f"{reference:g}; got {mean:g} with a standard deviation of {sd:g}."
        )
    recorded = [record.conditions.get("temperature") for record in snapshots]
    known = {float(one) for value in recorded if value is not None for one in np.ravel(value)}
    off = [value for value in sorted(known) if _far(mean, sd, value)]
    if reference is not None or not off:
        return []
    return [
        f"snapshot_temperature {mean:g} ({sd:g}) contradicts the temperature {off[0]:g} that the "
        "pictures record: kelvin are right only if the pattern froze at the first and was imaged "
        "at the second"
    ]


def _far(mean: float, sd: float, value: float) -> bool:
    """Return whether a temperature lies off by more than three standard deviations and 0.1 %."""
    return abs(mean - value) > max(FAR_OFF * sd, 1e-3 * abs(value))


def picture_energies(
    fit: Fit, family: LatticeFamily, snapshots: Sequence[LatticeSnapshots],
    crystal: PeriodicCrystal, theta: Float,
) -> tuple[Float, int] | None:  # fmt: skip
    """Return the energy per site of the pictures for every draw, and how many sites it is from.

    Mean energy of a bond of each shell times the crystal's bonds a site: rims do not enter. None
    where labels are uncertain, with triplets, covariates or pictures of several temperatures.
    """
    if (
        family.motifs
        or theta_of(fit).shape[1] > family.n_parameters
        or fit.diagnostics.get("reference_temperature") is not None
        or any(record.label_log_likelihood is not None for record in snapshots)
    ):
        return None
    q = family.n_states
    sites, pairs = np.zeros(q), np.zeros((family.n_shells, q, q))
    for record in snapshots:
        codes = np.argmax(record.states[..., None] == np.array(record.state_values), axis=-1)
        seen = np.ones(codes.shape, bool) if record.observed is None else record.observed
        sites += np.bincount(codes[seen], minlength=q)
        a, b = record.graph.edges.T
        for shell in range(family.n_shells):
            here = (record.graph.shell == shell) & seen[:, a] & seen[:, b]
            times = np.broadcast_to(record.graph.multiplicity, here.shape)
            both = codes[:, a] * q + codes[:, b]
            counts = np.bincount(both[here], weights=times[here], minlength=q * q)
            pairs[shell] += counts.reshape(q, q)
    whole = crystal.graph
    bonds = np.bincount(whole.shell, weights=whole.multiplicity, minlength=family.n_shells)
    totals = pairs.sum(axis=(1, 2), keepdims=True)
    if not totals.all():
        return None
    mean = family.site @ (sites / sites.sum())
    scaled = pairs / totals * (bonds[: family.n_shells] / whole.n_sites)[:, None, None]
    mean = mean + np.einsum("pkab,kab->p", family.pair, scaled)
    return -(theta @ mean), int(sites.sum())


def energy_doubts(
    pictured: tuple[Float, int] | None, ratios: Float, values: dict[str, Float]
) -> list[str]:
    """Return what to say where the energy predicted at ratio 1 is not that of the pictures.

    ``ratios`` (n_draws, n_temperatures); judged against the posterior's spread of the difference,
    Monte Carlo error and the fluctuations of pictures of this many sites.
    """
    (same,) = np.nonzero(np.all(np.abs(ratios - 1) < AT_THE_PICTURE, axis=0))
    if pictured is None or not len(same):
        return []
    energies, n_sites = pictured
    value = values["energy"][:, :, same]
    whole = value[0, :, 0]
    off = whole - energies
    # Monte Carlo error of the mean, and what of it the draws do not share and so spreads them
    common = float(jackknife_error(value.mean(axis=1, keepdims=True))[0, 0]) ** 2
    alone = max(float((jackknife_error(value) ** 2).mean()) - common, 0.0)
    spread = max(float(off.var(ddof=1)) - alone, 0.0)
    chance = float(values["heat_capacity"][0][:, same[0]].mean()) / n_sites
    limit = FAR_OFF * float(np.sqrt(spread + common + chance))
    if abs(off.mean()) <= limit:
        return []
    return [
        f"at ratio 1 the prediction has the energy {whole.mean():.3g} per site, the picture "
        f"{energies.mean():.3g}: the simulated crystal is not the picture's (vacancies, the "
        "crystal's size, a model that does not fit, a pattern out of equilibrium)"
    ]
