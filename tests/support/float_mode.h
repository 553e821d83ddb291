/* The word that says how the thread computes with floating-point numbers: MXCSR on x86-64, FPCR on aarch64. */
#ifndef RTWASM_TEST_FLOAT_MODE_H
#define RTWASM_TEST_FLOAT_MODE_H

#include <stdint.h>

#if defined(__x86_64__)

/* Denormal inputs and results count as zero. */
#define FLUSH_BITS (1u << 15 | 1u << 6)

static inline uint32_t read_float_mode(void) {
    uint32_t word;
    __asm__ volatile("stmxcsr %0" : "=m"(word));
    return word;
}

static inline void write_float_mode(uint32_t word) { __asm__ volatile("ldmxcsr %0" : : "m"(word)); }

#else

#define FLUSH_BITS (1u << 24)

static inline uint32_t read_float_mode(void) {
    uint64_t word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    return (uint32_t)word;
}

static inline void write_float_mode(uint32_t word) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)word)); }

#endif

#endif
