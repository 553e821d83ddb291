//! A worker's configuration, and what it calls.

use std::ffi::c_void;
use std::sync::Arc;
use wasmtime::ValRaw;

use super::periodic::Periodic;
use super::queue;
use crate::engine::instance::Instance;
use crate::engine::own::OwnFunc;
use crate::engine::prepare::DryCall;
use crate::rt::attach::Attach;
use crate::status::*;
use crate::sys::sched::Deadline;

pub struct Config {
    pub name: String,
    /// The thread's attachment; the runtime decides about its lock.
    pub attach: Attach,
    pub deadline: Option<Deadline>,
    /// True if stack and statistics are locked into memory, whatever the runtime's setting for guests.
    pub lock: bool,
    /// True if a refusal of the system's is an error; otherwise it is a warning.
    pub strict: bool,
    /// The longest time that the CPUs may take to wake from idling while the worker runs.
    pub dma_latency_us: Option<i32>,
    pub setup: Option<Setup>,
    /// Instances to be prepared at each start, with the dry calls below.
    pub instances: Vec<Arc<Instance>>,
    pub dry_calls: Vec<DryCall<OwnFunc>>,
    pub statistics: bool,
}

/// A worker's kind of work.
pub enum Work {
    Periodic(Box<Periodic>),
    Queue(queue::WorkerEnd),
}

/// A callback of the host on the worker's thread at each start, before the dry calls.
#[derive(Clone, Copy)]
pub struct Setup {
    pub call: unsafe extern "C-unwind" fn(*mut c_void) -> rtw_status_t,
    pub user_data: *mut c_void,
}

// SAFETY: the host guarantees for its function and data.
unsafe impl Send for Setup {}
// SAFETY: as for Send.
unsafe impl Sync for Setup {}

/// A repeated call: its arguments are written before each time.
pub struct Call {
    func: OwnFunc,
    arguments: Box<[ValRaw]>,
    values: Box<[ValRaw]>,
}

impl Call {
    pub fn new(func: OwnFunc, arguments: &[ValRaw]) -> Call {
        Call { func, arguments: arguments.into(), values: arguments.into() }
    }

    /// # Safety
    /// As for [`OwnFunc::call`].
    #[inline(always)]
    pub(super) unsafe fn make(&mut self) -> rtw_status_t {
        self.values.copy_from_slice(&self.arguments);
        // SAFETY: passed on.
        unsafe { self.func.call(&mut self.values) }
    }
}
