"""Likelihood of each state of a lattice site: amplitude and place free, neighbours refitted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

__all__ = ["draw_columns", "site_evidence"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PLACE_WIDTHS = 5.0
"""Neighbours closer than this have their place refitted, farther ones their amplitude only."""
WINDOW_WIDTHS = 4.5
NEWTON_STEPS = 4
NODE = math.sqrt(3.0)
"""Three Gauss-Hermite nodes, -sqrt 3, 0 and sqrt 3, with weights 1/6, 2/3 and 1/6."""
RIDGE = 1e-9


@kernel
def draw_columns(picture: Floats, columns: Floats) -> None:
    """Add Gaussian columns (x, y, log amplitude, log width) to ``picture`` in place."""
    for k in range(len(columns)):
        width, amplitude = math.exp(columns[k, 3]), math.exp(columns[k, 2])
        half = WINDOW_WIDTHS * width
        x_low = max(0, math.ceil(columns[k, 0] - half))
        x_high = min(picture.shape[1], math.floor(columns[k, 0] + half) + 1)
        for j in range(
            max(0, math.ceil(columns[k, 1] - half)),
            min(picture.shape[0], math.floor(columns[k, 1] + half) + 1),
        ):
            v = (j - columns[k, 1]) / width
            for i in range(x_low, x_high):
                u = (i - columns[k, 0]) / width
                picture[j, i] += amplitude * math.exp(-0.5 * (u * u + v * v))


@kernel
def log_normal_interval(low: float, high: float) -> float:
    """Return the log of the standard normal probability between two numbers."""
    if low > 0.0:
        low, high = -high, -low
    inside = 0.5 * (math.erfc(-high / math.sqrt(2.0)) - math.erfc(-low / math.sqrt(2.0)))
    if inside > 1e-280:
        return math.log(inside)
    # far tail: the density at the nearer end over its distance
    edge = max(-high, 1.0)
    return -0.5 * edge * edge - math.log(edge) - 0.9189385332046727


@kernel
def nuisance_design(
    columns: Floats, neighbours: Integers, window: Integers, place: Floats, design: Floats
) -> int:
    """Fill the rows of ``design``: a constant, neighbours' amplitudes, near ones' places."""
    y_low, y_high, x_low, x_high = window[0], window[1], window[2], window[3]
    design[0, : (y_high - y_low) * (x_high - x_low)] = 1.0
    count = 1
    for m in range(len(neighbours)):
        column = columns[neighbours[m]]
        width = math.exp(column[3])
        amplitude = math.exp(column[2])
        distance = math.hypot(column[0] - place[0], column[1] - place[1])
        near = distance < PLACE_WIDTHS * width
        if count + (3 if near else 1) > design.shape[0]:
            break
        p = 0
        for j in range(y_low, y_high):
            v = (j - column[1]) / width
            for i in range(x_low, x_high):
                u = (i - column[0]) / width
                value = amplitude * math.exp(-0.5 * (u * u + v * v))
                design[count, p] = value
                if near:
                    design[count + 1, p] = value * u
                    design[count + 2, p] = value * v
                p += 1
        count += 3 if near else 1
    return count


@kernel
def cholesky(matrix: Floats, size: int) -> None:
    """Replace the leading block by its lower factor; a vanishing pivot takes its row out."""
    for a in range(size):
        matrix[a, a] += RIDGE * matrix[a, a] + 1e-300
        top = matrix[a, a]
        for c in range(a):
            top -= matrix[a, c] * matrix[a, c]
        matrix[a, a] = math.sqrt(top) if top > 1e-12 * matrix[a, a] else 1e150
        for b in range(a + 1, size):
            total = matrix[b, a]
            for c in range(a):
                total -= matrix[b, c] * matrix[a, c]
            matrix[b, a] = total / matrix[a, a]


@kernel
def forward(lower: Floats, size: int, values: Floats) -> None:
    """Solve lower @ x = values in place."""
    for a in range(size):
        total = values[a]
        for c in range(a):
            total -= lower[a, c] * values[c]
        values[a] = total / lower[a, a]


@kernel
def local_sums(
    x: float, y: float, width: float, window: Integers, rest: Floats, weight: Floats,
    design: Floats, lower: Floats, size: int, pull: Floats, cross: Floats, out: Floats,
) -> None:  # fmt: skip
    """Write the projected products of a column's picture and its slopes at (x, y) into ``out``.

    ``out`` = g.g, g.r, gx.r, gy.r, gx.g, gy.g, gx.gx, gx.gy, gy.gy, where u.v is weighted and what
    the nuisance parameters explain is taken out.
    """
    out[:] = 0.0
    cross[:] = 0.0
    p = 0
    for j in range(window[0], window[1]):
        v = (j - y) / width
        for i in range(window[2], window[3]):
            u = (i - x) / width
            g = math.exp(-0.5 * (u * u + v * v))
            w = weight[p]
            gx, gy = g * u / width, g * v / width
            out[0] += w * g * g
            out[1] += w * g * rest[p]
            out[2] += w * gx * rest[p]
            out[3] += w * gy * rest[p]
            out[4] += w * gx * g
            out[5] += w * gy * g
            out[6] += w * gx * gx
            out[7] += w * gx * gy
            out[8] += w * gy * gy
            if g > 1e-5:
                for m in range(size):
                    part = w * design[m, p]
                    cross[0, m] += part * g
                    cross[1, m] += part * gx
                    cross[2, m] += part * gy
            p += 1
    for a in range(3):
        forward(lower, size, cross[a])
    for m in range(size):
        c0, c1, c2 = cross[0, m], cross[1, m], cross[2, m]
        out[0] -= c0 * c0
        out[1] -= c0 * pull[m]
        out[2] -= c1 * pull[m]
        out[3] -= c2 * pull[m]
        out[4] -= c1 * c0
        out[5] -= c2 * c0
        out[6] -= c1 * c1
        out[7] -= c1 * c2
        out[8] -= c2 * c2


@kernel
def amplitude_evidence(
    gain: float, score: float, center: float, spread: float, low: float, high: float
) -> float:
    """Return log p(picture | place) over that of no column, the amplitude integrated.

    ``gain`` g.g, ``score`` g.r. The amplitude is normal (``center``, ``spread``), or, with
    ``high`` > 0, even between ``low`` and ``high``.
    """
    if not gain > 0.0:
        return 0.0
    best = score / gain
    if high > 0.0:
        root = math.sqrt(gain)
        inside = log_normal_interval((low - best) * root, (high - best) * root)
        return (
            0.5 * score * best + inside + 0.5 * math.log(2 * math.pi / gain) - math.log(high - low)
        )
    variance = spread * spread + 1.0 / gain
    off = best - center
    return (
        0.5 * score * best - 0.5 * off * off / variance
        - 0.5 * math.log(1.0 + gain * spread * spread)
    )  # fmt: skip


@kernel
def find_place(
    place: Floats, precision: Floats, center: float, spread: float, width: float,
    window: Integers, rest: Floats, weight: Floats, design: Floats, lower: Floats, size: int,
    pull: Floats, cross: Floats, out: Floats, found: Floats, start: Floats,
) -> None:  # fmt: skip
    """Write the likeliest place and the precision there: ``found`` = x, y, pxx, pxy, pyy."""
    x, y = start[0], start[1]
    pxx, pxy, pyy = precision[0, 0], precision[0, 1], precision[1, 1]
    for _ in range(NEWTON_STEPS):
        local_sums(
            x, y, width, window, rest, weight, design, lower, size, pull, cross, out
        )  # fmt: skip
        inner = 1.0 / max(spread * spread, 1e-12 * center * center)
        amplitude = max((out[1] + inner * center) / (max(out[0], 0.0) + inner), 0.0)
        off_x, off_y = x - place[0], y - place[1]
        slope_x = amplitude * (out[2] - amplitude * out[4])
        slope_y = amplitude * (out[3] - amplitude * out[5])
        slope_x -= precision[0, 0] * off_x + precision[0, 1] * off_y
        slope_y -= precision[0, 1] * off_x + precision[1, 1] * off_y
        square = amplitude * amplitude
        pxx = precision[0, 0] + square * max(out[6], 0.0)
        pyy = precision[1, 1] + square * max(out[8], 0.0)
        pxy = precision[0, 1] + square * out[7]
        determinant = pxx * pyy - pxy * pxy
        if not determinant > 1e-6 * pxx * pyy:
            pxy = 0.0
            determinant = pxx * pyy
        step_x = (pyy * slope_x - pxy * slope_y) / determinant
        step_y = (pxx * slope_y - pxy * slope_x) / determinant
        length = math.hypot(step_x, step_y)
        scale = min(1.0, 0.6 * width / max(length, 1e-300))
        x += scale * step_x
        y += scale * step_y
        if length < 0.01 * width:
            break
    found[0], found[1], found[2], found[3], found[4] = x, y, pxx, pxy, pyy


@kernel
def integrate_place(
    place: Floats, precision: Floats, found: Floats, state: Floats, width: float,
    window: Integers, rest: Floats, weight: Floats, design: Floats, lower: Floats, size: int,
    pull: Floats, cross: Floats, out: Floats,
) -> float:  # fmt: skip
    """Return the log of the amplitude evidence integrated over the place (3 x 3 nodes)."""
    # lower factor of the covariance (inverse precision) at the likeliest place
    pxx, pxy, pyy = found[2], found[3], found[4]
    determinant = pxx * pyy - pxy * pxy
    l00 = math.sqrt(pyy / determinant)
    l10 = -pxy / determinant / l00
    l11 = math.sqrt(max(pxx / determinant - l10 * l10, 1e-300))
    prior = precision[0, 0] * precision[1, 1] - precision[0, 1] * precision[0, 1]
    constant = 0.5 * math.log(prior / determinant)
    best = -1e300
    logs = np.empty(9)
    m = 0
    for a in range(-1, 2):
        for b in range(-1, 2):
            tx, ty = a * NODE, b * NODE
            x, y = found[0] + l00 * tx, found[1] + l10 * tx + l11 * ty
            local_sums(
                x, y, width, window, rest, weight, design, lower, size, pull, cross, out
            )  # fmt: skip
            off_x, off_y = x - place[0], y - place[1]
            far = precision[0, 0] * off_x * off_x + precision[1, 1] * off_y * off_y
            far += 2.0 * precision[0, 1] * off_x * off_y
            share = (2.0 / 3.0 if a == 0 else 1.0 / 6.0) * (2.0 / 3.0 if b == 0 else 1.0 / 6.0)
            logs[m] = (
                amplitude_evidence(out[0], out[1], state[0], state[1], state[2], state[3])
                - 0.5 * far + 0.5 * (tx * tx + ty * ty) + math.log(share)
            )  # fmt: skip
            best = max(best, logs[m])
            m += 1
    total = 0.0
    for m in range(9):
        total += math.exp(logs[m] - best)
    return constant + best + math.log(total)


@kernel
def site_evidence(
    image: Floats, model: Floats, weight: Floats, columns: Floats, own: Integers, places: Floats,
    precisions: Floats, widths: Floats, states: Floats, starts: Integers, neighbours: Integers,
    dispersion: float,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return log p(picture | state) over that of an empty site, and each site's amplitude.

    ``states`` (n_sites, n_states, 4) = centre, spread, low, high of the amplitude of each state (a
    flat state where high > 0). The neighbours of site k are
    ``neighbours[starts[k]:starts[k + 1]]``. ``dispersion``: by what correlated pixels raise an
    amplitude's variance. The amplitudes (n_sites, 4) = x, y, amplitude, standard deviation stand at
    the first state's likeliest place.
    """
    n, n_states = len(places), states.shape[1]
    evidence = np.zeros((n, n_states))
    amplitudes = np.full((n, 4), np.nan)
    largest = int(2 * math.ceil(WINDOW_WIDTHS * widths.max()) + 3) ** 2
    design = np.empty((48, largest))
    rest = np.empty(largest)
    local = np.empty(largest)
    lower = np.empty((48, 48))
    pull = np.empty(48)
    cross = np.empty((3, 48))
    out = np.empty(9)
    found = np.empty(5)
    window = np.empty(4, np.int64)
    for k in range(n):
        width = widths[k]
        half = WINDOW_WIDTHS * width
        window[0] = max(0, math.ceil(places[k, 1] - half))
        window[1] = min(image.shape[0], math.floor(places[k, 1] + half) + 1)
        window[2] = max(0, math.ceil(places[k, 0] - half))
        window[3] = min(image.shape[1], math.floor(places[k, 0] + half) + 1)
        if window[1] - window[0] < 3 or window[3] - window[2] < 3:
            continue
        start = places[k].copy()
        p = 0
        for j in range(window[0], window[1]):
            for i in range(window[2], window[3]):
                rest[p] = image[j, i] - model[j, i]
                local[p] = weight[j, i] / dispersion
                p += 1
        if own[k] >= 0:
            column = columns[own[k]]
            start[0], start[1] = column[0], column[1]
            inner = math.exp(column[3])
            p = 0
            for j in range(window[0], window[1]):
                v = (j - column[1]) / inner
                for i in range(window[2], window[3]):
                    u = (i - column[0]) / inner
                    rest[p] += math.exp(column[2] - 0.5 * (u * u + v * v))
                    p += 1
        size = nuisance_design(
            columns, neighbours[starts[k] : starts[k + 1]], window, places[k], design
        )
        for a in range(size):
            total = 0.0
            for q in range(p):
                total += design[a, q] * local[q] * rest[q]
            pull[a] = total
            for b in range(a + 1):
                total = 0.0
                for q in range(p):
                    total += design[a, q] * local[q] * design[b, q]
                lower[a, b] = total
        cholesky(lower, size)
        forward(lower, size, pull)
        for s in range(n_states):
            center, spread = states[k, s, 0], states[k, s, 1]
            find_place(
                places[k], precisions[k], center, spread, width, window, rest, local, design,
                lower, size, pull, cross, out, found, start,
            )  # fmt: skip
            if s == 0:
                local_sums(
                    found[0], found[1], width, window, rest, local, design, lower, size, pull,
                    cross, out,
                )  # fmt: skip
                if out[0] > 0.0:
                    amplitudes[k, 0], amplitudes[k, 1] = found[0], found[1]
                    amplitudes[k, 2] = out[1] / out[0]
                    amplitudes[k, 3] = 1.0 / math.sqrt(out[0])
            evidence[k, s] = integrate_place(
                places[k], precisions[k], found, states[k, s], width, window, rest, local, design,
                lower, size, pull, cross, out,
            )  # fmt: skip
    return evidence, amplitudes
