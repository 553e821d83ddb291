/* Runs a template through the C API beside the same filter compiled natively (guests/templates/src/biquad.c), with the same input and
 * parameters: host PROFILE ARTIFACTS NAME LIMIT ROWS. LIMIT: the largest distance in dB of full scale, or "same" for equality of every bit.
 * Appends a row for the table of docs/toolchains.md to the file ROWS. */
#include "../support/common.h"
#include "../support/row.h"
#include "rtw_guest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* From biquad.c. */
int32_t biquad_init(double rate, int32_t max_frames);
const rtwg_io_t *biquad_io(void);
void biquad_process(int32_t frames);
void biquad_reset(void);

enum { CHANNELS = 2, BLOCK = 128, BLOCKS = 200, FRAMES = BLOCK * BLOCKS, RATE = 48000, FREQUENCY = 0, Q = 1, CHANGE_AT = 37 };

static rtw_error_t err;
static float input[CHANNELS][FRAMES], guests[CHANNELS][FRAMES], natives[CHANNELS][FRAMES];

/* Noise after a click, of its own in each channel. */
static void fill(void) {
    uint32_t state = 1;
    for (int channel = 0; channel < CHANNELS; channel++) {
        for (int n = 0; n < FRAMES; n++) {
            state = state * 1664525u + 1013904223u;
            input[channel][n] = n == 0 ? 1 : ((float)(state >> 8) / 16777216.0f - 0.5f) * 0.5f;
        }
    }
}

/* The frequency changes in each tenth block, within the block; Q at the beginning of each 25th. */
static bool frequency_changes(int block) { return block % 10 == 9; }
static double frequency_in(int block) { return 100 + 91.25 * block; }
static bool q_changes(int block) { return block % 25 == 24; }
static double q_in(int block) { return 0.5 + 0.0625 * block; }

static void native_part(int at, int frames) {
    const rtwg_io_t *io = biquad_io();
    for (int channel = 0; channel < CHANNELS; channel++) memcpy(io->inputs[channel], &input[channel][at], (size_t)frames * sizeof(float));
    biquad_process(frames);
    for (int channel = 0; channel < CHANNELS; channel++) memcpy(&natives[channel][at], io->outputs[channel], (size_t)frames * sizeof(float));
}

static void run_native(void) {
    const rtwg_io_t *io = biquad_io();
    NEED(biquad_init(RATE, BLOCK) == 0, "the native filter refuses");
    io->params[FREQUENCY] = 1000, io->params[Q] = 0.7f;
    for (int block = 0; block < BLOCKS; block++) {
        const int at = block * BLOCK, split = frequency_changes(block) ? CHANGE_AT : 0;
        if (q_changes(block)) io->params[Q] = (float)q_in(block);
        if (split) native_part(at, split), io->params[FREQUENCY] = (float)frequency_in(block);
        native_part(at + split, BLOCK - split);
    }
}

static uint32_t index_of(const rtw_module_t *module, uint32_t count, const char *name) {
    for (uint32_t n = 0; n < count; n++) {
        rtw_guest_param_t param;
        rtw_guest_param_init(&param);
        if (rtw_guest_param(module, n, &param) != RTW_OK) break;
        const size_t length = strlen(param.id), wanted = strlen(name); /* Faust's has its group before it */
        if (length >= wanted && strcmp(param.id + length - wanted, name) == 0) return n;
    }
    NEED(false, "no parameter is called %s", name);
}

static void run_guest(rtw_guest_t *guest, uint32_t frequency, uint32_t q) {
    int bad = 0;
    for (int block = 0; block < BLOCKS; block++) {
        const int at = block * BLOCK;
        const float *from[] = {&input[0][at], &input[1][at]};
        float *to[] = {&guests[0][at], &guests[1][at]};
        rtw_event_t event = {CHANGE_AT, RTW_EVENT_PARAM, (uint16_t)frequency, {frequency_in(block)}};
        if (q_changes(block)) bad += rtw_guest_set(guest, q, q_in(block)) != RTW_OK;
        bad += rtw_guest_process(guest, from, to, BLOCK, &event, frequency_changes(block)) != RTW_OK;
    }
    check(bad == 0, "all blocks are computed");
}

/* The largest difference, in dB of full scale; 1 for equality. */
static double distance_db(void) {
    double largest = 0;
    for (int channel = 0; channel < CHANNELS; channel++) {
        for (int n = 0; n < FRAMES; n++) {
            const double difference = fabs((double)guests[channel][n] - (double)natives[channel][n]);
            largest = difference > largest || isnan(difference) ? difference : largest;
        }
    }
    if (memcmp(guests, natives, sizeof guests) == 0) return 1;
    return isnan(largest) ? INFINITY : 20 * log10(largest);
}

static bool within(double distance, const char *limit) { return strcmp(limit, "same") == 0 ? distance == 1 : distance <= atof(limit); }

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    NEED(argc == 6, "usage: %s PROFILE ARTIFACTS NAME LIMIT ROWS", argv[0]);
    const char *name = argv[3], *limit = argv[4];
    rtw_imports_t *imports;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_libm(imports, &err), &err, "mathematics");
    require(rtw_imports_wasi(imports, NULL, &err), &err, "WASI");
    guest_t made = open_guest(name, imports);
    rtw_guest_info_t info;
    rtw_guest_info_init(&info);
    NEED(rtw_guest_info(made.module, &info) == RTW_OK, "%s does not describe its guest", name);
    check(strcmp(info.name, "Low pass") == 0 && info.input_count == CHANNELS && info.output_count == CHANNELS && info.param_count == 2,
          "describes itself");
    rtw_guest_config_t config;
    rtw_guest_config_init(&config);
    config.sample_rate = RATE, config.max_frames = BLOCK;
    rtw_guest_t *guest = NULL;
    require(rtw_guest_create(made.module, made.instance, NULL, &config, &guest, &err), &err, "a guest");
    require(rtw_guest_prepare(guest, 16, &err), &err, "is prepared");
    const uint32_t frequency = index_of(made.module, info.param_count, "frequency"), q = index_of(made.module, info.param_count, "q");
    fill();
    run_native();
    run_guest(guest, frequency, q);
    double distance = distance_db();
    char result[64] = "every bit";
    if (distance != 1) snprintf(result, sizeof result, "%.0f dB", distance);
    check(within(distance, limit), "equals the native filter: %s (limit: %s)", result, limit);
    const rtw_func_stats_t stats = stats_of_func(rtw_guest_func(guest));
    check(stats.call.count >= BLOCKS, "its calls have times");
    check(add_row(argv[5], name, profile_name, made.module, result, stats.call.p50_ns), "a row of the table");

    /* After a reset it computes the same again. */
    static float first[CHANNELS][FRAMES];
    memcpy(first, guests, sizeof first);
    require(rtw_guest_set(guest, frequency, 1000), NULL, "the frequency is set again");
    require(rtw_guest_set(guest, q, 0.7), NULL, "Q is set again");
    require(rtw_guest_renew(guest, &err), &err, "is made anew");
    run_guest(guest, frequency, q);
    int differing = 0;
    for (int n = 0; n < FRAMES; n++) differing += memcmp(&first[0][n], &guests[0][n], sizeof(float)) != 0;
    check(memcmp(first, guests, sizeof first) == 0, "a new guest computes the same (%d frames differ)", differing);

    /* The twin: what differs in the last bit of one sample, or in a parameter, is found. */
    uint32_t *bits = (uint32_t *)(void *)&guests[1][FRAMES / 2];
    *bits ^= 1;
    check(distance_db() != 1, "twin: a changed bit is found");
    *bits ^= 1;
    require(rtw_guest_set(guest, q, 0.71), NULL, "another Q");
    run_guest(guest, frequency, q);
    distance = distance_db();
    check(!within(distance, limit), "twin: another Q is found (%.0f dB)", distance);
    rtw_guest_destroy(guest);
    close_guest(&made);
    rtw_imports_destroy(imports);
    return check_summary();
}
