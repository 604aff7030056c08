"""Measure pair forces, hops and beam rates: ``python -m benchmarks.forces --help``."""

from __future__ import annotations

from benchmarks.parts import Benchmark

FORCES = Benchmark(
    "forces",
    "Force fields, hops and beam damage",
    {
        "snapshots": "Pair potentials from snapshots",
        "snapshot_likelihood": "The whole likelihood of a snapshot",
        "crystal_fluctuations": "Force constants of crystals",
        "overdamped_motion": "Pair forces from overdamped motion",
        "noisy_motion": "Localisation noise, blur, gaps, and the guard",
        "force_maps": "Underdamped motion, force fields and diffusion in space",
        "computed_structures": "Potentials from computed forces",
        "event_rates": "Hops and beam-driven changes",
    },
    "crb: the Cramer-Rao bound; cov90: the share of 90 % intervals that hold the truth, "
    "with the number of intervals and of refusals; times are CPU seconds of one thread.",
)

if __name__ == "__main__":
    raise SystemExit(FORCES.run())
