"""Ordered and disordered patches: area under the curve of single scores and of all numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.atoms.limits import area_under_roc
from benchmarks.patches.peers import PEERS, absent_peers, supervised_auc
from physlearn.datasets import PatchScene, PatchSceneSettings, make_patch_scene

__all__ = ["compare_disorder"]

Floats = NDArray[np.float64]
SETTINGS = PatchSceneSettings(
    disorder=(0.04, 0.07), peak_counts=20.0, margin_px=0, brightness_spread=0.1
)
GROUPS = ("moments", "texture", "periodicity", "polar_fourier", "radial")


def compare_disorder(kind: str, n_patches: int) -> dict[str, Any]:
    """Return the rows of every descriptor on grains or on one crystal."""
    made = make_patch_scene(kind, n_patches=n_patches, settings=SETTINGS, rng=1)
    rows: dict[str, Any] = {}
    table = our_table(made)
    for name, column in table.items():
        if name in ("crystallinity", "lattice_order", "sharpness") or "crystallinity" in name:
            rows[f"physlearn {name} alone"] = {"single": single_auc(column, made)}
    ours = np.stack(list(table.values()), axis=1)
    rows["physlearn, all groups"] = {"all": supervised_auc(ours, made.labels)}
    stack = made.stack()
    rows["variance of the pixels alone"] = {
        "single": single_auc(stack.var(axis=(1, 2)) / stack.mean(axis=(1, 2)), made)
    }
    for name, describe in PEERS.items():
        rows[name] = {"all": supervised_auc(describe(stack), made.labels)}
    rows |= {name: {"absent": why} for name, why in absent_peers().items()}
    rows["the true shifts of the columns"] = {"single": single_auc(made.displacement, made)}
    return {"rows": rows}


def single_auc(score: Floats, made: PatchScene) -> float:
    """Return the area under the curve of one number, whichever end means disorder."""
    area = area_under_roc(np.asarray(score, dtype=np.float64), made.labels == 1)
    return max(area, 1.0 - area)


def our_table(made: PatchScene) -> dict[str, Floats]:
    """Return every column of our pixel descriptors."""
    from physlearn.datasets import PatchOptions, describe_patches

    table = describe_patches(
        made.image,
        patch_size=float(made.patch_px),
        options=PatchOptions(centers=made.centers, descriptors=GROUPS, covariance="pooled"),
    )
    if table.n_patches != len(made.labels):
        raise RuntimeError(f"{len(made.labels) - table.n_patches} patches were left out")
    return {name: table.frame[name].to_numpy(dtype=np.float64) for name in table.columns}
