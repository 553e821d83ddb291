//! The rack as processes of their own, which share memory with the host and wait on futexes: the way of hosts that run plug-ins
//! outside their own process.
//!
//! All processes are woken first and awaited afterwards, so that they run side by side where there are CPUs. The host skips a
//! process that has not answered within the period until it answers. It ends one that is late for too long, and its place
//! stays empty.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use rtwasm::sys::clock;
use rtwasm::sys::sched::{self, Policy};

use super::Rack;
use super::effect::{Deed, Effect};
use crate::workload::os;

/// The time between two looks whether a process that does not answer has ended, in ns.
const LOOK_NS: u64 = 100_000;
/// The number of periods in a row after which the host ends a process that is late.
const PATIENCE: u32 = 100;
const PAGE: usize = 4096;

/// The part of the shared memory that belongs to one process. The samples follow it.
#[repr(C, align(64))]
struct Place {
    /// The number of blocks that the host has asked for.
    asked: AtomicU32,
    /// The number of blocks that the process has answered.
    answered: AtomicU32,
    /// 1 while the host sleeps on `answered`.
    awaited: AtomicU32,
    deed: AtomicU32,
}

/// Shared memory with a place for each process.
struct Shared {
    base: NonNull<u8>,
    stride: usize,
    bytes: usize,
}

impl Shared {
    fn new(count: usize, frames: usize) -> io::Result<Shared> {
        let stride = (size_of::<Place>() + frames * size_of::<f32>()).next_multiple_of(PAGE);
        let bytes = stride * count;
        // SAFETY: a new mapping, of no file.
        let base = unsafe {
            let (access, flags) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE);
            libc::mmap(std::ptr::null_mut(), bytes, access, flags, -1, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Shared { base, stride, bytes })
    }

    fn place(&self, at: usize) -> &Place {
        // SAFETY: inside the mapping, aligned to a page; all-zero is a valid place.
        unsafe { self.base.add(at * self.stride).cast().as_ref() }
    }

    /// The samples of a place. One side at a time uses them: the host while nothing is asked, the process until it answers.
    fn samples(&self, at: usize) -> *mut f32 {
        // SAFETY: inside the mapping.
        unsafe { self.base.add(at * self.stride + size_of::<Place>()).cast().as_ptr() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping's own place and size.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// Sleeps while the word, which other processes see, is `value`; at most until `until_ns` of CLOCK_MONOTONIC.
fn sleep_while(word: &AtomicU32, value: u32, until_ns: Option<u64>) {
    let until = until_ns.map(|ns| libc::timespec { tv_sec: (ns / 1_000_000_000) as _, tv_nsec: (ns % 1_000_000_000) as _ });
    let until = until.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word outlives the call, and the time is NULL or live.
    unsafe {
        let (wait, all) = (libc::FUTEX_WAIT_BITSET, libc::FUTEX_BITSET_MATCH_ANY);
        libc::syscall(libc::SYS_futex, word.as_ptr(), wait, value, until, std::ptr::null::<u32>(), all);
    }
}

fn wake(word: &AtomicU32) {
    // SAFETY: only the address is used.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

struct Process {
    /// None if it has ended.
    number: Option<libc::pid_t>,
    /// The number of blocks that the host has asked it for.
    asked: u32,
    /// The number of periods that it is late.
    late: u32,
}

pub struct Processes {
    shared: Shared,
    processes: Vec<Process>,
    frames: usize,
    /// The CPU time of those that have ended, in ns.
    ended_ns: u64,
    /// The reason why there are fewer processes than wanted.
    pub fewer: Option<io::Error>,
}

impl Processes {
    /// Starts `count` processes, or as many as the machine's limits allow, but one. The caller has one thread.
    pub fn new(count: usize, frames: usize) -> io::Result<Processes> {
        let shared = Shared::new(count, frames)?;
        let mut made = Processes { shared, processes: Vec::new(), frames, ended_ns: 0, fewer: None };
        while made.processes.len() < count {
            // SAFETY: this process has one thread.
            match unsafe { os::fork() } {
                Ok(None) => serve(&made.shared, made.processes.len(), frames),
                Ok(Some(number)) => made.processes.push(Process { number: Some(number), asked: 0, late: 0 }),
                Err(error) if made.processes.is_empty() => return Err(error),
                Err(error) => {
                    made.fewer = Some(error);
                    break;
                }
            }
        }
        Ok(made)
    }

    /// Gives every process SCHED_FIFO with this priority.
    pub fn set_fifo(&self, priority: i32) -> rtwasm::status::Result<()> {
        self.numbers().try_for_each(|number| sched::set_of(number, Policy::Fifo, priority))
    }

    /// The processes that have not ended.
    fn numbers(&self) -> impl Iterator<Item = libc::pid_t> {
        self.processes.iter().filter_map(|process| process.number)
    }

    pub fn living(&self) -> usize {
        self.numbers().count()
    }

    /// Waits until the process has answered; false if it did not by `until_ns`, or has ended.
    fn has_answered(&self, at: usize, until_ns: u64) -> bool {
        let (place, asked) = (self.shared.place(at), self.processes[at].asked);
        loop {
            let answered = place.answered.load(SeqCst);
            if answered == asked {
                return true;
            }
            let now_ns = clock::monotonic_ns();
            if now_ns >= until_ns {
                return false;
            }
            place.awaited.store(1, SeqCst);
            if place.answered.load(SeqCst) == answered {
                sleep_while(&place.answered, answered, Some(until_ns.min(now_ns + LOOK_NS)));
            }
            place.awaited.store(0, SeqCst);
            if place.answered.load(SeqCst) != asked && has_ended(self.processes[at].number) {
                return false;
            }
        }
    }

    /// Ends a process, if it has not ended by itself, and frees its number.
    fn end(&mut self, at: usize) {
        if let Some(process) = self.processes[at].number.take() {
            self.ended_ns += cpu_ns(process);
            // SAFETY: a child of this process that was not waited for.
            unsafe {
                libc::kill(process, libc::SIGKILL);
                libc::waitpid(process, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// True if the process has ended; it stays to be waited for.
fn has_ended(process: Option<libc::pid_t>) -> bool {
    let Some(process) = process else { return true };
    // SAFETY: fills in a struct; all-zero is valid, and stays if the process runs.
    unsafe {
        let mut found: libc::siginfo_t = std::mem::zeroed();
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        libc::waitid(libc::P_PID, process as libc::id_t, &mut found, how) == 0 && found.si_pid() != 0
    }
}

/// The CPU time of a process, in ns; 0 if the system does not tell it.
fn cpu_ns(process: libc::pid_t) -> u64 {
    let mut clock = 0;
    // SAFETY: fills in a clock's id.
    let is_there = unsafe { libc::clock_getcpuclockid(process, &mut clock) } == 0;
    if is_there { os::clock_ns(clock) } else { 0 }
}

/// The life of a process of the rack: answers until the host ends. Calls nothing that allocates.
fn serve(shared: &Shared, at: usize, frames: usize) -> ! {
    let place = shared.place(at);
    let mut effect = Effect::default();
    let mut done = 0;
    loop {
        let asked = place.asked.load(SeqCst);
        if asked == done {
            sleep_while(&place.asked, asked, None);
            continue;
        }
        // SAFETY: the host leaves the samples alone until this process answers.
        let samples = unsafe { std::slice::from_raw_parts_mut(shared.samples(at), frames) };
        effect.process(samples, Deed::from_number(place.deed.load(SeqCst)));
        done = asked;
        place.answered.store(done, SeqCst);
        if place.awaited.load(SeqCst) != 0 {
            wake(&place.answered);
        }
    }
}

impl Rack for Processes {
    fn count(&self) -> usize {
        self.processes.len()
    }

    fn block(&mut self, input: &[f32], deed: &dyn Fn(usize) -> Deed, until_ns: u64, served: &mut [bool]) {
        for (at, process) in self.processes.iter_mut().enumerate() {
            let place = self.shared.place(at);
            if process.number.is_none() || place.answered.load(SeqCst) != process.asked {
                process.late += 1;
                continue;
            }
            process.late = 0;
            process.asked = process.asked.wrapping_add(1);
            // SAFETY: the process has answered, so the samples are the host's.
            unsafe { std::ptr::copy_nonoverlapping(input.as_ptr(), self.shared.samples(at), self.frames) };
            place.deed.store(deed(at) as u32, SeqCst);
            place.asked.store(process.asked, SeqCst);
            wake(&place.asked);
        }
        for at in 0..self.processes.len() {
            let process = &self.processes[at];
            let was_asked = process.number.is_some() && process.late == 0;
            served[at] = was_asked && self.has_answered(at, until_ns);
            if !served[at] && (self.processes[at].late >= PATIENCE || has_ended(self.processes[at].number)) {
                self.end(at);
            }
        }
    }

    fn outputs(&self) -> Vec<f32> {
        let mut outputs = Vec::with_capacity(self.processes.len() * self.frames);
        for at in 0..self.processes.len() {
            // SAFETY: the process has answered, so the samples are the host's.
            outputs.extend_from_slice(unsafe { std::slice::from_raw_parts(self.shared.samples(at), self.frames) });
        }
        outputs
    }

    fn others_cpu_ns(&self) -> u64 {
        self.ended_ns + self.numbers().map(cpu_ns).sum::<u64>()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        (0..self.processes.len()).for_each(|at| self.end(at));
    }
}
