//! What a thread needs so that guests' faults become traps in the standalone profile: that it does not block the signals that they
//! come as, since the kernel ends a process that causes a blocked one, and an alternate signal stack with room for the handler.
//!
//! An attached thread has both for as long as it is attached, other threads while a [`Ready`] lives. What was there before is
//! put back afterwards. The plugin profile needs none of it, and leaves all of it alone.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::status::*;
use crate::sys::handlers::{self, SIGNALS};
use crate::sys::memory;

/// What the alternate signal stack has that attached threads get. The engine makes none of its own where one of this size is there.
const STACK_BYTES: usize = 256 << 10;
/// What the engine's handler and ours get beside the frame that the kernel writes. Frame and handlers together took 3400 bytes for
/// every kind of trap, on a processor whose largest frame has 3376.
const HANDLER_BYTES: usize = 4 << 10;

/// Some of [`SIGNALS`], a bit each by its place there.
type Set = u8;

fn system_set(set: Set) -> libc::sigset_t {
    // SAFETY: all-zero is a valid set to be filled in.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        for (at, (signal, _)) in SIGNALS.iter().enumerate() {
            if set >> at & 1 == 1 {
                libc::sigaddset(&mut signals, *signal);
            }
        }
        signals
    }
}

const ALL: Set = (1 << SIGNALS.len()) - 1;

/// Changes the calling thread's mask; tells which of the signals were blocked before.
fn change_mask(how: libc::c_int, set: Set) -> Set {
    let set = system_set(set);
    // SAFETY: all-zero is a valid set to be filled in; this thread's mask only.
    unsafe {
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(how, &set, &mut before);
        let blocked = |signal| libc::sigismember(&before, signal) == 1;
        SIGNALS.iter().enumerate().map(|(at, (signal, _))| u8::from(blocked(*signal)) << at).sum()
    }
}

/// What a thread has of this.
#[derive(Default)]
struct Thread {
    /// Attachments that need it.
    users: usize,
    /// What was blocked before, to be blocked again when they have ended.
    blocked: Set,
    /// The alternate signal stack that was in force before the first of them.
    host_stack: Option<libc::stack_t>,
    /// The one that they get: made once, kept until the thread ends.
    stack: Option<Stack>,
}

thread_local! {
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread { users: 0, blocked: 0, host_stack: None, stack: None }) };
}

/// An alternate signal stack with an inaccessible page below it.
struct Stack {
    mapping: usize,
}

impl Stack {
    fn new() -> Result<Stack> {
        let guard = memory::page_size();
        let no_memory = |e| Error::os(RTW_ERR_NO_MEMORY, "cannot make the thread's alternate signal stack", &e);
        let mapping = memory::reserve(guard + STACK_BYTES).map_err(no_memory)?;
        let stack = Stack { mapping };
        // SAFETY: inside our own reservation.
        let refused =
            unsafe { libc::mprotect((mapping + guard) as *mut _, STACK_BYTES, libc::PROT_READ | libc::PROT_WRITE) } != 0;
        if refused { Err(no_memory(std::io::Error::last_os_error())) } else { Ok(stack) }
    }

    fn range(&self) -> std::ops::Range<usize> {
        let start = self.mapping + memory::page_size();
        start..start + STACK_BYTES
    }

    fn description(&self) -> libc::stack_t {
        libc::stack_t { ss_sp: self.range().start as *mut _, ss_flags: 0, ss_size: STACK_BYTES }
    }

    fn is(&self, stack: &libc::stack_t) -> bool {
        stack.ss_sp as usize == self.range().start
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.is(&stack_in_force()) {
            set_stack(&libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: STACK_BYTES });
        }
        // SAFETY: our own mapping, which no signal uses any more.
        unsafe { libc::munmap(self.mapping as *mut _, memory::page_size() + STACK_BYTES) };
    }
}

fn stack_in_force() -> libc::stack_t {
    // SAFETY: all-zero is a valid stack_t to be filled in.
    unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(std::ptr::null(), &mut stack);
        stack
    }
}

fn set_stack(stack: &libc::stack_t) {
    let mut stack = *stack;
    // That it was in use is reported, and not taken back.
    stack.ss_flags &= !libc::SS_ONSTACK;
    // SAFETY: the stack was in force on this thread before, is ours, or is disabled.
    unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
}

/// Whether a handler has room. Without an alternate stack it runs on the one that the guest is on, below which a margin is kept.
fn has_room(stack: &libc::stack_t) -> bool {
    stack.ss_flags & (libc::SS_DISABLE | libc::SS_ONSTACK) != 0 || stack.ss_size >= needed_bytes()
}

fn needed_bytes() -> usize {
    // SAFETY: asks for a number.
    let frame = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    frame.max(libc::MINSIGSTKSZ) + HANDLER_BYTES
}

/// Runs the engine's set-up of the calling thread, which may put an alternate signal stack in force, and keeps the one there is.
pub fn keeping_stack(engine_init: impl FnOnce()) -> Result<()> {
    let before = stack_in_force();
    // The engine has no other way to say that the system refuses it a stack of its own.
    let ready = catch_unwind(AssertUnwindSafe(engine_init));
    if stack_in_force().ss_sp != before.ss_sp {
        set_stack(&before);
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
            && ours.is(&stack_in_force())
        {
            set_stack(&host);
        }
        change_mask(libc::SIG_BLOCK, std::mem::take(&mut thread.blocked));
    });
}

impl Thread {
    /// Puts our alternate stack in force.
    fn put_stack(&mut self) -> Result<std::ops::Range<usize>> {
        let found = stack_in_force();
        let ours = match self.stack.take() {
            Some(stack) => stack,
            None => Stack::new()?,
        };
        if !ours.is(&found) {
            set_stack(&ours.description());
            self.host_stack = Some(found);
        }
        Ok(self.stack.insert(ours).range())
    }

    fn unblock(&mut self) {
        self.blocked |= change_mask(libc::SIG_UNBLOCK, ALL);
    }
}

/// Whether a guest's fault would become a trap on this thread now. Five system calls, nothing else.
pub fn arrive_here() -> bool {
    handlers::are_in_place() && change_mask(libc::SIG_BLOCK, 0) == 0 && has_room(&stack_in_force())
}

/// Whether another thread blocks what guests' faults come as.
pub enum Blocked {
    No,
    /// Which of them.
    Yes(String),
    /// There is no such thread in this process.
    Gone,
    /// There is no /proc.
    Unknown,
}

pub fn blocked_in(thread: i32) -> Blocked {
    let Ok(status) = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")) else {
        return if std::path::Path::new("/proc/self/status").exists() { Blocked::Gone } else { Blocked::Unknown };
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let Some(mask) = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) else { return Blocked::Unknown };
    let names: Vec<&str> = SIGNALS.iter().filter(|(signal, _)| mask >> (signal - 1) & 1 == 1).map(|(_, name)| *name).collect();
    if names.is_empty() { Blocked::No } else { Blocked::Yes(names.join(", ")) }
}

/// While it lives, faults of guests become traps on this thread.
pub struct Ready {
    blocked: Set,
    host_stack: Option<libc::stack_t>,
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
            let found = stack_in_force();
            if !has_room(&found) {
                if thread.users != 0 {
                    return Err(Error::new(
                        RTW_ERR_SIGNALS,
                        format!(
                            "the alternate signal stack of this thread was replaced by one of {} bytes after the thread was \
                             attached; a guest's trap needs {}: make it larger (sigaltstack), or detach and attach again",
                            found.ss_size,
                            needed_bytes()
                        ),
                    ));
                }
                thread.put_stack()?;
                ready.host_stack = thread.host_stack.take();
            }
            match thread.users {
                0 => ready.blocked = change_mask(libc::SIG_UNBLOCK, ALL),
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
            set_stack(stack);
        }
        if self.blocked != 0 {
            change_mask(libc::SIG_BLOCK, self.blocked);
        }
    }
}
