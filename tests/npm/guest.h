/* A module from npm under test: opened with the names that it hides, called by these names, its memory read and written. */
#ifndef RTWASM_NPM_GUEST_H
#define RTWASM_NPM_GUEST_H

#include "../support/common.h"

/* An export: its real name, and the one that it has in the module. */
typedef struct alias_t {
    const char *name, *in_module;
} alias_t;

/* An import: its name in the module, and the function that answers it. The type is the import's own. */
typedef struct answer_t {
    const char *in_module;
    rtw_host_func_t func;
} answer_t;

/* A module: its name in the table of rows, its imports and exports, each list ending with a NULL, and what drives it. */
typedef struct npm_module_t {
    const char *name;
    const answer_t *answers;
    const alias_t *exports;
    uint32_t growth; /* RTW_GROWTH_... */
    void (*drive)(void);
} npm_module_t;
extern const npm_module_t npm_modules[];

extern rtw_instance_t *instance; /* the guest */

/* Calls an export by its real name, with arguments of its type: an int for each i32, a double for each f32 and f64. The test ends if
 * the call fails. */
rtw_value_t run(const char *name, ...);
/* Calls a function of the guest's table. `signature`: as of rtw_instance_table_func_dynamic. */
rtw_value_t run_entry(uint32_t entry, const char *signature, ...);
/* A place in the guest's memory. */
void *at(uint32_t address, size_t bytes);
float *floats_at(uint32_t address, size_t count);
/* Room in the guest's memory, from its malloc. */
uint32_t allocate(size_t bytes);
/* Prepares the instance: from here on it may not grow, if its growth is refused. */
void prepare(void);
/* The row of the table: the result in words, and the function whose median time is a block's. */
void report(const char *function, const char *result, ...) CHECK_FORMAT(2, 3);

/* Answers to imports. The guest's memory is grown as JavaScript would: until the instance is prepared, if its growth is refused. */
rtw_status_t resize_heap(void *data, rtw_instance_t *guest, rtw_value_t *values);
rtw_status_t copy_memory(void *data, rtw_instance_t *guest, rtw_value_t *values);
rtw_status_t fail_assertion(void *data, rtw_instance_t *guest, rtw_value_t *values);
rtw_status_t write_file(void *data, rtw_instance_t *guest, rtw_value_t *values);     /* fd_write: all is written */
rtw_status_t no_such_file(void *data, rtw_instance_t *guest, rtw_value_t *values);   /* WASI: EBADF */
rtw_status_t no_system_call(void *data, rtw_instance_t *guest, rtw_value_t *values); /* Emscripten: -ENOSYS */
rtw_status_t do_nothing(void *data, rtw_instance_t *guest, rtw_value_t *values);
rtw_status_t no_time(void *data, rtw_instance_t *guest, rtw_value_t *values);        /* an f64, 0 */

/* A ratio of amplitudes in dB. */
double decibels(double ratio);
/* The largest amplitude of what is left of a signal without its part of that frequency (in cycles a sample), relative to that part, in
 * dB. */
double residue_db(const float *signal, int count, double frequency);
/* The root of the mean square. */
double level(const float *signal, int count);
/* Noise between -1 and 1: the next number. */
float noise(uint32_t *state);
/* Cycles a sample, from the first to the last upward crossing of zero. */
double frequency_of(const float *signal, int count);

#endif
