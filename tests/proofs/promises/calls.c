#include "calls.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { FLOATS = 16, OTHER_STACK = 512 << 10 };

static rtw_instance_t *instance;
static rtw_func_t *empty, *add, *scale, *scale4, *bulk, *asking, *grow, *grow_table;
/* A stack that the thread has declared: a call on it, and the one after it, has the thread looked up. */
static char *other_stack;

/* ---- set-up */

bool attach_with_stack(rtw_runtime_t *runtime, bool real_time)
{
    rtw_error_t err;
    other_stack = mmap(NULL, OTHER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(other_stack != MAP_FAILED, "mmap: %s", strerror(errno));
    const rtw_stack_t stack = {other_stack, OTHER_STACK};
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.stacks = &stack;
    config.stack_count = 1;
    if (real_time) {
        config.sched_policy = RTW_SCHED_FIFO;
        config.priority = 10;
    }
    const rtw_status_t status = rtw_thread_attach(runtime, &config, &err);
    if (status == RTW_ERR_PERMISSION && real_time)
        return attach_with_stack(runtime, false) && false;
    OK(status, err);
    return real_time;
}

rtw_func_t *set_up_calls(rtw_module_t *module, host_t *host, rtw_prepare_report_t *report)
{
    instance = instance_of(module, host, 0);
    empty = look_up(instance, "empty", NULL);
    add = look_up(instance, "add", NULL);
    scale = look_up(instance, "scale", NULL);
    scale4 = look_up(instance, "scale4", NULL);
    bulk = look_up(instance, "bulk", NULL);
    asking = look_up(instance, "ask", NULL);
    grow = look_up(instance, "grow", NULL);
    grow_table = look_up(instance, "grow_table", NULL);
    rtw_func_t *called[] = {empty, add, scale, scale4, bulk, asking, grow, grow_table, host->inner};
    enum { CALLED = sizeof called / sizeof called[0] };
    rtw_value_t zeros[2] = {{.i32 = 0}, {.i32 = 0}};
    rtw_dry_call_t dry[CALLED];
    memset(dry, 0, sizeof dry);
    for (size_t i = 0; i < CALLED; i++) {
        dry[i].func = called[i];
        dry[i].values = zeros;
        dry[i].value_count = 2;
        dry[i].repeats = 64;
    }
    rtw_error_t err;
    rtw_prepare_config_t config;
    rtw_prepare_config_init(&config);
    config.dry_calls = dry;
    config.dry_call_count = CALLED;
    OK(rtw_instance_prepare(instance, &config, report, &err), err);
    return asking;
}

/* ---- the calls */

static void add_there(void *data)
{
    findings_t *findings = data;
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    expect(findings, guarded_call(rtw_invoke, add, values, 2, &findings->changed) == RTW_OK && values[0].i32 == 42);
}

/* Without the system calls that swapcontext makes. */
static void on_other_stack(void (*body)(void *), void *data)
{
    char *top = other_stack + OTHER_STACK;
#if defined(__x86_64__)
    __asm__ volatile("mov %%rsp, %%rbx\n\tmov %[top], %%rsp\n\tcall *%[body]\n\tmov %%rbx, %%rsp"
                     : "+D"(data)
                     : [top] "r"(top), [body] "r"(body)
                     : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
#else
    register void *argument __asm__("x0") = data;
    __asm__ volatile("mov x19, sp\n\tmov sp, %[top]\n\tblr %[body]\n\tmov sp, x19"
                     : "+r"(argument)
                     : [top] "r"(top), [body] "r"(body)
                     : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18",
                       "x19", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
                       "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc",
                       "memory");
#endif
}

/* Calls of all sorts, one after the other. */
static void plain_calls(findings_t *findings, uint64_t calls)
{
    rtw_value_t values[2];
    for (uint64_t i = 0; i < calls; i += 9) {
        on_other_stack(add_there, findings);
        const int32_t number = (int32_t)(i & 0xffff);
        expect(findings, guarded_call(rtw_invoke, empty, NULL, 0, &findings->changed) == RTW_OK);
        for (int twice = 0; twice < 2; twice++) {
            values[0].i32 = number;
            values[1].i32 = 3;
            expect(findings, guarded_call(rtw_invoke, add, values, 2, &findings->changed) == RTW_OK && values[0].i32 == number + 3);
        }
        values[0].i32 = FLOATS;
        expect(findings, guarded_call(rtw_invoke, scale, values, 1, &findings->changed) == RTW_OK);
        values[0].i32 = FLOATS;
        expect(findings, guarded_call(rtw_invoke, scale4, values, 1, &findings->changed) == RTW_OK);
        values[0].i32 = number;
        values[1].i32 = 4;
        expect(findings, guarded_call(rtw_invoke, bulk, values, 2, &findings->changed) == RTW_OK && values[0].i32 == number + 4);
        values[0].i32 = 1;
        expect(findings, guarded_call(rtw_invoke, grow, values, 1, &findings->changed) == RTW_OK && values[0].i32 == -1);
        values[0].i32 = 1;
        expect(findings, guarded_call(rtw_invoke, grow_table, values, 1, &findings->changed) == RTW_OK && values[0].i32 == -1);
    }
}

void host_call(rtw_func_t *ask, findings_t *findings, uint64_t i)
{
    rtw_value_t value = {.i32 = (int32_t)(i & 0xffff)};
    expect(findings, guarded_call(rtw_invoke, ask, &value, 1, &findings->changed) == RTW_OK && value.i32 == (int32_t)(i & 0xffff) + 1);
}

static rtw_status_t look(rtw_func_t *func, rtw_value_t *values, size_t offset)
{
    (void)func;
    (void)values;
    float *at = rtw_instance_memory_at(instance, offset, 8);
    if (!at)
        return RTW_ERR_BOUNDS;
    at[1] = at[0];
    return RTW_OK;
}

static void memory_access(findings_t *findings, uint64_t calls)
{
    for (uint64_t i = 0; i < calls; i++)
        expect(findings, guarded_call(look, NULL, NULL, (i * 8) & 0xffff, &findings->changed) == RTW_OK);
}

void good_calls(findings_t *findings, uint64_t calls)
{
    section_begin();
    plain_calls(findings, calls);
    for (uint64_t i = 0; i < calls; i++)
        host_call(asking, findings, i);
    memory_access(findings, calls);
    section_end(findings);
}

findings_t plant_in_call(host_t *host, violation_t violation)
{
    findings_t findings;
    memset(&findings, 0, sizeof findings);
    host->violation = violation;
    section_begin();
    host_call(asking, &findings, 0);
    section_end(&findings);
    host->violation = NONE;
    return findings;
}
