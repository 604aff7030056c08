"""The likelihood of snapshots inside a person's own PyMC model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import InputError
from physlearn.inference.configurations.likelihood_surface import LikelihoodSurface
from physlearn.inference.potential_families.fit_contents import interaction_of
from physlearn.records.storage import html_table, short_repr
from physlearn.results import Fit

if TYPE_CHECKING:
    import pymc
    from pytensor.tensor.variable import TensorVariable

    Tensor = TensorVariable[Any, Any]

__all__ = ["SnapshotPotential", "snapshot_model", "snapshot_potential"]

LARGEST_RESIDUAL = 0.2


@dataclass(frozen=True, eq=False)
class SnapshotPotential:
    """log p(snapshots | parameters) up to a constant, as an expression PyMC can differentiate.

    A polynomial of the unconstrained parameters through the simulated log likelihood; it holds
    where the fit's posterior lies, not far outside.

    Attributes
    ----------
    names
        Natural parameters, in the order of theta.
    is_positive
        bool, shape (p,): which of them theta holds the logarithm of.
    surface
        The polynomial.
    prior_mean, prior_covariance
        Of theta, as the fit had them.
    volume
        Of score matching: what the sums' slopes add to the posterior, once for all films of one
        model. Not part of the likelihood.

    Examples
    --------
    >>> from physlearn.inference.configurations.likelihood_surface import LikelihoodSurface
    >>> flat = LikelihoodSurface(np.zeros(1), np.eye(1), ((),), np.zeros(1), 0.0)
    >>> SnapshotPotential(("depth",), np.array([True]), flat, np.zeros(1), np.eye(1)).names
    ('depth',)
    """

    names: tuple[str, ...]
    is_positive: Any
    surface: LikelihoodSurface
    prior_mean: Any
    prior_covariance: Any
    volume: LikelihoodSurface | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __call__(self, parameters: Mapping[str, Any] | Tensor) -> Tensor:
        """Return the log likelihood as a PyTensor scalar, for ``pymc.Potential``.

        Parameters
        ----------
        parameters
            Natural parameters by name (numbers or random variables), or the vector theta.

        Raises
        ------
        InputError
            For names that the model has not, or that are missing.
        """
        pt: Any = import_module("pytensor.tensor")  # untyped functions throughout

        if isinstance(parameters, Mapping):
            if set(parameters) != set(self.names):
                raise InputError(
                    f"parameters must name {', '.join(self.names)}; "
                    f"got {', '.join(map(str, parameters))}."
                )
            values = [pt.as_tensor_variable(parameters[name]) for name in self.names]
            theta = pt.stack(
                [pt.log(value) if positive else value
                 for value, positive in zip(values, self.is_positive, strict=True)]
            )  # fmt: skip
        else:
            theta = pt.as_tensor_variable(parameters)
        return _polynomial(self.surface, theta)


def _polynomial(surface: LikelihoodSurface, theta: Tensor) -> Tensor:
    pt: Any = import_module("pytensor.tensor")
    z = pt.dot(np.linalg.inv(surface.factor), theta - surface.center)
    out: Tensor = pt.zeros(())
    for power, coefficient in zip(surface.powers, surface.coefficients, strict=True):
        term = pt.as_tensor_variable(float(coefficient))
        for k in power:
            term = term * z[k]
        out = out + term
    return out


def snapshot_potential(fit: Fit) -> SnapshotPotential:
    """Return the likelihood of a fit's snapshots for use in a PyMC model.

    Parameters
    ----------
    fit
        From ``fit_pair_potential``: by the likelihood of the positions, or by score matching the
        Gaussian likelihood of its sums.

    Raises
    ------
    InputError
        For a fit by another method, or whose likelihood no polynomial follows.

    Examples
    --------
    >>> from physlearn.inference.configurations.likelihood_surface import fit_surface
    >>> from physlearn.inference.potential_families.fit_contents import write_interaction
    >>> from physlearn.inference.potential_families.make_family import make_interaction
    >>> from physlearn.results import fit_from_draws
    >>> theta = np.random.default_rng(1).normal(0.0, 0.1, (500, 2))
    >>> surface = fit_surface(theta, -50.0 * (theta**2).sum(axis=1), np.full(500, 0.002))
    >>> fit = fit_from_draws({"depth": np.exp(theta[:, 0])}, model="m", likelihood="l",
    ...     approximation="a", seed=1, data=b"x",
    ...     diagnostics={"likelihood_surface": surface.to_dict()},
    ...     attrs=write_interaction(make_interaction("lennard_jones", length=1.0)))
    >>> snapshot_potential(fit).names
    ('depth', 'diameter')
    """
    content = fit.diagnostics.get("likelihood_surface")
    if content is None:
        raise InputError(
            'fit must come from fit_pair_potential(..., method="likelihood"), or from a score '
            "fit whose draws were weighted; this one holds no likelihood."
        )
    surface = LikelihoodSurface.from_dict(content)
    if surface.residual_sd > LARGEST_RESIDUAL:
        raise InputError(
            f"the log likelihood departs from a polynomial by {surface.residual_sd:.2f} over the "
            "posterior: use the fit's own draws, or a family with fewer parameters."
        )
    family = interaction_of(fit)
    names, positive = family.names, family.is_positive
    mean, covariance = family.prior_mean, family.prior_covariance
    strength_sd = fit.diagnostics.get("three_body_prior_sd")
    if strength_sd is not None:
        names, positive = (*names, "three_body_strength"), np.append(positive, False)
        mean = np.append(mean, 0.0)
        covariance = np.block(
            [[covariance, np.zeros((len(mean) - 1, 1))],
             [np.zeros((1, len(mean) - 1)), np.array([[float(strength_sd) ** 2]])]]
        )  # fmt: skip
    content = fit.diagnostics.get("volume_surface")
    volume = None if content is None else LikelihoodSurface.from_dict(content)
    return SnapshotPotential(names, positive, surface, mean, covariance, volume)


def snapshot_model(fit: Fit) -> pymc.Model:
    """Return a PyMC model with the fit's prior and likelihood, natural parameters by name.

    Raises
    ------
    InputError
        As ``snapshot_potential``.

    Examples
    --------
    >>> from physlearn.inference.configurations.likelihood_surface import fit_surface
    >>> from physlearn.inference.potential_families.fit_contents import write_interaction
    >>> from physlearn.inference.potential_families.make_family import make_interaction
    >>> from physlearn.results import fit_from_draws
    >>> theta = np.random.default_rng(1).normal(0.0, 0.1, (500, 2))
    >>> surface = fit_surface(theta, -50.0 * (theta**2).sum(axis=1), np.full(500, 0.002))
    >>> fit = fit_from_draws({"depth": np.exp(theta[:, 0])}, model="m", likelihood="l",
    ...     approximation="a", seed=1, data=b"x",
    ...     diagnostics={"likelihood_surface": surface.to_dict()},
    ...     attrs=write_interaction(make_interaction("lennard_jones", length=1.0)))
    >>> sorted(variable.name for variable in snapshot_model(fit).deterministics)
    ['depth', 'diameter']
    """
    pymc: Any = import_module("pymc")
    pt: Any = import_module("pytensor.tensor")
    potential = snapshot_potential(fit)
    with pymc.Model() as model:
        z = pymc.Normal("z", 0.0, 1.0, shape=len(potential.names))
        # z is white under the posterior, whose scales differ by orders of magnitude
        theta = potential.surface.center + pt.dot(potential.surface.factor, z)
        away = theta - potential.prior_mean
        precision = np.linalg.inv(potential.prior_covariance)
        pymc.Potential("prior", -0.5 * pt.dot(away, pt.dot(precision, away)) + 0.5 * pt.sum(z**2))
        pymc.Potential("snapshots", potential(theta))
        if potential.volume is not None:
            pymc.Potential("volume", _polynomial(potential.volume, theta))
        for k, name in enumerate(potential.names):
            pymc.Deterministic(name, pt.exp(theta[k]) if potential.is_positive[k] else theta[k])
    return model
