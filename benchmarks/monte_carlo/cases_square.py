"""The square lattice colour by colour: one byte a site, and 64 sites a word."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.monte_carlo.harness import Case, Peer, compile_c, times_faster
from physlearn.lattice_models.checkerboard import CheckerboardIsing
from physlearn.lattice_models.ising_torus import kaufman_torus
from physlearn.lattice_models.multispin import MultispinIsing

COUPLING = 0.4406868  # critical
LARGEST_PEER = 1024  # a minute to reach equilibrium beyond
Sampler = CheckerboardIsing | MultispinIsing


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def energy_per_bond(lattice: Sampler) -> float:
    grid = lattice.states().reshape(lattice.shape).astype(np.int64)
    return float((grid * (np.roll(grid, 1, 0) + np.roll(grid, 1, 1))).mean() / 2)


def quality(lattice: Sampler) -> Callable[[], Mapping[str, float]]:
    def figures() -> Mapping[str, float]:
        torus = kaufman_torus(lattice.shape, COUPLING)
        n = lattice.shape[0] * lattice.shape[1]
        return {
            "mean_of_bonds": energy_per_bond(lattice),
            "exact": -torus.energy / (2 * n * COUPLING),
            "exact_sd_of_one_picture": float(np.sqrt(torus.energy_variance)) / (2 * n * COUPLING),
        }

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


def case(name: str, make: Callable[[], Sampler], sweeps: int, **options: Any) -> Case:
    ours, theirs = make(), make()
    in_c = twin(theirs)
    size = ours.shape[0]
    contenders: dict[str, Any] = {
        "physlearn": lambda: ours.sweep(sweeps),
        "C": lambda: in_c(sweeps),
    }
    if size <= LARGEST_PEER:
        contenders["mcising"] = Peer("mcising", "square", {"size": size, "couplings": [COUPLING]})
    contenders |= options.get("others", {})
    return Case(
        name=f"{name} {size} x {size}",
        unit="spin update",
        work=float(sweeps * size**2),
        contenders=contenders,
        target=options.get("target", {}),
        check=same_states(make),
        quality=quality(ours),
    )


def cases(quick: bool) -> list[Case]:
    found = []
    for size in (256,) if quick else (64, 128, 256, 1024, 4096):
        sweeps = max(1, 20_000_000 // size**2)
        target = {"C": 1.1, "mcising": times_faster(16)} if size >= 256 else {}
        if size > LARGEST_PEER:
            target.pop("mcising")

        def bytes_lattice(size: int = size, method: str = "metropolis") -> CheckerboardIsing:
            return CheckerboardIsing((size, size), COUPLING, method=method, rng=1)

        found.append(case("checkerboard, one byte a site,", bytes_lattice, sweeps, target=target))
        if size % 128:
            continue
        for method in ("metropolis", "heat_bath"):
            bytewise = bytes_lattice(method=method)

            def words_lattice(size: int = size, method: str = method) -> MultispinIsing:
                return MultispinIsing((size, size), COUPLING, method=method, rng=1)

            target = {"one byte a site": times_faster(2)} if size >= 256 else {}
            if method == "metropolis" and size >= 256:
                target["C"] = 1.1
                if size <= LARGEST_PEER:
                    target["mcising"] = times_faster(50)
            other = {"one byte a site": lambda b=bytewise, n=sweeps: b.sweep(n)}
            found.append(
                case(f"multi-spin {method}", words_lattice, sweeps, target=target, others=other)
            )
    return found
