/* Files in the place of a guest's memory: two processes and a guest see one buffer, also after resets, in spares and after growth; and
 * what is refused. */
#include "../support/common.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WASM_PAGE = 65536, AT = WASM_PAGE, BYTES = WASM_PAGE };

static rtw_error_t err;

static int make_file(uint64_t bytes, int seals) {
    const int file = memfd_create("buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 || ftruncate(file, (off_t)bytes) != 0 || (seals != 0 && fcntl(file, F_ADD_SEALS, seals) != 0)) check(false, "a memfd");
    return file;
}

static volatile int32_t *see(int file, uint64_t bytes) {
    void *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    check(mapped != MAP_FAILED, "the host maps the file, too");
    return mapped;
}

static void store(rtw_instance_t *instance, int32_t address, int32_t number) {
    rtw_value_t values[2];
    memset(values, 0, sizeof values);
    values[0].i32 = address, values[1].i32 = number;
    check_status(call(instance, "store", values, 2), RTW_OK, "the guest writes");
}
static int32_t load_i32(rtw_instance_t *instance, int32_t address) { return call_i32(instance, "load", address, 0); }

static rtw_status_t map(rtw_instance_t *instance, uint64_t offset, uint64_t length, int file) {
    return rtw_instance_map(instance, NULL, offset, length, file, 0, 0, &err);
}

static void test_shared(rtw_module_t *module) {
    rtw_instance_t *instance = new_instance(module, NULL, 0);
    const int file = make_file(2 * BYTES, F_SEAL_SHRINK);
    volatile int32_t *host = see(file, 2 * BYTES);
    check(load_i32(instance, AT) == 0x44332211, "the guest's own bytes");
    store(instance, AT - 4, 1234);
    host[0] = 5;
    const uint64_t held = rtw_instance_held_bytes(instance);
    check_status(map(instance, AT, BYTES, file), RTW_OK, "map");
    check(rtw_instance_held_bytes(instance) == held, "the pages count as the guest's, as before");
    close(file);
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "prepare");
    for (int round = 0; round < 3; round++) {
        check(load_i32(instance, AT) == 5 + round, "the guest sees the file's bytes");
        check(load_i32(instance, AT + BYTES) == 0 && load_i32(instance, AT - 4) == (round == 0 ? 1234 : 0), "and its own beside them");
        store(instance, AT + BYTES - 4, 70 + round);
        check(host[BYTES / 4 - 1] == 70 + round && host[BYTES / 4] == 0, "the host sees the guest's");
        int32_t *const in_guest = rtw_instance_memory_at(instance, AT, 4);
        check(in_guest != NULL && *in_guest == 5 + round, "also through the guest's memory");
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            /* Another process: sees what both wrote, and answers. */
            const bool sees = host[0] == 5 + round && host[BYTES / 4 - 1] == 70 + round;
            host[0] = 6 + round;
            _exit(sees ? 0 : 1);
        }
        int status = -1;
        check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "another process sees both");
        check(load_i32(instance, AT) == 6 + round, "and the guest sees its answer");
        check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    }
    check(host[0] == 8, "no reset has written to the buffer");
    rtw_instance_destroy(instance);
    check(host[0] == 8, "nor has the instance's end");
    munmap((void *)(uintptr_t)host, 2 * BYTES);
}

/* Pages that the host has added, another memory, a place within the file, two guests with one buffer. */
static void test_places(rtw_module_t *module) {
    rtw_instance_t *one = new_instance(module, NULL, 0), *two = new_instance(module, NULL, 0);
    const int file = make_file(3 * BYTES, F_SEAL_SHRINK | F_SEAL_GROW);
    volatile int32_t *host = see(file, 3 * BYTES);
    uint64_t before = 0;
    check_status(map(one, 3 * WASM_PAGE, BYTES, file), RTW_ERR_BOUNDS, "beyond the memory");
    check_error(&err, RTW_ERR_BOUNDS, "the memory has only 196608 bytes", "and says why");
    check_status(rtw_instance_memory_grow(one, NULL, 2, &before, &err), RTW_OK, "the host adds pages");
    check_status(rtw_instance_map(one, "memory", before * WASM_PAGE, BYTES, file, BYTES, 0, &err), RTW_OK, "and maps the file's second part there");
    check_status(rtw_instance_map(one, "memory", 4096, 4096, file, 0, 0, &err), RTW_OK, "and a page of the first");
    check_status(rtw_instance_map(one, "other", 0, BYTES, file, 0, 0, &err), RTW_OK, "another memory");
    check_status(rtw_instance_map(two, NULL, 0, 3 * BYTES, file, 0, 0, &err), RTW_OK, "another guest has all of it");
    const int32_t there = (int32_t)before * WASM_PAGE;
    for (int round = 0; round < 2; round++) {
        store(one, there, 100 + round);
        check(host[BYTES / 4] == 100 + round && load_i32(two, BYTES) == 100 + round, "one guest writes, another reads");
        store(two, 8, 200 + round);
        check(load_i32(one, 4096 + 8) == 200 + round && call_i32(one, "load_other", 8, 0) == 200 + round, "and back, in both places");
        check(call_i32(one, "grow", 1, 0) == 5, "the guest grows beyond them");
        store(one, 5 * WASM_PAGE, 7);
        check(load_i32(one, there) == 100 + round && load_i32(one, 5 * WASM_PAGE) == 7, "and has both");
        check_status(rtw_instance_reset(one, &err), RTW_OK, "a reset");
        check(load_i32(one, there) == 100 + round, "grows the new guest's memory for them");
        rtw_memory_view_t view;
        check(rtw_instance_memory(one, NULL, &view, &err) == RTW_OK && view.size_bytes == 4 * WASM_PAGE, "no further than that");
        check_status(rtw_instance_memory_grow(one, NULL, 1, NULL, &err), RTW_OK, "the rest is the host's to add again");
    }
    rtw_instance_destroy(one), rtw_instance_destroy(two);
    munmap((void *)(uintptr_t)host, 3 * BYTES);
    close(file);
}

static void test_refusals(rtw_module_t *module) {
    rtw_instance_t *instance = new_instance(module, NULL, 0);
    const int sealed = make_file(BYTES, F_SEAL_SHRINK), unsealed = make_file(BYTES, 0), growing = make_file(BYTES, F_SEAL_GROW);
    const int fixed = make_file(BYTES, F_SEAL_SHRINK | F_SEAL_WRITE), small = make_file(4096, F_SEAL_SHRINK);
    const int zero = open("/dev/zero", O_RDWR | O_CLOEXEC), folder = open("/tmp", O_RDONLY | O_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", sealed);
    const int readable = open(path, O_RDONLY | O_CLOEXEC);
    int pipes[2] = {-1, -1};
    if (pipe(pipes) != 0) check(false, "a pipe");
    char name[] = "/tmp/rtwasm-map-XXXXXX";
    const int plain = mkstemp(name);
    if (plain < 0 || unlink(name) != 0 || ftruncate(plain, BYTES) != 0) check(false, "a file");
    store(instance, AT + 8, 99);
    const struct {
        uint64_t offset, length, file_offset;
        int file;
        uint32_t flags;
        rtw_status_t status;
        const char *text;
    } wrong[] = {
        {AT, BYTES, 0, unsealed, 0, RTW_ERR_UNSUPPORTED, "F_SEAL_SHRINK"},
        {AT, BYTES, 0, growing, 0, RTW_ERR_UNSUPPORTED, "F_SEAL_SHRINK"},
        {AT, BYTES, 0, plain, 0, RTW_ERR_UNSUPPORTED, "RTW_MAP_VOUCHED"},
        {AT, BYTES, 0, zero, RTW_MAP_VOUCHED, RTW_ERR_UNSUPPORTED, "a device"},
        {AT, BYTES, 0, pipes[0], RTW_MAP_VOUCHED, RTW_ERR_UNSUPPORTED, "a pipe"},
        {AT, BYTES, 0, folder, RTW_MAP_VOUCHED, RTW_ERR_UNSUPPORTED, "a directory"},
        {AT, BYTES, 0, readable, 0, RTW_ERR_PERMISSION, "reading and writing"},
        {AT, BYTES, 0, fixed, 0, RTW_ERR_PERMISSION, "reading and writing"},
        {AT, BYTES, 0, -1, 0, RTW_ERR_IO, "descriptor"},
        {AT, BYTES, 0, 9999, 0, RTW_ERR_IO, "descriptor"},
        {AT, BYTES, 0, small, 0, RTW_ERR_BOUNDS, "the file has only 4096 bytes"},
        {AT, BYTES, 4096, sealed, 0, RTW_ERR_BOUNDS, "the file has only 65536 bytes"},
        {AT, BYTES, UINT64_MAX - 4095, sealed, 0, RTW_ERR_BOUNDS, "the file has only"},
        {3 * WASM_PAGE - 4096, 2 * 4096, 0, sealed, 0, RTW_ERR_BOUNDS, "the memory has only"},
        {UINT64_MAX - 4095, 4096, 0, sealed, 0, RTW_ERR_BOUNDS, "the memory has only"},
        {AT + 8, BYTES, 0, sealed, 0, RTW_ERR_ARGUMENT, "multiples of the page size"},
        {AT, 100, 0, sealed, 0, RTW_ERR_ARGUMENT, "multiples of the page size"},
        {AT, 4096, 1, sealed, 0, RTW_ERR_ARGUMENT, "multiples of the page size"},
        {AT, 0, 0, sealed, 0, RTW_ERR_ARGUMENT, "at least one page"},
        {AT, BYTES, 0, sealed, 2, RTW_ERR_ARGUMENT, "flags"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        check_status(rtw_instance_map(instance, NULL, wrong[i].offset, wrong[i].length, wrong[i].file, wrong[i].file_offset, wrong[i].flags, &err),
                     wrong[i].status, "refused, %d", (int)i);
        check_error(&err, wrong[i].status, wrong[i].text, "and says why, %d", (int)i);
    }
    check_status(rtw_instance_map(instance, "nothing", AT, BYTES, sealed, 0, 0, &err), RTW_ERR_NO_EXPORT, "no such memory");
    check_status(rtw_instance_map(instance, "load", AT, BYTES, sealed, 0, 0, &err), RTW_ERR_EXPORT_KIND, "no memory");
    check_status(rtw_instance_map(NULL, NULL, AT, BYTES, sealed, 0, 0, &err), RTW_ERR_NULL, "no instance");
    check(load_i32(instance, AT) == 0x44332211 && load_i32(instance, AT + 8) == 99, "the memory is as it was");
    check_status(rtw_instance_map(instance, NULL, AT, 4096, plain, 4096, RTW_MAP_VOUCHED, &err), RTW_OK, "a file that the host vouches for");
    store(instance, AT, 31);
    int32_t written = 0;
    check(pread(plain, &written, 4, 4096) == 4 && written == 31, "has the guest's bytes");
    check_status(map(instance, AT, BYTES, sealed), RTW_ERR_ARGUMENT, "what is mapped is not mapped again");
    check_error(&err, RTW_ERR_ARGUMENT, "mapped already", "and says why");
    check_status(rtw_instance_map(instance, "memory", AT - 4096, 2 * 4096, sealed, 0, 0, &err), RTW_ERR_ARGUMENT, "nor in part");
    check_status(map(instance, AT + 4096, 4096, sealed), RTW_OK, "but beside it");
    check_status(map(instance, AT - 4096, 4096, sealed), RTW_OK, "on both sides");
    check(load_i32(instance, AT) == 31, "and it is still there");
    const int files[] = {sealed, unsealed, growing, fixed, small, zero, folder, readable, pipes[0], pipes[1], plain};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) close(files[i]);
    rtw_instance_destroy(instance);
}

static int open_descriptors(void) {
    int count = 0;
    for (int i = 0; i < 256; i++) count += fcntl(i, F_GETFD) != -1;
    return count;
}

/* Behind a slot: spares have the buffer, and none of it stays behind. */
static void test_slot(rtw_runtime_t *runtime, rtw_module_t *module, int *descriptors) {
    rtw_instance_t *instance = new_instance(module, NULL, 0);
    *descriptors = open_descriptors();
    const int file = make_file(BYTES, F_SEAL_SHRINK);
    volatile int32_t *host = see(file, BYTES);
    check_status(map(instance, 0, BYTES, file), RTW_OK, "map");
    close(file);
    check(open_descriptors() == *descriptors + 1, "the library keeps a descriptor");
    rtw_slot_config_t config;
    rtw_slot_config_init(&config);
    config.standby = 2;
    rtw_slot_t *slot = new_slot(runtime, "load", "(i32)->(i32)", &config);
    check_status(rtw_slot_publish(slot, instance, NULL, &err), RTW_OK, "publish");
    rtw_instance_destroy(instance);
    for (int round = 0; round < 4; round++) {
        rtw_block_t block;
        rtw_value_t value;
        memset(&value, 0, sizeof value);
        wait_for_spares(slot, 2);
        host[3] = 1000 + round;
        check_status(rtw_slot_begin(slot, &block), RTW_OK, "a block");
        value.i32 = 12;
        check(rtw_invoke(block.funcs[0], &value, 1) == RTW_OK && value.i32 == 1000 + round, "an instance or spare sees the buffer");
        value.i32 = -1;
        check(rtw_invoke(block.funcs[0], &value, 1) == RTW_ERR_TRAP_MEMORY, "faults");
        check_status(rtw_slot_end(slot), RTW_OK, "the block's end");
    }
    rtw_slot_destroy(slot);
    munmap((void *)(uintptr_t)host, BYTES);
}

static void test_imported(rtw_runtime_t *runtime) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_memory(imports, "env", "memory", NULL, &err), &err, "a memory");
    rtw_module_t *module = load(runtime, "mapped_import");
    rtw_instance_t *instance = NULL;
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_AHEAD;
    config.growth_ahead_bytes = 4 * WASM_PAGE;
    check_status(rtw_instance_create(module, imports, &config, &instance, &err), RTW_ERR_UNSUPPORTED, "growth ahead of an imported memory");
    check_error(&err, RTW_ERR_UNSUPPORTED, strcmp(profile_name, "plugin") == 0 ? "a memory that the module imports cannot be committed ahead" : "plugin", "is refused, and says why");
    instance = new_instance(module, imports, 0);
    const int file = make_file(BYTES, F_SEAL_SHRINK);
    volatile int32_t *host = see(file, BYTES);
    check_status(rtw_instance_map(instance, "memory", AT, BYTES, file, 0, 0, &err), RTW_OK, "an imported memory");
    for (int round = 0; round < 2; round++) {
        host[1] = 40 + round;
        check(load_i32(instance, AT + 4) == 40 + round, "the guest sees the buffer");
        check(call_i32(instance, "grow", 2, 0) == (round == 0 ? 2 : -1) && load_i32(instance, AT + 4) == 40 + round, "also when the memory grows");
        check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "prepare");
        check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    }
    munmap((void *)(uintptr_t)host, BYTES);
    close(file);
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
}

/* Memory that is committed ahead of growth: the file's pages stay while the guest grows, in a prepared instance as well. */
static void test_ahead(rtw_module_t *module) {
    rtw_instance_t *instance = NULL;
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = RTW_GROWTH_AHEAD;
    config.growth_ahead_bytes = 8 * WASM_PAGE;
    if (strcmp(profile_name, "plugin") != 0) return;
    require(rtw_instance_create(module, NULL, &config, &instance, &err), &err, "an instance that grows ahead");
    const int file = make_file(BYTES, F_SEAL_SHRINK);
    volatile int32_t *host = see(file, BYTES);
    check_status(map(instance, 4 * WASM_PAGE, BYTES, file), RTW_ERR_BOUNDS, "what is committed but not the guest's yet is beyond its memory");
    check_status(map(instance, 2 * WASM_PAGE, BYTES, file), RTW_OK, "map");
    check_status(rtw_instance_prepare(instance, NULL, NULL, &err), RTW_OK, "prepare");
    for (int round = 0; round < 2; round++) {
        host[0] = 60 + round;
        check(call_i32(instance, "grow", 5, 0) == 3, "the prepared guest grows");
        check(load_i32(instance, 2 * WASM_PAGE) == 60 + round && load_i32(instance, 3 * WASM_PAGE) == 0, "and has the file's pages below");
        store(instance, 8 * WASM_PAGE - 4, 3);
        check_status(rtw_instance_reset(instance, &err), RTW_OK, "a reset");
    }
    rtw_instance_destroy(instance);
    munmap((void *)(uintptr_t)host, BYTES);
    close(file);
}

#if !defined(ON_A_THREAD)
static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* True if the mapping at this address is locked. */
static bool is_locked(const void *address) {
    char line[512];
    bool here = false, locked = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) here = (uintptr_t)address >= start && (uintptr_t)address < end;
        if (here && strncmp(line, "VmFlags:", 8) == 0) locked = strstr(line, " lo") != NULL;
    }
    if (file != NULL) fclose(file);
    return locked;
}
#endif

/* Prefaulted and locked, whether mapped before prepare or after it, and after a reset. */
static void test_warm(void) {
#if !defined(ON_A_THREAD)
    if (sanitized) return;
    guest_t guest = open_locking("mapped", RTW_LOCK_REQUIRED);
    const int file = make_file(2 * BYTES, F_SEAL_SHRINK), fresh = make_file(BYTES, 0);
    const long start = faults();
    volatile char *twin = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fresh, 0);
    for (size_t i = 0; i < BYTES; i += 4096) twin[i] = 1;
    check(faults() - start >= BYTES / 4096 / 16, "twin: pages that nobody has made present fault");
    check(!is_locked((const void *)(uintptr_t)twin), "twin: nor are they locked");
    check_status(map(guest.instance, AT, BYTES, file), RTW_OK, "map");
    check_status(rtw_instance_prepare(guest.instance, NULL, NULL, &err), RTW_OK, "prepare");
    check_status(rtw_instance_map(guest.instance, NULL, 0, BYTES, file, BYTES, 0, &err), RTW_OK, "map when prepared");
    rtw_func_t *touch = look_up(guest.instance, "touch", "(i32,i32)->()");
    for (int round = 0; round < 2; round++) {
        for (int32_t at = 0; at <= AT; at += AT) {
            rtw_value_t values[2];
            memset(values, 0, sizeof values);
            values[0].i32 = at, values[1].i32 = BYTES / 4096;
            const long before = faults();
            check_status(rtw_invoke(touch, values, 2), RTW_OK, "the guest writes to all pages");
            check(faults() == before, "without a fault");
            check(is_locked(rtw_instance_memory_at(guest.instance, (uint64_t)at, 4)), "they are locked");
        }
        check_status(rtw_instance_reset(guest.instance, &err), RTW_OK, "a reset");
    }
    rtw_func_destroy(touch);
    munmap((void *)(uintptr_t)twin, BYTES);
    close(file), close(fresh);
    close_guest(&guest);
#endif
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    rtw_runtime_t *runtime = make_runtime();
    rtw_module_t *module = load(runtime, "mapped");
    int descriptors = 0;
    check_status(rtw_thread_attach(runtime, NULL, &err), RTW_OK, "attach");
    test_shared(module);
    test_places(module);
    test_refusals(module);
    test_slot(runtime, module, &descriptors);
    test_imported(runtime);
    test_ahead(module);
    check_status(rtw_thread_detach(runtime, &err), RTW_OK, "detach");
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    check(open_descriptors() <= descriptors, "no descriptor is left");
    test_warm();
    return check_summary();
}
