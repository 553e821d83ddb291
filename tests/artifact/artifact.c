/* Damaged and tampered artifacts: `artifact PROFILE FOLDER` with small.PROFILE.rtw (plain), signed.PROFILE.rtw, signer.pub and
 * tampered.txt from tamper.py. Every change is refused with the right status or does no harm, and nothing stays mapped or open. */
#include "../support/common.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 64, ROW = 80, FLIPS = 100000 };

static rtw_runtime_t *anyone, *strict;

/* ---- what the process holds ---- */

typedef struct held_t {
    size_t maps, executable, descriptors;
} held_t;

static held_t held(void) {
    held_t now = {0, 0, 0};
    char line[8192];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        const char *rights = strchr(line, ' ');
        now.maps++;
        if (rights != NULL && rights[3] == 'x') now.executable++;
    }
    if (maps != NULL) fclose(maps);
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) now.descriptors++;
    if (folder != NULL) closedir(folder);
    return now;
}

static bool same(held_t a, held_t b) {
    if (a.maps != b.maps || a.executable != b.executable || a.descriptors != b.descriptors)
        printf("    maps %zu, then %zu; executable %zu, then %zu; descriptors %zu, then %zu\n", a.maps, b.maps, a.executable, b.executable,
               a.descriptors, b.descriptors);
    return a.maps == b.maps && a.executable == b.executable && a.descriptors == b.descriptors;
}

/* ---- loading ---- */

static rtw_status_t try_load(rtw_runtime_t *runtime, const unsigned char *bytes, size_t length) {
    rtw_module_t *module = NULL;
    rtw_status_t status = rtw_module_load(runtime, bytes, length, &module, NULL);
    if ((module != NULL) != (status == RTW_OK)) return RTW_ERR_INTERNAL;
    rtw_module_destroy(module);
    return status;
}

static rtw_status_t try_load_file(rtw_runtime_t *runtime, const char *path) {
    rtw_module_t *module = NULL;
    rtw_status_t status = rtw_module_load_file(runtime, path, &module, NULL);
    if ((module != NULL) != (status == RTW_OK)) return RTW_ERR_INTERNAL;
    rtw_module_destroy(module);
    return status;
}

static void test_truncations(const unsigned char *bytes, size_t length, const char *name) {
    size_t wrong = 0;
    rtw_runtime_t *both[] = {anyone, strict};
    for (size_t shorter = 0; shorter < length; shorter++)
        for (int i = 0; i < 2; i++) {
            /* A copy of its own, so that a checker sees reads beyond the end. */
            unsigned char *copy = malloc(shorter + (shorter == 0));
            if (copy == NULL) continue;
            memcpy(copy, bytes, shorter);
            rtw_status_t expected = shorter == 0 ? RTW_ERR_NOT_ARTIFACT : RTW_ERR_TRUNCATED;
            if (try_load(both[i], copy, shorter) != expected) wrong++;
            free(copy);
        }
    check(length > 1000 && wrong == 0, "%s: %zu lengths, %zu not refused as truncated", name, length, wrong);
}

static void test_truncated_files(const unsigned char *bytes, size_t length, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/short.%s.rtw", artifacts, profile_name);
    size_t wrong = 0, tried = 0;
    for (size_t shorter = length - 1; shorter > 0; shorter -= shorter > 600 ? 97 : 1, tried++) {
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite(bytes, 1, shorter, file) != shorter) wrong++;
        if (file != NULL) fclose(file);
        if (try_load_file(strict, path) != RTW_ERR_TRUNCATED) wrong++;
    }
    check(tried > 600 && wrong == 0, "%s: %zu shorter files, %zu not refused as truncated", name, tried, wrong);
}

/* The statuses that a flip of one bit in this byte may have. */
static bool is_right(size_t byte, rtw_status_t status) {
    if (byte < 8) return status == RTW_ERR_NOT_ARTIFACT;
    if (byte < 12) return status == RTW_ERR_ENVELOPE_VERSION;
    if (byte < 16) return status == RTW_ERR_ARTIFACT || status == RTW_ERR_DIGEST;
    if (byte < 24) return status == RTW_ERR_TRUNCATED || status == RTW_ERR_ARTIFACT;
    if (byte < 28) return status == RTW_ERR_ARTIFACT || status == RTW_ERR_DIGEST;
    if (byte < 32) return status == RTW_ERR_ARTIFACT;
    if (byte < 48) return status == RTW_ERR_DIGEST;
    if (byte < HEADER) return status == RTW_ERR_ARTIFACT;
    return status == RTW_ERR_DIGEST;
}

static void flip_range(unsigned char *bytes, size_t length, size_t from, size_t to, const char *name, const char *what) {
    size_t wrong = 0, tried = 0;
    rtw_runtime_t *both[] = {anyone, strict};
    for (size_t bit = 8 * from; bit < 8 * to; bit++)
        for (int i = 0; i < 2; i++, tried++) {
            bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
            rtw_status_t status = try_load(both[i], bytes, length);
            bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
            if (is_right(bit / 8, status)) continue;
            if (wrong++ < 3) printf("    byte %zu bit %zu: %s\n", bit / 8, bit % 8, rtw_status_name(status));
        }
    check(tried > 0 && wrong == 0, "%s: %zu flips of the %s, %zu with another status", name, tried, what, wrong);
}

static void test_payload(unsigned char *bytes, size_t length, size_t front, rtw_runtime_t *runtime, const char *name) {
    uint64_t random = 88172645463325252U;
    size_t wrong = 0, elsewhere = 0;
    for (int i = 0; i < FLIPS; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t bit = 8 * front + (size_t)(random % (8 * (length - front)));
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        rtw_status_t status = try_load(runtime, bytes, length);
        /* A load reads no notes and no reset image: who reads all sections finds it there. */
        uint8_t digest[32];
        if (status == RTW_OK) status = rtw_module_digest(bytes, length, digest, NULL), elsewhere++;
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        if (status != RTW_ERR_DIGEST) wrong++;
    }
    check(wrong == 0 && elsewhere < FLIPS / 50, "%s: %d flips behind the table, %zu in what a load does not read, %zu not found", name, FLIPS,
          elsewhere, wrong);
}

/* ---- tampering ---- */

static rtw_status_t number(const char *name) {
    static const struct {
        const char *name;
        rtw_status_t status;
    } all[] = {{"OK", RTW_OK},
               {"UNSIGNED", RTW_ERR_UNSIGNED},
               {"FORGED", RTW_ERR_FORGED},
               {"DIGEST", RTW_ERR_DIGEST},
               {"ARTIFACT", RTW_ERR_ARTIFACT}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0) return all[i].status;
    return RTW_ERR_INTERNAL;
}

static void test_tampered(bool quiet) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tampered.txt", artifacts);
    FILE *list = fopen(path, "r");
    char line[8192], file[4096], without[16], with_keys[16];
    int verify = 0, at = 0;
    size_t count = 0;
    while (list != NULL && fgets(line, sizeof line, list) != NULL) {
        if (sscanf(line, "%4095s %15s %15s %d %n", file, without, with_keys, &verify, &at) != 4) break;
        char *what = line + at;
        what[strcspn(what, "\n")] = 0;
        rtw_status_t free_load = try_load_file(anyone, file), strict_load = try_load_file(strict, file);
        size_t length;
        unsigned char *bytes = read_file(file, &length);
        rtw_status_t in_memory = try_load(strict, bytes, length);
        rtw_status_t probed = rtw_module_probe(strict, bytes, length, NULL, NULL);
        free(bytes);
        count++;
        if (quiet) continue;
        bool good = strcmp(without, "ANY") == 0 ? free_load != RTW_ERR_INTERNAL : free_load == number(without);
        check(good, "without keys: %s: %s", what, rtw_status_name(free_load));
        good = strict_load == number(with_keys) && in_memory == strict_load && probed == strict_load;
        check(good, "with keys: %s: %s, %s, %s", what, rtw_status_name(strict_load), rtw_status_name(in_memory), rtw_status_name(probed));
    }
    if (list != NULL) fclose(list);
    if (!quiet) check(count > 150, "tampered: %zu artifacts", count);
}

static rtw_public_key_t read_key(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/signer.pub", artifacts);
    size_t length;
    char *text = (char *)read_file(path, &length);
    rtw_public_key_t key = {{0}};
    for (size_t at = 0; at + 82 <= length; at++) {
        if (memcmp(text + at, "rtwasm-public-key ", 18) != 0) continue;
        for (size_t i = 0; i < 32; i++) {
            char digits[3] = {text[at + 18 + 2 * i], text[at + 19 + 2 * i], 0};
            key.bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
        }
        break;
    }
    free(text);
    return key;
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    anyone = make_runtime();
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    rtw_public_key_t key = read_key();
    config.trusted_keys = &key;
    config.trusted_key_count = 1;
    config.profile = profile;
    rtw_error_t err;
    require(rtw_runtime_create(&config, &strict, &err), &err, "a runtime with a trusted key");

    size_t length, signed_length;
    unsigned char *plain = read_file(artifact_path("small"), &length), *with_signature = read_file(artifact_path("signed"), &signed_length);
    check_status(try_load(anyone, plain, length), RTW_OK, "the small artifact loads");
    check_status(try_load(strict, with_signature, signed_length), RTW_OK, "the signed one loads with keys");
    size_t front = HEADER + plain[12] * (size_t)ROW;

    /* The first round sets up whatever is set up once; the second must leave nothing behind. */
    test_tampered(true);
    held_t before = held();
    test_tampered(true);
    check(same(before, held()), "tampered artifacts: nothing stays mapped or open");
    rtw_module_t *kept = NULL;
    require(rtw_module_load(anyone, plain, length, &kept, &err), &err, "load");
    check(held().executable > before.executable, "a module that is kept is seen");
    rtw_module_destroy(kept);

    before = held();
    test_truncations(plain, length, "plain");
    test_truncations(with_signature, signed_length, "signed");
    test_truncated_files(with_signature, signed_length, "signed");
    flip_range(plain, length, 0, HEADER, "plain", "header");
    flip_range(plain, length, HEADER, front, "plain", "table");
    flip_range(with_signature, signed_length, 0, HEADER, "signed", "header");
    flip_range(with_signature, signed_length, HEADER, front, "signed", "table");
    flip_range(with_signature, signed_length, length, signed_length, "signed", "signature");
    test_payload(plain, length, front, anyone, "plain");
    test_payload(with_signature, signed_length, front, strict, "signed");
    check(same(before, held()), "damaged artifacts: nothing stays mapped or open");
    test_tampered(false);
    check_status(try_load(strict, with_signature, signed_length), RTW_OK, "the signed one still loads");
    free(plain);
    free(with_signature);
    rtw_runtime_destroy(anyone);
    rtw_runtime_destroy(strict);
    return check_summary();
}
