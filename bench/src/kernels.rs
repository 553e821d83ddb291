//! The cost of making a guest interruptible: kernels of all kinds without that, with the guard, and with the engine's own two
//! means. And the cost of the same results on every machine.

use std::fmt::Write;

use rtwasm::sys::clock;

use super::cases::KEEP;
use super::library::{Guest, Handle, Invoke, Library, Options, Value};
use super::measure::{Only, Row, Subject, interleaved_rounds};

/// The sources are in guests/kernels.
const KERNELS: [&str; 10] =
    ["gain", "gain_simd", "biquad", "fir128", "fft1024", "matmul16", "pid64", "chase", "empty_loop", "recursion"];
const PROFILES: [&str; 2] = ["standalone", "plugin"];
/// As the compiler's --budget has it, and what a reader knows it as. The first is what the others are compared with, the last is that with
/// --deterministic.
const BUDGETS: [(&str, &str); 5] =
    [("off", "unguarded"), ("guard", "guard"), ("epoch", "epoch"), ("fuel", "fuel"), ("off-deterministic", "determ.")];

/// With which guarded calls run: each is announced to the watchdog, and none is cut off on a busy machine.
const BUDGET_NS: u64 = 1_000_000_000;

/// Of one batch: short, so that few are interrupted even on a busy machine; the clock's own time is still nothing beside it.
const BATCH_NS: f64 = 100_000.0;
const ROUNDS: usize = 999;
/// Calls timed one by one for the distribution.
const SINGLE_CALLS: usize = 10_000;
/// Instances of each subject, which take turns: where the heap puts an instance matters a little.
const INSTANCES: usize = 3;
/// Runs before checksums are compared.
const CHECKED_RUNS: u64 = 1000;

/// All kernels in all profiles that are wanted; each compared by its checksum before and after it is timed.
pub fn all(library: &Library, artifacts: &str, only: &Only) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for profile in PROFILES {
        for kernel in KERNELS {
            let case = format!("{kernel}/{profile}");
            if only.wants(&case) {
                rows.extend(one(library, artifacts, kernel, profile).map_err(|message| format!("{case}: {message}"))?);
            }
        }
    }
    Ok(rows)
}

fn one(library: &Library, artifacts: &str, kernel: &str, profile: &str) -> Result<Vec<Row>, String> {
    let mut contenders = Vec::new();
    for (budget, name) in BUDGETS {
        let path = format!("{artifacts}/kernels/{kernel}.{profile}.{budget}.rtw");
        let load = |_| Kernel::load(library, &path, budget, profile == "plugin");
        contenders.push((name, (0..INSTANCES).map(load).collect::<Result<Vec<_>, _>>()?));
    }
    same_results(&contenders)?;
    let batch = (BATCH_NS / contenders[0].1[0].run_ns()).ceil() as u64;
    let subjects = contenders.iter().map(|(name, instances)| Subject { name, run: taking_turns(instances) }).collect();
    let rows = interleaved_rounds(&format!("{kernel}/{profile}"), batch, ROUNDS, SINGLE_CALLS, subjects);
    same_results(&contenders)?;
    Ok(rows)
}

/// Another instance for every batch; single calls stay with one.
fn taking_turns<'a>(instances: &'a [Kernel<'_>]) -> Box<dyn FnMut(u64) + 'a> {
    let mut turn = 0;
    Box::new(move |n| {
        turn += usize::from(n > 1);
        instances[turn % INSTANCES].run(n);
    })
}

fn same_results(contenders: &[(&str, Vec<Kernel<'_>>)]) -> Result<(), String> {
    let expected = contenders[0].1[0].sum();
    for (name, instances) in contenders {
        for instance in instances {
            let found = instance.sum();
            if found != expected {
                return Err(format!("{name} works out {found:#x}, not {expected:#x} as without it"));
            }
        }
    }
    Ok(())
}

/// One instance, ready to run.
struct Kernel<'a> {
    _guest: Guest<'a>,
    invoke: Invoke,
    init: Handle,
    run: Handle,
    checksum: Handle,
}

impl<'a> Kernel<'a> {
    fn load(library: &'a Library, path: &str, budget: &str, plugin: bool) -> Result<Kernel<'a>, String> {
        let budget_ns = if budget == "guard" { BUDGET_NS } else { 0 };
        let guest = library.guest(path, Options { plugin, statistics: false, denormals: KEEP, budget_ns })?;
        let (init, run, checksum) = (guest.func(c"init")?, guest.func(c"run")?, guest.func(c"checksum")?);
        Ok(Kernel { _guest: guest, invoke: library.invoke, init, run, checksum })
    }

    fn call(&self, func: Handle) -> i32 {
        let mut values = [Value { i32: 0 }];
        // SAFETY: a live func of this thread's instance, without arguments and with one result at most, an i32.
        let (status, result) = unsafe { ((self.invoke)(func, values.as_mut_ptr(), 1), values[0].i32) };
        assert_eq!(status, 0);
        result
    }

    fn run(&self, n: u64) {
        for _ in 0..n {
            self.call(self.run);
        }
    }

    /// From the start, what a number of runs works out.
    fn sum(&self) -> i32 {
        self.call(self.init);
        self.run(CHECKED_RUNS);
        self.call(self.checksum)
    }

    /// About how long a run takes.
    fn run_ns(&self) -> f64 {
        let started = clock::ticks();
        self.run(CHECKED_RUNS);
        (clock::ticks() - started) as f64 * clock::calibration().ns_per_tick / CHECKED_RUNS as f64
    }
}

/// Tables of what each means costs against nothing, per profile, with geometric means: where the processor was at full speed, and
/// where somebody else had part of the core. Empty where nothing was measured.
pub fn costs(rows: &[Row]) -> String {
    let whole = rows.iter().all(|row| row.at_full_speed);
    let condition = if whole { "at full speed" } else { "at full speed, or all rounds where too few were" };
    let mut text = table(rows, condition, |row| Some(row.ratio));
    if rows.iter().any(|row| row.ratio_slowed.is_some()) {
        text += &table(rows, "slowed by others", |row| row.ratio_slowed);
    }
    text
}

fn table(rows: &[Row], condition: &str, figure: fn(&Row) -> Option<f64>) -> String {
    let mut text = String::new();
    for profile in PROFILES {
        let ratio = |kernel: &str, subject: &str| {
            let case = format!("{kernel}/{profile}");
            rows.iter().find(|row| row.case == case && row.subject == subject).and_then(figure)
        };
        let subjects: Vec<&str> = BUDGETS[1..].iter().map(|(_, name)| *name).collect();
        let kernels: Vec<&str> = KERNELS.into_iter().filter(|kernel| ratio(kernel, BUDGETS[0].1).is_some()).collect();
        if kernels.is_empty() {
            continue;
        }
        let heading: String = subjects.iter().map(|subject| format!("{subject:>11}")).collect();
        writeln!(text, "\n{profile:16}{heading}   {condition}").expect("a string takes it");
        let mut line = |name: &str, value: &dyn Fn(&str) -> Option<f64>| {
            let columns = subjects.iter().map(|subject| match value(subject) {
                Some(ratio) => format!("{:+9.1} %", (ratio - 1.0) * 100.0),
                None => format!("{:>11}", "-"),
            });
            writeln!(text, "{name:16}{}", columns.collect::<String>()).expect("a string takes it");
        };
        let ratios = |subject: &str| kernels.iter().filter_map(|kernel| ratio(kernel, subject)).collect::<Vec<f64>>();
        for kernel in &kernels {
            line(kernel, &|subject| ratio(kernel, subject));
        }
        line("geometric mean", &|subject| geometric_mean(&ratios(subject)));
        line("largest", &|subject| ratios(subject).into_iter().reduce(f64::max));
    }
    text
}

fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    let logs: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    (!ratios.is_empty()).then(|| (logs / ratios.len() as f64).exp())
}
