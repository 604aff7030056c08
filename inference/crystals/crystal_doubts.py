"""What a fit of springs should say of its own data: Gaussian or not, melted, uneven errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from physlearn.inference.crystals.crystal_data import CrystalFrames
from physlearn.inference.crystals.spring_model import SpringModel
from physlearn.inference.crystals.wave_likelihood import WaveLikelihood

__all__ = ["crystal_doubts", "error_score", "wave_misfit"]

Float = NDArray[np.float64]
N_BANDS = 8
SMALLEST_P = 0.001
LARGEST_Z = 3.5
UNEVEN = 2.0
SKEW = 1.05
"""Mean over median of the first spring, from which on its mean is no good summary."""
LEAST_SHARE = 0.8
"""Of the frames, below which it is said that they are not independent."""


def crystal_doubts(
    frames: CrystalFrames, parts: list[Any], model: SpringModel, theta: Float
) -> tuple[dict[str, Any], list[str]]:
    """Return diagnostics and warnings."""
    first = frames.sites[0]
    square = np.mean([(s.displacement**2).sum(axis=1).mean() for s in frames.sites])
    noise = first.dimension * float(model.noise(theta).mean())
    found: dict[str, Any] = {
        "lattice": first.kind.name, "spacing": model.spacing, "n_atoms": first.n,
        "n_frames": len(frames.sites), "n_missing": first.n_missing,
        "lindemann": float(np.sqrt(max(square - noise, 0.0)) / model.spacing),
    }  # fmt: skip
    warnings = []
    if model.error.spread > UNEVEN:
        warnings.append(
            "position errors differ between atoms or frames (largest variance "
            f"{model.error.spread:.1f} x the mean); their mean was used."
        )
    if first.n_missing:
        warnings.append(
            f"{first.n_missing} site(s) without an atom: the lattice around them was taken as "
            "perfect, with the atom unseen."
        )
    stiff = np.exp(theta[:, 0])
    if not model.error.is_known and stiff.mean() > SKEW * np.median(stiff):
        warnings.append(
            "these data hardly tell the position error from stiff springs: the first spring's "
            f"draws are skew (median {np.median(stiff):.4g}, mean {stiff.mean():.4g}); read the "
            "interval, and state position_sd if it is known."
        )
    n_frames = len(frames.sites)
    waves = isinstance(parts[0], WaveLikelihood)
    worth = parts[0].n_frames if waves else sum(part.weight for part in parts)
    found["independent_frames"] = float(worth)
    if worth < LEAST_SHARE * n_frames:
        kept = "" if waves else f" {len(parts)} of them were used;"
        warnings.append(
            f"frames resemble each other: {n_frames} are worth {worth:.1f} independent ones;{kept} "
            "the intervals are wider for it."
        )
    if isinstance(parts[0], WaveLikelihood):
        found["wave_misfit_p"] = wave_misfit(parts[0], model, theta)
        if found["wave_misfit_p"] < SMALLEST_P:
            warnings.append(
                f"springs of {model.n_springs // 2} shell(s) do not explain the spectrum of "
                f"waves (p = {found['wave_misfit_p']:.2g}); take more shells, or the atoms are "
                "not in equilibrium about this lattice."
            )
        if model.error.is_known:
            found["position_error_z"] = error_score(parts[0], model, theta)
        if abs(found.get("position_error_z", 0.0)) > LARGEST_Z:
            more = found["position_error_z"] > 0
            warnings.append(
                f"short waves are {'stronger' if more else 'weaker'} than springs of "
                f"{model.n_springs // 2} shell(s) and the stated position error allow "
                f"(z = {found['position_error_z']:.1f}): position_sd is too "
                f"{'small' if more else 'large'}, or springs reach farther; "
                "position_sd='free' infers it."
            )
    return found, warnings


def error_score(part: WaveLikelihood, model: SpringModel, theta: Float) -> float:
    """Return the score of a further position error, springs free, in its standard errors.

    Rao's test: the best there is against a small error of all positions alike. Stiffer springs and
    an error together look much like softer springs, so that one small frame tells little.
    """
    springs, noise = model.springs(theta).mean(axis=0), float(model.noise(theta).mean())
    gradient, information = part.score(springs, noise)
    shares = np.linalg.solve(information[:-1, :-1], information[:-1, -1])
    left = float(information[-1, -1] - shares @ information[:-1, -1])
    return float((gradient[-1] - shares @ gradient[:-1]) / np.sqrt(max(left, 1e-300)))


def wave_misfit(part: WaveLikelihood, model: SpringModel, theta: Float) -> float:
    """Return p of power over expected power in bands of waves, from soft to stiff."""
    springs = model.springs(theta).mean(axis=0)
    noise = float(model.noise(theta).mean())
    stiff = np.einsum("k,qkij->qij", springs, part.geometry)
    size = stiff.shape[-1]
    expected = np.linalg.inv(stiff) + noise * np.eye(size)
    power = np.einsum("qij,qji->q", np.linalg.inv(expected), part.spectrum)
    order = np.argsort(np.trace(expected, axis1=1, axis2=2))
    total = 0.0
    for band in np.array_split(order, min(N_BANDS, len(order))):
        # 2 w tr(C^-1 S) is chi-square with 2 w D degrees of freedom
        freedom = 2.0 * part.weight[band].sum() * size
        seen = 2.0 * (part.weight[band] * power[band]).sum()
        total += (seen - freedom) ** 2 / (2.0 * freedom)
    return float(chi2.sf(total, max(min(N_BANDS, len(order)) - model.n_parameters, 2)))
