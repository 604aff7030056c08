"""The posterior of a wall's width: everything else integrated out on a grid of widths and blurs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.wall_profiles.profile_kernels import fit_nodes, read_tables
from physlearn.inference.wall_profiles.profile_pixels import Arc, WallPixels
from physlearn.inference.wall_profiles.profile_shapes import profile_tables

__all__ = [
    "TANH_SPREAD",
    "BlurPrior",
    "NodeFits",
    "ProfileMode",
    "ProfileModel",
    "find_mode",
    "influences",
]

Floats = NDArray[np.float64]

ITERATIONS = 40
SETTLED = 1e-4
"""Largest last step, in standard errors of each parameter."""
EPSILON = 1e-3
TANH_SPREAD = np.pi**2 / 12
"""Variance of a wall's slope over the square of its width."""
SEXTIC_PRIOR = (0.0, 1.5)
"""Normal prior of ln Q: 1 is a shape between tanh (Q large) and a first-order wall (Q small)."""


@dataclass(frozen=True, slots=True)
class BlurPrior:
    """Prior of the point spread's sd: normal(mean, sd) above 0, or flat up to ``most``."""

    mean: float
    sd: float
    most: float = 0.0

    @property
    def free(self) -> bool:
        """Whether the point spread is unknown."""
        return self.most > 0

    @property
    def known(self) -> bool:
        """Whether it has no error."""
        return not self.free and self.sd == 0

    def log_density(self, blur: Floats) -> Floats:
        """Log density up to a constant."""
        if self.free or self.known:
            return np.zeros(np.shape(blur))
        return np.asarray(-0.5 * ((blur - self.mean) / self.sd) ** 2)


@dataclass(frozen=True, slots=True, eq=False)
class NodeFits:
    """Linear fits at every node: residual squares, half log determinants, coefficients."""

    squares: Floats
    halves: Floats
    answers: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ProfileModel:
    """Pixels of one wall and what is free about it.

    ``free`` names which of position, angle, curvature are fitted; ``hints`` are (mean, sd) of
    those known beforehand.
    """

    pixels: WallPixels
    blur: BlurPrior
    free: tuple[bool, bool, bool]
    sextic: bool
    bump: bool
    background: bool
    noise_sd: float | None
    hint: tuple[float, float] | None
    bend_sd: float

    @property
    def n_linear(self) -> int:
        """Amplitude, offset, bump, background."""
        return 2 + self.bump + self.background

    @property
    def n_moves(self) -> int:
        """Free numbers of the arc."""
        return sum(self.free)

    def curves(
        self, arc: Arc, width: Floats, blur: Floats, shape: Floats | None
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return profile, slope, bump (m, n) at the pixels, and the arc's columns (q, n)."""
        distance, moves = arc.distances(self.pixels)
        cos, sin = abs(np.cos(arc.angle)), abs(np.sin(arc.angle))
        edges = (self.pixels.size[0] * cos, self.pixels.size[1] * sin)
        tables = profile_tables(
            width, blur, reach=float(np.abs(distance).max()), pixel=edges, sextic=shape,
            bump=self.bump,
        )  # fmt: skip
        m, n = width.size, distance.size
        rises, slopes = np.empty((m, n)), np.empty((m, n))
        grid = (tables.origin, tables.step)
        read_tables(tables.rise, tables.slope, *grid, distance, rises)
        bend = np.gradient(tables.slope, tables.step, axis=1)
        read_tables(tables.slope, bend, *grid, distance, slopes)
        bumps = np.zeros((1, 1))
        if self.bump:
            bumps = np.empty((m, n))
            read_tables(tables.bump, tables.bump_slope, *grid, distance, bumps)
        return rises, slopes, bumps, np.ascontiguousarray(moves[list(self.free)])

    def fixed(self, arc: Arc) -> Floats:
        """Return the straight background along the normal, (0 or 1, n)."""
        if not self.background:
            return np.empty((0, self.pixels.x.size))
        along = self.pixels.x * np.cos(arc.angle) + self.pixels.y * np.sin(arc.angle)
        return np.asarray((along - along.mean())[None] / self.pixels.extent)

    def ridge(self, amplitude: float, noise_sd: float) -> Floats:
        """Weak priors on the linear coefficients, as rows of the normal equations."""
        ridge = np.zeros(self.n_linear + self.n_moves)
        ridge[: self.n_linear] = 1e-8
        sds = [self.hint[1] if self.hint else self.pixels.extent, 1.0, self.bend_sd]
        kept = [sd for sd, free in zip(sds, self.free, strict=True) if free]
        ridge[self.n_linear :] = (noise_sd / (max(abs(amplitude), 1e-3) * np.array(kept))) ** 2
        return ridge

    def nodes(
        self, arc: Arc, width: Floats, blur: Floats, shape: Floats | None, ridge: Floats
    ) -> NodeFits:
        """Fit amplitude, offset, bump, background and changes of the arc at every node."""
        rises, slopes, bumps, moves = self.curves(arc, width, blur, shape)
        m = width.size
        squares, halves = np.empty(m), np.empty(m)
        answers = np.empty((m, self.n_linear + self.n_moves))
        fit_nodes(
            rises, slopes, bumps, self.fixed(arc), moves, self.pixels.values, ridge,
            squares, halves, answers,
        )  # fmt: skip
        return NodeFits(squares, halves, answers)


@dataclass(frozen=True, slots=True, eq=False)
class ProfileMode:
    """The best fit: arc, log width, blur, log Q; noise sd; covariance of (ln w, blur, ln Q)."""

    arc: Arc
    log_width: float
    blur: float
    log_shape: float
    noise_sd: float
    covariance: Floats
    amplitude: float
    residuals: Floats
    converged: bool


def _columns(model: ProfileModel, arc: Arc, point: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Linear columns (k, n) and changes of the profile with ln w, blur, ln Q (3, n)."""
    w, s, q = np.exp(point[0]), point[1], point[2]
    blur_step = max(EPSILON * w, 1e-3 * s)
    widths = np.array([w, w * np.exp(EPSILON), w * np.exp(-EPSILON), w, w, w, w])
    blurs = np.array([s, s, s, s + blur_step, max(s - blur_step, 0.0), s, s])
    shapes = None
    if model.sextic:
        shapes = np.exp(q + EPSILON * np.array([0, 0, 0, 0, 0, 1, -1]))
    rises, slopes, bumps, moves = model.curves(arc, widths, blurs, shapes)
    linear = [rises[:1], np.ones((1, rises.shape[1]))]
    if model.bump:
        linear.append(bumps[:1])
    linear.append(model.fixed(arc))
    changes = np.stack([
        (rises[1] - rises[2]) / (2 * EPSILON),
        (rises[3] - rises[4]) / (blurs[3] - blurs[4]),
        (rises[5] - rises[6]) / (2 * EPSILON),
    ])  # fmt: skip
    return np.concatenate(linear), slopes[0] * moves, changes, rises[0]


def find_mode(model: ProfileModel, arc: Arc, log_width: float, blur: float) -> ProfileMode:
    """Levenberg's damped Gauss-Newton over all parameters; the linear ones are solved for."""
    target = model.pixels.values
    n, extent = target.size, model.pixels.extent
    active = np.array([True, not model.blur.known, model.sextic])
    prior_sd = np.array([np.inf, np.inf if model.blur.free else max(model.blur.sd, 1e-300),
                         SEXTIC_PRIOR[1]])  # fmt: skip
    center = np.array([0.0, model.blur.mean, SEXTIC_PRIOR[0]])
    low = np.array([np.log(1e-2 * min(model.pixels.size)), 0.0, -6.0])
    high = np.array([np.log(2 * extent), extent if model.blur.free else np.inf, 8.0])
    point = np.clip(np.array([log_width, blur, SEXTIC_PRIOR[0]]), low, high)
    damping, best, converged = 1e-3, np.inf, False
    state: tuple[Floats, Floats, Floats, Floats] | None = None
    covariance, noise = np.eye(3), 1.0
    trial_arc, trial, kept_arc, kept = arc, point, arc, point
    for _ in range(ITERATIONS):
        linear, moves, changes, _ = _columns(model, trial_arc, trial)
        answer, *_ = np.linalg.lstsq(linear.T, target, rcond=None)
        residual = target - answer @ linear
        trial_noise = model.noise_sd or float(
            np.sqrt(residual @ residual / max(n - linear.shape[0] - model.n_moves - 1, 1))
        )
        away = (trial - center)[active] / prior_sd[active]
        cost = float(residual @ residual) / (noise if best < np.inf else trial_noise) ** 2
        cost += float(away @ away)
        if cost > best * (1 + 1e-12) and damping < 1e8:
            damping *= 8.0
        else:
            damping = max(damping / 5.0, 1e-12)
            kept_arc, kept, noise = trial_arc, trial, trial_noise
            best = float(residual @ residual) / noise**2 + float(away @ away)
            state = (linear, answer[0] * moves, answer[0] * changes[active], residual)
        assert state is not None  # noqa: S101 -- the first trial is always kept
        linear, moves, changes, residual = state
        jacobian = np.concatenate([linear, moves, changes])
        ridge = np.zeros(jacobian.shape[0])
        ridge[linear.shape[0] : linear.shape[0] + model.n_moves] = model.ridge(1.0, noise)[
            model.n_linear :
        ]
        ridge[-active.sum() :] += (noise / prior_sd[active]) ** 2
        gram = jacobian @ jacobian.T + np.diag(ridge)
        right = jacobian @ residual
        right[-active.sum() :] -= (noise / prior_sd[active]) ** 2 * (kept - center)[active]
        scale = np.sqrt(np.diag(gram)) + 1e-30
        scaled = gram / scale / scale[:, None]
        step = np.linalg.solve(scaled + damping * np.eye(scale.size), right / scale) / scale
        errors = noise * np.sqrt(np.abs(np.diag(np.linalg.pinv(scaled)))) / scale
        outer = slice(linear.shape[0], None)
        if np.all(np.abs(step[outer]) < SETTLED * errors[outer]) and damping < 1.0:
            converged = True
            break
        change = np.zeros(3)
        change[: model.n_moves] = step[linear.shape[0] : linear.shape[0] + model.n_moves]
        move = np.zeros(3)
        move[list(model.free)] = change[: model.n_moves]
        shift = np.zeros(3)
        shift[active] = np.clip(step[-active.sum() :], -1.0, 1.0)
        trial = np.clip(kept + shift, low, high)
        trial_arc = Arc(
            kept_arc.position + float(np.clip(move[0], -extent / 4, extent / 4)),
            kept_arc.angle + float(np.clip(move[1], -0.5, 0.5)),
            kept_arc.curvature + float(np.clip(move[2], -0.5 / extent, 0.5 / extent)),
        )
    inverse = noise**2 * np.linalg.pinv(scaled) / scale / scale[:, None]
    covariance = np.zeros((3, 3))
    covariance[np.ix_(active, active)] = inverse[-active.sum() :, -active.sum() :]
    assert state is not None  # noqa: S101 -- the first trial is always kept
    linear, _, _, residual = state
    answer, *_ = np.linalg.lstsq(linear.T, target, rcond=None)
    return ProfileMode(
        kept_arc, float(kept[0]), float(kept[1]), float(kept[2]), noise, covariance,
        float(answer[0]), residual, converged,
    )  # fmt: skip


def influences(model: ProfileModel, mode: ProfileMode) -> tuple[Floats, Floats]:
    """Return how each pixel moves ln w (n,) and each linear number and move of the arc (k, n).

    A number's column, free of all the others.
    """
    point = np.array([mode.log_width, mode.blur, mode.log_shape])
    linear, moves, changes, _ = _columns(model, mode.arc, point)
    columns = np.concatenate([changes[:1], linear, mode.amplitude * moves])
    if model.sextic:
        columns = np.concatenate([columns, changes[2:]])
    size = np.sqrt((columns**2).sum(axis=1, keepdims=True)) + 1e-300
    found = np.linalg.pinv((columns / size).T)
    return found[0], found[1 : 1 + model.n_linear + model.n_moves]
