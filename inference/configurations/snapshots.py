"""Positions in thermal equilibrium as the estimators of pair potentials read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.inference.configurations.pair_list import close_pairs
from physlearn.lattice_models.particles.interaction import read_particles
from physlearn.records import AtomicConfiguration, Trajectory

__all__ = ["Snapshot", "check_reach", "read_snapshots", "wrapped"]

Float = NDArray[np.float64]
OVERLAP = 1e-6
"""Distance, over the typical one between neighbours, below which two particles are one."""
FEWEST = 8
"""Particles that a snapshot must hold."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One frame in thermal equilibrium, checked.

    Attributes
    ----------
    positions
        float64, shape (n, d); inside the box where there is one.
    species
        int64, shape (n,).
    box
        float64, shape (d,): lengths of a periodic box; None: a field of view.
    window
        float64, shape (2, d): corners of what was looked at (of the box where it is periodic).
    position_sd
        float64, shape (n,): standard deviation of each coordinate's error.
    unit
        Of length.
    """

    positions: Float
    species: NDArray[np.int64]
    box: Float | None
    window: Float
    position_sd: Float
    unit: str

    @property
    def n(self) -> int:
        """Number of particles."""
        return len(self.positions)

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return int(self.positions.shape[1])

    @property
    def n_species(self) -> int:
        """One more than the largest code."""
        return int(self.species.max()) + 1

    @property
    def density(self) -> float:
        """Particles per area or volume."""
        return self.n / float(np.prod(self.window[1] - self.window[0]))

    def inner(self, reach: float) -> NDArray[np.bool_]:
        """Return which particles see all their neighbours within ``reach``, shape (n,)."""
        if self.box is not None:
            return np.ones(self.n, dtype=bool)
        low, high = self.window
        within = (self.positions >= low + reach) & (self.positions <= high - reach)
        return np.asarray(within.all(axis=1), dtype=np.bool_)

    def configuration(self) -> AtomicConfiguration:
        """Return the record that the simulators start from."""
        species = self.species if self.species.any() else None
        cell = None if self.box is None else np.diag(self.box)
        return AtomicConfiguration(self.positions, unit=self.unit, species=species, cell=cell)


def read_snapshots(configurations: Any, position_sd: float | None) -> list[Snapshot]:
    """Return the frames of a configuration, a sequence of them or a trajectory, checked.

    Raises
    ------
    InputError
        For something else, fewer than 8 particles, two particles in one place, frames that do not
        belong together, or errors of the positions that are not stated.
    """
    frames = _frames(configurations)
    codes = _species_codes(frames)
    snapshots = [
        _read(frame, k, position_sd, own)
        for k, (frame, own) in enumerate(zip(frames, codes, strict=True))
    ]
    for name in ("dimension", "unit"):
        values = {getattr(snapshot, name) for snapshot in snapshots}
        if len(values) > 1:
            raise InputError(f"configurations must share one {name}; got {sorted(values)}.")
    if len({snapshot.box is None for snapshot in snapshots}) > 1:
        raise InputError("configurations must all have a cell, or none of them.")
    return snapshots


def wrapped(positions: Float, box: Float) -> Float:
    """Return positions inside a periodic box, 0 <= x < box also where a hair below 0 rounds up."""
    inside = positions - np.floor(positions / box) * box
    return np.asarray(np.where(inside < box, inside, 0.0))


def check_reach(snapshots: Sequence[Snapshot], reach: float) -> None:
    """Refuse a cutoff beyond half the box, or a field of view without an inner particle."""
    for k, snapshot in enumerate(snapshots):
        if snapshot.box is not None and reach > 0.5 * float(snapshot.box.min()):
            raise InputError(
                f"cutoff must not exceed half the shortest box length, "
                f"{0.5 * snapshot.box.min():g}; got {reach:g}: give a shorter cutoff."
            )
        if snapshot.box is None and snapshot.inner(reach).sum() < FEWEST:
            raise InputError(
                f"cutoff = {reach:g} leaves {snapshot.inner(reach).sum()} particles of frame {k} "
                "farther than a cutoff from the edge of the field of view, and at least "
                f"{FEWEST} are needed (those nearer only act as neighbours): "
                "give a shorter cutoff, a larger field or the periodic cell."
            )


def _frames(configurations: Any) -> list[AtomicConfiguration]:
    if isinstance(configurations, AtomicConfiguration):
        return [configurations]
    if isinstance(configurations, Trajectory):
        return _trajectory_frames(configurations)
    frames = list(configurations) if isinstance(configurations, Sequence) else [configurations]
    if not frames or not all(isinstance(frame, AtomicConfiguration) for frame in frames):
        found = type(configurations).__name__ if frames else "nothing"
        raise InputError(
            "configurations must be an AtomicConfiguration, a list of them or a Trajectory; "
            f"got {found}: wrap positions as AtomicConfiguration(positions, unit=..., cell=...)."
        )
    return frames


def _trajectory_frames(trajectory: Trajectory) -> list[AtomicConfiguration]:
    d = trajectory.positions.shape[1]
    frames = []
    for frame in np.unique(trajectory.frame):
        here = trajectory.frame == frame
        sd = None if trajectory.localization_sd is None else trajectory.localization_sd[here]
        covariance = None if sd is None else sd[:, None, None] ** 2 * np.eye(d)
        frames.append(
            AtomicConfiguration(
                trajectory.positions[here], unit=trajectory.unit, cell=trajectory.cell,
                position_covariance=covariance,
            )
        )  # fmt: skip
    return frames


def _species_codes(frames: Sequence[AtomicConfiguration]) -> list[NDArray[np.int64] | None]:
    """Return each frame's species by the names of the first: codes may stand in any order."""
    named = [bool(frame.species_names) and frame.species is not None for frame in frames]
    if not any(named):
        return [None] * len(frames)
    if not all(named):
        raise InputError(
            "configurations must all name their species, or none of them; frame "
            f"{named.index(True)} does and frame {named.index(False)} does not."
        )
    names = list(dict.fromkeys(name for frame in frames for name in frame.species_names))
    return [
        np.array([names.index(name) for name in frame.species_names], dtype=np.int64)[
            np.asarray(frame.species, dtype=np.int64)
        ]
        for frame in frames
    ]


def _read(
    frame: AtomicConfiguration,
    k: int,
    position_sd: float | None,
    codes: NDArray[np.int64] | None,
) -> Snapshot:
    if frame.n < FEWEST:
        raise InputError(
            f"configurations must hold at least {FEWEST} particles a frame; "
            f"frame {k} holds {frame.n}."
        )
    particles = read_particles(frame, f"configurations[{k}]")
    positions, box = particles.positions, particles.box
    if box is not None:
        positions = wrapped(positions, box)
    species = particles.species if codes is None else codes
    snapshot = Snapshot(
        np.ascontiguousarray(positions), species, box, _window(frame, positions, box),
        _position_sd(frame, k, position_sd), frame.unit,
    )  # fmt: skip
    _check_distances(snapshot, k)
    return snapshot


def _window(frame: AtomicConfiguration, positions: Float, box: Float | None) -> Float:
    if box is not None:
        return np.stack([np.zeros_like(box), box])
    if frame.field_of_view is not None and frame.dimension == 2:
        return np.reshape(np.asarray(frame.field_of_view, dtype=np.float64), (2, 2))
    return np.stack([positions.min(axis=0), positions.max(axis=0)])


def _position_sd(frame: AtomicConfiguration, k: int, position_sd: float | None) -> Float:
    """Stated by the caller, else the root mean variance of each particle's coordinates."""
    if position_sd is not None:
        known = check_positive("position_sd", position_sd, allow_zero=True)
        extent = float(np.ptp(frame.positions, axis=0).max()) if frame.n > 1 else np.inf
        if known >= extent > 0:
            raise InputError(
                f"position_sd must be below the extent of the configuration, {extent:.3g}; got "
                f"{known:g} (frame {k})."
            )
        return np.full(frame.n, known)
    if frame.position_covariance is None:
        raise InputError(
            "position_sd must be stated (0 for exact positions) where a configuration has no "
            "position_covariance: an error of 1 % of the diameter that nobody accounts for costs "
            f"more than a tenth of the force; frame {k} has none."
        )
    variance = np.trace(frame.position_covariance, axis1=1, axis2=2) / frame.dimension
    if not np.isfinite(variance).all() or (variance < 0.0).any():
        raise InputError(f"position_covariance of frame {k} must be finite and at least 0.")
    return np.asarray(np.sqrt(variance))


def _check_distances(snapshot: Snapshot, k: int) -> None:
    spacing = snapshot.density ** (-1.0 / snapshot.dimension)
    if not np.isfinite(spacing):
        raise InputError(f"the particles of frame {k} lie on one line or in one plane.")
    reach = 0.1 * spacing
    pairs, _, distance = close_pairs(snapshot.positions, reach, snapshot.box)
    if len(pairs) and distance.min() < OVERLAP * spacing:
        first, second = pairs[int(distance.argmin())]
        raise InputError(
            f"particles {first} and {second} of frame {k} lie on top of each other "
            f"({distance.min():.3g} apart): remove the double, no pair force is finite there."
        )
