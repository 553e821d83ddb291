#include "guest.h"

rtw_runtime_t *open_runtime(uint32_t memory_lock, uint64_t guest_stack_bytes)
{
    rtw_error_t err;
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.profile = profile;
    config.memory_lock = memory_lock;
    config.guest_stack_bytes = guest_stack_bytes;
    rtw_runtime_t *runtime;
    OK(rtw_runtime_create(&config, &runtime, &err), err);
    return runtime;
}

rtw_module_t *load(rtw_runtime_t *runtime, const char *guest)
{
    rtw_error_t err;
    rtw_module_t *module;
    OK(rtw_module_load_file(runtime, artifact_path(guest), &module, &err), err);
    return module;
}

rtw_instance_t *open_instance(rtw_module_t *module, rtw_imports_t *imports, const rtw_instance_config_t *config)
{
    rtw_error_t err;
    rtw_instance_t *instance;
    OK(rtw_instance_create(module, imports, config, &instance, &err), err);
    return instance;
}

rtw_func_t *look_up(rtw_instance_t *instance, const char *name)
{
    rtw_error_t err;
    rtw_func_t *func;
    OK(rtw_instance_func(instance, name, NULL, &func, &err), err);
    return func;
}

rtw_status_t call_i32(rtw_instance_t *instance, const char *name, int32_t a, int32_t b, int32_t *result)
{
    rtw_value_t values[2] = {{.i32 = a}, {.i32 = b}};
    rtw_func_t *func = look_up(instance, name);
    const rtw_status_t status = rtw_invoke(func, values, 2);
    rtw_func_destroy(func);
    if (result)
        *result = values[0].i32;
    return status;
}

void attach(rtw_runtime_t *runtime)
{
    rtw_error_t err;
    OK(rtw_thread_attach(runtime, NULL, &err), err);
}

void prepare(rtw_instance_t *instance)
{
    rtw_error_t err;
    OK(rtw_instance_prepare(instance, NULL, NULL, &err), err);
}
