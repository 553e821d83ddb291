/* Tests of the WAV reader and writer.
 *
 *   test_wav self SCRATCH_DIR                              writes and reads back, bad files, damaged files
 *   test_wav compare in.wav raw.f32 CHANNELS RATE TOLERANCE   reads in.wav and compares it with interleaved raw floats
 *   test_wav write in.wav out.wav pcm16|pcm24|float32       reads and writes
 *   test_wav note in.wav                                    what the reader notes about it; `-` is the standard input
 *
 * test_wav.sh runs all of it. Meant to be compiled with -fsanitize=address,undefined: the damaged files are there for it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../tests/support/check.h"
#include "../../tests/support/start.h"
#include "../common/wav.h"

/* ---- files made by hand ---- */

typedef struct bytes_t {
    uint8_t data[4096];
    size_t length;
} bytes_t;

static void put(bytes_t *b, const void *from, size_t length) {
    memcpy(b->data + b->length, from, length);
    b->length += length;
}

static void put_little(bytes_t *b, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) {
        b->data[b->length++] = (uint8_t)(value >> (8 * i) & 0xff);
    }
}

static void put_riff(bytes_t *b) {
    b->length = 0;
    put(b, "RIFF", 4);
    put_little(b, 0xffffffff, 4); /* nobody should trust it */
    put(b, "WAVE", 4);
}

static void put_chunk(bytes_t *b, const char *name, const void *body, size_t length) {
    put(b, name, 4);
    put_little(b, length, 4);
    put(b, body, length);
    if (length % 2 == 1) {
        put_little(b, 0, 1);
    }
}

static void put_fmt(bytes_t *b, unsigned codec, unsigned channels, unsigned rate_hz, unsigned bits) {
    put(b, "fmt ", 4);
    put_little(b, 16, 4);
    put_little(b, codec, 2);
    put_little(b, channels, 2);
    put_little(b, rate_hz, 4);
    put_little(b, (uint64_t)rate_hz * channels * bits / 8, 4);
    put_little(b, (uint64_t)channels * bits / 8, 2);
    put_little(b, bits, 2);
}

static bool parse(const bytes_t *b, wav_audio_t *audio, wav_error_t *error) {
    /* A copy of the exact size, so that an address sanitizer sees a read past the end. */
    uint8_t *copy = malloc(b->length > 0 ? b->length : 1);
    NEED(copy != NULL, "no memory");
    memcpy(copy, b->data, b->length);
    const bool ok = wav_parse(copy, b->length, audio, error);
    free(copy);
    return ok;
}

/* ---- what must be understood ---- */

static void test_codes(void) {
    static const uint8_t PCM24[] = {0x00, 0x00, 0x80, 0xff, 0xff, 0x7f, 0x01, 0x00, 0x00};
    static const uint8_t PCM8[] = {0, 128, 255};
    bytes_t b;
    wav_audio_t audio;
    wav_error_t error = {""};
    put_riff(&b);
    put_fmt(&b, 1, 1, 8000, 24);
    put_chunk(&b, "data", PCM24, sizeof PCM24);
    check(parse(&b, &audio, &error) && audio.frames == 3 && audio.channel[0][0] == -1.0f &&
              audio.channel[0][1] == 8388607.0f / 8388608.0f && audio.channel[0][2] == 1.0f / 8388608.0f,
          "24 bits: lowest, highest and smallest value%s", error.message);
    wav_free(&audio);
    put_riff(&b);
    put_fmt(&b, 1, 1, 8000, 8);
    put_chunk(&b, "data", PCM8, sizeof PCM8);
    check(parse(&b, &audio, &error) && audio.frames == 3 && audio.channel[0][0] == -1.0f && audio.channel[0][1] == 0.0f &&
              audio.channel[0][2] == 127.0f / 128.0f,
          "8 bits are unsigned, and the data chunk's odd size is padded%s", error.message);
    wav_free(&audio);
}

static void test_bad_floats(void) {
    bytes_t b;
    wav_audio_t audio;
    wav_error_t error = {""};
    put_riff(&b);
    put_fmt(&b, 3, 1, 48000, 64);
    put(&b, "data", 4);
    put_little(&b, 32, 4);
    put_little(&b, 0x7ff8000000000000u, 8); /* not a number */
    put_little(&b, 0x7ff0000000000000u, 8); /* infinity */
    put_little(&b, 0x7fe0000000000000u, 8); /* 9e307, which no float holds */
    put_little(&b, 0xbfe0000000000000u, 8); /* -0.5 */
    check(parse(&b, &audio, &error) && audio.channel[0][0] == 0.0f && audio.channel[0][1] == 0.0f &&
              audio.channel[0][2] == 0.0f && audio.channel[0][3] == -0.5f,
          "floats that are no samples become silence%s", error.message);
    wav_free(&audio);
}

static void test_odd_chunks(void) {
    static const int16_t SAMPLES[] = {1, -2};
    bytes_t b;
    wav_audio_t audio;
    wav_error_t error = {""};
    put_riff(&b);
    put_chunk(&b, "LIST", "odd", 3);
    put_chunk(&b, "junk", "", 0);
    put_fmt(&b, 1, 2, 44100, 16);
    put_chunk(&b, "\x01\xff?!", "12345", 5);
    put_chunk(&b, "data", SAMPLES, sizeof SAMPLES);
    put_chunk(&b, "LIST", "afterwards", 10);
    check(parse(&b, &audio, &error) && audio.frames == 1 && audio.channels == 2 && audio.rate_hz == 44100,
          "unknown chunks of odd and zero size are skipped%s", error.message);
    wav_free(&audio);
    put_riff(&b);
    put_fmt(&b, 1, 1, 44100, 8);
    put(&b, "data", 4);
    put_little(&b, 1, 4);
    put_little(&b, 200, 1);
    check(parse(&b, &audio, &error) && audio.frames == 1, "a pad byte missing at the very end is forgiven%s", error.message);
    wav_free(&audio);
    put_riff(&b);
    put_fmt(&b, 1, 1, 44100, 16);
    put_chunk(&b, "data", "", 0);
    check(parse(&b, &audio, &error) && audio.frames == 0, "no samples at all are a valid file%s", error.message);
    wav_free(&audio);
}

/* ---- odd files, which are read to their end, with a note ---- */

/* Sixteen bits, stereo: frame n has the samples n and -n. */
static void put_sound(bytes_t *b, int frames) {
    for (int n = 1; n <= frames; n++) {
        put_little(b, (uint64_t)n & 0xffff, 2);
        put_little(b, (uint64_t)-n & 0xffff, 2);
    }
}

static void read_with_note(const bytes_t *b, const char *what, size_t frames, const char *word) {
    wav_audio_t audio;
    wav_error_t error = {""};
    bool ok = parse(b, &audio, &error) && audio.frames == frames && audio.channels == 2;
    ok = ok && (word[0] != '\0' ? strstr(audio.note, word) != NULL : audio.note[0] == '\0');
    for (size_t n = 0; ok && n < frames; n++) {
        ok = audio.channel[0][n] == (float)(n + 1) / 32768.0f && audio.channel[1][n] == -(float)(n + 1) / 32768.0f;
    }
    check(ok, "%s: %zu frames, \"%s\"%s", what, audio.frames, audio.note, error.message);
    wav_free(&audio);
}

/* A file of 100 frames whose data chunk claims to have `said` bytes. */
static void put_said(bytes_t *b, const char *container, uint64_t said, const char *list) {
    put_riff(b);
    memcpy(b->data, container, 4);
    if (strcmp(container, "RIFF") != 0) {
        put(b, "ds64", 4);
        put_little(b, 28, 4);
        put_little(b, 1000, 8); /* of the whole; not looked at */
        put_little(b, said, 8);
        put_little(b, 100, 8);
        put_little(b, 0, 4);
    }
    if (list[0] != '\0') {
        put_chunk(b, "LIST", list, strlen(list));
    }
    put_fmt(b, 1, 2, 48000, 16);
    put(b, "data", 4);
    put_little(b, strcmp(container, "RIFF") != 0 ? 0xffffffffu : said, 4);
    put_sound(b, 100);
}

static void test_notes(void) {
    bytes_t b;
    put_said(&b, "RIFF", 400, "");
    read_with_note(&b, "as it should be", 100, "");
    put_said(&b, "RIFF", 0xffffffffu, "");
    read_with_note(&b, "sizes all ones", 100, "sizes are not known");
    put_said(&b, "RIFF", 0xffffffffu, "odd");
    read_with_note(&b, "sizes all ones behind a list of odd size", 100, "sizes are not known");
    put_said(&b, "RIFF", 0, "");
    read_with_note(&b, "size 0 with sound behind it", 100, "sizes are not known");
    put_said(&b, "RIFF", 0x7ffff000u, "");
    read_with_note(&b, "as sox writes to a pipe", 100, "cut off: 400 of its sound's 2147479552");
    put_said(&b, "RIFF", 400, "");
    b.length -= 200;
    read_with_note(&b, "cut off in the middle", 50, "cut off: 200 of its sound's 400");
    put_said(&b, "RIFF", 400, "");
    b.length -= 3;
    read_with_note(&b, "cut off within a frame", 99, "cut off: 397");
    put_said(&b, "RIFF", 398, "");
    read_with_note(&b, "a part of a frame at the end", 99, "the last 2 bytes are left out");
    put_said(&b, "RIFF", 0, "");
    b.length -= 400;
    read_with_note(&b, "size 0 and nothing behind it", 0, "");
    put_chunk(&b, "LIST", "a comment", 9);
    put_chunk(&b, "id3 ", "tags", 4);
    read_with_note(&b, "size 0 and chunks behind it", 0, "");
    put_said(&b, "RF64", 400, "");
    read_with_note(&b, "RF64", 100, "");
    put_said(&b, "BW64", 400, "odd");
    put_chunk(&b, "LIST", "afterwards", 10);
    read_with_note(&b, "BW64 with lists", 100, "");
    put_said(&b, "RF64", (uint64_t)6 << 32, "");
    read_with_note(&b, "RF64 of 24 GiB that is cut off", 100, "cut off: 400 of its sound's 25769803776");
    put_said(&b, "RF64", 0, "");
    read_with_note(&b, "RF64 whose sizes were never written", 100, "sizes are not known");
    put_riff(&b);
    memcpy(b.data, "RF64", 4);
    put_fmt(&b, 1, 2, 48000, 16);
    put(&b, "data", 4);
    put_little(&b, 0xffffffffu, 4);
    put_sound(&b, 100);
    read_with_note(&b, "RF64 without its ds64", 100, "sizes are not known");
}

/* ---- what must be refused, and how ---- */

static void refused(const bytes_t *b, const char *what, const char *word) {
    wav_audio_t audio;
    wav_error_t error = {""};
    const bool ok = parse(b, &audio, &error);
    check(!ok && strstr(error.message, word) != NULL && audio.frames == 0 && audio.channel[0] == NULL, "%s: \"%s\"", what,
          error.message);
    wav_free(&audio);
}

static void refused_fmt(const char *what, const char *word, unsigned codec, unsigned channels, unsigned rate_hz, unsigned bits) {
    bytes_t b;
    put_riff(&b);
    put_fmt(&b, codec, channels, rate_hz, bits);
    put_chunk(&b, "data", "", 0);
    refused(&b, what, word);
}

static void test_refusals(void) {
    bytes_t b = {{0}, 0};
    refused(&b, "empty file", "not a WAV file");
    put(&b, "RIFX....WAVEfmt ", 16);
    refused(&b, "another container", "not a WAV file");
    put_riff(&b);
    refused(&b, "header only", "no fmt chunk");
    put_fmt(&b, 1, 1, 48000, 16);
    refused(&b, "no data chunk", "no data chunk");
    put(&b, "LIST", 4);
    put_little(&b, 0xfffffff0, 4);
    put_little(&b, 0, 4);
    refused(&b, "a chunk before the sound larger than the file", "left in the file");
    put_riff(&b);
    put_chunk(&b, "data", "1234", 4);
    refused(&b, "data without fmt", "no fmt chunk before");
    put_riff(&b);
    put_chunk(&b, "fmt ", "12345678", 8);
    put_chunk(&b, "data", "1234", 4);
    refused(&b, "short fmt chunk", "16 are needed");
    refused_fmt("no channels", "0 channels", 1, 0, 48000, 16);
    refused_fmt("too many channels", "65 channels", 1, 65, 48000, 16);
    refused_fmt("no sample rate", "sample rate 0", 1, 1, 0, 16);
    refused_fmt("absurd sample rate", "sample rate 4000000000", 1, 1, 4000000000u, 16);
    refused_fmt("A-law", "codec 0x0006", 6, 1, 8000, 8);
    refused_fmt("12 bits", "12 bits", 1, 1, 48000, 12);
    refused_fmt("extensible without its extension", "40 are needed", 0xfffe, 1, 48000, 16);
    put_riff(&b);
    put_fmt(&b, 1, 2, 48000, 16);
    b.data[32] = 3; /* bytes a frame */
    put_chunk(&b, "data", "", 0);
    refused(&b, "lying frame size", "said to have 3 bytes");
}

static void test_sizes(void) {
    wav_audio_t audio;
    wav_error_t error = {""};
    check(!wav_create(&audio, 48000, 8, SIZE_MAX / 4, &error), "too much for memory: \"%s\"", error.message);
    const wav_audio_t huge = {48000, 2, (size_t)1 << 31, {NULL}, ""};
    check(!wav_write("never-written.wav", &huge, WAV_PCM16, false, NULL, &error), "too much for a file: \"%s\"", error.message);
    check(!wav_read("no such file.wav", &audio, &error), "missing file: \"%s\"", error.message);
    check(!wav_read("/", &audio, &error), "folder: \"%s\"", error.message);
}

/* ---- damage: whatever the bytes, an answer and no crash ---- */

static uint32_t random_state = 12345;

static uint32_t random_below(uint32_t limit) {
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)random_state * limit >> 32);
}

typedef struct tally_t {
    size_t read, refused, silent; /* silent: refused, or cut off and read, without a word */
    size_t noted;
} tally_t;

static void try_damaged(const bytes_t *b, tally_t *tally) {
    wav_audio_t audio;
    wav_error_t error = {""};
    float sum = 0.0f;
    if (parse(b, &audio, &error)) {
        tally->read++;
        tally->noted += audio.note[0] != '\0';
        for (size_t n = 0; n < audio.frames * audio.channels; n++) {
            sum += audio.channel[0][n];
        }
    } else {
        tally->refused++;
        tally->silent += error.message[0] == '\0';
    }
    tally->silent += isnan(sum) != 0;
    wav_free(&audio);
}

static void base_file(bytes_t *b, int which) {
    static const uint8_t EXTENSION[] = {22, 0, 16, 0, 3, 0,    0, 0,    1, 0, 0,    0,
                                        0,  0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
    static const unsigned BITS[] = {8, 16, 24, 32, 32, 64, 16};
    uint8_t samples[192];
    for (size_t n = 0; n < sizeof samples; n++) {
        samples[n] = (uint8_t)random_below(256);
    }
    put_riff(b);
    put_chunk(b, "LIST", "1234567", 7);
    put_fmt(b, which == 6 ? 0xfffe : which >= 4 ? 3 : 1, which % 3 == 0 ? 1 : 2, 44100, BITS[which]);
    if (which == 6) {
        b->data[12 + 16 + 4] = 40;
        put(b, EXTENSION, sizeof EXTENSION);
    }
    put_chunk(b, "data", samples, sizeof samples);
}

static void test_damage(void) {
    tally_t whole = {0, 0, 0, 0}, cut = {0, 0, 0, 0}, flipped = {0, 0, 0, 0};
    for (int which = 0; which < 7; which++) {
        bytes_t base, damaged;
        base_file(&base, which);
        try_damaged(&base, &whole);
        for (size_t length = 0; length < base.length; length++) {
            damaged = base;
            damaged.length = length;
            try_damaged(&damaged, &cut);
        }
        for (size_t at = 0; at < 80; at++) { /* every value of every byte up to the first samples */
            for (int value = 0; value < 256; value++) {
                damaged = base;
                damaged.data[at] = (uint8_t)value;
                try_damaged(&damaged, &flipped);
            }
        }
        for (int trial = 0; trial < 20000; trial++) {
            damaged = base;
            for (uint32_t flips = 1 + random_below(6); flips > 0; flips--) {
                damaged.data[random_below((uint32_t)base.length)] ^= (uint8_t)(1u << random_below(8));
            }
            damaged.length = base.length - random_below(4);
            try_damaged(&damaged, &flipped);
        }
    }
    check(whole.read == 7, "%zu of 7 undamaged files are read", whole.read);
    check(cut.noted == cut.read && cut.read > 1000 && cut.refused > 200 && cut.silent == 0,
          "of the files that are cut off %zu, before their sound, are refused; %zu read, %zu of them with a note", cut.refused,
          cut.read, cut.noted);
    check(flipped.silent == 0 && flipped.refused > 10000 && flipped.read > 10000,
          "of the files with changed bytes %zu are refused with a word, %zu read", flipped.refused, flipped.read);
}

/* ---- writing ---- */

static wav_audio_t ramp(uint32_t channels, size_t frames) {
    wav_audio_t audio;
    wav_error_t error;
    NEED(wav_create(&audio, 48000, channels, frames, &error), "%s", error.message);
    for (uint32_t channel = 0; channel < channels; channel++) {
        for (size_t frame = 0; frame < frames; frame++) {
            audio.channel[channel][frame] = 1.8f * (float)frame / (float)frames - 0.9f + 0.001f * (float)channel;
        }
    }
    return audio;
}

static float round_trip_error(const char *path, const wav_audio_t *audio, wav_format_t format, bool dither) {
    wav_error_t error;
    wav_audio_t again;
    size_t clipped = 1;
    NEED(wav_write(path, audio, format, dither, &clipped, &error) && wav_read(path, &again, &error), "%s: %s", path, error.message);
    float largest = again.frames == audio->frames && again.channels == audio->channels && clipped == 0 ? 0.0f : INFINITY;
    for (size_t n = 0; n < audio->frames * audio->channels && largest < INFINITY; n++) {
        largest = fmaxf(largest, fabsf(again.channel[0][n] - audio->channel[0][n]));
    }
    wav_free(&again);
    remove(path);
    return largest;
}

static void test_round_trips(const char *path) {
    for (uint32_t channels = 1; channels <= WAV_MAX_CHANNELS; channels += channels < 8 ? 1 : 28) {
        wav_audio_t audio = ramp(channels, 4099);
        const float error16 = round_trip_error(path, &audio, WAV_PCM16, false) * 32768.0f;
        const float error24 = round_trip_error(path, &audio, WAV_PCM24, false) * 8388608.0f;
        const float error_float = round_trip_error(path, &audio, WAV_FLOAT32, false);
        check(error16 > 0.3f && error16 <= 0.5f && error24 <= 0.5f && error_float == 0.0f,
              "%u channels written and read: errors of %.3f, %.3f steps and %g", (unsigned)channels, (double)error16,
              (double)error24, (double)error_float);
        wav_free(&audio);
    }
}

/* A constant of a third of a step: rounding alone loses it, dither keeps it in the mean. */
static void test_dither(const char *path) {
    wav_audio_t audio = ramp(1, 48000);
    wav_audio_t again[2];
    wav_error_t error;
    double mean_steps[2] = {0.0, 0.0};
    for (size_t n = 0; n < audio.frames; n++) {
        audio.channel[0][n] = 0.333f / 32768.0f;
    }
    for (int dither = 0; dither < 2; dither++) {
        NEED(wav_write(path, &audio, WAV_PCM16, dither == 1, NULL, &error) && wav_read(path, &again[dither], &error), "%s: %s", path, error.message);
        for (size_t n = 0; n < audio.frames; n++) {
            mean_steps[dither] += (double)again[dither].channel[0][n] * 32768.0 / (double)audio.frames;
        }
        wav_free(&again[dither]);
    }
    check(mean_steps[0] == 0.0 && fabs(mean_steps[1] - 0.333) < 0.02, "a third of a step is %.3f without and %.3f with dither",
          mean_steps[0], mean_steps[1]);
    wav_free(&audio);
    remove(path);
}

static void test_clipping(const char *path) {
    static const float LOUD[] = {1.5f, -1.5f, 1.0f, -1.0f, NAN, 0.5f};
    wav_audio_t audio = ramp(1, 6), again;
    wav_error_t error;
    size_t clipped = 0;
    memcpy(audio.channel[0], LOUD, sizeof LOUD);
    const bool ok = wav_write(path, &audio, WAV_PCM16, false, &clipped, &error) && wav_read(path, &again, &error);
    check(ok && clipped == 4 && again.channel[0][0] == 32767.0f / 32768.0f && again.channel[0][1] == -1.0f &&
              again.channel[0][4] == 0.0f && again.channel[0][5] == 0.5f,
          "what is too loud is clipped and counted: %zu", clipped);
    if (ok) {
        wav_free(&again);
    }
    wav_free(&audio);
    remove(path);
    audio = ramp(1, 6);
    check(!wav_write("no such folder/x.wav", &audio, WAV_PCM16, false, NULL, &error), "folder missing: \"%s\"", error.message);
    wav_free(&audio);
}

static int self_test(const char *scratch) {
    char path[1024];
    snprintf(path, sizeof path, "%s/self.wav", scratch);
    test_codes();
    test_bad_floats();
    test_odd_chunks();
    test_notes();
    test_refusals();
    test_sizes();
    test_damage();
    test_round_trips(path);
    test_dither(path);
    test_clipping(path);
    return check_summary();
}

/* ---- the two modes for the script ---- */

static float *read_raw(const char *path, size_t count) {
    float *samples = malloc((count + 1) * sizeof(float));
    FILE *file = fopen(path, "rb");
    /* One more than expected is asked for, to see a longer file. */
    if (samples == NULL || file == NULL || fread(samples, sizeof(float), count + 1, file) != count) {
        free(samples);
        samples = NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return samples;
}

static int compare(char **arguments) {
    wav_audio_t audio;
    wav_error_t error;
    if (!wav_read(arguments[0], &audio, &error)) {
        check(false, "%s: %s", arguments[0], error.message);
        return check_summary();
    }
    float *raw = read_raw(arguments[1], audio.frames * audio.channels);
    float largest = 0.0f, loudest = 0.0f;
    for (size_t n = 0; raw != NULL && n < audio.frames * audio.channels; n++) {
        largest = fmaxf(largest, fabsf(audio.channel[n % audio.channels][n / audio.channels] - raw[n]));
        loudest = fmaxf(loudest, fabsf(raw[n]));
    }
    check(raw != NULL && loudest > 0.1f && audio.channels == strtoul(arguments[2], NULL, 10) &&
              audio.rate_hz == strtoul(arguments[3], NULL, 10) && largest <= strtof(arguments[4], NULL),
          "%s: %zu frames, %u channels, %u Hz, differs by %g", arguments[0], audio.frames, (unsigned)audio.channels,
          (unsigned)audio.rate_hz, (double)largest);
    free(raw);
    wav_free(&audio);
    return check_summary();
}

static int rewrite(char **arguments) {
    const wav_format_t format = strcmp(arguments[2], "pcm16") == 0   ? WAV_PCM16
                                : strcmp(arguments[2], "pcm24") == 0 ? WAV_PCM24
                                                                     : WAV_FLOAT32;
    wav_audio_t audio;
    wav_error_t error = {""};
    const bool ok = wav_read(arguments[0], &audio, &error) && wav_write(arguments[1], &audio, format, false, NULL, &error);
    check(ok, "%s written as %s%s", arguments[0], arguments[2], error.message);
    wav_free(&audio);
    return check_summary();
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "self") == 0) {
        return self_test(argv[2]);
    }
    if (argc == 7 && strcmp(argv[1], "compare") == 0) {
        return compare(argv + 2);
    }
    if (argc == 5 && strcmp(argv[1], "write") == 0) {
        return rewrite(argv + 2);
    }
    if (argc == 3 && strcmp(argv[1], "note") == 0) {
        wav_audio_t audio;
        wav_error_t error = {""};
        puts(wav_read(argv[2], &audio, &error) ? audio.note : error.message);
        wav_free(&audio);
        return 0;
    }
    fprintf(stderr, "usage: test_wav self SCRATCH_DIR | note in.wav | compare in.wav raw.f32 CHANNELS RATE TOLERANCE | "
                    "write in.wav out.wav pcm16|pcm24|float32\n");
    return 2;
}
