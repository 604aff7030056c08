"""Neural posterior estimation (sbi) of field and coupling; runs in the environment of sbi.

Usage: python workers_npe.py simulations.npz results.json. The first holds ``theta`` (n, d),
``statistics`` (n, d) and ``observed`` (m, d) in units of order one; the second gets seconds of
training, seconds a picture, and mean and sd of the posterior of every picture. It is given the
sufficient statistics, which is more than a network would find for itself.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from pathlib import Path

import numpy as np


def main() -> None:
    """Train, sample, write."""
    import torch  # type: ignore[import-not-found]
    from sbi.inference import NPE  # type: ignore[import-not-found]
    from sbi.utils import BoxUniform  # type: ignore[import-not-found]

    torch.set_num_threads(1)
    torch.manual_seed(1)
    given = np.load(sys.argv[1], allow_pickle=False)
    theta, seen = (torch.as_tensor(given[k], dtype=torch.float32) for k in ("theta", "statistics"))
    low, high = theta.min(0).values, theta.max(0).values
    start = time.process_time()
    method = NPE(prior=BoxUniform(low, high), show_progress_bars=False)
    estimator = method.append_simulations(theta, seen).train()
    posterior = method.build_posterior(estimator)
    trained = time.process_time() - start
    means, sds, start = [], [], time.process_time()
    for picture in given["observed"]:
        draws = posterior.sample(
            (4000,), x=torch.as_tensor(picture, dtype=torch.float32), show_progress_bars=False
        ).numpy()
        means.append(draws.mean(0).tolist())
        sds.append(draws.std(0).tolist())
    sampled = (time.process_time() - start) / len(given["observed"])
    found = {
        "version": importlib.metadata.version("sbi"), "training_s": trained, "picture_s": sampled,
        "mean": means, "sd": sds,
    }  # fmt: skip
    Path(sys.argv[2]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
