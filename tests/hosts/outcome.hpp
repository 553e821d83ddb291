// What a life in a process of its own comes to.
#ifndef RTWASM_TEST_HOSTS_OUTCOME_HPP
#define RTWASM_TEST_HOSTS_OUTCOME_HPP

#include <cstdio>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

// How the process ended that lived, as waitpid tells it, and all that it wrote.
inline int outcome_of(const std::function<void()> &live, std::string &written) {
    int pipes[2];
    if (pipe(pipes) != 0) return -1;
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], 1);
        dup2(pipes[1], 2);
        close(pipes[0]);
        close(pipes[1]);
        live();
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

#endif
