//! Makes memory resident in advance: writes to pages that will be written, and locks them if configured.

use crate::status::*;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Says if regions are locked into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    Off,
    /// Locks if the system permits it.
    On,
    /// A refusal is an error.
    Required,
}

pub fn page_size() -> usize {
    // SAFETY: sysconf has no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Widens a range to whole pages.
fn pages(range: Range<usize>) -> Range<usize> {
    let page = page_size();
    range.start / page * page..range.end.next_multiple_of(page)
}

/// Makes every page of the range present and writable without changing its content.
///
/// # Safety
/// The range is mapped readable and writable, and no other thread writes to it during the call.
pub unsafe fn touch_for_writing(range: Range<usize>) {
    // SAFETY: passed on; populating changes no content.
    unsafe { touch(range, libc::MADV_POPULATE_WRITE, true) }
}

/// As [`touch_for_writing`], with ranges in it that other processes write to: these are made present by the system's own means only.
/// `shared` is in the order of addresses.
///
/// # Safety
/// As for [`touch_for_writing`], but for those ranges.
pub unsafe fn touch_around(range: Range<usize>, shared: &[Range<usize>]) {
    let mut from = range.start;
    for there in shared.iter().filter(|there| range.contains(&there.start)) {
        // SAFETY: passed on.
        unsafe { touch_for_writing(from..there.start) };
        populate(there.clone(), true);
        from = there.end;
    }
    // SAFETY: passed on.
    unsafe { touch_for_writing(from..range.end) };
}

/// Makes every page of the range present for reading and execution.
///
/// # Safety
/// The range is mapped readable.
pub unsafe fn touch_for_reading(range: Range<usize>) {
    // SAFETY: passed on.
    unsafe { touch(range, libc::MADV_POPULATE_READ, false) }
}

unsafe fn touch(range: Range<usize>, advice: i32, write: bool) {
    if range.is_empty() {
        return;
    }
    let whole = pages(range.clone());
    // SAFETY: the advice acts on mapped pages only and reports others as an error.
    if unsafe { libc::madvise(whole.start as *mut _, whole.len(), advice) } == 0 {
        return;
    }
    // A kernel before 5.14: page by page, at an address inside the range itself.
    for page in whole.step_by(page_size()) {
        let address = page.max(range.start) as *mut u8;
        // SAFETY: inside the range, which the caller vouches for.
        unsafe {
            let byte = address.read_volatile();
            if write {
                address.write_volatile(byte);
            }
        }
    }
}

/// Prefaults this library's own code and data, and locks them as wanted: they are file pages, which the system drops and reads
/// again when memory is short. Leaves out what only a panic or a cancellation reads, the tables for unwinding. If the library is linked
/// into a program, this covers the whole program.
pub fn warm_own_image(wanted: Lock) -> Result<()> {
    /// Lies among the constants of this library.
    static CONSTANT: u64 = 1;
    warm(&[warm_own_image as *const () as usize], Some(std::hint::black_box(&CONSTANT) as *const u64 as usize), wanted)
}

/// As [`warm_own_image`], of the libraries that hold these addresses, with all their tables.
pub fn warm_images_of(addresses: &[usize], wanted: Lock) -> Result<()> {
    warm(addresses, None, wanted)
}

fn warm(addresses: &[usize], constant: Option<usize>, wanted: Lock) -> Result<()> {
    let mut search = Search { addresses, constant, segments: Vec::new() };
    // SAFETY: the callback has this signature, and the search outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(segments), (&raw mut search).cast()) };
    for Segment { range, writable } in search.segments {
        populate(range.clone(), writable);
        lock_as(wanted, range)?;
    }
    Ok(())
}

/// The calling thread's part of this library's thread-local memory, the engine's included; empty if the loader reports none. It
/// lies on the heap if the library was loaded after the program's start, otherwise beside the thread's stack.
pub fn own_thread_locals() -> Range<usize> {
    let mut found = 0..0;
    // SAFETY: the callback has this signature, and the range outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(own_tls), (&raw mut found).cast()) };
    found
}

/// Called for every loaded object: notes the thread-locals of the one that holds this function.
unsafe extern "C" fn own_tls(info: *mut libc::dl_phdr_info, _size: usize, found: *mut libc::c_void) -> libc::c_int {
    let here = own_tls as *const () as usize;
    // SAFETY: the loader gives valid tables; `found` is ours.
    let (base, headers, data, found) = unsafe {
        let headers = std::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum as usize);
        ((*info).dlpi_addr as usize, headers, (*info).dlpi_tls_data as usize, &mut *found.cast::<Range<usize>>())
    };
    let holds_us = |header: &libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && (header.p_vaddr..header.p_vaddr + header.p_memsz).contains(&((here - base) as u64))
    };
    if here < base || !headers.iter().any(holds_us) {
        return 0;
    }
    if let Some(tls) = headers.iter().find(|header| header.p_type == libc::PT_TLS && data != 0) {
        *found = data..data + tls.p_memsz as usize;
    }
    1
}

struct Segment {
    range: Range<usize>,
    writable: bool,
}

struct Search<'a> {
    addresses: &'a [usize],
    /// Constant data, if the tables for unwinding are to be left out.
    constant: Option<usize>,
    segments: Vec<Segment>,
}

/// The part of a segment in front of the tables for unwinding; all of it if constants or code come behind them. Linkers put all constants
/// in one place, all code in one, and the tables at a segment's end; but some put all three into one segment.
fn before_tables(segment: Range<usize>, constant: usize, tables: usize, code: &[usize]) -> Range<usize> {
    let behind = tables..segment.end;
    let last = segment.contains(&tables) && segment.contains(&constant) && !behind.contains(&constant);
    let end = if last && !code.iter().any(|address| behind.contains(address)) { tables } else { segment.end };
    segment.start..end
}

/// Called for every loaded object: notes the segments of those that hold one of the addresses.
unsafe extern "C" fn segments(info: *mut libc::dl_phdr_info, _size: usize, search: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the loader gives valid tables; the search is ours.
    let (base, headers, Search { addresses, constant, segments: found }) = unsafe {
        let headers = std::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum as usize);
        ((*info).dlpi_addr as usize, headers, &mut *search.cast::<Search<'_>>())
    };
    let range = |header: &libc::Elf64_Phdr| {
        let start = base + header.p_vaddr as usize;
        start..start + header.p_memsz as usize
    };
    let loaded = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    if !loaded().any(|header| addresses.iter().any(|address| range(header).contains(address))) {
        return 0;
    }
    // Relocated data is read-only by now, although its segment is writable.
    let relro = headers.iter().find(|header| header.p_type == libc::PT_GNU_RELRO).map(range).unwrap_or(0..0);
    let tables = headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME).map(|header| range(header).start);
    for header in loaded() {
        let whole = match (*constant, tables) {
            (Some(constant), Some(tables)) => before_tables(range(header), constant, tables, addresses),
            _ => range(header),
        };
        if header.p_flags & libc::PF_W == 0 {
            found.push(Segment { range: whole, writable: false });
            continue;
        }
        let data = relro.end.clamp(whole.start, whole.end).next_multiple_of(page_size()).min(whole.end);
        found.push(Segment { range: whole.start..data, writable: false });
        found.push(Segment { range: data..whole.end, writable: true });
    }
    0
}

/// Makes pages present only by the system's own means, for memory that other threads use at the same time. A kernel before 5.14
/// leaves the pages as they are.
fn populate(range: Range<usize>, write: bool) {
    if range.is_empty() {
        return;
    }
    let whole = pages(range);
    let advice = if write { libc::MADV_POPULATE_WRITE } else { libc::MADV_POPULATE_READ };
    // SAFETY: populating changes no content, and unsuitable pages are reported as an error.
    unsafe { libc::madvise(whole.start as *mut _, whole.len(), advice) };
}

/// Makes every page of a host's range present without changing its content. Returns false if the range is not wholly mapped and
/// writable. Other threads may use the range at the same time; on a kernel before 5.14, which cannot populate, no other thread
/// may use it during the call.
pub fn populate_for_writing(range: Range<usize>) -> bool {
    let whole = pages(range.clone());
    // SAFETY: neither advice changes any content, and unsuitable pages are reported as an error.
    let advise = |range: Range<usize>, advice| unsafe { libc::madvise(range.start as *mut _, range.len(), advice) == 0 };
    if advise(whole.clone(), libc::MADV_POPULATE_WRITE) {
        return true;
    }
    // With an empty range, the advice only shows if the kernel knows it.
    if advise(0..0, libc::MADV_POPULATE_WRITE) || !advise(whole, libc::MADV_WILLNEED) {
        return false;
    }
    // SAFETY: mapped; writable, and not in use elsewhere, as the caller promises.
    unsafe { touch_for_writing(range) };
    true
}

/// Locks a range as wanted, and returns how many of its bytes are locked.
pub fn lock_as(wanted: Lock, range: Range<usize>) -> Result<usize> {
    match wanted {
        Lock::Off => Ok(0),
        Lock::On => Ok(lock(range.clone()).map_or(0, |()| range.len())),
        Lock::Required => lock(range.clone()).map(|()| range.len()),
    }
}

/// Locks the range's pages into memory, if the system permits it. Allocates nothing.
pub fn try_lock(range: Range<usize>) -> bool {
    let whole = pages(range);
    // SAFETY: locking changes no content; unmapped ranges are reported as an error.
    unsafe { libc::mlock(whole.start as *const _, whole.len()) == 0 }
}

/// Locks the range's pages into memory. They are unlocked when they are unmapped.
pub fn lock(range: Range<usize>) -> Result<()> {
    if range.is_empty() || try_lock(range.clone()) {
        return Ok(());
    }
    let whole = pages(range);
    let cause = std::io::Error::last_os_error();
    Err(Error::os(
        RTW_ERR_MEMLOCK,
        format!(
            "cannot lock {} KiB: the limit on locked memory (RLIMIT_MEMLOCK) is {}, of which {} KiB are in use; raise it \
             (ulimit -l, LimitMEMLOCK=, or `memlock` in limits.conf) or give the process CAP_IPC_LOCK",
            whole.len() / 1024,
            memlock_limit(),
            locked_kib().map_or("unknown".into(), |kib| kib.to_string()),
        ),
        &cause,
    ))
}

/// Undoes [`lock`]. Returns true if the system did.
pub fn unlock(range: Range<usize>) -> bool {
    // SAFETY: changes no content; unmapped ranges are reported as an error.
    unsafe { libc::munlock(range.start as *const _, range.len()) == 0 }
}

/// Reserves fresh address space without access.
pub fn reserve(bytes: usize) -> std::io::Result<usize> {
    fresh(bytes, libc::PROT_NONE, libc::MAP_NORESERVE)
}

/// Maps fresh memory, all zeros, not present yet.
pub fn map(bytes: usize) -> std::io::Result<usize> {
    fresh(bytes, libc::PROT_READ | libc::PROT_WRITE, 0)
}

/// Maps fresh memory, all zeros, not present yet, of which little will be used: the system does not count it as committed.
pub fn map_on_demand(bytes: usize) -> std::io::Result<usize> {
    fresh(bytes, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_NORESERVE)
}

/// The size of a huge page, where the system has them.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Maps fresh memory that will hold code, present from the start if the system permits it. What fills most of a huge page takes one, if
/// the system offers them: clearing hundreds of small pages takes ten times as long.
pub fn map_code(bytes: usize) -> std::io::Result<Range<usize>> {
    let takes_huge_page = bytes % HUGE_PAGE_BYTES > HUGE_PAGE_BYTES / 8 * 3;
    if !takes_huge_page {
        let start = fresh(bytes, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_POPULATE)?;
        return Ok(start..start + bytes.next_multiple_of(page_size()));
    }
    let length = bytes.next_multiple_of(HUGE_PAGE_BYTES);
    let found = map(length + HUGE_PAGE_BYTES)?;
    let start = found.next_multiple_of(HUGE_PAGE_BYTES);
    // SAFETY: parts of the fresh mapping that nobody uses; the advice changes no content, and a refusal of any is harmless. The second
    // one keeps the system from exchanging pages for a huge one while code runs.
    unsafe {
        for rest in [found..start, start + length..found + length + HUGE_PAGE_BYTES] {
            if !rest.is_empty() {
                unmap(rest);
            }
        }
        libc::madvise(start as *mut _, length, libc::MADV_HUGEPAGE);
        libc::madvise(start as *mut _, bytes, libc::MADV_POPULATE_WRITE);
        libc::madvise(start as *mut _, length, libc::MADV_NOHUGEPAGE);
    }
    Ok(start..start + length)
}

/// Makes pages that were filled executable, and all others of their mapping readable; none can be written any more.
///
/// # Safety
/// `whole` is the caller's own mapping and `code` whole pages of it. Nobody writes to it, and no thread executes it yet.
pub unsafe fn make_code(whole: Range<usize>, code: Range<usize>) -> std::io::Result<()> {
    let parts = [
        (whole.start..code.start, libc::PROT_READ),
        (code.clone(), libc::PROT_READ | libc::PROT_EXEC),
        (code.end..whole.end, libc::PROT_READ),
    ];
    for (range, rights) in parts.into_iter().filter(|(range, _)| !range.is_empty()) {
        // SAFETY: passed on.
        if unsafe { libc::mprotect(range.start as *mut _, range.len(), rights) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Access rights of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    None,
    ReadWrite,
}

impl Access {
    fn rights(self) -> libc::c_int {
        match self {
            Access::None => libc::PROT_NONE,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        }
    }
}

/// Sets the access rights of whole pages.
///
/// # Safety
/// The range is the caller's own mapping. A thread that accesses it against the new rights has to handle the fault.
pub unsafe fn protect(range: Range<usize>, access: Access) -> std::io::Result<()> {
    // SAFETY: passed on.
    match unsafe { libc::mprotect(range.start as *mut _, range.len(), access.rights()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Replaces pages with fresh ones of zeros with these rights. Returns false if the system refuses.
///
/// # Safety
/// The range is the caller's own mapping, whose content is not needed any more; otherwise as for [`protect`].
pub unsafe fn replace(range: Range<usize>, access: Access) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: passed on.
    unsafe { libc::mmap(range.start as *mut _, range.len(), access.rights(), flags, -1, 0) != libc::MAP_FAILED }
}

/// Maps a part of a file, to be shared with whoever else maps it, and makes it present. An error if a page of it cannot be there.
pub fn map_file(file: &File, offset: u64, bytes: usize) -> std::io::Result<usize> {
    let map = |flags| {
        let (access, flags) = (Access::ReadWrite.rights(), libc::MAP_SHARED | flags);
        // SAFETY: a fresh mapping; nobody else's memory is touched.
        match unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, file.as_raw_fd(), offset as libc::off_t) } {
            libc::MAP_FAILED => Err(std::io::Error::last_os_error()),
            start => Ok(start as usize),
        }
    };
    // Not with MAP_POPULATE, which makes shared pages present for reading: where the processor does not mark written pages, the kernel
    // does so at the first write, which is a fault, and populating for writing afterwards changes nothing.
    let start = map(0)?;
    // SAFETY: populating changes no content.
    if unsafe { libc::madvise(start as *mut _, bytes, libc::MADV_POPULATE_WRITE) } == 0 {
        return Ok(start);
    }
    let cause = std::io::Error::last_os_error();
    // SAFETY: just mapped, and nobody else's.
    unsafe { unmap(start..start + bytes) };
    match cause.raw_os_error() {
        // A kernel before 5.14 does not know this, and may leave pages out.
        Some(libc::EINVAL) => map(libc::MAP_POPULATE),
        _ => Err(cause),
    }
}

/// Moves a mapping, with its locks, to the place of another one.
///
/// # Safety
/// Both are the caller's own. Nobody uses the first, and the second's content is not needed any more.
pub unsafe fn move_over(from: Range<usize>, to: usize) -> std::io::Result<()> {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: passed on.
    let moved = unsafe { libc::mremap(from.start as *mut _, from.len(), from.len(), flags, to as *mut libc::c_void) };
    if moved == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Unmaps a mapping.
///
/// # Safety
/// It is the caller's own, and not in use any more.
pub unsafe fn unmap(range: Range<usize>) {
    // SAFETY: passed on.
    unsafe { libc::munmap(range.start as *mut _, range.len()) };
}

/// Returns the result of `look`, which runs while `bytes` more bytes are mapped.
pub fn while_mapped<T>(bytes: usize, look: impl FnOnce() -> T) -> std::io::Result<T> {
    let start = map(bytes)?;
    let result = look();
    // SAFETY: just mapped, and nobody else's.
    unsafe { unmap(start..start + bytes) };
    Ok(result)
}

fn fresh(bytes: usize, access: i32, flags: i32) -> std::io::Result<usize> {
    // SAFETY: a fresh mapping; nobody else's memory is touched.
    let start = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
        libc::mmap(std::ptr::null_mut(), bytes, access, flags, -1, 0)
    };
    if start == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(start as usize) }
}

/// Includes whole pages in dumps of the process, or excludes them. The kernel leaves out pages that were never touched, but
/// debuggers that make a dump (gcore) do not, and would write all the reserved address space.
pub fn dump(range: Range<usize>, wanted: bool) {
    let advice = if wanted { libc::MADV_DODUMP } else { libc::MADV_DONTDUMP };
    // SAFETY: changes no content; unsuitable pages are reported as an error, and the dump is then merely larger.
    unsafe { libc::madvise(range.start as *mut _, range.len(), advice) };
}

/// Tries to make memory executable that was written to, which loading code needs. The inner result is the system's. If not even a
/// page can be mapped, the outer error is that of mapping.
pub fn try_executable() -> std::io::Result<std::io::Result<()>> {
    let page = page_size();
    let start = map(page)?;
    // SAFETY: a fresh page of the library's own, which no thread executes.
    let refused = unsafe { libc::mprotect(start as *mut _, page, libc::PROT_READ | libc::PROT_EXEC) } != 0;
    let cause = std::io::Error::last_os_error();
    // SAFETY: as above.
    unsafe { unmap(start..start + page) };
    Ok(if refused { Err(cause) } else { Ok(()) })
}

/// Returns an error if this process may not make memory executable that it has written.
pub fn may_execute() -> Result<()> {
    match try_executable() {
        Ok(Err(cause)) => Err(Error::os(
            RTW_ERR_PERMISSION,
            "this process may not make memory executable, which running compiled code takes: a policy forbids it \
             (PR_SET_MDWE, MemoryDenyWriteExecute= of systemd, a seccomp filter, SELinux's execmem); exempt the process from it",
            &cause,
        )),
        _ => Ok(()),
    }
}

/// The error for a linear memory that cannot be reserved. Under a limit on locked memory the cause is that the process locks
/// all its mappings.
pub fn reservation_refused(bytes: usize, cause: &std::io::Error) -> Error {
    let what = format!("cannot reserve {} MiB of address space for a linear memory", bytes >> 20);
    if cause.raw_os_error() != Some(libc::EAGAIN) {
        return Error::os(RTW_ERR_NO_MEMORY, what, cause);
    }
    Error::os(
        RTW_ERR_MEMLOCK,
        format!(
            "{what}: the process locks all it maps (mlockall(MCL_FUTURE)) and its limit on locked memory (RLIMIT_MEMLOCK) is \
             {}; raise it, or compile with --reservation declared",
            memlock_limit()
        ),
        cause,
    )
}

fn memlock_limit() -> String {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    match unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) } {
        0 if limit.rlim_cur == libc::RLIM_INFINITY => "unlimited".into(),
        0 => format!("{} KiB", limit.rlim_cur / 1024),
        _ => "unknown".into(),
    }
}

fn locked_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmLck:"))?.trim().split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_pages(start: usize, bytes: usize) -> usize {
        let mut map = vec![0u8; bytes.div_ceil(page_size())];
        // SAFETY: the range is mapped and the vector has a byte a page.
        assert_eq!(unsafe { libc::mincore(start as *mut _, bytes, map.as_mut_ptr()) }, 0);
        map.iter().filter(|page| **page & 1 == 1).count()
    }

    #[test]
    fn touching_makes_pages_present_and_keeps_them() {
        let bytes = 64 * page_size();
        // SAFETY: a fresh anonymous mapping.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        } as usize;
        assert_eq!(resident_pages(start, bytes), 0);
        // SAFETY: just mapped, and used by this test only.
        unsafe {
            *(start as *mut u8) = 42;
            touch_for_writing(start..start + bytes);
            assert_eq!(*(start as *mut u8), 42);
        }
        assert_eq!(resident_pages(start, bytes), 64);
        // SAFETY: mapped above.
        unsafe { libc::munmap(start as *mut _, bytes) };
    }

    #[test]
    fn only_tables_at_the_end_of_the_constants_are_left_out() {
        assert_eq!(before_tables(10..90, 20, 50, &[200]), 10..50);
        assert_eq!(before_tables(10..90, 20, 50, &[15]), 10..50, "code in front of the constants");
        assert_eq!(before_tables(10..90, 60, 50, &[200]), 10..90, "constants behind the tables");
        assert_eq!(before_tables(10..90, 20, 50, &[200, 70]), 10..90, "code behind the tables");
        assert_eq!(before_tables(100..300, 20, 50, &[200]), 100..300, "another segment");
    }

    #[test]
    fn our_thread_locals_are_found_on_every_thread() {
        thread_local!(static OURS: std::cell::Cell<u64> = const { std::cell::Cell::new(7) });
        let look = || {
            let address = OURS.with(|ours| ours.as_ptr() as usize);
            let found = own_thread_locals();
            assert!(found.contains(&address), "{address:#x} in {found:x?}");
            found.start
        };
        let here = look();
        let there = std::thread::spawn(look).join().unwrap();
        assert_ne!(here, there);
    }

    #[test]
    fn a_refused_lock_names_the_limit() {
        // An unmapped range is refused whatever the limits are.
        let error = lock(page_size()..2 * page_size()).unwrap_err();
        assert_eq!(error.status, RTW_ERR_MEMLOCK);
        assert!(error.message.contains("RLIMIT_MEMLOCK"), "{error}");
    }
}
