/* Counts the allocations of the process that it is preloaded into. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static uint64_t count;

uint64_t counted_allocations(void) { return __atomic_load_n(&count, __ATOMIC_RELAXED); }

static void one(void) { __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED); }

void *malloc(size_t size) { return one(), __libc_malloc(size); }
void *calloc(size_t number, size_t size) { return one(), __libc_calloc(number, size); }
void *realloc(void *from, size_t size) { return one(), __libc_realloc(from, size); }
void *memalign(size_t to, size_t size) { return one(), __libc_memalign(to, size); }
void *aligned_alloc(size_t to, size_t size) { return one(), __libc_memalign(to, size); }
int posix_memalign(void **where, size_t to, size_t size) {
    return one(), (*where = __libc_memalign(to, size)) == NULL ? 12 /* ENOMEM */ : 0;
}
