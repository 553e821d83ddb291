/* Restrictions of a host's surroundings: memory that becomes executable, /proc, writing to file systems, system calls. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

static void no_executable_memory(void *data) {
    (void)data;
    rtw_runtime_t *runtime = make_runtime();
    if (prctl(PR_SET_MDWE, 1ul, 0ul, 0ul, 0ul) != 0) {
        check(errno == EINVAL, "PR_SET_MDWE is not there: kernel before 6.3");
        return;
    }
    rtw_module_t *module;
    rtw_error_t err;
    rtw_module_load_file(runtime, artifact_path("states"), &module, &err);
    check_error(&err, RTW_ERR_PERMISSION, "PR_SET_MDWE", "load where memory may not become executable: refused, with the cause");
    check(err.os_error == EACCES, "and with its errno, %d", err.os_error);
    check(module == NULL, "and without a module");
    rtw_runtime_destroy(runtime);
}

/* Everything is opened before, so that only the library can miss /proc. */
static void life_without_proc(void *data) {
    const bool main_thread = data == NULL;
    if (main_thread) {
        char empty[] = "/tmp/rtwasm-root-XXXXXX";
        if (mkdtemp(empty) == NULL) check(false, "a folder");
        char file[4096], copy[4200];
        snprintf(file, sizeof file, "%s", artifact_path("states"));
        snprintf(copy, sizeof copy, "cp '%s' %s/states.%s.rtw", file, empty, profile_name);
        check(system(copy) == 0, "the artifact is in it");
        if (chroot(empty) != 0 || chdir("/") != 0) {
            check(false, "chroot: %s", strerror(errno));
            return;
        }
        artifacts = "";
        check(access("/proc/self/maps", R_OK) != 0, "there is no /proc");
    }
    life_t life = begin_life(NULL, NULL, 20000000);
    ready(&life);
    check(whole(&life, "without /proc", true) == 0, "%s thread: attach, calls, traps, budgets without /proc", main_thread ? "main" : "another");
    rtw_error_t err;
    rtw_host_report_t *report = NULL;
    check(rtw_host_check(NULL, &report, &err) == RTW_OK, "rtw_host_check without /proc and /sys: %s", err.message);
    rtw_host_report_destroy(report);
    rtw_thread_detach(life.guest.runtime, NULL);
    end_life(&life);
}

static void *in_thread(void *data) {
    life_without_proc(data);
    return NULL;
}

static void without_proc(void *data) {
    (void)data;
    life_without_proc(NULL);
    pthread_t thread;
    int other = 1;
    pthread_create(&thread, NULL, in_thread, &other);
    pthread_join(thread, NULL);
}

/* The stack that is found without /proc is not more than there is: a guest that recurses without end is stopped in it. */
static void deep_without_proc(void *data) {
    without_proc(data);
}

static void read_only(void *data) {
    (void)data;
    /* The folder may be on a file system of its own. */
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount(artifacts, artifacts, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, artifacts, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0 || mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0) {
        check(false, "a read-only file system: %s", strerror(errno));
        return;
    }
    char path[4200];
    snprintf(path, sizeof path, "%s/refused.json", artifacts);
    check(open(path, O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS, "the file system is read-only");
    life_t life = begin_life(NULL, NULL, 20000000);
    ready(&life);
    check(whole(&life, "read-only", true) == 0, "a read-only file system changes nothing for calls");
    rtw_func_t *add = look_up(life.guest.instance, "add", NULL);
    rtw_error_t err;
    rtw_export_config_t to;
    rtw_export_config_init(&to);
    to.path = path;
    rtw_func_export(add, &to, NULL, &err);
    check_error(&err, RTW_ERR_IO, path, "an export to it is refused, with the path");
    check(err.os_error == EROFS, "and with EROFS: %d", err.os_error);
    rtw_func_destroy(add);
    end_life(&life);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    check_in_child("no memory that becomes executable", no_executable_memory, NULL);
    check_in_child("no /proc", deep_without_proc, NULL);
    check_in_child("read-only file systems", read_only, NULL);
    return check_summary();
}
