/* A process that was forked has its parent's memory and none of its threads. Not for valgrind, which misses in the child what those
 * threads alone knew of. */
#include "../support/common.h"

static void in_child(void *data) {
    rtw_worker_t *worker = data;
    rtw_worker_info_t info;
    rtw_worker_info_init(&info);
    check_status(rtw_worker_start(worker, NULL), RTW_ERR_FORKED, "a child cannot start its parent's worker");
    check_status(rtw_worker_stop(worker), RTW_ERR_FORKED, "nor stop it");
    check_status(rtw_worker_join(worker, RTW_FOREVER), RTW_ERR_FORKED, "nor wait for it");
    check_status(rtw_worker_info(worker, &info), RTW_ERR_FORKED, "nor ask");
    check_status(rtw_worker_submit(worker, NULL, NULL, 0, 0), RTW_ERR_FORKED, "nor submit");
    rtw_worker_destroy(worker);
    check(true, "it can forget it");
}

static void test_fork(void) {
    guest_t guest = open_guest("calls", NULL);
    rtw_func_t *nothing = look_up(guest.instance, "nothing", NULL);
    rtw_worker_config_t config;
    rtw_worker_config_init(&config);
    config.kind = RTW_WORKER_QUEUE;
    rtw_worker_t *worker = start_worker(guest.runtime, &config);
    check_in_child("a child with its parent's worker", in_child, worker);
    check_status(rtw_worker_invoke(worker, nothing, NULL, 0), RTW_OK, "the parent's goes on");
    rtw_worker_destroy(worker);
    rtw_func_destroy(nothing);
    close_guest(&guest);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    test_fork();
    return check_summary();
}
