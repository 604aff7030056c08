"""Conserved order parameters, and any list of terms: a `FieldModel` with stabilised steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError
from physlearn.inference.fields.conserved_kernels import (
    adjoint_pass,
    combine,
    forward_pass,
    operate,
    stage_rate,
    tangent_pass,
)
from physlearn.inference.fields.field_model import TimeSteps
from physlearn.inference.fields.user_terms import BUILT_IN, OPERATORS, FieldTerm

__all__ = ["TermModel", "make_term_model", "stage_weights"]

Floats = NDArray[np.float64]
RESOLVED_SHARES = (0.25, 1.4)  # of the fastest local change in one step; conserved: wide margin
FEWEST_STAGES, MOST_STAGES = 3, 25
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


class TermModel:
    """``dP/dt = T(sum_k theta_k N_k)``, T = 1 or, where P is conserved, minus the Laplacian.

    N: ``alpha`` -P, ``beta`` -P^3, ``gamma`` -P^5, ``gradient`` lap P, ``field`` E, and users'
    terms O[phi(P, E)]. See `make_term_model`; the attributes are those of `FieldModel`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        steps: TimeSteps,
        terms: Sequence[str | FieldTerm],
        *,
        push: Floats,
        pixel_size: tuple[float, float],
        conserved: bool,
        mirror: bool,
        order_scale: float,
        n_stages: int = FEWEST_STAGES,
    ) -> None:
        self.shape, self.steps = shape, steps
        self.all_terms = tuple(terms)
        self.terms = tuple(term.name if isinstance(term, FieldTerm) else term for term in terms)
        self.user_terms = tuple(term for term in terms if isinstance(term, FieldTerm))
        user = {term.name: len(BUILT_IN) + k for k, term in enumerate(self.user_terms)}
        places = {**{name: k for k, name in enumerate(BUILT_IN)}, **user}
        self.places = np.array([places[name] for name in self.terms])
        self.kinds = np.array([OPERATORS.index(t.operator) for t in self.user_terms], np.int64)
        self.push, self.pixel_size = push, pixel_size
        self.conserved, self.mirror, self.n_stages = conserved, mirror, n_stages
        self.n_frames = steps.times.size
        self.grid = np.array([1 / pixel_size[0] ** 2, 1 / pixel_size[1] ** 2])
        self.weights = stage_weights(n_stages)
        self.lengths = np.diff(steps.times) / steps.counts
        self.order_scale = order_scale
        self._theta = np.zeros(len(BUILT_IN) + len(user))
        self._stages = np.zeros((0, 0, 0, 0))
        self._values = self._slopes = NONE

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the coefficients, in the order parameter's unit P, length l and time t."""
        per = "l^2/t" if self.conserved else "1/t"
        powers = {"alpha": per, "beta": f"{per}/P^2", "gamma": f"{per}/P^4",
                  "gradient": "l^4/t" if self.conserved else "l^2/t",
                  "field": f"P {per}/E"}  # fmt: skip
        return tuple(powers.get(name, f"P {per}/phi") for name in self.terms)

    def _full(self, theta: Floats) -> Floats:
        """Coefficients of all built-in and users' terms, zeros for those left out."""
        full = np.zeros(len(BUILT_IN) + len(self.user_terms))
        full[self.places] = theta
        return full

    def forward(self, start: Floats, theta: Floats) -> Floats:
        """Return the frames and keep every stage of every step."""
        self._theta = self._full(np.asarray(theta, dtype=float))
        room = (self.steps.n_steps, self.n_stages, *self.shape)
        if self._stages.shape != room:
            self._stages = np.empty(room)
        frames = np.full((self.n_frames, *self.shape), np.nan)
        start = np.ascontiguousarray(start, dtype=np.float64)
        if self.user_terms:
            self._user_forward(start, frames)
        else:
            forward_pass(
                start, self.push, self._theta, self.grid, self.weights, self.steps.counts,
                self.lengths, self.conserved, self.mirror, self._stages, frames,
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
        step = 0
        for interval, count in enumerate(self.steps.counts):
            field = np.broadcast_to(self.push[interval], self.shape)
            for _ in range(count):
                for stage in range(self.n_stages):
                    extra[:] = 0.0
                    for k, term in enumerate(self.user_terms):
                        values = term.value(block[stage], field)
                        operate(int(self.kinds[k]), values, room, self.grid, False, self.mirror)
                        extra += self._theta[len(BUILT_IN) + k] * room
                    target = first if stage == 0 else rate
                    stage_rate(block[stage], extra, self.push[interval], self._theta, self.grid,
                               self.conserved, self.mirror, work, target)  # fmt: skip
                    combine(block, block[stage + 1], target, first, self.weights, stage,
                            float(self.lengths[interval]))  # fmt: skip
                self._stages[step] = block[:-1]
                block[0] = block[-1]
                step += 1
            frames[interval + 1] = block[0]
            if not np.isfinite(block[0]).all():
                return

    def _keep_terms(self) -> None:
        """Values and slopes of the users' functions at all stages."""
        n_steps, n_stages = self._stages.shape[:2]
        room = (n_steps, n_stages, len(self.user_terms), *self.shape)
        self._values, self._slopes = np.empty(room), np.empty(room)
        begun = np.repeat(np.arange(self.steps.counts.size), self.steps.counts)
        for step in range(n_steps):
            field = np.broadcast_to(self.push[begun[step]], self._stages[step].shape)
            for k, term in enumerate(self.user_terms):
                self._values[step, :, k] = term.value(self._stages[step], field)
                self._slopes[step, :, k] = term.slope(self._stages[step], field)

    def tangent(self, start_changes: Floats, theta_changes: Floats | None = None) -> Floats:
        """Return the frames' changes, one for each direction."""
        changes = np.empty((len(start_changes), self.n_frames, *self.shape))
        for k, start in enumerate(start_changes):
            turn = np.zeros(self._theta.size)
            if theta_changes is not None:
                turn = self._full(theta_changes[k])
            tangent_pass(
                np.ascontiguousarray(start), turn, self._stages, self._values, self._slopes,
                self.kinds, self.push, self._theta, self.grid, self.weights, self.steps.counts,
                self.lengths, self.conserved, self.mirror, changes[k],
            )  # fmt: skip
        return changes

    def adjoint(self, forces: Floats, *, theta: bool = True) -> tuple[Floats, Floats]:
        """Return the transposed derivatives; the parameters' come along at no cost."""
        starts = np.empty((len(forces), *self.shape))
        slopes = np.zeros((len(forces), len(self.terms)))
        for k, force in enumerate(forces):
            full = np.empty(self._theta.size)
            adjoint_pass(
                np.ascontiguousarray(force), self._stages, self._values, self._slopes, self.kinds,
                self.push, self._theta, self.grid, self.weights, self.steps.counts, self.lengths,
                self.conserved, self.mirror, starts[k], full,
            )  # fmt: skip
            if theta:
                slopes[k] = full[self.places]
        return starts, slopes

    def with_steps(self, theta: Floats, refine: int = 1) -> TermModel:
        """Return a model with steps that resolve the local change, stages that stay stable."""
        full = self._full(np.asarray(theta, dtype=float))
        size = self.order_scale
        rates = np.abs(full[:3]) * size ** np.array([0.0, 2.0, 4.0])
        wave = 4.0 * self.grid.sum()
        gradient = abs(full[3])
        bend = abs(rates[0]) + 3 * rates[1] + 5 * rates[2]
        user, drift = self._user_rates(full, size)
        bend += user
        local, stiff = bend, bend + gradient * wave + drift
        if self.conserved:
            # waves of the wall's width change at the local rate; finer ones only decay
            square = min(wave, bend / gradient) if gradient > 0 else wave
            local, stiff = bend * square, stiff * wave
        longest = RESOLVED_SHARES[self.conserved] / max(local, 1e-30)
        steps = TimeSteps.of(self.steps.times, min(longest, float(np.diff(self.steps.times).max())))
        counts = steps.counts * refine
        reach = float((np.diff(steps.times) / counts).max()) * stiff / (2.0 * SAFE)
        stages = int(np.ceil((np.sqrt(9.0 + 16.0 * reach) - 1.0) / 2.0))
        stages = max(FEWEST_STAGES, stages)
        if stages > MOST_STAGES:
            more = int(np.ceil(reach / ((MOST_STAGES**2 + MOST_STAGES - 2) / 4)))
            counts, stages = counts * more, MOST_STAGES
        return TermModel(
            self.shape, TimeSteps(steps.times, counts), self.all_terms, push=self.push,
            pixel_size=self.pixel_size, conserved=self.conserved, mirror=self.mirror,
            order_scale=size, n_stages=stages + (stages % 2 == 0),
        )  # fmt: skip

    def _user_rates(self, full: Floats, size: float) -> tuple[float, float]:
        """Largest local rate of the users' terms, and what their operators add to the stiffness."""
        local = drift = 0.0
        orders = np.linspace(-size, size, 41)[None]
        for k, term in enumerate(self.user_terms):
            steepest = 0.0
            for field in np.unique([self.push.min(), self.push.max()]):
                slopes = term.slope(orders, np.full_like(orders, field))
                steepest = max(steepest, float(np.nanmax(np.abs(slopes))))
            rate = abs(full[len(BUILT_IN) + k]) * steepest
            factor = {"identity": 1.0, "laplacian": 4.0 * float(self.grid.sum()),
                      "gradient_x": float(np.sqrt(self.grid[0])),
                      "gradient_y": float(np.sqrt(self.grid[1]))}[term.operator]  # fmt: skip
            if term.operator == "laplacian":
                drift += rate * factor
            else:
                local += rate * factor
        return local, drift


def make_term_model(
    shape: tuple[int, int],
    times: ArrayLike,
    *,
    terms: Sequence[str | FieldTerm] = ("alpha", "beta", "gradient"),
    conserved: bool = True,
    drive: ArrayLike | None = None,
    pixel_size: tuple[float, float] = (1.0, 1.0),
    mirror: bool = True,
    order_scale: float = 1.0,
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
    drive
        E held from each frame to the next: (n_frames - 1,) or (n_frames - 1, rows, columns).
    pixel_size
        (dx, dy).
    mirror
        Edges without flux; periodic otherwise.
    order_scale
        Largest size of P, for the steps in time.

    Raises
    ------
    InputError
        For an unknown term, a field term without a drive, or a conserved field pushed evenly.

    Examples
    --------
    >>> model = make_term_model((8, 8), [0.0, 1.0, 2.0]).with_steps(np.array([-0.4, 0.4, 0.5]))
    >>> start = np.random.default_rng(1).normal(size=(8, 8))
    >>> frames = model.forward(start, np.array([-0.4, 0.4, 0.5]))
    >>> frames.shape, bool(np.allclose(frames.mean((1, 2)), start.mean()))
    ((3, 8, 8), True)
    """
    names = [term.name if isinstance(term, FieldTerm) else term for term in terms]
    unknown = [name for term, name in zip(terms, names, strict=True)
               if not isinstance(term, FieldTerm) and name not in BUILT_IN]  # fmt: skip
    if unknown:
        raise InputError(
            f"terms may hold {', '.join(BUILT_IN)} and FieldTerm records; got {unknown[0]!r}."
        )
    if len(set(names)) < len(names):
        raise InputError(f"terms must have different names; got {', '.join(names)}.")
    when = np.asarray(times, dtype=float)
    push = np.zeros((when.size - 1, 1, 1))
    if drive is not None:
        push = np.ascontiguousarray(np.asarray(drive, dtype=float))
        push = push.reshape(-1, 1, 1) if push.ndim == 1 else push
        if push.shape not in ((when.size - 1, 1, 1), (when.size - 1, *shape)):
            raise InputError(
                f"drive must have shape ({when.size - 1},) or ({when.size - 1}, {shape[0]}, "
                f"{shape[1]}) for {when.size} frames; got {np.shape(drive)}."
            )
    if "field" in names:
        if not push.any():
            raise InputError("terms holds 'field', which needs a drive that is not zero.")
        if conserved and push.shape[1] == 1:
            raise InputError(
                "a conserved field does not feel an even drive: leave 'field' out of terms, or "
                "give drive with shape (n_frames - 1, rows, columns)."
            )
    return TermModel(
        shape, TimeSteps(when, np.ones(when.size - 1, np.int64)), tuple(terms), push=push,
        pixel_size=pixel_size, conserved=conserved, mirror=mirror, order_scale=order_scale,
    )  # fmt: skip
