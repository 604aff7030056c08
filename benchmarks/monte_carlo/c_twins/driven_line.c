// Twin of physlearn.lattice_models.walls.driven_line_kernels: the same steps, the same random lane.
#include <math.h>
#include <stdint.h>

static inline uint64_t next_word(uint64_t *s) {
    uint64_t a = s[0], b = s[1], word = a + b;
    b ^= a;
    s[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
    s[1] = (b << 37) | (b >> 27);
    return word;
}

static inline double uniform(uint64_t *s) {
    return (double)(next_word(s) >> 11) * (1.0 / 9007199254740992.0);
}

static inline double normal(uint64_t *s, const double *edge, const double *share) {
    for (;;) {
        uint64_t word = next_word(s);
        int64_t layer = (int64_t)(word >> 56);
        double place = 2.0 * ((double)((word << 8) >> 11) * (1.0 / 9007199254740992.0)) - 1.0;
        double value = place * edge[layer];
        if (fabs(place) < share[layer]) return value;
        if (layer == 0)
            for (;;) {
                double beyond = -log(1.0 - uniform(s)) / edge[1];
                if (-2.0 * log(1.0 - uniform(s)) > beyond * beyond) {
                    double tail = edge[1] + beyond;
                    return place > 0.0 ? tail : -tail;
                }
            }
        double lower = exp(-0.5 * (edge[layer] * edge[layer] - value * value));
        double upper = exp(-0.5 * (edge[layer + 1] * edge[layer + 1] - value * value));
        if (upper + uniform(s) * (lower - upper) < 1.0) return value;
    }
}

// the usual case stands here, with the generator in registers
static inline void fill_normal(double *restrict out, int64_t n, double size,
                               uint64_t *restrict state, const double *restrict ziggurat) {
    uint64_t a = state[0], b = state[1];
    for (int64_t i = 0; i < n; i++) {
        uint64_t word = a + b, layer = word >> 56;
        double place = 2.0 * ((double)((word << 8) >> 11) * (1.0 / 9007199254740992.0)) - 1.0;
        if (fabs(place) < ziggurat[257 + layer]) {
            out[i] = size * (place * ziggurat[layer]);
            b ^= a;
            a = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
            b = (b << 37) | (b >> 27);
        } else {
            state[0] = a;
            state[1] = b;
            out[i] = size * normal(state, ziggurat, ziggurat + 257);
            a = state[0];
            b = state[1];
        }
    }
    state[0] = a;
    state[1] = b;
}

static inline void line_force(const double *restrict u, int64_t n, const double *restrict pinning,
                              int64_t width, double per_period, double stiffness, double drive,
                              int64_t ends, double *restrict force) {
    for (int64_t i = 1; i < n - 1; i++)
        force[i] = stiffness * ((u[i + 1] - u[i]) - (u[i] - u[i - 1])) + drive;
    double before = ends == 0 ? u[n - 1] : u[0], behind = ends == 0 ? u[0] : u[n - 1];
    force[0] = stiffness * ((u[1] - u[0]) - (u[0] - before)) + drive;
    force[n - 1] = stiffness * ((behind - u[n - 1]) - (u[n - 1] - u[n - 2])) + drive;
    int64_t n_knots = width - 2;
    if (n_knots > 0)
        for (int64_t i = 0; i < n; i++) {
            double turns = u[i] * per_period, place = (turns - floor(turns)) * n_knots;
            int32_t knot = (int32_t)place;
            if (knot > n_knots - 1) knot = n_knots - 1;
            double part = place - knot, rest = 1.0 - part;
            const double *g = pinning + i * width + knot;
            force[i] += 0.5 * rest * rest * g[0] + (0.5 + part * rest) * g[1]
                        + 0.5 * part * part * g[2];
        }
    if (ends == 2) force[0] = force[n - 1] = 0.0;
}

void line_steps(double *restrict u, int64_t n, const double *restrict pinning, int64_t width,
                double per_period, double stiffness, double drive, int64_t ends, double step,
                double noise_size, int64_t n_steps, uint64_t *restrict state,
                const double *restrict ziggurat, double *restrict work) {
    double *first = work, *second = work + n, *guess = work + 2 * n, *noise = work + 3 * n;
    for (int64_t i = 0; i < n; i++) noise[i] = 0.0;
    for (int64_t t = 0; t < n_steps; t++) {
        if (noise_size > 0.0) {
            fill_normal(noise, n, noise_size, state, ziggurat);
            if (ends == 2) noise[0] = noise[n - 1] = 0.0;
        }
        line_force(u, n, pinning, width, per_period, stiffness, drive, ends, first);
        for (int64_t i = 0; i < n; i++) guess[i] = u[i] + (step * first[i] + noise[i]);
        line_force(guess, n, pinning, width, per_period, stiffness, drive, ends, second);
        for (int64_t i = 0; i < n; i++)
            u[i] += 0.5 * step * (first[i] + second[i]) + noise[i];
    }
}
