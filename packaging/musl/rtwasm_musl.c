/* Functions that librtwasm.a calls and musl lacks, or has without effect. Compile it with musl-gcc and link it after librtwasm.a:
 *   musl-gcc -static program.c librtwasm.a rtwasm_musl.c -Wl,--eh-frame-hdr -Wl,-z,stack-size=1048576 -lgcc_eh -lm -o program
 * docs/aarch64.md lists the differences. */
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The loaded object that contains an address, for the unwinder of a gcc that was built for glibc; as in glibc's dlfcn.h. */
struct found_object {
    unsigned long long flags;
    void *map_start, *map_end;
    void *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct search {
    uintptr_t address;
    struct found_object *result;
    int found;
};

static int look(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    struct search *search = data;
    uintptr_t start = UINTPTR_MAX, end = 0, eh_frame = 0;
    int inside = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        const uintptr_t low = info->dlpi_addr + header->p_vaddr, high = low + header->p_memsz;
        if (header->p_type == PT_GNU_EH_FRAME) eh_frame = low;
        if (header->p_type != PT_LOAD) continue;
        if (low < start) start = low;
        if (high > end) end = high;
        inside |= low <= search->address && search->address < high;
    }
    if (!inside || eh_frame == 0) return 0;
    search->result->flags = 0;
    search->result->map_start = (void *)start;
    search->result->map_end = (void *)end;
    search->result->link_map = NULL;
    search->result->eh_frame = (void *)eh_frame;
    search->found = 1;
    return 1;
}

int _dl_find_object(void *address, struct found_object *result);
int _dl_find_object(void *address, struct found_object *result) {
    struct search search = {(uintptr_t)address, result, 0};
    dl_iterate_phdr(look, &search);
    return search.found ? 0 : -1;
}

/* glibc ends threads by unwinding them, which the library stops and goes on with; musl ends them where they are. */
void __pthread_register_cancel(void *buffer);
void __pthread_unregister_cancel(void *buffer);
_Noreturn void __pthread_unwind_next(void *buffer);
void __pthread_register_cancel(void *buffer) { (void)buffer; }
void __pthread_unregister_cancel(void *buffer) { (void)buffer; }
_Noreturn void __pthread_unwind_next(void *buffer) {
    (void)buffer;
    abort();
}

/* musl's answer ENOSYS, since Linux sets the policy of a thread where POSIX means the process. The library means the thread. */
int sched_getscheduler(pid_t thread) { return (int)syscall(SYS_sched_getscheduler, thread); }
int sched_setscheduler(pid_t thread, int policy, const struct sched_param *param) {
    return (int)syscall(SYS_sched_setscheduler, thread, policy, param);
}
int sched_getparam(pid_t thread, struct sched_param *param) { return (int)syscall(SYS_sched_getparam, thread, param); }
int sched_setparam(pid_t thread, const struct sched_param *param) { return (int)syscall(SYS_sched_setparam, thread, param); }

/* gcc's unwinder refers to these weakly: in a static program each is there only if something names it, and it calls all of them. */
typedef void any_function(void);
__attribute__((used)) static any_function *const of_unwinder[] = {
    (any_function *)pthread_once,        (any_function *)pthread_getspecific, (any_function *)pthread_setspecific, (any_function *)pthread_key_create,
    (any_function *)pthread_key_delete,  (any_function *)pthread_mutex_lock,  (any_function *)pthread_mutex_unlock, (any_function *)pthread_mutex_trylock,
    (any_function *)pthread_cond_signal, (any_function *)pthread_cond_wait,   (any_function *)pthread_cond_broadcast};
