/* The common part of the programs of the comparison: one program for each rival, each a process of its own, driven by rivals.py.
 *
 *   PROGRAM serve ARTIFACT...   reads lines from the standard input and returns one line for each:
 *       call NAME SHAPE A B N   calls a function of the guest N times: the result of the last call
 *       time NAME SHAPE US      calls a function for half of these microseconds or more: the ns of a call
 *       CASE N                  does N times what the case is called by: the page faults of all, then the ns of each;
 *                               "none" and why if this rival has no such case
 *       cold N PAUSE_NS BYTES   calls add N times, each after a pause and after writing this many bytes of other data: as for a case
 *       memory N                creates and prepares N instances: the bytes of memory that they take together
 *       allocations CASE        does it once more: the allocations that it makes (with counter.c preloaded)
 *   PROGRAM load N ARTIFACT...  loads N times and says nothing, for who counts its system calls
 *   PROGRAM first ARTIFACT...   goes from nothing to the first result once: the ns of each step, by name; then the memory present, in bytes
 *   PROGRAM empty               does nothing: the price of a process */
#ifndef RIVAL_H
#define RIVAL_H

#include <stdbool.h>
#include <stdint.h>

/* The most modules between two calls of rival_unload, and the most functions of an instance. */
enum { RIVAL_MOST_KEPT = 64, RIVAL_MOST_FUNCS = 4 };

/* The shapes of the functions that guests export. */
typedef enum {
    RIVAL_PLAIN,  /* () -> () */
    RIVAL_RESULT, /* () -> (i32) */
    RIVAL_BINARY, /* (i32, i32) -> (i32) */
} rival_shape_t;

/* The cases that a rival takes part in. */
enum {
    RIVAL_HAS_INSTANCES = 1, /* that are made of a module and come to an end */
    RIVAL_KEEPS = 2,         /* can load a file twice at the same time */
    RIVAL_PREPARES = 4,      /* has a step that makes an instance ready for real time */
    RIVAL_ATTACHES = 8,      /* has a step that a thread takes before its first call */
    RIVAL_GOES_ON = 16,      /* can call an instance that has trapped, as it is */
};

typedef struct rival_instance rival_instance_t;
typedef struct rival_func rival_func_t;

/* Each rival defines these. All end the process if they fail. */
unsigned rival_open(char **arguments);  /* once: makes the engine or runtime, keeps the names of files; returns RIVAL_HAS_INSTANCES, ... */
void rival_load(void);                  /* loads the artifact; instances are made of the module loaded last */
void rival_unload(void);                /* destroys the modules that were loaded since the last call */
rival_instance_t *rival_instantiate(void);
void rival_end(rival_instance_t *instance); /* with its functions */
rival_func_t *rival_func(rival_instance_t *instance, const char *name, rival_shape_t shape);
int32_t rival_call(rival_func_t *func, int32_t first, int32_t second, uint64_t count); /* the result of the last call */
void rival_trap(rival_func_t *func);    /* calls a plain function that has to trap, and destroys what tells of the trap */

/* Each rival may define these. */
bool rival_reset(rival_instance_t *instance); /* after a trap: false if it has to be made anew */
void rival_prepare(rival_instance_t *instance);
void rival_attach(void);                /* this thread */
void rival_detach(void);
int rival_other(int argc, char **argv); /* does what only this rival does; -1: nothing by this name */

uint64_t rival_now(void); /* CLOCK_MONOTONIC, in ns */
_Noreturn void rival_fail(const char *what, const char *why);

#endif
