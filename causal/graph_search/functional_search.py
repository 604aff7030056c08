"""Directions from the shape of the distribution: DirectLiNGAM on spatially filtered columns."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from physlearn.causal.columns import Columns
from physlearn.causal.graph_search.knowledge import Constraints, cycle_notes, without_cycles
from physlearn.causal.graph_search.marks import CIRCLE, Found, orient
from physlearn.causal.graph_search.pc_search import open_tails, search_pc
from physlearn.causal.graph_search.skeleton import IndependenceTest
from physlearn.causal.quiet import quiet
from physlearn.causal.spatial_layout import Floats, SpatialLayout

N_HALVES = 40
"""Half-samples of spatial blocks in which a direction is looked for again."""
FIRM_DIRECTION = 0.95
NON_GAUSSIAN = 3.0
"""A column counts as non-Gaussian when its shape differs by so many standard errors."""
NOISE_LIMIT = 0.2
N_RINGS = 3


def search_lingam(
    test: IndependenceTest, constraints: Constraints, rng: np.random.Generator
) -> Found:
    """Return the links of the spatial test, directed by the shape of the distributions.

    If no hidden cause drives two linked columns and what is left of one of them is not Gaussian,
    only the true direction leaves residuals independent of the cause. The same spatial filter on
    all columns takes the correlation of neighbours out and keeps linear laws between them. A
    direction stands where nearly all half-samples of spatial blocks give it; Gaussian columns
    leave it open.

    Notes
    -----
    Shimizu, Inazumi, Sogawa et al., JMLR 12, 1225 (2011) (DirectLiNGAM; causal-learn's).
    """
    columns = test.columns
    found = search_pc(test, constraints)
    filtered = filtered_columns(columns.values, columns.layout)
    blocks = columns.layout.blocks(6)
    shares = _order_shares(filtered, blocks, constraints, rng)
    order = _causal_order(filtered, constraints)
    place = np.argsort(order)
    shaped = _non_gaussian(filtered, order, blocks)
    n_open = 0
    for i, j in zip(*np.nonzero(np.triu(found.ends, 1)), strict=True):
        if constraints.forbidden[i, j] or constraints.forbidden[j, i]:
            continue
        cause, effect = (int(i), int(j)) if place[i] < place[j] else (int(j), int(i))
        if shares[cause, effect] >= FIRM_DIRECTION and (shaped[cause] or shaped[effect]):
            orient(found.ends, cause, effect)
        else:
            found.ends[i, j] = found.ends[j, i] = CIRCLE
            n_open += 1
    found.ends, opened = without_cycles(found.ends, constraints, hidden_causes=False)
    found.ends = open_tails(found.ends, constraints)
    found.notes += _notes(columns, n_open, int(shaped.sum()))
    found.notes += cycle_notes(opened, constraints.names)
    return found


def filtered_columns(values: Floats, layout: SpatialLayout) -> Floats:
    """Return columns less the part that their neighbours foretell, one filter for all columns.

    The neighbours enter as means of the 4 nearest, the 4 next and the 4 after those.
    """
    count = min(1 + 4 * N_RINGS, layout.n)
    beside = np.asarray(cKDTree(layout.centers).query(layout.centers, k=count)[1])[:, 1:]
    rings = [values[beside[:, k : k + 4]].mean(axis=1) for k in range(0, count - 1, 4)]
    matrix = np.stack([ring.ravel() for ring in rings], axis=1)
    shares = np.linalg.lstsq(matrix, values.ravel(), rcond=None)[0]
    filtered = values - (matrix @ shares).reshape(values.shape)
    return np.asarray((filtered - filtered.mean(axis=0)) / filtered.std(axis=0))


def _causal_order(values: Floats, constraints: Constraints) -> list[int]:
    """Return causal-learn's DirectLiNGAM order, tiers and knowledge kept."""
    with quiet("causallearn"):
        from causallearn.search.FCMBased.lingam import DirectLiNGAM

        knowledge = np.full((values.shape[1],) * 2, -1)
        # causal-learn: [effect, cause] = 0 for no path, 1 for a path
        knowledge[constraints.never_ancestor.T] = 0
        knowledge[constraints.required.T] = 1
        np.fill_diagonal(knowledge, -1)
        known = knowledge if (knowledge >= 0).any() else None
        model = DirectLiNGAM(prior_knowledge=known)
        # the links come from the spatial test: only the order is wanted, not its regression
        model._estimate_adjacency_matrix = lambda *_, **__: model
        model.fit(values)
    return [int(k) for k in model.causal_order_]


def _order_shares(
    values: Floats, blocks: np.ndarray, constraints: Constraints, rng: np.random.Generator
) -> Floats:
    """Return [i, j]: in which share of half-samples column i comes before column j."""
    p = values.shape[1]
    labels = np.arange(int(blocks.max()) + 1)
    before = np.zeros((p, p))
    order = labels
    for k in range(N_HALVES):
        order = rng.permutation(labels) if k % 2 == 0 else np.roll(order, len(order) // 2)
        chosen = np.isin(blocks, order[: len(order) // 2])
        place = np.argsort(_causal_order(values[chosen], constraints))
        before += place[:, None] < place[None, :]
    return before / N_HALVES


def _non_gaussian(values: Floats, order: list[int], blocks: np.ndarray) -> np.ndarray:
    """Return which columns, less what earlier ones foretell, differ from a Gaussian in shape."""
    residuals = np.empty_like(values)
    for k, column in enumerate(order):
        earlier = values[:, order[:k]]
        fit = np.linalg.lstsq(earlier, values[:, column], rcond=None)[0]
        residuals[:, column] = values[:, column] - earlier @ fit
    residuals /= residuals.std(axis=0)
    # the two contrasts of Hyvarinen and Smith, JMLR 14, 111 (2013), zero for a Gaussian
    shape = np.stack(
        [
            np.log(np.cosh(residuals)) - 0.374567 - 0.5 * 0.6057 * (residuals**2 - 1.0),
            residuals * np.exp(-0.5 * residuals**2) - 0.35355 * residuals,
        ]
    )
    sums = np.stack([shape[:, blocks == b].mean(axis=1) for b in np.unique(blocks)])
    error = sums.std(axis=0, ddof=1) / np.sqrt(len(sums))
    return np.asarray((np.abs(sums.mean(axis=0)) > NON_GAUSSIAN * error).any(axis=0))


def _notes(columns: Columns, n_open: int, n_shaped: int) -> list[str]:
    notes = [
        "directions from the shape of distributions hold only without hidden common causes, for "
        "linear laws, and for channels without blur or shift between them."
    ]
    if n_open:
        notes.append(
            f"{n_open} direction(s) stay open: {n_shaped} of {len(columns.names)} columns are not "
            "Gaussian, or half-samples disagree."
        )
    share = np.diag(columns.noise)
    noisy = [columns.names[int(k)] for k in np.flatnonzero(share > NOISE_LIMIT)]
    if noisy:
        notes.append(
            f"{', '.join(noisy)}: noise is more than {NOISE_LIMIT:.0%} of the variance, which can "
            "turn such directions round."
        )
    return notes
