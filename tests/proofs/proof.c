#include "proof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *mode = "";

void begin_proof(int argc, char **argv)
{
    read_command_line(argc, argv);
    if (argc > 3)
        mode = argv[3];
}

planted_t caught(bool found) { return found ? PLANTED_CAUGHT : PLANTED_MISSED; }

void row(const char *promise, const char *how, uint64_t calls, bool holds, planted_t planted, const char *format, ...)
{
    static const char *const words[] = {"no", "yes", "-"};
    char text[576];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *at = text; *at; at++)
        if (*at == '\t' || *at == '\n')
            *at = ' ';
    check(holds && planted != PLANTED_MISSED, "%s (%s)%s%s%s", promise, how, holds ? "" : ": ", holds ? "" : text,
          planted == PLANTED_MISSED ? " [the planted violation was not caught]" : "");
    printf("row\t%s\t%s\t%" PRIu64 "\t%s\t%s\t%s\n", promise, how, calls, profile_name, holds ? "kept" : "BROKEN", words[planted]);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    if (!text || !*text)
        return otherwise;
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    NEED(!errno && !*end && number >= 100, "%s is \"%s\": a number of at least 100 is wanted", name, text);
    return number;
}

uint64_t proof_calls(void) { return from_environment("PROOF_CALLS", 10000000); }
uint64_t proof_faults(void) { return from_environment("PROOF_FAULTS", 100000); }
