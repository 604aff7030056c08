"""Each row's likelihood by its wall's position and width, summed for the shared numbers."""

from __future__ import annotations

from math import exp, inf, log

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["draw_rows", "row_densities", "row_sums"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

REACH = 5.0
"""Population sd over which a row's width is summed."""


@kernel
def row_sums(
    values: Floats, slopes: Floats, origin: float, step: float, x: Floats, y: Floats,
    seen: NDArray[np.bool_], places: Floats, sums: Floats,
) -> None:  # fmt: skip
    """Write sums of y S, S and S^2 over each row's pixels for every profile at every place.

    ``values``, ``slopes`` (n_profiles, n_table); ``x`` (n,); ``y``, ``seen`` (n_rows, n);
    ``places`` (n_rows, n_places); ``sums`` (n_rows, n_places, n_profiles, 3).
    """
    last = values.shape[1] - 2
    sums[:] = 0.0
    for j in range(y.shape[0]):
        for p in range(places.shape[1]):
            for i in range(x.size):
                if not seen[j, i]:
                    continue
                place = (x[i] - places[j, p] - origin) / step
                cell = min(max(int(place), 0), last)
                t = min(max(place - cell, 0.0), 1.0)
                u = 1.0 - t
                low, high = (1.0 + 2.0 * t) * u * u, t * t * (3.0 - 2.0 * t)
                at_low, at_high = t * u * u * step, -t * t * u * step
                for m in range(values.shape[0]):
                    s = (
                        low * values[m, cell] + high * values[m, cell + 1]
                        + at_low * slopes[m, cell] + at_high * slopes[m, cell + 1]
                    )  # fmt: skip
                    sums[j, p, m, 0] += y[j, i] * s
                    sums[j, p, m, 1] += s
                    sums[j, p, m, 2] += s * s


@kernel
def _blur_weights(blur: float, blurs: Floats, weights: Floats) -> None:
    """Lagrange's weights of the tabulated blurs."""
    for b in range(blurs.size):
        weights[b] = 1.0
        for c in range(blurs.size):
            if c != b:
                weights[b] *= (blur - blurs[c]) / (blurs[b] - blurs[c])


@kernel
def _by_width(
    j: int, shared: Floats, sums: Floats, totals: Floats, weights: Floats, first: int, last: int,
    by_place: Floats, found: Floats,
) -> float:  # fmt: skip
    """Write the row's likelihood at every tabulated width, places summed; return its log scale.

    ``shared``: amplitude, offset, log noise sd. ``totals``: n, sum y, sum y^2 of each row.
    """
    a, c, noise = shared[0], shared[1], exp(shared[2])
    n_widths = found.size
    base = totals[j, 2] - 2.0 * c * totals[j, 1] + c * c * totals[j, 0]
    least = inf
    for p in range(sums.shape[1]):
        for k in range(first, last):
            ys, s1, ss = 0.0, 0.0, 0.0
            for b in range(weights.size):
                m = b * n_widths + k
                ys += weights[b] * sums[j, p, m, 0]
                s1 += weights[b] * sums[j, p, m, 1]
                ss += weights[b] * sums[j, p, m, 2]
            miss = base + a * (a * ss - 2.0 * ys + 2.0 * c * s1)
            by_place[p, k] = miss
            least = min(least, miss)
    scale = 0.5 / (noise * noise)
    for k in range(n_widths):
        found[k] = 0.0
    for p in range(sums.shape[1]):
        for k in range(first, last):
            by_place[p, k] = exp(-scale * (by_place[p, k] - least))
            found[k] += by_place[p, k]
    return float(-scale * least - totals[j, 0] * shared[2])


@kernel
def _between(values: Floats, origin: float, step: float, at: float) -> float:
    """Cubic interpolation between tabulated widths; constant beyond them."""
    place = min(max((at - origin) / step, 0.0), values.size - 1.0)
    cell = min(max(int(place), 1), values.size - 3)
    t = place - cell
    return float(
        -t * (t - 1.0) * (t - 2.0) / 6.0 * values[cell - 1]
        + (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0 * values[cell]
        - (t + 1.0) * t * (t - 2.0) / 2.0 * values[cell + 1]
        + (t + 1.0) * t * (t - 1.0) / 6.0 * values[cell + 2]
    )


@kernel
def _population_step(spread: float, step: float) -> float:
    """Spacing of the sum over a row's width, in population sd."""
    return float(min(0.4, 0.5 * step / max(spread, 1e-12)))


@kernel
def row_densities(
    thetas: Floats, sums: Floats, totals: Floats, blurs: Floats, origin: float, step: float,
    ranges: Integers, found: Floats,
) -> None:  # fmt: skip
    """Log likelihood of the rows at each theta, their places and widths summed over.

    ``thetas`` (n, 6): amplitude, offset, log noise sd, blur, mean of ln w, its spread (its sign
    does not matter; 0: one width for all). ``ranges`` (n_rows, 2): widths that matter to a row.
    """
    n_widths = sums.shape[2] // blurs.size
    weights = np.empty(blurs.size)
    by_place, by_width = np.empty((sums.shape[1], n_widths)), np.empty(n_widths)
    for i in range(thetas.shape[0]):
        _blur_weights(thetas[i, 3], blurs, weights)
        spread = abs(thetas[i, 5])
        dz = _population_step(spread, step)
        half = int(REACH / dz) if spread > 0.0 else 0
        total = 0.0
        for j in range(sums.shape[0]):
            total += _by_width(
                j, thetas[i], sums, totals, weights, ranges[j, 0], ranges[j, 1], by_place, by_width
            )
            row, mass = 0.0, 0.0
            for z in range(-half, half + 1):
                weight = exp(-0.5 * (z * dz) ** 2)
                mass += weight
                row += weight * _between(by_width, origin, step, thetas[i, 4] + spread * z * dz)
            total += log(row / mass) if row > 1e-300 else -700.0
        found[i] = total


@kernel
def draw_rows(
    thetas: Floats, sums: Floats, totals: Floats, blurs: Floats, origin: float, step: float,
    ranges: Integers, places: Floats, uniforms: Floats, widths: Floats, positions: Floats,
) -> None:  # fmt: skip
    """Draw every row's ln width and position at each theta.

    Equal thetas that follow each other share their tables. ``uniforms`` (n, n_rows, 4);
    ``widths``, ``positions`` (n, n_rows).
    """
    n_widths = sums.shape[2] // blurs.size
    weights = np.empty(blurs.size)
    by_place, by_width = np.empty((sums.shape[1], n_widths)), np.empty(n_widths)
    ladder = np.empty(1)
    spread, dz, half, mass = 0.0, 1.0, 0, 0.0
    for j in range(sums.shape[0]):
        for i in range(thetas.shape[0]):
            fresh = i == 0
            for k in range(thetas.shape[1]):
                fresh = fresh or thetas[i, k] != thetas[i - 1, k]
            if fresh:
                _blur_weights(thetas[i, 3], blurs, weights)
                spread = abs(thetas[i, 5])
                dz = _population_step(spread, step)
                half = int(REACH / dz) if spread > 0.0 else 0
                ladder = np.empty(2 * half + 1)
                _by_width(
                    j, thetas[i], sums, totals, weights, ranges[j, 0], ranges[j, 1], by_place,
                    by_width,
                )  # fmt: skip
                mass = 0.0
                for z in range(-half, half + 1):
                    value = _between(by_width, origin, step, thetas[i, 4] + spread * z * dz)
                    mass += exp(-0.5 * (z * dz) ** 2) * max(value, 0.0)
                    ladder[z + half] = mass
            z = 0
            while z < 2 * half and ladder[z] < uniforms[i, j, 0] * mass:
                z += 1
            at = thetas[i, 4] + spread * (z - half + uniforms[i, j, 1] - 0.5) * dz
            widths[i, j] = at
            k = min(max(int((at - origin) / step + 0.5), ranges[j, 0]), ranges[j, 1] - 1)
            left, p = 0.0, 0
            for q in range(sums.shape[1]):
                left += by_place[q, k]
            left *= uniforms[i, j, 2]
            while p < sums.shape[1] - 1 and left > by_place[p, k]:
                left -= by_place[p, k]
                p += 1
            gap = places[j, 1] - places[j, 0]
            positions[i, j] = places[j, p] + gap * (uniforms[i, j, 3] - 0.5)
