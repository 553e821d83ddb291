/* 512 steps through a list whose nodes lie about in 8 KiB: each load waits for the one before. */
#include "kernel.h"

enum { NODES = 1024, STEPS = 512 };

typedef struct node_t {
    const struct node_t *next;
    uint32_t number;
} node_t;

static node_t nodes[NODES];
static const node_t *here;

/* Sattolo's shuffle: one cycle through all nodes. */
EXPORT(init) void init(void)
{
    uint32_t order[NODES], seed = 10;
    for (uint32_t i = 0; i < NODES; i++) order[i] = i;
    for (uint32_t i = NODES - 1; i > 0; i--) {
        const uint32_t other = next_random(&seed) % i, moved = order[i];
        order[i] = order[other];
        order[other] = moved;
    }
    for (uint32_t i = 0; i < NODES; i++) nodes[order[i]] = (node_t){&nodes[order[(i + 1) % NODES]], i};
    here = nodes;
}

EXPORT(run) void run(void)
{
    const node_t *at = here;
#pragma clang loop unroll(disable)
    for (size_t i = 0; i < STEPS; i++) at = at->next;
    here = at;
}

EXPORT(checksum) int32_t checksum(void)
{
    return (int32_t)here->number;
}
