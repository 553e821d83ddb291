/* 1000 turns of a loop that does nothing: the most that anything in a loop's header can cost. */
#include "kernel.h"

static uint32_t turns;

EXPORT(init) void init(void)
{
    turns = 0;
}

EXPORT(run) void run(void)
{
    uint32_t left = 1000;
    /* The empty statement keeps the compiler from working out where the loop ends. */
    do __asm__ volatile("" : "+r"(left));
    while (--left != 0);
    turns += 1000 - left;
}

EXPORT(checksum) int32_t checksum(void)
{
    return (int32_t)turns;
}
