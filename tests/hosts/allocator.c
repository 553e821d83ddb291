/* An allocator of a host's own, put in front of the C library's: memory is taken from one large mapping and never used again,
 * every block begins with its size and a word that tells it from everybody else's, and whatever else is handed in ends the process. */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEADER = 16, CAPACITY = 1 << 28 };
static const uint64_t MINE = 0x6d616c6c6f636d65;
static _Atomic(unsigned char *) base;
static _Atomic size_t used;
static atomic_ulong served;

static _Noreturn void wrong(const char *what) {
    ssize_t written = write(2, what, strlen(what));
    (void)written;
    _exit(97);
}

static void *take(size_t align, size_t size) {
    unsigned char *start = atomic_load(&base);
    if (start == NULL) {
        unsigned char *fresh = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        unsigned char *none = NULL;
        if (fresh == MAP_FAILED) return NULL;
        if (!atomic_compare_exchange_strong(&base, &none, fresh)) munmap(fresh, CAPACITY);
        start = atomic_load(&base);
    }
    if (align < HEADER) align = HEADER;
    const size_t room = size + HEADER + align;
    const size_t at = atomic_fetch_add(&used, (room + 15) / 16 * 16);
    if (room > CAPACITY || at > CAPACITY - room) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t block = ((uintptr_t)start + at + HEADER + align - 1) / align * align;
    memcpy((void *)(block - 16), &MINE, 8);
    memcpy((void *)(block - 8), &size, 8);
    atomic_fetch_add(&served, 1);
    return (void *)block;
}

static size_t size_of(void *block) {
    uint64_t word;
    size_t size;
    memcpy(&word, (char *)block - 16, 8);
    memcpy(&size, (char *)block - 8, 8);
    if (word != MINE) wrong("allocator: a block that is not mine\n");
    return size;
}

void *malloc(size_t size) { return take(HEADER, size); }
void *calloc(size_t count, size_t size) { return take(HEADER, count * size); }
void free(void *block) {
    if (block != NULL) size_of(block);
}
void *realloc(void *block, size_t size) {
    if (block == NULL) return take(HEADER, size);
    const size_t before = size_of(block);
    void *fresh = take(HEADER, size);
    if (fresh != NULL) memcpy(fresh, block, before < size ? before : size);
    return fresh;
}
int posix_memalign(void **out, size_t align, size_t size) {
    *out = take(align, size);
    return *out == NULL ? ENOMEM : 0;
}
void *aligned_alloc(size_t align, size_t size) { return take(align, size); }
void *memalign(size_t align, size_t size) { return take(align, size); }
size_t malloc_usable_size(void *block) { return block == NULL ? 0 : size_of(block); }

__attribute__((destructor)) static void tell(void) {
    if (getenv("ALLOCATOR_TELL") != NULL && atomic_load(&served) > 100) {
        ssize_t written = write(2, "allocator: served\n", 18);
        (void)written;
    }
}
