/* A gain with a soft limit, in the interface of rtw_guest.h, without events: the host writes the parameters between two calls, and calls
 * for parts of a block where a parameter changes within it. */

#include "rtw_guest.h"

#define CHANNELS 2
#define MAX_FRAMES 4096

RTWG_DESCRIPTION({
    "name": "Drive",
    "inputs": [{"name": "In", "channels": 2}],
    "outputs": [{"name": "Out", "channels": 2}],
    "parameters": [
        {"id": "gain", "name": "Gain", "min": 0, "max": 8, "default": 1, "group": "Level"},
        {"id": "limit", "name": "Soft limit", "flags": ["toggle"], "labels": ["off", "on"]}
    ],
    "meters": [{"id": "peak", "name": "Peak", "min": 0, "max": 8}],
    "stateless": true,
    "meta": {"author": "rtwasm", "license": "Apache-2.0"}
})

enum { GAIN, LIMIT, PARAMS };

static float in[CHANNELS][MAX_FRAMES], out[CHANNELS][MAX_FRAMES];
static float *inputs[CHANNELS] = {in[0], in[1]};
static float *outputs[CHANNELS] = {out[0], out[1]};
static float params[PARAMS] = {1, 0};
static float peak;
static const rtwg_io_t io = {.inputs = inputs, .outputs = outputs, .params = params, .meters = &peak};

RTWG_EXPORT(rtw_reset) void drive_reset(void) { peak = 0; }

RTWG_EXPORT(rtw_init) int32_t drive_init(double rate, int32_t max_frames) {
    drive_reset();
    return rate > 0 && max_frames > 0 && max_frames <= MAX_FRAMES ? 0 : 1;
}

RTWG_EXPORT(rtw_io) const rtwg_io_t *drive_io(void) { return &io; }

RTWG_EXPORT(rtw_process) void drive_process(int32_t frames) {
    peak = 0;
    for (int32_t channel = 0; channel < CHANNELS; channel++) {
        for (int32_t frame = 0; frame < frames; frame++) {
            float x = in[channel][frame] * params[GAIN];
            if (params[LIMIT] > 0.5f) {
                x = x / (1 + __builtin_fabsf(x));
            }
            peak = __builtin_fabsf(x) > peak ? __builtin_fabsf(x) : peak;
            out[channel][frame] = x;
        }
    }
}
