"""Shares of species with intervals: what the mixture says, beside what the labels count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import beta, chi2

from physlearn.checks import InputError, check_number
from physlearn.datasets.sites.intensity_mixture import share_interval
from physlearn.datasets.sites.species import check_ratios, fit_species
from physlearn.records import AtomicConfiguration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["binomial_interval", "species_composition"]

WIDEST_SHARE = 0.3


def binomial_interval(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson, 1934, doi:10.2307/2331986).

    Parameters
    ----------
    count, total
        Successes among trials.
    level
        Probability that the interval holds the share, at least.

    Raises
    ------
    InputError
        When count does not lie between 0 and total.

    Examples
    --------
    >>> [round(end, 4) for end in binomial_interval(14, 726)]
    [0.0106, 0.0321]
    """
    hits = check_number("count", count, least=0)
    tries = check_number("total", total, least=1)
    if hits > tries:
        raise InputError(f"count must lie between 0 and total; got {count} of {total}.")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1; got {level}.")
    tail = 0.5 * (1 - level)
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, tries - hits + 1))
    high = 1.0 if hits == tries else float(beta.ppf(1 - tail, hits + 1, tries - hits))
    return low, high


def species_composition(
    atoms: AtomicConfiguration,
    n_species: int | str = "auto",
    *,
    intensity_ratios: Sequence[float] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Estimate the share of each species from all intensities together.

    Where histograms overlap, counting labels is biased towards equal shares or loses a rare
    species; the weights of the mixture are not. Their interval is that of the profile likelihood
    (all means, the spread and the other shares fitted anew at each value tried) and includes the
    binomial scatter of the sites seen.

    Parameters
    ----------
    atoms
        With ``intensity`` and ``intensity_sd``.
    n_species, intensity_ratios
        As in ``classify_species``. A rare species that overlaps another needs the ratios: without
        them its mean is as uncertain as its share, and the interval says so.
    level
        Probability of the intervals.

    Returns
    -------
    pandas.DataFrame
        One row a species, dimmest first: ``mean_intensity``, ``share``, ``low``, ``high`` (of the
        mixture) and ``count``, ``count_share``, ``count_low``, ``count_high`` (likeliest labels
        with class weights; exact binomial interval). The last three are NaN where the mixture's
        interval is wider than 0.3: the species overlap too much to be counted, and ``share`` is
        only as good as its interval.

    Raises
    ------
    InputError
        As ``classify_species``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> brightness = np.repeat([10.0, 20.0], [180, 20]) + rng.normal(0, 1, 200)
    >>> atoms = AtomicConfiguration(rng.uniform(0, 100, (200, 2)), intensity=brightness,
    ...     intensity_sd=np.ones(200))
    >>> species_composition(atoms)["share"].round(2).tolist()
    [0.9, 0.1]
    """
    import pandas as pd

    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1; got {level}.")
    ratios = check_ratios(n_species, intensity_ratios)
    mixture, scale = fit_species(atoms, len(ratios) if len(ratios) else n_species, ratios)
    joint = mixture.log_densities() + np.log(mixture.weights)
    counts = np.bincount(joint.argmax(axis=1), minlength=len(mixture.means))
    drop = 0.5 * float(chi2.ppf(level, 1))
    rows = []
    for code in range(len(mixture.means)):
        one = len(mixture.means) == 1
        low, high = (1.0, 1.0) if one else share_interval(mixture, code, drop)
        count_low, count_high = binomial_interval(int(counts[code]), atoms.n, level)
        count_share = float(counts[code] / atoms.n)
        if high - low > WIDEST_SHARE:
            # labels of classes that cannot be told apart count nothing
            count_share = count_low = count_high = float("nan")
        rows.append(
            {
                "species": code, "mean_intensity": float(mixture.means[code] * scale),
                "share": float(mixture.weights[code]), "low": low, "high": high,
                "count": int(counts[code]), "count_share": count_share,
                "count_low": count_low, "count_high": count_high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
