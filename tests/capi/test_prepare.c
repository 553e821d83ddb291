/* Prepare: what it does, reports and refuses. */
#include "../support/common.h"

#include <string.h>
#include <sys/mman.h>

static rtw_error_t err;

static void test_plain(guest_t *guest) {
    rtw_prepare_report_t report;
    rtw_prepare_report_init(&report);
    check_status(rtw_instance_prepare(guest->instance, NULL, &report, &err), RTW_OK, "prepare: no dry calls");
    check_error(&err, RTW_OK, "", "prepare: no message");
    check(report.touched_bytes >= 65536 && report.locked == 0 && report.locked_bytes == 0, "prepare: %llu bytes touched, none locked",
          (unsigned long long)report.touched_bytes);
    check(report.dry_calls == 0 && report.first_call_ns == 0 && report.steady_call_ns == 0 && report.allocations == 0 &&
              report.minor_faults == 0 && report.major_faults == 0,
          "prepare: no dry calls, no figures of them");
    check_status(rtw_instance_prepare(guest->instance, NULL, NULL, NULL), RTW_OK, "prepare: again, without report and error");
    unsigned char present[16] = {0};
    void *memory = rtw_instance_memory_at(guest->instance, 0, 65536);
    check(mincore(memory, 65536, present) == 0, "prepare: the memory is mapped");
    bool all = true;
    for (int page = 0; page < 16; page++) all = all && (present[page] & 1) != 0;
    check(all, "prepare: every page of it is present");
}

static void test_dry_calls(guest_t *guest) {
    rtw_func_t *count = look_up(guest->instance, "count", NULL), *add = look_up(guest->instance, "add", NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = 3, values[1].i32 = 4;
    rtw_dry_call_t dry[2];
    memset(dry, 0, sizeof dry);
    dry[0].func = count, dry[0].values = values, dry[0].value_count = 1, dry[0].repeats = 100;
    dry[1].func = add, dry[1].values = values, dry[1].value_count = 2, dry[1].repeats = 50;
    rtw_prepare_config_t config;
    rtw_prepare_config_init(&config);
    config.dry_calls = dry;
    config.dry_call_count = 2;
    rtw_prepare_report_t report;
    rtw_prepare_report_init(&report);
    check_status(rtw_instance_prepare(guest->instance, &config, &report, &err), RTW_OK, "dry calls: two functions");
    check(report.dry_calls == 150, "dry calls: %llu were made", (unsigned long long)report.dry_calls);
    check(report.first_call_ns > 0 && report.steady_call_ns > 0, "dry calls: first %.0f ns, then %.0f ns", report.first_call_ns, report.steady_call_ns);
    check(report.allocations == 0, "dry calls: no allocations");
    check(values[0].i32 == 3 && values[1].i32 == 4, "dry calls: their arguments are only read");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(count, &stats) == RTW_OK && stats.call.count == 0, "dry calls: they do not enter the statistics");
    check(rtw_invoke(count, values, 2) == RTW_OK && values[0].i32 == 101, "dry calls: the guest's state changed");
    check(rtw_func_stats(count, &stats) == RTW_OK && stats.call.count == 1, "dry calls: statistics count afterwards");
    (void)rtw_instance_prepare(guest->instance, &config, NULL, NULL);
    check(rtw_func_stats(count, &stats) == RTW_OK && stats.call.count == 1, "dry calls: earlier statistics stay");

    /* A single one. */
    config.dry_call_count = 1;
    dry[0].repeats = 1;
    check_status(rtw_instance_prepare(guest->instance, &config, &report, &err), RTW_OK, "dry calls: one");
    check(report.dry_calls == 1 && report.first_call_ns == report.steady_call_ns, "dry calls: one is the first and the steady one");

#define WITH(change, expected, part, what)                                                                        \
    do {                                                                                                          \
        rtw_dry_call_t good = dry[1];                                                                             \
        rtw_dry_call_t *call = &dry[1];                                                                           \
        change;                                                                                                   \
        config.dry_call_count = 2;                                                                                \
        check_status(rtw_instance_prepare(guest->instance, &config, &report, &err), expected, "dry calls: " what); \
        check_error(&err, expected, part, "dry calls: " what ": the message says \"" part "\"");                  \
        dry[1] = good;                                                                                            \
    } while (0)
    WITH(call->func = NULL, RTW_ERR_NULL, "dry call 1", "func is NULL");
    WITH(call->repeats = 0, RTW_ERR_ARGUMENT, "repeats is 0", "no repeats");
    WITH(call->repeats = 1000001, RTW_ERR_ARGUMENT, "repeats is 1000001", "too many repeats");
    WITH(call->values = NULL, RTW_ERR_NULL, "values", "values is NULL");
    WITH(call->value_count = 1, RTW_ERR_VALUES, "needs 2 values", "too few values");
    rtw_instance_t *other = NULL;
    require(rtw_instance_create(guest->module, NULL, NULL, &other, &err), &err, "another instance");
    rtw_func_t *foreign = look_up(other, "add", NULL);
    WITH(call->func = foreign, RTW_ERR_ARGUMENT, "another instance", "another instance's func");
    rtw_func_destroy(foreign);
    rtw_instance_destroy(other);
    rtw_value_t before;
    (void)rtw_invoke(count, values, 2);
    before = values[0];
    WITH(call->repeats = 0, RTW_ERR_ARGUMENT, "repeats", "the second is wrong");
    (void)rtw_invoke(count, values, 2);
    check(values[0].i32 == before.i32 + 1, "dry calls: where one is wrong none is made");

    config.dry_calls = NULL;
    check_status(rtw_instance_prepare(guest->instance, &config, &report, &err), RTW_ERR_NULL, "dry calls: the list is NULL");
    config.dry_call_count = 0;
    check_status(rtw_instance_prepare(guest->instance, &config, &report, &err), RTW_OK, "dry calls: NULL where there are none");
    const uint32_t sizes[] = {0, (uint32_t)sizeof config - 1, 4100};
    for (int i = 0; i < 3; i++) {
        rtw_prepare_config_init(&config);
        rtw_prepare_report_init(&report);
        config.struct_size = sizes[i];
        check_status(rtw_instance_prepare(guest->instance, &config, &report, &err), RTW_ERR_STRUCT_SIZE, "prepare: config's struct_size is %u", sizes[i]);
        check_error(&err, RTW_ERR_STRUCT_SIZE, "config", "prepare: the message names it");
        report.struct_size = sizes[i];
        check_status(rtw_instance_prepare(guest->instance, NULL, &report, &err), RTW_ERR_STRUCT_SIZE, "prepare: report's struct_size is %u", sizes[i]);
        check_error(&err, RTW_ERR_STRUCT_SIZE, "report", "prepare: the message names it");
    }
    rtw_func_destroy(count);
    rtw_func_destroy(add);
}

static void test_faulting(void) {
    guest_t guest = open_guest("traps", NULL);
    rtw_func_t *div = look_up(guest.instance, "div", NULL);
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    rtw_dry_call_t dry = {div, values, 2, 5, 0};
    rtw_prepare_config_t config;
    rtw_prepare_config_init(&config);
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    check_status(rtw_instance_prepare(guest.instance, &config, NULL, &err), RTW_ERR_TRAP_DIVIDE_BY_ZERO, "dry call: one that traps");
    check_error(&err, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "\"div\"", "dry call: the message names the function");
    check_status(rtw_invoke(div, values, 2), RTW_ERR_FAULTED, "dry call: the instance has faulted");
    check_status(rtw_instance_prepare(guest.instance, &config, NULL, &err), RTW_ERR_FAULTED, "dry call: a faulted instance says so");
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(div, &stats) == RTW_OK && stats.call.count == 0 && stats.faults == 0, "dry call: its fault is in no statistics");
    rtw_func_destroy(div);
    close_guest(&guest);
}

/* With locking; as root it always succeeds, so the limit is tested in a process without rights. */
static void locking(void *data) {
    (void)data;
    drop_rights(8 << 20);
    guest_t guest = open_locking("calls", RTW_LOCK_REQUIRED);
    rtw_prepare_report_t report;
    rtw_prepare_report_init(&report);
    check_status(rtw_instance_prepare(guest.instance, NULL, &report, &err), RTW_OK, "locking: within the limit");
    check(report.locked == 1 && report.locked_bytes == report.touched_bytes && report.locked_bytes >= 65536, "locking: all is locked");
    limit_memlock(16384);
    rtw_instance_t *second = NULL;
    require(rtw_instance_create(guest.module, NULL, NULL, &second, &err), &err, "a second instance");
    check_status(rtw_instance_prepare(second, NULL, &report, &err), RTW_ERR_MEMLOCK, "locking: beyond the limit, required");
    check_error(&err, RTW_ERR_MEMLOCK, "16 KiB", "locking: the message has the limit");
    rtw_instance_destroy(second);
    close_guest(&guest);
    guest = open_locking("calls", RTW_LOCK_ON);
    check_status(rtw_instance_prepare(guest.instance, NULL, &report, &err), RTW_OK, "locking: beyond the limit, where it is permitted");
    check(report.locked == 0 && report.locked_bytes < report.touched_bytes, "locking: the report says that not all is locked");
    close_guest(&guest);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("calls", NULL);
    test_plain(&guest);
    test_dry_calls(&guest);
    close_guest(&guest);
    test_faulting();
    if (!sanitized) check_in_child("locking", locking, NULL);
    return check_summary();
}
