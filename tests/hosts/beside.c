/* rtwasm inside a program that holds another Rust library as well: each has its own standard library and its own panics. */
#include "common.h"

#include <stdint.h>

uint32_t beside_works(uint32_t until);
bool beside_panics(void);

/* An artifact that makes the engine panic while it is loaded: that may reach neither the host nor the other library. */
static void damaged(rtw_runtime_t *runtime) {
    rtw_module_t *module = NULL;
    rtw_error_t err;
    const rtw_status_t status = rtw_module_load_file(runtime, artifact_path("damaged"), &module, &err);
    check(status == RTW_ERR_ARTIFACT && module == NULL, "a load that panics inside is refused: %s, %s", rtw_status_name(status), err.message);
}

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    check(beside_works(1000) == 1000, "the other library works");
    check(beside_panics(), "and catches its own panic");
    life_t life = begin_life(NULL, NULL, 20000000);
    ready(&life);
    check(whole(&life, "beside it", true) == 0, "guests run, trap and are cut off beside it");
    rtw_runtime_t *other = make_runtime();
    damaged(other);
    rtw_runtime_destroy(other);
    check(beside_panics(), "the other library still catches its own panic");
    check(whole(&life, "afterwards", true) == 0, "and guests still run");
    end_life(&life);
    check(beside_works(10000) == 10000, "the other library works when guests are gone");
    return check_summary();
}
