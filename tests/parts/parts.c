/* Artifacts of several parts, the module inside, compiling again, and the reset image, through both libraries' C APIs. */
#include "../support/common.h"
#include "rtwasm_compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rtw_runtime_t *runtime;

typedef struct {
    unsigned char *bytes;
    size_t length;
} artifact_t;

static uint32_t u32_at(const unsigned char *at) { return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24; }
static uint64_t u64_at(const unsigned char *at) { return u32_at(at) | (uint64_t)u32_at(at + 4) << 32; }

/* The section of a kind and a part, as docs/artifacts.md describes the table; NULL if there is none. */
static unsigned char *section(const artifact_t *artifact, uint32_t kind, uint32_t part, size_t *length) {
    for (uint32_t i = 0; i < u32_at(artifact->bytes + 12); i++) {
        const unsigned char *entry = artifact->bytes + 64 + 80 * (size_t)i;
        if (u32_at(entry) != kind || u32_at(entry + 4) != part) continue;
        *length = (size_t)u64_at(entry + 24);
        return artifact->bytes + u64_at(entry + 16);
    }
    return NULL;
}

static rtw_status_t compile(const artifact_t *source, const char *cpu, uint32_t profiles, uint32_t embed, artifact_t *out, rtw_error_t *err) {
    rtw_compile_options_t options;
    rtw_compile_options_init(&options);
    options.cpu = cpu;
    options.profile = profiles;
    options.embed_source = embed;
    void *made = NULL;
    rtw_status_t status = rtw_compile(source->bytes, source->length, &options, &made, &out->length, err);
    out->bytes = made;
    return status;
}

static artifact_t read_at(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", artifacts, name);
    artifact_t file;
    file.bytes = read_file(path, &file.length);
    return file;
}

static rtw_module_info_t probe(const artifact_t *artifact, rtw_status_t expected, const char *what) {
    rtw_module_info_t info;
    rtw_module_info_init(&info);
    check_status(rtw_module_probe(runtime, artifact->bytes, artifact->length, &info, NULL), expected, "probe: %s", what);
    return info;
}

static void test_parts(const artifact_t *source) {
    rtw_error_t err;
    artifact_t fat;
    require(compile(source, "x86-64,x86-64-v2,aarch64,cortex-a76", RTW_COMPILE_PROFILE_BOTH, 0, &fat, &err), &err, "several parts");
    rtw_module_info_t info = probe(&fat, RTW_OK, "eight parts");
    check(info.part_count == 8 && info.profile == profile, "parts: %u, the one of this runtime's profile is chosen", info.part_count);
    check(info.has_source == 0 && info.needs_recompile == 0, "parts: no module inside, and nothing to compile again");
    artifact_t one;
    require(compile(source, strcmp(MACHINE_LEVEL, "x86-64-v2") == 0 ? "x86-64-v2" : "cortex-a76", profile, 0, &one, &err), &err, "one part");
    size_t long_one = 0, long_fat = 0;
    unsigned char *code_one = section(&one, 3, 1, &long_one), *code_fat = section(&fat, 3, info.part, &long_fat);
    if (strcmp(MACHINE_LEVEL, "x86-64-v2") == 0)
        check(code_one != NULL && long_one == long_fat && memcmp(code_one, code_fat, long_one) == 0, "parts: the best one's code is what it is alone");
    rtw_compile_free(one.bytes, one.length);

    /* Damage in a part that is not chosen is not found by a load; in the one that is chosen, it is. */
    for (uint32_t part = 1; part <= info.part_count; part++)
        for (uint32_t kind = 2; kind <= 3; kind++) {
            size_t length = 0;
            unsigned char *data = section(&fat, kind, part, &length);
            data[length / 2] ^= 1;
            rtw_module_t *module = NULL;
            rtw_status_t expected = part == info.part ? RTW_ERR_DIGEST : RTW_OK;
            check_status(rtw_module_load(runtime, fat.bytes, fat.length, &module, NULL), expected, "parts: damage in section %u of part %u", kind, part);
            rtw_module_destroy(module);
            data[length / 2] ^= 1;
        }
    rtw_compile_free(fat.bytes, fat.length);

    static const struct {
        const char *cpu, *part;
    } refused[] = {
        {"", "expected"},          {"x86-64-v2,,aarch64", "expected"}, {"x86-64-v2,native", "stands alone"},
        {"host,aarch64", "alone"}, {"baseline,aarch64", "target"},     {"x86-64-v2,x86-64-v3,fma", "either all are levels"},
        {"x86-64-v2,x86-64-v2", "\"x86-64-v2\" twice"},                {"aarch64,cortex-a72", "the same CPU"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        check_status(compile(source, refused[i].cpu, RTW_COMPILE_PROFILE_BOTH, 0, &fat, &err), RTW_ERR_ARGUMENT, "parts: refused: %s", refused[i].cpu);
        check_error(&err, RTW_ERR_ARGUMENT, refused[i].part, "parts: the message says \"%s\"", refused[i].part);
    }
    check_status(compile(source, NULL, 3, 0, &fat, &err), RTW_ERR_ARGUMENT, "parts: profile is 3");
    check_status(compile(source, NULL, 0, 2, &fat, &err), RTW_ERR_ARGUMENT, "parts: embed_source is 2");
}

static rtw_status_t recompile(const artifact_t *old, const artifact_t *source, artifact_t *out, rtw_error_t *err) {
    void *made = NULL;
    rtw_status_t status = rtw_recompile(old->bytes, old->length, source != NULL ? source->bytes : NULL, source != NULL ? source->length : 0, NULL,
                                        &made, &out->length, err);
    out->bytes = made;
    return status;
}

static void test_recompile(const artifact_t *source) {
    rtw_error_t err;
    artifact_t with, without, again;
    const char *levels = "x86-64-v2,aarch64";
    require(compile(source, levels, RTW_COMPILE_PROFILE_BOTH, 1, &with, &err), &err, "with its module");
    require(compile(source, levels, RTW_COMPILE_PROFILE_BOTH, 0, &without, &err), &err, "without its module");
    check(probe(&with, RTW_OK, "with its module").has_source == 1, "recompile: the module is inside");
    require(recompile(&with, NULL, &again, &err), &err, "again");
    check(again.length == with.length && memcmp(again.bytes, with.bytes, with.length) == 0, "recompile: the same artifact, byte for byte");
    rtw_compile_free(again.bytes, again.length);

    check_status(recompile(&without, NULL, &again, &err), RTW_ERR_ARGUMENT, "recompile: without a module");
    check_error(&err, RTW_ERR_ARGUMENT, "does not have its module inside", "recompile: the message says so");
    check(again.bytes == NULL && again.length == 0, "recompile: the outputs are cleared");
    require(recompile(&without, source, &again, &err), &err, "with the module given");
    check(again.length == without.length && memcmp(again.bytes, without.bytes, again.length) == 0, "recompile: with the module given, the same");
    rtw_compile_free(again.bytes, again.length);
    artifact_t other = read_at("other.wasm");
    check_status(recompile(&without, &other, &again, &err), RTW_ERR_ARGUMENT, "recompile: with another module");
    check_error(&err, RTW_ERR_ARGUMENT, "SHA-256 differs", "recompile: the message says so");
    check_status(recompile(source, NULL, &again, &err), RTW_ERR_PLAIN_WASM, "recompile: a module");
    check_status(rtw_recompile(NULL, 1, NULL, 0, NULL, &(void *){NULL}, &again.length, &err), RTW_ERR_NULL, "recompile: NULL");
    check_status(rtw_recompile(with.bytes, with.length, NULL, 0, NULL, NULL, &again.length, &err), RTW_ERR_NULL, "recompile: no place");
    size_t inside = 0;
    section(&with, 4, 0, &inside)[inside / 2] ^= 1;
    check_status(recompile(&with, NULL, &again, &err), RTW_ERR_DIGEST, "recompile: a module that is damaged");
    section(&with, 4, 0, &inside)[inside / 2] ^= 1;

    /* Other options instead of the artifact's. */
    rtw_compile_options_t options;
    rtw_compile_options_init(&options);
    options.profile = profile;
    options.cpu = MACHINE_LEVEL;
    void *made = NULL;
    require(rtw_recompile(with.bytes, with.length, NULL, 0, &options, &made, &again.length, &err), &err, "with other options");
    again.bytes = made;
    rtw_module_info_t info = probe(&again, RTW_OK, "with other options");
    check(info.part_count == 1 && info.has_source == 1, "recompile: one part, and the module stays");
    rtw_compile_free(again.bytes, again.length);

    /* An artifact of another compiler is refused, and this is the way out. */
    artifact_t old = read_at("old.rtw");
    info = probe(&old, RTW_ERR_COMPILER, "of a release that nobody compared");
    check(info.needs_recompile == 1 && info.has_source == 1, "recompile: it is what is needed");
    artifact_t older = read_at("older.rtw");
    probe(&older, RTW_ERR_COMPILER, "of such a release, whose metadata cannot be read either");
    free(older.bytes);
    require(recompile(&old, NULL, &again, &err), &err, "an old artifact");
    info = probe(&again, RTW_OK, "compiled again");
    check(info.needs_recompile == 0 && info.compiler_release == 48 * 65536 + 8, "recompile: it loads");
    size_t length = 0, kept = 0;
    unsigned char *guest = section(&old, 5, 0, &length), *same = section(&again, 5, 0, &kept);
    check(guest != NULL && same != NULL && kept == length && memcmp(guest, same, length) == 0, "recompile: the guest's description is kept");
    rtw_module_t *module = NULL;
    require(rtw_module_load(runtime, again.bytes, again.length, &module, &err), &err, "an artifact that was compiled again");
    rtw_guest_info_t told;
    rtw_guest_info_init(&told);
    check_status(rtw_guest_info(module, &told), RTW_OK, "recompile: what its guest is");
    check(told.kind == RTW_GUEST_OWN && told.port_count == 0 && strcmp(told.name, "guest") == 0, "recompile: is what the old one says");
    rtw_module_destroy(module);
    /* Signatures are of the old code. */
    artifact_t with_signatures = read_at("signed.rtw"), unsigned_one = read_at("fat.rtw");
    check(probe(&with_signatures, RTW_OK, "signed").signature_count == 2, "recompile: two signatures before");
    rtw_compile_free(again.bytes, again.length);
    require(recompile(&with_signatures, NULL, &again, &err), &err, "a signed artifact");
    check(probe(&again, RTW_OK, "signed, and compiled again").signature_count == 0, "recompile: none afterwards");
    check(again.length == unsigned_one.length && memcmp(again.bytes, unsigned_one.bytes, again.length) == 0, "recompile: as if nobody had signed");
    free(with_signatures.bytes);
    free(unsigned_one.bytes);
    artifact_t strange = read_at("target.rtw");
    info = probe(&strange, RTW_ERR_TARGET, "of another machine");
    check(info.needs_recompile == 0, "recompile: does not help where the machine is another one");
    free(strange.bytes);
    free(old.bytes);
    free(other.bytes);
    rtw_compile_free(again.bytes, again.length);
    rtw_compile_free(with.bytes, with.length);
    rtw_compile_free(without.bytes, without.length);
}

/* Compares the reset image with what a fresh instance has: the exported memory, and exported globals by their index. */
static void compare(const artifact_t *artifact, const char *what, const char *const *globals, uint32_t count) {
    rtw_module_info_t info = probe(artifact, RTW_OK, what);
    check(info.reset_obstacles == 0, "reset: %s: no obstacle, but %#x", what, info.reset_obstacles);
    size_t length = 0;
    const unsigned char *image = section(artifact, 7, 0, &length);
    if (image == NULL || length < 16) {
        check(false, "reset: %s: an image", what);
        return;
    }
    uint32_t memories = u32_at(image + 4), extents = u32_at(image + 8), values = u32_at(image + 12);
    check(u32_at(image) == 1 && memories == 1, "reset: %s: version 1, one memory", what);
    uint64_t bytes = u64_at(image + 16);
    unsigned char *memory = calloc(1, bytes > 0 ? (size_t)bytes : 1);
    const unsigned char *extent = image + 16 + 8 * (size_t)memories, *value = extent + 24 * (size_t)extents, *data = value + 24 * (size_t)values;
    uint64_t copied = 0;
    for (uint32_t i = 0; i < extents; i++, extent += 24) {
        memcpy(memory + u64_at(extent + 8), data + copied, (size_t)u64_at(extent + 16));
        copied += u64_at(extent + 16);
    }
    check(copied == info.reset_bytes && data + copied == image + length, "reset: %s: %llu bytes, as told", what, (unsigned long long)copied);

    rtw_error_t err;
    rtw_module_t *module = NULL;
    rtw_instance_t *instance = NULL;
    require(rtw_module_load(runtime, artifact->bytes, artifact->length, &module, &err), &err, what);
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, what);
    rtw_memory_view_t view = {NULL, 0};
    check_status(rtw_instance_memory(instance, NULL, &view, &err), RTW_OK, "reset: %s: its memory", what);
    check(view.size_bytes == bytes && memcmp(view.base, memory, (size_t)bytes) == 0, "reset: %s: memory is the image, byte for byte", what);
    /* The twin: a guest that wrote is not at its start. */
    ((unsigned char *)view.base)[bytes - 1] ^= 1;
    check(memcmp(view.base, memory, (size_t)bytes) != 0, "reset: %s: what was written is seen", what);
    for (uint32_t i = 0; i < count && i < values; i++) {
        rtw_value_t got;
        memset(&got, 0, sizeof got);
        check_status(rtw_instance_global_get(instance, globals[i], &got, &err), RTW_OK, "reset: %s: global %s", what, globals[i]);
        /* Of a number, the value's other bytes mean nothing. */
        uint32_t ty = u32_at(value + 24 * (size_t)i + 4);
        size_t size = ty == 0x7f || ty == 0x7d ? 4 : ty == 0x7b ? 16 : 8;
        check(memcmp(&got, value + 24 * (size_t)i + 8, size) == 0, "reset: %s: %s is the image's", what, globals[i]);
    }
    check(count == 0 || count == values, "reset: %s: %u globals", what, values);
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
    free(memory);
}

static void test_reset(void) {
    static const char *const globals[] = {"a", "b", "c", "d", "e"};
    artifact_t source = read_at("state.wat"), made;
    rtw_error_t err;
    require(compile(&source, NULL, profile, 0, &made, &err), &err, "state.wat");
    compare(&made, "a module with data and globals", globals, 5);
    rtw_compile_free(made.bytes, made.length);

    rtw_compile_options_t options;
    rtw_compile_options_init(&options);
    options.profile = profile;
    static const char *const calls[] = {"change=7"};
    options.init = calls;
    options.init_count = 1;
    void *bytes = NULL;
    require(rtw_compile(source.bytes, source.length, &options, &bytes, &made.length, &err), &err, "state.wat with init");
    made.bytes = bytes;
    compare(&made, "a module that was set up", globals, 5);
    rtw_compile_free(made.bytes, made.length);
    free(source.bytes);

    artifact_t start = read_at("start.wat");
    require(compile(&start, NULL, profile, 0, &made, &err), &err, "start.wat");
    rtw_module_info_t info = probe(&made, RTW_OK, "with a start function");
    size_t length = 0;
    check(info.reset_obstacles == (RTW_RESET_NO_START | RTW_RESET_NO_TABLES | RTW_RESET_NO_DROPS) && info.reset_bytes == 0,
          "reset: obstacles %#x", info.reset_obstacles);
    check(section(&made, 7, 0, &length) == NULL, "reset: no image where there is an obstacle");
    rtw_compile_free(made.bytes, made.length);
    free(start.bytes);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    artifact_t source = read_at("guest.wasm");
    test_parts(&source);
    test_recompile(&source);
    test_reset();
    free(source.bytes);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
