//! System calls of the measuring commands that the library itself does not need.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;

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

/// Forks. The child gets None: it ends with this process, and leaves no image of its memory behind if a fault ends it.
///
/// # Safety
/// This process has one thread, or the child calls nothing that another thread may have been in the middle of.
pub unsafe fn fork() -> io::Result<Option<libc::pid_t>> {
    // SAFETY: passed on; what the child calls changes the child only.
    unsafe {
        let parent = libc::getpid();
        match libc::fork() {
            0 => {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                if libc::getppid() != parent {
                    libc::_exit(1); // The parent had ended before, so no signal comes.
                }
                let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &none);
                Ok(None)
            }
            -1 => Err(io::Error::last_os_error()),
            child => Ok(Some(child)),
        }
    }
}

/// The time on a clock of the system's, in ns; 0 if it cannot be read.
pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    // SAFETY: fills in a time, which is zero before.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(clock, &mut time);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

/// A file without a name, for child processes to read: it disappears with the last process that has it.
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

    /// Opened again, so that each reader begins at the beginning.
    pub fn open(&self) -> io::Result<File> {
        File::open(PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

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
