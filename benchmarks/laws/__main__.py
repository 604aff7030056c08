"""Measure laws from data: ``python -m benchmarks.laws --help``."""

from __future__ import annotations

from benchmarks.parts import Benchmark

LAWS = Benchmark(
    "laws",
    "Laws from data",
    {
        "scalar_laws": "Laws of one and two variables",
        "several_variables": "Laws of several variables with units",
        "peers": "Other tools on the same data",
        "null_data": "Data without a law",
        "dynamics": "Laws of fields",
        "ablation": "What each device adds",
        "motions": "Laws of motion",
        "filmed_motions": "Laws of motion from films",
        "walls": "Laws of walls",
        "pairs": "Laws of forces between particles",
        "drifts": "Laws of drift from tracks",
        "dynamics_peers": "PySINDy on the same films and series",
        "black_box": "A law beside black boxes",
    },
    "Unseen laws were written after the search, by someone who had not looked at it, and run once, "
    "when the design no longer changed. The fresh laws served so before and are spent. The older "
    "laws are split by the SHA-256 digest of their "
    "names; of those of one and two variables both halves have served the design by now. A law "
    "counts as found when the form, its constants refitted to the values without noise, gives "
    "these exactly, with no constant more than the law has. Every method gets the same points and "
    "the same functions (exp, log, sqrt, 1/x, squares, cubes; sin and cos, or tanh, where the law "
    "has them). cov90: the share of 90 % intervals that hold the truth; times are CPU seconds of "
    "one thread.",
)

if __name__ == "__main__":
    raise SystemExit(LAWS.run())
