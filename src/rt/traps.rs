//! Prepares a thread so that guests' faults become traps in the standalone profile. The thread must not block the signals of
//! faults, since the kernel ends a process that causes a blocked one; and it needs an alternate signal stack with room for the
//! handler.
//!
//! An attached thread has both while it is attached, other threads while a [`Ready`] lives. Afterwards the previous state is
//! restored. The plugin profile needs none of this, and changes none of it.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::status::*;
use crate::sys::sigmask::{self, Set};
use crate::sys::sigstack::{self, InForce, Stack};
use crate::sys::{handlers, memory};

/// A thread's state for guests' faults.
#[derive(Default)]
struct Thread {
    /// The number of attachments that need it.
    users: usize,
    /// The signals that were blocked before, which are blocked again when the attachments have ended.
    blocked: Set,
    /// The alternate signal stack before the first attachment.
    host_stack: Option<InForce>,
    /// The attachments' own stack: created once, kept until the thread ends.
    stack: Option<Stack>,
}

thread_local! {
    /// True if the engine's part of this thread's set-up is done, which is done once.
    static ENGINE_IS_SET_UP: Cell<bool> = const { Cell::new(false) };
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread { users: 0, blocked: 0, host_stack: None, stack: None }) };
}

/// Runs the engine's set-up of the calling thread, and restores the alternate signal stack that it finds. The library's own is in force
/// meanwhile: without one of this size the engine would make another.
pub fn keeping_stack(engine_init: impl FnOnce()) -> Result<()> {
    if ENGINE_IS_SET_UP.get() {
        return Ok(());
    }
    let before = sigstack::in_force();
    let was_ours = THREAD.with_borrow_mut(|thread| {
        let host_stack = thread.host_stack;
        let was_ours = thread.stack.as_ref().is_some_and(|stack| stack.is(&before));
        thread.put_stack(before)?;
        thread.host_stack = host_stack;
        Ok(was_ours)
    })?;
    // The engine panics if the system refuses it a stack of its own.
    let ready = catch_unwind(AssertUnwindSafe(engine_init));
    if !was_ours {
        before.put_back();
    }
    ENGINE_IS_SET_UP.set(ready.is_ok());
    ready.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map_or("", String::as_str);
        Error::new(RTW_ERR_NO_MEMORY, format!("the engine cannot make the thread's alternate signal stack: {text}"))
    })
}

/// Makes guests' faults arrive on the calling thread until [`detach`] is called as often as this. Returns the part of the alternate
/// stack that a trap uses, for locking; it is prefaulted: twice what the kernel's record of the registers and the handlers of a trap need.
pub fn attach() -> Result<std::ops::Range<usize>> {
    THREAD.with_borrow_mut(|thread| {
        let range = thread.put_stack(sigstack::in_force())?;
        let used = range.end - range.len().min(2 * sigstack::needed_bytes())..range.end;
        // SAFETY: mapped writable, and no signal runs on it now.
        unsafe { memory::touch_for_writing(used.clone()) };
        thread.unblock();
        thread.users += 1;
        Ok(used)
    })
}

/// When the last attachment ends, restores what the first [`attach`] found, and what others had changed that attach undid.
pub fn detach() {
    THREAD.with_borrow_mut(|thread| {
        thread.users -= 1;
        if thread.users != 0 {
            return;
        }
        if let (Some(host), Some(ours)) = (thread.host_stack.take(), &thread.stack)
            // A stack that the host has set since then stays.
            && ours.is(&sigstack::in_force())
        {
            host.put_back();
        }
        sigmask::block(std::mem::take(&mut thread.blocked));
    });
}

impl Thread {
    /// Sets the library's alternate stack in place of the one that was found.
    fn put_stack(&mut self, found: InForce) -> Result<std::ops::Range<usize>> {
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

/// True if a guest's fault would become a trap on this thread now. Makes five system calls and nothing else.
pub fn arrive_here() -> bool {
    handlers::are_in_place() && sigmask::blocked() == 0 && sigstack::in_force().has_room()
}

/// While this value lives, guests' faults become traps on this thread.
pub struct Ready {
    blocked: Set,
    host_stack: Option<InForce>,
    /// Belongs to one thread.
    _here: PhantomData<*const ()>,
}

impl Ready {
    /// Prepares a thread for a [setup] function that runs guests in the standalone profile. On an attached thread, signals that
    /// the host has blocked since attach are unblocked again. `engine_init` sets up the engine's per-thread state.
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
                thread.put_stack(found)?;
                ready.host_stack = thread.host_stack.take();
            }
            ready.unblock(thread);
            Ok(ready)
        })
    }

    /// As `new`, on a thread on which a fault has just arrived as a signal: handlers and stack were in their places, so only the mask is
    /// looked at, which hosts change more often. One system call instead of five.
    pub fn again(engine_init: impl FnOnce()) -> Result<Ready> {
        let mut ready = Ready::needless(engine_init)?;
        THREAD.with_borrow_mut(|thread| ready.unblock(thread));
        Ok(ready)
    }

    fn unblock(&mut self, thread: &mut Thread) {
        match thread.users {
            0 => self.blocked = sigmask::unblock(sigmask::ALL),
            _ => thread.unblock(),
        }
    }

    /// Prepares a thread for a [setup] function if faults do not arrive as signals.
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
