/* Fails the n-th system call of a kind, for every n, with each error that it can give, over the life of a host, and prints what it saw
 * as rows of a table, and as checks. The kernel asks this program what becomes of each such call (seccomp's user notification), so calls
 * that the C library makes on its own, and those that are made without it, are among them.
 *   calls PROFILE ARTIFACTS host|compiler [KIND ...]
 * CALLS_STEP in the environment: only one of as many positions; CALLS_TO: no later one. CALLS_PLANT: "abort", "print" or "hang" at
 * position 2. */
#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANG_S = 60, PLANTED_AT = 2 };
/* The exit status of a child whose kernel does not ask. */
enum { UNHEARD = 3 };

typedef struct kind_t {
    const char *name;
    int numbers[3];          /* system calls; -1 ends them */
    int errors[4];           /* what they can give; 0 ends them */
    rtw_status_t allowed[6]; /* what a call of the API may answer then; 0 ends them */
} kind_t;

static const kind_t kinds[] = {
    {"mmap", {SYS_mmap, -1}, {ENOMEM, EAGAIN, 0}, {RTW_ERR_NO_MEMORY, RTW_ERR_MEMLOCK, 0}},
    {"mprotect", {SYS_mprotect, -1}, {ENOMEM, EACCES, 0}, {RTW_ERR_NO_MEMORY, RTW_ERR_PERMISSION, 0}},
    {"munmap", {SYS_munmap, -1}, {ENOMEM, 0}, {RTW_ERR_NO_MEMORY, 0}},
    {"madvise", {SYS_madvise, -1}, {ENOMEM, EINVAL, 0}, {RTW_ERR_NO_MEMORY, 0}},
    {"mlock", {SYS_mlock, -1}, {ENOMEM, EPERM, EAGAIN, 0}, {RTW_ERR_MEMLOCK, 0}},
    {"clone", {SYS_clone3, SYS_clone, -1}, {EAGAIN, ENOMEM, EPERM, 0}, {RTW_ERR_NO_MEMORY, RTW_ERR_LIMIT, RTW_ERR_PERMISSION, 0}},
    {"open", {SYS_openat, -1}, {EMFILE, ENOMEM, EACCES, 0}, {RTW_ERR_IO, RTW_ERR_NO_MEMORY, 0}},
    {"read", {SYS_read, SYS_pread64, -1}, {EIO, EINTR, ENOMEM, 0}, {RTW_ERR_IO, RTW_ERR_NO_MEMORY, 0}},
    {"sigaltstack", {SYS_sigaltstack, -1}, {ENOMEM, EPERM, 0}, {RTW_ERR_NO_MEMORY, RTW_ERR_PERMISSION, RTW_ERR_SIGNALS, 0}},
    {"sched_set", {SYS_sched_setscheduler, SYS_sched_setaffinity, SYS_sched_setparam}, {EPERM, EINVAL, 0}, {RTW_ERR_PERMISSION, RTW_ERR_ARGUMENT, 0}},
    {"sched_get", {SYS_sched_getscheduler, SYS_sched_getaffinity, SYS_sched_getparam}, {EPERM, ESRCH, 0}, {RTW_ERR_PERMISSION, RTW_ERR_IO, 0}},
    {"futex", {SYS_futex, -1}, {EINTR, EAGAIN, 0}, {0}}, /* waits only: waking gives no error */
    {"prctl", {SYS_prctl, -1}, {EINVAL, EPERM, 0}, {RTW_ERR_PERMISSION, 0}},
    {"membarrier", {SYS_membarrier, -1}, {ENOSYS, EPERM, 0}, {RTW_ERR_PERMISSION, 0}}, /* a host may be given a filter while it runs */
    {"sleep", {SYS_clock_nanosleep, -1}, {EINTR, 0}, {0}},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Shared between the tested process and this one. */
typedef struct shared_t {
    life_report_t report;
    _Atomic bool armed;
    _Atomic uint64_t calls, failed;
} shared_t;

static shared_t *shared;
static const kind_t *kind;

static uint64_t failed(void) { return atomic_load(&shared->failed); }
static void stop(void) { atomic_store(&shared->armed, false); }

static bool allowed(rtw_status_t status)
{
    for (int i = 0; kind->allowed[i] != 0; i++)
        if (kind->allowed[i] == status) return true;
    return false;
}

static void describe(life_report_t *report) { snprintf(report->place, sizeof report->place, "%s", kind->name); }

static const injector_t injector = {failed, stop, allowed, describe};
static life_t life = {"life", &injector, false, false, RTW_LOCK_ON, NULL, NULL};

static bool (*lived)(const life_t *) = live;

/* Has the kernel ask about calls of the kind from here on; the descriptor that it asks on. */
static int listen_to_calls(void)
{
    struct sock_filter code[2 + 2 * 3 + 1];
    unsigned short length = 0;
    code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < 3 && kind->numbers[i] >= 0; i++) {
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)kind->numbers[i], 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {length, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void send_descriptor(int to, int descriptor)
{
    char control[CMSG_SPACE(sizeof descriptor)] = {0}, byte = 0;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    sendmsg(to, &message, 0);
}

static int receive_descriptor(int from)
{
    int descriptor = -1;
    char control[CMSG_SPACE(sizeof descriptor)], byte;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(from, &message, 0) == 1 && CMSG_FIRSTHDR(&message) != NULL) memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

static bool counts(const struct seccomp_data *call)
{
    if (call->nr != SYS_futex) return true;
    const int operation = (int)call->args[1] & FUTEX_CMD_MASK;
    return operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET;
}

/* Answers until nobody asks any more. */
static void answer(int listener, uint64_t at, int error)
{
    for (;;) {
        struct pollfd ready = {listener, POLLIN, 0};
        if (poll(&ready, 1, -1) < 0) continue;
        if ((ready.revents & POLLIN) == 0) return;
        struct seccomp_notif asked;
        memset(&asked, 0, sizeof asked);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) continue;
        struct seccomp_notif_resp told = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        if (atomic_load(&shared->armed) && counts(&asked.data) && atomic_fetch_add(&shared->calls, 1) == at) {
            told.flags = 0;
            told.error = -error;
            atomic_fetch_add(&shared->failed, 1);
        }
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &told);
    }
}

static void plant(uint64_t at)
{
    const char *what = getenv("CALLS_PLANT");
    if (what == NULL || at != PLANTED_AT) return;
    if (strcmp(what, "abort") == 0) abort();
    if (strcmp(what, "print") == 0) fprintf(stderr, "planted\n");
    if (strcmp(what, "hang") == 0) alarm(1), pause();
}

typedef struct here_t {
    uint64_t at;
    int sockets[2]; /* the parent reads the descriptor from the first, the child writes it to the second */
} here_t;

static void live_here(void *data)
{
    const here_t *here = data;
    const int listener = listen_to_calls();
    if (listener < 0) _exit(UNHEARD);
    send_descriptor(here->sockets[1], listener);
    close(listener);
    close(here->sockets[0]), close(here->sockets[1]);
    alarm(HANG_S);
    atomic_store(&shared->armed, true);
    shared->report.lived = lived(&life);
    stop();
    plant(here->at);
}

/* A life of its own in which that call fails; how it ended, and whether it printed. */
static int live_apart(uint64_t at, int error, bool *printed)
{
    here_t here = {at, {-1, -1}};
    char text[161];
    memset(shared, 0, sizeof *shared);
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, here.sockets) == 0, "socketpair: %s", strerror(errno));
    const child_t child = begin_child(live_here, &here);
    close(here.sockets[1]);
    const int listener = receive_descriptor(here.sockets[0]);
    close(here.sockets[0]);
    if (listener >= 0) {
        answer(listener, at, error);
        close(listener);
    }
    const int status = end_child(child, text, sizeof text);
    *printed = text[0] != '\0';
    if (*printed) printf("    printed: %.*s\n", (int)strcspn(text, "\n"), text);
    return status;
}

static void tell(uint64_t at, int error, const char *what)
{
    const life_report_t *report = &shared->report;
    printf("  %s at %s %llu, %s: %s, %s, %s\n", what, kind->name, (unsigned long long)at, strerrorname_np(error), report->call, rtw_status_name(report->status),
           report->wrong[0] != 0 ? report->wrong : report->message);
}

static bool is_wanted(int argc, char **argv, const char *name)
{
    for (int i = 4; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return argc <= 4;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

/* The outcomes where calls of a kind fail with an error, at each position. */
typedef struct seen_t {
    uint64_t positions, told, well, wrong, aborts, hangs, printed, internal;
} seen_t;

/* A life with one failure. Returns false if there is no such call any more. */
static bool live_once(uint64_t at, int error, bool verbose, seen_t *seen)
{
    bool has_printed;
    const life_report_t *report = &shared->report;
    const int status = live_apart(at, error, &has_printed);
    NEED(!WIFEXITED(status) || WEXITSTATUS(status) != UNHEARD, "the kernel does not tell of system calls");
    if (WIFEXITED(status) && failed() == 0) {
        if (!report->lived) seen->wrong++, tell(at, error, "a life without a failure went wrong");
        return false;
    }
    seen->positions++;
    seen->printed += has_printed;
    seen->internal += report->status == RTW_ERR_INTERNAL || report->status == RTW_ERR_POISONED;
    if (!WIFEXITED(status)) {
        const bool hung = WTERMSIG(status) == SIGALRM;
        *(hung ? &seen->hangs : &seen->aborts) += 1;
        tell(at, error, hung ? "hang" : strsignal(WTERMSIG(status)));
    } else if (!report->lived)
        seen->wrong++, tell(at, error, "wrong");
    else if (report->status != RTW_OK) {
        seen->told++;
        if (verbose) tell(at, error, "told");
    } else
        seen->well++;
    return true;
}

int main(int argc, char **argv)
{
    read_command_line(argc, argv);
    NEED(argc >= 4, "whose system calls, host or compiler");
    const char *whose = strcmp(argv[3], "compiler") == 0 ? argv[3] : profile_name;
    const uint64_t step = from_environment("CALLS_STEP", 1), to = from_environment("CALLS_TO", UINT64_MAX - 1);
    const bool verbose = getenv("EXHAUSTED_VERBOSE") != NULL;
    if (strcmp(argv[3], "compiler") == 0) life.guest = "guests/life.wat", lived = live_compile;
    prepare_lives(&life);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(shared != MAP_FAILED, "mmap: %s", strerror(errno));
    life.report = &shared->report;
    for (kind = kinds; kind < kinds + KINDS; kind++) {
        if (!is_wanted(argc, argv, kind->name)) continue;
        life.carries = strcmp(kind->name, "membarrier") == 0;
        uint64_t positions = 0;
        for (int i = 0; kind->errors[i] != 0; i++) {
            const int error = kind->errors[i];
            const char *name = strerrorname_np(error);
            seen_t seen;
            memset(&seen, 0, sizeof seen);
            for (uint64_t at = 0; at <= to && live_once(at, error, verbose, &seen); at += step) {}
            positions += seen.positions;
            printf("call\t%s\t%s\t%s\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\n", whose, kind->name, name, (unsigned long long)seen.positions,
                   (unsigned long long)seen.told, (unsigned long long)seen.well, (unsigned long long)seen.wrong, (unsigned long long)seen.aborts,
                   (unsigned long long)seen.hangs, (unsigned long long)seen.printed);
            check(seen.wrong == 0, "%s, %s: the same call succeeds afterwards, and the life goes on to its end", kind->name, name);
            check(seen.aborts == 0, "%s, %s: nothing ends the process", kind->name, name);
            check(seen.hangs == 0, "%s, %s: nothing hangs", kind->name, name);
            check(seen.printed == 0, "%s, %s: nothing is printed", kind->name, name);
            check(seen.internal == 0, "%s, %s: no call returns RTW_ERR_INTERNAL or RTW_ERR_POISONED", kind->name, name);
        }
        check(positions > 0, "%s: calls were there to fail", kind->name);
    }
    return check_summary();
}
