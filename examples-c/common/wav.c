#include "wav.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODEC_PCM 1u
#define CODEC_FLOAT 3u
#define CODEC_EXTENSIBLE 0xFFFEu
#define HEADER_BYTES 44u       /* RIFF + plain fmt + data, as written for PCM */
#define FLOAT_HEADER_BYTES 58u /* fmt with an extension size, and a fact chunk */

static bool fail(wav_error_t *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- audio in memory ---- */

bool wav_create(wav_audio_t *out, uint32_t rate_hz, uint32_t channels, size_t frames, wav_error_t *error) {
    memset(out, 0, sizeof *out);
    if (channels < 1 || channels > WAV_MAX_CHANNELS) {
        return fail(error, "%u channels; 1 to %d are supported", (unsigned)channels, WAV_MAX_CHANNELS);
    }
    if (rate_hz < WAV_MIN_RATE_HZ || rate_hz > WAV_MAX_RATE_HZ) {
        return fail(error, "sample rate %u Hz; %d to %d are supported", (unsigned)rate_hz, WAV_MIN_RATE_HZ, WAV_MAX_RATE_HZ);
    }
    if (frames > SIZE_MAX / sizeof(float) / channels) {
        return fail(error, "%zu frames of %u channels do not fit into memory", frames, (unsigned)channels);
    }
    /* calloc(0) may return NULL; an empty file is a valid one. */
    float *block = calloc(frames > 0 ? frames * channels : 1, sizeof(float));
    if (block == NULL) {
        return fail(error, "no memory for %zu frames of %u channels", frames, (unsigned)channels);
    }
    out->rate_hz = rate_hz;
    out->channels = channels;
    out->frames = frames;
    for (uint32_t channel = 0; channel < channels; channel++) {
        out->channel[channel] = block + channel * frames;
    }
    return true;
}

void wav_free(wav_audio_t *audio) {
    free(audio->channel[0]);
    memset(audio, 0, sizeof *audio);
}

/* ---- reading ---- */

typedef struct span_t {
    const uint8_t *bytes;
    size_t length;
} span_t;

typedef struct layout_t {
    unsigned codec; /* CODEC_PCM or CODEC_FLOAT */
    unsigned channels;
    unsigned rate_hz;
    unsigned frame_bytes;
    unsigned sample_bytes;
} layout_t;

static uint32_t little16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }

static uint32_t little32(const uint8_t *p) { return little16(p) | little16(p + 2) << 16; }

/* A chunk's name for an error message: what is not printable becomes a question mark. */
typedef struct name_t {
    char text[5];
} name_t;

static name_t chunk_name(const uint8_t *p) {
    name_t name = {{0}};
    for (int i = 0; i < 4; i++) {
        name.text[i] = p[i] >= 0x20 && p[i] < 0x7f ? (char)p[i] : '?';
    }
    return name;
}

/* The codec of an extensible format is the first two bytes of a GUID whose rest is always the same. */
static bool parse_extensible(span_t fmt, unsigned *codec, wav_error_t *error) {
    static const uint8_t GUID_TAIL[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
    if (fmt.length < 40) {
        return fail(error, "extensible fmt chunk has %zu bytes; 40 are needed", fmt.length);
    }
    if (memcmp(fmt.bytes + 26, GUID_TAIL, sizeof GUID_TAIL) != 0) {
        return fail(error, "extensible format with an unknown sub-format");
    }
    *codec = little16(fmt.bytes + 24);
    return true;
}

static bool supported(unsigned codec, unsigned bits) {
    return codec == CODEC_PCM ? bits == 8 || bits == 16 || bits == 24 || bits == 32
                              : codec == CODEC_FLOAT && (bits == 32 || bits == 64);
}

static bool parse_fmt(span_t fmt, layout_t *out, wav_error_t *error) {
    if (fmt.length < 16) {
        return fail(error, "fmt chunk has %zu bytes; 16 are needed", fmt.length);
    }
    out->codec = little16(fmt.bytes);
    out->channels = little16(fmt.bytes + 2);
    out->rate_hz = little32(fmt.bytes + 4);
    out->frame_bytes = little16(fmt.bytes + 12);
    const unsigned bits = little16(fmt.bytes + 14);
    if (out->codec == CODEC_EXTENSIBLE && !parse_extensible(fmt, &out->codec, error)) {
        return false;
    }
    if (!supported(out->codec, bits)) {
        return fail(error, "codec 0x%04x with %u bits a sample; PCM of 8, 16, 24, 32 bits and float of 32, 64 are supported",
                    out->codec, bits);
    }
    out->sample_bytes = bits / 8;
    if (out->channels < 1 || out->channels > WAV_MAX_CHANNELS) {
        return fail(error, "%u channels; 1 to %d are supported", out->channels, WAV_MAX_CHANNELS);
    }
    if (out->frame_bytes != out->channels * out->sample_bytes) {
        return fail(error, "a frame is said to have %u bytes, but %u channels of %u bits make %u", out->frame_bytes,
                    out->channels, bits, out->channels * out->sample_bytes);
    }
    return true;
}

static uint64_t little64(const uint8_t *p) { return (uint64_t)little32(p) | (uint64_t)little32(p + 4) << 32; }

#define UNKNOWN_SIZE 0xFFFFFFFFu /* written to a pipe, or told in a ds64 chunk */

/* True if chunks follow each other up to the file's end. */
static bool are_chunks(span_t rest) {
    while (rest.length >= 8) {
        const size_t size = little32(rest.bytes + 4);
        for (int i = 0; i < 4; i++) {
            if (rest.bytes[i] < 0x20 || rest.bytes[i] >= 0x7f) {
                return false;
            }
        }
        if (size > rest.length - 8) {
            return false;
        }
        const size_t padded = size + size % 2 > rest.length - 8 ? size : size + size % 2;
        rest.bytes += 8 + padded;
        rest.length -= 8 + padded;
    }
    return rest.length == 0;
}

/* The length of the sound after a data chunk's header: the header's own figure, or, if that is impossible, the rest of the file. */
static size_t data_length(span_t rest, uint64_t said, char *note, size_t note_size) {
    if (said == UNKNOWN_SIZE || (said == 0 && rest.length > 0 && !are_chunks(rest))) {
        snprintf(note, note_size, "its sizes are not known, as of a file written to a pipe: read to its end");
        return rest.length;
    }
    if (said > rest.length) {
        snprintf(note, note_size, "it is cut off: %zu of its sound's %llu bytes are there", rest.length, (unsigned long long)said);
        return rest.length;
    }
    return (size_t)said;
}

/* Finds the fmt and data chunks; every other one is skipped, but for ds64, which holds the sizes that 32 bits cannot. */
static bool find_chunks(span_t file, span_t *fmt, span_t *data, char *note, size_t note_size, wav_error_t *error) {
    size_t at = 12;
    uint64_t wide_size = UNKNOWN_SIZE;
    while (data->bytes == NULL && file.length - at >= 8) {
        const name_t name = chunk_name(file.bytes + at);
        const size_t size = little32(file.bytes + at + 4);
        const size_t left = file.length - at - 8;
        if (memcmp(file.bytes + at, "data", 4) == 0) {
            const span_t rest = {file.bytes + at + 8, left};
            const uint64_t said = size == UNKNOWN_SIZE ? wide_size : size;
            *data = (span_t){rest.bytes, data_length(rest, said, note, note_size)};
            break;
        }
        if (size > left) {
            return fail(error, "chunk '%s' at byte %zu is said to have %zu bytes, but %zu are left in the file", name.text, at,
                        size, left);
        }
        const span_t body = {file.bytes + at + 8, size};
        if (memcmp(file.bytes + at, "fmt ", 4) == 0 && fmt->bytes == NULL) {
            *fmt = body;
        } else if (memcmp(file.bytes + at, "ds64", 4) == 0 && size >= 16) {
            wide_size = little64(body.bytes + 8);
        }
        /* Chunks of odd size are padded to an even one; some writers forget the pad byte at the file's very end. */
        const size_t padded = size + size % 2;
        at += 8 + (padded <= left ? padded : left);
    }
    if (fmt->bytes == NULL) {
        return fail(error, data->bytes != NULL ? "no fmt chunk before the data chunk" : "no fmt chunk");
    }
    if (data->bytes == NULL) {
        return fail(error, "no data chunk");
    }
    return true;
}

static float decode_pcm(const uint8_t *p, unsigned sample_bytes) {
    switch (sample_bytes) {
        case 1: /* the one format without a sign */
            return (float)((int)p[0] - 128) / 128.0f;
        case 2:
            return (float)(int16_t)(uint16_t)little16(p) / 32768.0f;
        case 3:
            return (float)((int32_t)(little16(p) << 8 | (uint32_t)p[2] << 24) >> 8) / 8388608.0f;
        default:
            return (float)((double)(int32_t)little32(p) / 2147483648.0);
    }
}

/* Not-a-number and infinity in a file are damage; silence does less harm than they do. */
static float decode_float(const uint8_t *p, unsigned sample_bytes) {
    float sample;
    if (sample_bytes == 4) {
        const uint32_t bits = little32(p);
        memcpy(&sample, &bits, sizeof sample);
    } else {
        const uint64_t bits = (uint64_t)little32(p) | (uint64_t)little32(p + 4) << 32;
        double wide;
        memcpy(&wide, &bits, sizeof wide);
        /* Converting a value that no float can hold would be undefined. */
        sample = wide >= -3.4e38 && wide <= 3.4e38 ? (float)wide : 0.0f;
    }
    return isfinite(sample) ? sample : 0.0f;
}

static void decode(const layout_t *layout, const uint8_t *bytes, wav_audio_t *out) {
    for (size_t frame = 0; frame < out->frames; frame++) {
        for (uint32_t channel = 0; channel < out->channels; channel++) {
            out->channel[channel][frame] = layout->codec == CODEC_FLOAT ? decode_float(bytes, layout->sample_bytes)
                                                                        : decode_pcm(bytes, layout->sample_bytes);
            bytes += layout->sample_bytes;
        }
    }
}

/* The plain one, and those whose sizes have 64 bits. */
static bool is_riff(const uint8_t *bytes) {
    return memcmp(bytes, "RIFF", 4) == 0 || memcmp(bytes, "RF64", 4) == 0 || memcmp(bytes, "BW64", 4) == 0;
}

bool wav_parse(const uint8_t *bytes, size_t length, wav_audio_t *out, wav_error_t *error) {
    memset(out, 0, sizeof *out);
    if (length < 12 || !is_riff(bytes) || memcmp(bytes + 8, "WAVE", 4) != 0) {
        return fail(error, "not a WAV file: no RIFF/WAVE header in its %zu bytes", length);
    }
    char note[sizeof out->note] = "";
    span_t fmt = {NULL, 0};
    span_t data = {NULL, 0};
    layout_t layout = {0};
    if (!find_chunks((span_t){bytes, length}, &fmt, &data, note, sizeof note, error) || !parse_fmt(fmt, &layout, error)) {
        return false;
    }
    if (data.length % layout.frame_bytes != 0 && note[0] == '\0') {
        snprintf(note, sizeof note, "its sound ends within a frame: the last %zu bytes are left out",
                 data.length % layout.frame_bytes);
    }
    if (!wav_create(out, layout.rate_hz, layout.channels, data.length / layout.frame_bytes, error)) {
        return false;
    }
    decode(&layout, data.bytes, out);
    memcpy(out->note, note, sizeof note);
    return true;
}

/* Everything up to the end, of a pipe as well; the caller frees it. */
static uint8_t *slurp(FILE *file, size_t *length, wav_error_t *error) {
    size_t room = (size_t)1 << 16;
    uint8_t *bytes = malloc(room);
    *length = 0;
    while (bytes != NULL) {
        *length += fread(bytes + *length, 1, room - *length, file);
        if (ferror(file)) {
            fail(error, "cannot read: %s", strerror(errno));
            break;
        }
        if (*length < room) {
            return bytes;
        }
        if (room > WAV_MAX_FILE_BYTES) {
            fail(error, "it has more than %zu bytes", WAV_MAX_FILE_BYTES);
            break;
        }
        room *= 2;
        uint8_t *more = realloc(bytes, room);
        if (more == NULL) {
            fail(error, "no memory for its %zu bytes", *length);
            break;
        }
        bytes = more;
    }
    if (bytes == NULL) {
        fail(error, "no memory to read it");
    }
    free(bytes);
    return NULL;
}

bool wav_read(const char *path, wav_audio_t *out, wav_error_t *error) {
    memset(out, 0, sizeof *out);
    const bool is_standard = strcmp(path, "-") == 0;
    FILE *file = is_standard ? stdin : fopen(path, "rb");
    if (file == NULL) {
        return fail(error, "cannot open: %s", strerror(errno));
    }
    size_t length = 0;
    uint8_t *bytes = slurp(file, &length, error);
    if (!is_standard) {
        fclose(file);
    }
    if (bytes == NULL) {
        return false;
    }
    const bool parsed = wav_parse(bytes, length, out, error);
    free(bytes);
    return parsed;
}

/* ---- writing ---- */

typedef struct writer_t {
    wav_format_t format;
    uint32_t dither_state; /* 0: no dither */
    size_t clipped;
} writer_t;

static unsigned bytes_of(wav_format_t format) { return format == WAV_PCM16 ? 2u : format == WAV_PCM24 ? 3u : 4u; }

static uint8_t *put16(uint8_t *p, uint32_t value) {
    p[0] = (uint8_t)(value & 0xff);
    p[1] = (uint8_t)(value >> 8 & 0xff);
    return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t value) { return put16(put16(p, value & 0xffff), value >> 16); }

static uint8_t *put_name(uint8_t *p, const char *name) {
    memcpy(p, name, 4);
    return p + 4;
}

/* Uniform in 0 .. 1, from a generator that gives the same file each time. */
static double dither_part(writer_t *writer) {
    writer->dither_state = writer->dither_state * 1664525u + 1013904223u;
    return (double)(writer->dither_state >> 8) / 16777216.0;
}

static int32_t quantise(writer_t *writer, float sample, double full_scale) {
    double scaled = (double)sample * full_scale;
    if (isnan(scaled)) {
        writer->clipped++;
        return 0;
    }
    if (writer->dither_state != 0) {
        scaled += dither_part(writer);
        scaled -= dither_part(writer);
    }
    const double rounded = floor(scaled + 0.5);
    if (rounded > full_scale - 1.0 || rounded < -full_scale) {
        writer->clipped++;
        return (int32_t)(rounded > 0.0 ? full_scale - 1.0 : -full_scale);
    }
    return (int32_t)rounded;
}

static uint8_t *encode(writer_t *writer, uint8_t *p, float sample) {
    if (writer->format == WAV_FLOAT32) {
        uint32_t bits;
        memcpy(&bits, &sample, sizeof bits);
        return put32(p, bits);
    }
    if (writer->format == WAV_PCM16) {
        return put16(p, (uint32_t)quantise(writer, sample, 32768.0) & 0xffff);
    }
    const uint32_t value = (uint32_t)quantise(writer, sample, 8388608.0);
    p = put16(p, value & 0xffff);
    *p = (uint8_t)(value >> 16 & 0xff);
    return p + 1;
}

static uint8_t *put_header(uint8_t *p, const wav_audio_t *audio, wav_format_t format, uint32_t data_bytes) {
    const bool is_float = format == WAV_FLOAT32;
    const uint32_t frame_bytes = audio->channels * bytes_of(format);
    const uint32_t header_bytes = is_float ? FLOAT_HEADER_BYTES : HEADER_BYTES;
    p = put32(put_name(p, "RIFF"), header_bytes - 8 + data_bytes + data_bytes % 2);
    p = put32(put_name(put_name(p, "WAVE"), "fmt "), is_float ? 18 : 16);
    p = put16(put16(p, is_float ? CODEC_FLOAT : CODEC_PCM), audio->channels);
    p = put32(put32(p, audio->rate_hz), audio->rate_hz * frame_bytes);
    p = put16(put16(p, frame_bytes), bytes_of(format) * 8);
    if (is_float) {
        p = put32(put32(put_name(put16(p, 0), "fact"), 4), (uint32_t)audio->frames);
    }
    return put32(put_name(p, "data"), data_bytes);
}

/* The whole file in memory; the caller frees it. */
static uint8_t *encoded(const wav_audio_t *audio, wav_format_t format, bool dither, size_t *length, size_t *clipped,
                        wav_error_t *error) {
    const size_t frame_bytes = (size_t)audio->channels * bytes_of(format);
    if (frame_bytes == 0 || audio->frames > (UINT32_MAX - FLOAT_HEADER_BYTES - 1) / frame_bytes) {
        fail(error, "%zu frames of %zu bytes do not fit into a WAV file", audio->frames, frame_bytes);
        return NULL;
    }
    const uint32_t data_bytes = (uint32_t)(audio->frames * frame_bytes);
    uint8_t *bytes = calloc((size_t)FLOAT_HEADER_BYTES + data_bytes + 1, 1);
    if (bytes == NULL) {
        fail(error, "no memory for %u bytes", (unsigned)data_bytes);
        return NULL;
    }
    writer_t writer = {format, dither && format == WAV_PCM16 ? 1u : 0u, 0};
    uint8_t *p = put_header(bytes, audio, format, data_bytes);
    for (size_t frame = 0; frame < audio->frames; frame++) {
        for (uint32_t channel = 0; channel < audio->channels; channel++) {
            p = encode(&writer, p, audio->channel[channel][frame]);
        }
    }
    p += data_bytes % 2; /* the pad byte */
    *length = (size_t)(p - bytes);
    if (clipped != NULL) {
        *clipped = writer.clipped;
    }
    return bytes;
}

static bool dump(FILE *file, const uint8_t *bytes, size_t length, wav_error_t *error) {
    return (fwrite(bytes, 1, length, file) == length && fflush(file) == 0) ||
           fail(error, "cannot write %zu bytes: %s", length, strerror(errno));
}

bool wav_write_to(FILE *file, const wav_audio_t *audio, wav_format_t format, bool dither, size_t *clipped,
                  wav_error_t *error) {
    size_t length = 0;
    uint8_t *bytes = encoded(audio, format, dither, &length, clipped, error);
    const bool written = bytes != NULL && dump(file, bytes, length, error);
    free(bytes);
    return written;
}

bool wav_write(const char *path, const wav_audio_t *audio, wav_format_t format, bool dither, size_t *clipped,
               wav_error_t *error) {
    size_t length = 0;
    uint8_t *bytes = encoded(audio, format, dither, &length, clipped, error);
    if (bytes == NULL) {
        return false;
    }
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        fail(error, "cannot create: %s", strerror(errno));
        free(bytes);
        return false;
    }
    bool written = dump(file, bytes, length, error);
    free(bytes);
    if (fclose(file) != 0 && written) {
        written = fail(error, "cannot write %zu bytes: %s", length, strerror(errno));
    }
    if (!written) {
        remove(path);
    }
    return written;
}
