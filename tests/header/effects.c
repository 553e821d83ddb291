/* The check of RTW_NONBLOCKING by a compiler with function effects: a non-blocking function may call the [rt] ones, and with PLANTED
 * one calls a [setup] one, which must be found. */
#include <rtwasm.h>
void block(rtw_func_t *func, rtw_value_t *values) __attribute__((nonblocking));
void block(rtw_func_t *func, rtw_value_t *values) __attribute__((nonblocking)) { (void)rtw_invoke(func, values, 1); }
#ifdef PLANTED
void late(rtw_func_t *func) __attribute__((nonblocking));
void late(rtw_func_t *func) __attribute__((nonblocking)) { rtw_func_destroy(func); }
#endif
