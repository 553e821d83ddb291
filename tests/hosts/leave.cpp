// Host functions that do not return: a C++ exception, pthread_exit, a cancellation. The process ends with one line that names the
// function, in a start function and in a call that a host function makes, too.
extern "C" {
#include "common.h"
}

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <csignal>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace {

enum Way { THROW, EXIT, CANCEL, RETURN };
Way way;
int depth;
rtw_func_t *inner;

rtw_status_t leave(void *, rtw_instance_t *, rtw_value_t *values) {
    if (depth-- > 0) {
        rtw_value_t nested[1] = {};
        return rtw_invoke(inner, nested, 1);
    }
    switch (way) {
    case THROW: throw 42;
    case EXIT: pthread_exit(nullptr);
    case CANCEL:
        pthread_cancel(pthread_self());
        pthread_testcancel();
        break;
    case RETURN: values[0].i32 = 7; break;
    }
    return RTW_OK;
}

void *run(void *) {
    life_t life = begin_life(leave, nullptr, 0);
    ready(&life);
    inner = look_up(life.guest.instance, "visit", nullptr);
    rtw_value_t values[1] = {};
    try {
        rtw_invoke(inner, values, 1);
    } catch (int) {
        std::puts("caught behind the guest");
    }
    std::printf("%d\n", values[0].i32);
    return nullptr;
}

// How the process ended, and all that it wrote.
int outcome(Way how, int deep, std::string &written) {
    int pipes[2];
    if (pipe(pipes) != 0) return -1;
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], 1);
        dup2(pipes[1], 2);
        close(pipes[0]);
        close(pipes[1]);
        way = how;
        depth = deep;
        pthread_t thread;
        pthread_create(&thread, nullptr, run, nullptr);
        pthread_join(thread, nullptr);
        std::fflush(stdout);
        _exit(0);
    }
    close(pipes[1]);
    char part[512];
    ssize_t length;
    written.clear();
    while ((length = read(pipes[0], part, sizeof part)) > 0) written.append(part, static_cast<size_t>(length));
    close(pipes[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

void ends(Way how, int deep, const char *what) {
    std::string written;
    const int status = outcome(how, deep, written);
    const char *const line = "rtwasm: the host function \"env\" \"visit\" was left by an exception, by pthread_exit or because the thread "
                             "was cancelled, which cannot pass through a guest; the process ends\n";
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && written == line, "%s: the process ends with one line that names the function", what);
    if (written != line) std::printf("    status %#x: %s\n", static_cast<unsigned>(status), written.c_str());
}

} // namespace

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    ends(THROW, 0, "a C++ exception leaves a host function");
    ends(EXIT, 0, "pthread_exit in a host function");
    ends(CANCEL, 0, "a cancellation in a host function");
    ends(THROW, 3, "a C++ exception in a call from a host function");
    ends(CANCEL, 3, "a cancellation in a call from a host function");
    std::string written;
    check(outcome(RETURN, 0, written) == 0 && written == "7\n", "twin: one that returns ends nothing");
    return check_summary();
}
