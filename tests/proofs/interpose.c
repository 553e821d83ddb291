#include "interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's own names for its allocator: they need no look-up, which would allocate. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

/* Part of the static block of every thread: the first use allocates nothing. */
static __thread interposed_t own __attribute__((tls_model("initial-exec")));

interposed_t *interposed(void) { return &own; }

static void allocation(const char *function)
{
    if (!own.in_section)
        return;
    if (!own.allocations++)
        own.first_allocation = function;
}

static void lock(const char *function)
{
    if (!own.in_section)
        return;
    if (!own.locks++)
        own.first_lock = function;
}

void *malloc(size_t size)
{
    allocation("malloc");
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocation("calloc");
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocation("realloc");
    return __libc_realloc(memory, size);
}

void free(void *memory)
{
    if (memory)
        allocation("free");
    __libc_free(memory);
}

void *memalign(size_t alignment, size_t size)
{
    allocation("memalign");
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    allocation("aligned_alloc");
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    allocation("posix_memalign");
    void *memory = __libc_memalign(alignment, size);
    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    allocation("mmap");
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
    allocation("mmap64");
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

int munmap(void *address, size_t length)
{
    allocation("munmap");
    return (int)syscall(SYS_munmap, address, length);
}

int mprotect(void *address, size_t length, int protection)
{
    allocation("mprotect");
    return (int)syscall(SYS_mprotect, address, length, protection);
}

int madvise(void *address, size_t length, int advice)
{
    allocation("madvise");
    return (int)syscall(SYS_madvise, address, length, advice);
}

/* The rest is looked up once, before main. */
#define LOCKS(X)                                                                                                                  \
    X(pthread_mutex_lock, (pthread_mutex_t * a), (a))                                                                             \
    X(pthread_mutex_trylock, (pthread_mutex_t * a), (a))                                                                          \
    X(pthread_mutex_unlock, (pthread_mutex_t * a), (a))                                                                           \
    X(pthread_mutex_timedlock, (pthread_mutex_t * a, const struct timespec *b), (a, b))                                           \
    X(pthread_rwlock_rdlock, (pthread_rwlock_t * a), (a))                                                                         \
    X(pthread_rwlock_wrlock, (pthread_rwlock_t * a), (a))                                                                         \
    X(pthread_rwlock_tryrdlock, (pthread_rwlock_t * a), (a))                                                                      \
    X(pthread_rwlock_trywrlock, (pthread_rwlock_t * a), (a))                                                                      \
    X(pthread_rwlock_unlock, (pthread_rwlock_t * a), (a))                                                                         \
    X(pthread_spin_lock, (pthread_spinlock_t * a), (a))                                                                           \
    X(pthread_spin_trylock, (pthread_spinlock_t * a), (a))                                                                        \
    X(pthread_cond_wait, (pthread_cond_t * a, pthread_mutex_t * b), (a, b))                                                       \
    X(pthread_cond_timedwait, (pthread_cond_t * a, pthread_mutex_t * b, const struct timespec *c), (a, b, c))                     \
    X(pthread_cond_signal, (pthread_cond_t * a), (a))                                                                             \
    X(pthread_cond_broadcast, (pthread_cond_t * a), (a))                                                                          \
    X(pthread_barrier_wait, (pthread_barrier_t * a), (a))                                                                         \
    X(sem_wait, (sem_t * a), (a))                                                                                                 \
    X(sem_trywait, (sem_t * a), (a))                                                                                              \
    X(sem_timedwait, (sem_t * a, const struct timespec *b), (a, b))                                                               \
    X(sem_post, (sem_t * a), (a))

#define REAL(name, parameters, arguments) static int(*real_##name) parameters;
LOCKS(REAL)

__attribute__((constructor)) static void look_up(void)
{
    /* POSIX has dlsym give functions as object pointers. */
#define LOOK_UP(name, parameters, arguments) *(void **)&real_##name = dlsym(RTLD_NEXT, #name);
    LOCKS(LOOK_UP)
}

#define COUNTED(name, parameters, arguments)                                                                                      \
    int name parameters                                                                                                           \
    {                                                                                                                             \
        lock(#name);                                                                                                              \
        return real_##name arguments;                                                                                             \
    }
LOCKS(COUNTED)
