/* Counts the system calls of a call that attaches its thread, and of calls that check if traps would arrive. */
#include "common.h"
#include "tracer.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { CALLS = 10 };

typedef struct way_t {
    uint32_t checks;
    bool late;   /* the counted thread is not attached before */
    int threads; /* those before the last one are not counted */
    bool locks;
} way_t;

typedef struct errand_t {
    const way_t *way;
    rtw_runtime_t *runtime;
    rtw_func_t *add;
    bool counted;
} errand_t;

static void *calls(void *data) {
    errand_t *errand = data;
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    if (!errand->way->late) {
        (void)rtw_thread_attach(errand->runtime, NULL, NULL);
        (void)rtw_invoke(errand->add, values, 2);
    }
    const int count = errand->way->late ? 1 : CALLS;
    if (errand->counted) mark(true);
    for (int i = 0; i < count; i++) {
        const rtw_status_t status = rtw_invoke(errand->add, values, 2);
        if (status != RTW_OK) printf("    a call: %s\n", rtw_status_name(status));
    }
    if (errand->counted) mark(false);
    return NULL;
}

static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

static void body(void *data) {
    const way_t *way = data;
    rtw_error_t err;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.signal_checks = way->checks;
    config.attach_on_call = way->late;
    config.memory_lock = way->locks ? RTW_LOCK_ON : RTW_LOCK_OFF;
    errand_t errand = {way, NULL, NULL, false};
    require(rtw_runtime_create(&config, &errand.runtime, &err), &err, "a runtime");
    life_t life;
    memset(&life, 0, sizeof life);
    life.guest.runtime = errand.runtime;
    life.guest.module = load(errand.runtime, "states");
    require(rtw_imports_create(&life.imports, &err), &err, "imports");
    require(rtw_imports_func(life.imports, "env", "visit", "(i32)->(i32)", visit, NULL, NULL, 0, &err), &err, "visit");
    require(rtw_instance_create(life.guest.module, life.imports, NULL, &life.guest.instance, &err), &err, "an instance");
    errand.add = look_up(life.guest.instance, "add", NULL);
    begin();
    for (int i = 0; i < way->threads; i++) {
        errand.counted = i == way->threads - 1;
        pthread_t thread;
        pthread_create(&thread, NULL, calls, &errand);
        pthread_join(thread, NULL);
    }
    rtw_func_destroy(errand.add);
    end_life(&life);
}

static unsigned count(uint32_t checks, bool late, int threads, bool locks, const char *what) {
    way_t way = {checks, late, threads, locks};
    calls_t seen;
    const int status = traced(body, &way, &seen);
    check(status == 0, "%s: ended with %#x", what, (unsigned)status);
    printf("    %s:", what);
    for (int i = 0; i < SYSTEM_CALLS; i++) {
        if (seen.marked[i] != 0) printf(" %u %s", seen.marked[i], call_name(i));
    }
    printf("%s\n", sum_of(seen.marked) == 0 ? " none" : "");
    return sum_of(seen.marked);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    const unsigned none = count(RTW_SIGNALS_LOOK, false, 1, false, "calls of an attached thread");
    check(none == 0, "calls of an attached thread make no system call: %u", none);
    const unsigned ask = count(RTW_SIGNALS_ASK, false, 1, false, "calls that ask");
    /* The engine takes three signals on x86-64, two on aarch64. */
#if defined(__x86_64__)
    enum { ASKED = 5 };
#else
    enum { ASKED = 4 };
#endif
    const unsigned each = profile == RTW_PROFILE_STANDALONE ? ASKED : 0;
    check(ask == CALLS * each, "calls that ask make %u each: %u in %d", each, ask, CALLS);
    const unsigned first = count(RTW_SIGNALS_LOOK, true, 1, false, "the first late attach");
    const unsigned later = count(RTW_SIGNALS_LOOK, true, 3, false, "a later one");
    const unsigned locked = count(RTW_SIGNALS_LOOK, true, 3, true, "a later one, with locking");
    check(later > 10 && later <= first && later <= locked && first <= 60, "a late attach makes %u, with locking %u, the first of a process %u", later,
          locked, first);
    return check_summary();
}
