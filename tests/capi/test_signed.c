/* Signed artifacts: what a runtime with trusted keys loads, and what it refuses. The suite `artifact` has the tampering. */
#include "../support/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *plain, *signed_twice;
static size_t plain_length, signed_length;

/* Reads a key as `rtwasm keygen` writes it. */
static rtw_public_key_t read_key(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.pub", artifacts, name);
    size_t length;
    char *text = (char *)read_file(path, &length);
    const char *found = NULL;
    for (size_t at = 0; found == NULL && at + 82 <= length; at++)
        if (memcmp(text + at, "rtwasm-public-key ", 18) == 0) found = text + at + 18;
    rtw_public_key_t key = {{0}};
    for (int i = 0; found != NULL && i < 32; i++) {
        char digits[3] = {found[2 * i], found[2 * i + 1], 0};
        key.bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    free(text);
    return key;
}

static rtw_runtime_t *trusting(const rtw_public_key_t *keys, uint32_t count) {
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    config.trusted_keys = keys;
    config.trusted_key_count = count;
    rtw_runtime_t *runtime = NULL;
    rtw_error_t err;
    check_status(rtw_runtime_create(&config, &runtime, &err), RTW_OK, "a runtime with %u trusted keys", count);
    return runtime;
}

static void expect(rtw_runtime_t *runtime, const unsigned char *bytes, size_t length, rtw_status_t expected, const char *what) {
    rtw_error_t err;
    rtw_module_t *module = NULL;
    check_status(rtw_module_probe(runtime, bytes, length, NULL, &err), expected, "probe: %s", what);
    check_status(rtw_module_load(runtime, bytes, length, &module, &err), expected, "load: %s", what);
    check((module != NULL) == (expected == RTW_OK), "load: %s: a module only if it is trusted", what);
    rtw_module_destroy(module);
}

static void test_trusted(const rtw_public_key_t keys[3]) {
    rtw_runtime_t *anyone = trusting(NULL, 0), *first = trusting(&keys[0], 1), *second = trusting(&keys[1], 1);
    rtw_runtime_t *third = trusting(&keys[2], 1), *all = trusting(keys, 3);
    expect(anyone, signed_twice, signed_length, RTW_OK, "a signed artifact, without keys");
    expect(first, signed_twice, signed_length, RTW_OK, "the first of two signatures");
    expect(second, signed_twice, signed_length, RTW_OK, "the second of two signatures");
    expect(all, signed_twice, signed_length, RTW_OK, "three keys, two of which have signed");
    expect(third, signed_twice, signed_length, RTW_ERR_UNSIGNED, "signed by other keys");
    expect(first, plain, plain_length, RTW_ERR_UNSIGNED, "an artifact that is not signed");
    expect(anyone, plain, plain_length, RTW_OK, "an artifact that is not signed, without keys");

    rtw_error_t err;
    rtw_module_t *module = NULL;
    check_status(rtw_module_load_file(first, artifact_path("signed"), &module, &err), RTW_OK, "load from a file");
    rtw_instance_t *instance = NULL;
    attach_here(first);
    check_status(rtw_instance_create(module, NULL, NULL, &instance, &err), RTW_OK, "an instance of a signed artifact");
    check(call_i32(instance, "add", 40, 2) == 42, "it computes");
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
    check_status(rtw_module_load_file(first, artifact_path("calls"), &module, &err), RTW_ERR_UNSIGNED, "load from a file that is not signed");
    check_error(&err, RTW_ERR_UNSIGNED, "not signed", "the message says so");

    /* The last byte is one of a signature, which the header's checksum covers. */
    signed_twice[signed_length - 1] ^= 1;
    expect(first, signed_twice, signed_length, RTW_ERR_DIGEST, "a damaged signature");
    signed_twice[signed_length - 1] ^= 1;

    rtw_module_info_t info;
    rtw_module_info_init(&info);
    check_status(rtw_module_probe(anyone, signed_twice, signed_length, &info, NULL), RTW_OK, "who signed, without keys");
    bool named = memcmp(&info.signed_by, &keys[0], 32) == 0 || memcmp(&info.signed_by, &keys[1], 32) == 0;
    check(info.signature_count == 2 && info.is_trusted == 0 && named, "the artifact names a signer, and nobody has checked it");
    check_status(rtw_module_probe(second, signed_twice, signed_length, &info, NULL), RTW_OK, "who signed, with a key");
    check(info.signature_count == 2 && info.is_trusted == 1 && memcmp(&info.signed_by, &keys[1], 32) == 0, "the trusted key is told");
    static const rtw_public_key_t none;
    check_status(rtw_module_probe(NULL, plain, plain_length, &info, NULL), RTW_OK, "who signed, when nobody did");
    check(info.signature_count == 0 && info.is_trusted == 0 && memcmp(&info.signed_by, &none, 32) == 0, "nobody is told");

    rtw_thread_detach(first, NULL);
    rtw_runtime_t *made[] = {anyone, first, second, third, all};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) rtw_runtime_destroy(made[i]);
}

static void test_refused(const rtw_public_key_t *good) {
    rtw_public_key_t keys[2] = {*good, {{0}}}, odd = {{2}};
    const struct {
        const rtw_public_key_t *keys;
        uint32_t count;
        rtw_status_t status;
        const char *part;
    } wrong[] = {
        {NULL, 1, RTW_ERR_NULL, "trusted_keys"},           {good, 0, RTW_ERR_ARGUMENT, "trusted_key_count"},
        {good, RTW_TRUSTED_KEYS_MOST + 1, RTW_ERR_ARGUMENT, "trusted_key_count"},
        {keys, 2, RTW_ERR_ARGUMENT, "trusted_keys[1]"},    {&odd, 1, RTW_ERR_ARGUMENT, "trusted_keys[0]"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rtw_runtime_config_t config;
        rtw_runtime_config_init(&config);
        config.trusted_keys = wrong[i].keys;
        config.trusted_key_count = wrong[i].count;
        rtw_runtime_t *runtime = NULL;
        rtw_error_t err;
        check_status(rtw_runtime_create(&config, &runtime, &err), wrong[i].status, "keys that are none %zu", i);
        check_error(&err, wrong[i].status, wrong[i].part, "keys that are none %zu: the message names the field", i);
        check(runtime == NULL, "keys that are none %zu: no runtime", i);
    }
}

static void test_digest(void) {
    uint8_t one[32] = {0}, two[32] = {1};
    check_status(rtw_module_digest(plain, plain_length, one, NULL), RTW_OK, "digest: an artifact");
    check_status(rtw_module_digest(signed_twice, signed_length, two, NULL), RTW_OK, "digest: the same, signed");
    check(memcmp(one, two, 32) == 0, "digest: signing does not change it");
    size_t length;
    unsigned char *other = read_file(artifact_path("traps"), &length);
    check_status(rtw_module_digest(other, length, two, NULL), RTW_OK, "digest: another artifact");
    check(memcmp(one, two, 32) != 0, "digest: that of another differs");
    rtw_error_t err;
    other[length - 1] ^= 1;
    memset(two, 7, sizeof two);
    check_status(rtw_module_digest(other, length, two, &err), RTW_ERR_DIGEST, "digest: damage is found");
    check(two[0] == 7 && two[31] == 7, "digest: nothing is written then");
    check_status(rtw_module_digest(plain, plain_length, NULL, NULL), RTW_ERR_NULL, "digest: nowhere to write");
    check_status(rtw_module_digest(NULL, 8, two, NULL), RTW_ERR_NULL, "digest: no artifact");
    check_status(rtw_module_digest("", 0, two, NULL), RTW_ERR_NOT_ARTIFACT, "digest: nothing");
    free(other);
}

/* An artifact with the signatures of another, from forge.py. */
static void test_forged(const rtw_public_key_t *key) {
    char path[4096];
    snprintf(path, sizeof path, "%s/forged.%s/signature.rtw", artifacts, profile_name);
    size_t length;
    unsigned char *forged = read_file(path, &length);
    rtw_runtime_t *anyone = trusting(NULL, 0), *strict = trusting(key, 1);
    expect(anyone, forged, length, RTW_OK, "a signature of another artifact, without keys");
    expect(strict, forged, length, RTW_ERR_FORGED, "a signature of another artifact");
    rtw_runtime_destroy(anyone);
    rtw_runtime_destroy(strict);
    free(forged);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    plain = read_file(artifact_path("calls"), &plain_length);
    signed_twice = read_file(artifact_path("signed"), &signed_length);
    const rtw_public_key_t keys[] = {read_key("first"), read_key("second"), read_key("third")};
    test_trusted(keys);
    test_refused(keys);
    test_digest();
    test_forged(keys);
    free(plain);
    free(signed_twice);
    return check_summary();
}
