//! A model of the value that one reader looks at while others replace it.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::subject::Rcu;
use crate::Kept;

/// A value whose end is seen by loom: a reader that still looks at it has touched it at once with its end.
struct Value {
    number: u64,
    content: UnsafeCell<u64>,
}

impl Value {
    fn new(number: u64) -> Box<Value> {
        Box::new(Value { number, content: UnsafeCell::new(number) })
    }

    fn read(&self) -> u64 {
        // SAFETY: what the model is to show.
        self.content.with(|content| unsafe { *content })
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: as above.
            self.content.with_mut(|content| unsafe { *content = 0 });
        }
    }
}

/// The reader looks twice while the value is replaced twice: each look sees one value, whole and not yet dropped, and none older
/// than the look before.
pub fn replacements() {
    let rcu = Arc::new(Kept::new(Rcu::new(Value::new(1))));
    let reader = {
        let rcu = rcu.clone();
        thread::spawn(move || {
            // SAFETY: this is the one reader.
            let look = || unsafe { rcu.look(|value| (value.number, value.read())) };
            let seen = [look(), look()];
            assert!(seen.iter().all(|(number, content)| number == content));
            assert!(seen[0].0 <= seen[1].0, "an older value came after a newer one");
        })
    };
    for number in 2..=3 {
        // SAFETY: nobody else replaces it.
        unsafe { rcu.replace(Value::new(number), true, thread::yield_now) };
    }
    reader.join().unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { rcu.current() }.read(), 3);
}
