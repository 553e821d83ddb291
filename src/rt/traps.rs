//! What a thread needs so that guests' faults become traps in the standalone profile: that it does not block the signals that they
//! come as, since the kernel ends a process that causes a blocked one, and an alternate signal stack with room for the handler.
//!
//! An attached thread has both for as long as it is attached, other threads while a [`Ready`] lives. What was there before is
//! put back afterwards. The plugin profile needs none of it, and leaves all of it alone.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::status::*;
use crate::sys::sigmask::{self, Set};
use crate::sys::sigstack::{self, InForce, Stack};
use crate::sys::{handlers, memory};

/// What a thread has of this.
#[derive(Default)]
struct Thread {
    /// Attachments that need it.
    users: usize,
    /// What was blocked before, to be blocked again when they have ended.
    blocked: Set,
    /// The alternate signal stack that was in force before the first of them.
    host_stack: Option<InForce>,
    /// The one that they get: made once, kept until the thread ends.
    stack: Option<Stack>,
}

thread_local! {
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread { users: 0, blocked: 0, host_stack: None, stack: None }) };
}

/// Runs the engine's set-up of the calling thread, which may put an alternate signal stack in force, and keeps the one there is.
pub fn keeping_stack(engine_init: impl FnOnce()) -> Result<()> {
    let before = sigstack::in_force();
    // The engine has no other way to say that the system refuses it a stack of its own.
    let ready = catch_unwind(AssertUnwindSafe(engine_init));
    if sigstack::in_force().start() != before.start() {
        before.put_back();
    }
    ready.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map_or("", String::as_str);
        Error::new(RTW_ERR_NO_MEMORY, format!("the engine cannot make the thread's alternate signal stack: {text}"))
    })
}

/// Has guests' faults arrive on the calling thread until [`detach`] is called as often as this. Tells where the alternate stack
/// is, for being locked; it is present.
pub fn attach() -> Result<std::ops::Range<usize>> {
    THREAD.with_borrow_mut(|thread| {
        let range = thread.put_stack()?;
        // SAFETY: mapped writable, and no signal runs on it now.
        unsafe { memory::touch_for_writing(range.clone()) };
        thread.unblock();
        thread.users += 1;
        Ok(range)
    })
}

/// Puts back what the first [`attach`] found, and what others did that it undid, when this is the last.
pub fn detach() {
    THREAD.with_borrow_mut(|thread| {
        thread.users -= 1;
        if thread.users != 0 {
            return;
        }
        if let (Some(host), Some(ours)) = (thread.host_stack.take(), &thread.stack)
            // Somebody's own choice since then stays.
            && ours.is(&sigstack::in_force())
        {
            host.put_back();
        }
        sigmask::block(std::mem::take(&mut thread.blocked));
    });
}

impl Thread {
    /// Puts our alternate stack in force.
    fn put_stack(&mut self) -> Result<std::ops::Range<usize>> {
        let found = sigstack::in_force();
        let ours = match self.stack.take() {
            Some(stack) => stack,
            None => Stack::new()?,
        };
        if !ours.is(&found) {
            ours.put();
            self.host_stack = Some(found);
        }
        Ok(self.stack.insert(ours).range())
    }

    fn unblock(&mut self) {
        self.blocked |= sigmask::unblock(sigmask::ALL);
    }
}

/// Whether a guest's fault would become a trap on this thread now. Five system calls, nothing else.
pub fn arrive_here() -> bool {
    handlers::are_in_place() && sigmask::blocked() == 0 && sigstack::in_force().has_room()
}

/// While it lives, faults of guests become traps on this thread.
pub struct Ready {
    blocked: Set,
    host_stack: Option<InForce>,
    /// It is about one thread.
    _here: PhantomData<*const ()>,
}

impl Ready {
    /// For a [setup] function that runs guests in the standalone profile. On an attached thread, what the host has blocked since
    /// then is unblocked as attach does it. `engine_init` sets up the engine's per-thread state.
    pub fn new(engine_init: impl FnOnce()) -> Result<Ready> {
        handlers::check()?;
        keeping_stack(engine_init)?;
        THREAD.with_borrow_mut(|thread| {
            let mut ready = Ready { blocked: 0, host_stack: None, _here: PhantomData };
            let found = sigstack::in_force();
            if !found.has_room() {
                if thread.users != 0 {
                    return Err(Error::new(
                        RTW_ERR_SIGNALS,
                        format!(
                            "the alternate signal stack of this thread was replaced by one of {} bytes after the thread was \
                             attached; a guest's trap needs {}: make it larger (sigaltstack), or detach and attach again",
                            found.bytes(),
                            sigstack::needed_bytes()
                        ),
                    ));
                }
                thread.put_stack()?;
                ready.host_stack = thread.host_stack.take();
            }
            match thread.users {
                0 => ready.blocked = sigmask::unblock(sigmask::ALL),
                _ => thread.unblock(),
            }
            Ok(ready)
        })
    }

    /// The same where faults do not come as signals.
    pub fn needless(engine_init: impl FnOnce()) -> Result<Ready> {
        keeping_stack(engine_init)?;
        Ok(Ready { blocked: 0, host_stack: None, _here: PhantomData })
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let Some(stack) = &self.host_stack {
            stack.put_back();
        }
        if self.blocked != 0 {
            sigmask::block(self.blocked);
        }
    }
}
