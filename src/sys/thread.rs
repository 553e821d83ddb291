//! Threads of the library's own, started with the system's functions, and numbers that identify threads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{memory, sigmask};

/// The kernel's number of the calling thread.
pub fn id() -> i32 {
    // SAFETY: returns a number.
    unsafe { libc::gettid() }
}

/// A number that distinguishes the calling thread from all other living threads; never 0. One instruction: reads the thread
/// pointer.
#[inline(always)]
pub fn token() -> usize {
    let token: usize;
    // SAFETY: on x86-64 Linux the word at the thread pointer holds the thread pointer (System V ABI, TLS); on aarch64 the register
    // itself can be read. No memory is changed.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!("mov {}, qword ptr fs:[0]", out(reg) token, options(nostack, preserves_flags, readonly, pure));
    }
    // SAFETY: reads a register.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("mrs {}, tpidr_el0", out(reg) token, options(nomem, nostack, preserves_flags, pure));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        // SAFETY: always succeeds.
        token = unsafe { libc::pthread_self() as usize };
    }
    token
}

/// The largest stack that is tried if a thread's stack is too small for the C library.
const MOST_STACK_BYTES: usize = 64 << 20;

/// Starts a thread of the library's own. Its signal mask does not depend on the thread that starts it: signals of others are
/// blocked from its first instruction on, since the host's handlers must not run on it; signals that it causes itself, guests'
/// traps included, arrive.
///
/// Uses the system's functions: the standard library's allocations for a thread do not come from this library's allocator, and
/// end the process if there is no memory.
pub fn start(name: &str, stack_bytes: usize, run: impl FnOnce() + Send + 'static) -> std::io::Result<Thread> {
    let others = sigmask::of_others();
    let start = Box::new(Start { run, name: short(name), mask: others });
    let begin = begin_of(&start);
    let start = Box::into_raw(start);
    let before = sigmask::block_more(&others);
    // SAFETY: the new thread owns what it is given.
    let created = unsafe { create(stack_bytes, begin, start.cast()) };
    sigmask::set(&before);
    created.inspect_err(|_| {
        // SAFETY: there is no new thread, so this function owns it again.
        drop(unsafe { Box::from_raw(start) });
    })
}

/// The beginning of a thread.
struct Start<F> {
    run: F,
    name: Name,
    mask: sigmask::Mask,
}

/// NUL-terminated; the system keeps 16 bytes.
type Name = [u8; 16];

fn short(name: &str) -> Name {
    let mut short = Name::default();
    let length = name.floor_char_boundary(short.len() - 1);
    short[..length].copy_from_slice(&name.as_bytes()[..length]);
    short
}

type Begin = extern "C" fn(*mut libc::c_void) -> *mut libc::c_void;

/// The function that begins with such a start.
fn begin_of<F: FnOnce()>(_: &Start<F>) -> Begin {
    begin::<F>
}

extern "C" fn begin<F: FnOnce()>(start: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: from the box in `start`, and given to this thread alone; each call only reads its arguments.
    unsafe {
        let Start { run, name, mask } = *Box::from_raw(start.cast::<Start<F>>());
        libc::pthread_setname_np(libc::pthread_self(), name.as_ptr().cast());
        sigmask::set(&mask);
        // A panic ends the thread and nothing else.
        let _ = catch_unwind(AssertUnwindSafe(run));
    }
    std::ptr::null_mut()
}

/// Creates a thread with a stack of that size, or of a larger one that the C library accepts.
///
/// # Safety
/// The new thread may use `start` as `begin` does.
unsafe fn create(stack_bytes: usize, begin: Begin, start: *mut libc::c_void) -> std::io::Result<Thread> {
    let mut size = stack_bytes.max(libc::PTHREAD_STACK_MIN).next_multiple_of(memory::page_size());
    // SAFETY: all-zero is valid for what is filled in; the caller has promised the rest.
    let (refused, thread) = unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        let mut thread: libc::pthread_t = 0;
        let mut refused = libc::pthread_attr_init(&mut attributes);
        if refused == 0 {
            loop {
                refused = libc::pthread_attr_setstacksize(&mut attributes, size);
                if refused == 0 {
                    refused = libc::pthread_create(&mut thread, &attributes, begin, start);
                }
                // The program's thread-locals lie on the stack, and need more than this.
                if refused != libc::EINVAL || size > MOST_STACK_BYTES / 2 {
                    break;
                }
                size *= 2;
            }
            libc::pthread_attr_destroy(&mut attributes);
        }
        (refused, thread)
    };
    if refused == 0 { Ok(Thread(thread)) } else { Err(std::io::Error::from_raw_os_error(refused)) }
}

/// A thread of the library's own. Dropping this lets the thread continue by itself; forgetting it, as in a forked child that
/// does not have the thread, touches nothing.
pub struct Thread(libc::pthread_t);

impl Thread {
    pub fn join(self) {
        let thread = std::mem::ManuallyDrop::new(self);
        // SAFETY: neither joined nor detached yet.
        unsafe { libc::pthread_join(thread.0, std::ptr::null_mut()) };
    }

    /// True if this is the calling thread.
    pub fn is_current(&self) -> bool {
        // SAFETY: a live thread; the call has no preconditions.
        unsafe { libc::pthread_equal(self.0, libc::pthread_self()) != 0 }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: neither joined nor detached yet.
        unsafe { libc::pthread_detach(self.0) };
    }
}
