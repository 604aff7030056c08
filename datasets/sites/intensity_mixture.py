"""Classes of intensity: means, one relative spread, shares, a smooth surface, errors known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.sites import mixture_kernels as kernels

__all__ = [
    "IntensityMixture",
    "fit_mixture",
    "fit_mixture_with_surface",
    "share_interval",
    "skewed_single",
]

Floats = NDArray[np.float64]
OUTLIER_SHARE = 0.0002
FEWEST_FOR_SURFACE = 100
STEPS, TOLERANCE = 600, 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class IntensityMixture:
    """A fitted mixture; classes ascend in brightness.

    Attributes
    ----------
    values, errors
        float64, shape (n,): intensities and their standard deviations in units of ``surface``.
    surface
        float64, shape (n,): smooth brightness of the picture at each atom, mean 1.
    gain
        How much an error's square grows with the intensity (counting noise): the error of an atom
        under a class is the one it has at the class's mean.
    means, weights, spread
        Of the classes; ``spread`` is relative and without measurement errors.
    log_likelihood
        Of all values.
    ratios
        Means in units of the first where they were declared, else empty.
    """

    values: Floats
    errors: Floats
    surface: Floats
    gain: float
    means: Floats
    weights: Floats
    spread: float
    log_likelihood: float
    ratios: Floats

    def log_densities(self, values: Floats | None = None) -> Floats:
        """Return log p(value | class), shape (n, classes)."""
        seen = self.values if values is None else values
        return kernels.mixture_log_densities(seen, self.errors, self.gain, self.means, self.spread)

    def separations(self) -> Floats:
        """Return the distances of neighbouring class means in standard deviations of a value."""
        middle = np.sqrt(self.means[1:] * self.means[:-1])
        error = float(np.median(self.errors))
        own = np.hypot(self.spread * middle, error)
        return np.asarray(np.diff(self.means) / own)


def error_gain(values: Floats, errors: Floats) -> float:
    """Return the slope of squared error on intensity, at least 0 (robust line)."""
    square = errors**2
    if len(values) < 20 or not square.max() > 0:
        return 0.0
    kept = np.ones(len(values), dtype=np.bool_)
    slope = 0.0
    for _ in range(3):
        x, y = values[kept], square[kept]
        centred = x - x.mean()
        slope = float(centred @ (y - y.mean()) / max(float(centred @ centred), 1e-300))
        rest = square - (y.mean() + slope * (values - x.mean()))
        scale = 1.4826 * float(np.median(np.abs(rest[kept]))) + 1e-300
        kept = np.abs(rest) < 4 * scale
        if kept.sum() < 10:
            break
    # an error cannot fall below a quarter of itself when its intensity is taken away
    return float(np.clip(slope, 0.0, np.median(square / np.maximum(values, 1e-12))))


def _starts(values: Floats, count: int) -> list[Floats]:
    """Return starting means: quantiles, equal steps, and cuts at the widest gaps."""
    ordered = np.sort(values)
    starts = [np.quantile(values, (np.arange(count) + 0.5) / count)]
    for tail in (0.02, 0.002):
        ends = (
            np.linspace(np.quantile(values, tail), np.quantile(values, 1 - tail), count)
            if count > 1 else np.array([values.mean()])
        )  # fmt: skip
        starts.append(ends)
        if count > 1:
            # one class holds nearly all, the others its tails
            starts.append(np.concatenate([[np.median(values)], ends[1:]]))
            starts.append(np.concatenate([ends[:-1], [np.median(values)]]))
    if count > 1 and len(values) > 3 * count:
        gaps = np.diff(ordered)[1:-1]
        cuts = np.sort(np.argsort(gaps)[-(count - 1) :]) + 2
        starts.append(np.array([part.mean() for part in np.split(ordered, cuts)]))
    return [np.sort(np.maximum(start, 1e-3)).astype(np.float64) for start in starts]


def climb(mixture: IntensityMixture, steps: int, fixed_share: float = -1.0) -> IntensityMixture:
    """Run expectation-maximization, with extrapolated steps, from where the mixture stands.

    Extrapolation: Varadhan and Roland (2008), doi:10.1111/j.1467-9469.2007.00585.x, scheme S3; a
    step that lowers the likelihood is taken back.
    """
    count = len(mixture.means)
    outlier = OUTLIER_SHARE / (float(np.ptp(mixture.values)) + 1.0)
    share = np.empty((len(mixture.values), count))

    def step(state: Floats) -> tuple[Floats, float]:
        means, weights = _unpack(state, count)
        rules = np.array([np.exp(state[-1]), outlier, 1, 0.0, fixed_share, kernels.SMALLEST_SPREAD])
        spread, total = kernels.climb_mixture(
            mixture.values, mixture.errors, mixture.gain, mixture.ratios, means, weights, rules,
            share,
        )  # fmt: skip
        return _pack(means, weights, spread), total

    state = _pack(mixture.means, mixture.weights, mixture.spread)
    last = -np.inf
    quiet = 0
    for _ in range(max(1, steps // 3)):
        one, _ = step(state)
        two, total = step(one)
        if total - last < TOLERANCE:
            quiet += 1
            if quiet == 2:
                break
        else:
            quiet = 0
        last = total
        first, bend = one - state, two - 2 * one + state
        length = float(np.linalg.norm(bend))
        stride = float(np.linalg.norm(first)) / length if length > 0 else 1.0
        # one stride of extrapolation moves no class farther than half of itself
        far = state + 2 * stride * first + stride**2 * bend
        ok = stride > 1 and np.all(np.abs(far[:count] - two[:count]) < 0.5)
        state = two
        if ok:
            stable, reached = step(far)
            if reached > total:
                state = stable
    means, weights = _unpack(state, count)
    _, total = step(state)
    order = np.argsort(means)
    return replace(
        mixture, means=means[order], weights=weights[order], spread=float(np.exp(state[-1])),
        log_likelihood=total,
    )  # fmt: skip


def _pack(means: Floats, weights: Floats, spread: float) -> Floats:
    """Return log means, log weights against the first, log spread."""
    safe = np.maximum(weights, 1e-12)
    return np.concatenate(
        [np.log(np.maximum(means, 1e-12)), np.log(safe[1:] / safe[0]), [np.log(max(spread, 1e-9))]]
    )


def _unpack(state: Floats, count: int) -> tuple[Floats, Floats]:
    """Return means and weights."""
    weights = np.exp(np.clip(np.concatenate([[0.0], state[count : 2 * count - 1]]), -30, 30))
    return np.exp(state[:count]), weights / weights.sum()


def fit_mixture(
    values: Floats, errors: Floats, count: int, ratios: Floats, steps: int = STEPS
) -> IntensityMixture:
    """Return the likeliest mixture over several starts."""
    gain = error_gain(values, errors)
    typical = float(np.median(values))
    wide = float(np.subtract(*np.quantile(values, (0.9, 0.1)))) / 2.56
    first = max(0.3 * wide / max(typical, 1e-12) / count, 5e-3)
    equal = np.full(count, 1.0 / count)
    if len(ratios):
        starts = [ratios * (np.quantile(values, q) / ratios[k])
                  for q, k in ((0.5, 0), (0.5, count - 1), (0.05, 0))]  # fmt: skip
    else:
        starts = _starts(values, count)
    fits = [
        climb(
            IntensityMixture(
                values, errors, np.ones(len(values)), gain, np.asarray(start, dtype=np.float64),
                equal, first, -np.inf, ratios,
            ),
            25,
        )
        for start in starts
    ]  # fmt: skip
    fits.sort(key=lambda fit: -fit.log_likelihood)
    best = [climb(fit, steps) for fit in fits[: 3 if len(ratios) else 2]]
    return max(best, key=lambda fit: fit.log_likelihood)


def fit_mixture_with_surface(
    positions: Floats, values: Floats, errors: Floats, count: int, ratios: Floats
) -> IntensityMixture:
    """Fit classes and the smooth brightness of the picture by turns.

    Both are multiplied: intensity = surface(x, y) x class mean x (1 + spread) + error, the surface
    quadratic in x and y.
    """
    levelled = len(values) >= FEWEST_FOR_SURFACE
    mixture = fit_mixture(values, errors, count, ratios, 60 if levelled else STEPS)
    if not levelled:
        return mixture
    center = positions.mean(axis=0)
    x, y = ((positions - center) / np.ptp(positions, axis=0)).T
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    surface = np.ones(len(values))
    for _ in range(4):
        joint = mixture.log_densities() + np.log(mixture.weights)
        share = np.exp(joint - joint.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        expected = share @ mixture.means
        rest = values / expected
        error = np.hypot(errors / expected, mixture.spread) + 1e-6
        # robust weights keep unusual columns from bending the surface
        off = np.abs(rest - surface) / error
        off = off / max(1.4826 * float(np.median(off)), 1e-9)
        root = 1.0 / (error * np.maximum(1.0, off / 2.0))
        line = np.linalg.lstsq(design * root[:, None], rest * root, rcond=None)[0]
        surface = np.clip(design @ line, 0.2, 5.0)
        surface = surface / surface.mean()
        moved = replace(
            mixture, values=values / surface, errors=errors / surface, surface=surface,
            gain=error_gain(values / surface, errors / surface),
        )  # fmt: skip
        mixture = climb(moved, 30)
    # the first means were those of unlevelled values: start anew once
    anew = fit_mixture(mixture.values, mixture.errors, count, ratios)
    anew = replace(anew, surface=surface)
    mixture = climb(mixture, STEPS)
    return anew if anew.log_likelihood > mixture.log_likelihood else mixture


def skewed_single(mixture: IntensityMixture) -> float:
    """Return the log-likelihood of one class whose values, to some power, are normal.

    The power (Box and Cox, 1964, doi:10.1111/j.2517-6161.1964.tb00553.x) takes up skewness.
    """
    values = np.maximum(mixture.values, 1e-6)
    variance = mixture.errors**2
    best = -np.inf
    for power in np.linspace(-1.5, 2.5, 17):
        moved = np.log(values) if power == 0 else (values**power - 1) / power
        slope = np.median(values) ** (power - 1)
        center = float(np.mean(moved))
        own = variance * slope**2
        extra = max(float(np.var(moved)) - float(np.mean(own)), 1e-12)
        total = own + extra
        center = float((moved / total).sum() / (1 / total).sum())
        one = -0.5 * ((moved - center) ** 2 / total + np.log(2 * np.pi * total))
        best = max(best, float((one + (power - 1) * np.log(values)).sum()))
    return best


def share_interval(mixture: IntensityMixture, code: int, drop: float) -> tuple[float, float]:
    """Return where the profile log-likelihood of one class's share falls by ``drop``.

    The other parameters are fitted anew at every share tried.
    """
    order = [k for k in range(len(mixture.means)) if k != code] + [code]
    base = replace(
        mixture, means=mixture.means[order], weights=mixture.weights[order],
        ratios=mixture.ratios[order] if len(mixture.ratios) else mixture.ratios,
    )  # fmt: skip
    estimate = float(mixture.weights[code])
    ends = []
    for edge in (0.0, 1.0):
        inner, outer = estimate, edge + (1e-6 if edge == 0 else -1e-6)
        if abs(outer - inner) < 1e-6 or _fall(base, outer, mixture.log_likelihood) < drop:
            ends.append(edge)
            continue
        # from the estimate outwards: steps that double, then halving
        step = max(0.25 * min(estimate, 1 - estimate), 1e-4) * (1 if edge else -1)
        while (outer - inner - step) * step > 0:
            if _fall(base, inner + step, mixture.log_likelihood) > drop:
                outer = inner + step
                break
            inner, step = inner + step, 2 * step
        for _ in range(8):
            middle = 0.5 * (inner + outer)
            if _fall(base, middle, mixture.log_likelihood) < drop:
                inner = middle
            else:
                outer = middle
        ends.append(0.5 * (inner + outer))
    return ends[0], ends[1]


def _fall(base: IntensityMixture, share: float, top: float) -> float:
    """Return how far the log-likelihood falls with the last class's share fixed."""
    weights = base.weights.copy()
    weights[:-1] *= (1 - share) / max(1 - weights[-1], 1e-12)
    weights[-1] = share
    return top - climb(replace(base, weights=weights), 60, share).log_likelihood
