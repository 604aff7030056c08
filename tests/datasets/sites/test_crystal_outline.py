"""Where a crystal ends inside the view, the places beyond its last row are no vacancies."""

import numpy as np
import pytest

from physlearn.datasets import find_atoms, find_vacancies, make_stem_image
from physlearn.datasets.sites.crystal_outline import inside_crystal
from physlearn.datasets.sites.site_frame import lay_out_sites

SQUARE = np.array([[10.0, 0.0], [0.0, 10.0]])
TRIANGULAR = np.array([[10.0, 0.0], [5.0, 75**0.5]])


def frame_of(indices, vectors, view, turn=0.0):
    """Return all sites laid out round columns at these indices, and the columns' places."""
    c, s = np.cos(turn), np.sin(turn)
    turned = vectors @ np.array([[c, s], [-s, c]])
    places = indices @ turned
    low, high = np.array(view[:2]), np.array(view[2:])
    kept = np.all((places > low) & (places < high), axis=1)
    indices, places = indices[kept], places[kept]
    number = np.arange(len(indices))
    return lay_out_sites(
        places, view, (turned, np.zeros(2), np.zeros((1, 2))), (indices, 0 * number, number)
    )


def block(n):
    return np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1).reshape(-1, 2)


def kept_empty(frame, view, margin=2.5):
    low, high = np.array(view[:2]) + margin, np.array(view[2:]) - margin
    seen = np.all((frame.predicted >= low) & (frame.predicted <= high), axis=1)
    inside = inside_crystal(frame, frame.column >= 0, low, high)
    assert inside[frame.column >= 0].all()
    return {tuple(index) for index in frame.indices[inside & seen & (frame.column < 0)].tolist()}


@pytest.mark.parametrize("vectors", [SQUARE, TRIANGULAR])
@pytest.mark.parametrize("turn", [0.0, 0.3])
@pytest.mark.parametrize("margin", [15.0, 80.0])
def test_rows_beyond_a_crystal_are_not_its_sites(vectors, turn, margin):
    # vacant: in the bulk, a line of six, and in the last row
    vacant = {(5, 5), *((8, j) for j in range(3, 9)), (0, 6), (6, 0)}
    indices = np.array([i for i in block(14).tolist() if tuple(i) not in vacant])
    c, s = np.cos(turn), np.sin(turn)
    corners = np.array([[0, 0], [13, 0], [0, 13], [13, 13]]) @ vectors @ [[c, s], [-s, c]]
    view = (*(corners.min(axis=0) - margin), *(corners.max(axis=0) + margin))
    assert kept_empty(frame_of(indices, vectors, view, turn), view) == vacant


@pytest.mark.parametrize("vectors", [SQUARE, TRIANGULAR])
def test_a_crystal_that_fills_the_view_keeps_vacancies_at_its_edges(vectors):
    view = (4.0, 4.0, 96.0, 96.0)
    grid = block(40) - 20
    places = grid @ vectors
    seen = np.all((places > 6.6) & (places < 93.4), axis=1)
    corner = np.argmin(np.where(seen, places.sum(axis=1), np.inf))
    edge = np.argmin(np.where(seen, places[:, 0] + 0.01 * abs(places[:, 1] - 50), np.inf))
    for site in (corner, edge):
        rest = np.delete(grid, site, axis=0)
        assert kept_empty(frame_of(rest, vectors, view), view) == {tuple(grid[site].tolist())}


@pytest.mark.parametrize("vectors", [SQUARE, TRIANGULAR])
@pytest.mark.parametrize("size", [6, 8])
@pytest.mark.parametrize("margin", [4.0, 15.0])
def test_a_void_inside_a_crystal_is_vacancies_however_large(vectors, size, margin):
    void = {(a, b) for a in range(8, 8 + size) for b in range(8, 8 + size)}
    indices = np.array([i for i in block(24).tolist() if tuple(i) not in void])
    places = block(24) @ vectors
    view = (*(places.min(axis=0) - margin), *(places.max(axis=0) + margin))
    assert kept_empty(frame_of(indices, vectors, view), view) == void


def test_a_crystal_with_an_empty_rim_has_no_vacancies():
    made = make_stem_image((20, 20), rng=1)
    found = find_vacancies(find_atoms(made.image), made.image)
    assert found.n_sites == len(made.truth.positions) == 400
    assert found.flags("vacant").sum() == 0
    assert any("beyond the last row" in text for text in found.warnings)
    row = found.shares.query("state == 'vacant'").iloc[0]
    assert row["share"] < 0.005
