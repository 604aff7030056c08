"""Descriptors of patches as other packages make them, and the same judges for all."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["PEERS", "absent_peers", "best_cluster_index", "few_label_accuracy", "supervised_auc"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
CLUSTER_RANKS = (4, 8, 16)
FOLDS = 5


def raw_pixels(stack: Floats) -> Floats:
    """Return the pixels themselves (principal components are taken by the judges)."""
    return stack.reshape(len(stack), -1)


def gradient_histograms(stack: Floats) -> Floats:
    """Return scikit-image's histograms of oriented gradients."""
    from skimage.feature import hog

    cell = (stack.shape[1] // 3, stack.shape[2] // 3)
    return np.stack(
        [hog(one, orientations=8, pixels_per_cell=cell, cells_per_block=(2, 2)) for one in stack]
    )


def turned_histograms(stack: Floats) -> Floats:
    """Return the same histograms for one cell, Fourier powers over the angle: turning-free."""
    from skimage.feature import hog

    cell = stack.shape[1:]
    found = np.stack(
        [hog(one, orientations=16, pixels_per_cell=cell, cells_per_block=(1, 1)) for one in stack]
    )
    return np.abs(np.fft.rfft(found, axis=1))


def binary_patterns(stack: Floats) -> Floats:
    """Return histograms of scikit-image's rotation-invariant uniform local binary patterns."""
    from skimage.feature import local_binary_pattern

    rows = []
    for one in stack:
        whole = one.astype(np.int64)
        parts = [
            np.bincount(
                local_binary_pattern(whole, 8 * r, r, "uniform").astype(int).ravel(),
                minlength=8 * r + 2,
            )
            for r in (1, 2, 3)
        ]
        rows.append(np.concatenate(parts) / one.size)
    return np.stack(rows)


def hu_moments(stack: Floats) -> Floats:
    """Return scikit-image's seven Hu moments about each patch's own centre of mass, as logs."""
    from skimage.measure import moments_central, moments_hu, moments_normalized

    rows = []
    for one in stack:
        found = moments_hu(moments_normalized(moments_central(one)))
        rows.append(np.sign(found) * np.log10(np.abs(found) + 1e-30))
    return np.stack(rows)


PEERS: Mapping[str, Callable[[Floats], Floats]] = {
    "raw pixels, PCA": raw_pixels,
    "scikit-image HOG": gradient_histograms,
    "scikit-image HOG, one cell, angle powers": turned_histograms,
    "scikit-image local binary patterns": binary_patterns,
    "scikit-image Hu moments": hu_moments,
}


def absent_peers() -> dict[str, str]:
    """Return why a peer that was asked for was not run."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("atomai") is None:
        return {"AtomAI rVAE": "torch and atomai are not installed"}
    version = importlib.metadata.version("atomai")
    return {"AtomAI rVAE": f"atomai {version} is installed; this benchmark does not train it yet"}


def _prepared(features: Floats, standardized: bool, rank: int) -> Floats:
    """Return principal components of centred, perhaps standardised features."""
    from sklearn.decomposition import PCA

    rows = features - features.mean(axis=0)
    if standardized:
        rows = rows / np.maximum(rows.std(axis=0), 1e-12 * max(float(rows.std()), 1e-300))
    return np.asarray(PCA(min(rank, *rows.shape), random_state=0).fit_transform(rows))


def best_cluster_index(features: Floats, labels: Integers) -> tuple[float, str]:
    """Return the best adjusted Rand index of twelve ways to cluster, and which: a peer's best.

    Standardised or not, 4, 8 or 16 principal components, k-means or a Gaussian mixture, told the
    number of classes; the truth picks the way.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score
    from sklearn.mixture import GaussianMixture

    k = int(labels.max()) + 1
    best = (-1.0, "")
    for standardized in (False, True):
        for rank in CLUSTER_RANKS:
            rows = _prepared(features, standardized, rank)
            scale = max(float(rows.std()), 1e-300)
            found = {
                "k-means": KMeans(k, n_init=10, random_state=0).fit_predict(rows / scale),
                "mixture": GaussianMixture(k, n_init=3, random_state=0).fit_predict(rows / scale),
            }
            for method, clusters in found.items():
                index = float(adjusted_rand_score(labels, clusters))
                if index > best[0]:
                    scaled = "standardised" if standardized else "as it is"
                    best = index, f"{method}, {rows.shape[1]} components, {scaled}"
    return best


def few_label_accuracy(
    features: Floats, labels: Integers, per_class: int, n_draws: int, rng: np.random.Generator
) -> float:
    """Return the accuracy on the rest after ``per_class`` labels a class, the better of two fits.

    Logistic regression and linear discriminants with shrinkage, on standardised features; the
    truth picks the better: a peer's best.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    rows = _prepared(features, True, 64)
    scores: dict[str, list[float]] = {"logistic": [], "discriminants": []}
    for _ in range(n_draws):
        given = draw_labels(labels, per_class, rng)
        rest = np.setdiff1d(np.arange(len(labels)), given)
        for name, model in (
            ("logistic", LogisticRegression(max_iter=2000)),
            ("discriminants", LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
        ):
            model.fit(rows[given], labels[given])
            scores[name].append(float((model.predict(rows[rest]) == labels[rest]).mean()))
    return max(float(np.mean(each)) for each in scores.values())


def draw_labels(labels: Integers, per_class: int, rng: np.random.Generator) -> Integers:
    """Return patches whose labels are given: as many of each class."""
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(labels == label), per_class, replace=False)
            for label in range(int(labels.max()) + 1)
        ]
    )


def supervised_auc(features: Floats, labels: Integers) -> float:
    """Return the area under the curve of a logistic regression, out of fold."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    search = GridSearchCV(
        LogisticRegression(max_iter=500), {"C": np.logspace(-4, 1, 6)}, scoring="roc_auc", cv=3
    )
    model = make_pipeline(StandardScaler(), search)
    rows = _prepared(features, True, 64)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    score = cross_val_predict(model, rows, labels, cv=folds, method="decision_function")
    return float(roc_auc_score(labels, score))
