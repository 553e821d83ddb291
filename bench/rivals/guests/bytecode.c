/* An interpreter of a small bytecode, which counts the primes below 64 by trial division. */
#include "../../../guests/kernels/kernel.h"

enum { LIMIT = 64, REGISTERS = 4 };

/* Each instruction has three operands: registers, a constant, or where to go on. */
enum { SET, ADD, REMAINDER, IF_LESS, IF_ZERO, GO, STOP };
enum { NUMBER, DIVISOR, FOUND, REST };

typedef struct {
    uint8_t code, a, b, c;
} instruction_t;

static const instruction_t program[] = {
    /* 0 */ {SET, NUMBER, 2, 0},
    /* 1 */ {SET, FOUND, 0, 0},
    /* 2 */ {SET, DIVISOR, 2, 0},
    /* 3 */ {IF_LESS, DIVISOR, NUMBER, 6},
    /* 4 */ {ADD, FOUND, 1, 0},
    /* 5 */ {GO, 9, 0, 0},
    /* 6 */ {REMAINDER, REST, NUMBER, DIVISOR},
    /* 7 */ {IF_ZERO, REST, 9, 0},
    /* 8 */ {GO, 13, 0, 0},
    /* 9 */ {ADD, NUMBER, 1, 0},
    /* 10 */ {SET, REST, LIMIT, 0},
    /* 11 */ {IF_LESS, NUMBER, REST, 2},
    /* 12 */ {STOP, 0, 0, 0},
    /* 13 */ {ADD, DIVISOR, 1, 0},
    /* 14 */ {GO, 3, 0, 0},
};
static uint32_t primes;

EXPORT(init) void init(void)
{
    primes = 0;
}

EXPORT(run) void run(void)
{
    uint32_t registers[REGISTERS] = {0};
    const instruction_t *at = program;
    HIDE_ORIGIN(at);
    const instruction_t *const start = at;
    for (;;) {
        const instruction_t now = *at++;
        switch (now.code) {
        case SET: registers[now.a] = now.b; break;
        case ADD: registers[now.a] += now.b; break;
        case REMAINDER: registers[now.a] = registers[now.b] % registers[now.c]; break;
        case IF_LESS:
            if (registers[now.a] < registers[now.b]) at = start + now.c;
            break;
        case IF_ZERO:
            if (registers[now.a] == 0) at = start + now.b;
            break;
        case GO: at = start + now.a; break;
        default: primes += registers[FOUND]; return;
        }
    }
}

EXPORT(checksum) int32_t checksum(void)
{
    return (int32_t)primes;
}
