/* rtwasm, as a rival among others. Arguments: ARTIFACT [PUBLIC-KEY-FILE]. */
#include "rival.h"

#include <rtwasm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rtw_runtime_t *runtime;
static const char *path;
static rtw_error_t err;

static void need(rtw_status_t status, const char *what) {
    if (status != RTW_OK) rival_fail(what, err.message);
}

/* Reads a key as `rtwasm keygen` writes it. */
static rtw_public_key_t read_key(const char *name) {
    rtw_public_key_t key = {{0}};
    char line[256], digits[65];
    FILE *file = fopen(name, "r");
    if (file == NULL) rival_fail(name, "cannot be read");
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "rtwasm-public-key %64s", digits) == 1)
            for (int i = 0; i < 32; i++) {
                const char pair[3] = {digits[2 * i], digits[2 * i + 1], 0};
                key.bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
            }
    fclose(file);
    return key;
}

static void create(char **arguments) {
    rtw_runtime_config_t config;
    rtw_runtime_config_init(&config);
    rtw_public_key_t key;
    path = arguments[0];
    if (arguments[1] != NULL) {
        key = read_key(arguments[1]);
        config.trusted_keys = &key;
        config.trusted_key_count = 1;
    }
    need(rtw_runtime_create(&config, &runtime, &err), "runtime");
}

void rival_open(char **arguments) { create(arguments); }

static rtw_module_t *kept[RIVAL_MOST_KEPT];
static int kept_count;

uint64_t rival_load(void) {
    const uint64_t before = rival_now();
    const rtw_status_t status = rtw_module_load_file(runtime, path, &kept[kept_count], &err);
    const uint64_t ns = rival_now() - before;
    need(status, "load");
    kept_count++;
    return ns;
}

void rival_unload(void) {
    while (kept_count > 0) rtw_module_destroy(kept[--kept_count]);
}

static int32_t result(rtw_module_t *module, rival_step_t *steps) {
    rtw_instance_t *instance;
    rtw_func_t *run;
    rtw_value_t value = {.i32 = 3};
    uint64_t at = rival_now();
    need(rtw_instance_create(module, NULL, NULL, &instance, &err), "instance");
    need(rtw_instance_func(instance, "run", "(i32)->(i32)", &run, &err), "func");
    steps[0] = (rival_step_t){"instance", rival_now() - at};
    at = rival_now();
    need(rtw_thread_attach(runtime, NULL, &err), "attach");
    need(rtw_instance_prepare(instance, NULL, NULL, &err), "prepare");
    steps[1] = (rival_step_t){"attach-and-prepare", rival_now() - at};
    at = rival_now();
    need(rtw_invoke(run, &value, 1), "call");
    steps[2] = (rival_step_t){"call", rival_now() - at};
    return value.i32;
}

int32_t rival_check(void) {
    rtw_module_t *module;
    rival_step_t steps[3];
    need(rtw_module_load_file(runtime, path, &module, &err), "load");
    return result(module, steps);
}

int rival_first(char **arguments, rival_step_t *steps) {
    uint64_t at = rival_now();
    create(arguments);
    steps[0] = (rival_step_t){"create", rival_now() - at};
    rtw_module_t *module;
    at = rival_now();
    need(rtw_module_load_file(runtime, path, &module, &err), "load");
    steps[1] = (rival_step_t){"load", rival_now() - at};
    result(module, steps + 2);
    return 5;
}

/* ---- the cases beside loading */

static rtw_module_t *module;

typedef struct {
    rtw_instance_t *instance;
    rtw_func_t *run, *trap;
} guest_t;

static guest_t make(uint32_t stateless, bool prepared) {
    if (module == NULL) {
        need(rtw_module_load_file(runtime, path, &module, &err), "load");
        if (!rtw_thread_is_attached(runtime)) need(rtw_thread_attach(runtime, NULL, &err), "attach");
    }
    guest_t guest = {NULL, NULL, NULL};
    rtw_instance_config_t config;
    rtw_instance_config_init(&config);
    config.stateless = stateless;
    need(rtw_instance_create(module, NULL, &config, &guest.instance, &err), "instance");
    if (prepared) need(rtw_instance_prepare(guest.instance, NULL, NULL, &err), "prepare");
    return guest;
}

static guest_t look_up(guest_t guest) {
    need(rtw_instance_func(guest.instance, "run", "(i32)->(i32)", &guest.run, &err), "func");
    need(rtw_instance_func(guest.instance, "trap", "()->()", &guest.trap, &err), "func");
    need(rtw_instance_prepare(guest.instance, NULL, NULL, &err), "prepare");
    return guest;
}

static void end(guest_t guest) {
    rtw_func_destroy(guest.run), rtw_func_destroy(guest.trap);
    rtw_instance_destroy(guest.instance);
}

static void call_in_turn(guest_t *guests, int count) {
    for (int i = 0; i < count; i++) {
        rtw_value_t value = {.i32 = i};
        need(rtw_invoke(guests[i].run, &value, 1), "call");
    }
}

int rival_case(const char *name, int count, uint64_t *ns) {
    enum { MANY = 1024 };
    static guest_t many[MANY], one[2];
    const bool stateless = strcmp(name, "stateless") == 0, is_turn = strcmp(name, "turn") == 0;
    if (stateless || strcmp(name, "reset") == 0) {
        guest_t *guest = &one[stateless];
        if (guest->instance == NULL) *guest = look_up(make(stateless, true));
        for (int i = 0; i < count; i++) {
            rtw_value_t value = {.i32 = i};
            const uint64_t at = rival_now();
            if (rtw_invoke(guest->trap, NULL, 0) != RTW_ERR_TRAP_UNREACHABLE) rival_fail("trap", "no trap");
            if (!stateless) need(rtw_instance_reset(guest->instance, &err), "reset");
            ns[i] = rival_now() - at;
            need(rtw_invoke(guest->run, &value, 1), "call");
        }
        return 0;
    }
    if (is_turn) {
        for (int i = 0; i < MANY && many[i].instance == NULL; i++) many[i] = look_up(make(0, true));
        call_in_turn(many, MANY);
        for (int i = 0; i < count; i++) {
            const uint64_t at = rival_now();
            call_in_turn(many, MANY);
            ns[i] = (rival_now() - at) / MANY;
        }
        return 0;
    }
    end(make(0, true));
    for (int i = 0; i < count; i++) {
        uint64_t at = rival_now();
        const guest_t guest = make(0, strcmp(name, "prepared") == 0);
        const uint64_t made = rival_now() - at;
        at = rival_now();
        end(guest);
        ns[i] = strcmp(name, "end") == 0 ? rival_now() - at : made;
    }
    return 0;
}

/* With four funcs each. */
void rival_many(int count) {
    for (int i = 0; i < count; i++) {
        const guest_t guest = make(0, false);
        look_up(guest), look_up(guest);
    }
}

int rival_other(int argc, char **argv) {
    (void)argc, (void)argv;
    return -1;
}
