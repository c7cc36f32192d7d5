/* Durations in microseconds, counted log-linearly: 64 buckets to a doubling, so that a value is known to 1.6 %. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { EXACT_BITS = 7, EXACT = 1 << EXACT_BITS, HALF = EXACT / 2, BUCKETS = HALF * (32 - EXACT_BITS + 2) };

struct histogram {
    uint64_t n, max, counts[BUCKETS];
};

/* What lies below EXACT has a bucket of its own; above, `value >> doubling` lies in HALF..EXACT-1. */
static inline void add(struct histogram *h, uint64_t us) {
    uint64_t value = us < UINT32_MAX ? us : UINT32_MAX;
    int doubling = value < EXACT ? 0 : 64 - __builtin_clzll(value) - EXACT_BITS;
    h->counts[doubling * HALF + (int)(value >> doubling)]++;
    h->n++;
    h->max = us > h->max ? us : h->max;
}

/* Prints the buckets that are not empty, each by its least value, and forgets them. */
static inline void print_histogram(struct histogram *h) {
    printf("histogram n=%" PRIu64 " max=%" PRIu64, h->n, h->max);
    for (int i = 0; i < BUCKETS; i++) {
        int doubling = i < EXACT ? 0 : i / HALF - 1;
        if (h->counts[i] > 0)
            printf(" %" PRIu64 ":%" PRIu64, (uint64_t)(i - doubling * HALF) << doubling, h->counts[i]);
    }
    printf("\n");
    memset(h, 0, sizeof *h);
}

#endif
