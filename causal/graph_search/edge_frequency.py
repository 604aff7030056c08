"""How often a link is seen again in half-samples of spatial blocks, and what that bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from physlearn.causal.graph_search.knowledge import Constraints
from physlearn.causal.graph_search.marks import ARROW, CIRCLE, NONE, TAIL, Ends, Mask
from physlearn.causal.spatial_layout import Floats
from physlearn.executors import ExecutorLike, open_workers

MIN_FREQUENCY = 0.5
STEADY = 0.7
"""An arrowhead that only the pattern of dependences puts must stand in such a share (measured:
of 22 right ones inside a tier 16 do, of 3 wrong ones none)."""


@dataclass(frozen=True, slots=True, eq=False)
class EdgeFrequency:
    """Shares of half-samples.

    Attributes
    ----------
    adjacency
        Share with a link of i and j, shape (p, p); NaN without half-samples.
    heads
        Of those with the link, the share with an arrowhead at j and none at i.
    arrowheads
        Of those with the link, the share with an arrowhead at j, whatever stands at i.
    n_links
        Mean number of links in a half-sample.
    n_resamples
        Number of half-samples.
    """

    adjacency: Floats
    heads: Floats
    arrowheads: Floats
    n_links: float
    n_resamples: int


def edge_frequency(
    search: Callable[[Mask, int], Ends],
    n_blocks: int,
    p: int,
    n_resamples: int,
    generator: np.random.Generator,
    executor: ExecutorLike | None = None,
) -> EdgeFrequency:
    """Return how often links are found in random halves of the blocks, in complementary pairs.

    Parameters
    ----------
    search
        From the chosen blocks (n_blocks,) and a seed to the marks (p, p) found there.
    n_blocks, p
        Number of blocks and of columns.
    n_resamples
        Number of half-samples; 0 for none.
    generator
        Draws the halves and the seeds.
    executor
        Where the half-samples are searched, as of `open_workers`.

    Notes
    -----
    Shah and Samworth, J. R. Stat. Soc. B 75, 55 (2013), doi:10.1111/j.1467-9868.2011.01034.x.
    """
    if n_resamples == 0:
        return no_frequency(p)
    adjacent, heads, arrowheads = np.zeros((3, p, p))
    halves = list(_half_samples(n_blocks, n_resamples, generator))
    seeds = generator.integers(2**63, size=n_resamples).tolist()
    with open_workers(executor) as workers:
        for _, ends in workers.run(search, zip(halves, seeds, strict=True)):
            adjacent += ends != NONE
            heads += (ends == ARROW) & (ends.T != ARROW)
            arrowheads += ends == ARROW
    seen = np.where(adjacent > 0, adjacent, np.nan)
    n_links = float(adjacent.sum() / 2 / n_resamples)
    return EdgeFrequency(
        adjacent / n_resamples, heads / seen, arrowheads / seen, n_links, n_resamples
    )


def _half_samples(
    n_blocks: int, n_resamples: int, generator: np.random.Generator
) -> Iterator[Mask]:
    """Yield which blocks are chosen: a random half, then its complement."""
    half, order = n_blocks // 2, np.arange(n_blocks)
    for k in range(n_resamples):
        if k % 2 == 0:
            order = generator.permutation(n_blocks)
        chosen = np.zeros(n_blocks, dtype=np.bool_)
        chosen[order[:half] if k % 2 == 0 else order[half:]] = True
        yield chosen


def no_frequency(p: int) -> EdgeFrequency:
    """Return what is known without half-samples: nothing."""
    unknown = np.full((p, p), np.nan)
    return EdgeFrequency(unknown, unknown, unknown, np.nan, 0)


def open_unsteady(
    ends: Ends, frequency: EdgeFrequency, constraints: Constraints
) -> tuple[Ends, int]:
    """Return the marks without arrowheads that too few half-samples show, and how many went.

    Arrowheads that tiers or knowledge put stay.
    """
    known = constraints.forbidden.T | constraints.required
    if frequency.n_resamples == 0:
        return ends.copy(), 0
    # NaN where no half-sample shows the link: seen in none
    unsteady = (ends == ARROW) & ~known & ~(frequency.arrowheads >= STEADY)
    opened = ends.copy()
    opened[unsteady] = CIRCLE
    # a tail that stood with the arrowhead goes with it
    opened[unsteady.T & (ends == TAIL) & ~known.T] = CIRCLE
    return opened, int(unsteady.sum())


def false_edge_bound(frequency: EdgeFrequency, threshold: float) -> float:
    """Return a bound on the expected number of false links among those above a threshold.

    Parameters
    ----------
    frequency
        From complementary half-samples.
    threshold
        Share of half-samples from which on a link is kept, above 0.5.

    Notes
    -----
    A link counts as false that a half-sample finds no more often than an average pair. Shah and
    Samworth (2013), eq. 8, for a unimodal law of the share among false links:
    C(threshold) q**2 / n_pairs, q the mean number of links in a half-sample.

    Examples
    --------
    >>> import numpy as np
    >>> frequency = EdgeFrequency(*np.ones((3, 12, 12)), 18.0, 50)
    >>> round(false_edge_bound(frequency, 0.9), 2)
    2.27
    """
    n_pairs = len(frequency.adjacency) * (len(frequency.adjacency) - 1) / 2
    pairs = max(frequency.n_resamples // 2, 1)
    if threshold <= 0.75:
        constant = 0.5 / max(2 * threshold - 1 - 0.5 / pairs, 1e-9)
    else:
        constant = 4 * (1 - threshold + 0.5 / pairs) / (1 + 1 / pairs)
    return float(min(constant * frequency.n_links**2 / n_pairs, n_pairs))
