/* Twins of the tiled explicit steps of a scalar field: same tiles, same order of operations.
 *
 * Compile with -ffp-contract=off for the same bits as the kernels; without it the compiler fuses
 * multiplications and additions, which is a little faster and rounds differently.
 * coefficients: rate_x, rate_y, a, b, c, e, kappa_x / dx^2, kappa_y / dy^2. Periodic edges.
 */
#include <stdint.h>

#define MIN(x, y) ((x) < (y) ? (x) : (y))

static int64_t wrap(int64_t i, int64_t n) { int64_t k = i % n; return k < 0 ? k + n : k; }

#define TWINS(T, S)                                                                               \
static void load_##S(const T *field, int64_t n_rows, int64_t n_columns, T *tile, int64_t stride,  \
                     int64_t top, int64_t left, int64_t rows, int64_t columns) {                  \
    int64_t first = MIN(left < 0 ? -left : 0, columns);                                           \
    int64_t last = MIN(columns, n_columns - left);                                                \
    if (last < first) last = first;                                                               \
    for (int64_t i = 0; i < rows; i++) {                                                          \
        const T *source = field + wrap(top + i, n_rows) * n_columns;                              \
        T *row = tile + i * stride;                                                               \
        for (int64_t j = 0; j < first; j++) row[j] = source[wrap(left + j, n_columns)];           \
        for (int64_t j = first; j < last; j++) row[j] = source[left + j];                         \
        for (int64_t j = last; j < columns; j++) row[j] = source[wrap(left + j, n_columns)];      \
    }                                                                                             \
}                                                                                                 \
static void store_##S(const T *tile, int64_t stride, T *field, int64_t n_columns, int64_t top,    \
                      int64_t left, int64_t rows, int64_t columns, int64_t rim) {                 \
    for (int64_t i = 0; i < rows; i++) {                                                          \
        const T *source = tile + (rim + i) * stride + rim;                                        \
        T *row = field + (top + i) * n_columns + left;                                            \
        for (int64_t j = 0; j < columns; j++) row[j] = source[j];                                 \
    }                                                                                             \
}                                                                                                 \
static void relax_rows_##S(const T *restrict old, T *restrict new, int64_t stride, int64_t first, \
                           int64_t last, int64_t width, T rate, T push, T a, T b, T c, T e,       \
                           T kx, T ky) {                                                          \
    for (int64_t i = first; i < last; i++) {                                                      \
        const T *above = old + (i - 1) * stride + 1, *here = above + stride;                      \
        const T *below = here + stride;                                                           \
        T *out = new + i * stride + 1;                                                            \
        for (int64_t j = 0; j < width; j++) {                                                     \
            T p = here[j], q = p * p;                                                             \
            T force = p * (a + p * b + q * (c + q * e)) -                                         \
                      (kx * (here[j - 1] + here[j + 1]) + ky * (above[j] + below[j]) + push);     \
            out[j] = p - rate * force;                                                            \
        }                                                                                         \
    }                                                                                             \
}                                                                                                 \
static void diffuse_rows_##S(T *restrict tile, T *restrict potential, int64_t stride,             \
                             int64_t first, int64_t last, int64_t width, T rate_x, T rate_y, T a, \
                             T b, T c, T e, T kx, T ky) {                                         \
    int64_t before = 0, middle = 1, latest = 2;                                                   \
    for (int64_t i = first; i < last; i++) {                                                      \
        T *above = tile + (i - 1) * stride + 1;                                                   \
        const T *here = above + stride, *below = here + stride;                                   \
        T *after = potential + latest * stride + 1;                                               \
        for (int64_t j = 0; j < width; j++) {                                                     \
            T p = here[j], q = p * p;                                                             \
            after[j] = p * (a + p * b + q * (c + q * e)) -                                        \
                       (kx * (here[j - 1] + here[j + 1]) + ky * (above[j] + below[j]));           \
        }                                                                                         \
        if (i >= first + 2) {                                                                     \
            const T *upper = potential + before * stride + 1;                                     \
            const T *centre = potential + middle * stride + 1;                                    \
            for (int64_t j = 0; j < width; j++) {                                                 \
                T twice = centre[j] + centre[j];                                                  \
                above[j] += rate_x * (centre[j - 1] + centre[j + 1] - twice) +                    \
                            rate_y * (upper[j] + after[j] - twice);                               \
            }                                                                                     \
        }                                                                                         \
        int64_t free = before;                                                                    \
        before = middle; middle = latest; latest = free;                                          \
    }                                                                                             \
}                                                                                                 \
void relax_##S(T *field, T *other, int64_t n_rows, int64_t n_columns, T *tile, T *second,         \
               int64_t tile_rows, int64_t stride, const T *p, const T *drive, int64_t n_steps,    \
               int64_t depth, int64_t used) {                                                     \
    T rate = p[0], a = p[2], b = p[3], c = p[4], e = p[5], kx = p[6], ky = p[7];                  \
    a = a + (kx + kx + ky + ky);                                                                  \
    int64_t height = tile_rows - 2 * depth, breadth = used - 2 * depth, done = 0, swaps = 0;    \
    T *source = field, *target = other;                                                           \
    while (done < n_steps) {                                                                      \
        int64_t now = MIN(depth, n_steps - done);                                                 \
        for (int64_t top = 0; top < n_rows; top += height)                                        \
            for (int64_t left = 0; left < n_columns; left += breadth) {                           \
                int64_t inner_rows = MIN(height, n_rows - top);                                   \
                int64_t inner_columns = MIN(breadth, n_columns - left);                           \
                int64_t rows = inner_rows + 2 * now, columns = inner_columns + 2 * now;           \
                load_##S(source, n_rows, n_columns, tile, stride, top - now, left - now, rows,    \
                         columns);                                                                \
                T *old = tile, *new = second;                                                     \
                for (int64_t k = 0; k < now; k++) {                                               \
                    relax_rows_##S(old, new, stride, k + 1, rows - k - 1, columns - 2, rate,      \
                                   drive[done + k], a, b, c, e, kx, ky);                          \
                    T *swap = old; old = new; new = swap;                                         \
                }                                                                                 \
                store_##S(old, stride, target, n_columns, top, left, inner_rows, inner_columns,   \
                          now);                                                                   \
            }                                                                                     \
        T *swap = source; source = target; target = swap;                                         \
        done += now; swaps++;                                                                     \
    }                                                                                             \
    if (swaps % 2) for (int64_t i = 0; i < n_rows * n_columns; i++) field[i] = other[i];          \
}                                                                                                 \
void diffuse_##S(T *field, T *other, int64_t n_rows, int64_t n_columns, T *tile, T *potential,    \
                 int64_t tile_rows, int64_t stride, const T *p, int64_t n_steps, int64_t depth,   \
                 int64_t used) {                                                                  \
    T rate_x = p[0], rate_y = p[1], a = p[2], b = p[3], c = p[4], e = p[5], kx = p[6], ky = p[7]; \
    a = a + (kx + kx + ky + ky);                                                                  \
    int64_t height = tile_rows - 4 * depth, breadth = used - 4 * depth, done = 0, swaps = 0;    \
    T *source = field, *target = other;                                                           \
    while (done < n_steps) {                                                                      \
        int64_t now = MIN(depth, n_steps - done), rim = 2 * now;                                  \
        for (int64_t top = 0; top < n_rows; top += height)                                        \
            for (int64_t left = 0; left < n_columns; left += breadth) {                           \
                int64_t inner_rows = MIN(height, n_rows - top);                                   \
                int64_t inner_columns = MIN(breadth, n_columns - left);                           \
                int64_t rows = inner_rows + 2 * rim, columns = inner_columns + 2 * rim;           \
                load_##S(source, n_rows, n_columns, tile, stride, top - rim, left - rim, rows,    \
                         columns);                                                                \
                for (int64_t k = 0; k < now; k++)                                                 \
                    diffuse_rows_##S(tile, potential, stride, 2 * k + 1, rows - 2 * k - 1,        \
                                     columns - 2, rate_x, rate_y, a, b, c, e, kx, ky);            \
                store_##S(tile, stride, target, n_columns, top, left, inner_rows, inner_columns,  \
                          rim);                                                                   \
            }                                                                                     \
        T *swap = source; source = target; target = swap;                                         \
        done += now; swaps++;                                                                     \
    }                                                                                             \
    if (swaps % 2) for (int64_t i = 0; i < n_rows * n_columns; i++) field[i] = other[i];          \
}                                                                                                 \
/* what a C programmer writes first: one sweep a step, edges by index, two whole arrays */        \
void plain_relax_##S(T *field, T *other, int64_t n, int64_t m, const T *p, int64_t n_steps) {     \
    T rate = p[0], a = p[2], b = p[3], c = p[4], e = p[5], kx = p[6], ky = p[7];                  \
    a = a + (kx + kx + ky + ky);                                                                  \
    for (int64_t s = 0; s < n_steps; s++) {                                                       \
        for (int64_t i = 0; i < n; i++) {                                                         \
            const T *restrict up = field + (i ? i - 1 : n - 1) * m;                               \
            const T *restrict dn = field + (i + 1 < n ? i + 1 : 0) * m;                           \
            const T *restrict me = field + i * m;                                                 \
            T *restrict out = other + i * m;                                                      \
            for (int64_t j = 1; j < m - 1; j++) {                                                 \
                T x = me[j], q = x * x;                                                           \
                out[j] = x - rate * (x * (a + x * b + q * (c + q * e)) -                          \
                                     (kx * (me[j - 1] + me[j + 1]) + ky * (up[j] + dn[j])));      \
            }                                                                                     \
            for (int64_t k = 0; k < 2; k++) {                                                     \
                int64_t j = k ? m - 1 : 0;                                                        \
                T x = me[j], q = x * x;                                                           \
                out[j] = x - rate * (x * (a + x * b + q * (c + q * e)) -                          \
                                     (kx * (me[j ? j - 1 : m - 1] + me[j + 1 < m ? j + 1 : 0]) +  \
                                      ky * (up[j] + dn[j])));                                     \
            }                                                                                     \
        }                                                                                         \
        T *swap = field; field = other; other = swap;                                             \
    }                                                                                             \
}                                                                                                 \
void plain_diffuse_##S(T *field, T *mu, int64_t n, int64_t m, const T *p, int64_t n_steps) {      \
    T rx = p[0], ry = p[1], a = p[2], b = p[3], c = p[4], e = p[5], kx = p[6], ky = p[7];         \
    a = a + (kx + kx + ky + ky);                                                                  \
    for (int64_t s = 0; s < n_steps; s++) {                                                       \
        for (int64_t pass = 0; pass < 2; pass++)                                                  \
            for (int64_t i = 0; i < n; i++) {                                                     \
                const T *restrict in = pass ? mu : field;                                         \
                const T *up = in + (i ? i - 1 : n - 1) * m, *me = in + i * m;                     \
                const T *dn = in + (i + 1 < n ? i + 1 : 0) * m;                                   \
                T *restrict out = (pass ? field : mu) + i * m;                                    \
                if (pass) {                                                                       \
                    for (int64_t j = 1; j < m - 1; j++) {                                         \
                        T x = me[j] + me[j];                                                      \
                        out[j] += rx * (me[j - 1] + me[j + 1] - x) + ry * (up[j] + dn[j] - x);    \
                    }                                                                             \
                } else {                                                                          \
                    for (int64_t j = 1; j < m - 1; j++) {                                         \
                        T x = me[j], q = x * x;                                                   \
                        out[j] = x * (a + x * b + q * (c + q * e)) -                              \
                                 (kx * (me[j - 1] + me[j + 1]) + ky * (up[j] + dn[j]));           \
                    }                                                                             \
                }                                                                                 \
                for (int64_t k = 0; k < 2; k++) {                                                 \
                    int64_t j = k ? m - 1 : 0;                                                    \
                    T side = me[j ? j - 1 : m - 1] + me[j + 1 < m ? j + 1 : 0];                   \
                    T x = me[j], q = x * x, twice = x + x;                                        \
                    if (pass) out[j] += rx * (side - twice) + ry * (up[j] + dn[j] - twice);       \
                    else out[j] = x * (a + x * b + q * (c + q * e)) -                             \
                                  (kx * side + ky * (up[j] + dn[j]));                             \
                }                                                                                 \
            }                                                                                     \
    }                                                                                             \
}

TWINS(double, float64)
TWINS(float, float32)
