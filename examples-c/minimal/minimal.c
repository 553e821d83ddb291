/* The smallest complete use of rtwasm: load an artifact, attach, prepare, call, print the statistics. See README.md. */
#include <rtwasm.h>
#include <stdio.h>
#include <stdlib.h>

static rtw_error_t err; /* what went wrong in the last [setup] call that failed */

#define CHECK(call, text, why)                                                               \
    do {                                                                                     \
        rtw_status_t status_ = (call);                                                       \
        if (status_ != RTW_OK) {                                                             \
            fprintf(stderr, "minimal: %s: %s (%s)\n", text, why, rtw_status_name(status_));  \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)
#define SETUP(call) CHECK(call, #call, err.message) /* setup functions explain themselves in `err` */
#define REAL_TIME(call) CHECK(call, #call, rtw_status_string(status_)) /* real-time ones return the status alone */

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s ARTIFACT.rtw\n", argv[0]);
        return 2;
    }
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *buffer, *gain;
    SETUP(rtw_runtime_create(NULL, &runtime, &err));
    SETUP(rtw_module_load_file(runtime, argv[1], &module, &err));
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.budget_ns = 100000000; /* a call that takes longer than 100 ms is cut off */
    SETUP(rtw_instance_create(module, NULL, &config, &instance, &err));
    SETUP(rtw_instance_func(instance, "buffer", "()->(i32)", &buffer, &err));
    SETUP(rtw_instance_func(instance, "gain", "(i32,i32,f32)->(i32)", &gain, &err));

    SETUP(rtw_thread_attach(runtime, NULL, &err)); /* from here on this is the real-time thread */
    SETUP(rtw_instance_prepare(instance, NULL, NULL, &err));
    rtw_value_t values[3];
    REAL_TIME(rtw_invoke(buffer, values, 1));
    const uint32_t block = values[0].u32;
    float *samples = rtw_instance_memory_at(instance, block, 256 * sizeof *samples);
    if (!samples) return fprintf(stderr, "minimal: the guest's buffer is outside its memory\n"), 1;
    for (int i = 0; i < 1000; i++) {
        for (int n = 0; n < 256; n++) samples[n] = 1.0f;
        values[0].u32 = block, values[1].i32 = 256, values[2].f32 = 0.5f;
        REAL_TIME(rtw_invoke(gain, values, 3));
    }
    rtw_func_stats_t stats;
    rtw_func_stats_init(&stats);
    REAL_TIME(rtw_func_stats(gain, &stats));
    printf("%d frames, the last one is %g\n", values[0].i32, samples[255]);
    printf("%llu calls: p50 %.0f ns, p99 %.0f ns, max %.0f ns\n", (unsigned long long)stats.call.count, stats.call.p50_ns, stats.call.p99_ns, stats.call.max_ns);

    REAL_TIME(rtw_thread_detach(runtime, NULL));
    rtw_func_destroy(gain), rtw_func_destroy(buffer), rtw_instance_destroy(instance);
    rtw_module_destroy(module), rtw_runtime_destroy(runtime);
}
