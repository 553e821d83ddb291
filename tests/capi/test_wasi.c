/* WASI, what language runtimes import, and the log: programs of wasi-libc as they are, and a guest that calls everything by itself. */
#include "../support/common.h"
#include "../support/log.h"

#include <string.h>
#include <time.h>

static rtw_error_t err;
static rtw_runtime_t *runtime;

static rtw_imports_t *with_wasi(const rtw_wasi_config_t *config) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_wasi(imports, config, &err), &err, "wasi");
    return imports;
}

static rtw_instance_t *open_with_wasi(rtw_module_t *module, const rtw_wasi_config_t *config) {
    rtw_imports_t *imports = with_wasi(config);
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "instance");
    rtw_imports_destroy(imports);
    return instance;
}

static void test_command(void) {
    rtw_module_t *module = load(runtime, "wasi_command");
    static const char *const args[] = {"program", "0", "three"};
    static const char *const env[] = {"OTHER=1", "NAME=value"};
    rtw_wasi_config_t config;
    rtw_wasi_config_init(&config);
    config.args = args, config.arg_count = 3, config.env = env, config.env_count = 2;
    rtw_instance_t *instance = open_with_wasi(module, &config);
    for (int round = 0; round < 2; round++) {
        forget();
        check_status(call(instance, "_start", NULL, 0), RTW_OK, "a command: an exit with 0 is a success, round %d", round);
        wait_for(6);
        check(has(RTW_LOG_PRINTED, "arg 0: program") && has(RTW_LOG_PRINTED, "arg 2: three"), "a command: its arguments, line by line");
        check(has(RTW_LOG_WARNING, "name: value"), "a command: its environment, on stderr");
        check(has(RTW_LOG_PRINTED, "file: none"), "a command: there are no files");
        check(has(RTW_LOG_PRINTED, "since 2020: yes"), "a command: it knows the date");
        check(received.messages[0].instance == instance, "a command: the callback knows whose it is");
        require(rtw_instance_reset(instance, &err), &err, "reset");
        wait_for(7);
        check(has(RTW_LOG_PRINTED, "no end"), "a command: a line without an end comes at the guest's end");
    }
    rtw_instance_destroy(instance);

    static const char *const failing[] = {"program", "3"};
    config.args = failing, config.arg_count = 2;
    instance = open_with_wasi(module, &config);
    forget();
    check_status(call(instance, "_start", NULL, 0), RTW_ERR_EXITED, "a command that fails");
    /* All of it has come, so that nothing of it reaches the next test. */
    wait_for(6);
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    require(rtw_instance_fault(instance, &fault, &err), &err, "fault");
    check(fault.host_status == 3, "a command that fails: its code");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
}

static void test_reactor(void) {
    rtw_module_t *module = load(runtime, "wasi_reactor");
    rtw_wasi_config_t config;
    rtw_wasi_config_init(&config);
    uint64_t time = 5000000007;
    config.seed = 42, config.time_ns = &time;
    rtw_imports_t *imports = with_wasi(&config);
    rtw_instance_t *instance = NULL, *other = NULL;
    require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "instance");
    require(rtw_instance_create(module, imports, NULL, &other, &err), &err, "another");
    require(rtw_instance_prepare(instance, NULL, NULL, &err), &err, "prepare");
    check(call_i32(instance, "initialised", 0, 0) == 1, "a reactor: its constructors have run once");
    rtw_value_t value = {.i32 = 0};
    check_status(call(instance, "now", &value, 1), RTW_OK, "the time");
    check(value.i64 == 5000000007, "a reactor: the host's time");
    time++;
    check_status(call(instance, "now", &value, 1), RTW_OK, "the time");
    check(value.i64 == 5000000008, "a reactor: the host's time has passed");
    check(call_i32(instance, "sleep", 0, 0) == 0, "a reactor: sleeping takes no time");
    int32_t random = call_i32(instance, "random", 0, 0), next = call_i32(instance, "random", 0, 0);
    check(random != 0 && random != next, "a reactor: random numbers differ");
    check(random == call_i32(other, "random", 0, 0), "a reactor: with a seed, each guest has the same");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    check(call_i32(instance, "initialised", 0, 0) == 1 && call_i32(instance, "random", 0, 0) == random, "a reactor: so has one after a reset");
    forget();
    value.i32 = 12;
    check_status(call(instance, "count", &value, 1), RTW_OK, "a print");
    wait_for(1);
    check(has(RTW_LOG_PRINTED, "12"), "a reactor: what it prints in several pieces is one line");
    rtw_instance_destroy(other);

    /* A spare is initialised as well. */
    rtw_slot_config_t slot_config;
    rtw_slot_config_init(&slot_config);
    rtw_slot_t *slot = new_slot(runtime, "initialised", "()->(i32)", &slot_config);
    require(rtw_slot_publish(slot, instance, NULL, &err), &err, "publish");
    wait_for_spares(slot, slot_config.standby);
    rtw_instance_destroy(instance);
    rtw_slot_destroy(slot);

    rtw_instance_config_t left;
    rtw_instance_config_init(&left);
    left.initialize = RTW_INITIALIZE_LEAVE;
    require(rtw_instance_create(module, imports, &left, &instance, &err), &err, "instance");
    check(call_i32(instance, "initialised", 0, 0) == 0, "a reactor: the host may initialise it itself");
    check_status(call(instance, "_initialize", NULL, 0), RTW_OK, "by its own call");
    check(call_i32(instance, "initialised", 0, 0) == 1, "a reactor: then it is");
    rtw_instance_destroy(instance);

    config.seed = 0, config.time_ns = NULL;
    instance = open_with_wasi(module, &config);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    check_status(call(instance, "now", &value, 1), RTW_OK, "the time");
    clock_gettime(CLOCK_MONOTONIC, &after);
    int64_t slack = 1000000, begin = before.tv_sec * 1000000000LL + before.tv_nsec, end = after.tv_sec * 1000000000LL + after.tv_nsec;
    check(value.i64 >= begin - slack && value.i64 <= end + slack, "a reactor: the clock's time");
    rtw_imports_destroy(imports);
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
}

static void test_runtimes(rtw_module_t *module) {
    rtw_instance_t *instance = open_with_wasi(module, NULL);
    rtw_value_t value;
    forget();
    check_status(call(instance, "trace", NULL, 0), RTW_OK, "trace");
    wait_for(1);
    check(has(RTW_LOG_PRINTED, "trace: why 1.5, -2"), "AssemblyScript's trace is a message");
    check_status(call(instance, "seed", &value, 1), RTW_OK, "seed");
    check(value.f64 >= 0, "AssemblyScript's seed");
    check_status(call(instance, "now", &value, 1), RTW_OK, "now");
    check(value.f64 > 0, "Emscripten's time");
    check(call_i32(instance, "resize", 0, 0) == 0, "Emscripten's heap does not grow from outside");
    check(call_i32(instance, "open", 0, 0) == 8, "no directory is open");
    check(call_i32(instance, "random", 131000, 100) == 21 && call_i32(instance, "random", 0, 65537) == 28, "random numbers: EFAULT, EINVAL");
    forget();
    check(call_i32(instance, "write", 1, 0) == 0 && call_i32(instance, "write", 0, 0) == 8 && call_i32(instance, "write", 3, 0) == 8, "files to write to");
    wait_for(2);
    check(received.count == 2 && has(RTW_LOG_PRINTED, "one") && has(RTW_LOG_PRINTED, "two"), "pieces become lines");
    forget();
    check_status(call(instance, "abort", NULL, 0), RTW_ERR_ABORTED, "AssemblyScript's abort");
    wait_for(1);
    check(has(RTW_LOG_ERROR, "abort: why in a.ts(12:3)"), "AssemblyScript's abort says why");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    forget();
    check_status(call(instance, "assert", NULL, 0), RTW_ERR_ABORTED, "a failed assertion");
    wait_for(1);
    check(has(RTW_LOG_ERROR, "assertion failed: x > 0 in file.c:7"), "a failed assertion says what and where");
    rtw_instance_destroy(instance);
}

static void test_log(rtw_module_t *module) {
    rtw_instance_t *instance = open_with_wasi(module, NULL);
    rtw_value_t values[3] = {{.i32 = 7}, {.i32 = 300}, {.i32 = 9}};
    forget();
    check_status(call(instance, "log", values, 3), RTW_OK, "log");
    values[1].i32 = 131000, values[2].i32 = 1000;
    check_status(call(instance, "log", values, 3), RTW_OK, "a log out of bounds");
    values[0].i32 = 1, values[1].i32 = 20000, values[2].i32 = 2000;
    memset(rtw_instance_memory_at(instance, 20000, 2000), 'y', 2000);
    check_status(call(instance, "log", values, 3), RTW_OK, "a long one");
    wait_for(2);
    check(has(7, "hello \xc3\xa4\xef\xbf\xbd"), "the log: what is not UTF-8 is replaced");
    const struct message *cut = &received.messages[1];
    check(received.count == 2 && cut->length == RTW_LOG_LONGEST + 3 && strcmp(cut->text + RTW_LOG_LONGEST, "\xe2\x80\xa6") == 0,
          "the log: a long message is cut, and says so; one out of bounds is none");
    /* More than can be read meanwhile: what was dropped and what came make up all. */
    forget();
    values[0].i32 = 1000000;
    check_status(call(instance, "log_often", values, 1), RTW_OK, "log often");
    uint64_t dropped = rtw_instance_log_dropped(instance);
    check(dropped > 0 && dropped < 1000000, "the log: what has no room is dropped, and counted");
    rtw_instance_destroy(instance);
    check(rtw_instance_log_dropped(NULL) == 0, "no handle, nothing dropped");
    wait_for((int)(1000000 - dropped) + 1);

    /* Messages that are not read yet when the guest goes. */
    instance = open_with_wasi(module, NULL);
    forget();
    values[0].i32 = 3;
    check_status(call(instance, "log_often", values, 1), RTW_OK, "log");
    rtw_instance_destroy(instance);
    wait_for(3);
    check(has(RTW_LOG_INFO, "hello"), "the log: what is left comes after the guest's end");
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.log_bytes = 1;
    rtw_imports_t *imports = with_wasi(NULL);
    check_status(rtw_instance_create(module, imports, &config, &instance, &err), RTW_ERR_ARGUMENT, "a tiny log");
    config.log_bytes = 1024, config.initialize = 2;
    check_status(rtw_instance_create(module, imports, &config, &instance, &err), RTW_ERR_ARGUMENT, "an unknown initialize");
    rtw_imports_destroy(imports);
}

static void test_initialising(rtw_module_t *module) {
    static const char *const env[] = {"A=1", "B=2", "C=3"};
    static const rtw_status_t statuses[] = {RTW_ERR_TRAP_UNREACHABLE, RTW_ERR_EXITED, RTW_ERR_BUDGET};
    for (uint32_t i = 0; i < 3; i++) {
        rtw_wasi_config_t config;
        rtw_wasi_config_init(&config);
        config.env = env, config.env_count = i + 1;
        rtw_imports_t *imports = with_wasi(&config);
        rtw_instance_config_t limited;
        rtw_instance_config_init(&limited);
        limited.budget_ns = 1000000;
        rtw_instance_t *instance = NULL;
        check_status(rtw_instance_create(module, imports, &limited, &instance, &err), statuses[i], "_initialize fails, way %u", i);
        check(instance == NULL && strstr(err.message, "_initialize") != NULL, "no instance, and the reason");
        rtw_imports_destroy(imports);
    }
}

static void test_errors(void) {
    rtw_imports_t *imports = with_wasi(NULL);
    rtw_wasi_config_t config;
    rtw_wasi_config_init(&config);
    config.arg_count = 1;
    check_status(rtw_imports_wasi(imports, &config, &err), RTW_ERR_NULL, "no arguments");
    config.arg_count = 0;
    config.time_ns = (const uint64_t *)(uintptr_t)4;
    check_status(rtw_imports_wasi(imports, &config, &err), RTW_ERR_ARGUMENT, "a time that is not aligned");
    config.struct_size = 0;
    check_status(rtw_imports_wasi(imports, &config, &err), RTW_ERR_STRUCT_SIZE, "no size");
    check_status(rtw_imports_wasi(NULL, NULL, &err), RTW_ERR_NULL, "no list");
    rtw_imports_destroy(imports);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_runtime_config_t config = runtime_config();
    config.on_log = on_log, config.log_user_data = &received;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "runtime");
    attach_here(runtime);
    test_command();
    test_reactor();
    rtw_module_t *module = load(runtime, "system");
    test_runtimes(module);
    test_log(module);
    test_initialising(module);
    test_errors();
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
