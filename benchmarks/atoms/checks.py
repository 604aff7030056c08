"""Goals that are no comparison of finders: detection at the limit, vacancies, structure, scan."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.atoms.limits import (
    area_under_roc,
    scan_likelihood_ratio,
    share_at_false_rate,
    vacancy_ratios,
)
from physlearn.datasets import (
    DefectSettings,
    ImagingSettings,
    correct_scan,
    find_atoms,
    find_ring_defects,
    find_rings,
    find_vacancies,
    make_benchmark_scene,
    make_defect_scene,
    make_polar_perovskite,
    make_stone_wales_graphene,
    make_strained_crystal,
    measure_polarization,
    measure_strain,
    scene_bounds,
    score_positions,
    species_composition,
)
from physlearn.datasets.columns.column_bounds import column_bounds
from physlearn.datasets.surfaces.surface_atoms import find_surface_atoms
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb
from physlearn.datasets.synthetic.score_positions import match_columns
from physlearn.records import AtomicConfiguration

__all__ = ["CHECKS"]

Floats = NDArray[np.float64]
WIDTH = 2.5
EDGE_WIDTHS = 3.0


def row(what: str, measured: str, goal: str, met: bool | None) -> dict[str, Any]:
    """Return one line of the table; ``met`` None: no goal."""
    judged = None if met is None else bool(met)
    return {"what": what, "measured": measured, "goal": goal, "met": judged}


def inside(places: Floats, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Flag places some widths from the edge."""
    margin = EDGE_WIDTHS * WIDTH
    return np.asarray(
        np.all((places > margin) & (places < np.array(shape[::-1]) - 1 - margin), axis=1)
    )


def detection(quick: bool) -> list[dict[str, Any]]:
    """Recall beside the likelihood ratio with known profile, at as many false columns."""
    out = []
    for name, peak in (("isolated", 1.0), ("isolated", 0.7), ("two_species", 5.0),
                       ("two_species", 4.0)):  # fmt: skip
        ours, limit, false, n_true = _detection(name, peak, 2 if quick else 8)
        out.append(row(
            f"recall of {'weak' if name == 'two_species' else 'all'} columns, {name}, strong peak "
            f"{peak:g} ({n_true} columns, {false} false in all)",
            f"{ours:.3f}, likelihood-ratio scan {limit:.3f}", "at least the scan - .02",
            ours >= limit - 0.02,
        ))  # fmt: skip
    return out


def _detection(name: str, peak: float, pictures: int) -> tuple[float, float, int, int]:
    """Return recall of ours and of the scan, false columns and true ones."""
    radius, false, hits, total = 1.5 * WIDTH, 0, 0, 0
    scans: list[tuple[Floats, NDArray[np.bool_], int]] = []
    for seed in range(pictures):
        scene = make_benchmark_scene(name, peak=peak, rng=100 + seed)
        shape = scene.image.shape
        wanted = scene.peaks == scene.peaks.min()
        wanted &= inside(scene.seen, shape)
        atoms = find_atoms(scene.image)
        mine, theirs = match_columns(atoms.positions, scene.seen, radius)
        lone = np.setdiff1d(np.arange(atoms.n), mine)
        false += int(inside(atoms.positions[lone], shape).sum())
        hits += int(wanted[theirs].sum())
        total += int(wanted.sum())
        known = _picture(scene.seen[~wanted], scene.peaks[~wanted], shape, scene.background)
        places, ratio = scan_likelihood_ratio(scene.image.values, known, WIDTH)
        here = inside(places, shape)
        places, ratio = places[here], ratio[here]
        seen, _ = match_columns(places, scene.seen[wanted], radius)
        is_true = np.zeros(len(places), dtype=np.bool_)
        is_true[seen] = True
        scans.append((ratio, is_true, int(wanted.sum())))
    ratio = np.concatenate([s[0] for s in scans])
    is_true = np.concatenate([s[1] for s in scans])
    noise = np.sort(ratio[~is_true])[::-1]
    level = noise[false] if false < len(noise) else 0.0
    return hits / total, float((ratio[is_true] > level).sum() / total), false, total


def _picture(places: Floats, peaks: Floats, shape: tuple[int, ...], background: float) -> Floats:
    """Return the mean picture of known columns."""
    mean = np.full(shape, background)
    j, i = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    for (x, y), peak in zip(places, peaks, strict=True):
        mean += peak * np.exp(-0.5 * ((j - y) / WIDTH) ** 2) * np.exp(-0.5 * ((i - x) / WIDTH) ** 2)
    return mean


def vacancies(quick: bool) -> list[dict[str, Any]]:
    """Vacancies of a dim sublattice beside the likelihood ratio with all else known."""
    ours, limit, truth = [], [], []
    settings = DefectSettings(
        "honeycomb", 22.0, peak_counts=(100.0, 2.6), vacancy_share=(0.0, 0.2),
        half_share=(0.0, 0.0),
        displacement_px=0.1,
    )  # fmt: skip
    for seed in range(2 if quick else 6):
        made = make_defect_scene((420, 420), settings, ImagingSettings(width_px=WIDTH), rng=seed)
        image = made.scene.image
        found = find_vacancies(find_atoms(image), image)
        dim = np.flatnonzero(
            (made.sublattice == 1) & inside(made.sites, image.shape)
        )  # fmt: skip
        at, which = match_columns(found.positions, made.sites[dim], 4.0)
        sites = dim[which]
        gone = made.states[sites] == 2
        ours.append(found.log_likelihood[at, 1] - found.log_likelihood[at, 0])
        peaks = np.full(len(sites), settings.peak_counts[1])
        limit.append(vacancy_ratios(
            image.values, made.scene.mean, made.sites[sites], peaks, ~gone, WIDTH
        ))  # fmt: skip
        truth.append(gone)
    gone = np.concatenate(truth)
    scores = [np.concatenate(part) for part in (ours, limit)]
    area = [area_under_roc(score, gone) for score in scores]
    at_5 = [share_at_false_rate(score, gone, 0.05) for score in scores]
    return [row(
        f"vacancies of a dim sublattice ({gone.sum()} of {len(gone)} sites), area under the ROC",
        f"{area[0]:.4f} (limit with all else known {area[1]:.4f}); found at 5 % false: "
        f"{at_5[0]:.3f} (limit {at_5[1]:.3f})", "within .01 of the limit",
        area[0] >= area[1] - 0.01,
    )]  # fmt: skip


def rings(quick: bool) -> list[dict[str, Any]]:
    """Rings of a large honeycomb, bonds included."""
    places = np.asarray(honeycomb(70, 108)[0])
    rng = np.random.default_rng(1)
    atoms = AtomicConfiguration(places + rng.normal(0.0, 0.03, places.shape))
    find_rings(atoms)
    seconds = []
    for _ in range(3 if quick else 9):
        start = time.process_time()
        found = find_rings(atoms)
        seconds.append(time.process_time() - start)
    rate = atoms.n / statistics.median(seconds)
    return [row(
        f"rings of {atoms.n} atoms, bonds included ({(found.sizes == 6).mean():.1%} hexagons)",
        f"{rate / 1e6:.2f} million atoms/s", "1 million", rate >= 1e6,
    )]  # fmt: skip


def stone_wales(quick: bool) -> list[dict[str, Any]]:
    """Turned bonds of graphene, from the picture."""
    made = make_stone_wales_graphene(40 if quick else 320, peak_counts=30.0, rng=2)
    atoms = find_atoms(made.scene.image)
    table = find_ring_defects(atoms)
    chosen = table[table["kind"] == "stone-wales"]
    places = chosen[["x", "y"]].to_numpy(dtype=np.float64)
    mine, theirs = match_columns(places, made.defects, 6.0)
    n = len(made.defects)
    recall, false = len(theirs) / n, (len(places) - len(mine)) / n
    return [row(
        f"Stone-Wales defects at peak 30, end to end ({n} defects, {atoms.n} of "
        f"{made.scene.truth.n} atoms)", f"recall {recall:.3f}, false per true {false:.3f}",
        "at least .99, at most .01", recall >= 0.99 and false <= 0.01,
    )]  # fmt: skip


def polarization(quick: bool) -> list[dict[str, Any]]:
    """Bias of polar displacements in units of one cell's bound."""
    errors, bound, z = [], [], []
    for seed in range(1 if quick else 5):
        made = make_polar_perovskite((24, 24), domains="single", rng=seed)
        truth = made.scene.truth
        atoms = find_atoms(made.scene.image)
        field = measure_polarization(atoms)
        at, which = match_columns(field.positions, made.centers, 4.0)
        error = field.displacements[at] - made.displacements[which]
        errors.append(error)
        z.append(error / np.sqrt(field.covariance[at][:, [0, 1], [0, 1]]))
        if seed == 0:
            limit = column_bounds(
                truth.positions, made.scene.peaks, 0.17 * 16.0, background=10.0,
                shape=made.scene.image.shape,
            ).position_sd  # fmt: skip
            a = truth.species == 0
            inner = inside(truth.positions, made.scene.image.shape)
            bound.append(np.sqrt(np.mean(limit[~a] ** 2) + np.mean(limit[a & inner] ** 2) / 4))
    error = np.concatenate(errors)
    bias = np.abs(error.mean(axis=0)) / bound[0]
    uncertainty = 1.0 / np.sqrt(len(error))
    return [row(
        f"polar displacements ({len(error)} cells): bias over one cell's bound",
        f"x {bias[0]:.3f}, y {bias[1]:.3f} (standard error {uncertainty:.3f}); error "
        f"{np.sqrt(np.mean(error**2)) / bound[0]:.3f} x bound; z sd {np.concatenate(z).std():.3f}",
        "at most .1", bias.max() <= 0.1,
    )]  # fmt: skip


def strain(quick: bool) -> list[dict[str, Any]]:
    """Error bars of strain."""
    z = []
    for seed in range(1 if quick else 3):
        made = make_strained_crystal((40, 40), rng=seed)
        atoms = find_atoms(made.scene.image)
        mine, theirs = match_columns(atoms.positions, made.scene.truth.positions, 4.0)
        if len(mine) < atoms.n:
            keep = np.zeros(atoms.n, dtype=np.bool_)
            keep[mine] = True
            atoms = atoms.select(keep)
        exact = AtomicConfiguration(made.scene.truth.positions[theirs])
        field = measure_strain(atoms, reference=made.vectors)
        true = measure_strain(exact, reference=made.vectors)
        place = {int(k): i for i, k in enumerate(true.members)}
        both = [(i, place[int(k)]) for i, k in enumerate(field.members) if int(k) in place]
        a, b = np.array(both).T
        whole = field.complete[a] & true.complete[b]
        a, b = a[whole], b[whole]
        sd = np.sqrt(np.einsum("nii->ni", field.covariance[a]))
        z.append((field.strain[a] - true.strain[b]) / sd)
    values = np.concatenate(z)
    sd = values.std(axis=0)
    return [row(
        f"strain, z sd ({len(values)} atoms)",
        ", ".join(f"{name} {one:.3f}" for name, one in
                  zip(("xx", "yy", "xy", "rotation"), sd, strict=True)),
        ".95 to 1.05", bool(np.all(np.abs(sd - 1) <= 0.05)),
    )]  # fmt: skip


def jitter(quick: bool) -> list[dict[str, Any]]:
    """Scan rows put back with a declared lattice."""
    before, x, y = [], [], []
    for seed in range(1 if quick else 4):
        scene = make_benchmark_scene("jitter", columns_along_edge=16, rng=seed)
        atoms = find_atoms(scene.image)
        fixed = correct_scan(atoms, scene.image, lattice="square").atoms
        for record, store in ((atoms, None), (fixed, (x, y))):
            mine, theirs = match_columns(record.positions, scene.truth.positions, 5.0)
            here = inside(scene.truth.positions[theirs], scene.image.shape)
            error = record.positions[mine[here]] - scene.truth.positions[theirs[here]]
            error -= error.mean(axis=0)
            if store is None:
                before.append(np.mean(error[:, 0] ** 2))
            else:
                store[0].append(np.mean(error[:, 0] ** 2))
                store[1].append(np.mean(error[:, 1] ** 2))
    old, new_x, new_y = (float(np.sqrt(np.mean(part))) for part in (before, x, y))
    return [row(
        "rows displaced by .6 pixel, lattice declared: error of x over error of y",
        f"{new_x / new_y:.2f} (x {old:.3f} -> {new_x:.3f} px, y {new_y:.3f} px)", "at most 1.5",
        new_x <= 1.5 * new_y,
    )]  # fmt: skip


def composition(quick: bool) -> list[dict[str, Any]]:
    """A rare species that overlaps the common one, from pictures."""
    plain = make_benchmark_scene("isolated", peak=60.0, columns_along_edge=8, rng=0)
    limit = scene_bounds(plain)
    relative = float(np.median(limit.intensity_sd / limit.intensity))
    ratio = 1.0 + 2.073 * relative  # two normal densities that share 30 % of their area
    off, shares = [], []
    for seed in range(2 if quick else 8):
        settings = DefectSettings(
            "square", 20.0, peak_counts=(60.0,), vacancy_share=(0.0,), dopant_share=0.02,
            dopant_ratio=ratio,
        )  # fmt: skip
        imaging = ImagingSettings(width_px=WIDTH, background_counts=6.0)
        made = make_defect_scene((920, 920), settings, imaging, rng=seed)
        atoms = find_atoms(made.scene.image)
        table = species_composition(atoms, intensity_ratios=[1.0, ratio])
        true = float(made.is_dopant.mean())
        off.append(float(table["share"].iloc[1]) - true)
        shares.append(true)
    error = float(np.std(off, ddof=1) / np.sqrt(len(off)))
    bias = float(np.mean(off))
    return [row(
        f"share of a rare species (truth {np.mean(shares):.4f}, 30 % overlap, "
        f"{len(off)} pictures of about {atoms.n} columns)",
        f"bias {bias:+.4f} +- {error:.4f}", "within two standard errors of 0",
        abs(bias) <= 2 * error,
    )]  # fmt: skip


def tunnelling(quick: bool) -> list[dict[str, Any]]:
    """Atoms of a topograph with row levels, tilt and 1/f noise."""
    out = []
    for peak in (100.0,) if quick else (30.0, 100.0):
        scene = make_benchmark_scene("stm", peak=peak, rng=1)
        score = score_positions(find_surface_atoms(scene.image).atoms, scene)
        out.append(row(
            f"synthetic topograph, height {np.sqrt(peak):.0f} x pixel noise ({score.n_true} atoms)",
            f"recall {score.recall:.3f}, false {score.false_share:.3f}, error "
            f"{score.error_over_bound:.2f} x the bound of white noise alone, z sd {score.z_sd:.2f}",
            "", None,
        ))  # fmt: skip
    return out


CHECKS = {
    "detection": detection, "vacancies": vacancies, "rings": rings, "stone_wales": stone_wales,
    "polarization": polarization, "strain": strain, "jitter": jitter, "composition": composition,
    "tunnelling": tunnelling,
}  # fmt: skip
