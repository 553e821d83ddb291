/* Shared by the tests of workers. */
#ifndef RTWASM_TEST_WORKER_H
#define RTWASM_TEST_WORKER_H

#include "../support/clock.h"
#include "../support/common.h"

enum { PERIOD_NS = 1000000 };

static inline void busy_until(uint64_t time_ns) {
    while (now_ns() < time_ns) {
    }
}

static inline rtw_worker_config_t periodic_config(rtw_step_t step, void *user_data) {
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.period_ns = PERIOD_NS;
    config.step = step;
    config.user_data = user_data;
    return config;
}

static inline rtw_worker_config_t queue_config(void) {
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    return config;
}

static inline rtw_worker_t *make_worker(rtw_runtime_t *runtime, const rtw_worker_config_t *config) {
    rtw_worker_t *worker = NULL;
    rtw_error_t err;
    require(rtw_worker_create(runtime, config, &worker, &err), &err, "a worker");
    return worker;
}

static inline void start(rtw_worker_t *worker) {
    rtw_error_t err;
    require(rtw_worker_start(worker, &err), &err, "the worker starts");
}

static inline rtw_worker_info_t info_of(rtw_worker_t *worker) {
    rtw_worker_info_t info;
    rtw_worker_info_init(&info);
    require(rtw_worker_info(worker, &info), NULL, "info");
    return info;
}

static inline rtw_worker_stats_t stats_of(rtw_worker_t *worker) {
    rtw_worker_stats_t stats;
    rtw_worker_stats_init(&stats);
    require(rtw_worker_stats(worker, &stats), NULL, "stats");
    return stats;
}

static inline rtw_status_t step_nothing(void *user_data, const rtw_tick_t *tick) {
    (void)user_data, (void)tick;
    return RTW_OK;
}

static inline void refuse(rtw_runtime_t *runtime, const rtw_worker_config_t *config, rtw_status_t status, const char *message, const char *what) {
    rtw_worker_t *worker = (rtw_worker_t *)runtime;
    rtw_error_t err;
    check_status(rtw_worker_create(runtime, config, &worker, &err), status, "refused: %s", what);
    check_error(&err, status, message, "and said: %s", what);
    check(worker == NULL, "and no worker: %s", what);
}

static inline rtw_completion_t wait_for_one(rtw_worker_t *worker) {
    rtw_completion_t completion;
    rtw_completion_init(&completion);
    require(rtw_worker_wait(worker, &completion, RTW_FOREVER), NULL, "a completion");
    return completion;
}

#endif
