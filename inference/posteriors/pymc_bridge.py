"""A lattice model inside a person's own PyMC model: the log likelihood of pictures for NUTS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from physlearn.checks import InputError, as_generator, check_array, check_positive
from physlearn.inference.lattices.fit_contents import data_of, prior_of, theta_of
from physlearn.inference.lattices.lattice_family import Variable
from physlearn.inference.measurement.lattice_measurement import free_problem
from physlearn.inference.posteriors.likelihood_mode import inside
from physlearn.inference.posteriors.partition_surface import PartitionSurface
from physlearn.inference.posteriors.priors import Prior
from physlearn.inference.posteriors.replica_chains import Chains, Ensemble
from physlearn.records.storage import html_table, short_repr
from physlearn.results import Fit

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable

    Tensor = TensorVariable[Any, Any]

__all__ = ["LatticePotential", "lattice_potential"]

Float = NDArray[np.float64]
N_REPLICAS = 64
SPREADS = (0.7, 1.5, 1.0, 1.5)
"""Of the references of each round, as shares of the region's half width."""
N_RECORDS = 16
LONGEST_MEMORY = 40.0
"""Sweeps; replicas that remember longer take cluster moves, where there are any."""
LEAST_EFFECTIVE = 50.0
MOST_OUTSIDE = 0.01
LARGEST_ERROR = 0.15
"""Noise of the log likelihood, one standard deviation, from which on a warning is due."""


@dataclass(frozen=True, eq=False)
class LatticePotential:
    """log p(pictures | theta) up to a constant, as an expression that PyMC can differentiate.

    log L = theta . T(pictures) - sum of log Z over the conditions; each log Z is a log-sum-exp over
    samples of the model at many parameters around the fit (Shirts & Chodera 2008,
    doi:10.1063/1.2978177), so that gradients are exact derivatives of it.

    Attributes
    ----------
    names
        Of the d parameters.
    linear
        float64, shape (d,): the pictures' sufficient statistics.
    designs
        float64, shape (d_nat, d) each: natural parameters of each set of conditions.
    surfaces
        log Z of each set of conditions.
    mean, half_width
        float64, shape (d,): the region that was sampled.
    variables
        The model's variables, whose elements make up theta.
    notes
        What the sampling of the region met; ``check`` repeats it.

    Examples
    --------
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((12, 12)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, 1, method="likelihood", rng=1)
    >>> potential = lattice_potential(fit, rng=1)
    >>> potential.names
    ('field', 'couplings[1]')
    >>> log_likelihood = potential({"field": 0.0, "couplings": [0.2]})   # a PyTensor expression
    >>> bool(np.isclose(log_likelihood.eval(), potential.evaluate([[0.0, 0.2]])[0]))
    True
    """

    names: tuple[str, ...]
    linear: Float
    designs: tuple[Float, ...]
    surfaces: tuple[PartitionSurface, ...]
    mean: Float
    half_width: Float
    variables: tuple[Variable, ...]
    notes: tuple[str, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    def __call__(self, parameters: Mapping[str, Any] | Tensor) -> Tensor:
        """Return the log likelihood as a PyTensor scalar, for ``pymc.Potential``.

        Parameters
        ----------
        parameters
            A vector of the d parameters in the order of ``names``; or a mapping from ``field``,
            ``couplings`` and so on to numbers, vectors, or random variables of PyMC.

        Raises
        ------
        InputError
            For names that the model has not, or that are missing, or values of another length.
        """
        pt: Any = import_module("pytensor.tensor")  # untyped functions throughout

        theta = pt.as_tensor_variable(
            self._vector(parameters) if isinstance(parameters, Mapping) else parameters
        )
        if theta.ndim != 1 or theta.type.shape[0] not in (None, len(self.names)):
            raise InputError(
                f"parameters must be a vector of {len(self.names)} ({', '.join(self.names)}), or a "
                f"mapping by variable; got shape {theta.type.shape}."
            )
        out = pt.dot(theta, self.linear)
        for design, surface in zip(self.designs, self.surfaces, strict=True):
            statistics, log_weight = surface.weighted_samples()
            # Centred, so that the exponents stay small where the region is
            exponent = pt.dot(statistics @ design, theta - self.mean)
            known = log_weight + statistics @ (design @ self.mean)
            out = out - pt.logsumexp(exponent + known)
        result: Tensor = out
        return result

    def _vector(self, given: Mapping[str, Any]) -> Any:
        """Return theta from values by variable."""
        pt: Any = import_module("pytensor.tensor")  # untyped functions throughout

        wanted = {variable.name: variable for variable in self.variables}
        if set(given) != set(wanted):
            raise InputError(
                f"parameters must name {', '.join(wanted)}; got {', '.join(map(str, given))}."
            )
        out = pt.zeros(len(self.names))
        for name, variable in wanted.items():
            flat = variable.map.reshape(-1, len(self.names))
            # A variable in zero-sum gauge is redundant: theta is its least-squares image
            value = pt.as_tensor_variable(given[name]).flatten()
            if value.type.shape[0] not in (None, len(flat)):
                raise InputError(
                    f"parameters[{name!r}] must have {len(flat)} element(s) "
                    f"({', '.join(variable.labels())}); got {value.type.shape[0]}."
                )
            out = out + pt.dot(np.linalg.pinv(flat), value)
        return out

    def evaluate(self, theta: ArrayLike) -> Float:
        """Return the log likelihood at parameters (n, d), by plain numbers."""
        points = check_array(
            "theta", np.atleast_2d(np.asarray(theta)), shape=(None, len(self.names))
        )
        out = points @ self.linear
        for design, surface in zip(self.designs, self.surfaces, strict=True):
            out = out - surface(points @ design.T)
        return np.asarray(out)

    def check(self, theta: Any) -> list[str]:
        """Return warnings about draws of theta that the samples do not carry.

        Parameters
        ----------
        theta
            What ``pymc.sample`` returned (an ``arviz.InferenceData`` or its group ``posterior``),
            a ``Fit``, or draws (n, d) in the order of ``names``.

        Notes
        -----
        A warning is due where more than 1 % of the draws lie where fewer than 50 samples carry log
        Z, or where log Z is known to less than 0.15 only.
        """
        points = check_array("theta", self._draws(theta), shape=(None, len(self.names)))
        flags = list(self.notes)
        fewest = np.full(len(points), np.inf)
        noise = np.zeros(len(points))
        for design, surface in zip(self.designs, self.surfaces, strict=True):
            fewest = np.minimum(fewest, surface.evaluate(points @ design.T)[1])
            noise += surface.errors(points @ design.T) ** 2
        outside = float(np.mean(fewest < LEAST_EFFECTIVE))
        if outside > MOST_OUTSIDE:
            flags.append(
                f"{outside:.0%} of the draws lie where fewer than {LEAST_EFFECTIVE:.0f} samples "
                "carry log Z: make the potential with a larger spread, or around another fit"
            )
        error = float(np.sqrt(np.median(noise)))
        if error > LARGEST_ERROR:
            flags.append(
                f"log Z is known to {error:.2f} only at the draws: make the potential with a "
                "smaller spread"
            )
        return flags

    def _draws(self, given: Any) -> Float:
        """Return draws (n, d) from whatever holds them by variable, or as they are."""
        held = getattr(given, "idata", given)
        held = getattr(held, "posterior", held)
        if not hasattr(held, "data_vars"):
            return np.atleast_2d(np.asarray(held))
        names = [variable.name for variable in self.variables]
        if not set(names) <= set(held.data_vars):
            raise InputError(
                f"theta must hold {', '.join(names)}; got {', '.join(map(str, held.data_vars))}."
            )
        out = 0.0
        for variable in self.variables:
            flat = variable.map.reshape(-1, len(self.names))
            values = held[variable.name].to_numpy()
            out = out + values.reshape(-1, len(flat)) @ np.linalg.pinv(flat).T
        return np.asarray(out)


def lattice_potential(
    fit: Fit, *, spread: float = 4.0, rng: int | np.random.Generator | None = None
) -> LatticePotential:
    """Return the log likelihood of a fit's pictures for use in a PyMC model.

    Parameters
    ----------
    fit
        From ``fit_lattice_hamiltonian`` by the likelihood or by ``exchange``, with certain labels
        on all sites. Its prior plays no part in the potential; its posterior says where to sample.
    spread
        Half width of the region, in posterior standard deviations of the fit. A prior that pulls
        further needs a larger one; ``LatticePotential.check`` says so.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        For a fit by another method, or with uncertain labels.

    Examples
    --------
    >>> import pymc
    >>> from physlearn.inference import fit_lattice_hamiltonian
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((12, 12)), rng=1)
    >>> potential = lattice_potential(
    ...     fit_lattice_hamiltonian(picture, 1, method="likelihood", rng=1), rng=1
    ... )
    >>> with pymc.Model() as model:   # then pymc.sample()
    ...     field = pymc.Normal("field", 0.0, 1.0)
    ...     couplings = pymc.Normal("couplings", 0.0, 0.5, shape=1)
    ...     added = pymc.Potential("pictures", potential({"field": field, "couplings": couplings}))
    >>> [variable.name for variable in model.potentials]
    ['pictures']
    """
    check_positive("spread", spread)
    if not isinstance(fit, Fit) or not str(fit.attrs.get("likelihood", "")).startswith(
        ("likelihood", "exchange")
    ):
        raise InputError(
            'fit must come from fit_lattice_hamiltonian(..., method="likelihood"): the region to '
            "sample is taken from its posterior."
        )
    generator, _ = as_generator(rng)
    data = data_of(fit)
    if data.uncertain:
        raise InputError(
            "fit must be of pictures with certain labels on all sites: sums over labels have no "
            "place in a potential; leave out label_noise and sites that were not observed."
        )
    prior = prior_of(fit)
    problem = free_problem(data, prior, generator, N_REPLICAS)
    draws = theta_of(fit)
    mean, covariance = draws.mean(axis=0), np.atleast_2d(np.cov(draws.T))
    with threadpool_limits(1, "blas"):
        sampled = [
            _sample_region(ensemble, mean, covariance, spread, prior, generator)
            for ensemble in problem.ensembles
        ]
    return LatticePotential(
        tuple(problem.names), problem.linear,
        tuple(ensemble.design for ensemble in problem.ensembles),
        tuple(found[0] for found in sampled), mean,
        spread * np.sqrt(np.diag(covariance)), data.variables,
        tuple(note for found in sampled for note in found[1]),
    )  # fmt: skip


def _sample_region(
    ensemble: Ensemble,
    mean: Float,
    covariance: Float,
    spread: float,
    prior: Prior,
    rng: np.random.Generator,
) -> tuple[PartitionSurface, list[str]]:
    """Return log Z of one set of conditions over an ellipsoid of parameters, and notes."""
    chains = Chains(ensemble, rng)
    factor = np.linalg.cholesky(covariance + 1e-12 * np.diag(np.diag(covariance)))
    n_replicas, d = chains.population.n_replicas, len(mean)
    middle = chains.natural(np.broadcast_to(mean, (n_replicas, d)))
    chains.trace(middle, 60, N_RECORDS, 2, alike=True)
    if chains.memory > LONGEST_MEMORY and chains.switch_to_clusters():
        chains.trace(middle, 20, N_RECORDS, 1, alike=True)
    notes = []
    if chains.memory > LONGEST_MEMORY:
        notes.append(
            f"the samples behind log Z remember {chains.memory:.0f} sweeps: near a transition, "
            "without cluster moves for this model, the log likelihood is rough"
        )
    rounds: list[tuple[Float, Float]] = []
    rows: list[NDArray[np.int64]] = []
    for share in SPREADS:
        # Evenly over the ellipsoid: a Gaussian would leave its rim thin
        away = rng.standard_normal((n_replicas, d))
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        away *= share * spread * rng.random((n_replicas, 1)) ** (1.0 / d)
        natural = chains.natural(inside(mean + away @ factor.T, prior))
        between = max(2, round(1.5 * min(chains.memory, LONGEST_MEMORY)))
        trace = chains.trace(natural, 3 * between + 5, N_RECORDS, between)
        rounds.append((natural[chains.stays], trace[chains.stays]))
        rows.append(np.flatnonzero(chains.stays))
    if any(len(one) < n_replicas for one in rows):
        notes.append(
            "inside the held rim the lattice may turn over as a whole at some of these parameters: "
            "the log likelihood holds the picture's phase alone"
        )
    return PartitionSurface.pooled(rounds, chains.odd, rows), notes
