/* The registers that a function must leave as they were, after every kind of call's end: the result, a trap, a cut-off, an error of a
 * host function. The guest computes with more values than there are registers, and the host function sees which it has used. */
#include "common.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__) || defined(__aarch64__)

/* Calls target(func, values, count) with `before` in the registers, and puts what it finds in them afterwards into `after`. */
typedef rtw_status_t target_t(rtw_func_t *func, rtw_value_t *values, size_t count);
rtw_status_t call_with_registers(target_t *target, rtw_func_t *func, rtw_value_t *values, size_t count, const uint64_t *before, uint64_t *after);
/* The registers as they are. */
void registers_now(uint64_t *words);
/* Twin: a function that leaves every one of them changed. */
rtw_status_t changes_them(rtw_func_t *func, rtw_value_t *values, size_t count);

#if defined(__x86_64__)

enum { REGISTERS = 6 };
static const char *const names[REGISTERS] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};
__asm__(".text\n"
        ".globl call_with_registers, registers_now, changes_them\n"
        "call_with_registers:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "  push %r9\n"
        "  mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx\n"
        "  mov 0(%r8), %rbx; mov 8(%r8), %rbp; mov 16(%r8), %r12; mov 24(%r8), %r13; mov 32(%r8), %r14; mov 40(%r8), %r15\n"
        "  call *%rax\n"
        "  pop %rdi\n"
        "  mov %rbx, 0(%rdi); mov %rbp, 8(%rdi); mov %r12, 16(%rdi); mov %r13, 24(%rdi); mov %r14, 32(%rdi); mov %r15, 40(%rdi)\n"
        "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n"
        "registers_now:\n"
        "  mov %rbx, 0(%rdi); mov %rbp, 8(%rdi); mov %r12, 16(%rdi); mov %r13, 24(%rdi); mov %r14, 32(%rdi); mov %r15, 40(%rdi)\n"
        "  ret\n"
        "changes_them:\n"
        "  inc %rbx; inc %rbp; inc %r12; inc %r13; inc %r14; inc %r15\n"
        "  xor %eax, %eax\n"
        "  ret\n");

#else

/* Of v8 to v15 the lower halves. */
enum { REGISTERS = 19 };
static const char *const names[REGISTERS] = {"x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28",
                                             "x29", "d8",  "d9",  "d10", "d11", "d12", "d13", "d14", "d15"};
__asm__(".text\n"
        ".globl call_with_registers, registers_now, changes_them\n"
        "call_with_registers:\n"
        "  stp x29, x30, [sp, #-176]!\n"
        "  stp x19, x20, [sp, #16]\n  stp x21, x22, [sp, #32]\n  stp x23, x24, [sp, #48]\n  stp x25, x26, [sp, #64]\n  stp x27, x28, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
        "  str x5, [sp, #160]\n"
        "  mov x9, x0\n  mov x0, x1\n  mov x1, x2\n  mov x2, x3\n"
        "  ldp x19, x20, [x4]\n  ldp x21, x22, [x4, #16]\n  ldp x23, x24, [x4, #32]\n  ldp x25, x26, [x4, #48]\n  ldp x27, x28, [x4, #64]\n"
        "  ldr x29, [x4, #80]\n"
        "  ldp d8, d9, [x4, #88]\n  ldp d10, d11, [x4, #104]\n  ldp d12, d13, [x4, #120]\n  ldp d14, d15, [x4, #136]\n"
        "  blr x9\n"
        "  mov x10, x0\n"
        "  ldr x0, [sp, #160]\n"
        "  bl registers_now\n"
        "  mov x0, x10\n"
        "  ldp x19, x20, [sp, #16]\n  ldp x21, x22, [sp, #32]\n  ldp x23, x24, [sp, #48]\n  ldp x25, x26, [sp, #64]\n  ldp x27, x28, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
        "  ldp x29, x30, [sp], #176\n"
        "  ret\n"
        "registers_now:\n"
        "  stp x19, x20, [x0]\n  stp x21, x22, [x0, #16]\n  stp x23, x24, [x0, #32]\n  stp x25, x26, [x0, #48]\n  stp x27, x28, [x0, #64]\n"
        "  str x29, [x0, #80]\n"
        "  stp d8, d9, [x0, #88]\n  stp d10, d11, [x0, #104]\n  stp d12, d13, [x0, #120]\n  stp d14, d15, [x0, #136]\n"
        "  ret\n"
        "changes_them:\n"
        "  add x19, x19, #1\n  add x20, x20, #1\n  add x21, x21, #1\n  add x22, x22, #1\n  add x23, x23, #1\n  add x24, x24, #1\n"
        "  add x25, x25, #1\n  add x26, x26, #1\n  add x27, x27, #1\n  add x28, x28, #1\n  add x29, x29, #1\n"
        "  fneg d8, d8\n  fneg d9, d9\n  fneg d10, d10\n  fneg d11, d11\n  fneg d12, d12\n  fneg d13, d13\n  fneg d14, d14\n  fneg d15, d15\n"
        "  mov x0, #0\n"
        "  ret\n");

#endif

static uint64_t before[REGISTERS], inside[REGISTERS];
static rtw_status_t answer;

/* Takes part in every call that does not end before it. */
static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance;
    registers_now(inside);
    values[0].i32 = 0;
    return answer;
}

/* The names of the registers that differ from `before`; "" if none does. Static. */
static const char *differing(const uint64_t *words, unsigned *count) {
    static char text[256];
    text[0] = 0, *count = 0;
    for (int i = 0; i < REGISTERS; i++) {
        if (words[i] == before[i]) continue;
        snprintf(text + strlen(text), sizeof text - strlen(text), " %s", names[i]);
        ++*count;
    }
    return text;
}

static uint64_t first_result;

static void test_end(rtw_instance_t *instance, int how, rtw_status_t expected, const char *what) {
    rtw_func_t *use = look_up(instance, "use", "(i32,i64)->(i64)");
    rtw_value_t values[2];
    uint64_t after[REGISTERS];
    unsigned count = 0, changed_rounds = 0;
    answer = expected == RTW_ERR_HOST ? RTW_ERR_HOST : RTW_OK;
    rtw_status_t status = RTW_OK;
    const char *changed = "";
    bool same = true;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < REGISTERS; i++) before[i] = UINT64_C(0x0123456789abcdef) * (uint64_t)(2 * (i + REGISTERS * round) + 1) >> 1;
        memset(after, 0, sizeof after);
        values[0].i32 = how, values[1].i64 = 12345;
        status = call_with_registers(rtw_invoke, use, values, 2, before, after);
        if (status == RTW_OK && first_result == 0) first_result = values[0].u64;
        same = same && (status != RTW_OK || values[0].u64 == first_result);
        changed = differing(after, &count);
        changed_rounds += count != 0;
        if (status != expected || count != 0) break;
        if (expected != RTW_OK) require(rtw_instance_reset(instance, NULL), NULL, "%s: reset", what);
    }
    check_status(status, expected, "%s", what);
    check(changed_rounds == 0, "%s: all %d registers are as before%s%s", what, REGISTERS, count ? ", but" : "", changed);
    check(same, "%s: and the guest computes the same", what);
    rtw_func_destroy(use);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_imports_t *imports;
    rtw_error_t err;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", visit, NULL, NULL, 0, &err), &err, "visit");
    guest_t guest = open_guest("registers", imports);
    rtw_instance_t *limited = new_instance(guest.module, imports, 1000000);

    test_end(guest.instance, 0, RTW_OK, "a result");
    unsigned used;
    const char *text = differing(inside, &used);
    check(used > REGISTERS / 2, "the guest and the library use %u of them:%s", used, text);
    test_end(guest.instance, 1, RTW_ERR_TRAP_UNREACHABLE, "a trap: unreachable");
    test_end(guest.instance, 2, RTW_ERR_TRAP_MEMORY, "a trap: outside of memory");
    test_end(guest.instance, 3, RTW_ERR_TRAP_DIVIDE_BY_ZERO, "a trap: division by zero");
    test_end(guest.instance, 4, RTW_ERR_TRAP_STACK, "a trap: the stack is used up");
    test_end(limited, 5, RTW_ERR_BUDGET, "a cut-off");
    test_end(guest.instance, 6, RTW_ERR_HOST, "an error of a host function");
    test_end(guest.instance, 0, RTW_OK, "a result again");

    uint64_t after[REGISTERS];
    (void)call_with_registers(changes_them, NULL, NULL, 0, before, after);
    (void)differing(after, &used);
    check(used == REGISTERS, "twin: a function that changes them is seen, in %u of %d", used, REGISTERS);
    rtw_instance_destroy(limited);
    close_guest(&guest);
    rtw_imports_destroy(imports);
    return check_summary();
}

#else

int main(void) {
    check(true, "skipped: nothing is known of this processor's registers");
    return check_summary();
}

#endif
