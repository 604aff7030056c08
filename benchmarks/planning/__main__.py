"""Measure the planner on twins: ``python -m benchmarks.planning --help``."""

from __future__ import annotations

from benchmarks.parts import Benchmark

PLANNING = Benchmark(
    "planning",
    "The next experiment: planner, plan and digital twin",
    {
        "safety": "Safety, times and files",
        "guarded": "With the guard: claims inside and outside the set",
        "unguarded": "Without the guard: shots, dose, wrong claims, calibration",
        "counterfactual": "Counterfactuals under confounding",
        "peers": "Other planners",
        "kept_out": "The world that was kept out of the design",
    },
    "Seeds are fixed and the same for all policies of a world. Cells stop in steps of 50 runs "
    "when the 95 % Wilson intervals of their shares decide their goals; the number of runs stands"
    " in the row. At most: 500 runs without the guard; with it 500 for response laws and 200 for "
    "twins, 200 and 100 of them beside random shots; 100 and 60 of every family and size outside;"
    " 300 not separable; 100 with noise or drift; 50 whole planners on twins; 500 worlds of "
    "counterfactuals, 300 of effects; 12 beside other planners; 10,000 plans. Every shot of a "
    "twin is taken on a fresh area of the same sample. Outside: truths of families that no "
    "hypothesis has, by their root mean square distance over all acts to the nearest member of "
    "any hypothesis after its parameters were refitted, in noise sd of one readout. Times are CPU"
    " seconds of one thread.",
)

if __name__ == "__main__":
    raise SystemExit(PLANNING.run())
