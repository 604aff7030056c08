"""What a cluster expansion cannot see: volume and strain, bonds that move together, odd values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.inference.energies.expansion_features import StructureTable

__all__ = [
    "StrainTest",
    "alias_groups",
    "nested_test",
    "repeat_error",
    "strain_sentences",
    "strain_tests",
    "term_sentences",
    "try_other_terms",
]

Float = NDArray[np.float64]
SMALLEST_P = 1e-3
LARGEST_SHARE = 0.5
SMALLEST_SCATTER = {"volume": 0.003, "shear": 0.01, "displacement": 0.02}
"""Scatter beyond composition below which a cell counts as at rest: a volume off by .3 % costs less
than .1 meV an atom at any metal's stiffness."""
WORDS = {
    "volume": "volume", "shear": "shear strain", "displacement": "displacement from the sites",
}  # fmt: skip
RANK_TOLERANCE = 1e-7
MOST_WORSE, FAR_APART = 1.25, 4.0


@dataclass(frozen=True, slots=True)
class StrainTest:
    """Whether volume, shear or displacement explains what composition and bonds leave over.

    Attributes
    ----------
    name
        ``volume``, ``shear`` or ``displacement``.
    f_statistic, p_value
        F test of its terms beside composition (two powers more than the model) and bonds.
    share
        Share of the remaining variance that they explain.
    scatter
        Standard deviation of what composition and bonds do not say of it: of the log volume, the
        strain, or the displacement in nearest-neighbour distances.
    flagged
        p below .001, half the variance or more, and scatter beyond that of cells at rest. In
        relaxed cells volume and energy both answer to clusters that the model lacks: there the
        share can be large, but the scatter is small and no energy of strain can come from it.
    energies
        The model's coefficients of bonds and triplets with the terms in it.
    """

    name: str
    f_statistic: float
    p_value: float
    share: float
    scatter: float
    flagged: bool
    energies: Float


def nested_test(values: Float, base: Float, more: Float) -> tuple[float, float, float]:
    """Return F, p and the share of variance that ``more`` explains of what ``base`` leaves.

    Columns that add nothing to the rank count for nothing.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x, y = rng.normal(size=(40, 1)), rng.normal(size=40)
    >>> f, p, share = nested_test(y + 3 * x[:, 0], np.ones((40, 1)), x)
    >>> bool(p < 1e-8 and share > 0.7)
    True
    """
    n = len(values)
    basis = _span(base)
    left = values - basis @ (basis.T @ values)
    added = more / np.maximum(np.linalg.norm(more, axis=0), 1e-300)
    added = _span(added - basis @ (basis.T @ added), RANK_TOLERANCE)
    free = n - basis.shape[1] - added.shape[1]
    before = float(left @ left)
    if not added.shape[1] or free < 1 or before <= 0:
        return 0.0, 1.0, 0.0
    gain = float(((added.T @ left) ** 2).sum())
    f = gain / added.shape[1] / max((before - gain) / free, 1e-300)
    return f, float(stats.f.sf(f, added.shape[1], free)), gain / before


def _span(columns: Float, tolerance: float | None = None) -> Float:
    """Return an orthonormal basis; columns of unit length or left-overs of such are expected."""
    if not columns.shape[1]:
        return columns
    if tolerance is None:
        columns = columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
        tolerance = RANK_TOLERANCE
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, sizes > tolerance])


def strain_tests(
    values: Float, table: StructureTable, composition: Float, features: Float
) -> list[StrainTest]:
    """Return the tests for volume, shear and displacement, where the structures have them."""
    if table.log_volume is None or table.shear is None or table.displacement is None:
        return []
    m = table.mean_state
    order = composition.shape[1]
    more = np.column_stack([m ** (order + power) for power in range(2)])
    base = np.column_stack([composition, more, features])
    volume = table.log_volume - table.log_volume.mean()
    out = []
    for name, column in (
        ("volume", volume), ("shear", table.shear), ("displacement", table.displacement),
    ):  # fmt: skip
        terms = [column, column**2, column * m] if name == "volume" else [column, column**2]
        span = _span(base)
        scatter = float(np.std(column - span @ (span.T @ column)))
        if scatter < 1e-9:
            continue
        together = np.column_stack(terms)
        f, p, share = nested_test(values, base, together)
        flagged = (
            p < SMALLEST_P and share > LARGEST_SHARE and scatter > SMALLEST_SCATTER[name]
        )  # fmt: skip
        with_terms = np.column_stack([composition, together, features])
        fitted = np.linalg.lstsq(with_terms, values, rcond=None)[0]
        out.append(
            StrainTest(name, f, p, share, scatter, flagged, fitted[-features.shape[1] :])
        )  # fmt: skip
    return out


def strain_sentences(tests: list[StrainTest], energies: Float, unit: str) -> list[str]:
    """Return a warning for every test that is flagged."""
    return [
        f"{WORDS[test.name]} explains {test.share:.0%} of what composition and bonds leave over "
        f"(F = {test.f_statistic:.0f}, p = {test.p_value:.0e}; it scatters by "
        f"{test.scatter:.2%} beyond composition): these energies hold strain, which no bond "
        f"energy describes (nearest neighbours: {energies[0]:+.3g} {unit} here, "
        f"{test.energies[0]:+.3g} with {WORDS[test.name]} in the model). Fit relaxed cells"
        for test in tests
        if test.flagged
    ]


def alias_groups(composition: Float, features: Float, labels: list[str]) -> list[list[str]]:
    """Return groups of energies that these structures cannot tell apart.

    A group holds the columns of one direction that neither changes a predicted energy nor is zero
    on the bonds: (shells 1 and 4 of a 16-atom bcc box are the same bonds).

    Examples
    --------
    >>> x = np.array([[1.0, 3.0, 0.2], [0.0, 0.0, 0.7], [2.0, 6.0, -0.4], [1.5, 4.5, 0.1]])
    >>> alias_groups(np.ones((4, 1)), x, ["a", "b", "c"])
    [['a', 'b']]
    """
    flat = _span(composition)
    left = features - flat @ (flat.T @ features)
    scale = np.linalg.norm(features, axis=0)
    left = left / np.where(scale > 0, scale, 1.0)
    _, sizes, right = np.linalg.svd(left)
    null = right[np.concatenate([sizes, np.zeros(len(right) - len(sizes))]) < RANK_TOLERANCE]
    if not len(null):
        return []
    # columns with a share in the null space, joined where they move together
    together = np.abs(null.T @ null) > 1e-6
    groups, seen = [], set()
    for start in range(len(labels)):
        if start in seen or not together[start, start]:
            continue
        group, queue = set(), [start]
        while queue:
            here = queue.pop()
            if here not in group:
                group.add(here)
                queue += [int(other) for other in np.flatnonzero(together[here])]
        seen |= group
        groups.append([labels[index] for index in sorted(group)])
    return groups


def repeat_error(values: Float, composition: Float, features: Float) -> tuple[float, int]:
    """Return the rms of structures that look alike to the model about their mean, and their count.

    No choice of bond energies on these shells can do better on them.
    """
    rows = np.round(np.column_stack([composition, features]), 9)
    label = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    counts = np.bincount(label)
    mean = np.bincount(label, weights=values) / counts
    several = counts[label] > 1
    if not several.any():
        return float("nan"), 0
    free = several.sum() - (counts > 1).sum()
    return float(np.sqrt(((values - mean[label])[several] ** 2).sum() / free)), int(several.sum())


def try_other_terms(
    values: Float, table: StructureTable, composition: Float
) -> list[dict[str, Any]]:
    """Return least-squares bond energies of models with one shell or power more or less.

    One row a model: name, n_shells, composition_order, rms, bond_energies, bond_energy_sds.
    """
    n_shells, order = table.pairs.shape[1], composition.shape[1] - 1
    rows = []
    wide = [table.pairs] if table.next_shell is None else [
        table.pairs, table.next_shell[:, None]
    ]  # fmt: skip
    pairs = np.column_stack(wide)
    for name, shells, power in (
        ("as fitted", n_shells, order), ("a shell less", n_shells - 1, order),
        ("a shell more", n_shells + 1, order), ("a power less", n_shells, order - 1),
        ("a power more", n_shells, order + 1),
    ):  # fmt: skip
        if not 1 <= shells <= pairs.shape[1] or power < 0:
            continue
        m = table.mean_state
        columns = np.column_stack(
            [*(m**p for p in range(power + 1)), table.triplets, pairs[:, :shells]]
        )
        free = len(values) - columns.shape[1]
        if free < 1 or np.linalg.matrix_rank(columns) < columns.shape[1]:
            continue
        fitted, *_ = np.linalg.lstsq(columns, values, rcond=None)
        left = values - columns @ fitted
        spread = np.linalg.inv(columns.T @ columns) * (left @ left) / free
        rows.append(
            {
                "name": name, "n_shells": shells, "composition_order": power,
                "rms": float(np.sqrt(np.mean(left**2))),
                "bond_energies": fitted[-shells:].tolist(),
                "bond_energy_sds": np.sqrt(np.diag(spread))[-shells:].tolist(),
            }
        )  # fmt: skip
    return rows


def term_sentences(rows: list[dict[str, Any]], unit: str) -> list[str]:
    """Say where the nearest neighbours' energy depends on the terms beside it.

    Models count that fit at most a quarter worse, and differ by more than 4 of their own sd.
    """
    if not rows or rows[0]["name"] != "as fitted":
        return []
    own = rows[0]
    near = [row for row in rows[1:] if row["rms"] <= MOST_WORSE * own["rms"]]
    moved = [
        row for row in near
        if abs(row["bond_energies"][0] - own["bond_energies"][0])
        > FAR_APART * max(row["bond_energy_sds"][0], own["bond_energy_sds"][0])
    ]  # fmt: skip
    if not moved:
        return []
    listed = ", ".join(
        f"{row['bond_energies'][0]:+.3g} with {row['name']} (rms {row['rms']:.3g})" for row in moved
    )
    return [
        "bond_energies[1] depends on the terms beside it: "
        f"{own['bond_energies'][0]:+.3g} {unit} here (rms {own['rms']:.3g}), {listed}; its sd "
        "holds within this choice only, and what the terms predict together (predict_ordering) is "
        "safer than any one of them"
    ]
