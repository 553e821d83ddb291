/* Memories, tables and globals that a module does not export stay out of the host's sight, although the library reaches them. */
#include "../support/common.h"

#include <string.h>

static rtw_runtime_t *runtime;

/* Looks `name` up as a function, a memory and a global, and expects `func` for the first. */
static void look(rtw_instance_t *instance, const char *name, const char *shown, rtw_status_t func) {
    rtw_func_t *found = NULL;
    rtw_memory_view_t view = {NULL, 0};
    rtw_value_t value;
    rtw_error_t err;
    memset(&value, 0, sizeof value);
    check_status(rtw_instance_func(instance, name, NULL, &found, &err), func, "hidden: the function \"%s\"", shown);
    rtw_func_destroy(found);
    rtw_status_t other = func == RTW_OK ? RTW_ERR_EXPORT_KIND : RTW_ERR_NO_EXPORT;
    check_status(rtw_instance_memory(instance, name, &view, &err), other, "hidden: the memory \"%s\"", shown);
    check_status(rtw_instance_global_get(instance, name, &value, &err), other, "hidden: the global \"%s\"", shown);
    check_status(rtw_instance_global_set(instance, name, &value, &err), other, "hidden: setting the global \"%s\"", shown);
    if (func != RTW_OK) check_error(&err, RTW_ERR_NO_EXPORT, "exports of this kind: none", "hidden: the message names none");
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    runtime = make_runtime();
    rtw_module_t *module = load(runtime, "hidden");
    check(rtw_module_export_count(module) == 2, "hidden: two exports, not %zu", rtw_module_export_count(module));
    static const char *const names[] = {"m0", ""};
    for (size_t i = 0; i < 2; i++) {
        rtw_extern_t one;
        check_status(rtw_module_export(module, i, &one), RTW_OK, "hidden: export %zu", i);
        check(one.kind == RTW_EXTERN_FUNC && strcmp(one.name, names[i]) == 0, "hidden: it is the module's own, \"%s\"", one.name);
    }

    rtw_instance_t *instance = NULL;
    rtw_error_t err;
    rtw_memory_view_t view = {NULL, 0};
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, "an instance");
    check_status(rtw_instance_memory(instance, NULL, &view, &err), RTW_ERR_NO_EXPORT, "hidden: there is no default memory");
    check(rtw_instance_memory_at(instance, 0, 1) == NULL, "hidden: nor an address in it");
    /* A C string ends where the library's names begin: they are "" for C. */
    look(instance, "\0m0", "", RTW_OK);
    look(instance, "m0", "m0", RTW_OK);
    look(instance, "t0", "t0", RTW_ERR_NO_EXPORT);
    look(instance, "g0", "g0", RTW_ERR_NO_EXPORT);
    look(instance, "\\0m0", "\\0m0", RTW_ERR_NO_EXPORT);
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);

    module = load(runtime, "no_memory");
    require(rtw_instance_create(module, NULL, NULL, &instance, &err), &err, "an instance of a module without anything to hide");
    look(instance, "\0m0", "", RTW_ERR_NO_EXPORT);
    rtw_instance_destroy(instance);
    rtw_module_destroy(module);
    rtw_runtime_destroy(runtime);
    return check_summary();
}
