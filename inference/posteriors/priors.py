"""Priors of a lattice model's parameters: a small table, or distributions of PyMC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count, check_positive
from physlearn.inference.lattices.lattice_family import Variable
from physlearn.inference.posteriors.prior_shapes import Marginal, marginal_of_distribution
from physlearn.records.storage import html_table, short_repr

__all__ = ["LatticePrior", "Prior", "make_prior"]

Float = NDArray[np.float64]
COUPLING_SCALE = {"lattice_gas": 4.0, "potts": 2.0, "pair": 2.0}
"""Half the difference between like and unlike pairs is what a coupling of Ising is."""
FIELD_SCALE = {"lattice_gas": 2.0}


@dataclass(frozen=True, slots=True)
class LatticePrior:
    """Independent Gaussian priors centred on zero, in kT.

    Attributes
    ----------
    field_sd
        Standard deviation of the field.
    coupling_sd
        Standard deviation of every coupling.

    Examples
    --------
    >>> LatticePrior(coupling_sd=0.2).sds(2).tolist()
    [3.0, 0.2, 0.2]
    """

    field_sd: float = 3.0
    coupling_sd: float = 0.5

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_positive("field_sd", self.field_sd)
        check_positive("coupling_sd", self.coupling_sd)

    def sds(self, n_shells: int) -> Float:
        """Return the standard deviations of field and couplings, shape (1 + n_shells,)."""
        return np.array([self.field_sd] + [self.coupling_sd] * check_count("n_shells", n_shells, 0))


def _one_each(name: str, value: ArrayLike, d: int) -> Float:
    """Return d finite numbers, given as one for all or one for each."""
    given = check_array(name, value, allow_empty=d == 0)
    if given.shape not in ((), (1,), (d,)):
        raise InputError(f"{name} must be one number or {d}; got shape {given.shape}.")
    return np.array(np.broadcast_to(given, d))


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Independent priors of d parameters.

    Attributes
    ----------
    names
        A name for each parameter.
    mean, sd
        float64, shape (d,).
    lower, upper
        float64, shape (d,): the prior is zero outside; infinite where there is no bound.
    shapes
        For each parameter None (Gaussian) or a ``Marginal``.

    Examples
    --------
    >>> prior = Prior.gaussian(("field", "couplings[1]"), [3.0, 0.5])
    >>> prior.log_density(np.zeros((1, 2))).round(3).tolist()
    [-2.243]
    >>> prior.draw(5, np.random.default_rng(1)).shape
    (5, 2)
    """

    names: tuple[str, ...]
    mean: Float
    sd: Float
    lower: Float
    upper: Float
    shapes: tuple[Marginal | None, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        d = len(self.names)
        for name in ("mean", "sd", "lower", "upper"):
            value = check_array(
                name, getattr(self, name), shape=(d,), finite=False, allow_empty=True
            )
            object.__setattr__(self, name, value)
        if len(self.shapes) != d:
            raise InputError(f"shapes must be {d}, one a parameter; got {len(self.shapes)}.")
        plain = np.array([shape is None for shape in self.shapes], bool)
        usable = np.isfinite(self.mean) & np.isfinite(self.sd) & (self.sd > 0)
        if not np.all(usable | ~plain):
            raise InputError("mean must be finite, and sd finite and above 0, of every Gaussian.")
        if not np.all(self.lower < self.upper):
            raise InputError("lower must be below upper for every parameter.")

    @classmethod
    def gaussian(cls, names: Sequence[str], sd: ArrayLike, mean: ArrayLike = 0.0) -> Self:
        """Return Gaussian priors of the given standard deviations, shape (d,) or one for all."""
        d = len(names)
        width = _one_each("sd", sd, d)
        if not np.all(width > 0):
            raise InputError(f"sd must be finite and above 0; got {width.tolist()}.")
        center = _one_each("mean", mean, d)
        bound = np.full(d, np.inf)
        return cls(tuple(names), center, width, -bound, bound, (None,) * d)

    @property
    def n_parameters(self) -> int:
        """Number of parameters, d."""
        return len(self.names)

    @property
    def precision(self) -> Float:
        """One over the variances, shape (d,)."""
        return np.asarray(1.0 / self.sd**2)

    @property
    def is_gaussian(self) -> bool:
        """Whether every prior is Gaussian."""
        return all(shape is None for shape in self.shapes)

    def log_density(self, theta: ArrayLike) -> Float:
        """Return the normalised log density at (n, d), shape (n,); -inf outside the bounds."""
        given = np.atleast_2d(check_array("theta", theta, finite=False, allow_empty=True))
        if given.shape[1] != self.n_parameters:
            raise InputError(f"theta must have shape (n, {self.n_parameters}); got {given.shape}.")
        plain = np.array([shape is None for shape in self.shapes])
        z = (given[:, plain] - self.mean[plain]) / self.sd[plain]
        out = -0.5 * np.sum(z**2, axis=1) - np.sum(np.log(self.sd[plain]))
        out -= 0.5 * plain.sum() * np.log(2 * np.pi)
        for index, shape in enumerate(self.shapes):
            if shape is not None:
                out += shape.log_density(given[:, index])
        return np.asarray(out)

    def draw(self, n: int, rng: np.random.Generator) -> Float:
        """Return draws of shape (n, d)."""
        n = check_count("n", n, 0)
        out = self.mean + self.sd * rng.standard_normal((n, self.n_parameters))
        for index, shape in enumerate(self.shapes):
            if shape is not None:
                out[:, index] = shape.draw(n, rng)
        return np.asarray(out)

    def restricted(self, indices: Sequence[int] | NDArray[np.integer]) -> Self:
        """Return the priors of some of the parameters, in the order given."""
        chosen = [int(index) for index in indices]
        return type(self)(
            tuple(self.names[index] for index in chosen), self.mean[chosen], self.sd[chosen],
            self.lower[chosen], self.upper[chosen], tuple(self.shapes[index] for index in chosen),
        )  # fmt: skip

    def extended(self, other: Prior) -> Self:
        """Return these priors followed by those of further parameters."""
        mean, sd, lower, upper = (
            np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("mean", "sd", "lower", "upper")
        )
        return type(self)(
            self.names + other.names, mean, sd, lower, upper, self.shapes + other.shapes
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers from which ``from_json`` makes the same prior, with ``tables``."""
        return {
            "names": list(self.names), "mean": self.mean.tolist(), "sd": self.sd.tolist(),
            "shapes": [None if shape is None else shape.to_json() for shape in self.shapes],
        }  # fmt: skip

    def tables(self) -> Float:
        """Return points and log densities of all that are not Gaussian, shape (k, 2, n)."""
        tables = [shape.table() for shape in self.shapes if shape is not None]
        return np.array(tables) if tables else np.zeros((0, 2, 0))

    @classmethod
    def from_json(cls, given: Mapping[str, Any], tables: Float | None = None) -> Self:
        """Return the prior that ``to_json`` and ``tables`` wrote."""
        plain = cls.gaussian(given["names"], given["sd"], given["mean"])
        shapes: dict[int, Marginal | None] = {}
        for index, shape in enumerate(given["shapes"]):
            if shape is not None and tables is not None:
                shapes[index] = Marginal.from_json(shape, tables[len(shapes)])
        return plain._with(shapes)

    def _with(self, shapes: Mapping[int, Marginal | None]) -> Self:
        """Return the prior with other shapes for some parameters."""
        mean, sd, lower, upper = (
            values.copy() for values in (self.mean, self.sd, self.lower, self.upper)
        )
        all_shapes = list(self.shapes)
        for index, shape in shapes.items():
            if shape is not None:
                all_shapes[index] = shape
                mean[index], sd[index] = shape.mean, shape.sd
                lower[index], upper[index] = shape.lower, shape.upper
        return type(self)(self.names, mean, sd, lower, upper, tuple(all_shapes))


class Parameters(Protocol):
    """What ``make_prior`` must know of a model's parameters."""

    @property
    def names(self) -> list[str]:
        """A name for each."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """``site``, ``pair`` or ``triplet``."""
        ...

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The posterior's variables, maps of the parameters."""
        ...

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def prior_scale(self) -> Float:
        """Factor of the usual prior widths, where a parameter has a unit of its own."""
        ...


def make_prior(
    prior: LatticePrior | Prior | Mapping[str, Any] | None, parameters: Parameters
) -> Prior:
    """Return the prior of a model's parameters from what a person gives.

    Parameters
    ----------
    prior
        None: Gaussian, centred on zero, with standard deviation 3 for fields and 0.5 for the
        couplings of ``Ising`` (other models: as wide in the energy of a pair). A ``LatticePrior``.
        A mapping from names (``field``, ``couplings`` for all its elements, ``couplings[1]`` for
        one) to a standard deviation, a pair (mean, standard deviation), or a distribution of PyMC
        such as ``pm.Uniform.dist(0, 1)`` (of one continuous number, with draws: not
        ``pm.Flat``, not a vector); names left out keep the usual prior. ``field_sd`` and
        ``coupling_sd`` are names for all terms of single sites and for all others. In models
        with a zero-sum gauge the standard deviation is that along each of its directions.
    parameters
        The data as ``gather_snapshots`` returns them.

    Raises
    ------
    InputError
        For a name that the model does not have, or a value of another kind.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_data import gather_snapshots
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((8, 8)), rng=1)
    >>> data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
    >>> make_prior({"couplings": 0.2}, data).sd.tolist()
    [3.0, 0.2]
    """
    names = tuple(parameters.names)
    if isinstance(prior, Prior):
        if prior.names != names:
            raise InputError(
                f"prior must name the parameters {', '.join(names)}; it names "
                f"{', '.join(prior.names)}."
            )
        return prior
    if isinstance(prior, LatticePrior):
        prior = {"field_sd": prior.field_sd, "coupling_sd": prior.coupling_sd}
    if prior is not None and not isinstance(prior, Mapping):
        raise InputError(
            "prior must be a LatticePrior, or a mapping from names such as couplings to a standard "
            f"deviation, (mean, sd) or a PyMC distribution; got {type(prior).__name__}."
        )
    usual, at_site = LatticePrior(), np.array([kind == "site" for kind in parameters.kinds], bool)
    model = parameters.model
    width = np.where(
        at_site, usual.field_sd * FIELD_SCALE.get(model, 1.0),
        usual.coupling_sd * COUPLING_SCALE.get(model, 1.0),
    )  # fmt: skip
    given = dict(prior or {})
    for name, kind in (("field_sd", at_site), ("coupling_sd", ~at_site)):
        if name in given:
            width = np.where(kind, check_positive(name, given.pop(name)), width)
    out = Prior.gaussian(names, width * parameters.prior_scale)
    # one element of a variable is said after the whole variable, in whatever order they came
    for name in sorted(given, key=lambda text: "[" in str(text)):
        chosen, gauge = _chosen(str(name), parameters)
        out = _set(out, str(name), given[name], chosen, gauge)
    return out


def _chosen(name: str, parameters: Parameters) -> tuple[list[int], bool]:
    """Return the parameters that a name stands for, and whether a zero-sum gauge ties them."""
    names = parameters.names
    for variable in parameters.variables:
        rows = variable.map.reshape(-1, len(names))
        plain = bool(np.all(np.count_nonzero(rows, axis=1) == 1)) and len(rows) == len(
            np.flatnonzero(rows.any(axis=0))
        )
        if variable.name == name:
            return np.flatnonzero(rows.any(axis=0)).tolist(), not plain
    if name in names:
        return [names.index(name)], False
    legal = [*(variable.name for variable in parameters.variables), *names]
    raise InputError(
        f"prior names {name!r}, which this model does not have; legal names are field_sd, "
        f"coupling_sd, {', '.join(dict.fromkeys(legal))}."
    )


def _set(prior: Prior, name: str, value: Any, chosen: list[int], gauge: bool) -> Prior:
    """Return the prior with a person's value for some parameters."""
    mean, sd = prior.mean.copy(), prior.sd.copy()
    if _is_distribution(value):
        if gauge:
            raise InputError(
                f"prior[{name!r}] must be a standard deviation: the elements sum to zero and have "
                "no distributions of their own."
            )
        shape = marginal_of_distribution(name, value)
        return prior._with(dict.fromkeys(chosen, shape))
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        center, width = 0.0, check_positive(f"prior[{name!r}]", float(value))
    elif isinstance(value, list) and len(chosen) > 1:
        raise InputError(
            f"prior[{name!r}] must be a tuple (mean, sd) that holds for all its {len(chosen)} "
            f"elements; a list may mean one number for each: name them, as in {name}[1]; got "
            f"{value!r}."
        )
    elif isinstance(value, tuple | list) and len(value) == 2:
        center = float(check_array(f"prior[{name!r}] mean", value[0], shape=()))
        width = check_positive(f"prior[{name!r}] sd", value[1])
        if gauge and center:
            raise InputError(
                f"prior[{name!r}] must have mean 0: the elements sum to zero; got {center}."
            )
    else:
        raise InputError(
            f"prior[{name!r}] must be a standard deviation, (mean, sd) or a PyMC distribution such "
            f"as pm.Uniform.dist(0, 1); got {value!r}."
        )
    mean[chosen], sd[chosen] = center, width
    lower, upper = prior.lower.copy(), prior.upper.copy()
    lower[chosen], upper[chosen] = -np.inf, np.inf
    shapes = tuple(None if index in chosen else shape for index, shape in enumerate(prior.shapes))
    return Prior(prior.names, mean, sd, lower, upper, shapes)


def _is_distribution(value: Any) -> bool:
    """Whether this is a random variable of PyTensor."""
    return hasattr(value, "owner") and hasattr(value, "eval")
