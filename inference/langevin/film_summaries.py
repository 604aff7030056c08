"""What a film is boiled down to before it is compared with simulated films."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin.film import Film
from physlearn.inference.langevin.noisy_motion_kernels import pair_sums, step_sums
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["FilmSummaries"]

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

NEAR_SHARES = (0.02, 0.08, 0.2, 0.4, 0.65, 0.9)
"""Of the particles with a nearest neighbour below each inner edge of the distance bins."""
MOTION_SHARES = (0.05, 0.25, 0.6)
N_FAR = 3
"""Even bins of distance from there to the cutoff."""
N_LAGS = 3


@dataclass(frozen=True, eq=False)
class FilmSummaries:
    """Numbers of a film: distances of pairs, how pairs then move, and products of steps.

    ``kinds``: (n, n) kind of each pair; ``distance_bins``, ``motion_bins``: (n_kinds, n_edges);
    ``step_sd``: root mean square step, the unit of motion.
    """

    kinds: Int64
    distance_bins: Float
    motion_bins: Float
    step_sd: float

    @classmethod
    def for_film(cls, film: Film, family: InteractionFamily, step_sd: float) -> FilmSummaries:
        """Choose bins that hold enough pairs of this film."""
        n = film.places.shape[1]
        table = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1)
        species = film.species if family.n_species > 1 else None
        kinds = family.kinds(species, table.reshape(-1, 2)).reshape(n, n)
        distance_bins, motion_bins = [], []
        for kind, part in enumerate(family.parts):
            reach = min(part.cutoff, _farthest(film))
            near = _nearest_distances(film, kinds == kind, reach)
            far = np.linspace(0.0, 1.0, N_FAR + 1)[1:]
            edge = np.quantile(near, NEAR_SHARES)
            distance_bins.append(np.r_[0.0, edge, edge[-1] + far * (reach - edge[-1])])
            edge = np.quantile(near, MOTION_SHARES)
            motion_bins.append(np.r_[0.0, edge, min(1.6 * edge[-1], reach)])
        return cls(kinds, _rising(distance_bins), _rising(motion_bins), step_sd)

    def __call__(self, film: Film) -> Float:
        """Return the summaries of a film, shape (m,)."""
        counts = np.zeros((len(self.distance_bins), self.distance_bins.shape[1] - 1))
        motion = np.zeros((len(self.motion_bins), self.motion_bins.shape[1] - 1, 5))
        pair_sums(
            film.places, film.seen, film.joined, film.kernel_box, self.kinds,
            self.distance_bins, self.motion_bins, counts, motion,
        )  # fmt: skip
        sums = np.zeros((N_LAGS, 2))
        step_sums(film.places, film.joined, sums)
        number, later = np.maximum(motion[..., 0], 1.0), np.maximum(motion[..., 3], 1.0)
        scale = self.step_sd
        return np.concatenate([
            np.log((counts.ravel() + 0.5) / film.seen.sum()),
            (motion[..., 1] / number).ravel() / scale,
            (motion[..., 2] / number).ravel() / scale**2,
            (motion[:, :3, 4] / later[:, :3]).ravel() / scale,
            sums[:, 0] / np.maximum(sums[:, 1], 1.0) / scale**2,
        ])  # fmt: skip


def _farthest(film: Film) -> float:
    """Half the box, or the field of view's shortest edge."""
    lengths = film.box[: film.dimension]
    return float(lengths.min()) * (0.5 if film.periodic else 1.0)


def _nearest_distances(film: Film, of_kind: NDArray[np.bool_], reach: float) -> Float:
    """Distance of each particle's nearest neighbour of a kind, in up to ten frames."""
    found = []
    frames = np.unique(np.linspace(0, len(film.places) - 1, 10).astype(int))
    for t in frames:
        here = film.seen[t].astype(bool)
        gap = film.places[t][here][:, None] - film.places[t][here][None]
        if film.periodic:
            lengths = np.where(film.box > 0.0, film.box, np.inf)
            gap -= np.where(film.box > 0.0, np.round(gap / lengths) * film.box, 0.0)
        distance = np.sqrt((gap**2).sum(axis=2))
        distance[~of_kind[np.ix_(here, here)]] = np.inf
        np.fill_diagonal(distance, np.inf)
        near = distance.min(axis=1)
        found.append(near[np.isfinite(near)])
    near = np.minimum(np.concatenate(found), 0.98 * reach)
    return near if near.size else np.linspace(0.2, 0.8, 20) * reach


def _rising(rows: list[Float]) -> Float:
    """Bins as one array, ties pushed apart."""
    bins = np.stack(rows)
    step = 1e-9 * bins[:, -1:]
    return np.ascontiguousarray(
        np.maximum.accumulate(bins, axis=1) + step * np.arange(bins.shape[1])
    )
