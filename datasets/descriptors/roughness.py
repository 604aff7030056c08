"""Roughness and anisotropy of a patch from the slopes of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.pixel_noise import PixelNoise, signal_gradients
from physlearn.datasets.descriptors.window_batch import GroupResult, WindowBatch

__all__ = ["Roughness"]

Floats = NDArray[np.float64]
N_DRAWS = 200
FEWEST_SLOPES = 8


class Roughness:
    """Root mean square slope between neighbouring pixels, less noise, and how one-sided it is.

    The structure tensor J = mean of grad I grad I^T: slope_rms^2 = J_xx + J_yy and
    anisotropy = sqrt((J_xx - J_yy)^2 + 4 J_xy^2) / (J_xx + J_yy) (Bigun and Granlund, 1987).
    """

    words = ("slope_rms", "anisotropy")
    tiers = (1, 1)
    units = ("{channel}/{length}", "1")
    takes_gaps = True

    def __init__(self, step: tuple[float, float], noise: PixelNoise | None) -> None:
        self.step = step
        self.added = np.zeros(3)
        self.lines = np.zeros(3)
        self.scatter = np.zeros(3)
        if noise is not None:
            self.scatter = _scatter(noise, step)
            box = np.zeros((2, 5, 5))
            box[0, 2, 1], box[0, 2, 3] = -0.5 / step[0], 0.5 / step[0]
            box[1, 1, 2], box[1, 3, 2] = -0.5 / step[1], 0.5 / step[1]
            even, lines = noise.power(box)
            self.added[:2], self.lines[:2] = even, lines

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        pixels, seen = batch.pixels, batch.seen
        # a slope next to a gap is nobody's
        both = (seen[:, 1:-1, 2:] * seen[:, 1:-1, :-2]) * (seen[:, 2:, 1:-1] * seen[:, :-2, 1:-1])
        gx = both * (pixels[:, 1:-1, 2:] - pixels[:, 1:-1, :-2]) * (0.5 / self.step[0])
        gy = both * (pixels[:, 2:, 1:-1] - pixels[:, :-2, 1:-1]) * (0.5 / self.step[1])
        number = both.sum(axis=(1, 2))
        few = number < FEWEST_SLOPES
        number = np.maximum(number, 1.0)
        raw = np.stack([(a * b).sum(axis=(1, 2)) / number
                        for a, b in ((gx, gx), (gy, gy), (gx, gy))], axis=1)  # fmt: skip
        noise = batch.mean_variance[:, None] * self.added + self.lines
        tensor = raw - noise
        square = tensor[:, 0] + tensor[:, 1]
        # below a share of the noise neither a slope nor its direction is known
        floor = np.maximum(0.05 * (raw[:, 0] + raw[:, 1]), 1e-300)
        slope = np.sqrt(np.maximum(square, 0.0))
        difference = tensor[:, 0] - tensor[:, 1]
        level = noise[:, 0] + noise[:, 1]
        alone = level[:, None] ** 2 * self.scatter / number[:, None]
        # noise alone has a direction too, by chance
        long = np.hypot(difference, 2.0 * tensor[:, 2])
        apart = np.sqrt(np.maximum(long**2 - alone[:, 1] - alone[:, 2], 0.0))
        total = np.maximum(square, floor)
        values = np.stack([slope, apart / total], axis=1)
        values[few] = np.nan
        if not batch.with_errors:
            return GroupResult(values)
        safe = np.maximum(long, 1e-300)
        known = (square > floor).astype(np.float64)
        by_slope = 0.5 / np.sqrt(total)
        to_xx = difference / (safe * total) - known * apart / total**2
        to_yy = -difference / (safe * total) - known * apart / total**2
        to_xy = 4.0 * tensor[:, 2] / (safe * total)
        gradients = np.stack(
            [
                self._pictures(gx, gy, np.stack([by_slope, by_slope, 0.0 * by_slope]) / number),
                self._pictures(gx, gy, np.stack([to_xx, to_yy, to_xy]) / number),
            ],
            axis=1,
        )
        cosine, sine = (difference / safe) ** 2, (2.0 * tensor[:, 2] / safe) ** 2
        direction = cosine * alone[:, 1] + sine * alone[:, 2]
        ratio = apart / total
        second = np.stack(
            [alone[:, 0] / (4.0 * total), (direction + known * ratio**2 * alone[:, 0]) / total**2],
            axis=1,
        )
        gradients = signal_gradients(gradients, second, batch.variance, batch.noise)
        return GroupResult(values, gradients, second)

    def _pictures(self, gx: Floats, gy: Floats, weights: Floats) -> Floats:
        """Return how xx sum gx^2 + yy sum gy^2 + xy sum gx gy changes with each pixel.

        ``weights`` (3, n): xx, yy, xy of each patch.
        """
        xx, yy, xy = weights[:, :, None, None]
        on_x = (2.0 * xx * gx + xy * gy) * (0.5 / self.step[0])
        on_y = (2.0 * yy * gy + xy * gx) * (0.5 / self.step[1])
        out = np.zeros((len(gx), gx.shape[1] + 2, gx.shape[2] + 2))
        out[:, 1:-1, 2:] += on_x
        out[:, 1:-1, :-2] -= on_x
        out[:, 2:, 1:-1] += on_y
        out[:, :-2, 1:-1] -= on_y
        return out


def _scatter(noise: PixelNoise, step: tuple[float, float]) -> Floats:
    """Return number of slopes times the variance of pure noise's Jxx + Jyy, Jxx - Jyy and 2 Jxy.

    Over the square of Jxx + Jyy.
    """
    edge = 24
    rng = np.random.default_rng(40)  # the noise's own sampling, the same for the same input
    pixels = ChannelNoise(1.0, noise.correlation).draw((N_DRAWS, edge, edge), rng)
    gx = (pixels[:, 1:-1, 2:] - pixels[:, 1:-1, :-2]) / step[0]
    gy = (pixels[:, 2:, 1:-1] - pixels[:, :-2, 1:-1]) / step[1]
    sums = [part.mean(axis=(1, 2)) for part in (gx**2 + gy**2, gx**2 - gy**2, 2.0 * gx * gy)]
    scatter = np.var(sums, axis=1) / sums[0].mean() ** 2
    return np.asarray(scatter * (edge - 2) ** 2)
