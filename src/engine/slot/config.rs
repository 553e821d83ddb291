//! A slot's configuration.

use std::ffi::c_void;

use super::events::Event;
use crate::engine::prepare::DryCall;
use crate::engine::signature::Signature;
use crate::status::rtw_status_t;

pub struct Config {
    /// The functions that calls name by their index.
    pub interface: Vec<(String, Option<Signature>)>,
    pub standby: usize,
    /// The number of blocks for which the replaced instance is held.
    pub hold_blocks: u32,
    /// Made with every instance that comes into the slot; of funcs by their place in the interface.
    pub dry_calls: Vec<DryCall<usize>>,
    pub state: StateTransfer,
    /// The limit of what the instances behind the slot hold together; 0: none.
    pub memory_limit_bytes: u64,
    /// Called on the housekeeper's thread, or on the publisher's.
    pub on_event: Option<Box<dyn Fn(Event) + Send + Sync>>,
}

/// The way in which a hot-swap transfers state.
pub enum StateTransfer {
    None,
    /// The guests' own exports save and load it.
    Guest,
    /// The host transfers it, with both instances' handles.
    Host(Box<StateFunc>),
}

pub type StateFunc = dyn Fn(*mut c_void, *mut c_void) -> rtw_status_t + Send + Sync;
