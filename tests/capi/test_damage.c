/* Damaged artifacts whose checksums were made right again: each is refused or loads, and nothing else suffers. The artifacts come from
 * forge.py, through a pipe; DAMAGED in the environment says how many, SEED which. Where there is no Python, forge.py has written them to
 * damaged.PROFILE before, among the artifacts. */
#include "../support/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static rtw_runtime_t *runtime;
static unsigned char *good;
static size_t good_length;

/* A module that was there before, one that comes new, and an instance of each: all of it works. */
static bool runtime_is_well(rtw_module_t *before) {
    rtw_error_t err;
    rtw_module_t *new_one = NULL;
    if (rtw_module_load(runtime, good, good_length, &new_one, &err) != RTW_OK) {
        printf("    a good artifact: %s: %s\n", rtw_status_name(err.status), err.message);
        return false;
    }
    bool well = true;
    rtw_module_t *both[] = {before, new_one};
    for (size_t i = 0; i < 2 && well; i++) {
        rtw_instance_t *instance = NULL;
        well = rtw_instance_create(both[i], NULL, NULL, &instance, &err) == RTW_OK && call_i32(instance, "add", 40, 2) == 42;
        if (!well) printf("    module %zu: %s: %s\n", i, rtw_status_name(err.status), err.message);
        rtw_instance_destroy(instance);
    }
    rtw_module_destroy(new_one);
    return well;
}

static bool is_refusal(rtw_status_t status) {
    switch (status) {
    case RTW_ERR_ARTIFACT:
    case RTW_ERR_ENGINE:
    case RTW_ERR_TARGET:
    case RTW_ERR_CPU_FEATURE:
    case RTW_ERR_PROFILE:
    case RTW_ERR_NO_MEMORY:
        return true;
    default:
        return false;
    }
}

static void test_damaged(void) {
    const char *count = getenv("DAMAGED");
    const char *seed = getenv("SEED");
    unsigned long expected = strtoul(count != NULL ? count : "3000", NULL, 10);
    char command[9000];
    snprintf(command, sizeof command, "exec python3 forge.py '%s' - %lu %s", artifact_path("calls"), expected, seed != NULL ? seed : "1");
    char made[9000];
    snprintf(made, sizeof made, "%s/damaged.%s", artifacts, profile_name);
    const bool is_file = access(made, R_OK) == 0;
    FILE *pipe = is_file ? fopen(made, "rb") : popen(command, "r");
    if (pipe == NULL) {
        check(false, "damaged: forge.py can be started");
        return;
    }
    rtw_module_t *before = load(runtime, "calls");
    unsigned long loaded = 0, refused = 0, told = 0, other = 0, number = 0, unwell = 0;
    unsigned char head[4];
    while (fread(head, 1, sizeof head, pipe) == sizeof head) {
        size_t length = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        unsigned char *bytes = malloc(length);
        if (bytes == NULL || fread(bytes, 1, length, pipe) != length) {
            free(bytes);
            break;
        }
        rtw_error_t err;
        rtw_module_t *module = NULL;
        rtw_module_info_t info;
        rtw_module_info_init(&info);
        rtw_status_t probed = rtw_module_probe(runtime, bytes, length, &info, NULL);
        rtw_status_t status = rtw_module_load(runtime, bytes, length, &module, &err);
        if (status == RTW_OK && probed == RTW_OK) {
            loaded++;
        } else if (is_refusal(status) && (probed == RTW_OK || probed == status)) {
            refused++;
            told += strstr(err.message, "the engine cannot read it") != NULL;
        } else {
            other++;
            printf("    %lu: probe %s, load %s: %s\n", number, rtw_status_name(probed), rtw_status_name(status), err.message);
        }
        rtw_module_destroy(module);
        free(bytes);
        number++;
        if (number % 16 == 0 && !runtime_is_well(before)) {
            unwell++;
            break;
        }
    }
    is_file ? fclose(pipe) : pclose(pipe);
    check(number == expected, "damaged: %lu of %lu were tried", number, expected);
    check(other == 0, "damaged: each is refused as one that cannot be loaded, or loads (%lu are not)", other);
    check(loaded > number / 50 && refused > number / 4, "damaged: %lu are refused, %lu load", refused, loaded);
    check(told > 0, "damaged: on %lu the engine gives up, which is where others could suffer", told);
    check(unwell == 0 && runtime_is_well(before), "damaged: what was loaded before goes on, and what is good still loads");
    rtw_module_destroy(before);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    attach_here(runtime);
    good = read_file(artifact_path("calls"), &good_length);
    test_damaged();
    free(good);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
