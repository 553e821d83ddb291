//! What the measuring commands ask of the system beyond what the library itself needs.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;

/// Page faults and context switches of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub minor_faults: u64,
    pub major_faults: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
}

/// What the calling thread has had so far. One system call; allocates nothing.
pub fn usage() -> Usage {
    // SAFETY: all-zero is a valid rusage to be filled in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    Usage {
        minor_faults: usage.ru_minflt as u64,
        major_faults: usage.ru_majflt as u64,
        voluntary_switches: usage.ru_nvcsw as u64,
        involuntary_switches: usage.ru_nivcsw as u64,
    }
}

/// Sleeps until CLOCK_MONOTONIC says `time_ns`; not at all if it says more already.
pub fn sleep_until(time_ns: u64) {
    let until = libc::timespec {
        tv_sec: (time_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (time_ns % 1_000_000_000) as libc::c_long,
    };
    // SAFETY: the pointer is to a live timespec; what is left is not asked for. Interrupted by a signal it begins again, with
    // the same end.
    while unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &until, std::ptr::null_mut()) }
        == libc::EINTR
    {}
}

/// The CPUs that this thread may run on.
pub fn allowed_cpus() -> Vec<u32> {
    // SAFETY: all-zero is a valid set to be filled in; CPU_ISSET reads inside it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Vec::new();
        }
        (0..libc::CPU_SETSIZE as u32).filter(|cpu| libc::CPU_ISSET(*cpu as usize, &set)).collect()
    }
}

/// A file that has no name, for child processes to read: it goes with the last process that has it.
pub struct Nameless(File);

impl Nameless {
    pub fn new(bytes: &[u8]) -> io::Result<Nameless> {
        // SAFETY: the name is a NUL-terminated literal; the descriptor is new and becomes the file's.
        let mut file = unsafe {
            let descriptor = libc::memfd_create(c"rtwasm-artifact".as_ptr(), libc::MFD_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            File::from_raw_fd(descriptor)
        };
        file.write_all(bytes)?;
        Ok(Nameless(file))
    }

    /// Opened anew, so that each reader begins at the beginning.
    pub fn open(&self) -> io::Result<File> {
        File::open(PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtwasm::rt::clock;
    use std::io::Read;

    #[test]
    fn sleeping_ends_at_the_time_and_not_before() {
        let until = clock::monotonic_ns() + 3_000_000;
        sleep_until(until);
        assert!(clock::monotonic_ns() >= until);
        // What is past does not wait, however far past.
        sleep_until(1);
    }

    #[test]
    fn faults_are_counted() {
        let before = usage();
        let mut block = vec![0u8; 1 << 24];
        block.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        std::hint::black_box(&block);
        assert!(usage().minor_faults > before.minor_faults);
    }

    #[test]
    fn every_reader_of_a_nameless_file_gets_all_of_it() {
        let file = Nameless::new(b"content").unwrap();
        for _ in 0..2 {
            let mut text = String::new();
            file.open().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "content");
        }
    }
}
