"""Frames of a crystal, checked and laid on one lattice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.crystals.crystal_sites import (
    CrystalSites,
    find_sites,
    lay_again,
    name_alike,
)
from physlearn.records import AtomicConfiguration, Trajectory

__all__ = ["CrystalFrames", "read_crystal"]

Float = NDArray[np.float64]
MOST_MISSING = 0.02
"""Share of vacancies up to which the lattice around them is taken as perfect."""


@dataclass(frozen=True, eq=False)
class CrystalFrames:
    """One crystal seen in one or several frames.

    ``sites``: of each frame; ``unit``; ``covariances``: of each frame's positions, or None;
    ``arrays``: what was given, for the fingerprint.
    """

    sites: list[CrystalSites]
    unit: str
    covariances: list[Float] | None
    arrays: list[Float]

    @property
    def covariance(self) -> Float | None:
        """Of all frames' positions, one after the other."""
        return None if self.covariances is None else np.concatenate(self.covariances)

    @property
    def error_shares(self) -> list[float]:
        """Each frame's mean variance of positions over that of all; 1 where none is carried."""
        if self.covariances is None or not np.any(self.covariance):
            return [1.0] * len(self.sites)
        whole = float(np.trace(np.concatenate(self.covariances), axis1=1, axis2=2).mean())
        return [float(np.trace(c, axis1=1, axis2=2).mean()) / whole for c in self.covariances]

    @property
    def is_whole(self) -> bool:
        """Periodic, every site with its atom."""
        return all(s.periods is not None and s.n_missing == 0 for s in self.sites)


def read_crystal(configurations: Any, lattice: str | None = None) -> CrystalFrames:
    """Read configurations or a trajectory and lay every frame on the lattice.

    Raises
    ------
    InputError
        For anything else, several species, or frames of different boxes.
    NotIdentified
        Where the atoms do not lie on one crystal, or too many sites are empty.
    """
    frames = _configurations(configurations)
    first = frames[0]
    for index, frame in enumerate(frames):
        if frame.dimension != first.dimension or frame.unit != first.unit:
            raise InputError(f"frame {index} differs from the first in dimension or unit.")
        if (frame.cell is None) != (first.cell is None) or (
            frame.cell is not None and not np.allclose(frame.cell, np.asarray(first.cell))
        ):
            raise InputError(f"frame {index} has another cell than the first.")
        if frame.species is not None and len(np.unique(frame.species)) > 1:
            raise InputError(
                f"frame {index} holds several species; springs between unlike atoms are not "
                "told apart here: take fit_pair_potential with a family for each pair."
            )
    sites: list[CrystalSites] = []
    for frame in frames:
        try:
            sites.append(_lay(frame, first, sites, lattice))
        except NotIdentified as error:
            raise NotIdentified(f"frame {len(sites)}: {error}") from None
        missing = sites[-1].n_missing / (sites[-1].n + sites[-1].n_missing)
        if missing > MOST_MISSING:
            raise NotIdentified(
                f"frame {len(sites) - 1}: {missing:.1%} of the sites are empty, more than "
                f"{MOST_MISSING:.0%}: the lattice around vacancies is not the perfect one; cut "
                "out a piece with fewer."
            )
    given = [f.position_covariance for f in frames if f.position_covariance is not None]
    if 0 < len(given) < len(frames):
        raise InputError(
            f"{len(given)} of {len(frames)} frames carry position errors and the others none; "
            "give position_covariance to all, or to none and say position_sd."
        )
    return CrystalFrames(sites, first.unit, given or None, [frame.positions for frame in frames])


def _configurations(given: Any) -> list[AtomicConfiguration]:
    if isinstance(given, AtomicConfiguration):
        frames = [given]
    elif isinstance(given, Trajectory):
        frames = [_frame(given, given.frame == f) for f in np.unique(given.frame)]
    elif (
        isinstance(given, Sequence)
        and given
        and all(isinstance(one, AtomicConfiguration) for one in given)
    ):
        frames = list(given)
    else:
        raise InputError(
            "configurations must be an AtomicConfiguration, a sequence of them or a Trajectory; "
            f"got {type(given).__name__}."
        )
    return frames


def _frame(film: Trajectory, own: NDArray[np.bool_]) -> AtomicConfiguration:
    covariance = None
    if film.localization_sd is not None:
        covariance = film.localization_sd[own, None, None] ** 2 * np.eye(film.positions.shape[1])
    return AtomicConfiguration(
        film.positions[own], unit=film.unit, cell=film.cell, position_covariance=covariance
    )


def _lay(
    frame: AtomicConfiguration, first: AtomicConfiguration, before: list[CrystalSites],
    lattice: str | None,
) -> CrystalSites:  # fmt: skip
    """Lay a frame on its lattice; sites of later frames are named as in the first."""
    if not before:
        sites = find_sites(frame.positions, frame.cell, lattice)
        # later frames are named from the unit's origin, not from an atom
        return sites if sites.periods is None else lay_again(frame.positions, sites)
    if before[0].periods is not None:
        return lay_again(frame.positions, before[0])
    sites = find_sites(frame.positions, None, before[0].kind.name)
    return name_alike(sites, _origin(frame, sites) - _origin(first, before[0]), before[0])


def _origin(frame: AtomicConfiguration, sites: CrystalSites) -> Float:
    """Where site 0 lies."""
    return np.asarray((frame.positions - sites.sites - sites.displacement).mean(axis=0))
