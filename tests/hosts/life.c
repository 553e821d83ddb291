/* A whole life of everything: guests that run, trap and are cut off, a worker that calls them, a slot, statistics. Other tests
 * run it in surroundings that a host may have. */
#include "common.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    for (int round = 0; round < 3; round++) {
        life_t life = begin_life(NULL, NULL, 20000000);
        rtw_error_t err;
        ready(&life);
        check(whole(&life, "in its calls", true) == 0, "guests run, trap and are cut off");

        rtw_func_t *add = look_up(life.guest.instance, "add", "(i32,i32)->(i32)");
        rtw_value_t values[2] = {{.i32 = 1}, {.i32 = 2}};
        for (int i = 0; i < 1000; i++) {
            values[0].i32 = i;
            values[1].i32 = 1;
            if (rtw_invoke(add, values, 2) != RTW_OK || values[0].i32 != i + 1) check(false, "call %d", i);
        }
        rtw_func_stats_t stats;
        rtw_func_stats_init(&stats);
        check(rtw_func_stats(add, &stats) == RTW_OK && stats.call.count == 1000, "its calls are counted");
        check(rtw_thread_detach(life.guest.runtime, &err) == RTW_OK, "detached");

        rtw_worker_config_t config;
        rtw_worker_config_init(&config);
        config.kind = RTW_WORKER_QUEUE;
        rtw_worker_t *worker = start_worker(life.guest.runtime, &config);
        values[0].i32 = 40;
        values[1].i32 = 2;
        check(rtw_worker_invoke(worker, add, values, 2) == RTW_OK && values[0].i32 == 42, "a worker calls it");
        rtw_func_t *spin = look_up(life.guest.instance, "spin", "()->()");
        check(rtw_worker_invoke(worker, spin, NULL, 0) == RTW_ERR_BUDGET, "and is freed of an endless call");
        rtw_worker_destroy(worker);
        rtw_func_destroy(spin);
        rtw_func_destroy(add);
        end_life(&life);
    }
    return check_summary();
}
