#define _GNU_SOURCE /* for st_mtim */

#include "watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool stamp_of(const char *path, long long *stamp) {
    struct stat now;
    if (stat(path, &now) != 0) {
        return false;
    }
    stamp[0] = (long long)now.st_mtim.tv_sec;
    stamp[1] = (long long)now.st_mtim.tv_nsec;
    stamp[2] = (long long)now.st_size;
    stamp[3] = (long long)now.st_ino;
    return true;
}

void watch_begin(watch_t *watch, const char *path) {
    memset(watch, 0, sizeof *watch);
    snprintf(watch->path, sizeof watch->path, "%s", path);
    stamp_of(path, watch->stamp);
}

bool watch_changed(watch_t *watch) {
    long long stamp[4];
    if (!stamp_of(watch->path, stamp) || memcmp(stamp, watch->stamp, sizeof stamp) == 0) {
        return false;
    }
    memcpy(watch->stamp, stamp, sizeof stamp);
    return true;
}
