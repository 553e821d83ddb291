#include "section.h"
#include "interpose.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if !(defined(__x86_64__) || defined(__aarch64__)) || !defined(__linux__)
#error "the proofs look at registers and system calls of x86-64 and aarch64 Linux"
#endif

/* The one place whose system calls pass the filter unseen. */
long unseen_system_call(long number, long a, long b, long c, long d, long e, long f);
extern const char unseen_begin[], unseen_end[];

#if defined(__x86_64__)

__asm__(".pushsection .text\n"
        ".globl unseen_system_call, unseen_begin, unseen_end\n"
        ".type unseen_system_call, @function\n"
        "unseen_begin:\n"
        "unseen_system_call:\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    mov %rdx, %rsi\n"
        "    mov %rcx, %rdx\n"
        "    mov %r8, %r10\n"
        "    mov %r9, %r8\n"
        "    mov 8(%rsp), %r9\n"
        "    syscall\n"
        "    ret\n"
        "unseen_end:\n"
        ".popsection\n");

/* guarded_call: fills the callee-saved registers with patterns around the call and compares.
 *   0(%rsp) changed   8(%rsp) MXCSR   12(%rsp) x87   16(%rsp) both afterwards */
#define PATTERN "0x5a5a1234abcd0000"
__asm__(".pushsection .text\n"
        ".globl guarded_call\n"
        ".type guarded_call, @function\n"
        "guarded_call:\n"
        "    push %rbx\n    push %rbp\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    sub $24, %rsp\n"
        "    mov %r8, (%rsp)\n"
        "    stmxcsr 8(%rsp)\n"
        "    fnstcw 12(%rsp)\n"
        "    mov %rdi, %rax\n    mov %rsi, %rdi\n    mov %rdx, %rsi\n    mov %rcx, %rdx\n"
        "    movabs $" PATTERN ", %rbx\n"
        "    lea 1(%rbx), %rbp\n    lea 2(%rbx), %r12\n    lea 3(%rbx), %r13\n    lea 4(%rbx), %r14\n    lea 5(%rbx), %r15\n"
        "    call *%rax\n"
        "    xor %ecx, %ecx\n"
        "    movabs $" PATTERN ", %r11\n"
        "    cmp %r11, %rbx\n    je 1f\n    or $1, %ecx\n1:\n    inc %r11\n"
        "    cmp %r11, %rbp\n    je 1f\n    or $2, %ecx\n1:\n    inc %r11\n"
        "    cmp %r11, %r12\n    je 1f\n    or $4, %ecx\n1:\n    inc %r11\n"
        "    cmp %r11, %r13\n    je 1f\n    or $8, %ecx\n1:\n    inc %r11\n"
        "    cmp %r11, %r14\n    je 1f\n    or $16, %ecx\n1:\n    inc %r11\n"
        "    cmp %r11, %r15\n    je 1f\n    or $32, %ecx\n1:\n"
        "    stmxcsr 16(%rsp)\n"
        "    fnstcw 20(%rsp)\n"
        "    mov 16(%rsp), %r10d\n    xor 8(%rsp), %r10d\n"
        "    test $0xffc0, %r10d\n    je 1f\n    or $0x1000000, %ecx\n1:\n"
        "    mov 20(%rsp), %r10w\n    cmp 12(%rsp), %r10w\n    je 1f\n    or $0x2000000, %ecx\n1:\n"
        "    pushfq\n    pop %r10\n"
        "    test $0x400, %r10d\n    je 1f\n    or $0x4000000, %ecx\n1:\n"
        "    mov (%rsp), %r11\n"
        "    or %ecx, (%r11)\n"
        "    add $24, %rsp\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbp\n    pop %rbx\n"
        "    ret\n"
        ".size guarded_call, . - guarded_call\n"
        ".popsection\n");

#define CLOBBER(reg)                                                                                                              \
    __asm__(".pushsection .text\nclobber_" #reg ":\n    inc %" #reg "\n    xor %eax, %eax\n    ret\n.popsection\n");               \
    rtw_status_t clobber_##reg(rtw_func_t *func, rtw_value_t *values, size_t count);
CLOBBER(rbx)
CLOBBER(rbp)
CLOBBER(r12)
CLOBBER(r13)
CLOBBER(r14)
CLOBBER(r15)
const called_t clobbering[SAVED_REGISTERS] = {clobber_rbx, clobber_rbp, clobber_r12, clobber_r13, clobber_r14, clobber_r15};

/* A system call's, in the order in which it takes them. */
static long argument(const ucontext_t *context, int place)
{
    static const int registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
    return (long)context->uc_mcontext.gregs[registers[place]];
}

static void answer_with(ucontext_t *context, long answer) { context->uc_mcontext.gregs[REG_RAX] = answer; }

#else

__asm__(".pushsection .text\n"
        ".globl unseen_system_call, unseen_begin, unseen_end\n"
        ".type unseen_system_call, @function\n"
        "unseen_begin:\n"
        "unseen_system_call:\n"
        "    mov x8, x0\n"
        "    mov x0, x1\n    mov x1, x2\n    mov x2, x3\n    mov x3, x4\n    mov x4, x5\n    mov x5, x6\n"
        "    svc #0\n"
        "    ret\n"
        "unseen_end:\n"
        ".popsection\n");

/* guarded_call: fills the callee-saved registers with patterns around the call and compares.
 *   [sp, 160] changed   [sp, 168] FPCR */
#define PATTERN(reg) "    mov " reg ", #0x1234\n    movk " reg ", #0x5a5a, lsl #16\n    movk " reg ", #0x7b7b, lsl #48\n"
#define SAME(reg, bit) "    cmp " reg ", x10\n    b.eq 1f\n    orr w9, w9, #" bit "\n1:  add x10, x10, #1\n"
#define SAME_FLOAT(reg, bit) "    fmov x11, " reg "\n" SAME("x11", bit)
__asm__(".pushsection .text\n"
        ".globl guarded_call\n"
        ".type guarded_call, @function\n"
        "guarded_call:\n"
        "    stp x29, x30, [sp, #-176]!\n"
        "    stp x19, x20, [sp, #16]\n    stp x21, x22, [sp, #32]\n    stp x23, x24, [sp, #48]\n    stp x25, x26, [sp, #64]\n"
        "    stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n    stp d10, d11, [sp, #112]\n    stp d12, d13, [sp, #128]\n    stp d14, d15, [sp, #144]\n"
        "    mrs x9, fpcr\n"
        "    stp x4, x9, [sp, #160]\n"
        "    mov x9, x0\n    mov x0, x1\n    mov x1, x2\n    mov x2, x3\n"
        PATTERN("x19")
        "    add x20, x19, #1\n    add x21, x19, #2\n    add x22, x19, #3\n    add x23, x19, #4\n    add x24, x19, #5\n"
        "    add x25, x19, #6\n    add x26, x19, #7\n    add x27, x19, #8\n    add x28, x19, #9\n    add x29, x19, #10\n"
        "    fmov d8, x19\n    fmov d9, x20\n    fmov d10, x21\n    fmov d11, x22\n"
        "    fmov d12, x23\n    fmov d13, x24\n    fmov d14, x25\n    fmov d15, x26\n"
        "    blr x9\n"
        "    mov w9, #0\n"
        PATTERN("x10")
        SAME("x19", "0x1") SAME("x20", "0x2") SAME("x21", "0x4") SAME("x22", "0x8") SAME("x23", "0x10") SAME("x24", "0x20")
        SAME("x25", "0x40") SAME("x26", "0x80") SAME("x27", "0x100") SAME("x28", "0x200") SAME("x29", "0x400")
        PATTERN("x10")
        SAME_FLOAT("d8", "0x800") SAME_FLOAT("d9", "0x1000") SAME_FLOAT("d10", "0x2000") SAME_FLOAT("d11", "0x4000")
        SAME_FLOAT("d12", "0x8000") SAME_FLOAT("d13", "0x10000") SAME_FLOAT("d14", "0x20000") SAME_FLOAT("d15", "0x40000")
        "    ldp x11, x12, [sp, #160]\n"
        "    mrs x13, fpcr\n"
        "    cmp x12, x13\n    b.eq 1f\n    orr w9, w9, #0x1000000\n1:\n"
        "    ldr w12, [x11]\n    orr w12, w12, w9\n    str w12, [x11]\n"
        "    ldp d14, d15, [sp, #144]\n    ldp d12, d13, [sp, #128]\n    ldp d10, d11, [sp, #112]\n    ldp d8, d9, [sp, #96]\n"
        "    ldp x27, x28, [sp, #80]\n    ldp x25, x26, [sp, #64]\n    ldp x23, x24, [sp, #48]\n    ldp x21, x22, [sp, #32]\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    ldp x29, x30, [sp], #176\n"
        "    ret\n"
        ".size guarded_call, . - guarded_call\n"
        ".popsection\n");

#define CLOBBER(reg, change)                                                                                                      \
    __asm__(".pushsection .text\nclobber_" #reg ":\n    " change "\n    mov w0, #0\n    ret\n.popsection\n");                      \
    rtw_status_t clobber_##reg(rtw_func_t *func, rtw_value_t *values, size_t count);
#define CLOBBER_X(reg) CLOBBER(reg, "add " #reg ", " #reg ", #32")
#define CLOBBER_D(reg) CLOBBER(reg, "fmov " #reg ", #1.0")
CLOBBER_X(x19) CLOBBER_X(x20) CLOBBER_X(x21) CLOBBER_X(x22) CLOBBER_X(x23) CLOBBER_X(x24)
CLOBBER_X(x25) CLOBBER_X(x26) CLOBBER_X(x27) CLOBBER_X(x28) CLOBBER_X(x29)
CLOBBER_D(d8) CLOBBER_D(d9) CLOBBER_D(d10) CLOBBER_D(d11) CLOBBER_D(d12) CLOBBER_D(d13) CLOBBER_D(d14) CLOBBER_D(d15)
const called_t clobbering[SAVED_REGISTERS] = {clobber_x19, clobber_x20, clobber_x21, clobber_x22, clobber_x23, clobber_x24, clobber_x25,
                                              clobber_x26, clobber_x27, clobber_x28, clobber_x29, clobber_d8,  clobber_d9,  clobber_d10,
                                              clobber_d11, clobber_d12, clobber_d13, clobber_d14, clobber_d15};

/* A system call's, in the order in which it takes them. */
static long argument(const ucontext_t *context, int place) { return (long)context->uc_mcontext.regs[place]; }

static void answer_with(ucontext_t *context, long answer) { context->uc_mcontext.regs[0] = (unsigned long long)answer; }

#endif

/* The filter's findings on this thread. */
static __thread uint64_t system_calls __attribute__((tls_model("initial-exec")));
static __thread long first_system_call __attribute__((tls_model("initial-exec")));

/* Counts the call where it may not happen, and makes it happen. What a call changes in the thread's signal state is changed in
 * what the end of this handler restores. */
static void on_system_call(int signal, siginfo_t *info, void *interrupted)
{
    (void)signal;
    ucontext_t *context = interrupted;
    const long number = info->si_syscall;
    if (interposed()->in_section && !system_calls++)
        first_system_call = number;
    const long a = argument(context, 0), b = argument(context, 1), c = argument(context, 2);
    long answer;
    if (number == SYS_rt_sigprocmask && b) {
        sigset_t mask;
        memcpy(&mask, &context->uc_sigmask, sizeof mask);
        unseen_system_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0, 0);
        answer = unseen_system_call(SYS_rt_sigprocmask, a, b, c, 8, 0, 0);
        unseen_system_call(SYS_rt_sigprocmask, SIG_SETMASK, 0, (long)&context->uc_sigmask, 8, 0, 0);
    } else {
        answer = unseen_system_call(number, a, b, c, argument(context, 3), argument(context, 4), argument(context, 5));
        if (number == SYS_sigaltstack && a && answer == 0)
            unseen_system_call(SYS_sigaltstack, 0, (long)&context->uc_stack, 0, 0, 0, 0);
    }
    answer_with(context, answer);
}

static void must(bool held, const char *what)
{
    if (held)
        return;
    perror(what);
    exit(2);
}

void watch_system_calls(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_system_call;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    must(sigaction(SIGSYS, &action, NULL) == 0, "sigaction(SIGSYS)");

    const uint64_t begin = (uint64_t)(uintptr_t)unseen_begin, end = (uint64_t)(uintptr_t)unseen_end;
    must(begin >> 32 == end >> 32, "the exempt instructions lie across a 4 GiB boundary");
    const uint32_t number = offsetof(struct seccomp_data, nr);
    const uint32_t at = offsetof(struct seccomp_data, instruction_pointer);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 6, 0),    /* the end of every signal handler */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(begin >> 32), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)begin, 0, 1),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)end, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "prctl(PR_SET_NO_NEW_PRIVS)");
    must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0, "seccomp");
}

usage_t usage(void)
{
    struct rusage now;
    unseen_system_call(SYS_getrusage, RUSAGE_THREAD, (long)&now, 0, 0, 0, 0);
    const usage_t answer = {(uint64_t)now.ru_minflt, (uint64_t)now.ru_majflt, (uint64_t)now.ru_nvcsw};
    return answer;
}

enum { ERRNO_SENTINEL = 12345 };

static __thread struct {
    usage_t usage;
    uint64_t mask, system_calls, allocations, locks;
} before __attribute__((tls_model("initial-exec")));

static uint64_t signal_mask(void)
{
    uint64_t mask = 0;
    unseen_system_call(SYS_rt_sigprocmask, SIG_SETMASK, 0, (long)&mask, sizeof mask, 0, 0);
    return mask;
}

void section_begin(void)
{
    interposed_t *seen = interposed();
    before.mask = signal_mask();
    before.allocations = seen->allocations;
    before.locks = seen->locks;
    before.system_calls = system_calls;
    errno = ERRNO_SENTINEL;
    before.usage = usage();
    seen->in_section = 1;
}

void section_end(findings_t *findings)
{
    interposed_t *seen = interposed();
    seen->in_section = 0;
    const usage_t after = usage();
    findings->errno_changes += errno != ERRNO_SENTINEL;
    findings->minor_faults += after.minor_faults - before.usage.minor_faults;
    findings->major_faults += after.major_faults - before.usage.major_faults;
    findings->switches += after.switches - before.usage.switches;
    findings->mask_changes += signal_mask() != before.mask;
    findings->allocations += seen->allocations - before.allocations;
    findings->locks += seen->locks - before.locks;
    findings->system_calls += system_calls - before.system_calls;
    if (seen->first_allocation && !findings->first_allocation)
        findings->first_allocation = seen->first_allocation;
    if (seen->first_lock && !findings->first_lock)
        findings->first_lock = seen->first_lock;
    if (system_calls != before.system_calls)
        findings->first_system_call = first_system_call;
}
