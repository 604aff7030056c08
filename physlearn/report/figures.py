"""The figures of a report: drawn once, written as PNG files, carried inside the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physlearn.findings import Findings
from physlearn.patch_summary import MOSTLY_NOISE, column_rows
from physlearn.records import AtomicConfiguration, PatchTable
from physlearn.report.campaign_figures import campaign_figures
from physlearn.report.draw_atoms import (
    plot_atoms,
    plot_image,
    plot_patches,
    plot_species,
    site_atoms,
)
from physlearn.report.draw_causal import plot_effects, plot_graph
from physlearn.report.draw_defects import common_species, defect_places, plot_vacancies
from physlearn.report.draw_lattice import plot_correlations, plot_couplings
from physlearn.report.draw_spectra import plot_spectra
from physlearn.report.draw_strain import plot_row_shifts, plot_strain
from physlearn.report.draw_walls import (
    plot_domain_share,
    plot_laws,
    plot_wall_parameters,
    plot_walls,
)
from physlearn.report.drawing import STYLE, blank_figure
from physlearn.report.motion_figures import motion_figures
from physlearn.report.picture import Picture, Place, render_picture
from physlearn.report.places import (
    coupling_places,
    curve_places,
    edge_places,
    effect_places,
    law_places,
    shell_places,
    side_of,
)
from physlearn.words import said_number, species_counts

__all__ = ["MAX_PATCH_MAPS", "Picture", "draw_pictures", "effect_rows", "maps_shown"]

MAX_PATCH_MAPS = 8
WALL_FRAMES = 4


def draw_pictures(findings: Findings) -> dict[str, Picture]:
    """Draw every figure that the findings allow, by name.

    Parameters
    ----------
    findings
        Of a study.

    Returns
    -------
    dict
        Name (that of the PNG file) -> `Picture`.

    Examples
    --------
    >>> draw_pictures(Findings("a picture", 1))
    {}
    """
    pictures: dict[str, Picture] = {}
    with matplotlib.rc_context(STYLE):
        for part in (
            _atoms, _structure, _couplings, _patches, _causes, _walls, motion_figures,
            campaign_figures,
        ):  # fmt: skip
            for drawn in part(findings):
                pictures[drawn[0]] = render_picture(*drawn)
    return pictures


Drawn = tuple[str, Figure, str, str] | tuple[str, Figure, str, str, list[Place]]


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    return blank_figure((width, height))


def _atoms(findings: Findings) -> Iterator[Drawn]:
    image = findings.image
    if image is None:
        return
    tall = float(np.clip(5.2 * image.sizes["y"] / image.sizes["x"], 1.5, 8.0))
    figure, ax = _canvas(4.4, 0.85 * tall)
    plot_image(image, ax=ax)
    yield ("image", figure, f"The picture itself, {image.sizes['x']} by {image.sizes['y']} pixels.",
           "The picture as it was read, in grey.")  # fmt: skip
    atoms = findings.atoms
    if atoms is None:
        return
    on_sites = findings.snapshots is not None and findings.snapshots.graph.positions is not None
    drawn = site_atoms(findings.snapshots) if findings.snapshots and on_sites else atoms
    figure, ax = _canvas(4.4, 0.85 * tall)
    plot_atoms(image, drawn, ax=ax)
    what = "site of the lattice" if on_sites else "fitted column"
    yield ("atoms", figure, f"The picture with a ring on each {what}, {drawn.n} in all.",
           f"A ring on every {what}; colour and shape tell the species.")  # fmt: skip
    near_image, near_atoms = _close_up(image, atoms)
    figure, ax = _canvas(4.4, 4.4)
    plot_atoms(near_image, near_atoms, ax=ax)
    if near_atoms.species is not None:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    yield ("atoms_close", figure, f"The middle of the picture with a ring on each of its "
           f"{near_atoms.n} fitted columns.",
           "The middle of the picture, with every column that was fitted.")  # fmt: skip
    shown = findings.snapshots if findings.snapshots is not None else atoms
    counts = species_counts(findings)
    if findings.snapshots is None and atoms.species is None:
        return
    if findings.snapshots is not None and findings.snapshots.graph.positions is None:
        return
    figure, ax = _canvas(4.4, 0.85 * tall + 0.5)
    plot_species(shown, ax=ax)
    said = ", ".join(f"{count} {name}" for name, count in counts.items()) or f"{atoms.n} atoms"
    yield ("species", figure, f"Map of the species on the lattice: {said}.",
           "What sits on each site of the lattice.")  # fmt: skip


def _structure(findings: Findings) -> Iterator[Drawn]:
    sites, image, atoms = findings.vacancies, findings.image, findings.atoms
    if sites is not None and image is not None and atoms is not None:
        marked = {**defect_places(sites), "interstitial": atoms.positions[sites.interstitials]}
        if any(map(len, marked.values())):
            figure, ax = _canvas(4.4, 4.6 * image.sizes["y"] / image.sizes["x"] + 0.3)
            plot_vacancies(image, sites, marked["interstitial"], ax=ax)
            said = ", ".join(f"{len(points)} {kind}" for kind, points in marked.items())
            many = common_species(sites)
            yield (
                "vacancies",
                figure,
                f"The picture with a mark on each site that is not as it should be: {said}.",
                "Sites that are vacant, half filled or held by another species (brighter or dimmer "
                "than usual), and columns on no site."
                + (f" {many:,} sites of a second species are too many to mark." if many else ""),
            )
    if findings.strain is not None and findings.strain.complete.any():
        figure, ax = _canvas(4.4, 4.0)
        plot_strain(findings.strain, ax=ax)
        yield (
            "strain",
            figure,
            "Map of the dilation of the lattice about each atom.",
            "Dilation of the lattice about each atom, against the mean of the picture.",
        )
    if findings.scan is not None:
        figure, ax = _canvas(5.4, 3.2)
        plot_row_shifts(findings.scan, ax=ax)
        yield (
            "row_shifts",
            figure,
            "Displacement of every scan row along x.",
            "How far each row of the scan was displaced, two standard deviations shaded; taken "
            "out of the positions.",
        )


def _close_up(
    image: xr.DataArray, atoms: AtomicConfiguration
) -> tuple[xr.DataArray, AtomicConfiguration]:
    """Return the middle of the picture, about twelve columns wide, and the columns in it."""
    ny, nx = image.sizes["y"], image.sizes["x"]
    per_side = np.sqrt(max(atoms.n, 1) * nx / ny)
    half = int(np.clip(nx * 6 / per_side, 16, min(nx, ny) / 2))
    part = image.isel(y=slice(ny // 2 - half, ny // 2 + half),
                      x=slice(nx // 2 - half, nx // 2 + half))  # fmt: skip
    x, y = (part.coords[dim].to_numpy() for dim in ("x", "y"))
    px, py = atoms.positions[:, 0], atoms.positions[:, 1]
    rows = (px >= x[0]) & (px <= x[-1]) & (py >= y[0]) & (py <= y[-1])
    species = None if atoms.species is None else atoms.species[rows]
    return part, AtomicConfiguration(
        atoms.positions[rows], atoms.unit, species=species, species_names=atoms.species_names
    )


def _couplings(findings: Findings) -> Iterator[Drawn]:
    fit = findings.couplings
    if fit is None:
        return
    truth = findings.truth.parameters if findings.truth else None
    rows: list[Any] = [
        row for row in fit.summary().to_dict("records") if str(row["name"]).startswith("coup")
    ]
    figure, ax = _canvas(5.4, 3.8)
    plot_couplings(fit, truth=truth, ax=ax)
    said = "; ".join(
        f"{row['name']} mean {said_number(row['mean'])}, 90 % interval {said_number(row['q05'])} "
        f"to {said_number(row['q95'])}"
        for row in rows
    )
    yield ("couplings", figure, f"Posterior densities of the couplings: {said}.",
           "Posterior of each coupling; the shaded part holds 90 %.",
           coupling_places(ax, rows))  # fmt: skip
    if findings.correlations is None:
        return
    table = findings.correlations
    figure, ax = _canvas(5.4, 3.8)
    plot_correlations(table, ax=ax)
    inside = int((table["observed"].between(table["predicted_q05"], table["predicted_q95"])).sum())
    yield ("correlations", figure,
           f"Correlations of neighbours, seen against simulated from the fit; {inside} of "
           f"{len(table)} shells lie inside the predicted 90 %.",
           "A check: pictures simulated from the fit against the real one. Open marks were not "
           "fitted.", shell_places(ax, table))  # fmt: skip


def _patches(findings: Findings) -> Iterator[Drawn]:
    table = findings.patches
    if table is None:
        return
    for name, spectra in ({} if findings.spectra is None else findings.spectra).items():
        if spectra.dtype.kind == "c":
            continue
        figure, ax = _canvas(5.6, 3.6)
        plot_spectra(spectra, ax=ax)
        yield (f"spectra_{_file_name(str(name))}", figure,
               f"Median and mean spectrum of {name} over all pixels.",
               f"{name}: the median of the sound pixels, two standard errors shaded, beside the "
               "mean of all.")  # fmt: skip
    rows = {row["name"]: row for row in column_rows(table)}
    for column in maps_shown(table):
        figure, ax = _canvas(2.75, 2.4 if not table.flags and not table.derived else 2.7)
        plot_patches(table, column, ax=ax)
        values, row = table.frame[column], rows[column]
        what = row["formula"].split(";")[0] if row["term"] else "patch by patch"
        if row["term"] == "channel_mean":
            what = "mean in each patch"
        yield (f"patch_{_file_name(column)}", figure,
               f"Map of {column.replace('_', ' ')} over {table.n_patches} patches, from "
               f"{_said_end(values.min())} to {_said_end(values.max())}, "
               f"{side_of(table.centers, values.to_numpy())}.",
               f"{column.replace('_', ' ')}: {what}.")  # fmt: skip


def _said_end(value: float) -> str:
    """Return the end of a map's range; what is nothing is 0."""
    return said_number(float(value) if abs(value) > 1e-12 else 0.0)


def maps_shown(table: PatchTable) -> list[str]:
    """Return the columns whose maps the report holds: where many, the ones that say most."""
    rows = {row["name"]: row for row in column_rows(table)}

    def rank(column: str) -> tuple[bool, bool]:
        noisy = (rows[column]["noise_share"] or 0.0) > MOSTLY_NOISE
        return column in table.derived, noisy and column not in table.flags

    kept = sorted(table.columns, key=rank)[:MAX_PATCH_MAPS]
    return [column for column in table.columns if column in kept]


def _causes(findings: Findings) -> Iterator[Drawn]:
    graph = findings.graph
    if graph is not None:
        planted = findings.truth.arrows if findings.truth else None
        linked = {name for edge in graph.edges for name in (edge.source, edge.target)}
        loose = [name.replace("_", " ") for name in graph.columns if name not in linked]
        shown = linked or set(graph.columns)
        n_rows = max(sum(graph.tiers.get(c, 1) == t for c in shown) for t in (0, 1, 2))
        figure, ax = _canvas(5.8, max(3.0, 0.95 * n_rows + 0.9))
        plot_graph(graph.graph, tiers=graph.tiers, planted=planted, ax=ax)
        behind = " Planted causes lie behind in pale orange." if planted else ""
        alone = f" Without any link: {', '.join(loose)}." if loose and linked else ""
        yield ("graph", figure, "Causal graph. " + " ".join(graph.claims()),
               "Arrow: cause to effect. Ring: this end is open. Dashed: undecided. Numbers: share "
               f"of half-samples with this link.{alone}{behind}",
               edge_places(ax, graph))  # fmt: skip
    rows = effect_rows(findings)
    if any(row["mean"] is not None for row in rows):
        known = [row for row in rows if row["mean"] is not None]
        figure, ax = _canvas(5.6, max(2.6, 1.5 + 0.62 * len(known)))
        plot_effects(known, ax=ax)
        said = "; ".join(f"{row['name']} {said_number(row['mean'])}" for row in known)
        yield ("effects", figure, f"Effects with 90 % intervals: {said}.",
               "Change of the outcome when the cause moves from its low to its high "
               "value.", effect_places(ax, known))  # fmt: skip


def effect_rows(findings: Findings) -> list[Mapping[str, Any]]:
    """Return effects as rows for `plot_effects`; numbers are None where not identified."""
    rows: list[Mapping[str, Any]] = []
    for effect in findings.effects:
        low, high = effect.interval()
        slopes = findings.truth.slopes if findings.truth else {}
        slope = slopes.get((effect.cause, effect.outcome))
        known = bool(np.isfinite([effect.mean, low, high]).all())
        rows.append(
            {
                "name": f"{effect.cause} on {effect.outcome}",
                "unit": effect.unit,
                "mean": float(effect.mean) if known else None,
                "q05": float(low) if known else None,
                "q95": float(high) if known else None,
                "truth": None
                if slope is None
                else slope * (effect.contrast[1] - effect.contrast[0]),
            }
        )
    return rows


def _walls(findings: Findings) -> Iterator[Drawn]:
    video, track = findings.video, findings.track
    if video is None or track is None:
        return
    frames = np.unique(np.linspace(0, track.n_frames - 1, WALL_FRAMES).round().astype(int))
    for frame in frames.tolist():
        figure, ax = _canvas(2.75, 3.0)
        plot_walls(video, track, frame, ax=ax)
        rows = track.table[track.table["frame"] == frame]
        count = rows["wall"].nunique()
        yield (f"walls_{frame:03d}", figure, f"Frame {frame} with {count} wall contours.",
               f"Frame {frame}: {count} walls.")  # fmt: skip
    if findings.domain_shares is not None:
        shares = findings.domain_shares
        figure, ax = _canvas(5.6, 4.4)
        plot_domain_share(shares, time_unit=track.time_unit, ax=ax)
        first, last = (float(shares["normalised"].iloc[i]) for i in (0, -1))
        yield ("domain_share", figure,
               f"Share of the bright domain over time, from {first:.3f} to {last:.3f} once the "
               "illumination is removed.",
               "Illumination that jumps looks like switching (dashed) until it is removed.",
               curve_places(ax, shares["time"].tolist(), shares["normalised"].tolist(),
                            "time {x}: share {y}"))  # fmt: skip
    if findings.wall_fit is not None:
        truth = findings.truth.parameters if findings.truth else None
        rows = findings.wall_fit.summary()
        figure, ax = _canvas(5.6, 4.4)
        plot_wall_parameters(findings.wall_fit, truth=truth, ax=ax)
        said = "; ".join(
            f"{name} {said_number(mean)}"
            for name, mean in zip(rows["name"], rows["mean"], strict=True)
        )
        yield ("wall_parameters", figure, f"Wall parameters with 90 % intervals: {said}.",
               "What moves the walls: the joint posterior of both numbers.")  # fmt: skip
    if findings.laws is not None:
        table = findings.laws.table
        figure, ax = _canvas(5.8, 3.6)
        plot_laws(table, ax=ax)
        best = table.sort_values("weight", ascending=False)["equation"].iloc[0]
        yield ("laws", figure, f"Candidate laws by complexity and misfit; heaviest: {best}.",
               "A law is worth its symbols only when the misfit falls.",
               law_places(ax, table))  # fmt: skip


def _file_name(column: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in column).strip("_").lower()
