//! The runtime's housekeeper: one plain thread that does what may block, allocate or take long, so that no real-time thread has
//! to.
//!
//! It starts with its first job, and ends with its runtime, which joins it after its last job. It is never a real-time thread:
//! it has ordinary scheduling, blocks the signals of others, and avoids the CPUs that the runtime's threads are pinned to, if
//! the process may run elsewhere.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use crate::rt::reserve;
use crate::rt::thread::{self, Thread};
use crate::status::*;
use crate::sys::affinity::CpuSet;

const NAME: &str = "rtw-housekeeper";
/// Stack for a job, beside what a guest's start function needs.
const JOB_STACK_BYTES: usize = 512 << 10;

type Job = Box<dyn FnOnce() + Send>;

/// An object that the housekeeper visits regularly. A real-time thread cannot wake the housekeeper, so the housekeeper polls
/// for what it leaves behind.
pub trait Tend: Send + Sync {
    fn tend(&self);
}

/// The interval of the visits.
const TEND_EVERY: Duration = Duration::from_millis(5);

/// The interval of the checks of signal handlers and masks.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// State that the thread and its owner share.
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Signals a new job, or the end.
    came: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    tended: Vec<Weak<dyn Tend>>,
    /// The watch over signals, and the time of its next check.
    signals: Option<(Weak<dyn Tend>, Instant)>,
    /// True if the visits are due now.
    hurry: bool,
    ending: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The thread's loop: runs jobs in the order of their arrival, and visits in between, until no jobs are left and none will
    /// come.
    fn run(&self) {
        while let Some(work) = self.next() {
            // Each job is a section of its own. If the reserve cannot be filled, the job runs with what there is.
            reserve::is_ready();
            // A panic is a defect of this library, and ends only its own job.
            let _ = reserve::section(|| match work {
                Work::Job(job) => catch_unwind(AssertUnwindSafe(job)),
                Work::Tend(tended) => catch_unwind(AssertUnwindSafe(|| tend_all(&tended))),
            });
        }
    }

    fn next(&self) -> Option<Work> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(Work::Job(job));
            }
            if queue.ending {
                return None;
            }
            queue.tended.retain(|one| one.strong_count() != 0);
            if let Some((watch, at)) = &mut queue.signals
                && *at <= Instant::now()
            {
                *at = Instant::now() + LOOK_EVERY;
                return Some(Work::Tend(vec![watch.clone()]));
            }
            if queue.hurry && !queue.tended.is_empty() {
                queue.hurry = false;
                return Some(Work::Tend(queue.tended.clone()));
            }
            let tend = (!queue.tended.is_empty()).then_some(TEND_EVERY);
            let look = queue.signals.as_ref().map(|(_, at)| at.saturating_duration_since(Instant::now()));
            let Some(wait) = tend.into_iter().chain(look).min() else {
                queue = self.came.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
                continue;
            };
            let (back, timeout) = self.came.wait_timeout(queue, wait).unwrap_or_else(|poisoned| poisoned.into_inner());
            queue = back;
            queue.hurry |= timeout.timed_out() && tend.is_some();
        }
    }
}

enum Work {
    Job(Job),
    Tend(Vec<Weak<dyn Tend>>),
}

/// Upgrades each object only for its own visit, since it may be destroyed meanwhile. A panic in one does not affect the others.
fn tend_all(tended: &[Weak<dyn Tend>]) {
    for one in tended {
        if let Some(one) = one.upgrade() {
            let _ = catch_unwind(AssertUnwindSafe(|| one.tend()));
        }
    }
}

pub struct Housekeeper {
    shared: Arc<Shared>,
    thread: Mutex<Option<Thread>>,
    stack_bytes: usize,
    /// CPUs that belong to other threads.
    avoid: Option<CpuSet>,
    /// The process that created the runtime.
    process: u32,
}

impl Housekeeper {
    pub(super) fn new(guest_stack_bytes: usize, avoid: Option<CpuSet>) -> Housekeeper {
        Housekeeper {
            shared: Arc::default(),
            thread: Mutex::new(None),
            stack_bytes: guest_stack_bytes + JOB_STACK_BYTES,
            avoid,
            process: std::process::id(),
        }
    }

    /// Runs a job soon, on the housekeeper's thread, after earlier jobs. For [setup] threads only. The job may hold the last
    /// reference to the runtime; its end is not reported. In a forked child, which has no such thread, it runs at once.
    pub fn post(&self, job: impl FnOnce() + Send + 'static) -> Result<()> {
        if self.process != std::process::id() {
            job();
            return Ok(());
        }
        let mut running = self.thread.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match &*running {
            Some(_) => {}
            None => *running = Some(self.start()?),
        }
        self.shared.lock().jobs.push_back(Box::new(job));
        self.shared.came.notify_one();
        Ok(())
    }

    /// Visits an object every few milliseconds, on the housekeeper's thread, as long as it lives.
    pub fn tend(&self, one: Weak<dyn Tend>) -> Result<()> {
        if self.process != std::process::id() {
            return Err(Error::new(
                RTW_ERR_FORKED,
                "the runtime belongs to the parent process, and so does its housekeeper: make a runtime in the child",
            ));
        }
        self.shared.lock().tended.push(one);
        // Starts the thread, which then reads its list.
        self.post(|| {})
    }

    /// Checks signals every [`LOOK_EVERY`], on the housekeeper's thread, from now on.
    pub fn look_after_signals(&self, watch: Weak<dyn Tend>) -> Result<()> {
        let known = {
            let mut queue = self.shared.lock();
            let known = queue.signals.is_some();
            queue.signals.get_or_insert((watch, Instant::now() + LOOK_EVERY));
            known
        };
        // Starts the thread, which then reads its list.
        if known { Ok(()) } else { self.post(|| {}) }
    }

    /// Makes the visits due now.
    pub fn wake(&self) {
        self.shared.lock().hurry = true;
        self.shared.came.notify_one();
    }

    fn start(&self) -> Result<Thread> {
        let (shared, avoid) = (self.shared.clone(), self.avoid);
        let thread = thread::start(NAME, self.stack_bytes, move || {
            thread::become_ordinary(avoid.as_ref());
            shared.run();
        })
        .map_err(|e| Error::os(RTW_ERR_NO_MEMORY, "cannot start the runtime's housekeeper thread", &e))?;
        Ok(thread)
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        let running = self.thread.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(thread) = running.take() else { return };
        if self.process != std::process::id() {
            // A thread that this process never had must not be touched.
            return std::mem::forget(thread);
        }
        self.shared.lock().ending = true;
        self.shared.came.notify_one();
        // A job may have held the last reference to the runtime: then the thread ends by itself.
        if !thread.is_current() {
            thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// The calling thread's name in the system.
    fn own_name() -> String {
        std::fs::read_to_string("/proc/thread-self/comm").unwrap().trim().to_owned()
    }

    fn housekeeper() -> Housekeeper {
        Housekeeper::new(64 << 10, None)
    }

    #[test]
    fn jobs_are_done_in_order_and_all_of_them_before_it_ends() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let housekeeper = housekeeper();
        for number in 0..100 {
            let done = done.clone();
            housekeeper.post(move || done.lock().unwrap().push(number)).unwrap();
        }
        drop(housekeeper);
        assert_eq!(*done.lock().unwrap(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn its_thread_is_an_ordinary_one() {
        let (tell, told) = mpsc::channel();
        let housekeeper = housekeeper();
        assert!(housekeeper.thread.lock().unwrap().is_none(), "nothing to do, no thread");
        housekeeper
            .post(move || {
                // SAFETY: all-zero is a valid set to be filled in; the calls ask about this thread only.
                let (policy, blocked) = unsafe {
                    let mut mask: libc::sigset_t = std::mem::zeroed();
                    libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
                    (libc::sched_getscheduler(0), libc::sigismember(&mask, libc::SIGTERM))
                };
                tell.send((own_name(), policy, blocked)).unwrap();
            })
            .unwrap();
        assert_eq!(told.recv().unwrap(), (NAME.to_owned(), libc::SCHED_OTHER, 1));
        // SAFETY: as above.
        let here = unsafe {
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
            libc::sigismember(&mask, libc::SIGTERM)
        };
        assert_eq!(here, 0, "the thread that posts keeps its signals");
    }

    #[test]
    fn a_panic_ends_its_job_only() {
        let (tell, told) = mpsc::channel();
        let housekeeper = housekeeper();
        housekeeper.post(|| std::panic::resume_unwind(Box::new(()))).unwrap();
        housekeeper.post(move || tell.send(7).unwrap()).unwrap();
        assert_eq!(told.recv(), Ok(7));
    }

    #[test]
    fn a_panic_in_one_that_is_tended_leaves_the_others_theirs() {
        struct Bad;
        struct Good(mpsc::Sender<()>);
        impl Tend for Bad {
            fn tend(&self) {
                std::panic::resume_unwind(Box::new(()))
            }
        }
        impl Tend for Good {
            fn tend(&self) {
                self.0.send(()).unwrap();
            }
        }
        let (tell, told) = mpsc::channel();
        let (bad, good): (Arc<dyn Tend>, Arc<dyn Tend>) = (Arc::new(Bad), Arc::new(Good(tell)));
        tend_all(&[Arc::downgrade(&bad), Arc::downgrade(&good)]);
        assert_eq!(told.try_recv(), Ok(()));
    }

    #[test]
    fn the_last_owner_may_be_a_job() {
        let (tell, told) = mpsc::channel();
        let housekeeper = Arc::new(housekeeper());
        let owner = housekeeper.clone();
        let (go, gone) = mpsc::channel();
        housekeeper
            .post(move || {
                gone.recv().unwrap();
                drop(owner);
                tell.send(()).unwrap();
            })
            .unwrap();
        drop(housekeeper);
        go.send(()).unwrap();
        told.recv().unwrap();
    }
}
