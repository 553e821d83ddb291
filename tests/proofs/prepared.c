/* Memory is present once an instance is prepared: the first touch of everything that a call can touch takes no page fault, on a
 * fresh instance and on one that was reset. The planted violation is the same touch after the pages were taken away. The library's own
 * pages are there once a runtime is made.
 *
 *   prepared PROFILE FOLDER */
#include "proof.h"
#include "section.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct touch_t {
    const char *what, *guest, *function;
    int32_t argument;
    bool exported; /* a memory whose pages can be taken away here */
} touch_t;

static const touch_t touches[] = {
    {"a memory of 4 MiB", "cold", "memory_pages", 64 * 16, true},
    {"a memory that is not exported", "cold", "hidden_memory_pages", 64 * 16, false},
    {"a table of 100000 entries", "cold", "table_pages", 390, false},
    {"a table that is not exported", "cold", "hidden_table_pages", 390, false},
    {"a passive data segment", "cold", "passive", 0, false},
    {"100 KiB of the guest's stack", "cold", "down", 3000, false},
    {"1 MiB of code, 1000 globals", "large", "all", 1, false},
};

typedef enum how_t { PREPARED, RESET, TAKEN_AWAY } how_t;

static uint64_t first_touch_faults(rtw_module_t *module, const touch_t *touch, how_t how)
{
    rtw_error_t err;
    rtw_instance_t *instance = new_instance(module, NULL, 0);
    rtw_func_t *func = look_up(instance, touch->function, NULL);
    prepare_instance(instance);
    if (how == RESET)
        OK(rtw_instance_reset(instance, &err), err);
    if (how == TAKEN_AWAY) {
        rtw_memory_view_t view;
        OK(rtw_instance_memory(instance, NULL, &view, &err), err);
        NEED(madvise(view.base, view.size_bytes, MADV_DONTNEED) == 0, "madvise: %s", strerror(errno));
    }
    rtw_value_t value = {.i32 = touch->argument};
    findings_t findings;
    memset(&findings, 0, sizeof findings);
    section_begin();
    const rtw_status_t status = guarded_call(rtw_invoke, func, &value, 1, &findings.changed);
    section_end(&findings);
    NEED(status == RTW_OK, "%s: %s", touch->function, rtw_status_name(status));
    rtw_func_destroy(func);
    rtw_instance_destroy(instance);
    return findings.minor_faults + findings.major_faults;
}

/* The library's pages: how many calls may touch, and how many of them are absent. */
typedef struct image_t {
    uint64_t pages, absent;
    uintptr_t code; /* the pages of code among them: where they begin, and their bytes */
    size_t code_bytes;
} image_t;

static int count_image(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    image_t *image = data;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), inside = (uintptr_t)rtw_status_name(RTW_OK);
    uintptr_t tables = 0;
    bool ours = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && inside - start < part->p_memsz)
            ours = true;
        if (part->p_type == PT_GNU_EH_FRAME)
            tables = start;
    }
    if (!ours)
        return 0;
    const int map = open("/proc/self/pagemap", O_RDONLY);
    NEED(map >= 0, "/proc/self/pagemap: %s", strerror(errno));
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD)
            continue;
        const uintptr_t start = info->dlpi_addr + part->p_vaddr;
        uintptr_t end = start + part->p_memsz;
        if (tables - start < part->p_memsz) /* nothing but the tables for unwinding follows */
            end = tables;
        if (part->p_flags & PF_X)
            image->code = start / page * page, image->code_bytes = end - image->code;
        for (uintptr_t at = start / page * page; at < end; at += page) {
            uint64_t entry = 0;
            NEED(pread(map, &entry, sizeof entry, (off_t)(at / page * sizeof entry)) == sizeof entry, "pagemap: %s", strerror(errno));
            image->pages++;
            image->absent += entry >> 63 == 0;
        }
    }
    close(map);
    return 1;
}

static void own_image(void)
{
    rtw_runtime_t *runtime = make_runtime();
    image_t there = {0, 0, 0, 0}, taken = {0, 0, 0, 0};
    dl_iterate_phdr(count_image, &there);
    /* All pages of code, since some come back at once: the library's threads run there. */
    NEED(madvise((void *)there.code, there.code_bytes, MADV_DONTNEED) == 0, "madvise: %s", strerror(errno));
    dl_iterate_phdr(count_image, &taken);
    row("prepared means present", "the library's own pages once there is a runtime", there.pages, there.pages > 100 && there.absent == 0,
        caught(taken.absent > 0), "%" PRIu64 " pages, %" PRIu64 " absent", there.pages, there.absent);
    rtw_runtime_destroy(runtime);
}

int main(int argc, char **argv)
{
    begin_proof(argc, argv);
    own_image();
    for (size_t i = 0; i < sizeof touches / sizeof touches[0]; i++) {
        const touch_t *touch = &touches[i];
        rtw_runtime_t *runtime = make_runtime();
        attach_here(runtime);
        /* Each loads anew: what one made present must not help the next. */
        rtw_module_t *module = load(runtime, touch->guest);
        findings_t warm_up;
        memset(&warm_up, 0, sizeof warm_up);
        section_begin();
        section_end(&warm_up);
        const uint64_t prepared = first_touch_faults(module, touch, PREPARED);
        const uint64_t after_reset = first_touch_faults(module, touch, RESET);
        const uint64_t taken = touch->exported ? first_touch_faults(module, touch, TAKEN_AWAY) : 0;
        char how[128];
        snprintf(how, sizeof how, "first touch of %s", touch->what);
        row("prepared means present", how, 2, prepared == 0 && after_reset == 0, touch->exported ? caught(taken > 0) : PLANTED_NONE,
            "faults when prepared %" PRIu64 ", after a reset %" PRIu64, prepared, after_reset);
        rtw_module_destroy(module);
        rtw_thread_detach(runtime, NULL);
        rtw_runtime_destroy(runtime);
    }
    return check_summary();
}
