//! A thread's page faults and switches, as the system counts them.

/// Counted since the thread began.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Page faults served from memory.
    pub minor_faults: u64,
    /// Page faults served by I/O.
    pub major_faults: u64,
    /// The thread slept or waited.
    pub voluntary_switches: u64,
    /// Another thread took its CPU.
    pub involuntary_switches: u64,
}

impl Usage {
    pub fn since(self, before: Usage) -> Usage {
        Usage {
            minor_faults: self.minor_faults - before.minor_faults,
            major_faults: self.major_faults - before.major_faults,
            voluntary_switches: self.voluntary_switches - before.voluntary_switches,
            involuntary_switches: self.involuntary_switches - before.involuntary_switches,
        }
    }
}

/// The calling thread's counts. Makes one system call.
pub fn of_this_thread() -> Usage {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_and_sleeps_are_counted() {
        let before = of_this_thread();
        let mut pages = vec![0u8; 1 << 22];
        pages.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        std::hint::black_box(&pages);
        std::thread::sleep(std::time::Duration::from_millis(1));
        let since = of_this_thread().since(before);
        assert!(since.minor_faults > 0 && since.voluntary_switches > 0, "{since:?}");
    }
}
