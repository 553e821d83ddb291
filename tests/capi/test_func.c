/* Looking functions up and calling them. */
#include "../support/common.h"

#include <errno.h>
#include <string.h>

static rtw_error_t err;

static void check_look_up(rtw_instance_t *instance, const char *name, const char *signature, rtw_status_t expected, const char *part) {
    rtw_func_t *func = (rtw_func_t *)(void *)&profile;
    memset(&err, 0x7f, sizeof err);
    check_status(rtw_instance_func(instance, name, signature, &func, &err), expected, "look up %s as %s", name, signature);
    check_error(&err, expected, part, "look up %s as %s: the message says \"%s\"", name, signature, part);
    check((func != NULL) == (expected == RTW_OK), "look up %s as %s: *out is %s", name, signature, expected == RTW_OK ? "a func" : "NULL");
    rtw_func_destroy(func);
}

static void test_look_up(rtw_instance_t *instance) {
    rtw_func_t *func = NULL;
    check_look_up(instance, "add", "(i32,i32)->(i32)", RTW_OK, "");
    check_look_up(instance, "add", " ( i32 , i32 ) -> ( i32 ) ", RTW_OK, "");
    check_look_up(instance, "nothing", "()->()", RTW_OK, "");
    check_look_up(instance, "turn", "(i32,i64,f32,f64,v128)->(v128,f64,f32,i64,i32)", RTW_OK, "");
    check_status(rtw_instance_func(instance, "add", NULL, &func, NULL), RTW_OK, "look up add as anything, without an error struct");
    rtw_func_destroy(func);
    check_look_up(instance, "none", "()->()", RTW_ERR_NO_EXPORT, "\"none\"");
    check_error(&err, RTW_ERR_NO_EXPORT, "nothing, add", "look up none: the message names those there are");
    check_look_up(instance, "", "()->()", RTW_ERR_NO_EXPORT, "\"\"");
    check_look_up(instance, "memory", "()->()", RTW_ERR_EXPORT_KIND, "\"memory\" is a memory");
    check_look_up(instance, "table", "()->()", RTW_ERR_EXPORT_KIND, "\"table\" is a table");
    check_look_up(instance, "g_i32", "()->()", RTW_ERR_EXPORT_KIND, "\"g_i32\" is a global");
    check_look_up(instance, "add", "(i32,i32)->()", RTW_ERR_SIGNATURE, "(i32,i32)->(i32)");
    check_error(&err, RTW_ERR_SIGNATURE, "(i32,i32)->() ", "look up add: the message has both types");
    check_look_up(instance, "add", "(i32,i64)->(i32)", RTW_ERR_SIGNATURE, "(i32,i64)->(i32)");
    check_look_up(instance, "add", "(i32)->(i32)", RTW_ERR_SIGNATURE, "(i32)->(i32)");
    check_look_up(instance, "add", "(i32,i32)->(i32,i32)", RTW_ERR_SIGNATURE, "(i32,i32)->(i32,i32)");
    check_look_up(instance, "nothing", "()->(i32)", RTW_ERR_SIGNATURE, "()->()");
    check_look_up(instance, "takes_ref", NULL, RTW_ERR_UNSUPPORTED, "takes_ref");
    check_look_up(instance, "gives_ref", "()->()", RTW_ERR_UNSUPPORTED, "gives_ref");
    static const char *const nonsense[] = {
        "", " ", "->", "()", "i32", "(i32)", "(i32)->", "->(i32)", "i32->i32", "(i32->(i32)", "(i32)->(i32", "(int)->()", "(I32)->()",
        "(i32,)->()", "(,)->()", "(i32 i32)->()", "(i32;i32)->()", "()->()->()", "()->() x", "(funcref)->()", "(i31)->()", "(())->()",
        "(i 32)->()", "()- >()",
    };
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++)
        check_look_up(instance, "nothing", nonsense[i], RTW_ERR_SIGNATURE_SYNTAX, "(i32,f32)->(f64)");
    check_status(rtw_instance_func(instance, NULL, NULL, &func, &err), RTW_ERR_NULL, "look up: name is NULL");
    check_error(&err, RTW_ERR_NULL, "name", "look up: name is NULL: the message names it");
    check_status(rtw_instance_func(instance, "add", NULL, NULL, &err), RTW_ERR_NULL, "look up: out is NULL");
    check_error(&err, RTW_ERR_NULL, "out", "look up: out is NULL: the message names it");
    check_status(rtw_instance_func(instance, "\xff", NULL, &func, &err), RTW_ERR_ARGUMENT, "look up: a name that is not UTF-8");
    check_status(rtw_instance_func(instance, "add", "\xff", &func, &err), RTW_ERR_ARGUMENT, "look up: a signature that is not UTF-8");
}

/* Several at once: `part` is in the message. On failure there are none. */
static void check_look_ups(rtw_instance_t *instance, const rtw_wanted_func_t *wanted, size_t count, rtw_status_t expected, const char *part) {
    rtw_func_t *funcs[8];
    memset(funcs, 0x7f, sizeof funcs);
    check_status(rtw_instance_funcs(instance, wanted, count, funcs, &err), expected, "look up %zu functions: %s", count, part);
    check_error(&err, expected, part, "look up several: the message says \"%s\"", part);
    for (size_t i = 0; i < count; i++) check(funcs[i] == NULL, "look up several: there is no func %zu", i);
}

static void test_look_up_several(rtw_instance_t *instance) {
    const rtw_wanted_func_t wanted[] = {
        {"add", "(i32,i32)->(i32)", 0}, {"absent", "()->()", 1}, {"nothing", NULL, 1}, {"add", NULL, 0},
    };
    rtw_func_t *funcs[4];
    require(rtw_instance_funcs(instance, wanted, 4, funcs, &err), &err, "look up several");
    check(funcs[0] && !funcs[1] && funcs[2] && funcs[3] && funcs[0] != funcs[3], "each has its func, an optional one that is missing has none");
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    check(rtw_invoke(funcs[3], values, 2) == RTW_OK && values[0].i32 == 42, "they can be called");
    for (int i = 0; i < 4; i++) rtw_func_destroy(funcs[i]);

    const rtw_wanted_func_t wrong[] = {
        {"add", NULL, 0}, {"one", NULL, 0}, {"two", "()->()", 1}, {"three", "()->()", 0}, {"four", NULL, 0}, {"memory", NULL, 1},
    };
    check_look_ups(instance, wrong, 6, RTW_ERR_NO_EXPORT, "there is no export \"one\", \"four\"");
    check_error(&err, RTW_ERR_NO_EXPORT, "function \"three\" has type ()->(i32,i64,f32)", "what has another type is named");
    check_error(&err, RTW_ERR_NO_EXPORT, "\"memory\" is a memory", "and what is of another kind, optional or not");
    check(strstr(err.message, "two") == NULL, "what is optional and missing is not");
    check_look_ups(instance, &wrong[3], 1, RTW_ERR_SIGNATURE, "()->(i32,i64,f32)");
    check_look_ups(instance, &wrong[5], 1, RTW_ERR_EXPORT_KIND, "memory");
    const rtw_wanted_func_t nonsense = {"add", "nonsense", 0}, nameless = {NULL, NULL, 0}, undecided = {"add", NULL, 2};
    check_look_ups(instance, &nonsense, 1, RTW_ERR_SIGNATURE_SYNTAX, "(i32,f32)->(f64)");
    check_look_ups(instance, &nameless, 1, RTW_ERR_NULL, "name");
    check_look_ups(instance, &undecided, 1, RTW_ERR_ARGUMENT, "optional is 2");
    check_look_ups(instance, NULL, 2, RTW_ERR_NULL, "NULL");
    check_status(rtw_instance_funcs(instance, wanted, 4, NULL, &err), RTW_ERR_NULL, "look up several: out is NULL");
    check_status(rtw_instance_funcs(instance, NULL, 0, NULL, &err), RTW_OK, "look up none at all");
    check_status(rtw_instance_funcs(NULL, wanted, 0, NULL, &err), RTW_ERR_NULL, "look up several: instance is NULL");
}

/* A v128 can be read by lanes of every width. */
static void test_lanes(rtw_instance_t *instance) {
    rtw_value_t value;
    require(rtw_instance_global_get(instance, "g_v128", &value, &err), &err, "a v128");
    check(value.i32x4[0] == 1 && value.i32x4[3] == 4, "i32x4");
    check(value.i64x2[0] == 0x200000001 && value.i64x2[1] == 0x400000003, "i64x2");
    check(value.i16x8[2] == 2 && value.i16x8[3] == 0 && value.i8x16[4] == 2 && value.i8x16[12] == 4, "i16x8, i8x16");
    value.f64x2[0] = 1.5, value.f64x2[1] = -2;
    check(value.v128[7] == 0x3f && value.v128[15] == 0xc0 && value.f64 == 1.5, "f64x2");
}

/* Errors of rtw_invoke itself: the guest is not entered. */
static void test_values(rtw_instance_t *instance) {
    rtw_func_t *add = look_up(instance, "add", "(i32,i32)->(i32)");
    rtw_func_t *three = look_up(instance, "three", "()->(i32,i64,f32)");
    rtw_func_t *nothing = look_up(instance, "nothing", "()->()");
    rtw_func_t *count = look_up(instance, "count", "()->(i32)");
    rtw_value_t values[16];
    memset(values, 0, sizeof values);
    check_status(rtw_invoke(add, values, 1), RTW_ERR_VALUES, "invoke: one value for two parameters");
    check_status(rtw_invoke(add, values, 0), RTW_ERR_VALUES, "invoke: no values for two parameters");
    check_status(rtw_invoke(add, NULL, 0), RTW_ERR_VALUES, "invoke: no values at NULL");
    check_status(rtw_invoke(add, NULL, 2), RTW_ERR_NULL, "invoke: values is NULL");
    check_status(rtw_invoke(three, values, 2), RTW_ERR_VALUES, "invoke: two values for three results");
    check_status(rtw_invoke(three, values, 3), RTW_OK, "invoke: three values for three results");
    check_status(rtw_invoke(nothing, NULL, 0), RTW_OK, "invoke: nothing in, nothing out");
    check_status(rtw_invoke(nothing, NULL, 5), RTW_OK, "invoke: NULL where there is nothing to read");
    check_status(rtw_invoke(count, values, 0), RTW_ERR_VALUES, "invoke: refused");
    check_status(rtw_invoke(count, values, 1), RTW_OK, "invoke: not refused");
    check(values[0].i32 == 1, "invoke: a refused call did not enter the guest");
    memset(values, 0x55, sizeof values);
    values[0].i32 = 3;
    values[1].i32 = 4;
    check_status(rtw_invoke(add, values, 16), RTW_OK, "invoke: more values than needed");
    bool untouched = true;
    for (size_t i = 0; i < 14 * sizeof values[0]; i++) untouched = untouched && ((unsigned char *)&values[2])[i] == 0x55;
    check(values[0].i32 == 7 && untouched, "invoke: the rest is left alone");
    rtw_func_destroy(add);
    rtw_func_destroy(three);
    rtw_func_destroy(nothing);
    rtw_func_destroy(count);
}

static void test_types(rtw_instance_t *instance) {
    rtw_value_t v[10];
    memset(v, 0, sizeof v);
    v[0].i32 = INT32_MAX, v[1].i32 = 1;
    check(call(instance, "add", v, 2) == RTW_OK && v[0].i32 == INT32_MIN, "types: i32");
    v[0].i64 = INT64_MAX, v[1].i64 = 1;
    check(call(instance, "add64", v, 2) == RTW_OK && v[0].i64 == INT64_MIN, "types: i64");
    v[0].f32 = 1.5f, v[1].f32 = -3.0f;
    check(call(instance, "mul32", v, 2) == RTW_OK && v[0].f32 == -4.5f, "types: f32");
    v[0].f64 = 1e200, v[1].f64 = 1e100;
    check(call(instance, "mul64", v, 2) == RTW_OK && v[0].f64 == 1e300, "types: f64");
    for (int lane = 0; lane < 4; lane++) v[0].f32x4[lane] = (float)lane, v[1].f32x4[lane] = 0.5f;
    check(call(instance, "add_lanes", v, 2) == RTW_OK && v[0].f32x4[0] == 0.5f && v[0].f32x4[3] == 3.5f, "types: v128");
    /* The bytes beside a narrow argument do not matter. */
    memset(v, 0xff, sizeof v);
    v[0].i32 = 20, v[1].i32 = 22;
    check(call(instance, "add", v, 2) == RTW_OK && v[0].i32 == 42, "types: the rest of a value is not read");
    memset(v, 0, sizeof v);
    v[0].i32 = -1, v[1].i64 = -2, v[2].f32 = 3.25f, v[3].f64 = -4.5;
    for (int byte = 0; byte < 16; byte++) v[4].v128[byte] = (uint8_t)(byte + 1);
    check(call(instance, "turn", v, 5) == RTW_OK, "types: five of every type");
    bool lanes = true;
    for (int byte = 0; byte < 16; byte++) lanes = lanes && v[0].v128[byte] == byte + 1;
    check(lanes && v[1].f64 == -4.5 && v[2].f32 == 3.25f && v[3].i64 == -2 && v[4].i32 == -1, "types: five results in their order");
    check(call(instance, "three", v, 3) == RTW_OK && v[0].i32 == 1 && v[1].i64 == 2 && v[2].f32 == 3.0f, "types: more results than parameters");
    for (int i = 0; i < 10; i++) v[i].i32 = 1 << i;
    check(call(instance, "sum10", v, 10) == RTW_OK && v[0].i32 == 1023, "types: ten parameters");
    /* An array need not be aligned beyond what its type asks for. */
    rtw_value_t room[3];
    rtw_value_t *shifted = room;
    if ((uintptr_t)shifted % 16 == 0) shifted = (rtw_value_t *)(void *)((unsigned char *)room + 8);
    for (int lane = 0; lane < 4; lane++) shifted[0].f32x4[lane] = 2.0f, shifted[1].f32x4[lane] = 3.0f;
    check(call(instance, "add_lanes", shifted, 2) == RTW_OK && shifted[0].f32x4[2] == 5.0f, "types: v128 at an address that is not a multiple of 16");
}

/* Functions for real-time threads leave errno alone. */
static void test_errno(rtw_instance_t *instance) {
    rtw_func_t *add = look_up(instance, "add", NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    errno = 4711;
    for (int i = 0; i < 1000; i++) (void)rtw_invoke(add, values, 2);
    check(errno == 4711, "errno: rtw_invoke leaves it alone");
    (void)rtw_invoke(add, values, 0);
    (void)rtw_invoke(NULL, NULL, 0);
    check(errno == 4711, "errno: a refused rtw_invoke leaves it alone");
    (void)rtw_instance_memory_at(instance, 0, 1);
    (void)rtw_instance_memory_at(instance, UINT64_MAX, 1);
    check(errno == 4711, "errno: rtw_instance_memory_at leaves it alone");
    (void)rtw_version();
    (void)rtw_version_string();
    (void)rtw_status_name(1);
    (void)rtw_status_string(1);
    check(errno == 4711, "errno: version and status functions leave it alone");
    (void)rtw_func_stats(add, &stats);
    (void)rtw_func_stats_reset(add);
    check(errno == 4711, "errno: statistics leave it alone");
    rtw_func_destroy(add);
}

static void test_two_funcs(rtw_instance_t *instance) {
    rtw_func_t *one = look_up(instance, "add", NULL), *other = look_up(instance, "add", NULL);
    check(one != other, "two look-ups of one function are two funcs");
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    (void)rtw_invoke(one, values, 2);
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(one, &stats) == RTW_OK && stats.call.count == 1, "each with its statistics: one call here");
    check(rtw_func_stats(other, &stats) == RTW_OK && stats.call.count == 0, "each with its statistics: none there");
    rtw_func_destroy(one);
    check_status(rtw_invoke(other, values, 2), RTW_OK, "one func ends, the other stays");
    rtw_func_destroy(other);
    rtw_func_destroy(NULL);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("calls", NULL);
    test_look_up(guest.instance);
    test_look_up_several(guest.instance);
    test_lanes(guest.instance);
    test_values(guest.instance);
    test_types(guest.instance);
    test_errno(guest.instance);
    test_two_funcs(guest.instance);
    close_guest(&guest);
    return check_summary();
}
