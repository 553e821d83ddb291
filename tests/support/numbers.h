/* Quantiles in C, for tests and benchmarks: by nearest rank, as `rank` of src/record/snapshot.rs defines it. */
#ifndef RTWASM_TEST_NUMBERS_H
#define RTWASM_TEST_NUMBERS_H

#include <stdlib.h>

static inline int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts in place, ascending. */
static inline void sort_numbers(double *values, size_t count) { qsort(values, count, sizeof *values, by_value); }

/* Returns the smallest of the sorted values that at least that share of them does not exceed; 0 if there are none. The rank is
 * share * count rounded up; a product that is whole but for its rounding counts as whole. */
static inline double quantile(const double *sorted, size_t count, double share) {
    const size_t index = (size_t)(share * (double)count * (1 - 1e-12));
    return count == 0 ? 0 : sorted[index < count ? index : count - 1];
}

#endif
