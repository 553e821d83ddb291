/* Whole files, for rivals that load from memory. */
#ifndef RIVAL_FILES_H
#define RIVAL_FILES_H

#include "rival.h"

#include <stdio.h>
#include <stdlib.h>

static inline char *read_file(const char *name, size_t *length) {
    FILE *file = fopen(name, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) rival_fail(name, "cannot be read");
    const long size = ftell(file);
    rewind(file);
    char *bytes = malloc((size_t)size + 1);
    if (bytes == NULL || fread(bytes, 1, (size_t)size, file) != (size_t)size) rival_fail(name, "cannot be read");
    fclose(file);
    *length = (size_t)size;
    return bytes;
}

static inline void write_file(const char *name, const char *bytes, size_t length) {
    FILE *file = fopen(name, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) rival_fail(name, "cannot be written");
}

#endif
