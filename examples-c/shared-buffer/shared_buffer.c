/* A guest, its host and another process work in one buffer, without copies. See README.md. */
#include <rtwasm.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 65536, BLOCKS = 1000, FRAMES = 256, SAMPLES_AT = 4096 };

/* The beginning of the buffer: counts of blocks, by which the two processes hand the samples to each other. */
typedef struct counts_t {
    uint32_t sent; /* by the other process */
    uint32_t done; /* by the guest */
} counts_t;

static rtw_error_t err;

#define CHECK(call, why)                                                                          \
    do {                                                                                          \
        const rtw_status_t status_ = (call);                                                      \
        if (status_ != RTW_OK) {                                                                  \
            fprintf(stderr, "shared_buffer: %s: %s (%s)\n", #call, why, rtw_status_name(status_)); \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)
#define SETUP(call) CHECK(call, err.message)
#define REAL_TIME(call) CHECK(call, rtw_status_string(status_))

static void fail(const char *what)
{
    fprintf(stderr, "shared_buffer: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* The other process: sends blocks and looks at what comes back. It knows nothing of WebAssembly. */
static int other_process(int file)
{
    char *const shared = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) return 1;
    counts_t *const counts = (void *)shared;
    float *const samples = (void *)(shared + SAMPLES_AT);
    for (uint32_t block = 1; block <= BLOCKS; block++) {
        for (int i = 0; i < FRAMES; i++) samples[i] = (float)block;
        /* Release: who sees the count sees the samples. */
        __atomic_store_n(&counts->sent, block, __ATOMIC_RELEASE);
        while (__atomic_load_n(&counts->done, __ATOMIC_ACQUIRE) != block) sched_yield();
        for (int i = 0; i < FRAMES; i++) {
            if (samples[i] != 0.5f * (float)block) return 1;
        }
    }
    return 0;
}

/* A file of memory that nobody can shorten. */
static int make_buffer(void)
{
    const int file = memfd_create("shared buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 || ftruncate(file, BYTES) != 0 || fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) != 0) fail("a file of memory");
    return file;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s ARTIFACT.rtw\n", argv[0]);
        return 2;
    }
    const int file = make_buffer();
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with its parent */
        if (getppid() != parent) _exit(1); /* the parent had ended before, so no signal comes */
        _exit(other_process(file));
    }

    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *buffer, *buffer_bytes, *scale;
    SETUP(rtw_runtime_create(NULL, &runtime, &err));
    SETUP(rtw_module_load_file(runtime, argv[1], &module, &err));
    SETUP(rtw_instance_create(module, NULL, NULL, &instance, &err));
    SETUP(rtw_instance_func(instance, "buffer", "()->(i32)", &buffer, &err));
    SETUP(rtw_instance_func(instance, "buffer_bytes", "()->(i32)", &buffer_bytes, &err));
    SETUP(rtw_instance_func(instance, "scale", "(i32,i32,f32)->()", &scale, &err));
    SETUP(rtw_thread_attach(runtime, NULL, &err));

    /* The guest says which part of its memory it hands over; the file takes its place. */
    rtw_value_t values[3];
    REAL_TIME(rtw_invoke(buffer, values, 1));
    const uint32_t address = values[0].u32;
    REAL_TIME(rtw_invoke(buffer_bytes, values, 1));
    if (values[0].u32 < BYTES) return fprintf(stderr, "shared_buffer: the guest's buffer is too small\n"), 1;
    SETUP(rtw_instance_map(instance, NULL, address, BYTES, file, 0, 0, &err));
    SETUP(rtw_instance_prepare(instance, NULL, NULL, &err));

    counts_t *counts = rtw_instance_memory_at(instance, address, sizeof *counts);
    int status = 0;
    for (uint32_t block = 1; block <= BLOCKS; block++) {
        while (__atomic_load_n(&counts->sent, __ATOMIC_ACQUIRE) != block) {
            if (waitpid(child, &status, WNOHANG) != 0) return fprintf(stderr, "shared_buffer: the other process has ended\n"), 1;
            sched_yield(); /* a real-time thread would look again in its next period instead */
        }
        values[0].u32 = address + SAMPLES_AT, values[1].i32 = FRAMES, values[2].f32 = 0.5f;
        REAL_TIME(rtw_invoke(scale, values, 3));
        __atomic_store_n(&counts->done, block, __ATOMIC_RELEASE);
        if (block == BLOCKS / 2) {
            /* A new guest has the buffer as well. */
            SETUP(rtw_instance_reset(instance, &err));
            counts = rtw_instance_memory_at(instance, address, sizeof *counts);
        }
    }
    if (waitpid(child, &status, 0) != child || status != 0) return fprintf(stderr, "shared_buffer: the other process got something else\n"), 1;
    printf("%d blocks of %d samples: the other process wrote them, the guest halved them, the other process read them\n", BLOCKS, FRAMES);

    REAL_TIME(rtw_thread_detach(runtime, NULL));
    rtw_func_destroy(scale), rtw_func_destroy(buffer_bytes), rtw_func_destroy(buffer), rtw_instance_destroy(instance);
    rtw_module_destroy(module), rtw_runtime_destroy(runtime);
    return 0;
}
