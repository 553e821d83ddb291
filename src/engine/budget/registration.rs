//! An instance on the watchdog's list.

use std::sync::Arc;

use super::call_word::CallWord;
use super::watchdog::{GuardPage, Watched};
use super::{Limits, Timing};
use crate::engine::memory::Region;
use crate::engine::runtime::Runtime;
use crate::status::*;

/// A guest that the watchdog looks at. Ends with the guest, before the guest's memory does.
pub struct Registration {
    runtime: Arc<Runtime>,
    entry: Arc<Watched>,
    word: *const CallWord,
    page: Option<GuardPage>,
    /// Where the word is, if not in the guard's page.
    _own: Option<Box<CallWord>>,
}

impl Registration {
    /// For a guest that is being made; its calls are announced from [`Registration::take_over`] on. None if none of them is cut off.
    /// `in_page`: the guest's polls read the word in the guard's page.
    pub fn new(runtime: &Arc<Runtime>, guard: &Region, in_page: bool, limits: &Limits) -> Result<Option<Registration>> {
        let Some(budget_ns) = limits.cut_off_ns() else { return Ok(None) };
        let own = (!in_page).then(|| Box::<CallWord>::default());
        let word: *const CallWord = own.as_deref().map_or(guard.page() as *const CallWord, |word| word);
        let page = (!in_page).then(|| GuardPage::new(guard.page()));
        // SAFETY: both live until this value is dropped, which gives the entry back.
        let entry = unsafe { runtime.watchdog().watch(word, page, budget_ns) }?;
        Ok(Some(Registration { runtime: runtime.clone(), entry, word, page, _own: own }))
    }

    /// Points an instance's call path here.
    pub fn take_over(registration: Option<&Registration>, timing: &Timing) {
        let word = registration.map_or(std::ptr::null(), |registration| registration.word);
        timing.announce_to(word, registration.and_then(|registration| registration.page));
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.runtime.watchdog().unwatch(&self.entry);
    }
}
