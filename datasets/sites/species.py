"""What the columns are: a mixture over fitted intensities that knows each one's own error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from physlearn.checks import InputError
from physlearn.records import AtomicConfiguration

__all__ = ["classify_species"]

Floats = NDArray[np.float64]
MOST_SPECIES = 5
SMALLEST_SEPARATION = 3.0
"""Neighbouring classes closer than this, in joint standard deviations, are one class."""
FEWEST_FOR_SURFACE = 100
OUTLIER_SHARE = 0.002


@dataclass(frozen=True, slots=True)
class _Mixture:
    """Classes of log intensity, ascending; ``spread`` is intrinsic, without fit errors."""

    means: Floats
    spread: float
    weights: Floats
    log_likelihood: float

    @property
    def bic(self) -> float:
        return -2 * self.log_likelihood

    def log_densities(self, values: Floats, errors: Floats) -> Floats:
        """Return log p(value | class), shape (n, classes)."""
        variance = self.spread**2 + errors**2
        distance = values[:, None] - self.means
        return np.asarray(
            -0.5 * distance**2 / variance[:, None] - 0.5 * np.log(2 * np.pi * variance)[:, None]
        )


def classify_species(
    atoms: AtomicConfiguration,
    n_species: int | str = "auto",
    names: Sequence[str] | None = None,
) -> AtomicConfiguration:
    """Tell species apart by intensity, with a log-likelihood for each atom and species.

    Intensities are divided by a smooth surface (quadratic in x and y, so that thickness or
    illumination may drift); their logarithms are modelled as normal classes with one intrinsic
    spread, to which each atom's own fit error is added. ``species`` ascends with intensity: code 0
    is the dimmest.

    Parameters
    ----------
    atoms
        With ``intensity`` and ``intensity_sd`` (``find_atoms`` gives both).
    n_species
        Number of species, 1 to 5, or ``auto``: the smallest Bayesian information criterion
        (Schwarz, 1978, doi:10.1214/aos/1176344136) among mixtures whose neighbouring classes are
        3 joint standard deviations apart.
    names
        A name for each species, dimmest first.

    Returns
    -------
    AtomicConfiguration
        With ``species``, ``species_names`` and ``species_log_likelihood`` = log p(measured
        intensity | species) WITHOUT class weights. Beyond the outermost class means the ratio of
        likelihoods is held at its value there: an outlier is no stronger evidence.

    Raises
    ------
    InputError
        Without intensities, with fewer atoms than 3 a species, or names that do not fit.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> brightness = np.repeat([10.0, 20.0], 50) + rng.normal(0, 1, 100)
    >>> atoms = AtomicConfiguration(rng.uniform(0, 100, (100, 2)), intensity=brightness,
    ...     intensity_sd=np.ones(100))
    >>> np.bincount(classify_species(atoms).species).tolist()
    [50, 50]
    """
    if n_species != "auto" and (
        isinstance(n_species, bool)
        or not isinstance(n_species, int | np.integer)
        or not 1 <= n_species <= MOST_SPECIES
    ):
        raise InputError(f"n_species must be 'auto' or 1 to {MOST_SPECIES}; got {n_species!r}.")
    if atoms.intensity is None:
        raise InputError("atoms must have intensities (find_atoms gives them); they are None.")
    least = 3 * (1 if n_species == "auto" else int(n_species))
    if atoms.n < least:
        raise InputError(f"atoms must hold at least {least} columns to classify, got {atoms.n}.")
    if not atoms.intensity.min() > 0:
        raise InputError(
            f"the intensities of atoms must be above 0; the smallest is {atoms.intensity.min()}."
        )
    scale = float(np.median(atoms.intensity))
    values = np.log(atoms.intensity / scale)
    errors = np.zeros(atoms.n)
    if atoms.intensity_sd is not None:
        errors = atoms.intensity_sd / atoms.intensity
    counts = range(1, MOST_SPECIES + 1) if n_species == "auto" else (int(n_species),)
    best, surface, score = None, np.zeros(atoms.n), np.inf
    for count in counts:
        if atoms.n < 3 * count:
            break
        mixture, ground = _fit_with_surface(atoms, values, errors, count)
        n_parameters = 2 * count
        now = mixture.bic + n_parameters * np.log(atoms.n)
        if count > 1 and n_species == "auto" and not _apart(mixture, errors):
            continue
        if best is None or now < score:
            best, surface, score = mixture, ground, now
    if best is None:
        raise InputError(f"atoms hold too few columns ({atoms.n}) to classify.")
    n = len(best.means)
    held = np.clip(values - surface, best.means[0], best.means[-1])
    log_likelihood = best.log_densities(held, errors)
    warnings = list(atoms.warnings)
    if n == 1:
        warnings.append("the intensities show one species only.")
    metadata = dict(atoms.metadata)
    metadata |= {
        "species_chosen": "auto" if n_species == "auto" else "given",
        "species_relative_spread": best.spread,
        "intensity_surface_range": float(np.ptp(np.exp(surface))),
    }
    for k in range(n):
        metadata[f"species_{k}_mean_intensity"] = float(np.exp(best.means[k]) * scale)
    return atoms.with_changes(
        species=log_likelihood.argmax(axis=1).astype(np.int64),
        species_names=_names(n, names),
        species_log_likelihood=log_likelihood,
        metadata=metadata,
        warnings=tuple(warnings),
    )


def _names(n: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names given, or plain words by brightness."""
    if names is not None:
        if len(names) != n:
            raise InputError(f"names must hold {n} name(s), dimmest first; got {len(names)}.")
        return tuple(names)
    if n == 1:
        return ("column",)
    if n == 2:
        return ("dim", "bright")
    return tuple(f"brightness {k + 1} of {n}" for k in range(n))


def _apart(mixture: _Mixture, errors: Floats) -> bool:
    """Return whether neighbouring classes are told apart by intensity."""
    joint = float(np.sqrt(mixture.spread**2 + np.median(errors) ** 2))
    return bool(np.all(np.diff(mixture.means) > SMALLEST_SEPARATION * joint))


def _fit_with_surface(
    atoms: AtomicConfiguration, values: Floats, errors: Floats, count: int
) -> tuple[_Mixture, Floats]:
    """Fit classes and the smooth intensity surface by turns."""
    surface = np.zeros(atoms.n)
    mixture = _fit_mixture(values, errors, count)
    if atoms.n < FEWEST_FOR_SURFACE:
        return mixture, surface
    center = atoms.positions[:, :2].mean(axis=0)
    x, y = ((atoms.positions[:, :2] - center) / np.ptp(atoms.positions[:, :2], axis=0)).T
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    for _ in range(3):
        joint = mixture.log_densities(values - surface, errors) + np.log(mixture.weights)
        share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        rest = values - share @ mixture.means
        # robust weights keep unusual columns from bending the surface
        off = np.abs(rest - np.median(rest))
        off = off / max(1.4826 * float(np.median(off)), 1e-9)
        root = 1.0 / np.maximum(1.0, off / 2.0)
        line = np.linalg.lstsq(design * root[:, None], rest * root, rcond=None)[0]
        surface = np.clip(design @ line, -1.5, 1.5)
        surface = surface - surface.mean()
        mixture = _climb(values - surface, errors, mixture, 60)
    return mixture, surface


def _even(values: Floats, tail: float, count: int) -> Floats:
    """Return ``count`` means in even steps between two quantiles."""
    if count == 1:
        return np.array([values.mean()])
    return np.linspace(np.quantile(values, tail), np.quantile(values, 1 - tail), count)


def _starts(values: Floats, count: int) -> list[Floats]:
    """Return starting means: quantiles, equal steps, and cuts at the widest gaps."""
    ordered = np.sort(values)
    starts = [
        np.quantile(values, (np.arange(count) + 0.5) / count),
        _even(values, 0.02, count),
        _even(values, 0.002, count),
    ]
    if count > 1 and len(values) > 3 * count:
        gaps = np.diff(ordered)[1:-1]
        cuts = np.sort(np.argsort(gaps)[-(count - 1) :]) + 2
        starts.append(np.array([part.mean() for part in np.split(ordered, cuts)]))
    return [np.sort(np.atleast_1d(start)).astype(np.float64) for start in starts]


def _fit_mixture(values: Floats, errors: Floats, count: int) -> _Mixture:
    """Fit by expectation-maximization; each value's error variance is known and added."""
    first = max(0.3 * float(np.std(values)) / count, 1e-3)
    equal = np.full(count, 1.0 / count)
    fits = [
        _climb(values, errors, _Mixture(start, first, equal, -np.inf), 15)
        for start in _starts(values, count)
    ]
    return _climb(values, errors, max(fits, key=lambda fit: fit.log_likelihood), 150)


def _climb(values: Floats, errors: Floats, start: _Mixture, n_steps: int) -> _Mixture:
    """Run expectation-maximization from one start."""
    means, spread, weights = start.means, start.spread, start.weights
    floor = 2e-3
    # a thin even density takes what belongs to no class (dirt, cut columns)
    outlier = np.log(OUTLIER_SHARE / (float(np.ptp(values)) + 1.0))
    last = -np.inf
    total = last
    for _ in range(n_steps):
        mixture = _Mixture(means, spread, weights, last)
        joint = mixture.log_densities(values, errors) + np.log(weights)
        top = np.maximum(joint.max(axis=1, keepdims=True), outlier)
        share = np.exp(joint - top)
        norms = share.sum(axis=1, keepdims=True) + np.exp(outlier - top)
        total = float((top + np.log(norms)).sum())
        share /= norms
        variance = spread**2 + errors**2
        pull = share / variance[:, None]
        means = (pull * values[:, None]).sum(axis=0) / np.maximum(pull.sum(axis=0), 1e-300)
        members = np.maximum(share.sum(axis=0), 1e-6)
        weights = members / members.sum()
        # the intrinsic part of each deviation, given its own error (posterior second moment)
        gain = spread**2 / variance
        deviation = values[:, None] - means
        second = (gain[:, None] * deviation) ** 2 + (gain * errors**2)[:, None]
        spread = max(float(np.sqrt((share * second).sum() / members.sum())), floor)
        if total - last < 1e-3 and np.isfinite(last):
            break
        last = total
    order = np.argsort(means)
    return _Mixture(means[order], spread, weights[order], total)
