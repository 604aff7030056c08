"""Compiled smooth background: bilinear nodes, their normal equations, pixel weights, row levels.

Nodes stand evenly from the first to the last pixel of each axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel, summing_kernel

__all__ = [
    "absorb_columns",
    "add_background",
    "chi_square",
    "normal_equations",
    "refresh_weight",
    "row_steps",
    "solve_nodes",
]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@kernel
def cell_of(place: int, spacing: float, n_nodes: int) -> int:
    """Return the node on the low side of a pixel."""
    return min(int(place / spacing), n_nodes - 2)


@kernel
def cell_edge(cell: int, spacing: float, length: int) -> int:
    """Return the first pixel of a cell; the last cell ends with the picture."""
    return min(length, int(np.ceil(cell * spacing)))


@kernel
def add_background(model: Floats, nodes: Floats) -> None:
    """Add the bilinear picture of the nodes to ``model`` in place."""
    n_rows, n_columns = model.shape
    step_y = (n_rows - 1) / (nodes.shape[0] - 1)
    step_x = (n_columns - 1) / (nodes.shape[1] - 1)
    line = np.empty(nodes.shape[1])
    for j in range(n_rows):
        a = cell_of(j, step_y, nodes.shape[0])
        share = j / step_y - a
        for b in range(nodes.shape[1]):
            line[b] = (1.0 - share) * nodes[a, b] + share * nodes[a + 1, b]
        for b in range(nodes.shape[1] - 1):
            low = cell_edge(b, step_x, n_columns)
            last = b == nodes.shape[1] - 2
            high = n_columns if last else cell_edge(b + 1, step_x, n_columns)
            slope = (line[b + 1] - line[b]) / step_x
            level = line[b] + slope * (low - b * step_x)
            row = model[j, low:high]
            for i in range(row.size):
                row[i] += level + slope * i


@summing_kernel
def cell_sums(
    image: Floats, model: Floats, weight: Floats, start: float, step: float
) -> tuple[float, float, float, float, float]:
    """Return the sums of w r, w r f, w, w f, w f^2 along a row, f = start + step * i."""
    r0 = r1 = w0 = w1 = w2 = 0.0
    for i in range(image.size):
        share = start + step * i
        pull = weight[i] * (image[i] - model[i])
        r0 += pull
        r1 += pull * share
        w0 += weight[i]
        w1 += weight[i] * share
        w2 += weight[i] * share * share
    return r0, r1, w0, w1, w2


@kernel
def add_cell(matrix: Floats, a: int, b: int, y: Floats, x: Floats) -> None:
    """Add the products of four tents to the stencil; ``x``, ``y`` = (low low, low high, high high).

    ``matrix[a, b]`` couples a node with itself, right, below left, below, below right.
    """
    matrix[a, b, 0] += y[0] * x[0]
    matrix[a, b + 1, 0] += y[0] * x[2]
    matrix[a + 1, b, 0] += y[2] * x[0]
    matrix[a + 1, b + 1, 0] += y[2] * x[2]
    matrix[a, b, 1] += y[0] * x[1]
    matrix[a + 1, b, 1] += y[2] * x[1]
    matrix[a, b + 1, 2] += y[1] * x[1]
    matrix[a, b, 3] += y[1] * x[0]
    matrix[a, b + 1, 3] += y[1] * x[2]
    matrix[a, b, 4] += y[1] * x[1]


@kernel
def normal_equations(
    image: Floats, model: Floats, weight: Floats, matrix: Floats, right: Floats
) -> None:
    """Write the nodes' information (rows, columns, 5) and score (rows, columns)."""
    n_rows, n_columns = image.shape
    n_y, n_x = right.shape
    step_y, step_x = (n_rows - 1) / (n_y - 1), (n_columns - 1) / (n_x - 1)
    matrix[:] = 0.0
    right[:] = 0.0
    x, y = np.empty(3), np.empty(3)
    for j in range(n_rows):
        a = cell_of(j, step_y, n_y)
        share = j / step_y - a
        y[0], y[1], y[2] = (1.0 - share) ** 2, share * (1.0 - share), share**2
        for b in range(n_x - 1):
            low = cell_edge(b, step_x, n_columns)
            high = n_columns if b == n_x - 2 else cell_edge(b + 1, step_x, n_columns)
            r0, r1, w0, w1, w2 = cell_sums(
                image[j, low:high], model[j, low:high], weight[j, low:high],
                low / step_x - b, 1.0 / step_x,
            )  # fmt: skip
            right[a, b] += (1.0 - share) * (r0 - r1)
            right[a, b + 1] += (1.0 - share) * r1
            right[a + 1, b] += share * (r0 - r1)
            right[a + 1, b + 1] += share * r1
            x[0], x[1], x[2] = w0 - 2.0 * w1 + w2, w1 - w2, w2
            add_cell(matrix, a, b, y, x)


@kernel
def absorb_columns(
    matrix: Floats, columns: Floats, absorbed: Floats, shape: tuple[int, int], largest: float
) -> None:
    """Take from the nodes' information what the columns take up, so that a step is a joint one.

    No node loses more than the share ``largest``.
    """
    n_y, n_x = matrix.shape[:2]
    step_y, step_x = (shape[0] - 1) / (n_y - 1), (shape[1] - 1) / (n_x - 1)
    taken = np.zeros(matrix.shape)
    x, y = np.empty(3), np.empty(3)
    for k in range(columns.shape[0]):
        across = min(max(columns[k, 0] / step_x, 0.0), n_x - 1.0)
        down = min(max(columns[k, 1] / step_y, 0.0), n_y - 1.0)
        a, b = min(int(down), n_y - 2), min(int(across), n_x - 2)
        t, s = down - a, across - b
        y[0], y[1], y[2] = (1.0 - t) ** 2, t * (1.0 - t), t * t
        x[0], x[1], x[2] = (1.0 - s) ** 2, s * (1.0 - s), s * s
        for c in range(3):
            x[c] *= absorbed[k]
        add_cell(taken, a, b, y, x)
    # overlapping columns cannot take more than there is: each node's part is bounded
    ones = np.ones((n_y, n_x))
    there, gone = np.empty((n_y, n_x)), np.empty((n_y, n_x))
    apply_stencil(matrix, ones, there)
    apply_stencil(taken, ones, gone)
    for a in range(n_y):
        for b in range(n_x):
            share = largest * there[a, b] / max(gone[a, b], 1e-300)
            ones[a, b] = np.sqrt(min(1.0, share))
    for a in range(n_y):
        for b in range(n_x):
            root = ones[a, b]
            matrix[a, b, 0] -= root * root * taken[a, b, 0]
            if b + 1 < n_x:
                matrix[a, b, 1] -= root * ones[a, b + 1] * taken[a, b, 1]
            if a + 1 < n_y:
                matrix[a, b, 3] -= root * ones[a + 1, b] * taken[a, b, 3]
                if b > 0:
                    matrix[a, b, 2] -= root * ones[a + 1, b - 1] * taken[a, b, 2]
                if b + 1 < n_x:
                    matrix[a, b, 4] -= root * ones[a + 1, b + 1] * taken[a, b, 4]


@kernel
def apply_stencil(matrix: Floats, values: Floats, out: Floats) -> None:
    """Write the symmetric stencil times ``values``."""
    n_y, n_x = values.shape
    out[:] = 0.0
    for a in range(n_y):
        for b in range(n_x):
            here = values[a, b]
            out[a, b] += matrix[a, b, 0] * here
            if b + 1 < n_x:
                out[a, b] += matrix[a, b, 1] * values[a, b + 1]
                out[a, b + 1] += matrix[a, b, 1] * here
            if a + 1 < n_y:
                out[a, b] += matrix[a, b, 3] * values[a + 1, b]
                out[a + 1, b] += matrix[a, b, 3] * here
                if b > 0:
                    out[a, b] += matrix[a, b, 2] * values[a + 1, b - 1]
                    out[a + 1, b - 1] += matrix[a, b, 2] * here
                if b + 1 < n_x:
                    out[a, b] += matrix[a, b, 4] * values[a + 1, b + 1]
                    out[a + 1, b + 1] += matrix[a, b, 4] * here


@kernel
def solve_nodes(matrix: Floats, right: Floats, scale: Floats, n_steps: int, step: Floats) -> None:
    """Write the step that solves the nodes' normal equations (conjugate gradients, from zero).

    ``scale`` (positive or 0) preconditions; the search ends where the curvature is not positive.
    """
    step[:] = 0.0
    n_y, n_x = right.shape
    rest = right.copy()
    ahead, image = np.zeros((n_y, n_x)), np.empty((n_y, n_x))
    size, first = 0.0, 0.0
    for number in range(n_steps):
        total = 0.0
        for a in range(n_y):
            for b in range(n_x):
                if scale[a, b] > 0.0:
                    total += rest[a, b] * rest[a, b] / scale[a, b]
        if number == 0:
            first = total
        if not total > 1e-8 * first:
            break
        for a in range(n_y):
            for b in range(n_x):
                turned = rest[a, b] / scale[a, b] if scale[a, b] > 0.0 else 0.0
                ahead[a, b] = turned + (total / size * ahead[a, b] if number > 0 else 0.0)
        size = total
        apply_stencil(matrix, ahead, image)
        bend, own = 0.0, 0.0
        for a in range(n_y):
            for b in range(n_x):
                bend += ahead[a, b] * image[a, b]
                own += ahead[a, b] * ahead[a, b] * scale[a, b]
        if not bend > 0.04 * own:
            if number == 0:
                for a in range(n_y):
                    for b in range(n_x):
                        step[a, b] = ahead[a, b]
            break
        for a in range(n_y):
            for b in range(n_x):
                step[a, b] += total / bend * ahead[a, b]
                rest[a, b] -= total / bend * image[a, b]


@kernel
def refresh_weight(model: Floats, noise: Floats, mask: Flags, weight: Floats) -> None:
    """Write each pixel's inverse variance; zero where ``mask`` (or none: no rows) is False."""
    for j in range(model.shape[0]):
        row, out = model[j], weight[j]
        for i in range(row.size):
            out[i] = 1.0 / max(noise[0] + noise[1] * row[i], noise[2])
    for j in range(mask.shape[0]):
        for i in range(mask.shape[1]):
            if not mask[j, i]:
                weight[j, i] = 0.0


@summing_kernel
def row_sums(image: Floats, model: Floats, weight: Floats) -> tuple[float, float, float]:
    """Return the sums of w r, w and w r^2 along a row."""
    pull = power = square = 0.0
    for i in range(image.size):
        rest = image[i] - model[i]
        pull += weight[i] * rest
        power += weight[i]
        square += weight[i] * rest * rest
    return pull, power, square


@kernel
def row_steps(image: Floats, model: Floats, weight: Floats, levels: Floats) -> None:
    """Refit the offset of each row and keep ``model`` live."""
    for j in range(image.shape[0]):
        pull, power, _ = row_sums(image[j], model[j], weight[j])
        if power > 0.0:
            step = pull / power
            levels[j] += step
            row = model[j]
            for i in range(row.size):
                row[i] += step


@kernel
def chi_square(image: Floats, model: Floats, weight: Floats) -> float:
    """Return the sum of squared residuals in units of their variance."""
    total = 0.0
    for j in range(image.shape[0]):
        total += row_sums(image[j], model[j], weight[j])[2]
    return total
