/* A guest that computes a table when it is set up: the work that `rtwasm compile --init` does beforehand. No libc. */
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))

#define SIZE 4096

static int32_t constructed; /* how often constructors ran */
static float *table;        /* in a page that setup asks for */
static double step;

EXPORT("_initialize") void initialize(void) { constructed++; }

EXPORT("constructed") int32_t read_constructed(void) { return constructed; }

/* A turn by rotation, half a table's length each way: no libm is needed. */
EXPORT("setup") int32_t setup(int32_t rate, float amplitude) {
    if (constructed == 0) return -1;
    if (!table) {
        uint32_t page = (uint32_t)__builtin_wasm_memory_grow(0, 1);
        if (page == UINT32_MAX) return -2;
        table = (float *)(uintptr_t)(page * 65536);
    }
    const double angle = 6.283185307179586 / SIZE, square = angle * angle;
    const double s = angle * (1 - square / 6 * (1 - square / 20)), c = 1 - square / 2 * (1 - square / 12 * (1 - square / 30));
    double x = 1, y = 0;
    for (int n = 0; n < SIZE; n++) {
        table[n] = (float)y * amplitude;
        double turned = x * c - y * s;
        y = x * s + y * c;
        x = turned;
    }
    step = 440.0 * SIZE / rate;
    return SIZE;
}

/* Faults if nobody has set it up. */
EXPORT("play") float play(int32_t n) {
    if (!table) __builtin_trap();
    return table[(uint32_t)(n * step) % SIZE];
}

EXPORT("divide") int32_t divide(int32_t by) { return SIZE / by; }
