-- The C API for LuaJIT's ffi. Written by `make api` from the headers; do not edit.
local ffi = require("ffi")
ffi.cdef[[
typedef int32_t rtw_status_t;
typedef struct rtw_interval_t rtw_interval_t;
typedef struct rtw_runtime_t rtw_runtime_t;
typedef struct rtw_module_t rtw_module_t;
typedef struct rtw_imports_t rtw_imports_t;
typedef struct rtw_func_t rtw_func_t;
typedef struct rtw_instance_t rtw_instance_t;
typedef struct rtw_global_t rtw_global_t;
typedef struct rtw_recorder_t rtw_recorder_t;
typedef struct rtw_slot_t rtw_slot_t;
typedef struct rtw_guest_t rtw_guest_t;
typedef struct rtw_worker_t rtw_worker_t;
typedef struct rtw_host_report_t rtw_host_report_t;
typedef struct rtw_error_t {
    rtw_status_t status;
    int32_t os_error;
    char message[504];
} rtw_error_t;
typedef union rtw_value_t {
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    uint8_t v128[16];
    int8_t i8x16[16];
    int16_t i16x8[8];
    int32_t i32x4[4];
    int64_t i64x2[2];
    float f32x4[4];
    double f64x2[2];
} rtw_value_t;
typedef struct rtw_distribution_t {
    uint64_t count;
    double min_ns;
    double mean_ns;
    double p50_ns;
    double p90_ns;
    double p95_ns;
    double p99_ns;
    double p999_ns;
    double p9999_ns;
    double max_ns;
} rtw_distribution_t;
typedef struct rtw_bucket_t {
    double low_ns;
    double high_ns;
    uint64_t count;
} rtw_bucket_t;
typedef struct rtw_public_key_t {
    uint8_t bytes[32];
} rtw_public_key_t;
typedef struct rtw_runtime_stats_t {
    uint32_t struct_size;
    uint32_t attached_threads;
    uint64_t late_attaches;
} rtw_runtime_stats_t;
typedef struct rtw_signals_t {
    uint32_t struct_size;
    rtw_status_t status;
    uint64_t looks;
    uint64_t interval_ns;
    uint64_t troubles;
    uint32_t blocked_threads;
    uint32_t masks_unknown;
    char message[512];
} rtw_signals_t;
typedef struct rtw_extern_t {
    uint32_t kind;
    const char *module;
    const char *name;
    const char *ty;
} rtw_extern_t;
typedef struct rtw_limits_t {
    uint64_t min;
    uint64_t max;
    uint32_t index_64;
} rtw_limits_t;
typedef struct rtw_wasi_config_t {
    uint32_t struct_size;
    uint32_t arg_count;
    const char *const *args;
    const char *const *env;
    uint32_t env_count;
    uint64_t seed;
    const uint64_t *time_ns;
} rtw_wasi_config_t;
typedef struct rtw_instance_config_t {
    uint32_t struct_size;
    uint32_t growth;
    uint32_t denormals;
    uint32_t on_budget;
    uint64_t memory_limit_bytes;
    uint64_t growth_ahead_bytes;
    uint64_t budget_ns;
    uint64_t deadline_ns;
    uint32_t stateless;
    uint32_t initialize;
    uint64_t log_bytes;
} rtw_instance_config_t;
typedef struct rtw_fault_t {
    uint32_t struct_size;
    rtw_status_t status;
    rtw_status_t host_status;
    int32_t function_index;
    int64_t wasm_offset;
    char function_name[128];
    uint64_t refused_growths;
    uint64_t refused_from;
    uint64_t refused_to;
    uint32_t refused_by;
    uint32_t refused_table;
    char message[512];
} rtw_fault_t;
typedef struct rtw_growth_t {
    uint32_t struct_size;
    uint64_t granted;
    uint64_t refused;
    uint64_t refused_prepared;
    uint64_t refused_limit;
    uint64_t refused_maximum;
    uint64_t refused_system;
} rtw_growth_t;
typedef struct rtw_memory_view_t {
    void *base;
    uint64_t size_bytes;
} rtw_memory_view_t;
typedef struct rtw_wanted_func_t {
    const char *name;
    const char *signature;
    uint32_t optional;
} rtw_wanted_func_t;
typedef struct rtw_prepare_report_t {
    uint32_t struct_size;
    uint32_t locked;
    uint64_t touched_bytes;
    uint64_t locked_bytes;
    uint64_t dry_calls;
    double first_call_ns;
    double steady_call_ns;
    uint64_t allocations;
    uint64_t minor_faults;
    uint64_t major_faults;
} rtw_prepare_report_t;
typedef struct rtw_stack_t {
    void *base;
    uint64_t bytes;
} rtw_stack_t;
typedef struct rtw_slot_event_t {
    uint32_t kind;
    rtw_status_t status;
    uint64_t publication;
    rtw_instance_t *instance;
} rtw_slot_event_t;
typedef struct rtw_block_t {
    rtw_instance_t *instance;
    rtw_func_t *const *funcs;
    rtw_instance_t *held_instance;
    rtw_func_t *const *held_funcs;
    uint32_t flags;
} rtw_block_t;
typedef struct rtw_slot_stats_t {
    uint32_t struct_size;
    uint32_t spares_ready;
    uint32_t instances;
    uint64_t blocks;
    uint64_t publications;
    uint64_t refused;
    uint64_t taken;
    uint64_t faults;
    uint64_t spares_used;
    uint64_t unserved;
    uint64_t busy;
    uint64_t held_bytes;
} rtw_slot_stats_t;
typedef struct rtw_guest_info_t {
    uint32_t struct_size;
    uint32_t kind;
    uint32_t flags;
    uint32_t input_count;
    uint32_t output_count;
    uint32_t port_count;
    uint32_t param_count;
    uint32_t meter_count;
    uint32_t latency_frames;
    uint32_t voice_count;
    const char *name;
    const char *meta;
} rtw_guest_info_t;
typedef struct rtw_guest_param_t {
    uint32_t struct_size;
    uint32_t flags;
    const char *id;
    const char *name;
    const char *unit;
    const char *group;
    const char *labels;
    const char *meta;
    double min_value;
    double max_value;
    double default_value;
    double step;
} rtw_guest_param_t;
typedef struct rtw_guest_config_t {
    uint32_t struct_size;
    uint32_t max_frames;
    double sample_rate;
} rtw_guest_config_t;
typedef struct rtw_guest_port_t {
    uint32_t is_output;
    uint32_t channel_count;
    const char *name;
} rtw_guest_port_t;
typedef union rtw_event_data_t {
    double value;
    uint8_t midi[8];
} rtw_event_data_t;
typedef struct rtw_tick_t {
    uint64_t index;
    uint64_t intended_ns;
    uint64_t actual_ns;
    uint64_t missed;
} rtw_tick_t;
typedef struct rtw_worker_info_t {
    uint32_t struct_size;
    uint32_t running;
    int32_t thread_id;
    uint32_t sched_policy;
    int32_t priority;
    rtw_status_t ended_by;
    uint32_t warning_count;
} rtw_worker_info_t;
typedef struct rtw_worst_t {
    uint64_t at_realtime_ns;
    uint64_t index;
    double wake_up_ns;
    double call_ns;
    double response_ns;
    rtw_status_t status;
    uint32_t causes;
} rtw_worst_t;
typedef struct rtw_second_t {
    uint64_t at_ns;
    uint64_t count;
    uint64_t max_ns;
} rtw_second_t;
typedef struct rtw_export_config_t {
    uint32_t struct_size;
    uint32_t format;
    const char *path;
    char *buffer;
    uint64_t buffer_bytes;
    const char *name;
    const char *series;
    uint64_t expected_interval_ns;
} rtw_export_config_t;
typedef struct rtw_export_subject_t {
    const rtw_func_t *func;
    const rtw_instance_t *instance;
    const rtw_interval_t *interval;
    const rtw_worker_t *worker;
    const rtw_recorder_t *recorder;
    const rtw_slot_t *slot;
    uint32_t func_index;
    const char *name;
} rtw_export_subject_t;
typedef struct rtw_host_config_t {
    uint32_t struct_size;
    uint32_t host_class;
    int32_t cpu;
    uint32_t calling_thread;
    uint32_t probe_ms;
    uint64_t period_ns;
    const char *root;
    const void *artifact;
    uint64_t artifact_length;
} rtw_host_config_t;
typedef struct rtw_host_finding_t {
    uint32_t struct_size;
    uint32_t state;
    uint32_t severity;
    uint32_t apply;
    uint32_t needs_root;
    uint32_t class_severity[4];
    const char *id;
    const char *title;
    const char *found;
    const char *expected;
    const char *why;
    const char *remedy;
    const char *commands;
} rtw_host_finding_t;
typedef struct rtw_compile_options_t {
    uint32_t struct_size;
    uint32_t profile;
    uint32_t opt_level;
    uint32_t interruption;
    const char *target;
    const char *cpu;
    uint32_t reservation;
    uint32_t max_functions;
    uint64_t max_module_bytes;
    uint32_t max_nesting;
    uint32_t max_locals;
    uint64_t max_time_ms;
    uint32_t max_branches;
    uint32_t max_function_bytes;
    uint32_t deterministic;
    uint32_t embed_source;
    const char *const *init;
    size_t init_count;
} rtw_compile_options_t;
typedef void (*rtw_log_func_t)(void *user_data, rtw_instance_t *instance, uint32_t level, const char *text, size_t length);
typedef void (*rtw_finalizer_t)(void *user_data);
typedef rtw_status_t (*rtw_slot_state_func_t)(void *user_data, rtw_instance_t *from, rtw_instance_t *to);
typedef rtw_status_t (*rtw_worker_setup_t)(void *user_data);
typedef struct rtw_func_stats_t {
    uint32_t struct_size;
    rtw_distribution_t call;
    double last_ns;
    uint64_t duration_ns;
    uint64_t faults;
    uint64_t cut_offs;
    uint64_t overruns;
    uint64_t deadline_misses;
    uint64_t overflows;
    uint64_t arena_peak_bytes;
} rtw_func_stats_t;
typedef struct rtw_runtime_config_t {
    uint32_t struct_size;
    uint32_t profile;
    uint64_t cpu_set[16];
    uint32_t sched_policy;
    int32_t priority;
    uint32_t statistics;
    uint32_t memory_lock;
    uint64_t guest_stack_bytes;
    uint64_t watchdog_tick_ns;
    uint32_t signal_checks;
    uint32_t attach_on_call;
    uint32_t allow_signal_handlers;
    uint64_t memory_limit_bytes;
    const rtw_public_key_t *trusted_keys;
    uint32_t trusted_key_count;
    uint32_t min_compiler_release;
    rtw_log_func_t on_log;
    void *log_user_data;
} rtw_runtime_config_t;
typedef struct rtw_watchdog_stats_t {
    uint32_t struct_size;
    uint32_t sched_policy;
    int32_t priority;
    uint32_t watched;
    uint64_t tick_ns;
    uint64_t expiries;
    uint64_t cut_offs;
    rtw_distribution_t late;
    rtw_distribution_t over;
} rtw_watchdog_stats_t;
typedef struct rtw_module_info_t {
    uint32_t struct_size;
    uint32_t envelope_version;
    uint32_t profile;
    uint32_t import_count;
    uint32_t export_count;
    uint32_t function_count;
    uint64_t code_bytes;
    uint64_t source_bytes;
    uint64_t memory_min_bytes;
    uint64_t memory_max_bytes;
    char target[64];
    char engine[32];
    char producer[32];
    char opt_level[32];
    char interruption[32];
    char cpu_features[512];
    uint64_t guest_bytes;
    uint64_t table_bytes;
    uint64_t global_bytes;
    uint64_t record_bytes;
    uint64_t address_space_bytes;
    uint32_t part;
    uint32_t part_count;
    uint32_t artifact_abi;
    uint32_t compiler_release;
    uint32_t needs_recompile;
    uint32_t has_source;
    uint32_t reset_obstacles;
    uint32_t memory_count;
    uint64_t reset_bytes;
    uint32_t signature_count;
    uint32_t is_trusted;
    rtw_public_key_t signed_by;
} rtw_module_info_t;
typedef struct rtw_dry_call_t {
    rtw_func_t *func;
    const rtw_value_t *values;
    uint32_t value_count;
    uint32_t repeats;
    uint32_t func_index;
} rtw_dry_call_t;
typedef struct rtw_thread_config_t {
    uint32_t struct_size;
    uint32_t sched_policy;
    int32_t priority;
    int32_t cpu;
    uint32_t denormals;
    uint32_t stack_count;
    uint32_t on_cancel;
    uint64_t arena_bytes;
    const rtw_stack_t *stacks;
} rtw_thread_config_t;
typedef struct rtw_event_t {
    uint32_t frame;
    uint16_t kind;
    uint16_t index;
    rtw_event_data_t data;
} rtw_event_t;
typedef struct rtw_completion_t {
    uint32_t struct_size;
    rtw_status_t status;
    uint64_t tag;
    uint64_t submitted_ns;
    uint64_t started_ns;
    uint64_t ended_ns;
    rtw_value_t values[16];
} rtw_completion_t;
typedef struct rtw_worker_stats_t {
    uint32_t struct_size;
    uint64_t since_realtime_ns;
    uint64_t duration_ns;
    uint64_t ticks;
    uint64_t skipped;
    uint64_t overruns;
    uint64_t misses;
    uint64_t longest_miss_run;
    uint64_t faults;
    uint64_t minor_faults;
    uint64_t major_faults;
    uint64_t voluntary_switches;
    uint64_t involuntary_switches;
    uint64_t submitted;
    uint64_t completed;
    uint64_t cancelled;
    uint64_t refused;
    rtw_distribution_t wake_up;
    rtw_distribution_t call;
    rtw_distribution_t response;
    rtw_distribution_t jitter;
} rtw_worker_stats_t;
typedef rtw_status_t (*rtw_host_func_t)(void *user_data, rtw_instance_t *instance, rtw_value_t *values);
typedef void (*rtw_slot_event_func_t)(void *user_data, const rtw_slot_event_t *event);
typedef rtw_status_t (*rtw_step_t)(void *user_data, const rtw_tick_t *tick);
typedef struct rtw_prepare_config_t {
    uint32_t struct_size;
    uint32_t dry_call_count;
    const rtw_dry_call_t *dry_calls;
} rtw_prepare_config_t;
typedef struct rtw_slot_config_t {
    uint32_t struct_size;
    uint32_t func_count;
    const rtw_wanted_func_t *funcs;
    uint32_t standby;
    uint32_t hold_blocks;
    uint32_t state;
    uint32_t dry_call_count;
    const rtw_dry_call_t *dry_calls;
    rtw_slot_event_func_t on_event;
    rtw_slot_state_func_t on_state;
    void *user_data;
    uint64_t memory_limit_bytes;
} rtw_slot_config_t;
typedef struct rtw_worker_config_t {
    uint32_t struct_size;
    uint32_t kind;
    const char *name;
    uint32_t sched_policy;
    int32_t priority;
    int32_t cpu;
    uint32_t denormals;
    uint32_t strict;
    uint32_t memory_lock;
    uint32_t statistics;
    int32_t dma_latency_us;
    uint64_t deadline_runtime_ns;
    uint64_t deadline_ns;
    rtw_worker_setup_t setup;
    void *user_data;
    const rtw_dry_call_t *dry_calls;
    uint32_t dry_call_count;
    uint32_t missed;
    uint64_t period_ns;
    uint64_t early_ns;
    uint32_t on_fault;
    uint32_t queue_capacity;
    uint64_t period_limit;
    rtw_step_t step;
    rtw_func_t *func;
    const rtw_value_t *values;
    uint32_t value_count;
    uint32_t warm_value_count;
    rtw_func_t *warm_func;
    const rtw_value_t *warm_values;
    uint64_t spin_ns;
} rtw_worker_config_t;
const char *rtw_status_name(rtw_status_t status);
const char *rtw_status_string(rtw_status_t status);
double rtw_clock_step_ns(void);
void rtw_func_stats_init_sized(rtw_func_stats_t *stats, size_t struct_size);
rtw_status_t rtw_func_stats(const rtw_func_t *func, rtw_func_stats_t *stats);
rtw_status_t rtw_instance_stats(const rtw_instance_t *instance, rtw_func_stats_t *stats);
rtw_status_t rtw_func_stats_reset(rtw_func_t *func);
rtw_status_t rtw_func_buckets(const rtw_func_t *func, rtw_bucket_t *buckets, size_t capacity, size_t *count);
rtw_status_t rtw_func_interval(const rtw_func_t *func, rtw_interval_t **out, rtw_error_t *err);
rtw_status_t rtw_instance_interval(const rtw_instance_t *instance, rtw_interval_t **out, rtw_error_t *err);
rtw_status_t rtw_interval_read(rtw_interval_t *interval, rtw_func_stats_t *stats);
void rtw_interval_destroy(rtw_interval_t *interval);
void rtw_runtime_config_init_sized(rtw_runtime_config_t *config, size_t struct_size);
rtw_status_t rtw_runtime_create(const rtw_runtime_config_t *config, rtw_runtime_t **out, rtw_error_t *err);
void rtw_runtime_destroy(rtw_runtime_t *runtime);
void rtw_runtime_stats_init_sized(rtw_runtime_stats_t *stats, size_t struct_size);
rtw_status_t rtw_runtime_stats(const rtw_runtime_t *runtime, rtw_runtime_stats_t *stats);
void rtw_watchdog_stats_init_sized(rtw_watchdog_stats_t *stats, size_t struct_size);
rtw_status_t rtw_runtime_watchdog(const rtw_runtime_t *runtime, rtw_watchdog_stats_t *stats);
void rtw_signals_init_sized(rtw_signals_t *signals, size_t struct_size);
rtw_status_t rtw_runtime_signals(const rtw_runtime_t *runtime, rtw_signals_t *signals);
uint64_t rtw_runtime_held_bytes(const rtw_runtime_t *runtime);
void rtw_module_info_init_sized(rtw_module_info_t *info, size_t struct_size);
rtw_status_t rtw_module_probe(const rtw_runtime_t *runtime, const void *bytes, size_t length, rtw_module_info_t *info, rtw_error_t *err);
rtw_status_t rtw_module_load(const rtw_runtime_t *runtime, const void *bytes, size_t length, rtw_module_t **out, rtw_error_t *err);
rtw_status_t rtw_module_load_file(const rtw_runtime_t *runtime, const char *path, rtw_module_t **out, rtw_error_t *err);
rtw_status_t rtw_module_digest(const void *bytes, size_t length, uint8_t *out, rtw_error_t *err);
void rtw_module_destroy(rtw_module_t *module);
size_t rtw_module_export_count(const rtw_module_t *module);
rtw_status_t rtw_module_export(const rtw_module_t *module, size_t index, rtw_extern_t *out);
size_t rtw_module_import_count(const rtw_module_t *module);
rtw_status_t rtw_module_import(const rtw_module_t *module, size_t index, rtw_extern_t *out);
rtw_status_t rtw_imports_create(rtw_imports_t **out, rtw_error_t *err);
rtw_status_t rtw_imports_func(rtw_imports_t *imports, const char *module, const char *name, const char *signature, rtw_host_func_t func, void *user_data, rtw_finalizer_t finalizer, uint32_t flags, rtw_error_t *err);
rtw_status_t rtw_imports_libm(rtw_imports_t *imports, rtw_error_t *err);
rtw_status_t rtw_imports_stubs(rtw_imports_t *imports, uint32_t kind, rtw_error_t *err);
rtw_status_t rtw_imports_missing(const rtw_imports_t *imports, const rtw_module_t *module, uint32_t *indices, size_t capacity, size_t *count, rtw_error_t *err);
rtw_status_t rtw_imports_memory(rtw_imports_t *imports, const char *module, const char *name, const rtw_limits_t *limits, rtw_error_t *err);
rtw_status_t rtw_imports_table(rtw_imports_t *imports, const char *module, const char *name, const rtw_limits_t *limits, rtw_error_t *err);
rtw_status_t rtw_imports_global(rtw_imports_t *imports, const char *module, const char *name, const char *ty, const rtw_value_t *value, rtw_error_t *err);
void rtw_imports_destroy(rtw_imports_t *imports);
void rtw_wasi_config_init_sized(rtw_wasi_config_t *config, size_t struct_size);
rtw_status_t rtw_imports_wasi(rtw_imports_t *imports, const rtw_wasi_config_t *config, rtw_error_t *err);
void rtw_instance_config_init_sized(rtw_instance_config_t *config, size_t struct_size);
rtw_status_t rtw_instance_create(const rtw_module_t *module, const rtw_imports_t *imports, const rtw_instance_config_t *config, rtw_instance_t **out, rtw_error_t *err);
void rtw_instance_destroy(rtw_instance_t *instance);
rtw_status_t rtw_instance_reset(rtw_instance_t *instance, rtw_error_t *err);
uint64_t rtw_instance_held_bytes(const rtw_instance_t *instance);
uint64_t rtw_instance_log_dropped(const rtw_instance_t *instance);
rtw_status_t rtw_instance_fault(rtw_instance_t *instance, rtw_fault_t *out, rtw_error_t *err);
void rtw_fault_init_sized(rtw_fault_t *fault, size_t struct_size);
void rtw_growth_init_sized(rtw_growth_t *growth, size_t struct_size);
rtw_status_t rtw_instance_growth(const rtw_instance_t *instance, rtw_growth_t *out);
rtw_status_t rtw_instance_memory(rtw_instance_t *instance, const char *name, rtw_memory_view_t *out, rtw_error_t *err);
void *rtw_instance_memory_at(rtw_instance_t *instance, uint64_t offset, uint64_t length);
rtw_status_t rtw_instance_map(rtw_instance_t *instance, const char *memory, uint64_t offset, uint64_t length, int descriptor, uint64_t file_offset, uint32_t flags, rtw_error_t *err);
rtw_status_t rtw_instance_global_get(rtw_instance_t *instance, const char *name, rtw_value_t *out, rtw_error_t *err);
rtw_status_t rtw_instance_global_set(rtw_instance_t *instance, const char *name, const rtw_value_t *value, rtw_error_t *err);
rtw_status_t rtw_instance_func(rtw_instance_t *instance, const char *name, const char *signature, rtw_func_t **out, rtw_error_t *err);
rtw_status_t rtw_instance_funcs(rtw_instance_t *instance, const rtw_wanted_func_t *wanted, size_t count, rtw_func_t **out, rtw_error_t *err);
void rtw_func_destroy(rtw_func_t *func);
void rtw_prepare_config_init_sized(rtw_prepare_config_t *config, size_t struct_size);
void rtw_prepare_report_init_sized(rtw_prepare_report_t *report, size_t struct_size);
rtw_status_t rtw_instance_prepare(rtw_instance_t *instance, const rtw_prepare_config_t *config, rtw_prepare_report_t *report, rtw_error_t *err);
void rtw_thread_config_init_sized(rtw_thread_config_t *config, size_t struct_size);
rtw_status_t rtw_thread_attach(const rtw_runtime_t *runtime, const rtw_thread_config_t *config, rtw_error_t *err);
rtw_status_t rtw_thread_detach(const rtw_runtime_t *runtime, rtw_error_t *err);
int32_t rtw_thread_is_attached(const rtw_runtime_t *runtime);
rtw_status_t rtw_invoke(rtw_func_t *func, rtw_value_t *values, size_t value_count);
rtw_status_t rtw_invoke_budget(rtw_func_t *func, rtw_value_t *values, size_t value_count, uint64_t budget_ns);
rtw_status_t rtw_instance_table_func(rtw_instance_t *instance, const char *table, uint64_t index, const char *signature, rtw_func_t **out, rtw_error_t *err);
rtw_status_t rtw_instance_table_func_dynamic(rtw_instance_t *instance, const char *table, const char *signature, rtw_func_t **out, rtw_error_t *err);
rtw_status_t rtw_invoke_entry(rtw_func_t *func, uint64_t index, rtw_value_t *values, size_t value_count);
rtw_status_t rtw_instance_table_set(rtw_instance_t *instance, const char *table, uint64_t index, const char *signature, rtw_host_func_t func, void *user_data, rtw_finalizer_t finalizer, uint32_t flags, rtw_error_t *err);
rtw_status_t rtw_instance_table_set_func(rtw_instance_t *instance, const char *table, uint64_t index, const rtw_func_t *func, rtw_error_t *err);
rtw_status_t rtw_instance_table_grow(rtw_instance_t *instance, const char *table, uint64_t entries, uint64_t *before, rtw_error_t *err);
rtw_status_t rtw_instance_memory_grow(rtw_instance_t *instance, const char *name, uint64_t pages, uint64_t *before, rtw_error_t *err);
rtw_status_t rtw_instance_global(rtw_instance_t *instance, const char *name, const char *ty, rtw_global_t **out, rtw_error_t *err);
rtw_status_t rtw_global_get(const rtw_global_t *global, rtw_value_t *out);
rtw_status_t rtw_global_set(rtw_global_t *global, const rtw_value_t *value);
void rtw_global_destroy(rtw_global_t *global);
rtw_status_t rtw_recorder_create(const rtw_runtime_t *runtime, const char *name, rtw_recorder_t **out, rtw_error_t *err);
rtw_status_t rtw_recorder_record_ns(rtw_recorder_t *recorder, uint64_t ns);
rtw_status_t rtw_recorder_stats(const rtw_recorder_t *recorder, rtw_func_stats_t *stats);
rtw_status_t rtw_recorder_interval(const rtw_recorder_t *recorder, rtw_interval_t **out, rtw_error_t *err);
void rtw_recorder_destroy(rtw_recorder_t *recorder);
rtw_status_t rtw_slot_create(const rtw_runtime_t *runtime, const rtw_slot_config_t *config, rtw_slot_t **out, rtw_error_t *err);
void rtw_slot_destroy(rtw_slot_t *slot);
rtw_status_t rtw_slot_publish(rtw_slot_t *slot, rtw_instance_t *instance, uint64_t *publication, rtw_error_t *err);
rtw_status_t rtw_slot_begin(rtw_slot_t *slot, rtw_block_t *block);
rtw_status_t rtw_slot_end(rtw_slot_t *slot);
rtw_status_t rtw_slot_invoke(rtw_slot_t *slot, uint32_t func_index, rtw_value_t *values, size_t value_count, uint32_t *flags);
void rtw_slot_stats_init_sized(rtw_slot_stats_t *stats, size_t struct_size);
rtw_status_t rtw_slot_stats(const rtw_slot_t *slot, rtw_slot_stats_t *stats);
rtw_status_t rtw_slot_func_stats(const rtw_slot_t *slot, uint32_t func_index, rtw_func_stats_t *stats);
void rtw_slot_config_init_sized(rtw_slot_config_t *config, size_t struct_size);
void rtw_guest_info_init_sized(rtw_guest_info_t *info, size_t struct_size);
void rtw_guest_param_init_sized(rtw_guest_param_t *param, size_t struct_size);
void rtw_guest_config_init_sized(rtw_guest_config_t *config, size_t struct_size);
rtw_status_t rtw_guest_info(const rtw_module_t *module, rtw_guest_info_t *out);
rtw_status_t rtw_guest_port(const rtw_module_t *module, uint32_t index, rtw_guest_port_t *out);
rtw_status_t rtw_guest_param(const rtw_module_t *module, uint32_t index, rtw_guest_param_t *out);
rtw_status_t rtw_guest_meter(const rtw_module_t *module, uint32_t index, rtw_guest_param_t *out);
rtw_status_t rtw_guest_slot_create(const rtw_module_t *module, const rtw_guest_config_t *config, const rtw_slot_config_t *slot_config, rtw_slot_t **out, rtw_error_t *err);
rtw_status_t rtw_guest_create(const rtw_module_t *module, rtw_instance_t *instance, rtw_slot_t *slot, const rtw_guest_config_t *config, rtw_guest_t **out, rtw_error_t *err);
void rtw_guest_destroy(rtw_guest_t *guest);
rtw_status_t rtw_guest_prepare(rtw_guest_t *guest, uint32_t repeats, rtw_error_t *err);
rtw_status_t rtw_guest_renew(rtw_guest_t *guest, rtw_error_t *err);
rtw_func_t *rtw_guest_func(const rtw_guest_t *guest);
rtw_status_t rtw_guest_process(rtw_guest_t *guest, const float *const *inputs, float *const *outputs, uint32_t frames, const rtw_event_t *events, size_t event_count);
rtw_status_t rtw_guest_set(rtw_guest_t *guest, uint32_t index, double value);
rtw_status_t rtw_guest_get(const rtw_guest_t *guest, uint32_t index, double *out);
rtw_status_t rtw_guest_read_meter(const rtw_guest_t *guest, uint32_t index, double *out);
uint32_t rtw_guest_latency(const rtw_guest_t *guest);
rtw_status_t rtw_guest_set_budget(rtw_guest_t *guest, uint64_t budget_ns);
rtw_status_t rtw_guest_reset(rtw_guest_t *guest);
rtw_status_t rtw_guest_save_state(rtw_guest_t *guest, void *bytes, size_t length, size_t *needed, rtw_error_t *err);
rtw_status_t rtw_guest_load_state(rtw_guest_t *guest, const void *bytes, size_t length, rtw_error_t *err);
rtw_status_t rtw_worker_create(const rtw_runtime_t *runtime, const rtw_worker_config_t *config, rtw_worker_t **out, rtw_error_t *err);
void rtw_worker_destroy(rtw_worker_t *worker);
rtw_status_t rtw_worker_start(rtw_worker_t *worker, rtw_error_t *err);
rtw_status_t rtw_worker_stop(rtw_worker_t *worker);
rtw_status_t rtw_worker_join(rtw_worker_t *worker, uint64_t timeout_ns);
void rtw_worker_info_init_sized(rtw_worker_info_t *info, size_t struct_size);
rtw_status_t rtw_worker_info(const rtw_worker_t *worker, rtw_worker_info_t *info);
rtw_status_t rtw_worker_warning(const rtw_worker_t *worker, uint32_t index, rtw_error_t *out);
void rtw_worker_config_init_sized(rtw_worker_config_t *config, size_t struct_size);
rtw_status_t rtw_worker_submit(rtw_worker_t *worker, rtw_func_t *func, const rtw_value_t *values, size_t value_count, uint64_t tag);
rtw_status_t rtw_worker_invoke(rtw_worker_t *worker, rtw_func_t *func, rtw_value_t *values, size_t value_count);
void rtw_completion_init_sized(rtw_completion_t *completion, size_t struct_size);
rtw_status_t rtw_worker_poll(rtw_worker_t *worker, rtw_completion_t *out);
rtw_status_t rtw_worker_wait(rtw_worker_t *worker, rtw_completion_t *out, uint64_t timeout_ns);
rtw_status_t rtw_worker_cancel(rtw_worker_t *worker, uint64_t tag, size_t *count);
void rtw_worker_stats_init_sized(rtw_worker_stats_t *stats, size_t struct_size);
rtw_status_t rtw_worker_stats(const rtw_worker_t *worker, rtw_worker_stats_t *stats);
rtw_status_t rtw_worker_stats_reset(rtw_worker_t *worker);
rtw_status_t rtw_worker_buckets(const rtw_worker_t *worker, uint32_t series, rtw_bucket_t *out, size_t capacity, size_t *count);
rtw_status_t rtw_worker_worst(const rtw_worker_t *worker, rtw_worst_t *out, size_t capacity, size_t *count);
rtw_status_t rtw_worker_timeline(const rtw_worker_t *worker, rtw_second_t *out, size_t capacity, size_t *count);
rtw_status_t rtw_worker_interval(const rtw_worker_t *worker, uint32_t series, rtw_interval_t **out, rtw_error_t *err);
void rtw_export_config_init_sized(rtw_export_config_t *config, size_t struct_size);
rtw_status_t rtw_func_export(const rtw_func_t *func, const rtw_export_config_t *config, size_t *length, rtw_error_t *err);
rtw_status_t rtw_instance_export(const rtw_instance_t *instance, const rtw_export_config_t *config, size_t *length, rtw_error_t *err);
rtw_status_t rtw_interval_export(const rtw_interval_t *interval, const rtw_export_config_t *config, size_t *length, rtw_error_t *err);
rtw_status_t rtw_worker_export(const rtw_worker_t *worker, const rtw_export_config_t *config, size_t *length, rtw_error_t *err);
rtw_status_t rtw_export(const rtw_export_subject_t *subjects, size_t count, size_t subject_size, const rtw_export_config_t *config, size_t *length, rtw_error_t *err);
void rtw_host_config_init_sized(rtw_host_config_t *config, size_t struct_size);
void rtw_host_finding_init_sized(rtw_host_finding_t *finding, size_t struct_size);
rtw_status_t rtw_host_check(const rtw_host_config_t *config, rtw_host_report_t **out, rtw_error_t *err);
void rtw_host_report_destroy(rtw_host_report_t *report);
size_t rtw_host_report_count(const rtw_host_report_t *report);
rtw_status_t rtw_host_report_finding(const rtw_host_report_t *report, size_t index, rtw_host_finding_t *out);
rtw_status_t rtw_host_report_verdict(const rtw_host_report_t *report, uint32_t host_class, uint32_t *verdict);
uint32_t rtw_version(void);
const char *rtw_version_string(void);
void rtw_compile_options_init_sized(rtw_compile_options_t *options, size_t struct_size);
rtw_status_t rtw_compile(const void *wasm_or_wat, size_t length, const rtw_compile_options_t *options, void **artifact, size_t *artifact_length, rtw_error_t *err);
rtw_status_t rtw_recompile(const void *artifact, size_t length, const void *source, size_t source_length, const rtw_compile_options_t *options, void **out, size_t *out_length, rtw_error_t *err);
void rtw_compile_free(void *artifact, size_t length);
]]
local api = { version = { 0, 1, 0 }, enums = {} }
api.RTW_CPU_SET_WORDS = 16
api.RTW_LOG_LONGEST = 1000
api.RTW_TRUSTED_KEYS_MOST = 256
api.RTW_STACKS = 1024
api.RTW_GUEST_OWN = 1
api.RTW_GUEST_FAUST = 2
api.RTW_GUEST_FAUST_DOUBLE = 3
api.RTW_GUEST_STATELESS = 1
api.RTW_GUEST_EVENTS = 2
api.RTW_GUEST_MIDI = 4
api.RTW_GUEST_STATE = 8
api.RTW_PARAM_INTEGER = 1
api.RTW_PARAM_TOGGLE = 2
api.RTW_PARAM_TRIGGER = 4
api.RTW_PARAM_LOGARITHMIC = 8
api.RTW_PARAM_NOT_AUTOMATABLE = 16
api.RTW_PARAM_HIDDEN = 32
api.RTW_EVENT_PARAM = 1
api.RTW_EVENT_MIDI = 2
api.RTW_GUEST_FUNC_INIT = 0
api.RTW_GUEST_FUNC_PROCESS = 1
api.RTW_FOREVER = 18446744073709551615ULL
api.RTW_WORKER_VALUES = 16
api.RTW_STEP_STOP = 1
api.RTW_HOST_CLASSES = 4
api.RTW_HOST_CPU_ANY = -1
api.RTW_VERSION_MAJOR = 0
api.RTW_VERSION_MINOR = 1
api.RTW_VERSION_PATCH = 0
api.RTW_COMPILE_PROFILE_BOTH = 2
api.enums.Status = { OK = 0, NULL = -101, ARGUMENT = -102, HANDLE = -103, STRUCT_SIZE = -104, VALUES = -105, BOUNDS = -106, UNSUPPORTED = -107, NOT_ARTIFACT = -201, PLAIN_WASM = -202, TRUNCATED = -203, DIGEST = -204, ENVELOPE_VERSION = -205, ENGINE = -206, TARGET = -207, CPU_FEATURE = -208, PROFILE = -209, ARTIFACT = -210, WASM = -211, PROPOSAL = -212, COMPILER = -213, UNSIGNED = -214, FORGED = -215, NO_EXPORT = -301, EXPORT_KIND = -302, SIGNATURE = -303, SIGNATURE_SYNTAX = -304, IMPORT_MISSING = -305, IMPORT_TYPE = -306, NO_MEMORY = -401, MEMLOCK = -402, PERMISSION = -403, IO = -404, LIMIT = -405, STACK_SIZE = -406, ARENA = -407, NOT_ATTACHED = -501, ATTACHED = -502, FAULTED = -503, BUSY = -504, FORKED = -505, SIGNALS = -506, POISONED = -507, STATE = -508, TRAP_UNREACHABLE = -601, TRAP_MEMORY = -602, TRAP_TABLE = -603, TRAP_INDIRECT_CALL = -604, TRAP_DIVIDE_BY_ZERO = -605, TRAP_INTEGER_OVERFLOW = -606, TRAP_BAD_CONVERSION = -607, TRAP_STACK = -608, TRAP_OTHER = -609, HOST = -610, BUDGET = -611, TRAP_MISALIGNED = -612, STUB = -613, EXITED = -614, ABORTED = -615, FULL = -701, EMPTY = -702, TIMEOUT = -703, CANCELLED = -704, RUNNING = -705, STOPPED = -706, INTERNAL = -901 }
api.RTW_OK = 0
api.RTW_ERR_NULL = -101
api.RTW_ERR_ARGUMENT = -102
api.RTW_ERR_HANDLE = -103
api.RTW_ERR_STRUCT_SIZE = -104
api.RTW_ERR_VALUES = -105
api.RTW_ERR_BOUNDS = -106
api.RTW_ERR_UNSUPPORTED = -107
api.RTW_ERR_NOT_ARTIFACT = -201
api.RTW_ERR_PLAIN_WASM = -202
api.RTW_ERR_TRUNCATED = -203
api.RTW_ERR_DIGEST = -204
api.RTW_ERR_ENVELOPE_VERSION = -205
api.RTW_ERR_ENGINE = -206
api.RTW_ERR_TARGET = -207
api.RTW_ERR_CPU_FEATURE = -208
api.RTW_ERR_PROFILE = -209
api.RTW_ERR_ARTIFACT = -210
api.RTW_ERR_WASM = -211
api.RTW_ERR_PROPOSAL = -212
api.RTW_ERR_COMPILER = -213
api.RTW_ERR_UNSIGNED = -214
api.RTW_ERR_FORGED = -215
api.RTW_ERR_NO_EXPORT = -301
api.RTW_ERR_EXPORT_KIND = -302
api.RTW_ERR_SIGNATURE = -303
api.RTW_ERR_SIGNATURE_SYNTAX = -304
api.RTW_ERR_IMPORT_MISSING = -305
api.RTW_ERR_IMPORT_TYPE = -306
api.RTW_ERR_NO_MEMORY = -401
api.RTW_ERR_MEMLOCK = -402
api.RTW_ERR_PERMISSION = -403
api.RTW_ERR_IO = -404
api.RTW_ERR_LIMIT = -405
api.RTW_ERR_STACK_SIZE = -406
api.RTW_ERR_ARENA = -407
api.RTW_ERR_NOT_ATTACHED = -501
api.RTW_ERR_ATTACHED = -502
api.RTW_ERR_FAULTED = -503
api.RTW_ERR_BUSY = -504
api.RTW_ERR_FORKED = -505
api.RTW_ERR_SIGNALS = -506
api.RTW_ERR_POISONED = -507
api.RTW_ERR_STATE = -508
api.RTW_ERR_TRAP_UNREACHABLE = -601
api.RTW_ERR_TRAP_MEMORY = -602
api.RTW_ERR_TRAP_TABLE = -603
api.RTW_ERR_TRAP_INDIRECT_CALL = -604
api.RTW_ERR_TRAP_DIVIDE_BY_ZERO = -605
api.RTW_ERR_TRAP_INTEGER_OVERFLOW = -606
api.RTW_ERR_TRAP_BAD_CONVERSION = -607
api.RTW_ERR_TRAP_STACK = -608
api.RTW_ERR_TRAP_OTHER = -609
api.RTW_ERR_HOST = -610
api.RTW_ERR_BUDGET = -611
api.RTW_ERR_TRAP_MISALIGNED = -612
api.RTW_ERR_STUB = -613
api.RTW_ERR_EXITED = -614
api.RTW_ERR_ABORTED = -615
api.RTW_ERR_FULL = -701
api.RTW_ERR_EMPTY = -702
api.RTW_ERR_TIMEOUT = -703
api.RTW_ERR_CANCELLED = -704
api.RTW_ERR_RUNNING = -705
api.RTW_ERR_STOPPED = -706
api.RTW_ERR_INTERNAL = -901
api.enums.Profile = { STANDALONE = 0, PLUGIN = 1, ANY = 2 }
api.RTW_PROFILE_STANDALONE = 0
api.RTW_PROFILE_PLUGIN = 1
api.RTW_PROFILE_ANY = 2
api.enums.Sched = { KEEP = 0, OTHER = 1, FIFO = 2, RR = 3, RUNTIME = 2147483647, DEADLINE = 4 }
api.RTW_SCHED_KEEP = 0
api.RTW_SCHED_OTHER = 1
api.RTW_SCHED_FIFO = 2
api.RTW_SCHED_RR = 3
api.RTW_SCHED_RUNTIME = 2147483647
api.RTW_SCHED_DEADLINE = 4
api.enums.Lock = { OFF = 0, ON = 1, REQUIRED = 2 }
api.RTW_LOCK_OFF = 0
api.RTW_LOCK_ON = 1
api.RTW_LOCK_REQUIRED = 2
api.enums.SignalChecks = { LOOK = 0, ASK = 1 }
api.RTW_SIGNALS_LOOK = 0
api.RTW_SIGNALS_ASK = 1
api.enums.Denormals = { KEEP = 0, FLUSH = 1, IEEE = 2 }
api.RTW_DENORMALS_KEEP = 0
api.RTW_DENORMALS_FLUSH = 1
api.RTW_DENORMALS_IEEE = 2
api.enums.LogLevel = { PRINTED = 0, DEBUG = 1, INFO = 2, WARNING = 3, ERROR = 4 }
api.RTW_LOG_PRINTED = 0
api.RTW_LOG_DEBUG = 1
api.RTW_LOG_INFO = 2
api.RTW_LOG_WARNING = 3
api.RTW_LOG_ERROR = 4
api.enums.Cancel = { DEFER = 0, IGNORE = 1 }
api.RTW_CANCEL_DEFER = 0
api.RTW_CANCEL_IGNORE = 1
api.enums.ResetObstacle = { START = 1, INITIALISER = 2, IMPORTS = 4, REFERENCES = 8, TABLES = 16, DROPS = 32, SEGMENT = 64, SIZE = 128, VALUE = 256 }
api.RTW_RESET_NO_START = 1
api.RTW_RESET_NO_INITIALISER = 2
api.RTW_RESET_NO_IMPORTS = 4
api.RTW_RESET_NO_REFERENCES = 8
api.RTW_RESET_NO_TABLES = 16
api.RTW_RESET_NO_DROPS = 32
api.RTW_RESET_NO_SEGMENT = 64
api.RTW_RESET_NO_SIZE = 128
api.RTW_RESET_NO_VALUE = 256
api.enums.ExternKind = { FUNC = 1, MEMORY = 2, GLOBAL = 3, TABLE = 4, TAG = 5 }
api.RTW_EXTERN_FUNC = 1
api.RTW_EXTERN_MEMORY = 2
api.RTW_EXTERN_GLOBAL = 3
api.RTW_EXTERN_TABLE = 4
api.RTW_EXTERN_TAG = 5
api.enums.HostFlag = { MAY_BLOCK = 1, CHANGES_FLOAT = 2 }
api.RTW_HOST_MAY_BLOCK = 1
api.RTW_HOST_CHANGES_FLOAT = 2
api.enums.Stubs = { NONE = 0, TRAP = 1, LIBC = 2 }
api.RTW_STUBS_NONE = 0
api.RTW_STUBS_TRAP = 1
api.RTW_STUBS_LIBC = 2
api.enums.GrowthMode = { REFUSED = 0, ALLOWED = 1, AHEAD = 2 }
api.RTW_GROWTH_REFUSED = 0
api.RTW_GROWTH_ALLOWED = 1
api.RTW_GROWTH_AHEAD = 2
api.enums.Budget = { CUT_OFF = 0, COUNT = 1 }
api.RTW_BUDGET_CUT_OFF = 0
api.RTW_BUDGET_COUNT = 1
api.enums.Initialize = { CALL = 0, LEAVE = 1 }
api.RTW_INITIALIZE_CALL = 0
api.RTW_INITIALIZE_LEAVE = 1
api.enums.Refused = { PREPARED = 1, LIMIT = 2, MAXIMUM = 3, SYSTEM = 4 }
api.RTW_REFUSED_PREPARED = 1
api.RTW_REFUSED_LIMIT = 2
api.RTW_REFUSED_MAXIMUM = 3
api.RTW_REFUSED_SYSTEM = 4
api.enums.MapFlag = { VOUCHED = 1 }
api.RTW_MAP_VOUCHED = 1
api.enums.BlockFlag = { NEW = 1, SPARE = 2, HELD = 4 }
api.RTW_BLOCK_NEW = 1
api.RTW_BLOCK_SPARE = 2
api.RTW_BLOCK_HELD = 4
api.enums.StateTransfer = { NONE = 0, GUEST = 1, HOST = 2 }
api.RTW_STATE_NONE = 0
api.RTW_STATE_GUEST = 1
api.RTW_STATE_HOST = 2
api.enums.SlotEvent = { TAKEN = 1, FAULTED = 2, SPARE_TAKEN = 3, SPARE_READY = 4, SPARE_FAILED = 5 }
api.RTW_SLOT_EVENT_TAKEN = 1
api.RTW_SLOT_EVENT_FAULTED = 2
api.RTW_SLOT_EVENT_SPARE_TAKEN = 3
api.RTW_SLOT_EVENT_SPARE_READY = 4
api.RTW_SLOT_EVENT_SPARE_FAILED = 5
api.enums.WorkerKind = { PERIODIC = 0, QUEUE = 1 }
api.RTW_WORKER_PERIODIC = 0
api.RTW_WORKER_QUEUE = 1
api.enums.Missed = { SKIP = 0, CATCH_UP = 1 }
api.RTW_MISSED_SKIP = 0
api.RTW_MISSED_CATCH_UP = 1
api.enums.OnFault = { STOP = 0, CONTINUE = 1 }
api.RTW_ON_FAULT_STOP = 0
api.RTW_ON_FAULT_CONTINUE = 1
api.enums.Series = { WAKE_UP = 0, CALL = 1, RESPONSE = 2, JITTER = 3 }
api.RTW_SERIES_WAKE_UP = 0
api.RTW_SERIES_CALL = 1
api.RTW_SERIES_RESPONSE = 2
api.RTW_SERIES_JITTER = 3
api.enums.Cause = { PAGE_FAULT = 1, INVOLUNTARY_SWITCH = 2, VOLUNTARY_SWITCH = 4, BUDGET = 8, TRAP = 16, DEADLINE = 32, WAKE_UP = 64 }
api.RTW_CAUSE_PAGE_FAULT = 1
api.RTW_CAUSE_INVOLUNTARY_SWITCH = 2
api.RTW_CAUSE_VOLUNTARY_SWITCH = 4
api.RTW_CAUSE_BUDGET = 8
api.RTW_CAUSE_TRAP = 16
api.RTW_CAUSE_DEADLINE = 32
api.RTW_CAUSE_WAKE_UP = 64
api.enums.Export = { JSON = 0, HTML = 1, HGRM = 2, HLOG = 3, OPENMETRICS = 4, CSV = 5 }
api.RTW_EXPORT_JSON = 0
api.RTW_EXPORT_HTML = 1
api.RTW_EXPORT_HGRM = 2
api.RTW_EXPORT_HLOG = 3
api.RTW_EXPORT_OPENMETRICS = 4
api.RTW_EXPORT_CSV = 5
api.enums.HostClass = { ALL = 0, AUDIO_128 = 1, AUDIO_32 = 2, CONTROL_1KHZ = 3, CONTROL_10KHZ = 4 }
api.RTW_HOST_CLASS_ALL = 0
api.RTW_HOST_CLASS_AUDIO_128 = 1
api.RTW_HOST_CLASS_AUDIO_32 = 2
api.RTW_HOST_CLASS_CONTROL_1KHZ = 3
api.RTW_HOST_CLASS_CONTROL_10KHZ = 4
api.enums.HostSeverity = { NONE = 0, INFO = 1, MEDIUM = 2, HIGH = 3, FATAL = 4 }
api.RTW_HOST_SEVERITY_NONE = 0
api.RTW_HOST_SEVERITY_INFO = 1
api.RTW_HOST_SEVERITY_MEDIUM = 2
api.RTW_HOST_SEVERITY_HIGH = 3
api.RTW_HOST_SEVERITY_FATAL = 4
api.enums.HostApply = { NOW = 0, WITH_THOUGHT = 1, REBOOT = 2 }
api.RTW_HOST_APPLY_NOW = 0
api.RTW_HOST_APPLY_WITH_THOUGHT = 1
api.RTW_HOST_APPLY_REBOOT = 2
api.enums.HostState = { GOOD = 0, BAD = 1, UNKNOWN = 2, SKIPPED = 3 }
api.RTW_HOST_GOOD = 0
api.RTW_HOST_BAD = 1
api.RTW_HOST_UNKNOWN = 2
api.RTW_HOST_SKIPPED = 3
api.enums.HostVerdict = { READY = 0, READY_WITH_WARNINGS = 1, NOT_READY = 2 }
api.RTW_HOST_READY = 0
api.RTW_HOST_READY_WITH_WARNINGS = 1
api.RTW_HOST_NOT_READY = 2
api.enums.CompileOpt = { NONE = 0, SPEED = 1, SIZE = 2 }
api.RTW_COMPILE_OPT_NONE = 0
api.RTW_COMPILE_OPT_SPEED = 1
api.RTW_COMPILE_OPT_SIZE = 2
api.enums.CompileInterruption = { NONE = 0, EPOCH = 1, FUEL = 2, GUARD = 3 }
api.RTW_COMPILE_INTERRUPTION_NONE = 0
api.RTW_COMPILE_INTERRUPTION_EPOCH = 1
api.RTW_COMPILE_INTERRUPTION_FUEL = 2
api.RTW_COMPILE_INTERRUPTION_GUARD = 3
api.enums.CompileReservation = { FULL = 0, DECLARED = 1 }
api.RTW_COMPILE_RESERVATION_FULL = 0
api.RTW_COMPILE_RESERVATION_DECLARED = 1
return api
