"""Measure walls, their dynamics and Ginzburg-Landau fits: ``python -m benchmarks.walls --help``."""

from __future__ import annotations

from benchmarks.parts import Benchmark

WALLS = Benchmark(
    "walls",
    "Domain walls and Ginzburg-Landau films",
    {
        "tracking": "Walls in single frames",
        "smoothing": "The space-time prior, velocities, roughness",
        "events": "Identities and events",
        "track_dynamics": "What moves tracked walls",
        "binary_dynamics": "Walls of thresholded films",
        "wall_profiles": "The profile of a wall",
        "landau_loops": "Hysteresis loops and hierarchies",
        "field_films": "Ginzburg-Landau films",
        "field_models": "Conserved, static, user-written and live fits",
    },
    "crb: the Cramer-Rao bound; cov90: the share of 90 % intervals that hold the truth, "
    "with the number of intervals and of refusals; times are CPU seconds of one thread.",
)

if __name__ == "__main__":
    raise SystemExit(WALLS.run())
