/* Globals that are looked up once, then read and written: all types, after resets and faults, from host functions, in slots. */
#include "../support/common.h"

#include <string.h>

static rtw_error_t err;
static rtw_global_t *looked_at;
static rtw_value_t seen;
static int looks;

static rtw_status_t look(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    looks++;
    if (looked_at == NULL) return RTW_OK;
    check_status(rtw_global_get(looked_at, &seen), RTW_OK, "a global is read from a host function");
    rtw_value_t value;
    memset(&value, 0, sizeof value);
    value.i32 = seen.i32 + 10;
    check_status(rtw_global_set(looked_at, &value), RTW_OK, "and written");
    return RTW_OK;
}

static rtw_global_t *find(rtw_instance_t *instance, const char *name, const char *ty) {
    rtw_global_t *global = NULL;
    check_status(rtw_instance_global(instance, name, ty, &global, &err), RTW_OK, "global %s", name);
    return global;
}

static rtw_value_t get(const rtw_global_t *global) {
    rtw_value_t value;
    memset(&value, 0xff, sizeof value);
    check_status(rtw_global_get(global, &value), RTW_OK, "a global is read");
    return value;
}

static double sum(rtw_instance_t *instance) {
    rtw_value_t value;
    check_status(call(instance, "sum", &value, 1), RTW_OK, "the guest's sum");
    return value.f64;
}

static void test_values(rtw_instance_t *instance) {
    rtw_global_t *a = find(instance, "a", "i32"), *b = find(instance, "b", "i64"), *c = find(instance, "c", "f32"), *d = find(instance, "d", "f64");
    rtw_global_t *e = find(instance, "e", "v128"), *fixed = find(instance, "fixed", NULL), *rate = find(instance, "rate", "f64"), *again = find(instance, "a", NULL);
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "prepare");
    rtw_value_t value;
    for (int round = 0; round < 3; round++) {
        check(get(a).i32 == 1 && get(b).i64 == -2 && get(c).f32 == 0.5f && get(d).f64 == 0.25 && get(rate).f64 == 48000, "what the module says");
        check(get(e).v128[0] == 1 && get(e).v128[12] == 4 && get(fixed).i32 == 77, "a v128, and one that does not change");
        memset(&value, 0, sizeof value);
        value.i32 = 5;
        check_status(rtw_global_set(a, &value), RTW_OK, "an i32");
        value.i64 = INT64_C(1) << 40;
        check_status(rtw_global_set(b, &value), RTW_OK, "an i64");
        value.f32 = 1.5f;
        check_status(rtw_global_set(c, &value), RTW_OK, "an f32");
        value.f64 = 2.25;
        check_status(rtw_global_set(d, &value), RTW_OK, "an f64");
        value.f64 = 96000;
        check_status(rtw_global_set(rate, &value), RTW_OK, "an imported one");
        memset(&value, 9, sizeof value);
        check_status(rtw_global_set(e, &value), RTW_OK, "a v128");
        check(get(e).v128[0] == 9 && get(e).v128[15] == 9, "is what was written");
        check(sum(instance) == 5 + 1099511627776.0 + 1.5 + 2.25 + 96000, "the guest sees all of them");
        check_status(rtw_global_set(fixed, &value), RTW_ERR_ARGUMENT, "an immutable one is not written");
        looked_at = again;
        check_status(call(instance, "count", NULL, 0), RTW_OK, "a call that changes one");
        looked_at = NULL;
        check(seen.i32 == 6 && get(a).i32 == 16 && get(again).i32 == 16, "both handles see it");
        if (round == 1) {
            check_status(call(instance, "trap", NULL, 0), RTW_ERR_TRAP_UNREACHABLE, "a fault");
            check(get(a).i32 == 1000, "a faulted guest is read");
        }
        check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    }
    rtw_global_t *const all[] = {a, b, c, d, e, fixed, rate};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) rtw_global_destroy(all[i]);
    check(get(again).i32 == 1, "a handle outlives another of the same global");
    rtw_global_destroy(again);
    rtw_global_destroy(NULL);
    check_status(rtw_global_get(again, &value), RTW_ERR_HANDLE, "a destroyed one");
}

static void test_refusals(rtw_instance_t *instance) {
    static const struct {
        const char *name, *ty, *text;
        rtw_status_t status;
    } wrong[] = {
        {"a", "i64", "has type i32; i64 was asked for", RTW_ERR_SIGNATURE}, {"a", "mut i32", "was asked for", RTW_ERR_SIGNATURE},
        {"reference", NULL, "cannot cross into C", RTW_ERR_UNSUPPORTED},     {"memory", NULL, "is a memory, not a global", RTW_ERR_EXPORT_KIND},
        {"nothing", NULL, "exports of this kind: ", RTW_ERR_NO_EXPORT},      {NULL, NULL, "name is NULL", RTW_ERR_NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rtw_global_t *global = (rtw_global_t *)instance;
        check_status(rtw_instance_global(instance, wrong[i].name, wrong[i].ty, &global, &err), wrong[i].status, "what is not found, %d", (int)i);
        check_error(&err, wrong[i].status, wrong[i].text, "and says why");
        check(global == NULL, "and there is no handle");
    }
    rtw_global_t *a = find(instance, "a", NULL);
    rtw_value_t value;
    check_status(rtw_instance_global(NULL, "a", NULL, &a, &err), RTW_ERR_NULL, "no instance");
    a = find(instance, "a", NULL);
    check_status(rtw_instance_global(instance, "a", NULL, NULL, &err), RTW_ERR_NULL, "no place for the handle");
    check(rtw_global_get(NULL, &value) == RTW_ERR_NULL && rtw_global_set(NULL, &value) == RTW_ERR_NULL, "no global");
    check(rtw_global_get(a, NULL) == RTW_ERR_NULL && rtw_global_set(a, NULL) == RTW_ERR_NULL, "no value");
    rtw_global_destroy(a);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_imports_t *imports = NULL;
    rtw_value_t rate;
    rate.f64 = 48000;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_global(imports, "env", "rate", "mut f64", &rate, &err), &err, "a global");
    require(rtw_imports_func(imports, "env", "look", "()->()", look, NULL, NULL, 0, &err), &err, "a function");
    guest_t guest = open_guest("globals", imports);
    test_values(guest.instance);
    test_refusals(guest.instance);
    /* A handle keeps the instance. */
    rtw_global_t *last = find(guest.instance, "a", "i32");
    rtw_instance_destroy(guest.instance);
    guest.instance = NULL;
    check(get(last).i32 == 1, "a handle keeps its instance alive");
    rtw_global_destroy(last);
    check(looks == 3, "the host was called");
    close_guest(&guest);
    rtw_imports_destroy(imports);
    return check_summary();
}
