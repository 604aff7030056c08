"""Conserved order parameters, and any list of terms: a `FieldModel` with stabilised steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError
from physlearn.inference.fields.field_model import TimeSteps
from physlearn.inference.fields.term_kernels import BUILT_IN as N_BUILT_IN
from physlearn.inference.fields.term_kernels import (
    adjoint_pass,
    bend_stages,
    combine,
    forward_pass,
    operate,
    stage_rate,
    tangent_pass,
)
from physlearn.inference.fields.user_terms import BUILT_IN, OPERATORS, FieldTerm

__all__ = ["TermModel", "make_term_model", "stage_weights"]

Floats = NDArray[np.float64]
Drive = Callable[[Floats, NDArray[np.int64]], Floats]
RESOLVED_SHARES = (0.12, 2.0)  # of the fastest local change in one step; conserved: wide margin
FEWEST_STAGES, MOST_STAGES = 3, 25
HALVINGS = 2  # of the steps, where the field runs away
SAFE = 0.8  # of the stability limit: P may leave the range that was assumed
NONE = np.zeros((0, 0, 0, 0, 0))


def stage_weights(n_stages: int) -> Floats:
    """Weights (mu, nu, rest, rate, first rate) of the Runge-Kutta-Legendre scheme, by stage.

    Meyer, Balsara and Aslam, J. Comput. Phys. 257, 594 (2014), doi:10.1016/j.jcp.2013.08.021.
    """
    j = np.arange(2, n_stages + 1, dtype=float)
    b = np.full(n_stages + 1, 1 / 3)
    b[2:] = (j**2 + j - 2) / (2 * j * (j + 1))
    w = 4.0 / (n_stages**2 + n_stages - 2)
    weights = np.zeros((n_stages, 5))
    weights[0, 3] = b[1] * w
    mu = (2 * j - 1) / j * b[2:] / b[1:-1]
    nu = -(j - 1) / j * b[2:] / b[:-2]
    weights[1:, 0], weights[1:, 1], weights[1:, 2] = mu, nu, 1 - mu - nu
    weights[1:, 3] = mu * w
    weights[1:, 4] = -(1 - b[1:-1]) * mu * w
    return weights


def reach_of(n_stages: int) -> float:
    """Length of a stable step over that of the Euler scheme."""
    return (n_stages**2 + n_stages - 2) / 4


def stages_for(stiffness: float) -> int:
    """Fewest stages, an odd number, for a step of this length times the largest rate."""
    reach = stiffness / (2.0 * SAFE)
    n_stages = max(FEWEST_STAGES, int(np.ceil((np.sqrt(9.0 + 16.0 * reach) - 1.0) / 2.0)))
    return n_stages + (n_stages % 2 == 0)


@dataclass(eq=False)
class TermModel:
    """``dP/dt = T(sum_k theta_k N_k)``, T = 1 or, where P is conserved, minus the Laplacian.

    N: ``bias`` 1, ``alpha`` -P, ``cubic`` -P^2, ``beta`` -P^3, ``gamma`` -P^5, ``gradient`` lap P
    (or ``gradient_x``, ``gradient_y`` apart), ``field`` E, and users' terms O[phi(P, E)]. Offers
    `FieldModel`; made by `make_term_model`.
    """

    all_terms: tuple[str | FieldTerm, ...]
    units: tuple[str, ...]
    shape: tuple[int, int]
    steps: TimeSteps
    selection: Floats
    drive: Drive | None
    profile: Floats
    grid: Floats
    conserved: bool
    mirror: bool
    largest: float
    n_stages: int = FEWEST_STAGES
    stages: Floats = field(default_factory=lambda: np.zeros((0, 0, 0, 0)))
    values: Floats = field(default_factory=lambda: NONE)
    slopes: Floats = field(default_factory=lambda: NONE)
    full: Floats = field(default_factory=lambda: np.zeros(0))
    bends: NDArray[np.float32] | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(t.name if isinstance(t, FieldTerm) else t for t in self.all_terms)

    @property
    def n_frames(self) -> int:
        """Frames, the start included."""
        return int(self.steps.times.size)

    @cached_property
    def user_terms(self) -> tuple[FieldTerm, ...]:
        """The terms that users wrote."""
        return tuple(term for term in self.all_terms if isinstance(term, FieldTerm))

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """Operators of the users' terms, as numbers."""
        return np.array([OPERATORS.index(t.operator) for t in self.user_terms], np.int64)

    @cached_property
    def waves(self) -> Floats:
        """Drive in the middle of every step, (n_steps,)."""
        steps = self.steps
        if self.drive is None:
            return np.zeros(steps.n_steps)
        middles = steps.starts + 0.5 * steps.lengths
        waves = np.broadcast_to(self.drive(middles, steps.intervals), middles.shape)
        # a copy: a read-only array would compile the kernels once more
        return np.array(waves, dtype=np.float64)

    @cached_property
    def weights(self) -> Floats:
        """Of the stages."""
        return stage_weights(self.n_stages)

    @cached_property
    def lengths(self) -> Floats:
        """Length of the steps of each interval."""
        return np.diff(self.steps.times) / self.steps.counts

    def forward(self, start: Floats, theta: Floats) -> Floats:
        """Return the frames and keep every stage of every step.

        Parameters stiffer than the steps were made for get more stages, a start that is rougher
        steps a half or a quarter as long.
        """
        _, stiff = self._rates(self.selection @ np.asarray(theta, dtype=float))
        needed = min(stages_for(float(self.lengths.max()) * stiff), MOST_STAGES)
        if needed > self.n_stages:
            self.n_stages = needed
            self.__dict__.pop("weights", None)
        frames = self._forward(start, theta)
        for _ in range(HALVINGS):
            if np.isfinite(frames[-1]).all():
                break
            self.steps = TimeSteps(self.steps.times, 2 * self.steps.counts)
            for name in ("waves", "lengths"):
                self.__dict__.pop(name, None)
            frames = self._forward(start, theta)
        return frames

    def _forward(self, start: Floats, theta: Floats) -> Floats:
        self.full = self.selection @ np.asarray(theta, dtype=float)
        room = (self.steps.n_steps, self.n_stages, *self.shape)
        if self.stages.shape != room:
            self.stages = np.empty(room)
        self.bends = None
        frames = np.full((self.n_frames, *self.shape), np.nan)
        start = np.ascontiguousarray(start, dtype=np.float64)
        if self.user_terms:
            self._user_forward(start, frames)
        else:
            forward_pass(
                start, self.waves, self.profile, self.full, self.grid, self.weights,
                self.steps.counts, self.lengths, self.conserved, self.mirror, self.stages, frames,
            )  # fmt: skip
        if self.user_terms and np.isfinite(frames[-1]).all():
            self._keep_terms()
        return frames

    def _user_forward(self, start: Floats, frames: Floats) -> None:
        """March with users' functions between the compiled stages."""
        work, rate, first, room = (np.empty(self.shape) for _ in range(4))
        extra = np.empty(self.shape)
        block = np.empty((self.n_stages + 1, *self.shape))
        block[0] = frames[0] = start
        for step, interval in enumerate(self.steps.intervals):
            push = self.waves[step] * self.profile
            for stage in range(self.n_stages):
                extra[:] = 0.0
                for k, term in enumerate(self.user_terms):
                    values = term.value(block[stage], push)
                    operate(int(self.kinds[k]), values, room, self.grid, False, self.mirror)
                    extra += self.full[N_BUILT_IN + k] * room
                target = first if stage == 0 else rate
                stage_rate(block[stage], extra, float(self.waves[step]), self.profile, self.full,
                           self.grid, self.conserved, self.mirror, work, target)  # fmt: skip
                combine(block, block[stage + 1], target, first, self.weights, stage,
                        float(self.lengths[interval]))  # fmt: skip
            self.stages[step] = block[:-1]
            block[0] = block[-1]
            frames[interval + 1] = block[0]
            if not np.isfinite(block[0]).all():
                frames[interval + 1 :] = np.nan
                return

    def _keep_terms(self) -> None:
        """Values and slopes of the users' functions at all stages."""
        n_steps, n_stages = self.stages.shape[:2]
        room = (n_steps, n_stages, len(self.user_terms), *self.shape)
        self.values, self.slopes = np.empty(room), np.empty(room)
        for step in range(n_steps):
            push = np.broadcast_to(self.waves[step] * self.profile, self.stages[step].shape)
            for k, term in enumerate(self.user_terms):
                self.values[step, :, k] = term.value(self.stages[step], push)
                self.slopes[step, :, k] = term.slope(self.stages[step], push)

    def _bends(self) -> NDArray[np.float32]:
        """Slopes of the local force at all stages; single precision halves what is read."""
        if self.bends is None:
            self.bends = np.empty(self.stages.shape, np.float32)
            bend_stages(self.stages.reshape(-1), self.full, self.bends.reshape(-1))
        return self.bends

    def tangent(self, start_changes: Floats, theta_changes: Floats | None = None) -> Floats:
        """Return the frames' changes, one for each direction."""
        changes = np.empty((len(start_changes), self.n_frames, *self.shape))
        for k, start in enumerate(start_changes):
            turn = np.zeros(self.full.size)
            if theta_changes is not None:
                turn = self.selection @ theta_changes[k]
            tangent_pass(
                np.ascontiguousarray(start), turn, self.stages, self._bends(), self.values,
                self.slopes, self.kinds, self.waves, self.profile, self.full, self.grid,
                self.weights, self.steps.counts, self.lengths, self.conserved, self.mirror,
                changes[k],
            )  # fmt: skip
        return changes

    def adjoint(self, forces: Floats, *, theta: bool = True) -> tuple[Floats, Floats]:
        """Return the transposed derivatives."""
        starts = np.empty((len(forces), *self.shape))
        slants = np.zeros((len(forces), self.full.size))
        for k, force in enumerate(forces):
            adjoint_pass(
                np.ascontiguousarray(force), self.stages, self._bends(), self.values, self.slopes,
                self.kinds, self.waves, self.profile, self.full, self.grid, self.weights,
                self.steps.counts, self.lengths, self.conserved, self.mirror, theta, starts[k],
                slants[k],
            )  # fmt: skip
        return starts, slants @ self.selection

    def with_steps(self, theta: Floats, refine: int = 1) -> TermModel:
        """Return the model with steps that resolve the local change, stages that stay stable."""
        full = self.selection @ np.asarray(theta, dtype=float)
        local, stiff = self._rates(full)
        steps = TimeSteps.of(self.steps.times, RESOLVED_SHARES[self.conserved] / local)
        counts = steps.counts * refine
        longest = float((np.diff(steps.times) / counts).max())
        fewest = int(np.ceil(longest * stiff / (2.0 * SAFE) / reach_of(MOST_STAGES)))
        counts = counts * max(fewest, 1)
        return TermModel(
            self.all_terms, self.units, self.shape, TimeSteps(steps.times, counts), self.selection,
            self.drive, self.profile, self.grid, self.conserved, self.mirror, self.largest,
            stages_for(longest / max(fewest, 1) * stiff),
        )  # fmt: skip

    def _rates(self, full: Floats) -> tuple[float, float]:
        """Largest local rate of change, and the largest rate of all."""
        size = np.linspace(-self.largest, self.largest, 33)
        slope = full[1] + 2 * full[2] * size + 3 * full[3] * size**2 + 5 * full[4] * size**4
        user, drift = self._user_rates(full)
        bend = float(np.abs(slope).max()) + user + 1e-12
        gradient = 4.0 * (abs(full[5]) + abs(full[6]))
        if not self.conserved:
            return bend, bend + gradient + drift
        wave = 4.0 * float(self.grid.sum())
        # waves of the wall's width change at the local rate; finer ones only decay
        square = wave * min(1.0, bend / gradient) if gradient > 0 else wave
        return bend * square, (bend + gradient + drift) * wave

    def _user_rates(self, full: Floats) -> tuple[float, float]:
        """Largest local rate of the users' terms, and what their operators add to the stiffness."""
        local = drift = 0.0
        orders = np.linspace(-self.largest, self.largest, 41)[None]
        reach = float(np.abs(self.waves).max(initial=0.0)) * float(np.abs(self.profile).max())
        factors = dict(zip(OPERATORS, (1.0, 4.0 * float(self.grid.sum()), *np.sqrt(self.grid)),
                           strict=True))  # fmt: skip
        for k, term in enumerate(self.user_terms):
            steepest = max(float(np.nanmax(np.abs(term.slope(orders, np.full_like(orders, push)))))
                           for push in (-reach, reach))  # fmt: skip
            rate = abs(full[N_BUILT_IN + k]) * steepest * float(factors[term.operator])
            local, drift = (local, drift + rate) if term.operator == "laplacian" else (
                local + rate, drift)  # fmt: skip
        return local, drift


def make_term_model(
    shape: tuple[int, int],
    times: ArrayLike,
    terms: Sequence[str | FieldTerm] = ("alpha", "beta", "gradient"),
    *,
    conserved: bool = True,
    pixel_size: tuple[float, float] = (1.0, 1.0),
    mirror: bool = True,
    drive: Drive | None = None,
    profile: ArrayLike | None = None,
    largest: float = 1.0,
    units: tuple[str, ...] = (),
) -> TermModel:
    """Return the model of a conserved field, or of any list of terms.

    Parameters
    ----------
    shape
        Of the grid.
    times
        Of the frames, (n_frames,).
    terms
        Built-in names and `FieldTerm` records.
    conserved
        Whether the mean of P is kept: dP/dt = -lap(...).
    pixel_size
        (dx, dy).
    mirror
        Edges without flux; periodic otherwise.
    drive
        E for times and the intervals between frames that they lie in.
    profile
        Shape of E over the grid; None: even.
    largest
        Reach of abs P, for the steps in time.
    units
        Of the parameters.

    Raises
    ------
    InputError
        For an unknown term, a field term without a drive, or a term that a conserved field does
        not feel.

    Examples
    --------
    >>> model = make_term_model((8, 8), [0.0, 1.0, 2.0]).with_steps(np.array([-0.4, 0.4, 0.5]))
    >>> start = np.random.default_rng(1).normal(size=(8, 8))
    >>> frames = model.forward(start, np.array([-0.4, 0.4, 0.5]))
    >>> frames.shape, bool(np.allclose(frames.mean((1, 2)), start.mean()))
    ((3, 8, 8), True)
    """
    even = profile is None or np.ptp(np.asarray(profile, dtype=float)) == 0
    names = _checked_terms(terms, conserved, drive is not None, bool(even))
    user = [term.name for term in terms if isinstance(term, FieldTerm)]
    dx, dy = pixel_size
    scale = {"gradient_x": 1 / dx**2, "gradient_y": 1 / dy**2}
    selection = np.zeros((N_BUILT_IN + len(user), len(names)))
    for column, name in enumerate(names):
        slots = ("gradient_x", "gradient_y") if name == "gradient" else (name,)
        for slot in slots:
            row = N_BUILT_IN + user.index(slot) if slot in user else BUILT_IN.index(slot)
            selection[row, column] = scale.get(slot, 1.0)
    when = np.asarray(times, dtype=float)
    return TermModel(
        tuple(terms), units or ("1",) * len(names), shape, TimeSteps.of(when, np.inf), selection,
        drive, np.ones(shape) if profile is None else np.array(profile, dtype=float),
        np.array([1 / dx**2, 1 / dy**2]), conserved, mirror, largest,
    )  # fmt: skip


def _checked_terms(
    terms: Sequence[str | FieldTerm], conserved: bool, driven: bool, even: bool
) -> list[str]:
    """Return the names, or say which term cannot be used."""
    names = [term.name if isinstance(term, FieldTerm) else term for term in terms]
    for term in terms:
        if not isinstance(term, FieldTerm) and term not in BUILT_IN:
            raise InputError(
                f"terms may hold {', '.join(BUILT_IN)} and FieldTerm records; got {term!r}."
            )
    if len(set(names)) < len(names):
        raise InputError(f"terms must have different names; got {', '.join(names)}.")
    if "field" in names and not driven:
        raise InputError("terms holds 'field', which needs a drive.")
    if conserved and "bias" in names:
        raise InputError("a conserved field does not feel a bias: leave 'bias' out of terms.")
    if conserved and "field" in names and even:
        raise InputError(
            "a conserved field does not feel an even drive: leave 'field' out of terms, or give "
            "the drive's profile over the picture."
        )
    return names
