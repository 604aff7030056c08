"""Which parameters a lattice model has, and what each of them multiplies.

Every model of the core is an exponential family: log p(s) = sum_k theta_k T_k(s) - log Z(theta)
with T_k(s) = sum_i site[k, a_i] + sum_bonds pair[k, shell, a, a'] + sum_triplets triplet[k, motif,
a, a', a''], a the code of a site's state and each bond counted once, times its multiplicity. One
table form therefore serves them all: samplers, pseudolikelihood, likelihood and evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_choice, check_count
from physlearn.inference.lattices.zero_sum import zero_sum_tables, zero_sum_vectors
from physlearn.lattice_models.graphs.triplets import check_motif
from physlearn.lattice_models.hamiltonians.energy_terms import (
    EnergyTerms,
    Motif,
    energy_of_codes,
    make_terms,
)
from physlearn.records import SiteGraph
from physlearn.records.storage import html_table, short_repr

__all__ = ["MODELS", "LatticeFamily", "Variable", "lattice_family"]

Float = NDArray[np.float64]
MODELS = ("auto", "ising", "lattice_gas", "potts", "clock", "blume_capel", "pair")


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A named part of the posterior, a linear map of the model's parameters.

    Attributes
    ----------
    name
        As in the posterior: ``field``, ``couplings``, ``triplets`` and so on.
    dims
        Name of each dimension; empty for one number.
    coords
        Labels along each dimension.
    map
        float64, shape (*lengths, d): value = map @ theta.
    """

    name: str
    dims: tuple[str, ...]
    coords: tuple[tuple[object, ...], ...]
    map: Float

    def labels(self) -> list[str]:
        """Return ``name`` or ``name[label, ...]`` of every element, in C order."""
        if not self.dims:
            return [self.name]
        grids = np.meshgrid(
            *[np.array([str(label) for label in labels]) for labels in self.coords], indexing="ij"
        )
        flat = zip(*[grid.ravel() for grid in grids], strict=True)
        return [f"{self.name}[{', '.join(labels)}]" for labels in flat]


@dataclass(frozen=True, eq=False)
class LatticeFamily:
    """A lattice model as an exponential family with d parameters.

    Attributes
    ----------
    model
        One of ``MODELS`` but ``auto``.
    state_values
        The q states; codes follow their order.
    site
        float64, shape (d, q).
    pair
        float64, shape (d, n_shells, q, q), symmetric in the states.
    triplet
        float64, shape (d, n_motifs, q, q, q), the same for every order of the states.
    motifs
        Three shells each.
    fixed_composition
        The numbers of each state are given, not random; terms of single sites are then constant
        and the model has none.
    kinds
        What each parameter is: ``site``, ``pair`` or ``triplet``.
    variables
        The posterior's variables.
    covariate_direction
        float64, shape (q,): what a covariate of a site multiplies, or None where it has no place.

    Examples
    --------
    >>> family = lattice_family("ising", (-1, 1), n_shells=2)
    >>> family.labels
    ['field', 'couplings[1]', 'couplings[2]']
    >>> family.pair[1, 0].tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """

    model: str
    state_values: tuple[int, ...]
    site: Float
    pair: Float
    triplet: Float
    motifs: tuple[Motif, ...]
    fixed_composition: bool
    kinds: tuple[str, ...]
    variables: tuple[Variable, ...]
    covariate_direction: Float | None

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def n_parameters(self) -> int:
        """Number of parameters, d."""
        return len(self.site)

    @property
    def n_states(self) -> int:
        """Number of states, q."""
        return len(self.state_values)

    @property
    def n_shells(self) -> int:
        """Number of shells with pair terms."""
        return int(self.pair.shape[1])

    @cached_property
    def labels(self) -> list[str]:
        """A name for every parameter: the element of a variable it alone makes, or a number."""
        names = [f"parameter {index + 1}" for index in range(self.n_parameters)]
        for variable in self.variables:
            rows = variable.map.reshape(-1, self.n_parameters)
            for row, label in zip(rows, variable.labels(), strict=True):
                (used,) = np.nonzero(row)
                if len(used) == 1 and row[used[0]] == 1.0:
                    names[used[0]] = label
        return names

    @property
    def two_state_pairs(self) -> bool:
        """Whether this is the plain Ising model, for which the fastest samplers exist."""
        return self.model == "ising" and not self.motifs

    @cached_property
    def mirrored(self) -> bool:
        """Whether turning every state over only changes the sign of the field (Ising pairs)."""
        # at a fixed composition the pictures turned over are other pictures
        return self.two_state_pairs and not self.fixed_composition

    def values(self, theta: Float) -> dict[str, Float]:
        """Return each variable at parameters of shape (..., d), shape (..., *lengths)."""
        given = np.asarray(theta, np.float64)
        return {
            variable.name: np.tensordot(given, variable.map, axes=(-1, -1))
            for variable in self.variables
        }

    def energies(self, theta: Float) -> tuple[Float, Float, Float]:
        """Return site (q,), pair (n_shells, q, q) and triplet energies in kT at parameters (d,).

        Parameters of shape (n, d) give tables with n first.
        """
        given = np.asarray(theta, np.float64)
        return tuple(  # type: ignore[return-value]
            -np.tensordot(given, table, axes=(-1, 0))
            for table in (self.site, self.pair, self.triplet)
        )

    def terms(self, theta: Float, graph: SiteGraph) -> EnergyTerms:
        """Return the core's tables of this model at parameters (d,) on a graph."""
        site, pair, triplet = self.energies(theta)
        # the names of the states do not enter the tables: codes stand for them
        codes = tuple(range(self.n_states))
        return make_terms(
            graph, codes, site, pair, None, dict(zip(self.motifs, triplet, strict=True))
        )

    def statistics(self, codes: NDArray[np.integer], graph: SiteGraph) -> Float:
        """Return T, shape (..., d), of codes of shape (..., n_sites)."""
        given = np.asarray(codes, np.intp)
        out = np.empty((*given.shape[:-1], self.n_parameters))
        for index, unit in enumerate(np.eye(self.n_parameters)):
            out[..., index] = -energy_of_codes(self.terms(unit, graph), given)
        return out


def lattice_family(
    model: str,
    state_values: Sequence[int],
    n_shells: int,
    triplets: Sequence[Motif] = (),
    *,
    fixed_composition: bool = False,
) -> LatticeFamily:
    """Return the family of a model by name.

    Parameters
    ----------
    model
        ``ising`` (two states: field h, couplings J, triplets K), ``lattice_gas`` (two states, the
        second one occupied: chemical potential, interactions V, triplets W), ``potts`` (couplings
        J and a field of every state with zero sum), ``clock`` (couplings J, field h along state
        0), ``blume_capel`` (three states -1, 0, 1: field h, crystal field D, couplings J),
        ``pair`` (any table of pair couplings in zero-sum gauge and a field of every state), each
        in the convention of the Hamiltonian of that name. ``auto``: ``ising`` for two states,
        ``blume_capel`` for -1, 0, 1, otherwise ``pair``.
    state_values
        The states, in the order of the codes.
    n_shells
        Shells with pair terms; 0: independent sites.
    triplets
        Motifs with a three-site term, three shells each, 0-based.
    fixed_composition
        Whether the numbers of each state are given.

    Raises
    ------
    InputError
        For states that the model does not know, or triplets where it has none.

    Examples
    --------
    >>> lattice_family("potts", (0, 1, 2), 1).n_parameters
    3
    >>> lattice_family("pair", (0, 1, 2), 1, fixed_composition=True).n_parameters
    3
    """
    check_choice("model", model, MODELS)
    values = tuple(check_array("state_values", state_values, ndim=1, dtype=np.int64).tolist())
    if len(set(values)) < len(values) or not -128 <= min(values) <= max(values) <= 127:
        raise InputError(f"state_values must be distinct, from -128 to 127; got {values}.")
    q, shells = len(values), check_count("n_shells", n_shells, 0)
    if model == "auto":
        model = "ising" if q == 2 else "blume_capel" if values == (-1, 0, 1) else "pair"
    _check_states(model, values)
    motifs = tuple(check_motif(motif) for motif in triplets)
    if motifs and model not in ("ising", "lattice_gas"):
        raise InputError(
            f"triplets are fitted for two states (models ising and lattice_gas); the model is "
            f"{model}."
        )
    if len(set(motifs)) < len(motifs):
        raise InputError(f"triplets must name each motif once; got {motifs}.")
    rows = _Rows(q, shells, len(motifs))
    direction = _add_sites(rows, model, values, fixed_composition)
    _add_pairs(rows, model, values)
    if motifs:
        _add_triplets(rows, model, motifs)
    return rows.family(model, values, motifs, fixed_composition, direction)


def _check_states(model: str, values: tuple[int, ...]) -> None:
    q = len(values)
    if model in ("ising", "lattice_gas") and q != 2:
        raise InputError(
            f"model {model} needs two states; the snapshots have {q}; choose potts, clock, "
            "blume_capel or pair."
        )
    if model == "blume_capel" and values != (-1, 0, 1):
        raise InputError(f"model blume_capel needs the states -1, 0 and 1; got {values}.")


class _Rows:
    """Tables of a family while it grows, one parameter after the other."""

    def __init__(self, q: int, n_shells: int, n_motifs: int) -> None:
        self.q, self.n_shells, self.n_motifs = q, n_shells, n_motifs
        self.site: list[Float] = []
        self.pair: list[Float] = []
        self.triplet: list[Float] = []
        self.kinds: list[str] = []
        self.parts: list[
            tuple[str, tuple[str, ...], tuple[tuple[object, ...], ...], Float, int]
        ] = []

    def add(
        self,
        name: str,
        kind: str,
        tables: Float,
        dims: tuple[str, ...] = (),
        coords: tuple[tuple[object, ...], ...] = (),
        mapping: Float | None = None,
    ) -> None:
        """Add parameters with one table each; ``mapping`` (*lengths, n) makes the variable."""
        n, q = len(tables), self.q
        shapes = {
            "site": (q,), "pair": (self.n_shells, q, q), "triplet": (self.n_motifs, q, q, q)
        }  # fmt: skip
        for own, shape in shapes.items():
            part = tables if own == kind else np.zeros((n, *shape))
            getattr(self, own).extend(np.asarray(part, np.float64).reshape(n, *shape))
        if mapping is None:
            mapping = np.ones(1) if not dims else np.eye(n)
        self.parts.append((name, dims, coords, mapping, len(self.kinds)))
        self.kinds += [kind] * n

    def family(
        self,
        model: str,
        values: tuple[int, ...],
        motifs: tuple[Motif, ...],
        fixed_composition: bool,
        direction: Float | None,
    ) -> LatticeFamily:
        """Return the finished family."""
        d, q = len(self.kinds), self.q
        variables = []
        for name, dims, coords, mapping, first in self.parts:
            wide = np.zeros((*mapping.shape[:-1], d))
            wide[..., first : first + mapping.shape[-1]] = mapping
            variables.append(Variable(name, dims, coords, wide))
        return LatticeFamily(
            model, values, np.array(self.site).reshape(d, q),
            np.array(self.pair).reshape(d, self.n_shells, q, q),
            np.array(self.triplet).reshape(d, self.n_motifs, q, q, q), motifs,
            fixed_composition, tuple(self.kinds), tuple(variables), direction,
        )  # fmt: skip


def _add_sites(
    rows: _Rows, model: str, values: tuple[int, ...], fixed_composition: bool
) -> Float | None:
    """Add the terms of single sites; return the direction of a covariate."""
    q, numbers = len(values), np.array(values, np.float64)
    up = np.array([-1.0, 1.0]) if model == "ising" else np.array([0.0, 1.0])
    single = {
        "ising": ("field", up), "lattice_gas": ("chemical_potential", up),
        "clock": ("field", np.cos(2 * np.pi * np.arange(q) / q)), "blume_capel": ("field", numbers),
    }  # fmt: skip
    direction = single[model][1] if model in single else None
    if fixed_composition:
        return direction
    if model in single:
        rows.add(single[model][0], "site", single[model][1][None])
        if model == "blume_capel":
            rows.add("crystal_field", "site", -(numbers**2)[None])
    else:
        basis = zero_sum_vectors(q)
        rows.add("field", "site", basis, ("state",), (values,), basis.T)
    return direction


def _add_pairs(rows: _Rows, model: str, values: tuple[int, ...]) -> None:
    """Add the terms of pairs, shell by shell."""
    if not rows.n_shells:
        return  # independent sites, or triplets alone
    q, shells = len(values), tuple(range(1, rows.n_shells + 1))
    numbers = np.array(values, np.float64)
    turn = np.cos(2 * np.pi * np.subtract.outer(np.arange(q), np.arange(q)) / q)
    table = {
        "ising": np.array([[1.0, -1.0], [-1.0, 1.0]]),
        "lattice_gas": np.array([[0.0, 0.0], [0.0, -1.0]]),
        "potts": np.eye(q), "clock": turn, "blume_capel": np.multiply.outer(numbers, numbers),
    }.get(model)  # fmt: skip
    if table is not None:
        name = "interactions" if model == "lattice_gas" else "couplings"
        tables = np.multiply.outer(np.eye(rows.n_shells), table)
        rows.add(name, "pair", tables, ("shell",), (shells,))
        return
    basis = zero_sum_tables(q)
    n = len(basis)
    tables = np.zeros((rows.n_shells * n, rows.n_shells, q, q))
    mapping = np.zeros((rows.n_shells, q, q, rows.n_shells * n))
    for shell in range(rows.n_shells):
        here = slice(shell * n, (shell + 1) * n)
        tables[here, shell] = basis
        mapping[shell, :, :, here] = np.moveaxis(basis, 0, -1)
    rows.add(
        "couplings", "pair", tables, ("shell", "state_a", "state_b"), (shells, values, values),
        mapping,
    )  # fmt: skip


def _add_triplets(rows: _Rows, model: str, motifs: tuple[Motif, ...]) -> None:
    """Add K s s' s'' or - W n n' n'' for every motif."""
    one = np.array([-1.0, 1.0]) if model == "ising" else np.array([0.0, 1.0])
    sign = 1.0 if model == "ising" else -1.0
    cube = sign * np.multiply.outer(np.multiply.outer(one, one), one)
    tables = np.multiply.outer(np.eye(len(motifs)), cube)
    names = tuple("-".join(str(shell + 1) for shell in motif) for motif in motifs)
    rows.add("triplets", "triplet", tables, ("motif",), (names,))
