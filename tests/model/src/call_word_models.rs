//! Models of the call word: a caller whose calls come and go, and a watchdog that ends those over their budgets.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering::*};
use loom::thread;

use super::subject::{CallWord, LastEnded, Page};

/// A call's budget is over long before the watchdog looks.
const LATE: u64 = 1_000_000;

/// The page that polls load from. A change of its rights is a system call, and a full barrier on both sides.
struct Closable(AtomicBool);

impl Closable {
    fn set(&self, closed: bool) {
        self.0.swap(closed, AcqRel);
    }
}

impl Page for Closable {
    fn open(&self) {
        self.set(false);
    }

    fn close(&self) {
        self.set(true);
    }
}

/// The watchdog reads the call that runs while one ends and the next begins: what it sees belongs to one of them.
pub fn words_belong_together() {
    let word = Arc::new(CallWord::default());
    let caller = {
        let word = word.clone();
        thread::spawn(move || {
            word.begin(1, 10, 100);
            word.end();
            word.begin(2, 20, 200);
            word.end();
        })
    };
    if let Some(seen) = word.running() {
        assert!([(1, 10, 100), (2, 20, 200)].contains(&(seen.number, seen.started, seen.budget)), "a mixture: {seen:?}");
    }
    caller.join().unwrap();
    assert_eq!(word.running(), None);
}

/// The polls of the plugin profile: the watchdog looks while one call follows another. A call that is ended has itself been over
/// its budget, knows it, and is the only one; a call that goes on after it has expired meets the mark.
pub fn marks() {
    let word = Arc::new(CallWord::default());
    // Orders nothing: it has loom look for the orders in which the watchdog comes first.
    let has_looked = Arc::new(AtomicBool::new(false));
    let watchdog = {
        let (word, has_looked) = (word.clone(), has_looked.clone());
        thread::spawn(move || {
            // The first call has a budget, the second has none.
            word.look(&LastEnded::default(), || LATE, None::<&Closable>);
            has_looked.store(true, Relaxed);
        })
    };
    word.begin(1, 10, 100);
    if has_looked.load(Relaxed) && word.is_marked() {
        assert!(word.has_trapped(1), "who has met the mark sees the verdict");
    }
    word.end();
    word.begin(2, 20, u64::MAX);
    assert!(!word.is_marked() && !word.has_trapped(2), "the verdict concerned another call");
    watchdog.join().unwrap();
    assert!(!word.is_marked() && !word.has_trapped(2), "it concerned another call, and came late");
}

/// As above, with one call that goes on: whatever the watchdog saw, the call learns of it.
pub fn marks_reach_the_call() {
    let word = Arc::new(CallWord::default());
    let watchdog = {
        let word = word.clone();
        thread::spawn(move || word.look(&LastEnded::default(), || LATE, None::<&Closable>).is_some())
    };
    word.begin(1, 10, 100);
    let expired = watchdog.join().unwrap();
    assert_eq!(word.is_marked(), expired);
    assert_eq!(word.has_trapped(1), expired);
}

/// The polls of the standalone profile: the watchdog closes the page, the call opens it again if the verdict concerned the call
/// before. A call that has expired and goes on always meets a closed page, or has ended already.
pub fn closed_pages() {
    let shared = Arc::new((CallWord::default(), Closable(AtomicBool::new(false))));
    let watchdog = {
        let shared = shared.clone();
        thread::spawn(move || {
            let (word, page) = &*shared;
            let last = LastEnded::default();
            [(); 2].map(|()| word.look(&last, || LATE, Some(page)).is_some())
        })
    };
    let (word, page) = &*shared;
    let poll = || page.0.load(Relaxed) && word.ends_at_closed_page(page);
    word.begin(1, 10, 100);
    word.end();
    word.begin(2, 20, 100);
    let ends = poll();
    let verdicts = watchdog.join().unwrap();
    let ends = ends || poll();
    assert_eq!(ends, word.has_expired(2), "the call ends, if and only if it has expired");
    assert!(!verdicts[1] || ends || word.has_expired(1));
}
