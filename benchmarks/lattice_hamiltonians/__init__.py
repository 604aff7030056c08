"""Time and quality of lattice Hamiltonians from snapshots, beside other ways to get them."""

from benchmarks.monte_carlo import ONE_THREAD

__all__ = ["ONE_THREAD"]
