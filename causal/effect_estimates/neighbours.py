"""Which patches are neighbours, and what their mean is."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from physlearn.causal.spatial_layout import SpatialLayout


def neighbour_matrix(layout: SpatialLayout, distance_patches: float = 1.0) -> sparse.csr_matrix:
    """Return the matrix (n, n) with 1 for every pair up to `distance_patches` steps apart."""
    reach = distance_patches * 1.1 * layout.patch_step
    pairs = cKDTree(layout.centers).query_pairs(reach, output_type="ndarray")
    row = np.concatenate([pairs[:, 0], pairs[:, 1]])
    column = np.concatenate([pairs[:, 1], pairs[:, 0]])
    return sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(layout.n, layout.n))


def neighbour_means(layout: SpatialLayout, distance_patches: float = 1.0) -> sparse.csr_matrix:
    """Return the matrix (n, n) that gives the mean over the neighbours; 0 where there are none."""
    matrix = neighbour_matrix(layout, distance_patches)
    count = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.csr_matrix(sparse.diags(1.0 / np.maximum(count, 1.0)) @ matrix)
