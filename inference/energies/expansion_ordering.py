"""What bond energies make of an alloy: short-range order and its pattern by Monte Carlo."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import CREDIBLE_MASS, InputError, as_generator, check_count, check_positive
from physlearn.inference.energies.expansion_features import wave_sums
from physlearn.inference.energies.parent_lattices import PARENTS, neighbour_vectors
from physlearn.lattice_models.graphs.regular_lattices import merge_bonds
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import (
    Ising,
    coupling_from_bond_energy,
)
from physlearn.lattice_models.kinetics.event_rates import BOLTZMANN_EV_PER_KELVIN
from physlearn.lattice_models.simulate import simulate_lattice
from physlearn.records import SiteGraph
from physlearn.records.storage import html_table, short_repr
from physlearn.results import Fit

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "OrderingPrediction",
    "hamiltonian_from_energies",
    "predict_ordering",
    "thermal_energy_of",
]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
BOLTZMANN_MEV = 1e3 * BOLTZMANN_EV_PER_KELVIN
"""meV per kelvin (CODATA 2018, exact in SI)."""
NAMES: dict[str, dict[tuple[float, ...], str]] = {
    "sc": {(0.5, 0.5, 0.5): "rock salt", (0.0, 0.5, 0.5): "columns", (0.0, 0.0, 0.5): "layers"},
    "bcc": {(0.0, 0.0, 1.0): "B2", (0.5, 0.5, 0.5): "B32", (0.0, 0.5, 0.5): "layers along 110"},
    "fcc": {
        (0.0, 0.0, 1.0): "L1_0 or L1_2", (0.5, 0.5, 0.5): "L1_1", (0.0, 0.5, 1.0): "D0_22 family",
    },
}  # fmt: skip
SMALL_WAVEVECTOR = 0.3
"""In 2 pi / a: a peak nearer to zero is a separation into phases."""
UNSETTLED_Z = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class OrderingPrediction:
    """Short-range order that bond energies predict.

    Attributes
    ----------
    table
        One row a shell: shell, distance, warren_cowley (mean), sd, q05, q95, probability_unlike.
        The Warren-Cowley parameter is (<s s'> - m^2) / (1 - m^2): below 0 unlike neighbours are
        more frequent than at random.
    patterns
        Share of the posterior draws by the pattern in which the alloy orders, strongest first.
    transition_temperature
        Mean and sd of the mean-field instability, an upper guess of the transition, in kelvin (in
        units of energy for reduced fits); 0 where nothing orders.
    mean_state
        Mean of s = -1, +1.
    warnings
        What to know before use.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"shell": 1, "warren_cowley": -0.2, "sd": 0.01, "probability_unlike": 1.0}
    >>> OrderingPrediction(pd.DataFrame([row]), {"B2": 1.0}, (850.0, 20.0), 0.0, ()).summary()[:6]
    'unlike'
    """

    table: pd.DataFrame
    patterns: dict[str, float]
    transition_temperature: tuple[float, float]
    mean_state: float
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    def summary(self) -> str:
        """Return the prediction as a sentence."""
        first = self.table.iloc[0]
        unlike = first["probability_unlike"]
        kind, chance = ("unlike", unlike) if unlike >= 0.5 else ("like", 1 - unlike)
        pattern, share = next(iter(self.patterns.items()))
        return (
            f"{kind} nearest neighbours are preferred (P = {chance:.3g}, Warren-Cowley "
            f"{first['warren_cowley']:+.3f} +- {first['sd']:.3f}); pattern: {pattern} "
            f"({share:.0%} of the posterior)"
        )


def thermal_energy_of(fit: Fit, temperature: float) -> float:
    """Return kT in the unit of a fit to energies.

    Parameters
    ----------
    fit
        From ``fit_hamiltonian_to_energies``.
    temperature
        In kelvin; for a fit in reduced units kT itself.

    Raises
    ------
    InputError
        For another kind of fit, or a temperature that is not positive.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> fit = fit_from_draws({"bond_energies": np.full((10, 1), 10.0)}, model="", likelihood="",
    ...     approximation="", seed=0, data=b"", attrs={"energy_unit": "meV"})
    >>> round(thermal_energy_of(fit, 300.0), 2)
    25.85
    """
    unit = fit.attrs.get("energy_unit")
    if unit is None or "bond_energies" not in fit.variables:
        raise InputError(
            "fit must come from fit_hamiltonian_to_energies; this one holds "
            f"{', '.join(fit.variables)}."
        )
    given = check_positive("temperature", temperature)
    return given * BOLTZMANN_MEV if unit == "meV" else given


def hamiltonian_from_energies(fit: Fit, temperature: float, draw: int | None = None) -> Ising:
    """Return the Hamiltonian that Monte Carlo takes: J = -V / kT, K = -W / kT.

    The smooth composition part of the energy acts on the composition only, so that the result
    holds at fixed composition (``simulate_lattice(..., method="kawasaki", start=...)``).

    Parameters
    ----------
    fit
        From ``fit_hamiltonian_to_energies``.
    temperature
        In kelvin; for a fit in reduced units kT itself.
    draw
        Number of a posterior draw; None takes the posterior mean.

    Raises
    ------
    InputError
        As ``thermal_energy_of``, or for a draw that the fit does not have.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> fit = fit_from_draws({"bond_energies": np.full((10, 1), 50.0)}, model="", likelihood="",
    ...     approximation="", seed=0, data=b"", attrs={"energy_unit": "reduced", "motifs": "[]"})
    >>> hamiltonian_from_energies(fit, 250.0).couplings.tolist()
    [-0.2]
    """
    thermal = thermal_energy_of(fit, temperature)
    bonds = fit["bond_energies"]
    if draw is not None and not 0 <= draw < len(bonds):
        raise InputError(f"draw must be from 0 to {len(bonds) - 1}; got {draw!r}.")
    motifs = [tuple(motif) for motif in json.loads(fit.attrs.get("motifs", "[]"))]
    triplets = fit["triplet_energies"] if motifs else np.empty((len(bonds), 0))
    chosen = [values.mean(axis=0) if draw is None else values[draw] for values in (bonds, triplets)]
    couplings, strengths = (
        coupling_from_bond_energy(value, thermal) if len(value) else np.empty(0) for value in chosen
    )
    pairs = tuple((motif, float(k)) for motif, k in zip(motifs, strengths, strict=True))
    return Ising(couplings, triplets=pairs)


def predict_ordering(
    fit: Fit,
    temperature: float,
    *,
    mean_state: float = 0.0,
    n_cells: int = 12,
    n_posterior: int = 12,
    n_pictures: int = 20,
    burn_in: int = 300,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> OrderingPrediction:
    """Predict sign, pattern and strength of ordering at a temperature, with uncertainty.

    Monte Carlo exchanges at fixed composition on a periodic box of the parent lattice, one run for
    each of some posterior draws.

    Parameters
    ----------
    fit
        From ``fit_hamiltonian_to_energies`` of crystals (sc, bcc or fcc).
    temperature
        In kelvin; for a fit in reduced units kT itself.
    mean_state
        Composition, the mean of s (0 is one to one).
    n_cells
        Edge of the box in primitive cells; a multiple of 4 holds the usual patterns.
    n_posterior
        Posterior draws that are simulated.
    n_pictures, burn_in
        Pictures of each run, 10 sweeps apart, and sweeps before the first.
    rng
        Seed or generator.
    progress
        Called with (runs done, runs in all).

    Raises
    ------
    InputError
        For a fit of structures on graphs, or a composition without both species.

    Notes
    -----
    J. M. Cowley, Phys. Rev. 77, 669 (1950), doi:10.1103/PhysRev.77.669.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> fit = fit_from_draws({"bond_energies": np.full((10, 1), 10.0)}, model="", likelihood="",
    ...     approximation="", seed=0, data=b"", attrs={"energy_unit": "meV", "lattice": "bcc"})
    >>> found = predict_ordering(fit, 600.0, n_cells=8, n_posterior=2, n_pictures=4, rng=1)
    >>> list(found.patterns)
    ['B2']
    """
    lattice = str(fit.attrs.get("lattice"))
    thermal_energy_of(fit, temperature)
    if lattice not in PARENTS:
        raise InputError(
            "fit must be of crystals on sc, bcc or fcc; for structures on graphs use "
            "simulate_lattice(hamiltonian_from_energies(fit, temperature), graph, "
            "method='kawasaki', start=...)."
        )
    for name, value, least in (
        ("n_cells", n_cells, 4), ("n_posterior", n_posterior, 2), ("n_pictures", n_pictures, 4),
        ("burn_in", burn_in, 0),
    ):  # fmt: skip
        check_count(name, value, least)
    generator, _ = as_generator(rng)
    n_shells = fit["bond_energies"].shape[1]
    graph = _box(lattice, n_cells, _shells_needed(fit, n_shells))
    n_up = round((1 + mean_state) / 2 * graph.n_sites)
    if not 0 < n_up < graph.n_sites:
        raise InputError(f"mean_state must lie between -1 and 1; got {mean_state!r}.")
    exact_mean = 2 * n_up / graph.n_sites - 1
    chosen = generator.choice(len(fit["bond_energies"]), n_posterior, replace=False)
    stars = _stars(lattice, n_cells)
    orders, peaks, halves = [], [], []
    for number, draw in enumerate(chosen):
        start = generator.permutation(np.where(np.arange(graph.n_sites) < n_up, 1, -1))
        pictures = simulate_lattice(
            hamiltonian_from_energies(fit, temperature, int(draw)), graph, n_pictures, 10,
            method="kawasaki", burn_in=burn_in, start=start.astype(np.int8),
            rng=int(generator.integers(2**32)),
        )  # fmt: skip
        series = _warren_cowley(pictures.states, graph, exact_mean)
        orders.append(series.mean(axis=0))
        middle = n_pictures // 2
        halves.append(series[middle:].mean(axis=0) - series[:middle].mean(axis=0))
        peaks.append(_pattern(pictures.states, n_cells, stars, lattice))
        if progress is not None:
            progress(number + 1, n_posterior)
    table = _order_table(np.array(orders)[:, :n_shells], lattice)
    return OrderingPrediction(
        table, _shares(peaks), _instability(fit, lattice, n_cells, exact_mean), exact_mean,
        tuple(_ordering_warnings(np.array(halves)[:, :n_shells], fit)),
    )  # fmt: skip


def _shells_needed(fit: Fit, n_shells: int) -> int:
    motifs: list[list[int]] = json.loads(fit.attrs.get("motifs", "[]"))
    return max([n_shells, *(max(motif) + 1 for motif in motifs)])


def _box(lattice: str, n_cells: int, n_shells: int) -> SiteGraph:
    """Return a periodic box of n^3 primitive cells."""
    basis = PARENTS[lattice]
    sites = np.indices((n_cells,) * 3).reshape(3, -1).T
    edges, kinds, counts, radii = [], [], [], []
    for shell, (radius, steps) in enumerate(neighbour_vectors(lattice, n_shells)):
        half = steps[[tuple(step) > (0, 0, 0) for step in steps.tolist()]]
        if np.any(np.all(half % n_cells == 0, axis=1)):
            raise InputError(
                f"n_cells must be larger for shell {shell + 1}; in {n_cells} cells a site is its "
                "own neighbour."
            )
        ends = (sites[:, None] + half) % n_cells
        others = ends @ np.array([n_cells**2, n_cells, 1])
        ours = np.repeat(np.arange(len(sites)), len(half))
        pairs, times = merge_bonds(np.stack([ours, others.ravel()]), len(sites))
        edges.append(pairs)
        counts.append(times)
        kinds.append(np.full(len(times), shell))
        radii.append(radius)
    return SiteGraph(
        len(sites), np.concatenate(edges), np.concatenate(kinds), np.concatenate(counts),
        positions=sites @ basis, unit="reduced", cell=n_cells * basis, shell_radii=tuple(radii),
    )  # fmt: skip


def _warren_cowley(states: NDArray[np.int8], graph: SiteGraph, mean: float) -> Float:
    """Return (<s s'> - m^2) / (1 - m^2) of every picture and shell."""
    s = states.astype(np.float64)
    pairs = s[:, graph.edges[:, 0]] * s[:, graph.edges[:, 1]] * graph.multiplicity
    out = np.empty((len(s), graph.n_shells))
    for shell in range(graph.n_shells):
        here = graph.shell == shell
        out[:, shell] = pairs[:, here].sum(axis=1) / graph.multiplicity[here].sum()
    return np.asarray((out - mean**2) / (1 - mean**2))


def _stars(lattice: str, n_cells: int) -> list[tuple[tuple[float, ...], Int]]:
    """Return (wavevector in 2 pi / a, indices) of the stars of the box's wavevectors."""
    dual = np.linalg.inv(PARENTS[lattice]).T  # k = 2 pi f @ dual
    whole = np.indices((n_cells,) * 3).reshape(3, -1).T / n_cells
    shifts = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    images = ((whole[:, None] - np.rint(whole[:, None]) + shifts[None]) @ dual).round(9)
    nearest = (images**2).sum(axis=2)
    best = nearest.min(axis=1, keepdims=True)
    found: dict[tuple[float, ...], list[int]] = {}
    for index, (points, close) in enumerate(zip(images, nearest < best + 1e-6, strict=True)):
        name = max(tuple(np.sort(np.abs(point))) for point in points[close])
        found.setdefault(tuple(float(round(x, 4)) for x in name), []).append(index)
    return [(name, np.array(members)) for name, members in found.items() if any(name)]


def _name(star: tuple[float, ...], lattice: str) -> str:
    if np.linalg.norm(star) < SMALL_WAVEVECTOR:
        return "separation into phases"
    wave = ", ".join(f"{value:g}" for value in star)
    return NAMES[lattice].get(star, f"waves along ({wave}) 2 pi / a")


def _pattern(
    states: NDArray[np.int8], n_cells: int, stars: list[tuple[tuple[float, ...], Int]], lattice: str
) -> str:
    """Return the pattern whose star of wavevectors has the largest mean intensity."""
    s = states.reshape(-1, n_cells, n_cells, n_cells).astype(np.float64)
    power = np.abs(np.fft.fftn(s, axes=(1, 2, 3))) ** 2
    mean = power.mean(axis=0).ravel()
    best = int(np.argmax([mean[members].mean() for _, members in stars]))
    return _name(stars[best][0], lattice)


def _instability(fit: Fit, lattice: str, n_cells: int, mean: float) -> tuple[float, float]:
    """Return mean and sd over the posterior of -(1 - m^2) min V(k) in kelvin (or as energy)."""
    strengths = fit["bond_energies"]
    motifs = [tuple(motif) for motif in json.loads(fit.attrs.get("motifs", "[]"))]
    sums = wave_sums(lattice, n_cells, strengths.shape[1], motifs)
    if motifs:
        # of s s' s'' with one spin at its mean a pair energy m W is left on every side
        strengths = np.column_stack([strengths, mean * fit["triplet_energies"]])
    lowest = (strengths @ sums.T).min(axis=1)
    kelvin = BOLTZMANN_MEV if fit.attrs["energy_unit"] == "meV" else 1.0
    found = np.maximum(-(1 - mean**2) * lowest, 0.0) / kelvin
    return float(found.mean()), float(found.std())


def _order_table(orders: Float, lattice: str) -> pd.DataFrame:
    import pandas as pd

    tail = (1 - CREDIBLE_MASS) / 2
    low, high = np.quantile(orders, [tail, 1 - tail], axis=0)
    radii = [radius for radius, _ in neighbour_vectors(lattice, orders.shape[1])]
    return pd.DataFrame(
        {
            "shell": np.arange(1, orders.shape[1] + 1), "distance": radii,
            "warren_cowley": orders.mean(axis=0), "sd": orders.std(axis=0, ddof=1), "q05": low,
            "q95": high, "probability_unlike": (orders < 0).mean(axis=0),
        }
    )  # fmt: skip


def _shares(peaks: list[str]) -> dict[str, float]:
    counts = Counter(peaks)
    return {name: count / len(peaks) for name, count in counts.most_common()}


def _ordering_warnings(drift: Float, fit: Fit) -> list[str]:
    """Say where runs still drift, and hand on what the fit said of itself."""
    out = []
    z = drift.mean(axis=0) / np.maximum(drift.std(axis=0, ddof=1) / np.sqrt(len(drift)), 1e-12)
    worst = int(np.abs(z).argmax())
    if abs(z[worst]) > UNSETTLED_Z:
        out.append(
            f"the order still drifts (shell {worst + 1}: {drift.mean(axis=0)[worst]:+.3f} from the "
            "first half of the pictures to the second): raise burn_in, or the temperature"
        )
    out += [text for text in fit.warnings if "strain" in text]
    return out
