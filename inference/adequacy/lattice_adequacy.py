"""Whether a fitted lattice Hamiltonian reproduces the picture, also where it was not fitted.

Given its sufficient statistics, a picture's law no longer depends on the parameters. Patterns of
pictures simulated from the posterior are therefore regressed on the simulated statistics, and what
remains of the observed picture is compared with what remains of the simulated ones: the p-values
are right although the parameters were fitted to the same picture. (A posterior predictive p-value
without this step is too large; Bayarri & Berger 2000, doi:10.1080/01621459.2000.10474309.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import check_array
from physlearn.inference.adequacy.conditional_misfit import (
    SimulatedPatterns,
    conditional_residuals,
    family_wise_p,
    is_fitted,
    support_p,
)
from physlearn.inference.adequacy.lattice_patterns import (
    PatternPlan,
    PatternRow,
    measure_patterns,
    plan_patterns,
)
from physlearn.inference.lattices.lattice_window import window_of_data
from physlearn.inference.posteriors.lattice_population import Population, make_population
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData

__all__ = ["Adequacy", "check_adequacy"]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]
FAMILY_WISE = 0.01
"""Chance that a right model is flagged."""
N_REPLICAS = 64
WINDOW_SITES = 25_000
"""Sites of a group that are simulated where no populations are given."""
FEW_UPDATES, FRESH_UPDATES = 5e7, 3e8
"""Site updates for one record of given and of fresh populations: each about .1 to .4 s."""
N_RECORDS, SWEEPS_BETWEEN, BURN_IN, SETTLE = 4, 8, 60, 10
OUT_OF_SUPPORT = 1e-4
BACK: dict[str, Callable[[Any], Any]] = {
    "plain": np.asarray, "sqrt": np.square, "log": np.exp,
}  # fmt: skip
SUBJECTS = {
    "pairs": "the pair correlation at", "product": "the pair correlation at",
    "environment": "the number of sites in", "triplet": "the number of triplets of",
    "clusters": "the", "uniformity": "the differences in",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Adequacy:
    """What a fitted model explains of a picture, and what it does not.

    Attributes
    ----------
    correlations
        One row a class of pairs: shell, pairs, fitted, distance, observed, predicted_mean,
        predicted_sd, predicted_q05, predicted_q95 (pictures simulated from the posterior),
        given_fitted_mean, given_fitted_sd (those with the picture's own fitted statistics),
        misfit_sd (from these), p (family-wise).
    patterns
        The same for everything else that was compared, with kind and name.
    p_value
        Chance that a right model would have a largest misfit as large as this, over all rows.
    support_p
        Chance that a right fit would simulate statistics as far from the picture's.
    n_simulated
        Number of simulated pictures.
    sentences
        What the model does not explain, one sentence each.

    Examples
    --------
    >>> Adequacy([], [], p_value=0.4, support_p=0.6, n_simulated=256).adequate
    True
    """

    correlations: list[dict[str, Any]]
    patterns: list[dict[str, Any]]
    p_value: float
    support_p: float
    n_simulated: int
    sentences: tuple[str, ...] = field(default=())

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def in_support(self) -> bool:
        """Whether the fit simulates statistics such as the picture's."""
        return self.support_p >= OUT_OF_SUPPORT

    @property
    def adequate(self) -> bool:
        """Whether nothing speaks against the model at a family-wise 1 %."""
        return self.p_value >= FAMILY_WISE and self.in_support

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the fit's warnings; none for an adequate model."""
        return self.sentences

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.adequate:
            n = sum(row["tested"] for row in [*self.correlations, *self.patterns])
            if not n:
                return "no pattern was left to test the model by"
            return f"no misfit in {n} patterns not fitted (family-wise p = {self.p_value:.2g})"
        wrong = "the model is wrong for this picture: " if self.p_value < FAMILY_WISE else ""
        return wrong + self.sentences[0]

    def summary(self) -> dict[str, Any]:
        """Return the verdict as plain numbers and texts."""
        return {
            "p_value": self.p_value, "support_p": self.support_p, "adequate": self.adequate,
            "in_support": self.in_support, "n_simulated": self.n_simulated,
            "verdict": self.verdict,
        }  # fmt: skip


def check_adequacy(
    data: LatticeData,
    draws: Float,
    rng: np.random.Generator,
    *,
    completed: Sequence[Codes] | None = None,
    populations: Sequence[Population] | None = None,
    distances: Sequence[float | None] = (),
) -> Adequacy:
    """Compare a picture with pictures simulated from the posterior of a lattice model.

    Parameters
    ----------
    data
        What was fitted.
    draws
        Posterior draws, shape (n, d).
    rng
        For the simulations.
    completed
        Pictures drawn from the posterior given the labels, one array (n_sites, m) a group of
        pictures; None where all labels are certain.
    populations
        Equilibrated populations, one a group and equally many copies in each, which are swept on;
        None makes them, starting from the picture (of a large one, from a window).
    distances
        Distance of each shell, for the table.

    Returns
    -------
    Adequacy
        A right model is flagged with probability 1 % over all rows together.

    Examples
    --------
    >>> from physlearn.inference import data_of, fit_lattice_hamiltonian, theta_of
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((16, 16)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, 1, rng=1)
    >>> found = check_adequacy(data_of(fit), theta_of(fit), np.random.default_rng(1))
    >>> found.adequate
    True
    """
    draws = check_array("draws", draws, ndim=2)
    if populations is None and completed is None:
        data = window_of_data(data, WINDOW_SITES)
    pictures = [group.codes[:, None] for group in data.groups] if completed is None else completed
    crowd, settle = list(populations or ()), SETTLE
    if not crowd:
        crowd, settle = _crowd(data, pictures, rng), BURN_IN
    updates = data.n_sites * crowd[0].n_replicas
    # large pictures average over themselves: one record of each copy, after short sweeps, will do
    n_records = int(np.clip(FEW_UPDATES / SWEEPS_BETWEEN / updates, 1, N_RECORDS))
    allowed = (FRESH_UPDATES if populations is None else FEW_UPDATES) / updates
    settle = int(np.clip(allowed, 3, settle))
    plans = [plan_patterns(group, data.family, rng) for group in data.groups]
    n = crowd[0].n_replicas
    chosen = draws[rng.choice(len(draws), n, replace=n > len(draws))]
    _choose_phases(data, crowd, chosen, rng)
    simulated = _simulate(data, crowd, plans, chosen, settle, n_records)
    seen = _combined(plans, pictures)
    return _judge(data, simulated, seen, _statistics(data, pictures), distances)


def _choose_phases(
    data: LatticeData, crowd: Sequence[Population], chosen: Float, rng: np.random.Generator
) -> None:
    """Turn whole pictures over with the chance that their field gives it, where only that differs.

    Sweeps alone would leave them in the phase of whatever parameters they were sampled at before.
    """
    for group, copies in zip(data.groups, crowd, strict=True):
        plain = group.offset is None and not len(group.extra) and group.whole
        if not (data.family.mirrored and plain):
            continue
        codes = copies.codes()
        field = (chosen @ group.design.T)[:, 0]
        n_pictures = int(group.picture.max()) + 1
        up = np.zeros((n_pictures, codes.shape[1]))
        np.add.at(up, group.picture, codes)
        size = np.bincount(group.picture, minlength=n_pictures)[:, None]
        pull = np.clip(2 * field * (2 * up - size), -50, 50)
        turned = rng.random(pull.shape) < 1.0 / (1.0 + np.exp(pull))
        copies.restart(codes ^ turned[group.picture].astype(np.uint8))


def _simulate(
    data: LatticeData, crowd: Sequence[Population], plans: Sequence[PatternPlan], chosen: Float,
    settle: int, n_records: int,
) -> SimulatedPatterns:  # fmt: skip
    """Sweep the populations at the chosen draws (R, d), and measure them now and then."""
    values, statistics = [], []
    for record in range(n_records):
        codes = []
        total = np.zeros((len(chosen), data.n_parameters))
        for group, copies in zip(data.groups, crowd, strict=True):
            copies.sweep(chosen @ group.design.T, SWEEPS_BETWEEN if record else settle)
            codes.append(copies.codes())
            total += copies.statistics() @ group.design
        values.append(_combined(plans, codes))
        statistics.append(total)
    return SimulatedPatterns(np.array(values), np.array(statistics), _rows(plans))


def _crowd(
    data: LatticeData, pictures: Sequence[Codes], rng: np.random.Generator
) -> list[Population]:
    """Return populations that start from the pictures."""
    n = N_REPLICAS
    crowd: list[Population] = []
    for group, codes in zip(data.groups, pictures, strict=True):
        start = np.ascontiguousarray(codes[:, np.arange(n) % codes.shape[1]])
        crowd.append(
            make_population(
                data.family, group.graph, start, n, rng, sites=group.terms, offset=group.offset,
                extra=group.extra, parts=group.picture,
            )
        )  # fmt: skip
    return crowd


def _statistics(data: LatticeData, pictures: Sequence[Codes]) -> Float:
    """Return the sufficient statistics of the pictures, shape (m, d)."""
    total = np.zeros((max(codes.shape[1] for codes in pictures), data.n_parameters))
    for group, codes in zip(data.groups, pictures, strict=True):
        own = np.array([group.statistics(data.family, np.ascontiguousarray(c)) for c in codes.T])
        total += own @ group.design
    return total


def _rows(plans: Sequence[PatternPlan]) -> tuple[PatternRow, ...]:
    """Return the rows of all groups, each kind and name once."""
    return tuple({(row.kind, row.name): row for plan in plans for row in plan.rows}.values())


def _combined(plans: Sequence[PatternPlan], codes: Sequence[Codes]) -> Float:
    """Return the weighted mean over the groups of every row, shape (R, n_rows)."""
    place = {(row.kind, row.name): index for index, row in enumerate(_rows(plans))}
    n = max(table.shape[1] for table in codes)
    total, weight = np.zeros((n, len(place))), np.zeros(len(place))
    for plan, table in zip(plans, codes, strict=True):
        here = [place[row.kind, row.name] for row in plan.rows]
        total[:, here] += measure_patterns(plan, table) * plan.weights
        weight[here] += plan.weights
    return total / weight


def _judge(
    data: LatticeData, simulated: SimulatedPatterns, seen: Float, fitted: Float,
    distances: Sequence[float | None],
) -> Adequacy:  # fmt: skip
    """Compare residuals of the picture with those of simulated pictures."""
    n_rows, d = len(simulated.rows), fitted.shape[1]
    flat = simulated.statistics.reshape(-1, d)
    residuals = conditional_residuals(data.family, simulated, seen, fitted)
    p_rows = family_wise_p(residuals)
    sample = simulated.values.reshape(-1, n_rows)
    table = []
    for index, row in enumerate(simulated.rows):
        back = BACK[row.scale]
        levels = np.quantile(sample[:, index], [0.05, 0.5, 0.95])
        raw = sample[:, index] if row.scale == "plain" else back(sample[:, index])
        low, _, high = (float(back(level)) for level in levels)
        ends = residuals.expected[index] + residuals.error[index] * np.array([-1.0, 0.0, 1.0])
        below, given, above = (float(back(end)) for end in ends)
        distance = row.distance
        if row.shell and distance is None and row.shell <= len(distances):
            distance = distances[row.shell - 1]
        table.append(
            {
                "kind": row.kind, "name": row.name, "shell": row.shell, "pairs": row.name,
                "fitted": is_fitted(row, data.family), "distance": distance,
                "observed": float(back(seen[:, index].mean())),
                "predicted_mean": float(np.mean(raw)), "predicted_sd": float(np.std(raw)),
                "predicted_q05": low, "predicted_q95": high,
                "given_fitted_mean": given, "given_fitted_sd": abs(above - below) / 2,
                "misfit_sd": float(abs(residuals.observed[index])), "p": float(p_rows[index]),
                "tested": bool(residuals.used[index]),
            }
        )  # fmt: skip
    support = support_p(flat, fitted.mean(axis=0))
    p_value = float(p_rows.min(initial=1.0))
    plotted = "product" if data.family.model == "blume_capel" else "pairs"
    correlations = [line for line in table if line["kind"] == plotted]
    others = [line for line in table if line["kind"] != plotted]
    return Adequacy(correlations, others, p_value, support, len(sample), _sentences(table, support))


def _sentences(table: list[dict[str, Any]], support: float) -> tuple[str, ...]:
    """Return what is wrong, one sentence a kind of pattern, the worst first."""
    out = []
    wrong = sorted(
        (row for row in table if row["p"] < FAMILY_WISE), key=lambda row: -row["misfit_sd"]
    )
    for kind in dict.fromkeys(row["kind"] for row in wrong):
        row = next(row for row in wrong if row["kind"] == kind)
        out.append(
            f"the model does not explain {SUBJECTS[kind]} {row['name']}: observed "
            f"{row['observed']:.4g}, predicted {row['given_fitted_mean']:.4g} +- "
            f"{row['given_fitted_sd']:.2g} for pictures with the fitted statistics "
            f"({row['misfit_sd']:.1f} sd)"
        )
    if support < OUT_OF_SUPPORT:
        out.append(
            "out of support: pictures simulated from the fit do not have the picture's own fitted "
            "statistics, so what the fit says does not describe this picture"
        )
    return tuple(out)
