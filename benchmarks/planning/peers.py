"""Other planners on the world of response laws, where they can be installed and asked.

They live in an environment of their own: its Python is named by the environment variable
PHYSLEARN_PEERS_PYTHON (``pip install discopt-doe blop gpax``).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.planning.campaigns import ORACLE, POLICIES, policies_of, unguarded_run
from benchmarks.planning.cells import row, said_share
from benchmarks.planning.worlds import Floats, Truth, World, inside, world_of_laws
from physlearn.causal.policies.belief import Belief

__all__ = ["CHECKS"]

WORKER = Path(__file__).with_name("worker_discopt.py")
VARIABLE = "PHYSLEARN_PEERS_PYTHON"
N_RUNS = 12
OTHERS = {
    "blop": "optimises a readout; takes no hypotheses that are to be told apart",
    "gpax": "Gaussian processes with mean functions; proposes where to measure next",
}


class DiscoptWorker:
    """The discrimination criteria of discopt-doe, asked over a pipe."""

    def __init__(self, python: str, criterion: str, world: World) -> None:
        self._world, self._parameters = world, world.parameters()
        self._pipe = subprocess.Popen(
            [python, str(WORKER), criterion], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.seconds = 0.0
        """CPU seconds of all answers."""

    def close(self) -> None:
        """End the process."""
        self._pipe.communicate()

    def __call__(self, belief: Belief, truth: Truth) -> Floats:
        """Return the criterion at every act, from the belief's estimates and their covariance."""
        del truth  # nobody tells it
        shares, models = np.exp(belief.log_weights), []
        for k, drawn in enumerate(self._parameters):
            own = shares[belief.hypothesis == k]
            own = own / own.sum() if own.sum() > 0 else np.full(len(own), 1.0 / len(own))
            mean = own @ drawn
            spread = np.cov(drawn.T, aweights=own, ddof=0) + np.diag(1e-6 * np.ptp(drawn, axis=0))
            models.append({"estimate": mean.tolist(), "fim": np.linalg.inv(spread).tolist()})
        acts = [(act.number("bias_V"), act.dose) for act in self._world.actions]
        asked = {"models": models, "weights": belief.weights.tolist(), "acts": acts}
        assert self._pipe.stdin is not None
        assert self._pipe.stdout is not None
        self._pipe.stdin.write(json.dumps(asked) + "\n")
        self._pipe.stdin.flush()
        answer = json.loads(self._pipe.stdout.readline())
        self.seconds += answer["seconds"]
        return np.array(answer["values"])


def _discopt(criterion: str) -> Callable[[bool], list[dict[str, Any]]]:
    def check(quick: bool) -> list[dict[str, Any]]:
        python, name = os.environ.get(VARIABLE), f"discopt-doe, criterion {criterion}"
        if python is None:
            return [row(name, f"not installed (no {VARIABLE})")]
        world, n = world_of_laws(), 1 if quick else N_RUNS
        prior, worker = world.belief(), DiscoptWorker(python, criterion, world)
        rules: dict[str, Any] = {
            name: worker, "information": POLICIES["information"],
            ORACLE: policies_of(world)[ORACLE],
        }  # fmt: skip
        rows = []
        for rule, policy in rules.items():
            began, before = time.process_time(), worker.seconds
            runs = [unguarded_run(world, prior, inside(world, s), policy, s) for s in range(n)]
            spent = time.process_time() - began + worker.seconds - before
            claims, shots = sum(run.claimed for run in runs), sum(run.shots for run in runs)
            rows.append(
                row(
                    rule if rule == name else f"{rule}, the same runs as {name}",
                    f"claims {claims} of {n}, shots {shots / n:.2f}, wrong "
                    f"{said_share(sum(run.wrong for run in runs), claims)} claims, "
                    f"{spent / max(shots, 1):.2f} CPU s a shot",
                )
            )
        worker.close()
        return rows

    return check


def _others(quick: bool) -> list[dict[str, Any]]:
    del quick  # nothing is drawn
    python, rows = os.environ.get(VARIABLE), []
    for name, does in OTHERS.items():
        if python is None:
            rows.append(row(name, f"not installed (no {VARIABLE}); {does}"))
            continue
        done = subprocess.run(
            [python, "-c", f"import {name}"], capture_output=True, text=True, check=False
        )
        said = done.stderr.strip().splitlines()[-1].split(" (")[0] if done.returncode else ""
        here = f"does not import ({said})" if said else "imports"
        rows.append(row(name, f"{here}; not asked: {does}"))
    return rows


CHECKS = {
    "discopt-doe, Buzzi-Ferraris": _discopt("BF"),
    "discopt-doe, Jensen-Renyi": _discopt("JR"),
    "other planners": _others,
}
