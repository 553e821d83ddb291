/* Functions that do next to nothing, for the price of a call, and of a call back. */
#include "../../../guests/kernels/kernel.h"

#ifdef __wasm__
__attribute__((import_module("host"), import_name("nop")))
#endif
void host_nop(void);

EXPORT(empty) void empty(void) {}

EXPORT(add) int32_t add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

EXPORT(host_1000) void host_1000(void)
{
    for (int i = 0; i < 1000; i++) host_nop();
}
