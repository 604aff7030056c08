"""How bright a full site of a sublattice is, and what share of its sites is empty or half full."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import chi2

__all__ = ["OTHER_RANGE", "AmplitudeMixture", "amplitude_share_interval", "fit_amplitudes"]

Floats = NDArray[np.float64]
OTHER_RANGE = (0.12, 3.0)
"""Amplitudes that another species may have, in units of the typical one: even between them."""
SMALLEST_SPREAD, LARGEST_SPREAD = 0.01, 0.35
STEPS = 200


@dataclass(frozen=True, slots=True, eq=False)
class AmplitudeMixture:
    """Typical amplitude, its spread, shares of present, vacant, half, other; log-likelihood."""

    center: float
    spread: float
    shares: Floats
    log_likelihood: float


def _densities(
    values: Floats, errors: Floats, center: float, spread: float, possible: NDArray[np.bool_]
) -> Floats:
    """Return p(value | state), shape (n, 4)."""
    result = np.zeros((len(values), 4))
    for code, share in ((0, 1.0), (1, 0.0), (2, 0.5)):
        if possible[code]:
            variance = errors**2 + (share * spread) ** 2
            off = values - share * center
            result[:, code] = np.exp(-0.5 * off**2 / variance) / np.sqrt(2 * np.pi * variance)
    if possible[3]:
        low, high = OTHER_RANGE[0] * center, OTHER_RANGE[1] * center
        result[:, 3] = (ndtr((high - values) / errors) - ndtr((low - values) / errors)) / (
            high - low
        )
    return result


def fit_amplitudes(
    values: Floats, errors: Floats, possible: NDArray[np.bool_], *,
    start: AmplitudeMixture | None = None, fixed: tuple[int, float] | None = None,
) -> AmplitudeMixture:  # fmt: skip
    """Return the likeliest mixture (expectation-maximization; errors are known).

    ``possible`` (4,) says which states may be; ``fixed`` = (state, share) holds one share.
    """
    if start is None:
        center = float(np.quantile(values, 0.6))
        center = center if center > 0 else float(np.abs(values).mean())
        shares = np.where(possible, 0.03, 0.0)
        shares[0] = 1.0 - shares[1:].sum()
        start = AmplitudeMixture(center, 0.1 * center, shares, -np.inf)
    center, spread, shares = start.center, start.spread, start.shares.copy()
    total = last = -np.inf
    for _ in range(STEPS):
        if fixed is not None:
            rest = np.delete(shares, fixed[0])
            rest = rest / max(rest.sum(), 1e-12) * (1 - fixed[1])
            shares = np.insert(rest, fixed[0], fixed[1])
        joint = _densities(values, errors, center, spread, possible) * shares + 1e-300
        norm = joint.sum(axis=1)
        total = float(np.log(norm).sum())
        part = joint / norm[:, None]
        top = bottom = second = members = 0.0
        for code, share in ((0, 1.0), (2, 0.5)):
            variance = errors**2 + (share * spread) ** 2
            top += float((part[:, code] * share * values / variance).sum())
            bottom += float((part[:, code] * share * share / variance).sum())
            pull = (share * spread) ** 2 / variance
            off = pull * (values - share * center)
            second += float((part[:, code] * (off**2 + pull * errors**2)).sum()) / share**2
            members += float(part[:, code].sum())
        if members < 1.0:
            break
        center = max(top / max(bottom, 1e-300), 1e-300)
        spread = float(np.sqrt(second / members))
        spread = min(max(spread, SMALLEST_SPREAD * center), LARGEST_SPREAD * center)
        shares = np.where(possible, part.mean(axis=0), 0.0)
        if abs(total - last) < 1e-5:
            break
        last = total
    return AmplitudeMixture(center, spread, shares, total)


def amplitude_share_interval(
    values: Floats, errors: Floats, possible: NDArray[np.bool_], best: AmplitudeMixture, code: int,
    level: float = 0.95,
) -> tuple[float, float]:  # fmt: skip
    """Return the profile-likelihood interval of one state's share; all else fitted anew."""
    drop = 0.5 * float(chi2.ppf(level, 1))
    estimate = float(best.shares[code])

    def fall(share: float) -> float:
        now = fit_amplitudes(values, errors, possible, start=best, fixed=(code, share))
        return best.log_likelihood - now.log_likelihood

    ends = []
    for edge in (0.0, 1.0):
        if abs(edge - estimate) < 1e-9 or fall(edge) < drop:
            ends.append(edge)
            continue
        inner, outer = estimate, edge
        step = (0.5 * estimate if edge == 0 else max(estimate, 2.0 / len(values))) * (
            1 if edge else -1
        )
        while abs(step) > 0 and (outer - inner - step) * step > 0:
            if fall(inner + step) > drop:
                outer = inner + step
                break
            inner, step = inner + step, 2 * step
        for _ in range(9):
            middle = 0.5 * (inner + outer)
            if fall(middle) < drop:
                inner = middle
            else:
                outer = middle
        ends.append(0.5 * (inner + outer))
    return ends[0], ends[1]
