/* The kernels of replica_kernels.py: same layout, same random lanes, same order of float sums. */
#include <stdint.h>

#pragma GCC optimize("fp-contract=off") /* the compiled Python has no fused multiply-add */

static void count_group(uint64_t *restrict count, const uint64_t *restrict words, int64_t row,
                        const uint64_t *restrict entry, int64_t begin, int64_t end)
{
    for (int64_t w = 0; w < row; w += 8) {
        const uint64_t *at = words + w;
        uint64_t *restrict out = count + w;
        int64_t e = begin;
        if (end - e >= 4) {
            const uint64_t *p = at + entry[e] * row, *q = at + entry[e + 1] * row,
                           *r = at + entry[e + 2] * row, *s = at + entry[e + 3] * row;
            for (int k = 0; k < 8; k++) out[k] = p[k] + q[k] + r[k] + s[k];
            e += 4;
        } else {
            const uint64_t *p = at + entry[e] * row, *q = at + entry[e + 1] * row;
            for (int k = 0; k < 8; k++) out[k] = p[k] + q[k];
            e += 2;
        }
        for (; e < end; e += 2) {
            const uint64_t *p = at + entry[e] * row, *q = at + entry[e + 1] * row;
            for (int k = 0; k < 8; k++) out[k] += p[k] + q[k];
        }
    }
}

static void draw_row(uint8_t *restrict here, const float *restrict around,
                     uint32_t *restrict first, uint32_t *restrict second, int64_t width)
{
    for (int64_t r = 0; r < width; r++) {
        uint32_t a = first[r], b = second[r], word = a * 0x9E3779BBu;
        b ^= a;
        first[r] = ((a << 26) | (a >> 6)) ^ b ^ (b << 9);
        second[r] = (b << 13) | (b >> 19);
        union { float f; uint32_t i; } field = {around[r]}, height = field, scale;
        uint32_t sign = field.f < 0.0f;
        height.i &= 0x7fffffffu;
        height.i = height.i < 0x42c80000u ? height.i : 0x42c80000u; /* at most 100 */
        int32_t whole = (int32_t)height.f;
        float z = height.f - (float)whole;
        float power =
            1.0f + z * (0.6931470444f +
                        z * (0.2402293056f +
                             z * (0.05548528052f +
                                  z * (0.009675451733f +
                                       z * (0.001246784512f + z * 0.0002161291898f)))));
        scale.i = (uint32_t)(whole + 127) << 23;
        uint32_t unlikely = ((float)word + 0.5f) * (1.0f + power * scale.f) < 4294967296.0f;
        here[r] = unlikely ^ sign ^ 1u;
    }
}

void replica_sweeps(uint8_t *states, const int64_t *sites, int64_t n_drawn,
                    const int64_t *group_start, const int64_t *entry_start, const int32_t *kind,
                    const float *degree, const uint64_t *entry, const float *strength,
                    const float *field, int64_t field_rows, const float *offset, int64_t n_sweeps,
                    uint32_t *lanes, float *restrict around, uint64_t *count_words, int64_t width)
{
    for (int64_t t = 0; t < n_sweeps; t++)
        for (int64_t k = 0; k < n_drawn; k++) {
            int64_t site = sites[k];
            const float *restrict base = field + (field_rows > 1 ? site : 0) * width;
            for (int64_t r = 0; r < width; r++) around[r] = base[r] + offset[site];
            for (int64_t g = group_start[site]; g < group_start[site + 1]; g++) {
                count_group(count_words, (const uint64_t *)states, width / 8, entry,
                            entry_start[g], entry_start[g + 1]);
                const float *restrict j = strength + (int64_t)kind[g] * width;
                const uint8_t *restrict count = (const uint8_t *)count_words;
                float d = degree[g];
                for (int64_t r = 0; r < width; r++)
                    around[r] += j[r] * ((float)count[r] * 2.0f - d);
            }
            draw_row(states + site * width, around, lanes, lanes + width, width);
        }
}
