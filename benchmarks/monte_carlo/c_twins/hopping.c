// Twin of physlearn.lattice_models.hopping_kernels: the same arrays, the same random lane.
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t n_sites, q, n_classes, dimension, n_changes, n_strengths, n_parts, dose_columns;
    int64_t n_levels, n_particles, room, rule, n_ways;
    double period;
    const int32_t *ways, *shift; const double *numbers;
    const int8_t *kinds; const double *strengths; const int32_t *near;
    const double *site_energy, *pair_energy; const int32_t *links; const double *weight;
    const double *starts, *doses;
    int64_t *sites; double *local, *rate, *share, *tree; const int64_t *level; int64_t *touched;
    int32_t *winding; double *clock; int64_t *count; uint64_t *lanes;
    double *log_time; int64_t *log_row;
} Run;

enum { CODE, HOLDER, STAMP, WAYS, LINKS, NEAR, COLUMNS = 8 };
enum { TIME, NEXT, PART_END };
enum { CYCLE, PART, EVENTS, NOW, LOGGED, PARTICLES, BEGUN, BUDGET };

static inline double uniform(uint64_t *s) {
    uint64_t a = s[0], b = s[1], word = a + b;
    b ^= a;
    s[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
    s[1] = (b << 37) | (b >> 27);
    return (double)(word >> 11) * (1.0 / 9007199254740992.0);
}

static inline void lift(double *restrict tree, const int64_t *restrict level, int64_t n_levels,
                        int64_t *restrict nodes, int64_t n) {
    for (int64_t k = 0; k < n_levels - 1; k++) {
        int64_t below = level[k], above = level[k + 1], kept = 0, last = -1;
        for (int64_t i = 0; i < n; i++) {
            int64_t block = nodes[i] >> 3;
            if (block != last) {
                const double *f = tree + below + 8 * block;
                tree[above + block] =
                    ((f[0] + f[1]) + (f[2] + f[3])) + ((f[4] + f[5]) + (f[6] + f[7]));
                nodes[kept++] = block;
                last = block;
            }
        }
        n = kept;
    }
}

static inline int64_t pick(const double *tree, const int64_t *level, int64_t n_levels, double *rest) {
    double r = *rest * tree[level[n_levels - 1]];
    int64_t node = 0;
    for (int64_t k = n_levels - 2; k >= 0; k--) {
        int64_t first = level[k] + 8 * node, chosen = 0;
        bool inside = false;
        for (int child = 0; child < 8; child++) {
            double share = tree[first + child];
            if (share > 0.0) {
                chosen = child;
                if (r < share) { inside = true; break; }
                r -= share;
            }
        }
        if (!inside) r = 0.0;
        node = 8 * node + chosen;
    }
    *rest = r;
    return node;
}

static inline int64_t note(Run *r, int64_t site, int64_t n) {
    if (r->sites[site * COLUMNS + STAMP] != r->count[NOW]) {
        r->sites[site * COLUMNS + STAMP] = r->count[NOW];
        r->touched[n++] = site;
    }
    return n;
}

static inline int64_t note_around(Run *r, int column, const int32_t *links, int64_t site,
                                  int64_t n) {
    const int64_t *row = r->sites + site * COLUMNS + column;
    for (int64_t e = row[0]; e < row[COLUMNS]; e++) n = note(r, links[2 * e], n);
    return n;
}

static inline void set_fields(Run *r, int64_t n) {
    int64_t q = r->q;
    for (int64_t i = 0; i < n; i++) {
        int64_t site = r->touched[i];
        double *field = r->local + site * (q + 1);
        const int64_t *row = r->sites + site * COLUMNS;
        for (int64_t c = 0; c < q; c++) {
            double total = r->site_energy[site * q + c];
            for (int64_t e = row[LINKS]; e < row[COLUMNS + LINKS]; e++) {
                int64_t other = r->sites[r->links[2 * e] * COLUMNS + CODE];
                total += r->weight[e] * r->pair_energy[(r->links[2 * e + 1] * q + other) * q + c];
            }
            field[c] = total;
        }
    }
}

static inline double hop_rate(const Run *r, int64_t code, int32_t bond, int64_t from, int64_t to) {
    int64_t q = r->q;
    const double *number = r->numbers + (code * r->n_classes + bond) * 4;
    const double *here = r->local + from * (q + 1), *there = r->local + to * (q + 1);
    double rate = number[0];
    if (r->rule != 0) {
        double change = there[code] - there[0];
        change -= here[code] - here[0];
        change += number[2];
        double up = change > 0.0 ? change : 0.0, height = number[1];
        if (r->rule == 2) {
            height += up;
        } else {
            height = height + 0.5 * change;
            if (!(height > up)) height = up;
        }
        rate *= exp(-height);
    }
    return rate + number[3] * here[q];
}

static inline int64_t set_ways(Run *r, int64_t n) {
    int64_t first_n = n;
    for (int64_t i = 0; i < first_n; i++) {
        int64_t site = r->touched[i];
        const int64_t *row = r->sites + site * COLUMNS;
        int64_t here = row[CODE];
        if (here == 0)
            for (int64_t way = row[WAYS]; way < row[COLUMNS + WAYS]; way++) {
                const int32_t *w = r->ways + 3 * way;
                int64_t code = r->sites[w[0] * COLUMNS + CODE];
                double fresh = code ? hop_rate(r, code, w[2], w[0], site) : 0.0;
                r->rate[way] = 0.0;
                if (fresh != r->rate[w[1]]) {
                    r->rate[w[1]] = fresh;
                    n = note(r, w[0], n);
                }
            }
        else
            for (int64_t way = row[WAYS]; way < row[COLUMNS + WAYS]; way++) {
                const int32_t *w = r->ways + 3 * way;
                int64_t there = r->sites[w[0] * COLUMNS + CODE];
                r->rate[way] = there ? 0.0 : hop_rate(r, here, w[2], site, w[0]);
                if (r->rate[w[1]] != 0.0) {
                    r->rate[w[1]] = 0.0;
                    n = note(r, w[0], n);
                }
            }
    }
    return n;
}

static inline void set_changes(Run *r, int64_t n) {
    int64_t q = r->q;
    for (int64_t i = 0; i < n; i++) {
        int64_t site = r->touched[i];
        const int64_t *row = r->sites + site * COLUMNS;
        const double *local = r->local + site * (q + 1);
        for (int64_t change = 0; change < r->n_changes; change++) {
            double *share = r->share + (site * r->n_changes + change) * 2;
            const int8_t *kind = r->kinds + 3 * change;
            share[0] = share[1] = 0.0;
            if (row[CODE] != kind[0]) continue;
            int64_t seen = 0;
            if (kind[2] >= 0)
                for (int64_t e = row[NEAR]; e < row[COLUMNS + NEAR]; e++)
                    if (r->sites[r->near[2 * e] * COLUMNS + CODE] == kind[2])
                        seen += r->near[2 * e + 1];
            const double *strength = r->strengths + change * r->n_strengths;
            double factor = strength[2 + seen], thermal = factor * strength[0];
            if (r->rule != 0) thermal *= exp(-0.5 * (local[kind[1]] - local[row[CODE]]));
            share[0] = factor * (strength[1] * local[q]);
            share[1] = thermal;
        }
    }
}

static inline void set_leaves(Run *r, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        int64_t site = r->touched[i];
        const int64_t *row = r->sites + site * COLUMNS;
        const double *share = r->share + site * r->n_changes * 2;
        double total = 0.0;
        for (int64_t c = 0; c < r->n_changes; c++) total += share[2 * c] + share[2 * c + 1];
        for (int64_t way = row[WAYS]; way < row[COLUMNS + WAYS]; way++) total += r->rate[way];
        r->tree[site] = total;
    }
}

static inline int64_t enter_part(Run *r) {
    int64_t *count = r->count;
    bool fresh = count[BEGUN] == 0;
    if (fresh) {
        count[BEGUN] = 1;
    } else {
        r->clock[TIME] = r->clock[PART_END];
        if (++count[PART] == r->n_parts) { count[PART] = 0; count[CYCLE]++; }
    }
    double before = count[CYCLE] > 0 ? count[CYCLE] * r->period : 0.0;
    r->clock[PART_END] =
        before + (count[PART] + 1 < r->n_parts ? r->starts[count[PART] + 1] : r->period);
    int64_t n = 0;
    for (int64_t site = 0; site < r->n_sites; site++) {
        double now = r->doses[count[PART] * r->dose_columns + (r->dose_columns > 1 ? site : 0)];
        double *dose = r->local + site * (r->q + 1) + r->q;
        if (fresh || now != *dose) {
            *dose = now;
            n = note(r, site, n);
        }
    }
    return n;
}

static inline void happen(Run *r, int64_t *from, int64_t *to) {
    double rest = uniform(r->lanes);
    int64_t *count = r->count, site = pick(r->tree, r->level, r->n_levels, &rest);
    int64_t *row = r->sites + site * COLUMNS;
    const double *share = r->share + site * r->n_changes * 2;
    int64_t change = -1, way = -1, goal = site, code = row[CODE], particle = -1;
    bool found = false;
    for (int64_t c = 0; c < r->n_changes && !found; c++) {
        double here = share[2 * c] + share[2 * c + 1];
        if (here > 0.0) {
            change = c;
            found = rest < here;
            if (!found) rest -= here;
        }
    }
    if (!found)
        for (int64_t w = row[WAYS]; w < row[COLUMNS + WAYS]; w++) {
            double here = r->rate[w];
            if (here > 0.0) {
                way = w;
                change = -1;
                if (rest < here) break;
                rest -= here;
            }
        }
    double by_beam;
    if (way >= 0) {
        goal = r->ways[3 * way];
        by_beam = r->numbers[(code * r->n_classes + r->ways[3 * way + 2]) * 4 + 3]
                  * r->local[site * (r->q + 1) + r->q];
        r->sites[goal * COLUMNS + CODE] = code;
        row[CODE] = 0;
    } else {
        by_beam = share[2 * change];
        row[CODE] = r->kinds[3 * change + 1];
    }
    if (r->n_particles > 0) {
        particle = row[HOLDER];
        if (way >= 0) {
            row[HOLDER] = -1;
            r->sites[goal * COLUMNS + HOLDER] = particle;
            for (int64_t d = 0; d < r->dimension; d++)
                r->winding[particle * r->dimension + d] += r->shift[way * r->dimension + d];
        } else if (particle < 0) {
            particle = count[PARTICLES]++;
            row[HOLDER] = particle;
        } else if (row[CODE] == 0) {
            row[HOLDER] = -1;
        }
    }
    if (r->room > 0) {
        int64_t *log = r->log_row + 5 * count[LOGGED];
        r->log_time[count[LOGGED]] = r->clock[TIME];
        log[0] = change; log[1] = particle; log[2] = site; log[3] = goal;
        log[4] = rest < by_beam;
        count[LOGGED]++;
    }
    *from = site;
    *to = goal;
}

bool run_events(Run *r, double until) {
    double *clock = r->clock;
    int64_t *count = r->count;
    for (;;) {
        int64_t site = -1, goal = -1, n;
        if (count[BEGUN] == 0 || (clock[PART_END] <= until && clock[NEXT] >= clock[PART_END])) {
            count[NOW]++;
            n = enter_part(r);
        } else if (clock[NEXT] > until) {
            return true;
        } else if (count[BUDGET] <= 0 || (r->room > 0 && count[LOGGED] == r->room)
                   || (r->n_particles > 0 && count[PARTICLES] == r->n_particles)) {
            return false;
        } else {
            clock[TIME] = clock[NEXT];
            count[EVENTS]++;
            count[BUDGET]--;
            count[NOW]++;
            happen(r, &site, &goal);
            n = note(r, site, 0);
            n = note(r, goal, n);
            if (r->rule != 0) {
                n = note_around(r, LINKS, r->links, site, n);
                if (goal != site) n = note_around(r, LINKS, r->links, goal, n);
            }
        }
        if (r->rule != 0) set_fields(r, n);
        if (r->n_ways > 0) n = set_ways(r, n);
        if (r->n_changes > 0) {
            if (site >= 0) {
                n = note_around(r, NEAR, r->near, site, n);
                if (goal != site) n = note_around(r, NEAR, r->near, goal, n);
            }
            set_changes(r, n);
        }
        set_leaves(r, n);
        lift(r->tree, r->level, r->n_levels, r->touched, n);
        double total = r->tree[r->level[r->n_levels - 1]];
        clock[NEXT] = total > 0.0 ? clock[TIME] - log(1.0 - uniform(r->lanes)) / total : INFINITY;
    }
}
