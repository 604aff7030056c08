"""Likelihood of each state of a lattice site: amplitude and place free, neighbours refitted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["draw_columns", "site_evidence"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PLACE_WIDTHS = 5.0
"""Neighbours closer than this have their place refitted, farther ones their amplitude only."""
WINDOW_WIDTHS = 4.5
PROFILE_WIDTHS = 4.0
LARGEST_SIZE = 48
"""Most parameters of neighbours and background that a site's test refits."""
NEWTON_STEPS = 4
NODE = math.sqrt(3.0)
"""Three Gauss-Hermite nodes, -sqrt 3, 0 and sqrt 3, with weights 1/6, 2/3 and 1/6."""
RESTING_WIDTHS = 0.03
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
    columns: Floats, neighbours: Integers, first: int, last: int, window: Integers, place: Floats,
    design: Floats,
) -> int:  # fmt: skip
    """Fill the columns of ``design``: a constant, neighbours' amplitudes, near ones' places."""
    y_low, y_high, x_low, x_high = window[0], window[1], window[2], window[3]
    for p in range((y_high - y_low) * (x_high - x_low)):
        design[p, 0] = 1.0
    count = 1
    along = np.empty(x_high - x_low)
    for m in range(first, last):
        column = columns[neighbours[m]]
        width = math.exp(column[3])
        distance = math.hypot(column[0] - place[0], column[1] - place[1])
        near = distance < PLACE_WIDTHS * width
        if count + (3 if near else 1) > design.shape[1]:
            break
        for i in range(x_low, x_high):
            u = (i - column[0]) / width
            along[i - x_low] = math.exp(column[2] - 0.5 * u * u)
        p = 0
        for j in range(y_low, y_high):
            v = (j - column[1]) / width
            height = math.exp(-0.5 * v * v)
            for i in range(x_high - x_low):
                value = height * along[i]
                design[p, count] = value
                if near:
                    design[p, count + 1] = value * (i + x_low - column[0]) / width
                    design[p, count + 2] = value * v
                p += 1
        count += 3 if near else 1
    return count


@kernel
def nuisance_fit(
    design: Floats, weight: Floats, rest: Floats, n_pixels: int, size: int, lower: Floats,
    pull: Floats,
) -> None:  # fmt: skip
    """Write the factor of the nuisance parameters' information and what they take up."""
    for a in range(size):
        pull[a] = 0.0
        for b in range(a + 1):
            lower[a, b] = 0.0
    for p in range(n_pixels):
        for a in range(size):
            part = weight[p] * design[p, a]
            pull[a] += part * rest[p]
            for b in range(a + 1):
                lower[a, b] += part * design[p, b]
    cholesky(lower, size)
    forward(lower, size, pull)


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
    for m in range(9):
        out[m] = 0.0
    for m in range(size):
        cross[0, m] = cross[1, m] = cross[2, m] = 0.0
    stride = window[3] - window[2]
    reach = PROFILE_WIDTHS * width
    low = max(window[2], int(x - reach))
    high = min(window[3], int(x + reach) + 2)
    along = np.empty(max(high - low, 1))
    for i in range(low, high):
        u = (i - x) / width
        along[i - low] = math.exp(-0.5 * u * u)
    inverse = 1.0 / width
    for j in range(max(window[0], int(y - reach)), min(window[1], int(y + reach) + 2)):
        v = (j - y) * inverse
        height = math.exp(-0.5 * v * v)
        for i in range(low, high):
            p = (j - window[0]) * stride + i - window[2]
            g = height * along[i - low]
            gx, gy = g * (i - x) * inverse * inverse, g * v * inverse
            w = weight[p]
            out[0] += w * g * g
            out[1] += w * g * rest[p]
            out[2] += w * gx * rest[p]
            out[3] += w * gy * rest[p]
            out[4] += w * gx * g
            out[5] += w * gy * g
            out[6] += w * gx * gx
            out[7] += w * gx * gy
            out[8] += w * gy * gy
            g, gx, gy = w * g, w * gx, w * gy
            for m in range(size):
                cross[0, m] += design[p, m] * g
                cross[1, m] += design[p, m] * gx
                cross[2, m] += design[p, m] * gy
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
def newton_step(
    out: Floats, place: Floats, precision: Floats, center: float, spread: float, width: float,
    found: Floats,
) -> bool:  # fmt: skip
    """Move ``found`` = (x, y, pxx, pxy, pyy) towards the likeliest place; return if it rests."""
    inner = 1.0 / max(spread * spread, 1e-12 * center * center)
    amplitude = max((out[1] + inner * center) / (max(out[0], 0.0) + inner), 0.0)
    off_x, off_y = found[0] - place[0], found[1] - place[1]
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
    found[0] += scale * step_x
    found[1] += scale * step_y
    found[2], found[3], found[4] = pxx, pxy, pyy
    return length < RESTING_WIDTHS * width


@kernel
def node_place(found: Floats, node: int) -> tuple[float, float, float]:
    """Return x, y and log weight of one of the 3 x 3 nodes around the likeliest place."""
    pxx, pxy, pyy = found[2], found[3], found[4]
    determinant = pxx * pyy - pxy * pxy
    # lower factor of the covariance there
    l00 = math.sqrt(pyy / determinant)
    l10 = -pxy / determinant / l00
    l11 = math.sqrt(max(pxx / determinant - l10 * l10, 1e-300))
    a, b = node // 3 - 1, node % 3 - 1
    tx, ty = a * NODE, b * NODE
    share = (2.0 / 3.0 if a == 0 else 1.0 / 6.0) * (2.0 / 3.0 if b == 0 else 1.0 / 6.0)
    return (
        found[0] + l00 * tx, found[1] + l10 * tx + l11 * ty,
        math.log(share) + 0.5 * (tx * tx + ty * ty) - 0.5 * math.log(determinant),
    )  # fmt: skip


@kernel
def log_prior(x: float, y: float, place: Floats, precision: Floats) -> float:
    """Return the log density of a place under the prediction, without 2 pi."""
    off_x, off_y = x - place[0], y - place[1]
    far = precision[0, 0] * off_x * off_x + precision[1, 1] * off_y * off_y
    far += 2.0 * precision[0, 1] * off_x * off_y
    determinant = precision[0, 0] * precision[1, 1] - precision[0, 1] * precision[0, 1]
    return float(0.5 * math.log(determinant) - 0.5 * far)


@kernel
def site_window(image: Floats, place: Floats, half: float, window: Integers) -> bool:
    """Write first and last + 1 row and column of a site's window; return if it holds pixels."""
    window[0] = max(0, math.ceil(place[1] - half))
    window[1] = min(image.shape[0], math.floor(place[1] + half) + 1)
    window[2] = max(0, math.ceil(place[0] - half))
    window[3] = min(image.shape[1], math.floor(place[0] + half) + 1)
    return bool(window[1] - window[0] >= 3 and window[3] - window[2] >= 3)


@kernel
def site_rest(
    image: Floats, model: Floats, weight: Floats, window: Integers, columns: Floats, own: int,
    rest: Floats, local: Floats,
) -> int:  # fmt: skip
    """Write what the model leaves without the site's own column, and the weights."""
    p = 0
    for j in range(window[0], window[1]):
        for i in range(window[2], window[3]):
            rest[p] = image[j, i] - model[j, i]
            local[p] = weight[j, i]
            if own >= 0:
                scale = math.exp(-columns[own, 3])
                u, v = (i - columns[own, 0]) * scale, (j - columns[own, 1]) * scale
                rest[p] += math.exp(columns[own, 2] - 0.5 * (u * u + v * v))
            p += 1
    return p


@kernel
def site_evidence(
    image: Floats, model: Floats, weight: Floats, columns: Floats, own: Integers, places: Floats,
    precisions: Floats, widths: Floats, states: Floats, starts: Integers, neighbours: Integers,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return log p(picture | state) over that of an empty site, and each site's amplitude.

    ``states`` (n_sites, n_states, 4) = centre, spread, low, high of the amplitude of each state (a
    flat state where high > 0). The neighbours of site k are
    ``neighbours[starts[k]:starts[k + 1]]``. The place is integrated on 3 x 3 Gauss-Hermite nodes
    around the likeliest one. The amplitudes (n_sites, 4) = x, y, amplitude, standard deviation
    stand at the first state's likeliest place.
    """
    n, n_states = len(places), states.shape[1]
    evidence = np.zeros((n, n_states))
    amplitudes = np.empty((n, 4))
    widest = 0.0
    for k in range(n):
        widest = max(widest, widths[k])
        for m in range(4):
            amplitudes[k, m] = math.nan
    largest = int(2 * math.ceil(WINDOW_WIDTHS * widest) + 3) ** 2
    design = np.empty((largest, LARGEST_SIZE))
    rest = np.empty(largest)
    local = np.empty(largest)
    lower = np.empty((LARGEST_SIZE, LARGEST_SIZE))
    pull = np.empty(LARGEST_SIZE)
    cross = np.empty((3, LARGEST_SIZE))
    out = np.empty(9)
    found = np.empty(5)
    logs = np.empty(9)
    window = np.empty(4, np.int64)
    for k in range(n):
        width = widths[k]
        if not site_window(image, places[k], WINDOW_WIDTHS * width, window):
            continue
        n_pixels = site_rest(image, model, weight, window, columns, own[k], rest, local)
        size = nuisance_design(
            columns, neighbours, starts[k], starts[k + 1], window, places[k], design
        )
        nuisance_fit(design, local, rest, n_pixels, size, lower, pull)
        found[0], found[1] = places[k, 0], places[k, 1]
        if own[k] >= 0:
            found[0], found[1] = columns[own[k], 0], columns[own[k], 1]
        for s in range(n_states):
            state = states[k, s]
            # first steps to the likeliest place, then nine nodes: one loop, one call
            step, node = 0, -1
            x, y, log_weight = found[0], found[1], 0.0
            while node < 9:
                local_sums(
                    x, y, width, window, rest, local, design, lower, size, pull, cross, out
                )  # fmt: skip
                if node < 0:
                    rests = newton_step(
                        out, places[k], precisions[k], state[0], state[1], width, found
                    )
                    step += 1
                    x, y = found[0], found[1]
                    if not (rests or step == NEWTON_STEPS):
                        continue
                else:
                    logs[node] = log_weight + log_prior(x, y, places[k], precisions[k])
                    logs[node] += amplitude_evidence(
                        out[0], out[1], state[0], state[1], state[2], state[3]
                    )
                    if s == 0 and node == 4 and out[0] > 0.0:
                        amplitudes[k, 0], amplitudes[k, 1] = x, y
                        amplitudes[k, 2] = out[1] / out[0]
                        amplitudes[k, 3] = 1.0 / math.sqrt(out[0])
                node += 1
                if node < 9:
                    x, y, log_weight = node_place(found, node)
            best = logs[0]
            for m in range(1, 9):
                best = max(best, logs[m])
            total = 0.0
            for m in range(9):
                total += math.exp(logs[m] - best)
            evidence[k, s] = best + math.log(total)
    return evidence, amplitudes
