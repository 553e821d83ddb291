//! The library's types have the layout that C was promised: tests/abi/layout.txt, to which tests/abi/test_abi.sh holds the
//! C compilers. Written by tests/abi/layout.py; the test itself tells when a type or field is missing here.

use std::mem::{MaybeUninit, align_of, offset_of, size_of};

use super::doctor::{rtw_host_config_t, rtw_host_finding_t};
use super::error::rtw_error_t;
use super::export::{rtw_export_config_t, rtw_export_subject_t};
use super::guest::{rtw_event_data_t, rtw_event_t, rtw_guest_config_t, rtw_guest_info_t, rtw_guest_param_t, rtw_guest_port_t};
use super::imports::rtw_limits_t;
use super::instance::{rtw_fault_t, rtw_growth_t, rtw_instance_config_t, rtw_memory_view_t, rtw_wanted_func_t};
use super::module::{rtw_extern_t, rtw_module_info_t};
use super::prepare::{rtw_dry_call_t, rtw_prepare_config_t, rtw_prepare_report_t};
use super::runtime::{rtw_public_key_t, rtw_runtime_config_t, rtw_runtime_stats_t, rtw_signals_t, rtw_watchdog_stats_t};
use super::slot::config::{rtw_slot_config_t, rtw_slot_event_t};
use super::slot::{rtw_block_t, rtw_slot_stats_t};
use super::stats::{rtw_bucket_t, rtw_distribution_t, rtw_func_stats_t};
use super::thread::{rtw_stack_t, rtw_thread_config_t};
use super::value::rtw_value_t;
use super::wasi::rtw_wasi_config_t;
use super::worker::config::{rtw_tick_t, rtw_worker_config_t};
use super::worker::queue::rtw_completion_t;
use super::worker::rtw_worker_info_t;
use super::worker::stats::{rtw_second_t, rtw_worker_stats_t, rtw_worst_t};

fn size_of_pointee<T>(_: *const T) -> usize {
    size_of::<T>()
}

/// The table's lines for one type.
macro_rules! lines {
    ($t:ident: $($field:ident)*) => {{
        let place = MaybeUninit::<$t>::uninit();
        let mut lines = vec![format!("{} {} {}", stringify!($t), size_of::<$t>(), align_of::<$t>())];
        $({
            // SAFETY: the field lies inside `place`; its address is taken, nothing is read.
            let size = size_of_pointee(unsafe { &raw const (*place.as_ptr()).$field });
            lines.push(format!("{}.{} {} {}", stringify!($t), stringify!($field), offset_of!($t, $field), size));
        })*
        lines
    }};
}

#[test]
fn types_have_the_layout_that_c_was_promised() {
    // The compiler's types belong to another library.
    let table = include_str!("../../tests/abi/layout.txt").lines().filter(|line| !line.starts_with("rtw_compile_"));
    let ours = [
        lines!(rtw_error_t: status os_error message),
        lines!(rtw_value_t: i32 u32 i64 u64 f32 f64 v128 i8x16 i16x8 i32x4 i64x2 f32x4 f64x2),
        lines!(rtw_distribution_t: count min_ns mean_ns p50_ns p90_ns p95_ns p99_ns p999_ns p9999_ns max_ns),
        lines!(rtw_func_stats_t: struct_size call last_ns duration_ns faults cut_offs overruns deadline_misses overflows
            arena_peak_bytes),
        lines!(rtw_bucket_t: low_ns high_ns count),
        lines!(rtw_public_key_t: bytes),
        lines!(rtw_runtime_config_t: struct_size profile cpu_set sched_policy priority statistics memory_lock guest_stack_bytes
            watchdog_tick_ns signal_checks attach_on_call allow_signal_handlers memory_limit_bytes trusted_keys
            trusted_key_count min_compiler_release on_log log_user_data),
        lines!(rtw_runtime_stats_t: struct_size attached_threads late_attaches),
        lines!(rtw_watchdog_stats_t: struct_size sched_policy priority watched tick_ns expiries cut_offs late over),
        lines!(rtw_signals_t: struct_size status looks interval_ns troubles blocked_threads masks_unknown message),
        lines!(rtw_module_info_t: struct_size envelope_version profile import_count export_count function_count code_bytes
            source_bytes memory_min_bytes memory_max_bytes target engine producer opt_level interruption cpu_features
            guest_bytes table_bytes global_bytes record_bytes address_space_bytes part part_count artifact_abi compiler_release
            needs_recompile has_source reset_obstacles memory_count reset_bytes signature_count is_trusted signed_by),
        lines!(rtw_extern_t: kind module name ty),
        lines!(rtw_limits_t: min max index_64),
        lines!(rtw_wasi_config_t: struct_size arg_count args env env_count seed time_ns),
        lines!(rtw_instance_config_t: struct_size growth denormals on_budget memory_limit_bytes growth_ahead_bytes budget_ns
            deadline_ns stateless initialize log_bytes),
        lines!(rtw_fault_t: struct_size status host_status function_index wasm_offset function_name refused_growths refused_from
            refused_to refused_by refused_table message),
        lines!(rtw_growth_t: struct_size granted refused refused_prepared refused_limit refused_maximum refused_system),
        lines!(rtw_memory_view_t: base size_bytes),
        lines!(rtw_wanted_func_t: name signature optional),
        lines!(rtw_dry_call_t: func values value_count repeats func_index),
        lines!(rtw_prepare_config_t: struct_size dry_call_count dry_calls),
        lines!(rtw_prepare_report_t: struct_size locked touched_bytes locked_bytes dry_calls first_call_ns steady_call_ns
            allocations minor_faults major_faults),
        lines!(rtw_stack_t: base bytes),
        lines!(rtw_thread_config_t: struct_size sched_policy priority cpu denormals stack_count on_cancel arena_bytes stacks),
        lines!(rtw_slot_event_t: kind status publication instance),
        lines!(rtw_slot_config_t: struct_size func_count funcs standby hold_blocks state dry_call_count dry_calls on_event
            on_state user_data memory_limit_bytes),
        lines!(rtw_block_t: instance funcs held_instance held_funcs flags),
        lines!(rtw_slot_stats_t: struct_size spares_ready instances blocks publications refused taken faults spares_used
            unserved busy held_bytes),
        lines!(rtw_guest_info_t: struct_size kind flags input_count output_count port_count param_count meter_count
            latency_frames voice_count name meta),
        lines!(rtw_guest_param_t: struct_size flags id name unit group labels meta min_value max_value default_value step),
        lines!(rtw_guest_config_t: struct_size max_frames sample_rate),
        lines!(rtw_guest_port_t: is_output channel_count name),
        lines!(rtw_event_data_t: value midi),
        lines!(rtw_event_t: frame kind index data),
        lines!(rtw_tick_t: index intended_ns actual_ns missed),
        lines!(rtw_worker_config_t: struct_size kind name sched_policy priority cpu denormals strict memory_lock statistics
            dma_latency_us deadline_runtime_ns deadline_ns setup user_data dry_calls dry_call_count missed period_ns early_ns
            on_fault queue_capacity period_limit step func values value_count warm_value_count warm_func warm_values spin_ns),
        lines!(rtw_worker_info_t: struct_size running thread_id sched_policy priority ended_by warning_count),
        lines!(rtw_completion_t: struct_size status tag submitted_ns started_ns ended_ns values),
        lines!(rtw_worker_stats_t: struct_size since_realtime_ns duration_ns ticks skipped overruns misses longest_miss_run
            faults minor_faults major_faults voluntary_switches involuntary_switches submitted completed cancelled refused
            wake_up call response jitter),
        lines!(rtw_worst_t: at_realtime_ns index wake_up_ns call_ns response_ns status causes),
        lines!(rtw_second_t: at_ns count max_ns),
        lines!(rtw_export_config_t: struct_size format path buffer buffer_bytes name series expected_interval_ns),
        lines!(rtw_export_subject_t: func instance interval worker recorder slot func_index name),
        lines!(rtw_host_config_t: struct_size host_class cpu calling_thread probe_ms period_ns root artifact artifact_length),
        lines!(rtw_host_finding_t: struct_size state severity apply needs_root class_severity id title found expected why remedy
            commands),
    ];
    assert_eq!(ours.concat(), table.collect::<Vec<_>>());
}
