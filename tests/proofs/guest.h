/* Runtimes, instances and calls in a line each, for programs that are linked to the library. */
#ifndef RTWASM_PROOF_GUEST_H
#define RTWASM_PROOF_GUEST_H

#include "harness.h"

/* Ends the program unless the status is RTW_OK. */
#define OK(call, err)                                                                                                             \
    do {                                                                                                                          \
        rtw_status_t ok_status = (call);                                                                                          \
        NEED(ok_status == RTW_OK, "%s: %s %s", #call, rtw_status_name(ok_status), (err).message);                                 \
    } while (0)

rtw_runtime_t *open_runtime(uint32_t memory_lock, uint64_t guest_stack_bytes);
rtw_module_t *load(rtw_runtime_t *runtime, const char *guest);
rtw_instance_t *open_instance(rtw_module_t *module, rtw_imports_t *imports, const rtw_instance_config_t *config);
rtw_func_t *look_up(rtw_instance_t *instance, const char *name);
/* Looks up, calls with up to two i32, ends the func; the result by `result` where it is not NULL. */
rtw_status_t call_i32(rtw_instance_t *instance, const char *name, int32_t a, int32_t b, int32_t *result);
void attach(rtw_runtime_t *runtime);
void prepare(rtw_instance_t *instance);

#endif
