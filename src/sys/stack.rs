//! The stack of the calling thread: its place, its free part, and prefaulting.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::memory;
use crate::status::*;

thread_local! {
    /// This thread's own stack, once it is known. It is queried once only: the C library may read the main thread's from the list
    /// of mappings, which locking divides.
    static STACK: std::cell::Cell<Option<(usize, usize)>> = const { std::cell::Cell::new(None) };
}

/// Bytes between this frame and the lowest address that the thread's stack may reach.
pub fn left() -> Result<usize> {
    Ok(pointer().saturating_sub(own()?.start))
}

/// The stack that the calling thread began on, even if it is on another now.
pub fn own() -> Result<Range<usize>> {
    let (low, high) = match STACK.get() {
        Some(known) => known,
        None => ask()?,
    };
    STACK.set(Some((low, high)));
    Ok(low..high)
}

fn ask() -> Result<(usize, usize)> {
    // For this stack the C library would read and parse the list of all mappings.
    if is_main_thread()
        && let Ok((low, high)) = of_main_thread()
        && (low..high).contains(&pointer())
    {
        return Ok((low, high));
    }
    // SAFETY: the attribute is initialised by the call that fills it and destroyed once.
    unsafe {
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        let refused = libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr());
        if refused != 0 && is_main_thread() {
            return of_main_thread();
        }
        if refused != 0 {
            let cause = std::io::Error::from_raw_os_error(refused);
            let status = if refused == libc::ENOMEM { RTW_ERR_NO_MEMORY } else { RTW_ERR_IO };
            return Err(Error::os(status, "cannot find out the thread's stack", &cause));
        }
        let mut attributes = attributes.assume_init();
        let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
        libc::pthread_attr_getstack(&attributes, &mut low, &mut size);
        libc::pthread_attr_getguardsize(&attributes, &mut guard);
        libc::pthread_attr_destroy(&mut attributes);
        // Some C libraries include the guard in the stack: leaving it out is safe.
        let (mut lowest, top) = (low as usize + guard, low as usize + size);
        // musl tells how far the main thread's stack has grown, not how far it may grow.
        if size < LEAST_MAIN_STACK_BYTES && is_main_thread() {
            lowest = of_main_thread().map_or(lowest, |(lower, _)| lower.min(lowest));
        }
        Ok((lowest, top))
    }
}

/// True on the process's first thread. In a forked child this is the thread that forked, on a stack of any kind.
fn is_main_thread() -> bool {
    // SAFETY: both return numbers.
    unsafe { libc::gettid() == libc::getpid() }
}

/// A main thread has at least this much stack, unless its limit was lowered.
const LEAST_MAIN_STACK_BYTES: usize = 1 << 20;

/// The most that the kernel keeps free below the main thread's stack, whatever its limit says.
const MAIN_STACK_BYTES: usize = 64 << 20;

/// The main thread's stack, without the list of mappings: it begins above what the kernel has put there at the program's start, and
/// reaches as far down as the limit says.
fn of_main_thread() -> Result<(usize, usize)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the first call returns a number, the second fills in a live struct.
    let (top, refused) =
        unsafe { (libc::getauxval(libc::AT_RANDOM) as usize, libc::getrlimit(libc::RLIMIT_STACK, &mut limit)) };
    if refused != 0 {
        return Err(Error::last_os_error(
            RTW_ERR_STACK_SIZE,
            "cannot find out the main thread's stack: its limit (RLIMIT_STACK, prlimit64) cannot be asked for",
        ));
    }
    if top == 0 {
        return Err(Error::new(
            RTW_ERR_STACK_SIZE,
            "cannot find out the main thread's stack: /proc/self/maps cannot be read; mount /proc, or attach another thread",
        ));
    }
    let size = usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX).min(MAIN_STACK_BYTES);
    let page = memory::page_size();
    // The limit counts from the stack's end, which is above the environment: the program's path is the last thing there.
    // SAFETY: returns a number.
    let end = top.max(unsafe { libc::getauxval(libc::AT_EXECFN) } as usize);
    // The pages up to the top exist already: the nearer, lower one is the safe choice.
    Ok((end.saturating_sub(size).next_multiple_of(page), top.next_multiple_of(page)))
}

/// Makes each page down the stack present, but none below its end, and returns the range that is now present.
pub fn touch(bytes: usize) -> Result<Range<usize>> {
    let top = pointer();
    let range = (top - bytes).max(own()?.start)..top;
    // The main thread's stack ends where it was used last, until something below is touched.
    if !memory::populate_for_writing(range.clone()) {
        reach(range.start);
        // SAFETY: this thread's own stack; what lies below its stack pointer is nobody's.
        unsafe { memory::touch_for_writing(range.clone()) };
    }
    Ok(range)
}

/// Moves the stack pointer down to a place in the free part of this thread's stack, writes there, and moves it back.
fn reach(place: usize) {
    let place = place.next_multiple_of(16);
    // SAFETY: the stack pointer is the old one again at the end; the byte is in the part of the stack that nobody uses.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!("mov {old}, rsp", "mov rsp, {place}", "mov byte ptr [rsp], 0", "mov rsp, {old}",
            old = out(reg) _, place = in(reg) place, options(preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("mov {old}, sp", "mov sp, {place}", "strb wzr, [sp]", "mov sp, {old}",
            old = out(reg) _, place = in(reg) place, options(preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}

/// Stores the calling function's stack pointer in the cell at `OFFSET` in `place`. One instruction on x86-64.
///
/// # Safety
/// There is one.
#[inline(always)]
pub unsafe fn note<T, const OFFSET: usize>(place: &T) {
    let place = std::ptr::from_ref(place);
    // SAFETY: the cell is as the caller promises.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!("mov [{} + {}], rsp", in(reg) place, const OFFSET, options(nostack, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(not(target_arch = "x86_64"))]
    unsafe {
        (*place.byte_add(OFFSET).cast::<std::cell::Cell<usize>>()).set(pointer());
    }
}

/// The calling function's stack pointer. One instruction.
#[inline(always)]
pub fn pointer() -> usize {
    let pointer: usize;
    // SAFETY: reads a register.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let marker = 0u8;
        pointer = std::hint::black_box(&raw const marker) as usize;
    }
    pointer
}
