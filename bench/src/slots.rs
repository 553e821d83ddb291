//! The slot: what it adds to a call, and what the call after a cut-off takes, which runs on a spare.

use std::ffi::{CStr, c_char, c_void};
use std::mem::{MaybeUninit, transmute};
use std::ptr::{null, null_mut};

use rtwasm::record::snapshot;
use rtwasm::status::RTW_ERR_BUDGET;
use rtwasm::sys::clock;

use super::cases::KEEP;
use super::library::{Error, Guest, Handle, Library, Options, Value, check};
use super::measure::{BATCH, Only, Row, Subject, interleaved, median};

const FUNC: &CStr = c"act";
const BUDGET_NS: u64 = 1_000_000;
const SPARES: u32 = 2;
const CUT_OFFS: usize = 500;
/// Calls before the one that stands for the ordinary ones.
const ORDINARY: usize = 20;

/// rtw_wanted_func_t.
#[repr(C)]
struct SlotFunc {
    name: *const c_char,
    signature: *const c_char,
    optional: u32,
}

/// rtw_dry_call_t.
#[repr(C)]
struct DryCall {
    func: Handle,
    values: *const Value,
    value_count: u32,
    repeats: u32,
    func_index: u32,
}

/// The beginning of rtw_slot_config_t; its first field says how much of the struct this is.
#[repr(C)]
struct Config {
    struct_size: u32,
    func_count: u32,
    funcs: *const SlotFunc,
    standby: u32,
    hold_blocks: u32,
    state: u32,
    dry_call_count: u32,
    dry_calls: *const DryCall,
}

/// The beginning of rtw_slot_stats_t.
#[repr(C)]
struct Stats {
    struct_size: u32,
    spares_ready: u32,
}

type Invoke = unsafe extern "C" fn(Handle, u32, *mut Value, usize, *mut u32) -> i32;

/// A slot with a guest's instance in it.
struct Slot<'a> {
    slot: Handle,
    invoke: Invoke,
    stats_init: unsafe extern "C" fn(*mut Stats, usize),
    stats: unsafe extern "C" fn(Handle, *mut Stats) -> i32,
    destroy: unsafe extern "C" fn(Handle),
    _guest: Guest<'a>,
}

impl<'a> Slot<'a> {
    fn new(library: &'a Library, guest: Guest<'a>, standby: u32) -> Result<Slot<'a>, String> {
        // SAFETY: the types are those of rtwasm.h; structs and handles are live.
        unsafe {
            let config_init: unsafe extern "C" fn(*mut Config, usize) =
                transmute(library.entry(c"rtw_slot_config_init_sized")?);
            let create: unsafe extern "C" fn(Handle, *const Config, *mut Handle, *mut Error) -> i32 =
                transmute(library.entry(c"rtw_slot_create")?);
            let publish: unsafe extern "C" fn(Handle, Handle, *mut u64, *mut Error) -> i32 =
                transmute(library.entry(c"rtw_slot_publish")?);
            let mut config = MaybeUninit::uninit();
            config_init(config.as_mut_ptr(), size_of::<Config>());
            let mut config: Config = config.assume_init();
            let func = SlotFunc { name: FUNC.as_ptr(), signature: null(), optional: 0 };
            let value = Value { bytes: [0; 16] };
            let dry_call = DryCall { func: null_mut(), values: &value, value_count: 1, repeats: 200, func_index: 0 };
            (config.funcs, config.func_count) = (&func, 1);
            (config.dry_calls, config.dry_call_count) = (&dry_call, 1);
            config.standby = standby;
            let (mut slot, mut err) = (null_mut(), Error::none());
            check(create(guest.runtime, &config, &mut slot, &mut err), &err)?;
            let slot = Slot {
                slot,
                invoke: transmute::<*mut c_void, Invoke>(library.entry(c"rtw_slot_invoke")?),
                stats_init: transmute::<*mut c_void, _>(library.entry(c"rtw_slot_stats_init_sized")?),
                stats: transmute::<*mut c_void, _>(library.entry(c"rtw_slot_stats")?),
                destroy: transmute::<*mut c_void, _>(library.entry(c"rtw_slot_destroy")?),
                _guest: guest,
            };
            check(publish(slot.slot, slot._guest.instance, null_mut(), &mut err), &err)?;
            Ok(slot)
        }
    }

    #[inline(always)]
    fn call(&self, spin: i32) -> i32 {
        let mut values = [Value { i32: spin }];
        // SAFETY: a live slot of this thread's runtime; the function has one value.
        unsafe { (self.invoke)(self.slot, 0, values.as_mut_ptr(), 1, null_mut()) }
    }

    /// The time of a call that succeeds, in ns.
    fn time(&self) -> Result<f64, String> {
        let started = clock::ticks();
        let status = self.call(0);
        let ticks = clock::ticks() - started;
        if status != 0 {
            return Err(format!("a call answered {status}"));
        }
        Ok(ticks as f64 * clock::calibration().ns_per_tick)
    }

    fn wait_for_spares(&self) {
        loop {
            // SAFETY: as above; all-zero is a valid struct to be initialised.
            let ready = unsafe {
                let mut stats: Stats = std::mem::zeroed();
                (self.stats_init)(&mut stats, size_of::<Stats>());
                (self.stats)(self.slot, &mut stats);
                stats.spares_ready
            };
            if ready == SPARES {
                return;
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        // SAFETY: its own, and no block is begun.
        unsafe { (self.destroy)(self.slot) };
    }
}

pub fn all(library: &Library, artifacts: &str, profile: &str, only: &Only) -> Result<Vec<Row>, String> {
    let path = format!("{artifacts}/slot-{profile}.rtw");
    let guest = || {
        library.guest(&path, Options { plugin: profile == "plugin", statistics: false, denormals: KEEP, budget_ns: BUDGET_NS })
    };
    let mut rows = Vec::new();
    let case = format!("slot-call/{profile}");
    if only.wants(&case) {
        let direct = guest()?;
        let func = direct.func(FUNC)?;
        let invoke = |n: u64| {
            for _ in 0..n {
                let mut values = [Value { i32: 0 }];
                // SAFETY: a live func of this thread's instance, with one value.
                assert_eq!(unsafe { (library.invoke)(func, values.as_mut_ptr(), 1) }, 0);
            }
        };
        // Runtimes of one thread take turns in being attached to it; both stay so.
        let slot = Slot::new(library, guest()?, 0)?;
        let through = |n: u64| (0..n).for_each(|_| assert_eq!(slot.call(0), 0));
        rows.extend(interleaved(
            &case,
            BATCH,
            vec![
                Subject { name: "rtw_invoke", run: Box::new(invoke) },
                Subject { name: "rtw_slot_invoke", run: Box::new(through) },
            ],
        ));
    }
    let case = format!("slot-after-cut-off/{profile}");
    if only.wants(&case) {
        rows.extend(after_cut_off(&case, &Slot::new(library, guest()?, SPARES)?)?);
    }
    Ok(rows)
}

/// Ordinary calls, a cut-off, the call after it: in pairs of the one before and the one after.
fn after_cut_off(case: &str, slot: &Slot<'_>) -> Result<Vec<Row>, String> {
    let (mut ordinary, mut after) = (Vec::new(), Vec::new());
    for _ in 0..CUT_OFFS {
        slot.wait_for_spares();
        for _ in 0..ORDINARY {
            slot.time()?;
        }
        ordinary.push(slot.time()?);
        match slot.call(1) {
            RTW_ERR_BUDGET => after.push(slot.time()?),
            other => return Err(format!("a call without end answered {other}")),
        }
    }
    let more = median(ordinary.iter().zip(&after).map(|(ordinary, after)| after - ordinary).collect());
    println!("{case}: the call after a cut-off takes {more:.0} ns more than the one before it (median of {CUT_OFFS} pairs)");
    let ratio = median(ordinary.iter().zip(&after).map(|(ordinary, after)| after / ordinary).collect());
    Ok(vec![row(case, "ordinary", ordinary, 1.0), row(case, "after a cut-off", after, ratio)])
}

fn row(case: &str, subject: &'static str, mut times: Vec<f64>, ratio: f64) -> Row {
    times.sort_by(f64::total_cmp);
    let at = |quantile: f64| snapshot::quantile(&times, quantile);
    Row {
        case: case.to_owned(),
        subject,
        baseline: "ordinary",
        n: times.len() as u64,
        mean_ns: times.iter().sum::<f64>() / times.len() as f64,
        min_ns: at(0.0),
        p50_ns: at(0.5),
        p99_ns: at(0.99),
        p999_ns: at(0.999),
        max_ns: at(1.0),
        ratio,
        at_full_speed: false,
        ratio_slowed: None,
    }
}
