"""Which descriptor now follows from which descriptor some frames ago."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.columns import Columns, require_table, table_tiers
from physlearn.causal.graph_search.edge_frequency import MIN_FREQUENCY, edge_frequency
from physlearn.causal.graph_search.edges import detectable_by_tests, graph_edges
from physlearn.causal.graph_search.knowledge import (
    Constraints,
    Knowledge,
    constraints_of,
    keep_strictly,
)
from physlearn.causal.graph_search.lagged_layout import SpaceTimeLayout
from physlearn.causal.graph_search.lagged_motion import pattern_motion
from physlearn.causal.graph_search.lagged_tables import (
    LaggedTables,
    lagged_tables,
    node_name,
    pooled_columns,
)
from physlearn.causal.graph_search.marks import CIRCLE, NONE, Ends, Found, Mask, circles, pair
from physlearn.causal.graph_search.skeleton import (
    IndependenceTest,
    find_skeleton,
    shown_independent,
)
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.spatial_test import IndependenceResult, SpatialIndependenceTest
from physlearn.causal.table_notes import without_derived
from physlearn.checks import InputError, as_generator, check_count

if TYPE_CHECKING:
    from physlearn.executors import ExecutorLike
    from physlearn.records import PatchTable

METHOD = "time-lagged PC, momentary conditional independence"


class MomentaryTest:
    """A test object that always holds the own past of both columns fixed.

    Parameters
    ----------
    inner
        The test that is asked.
    past
        The nodes of the same descriptor in earlier frames, one tuple a node.

    Notes
    -----
    Runge et al., Sci. Adv. 5, eaau4996 (2019), doi:10.1126/sciadv.aau4996.
    """

    def __init__(self, inner: IndependenceTest, past: Sequence[tuple[int, ...]]) -> None:
        self.inner = inner
        self.past = past
        self.columns: Columns = inner.columns
        self.alpha = inner.alpha
        self.results: dict[tuple[int, int, tuple[int, ...]], IndependenceResult] = {}

    @property
    def n_blocks(self) -> int:
        """Number of spatial blocks."""
        return self.inner.n_blocks

    def on_blocks(self, chosen: Mask) -> MomentaryTest:
        """Return the same test on some of the spatial blocks, in all frames."""
        return MomentaryTest(self.inner.on_blocks(chosen), self.past)

    def __call__(self, x: int, y: int, given: Sequence[int] = ()) -> IndependenceResult:
        """Test nodes number x and y given others and their own past."""
        first, second = pair(x, y)
        key = (first, second, tuple(sorted(int(k) for k in given)))
        if key not in self.results:
            fixed = {*key[2], *self.past[x], *self.past[y]} - {x, y}
            self.results[key] = self.inner(x, y, tuple(sorted(fixed)))
        return self.results[key]


def discover_lagged_graph(
    tables: Sequence[PatchTable],
    *,
    max_lag: int = 1,
    transport: ArrayLike | None = None,
    tiers: Mapping[str, int] | None = None,
    knowledge: Knowledge | None = None,
    alpha: float = 0.05,
    n_resamples: int = 0,
    executor: ExecutorLike | None = None,
    rng: int | np.random.Generator | None = None,
) -> CausalGraph:
    """Find which descriptors of a video follow from which descriptors some frames before.

    Frames at t - k stand beside the frame at t, for all t together, and neither neighbouring
    patches nor successive frames count as independent. The own past of both columns is always
    held fixed. Nothing points back in time. Links within a frame are faster than the frames: their
    direction stays open, but for an arrowhead at the later tier.

    Parameters
    ----------
    tables
        Frames in the order of time, equally spaced: same columns, same patches; at least
        max_lag + 1. Known measurement errors, independent between frames, are taken out.
    max_lag
        Number of frames back.
    transport
        Displacement (dx, dy) of the matter between a frame and the next, in the tables' unit,
        shape (n_frames - 1, 2), or (n_frames - 1, n_patches, 2) at the patches of the later frame:
        each patch is compared with the place where its matter was, by interpolation, and left out
        when that was out of view. Zeros say that the matter rests; None, that nobody knows: then
        every link is undecided if the patterns are seen to move.
    tiers
        Column -> 0, 1, 2...: a later tier never causes an earlier, at any lag; give feedback one
        tier. Those given here win over the tables' own.
    knowledge
        Required and forbidden links between nodes ("strain[t-1]", "strain[t]"); a forbidden link
        of plain names is forbidden at every lag.
    alpha
        Level of one test.
    n_resamples
        Number of half-samples of spatial blocks for `frequency`.
    executor
        Where the half-samples are searched, as in `discover_graph`.
    rng
        Seed of the half-samples.

    Returns
    -------
    CausalGraph
        Nodes "name[t-k]" and "name[t]". An arrow assumes that no hidden column drives both ends.

    Raises
    ------
    InputError
        For tables that do not belong together, options out of range, knowledge against time.
    NotIdentified
        For fewer than 30 patches in view, or no two columns that vary.

    Notes
    -----
    Runge et al., Sci. Adv. 5, eaau4996 (2019), doi:10.1126/sciadv.aau4996; effective sample size
    over space and time after Clifford, Richardson and Hemon, doi:10.2307/2532039.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> row, column = np.mgrid[:12, :12].reshape(2, -1)
    >>> centers, tables, strain = np.stack([column, row], 1), [], np.zeros(144)
    >>> for _ in range(6):
    ...     wall = 0.7 * strain + rng.normal(size=144)
    ...     strain = rng.normal(size=144)
    ...     frame = pd.DataFrame({"strain": strain, "wall": wall})
    ...     errors = np.zeros((1, 2, 2))
    ...     tables.append(
    ...         PatchTable.from_frame(frame, centers, 1.0, measurement_covariance=errors))
    >>> discover_lagged_graph(tables).causes_of("wall[t]")
    ['strain[t-1]']
    """
    if not isinstance(alpha, int | float | np.floating) or not 0 < alpha < 0.5:
        raise InputError(f"alpha must lie between 0 and 0.5; got {alpha!r}.")
    check_count("n_resamples", n_resamples, 0)
    if not isinstance(tables, Sequence):
        raise InputError(
            "tables must be a list of PatchTables, the frames of a video in the order of time; "
            f"got one {type(tables).__name__}."
        )
    generator, seed = as_generator(rng)
    notes: list[str] = []
    if len(tables):
        require_table(tables[0])
    names = without_derived(tables[0], notes) if len(tables) else []
    lagged = lagged_tables(tables, max_lag=max_lag, transport=transport, names=names)
    known_tiers = table_tiers(tables[0], tiers)
    constraints = node_constraints(names, lagged.frozen, max_lag, known_tiers, knowledge)
    columns = pooled_columns(lagged)
    notes += columns.warnings
    linear = SpatialIndependenceTest(columns, alpha=alpha)
    test = MomentaryTest(linear, _own_past(names, constraints.names, max_lag))
    found = search_lagged(test, constraints)
    notes += _notes(lagged, tables, linear)
    if transport is None:
        _open_all_if_moving(found, columns, names, notes, tables[0].unit)

    blocks = test.n_blocks if n_resamples else 1
    on_part = partial(_search_part, test, constraints)
    p = len(constraints.names)
    frequency = edge_frequency(on_part, blocks, p, n_resamples, generator, executor)
    edges = graph_edges(found, frequency, test, constraints, threshold=MIN_FREQUENCY)
    return CausalGraph(
        constraints.names,
        tuple(edges),
        tiers={name: _level(name, names, max_lag) for name in constraints.names},
        method=METHOD,
        alpha=alpha,
        n_patches=tables[0].n_patches,
        n_resamples=frequency.n_resamples,
        detectable=detectable_by_tests(test, found.ends),
        seed=seed,
        warnings=tuple(notes),
    )


def _search_part(
    test: IndependenceTest, constraints: Constraints, chosen: Mask, _seed: int
) -> Ends:
    """Return the marks found on the chosen spatial blocks; nothing is drawn."""
    return search_lagged(test.on_blocks(chosen), constraints, part=True).ends


def search_lagged(test: IndependenceTest, constraints: Constraints, *, part: bool = False) -> Found:
    """Return lagged links with their arrows, and links within a frame with open ends.

    First the skeleton; then each link must hold out given all other causes found for its ends.
    """
    skeleton = find_skeleton(test, constraints, part=part)
    before = skeleton.adjacent.copy()
    lagged = before & constraints.never_ancestor.T & ~constraints.impossible
    now = _now(constraints)
    lagged &= ~now[:, None]
    for x, y in zip(*np.nonzero(np.triu(before)), strict=True):
        i, j = int(x), int(y)
        if constraints.required[i, j] or constraints.required[j, i]:
            continue
        causes = set(np.flatnonzero(lagged[:, j]).tolist())
        if now[i]:
            causes |= set(np.flatnonzero(lagged[:, i]).tolist())
        result = test(i, j, tuple(sorted(causes - {i, j})))
        if shown_independent(result, test.alpha, part=part):
            skeleton.adjacent[i, j] = skeleton.adjacent[j, i] = False
    ends, _ = keep_strictly(circles(skeleton.adjacent), constraints, hidden_causes=False)
    within = np.outer(now, now) & (ends != NONE)
    settled = constraints.required | constraints.required.T
    # ends[j, i] is the mark at i: an arrowhead at the later tier stays, the other end is open
    heads = constraints.forbidden.T & ~constraints.forbidden
    ends[within & ~settled & ~heads] = CIRCLE
    return Found(ends)


def node_constraints(
    names: Sequence[str],
    frozen: Sequence[str],
    max_lag: int,
    tiers: Mapping[str, int],
    knowledge: Knowledge | None,
) -> Constraints:
    """Return what time, tiers and knowledge say of the nodes, the furthest back first.

    Raises
    ------
    InputError
        For a required link back in time or within the past, and names that are no nodes.
    """
    owner: dict[str, tuple[str, int]] = {}
    for lag in range(max_lag, -1, -1):
        for name in names:
            if name not in frozen or lag == 1:
                owner[node_name(name, lag)] = (name, lag)
    nodes = list(owner)
    known = _knowledge_of_nodes(knowledge or Knowledge(), owner)
    for cause, effect in known.required:
        strange = [name for name in (cause, effect) if name not in owner]
        if strange:
            raise InputError(
                "knowledge.required must name descriptors with their frame "
                f"({', '.join(nodes)}); {strange[0]!r} is none."
            )
        if owner[effect][1] > 0:
            raise InputError(
                f"knowledge requires {cause} -> {effect}, but only links to nodes at [t] are "
                "looked for: nothing points back in time, and links among earlier frames are the "
                "same some frames later."
            )
    plain = constraints_of(nodes, {}, known)
    lags = np.array([owner[node][1] for node in nodes])
    tier = np.array([tiers.get(owner[node][0], -1) for node in nodes])
    same = np.array([[owner[a][0] == owner[b][0] for b in nodes] for a in nodes])
    later = lags[:, None] < lags[None, :]
    later |= (tier[:, None] > tier[None, :]) & (tier >= 0)[:, None] & (tier >= 0)[None, :] & ~same
    for i, j in np.argwhere(plain.required & later):
        raise InputError(
            f"knowledge requires {nodes[i]} -> {nodes[j]}, but the tiers put {owner[nodes[i]][0]} "
            f"after {owner[nodes[j]][0]}; change one of the two."
        )
    never = plain.never_ancestor | later
    past = (lags[:, None] > 0) & (lags[None, :] > 0)
    return Constraints(tuple(nodes), plain.required, plain.forbidden | never | past, never)


def _knowledge_of_nodes(knowledge: Knowledge, owner: Mapping[str, tuple[str, int]]) -> Knowledge:
    """Return the knowledge with forbidden links of plain names spelled out at every lag."""
    names = {name for name, _ in owner.values()}
    forbidden: list[tuple[str, str]] = []
    for cause, effect in knowledge.forbidden:
        if cause in names and effect in names:
            forbidden += [
                (a, b)
                for a, (name_a, lag_a) in owner.items()
                for b, (name_b, lag_b) in owner.items()
                if (name_a, name_b) == (cause, effect) and lag_b == 0 and lag_a >= lag_b
            ]
        else:
            forbidden.append((cause, effect))
    return Knowledge(knowledge.required, forbidden)


def _now(constraints: Constraints) -> np.ndarray:
    return np.array([name.endswith("[t]") for name in constraints.names])


def _level(node: str, names: Sequence[str], max_lag: int) -> int:
    """Return 0 for the furthest frame back, max_lag for the frame now."""
    lags = {node_name(name, lag): lag for name in names for lag in range(max_lag + 1)}
    return max_lag - lags[node]


def _own_past(names: Sequence[str], nodes: Sequence[str], max_lag: int) -> list[tuple[int, ...]]:
    """Return for each node the nodes of the same descriptor in earlier frames."""
    past: list[tuple[int, ...]] = []
    owner = {node_name(name, lag): (name, lag) for name in names for lag in range(max_lag + 1)}
    for node in nodes:
        name, lag = owner[node]
        before = [node_name(name, k) for k in range(lag + 1, max_lag + 1)]
        past.append(tuple(nodes.index(other) for other in before if other in nodes))
    return past


def _notes(
    lagged: LaggedTables, tables: Sequence[PatchTable], test: SpatialIndependenceTest
) -> list[str]:
    """Return what the reader must know of frames, patches and what stands for what."""
    rows = sum(len(kept) for kept in lagged.kept)
    now = [k for k, name in enumerate(test.columns.names) if name.endswith("[t]")]
    effective = [r.n_effective for r in test.results.values() if r.n_effective > 0]
    count = float(np.median(effective)) if effective and now else float("nan")
    counted = f" that count as about {count:.0f} independent ones" if np.isfinite(count) else ""
    notes = [
        f"{len(tables)} frames of {tables[0].n_patches} patches give {rows} rows{counted} "
        "(correlation in space and time); an arrow assumes "
        "linear influences and that no hidden column drives both of its ends."
    ]
    if lagged.frozen:
        notes.append(
            f"{', '.join(lagged.frozen)} are the same in every frame: they stand as [t-1] alone."
        )
    lost = len(lagged.kept) * tables[0].n_patches - rows
    if lost:
        notes.append(f"{lost} rows whose matter was out of view before were left out.")
    return notes


def _open_all_if_moving(
    found: Found, columns: Columns, names: Sequence[str], notes: list[str], unit: str
) -> None:
    """Leave every link open, in place, when the patterns are seen to move and nobody said so."""
    layout = columns.layout
    if not isinstance(layout, SpaceTimeLayout):
        return
    nodes = columns.names
    ends = [(node_name(name, 1), node_name(name, 0)) for name in names]
    pairs = [(nodes.index(a), nodes.index(b)) for a, b in ends if a in nodes and b in nodes]
    motion = pattern_motion(columns, layout, pairs)
    if motion is None:
        return
    reason = (
        f"the patterns move by about ({motion[0]:.2g}, {motion[1]:.2g}) {unit} from frame to "
        "frame, so that a patch is not compared with where its matter was; give transport "
        "(zeros if the matter rests and a wave runs through it)"
    )
    notes.append(reason + ".")
    for i, j in zip(*np.nonzero(np.triu(found.ends)), strict=True):
        found.open_reasons[int(i), int(j)] = reason
