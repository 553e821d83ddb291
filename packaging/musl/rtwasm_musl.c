/* Four functions that librtwasm.a calls and musl lacks. Compile it with musl-gcc and link it after librtwasm.a:
 *   musl-gcc program.c librtwasm.a rtwasm_musl.c -lgcc_eh -lm -o program
 * docs/aarch64.md lists the differences. */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <stdlib.h>

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
