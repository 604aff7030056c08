"""Numbers that a study's plan takes from what was found."""

import numpy as np
import pytest
import xarray as xr

from physlearn.findings import Findings
from physlearn.lattice_models import square_lattice, triangular_lattice
from physlearn.records import LatticeSnapshots
from physlearn.steps_plan import _bonds_per_site, _sites_per_area


def snapshots(graph, observed=None):
    return LatticeSnapshots(np.ones((1, graph.n_sites), np.int8), graph, observed=observed)


@pytest.mark.parametrize(
    ("graph", "bonds"),
    [(square_lattice((6, 6)), 2.0), (square_lattice((6, 6), n_shells=2), 2.0),
     (triangular_lattice((6, 6)), 3.0), (square_lattice((6, 6), periodic=False), 60 / 36)],
)  # fmt: skip
def test_bonds_of_the_first_shell_are_half_the_neighbours(graph, bonds):
    assert _bonds_per_site(Findings("a", 1, snapshots=snapshots(graph))) == pytest.approx(bonds)


def test_sites_are_counted_where_they_were_seen():
    graph = square_lattice((6, 6))
    seen = np.ones((1, 36), bool)
    seen[0, :6] = False
    step = 0.1 * np.arange(21)
    image = xr.DataArray(np.zeros((21, 21)), dims=("y", "x"), coords={"y": step, "x": 2 * step})
    film = Findings("a", 1, image=image, snapshots=snapshots(graph, seen))
    assert _sites_per_area(film) == pytest.approx(30 / (2.0 * 4.0))
