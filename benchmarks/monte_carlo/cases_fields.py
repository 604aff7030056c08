"""Explicit Ginzburg-Landau steps: Allen-Cahn and Cahn-Hilliard, against C, copies and py-pde."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.monte_carlo.harness import Case, Late, Peer, compile_c, times_faster
from physlearn.lattice_models.compiled import kernel
from physlearn.lattice_models.fields import LandauPotential, free_energy
from physlearn.lattice_models.fields.explicit_kernels import diffuse_tiles, relax_tiles
from physlearn.lattice_models.fields.explicit_stepper import DEPTHS, tile_rooms

Real = NDArray[Any]
BEYOND_CACHE = 32 * 2**20  # bytes of one field, from which on the copy limit is a target
TIME_STEP = {"allen_cahn": 0.05, "cahn_hilliard": 0.005}
WORK = 2e7  # cell steps a call, about
QUALITY_STEPS = 40  # as in workers/pypde_worker.py


@kernel
def copy_scaled(target: Real, source: Real, factor: Any) -> None:
    """The least that a step can do: read one array, write another."""
    for i in range(target.size):
        target[i] = factor * source[i]


class Steps:
    """One field with the rooms that the steps need."""

    def __init__(self, name: str, size: int, precision: str, sextic: float, cubic: float) -> None:
        kind = np.dtype(precision)
        self.conserved = name == "cahn_hilliard"
        start = 0.1 * np.random.default_rng(0).normal(size=(size, size))
        self.field = start.astype(kind)
        rooms = tile_rooms(self.field, self.conserved)
        self.other, self.tile, self.second, self.columns = rooms
        self.depth = DEPTHS[self.conserved]
        rate = TIME_STEP[name]
        self.coefficients = np.array([rate, rate, -1.0, cubic, 1.0, sextic, 1.0, 1.0], kind)
        self.drive = np.zeros(10_000, kind)

    def ours(self, n_steps: int) -> None:
        if self.conserved:
            diffuse_tiles(self.field, self.other, self.tile, self.second, self.coefficients,
                          False, n_steps, self.depth, self.columns)  # fmt: skip
        else:
            relax_tiles(self.field, self.other, self.tile, self.second, self.coefficients,
                        self.drive, False, n_steps, self.depth, self.columns)  # fmt: skip

    def twin(self, library: Any, n_steps: int) -> None:
        name = f"{'diffuse' if self.conserved else 'relax'}_{self.field.dtype}"
        drive = [] if self.conserved else [_pointer(self.drive)]
        numbers = [ctypes.c_int64(n) for n in self.field.shape]
        tiles = [ctypes.c_int64(n) for n in self.tile.shape]
        getattr(library, name)(
            _pointer(self.field), _pointer(self.other), *numbers, _pointer(self.tile),
            _pointer(self.second), *tiles, _pointer(self.coefficients), *drive,
            ctypes.c_int64(n_steps), ctypes.c_int64(self.depth), ctypes.c_int64(self.columns),
        )  # fmt: skip

    def plain(self, library: Any, n_steps: int) -> None:
        name = f"plain_{'diffuse' if self.conserved else 'relax'}_{self.field.dtype}"
        getattr(library, name)(
            _pointer(self.field), _pointer(self.other),
            *(ctypes.c_int64(n) for n in self.field.shape), _pointer(self.coefficients),
            ctypes.c_int64(n_steps),
        )  # fmt: skip


def _pointer(array: Real) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _case(name: str, size: int, precision: str, sextic: float = 0.0, cubic: float = 0.0) -> Case:
    n_steps = max(48, int(WORK / size**2) // 48 * 48)  # whole visits of both kinds of tiles
    fused, strict = compile_c("fields"), compile_c("fields", ("-ffp-contract=off",))

    def late(run: Callable[[Steps], object]) -> Late:
        def make() -> Callable[[], object]:
            steps = Steps(name, size, precision, sextic, cubic)
            return lambda: run(steps)

        return Late(make)

    def copies() -> Callable[[], object]:
        source = np.ones(size * size, precision)
        target = np.zeros_like(source)
        factor = source.dtype.type(1.0001)

        def run() -> None:
            for _ in range(n_steps):
                copy_scaled(target, source, factor)

        return run

    def check() -> None:
        first, second = (Steps(name, min(size, 700), precision, sextic, cubic) for _ in range(2))
        first.ours(19)
        second.twin(strict, 19)
        assert np.array_equal(first.field, second.field), "the C twin's field differs"

    def quality() -> dict[str, float]:
        # the field after the same steps from the same start, as py-pde's worker gives it
        steps = Steps(name, size, precision, sextic, cubic)
        law = LandauPotential(a=-1.0, b=cubic, c=1.0, e=sextic)
        before = free_energy(steps.field, law, derivative="difference")
        mean = float(steps.field.mean(dtype=float))
        steps.ours(QUALITY_STEPS)
        after = free_energy(steps.field, law, derivative="difference")
        values = steps.field.astype(float)
        return {
            "mean_shift": float(values.mean()) - mean,
            "first_value": float(values[0, 0]),
            "mean_square": float((values**2).mean()),
            "largest_value": float(np.abs(values).max()),
            "energy_change_per_cell": float(after - before) / values.size,
        }

    contenders: dict[str, Any] = {
        "physlearn": late(lambda steps: steps.ours(n_steps)),
        "C": late(lambda steps: steps.twin(fused, n_steps)),
        "C, same bits": late(lambda steps: steps.twin(strict, n_steps)),
        "C, one sweep a step": late(lambda steps: steps.plain(fused, n_steps)),
        "copy limit": Late(copies),
    }
    target = {"C": 1.1}
    if size**2 * np.dtype(precision).itemsize >= BEYOND_CACHE:
        target["copy limit"] = 1.2
    if precision == "float64" and not cubic and (not sextic or name == "allen_cahn"):
        contenders["py-pde"] = Peer(
            "py-pde", name,
            {"size": size, "time_step": TIME_STEP[name]} | ({"sextic": sextic} if sextic else {}),
        )  # fmt: skip
        target["py-pde"] = times_faster(4)
    title = name.replace("_", "-").replace("allen", "Allen").replace("cahn", "Cahn")
    title = title.replace("hilliard", "Hilliard")
    words = [w for w, there in (("cubic", cubic), ("sextic", sextic)) if there]
    return Case(
        name=f"fields, {title} {'+'.join(words) or 'quartic'} {size} {precision}",
        unit="cell step", work=float(n_steps * size**2), contenders=contenders, target=target,
        check=check, quality=quality,
    )  # fmt: skip


def cases(quick: bool) -> list[Case]:
    """Sizes inside and beyond the last cache; both precisions; the cost of the sextic."""
    if quick:
        return [_case(name, 256, "float64") for name in TIME_STEP]
    found = [_case(name, size, "float64") for name in TIME_STEP for size in (256, 1024, 2048, 4096)]
    found += [_case(name, size, "float32") for name in TIME_STEP for size in (256, 4096)]
    found += [_case("allen_cahn", size, "float64", sextic=0.1, cubic=0.1) for size in (256, 2048)]
    return found
