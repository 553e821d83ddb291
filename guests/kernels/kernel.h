/* Shared by the kernels. Each exports
 *   init()                 fills its data, the same each time, and starts its state anew
 *   run()                  one piece of work, some tenths of a microsecond to a few microseconds
 *   checksum() -> (i32)    of what it has worked out since init
 * and imports nothing. */
#ifndef RTWASM_GUESTS_KERNELS_KERNEL_H
#define RTWASM_GUESTS_KERNELS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name)))

/* Four floats, wherever a float may be. */
typedef float vector_t __attribute__((vector_size(16), aligned(4)));

static inline vector_t load_vector(const float *from)
{
    return *(const vector_t *)from;
}

static inline void store_vector(float *to, vector_t value)
{
    *(vector_t *)to = value;
}

static inline vector_t splat(float value)
{
    return (vector_t){value, value, value, value};
}

/* Hides where a pointer comes from. Loops then walk through the data with constant offsets; from the address of a static array
 * the compiler makes an index that begins below zero, and no offset can be folded into such an address. */
#define HIDE_ORIGIN(pointer) __asm__("" : "+r"(pointer))

/* Marsaglia's xorshift. */
static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Fills with noise from -1 to 1. */
static inline void fill_with_noise(float *to, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) to[i] = (float)(int32_t)next_random(&seed) * 0x1p-31f;
}

/* FNV-1a over 32-bit words. */
static inline int32_t checksum_of(const void *data, size_t bytes)
{
    const uint32_t *words = data;
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < bytes / sizeof *words; i++) sum = (sum ^ words[i]) * 16777619u;
    return (int32_t)sum;
}

#endif
