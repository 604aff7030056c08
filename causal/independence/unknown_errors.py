"""The largest measurement errors that a table allows where nobody knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_score import SpatialScore

LARGEST_SHARE = 0.85
"""Errors of a larger share of a column's variance would leave nothing that could be tested."""


@dataclass(frozen=True, slots=True, eq=False)
class UnknownErrors:
    """White, independent errors of unknown size, up to what the columns themselves allow.

    Attributes
    ----------
    score
        Moments of the columns, with the known errors.
    unknown
        Whether nobody knows the errors of a column, one answer a column.
    """

    score: SpatialScore
    unknown: tuple[bool, ...]

    def of(self, given: Sequence[int]) -> list[int]:
        """Return the columns of `given` whose errors nobody knows."""
        return [k for k in given if k < len(self.unknown) and self.unknown[k]]

    def largest(self, given: tuple[int, ...]) -> list[Floats]:
        """Return the largest covariances (p, p) of errors: of each unknown column, and of all.

        Errors of one column hold no more of its variance than the other columns do not predict,
        and than its neighbours do not repeat: errors of neighbours are independent.
        """
        unknown = self.of(given)
        ceilings = {k: self._ceiling(k) for k in unknown}
        sets = [[k] for k in unknown] + ([unknown] if len(unknown) > 1 else [])
        found = []
        for chosen in sets:
            noise = self.score.noise.copy()
            for k in chosen:
                noise[k, k] = max(ceilings[k], noise[k, k])
            found.append(self._possible(noise, given))
        return found

    def _ceiling(self, column: int) -> float:
        gram = self.score.gram
        inverse = np.linalg.pinv(gram, rcond=1e-9, hermitian=True)
        alone = 1.0 / max(float(inverse[column, column]), 1e-9)
        variance = float(gram[column, column])
        repeated = self.score.layout.nearest_autocovariance(self.score.values[:, column])
        return float(np.clip(min(alone, variance - max(repeated, 0.0)), 0.0, variance))

    def _possible(self, noise: Floats, given: tuple[int, ...]) -> Floats:
        """Return the noise, lowered until `given` keep a share of true variance all ways."""
        index = np.ix_(given, given)
        gram = self.score.gram[index]
        inverse_root = np.linalg.inv(np.linalg.cholesky(gram + 1e-9 * np.eye(len(given))))
        share = float(np.linalg.eigvalsh(inverse_root @ noise[index] @ inverse_root.T)[-1])
        return noise * min(1.0, LARGEST_SHARE / max(share, 1e-300))


def errors_could_explain(names: Sequence[str]) -> str:
    """Return why nothing is decided, and what would decide it."""
    return (
        f"the measurement errors of {', '.join(names)} are unknown, and errors that the data allow "
        "would explain the dependence; scan the same patches again, or give "
        "measurement_covariance (zeros where errors are negligible)"
    )
