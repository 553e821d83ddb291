/* Guests as toolchains make them (guests/Makefile): AssemblyScript, Rust with and without a system, Emscripten, wasi-libc. Each has what
 * it imports from the library's functions alone. */
#include "../support/common.h"
#include "../support/log.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static rtw_error_t err;
static rtw_runtime_t *runtime;
static rtw_imports_t *imports;

enum { WORK = 12 };

/* The text that `work` makes of WORK, and its result. */
static char text[64];
static char line[80];
static int32_t result;

static void expect(void) {
    int length = 0;
    for (int n = 0; n < WORK; n++) length += snprintf(text + length, sizeof text - (size_t)length, n ? ",%d" : "%d", n);
    snprintf(line, sizeof line, "work %d: %s", WORK, text);
    for (int at = 0; at < length; at++) result += text[at] * (at + 1);
}

/* The number of messages of this guest's with that text in them. Spares print, too, and later. */
static int count_of(const rtw_instance_t *instance, uint32_t level, const char *part) {
    int count = 0;
    pthread_mutex_lock(&received.lock);
    for (int i = 0; i < received.count && i < 64; i++)
        count += received.messages[i].instance == instance && received.messages[i].level == level && strstr(received.messages[i].text, part) != NULL;
    pthread_mutex_unlock(&received.lock);
    return count;
}

/* Waits for a message. */
static void comes(const rtw_instance_t *instance, uint32_t level, const char *part) {
    while (count_of(instance, level, part) == 0) sched_yield();
}

/* One call of `work`: its result and what it prints. */
static void check_work(rtw_instance_t *instance, const char *name, const char *state) {
    forget();
    const bool works = call_i32(instance, "work", WORK, 0) == result;
    check(works, "%s: works, %s", name, state);
    if (!works) return; /* nothing will come */
    comes(instance, RTW_LOG_PRINTED, line);
    check(count_of(instance, RTW_LOG_PRINTED, "") == 1, "%s: prints a line, %s", name, state);
}

/* In a slot: the first instance, and a spare after a fault. */
static void check_slot(rtw_instance_t *instance, const char *name) {
    rtw_value_t value = {.i32 = WORK};
    const rtw_wanted_func_t funcs[] = {{"work", "(i32)->(i32)", 0}, {"fail", "()->()", 0}};
    const rtw_dry_call_t dry = {NULL, &value, 1, 1, 0};
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.funcs = funcs, config.func_count = 2, config.standby = 1, config.dry_calls = &dry, config.dry_call_count = 1;
    rtw_slot_t *slot = NULL;
    require(rtw_slot_create(runtime, &config, &slot, &err), &err, "%s: a slot", name);
    require(rtw_slot_publish(slot, instance, NULL, &err), &err, "%s: publish", name);
    for (int round = 0; round < 2; round++) {
        wait_for_spares(slot, 1);
        value.i32 = WORK;
        uint32_t flags = 0;
        check_status(rtw_slot_invoke(slot, 0, &value, 1, &flags), RTW_OK, "%s: in a slot, round %d", name, round);
        check(value.i32 == result, "%s: works in a slot, round %d", name, round);
        check(round == 0 || flags == RTW_BLOCK_SPARE, "%s: a spare takes over", name);
        check(rtw_slot_invoke(slot, 1, NULL, 0, NULL) != RTW_OK, "%s: fails in a slot, round %d", name, round);
    }
    rtw_slot_destroy(slot);
}

/* A guest with the functions that all of them have. It complains at that level, and fails with `status`, and says this at `level`; NULL: it
 * says nothing. */
static rtw_instance_t *check_guest(const char *name, uint32_t growth, rtw_status_t status, uint32_t complaint, uint32_t level, const char *says) {
    rtw_module_t *module = load(runtime, name);
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = growth;
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, imports, &config, &instance, &err), &err, "%s: an instance", name);
    check_work(instance, name, "when it is new");
    /* Allocates what the calls need, which it cannot afterwards. */
    rtw_func_t *work = look_up(instance, "work", "(i32)->(i32)");
    rtw_value_t value = {.i32 = WORK};
    const rtw_dry_call_t dry = {work, &value, 1, 3, 0};
    rtw_prepare_config_t prepare;
    rtw_prepare_config_init(&prepare);
    prepare.dry_calls = &dry, prepare.dry_call_count = 1;
    forget();
    require(rtw_instance_prepare(instance, &prepare, NULL, &err), &err, "%s: prepare", name);
    while (count_of(instance, RTW_LOG_PRINTED, line) != 3) sched_yield();
    check_work(instance, name, "prepared");
    check_work(instance, name, "and again");
    require(rtw_instance_reset(instance, &err), &err, "%s: reset", name);
    rtw_func_destroy(work);
    check_work(instance, name, "after a reset");
    forget();
    check_status(call(instance, "complain", NULL, 0), RTW_OK, "%s: complains", name);
    comes(instance, complaint, "an error");
    check(true, "%s: its standard error", name);
    require(rtw_instance_reset(instance, &err), &err, "%s: reset", name);
    forget();
    check_status(call(instance, "fail", NULL, 0), status, "%s: fails", name);
    if (says != NULL) comes(instance, level, says);
    check(says != NULL || count_of(instance, level, "") == 0, "%s: says why it fails, if its language does", name);
    require(rtw_instance_reset(instance, &err), &err, "%s: reset", name);
    check_work(instance, name, "after a fault and a reset");
    rtw_instance_t *published = NULL;
    require(rtw_instance_create(module, imports, NULL, &published, &err), &err, "%s: an instance", name);
    check_slot(published, name);
    rtw_instance_destroy(published);
    rtw_module_destroy(module);
    return instance;
}

/* One that imports mathematics. */
static void check_mathematics(rtw_instance_t *instance, const char *name) {
    rtw_value_t values[2] = {{.f32 = 1.7f}, {.f32 = 2.3f}};
    check_status(call(instance, "power", values, 2), RTW_OK, "%s: powf", name);
    const float power = powf(1.7f, 2.3f);
    check(memcmp(&values[0].f32, &power, sizeof power) == 0, "%s: powf is the host's", name);
    values[0].f64 = 0.7;
    check_status(call(instance, "sine", values, 1), RTW_OK, "%s: sin", name);
    const double sine = sin(0.7);
    check(memcmp(&values[0].f64, &sine, sizeof sine) == 0, "%s: sin is the host's", name);
}

static void check_times(rtw_instance_t *instance, const char *name) {
    int32_t told = 0;
    check_status(call_with(instance, "timed", 0, 0, &told), RTW_OK, "%s: reads its clocks", name);
    check(told == 1, "%s: its clocks", name);
}

static void test_assembly_script(void) {
    rtw_instance_t *instance = check_guest("assembly", RTW_GROWTH_REFUSED, RTW_ERR_ABORTED, RTW_LOG_ERROR, RTW_LOG_ERROR, "abort: the guest gives up in assembly.ts(");
    check_times(instance, "assembly");
    rtw_value_t first = {.f64 = 0}, second = {.f64 = 0};
    check_status(call(instance, "random", &first, 1), RTW_OK, "assembly: a random number");
    check_status(call(instance, "random", &second, 1), RTW_OK, "assembly: another");
    check(first.f64 >= 0 && first.f64 < 1 && second.f64 >= 0 && second.f64 < 1, "assembly: they are in range");
    check(memcmp(&first.f64, &second.f64, sizeof first.f64) != 0, "assembly: they differ");
    rtw_value_t same = {.f64 = 0};
    require(rtw_instance_reset(instance, &err), &err, "assembly: reset");
    check_status(call(instance, "random", &same, 1), RTW_OK, "assembly: a random number of a new guest");
    check(memcmp(&first.f64, &same.f64, sizeof first.f64) == 0, "assembly: with a seed, each new guest has the same");
    forget();
    check_status(call(instance, "complain", NULL, 0), RTW_OK, "assembly: the console");
    comes(instance, RTW_LOG_DEBUG, "for developers"); /* the last one */
    check(count_of(instance, RTW_LOG_ERROR, "an error") == 1 && count_of(instance, RTW_LOG_WARNING, "a warning") == 1 &&
              count_of(instance, RTW_LOG_INFO, "an information") == 1,
          "assembly: the console's levels");
    rtw_instance_destroy(instance);
}

static void test_rust_command(void) {
    rtw_module_t *module = load(runtime, "rust_command");
    static const char *const codes[] = {"0", "7"};
    static const char *const env[] = {"NAME=value"};
    for (int which = 0; which < 2; which++) {
        const char *const args[] = {"program", codes[which]};
        rtw_wasi_config_t config;
        rtw_wasi_config_init(&config);
        config.args = args, config.arg_count = 2, config.env = env, config.env_count = 1;
        rtw_imports_t *own = NULL;
        require(rtw_imports_create(&own, &err), &err, "imports");
        require(rtw_imports_wasi(own, &config, &err), &err, "wasi");
        rtw_instance_t *instance = NULL;
        require(rtw_instance_create(module, own, NULL, &instance, &err), &err, "rust_command: an instance");
        rtw_imports_destroy(own);
        for (int round = 0; round < 2; round++) {
            forget();
            check_status(call(instance, "_start", NULL, 0), which == 0 ? RTW_OK : RTW_ERR_EXITED, "rust_command: exit %s, round %d", codes[which], round);
            comes(instance, RTW_LOG_PRINTED, "file: none"); /* the last one */
            char words[32];
            snprintf(words, sizeof words, "2 words: program %s", codes[which]);
            check(count_of(instance, RTW_LOG_PRINTED, words) == 1 && count_of(instance, RTW_LOG_WARNING, "name: value") == 1, "rust_command: prints its words");
            rtw_fault_t fault;
            rtw_fault_init(&fault);
            require(rtw_instance_fault(instance, &fault, &err), &err, "fault");
            check(fault.host_status == (which == 0 ? 0 : 7), "rust_command: its code");
            require(rtw_instance_reset(instance, &err), &err, "rust_command: reset");
        }
        rtw_instance_destroy(instance);
    }
    rtw_module_destroy(module);
}

/* Rust without a system takes its first memory from growth: a reset, after which it has none, needs growth, and the fault says so. */
static void test_late_growth(void) {
    rtw_module_t *module = load(runtime, "rust_plain");
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "rust_plain: an instance");
    check_work(instance, "rust_plain", "before prepare");
    prepare_instance(instance);
    check_work(instance, "rust_plain", "with the memory that it has");
    require(rtw_instance_reset(instance, &err), &err, "rust_plain: reset");
    int32_t none;
    check_status(call_with(instance, "work", WORK, 0, &none), RTW_ERR_TRAP_UNREACHABLE, "rust_plain: works no more after a reset without growth");
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    require(rtw_instance_fault(instance, &fault, &err), &err, "fault");
    check(strstr(fault.message, "prepared") != NULL, "rust_plain: the fault names the growth that was refused: %s", fault.message);
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    expect();
    rtw_runtime_config_t config = runtime_config();
    config.on_log = on_log, config.log_user_data = &received;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "runtime");
    attach_here(runtime);
    rtw_wasi_config_t wasi;
    rtw_wasi_config_init(&wasi);
    wasi.seed = 5;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_libm(imports, &err), &err, "libm");
    require(rtw_imports_wasi(imports, &wasi, &err), &err, "wasi");
    test_assembly_script();
    test_rust_command();
    rtw_instance_t *instance = check_guest("rust_reactor", RTW_GROWTH_REFUSED, RTW_ERR_TRAP_UNREACHABLE, RTW_LOG_WARNING, RTW_LOG_WARNING, "the guest gives up");
    check_times(instance, "rust_reactor");
    rtw_instance_destroy(instance);
    instance = check_guest("rust_plain", RTW_GROWTH_ALLOWED, RTW_ERR_TRAP_UNREACHABLE, RTW_LOG_ERROR, RTW_LOG_ERROR, NULL);
    check_mathematics(instance, "rust_plain");
    rtw_instance_destroy(instance);
    test_late_growth();
    instance = check_guest("emscripten", RTW_GROWTH_REFUSED, RTW_ERR_EXITED, RTW_LOG_WARNING, RTW_LOG_WARNING, "the guest gives up");
    check_times(instance, "emscripten");
    rtw_instance_destroy(instance);
    instance = check_guest("wasi_work", RTW_GROWTH_REFUSED, RTW_ERR_TRAP_UNREACHABLE, RTW_LOG_WARNING, RTW_LOG_WARNING, "the guest gives up");
    check_times(instance, "wasi_work");
    check_mathematics(instance, "wasi_work");
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
