//! The slot: a stable place that a real-time thread calls through, while the instances behind it are hot-swapped.
//!
//! There are three parties. *Publishers*, on [setup] threads, put a prepared instance in. *The real-time thread* takes it at
//! the beginning of its next block, and takes a spare when the instance in use has faulted. *The housekeeper* destroys
//! instances that are no longer used, makes spares, and reports events to the host; it polls, since the real-time thread wakes
//! nobody. `rt/exchange.rs` passes items between them and the real-time thread.
//!
//! Publishers and the housekeeper share a list that keeps generations alive. The pointers in the exchange are borrowed from it,
//! and a generation leaves the list only when the real-time thread has returned its pointer.

mod block;
mod config;
mod events;
mod generation;
pub(in crate::engine) mod guest_state;
mod housekeeping;
mod publish;
mod standby;
mod state_transfer;
mod statistics;

pub use block::Block;
pub use config::{Config, StateFunc, StateTransfer};
pub use events::{Event, EventKind};
pub use generation::{Generation, Handles};
pub use statistics::Report;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::held::Pool;
use super::instance::FUNC_BYTES;
use super::runtime::Runtime;
use crate::record::recorder::Began;
use crate::record::snapshot::Snapshot;
use crate::rt::exchange::{Exchange, Retired};
use crate::rt::permit::Pass;
use crate::rt::reserve;
use crate::status::*;
use crate::sys::membarrier;
use generation::Publication;

pub struct Slot {
    pub runtime: Arc<Runtime>,
    /// The account of the slot's instances.
    held: Arc<Pool>,
    config: Config,
    /// Lets the real-time thread in.
    pass: Pass,
    /// The process that created the slot: a forked child has the object only.
    process: u32,
    exchange: Exchange<Generation>,
    /// One publisher at a time: later publications have later numbers, and are taken later.
    publishing: Mutex<()>,
    /// Held while the housekeeper visits the slot; true if it must not do so any more.
    closed: Mutex<bool>,
    back: Mutex<Back>,
    /// Publications that failed.
    refused: AtomicU64,
    began: Began,
}

/// State that publishers and the housekeeper share.
struct Back {
    living: Vec<Arc<Generation>>,
    retired: Retired<Generation>,
    current: Option<Arc<Publication>>,
    publications: u64,
    /// Publications whose spares the real-time thread will not take any more.
    given_up: Vec<Arc<Publication>>,
    /// The recordings of funcs of destroyed generations.
    past: Vec<Snapshot>,
}

impl Slot {
    pub fn new(runtime: &Arc<Runtime>, config: Config) -> Result<Arc<Slot>> {
        let room = config.interface.len() * FUNC_BYTES;
        reserve::with_room(room, || Slot::with_config(runtime, config))
    }

    fn with_config(runtime: &Arc<Runtime>, config: Config) -> Result<Arc<Slot>> {
        let must_fence = !matches!(config.state, StateTransfer::None) && !membarrier::register();
        let (exchange, retired) = Exchange::new(config.hold_blocks, must_fence);
        let past = config.interface.iter().map(|_| Snapshot::empty()).collect();
        let slot = Arc::new(Slot {
            runtime: runtime.clone(),
            held: Pool::new("slot", config.memory_limit_bytes),
            pass: Pass::new(runtime.number()),
            process: std::process::id(),
            exchange,
            back: Mutex::new(Back { living: Vec::new(), retired, current: None, publications: 0, given_up: Vec::new(), past }),
            publishing: Mutex::new(()),
            closed: Mutex::new(false),
            refused: AtomicU64::new(0),
            began: Began::now(),
            config,
        });
        let tended: Weak<Slot> = Arc::downgrade(&slot);
        runtime.housekeeper().tend(tended)?;
        Ok(slot)
    }

    /// A function's name, by its index in the interface.
    pub fn func_name(&self, at: usize) -> Option<&str> {
        self.config.interface.get(at).map(|(name, _)| name.as_str())
    }

    pub fn began(&self) -> Began {
        self.began
    }

    pub fn interface_len(&self) -> usize {
        self.config.interface.len()
    }

    fn lock(&self) -> MutexGuard<'_, Back> {
        self.back.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
