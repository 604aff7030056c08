"""Lattice sites, the bonds between them, and what stood on them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_choice, check_count
from physlearn.records.atoms import LENGTH_UNITS
from physlearn.records.storage import (
    arrays_of,
    described,
    freeze,
    html_table,
    record_of,
    save_dataset,
    short_repr,
    told,
)

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    import xarray as xr

__all__ = ["LatticeSnapshots", "SiteGraph"]

GRAPH_ARRAYS = {
    "edges": ("edge", "end"),
    "shell": ("edge",),
    "multiplicity": ("edge",),
    "positions": ("site", "axis"),
    "cell": ("axis", "axis_2"),
}
MAX_STATES = 127


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SiteGraph:
    """Sites and the bonds between them, sorted into shells of neighbours.

    Attributes
    ----------
    n_sites
        Number of sites.
    edges
        int64, shape (n_edges, 2): the two sites of each bond, each bond once.
    shell
        int64, shape (n_edges,): 0 for nearest neighbours, 1 for the next, and so on.
    multiplicity
        int64, shape (n_edges,): how often the bond counts (a shell that wraps a small periodic
        box meets the same pair several times, as the infinite periodic crystal does).
    positions
        float64, shape (n_sites, d) in ``unit``, or None.
    unit
        Unit of lengths.
    cell
        float64, shape (d, d): rows are the periods; None when open.
    shell_radii
        Mean bond length of each shell in ``unit``; empty when unknown.

    Raises
    ------
    InputError
        For self-loops, edges out of range, or negative shells or multiplicities.

    Examples
    --------
    >>> chain = SiteGraph(3, [[0, 1], [1, 2]], [0, 0], [1, 1])
    >>> chain.n_shells
    1
    """

    n_sites: int
    edges: NDArray[np.int64]
    shell: NDArray[np.int64]
    multiplicity: NDArray[np.int64]
    positions: NDArray[np.float64] | None = field(default=None, kw_only=True)
    unit: str = field(default="reduced", kw_only=True)
    cell: NDArray[np.float64] | None = field(default=None, kw_only=True)
    shell_radii: tuple[float, ...] = field(default=(), kw_only=True)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_count("n_sites", self.n_sites, 1)
        edges = check_array(
            "edges",
            np.empty((0, 2)) if np.size(self.edges) == 0 else self.edges,
            shape=(None, 2), dtype=np.int64, minimum=0, allow_empty=True,
        )  # fmt: skip
        if edges.size and edges.max() >= self.n_sites:
            raise InputError(f"edges must name sites below {self.n_sites}; got site {edges.max()}.")
        loops = np.flatnonzero(edges[:, 0] == edges[:, 1])
        if loops.size:
            raise InputError(
                f"edges must join two different sites; edge {loops[0]} joins site "
                f"{edges[loops[0], 0]} to itself."
            )
        m = len(edges)
        checked: dict[str, object] = {"n_sites": int(self.n_sites), "edges": edges}
        for name, least in (("shell", 0), ("multiplicity", 1)):
            checked[name] = check_array(
                name, getattr(self, name), shape=(m,), dtype=np.int64, minimum=least,
                allow_empty=True,
            )  # fmt: skip
        check_choice("unit", self.unit, LENGTH_UNITS)
        if self.positions is not None:
            checked["positions"] = check_array(
                "positions", self.positions, shape=(self.n_sites, None)
            )
        if self.cell is not None:
            checked["cell"] = check_array("cell", self.cell, ndim=2)
        checked["shell_radii"] = tuple(float(radius) for radius in self.shell_radii)
        freeze(self, checked)

    @property
    def n_shells(self) -> int:
        """Number of shells of neighbours."""
        return max(int(self.shell.max()) + 1 if self.shell.size else 0, len(self.shell_radii))

    def to_networkx(self) -> nx.Graph:
        """Return a ``networkx.Graph``; edges carry ``shell`` and ``multiplicity``.

        Where a pair has several bonds (two shells of a small torus may join the same sites) it is
        a ``networkx.MultiGraph``, an edge a bond: a plain graph would keep the last one only.
        Nodes carry ``position``; the graph carries ``unit`` and, where known, ``cell`` and
        ``shell_radii``.
        """
        import networkx as nx

        pairs = np.sort(self.edges, axis=1)
        several = len(np.unique(pairs, axis=0)) < len(pairs)
        graph = nx.MultiGraph() if several else nx.Graph()
        graph.graph["unit"] = self.unit
        if self.cell is not None:
            graph.graph["cell"] = self.cell.tolist()
        if self.shell_radii:
            graph.graph["shell_radii"] = self.shell_radii
        graph.add_nodes_from(range(self.n_sites))
        if self.positions is not None:
            nx.set_node_attributes(
                graph, {i: tuple(map(float, p)) for i, p in enumerate(self.positions)}, "position"
            )
        graph.add_edges_from(
            (int(a), int(b), {"shell": int(shell), "multiplicity": int(count)})
            for (a, b), shell, count in zip(self.edges, self.shell, self.multiplicity, strict=True)
        )
        return graph

    def to_xarray(self) -> xr.Dataset:
        """Return the arrays as a dataset with dims site, edge, end and axis."""
        import xarray as xr

        dataset = xr.Dataset(
            {
                name: (dims, getattr(self, name))
                for name, dims in GRAPH_ARRAYS.items()
                if getattr(self, name) is not None
            },
            attrs={"unit": self.unit},
        )
        return described(dataset, "SiteGraph", self._texts())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything as netCDF."""
        save_dataset(self.to_xarray(), path)

    def _texts(self) -> dict[str, Any]:
        return {"n_sites": self.n_sites, "unit": self.unit, "shell_radii": self.shell_radii}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SiteGraph:
        """Read what ``save`` wrote."""
        return record_of(path, cls.from_xarray)

    @classmethod
    def from_xarray(cls, dataset: xr.Dataset) -> SiteGraph:
        """Return the record of what ``to_xarray`` made, without loss."""
        texts = told(dataset, "SiteGraph")
        return cls(**arrays_of(dataset), **texts)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LatticeSnapshots:
    """What stood on the sites of a lattice, in one or several pictures.

    Attributes
    ----------
    states
        int8, shape (n_snapshots, n_sites); each entry one of ``state_values``.
    graph
        The sites and bonds.
    observed
        bool, shape (n_snapshots, n_sites), or None when every site was seen. The state of a site
        that was not seen is a placeholder.
    label_log_likelihood
        float64, shape (n_snapshots, n_sites, n_states): log p(measurement | state) WITHOUT class
        weights; the last axis follows ``state_values``; zeros where not observed.
    state_values
        The legal states, -1 and +1 by default.
    state_names
        A name for each.
    conditions
        Arrays of length n_snapshots, such as temperature or field.
    times
        float64, shape (n_snapshots,) in seconds; when given, independence is not assumed.
    metadata, warnings
        As in ``AtomicConfiguration``.

    Raises
    ------
    InputError
        For a state outside the alphabet (value and place are named) or a wrong shape.

    Examples
    --------
    >>> chain = SiteGraph(3, [[0, 1], [1, 2]], [0, 0], [1, 1])
    >>> LatticeSnapshots([[1, -1, 1]], chain).n_snapshots
    1
    """

    states: NDArray[np.int8]
    graph: SiteGraph
    observed: NDArray[np.bool_] | None = field(default=None, kw_only=True)
    label_log_likelihood: NDArray[np.float64] | None = field(default=None, kw_only=True)
    state_values: tuple[int, ...] = field(default=(-1, 1), kw_only=True)
    state_names: tuple[str, ...] = field(default=(), kw_only=True)
    conditions: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, kw_only=True)
    times: NDArray[np.float64] | None = field(default=None, kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    warnings: tuple[str, ...] = field(default=(), kw_only=True)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        values = tuple(int(value) for value in self.state_values)
        if len(set(values)) != len(values) or not 2 <= len(values) <= MAX_STATES:
            raise InputError(
                f"state_values must hold 2 to {MAX_STATES} different whole numbers; got {values}."
            )
        states = _check_states(self.states, self.graph.n_sites)
        checked: dict[str, object] = {"states": states, "state_values": values}
        observed = None
        if self.observed is not None:
            observed = np.asarray(self.observed)
            if observed.dtype != np.bool_ or observed.shape != states.shape:
                raise InputError(
                    f"observed must be true or false with shape {states.shape}, "
                    f"got {observed.dtype} with shape {observed.shape}."
                )
            checked["observed"] = observed
        wrong = ~np.isin(states, values)
        if observed is not None:
            wrong &= observed
        if wrong.any():
            snapshot, site = (int(i) for i in np.argwhere(wrong)[0])
            raise InputError(
                f"states may hold only {', '.join(map(str, values))}; found {int(wrong.sum())} "
                f"other value(s), first {states[snapshot, site]} at snapshot {snapshot}, site "
                f"{site}. Name other values by state_values=(0, 1), and mark sites that were not "
                "seen in `observed`."
            )
        if self.label_log_likelihood is not None:
            labels = check_array(
                "label_log_likelihood", self.label_log_likelihood,
                shape=(*states.shape, len(values)), finite=False,
            )  # fmt: skip
            if np.isnan(labels).any() or np.isposinf(labels).any():
                raise InputError("label_log_likelihood must not hold NaN or +infinity.")
            impossible = np.argwhere(labels.max(axis=-1) == -np.inf)
            if impossible.size:
                raise InputError(
                    "label_log_likelihood must leave each site at least one possible state; "
                    f"snapshot {impossible[0][0]}, site {impossible[0][1]} has none."
                )
            checked["label_log_likelihood"] = labels
        if self.times is not None:
            checked["times"] = check_array("times", self.times, shape=(len(states),))
        checked["conditions"] = {
            str(name): check_array(f"conditions[{name!r}]", value, shape=(len(states),))
            for name, value in self.conditions.items()
        }
        checked["metadata"] = dict(self.metadata)
        for name in ("state_names", "warnings"):
            checked[name] = tuple(str(text) for text in getattr(self, name))
        freeze(self, checked)

    @property
    def n_snapshots(self) -> int:
        """Number of pictures."""
        return int(self.states.shape[0])

    @property
    def n_observed(self) -> int:
        """Number of sites seen, over all pictures."""
        return int(self.states.size if self.observed is None else self.observed.sum())

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a snapshot and site: snapshot, site, (x, y, z), state, observed."""
        import pandas as pd

        n_snapshots, n_sites = self.states.shape
        columns: dict[str, Any] = {
            "snapshot": np.repeat(np.arange(n_snapshots), n_sites),
            "site": np.tile(np.arange(n_sites), n_snapshots),
        }
        if self.graph.positions is not None:
            for axis, column in zip("xyz", self.graph.positions.T, strict=False):
                columns[axis] = np.tile(column, n_snapshots)
        columns["state"] = self.states.ravel()
        columns["observed"] = True if self.observed is None else self.observed.ravel()
        return pd.DataFrame(columns)

    def to_xarray(self) -> xr.Dataset:
        """Return states, graph and likelihoods as one dataset."""
        dataset = self.graph.to_xarray()
        dataset["states"] = (("snapshot", "site"), self.states)
        if self.observed is not None:
            dataset["observed"] = (("snapshot", "site"), self.observed.astype(np.int8))
        if self.label_log_likelihood is not None:
            dataset["label_log_likelihood"] = (
                ("snapshot", "site", "state"), self.label_log_likelihood,
            )  # fmt: skip
        if self.times is not None:
            dataset["times"] = (("snapshot",), self.times)
        for name, values in self.conditions.items():
            dataset[f"condition_{name}"] = (("snapshot",), values)
        texts = {
            "graph": self.graph._texts(),
            "state_values": self.state_values,
            "state_names": self.state_names,
            "conditions": list(self.conditions),
            "metadata": self.metadata,
            "warnings": self.warnings,
        }
        return described(dataset, "LatticeSnapshots", texts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write states, graph and likelihoods as netCDF."""
        save_dataset(self.to_xarray(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LatticeSnapshots:
        """Read what ``save`` wrote."""
        return record_of(path, cls.from_xarray)

    @classmethod
    def from_xarray(cls, dataset: xr.Dataset) -> LatticeSnapshots:
        """Return the record of what ``to_xarray`` made, without loss."""
        texts = told(dataset, "LatticeSnapshots")
        values = arrays_of(dataset)
        graph = SiteGraph(
            **{name: values[name] for name in GRAPH_ARRAYS if name in values}, **texts.pop("graph")
        )
        conditions = {name: values[f"condition_{name}"] for name in texts.pop("conditions")}
        return cls(
            values["states"],
            graph,
            observed=values["observed"].astype(bool) if "observed" in values else None,
            label_log_likelihood=values.get("label_log_likelihood"),
            times=values.get("times"),
            conditions=conditions,
            **texts,
        )


def _check_states(states: object, n_sites: int) -> NDArray[np.int8]:
    given = np.asarray(states)
    if given.dtype.kind in "US":
        raise InputError(
            f"states must hold whole numbers, got texts such as {str(given.ravel()[0])!r}; number "
            "them and give the texts as state_names, the numbers as state_values."
        )
    if given.shape[1:] != (n_sites,) and given.size and given.size % n_sites == 0:
        raise InputError(
            f"states must have shape (n, {n_sites}), a row a picture; got {given.shape}. Where "
            f"the sites are numbered row by row, states.reshape(-1, {n_sites}) is that."
        )
    return check_array("states", given, shape=(None, n_sites), dtype=np.int8)
