/* Where memory is locked, calls touch nothing that is not: neither in the guest's memory and code nor among what the library and
 * its engine have on the heap. The kernel tells which pages were referenced (/proc/self/clear_refs) and which are locked
 * (/proc/self/smaps). The planted violation is the same without locking.
 *
 *   locked PROFILE FOLDER */
#include "proof.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST_MAPPINGS = 1024, CALLS = 100, DRY_CALLS = 64, ROUND_INSTANCES = 40, ROUNDS = 25, ROUNDS_BEFORE = 10, TURNS = 20 };

/* ---- mappings. Nothing here allocates: what malloc touches would be counted. */

static char text[4 << 20];

static char *read_text(const char *path)
{
    const int file = open(path, O_RDONLY);
    NEED(file >= 0, "cannot open %s", path);
    size_t length = 0;
    ssize_t got;
    while ((got = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    close(file);
    NEED(got == 0 && length < sizeof text - 1, "%s is too long", path);
    text[length] = '\0';
    return text;
}

typedef struct mapping_t {
    uintptr_t low, high;
    const char *name; /* its path in the text; NULL where the line heads no mapping */
} mapping_t;

/* The mapping that a line of maps or smaps heads. Reads a copy of the line: sscanf measures all that follows first. */
static mapping_t mapping_of(const char *line)
{
    mapping_t mapping = {0, 0, NULL};
    int name = 0;
    char copy[128];
    size_t length = strcspn(line, "\n");
    if (length > sizeof copy - 1)
        length = sizeof copy - 1;
    memcpy(copy, line, length);
    copy[length] = '\0';
    if (sscanf(copy, "%" SCNxPTR "-%" SCNxPTR " %*4s %*x %*x:%*x %*u%n", &mapping.low, &mapping.high, &name) == 2 && name > 0)
        mapping.name = line + name + strspn(line + name, " ");
    return mapping;
}

static bool named(const mapping_t *mapping, const char *part)
{
    const char *found = strstr(mapping->name, part), *end = strchr(mapping->name, '\n');
    return found && (!end || found < end);
}

static bool nameless(const mapping_t *mapping) { return *mapping->name == '\n' || *mapping->name == '\0'; }

/* The host's own memory: everything before the first runtime except the library and the heap. */
static struct {
    uintptr_t low, high;
} hosts[MOST_MAPPINGS];
static size_t host_count;

static void note_hosts(void)
{
    uintptr_t library_end = 0;
    host_count = 0;
    for (char *line = read_text("/proc/self/maps"); line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const mapping_t mapping = mapping_of(line);
        if (!mapping.name)
            continue;
        /* The library's data without initial values follows its file. */
        if (named(&mapping, "librtwasm") || (nameless(&mapping) && mapping.low == library_end)) {
            library_end = mapping.high;
            continue;
        }
        if (named(&mapping, "[heap]"))
            continue;
        /* Mappings side by side may become one later. */
        if (host_count > 0 && hosts[host_count - 1].high == mapping.low) {
            hosts[host_count - 1].high = mapping.high;
            continue;
        }
        NEED(host_count < MOST_MAPPINGS, "too many mappings");
        hosts[host_count].low = mapping.low;
        hosts[host_count++].high = mapping.high;
    }
}

static bool is_hosts(const mapping_t *mapping)
{
    for (size_t i = 0; i < host_count; i++)
        if (mapping->low >= hosts[i].low && mapping->high <= hosts[i].high)
            return true;
    return false;
}

/* Referenced memory, in KiB. */
typedef struct touched_t {
    uint64_t locked, heap, elsewhere; /* the latter two without being locked */
} touched_t;

static void forget_references(void)
{
    /* The processor remembers which pages it has marked already; it forgets all when many are unmapped at once. */
    char *many = mmap(NULL, sizeof text, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(many != MAP_FAILED, "mmap: no memory");
    memset(many, 1, sizeof text);
    const int file = open("/proc/self/clear_refs", O_WRONLY);
    NEED(file >= 0 && write(file, "1", 1) == 1, "cannot write to /proc/self/clear_refs");
    close(file);
    munmap(many, sizeof text);
}

/* ---- the other threads. The kernel reports the pages of all: meanwhile the housekeeper, which looks at signals, waits in a handler. */

static atomic_uint hold; /* 1 while they wait; they sleep on it */
static atomic_uint waiting;

static void wait_in_handler(int signal)
{
    (void)signal;
    atomic_fetch_add(&waiting, 1);
    while (atomic_load(&hold))
        syscall(SYS_futex, &hold, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    atomic_fetch_sub(&waiting, 1);
}

static void hold_others(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = wait_in_handler;
    /* One of those that the library's threads let in. */
    NEED(sigaction(SIGTRAP, &action, NULL) == 0, "sigaction: %s", strerror(errno));
    atomic_store(&hold, 1);
    unsigned others = 0;
    DIR *tasks = opendir("/proc/self/task");
    NEED(tasks, "/proc/self/task: %s", strerror(errno));
    for (struct dirent *entry; (entry = readdir(tasks));) {
        const pid_t task = (pid_t)strtol(entry->d_name, NULL, 10);
        if (task > 0 && task != getpid())
            others += syscall(SYS_tgkill, getpid(), task, SIGTRAP) == 0;
    }
    closedir(tasks);
    const struct timespec pause = {0, 1000000};
    while (atomic_load(&waiting) < others)
        nanosleep(&pause, NULL);
    /* Until they sleep. */
    nanosleep(&pause, NULL);
}

static void let_others_go(void)
{
    atomic_store(&hold, 0);
    syscall(SYS_futex, &hold, FUTEX_WAKE_PRIVATE, 1024, NULL, NULL, 0);
    const struct timespec pause = {0, 1000000};
    while (atomic_load(&waiting) > 0)
        nanosleep(&pause, NULL);
}

/* Returns the sums of pages that were referenced since; lets the other threads go on. */
static touched_t references(void)
{
    touched_t touched = {0, 0, 0};
    mapping_t mapping = {0, 0, NULL};
    uint64_t kib = 0;
    char *line = read_text("/proc/self/smaps");
    let_others_go();
    for (; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const mapping_t next = mapping_of(line);
        if (next.name)
            mapping = next;
        if (strncmp(line, "Referenced:", 11) == 0)
            kib = strtoull(line + 11, NULL, 10);
        if (strncmp(line, "VmFlags:", 8) != 0)
            continue;
        /* The last line of a mapping. */
        const char *end = strchr(line, '\n'), *lock = strstr(line, " lo");
        if (!mapping.name || is_hosts(&mapping) || named(&mapping, "[v"))
            continue;
        if (lock && end && lock < end)
            touched.locked += kib;
        else if (named(&mapping, "[heap]"))
            touched.heap += kib;
        else
            touched.elsewhere += kib;
    }
    return touched;
}

static uint64_t locked_kib(void)
{
    const char *line = strstr(read_text("/proc/self/status"), "VmLck:");
    uint64_t kib = 0;
    NEED(line && sscanf(line, "VmLck: %" SCNu64, &kib) == 1, "no VmLck in /proc/self/status");
    return kib;
}

/* ---- the calls */

static rtw_func_t *next;

static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    int32_t *word = rtw_instance_memory_at(instance, 16, 4);
    if (!word || !next)
        return RTW_ERR_BOUNDS;
    *word = values[0].i32;
    return rtw_invoke(next, values, 1);
}

typedef struct locked_t {
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_imports_t *imports;
    rtw_instance_t *instance;
    rtw_func_t *work, *ask, *fail;
    rtw_prepare_report_t report;
} locked_t;

static void begin(locked_t *guest, uint32_t lock)
{
    rtw_error_t err;
    memset(guest, 0, sizeof *guest);
    guest->runtime = make_locking_runtime(lock);
    guest->module = load(guest->runtime, "locked");
    OK(rtw_imports_create(&guest->imports, &err), err);
    OK(rtw_imports_func(guest->imports, "env", "visit", "(i32)->(i32)", visit, NULL, NULL, 0, &err), err);
}

static void prepare_guest(locked_t *guest)
{
    rtw_error_t err;
    attach_here(guest->runtime);
    guest->instance = new_instance(guest->module, guest->imports, 0);
    guest->work = look_up(guest->instance, "work", NULL);
    guest->ask = look_up(guest->instance, "ask", NULL);
    guest->fail = look_up(guest->instance, "fail", NULL);
    next = look_up(guest->instance, "next", NULL);
    const rtw_value_t zero = {.i32 = 0};
    rtw_dry_call_t dry[2];
    memset(dry, 0, sizeof dry);
    dry[0].func = guest->work;
    dry[1].func = guest->ask;
    for (int i = 0; i < 2; i++) {
        dry[i].values = &zero;
        dry[i].value_count = 1;
        dry[i].repeats = DRY_CALLS;
    }
    rtw_prepare_config_t config;
    rtw_prepare_config_init(&config);
    config.dry_calls = dry;
    config.dry_call_count = 2;
    rtw_prepare_report_init(&guest->report);
    OK(rtw_instance_prepare(guest->instance, &config, &guest->report, &err), err);
}

static void good_calls(locked_t *guest)
{
    for (int i = 0; i < CALLS; i++) {
        rtw_value_t value = {.i32 = i};
        rtw_status_t status = rtw_invoke(i % 2 ? guest->work : guest->ask, &value, 1);
        NEED(status == RTW_OK, "a call: %s", rtw_status_name(status));
    }
}

/* ---- the proofs, each in a process of its own */

typedef enum path_t { GOOD, AFTER_RESET, FAILING } path_t;

typedef struct trial_data_t {
    uint32_t lock;
    path_t path;
} trial_data_t;

/* True if the path touches only locked memory; without locking, true if it is seen to touch the heap. */
static bool touches(void *data)
{
    const trial_data_t *trial = data;
    rtw_error_t err;
    note_hosts();
    locked_t guest;
    begin(&guest, trial->lock);
    prepare_guest(&guest);
    if (trial->path == AFTER_RESET)
        OK(rtw_instance_reset(guest.instance, &err), err);
    touched_t touched = {0, 0, 0};
    /* A thread may not sleep yet when the references are forgotten. What calls touch, they touch every time. */
    for (int turn = 0; turn < TURNS; turn++) {
        rtw_value_t value = {.i32 = 1};
        rtw_status_t status = RTW_OK;
        if (turn > 0 && trial->path == FAILING)
            OK(rtw_instance_reset(guest.instance, &err), err);
        hold_others();
        forget_references();
        if (trial->path == FAILING)
            status = rtw_invoke(guest.fail, &value, 1);
        else
            good_calls(&guest);
        touched = references();
        EXPECT((status == RTW_ERR_TRAP_UNREACHABLE) == (trial->path == FAILING), "the call: %s", rtw_status_name(status));
        if (touched.heap == 0 && touched.elsewhere == 0)
            break;
    }
    note("%" PRIu64 " KiB locked, %" PRIu64 " KiB of the heap not, %" PRIu64 " KiB elsewhere not; report: locked %u, %" PRIu64 " of %" PRIu64 " bytes",
         touched.locked, touched.heap, touched.elsewhere, guest.report.locked, guest.report.locked_bytes, guest.report.touched_bytes);
    if (trial->lock == RTW_LOCK_OFF)
        return touched.heap > 0 && touched.elsewhere > 0 && guest.report.locked == 0;
    return touched.locked > 0 && touched.heap == 0 && touched.elsewhere == 0 && guest.report.locked == 1 &&
           guest.report.locked_bytes == guest.report.touched_bytes;
}

static void prove_touches(const char *how, path_t path)
{
    trial_data_t locked = {RTW_LOCK_REQUIRED, path}, off = {RTW_LOCK_OFF, path};
    const bool seen = in_child(touches, &off);
    const bool held = in_child(touches, &locked);
    row("calls touch locked pages only", how, path == FAILING ? 1 : CALLS, held, caught(seen), "%s", remark());
}

static void *destroy(void *instance)
{
    rtw_instance_destroy(instance);
    return NULL;
}

/* Rounds of instances that go in another order than they came, on this thread and on others. */
static bool come_and_go(void *data)
{
    (void)data;
    locked_t guest;
    begin(&guest, RTW_LOCK_REQUIRED);
    uint64_t before = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        rtw_instance_t *instances[ROUND_INSTANCES];
        for (uint32_t i = 0; i < ROUND_INSTANCES; i++) {
            instances[i] = new_instance(guest.module, guest.imports, 0);
            rtw_func_destroy(look_up(instances[i], "work", NULL));
        }
        for (uint32_t i = 0; i < ROUND_INSTANCES; i++) {
            /* 37 and the number of instances have no factor in common: each goes once. */
            rtw_instance_t *instance = instances[i * (round % 2 ? 1 : 37) % ROUND_INSTANCES];
            pthread_t thread;
            if (i % 10 == 0) {
                NEED(pthread_create(&thread, NULL, destroy, instance) == 0, "pthread_create");
                pthread_join(thread, NULL);
            } else {
                destroy(instance);
            }
        }
        /* Ended handles are not used again at once: until that begins, each takes a few bytes more. */
        if (round + 1 == ROUNDS_BEFORE)
            before = locked_kib();
    }
    const uint64_t at_end = locked_kib();
    note("%" PRIu64 " KiB after %d instances, %" PRIu64 " KiB after %d", before, ROUND_INSTANCES * ROUNDS_BEFORE, at_end, ROUND_INSTANCES * ROUNDS);
    prepare_guest(&guest);
    good_calls(&guest);
    return before > 0 && at_end <= before;
}

int main(int argc, char **argv)
{
    begin_proof(argc, argv);
    prove_touches("good calls, kernel's references", GOOD);
    prove_touches("good calls after a reset, kernel's references", AFTER_RESET);
    prove_touches("a failing call, kernel's references", FAILING);
    const bool flat = in_child(come_and_go, NULL);
    row("what is locked is used again", "VmLck over 1000 instances", ROUND_INSTANCES * ROUNDS, flat, PLANTED_NONE, "%s", remark());
    return check_summary();
}
