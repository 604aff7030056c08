"""Posterior of a lattice model by the exchange algorithm: an independent check of the likelihood.

Murray, Ghahramani & MacKay 2006 (arXiv:1206.6848): a step to theta' is accepted with the chance
min(1, prior(theta') / prior(theta) exp((theta' - theta) . (T(s) - T(w)))), where w is a picture
drawn at theta'. No constant of normalisation is ever needed, estimated or tabulated. With exact
draws w (coupling from the past) the chain is exact; with draws from a Markov chain it becomes so as
their inner sweeps grow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.arviz_import import import_arviz
from physlearn.checks import InputError, check_array, check_count
from physlearn.covariance_checks import check_covariance
from physlearn.inference.lattices.lattice_data import LatticeData
from physlearn.inference.posteriors.auxiliary_pictures import (
    AuxiliaryLattices,
    ExactLattices,
    MarkovLattices,
)
from physlearn.inference.posteriors.priors import Prior
from physlearn.records.storage import html_table, short_repr

__all__ = ["ExchangeDraws", "sample_exchange"]

Float = NDArray[np.float64]
N_CHAINS = 64
WANTED_ACCEPTANCE = 0.25
LEAST_EFFECTIVE, LARGEST_RHAT = 400.0, 1.05


@dataclass(frozen=True, eq=False)
class ExchangeDraws:
    """Draws of the posterior and how well the chains mixed.

    Attributes
    ----------
    draws
        float64, shape (n_draws, d).
    acceptance
        Share of steps that were accepted.
    effective_draws, rhat
        Of the worst parameter, by ArviZ, over all chains.
    inner_sweeps
        Sweeps between two auxiliary pictures of a chain; 0 for exact draws.
    exact
        Whether auxiliary pictures were exact draws.
    flags
        What a reader must know.
    """

    draws: Float
    acceptance: float
    effective_draws: float
    rhat: float
    inner_sweeps: int
    exact: bool
    flags: list[str]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def approximation(self) -> str:
        """What was approximated, in one sentence."""
        if self.exact:
            return "exchange algorithm with exact auxiliary pictures (coupling from the past)"
        return (
            f"exchange algorithm, asymptotic in its {self.inner_sweeps} inner sweeps from one "
            "auxiliary picture of a chain to the next"
        )

    @property
    def numbers(self) -> dict[str, float]:
        """The figures by name."""
        return {
            "acceptance": self.acceptance, "effective_draws": self.effective_draws,
            "rhat": self.rhat, "inner_sweeps": float(self.inner_sweeps),
        }  # fmt: skip


def sample_exchange(
    data: LatticeData,
    prior: Prior,
    mean: ArrayLike,
    covariance: ArrayLike,
    n_draws: int,
    rng: np.random.Generator,
    *,
    inner_sweeps: int | None = None,
    exact: bool = False,
    n_chains: int = N_CHAINS,
    progress: Callable[[int, int], object] | None = None,
) -> ExchangeDraws:
    """Draw from the posterior of a lattice model by the exchange algorithm.

    Many chains step side by side, each with an auxiliary lattice of its own that goes on from where
    it was (it starts from the picture), ``inner_sweeps`` sweeps a step at the proposed parameters;
    before them two of its states are swapped as a whole, by Metropolis' rule.

    Parameters
    ----------
    data
        Pictures whose labels are certain.
    prior
        Of the d parameters.
    mean, covariance
        A rough guess of the posterior, shapes (d,) and (d, d), for starts and steps: it changes
        how fast the chains mix, not where they go.
    n_draws
        How many draws to return.
    rng
        Generator.
    inner_sweeps
        Sweeps between auxiliary pictures; None measures the lattice's memory at the mean, and once
        more where the chains have gone, and takes six times as many, at least ten.
    exact
        Take exact auxiliary pictures instead, by coupling from the past: for two states with pairs,
        where every coupling favours like states. Draws with another coupling are then refused, and
        said so: the posterior is that of a ferromagnet.
    n_chains
        Chains side by side; multiples of 64 cost least.
    progress
        Called with steps done and their number.

    Returns
    -------
    ExchangeDraws
        Draws, acceptance, effective draws and flags.

    Raises
    ------
    InputError
        For uncertain or absent labels, a guess of another shape, a model for which exact draws are
        not known, or a guess that is not ferromagnetic where they are asked for.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_data import gather_snapshots
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> from physlearn.inference.posteriors.priors import make_prior
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((8, 8)), rng=1)
    >>> data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
    >>> found = sample_exchange(
    ...     data, make_prior(None, data), [0.0, 0.2], 0.01 * np.eye(2), 640,
    ...     np.random.default_rng(1), inner_sweeps=10,
    ... )
    >>> found.draws.shape
    (640, 2)
    """
    d = data.n_parameters
    _check_certain(data)
    centre = check_array("mean", mean, shape=(d,))
    width = check_covariance("covariance", check_array("covariance", covariance, shape=(d, d)))
    if np.linalg.eigvalsh(width)[0] <= 0.0:
        raise InputError("covariance must give every direction of the parameters a variance.")
    n_draws, n_chains = check_count("n_draws", n_draws, 1), check_count("n_chains", n_chains, 4)
    lattices: AuxiliaryLattices = (
        ExactLattices(data, n_chains, rng, centre) if exact
        else MarkovLattices(data, n_chains, rng, centre, inner_sweeps)
    )  # fmt: skip
    chains = _Chains(data, prior, centre, width, n_chains, rng, lattices)
    n_keep = -(-n_draws // n_chains)
    n_warm, thin = 60 + 20 * d, 4 + 2 * d
    n_steps = n_warm + n_keep * thin
    for step in range(n_warm):
        chains.step()
        chains.adapt(step, n_warm)
        if progress is not None:
            progress(step + 1, n_steps)
    if lattices.fit_to(chains.theta):
        for _ in range(n_warm):
            chains.step()
    chains.accepted = chains.tried = 0
    kept = np.empty((n_chains, n_keep, d))
    for step in range(n_keep * thin):
        chains.step()
        if step % thin == thin - 1:
            kept[:, step // thin] = chains.theta
        if progress is not None:
            progress(n_warm + step + 1, n_steps)
    acceptance = chains.accepted / max(1, chains.tried)
    effective, rhat = _mixing(kept)
    flags = list(lattices.flags())
    if effective < LEAST_EFFECTIVE and n_draws >= LEAST_EFFECTIVE:
        flags.append(f"exchange: only {effective:.0f} effective draws; ask for more draws")
    if not rhat < LARGEST_RHAT:
        flags.append(f"exchange: the chains have not mixed (R-hat {rhat:.3f}); ask for more draws")
    draws = kept.transpose(1, 0, 2).reshape(-1, d)[:n_draws]
    return ExchangeDraws(
        draws, float(acceptance), effective, rhat, lattices.inner_sweeps, exact, flags
    )


def _check_certain(data: LatticeData) -> None:
    if data.uncertain or not all(group.labelled.all() for group in data.groups):
        raise InputError(
            "data must have certain labels on all sites for the exchange algorithm; use "
            "method='likelihood', which sums over uncertain and absent ones."
        )


def _mixing(kept: Float) -> tuple[float, float]:
    """Return effective draws and R-hat of the worst parameter of (n_chains, n_keep, d) draws."""
    if kept.shape[1] < 4:
        return float("nan"), float("nan")
    arviz = import_arviz()
    # arviz has no types
    ess: Callable[[Float], float] = arviz.ess
    rhat: Callable[[Float], float] = arviz.rhat
    columns = [kept[:, :, k] for k in range(kept.shape[2])]
    return min(float(ess(c)) for c in columns), max(float(rhat(c)) for c in columns)


class _Chains:
    """Random walks over parameters, all chains side by side."""

    def __init__(
        self,
        data: LatticeData,
        prior: Prior,
        centre: Float,
        covariance: Float,
        n_chains: int,
        rng: np.random.Generator,
        lattices: AuxiliaryLattices,
    ) -> None:
        self._observed, self._prior, self._rng = data.observed(), prior, rng
        self._lattices = lattices
        self._root = np.linalg.cholesky(covariance)
        self._scale = 2.0 / np.sqrt(len(centre))
        self.theta = centre + rng.standard_normal((n_chains, len(centre))) @ self._root.T
        self._density = prior.log_density(self.theta)
        out = ~(np.isfinite(self._density) & lattices.allows(self.theta))
        self.theta[out] = centre
        self._density = prior.log_density(self.theta)
        if not np.isfinite(self._density).all():
            raise InputError("mean must lie where the prior is not zero.")
        self.accepted = self.tried = 0
        self._recent: list[Float] = []
        self._shares: list[float] = []

    def step(self) -> None:
        """Propose and accept or refuse one step of every chain."""
        shape = self.theta.shape
        step = self._scale * self._rng.standard_normal(shape) @ self._root.T
        proposed = self.theta + step
        density = self._prior.log_density(proposed)
        possible = np.isfinite(density) & self._lattices.allows(proposed)
        # a chain whose step is refused anyway draws where it is
        at = np.where(possible[:, None], proposed, self.theta)
        pull = self._observed - self._lattices.draw(at)
        with np.errstate(invalid="ignore"):
            rise = density - self._density + (step * pull).sum(axis=1)
        taken = possible & (np.log(self._rng.random(shape[0])) < rise)
        self.theta = np.where(taken[:, None], proposed, self.theta)
        self._density = np.where(taken, density, self._density)
        self.accepted += int(taken.sum())
        self.tried += shape[0]
        self._recent.append(self.theta)
        self._shares.append(float(taken.mean()))

    def adapt(self, step: int, n_warm: int) -> None:
        """Fit the steps to the chains; only while they warm up."""
        if step % 10 == 9:
            self._scale *= float(np.exp(np.mean(self._shares[-10:]) - WANTED_ACCEPTANCE))
        if step in (n_warm // 3, 2 * n_warm // 3):
            cloud = np.concatenate(self._recent[-(n_warm // 6) :])
            spread = np.cov(cloud.T).reshape(len(self._root), -1)
            tiny = 1e-12 * np.trace(self._root @ self._root.T) * np.eye(len(self._root))
            self._root = np.linalg.cholesky(spread + tiny)
        if len(self._recent) > n_warm:
            self._recent.clear()
