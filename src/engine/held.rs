//! Accounts of what guests make the host hold: memories, tables, globals and the engine's records of them. They are compared
//! with the limits of instance, slot and runtime before anything is allocated.
//!
//! What the host creates for itself does not count: loaded code, funcs with their statistics, workers, exports.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use super::artifact::{Metadata, Need};
use super::profile::Interruption;
use crate::status::*;
use crate::sys::memory;

/// The bytes of a table's entry.
pub const TABLE_ENTRY_BYTES: u64 = 8;

/// The bytes of each instance that do not depend on its module: the engine's store and the library's records.
const INSTANCE_BYTES: u64 = 18432;

/// The need of a guest of this module from the start.
pub fn need(metadata: &Metadata) -> Need {
    let guard = match metadata.settings.interruption {
        // The guard's page.
        Interruption::Guard => memory::page_size() as u64,
        Interruption::None | Interruption::Epoch | Interruption::Fuel => 0,
    };
    let record_bytes = metadata.need.record_bytes.saturating_add(INSTANCE_BYTES + guard);
    Need { record_bytes, ..metadata.need }
}

/// The account of several guests together, and their limit.
pub struct Pool {
    /// The owner, in words.
    whose: &'static str,
    /// 0: no limit.
    limit: u64,
    used: AtomicU64,
}

/// The limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    whose: &'static str,
    limit: u64,
    used: u64,
}

impl Full {
    /// The refusal in words, for a guest that needs this from the start, and this much committed ahead of growth.
    pub fn error(self, need: &Need, ahead_bytes: u64) -> Error {
        let Full { whose, limit, used } = self;
        let need = Need { memory_bytes: need.memory_bytes.saturating_add(ahead_bytes), ..*need };
        let (part, part_bytes) = need.largest();
        let used = if used == 0 { String::new() } else { format!(", of which {used} are in use") };
        Error::new(
            RTW_ERR_LIMIT,
            format!(
                "the guest needs {} bytes, most of them for {part} ({part_bytes}); the {whose}'s limit is {limit} bytes{used}",
                need.total()
            ),
        )
    }
}

impl Pool {
    pub fn new(whose: &'static str, limit: u64) -> Arc<Pool> {
        Arc::new(Pool { whose, limit, used: AtomicU64::new(0) })
    }

    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    fn take(&self, bytes: u64) -> std::result::Result<(), Full> {
        let Pool { whose, limit, .. } = *self;
        let most = if limit == 0 { u64::MAX } else { limit };
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= most);
        self.used.fetch_update(Relaxed, Relaxed, fits).map(|_| ()).map_err(|used| Full { whose, limit, used })
    }

    fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }
}

/// The account of one instance: its guest, and during a reset the next guest too.
pub struct Account {
    /// The limit of one guest; 0: none.
    limit: u64,
    used: AtomicU64,
    runtime: Arc<Pool>,
    /// The account of the slot that has the instance.
    slot: Mutex<Option<Arc<Pool>>>,
}

impl Account {
    pub fn new(limit: u64, runtime: &Arc<Pool>, slot: Option<Arc<Pool>>) -> Arc<Account> {
        Arc::new(Account { limit, used: AtomicU64::new(0), runtime: runtime.clone(), slot: Mutex::new(slot) })
    }

    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    pub fn slot(&self) -> Option<Arc<Pool>> {
        self.lock().clone()
    }

    /// From now on, counts in the slot's account too.
    pub fn join(&self, slot: &Arc<Pool>) -> std::result::Result<(), Full> {
        let mut now = self.lock();
        if now.as_ref().is_some_and(|there| Arc::ptr_eq(there, slot)) {
            return Ok(());
        }
        slot.take(self.used())?;
        if let Some(before) = now.replace(slot.clone()) {
            before.give(self.used());
        }
        Ok(())
    }

    pub fn leave(&self) {
        if let Some(before) = self.lock().take() {
            before.give(self.used());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Pool>>> {
        self.slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn take(&self, bytes: u64) -> std::result::Result<(), Full> {
        let slot = self.lock();
        self.runtime.take(bytes)?;
        if let Some(slot) = &*slot {
            slot.take(bytes).inspect_err(|_| self.runtime.give(bytes))?;
        }
        self.used.fetch_add(bytes, Relaxed);
        Ok(())
    }

    fn give(&self, bytes: u64) {
        let slot = self.lock();
        self.used.fetch_sub(bytes, Relaxed);
        self.runtime.give(bytes);
        if let Some(slot) = &*slot {
            slot.give(bytes);
        }
    }
}

/// The share of one guest. Dropping it ends the count.
pub struct Share {
    account: Arc<Account>,
    bytes: AtomicU64,
}

impl Share {
    /// Opens the share of a guest that holds this much from the start.
    pub fn open(account: &Arc<Account>, bytes: u64) -> std::result::Result<Arc<Share>, Full> {
        let share = Share { account: account.clone(), bytes: AtomicU64::new(0) };
        share.take(bytes)?;
        Ok(Arc::new(share))
    }

    /// Call it before this much more is allocated.
    pub fn take(&self, bytes: u64) -> std::result::Result<(), Full> {
        let (limit, now) = (self.account.limit, self.bytes.load(Relaxed));
        if limit != 0 && now.checked_add(bytes).is_none_or(|sum| sum > limit) {
            return Err(Full { whose: "instance", limit, used: now });
        }
        self.account.take(bytes)?;
        self.bytes.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// True if this much more would be granted.
    pub fn has_room(&self, bytes: u64) -> bool {
        bytes == 0 || self.take(bytes).map(|()| self.give(bytes)).is_ok()
    }

    /// Returns bytes that were not allocated after all.
    pub fn give(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
        self.account.give(bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.account.give(*self.bytes.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_counts_and_a_refusal_leaves_nothing_behind() {
        let (runtime, slot) = (Pool::new("runtime", 100), Pool::new("slot", 60));
        let account = Account::new(50, &runtime, None);
        let share = Share::open(&account, 30).unwrap();
        assert_eq!(share.take(21).unwrap_err(), Full { whose: "instance", limit: 50, used: 30 });
        account.join(&slot).unwrap();
        account.join(&slot).unwrap();
        assert_eq!((account.used(), slot.used(), runtime.used()), (30, 30, 30));
        let second = Share::open(&account, 25).unwrap();
        assert_eq!(second.take(10).unwrap_err(), Full { whose: "slot", limit: 60, used: 55 });
        assert_eq!((account.used(), slot.used(), runtime.used()), (55, 55, 55));
        account.leave();
        assert_eq!((slot.used(), runtime.used()), (0, 55));
        second.take(20).unwrap();
        let other = Account::new(0, &runtime, Some(slot.clone()));
        assert_eq!(Share::open(&other, 26).err().unwrap(), Full { whose: "runtime", limit: 100, used: 75 });
        assert_eq!(Share::open(&other, u64::MAX).err().unwrap(), Full { whose: "runtime", limit: 100, used: 75 });
        second.give(20);
        drop((share, second));
        assert_eq!((account.used(), slot.used(), runtime.used()), (0, 0, 0));
    }
}
