"""Where a crystal orders: crossing of Binder cumulants, or the peak of the heat capacity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import CREDIBLE_MASS
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.lattice_models.exact_answers.ising_square import critical_coupling
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.records import SiteGraph

__all__ = ["Transition", "binder_crossings", "exact_ratios", "highest_points", "without_field"]

Float = NDArray[np.float64]
EXACT_KINDS = ("square", "triangular", "honeycomb")


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """Where the crystal orders, one value a posterior draw.

    Attributes
    ----------
    ratios
        float64, shape (n_draws,): transition temperature over the picture's; NaN where the draw
        has none within the range that was simulated.
    temperatures_k
        The same in kelvin, or None without the picture's temperature.
    exact_ratios
        By closed form in the infinite crystal without field (Onsager, Houtappel), or None where
        none is known.
    method
        ``Binder crossing``, ``heat capacity peak``, ``susceptibility peak`` or ``susceptibility
        peaks extrapolated`` (in L ** (-1 / nu) with Ising's nu), and of which crystals.
    order
        Into which pattern.
    growth
        Median over draws of the largest susceptibility of the crystal over that of one of half its
        edge: 2 ** 1.75 at the Ising transition of two dimensions, 1 at a mere crossover.
    at_zero_field
        Whether terms of single sites were set aside, as the transition needs.
    search
        Smallest and largest ratio that were searched.
    """

    ratios: Float
    temperatures_k: Float | None
    exact_ratios: Float | None
    method: str
    order: str
    growth: float
    at_zero_field: bool
    search: tuple[float, float]

    @property
    def probability(self) -> float:
        """Share of the posterior with a transition within the range."""
        return float(np.isfinite(self.ratios).mean())

    @property
    def mean(self) -> float:
        """Mean ratio of the draws that have one; NaN when none has."""
        found = self.ratios[np.isfinite(self.ratios)]
        return float(found.mean()) if len(found) else float("nan")

    def interval(self, mass: float = CREDIBLE_MASS) -> tuple[float, float]:
        """Return the equal-tailed interval of the ratio among draws that have a transition."""
        return _interval(self.ratios, mass)

    def interval_k(self, mass: float = CREDIBLE_MASS) -> tuple[float, float]:
        """Return the interval in kelvin; NaN without the picture's temperature."""
        if self.temperatures_k is None:
            return float("nan"), float("nan")
        return _interval(self.temperatures_k, mass)

    def __repr__(self) -> str:
        low, high = self.interval()
        return (
            f"Transition({self.order}: ratio {self.mean:.4g}, {low:.4g} to {high:.4g}, "
            f"probability {self.probability:.2f}, {self.method})"
        )


def _interval(values: Float, mass: float) -> tuple[float, float]:
    found = values[np.isfinite(values)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - mass) / 2, (1 + mass) / 2])
    return float(low), float(high)


def binder_crossings(large: Float, small: Float, ratios: Float) -> Float:
    """Return where U = 1 - <m^4> / (3 <m^2>^2) of two sizes cross, for every draw.

    Above the transition the larger lattice has the smaller U. From the rung where it is smallest
    against the other, the search goes down until the sign turns.

    Parameters
    ----------
    large, small, ratios
        Shape (n_draws, n_rungs), rungs ascending in temperature.

    Examples
    --------
    >>> ratios = np.array([[0.9, 1.0, 1.1]])
    >>> binder_crossings(np.array([[0.66, 0.62, 0.2]]), np.array([[0.65, 0.61, 0.4]]), ratios)
    array([1.00476...])
    """
    gap = large - small
    out = np.full(len(gap), np.nan)
    for draw, row in enumerate(gap):
        low = int(np.argmin(row))
        above = np.flatnonzero(row[:low] > 0)
        if row[low] < 0 and len(above):
            j = above[-1]
            step = row[j] / (row[j] - row[j + 1])
            out[draw] = ratios[draw, j] + step * (ratios[draw, j + 1] - ratios[draw, j])
    return out


def highest_points(values: Float, ratios: Float) -> Float:
    """Return where values peak inside the range, by a parabola, for every draw.

    Examples
    --------
    >>> ratios = np.array([[0.9, 1.0, 1.1, 1.2]])
    >>> highest_points(np.array([[1.0, 2.0, 1.0, 0.5]]), ratios)
    array([1.])
    """
    out = np.full(len(values), np.nan)
    for draw, row in enumerate(values):
        top = int(np.argmax(row))
        if 0 < top < len(row) - 1:
            near = slice(top - 1, top + 2)
            x = ratios[draw, near] - ratios[draw, top]
            bend, slope, _ = np.polyfit(x, row[near], 2)
            out[draw] = ratios[draw, top] - slope / (2 * bend)
    return out


def without_field(family: LatticeFamily, theta: Float, graph: SiteGraph) -> Float | None:
    """Return parameters at which the states of a uniform order are alike, or None.

    The site terms that break the symmetry are set to 0, of a lattice gas to what makes full and
    empty alike on this graph. None where triplets or tables of pairs break it, too.
    """
    if family.motifs or family.fixed_composition:
        return None
    out = np.array(theta, np.float64)
    site = np.array([kind == "site" for kind in family.kinds])
    if family.n_states == 2:
        degrees = np.bincount(graph.shell, weights=graph.multiplicity, minlength=family.n_shells)
        z = 2 * degrees[: family.n_shells] / graph.n_sites
        pull = (family.site[:, 1] - family.site[:, 0]) / 2 + (
            family.pair[:, :, 1, 1] - family.pair[:, :, 0, 0]
        ) @ z / 4
        (index,) = np.flatnonzero(site)
        out[:, index] -= (theta @ pull) / pull[index]
        return out
    if family.model == "blume_capel":
        out[:, 0] = 0.0
        return out
    if family.model in ("potts", "clock"):
        out[:, site] = 0.0
        return out
    return None


def exact_ratios(family: LatticeFamily, theta: Float, kind: str, order: str) -> Float | None:
    """Return T_c / T without field by closed form, for two states and one shell, else None.

    Uniform order wherever J > 0, alternating order of J < 0 on the square and honeycomb lattices;
    Potts models on the square lattice order at J = log(1 + sqrt q).
    """
    if family.n_shells != 1 or family.motifs or family.fixed_composition:
        return None
    if family.n_states == 2 and kind in EXACT_KINDS:
        table = family.pair[:, 0]
        strength = theta @ (table[:, 0, 0] + table[:, 1, 1] - 2 * table[:, 0, 1]) / 4
        sign = 1.0 if order == "uniform" else -1.0
        if sign < 0 and kind == "triangular":
            return None
        ratio = sign * strength / critical_coupling(kind)
        return np.where(ratio > 0, ratio, np.nan)
    if family.model == "potts" and kind == "square" and order == "uniform":
        (index,) = [k for k, name in enumerate(family.kinds) if name == "pair"]
        ratio = theta[:, index] / np.log(1 + np.sqrt(family.n_states))
        return np.where(ratio > 0, ratio, np.nan)
    return None


def coordination(graph: SiteGraph, n_shells: int) -> Float:
    """Return the largest number of neighbours in each shell."""
    table = bond_table(graph, n_shells)
    site = np.repeat(np.arange(graph.n_sites), np.diff(table.start))
    out = np.zeros(n_shells)
    for shell in range(n_shells):
        here = table.shell == shell
        out[shell] = np.bincount(site[here], table.times[here], graph.n_sites).max()
    return out
