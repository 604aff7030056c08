/* Twin of lattice_models/{ising,exchange}_kernels.py: same tables, same order of random words. */
#include <math.h>
#include <stdint.h>

typedef uint64_t u64;

typedef struct {
    const int64_t *start;
    const uint32_t *neighbour;
    const double *step;
    const int64_t *triplet_start;
    const uint32_t *triplet_left, *triplet_right;
    const double *triplet_step;
    const int64_t *count_start;
    const uint32_t *count_neighbour;
    const uint32_t *count_place;
    const double *count_times;
    int64_t n_triplet_entries, n_counted, n_sites;
    const u64 *chances;
    int8_t *states;
    double *around, *totals;
    u64 *random_state;
} Chain;

#define NEXT_WORD(word, a, b)                                                  \
    do {                                                                       \
        word = a + b;                                                          \
        b ^= a;                                                                \
        a = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);                           \
        b = (b << 37) | (b >> 27);                                             \
    } while (0)

static inline uint32_t bin_of(double cost) {
    double inside = cost < -39.9 ? -39.9 : cost;
    inside = inside > 39.9 ? 39.9 : inside;
    return (uint32_t)((int32_t)((inside + 40.0) * 8.0) << 1);
}

static inline int takes(u64 draw, double cost, const u64 *restrict chances, double base,
                        double top) {
    uint32_t place = bin_of(cost);
    return draw < chances[place] &&
           (draw < chances[place + 1] || (double)draw * 0x1p-53 * (base + exp(cost)) < top);
}

static inline void flip(const Chain *c, int8_t *restrict states, double *restrict around,
                        double *restrict totals, int64_t site, double cost) {
    const uint32_t *restrict neighbour = c->neighbour;
    const double *restrict step = c->step;
    double old = states[site];
    states[site] = (int8_t)-states[site];
    totals[0] += cost;
    totals[1] -= 2.0 * old;
    for (int64_t e = c->start[site], end = c->start[site + 1]; e < end; e++)
        around[neighbour[e]] -= old * step[e];
    if (c->n_counted)
        for (int64_t e = c->count_start[site]; e < c->count_start[site + 1]; e++)
            totals[c->count_place[e]] -= 2.0 * old * states[c->count_neighbour[e]] * c->count_times[e];
    if (c->n_triplet_entries)
        for (int64_t e = c->triplet_start[site]; e < c->triplet_start[site + 1]; e++) {
            uint32_t left = c->triplet_left[e], right = c->triplet_right[e];
            double change = old * c->triplet_step[e];
            around[left] -= change * states[right];
            around[right] -= change * states[left];
        }
}

void single_site_sweeps(const Chain *chain, double base, double top, int64_t n_sweeps) {
    const Chain c = *chain;
    int8_t *restrict states = c.states;
    double *restrict around = c.around, *restrict totals = c.totals;
    u64 a = c.random_state[0], b = c.random_state[1], word;
    for (int64_t t = 0; t < n_sweeps; t++)
        for (int64_t site = 0; site < c.n_sites; site++) {
            double cost = states[site] * around[site];
            NEXT_WORD(word, a, b);
            if (takes(word >> 11, cost, c.chances, base, top))
                flip(&c, states, around, totals, site, cost);
        }
    c.random_state[0] = a, c.random_state[1] = b;
}

static double shared_triplets(const Chain *c, int64_t site, uint32_t other) {
    double total = 0.0;
    for (int64_t e = c->triplet_start[site]; e < c->triplet_start[site + 1]; e++) {
        uint32_t left = c->triplet_left[e], right = c->triplet_right[e];
        if (left == other) total += c->triplet_step[e] * c->states[right];
        else if (right == other) total += c->triplet_step[e] * c->states[left];
    }
    return total;
}

void bond_exchange_sweeps(const Chain *chain, const uint32_t *restrict ends,
                          const double *restrict shared, int64_t n_bonds, int64_t n_sweeps) {
    const Chain c = *chain;
    int8_t *restrict states = c.states;
    double *restrict around = c.around, *restrict totals = c.totals;
    u64 a = c.random_state[0], b = c.random_state[1], word, slots = (u64)n_bonds + 1;
    for (int64_t t = 0; t < n_sweeps * c.n_sites; t++) {
        NEXT_WORD(word, a, b);
        int64_t bond = (int64_t)(((word >> 32) * slots) >> 32);
        if (bond == n_bonds) continue;
        uint32_t site = ends[2 * bond], other = ends[2 * bond + 1];
        if (states[site] == states[other]) continue;
        double cost = shared[bond] + states[site] * (around[site] - around[other]);
        if (c.n_triplet_entries) cost += shared_triplets(&c, site, other);
        NEXT_WORD(word, a, b);
        if (takes(word >> 11, cost, c.chances, 0.0, 1.0)) {
            flip(&c, states, around, totals, site, cost);
            flip(&c, states, around, totals, other, 0.0);
        }
    }
    c.random_state[0] = a, c.random_state[1] = b;
}

void exchange_sweeps(const Chain *chain, uint32_t *restrict order, int64_t n_up,
                     int64_t n_sweeps) {
    const Chain c = *chain;
    int8_t *restrict states = c.states;
    double *restrict around = c.around, *restrict totals = c.totals;
    u64 a = c.random_state[0], b = c.random_state[1], word;
    u64 up = (u64)n_up, down = (u64)c.n_sites - up;
    if (!up || !down) return;
    u64 up_slots = up > down ? up + 1 : up, down_slots = up > down ? down : down + 1;
    for (int64_t t = 0; t < n_sweeps * c.n_sites; t++) {
        NEXT_WORD(word, a, b);
        u64 at = ((word >> 32) * up_slots) >> 32, from = ((word & 0xffffffff) * down_slots) >> 32;
        if (at == up || from == down) continue;
        uint32_t site = order[at], other = order[up + from];
        double cost = 0.0;
        int64_t e = c.start[site], end = c.start[site + 1];
        while (e < end && c.neighbour[e] != other) e++;
        if (e < end)
            for (; e < end; e++)
                if (c.neighbour[e] == other) cost += c.step[e];
        cost += around[site] - around[other];
        if (c.n_triplet_entries) cost += shared_triplets(&c, site, other);
        NEXT_WORD(word, a, b);
        if (takes(word >> 11, cost, c.chances, 0.0, 1.0)) {
            flip(&c, states, around, totals, site, cost);
            flip(&c, states, around, totals, other, 0.0);
            order[at] = other, order[up + from] = site;
        }
    }
    c.random_state[0] = a, c.random_state[1] = b;
}
