//! Models of the mailbox: senders, cancellers, the receiver, and the thread that closes it. A request's content stands for an
//! invocation's values; loom reports two threads that touch it at once, or one that has not seen what the other did.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;

use crate::Kept;

use super::subject::{Mailbox, NoOutcome, Receiver, Refused, Request, mailbox};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    None,
    Served,
    Cancelled,
}

struct Asked {
    content: UnsafeCell<(u64, Outcome)>,
}

impl Asked {
    fn change(&self, change: impl FnOnce(&mut (u64, Outcome))) {
        // SAFETY: what the model is to show.
        self.content.with_mut(|content| change(unsafe { &mut *content }));
    }

    fn read(&mut self) -> (u64, Outcome) {
        // SAFETY: as above.
        self.content.with(|content| unsafe { *content })
    }
}

impl Request for Asked {
    fn on_queued(&mut self) {
        self.change(|(_, outcome)| assert_eq!(*outcome, Outcome::None));
    }

    fn on_cancelled(&mut self) {
        self.change(|(_, outcome)| {
            assert_eq!(*outcome, Outcome::None, "it was served");
            *outcome = Outcome::Cancelled;
        });
    }

    fn on_cleared(&mut self) {
        self.change(|content| *content = (0, Outcome::None));
    }
}

fn receiver(capacity: usize) -> (Kept<Receiver<Asked>>, Kept<Mailbox<Asked>>) {
    let receiver = mailbox(capacity, || Asked { content: UnsafeCell::new((0, Outcome::None)) });
    receiver.open();
    let mailbox = receiver.mailbox();
    (Kept::new(receiver), Kept::new(mailbox))
}

fn serve(asked: &mut Asked) {
    asked.change(|(_, outcome)| {
        assert_eq!(*outcome, Outcome::None);
        *outcome = Outcome::Served;
    });
}

/// Posts a request under this tag, with the tag as its content.
fn post(mailbox: &Mailbox<Asked>, tag: u64) -> Result<(), Refused<()>> {
    mailbox.post(tag, false, |asked| fill(asked, tag)).map(|_| ())
}

fn fill(asked: &mut Asked, tag: u64) -> Result<(), ()> {
    asked.change(|content| *content = (tag, Outcome::None));
    Ok(())
}

/// Posts, waits, and takes the outcome, as an invocation that waits for its results.
fn invoke(mailbox: &Mailbox<Asked>, tag: u64) -> Result<Outcome, Refused<()>> {
    let posted = mailbox.post(tag, true, |asked| fill(asked, tag))?;
    let (seen, outcome) = mailbox.wait_for(posted, || false, Asked::read);
    assert_eq!(seen, tag, "it is the outcome of another request");
    Ok(outcome)
}

/// The receiver's thread, until `stop` is set and it was woken; then it is closed, as a worker's is when it stops.
fn run(mut receiver: Kept<Receiver<Asked>>, stop: &AtomicBool) {
    while !stop.load(Relaxed) {
        if !receiver.serve(serve) {
            receiver.sleep_while(|| !stop.load(Relaxed));
        }
    }
    receiver.close();
}

/// A thread posts and waits while the receiver goes to sleep and is then told to stop. Nobody sleeps over what the other did,
/// and the outcome is whole.
pub fn invocation() {
    let (receiver, mailbox) = receiver(1);
    let stop = Arc::new(AtomicBool::new(false));
    let worker = {
        let stop = stop.clone();
        thread::spawn(move || run(receiver, &stop))
    };
    assert_eq!(invoke(&mailbox, 7), Ok(Outcome::Served));
    stop.store(true, Relaxed);
    mailbox.wake_receiver();
    worker.join().unwrap();
    assert_eq!(invoke(&mailbox, 8), Err(Refused::Closed));
}

/// Two threads post and wait, with one place between them.
pub fn two_invocations() {
    let (mut receiver, mailbox) = receiver(1);
    let other = {
        let mailbox = Kept::new(mailbox.clone());
        thread::spawn(move || invoke(&mailbox, 1))
    };
    let worker = thread::spawn(move || {
        receiver.serve(serve);
        receiver.close();
    });
    let outcomes = [invoke(&mailbox, 2), other.join().unwrap()];
    worker.join().unwrap();
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(_) | Err(Refused::Full | Refused::Closed)), "{outcome:?}");
    }
}

/// A thread waits for completions while the receiver serves one request and is closed over another.
pub fn completions() {
    let (mut receiver, mailbox) = receiver(2);
    assert_eq!((post(&mailbox, 1), post(&mailbox, 2)), (Ok(()), Ok(())));
    let worker = thread::spawn(move || {
        assert!(receiver.serve(serve));
        receiver.close();
    });
    let take = || mailbox.wait(None, || 0, Asked::read);
    assert_eq!([take(), take()], [Ok((1, Outcome::Served)), Ok((2, Outcome::Cancelled))]);
    assert_eq!(take(), Err(NoOutcome::Closed));
    worker.join().unwrap();
}

/// A request that is cancelled while the receiver reaches for it is served or cancelled, and completes once either way.
pub fn cancellation() {
    let (mut receiver, mailbox) = receiver(1);
    assert_eq!(post(&mailbox, 7), Ok(()));
    let worker = thread::spawn(move || assert!(receiver.serve(serve)));
    let cancelled = mailbox.cancel(7);
    worker.join().unwrap();
    let outcome = if cancelled == 1 { Outcome::Cancelled } else { Outcome::Served };
    assert_eq!(mailbox.poll(Asked::read), Some((7, outcome)));
    assert_eq!(mailbox.poll(Asked::read), None);
}

/// The place of a request is used again, under another tag, while the first tag is cancelled: that concerns nobody else.
pub fn cancellation_beside_a_post() {
    let (mut receiver, mailbox) = receiver(1);
    assert_eq!(post(&mailbox, 1), Ok(()));
    assert!(receiver.serve(serve));
    assert_eq!(mailbox.poll(Asked::read), Some((1, Outcome::Served)));
    let canceller = {
        let mailbox = Kept::new(mailbox.clone());
        thread::spawn(move || mailbox.cancel(1))
    };
    assert_eq!(post(&mailbox, 2), Ok(()));
    assert_eq!(canceller.join().unwrap(), 0, "it is under another tag");
    assert!(receiver.serve(serve));
    assert_eq!(mailbox.poll(Asked::read), Some((2, Outcome::Served)));
}

/// A thread posts while the mailbox is closed: its request is refused, or completes.
pub fn closing() {
    let (mut receiver, mailbox) = receiver(1);
    let worker = thread::spawn(move || receiver.close());
    let posted = post(&mailbox, 7);
    worker.join().unwrap();
    match posted {
        Ok(()) => assert_eq!(mailbox.poll(Asked::read), Some((7, Outcome::Cancelled))),
        Err(refused) => assert_eq!(refused, Refused::Closed),
    }
    assert_eq!(mailbox.wait(None, || 0, Asked::read), Err(NoOutcome::Closed));
}
