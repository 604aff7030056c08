"""Compressed rows of bonds against a stable sort by site."""

import numpy as np
import pytest

from physlearn.lattice_models.graphs.site_rows import site_rows


@pytest.mark.parametrize(("n_sites", "n_bonds"), [(1, 0), (4, 0), (7, 3), (50, 400)])
def test_rows_are_those_of_a_stable_sort(n_sites, n_bonds):
    ends = np.random.default_rng(n_bonds).integers(0, n_sites, (n_bonds, 2))
    ends.flags.writeable = False
    start, neighbour, bond = site_rows(ends, n_sites)
    site = np.concatenate([ends[:, 0], ends[:, 1]])
    order = np.argsort(site, kind="stable")
    assert start.tolist() == np.searchsorted(site[order], np.arange(n_sites + 1)).tolist()
    assert neighbour.tolist() == np.concatenate([ends[:, 1], ends[:, 0]])[order].tolist()
    assert bond.tolist() == (order % max(n_bonds, 1)).tolist()
    assert neighbour.dtype == bond.dtype == np.int32
