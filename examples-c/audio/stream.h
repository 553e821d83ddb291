/* The audio cycle: blocks of a file in memory, through a chain of effects, on a real-time thread of its own.
 *
 * Everything that the thread touches is allocated and touched by stream_create; while the cycle runs it allocates nothing,
 * locks nothing, prints nothing, and its only system call is the sleep until the next block.
 */
#ifndef RTWASM_EXAMPLE_STREAM_H
#define RTWASM_EXAMPLE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "live.h"
#include "options.h"
#include "rtwasm.h"

typedef struct stream_t {
    /* Set by stream_create. */
    rtw_runtime_t *runtime;
    live_t *effects;
    size_t effect_count;
    wav_audio_t in, out; /* `blocks` whole blocks */
    uint32_t block_frames;
    size_t blocks;
    bool paced;
    int32_t priority, cpu;

    /* Set by the thread; read them after stream_run. */
    rtw_recorder_t *chain;    /* of each block: from waking up to the finished output */
    rtw_recorder_t *lateness; /* of each block: how long after its time the thread woke up */
    size_t missed;            /* blocks finished after the next one's start */
    bool real_time;           /* SCHED_FIFO was granted; if it was asked for and was not, `scheduling_refusal` says why */
    failure_t scheduling_refusal;
    long minor_faults, major_faults; /* page faults of the thread during the cycle */
    volatile bool ended;
    bool failed; /* before the cycle began; `failure` says why */
    failure_t failure;
} stream_t;

/* The time that a block lasts. */
double stream_period_ns(const stream_t *stream);
/* Of all effects together. */
size_t stream_latency_frames(const stream_t *stream);

/* [setup] Room for the input, the tail and the effects' latency. The effects are configured for the input's format. */
bool stream_create(stream_t *stream, rtw_runtime_t *runtime, live_t *effects, const options_t *options, const wav_audio_t *in,
                   failure_t *failure);
/* [setup] Starts the thread and waits for its end; does `meanwhile`, if it is not NULL, again and again until then. */
bool stream_run(stream_t *stream, void (*meanwhile)(void *data), void *data, failure_t *failure);
void stream_free(stream_t *stream);

#endif
