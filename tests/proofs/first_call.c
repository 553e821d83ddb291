/* The cost of the first call, in fresh processes: attached and prepared with dry calls, and without either. Beside it, with the
 * same preparations, what the first call of a native function costs, and what the dynamic linker adds to a program that is not
 * bound when it is loaded (-z now): it looks rtw_invoke up when it is called first.
 *
 *   first_call FOLDER [PROCESSES]      a table; FOLDER holds work.PROFILE.rtw; 20 processes a line otherwise
 *   first_call PROFILE FOLDER WAY      one process of these: prints the first call and the steady median in ns
 *
 * To be linked with -z lazy: LD_BIND_NOW binds it where it is to be bound. */
#include "../support/clock.h"
#include "../support/numbers.h"
#include "proof.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STEADY_CALLS = 20000, DRY_CALLS = 1000, MOST_PROCESSES = 1000, FLOATS = 1024 };

static double median(double *values, size_t count)
{
    sort_numbers(values, count);
    return quantile(values, count, 0.5);
}

static rtw_status_t nothing(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    (void)instance;
    (void)values;
    return RTW_OK;
}

/* The work of scale4, in C. */
static float floats[FLOATS];
static rtw_status_t native(rtw_func_t *func, rtw_value_t *values, size_t count)
{
    (void)func;
    (void)count;
    for (int32_t i = 0; i < values[0].i32; i++)
        floats[i] *= 0.5f;
    return RTW_OK;
}

typedef rtw_status_t (*call_t)(rtw_func_t *func, rtw_value_t *values, size_t count);

/* NULL: rtw_invoke, called as programs do that are linked to the library. */
static double timed_call(call_t call_it, rtw_func_t *func)
{
    rtw_value_t value = {.i32 = FLOATS};
    const uint64_t before = now_ns();
    const rtw_status_t status = call_it ? call_it(func, &value, 1) : rtw_invoke(func, &value, 1);
    const uint64_t after = now_ns();
    NEED(status == RTW_OK, "the call: %s", rtw_status_name(status));
    return (double)(after - before);
}

/* The calling thread's arguments. */
typedef struct handed_t {
    rtw_runtime_t *runtime;
    rtw_instance_t *instance;
    rtw_func_t *func;
} handed_t;

static void make_ready(const handed_t *handed)
{
    rtw_error_t err;
    attach_here(handed->runtime);
    const rtw_value_t value = {.i32 = FLOATS};
    rtw_dry_call_t dry;
    memset(&dry, 0, sizeof dry);
    dry.func = handed->func;
    dry.values = &value;
    dry.value_count = 1;
    dry.repeats = DRY_CALLS;
    rtw_prepare_config_t config;
    rtw_prepare_config_init(&config);
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    OK(rtw_instance_prepare(handed->instance, &config, NULL, &err), err);
}

static volatile call_t native_call = native;

static void make_native_ready(void)
{
    rtw_value_t value = {.i32 = FLOATS};
    for (int i = 0; i < DRY_CALLS; i++)
        native_call(NULL, &value, 1);
}

static double times[STEADY_CALLS];

/* The thread that calls, as a real-time thread is: another one has made the instance. */
static void *calls(void *data)
{
    const handed_t *handed = data;
    const call_t call_it = strcmp(mode, "native") == 0 ? native_call : NULL;
    memset(times, 0, sizeof times);
    if (strcmp(mode, "cold") != 0)
        make_ready(handed);
    if (call_it)
        make_native_ready();
    /* The clock's own first time is not the call's. */
    now_ns();
    const double first = timed_call(call_it, handed->func);
    for (int i = 0; i < STEADY_CALLS; i++)
        times[i] = timed_call(call_it, handed->func);
    printf("%.0f %.0f\n", first, median(times + STEADY_CALLS / 2, STEADY_CALLS / 2));
    return NULL;
}

static int one_process(void)
{
    rtw_error_t err;
    handed_t handed;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.attach_on_call = strcmp(mode, "cold") == 0;
    OK(rtw_runtime_create(&config, &handed.runtime, &err), err);
    rtw_module_t *module = load(handed.runtime, "work");
    rtw_imports_t *imports;
    OK(rtw_imports_create(&imports, &err), err);
    OK(rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", nothing, NULL, NULL, 0, &err), err);
    OK(rtw_imports_func(imports, "env", "answer", "(i32)->()", nothing, NULL, NULL, 0, &err), err);
    handed.instance = new_instance(module, imports, 0);
    handed.func = look_up(handed.instance, "scale4", NULL);
    pthread_t thread;
    NEED(pthread_create(&thread, NULL, calls, &handed) == 0, "pthread_create");
    pthread_join(thread, NULL);
    return 0;
}

/* Runs one process and reads its two figures. */
static void run(const char *program, const char *which, const char *where, const char *way, double *first, double *steady)
{
    char command[8192];
    const char *bound = strcmp(way, "late-bound") == 0 ? "" : "LD_BIND_NOW=1 ";
    snprintf(command, sizeof command, "%s'%s' %s '%s' %s", bound, program, which, where, way);
    FILE *pipe = popen(command, "r");
    NEED(pipe, "popen: %s", strerror(errno));
    const int read = fscanf(pipe, "%lf %lf", first, steady);
    NEED(pclose(pipe) == 0 && read == 2, "%s failed", command);
}

static void table(const char *program, const char *where, long processes)
{
    static const char *const profiles[] = {"standalone", "plugin"}, *const ways[] = {"prepared", "native", "late-bound", "cold"};
    enum { WAYS = sizeof ways / sizeof ways[0] };
    static double first[MOST_PROCESSES], steady[MOST_PROCESSES], ratio[MOST_PROCESSES];
    printf("The first call in %ld fresh processes each: %d floats scaled; times in ns.\n", processes, FLOATS);
    printf("%-11s %-10s %9s %9s %9s %9s %12s %9s\n", "profile", "", "first", "(least", "most)", "steady", "first/steady", "(most)");
    for (int p = 0; p < 2; p++)
        for (int w = 0; w < WAYS; w++) {
            for (long i = 0; i < processes; i++) {
                run(program, profiles[p], where, ways[w], &first[i], &steady[i]);
                ratio[i] = first[i] / steady[i];
            }
            const size_t count = (size_t)processes;
            const double typical = median(first, count), usual = median(steady, count), multiple = median(ratio, count);
            printf("%-11s %-10s %9.0f %9.0f %9.0f %9.0f %12.1f %9.1f\n", profiles[p], ways[w], typical, first[0], first[count - 1], usual, multiple,
                   ratio[count - 1]);
        }
    printf("A thread calls what another has made. prepared: attached and prepared with %d dry calls. native: the same, then as many calls\n"
           "of a C function, which is what is timed. late-bound: prepared, in a program linked without -z now. cold: the call attaches.\n"
           "Medians over the processes; steady: the median of a process's last %d calls.\n",
           DRY_CALLS, STEADY_CALLS / 2);
}

int main(int argc, char **argv)
{
    if (argc == 2 || (argc == 3 && strcmp(argv[1], "standalone") != 0 && strcmp(argv[1], "plugin") != 0)) {
        const long processes = argc == 3 ? strtol(argv[2], NULL, 10) : 20;
        NEED(processes > 0 && processes <= MOST_PROCESSES, "%s processes: 1 to %d", argv[2], MOST_PROCESSES);
        table(argv[0], argv[1], processes);
        return 0;
    }
    NEED(argc == 4, "usage: first_call FOLDER [PROCESSES]");
    begin_proof(argc, argv);
    NEED(strcmp(mode, "prepared") == 0 || strcmp(mode, "native") == 0 || strcmp(mode, "late-bound") == 0 || strcmp(mode, "cold") == 0,
         "prepared, native, late-bound or cold, not %s", mode);
    return one_process();
}
