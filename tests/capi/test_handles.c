/* Every function that takes a handle, with NULL, a handle of each other kind, a stale one, a misaligned one and memory that
 * is no handle at all. */
#include "../support/common.h"

#include <stdlib.h>
#include <string.h>

enum kind { RUNTIME, MODULE, IMPORTS, INSTANCE, FUNC, REPORT, KINDS };
static const char *const kind_names[KINDS] = {"runtime", "module", "imports", "instance", "func", "report"};

static unsigned char *bytes;
static size_t length;
static void *live[KINDS];

/* The outputs of every function that could succeed by mistake. */
static union {
    rtw_module_t *module;
    rtw_instance_t *instance;
    rtw_func_t *func;
} out;
static rtw_error_t err;

static rtw_status_t host_nothing(void *user_data, rtw_instance_t *instance, rtw_value_t *values) {
    (void)user_data, (void)instance, (void)values;
    return RTW_OK;
}

/* One wrapper a function: the handle under test, everything else right. */
static rtw_status_t probe(void *h) { return rtw_module_probe(h, bytes, length, NULL, &err); }
static rtw_status_t load_bytes(void *h) { return rtw_module_load(h, bytes, length, &out.module, &err); }
static rtw_status_t load_from_file(void *h) { return rtw_module_load_file(h, artifact_path("calls"), &out.module, &err); }
static rtw_status_t attach(void *h) { return rtw_thread_attach(h, NULL, &err); }
static rtw_status_t detach(void *h) { return rtw_thread_detach(h, &err); }
static rtw_status_t module_export(void *h) {
    rtw_extern_t one;
    return rtw_module_export(h, 0, &one);
}
static rtw_status_t module_import(void *h) {
    rtw_extern_t one;
    return rtw_module_import(h, 0, &one);
}
static rtw_status_t instance_of_module(void *h) { return rtw_instance_create(h, NULL, NULL, &out.instance, &err); }
static rtw_status_t add_import(void *h) { return rtw_imports_func(h, "env", "f", "()->()", host_nothing, NULL, NULL, 0, &err); }
static rtw_status_t instance_with_imports(void *h) { return rtw_instance_create(live[MODULE], h, NULL, &out.instance, &err); }
static rtw_status_t memory(void *h) {
    rtw_memory_view_t view;
    return rtw_instance_memory(h, NULL, &view, &err);
}
static rtw_status_t global_get(void *h) {
    rtw_value_t value;
    return rtw_instance_global_get(h, "g_i32", &value, &err);
}
static rtw_status_t global_set(void *h) {
    rtw_value_t value = {0};
    return rtw_instance_global_set(h, "g_i32", &value, &err);
}
static rtw_status_t reset(void *h) { return rtw_instance_reset(h, &err); }
static rtw_status_t fault(void *h) {
    rtw_fault_t what;
    rtw_fault_init(&what);
    return rtw_instance_fault(h, &what, &err);
}
static rtw_status_t find_func(void *h) { return rtw_instance_func(h, "nothing", NULL, &out.func, &err); }
static rtw_status_t prepare(void *h) { return rtw_instance_prepare(h, NULL, NULL, &err); }
static rtw_status_t prepare_func(void *h) {
    rtw_dry_call_t dry = {h, NULL, 0, 1, 0};
    rtw_prepare_config_t config;
    rtw_prepare_config_init(&config);
    config.dry_calls = &dry;
    config.dry_call_count = 1;
    return rtw_instance_prepare(live[INSTANCE], &config, NULL, &err);
}
static rtw_status_t invoke(void *h) { return rtw_invoke(h, NULL, 0); }
static rtw_status_t stats(void *h) {
    rtw_func_stats_t figures;
    rtw_func_stats_init(&figures);
    return rtw_func_stats(h, &figures);
}
static rtw_status_t stats_reset(void *h) { return rtw_func_stats_reset(h); }
static rtw_status_t buckets(void *h) {
    size_t count;
    return rtw_func_buckets(h, NULL, 0, &count);
}
static rtw_status_t report_finding(void *h) {
    rtw_host_finding_t finding;
    rtw_host_finding_init(&finding);
    return rtw_host_report_finding(h, 0, &finding);
}
static rtw_status_t report_verdict(void *h) {
    uint32_t verdict;
    return rtw_host_report_verdict(h, RTW_HOST_CLASS_ALL, &verdict);
}

static const struct {
    const char *name;
    enum kind kind;
    rtw_status_t (*call)(void *);
    bool may_be_null, has_error;
} functions[] = {
    {"rtw_module_probe", RUNTIME, probe, true, true},
    {"rtw_module_load", RUNTIME, load_bytes, false, true},
    {"rtw_module_load_file", RUNTIME, load_from_file, false, true},
    {"rtw_thread_attach", RUNTIME, attach, false, true},
    {"rtw_thread_detach", RUNTIME, detach, false, true},
    {"rtw_module_export", MODULE, module_export, false, false},
    {"rtw_module_import", MODULE, module_import, false, false},
    {"rtw_instance_create", MODULE, instance_of_module, false, true},
    {"rtw_imports_func", IMPORTS, add_import, false, true},
    {"rtw_instance_create (imports)", IMPORTS, instance_with_imports, true, true},
    {"rtw_instance_memory", INSTANCE, memory, false, true},
    {"rtw_instance_global_get", INSTANCE, global_get, false, true},
    {"rtw_instance_global_set", INSTANCE, global_set, false, true},
    {"rtw_instance_reset", INSTANCE, reset, false, true},
    {"rtw_instance_fault", INSTANCE, fault, false, true},
    {"rtw_instance_func", INSTANCE, find_func, false, true},
    {"rtw_instance_prepare", INSTANCE, prepare, false, true},
    {"rtw_instance_prepare (dry call)", FUNC, prepare_func, false, true},
    {"rtw_invoke", FUNC, invoke, false, false},
    {"rtw_func_stats", FUNC, stats, false, false},
    {"rtw_func_stats_reset", FUNC, stats_reset, false, false},
    {"rtw_func_buckets", FUNC, buckets, false, false},
    {"rtw_host_report_finding", REPORT, report_finding, false, false},
    {"rtw_host_report_verdict", REPORT, report_verdict, false, false},
};

static void destroy(enum kind kind, void *handle) {
    switch (kind) {
        case RUNTIME: rtw_runtime_destroy(handle); break;
        case MODULE: rtw_module_destroy(handle); break;
        case IMPORTS: rtw_imports_destroy(handle); break;
        case INSTANCE: rtw_instance_destroy(handle); break;
        case FUNC: rtw_func_destroy(handle); break;
        case REPORT: rtw_host_report_destroy(handle); break;
        case KINDS: break;
    }
}

static void make_live(void) {
    live[RUNTIME] = make_runtime();
    attach_here(live[RUNTIME]);
    live[MODULE] = load(live[RUNTIME], "calls");
    rtw_imports_t *imports = NULL;
    require(rtw_imports_create(&imports, &err), &err, "imports");
    live[IMPORTS] = imports;
    rtw_instance_t *instance = NULL;
    require(rtw_instance_create(live[MODULE], imports, NULL, &instance, &err), &err, "an instance");
    live[INSTANCE] = instance;
    live[FUNC] = look_up(instance, "nothing", NULL);
    rtw_host_config_t host;
    rtw_host_config_init(&host);
    host.root = "."; /* nothing to read there, which is quick */
    rtw_host_report_t *report = NULL;
    require(rtw_host_check(&host, &report, &err), &err, "a report");
    live[REPORT] = report;
}

/* All functions of a kind with one wrong handle. */
static void check_all(enum kind kind, void *handle, rtw_status_t expected, const char *what) {
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (functions[i].kind != kind || (handle == NULL && functions[i].may_be_null)) continue;
        memset(&err, 0x7f, sizeof err);
        memset(&out, 0, sizeof out);
        check_status(functions[i].call(handle), expected, "%s: %s", functions[i].name, what);
        if (functions[i].has_error)
            check_error(&err, expected, kind_names[kind], "%s: %s: the message names the argument", functions[i].name, what);
    }
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    bytes = read_file(artifact_path("calls"), &length);
    make_live();
    uint64_t *blank = calloc(1024, sizeof *blank);
    uint64_t *noise = malloc(1024 * sizeof *noise);
    memset(noise, 0xee, 1024 * sizeof *noise);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        check_all(kind, NULL, RTW_ERR_NULL, "NULL");
        for (enum kind other = 0; other < KINDS; other++)
            if (other != kind) check_all(kind, live[other], RTW_ERR_HANDLE, kind_names[other]);
        for (int shift = 1; shift < 8; shift++)
            check_all(kind, (char *)live[kind] + shift, RTW_ERR_HANDLE, "misaligned");
        check_all(kind, blank, RTW_ERR_HANDLE, "memory full of zeros");
        check_all(kind, noise, RTW_ERR_HANDLE, "memory full of noise");
        check_all(kind, (void *)1, RTW_ERR_HANDLE, "the address 1");
    }
    check(rtw_instance_memory_at(NULL, 0, 0) == NULL, "rtw_instance_memory_at: NULL");
    check(rtw_instance_memory_at(live[MODULE], 0, 0) == NULL, "rtw_instance_memory_at: a module");
    check(rtw_instance_memory_at((void *)((char *)live[INSTANCE] + 4), 0, 0) == NULL, "rtw_instance_memory_at: misaligned");
    check(rtw_module_export_count(live[INSTANCE]) == 0, "rtw_module_export_count: an instance");
    check(rtw_module_import_count((void *)((char *)live[MODULE] + 1)) == 0, "rtw_module_import_count: misaligned");
    check(rtw_host_report_count(live[FUNC]) == 0, "rtw_host_report_count: a func");

    /* Destroying what is not theirs does nothing. */
    for (enum kind kind = 0; kind < KINDS; kind++) {
        destroy(kind, NULL);
        destroy(kind, blank);
        destroy(kind, (char *)live[kind] + 1);
        for (enum kind other = 0; other < KINDS; other++)
            if (other != kind) destroy(kind, live[other]);
    }
    check_status(rtw_invoke(live[FUNC], NULL, 0), RTW_OK, "destroying wrong handles does nothing");
    check(rtw_module_export_count(live[MODULE]) > 0, "destroying wrong handles does nothing to the module either");

    /* Stale ones, twice, and still stale when others have come and gone. */
    void *stale[KINDS];
    memcpy(stale, live, sizeof stale);
    for (enum kind kind = KINDS; kind-- > 0;) destroy(kind, live[kind]);
    for (int round = 0; round < 100; round++) {
        make_live();
        bool fresh = true;
        for (enum kind kind = 0; kind < KINDS; kind++) fresh = fresh && live[kind] != stale[kind];
        if (!fresh) check(false, "a stale handle came back after %d others", round);
        if (round < 99)
            for (enum kind kind = KINDS; kind-- > 0;) destroy(kind, live[kind]);
    }
    for (enum kind kind = 0; kind < KINDS; kind++) {
        check_all(kind, stale[kind], RTW_ERR_HANDLE, "stale");
        destroy(kind, stale[kind]);
        check_all(kind, stale[kind], RTW_ERR_HANDLE, "destroyed twice");
    }
    check(rtw_instance_memory_at(stale[INSTANCE], 0, 0) == NULL, "rtw_instance_memory_at: stale");
    check_status(rtw_invoke(live[FUNC], NULL, 0), RTW_OK, "destroying stale handles does nothing");
    for (enum kind kind = 0; kind < KINDS; kind++) destroy(kind, live[kind]);
    free(bytes);
    free(blank);
    free(noise);
    return check_summary();
}
