"""Which pictures are fitted: model, size, distance from the transition, faults of the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    Potts,
    critical_coupling,
    remove_sites,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.records import LatticeSnapshots

__all__ = ["CASES", "Case"]

CRITICAL = float(critical_coupling("square"))
TRIANGULAR = (0.12, -0.05, 0.03)


@dataclass(frozen=True)
class Case:
    """Pictures of one kind, and how they are fitted.

    Attributes
    ----------
    name
        Unique.
    make
        Seed -> picture.
    n_shells
        Fitted shells.
    truth
        The parameters in the order of the posterior's variables, where one picture can tell them.
    pictures
        How many are fitted.
    options
        Further arguments of ``fit_lattice_hamiltonian``.
    target_s
        CPU seconds of one thread that the median shall stay below.
    """

    name: str
    make: Callable[[int], LatticeSnapshots]
    n_shells: int
    truth: tuple[float, ...]
    pictures: int
    options: dict[str, Any] = field(default_factory=dict)
    target_s: float | None = None


def ising(size: int, share: float, field_value: float) -> Callable[[int], LatticeSnapshots]:
    """Square lattice, nearest neighbours, at a share of the critical coupling."""

    def make(seed: int) -> LatticeSnapshots:
        method = "swendsen_wang" if 0.85 < share < 1.2 else "auto"
        return simulate_lattice(
            Ising([share * CRITICAL], field_value), square_lattice((size, size)),
            method=method, burn_in=400, rng=seed,
        )  # fmt: skip

    return make


def any_model(model: Any, graph: Any, method: str = "heat_bath") -> Callable[[int], Any]:
    """One picture of a model on a graph."""
    start = np.resize([1, -1, -1], graph.n_sites) if method == "kawasaki" else None
    return lambda seed: simulate_lattice(
        model, graph, method=method, burn_in=600, start=start, rng=seed
    )


def seen_badly(size: int) -> Callable[[int], LatticeSnapshots]:
    """A disc cut from a larger crystal, 3 % labels wrong, 5 % absent, 2 % of the sites vacant."""

    def make(seed: int) -> LatticeSnapshots:
        rng = np.random.default_rng([seed, 1])
        graph = square_lattice((size, size))
        vacant = np.flatnonzero(rng.random(graph.n_sites) < 0.02)
        holes = remove_sites(graph, vacant)
        picture = simulate_lattice(Ising([0.3], 0.03), holes, burn_in=600, rng=seed)
        away = holes.positions - holes.positions.mean(axis=0)
        outside = np.flatnonzero(np.hypot(*away.T) > 0.42 * size)
        cut = remove_sites(holes, outside)
        seen: NDArray[np.int8] = np.delete(picture.states, outside, axis=1)
        seen = np.where(rng.random(seen.shape) < 0.03, -seen, seen)
        cut = type(cut)(
            cut.n_sites, cut.edges, cut.shell, cut.multiplicity, positions=cut.positions,
            shell_radii=cut.shell_radii,
        )  # fmt: skip
        return LatticeSnapshots(seen, cut, observed=rng.random(seen.shape) > 0.05)

    return make


SHARES = (0.3, 0.6, 0.8, 0.9, 1.0, 1.05)


def cases() -> list[Case]:
    """All cases, small pictures first."""
    out = []
    for size, pictures, target in ((64, 6, 0.3), (512, 1, 2.0)):
        for share in SHARES:
            near = share > 0.85
            strength = 0.0 if near else 0.02
            out.append(
                Case(
                    f"square {size}^2, J = {share:g} Jc", ising(size, share, strength), 1,
                    (strength, share * CRITICAL), pictures,
                    target_s=1.0 if near and size == 64 else target,
                )
            )  # fmt: skip
    square, wide = square_lattice((64, 64)), square_lattice((64, 64), 2)
    triangles = triangular_lattice((64, 64), 3)
    out += [
        Case(
            "square 64^2, J1-J2", any_model(Ising([0.25, -0.08], 0.02), wide), 2,
            (0.02, 0.25, -0.08), 6,
        ),
        Case(
            "triangular 64^2, 3 shells", any_model(Ising(TRIANGULAR, 0.02), triangles), 3,
            (0.02, *TRIANGULAR), 6,
        ),
        Case(
            "triangular 512^2, 3 shells",
            lambda seed: any_model(
                Ising(TRIANGULAR, 0.02), triangular_lattice((512, 512), 3)
            )(seed), 3, (0.02, *TRIANGULAR), 1, target_s=5.0,
        ),
        Case(
            "square 64^2, Potts q = 3", any_model(Potts(3, [0.6]), square), 1, (), 6,
            {"model": "potts"},
        ),
        Case(
            "square 64^2, Blume-Capel", any_model(BlumeCapel([0.4], 0.3, 0.02), square), 1, (), 6,
        ),
        Case(
            "square 64^2, J1-J2, fixed composition",
            any_model(Ising([0.25, -0.08]), wide, "kawasaki"), 2, (0.25, -0.08), 6,
            {"composition": "fixed"},
        ),
        Case(
            "square 64^2, disc, 3 % flips unknown, 5 % unlabelled, vacancies", seen_badly(64), 1,
            (0.03, 0.3), 4, {"label_noise": "unknown"},
        ),
    ]  # fmt: skip
    return out


CASES = cases()
