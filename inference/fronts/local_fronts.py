"""Fronts whose speed depends on their place and, not linearly, on their bend."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fronts.local_laws import LocalLaw
from physlearn.inference.fronts.wall_fronts import FrontModel, LineFront, PolarFront, shape_basis
from physlearn.inference.fronts.wall_runs import WallRun
from physlearn.lattice_models.walls.wall_front import CLOSED, polar_geometry

__all__ = ["make_local_front"]

Floats = NDArray[np.float64]

STIFFER = 2.0  # the mobility may grow by that much before time steps are chosen again
SHARPEST = 2.5  # usual bends: the largest that is expected
FINE = 1e-3


class _LocalPolarFront(PolarFront):
    """A closed wall under a `LocalLaw`."""

    def __init__(
        self, run: WallRun, design: Floats, times: Floats, law: LocalLaw, drive: Floats
    ) -> None:
        super().__init__(run, design, times)
        self.law, self.drive = law, drive[run.frames]
        angles = 2 * np.pi * np.arange(self.n_nodes) / self.n_nodes
        self._along = np.stack([np.cos(angles), np.sin(angles)])
        everything = shape_basis(self.n_nodes, self.n_nodes // 3)
        self._keep = everything @ np.linalg.pinv(everything)

    def settle_substeps(self, globals_: Floats) -> None:
        """See `FrontModel`."""
        super().settle_substeps(_plain(globals_, self.design.shape[1], self.law))

    def global_steps(self, n_globals: int) -> Floats:
        """See `FrontModel`."""
        return _with_unknowns(super().global_steps(n_globals - len(self.law.names)), self.law)

    def fronts(self, globals_: Floats, shapes: Floats) -> Floats:
        """See `FrontModel`."""
        start = shapes @ self.basis.T
        legal = np.asarray((start > 0).all(axis=1))
        start = np.where(legal[:, None], start, self.run.size) @ self._keep
        sign = float(self.run.sign)
        n = self.design.shape[1]
        speeds = sign * (globals_[:, :n] @ self.design.T)
        unknowns, mobility = globals_[:, n:-1], globals_[:, -1:]

        smallest = CLOSED * start.mean(axis=1)

        def rate(radius: Floats, speed: Floats, drive: float) -> Floats:
            stretch, bend, slope = polar_geometry(radius)
            x, y = (self.run.center[k] + radius * self._along[k] for k in range(2))
            normals = (x, y)
            if self.law.pinning == "drawn":
                out, across = sign * radius / stretch, sign * slope / stretch
                cosine, sine = self._along
                normals = (out * cosine + across * sine, out * sine - across * cosine)
            velocity = self.law.velocity(
                speed, mobility, unknowns, sign * bend, (x, y), normals, drive
            )
            return np.asarray(sign * velocity * stretch / radius)

        def cleaned(radius: Floats) -> Floats:
            radius = radius @ self._keep
            radius[~(radius.min(axis=1) > smallest)] = np.nan
            return radius

        counts = np.full(self.times.size - 1, self.substeps.max())
        radii = _moved(start, speeds, self.drive, self.times, counts, rate, cleaned)
        radii[:, ~legal] = np.nan
        return radii


class _LocalLineFront(LineFront):
    """An open wall under a `LocalLaw`."""

    def __init__(
        self, run: WallRun, design: Floats, times: Floats, law: LocalLaw, drive: Floats
    ) -> None:
        super().__init__(run, design, times)
        self.law, self.drive = law, drive[run.frames]
        self._along = self.origin + self.node_spacing * np.arange(self.n_nodes)

    def settle_substeps(self, globals_: Floats) -> None:
        """See `FrontModel`."""
        super().settle_substeps(_plain(globals_, self.design.shape[1], self.law))

    def global_steps(self, n_globals: int) -> Floats:
        """See `FrontModel`."""
        return _with_unknowns(super().global_steps(n_globals - len(self.law.names)), self.law)

    def fronts(self, globals_: Floats, shapes: Floats) -> Floats:
        """See `FrontModel`."""
        n = self.design.shape[1]
        unknowns, mobility = globals_[:, n:-1], globals_[:, -1:]
        along, up = self.run.axes

        def rate(height: Floats, speed: Floats, drive: float) -> Floats:
            slope, second = _slopes(height, self.node_spacing)
            stretch = np.sqrt(1.0 + slope**2)
            x, y = (self.run.center[k] + along[k] * self._along + up[k] * height for k in range(2))
            normals = (x, y)
            if self.law.pinning == "drawn":
                normals = (
                    (up[0] - slope * along[0]) / stretch,
                    (up[1] - slope * along[1]) / stretch,
                )
            velocity = self.law.velocity(
                speed, mobility, unknowns, -second / stretch**3, (x, y), normals, drive
            )
            return np.asarray(velocity * stretch)

        start = shapes @ self.basis.T
        speeds = globals_[:, :n] @ self.design.T
        return _moved(start, speeds, self.drive, self.times, self.substeps, rate, lambda h: h)


def make_local_front(
    run: WallRun, design: Floats, times: Floats, law: LocalLaw, drive: Floats
) -> FrontModel:
    """Return the front model of a wall under a local law; its globals end with the mobility.

    Before the mobility stand the law's unknowns, after the speeds of ``design``.

    Parameters
    ----------
    run
        The wall.
    design
        As in `make_front`.
    times
        Of the film's frames.
    law
        What depends on place and bend.
    drive
        Shape (n_frames,), for a mobility that depends on it.
    """
    kind = _LocalPolarFront if run.closed else _LocalLineFront
    return kind(run, design, times, law, drive)


def _moved(
    start: Floats, speeds: Floats, drive: Floats, times: Floats, counts: NDArray[np.int64],
    rate: Callable[[Floats, Floats, float], Floats], cleaned: Callable[[Floats], Floats],
) -> Floats:  # fmt: skip
    """Classical Runge-Kutta steps of all cases at once; (n_frames, n_cases, n_nodes)."""
    frames = np.empty((times.size, *start.shape))
    frames[0] = start
    here = start
    with np.errstate(all="ignore"):
        for index, count in enumerate(counts):
            step = float(times[index + 1] - times[index]) / int(count)
            speed, force = speeds[:, index, None], float(drive[index])
            for _ in range(int(count)):
                k1 = rate(here, speed, force)
                k2 = rate(here + 0.5 * step * k1, speed, force)
                k3 = rate(here + 0.5 * step * k2, speed, force)
                k4 = rate(here + step * k3, speed, force)
                here = cleaned(here + step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4))
            frames[index + 1] = here
    return frames


def _slopes(height: Floats, spacing: float) -> tuple[Floats, Floats]:
    """First and second derivative along the line; no bend at free ends."""
    slope, second = np.empty_like(height), np.zeros_like(height)
    right, left = height[:, 3:-1], height[:, 1:-3]
    far, near = height[:, 4:], height[:, :-4]
    slope[:, 2:-2] = (8.0 * (right - left) - (far - near)) / (12.0 * spacing)
    second[:, 2:-2] = (16.0 * (right + left) - (far + near) - 30.0 * height[:, 2:-2]) / (
        12.0 * spacing**2
    )
    for inner in (1, -2):
        after, before = height[:, inner + 1 or None], height[:, inner - 1]
        slope[:, inner] = (after - before) / (2.0 * spacing)
        second[:, inner] = (after - 2.0 * height[:, inner] + before) / spacing**2
    slope[:, 0] = (height[:, 1] - height[:, 0]) / spacing
    slope[:, -1] = (height[:, -1] - height[:, -2]) / spacing
    return slope, second


def _plain(globals_: Floats, n_speeds: int, law: LocalLaw) -> Floats:
    """Speeds and mobility no smaller than what the law makes of them, to choose the time steps."""
    unknowns = globals_[n_speeds:-1]
    kept = np.append(globals_[:n_speeds], globals_[-1])
    if law.bending != "linear":
        extra = max(float(unknowns[-1]), 0.0)
        steepest = {"power": (1.0 + extra) * SHARPEST**extra, "driven": 1.0 + extra}
        kept[-1] *= STIFFER * steepest.get(law.bending, 1.0)
    if law.pinning == "factor" and law.reach != "linear":
        kept *= 1.0 + abs(float(unknowns[0]))
    return kept


def _with_unknowns(steps: Floats, law: LocalLaw) -> Floats:
    """Return the steps of the derivatives, those of the unknowns before the mobility's."""
    return np.concatenate([steps[:-1], np.full(len(law.names), FINE), steps[-1:]])
