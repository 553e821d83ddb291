#include "exhaust.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* glibc's own names for its allocator: they need no look-up, which would allocate. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

/* Exported functions whose failed allocation ends the process. */
static exhaust_listed_t listed[EXHAUST_LISTED] = {
    {"__cxa_thread_atexit_impl", 0, 0}, /* glibc: a thread-local's destructor is noted */
    {"__tls_get_addr", 0, 0},           /* glibc: thread-locals of a library that was loaded later */
    {"__register_frame", 0, 0},         /* libgcc: a module's unwind tables are noted */
    {NULL, 0, 0},
};

typedef struct range_t {
    uintptr_t start, end;
} range_t;

static range_t program, loader, own;
static struct {
    range_t range;
    exhaust_listed_t *entry;
} listed_code[EXHAUST_LISTED];

static _Atomic bool armed, on_and_on;
static _Atomic uint64_t fail_at, calls, failed;
static _Atomic int64_t live, live_bytes;
static _Atomic uintptr_t first_caller;
static exhaust_place_t first;

static bool in(range_t range, uintptr_t address) { return address - range.start < range.end - range.start; }

static int note_ranges(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size, (void)data;
    range_t range = {UINTPTR_MAX, 0};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD) continue;
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (start < range.start) range.start = start;
        if (start + header->p_memsz > range.end) range.end = start + header->p_memsz;
    }
    if (info->dlpi_name[0] == 0 && program.end == 0) program = range;
    if (strstr(info->dlpi_name, "ld-linux") != NULL) loader = range;
    if (in(range, (uintptr_t)note_ranges)) own = range;
    return 0;
}

/* The code of a function that another file exports. */
static range_t code_of(const char *function)
{
    range_t range = {0, 0};
    void *address = dlsym(RTLD_DEFAULT, function);
    if (address == NULL) return range;
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    if (dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL) return range;
    range.start = (uintptr_t)info.dli_saddr;
    range.end = range.start + symbol->st_size;
    return range;
}

__attribute__((constructor)) static void look_around(void)
{
    dl_iterate_phdr(note_ranges, NULL);
    for (int i = 0; listed[i].function != NULL; i++) {
        listed_code[i].range = code_of(listed[i].function);
        listed_code[i].entry = &listed[i];
    }
}

/* True if this call has to fail. */
static bool fails(uintptr_t caller, size_t bytes)
{
    if (!atomic_load(&armed) || in(program, caller) || in(own, caller)) return false;
    for (int i = 0; listed_code[i].entry != NULL; i++) {
        if (in(listed_code[i].range, caller)) {
            listed_code[i].entry->calls++;
            if (bytes > listed_code[i].entry->largest_bytes) listed_code[i].entry->largest_bytes = bytes;
            return false;
        }
    }
    uint64_t number = atomic_fetch_add(&calls, 1);
    uint64_t at = atomic_load(&fail_at);
    if (number != at && !(number > at && atomic_load(&on_and_on))) return false;
    if (atomic_fetch_add(&failed, 1) == 0) {
        first.bytes = bytes;
        prctl(PR_GET_NAME, first.thread);
        atomic_store(&first_caller, caller);
    }
    errno = ENOMEM;
    return true;
}

static void *noted(void *memory)
{
    if (memory != NULL) {
        atomic_fetch_add(&live, 1);
        atomic_fetch_add(&live_bytes, (int64_t)malloc_usable_size(memory));
    }
    return memory;
}

static void forget(void *memory)
{
    if (memory != NULL) {
        atomic_fetch_sub(&live, 1);
        atomic_fetch_sub(&live_bytes, (int64_t)malloc_usable_size(memory));
    }
}

#define CALLER ((uintptr_t)__builtin_return_address(0))

void *malloc(size_t size) { return fails(CALLER, size) ? NULL : noted(__libc_malloc(size)); }

void *calloc(size_t count, size_t size) { return fails(CALLER, count * size) ? NULL : noted(__libc_calloc(count, size)); }

void *realloc(void *memory, size_t size)
{
    if (fails(CALLER, size)) return NULL;
    int64_t before = memory != NULL ? (int64_t)malloc_usable_size(memory) : 0;
    void *grown = __libc_realloc(memory, size);
    if (grown != NULL) {
        if (memory == NULL) atomic_fetch_add(&live, 1);
        atomic_fetch_add(&live_bytes, (int64_t)malloc_usable_size(grown) - before);
    }
    return grown;
}

void free(void *memory)
{
    forget(memory);
    __libc_free(memory);
}

void *memalign(size_t alignment, size_t size) { return fails(CALLER, size) ? NULL : noted(__libc_memalign(alignment, size)); }

void *aligned_alloc(size_t alignment, size_t size) { return fails(CALLER, size) ? NULL : noted(__libc_memalign(alignment, size)); }

int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (fails(CALLER, size)) return ENOMEM;
    void *memory = noted(__libc_memalign(alignment, size));
    if (memory == NULL) return ENOMEM;
    *out = memory;
    return 0;
}

void exhaust_arm(uint64_t at, bool on)
{
    atomic_store(&armed, false);
    atomic_store(&calls, 0);
    atomic_store(&failed, 0);
    atomic_store(&first_caller, 0);
    atomic_store(&fail_at, at);
    atomic_store(&on_and_on, on);
    atomic_store(&armed, true);
}

void exhaust_disarm(void)
{
    atomic_store(&on_and_on, false);
    atomic_store(&fail_at, UINT64_MAX);
}

uint64_t exhaust_calls(void) { return atomic_load(&calls); }
uint64_t exhaust_failed(void) { return atomic_load(&failed); }
int64_t exhaust_live(void) { return atomic_load(&live); }
int64_t exhaust_live_bytes(void) { return atomic_load(&live_bytes); }
const exhaust_listed_t *exhaust_listed(void) { return listed; }
void *exhaust_take(size_t bytes) { return noted(__libc_malloc(bytes)); }

exhaust_place_t exhaust_place(void)
{
    exhaust_place_t place = first;
    Dl_info info;
    uintptr_t caller = atomic_load(&first_caller);
    place.file = "?";
    place.offset = caller;
    if (caller != 0 && dladdr((void *)caller, &info) != 0) {
        place.file = strrchr(info.dli_fname, '/') != NULL ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname;
        place.offset = caller - (uintptr_t)info.dli_fbase;
    }
    return place;
}
