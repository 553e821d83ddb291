/* A first program against an installed rtwasm; C and C++. consumer ARTIFACT: prints version and sum. */
#include <rtwasm.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    rtw_error_t err;
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *add;
    rtw_value_t values[2];
    if (argc != 2) return 2;
    if (rtw_runtime_create(NULL, &runtime, &err) || rtw_module_load_file(runtime, argv[1], &module, &err)
        || rtw_instance_create(module, NULL, NULL, &instance, &err)
        || rtw_instance_func(instance, "add", "(i32,i32)->(i32)", &add, &err) || rtw_thread_attach(runtime, NULL, &err))
        return fprintf(stderr, "%s\n", err.message), 1;
    values[0].i32 = 40;
    values[1].i32 = 2;
    if (rtw_invoke(add, values, 2)) return 1;
    printf("%s: 40 + 2 = %d\n", rtw_version_string(), (int)values[0].i32);
    rtw_thread_detach(runtime, NULL);
    rtw_func_destroy(add);
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return 0;
}
