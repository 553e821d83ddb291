#include "../../guests/control/pid.c"

#include "native.h"

const native_controller_t native_pid = {"pid", init, set_param, step, reset, io};
