"""The gallery of descriptors: every descriptor of patches with its picture.

``python docs/figures.py patches_motifs ...``. Public files as in figures_atoms.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from physlearn.datasets import (
    ChannelSceneSettings,
    DefectSettings,
    ImagingSettings,
    PatchOptions,
    PatchScene,
    PatchSceneSettings,
    assign_sites,
    classify_species,
    cluster_patches,
    describe_patches,
    find_atoms,
    find_rings,
    find_vacancies,
    make_channel_scene,
    make_defect_scene,
    make_patch_scene,
    make_polar_perovskite,
    make_stone_wales_graphene,
    make_wall_video,
    measure_polarization,
    polar_fourier,
    read_channels,
    read_image,
    registry,
    score_local_symmetry,
    track_walls,
)
from physlearn.plots import plot_image, plot_patches, plot_rings, plot_spectra, plot_walls
from physlearn.records import PatchTable
from physlearn.report.drawing import BLUE, COLORS, GREY, INK, RED

GROUPS = ("moments", "texture", "periodicity", "radial")


def grid(rows: int, columns: int, width: float = 3.1, height: float = 2.9) -> tuple[Figure, list]:
    """Return a figure of small panels."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(rows, columns)).ravel())


def maps(axes: Sequence[Axes], table: PatchTable, names: Sequence[str]) -> None:
    """Draw columns as maps; panels without a column stay empty."""
    for ax, name in zip(axes, names, strict=False):
        plot_patches(table, name, ax=ax)
    for ax in axes[len(names) :]:
        ax.axis("off")


def motifs_figure() -> Figure:
    """Draw turned motifs, their centres, invariants, and clusters beside those of pixels."""
    figure, axes = grid(1, 4, 4.6, 4.6)
    small = make_patch_scene(n_patches=16, rng=3)
    found = polar_fourier(small.image.to_numpy(), small.centers, small.patch_px, noise="counts")
    plot_image(small.image, ax=axes[0])
    axes[0].scatter(
        *small.centers.T, marker="s", s=1500, facecolors="none", edgecolors=GREY, lw=0.7
    )
    true = small.centers + small.offsets
    axes[0].scatter(*true.T, marker="o", s=70, facecolors="none", edgecolors="white", lw=1.2)
    axes[0].scatter(*found.centers.T, marker="+", s=60, color=RED, lw=1.4)
    axes[0].set_title("patches, true centres (o), centres found (+)")
    many = make_patch_scene(n_patches=600, rng=1)
    rows = polar_fourier(many.image.to_numpy(), many.centers, many.patch_px, noise="counts")
    _orders(axes[1], many, rows.values, rows.modes)
    table = describe_patches(
        many.image, patch_size=float(many.patch_px),
        options=PatchOptions(
            centers=many.centers, descriptors=("polar_fourier",), covariance="pooled"
        ),
    )  # fmt: skip
    clusters = np.asarray(cluster_patches(table, 4, rng=1).labels)
    _plane(axes[2], table.frame.to_numpy(), many.labels, clusters, "polar-Fourier invariants")
    _plane(axes[3], many.stack().reshape(len(many.labels), -1), many.labels, None, "raw pixels")
    return figure


def _orders(ax: Axes, scene: PatchScene, values: np.ndarray, modes: np.ndarray) -> None:
    """Draw the strength of each angular order by motif."""
    orders = np.arange(1, modes[:, 1].max() + 1)
    for label, name in enumerate(scene.names):
        own = values[scene.labels == label]
        mean = [np.sqrt((own[:, modes[:, 1] == m] ** 2).sum(axis=1)).mean() for m in orders]
        ax.plot(orders, mean, "o-", color=COLORS[label], label=name.replace("_", " "), ms=4)
    ax.set(title="strength of each angular order", xlabel="m", ylabel="counts")
    ax.legend()


def _plane(
    ax: Axes, rows: np.ndarray, labels: np.ndarray, clusters: np.ndarray | None, title: str
) -> None:
    """Draw two principal components: colour is the true motif, the mark the cluster."""
    from sklearn.decomposition import PCA
    from sklearn.metrics import adjusted_rand_score

    plane = PCA(2, random_state=0).fit_transform(rows - rows.mean(axis=0))
    marks = np.zeros(len(labels), int) if clusters is None else clusters
    for mark in np.unique(marks):
        own = marks == mark
        colors = [COLORS[label] for label in labels[own]]
        ax.scatter(*plane[own].T, c=colors, s=14, marker="o^sDvP"[mark % 6], lw=0)
    said = "" if clusters is None else f"\nindex {adjusted_rand_score(labels, clusters):.3f}"
    ax.set(title=f"{title}{said}", xlabel="component 1", ylabel="component 2")
    ax.ticklabel_format(scilimits=(-3, 3))


def pixels_figure() -> Figure:
    """Draw every descriptor of pixels on a picture of a crystal with a disordered corner."""
    scene = disordered_corner()
    table = describe_patches(
        scene, patch_size=24.0,
        options=PatchOptions(overlap=0.5, descriptors=GROUPS, covariance="pooled"),
    )  # fmt: skip
    names = table.columns
    rows = -(-(len(names) + 1) // 6)
    figure, axes = grid(rows, 6)
    plot_image(scene, ax=axes[0])
    axes[0].set_title("the picture")
    maps(axes[1:], table, names)
    return figure


def disordered_corner() -> xr.DataArray:
    """Return a picture: crystal left, another orientation upper right, disorder lower right."""
    quiet = PatchSceneSettings(margin_px=0, patch_px=96, disorder=(0.03, 0.15), peak_counts=40.0)
    parts = []
    for label, seed in ((0, 1), (0, 2), (0, 1), (1, 3)):
        scene = make_patch_scene("grains", n_patches=4, settings=quiet, rng=seed)
        patch = int(np.flatnonzero(scene.labels == label)[0])
        parts.append(scene.stack()[patch])
    values = np.block([[parts[0], parts[1]], [parts[2], parts[3]]])
    brighter = 1.0 + 0.3 * np.linspace(0, 1, values.shape[0])[:, None]
    return xr.DataArray(
        np.random.default_rng(0).poisson(values * brighter).astype(float), dims=("y", "x"),
        attrs={"counts": "known"},
    )  # fmt: skip


def extremes_figure() -> Figure:
    """Draw the patches in which each descriptor of pixels is lowest and highest."""
    settings = PatchSceneSettings(
        margin_px=0, peak_counts=60.0, equal_light=False, off_center_px=1.0,
        motifs=("hexagon", "filled_hexagon", "pentagon", "square", "triangle", "dumbbell"),
    )  # fmt: skip
    motifs = make_patch_scene(n_patches=100, settings=settings, rng=1)
    grains = make_patch_scene("grains", n_patches=44, settings=settings, rng=2)
    stack = np.concatenate([motifs.stack(), grains.stack()])
    picture = np.block([[stack[12 * i + j] for j in range(12)] for i in range(12)])
    table = describe_patches(
        xr.DataArray(picture, dims=("y", "x"), attrs={"counts": "known"}), patch_size=24.0,
        options=PatchOptions(descriptors=GROUPS, covariance="pooled"),
    )  # fmt: skip
    names = table.columns
    figure = Figure(figsize=(13.5, 0.82 * -(-len(names) // 2) + 0.3), layout="constrained")
    axes = figure.subplots(-(-len(names) // 2), 2, squeeze=False).T.ravel()
    first = np.round(table.centers - 11.5).astype(int)
    for ax, name in zip(axes, names, strict=False):
        order = np.argsort(table.frame[name].to_numpy())
        chosen = [*order[:4], *order[-4:]]
        tiles = [picture[y : y + 24, x : x + 24] for x, y in first[chosen]]
        gap = np.full((24, 12), np.nan)
        ax.imshow(np.hstack([*tiles[:4], gap, *tiles[4:]]), cmap="gray", vmin=0, vmax=90)
        ax.set(xticks=[], yticks=[])
        ax.set_ylabel(name.replace("_", " "), rotation=0, ha="right", va="center")
    for ax in axes[len(names) :]:
        ax.axis("off")
    for ax in (axes[0], axes[-(-len(names) // 2)]):
        ax.set_title("lowest four                                        highest four")
    return figure


def atoms_figure() -> Figure:
    """Draw the patch table of rhenium in MoS2: composition, spacing, strain, order, errors."""
    image = read_image(registry.fetch("stem_mo_re_s2/re05.tiff"))
    atoms = classify_species(find_atoms(image))
    table = describe_patches(
        atoms, assign_sites(atoms), measurements=[score_local_symmetry(atoms)], patch_size=90.0
    )
    names = table.columns
    figure, axes = grid(-(-(len(names) + 1) // 5), 5)
    plot_image(image, ax=axes[0])
    axes[0].set_title("re05.tiff")
    maps(axes[1:], table, names)
    return figure


def structures_figure() -> Figure:
    """Draw polar displacements, rings and vacancies: picture, then their columns."""
    figure, axes = grid(3, 4, 3.6, 3.3)
    polar = make_polar_perovskite((16, 16), imaging=ImagingSettings(width_px=2.2), rng=1)
    atoms = classify_species(find_atoms(polar.scene.image), 2)
    table = describe_patches(atoms, measurements=[measure_polarization(atoms)], patch_size=50.0)
    plot_image(polar.scene.image, ax=axes[0])
    axes[0].quiver(*polar.centers.T, *polar.displacements.T, color=RED, angles="xy")
    axes[0].set_title("perovskite, planted")
    maps(axes[1:4], table, _starting(table, "polar", 3))
    graphene = make_stone_wales_graphene(6, peak_counts=60.0, rng=4)
    atoms = find_atoms(graphene.scene.image)
    rings = find_rings(atoms)
    plot_rings(rings, graphene.scene.image, ax=axes[4])
    legend = axes[4].get_legend()
    if legend is not None:
        legend.remove()
    axes[4].set_title("graphene, rings found")
    table = describe_patches(atoms, measurements=[rings], patch_size=40.0)
    maps(axes[5:8], table, _starting(table, "ring", 3))
    settings = DefectSettings(vacancy_share=(0.05,), peak_counts=(40.0,), dopant_share=0.02)
    made = make_defect_scene((256, 256), settings, rng=3)
    atoms = find_atoms(made.scene.image)
    sites = find_vacancies(atoms, made.scene.image)
    plot_image(made.scene.image, ax=axes[8])
    for points, color in ((made.sites[made.states == 2], RED), (made.sites[made.is_dopant], BLUE)):
        axes[8].scatter(*points.T, s=40, facecolors="none", edgecolors=color, lw=1.4)
    axes[8].set_title("planted: vacancies, dopants")
    table = describe_patches(atoms, measurements=[sites], patch_size=64.0)
    maps(
        axes[9:12], table, [*_starting(table, "vacan", 1), *_starting(table, "other", 1), "density"]
    )
    return figure


def _starting(table: PatchTable, word: str, most: int) -> list[str]:
    """Return the first columns whose name holds a word."""
    return [name for name in table.columns if word in name][:most]


def walls_figure() -> Figure:
    """Draw distance to walls, curvature, length and normals of patches of a film's frame."""
    film = make_wall_video(rng=2)
    track = track_walls(film.video)
    table = describe_patches(track, patch_size=16.0)
    if table.covariates is not None and "frame" in table.covariates:
        table = table.take(table.covariates["frame"].to_numpy() == 0)
    figure, axes = grid(1, 5, 3.6, 3.5)
    plot_walls(film.video, track, 0, ax=axes[0])
    axes[0].set_title("synthetic film, walls tracked")
    maps(axes[1:4], table, ["wall_distance", "wall_curvature", "wall_length"])
    plot_walls(film.video, track, 0, ax=axes[4])
    normals = table.frame[["wall_normal_x", "wall_normal_y"]].to_numpy()
    axes[4].quiver(*table.centers.T, *normals.T, color=BLUE, angles="xy", scale=26, width=0.004)
    axes[4].set_title("wall normal of each patch")
    return figure


def channels_figure() -> Figure:
    """Draw the channels of a PFM scan in patches, and the deflection over the height's slope."""
    channels = read_channels(registry.fetch("pfm_pto_pmnpt/PTO_Funakubo0001.h5"))
    table = describe_patches(channels)
    names = table.columns
    figure, axes = grid(2, 4, 3.6, 3.3)
    for ax, name in zip(axes, channels.data_vars, strict=False):
        values = channels[name].to_numpy()
        low, high = np.nanpercentile(values, [1, 99])
        ax.imshow(values, cmap="gray", vmin=low, vmax=high)
        ax.set(xticks=[], yticks=[], title=str(name))
    maps(axes[4:8], table, names[:4])
    return figure


def loops_figure() -> Figure:
    """Draw the robust loop beside the mean loop, and what loops say of each patch."""
    name = "beps_pto_loops/BEPS_PTO_50x50.h5"
    spectra = read_channels(registry.fetch(name))["Piezoresponse"]
    table = describe_patches(None, spectra=spectra)
    names = table.columns
    figure, axes = grid(-(-(len(names) + 1) // 5), 5, 3.7, 3.3)
    plot_spectra(spectra, ax=axes[0])
    axes[0].axhline(0.0, color=GREY, lw=0.8)
    axes[0].set_title("median and mean loop", fontsize=11)
    axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1)
    maps(axes[1:], table, names)
    return figure


def errors_figure() -> Figure:
    """Draw how true the errors from a repeated scan are, and which channels are marked."""
    settings = ChannelSceneSettings(
        shape=(384, 384), noise_sharing=0.5, shift_px=(2.4, -1.7), noise_correlation_px=1.0
    )
    scene = make_channel_scene(settings, rng=1)
    table = describe_patches(
        None, channels=scene.scans[0], repeat=scene.scans[1], patch_size=32.0
    )  # fmt: skip
    figure, axes = grid(1, 4, 4.2, 3.7)
    plot_patches(table, "height", ax=axes[0])
    plot_patches(table, "idle", ax=axes[1])
    z = _errors(table, scene.truth)
    edges = np.linspace(-4, 4, 41)
    for name, color in zip(("height", "amplitude", "deflection"), COLORS, strict=False):
        axes[2].hist(z[name], edges, histtype="step", color=color, density=True, label=name, lw=1.5)
    fine = np.linspace(-4, 4, 200)
    axes[2].plot(fine, np.exp(-0.5 * fine**2) / np.sqrt(2 * np.pi), color=INK, lw=1)
    axes[2].set(title="error / error bar of each patch", xlabel="z")
    axes[2].legend()
    axes[3].scatter(z["height"], z["amplitude"], s=6, color=BLUE, lw=0)
    shared = np.corrcoef(z["height"], z["amplitude"])[0, 1]
    order = [table.columns.index(each) for each in ("height", "amplitude")]
    covariance = np.asarray(table.measurement_covariance)[:, order][:, :, order].mean(axis=0)
    said = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    axes[3].set(
        title=f"errors of two channels\ncorrelation {shared:.2f}, said {said:.2f}",
        xlabel="height, z", ylabel="amplitude, z", aspect="equal", xlim=(-4, 4), ylim=(-4, 4),
    )  # fmt: skip
    axes[3].add_collection(
        LineCollection([[(-4, -4 * said), (4, 4 * said)]], colors=[RED], linewidths=1.2)
    )
    return figure


def _errors(table: PatchTable, truth: xr.Dataset) -> dict[str, np.ndarray]:
    """Return (value - truth) / error of the means of three channels."""
    from physlearn.datasets.channels.axis_frame import axis_frame
    from physlearn.datasets.descriptors.patch_places import PatchPlaces

    places = PatchPlaces(table.centers, table.patch_size, table.unit)
    out = {}
    for name in ("height", "amplitude", "deflection"):
        first, window = places.windows(axis_frame(name, truth[name]))
        view = np.lib.stride_tricks.sliding_window_view(truth[name].to_numpy(), window)
        mean = view[first[:, 0], first[:, 1]].mean(axis=(1, 2))
        k = table.columns.index(name)
        sd = np.sqrt(np.asarray(table.measurement_covariance)[:, k, k])
        out[name] = (table.frame[name].to_numpy() - mean) / sd
    return out


PATCH_FIGURES: dict[str, Callable[[], Figure]] = {
    "patches_motifs": motifs_figure,
    "patches_pixels": pixels_figure,
    "patches_extremes": extremes_figure,
    "patches_atoms": atoms_figure,
    "patches_structures": structures_figure,
    "patches_walls": walls_figure,
    "patches_channels": channels_figure,
    "patches_loops": loops_figure,
    "patches_errors": errors_figure,
}
