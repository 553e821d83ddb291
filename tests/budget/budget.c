#include "budget.h"

#include "../support/numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the guest ---- */

static void do_nothing(const spinner_t *spinner) {
    if (spinner->nothing != NULL) spinner->nothing();
}

static rtw_status_t nothing(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance, (void)values;
    do_nothing(user_data);
    return RTW_OK;
}

static rtw_status_t go_on(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance;
    const spinner_t *spinner = user_data;
    values[0].i32 = spinner->go_on != NULL && spinner->go_on();
    return RTW_OK;
}

static rtw_status_t refuse(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance, (void)values;
    do_nothing(user_data);
    return -12345;
}

static rtw_status_t call_again(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)values;
    spinner_t *spinner = user_data;
    spinner->inner_status = call(instance, "empty", NULL, 0);
    return spinner->inner_status;
}

static rtw_status_t call_work(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)values;
    spinner_t *spinner = user_data;
    do_nothing(spinner);
    spinner->inner_status = call(instance, "nothing_much", NULL, 0);
    return spinner->answer != NULL ? *spinner->answer : spinner->inner_status;
}

void open_spinner(spinner_t *spinner, const char *artifact, uint64_t budget_ns, uint64_t tick_ns) {
    rtw_error_t err;
    memset(spinner, 0, sizeof *spinner);
    rtw_runtime_config_t runtime_config;
    rtw_runtime_config_init(&runtime_config);
    runtime_config.profile = profile;
    runtime_config.watchdog_tick_ns = tick_ns;
    require(rtw_runtime_create(&runtime_config, &spinner->runtime, &err), &err, "a %s runtime", profile_name);
    spinner->module = load(spinner->runtime, artifact);
    require(rtw_imports_create(&spinner->imports, &err), &err, "imports");
    require(rtw_imports_func(spinner->imports, "env", "nothing", "()->()", nothing, spinner, NULL, 0, &err), &err, "import nothing");
    require(rtw_imports_func(spinner->imports, "env", "go_on", "()->(i32)", go_on, spinner, NULL, 0, &err), &err, "import go_on");
    require(rtw_imports_func(spinner->imports, "env", "refuse", "()->()", refuse, spinner, NULL, 0, &err), &err, "import refuse");
    require(rtw_imports_func(spinner->imports, "env", "call_work", "()->()", call_work, spinner, NULL, 0, &err), &err, "import call_work");
    require(rtw_imports_func(spinner->imports, "env", "call_again", "()->()", call_again, spinner, NULL, 0, &err), &err, "import call_again");
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = budget_ns;
    require(rtw_instance_create(spinner->module, spinner->imports, &config, &spinner->instance, &err), &err, "an instance of %s", artifact);
    require(rtw_thread_attach(spinner->runtime, NULL, &err), &err, "attach");
    require(rtw_instance_prepare(spinner->instance, NULL, NULL, &err), &err, "prepare");
    spinner->work = look_up(spinner->instance, "work", "(i32,i32)->(i32)");
}

void close_spinner(spinner_t *spinner) {
    rtw_error_t err;
    require(rtw_thread_detach(spinner->runtime, &err), &err, "detach");
    rtw_func_destroy(spinner->work);
    rtw_instance_destroy(spinner->instance);
    rtw_imports_destroy(spinner->imports);
    rtw_module_destroy(spinner->module);
    rtw_runtime_destroy(spinner->runtime);
}

uint32_t worked(uint32_t turns, uint32_t seed) {
    uint32_t memory[256] = {0};
    for (; turns != 0; turns--) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        uint32_t *word = &memory[(seed & 0x3fc) / 4];
        *word += seed;
        seed ^= *word;
    }
    return seed;
}

bool works(spinner_t *spinner, uint32_t turns, uint32_t seed, uint64_t budget_ns, rtw_status_t *status) {
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].u32 = turns;
    values[1].u32 = seed;
    rtw_status_t answer = rtw_invoke_budget(spinner->work, values, 2, budget_ns);
    if (status != NULL) *status = answer;
    return answer == RTW_OK && values[0].u32 == worked(turns, seed);
}

/* ---- figures ---- */

void add_time(times_t *times, double value_ns) {
    if (times->count == times->capacity) {
        times->capacity = times->capacity != 0 ? times->capacity * 2 : 1024;
        times->values = realloc(times->values, times->capacity * sizeof *times->values);
        if (times->values == NULL) {
            perror("realloc");
            exit(2);
        }
    }
    times->values[times->count++] = value_ns;
}

void print_times(times_t *times, const char *what) {
    if (times->count == 0) {
        printf("%s: none\n", what);
        return;
    }
    sort_numbers(times->values, times->count);
    printf("%s: %zu, median %.1f us, 99 %% %.1f us, max %.1f us\n", what, times->count, quantile(times->values, times->count, 0.5) / 1e3,
           quantile(times->values, times->count, 0.99) / 1e3, quantile(times->values, times->count, 1) / 1e3);
}

uint64_t number_from_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    if (text == NULL || *text == 0) return otherwise;
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*end != 0 || number == 0) {
        fprintf(stderr, "%s is \"%s\": a number above 0 is wanted\n", name, text);
        exit(2);
    }
    return number;
}
