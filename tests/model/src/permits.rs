//! The unused permits' list, `src/rt/free_list.rs`, and its twins.

use crate::{explore, finds};

models!(list: "free_list_models.rs", free_list);
models!(takes_relaxed: "free_list_models.rs", twins::free_list_takes_relaxed);
models!(gives_back_relaxed: "free_list_models.rs", twins::free_list_gives_back_relaxed);
models!(takes_first: "free_list_models.rs", twins::free_list_takes_first);
models!(forgets_the_rest: "free_list_models.rs", twins::free_list_forgets_the_rest);
models!(gives_back_over: "free_list_models.rs", twins::free_list_gives_back_over);

#[test]
fn an_unused_record_is_taken_by_one_thread_at_a_time() {
    for records in 0..3 {
        explore(&format!("visits with {records} records"), 3, move || list::visits(records));
    }
    assert!(finds(3, || takes_relaxed::visits(1)), "twin: what the last user did is not seen");
    assert!(finds(3, || gives_back_relaxed::visits(1)), "twin: what this user did will not be seen");
    assert!(finds(3, || takes_first::visits(2)), "twin: the first record alone is taken, and the list has changed meanwhile");
    assert!(finds(3, || forgets_the_rest::visits(2)), "twin: the rest of the list is lost");
    assert!(finds(3, || gives_back_over::visits(0)), "twin: what another thread gave back meanwhile is lost");
}
