/* Starts a program many times, in turn with others, and prints how long each took to its end, in ns:
 * `start ROUNDS PROGRAM [ARGUMENT...] [-- PROGRAM ...]` prints a line for each round. */
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;
enum { MOST_PROGRAMS = 16 };

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int main(int argc, char **argv) {
    char **programs[MOST_PROGRAMS];
    int count = 0;
    for (int at = 2; at < argc && count < MOST_PROGRAMS; at++) {
        programs[count++] = argv + at;
        while (at < argc && strcmp(argv[at], "--") != 0) at++;
        if (at < argc) argv[at] = NULL;
    }
    if (count == 0) return 2;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", 1 /* O_WRONLY */, 0);
    for (int left = atoi(argv[1]); left > 0; left--)
        for (int i = 0; i < count; i++) {
            pid_t child;
            int status;
            const uint64_t before = now();
            if (posix_spawn(&child, programs[i][0], &quiet, NULL, programs[i], environ) != 0) return 1;
            if (waitpid(child, &status, 0) != child || status != 0) return 1;
            printf("%" PRIu64 "%c", now() - before, i + 1 < count ? ' ' : '\n');
        }
    return 0;
}
