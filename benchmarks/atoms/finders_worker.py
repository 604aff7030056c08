"""Worker that finds atoms with trackpy, scikit-image or atomap, in their own environments.

Tasks: ``trackpy``, ``blob_log`` and ``peak_local_max`` (scikit-image, both with a centroid
refinement), ``atomap`` (centre of mass, then two-dimensional Gaussians). Options: ``image`` (a
.npy file), ``width`` and ``spacing`` in pixels, ``threshold`` (in the tool's own unit).
``{"threshold": t}`` changes it; ``{"rough": 1}`` runs without atomap's slow Gaussians;
``{"positions": path}`` writes x, y of the last run to a .npy file.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

warnings.filterwarnings("ignore")


class Finder:
    """A picture, what the tool is told about it, and a way to find its atoms."""

    def __init__(self, task: str, options: dict[str, Any]) -> None:
        self.image = np.load(options["image"])
        self.width, self.spacing = options["width"], options["spacing"]
        self.threshold = options["threshold"]
        self.positions = np.empty((0, 2))
        self.rough = True
        self.find = {
            "trackpy": self.trackpy, "blob_log": self.blob_log,
            "peak_local_max": self.peak_local_max, "atomap": self.atomap,
        }[task]  # fmt: skip

    def run(self, rough: bool = False) -> dict[str, float]:
        """Find the atoms once; return the times."""
        self.rough = rough
        start, started = time.process_time(), time.perf_counter()
        self.positions = np.asarray(self.find(), dtype=np.float64).reshape(-1, 2)
        return {
            "cpu_s": time.process_time() - start, "wall_s": time.perf_counter() - started,
            "work": len(self.positions),
        }  # fmt: skip

    def trackpy(self) -> Any:
        """Return trackpy's iterated centroids; the feature's diameter is four widths."""
        import trackpy

        trackpy.quiet()
        diameter = 2 * round(2.0 * self.width) + 1
        found = trackpy.locate(
            # its default percentile, 64, hides weak columns between strong ones
            self.image, diameter, minmass=self.threshold,
            percentile=64 if self.threshold == 0 else 30, noise_size=0.5 * self.width,
            separation=max(0.6 * self.spacing, 2.0), engine="numba",
        )  # fmt: skip
        return found[["x", "y"]].to_numpy()

    def blob_log(self) -> Any:
        """Return centroids about the maxima of the Laplacian of Gaussians at three scales."""
        from skimage.feature import blob_log

        level = self.image - self.image.min()
        found = blob_log(
            level / level.max(), min_sigma=0.8 * self.width, max_sigma=1.25 * self.width,
            num_sigma=3, threshold=self.threshold, overlap=0.5,
        )  # fmt: skip
        return self.centroids(found[:, :2])

    def peak_local_max(self) -> Any:
        """Return centroids about the maxima of the smoothed picture."""
        from skimage.feature import peak_local_max
        from skimage.filters import gaussian

        smooth = gaussian(self.image, 0.7 * self.width, preserve_range=True)
        found = peak_local_max(
            smooth, min_distance=max(1, int(0.45 * self.spacing)), exclude_border=False,
            threshold_rel=self.threshold or None,
        )  # fmt: skip
        return self.centroids(found)

    def centroids(self, found: Any) -> Any:
        """Return the centroids (x, y) of what stands above the local minimum in a window."""
        half = max(2, int(min(1.6 * self.width, 0.5 * self.spacing)))
        out = []
        for row, column in np.round(found).astype(int):
            rows = slice(max(row - half, 0), row + half + 1)
            columns = slice(max(column - half, 0), column + half + 1)
            part = self.image[rows, columns] - self.image[rows, columns].min()
            mass = part.sum()
            if mass <= 0:
                continue
            y, x = np.mgrid[: part.shape[0], : part.shape[1]]
            out.append([columns.start + (part * x).sum() / mass,
                        rows.start + (part * y).sum() / mass])  # fmt: skip
        return out

    def atomap(self) -> Any:
        """Return atomap's positions: maxima, centre of mass, two-dimensional Gaussians."""
        import hyperspy.api as hs
        from atomap.api import Sublattice, get_atom_positions

        signal = hs.signals.Signal2D(self.image)
        places = get_atom_positions(
            signal, separation=max(2, int(0.6 * self.spacing)),
            threshold_rel=self.threshold, subtract_background=True,
        )  # fmt: skip
        if self.rough:
            return places
        lattice = Sublattice(places, image=self.image)
        lattice.find_nearest_neighbors()
        lattice.refine_atom_positions_using_center_of_mass(show_progressbar=False)
        lattice.refine_atom_positions_using_2d_gaussian(show_progressbar=False)
        return np.column_stack([lattice.x_position, lattice.y_position])


def main() -> None:
    """Answer one JSON object a line, results on the real output, chatter elsewhere."""
    answers, finder = sys.stdout, None
    # a full pipe that nobody reads would stop the worker
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115 -- to the end
    for line in sys.stdin:
        message = json.loads(line)
        try:
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                if "setup" in message:
                    finder = Finder(message["setup"]["task"], message["setup"]["options"])
                    finder.run(rough=True)  # imports and compiles
                    answer: dict[str, Any] = {"ok": True}
                elif "version" in message:
                    answer = {"version": importlib.metadata.version(message["version"])}
                elif "rough" in message:
                    answer = finder.run(rough=True)
                elif "threshold" in message:
                    finder.threshold = message["threshold"]
                    answer = {"ok": True}
                elif "positions" in message:
                    np.save(message["positions"], finder.positions)
                    answer = {"ok": True}
                else:
                    answer = finder.run()
        except Exception as error:  # whatever it was: the row says so
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
