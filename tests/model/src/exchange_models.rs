//! Models of the exchange: what its owner, its publishers, its real-time thread and its claimants do. An item's content stands
//! for what a guest's calls touch; loom reports two threads that touch it at once, or one that has not seen what the other did.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;

use super::subject::{Exchange, Refused, Replaceable, Retired, Spares};
use crate::sys::membarrier::{self, At};

struct Item {
    content: UnsafeCell<u32>,
    is_broken: AtomicBool,
    spares: Arc<Spares<Item>>,
}

impl Replaceable for Item {
    fn is_broken(&self) -> bool {
        self.is_broken.load(Relaxed)
    }

    fn spares(&self) -> &Spares<Item> {
        &self.spares
    }

    fn mark_taken(&self) {}
}

impl Item {
    fn new(spares: &Arc<Spares<Item>>) -> Arc<Item> {
        let item = Item { content: UnsafeCell::new(0), is_broken: AtomicBool::new(false), spares: spares.clone() };
        item.touch();
        Arc::new(item)
    }

    /// Makes it, runs it, saves its state or destroys it.
    fn touch(&self) {
        // SAFETY: what the model is to show.
        self.content.with_mut(|content| unsafe { *content += 1 });
    }
}

fn spares(number: u64) -> Arc<Spares<Item>> {
    Arc::new(Spares::new(number, 2))
}

fn exchange(hold_blocks: u32, must_fence: bool) -> (Arc<Exchange<Item>>, Retired<Item>) {
    let (exchange, retired) = Exchange::new(hold_blocks, must_fence);
    (Arc::new(exchange), retired)
}

/// A block of the real-time thread: runs the guest, which fails if `breaks` says so. The publication that it ran.
fn block(exchange: &Exchange<Item>, breaks: bool) -> Result<u64, Refused> {
    // SAFETY: the models have one thread that begins and ends blocks.
    let begun = unsafe { exchange.begin() }?;
    begun.active.touch();
    if let Some(held) = begun.held {
        held.touch();
    }
    if breaks {
        begun.active.is_broken.store(true, Relaxed);
    }
    let number = begun.active.spares.number;
    // SAFETY: as above.
    unsafe { exchange.end() };
    Ok(number)
}

/// Destroys an item: from now on nobody else may have it.
fn destroy(gone: &mut Vec<*const Item>, items: &[Arc<Item>], pointer: *const Item) {
    let item = items.iter().find(|item| Arc::as_ptr(item) == pointer).expect("it is one of ours");
    assert!(!gone.contains(&pointer), "it came back twice");
    item.touch();
    gone.push(pointer);
}

/// Publishes three times while blocks run, and destroys what comes back. Every item comes back once or is in use, and the
/// real-time thread never returns to an older publication.
pub fn publications(hold_blocks: u32) {
    let (exchange, mut retired) = exchange(hold_blocks, false);
    let real_time = {
        let exchange = exchange.clone();
        thread::spawn(move || {
            let ran: Vec<u64> = (0..3).filter_map(|_| block(&exchange, false).ok()).collect();
            assert!(ran.is_sorted(), "an older publication came after a newer one: {ran:?}");
        })
    };
    let mut gone = Vec::new();
    let mut items = Vec::new();
    for number in 1..=3 {
        let item = Item::new(&spares(number));
        items.push(item.clone());
        let superseded = exchange.offer(Arc::as_ptr(&item));
        if !superseded.is_null() {
            destroy(&mut gone, &items, superseded);
        }
        if let Some(pointer) = retired.pop() {
            destroy(&mut gone, &items, pointer);
        }
    }
    real_time.join().unwrap();
    // The blocks after that leave the last one in use, and nothing held.
    for _ in 0..4 {
        while let Some(pointer) = retired.pop() {
            destroy(&mut gone, &items, pointer);
        }
        assert_eq!(block(&exchange, false), Ok(3));
    }
    assert_eq!(gone.len(), 2, "all but the last came back");
}

/// The way back is nearly full when an item is taken that replaces a broken one and the one that is held: nothing gets lost.
pub fn crowded() {
    let (exchange, mut retired) = exchange(2, false);
    let items: Vec<Arc<Item>> = (1..=6).map(|number| Item::new(&spares(number))).collect();
    for item in &items[..5] {
        assert!(exchange.offer(Arc::as_ptr(item)).is_null());
        let is_last = Arc::ptr_eq(item, &items[4]);
        assert_eq!(block(&exchange, is_last), Ok(item.spares.number));
    }
    assert!(exchange.offer(Arc::as_ptr(&items[5])).is_null());
    let real_time = {
        let exchange = exchange.clone();
        thread::spawn(move || assert!(matches!(block(&exchange, false), Ok(6) | Err(Refused::Broken))))
    };
    let mut gone = Vec::new();
    if let Some(pointer) = retired.pop() {
        destroy(&mut gone, &items, pointer);
    }
    real_time.join().unwrap();
    for _ in 0..3 {
        while let Some(pointer) = retired.pop() {
            destroy(&mut gone, &items, pointer);
        }
        assert_eq!(block(&exchange, false), Ok(6));
    }
    while let Some(pointer) = retired.pop() {
        destroy(&mut gone, &items, pointer);
    }
    assert_eq!(gone.len(), 5, "all but the last came back");
}

/// An instance breaks in each of its blocks; the owner renews what comes back and offers it as a spare. Nothing is lost.
pub fn renewal() {
    let (exchange, mut retired) = exchange(0, false);
    let spares = spares(1);
    let items = [Item::new(&spares), Item::new(&spares)];
    exchange.offer(Arc::as_ptr(&items[0]));
    let real_time = {
        let exchange = exchange.clone();
        thread::spawn(move || (0..3).filter(|_| block(&exchange, true).is_ok()).count())
    };
    assert!(spares.offer(Arc::as_ptr(&items[1])));
    let mut renewed = 0;
    let mut renew = |pointer: *const Item| {
        let item = items.iter().find(|item| Arc::as_ptr(item) == pointer).expect("it is one of ours");
        item.touch();
        item.is_broken.store(false, Relaxed);
        assert!(spares.offer(pointer), "there is room for all of them");
        renewed += 1;
    };
    (0..2).filter_map(|_| retired.pop()).for_each(&mut renew);
    let ran = real_time.join().unwrap();
    while let Some(pointer) = retired.pop() {
        renew(pointer);
    }
    assert!(ran >= 1, "the first block runs what was published");
    assert_eq!(renewed, ran - 1, "each block but the first began with a spare, and sent a broken one back");
    assert_eq!(spares.ready(), 1, "one is in use, the other stands by");
}

/// The real-time thread goes from one publication to the next; its owner then takes the spares of the first away, through the
/// end of the ring that was the real-time thread's.
pub fn given_up() {
    let (exchange, mut retired) = exchange(0, false);
    let first = spares(1);
    let items = [Item::new(&first), Item::new(&first), Item::new(&first), Item::new(&spares(2))];
    let pointer = |index: usize| Arc::as_ptr(&items[index]);
    exchange.offer(pointer(0));
    assert!(first.offer(pointer(1)) && first.offer(pointer(2)));
    assert_eq!(block(&exchange, true), Ok(1));
    let real_time = {
        let exchange = exchange.clone();
        thread::spawn(move || (0..2).for_each(|_| assert!(block(&exchange, false).is_ok(), "there are two spares")))
    };
    exchange.offer(pointer(3));
    let mut gone = Vec::new();
    let drain = |gone: &mut Vec<*const Item>| {
        let is_through = exchange.is_through_with(1);
        // SAFETY: the real-time thread is through with it.
        while let Some(spare) = is_through.then(|| unsafe { first.take() }).flatten() {
            destroy(gone, &items, spare);
        }
    };
    drain(&mut gone);
    real_time.join().unwrap();
    for _ in 0..2 {
        while let Some(pointer) = retired.pop() {
            destroy(&mut gone, &items, pointer);
        }
        assert_eq!(block(&exchange, false), Ok(2));
    }
    drain(&mut gone);
    while let Some(pointer) = retired.pop() {
        destroy(&mut gone, &items, pointer);
    }
    assert_eq!(gone.len(), 3, "all of the first publication");
}

/// A claimant saves the state of the item in use while blocks begin and end. With fences on both sides, as without membarrier.
pub fn claim_with_fences() {
    claim(true, None);
}

/// A claim with membarrier, whose fence falls here into the real-time thread's program.
pub fn claim_with_barrier(falls: Option<(usize, At)>) {
    claim(false, falls);
}

fn claim(must_fence: bool, falls: Option<(usize, At)>) {
    let (exchange, _retired) = exchange(0, must_fence);
    let item = Item::new(&spares(1));
    exchange.offer(Arc::as_ptr(&item));
    membarrier::falls(None);
    assert_eq!(block(&exchange, false), Ok(1));
    membarrier::falls(falls);
    let real_time = {
        let exchange = exchange.clone();
        thread::spawn(move || {
            for number in 0..2 {
                membarrier::passes(number, At::Before);
                // SAFETY: this is the one thread that does.
                let begun = unsafe { exchange.begin() };
                if let Ok(begun) = &begun {
                    begun.active.touch();
                }
                membarrier::passes(number, At::Within);
                match begun {
                    // SAFETY: as above.
                    Ok(_) => unsafe { exchange.end() },
                    Err(refused) => assert_eq!(refused, Refused::Claimed),
                }
            }
        })
    };
    if let Some(claim) = exchange.try_claim().unwrap() {
        claim.active().expect("it has been taken").touch();
    }
    real_time.join().unwrap();
    membarrier::falls(None);
    assert_eq!(block(&exchange, false), Ok(1), "the claim is over");
}

/// Two claimants: one at a time has the item.
pub fn two_claims() {
    let (exchange, _retired) = exchange(0, true);
    let item = Item::new(&spares(1));
    exchange.offer(Arc::as_ptr(&item));
    assert_eq!(block(&exchange, false), Ok(1));
    let claim = |exchange: &Exchange<Item>| {
        exchange.try_claim().unwrap().map(|claim| claim.active().expect("it has been taken").touch()).is_some()
    };
    let other = {
        let exchange = exchange.clone();
        thread::spawn(move || claim(&exchange))
    };
    let ours = claim(&exchange);
    assert!(other.join().unwrap() || ours, "one of them has it");
}
