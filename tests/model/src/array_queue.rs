//! Stands for the queue of `crossbeam-queue`, which has checks of its own: the mailbox's free places. Not an order of its own: a
//! mutex around a list.

use loom::sync::Mutex;
use std::collections::VecDeque;

pub struct ArrayQueue<T>(Mutex<VecDeque<T>>);

impl<T> ArrayQueue<T> {
    pub fn new(capacity: usize) -> ArrayQueue<T> {
        ArrayQueue(Mutex::new(VecDeque::with_capacity(capacity)))
    }

    pub fn push(&self, value: T) -> Result<(), T> {
        self.0.lock().unwrap().push_back(value);
        Ok(())
    }

    pub fn pop(&self) -> Option<T> {
        self.0.lock().unwrap().pop_front()
    }
}
