#include "around.h"

#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

bool pressed(void) { return strcmp(mode, "pressed") == 0; }
bool beside(void) { return strcmp(mode, "beside") == 0; }
bool at_rest(void) { return !pressed() && !beside(); }

/* ---- a process that presses memory */

static uint64_t available_bytes(void)
{
    FILE *file = fopen("/proc/meminfo", "r");
    NEED(file, "/proc/meminfo: %s", strerror(errno));
    char line[256];
    uint64_t kib = 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
            break;
    fclose(file);
    return kib * 1024;
}

pid_t press_memory(void)
{
    uint64_t bytes = available_bytes() / 10 * 6;
    if (bytes > (uint64_t)4 << 30)
        bytes = (uint64_t)4 << 30;
    const pid_t parent = getpid();
    const pid_t child = fork();
    NEED(child >= 0, "fork: %s", strerror(errno));
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); // the parent had ended before, so no signal comes
    for (char round = 1;; round++) {
        char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            _exit(1);
        for (uint64_t at = 0; at < bytes; at += PAGE)
            memory[at] = round;
        const int drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
        if (drop >= 0) {
            const ssize_t written = write(drop, "1", 1);
            (void)written;
            close(drop);
        }
        munmap(memory, bytes);
    }
}

void stop_pressing(pid_t presser)
{
    int status;
    kill(presser, SIGKILL);
    NEED(waitpid(presser, &status, 0) == presser && WIFSIGNALED(status), "the process that presses memory ended early");
}

/* ---- threads */

static atomic_bool done;

static void *read_statistics(void *data)
{
    const rtw_func_t *func = data;
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    uint64_t before = 0;
    while (!atomic_load(&done)) {
        NEED(rtw_func_stats(func, &stats) == RTW_OK && stats.call.count >= before, "statistics went back");
        before = stats.call.count;
        sched_yield();
    }
    return NULL;
}

/* The mappings of files whose path holds `part` (or, inverted, does not): base and length to `act`. The loader leaves gaps that nothing
 * may read, where segments are 64 KiB apart; there are no pages in those. */
static void for_file_mappings(const char *part, bool holds, void (*act)(void *base, size_t length, const char *path))
{
    FILE *maps = fopen("/proc/self/maps", "r");
    NEED(maps, "/proc/self/maps: %s", strerror(errno));
    char line[4352], path[4096], readable;
    while (fgets(line, sizeof line, maps)) {
        uintptr_t low, high;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %c%*s %*s %*s %*s %4095s", &low, &high, &readable, path) == 4 && readable == 'r' &&
            path[0] == '/' && (strstr(path, part) != NULL) == holds)
            act((void *)low, high - low, path);
    }
    fclose(maps);
}

static void reclaim(void *base, size_t length, const char *path)
{
    (void)path;
    madvise(base, length, MADV_PAGEOUT);
}

static void lock_here(void *base, size_t length, const char *path)
{
    NEED(mlock(base, length) == 0, "cannot lock %s (%s): raise the limit on locked memory (ulimit -l)", path, strerror(errno));
}

/* Asks the kernel again and again to take the library's pages away, as it does itself when memory is short. */
static void *reclaim_library(void *data)
{
    (void)data;
    const struct timespec pause = {0, 20000000};
    while (!atomic_load(&done)) {
        for_file_mappings("/librtwasm", true, reclaim);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Operations that take the engine's locks for writing. */
static void *load_and_drop(void *data)
{
    rtw_runtime_t *runtime = data;
    host_t host;
    memset(&host, 0, sizeof host);
    while (!atomic_load(&done)) {
        rtw_module_t *module = load(runtime, "work");
        rtw_imports_t *imports = imports_for(&host, 0);
        rtw_instance_destroy(new_instance(module, imports, 0));
        rtw_imports_destroy(imports);
        rtw_module_destroy(module);
    }
    return NULL;
}

/* Starts a thread with ordinary scheduling, whatever this one has. */
static void start(pthread_t *thread, void *(*run)(void *), void *data)
{
    const struct sched_param none = {0};
    pthread_attr_t attributes;
    NEED(pthread_attr_init(&attributes) == 0 && pthread_attr_setschedpolicy(&attributes, SCHED_OTHER) == 0 &&
             pthread_attr_setschedparam(&attributes, &none) == 0 && pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED) == 0,
         "pthread_attr");
    NEED(pthread_create(thread, &attributes, run, data) == 0, "pthread_create");
    pthread_attr_destroy(&attributes);
}

static pthread_t reader, reclaimer, loader;

void start_around(rtw_runtime_t *runtime, rtw_func_t *read)
{
    if (beside())
        start(&loader, load_and_drop, runtime);
    start(&reader, read_statistics, read);
    if (pressed()) {
        /* The host's own code is the host's to keep. */
        for_file_mappings("/librtwasm", false, lock_here);
        for_file_mappings("/librtwasm", true, reclaim);
        start(&reclaimer, reclaim_library, NULL);
    }
}

void end_around(void)
{
    atomic_store(&done, true);
    pthread_join(reader, NULL);
    if (pressed())
        pthread_join(reclaimer, NULL);
    if (beside())
        pthread_join(loader, NULL);
}

void wait_for_quiet_signals(const rtw_runtime_t *runtime)
{
    const struct timespec pause = {0, 10000000};
    rtw_signals_t signals;
    rtw_signals_init(&signals);
    NEED(rtw_runtime_signals(runtime, &signals) == RTW_OK, "no figures of the signals");
    const uint64_t before = signals.looks;
    while (profile == RTW_PROFILE_STANDALONE && (signals.looks < before + 2 || signals.status != RTW_OK)) {
        nanosleep(&pause, NULL);
        NEED(rtw_runtime_signals(runtime, &signals) == RTW_OK, "no figures of the signals");
    }
}
