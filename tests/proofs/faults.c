/* The results of a failing call: its status, its place, an instance that says no, and a reset that makes it new. And what
 * surrounds calls: denormals, growth, the arena.
 *
 *   faults PROFILE FOLDER
 *   faults PROFILE FOLDER emit     writes FOLDER/place.wasm, the guest whose places are known */
#include "../support/float_mode.h"
#include "proof.h"
#include "place.h"
#include "section.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>


enum { MIN_NORMAL_BITS = 0x00800000 };

static bool plugin(void) { return profile == RTW_PROFILE_PLUGIN; }

static rtw_runtime_t *runtime;

/* ---- host functions */

static uint64_t host_calls;

static rtw_status_t counts_calls(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    (void)instance;
    (void)values;
    host_calls++;
    return RTW_OK;
}

/* The function that `visit` calls, or NULL. */
static rtw_func_t *visited;
static uint32_t visited_bits;

static rtw_status_t visits(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    (void)instance;
    host_calls++;
    if (values[0].i32 == -1)
        return RTW_ERR_ARGUMENT;
    if (!visited)
        return RTW_OK;
    rtw_value_t inner[2];
    memset(inner, 0, sizeof inner);
    memcpy(&inner[0].f32, &(uint32_t){MIN_NORMAL_BITS}, 4);
    inner[1].f32 = 0.5f;
    const rtw_status_t status = rtw_invoke(visited, inner, 2);
    visited_bits = inner[0].u32;
    return status;
}

static rtw_status_t answers(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    (void)instance;
    return values[0].i32;
}

static rtw_imports_t *all_imports(void)
{
    rtw_error_t err;
    rtw_imports_t *imports;
    OK(rtw_imports_create(&imports, &err), err);
    OK(rtw_imports_func(imports, "env", "started", "()->()", counts_calls, NULL, NULL, 0, &err), err);
    OK(rtw_imports_func(imports, "env", "host", "()->()", counts_calls, NULL, NULL, 0, &err), err);
    OK(rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", visits, NULL, NULL, 0, &err), err);
    OK(rtw_imports_func(imports, "env", "answer", "(i32)->()", answers, NULL, NULL, 0, &err), err);
    return imports;
}

static rtw_instance_t *new_guest(const char *guest, const rtw_instance_config_t *config)
{
    rtw_module_t *module = load(runtime, guest);
    rtw_imports_t *imports = all_imports();
    rtw_error_t err;
    rtw_instance_t *instance;
    OK(rtw_instance_create(module, imports, config, &instance, &err), err);
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
    return instance;
}

/* ---- places */

static void prove_places(void)
{
    rtw_error_t err;
    encode_places(NULL);
    rtw_instance_t *instance = new_guest("place", NULL);
    prepare_instance(instance);
    for (int i = 0; i < PLACES; i++) {
        const place_t *place = &places[i];
        rtw_fault_t fault;
        rtw_fault_init(&fault);
        const bool none_yet = rtw_instance_fault(instance, &fault, &err) == RTW_ERR_ARGUMENT;
        const rtw_status_t status = call_with(instance, place->name, 1, 0, NULL);
        OK(rtw_instance_fault(instance, &fault, &err), err);
        const int64_t function = FIRST_PLACE + i, offset = place->offset;
        const bool told = status == place->status && fault.status == status && fault.host_status == 0;
        const bool placed = fault.function_index == function && fault.wasm_offset == offset &&
                            strcmp(fault.function_name, place->name) == 0;
        char how[128];
        snprintf(how, sizeof how, "%s at byte %ld", rtw_status_name(place->status), place->offset);
        row("traps say what and where", how, 1, none_yet && told && placed, PLANTED_NONE, "%s: function %" PRId32 " \"%s\", offset %" PRId64 ", %s", place->name,
            fault.function_index, fault.function_name, fault.wasm_offset, rtw_status_name(fault.status));
        OK(rtw_instance_reset(instance, &err), err);
    }
    rtw_instance_destroy(instance);
}

static void prove_host_errors(void)
{
    rtw_error_t err;
    rtw_instance_t *instance = new_guest("work", NULL);
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    const rtw_status_t status = call_with(instance, "refuse", 1, 0, NULL);
    OK(rtw_instance_fault(instance, &fault, &err), err);
    row("traps say what and where", "a host function's answer", 1,
        status == RTW_ERR_HOST && fault.status == RTW_ERR_HOST && fault.host_status == -7, PLANTED_NONE, "%s, the host answered %d",
        rtw_status_name(fault.status), fault.host_status);
    rtw_instance_destroy(instance);
}

/* ---- the instance afterwards */

static void prove_faulted(void)
{
    rtw_instance_t *instance = new_guest("work", NULL);
    rtw_func_t *ask = look_up(instance, "ask", NULL), *stop = look_up(instance, "unreachable", NULL);
    prepare_instance(instance);
    rtw_value_t value = {.i32 = 1};
    host_calls = 0;
    NEED(rtw_invoke(ask, &value, 1) == RTW_OK, "the call before the fault failed");
    const bool entered = host_calls == 1;
    NEED(rtw_invoke(stop, &value, 1) == RTW_ERR_TRAP_UNREACHABLE, "the trap is none");
    const uint64_t calls = proof_faults();
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < calls; i++)
        wrong += rtw_invoke(ask, &value, 1) != RTW_ERR_FAULTED;
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    NEED(rtw_func_stats(ask, &stats) == RTW_OK, "no statistics");
    row("a faulted instance says so", "RTW_ERR_FAULTED, guest not entered", calls, wrong == 0 && host_calls == 1 && stats.call.count == 1, caught(entered),
        "%" PRIu64 " wrong answers, host called %" PRIu64 " times", wrong, host_calls);
    rtw_func_destroy(ask);
    rtw_func_destroy(stop);
    rtw_instance_destroy(instance);
}

static void prove_reset(void)
{
    rtw_error_t err;
    enum { NEW = 42000000 + 99000 + 50 + 1, CHANGED = 43000000 + 100000 + 700 + 60 + 2 };
    host_calls = 0;
    rtw_instance_t *instance = new_guest("anew", NULL);
    rtw_func_t *state = look_up(instance, "state", NULL), *change = look_up(instance, "change", NULL), *fail = look_up(instance, "fail", NULL);
    prepare_instance(instance);
    rtw_value_t value;
    uint64_t wrong = 0, faults = 0, rounds = 100;
    bool seen = true;
    for (uint64_t round = 0; round < rounds; round++) {
        findings_t findings;
        memset(&findings, 0, sizeof findings);
        value.i32 = 0;
        section_begin();
        const rtw_status_t first = rtw_invoke(state, &value, 1);
        section_end(&findings);
        faults += findings.minor_faults + findings.major_faults;
        wrong += first != RTW_OK || value.i32 != NEW || host_calls != round + 1;
        wrong += rtw_invoke(change, NULL, 0) != RTW_OK;
        seen = seen && rtw_invoke(state, &value, 1) == RTW_OK && value.i32 == CHANGED;
        wrong += rtw_invoke(fail, NULL, 0) != RTW_ERR_TRAP_UNREACHABLE || rtw_invoke(state, &value, 1) != RTW_ERR_FAULTED;
        OK(rtw_instance_reset(instance, &err), err);
        rtw_fault_t fault;
        rtw_fault_init(&fault);
        wrong += rtw_instance_fault(instance, &fault, &err) != RTW_ERR_ARGUMENT;
    }
    row("reset makes it new", "memory, globals, table, start function", rounds, wrong == 0, caught(seen), "%" PRIu64 " wrong", wrong);
    row("reset makes it new", "no page fault in the first call after", rounds, faults == 0, PLANTED_NONE, "%" PRIu64 " faults", faults);
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    NEED(rtw_func_stats(fail, &stats) == RTW_OK, "no statistics");
    row("reset makes it new", "funcs and their statistics stay", rounds, stats.call.count == rounds && stats.faults == rounds, PLANTED_NONE,
        "%" PRIu64 " calls, %" PRIu64 " faults counted", stats.call.count, stats.faults);
    rtw_func_destroy(state);
    rtw_func_destroy(change);
    rtw_func_destroy(fail);
    rtw_instance_destroy(instance);
}

/* A reset that writes the state back takes nothing of the system; one that has to make a new guest does, and is the twin. */
static void prove_written_back(void)
{
    rtw_error_t err;
    rtw_instance_t *instance = new_guest("back", NULL);
    rtw_func_t *stop = look_up(instance, "unreachable", NULL), *change = look_up(instance, "change", "(i32)->(i32)");
    prepare_instance(instance);
    findings_t findings, grown;
    memset(&findings, 0, sizeof findings);
    memset(&grown, 0, sizeof grown);
    const uint64_t rounds = 1000;
    uint64_t wrong = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        rtw_value_t value = {.i32 = 40};
        wrong += rtw_invoke(change, &value, 1) != RTW_OK || value.i32 != 42;
        wrong += rtw_invoke(stop, NULL, 0) != RTW_ERR_TRAP_UNREACHABLE;
        section_begin();
        const rtw_status_t status = rtw_instance_reset(instance, &err);
        section_end(&findings);
        wrong += status != RTW_OK;
    }
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_ALLOWED;
    rtw_instance_t *twin = new_guest("back", &config);
    prepare_instance(twin);
    NEED(call_with(twin, "grow", 1, 0, NULL) == RTW_OK, "the twin does not grow");
    section_begin();
    const rtw_status_t status = rtw_instance_reset(twin, &err);
    section_end(&grown);
    OK(status, err);
    row("reset makes it new", "written back: no allocation, no page fault", rounds,
        wrong == 0 && findings.allocations == 0 && findings.minor_faults == 0 && findings.major_faults == 0, caught(grown.allocations != 0),
        "%" PRIu64 " wrong, %" PRIu64 " allocations (%s), %" PRIu64 " faults; a guest that has grown: %" PRIu64 " allocations", wrong, findings.allocations,
        findings.first_allocation ? findings.first_allocation : "none", findings.minor_faults + findings.major_faults, grown.allocations);
    rtw_instance_destroy(twin);
    rtw_func_destroy(stop);
    rtw_func_destroy(change);
    rtw_instance_destroy(instance);
}

/* A guest without a state goes on after a fault, and its calls promise what others do. */
static void prove_stateless(void)
{
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.stateless = 1;
    rtw_instance_t *instance = new_guest("back", &config);
    rtw_func_t *stop = look_up(instance, "unreachable", NULL), *change = look_up(instance, "change", "(i32)->(i32)");
    prepare_instance(instance);
    findings_t findings;
    memset(&findings, 0, sizeof findings);
    const uint64_t rounds = proof_faults();
    uint64_t wrong = 0;
    section_begin();
    for (uint64_t round = 0; round < rounds; round++) {
        rtw_value_t value = {.i32 = 40};
        wrong += rtw_invoke(stop, NULL, 0) != RTW_ERR_TRAP_UNREACHABLE;
        wrong += rtw_invoke(change, &value, 1) != RTW_OK || value.i32 != 42;
    }
    section_end(&findings);
    rtw_value_t value = {.i32 = 0};
    NEED(rtw_invoke(change, &value, 1) == RTW_OK, "the last call failed");
    row("a guest without a state goes on", "traps, each with a call after it, no reset", rounds,
        wrong == 0 && findings.allocations == 0 && findings.locks == 0 && findings.minor_faults == 0 && findings.major_faults == 0,
        caught(value.i32 != 2), "%" PRIu64 " wrong, %" PRIu64 " allocations, %" PRIu64 " locks, %" PRIu64 " faults", wrong, findings.allocations,
        findings.locks, findings.minor_faults + findings.major_faults);
    rtw_func_destroy(stop);
    rtw_func_destroy(change);
    rtw_instance_destroy(instance);
}

/* ---- growth */

enum { START_PAGES = 1, MOST_PAGES = 16, WASM_PAGE = 65536 };

static bool grows(rtw_instance_t *instance, const char *function)
{
    int32_t result = -2;
    NEED(call_with(instance, function, 1, 0, &result) == RTW_OK, "%s failed", function);
    return result != -1;
}

/* The growth of a memory, page by page, in sections. */
typedef struct growing_t {
    uint32_t growth;
    uint64_t ahead_bytes;
    /* out */
    int32_t pages;
    findings_t findings;
} growing_t;

/* For a child: its system calls are watched, for which there is no end. */
static bool grow_watched(void *data)
{
    growing_t *growing = data;
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = growing->growth;
    config.growth_ahead_bytes = growing->ahead_bytes;
    runtime = make_runtime();
    attach_here(runtime);
    rtw_instance_t *instance = new_guest("work", &config);
    rtw_func_t *grow = look_up(instance, "grow_and_touch", NULL);
    prepare_instance(instance);
    watch_system_calls();
    section_begin();
    section_end(&growing->findings);
    memset(&growing->findings, 0, sizeof growing->findings);
    for (int i = 0; i < MOST_PAGES; i++) {
        rtw_value_t value = {.i32 = 1};
        section_begin();
        const rtw_status_t status = rtw_invoke(grow, &value, 1);
        section_end(&growing->findings);
        EXPECT(status == RTW_OK, "grow: %s", rtw_status_name(status));
    }
    rtw_error_t err;
    rtw_memory_view_t view;
    EXPECT(rtw_instance_memory(instance, NULL, &view, &err) == RTW_OK, "%s", err.message);
    growing->pages = (int32_t)(view.size_bytes / WASM_PAGE);
    return true;
}

static growing_t *grow_in_child(uint32_t growth, uint64_t ahead_bytes)
{
    growing_t *growing = mmap(NULL, sizeof *growing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(growing != MAP_FAILED, "mmap: %s", strerror(errno));
    growing->growth = growth;
    growing->ahead_bytes = ahead_bytes;
    NEED(in_child(grow_watched, growing), "growing: %s", remark());
    return growing;
}

static bool undisturbed(const growing_t *growing)
{
    return growing->findings.system_calls == 0 && growing->findings.minor_faults == 0 && growing->findings.major_faults == 0;
}

static void prove_growth(void)
{
    rtw_instance_t *instance = new_guest("work", NULL);
    const bool before = grows(instance, "grow") && grows(instance, "grow_table");
    prepare_instance(instance);
    const bool after = grows(instance, "grow") || grows(instance, "grow_table");
    rtw_instance_destroy(instance);

    const growing_t *refused = grow_in_child(RTW_GROWTH_REFUSED, 0), *allowed = grow_in_child(RTW_GROWTH_ALLOWED, 0);
    const bool seen = !undisturbed(allowed);
    row("no growth once prepared", "memory.grow and table.grow answer -1", MOST_PAGES + 2,
        !after && refused->pages == START_PAGES && undisturbed(refused), caught(before && seen), "%d pages", refused->pages);
    row("growth where it is allowed", "RTW_GROWTH_ALLOWED", MOST_PAGES, allowed->pages == MOST_PAGES, PLANTED_NONE, "%d pages, %" PRIu64 " system calls",
        allowed->pages, allowed->findings.system_calls);
    if (plugin()) {
        const growing_t *ahead = grow_in_child(RTW_GROWTH_AHEAD, 8 * WASM_PAGE);
        row("growth committed ahead", "no system call, no fault, refused beyond", MOST_PAGES, undisturbed(ahead) && ahead->pages == 8, caught(seen),
            "%d pages, %" PRIu64 " system calls, %" PRIu64 " faults", ahead->pages, ahead->findings.system_calls, ahead->findings.minor_faults);
    } else {
        rtw_error_t err;
        rtw_instance_config_t config;
        rtw_instance_config_init(&config);
        config.growth = RTW_GROWTH_AHEAD;
        config.growth_ahead_bytes = 8 * WASM_PAGE;
        rtw_module_t *module = load(runtime, "work");
        rtw_imports_t *imports = all_imports();
        const rtw_status_t status = rtw_instance_create(module, imports, &config, &instance, &err);
        row("growth committed ahead", "not in this profile: RTW_ERR_UNSUPPORTED", 1, status == RTW_ERR_UNSUPPORTED, PLANTED_NONE, "%s",
            err.message);
        rtw_imports_destroy(imports);
        rtw_module_destroy(module);
    }
}

/* ---- denormals */

/* Half of the smallest normal number inside the guest: 0 if denormals are flushed. */
static bool flushes(rtw_func_t *multiply)
{
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    memcpy(&values[0].f32, &(uint32_t){MIN_NORMAL_BITS}, 4);
    values[1].f32 = 0.5f;
    NEED(rtw_invoke(multiply, values, 2) == RTW_OK, "multiply failed");
    return values[0].u32 == 0;
}

static uint32_t flush_bits(void) { return read_float_mode() & FLUSH_BITS; }

/* The treatment of denormals by the host, the thread and the instance. */
typedef struct modes_t {
    bool host_flushes;
    uint32_t thread, instance;
} modes_t;

/* The outcome. */
typedef struct outcome_t {
    bool flushed, in_guest, after_call, after_trap, after_detach;
} outcome_t;

static outcome_t try_modes(modes_t modes)
{
    rtw_error_t err;
    outcome_t outcome;
    /* The host's treatment before it attaches. */
    write_float_mode((read_float_mode() & ~FLUSH_BITS) | (modes.host_flushes ? FLUSH_BITS : 0));
    rtw_thread_config_t config;
    rtw_thread_config_init(&config);
    config.denormals = modes.thread;
    OK(rtw_thread_attach(runtime, &config, &err), err);
    rtw_instance_config_t wanted, ieee;
    rtw_instance_config_init(&wanted);
    rtw_instance_config_init(&ieee);
    wanted.denormals = modes.instance;
    ieee.denormals = RTW_DENORMALS_IEEE;
    rtw_instance_t *instance = new_guest("work", &wanted), *other = new_guest("work", &ieee);
    rtw_func_t *multiply = look_up(instance, "multiply", NULL), *after = look_up(instance, "multiply_after", NULL);
    rtw_func_t *stop = look_up(instance, "unreachable", NULL);
    /* The host function calls a guest with a mode of its own, in between. */
    visited = look_up(other, "multiply", NULL);
    prepare_instance(instance);

    const bool on_thread = modes.thread == RTW_DENORMALS_KEEP ? modes.host_flushes : modes.thread == RTW_DENORMALS_FLUSH;
    const bool in_guest = modes.instance == RTW_DENORMALS_KEEP ? on_thread : modes.instance == RTW_DENORMALS_FLUSH;
    const uint32_t bits = on_thread ? FLUSH_BITS : 0;
    outcome.flushed = flushes(multiply);
    /* Compared as bits: where denormals count as zero they compare equal to it. */
    outcome.in_guest = outcome.flushed == in_guest && flushes(after) == in_guest && visited_bits != 0;
    outcome.after_call = flush_bits() == bits;
    rtw_value_t value = {.i32 = 0};
    NEED(rtw_invoke(stop, &value, 1) == RTW_ERR_TRAP_UNREACHABLE, "the trap is none");
    outcome.after_trap = flush_bits() == bits;
    rtw_func_destroy(multiply);
    rtw_func_destroy(after);
    rtw_func_destroy(stop);
    rtw_func_destroy(visited);
    visited = NULL;
    rtw_instance_destroy(instance);
    rtw_instance_destroy(other);
    OK(rtw_thread_detach(runtime, NULL), err);
    outcome.after_detach = flush_bits() == (modes.host_flushes ? FLUSH_BITS : 0);
    return outcome;
}

static void prove_denormals(void)
{
    static const char *const names[] = {"keep", "flush", "IEEE"};
    rtw_thread_detach(runtime, NULL);
    bool some_flushed = false, some_not = false, in_guest = true, restored = true;
    uint64_t tried = 0;
    char wrong[128] = "";
    for (uint32_t thread = RTW_DENORMALS_KEEP; thread <= RTW_DENORMALS_IEEE; thread++)
        for (uint32_t instance = RTW_DENORMALS_KEEP; instance <= RTW_DENORMALS_IEEE; instance++)
            for (int host = 0; host < 2; host++) {
                const outcome_t outcome = try_modes((modes_t){host != 0, thread, instance});
                const bool back = outcome.after_call && outcome.after_trap && outcome.after_detach;
                tried++;
                some_flushed |= outcome.flushed;
                some_not |= !outcome.flushed;
                in_guest &= outcome.in_guest;
                restored &= back;
                if (!outcome.in_guest || !back)
                    snprintf(wrong, sizeof wrong, "host %s, thread %s, instance %s", host ? "flushes" : "IEEE", names[thread], names[instance]);
            }
    row("denormals as asked", "half of the smallest normal number, 18 combinations", tried, in_guest, caught(some_flushed && some_not), "%s", wrong);
    row("denormals as before", "after a call, a trap, detach; 18 combinations", tried * 3, restored, PLANTED_NONE, "%s", wrong);
    write_float_mode(read_float_mode() & ~FLUSH_BITS);
    attach_here(runtime);
}

/* ---- the arena */

static const struct {
    const char *function;
    rtw_status_t status;
} failing[] = {
    {"unreachable", RTW_ERR_TRAP_UNREACHABLE}, {"outside", RTW_ERR_TRAP_MEMORY},       {"fill_outside", RTW_ERR_TRAP_MEMORY},
    {"divide", RTW_ERR_TRAP_DIVIDE_BY_ZERO},   {"call_null", RTW_ERR_TRAP_INDIRECT_CALL}, {"recurse", RTW_ERR_TRAP_STACK},
    {"refuse", RTW_ERR_HOST},
};

enum { LARGEST_ARENA = 4096 };

/* The sweep's message to its parent. */
typedef struct sweep_t {
    uint32_t step;         /* between arenas that are tried: with few faults not every size */
    uint32_t bytes;        /* being tried */
    uint32_t exhausted;    /* calls that answered RTW_ERR_ARENA */
    uint32_t enough;       /* the smallest arena from which on every status is the right one */
} sweep_t;

static bool sweep_arena(void *data)
{
    sweep_t *sweep = data;
    rtw_error_t err;
    /* The child does not have what its parent attached; it makes its own. */
    rtw_runtime_t *own = make_runtime();
    runtime = own;
    rtw_instance_t *instance = new_guest("work", NULL);
    const size_t kinds = sizeof failing / sizeof failing[0];
    rtw_func_t *funcs[sizeof failing / sizeof failing[0]];
    for (size_t i = 0; i < kinds; i++)
        funcs[i] = look_up(instance, failing[i].function, NULL);
    sweep->enough = 1;
    for (sweep->bytes = 1; sweep->bytes <= LARGEST_ARENA; sweep->bytes += sweep->step) {
        rtw_thread_config_t config;
        rtw_thread_config_init(&config);
        config.arena_bytes = sweep->bytes;
        const rtw_status_t attached = rtw_thread_attach(own, &config, &err);
        EXPECT(attached == RTW_OK, "attach with %u bytes: %s %s", sweep->bytes, rtw_status_name(attached), err.message);
        for (size_t i = 0; i < kinds; i++) {
            rtw_value_t value = {.i32 = 1};
            const rtw_status_t status = rtw_invoke(funcs[i], &value, 1);
            EXPECT(status == failing[i].status || status == RTW_ERR_ARENA, "%s with %u bytes: %s", failing[i].function, sweep->bytes,
                   rtw_status_name(status));
            if (status == RTW_ERR_ARENA) {
                sweep->exhausted++;
                sweep->enough = sweep->bytes + 1;
            }
            const rtw_status_t next = rtw_invoke(funcs[i], &value, 1);
            EXPECT(next == RTW_ERR_FAULTED, "%s with %u bytes, the next call: %s", failing[i].function, sweep->bytes, rtw_status_name(next));
            const rtw_status_t reset = rtw_instance_reset(instance, &err);
            EXPECT(reset == RTW_OK, "reset with %u bytes: %s", sweep->bytes, err.message);
        }
        rtw_thread_detach(own, NULL);
    }
    return true;
}

static void prove_arena(void)
{
    sweep_t *sweep = mmap(NULL, sizeof *sweep, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(sweep != MAP_FAILED, "mmap: %s", strerror(errno));
    const uint64_t wanted = LARGEST_ARENA * (sizeof failing / sizeof failing[0]) / proof_faults();
    sweep->step = wanted > 1 ? (uint32_t)wanted : 1;
    const bool survived = in_child(sweep_arena, sweep);
    char how[64];
    snprintf(how, sizeof how, "arena_bytes 1 to 4096 by %u, every kind of fault", sweep->step);
    row("an exhausted arena is a status", how, sweep->bytes ? sweep->bytes - 1 : 0, survived,
        caught(sweep->exhausted > 0), "%s%sRTW_ERR_ARENA %u times, enough from %u bytes; last tried %u", survived ? "" : remark(),
        survived ? "" : "; ", sweep->exhausted, sweep->enough, sweep->bytes);
}

int main(int argc, char **argv)
{
    begin_proof(argc, argv);
    if (strcmp(mode, "emit") == 0) {
        char path[4096];
        snprintf(path, sizeof path, "%s/place.wasm", artifacts);
        FILE *file = fopen(path, "wb");
        NEED(file, "%s: %s", path, strerror(errno));
        encode_places(file);
        NEED(fclose(file) == 0, "%s: %s", path, strerror(errno));
        return 0;
    }
    prove_arena();
    runtime = make_runtime();
    attach_here(runtime);
    prove_places();
    prove_host_errors();
    prove_faulted();
    prove_reset();
    prove_written_back();
    prove_stateless();
    prove_growth();
    prove_denormals();
    return check_summary();
}
