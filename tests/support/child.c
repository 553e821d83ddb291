#include "child.h"
#include "start.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef UNDER_VALGRIND
#include <valgrind/valgrind.h>
#endif

/* Shared with children: what they have to say. */
enum { NOTE_BYTES = 512 };
static char *shared_note;

/* Before there is a child. Lines are written whole, or children would write what their parent has buffered. */
__attribute__((constructor)) static void share(void) {
    shared_note = mmap(NULL, NOTE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(shared_note != MAP_FAILED, "mmap: %s", strerror(errno));
    setvbuf(stdout, NULL, _IOLBF, 0);
}

/* `output` is where a child writes instead of to its standard output and standard error; negative: it does not. */
static pid_t start(void (*body)(void *), void *data, int output) {
    fflush(stdout);
    const pid_t child = fork();
    NEED(child >= 0, "fork: %s", strerror(errno));
    if (child != 0) return child;
#ifdef UNDER_VALGRIND
    /* The parent's other threads are not there, so whatever only their stacks point to would count as lost. */
    VALGRIND_CLO_CHANGE("--leak-check=no");
#endif
    if (output >= 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
    }
    body(data);
    fflush(stdout);
    _exit(0);
}

static int end_of(pid_t child) {
    int status = 0;
    NEED(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
    return status;
}

int status_of_child(void (*body)(void *), void *data) { return end_of(start(body, data, -1)); }

child_t begin_child(void (*body)(void *), void *data) {
    FILE *file = tmpfile();
    NEED(file != NULL, "a file for a child's output: %s", strerror(errno));
    return (child_t){start(body, data, fileno(file)), file};
}

int end_child(child_t child, char *text, size_t room) {
    const int status = end_of(child.process);
    rewind(child.output);
    text[fread(text, 1, room - 1, child.output)] = '\0';
    fclose(child.output);
    return status;
}

int output_of_child(void (*body)(void *), void *data, char *text, size_t room) { return end_child(begin_child(body, data), text, room); }

void note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(shared_note, NOTE_BYTES, format, arguments);
    va_end(arguments);
}

const char *remark(void) { return shared_note; }

typedef struct try_t {
    trial_t trial;
    void *data;
} try_t;

static void make_trial(void *data) {
    const try_t *what = data;
    if (!what->trial(what->data)) _exit(1);
}

bool in_child(trial_t trial, void *data) {
    shared_note[0] = 0;
    try_t what = {trial, data};
    const int status = status_of_child(make_trial, &what);
    if (WIFSIGNALED(status)) {
        const size_t used = strlen(shared_note);
        snprintf(shared_note + used, NOTE_BYTES - used, "%sended by signal %d (%s)", used != 0 ? "; " : "", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
