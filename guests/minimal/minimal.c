/* The guest of examples-c/minimal: multiplies a block of samples in place. */
#include <stdint.h>

#define MAX_FRAMES 1024

static float block[MAX_FRAMES];

/* Where the host puts the samples. */
__attribute__((export_name("buffer"))) float *buffer(void)
{
    return block;
}

/* Returns how many frames it has multiplied: at most what the buffer holds. */
__attribute__((export_name("gain"))) int32_t gain(float *samples, int32_t frames, float factor)
{
    if (frames < 0) return 0;
    if (frames > MAX_FRAMES) frames = MAX_FRAMES;
    for (int32_t i = 0; i < frames; i++) samples[i] *= factor;
    return frames;
}
