"""The kept-out world: run when planner and severity test no longer change, not before."""

from __future__ import annotations

from benchmarks.planning.guarded import world_checks
from benchmarks.planning.kept_out_world import kept_out_world
from benchmarks.planning.unguarded import N_TWINS, cells_of

__all__ = ["CHECKS"]

NAME = "kept out: atoms under the beam"

CHECKS = {
    f"without the guard, {NAME}": cells_of(kept_out_world, lambda: kept_out_world(8), N_TWINS),
    **world_checks(NAME, kept_out_world, lambda: kept_out_world(8)),
}
