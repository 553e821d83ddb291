/* An addon for Node: the C library's mathematics, so that Node's engine gets from its imports the very bits that rtwasm's guests get. The
 * part of Node-API that it needs is declared here; it is the same in all versions. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_get_value_double(napi_env, napi_value, double *);
int napi_create_double(napi_env, double, napi_value *);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);

static void arguments(napi_env env, napi_callback_info info, double *x, double *y) {
    napi_value values[2];
    size_t count = 2;
    *x = *y = 0;
    if (napi_get_cb_info(env, info, &count, values, NULL, NULL) != 0) abort();
    if (napi_get_value_double(env, values[0], x) != 0) abort();
    if (count > 1) napi_get_value_double(env, values[1], y);
}

static napi_value result(napi_env env, double value) {
    napi_value made;
    if (napi_create_double(env, value, &made) != 0) abort();
    return made;
}

#define ONE(name)                                                                                                                         \
    static napi_value call_##name(napi_env env, napi_callback_info info) {                                                                \
        double x, y;                                                                                                                      \
        arguments(env, info, &x, &y);                                                                                                     \
        return result(env, name(x));                                                                                                      \
    }                                                                                                                                     \
    static napi_value call_##name##f(napi_env env, napi_callback_info info) {                                                             \
        double x, y;                                                                                                                      \
        arguments(env, info, &x, &y);                                                                                                     \
        return result(env, (double)name##f((float)x));                                                                                    \
    }
#define TWO(name)                                                                                                                         \
    static napi_value call_##name(napi_env env, napi_callback_info info) {                                                                \
        double x, y;                                                                                                                      \
        arguments(env, info, &x, &y);                                                                                                     \
        return result(env, name(x, y));                                                                                                   \
    }                                                                                                                                     \
    static napi_value call_##name##f(napi_env env, napi_callback_info info) {                                                             \
        double x, y;                                                                                                                      \
        arguments(env, info, &x, &y);                                                                                                     \
        return result(env, (double)name##f((float)x, (float)y));                                                                          \
    }
#define ALL(ONE, TWO)                                                                                                                     \
    ONE(acos) ONE(acosh) ONE(asin) ONE(asinh) ONE(atan) ONE(atanh) ONE(ceil) ONE(cos) ONE(cosh) ONE(exp) ONE(exp10) ONE(exp2) ONE(fabs)   \
    ONE(floor) ONE(log) ONE(log10) ONE(log2) ONE(rint) ONE(round) ONE(sin) ONE(sinh) ONE(sqrt) ONE(tan) ONE(tanh)                         \
    TWO(atan2) TWO(fmod) TWO(pow) TWO(remainder)

ALL(ONE, TWO)

#define ENTRY(name) {#name, call_##name}, {#name "f", call_##name##f},

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
    static const struct {
        const char *name;
        napi_callback callback;
    } all[] = {ALL(ENTRY, ENTRY)};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        napi_value function;
        if (napi_create_function(env, all[i].name, (size_t)-1, all[i].callback, NULL, &function) != 0) abort();
        if (napi_set_named_property(env, exports, all[i].name, function) != 0) abort();
    }
    return exports;
}
