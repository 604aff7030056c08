"""What a camera sees of a field: frames that drift, are blurred, and miss pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fields.frame_kernels import filter_frames, spread_frames

__all__ = ["FieldFrames", "shift_taps"]

Floats = NDArray[np.float64]

HALF_WIDTH = 4  # of the filters, pixels: 1.5e-3 of a wall of width 1.7 pixels
SMOOTH = 0.7  # reach of a field's waves, radian per pixel, for which the filters are best
WHITE = 1e-7
TONES = 128
STEP = 1e-4


def shift_taps(shift: Floats, blur: float, reach: int) -> Floats:
    """Return filters (n, 2 reach + 1) that shift by up to half a pixel and blur.

    ``out(j) = sum over k of taps[k] in(j + k - reach)`` moves a picture by ``+ shift`` and blurs it
    with a Gaussian of standard deviation ``blur`` (pixels), with the least error for fields of
    power ``exp(-(k / SMOOTH)^2)``.
    """
    tone = (np.arange(TONES) + 0.5) * np.pi / TONES
    power = np.exp(-((tone / SMOOTH) ** 2)) + WHITE
    place = np.arange(-reach, reach + 1)
    own = np.cos((place[:, None, None] - place[None, :, None]) * tone) @ power
    moved = place + np.asarray(shift, dtype=float)[:, None]
    wanted = np.cos(moved[..., None] * tone) @ (power * np.exp(-0.5 * (blur * tone) ** 2))
    result: Floats = np.ascontiguousarray(np.linalg.solve(own, wanted.T).T)
    return result


@dataclass(eq=False)
class FieldFrames:
    """Measured frames and how a model's frames become comparable with them.

    Attributes
    ----------
    values
        (n_frames, n_rows, n_columns), zero where not seen.
    weights
        1 where seen, 0 where not.
    times
        Of the frames.
    pixel_size
        (dx, dy).
    margin
        Cells that the model's grid is wider on every side.
    mirror
        Whether the model's outer edge mirrors (or goes on periodically).
    nuisances
        Names out of ``drift_x`` and ``drift_y`` (length / time), fitted along with the model's
        parameters.
    psf_width
        Standard deviation of the blur.
    """

    values: Floats
    weights: Floats
    times: Floats
    pixel_size: tuple[float, float]
    margin: int = 0
    mirror: bool = False
    nuisances: tuple[str, ...] = ()
    psf_width: float = 0.0
    taps: dict[str, Floats] = field(default_factory=dict)
    cells: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Frames with a pixel that was seen."""
        return np.asarray(self.weights.any(axis=(1, 2)))

    @property
    def n_seen(self) -> int:
        """Pixels that were seen, in all frames."""
        return int(self.weights.sum())

    @property
    def shape(self) -> tuple[int, int]:
        """Of the model's grid."""
        return (self.values.shape[1] + 2 * self.margin, self.values.shape[2] + 2 * self.margin)

    def place(self, nuisance: Floats) -> None:
        """Build the filters for these values of the nuisances."""
        given = dict(zip(self.nuisances, np.asarray(nuisance, dtype=float), strict=True))
        width = self.psf_width
        blurred = int(np.ceil(3.5 * width / min(self.pixel_size))) + 1 if width > 0 else 0
        reach = 0 if not given and width == 0 else HALF_WIDTH + blurred
        for axis, size, pixel in (("x", self.values.shape[2], self.pixel_size[0]),
                                  ("y", self.values.shape[1], self.pixel_size[1])):  # fmt: skip
            shift = given.get(f"drift_{axis}", 0.0) * (self.times - self.times[0]) / pixel
            whole = np.round(shift)
            part, blur = shift - whole, width / pixel
            if reach == 0:
                self.taps[axis] = np.ones((self.times.size, 1))
            else:
                self.taps[axis] = shift_taps(part, blur, reach)
                rate = (self.times - self.times[0])[:, None] / pixel
                ahead, back = (shift_taps(part + h, blur, reach) for h in (STEP, -STEP))
                self.taps[f"drift_{axis}"] = rate * (ahead - back) / (2 * STEP)
            first = self.margin - reach - whole.astype(np.int64)
            index = first[:, None] + np.arange(size + 2 * reach)
            self.cells[axis] = self._wrapped(index, size + 2 * self.margin)

    def _wrapped(self, index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Which cell stands at an index beyond the edge."""
        if not self.mirror:
            return np.ascontiguousarray(index % length)
        folded = index % (2 * length)
        return np.ascontiguousarray(np.where(folded < length, folded, 2 * length - 1 - folded))

    def observe(self, frames: Floats, taps_y: str = "y", taps_x: str = "x") -> Floats:
        """Return what the camera sees of frames (m, n_frames, ...), zero where it saw nothing."""
        found = np.empty((len(frames), *self.values.shape))
        if self._plain:
            m = self.margin
            rows, columns = self.values.shape[1:]
            np.multiply(frames[:, :, m : m + rows, m : m + columns], self.weights, out=found)
            return found
        for one, target in zip(frames, found, strict=True):
            filter_frames(one, self.cells["y"], self.cells["x"], self.taps[taps_y],
                          self.taps[taps_x], self.seen, target)  # fmt: skip
            target *= self.weights
        return found

    def spread(self, forces: Floats) -> Floats:
        """Return the transpose of ``observe``."""
        forces = forces * self.weights
        shape = (len(forces), self.times.size, *self.shape)
        if self._plain:
            m = self.margin
            if m == 0:
                return forces
            found = np.zeros(shape)
            found[:, :, m : shape[2] - m, m : shape[3] - m] = forces
            return found
        found = np.empty(shape)
        for one, target in zip(forces, found, strict=True):
            spread_frames(one, self.cells["y"], self.cells["x"], self.taps["y"], self.taps["x"],
                          self.seen, target)  # fmt: skip
        return found

    def columns(self, frames: Floats) -> Floats:
        """Return the change of the seen frames by each nuisance, (n_nuisances, n_frames, ...)."""
        found = np.zeros((len(self.nuisances), *self.values.shape))
        for index, name in enumerate(self.nuisances):
            taps = ("y", name) if name == "drift_x" else (name, "x")
            found[index] = self.observe(frames[None], *taps)[0]
        return found

    @property
    def _plain(self) -> bool:
        return bool(self.taps["x"].shape[1] == 1)
