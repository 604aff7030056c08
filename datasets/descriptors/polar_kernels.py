"""Compiled projections of patches on oscillator functions: centre, invariants, gradients.

The functions are h_a(y / s) h_b(x / s) / s with the orthonormal Hermite functions h. Those with
a + b = n span the same space as the Laguerre-Gauss functions R_pm(r) exp(i m theta) with
2 p + m = n, so that a separable projection (cheap at any sub-pixel centre) gives every
polar-Fourier coefficient c_pm, and derivatives with respect to the centre are steps between
neighbouring n. White noise of variance v stays white: each coefficient has variance v.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import summing_kernel as kernel

__all__ = ["describe_windows", "ring_sums", "window_gradients"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]

NEWTON_STEPS = 4
LONGEST_STEP_PX = 0.5


@kernel
def _hermite(center: float, scale: float, n_pixels: int, order: int, out: Floats) -> None:
    """Fill ``out`` (order + 1, n_pixels) with h_a((k - center) / scale) / sqrt(scale)."""
    first = 0.7511255444649425 / np.sqrt(scale)
    for k in range(n_pixels):
        u = (k - center) / scale
        out[0, k] = first * np.exp(-0.5 * u * u)
        out[1, k] = np.sqrt(2.0) * u * out[0, k]
    for a in range(1, order):
        rise = np.sqrt(2.0 / (a + 1))
        fall = np.sqrt(a / (a + 1.0))
        for k in range(n_pixels):
            u = (k - center) / scale
            out[a + 1, k] = rise * u * out[a, k] - fall * out[a - 1, k]


@kernel
def _project(
    window: Singles, along_y: Floats, along_x: Floats, order: int, rows: Floats, out: Floats
) -> None:
    """Fill out[a, b] with the sum of window times along_y[a] along_x[b], for a + b <= order."""
    n_rows, n_columns = window.shape
    for b in range(order + 1):
        function = along_x[b]
        for i in range(n_rows):
            line = window[i]
            total = 0.0
            for j in range(n_columns):
                total += line[j] * function[j]
            rows[b, i] = total
    for b in range(order + 1):
        line_of_b = rows[b]
        for a in range(order + 1 - b):
            function = along_y[a]
            total = 0.0
            for i in range(n_rows):
                total += line_of_b[i] * function[i]
            out[a, b] = total


@kernel
def _shifted(u: Floats, order: int, scale: float, along_x: bool, out: Floats) -> None:
    """Fill ``out`` with the derivative of coefficients by the centre's x (or y), a + b <= order."""
    for a in range(order + 1):
        for b in range(order + 1 - a):
            if along_x:
                value = np.sqrt(0.5 * (b + 1)) * u[a, b + 1]
                if b > 0:
                    value -= np.sqrt(0.5 * b) * u[a, b - 1]
            else:
                value = np.sqrt(0.5 * (a + 1)) * u[a + 1, b]
                if a > 0:
                    value -= np.sqrt(0.5 * a) * u[a - 1, b]
            out[a, b] = value / scale


@kernel
def _polar(u: Floats, modes: Integers, table: Floats, real: Floats, imaginary: Floats) -> None:
    """Fill the real and imaginary parts of c_pm for ``modes`` (k, 2) from Cartesian ``u``."""
    for k in range(modes.shape[0]):
        n = 2 * modes[k, 0] + modes[k, 1]
        total = 0.0
        for a in range(0, n + 1, 2):
            total += table[k, a] * u[a, n - a]
        real[k] = total
        total = 0.0
        for a in range(1, n + 1, 2):
            total += table[k, a] * u[a, n - a]
        imaginary[k] = total


@kernel
def _circular_power(
    slopes: Floats, modes: Integers, n_circular: int, mass: Floats, table: Floats, scale: float,
    order: int, c: Floats,
) -> None:  # fmt: skip
    """Fill c (6, n_circular + 1): c_p0 and its derivatives x, y, xx, xy, yy; ``slopes[0]`` is u.

    The last column is the sum of mass[p] c_p0, the light under a wide Gaussian.
    """
    for which in range(6):
        if which > 0:
            base = 0 if which < 3 else (1 if which < 5 else 2)
            last = order + 1 if which < 3 else order
            _shifted(slopes[base], last, scale, which == 1 or which == 3, slopes[which])
        c[which, n_circular] = 0.0
        for p in range(n_circular):
            n = 2 * modes[p, 0]
            total = 0.0
            for a in range(0, n + 1, 2):
                total += table[p, a] * slopes[which, a, n - a]
            c[which, p] = total
            c[which, n_circular] += mass[p] * total


@kernel
def _climb(c: Floats, n_circular: int, step: Floats, curve: Floats) -> bool:
    """Fill the Newton step (x, y) to the most circular power; tell whether there is a maximum."""
    gx = gy = hxx = hxy = hyy = 0.0
    for p in range(n_circular + 1):
        gx += c[0, p] * c[1, p]
        gy += c[0, p] * c[2, p]
        hxx += c[1, p] * c[1, p] + c[0, p] * c[3, p]
        hxy += c[1, p] * c[2, p] + c[0, p] * c[4, p]
        hyy += c[2, p] * c[2, p] + c[0, p] * c[5, p]
    determinant = hxx * hyy - hxy * hxy
    curve[0], curve[1], curve[2] = hxx, hxy, hyy
    if not (determinant > 0.0 and hxx < 0.0):
        step[0] = step[1] = 0.0
        return False
    step[0] = -(hyy * gx - hxy * gy) / determinant
    step[1] = -(hxx * gy - hxy * gx) / determinant
    length = np.sqrt(step[0] ** 2 + step[1] ** 2)
    if length > LONGEST_STEP_PX:
        step[0] *= LONGEST_STEP_PX / length
        step[1] *= LONGEST_STEP_PX / length
    return True


@kernel
def describe_windows(
    windows: Singles, starts: Floats, recenter: bool, reach: float, scale: float, order: int,
    modes: Integers, n_circular: int, mass: Floats, table: Floats,
    centers: Floats, found: NDArray[np.bool_], real: Floats, imaginary: Floats,
) -> None:  # fmt: skip
    """Centre each window (n, rows, columns) from ``starts`` (n, 2: x, y) and fill c_pm (n, k)."""
    n, n_rows, n_columns = windows.shape
    top = order + 2
    along_x = np.empty((top + 1, n_columns))
    along_y = np.empty((top + 1, n_rows))
    rows = np.empty((top + 1, n_rows))
    slopes = np.zeros((6, top + 1, top + 1))
    c = np.empty((6, n_circular + 1))
    step = np.empty(2)
    curve = np.empty(3)
    for k in range(n):
        x, y = starts[k, 0], starts[k, 1]
        ok = not recenter
        left = NEWTON_STEPS if recenter else 0
        while True:
            _hermite(x, scale, n_columns, top, along_x)
            _hermite(y, scale, n_rows, top, along_y)
            _project(windows[k], along_y, along_x, top, rows, slopes[0])
            if left == 0:
                break
            left -= 1
            _circular_power(slopes, modes, n_circular, mass, table, scale, order, c)
            ok = _climb(c, n_circular, step, curve)
            x += step[0]
            y += step[1]
            far = (x - starts[k, 0]) ** 2 + (y - starts[k, 1]) ** 2 > reach * reach
            if not ok or far:
                ok = False
                x, y = starts[k, 0], starts[k, 1]
                left = 0
            elif abs(step[0]) + abs(step[1]) < 1e-4:
                left = 0
        _polar(slopes[0], modes, table, real[k], imaginary[k])
        centers[k, 0], centers[k, 1] = x, y
        found[k] = ok


@kernel
def ring_sums(values: Floats, centers: Floats, rings_per_px: float, out: Floats) -> None:
    """Add ``values`` (n, rows, columns) to out (n, rings) by their distance to the centres."""
    n, n_rows, n_columns = values.shape
    last = out.shape[1] - 1
    for k in range(n):
        for i in range(n_rows):
            for j in range(n_columns):
                square = (j - centers[k, 0]) ** 2 + (i - centers[k, 1]) ** 2
                place = np.sqrt(square) * rings_per_px
                ring = int(place)
                if ring < last:
                    share = place - ring
                    out[k, ring] += (1.0 - share) * values[k, i, j]
                    out[k, ring + 1] += share * values[k, i, j]


@kernel
def _picture(
    weights: Floats, along_y: Floats, along_x: Floats, order: int, rows: Floats, out: Floats
) -> None:
    """Fill out (rows, columns) with the sum of weights[a, b] along_y[a] along_x[b]."""
    n_rows, n_columns = out.shape
    for i in range(n_rows):
        for j in range(n_columns):
            out[i, j] = 0.0
    for a in range(order + 1):
        line = rows[a]
        for j in range(n_columns):
            line[j] = 0.0
        for b in range(order + 1 - a):
            weight = weights[a, b]
            if weight != 0.0:
                function = along_x[b]
                for j in range(n_columns):
                    line[j] += weight * function[j]
        for i in range(n_rows):
            height = along_y[a, i]
            for j in range(n_columns):
                out[i, j] += height * line[j]


@kernel
def _add_shifted(weights: Floats, order: int, scale: float, along_x: bool, out: Floats) -> None:
    """Add to ``out`` the weights whose picture is that of ``weights``, by the centre's x or y."""
    for a in range(order + 1):
        for b in range(order + 1 - a):
            weight = weights[a, b] / scale
            if weight == 0.0:
                continue
            if along_x:
                out[a, b + 1] += weight * np.sqrt(0.5 * (b + 1))
                if b > 0:
                    out[a, b - 1] -= weight * np.sqrt(0.5 * b)
            else:
                out[a + 1, b] += weight * np.sqrt(0.5 * (a + 1))
                if a > 0:
                    out[a - 1, b] -= weight * np.sqrt(0.5 * a)


@kernel
def window_gradients(
    windows: Singles, centers: Floats, found: NDArray[np.bool_], recenter: bool, scale: float,
    order: int, modes: Integers, n_circular: int, mass: Floats, table: Floats, out: Floats,
) -> None:  # fmt: skip
    """Fill out (n, k, rows, columns): how c_p0 and |c_pm| change with each pixel.

    The centre moves with the pixels as well: it is where the circular power is largest, which
    gives its derivative by the implicit function. A centre that was not found is held.
    """
    n, n_rows, n_columns = windows.shape
    top = order + 2
    n_modes = modes.shape[0]
    along_x = np.empty((top + 1, n_columns))
    along_y = np.empty((top + 1, n_rows))
    rows = np.empty((top + 1, max(n_rows, n_columns)))
    line = np.empty((top + 1, n_columns))
    slopes = np.zeros((6, top + 1, top + 1))
    work = np.zeros((top + 1, top + 1))
    weights = np.zeros((top + 1, top + 1))
    c = np.empty((6, n_circular + 1))
    step, curve = np.empty(2), np.empty(3)
    parts = np.empty((6, n_modes))
    force = np.zeros((2, n_rows, n_columns))
    picture = np.empty((n_rows, n_columns))
    for k in range(n):
        _hermite(centers[k, 0], scale, n_columns, top, along_x)
        _hermite(centers[k, 1], scale, n_rows, top, along_y)
        _project(windows[k], along_y, along_x, top, rows, slopes[0])
        _circular_power(slopes, modes, n_circular, mass, table, scale, order, c)
        moves = recenter and found[k] and _climb(c, n_circular, step, curve)
        for which in range(3):
            _polar(slopes[which], modes, table, parts[2 * which], parts[2 * which + 1])
        determinant = curve[0] * curve[2] - curve[1] * curve[1] if moves else 1.0
        # the first two pictures are the forces on the centre, x and y
        for q in range(-2 if moves else 0, n_modes):
            to_x = to_y = 0.0
            for a in range(top + 1):
                for b in range(top + 1 - a):
                    weights[a, b] = 0.0
                    work[a, b] = 0.0
            if q < 0:
                axis = q + 2
                for p in range(n_circular):
                    m = 2 * modes[p, 0]
                    slope = c[1 + axis, p] + mass[p] * c[1 + axis, n_circular]
                    height = c[0, p] + mass[p] * c[0, n_circular]
                    for a in range(0, m + 1, 2):
                        weights[a, m - a] += slope * table[p, a]
                        work[a, m - a] += height * table[p, a]
                _add_shifted(work, order, scale, axis == 0, weights)
            else:
                m = 2 * modes[q, 0] + modes[q, 1]
                size = np.sqrt(parts[0, q] ** 2 + parts[1, q] ** 2)
                cosine, sine = 1.0, 0.0
                if modes[q, 1] > 0:
                    cosine = parts[0, q] / size if size > 0.0 else 0.0
                    sine = parts[1, q] / size if size > 0.0 else 0.0
                for a in range(m + 1):
                    weights[a, m - a] = table[q, a] * (cosine if a % 2 == 0 else sine)
                if moves:
                    by_x = cosine * parts[2, q] + sine * parts[3, q]
                    by_y = cosine * parts[4, q] + sine * parts[5, q]
                    # d(center) = - curve^-1 force, with curve and force both half of S's own
                    to_x = -(by_x * curve[2] - by_y * curve[1]) / determinant
                    to_y = -(by_y * curve[0] - by_x * curve[1]) / determinant
            _picture(weights, along_y, along_x, order + 1, line, picture)
            for i in range(n_rows):
                for j in range(n_columns):
                    if q < 0:
                        force[q + 2, i, j] = picture[i, j]
                    else:
                        pull = to_x * force[0, i, j] + to_y * force[1, i, j]
                        out[k, q, i, j] = picture[i, j] + pull
