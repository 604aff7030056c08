/* Twins of lattice_models/cluster_kernels.py and of temper_two_states: same steps, same words. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ROTATE(x, k) (((x) << (k)) | ((x) >> (64 - (k))))
#define UNIT (1.0 / 9007199254740992.0)

typedef struct {
    uint64_t first, second;
} Lane;

static inline uint64_t next(Lane *lane) {
    uint64_t word = lane->first + lane->second;
    lane->second ^= lane->first;
    lane->first = ROTATE(lane->first, 24) ^ lane->second ^ (lane->second << 16);
    lane->second = ROTATE(lane->second, 37);
    return word;
}

static inline int64_t below(Lane *lane, int64_t n) { return (int64_t)((next(lane) >> 11) * UNIT * n); }

#define TRY(ROW, COLUMN, DRAW)                                                                     \
    {                                                                                              \
        uint32_t site = (ROW) * columns + (COLUMN);                                                \
        uint32_t link = (codes[site] == old) & ((DRAW) < threshold);                               \
        codes[site] ^= turn & -(int8_t)link;                                                       \
        queue[end] = ((ROW) << 16) | (COLUMN);                                                     \
        end += link;                                                                               \
    }

void wolff_square(int8_t *restrict codes, int64_t n_rows, int64_t n_columns, uint64_t threshold,
                  int64_t n_codes, int64_t n_clusters, int64_t n_sweeps, uint32_t *restrict queue,
                  int64_t *restrict counts, uint64_t *restrict state) {
    int64_t n_sites = n_rows * n_columns;
    uint32_t rows = n_rows, columns = n_columns;
    Lane lane = {state[0], state[1]};
    for (int64_t sweep = 0; sweep < n_sweeps; sweep++) {
        int64_t clusters = n_clusters + (int64_t)(next(&lane) >> 63);
        for (int64_t cluster = 0; cluster < clusters; cluster++) {
            uint32_t seed = below(&lane, n_sites);
            int8_t old = codes[seed], new = 1 - old;
            if (n_codes > 2) {
                new = below(&lane, n_codes - 1);
                new += new >= old;
            }
            int8_t turn = old ^ new;
            codes[seed] = new;
            queue[0] = ((seed / columns) << 16) | (seed % columns);
            uint32_t head = 0, end = 1;
            while (head < end) {
                uint32_t place = queue[head++], row = place >> 16, column = place & 0xFFFF;
                uint64_t word = next(&lane), other = next(&lane);
                uint32_t right = column + 1 == columns ? 0 : column + 1;
                uint32_t left = (column == 0 ? columns : column) - 1;
                uint32_t down = row + 1 == rows ? 0 : row + 1;
                uint32_t up = (row == 0 ? rows : row) - 1;
                TRY(row, right, word & 0xFFFFFFFF)
                TRY(row, left, word >> 32)
                TRY(down, column, other & 0xFFFFFFFF)
                TRY(up, column, other >> 32)
            }
            counts[0]++;
            counts[1] += end;
        }
    }
    state[0] = lane.first;
    state[1] = lane.second;
}

/* The loop of textbooks, on a square lattice whose edge is a power of two: for comparison. */
void wolff_textbook(int8_t *restrict codes, int64_t n_rows, uint64_t threshold, int64_t n_clusters,
                    int32_t *restrict stack, int64_t *restrict counts, uint64_t *restrict state) {
    int64_t mask = n_rows - 1, bits = 0;
    Lane lane = {state[0], state[1]};
    while ((1L << bits) < n_rows) bits++;
    for (int64_t cluster = 0; cluster < n_clusters; cluster++) {
        int64_t site = below(&lane, n_rows * n_rows), top = 1;
        int8_t old = codes[site];
        codes[site] = 1 - old;
        stack[0] = site;
        while (top) {
            site = stack[--top];
            int64_t column = site & mask, row = site >> bits;
            int64_t near[4] = {row << bits | ((column + 1) & mask), row << bits | ((column - 1) & mask),
                               ((row + 1) & mask) << bits | column, ((row - 1) & mask) << bits | column};
            for (int k = 0; k < 4; k++)
                if (codes[near[k]] == old && (next(&lane) >> 32) < threshold) {
                    codes[near[k]] = 1 - old;
                    stack[top++] = near[k];
                }
            counts[1]++;
        }
        counts[0]++;
    }
    state[0] = lane.first;
    state[1] = lane.second;
}

static inline uint32_t find(uint32_t *parents, uint32_t site) {
    uint32_t above = parents[site];
    while (above != site) {
        uint32_t higher = parents[above];
        parents[site] = higher;
        site = higher;
        above = parents[site];
    }
    return site;
}

static inline void join(uint32_t *parents, uint32_t site, uint32_t other) {
    uint32_t a = find(parents, site), b = find(parents, other);
    parents[a > b ? a : b] = a > b ? b : a;
}

void swendsen_wang_square(int8_t *restrict codes, int64_t n_rows, int64_t n_columns,
                          uint64_t threshold, int64_t n_codes, int64_t n_sweeps,
                          uint32_t *restrict parents, uint64_t *restrict state) {
    uint32_t rows = n_rows, columns = n_columns;
    Lane lane = {state[0], state[1]};
    for (int64_t sweep = 0; sweep < n_sweeps; sweep++) {
        uint32_t site = 0;
        for (uint32_t row = 0; row < rows; row++) {
            uint32_t root = 0;
            for (uint32_t column = 0; column < columns; column++, site++) {
                uint64_t word = next(&lane);
                uint32_t left = column > 0 ? site - 1 : site;
                bool linked = (codes[site] == codes[left]) & ((word & 0xFFFFFFFF) < threshold);
                root = linked & (column > 0) ? root : site;
                parents[site] = root;
                if (row > 0) {
                    uint32_t above = site - columns;
                    if ((codes[site] == codes[above]) & ((word >> 32) < threshold)) {
                        uint32_t high = find(parents, above);
                        parents[high > root ? high : root] = high > root ? root : high;
                        root = high > root ? root : high;
                        parents[site] = root;
                    }
                }
            }
        }
        for (uint32_t row = 0; row < rows; row++) {
            uint32_t here = row * columns, other = here + columns - 1;
            uint64_t word = next(&lane);
            if (codes[here] == codes[other] && (word >> 32) < threshold) join(parents, here, other);
        }
        for (uint32_t column = 0; column < columns; column++) {
            uint32_t other = (rows - 1) * columns + column;
            uint64_t word = next(&lane);
            if (codes[column] == codes[other] && (word >> 32) < threshold)
                join(parents, column, other);
        }
        uint64_t bits = 1;
        for (uint32_t here = 0; here < rows * columns; here++) {
            if (n_codes == 2 && (here & 63) == 0) bits = next(&lane);
            uint32_t root = parents[here];
            if (root == here) {
                codes[here] = n_codes == 2 ? (bits >> (here & 63)) & 1 : below(&lane, n_codes);
            } else {
                root = parents[root];
                parents[here] = root;
                codes[here] = codes[root];
            }
        }
    }
    state[0] = lane.first;
    state[1] = lane.second;
}

void wolff_any(int8_t *restrict codes, int64_t n_sites, int64_t q, const uint64_t *restrict start,
               const uint32_t *restrict neighbour, const uint32_t *restrict offset,
               const uint64_t *restrict thresholds, const int8_t *restrict images,
               const int32_t *restrict movers, int64_t most_movers,
               const int64_t *restrict n_movers, const double *restrict site_energy,
               int64_t with_field, int64_t one_way, int64_t n_clusters, int64_t n_sweeps,
               uint32_t *restrict queue, int64_t *restrict stamps, int64_t *restrict counts,
               uint64_t *restrict state) {
    Lane lane = {state[0], state[1]};
    for (int64_t sweep = 0; sweep < n_sweeps; sweep++) {
        int64_t clusters = n_clusters + (int64_t)(next(&lane) >> 63);
        for (int64_t number = 0; number < clusters; number++) {
            int64_t cluster = ++counts[0];
            uint32_t seed = below(&lane, n_sites);
            int64_t code = codes[seed], choices = n_movers[code], choice = 0;
            if (choices == 0) continue;
            if (choices > 1) choice = below(&lane, choices);
            const int8_t *image = images + movers[code * most_movers + choice] * q;
            double limit = INFINITY, rise = 0.0;
            if (with_field) limit = -log(1.0 - (next(&lane) >> 11) * UNIT);
            stamps[seed] = cluster;
            queue[0] = seed;
            uint32_t head = 0, end = 1;
            while (head < end) {
                uint32_t site = queue[head++];
                code = codes[site];
                int64_t reflected = image[code];
                if (with_field) {
                    rise += site_energy[site * q + reflected] - site_energy[site * q + code];
                    if (one_way && rise > limit) break;
                }
                int64_t row = (code * q + reflected) * q;
                for (uint64_t entry = start[site]; entry < start[site + 1]; entry++) {
                    uint32_t other = neighbour[entry];
                    uint64_t word = next(&lane);
                    uint64_t threshold = thresholds[offset[entry] + row + codes[other]];
                    uint32_t link = (stamps[other] != cluster) & ((word >> 11) < threshold);
                    stamps[other] ^= (stamps[other] ^ cluster) & -(int64_t)link;
                    queue[end] = other;
                    end += link;
                }
            }
            counts[1] += head;
            if (rise <= limit)
                for (uint32_t member = 0; member < end; member++)
                    codes[queue[member]] = image[codes[queue[member]]];
        }
    }
    state[0] = lane.first;
    state[1] = lane.second;
}

void swendsen_wang_any(int8_t *restrict codes, int64_t n_sites, int64_t q,
                       const uint64_t *restrict start, const uint32_t *restrict earlier,
                       const uint32_t *restrict offset, const uint64_t *restrict thresholds,
                       const int8_t *restrict images, int64_t n_images, int64_t recolour,
                       const double *restrict site_energy, int64_t with_field, int64_t n_sweeps,
                       uint32_t *restrict parents, int8_t *restrict turns,
                       uint64_t *restrict state) {
    Lane lane = {state[0], state[1]};
    for (int64_t sweep = 0; sweep < n_sweeps; sweep++) {
        const int8_t *image = images;
        if (n_images > 1) image += q * below(&lane, n_images);
        parents[0] = 0;
        for (int64_t site = 0; site < n_sites; site++) {
            uint32_t node = site + 1, root = node;
            parents[node] = root;
            int64_t code = codes[site], row = (code * q + image[code]) * q;
            for (uint64_t entry = start[site]; entry < start[site + 1]; entry++) {
                uint32_t other = earlier[entry];
                if ((next(&lane) >> 11) < thresholds[offset[entry] + row + codes[other]]) {
                    uint32_t high = find(parents, other + 1);
                    parents[high > root ? high : root] = high > root ? root : high;
                    root = high > root ? root : high;
                }
            }
            if (with_field) {
                const double *energy = site_energy + site * q;
                double rise = energy[image[code]] - energy[code];
                if (recolour) {
                    double most = energy[0];
                    for (int64_t state = 1; state < q; state++) most = fmax(most, energy[state]);
                    rise = most - energy[code];
                }
                uint64_t word = next(&lane);
                if (rise > 0.0 && (word >> 11) * UNIT >= exp(-rise)) {
                    parents[root] = 0;
                    root = 0;
                }
            }
            parents[node] = root;
        }
        uint64_t bits = 1;
        for (int64_t site = 0; site < n_sites; site++) {
            if ((site & 63) == 0) bits = next(&lane);
            uint32_t node = site + 1, root = parents[node];
            if (root != node) {
                root = parents[root];
                parents[node] = root;
            } else if (recolour) {
                turns[node] = below(&lane, q);
            } else {
                turns[node] = (bits >> (site & 63)) & 1;
            }
            if (root != 0) {
                if (recolour) codes[site] = turns[root];
                else if (turns[root] == 1) codes[site] = image[codes[site]];
            }
        }
    }
    state[0] = lane.first;
    state[1] = lane.second;
}

/* Products are not fused with sums, as numba does not fuse them: results must agree to the bit. gcc
   makes vectors of this loop only where no floating-point trap could be missed. */
#define AS_NUMBA __attribute__((optimize("fp-contract=off", "no-trapping-math")))

AS_NUMBA static inline double exponential(double x) {
    double held = x < -700.0 ? -700.0 : x;
    held = held > 700.0 ? 700.0 : held;
    double power = floor(held * 1.4426950408889634 + 0.5);
    double y = (held - power * 6.93145751953125e-1) - power * 1.42860682030941723212e-6;
    double tail = 1.0 / 5040 +
                  y * (1.0 / 40320 +
                       y * (1.0 / 362880 +
                            y * (1.0 / 3628800 + y * (1.0 / 39916800 + y * (1.0 / 479001600)))));
    double series =
        1.0 +
        y * (1.0 +
             y * (1.0 / 2 +
                  y * (1.0 / 6 + y * (1.0 / 24 + y * (1.0 / 120 + y * (1.0 / 720 + y * tail))))));
    int64_t bits = ((int64_t)power + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return series * scale;
}

AS_NUMBA void
temper_two_states(int8_t *restrict codes, int64_t n_sites, int64_t n_replicas,
                  const int64_t *restrict start, const int32_t *restrict neighbour,
                  const double *restrict slope, const double *restrict base,
                  const double *restrict factors, int64_t n_sweeps, double *restrict energies,
                  int64_t *restrict rung_of, int64_t *restrict replica_at,
                  int64_t *restrict tallies, int64_t *restrict counter, uint64_t *restrict lanes,
                  uint64_t *restrict state, double *restrict work) {
    uint64_t *restrict first = lanes, *restrict second = lanes + n_replicas;
    double *restrict gap = work, *restrict scale = work + n_replicas;
    Lane lane = {state[0], state[1]};
    for (int64_t sweep = 0; sweep < n_sweeps; sweep++) {
        for (int64_t r = 0; r < n_replicas; r++) scale[r] = factors[rung_of[r]];
        for (int64_t site = 0; site < n_sites; site++) {
            for (int64_t r = 0; r < n_replicas; r++) gap[r] = base[site];
            for (int64_t entry = start[site]; entry < start[site + 1]; entry++) {
                double step = slope[entry];
                const int8_t *row = codes + neighbour[entry] * n_replicas;
                for (int64_t r = 0; r < n_replicas; r++) gap[r] += step * row[r];
            }
            int8_t *here = codes + site * n_replicas;
            for (int64_t r = 0; r < n_replicas; r++) {
                uint64_t a = first[r], b = second[r], word = a + b;
                b ^= a;
                first[r] = ROTATE(a, 24) ^ b ^ (b << 16);
                second[r] = ROTATE(b, 37);
                double draw = (word >> 11) * UNIT;
                int8_t new = draw * (1.0 + exponential(scale[r] * gap[r])) < 1.0;
                energies[r] += gap[r] * (new - here[r]);
                here[r] = new;
            }
        }
        for (int64_t lower = counter[0] & 1; lower < n_replicas - 1; lower += 2) {
            int64_t hot = replica_at[lower], cold = replica_at[lower + 1];
            double log_chance =
                (factors[lower + 1] - factors[lower]) * (energies[cold] - energies[hot]);
            tallies[lower]++;
            if (log_chance >= 0.0 || (next(&lane) >> 11) * UNIT < exp(log_chance)) {
                tallies[n_replicas + lower]++;
                replica_at[lower] = cold;
                replica_at[lower + 1] = hot;
                rung_of[cold] = lower;
                rung_of[hot] = lower + 1;
            }
        }
        int64_t hot = replica_at[0], cold = replica_at[n_replicas - 1];
        if (tallies[2 * n_replicas + hot] == 1) tallies[2 * n_replicas + hot] = 2;
        if (tallies[2 * n_replicas + cold] == 2) tallies[3 * n_replicas + cold]++;
        tallies[2 * n_replicas + cold] = 1;
        counter[0]++;
    }
    state[0] = lane.first;
    state[1] = lane.second;
}
