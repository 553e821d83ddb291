/* Prints all that a host can see of an artifact, then what its functions do: interface, sizes, and for calls with many
 * arguments how they end, what they answer, where they trap, and what the memories then hold. Two artifacts of one module print the same,
 * whatever was done to the code so that it can be cut off.
 *   outline standalone|plugin ARTIFACT */
#include "../support/common.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CALLS = 12, VALUES = 16, MOST_MEMORY = 1 << 26 };

static rtw_error_t err;

static uint64_t hash_of(const void *data, uint64_t length) {
    const unsigned char *bytes = data;
    uint64_t hash = 14695981039346656037u;
    for (uint64_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

/* ---- what it says of itself ---- */

static void print_info(const rtw_runtime_t *runtime, const char *path) {
    size_t length = 0;
    unsigned char *bytes = read_file(path, &length);
    rtw_module_info_t info;
    rtw_module_info_init(&info);
    require(rtw_module_probe(runtime, bytes, length, &info, &err), &err, "probe %s", path);
    free(bytes);
    printf("%u imports, %u exports, %u functions, %" PRIu64 " bytes of source, memory %" PRIu64 " to %" PRIu64 " bytes\n", info.import_count,
           info.export_count, info.function_count, info.source_bytes, info.memory_min_bytes, info.memory_max_bytes);
}

static void print_externs(const rtw_module_t *module, const char *what,
                          rtw_status_t (*get)(const rtw_module_t *module, size_t index, rtw_extern_t *out)) {
    rtw_extern_t found;
    size_t index = 0;
    for (; get(module, index, &found) == RTW_OK; index++)
        printf("%s %zu: kind %u \"%s\" \"%s\" %s\n", what, index, found.kind, found.module, found.name, found.ty);
    printf("%zu of kind %s\n", index, what);
}

/* ---- imports: functions whose answers depend on nothing but their number of calls ---- */

static unsigned host_calls;

static rtw_status_t answer(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)instance;
    const size_t *results = user_data;
    for (size_t i = 0; i < *results; i++) {
        memset(&values[i], 0, sizeof values[i]);
        values[i].u32 = host_calls % 3;
    }
    host_calls++;
    return RTW_OK;
}

static size_t count_types(const char *list) {
    size_t count = list[1] != ')';
    for (; *list != ')'; list++) count += *list == ',';
    return count;
}

static rtw_imports_t *make_imports(const rtw_module_t *module) {
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    rtw_extern_t import;
    for (size_t i = 0; rtw_module_import(module, i, &import) == RTW_OK; i++) {
        if (import.kind != RTW_EXTERN_FUNC || strstr(import.ty, "ref") != NULL) continue;
        size_t *results = malloc(sizeof *results); /* for as long as the process */
        if (results == NULL) exit(2);
        *results = count_types(strstr(import.ty, "->") + 2);
        require(rtw_imports_func(imports, import.module, import.name, import.ty, answer, results, NULL, 0, &err), &err, "import %s", import.name);
    }
    return imports;
}

/* ---- calls ---- */

static uint32_t next_random(void) {
    static uint32_t state = 1;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* Small numbers mostly: they are lengths, counts and addresses, and calls have to end. */
static void fill_argument(rtw_value_t *value, const char *type) {
    static const int32_t numbers[] = {0, 1, 2, 3, 7, 8, 48, 100, 255, 1000, 4096, 44100, 65535, 65536, -1};
    int32_t number = numbers[next_random() % (sizeof numbers / sizeof numbers[0])];
    memset(value, 0, sizeof *value);
    if (strncmp(type, "f32", 3) == 0)
        value->f32 = (float)number / 16;
    else if (strncmp(type, "f64", 3) == 0)
        value->f64 = (double)number / 1000;
    else if (strncmp(type, "i64", 3) == 0)
        value->i64 = number;
    else
        value->i32 = number;
}

static void print_value(const rtw_value_t *value, const char *type) {
    size_t bytes = type[0] == 'v' ? 16 : (size_t)(type[1] - '0') * 10 + (size_t)(type[2] - '0') == 64 ? 8 : 4;
    printf(" ");
    for (size_t i = bytes; i-- > 0;) printf("%02x", value->v128[i]);
}

static void print_memories(const rtw_module_t *module, rtw_instance_t *instance) {
    rtw_extern_t export;
    for (size_t i = 0; rtw_module_export(module, i, &export) == RTW_OK; i++) {
        if (export.kind != RTW_EXTERN_MEMORY) continue;
        rtw_memory_view_t view;
        require(rtw_instance_memory(instance, export.name, &view, &err), &err, "memory %s", export.name);
        if (view.size_bytes > MOST_MEMORY) exit(2);
        printf("memory %s: %" PRIu64 " bytes, hash %016" PRIx64 "\n", export.name, view.size_bytes, hash_of(view.base, view.size_bytes));
    }
    rtw_memory_view_t view;
    rtw_status_t status = rtw_instance_memory(instance, NULL, &view, NULL);
    printf("default memory: %s, %" PRIu64 " bytes\n", rtw_status_name(status), status == RTW_OK ? view.size_bytes : 0);
}

/* The message of an error names exports. */
static void print_refusal(rtw_instance_t *instance) {
    rtw_func_t *func = NULL;
    rtw_memory_view_t view;
    rtw_status_t status = rtw_instance_func(instance, "no such export", NULL, &func, &err);
    printf("%s: %s\n", rtw_status_name(status), err.message);
    status = rtw_instance_memory(instance, "no such export", &view, &err);
    printf("%s: %s\n", rtw_status_name(status), err.message);
}

static void print_fault(rtw_instance_t *instance) {
    rtw_fault_t fault;
    rtw_fault_init(&fault);
    if (rtw_instance_fault(instance, &fault, NULL) != RTW_OK) return;
    printf("    fault %s in function %" PRId32 " \"%s\"", rtw_status_name(fault.status), fault.function_index, fault.function_name);
    /* The stack ends at a function's entry, which is no instruction. */
    if (fault.status != RTW_ERR_TRAP_STACK) printf(" at offset %" PRId64, fault.wasm_offset);
    printf("\n");
}

/* The function that is being called. */
static char called[64];

/* Names the function that does not end, and ends the program. */
static void too_late(int number) {
    (void)number;
    const char text[] = "does not end by itself: ";
    if (write(2, text, sizeof text - 1) < 0 || write(2, called, strlen(called)) < 0 || write(2, "\n", 1) < 0) _exit(4);
    _exit(3);
}

static void print_call(rtw_instance_t *instance, const rtw_extern_t *export) {
    rtw_func_t *func = look_up(instance, export->name, NULL);
    rtw_value_t values[VALUES];
    memset(values, 0, sizeof values);
    const char *type = export->ty;
    size_t params = count_types(type), results = count_types(strstr(type, "->") + 2);
    if (params > VALUES || results > VALUES) exit(2);
    type++;
    for (size_t i = 0; i < params; i++, type += strcspn(type, ",)") + 1) fill_argument(&values[i], type);
    snprintf(called, sizeof called, "%s", export->name);
    alarm(100);
    rtw_status_t status = rtw_invoke(func, values, VALUES);
    alarm(0);
    printf("%s: %s", export->name, rtw_status_name(status));
    type = strstr(export->ty, "->") + 3;
    for (size_t i = 0; status == RTW_OK && i < results; i++, type += strcspn(type, ",)") + 1) print_value(&values[i], type);
    printf("\n");
    rtw_func_destroy(func);
    if (status == RTW_OK) return;
    print_fault(instance);
    printf("    reset: %s\n", rtw_status_name(rtw_instance_reset(instance, NULL)));
}

/* False for the functions that never end by themselves, since one run has no budget, and for functions that take or return references. */
static bool is_to_be_called(const rtw_extern_t *export) {
    return strcmp(export->name, "wait") != 0 && strcmp(export->name, "for_ever") != 0 && strstr(export->ty, "ref") == NULL;
}

int main(int argc, char **argv) {
    signal(SIGALRM, too_late);
    read_command_line(argc, argv);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    rtw_runtime_t *runtime = make_runtime();
    rtw_module_t *module = NULL;
    require(rtw_module_load_file(runtime, artifacts, &module, &err), &err, "load %s", artifacts);
    print_info(runtime, artifacts);
    print_externs(module, "import", rtw_module_import);
    print_externs(module, "export", rtw_module_export);

    rtw_imports_t *imports = make_imports(module);
    rtw_instance_t *instance = NULL;
    rtw_status_t status = rtw_instance_create(module, imports, NULL, &instance, &err);
    printf("instance: %s %s\n", rtw_status_name(status), err.message);
    if (status == RTW_OK) {
        require(rtw_thread_attach(runtime, NULL, &err), &err, "attach");
        require(rtw_instance_prepare(instance, NULL, NULL, &err), &err, "prepare");
        print_refusal(instance);
        print_memories(module, instance);
        for (int turn = 0; turn < CALLS; turn++) {
            rtw_extern_t export;
            for (size_t i = 0; rtw_module_export(module, i, &export) == RTW_OK; i++)
                if (export.kind == RTW_EXTERN_FUNC && is_to_be_called(&export)) print_call(instance, &export);
            print_memories(module, instance);
        }
        require(rtw_thread_detach(runtime, &err), &err, "detach");
    }
    rtw_instance_destroy(instance);
    rtw_imports_destroy(imports);
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return 0;
}
