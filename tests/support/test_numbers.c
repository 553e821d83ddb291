/* quantile of numbers.h against its definition, counted out in whole numbers: the smallest of the values 1 to count that at least
 * that share of them does not exceed. Prints what differs. */
#include "numbers.h"

#include <stdio.h>

enum { MOST = 3000 };

/* The quantile that is not by nearest rank: what this program is there to find. */
static double by_index(const double *sorted, size_t count, double share) { return sorted[(size_t)((double)(count - 1) * share)]; }

static size_t differing(double (*judged)(const double *, size_t, double)) {
    static const struct {
        double share;
        size_t of, whole;
    } shares[] = {{0, 0, 1}, {0.5, 1, 2}, {0.9, 9, 10}, {0.95, 19, 20}, {0.99, 99, 100}, {0.999, 999, 1000}, {0.9999, 9999, 10000}, {1, 1, 1}};
    static double values[MOST];
    size_t wrong = 0;
    for (size_t count = 1; count <= MOST; count++) {
        values[count - 1] = (double)count;
        for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
            size_t rank = 1;
            while (rank * shares[i].whole < shares[i].of * count) rank++;
            const double got = judged(values, count, shares[i].share);
            if ((size_t)got == rank) continue;
            if (wrong++ == 0) printf("%g of %zu: %g instead of %zu\n", shares[i].share, count, got, rank);
        }
    }
    return wrong;
}

int main(int argc, char **argv) {
    (void)argv;
    return (argc > 1 ? differing(by_index) : differing(quantile)) != 0;
}
