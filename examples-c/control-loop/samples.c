#define _POSIX_C_SOURCE 200809L
#include "samples.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SUB_BUCKET_BITS 4

void *resident_calloc(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    void *memory = malloc(count * size);
    if (!memory) return NULL;
    memset(memory, 0xFF, count * size); /* not calloc: its pages would be taken at their first use, in the loop */
    memset(memory, 0, count * size);
    (void)mlock(memory, count * size); /* a refusal costs nothing unless memory runs short */
    return memory;
}

int samples_create(samples_t *samples, size_t capacity)
{
    *samples = (samples_t){resident_calloc(capacity, sizeof(uint64_t)), 0, capacity};
    return samples->ns ? 0 : -1;
}

void samples_destroy(samples_t *samples)
{
    free(samples->ns);
    *samples = (samples_t){NULL, 0, 0};
}

void samples_add(samples_t *samples, uint64_t ns)
{
    if (samples->count < samples->capacity) samples->ns[samples->count++] = ns;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The smallest sample that at least `per_mille` thousandths of all samples do not exceed. */
static double nearest_rank(const samples_t *samples, size_t per_mille)
{
    size_t rank = (samples->count * per_mille + 999) / 1000;
    return (double)samples->ns[rank > 0 ? rank - 1 : 0];
}

summary_t samples_summarise(samples_t *samples)
{
    if (samples->count == 0) return (summary_t){0, 0, 0, 0, 0, 0};
    qsort(samples->ns, samples->count, sizeof *samples->ns, compare);
    double sum = 0.0;
    for (size_t i = 0; i < samples->count; i++) sum += (double)samples->ns[i];
    return (summary_t){
        .min_ns = (double)samples->ns[0],
        .mean_ns = sum / (double)samples->count,
        .p50_ns = nearest_rank(samples, 500),
        .p99_ns = nearest_rank(samples, 990),
        .p999_ns = nearest_rank(samples, 999),
        .max_ns = (double)samples->ns[samples->count - 1],
    };
}

/* The width of the bucket that holds `ns`: a power of two, a sixteenth of the octave's start, at least 1. */
static uint64_t bucket_width(uint64_t ns)
{
    uint64_t width = 1;
    while ((ns / width) >> (SUB_BUCKET_BITS + 1) != 0) width *= 2;
    return width;
}

size_t samples_buckets(const samples_t *samples, rtw_bucket_t *buckets, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < samples->count; i++) {
        uint64_t width = bucket_width(samples->ns[i]), low = samples->ns[i] / width * width;
        if (used > 0 && buckets[used - 1].low_ns == (double)low) {
            buckets[used - 1].count++;
        } else if (used < capacity) {
            buckets[used++] = (rtw_bucket_t){(double)low, (double)(low + width), 1};
        }
    }
    return used;
}
