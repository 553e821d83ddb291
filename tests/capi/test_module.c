/* Artifacts: the statuses of probing and loading them, and what a module reports about itself. */
#include "../support/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rtw_runtime_t *runtime;

static const char *forged_path(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/forged.%s/%s.rtw", artifacts, profile_name, name);
    return path;
}

static void test_probe(void) {
    size_t length;
    unsigned char *bytes = read_file(artifact_path("calls"), &length);
    rtw_module_info_t info;
    rtw_error_t err;
    rtw_module_info_init(&info);
    memset(&err, 0x7f, sizeof err);
    check_status(rtw_module_probe(runtime, bytes, length, &info, &err), RTW_OK, "probe: a good artifact");
    check_error(&err, RTW_OK, "", "probe: a good artifact leaves no message");
    check(info.envelope_version == 5 && info.profile == profile, "probe: envelope version and profile");
    check(info.part == 1 && info.part_count == 1, "probe: part %u of %u", info.part, info.part_count);
    check(info.artifact_abi == 1 && info.compiler_release == 48 * 65536 + 8, "probe: artifact ABI %u, release %#x", info.artifact_abi,
          info.compiler_release);
    check(info.import_count == 0 && info.export_count == 27 && info.function_count == 18, "probe: %u imports, %u exports, %u functions",
          info.import_count, info.export_count, info.function_count);
    check(info.memory_count == 1 && info.memory_min_bytes == 65536 && info.memory_max_bytes == 4 * 65536, "probe: memory from 1 to 4 pages");
    check(info.code_bytes > 0 && info.code_bytes < length && info.source_bytes > 500 && info.source_bytes < 5000,
          "probe: %llu bytes of code from %llu", (unsigned long long)info.code_bytes, (unsigned long long)info.source_bytes);
    check(strstr(info.target, "-linux-gnu") != NULL, "probe: target %s", info.target);
    check(strncmp(info.engine, "wasmtime 48.", 12) == 0, "probe: engine %s", info.engine);
    check(strncmp(info.producer, "rtwasm ", 7) == 0, "probe: producer %s", info.producer);
    check(strcmp(info.opt_level, "speed") == 0 && strcmp(info.interruption, "guard") == 0, "probe: optimisation and interruption");

    check_status(rtw_module_probe(NULL, bytes, length, &info, NULL), RTW_OK, "probe: without a runtime");
    static const struct {
        const char *name;
        rtw_status_t status;
        const char *part;
    } not_linkable[] = {{"import_reference", RTW_ERR_UNSUPPORTED, "\"env\" \"hold\""}, {"import_reference_global", RTW_ERR_UNSUPPORTED, "\"env\" \"held\""}};
    for (size_t i = 0; i < sizeof not_linkable / sizeof not_linkable[0]; i++) {
        size_t size;
        unsigned char *imports = read_file(artifact_path(not_linkable[i].name), &size);
        info.import_count = 0;
        check_status(rtw_module_probe(runtime, imports, size, &info, &err), not_linkable[i].status, "probe: what cannot be imported");
        check_error(&err, not_linkable[i].status, not_linkable[i].part, "probe: what cannot be imported is named");
        check(info.import_count == 1 && info.memory_count == 0, "probe: the envelope of what cannot be linked is told");
        free(imports);
    }
    check_status(rtw_module_probe(runtime, bytes, length, NULL, NULL), RTW_OK, "probe: without info and error");
    check_status(rtw_module_probe(runtime, NULL, length, &info, &err), RTW_ERR_NULL, "probe: bytes is NULL");
    check_error(&err, RTW_ERR_NULL, "bytes", "probe: bytes is NULL: the message names it");
    check_status(rtw_module_probe(runtime, NULL, 0, &info, &err), RTW_ERR_NOT_ARTIFACT, "probe: no bytes at NULL");
    check_status(rtw_module_probe(runtime, bytes, SIZE_MAX, &info, &err), RTW_ERR_ARGUMENT, "probe: an impossible length");
    info.struct_size = 0;
    check_status(rtw_module_probe(runtime, bytes, length, &info, &err), RTW_ERR_STRUCT_SIZE, "probe: info without _init");
    info.struct_size = (uint32_t)sizeof info + 1;
    check_status(rtw_module_probe(runtime, bytes, length, &info, &err), RTW_ERR_STRUCT_SIZE, "probe: info too large");
    check_error(&err, RTW_ERR_STRUCT_SIZE, "info", "probe: info too large: the message names it");

    /* Open-ended memories. */
    size_t other_length;
    unsigned char *other = read_file(artifact_path("unbounded"), &other_length);
    rtw_module_info_init(&info);
    check_status(rtw_module_probe(runtime, other, other_length, &info, NULL), RTW_OK, "probe: a memory without maximum");
    check(info.memory_min_bytes == 2 * 65536 && info.memory_max_bytes == UINT64_MAX, "probe: a memory without maximum is told so");
    free(other);
    free(bytes);
}

/* Loads must answer as probes do, and leave nothing behind. */
static void check_refused(const unsigned char *bytes, size_t length, rtw_status_t expected, const char *part, const char *what) {
    rtw_error_t err;
    memset(&err, 0x7f, sizeof err);
    check_status(rtw_module_probe(runtime, bytes, length, NULL, &err), expected, "probe: %s", what);
    check_error(&err, expected, part, "probe: %s: the message says \"%s\"", what, part);
    rtw_module_t *module = (rtw_module_t *)(void *)&profile;
    check_status(rtw_module_load(runtime, bytes, length, &module, &err), expected, "load: %s", what);
    check_error(&err, expected, part, "load: %s: the message says \"%s\"", what, part);
    check(module == NULL, "load: %s: *out is NULL", what);
}

static void test_forged(void) {
    static const struct {
        const char *name;
        rtw_status_t expected;
        const char *part, *what;
        bool has_info;
    } cases[] = {
        {"empty", RTW_ERR_NOT_ARTIFACT, "empty", "an empty file", false},
        {"elf", RTW_ERR_NOT_ARTIFACT, "ELF", "an ELF file", false},
        {"text", RTW_ERR_NOT_ARTIFACT, "text", "WebAssembly text", false},
        {"wasm", RTW_ERR_PLAIN_WASM, "rtwasm compile", "plain WebAssembly", false},
        {"magic", RTW_ERR_TRUNCATED, "byte 8", "eight bytes of an artifact", false},
        {"version", RTW_ERR_ENVELOPE_VERSION, "version 6; this library reads version 5: it takes a newer library", "a later envelope", false},
        {"old_version", RTW_ERR_ENVELOPE_VERSION, "version 4; this library reads version 5: compile the module again", "an earlier envelope", false},
        {"engine", RTW_ERR_COMPILER, "wasmtime 47.0.0", "another engine's code", true},
        {"abi", RTW_ERR_ENGINE, "artifact ABI 77", "another artifact ABI", true},
        {"system", RTW_ERR_TARGET, "hurd0", "another system's code", true},
        {"architecture", RTW_ERR_TARGET, "zzz", "another architecture's code", true},
        {"feature", RTW_ERR_CPU_FEATURE, "has_qq", "a CPU feature that nobody has", true},
        {"metadata", RTW_ERR_ARTIFACT, "metadata", "metadata that cannot be read", false},
        {"no_metadata", RTW_ERR_ARTIFACT, "metadata", "no metadata", false},
        {"later_section", RTW_ERR_ENVELOPE_VERSION, "kind 999", "a section that a reader has to know", false},
        {"later_flags", RTW_ERR_ENVELOPE_VERSION, "too old", "a word of the table that is not zero", false},
        {"reserved", RTW_ERR_ARTIFACT, "reserved", "a reserved word of the envelope that is not zero", false},
        {"zero_name", RTW_ERR_ARTIFACT, "zero byte in a text: \"noth\\0ng\"", "a name with a zero byte in it", false},
        {"trailing", RTW_ERR_ARTIFACT, "1 bytes follow", "a byte too many", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t length;
        unsigned char *bytes = read_file(forged_path(cases[i].name), &length);
        check_refused(bytes, length, cases[i].expected, cases[i].part, cases[i].what);
        rtw_module_info_t info;
        rtw_module_info_init(&info);
        (void)rtw_module_probe(runtime, bytes, length, &info, NULL);
        if (strcmp(cases[i].name, "feature") == 0) check(strstr(info.cpu_features, "has_qq") != NULL, "probe: CPU features are listed");
        check((info.export_count > 0) == cases[i].has_info, "probe: %s: info is %s", cases[i].what,
              cases[i].has_info ? "filled all the same" : "left alone");
        free(bytes);
    }
    /* Errors that only the engine can detect. */
    static const char *const engines[] = {"no_code", "code_is_text"};
    for (size_t i = 0; i < 2; i++) {
        rtw_error_t err;
        rtw_module_t *module = NULL;
        check_status(rtw_module_load_file(runtime, forged_path(engines[i]), &module, &err), RTW_ERR_ENGINE, "load: %s", engines[i]);
        check_error(&err, RTW_ERR_ENGINE, "engine refuses", "load: %s: the message says so", engines[i]);
    }
}

/* A runtime that wants a newer compiler than the artifact's refuses it, and one that wants that compiler loads it. */
static void test_minimum(void) {
    size_t length;
    unsigned char *bytes = read_file(artifact_path("calls"), &length);
    for (uint32_t more = 0; more < 2; more++) {
        rtw_runtime_config_t config;
        rtw_runtime_config_init(&config);
        config.min_compiler_release = 48 * 65536 + 8 + more;
        rtw_runtime_t *strict = NULL;
        rtw_error_t err;
        check_status(rtw_runtime_create(&config, &strict, NULL), RTW_OK, "minimum: a runtime with one");
        rtw_status_t expected = more == 0 ? RTW_OK : RTW_ERR_COMPILER;
        check_status(rtw_module_probe(strict, bytes, length, NULL, &err), expected, "minimum: probe, %u releases newer", more);
        if (more != 0) check_error(&err, expected, "min_compiler_release is 48.0.9", "minimum: the message names it");
        rtw_module_t *module = NULL;
        check_status(rtw_module_load(strict, bytes, length, &module, NULL), expected, "minimum: load, %u releases newer", more);
        rtw_module_destroy(module);
        rtw_runtime_destroy(strict);
    }
    free(bytes);
}

static void test_other_targets(void) {
    size_t length;
    const char *other_name = profile == RTW_PROFILE_PLUGIN ? "standalone" : "plugin";
    char path[4096];
    snprintf(path, sizeof path, "%s/calls.%s.rtw", artifacts, other_name);
    unsigned char *bytes = read_file(path, &length);
    char part[64];
    snprintf(part, sizeof part, "--profile %s", profile_name);
    check_refused(bytes, length, RTW_ERR_PROFILE, part, "the other profile's artifact");
    check_status(rtw_module_probe(NULL, bytes, length, NULL, NULL), RTW_OK, "probe: the other profile's, without a runtime");
    free(bytes);

    snprintf(path, sizeof path, "%s/calls.other-target.rtw", artifacts);
    bytes = read_file(path, &length);
    check_refused(bytes, length, RTW_ERR_TARGET, "this machine is", "compiled for another architecture");
    check_status(rtw_module_probe(NULL, bytes, length, NULL, NULL), RTW_ERR_TARGET, "probe: another architecture's, without a runtime");
    free(bytes);
}

static uint64_t number_at(const unsigned char *bytes, size_t at, int size) {
    uint64_t number = 0;
    while (size-- > 0) number = number << 8 | bytes[at + (size_t)size];
    return number;
}

/* True if the byte is in a section that no load reads, see docs/artifacts.md: neither description nor metadata nor code. */
static bool is_left_out(const unsigned char *bytes, size_t at) {
    enum { HEADER = 64, ENTRY = 80, CODE = 3 };
    const uint64_t sections = number_at(bytes, 12, 4);
    for (size_t entry = HEADER; entry < HEADER + ENTRY * sections; entry += ENTRY) {
        const uint64_t offset = number_at(bytes, entry + 16, 8), length = number_at(bytes, entry + 24, 8);
        if (at >= offset && at - offset < length) return number_at(bytes, entry, 4) > CODE;
    }
    return false;
}

static void test_damage(void) {
    size_t length;
    unsigned char *bytes = read_file(artifact_path("calls"), &length);

    bool answered = true;
    for (size_t cut = 0; cut < length; cut = cut < 1024 ? cut + 1 : cut + 997) {
        /* An exact copy, so that a read beyond the end is seen by the tools that look for it. */
        unsigned char *part = malloc(cut > 0 ? cut : 1);
        memcpy(part, bytes, cut);
        rtw_status_t expected = cut == 0 ? RTW_ERR_NOT_ARTIFACT : RTW_ERR_TRUNCATED;
        rtw_status_t got = rtw_module_probe(runtime, part, cut, NULL, NULL);
        if (got != expected) printf("    %zu bytes: %s\n", cut, rtw_status_name(got));
        answered = answered && got == expected;
        free(part);
    }
    check(answered, "damage: every shorter length is RTW_ERR_TRUNCATED");
    check_refused(bytes, length / 2, RTW_ERR_TRUNCATED, "ends at byte", "half an artifact");

    answered = true;
    for (size_t at = 0; at < length; at = at < 1024 ? at + 1 : at + 499) {
        const bool left_out = is_left_out(bytes, at);
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] = (unsigned char)(bytes[at] ^ 1u << bit);
            rtw_status_t got = rtw_module_probe(runtime, bytes, length, NULL, NULL);
            bool expected = left_out  ? got == RTW_OK
                            : at < 8  ? got == RTW_ERR_NOT_ARTIFACT
                            : at < 12 ? got == RTW_ERR_ENVELOPE_VERSION
                            : at < 24 ? got == RTW_ERR_TRUNCATED || got == RTW_ERR_ARTIFACT || (at < 16 && got == RTW_ERR_DIGEST)
                                      : got == RTW_ERR_DIGEST || (at < 64 && got == RTW_ERR_ARTIFACT);
            if (!expected) printf("    byte %zu, bit %d: %s\n", at, bit, rtw_status_name(got));
            answered = answered && expected;
            bytes[at] = (unsigned char)(bytes[at] ^ 1u << bit);
        }
    }
    check(answered, "damage: every changed bit of what a load reads is refused, for the right reason");
    check_status(rtw_module_probe(runtime, bytes, length, NULL, NULL), RTW_OK, "damage: put right, it is good again");
    bytes[length - 1] ^= 1;
    check_refused(bytes, length, RTW_ERR_DIGEST, "code does not match its checksum", "a bit changed in the code");
    free(bytes);
}

static void test_load(void) {
    size_t length;
    unsigned char *bytes = read_file(artifact_path("calls"), &length);
    rtw_error_t err;
    rtw_module_t *module = NULL;
    check_status(rtw_module_load(runtime, bytes, length, &module, &err), RTW_OK, "load: a good artifact");
    check_error(&err, RTW_OK, "", "load: no message");
    memset(bytes, 0, length); /* it was copied */
    rtw_instance_t *instance = NULL;
    check_status(rtw_instance_create(module, NULL, NULL, &instance, NULL), RTW_OK, "load: the bytes are not needed any more");
    check(call_i32(instance, "add", 40, 2) == 42, "load: its code runs");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
    free(bytes);

    bytes = read_file(forged_path("longer_metadata"), &length);
    check_status(rtw_module_load(runtime, bytes, length, &module, NULL), RTW_OK, "load: metadata to which a later version has appended");
    rtw_module_destroy(module);
    free(bytes);

    bytes = read_file(artifact_path("calls"), &length);
    check_status(rtw_module_load(runtime, bytes, length, &module, NULL), RTW_OK, "load: without an error struct");
    rtw_module_destroy(module);
    check_status(rtw_module_load(runtime, bytes, length, NULL, &err), RTW_ERR_NULL, "load: out is NULL");
    check_error(&err, RTW_ERR_NULL, "out", "load: out is NULL: the message names it");
    check_status(rtw_module_load(runtime, NULL, length, &module, &err), RTW_ERR_NULL, "load: bytes is NULL");
    check(module == NULL, "load: bytes is NULL: *out is NULL");
    check_status(rtw_module_load(runtime, NULL, 0, &module, &err), RTW_ERR_NOT_ARTIFACT, "load: no bytes at NULL");
    /* An artifact need not be aligned. */
    unsigned char *shifted = malloc(length + 1);
    memcpy(shifted + 1, bytes, length);
    check_status(rtw_module_load(runtime, shifted + 1, length, &module, &err), RTW_OK, "load: from an odd address");
    rtw_module_destroy(module);
    free(shifted);
    free(bytes);
}

static void test_load_file(void) {
    rtw_error_t err;
    rtw_module_t *module = (rtw_module_t *)(void *)&profile;
    char path[4096];
    snprintf(path, sizeof path, "%s/there/is/none.rtw", artifacts);
    check_status(rtw_module_load_file(runtime, path, &module, &err), RTW_ERR_IO, "file: not there");
    check_error(&err, RTW_ERR_IO, "there/is/none.rtw", "file: not there: the message names it");
    check(err.os_error == 2, "file: not there: os_error is ENOENT");
    check(module == NULL, "file: not there: *out is NULL");
    check_status(rtw_module_load_file(runtime, artifacts, &module, &err), RTW_ERR_IO, "file: a folder");
    check(err.os_error == 21, "file: a folder: os_error is EISDIR");
    check_status(rtw_module_load_file(runtime, "", &module, &err), RTW_ERR_IO, "file: no name");
    check_status(rtw_module_load_file(runtime, NULL, &module, &err), RTW_ERR_NULL, "file: path is NULL");
    check_error(&err, RTW_ERR_NULL, "path", "file: path is NULL: the message names it");
    check_status(rtw_module_load_file(runtime, "\xff\xfe", &module, &err), RTW_ERR_ARGUMENT, "file: a path that is not UTF-8");
    check_status(rtw_module_load_file(runtime, artifact_path("calls"), NULL, &err), RTW_ERR_NULL, "file: out is NULL");
    check_status(rtw_module_load_file(runtime, forged_path("wasm"), &module, &err), RTW_ERR_PLAIN_WASM, "file: plain WebAssembly");
    check_error(&err, RTW_ERR_PLAIN_WASM, "wasm.rtw", "file: plain WebAssembly: the message names the file");
    check_status(rtw_module_load_file(runtime, artifact_path("calls"), &module, NULL), RTW_OK, "file: without an error struct");
    rtw_module_destroy(module);
}

static const rtw_extern_t *find(const rtw_extern_t *list, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0) return &list[i];
    return NULL;
}

static void test_lists(void) {
    rtw_module_t *module = load(runtime, "calls");
    size_t count = rtw_module_export_count(module);
    check(count == 27 && rtw_module_import_count(module) == 0, "lists: %zu exports, no imports", count);
    rtw_extern_t list[64];
    bool all = true;
    for (size_t i = 0; i < count && i < 64; i++) {
        memset(&list[i], 0x7f, sizeof list[i]);
        all = rtw_module_export(module, i, &list[i]) == RTW_OK && list[i].module[0] == 0 && all;
    }
    check(all, "lists: every export is there; its module is \"\"");
    check(strcmp(list[0].name, "memory") == 0 && strcmp(list[count - 1].name, "gives_ref") == 0, "lists: in the module's order");
    static const struct {
        const char *name;
        uint32_t kind;
        const char *ty;
    } expected[] = {
        {"memory", RTW_EXTERN_MEMORY, "memory 1..4 pages"},
        {"table", RTW_EXTERN_TABLE, "table 3..3 funcref"},
        {"g_i32", RTW_EXTERN_GLOBAL, "global mut i32"},
        {"g_v128", RTW_EXTERN_GLOBAL, "global mut v128"},
        {"g_const", RTW_EXTERN_GLOBAL, "global i32"},
        {"nothing", RTW_EXTERN_FUNC, "()->()"},
        {"add", RTW_EXTERN_FUNC, "(i32,i32)->(i32)"},
        {"turn", RTW_EXTERN_FUNC, "(i32,i64,f32,f64,v128)->(v128,f64,f32,i64,i32)"},
        {"three", RTW_EXTERN_FUNC, "()->(i32,i64,f32)"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const rtw_extern_t *found = find(list, count, expected[i].name);
        check(found != NULL && found->kind == expected[i].kind && strcmp(found->ty, expected[i].ty) == 0, "lists: %s is \"%s\"",
              expected[i].name, found != NULL ? found->ty : "missing");
    }
    rtw_extern_t one;
    check_status(rtw_module_export(module, count, &one), RTW_ERR_BOUNDS, "lists: beyond the last export");
    check_status(rtw_module_export(module, SIZE_MAX, &one), RTW_ERR_BOUNDS, "lists: far beyond the last export");
    check_status(rtw_module_export(module, 0, NULL), RTW_ERR_NULL, "lists: an export to NULL");
    check_status(rtw_module_import(module, 0, &one), RTW_ERR_BOUNDS, "lists: an import where there is none");
    /* The strings live as long as the module's handle, whatever else ends. */
    rtw_module_t *second = load(runtime, "calls");
    rtw_module_destroy(second);
    check(strcmp(list[0].ty, "memory 1..4 pages") == 0, "lists: the strings stay when another module ends");
    rtw_module_destroy(module);

    module = load(runtime, "host");
    check(rtw_module_import_count(module) == 4, "lists: four imports");
    check_status(rtw_module_import(module, 0, &one), RTW_OK, "lists: the first import");
    check(one.kind == RTW_EXTERN_FUNC && strcmp(one.module, "env") == 0 && strcmp(one.name, "note") == 0 &&
              strcmp(one.ty, "(i32,f32)->(f32)") == 0,
          "lists: it is %s %s %s", one.module, one.name, one.ty);
    check_status(rtw_module_import(module, 4, &one), RTW_ERR_BOUNDS, "lists: beyond the last import");
    check_status(rtw_module_import(module, 0, NULL), RTW_ERR_NULL, "lists: an import to NULL");
    rtw_module_destroy(module);
    check(rtw_module_export_count(module) == 0 && rtw_module_import_count(module) == 0, "lists: a stale module has none");
    check(rtw_module_export_count(NULL) == 0 && rtw_module_import_count(NULL) == 0, "lists: NULL has none");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    attach_here(runtime);
    test_probe();
    test_forged();
    test_minimum();
    test_other_targets();
    test_damage();
    test_load();
    test_load_file();
    test_lists();
    rtw_runtime_destroy(runtime);
    return check_summary();
}
