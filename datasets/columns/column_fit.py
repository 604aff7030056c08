"""The running joint fit of ``find_atoms``: columns, background and noise of one picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.columns import background_kernels, column_kernels
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.noise import fit_pixel_variance

__all__ = ["SMALLEST_WIDTH_PX", "ColumnFit", "Report"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Report = Callable[[float, str], None]
SMALLEST_WIDTH_PX = 0.6
PIXELS_FOR_NOISE = 200_000
RESTING_SHARE = 0.002
LARGEST_FALL, LARGEST_RISE = 0.5, 2.0
NODE_DAMPING = 0.01
"""Added to the nodes' information, as a share of the median: masked nodes take small steps."""
LEAST_JOINT = 0.3
STALLED = 0.6
LARGEST_NODE_STEP = 0.3
"""A background step, in its own standard errors, below which it counts as settled."""


def _no_picture() -> Floats:
    """Return the empty array that stands for no picture."""
    return np.empty((0, 0))


def _no_mask() -> Flags:
    """Return the empty array that stands for no mask."""
    return np.empty((0, 0), dtype=np.bool_)


@dataclass(slots=True)
class ColumnFit:
    """The state of a running fit (pixels).

    ``weight`` is the inverse variance of each pixel (0 where masked), frozen during a sweep;
    ``spread`` is the standard deviation of the residual's z, ``decoys`` the depths of its minima.
    ``sign`` is -1 for columns darker than their surroundings; ``width_prior`` the centre and
    precision of a prior on the log width. ``known`` is light that the fit holds, such as tails.
    """

    image: Floats
    kind: str
    width: float
    options: FindAtomsOptions
    noise: Floats
    nodes: Floats
    mask: Flags = field(default_factory=_no_mask)
    row_levels: Floats = field(default_factory=lambda: np.empty(0))
    columns: Floats = field(default_factory=lambda: np.empty((0, 4)))
    absorbed: Floats = field(default_factory=lambda: np.empty(0))
    model: Floats = field(default_factory=lambda: np.empty((0, 0)))
    weight: Floats = field(default_factory=lambda: np.empty((0, 0)))
    known: Floats = field(default_factory=_no_picture)
    width_prior: tuple[float, float] = (0.0, 0.0)
    joint_share: float = 0.75
    spread: float = 1.0
    decoys: Floats = field(default_factory=lambda: np.empty(0))
    significance: Floats = field(default_factory=lambda: np.empty(0))
    lowest: float = 0.0

    @property
    def sign(self) -> float:
        """1 for bright columns, -1 for dark ones."""
        return -1.0 if self.options.polarity == "dark" else 1.0

    @property
    def n_pixels(self) -> int:
        """Pixels that are not masked."""
        return int(self.mask.sum()) if self.mask.size else self.image.size

    def typical_noise(self) -> float:
        """Return the standard deviation of a typical pixel that counts."""
        weight = self.weight[:: 1 + self.image.size // 50_000]
        weight = weight[weight > 0]
        return 1.0 / float(np.sqrt(np.median(weight))) if len(weight) else 1.0

    def background(self) -> Floats:
        """Return the picture without its columns."""
        picture = np.empty(self.image.shape)
        self._draw_background(picture)
        return picture

    def _draw_background(self, picture: Floats) -> None:
        """Write the picture without its columns."""
        picture[:] = 0.0
        background_kernels.add_background(picture, self.nodes)
        if self.row_levels.size:
            picture += self.row_levels[:, None]

    def rebuild(self) -> None:
        """Draw the model picture anew from nodes and columns."""
        if self.model.shape != self.image.shape:
            self.model = np.empty(self.image.shape)
        # in place: a large picture's fresh memory takes longer than what is drawn into it
        self._draw_background(self.model)
        if self.known.size:
            self.model += self.known
        column_kernels.add_columns(self.model, self.columns, self.options.reach_widths, self.sign)
        if len(self.absorbed) != len(self.columns):
            self.absorbed = np.zeros(len(self.columns))
        self.reweigh()

    def reweigh(self) -> None:
        """Take the pixels' weights from the present model."""
        if self.weight.shape != self.image.shape:
            self.weight = np.empty(self.image.shape)
        background_kernels.refresh_weight(self.model, self.noise, self.mask, self.weight)

    def rules(self, *, free_width: bool) -> Floats:
        """Return the settings that ``column_sweep`` takes."""
        low, high = (np.log(self.width * share) for share in self.options.width_range)
        return np.array(
            [
                self.options.reach_widths, max(low, np.log(SMALLEST_WIDTH_PX)), high,
                float(free_width), self.options.tolerance, self.sign, *self.width_prior,
            ]
        )  # fmt: skip

    def sweep(self, n_sweeps: int, *, free_width: bool, active: Flags | None = None) -> int:
        """Fit columns and background by turns; return the columns that still move."""
        rules = self.rules(free_width=free_width)
        work = np.ones(len(self.columns), dtype=np.bool_) if active is None else active.copy()
        moving, share, last = 0, 0.0, np.inf
        for _ in range(n_sweeps):
            all_follow = bool(work.all())
            moving = column_kernels.column_sweep(
                self.image, self.model, self.weight, self.columns, work, self.absorbed, rules
            )
            rest = moving <= RESTING_SHARE * len(work)
            if not all_follow:
                # resting columns would not answer to a step of the background
                if rest:
                    work[:] = True
                continue
            step = self.background_step(share)
            self.reweigh()
            if share and step > max(STALLED * last, LARGEST_NODE_STEP):
                self.joint_share = max(LEAST_JOINT, 0.6 * self.joint_share)
            share, last = self.joint_share, step
            if step >= LARGEST_NODE_STEP:
                work[:] = True
            elif rest:
                break
        return moving

    def background_step(self, share: float) -> float:
        """Refit the background; return the largest step in its own errors.

        Up to ``share`` of the information is left to the columns' answer, which is right once they
        follow the present model.
        """
        matrix, right = np.empty((*self.nodes.shape, 5)), np.empty(self.nodes.shape)
        background_kernels.normal_equations(self.image, self.model, self.weight, matrix, right)
        scale = np.ascontiguousarray(matrix[:, :, 0])
        if share > 0.0:
            background_kernels.absorb_columns(
                matrix, self.columns, self.absorbed, self.image.shape, share
            )
        matrix[:, :, 0] += NODE_DAMPING * np.median(scale)
        scale += NODE_DAMPING * np.median(scale)
        step = np.empty_like(right)
        background_kernels.solve_nodes(matrix, right, scale, 40, step)
        step = self.bounded(step)
        self.nodes += step
        background_kernels.add_background(self.model, step)
        if self.row_levels.size:
            background_kernels.row_steps(self.image, self.model, self.weight, self.row_levels)
        return float(np.max(np.abs(step) * np.sqrt(np.maximum(matrix[:, :, 0], 0.1 * scale))))

    def bounded(self, step: Floats) -> Floats:
        """Return a step of the nodes by which the background's variance stays in bounds."""
        if not self.noise[1] > 0:
            return step
        # weights are the present model's
        room = np.maximum(self.noise[0] + self.noise[1] * self.nodes, self.noise[2])
        room /= self.noise[1]
        return np.clip(step, -LARGEST_FALL * room, LARGEST_RISE * room)

    def refit_noise(self) -> None:
        """Fit the noise model to the present residuals, on every so many rows of the picture."""
        step = 1 + self.image.size // PIXELS_FOR_NOISE
        rows: slice | NDArray[np.int64] = slice(None, None, step)
        if self.mask.size:  # masked rows may lie at the same step
            rows = np.flatnonzero(self.mask.any(axis=1))[::step]
        model = self.model[rows]
        residual = self.image[rows] - model
        if self.mask.size:
            residual, model = residual[self.mask[rows]], model[self.mask[rows]]
        n_parameters = 4 * len(self.columns) + self.nodes.size + self.row_levels.size
        share = residual.size / self.n_pixels
        self.noise = fit_pixel_variance(residual, model, self.kind, int(n_parameters * share))
        self.reweigh()

    def keep(self, flags: Flags) -> bool:
        """Keep the flagged columns, redraw the model when some went; return whether some went."""
        if flags.all():
            return False
        self.columns = np.ascontiguousarray(self.columns[flags])
        self.absorbed = np.ascontiguousarray(self.absorbed[flags])
        self.rebuild()
        return True

    def add(self, columns: Floats) -> None:
        """Append columns and redraw the model."""
        self.columns = np.ascontiguousarray(np.concatenate([self.columns, columns]))
        self.absorbed = np.concatenate([self.absorbed, np.zeros(len(columns))])
        self.rebuild()
