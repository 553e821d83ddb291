//! Has the library's sources take their atomics from the model checker, here and nowhere else in the workspace; and makes their
//! twins: copies of the same sources, each with one thing wrong.

use std::fmt::Write as _;
use std::path::Path;

/// A twin's name, its source below `src`, what stands there once, and what the twin has instead.
type Twin = (&'static str, &'static str, &'static str, &'static str);

const TWINS: &[Twin] = &[
    // A value can be popped before it can be seen; and overwritten while it is still being read.
    (
        "spsc_pushes_relaxed",
        "rt/spsc.rs",
        "ring.pushed.0.store(pushed.wrapping_add(1), Release)",
        "ring.pushed.0.store(pushed.wrapping_add(1), Relaxed)",
    ),
    (
        "spsc_pops_relaxed",
        "rt/spsc.rs",
        "ring.popped.0.store(popped.wrapping_add(1), Release)",
        "ring.popped.0.store(popped.wrapping_add(1), Relaxed)",
    ),
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
    // The two sides of a claim execute no fence.
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
    // The receiver goes to sleep without seeing what was posted before the doorbell rang.
    ("mailbox_sleeps_relaxed", "rt/mailbox.rs", "doorbell.swap(1, AcqRel)", "doorbell.swap(1, Relaxed)"),
    // The receiver looks whether anybody waits before its completion can be seen.
    (
        "mailbox_without_completion_fence",
        "rt/mailbox.rs",
        "        fence(SeqCst);\n        if self.waiting.load(SeqCst) != 0 {",
        "        if self.waiting.load(SeqCst) != 0 {",
    ),
    // The waiting thread sees that its request is over, and not the outcome.
    ("mailbox_over_relaxed", "rt/mailbox.rs", "place.waiter.swap(OVER, Release)", "place.waiter.swap(OVER, Relaxed)"),
    // The waiting thread does not say that it sleeps.
    (
        "mailbox_sleeps_unsaid",
        "rt/mailbox.rs",
        "if waiter.compare_exchange(AWAITED, ASLEEP, Acquire, Acquire).is_ok() {\n            while waiter.load(Acquire) == ASLEEP {\n                futex::while_equal(waiter, ASLEEP, None);",
        "{\n            while waiter.load(Acquire) == AWAITED {\n                futex::while_equal(waiter, AWAITED, None);",
    ),
    // Reads after the last look at the completions if more may come.
    ("mailbox_looks_late", "rt/mailbox.rs", "if !served {", "if !shared.served.load(SeqCst) {"),
    // The receiver takes a request without looking whether it was cancelled meanwhile.
    (
        "mailbox_without_exchange",
        "rt/mailbox.rs",
        "if place.state.compare_exchange(QUEUED, RUNNING, AcqRel, Relaxed).is_ok() {",
        "if place.state.load(Acquire) == QUEUED {",
    ),
    // A canceller does not keep others from posting.
    ("mailbox_without_lock", "rt/mailbox.rs", "        let _sending = shared.sending();\n", ""),
    // The receiver empties the queue, and does not refuse what comes later.
    ("mailbox_without_closing", "rt/mailbox.rs", "        self.shared.sending().open = false;\n", ""),
    // The budget of a call can be seen before the call before it is over.
    (
        "call_word_begins_relaxed",
        "rt/call_word.rs",
        "self.started.store(started, Release);\n        self.budget.store(budget, Release);",
        "self.started.store(started, Relaxed);\n        self.budget.store(budget, Relaxed);",
    ),
    // The watchdog does not look whether the call is still the same.
    ("call_word_reads_once", "rt/call_word.rs", "number != 0 && self.number() == number", "number != 0"),
    // The watchdog marks the call that runs, whichever it is.
    (
        "call_word_marks_any",
        "rt/call_word.rs",
        "let _ = self.current.compare_exchange(number, number | MARK, SeqCst, Relaxed);",
        "self.current.fetch_or(MARK, SeqCst);",
    ),
    // A call meets the mark, and asks for the verdict without having seen what came before the mark.
    ("call_word_without_fence", "rt/call_word.rs", "        fence(Acquire);\n", ""),
    // A call that opens its page does not ask again.
    (
        "call_word_opens_once",
        "rt/call_word.rs",
        "page.open();\n        self.current_has_expired()",
        "page.open();\n        false",
    ),
    // A counter is cleared and its carry counted, and readers do not notice that they have seen half of it.
    (
        "histogram_carries_unseen",
        "record/histogram.rs",
        "        self.version.change(|| {\n            counter.store(0, Relaxed);\n            word.store(carried, Relaxed);\n        });",
        "        counter.store(0, Relaxed);\n        word.store(carried, Relaxed);",
    ),
    // Readers do not look at the version.
    ("histogram_reads_at_once", "record/histogram.rs", "        self.version.look(|| {", "        Version::new().look(|| {"),
    // The reader looks at the value before it can be seen to look.
    (
        "rcu_without_fence",
        "rt/rcu.rs",
        "self.looking.store(looking + 1, Release);\n        fence(SeqCst);",
        "self.looking.store(looking + 1, Release);",
    ),
    // A look begins, and what the look before has read can still be to come.
    ("rcu_looks_relaxed", "rt/rcu.rs", "self.looking.store(looking + 1, Release)", "self.looking.store(looking + 1, Relaxed)"),
    // A record is taken, or returned, without what its last user did with it.
    ("free_list_takes_relaxed", "rt/free_list.rs", "swap(null_mut(), Acquire)", "swap(null_mut(), Relaxed)"),
    ("free_list_gives_back_relaxed", "rt/free_list.rs", ".cast_mut(), Release, Relaxed)", ".cast_mut(), Relaxed, Relaxed)"),
    // Takes the first record alone: another thread may have taken and returned it meanwhile, and others not.
    (
        "free_list_takes_first",
        "rt/free_list.rs",
        "        let all = self.first.swap(null_mut(), Acquire);\n",
        "        let all = self.first.load(Acquire);\n        let next = unsafe { all.as_ref() }?.next().load(Relaxed);\n        \
         if self.first.compare_exchange(all, next, AcqRel, Relaxed).is_ok() {\n            unsafe { &*all }.next().store(null_mut(), \
         Relaxed);\n            return unsafe { all.as_ref() };\n        }\n        let all = self.first.swap(null_mut(), Acquire);\n",
    ),
    // The rest of the list is not returned.
    ("free_list_forgets_the_rest", "rt/free_list.rs", "self.give_back_chain(rest, last_of(rest));", "let _ = rest;"),
    // A record that another thread returns at the same time is lost.
    (
        "free_list_gives_back_over",
        "rt/free_list.rs",
        "            match self.first.compare_exchange_weak(head, from_ref(first).cast_mut(), Release, Relaxed) {\n                Ok(_) => \
         return,\n                Err(now) => head = now,\n            }\n",
        "            self.first.store(from_ref(first).cast_mut(), Release);\n            return;\n",
    ),
    // The old value is dropped whether the reader looks at it or not.
    ("rcu_drops_at_once", "rt/rcu.rs", "has_reader && looking % 2 == 1", "has_reader && false"),
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
        // Comments may change; and a module in braces has no documentation of its own.
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        assert_eq!(code.matches(right).count(), 1, "{name}: \"{right}\" stands once in {path}");
        writeln!(twins, "pub mod {name} {{\n{}\n}}", code.replace(right, wrong)).unwrap();
    }
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(Path::new(&out).join("twins.rs"), twins).unwrap();
}
