"""The big problems: each case takes a size and gives what to call, what it counts, and a check.

``make(size)`` returns a ``Job``: ``call`` is timed; ``check`` turns its answer into a few words on
how good it was. Sizes are edges of square lattices, or numbers of atoms or patches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CASES", "Case", "Job"]

FIELD, COUPLING = 0.02, 0.15
SPACING, WIDTH, PEAK = 8, 1.6, 60.0
PATCH = 16


@dataclass(frozen=True)
class Job:
    """What is timed, how many things it goes through, and what its answer is worth."""

    call: Callable[[], Any]
    count: int
    check: Callable[[Any], str]


@dataclass(frozen=True)
class Case:
    """One problem at several sizes; the first one compiles and is not kept."""

    title: str
    thing: str
    make: Callable[[int], Job]
    sizes: tuple[int, ...]


def sample(size: int) -> Job:
    """Twenty sweeps of one copy, 64 sites in a word."""
    from physlearn.lattice_models import MultispinIsing

    lattice = MultispinIsing((size, size), COUPLING, FIELD, rng=1)
    return Job(lambda: lattice.sweep(20), 20 * size**2, lambda _: "")


def sample_on_graph(size: int) -> Job:
    """Build the list of bonds and draw twenty sweeps on it."""
    from physlearn.lattice_models import Ising, simulate_lattice, square_lattice

    def call() -> Any:
        graph = square_lattice((size, size))
        return simulate_lattice(
            Ising([COUPLING], FIELD), graph, method="heat_bath", burn_in=20, rng=1
        )

    return Job(call, size**2, lambda _: "")


def picture_of(size: int) -> Any:
    """Return a picture at equilibrium, shape (size, size)."""
    from physlearn.lattice_models import MultispinIsing

    lattice = MultispinIsing((size, size), COUPLING, FIELD, rng=size)
    lattice.sweep(60)
    return lattice.states().reshape(size, size)


def _scores(fit: Any) -> str:
    """Return how many of its own errors the answer is off."""
    away = [
        (float(np.mean(draws)) - truth) / float(np.std(draws))
        for draws, truth in ((fit["field"], FIELD), (fit["couplings"][:, 0], COUPLING))
    ]
    said = f"sd of J {float(np.std(fit['couplings'][:, 0])):.2g}, z of h, J "
    said += ", ".join(f"{one:+.2f}" for one in away)
    worth = fit.diagnostics.get("effective_draws")
    if worth is not None:
        said += f"; {worth:.0f} effective draws, {fit.diagnostics['sweeps']} sweeps"
    return said + ("" if not fit.warnings else f"; {len(fit.warnings)} warning(s)")


def fit_square(method: str) -> Callable[[int], Job]:
    """Fit of a picture without a list of bonds, its rim held."""

    def make(size: int) -> Job:
        from physlearn.inference import fit_large_square

        picture = picture_of(size)
        return Job(lambda: fit_large_square(picture, method=method, rng=1), size**2, _scores)

    return make


def fit_on_graph(size: int) -> Job:
    """Fit of the same picture on a list of bonds, by the pseudolikelihood."""
    from physlearn.inference import fit_lattice_hamiltonian
    from physlearn.lattice_models import square_lattice
    from physlearn.records import LatticeSnapshots

    record = LatticeSnapshots(
        picture_of(size).reshape(1, -1), square_lattice((size, size), periodic=False)
    )

    def call() -> Any:
        return fit_lattice_hamiltonian(record, 1, method="pseudolikelihood", rng=1)

    return Job(call, size**2, _scores)


def atoms(n: int) -> Job:
    """Find the columns of a square crystal with disorder, 8 pixels apart, by a joint fit."""
    from scipy.spatial import cKDTree

    from physlearn.datasets import find_atoms

    rng = np.random.default_rng(1)
    edge = round(n**0.5)
    tile = min(edge, 50)
    grid = np.stack(np.meshgrid(np.arange(tile), np.arange(tile)), -1).reshape(-1, 2)
    places = SPACING * (grid + 0.5) + rng.normal(0, 0.3, grid.shape)
    mean = np.full((tile * SPACING, tile * SPACING), 5.0, np.float32)
    for x, y in places:
        left, top = int(x) - 7, int(y) - 7
        rows = np.arange(max(top, 0), min(top + 16, len(mean)))
        columns = np.arange(max(left, 0), min(left + 16, len(mean)))
        bump = np.exp(-((rows[:, None] - y) ** 2 + (columns - x) ** 2) / (2 * WIDTH**2))
        mean[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += PEAK * bump
    times = edge // tile
    image = np.concatenate([rng.poisson(np.tile(mean, (1, times))) for _ in range(times)])
    image = image.astype(np.float64)

    def check(found: Any) -> str:
        shift = SPACING * tile
        inner = np.mod(found.positions, shift)
        gap, _ = cKDTree(places).query(inner)
        good = gap < 1.0
        return (
            f"{found.n} found of {(times * tile) ** 2}, x-rmse "
            f"{float(np.sqrt(np.mean(gap[good] ** 2) / 2)):.3f} px"
        )

    return Job(lambda: find_atoms(image, noise="poisson"), (times * tile) ** 2, check)


def rings(n: int) -> Job:
    """Bonds and rings of graphene with positions off by 4 % of a bond, in random order."""
    from physlearn.datasets import find_rings
    from physlearn.datasets.synthetic.relaxed_graphene import honeycomb
    from physlearn.records import AtomicConfiguration

    rng = np.random.default_rng(0)
    edge = round((n / 4) ** 0.5)
    places, _ = honeycomb(edge, edge)
    configuration = AtomicConfiguration(rng.permutation(places) + rng.normal(0, 0.04, places.shape))
    return Job(lambda: find_rings(configuration), configuration.n, lambda found: f"{found.n} rings")


def patches(n: int) -> Job:
    """Describe touching patches of 16 x 16 pixels of a noisy picture."""
    import xarray as xr

    from physlearn.datasets import describe_patches

    rng = np.random.default_rng(0)
    edge = PATCH * round(n**0.5)
    image = xr.DataArray(rng.poisson(20.0, (edge, edge)).astype(np.float64), dims=("y", "x"))
    return Job(
        lambda: describe_patches(image, patch_size=float(PATCH)),
        (edge // PATCH) ** 2,
        lambda table: f"{table.n_patches} patches, {len(table.columns)} columns",
    )  # fmt: skip


def _patch_table(n: int) -> Any:
    """Return a table of three smooth columns on a grid of patches; b is moved by a."""
    import pandas as pd
    from scipy.ndimage import gaussian_filter

    from physlearn.records import PatchTable

    edge = round(n**0.5)
    rng = np.random.default_rng(2)
    a, b, c = (gaussian_filter(rng.normal(size=(edge, edge)), 2.0) for _ in range(3))
    b = b + 0.3 * a
    frame = pd.DataFrame({
        name: (one / one.std()).ravel() + 0.1 * rng.normal(size=edge**2)
        for name, one in (("a", a), ("b", b), ("c", c))
    })  # fmt: skip
    y, x = np.mgrid[:edge, :edge].reshape(2, -1).astype(np.float64)
    return PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0)


def independence(n: int) -> Job:
    """Test two columns of patches for independence, given their spatial correlation."""
    from physlearn.causal.columns import prepare_columns
    from physlearn.causal.independence.choose_test import choose_test

    table = _patch_table(n)

    def call() -> Any:
        test = choose_test(table, prepare_columns(table))
        return test(0, 1), test(0, 2)

    return Job(
        call, table.n_patches,
        lambda found: f"moved: {found[0].verdict}; unrelated: {found[1].verdict}",
    )  # fmt: skip


def clusters(n: int) -> Job:
    """Divide patches of three kinds into classes."""
    from physlearn.datasets import cluster_patches

    rng = np.random.default_rng(3)
    kind = rng.integers(0, 3, n)
    values = 4.0 * np.eye(3, 12)[kind] + rng.normal(size=(n, 12))

    def check(found: Any) -> str:
        return f"{found.n_clusters} classes"

    return Job(lambda: cluster_patches(values, rng=1), n, check)


EDGES = (64, 256, 1024, 4096, 16384)
CASES: dict[str, Case] = {
    "sample": Case("20 sweeps, one bit a site", "updates", sample, (128, *EDGES[1:])),
    "sample_graph": Case("list of bonds and 20 sweeps", "sites", sample_on_graph,
                         (64, 256, 512, 1024, 2048)),
    "pseudolikelihood": Case("pseudolikelihood + sandwich, no list of bonds", "sites",
                             fit_square("pseudolikelihood"), (128, *EDGES[1:])),
    "likelihood": Case("full likelihood, 32 copies of one bit a site", "sites",
                       fit_square("likelihood"), (128, *EDGES[1:])),
    "graph_fit": Case("pseudolikelihood on a list of bonds", "sites", fit_on_graph,
                      (128, 256, 512, 1024)),
    "atoms": Case("find_atoms, joint fit", "atoms", atoms,
                  (400, 10_000, 90_000, 250_000, 1_000_000)),
    "rings": Case("find_rings from positions", "atoms", rings, (400, 10_000, 100_000, 1_000_000)),
    "patches": Case("describe_patches, its usual columns", "patches", patches,
                    (100, 1_024, 10_000, 100_489)),
    "independence": Case("spatial independence, two tests", "patches", independence,
                         (1_024, 4_096, 20_164, 100_489)),
    "clusters": Case("cluster_patches, 12 columns", "patches", clusters,
                     (500, 2_000, 20_000, 100_000)),
}  # fmt: skip
"""The first size of every case is only run to compile what it needs."""
