/* Imports that the host did not write: the library's own mathematics, stubs, and the list of what is missing. */
#include "../support/common.h"

#include <math.h>
#include <string.h>

static rtw_runtime_t *runtime;
static rtw_module_t *module;
static rtw_error_t err;

static rtw_imports_t *new_imports(void) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    return imports;
}

static rtw_instance_t *with(rtw_imports_t *imports) {
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(module, imports, NULL, &instance, &err), &err, "instance");
    return instance;
}

static rtw_status_t own_sine(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance;
    values[0].f32 = 42;
    return RTW_OK;
}

static void missing_ones(void) {
    rtw_imports_t *imports = new_imports();
    uint32_t indices[16];
    size_t count = 99;
    check_status(rtw_imports_missing(NULL, module, indices, 16, &count, &err), RTW_ERR_IMPORT_MISSING, "rtw_imports_missing");
    check(count == 13 && indices[0] == 0 && indices[12] == 12, "all are missing without a list");
    check(strstr(err.message, "13 imports were not provided") && strstr(err.message, "\"env\" \"sinf\" (f32)->(f32)"), "they are counted and named");
    check(strstr(err.message, " more") != NULL && strlen(err.message) < sizeof err.message - 1, "the rest is counted");
    rtw_instance_t *none = NULL;
    check_status(rtw_instance_create(module, imports, NULL, &none, &err), RTW_ERR_IMPORT_MISSING, "rtw_instance_create");
    check(strstr(err.message, "13 imports were not provided") != NULL, "creation says the same");

    require(rtw_imports_libm(imports, &err), &err, "libm");
    check_status(rtw_imports_missing(imports, module, indices, 2, &count, &err), RTW_ERR_IMPORT_MISSING, "rtw_imports_missing");
    rtw_extern_t import;
    check(count == 6 && rtw_module_import(module, indices[0], &import) == RTW_OK && strcmp(import.name, "fd_prestat_get") == 0,
           "libm is provided; the first index is the first that is not");
    check_status(rtw_imports_missing(imports, module, NULL, 0, &count, &err), RTW_ERR_IMPORT_MISSING, "rtw_imports_missing");
    check(count == 6, "they can be counted alone");

    require(rtw_imports_func(imports, "env", "sinf", "(f64)->(f64)", own_sine, NULL, NULL, 0, &err), &err, "sinf");
    check_status(rtw_imports_missing(imports, module, NULL, 0, &count, &err), RTW_ERR_IMPORT_TYPE, "rtw_imports_missing");
    check(count == 7 && strstr(err.message, "and was provided as (f64)->(f64); 6 more") != NULL, "a wrong type is told");

    require(rtw_imports_func(imports, "env", "sinf", "(f32)->(f32)", own_sine, NULL, NULL, 0, &err), &err, "sinf");
    require(rtw_imports_stubs(imports, RTW_STUBS_TRAP, &err), &err, "stubs");
    check_status(rtw_imports_missing(imports, module, NULL, 0, &count, &err), RTW_OK, "rtw_imports_missing");
    check(count == 0 && err.message[0] == 0, "with stubs nothing is missing");
    rtw_instance_t *instance = with(imports);
    rtw_value_t value = {.f32 = 1};
    check_status(call(instance, "sinf", &value, 1), RTW_OK, "sinf");
    check(value.f32 == 42, "the host's own function comes first");
    rtw_instance_destroy(instance);

    check_status(rtw_imports_missing(imports, NULL, NULL, 0, &count, &err), RTW_ERR_NULL, "rtw_imports_missing");
    check_status(rtw_imports_missing(imports, module, NULL, 1, &count, &err), RTW_ERR_NULL, "rtw_imports_missing");
    check_status(rtw_imports_missing(imports, module, indices, 1, NULL, &err), RTW_ERR_NULL, "rtw_imports_missing");
    check_status(rtw_imports_stubs(imports, 7, &err), RTW_ERR_ARGUMENT, "rtw_imports_stubs");
    check_status(rtw_imports_stubs(NULL, RTW_STUBS_TRAP, &err), RTW_ERR_NULL, "rtw_imports_stubs");
    check_status(rtw_imports_libm(NULL, &err), RTW_ERR_NULL, "rtw_imports_libm");
    rtw_imports_destroy(imports);
}

static void mathematics(void) {
    rtw_imports_t *imports = new_imports();
    require(rtw_imports_libm(imports, &err), &err, "libm");
    require(rtw_imports_stubs(imports, RTW_STUBS_TRAP, &err), &err, "stubs");
    rtw_instance_t *instance = with(imports);
    rtw_imports_destroy(imports);
    int wrong = 0;
    for (int n = 0; n < 1000; n++) {
        float x = 0.37f * (float)n - 100;
        rtw_value_t values[2] = {{.f32 = x}};
        float expected = sinf(x);
        if (call(instance, "sinf", values, 1) != RTW_OK || memcmp(&values[0].f32, &expected, 4) != 0) wrong++;
        values[0].f32 = x + 100, values[1].f32 = 1.25f;
        expected = powf(x + 100, 1.25f);
        if (call(instance, "powf", values, 2) != RTW_OK || memcmp(&values[0].f32, &expected, 4) != 0) wrong++;
        values[0].f64 = 0.1 + n;
        double expected_log = lgamma(0.1 + n);
        if (call(instance, "lgamma", values, 1) != RTW_OK || memcmp(&values[0].f64, &expected_log, 8) != 0) wrong++;
        values[0].f64 = x;
        if (call(instance, "lround", values, 1) != RTW_OK || values[0].i32 != (int32_t)lround(x)) wrong++;
        values[0].f64 = x, values[1].f64 = 0.3 * n;
        double expected_length = hypot(x, 0.3 * n);
        if (call(instance, "hypot", values, 2) != RTW_OK || memcmp(&values[0].f64, &expected_length, 8) != 0) wrong++;
        values[0].f32 = x, values[1].f32 = 7;
        expected = hypotf(x, 7);
        if (call(instance, "hypotf", values, 2) != RTW_OK || memcmp(&values[0].f32, &expected, 4) != 0) wrong++;
    }
    check(wrong == 0, "the results are those of the host's libm, to the bit");
    rtw_value_t values[2] = {{.f64 = 48}, {.i32 = 1024}};
    check_status(call(instance, "frexp", values, 2), RTW_OK, "frexp");
    int32_t *exponent = rtw_instance_memory_at(instance, 1024, 4);
    check(values[0].f64 == 0.75 && *exponent == 6, "a result through a pointer is in the guest's memory");
    values[0].f64 = 48, values[1].i32 = -1;
    check_status(call(instance, "frexp", values, 2), RTW_OK, "frexp");
    check(values[0].f64 == 0.75, "a pointer out of bounds is not followed");
    rtw_instance_destroy(instance);
}

static void stubs(void) {
    rtw_imports_t *imports = new_imports();
    require(rtw_imports_stubs(imports, RTW_STUBS_TRAP, &err), &err, "stubs");
    rtw_instance_t *instance = with(imports);
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    rtw_value_t value = {.i32 = 5};
    check_status(call(instance, "nobody", NULL, 0), RTW_ERR_STUB, "nobody");
    require(rtw_instance_fault(instance, &fault, &err), &err, "fault");
    check(fault.status == RTW_ERR_STUB && strstr(fault.message, "\"env\" \"nobody_has_this\"") != NULL, "the fault names the import");
    check_status(call(instance, "prestat", &value, 1), RTW_ERR_FAULTED, "prestat");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    check_status(call(instance, "prestat", &value, 1), RTW_ERR_STUB, "prestat");
    rtw_instance_destroy(instance);

    require(rtw_imports_stubs(imports, RTW_STUBS_LIBC, &err), &err, "stubs");
    instance = with(imports);
    check_status(call(instance, "prestat", &value, 1), RTW_OK, "prestat");
    check(value.i32 == 8, "EBADF of a file");
    check_status(call(instance, "shutdown", &value, 1), RTW_OK, "shutdown");
    check(value.i32 == 52, "ENOSYS of a socket");
    check_status(call(instance, "openat", &value, 1), RTW_OK, "openat");
    check(value.i32 == -52, "-ENOSYS of a system call");
    value.i32 = 0;
    check_status(call(instance, "exit", &value, 1), RTW_OK, "exit");
    check(value.i32 == 0, "an exit with 0 is a success, with results of 0");
    require(rtw_instance_fault(instance, &fault, &err), &err, "fault");
    check(fault.status == RTW_ERR_EXITED && fault.host_status == 0, "the guest has ended all the same");
    check_status(call(instance, "prestat", &value, 1), RTW_ERR_FAULTED, "prestat");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    value.i32 = 3;
    check_status(call(instance, "exit", &value, 1), RTW_ERR_EXITED, "exit");
    require(rtw_instance_fault(instance, &fault, &err), &err, "fault");
    check(fault.host_status == 3 && strstr(fault.message, "(3)") != NULL, "its code is told");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    check_status(call(instance, "abort", NULL, 0), RTW_ERR_ABORTED, "abort");
    require(rtw_instance_reset(instance, &err), &err, "reset");
    check_status(call(instance, "nobody", NULL, 0), RTW_ERR_STUB, "nobody");
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    attach_here(runtime);
    module = load(runtime, "imports");
    missing_ones();
    mathematics();
    stubs();
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
