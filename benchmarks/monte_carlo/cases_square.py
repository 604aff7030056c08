"""The square lattice colour by colour: one byte a site, and 64 sites a word."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.monte_carlo.harness import Case, Peer, compile_c, times_faster
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.samplers.checkerboard import CheckerboardIsing
from physlearn.lattice_models.samplers.multispin import MultispinIsing

COUPLING = 0.4406868  # critical
LARGEST_QUALITY = 256  # equilibrium takes size ** 2.17 sweeps
LARGEST_PEER = 1024  # a minute to reach equilibrium beyond
Sampler = CheckerboardIsing | MultispinIsing


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def energy_per_bond(lattice: Sampler) -> float:
    grid = lattice.states().reshape(lattice.shape).astype(np.int64)
    return float((grid * (np.roll(grid, 1, 0) + np.roll(grid, 1, 1))).mean() / 2)


def quality(lattice: Callable[[], Sampler]) -> Callable[[], Mapping[str, float]]:
    """The energy of one picture after many sweeps, in standard deviations of such a picture."""

    def figures() -> Mapping[str, float]:
        lattice().sweep(20_000)
        shape = lattice().shape
        torus = kaufman_torus(shape, COUPLING)
        energy = -2 * shape[0] * shape[1] * COUPLING * energy_per_bond(lattice())
        return {"energy_z": (energy - torus.energy) / float(np.sqrt(torus.energy_variance))}

    return figures


def twin(lattice: Sampler) -> Callable[[int], None]:
    """Sweep a sampler of ours by the C twin, on its own arrays."""
    c = compile_c("square")
    rows, wide = lattice._even.shape

    def bytes_sweep(n: int) -> None:
        assert isinstance(lattice, CheckerboardIsing)
        c.checkerboard_sweeps(
            pointer(lattice._even), pointer(lattice._odd), ctypes.c_int64(rows),
            ctypes.c_int64(wide - 2), pointer(lattice._thresholds), pointer(lattice._lanes),
            ctypes.c_int64(len(lattice._lanes)), ctypes.c_int64(n),
        )  # fmt: skip

    def words_sweep(n: int) -> None:
        assert isinstance(lattice, MultispinIsing)
        getattr(c, f"multispin_{lattice.method}_sweeps")(
            pointer(lattice._even), pointer(lattice._odd), ctypes.c_int64(rows - 2),
            ctypes.c_int64(wide - 2), pointer(lattice._table), pointer(lattice._lanes),
            ctypes.c_int64(n),
        )  # fmt: skip

    return bytes_sweep if isinstance(lattice, CheckerboardIsing) else words_sweep


def same_states(make: Callable[[], Sampler]) -> Callable[[], None]:
    def check() -> None:
        ours, theirs = make(), make()
        ours.sweep(7)
        twin(theirs)(7)
        for name, array in ours.arrays().items():
            assert np.array_equal(array, theirs.arrays()[name]), name

    return check


def case(
    name: str,
    size: int,
    make: Callable[[], Sampler],
    target: Mapping[str, float],
    others: Mapping[str, Callable[[], object]] | None = None,
) -> Case:
    """One sampler beside its twin; lattices are made when the case begins."""
    sweeps = sweeps_of(size)
    ours, in_c = cache(make), cache(lambda: twin(make()))
    contenders: dict[str, Any] = {
        "physlearn": lambda: ours().sweep(sweeps),
        "C": lambda: in_c()(sweeps),
    }
    if size <= LARGEST_PEER:
        contenders["mcising"] = Peer("mcising", "square", {"size": size, "couplings": [COUPLING]})
    return Case(
        name=f"{name} {size} x {size}",
        unit="spin update",
        work=float(sweeps * size**2),
        contenders=contenders | dict(others or {}),
        target={k: v for k, v in target.items() if k in contenders or k in (others or {})},
        check=same_states(make),
        quality=quality(ours) if size <= LARGEST_QUALITY else None,
    )


def sweeps_of(size: int) -> int:
    return max(1, 20_000_000 // size**2)


def size_cases(size: int) -> list[Case]:
    large = size >= 256
    bytewise: dict[str, Callable[[], Sampler]] = {
        method: partial(CheckerboardIsing, (size, size), COUPLING, method=method, rng=1)
        for method in ("metropolis", "heat_bath")
    }
    target = {"C": 1.1, "mcising": times_faster(16)} if large else {}
    found = [case("checkerboard, one byte a site,", size, bytewise["metropolis"], target)]
    if size % 128:
        return found
    for method in ("metropolis", "heat_bath"):
        make = partial(MultispinIsing, (size, size), COUPLING, method=method, rng=1)
        target = {"one byte a site": times_faster(2)} if large else {}
        if large and method == "metropolis":
            target |= {"C": 1.1, "mcising": times_faster(50)}
        other = cache(bytewise[method])
        others = {"one byte a site": lambda o=other: o().sweep(sweeps_of(size))}
        found.append(case(f"multi-spin {method}", size, make, target, others))
    return found


def cases(quick: bool) -> list[Case]:
    sizes = (256,) if quick else (64, 128, 256, 1024, 4096)
    return [one for size in sizes for one in size_cases(size)]
