"""A causal graph with fitted mechanisms: fit once, ask often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.columns import require_table
from physlearn.causal.counterfactual_models.additive_mechanisms import (
    AdditiveMechanism,
    fit_additive,
)
from physlearn.causal.counterfactual_models.answer_records import Counterfactuals
from physlearn.causal.counterfactual_models.level_mechanisms import LevelMechanism, fit_levels
from physlearn.causal.counterfactual_models.model_data import ModelData, read_table
from physlearn.causal.counterfactual_models.node_terms import FORMS
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.members import HIDDEN, members
from physlearn.checks import InputError, NotIdentified, as_generator, check_choice
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.records import PatchTable

NodeModel = AdditiveMechanism | LevelMechanism


@dataclass(frozen=True, slots=True, eq=False)
class StructuralModel:
    """A graph, the columns it was fitted to, and a mechanism for each node.

    Attributes
    ----------
    table, graph
        What was fitted.
    data
        The columns, their noise and the spatial blocks.
    form
        Form of the mechanisms as asked for.
    fitted
        (node, parents) -> mechanism, or the reason why there is none; grows with the questions.
    seed
        Of the resampled blocks.
    warnings
        What the reader must know.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": 2 * a + 0.1 * rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> model = fit_structural_model(table, nx.DiGraph([("a", "b")]), rng=0)
    >>> model.mechanism("b", ["a"]).form
    'linear'
    """

    table: PatchTable
    graph: CausalGraph | nx.DiGraph
    data: ModelData
    form: str
    fitted: dict[tuple[str, tuple[str, ...]], NodeModel | str]
    seed: int
    warnings: tuple[str, ...] = field(default=())

    __repr__ = short_repr
    _repr_html_ = html_table

    def mechanism(self, node: str, parents: Sequence[str]) -> NodeModel:
        """Return the mechanism of a node from some parents; it is fitted once.

        Raises
        ------
        NotIdentified
            Where there is none.
        """
        key = (node, tuple(sorted(parents, key=self.data.names.index)))
        if key not in self.fitted:
            try:
                self.fitted[key] = self._fit(*key)
            except NotIdentified as refusal:
                self.fitted[key] = str(refusal)
        found = self.fitted[key]
        if isinstance(found, str):
            raise NotIdentified(found)
        return found

    def _fit(self, node: str, parents: tuple[str, ...]) -> NodeModel:
        if node in self.data.levels:
            return fit_levels(self.data, node, parents)
        return fit_additive(self.data, node, parents, self.form)

    def answer(
        self,
        *,
        do: Mapping[str, ArrayLike],
        outcome: str,
        patches: ArrayLike | None = None,
        level: float | None = None,
    ) -> Counterfactuals:
        """Return the outcome of patches had columns been set; see `counterfactuals`."""
        from physlearn.causal.counterfactual_models.structural_answers import answer_question

        return answer_question(self, do=do, outcome=outcome, patches=patches, level=level)

    def describe(self) -> list[str]:
        """Return each mechanism in a sentence."""
        return [
            f"{node} of {', '.join(parents)}: {found}"
            if isinstance(found, str)
            else f"{node} of {', '.join(parents)}: {found.form} ({found.reason})."
            for (node, parents), found in self.fitted.items()
        ]


def fit_structural_model(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    *,
    categorical: Sequence[str] = (),
    form: str = "auto",
    rng: int | np.random.Generator | None = None,
) -> StructuralModel:
    """Fit each node of a causal graph as a function of its parents plus a part of its own.

    Continuous nodes: linear, quadratic or cubic with products, or a spline, additive noise;
    "auto" takes a curved form only where it predicts spatial blocks left out better by two
    standard errors. Known measurement noise is taken out of lines and polynomials. Columns of
    levels (declared, or of two values): a logit with the noise of the largest utility.

    Parameters
    ----------
    table
        Patches, shape (n_patches, n_columns).
    graph
        From `discover_graph`, or a `networkx.DiGraph` that you know.
    categorical
        Columns whose numbers are codes of levels.
    form
        "auto", "linear", "quadratic", "cubic" or "spline".
    rng
        Seed of the resampled blocks.

    Returns
    -------
    StructuralModel
        Its `answer` takes one question after another.

    Raises
    ------
    InputError
        For unknown columns or forms.
    NotIdentified
        For fewer than 30 patches, or no column that varies.

    Notes
    -----
    Pearl, Causality (2nd ed., Cambridge 2009), section 7.1.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:24, :24].reshape(2, -1)
    >>> a = rng.normal(size=576)
    >>> frame = pd.DataFrame({"a": a, "b": a**2 + 0.3 * rng.normal(size=576)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> model = fit_structural_model(table, nx.DiGraph([("a", "b")]), rng=0)
    >>> model.describe()
    ['b of a: quadratic (best at predicting spatial blocks left out).']
    >>> answer = model.answer(do={"a": 0.0}, outcome="b")
    >>> bool(abs((answer.mean - (frame["b"] - a**2)).mean()) < 0.1)
    True
    """
    model = make_model(table, graph, categorical=categorical, form=form, rng=rng)
    for node in model.data.names:
        _fit_node(model, node)
    return model


def make_model(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    *,
    categorical: Sequence[str] = (),
    form: str = "auto",
    rng: int | np.random.Generator | None = None,
) -> StructuralModel:
    """Return the model with no mechanism fitted yet: each is when it is first asked for."""
    require_table(table)
    check_choice("form", form, ("auto", *FORMS))
    if isinstance(categorical, str):
        raise InputError(f"categorical must be a list of columns; got {categorical!r}.")
    if not isinstance(graph, CausalGraph | nx.DiGraph):
        raise InputError(
            f"graph must be a CausalGraph or a networkx.DiGraph; got {type(graph).__name__}."
        )
    nodes = list(graph.columns) if isinstance(graph, CausalGraph) else list(graph.nodes)
    names = [name for name in nodes if name in table.columns]
    if not names:
        raise InputError(
            f"graph must have columns of the table as nodes ({', '.join(table.columns)}); it has "
            f"{', '.join(map(str, nodes)) or 'none'}."
        )
    generator, seed = as_generator(rng)
    data = read_table(table, names, tuple(categorical), generator)
    notes = [*data.columns.warnings]
    curved = [name for name in data.names if name in data.levels and name not in categorical]
    if curved:
        notes.append(f"column(s) {', '.join(curved)} hold two values and are taken as levels.")
    if table.chosen_by_result:
        notes.append(
            f"the patches were chosen by what they show ({table.selection}): mechanisms fitted to "
            "them hold for such patches only."
        )
    return StructuralModel(table, graph, data, form, {}, seed, tuple(notes))


def _fit_node(model: StructuralModel, node: str) -> None:
    """Fit the mechanisms that a node may have in the graphs still possible."""
    try:
        possible = members(model.graph, node)
    except NotIdentified:
        return  # asked for later, perhaps with fewer open links on the way
    for member in possible:
        parents = [p for p in member.predecessors(node) if not p.startswith(HIDDEN)]
        if parents and set(parents) <= set(model.data.names):
            try:
                model.mechanism(node, parents)
            except NotIdentified:
                continue  # the reason is kept, and told to whoever asks
