"""How likely a column of some brightness was to be found: dim ones are missed more often."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from physlearn.checks import check_array, check_positive

__all__ = ["detection_probability"]

Floats = NDArray[np.float64]
SURE_ABOVE = 6.0
"""Standard deviations above the threshold at which a column is as good as certain."""
BIN = 0.1
FAINTEST_BELOW = 1.5
"""How far below the threshold a true significance may lie: fainter columns are never seen."""
ROUNDS = 300
PRIOR_COLUMNS = 10.0
"""Weight of a flat distribution of significances beside the measured one."""


def detection_probability(significance: ArrayLike, threshold: float) -> Floats:
    """Return the probability that a column of each brightness would pass the detection.

    A column of true significance t passes with probability ``Phi(t - threshold)``. The measured
    significance of one that has passed is too high on average (it would not be there otherwise): t
    is averaged over its posterior, whose prior is the distribution of t that explains all measured
    significances above the threshold best (maximum likelihood over mixtures by
    expectation-maximization; Laird 1978, doi:10.1080/01621459.1978.10480103).

    Parameters
    ----------
    significance
        Shape (n,): amplitude over the error that it has when the column is tested for (z).
    threshold
        Significance that columns of this picture had to pass.

    Returns
    -------
    ndarray
        float64, shape (n,), from 0 to 1.

    Raises
    ------
    InputError
        For significances that are not finite or a threshold that is not above 0.

    Examples
    --------
    >>> z = 4.5 + np.random.default_rng(1).normal(size=4000)
    >>> found = z[z > 4.0]  # a true significance of 4.5 passes 4.0 with probability .69
    >>> bool(abs(detection_probability(found, 4.0).mean() - 0.69) < 0.05)
    True
    """
    z = check_array("significance", significance, ndim=1, allow_empty=True)
    check_positive("threshold", threshold)
    edges = np.arange(0.0, SURE_ABOVE + 0.5 * BIN, BIN)
    middles = edges[:-1] + 0.5 * BIN
    # columns kept below the threshold (as bright as others) count as just at it
    above = np.clip(z - threshold, 0.0, None)
    counts = np.histogram(above, edges)[0].astype(np.float64)
    true = np.arange(-min(FAINTEST_BELOW, threshold), SURE_ABOVE + 3.0, BIN)
    passes = norm.cdf(true)
    likelihood = norm.pdf(middles[:, None] - true) / passes
    share = np.full(len(true), 1.0 / len(true))
    for _ in range(ROUNDS if counts.any() else 0):
        posterior = likelihood * share
        posterior /= posterior.sum(axis=1, keepdims=True)
        share = counts @ posterior + PRIOR_COLUMNS / len(true)
        share /= share.sum()
    posterior = norm.pdf(edges[:, None] - true) / passes * share
    table = (posterior * passes).sum(axis=1) / posterior.sum(axis=1)
    return np.asarray(np.where(above >= SURE_ABOVE, 1.0, np.interp(above, edges, table)))
