/* The kernels of guests/dsp, natively and as guests. Natively they are the same source, linked to this program.
 *   host check PROFILE ARTIFACT                compares the outputs, block by block; with PLANTED set, one native sample is changed
 *   host time PROFILE ROUNDS NAME=ARTIFACT...  prints the least time of a block, in ns: kernel, form, native, each artifact; all take turns
 *   host count PROFILE NAME=ARTIFACT...        under callgrind: a dump for each kernel, form and contender, named after them
 * An artifact whose name is "stock" is a module, which the stock engine runs with its own defaults, from the library that STOCK names. */
#include <rtwasm.h>

#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <valgrind/callgrind.h>

#include "../../guests/dsp/kernels.h"
#include "../../tests/support/check.h"
#include "../rivals/wasmtime_c.h"

enum { OUTPUT_FLOATS = 2048, MOST = 8, BLOCKS = 200 };

float *dsp_output(void);
void dsp_init(void);

typedef void kernel_t(void);
#define DECLARE(name, has_header) kernel_t name##_plain; DECLARE_##has_header(name)
#define DECLARE_0(name)
#define DECLARE_1(name) kernel_t name##_header;
DSP_KERNELS(DECLARE)

typedef struct {
    const char *name;
    kernel_t *forms[2]; /* plain; with the header, or NULL */
} native_t;
#define ENTRY(name, has_header) {#name, {name##_plain, ENTRY_##has_header(name)}},
#define ENTRY_0(name) NULL
#define ENTRY_1(name) name##_header
static const native_t natives[] = {DSP_KERNELS(ENTRY)};
enum { KERNELS = sizeof natives / sizeof natives[0] };
static const char *const FORMS[2] = {"plain", "header"};

static rtw_runtime_t *runtime;

typedef struct {
    const char *name;
    bool is_stock;
    rtw_func_t *init, *forms[KERNELS][2];
    wasmtime_context_t *context;
    wasmtime_func_t stock_forms[KERNELS][2];
    const float *output;
} guest_t;

static void need(rtw_status_t status, const char *what, const rtw_error_t *err) {
    if (status == RTW_OK) return;
    fprintf(stderr, "host: %s: %s: %s\n", what, rtw_status_name(status), err != NULL ? err->message : "");
    exit(2);
}

static void start(const char *profile) {
    rtw_error_t err;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = strcmp(profile, "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    config.statistics = 0;
    need(rtw_runtime_create(&config, &runtime, &err), "runtime", &err);
    need(rtw_thread_attach(runtime, NULL, &err), "attach", &err);
}

static void run(rtw_func_t *func) { need(rtw_invoke(func, NULL, 0), "call", NULL); }

static bool has(int kernel, int form) { return natives[kernel].forms[form] != NULL; }

static guest_t load(const char *name, const char *path) {
    guest_t guest = {.name = name};
    rtw_error_t err;
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *output;
    need(rtw_module_load_file(runtime, path, &module, &err), path, &err);
    need(rtw_instance_create(module, NULL, NULL, &instance, &err), "instance", &err);
    need(rtw_instance_func(instance, "init", "()->()", &guest.init, &err), "init", &err);
    need(rtw_instance_func(instance, "output", "()->(i32)", &output, &err), "output", &err);
    for (int kernel = 0; kernel < KERNELS; kernel++) {
        for (int form = 0; form < 2; form++) {
            char export[64];
            snprintf(export, sizeof export, "%s_%s", natives[kernel].name, FORMS[form]);
            if (has(kernel, form)) need(rtw_instance_func(instance, export, "()->()", &guest.forms[kernel][form], &err), export, &err);
        }
    }
    need(rtw_instance_prepare(instance, NULL, NULL, &err), "prepare", &err);
    rtw_value_t value = {.u32 = 0};
    need(rtw_invoke(output, &value, 1), "output", NULL);
    guest.output = rtw_instance_memory_at(instance, value.u32, OUTPUT_FLOATS * sizeof(float));
    run(guest.init);
    return guest;
}

/* ---- the stock engine ---- */

static __typeof__(&wasmtime_func_call_unchecked) stock_call;

static void need_stock(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "host: the stock engine: %s\n", what);
    exit(2);
}

static guest_t load_stock(const char *path) {
    static uint8_t bytes[1 << 20];
    guest_t guest = {.name = "stock", .is_stock = true};
    FILE *file = fopen(path, "rb");
    void *library = dlopen(getenv("STOCK"), RTLD_NOW | RTLD_LOCAL);
    need_stock(file != NULL && library != NULL, path);
    const size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
#define FROM_STOCK(name) __typeof__(&name) stock_##name = (__typeof__(&name))(uintptr_t)dlsym(library, #name)
    FROM_STOCK(wasm_engine_new);
    FROM_STOCK(wasmtime_module_new);
    FROM_STOCK(wasmtime_store_new);
    FROM_STOCK(wasmtime_store_context);
    FROM_STOCK(wasmtime_instance_new);
    FROM_STOCK(wasmtime_instance_export_get);
    stock_call = (__typeof__(stock_call))(uintptr_t)dlsym(library, "wasmtime_func_call_unchecked");
    wasm_engine_t *engine = stock_wasm_engine_new();
    wasmtime_module_t *module;
    wasmtime_instance_t instance;
    wasm_trap_t *trap = NULL;
    need_stock(stock_wasmtime_module_new(engine, bytes, length, &module) == NULL, "module");
    guest.context = stock_wasmtime_store_context(stock_wasmtime_store_new(engine, NULL, NULL));
    need_stock(stock_wasmtime_instance_new(guest.context, module, NULL, 0, &instance, &trap) == NULL && trap == NULL, "instance");
    wasmtime_extern_t found;
    wasmtime_val_raw_t values[1];
    for (int kernel = 0; kernel < KERNELS; kernel++) {
        for (int form = 0; form < 2; form++) {
            char export[64];
            const int letters = snprintf(export, sizeof export, "%s_%s", natives[kernel].name, FORMS[form]);
            if (!has(kernel, form)) continue;
            need_stock(stock_wasmtime_instance_export_get(guest.context, &instance, export, (size_t)letters, &found), export);
            guest.stock_forms[kernel][form] = found.of.func;
        }
    }
    need_stock(stock_wasmtime_instance_export_get(guest.context, &instance, "init", 4, &found), "init");
    need_stock(stock_call(guest.context, &found.of.func, values, 1, &trap) == NULL && trap == NULL, "init");
    return guest;
}

static void call(const guest_t *guest, int kernel, int form) {
    if (guest == NULL) {
        natives[kernel].forms[form]();
    } else if (guest->is_stock) {
        wasmtime_val_raw_t values[1];
        wasm_trap_t *trap = NULL;
        stock_call(guest->context, &guest->stock_forms[kernel][form], values, 1, &trap);
    } else {
        rtw_invoke(guest->forms[kernel][form], NULL, 0);
    }
}

/* ---- check ---- */

/* The largest difference beside the largest sample; infinity for what is no number, and where there is no sound at all. */
static double distance(const float *a, const float *b) {
    double furthest = 0, loudest = 0;
    for (int n = 0; n < OUTPUT_FLOATS; n++) {
        const double difference = fabs((double)a[n] - (double)b[n]);
        if (!(difference < INFINITY)) return INFINITY;
        furthest = difference > furthest ? difference : furthest;
        loudest = fabs((double)a[n]) > loudest ? fabs((double)a[n]) : loudest;
    }
    return loudest > 0 ? furthest / loudest : INFINITY;
}

/* Kernels whose forms add up in another order, and by how much their results may differ. */
static double bound_of(const char *kernel) {
    return strcmp(kernel, "fft") == 0 || strcmp(kernel, "convolution") == 0 ? 1e-6 : 0;
}

static void check_kernel(const guest_t *guest, int kernel) {
    static float plain[BLOCKS][OUTPUT_FLOATS];
    const char *name = natives[kernel].name;
    for (int form = 0; form < 2; form++) {
        if (!has(kernel, form)) continue;
        dsp_init();
        run(guest->init);
        double engines = 0, forms = 0, loudest = 0;
        for (int block = 0; block < BLOCKS; block++) {
            call(NULL, kernel, form);
            run(guest->forms[kernel][form]);
            if (getenv("PLANTED") != NULL && block == BLOCKS - 1) dsp_output()[OUTPUT_FLOATS - 1] += 1;
            if (memcmp(dsp_output(), guest->output, OUTPUT_FLOATS * sizeof(float)) != 0) {
                engines = fmax(engines, distance(dsp_output(), guest->output) + 1e-30);
            }
            if (form == 0) {
                memcpy(plain[block], dsp_output(), sizeof plain[block]);
            } else if (memcmp(plain[block], dsp_output(), sizeof plain[block]) != 0) {
                forms = fmax(forms, distance(plain[block], dsp_output()));
            }
            for (int n = 0; n < OUTPUT_FLOATS; n++) loudest = fmax(loudest, fabs((double)dsp_output()[n]));
        }
        check(engines == 0 && loudest > 1e-3, "%s %s: native bits (%g)", name, FORMS[form], engines);
        if (form == 1) {
            const double bound = bound_of(name);
            check(forms <= bound, "%s: header and plain differ by at most %g (%g)", name, bound, forms);
        }
    }
}

/* ---- time ---- */

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_of(const guest_t *guest, int kernel, int form, int calls) {
    const double begun = now_ns();
    for (int n = 0; n < calls; n++) call(guest, kernel, form);
    return (now_ns() - begun) / calls;
}

static void keep_least(double *least, double value) {
    if (*least == 0 || value < *least) *least = value;
}

static void measure(const guest_t *guests, int count, int kernel, int form, int rounds) {
    double native = 0, least[MOST] = {0};
    /* A turn of some 20 us, so that most are not interrupted. */
    const int calls = 1 + (int)(20000 / fmax(time_of(NULL, kernel, form, 50), 1));
    for (int round = 0; round < rounds; round++) {
        keep_least(&native, time_of(NULL, kernel, form, calls));
        for (int i = 0; i < count; i++) keep_least(&least[i], time_of(&guests[i], kernel, form, calls));
    }
    printf("%s %s %.1f", natives[kernel].name, FORMS[form], native);
    for (int i = 0; i < count; i++) printf(" %.1f", least[i]);
    printf("\n");
}

/* ---- count ---- */

static void count_one(const guest_t *guest, int kernel, int form, const char *profile) {
    enum { CALLS = 20 };
    char text[128];
    for (int n = 0; n < CALLS; n++) call(guest, kernel, form);
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
    for (int n = 0; n < CALLS; n++) call(guest, kernel, form);
    CALLGRIND_TOGGLE_COLLECT;
    const char *contender = guest == NULL ? "native" : guest->name;
    snprintf(text, sizeof text, "%s-%s-%s.%s %d", natives[kernel].name, FORMS[form], contender, profile, CALLS);
    CALLGRIND_DUMP_STATS_AT(text);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: host check PROFILE ARTIFACT | time PROFILE ROUNDS NAME=ARTIFACT... | count PROFILE NAME=ARTIFACT...\n");
        return 2;
    }
    const char *mode = argv[1];
    const bool timed = strcmp(mode, "time") == 0;
    guest_t guests[MOST];
    int count = 0;
    /* The stock engine first: the library finds its signal handlers, and passes on what is not its own. */
    for (int i = 3; i < argc; i++) {
        if (strncmp(argv[i], "stock=", 6) == 0) guests[count++] = load_stock(argv[i] + 6);
    }
    start(argv[2]);
    dsp_init();
    if (strcmp(mode, "check") == 0) {
        const guest_t guest = load("guest", argv[3]);
        for (int kernel = 0; kernel < KERNELS; kernel++) check_kernel(&guest, kernel);
        return check_summary();
    }
    for (int i = timed ? 4 : 3; i < argc && count < MOST; i++) {
        char *path = strchr(argv[i], '=');
        if (path == NULL) return 2;
        *path++ = '\0';
        if (strcmp(argv[i], "stock") != 0) guests[count++] = load(argv[i], path);
    }
    for (int kernel = 0; kernel < KERNELS; kernel++) {
        for (int form = 0; form < 2; form++) {
            if (!has(kernel, form)) continue;
            if (timed) {
                measure(guests, count, kernel, form, atoi(argv[3]));
                continue;
            }
            count_one(NULL, kernel, form, argv[2]);
            for (int i = 0; i < count; i++) count_one(&guests[i], kernel, form, argv[2]);
        }
    }
    return 0;
}
