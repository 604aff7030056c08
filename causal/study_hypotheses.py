"""Hypotheses and acts made from a patch table and its causal graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from physlearn.causal.actions import Action, ActionLibrary, strict_number
from physlearn.causal.columns import Columns, prepare_columns
from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.causal.hypotheses import Hypothesis, Predict, Prediction, image_area
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import SpatialScore
from physlearn.causal.support import in_support
from physlearn.checks import InputError, NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable

MIN_WEIGHT = 0.02
SMALLEST_CHANGE = 0.4
"""Quantile of the changes down to which `exposures` goes."""
SAME_CHANGE = 1e-9
"""Changes closer than this share of the largest are alike."""


def exposures(
    table: PatchTable,
    column: str,
    *,
    dose_per_unit: float,
    to: float | None = None,
    n_sites: int = 5,
    cost: float = 1.0,
    dose_rate: float = 1.0,
) -> ActionLibrary:
    """Return acts that expose single patches until a column has another value.

    Parameters
    ----------
    table
        Patches.
    column
        What the exposure changes, usually a composition.
    dose_per_unit
        Dose that changes the column by one of its units.
    to
        Value after exposure; the 5th percentile of the column when None.
    n_sites
        Number of patches, not neighbours of each other: from the largest change, which tells
        most but may be like nothing seen, down to middling ones. Where several change alike,
        those nearest to a Halton sequence over the table are taken, so that they lie apart.
    cost
        Of one exposure, in the unit of the budget.
    dose_rate
        Dose per second.

    Returns
    -------
    ActionLibrary
        `expose_site` acts with args x, y, patch, column, to; irreversible.

    Raises
    ------
    InputError
        For an unknown column or numbers that are not above 0.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> frame = pd.DataFrame({"composition": np.linspace(0, 1, 40)})
    >>> centers = np.stack([np.arange(40) % 8, np.arange(40) // 8], 1)
    >>> table = PatchTable.from_frame(frame, centers, 1.0)
    >>> acts = exposures(table, "composition", dose_per_unit=50)
    >>> len(acts), acts.verbs
    (5, ('expose_site',))
    """
    if column not in table.columns:
        raise InputError(f"{column!r} is no column of the table; it has {table.columns}.")
    strict_number("dose_per_unit", dose_per_unit, above=0)
    strict_number("dose_rate", dose_rate, above=0)
    if isinstance(n_sites, bool) or not isinstance(n_sites, int | np.integer) or n_sites < 1:
        raise InputError(f"n_sites must be a whole number of at least 1; got {n_sites!r}.")
    values = table.frame[column].to_numpy(dtype=np.float64)
    target = float(np.percentile(values, 5)) if to is None else strict_number("to", to)
    change = np.abs(values - target)
    acts = []
    for patch in _spread_patches(table, change, int(n_sites)):
        dose = dose_per_unit * abs(float(values[patch]) - target)
        x, y = (float(v) for v in table.centers[patch])
        args: dict[str, float | int | str] = {
            "x": x, "y": y, "patch": patch, "column": column, "to": target,
        }  # fmt: skip
        acts.append(Action("expose_site", args, dose, dose / dose_rate, cost, irreversible=True))
    return ActionLibrary(tuple(acts))


def _spread_patches(table: PatchTable, change: Floats, n_sites: int) -> list[int]:
    """Return patches from the largest change down, apart from each other and all over the table.

    A picture has many patches of one composition: the first of them would all lie in its top rows.
    """
    from scipy.stats import qmc

    low, high = table.centers.min(axis=0), table.centers.max(axis=0)
    spots = low + qmc.Halton(2, scramble=False).fast_forward(1).random(n_sites) * (high - low)
    chosen: list[int] = []
    free = change > 0
    levels = np.quantile(change, np.linspace(1.0, SMALLEST_CHANGE, n_sites))
    for level, spot in zip(levels, spots, strict=True):
        if not free.any():
            break
        off = np.where(free, np.abs(change - level), np.inf)
        tied = np.flatnonzero(off <= off.min() + SAME_CHANGE * change.max())
        away = np.linalg.norm(table.centers[tied] - spot, axis=1)
        patch = int(tied[np.argmin(away)])
        chosen.append(patch)
        free &= np.linalg.norm(table.centers - table.centers[patch], axis=1) >= (
            2.0 * table.patch_size
        )
    return chosen


def hypotheses_from_graph(
    table: PatchTable, graph: CausalGraph, outcome: str
) -> tuple[Hypothesis, ...]:
    """Return what could stand behind the links into a column: all causes, one alone, or none.

    Each hypothesis predicts how the outcome of a patch changes when an `expose_site` act sets a
    column of that patch: the slopes are fitted to the table under the hypothesis, the noise is
    that of two readings. A hidden common cause fits whatever the found causes fit, so it has the
    weight of the best of them, and predicts no change.

    Parameters
    ----------
    table
        Patches.
    graph
        From `discover_graph`.
    outcome
        The response asked about.

    Raises
    ------
    NotIdentified
        When no link into the outcome was found.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": 2 * a + rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0)
    >>> graph = CausalGraph.from_edges([("a", "b")])
    >>> [h.name for h in hypotheses_from_graph(table, graph, "b")]
    ['a drives b', 'hidden common cause']
    """
    if outcome not in graph.columns:
        raise InputError(f"{outcome!r} is no node of the graph; it has {graph.columns}.")
    causes = [e.source for e in graph.edges if e.target == outcome and e.mark_target == "arrow"]
    if not causes:
        raise NotIdentified(f"no link into {outcome} was found: there is no cause to test.")
    columns = prepare_columns(table, names=list(graph.columns), drop=True)
    spatial = SpatialScore(columns.values, columns.layout, columns.noise, n_trend=columns.n_trend)
    sets = [tuple(causes)] + [(c,) for c in causes if len(causes) > 1]
    # evidences compare only when all count the outcome's data alike: as few as any cause leaves
    y = columns.index(outcome)
    n_effective = min(spatial.error(y, columns.index(cause), ())[1] for cause in causes)
    evidence = [_log_evidence(spatial, columns, outcome, chosen, n_effective) for chosen in sets]
    unit = table.units.get(outcome, "1")
    question = f"what drives {outcome}"
    readout = f"change of {outcome}"
    weights = np.exp(np.array([*evidence, max(evidence)]) - max(evidence))
    weights = np.maximum(weights / weights.sum(), MIN_WEIGHT)
    noise = _readout_noise(spatial, columns, outcome, tuple(causes))
    supports = _Support(table, columns, causes)
    result = []
    for chosen, weight in zip(sets, weights[:-1], strict=True):
        slopes = _total_slopes(spatial, columns, graph, outcome, chosen)
        only = "only " if len(chosen) < len(causes) else ""
        name = f"{only}{_joined(chosen)} drive{'s' if len(chosen) == 1 else ''} {outcome}"
        text = f"{outcome} follows {_joined(chosen)}; other links into it are not causes"
        result.append(
            Hypothesis(
                name,
                float(weight),
                _set_column(table, slopes, noise),
                question,
                text,
                readout,
                unit,
                supports,
            )
        )
    text = f"something unmeasured moves {_joined(causes)} and {outcome} together"
    result.append(
        Hypothesis(
            "hidden common cause",
            float(weights[-1]),
            _set_column(table, {}, noise),
            question,
            text,
            readout,
            unit,
            supports,
        )
    )
    return tuple(result)


def hypotheses_from_undecided(
    table: PatchTable, graph: CausalGraph, *, max_links: int = 3
) -> tuple[Hypothesis, ...]:
    """Return, for each undecided link, "linked" against "not linked": settled by more data.

    What the measurement noise leaves open is settled by scanning again, what the number of
    patches leaves open by an image of a new field. The readout is the partial correlation.

    Parameters
    ----------
    table
        Patches.
    graph
        From `discover_graph`.
    max_links
        At most so many questions, the most frequent links first.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> frame = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30.0) % 7})
    >>> table = PatchTable.from_frame(frame, np.stack([np.arange(30), np.arange(30) % 5], 1), 1.0)
    >>> hypotheses_from_undecided(table, CausalGraph.from_edges([("a", "b")]))
    ()
    """
    open_edges = [e for e in graph.edges if e.presence == "undecided"]
    open_edges = [e for e in open_edges if math.isfinite(e.partial_correlation)]
    open_edges.sort(key=lambda e: -(e.frequency if math.isfinite(e.frequency) else 0.0))
    size = np.ptp(table.centers, axis=0) + table.patch_size
    result: list[Hypothesis] = []
    for edge in open_edges[:max_links]:
        question = f"are {edge.source} and {edge.target} directly linked"
        for name, mean in (("linked", edge.partial_correlation), ("not linked", 0.0)):
            result.append(
                Hypothesis(
                    name,
                    1.0,
                    _more_data(edge, mean, graph.detectable, float(size.prod())),
                    question,
                    edge.reason,
                    "partial correlation",
                    "1",
                )
            )
    return tuple(result)


class _Support:
    """Whether a patch with one column changed still looks like patches that were seen."""

    def __init__(self, table: PatchTable, columns: Columns, causes: Sequence[str]) -> None:
        self.table, self.columns, self.causes = table, columns, tuple(causes)

    def __call__(self, action: Action) -> bool:
        name = action.args.get("column")
        if action.verb != "expose_site" or name not in self.columns.names:
            return True
        patch, to = int(action.number("patch")), action.number("to")
        # other columns may follow the one that is changed, so only the causes must be like before
        used = _indices(self.columns, list(dict.fromkeys([*self.causes, str(name)])))
        return in_support(self.table, self.columns, patch, {str(name): to}, used)


def _set_column(table: PatchTable, slopes: dict[str, tuple[float, float]], noise: float) -> Predict:
    """Return the prediction of an `expose_site` act that sets a column of a patch."""

    def predict(action: Action, _rng: np.random.Generator, _n: int) -> Prediction:
        column = action.args.get("column")
        if action.verb != "expose_site" or column not in table.columns:
            return None
        patch = int(action.number("patch"))
        if not 0 <= patch < table.n_patches:
            raise InputError(f"patch must lie in 0 to {table.n_patches - 1}; got {patch}.")
        change = action.number("to") - float(table.frame[str(column)].iloc[patch])
        mean, sd = slopes.get(str(column), (0.0, 0.0))
        return mean * change + 0.0, math.hypot(sd * change, noise)  # + 0.0: no minus zero

    return predict


def _more_data(edge: GraphEdge, mean: float, detectable: float, area: float) -> Predict:
    """Return the prediction of a partial correlation measured again, or on a new area."""
    by_noise = "noise" in edge.reason
    error = (detectable if math.isfinite(detectable) else 0.3) / 2.8

    def predict(action: Action, _rng: np.random.Generator, _n: int) -> Prediction:
        if action.verb == "scan_again" and by_noise:
            return mean, error * math.sqrt(1.0 / (1.0 + action.number("n_repeats")))
        if action.verb == "image" and not by_noise:
            return mean, error * math.sqrt(area / max(image_area(action), 1e-300))
        return None

    return predict


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _indices(columns: Columns, names: Sequence[str]) -> tuple[int, ...]:
    return tuple(sorted(columns.index(name) for name in names))


def _log_evidence(
    spatial: SpatialScore,
    columns: Columns,
    outcome: str,
    causes: tuple[str, ...],
    n_effective: float,
) -> float:
    """Return a BIC-type log evidence with the effective instead of the counted patches."""
    y, given = columns.index(outcome), _indices(columns, causes)
    w = spatial.weights(y, given)
    spread = float(w @ spatial.gram @ w)
    return -0.5 * n_effective * math.log(spread) - 0.5 * len(given) * math.log(n_effective)


def _readout_noise(
    spatial: SpatialScore, columns: Columns, outcome: str, causes: tuple[str, ...]
) -> float:
    """Return the noise of a difference of two readings of the outcome, in its unit.

    Without a known measurement error the whole unexplained spread stands in for it.
    """
    y = columns.index(outcome)
    variance = float(spatial.noise[y, y])
    if variance <= 0:
        w = spatial.weights(y, _indices(columns, causes))
        variance = float(w @ spatial.gram @ w)
    return math.sqrt(2.0 * variance) * float(columns.scale[y])


def _total_slopes(
    spatial: SpatialScore,
    columns: Columns,
    graph: CausalGraph,
    outcome: str,
    causes: tuple[str, ...],
) -> dict[str, tuple[float, float]]:
    """Return column -> (slope, sd) of its total effect on the outcome, in their units."""
    directed = nx.DiGraph()
    directed.add_nodes_from(columns.names)
    directed.add_edges_from(
        (e.source, e.target) for e in graph.edges if e.is_cause_claim and e.target != outcome
    )
    y, given = columns.index(outcome), _indices(columns, causes)
    w_error = spatial.weights(y, given)
    direct = {columns.names[k]: -float(w_error[k]) for k in given}
    errors = {}
    for k in given:
        w = spatial.weights(k, tuple(g for g in given if g != k))
        true = float(w @ (spatial.gram - spatial.noise) @ w)
        errors[columns.names[k]] = math.sqrt(spatial.variance_of_product(w, w_error)) / true
    result = {}
    for name in columns.names:
        if name == outcome:
            continue
        influence = _influence(spatial, columns, directed, name)
        mean = math.fsum(direct[c] * influence.get(c, 0.0) for c in causes)
        sd = math.sqrt(math.fsum((errors[c] * influence.get(c, 0.0)) ** 2 for c in causes))
        if any(c in influence for c in causes):
            scale = float(columns.scale[y] / columns.scale[columns.index(name)])
            result[name] = (mean * scale, sd * scale)
    return result


def _influence(
    spatial: SpatialScore, columns: Columns, directed: nx.DiGraph, start: str
) -> dict[str, float]:
    """Return how much each column moves, in standard units, when `start` is moved by one."""
    moved = {start: 1.0}
    for node in nx.lexicographical_topological_sort(directed):
        parents = _indices(columns, list(directed.predecessors(node)))
        if node == start or not any(columns.names[p] in moved for p in parents):
            continue
        w = spatial.weights(columns.index(node), parents)
        moved[node] = math.fsum(-float(w[p]) * moved.get(columns.names[p], 0.0) for p in parents)
    return moved
