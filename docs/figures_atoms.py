"""The gallery of atoms: overlays of found atoms on real and synthetic pictures.

``python docs/figures.py atoms_rhenium ...``. Real pictures are public files; a figure whose file is
neither here (PHYSLEARN_DATA_DIR) nor can be downloaded is named and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physlearn.datasets import (
    DefectSettings,
    HoppingFilm,
    HoppingSettings,
    ImagingSettings,
    LinkedAtoms,
    assign_sites,
    classify_species,
    count_transitions,
    find_atoms,
    find_hops,
    find_rings,
    find_vacancies,
    link_atoms,
    make_defect_scene,
    make_hopping_film,
    make_stone_wales_graphene,
    make_strained_crystal,
    measure_strain,
    read_image,
    registry,
)
from physlearn.plots import plot_atoms, plot_image, plot_rings, plot_strain, plot_vacancies
from physlearn.records import AtomicConfiguration
from physlearn.report.draw_atoms import site_atoms
from physlearn.report.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    scale_bar,
    unit_label,
)

HERE = Path(__file__).parent
DOTS_PER_INCH = 100


def panels(
    n: int, height: float = 5.2, *, width: float = 4.8, shared: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a row of panels; ``shared`` ones show the same field and are of one size."""
    figure = Figure(figsize=(width * n, height), layout="constrained")
    axes = figure.subplots(1, n, sharex=shared, sharey=shared)
    return figure, list(np.atleast_1d(axes))


def close_up(image: xr.DataArray, atoms: AtomicConfiguration, box: tuple[slice, slice]) -> tuple:
    """Return a part of the picture and the atoms in it."""
    part = image.isel(y=box[0], x=box[1])
    x, y = (part.coords[dim].to_numpy() for dim in ("x", "y"))
    px, py = atoms.positions.T
    rows = (px >= x[0]) & (px <= x[-1]) & (py >= y[0]) & (py <= y[-1])
    species = None if atoms.species is None else atoms.species[rows]
    return part, AtomicConfiguration(
        atoms.positions[rows], atoms.unit, species=species, species_names=atoms.species_names
    )


def named(ax: Axes, title: str) -> None:
    """Put a title above the panel and its legend below."""
    legend = ax.get_legend()
    if legend is not None:
        legend.set_loc("upper center")
        legend.set_bbox_to_anchor((0.5, -0.01))
    elif len(ax.get_legend_handles_labels()[1]) > 1:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3)
    ax.set_title(title)


def rhenium_figure() -> Figure:
    """Draw rhenium in MoS2: the metal sites by species, every column close up, one error each."""
    image = read_image(registry.fetch("stem_mo_re_s2/re05.tiff"))
    atoms = classify_species(find_atoms(image))
    named_classes = ("faint, beside Re", "sulphur", "metal", "rhenium")
    if len(atoms.species_names) == len(named_classes):  # by brightness, the faintest first
        atoms = replace(atoms, species_names=named_classes)
    sites = site_atoms(assign_sites(atoms))
    if len(named_classes) == len(atoms.species_names):  # the same marks in all panels
        sites = replace(sites, species=sites.species + 2, species_names=named_classes)
    figure, (whole, near, errors) = panels(3)
    plot_atoms(image, sites, ax=whole)
    named(whole, f"Re in MoS2 (re05.tiff): {sites.n} metal sites")
    bright = sites.positions[sites.species == sites.species.max()]
    x, y = (int(v) for v in bright[np.argmin(np.hypot(*(bright - 380.0).T))])
    half = 75
    box = (slice(max(y - half, 0), y + half), slice(max(x - half, 0), x + half))
    plot_atoms(*close_up(image, atoms, box), ax=near)
    named(near, "close up: every fitted column")
    _error_panel(errors, atoms)
    return figure


def _error_panel(ax: Axes, atoms: AtomicConfiguration) -> None:
    """Draw each column's position error over its intensity."""
    variance = 0.5 * np.einsum("nii->n", atoms.position_covariance)
    for code, name in enumerate(atoms.species_names):
        rows = atoms.species == code
        color = (BLUE, RED, GREEN, ORANGE, PURPLE)[code % 5]
        ax.scatter(atoms.intensity[rows], np.sqrt(variance[rows]), s=5, color=color, label=name)
    ax.set(xscale="log", yscale="log", title="error bar of each place")
    ax.xaxis.set_minor_formatter("")
    ax.set_xlabel("intensity (counts or grey × px²)")
    ax.set_ylabel(unit_label("standard deviation of x and y", atoms.unit))
    ax.legend(loc="lower left", markerscale=2)


def sulphide_figure() -> Figure:
    """Draw MoS2 with V: all columns, sites not as they should be, and the strain."""
    image = read_image(registry.fetch("stem_mos2_scilink/MoS2_stem_Exp-000-2.npy"))
    atoms = classify_species(find_atoms(image))
    sites = find_vacancies(atoms, image)
    figure, (near, whole, field) = panels(3)
    box = (slice(180, 330), slice(180, 330))
    plot_atoms(*close_up(image, atoms, box), ax=near)
    named(near, f"MoS2 with 1 % V (000-2), close up of {atoms.n:,} columns")
    plot_vacancies(image, sites, atoms.positions[sites.interstitials], ax=whole)
    named(whole, f"sites not as they should be, of {sites.n_sites:,}")
    plot_strain(measure_strain(atoms), ax=field)
    named(field, "dilation, strain and scan errors together")
    return figure


def graphene_figure() -> Figure:
    """Draw synthetic graphene with Stone-Wales defects: picture, rings found, truth."""
    made = make_stone_wales_graphene(6, peak_counts=60.0, rng=4)
    atoms = find_atoms(made.scene.image)
    figure, (plain, found, truth) = panels(3, 4.4, width=3.7, shared=True)
    plot_image(made.scene.image, ax=plain)
    named(plain, "synthetic graphene, peak 60 counts")
    plot_rings(find_rings(atoms), made.scene.image, ax=found)
    named(found, f"rings of {atoms.n:,} atoms found")
    blank = xr.full_like(made.scene.image, 0.0)
    plot_rings(find_rings(made.scene.truth), blank, ax=truth)
    truth.scatter(*made.defects.T, s=190, facecolors="none", edgecolors="white", lw=2.2)
    named(truth, f"truth: {len(made.defects)} turned bonds (white circles)")
    return figure


def vacancy_figure() -> Figure:
    """Draw planted vacancies, what was found, and the probability of each site."""
    settings = DefectSettings(vacancy_share=(0.05,), peak_counts=(40.0,), dopant_share=0.02)
    made = make_defect_scene((256, 256), settings, rng=3)
    atoms = find_atoms(made.scene.image)
    sites = find_vacancies(atoms, made.scene.image)
    figure, (found, truth, chance) = panels(3)
    plot_vacancies(made.scene.image, sites, ax=found)
    named(found, "found")
    plot_image(made.scene.image, ax=truth)
    for points, color, label in (
        (made.sites[made.states == 2], RED, "vacancy"), (made.sites[made.is_dopant], BLUE, "dopant")
    ):  # fmt: skip
        truth.scatter(
            *points.T, s=46, facecolors="none", edgecolors=color, lw=1.5,
            label=f"{label} ({len(points)})",
        )  # fmt: skip
    named(truth, "truth")
    chance.axvspan(-0.35, 0.15, color=ORANGE, alpha=0.15, lw=0)
    chance.scatter(sites.amplitude, sites.probability[:, 1], s=8, color=BLUE)
    chance.set(
        title="each site", xlabel="height over the usual column (ratio)",
        ylabel="probability of a vacancy",
    )  # fmt: skip
    return figure


def strain_figure() -> Figure:
    """Draw a synthetic strained crystal: picture, strain found, strain planted."""
    made = make_strained_crystal(rng=2)
    atoms = find_atoms(made.scene.image)
    figure, (plain, found, truth) = panels(3)
    plot_atoms(*close_up(made.scene.image, atoms, (slice(150, 330), slice(150, 330))), ax=plain)
    named(plain, f"synthetic crystal, close up of {atoms.n:,} columns")
    plot_strain(measure_strain(atoms), ax=found)
    named(found, "dilation found")
    gradients = 100 * 0.5 * (made.gradients[:, 0, 0] + made.gradients[:, 1, 1])
    limit = float(np.abs(gradients).max())
    marks = truth.scatter(*made.sites.T, c=gradients, s=30, cmap="RdBu_r", vmin=-limit, vmax=limit)
    truth.set(xlim=found.get_xlim(), ylim=found.get_ylim(), aspect="equal", facecolor="#e8ebee")
    scale_bar(truth, "pixel")
    figure.colorbar(marks, ax=truth, shrink=0.85, pad=0.02, label="per cent").outline.set_visible(
        False
    )
    named(truth, "dilation planted")
    return figure


def film() -> tuple[HoppingFilm, LinkedAtoms]:
    """Return a hopping film, and its hoppers found, told apart by kind and linked."""
    settings = HoppingSettings(
        sites=(14, 14), n_hoppers=9, hop_probability=0.04, kind_peaks=(180.0, 300.0),
        kind_probabilities=((0.97, 0.03), (0.06, 0.94)), drift_px=(0.3, -0.2),
        imaging=ImagingSettings(width_px=2.2),
    )  # fmt: skip
    made = make_hopping_film(30, settings, rng=5)
    frames, kinds = [], []
    for picture in made.video:
        atoms = classify_species(find_atoms(picture, noise="poisson"), 3)
        frames.append(atoms)
        rows = atoms.species > 0
        kinds.append(
            AtomicConfiguration(
                atoms.positions[rows], position_covariance=atoms.position_covariance[rows],
                species=atoms.species[rows] - 1, species_names=("single", "pair"),
                species_log_likelihood=atoms.species_log_likelihood[rows, 1:],
            )
        )  # fmt: skip
    host = link_atoms(frames)
    return made, link_atoms(kinds, search_range=14.0, memory=1, frame_shift=host.frame_shift)


def motion_figure() -> Figure:
    """Draw hopping dopants: first frame with trajectories, hops, transitions between kinds."""
    made, linked = film()
    video = made.video
    hops = find_hops(linked, shortest=6.0)
    graph = count_transitions(linked, rng=1)
    figure, (paths, drift, kinds) = panels(3)
    plot_image(video[0], ax=paths)
    track = linked.trajectory
    for number in np.unique(track.particle):
        rows = track.particle == number
        paths.plot(*track.positions[rows].T, lw=1.6, color="#ff9a4d")
        paths.plot(*track.positions[rows][0], "o", ms=6, mfc="none", color="#ff9a4d")
    rate = hops.rate()
    named(paths, f"{hops.n_hops} hops found in {len(video)} frames ({len(made.hops)} planted)")
    paths.set_xlabel(f"{rate[0]:.3f} [{rate[1]:.3f} to {rate[2]:.3f}] hops a frame and hopper")
    drift.plot(linked.frame_shift[:, 0], color=BLUE, label="x")
    drift.plot(linked.frame_shift[:, 1], color=RED, label="y")
    frames = np.arange(len(video))
    drift.plot(frames, 0.3 * frames, color=GREY, lw=0.8, ls="--", label="planted")
    drift.plot(frames, -0.2 * frames, color=GREY, lw=0.8, ls="--")
    drift.set(xlabel="frame", ylabel="common shift (px)")
    drift.set_title("drift common to all atoms")
    drift.legend()
    _graph_panel(kinds, graph, made.kind_counts)
    return figure


def _graph_panel(ax: Axes, graph: object, happened: np.ndarray) -> None:
    """Draw the probability of each change of kind as an interval; planted values as bars."""
    edges = [("single", "pair", 0.03, happened[0, 1]), ("pair", "single", 0.06, happened[1, 0])]
    for row, (source, target, planted, count) in enumerate(edges):
        found = graph.edges[source, target]  # type: ignore[attr-defined]
        ax.hlines(row, found["probability_q05"], found["probability_q95"], lw=6, color=BLUE,
                  alpha=0.45)  # fmt: skip
        ax.plot(found["probability"], row, "o", color=BLUE)
        ax.plot(planted, row, marker="|", ms=20, mew=2.5, color=RED)
        ax.text(0.004, row + 0.16, f"{source} to {target}: {found['count']:.1f} found, "
                f"{count} happened")  # fmt: skip
    ax.set(ylim=(-0.6, 1.6), yticks=[], xlabel="probability per frame", xlim=(0.0, None))
    ax.set_title("changes of kind (upright bar: planted)")


ATOM_FIGURES: dict[str, Callable[[], Figure]] = {
    "atoms_rhenium": rhenium_figure,
    "atoms_sulphide": sulphide_figure,
    "atoms_graphene": graphene_figure,
    "atoms_vacancies": vacancy_figure,
    "atoms_strain": strain_figure,
    "atoms_motion": motion_figure,
}
