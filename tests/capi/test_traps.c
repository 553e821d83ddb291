/* Every way to trap, its status, and what the instance answers afterwards. */
#include "../support/common.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

static guest_t guest;

#define I32(value) {.i32 = (value)}
#define I64(value) {.i64 = (value)}
#define F32(value) {.f32 = (value)}
#define F64(value) {.f64 = (value)}

static const struct {
    const char *name;
    rtw_value_t values[2];
    rtw_status_t expected;
    const char *what;
} cases[] = {
    {"unreachable", {I32(0)}, RTW_ERR_TRAP_UNREACHABLE, "unreachable"},
    {"load", {I32(65533)}, RTW_ERR_TRAP_MEMORY, "a load across the memory's end"},
    {"load", {I32(-1)}, RTW_ERR_TRAP_MEMORY, "a load at the last address"},
    {"load_far", {I32(-1)}, RTW_ERR_TRAP_MEMORY, "a load 8 GiB away"},
    {"store", {I32(65529)}, RTW_ERR_TRAP_MEMORY, "a store across the memory's end"},
    {"load_vector", {I32(65521)}, RTW_ERR_TRAP_MEMORY, "a vector load across the memory's end"},
    {"fill", {I32(65000), I32(537)}, RTW_ERR_TRAP_MEMORY, "memory.fill across the memory's end"},
    {"load_atomic", {I32(2)}, RTW_ERR_TRAP_MISALIGNED, "a misaligned atomic load"},
    {"load_atomic", {I32(65536)}, RTW_ERR_TRAP_MEMORY, "an atomic load outside"},
    {"get_entry", {I32(3)}, RTW_ERR_TRAP_TABLE, "table.get outside the table"},
    {"call_entry", {I32(3)}, RTW_ERR_TRAP_TABLE, "an indirect call outside the table"},
    {"call_entry", {I32(-1)}, RTW_ERR_TRAP_TABLE, "an indirect call far outside the table"},
    {"call_entry", {I32(1)}, RTW_ERR_TRAP_INDIRECT_CALL, "an indirect call through an empty entry"},
    {"call_entry_wrongly", {I32(0)}, RTW_ERR_TRAP_INDIRECT_CALL, "an indirect call with another type"},
    {"div", {I32(1), I32(0)}, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "a division by zero"},
    {"rem", {I32(1), I32(0)}, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "a remainder by zero"},
    {"div64", {I64(1), I64(0)}, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "a 64-bit division by zero"},
    {"div", {I32(INT32_MIN), I32(-1)}, RTW_ERR_TRAP_INTEGER_OVERFLOW, "INT32_MIN / -1"},
    {"div64", {I64(INT64_MIN), I64(-1)}, RTW_ERR_TRAP_INTEGER_OVERFLOW, "INT64_MIN / -1"},
    {"truncate", {F32(3e9f)}, RTW_ERR_TRAP_INTEGER_OVERFLOW, "3e9 to i32"},
    {"truncate64", {F64(-1.0)}, RTW_ERR_TRAP_INTEGER_OVERFLOW, "-1 to u64"},
    {"truncate", {F32(NAN)}, RTW_ERR_TRAP_BAD_CONVERSION, "NaN to i32"},
    {"truncate64", {F64(NAN)}, RTW_ERR_TRAP_BAD_CONVERSION, "NaN to u64"},
    {"recurse", {I32(0)}, RTW_ERR_TRAP_STACK, "endless recursion"},
};

static void test_each(void) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        renew(&guest, NULL);
        rtw_func_t *func = look_up(guest.instance, cases[i].name, NULL);
        rtw_func_t *alive = look_up(guest.instance, "alive", NULL);
        rtw_value_t values[2], first;
        memcpy(values, cases[i].values, sizeof values);
        first.i32 = 0;
        check_status(rtw_invoke(alive, &first, 1), RTW_OK, "%s: the guest runs before", cases[i].what);
        check_status(rtw_invoke(func, values, 2), cases[i].expected, "%s", cases[i].what);
        check_status(rtw_invoke(func, values, 2), RTW_ERR_FAULTED, "%s: the func answers RTW_ERR_FAULTED then", cases[i].what);
        check_status(rtw_invoke(alive, &first, 1), RTW_ERR_FAULTED, "%s: so does another func", cases[i].what);
        check_status(rtw_invoke(alive, NULL, 0), RTW_ERR_FAULTED, "%s: whatever the values are", cases[i].what);
        rtw_func_stats_t stats;
        rtw_func_stats_init(&stats);
        check(rtw_func_stats(func, &stats) == RTW_OK && stats.call.count == 1 && stats.faults == 1, "%s: one call, one fault", cases[i].what);
        check(rtw_func_stats(alive, &stats) == RTW_OK && stats.call.count == 1 && stats.faults == 0, "%s: none of the other func", cases[i].what);
        rtw_func_destroy(func);
        rtw_func_destroy(alive);
    }
}

/* An infinity is too large, as the WebAssembly specification's own tests have it. */
static void test_infinity(void) {
    const float infinities[] = {INFINITY, -INFINITY};
    for (int i = 0; i < 2; i++) {
        renew(&guest, NULL);
        rtw_value_t value = F32(infinities[i]);
        check_status(call(guest.instance, "truncate", &value, 1), RTW_ERR_TRAP_INTEGER_OVERFLOW, "%g to i32", (double)infinities[i]);
    }
}

/* The parts of a faulted guest that can still be read. */
static void test_faulted(void) {
    renew(&guest, NULL);
    rtw_value_t values[2] = {I32(1), I32(0)};
    (void)call(guest.instance, "div", values, 2);
    rtw_memory_view_t view;
    rtw_error_t err;
    check_status(rtw_instance_memory(guest.instance, NULL, &view, &err), RTW_OK, "faulted: its memory can be read");
    check(rtw_instance_memory_at(guest.instance, 0, 65536) == view.base, "faulted: memory_at too");
    rtw_func_t *func = NULL;
    check_status(rtw_instance_func(guest.instance, "alive", NULL, &func, &err), RTW_OK, "faulted: functions can be looked up");
    check_status(rtw_invoke(func, values, 1), RTW_ERR_FAULTED, "faulted: and answer so");
    rtw_func_destroy(func);
    rtw_instance_t *fresh = NULL;
    check_status(rtw_instance_create(guest.module, NULL, NULL, &fresh, &err), RTW_OK, "faulted: another instance can be made");
    check(call_i32(fresh, "alive", 0, 0) == 1, "faulted: it runs");
    rtw_instance_destroy(fresh);
}

/* A trap leaves what was written before it. */
static void test_partial_work(void) {
    renew(&guest, NULL);
    rtw_value_t values[2] = {I32(65529), I32(0)};
    unsigned char *bytes = rtw_instance_memory_at(guest.instance, 0, 65536);
    check_status(call(guest.instance, "store", values, 1), RTW_ERR_TRAP_MEMORY, "a store that ends outside");
    bool clean = true;
    for (int i = 65529; i < 65536; i++) clean = clean && bytes[i] == 0;
    check(clean, "it wrote nothing");
}

/* On a thread with a small stack the guest's limit, not the thread's end, is what a recursion meets. */
static void *recurse_here(void *data) {
    rtw_status_t *answers = data;
    rtw_error_t err;
    answers[0] = rtw_thread_attach(guest.runtime, NULL, &err);
    rtw_value_t value = I32(0);
    answers[1] = call(guest.instance, "recurse", &value, 1);
    answers[2] = rtw_thread_detach(guest.runtime, NULL);
    return NULL;
}

static void test_small_stack(void) {
    renew(&guest, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 400 * 1024);
    rtw_status_t answers[3] = {1, 1, 1};
    pthread_t thread;
    if (pthread_create(&thread, &attributes, recurse_here, answers) == 0) pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    check_status(answers[0], RTW_OK, "a thread with 400 KiB of stack is attached");
    check_status(answers[1], RTW_ERR_TRAP_STACK, "endless recursion on it traps");
    check_status(answers[2], RTW_OK, "and the thread goes on");
}

static void test_many(void) {
    bool all = true;
    for (int round = 0; round < 200; round++) {
        renew(&guest, NULL);
        size_t which = (size_t)round % (sizeof cases / sizeof cases[0]);
        rtw_value_t values[2];
        memcpy(values, cases[which].values, sizeof values);
        all = call(guest.instance, cases[which].name, values, 2) == cases[which].expected && all;
    }
    check(all, "two hundred traps in a row");
}

static void test_errno(void) {
    renew(&guest, NULL);
    rtw_func_t *func = look_up(guest.instance, "div", NULL);
    rtw_value_t values[2] = {I32(1), I32(0)};
    errno = 4711;
    rtw_status_t status = rtw_invoke(func, values, 2);
    int after = errno;
    check(status == RTW_ERR_TRAP_DIVIDE_BY_ZERO && after == 4711, "a trap leaves errno alone");
    rtw_func_destroy(func);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest = open_guest("traps", NULL);
    test_each();
    test_infinity();
    test_faulted();
    test_partial_work();
    test_small_stack();
    test_many();
    test_errno();
    close_guest(&guest);
    return check_summary();
}
