"""Four motifs under any rotation: cluster index and few labels, beside what is possible."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.patches.peers import (
    PEERS,
    absent_peers,
    best_cluster_index,
    draw_labels,
    few_label_accuracy,
)
from physlearn.datasets import PatchScene, PatchSceneSettings, make_patch_scene
from physlearn.datasets.synthetic.patch_scenes import MOTIFS

__all__ = ["SCENES", "compare_motifs"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LABELS_PER_CLASS = 5


@dataclass(frozen=True, slots=True)
class MotifScene:
    """A set of motifs and what makes it hard; ``gated``: the goals hold for it."""

    name: str
    settings: PatchSceneSettings
    gated: bool = False


ALIKE = ("hexagon", "open_hexagon", "filled_hexagon", "pentagon")
SCENES = (
    MotifScene("motifs, peak 20, off 1.5 px", PatchSceneSettings(), gated=True),
    MotifScene("motifs, peak 10", PatchSceneSettings(peak_counts=10.0)),
    MotifScene("motifs, peak 5", PatchSceneSettings(peak_counts=5.0)),
    MotifScene("motifs, off 3 px", PatchSceneSettings(off_center_px=3.0)),
    MotifScene("alike motifs, peak 20", PatchSceneSettings(motifs=ALIKE), gated=True),
    MotifScene("alike motifs, peak 10", PatchSceneSettings(motifs=ALIKE, peak_counts=10.0)),
)  # fmt: skip


def compare_motifs(scene: MotifScene, n_patches: int, n_draws: int) -> dict[str, Any]:
    """Return the rows of every descriptor on one scene."""
    made = make_patch_scene("motifs", n_patches=n_patches, settings=scene.settings, rng=1)
    rows: dict[str, Any] = {}
    features: dict[str, Callable[[], Floats]] = {
        "physlearn polar_fourier": lambda: polar_features(made)
    }
    for name, describe in PEERS.items():
        features[name] = lambda d=describe: d(made.stack())  # type: ignore[misc]
    for name, make in features.items():
        begun = time.process_time()
        found = make()
        seconds = time.process_time() - begun
        index, way = best_cluster_index(found, made.labels)
        rows[name] = {
            "n": found.shape[1], "index": index, "way": way,
            "few": few_label_accuracy(
                found, made.labels, LABELS_PER_CLASS, n_draws, np.random.default_rng(1)
            ),
            "patches_per_s": n_patches / seconds,
        }  # fmt: skip
    rows["physlearn, by itself"] = by_itself(made, n_draws)
    rows |= {name: {"absent": why} for name, why in absent_peers().items()}
    rows["likelihood of the known motifs"] = known_motifs(made, scene.settings)
    return {"rows": rows, "gated": scene.gated}


def polar_features(made: PatchScene) -> Floats:
    """Return our invariants of every patch."""
    from physlearn.datasets import polar_fourier

    return polar_fourier(
        made.image.to_numpy(), made.centers, made.patch_px, noise="counts"
    ).values  # fmt: skip


def by_itself(made: PatchScene, n_draws: int) -> dict[str, Any]:
    """Return what a user gets: table, clusters and classes, nothing picked by the truth."""
    from sklearn.metrics import adjusted_rand_score

    from physlearn.datasets import (
        PatchOptions,
        classify_patches,
        cluster_patches,
        describe_patches,
    )

    table = describe_patches(
        made.image,
        patch_size=float(made.patch_px),
        options=PatchOptions(
            centers=made.centers, descriptors=("polar_fourier",), covariance="pooled"
        ),
    )
    labels = made.labels[_rows_of(table.centers, made.centers)]
    told = cluster_patches(table, int(labels.max()) + 1, rng=1)
    found = cluster_patches(table, "auto", rng=1)
    generator, scores, surety = np.random.default_rng(1), [], []
    names = np.array(made.names)[labels]
    for _ in range(n_draws):
        given = draw_labels(labels, LABELS_PER_CLASS, generator)
        partial = np.full(len(labels), None, dtype=object)
        partial[given] = names[given]
        classes = classify_patches(table, partial, rng=1)
        rest = np.setdiff1d(np.arange(len(labels)), given)
        scores.append(float((np.asarray(classes.labels)[rest] == names[rest]).mean()))
        surety.append(float(np.asarray(classes.probabilities)[rest].max(axis=1).mean()))
    return {
        "n": len(table.columns),
        "index": float(adjusted_rand_score(labels, told.labels)),
        "way": f"cluster_patches told 4; by itself it finds {int(found.n_clusters)} clusters, "
        f"index {adjusted_rand_score(labels, found.labels):.3f}; classify_patches says it is right "
        f"with {np.mean(surety):.3f}",
        "few": float(np.mean(scores)),
    }


def _rows_of(kept: Floats, all_centers: Floats) -> Integers:
    """Return which patch each row of a table is."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(all_centers).query(kept)[1], dtype=np.int64)


def known_motifs(made: PatchScene, settings: PatchSceneSettings) -> dict[str, Any]:
    """Return what the best judge can do: it knows motifs, light and distance from the centre.

    The Poisson likelihood is averaged over angles, directions of the offset and brightness.
    """
    from sklearn.metrics import adjusted_rand_score

    stack = made.stack().reshape(len(made.labels), -1)
    score = np.stack(
        [_log_evidence(stack, name, settings) for name in settings.motifs], axis=1
    )  # fmt: skip
    guess = score.argmax(axis=1)
    return {
        "index": float(adjusted_rand_score(made.labels, guess)),
        "few": float((guess == made.labels).mean()), "way": "the most that can be known",
    }  # fmt: skip


def _log_evidence(stack: Floats, name: str, s: PatchSceneSettings) -> Floats:
    """Return each patch's log probability under one motif."""
    from scipy.special import logsumexp

    points = MOTIFS[name]()
    light = min(len(MOTIFS[each]()) for each in s.motifs) / len(points) if s.equal_light else 1.0
    middle = 0.5 * (s.patch_px - 1)
    background = s.background_share * s.peak_counts
    pixel = np.arange(s.patch_px)
    parts = []
    for angle in np.linspace(0, 2 * np.pi, 72, endpoint=False):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        means = []
        for direction in np.linspace(0, 2 * np.pi, 24, endpoint=False):
            offset = s.off_center_px * np.array([np.cos(direction), np.sin(direction)])
            x, y = (middle + offset + s.spacing_px * points @ turn).T
            across = np.exp(-0.5 * ((pixel - x[:, None]) / s.width_px) ** 2)
            down = np.exp(-0.5 * ((pixel - y[:, None]) / s.width_px) ** 2)
            motif = s.peak_counts * light * (down.T @ across)
            means += [
                background + scale * motif
                for scale in np.exp(s.brightness_spread * np.array([-1.2, 0.0, 1.2]))
            ]
        mean = np.stack(means).reshape(len(means), -1)
        parts.append(stack @ np.log(mean).T - mean.sum(axis=1))
    return np.asarray(logsumexp(np.concatenate(parts, axis=1), axis=1))
