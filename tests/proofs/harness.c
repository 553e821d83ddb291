#include "harness.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

uint32_t profile;
const char *profile_name;
const char *folder;
const char *mode = "";

/* Shared with children: what they have to say. */
static char *shared_note;
enum { NOTE_BYTES = 512 };

void read_command_line(int argc, char **argv)
{
    NEED(argc >= 3, "usage: %s standalone|plugin FOLDER [MODE]", argv[0]);
    profile_name = argv[1];
    folder = argv[2];
    if (argc > 3)
        mode = argv[3];
    const bool plugin = strcmp(profile_name, "plugin") == 0;
    NEED(plugin || strcmp(profile_name, "standalone") == 0, "no profile is called %s", profile_name);
    profile = plugin ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    shared_note = mmap(NULL, NOTE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(shared_note != MAP_FAILED, "mmap: %s", strerror(errno));
    setvbuf(stdout, NULL, _IOLBF, 0);
}

planted_t caught(bool found) { return found ? PLANTED_CAUGHT : PLANTED_MISSED; }

void row(const char *promise, const char *how, uint64_t calls, bool holds, planted_t planted, const char *format, ...)
{
    static const char *const words[] = {"no", "yes", "-"};
    char text[NOTE_BYTES + 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *at = text; *at; at++)
        if (*at == '\t' || *at == '\n')
            *at = ' ';
    printf("row\t%s\t%s\t%" PRIu64 "\t%s\t%s\t%s\t%s\n", promise, how, calls, profile_name, holds ? "kept" : "BROKEN",
           words[planted], text);
}

void give_up(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
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

void *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    NEED(file, "%s: %s", path, strerror(errno));
    size_t have = 0, room = 1 << 16;
    char *bytes = malloc(room);
    for (;;) {
        NEED(bytes, "no memory for %s", path);
        const size_t got = fread(bytes + have, 1, room - have, file);
        if (got == 0)
            break;
        have += got;
        if (have == room)
            bytes = realloc(bytes, room *= 2);
    }
    NEED(!ferror(file), "%s cannot be read", path);
    fclose(file);
    *length = have;
    return bytes;
}

const char *artifact_path(const char *guest)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s.rtw", folder, guest, profile_name);
    return path;
}

void note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(shared_note, NOTE_BYTES, format, arguments);
    va_end(arguments);
}

const char *remark(void) { return shared_note; }

bool in_child(trial_t trial, void *data)
{
    shared_note[0] = 0;
    fflush(stdout);
    const pid_t child = fork();
    NEED(child >= 0, "fork: %s", strerror(errno));
    if (child == 0)
        _exit(trial(data) ? 0 : 1);
    int status;
    NEED(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
    if (WIFSIGNALED(status)) {
        const size_t used = strlen(shared_note);
        snprintf(shared_note + used, NOTE_BYTES - used, "%sended by signal %d (%s)", used ? "; " : "", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
