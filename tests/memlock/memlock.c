/* A host that locks all it maps, in a process that may not lock much: `memlock PROFILE ARTIFACT LOCK`.
 * Prints the status of making an instance, and calls it where there is one. */
#define _GNU_SOURCE
#include <rtwasm.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static rtw_error_t err;

static void must(rtw_status_t status, const char *what)
{
    if (status == RTW_OK) return;
    printf("%s: %s: %s\n", what, rtw_status_name(status), err.message);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = strcmp(argv[1], "plugin") == 0 ? RTW_PROFILE_PLUGIN : RTW_PROFILE_STANDALONE;
    config.memory_lock = (uint32_t)atoi(argv[3]);
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *add;
    must(rtw_runtime_create(&config, &runtime, &err), "runtime");
    must(rtw_module_load_file(runtime, argv[2], &module, &err), "module");
    if (mlockall(MCL_FUTURE) != 0) {
        perror("mlockall");
        return 2;
    }
    must(rtw_instance_create(module, NULL, NULL, &instance, &err), "instance");
    must(rtw_instance_func(instance, "add", "(i32,i32)->(i32)", &add, &err), "func");
    must(rtw_thread_attach(runtime, NULL, &err), "attach");
    rtw_prepare_report_t report;
    rtw_prepare_report_init(&report);
    must(rtw_instance_prepare(instance, NULL, &report, &err), "prepare");
    rtw_value_t values[2] = {{.i32 = 2}, {.i32 = 3}};
    must(rtw_invoke(add, values, 2), "invoke");
    must(rtw_thread_detach(runtime, NULL), "detach");
    printf("2 + 3 = %d, locked %u\n", values[0].i32, report.locked);
    return 0;
}
