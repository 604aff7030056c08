"""Worker: criteria of discopt-doe that tell models apart, for the world of response laws.

Reads one JSON object a line (models with estimate and Fisher information, their weights, acts as
bias and dose) and writes the criterion of every act and the CPU seconds that it took. Runs in the
environment of discopt-doe, so it imports nothing of this project.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import discopt.modeling as dm
import numpy as np
from discopt.doe import DiscriminationCriterion, discrimination
from discopt.estimate import Experiment, ExperimentModel

NAMES = {
    "switching": {"height": (0.3, 2.0), "middle": (1.0, 6.0), "width": (0.1, 1.5)},
    "saturating": {"height": (0.3, 2.0), "scale": (0.0, 5.0)},
    "helped": {
        "height": (0.3, 2.0), "middle": (1.0, 6.0), "width": (0.1, 1.5), "slope": (0.0, 2.0),
    },
}  # fmt: skip
NOISE = 0.15


class ResponseLaw(Experiment):
    """One of the three laws, in the algebra of discopt."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def create_model(self, **_: Any) -> ExperimentModel:
        """Return the model."""
        model = dm.Model(self.kind)
        bias = model.continuous("bias", lb=0.5, ub=6.0)
        dose = model.continuous("dose", lb=0.1, ub=30.0)
        p = {n: model.continuous(n, lb=lo, ub=hi) for n, (lo, hi) in NAMES[self.kind].items()}
        if self.kind == "saturating":
            readout = p["height"] * (1 - dm.exp(-dose * bias / dm.exp(p["scale"])))
        else:
            helped = bias + p["slope"] * dm.log(dose) if self.kind == "helped" else bias
            readout = p["height"] / (1 + dm.exp(-(helped - p["middle"]) / p["width"]))
        return ExperimentModel(
            model=model, unknown_parameters=p, design_inputs={"bias": bias, "dose": dose},
            responses={"y": readout}, measurement_error={"y": NOISE},
        )  # fmt: skip


def main() -> None:
    """Answer until the pipe is closed."""
    criterion = DiscriminationCriterion[sys.argv[1]]
    laws = {kind: ResponseLaw(kind) for kind in NAMES}
    for line in sys.stdin:
        asked, began = json.loads(line), time.process_time()
        models = dict(zip(NAMES, asked["models"], strict=True))
        estimates = {k: dict(zip(NAMES[k], m["estimate"], strict=True)) for k, m in models.items()}
        fims = {k: np.array(m["fim"]) for k, m in models.items()}
        weights = dict(zip(NAMES, asked["weights"], strict=True))
        # its function for one point takes no earlier information (0.3.0); its search does, by these
        values = []
        for bias, dose in asked["acts"]:
            predicted = discrimination._predict_all_models(
                laws, estimates, {"bias": bias, "dose": dose}, fims
            )
            value, _ = discrimination._evaluate_criterion(criterion, predicted, weights, 2000, 0)
            values.append(float(value))
        print(json.dumps({"values": values, "seconds": time.process_time() - began}), flush=True)


if __name__ == "__main__":
    main()
