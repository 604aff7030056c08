"""Other planners on the world of response laws, where they can be installed and asked."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from benchmarks.planning.cells import row

__all__ = ["CHECKS"]

PEERS = {
    "discopt-doe": "criteria that tell models apart, for models written in its own algebra",
    "blop": "optimises a readout; takes no hypotheses to tell apart",
    "gpax": "Gaussian processes with mean functions; proposes where to measure next",
}


def _peers(quick: bool) -> list[dict[str, Any]]:
    del quick  # nothing is drawn
    rows = []
    for name, does in PEERS.items():
        try:
            measured = f"version {importlib.metadata.version(name)} is here: not asked yet; {does}"
        except importlib.metadata.PackageNotFoundError:
            measured = f"not installed; {does}"
        rows.append(row(name, measured))
    return rows


CHECKS = {"other planners": _peers}
