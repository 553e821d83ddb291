#include "start.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t profile;
const char *profile_name;
const char *artifacts;

void read_command_line(int argc, char **argv) {
    NEED(argc >= 3, "usage: %s standalone|plugin ARTIFACTS", argv[0]);
    profile_name = argv[1];
    artifacts = argv[2];
    const bool plugin = strcmp(profile_name, "plugin") == 0;
    NEED(plugin || strcmp(profile_name, "standalone") == 0, "no profile is called %s", profile_name);
    profile = plugin ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
}

const char *artifact_path(const char *guest) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s.rtw", artifacts, guest, profile_name);
    return path;
}

unsigned char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    NEED(file != NULL, "%s: %s", path, strerror(errno));
    size_t have = 0, room = 1 << 16;
    unsigned char *bytes = malloc(room);
    for (;;) {
        NEED(bytes != NULL, "no memory for %s", path);
        const size_t got = fread(bytes + have, 1, room - have, file);
        if (got == 0) break;
        have += got;
        if (have == room) bytes = realloc(bytes, room *= 2);
    }
    NEED(!ferror(file), "%s cannot be read", path);
    fclose(file);
    *length = have;
    return bytes;
}

void give_up(const char *file, int line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}
