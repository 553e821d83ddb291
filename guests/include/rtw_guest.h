/* The interface of guests for audio and control: what a module exports so that any host can drive it by rtw_guest_... of rtwasm, and so
 * that tools know its ports and parameters. For C and C++, header only; docs/guests.md has the same for other languages.
 *
 * A guest exports its memory as "memory", and these functions:
 *
 *   rtw_init(rate, max_frames)  prepares for a sample rate in Hz and for blocks of at most max_frames; sets the past to silence. Returns
 *                               0, or any other number to refuse. May be called again.
 *   rtw_io()                    returns the address of a rtwg_io_t, which stays the same from rtw_init on
 *   rtw_process(frames)         computes a block of 0 to max_frames
 *   rtw_reset()                 sets the past to silence; parameters keep their values
 *
 * and, if its description says "state": true, those by which slots hand state over to a new version: rtw_state_save,
 * rtw_state_buffer, rtw_state_load (below).
 *
 * Write them behind RTWG_EXPORT:
 *
 *   RTWG_EXPORT(rtw_process) void process(int32_t frames) { ... }
 *
 * RTWG_DESCRIPTION contains the description as JSON, which the compiler keeps in the artifact:
 *
 *   RTWG_DESCRIPTION({
 *     "name": "Gain", "inputs": 2, "outputs": 2,
 *     "parameters": [{"id": "gain", "name": "Gain", "unit": "dB", "min": -60, "max": 12, "default": 0}],
 *     "meters": [{"id": "peak", "unit": "dB", "min": -60, "max": 0}]
 *   })
 *
 *   name        for users; the only field that is required
 *   inputs      number of channels, or a list of ports: [{"name": "Main", "channels": 2}, {"name": "Side-chain", "channels": 1}]
 *   outputs     the same
 *   parameters  a list: id (what hosts store), name, unit, group ("Filter/Low"), min (0), max (1), default (min), step (0: any),
 *               labels (names of min, min + 1, ...), flags ("integer", "toggle", "trigger", "logarithmic", "not-automatable", "hidden"),
 *               meta (an object of other facts)
 *   meters      a list of the same kind: values that the guest shows
 *   latency     delay of the outputs in frames, if it is always the same; rtwg_io_t has what it is at this rate
 *   stateless   true: it keeps nothing between blocks but its parameters
 *   events      true: it takes events, each with its frame (below)
 *   midi        true: it uses MIDI events
 *   state       true: it exports the functions of state
 *   voices, meta  number of voices; other facts, such as {"author": "...", "license": "..."}
 *
 * The text may not contain a #define'd word outside of quotes (such as `true` in C before C23, if <stdbool.h> is included first).
 */
#ifndef RTW_GUEST_H
#define RTW_GUEST_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__wasm__)
/* The export's name is independent of the function's. */
#define RTWG_EXPORT(name) __attribute__((export_name(#name)))
/* A custom section: it takes no memory at run time. A long description is no reason for a warning. */
#define RTWG_DESCRIPTION(...)                                                                                                     \
    _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Woverlength-strings\"")                                 \
    __asm__(".section .custom_section.rtw_guest,\"\",@\n.ascii " RTWG_QUOTED(RTWG_TEXT(__VA_ARGS__)) "\n");                        \
    _Pragma("clang diagnostic pop")
#define RTWG_TEXT(...) #__VA_ARGS__
#define RTWG_QUOTED(text) RTWG_QUOTED_AGAIN(text)
#define RTWG_QUOTED_AGAIN(text) #text
#else
#define RTWG_EXPORT(name)
#define RTWG_DESCRIPTION(...)
#endif

/* Events come in the order of their frames. */
enum { RTWG_EVENT_PARAM = 1, RTWG_EVENT_MIDI = 2 };

typedef struct rtwg_event_t {
    uint32_t frame; /* from the beginning of the block */
    uint16_t kind;  /* RTWG_EVENT_...; ignore others */
    uint16_t index; /* RTWG_EVENT_PARAM: the parameter; RTWG_EVENT_MIDI: the number of bytes, 1 to 8 */
    union {
        double value;
        uint8_t midi[8];
    } data;
} rtwg_event_t;

/* Where the host finds the guest's buffers. All addresses are multiples of 4. */
typedef struct rtwg_io_t {
    float *const *inputs;  /* a buffer of max_frames for each input channel, in the order of the ports */
    float *const *outputs; /* the same for the outputs; may be the same buffers */
    float *params;         /* without events: the parameters' values, which the host writes between two calls of rtw_process */
    float *meters;         /* the meters' values, which the host reads after rtw_process */
    rtwg_event_t *events;  /* with events: room for the events of a block, which include all changes of parameters */
    uint32_t event_room;   /* with events: how many, at least 16 */
    uint32_t event_count;  /* with events: how many there are; the host writes it before each rtw_process */
    uint32_t latency;      /* delay of the outputs in frames, from rtw_init on */
} rtwg_io_t;

/* Optional, for "state": true. The first returns address and length of the guest's state in its memory, the length in the upper half;
 * the second the address for `length` bytes, 0 for none; the third takes a state that is there, and returns 0 to refuse. */
#define RTWG_STATE(address, length) ((uint64_t)(length) << 32 | (uint32_t)(uintptr_t)(address))

/* The frames up to the next event, and the event if it is due: for guests with events.
 *
 *   for (uint32_t at = 0, next = 0; at < frames || next < io.event_count;) {
 *       for (; next < io.event_count && io.events[next].frame <= at; next++) { ... io.events[next] ... }
 *       uint32_t end = rtwg_until(&io, next, frames);
 *       ... the frames from at to end ...
 *       at = end;
 *   }
 *
 * returns  the frame of event `next`, or `frames` if none is left. */
static inline uint32_t rtwg_until(const rtwg_io_t *io, uint32_t next, uint32_t frames) {
    return next < io->event_count && io->events[next].frame < frames ? io->events[next].frame : frames;
}

#ifdef __cplusplus
}
#endif

#endif
