//! The CPUs that threads may run on.

use crate::status::*;

const WORDS: usize = 16;
const CPUS: usize = 64 * WORDS;

/// A set of CPUs, with the system's layout: one bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct CpuSet([u64; WORDS]);

const _: () = assert!(size_of::<CpuSet>() == size_of::<libc::cpu_set_t>());
const _: () = assert!(align_of::<CpuSet>() == align_of::<libc::cpu_set_t>());

impl CpuSet {
    pub const EMPTY: CpuSet = CpuSet([0; WORDS]);

    pub fn from_words(words: [u64; WORDS]) -> CpuSet {
        CpuSet(words)
    }

    /// The set of one CPU; `None` if its number is too large for a set.
    pub fn only(cpu: usize) -> Option<CpuSet> {
        let mut set = CpuSet::EMPTY;
        *set.0.get_mut(cpu / 64)? = 1 << (cpu % 64);
        Some(set)
    }

    pub fn contains(&self, cpu: usize) -> bool {
        self.0.get(cpu / 64).is_some_and(|word| word >> (cpu % 64) & 1 == 1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The CPUs of this set that are not in `other`.
    pub fn without(&self, other: &CpuSet) -> CpuSet {
        CpuSet(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..CPUS).filter(|cpu| self.contains(*cpu))
    }
}

/// Prints the numbers, separated by commas.
impl std::fmt::Display for CpuSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.iter().enumerate().try_for_each(|(at, cpu)| write!(f, "{}{cpu}", if at == 0 { "" } else { "," }))
    }
}

/// The CPUs that a thread may run on; 0 is the calling thread. `None` if there is no such thread, or it cannot be queried.
fn of(thread: i32) -> Option<CpuSet> {
    let mut set = CpuSet::EMPTY;
    // SAFETY: the set is live and has the system's layout.
    let refused = unsafe { libc::sched_getaffinity(thread, size_of::<CpuSet>(), (&raw mut set).cast()) };
    (refused == 0).then_some(set)
}

/// Limits the calling thread to these CPUs. Returns false if the system refuses.
fn put(cpus: &CpuSet) -> bool {
    // SAFETY: the set is live, has the system's layout, and is read only.
    unsafe { libc::sched_setaffinity(0, size_of::<CpuSet>(), std::ptr::from_ref(cpus).cast()) == 0 }
}

/// The CPUs that the calling thread may run on.
pub fn current() -> Result<CpuSet> {
    of(0).ok_or_else(|| Error::last_os_error(RTW_ERR_PERMISSION, "cannot read the thread's affinity"))
}

/// Restores the CPUs that [`current`] has returned. Ignores errors: that is permitted, unless other code has changed the thread
/// since.
pub fn restore(cpus: &CpuSet) {
    put(cpus);
}

/// Limits the calling thread to these CPUs, or returns an error.
pub fn set(cpus: &CpuSet) -> Result<()> {
    if !put(cpus) {
        return Err(Error::last_os_error(
            RTW_ERR_PERMISSION,
            format!("cannot pin the thread to CPU {cpus}: are they there and in this process's cpuset?"),
        ));
    }
    // The kernel ignores CPUs that do not exist.
    let missing = cpus.without(&current()?);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        RTW_ERR_PERMISSION,
        format!(
            "cannot pin the thread to CPU {cpus}: CPU {missing} is not there, or not in this process's cpuset; leave it out"
        ),
    ))
}

/// Pins the calling thread; returns `false` if it may not run there.
pub fn pin(cpu: usize) -> bool {
    CpuSet::only(cpu).is_some_and(|cpus| put(&cpus))
}

/// Gives the calling thread the CPUs of the process's first thread, except those to avoid. Ignores a refusal.
pub fn become_ordinary(avoid: Option<&CpuSet>) {
    // SAFETY: returns a number.
    if let Some(cpus) = of(unsafe { libc::getpid() }) {
        // The kernel refuses this if no CPU is left.
        put(&cpus.without(avoid.unwrap_or(&CpuSet::EMPTY)));
    }
}

/// The CPU that a thread may run on, if there is only one.
pub fn only_cpu(thread: i32) -> Option<usize> {
    let set = of(thread)?;
    let mut cpus = set.iter();
    cpus.next().filter(|_| cpus.next().is_none())
}

/// True if a thread may run on a CPU; false if there is no such thread.
pub fn may_run_on(thread: i32, cpu: usize) -> bool {
    of(thread).is_some_and(|set| set.contains(cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_the_systems() {
        let set = CpuSet::only(70).unwrap();
        // SAFETY: reads a bit of a live set of the system's layout.
        let system = |cpu| unsafe { libc::CPU_ISSET(cpu, &*std::ptr::from_ref(&set).cast::<libc::cpu_set_t>()) };
        assert!((0..CPUS).all(|cpu| system(cpu) == (cpu == 70) && set.contains(cpu) == (cpu == 70)));
        assert!(CpuSet::only(CPUS).is_none() && !set.contains(CPUS));
        let three = CpuSet::from_words(std::array::from_fn(|word| if word == 0 { 0b1011 } else { 0 }));
        assert_eq!((three.to_string(), three.without(&CpuSet::only(1).unwrap()).to_string()), ("0,1,3".into(), "0,3".into()));
        assert!(three.without(&three).is_empty());
    }
}
