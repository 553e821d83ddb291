//! The cases: pairs of measurements that are compared.

use std::ffi::CStr;
use std::hint::black_box;

use rtwasm::engine::{artifact, profile};
use rtwasm::record::recorder::Recorder;
use rtwasm::sys::clock;
use wasmtime::{Caller, Engine, Extern, Func, Instance, Module, Store, TypedFunc, WasmParams, WasmResults};

use super::library::{Handle, Invoke, Library, Options, PTHREAD_CANCEL_DISABLE, Value, pthread_setcancelstate};
use super::measure::{BATCH, Only, Row, Subject, interleaved};

/// The bare engine with the same settings and the same code: what a Rust host could have at best.
pub struct Bare {
    pub store: Store<()>,
    instance: Instance,
}

impl Bare {
    fn new(path: &str) -> Result<Bare, String> {
        Bare::with(path, |store, _| Func::wrap(store, |_: Caller<'_, ()>| {}))
    }

    /// `import` makes the function for an import's name.
    pub fn with(path: &str, import: impl Fn(&mut Store<()>, &str) -> Func) -> Result<Bare, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
        let artifact = artifact::read(&bytes).map_err(|e| e.message)?;
        let engine =
            profile::engine(&artifact.metadata.settings, profile::DEFAULT_GUEST_STACK_BYTES).map_err(|e| e.to_string())?;
        // SAFETY: our own compiler's output, its digest checked by the reading above.
        let module = unsafe { Module::deserialize(&engine, &artifact.code) }.map_err(|e| e.to_string())?;
        Engine::tls_eager_initialize();
        let mut store = Store::new(&engine, ());
        let imports: Vec<Extern> = module.imports().map(|one| Extern::Func(import(&mut store, one.name()))).collect();
        let instance = Instance::new(&mut store, &module, &imports).map_err(|e| e.to_string())?;
        Ok(Bare { store, instance })
    }

    pub fn func<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> Result<TypedFunc<P, R>, String> {
        self.instance.get_typed_func(&mut self.store, name).map_err(|e| e.to_string())
    }
}

const BARE: &str = "TypedFunc::call";
/// RTW_DENORMALS_...
pub const KEEP: u32 = 0;
const FLUSH: u32 = 1;
const IEEE: u32 = 2;

/// Calls into empty and nearly empty guests, with statistics off and on.
pub fn calls(library: &Library, artifacts: &str, profile: &str, only: &Only) -> Result<Vec<Row>, String> {
    let path = format!("{artifacts}/calls-{profile}.rtw");
    let plugin = profile == "plugin";
    let mut bare = Bare::new(&path)?;
    let off = library.guest(&path, Options { plugin, statistics: false, denormals: KEEP, budget_ns: 0 })?;
    let on = library.guest(&path, Options { plugin, statistics: true, denormals: KEEP, budget_ns: 0 })?;
    let deferring = library.deferring_guest(&path, Options { plugin, statistics: false, denormals: KEEP, budget_ns: 0 })?;
    let mut rows = Vec::new();

    for (case, name, c_name) in [("call-empty", "empty", c"empty"), ("call-host", "call_host", c"call_host")] {
        let case = format!("{case}/{profile}");
        if !only.wants(&case) {
            continue;
        }
        let func = bare.func::<(), ()>(name)?;
        let store = &mut bare.store;
        rows.extend(interleaved(
            &case,
            BATCH,
            vec![
                Subject { name: BARE, run: Box::new(|n| (0..n).for_each(|_| func.call(&mut *store, ()).expect("it returns"))) },
                invocations("rtw_invoke, statistics off", library.invoke, off.func(c_name)?),
                invocations("rtw_invoke, statistics on", library.invoke, on.func(c_name)?),
                invocations("rtw_invoke, statistics off, cancellation deferred", library.invoke, deferring.func(c_name)?),
                held_off("rtw_invoke, statistics off, cancellation held off by the host", library.invoke, off.func(c_name)?),
            ],
        ));
    }

    let case = format!("call-add/{profile}");
    if !only.wants(&case) {
        return Ok(rows);
    }
    let func = bare.func::<(i32, i32), i32>("add")?;
    let store = &mut bare.store;
    let sum = |n| {
        for at in 0..n as i32 {
            let sum = func.call(&mut *store, (black_box(at), 1)).expect("it returns");
            assert_eq!(sum, at + 1);
        }
    };
    rows.extend(interleaved(
        &case,
        BATCH,
        vec![
            Subject { name: BARE, run: Box::new(sum) },
            additions("rtw_invoke, statistics off", library.invoke, func_of(&off, c"add")?),
            additions("rtw_invoke, statistics on", library.invoke, func_of(&on, c"add")?),
        ],
    ));
    Ok(rows)
}

fn func_of(guest: &super::library::Guest<'_>, name: &CStr) -> Result<usize, String> {
    guest.func(name).map(|handle| handle as usize)
}

fn invocations<'a>(name: &'static str, invoke: Invoke, func: Handle) -> Subject<'a> {
    let mut values = [Value { i32: 0 }; 1];
    let run = move |n| {
        for _ in 0..n {
            // SAFETY: a live func of this thread's instance.
            let status = unsafe { invoke(func, values.as_mut_ptr(), 1) };
            assert_eq!(status, 0);
        }
    };
    Subject { name, run: Box::new(run) }
}

/// As a host does it by itself.
fn held_off<'a>(name: &'static str, invoke: Invoke, func: Handle) -> Subject<'a> {
    let mut values = [Value { i32: 0 }; 1];
    let run = move |n| {
        for _ in 0..n {
            let mut before = 0;
            // SAFETY: changes a word of this thread's, and changes it back.
            unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
            // SAFETY: a live func of this thread's instance.
            let status = unsafe { invoke(func, values.as_mut_ptr(), 1) };
            // SAFETY: as above.
            unsafe { pthread_setcancelstate(before, std::ptr::null_mut()) };
            assert_eq!(status, 0);
        }
    };
    Subject { name, run: Box::new(run) }
}

fn additions<'a>(name: &'static str, invoke: Invoke, func: usize) -> Subject<'a> {
    let run = move |n| {
        for at in 0..n as i32 {
            let mut values = [Value { i32: black_box(at) }, Value { i32: 1 }];
            // SAFETY: a live func of this thread's instance, and as many values as it has.
            let status = unsafe { invoke(func as Handle, values.as_mut_ptr(), 2) };
            // SAFETY: the result is an i32.
            assert_eq!((status, unsafe { values[0].i32 }), (0, at + 1));
        }
    };
    Subject { name, run: Box::new(run) }
}

/// The cost of recording beyond reading the clock.
pub fn recording() -> Vec<Row> {
    clock::calibration();
    let recorder = Recorder::new();
    let clock_only = |n| {
        for _ in 0..n {
            let started = clock::ticks();
            black_box(clock::ticks().wrapping_sub(started));
        }
    };
    let with_record = |n| {
        for _ in 0..n {
            let started = clock::ticks();
            recorder.active().record(clock::ticks().wrapping_sub(started));
        }
    };
    let system_clock = |n| {
        for _ in 0..n {
            let started = clock::monotonic_ns();
            black_box(clock::monotonic_ns() - started);
        }
    };
    interleaved(
        "recording",
        BATCH,
        vec![
            Subject { name: "two clock reads", run: Box::new(clock_only) },
            Subject { name: "two clock reads and recording", run: Box::new(with_record) },
            Subject { name: "two CLOCK_MONOTONIC reads", run: Box::new(system_clock) },
        ],
    )
}

/// The cost of reading the statistics, for the reader.
pub fn reading(library: &Library, artifacts: &str) -> Result<Vec<Row>, String> {
    let options = Options { plugin: true, statistics: true, denormals: KEEP, budget_ns: 0 };
    let guest = library.guest(&format!("{artifacts}/calls-plugin.rtw"), options)?;
    let func = guest.func(c"empty")?;
    let mut values = [Value { i32: 0 }; 1];
    for _ in 0..BATCH {
        // SAFETY: a live func of this thread's instance.
        unsafe { (library.invoke)(func, values.as_mut_ptr(), 1) };
    }
    let mut stats = library.empty_stats();
    let run = |n| {
        for _ in 0..n {
            // SAFETY: a live func and an initialised struct.
            let status = unsafe { (library.func_stats)(func, &mut stats) };
            assert!(status == 0 && stats.calls >= BATCH);
        }
    };
    Ok(interleaved("read-statistics", 10_000, vec![Subject { name: "rtw_func_stats", run: Box::new(run) }]))
}

/// The cost of a filter's decaying tail: 512 samples of a resonator whose state has become denormal, in both floating-point
/// modes. Setting the mode and putting it back is in the figures.
pub fn denormal_tail(library: &Library, artifacts: &str) -> Result<Vec<Row>, String> {
    let path = format!("{artifacts}/tail-standalone.rtw");
    // The thread is attached until they go.
    let (mut subjects, mut guests) = (Vec::new(), Vec::new());
    for (name, denormals) in [("flushed", FLUSH), ("IEEE", IEEE)] {
        let guest = library.guest(&path, Options { plugin: false, statistics: false, denormals, budget_ns: 0 })?;
        subjects.push(invocations(name, library.invoke, guest.func(c"tail")?));
        guests.push(guest);
    }
    Ok(interleaved("denormal-tail/resonator", 10_000, subjects))
}

/// The cost of a reverb's decaying tail, 64 frames in stereo: an impulse, then silence for 25 s, after which it holds denormals only.
/// `guest` is the project's own, which clears its delays of small numbers itself, or the same without that.
pub fn reverb_tail(library: &Library, artifacts: &str, guest: &str) -> Result<Vec<Row>, String> {
    const FRAMES: i32 = 64;
    const SILENCE_BLOCKS: i32 = 25 * 48_000 / FRAMES;
    let path = format!("{artifacts}/{guest}-standalone.rtw");
    let int = |i32| Value { i32 };
    let (mut subjects, mut guests) = (Vec::new(), Vec::new());
    for (name, denormals) in [("flushed", FLUSH), ("IEEE", IEEE)] {
        let mut guest = library.guest(&path, Options { plugin: false, statistics: false, denormals, budget_ns: 0 })?;
        if guest.call(c"init", [Value { f32: 48_000.0 }, int(2), int(FRAMES)])? != 0 {
            return Err(format!("{path}: init refused"));
        }
        let impulse = |guest: &mut super::library::Guest<'_>, height| -> Result<(), String> {
            for channel in 0..2 {
                let address = guest.call(c"input", [int(channel); 3])?;
                guest.floats(address, FRAMES as usize)?[0] = height;
            }
            guest.call(c"process", [int(FRAMES); 3]).map(drop)
        };
        impulse(&mut guest, 1.0)?;
        for _ in 0..SILENCE_BLOCKS {
            impulse(&mut guest, 0.0)?;
        }
        let address = guest.call(c"output", [int(0); 3])?;
        let output = guest.floats(address, FRAMES as usize)?;
        if output.iter().any(|sample| sample.abs() >= f32::MIN_POSITIVE) {
            return Err(format!("{path}: the tail has not decayed to denormals"));
        }
        let process = guest.func(c"process")? as usize;
        let run = move |n| {
            for _ in 0..n {
                let mut values = [Value { i32: FRAMES }];
                // SAFETY: a live func of this thread's instance.
                let status = unsafe { (library.invoke)(process as Handle, values.as_mut_ptr(), 1) };
                assert_eq!(status, 0);
            }
        };
        subjects.push(Subject { name, run: Box::new(run) });
        guests.push(guest);
    }
    Ok(interleaved(&format!("denormal-tail/{guest}"), 1_000, subjects))
}
