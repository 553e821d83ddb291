"""A host that cannot be real-time itself, Python, has a pinned worker call a guest. No binding is needed: ctypes, with the structs of
rtwasm.h written out. `test_queue.py LIBRTWASM.SO ARTIFACT`, whose guest exports "add"."""
import ctypes
import sys
from ctypes import POINTER, byref, c_char, c_double, c_int32, c_size_t, c_uint32, c_uint64, c_ubyte, c_void_p

FOREVER = 2**64 - 1
QUEUE = 1
EMPTY, FULL = -702, -701


class Error(ctypes.Structure):
    _fields_ = [("status", c_int32), ("os_error", c_int32), ("message", c_char * 504)]


class Value(ctypes.Union):
    _fields_ = [("i32", c_int32), ("u64", c_uint64), ("f64", c_double), ("v128", c_ubyte * 16)]


class WorkerConfig(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("kind", c_uint32), ("name", ctypes.c_char_p), ("sched_policy", c_uint32), ("priority", c_int32),
        ("cpu", c_int32), ("denormals", c_uint32), ("strict", c_uint32), ("memory_lock", c_uint32), ("statistics", c_uint32),
        ("dma_latency_us", c_int32), ("deadline_runtime_ns", c_uint64), ("deadline_ns", c_uint64), ("setup", c_void_p),
        ("user_data", c_void_p), ("dry_calls", c_void_p), ("dry_call_count", c_uint32), ("missed", c_uint32),
        ("period_ns", c_uint64), ("early_ns", c_uint64), ("on_fault", c_uint32), ("queue_capacity", c_uint32), ("period_limit", c_uint64),
        ("step", c_void_p), ("func", c_void_p), ("values", c_void_p), ("value_count", c_uint32), ("warm_value_count", c_uint32), ("warm_func", c_void_p),
        ("warm_values", c_void_p), ("spin_ns", c_uint64),
    ]


class Completion(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("status", c_int32), ("tag", c_uint64), ("submitted_ns", c_uint64), ("started_ns", c_uint64),
        ("ended_ns", c_uint64), ("values", Value * 16),
    ]


passed = failed = 0


def check(good, what):
    global passed, failed
    print("ok" if good else "FAIL", what)
    passed, failed = passed + bool(good), failed + (not good)


def main(path, artifact):
    rtw = ctypes.CDLL(path)
    # Handles are pointers; ctypes would make an int of 32 bits of them.
    rtw.rtw_worker_submit.argtypes = [c_void_p, c_void_p, POINTER(Value), c_size_t, c_uint64]
    rtw.rtw_worker_invoke.argtypes = [c_void_p, c_void_p, POINTER(Value), c_size_t]
    rtw.rtw_worker_wait.argtypes = [c_void_p, POINTER(Completion), c_uint64]
    error = Error()

    def must(status):
        if status != 0:
            sys.exit(f"FAIL {status}: {error.message.decode()}")

    runtime, module, instance, add, worker = (c_void_p() for _ in range(5))
    must(rtw.rtw_runtime_create(None, byref(runtime), byref(error)))
    must(rtw.rtw_module_load_file(runtime, artifact.encode(), byref(module), byref(error)))
    must(rtw.rtw_instance_create(module, None, None, byref(instance), byref(error)))
    must(rtw.rtw_instance_func(instance, b"add", b"(i32,i32)->(i32)", byref(add), byref(error)))
    config = WorkerConfig()
    rtw.rtw_worker_config_init_sized(byref(config), c_size_t(ctypes.sizeof(config)))
    config.kind, config.name, config.queue_capacity = QUEUE, b"from-python", 32
    must(rtw.rtw_worker_create(runtime, byref(config), byref(worker), byref(error)))
    must(rtw.rtw_worker_start(worker, byref(error)))

    values = (Value * 2)()
    values[0].i32, values[1].i32 = 40, 2
    must(rtw.rtw_worker_invoke(worker, add, values, 2))
    check(values[0].i32 == 42, "an invocation comes back with its result")

    completion = Completion()
    rtw.rtw_completion_init_sized(byref(completion), c_size_t(ctypes.sizeof(completion)))
    submitted, answered, right = 0, {}, True
    while len(answered) < 1000:
        values[0].i32, values[1].i32 = submitted, 1000
        status = rtw.rtw_worker_submit(worker, add, values, 2, submitted) if submitted < 1000 else FULL
        if status == 0:
            submitted += 1
            continue
        right &= status == FULL
        must(rtw.rtw_worker_wait(worker, byref(completion), FOREVER))
        answered[completion.tag] = completion.values[0].i32
    check(right and answered == {tag: 1000 + tag for tag in range(1000)}, "a thousand submissions are answered, each with its own result")
    check(rtw.rtw_worker_poll(worker, byref(completion)) == EMPTY, "and then there are no more")
    rtw.rtw_worker_destroy(worker)
    rtw.rtw_func_destroy(add), rtw.rtw_instance_destroy(instance), rtw.rtw_module_destroy(module), rtw.rtw_runtime_destroy(runtime)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
