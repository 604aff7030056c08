"""Compiled motion of bodies that act on each other in pairs, with all its sensitivities.

Acceleration of body i: sum over j of strengths[j] f(r_ij) (x_i - x_j) / r_ij. The force f and its
derivatives by the law's constants are cubic polynomials on cells of even width in log r. Classical
Runge-Kutta steps of fourth order carry positions and velocities and their derivatives by the
starting state, the strengths and the constants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["follow_bodies"]

Floats = NDArray[np.float64]

TURN = 0.1  # radians of the fastest pair in a step
MOST_STEPS = 20_000  # between two times


@kernel
def _accelerations(
    x: Floats, s: Floats, strengths: Floats, box: Floats, table: Floats, low: float, width: float,
    forces: Floats, turned: Floats, out: Floats, slopes: Floats,
) -> float:  # fmt: skip
    """Accelerations (n, d) and their sensitivities (n, d, p).

    Returns the square of the fastest rate of a pair, -1 beyond the table.
    """
    n, d = x.shape
    n_p, n_constants = s.shape[2], table.shape[2] - 1
    out[:] = 0.0
    slopes[:] = 0.0
    fastest = 0.0
    for i in range(n):
        for j in range(i):
            square = 0.0
            for a in range(d):
                forces[a] = x[i, a] - x[j, a]
                if box[a] < np.inf:
                    forces[a] -= box[a] * np.floor(forces[a] / box[a] + 0.5)
                square += forces[a] * forces[a]
            r = np.sqrt(square)
            place = (np.log(r) - low) / width
            if not place < table.shape[0]:
                return -1.0
            # Nearer than anybody was seen a trial may pass: there the force stays as it is
            inside = place >= 0.0
            if not inside:
                place = 0.0
            cell = int(place)
            w = (place - cell) * width
            for a in range(d):
                forces[a] /= r
            c = table[cell]
            f = ((c[0, 0] * w + c[1, 0]) * w + c[2, 0]) * w + c[3, 0]
            for a in range(d):
                out[i, a] += strengths[j] * f * forces[a]
                out[j, a] -= strengths[i] * f * forces[a]
            steep = ((3.0 * c[0, 0] * w + 2.0 * c[1, 0]) * w + c[2, 0]) / r
            if not inside:
                steep = 0.0
            own = (abs(steep) + abs(f / r)) * (abs(strengths[i]) + abs(strengths[j]))
            fastest = max(fastest, own)
            if n_p == 0:
                continue
            for p in range(n_p):
                along = 0.0
                for a in range(d):
                    along += forces[a] * (s[i, a, p] - s[j, a, p])
                turned[p] = along
            for a in range(d):
                for p in range(n_p):
                    change = (steep - f / r) * forces[a] * turned[p]
                    change += f / r * (s[i, a, p] - s[j, a, p])
                    slopes[i, a, p] += strengths[j] * change
                    slopes[j, a, p] -= strengths[i] * change
                first = n_p - n - n_constants
                slopes[i, a, first + j] += f * forces[a]
                slopes[j, a, first + i] -= f * forces[a]
                for k in range(n_constants):
                    m = k + 1
                    by = ((c[0, m] * w + c[1, m]) * w + c[2, m]) * w + c[3, m]
                    slopes[i, a, first + n + k] += strengths[j] * by * forces[a]
                    slopes[j, a, first + n + k] -= strengths[i] * by * forces[a]
    return fastest


@kernel
def follow_bodies(
    state: Floats, strengths: Floats, box: Floats, table: Floats, low: float, width: float,
    times: Floats, longest: float, limit: float, out: Floats, slopes_out: Floats, end: Floats,
    end_slopes: Floats,
) -> bool:  # fmt: skip
    """Follow bodies from ``state`` (2, n, d) at the first of ``times``; False where they run away.

    ``table`` (n_cells, 4, 1 + n_constants): polynomials, highest power first; ``low``, ``width``:
    of its cells in log r; ``longest``: step (shorter where a pair turns fast); ``out`` (n_times, n,
    d): positions; ``slopes_out`` (n_times, n, d, p): by starting positions, velocities, strengths
    and constants; p = 0 leaves them out. ``end`` (n, d), ``end_slopes`` (n, d, p): velocities at
    the last time.
    """
    n, d = state.shape[1], state.shape[2]
    n_p = slopes_out.shape[3]
    x, v = state[0].copy(), state[1].copy()
    sx, sv = np.zeros((n, d, n_p)), np.zeros((n, d, n_p))
    if n_p:
        for i in range(n):
            for a in range(d):
                sx[i, a, i * d + a] = 1.0
                sv[i, a, n * d + i * d + a] = 1.0
    at_x, at_v, sum_x, sum_v = (
        np.zeros((n, d)),
        np.zeros((n, d)),
        np.zeros((n, d)),
        np.zeros((n, d)),
    )
    at_sx, at_sv = np.zeros((n, d, n_p)), np.zeros((n, d, n_p))
    sum_sx, sum_sv = np.zeros((n, d, n_p)), np.zeros((n, d, n_p))
    change, slopes = np.zeros((n, d)), np.zeros((n, d, n_p))
    line, turned = np.zeros(d), np.zeros(n_p)
    for node in range(times.size):
        out[node] = x
        slopes_out[node] = sx
        if node == times.size - 1:
            break
        left, h = times[node + 1] - times[node], 0.0
        n_steps = 0
        while left > 0.0:
            n_steps += 1
            if n_steps > MOST_STEPS:
                return False
            at_x[:] = x
            at_v[:] = v
            at_sx[:] = sx
            at_sv[:] = sv
            sum_x[:] = 0.0
            sum_v[:] = 0.0
            sum_sx[:] = 0.0
            sum_sv[:] = 0.0
            for stage in range(4):
                fastest = _accelerations(at_x, at_sx, strengths, box, table, low, width, line,
                                         turned, change, slopes)  # fmt: skip
                if not fastest >= 0.0:
                    return False
                if stage == 0:
                    # Bodies that meet turn faster than all others: steps follow them
                    h = min(longest, TURN / np.sqrt(max(fastest, 1e-12)))
                    h = left / np.ceil(left / h - 1e-9) if left < 4.0 * h else h
                share = h / 6.0 if stage == 0 or stage == 3 else h / 3.0
                ahead = h if stage == 2 else 0.5 * h
                for i in range(n):
                    for a in range(d):
                        sum_x[i, a] += share * at_v[i, a]
                        sum_v[i, a] += share * change[i, a]
                        at_x[i, a] = x[i, a] + ahead * at_v[i, a]
                        at_v[i, a] = v[i, a] + ahead * change[i, a]
                        for p in range(n_p):
                            sum_sx[i, a, p] += share * at_sv[i, a, p]
                            sum_sv[i, a, p] += share * slopes[i, a, p]
                            at_sx[i, a, p] = sx[i, a, p] + ahead * at_sv[i, a, p]
                            at_sv[i, a, p] = sv[i, a, p] + ahead * slopes[i, a, p]
            for i in range(n):
                for a in range(d):
                    x[i, a] += sum_x[i, a]
                    v[i, a] += sum_v[i, a]
                    if not abs(x[i, a]) < limit:
                        return False
                    for p in range(n_p):
                        sx[i, a, p] += sum_sx[i, a, p]
                        sv[i, a, p] += sum_sv[i, a, p]
            left = left - h if left > 1.0000001 * h else 0.0
    end[:] = v
    end_slopes[:] = sv
    return True
