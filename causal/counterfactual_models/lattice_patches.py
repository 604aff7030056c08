"""A fitted lattice Hamiltonian asked what its patches would show with other atoms in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.causal.counterfactual_models.physical_models import PhysicalModel, PhysicalQuestion
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.checks import InputError, check_array, check_count
from physlearn.inference.lattices.fit_contents import family_of, snapshots_of, theta_of
from physlearn.inference.posteriors.lattice_population import make_population
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_family import LatticeFamily
    from physlearn.records import SiteGraph
    from physlearn.results import Fit

N_COPIES = 64
SAME_PATCH = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class LatticePatches:
    """Which sites make which column of which patch.

    Attributes
    ----------
    patch_of_site
        Row of the patch table of each site, -1 for none, (n_sites,).
    cause_sites, outcome_sites
        Sites whose mean reading is the cause, and the outcome, of their patch; bool, (n_sites,).
    snapshot
        Which picture of the fit.
    state
        The state that is counted; the columns are then its share of the sites. None: the columns
        are the mean of the states themselves (two states).

    Raises
    ------
    InputError
        For masks of another shape, or a site that is cause and outcome.

    Examples
    --------
    >>> chosen = np.array([True, False])
    >>> LatticePatches(np.zeros(2, int), chosen, ~chosen).snapshot
    0
    """

    patch_of_site: Integers
    cause_sites: NDArray[np.bool_]
    outcome_sites: NDArray[np.bool_]
    snapshot: int = 0
    state: int | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        n = len(np.asarray(self.patch_of_site))
        for name in ("cause_sites", "outcome_sites"):
            mask = np.asarray(getattr(self, name))
            if mask.dtype != bool or mask.shape != (n,):
                raise InputError(
                    f"{name} must be true or false for each of {n} sites; got dtype {mask.dtype}, "
                    f"shape {mask.shape}."
                )
        both = np.flatnonzero(np.asarray(self.cause_sites) & np.asarray(self.outcome_sites))
        if len(both):
            raise InputError(f"a site may be cause or outcome; site {both[0]} is both.")


def lattice_model(
    fit: Fit,
    patches: LatticePatches,
    *,
    cause: str,
    outcome: str,
    n_sweeps: int = 200,
) -> PhysicalModel:
    """Return the model of a fitted Hamiltonian: what a patch holds had other atoms been put in.

    The cause's sites of a patch are set (as few of them as needed are changed, chosen at random),
    all other sites stay as seen, and the outcome's sites of that patch come to equilibrium, once
    with the sites as seen and once as changed, for 64 posterior draws. The answer's own part is
    kept. Patches that no bond joins are simulated together.

    Parameters
    ----------
    fit
        From `fit_lattice_hamiltonian`.
    patches
        Which sites make the two columns.
    cause, outcome
        Columns of the patch table, means over sites as `patches` says.
    n_sweeps
        Sweeps that are averaged, after a fifth as many to forget the start.

    Raises
    ------
    InputError
        For sites that do not fit the picture, a state that it does not know, or more than two
        states without one that is counted.

    Examples
    --------
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.3]), square_lattice((16, 16)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    >>> row, column = np.mgrid[:16, :16].reshape(2, -1)
    >>> patch = (row // 4) * 4 + column // 4
    >>> even = (row + column) % 2 == 0
    >>> model = lattice_model(fit, LatticePatches(patch, even, ~even), cause="even", outcome="odd")
    >>> model.exact
    True
    """
    check_count("n_sweeps", n_sweeps, 10)
    lattice = _read(fit, patches)

    def change(question: PhysicalQuestion) -> Floats:
        return _simulated_change(lattice, question, cause, n_sweeps)

    def supported(question: PhysicalQuestion) -> NDArray[np.bool_]:
        low, high = lattice.reading.min(), lattice.reading.max()
        target = question.do.get(cause, question.seen[cause])
        real = lattice.cause_means(question.patches)
        # the column is the mean of its sites, within a hundredth
        same = np.abs(real - question.seen[cause]) < 0.01 * (high - low)
        return np.asarray((target >= low) & (target <= high) & same)

    return PhysicalModel(
        "lattice Hamiltonian",
        (cause,),
        outcome,
        change,
        supported,
        "equilibrium with the couplings of the fit; other sites stay as they were seen",
        exact=True,
        warnings=tuple(fit.warnings),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Lattice:
    family: LatticeFamily
    graph: SiteGraph
    theta: Floats
    codes: Integers
    reading: Floats
    patch: Integers
    cause_sites: NDArray[np.bool_]
    outcome_sites: NDArray[np.bool_]

    def cause_means(self, rows: Integers) -> Floats:
        """Return the mean reading of the cause's sites of patches."""
        sites, average = _averages(self.patch, self.cause_sites, rows)
        return np.asarray(average @ self.reading[self.codes[sites]])


def _read(fit: Fit, patches: LatticePatches) -> _Lattice:
    family = family_of(fit)
    records = snapshots_of(fit)
    if not 0 <= patches.snapshot < len(records[0].states):
        raise InputError(
            f"snapshot must lie in 0 to {len(records[0].states) - 1}; got {patches.snapshot}."
        )
    record = records[0]
    patch = check_array(
        "patch_of_site", patches.patch_of_site, shape=(record.graph.n_sites,), dtype=np.int64
    )
    values = np.asarray(family.state_values)
    if patches.state is None and len(values) != 2:
        raise InputError(f"state must name the state that is counted, one of {values.tolist()}.")
    if patches.state is not None and patches.state not in values:
        raise InputError(f"state must be one of {values.tolist()}; got {patches.state!r}.")
    reading = values * 1.0 if patches.state is None else (values == patches.state) * 1.0
    codes = np.searchsorted(values, record.states[patches.snapshot])
    return _Lattice(
        family, record.graph, theta_of(fit)[:, : family.n_parameters], codes, reading, patch,
        np.asarray(patches.cause_sites), np.asarray(patches.outcome_sites),
    )  # fmt: skip


def _averages(
    patch: Integers, sites: NDArray[np.bool_], rows: Integers
) -> tuple[Integers, sparse.csr_array]:
    """Return the chosen sites of some patches, and the matrix that averages over each patch."""
    chosen = np.flatnonzero(sites & np.isin(patch, rows))
    order = np.argsort(rows)
    place = order[np.searchsorted(rows, patch[chosen], sorter=order)]
    number = np.bincount(place, minlength=len(rows))
    if (number == 0).any():
        bad = int(rows[number == 0][0])
        raise InputError(f"patch {bad} holds no site of the column; ask for another patch.")
    weight = 1.0 / number[place]
    shape = (len(rows), len(chosen))
    return chosen, sparse.csr_array((weight, (place, np.arange(len(chosen)))), shape=shape)


def _simulated_change(
    lattice: _Lattice, question: PhysicalQuestion, cause: str, n_sweeps: int
) -> Floats:
    """Return draws (N_COPIES, n) of the change of the outcome's mean."""
    generator = np.random.default_rng(question.seed)
    rows = question.patches
    target = question.do[cause]
    theta = lattice.theta[generator.integers(len(lattice.theta), size=N_COPIES)]
    result = np.zeros((N_COPIES, len(rows)))
    spoiled = np.zeros(len(rows))
    for together in _apart(lattice, rows):
        chosen = rows[together]
        sites, average = _averages(lattice.patch, lattice.outcome_sites, chosen)
        seen = np.tile(lattice.codes[:, None], (1, N_COPIES))
        changed = seen.copy()
        for row, value in zip(chosen, target[together], strict=True):
            _set_patch(lattice, changed, int(row), float(value), generator)
        population = make_population(
            lattice.family, lattice.graph, np.concatenate([seen, changed], axis=1), 2 * N_COPIES,
            generator, sites=sites,
        )  # fmt: skip
        natural = np.concatenate([theta, theta])
        population.sweep(natural, max(n_sweeps // 5, 1))
        halves = np.zeros((2, len(chosen), 2 * N_COPIES))
        for sweep in range(n_sweeps):
            population.sweep(natural, 1)
            shown = lattice.reading[population.codes()[sites]]
            halves[2 * sweep // n_sweeps] += average @ shown
        halves /= n_sweeps / 2
        moved = halves[:, :, N_COPIES:] - halves[:, :, :N_COPIES]
        result[:, together] = moved.mean(axis=0).T
        spoiled[together] = ((moved[0] - moved[1]) ** 2).mean(axis=1) / 4.0
    return _without_simulation_noise(result, spoiled)


def _without_simulation_noise(draws: Floats, variance: Floats) -> Floats:
    """Return draws pulled to their mean by the share of their spread that is simulation noise.

    What is left of it in the mean of the draws stays in.
    """
    center = draws.mean(axis=0)
    total = draws.var(axis=0, ddof=1)
    share = np.clip(1.0 - variance / np.maximum(total, 1e-300), 0.0, 1.0)
    left = np.maximum(share, 1.0 / len(draws))
    return np.asarray(center + (draws - center) * np.sqrt(left))


def _set_patch(
    lattice: _Lattice, codes: Integers, row: int, value: float, generator: np.random.Generator
) -> None:
    """Change as few cause sites of a patch as needed for a mean reading, in place, each copy."""
    sites = np.flatnonzero((lattice.patch == row) & lattice.cause_sites)
    reading = lattice.reading
    low, high = float(reading.min()), float(reading.max())
    wanted = int(np.clip(np.rint((value - low) / (high - low) * len(sites)), 0, len(sites)))
    is_high = reading[lattice.codes[sites]] == high
    more = wanted - int(is_high.sum())
    pool = sites[~is_high] if more > 0 else sites[is_high]
    if more == 0:
        return
    if more > 0:
        new = int(np.flatnonzero(reading == high)[0])
    else:
        # what replaces it: the commonest of the other states
        others = np.flatnonzero(reading == low)
        new = int(others[np.bincount(lattice.codes, minlength=len(reading))[others].argmax()])
    for copy in range(codes.shape[1]):
        codes[generator.permutation(pool)[: abs(more)], copy] = new


def _apart(lattice: _Lattice, rows: Integers) -> list[Integers]:
    """Return places in `rows`, in groups of patches that no bond joins."""
    edges = lattice.patch[np.asarray(lattice.graph.edges)]
    joined = edges[(edges[:, 0] != edges[:, 1]) & (edges >= 0).all(axis=1)]
    graph = nx.Graph()
    graph.add_nodes_from(rows.tolist())
    wanted = set(rows.tolist())
    graph.add_edges_from((a, b) for a, b in joined.tolist() if a in wanted and b in wanted)
    colour = nx.greedy_color(graph, strategy="DSATUR")
    colours = np.array([colour[int(row)] for row in rows])
    return [np.flatnonzero(colours == k) for k in range(int(colours.max()) + 1)]
