// Twin of physlearn.lattice_models.hopping_kernels: the same arrays, the same random lane.
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t n_sites, q, n_classes, dimension, n_changes, n_strengths, n_parts, dose_columns;
    int64_t n_levels, n_holder, n_particles, room, rule;
    double period;
    // hops
    const int64_t *start; const int32_t *ways, *shift; const double *numbers;
    // changes
    const int8_t *kinds; const double *strengths; const int64_t *near_start; const int32_t *near;
    // energies
    const double *site_energy, *pair_energy; const int64_t *pair_start; const int32_t *links;
    const double *weight;
    // schedule
    const double *starts, *doses;
    // state
    int8_t *codes; int64_t *holder, *site_of; int32_t *winding;
    double *field, *rate, *dose, *tree; const int64_t *level; int64_t *stamp, *touched;
    double *clock; int64_t *count; uint64_t *lanes;
    // log
    double *log_time; int8_t *log_beam; int32_t *log_change; int64_t *log_particle, *log_from, *log_to;
} Run;

enum { TIME, NEXT, PART_END };
enum { CYCLE, PART, EVENTS, STAMP, LOGGED, PARTICLES, BEGUN };

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
    if (r->stamp[site] != r->count[STAMP]) {
        r->stamp[site] = r->count[STAMP];
        r->touched[n++] = site;
    }
    return n;
}

static inline int64_t note_around(Run *r, const int64_t *start, const int32_t *links, int64_t site,
                                  int64_t n) {
    for (int64_t e = start[site]; e < start[site + 1]; e++) n = note(r, links[2 * e], n);
    return n;
}

static inline void set_fields(Run *r, int64_t n) {
    int64_t q = r->q;
    for (int64_t i = 0; i < n; i++) {
        int64_t site = r->touched[i];
        double *field = r->field + site * q;
        for (int64_t c = 0; c < q; c++) field[c] = r->site_energy[site * q + c];
        for (int64_t e = r->pair_start[site]; e < r->pair_start[site + 1]; e++) {
            const double *pair =
                r->pair_energy + (r->links[2 * e + 1] * q + r->codes[r->links[2 * e]]) * q;
            for (int64_t c = 0; c < q; c++) field[c] += r->weight[e] * pair[c];
        }
    }
}

static inline double way_rate(const Run *r, int64_t site, int64_t way) {
    int64_t code = r->codes[site], goal = r->ways[3 * way];
    if (code == 0 || r->codes[goal] != 0) return 0.0;
    const double *number = r->numbers + (code * r->n_classes + r->ways[3 * way + 2]) * 4;
    double rate = number[0];
    if (r->rule != 0) {
        const double *there = r->field + goal * r->q, *here = r->field + site * r->q;
        double change = (there[code] - there[0]) - (here[code] - here[0]);
        change += number[2];
        double height = number[1], up = change > 0.0 ? change : 0.0;
        if (r->rule == 2) {
            height += up;
        } else {
            height = height + 0.5 * change;
            if (!(height > up)) height = up;
        }
        rate *= exp(-height);
    }
    return rate + number[3] * r->dose[site];
}

static inline int64_t set_ways(Run *r, int64_t n) {
    int64_t first_n = n;
    for (int64_t i = 0; i < first_n; i++) {
        int64_t site = r->touched[i];
        bool occupied = r->codes[site] != 0;
        for (int64_t way = r->start[site]; way < r->start[site + 1]; way++) {
            int64_t back = r->ways[3 * way + 1];
            double fresh = 0.0;
            if (occupied) {
                r->rate[way] = way_rate(r, site, way);
            } else {
                r->rate[way] = 0.0;
                fresh = way_rate(r, r->ways[3 * way], back);
            }
            if (fresh != r->rate[back]) {
                r->rate[back] = fresh;
                n = note(r, r->ways[3 * way], n);
            }
        }
    }
    return n;
}

static inline void change_rates(const Run *r, int64_t site, int64_t change, double *beam,
                                double *thermal) {
    *beam = *thermal = 0.0;
    int8_t code = r->codes[site];
    const int8_t *kind = r->kinds + 3 * change;
    if (code != kind[0]) return;
    int64_t seen = 0;
    if (kind[2] >= 0)
        for (int64_t e = r->near_start[site]; e < r->near_start[site + 1]; e++)
            if (r->codes[r->near[2 * e]] == kind[2]) seen += r->near[2 * e + 1];
    const double *strength = r->strengths + change * r->n_strengths;
    double factor = strength[2 + seen];
    *thermal = factor * strength[0];
    if (r->rule != 0)
        *thermal *= exp(-0.5 * (r->field[site * r->q + kind[1]] - r->field[site * r->q + code]));
    *beam = factor * (strength[1] * r->dose[site]);
}

static inline void set_leaves(Run *r, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        int64_t site = r->touched[i];
        double total = 0.0, beam, thermal;
        for (int64_t c = 0; c < r->n_changes; c++) {
            change_rates(r, site, c, &beam, &thermal);
            total += beam + thermal;
        }
        for (int64_t way = r->start[site]; way < r->start[site + 1]; way++) total += r->rate[way];
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
    count[STAMP]++;
    int64_t n = 0;
    for (int64_t site = 0; site < r->n_sites; site++) {
        double now = r->doses[count[PART] * r->dose_columns + (r->dose_columns > 1 ? site : 0)];
        if (fresh || now != r->dose[site]) {
            r->dose[site] = now;
            n = note(r, site, n);
        }
    }
    return n;
}

static inline void happen(Run *r, int64_t *from, int64_t *to) {
    double rest = uniform(r->lanes), beam, thermal;
    int64_t *count = r->count;
    int64_t site = pick(r->tree, r->level, r->n_levels, &rest);
    int64_t change = -1, last = -1, way = -1, goal = site, code = r->codes[site], particle = -1;
    bool by_beam = false;
    for (int64_t c = 0; c < r->n_changes; c++) {
        change_rates(r, site, c, &beam, &thermal);
        if (beam + thermal > 0.0) {
            last = c;
            by_beam = rest < beam;
            if (rest < beam + thermal) { change = c; break; }
            rest -= beam + thermal;
        }
    }
    if (change < 0)
        for (int64_t w = r->start[site]; w < r->start[site + 1]; w++) {
            double share = r->rate[w];
            if (share > 0.0) {
                way = w;
                if (rest < share) break;
                rest -= share;
            }
        }
    if (way >= 0) {
        goal = r->ways[3 * way];
        by_beam = rest < r->numbers[(code * r->n_classes + r->ways[3 * way + 2]) * 4 + 3]
                             * r->dose[site];
        r->codes[goal] = (int8_t)code;
        r->codes[site] = 0;
    } else {
        change = last;
        r->codes[site] = r->kinds[3 * change + 1];
    }
    if (r->n_holder > 0) {
        particle = r->holder[site];
        if (goal != site) {
            r->holder[site] = -1;
            r->holder[goal] = particle;
            r->site_of[particle] = goal;
            for (int64_t d = 0; d < r->dimension; d++)
                r->winding[particle * r->dimension + d] += r->shift[way * r->dimension + d];
        } else if (particle < 0) {
            particle = count[PARTICLES]++;
            r->holder[site] = particle;
            r->site_of[particle] = site;
        } else if (r->codes[site] == 0) {
            r->holder[site] = -1;
            r->site_of[particle] = -1;
        }
    }
    if (r->room > 0) {
        int64_t place = count[LOGGED]++;
        r->log_time[place] = r->clock[TIME];
        r->log_beam[place] = by_beam;
        r->log_change[place] = (int32_t)change;
        r->log_particle[place] = particle;
        r->log_from[place] = site;
        r->log_to[place] = goal;
    }
    count[EVENTS]++;
    *from = site;
    *to = goal;
}

bool run_events(Run *r, double until) {
    double *clock = r->clock;
    int64_t *count = r->count;
    for (;;) {
        int64_t site = -1, goal = -1, n;
        if (count[BEGUN] == 0 || (clock[PART_END] <= until && clock[NEXT] >= clock[PART_END])) {
            n = enter_part(r);
        } else if (clock[NEXT] > until) {
            return true;
        } else if ((r->room > 0 && count[LOGGED] == r->room)
                   || (r->n_particles > 0 && count[PARTICLES] == r->n_particles)) {
            return false;
        } else {
            clock[TIME] = clock[NEXT];
            happen(r, &site, &goal);
            count[STAMP]++;
            n = note(r, site, 0);
            n = note(r, goal, n);
            n = note_around(r, r->pair_start, r->links, site, n);
            n = note_around(r, r->pair_start, r->links, goal, n);
        }
        set_fields(r, n);
        n = set_ways(r, n);
        if (site >= 0) {
            n = note_around(r, r->near_start, r->near, site, n);
            n = note_around(r, r->near_start, r->near, goal, n);
        }
        set_leaves(r, n);
        lift(r->tree, r->level, r->n_levels, r->touched, n);
        double total = r->tree[r->level[r->n_levels - 1]];
        clock[NEXT] = total > 0.0 ? clock[TIME] - log(1.0 - uniform(r->lanes)) / total : INFINITY;
    }
}
