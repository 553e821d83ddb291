/* The interface of guests for audio and control: what a module exports so that any host can drive it by rtw_guest_... of rtwasm, and so
 * that tools know its ports and parameters. For C and C++, header only; guests/templates of the source tree has guests in other languages.
 *
 * A guest exports its memory as "memory", and these functions, of exactly these types:
 *
 *   rtw_init     (f64,i32)->(i32)  takes the sample rate in Hz and the most frames of a block (max_frames); clears filter and delay state.
 *                                  Returns 0 for success, any other number to refuse. May be called again.
 *   rtw_io       ()->(i32)         returns the address of a rtwg_io_t, which stays the same from rtw_init on
 *   rtw_process  (i32)->()         computes a block of 0 to max_frames
 *   rtw_reset    ()->()            clears filter and delay state; parameters keep their values
 *
 * A guest whose description says "state": true also exports rtw_state_save and rtw_state_load, by which slots hand state over to a new
 * version; rtw_state_buffer is optional (below).
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
 * The preprocessor expands macros in it, outside of quotes: write descriptions before you include <stdbool.h> or rtw_dsp.h, which make
 * `true` a macro in C before C23.
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

/* Where the host finds the guest's buffers. All addresses are multiples of 4. NULL is allowed only for what is not there: lists of no
 * channels, `params` without parameters or with "events": true, `meters` without meters, `events` without "events": true. */
typedef struct rtwg_io_t {
    float *const *inputs;  /* a buffer of max_frames for each input channel, in the order of the ports */
    float *const *outputs; /* the same for the outputs; may be the same buffers */
    float *params;         /* the parameters' values, which the host writes between two calls of rtw_process; not with "events": true */
    float *meters;         /* the meters' values, which the host reads after rtw_process */
    rtwg_event_t *events;  /* with "events": true: array of `event_room` events; parameters arrive only here */
    uint32_t event_room;   /* at least 16 */
    uint32_t event_count;  /* number of events of this block; the host writes it before each rtw_process */
    uint32_t latency;      /* delay of the outputs in frames, from rtw_init on */
} rtwg_io_t;

/* For "state": true:
 *
 *   RTWG_EXPORT(rtw_state_save) uint64_t save(void);                                  ()->(i64): RTWG_STATE(address, length) of the state
 *   RTWG_EXPORT(rtw_state_load) int32_t load(const void *state, uint32_t length);     (i32,i32)->(i32): takes a state over
 *   RTWG_EXPORT(rtw_state_buffer) void *buffer(uint32_t length);                      (i32)->(i32): where to put it; optional
 *
 * `rtw_init` returns 0 for success; `rtw_state_load` returns 0 to refuse, and `rtw_state_buffer` NULL. Without rtw_state_buffer the
 * guest's memory grows by the length of the state. */
#define RTWG_STATE(address, length) ((uint64_t)(length) << 32 | (uint32_t)(uintptr_t)(address))

/* Splits a block at its events, for guests with "events": true.
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
