/* The floating-point environment: a guest computes as WebAssembly says whatever the thread has, a host function has the thread's
 * own, and after every call the thread has its own again. For every rounding, every exception that may trap, every treatment of
 * denormals, in every mode of the instance. */
#include "../support/child.h"
#include "../support/float_mode.h"
#include "common.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__aarch64__)

#if defined(__x86_64__)

/* MASKS: no exception traps. ONE_TRAPS: division by zero does. DOWNWARDS, UPWARDS: roundings. */
enum { FLUSH = FLUSH_BITS, MASKS = 0x1f80, ONE_TRAPS = MASKS & ~(1u << 9), ALL_TRAP = 0, DOWNWARDS = 1 << 13, UPWARDS = 2 << 13, CONTROL = 0xffc0 };

static unsigned short x87(void) {
    unsigned short word;
    __asm__ volatile("fnstcw %0" : "=m"(word));
    return word;
}

static const unsigned roundings[] = {0, DOWNWARDS, UPWARDS, 3 << 13};
static const unsigned masks[] = {MASKS, 0, MASKS & ~(1u << 7), MASKS & ~(1u << 8), MASKS & ~(1u << 9), MASKS & ~(1u << 10), MASKS & ~(1u << 11), MASKS & ~(1u << 12)};
static const unsigned denormals[] = {0, 1 << 6, 1 << 15, FLUSH};

#else

/* Most cores for boards cannot trap: the bits that ask for it stay 0. Beside rounding and flushing there are the default NaN and
 * the alternative half precision. */
enum { FLUSH = FLUSH_BITS, MASKS = 0, ONE_TRAPS = 1 << 9, ALL_TRAP = 0x9f00, UPWARDS = 1 << 22, DOWNWARDS = 2 << 22, CONTROL = 0x07c89f07 };

static unsigned short x87(void) { return 0; }

static const unsigned roundings[] = {0, UPWARDS, DOWNWARDS, 3 << 22};
static const unsigned masks[] = {0, 1 << 25, 1 << 26, 3 << 25};
static const unsigned denormals[] = {0, FLUSH};

#endif

static unsigned mode(void) { return read_float_mode() & CONTROL; }
static void set_mode(unsigned word) { write_float_mode(word); }

enum { ROUNDINGS = sizeof roundings / sizeof roundings[0], MASKINGS = sizeof masks / sizeof masks[0], DENORMALS = sizeof denormals / sizeof denormals[0] };

/* The host function's data. */
static unsigned seen, change;
static rtw_func_t *inner;
static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance;
    seen = mode();
    rtw_value_t operands[2] = {{.f64 = 1}, {.f64 = 3}};
    rtw_status_t status = RTW_OK;
    if (inner != NULL) status = rtw_invoke(inner, operands, 2);
    if (change) set_mode(change);
    values[0].i32 = 0;
    return status;
}

static const uint32_t wanted[] = {RTW_DENORMALS_KEEP, RTW_DENORMALS_FLUSH, RTW_DENORMALS_IEEE};
static const char *const wanted_names[] = {"keep", "flush", "ieee"};

static uint64_t bits(double value) {
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

typedef struct func_list_t {
    rtw_func_t *div, *sqrt, *around, *mul, *mul_around, *nearest, *demote, *convert, *trunc, *unreachable;
} func_list_t;

/* The errors of one set of calls, as bits; 0 if none. Everything is kept as bits: the host's arithmetic is not to be trusted
 * in the environments that are tried. */
static int calls(const func_list_t *f, unsigned host, int flushes) {
    int wrong = 0;
    const uint64_t third = 0x3fd5555555555555;
    rtw_value_t v[2];
    unsigned short x87_before = x87();

    set_mode(host);
    v[0].u64 = 0x3ff0000000000000, v[1].u64 = 0x4008000000000000; /* 1 / 3 */
    rtw_status_t status = rtw_invoke(f->div, v, 2);
    unsigned after = mode();
    set_mode(MASKS);
    wrong |= (status != RTW_OK || v[0].u64 != third) << 0 | (after != (host & CONTROL)) << 1;

    set_mode(host);
    v[0].u64 = 0xbff0000000000000, v[1].u64 = 0x4008000000000000; /* -1 / 3 */
    status = rtw_invoke(f->div, v, 2);
    set_mode(MASKS);
    wrong |= (status != RTW_OK || v[0].u64 != (third | 1ull << 63)) << 2;

    set_mode(host); /* 1 / 0 and 0 / 0, the root of -1, overflow, inexact: all that can trap */
    v[0].u64 = 0x3ff0000000000000, v[1].u64 = 0;
    status = rtw_invoke(f->div, v, 2);
    const uint64_t infinity = v[0].u64;
    v[0].u64 = 0, v[1].u64 = 0;
    status |= rtw_invoke(f->div, v, 2);
    const uint64_t nan = v[0].u64;
    v[0].u64 = 0xbff0000000000000;
    status |= rtw_invoke(f->sqrt, v, 1);
    v[0].u64 = 0x7fefffffffffffff;
    status |= rtw_invoke(f->demote, v, 1);
    v[0].i32 = 0x7fffffff;
    status |= rtw_invoke(f->convert, v, 1);
    const uint32_t converted = v[0].u32;
    v[0].u64 = 0x7ff8000000000000;
    status |= rtw_invoke(f->trunc, v, 1);
    v[0].u64 = 0x4004000000000000; /* 2.5, to nearest even: 2 */
    status |= rtw_invoke(f->nearest, v, 1);
    after = mode();
    set_mode(MASKS);
    wrong |= (status != RTW_OK || infinity != 0x7ff0000000000000 || (nan & 0x7ff8000000000000) != 0x7ff8000000000000) << 3 |
             (converted != 0x4f000000 || v[0].u64 != 0x4000000000000000) << 4 | (after != (host & CONTROL)) << 5;

    set_mode(host); /* half of the smallest normal number */
    v[0].u32 = 0x00800000, v[1].u32 = 0x3f000000;
    status = rtw_invoke(f->mul, v, 2);
    set_mode(MASKS);
    if (flushes >= 0) wrong |= (status != RTW_OK || (v[0].u32 == 0) != flushes) << 6;

    set_mode(host); /* a visit: the host's environment in it, the guest's after it, whatever it does */
    v[0].u64 = 0x3ff0000000000000, v[1].u64 = 0x4008000000000000;
    status = rtw_invoke(f->around, v, 2);
    after = mode();
    set_mode(MASKS);
    wrong |= (status != RTW_OK || v[0].u64 != third || v[1].u64 != third) << 7 | (seen != (host & CONTROL)) << 8 | (after != (host & CONTROL)) << 9;
    set_mode(host);
    v[0].u32 = 0x00800000, v[1].u32 = 0x3f000000;
    status = rtw_invoke(f->mul_around, v, 2);
    after = mode();
    set_mode(MASKS);
    wrong |= (status != RTW_OK || v[0].u32 != v[1].u32) << 10 | (after != (host & CONTROL)) << 11;
    return wrong | (x87() != x87_before) << 12;
}

static func_list_t look_all_up(rtw_instance_t *instance) {
    func_list_t f = {look_up(instance, "f64_div", NULL),        look_up(instance, "f64_sqrt", NULL),
                     look_up(instance, "f64_div_around", NULL), look_up(instance, "f32_mul", NULL),
                     look_up(instance, "f32_mul_around", NULL), look_up(instance, "f64_nearest", NULL),
                     look_up(instance, "f32_demote", NULL),     look_up(instance, "f32_convert", NULL),
                     look_up(instance, "i32_trunc_sat", NULL),  look_up(instance, "unreachable", NULL)};
    return f;
}

static void every_environment(void *data) {
    (void)data;
    life_t life = begin_life(visit, NULL, 0);
    ready(&life);
    for (size_t w = 0; w < 3; w++) {
        rtw_instance_config_t config;
        rtw_error_t err;
        rtw_instance_t *instance;
        rtw_instance_config_init(&config);
        config.denormals = wanted[w];
        require(rtw_instance_create(life.guest.module, life.imports, &config, &instance, &err), &err, "an instance");
        require(rtw_instance_prepare(instance, NULL, NULL, &err), &err, "prepare");
        func_list_t f = look_all_up(instance);
        unsigned tried = 0, failed = 0;
        for (int nested = 0; nested < 2; nested++) {
            inner = nested ? f.div : NULL;
            for (size_t r = 0; r < ROUNDINGS; r++)
                for (size_t m = 0; m < MASKINGS; m++)
                    for (size_t d = 0; d < DENORMALS; d++)
                        for (size_t c = 0; c < 3; c++) {
                            const unsigned host = roundings[r] | masks[m] | denormals[d];
                            change = c == 0 ? 0 : c == 1 ? MASKS | UPWARDS | FLUSH : MASKS;
                            /* Half of a flushing, to zero or of inputs alone, is the thread's own affair with KEEP. */
                            const int flushes = w == 1 ? 1 : w == 2 ? 0 : denormals[d] == FLUSH ? 1 : denormals[d] == 0 ? 0 : -1;
                            const int wrong = calls(&f, host, flushes);
                            tried++;
                            if (wrong != 0 && failed++ < 3) printf("    environment %#x, change %#x: wrong %#x\n", host, change, (unsigned)wrong);
                        }
        }
        inner = NULL;
        change = 0;
        check(failed == 0, "%s: in %u environments guests compute as WebAssembly says and the host's comes back", wanted_names[w], tried);

        /* A call that ends early. */
        unsigned traps = 0;
        for (size_t r = 0; r < ROUNDINGS; r++) {
            set_mode(roundings[r] | ONE_TRAPS | FLUSH);
            const unsigned host = mode();
            const rtw_status_t status = rtw_invoke(f.unreachable, NULL, 0);
            const unsigned after = mode();
            const rtw_status_t reset = rtw_instance_reset(instance, NULL);
            const unsigned after_reset = mode();
            set_mode(MASKS);
            traps += status != RTW_ERR_TRAP_UNREACHABLE || reset != RTW_OK || after != (host & CONTROL) || after_reset != (host & CONTROL);
        }
        check(traps == 0, "%s: and after a trap and a reset", wanted_names[w]);
        rtw_instance_destroy(instance);
    }
    end_life(&life);
}

/* The whole API with every exception unmasked: the library's own arithmetic does not trap. */
static void all_unmasked(void *data) {
    (void)data;
    set_mode(ALL_TRAP | UPWARDS);
    const unsigned before = mode();
    life_t life = begin_life(NULL, NULL, 20000000);
    ready(&life);
    const int wrong = whole(&life, "unmasked", true);
    rtw_func_t *add = look_up(life.guest.instance, "add", "(i32,i32)->(i32)");
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    const rtw_status_t empty = rtw_func_stats(add, &stats);
    rtw_status_t status = RTW_OK;
    for (int i = 0; i < 100; i++) values[0].i32 = 1, status |= rtw_invoke(add, values, 2) | rtw_invoke_budget(add, values, 2, 1234567);
    const rtw_status_t full = rtw_func_stats(add, &stats);
    rtw_func_destroy(add);
    const rtw_status_t detached = rtw_thread_detach(life.guest.runtime, NULL);
    end_life(&life);
    const unsigned after = mode();
    set_mode(MASKS);
    check(wrong == 0 && status == RTW_OK, "with all exceptions unmasked guests run");
    check(empty == RTW_OK && full == RTW_OK && detached == RTW_OK, "and statistics are made");
    check(after == before, "and the environment is as it was");
}

/* Attach's own treatment of denormals is for the host's code too, and meets the above. */
static void attached_flushing(void *data) {
    (void)data;
    life_t life = begin_life(visit, NULL, 0);
    rtw_thread_config_t config;
    rtw_error_t err;
    rtw_thread_config_init(&config);
    config.denormals = RTW_DENORMALS_FLUSH;
    set_mode(MASKS | DOWNWARDS);
    require(rtw_thread_attach(life.guest.runtime, &config, &err), &err, "attach");
    const unsigned attached = mode();
    require(rtw_instance_prepare(life.guest.instance, NULL, NULL, &err), &err, "prepare");
    rtw_func_t *mul = look_up(life.guest.instance, "f32_mul_around", NULL);
    rtw_value_t v[2] = {{.u32 = 0x00800000}, {.u32 = 0x3f000000}};
    const rtw_status_t status = rtw_invoke(mul, v, 2);
    const unsigned called = mode();
    require(rtw_thread_detach(life.guest.runtime, &err), &err, "detach");
    const unsigned detached = mode();
    set_mode(MASKS);
    check(attached == (MASKS | DOWNWARDS | FLUSH) && called == attached, "attached with flushing: the thread flushes, and keeps its rounding");
    check(status == RTW_OK && v[0].u32 == 0 && seen == attached, "so does the guest, and the host function");
    check(detached == (MASKS | DOWNWARDS), "detached: as before");
    end_life(&life);
}

/* The twin: that a wrong environment shows in these calculations. */
static void twins(void) {
    volatile double one = 1, three = 3, result;
    set_mode(MASKS | UPWARDS);
    result = one / three;
    set_mode(MASKS);
    check(bits(result) != 0x3fd5555555555555, "twin: another rounding gives another quotient");
    volatile float small = FLT_MIN, half = 0.5f, halved;
    set_mode(MASKS | FLUSH);
    halved = small * half;
    set_mode(MASKS);
    check(fpclassify(halved) == FP_ZERO, "twin: flushing flushes");
}

static void on_signal(int number) {
    (void)number;
    _exit(5);
}

static void unmasked_in_host(void *data) {
    (void)data;
    signal(SIGFPE, on_signal);
    volatile double one = 1, zero = 0, result;
    set_mode(ONE_TRAPS);
    result = one / zero;
    set_mode(MASKS);
    (void)result;
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    twins();
    set_mode(ONE_TRAPS);
    const bool can_trap = mode() != MASKS;
    set_mode(MASKS);
    if (can_trap)
        check(status_of_child(unmasked_in_host, NULL) != 0, "twin: an unmasked exception traps outside of guests");
    else
        printf("skipped: an unmasked exception traps: this CPU has no such traps\n");
    check_in_child("every environment", every_environment, NULL);
    check_in_child("all exceptions unmasked", all_unmasked, NULL);
    check_in_child("attached with flushing", attached_flushing, NULL);
    return check_summary();
}

#else

int main(void) {
    check(true, "the registers that these tests set are those of x86-64 and aarch64");
    return check_summary();
}

#endif
