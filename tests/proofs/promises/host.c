#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, FRESH_PAGES = 5 };

static volatile uintptr_t sink;

void ready_host(host_t *host)
{
    host->violation = NONE;
    pthread_mutex_init(&host->mutex, NULL);
    host->fresh = mmap(NULL, FRESH_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(host->fresh != MAP_FAILED && madvise(host->fresh, FRESH_PAGES * PAGE, MADV_NOHUGEPAGE) == 0, "mmap: %s", strerror(errno));
}

void map_absent_file(host_t *host)
{
    char path[4096], page[PAGE];
    snprintf(path, sizeof path, "%s/absent.%s%s", artifacts, profile_name, mode);
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    NEED(file >= 0, "%s: %s", path, strerror(errno));
    memset(page, 7, sizeof page);
    NEED(write(file, page, sizeof page) == PAGE && fsync(file) == 0, "%s: %s", path, strerror(errno));
    NEED(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0, "%s cannot be dropped", path);
    volatile char *mapped = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    NEED(mapped != MAP_FAILED, "mmap of %s: %s", path, strerror(errno));
    close(file);
    unsigned char present = 0;
    NEED(mincore((void *)(uintptr_t)mapped, PAGE, &present) == 0, "mincore: %s", strerror(errno));
    if (present & 1)
        printf("measured\t%s: no major fault could be planted: %s stays in memory\n", profile_name, path);
    else
        host->file = mapped;
}

void violate(host_t *host)
{
    /* Long enough that a thread of any scheduling class lets go of the CPU for it. */
    struct timespec moment = {0, 20000000};
    sigset_t mask;
    switch (host->violation) {
    case ALLOCATE: {
        char *memory = malloc(64);
        sink = (uintptr_t)memory;
        free(memory);
        break;
    }
    case LOCK:
        pthread_mutex_lock(&host->mutex);
        pthread_mutex_unlock(&host->mutex);
        break;
    case SYSTEM_CALL: sink = (uintptr_t)getppid(); break;
    case TOUCH:
        host->fresh[0] = 1;
        host->fresh += PAGE;
        break;
    case TOUCH_FILE: sink = (uintptr_t)host->file[0]; break;
    case SLEEP: nanosleep(&moment, NULL); break;
    case SET_ERRNO: errno = ENOENT; break;
    case SET_MASK:
        sigemptyset(&mask);
        sigaddset(&mask, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &mask, NULL);
        break;
    case SET_X87: {
#if defined(__x86_64__)
        const unsigned short single = 0x007f;
        __asm__ volatile("fldcw %0" : : "m"(single));
#endif
        break;
    }
    case ASK_CANCEL_TYPE: pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &host->cancel_type); break;
    case NONE: break;
    }
}

/* Reads and writes the guest's memory and calls it again; with -1 so that it fails. */
static rtw_status_t visit(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    host_t *host = user_data;
    int32_t *word = rtw_instance_memory_at(instance, 1024, 4);
    if (!word)
        return -1;
    *word += 1;
    if (host->violation != NONE)
        violate(host);
    rtw_value_t inner = {.i32 = values[0].i32};
    if (values[0].i32 == -1)
        return rtw_invoke(host->divide, &inner, 1);
    const rtw_status_t status = rtw_invoke(host->inner, &inner, 1);
    values[0] = inner;
    return status;
}

static rtw_status_t answer(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data;
    (void)instance;
    return values[0].i32;
}

rtw_imports_t *imports_for(host_t *host, uint32_t flags)
{
    rtw_error_t err;
    rtw_imports_t *imports;
    OK(rtw_imports_create(&imports, &err), err);
    OK(rtw_imports_func(imports, "env", "visit", "(i32)->(i32)", visit, host, NULL, flags, &err), err);
    OK(rtw_imports_func(imports, "env", "answer", "(i32)->()", answer, host, NULL, 0, &err), err);
    return imports;
}

rtw_instance_t *instance_of(rtw_module_t *module, host_t *host, uint32_t flags)
{
    ready_host(host);
    rtw_imports_t *imports = imports_for(host, flags);
    rtw_instance_t *instance = new_instance(module, imports, 0);
    rtw_imports_destroy(imports);
    host->inner = look_up(instance, "inner", NULL);
    host->divide = look_up(instance, "divide", NULL);
    return instance;
}
