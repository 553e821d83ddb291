/* A small reader and writer of WAV files.
 *
 * Reads PCM of 8, 16, 24 and 32 bits and IEEE floats of 32 and 64, plain or as WAVE_FORMAT_EXTENSIBLE, 1 to 64 channels; also as
 * RF64 and BW64, whose sizes have 64 bits. What a program wrote to a pipe, so that its sizes are not known, what is cut off, and
 * a file that ends within a frame is read up to that frame, with a note.
 * Writes PCM of 16 and 24 bits and 32-bit floats. Samples are floats with 1.0 as full scale, one array a channel.
 * Both sides allocate and do file I/O: never on a real-time thread.
 */
#ifndef RTWASM_EXAMPLE_WAV_H
#define RTWASM_EXAMPLE_WAV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WAV_MAX_CHANNELS 64
#define WAV_MIN_RATE_HZ 1000
#define WAV_MAX_RATE_HZ 768000
#define WAV_MAX_FILE_BYTES ((size_t)1 << 30)

typedef struct wav_audio_t {
    uint32_t rate_hz;
    uint32_t channels;
    size_t frames;
    float *channel[WAV_MAX_CHANNELS]; /* `frames` samples each; all of them in one block that channel[0] owns */
    char note[128]; /* what was odd about the file that it was read from, and how it was read; empty where nothing was */
} wav_audio_t;

typedef enum wav_format_t { WAV_PCM16, WAV_PCM24, WAV_FLOAT32 } wav_format_t;

typedef struct wav_error_t {
    char message[256];
} wav_error_t;

/* Silence of the given size. False when the sizes are out of range or memory is short. */
bool wav_create(wav_audio_t *out, uint32_t rate_hz, uint32_t channels, size_t frames, wav_error_t *error);

/* `-` is the standard input. On failure `out` is empty (wav_free may be called) and the error says what is wrong with the file
 * and where. */
bool wav_read(const char *path, wav_audio_t *out, wav_error_t *error);
bool wav_parse(const uint8_t *bytes, size_t length, wav_audio_t *out, wav_error_t *error);

/* Samples beyond the range of a PCM format are clipped, not-a-number becomes silence; *clipped (may be NULL) counts both.
 * `dither` adds triangular noise of two quantisation steps before rounding to 16 bits; it has no effect on other formats.
 * On failure no file is left behind. wav_write_to writes to where a file is open, a pipe perhaps. */
bool wav_write(const char *path, const wav_audio_t *audio, wav_format_t format, bool dither, size_t *clipped,
               wav_error_t *error);
bool wav_write_to(FILE *file, const wav_audio_t *audio, wav_format_t format, bool dither, size_t *clipped,
                  wav_error_t *error);

void wav_free(wav_audio_t *audio);

#endif
