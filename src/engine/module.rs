//! A loaded artifact: immutable, shared between threads and instances.

use std::borrow::Cow;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wasmtime::Engine;

use super::artifact::{Input, Metadata, Opened, kind};
use super::code_image::CodeImage;
use super::image::Image;
use super::profile::Profile;
use super::refusal::refused;
use super::runtime::Runtime;
use super::warmed::Warmed;
use crate::artifact::guest::Described;
use crate::rt::locked_heap::{self, Kept};
use crate::rt::{fork, reserve, thread};
use crate::status::*;
use crate::sys::memory;

pub struct Module {
    pub runtime: Arc<Runtime>,
    pub metadata: Metadata,
    /// The description of the guest for hosts of audio or control, if the artifact has one.
    pub guest: Option<Described>,
    /// The state that a reset writes back; none if it has to create the guest anew.
    pub(super) image: Option<Image>,
    /// Dropped inside [`changing_code`].
    pub(super) code: ManuallyDrop<wasmtime::Module>,
    /// The engine's own records of the module.
    kept: Kept,
}

/// Loads or drops code. The engine keeps a list of code, in which a trap looks its address up, under a lock (standalone
/// profile; wasmtime's module::registry). A writer holds the lock while it adds one entry to a tree or removes it; a trap that
/// meets it spins for longer than that, and waits for the kernel only if the writer loses its CPU in between. So one thread at
/// a time comes here, with a priority that no ordinary thread can preempt, if this process may set it; and no fork leaves a
/// child with the list locked.
fn changing_code<T>(change: impl FnOnce() -> T) -> T {
    fork::undisturbed(|| thread::ahead_of_ordinary(change))
}

/// Bytes of the module's own, which may be many.
fn owned(bytes: Cow<'_, [u8]>) -> Result<Box<[u8]>> {
    if let Cow::Owned(bytes) = bytes {
        return Ok(bytes.into_boxed_slice());
    }
    let mut own = Vec::new();
    own.try_reserve_exact(bytes.len()).map_err(|_| reserve::exhausted())?;
    own.extend_from_slice(&bytes);
    Ok(own.into_boxed_slice())
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: not used afterwards. Instances, whose stores hold the code too, are gone: they hold this.
        changing_code(|| unsafe { ManuallyDrop::drop(&mut self.code) });
    }
}

impl Module {
    /// Loads the part of an artifact that suits the runtime best, and returns what `then` makes of it. `then` may allocate about as much
    /// as the module's names take.
    pub fn load<T>(runtime: &Arc<Runtime>, source: Input<'_>, then: impl FnOnce(Arc<Module>) -> Result<T>) -> Result<T> {
        let opened = Opened::trusted(source, &runtime.config.trusted_keys)?;
        let (index, verdict) = opened.choose(&runtime.limits());
        verdict?;
        let raw = opened.part_to_run(index, &runtime.kept)?;
        let guest = opened.find(kind::GUEST, 0).map(|entry| opened.section(entry)).transpose()?;
        let guest_bytes = guest.as_ref().map_or(0, |guest| guest.len());
        let image = opened.reset_image(index)?.map(owned).transpose()?;
        reserve::with_room(raw.room_bytes() + guest_bytes, || {
            let metadata = raw.metadata()?;
            // Calls read it: it lies with the engine's records.
            let guest = guest.as_ref().map(|guest| Described::new(guest)).transpose()?;
            then(Module::load_code(runtime, metadata, guest, image, Arc::new(raw.code))?)
        })
    }

    fn load_code(
        runtime: &Arc<Runtime>,
        metadata: Metadata,
        guest: Option<Described>,
        image: Option<Box<[u8]>>,
        code: Arc<CodeImage>,
    ) -> Result<Arc<Module>> {
        // SAFETY: the checksum shows that these are the bytes that the compiler wrote, and the description that this engine runs
        // them. Loading an artifact trusts that rtwasm's compiler wrote it. The engine holds the image, and nobody writes to it.
        let load = |engine: &Engine| unsafe { wasmtime::Module::deserialize_raw(engine, code.memory()) };
        // Calls read the engine's configuration, so it is kept with the rest. Damaged code with a corrected digest can make the
        // engine panic; that must affect only this artifact.
        let (made, kept) = locked_heap::keep(runtime.config.lock, || -> Result<_> {
            let engine = runtime.engine(&metadata.settings, Some(code.clone()))?;
            Ok(catch_unwind(AssertUnwindSafe(|| changing_code(|| load(&engine)))))
        });
        let code = made?
            .map_err(|_| Error::new(RTW_ERR_ARTIFACT, "the artifact's code is damaged: the engine cannot read it"))?
            .map_err(|e| {
                // Checked only now: the system's error says only that it is not permitted.
                memory::may_execute()
                    .err()
                    .unwrap_or_else(|| refused(RTW_ERR_ENGINE, "the engine refuses the artifact's code", &e))
            })?;
        let mut module = Module { runtime: runtime.clone(), metadata, guest, image: None, code: ManuallyDrop::new(code), kept };
        if let Some(bytes) = image {
            module.image = Image::new(bytes, &module.metadata.memories, &module.code)?;
        }
        Ok(Arc::new(module))
    }

    pub fn profile(&self) -> Profile {
        self.metadata.settings.profile
    }

    /// Prefaults the code, and locks it if the runtime wants it.
    pub(super) fn warm_code(&self) -> Result<Warmed> {
        let image = self.code.image_range();
        let range = image.start as usize..image.end as usize;
        // SAFETY: the engine keeps its image mapped readable as long as the module lives.
        unsafe { memory::touch_for_reading(range.clone()) };
        let locked = memory::lock_as(self.runtime.config.lock, range.clone())?;
        let mut warmed = Warmed { touched_bytes: range.len(), locked_bytes: locked };
        warmed += Warmed::kept(self.kept, self.runtime.config.lock)?;
        Ok(warmed)
    }
}
