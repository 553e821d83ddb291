#include "rival.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MOST_TIMES = 4096, MANY = 1024 };

static unsigned has;
static uint64_t ns[MOST_TIMES];

uint64_t rival_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void rival_fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* The memory that this process has present, in bytes. */
static long present(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) rival_fail("/proc/self/statm", "cannot be read");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* ---- of a rival that has none of its own */

__attribute__((weak)) bool rival_reset(rival_instance_t *instance) { return (void)instance, false; }
__attribute__((weak)) void rival_prepare(rival_instance_t *instance) { (void)instance; }
__attribute__((weak)) void rival_attach(void) {}
__attribute__((weak)) void rival_detach(void) {}
__attribute__((weak)) int rival_other(int argc, char **argv) { return (void)argc, (void)argv, -1; }

/* ---- guests */

static rival_instance_t *make(void) {
    static bool loaded;
    if (!loaded) rival_load(), rival_attach();
    loaded = true;
    return rival_instantiate();
}

/* The guest whose functions are called by name. */
static rival_func_t *func_of(const char *name, int shape) {
    static rival_instance_t *guest;
    static struct {
        char name[32];
        rival_func_t *func;
    } known[RIVAL_MOST_FUNCS];
    if (guest == NULL) rival_prepare(guest = make());
    int at = 0;
    while (at < RIVAL_MOST_FUNCS && known[at].func != NULL && strcmp(known[at].name, name) != 0) at++;
    if (at == RIVAL_MOST_FUNCS) rival_fail(name, "is one function too many");
    if (known[at].func == NULL) {
        snprintf(known[at].name, sizeof known[at].name, "%s", name);
        known[at].func = rival_func(guest, name, (rival_shape_t)shape);
        rival_prepare(guest);
    }
    return known[at].func;
}

/* A batch takes half of this time to all of it. */
static void time_calls(const char *name, int shape, int us) {
    static uint64_t count = 1;
    rival_func_t *func = func_of(name, shape);
    for (;;) {
        const uint64_t at = rival_now();
        rival_call(func, 1, 2, count);
        const uint64_t took = rival_now() - at;
        if (took >= (uint64_t)us * 500u) {
            printf("%.4f\n", (double)took / (double)count);
            return;
        }
        count *= 2;
    }
}

/* ---- cases: each is timed by itself, with what comes before and after it left out */

static void time_loads(int count, bool keeps) {
    if (keeps && count > RIVAL_MOST_KEPT) rival_fail("keep", "too many");
    for (int i = 0; i < count; i++) {
        const uint64_t at = rival_now();
        rival_load();
        ns[i] = rival_now() - at;
        if (!keeps) rival_unload();
    }
    if (keeps) rival_unload();
}
static void load(int count) { time_loads(count, false); }
static void keep(int count) { time_loads(count, true); }

static void time_instances(int count, bool prepares, bool ends) {
    rival_end(make());
    for (int i = 0; i < count; i++) {
        uint64_t at = rival_now();
        rival_instance_t *instance = rival_instantiate();
        if (prepares) rival_prepare(instance);
        const uint64_t made = rival_now() - at;
        at = rival_now();
        rival_end(instance);
        ns[i] = ends ? rival_now() - at : made;
    }
}
static void instantiate(int count) { time_instances(count, false, false); }
static void prepared(int count) { time_instances(count, true, false); }
static void end(int count) { time_instances(count, false, true); }

/* The guest that traps, and is called in between. */
static struct {
    rival_instance_t *instance;
    rival_func_t *run, *trap;
} faulty;

static void make_faulty(void) {
    faulty.instance = make();
    faulty.run = rival_func(faulty.instance, "run", RIVAL_BINARY);
    faulty.trap = rival_func(faulty.instance, "trap", RIVAL_PLAIN);
}

static void time_traps(int count, bool resets) {
    if (faulty.instance == NULL) make_faulty(), rival_prepare(faulty.instance);
    for (int i = 0; i < count; i++) {
        const uint64_t at = rival_now();
        rival_trap(faulty.trap);
        if (resets && !rival_reset(faulty.instance)) {
            rival_end(faulty.instance);
            make_faulty();
        }
        ns[i] = rival_now() - at;
        rival_call(faulty.run, i, 0, 1);
    }
}
static void trap(int count) { time_traps(count, false); }
static void reset(int count) { time_traps(count, true); }

/* All instances in turn: the share of one call. */
static void turn(int count) {
    static rival_func_t *runs[MANY];
    for (int i = 0; i < MANY && runs[i] == NULL; i++) {
        rival_instance_t *instance = make();
        runs[i] = rival_func(instance, "run", RIVAL_BINARY);
        rival_prepare(instance);
        rival_call(runs[i], i, 0, 1);
    }
    for (int i = 0; i < count; i++) {
        const uint64_t at = rival_now();
        for (int k = 0; k < MANY; k++) rival_call(runs[k], k, 0, 1);
        ns[i] = (rival_now() - at) / MANY;
    }
}

/* A thread's first call, and what the thread does before it. */
typedef struct {
    rival_func_t *run;
    uint64_t attach, call;
} first_t;

static void *first_of_thread(void *of) {
    first_t *first = of;
    uint64_t at = rival_now();
    rival_attach();
    first->attach = rival_now() - at;
    at = rival_now();
    rival_call(first->run, 3, 0, 1);
    first->call = rival_now() - at;
    rival_detach();
    return NULL;
}

static void time_threads(int count, bool attaches) {
    for (int i = 0; i < count; i++) {
        first_t first = {func_of("run", RIVAL_BINARY), 0, 0};
        pthread_t thread;
        if (pthread_create(&thread, NULL, first_of_thread, &first) != 0 || pthread_join(thread, NULL) != 0)
            rival_fail("thread", "cannot be made");
        ns[i] = attaches ? first.attach : first.call;
    }
}
static void attach(int count) { time_threads(count, true); }
static void thread(int count) { time_threads(count, false); }

static const struct {
    const char *name;
    void (*run)(int count);
    unsigned needs;
    const char *without;
} cases[] = {
    {"load", load, 0, ""},
    {"keep", keep, RIVAL_KEEPS, "a file is loaded once"},
    {"instantiate", instantiate, RIVAL_HAS_INSTANCES, "there are no instances"},
    {"prepared", prepared, RIVAL_PREPARES, "nothing is prepared"},
    {"end", end, RIVAL_HAS_INSTANCES, "there are no instances"},
    {"trap", trap, RIVAL_GOES_ON, "an instance that has trapped is not called again as it is"},
    {"reset", reset, RIVAL_HAS_INSTANCES, "there are no instances"},
    {"turn", turn, RIVAL_HAS_INSTANCES, "there are no instances"},
    {"attach", attach, RIVAL_ATTACHES, "a thread does nothing before its first call"},
    {"thread", thread, 0, ""},
};
enum { CASES = sizeof cases / sizeof *cases };

static int case_of(const char *name) {
    int at = 0;
    while (at < CASES && strcmp(cases[at].name, name) != 0) at++;
    return at;
}

static void print_times(long faulted, int count) {
    printf("%ld", faulted);
    for (int i = 0; i < count; i++) printf(" %" PRIu64, ns[i]);
    printf("\n");
}

static void time_case(int at, int count) {
    if (count < 1 || count > MOST_TIMES) rival_fail(cases[at].name, "1 to 4096 times");
    if ((cases[at].needs & ~has) != 0) {
        printf("none %s\n", cases[at].without);
        return;
    }
    const long before = faults();
    cases[at].run(count);
    print_times(faults() - before, count);
}

static void time_cold(int count, long pause_ns, size_t bytes) {
    static volatile unsigned char *other;
    if (other == NULL && bytes != 0) other = calloc(1, bytes);
    if (count > MOST_TIMES || (other == NULL && bytes != 0)) rival_fail("cold", "too much");
    rival_func_t *add = func_of("add", RIVAL_BINARY);
    const struct timespec pause = {0, pause_ns};
    for (int i = 0; i < count; i++) {
        if (pause_ns != 0) nanosleep(&pause, NULL);
        for (size_t k = 0; k < bytes; k += 64) other[k]++;
        const uint64_t at = rival_now();
        const int32_t sum = rival_call(add, i, 1, 1);
        ns[i] = rival_now() - at;
        if (sum != i + 1) rival_fail("add", "a wrong sum");
    }
    print_times(0, count);
}

static void measure_memory(int count) {
    if ((has & RIVAL_HAS_INSTANCES) == 0) {
        printf("none there are no instances\n");
        return;
    }
    long before = 0;
    for (int i = -16; i < count; i++) { /* what comes with the first is not counted */
        if (i == 0) before = present();
        rival_instance_t *instance = make();
        for (int k = 0; k < 2; k++) {
            rival_func_t *run = rival_func(instance, "run", RIVAL_BINARY);
            rival_func(instance, "trap", RIVAL_PLAIN);
            rival_prepare(instance);
            rival_call(run, i, 0, 1);
        }
    }
    printf("%ld\n", present() - before);
}

/* Allocations are counted by counter.c. */
static void count_allocations(int at) {
    uint64_t (*counted)(void);
    *(void **)&counted = dlsym(RTLD_DEFAULT, "counted_allocations");
    if (counted == NULL) rival_fail("allocations", "nothing counts them");
    if ((cases[at].needs & ~has) != 0) {
        printf("none %s\n", cases[at].without);
        return;
    }
    cases[at].run(2);
    const uint64_t before = counted();
    cases[at].run(1);
    const uint64_t one = counted();
    cases[at].run(2);
    printf("%" PRIu64 "\n", (counted() - one) - (one - before));
}

static void print_step(const char *name, uint64_t *at) {
    printf("%s %" PRIu64 " ", name, rival_now() - *at);
    *at = rival_now();
}

static void first(char **arguments) {
    uint64_t at = rival_now();
    rival_open(arguments);
    print_step("create", &at);
    rival_load();
    print_step("load", &at);
    rival_instance_t *instance = rival_instantiate();
    rival_func_t *run = rival_func(instance, "run", RIVAL_BINARY);
    print_step("instance", &at);
    rival_attach();
    rival_prepare(instance);
    print_step("prepare", &at);
    const int32_t result = rival_call(run, 3, 0, 1);
    print_step("call", &at);
    printf("present %ld result %" PRId32 "\n", present(), result);
}

static void serve(void) {
    char line[128], name[32];
    int shape = 0, a = 0, b = 0, count = 0;
    long pause = 0;
    size_t bytes = 0;
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "call %31s %d %d %d %d", name, &shape, &a, &b, &count) == 5)
            printf("%" PRId32 "\n", rival_call(func_of(name, shape), a, b, (uint64_t)count));
        else if (sscanf(line, "time %31s %d %d", name, &shape, &count) == 3) time_calls(name, shape, count);
        else if (sscanf(line, "cold %d %ld %zu", &count, &pause, &bytes) == 3) time_cold(count, pause, bytes);
        else if (sscanf(line, "memory %d", &count) == 1) measure_memory(count);
        else if (sscanf(line, "allocations %31s", name) == 1 && case_of(name) < CASES) count_allocations(case_of(name));
        else if (sscanf(line, "%31s %d", name, &count) == 2 && case_of(name) < CASES) time_case(case_of(name), count);
        else rival_fail("unknown line", line);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "empty") == 0) return 0;
    if (argc >= 3 && strcmp(argv[1], "first") == 0) return first(argv + 2), 0;
    if (argc >= 4 && strcmp(argv[1], "load") == 0) {
        rival_open(argv + 3);
        for (int left = atoi(argv[2]); left > 0; left--) rival_load(), rival_unload();
        return 0;
    }
    if (argc >= 3 && strcmp(argv[1], "serve") == 0) {
        has = rival_open(argv + 2);
        serve();
        return 0;
    }
    const int status = rival_other(argc, argv);
    if (status < 0) rival_fail(argv[0], "usage: see rival.h");
    return status;
}
