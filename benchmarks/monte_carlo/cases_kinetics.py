"""Kinetic Monte Carlo and the driven line against their C twins: equal arrays, equal lanes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.monte_carlo.harness import Case, compile_c
from physlearn.lattice_models import Ising, square_lattice, triangular_lattice
from physlearn.lattice_models.kinetics.event_kernels import run_events
from physlearn.lattice_models.kinetics.event_rates import BeamSchedule, HopRates, Transformation
from physlearn.lattice_models.kinetics.event_run import EventRun, empty_log
from physlearn.lattice_models.kinetics.hopping import _hop_run
from physlearn.lattice_models.kinetics.transformations import _change_run
from physlearn.lattice_models.random_numbers import ziggurat_tables
from physlearn.lattice_models.walls.driven_line_kernels import line_steps
from physlearn.lattice_models.walls.pinning import random_landscape

WHOLE = (
    "n_sites", "q", "n_classes", "dimension", "n_changes", "n_strengths", "n_parts",
    "dose_columns", "n_levels", "n_particles", "room", "rule", "n_ways",
)  # fmt: skip
POINTERS = (
    "ways", "shift", "numbers", "kinds", "strengths", "near", "site_energy", "pair_energy",
    "links", "weight", "starts", "doses", "sites", "local", "rate", "share", "tree", "level",
    "touched", "winding", "clock", "count", "lanes", "log_time", "log_row",
)  # fmt: skip


class TwinRun(ctypes.Structure):
    """The arguments of the C twin."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in WHOLE),
        ("period", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in POINTERS),
    ]


def twin_of(run: EventRun) -> tuple[TwinRun, list[np.ndarray]]:
    """The C form of a run, and the arrays that must live as long as it does."""
    log = empty_log(0)
    arrays = [
        *run.hops, *run.changes, *run.energies[1:], run.schedule.start, run.schedule.dose,
        *run.state, *log,
    ]  # fmt: skip
    state, hops = run.state, run.hops
    sizes = (
        len(state.local), state.local.shape[1] - 1, hops.numbers.shape[1], hops.shift.shape[1],
        len(run.changes.kinds), run.changes.strengths.shape[1], len(run.schedule.start),
        run.schedule.dose.shape[1], len(state.level), len(state.winding), 0,
        run.energies.rule, len(hops.ways),
    )  # fmt: skip
    assert all(array.flags.c_contiguous for array in arrays)
    return TwinRun(*sizes, run.schedule.period, *(a.ctypes.data for a in arrays)), arrays


def contenders(make: Callable[[], EventRun], interval_s: float) -> tuple[dict, Callable[[], None]]:
    """Both contenders over equal runs, and the check that they stay equal to the bit."""
    library = compile_c("hopping")
    library.run_events.argtypes = [ctypes.POINTER(TwinRun), ctypes.c_double]
    library.run_events.restype = ctypes.c_bool
    ours, theirs = make(), make()
    log = empty_log(0)
    twin, arrays = twin_of(theirs)
    ends = {"physlearn": 0.0, "C": 0.0}
    ours.state.counts[7] = theirs.state.counts[7] = 1 << 62

    def physlearn() -> int:
        before = ours.state.counts[2]
        ends["physlearn"] += interval_s
        run_events(
            ours.hops, ours.changes, ours.energies, ours.state, ours.schedule, ends["physlearn"],
            log,
        )  # fmt: skip
        return int(ours.state.counts[2] - before)

    def c() -> int:
        assert arrays
        before = theirs.state.counts[2]
        ends["C"] += interval_s
        library.run_events(ctypes.byref(twin), ends["C"])
        return int(theirs.state.counts[2] - before)

    def check() -> None:
        for _ in range(3):
            assert physlearn() == c() > 0
        for name, mine, other in zip(ours.state._fields, ours.state, theirs.state, strict=True):
            assert np.array_equal(mine, other), name

    return {"physlearn": physlearn, "C": c}, check


def hops_case(name: str, size: int, rates: HopRates, triangular: bool = False) -> Case:
    """Hops of a half-filled lattice; one event a nanosecond and particle, about."""
    graph = (triangular_lattice if triangular else square_lattice)((size, size), 2)
    start = np.random.default_rng(1).permutation(np.arange(size**2) % 2)
    start = start if rates.vacant_state == 0 else 2 * start - 1
    pair, check = contenders(
        lambda: _hop_run(rates, graph, start, [1.0], None, (), True, 2), 4e4 / (1e9 * size**2)
    )
    return Case(f"kinetics, {name} {size}", "event", None, pair, {"C": 1.1}, check=check)


def changes_case(size: int) -> Case:
    """Sites switched by a scanned beam and by their neighbours."""
    graph = square_lattice((size, size))
    grow = Transformation(0, 1, 1.0, 1.0, neighbour_state=1, neighbour_factors=(0.1, 1, 2, 3, 4))
    back = Transformation(1, 0, 1.0)
    dose = np.repeat(np.eye(4), size**2 // 4, axis=1)
    beam = BeamSchedule(dose, np.arange(4) * 0.01, 0.04)
    pair, check = contenders(
        lambda: _change_run([grow, back], graph, np.zeros(size**2), [1.0], beam, None, 2),
        4e4 / size**2,
    )
    return Case(f"kinetics, transformations {size}", "event", None, pair, {"C": 1.1}, check=check)


def _line_library(flags: tuple[str, ...]) -> Any:
    """The twin of the line's steps, compiled with flags besides the usual ones."""
    library = compile_c("driven_line", flags)
    pointer, whole, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    library.line_steps.argtypes = [
        pointer, whole, pointer, whole, real, real, real, whole, real, real, whole, pointer,
        pointer, pointer,
    ]  # fmt: skip
    library.line_steps.restype = None
    return library


def line_case(size: int, noise: float, pinned: bool) -> Case:
    """Steps of a line, with and without medium and noise."""
    # numba contracts no multiply-add: bits agree where the twin does neither
    fused, strict = (_line_library(flags) for flags in ((), ("-ffp-contract=off",)))
    medium = random_landscape(size, 1.0, 0.5, 2.0, 60.0, rng=1)
    table = medium.force_table() if pinned else np.empty((size, 0))
    steps, ziggurat = max(1, 200_000 // size), ziggurat_tables()
    lines = {
        name: {
            "u": np.zeros(size),
            "lane": np.array([3, 8], np.uint64),
            "work": np.empty((4, size)),
        }
        for name in ("physlearn", "C", "C, same bits")
    }

    def physlearn() -> None:
        mine = lines["physlearn"]
        line_steps(
            mine["u"], table, 1 / 60.0, 1.0, 0.6, 0, 0.1, noise, steps, mine["lane"], ziggurat,
            mine["work"],
        )  # fmt: skip

    def twin(name: str, library: Any) -> None:
        its = lines[name]
        library.line_steps(
            its["u"].ctypes.data, size, table.ctypes.data, table.shape[1], 1 / 60.0, 1.0, 0.6,
            0, 0.1, noise, steps, its["lane"].ctypes.data, ziggurat.ctypes.data,
            its["work"].ctypes.data,
        )  # fmt: skip

    def check() -> None:
        physlearn()
        twin("C", fused)
        twin("C, same bits", strict)
        mine, same, near = (lines[name] for name in ("physlearn", "C, same bits", "C"))
        assert mine["u"].any()
        assert np.array_equal(mine["u"], same["u"])
        assert np.array_equal(mine["lane"], same["lane"])
        assert np.array_equal(mine["lane"], near["lane"])
        assert np.allclose(mine["u"], near["u"], rtol=1e-6, atol=1e-6)

    name = f"kinetics, line of {size} points" + (", medium" if pinned else "")
    name += ", noise" if noise else ""
    contenders = {
        "physlearn": physlearn,
        "C": lambda: twin("C", fused),
        "C, same bits": lambda: twin("C, same bits", strict),
    }
    return Case(name, "point and step", steps * size, contenders, {"C": 1.1}, check=check)


def cases(quick: bool) -> list[Case]:
    """All cases; quick: small lattices only."""
    sizes = (64,) if quick else (64, 512)
    free = HopRates([0.0], 1e9)
    paired = HopRates([0.0], 1e9, hamiltonian=Ising([0.3]), vacant_state=-1)
    shells = HopRates([0.0], 1e9, hamiltonian=Ising([0.2, -0.1]), vacant_state=-1)
    found = []
    for size in sizes:
        found += [
            hops_case("hops, exclusion only, square", size, free),
            hops_case("hops, Ising, square", size, paired),
            hops_case("hops, Ising 2 shells, triangular", size, shells, triangular=True),
            changes_case(size),
        ]
    for size in (1024,) if quick else (1024, 65536):
        found += [
            line_case(size, noise, pinned) for noise in (0.0, 0.1) for pinned in (False, True)
        ]
    return found
