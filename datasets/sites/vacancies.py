"""Vacant and half-filled sites and interstitials of a crystal, by likelihood at each site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from physlearn.checks import InputError
from physlearn.datasets.reading.picture_frame import picture_frame
from physlearn.datasets.sites.amplitude_mixture import (
    OTHER_RANGE,
    AmplitudeMixture,
    fit_amplitudes,
)
from physlearn.datasets.sites.confirmed_columns import confirmed_columns
from physlearn.datasets.sites.crystal_outline import inside_crystal
from physlearn.datasets.sites.hidden_sublattices import add_hidden_sublattices
from physlearn.datasets.sites.interstitials import find_interstitials
from physlearn.datasets.sites.site_decisions import (
    name_states,
    share_table,
    state_probabilities,
)
from physlearn.datasets.sites.site_frame import SiteFrame, find_site_frame
from physlearn.datasets.sites.site_picture import SitePicture, neighbour_lists, site_picture
from physlearn.datasets.sites.site_states import SiteStates
from physlearn.datasets.sites.vacancy_kernels import site_evidence
from physlearn.records import AtomicConfiguration

__all__ = ["find_vacancies"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
EDGE_WIDTHS = 1.0
FEWEST_FOR_SURFACE = 100
FIRST_SPREAD = 0.15
SMALLEST_PREDICTION = 0.15
"""Share of the misses' variance that a prediction keeps when fit errors are taken out."""


def find_vacancies(
    atoms: AtomicConfiguration,
    image: xr.DataArray | ArrayLike,
    *,
    atoms_per_column: Sequence[int] | None = None,
    false_discovery_rate: float = 0.05,
    hidden_sublattices: bool = True,
) -> SiteStates:
    """Say of every lattice site whether its column is there, half there, or missing.

    The columns' lattice and sublattices are found; each site's place is predicted, with an error,
    by an affine fit to its neighbours' displacements (its own column is not asked). The picture's
    likelihood there is integrated over place (that prediction) and amplitude, with the local
    background and the neighbours' amplitudes and places refitted, for each state: present (the
    sublattice's own amplitude and spread), vacant (0), half (half of it), other (any amplitude:
    another species). Sites that are vacant or half are selected by Benjamini and Hochberg's
    procedure (1995, doi:10.1111/j.2517-6161.1995.tb02031.x) on the probability that a present
    column looks as dim. An interstitial is a column off the sites that is no piece of a site's own
    column, at least 0.12 of a full one, and higher than what the sites' columns leave.

    Parameters
    ----------
    atoms
        What ``find_atoms`` found in the picture.
    image
        The picture, shape (rows, columns).
    atoms_per_column
        1 or 2 for each sublattice, brightest first: half-filled sites are possible where it is 2.
        None: 1 everywhere.
    false_discovery_rate
        Expected share of false ones among the vacant and half sites (and interstitials) named.
    hidden_sublattices
        Look in the cell average for sublattices too dim to be found column by column.

    Returns
    -------
    SiteStates
        One entry a site of the crystal inside the view, at least one column width from the edge;
        empty sites beyond the crystal's last row are left out.

    Raises
    ------
    NotIdentified
        When the columns show no lattice.
    InputError
        For atoms without intensities or widths, or arguments that do not fit.

    Examples
    --------
    >>> from physlearn.datasets import DefectSettings, find_atoms, make_defect_scene
    >>> made = make_defect_scene((128, 128), DefectSettings(vacancy_share=(0.08,)), rng=1)
    >>> found = find_vacancies(find_atoms(made.scene.image), made.scene.image)
    >>> bool(abs(found.flags("vacant").sum() - (made.states == 2).sum()) <= 2)
    True
    """
    if not 0 < false_discovery_rate < 1:
        raise InputError(
            f"false_discovery_rate must lie between 0 and 1; got {false_discovery_rate}."
        )
    if atoms.intensity is None or atoms.width is None:
        raise InputError("atoms must have intensities and widths (find_atoms gives both).")
    warnings = list(atoms.warnings)
    frame = find_site_frame(atoms)
    picture = site_picture(atoms, picture_frame(image))
    if hidden_sublattices:
        frame = add_hidden_sublattices(frame, picture, warnings)
    frame = _whole_sites(frame, picture)
    possible = _possible(frame, atoms_per_column)
    fitted = None
    if atoms.position_covariance is not None:
        fitted = np.median(atoms.position_covariance[:, :2, :2], axis=0)
    measured = _measure(frame, picture, possible, fitted)
    more = confirmed_columns(frame, picture, measured[2], measured[3])
    if more is not None:
        # columns that the finder missed and their sites show: they are neighbours as well
        frame, picture = more
        frame = _whole_sites(frame, picture)
        measured = _measure(frame, picture, possible, fitted)
    levels, surface, evidence, amplitudes = measured
    keep = np.isfinite(amplitudes[:, 2]) & _in_crystal(frame, picture, evidence, warnings)
    frame = replace(frame, column=np.where(frame.column < atoms.n, frame.column, -1))
    frame = _subset(frame, keep)
    evidence, amplitudes, surface = evidence[keep], amplitudes[keep], surface[keep]
    typical = np.array([level.center for level in levels])[frame.sublattice] * surface
    relative, relative_sd = amplitudes[:, 2] / typical, amplitudes[:, 3] / typical
    probability = state_probabilities(evidence, frame.sublattice, levels)
    spread = np.array([level.spread / level.center for level in levels])[frame.sublattice]
    too_dim = ndtr((relative - 1.0) / np.hypot(relative_sd, spread))
    state = name_states(probability, too_dim, false_discovery_rate)
    interstitials, off_p = find_interstitials(atoms, frame, picture, false_discovery_rate, warnings)
    warnings += _remarks(frame, levels, relative_sd)
    return SiteStates(
        picture.to_unit(np.where(frame.column[:, None] >= 0, amplitudes[:, :2],
                                 picture.to_pixel(frame.predicted))),
        atoms.unit, frame.indices, frame.sublattice, frame.vectors, frame.phases, frame.column,
        relative, relative_sd, evidence, probability, state, interstitials, off_p,
        share_table(frame, levels, possible, state, relative * typical / surface,
                     relative_sd * typical / surface, relative),
        _metadata(atoms, frame, levels, false_discovery_rate),
        tuple(dict.fromkeys(warnings)),
    )  # fmt: skip


def _possible(frame: SiteFrame, atoms_per_column: Sequence[int] | None) -> NDArray[np.bool_]:
    """Return which states each sublattice may show, (n_sublattices, 4)."""
    n = len(frame.phases)
    given = [1] * n if atoms_per_column is None else list(atoms_per_column)
    if len(given) != n or any(number not in (1, 2) for number in given):
        raise InputError(
            f"atoms_per_column must hold 1 or 2 for each of the {n} sublattice(s) found, brightest "
            f"first; got {atoms_per_column!r}."
        )
    return np.array([[True, True, number == 2, True] for number in given])


def _whole_sites(frame: SiteFrame, picture: SitePicture) -> SiteFrame:
    """Leave out sites that the picture's edge cuts."""
    place = picture.to_pixel(frame.predicted)
    margin = EDGE_WIDTHS * float(np.median(picture.widths))
    rows, columns = picture.image.shape
    inside = np.all(place >= margin, axis=1) & (place[:, 0] <= columns - 1 - margin)
    return _subset(frame, inside & (place[:, 1] <= rows - 1 - margin))


def _in_crystal(
    frame: SiteFrame, picture: SitePicture, evidence: Floats, warnings: list[str]
) -> Flags:
    """Return which sites belong to the crystal; say how many lie beyond its edge."""
    filled = (frame.column >= 0) | (evidence[:, [0, 3]].max(axis=1) > 0.0)
    margin = EDGE_WIDTHS * float(np.median(picture.widths))
    rows, columns = picture.image.shape
    corners = np.array([[margin, margin], [columns - 1 - margin, rows - 1 - margin]])
    low, high = picture.to_unit(corners)
    inside = inside_crystal(frame, filled, low, high)
    if not inside.all():
        warnings.append(
            f"{int((~inside).sum())} empty site(s) beyond the last row of columns were left out: "
            "the crystal ends there, and they are no vacancies."
        )
    return inside


def _subset(frame: SiteFrame, keep: Flags) -> SiteFrame:
    """Return some of the sites."""
    return replace(
        frame, indices=frame.indices[keep], sublattice=frame.sublattice[keep],
        predicted=frame.predicted[keep], covariance=frame.covariance[keep],
        column=frame.column[keep],
    )  # fmt: skip


def _measure(
    frame: SiteFrame, picture: SitePicture, possible: Flags, fit_covariance: Floats | None
) -> tuple[list[AmplitudeMixture], Floats, Floats, Floats]:
    """Return each sublattice's amplitudes, the surface, evidence (n, 4) and amplitudes (n, 4)."""
    n_parts = len(frame.phases)
    centers, widths = _first_levels(frame, picture)
    surface = np.ones(len(frame.indices))
    levels = [
        AmplitudeMixture(center, FIRST_SPREAD * center, np.array([1.0, 0, 0, 0]), -np.inf)
        for center in centers
    ]
    place = picture.to_pixel(frame.predicted)
    scale = picture.scale
    covariance = frame.covariance
    if fit_covariance is not None:
        # the misses held the fit errors of the columns that were asked; the place itself has none
        variance = np.diagonal(covariance, axis1=1, axis2=2)
        less = np.maximum(variance - np.diag(fit_covariance), SMALLEST_PREDICTION * variance)
        covariance = less[:, :, None] * np.eye(2)
    precision = np.asarray(np.linalg.inv(covariance / (scale[:, None] * scale)), dtype=np.float64)
    starts, neighbours = neighbour_lists(place, frame.column, picture)
    evidence = amplitudes = np.empty((0, 4))
    for last in (False, True):
        states = _state_table(frame.sublattice, levels, surface, possible, last=last)
        evidence, amplitudes = site_evidence(
            picture.image, picture.model, picture.weight / picture.dispersion, picture.columns,
            frame.column, place, precision, widths[frame.sublattice], states, starts, neighbours,
        )  # fmt: skip
        if last:
            break
        seen = np.isfinite(amplitudes[:, 2])
        surface = _surface(place, amplitudes, frame.sublattice, levels, seen)
        levels = []
        for part in range(n_parts):
            here = seen & (frame.sublattice == part)
            if here.sum() < 4:
                levels.append(
                    AmplitudeMixture(
                        centers[part], FIRST_SPREAD * centers[part],
                        np.array([0.9, 0.05, 0.0, 0.05]), -np.inf,
                    )
                )  # fmt: skip
                continue
            levels.append(
                fit_amplitudes(
                    amplitudes[here, 2] / surface[here], amplitudes[here, 3] / surface[here],
                    possible[part],
                )
            )  # fmt: skip
    full = np.full((len(place), 4), -np.inf)
    full[:, 0], full[:, 1] = evidence[:, 0], 0.0
    if possible[:, 2].any():
        full[:, 2] = np.where(possible[frame.sublattice, 2], evidence[:, 2], -np.inf)
    full[:, 3] = evidence[:, 1]
    return levels, surface, full, amplitudes


def _first_levels(frame: SiteFrame, picture: SitePicture) -> tuple[Floats, Floats]:
    """Return amplitude and width of each sublattice from its columns, or from the cell average."""
    centers, widths = [], []
    for part in range(len(frame.phases)):
        mine = frame.column[(frame.sublattice == part) & (frame.column >= 0)]
        if len(mine) >= 4:
            centers.append(float(np.exp(np.median(picture.columns[mine, 2]))))
            widths.append(float(np.median(picture.widths[mine])))
        else:
            place = picture.to_pixel(frame.predicted[frame.sublattice == part])
            centers.append(max(picture.mean_amplitude(place), 1e-6))
            widths.append(float(np.median(picture.widths)))
    return np.array(centers), np.array(widths)


def _state_table(
    sublattice: NDArray[np.int64], levels: list[AmplitudeMixture], surface: Floats, possible: Flags,
    *, last: bool,
) -> Floats:  # fmt: skip
    """Return centre, spread, low and high of present, other and half for each site."""
    center = np.array([level.center for level in levels])[sublattice] * surface
    spread = np.array([level.spread for level in levels])[sublattice] * surface
    none = np.zeros(len(center))
    present = np.stack([center, spread, none, none], axis=1)
    if not last:
        return np.ascontiguousarray(present[:, None, :])
    other = np.stack(
        [0.6 * center, 0.6 * center, OTHER_RANGE[0] * center, OTHER_RANGE[1] * center], axis=1
    )
    tables = [present, other]
    if possible[:, 2].any():
        tables.append(0.5 * present)
    return np.ascontiguousarray(np.stack(tables, axis=1))


def _surface(
    place: Floats, amplitudes: Floats, sublattice: NDArray[np.int64],
    levels: list[AmplitudeMixture], seen: Flags,
) -> Floats:  # fmt: skip
    """Return the smooth relative brightness of the picture at each site (quadratic, robust)."""
    surface = np.ones(len(place))
    ratio = amplitudes[:, 2] / np.array([level.center for level in levels])[sublattice]
    error = amplitudes[:, 3] / np.array([level.center for level in levels])[sublattice]
    good = seen & (error < 0.5)
    if good.sum() < FEWEST_FOR_SURFACE:
        return surface
    for part in range(len(levels)):
        mine = good & (sublattice == part)
        if mine.any():
            ratio[mine] /= max(float(np.median(ratio[mine])), 1e-6)
    x, y = ((place - place.mean(axis=0)) / np.ptp(place, axis=0)).T
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    weight = 1.0 / np.hypot(error, 0.05)
    for _ in range(8):
        off = np.abs(ratio - surface) * weight
        scale = max(1.4826 * float(np.median(off[good])), 1e-9)
        root = weight * np.where(off < 3 * scale, 1.0, 0.0)
        line = np.linalg.lstsq(
            design[good] * root[good, None], ratio[good] * root[good], rcond=None
        )[0]
        surface = np.clip(design @ line, 0.3, 3.0)
    return np.asarray(surface / surface.mean())


def _remarks(frame: SiteFrame, levels: list[AmplitudeMixture], error: Floats) -> list[str]:
    """Return what a reader must know of how well sites can be told apart."""
    said = []
    for part, level in enumerate(levels):
        here = frame.sublattice == part
        joint = (
            float(np.hypot(np.median(error[here]), level.spread / level.center))
            if here.any()
            else 0
        )
        if joint > 0.3:
            said.append(
                f"a full site of sublattice {part} stands out by {1 / joint:.1f} standard "
                "deviations only: single vacancies there are hardly told, their share is."
            )
    return said


def _metadata(
    atoms: AtomicConfiguration, frame: SiteFrame, levels: list[AmplitudeMixture], rate: float
) -> dict[str, object]:
    """Return what was measured on the way."""
    metadata: dict[str, object] = {
        "source": str(atoms.metadata.get("source", "")), "false_discovery_rate": rate,
        "n_sublattices": len(levels),
    }  # fmt: skip
    for part, level in enumerate(levels):
        metadata[f"sublattice_{part}_amplitude"] = level.center
        metadata[f"sublattice_{part}_relative_spread"] = level.spread / level.center
        here = frame.sublattice == part
        metadata[f"sublattice_{part}_prediction_sd"] = float(
            np.sqrt(np.median(frame.covariance[here, 0, 0])) if here.any() else np.nan
        )
    return metadata
