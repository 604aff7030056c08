"""Other random numbers for every test and benchmark, to see which results hung on lucky seeds.

``PHYSLEARN_FRESH_SEEDS=1 pytest ...`` and ``PHYSLEARN_FRESH_SEEDS=1 python -m benchmarks.walls``:
each seed is joined with that number. 0, or nothing, leaves the seeds as they are written.
"""

import os

import numpy as np

VARIABLE = "PHYSLEARN_FRESH_SEEDS"


def install() -> int:
    """Replace NumPy's `default_rng` by one that joins its seed with the variable's number."""
    salt = int(os.environ.get(VARIABLE) or 0)
    if salt == 0:
        return 0
    plain = np.random.default_rng
    if hasattr(plain, "joins"):
        return salt  # tests import benchmarks, which install it too: once is enough

    def default_rng(seed=None):
        default_rng.seeded += seed is not None
        salt = default_rng.joins
        if salt == 0:
            return plain(seed)
        if isinstance(seed, np.random.SeedSequence):
            words = [int(word) for word in np.atleast_1d(seed.entropy)]
            seed = np.random.SeedSequence([*words, salt], spawn_key=seed.spawn_key)
        elif seed is not None and not isinstance(
            seed, (np.random.Generator, np.random.BitGenerator)
        ):
            seed = [*(int(word) for word in np.atleast_1d(seed)), salt]
        return plain(seed)

    default_rng.joins = (
        salt  # what runs many salts in one process (tools/try_seeds.py) sets it anew
    )
    default_rng.seeded = 0
    np.random.default_rng = default_rng
    return salt
