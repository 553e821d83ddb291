//! Carries the state of the instance in use over to the next one, while the real-time thread is kept out.

use std::sync::atomic::Ordering::*;
use std::time::Duration;

use super::generation::Generation;
use super::{Slot, StateTransfer, guest_state};
use crate::rt::exchange::Claim;
use crate::status::*;
use crate::sys::sleeper;

impl Slot {
    /// Saves the state of the instance in use and loads it into the next one, between two blocks.
    pub(super) fn transfer_state(&self, to: &Generation) -> Result<()> {
        if matches!(self.config.state, StateTransfer::None) {
            return Ok(());
        }
        let claim = self.claim()?;
        let Some(from) = claim.active().filter(|active| !active.instance.is_faulted()) else { return Ok(()) };
        match &self.config.state {
            StateTransfer::None => Ok(()),
            StateTransfer::Guest => {
                // SAFETY: the claim keeps the real-time thread out.
                let saved = guest_state::save(unsafe { from.instance.turn() })?;
                drop(claim);
                match saved {
                    // SAFETY: the real-time thread does not have the new instance yet.
                    Some(saved) => guest_state::load(unsafe { to.instance.turn() }, &saved),
                    None => Ok(()),
                }
            }
            StateTransfer::Host(transfer) => match transfer(from.handles.instance(), to.handles.instance()) {
                RTW_OK => Ok(()),
                status => Err(Error::new(RTW_ERR_STATE, format!("the host's callback refused the state with {status}"))),
            },
        }
    }

    /// Keeps the real-time thread out, beginning just after a block, when the next one is farthest.
    fn claim(&self) -> Result<Claim<'_, Generation>> {
        const STEP: Duration = Duration::from_micros(20);
        /// Does not wait for blocks that are rarer than this.
        const PATIENCE: u32 = 2_500;
        const ATTEMPTS: u32 = 100;
        for _ in 0..ATTEMPTS {
            let blocks = self.exchange.counters.blocks.load(Relaxed);
            for _ in 0..PATIENCE {
                if self.exchange.counters.blocks.load(Relaxed) != blocks && !self.exchange.is_in_block() {
                    break;
                }
                sleeper::sleep_for(STEP);
            }
            let claimed = self.exchange.try_claim().map_err(|cause| {
                Error::os(RTW_ERR_PERMISSION, "the system refuses membarrier, which keeps blocks out", &cause)
            })?;
            if let Some(claim) = claimed {
                return Ok(claim);
            }
        }
        Err(Error::new(RTW_ERR_BUSY, "the real-time thread was in a block whenever the state was to be saved"))
    }
}
