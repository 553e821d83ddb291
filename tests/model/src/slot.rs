//! The exchange behind slots, `src/rt/exchange.rs`, and its twins.

use crate::sys::membarrier::At;
use crate::{explore, finds};

#[path = "."]
mod exchange {
    use crate::exchange as subject;
    #[path = "exchange_models.rs"]
    mod models;
    pub use models::*;
}
models!(takes_relaxed: "exchange_models.rs", twins::exchange_takes_relaxed);
models!(without_room: "exchange_models.rs", twins::exchange_without_room);
models!(gives_up_relaxed: "exchange_models.rs", twins::exchange_gives_up_relaxed);
models!(without_fence: "exchange_models.rs", twins::exchange_without_fence);
models!(without_barrier: "exchange_models.rs", twins::exchange_without_barrier);
models!(ends_relaxed: "exchange_models.rs", twins::exchange_ends_relaxed);
models!(begins_relaxed: "exchange_models.rs", twins::exchange_begins_relaxed);

#[test]
fn every_item_that_was_published_comes_back_once() {
    explore("publications", None, || exchange::publications(0));
    explore("publications, held for a block", None, || exchange::publications(1));
    explore("a crowded way back", None, exchange::crowded);
    assert!(finds(3, || takes_relaxed::publications(0)), "twin: what was written before the offer is not seen");
    assert!(finds(None, without_room::crowded), "twin: an item gets lost where there is no room for it");
}

#[test]
fn a_broken_item_is_renewed_and_comes_again() {
    explore("renewal", None, exchange::renewal);
}

#[test]
fn spares_of_a_publication_that_was_given_up_are_taken_away() {
    explore("given up", None, exchange::given_up);
    assert!(finds(None, gives_up_relaxed::given_up), "twin: two threads at the end of one ring");
}

#[test]
fn a_claimant_and_a_block_never_have_the_item_both() {
    explore("claim with fences", None, exchange::claim_with_fences);
    assert!(finds(3, without_fence::claim_with_fences), "twin: each side misses the other's word");
    assert!(finds(3, ends_relaxed::claim_with_fences), "twin: the claimant does not see what the block did");
    assert!(finds(3, begins_relaxed::claim_with_fences), "twin: the block does not see what the claimant did");
    for block in 0..2 {
        for at in [At::Before, At::Between, At::Within] {
            explore(&format!("claim with the barrier {at:?} in block {block}"), None, move || {
                exchange::claim_with_barrier(Some((block, at)));
            });
        }
    }
    assert!(finds(3, || without_barrier::claim_with_barrier(None)), "twin: without the barrier, as without the fences");
}

#[test]
fn one_claimant_at_a_time_has_the_item() {
    explore("two claims", None, exchange::two_claims);
}
