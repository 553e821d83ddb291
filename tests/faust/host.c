/* Runs a program of Faust through the C API with a fixed schedule: host PROFILE ARTIFACT OUTPUT NAME ROWS. Appends a row for the table of
 * docs/modules.md to the file ROWS, without its result. Writes the samples of all blocks and then the meters as floats. In the standalone
 * profile block by block; in the plugin profile in place, in one call with events at the blocks' beginnings. Both have to give the same,
 * and what run.js gives. */
#include "../support/row.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, BLOCKS = 40, FRAMES = BLOCK * BLOCKS, MOST = 256 };

static rtw_error_t err;

static void must(rtw_status_t status, const char *what) {
    if (status == RTW_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, rtw_status_name(status), err.message);
    exit(1);
}

static float *channels[2][MOST];

/* Noise, after a click. Each channel has its own. */
static void fill(uint32_t count) {
    for (uint32_t channel = 0; channel < count; channel++) {
        uint32_t state = channel + 1;
        for (uint32_t n = 0; n < FRAMES; n++) {
            state = state * 1664525u + 1013904223u;
            channels[0][channel][n] = n == 0 ? 0.5f : ((float)(state >> 8) / 16777216.0f - 0.5f) * 0.25f;
        }
    }
}

/* A parameter's value in a block: a quarter of the way to its maximum; buttons are down from the second block to the eighth. */
static double value_at(const rtw_guest_param_t *param, uint32_t block) {
    if (param->flags & RTW_PARAM_TRIGGER) return block >= 1 && block < 8;
    if (block < 4) return param->default_value;
    const double value = param->default_value + 0.25 * (param->max_value - param->default_value);
    return param->step >= 1 || (param->flags & RTW_PARAM_TOGGLE) ? floor(value) : value;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    const int plugin = strcmp(argv[1], "plugin") == 0;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = plugin ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_imports_t *imports;
    rtw_instance_t *instance;
    rtw_guest_t *guest;
    must(rtw_runtime_create(&config, &runtime, &err), "runtime");
    must(rtw_module_load_file(runtime, argv[2], &module, &err), "load");
    must(rtw_imports_create(&imports, &err), "imports");
    must(rtw_imports_libm(imports, &err), "libm");
    must(rtw_instance_create(module, imports, NULL, &instance, &err), "instance");
    must(rtw_thread_attach(runtime, NULL, &err), "attach");
    rtw_guest_config_t guest_config;
    rtw_guest_config_init(&guest_config);
    guest_config.max_frames = BLOCK;
    must(rtw_guest_create(module, instance, NULL, &guest_config, &guest, &err), "guest");
    must(rtw_guest_prepare(guest, 16, &err), "prepare"); /* changes no sample, since the guest is reset afterwards */

    rtw_guest_info_t info;
    rtw_guest_info_init(&info);
    must(rtw_guest_info(module, &info), "info");
    const uint32_t most = info.input_count > info.output_count ? info.input_count : info.output_count;
    for (uint32_t channel = 0; channel < most; channel++) {
        channels[0][channel] = calloc(FRAMES, sizeof(float));
        channels[1][channel] = plugin ? channels[0][channel] : calloc(FRAMES, sizeof(float));
    }
    fill(info.input_count);

    rtw_event_t *events = calloc((size_t)info.param_count * BLOCKS + 1, sizeof *events);
    size_t count = 0;
    for (uint32_t block = 0; block < BLOCKS; block++) {
        for (uint32_t i = 0; i < info.param_count; i++) {
            rtw_guest_param_t param;
            rtw_guest_param_init(&param);
            must(rtw_guest_param(module, i, &param), "param");
            const double value = value_at(&param, block);
            if (block != 0 && value == value_at(&param, block - 1)) continue;
            events[count].frame = block * BLOCK;
            events[count].kind = RTW_EVENT_PARAM;
            events[count].index = (uint16_t)i;
            events[count++].data.value = value;
        }
    }

    if (plugin) {
        must(rtw_guest_process(guest, (const float *const *)channels[0], channels[1], FRAMES, events, count), "process");
    } else {
        size_t next = 0;
        for (uint32_t block = 0; block < BLOCKS; block++) {
            for (; next < count && events[next].frame == block * BLOCK; next++) {
                must(rtw_guest_set(guest, events[next].index, events[next].data.value), "set");
            }
            const float *in[MOST];
            float *out[MOST];
            for (uint32_t channel = 0; channel < most; channel++) {
                in[channel] = channels[0][channel] + block * BLOCK;
                out[channel] = channels[1][channel] + block * BLOCK;
            }
            must(rtw_guest_process(guest, in, out, BLOCK, NULL, 0), "process");
        }
    }

    FILE *file = fopen(argv[3], "wb");
    if (file == NULL) return 1;
    for (uint32_t channel = 0; channel < info.output_count; channel++) fwrite(channels[1][channel], sizeof(float), FRAMES, file);
    for (uint32_t i = 0; i < info.meter_count; i++) {
        double meter = 0;
        must(rtw_guest_read_meter(guest, i, &meter), "meter");
        const float shown = (float)meter;
        fwrite(&shown, sizeof shown, 1, file);
    }
    if (fclose(file) != 0) return 1;
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    must(rtw_func_stats(rtw_guest_func(guest), &stats), "times");
    if (!add_row(argv[5], argv[4], argv[1], module, "", stats.call.p50_ns)) return 1;
    rtw_guest_destroy(guest);
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
    must(rtw_thread_detach(runtime, &err), "detach");
    rtw_runtime_destroy(runtime);
    return 0;
}
