/* Twin of lennard_jones_forces in lattice_models/particles/motion_kernels.py: groups of eight
   particles against every point of the group's list, both sides of a pair computed. */
#include <stdint.h>

#define GROUP 8

void lennard_jones_forces(const double *restrict points, const int64_t *restrict group_start,
                          int64_t n_groups, const int32_t *restrict entries,
                          double *restrict force, const double *restrict row)
{
    const double limit = row[6], q = row[2] * row[2], six = q * q * q;
    const double low = 24.0 * row[1] * six, high = 2.0 * low * six;
    for (int64_t group = 0; group < n_groups; group++) {
        double px[GROUP], py[GROUP], pz[GROUP];
        double fx[GROUP] = {0}, fy[GROUP] = {0}, fz[GROUP] = {0};
        for (int k = 0; k < GROUP; k++) {
            const double *p = points + 4 * (GROUP * group + k);
            px[k] = p[0]; py[k] = p[1]; pz[k] = p[2];
        }
        for (int64_t e = group_start[group]; e < group_start[group + 1]; e += 2) {
            const double *a = points + 4 * (int64_t)entries[e];
            const double *b = points + 4 * (int64_t)entries[e + 1];
            const double x0 = a[0], y0 = a[1], z0 = a[2], x1 = b[0], y1 = b[1], z1 = b[2];
            for (int k = 0; k < GROUP; k++) {
                double dx = px[k] - x0, dy = py[k] - y0, dz = pz[k] - z0;
                double s = dx * dx + dy * dy + dz * dz;
                double inverse = 1.0 / s, cube = inverse * inverse * inverse;
                double w = cube * (high * cube - low) * inverse;
                w = (s < limit) & (s > 0.0) ? w : 0.0;
                double ex = px[k] - x1, ey = py[k] - y1, ez = pz[k] - z1;
                double t = ex * ex + ey * ey + ez * ez;
                inverse = 1.0 / t;
                cube = inverse * inverse * inverse;
                double v = cube * (high * cube - low) * inverse;
                v = (t < limit) & (t > 0.0) ? v : 0.0;
                fx[k] += w * dx + v * ex;
                fy[k] += w * dy + v * ey;
                fz[k] += w * dz + v * ez;
            }
        }
        for (int k = 0; k < GROUP; k++) {
            double *f = force + 4 * (GROUP * group + k);
            f[0] = fx[k]; f[1] = fy[k]; f[2] = fz[k];
        }
    }
}

/* Twin of metropolis_trials in lattice_models/particles/metropolis_kernels.py, for one kind of
   Lennard-Jones particle in a periodic box in three dimensions. */
#include <math.h>

#define FAR 1e8

static inline double uniform(uint64_t *state)
{
    uint64_t first = state[0], second = state[1], word = first + second;
    second ^= first;
    state[0] = ((first << 24) | (first >> 40)) ^ second ^ (second << 16);
    state[1] = (second << 37) | (second >> 27);
    return (double)(word >> 11) * (1.0 / 9007199254740992.0);
}

static inline int64_t clamp(double x, int64_t n)
{
    int64_t i = (int64_t)x;
    return i < 0 ? 0 : (i > n - 1 ? n - 1 : i);
}

static inline int64_t cell_of(const double *p, const double *frame, const int64_t *counts)
{
    int64_t a = clamp((p[0] - frame[0]) * frame[3], counts[5]);
    int64_t b = clamp((p[1] - frame[1]) * frame[4], counts[6]);
    int64_t c = clamp((p[2] - frame[2]) * frame[5], counts[7]);
    return (a * counts[6] + b) * counts[7] + c;
}

static void change_of_cell(const double *restrict x, const double *restrict y,
                           const double *restrict z, int64_t m, const double *fresh,
                           const double *old, const double *row, double *restrict sums)
{
    const double q = row[2] * row[2], six = q * q * q, low = 4.0 * row[1] * six, high = low * six;
    const double limit = row[6], lift = row[7];
    const double x0 = old[0], y0 = old[1], z0 = old[2];
    const double x1 = fresh[0], y1 = fresh[1], z1 = fresh[2];
    for (int64_t k = 0; k < m; k++) {
        double dx = x[k] - x0, dy = y[k] - y0, dz = z[k] - z0;
        double s = dx * dx + dy * dy + dz * dz;
        double inverse = 1.0 / s, cube = inverse * inverse * inverse;
        double before = cube * (high * cube - low) - lift;
        before = s < limit ? before : 0.0;
        double ex = x[k] - x1, ey = y[k] - y1, ez = z[k] - z1;
        double t = ex * ex + ey * ey + ez * ez;
        inverse = 1.0 / t;
        cube = inverse * inverse * inverse;
        double after = cube * (high * cube - low) - lift;
        after = t < limit ? after : 0.0;
        sums[k] += after - before;
    }
}

/* Returns 0 when all trials are done, 1 when a cell has no room. */
int64_t metropolis_trials(double *restrict places, int64_t n_places, int32_t *restrict slots,
                          int64_t *restrict inside, int64_t *restrict where, int64_t n,
                          int64_t *restrict turns, const double *restrict row,
                          const double *restrict box, const double *restrict frame,
                          const double *restrict numbers, int64_t *restrict counts,
                          uint64_t *restrict state, double *restrict sums,
                          const int32_t *restrict around, const int8_t *restrict turn,
                          const double *restrict shift)
{
    const int64_t room = counts[4];
    const double nowhere[3] = {-FAR, -FAR, -FAR};
    double *x = places, *y = places + n_places, *z = places + 2 * n_places;
    while (counts[0] < counts[1]) {
        const uint64_t first = state[0], second = state[1];
        int64_t i = (int64_t)(uniform(state) * (double)n);
        i = i < n - 1 ? i : n - 1;
        int64_t slot = where[i];
        double old[3] = {x[slot], y[slot], z[slot]}, fresh[3], crossed[3];
        for (int d = 0; d < 3; d++) {
            fresh[d] = old[d] + numbers[1] * (2.0 * uniform(state) - 1.0);
            crossed[d] = floor(fresh[d] / box[d]);
            fresh[d] -= crossed[d] * box[d];
        }
        double limit = uniform(state);
        int64_t there = cell_of(fresh, frame, counts), here = cell_of(old, frame, counts);
        if (there != slot / room && inside[there] == room) {
            state[0] = first;
            state[1] = second;
            return 1;
        }
        x[slot] = y[slot] = z[slot] = FAR;
        for (int64_t k = 0; k < room; k++) sums[k] = 0.0;
        for (int side = 0; side < (here == there ? 1 : 2); side++) {
            int64_t cell = side == 0 ? there : here;
            for (int m = 0; m < 27 && around[27 * cell + m] >= 0; m++) {
                int64_t other = around[27 * cell + m], begin = other * room;
                const double *move = shift + 3 * turn[27 * cell + m];
                double came[3], went[3];
                for (int d = 0; d < 3; d++) {
                    came[d] = side == 0 ? fresh[d] - move[d] : nowhere[d];
                    went[d] = side == 0 && here != there ? nowhere[d] : old[d] - move[d];
                }
                change_of_cell(x + begin, y + begin, z + begin, (inside[other] + 7) / 8 * 8, came,
                               went, row, sums);
            }
        }
        double change = 0.0;
        for (int64_t k = 0; k < room; k++) change += sums[k];
        const double *end = old;
        if (change <= 0.0 || limit < exp(-change / numbers[0])) {
            counts[2]++;
            end = fresh;
            int64_t left = slot / room;
            if (left != there) {
                int64_t last = left * room + inside[left] - 1;
                x[slot] = x[last]; y[slot] = y[last]; z[slot] = z[last];
                x[last] = y[last] = z[last] = FAR;
                slots[2 * slot] = slots[2 * last];
                slots[2 * slot + 1] = slots[2 * last + 1];
                int32_t kind = slots[2 * slot + 1];
                where[slots[2 * slot]] = slot;
                inside[left]--;
                slot = there * room + inside[there];
                inside[there]++;
                slots[2 * slot] = (int32_t)i;
                slots[2 * slot + 1] = kind;
                where[i] = slot;
            }
            for (int d = 0; d < 3; d++) turns[3 * i + d] += (int64_t)crossed[d];
        }
        x[slot] = end[0]; y[slot] = end[1]; z[slot] = end[2];
        counts[0]++;
    }
    return 0;
}
