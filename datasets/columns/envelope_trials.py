"""Simulated pictures for some cells of the operating envelope, measured with ``find_atoms``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import as_generator
from physlearn.datasets.columns.find_atoms import find_atoms
from physlearn.datasets.synthetic.imaging import ImagingSettings, image_columns

if TYPE_CHECKING:
    import pandas as pd

    from physlearn.datasets.columns.operating_envelope import EnvelopeCell

__all__ = ["add_trials", "spread_over", "try_cell"]

COLUMNS_ALONG_EDGE = 16.0
MATCH_SHARE = 0.4
VACANT_SHARE = 0.06
PLACE_NOISE = 0.03
"""Random shift of each column, in spacings: real lattices are not on the pixel grid."""


def add_trials(
    table: pd.DataFrame,
    cells: list[EnvelopeCell],
    n_trials: int,
    rng: int | np.random.Generator | None,
) -> pd.DataFrame:
    """Return the table with ``simulated_*`` columns, not a number where nothing was simulated."""
    generator, _ = as_generator(rng)
    chosen = spread_over(table, n_trials)
    for row in chosen:
        for name, value in try_cell(cells[int(row)], generator).items():
            if f"simulated_{name}" not in table:
                table[f"simulated_{name}"] = np.nan
            table.loc[int(row), f"simulated_{name}"] = value
    return table


def spread_over(table: pd.DataFrame, n: int) -> NDArray[np.int64]:
    """Return rows spread evenly over the order of the weak columns' detection."""
    order = np.argsort(table["matched_snr"].to_numpy(), kind="stable")
    at = np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(np.int64)
    return np.unique(order[at])


def try_cell(cell: EnvelopeCell, rng: np.random.Generator) -> dict[str, float]:
    """Return what one picture shows: found shares, errors, wrong labels, false and missed sites."""
    d = cell.spacing / cell.pixel_size
    half = 0.5 * COLUMNS_ALONG_EDGE * d
    places, species = cell.columns(half)
    places = places + d + rng.normal(0.0, PLACE_NOISE * d, places.shape)
    peaks = cell.peak * np.where(species == species[0], 1.0, cell.weak)
    bright, weak = species == species[0], species != species[0]
    vacant = weak & (rng.random(len(places)) < VACANT_SHARE)
    edge = int(2 * half + 2 * d) + 1
    settings = ImagingSettings(
        width_px=cell.width_px, background_counts=cell.background * cell.peak
    )
    scene = image_columns(places[~vacant], peaks[~vacant], (edge, edge), settings, rng=rng)
    atoms = find_atoms(scene.image, noise="poisson")
    empty, weak = vacant, weak & ~vacant
    result = {
        "found": 0.0, "found_weak": 0.0, "false_share": 0.0, "position_rms": np.nan,
        "position_rms_weak": np.nan, "species_error": np.nan,
        "vacancy_error": 0.5,
    }  # fmt: skip
    if atoms.n == 0:
        return result
    nearest = cKDTree(atoms.positions).query(places)
    distance, near = np.asarray(nearest[0]), np.asarray(nearest[1])
    taken = distance < MATCH_SHARE * d
    back = np.asarray(cKDTree(places[~vacant]).query(atoms.positions)[0])
    result["found"] = float(taken[bright].mean())
    result["found_weak"] = float(taken[weak].mean())
    result["false_share"] = float((back > MATCH_SHARE * d).mean())
    if empty.any():
        result["vacancy_error"] = 0.5 * float((~taken[weak]).mean() + taken[empty].mean())
    found = distance < min(MATCH_SHARE * d, 1.5 * cell.width_px)
    for name, these in (("position_rms", bright), ("position_rms_weak", weak)):
        these = these & found
        if these.any():
            error = atoms.positions[near[these]] - places[these]
            result[name] = float(np.sqrt((error**2).mean()) * cell.pixel_size)
    if (
        cell.weak < 1
        and (found & weak).any()
        and (found & bright).any()
        and atoms.intensity is not None
    ):
        measured = atoms.intensity[near]
        sd_bright = measured[found & bright].std()
        sd_weak = measured[found & weak].std()
        high, low = np.median(measured[found & bright]), np.median(measured[found & weak])
        cut = (high * sd_weak + low * sd_bright) / (sd_bright + sd_weak)
        wrong = (measured[found & bright] < cut).mean() + (measured[found & weak] >= cut).mean()
        result["species_error"] = float(0.5 * wrong)
    return result
