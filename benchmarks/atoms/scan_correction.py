"""What scan correction reaches: jitter, drift, registration, crossed scans; a table each.

Run: python -m benchmarks.atoms.scan_correction [--quick]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from physlearn.datasets import (
    ImagingSettings,
    column_bounds,
    combine_scans,
    correct_scan,
    find_atoms,
    image_columns,
    make_scan_pair,
    make_scan_series,
    measure_drift,
    register_images,
)

BACKGROUND_SHARE = 0.1


def _errors(positions, truth, inside):
    """Return the errors (n, 2) of positions matched to columns well inside, and their numbers."""
    distance, near = cKDTree(truth).query(positions)
    good = (distance < 5.0) & inside[near]
    error = positions[good] - truth[near[good]]
    return error - np.median(error, axis=0), good, near[good]


def jitter_row(sd, correlation, peak, seed, *, shape=(200, 200), with_picture=True):
    """Return one row of the jitter table."""
    imaging = ImagingSettings(
        width_px=2.5, background_counts=BACKGROUND_SHARE * peak, jitter_px=sd,
        jitter_correlation=correlation,
    )  # fmt: skip
    scene = make_scan_series(shape, peak=peak, imaging=imaging, rng=seed)
    image = scene.images[0]
    atoms = find_atoms(image)
    begin = time.perf_counter()
    found = correct_scan(atoms, image if with_picture else None, lattice="square")
    seconds = time.perf_counter() - begin
    truth = scene.positions
    inside = np.all((truth > 6) & (truth < np.array(shape)[::-1] - 7), axis=1)
    raw, _, _ = _errors(atoms.positions, truth, inside)
    error, good, _ = _errors(found.atoms.positions, truth, inside)
    covariance = np.asarray(found.atoms.position_covariance)[good]
    z = error / np.sqrt(np.einsum("kaa->ka", covariance))
    bound = column_bounds(
        truth[inside], peak, 2.5, background=BACKGROUND_SHARE * peak, shape=shape,
        which=np.arange(int(inside.sum()))[:: max(1, int(inside.sum()) // 8)],
    ).position_sd  # fmt: skip
    true_shift = scene.scenes[0].row_shift[:, 0]
    shift = found.row_shift - found.row_shift.mean() - true_shift + true_shift.mean()
    return {
        "jitter_px": sd, "correlation": correlation, "peak": peak, "seed": seed,
        "columns": int(inside.sum()), "matched": len(error), "raw_x": raw[:, 0].std(),
        "x": error[:, 0].std(), "y": error[:, 1].std(),
        "x_over_y": error[:, 0].std() / error[:, 1].std(),
        "bound_no_jitter": float(np.sqrt(np.mean(bound**2))), "z_x": z[:, 0].std(),
        "z_y": z[:, 1].std(), "row_error": shift[8:-8].std(),
        "sd_found": found.jitter_sd, "sd_error": found.jitter_sd_error, "sd_true": true_shift.std(),
        "correlation_found": found.jitter_correlation, "seconds": seconds,
    }  # fmt: skip


def jitter_table(*, quick=False):
    """Return the jitter table over standard deviation, correlation and dose."""
    sds, correlations, peaks, seeds = (0.1, 0.3, 1.0), (0.0, 0.8), (20, 100, 1000), (1, 2)
    if quick:
        sds, correlations, peaks, seeds = (0.3,), (0.0, 0.8), (100,), (1,)
    rows = [
        jitter_row(sd, rho, peak, seed)
        for sd in sds for rho in correlations for peak in peaks for seed in seeds
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return table.groupby(["jitter_px", "correlation", "peak"]).mean().drop(columns="seed")


def registration_table(*, quick=False):
    """Return z of registrations of simulated pairs, by model and dose."""
    rows = []
    for peak in (10, 100) if not quick else (100,):
        for model, size in (("shift", 2), ("rigid", 3), ("affine", 6)):
            z, sd = [], []
            for seed in range(40 if quick else 200):
                one, sd_one = registration_z(peak, model, size, seed)
                z.append(one)
                sd.append(sd_one)
            z = np.array(z)
            rows.append({
                "peak": peak, "model": model, "pairs": len(z), "shift_sd_px": np.median(sd),
                "z_mean": np.abs(z.mean(axis=0)).max(), "z_sd": float(np.sqrt(np.mean(z**2))),
            })  # fmt: skip
    return pd.DataFrame(rows).set_index(["peak", "model"])


def registration_z(peak, model, size, seed, length=96):
    """Return z of all parameters of one simulated pair, and the shift's standard deviation."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-5, length + 5, (int((length / 9) ** 2), 2))
    heights = peak * rng.uniform(0.5, 1.5, len(places))
    shift, matrix = rng.uniform(-3, 3, 2), np.eye(2)
    if size == 3:
        angle = rng.normal(0.0, 0.01)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if size == 6:
        matrix = matrix + rng.normal(0.0, 0.005, (2, 2))
    middle = 0.5 * (length - 1)
    moved = (places - middle) @ matrix.T + middle + shift
    settings = ImagingSettings(width_px=2.0, background_counts=BACKGROUND_SHARE * peak)
    before = image_columns(places, heights, (length, length), settings, rng=3 * seed + 1).image
    after = image_columns(moved, heights, (length, length), settings, rng=3 * seed + 2).image
    found = register_images(before, after, model=model, largest_shift_px=6.0)
    error = list(found.shift - shift)
    if size == 3:
        error.append(found.angle - angle)
    if size == 6:
        error += list((found.matrix - matrix).ravel())
    return np.array(error) / np.sqrt(np.diag(found.covariance)), found.shift_sd[0]


def drift_table(*, quick=False):
    """Return drift from frame series and from the declared lattice, with z."""
    rows = []
    for seed in range(6 if quick else 20):
        velocity = tuple(np.random.default_rng(seed).uniform(-2, 2, 2))
        imaging = ImagingSettings(width_px=2.5, background_counts=10.0)
        scene = make_scan_series((160, 160), 5, velocity_px=velocity, imaging=imaging, rng=seed)
        drift = measure_drift(scene.images, model="shift", largest_shift_px=4.0)
        lattice = correct_scan(find_atoms(scene.images[0]), scene.images[0], lattice="square")
        true = np.array(velocity) / 160
        rows.append({
            "series_z_x": (drift.drift_per_row - true)[0] / drift.drift_per_row_sd[0],
            "series_z_y": (drift.drift_per_row - true)[1] / drift.drift_per_row_sd[1],
            "lattice_z_x": (lattice.drift - true)[0] / lattice.drift_sd[0],
            "lattice_z_y": (lattice.drift - true)[1] / lattice.drift_sd[1],
            "series_sd": drift.drift_per_row_sd[0], "lattice_sd": lattice.drift_sd[0],
        })  # fmt: skip
    table = pd.DataFrame(rows)
    z = table.filter(like="_z_")
    return pd.DataFrame({
        "z_rms": np.sqrt((z**2).mean()), "n": len(table),
        "drift_sd_per_row": [table.series_sd.median()] * 2 + [table.lattice_sd.median()] * 2,
    })  # fmt: skip


def pair_table(*, quick=False):
    """Return what two crossed scans reach without a lattice."""
    rows = []
    for seed in range(2 if quick else 6):
        imaging = ImagingSettings(
            width_px=2.5, background_counts=10.0, jitter_px=0.3, jitter_correlation=0.5,
            drift_px=(1.5, -1.0),
        )  # fmt: skip
        scene = make_scan_pair((180, 180), imaging=imaging, rng=seed)
        atoms = [find_atoms(scene.images[k]) for k in (0, 1)]
        found = combine_scans(*atoms)
        truth = scene.positions
        inside = np.all((truth > 8) & (truth < 171), axis=1)
        raw, _, _ = _errors(atoms[0].positions, truth, inside)
        error, good, _ = _errors(found.atoms.positions, truth, inside)
        z = error / np.sqrt(np.einsum("kaa->ka", np.asarray(found.atoms.position_covariance)[good]))
        single = float(np.sqrt(np.median(np.asarray(atoms[0].position_covariance)[:, 1, 1])))
        rows.append({
            "raw_x": raw[:, 0].std(), "raw_y": raw[:, 1].std(), "x": error[:, 0].std(),
            "y": error[:, 1].std(), "limit": single / np.sqrt(2.0), "z_x": z[:, 0].std(),
            "z_y": z[:, 1].std(),
        })  # fmt: skip
    return pd.DataFrame(rows).mean().to_frame("mean").T


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("jitter", "registration", "drift", "pair"))
    arguments = parser.parse_args()
    tables = {
        "jitter": jitter_table, "registration": registration_table, "drift": drift_table,
        "pair": pair_table,
    }  # fmt: skip
    for name, make in tables.items():
        if arguments.only in (None, name):
            print(f"\n{name}\n{make(quick=arguments.quick).round(4).to_string()}", flush=True)


if __name__ == "__main__":
    main()
