/* The 13th Fibonacci number by 753 calls of a function that has no loop. */
#include "kernel.h"

static uint32_t sum;

EXPORT(init) void init(void)
{
    sum = 0;
}

/* Without the attribute the compiler makes a loop of one of the two calls. */
__attribute__((noinline, disable_tail_calls)) static uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

EXPORT(run) void run(void)
{
    uint32_t n = 13;
    __asm__ volatile("" : "+r"(n));
    sum += fibonacci(n);
}

EXPORT(checksum) int32_t checksum(void)
{
    return (int32_t)sum;
}
