"""Are the error bars true? Planted noise, fits, repeated scans, walls, registration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.datasets import (
    ChannelSceneSettings,
    PatchOptions,
    PatchSceneSettings,
    describe_patches,
    make_channel_scene,
    make_patch_scene,
)

__all__ = ["ERRORS"]

Floats = NDArray[np.float64]
Row = dict[str, Any]
LEAST, LARGEST = 0.95, 1.05
OF_PLACES = (
    "dilation", "deviatoric_strain", "shear_strain", "lattice_rotation", "spacing", "bond_order"
)  # fmt: skip
MEANS = ("height", "amplitude", "phase", "deflection", "idle")


def judged(what: str, z: Floats, effective: float | None = None) -> Row:
    """Return a row for z; with few values, within four standard errors of 1."""
    known = z[np.isfinite(z)]
    n = effective or float(known.size)
    room = max(LARGEST - 1.0, 4.0 / np.sqrt(2.0 * n))
    sd = float(np.sqrt(np.mean(known**2)))
    measured = f"z sd {sd:.3f}, mean {known.mean():+.3f} ({known.size:,} values)"
    return {
        "what": what, "measured": measured,
        "goal": f"{LEAST} to {LARGEST}" if room <= 0.05001 else f"within {room:.2f} of 1",
        "met": bool(abs(sd - 1.0) <= room),
    }  # fmt: skip


def repeated_scan(quick: bool) -> list[Row]:
    """Compare the means of channels with the truth, errors from a second scan."""
    rows = []
    for name, settings, overlap in (
        ("white noise", {}, 0.0),
        ("noise over 1.5 pixels", {"noise_correlation_px": 1.5}, 0.0),
        ("shift of (2.4, -1.7) pixels", {"shift_px": (2.4, -1.7)}, 0.0),
        ("noise shared by channels", {"noise_sharing": 0.5}, 0.0),
        ("patches that overlap by half", {}, 0.5),
    ):
        scene = make_channel_scene(
            ChannelSceneSettings(shape=(256, 256) if quick else (512, 512), **settings), rng=1
        )
        size = 8 * 4.0
        options = PatchOptions(overlap=overlap)
        table = describe_patches(
            None, channels=scene.scans[0], repeat=scene.scans[1], patch_size=size, options=options
        )
        truth = np.stack([_patch_means(scene.truth[each], table.centers, size) for each in MEANS])
        values = np.stack([table.frame[each].to_numpy() for each in MEANS])
        covariance = np.asarray(table.measurement_covariance)
        order = [table.columns.index(each) for each in MEANS]
        sub = covariance[:, order][:, :, order]
        sd = np.sqrt(np.einsum("nii->in", np.broadcast_to(sub, (table.n_patches, 5, 5))))
        away = values - truth
        away[MEANS.index("phase")] = (away[MEANS.index("phase")] + 180.0) % 360.0 - 180.0
        rows.append(judged(f"means, errors from a repeated scan: {name}", away / sd))
        if name == "noise shared by channels":
            root = np.linalg.cholesky(np.broadcast_to(sub, (table.n_patches, 5, 5)))
            white = np.linalg.solve(root, away.T[:, :, None])[:, :, 0]
            rows.append(judged("the same, whitened by the covariance", white))
    return rows


def _patch_means(channel: Any, centers: Floats, size: float) -> Floats:
    """Return the mean over the pixels of each patch, of angles the circular one."""
    from physlearn.datasets.channels.axis_frame import axis_frame
    from physlearn.datasets.descriptors.patch_places import PatchPlaces

    first, (height, width) = PatchPlaces(centers, size, "nm").windows(axis_frame("truth", channel))
    windows = np.lib.stride_tricks.sliding_window_view(channel.to_numpy(), (height, width))
    pixels = windows[first[:, 0], first[:, 1]]
    if channel.attrs.get("units") == "deg":
        mean = np.exp(1j * np.radians(pixels)).mean(axis=(1, 2))
        return np.asarray(np.degrees(np.angle(mean)))
    return np.asarray(pixels.mean(axis=(1, 2)))


def pixel_noise(quick: bool) -> list[Row]:
    """Compare invariants of noisy motifs with those of the noise-free picture."""
    from physlearn.datasets import polar_fourier
    from physlearn.datasets.descriptors.polar_fourier import PolarOptions

    rows = []
    for peak in (100.0, 20.0):
        scene = make_patch_scene(
            n_patches=100 if quick else 1000,
            settings=PatchSceneSettings(peak_counts=peak, off_center_px=0.5), rng=1,
        )  # fmt: skip
        options = PolarOptions(value="power", covariance="each")
        given = (scene.centers, scene.patch_px)
        found = polar_fourier(scene.image.to_numpy(), *given, noise="counts", options=options)
        truth = polar_fourier(scene.mean, *given, options=options)
        variance = np.einsum("nii->ni", np.asarray(found.covariance))
        z = (found.values - truth.values) / np.sqrt(variance)
        rows.append(judged(f"polar-Fourier powers, peak {peak:g} counts, errors from counts", z))
        root = np.linalg.cholesky(
            np.asarray(found.covariance)
            + 1e-9 * np.einsum("nii->n", found.covariance)[:, None, None] * np.eye(z.shape[1])
        )
        white = np.linalg.solve(root, (found.values - truth.values)[:, :, None])[:, :, 0]
        rows.append(judged(f"the same, whitened, peak {peak:g}", white))
    return rows


def walls(quick: bool) -> list[Row]:
    """Compare distances and curvatures of tracked walls with the planted ones."""
    from physlearn.datasets import make_wall_video, track_walls
    from physlearn.datasets.descriptors.patch_places import grid_places
    from physlearn.datasets.patches.wall_blocks import wall_blocks

    away, places = [], grid_places([0, 0], [160, 160], 16.0)
    for seed in range(4 if quick else 40):
        film = make_wall_video(n_frames=3, rng=seed)
        block = wall_blocks(track_walls(film.video), places, 0)[0]
        coarse = np.linspace(0, 2 * np.pi, film.radii.shape[2] + 1)
        angle = np.linspace(0, 2 * np.pi, 16 * film.radii.shape[2], endpoint=False)
        out = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        points = np.concatenate(
            [
                center + np.interp(angle, coarse, [*radius, radius[0]])[:, None] * out
                for center, radius in zip(film.centers, film.radii[0], strict=True)
            ]
        )
        truth = np.array([np.hypot(*(points - each).T).min() for each in places.centers])
        use = truth > 2.0
        away.append(
            (block.values[use, 0] - truth[use]) / np.sqrt(block.covariance[use, 0, 0])
        )  # fmt: skip
    z = np.concatenate(away)
    # patches 16 pixels apart mostly look at walls of their own
    return [judged("distance to tracked walls", z, 0.5 * len(z))]


def registration(quick: bool) -> list[Row]:
    """Compare errors of shifts between scans, and between channels, with their bounds."""
    n = 10 if quick else 60
    shift = np.array([1.3, -0.6])
    rows = []
    # a filter of a few pixels cannot use the rim, which is a fifth of a picture of 96 pixels
    for what, other, edge in (
        ("two scans of one place, 256 x 256", False, 256),
        ("two scans of one place, 96 x 96", False, 96),
        ("channels of other contrast, 96 x 96", True, 96),
    ):
        settings = ChannelSceneSettings(
            shape=(edge, edge), noise=0.5, feature_px=3.0, pixel_size_nm=1.0, shift_px=(1.3, -0.6)
        )
        found, said, bound = [], [], []
        for seed in range(n):
            scene = make_channel_scene(settings, rng=seed)
            quiet = make_channel_scene(replace(settings, noise=0.0), rng=seed)
            first, second = (scan["height"] for scan in scene.scans)
            noise = scene.noise_sd["height"]
            clean = quiet.scans[0]["height"].to_numpy()
            if other:
                moved = quiet.scans[1]["height"]
                rest = second - moved
                second = _contrast(moved) + 0.5 * float(_contrast(moved).std()) * rest / noise
                noises = (noise, 0.5 * float(_contrast(moved).std()))
            else:
                noises = (noise, noise)
            estimate, covariance = _registered(first, second, other)
            found.append(estimate - shift)
            said.append(np.sqrt(np.diag(covariance)))
            bound.append(_shift_bound(clean, noises, _contrast if other else None))
        away = np.array(found)
        ratio = float(np.sqrt((away**2).mean() / np.square(bound).mean()))
        spread = ratio / np.sqrt(4.0 * n)
        rows.append({
            "what": f"shift between {what}, {n} pairs: rms error over its bound",
            "measured": f"{ratio:.2f} +- {spread:.2f}", "goal": "at most 1.1",
            "met": bool(ratio <= 1.1),
        })  # fmt: skip
        rows.append(judged(f"error bar of that shift, {what}", away / np.array(said)))
    return rows


def _contrast(height: Any) -> Any:
    """Return what another channel makes of the height: not linear, and darker where higher."""
    return np.exp(-0.2 * height)


def _registered(first: Any, second: Any, other: bool) -> tuple[Floats, Floats]:
    """Return the shift (x, y) of the second picture and its covariance, as a user gets them."""
    from physlearn.datasets import align_repeat, register_channels

    if not other:
        found = align_repeat(first, second).registration
        return np.asarray(found.shift), np.asarray(found.covariance)[:2, :2]
    result = register_channels(xr.Dataset({"first": first, "second": second}), "first")
    row = result.table.set_index("channel").loc["second"]
    return np.array([row["shift_x"], row["shift_y"]]), np.asarray(result.covariance["second"])


def _shift_bound(signal: Floats, noises: tuple[float, float], contrast: Any) -> Floats:
    """Return the bound on the shift (x, y) between two pictures of a scene that is not known.

    The scene is known from the first picture only to its noise, which counts with the slope of the
    contrast.
    """
    slope = np.ones_like(signal)
    seen = signal
    if contrast is not None:
        seen = contrast(signal)
        slope = (contrast(signal + 1e-4) - contrast(signal - 1e-4)) / 2e-4
    gradients = np.stack([g.ravel() for g in np.gradient(seen)[::-1]])
    variance = noises[1] ** 2 + (slope.ravel() * noises[0]) ** 2
    information = (gradients / variance) @ gradients.T
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(information))))


def fitted_atoms(quick: bool) -> list[Row]:
    """Compare descriptors of fitted atoms with those of the same atoms at their true places."""
    from scipy.spatial import cKDTree

    from physlearn.datasets import (
        assign_sites,
        classify_species,
        find_atoms,
        make_strained_crystal,
    )

    parts: dict[str, list[Floats]] = {}
    for seed in range(2 if quick else 60):
        made = make_strained_crystal((24, 24), rng=seed)
        atoms = classify_species(find_atoms(made.scene.image), 1)
        distance, which = cKDTree(made.scene.truth.positions).query(atoms.positions)
        if distance.max() > 1.0:
            continue
        # small errors: what is corrected for the noise of places needs no correction here
        true = replace(
            atoms, positions=made.scene.truth.positions[which], covariance=None,
            position_covariance=1e-8 * np.asarray(atoms.position_covariance),
        )  # fmt: skip
        size = 5.0 * float(np.linalg.norm(made.vectors[0]))
        sites = assign_sites(atoms)
        found = describe_patches(atoms, sites, patch_size=size)
        options = PatchOptions(centers=found.centers)
        known = describe_patches(true, assign_sites(true), patch_size=size, options=options)
        for name in sorted(set(found.columns) & set(known.columns) & set(OF_PLACES)):
            if known.n_patches != found.n_patches or name in found.errors_unknown:
                continue
            k = found.columns.index(name)
            variance = np.asarray(found.measurement_covariance)[:, k, k]
            away = found.frame[name].to_numpy() - known.frame[name].to_numpy()
            parts.setdefault(name, []).append(away[variance > 0] / np.sqrt(variance[variance > 0]))
    return [
        judged(f"{name} of fitted atoms", np.concatenate(z))
        for name, z in sorted(parts.items())
        if sum(map(len, z))
    ]


ERRORS = {
    "repeated scan": repeated_scan,
    "pixel noise": pixel_noise,
    "fitted atoms": fitted_atoms,
    "walls": walls,
    "registration": registration,
}
