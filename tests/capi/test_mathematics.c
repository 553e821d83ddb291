/* Every function of rtw_imports_libm, in both precisions: a guest gets what the host's own libm returns, to the bit, for ordinary numbers
 * and for those at the edges. */
#include "../support/common.h"

#include <math.h>
#include <string.h>

static rtw_runtime_t *runtime;
static rtw_instance_t *instance;
static rtw_error_t err;

enum { PLACE = 1024, OTHER = 2048 };

/* ---- the arguments ---- */

static const double edges[] = {0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, -7, 10, 100.25, -100.25, 1e-3, 1e-30, 1e-310, -1e-310, 4.9e-324,
                               1e-40, 3e9, -3e9, 1e18, -1e19, 1e30, 1e300, -1e300, 3.4e38, 88.9, 710, -745.2, 2147483647.5, HUGE_VAL, -HUGE_VAL};
enum { EDGES = sizeof edges / sizeof edges[0], VALUES = EDGES + 1 + 150 };

/* The n-th of a fixed series. */
static double value(int n) {
    n %= VALUES;
    if (n < EDGES) return edges[n];
    if (n == EDGES) return (double)NAN;
    const uint32_t noise = (uint32_t)n * 2654435761u;
    return ((double)noise / 4294967296.0 - 0.5) * (n % 3 == 0 ? 2 : n % 3 == 1 ? 20 : 2000);
}

/* ---- one call beside the host's own ---- */

static bool same_double(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }
static bool same_float(float a, float b) { return memcmp(&a, &b, sizeof a) == 0; }

/* The guest's number at an address. */
static double *double_at(uint64_t address) { return rtw_instance_memory_at(instance, address, sizeof(double)); }
static float *float_at(uint64_t address) { return rtw_instance_memory_at(instance, address, sizeof(float)); }
static int32_t *int_at(uint64_t address) { return rtw_instance_memory_at(instance, address, sizeof(int32_t)); }

static rtw_func_t *func;
static int wrong;

static void invoke(rtw_value_t *values) {
    if (rtw_invoke(func, values, 3) != RTW_OK) wrong++;
}
static void expect(bool same) {
    if (!same) wrong++;
}

/* A test of each type: `f` is called through a variable, so that the compiler computes nothing itself. */
#define EACH(n) for (int n = 0; n < VALUES; n++)
#define TESTS(suffix, T, field, same, at)                                                                                          \
    static void one_##suffix(T (*volatile f)(T)) {                                                                                 \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n);                                                                                               \
            rtw_value_t v[3] = {{.field = x}};                                                                                     \
            invoke(v);                                                                                                             \
            expect(same(v[0].field, f(x)));                                                                                        \
        }                                                                                                                          \
    }                                                                                                                              \
    static void two_##suffix(T (*volatile f)(T, T)) {                                                                              \
        for (int step = 0; step < 40; step += 3) EACH(n) {                                                                         \
            const T x = (T)value(n), y = (T)value(n + step);                                                                       \
            rtw_value_t v[3] = {{.field = x}, {.field = y}};                                                                       \
            invoke(v);                                                                                                             \
            expect(same(v[0].field, f(x, y)));                                                                                     \
        }                                                                                                                          \
    }                                                                                                                              \
    static void three_##suffix(T (*volatile f)(T, T, T)) {                                                                         \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n), y = (T)value(n + 5), z = (T)value(2 * n + 7);                                                 \
            rtw_value_t v[3] = {{.field = x}, {.field = y}, {.field = z}};                                                         \
            invoke(v);                                                                                                             \
            expect(same(v[0].field, f(x, y, z)));                                                                                  \
        }                                                                                                                          \
    }                                                                                                                              \
    static void scale_##suffix(T (*volatile f)(T, int)) {                                                                          \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n);                                                                                               \
            const int by = n % 7 == 0 ? -1100 : n % 7 == 1 ? 2000 : n - 100;                                                       \
            rtw_value_t v[3] = {{.field = x}, {.i32 = by}};                                                                        \
            invoke(v);                                                                                                             \
            expect(same(v[0].field, f(x, by)));                                                                                    \
        }                                                                                                                          \
    }                                                                                                                              \
    static void scale_long_##suffix(T (*volatile f)(T, long)) {                                                                    \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n);                                                                                               \
            rtw_value_t v[3] = {{.field = x}, {.i32 = n - 100}};                                                                   \
            invoke(v);                                                                                                             \
            expect(same(v[0].field, f(x, n - 100)));                                                                               \
        }                                                                                                                          \
    }                                                                                                                              \
    static void int_##suffix(int (*volatile f)(T)) {                                                                               \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n);                                                                                               \
            rtw_value_t v[3] = {{.field = x}};                                                                                     \
            invoke(v);                                                                                                             \
            expect(v[0].i32 == f(x));                                                                                              \
        }                                                                                                                          \
    }                                                                                                                              \
    static void long_##suffix(long (*volatile f)(T)) { /* a guest's has 32 bits */                                                 \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n);                                                                                               \
            rtw_value_t v[3] = {{.field = x}};                                                                                     \
            invoke(v);                                                                                                             \
            expect(v[0].u32 == (uint32_t)f(x));                                                                                    \
        }                                                                                                                          \
    }                                                                                                                              \
    static void long_long_##suffix(long long (*volatile f)(T)) {                                                                   \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n);                                                                                               \
            rtw_value_t v[3] = {{.field = x}};                                                                                     \
            invoke(v);                                                                                                             \
            expect(v[0].i64 == f(x));                                                                                              \
        }                                                                                                                          \
    }                                                                                                                              \
    static void int_out_##suffix(T (*volatile f)(T, int *)) {                                                                      \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n);                                                                                               \
            int number = 0;                                                                                                        \
            rtw_value_t v[3] = {{.field = x}, {.i32 = PLACE}};                                                                     \
            invoke(v);                                                                                                             \
            expect(same(v[0].field, f(x, &number)) && *int_at(PLACE) == number);                                                   \
        }                                                                                                                          \
    }                                                                                                                              \
    static void part_out_##suffix(T (*volatile f)(T, T *)) {                                                                       \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n);                                                                                               \
            T part = 0;                                                                                                            \
            rtw_value_t v[3] = {{.field = x}, {.i32 = PLACE}};                                                                     \
            invoke(v);                                                                                                             \
            expect(same(v[0].field, f(x, &part)) && same(*at(PLACE), part));                                                       \
        }                                                                                                                          \
    }                                                                                                                              \
    static void two_int_out_##suffix(T (*volatile f)(T, T, int *)) {                                                               \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n), y = (T)value(n + 9);                                                                          \
            int number = 0;                                                                                                        \
            rtw_value_t v[3] = {{.field = x}, {.field = y}, {.i32 = PLACE}};                                                       \
            invoke(v);                                                                                                             \
            expect(same(v[0].field, f(x, y, &number)) && *int_at(PLACE) == number);                                                \
        }                                                                                                                          \
    }                                                                                                                              \
    static void two_out_##suffix(void (*volatile f)(T, T *, T *)) {                                                                \
        EACH(n) {                                                                                                                  \
            const T x = (T)value(n);                                                                                               \
            T sine = 0, cosine = 0;                                                                                                \
            f(x, &sine, &cosine);                                                                                                  \
            rtw_value_t v[3] = {{.field = x}, {.i32 = PLACE}, {.i32 = OTHER}};                                                     \
            invoke(v);                                                                                                             \
            expect(same(*at(PLACE), sine) && same(*at(OTHER), cosine));                                                            \
        }                                                                                                                          \
    }
TESTS(d, double, f64, same_double, double_at)
TESTS(s, float, f32, same_float, float_at)

/* ---- all of them ---- */

static int tried;

static void begin(const char *name) {
    wrong = 0;
    tried++;
    func = look_up(instance, name, NULL);
}
/* In a static program some functions are those that the linker finds in the library: these differ in the last bit, or in a zero's sign. */
#if defined(__GLIBC__)
static int may_differ(const char *name) { return (void)name, 0; }
#else
static int may_differ(const char *name) { return strcmp(name, "cbrt") == 0 || strcmp(name, "fmaxf") == 0 || strcmp(name, "fminf") == 0 ? VALUES / 8 : 0; }
#endif

static void end(const char *name) {
    rtw_func_destroy(func);
    check(wrong <= may_differ(name), "%s: what the host's own returns, %d times not", name, wrong);
}

#define PRECISION(test, name) begin(#name), test(name), end(#name)
#define BOTH(test, name) PRECISION(test##_d, name), PRECISION(test##_s, name##f)

static void all(void) {
    BOTH(one, acos), BOTH(one, acosh), BOTH(one, asin), BOTH(one, asinh), BOTH(one, atan), BOTH(one, atanh), BOTH(one, cbrt), BOTH(one, ceil);
    BOTH(one, cos), BOTH(one, cosh), BOTH(one, erf), BOTH(one, erfc), BOTH(one, exp), BOTH(one, exp10), BOTH(one, exp2), BOTH(one, expm1);
    BOTH(one, fabs), BOTH(one, floor), BOTH(one, lgamma), BOTH(one, log), BOTH(one, log10), BOTH(one, log1p), BOTH(one, log2), BOTH(one, logb);
    BOTH(one, nearbyint), BOTH(one, rint), BOTH(one, round), BOTH(one, sin), BOTH(one, sinh), BOTH(one, sqrt), BOTH(one, tan), BOTH(one, tanh);
    BOTH(one, tgamma), BOTH(one, trunc);
    BOTH(two, atan2), BOTH(two, copysign), BOTH(two, fdim), BOTH(two, fmax), BOTH(two, fmin), BOTH(two, fmod), BOTH(two, hypot);
    BOTH(two, nextafter), BOTH(two, pow), BOTH(two, remainder);
    BOTH(three, fma), BOTH(scale, ldexp), BOTH(scale, scalbn), BOTH(scale_long, scalbln), BOTH(int, ilogb), BOTH(long, lrint), BOTH(long, lround);
    BOTH(long_long, llrint), BOTH(long_long, llround), BOTH(int_out, frexp), BOTH(part_out, modf), BOTH(two_int_out, remquo), BOTH(two_out, sincos);
    PRECISION(int_out_d, lgamma_r), PRECISION(int_out_s, lgammaf_r);
    /* The twin: another function is noticed. */
    begin("sin"), one_d(cos);
    check(wrong > VALUES / 2, "twin: another function's results are noticed");
    rtw_func_destroy(func);
    begin("fmax"), two_d(fmin);
    check(wrong > VALUES, "twin: so are those of one with two arguments");
    rtw_func_destroy(func);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    attach_here(runtime);
    rtw_module_t *module = load(runtime, "mathematics");
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_libm(imports, &err), &err, "libm");
    check_status(rtw_imports_missing(imports, module, NULL, 0, &(size_t){0}, &err), RTW_OK, "libm provides all of them");
    instance = new_instance(module, imports, 0);
    rtw_imports_destroy(imports);
    const size_t imported = rtw_module_import_count(module);
    all();
    check(tried == (int)imported + 2, "each import was tried: %d", tried);
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
    (void)rtw_thread_detach(runtime, NULL);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
