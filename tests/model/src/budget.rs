//! State that calls and the watchdog share, `src/rt/call_word.rs`, and the watchdog's list, `src/rt/rcu.rs`.

use crate::{explore, finds};

#[path = "."]
mod call_word {
    use crate::call_word as subject;
    #[path = "call_word_models.rs"]
    mod models;
    pub use models::*;
}
models!(begins_relaxed: "call_word_models.rs", twins::call_word_begins_relaxed);
models!(reads_once: "call_word_models.rs", twins::call_word_reads_once);
models!(marks_any: "call_word_models.rs", twins::call_word_marks_any);
models!(without_fence: "call_word_models.rs", twins::call_word_without_fence);
models!(opens_once: "call_word_models.rs", twins::call_word_opens_once);

#[path = "."]
mod rcu {
    use crate::rcu as subject;
    #[path = "rcu_models.rs"]
    mod models;
    pub use models::*;
}
models!(looks_without_fence: "rcu_models.rs", twins::rcu_without_fence);
models!(looks_relaxed: "rcu_models.rs", twins::rcu_looks_relaxed);
models!(drops_at_once: "rcu_models.rs", twins::rcu_drops_at_once);

#[test]
fn the_watchdog_sees_the_words_of_one_call() {
    explore("words of one call", 3, call_word::words_belong_together);
    assert!(finds(3, begins_relaxed::words_belong_together), "twin: a budget of the next call");
    assert!(finds(3, reads_once::words_belong_together), "twin: the call is over, and another one there");
}

#[test]
fn a_verdict_ends_the_call_it_concerns_and_no_other() {
    explore("marks", 3, call_word::marks);
    explore("marks reach the call", 3, call_word::marks_reach_the_call);
    assert!(finds(3, marks_any::marks), "twin: the next call is ended");
    assert!(finds(3, without_fence::marks), "twin: the mark is seen, and the verdict not");
}

#[test]
fn a_closed_page_ends_the_call_it_was_closed_for() {
    explore("closed pages", 3, call_word::closed_pages);
    assert!(finds(3, opens_once::closed_pages), "twin: a verdict is undone");
}

#[test]
fn what_the_watchdog_looks_at_stays() {
    explore("replacements", 3, rcu::replacements);
    assert!(finds(3, looks_without_fence::replacements), "twin: each side misses the other");
    assert!(finds(3, looks_relaxed::replacements), "twin: the waiting thread takes the next look for the end of this one");
    assert!(finds(3, drops_at_once::replacements), "twin: it is dropped under the reader");
}
