"""Figures and tables of the pages: ``python docs/figures.py [name ...]``.

Physics is simulated anew with fixed seeds; speeds and comparisons with oracles are read from
benchmarks/results. A figure whose results or public file is not there is named and left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import figures_from_results as measured
import matplotlib
from figures_atoms import ATOM_FIGURES
from figures_envelope import envelope_figure
from figures_forces import FORCE_FIGURES
from figures_gallery import gallery_figure
from figures_laws import LAW_FIGURES
from figures_patches import PATCH_FIGURES
from figures_physics import ising_figure
from figures_planning import PLANNING_FIGURES
from figures_plots import plots_figure
from figures_prediction import prediction_figure
from figures_scale import scale_figure
from figures_spatial import spatial_figure
from figures_walls import WALL_FIGURES
from matplotlib.figure import Figure
from rich.console import Console
from tables import fill

from physlearn.report.drawing import STYLE

HERE = Path(__file__).parent
DOTS_PER_INCH = 200


FIGURES: dict[str, Callable[[], Figure]] = {
    "ising": ising_figure,
    "gallery": gallery_figure,
    "envelope": envelope_figure,
    **ATOM_FIGURES,
    **PATCH_FIGURES,
    **WALL_FIGURES,
    **FORCE_FIGURES,
    **LAW_FIGURES,
    **PLANNING_FIGURES,
    "oracles": measured.oracle_figure,
    "speed": measured.speed_figure,
    "scaling": measured.scaling_figure,
    "scale": scale_figure,
    "independent": measured.independent_figure,
    "prediction": prediction_figure,
    "plots": plots_figure,
    "spatial": spatial_figure,
}


def main() -> int:
    """Draw the figures that are asked for, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(FIGURES))
    parser.add_argument("--out", type=Path, default=HERE / "figures")
    chosen = parser.parse_args()
    names = chosen.names or list(FIGURES)
    if unknown := sorted(set(names) - set(FIGURES)):
        parser.error(f"unknown figure {', '.join(unknown)}; known: {', '.join(FIGURES)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    left_out = 0
    console = Console(highlight=False)
    for name in names:
        begun = time.perf_counter()
        try:
            with matplotlib.rc_context(STYLE):
                figure = FIGURES[name]()
                path = chosen.out / f"{name}.png"
                figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
        except (measured.NoResultsError, FileNotFoundError) as error:
            left_out += 1
            console.print(f"{name}: left out; {error}")
            continue
        console.print(f"{path} ({time.perf_counter() - begun:.0f} s)")
    if not chosen.names:
        for name in fill():
            left_out += 1
            console.print(f"table {name}: left out; its results are absent")
    return int(left_out > 0)


if __name__ == "__main__":
    sys.exit(main())
