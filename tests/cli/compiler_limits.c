/*
 * The statuses of rtw_compile for hostile and huge modules, on a thread with the smallest stack there is: a status
 * that names the limit, an artifact, or what is wrong with the module; never the end of the process.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/check.h"
#include "rtwasm_compiler.h"

static void told(bool holds, const char *what, const char *message) {
    check(holds, "%s", what);
    if (!holds) printf("    %s\n", message);
}

/* ---- a text or a module that grows */

static char *bytes;
static size_t length, room;

static void add(const void *more, size_t count) {
    if (length + count > room) {
        room = 2 * (length + count);
        bytes = realloc(bytes, room);
        if (bytes == NULL) abort();
    }
    memcpy(bytes + length, more, count);
    length += count;
}

static void text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void text(const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    add(line, (size_t)count);
}

static void repeated(const char *part, size_t times) {
    for (size_t i = 0; i < times; i++) add(part, strlen(part));
}

static void number(size_t value) {
    do {
        unsigned char byte = value & 0x7f;
        value >>= 7;
        if (value != 0) byte |= 0x80;
        add(&byte, 1);
    } while (value != 0);
}

/* A module of one function ()->() with this body after its locals, in binary form. */
static void module_of(const char *body, size_t body_length) {
    static char *copy;
    copy = malloc(body_length);
    if (copy == NULL) abort();
    memcpy(copy, body, body_length);
    length = 0;
    add("\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0", 18);
    size_t sized = 1 + body_length;
    size_t section = 1 + (size_t)(sized < 128 ? 1 : sized < 16384 ? 2 : sized < 2097152 ? 3 : 4) + sized;
    add("\x0a", 1);
    number(section);
    add("\1", 1);
    number(sized);
    add("\0", 1);
    add(copy, body_length);
    free(copy);
}

/* ---- compiling on a small stack */

typedef struct {
    rtw_compile_options_t options;
    rtw_status_t status;
    rtw_error_t err;
} job_t;

static void *compile(void *data) {
    job_t *job = data;
    void *artifact = NULL;
    size_t artifact_length = 0;
    job->status = rtw_compile(bytes, length, &job->options, &artifact, &artifact_length, &job->err);
    rtw_compile_free(artifact, artifact_length);
    return NULL;
}

static job_t job;

/* Compiles what was made last. */
static rtw_status_t answer(void) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    /* Static TLS and the C library's own use come off it. */
    pthread_attr_setstacksize(&small, (size_t)PTHREAD_STACK_MIN + 48 * 1024);
    pthread_t thread;
    if (pthread_create(&thread, &small, compile, &job) != 0) abort();
    pthread_join(thread, NULL);
    pthread_attr_destroy(&small);
    return job.status;
}

static void defaults(uint32_t interruption) {
    rtw_compile_options_init(&job.options);
    job.options.interruption = interruption;
    length = 0;
}

static void limited(const char *part, const char *what) {
    rtw_status_t status = answer();
    told(status == RTW_ERR_LIMIT && strstr(job.err.message, part) != NULL, what, job.err.message);
}

static void compiles(const char *what) {
    told(answer() == RTW_OK, what, job.err.message);
}

static void nested(size_t depth) {
    repeated("\2\x40", depth); /* block */
    repeated("\x0b", depth + 1);
    module_of(bytes, length);
}

static void answered(const char *what) {
    switch (answer()) {
    case RTW_OK:
    case RTW_ERR_WASM:
    case RTW_ERR_LIMIT:
    case RTW_ERR_UNSUPPORTED: told(true, what, ""); break;
    default: told(false, what, job.err.message);
    }
}

static void with(uint32_t interruption) {
    defaults(interruption);
    nested(100000);
    limited("max_nesting", "100,000 blocks inside each other");
    defaults(interruption);
    nested(9999);
    compiles("as many as may be");
    defaults(interruption);
    text("(module (func ");
    repeated("(block ", 5000);
    repeated(")", 5000);
    text("))");
    answered("5,000 blocks inside each other in text form");
    defaults(interruption);
    repeated("(", 1000000);
    answered("a million open parentheses");
    defaults(interruption);
    text("(module (func (drop ");
    repeated("(i32.eqz ", 200000);
    text("(i32.const 1)");
    repeated(")", 200000);
    text(")))");
    answered("200,000 folded instructions inside each other");
    defaults(interruption);
    text("(module (func (param i32) (block (br_table ");
    repeated("0 ", 100000);
    text("(local.get 0)))))");
    answered("a br_table of 100,000 entries");
    defaults(interruption);
    text("(module (func (param ");
    repeated("i64 ", 1000);
    text(") (result ");
    repeated("i64 ", 1000);
    text(") ");
    for (int i = 0; i < 1000; i++) text("(local.get %d)", i);
    text("))");
    answered("a thousand parameters and results");
    defaults(interruption);
    text("(module (func (local ");
    repeated("i32 ", 49000);
    text(")))");
    compiles("49,000 locals");
    defaults(interruption);
    text("(module ");
    repeated("(func)", 50000);
    text(")");
    compiles("50,000 functions");
}

int main(void) {
    defaults(RTW_COMPILE_INTERRUPTION_GUARD);
    with(RTW_COMPILE_INTERRUPTION_GUARD);
    with(RTW_COMPILE_INTERRUPTION_NONE);

    defaults(RTW_COMPILE_INTERRUPTION_GUARD);
    text("(module (func) (func (local i32 i32) (block (block (nop)))))");
    compiles("a module inside every limit");
    job.options.max_module_bytes = 20;
    limited("max_module_bytes", "max_module_bytes");
    job.options.max_module_bytes = 0;
    job.options.max_functions = 1;
    limited("max_functions", "max_functions");
    job.options.max_functions = 2;
    compiles("as many functions as may be");
    job.options.max_nesting = 1;
    limited("max_nesting", "max_nesting");
    job.options.max_nesting = 2;
    compiles("as many blocks as may be");
    job.options.max_locals = 1;
    limited("max_locals", "max_locals");
    job.options.max_locals = 2;
    compiles("as many locals as may be");
    job.options.max_locals = 50001;
    told(answer() == RTW_ERR_ARGUMENT, "more locals than there may be", job.err.message);
    job.options.max_locals = 0;
    job.options.max_branches = 1;
    limited("max_branches", "max_branches");
    told(strstr(job.err.message, "function 1") != NULL, "the function is named", job.err.message);
    job.options.max_branches = 2;
    compiles("as many branches as may be");
    job.options.max_branches = 0;
    job.options.max_function_bytes = 5;
    limited("max_function_bytes", "max_function_bytes");
    told(strstr(job.err.message, "function 1") != NULL, "the function is named", job.err.message);
    job.options.max_function_bytes = 0;
    compiles("the same with the defaults");

    /* The causes of the code generator's time, at the default limits and beyond them. */
    defaults(RTW_COMPILE_INTERRUPTION_GUARD);
    text("(module (func) (func (param i32) ");
    repeated("(block (br_if 0 (local.get 0)))", 125001);
    text("))");
    limited("max_branches", "more branches than by default");
    defaults(RTW_COMPILE_INTERRUPTION_GUARD);
    text("(module (func) (func (result i32) (i32.const 0)");
    repeated("(i32.add (i32.const -2147483648))", 350000);
    text("))");
    limited("max_function_bytes", "a function of more than 2 MiB");

    defaults(RTW_COMPILE_INTERRUPTION_GUARD);
    text("(module ");
    for (int i = 0; i < 20000; i++) text("(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const %d)))", i);
    text(")");
    job.options.max_time_ms = 1;
    limited("max_time_ms", "max_time_ms");
    job.options.max_time_ms = 0;
    compiles("the same with time");
    free(bytes);
    return check_summary();
}
