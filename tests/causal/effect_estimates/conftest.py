"""Worlds with a known effect, and how often the intervals hold it."""

from collections.abc import Callable
from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from physlearn.causal import estimate_effect
from physlearn.causal.effect_estimates.effect_records import EffectOptions
from physlearn.records import PatchTable

U_GRAPH = nx.DiGraph([("u", "x"), ("u", "y"), ("x", "y")])
"""A common cause u of x and y beside the link asked for; hidden where no column u is given."""


@dataclass
class Coverage:
    """Of `n` worlds: how many were answered, held the truth, and claimed an effect."""

    n: int
    answered: int
    held: int
    claims: int
    width: float


@dataclass
class Worlds:
    """Fields and tables on a grid of edge**2 patches."""

    fields: Callable[..., NDArray[np.float64]]
    grid: Callable[[int], NDArray[np.float64]]

    def rough(self, edge, length, count, rng):
        """Fields of unit variance, a fifth of it white."""
        smooth = self.fields(edge, length, count, rng)
        return np.sqrt(0.8) * smooth + np.sqrt(0.2) * rng.standard_normal(smooth.shape)

    def table(self, columns, snr, rng, covariance_of=None):
        """Return the columns, with known white noise where a signal-to-noise ratio is given."""
        clean = pd.DataFrame(columns)
        edge = round(np.sqrt(len(clean)))
        frame, covariance = clean, None
        if snr is not None:
            variance = clean.var().to_numpy() / snr
            if covariance_of is not None:
                variance *= [name in covariance_of for name in clean]
            frame = clean + rng.standard_normal(clean.shape) * np.sqrt(variance)
            covariance = np.diag(variance)[None]
        return PatchTable.from_frame(frame, self.grid(edge), 1.0, measurement_covariance=covariance)

    def confounded(self, seed, *, edge=24, length=1, snr=None, slope=0.5, smooth=None):
        """x and y share the cause u, which is a smooth field of that length where one is given."""
        rng = np.random.default_rng(seed)
        f = self.rough(edge, length, 3, rng)
        u = f[0] if smooth is None else self.fields(edge, smooth, 1, rng)[0]
        x = 0.6 * u + 0.8 * f[1]
        y = slope * x + 0.6 * u + 0.6 * f[2]
        return self.table({"u": u, "x": x, "y": y}, snr, rng)

    @staticmethod
    def without(table, column):
        """Return the table as if nobody had measured a column."""
        kept = [name for name in table.columns if name != column]
        index = [table.columns.index(name) for name in kept]
        covariance = table.measurement_covariance
        if covariance is not None:
            covariance = covariance[:, index][:, :, index]
        return PatchTable.from_frame(
            table.frame[kept], table.centers, 1.0, measurement_covariance=covariance
        )

    @staticmethod
    def coverage(make, graph, truth, n, options: EffectOptions | None = None) -> Coverage:
        """Estimate x -> y in n worlds."""
        held = claims = 0
        widths = []
        for seed in range(n):
            effect = estimate_effect(
                make(seed), graph, "x", "y", contrast=(0, 1), options=options, rng=0
            )
            if effect.identified:
                low, high = effect.interval()
                held += low < truth < high
                claims += not low <= 0 <= high
                widths.append(high - low)
        width = float(np.median(widths)) if widths else np.nan
        return Coverage(n, len(widths), held, claims, width)


@pytest.fixture(scope="session")
def worlds(fields, grid) -> Worlds:
    return Worlds(fields, grid)


@pytest.fixture(scope="session")
def confounded_graph() -> nx.DiGraph:
    return U_GRAPH
