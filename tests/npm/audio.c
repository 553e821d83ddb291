/* Drivers of modules that compute sound. The letters are those of the JavaScript beside each module. */
#include "audio.h"

#include <math.h>
#include <string.h>

/* ---- noise suppression ---- */

const answer_t rnnoise_answers[] = {{"a", resize_heap}, {"b", copy_memory}, {NULL, NULL}};
const alias_t rnnoise_exports[] = {
    {"constructors", "d"}, {"rnnoise_create", "h"}, {"rnnoise_process_frame", "k"}, {"malloc", "l"}, {NULL, NULL}};
const alias_t jitsi_rnnoise_exports[] = {
    {"constructors", "d"}, {"rnnoise_create", "f"}, {"rnnoise_process_frame", "j"}, {"malloc", "g"}, {NULL, NULL}};

/* Noise as of a fan, in the range of 16-bit samples as RNNoise expects it, has to become quiet. */
void drive_rnnoise(void) {
    enum { FRAME = 480, FRAMES = 300, COUNTED = 100 };
    run("constructors");
    const uint32_t state = run("rnnoise_create", 0).u32, in = allocate(FRAME * sizeof(float)), out = allocate(FRAME * sizeof(float));
    prepare();
    uint32_t seed = 1;
    float low = 0;
    double before = 0, after = 0;
    for (int frame = 0; frame < FRAMES; frame++) {
        float *samples = floats_at(in, FRAME);
        for (int n = 0; n < FRAME; n++) samples[n] = 1000 * (low = 0.97f * low + 0.24f * noise(&seed));
        run("rnnoise_process_frame", (int)state, (int)out, (int)in);
        if (frame < FRAMES - COUNTED) continue;
        before += level(floats_at(in, FRAME), FRAME), after += level(floats_at(out, FRAME), FRAME);
    }
    const double suppressed = -decibels(after / before);
    check(suppressed > 30, "the noise is suppressed by %.1f dB", suppressed);
    report("rnnoise_process_frame", "noise suppressed by %.1f dB", suppressed);
}

/* ---- Fourier transforms ---- */

enum { POINTS = 1024 };

/* Noise, and its transform by the definition: pairs of real and imaginary parts. */
static void transform_of_noise(float *signal, double *spectrum) {
    uint32_t seed = 3;
    for (int n = 0; n < 2 * POINTS; n++) signal[n] = noise(&seed);
    for (int k = 0; k < POINTS; k++) {
        double re = 0, im = 0;
        for (int n = 0; n < POINTS; n++) {
            const double angle = -2 * M_PI * (double)(k * n % POINTS) / POINTS, x = (double)signal[2 * n], y = (double)signal[2 * n + 1];
            re += x * cos(angle) - y * sin(angle), im += x * sin(angle) + y * cos(angle);
        }
        spectrum[2 * k] = re, spectrum[2 * k + 1] = im;
    }
}

/* The largest difference of two spectra relative to the largest value, in dB. */
static double spectrum_error_db(const float *got, const double *expected) {
    double error = 0, largest = 0;
    for (int n = 0; n < 2 * POINTS; n++) {
        error = fmax(error, fabs((double)got[n] - expected[n]));
        largest = fmax(largest, fabs(expected[n]));
    }
    return decibels(error / largest);
}

static float signal_in[2 * POINTS];
static double expected[2 * POINTS];

const answer_t pffft_answers[] = {{"a", fail_assertion}, {"b", resize_heap}, {"c", copy_memory}, {NULL, NULL}};
const alias_t pffft_exports[] = {{"constructors", "e"},    {"pffft_aligned_malloc", "f"},    {"pffft_simd_size", "j"},
                                 {"pffft_new_setup", "k"}, {"pffft_transform_ordered", "p"}, {NULL, NULL}};

void drive_pffft(void) {
    enum { COMPLEX = 1, FORWARD = 0, BACKWARD = 1, REPEATS = 100 };
    run("constructors");
    check(run("pffft_simd_size").i32 == 4, "uses vectors of four");
    const uint32_t setup = run("pffft_new_setup", POINTS, COMPLEX).u32;
    uint32_t buffers[3];
    for (int n = 0; n < 3; n++) buffers[n] = run("pffft_aligned_malloc", (int)sizeof signal_in).u32;
    check(setup != 0 && buffers[2] != 0, "is set up");
    prepare();
    transform_of_noise(signal_in, expected);
    for (int n = 0; n < REPEATS; n++) {
        memcpy(floats_at(buffers[0], 2 * POINTS), signal_in, sizeof signal_in);
        run("pffft_transform_ordered", (int)setup, (int)buffers[0], (int)buffers[1], (int)buffers[2], FORWARD);
    }
    const double error = spectrum_error_db(floats_at(buffers[1], 2 * POINTS), expected);
    check(error < -120, "the transform has an error of %.0f dB", error);
    run("pffft_transform_ordered", (int)setup, (int)buffers[1], (int)buffers[0], (int)buffers[2], BACKWARD);
    double back = 0;
    const float *returned = floats_at(buffers[0], 2 * POINTS);
    for (int n = 0; n < 2 * POINTS; n++) back = fmax(back, fabs((double)returned[n] / POINTS - (double)signal_in[n]));
    check(back < 1e-6, "and comes back (%g)", back);
    report("pffft_transform_ordered", "transform of 1024 points, error %.0f dB", error);
}

const answer_t kissfft_answers[] = {{"a", write_file},   {"b", no_such_file}, {"c", resize_heap},
                                    {"d", no_such_file}, {"e", copy_memory},  {NULL, NULL}};
const alias_t kissfft_exports[] = {{"constructors", "g"}, {"kiss_fft_alloc", "h"}, {"malloc", "i"}, {"kiss_fft", "l"}, {NULL, NULL}};

void drive_kissfft(void) {
    run("constructors");
    const uint32_t setup = run("kiss_fft_alloc", POINTS, 0, 0, 0).u32, in = allocate(sizeof signal_in), out = allocate(sizeof signal_in);
    prepare();
    transform_of_noise(signal_in, expected);
    memcpy(floats_at(in, 2 * POINTS), signal_in, sizeof signal_in);
    for (int n = 0; n < 100; n++) run("kiss_fft", (int)setup, (int)in, (int)out);
    const double error = spectrum_error_db(floats_at(out, 2 * POINTS), expected);
    check(error < -110, "the transform has an error of %.0f dB", error);
    report("kiss_fft", "transform of 1024 points, error %.0f dB", error);
}

/* ---- rates, pitch and speed of a sine ---- */

enum { LONGEST = 1 << 17 };
static float heard[LONGEST];

static void write_sine(uint32_t address, int count, double frequency, int from) {
    float *samples = floats_at(address, (size_t)count);
    for (int n = 0; n < count; n++) samples[n] = (float)(0.5 * sin(2 * M_PI * frequency * (from + n)));
}

const answer_t speex_answers[] = {{"a", resize_heap}, {"b", copy_memory}, {NULL, NULL}};
const alias_t speex_exports[] = {
    {"constructors", "d"}, {"speex_resampler_init", "e"}, {"speex_resampler_process_float", "k"}, {"malloc", "C"}, {NULL, NULL}};

void drive_speex(void) {
    enum { IN_HZ = 44100, OUT_HZ = 48000, IN = 441, OUT = 480, BLOCKS = 200, SETTLED = 100, QUALITY = 10 };
    run("constructors");
    const uint32_t lengths = allocate(8), in = allocate(IN * sizeof(float)), out = allocate(2 * OUT * sizeof(float));
    const uint32_t state = run("speex_resampler_init", 1, IN_HZ, OUT_HZ, QUALITY, (int)lengths).u32;
    prepare();
    int have = 0;
    for (int block = 0; block < BLOCKS; block++) {
        write_sine(in, IN, 1000.0 / IN_HZ, block * IN);
        uint32_t *counts = at(lengths, 8);
        counts[0] = IN, counts[1] = 2 * OUT;
        run("speex_resampler_process_float", (int)state, 0, (int)in, (int)lengths, (int)out, (int)lengths + 4);
        counts = at(lengths, 8);
        NEED(counts[0] == IN && have + (int)counts[1] <= LONGEST, "block %d is not taken", block);
        memcpy(heard + have, floats_at(out, counts[1]), counts[1] * sizeof(float));
        have += (int)counts[1];
    }
    check(have > OUT * (BLOCKS - 2) && have <= OUT * BLOCKS, "makes %d of %d samples", have, OUT * BLOCKS);
    const double error = residue_db(heard + have - SETTLED * OUT, SETTLED * OUT, 1000.0 / OUT_HZ);
    check(error < -90, "the sine has an error of %.0f dB", error);
    report("speex_resampler_process_float", "44.1 to 48 kHz, a sine's error %.0f dB", error);
}

void drive_rubberband(void) {
    enum { HZ = 48000, BLOCK = 512, BLOCKS = 150, REAL_TIME = 1 };
    const uint32_t state = run("rb_new", HZ, 1, REAL_TIME, 1.0, 1.5).u32;
    const uint32_t in = run("wasm_malloc", BLOCK * 4).u32, out = run("wasm_malloc", 4 * BLOCK * 4).u32, lists = run("wasm_malloc", 8).u32;
    run("rb_set_max_process_size", (int)state, BLOCK);
    uint32_t *list = at(lists, 8);
    list[0] = in, list[1] = out;
    int have = 0, fed = 0;
    for (int block = 0; block < BLOCKS; block++) {
        if (block == BLOCKS / 2) prepare(); /* by then it has all that it allocates */
        write_sine(in, BLOCK, 440.0 / HZ, fed);
        run("rb_process", (int)state, (int)lists, BLOCK, 0);
        fed += BLOCK;
        for (int ready; (ready = run("rb_available", (int)state).i32) > 0;) {
            const int count = run("rb_retrieve", (int)state, (int)lists + 4, ready < 4 * BLOCK ? ready : 4 * BLOCK).i32;
            NEED(count > 0 && have + count <= LONGEST, "nothing is retrieved");
            memcpy(heard + have, floats_at(out, (size_t)count), (size_t)count * sizeof(float));
            have += count;
        }
    }
    check(have > fed * 9 / 10 && have <= fed, "plays %d of %d samples", have, fed);
    const double hz = frequency_of(heard + have / 2, have / 2) * HZ;
    check(fabs(hz - 660) < 6, "a tone of 440 Hz has become one of %.2f Hz", hz);
    report("rb_process", "440 Hz to %.1f Hz", hz);
}

const answer_t sonic_answers[] = {{"a", resize_heap}, {"b", copy_memory}, {NULL, NULL}};
const alias_t sonic_exports[] = {{"constructors", "d"},             {"sonicSetSpeed", "f"},           {"sonicCreateStream", "q"},
                                 {"sonicReadFloatFromStream", "v"}, {"sonicWriteFloatToStream", "B"}, {"malloc", "G"},
                                 {NULL, NULL}};

void drive_sonic(void) {
    enum { HZ = 16000, BLOCK = 320, BLOCKS = 200 };
    run("constructors");
    const uint32_t stream = run("sonicCreateStream", HZ, 1).u32;
    const uint32_t in = allocate(BLOCK * sizeof(float)), out = allocate(BLOCK * sizeof(float));
    run("sonicSetSpeed", (int)stream, 2.0);
    int have = 0;
    for (int block = 0; block < BLOCKS; block++) {
        if (block == BLOCKS / 2) prepare();
        write_sine(in, BLOCK, 200.0 / HZ, block * BLOCK);
        NEED(run("sonicWriteFloatToStream", (int)stream, (int)in, BLOCK).i32 == 1, "block %d is not taken", block);
        for (int count; (count = run("sonicReadFloatFromStream", (int)stream, (int)out, BLOCK).i32) > 0; have += count)
            memcpy(heard + have, floats_at(out, (size_t)count), (size_t)count * sizeof(float));
    }
    const double ratio = (double)(BLOCK * BLOCKS) / have, hz = frequency_of(heard + have / 4, have / 2) * HZ;
    check(fabs(ratio - 2) < 0.1, "%.2f times as fast", ratio);
    check(fabs(hz - 200) < 2, "a tone of 200 Hz stays one of %.2f Hz", hz);
    report("sonicWriteFloatToStream", "%.2f times as fast, 200 Hz stay %.1f Hz", ratio, hz);
}

/* ---- speech or not ---- */

const answer_t fvad_answers[] = {{"a", fail_assertion}, {"b", resize_heap}, {NULL, NULL}};
const alias_t fvad_exports[] = {{"constructors", "d"},         {"fvad_new", "e"},     {"malloc", "f"}, {"fvad_set_mode", "j"},
                                {"fvad_set_sample_rate", "k"}, {"fvad_process", "l"}, {NULL, NULL}};

/* Frames of 10 ms that count as speech: of a voice's pulses through two formants, or of silence. */
static int voiced(uint32_t detector, uint32_t buffer, bool speaks) {
    enum { HZ = 16000, FRAME = 160, FRAMES = 100 };
    double states[2][2] = {{0, 0}, {0, 0}};
    int count = 0;
    for (int frame = 0; frame < FRAMES; frame++) {
        int16_t *samples = at(buffer, FRAME * sizeof(int16_t));
        for (int n = 0; n < FRAME; n++) {
            double x = speaks && (frame * FRAME + n) % (HZ / 125) == 0 ? 8000 : 0;
            for (int formant = 0; formant < 2; formant++) {
                double *state = states[formant];
                const double radius = 0.97, w = 2 * M_PI * (formant == 0 ? 600 : 1200) / HZ;
                const double y = x + 2 * radius * cos(w) * state[0] - radius * radius * state[1];
                state[1] = state[0], state[0] = y, x = 0.3 * y;
            }
            samples[n] = (int16_t)fmax(-32000, fmin(32000, x));
        }
        count += run("fvad_process", (int)detector, (int)buffer, FRAME).i32 == 1;
    }
    return count;
}

void drive_fvad(void) {
    run("constructors");
    const uint32_t detector = run("fvad_new").u32, buffer = allocate(160 * sizeof(int16_t));
    check(run("fvad_set_mode", (int)detector, 1).i32 == 0 && run("fvad_set_sample_rate", (int)detector, 16000).i32 == 0, "is set up");
    prepare();
    const int silent = voiced(detector, buffer, false), speaking = voiced(detector, buffer, true);
    check(silent == 0, "silence is no speech");
    check(speaking > 90, "a voice is: %d frames of 100", speaking);
    report("fvad_process", "speech in %d of 100 frames of a voice, %d of silence", speaking, silent);
}
