//! The only place that sets Wasmtime's options, for the library, which loads code, and for the compiler, which makes it.
//!
//! This module sets every option explicitly that the engine compares when it loads an artifact: defaults depend on Cargo
//! features, and one of them on an environment variable. A comparison must not fail on a user's machine because of a variable.
//!
//! Threads, scheduling and memory locking are in `rt`.

use wasmtime::{Config, Engine, WasmFeatures};

use crate::artifact::release::ARTIFACT_ABI;

pub use crate::artifact::settings::{
    DEFAULT_GUEST_STACK_BYTES, ENGINE_VERSION, FULL_RESERVATION_BYTES, Interruption, Profile, Settings,
};

/// The proposals that a guest may use. Others need a collector, another calling convention or shared memory, which do not suit
/// a thread that must not be late.
pub fn guest_features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::CALL_INDIRECT_OVERLONG
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::BULK_MEMORY_OPT
        | WasmFeatures::SIMD
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::THREADS
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::FLOATS
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MEMORY64
}

/// Sets every option on which both sides must agree, and those that matter only at run time.
pub fn config(settings: &Settings, guest_stack_bytes: usize) -> Config {
    let signals = settings.profile == Profile::Standalone;
    let mut config = Config::new();

    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(guest_features(), true);
    // Atomics are allowed, memories shared between threads are not: an instance belongs to one thread at a time.
    config.shared_memory(false);

    // Guard pages instead of bounds checks if a signal handler is permitted; otherwise checks in the code.
    config.signals_based_traps(signals);
    config.memory_reservation(settings.memory_reservation_bytes);
    config.memory_guard_size(settings.guard_bytes());
    config.guard_before_linear_memory(settings.guard_bytes() != 0);
    // A memory that moves on growth would invalidate the host's pointers, and copy in the middle of a call.
    config.memory_may_move(false);
    config.memory_reservation_for_growth(0);
    // Copy-on-write images are mapped lazily, page fault by page fault.
    config.memory_init_cow(false);
    config.memory_guaranteed_dense_image_size(0);
    config.force_memory_init_memfd(false);
    // Lazily filled tables put a check and a call to the host into every first indirect call.
    config.table_lazy_init(false);

    config.epoch_interruption(settings.interruption == Interruption::Epoch);
    config.consume_fuel(settings.interruption == Interruption::Fuel);

    // Backtraces are built on the heap when the trap happens; `fault` gathers what a developer needs without them.
    config.wasm_backtrace_max_frames(None);
    // The default of this option comes from the environment.
    config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    // Nothing unwinds through a guest: traps skip its frames, and panics of host functions are caught before. Tables for
    // unwinding would be passed to libgcc at every load, which ends the process if one is damaged.
    config.native_unwind_info(false);
    config.generate_address_map(true);
    config.debug_info(false);
    config.debug_symbols(false);

    // The compiler also makes NaNs canonical then, which the engine does not compare.
    config.relaxed_simd_deterministic(settings.deterministic);
    config.compiler_inlining(wasmtime::Inlining::No);
    config.concurrency_support(false);
    config.rr(wasmtime::RRConfig::None);
    config.gc_support(false);
    // Compared on load, although this build has no collector.
    config.gc_heap_reservation(0);
    config.gc_heap_guard_size(0);
    config.gc_heap_reservation_for_growth(0);
    config.gc_heap_may_move(false);
    config.gc_heap_initial_size(0);

    // Releases of one artifact ABI load each other's code; `artifact::release` says which they are.
    let version = format!("rtwasm artifact ABI {ARTIFACT_ABI}");
    config.module_version(wasmtime::ModuleVersionStrategy::Custom(version)).expect("the version string is short");

    config.max_wasm_stack(guest_stack_bytes);
    config.async_stack_size(guest_stack_bytes + (1 << 20));
    config.profiler(wasmtime::ProfilingStrategy::None);
    config.allocation_strategy(wasmtime::InstanceAllocationStrategy::OnDemand);
    config
}

/// Options that tools try in place of the product's own, to measure their effect. The default is the product. Code has to be
/// compiled and loaded with the same variation; an artifact does not record one, and is never written with one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variations {
    /// Takes instances from a pool that is mapped once.
    pub pooling: bool,
    /// Starts memories as copy-on-write images of their data.
    pub copy_on_write: bool,
    /// Fills tables on first use.
    pub lazy_tables: bool,
}

impl Variations {
    /// True if memories are the engine's own, and not those of `super::memory`.
    pub fn engine_memories(self) -> bool {
        self.pooling || self.copy_on_write
    }
}

/// Applies variations to a configuration that [`config`] has made.
pub fn vary(config: &mut Config, variations: Variations) -> crate::status::Result<()> {
    config.memory_init_cow(variations.copy_on_write);
    config.table_lazy_init(variations.lazy_tables);
    if variations.pooling {
        config.allocation_strategy(pool()?);
    }
    Ok(())
}

/// Just large enough for one tool, so that its set-up does not dominate the measurement.
#[cfg(feature = "variations")]
fn pool() -> crate::status::Result<wasmtime::InstanceAllocationStrategy> {
    let mut pool = wasmtime::PoolingAllocationConfig::default();
    pool.total_core_instances(4).max_memories_per_module(4).total_memories(16).max_tables_per_module(8).total_tables(32);
    pool.table_elements(1 << 20);
    Ok(wasmtime::InstanceAllocationStrategy::Pooling(pool))
}

#[cfg(not(feature = "variations"))]
fn pool() -> crate::status::Result<wasmtime::InstanceAllocationStrategy> {
    Err(crate::status::Error::new(crate::status::RTW_ERR_UNSUPPORTED, "this build has no pooling allocator"))
}

/// An engine that loads what was compiled with `settings`.
pub fn engine(settings: &Settings, guest_stack_bytes: usize) -> wasmtime::Result<Engine> {
    Engine::new(&config(settings, guest_stack_bytes))
}
