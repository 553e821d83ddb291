/* The statuses of rtw_module_load_file for paths that lead to something else than an artifact. The bytes read are counted by the
 * kernel, in /proc/self/io. */
#include "../support/common.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static rtw_runtime_t *runtime;

static const char *path_of(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/files.%s.%s", artifacts, profile_name, name);
    return path;
}

/* Bytes that this process has read so far. */
static unsigned long long bytes_read(void) {
    unsigned long long count = 0;
    FILE *file = fopen("/proc/self/io", "r");
    if (file != NULL) {
        if (fscanf(file, "rchar: %llu", &count) != 1) count = 0;
        fclose(file);
    }
    return count;
}

/* The load is refused with that status and words, and reads next to nothing. */
static void check_refused(const char *path, rtw_status_t expected, int os_error, const char *part, const char *what) {
    rtw_error_t err;
    rtw_module_t *module = (rtw_module_t *)(void *)&profile;
    unsigned long long before = bytes_read();
    check_status(rtw_module_load_file(runtime, path, &module, &err), expected, "%s", what);
    unsigned long long read_now = bytes_read() - before;
    check(read_now < 20000, "%s: %llu bytes are read", what, read_now);
    check_error(&err, expected, part, "%s: the message says \"%s\"", what, part);
    check_error(&err, expected, path, "%s: the message names the path", what);
    check(err.os_error == os_error, "%s: os_error is %d", what, err.os_error);
    check(module == NULL, "%s: *out is NULL", what);
}

/* A file that begins so, and is made that long. */
static const char *long_file(const char *name, const void *bytes, size_t length, off_t whole) {
    const char *path = path_of(name);
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    check(file >= 0 && write(file, bytes, length) == (ssize_t)length && ftruncate(file, whole) == 0, "%s can be made", name);
    close(file);
    return path;
}

static void test_what_is_no_file(void) {
    /* Not among the artifacts: not every file system has pipes. */
    char path[64];
    snprintf(path, sizeof path, "/tmp/rtwasm-fifo-%ld", (long)getpid());
    check(mkfifo(path, 0600) == 0, "a pipe can be made");
    check_refused(path, RTW_ERR_IO, EINVAL, "a pipe", "a pipe that nobody writes to");
    int writer = open(path, O_RDWR);
    check_refused(path, RTW_ERR_IO, EINVAL, "a pipe", "a pipe that somebody could write to");
    close(writer);
    unlink(path);

    check_refused("/dev/zero", RTW_ERR_IO, EINVAL, "a device", "a device");
    check_refused(artifacts, RTW_ERR_IO, EISDIR, "a directory", "a directory");

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/rtwasm-%ld.socket", (long)getpid());
    int socket_file = socket(AF_UNIX, SOCK_STREAM, 0);
    check(bind(socket_file, (struct sockaddr *)&address, sizeof address) == 0, "a socket can be made");
    check_refused(address.sun_path, RTW_ERR_IO, EINVAL, "a socket", "a socket");
    unlink(address.sun_path);
    close(socket_file);
}

static void test_length(void) {
    size_t length;
    unsigned char *bytes = read_file(artifact_path("calls"), &length);
    const off_t GIB = (off_t)1 << 30;

    const char *path = long_file("sparse", "", 0, 5 * GIB);
    check_refused(path, RTW_ERR_NOT_ARTIFACT, 0, "first bytes", "5 GiB of nothing");
    unlink(path);
    path = long_file("trailing", bytes, length, 3 * GIB);
    check_refused(path, RTW_ERR_ARTIFACT, 0, "bytes follow", "an artifact with 3 GiB behind it");
    unlink(path);
    path = long_file("one_more", bytes, length, (off_t)length + 1);
    check_refused(path, RTW_ERR_ARTIFACT, 0, "1 bytes follow", "an artifact with a byte behind it");
    unlink(path);
    path = long_file("short", bytes, length, (off_t)length - 1);
    check_refused(path, RTW_ERR_TRUNCATED, 0, "ends at byte", "an artifact that lacks a byte");
    unlink(path);
    /* The header speaks of more than there can be. */
    unsigned char header[64];
    memcpy(header, bytes, sizeof header);
    memset(header + 16, 0xff, 8);
    path = long_file("endless", header, sizeof header, 3 * GIB);
    check_refused(path, RTW_ERR_TRUNCATED, 0, "ends at byte", "a header that speaks of more than there can be");
    unlink(path);

    /* The count of what is read does count. */
    path = long_file("whole", bytes, length, (off_t)length);
    unsigned long long before = bytes_read();
    rtw_module_t *module = NULL;
    check_status(rtw_module_load_file(runtime, path, &module, NULL), RTW_OK, "a file as long as it says");
    /* Loading leaves out the sections that it does not need. */
    check(bytes_read() - before >= length / 2, "the larger part of its %zu bytes is counted", length);
    rtw_module_destroy(module);
    char link[4200];
    snprintf(link, sizeof link, "%s.link", path);
    unlink(link);
    check(symlink(strrchr(path, '/') + 1, link) == 0, "a link can be made");
    check_status(rtw_module_load_file(runtime, link, &module, NULL), RTW_OK, "a link to it");
    rtw_module_destroy(module);
    unlink(link);
    unlink(path);
    free(bytes);
}

static bool stop;
static unsigned char *content;
static size_t content_length;

/* Cuts the file off and writes it again, until told to stop. */
static void *shrink(void *path) {
    int file = open(path, O_WRONLY);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        if (ftruncate(file, (off_t)content_length / 2) != 0) break;
        if (pwrite(file, content, content_length, 0) != (ssize_t)content_length) break;
    }
    close(file);
    return NULL;
}

/* A file that shrinks and grows while it is read: it loads whole, or not at all. */
static void test_changing(void) {
    content = read_file(artifact_path("calls"), &content_length);
    char path[4096];
    snprintf(path, sizeof path, "%s", long_file("changing", content, content_length, (off_t)content_length));
    pthread_t thread;
    if (pthread_create(&thread, NULL, shrink, path) != 0) {
        check(false, "changing: a thread");
        return;
    }
    unsigned whole = 0, refused = 0, other = 0;
    for (int i = 0; i < 500; i++) {
        rtw_module_t *module = NULL;
        switch (rtw_module_load_file(runtime, path, &module, NULL)) {
        case RTW_OK: whole++; break;
        case RTW_ERR_TRUNCATED:
        case RTW_ERR_DIGEST: refused++; break;
        default: other++; break;
        }
        rtw_module_destroy(module);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    check(other == 0 && whole + refused == 500, "changing: %u times whole, %u times refused", whole, refused);
    unlink(path);
    free(content);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    test_what_is_no_file();
    test_length();
    test_changing();
    rtw_runtime_destroy(runtime);
    return check_summary();
}
