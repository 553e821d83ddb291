//! The runtime's housekeeper: one plain thread that does what may block, allocate or take long, so that no real-time thread has to.
//!
//! It starts with its first job and ends, joined, with its runtime, after the jobs that it was given. It is never a real-time
//! thread: ordinary scheduling, the signals of others blocked, and kept off the CPUs that the runtime's threads are pinned to, as far as
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
/// Stack for what a job does beside running a guest's start function.
const JOB_STACK_BYTES: usize = 512 << 10;

type Job = Box<dyn FnOnce() + Send>;

/// Something that is looked after regularly. A real-time thread cannot wake anybody, so what it leaves behind is looked for.
pub trait Tend: Send + Sync {
    fn tend(&self);
}

/// How often.
const TEND_EVERY: Duration = Duration::from_millis(5);

/// How often it looks at signal handlers and masks.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the thread and its owner share.
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// A job has come, or the end.
    came: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    tended: Vec<Weak<dyn Tend>>,
    /// What looks at signals, and when it is to look next.
    signals: Option<(Weak<dyn Tend>, Instant)>,
    /// What is tended is to be looked after now.
    hurry: bool,
    ending: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The thread: jobs in the order they came, and what is tended in between, until no jobs are left and none will come.
    fn run(&self) {
        while let Some(work) = self.next() {
            // Each is a section of its own. Where it cannot be made ready it makes do with what there is.
            reserve::is_ready();
            // What panics is a defect of ours, and takes only itself away.
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

/// Has each only while it is its turn: it may come to its end meanwhile. A panic in one leaves the others theirs.
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
    /// CPUs that others are to have to themselves.
    avoid: Option<CpuSet>,
    /// That the runtime was made in.
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

    /// Has a job done soon, on the housekeeper's thread, after those before it. [setup] threads only. The job may be what keeps
    /// the runtime alive; nobody is told of its end. In a forked child, which has no such thread, it is done at once.
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

    /// Looks after something every few milliseconds, on the housekeeper's thread, as long as it lives.
    pub fn tend(&self, one: Weak<dyn Tend>) -> Result<()> {
        if self.process != std::process::id() {
            return Err(Error::new(
                RTW_ERR_FORKED,
                "the runtime belongs to the parent process, and so does its housekeeper: make a runtime in the child",
            ));
        }
        self.shared.lock().tended.push(one);
        // Which starts the thread, and has it look at its list.
        self.post(|| {})
    }

    /// Looks at signals every [`LOOK_EVERY`], on the housekeeper's thread, from now on.
    pub fn look_after_signals(&self, watch: Weak<dyn Tend>) -> Result<()> {
        let known = {
            let mut queue = self.shared.lock();
            let known = queue.signals.is_some();
            queue.signals.get_or_insert((watch, Instant::now() + LOOK_EVERY));
            known
        };
        // Which starts the thread, and has it look at its list.
        if known { Ok(()) } else { self.post(|| {}) }
    }

    /// What is tended is to be looked after now.
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
            // Nothing of a thread that this process never had is to be touched.
            return std::mem::forget(thread);
        }
        self.shared.lock().ending = true;
        self.shared.came.notify_one();
        // The runtime's last user may have been a job: then the thread ends by itself.
        if !thread.is_current() {
            thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// The calling thread's, as the system knows it.
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
