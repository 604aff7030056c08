"""The field's associations as baselines: what they call a link need be no cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from physlearn.causal.columns import Columns, prepare_columns, require_table
from physlearn.causal.spatial_layout import SpatialLayout
from physlearn.causal.spatial_test import SpatialScore
from physlearn.checks import (
    InputError,
    NotIdentified,
    as_generator,
    check_array,
    check_choice,
    check_count,
)
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

    from physlearn.records import PatchTable

__all__ = ["CanonicalCorrelation", "UnmixedLinks", "canonical_correlation", "unmix_and_correlate"]

Floats = NDArray[np.float64]

METHODS = ("nmf", "pca")
NO_CAUSE = (
    "an association, no cause: a common cause of both gives the same number; give it as a "
    "conditioning column to spatial_independence, or discover_graph over all columns."
)


@dataclass(frozen=True, slots=True, eq=False)
class UnmixedLinks:
    """Abundance maps of a linear unmixing and their correlation with a response.

    Attributes
    ----------
    abundances
        Shape (n_components, n_rows, n_columns).
    endmembers
        Shape (n_components, n_channels).
    links
        pandas, one row a component: ``component``, ``correlation``, ``p_value_by_pixel`` (pixels
        counted as independent), ``p_value`` (neighbours counted by effective sample size),
        ``n_effective``.
    share_explained
        Share of the channels' variance that the components hold.
    warnings
        What the reader must know.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = unmix_and_correlate(rng.random((3, 16, 16)), rng.random((16, 16)), 2, rng=0)
    >>> found.abundances.shape
    (2, 16, 16)
    """

    abundances: Floats
    endmembers: Floats
    links: pd.DataFrame
    share_explained: float
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class CanonicalCorrelation:
    """The largest correlation between combinations of two groups of columns.

    Attributes
    ----------
    correlation
        First canonical correlation.
    first_weights, second_weights
        Column -> weight in units of its standard deviation.
    p_value_by_patch
        Patches permuted one by one: counts neighbours as independent, and lies where they are not.
    p_value
        Whole fields shifted over one another, which keeps their patterns.
    warnings
        What the reader must know.

    Examples
    --------
    >>> CanonicalCorrelation(0.5, {"a": 1.0}, {"b": 1.0}, 0.005, 0.2, ()).p_value
    0.2
    """

    correlation: float
    first_weights: dict[str, float]
    second_weights: dict[str, float]
    p_value_by_patch: float
    p_value: float
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def unmix_and_correlate(
    channels: ArrayLike,
    response: ArrayLike,
    n_components: int,
    *,
    method: str = "nmf",
    rng: int | np.random.Generator | None = None,
) -> UnmixedLinks:
    """Unmix channel images or spectra linearly and correlate each abundance with a response.

    The usual route of the field, as a baseline: it finds associations, and calls what a common
    cause links a link.

    Parameters
    ----------
    channels
        Shape (n_channels, n_rows, n_columns): images, or a cube of spectra with energy first.
    response
        Shape (n_rows, n_columns).
    n_components
        Number of endmembers.
    method
        "nmf" (nothing negative) or "pca".
    rng
        Seed of the start.

    Raises
    ------
    InputError
        For shapes that do not agree, a constant response, negative channels with "nmf", or more
        components than channels.

    Notes
    -----
    Non-negative matrix factorisation: Lee and Seung, Nature 401, 788 (1999), doi:10.1038/44565.
    Effective sample size: Dutilleul, Biometrics 49, 305 (1993), doi:10.2307/2532625.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> one, two = rng.random((2, 24, 24))
    >>> cube = np.stack([one, 0.5 * one + 0.5 * two, two])
    >>> links = unmix_and_correlate(cube, one + rng.normal(0, 0.1, (24, 24)), 2, rng=0).links
    >>> bool(links.correlation.abs().max() > 0.9)
    True
    """
    import pandas as pd

    check_choice("method", method, METHODS)
    cube = check_array("channels", channels, ndim=3)
    target = check_array("response", response, shape=cube.shape[1:])
    n_components = check_count("n_components", n_components, 1)
    if n_components > len(cube):
        raise InputError(
            f"n_components must be at most the number of channels, {len(cube)}; got {n_components}."
        )
    if np.ptp(target) == 0:
        raise InputError("response must vary from place to place; it is constant.")
    pixels = cube.reshape(len(cube), -1).T
    _, seed = as_generator(rng)
    abundance, endmembers, share = _unmixed(pixels, n_components, method, seed)
    rows, columns = np.mgrid[: cube.shape[1], : cube.shape[2]].reshape(2, -1).astype(np.float64)
    layout = SpatialLayout(np.stack([columns, rows], axis=1))
    links = [
        {"component": k, **_link(abundance[:, k], target.ravel(), layout)}
        for k in range(n_components)
    ]
    return UnmixedLinks(
        np.ascontiguousarray(abundance.T).reshape(n_components, *cube.shape[1:]),
        endmembers, pd.DataFrame(links), share, (NO_CAUSE,),
    )  # fmt: skip


def _unmixed(
    pixels: Floats, n_components: int, method: str, seed: int
) -> tuple[Floats, Floats, float]:
    """Return abundances (n_pixels, k), endmembers (k, n_channels) and the share explained."""
    from sklearn.decomposition import NMF, PCA

    if method == "pca":
        model = PCA(n_components, random_state=seed % 2**32)
        abundance = model.fit_transform(pixels)
        rest = pixels - model.inverse_transform(abundance)
    else:
        if pixels.min() < 0:
            raise InputError(
                f"channels must hold nothing negative for nmf; the least is {pixels.min():.3g}: "
                'use method="pca", or take off the background first.'
            )
        model = NMF(n_components, init="nndsvda", max_iter=1000, random_state=seed % 2**32)
        abundance = model.fit_transform(pixels)
        rest = pixels - abundance @ model.components_
    share = 1.0 - float((rest**2).sum() / ((pixels - pixels.mean(axis=0)) ** 2).sum())
    return (
        np.asarray(abundance, dtype=np.float64),
        np.asarray(model.components_, dtype=np.float64),
        share,
    )


def _link(abundance: Floats, response: Floats, layout: SpatialLayout) -> dict[str, float]:
    """Return the correlation of two maps with both p values."""
    if np.ptp(abundance) == 0:
        return {"correlation": 0.0, "p_value_by_pixel": 1.0, "p_value": 1.0, "n_effective": np.nan}
    pair = np.stack([abundance, response], axis=1)
    pair = (pair - pair.mean(axis=0)) / pair.std(axis=0)
    correlation, by_pixel = stats.pearsonr(pair[:, 0], pair[:, 1])
    score = SpatialScore(pair, layout, np.zeros((2, 2)), n_trend=1)
    error, n_effective = score.error(0, 1, ())
    freedom = max(n_effective - 2.0, 2.0)
    p_value = 2.0 * float(stats.t.sf(abs(float(correlation)) / max(error, 1e-300), freedom))
    return {
        "correlation": float(correlation), "p_value_by_pixel": float(by_pixel),
        "p_value": p_value, "n_effective": float(n_effective),
    }  # fmt: skip


def canonical_correlation(
    table: PatchTable,
    first_columns: Sequence[str],
    second_columns: Sequence[str],
    *,
    n_permutations: int = 199,
    rng: int | np.random.Generator | None = None,
) -> CanonicalCorrelation:
    """Find the combinations of two groups of columns that correlate most, with permutation p.

    Two p values stand side by side: patches permuted one by one, as is usual, which counts
    correlated neighbours as independent; and whole fields shifted over one another, which keeps
    the pattern of each. Neither tells a cause from a common cause.

    Parameters
    ----------
    table
        Patches.
    first_columns, second_columns
        Names of the two groups.
    n_permutations
        Permutations and shifts; the least p value is 1 / (1 + n_permutations).
    rng
        Seed of both.

    Raises
    ------
    InputError
        For unknown names, a column in both groups, or an empty group.
    NotIdentified
        For too few patches, or columns that determine one another.

    Notes
    -----
    Hotelling, Biometrika 28, 321 (1936), doi:10.1093/biomet/28.3-4.321; scikit-learn's CCA. Shifts
    of fields on a torus: Upton and Fingleton, Spatial Data Analysis by Example (Wiley, 1985). A
    plane in x and y is taken out of all columns first.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> frame = pd.DataFrame(rng.normal(size=(256, 4)), columns=list("abcd"))
    >>> frame["c"] += frame["a"]
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> found = canonical_correlation(table, ["a", "b"], ["c", "d"], rng=0)
    >>> found.p_value_by_patch <= 0.01, found.p_value <= 0.05
    (True, True)
    """
    from sklearn.cross_decomposition import CCA

    require_table(table)
    for name, given in (("first_columns", first_columns), ("second_columns", second_columns)):
        if isinstance(given, str):
            raise InputError(f"{name} must be a list of columns; got {given!r}.")
    first, second = list(first_columns), list(second_columns)
    if not first or not second:
        raise InputError("first_columns and second_columns must name at least one column each.")
    both = sorted(set(first) & set(second))
    if both:
        raise InputError(f"a column may stand in one group only; {both[0]!r} stands in both.")
    n_permutations = check_count("n_permutations", n_permutations, 19)
    columns = prepare_columns(table, names=[*first, *second])
    generator, _ = as_generator(rng)
    one, two = columns.values[:, : len(first)], columns.values[:, len(first) :]
    basis_one, basis_two = _orthonormal(one, first), _orthonormal(two, second)
    model = CCA(n_components=1, scale=False, max_iter=5000, tol=1e-10).fit(one, two)
    found = float(_largest(basis_one, basis_two))
    p_patch, p_shift = _p_values(basis_one, basis_two, columns, found, n_permutations, generator)
    return CanonicalCorrelation(
        found,
        dict(zip(first, map(float, model.x_weights_[:, 0]), strict=True)),
        dict(zip(second, map(float, model.y_weights_[:, 0]), strict=True)),
        p_patch, p_shift, (NO_CAUSE,),
    )  # fmt: skip


def _orthonormal(values: Floats, names: Sequence[str]) -> Floats:
    """Return an orthonormal basis of the columns: canonical correlations are products of two."""
    left, sizes, _ = np.linalg.svd(values, full_matrices=False)
    if sizes[-1] < 1e-6 * sizes[0]:
        raise NotIdentified(
            f"columns {', '.join(names)} determine one another, so that their weights are not "
            "fixed; leave one out."
        )
    return np.asarray(left)


def _largest(one: Floats, two: Floats) -> float:
    return float(np.linalg.svd(one.T @ two, compute_uv=False)[0])


def _p_values(
    one: Floats,
    two: Floats,
    columns: Columns,
    found: float,
    n_permutations: int,
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Return the shares of permutations of patches, and of shifts of fields, that reach as far."""
    by_patch = by_shift = 1
    for _ in range(n_permutations):
        by_patch += _largest(one[generator.permutation(len(one))], two) >= found
        moved = one[columns.layout.shifted(generator, minimum_fraction=0.1)]
        # a free layout meets some patches twice: the basis is made orthonormal again
        by_shift += _largest(np.linalg.qr(moved - moved.mean(axis=0))[0], two) >= found
    return by_patch / (1 + n_permutations), by_shift / (1 + n_permutations)
