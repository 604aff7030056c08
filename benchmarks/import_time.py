"""What `import physlearn` costs beside `import numpy, xarray`: interleaved medians, in seconds.

Run: python benchmarks/import_time.py
"""

import statistics
import subprocess
import sys
import time

STATEMENTS = {
    "import numpy, xarray": "import numpy, xarray",
    "import physlearn": "import physlearn",
    "import physlearn.records": "import physlearn.records",
    "import numba": "import numba",
    "from physlearn.lattice_models import simulate_lattice": (
        "from physlearn.lattice_models import simulate_lattice"
    ),
}
REPEATS = 7


def seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(REPEATS):
        for name, statement in STATEMENTS.items():
            times[name].append(seconds(statement))
    reference = statistics.median(times["import numpy, xarray"])
    print(f"{'statement':<55}{'median s':>10}{'min':>8}{'max':>8}{'beyond numpy, xarray':>22}")
    for name, values in times.items():
        median = statistics.median(values)
        print(
            f"{name:<55}{median:>10.3f}{min(values):>8.3f}{max(values):>8.3f}"
            f"{median - reference:>+22.3f}"
        )


if __name__ == "__main__":
    main()
