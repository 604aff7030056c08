/* The kernels of checkerboard_kernels.py and multispin_kernels.py: same layout, same random lanes. */
#include <stdint.h>

/* one byte a site: rows of columns / 2 + 2 entries, the first and last repeat the other end */
static void bytes_half(int8_t *restrict changing, const int8_t *restrict fixed, int64_t rows,
                       int64_t n, const uint32_t *restrict t, uint32_t *restrict lanes,
                       int64_t n_blocks, int64_t colour)
{
    int64_t wide = n + 2;
    uint32_t l0 = t[0], l1 = t[1], l2 = t[2], l3 = t[3], l4 = t[4];
    uint32_t h0 = t[5], h1 = t[6], h2 = t[7], h3 = t[8], h4 = t[9];
    for (int64_t block = 0; block < n_blocks; block++) {
        uint32_t *restrict first = lanes + 2 * block * n, *restrict second = first + n;
        for (int64_t i = block * rows / n_blocks; i < (block + 1) * rows / n_blocks; i++) {
            const int8_t *above = fixed + (i ? i - 1 : rows - 1) * wide + 1;
            const int8_t *below = fixed + (i < rows - 1 ? i + 1 : 0) * wide + 1;
            const int8_t *beside = fixed + i * wide + 1;
            const int8_t *further = beside + ((i + colour) % 2 ? 1 : -1);
            int8_t *here = changing + i * wide + 1;
            for (int64_t c = 0; c < n; c++) {
                uint32_t a = first[c], b = second[c], word = a * 0x9E3779BBu;
                b ^= a;
                first[c] = ((a << 26) | (a >> 6)) ^ b ^ (b << 9);
                second[c] = (b << 13) | (b >> 19);
                int8_t count = above[c] + below[c] + beside[c] + further[c];
                uint32_t low = count == 1 ? l1 : l0, high = count == 1 ? h1 : h0;
                low = count == 2 ? l2 : low;
                low = count == 3 ? l3 : low;
                low = count == 4 ? l4 : low;
                high = count == 2 ? h2 : high;
                high = count == 3 ? h3 : high;
                high = count == 4 ? h4 : high;
                here[c] = word < (here[c] == 1 ? high : low);
            }
            here[-1] = here[n - 1];
            here[n] = here[0];
        }
    }
}

void checkerboard_sweeps(int8_t *even, int8_t *odd, int64_t rows, int64_t n, const uint32_t *t,
                         uint32_t *lanes, int64_t n_blocks, int64_t n_sweeps)
{
    for (int64_t k = 0; k < n_sweeps; k++) {
        bytes_half(even, odd, rows, n, t, lanes, n_blocks, 0);
        bytes_half(odd, even, rows, n, t, lanes, n_blocks, 1);
    }
}

/* 64 sites a word: rows + 2 rows of n + 2 words with a rim */
static void close_rim(uint64_t *words, int64_t rows, int64_t n)
{
    int64_t wide = n + 2;
    for (int64_t c = 1; c <= n; c++) {
        uint64_t below = words[rows * wide + c], above = words[wide + c];
        words[c] = (below << 1) | (below >> 63);
        words[(rows + 1) * wide + c] = (above >> 1) | (above << 63);
    }
    for (int64_t i = 1; i <= rows; i++) {
        words[i * wide] = words[i * wide + n];
        words[i * wide + n + 1] = words[i * wide + 1];
    }
}

#define NEXT(word)                                                    \
    word = a + b;                                                     \
    b ^= a;                                                           \
    a = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);                      \
    b = (b << 37) | (b >> 27);
#define PLACE(m, ones) m = (m & word) | (ones & (m | word));
#define HALF_SWEEP(NAME, K, CHANCES, RULE)                                                        \
    static void NAME(uint64_t *restrict changing, const uint64_t *restrict fixed, int64_t rows,   \
                     int64_t n, const uint64_t *restrict given, uint64_t *restrict first,         \
                     uint64_t *restrict second, int64_t colour)                                   \
    {                                                                                             \
        int64_t wide = n + 2;                                                                     \
        uint64_t table[17 * K];                                                                   \
        for (int k = 0; k < 17 * K; k++) table[k] = given[k];                                     \
        for (int64_t i = 1; i <= rows; i++) {                                                     \
            const uint64_t *beside = fixed + i * wide + 1, *above = beside - wide,                \
                           *below = beside + wide,                                                \
                           *further = beside + ((i - 1 + colour) % 2 ? 1 : -1);                   \
            uint64_t *here = changing + i * wide + 1;                                             \
            for (int64_t c = 0; c < n; c++) {                                                     \
                uint64_t a = first[c], b = second[c], word;                                       \
                CHANCES                                                                           \
                first[c] = a;                                                                     \
                second[c] = b;                                                                    \
                RULE                                                                              \
            }                                                                                     \
        }                                                                                         \
        close_rim(changing, rows, n);                                                             \
    }                                                                                             \
    void multispin_##NAME##_sweeps(uint64_t *even, uint64_t *odd, int64_t rows, int64_t n,        \
                                   const uint64_t *table, uint64_t *lanes, int64_t n_sweeps)      \
    {                                                                                             \
        for (int64_t k = 0; k < n_sweeps; k++) {                                                  \
            NAME(even, odd, rows, n, table, lanes, lanes + n, 0);                                 \
            NAME(odd, even, rows, n, table, lanes, lanes + n, 1);                                 \
        }                                                                                         \
    }

#define TWO(b) NEXT(word) PLACE(easy, table[2 * b]) PLACE(hard, table[2 * b + 1])
#define FIVE(b)                                                                                   \
    NEXT(word) PLACE(m0, table[5 * b]) PLACE(m1, table[5 * b + 1]) PLACE(m2, table[5 * b + 2])    \
    PLACE(m3, table[5 * b + 3]) PLACE(m4, table[5 * b + 4])
#define SIXTEEN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define START(m, rest) uint64_t m = -((word - rest) >> 63);
#define TWO_CHANCES NEXT(word) word >>= 32; START(easy, table[32]) START(hard, table[33]) SIXTEEN(TWO)
#define FIVE_CHANCES                                                                              \
    NEXT(word) word >>= 32; START(m0, table[80]) START(m1, table[81]) START(m2, table[82])        \
    START(m3, table[83]) START(m4, table[84]) SIXTEEN(FIVE)
#define FLIP                                                                                      \
    uint64_t site = here[c], p = above[c] ^ site, q = below[c] ^ site, r = beside[c] ^ site,      \
             s = further[c] ^ site, some = p | q, others = r | s;                                 \
    here[c] = site ^ ((p & q) | (r & s) | (some & others) | ((some | others) & easy) | hard);
#define DRAW                                                                                      \
    uint64_t one = above[c] ^ below[c], two = above[c] & below[c], other_one = beside[c] ^ further[c], \
             other_two = beside[c] & further[c], none = ~(one | two),                             \
             other_none = ~(other_one | other_two);                                               \
    here[c] = (none & other_none & m0) | (((one & other_none) | (none & other_one)) & m1) |       \
              (((two & other_none) | (none & other_two) | (one & other_one)) & m2) |              \
              (((two & other_one) | (one & other_two)) & m3) | (two & other_two & m4);

HALF_SWEEP(metropolis, 2, TWO_CHANCES, FLIP)
HALF_SWEEP(heat_bath, 5, FIVE_CHANCES, DRAW)
