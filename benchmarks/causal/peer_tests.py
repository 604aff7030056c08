"""Other tests of conditional independence on the same tables."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np

from benchmarks.causal.worlds import Floats, World, patch_table
from physlearn.causal.columns import prepare_columns
from physlearn.causal.spatial_test import SpatialIndependenceTest
from physlearn.records import PatchTable

__all__ = ["PEERS", "effective_size", "filtered", "fisher_z", "kernel_test"]


def fisher_z(world: World) -> float:
    """Return causal-learn's Fisher z: every patch counts as independent."""
    return _of_causal_learn(world, "fisherz")


def kernel_test(world: World) -> float:
    """Return causal-learn's kernel-based test (KCI)."""
    return _of_causal_learn(world, "kci")


def _of_causal_learn(world: World, name: str) -> float:
    cit = importlib.import_module("causallearn.utils.cit").CIT
    names = ["x", "y", *world.given]
    data = world.table.frame[names].to_numpy()
    return float(cit(data, name)(0, 1, tuple(range(2, len(names)))))


def _counted(table: PatchTable, given: tuple[str, ...]) -> float:
    columns = prepare_columns(table, names=["x", "y", *given])
    return SpatialIndependenceTest(columns)(0, 1, tuple(range(2, 2 + len(given)))).p_value


def effective_size(world: World) -> float:
    """Return partial correlation with the effective number of patches, all errors taken as none."""
    return _counted(replace(world.table, measurement_covariance=None), world.given)


def filtered(world: World) -> float:
    """Return the same after a spatial autoregressive filter, one for all columns."""
    names = ["x", "y", *world.given]
    size = int(np.sqrt(world.table.n_patches))
    fields = [world.table.frame[name].to_numpy().reshape(size, size) for name in names]
    fields = [(field - field.mean()) / field.std() for field in fields]
    near = [_neighbours(field) for field in fields]
    middle = [field[1:-1, 1:-1].ravel() for field in fields]
    slopes = np.linalg.lstsq(np.concatenate(near), np.concatenate(middle), rcond=None)[0]
    left = {
        name: (own - around @ slopes).reshape(size - 2, size - 2)
        for name, own, around in zip(names, middle, near, strict=True)
    }
    return _counted(patch_table(left), world.given)


def _neighbours(field: Floats) -> Floats:
    """Return the mean of the 4 nearest and of the 4 diagonal neighbours, (n_inside, 2)."""
    up, down, left, right = field[:-2], field[2:], field[:, :-2], field[:, 2:]
    cross = up[:, 1:-1] + down[:, 1:-1] + left[1:-1] + right[1:-1]
    corners = up[:, :-2] + up[:, 2:] + down[:, :-2] + down[:, 2:]
    return np.stack([cross.ravel(), corners.ravel()], axis=1) / 4.0


PEERS = {
    "Fisher z (causal-learn)": fisher_z,
    "effective sample size": effective_size,
    "spatial filter": filtered,
}
