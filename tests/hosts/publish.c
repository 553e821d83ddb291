/* Code that one CPU loads and another runs at once, again and again at the same place: the second must never run what was there before.
 * Where instructions have caches of their own (aarch64), loading must tell all CPUs of the process. */
#include "common.h"
#include "tracer.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum { ROUNDS = 400 };
static const char *const versions[] = {"published_a", "published_b"};

/* The two CPUs, of those that the process may use. */
static size_t cpus[2];
static bool two_cpus(void) {
    cpu_set_t allowed;
    int found = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
    for (size_t cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET(cpu, &allowed)) cpus[found++] = cpu;
    return found == 2;
}
static void go_to(size_t cpu) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    (void)sched_setaffinity(0, sizeof only, &only);
}

/* The function that is handed over, and the result of its call. The caller waits without sleeping, so that it runs the code at once. */
static rtw_runtime_t *runtime;
static rtw_func_t *handed;
static bool attached, over;
static rtw_status_t status;
static int32_t answer;

static void *caller(void *data) {
    (void)data;
    go_to(cpus[1]);
    status = rtw_thread_attach(runtime, NULL, NULL);
    __atomic_store_n(&attached, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        rtw_func_t *func = __atomic_load_n(&handed, __ATOMIC_ACQUIRE);
        if (func == NULL) continue;
        rtw_value_t value = {.i32 = 7};
        status = rtw_invoke(func, &value, 1);
        answer = value.i32;
        __atomic_store_n(&handed, NULL, __ATOMIC_RELEASE);
    }
    (void)rtw_thread_detach(runtime, NULL);
    return NULL;
}

/* Loads versions in turns and has the caller run each. `wrongly`: hands the first one over again and again. Returns how many answers
 * were not the version's own; -1 where a call fails. */
static int rounds(bool wrongly) {
    rtw_error_t err;
    size_t length[2];
    unsigned char *bytes[2];
    for (int i = 0; i < 2; i++) bytes[i] = read_file(artifact_path(versions[i]), &length[i]);
    guest_t first = {runtime, NULL, NULL};
    first.module = load(runtime, versions[0]);
    first.instance = new_instance(first.module, NULL, 0);
    rtw_func_t *first_func = look_up(first.instance, "answer", NULL);
    int wrong = 0;
    for (int round = 0; round < ROUNDS && wrong >= 0; round++) {
        const int version = round % 2;
        guest_t guest = {runtime, NULL, NULL};
        require(rtw_module_load(runtime, bytes[version], length[version], &guest.module, &err), &err, "load");
        guest.instance = new_instance(guest.module, NULL, 0);
        rtw_func_t *func = look_up(guest.instance, "answer", NULL);
        __atomic_store_n(&handed, wrongly ? first_func : func, __ATOMIC_RELEASE);
        while (__atomic_load_n(&handed, __ATOMIC_ACQUIRE) != NULL) continue;
        if (status != RTW_OK) wrong = -1;
        else wrong += answer != 70 + version + 1;
        rtw_func_destroy(func);
        rtw_instance_destroy(guest.instance);
        rtw_module_destroy(guest.module);
    }
    rtw_func_destroy(first_func);
    rtw_instance_destroy(first.instance);
    rtw_module_destroy(first.module);
    for (int i = 0; i < 2; i++) free(bytes[i]);
    return wrong;
}

static void load_once(void *data) {
    const bool *loads = data;
    rtw_error_t err;
    runtime = make_runtime();
    rtw_module_t *first = load(runtime, versions[0]), *second = NULL;
    size_t length;
    unsigned char *bytes = read_file(artifact_path(versions[1]), &length);
    rtw_module_info_t info;
    rtw_module_info_init(&info);
    begin();
    mark(true);
    const rtw_status_t loaded = *loads ? rtw_module_load(runtime, bytes, length, &second, &err) : rtw_module_probe(runtime, bytes, length, &info, &err);
    mark(false);
    require(loaded, &err, "load");
    free(bytes);
    rtw_module_destroy(second);
    rtw_module_destroy(first);
    rtw_runtime_destroy(runtime);
}

static unsigned barriers(bool loads) {
    calls_t seen;
    const int ended = traced(load_once, &loads, &seen);
    if (ended != 0) check(false, "the traced process ended with %d", ended);
    return seen.marked[SYS_membarrier];
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);

    const unsigned told = barriers(true), not_told = barriers(false);
#if defined(__aarch64__)
    check(told > 0, "loading code tells the other CPUs, %u times", told);
#else
    check(told == 0, "loading code need not tell the other CPUs, %u times", told);
#endif
    check(not_told == 0, "twin: probing it does not, %u times", not_told);

    if (!two_cpus()) {
        check(true, "skipped: code that another CPU runs: there is one CPU");
        return check_summary();
    }
    runtime = make_runtime();
    go_to(cpus[0]);
    pthread_t thread;
    NEED(pthread_create(&thread, NULL, caller, NULL) == 0, "no thread");
    while (!__atomic_load_n(&attached, __ATOMIC_ACQUIRE)) continue;
    check_status(status, RTW_OK, "the caller is attached, on CPU %zu; code is loaded on CPU %zu", cpus[1], cpus[0]);
    const int wrong = rounds(false), stale = rounds(true);
    check(wrong == 0, "%d versions, each run at once on another CPU: %d wrong answers", ROUNDS, wrong);
    check(stale == ROUNDS / 2, "twin: where the first is run instead, every other answer is wrong: %d", stale);
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
