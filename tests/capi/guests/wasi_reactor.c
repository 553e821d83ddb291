// A reactor of wasi-libc, with a constructor that has to run before its functions.
// clang-19 --target=wasm32-wasi -mexec-model=reactor -O1 -Wl,--strip-all -o wasi_reactor.wasm wasi_reactor.c
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int initialised;
__attribute__((constructor)) static void initialise(void) {
    initialised++;
    setvbuf(stdout, NULL, _IONBF, 0);
}
__attribute__((export_name("initialised"))) int get_initialised(void) { return initialised; }
__attribute__((export_name("count"))) void count(int n) { printf("%d\n", n); }
__attribute__((export_name("random"))) int random_bytes(void) {
    int number = 0;
    return getentropy(&number, sizeof number) ? 0 : number;
}
__attribute__((export_name("now"))) long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}
__attribute__((export_name("sleep"))) int sleep_long(void) { return usleep(1000000000); }
