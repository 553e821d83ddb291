/* The examples of docs/workers.md, compiled unchanged and run. */
#include "../support/common.h"

#include "document.h"

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    guest_t guest = open_guest("calls", NULL);
    machine_t machine = {look_up(guest.instance, "mul64", "(f64,f64)->(f64)"), 3.0, 0.5, 0.0};
    rtw_worker_stats_t stats;
    rtw_error_t err;
    rtw_worker_stats_init(&stats);
    check_status(run_for_a_while(guest.runtime, &machine, &stats, &err), RTW_OK, "every period");
    check(stats.ticks + stats.skipped == 100 && machine.output == 1.5, "a hundred periods, and what the guest says");
    check(stats.voluntary_switches > 0, "it slept between them");
    int32_t sum = 0;
    rtw_func_t *add = look_up(guest.instance, "add", NULL);
    check_status(ask(guest.runtime, add, &sum, &err), RTW_OK, "on demand");
    check(sum == 42, "with its answer");
    rtw_func_destroy(add);
    rtw_func_destroy(machine.control);
    close_guest(&guest);
    return check_summary();
}
