/* Fails the n-th system call of a kind, for every n, with each error that it can give, over the life of a host, and tells what it
 * saw as rows of a table. The kernel asks this program what becomes of each such call (seccomp's user notification), so calls that
 * the C library makes on its own, and those that are made without it, are among them.
 *   calls PROFILE|compiler FOLDER [KIND ...]
 * CALLS_STEP in the environment: every so-manieth position only; CALLS_TO: no later one. CALLS_PLANT: "abort", "print" or "hang" at
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
    {"read", {SYS_read, -1}, {EIO, EINTR, ENOMEM, 0}, {RTW_ERR_IO, RTW_ERR_NO_MEMORY, 0}},
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
static life_t life = {RTW_PROFILE_STANDALONE, NULL, "life", &injector, false, false, RTW_LOCK_ON, NULL, NULL};

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

static void live_here(uint64_t at, int to, int log)
{
    const int listener = listen_to_calls();
    if (listener < 0) _exit(3);
    send_descriptor(to, listener);
    close(listener);
    close(to);
    dup2(log, 1), dup2(log, 2);
    alarm(HANG_S);
    atomic_store(&shared->armed, true);
    shared->report.lived = lived(&life);
    stop();
    plant(at);
    _exit(0);
}

/* A life of its own in which that call fails; how it ended, and whether it printed. */
static int live_apart(uint64_t at, int error, bool *printed)
{
    static int log = -1;
    int sockets[2];
    if (log < 0) log = memfd_create("printed", 0);
    memset(shared, 0, sizeof *shared);
    if (ftruncate(log, 0) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) exit(2);
    lseek(log, 0, SEEK_SET);
    const pid_t child = fork();
    if (child == 0) {
        close(sockets[0]);
        live_here(at, sockets[1], log);
    }
    close(sockets[1]);
    const int listener = receive_descriptor(sockets[0]);
    close(sockets[0]);
    if (listener >= 0) {
        answer(listener, at, error);
        close(listener);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    char text[161] = "";
    *printed = pread(log, text, sizeof text - 1, 0) > 0;
    if (*printed) text[strcspn(text, "\n")] = 0, printf("    printed: %s\n", text);
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
    for (int i = 3; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return argc <= 3;
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    const uint64_t step = getenv("CALLS_STEP") != NULL ? strtoull(getenv("CALLS_STEP"), NULL, 0) : 1;
    const uint64_t to = getenv("CALLS_TO") != NULL ? strtoull(getenv("CALLS_TO"), NULL, 0) : UINT64_MAX - 1;
    const bool verbose = getenv("EXHAUSTED_VERBOSE") != NULL;
    life.profile = strcmp(argv[1], "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    if (strcmp(argv[1], "compiler") == 0) life.guest = "guests/life.wat", lived = live_compile;
    life.folder = argv[2];
    if (!prepare_lives(&life)) return 2;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    life.report = &shared->report;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (kind = kinds; kind < kinds + KINDS; kind++) {
        if (!is_wanted(argc, argv, kind->name)) continue;
        life.carries = strcmp(kind->name, "membarrier") == 0;
        for (int i = 0; kind->errors[i] != 0; i++) {
            const int error = kind->errors[i];
            uint64_t positions = 0, status_told = 0, well = 0, wrong = 0, aborts = 0, hangs = 0, printed = 0;
            for (uint64_t at = 0; at <= to; at += step) {
                bool has_printed;
                const int status = live_apart(at, error, &has_printed);
                if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
                    printf("the kernel does not tell of system calls\n");
                    return 3;
                }
                const uint64_t failures = atomic_load(&shared->failed);
                if (WIFEXITED(status) && failures == 0) {
                    if (!shared->report.lived) wrong++, tell(at, error, "a life without a failure went wrong");
                    break;
                }
                positions++;
                printed += has_printed;
                if (!WIFEXITED(status)) {
                    const bool hung = WTERMSIG(status) == SIGALRM;
                    *(hung ? &hangs : &aborts) += 1;
                    tell(at, error, hung ? "hang" : strsignal(WTERMSIG(status)));
                } else if (!shared->report.lived)
                    wrong++, tell(at, error, "wrong");
                else if (shared->report.status != RTW_OK) {
                    status_told++;
                    if (verbose) tell(at, error, "told");
                } else
                    well++;
            }
            printf("call\t%s\t%s\t%s\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\n", argv[1], kind->name, strerrorname_np(error), (unsigned long long)positions,
                   (unsigned long long)status_told, (unsigned long long)well, (unsigned long long)wrong, (unsigned long long)aborts, (unsigned long long)hangs,
                   (unsigned long long)printed);
        }
    }
    return 0;
}
