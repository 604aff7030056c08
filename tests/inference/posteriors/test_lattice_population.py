"""Populations of every model against sums over all states, from the family's own description."""

import itertools

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.posteriors.lattice_population import make_population, permuted_codes
from physlearn.lattice_models import square_lattice, triangular_lattice

MODELS = {
    "ising": ("ising", (-1, 1), ()),
    "ising with triplets": ("ising", (-1, 1), ((0, 0, 0),)),
    "lattice gas": ("lattice_gas", (0, 1), ()),
    "lattice gas with triplets": ("lattice_gas", (0, 1), ((0, 0, 0),)),
    "two-state pair table": ("pair", (0, 1), ()),
    "potts": ("potts", (0, 1, 2), ()),
    "clock": ("clock", (0, 1, 2), ()),
    "blume-capel": ("blume_capel", (-1, 0, 1), ()),
    "pair": ("pair", (0, 1, 2), ()),
}
TWO_STATE_PAIRS = ("ising", "lattice gas", "two-state pair table")


def world(name, fixed=False, periodic=False):
    model, states, motifs = MODELS[name]
    shape = (2, 3) if len(states) > 2 else (3, 3)
    graph = triangular_lattice(shape, n_shells=1, periodic=periodic)
    return lattice_family(model, states, 1, motifs, fixed_composition=fixed), graph


def every_code(q, n_sites):
    return np.array(list(itertools.product(range(q), repeat=n_sites)), np.uint8)


def all_statistics(family, graph, codes, extra):
    """T of the family by its own sum over bonds and triplets, and the extra sums."""
    own = family.statistics(codes, graph)
    sites = np.arange(graph.n_sites)
    further = [table[sites, codes].sum(axis=1) for table in extra]
    return np.column_stack([own, *further])


@pytest.mark.parametrize(
    ("name", "dynamics"),
    [*itertools.product(MODELS, ["auto", "fixed"]), *((n, "clusters") for n in TWO_STATE_PAIRS)],
)
def test_copies_follow_their_own_distribution(name, dynamics, oracle, chi_square_p):
    """Offsets, an extra statistic of its own parameter, and two parameter sets side by side."""
    fixed = dynamics == "fixed"
    family, graph = world(name, fixed)
    q, n_sites, n = family.n_states, graph.n_sites, 12800
    rng = np.random.default_rng(4)
    offset, extra = rng.normal(0, 0.3, (n_sites, q)), rng.normal(0, 0.5, (1, n_sites, q))
    parts = (np.arange(n_sites) >= 3).astype(int)
    picture = np.arange(n_sites) % q
    start = permuted_codes(picture, parts, n, rng) if fixed else rng.integers(0, q, (n_sites, n))
    copies = make_population(
        family, graph, start, n, rng, offset=offset, extra=extra,
        parts=parts if fixed else None, dynamics="auto" if fixed else dynamics,
    )  # fmt: skip
    assert copies.dynamics == {"auto": "heat_bath", "fixed": "exchange"}.get(dynamics, dynamics)
    natural = rng.normal(0, 0.3, (2, copies.n_parameters))
    copies.sweep(np.repeat(natural, n // 2, axis=0), 60)
    every = every_code(q, n_sites)
    if fixed:
        wanted = [np.bincount(picture[parts == part], minlength=q) for part in (0, 1)]
        for part in (0, 1):
            here = every[:, parts == part]
            counts = np.stack([(here == a).sum(axis=1) for a in range(q)], axis=1)
            keep = (counts == wanted[part]).all(axis=1)
            every = every[keep]
    statistics = all_statistics(family, graph, every, extra)
    known = offset[np.arange(n_sites), every].sum(axis=1)
    key = q ** np.arange(n_sites)
    place = {int(code): index for index, code in enumerate(every.astype(int) @ key)}
    drawn = [place[int(code)] for code in copies.codes().T.astype(int) @ key]
    for index, theta in enumerate(natural):
        weight = np.exp(statistics @ theta + known)
        half = drawn[index * n // 2 : (index + 1) * n // 2]
        p = chi_square_p(half, weight / weight.sum())
        oracle(f"population of {name}, {dynamics}, histogram {index}", p=p)
    expected = all_statistics(family, graph, copies.codes().T, extra)
    error = np.abs(copies.statistics() - expected).max()
    oracle(f"population of {name}, {dynamics}, statistics", error=error, bound=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_derivatives_of_the_log_pseudolikelihood(name, oracle):
    family, graph = world(name, periodic=False)
    q, n_sites = family.n_states, graph.n_sites
    rng = np.random.default_rng(2)
    extra = np.zeros((0, n_sites, q)) if name == "ising" else rng.normal(size=(1, n_sites, q))
    copies = make_population(family, graph, rng.integers(0, q, (n_sites, 3)), 3, rng, extra=extra)
    d, terms = copies.n_parameters, np.array([0, 2, 4, 5])
    theta = rng.normal(0, 0.3, (3, d))
    score, curvature = copies.scores(theta, terms)
    for replica, codes in enumerate(copies.codes().T):
        slope, bend = np.zeros(d), np.zeros((d, d))
        for site in terms:
            changed = np.repeat(codes[None], q, axis=0)
            changed[:, site] = np.arange(q)
            features = all_statistics(family, graph, changed, extra)
            height = features @ theta[replica]
            p = np.exp(height - height.max())
            p /= p.sum()
            slope += features[codes[site]] - p @ features
            bend += (features.T * p) @ features - np.outer(p @ features, p @ features)
        error = max(np.abs(score[replica] - slope).max(), np.abs(curvature[replica] - bend).max())
        oracle(f"scores of {name}, replica {replica}", error=error, bound=1e-10)


@pytest.mark.parametrize("name", ["ising", "lattice gas", "potts"])
@pytest.mark.parametrize("dynamics", ["heat_bath", "clusters"])
def test_copies_can_be_restarted_and_sites_held(name, dynamics):
    family, graph = world(name)
    rng, n_sites = np.random.default_rng(2), graph.n_sites
    start = rng.integers(0, family.n_states, n_sites)
    copies = make_population(family, graph, start, 5, rng, sites=np.arange(3), dynamics=dynamics)
    copies.sweep(np.zeros(family.n_parameters), 10)
    assert np.array_equal(copies.codes()[3:], np.repeat(start[3:, None], 5, axis=1))
    assert np.any(copies.codes()[:3] != start[:3, None])
    other = rng.integers(0, family.n_states, (n_sites, 5))
    copies.restart(other)
    assert np.array_equal(copies.codes(), other)
    one = copies.codes()
    one[:] = 0
    assert np.array_equal(copies.codes(), other)


def test_a_seed_repeats_itself():
    family, graph = world("ising")
    found = []
    for dynamics in ("auto", "clusters"):
        runs = []
        for _ in range(2):
            rng = np.random.default_rng(3)
            copies = make_population(family, graph, np.zeros(9), 7, rng, dynamics=dynamics)
            copies.sweep([0.1, 0.2], 5)
            runs.append(copies.codes())
        assert np.array_equal(*runs)
        found.append(runs[0])
    assert not np.array_equal(*found)


def test_permuted_codes_keep_every_picture_apart():
    rng = np.random.default_rng(1)
    codes, parts = rng.integers(0, 3, 60), np.repeat([0, 1, 2], 20)
    mixed = permuted_codes(codes, parts, 50, rng)
    for part in range(3):
        here = parts == part
        wanted = np.bincount(codes[here], minlength=3)
        assert all(np.array_equal(np.bincount(c, minlength=3), wanted) for c in mixed[here].T)
    assert len(np.unique(mixed, axis=1).T) == 50


def test_what_a_population_cannot_use_is_refused():
    family, graph = world("ising")
    fixed, _ = world("ising", fixed=True)
    rng = np.random.default_rng(1)
    start = np.zeros(9)
    for chosen, options, words in (
        (family, {"dynamics": "wolff"}, "dynamics must be one of"),
        (family, {"offset": np.zeros(9)}, "offset must have shape"),
        (family, {"offset": np.full((9, 2), -np.inf)}, "offset must hold finite"),
        (family, {"extra": np.zeros((9, 2))}, "extra must have shape"),
        (fixed, {}, "parts must say"),
        (fixed, {"parts": np.zeros(8)}, "parts must have shape"),
        (family, {"sites": np.array([9])}, "sites must lie"),
    ):
        with pytest.raises(InputError, match=words):
            make_population(chosen, graph, start, 4, rng, **options)
    for wrong, words in ((np.full(9, 2), "from 0 to 1"), (np.zeros(8), "start must have shape")):
        with pytest.raises(InputError, match=words):
            make_population(family, graph, wrong, 4, rng)
    with pytest.raises(InputError, match="n_replicas"):
        make_population(family, graph, start, 0, rng)
    copies = make_population(family, square_lattice((3, 3), periodic=False), start, 4, rng)
    for wrong in (np.zeros(3), np.zeros((3, 2)), [0.0, np.nan]):
        with pytest.raises(InputError, match="natural must be finite"):
            copies.sweep(wrong, 1)
