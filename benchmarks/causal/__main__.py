"""Measure tests, graphs, effects and counterfactuals: ``python -m benchmarks.causal --help``."""

from __future__ import annotations

from benchmarks.parts import Benchmark

CAUSAL = Benchmark(
    "causal",
    "Causes over descriptors of patches",
    {
        "independence": "Tests of conditional independence",
        "kept_out": "The same tests on worlds that were kept out of the design",
        "graphs": "Graphs",
        "effects": "Effects",
        "counterfactuals": "Counterfactuals",
        "real_data": "Public data",
    },
    "Worlds are planted with fixed seeds. Upper bound: of the share of true independences that are "
    "called dependent, one-sided, 95 % (Clopper and Pearson). Partial effect: the partial "
    "correlation given the true conditioning fields. Most that any test could have: the power that "
    "the Fisher information of the linear world leaves to a test that knows spectra, blur, offsets "
    "and noise. Undecided links count as missed. cov90: the share of 90 % intervals that hold the "
    "truth; refusals stand beside it. Times are CPU seconds of one thread.",
)

if __name__ == "__main__":
    raise SystemExit(CAUSAL.run())
