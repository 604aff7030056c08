"""Speed of the Monte Carlo core beside C twins and other packages; quality beside time.

Importing this package fixes every library to one thread, before any of them is imported.
"""

import os

ONE_THREAD = dict.fromkeys(
    ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
     "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS"),
    "1",
)  # fmt: skip
"""Without these a library spins on idle threads, and process CPU time counts the spinning."""

os.environ.update(ONE_THREAD)
