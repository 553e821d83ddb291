// A command of wasi-libc: prints its arguments and environment, to both streams, and ends with the code in its first argument.
// clang-19 --target=wasm32-wasi -O1 -Wl,--strip-all -o wasi_command.wasm wasi_command.c
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++) printf("arg %d: %s\n", i, argv[i]);
    const char *name = getenv("NAME");
    fprintf(stderr, "name: %s\n", name ? name : "none");
    FILE *file = fopen("/etc/passwd", "r");
    printf("file: %s\n", file ? "there" : "none");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("since 2020: %s\nno end", now.tv_sec > 1577836800 ? "yes" : "no");
    return argc > 1 ? atoi(argv[1]) : 0;
}
