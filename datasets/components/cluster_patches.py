"""Classes of patches without labels: Gaussian mixtures, as many as the criterion bears out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, as_generator, check_count
from physlearn.datasets.components.prepared_table import PreparedTable, prepare_table
from physlearn.datasets.components.signal_space import signal_space
from physlearn.one_thread import one_blas_thread
from physlearn.records import PatchTable
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PatchClusters", "cluster_patches"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SHAPES = ("full", "tied", "diag", "spherical")
MOST_CLUSTERS = 10
STARTS = 4
PATIENCE = 3
NEIGHBORHOOD = 5.0
"""Patches, and frames, over which the autocorrelation is summed."""
FEWEST_A_CLUSTER = 2
MOST_COMPARED = 1000
MOST_FITTED = 20_000
"""Patches that a mixture is fitted to; all are assigned."""
NEAR_CRITERION = 10.0
"""Mixtures whose criterion is within this of the least are fitted to the end before one wins."""
SETTLED = 1e-7
MOST_STEPS = 1000
"""Change of the log-likelihood a patch at which a mixture has settled, and most steps."""
SAME_PLACE = 0.5
"""Patch sizes within which two frames show one place."""
RIDGE = 1e-4
"""Added to each variance, as a share of the mean variance: equal rows would make it 0."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PatchClusters:
    """Which class each patch belongs to, and how surely.

    Attributes
    ----------
    labels
        int64 (n_patches,): the most probable class, 0 the most frequent.
    probabilities
        float64 (n_patches, k).
    means
        float64 (k, n_columns): mean of each class in the columns' units.
    weights
        float64 (k,): share of each class.
    shape
        Covariances of the classes: ``full``, ``tied``, ``diag`` or ``spherical``.
    criteria
        pandas: number of classes, shape, log-likelihood a patch, parameters, bic (per fit; the
        least is taken).
    effective_patches
        Number of independent patches that the criterion counts.
    n_components
        Number of principal components that were clustered.
    columns
        Names of the columns used.
    centers
        (x, y) of the patches, or None.
    seed
        Repeats the result.
    warnings
        What was left out or doubtful.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[40:] += 9.0
    >>> cluster_patches(rows, 2, rng=0).weights.round(2)
    array([0.67, 0.33])
    """

    labels: Integers
    probabilities: Floats
    means: Floats
    weights: Floats
    shape: str
    criteria: pd.DataFrame
    effective_patches: float
    n_components: int
    columns: tuple[str, ...]
    centers: Floats | None
    seed: int
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def n_clusters(self) -> int:
        """Number of classes."""
        return len(self.weights)

    def to_pandas(self) -> pd.DataFrame:
        """Return places, class and its probability, one row a patch."""
        import pandas as pd

        frame = pd.DataFrame(
            {"cluster": self.labels, "probability": self.probabilities.max(axis=1)}
        )
        if self.centers is not None:
            frame.insert(0, "x", self.centers[:, 0])
            frame.insert(1, "y", self.centers[:, 1])
        return frame


def cluster_patches(
    table: PatchTable | xr.DataArray | ArrayLike,
    n_clusters: int | str = "auto",
    *,
    columns: Sequence[str] | None = None,
    errors: ArrayLike | str | None = None,
    n_components: int | str = "auto",
    rng: int | np.random.Generator | None = None,
) -> PatchClusters:
    """Divide patches into classes by a mixture of Gaussians chosen by BIC.

    Columns are first turned into the principal components that carry signal (in the metric of the
    measurement errors). BIC = p ln(n_eff) - 2 (n_eff / n) ln L over the number of classes and the
    shape of their covariances, where n_eff counts independent patches: overlapping patches and
    neighbours whose deviations from their class agree, and frames of a film that show a place as
    it was, would otherwise be counted as fresh evidence and give too many classes.

    Parameters
    ----------
    table, columns, errors
        As in ``find_components``.
    n_clusters
        A number, or ``auto`` (1 to 10).
    n_components
        Principal components to cluster, or ``auto``.
    rng
        Starts of the mixtures.

    Returns
    -------
    PatchClusters
        Classes with probabilities, and the criterion of every mixture tried. A class is a Gaussian
        heap: a curved one is divided into several.

    Raises
    ------
    InputError
        For constant tables or more classes than patches bear.

    References
    ----------
    Schwarz, Ann. Stat. 6, 461 (1978), doi:10.1214/aos/1176344136.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> rows = np.concatenate([random.normal(0, 1, (80, 3)), random.normal(5, 1, (80, 3))])
    >>> cluster_patches(rows, rng=0).n_clusters
    2
    """
    data = prepare_table(table, columns, errors)
    generator, seed = as_generator(rng)
    most = data.n // FEWEST_A_CLUSTER
    if n_clusters == "auto":
        tried = list(range(1, min(MOST_CLUSTERS, most) + 1))
    else:
        tried = [check_count("n_clusters", n_clusters, 1)]
        if tried[0] > most:
            raise InputError(
                f"n_clusters must not exceed half of the {data.n} patches; got {tried[0]}."
            )
    with one_blas_thread():
        scores = signal_space(data, n_components, seed)
        rows = np.arange(data.n)
        if data.n > MOST_FITTED:
            rows = np.sort(generator.choice(data.n, MOST_FITTED, replace=False))
        fits = _fit_all(scores[rows], tried, seed)
        share = _independent_share(data, scores, rows, fits)
        best, criteria = _criteria(fits, share, len(rows))
        for fit in fits:
            if fit["bic"] < best["bic"] + NEAR_CRITERION:
                _settle(fit, scores[rows])
        best, criteria = _criteria(fits, share, len(rows))
        mixture = best["mixture"]
        chance = np.asarray(mixture.predict_proba(scores))
    order = np.argsort(-chance.sum(axis=0), kind="stable")
    chance = chance[:, order]
    weights = chance.sum(axis=0)
    means = (chance.T @ data.values) / np.maximum(weights, 1e-300)[:, None]
    notes = list(data.warnings)
    if n_clusters == "auto" and len(order) == tried[-1] > 1:
        notes.append(f"the largest number of classes tried ({tried[-1]}) is the best.")
    return PatchClusters(
        np.asarray(chance.argmax(axis=1), dtype=np.int64), chance, means, weights / data.n,
        best["shape"], criteria, share * data.n, scores.shape[1], data.columns, data.centers, seed,
        tuple(notes),
    )  # fmt: skip


def _fit_all(scores: Floats, tried: list[int], seed: int) -> list[dict[str, Any]]:
    """Return a mixture for every number of classes and shape; stop when more classes do not help.

    The search stops by the criterion that takes all patches as independent, which asks for more
    classes than the one that decides.
    """
    import warnings

    from sklearn.mixture import GaussianMixture

    n, d = scores.shape
    ridge = RIDGE * float(scores.var(axis=0).mean())
    fits: list[dict[str, Any]] = []
    for shape in SHAPES if d > 1 else ("full", "tied"):
        least, since = np.inf, 0
        for k in tried:
            if n <= k * (d + 1) and shape == "full" and tried != [k]:
                break
            mixture = GaussianMixture(
                k, covariance_type=shape, n_init=STARTS, reg_covar=ridge, random_state=seed
            )
            with warnings.catch_warnings():
                # a start that has not settled loses against the others
                warnings.simplefilter("ignore")
                mixture.fit(scores)
            count = int(mixture._n_parameters())
            fits.append(
                {
                    "n_clusters": k, "shape": shape, "mixture": mixture, "parameters": count,
                    "log_likelihood": float(mixture.score(scores)),
                }
            )  # fmt: skip
            bic = float(mixture.bic(scores))
            least, since = (bic, 0) if bic < least else (least, since + 1)
            if since >= PATIENCE:
                break
    return fits


def _settle(fit: dict[str, Any], scores: Floats) -> None:
    """Carry a mixture on to its maximum: the many starts stop where a step gains little.

    Steps of heaps that overlap gain little long before the end, all in one direction: their shares
    would be off by several standard deviations.
    """
    import warnings

    from sklearn.mixture import GaussianMixture

    start = fit["mixture"]
    settled = GaussianMixture(
        fit["n_clusters"], covariance_type=fit["shape"], reg_covar=start.reg_covar, tol=SETTLED,
        max_iter=MOST_STEPS, weights_init=start.weights_, means_init=start.means_,
        precisions_init=start.precisions_, random_state=start.random_state,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settled.fit(scores)
    reached = float(settled.score(scores))
    if reached >= fit["log_likelihood"]:
        fit["mixture"], fit["log_likelihood"] = settled, reached


def _criteria(
    fits: list[dict[str, Any]], share: float, n: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the fit of the least criterion and the table of all."""
    import pandas as pd

    effective = max(share * n, 2.0)
    for fit in fits:
        fit["bic"] = fit["parameters"] * np.log(effective) - 2 * effective * fit["log_likelihood"]
    best = min(fits, key=lambda fit: float(fit["bic"]))
    table = pd.DataFrame([{key: fit[key] for key in fit if key != "mixture"} for fit in fits])
    return best, table


def _independent_share(
    data: PreparedTable, scores: Floats, rows: Integers, fits: list[dict[str, Any]]
) -> float:
    """Return the share of patches that count as independent, given their classes.

    1 over the sum of the autocorrelation of the deviations from the class means, over neighbours
    within five patches and frames; at most what the overlap and the frames of a place leave.
    """
    if data.centers is None:
        return 1.0
    bound = (1.0 - data.overlap) ** 2 * _share_of_frames(data, scores)
    mixture = min(fits, key=lambda fit: float(fit["mixture"].bic(scores[rows])))["mixture"]
    deviation = scores - mixture.means_[mixture.predict(scores)]
    deviation /= np.maximum(deviation.std(axis=0), 1e-300)
    chosen = rows[:: max(len(rows) // MOST_COMPARED, 1)]
    places = data.centers / data.patch_size
    if data.times is not None:
        # a patch is not new evidence in the next frame either: frames count as steps
        frame = np.unique(data.times, return_inverse=True)[1]
        places = np.hstack([places, frame.reshape(-1, 1).astype(np.float64)])
    near = cKDTree(places).query_ball_point(places[chosen], NEIGHBORHOOD, p=np.inf)
    total = 0.0
    for row, others in zip(chosen, near, strict=True):
        total += float((deviation[others] @ deviation[row]).sum()) / deviation.shape[1]
    return float(min(bound, 1.0 / max(total / len(chosen), 1.0)))


def _share_of_frames(data: PreparedTable, scores: Floats) -> float:
    """Return the share of a film's patches that are new, however well classes describe them.

    1 over the sum over all frames of the correlation at one place. Deviations from classes do not
    tell it: as many classes as a still film takes for real leave deviations that look independent.
    """
    if data.times is None or data.centers is None:
        return 1.0
    values = (scores - scores.mean(axis=0)) / np.maximum(scores.std(axis=0), 1e-300)
    chosen = np.arange(data.n)[:: max(data.n // MOST_COMPARED, 1)]
    places = data.centers / data.patch_size
    alike = cKDTree(places).query_ball_point(places[chosen], SAME_PLACE, p=np.inf)
    every = own = 0.0
    for row, others in zip(chosen, alike, strict=True):
        product = values[others] @ values[row]
        every += float(product.sum())
        own += float(product[data.times[others] == data.times[row]].sum())
    return float(min(own / max(every, 1e-300), 1.0)) if own > 0 else 1.0
