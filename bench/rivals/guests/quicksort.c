/* Sorts 256 numbers: data that branches depend on. */
#include "../../../guests/kernels/kernel.h"

enum { COUNT = 256 };

static uint32_t numbers[COUNT], seed;

EXPORT(init) void init(void)
{
    seed = 11;
}

static void sort(uint32_t *from, uint32_t *to)
{
    while (to - from > 1) {
        const uint32_t pivot = from[(to - from) / 2];
        uint32_t *low = from, *high = to - 1;
        for (;;) {
            while (*low < pivot) low++;
            while (*high > pivot) high--;
            if (low >= high) break;
            const uint32_t other = *low;
            *low++ = *high;
            *high-- = other;
        }
        sort(from, low);
        from = low;
    }
}

EXPORT(run) void run(void)
{
    for (size_t i = 0; i < COUNT; i++) numbers[i] = next_random(&seed);
    sort(numbers, numbers + COUNT);
}

EXPORT(checksum) int32_t checksum(void)
{
    return checksum_of(numbers, sizeof numbers);
}
