"""What the columns are: a mixture over fitted intensities that knows each one's own error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.sites.intensity_mixture import (
    IntensityMixture,
    fit_mixture_with_surface,
)
from physlearn.datasets.sites.neighbour_likeness import expected_likeness, neighbour_likeness
from physlearn.datasets.sites.single_species import single_species_score
from physlearn.records import AtomicConfiguration

__all__ = ["classify_species"]

Floats = NDArray[np.float64]
MOST_SPECIES = 5
SMALLEST_SEPARATION = 1.8
"""Neighbouring classes closer than this, in joint standard deviations, are one class."""
HELD_DEVIATIONS = 3.0
UNUSUAL_LIKENESS = 6.0
CORRELATED_ERRORS = 0.03


def classify_species(
    atoms: AtomicConfiguration,
    n_species: int | str = "auto",
    names: Sequence[str] | None = None,
    *,
    intensity_ratios: Sequence[float] | None = None,
) -> AtomicConfiguration:
    """Tell species apart by intensity, with a log-likelihood for each atom and species.

    Intensity = surface(x, y) x class mean x (1 + spread) + error: the surface is quadratic (so
    that thickness or illumination may drift), the spread is relative and common to all classes, and
    each atom's own fit error is added, taken at the class mean. ``species`` ascends with intensity:
    code 0 is the dimmest.

    Parameters
    ----------
    atoms
        With ``intensity`` and ``intensity_sd`` (``find_atoms`` gives both).
    n_species
        Number of species, 1 to 5, or ``auto``: the smallest Bayesian information criterion
        (Schwarz, 1978, doi:10.1214/aos/1176344136) among mixtures whose neighbouring classes are
        1.8 joint standard deviations apart; single classes of skewed, flat or heavy-tailed
        intensities (Student's law) are candidates too, so that the shape of one peak alone makes
        no second species.
    names
        A name for each species, dimmest first.
    intensity_ratios
        Mean intensities in units of the dimmest species', ascending from 1, where they are known
        (two atoms against one; powers of the atomic number). A rare class that overlaps another is
        located by them: without, its share is uncertain by 0.9 / sqrt(atoms) at 30 % overlap,
        with them by 0.4 / sqrt(atoms).

    Returns
    -------
    AtomicConfiguration
        With ``species``, ``species_names`` and ``species_log_likelihood`` = log p(measured
        intensity | species) WITHOUT class weights. More than 3 standard deviations beyond the
        outermost class means the ratio of likelihoods is held: an outlier is no stronger evidence.
        ``metadata`` holds each species' mean intensity and share (``species_0_share``: what the
        mixture says, not the count of labels), and ``intensity_likeness_z``: how much more alike
        neighbours' intensities are than chance allows, their species taken out (haze, contamination
        or thickness that the smooth surface does not follow).

    Raises
    ------
    InputError
        Without intensities, with fewer atoms than 3 a species, or names or ratios that do not fit.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> brightness = np.repeat([10.0, 20.0], 50) + rng.normal(0, 1, 100)
    >>> atoms = AtomicConfiguration(rng.uniform(0, 100, (100, 2)), intensity=brightness,
    ...     intensity_sd=np.ones(100))
    >>> np.bincount(classify_species(atoms).species).tolist()
    [50, 50]
    """
    ratios = check_ratios(n_species, intensity_ratios)
    if len(ratios):
        n_species = len(ratios)
    best, scale = fit_species(atoms, n_species, ratios)
    n = len(best.means)
    error = np.hypot(best.errors, best.spread * best.values)
    held = np.clip(
        best.values,
        best.means[0] - HELD_DEVIATIONS * error,
        best.means[-1] + HELD_DEVIATIONS * error,
    )
    log_likelihood = best.log_densities(held)
    warnings = list(atoms.warnings)
    if n == 1:
        warnings.append("the intensities show one species only.")
    metadata = dict(atoms.metadata)
    metadata |= {
        "species_chosen": "auto" if n_species == "auto" else "given",
        "species_relative_spread": best.spread,
        "intensity_surface_range": float(np.ptp(best.surface)),
    }
    for k in range(n):
        metadata[f"species_{k}_mean_intensity"] = float(best.means[k] * scale)
        metadata[f"species_{k}_share"] = float(best.weights[k])
    species = log_likelihood.argmax(axis=1).astype(np.int64)
    rest = (best.values - best.means[species]) / np.hypot(
        best.errors, best.spread * best.means[species]
    )
    z, likeness = neighbour_likeness(atoms.positions, rest)
    metadata |= {"intensity_likeness_z": z, "intensity_likeness": likeness}
    expected = expected_likeness(atoms)
    if expected is not None:
        metadata["intensity_likeness_expected"] = expected
        if abs(expected) > CORRELATED_ERRORS:
            warnings.append(
                f"fit errors of neighbours' intensities correlate by {expected:.2f}, since they "
                "share background and light; the log-likelihoods treat them as independent."
            )
    if z > UNUSUAL_LIKENESS and likeness > 0.1 + max(expected or 0.0, 0.0):
        warnings.append(
            f"intensities of neighbouring columns of one species are alike (correlation "
            f"{likeness:.2f}, {z:.0f} standard errors): haze, contamination or thickness that the "
            "smooth surface does not follow changes them, so that species may be mistaken there."
        )
    return atoms.with_changes(
        species=species,
        species_names=_names(n, names),
        species_log_likelihood=log_likelihood,
        metadata=metadata,
        warnings=tuple(warnings),
    )


def check_ratios(n_species: int | str, ratios: Sequence[float] | None) -> Floats:
    """Return the declared ratios, empty when there are none, or refuse them."""
    if n_species != "auto" and (
        isinstance(n_species, bool)
        or not isinstance(n_species, int | np.integer)
        or not 1 <= n_species <= MOST_SPECIES
    ):
        raise InputError(f"n_species must be 'auto' or 1 to {MOST_SPECIES}; got {n_species!r}.")
    if ratios is None:
        return np.empty(0)
    given = np.asarray(ratios, dtype=np.float64)
    if (
        given.ndim != 1 or not 1 <= len(given) <= MOST_SPECIES or given[0] != 1
        or not np.all(np.diff(given) > 0)
    ):  # fmt: skip
        raise InputError(
            f"intensity_ratios must ascend from 1, one number a species, at most {MOST_SPECIES}; "
            f"got {list(ratios)}."
        )
    if n_species not in ("auto", len(given)):
        raise InputError(
            f"intensity_ratios hold {len(given)} number(s) and n_species is {n_species}."
        )
    return given


def fit_species(
    atoms: AtomicConfiguration, n_species: int | str, ratios: Floats
) -> tuple[IntensityMixture, float]:
    """Return the chosen mixture and the intensity that its unit stands for."""
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
    values = atoms.intensity / scale
    errors = np.zeros(atoms.n) if atoms.intensity_sd is None else atoms.intensity_sd / scale
    places = atoms.positions[:, :2]
    if n_species != "auto":
        return fit_mixture_with_surface(places, values, errors, int(n_species), ratios), scale
    best = fit_mixture_with_surface(places, values, errors, 1, ratios)
    penalty = np.log(atoms.n)
    # skewed, flat or heavy-tailed intensities are no second species
    score = single_species_score(best)
    misses = 0
    for count in range(2, MOST_SPECIES + 1):
        if atoms.n < 3 * count or misses >= 2:
            break
        mixture = fit_mixture_with_surface(places, values, errors, count, ratios)
        now = -2 * mixture.log_likelihood + 2 * count * penalty
        # two surfaces' mixtures are densities of different values: back to the measured ones
        now += 2 * float(np.log(mixture.surface).sum() - np.log(best.surface).sum())
        if now < score and np.all(mixture.separations() > SMALLEST_SEPARATION):
            best, score, misses = mixture, now, 0
        else:
            misses += 1
    return best, scale


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
