//! Generates modules, compiles each with the budget guard and without it for both profiles, and compares what they do, bit for
//! bit: results, how calls end and at which instruction, memories, globals, the functions in tables. Half of the modules come
//! from wasm-smith, half from this program: loops, calls and long operations, which the guard rewrites. Then the program
//! plants defects into the guard, and has to find them.
//!
//!   PROPERTY_MODULES   how many modules, 5000 otherwise
//!   PROPERTY_SEED      1 otherwise; a failure tells seed and number of the module
//!   PROPERTY_ONLY      the number of a single module, whose bytes are written to the file PROPERTY_OUT, if that is given

mod ours;
mod random;
mod run;
mod smith;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

use random::Random;
use rtwasm::rt::global_alloc::Allocator;
use rtwasm_compiler::planted::{self, Defect};
use smith::Smith;

/// The library's own: in the plugin profile it notes the instruction at which a call ends.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The number of modules in which a planted defect may go unnoticed.
const FOUND_WITHIN: u64 = 1000;

fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}: a number is wanted")),
        _ => otherwise,
    }
}

/// Module `nth`; None where the generator had no use for the numbers it got.
fn generate(smith: &mut Smith, seed: u64, nth: u64) -> Option<Vec<u8>> {
    if nth.is_multiple_of(2) { smith.module(seed, nth) } else { Some(ours::module(&mut Random::new(seed, nth))) }
}

/// The results of a run over many modules.
#[derive(Default)]
struct Found {
    modules: AtomicUsize,
    refused: AtomicUsize,
    calls: AtomicUsize,
    traps: AtomicUsize,
    differences: Mutex<Vec<String>>,
}

/// Compares modules from `range`, on as many threads as there are processors, until `enough` differences are found.
fn compare(seed: u64, range: std::ops::Range<u64>, defect: Option<Defect>, sections: bool, enough: usize) -> Found {
    let (found, next) = (Found::default(), AtomicU64::new(range.start));
    planted::plant(defect);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let (runtimes, mut smith) = (run::Runtimes::new(sections), Smith::start());
        loop {
            let nth = next.fetch_add(1, Relaxed);
            if nth >= range.end || found.differences.lock().unwrap().len() >= enough {
                return;
            }
            let Some(module) = generate(&mut smith, seed, nth) else { continue };
            let outcome = runtimes.compare(&module, Random::new(seed, nth), nth % 8 == 1);
            found.modules.fetch_add(1, Relaxed);
            found.refused.fetch_add(usize::from(outcome.refused), Relaxed);
            found.calls.fetch_add(outcome.calls, Relaxed);
            found.traps.fetch_add(outcome.traps, Relaxed);
            if let Some(difference) = outcome.difference {
                found.differences.lock().unwrap().push(format!(
                    "module {nth} of seed {seed}: {difference}\n        alone: make property SEED={seed} ONLY={nth} OUT=FILE"
                ));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    found
}

fn main() {
    let (wanted, seed) = (number("PROPERTY_MODULES", 5000), number("PROPERTY_SEED", 1));
    let (mut passed, mut failed) = (0, 0);
    let mut check = |holds: bool, what: String| {
        println!("{} {what}", if holds { "ok" } else { "FAIL" });
        *(if holds { &mut passed } else { &mut failed }) += 1;
    };
    println!("seed {seed} (PROPERTY_SEED), {wanted} modules (PROPERTY_MODULES)");
    let given = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let only = given("PROPERTY_ONLY").map(|_| number("PROPERTY_ONLY", 0));
    if let (Some(nth), Some(path)) = (only, given("PROPERTY_OUT")) {
        let module = generate(&mut Smith::start(), seed, nth).unwrap_or_default();
        std::fs::write(path, module).expect("PROPERTY_OUT can be written");
    }
    let range = only.map_or(0..wanted, |nth| nth..nth + 1);
    let started = std::time::Instant::now();
    let found = compare(seed, range, None, true, 5);
    let count = |number: &AtomicUsize| number.load(Relaxed);
    let differences = found.differences.into_inner().unwrap();
    for difference in &differences {
        println!("    {difference}");
    }
    let (modules, refused, calls, traps) =
        (count(&found.modules), count(&found.refused), count(&found.calls), count(&found.traps));
    let seconds = started.elapsed().as_secs_f64();
    println!("    {modules} modules in {seconds:.0} s ({refused} refused by all), {calls} calls, {traps} of them ended early");
    check(differences.is_empty(), format!("guarded or not, standalone or plugin: {modules} modules do the same"));
    if only.is_none() {
        check(
            traps > 0 && calls > traps && refused * 2 < modules,
            "and most of them run: some calls end well, some do not".into(),
        );
        for (defect, what) in [
            (Defect::CopiesUpwards, "a long copy that always goes upwards"),
            (Defect::LeavesTooFar, "a branch out of an unrolled loop that leads one block too far in"),
        ] {
            let found = compare(seed, 0..FOUND_WITHIN, Some(defect), true, 1);
            let differences = found.differences.into_inner().unwrap();
            check(!differences.is_empty(), format!("planted: {what} is found ({} modules)", found.modules.load(Relaxed)));
        }
        let found = compare(seed, 0..FOUND_WITHIN, None, false, 1);
        let differences = found.differences.into_inner().unwrap();
        check(
            differences.iter().any(|difference| difference.contains("standalone and plugin")),
            "planted: a place that one profile does not note is found".into(),
        );
    }
    println!("{passed} passed, {failed} failed");
    std::process::exit(i32::from(failed != 0));
}
