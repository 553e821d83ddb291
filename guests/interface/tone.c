/* A voice that plays MIDI notes, in the interface of rtw_guest.h, with events: each takes effect at its frame. Its state is the note that
 * it plays and where its wave is. */
#include "rtw_guest.h"

#define MAX_FRAMES 4096
#define EVENT_ROOM 64

RTWG_DESCRIPTION({
    "name": "Tone",
    "outputs": 1,
    "parameters": [
        {"id": "level", "name": "Level", "default": 0.5},
        {"id": "bend", "name": "Bend", "unit": "semitones", "min": -12, "max": 12, "default": 0}
    ],
    "meters": [{"id": "note", "name": "Note", "min": -1, "max": 127}],
    "events": true,
    "midi": true,
    "state": true,
    "voices": 1
})

enum { LEVEL, BEND, PARAMS };

static float out[MAX_FRAMES];
static float *outputs[] = {out};
static rtwg_event_t events[EVENT_ROOM];
static float note_meter;
static rtwg_io_t io = {.outputs = outputs, .meters = &note_meter, .events = events, .event_room = EVENT_ROOM};

static double rate_hz;
static double params[PARAMS];

/* The state that goes over to the next version. */
static struct state_t {
    double phase; /* 0 to 1 */
    int32_t note; /* -1: none */
} state, arriving;

RTWG_EXPORT(rtw_reset) void tone_reset(void) {
    state.phase = 0;
    state.note = -1;
    note_meter = -1;
}

RTWG_EXPORT(rtw_init) int32_t tone_init(double rate, int32_t max_frames) {
    rate_hz = rate;
    params[LEVEL] = 0.5;
    params[BEND] = 0;
    tone_reset();
    return max_frames > 0 && max_frames <= MAX_FRAMES ? 0 : 1;
}

RTWG_EXPORT(rtw_io) const rtwg_io_t *tone_io(void) { return &io; }

/* 440 * 2^((note - 69) / 12), by steps of a semitone: exact enough, and without a libm. */
static double frequency(double note) {
    const double semitone = 1.0594630943592953;
    double hz = 440;
    for (; note >= 70; note -= 1) {
        hz *= semitone;
    }
    for (; note < 69; note += 1) {
        hz /= semitone;
    }
    return hz * (1 + (note - 69) * (semitone - 1));
}

static void take(const rtwg_event_t *event) {
    if (event->kind == RTWG_EVENT_PARAM && event->index < PARAMS) {
        params[event->index] = event->data.value;
    } else if (event->kind == RTWG_EVENT_MIDI && event->index == 3) {
        const uint8_t *midi = event->data.midi;
        if ((midi[0] & 0xf0) == 0x90 && midi[2] != 0) {
            state.note = midi[1];
        } else if (((midi[0] & 0xf0) == 0x80 || (midi[0] & 0xf0) == 0x90) && midi[1] == state.note) {
            state.note = -1;
        }
    }
}

RTWG_EXPORT(rtw_process) void tone_process(int32_t frames) {
    const uint32_t end = (uint32_t)frames;
    uint32_t next = 0;
    for (uint32_t at = 0; at < end || next < io.event_count;) {
        for (; next < io.event_count && (events[next].frame <= at || at == end); next++) {
            take(&events[next]);
        }
        const uint32_t until = rtwg_until(&io, next, end);
        const double step = state.note < 0 ? 0 : frequency(state.note + params[BEND]) / rate_hz;
        for (; at < until; at++) {
            out[at] = state.note < 0 ? 0 : (float)((state.phase < 0.5 ? 1 : -1) * params[LEVEL]);
            state.phase += step;
            state.phase -= state.phase >= 1 ? 1 : 0;
        }
    }
    note_meter = (float)state.note;
}

RTWG_EXPORT(rtw_state_save) uint64_t tone_save(void) { return RTWG_STATE(&state, sizeof state); }

RTWG_EXPORT(rtw_state_buffer) void *tone_buffer(uint32_t length) { return length == sizeof arriving ? &arriving : 0; }

RTWG_EXPORT(rtw_state_load) int32_t tone_load(const struct state_t *from, uint32_t length) {
    if (length != sizeof state || from->note < -1 || from->note > 127 || !(from->phase >= 0 && from->phase < 1)) {
        return 0;
    }
    state = *from;
    return 1;
}
