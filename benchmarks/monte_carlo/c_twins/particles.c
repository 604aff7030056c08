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
