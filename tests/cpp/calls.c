/* Calls a guest's function a number of times, in C and (compiled as C++ with -DCPP) through rtwasm.hpp: what a call takes is compared in
 * instructions. */
#ifdef CPP
#include <rtwasm.hpp>
#else
#include <rtwasm.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const char *artifact;
static long count;

/* On a thread of its own: under valgrind the main thread's stack is not where the system says. */
static int calls(void)
{
    int sum = 0;
#ifdef CPP
    const auto runtime = rtwasm::runtime::create();
    const auto module = runtime.load_file(artifact);
    auto imports = rtwasm::imports::create();
    imports.func("env", "mix", [](float a, double b) noexcept { return double(a) * b; });
    imports.func("env", "note", [](std::int32_t) noexcept {});
    imports.func("env", "first", [](std::int32_t number) noexcept { return number; });
    const auto instance = module.instance(imports);
    const auto add = instance.func<std::int32_t(std::int32_t, std::int32_t)>("add");
    const auto attached = runtime.attach();
    for (long i = 0; i < count; i++) {
        const auto result = add(sum, 3);
#ifdef PLANTED
        static std::string kept;
        kept = std::to_string(i);
#endif
        if (!result) return 1;
        sum = *result;
    }
#else
    rtw_runtime_t *runtime;
    rtw_module_t *module;
    rtw_imports_t *imports;
    rtw_instance_t *instance;
    rtw_func_t *add;
    if (rtw_runtime_create(NULL, &runtime, NULL) != RTW_OK) return 1;
    if (rtw_module_load_file(runtime, artifact, &module, NULL) != RTW_OK) return 1;
    if (rtw_imports_create(&imports, NULL) != RTW_OK) return 1;
    extern rtw_status_t host(void *, rtw_instance_t *, rtw_value_t *);
    if (rtw_imports_func(imports, "env", "mix", "(f32,f64)->(f64)", host, NULL, NULL, 0, NULL) != RTW_OK) return 1;
    if (rtw_imports_func(imports, "env", "note", "(i32)->()", host, NULL, NULL, 0, NULL) != RTW_OK) return 1;
    if (rtw_imports_func(imports, "env", "first", "(i32)->(i32)", host, NULL, NULL, 0, NULL) != RTW_OK) return 1;
    if (rtw_instance_create(module, imports, NULL, &instance, NULL) != RTW_OK) return 1;
    if (rtw_instance_func(instance, "add", "(i32,i32)->(i32)", &add, NULL) != RTW_OK) return 1;
    if (rtw_thread_attach(runtime, NULL, NULL) != RTW_OK) return 1;
    for (long i = 0; i < count; i++) {
        rtw_value_t values[2];
        values[0].i32 = sum, values[1].i32 = 3;
        if (rtw_invoke(add, values, 2) != RTW_OK) return 1;
        sum = values[0].i32;
    }
#endif
    printf("%d\n", sum);
    return 0;
}

static void *run(void *failed)
{
    *(int *)failed = calls();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int failed = 1;
    if (argc != 3) return 2;
    artifact = argv[1], count = atol(argv[2]);
    if (pthread_create(&thread, NULL, run, &failed) != 0 || pthread_join(thread, NULL) != 0) return 2;
    return failed;
}

#ifndef CPP
rtw_status_t host(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
{
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}
#endif
