"""Planted worlds of patches with curved links, levels, and what each patch would have shown."""

from collections.abc import Callable
from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from physlearn.records import PatchTable

CHAIN = nx.DiGraph([("a", "b"), ("a", "c"), ("b", "c")])
LEVELS = nx.DiGraph([("a", "y"), ("phase", "y")])
SHIFT = np.array([0.0, 1.2, -0.8])
UTILITY = np.array([[0.0, 0, 0, 0], [0.2, 1.0, 0.8, -0.5], [-0.3, -0.8, 0.1, 1.1]])


@dataclass
class World:
    """A table, its graph, and the true outcome under a change."""

    table: PatchTable
    graph: nx.DiGraph
    truth: Callable[[float], NDArray[np.float64]]


def smooth(edge: int, length: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return fields (count, edge**2) of unit variance, cut out of a larger torus."""
    white = rng.standard_normal((count, 2 * edge, 2 * edge))
    wave = 2 * np.pi * np.fft.fftfreq(2 * edge)
    power = np.exp(-0.5 * length**2 * (wave[:, None] ** 2 + wave[None, :] ** 2))
    power /= power.mean()
    torus = np.fft.ifft2(np.sqrt(power) * np.fft.fft2(white)).real
    return torus[:, :edge, :edge].reshape(count, -1)


def places(edge: int) -> NDArray[np.float64]:
    row, column = np.mgrid[:edge, :edge].reshape(2, -1).astype(float)
    return 8.0 * np.stack([column, row], axis=1)


def chain_world(form: str, edge: int, length: float, seed: int, snr: float | None) -> World:
    """a causes b and c, b causes c: by a line, a parabola with a product, or a saturating curve."""
    rng = np.random.default_rng(seed)
    rough = rng.standard_normal((3, edge * edge))
    f = np.sqrt(0.8) * smooth(edge, length, 3, rng) + np.sqrt(0.2) * rough

    def influence(a, b):
        if form == "linear":
            return 0.6 * a + 0.5 * b
        if form == "quadratic":
            return 0.4 * a + 0.5 * b + 0.4 * a * a + 0.3 * a * b
        return 1.5 * np.tanh(1.5 * a) + 0.5 * b

    a = f[0]
    b = 0.5 * a + 0.8 * f[1]
    c = influence(a, b) + 0.6 * f[2]
    clean = pd.DataFrame({"a": a, "b": b, "c": c})
    frame, covariance = clean, None
    if snr is not None:
        variance = clean.var().to_numpy() / snr
        frame = clean + rng.standard_normal(clean.shape) * np.sqrt(variance)
        covariance = np.diag(variance)[None]
    table = PatchTable.from_frame(
        frame, places(edge), 8.0, unit="nm", measurement_covariance=covariance
    )
    return World(table, CHAIN, lambda do: c + influence(do, b + 0.5 * (do - a)) - influence(a, b))


def level_world(kind: str, edge: int, seed: int) -> World:
    """Three phases and a column a cause y: a number, one of two levels, or one of three."""
    rng = np.random.default_rng(seed)
    n = edge * edge
    f = smooth(edge, 1.0, 3, rng)
    phase = np.digitize(f[1], [-0.5, 0.6])
    if kind == "number":
        y = 0.5 * f[0] + SHIFT[phase] + 0.4 * f[2]

        def truth(do):
            return y + SHIFT[int(do)] - SHIFT[phase]
    elif kind == "two":
        own = rng.logistic(size=n)

        def truth(do):
            return (-0.3 + 0.9 * f[0] + SHIFT[np.broadcast_to(int(do), n)] + own > 0) * 1.0

        y = (-0.3 + 0.9 * f[0] + SHIFT[phase] + own > 0) * 1.0
    else:
        own = rng.gumbel(size=(n, 3))

        def shown(at):
            lines = np.stack([np.ones(n), f[0], at == 1, at == 2], axis=1)
            return (lines @ UTILITY.T + own).argmax(axis=1) * 1.0

        def truth(do):
            return shown(np.full(n, do))

        y = shown(phase)
    frame = pd.DataFrame({"a": f[0], "phase": phase * 1.0, "y": y})
    return World(PatchTable.from_frame(frame, places(edge), 8.0, unit="nm"), LEVELS, truth)


@pytest.fixture(scope="session")
def chain() -> Callable[..., World]:
    return chain_world


@pytest.fixture(scope="session")
def levels() -> Callable[..., World]:
    return level_world


@pytest.fixture(scope="session")
def fields() -> Callable[..., NDArray[np.float64]]:
    return smooth


@pytest.fixture(scope="session")
def grid() -> Callable[[int], NDArray[np.float64]]:
    return places
