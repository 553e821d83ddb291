//! An instance on the watchdog's list.

use std::sync::Arc;

use super::call_word::{CallWord, Page};
use super::watchdog::{GuardPage, Watched};
use super::{Limits, Timing};
use crate::engine::memory::Region;
use crate::engine::runtime::Runtime;
use crate::status::*;

/// The registration of a guest with the watchdog. Ends with the guest, before the guest's memory does.
pub struct Registration {
    runtime: Arc<Runtime>,
    entry: Arc<Watched>,
    word: *const CallWord,
    page: Option<GuardPage>,
    /// The word, if it is not in the guard's page.
    _own: Option<Box<CallWord>>,
}

impl Registration {
    /// Registers a guest that is being created; its calls are announced from [`Registration::take_over`] on. None if none of
    /// them is cut off. `in_page`: the guest's polls read the word in the guard's page.
    pub fn new(runtime: &Arc<Runtime>, guard: &Region, in_page: bool, limits: &Limits) -> Result<Option<Registration>> {
        let Some(budget_ns) = limits.cut_off_ns() else { return Ok(None) };
        let own = (!in_page).then(|| Box::<CallWord>::default());
        let word: *const CallWord = own.as_deref().map_or(guard.page() as *const CallWord, |word| word);
        let page = (!in_page).then(|| GuardPage::new(guard.page()));
        // SAFETY: both live until this value is dropped, which removes the entry.
        let entry = unsafe { runtime.watchdog().watch(word, page, budget_ns) }?;
        Ok(Some(Registration { runtime: runtime.clone(), entry, word, page, _own: own }))
    }

    /// Connects an instance's call path to this registration.
    pub fn take_over(registration: Option<&Registration>, timing: &Timing) {
        let word = registration.map_or(std::ptr::null(), |registration| registration.word);
        timing.announce_to(word, registration.and_then(|registration| registration.page));
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.runtime.watchdog().unwatch(&self.entry);
        // It may be closed, and becomes another guest's.
        if let Some(page) = &self.page {
            page.open();
        }
    }
}
