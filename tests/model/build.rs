//! Has the library's sources take their atomics from the model checker, here and nowhere else in the workspace; and makes their
//! twins: copies of the same sources, each with one thing wrong.

use std::fmt::Write as _;
use std::path::Path;

/// A twin's name, its source below `src`, what stands there once, and what the twin has instead.
type Twin = (&'static str, &'static str, &'static str, &'static str);

const TWINS: &[Twin] = &[
    // The pointer is taken without what was written before it was offered.
    ("exchange_takes_relaxed", "rt/exchange.rs", "swap(std::ptr::null_mut(), AcqRel)", "swap(std::ptr::null_mut(), Relaxed)"),
    // An item is taken although there is no room for the two that it replaces.
    ("exchange_without_room", "rt/exchange.rs", "room() < 2", "room() < 1"),
    // The item's own thread is through with the publication before its last use of the spares' ring is seen.
    (
        "exchange_gives_up_relaxed",
        "rt/exchange.rs",
        "in_use.store(new.spares().number, Release)",
        "in_use.store(new.spares().number, Relaxed)",
    ),
    // Neither side of a claim has a fence.
    ("exchange_without_fence", "rt/exchange.rs", "true => fence(SeqCst),", "true => {}"),
    // The claimant does not call the system's barrier.
    ("exchange_without_barrier", "rt/exchange.rs", "!membarrier::all_threads()", "false"),
    // A block ends, and a claimant does not see all that was done in it.
    (
        "exchange_ends_relaxed",
        "rt/exchange.rs",
        "        });\n        self.in_block.store(BLOCK_NONE, Release);",
        "        });\n        self.in_block.store(BLOCK_NONE, Relaxed);",
    ),
    // A block begins after a claim, and does not see all that the claimant did.
    ("exchange_begins_relaxed", "rt/exchange.rs", "self.claimed.load(Acquire)", "self.claimed.load(Relaxed)"),
];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=build.rs");
    let mut twins = String::new();
    for (name, source, right, wrong) in TWINS {
        let path = format!("../../src/{source}");
        println!("cargo::rerun-if-changed={path}");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(text.matches(right).count(), 1, "{name}: \"{right}\" stands once in {path}");
        // A module in braces has no documentation of its own.
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("//!")).collect();
        writeln!(twins, "pub mod {name} {{\n{}\n}}", lines.join("\n").replace(right, wrong)).unwrap();
    }
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(Path::new(&out).join("twins.rs"), twins).unwrap();
}
