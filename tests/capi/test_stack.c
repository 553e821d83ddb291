/* Which threads may call which guests, and on which stacks: a guest never writes outside the stack that it was given. */
#include "../support/common.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    KIB = 1024,
    CANARY_BYTES = 1024 * KIB,
    GUEST_BYTES = 256 * KIB,             /* what guests may use unless the runtime says otherwise */
    NEEDED_BYTES = GUEST_BYTES + 32 * KIB /* and what has to be left beside it */
};

static rtw_error_t err;

static void on_thread(void *(*body)(void *), void *data, size_t stack_bytes) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (stack_bytes != 0) pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, body, data) == 0)
        pthread_join(thread, NULL);
    else
        check(false, "a thread with %zu bytes of stack", stack_bytes);
    pthread_attr_destroy(&attributes);
}

/* ---- stacks of the host's own, with its data below ---- */

typedef struct other_stack_t {
    unsigned char *data; /* CANARY_BYTES, then the stack */
    size_t bytes;        /* of the stack */
    ucontext_t here, there;
    void (*body)(void *);
    void *body_data;
} other_stack_t;

static other_stack_t make_stack(size_t bytes) {
    other_stack_t made;
    memset(&made, 0, sizeof made);
    made.bytes = bytes;
    made.data = mmap(NULL, CANARY_BYTES + bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made.data == MAP_FAILED) abort();
    memset(made.data, 0xc5, CANARY_BYTES);
    return made;
}

static size_t overwritten(const other_stack_t *stack) {
    size_t count = 0;
    for (size_t i = 0; i < CANARY_BYTES; i++) count += stack->data[i] != 0xc5;
    return count;
}

static void end_stack(other_stack_t *stack) { munmap(stack->data, CANARY_BYTES + stack->bytes); }

static void trampoline(unsigned high, unsigned low) {
    other_stack_t *stack = (other_stack_t *)(((uintptr_t)high << 32) | low); /* NOLINT */
    stack->body(stack->body_data);
}

/* Runs `body` there, and comes back. */
static void run_there(other_stack_t *stack, void (*body)(void *), void *data) {
    stack->body = body;
    stack->body_data = data;
    getcontext(&stack->there);
    stack->there.uc_stack.ss_sp = stack->data + CANARY_BYTES;
    stack->there.uc_stack.ss_size = stack->bytes;
    stack->there.uc_link = &stack->here;
    uintptr_t address = (uintptr_t)stack;
    makecontext(&stack->there, (void (*)(void))trampoline, 2, (unsigned)(address >> 32), (unsigned)address);
    swapcontext(&stack->here, &stack->there);
}

/* ---- the guest ---- */

typedef struct stacked_t {
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_imports_t *imports;
    rtw_instance_t *instance;
    rtw_func_t *add, *recurse, *deep, *inside;
    void (*in_host)(void *); /* what the host function does */
    void *in_host_data;
} stacked_t;

static rtw_status_t host_inside(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    stacked_t *guest = user_data;
    (void)instance, (void)values;
    if (guest->in_host != NULL) guest->in_host(guest->in_host_data);
    return RTW_OK;
}

static rtw_runtime_t *runtime_with(uint32_t attach_on_call) {
    rtw_runtime_config_t config = runtime_config();
    config.attach_on_call = attach_on_call;
    rtw_runtime_t *runtime = NULL;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "a runtime");
    return runtime;
}

static stacked_t *open_in(rtw_runtime_t *runtime) {
    stacked_t *guest = calloc(1, sizeof *guest);
    guest->runtime = runtime;
    guest->module = load(runtime, "stack");
    require(rtw_imports_create(&guest->imports, &err), &err, "imports");
    require(rtw_imports_func(guest->imports, "env", "inside", "()->()", host_inside, guest, NULL, 0, &err), &err, "inside");
    require(rtw_instance_create(guest->module, guest->imports, NULL, &guest->instance, &err), &err, "an instance");
    guest->add = look_up(guest->instance, "add", NULL);
    guest->recurse = look_up(guest->instance, "recurse", NULL);
    guest->deep = look_up(guest->instance, "deep", NULL);
    guest->inside = look_up(guest->instance, "inside", NULL);
    return guest;
}

static stacked_t *open_stacked(void) { return open_in(runtime_with(0)); }

static void close_all(stacked_t *guest) {
    rtw_func_destroy(guest->add), rtw_func_destroy(guest->recurse), rtw_func_destroy(guest->deep), rtw_func_destroy(guest->inside);
    rtw_instance_destroy(guest->instance);
    rtw_imports_destroy(guest->imports);
    rtw_module_destroy(guest->module);
    rtw_runtime_destroy(guest->runtime);
    free(guest);
}

/* The status of a call; of `add`, with its result. */
static rtw_status_t add(const stacked_t *guest) {
    rtw_value_t values[2] = {{.i32 = 40}, {.i32 = 2}};
    rtw_status_t status = rtw_invoke(guest->add, values, 2);
    return status == RTW_OK && values[0].i32 != 42 ? RTW_ERR_INTERNAL : status;
}

static rtw_status_t recurse(const stacked_t *guest) {
    rtw_value_t value = {.i32 = 0};
    return rtw_invoke(guest->recurse, &value, 1);
}

static rtw_status_t deep(const stacked_t *guest, int32_t levels) {
    rtw_value_t value = {.i32 = levels};
    return rtw_invoke(guest->deep, &value, 1);
}

/* A call that is made elsewhere, and its answer. */
typedef struct errand_t {
    stacked_t *guest;
    rtw_status_t add, recurse, budget, attach;
} errand_t;

static void do_errand(void *data) {
    errand_t *errand = data;
    rtw_value_t values[2] = {{.i32 = 0}, {.i32 = 0}};
    errand->budget = rtw_invoke_budget(errand->guest->add, values, 2, 0);
    errand->recurse = recurse(errand->guest);
    errand->add = add(errand->guest);
}

static void attach_there(void *data) {
    errand_t *errand = data;
    errand->attach = rtw_thread_attach(errand->guest->runtime, NULL, &err);
}

/* ---- stacks that nobody has declared ---- */

#if defined(__GNUC__)
__attribute__((noinline))
#endif
static void use_stack(void *data) {
    volatile unsigned char bytes[128 * KIB];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)i;
    *(unsigned char *)data = bytes[sizeof bytes / 2];
}

static void *undeclared(void *data) {
    stacked_t *guest = data;
    other_stack_t stack = make_stack(64 * KIB);
    errand_t errand = {guest, 1, 1, 1, 1};
    run_there(&stack, attach_there, &errand);
    check_status(errand.attach, RTW_ERR_STACK_SIZE, "a coroutine's stack: attaching there");
    check_error(&err, RTW_ERR_STACK_SIZE, "not on its own stack", "a coroutine's stack: the message says why");
    check(overwritten(&stack) == 0, "a coroutine's stack: attaching there overwrites nothing");
    check(rtw_thread_is_attached(guest->runtime) == 0, "a coroutine's stack: the thread is not attached");
    run_there(&stack, do_errand, &errand);
    check_status(errand.recurse, RTW_ERR_NOT_ATTACHED, "a coroutine's stack: a call before the thread is attached");
    require(rtw_thread_attach(guest->runtime, NULL, &err), &err, "attach");
    check(rtw_thread_is_attached(guest->runtime) == 1, "a coroutine's stack: attached on its own stack");
    for (int round = 0; round < 2; round++) { /* before the instance knows the thread, and after */
        run_there(&stack, do_errand, &errand);
        check_status(errand.recurse, RTW_ERR_STACK_SIZE, "a coroutine's stack: endless recursion, round %d", round);
        check_status(errand.add, RTW_ERR_STACK_SIZE, "a coroutine's stack: any other call");
        check_status(errand.budget, RTW_ERR_STACK_SIZE, "a coroutine's stack: with a budget of its own");
        check(overwritten(&stack) == 0, "a coroutine's stack: %zu of the host's bytes below it were overwritten", overwritten(&stack));
        check_status(add(guest), RTW_OK, "a coroutine's stack: on the thread's own the instance goes on");
    }
    rtw_error_t reset_error;
    check_status(rtw_instance_reset(guest->instance, &reset_error), RTW_OK, "a coroutine's stack: a reset on the thread's own");
    unsigned char byte = 0;
    run_there(&stack, use_stack, &byte);
    check(overwritten(&stack) > 32 * KIB, "a coroutine's stack: what is planted is found, %zu bytes", overwritten(&stack));
    end_stack(&stack);
    check_status(rtw_thread_detach(guest->runtime, NULL), RTW_OK, "a coroutine's stack: detached");
    return NULL;
}

/* ---- stacks that are declared ---- */

static void attach_with(stacked_t *guest, const rtw_stack_t *stacks, uint32_t count, rtw_status_t expected, const char *part, const char *what) {
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.stacks = stacks;
    config.stack_count = count;
    check_status(rtw_thread_attach(guest->runtime, &config, &err), expected, "stacks: %s", what);
    check_error(&err, expected, part, "stacks: %s: the message says \"%s\"", what, part);
    check(rtw_thread_is_attached(guest->runtime) == (expected == RTW_OK), "stacks: %s: attached or not", what);
}

static rtw_stack_t declare(const other_stack_t *stack) { return (rtw_stack_t){stack->data + CANARY_BYTES, stack->bytes}; }

static void go_deep(void *data) {
    errand_t *errand = data;
    /* As deep as there is stack, a host function and the engine's own code at the bottom. */
    int32_t levels = 64;
    while ((errand->add = deep(errand->guest, levels)) == RTW_OK) levels += levels / 8;
    errand->recurse = rtw_instance_reset(errand->guest->instance, NULL);
}

static void recurse_only(void *data) {
    errand_t *errand = data;
    errand->recurse = recurse(errand->guest);
}

static void *declared(void *data) {
    stacked_t *guest = data;
    /* The second is as small as it may be: what is around the call has some KiB. */
    other_stack_t stacks[3] = {make_stack(512 * KIB), make_stack(NEEDED_BYTES + 4 * KIB), make_stack(400 * KIB)};
    rtw_stack_t list[3];
    for (int i = 0; i < 3; i++) list[i] = declare(&stacks[i]);
    attach_with(guest, list, 2, RTW_OK, "", "two of them");
    memset(list, 0, sizeof list); /* copied */
    errand_t errand = {guest, 1, 1, 1, 1};
    for (int i = 0; i < 2; i++) {
        for (int round = 0; round < 2; round++) {
            run_there(&stacks[i], recurse_only, &errand);
            check_status(errand.recurse, RTW_ERR_TRAP_STACK, "stacks: endless recursion on the one with %zu KiB", stacks[i].bytes / KIB);
            check(overwritten(&stacks[i]) == 0, "stacks: %zu bytes below it were overwritten", overwritten(&stacks[i]));
            require(rtw_instance_reset(guest->instance, &err), &err, "a reset");
        }
        run_there(&stacks[i], go_deep, &errand);
        check_status(errand.add, RTW_ERR_TRAP_STACK, "stacks: deeper and deeper on the one with %zu KiB", stacks[i].bytes / KIB);
        check_status(errand.recurse, i == 0 ? RTW_OK : errand.recurse, "stacks: a reset there");
        check(overwritten(&stacks[i]) == 0, "stacks: %zu bytes below it were overwritten", overwritten(&stacks[i]));
        require(rtw_instance_reset(guest->instance, &err), &err, "a reset");
    }
    run_there(&stacks[2], do_errand, &errand);
    check_status(errand.recurse, RTW_ERR_STACK_SIZE, "stacks: a third one was not declared");
    bool all = true;
    for (int i = 0; i < 1000; i++) {
        run_there(&stacks[i % 2], do_errand, &errand);
        require(rtw_instance_reset(guest->instance, NULL), NULL, "a reset");
        all = all && errand.budget == RTW_OK && errand.recurse == RTW_ERR_TRAP_STACK && add(guest) == RTW_OK;
    }
    check(all, "stacks: a thousand calls on two of them and on the thread's own in turn");
    check_status(rtw_thread_detach(guest->runtime, NULL), RTW_OK, "stacks: detached");
    run_there(&stacks[0], do_errand, &errand);
    check_status(errand.add, RTW_ERR_NOT_ATTACHED, "stacks: declared no more");

    for (int i = 0; i < 3; i++) list[i] = declare(&stacks[i]);
    attach_with(guest, NULL, 1, RTW_ERR_NULL, "stacks is NULL", "NULL");
    attach_with(guest, list, RTW_STACKS + 1, RTW_ERR_ARGUMENT, "stack_count", "too many");
    list[1].bytes = NEEDED_BYTES - 1;
    attach_with(guest, list, 3, RTW_ERR_STACK_SIZE, "stacks[1] is too small", "one that is too small");
    list[1] = (rtw_stack_t){stacks[0].data + CANARY_BYTES + 128 * KIB, NEEDED_BYTES};
    attach_with(guest, list, 3, RTW_ERR_ARGUMENT, "overlaps another one", "one in another");
    list[1] = (rtw_stack_t){NULL, NEEDED_BYTES};
    attach_with(guest, list, 3, RTW_ERR_NULL, "stacks[1]", "one at NULL");
    list[1] = (rtw_stack_t){stacks[1].data, UINT64_MAX};
    attach_with(guest, list, 3, RTW_ERR_ARGUMENT, "stacks[1]", "one beyond the address space");
    list[1] = (rtw_stack_t){(unsigned char *)&stacks - 4096, NEEDED_BYTES};
    attach_with(guest, list, 3, RTW_ERR_ARGUMENT, "own stack", "one in the thread's own");
    list[1] = declare(&stacks[1]);
    mprotect(stacks[1].data + CANARY_BYTES, 4096, PROT_NONE);
    attach_with(guest, list, 3, RTW_ERR_ARGUMENT, "guard page", "one with its guard page");
    mprotect(stacks[1].data + CANARY_BYTES, 4096, PROT_READ | PROT_WRITE);
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.on_cancel = RTW_CANCEL_IGNORE + 1;
    check_status(rtw_thread_attach(guest->runtime, &config, &err), RTW_ERR_ARGUMENT, "on_cancel is none of its values");
    check_error(&err, RTW_ERR_ARGUMENT, "on_cancel", "and the message names it");

    /* As many as there may be, all within one mapping. */
    size_t each = (NEEDED_BYTES + 8 * KIB + 4095) / 4096 * 4096;
    unsigned char *region = mmap(NULL, RTW_STACKS * each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    rtw_stack_t *many = calloc(RTW_STACKS, sizeof *many);
    for (uint32_t i = 0; i < RTW_STACKS; i++) many[i] = (rtw_stack_t){region + (RTW_STACKS - 1 - i) * each, each};
    attach_with(guest, many, RTW_STACKS, RTW_OK, "", "a thousand of them");
    all = true;
    for (uint32_t i = 0; i < RTW_STACKS; i += 31) {
        other_stack_t one = {.data = (unsigned char *)many[i].base - CANARY_BYTES, .bytes = each};
        run_there(&one, do_errand, &errand);
        require(rtw_instance_reset(guest->instance, NULL), NULL, "a reset");
        all = all && errand.budget == RTW_OK && errand.recurse == RTW_ERR_TRAP_STACK;
    }
    check(all, "stacks: each of a thousand is found");
    check_status(rtw_thread_detach(guest->runtime, NULL), RTW_OK, "stacks: all of them go");
    free(many);
    munmap(region, RTW_STACKS * each);
    for (int i = 0; i < 3; i++) end_stack(&stacks[i]);
    return NULL;
}

/* ---- small threads, and deep ones ---- */

static void *small_thread(void *data) {
    stacked_t *guest = data;
    pthread_attr_t attributes;
    size_t bytes = 0;
    void *base;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &base, &bytes);
    pthread_attr_destroy(&attributes);
    bool fits = bytes > 400 * KIB;
    unsigned kib = (unsigned)(bytes / KIB);
    check_status(rtw_thread_attach(guest->runtime, NULL, &err), fits ? RTW_OK : RTW_ERR_STACK_SIZE, "a thread of %u KiB: attach", kib);
    errand_t errand = {guest, 1, 1, 1, 1};
    do_errand(&errand);
    check_status(errand.recurse, fits ? RTW_ERR_TRAP_STACK : RTW_ERR_NOT_ATTACHED, "a thread of %u KiB: endless recursion", kib);
    check_status(errand.add, fits ? RTW_ERR_FAULTED : RTW_ERR_NOT_ATTACHED, "a thread of %u KiB: the next call", kib);
    require(rtw_instance_reset(guest->instance, &err), &err, "a reset, which runs nothing of the guest's");

    /* [setup] functions that run guests. */
    rtw_status_t room = fits ? RTW_OK : RTW_ERR_STACK_SIZE;
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    rtw_dry_call_t dry = {guest->add, values, 2, 8, 0};
    rtw_prepare_config_t prepare;
    rtw_prepare_config_init(&prepare);
    check_status(rtw_instance_prepare(guest->instance, &prepare, NULL, &err), RTW_OK, "a thread of %u KiB: prepare without dry calls", kib);
    prepare.dry_calls = &dry;
    prepare.dry_call_count = 1;
    check_status(rtw_instance_prepare(guest->instance, &prepare, NULL, &err), room, "a thread of %u KiB: prepare with dry calls", kib);
    if (!fits) check_error(&err, room, "KiB of stack left", "a thread of %u KiB: the message says why", kib);
    rtw_module_t *starting = load(guest->runtime, "start_recurses");
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(starting, NULL, NULL, &instance, &err), fits ? RTW_ERR_TRAP_STACK : RTW_ERR_STACK_SIZE,
                 "a thread of %u KiB: a start function", kib);
    rtw_module_destroy(starting);
    const rtw_wanted_func_t func = {"add", NULL, 0};
    const rtw_dry_call_t slot_dry = {NULL, values, 2, 4, 0};
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.funcs = &func, config.func_count = 1;
    config.dry_calls = &slot_dry, config.dry_call_count = 1;
    rtw_slot_t *slot = NULL;
    require(rtw_slot_create(guest->runtime, &config, &slot, &err), &err, "a slot");
    check_status(rtw_slot_publish(slot, guest->instance, NULL, &err), room, "a thread of %u KiB: publish", kib);
    rtw_slot_destroy(slot);
    if (fits) check_status(rtw_thread_detach(guest->runtime, NULL), RTW_OK, "a thread of %u KiB: detach", kib);
    check_status(add(guest), RTW_ERR_NOT_ATTACHED, "a thread of %u KiB: detached, then a call", kib);
    return NULL;
}

/* A reset runs the start function anew, on the thread that asks for it. */
typedef struct starting_t {
    guest_t guest;
    int starts;
} starting_t;

static rtw_status_t init_counts(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance;
    starting_t *starting = user_data;
    values[0].i32 = 100 + ++starting->starts;
    return RTW_OK;
}

static void *small_reset(void *data) {
    starting_t *starting = data;
    rtw_value_t value = {.i32 = 55};
    require(rtw_instance_global_set(starting->guest.instance, "seen", &value, &err), &err, "a global of the guest's");
    check_status(rtw_instance_reset(starting->guest.instance, &err), RTW_ERR_STACK_SIZE, "a reset with a start function on a thread of 128 KiB");
    check_error(&err, RTW_ERR_STACK_SIZE, "KiB of stack left", "a reset on a small thread: the message says why");
    check(starting->starts == 1, "a reset on a small thread: the start function did not run");
    check_status(rtw_instance_global_get(starting->guest.instance, "seen", &value, &err), RTW_OK, "a reset on a small thread: the guest is there");
    check(value.i32 == 55, "a reset on a small thread: it is the one that was there, %d", value.i32);
    return NULL;
}

static void test_small_reset(void) {
    starting_t starting;
    memset(&starting, 0, sizeof starting);
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_func(imports, "env", "init", "()->(i32)", init_counts, &starting, NULL, 0, &err), &err, "init");
    starting.guest = open_unattached("start_ok", imports);
    rtw_imports_destroy(imports);
    on_thread(small_reset, &starting, 128 * KIB);
    check_status(rtw_instance_reset(starting.guest.instance, &err), RTW_OK, "a reset with a start function on a thread that is large enough");
    rtw_value_t value = {.i32 = 0};
    (void)rtw_instance_global_get(starting.guest.instance, "seen", &value, NULL);
    check(starting.starts == 2 && value.i32 == 102, "and there it runs: %d", value.i32);
    close_guest(&starting.guest);
}

static rtw_status_t call_below(stacked_t *guest, size_t bytes, rtw_status_t (*how)(const stacked_t *)) {
    volatile unsigned char frame[4 * KIB];
    frame[0] = (unsigned char)bytes;
    rtw_status_t status = bytes > sizeof frame ? call_below(guest, bytes - sizeof frame, how) : how(guest);
    frame[1] = frame[0];
    return status;
}

static void *deep_host(void *data) {
    stacked_t *guest = data;
    require(rtw_thread_attach(guest->runtime, NULL, &err), &err, "attach");
    check_status(call_below(guest, 64 * KIB, add), RTW_OK, "a host in its stack: 64 KiB deep");
    check_status(call_below(guest, 64 * KIB, recurse), RTW_ERR_TRAP_STACK, "a host in its stack: endless recursion there");
    require(rtw_instance_reset(guest->instance, &err), &err, "a reset");
    check_status(call_below(guest, 300 * KIB, add), RTW_ERR_STACK_SIZE, "a host in its stack: 300 of 512 KiB deep");
    check_status(call_below(guest, 300 * KIB, recurse), RTW_ERR_STACK_SIZE, "a host in its stack: endless recursion there");
    check_status(add(guest), RTW_OK, "a host in its stack: further up the instance goes on");
    (void)rtw_thread_detach(guest->runtime, NULL);
    return NULL;
}

/* ---- signal handlers ---- */

static errand_t *handlers_errand;

static void handler(int number) {
    (void)number;
    handlers_errand->add = add(handlers_errand->guest);
}

static void *from_handlers(void *data) {
    stacked_t *guest = data;
    errand_t errand = {guest, 1, 1, 1, 1};
    handlers_errand = &errand;
    stack_t own = {.ss_sp = malloc(512 * KIB), .ss_size = 512 * KIB, .ss_flags = 0};
    sigaltstack(&own, NULL);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    check_status(errand.add, RTW_ERR_NOT_ATTACHED, "a signal handler: before the thread is attached");
    require(rtw_thread_attach(guest->runtime, NULL, &err), &err, "attach");
    raise(SIGUSR1);
    check_status(errand.add, RTW_OK, "a signal handler: on the thread's own stack");
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    check_status(errand.add, RTW_ERR_STACK_SIZE, "a signal handler: on the alternate stack");
    check_status(add(guest), RTW_OK, "a signal handler: outside of it the instance goes on");
    (void)rtw_thread_detach(guest->runtime, NULL);
    if (profile == RTW_PROFILE_PLUGIN) { /* where the host's alternate stack stays in force */
        rtw_stack_t stack = {own.ss_sp, own.ss_size};
        attach_with(guest, &stack, 1, RTW_OK, "", "the alternate stack");
        raise(SIGUSR1);
        check_status(errand.add, RTW_OK, "a signal handler: on an alternate stack that is declared");
        (void)rtw_thread_detach(guest->runtime, NULL);
    }
    signal(SIGUSR1, SIG_DFL);
    own.ss_flags = SS_DISABLE;
    sigaltstack(&own, NULL);
    free(own.ss_sp);
    return NULL;
}

/* ---- calls from host functions ---- */

typedef struct nested_t {
    stacked_t *guest;
    other_stack_t *stack; /* NULL: on the guest's own */
    errand_t errand;
} nested_t;

static void call_nested(void *data) {
    nested_t *nested = data;
    nested->errand.guest = nested->guest;
    if (nested->stack != NULL)
        run_there(nested->stack, do_errand, &nested->errand);
    else
        nested->errand.add = add(nested->guest);
}

static void *from_host_functions(void *data) {
    stacked_t *guest = data;
    other_stack_t declared_one = make_stack(1024 * KIB), undeclared_one = make_stack(1024 * KIB);
    rtw_stack_t list = declare(&declared_one);
    attach_with(guest, &list, 1, RTW_OK, "", "one of two");
    nested_t nested = {guest, NULL, {guest, 1, 1, 1, 1}};
    guest->in_host = call_nested;
    guest->in_host_data = &nested;
    check_status(rtw_invoke(guest->inside, NULL, 0), RTW_OK, "a host function: the call that calls it");
    check_status(nested.errand.add, RTW_OK, "a host function: calls on the same stack");
    other_stack_t *stacks[] = {&declared_one, &undeclared_one};
    for (int i = 0; i < 2; i++) {
        nested.stack = stacks[i];
        check_status(rtw_invoke(guest->inside, NULL, 0), RTW_OK, "a host function: the call that calls it");
        check_status(nested.errand.add, RTW_ERR_STACK_SIZE, "a host function: calls on another stack, %s", i == 0 ? "declared" : "undeclared");
        check_status(nested.errand.recurse, RTW_ERR_STACK_SIZE, "a host function: endless recursion on another stack");
        check(overwritten(stacks[i]) == 0, "a host function: %zu bytes below it were overwritten", overwritten(stacks[i]));
    }
    /* The other way round: begun on a declared stack, called back on the thread's own. */
    nested.stack = NULL;
    run_there(&declared_one, do_errand, &nested.errand);
    check_status(nested.errand.recurse, RTW_ERR_TRAP_STACK, "a host function: a call on the declared stack");
    require(rtw_instance_reset(guest->instance, &err), &err, "a reset");
    /* Another instance on the other stack is a call of its own. */
    stacked_t *other = calloc(1, sizeof *other);
    *other = *guest;
    require(rtw_instance_create(guest->module, guest->imports, NULL, &other->instance, &err), &err, "another instance");
    other->add = look_up(other->instance, "add", NULL), other->recurse = look_up(other->instance, "recurse", NULL);
    nested.guest = other;
    for (int i = 0; i < 2; i++) {
        nested.stack = stacks[i];
        check_status(rtw_invoke(guest->inside, NULL, 0), RTW_OK, "a host function: the call that calls it");
        check_status(nested.errand.recurse, i == 0 ? RTW_ERR_TRAP_STACK : RTW_ERR_STACK_SIZE, "a host function: another instance, %s",
                     i == 0 ? "declared" : "undeclared");
        check(overwritten(stacks[i]) == 0, "a host function: %zu bytes below it were overwritten", overwritten(stacks[i]));
        require(rtw_instance_reset(other->instance, &err), &err, "a reset");
    }
    rtw_func_destroy(other->add), rtw_func_destroy(other->recurse);
    rtw_instance_destroy(other->instance);
    free(other);
    guest->in_host = NULL;
    (void)rtw_thread_detach(guest->runtime, NULL);
    end_stack(&declared_one), end_stack(&undeclared_one);
    return NULL;
}

/* Calls that do not end in the order opposite to that in which they began, which stacks make possible. */
typedef struct crossed_t {
    stacked_t *first, *second;
    other_stack_t stack;
    rtw_status_t first_answer;
} crossed_t;

static void leave(void *data) { /* to the thread's own stack, with the first call open */
    other_stack_t *stack = data;
    swapcontext(&stack->there, &stack->here);
}

static void come_back(void *data) { /* and back, with the second one open */
    other_stack_t *stack = data;
    swapcontext(&stack->here, &stack->there);
}

static void begin_first(void *data) {
    crossed_t *crossed = data;
    crossed->first_answer = rtw_invoke(crossed->first->inside, NULL, 0);
}

static void *cross(void *data) {
    (void)data;
    rtw_runtime_t *runtime = make_runtime();
    crossed_t crossed = {open_in(runtime), open_in(runtime), make_stack(512 * KIB), 1};
    rtw_stack_t list = declare(&crossed.stack);
    attach_with(crossed.first, &list, 1, RTW_OK, "", "one for calls that cross");
    crossed.first->in_host = leave, crossed.first->in_host_data = &crossed.stack;
    crossed.second->in_host = come_back, crossed.second->in_host_data = &crossed.stack;
    run_there(&crossed.stack, begin_first, &crossed);
    check_status(rtw_invoke(crossed.second->inside, NULL, 0), RTW_ERR_INTERNAL, "calls that cross: the later one");
    check_status(crossed.first_answer, RTW_ERR_INTERNAL, "calls that cross: the earlier one");
    check_status(add(crossed.first), RTW_ERR_POISONED, "calls that cross: its instance");
    check_status(add(crossed.second), RTW_ERR_POISONED, "calls that cross: the other instance");
    return NULL;
}

static void crossing(void *data) { on_thread(cross, data, 0); }

/* ---- instances that move, threads that end ---- */

typedef struct mover_t {
    stacked_t *guest;
    sem_t *wait, *post;
    bool attached, all;
} mover_t;

static void *move(void *data) {
    mover_t *mover = data;
    rtw_error_t ignored;
    if (mover->attached && rtw_thread_attach(mover->guest->runtime, NULL, &ignored) != RTW_OK) mover->all = false;
    for (int i = 0; i < 1000; i++) {
        sem_wait(mover->wait);
        for (int j = 0; j <= i % 3; j++) mover->all = mover->all && add(mover->guest) == (mover->attached ? RTW_OK : RTW_ERR_NOT_ATTACHED);
        sem_post(mover->post);
    }
    return NULL; /* without detaching */
}

static void test_moving(stacked_t *guest) {
    sem_t turns[3];
    mover_t movers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) sem_init(&turns[i], 0, i == 0);
    for (int i = 0; i < 3; i++) {
        movers[i] = (mover_t){guest, &turns[i], &turns[(i + 1) % 3], i != 1, true};
        pthread_create(&threads[i], NULL, move, &movers[i]);
    }
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    check(movers[0].all && movers[2].all, "an instance that moves between two attached threads: a thousand turns");
    check(movers[1].all, "a thread in between that is not attached is let in never");
    check_status(add(guest), RTW_ERR_NOT_ATTACHED, "nor is this one");
}

typedef struct reuse_t {
    stacked_t *guest;
    pthread_t id;
    bool attach;
    rtw_status_t status;
} reuse_t;

static void *reuse(void *data) {
    reuse_t *one = data;
    rtw_error_t ignored;
    one->id = pthread_self();
    if (one->attach && rtw_thread_attach(one->guest->runtime, NULL, &ignored) != RTW_OK) return NULL;
    one->status = add(one->guest);
    return NULL;
}

static void test_reuse(stacked_t *guest) {
    int same = 0;
    bool right = true;
    for (int i = 0; i < 200; i++) {
        reuse_t first = {guest, pthread_self(), true, 1}, second = {guest, pthread_self(), false, 1};
        on_thread(reuse, &first, 0);
        on_thread(reuse, &second, 0);
        same += pthread_equal(first.id, second.id) != 0;
        right = right && first.status == RTW_OK && second.status == RTW_ERR_NOT_ATTACHED;
    }
    check(same > 0, "threads in the place of others that ended without detaching: %d of 200", same);
    check(right, "are not taken for them");
}

static void *another_runtime(void *data) {
    stacked_t *guest = data, *other = open_stacked();
    require(rtw_thread_attach(other->runtime, NULL, &err), &err, "attach to the other");
    check_status(add(guest), RTW_ERR_NOT_ATTACHED, "attached to another runtime only");
    check_status(add(other), RTW_OK, "which lets its own in");
    check(rtw_thread_is_attached(guest->runtime) == 0 && rtw_thread_is_attached(other->runtime) == 1 && rtw_thread_is_attached(NULL) == 0 &&
              rtw_thread_is_attached((const rtw_runtime_t *)(const void *)other->instance) == 0,
          "is_attached knows which");
    bool right = true;
    for (int i = 0; i < 100; i++) { /* what was issued for one comes to be used for the other */
        stacked_t *in = i % 2 ? guest : other, *out = i % 2 ? other : guest;
        (void)rtw_thread_detach(out->runtime, NULL);
        right = right && (i == 0 || rtw_thread_attach(in->runtime, NULL, NULL) == RTW_OK) && add(in) == RTW_OK && add(out) == RTW_ERR_NOT_ATTACHED;
    }
    check(right, "a hundred times attached to one and detached from the other");
    (void)rtw_thread_detach(guest->runtime, NULL);
    close_all(other);
    return NULL;
}

/* A thread of a forked child, which may lie where one of the parent's does. */
static void *in_child(void *data) {
    stacked_t *guest = data;
    check(rtw_thread_is_attached(guest->runtime) == 0, "a forked child: its new thread is not attached");
    check_status(add(guest), RTW_ERR_FORKED, "a forked child: the instance is the parent's");
    stacked_t *own = open_stacked();
    check_status(add(own), RTW_ERR_NOT_ATTACHED, "a forked child: a runtime of its own");
    check_status(rtw_thread_attach(own->runtime, NULL, &err), RTW_OK, "a forked child: attached");
    check_status(recurse(own), RTW_ERR_TRAP_STACK, "a forked child: endless recursion");
    close_all(own);
    return NULL;
}

static void forked(void *data) { on_thread(in_child, data, 0); }

typedef struct waiting_t {
    stacked_t *guest;
    sem_t ready, go;
} waiting_t;

static void *attached_and_waiting(void *data) {
    waiting_t *waiting = data;
    require(rtw_thread_attach(waiting->guest->runtime, NULL, NULL), NULL, "attach");
    (void)add(waiting->guest);
    sem_post(&waiting->ready);
    sem_wait(&waiting->go);
    return NULL;
}

static void test_fork(stacked_t *guest) {
    waiting_t waiting = {.guest = guest};
    sem_init(&waiting.ready, 0, 0);
    sem_init(&waiting.go, 0, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, attached_and_waiting, &waiting);
    sem_wait(&waiting.ready);
    check_in_child("a forked child", forked, guest);
    sem_post(&waiting.go);
    pthread_join(thread, NULL);
}

/* ---- [setup] functions on threads that are not attached ---- */

static rtw_status_t carry(void *user_data, rtw_instance_t *from, rtw_instance_t *to) {
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    rtw_status_t one = call(from, "add", values, 2), other = call(to, "add", values, 2);
    *(int *)user_data += 1;
    return one != RTW_OK ? one : other;
}

typedef struct publisher_t {
    stacked_t *guest;
    rtw_slot_t *slot;
    int carried;
} publisher_t;

static void *publisher(void *data) {
    publisher_t *publishing = data;
    stacked_t *guest = publishing->guest;
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(guest->module, guest->imports, NULL, &instance, &err), &err, "an instance");
    check_status(rtw_slot_publish(publishing->slot, instance, NULL, &err), RTW_OK, "publish on a thread that is not attached");
    check_error(&err, RTW_OK, "", "publish: no message");
    rtw_instance_destroy(instance);
    check(rtw_thread_is_attached(guest->runtime) == 0, "publish: it leaves the thread as it was");
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    rtw_dry_call_t dry = {guest->add, values, 2, 8, 0};
    rtw_prepare_config_t prepare;
    rtw_prepare_config_init(&prepare);
    prepare.dry_calls = &dry, prepare.dry_call_count = 1;
    check_status(rtw_instance_prepare(guest->instance, &prepare, NULL, &err), RTW_OK, "prepare on a thread that is not attached");
    check_status(add(guest), RTW_ERR_NOT_ATTACHED, "prepare: a call afterwards");
    rtw_block_t block;
    check_status(rtw_slot_begin(publishing->slot, &block), RTW_ERR_NOT_ATTACHED, "a slot: a block on a thread that is not attached");
    check_status(rtw_slot_invoke(publishing->slot, 0, values, 2, NULL), RTW_ERR_NOT_ATTACHED, "a slot: a call");
    return NULL;
}

static void begin_there(void *data) {
    publisher_t *publishing = data;
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    rtw_block_t block;
    check_status(rtw_slot_begin(publishing->slot, &block), RTW_ERR_STACK_SIZE, "a slot: a block on a coroutine's stack");
    check_status(rtw_slot_invoke(publishing->slot, 0, values, 2, NULL), RTW_ERR_STACK_SIZE, "a slot: a call there");
}

static void invoke_there(void *data) {
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    check_status(rtw_invoke(*(rtw_func_t *const *)data, values, 2), RTW_ERR_STACK_SIZE, "a slot: a call of the block's on a coroutine's stack");
}

static void *slots(void *data) {
    stacked_t *guest = data;
    publisher_t publishing = {guest, NULL, 0};
    const rtw_wanted_func_t func = {"add", NULL, 0};
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    const rtw_dry_call_t dry = {NULL, values, 2, 4, 0};
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.funcs = &func, config.func_count = 1;
    config.dry_calls = &dry, config.dry_call_count = 1;
    config.state = RTW_STATE_HOST, config.on_state = carry, config.user_data = &publishing.carried;
    config.standby = 1;
    require(rtw_slot_create(guest->runtime, &config, &publishing.slot, &err), &err, "a slot");
    require(rtw_thread_attach(guest->runtime, NULL, &err), &err, "attach");
    on_thread(publisher, &publishing, 0);
    check_status(rtw_slot_invoke(publishing.slot, 0, values, 2, NULL), RTW_OK, "a slot: a call on the attached thread");
    on_thread(publisher, &publishing, 0);
    check(publishing.carried == 1, "a slot: the state was carried over");
    check_status(rtw_slot_invoke(publishing.slot, 0, values, 2, NULL), RTW_OK, "a slot: the next call");
    other_stack_t stack = make_stack(512 * KIB);
    run_there(&stack, begin_there, &publishing);
    rtw_block_t block;
    check_status(rtw_slot_begin(publishing.slot, &block), RTW_OK, "a slot: a block");
    run_there(&stack, invoke_there, (void *)(uintptr_t)&block.funcs[0]);
    check_status(rtw_slot_end(publishing.slot), RTW_OK, "a slot: its end");
    wait_for_spares(publishing.slot, 1);
    const rtw_slot_stats_t stats = stats_of_slot(publishing.slot);
    check(stats.blocks == 3 && stats.taken == 2, "a slot: what was refused is no block, and a spare was made");
    end_stack(&stack);
    rtw_slot_destroy(publishing.slot);
    (void)rtw_thread_detach(guest->runtime, NULL);
    return NULL;
}

typedef struct stepping_t {
    stacked_t *own, *foreign;
    rtw_status_t own_status, foreign_status;
    int attached;
} stepping_t;

static rtw_status_t step(void *user_data, const rtw_tick_t *tick) {
    stepping_t *stepping = user_data;
    (void)tick;
    stepping->own_status = add(stepping->own);
    stepping->foreign_status = add(stepping->foreign);
    stepping->attached = rtw_thread_is_attached(stepping->own->runtime);
    return RTW_STEP_STOP;
}

static void test_worker(stacked_t *guest) {
    stacked_t *foreign = open_stacked();
    stepping_t stepping = {guest, foreign, 1, 1, 0};
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.period_ns = 1000000;
    config.step = step;
    config.user_data = &stepping;
    rtw_worker_t *worker = NULL;
    require(rtw_worker_create(guest->runtime, &config, &worker, &err), &err, "a worker");
    require(rtw_worker_start(worker, &err), &err, "which runs");
    require(rtw_worker_join(worker, RTW_FOREVER), NULL, "until it stops");
    check(stepping.attached == 1, "a worker's thread is attached");
    check_status(stepping.own_status, RTW_OK, "a worker's step: a call");
    check_status(stepping.foreign_status, RTW_ERR_NOT_ATTACHED, "a worker's step: a guest of another runtime");
    rtw_worker_destroy(worker);
    close_all(foreign);
}

/* ---- threads that are attached by their first call ---- */

static rtw_runtime_stats_t stats_of(rtw_runtime_t *runtime) {
    rtw_runtime_stats_t stats;
    rtw_runtime_stats_init(&stats);
    require(rtw_runtime_stats(runtime, &stats), NULL, "the runtime's statistics");
    return stats;
}

typedef struct pool_t {
    stacked_t *guest;
    bool right;
} pool_t;

static void *of_pool(void *data) {
    pool_t *one = data;
    int policy = sched_getscheduler(0);
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    bool was = rtw_thread_is_attached(one->guest->runtime) != 0;
    one->right = !was && add(one->guest) == RTW_OK && rtw_thread_is_attached(one->guest->runtime) == 1;
    for (int i = 0; i < 100; i++) one->right = one->right && add(one->guest) == RTW_OK;
    one->right = one->right && recurse(one->guest) == RTW_ERR_TRAP_STACK;
    sched_getaffinity(0, sizeof after, &after);
    one->right = one->right && sched_getscheduler(0) == policy && CPU_EQUAL(&before, &after);
    return NULL;
}

static void *late_on_small(void *data) {
    check_status(add(data), RTW_ERR_STACK_SIZE, "attach_on_call: a thread that is too small");
    check(rtw_thread_is_attached(((stacked_t *)data)->runtime) == 0, "attach_on_call: it is not attached");
    return NULL;
}

static void *late_on_coroutine(void *data) {
    stacked_t *guest = data;
    other_stack_t stack = make_stack(512 * KIB);
    errand_t errand = {guest, 1, 1, 1, 1};
    run_there(&stack, do_errand, &errand);
    check_status(errand.recurse, RTW_ERR_STACK_SIZE, "attach_on_call: on a coroutine's stack");
    check(overwritten(&stack) == 0, "attach_on_call: nothing below it is overwritten");
    check_status(add(guest), RTW_OK, "attach_on_call: on the thread's own");
    run_there(&stack, do_errand, &errand);
    check_status(errand.recurse, RTW_ERR_STACK_SIZE, "attach_on_call: on the coroutine's again");
    check_status(rtw_thread_detach(guest->runtime, NULL), RTW_OK, "attach_on_call: what a call attached can be detached");
    check_status(add(guest), RTW_OK, "attach_on_call: and the next call attaches anew");
    end_stack(&stack);
    return NULL;
}

static void *late_in_slot(void *data) {
    rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
    check_status(rtw_slot_invoke(data, 0, values, 2, NULL), RTW_OK, "attach_on_call: by a slot's call");
    return NULL;
}

/* One thread, runtimes that come and go. */
static void *late_and_gone(void *data) {
    (void)data;
    bool all = true;
    for (int i = 0; i < 50; i++) {
        stacked_t *guest = open_in(runtime_with(1));
        all = all && add(guest) == RTW_OK && stats_of(guest->runtime).late_attaches == 1;
        close_all(guest);
    }
    check(all, "attach_on_call: fifty runtimes that come and go");
    return NULL;
}

static void test_late(void) {
    rtw_runtime_config_t config = runtime_config();
    config.attach_on_call = 1;
    config.cpu_set[0] = 1; /* for those who attach by themselves */
    rtw_runtime_t *runtime = NULL;
    require(rtw_runtime_create(&config, &runtime, &err), &err, "a runtime");
    enum { THREADS = 6 };
    pool_t pool[THREADS];
    pthread_t threads[THREADS];
    stacked_t *guest = open_in(runtime);
    for (int i = 0; i < THREADS; i++) {
        pool[i].guest = calloc(1, sizeof *guest);
        *pool[i].guest = *guest;
        require(rtw_instance_create(guest->module, guest->imports, NULL, &pool[i].guest->instance, &err), &err, "an instance");
        pool[i].guest->add = look_up(pool[i].guest->instance, "add", NULL);
        pool[i].guest->recurse = look_up(pool[i].guest->instance, "recurse", NULL);
    }
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, of_pool, &pool[i]);
    bool right = true;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        right = right && pool[i].right;
        rtw_func_destroy(pool[i].guest->add), rtw_func_destroy(pool[i].guest->recurse);
        rtw_instance_destroy(pool[i].guest->instance);
        free(pool[i].guest);
    }
    check(right, "attach_on_call: a pool's threads call, and keep their scheduling and affinity");
    rtw_runtime_stats_t stats = stats_of(runtime);
    check(stats.late_attaches == THREADS && stats.attached_threads == 0, "attach_on_call: each was attached once (%llu), and is gone (%llu)",
          (unsigned long long)stats.late_attaches, (unsigned long long)stats.attached_threads);
    on_thread(late_on_small, guest, 128 * KIB);
    check(stats_of(runtime).late_attaches == THREADS, "attach_on_call: what was refused is not counted");
    on_thread(late_on_coroutine, guest, 0);
    check(stats_of(runtime).late_attaches == THREADS + 2, "attach_on_call: what was attached twice is counted twice");
    const rtw_wanted_func_t func = {"add", NULL, 0};
    rtw_slot_config_t slot_config;
    rtw_slot_config_init(&slot_config);
    slot_config.funcs = &func, slot_config.func_count = 1;
    rtw_slot_t *slot = NULL;
    require(rtw_slot_create(runtime, &slot_config, &slot, &err), &err, "a slot");
    require(rtw_slot_publish(slot, guest->instance, NULL, &err), &err, "publish");
    on_thread(late_in_slot, slot, 0);
    rtw_slot_destroy(slot);
    close_all(guest);
    on_thread(late_and_gone, NULL, 0);
    config.attach_on_call = 2;
    check_status(rtw_runtime_create(&config, &runtime, &err), RTW_ERR_ARGUMENT, "attach_on_call: 2");
    check_error(&err, RTW_ERR_ARGUMENT, "attach_on_call is 2", "attach_on_call: the message says so");
    check_status(rtw_runtime_stats(NULL, &stats), RTW_ERR_NULL, "statistics of no runtime");
    rtw_runtime_stats_init(NULL);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    stacked_t *guest = open_stacked();
    on_thread(undeclared, guest, 0);
    on_thread(declared, guest, 0);
    const size_t sizes[] = {64, 128, 192, 256, 512};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) on_thread(small_thread, guest, sizes[i] * KIB);
    test_small_reset();
    on_thread(deep_host, guest, 512 * KIB);
    on_thread(from_handlers, guest, 0);
    on_thread(from_host_functions, guest, 0);
    check_in_child("calls that cross", crossing, NULL);
    test_moving(guest);
    test_reuse(guest);
    on_thread(another_runtime, guest, 0);
    test_fork(guest);
    on_thread(slots, guest, 0);
    test_worker(guest);
    check(stats_of(guest->runtime).attached_threads == 0, "no thread is attached any more: %llu",
          (unsigned long long)stats_of(guest->runtime).attached_threads);
    close_all(guest);
    test_late();
    return check_summary();
}
