"""The C API for ctypes. Written by `make api` from the headers; do not edit."""
from __future__ import annotations

from ctypes import (CDLL, CFUNCTYPE, POINTER, Structure, Union, c_char, c_char_p, c_double, c_float, c_int, c_int8, c_int16,
                    c_int32, c_int64, c_size_t, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p)
from enum import IntEnum, IntFlag
from typing import Any, Callable, TypedDict

VERSION = (0, 1, 0)
RTW_CPU_SET_WORDS = 16
RTW_LOG_LONGEST = 1000
RTW_TRUSTED_KEYS_MOST = 256
RTW_STACKS = 1024
RTW_GUEST_OWN = 1
RTW_GUEST_FAUST = 2
RTW_GUEST_FAUST_DOUBLE = 3
RTW_GUEST_STATELESS = 1
RTW_GUEST_EVENTS = 2
RTW_GUEST_MIDI = 4
RTW_GUEST_STATE = 8
RTW_PARAM_INTEGER = 1
RTW_PARAM_TOGGLE = 2
RTW_PARAM_TRIGGER = 4
RTW_PARAM_LOGARITHMIC = 8
RTW_PARAM_NOT_AUTOMATABLE = 16
RTW_PARAM_HIDDEN = 32
RTW_EVENT_PARAM = 1
RTW_EVENT_MIDI = 2
RTW_GUEST_FUNC_INIT = 0
RTW_GUEST_FUNC_PROCESS = 1
RTW_FOREVER = 18446744073709551615
RTW_WORKER_VALUES = 16
RTW_STEP_STOP = 1
RTW_HOST_CLASSES = 4
RTW_HOST_CPU_ANY = -1
RTW_VERSION_MAJOR = 0
RTW_VERSION_MINOR = 1
RTW_VERSION_PATCH = 0
RTW_COMPILE_PROFILE_BOTH = 2


class Status(IntEnum):
    OK = 0
    NULL = -101
    ARGUMENT = -102
    HANDLE = -103
    STRUCT_SIZE = -104
    VALUES = -105
    BOUNDS = -106
    UNSUPPORTED = -107
    NOT_ARTIFACT = -201
    PLAIN_WASM = -202
    TRUNCATED = -203
    DIGEST = -204
    ENVELOPE_VERSION = -205
    ENGINE = -206
    TARGET = -207
    CPU_FEATURE = -208
    PROFILE = -209
    ARTIFACT = -210
    WASM = -211
    PROPOSAL = -212
    COMPILER = -213
    UNSIGNED = -214
    FORGED = -215
    NO_EXPORT = -301
    EXPORT_KIND = -302
    SIGNATURE = -303
    SIGNATURE_SYNTAX = -304
    IMPORT_MISSING = -305
    IMPORT_TYPE = -306
    NO_MEMORY = -401
    MEMLOCK = -402
    PERMISSION = -403
    IO = -404
    LIMIT = -405
    STACK_SIZE = -406
    ARENA = -407
    NOT_ATTACHED = -501
    ATTACHED = -502
    FAULTED = -503
    BUSY = -504
    FORKED = -505
    SIGNALS = -506
    POISONED = -507
    STATE = -508
    TRAP_UNREACHABLE = -601
    TRAP_MEMORY = -602
    TRAP_TABLE = -603
    TRAP_INDIRECT_CALL = -604
    TRAP_DIVIDE_BY_ZERO = -605
    TRAP_INTEGER_OVERFLOW = -606
    TRAP_BAD_CONVERSION = -607
    TRAP_STACK = -608
    TRAP_OTHER = -609
    HOST = -610
    BUDGET = -611
    TRAP_MISALIGNED = -612
    STUB = -613
    EXITED = -614
    ABORTED = -615
    FULL = -701
    EMPTY = -702
    TIMEOUT = -703
    CANCELLED = -704
    RUNNING = -705
    STOPPED = -706
    INTERNAL = -901


class Profile(IntEnum):
    STANDALONE = 0
    PLUGIN = 1
    ANY = 2


class Sched(IntEnum):
    KEEP = 0
    OTHER = 1
    FIFO = 2
    RR = 3
    RUNTIME = 2147483647
    DEADLINE = 4


class Lock(IntEnum):
    OFF = 0
    ON = 1
    REQUIRED = 2


class SignalChecks(IntEnum):
    LOOK = 0
    ASK = 1


class Denormals(IntEnum):
    KEEP = 0
    FLUSH = 1
    IEEE = 2


class LogLevel(IntEnum):
    PRINTED = 0
    DEBUG = 1
    INFO = 2
    WARNING = 3
    ERROR = 4


class Cancel(IntEnum):
    DEFER = 0
    IGNORE = 1


class ResetObstacle(IntFlag):
    START = 1
    INITIALISER = 2
    IMPORTS = 4
    REFERENCES = 8
    TABLES = 16
    DROPS = 32
    SEGMENT = 64
    SIZE = 128
    VALUE = 256


class ExternKind(IntEnum):
    FUNC = 1
    MEMORY = 2
    GLOBAL = 3
    TABLE = 4
    TAG = 5


class HostFlag(IntFlag):
    MAY_BLOCK = 1
    CHANGES_FLOAT = 2


class Stubs(IntEnum):
    NONE = 0
    TRAP = 1
    LIBC = 2


class GrowthMode(IntEnum):
    REFUSED = 0
    ALLOWED = 1
    AHEAD = 2


class Budget(IntEnum):
    CUT_OFF = 0
    COUNT = 1


class Initialize(IntEnum):
    CALL = 0
    LEAVE = 1


class Refused(IntEnum):
    PREPARED = 1
    LIMIT = 2
    MAXIMUM = 3
    SYSTEM = 4


class MapFlag(IntFlag):
    VOUCHED = 1


class BlockFlag(IntFlag):
    NEW = 1
    SPARE = 2
    HELD = 4


class StateTransfer(IntEnum):
    NONE = 0
    GUEST = 1
    HOST = 2


class SlotEvent(IntEnum):
    TAKEN = 1
    FAULTED = 2
    SPARE_TAKEN = 3
    SPARE_READY = 4
    SPARE_FAILED = 5


class WorkerKind(IntEnum):
    PERIODIC = 0
    QUEUE = 1


class Missed(IntEnum):
    SKIP = 0
    CATCH_UP = 1


class OnFault(IntEnum):
    STOP = 0
    CONTINUE = 1


class Series(IntEnum):
    WAKE_UP = 0
    CALL = 1
    RESPONSE = 2
    JITTER = 3


class Cause(IntFlag):
    PAGE_FAULT = 1
    INVOLUNTARY_SWITCH = 2
    VOLUNTARY_SWITCH = 4
    BUDGET = 8
    TRAP = 16
    DEADLINE = 32
    WAKE_UP = 64


class Export(IntEnum):
    JSON = 0
    HTML = 1
    HGRM = 2
    HLOG = 3
    OPENMETRICS = 4
    CSV = 5


class HostClass(IntEnum):
    ALL = 0
    AUDIO_128 = 1
    AUDIO_32 = 2
    CONTROL_1KHZ = 3
    CONTROL_10KHZ = 4


class HostSeverity(IntEnum):
    NONE = 0
    INFO = 1
    MEDIUM = 2
    HIGH = 3
    FATAL = 4


class HostApply(IntEnum):
    NOW = 0
    WITH_THOUGHT = 1
    REBOOT = 2


class HostState(IntEnum):
    GOOD = 0
    BAD = 1
    UNKNOWN = 2
    SKIPPED = 3


class HostVerdict(IntEnum):
    READY = 0
    READY_WITH_WARNINGS = 1
    NOT_READY = 2


class CompileOpt(IntEnum):
    NONE = 0
    SPEED = 1
    SIZE = 2


class CompileInterruption(IntEnum):
    NONE = 0
    EPOCH = 1
    FUEL = 2
    GUARD = 3


class CompileReservation(IntEnum):
    FULL = 0
    DECLARED = 1


class rtw_error_t(Structure):
    status: int
    os_error: int
    message: bytes
    _fields_ = [("status", c_int32),
                ("os_error", c_int32),
                ("message", c_char * 504)]


class rtw_value_t(Union):
    i32: int
    u32: int
    i64: int
    u64: int
    f32: float
    f64: float
    v128: Any
    i8x16: Any
    i16x8: Any
    i32x4: Any
    i64x2: Any
    f32x4: Any
    f64x2: Any
    _fields_ = [("i32", c_int32),
                ("u32", c_uint32),
                ("i64", c_int64),
                ("u64", c_uint64),
                ("f32", c_float),
                ("f64", c_double),
                ("v128", c_uint8 * 16),
                ("i8x16", c_int8 * 16),
                ("i16x8", c_int16 * 8),
                ("i32x4", c_int32 * 4),
                ("i64x2", c_int64 * 2),
                ("f32x4", c_float * 4),
                ("f64x2", c_double * 2)]


class rtw_distribution_t(Structure):
    count: int
    min_ns: float
    mean_ns: float
    p50_ns: float
    p90_ns: float
    p95_ns: float
    p99_ns: float
    p999_ns: float
    p9999_ns: float
    max_ns: float
    _fields_ = [("count", c_uint64),
                ("min_ns", c_double),
                ("mean_ns", c_double),
                ("p50_ns", c_double),
                ("p90_ns", c_double),
                ("p95_ns", c_double),
                ("p99_ns", c_double),
                ("p999_ns", c_double),
                ("p9999_ns", c_double),
                ("max_ns", c_double)]


class rtw_bucket_t(Structure):
    low_ns: float
    high_ns: float
    count: int
    _fields_ = [("low_ns", c_double),
                ("high_ns", c_double),
                ("count", c_uint64)]


class rtw_public_key_t(Structure):
    bytes: Any
    _fields_ = [("bytes", c_uint8 * 32)]


class rtw_runtime_stats_t(Structure):
    struct_size: int
    attached_threads: int
    late_attaches: int
    _fields_ = [("struct_size", c_uint32),
                ("attached_threads", c_uint32),
                ("late_attaches", c_uint64)]


class rtw_signals_t(Structure):
    struct_size: int
    status: int
    looks: int
    interval_ns: int
    troubles: int
    blocked_threads: int
    masks_unknown: int
    message: bytes
    _fields_ = [("struct_size", c_uint32),
                ("status", c_int32),
                ("looks", c_uint64),
                ("interval_ns", c_uint64),
                ("troubles", c_uint64),
                ("blocked_threads", c_uint32),
                ("masks_unknown", c_uint32),
                ("message", c_char * 512)]


class rtw_extern_t(Structure):
    kind: int
    module: bytes | None
    name: bytes | None
    ty: bytes | None
    _fields_ = [("kind", c_uint32),
                ("module", c_char_p),
                ("name", c_char_p),
                ("ty", c_char_p)]


class rtw_limits_t(Structure):
    min: int
    max: int
    index_64: int
    _fields_ = [("min", c_uint64),
                ("max", c_uint64),
                ("index_64", c_uint32)]


class rtw_wasi_config_t(Structure):
    struct_size: int
    arg_count: int
    args: Any
    env: Any
    env_count: int
    seed: int
    time_ns: Any
    _fields_ = [("struct_size", c_uint32),
                ("arg_count", c_uint32),
                ("args", POINTER(c_char_p)),
                ("env", POINTER(c_char_p)),
                ("env_count", c_uint32),
                ("seed", c_uint64),
                ("time_ns", POINTER(c_uint64))]


class rtw_instance_config_t(Structure):
    struct_size: int
    growth: int
    denormals: int
    on_budget: int
    memory_limit_bytes: int
    growth_ahead_bytes: int
    budget_ns: int
    deadline_ns: int
    stateless: int
    initialize: int
    log_bytes: int
    _fields_ = [("struct_size", c_uint32),
                ("growth", c_uint32),
                ("denormals", c_uint32),
                ("on_budget", c_uint32),
                ("memory_limit_bytes", c_uint64),
                ("growth_ahead_bytes", c_uint64),
                ("budget_ns", c_uint64),
                ("deadline_ns", c_uint64),
                ("stateless", c_uint32),
                ("initialize", c_uint32),
                ("log_bytes", c_uint64)]


class rtw_fault_t(Structure):
    struct_size: int
    status: int
    host_status: int
    function_index: int
    wasm_offset: int
    function_name: bytes
    refused_growths: int
    refused_from: int
    refused_to: int
    refused_by: int
    refused_table: int
    message: bytes
    _fields_ = [("struct_size", c_uint32),
                ("status", c_int32),
                ("host_status", c_int32),
                ("function_index", c_int32),
                ("wasm_offset", c_int64),
                ("function_name", c_char * 128),
                ("refused_growths", c_uint64),
                ("refused_from", c_uint64),
                ("refused_to", c_uint64),
                ("refused_by", c_uint32),
                ("refused_table", c_uint32),
                ("message", c_char * 512)]


class rtw_growth_t(Structure):
    struct_size: int
    granted: int
    refused: int
    refused_prepared: int
    refused_limit: int
    refused_maximum: int
    refused_system: int
    _fields_ = [("struct_size", c_uint32),
                ("granted", c_uint64),
                ("refused", c_uint64),
                ("refused_prepared", c_uint64),
                ("refused_limit", c_uint64),
                ("refused_maximum", c_uint64),
                ("refused_system", c_uint64)]


class rtw_memory_view_t(Structure):
    base: Any
    size_bytes: int
    _fields_ = [("base", c_void_p),
                ("size_bytes", c_uint64)]


class rtw_wanted_func_t(Structure):
    name: bytes | None
    signature: bytes | None
    optional: int
    _fields_ = [("name", c_char_p),
                ("signature", c_char_p),
                ("optional", c_uint32)]


class rtw_prepare_report_t(Structure):
    struct_size: int
    locked: int
    touched_bytes: int
    locked_bytes: int
    dry_calls: int
    first_call_ns: float
    steady_call_ns: float
    allocations: int
    minor_faults: int
    major_faults: int
    _fields_ = [("struct_size", c_uint32),
                ("locked", c_uint32),
                ("touched_bytes", c_uint64),
                ("locked_bytes", c_uint64),
                ("dry_calls", c_uint64),
                ("first_call_ns", c_double),
                ("steady_call_ns", c_double),
                ("allocations", c_uint64),
                ("minor_faults", c_uint64),
                ("major_faults", c_uint64)]


class rtw_stack_t(Structure):
    base: Any
    bytes: int
    _fields_ = [("base", c_void_p),
                ("bytes", c_uint64)]


class rtw_slot_event_t(Structure):
    kind: int
    status: int
    publication: int
    instance: Any
    _fields_ = [("kind", c_uint32),
                ("status", c_int32),
                ("publication", c_uint64),
                ("instance", c_void_p)]


class rtw_block_t(Structure):
    instance: Any
    funcs: Any
    held_instance: Any
    held_funcs: Any
    flags: int
    _fields_ = [("instance", c_void_p),
                ("funcs", POINTER(c_void_p)),
                ("held_instance", c_void_p),
                ("held_funcs", POINTER(c_void_p)),
                ("flags", c_uint32)]


class rtw_slot_stats_t(Structure):
    struct_size: int
    spares_ready: int
    instances: int
    blocks: int
    publications: int
    refused: int
    taken: int
    faults: int
    spares_used: int
    unserved: int
    busy: int
    held_bytes: int
    _fields_ = [("struct_size", c_uint32),
                ("spares_ready", c_uint32),
                ("instances", c_uint32),
                ("blocks", c_uint64),
                ("publications", c_uint64),
                ("refused", c_uint64),
                ("taken", c_uint64),
                ("faults", c_uint64),
                ("spares_used", c_uint64),
                ("unserved", c_uint64),
                ("busy", c_uint64),
                ("held_bytes", c_uint64)]


class rtw_guest_info_t(Structure):
    struct_size: int
    kind: int
    flags: int
    input_count: int
    output_count: int
    port_count: int
    param_count: int
    meter_count: int
    latency_frames: int
    voice_count: int
    name: bytes | None
    meta: bytes | None
    _fields_ = [("struct_size", c_uint32),
                ("kind", c_uint32),
                ("flags", c_uint32),
                ("input_count", c_uint32),
                ("output_count", c_uint32),
                ("port_count", c_uint32),
                ("param_count", c_uint32),
                ("meter_count", c_uint32),
                ("latency_frames", c_uint32),
                ("voice_count", c_uint32),
                ("name", c_char_p),
                ("meta", c_char_p)]


class rtw_guest_param_t(Structure):
    struct_size: int
    flags: int
    id: bytes | None
    name: bytes | None
    unit: bytes | None
    group: bytes | None
    labels: bytes | None
    meta: bytes | None
    min_value: float
    max_value: float
    default_value: float
    step: float
    _fields_ = [("struct_size", c_uint32),
                ("flags", c_uint32),
                ("id", c_char_p),
                ("name", c_char_p),
                ("unit", c_char_p),
                ("group", c_char_p),
                ("labels", c_char_p),
                ("meta", c_char_p),
                ("min_value", c_double),
                ("max_value", c_double),
                ("default_value", c_double),
                ("step", c_double)]


class rtw_guest_config_t(Structure):
    struct_size: int
    max_frames: int
    sample_rate: float
    _fields_ = [("struct_size", c_uint32),
                ("max_frames", c_uint32),
                ("sample_rate", c_double)]


class rtw_guest_port_t(Structure):
    is_output: int
    channel_count: int
    name: bytes | None
    _fields_ = [("is_output", c_uint32),
                ("channel_count", c_uint32),
                ("name", c_char_p)]


class rtw_event_data_t(Union):
    value: float
    midi: Any
    _fields_ = [("value", c_double),
                ("midi", c_uint8 * 8)]


class rtw_tick_t(Structure):
    index: int
    intended_ns: int
    actual_ns: int
    missed: int
    _fields_ = [("index", c_uint64),
                ("intended_ns", c_uint64),
                ("actual_ns", c_uint64),
                ("missed", c_uint64)]


class rtw_worker_info_t(Structure):
    struct_size: int
    running: int
    thread_id: int
    sched_policy: int
    priority: int
    ended_by: int
    warning_count: int
    _fields_ = [("struct_size", c_uint32),
                ("running", c_uint32),
                ("thread_id", c_int32),
                ("sched_policy", c_uint32),
                ("priority", c_int32),
                ("ended_by", c_int32),
                ("warning_count", c_uint32)]


class rtw_worst_t(Structure):
    at_realtime_ns: int
    index: int
    wake_up_ns: float
    call_ns: float
    response_ns: float
    status: int
    causes: int
    _fields_ = [("at_realtime_ns", c_uint64),
                ("index", c_uint64),
                ("wake_up_ns", c_double),
                ("call_ns", c_double),
                ("response_ns", c_double),
                ("status", c_int32),
                ("causes", c_uint32)]


class rtw_second_t(Structure):
    at_ns: int
    count: int
    max_ns: int
    _fields_ = [("at_ns", c_uint64),
                ("count", c_uint64),
                ("max_ns", c_uint64)]


class rtw_export_config_t(Structure):
    struct_size: int
    format: int
    path: bytes | None
    buffer: Any
    buffer_bytes: int
    name: bytes | None
    series: bytes | None
    expected_interval_ns: int
    _fields_ = [("struct_size", c_uint32),
                ("format", c_uint32),
                ("path", c_char_p),
                ("buffer", c_void_p),
                ("buffer_bytes", c_uint64),
                ("name", c_char_p),
                ("series", c_char_p),
                ("expected_interval_ns", c_uint64)]


class rtw_export_subject_t(Structure):
    func: Any
    instance: Any
    interval: Any
    worker: Any
    recorder: Any
    slot: Any
    func_index: int
    name: bytes | None
    _fields_ = [("func", c_void_p),
                ("instance", c_void_p),
                ("interval", c_void_p),
                ("worker", c_void_p),
                ("recorder", c_void_p),
                ("slot", c_void_p),
                ("func_index", c_uint32),
                ("name", c_char_p)]


class rtw_host_config_t(Structure):
    struct_size: int
    host_class: int
    cpu: int
    calling_thread: int
    probe_ms: int
    period_ns: int
    root: bytes | None
    artifact: Any
    artifact_length: int
    _fields_ = [("struct_size", c_uint32),
                ("host_class", c_uint32),
                ("cpu", c_int32),
                ("calling_thread", c_uint32),
                ("probe_ms", c_uint32),
                ("period_ns", c_uint64),
                ("root", c_char_p),
                ("artifact", c_void_p),
                ("artifact_length", c_uint64)]


class rtw_host_finding_t(Structure):
    struct_size: int
    state: int
    severity: int
    apply: int
    needs_root: int
    class_severity: Any
    id: bytes | None
    title: bytes | None
    found: bytes | None
    expected: bytes | None
    why: bytes | None
    remedy: bytes | None
    commands: bytes | None
    _fields_ = [("struct_size", c_uint32),
                ("state", c_uint32),
                ("severity", c_uint32),
                ("apply", c_uint32),
                ("needs_root", c_uint32),
                ("class_severity", c_uint32 * 4),
                ("id", c_char_p),
                ("title", c_char_p),
                ("found", c_char_p),
                ("expected", c_char_p),
                ("why", c_char_p),
                ("remedy", c_char_p),
                ("commands", c_char_p)]


class rtw_compile_options_t(Structure):
    struct_size: int
    profile: int
    opt_level: int
    interruption: int
    target: bytes | None
    cpu: bytes | None
    reservation: int
    max_functions: int
    max_module_bytes: int
    max_nesting: int
    max_locals: int
    max_time_ms: int
    max_branches: int
    max_function_bytes: int
    deterministic: int
    embed_source: int
    init: Any
    init_count: int
    _fields_ = [("struct_size", c_uint32),
                ("profile", c_uint32),
                ("opt_level", c_uint32),
                ("interruption", c_uint32),
                ("target", c_char_p),
                ("cpu", c_char_p),
                ("reservation", c_uint32),
                ("max_functions", c_uint32),
                ("max_module_bytes", c_uint64),
                ("max_nesting", c_uint32),
                ("max_locals", c_uint32),
                ("max_time_ms", c_uint64),
                ("max_branches", c_uint32),
                ("max_function_bytes", c_uint32),
                ("deterministic", c_uint32),
                ("embed_source", c_uint32),
                ("init", POINTER(c_char_p)),
                ("init_count", c_size_t)]


rtw_log_func_t = CFUNCTYPE(None, c_void_p, c_void_p, c_uint32, c_void_p, c_size_t)


rtw_finalizer_t = CFUNCTYPE(None, c_void_p)


rtw_slot_state_func_t = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p)


rtw_worker_setup_t = CFUNCTYPE(c_int32, c_void_p)


class rtw_func_stats_t(Structure):
    struct_size: int
    call: rtw_distribution_t
    last_ns: float
    duration_ns: int
    faults: int
    cut_offs: int
    overruns: int
    deadline_misses: int
    overflows: int
    arena_peak_bytes: int
    _fields_ = [("struct_size", c_uint32),
                ("call", rtw_distribution_t),
                ("last_ns", c_double),
                ("duration_ns", c_uint64),
                ("faults", c_uint64),
                ("cut_offs", c_uint64),
                ("overruns", c_uint64),
                ("deadline_misses", c_uint64),
                ("overflows", c_uint64),
                ("arena_peak_bytes", c_uint64)]


class rtw_runtime_config_t(Structure):
    struct_size: int
    profile: int
    cpu_set: Any
    sched_policy: int
    priority: int
    statistics: int
    memory_lock: int
    guest_stack_bytes: int
    watchdog_tick_ns: int
    signal_checks: int
    attach_on_call: int
    allow_signal_handlers: int
    memory_limit_bytes: int
    trusted_keys: Any
    trusted_key_count: int
    min_compiler_release: int
    on_log: Any
    log_user_data: Any
    _fields_ = [("struct_size", c_uint32),
                ("profile", c_uint32),
                ("cpu_set", c_uint64 * 16),
                ("sched_policy", c_uint32),
                ("priority", c_int32),
                ("statistics", c_uint32),
                ("memory_lock", c_uint32),
                ("guest_stack_bytes", c_uint64),
                ("watchdog_tick_ns", c_uint64),
                ("signal_checks", c_uint32),
                ("attach_on_call", c_uint32),
                ("allow_signal_handlers", c_uint32),
                ("memory_limit_bytes", c_uint64),
                ("trusted_keys", POINTER(rtw_public_key_t)),
                ("trusted_key_count", c_uint32),
                ("min_compiler_release", c_uint32),
                ("on_log", rtw_log_func_t),
                ("log_user_data", c_void_p)]


class rtw_watchdog_stats_t(Structure):
    struct_size: int
    sched_policy: int
    priority: int
    watched: int
    tick_ns: int
    expiries: int
    cut_offs: int
    late: rtw_distribution_t
    over: rtw_distribution_t
    _fields_ = [("struct_size", c_uint32),
                ("sched_policy", c_uint32),
                ("priority", c_int32),
                ("watched", c_uint32),
                ("tick_ns", c_uint64),
                ("expiries", c_uint64),
                ("cut_offs", c_uint64),
                ("late", rtw_distribution_t),
                ("over", rtw_distribution_t)]


class rtw_module_info_t(Structure):
    struct_size: int
    envelope_version: int
    profile: int
    import_count: int
    export_count: int
    function_count: int
    code_bytes: int
    source_bytes: int
    memory_min_bytes: int
    memory_max_bytes: int
    target: bytes
    engine: bytes
    producer: bytes
    opt_level: bytes
    interruption: bytes
    cpu_features: bytes
    guest_bytes: int
    table_bytes: int
    global_bytes: int
    record_bytes: int
    address_space_bytes: int
    part: int
    part_count: int
    artifact_abi: int
    compiler_release: int
    needs_recompile: int
    has_source: int
    reset_obstacles: int
    memory_count: int
    reset_bytes: int
    signature_count: int
    is_trusted: int
    signed_by: rtw_public_key_t
    _fields_ = [("struct_size", c_uint32),
                ("envelope_version", c_uint32),
                ("profile", c_uint32),
                ("import_count", c_uint32),
                ("export_count", c_uint32),
                ("function_count", c_uint32),
                ("code_bytes", c_uint64),
                ("source_bytes", c_uint64),
                ("memory_min_bytes", c_uint64),
                ("memory_max_bytes", c_uint64),
                ("target", c_char * 64),
                ("engine", c_char * 32),
                ("producer", c_char * 32),
                ("opt_level", c_char * 32),
                ("interruption", c_char * 32),
                ("cpu_features", c_char * 512),
                ("guest_bytes", c_uint64),
                ("table_bytes", c_uint64),
                ("global_bytes", c_uint64),
                ("record_bytes", c_uint64),
                ("address_space_bytes", c_uint64),
                ("part", c_uint32),
                ("part_count", c_uint32),
                ("artifact_abi", c_uint32),
                ("compiler_release", c_uint32),
                ("needs_recompile", c_uint32),
                ("has_source", c_uint32),
                ("reset_obstacles", c_uint32),
                ("memory_count", c_uint32),
                ("reset_bytes", c_uint64),
                ("signature_count", c_uint32),
                ("is_trusted", c_uint32),
                ("signed_by", rtw_public_key_t)]


class rtw_dry_call_t(Structure):
    func: Any
    values: Any
    value_count: int
    repeats: int
    func_index: int
    _fields_ = [("func", c_void_p),
                ("values", POINTER(rtw_value_t)),
                ("value_count", c_uint32),
                ("repeats", c_uint32),
                ("func_index", c_uint32)]


class rtw_thread_config_t(Structure):
    struct_size: int
    sched_policy: int
    priority: int
    cpu: int
    denormals: int
    stack_count: int
    on_cancel: int
    arena_bytes: int
    stacks: Any
    _fields_ = [("struct_size", c_uint32),
                ("sched_policy", c_uint32),
                ("priority", c_int32),
                ("cpu", c_int32),
                ("denormals", c_uint32),
                ("stack_count", c_uint32),
                ("on_cancel", c_uint32),
                ("arena_bytes", c_uint64),
                ("stacks", POINTER(rtw_stack_t))]


class rtw_event_t(Structure):
    frame: int
    kind: int
    index: int
    data: rtw_event_data_t
    _fields_ = [("frame", c_uint32),
                ("kind", c_uint16),
                ("index", c_uint16),
                ("data", rtw_event_data_t)]


class rtw_completion_t(Structure):
    struct_size: int
    status: int
    tag: int
    submitted_ns: int
    started_ns: int
    ended_ns: int
    values: Any
    _fields_ = [("struct_size", c_uint32),
                ("status", c_int32),
                ("tag", c_uint64),
                ("submitted_ns", c_uint64),
                ("started_ns", c_uint64),
                ("ended_ns", c_uint64),
                ("values", rtw_value_t * 16)]


class rtw_worker_stats_t(Structure):
    struct_size: int
    since_realtime_ns: int
    duration_ns: int
    ticks: int
    skipped: int
    overruns: int
    misses: int
    longest_miss_run: int
    faults: int
    minor_faults: int
    major_faults: int
    voluntary_switches: int
    involuntary_switches: int
    submitted: int
    completed: int
    cancelled: int
    refused: int
    wake_up: rtw_distribution_t
    call: rtw_distribution_t
    response: rtw_distribution_t
    jitter: rtw_distribution_t
    _fields_ = [("struct_size", c_uint32),
                ("since_realtime_ns", c_uint64),
                ("duration_ns", c_uint64),
                ("ticks", c_uint64),
                ("skipped", c_uint64),
                ("overruns", c_uint64),
                ("misses", c_uint64),
                ("longest_miss_run", c_uint64),
                ("faults", c_uint64),
                ("minor_faults", c_uint64),
                ("major_faults", c_uint64),
                ("voluntary_switches", c_uint64),
                ("involuntary_switches", c_uint64),
                ("submitted", c_uint64),
                ("completed", c_uint64),
                ("cancelled", c_uint64),
                ("refused", c_uint64),
                ("wake_up", rtw_distribution_t),
                ("call", rtw_distribution_t),
                ("response", rtw_distribution_t),
                ("jitter", rtw_distribution_t)]


rtw_host_func_t = CFUNCTYPE(c_int32, c_void_p, c_void_p, POINTER(rtw_value_t))


rtw_slot_event_func_t = CFUNCTYPE(None, c_void_p, POINTER(rtw_slot_event_t))


rtw_step_t = CFUNCTYPE(c_int32, c_void_p, POINTER(rtw_tick_t))


class rtw_prepare_config_t(Structure):
    struct_size: int
    dry_call_count: int
    dry_calls: Any
    _fields_ = [("struct_size", c_uint32),
                ("dry_call_count", c_uint32),
                ("dry_calls", POINTER(rtw_dry_call_t))]


class rtw_slot_config_t(Structure):
    struct_size: int
    func_count: int
    funcs: Any
    standby: int
    hold_blocks: int
    state: int
    dry_call_count: int
    dry_calls: Any
    on_event: Any
    on_state: Any
    user_data: Any
    memory_limit_bytes: int
    _fields_ = [("struct_size", c_uint32),
                ("func_count", c_uint32),
                ("funcs", POINTER(rtw_wanted_func_t)),
                ("standby", c_uint32),
                ("hold_blocks", c_uint32),
                ("state", c_uint32),
                ("dry_call_count", c_uint32),
                ("dry_calls", POINTER(rtw_dry_call_t)),
                ("on_event", rtw_slot_event_func_t),
                ("on_state", rtw_slot_state_func_t),
                ("user_data", c_void_p),
                ("memory_limit_bytes", c_uint64)]


class rtw_worker_config_t(Structure):
    struct_size: int
    kind: int
    name: bytes | None
    sched_policy: int
    priority: int
    cpu: int
    denormals: int
    strict: int
    memory_lock: int
    statistics: int
    dma_latency_us: int
    deadline_runtime_ns: int
    deadline_ns: int
    setup: Any
    user_data: Any
    dry_calls: Any
    dry_call_count: int
    missed: int
    period_ns: int
    early_ns: int
    on_fault: int
    queue_capacity: int
    period_limit: int
    step: Any
    func: Any
    values: Any
    value_count: int
    warm_value_count: int
    warm_func: Any
    warm_values: Any
    spin_ns: int
    _fields_ = [("struct_size", c_uint32),
                ("kind", c_uint32),
                ("name", c_char_p),
                ("sched_policy", c_uint32),
                ("priority", c_int32),
                ("cpu", c_int32),
                ("denormals", c_uint32),
                ("strict", c_uint32),
                ("memory_lock", c_uint32),
                ("statistics", c_uint32),
                ("dma_latency_us", c_int32),
                ("deadline_runtime_ns", c_uint64),
                ("deadline_ns", c_uint64),
                ("setup", rtw_worker_setup_t),
                ("user_data", c_void_p),
                ("dry_calls", POINTER(rtw_dry_call_t)),
                ("dry_call_count", c_uint32),
                ("missed", c_uint32),
                ("period_ns", c_uint64),
                ("early_ns", c_uint64),
                ("on_fault", c_uint32),
                ("queue_capacity", c_uint32),
                ("period_limit", c_uint64),
                ("step", rtw_step_t),
                ("func", c_void_p),
                ("values", POINTER(rtw_value_t)),
                ("value_count", c_uint32),
                ("warm_value_count", c_uint32),
                ("warm_func", c_void_p),
                ("warm_values", POINTER(rtw_value_t)),
                ("spin_ns", c_uint64)]


class Error(TypedDict):
    status: int
    os_error: int
    message: str


class Distribution(TypedDict):
    count: int
    min_ns: float
    mean_ns: float
    p50_ns: float
    p90_ns: float
    p95_ns: float
    p99_ns: float
    p999_ns: float
    p9999_ns: float
    max_ns: float


class Bucket(TypedDict):
    low_ns: float
    high_ns: float
    count: int


class PublicKey(TypedDict):
    bytes: bytes


class RuntimeStats(TypedDict):
    attached_threads: int
    late_attaches: int


class Signals(TypedDict):
    status: int
    looks: int
    interval_ns: int
    troubles: int
    blocked_threads: int
    masks_unknown: int
    message: str


class Extern(TypedDict):
    kind: int
    module: str
    name: str
    ty: str


class Limits(TypedDict):
    min: int
    max: int
    index_64: int


class InstanceConfig(TypedDict):
    growth: int
    denormals: int
    on_budget: int
    memory_limit_bytes: int
    growth_ahead_bytes: int
    budget_ns: int
    deadline_ns: int
    stateless: int
    initialize: int
    log_bytes: int


class Fault(TypedDict):
    status: int
    host_status: int
    function_index: int
    wasm_offset: int
    function_name: str
    refused_growths: int
    refused_from: int
    refused_to: int
    refused_by: int
    refused_table: int
    message: str


class Growth(TypedDict):
    granted: int
    refused: int
    refused_prepared: int
    refused_limit: int
    refused_maximum: int
    refused_system: int


class WantedFunc(TypedDict):
    name: str
    signature: str
    optional: int


class PrepareReport(TypedDict):
    locked: int
    touched_bytes: int
    locked_bytes: int
    dry_calls: int
    first_call_ns: float
    steady_call_ns: float
    allocations: int
    minor_faults: int
    major_faults: int


class SlotStats(TypedDict):
    spares_ready: int
    instances: int
    blocks: int
    publications: int
    refused: int
    taken: int
    faults: int
    spares_used: int
    unserved: int
    busy: int
    held_bytes: int


class GuestInfo(TypedDict):
    kind: int
    flags: int
    input_count: int
    output_count: int
    port_count: int
    param_count: int
    meter_count: int
    latency_frames: int
    voice_count: int
    name: str
    meta: str


class GuestParam(TypedDict):
    flags: int
    id: str
    name: str
    unit: str
    group: str
    labels: str
    meta: str
    min_value: float
    max_value: float
    default_value: float
    step: float


class GuestConfig(TypedDict):
    max_frames: int
    sample_rate: float


class GuestPort(TypedDict):
    is_output: int
    channel_count: int
    name: str


class Tick(TypedDict):
    index: int
    intended_ns: int
    actual_ns: int
    missed: int


class WorkerInfo(TypedDict):
    running: int
    thread_id: int
    sched_policy: int
    priority: int
    ended_by: int
    warning_count: int


class Worst(TypedDict):
    at_realtime_ns: int
    index: int
    wake_up_ns: float
    call_ns: float
    response_ns: float
    status: int
    causes: int


class Second(TypedDict):
    at_ns: int
    count: int
    max_ns: int


class HostFinding(TypedDict):
    state: int
    severity: int
    apply: int
    needs_root: int
    class_severity: list[int]
    id: str
    title: str
    found: str
    expected: str
    why: str
    remedy: str
    commands: str


class FuncStats(TypedDict):
    call: Distribution
    last_ns: float
    duration_ns: int
    faults: int
    cut_offs: int
    overruns: int
    deadline_misses: int
    overflows: int
    arena_peak_bytes: int


class WatchdogStats(TypedDict):
    sched_policy: int
    priority: int
    watched: int
    tick_ns: int
    expiries: int
    cut_offs: int
    late: Distribution
    over: Distribution


class ModuleInfo(TypedDict):
    envelope_version: int
    profile: int
    import_count: int
    export_count: int
    function_count: int
    code_bytes: int
    source_bytes: int
    memory_min_bytes: int
    memory_max_bytes: int
    target: str
    engine: str
    producer: str
    opt_level: str
    interruption: str
    cpu_features: str
    guest_bytes: int
    table_bytes: int
    global_bytes: int
    record_bytes: int
    address_space_bytes: int
    part: int
    part_count: int
    artifact_abi: int
    compiler_release: int
    needs_recompile: int
    has_source: int
    reset_obstacles: int
    memory_count: int
    reset_bytes: int
    signature_count: int
    is_trusted: int
    signed_by: bytes


class WorkerStats(TypedDict):
    since_realtime_ns: int
    duration_ns: int
    ticks: int
    skipped: int
    overruns: int
    misses: int
    longest_miss_run: int
    faults: int
    minor_faults: int
    major_faults: int
    voluntary_switches: int
    involuntary_switches: int
    submitted: int
    completed: int
    cancelled: int
    refused: int
    wake_up: Distribution
    call: Distribution
    response: Distribution
    jitter: Distribution


FUNCTIONS: dict[str, dict[str, tuple[Any, list[Any]]]] = {
    "rtwasm": {
        "rtw_status_name": (c_char_p, [c_int32]),
        "rtw_status_string": (c_char_p, [c_int32]),
        "rtw_clock_step_ns": (c_double, []),
        "rtw_func_stats_init_sized": (None, [POINTER(rtw_func_stats_t), c_size_t]),
        "rtw_func_stats": (c_int32, [c_void_p, POINTER(rtw_func_stats_t)]),
        "rtw_instance_stats": (c_int32, [c_void_p, POINTER(rtw_func_stats_t)]),
        "rtw_func_stats_reset": (c_int32, [c_void_p]),
        "rtw_func_buckets": (c_int32, [c_void_p, POINTER(rtw_bucket_t), c_size_t, POINTER(c_size_t)]),
        "rtw_func_interval": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_instance_interval": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_interval_read": (c_int32, [c_void_p, POINTER(rtw_func_stats_t)]),
        "rtw_interval_destroy": (None, [c_void_p]),
        "rtw_runtime_config_init_sized": (None, [POINTER(rtw_runtime_config_t), c_size_t]),
        "rtw_runtime_create": (c_int32, [POINTER(rtw_runtime_config_t), POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_runtime_destroy": (None, [c_void_p]),
        "rtw_runtime_stats_init_sized": (None, [POINTER(rtw_runtime_stats_t), c_size_t]),
        "rtw_runtime_stats": (c_int32, [c_void_p, POINTER(rtw_runtime_stats_t)]),
        "rtw_watchdog_stats_init_sized": (None, [POINTER(rtw_watchdog_stats_t), c_size_t]),
        "rtw_runtime_watchdog": (c_int32, [c_void_p, POINTER(rtw_watchdog_stats_t)]),
        "rtw_signals_init_sized": (None, [POINTER(rtw_signals_t), c_size_t]),
        "rtw_runtime_signals": (c_int32, [c_void_p, POINTER(rtw_signals_t)]),
        "rtw_runtime_held_bytes": (c_uint64, [c_void_p]),
        "rtw_module_info_init_sized": (None, [POINTER(rtw_module_info_t), c_size_t]),
        "rtw_module_probe": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(rtw_module_info_t), POINTER(rtw_error_t)]),
        "rtw_module_load": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_module_load_file": (c_int32, [c_void_p, c_char_p, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_module_digest": (c_int32, [c_void_p, c_size_t, POINTER(c_uint8), POINTER(rtw_error_t)]),
        "rtw_module_destroy": (None, [c_void_p]),
        "rtw_module_export_count": (c_size_t, [c_void_p]),
        "rtw_module_export": (c_int32, [c_void_p, c_size_t, POINTER(rtw_extern_t)]),
        "rtw_module_import_count": (c_size_t, [c_void_p]),
        "rtw_module_import": (c_int32, [c_void_p, c_size_t, POINTER(rtw_extern_t)]),
        "rtw_imports_create": (c_int32, [POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_imports_func": (c_int32, [c_void_p, c_char_p, c_char_p, c_char_p, rtw_host_func_t, c_void_p, rtw_finalizer_t, c_uint32, POINTER(rtw_error_t)]),
        "rtw_imports_libm": (c_int32, [c_void_p, POINTER(rtw_error_t)]),
        "rtw_imports_stubs": (c_int32, [c_void_p, c_uint32, POINTER(rtw_error_t)]),
        "rtw_imports_missing": (c_int32, [c_void_p, c_void_p, POINTER(c_uint32), c_size_t, POINTER(c_size_t), POINTER(rtw_error_t)]),
        "rtw_imports_memory": (c_int32, [c_void_p, c_char_p, c_char_p, POINTER(rtw_limits_t), POINTER(rtw_error_t)]),
        "rtw_imports_table": (c_int32, [c_void_p, c_char_p, c_char_p, POINTER(rtw_limits_t), POINTER(rtw_error_t)]),
        "rtw_imports_global": (c_int32, [c_void_p, c_char_p, c_char_p, c_char_p, POINTER(rtw_value_t), POINTER(rtw_error_t)]),
        "rtw_imports_destroy": (None, [c_void_p]),
        "rtw_wasi_config_init_sized": (None, [POINTER(rtw_wasi_config_t), c_size_t]),
        "rtw_imports_wasi": (c_int32, [c_void_p, POINTER(rtw_wasi_config_t), POINTER(rtw_error_t)]),
        "rtw_instance_config_init_sized": (None, [POINTER(rtw_instance_config_t), c_size_t]),
        "rtw_instance_create": (c_int32, [c_void_p, c_void_p, POINTER(rtw_instance_config_t), POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_instance_destroy": (None, [c_void_p]),
        "rtw_instance_reset": (c_int32, [c_void_p, POINTER(rtw_error_t)]),
        "rtw_instance_held_bytes": (c_uint64, [c_void_p]),
        "rtw_instance_log_dropped": (c_uint64, [c_void_p]),
        "rtw_instance_fault": (c_int32, [c_void_p, POINTER(rtw_fault_t), POINTER(rtw_error_t)]),
        "rtw_fault_init_sized": (None, [POINTER(rtw_fault_t), c_size_t]),
        "rtw_growth_init_sized": (None, [POINTER(rtw_growth_t), c_size_t]),
        "rtw_instance_growth": (c_int32, [c_void_p, POINTER(rtw_growth_t)]),
        "rtw_instance_memory": (c_int32, [c_void_p, c_char_p, POINTER(rtw_memory_view_t), POINTER(rtw_error_t)]),
        "rtw_instance_memory_at": (c_void_p, [c_void_p, c_uint64, c_uint64]),
        "rtw_instance_map": (c_int32, [c_void_p, c_char_p, c_uint64, c_uint64, c_int, c_uint64, c_uint32, POINTER(rtw_error_t)]),
        "rtw_instance_global_get": (c_int32, [c_void_p, c_char_p, POINTER(rtw_value_t), POINTER(rtw_error_t)]),
        "rtw_instance_global_set": (c_int32, [c_void_p, c_char_p, POINTER(rtw_value_t), POINTER(rtw_error_t)]),
        "rtw_instance_func": (c_int32, [c_void_p, c_char_p, c_char_p, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_instance_funcs": (c_int32, [c_void_p, POINTER(rtw_wanted_func_t), c_size_t, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_func_destroy": (None, [c_void_p]),
        "rtw_prepare_config_init_sized": (None, [POINTER(rtw_prepare_config_t), c_size_t]),
        "rtw_prepare_report_init_sized": (None, [POINTER(rtw_prepare_report_t), c_size_t]),
        "rtw_instance_prepare": (c_int32, [c_void_p, POINTER(rtw_prepare_config_t), POINTER(rtw_prepare_report_t), POINTER(rtw_error_t)]),
        "rtw_thread_config_init_sized": (None, [POINTER(rtw_thread_config_t), c_size_t]),
        "rtw_thread_attach": (c_int32, [c_void_p, POINTER(rtw_thread_config_t), POINTER(rtw_error_t)]),
        "rtw_thread_detach": (c_int32, [c_void_p, POINTER(rtw_error_t)]),
        "rtw_thread_is_attached": (c_int32, [c_void_p]),
        "rtw_invoke": (c_int32, [c_void_p, POINTER(rtw_value_t), c_size_t]),
        "rtw_invoke_budget": (c_int32, [c_void_p, POINTER(rtw_value_t), c_size_t, c_uint64]),
        "rtw_instance_table_func": (c_int32, [c_void_p, c_char_p, c_uint64, c_char_p, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_instance_table_func_dynamic": (c_int32, [c_void_p, c_char_p, c_char_p, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_invoke_entry": (c_int32, [c_void_p, c_uint64, POINTER(rtw_value_t), c_size_t]),
        "rtw_instance_table_set": (c_int32, [c_void_p, c_char_p, c_uint64, c_char_p, rtw_host_func_t, c_void_p, rtw_finalizer_t, c_uint32, POINTER(rtw_error_t)]),
        "rtw_instance_table_set_func": (c_int32, [c_void_p, c_char_p, c_uint64, c_void_p, POINTER(rtw_error_t)]),
        "rtw_instance_table_grow": (c_int32, [c_void_p, c_char_p, c_uint64, POINTER(c_uint64), POINTER(rtw_error_t)]),
        "rtw_instance_memory_grow": (c_int32, [c_void_p, c_char_p, c_uint64, POINTER(c_uint64), POINTER(rtw_error_t)]),
        "rtw_instance_global": (c_int32, [c_void_p, c_char_p, c_char_p, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_global_get": (c_int32, [c_void_p, POINTER(rtw_value_t)]),
        "rtw_global_set": (c_int32, [c_void_p, POINTER(rtw_value_t)]),
        "rtw_global_destroy": (None, [c_void_p]),
        "rtw_recorder_create": (c_int32, [c_void_p, c_char_p, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_recorder_record_ns": (c_int32, [c_void_p, c_uint64]),
        "rtw_recorder_stats": (c_int32, [c_void_p, POINTER(rtw_func_stats_t)]),
        "rtw_recorder_interval": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_recorder_destroy": (None, [c_void_p]),
        "rtw_slot_create": (c_int32, [c_void_p, POINTER(rtw_slot_config_t), POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_slot_destroy": (None, [c_void_p]),
        "rtw_slot_publish": (c_int32, [c_void_p, c_void_p, POINTER(c_uint64), POINTER(rtw_error_t)]),
        "rtw_slot_begin": (c_int32, [c_void_p, POINTER(rtw_block_t)]),
        "rtw_slot_end": (c_int32, [c_void_p]),
        "rtw_slot_invoke": (c_int32, [c_void_p, c_uint32, POINTER(rtw_value_t), c_size_t, POINTER(c_uint32)]),
        "rtw_slot_stats_init_sized": (None, [POINTER(rtw_slot_stats_t), c_size_t]),
        "rtw_slot_stats": (c_int32, [c_void_p, POINTER(rtw_slot_stats_t)]),
        "rtw_slot_func_stats": (c_int32, [c_void_p, c_uint32, POINTER(rtw_func_stats_t)]),
        "rtw_slot_config_init_sized": (None, [POINTER(rtw_slot_config_t), c_size_t]),
        "rtw_guest_info_init_sized": (None, [POINTER(rtw_guest_info_t), c_size_t]),
        "rtw_guest_param_init_sized": (None, [POINTER(rtw_guest_param_t), c_size_t]),
        "rtw_guest_config_init_sized": (None, [POINTER(rtw_guest_config_t), c_size_t]),
        "rtw_guest_info": (c_int32, [c_void_p, POINTER(rtw_guest_info_t)]),
        "rtw_guest_port": (c_int32, [c_void_p, c_uint32, POINTER(rtw_guest_port_t)]),
        "rtw_guest_param": (c_int32, [c_void_p, c_uint32, POINTER(rtw_guest_param_t)]),
        "rtw_guest_meter": (c_int32, [c_void_p, c_uint32, POINTER(rtw_guest_param_t)]),
        "rtw_guest_slot_create": (c_int32, [c_void_p, POINTER(rtw_guest_config_t), POINTER(rtw_slot_config_t), POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_guest_create": (c_int32, [c_void_p, c_void_p, c_void_p, POINTER(rtw_guest_config_t), POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_guest_destroy": (None, [c_void_p]),
        "rtw_guest_prepare": (c_int32, [c_void_p, c_uint32, POINTER(rtw_error_t)]),
        "rtw_guest_renew": (c_int32, [c_void_p, POINTER(rtw_error_t)]),
        "rtw_guest_func": (c_void_p, [c_void_p]),
        "rtw_guest_process": (c_int32, [c_void_p, POINTER(POINTER(c_float)), POINTER(POINTER(c_float)), c_uint32, POINTER(rtw_event_t), c_size_t]),
        "rtw_guest_set": (c_int32, [c_void_p, c_uint32, c_double]),
        "rtw_guest_get": (c_int32, [c_void_p, c_uint32, POINTER(c_double)]),
        "rtw_guest_read_meter": (c_int32, [c_void_p, c_uint32, POINTER(c_double)]),
        "rtw_guest_latency": (c_uint32, [c_void_p]),
        "rtw_guest_set_budget": (c_int32, [c_void_p, c_uint64]),
        "rtw_guest_reset": (c_int32, [c_void_p]),
        "rtw_guest_save_state": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_size_t), POINTER(rtw_error_t)]),
        "rtw_guest_load_state": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(rtw_error_t)]),
        "rtw_worker_create": (c_int32, [c_void_p, POINTER(rtw_worker_config_t), POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_worker_destroy": (None, [c_void_p]),
        "rtw_worker_start": (c_int32, [c_void_p, POINTER(rtw_error_t)]),
        "rtw_worker_stop": (c_int32, [c_void_p]),
        "rtw_worker_join": (c_int32, [c_void_p, c_uint64]),
        "rtw_worker_info_init_sized": (None, [POINTER(rtw_worker_info_t), c_size_t]),
        "rtw_worker_info": (c_int32, [c_void_p, POINTER(rtw_worker_info_t)]),
        "rtw_worker_warning": (c_int32, [c_void_p, c_uint32, POINTER(rtw_error_t)]),
        "rtw_worker_config_init_sized": (None, [POINTER(rtw_worker_config_t), c_size_t]),
        "rtw_worker_submit": (c_int32, [c_void_p, c_void_p, POINTER(rtw_value_t), c_size_t, c_uint64]),
        "rtw_worker_invoke": (c_int32, [c_void_p, c_void_p, POINTER(rtw_value_t), c_size_t]),
        "rtw_completion_init_sized": (None, [POINTER(rtw_completion_t), c_size_t]),
        "rtw_worker_poll": (c_int32, [c_void_p, POINTER(rtw_completion_t)]),
        "rtw_worker_wait": (c_int32, [c_void_p, POINTER(rtw_completion_t), c_uint64]),
        "rtw_worker_cancel": (c_int32, [c_void_p, c_uint64, POINTER(c_size_t)]),
        "rtw_worker_stats_init_sized": (None, [POINTER(rtw_worker_stats_t), c_size_t]),
        "rtw_worker_stats": (c_int32, [c_void_p, POINTER(rtw_worker_stats_t)]),
        "rtw_worker_stats_reset": (c_int32, [c_void_p]),
        "rtw_worker_buckets": (c_int32, [c_void_p, c_uint32, POINTER(rtw_bucket_t), c_size_t, POINTER(c_size_t)]),
        "rtw_worker_worst": (c_int32, [c_void_p, POINTER(rtw_worst_t), c_size_t, POINTER(c_size_t)]),
        "rtw_worker_timeline": (c_int32, [c_void_p, POINTER(rtw_second_t), c_size_t, POINTER(c_size_t)]),
        "rtw_worker_interval": (c_int32, [c_void_p, c_uint32, POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_export_config_init_sized": (None, [POINTER(rtw_export_config_t), c_size_t]),
        "rtw_func_export": (c_int32, [c_void_p, POINTER(rtw_export_config_t), POINTER(c_size_t), POINTER(rtw_error_t)]),
        "rtw_instance_export": (c_int32, [c_void_p, POINTER(rtw_export_config_t), POINTER(c_size_t), POINTER(rtw_error_t)]),
        "rtw_interval_export": (c_int32, [c_void_p, POINTER(rtw_export_config_t), POINTER(c_size_t), POINTER(rtw_error_t)]),
        "rtw_worker_export": (c_int32, [c_void_p, POINTER(rtw_export_config_t), POINTER(c_size_t), POINTER(rtw_error_t)]),
        "rtw_export": (c_int32, [POINTER(rtw_export_subject_t), c_size_t, c_size_t, POINTER(rtw_export_config_t), POINTER(c_size_t), POINTER(rtw_error_t)]),
        "rtw_host_config_init_sized": (None, [POINTER(rtw_host_config_t), c_size_t]),
        "rtw_host_finding_init_sized": (None, [POINTER(rtw_host_finding_t), c_size_t]),
        "rtw_host_check": (c_int32, [POINTER(rtw_host_config_t), POINTER(c_void_p), POINTER(rtw_error_t)]),
        "rtw_host_report_destroy": (None, [c_void_p]),
        "rtw_host_report_count": (c_size_t, [c_void_p]),
        "rtw_host_report_finding": (c_int32, [c_void_p, c_size_t, POINTER(rtw_host_finding_t)]),
        "rtw_host_report_verdict": (c_int32, [c_void_p, c_uint32, POINTER(c_uint32)]),
        "rtw_version": (c_uint32, []),
        "rtw_version_string": (c_char_p, []),
    },
    "rtwasm_compiler": {
        "rtw_compile_options_init_sized": (None, [POINTER(rtw_compile_options_t), c_size_t]),
        "rtw_compile": (c_int32, [c_void_p, c_size_t, POINTER(rtw_compile_options_t), POINTER(c_void_p), POINTER(c_size_t), POINTER(rtw_error_t)]),
        "rtw_recompile": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, POINTER(rtw_compile_options_t), POINTER(c_void_p), POINTER(c_size_t), POINTER(rtw_error_t)]),
        "rtw_compile_free": (None, [c_void_p, c_size_t]),
    },
}


class Library:
    """The functions of librtwasm, each with its types."""

    rtw_status_name: Callable[..., bytes | None]
    rtw_status_string: Callable[..., bytes | None]
    rtw_clock_step_ns: Callable[..., float]
    rtw_func_stats_init_sized: Callable[..., None]
    rtw_func_stats: Callable[..., int]
    rtw_instance_stats: Callable[..., int]
    rtw_func_stats_reset: Callable[..., int]
    rtw_func_buckets: Callable[..., int]
    rtw_func_interval: Callable[..., int]
    rtw_instance_interval: Callable[..., int]
    rtw_interval_read: Callable[..., int]
    rtw_interval_destroy: Callable[..., None]
    rtw_runtime_config_init_sized: Callable[..., None]
    rtw_runtime_create: Callable[..., int]
    rtw_runtime_destroy: Callable[..., None]
    rtw_runtime_stats_init_sized: Callable[..., None]
    rtw_runtime_stats: Callable[..., int]
    rtw_watchdog_stats_init_sized: Callable[..., None]
    rtw_runtime_watchdog: Callable[..., int]
    rtw_signals_init_sized: Callable[..., None]
    rtw_runtime_signals: Callable[..., int]
    rtw_runtime_held_bytes: Callable[..., int]
    rtw_module_info_init_sized: Callable[..., None]
    rtw_module_probe: Callable[..., int]
    rtw_module_load: Callable[..., int]
    rtw_module_load_file: Callable[..., int]
    rtw_module_digest: Callable[..., int]
    rtw_module_destroy: Callable[..., None]
    rtw_module_export_count: Callable[..., int]
    rtw_module_export: Callable[..., int]
    rtw_module_import_count: Callable[..., int]
    rtw_module_import: Callable[..., int]
    rtw_imports_create: Callable[..., int]
    rtw_imports_func: Callable[..., int]
    rtw_imports_libm: Callable[..., int]
    rtw_imports_stubs: Callable[..., int]
    rtw_imports_missing: Callable[..., int]
    rtw_imports_memory: Callable[..., int]
    rtw_imports_table: Callable[..., int]
    rtw_imports_global: Callable[..., int]
    rtw_imports_destroy: Callable[..., None]
    rtw_wasi_config_init_sized: Callable[..., None]
    rtw_imports_wasi: Callable[..., int]
    rtw_instance_config_init_sized: Callable[..., None]
    rtw_instance_create: Callable[..., int]
    rtw_instance_destroy: Callable[..., None]
    rtw_instance_reset: Callable[..., int]
    rtw_instance_held_bytes: Callable[..., int]
    rtw_instance_log_dropped: Callable[..., int]
    rtw_instance_fault: Callable[..., int]
    rtw_fault_init_sized: Callable[..., None]
    rtw_growth_init_sized: Callable[..., None]
    rtw_instance_growth: Callable[..., int]
    rtw_instance_memory: Callable[..., int]
    rtw_instance_memory_at: Callable[..., Any]
    rtw_instance_map: Callable[..., int]
    rtw_instance_global_get: Callable[..., int]
    rtw_instance_global_set: Callable[..., int]
    rtw_instance_func: Callable[..., int]
    rtw_instance_funcs: Callable[..., int]
    rtw_func_destroy: Callable[..., None]
    rtw_prepare_config_init_sized: Callable[..., None]
    rtw_prepare_report_init_sized: Callable[..., None]
    rtw_instance_prepare: Callable[..., int]
    rtw_thread_config_init_sized: Callable[..., None]
    rtw_thread_attach: Callable[..., int]
    rtw_thread_detach: Callable[..., int]
    rtw_thread_is_attached: Callable[..., int]
    rtw_invoke: Callable[..., int]
    rtw_invoke_budget: Callable[..., int]
    rtw_instance_table_func: Callable[..., int]
    rtw_instance_table_func_dynamic: Callable[..., int]
    rtw_invoke_entry: Callable[..., int]
    rtw_instance_table_set: Callable[..., int]
    rtw_instance_table_set_func: Callable[..., int]
    rtw_instance_table_grow: Callable[..., int]
    rtw_instance_memory_grow: Callable[..., int]
    rtw_instance_global: Callable[..., int]
    rtw_global_get: Callable[..., int]
    rtw_global_set: Callable[..., int]
    rtw_global_destroy: Callable[..., None]
    rtw_recorder_create: Callable[..., int]
    rtw_recorder_record_ns: Callable[..., int]
    rtw_recorder_stats: Callable[..., int]
    rtw_recorder_interval: Callable[..., int]
    rtw_recorder_destroy: Callable[..., None]
    rtw_slot_create: Callable[..., int]
    rtw_slot_destroy: Callable[..., None]
    rtw_slot_publish: Callable[..., int]
    rtw_slot_begin: Callable[..., int]
    rtw_slot_end: Callable[..., int]
    rtw_slot_invoke: Callable[..., int]
    rtw_slot_stats_init_sized: Callable[..., None]
    rtw_slot_stats: Callable[..., int]
    rtw_slot_func_stats: Callable[..., int]
    rtw_slot_config_init_sized: Callable[..., None]
    rtw_guest_info_init_sized: Callable[..., None]
    rtw_guest_param_init_sized: Callable[..., None]
    rtw_guest_config_init_sized: Callable[..., None]
    rtw_guest_info: Callable[..., int]
    rtw_guest_port: Callable[..., int]
    rtw_guest_param: Callable[..., int]
    rtw_guest_meter: Callable[..., int]
    rtw_guest_slot_create: Callable[..., int]
    rtw_guest_create: Callable[..., int]
    rtw_guest_destroy: Callable[..., None]
    rtw_guest_prepare: Callable[..., int]
    rtw_guest_renew: Callable[..., int]
    rtw_guest_func: Callable[..., Any]
    rtw_guest_process: Callable[..., int]
    rtw_guest_set: Callable[..., int]
    rtw_guest_get: Callable[..., int]
    rtw_guest_read_meter: Callable[..., int]
    rtw_guest_latency: Callable[..., int]
    rtw_guest_set_budget: Callable[..., int]
    rtw_guest_reset: Callable[..., int]
    rtw_guest_save_state: Callable[..., int]
    rtw_guest_load_state: Callable[..., int]
    rtw_worker_create: Callable[..., int]
    rtw_worker_destroy: Callable[..., None]
    rtw_worker_start: Callable[..., int]
    rtw_worker_stop: Callable[..., int]
    rtw_worker_join: Callable[..., int]
    rtw_worker_info_init_sized: Callable[..., None]
    rtw_worker_info: Callable[..., int]
    rtw_worker_warning: Callable[..., int]
    rtw_worker_config_init_sized: Callable[..., None]
    rtw_worker_submit: Callable[..., int]
    rtw_worker_invoke: Callable[..., int]
    rtw_completion_init_sized: Callable[..., None]
    rtw_worker_poll: Callable[..., int]
    rtw_worker_wait: Callable[..., int]
    rtw_worker_cancel: Callable[..., int]
    rtw_worker_stats_init_sized: Callable[..., None]
    rtw_worker_stats: Callable[..., int]
    rtw_worker_stats_reset: Callable[..., int]
    rtw_worker_buckets: Callable[..., int]
    rtw_worker_worst: Callable[..., int]
    rtw_worker_timeline: Callable[..., int]
    rtw_worker_interval: Callable[..., int]
    rtw_export_config_init_sized: Callable[..., None]
    rtw_func_export: Callable[..., int]
    rtw_instance_export: Callable[..., int]
    rtw_interval_export: Callable[..., int]
    rtw_worker_export: Callable[..., int]
    rtw_export: Callable[..., int]
    rtw_host_config_init_sized: Callable[..., None]
    rtw_host_finding_init_sized: Callable[..., None]
    rtw_host_check: Callable[..., int]
    rtw_host_report_destroy: Callable[..., None]
    rtw_host_report_count: Callable[..., int]
    rtw_host_report_finding: Callable[..., int]
    rtw_host_report_verdict: Callable[..., int]
    rtw_version: Callable[..., int]
    rtw_version_string: Callable[..., bytes | None]

    def __init__(self, path: str) -> None:
        library = CDLL(path)
        for name, (returns, arguments) in FUNCTIONS["rtwasm"].items():
            function = getattr(library, name)
            function.restype, function.argtypes = returns, arguments
            setattr(self, name, function)


class CompilerLibrary:
    """The functions of librtwasm_compiler, each with its types."""

    rtw_compile_options_init_sized: Callable[..., None]
    rtw_compile: Callable[..., int]
    rtw_recompile: Callable[..., int]
    rtw_compile_free: Callable[..., None]

    def __init__(self, path: str) -> None:
        library = CDLL(path)
        for name, (returns, arguments) in FUNCTIONS["rtwasm_compiler"].items():
            function = getattr(library, name)
            function.restype, function.argtypes = returns, arguments
            setattr(self, name, function)
