/* Drives one module from npm: host PROFILE ARTIFACTS NAME ROWS. With UNANSWERED in the environment, nothing answers its own imports. */
#include "guest.h"
#include "../support/row.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

rtw_instance_t *instance;

static const npm_module_t *driven;
static rtw_module_t *module;
static const char *rows;
static rtw_error_t err;

enum { MOST_FUNCS = 64, MOST_VALUES = 32 };
static struct bound_t {
    char name[96];
    const char *type;
    rtw_func_t *func;
} bound[MOST_FUNCS];
static int bound_count;

/* ---- calls ---- */

static const char *in_module(const char *name) {
    for (const alias_t *alias = driven->exports; alias != NULL && alias->name != NULL; alias++)
        if (strcmp(alias->name, name) == 0) return alias->in_module;
    return name;
}

static const char *type_of(const char *export_name) {
    rtw_extern_t found;
    for (size_t n = 0; rtw_module_export(module, n, &found) == RTW_OK; n++)
        if (found.kind == RTW_EXTERN_FUNC && strcmp(found.name, export_name) == 0) return found.ty;
    NEED(false, "%s exports no function %s", driven->name, export_name);
}

static struct bound_t *bound_as(const char *name) {
    for (int n = 0; n < bound_count; n++)
        if (strcmp(bound[n].name, name) == 0) return &bound[n];
    NEED(bound_count < MOST_FUNCS, "too many functions");
    struct bound_t *made = &bound[bound_count++];
    snprintf(made->name, sizeof made->name, "%s", name);
    return made;
}

/* The arguments of a type, such as "(i32,f64)->()". */
static size_t read_arguments(const char *type, rtw_value_t *values, va_list arguments) {
    size_t count = 0;
    for (const char *at_type = type + 1; *at_type != ')'; at_type += at_type[3] == ',' ? 4 : 3, count++) {
        NEED(count < MOST_VALUES, "too many arguments");
        if (strncmp(at_type, "i32", 3) == 0) values[count].i32 = va_arg(arguments, int);
        else if (strncmp(at_type, "f32", 3) == 0) values[count].f32 = (float)va_arg(arguments, double);
        else if (strncmp(at_type, "f64", 3) == 0) values[count].f64 = va_arg(arguments, double);
        else NEED(false, "%s: an argument of another type", type);
    }
    return strstr(type, "->()") == NULL && count == 0 ? 1 : count;
}

static void must_work(rtw_status_t status, const char *name) {
    if (status == RTW_OK) return;
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    rtw_instance_fault(instance, &fault, &err);
    NEED(false, "%s of %s: %s: %s", name, driven->name, rtw_status_name(status), fault.message);
}

rtw_value_t run(const char *name, ...) {
    struct bound_t *callee = bound_as(name);
    if (callee->func == NULL) callee->type = type_of(in_module(name)), callee->func = look_up(instance, in_module(name), NULL);
    rtw_value_t values[MOST_VALUES] = {{0}};
    va_list arguments;
    va_start(arguments, name);
    const size_t count = read_arguments(callee->type, values, arguments);
    va_end(arguments);
    must_work(rtw_invoke(callee->func, values, count), name);
    return values[0];
}

rtw_value_t run_entry(uint32_t entry, const char *signature, ...) {
    struct bound_t *callee = bound_as(signature);
    if (callee->func == NULL)
        require(rtw_instance_table_func_dynamic(instance, NULL, signature, &callee->func, &err), &err, "entries of type %s", signature);
    rtw_value_t values[MOST_VALUES] = {{0}};
    va_list arguments;
    va_start(arguments, signature);
    const size_t count = read_arguments(signature, values, arguments);
    va_end(arguments);
    must_work(rtw_invoke_entry(callee->func, entry, values, count), signature);
    return values[0];
}

void *at(uint32_t address, size_t bytes) {
    void *place = rtw_instance_memory_at(instance, address, bytes);
    NEED(place != NULL, "%s: no memory at %u", driven->name, address);
    return place;
}

float *floats_at(uint32_t address, size_t count) { return at(address, count * sizeof(float)); }

uint32_t allocate(size_t bytes) {
    const uint32_t address = run("malloc", (int)bytes).u32;
    NEED(address != 0, "%s has no memory", driven->name);
    return address;
}

void prepare(void) { prepare_instance(instance); }

void report(const char *function, const char *result, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, result);
    vsnprintf(text, sizeof text, result, arguments);
    va_end(arguments);
    struct bound_t *measured = bound_as(function);
    NEED(measured->func != NULL, "%s was not called", function);
    const rtw_func_stats_t stats = stats_of_func(measured->func);
    check(stats.call.count > 0, "%s has times", function);
    check(add_row(rows, driven->name, profile_name, module, text, stats.call.p50_ns), "a row of the table");
}

/* ---- answers ---- */

rtw_status_t resize_heap(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data;
    rtw_memory_view_t memory;
    const rtw_status_t status = rtw_instance_memory(guest, NULL, &memory, NULL);
    if (status != RTW_OK) return status;
    const uint64_t wanted = values[0].u32;
    const uint64_t pages = wanted <= memory.size_bytes ? 0 : (wanted - memory.size_bytes + 65535) / 65536;
    values[0].i32 = rtw_instance_memory_grow(guest, NULL, pages, NULL, NULL) == RTW_OK;
    return RTW_OK;
}

rtw_status_t copy_memory(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data;
    const size_t bytes = values[2].u32;
    void *to = rtw_instance_memory_at(guest, values[0].u32, bytes), *from = rtw_instance_memory_at(guest, values[1].u32, bytes);
    if (to == NULL || from == NULL) return RTW_ERR_BOUNDS;
    memmove(to, from, bytes);
    return RTW_OK;
}

rtw_status_t fail_assertion(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data, (void)guest, (void)values;
    return RTW_ERR_ABORTED;
}

rtw_status_t write_file(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data;
    uint32_t written = 0;
    for (uint32_t n = 0; n < values[2].u32; n++) {
        const uint32_t *part = rtw_instance_memory_at(guest, values[1].u32 + n * 8, 8);
        if (part == NULL) return RTW_ERR_BOUNDS;
        written += part[1];
    }
    uint32_t *count = rtw_instance_memory_at(guest, values[3].u32, 4);
    if (count == NULL) return RTW_ERR_BOUNDS;
    *count = written;
    values[0].i32 = 0;
    return RTW_OK;
}

rtw_status_t no_such_file(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data, (void)guest;
    values[0].i32 = 8;
    return RTW_OK;
}

rtw_status_t no_system_call(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data, (void)guest;
    values[0].i32 = -ENOSYS;
    return RTW_OK;
}

rtw_status_t do_nothing(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data, (void)guest, (void)values;
    return RTW_OK;
}

rtw_status_t no_time(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data, (void)guest;
    values[0].f64 = 0;
    return RTW_OK;
}

/* ---- signals ---- */

double decibels(double ratio) { return 20 * log10(ratio); }

double residue_db(const float *signal, int count, double frequency) {
    /* Least squares of a sine and a cosine. */
    double ss = 0, cc = 0, sc = 0, xs = 0, xc = 0;
    for (int n = 0; n < count; n++) {
        const double s = sin(2 * M_PI * frequency * n), c = cos(2 * M_PI * frequency * n), x = (double)signal[n];
        ss += s * s, cc += c * c, sc += s * c, xs += x * s, xc += x * c;
    }
    const double determinant = ss * cc - sc * sc, a = (xs * cc - xc * sc) / determinant, b = (xc * ss - xs * sc) / determinant;
    double largest = 0;
    for (int n = 0; n < count; n++) {
        const double rest = fabs((double)signal[n] - a * sin(2 * M_PI * frequency * n) - b * cos(2 * M_PI * frequency * n));
        largest = rest > largest || isnan(rest) ? rest : largest;
    }
    return decibels(largest / hypot(a, b));
}

double level(const float *signal, int count) {
    double sum = 0;
    for (int n = 0; n < count; n++) sum += (double)signal[n] * (double)signal[n];
    return sqrt(sum / count);
}

float noise(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1;
}

double frequency_of(const float *signal, int count) {
    double first = -1, last = -1;
    int crossings = 0;
    for (int n = 1; n < count; n++) {
        if (signal[n - 1] >= 0 || signal[n] < 0) continue;
        last = n - 1 + (double)signal[n - 1] / ((double)signal[n - 1] - (double)signal[n]);
        first = crossings++ == 0 ? last : first;
    }
    return crossings < 2 ? 0 : (crossings - 1) / (last - first);
}

/* ---- */

static void provide(rtw_imports_t *imports) {
    rtw_extern_t import;
    for (size_t n = 0; rtw_module_import(module, n, &import) == RTW_OK; n++) {
        const answer_t *answer = driven->answers;
        while (answer != NULL && answer->in_module != NULL && strcmp(answer->in_module, import.name) != 0) answer++;
        if (answer == NULL || answer->in_module == NULL) continue;
        const rtw_status_t status = rtw_imports_func(imports, import.module, import.name, import.ty, answer->func, NULL, NULL, 0, &err);
        require(status, &err, "%s is provided", import.name);
    }
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    NEED(argc == 5, "usage: %s PROFILE ARTIFACTS NAME ROWS", argv[0]);
    rows = argv[4];
    for (driven = npm_modules; driven->name != NULL && strcmp(driven->name, argv[3]) != 0; driven++) {}
    NEED(driven->name != NULL, "no module is called %s", argv[3]);
    rtw_runtime_t *runtime = make_runtime();
    module = load(runtime, driven->name);
    rtw_imports_t *imports;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    require(rtw_imports_libm(imports, &err), &err, "mathematics");
    require(rtw_imports_wasi(imports, NULL, &err), &err, "WASI");
    require(rtw_imports_stubs(imports, RTW_STUBS_TRAP, &err), &err, "stubs"); /* an import that nobody provides, and that is called, is named */
    if (getenv("UNANSWERED") == NULL) provide(imports);
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.growth = driven->growth;
    require(rtw_instance_create(module, imports, &config, &instance, &err), &err, "an instance");
    attach_here(runtime);
    driven->drive();
    for (int n = 0; n < bound_count; n++) rtw_func_destroy(bound[n].func);
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
