"""What a patch would have shown had one of its columns been different."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from physlearn.causal.columns import require_table
from physlearn.causal.counterfactual_models.answer_records import Counterfactuals
from physlearn.causal.counterfactual_models.structural_model import make_model
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import CREDIBLE_MASS, InputError
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.records import PatchTable


@dataclass(frozen=True, slots=True, eq=False)
class Counterfactual:
    """The outcome of one patch under a change that was not made.

    Attributes
    ----------
    patch, do, outcome
        The question.
    mean
        In the outcome's unit; NaN when not identified.
    sd
        Of the answer by one graph: the two last parts of the next line together.
    factual
        What was measured.
    draws
        One array of draws per group of graphs still possible, in the outcome's unit.
    identified, reason
        Whether graph and data fix one number, and why not.
    out_of_support
        Whether the changed patch is unlike all patches that were seen.
    unit
        Of the outcome.
    range
        Smallest and largest mean over the possible graphs.
    warnings
        What the reader must know.
    sd_graph, sd_parameters, sd_noise
        Spread over the graphs still possible, from the coefficients (spatial block resampling),
        and from the measurement noise of the patch.
    mechanisms
        For each graph the mechanisms between the change and the outcome, in words.

    Examples
    --------
    >>> draws = np.linspace(0.9, 1.1, 101)
    >>> answer = Counterfactual(
    ...     3, {"strain": 0.0}, "response", 1.0, 0.06, 1.4, (draws,), True, "", False, "V")
    >>> [round(bound, 2) for bound in answer.interval()]
    [0.91, 1.09]
    """

    patch: int
    do: Mapping[str, float]
    outcome: str
    mean: float
    sd: float
    factual: float
    draws: tuple[Floats, ...]
    identified: bool
    reason: str
    out_of_support: bool
    unit: str
    range: tuple[float, float] = (math.nan, math.nan)
    seed: int | None = None
    warnings: tuple[str, ...] = ()
    sd_graph: float = math.nan
    sd_parameters: float = math.nan
    sd_noise: float = math.nan
    mechanisms: tuple[str, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    def interval(self, mass: float = CREDIBLE_MASS) -> tuple[float, float]:
        """Return the equal-tailed interval; over all possible graphs when only a range is known."""
        if not isinstance(mass, int | float | np.floating) or not 0 < mass < 1:
            raise InputError(f"mass must lie between 0 and 1; got {mass!r}.")
        if not self.draws:
            return math.nan, math.nan
        tails = [(1 - mass) / 2, (1 + mass) / 2]
        bounds = np.array([np.quantile(draws, tails) for draws in self.draws])
        return float(bounds[:, 0].min()), float(bounds[:, 1].max())

    def summary(self) -> dict[str, Any]:
        """Return the numbers for machines."""
        low, high = self.interval()
        return {
            "patch": self.patch, "do": dict(self.do), "outcome": self.outcome,
            "factual": self.factual, "mean": self.mean, "sd": self.sd, "sd_graph": self.sd_graph,
            "sd_parameters": self.sd_parameters, "sd_noise": self.sd_noise, "q05": low, "q95": high,
            "unit": self.unit, "identified": self.identified, "reason": self.reason,
            "out_of_support": self.out_of_support,
        }  # fmt: skip


def counterfactual(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    *,
    patch: int,
    do: Mapping[str, float],
    outcome: str,
    categorical: Sequence[str] = (),
    level: float | None = None,
    form: str = "auto",
    rng: int | np.random.Generator | None = None,
) -> Counterfactual:
    """Return the outcome of one patch had some of its columns been set to other values.

    Abduction, action and prediction: the patch keeps its own unexplained part. Mechanisms are
    those of `fit_structural_model`; linear ones give what dowhy.gcm gives, to rounding. For many
    patches at once see `counterfactuals`.

    Parameters
    ----------
    table
        Patches, shape (n_patches, n_columns).
    graph
        From `discover_graph`, or a `networkx.DiGraph` that you know.
    patch
        Row of the table.
    do
        Column -> value in the column's unit.
    outcome
        Column whose value is asked for.
    categorical
        Columns whose numbers are codes of levels.
    level
        For an outcome of levels: the level whose chance is asked.
    form
        Form of the mechanisms, as in `fit_structural_model`.
    rng
        Seed of the resamples.

    Returns
    -------
    Counterfactual
        In the outcome's unit, for its noise-free value.

    Raises
    ------
    InputError
        For unknown columns, a patch that is not in the table, an empty `do`, a value that is
        not finite, or the outcome among the columns set.
    NotIdentified
        For fewer than 30 patches.

    Notes
    -----
    Pearl, Causality (2nd ed., Cambridge 2009), section 7.1; dowhy.gcm: Bloebaum et al.,
    JMLR 25(147) (2024).

    Examples
    --------
    >>> import networkx as nx, numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": 2 * a + rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> answer = counterfactual(
    ...     table, nx.DiGraph([("a", "b")]), patch=3, do={"a": a[3] + 1}, outcome="b", rng=0)
    >>> 1.8 < answer.mean - answer.factual < 2.2
    True
    """
    require_table(table)
    nodes = list(graph.columns) if isinstance(graph, CausalGraph) else list(graph.nodes)
    values = _checked_question(table, nodes, patch, do, outcome)
    model = make_model(table, graph, categorical=categorical, form=form, rng=rng)
    found = model.answer(do=values, outcome=outcome, patches=[int(patch)], level=level)
    means = found.graph_means[:, 0]
    draws = tuple(_draws(found, k, model.seed) for k in range(len(means)))
    sd_parameters, sd_noise = float(found.sd_parameters[0]), float(found.sd_noise[0])
    return Counterfactual(
        int(patch),
        values,
        outcome,
        mean=float(found.mean[0]),
        sd=math.hypot(sd_parameters, sd_noise),
        factual=float(found.factual[0]),
        draws=draws,
        identified=bool(found.identified[0]),
        reason=found.reason,
        out_of_support=bool(found.out_of_support[0]),
        unit=found.unit,
        range=(float(means.min()), float(means.max())) if draws else (math.nan, math.nan),
        seed=found.seed,
        warnings=found.warnings,
        sd_graph=float(found.sd_graph[0]),
        sd_parameters=sd_parameters,
        sd_noise=sd_noise,
        mechanisms=found.graphs,
    )


def _draws(found: Counterfactuals, graph: int, seed: int) -> Floats:
    """Return draws of the answer by one graph: its parameters, and the noise of the patch."""
    moved = np.asarray(found.parameter_draws[graph][:, 0], dtype=np.float64)
    if found.level is not None:
        return moved
    noise = np.random.default_rng([seed, graph]).standard_normal(len(moved))
    return moved + noise * float(found.sd_noise[0])


def _checked_question(
    table: PatchTable, nodes: list[str], patch: int, do: Mapping[str, float], outcome: str
) -> dict[str, float]:
    if isinstance(patch, bool) or not isinstance(patch, int | np.integer):
        raise InputError(f"patch must be a row number; got {patch!r}.")
    if not 0 <= patch < table.n_patches:
        raise InputError(f"patch must lie in 0 to {table.n_patches - 1}; got {patch}.")
    if not do:
        raise InputError("do must set at least one column, for example {'composition': 0.3}.")
    for name in (*do, outcome):
        if name not in table.columns or name not in nodes:
            raise InputError(f"{name!r} is not both a column of the table and a node of the graph.")
    if outcome in do:
        raise InputError(f"do sets the outcome {outcome!r} itself; ask for another column.")
    for name, value in do.items():
        number = isinstance(value, int | float | np.integer | np.floating)
        if isinstance(value, bool) or not number or not math.isfinite(value):
            raise InputError(f"do[{name!r}] must be a finite number; got {value!r}.")
    return {name: float(value) for name, value in do.items()}
