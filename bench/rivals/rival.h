/* The common part of the programs of the comparison: one program for each rival, each a process of its own, driven by rivals.py.
 *
 *   PROGRAM serve ARTIFACT...   reads lines from the standard input and answers each with one line:
 *                               load N    loads the artifact N times: the page faults of all, then the ns of each; destroys each
 *                                         module before the next is loaded
 *                               keep N    as load, but keeps all modules until the last is loaded
 *                               check     loads, creates an instance and calls run(3): the result
 *                               CASE N    does what CASE is called by, N times: as for load; "none" if this rival has no such case
 *                               memory N  creates and prepares N instances: the bytes of memory that they take together
 *   PROGRAM load N ARTIFACT...  loads N times and says nothing, for who counts its system calls
 *   PROGRAM first ARTIFACT...   goes from nothing to the first result once: the ns of each step, by name
 *   PROGRAM empty               does nothing: the price of a process */
#ifndef RIVAL_H
#define RIVAL_H

#include <stdint.h>

/* The most modules between two calls of rival_unload. */
enum { RIVAL_MOST_KEPT = 64 };

/* A step of `first`. */
typedef struct {
    const char *name;
    uint64_t ns;
} rival_step_t;

/* Functions that each rival defines. All end the process if they fail. */
void rival_open(char **arguments);             /* once: the engine or the runtime, and the names of files */
uint64_t rival_load(void);                     /* the ns of a load */
void rival_unload(void);                       /* destroys the modules that were loaded since the last call */
int32_t rival_check(void);                     /* the result of run(3) */
int rival_first(char **arguments, rival_step_t *steps); /* the number of steps */
int rival_case(const char *name, int count, uint64_t *ns); /* times a case so often; -1: it has none by this name */
void rival_many(int count);                    /* creates and prepares so many instances */
int rival_other(int argc, char **argv);        /* what only this rival does; -1: nothing by this name */

uint64_t rival_now(void);                      /* CLOCK_MONOTONIC, in ns */
/* The cases beside loading. Each is timed by itself, with what comes before and after it left out. */
extern const char *const rival_cases[];        /* instantiate, prepared (instantiated and prepared), end, reset (a trap, and ready again),
                                                * stateless (the same without a reset), turn (a call of each of 1024 instances, each call's share) */
_Noreturn void rival_fail(const char *what, const char *why);

#endif
