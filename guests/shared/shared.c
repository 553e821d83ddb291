/* The guest of examples-c/shared-buffer: hands a part of its memory over, and works in what the host puts there. */
#include <stdint.h>

#define BYTES 65536

/* Aligned to the pages of every system. In each new guest it is in the same place, and nothing else uses it. */
static float shared[BYTES / sizeof(float)] __attribute__((aligned(65536)));

__attribute__((export_name("buffer"))) float *buffer(void)
{
    return shared;
}

__attribute__((export_name("buffer_bytes"))) int32_t buffer_bytes(void)
{
    return BYTES;
}

/* Multiplies samples in place. */
__attribute__((export_name("scale"))) void scale(float *samples, int32_t count, float factor)
{
    for (int32_t i = 0; i < count; i++) samples[i] *= factor;
}
