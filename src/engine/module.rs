//! A loaded artifact: immutable, shared between threads and instances.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wasmtime::Engine;

use super::artifact::{self, Artifact, Metadata};
use super::profile::Profile;
use super::refusal::refused;
use super::runtime::Runtime;
use crate::rt::locked_heap::{self, Kept};
use crate::rt::{fork, thread};
use crate::status::*;
use crate::sys::memory::{self, Lock};

pub struct Module {
    pub runtime: Arc<Runtime>,
    pub metadata: Metadata,
    /// Dropped among [`changing_code`].
    pub(super) code: ManuallyDrop<wasmtime::Module>,
    /// The engine's own records of it.
    kept: Kept,
}

/// Whether an artifact with this metadata can be loaded into the runtime, or into any on this machine.
pub fn check(runtime: Option<&Runtime>, metadata: &Metadata) -> Result<()> {
    artifact::check_host(metadata)?;
    let Some(runtime) = runtime else { return Ok(()) };
    let theirs = metadata.settings.profile;
    if let Some(ours) = runtime.config.profile.filter(|ours| *ours != theirs) {
        return Err(Error::new(
            RTW_ERR_PROFILE,
            format!(
                "the artifact was compiled for the {} profile and the runtime has {}: compile with --profile {}",
                theirs.name(),
                ours.name(),
                ours.name()
            ),
        ));
    }
    match theirs {
        Profile::Standalone => runtime.check_handlers_allowed(),
        Profile::Plugin => Ok(()),
    }
}

/// Loads or drops code. The engine notes it in a list that a trap looks its address up in, under a lock (standalone profile;
/// wasmtime's module::registry): for writing, the lock is held while one entry goes into a tree or out of it, and a trap that
/// meets it spins for longer than that. It waits for the kernel only if the writer loses its CPU in between; so one thread at a
/// time comes here, and none that an ordinary one can push aside, as far as this process may arrange it; and no fork leaves a
/// child with the list locked.
fn changing_code<T>(change: impl FnOnce() -> T) -> T {
    fork::undisturbed(|| thread::ahead_of_ordinary(change))
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: not used afterwards. Instances, whose stores hold the code too, are gone: they hold this.
        changing_code(|| unsafe { ManuallyDrop::drop(&mut self.code) });
    }
}

impl Module {
    pub fn load(runtime: &Arc<Runtime>, bytes: &[u8]) -> Result<Arc<Module>> {
        let Artifact { metadata, code, .. } = artifact::read(bytes)?;
        check(Some(runtime), &metadata)?;
        // SAFETY: the digest shows that these are the bytes the compiler wrote, and the envelope that it was this engine's.
        // That the compiler was ours is what loading an artifact trusts in.
        let load = |engine: &Engine| unsafe { wasmtime::Module::deserialize(engine, code) };
        // Calls read what the engine was configured with, so it is kept with the rest. Code that was damaged and whose digest was
        // made right again can make the engine panic, which is this artifact's affair and nobody else's.
        let (made, kept) = locked_heap::keep(runtime.config.lock, || -> Result<_> {
            let engine = runtime.engine(&metadata.settings)?;
            Ok(catch_unwind(AssertUnwindSafe(|| changing_code(|| load(&engine)))))
        });
        let code = made?
            .map_err(|_| Error::new(RTW_ERR_ARTIFACT, "the artifact's code is damaged: the engine can make nothing of it"))?
            .map_err(|e| {
                // Asked only now: the system says no more than that it is not permitted.
                memory::may_execute()
                    .err()
                    .unwrap_or_else(|| refused(RTW_ERR_ENGINE, "the engine refuses the artifact's code", &e))
            })?;
        Ok(Arc::new(Module { runtime: runtime.clone(), metadata, code: ManuallyDrop::new(code), kept }))
    }

    pub fn profile(&self) -> Profile {
        self.metadata.settings.profile
    }

    /// Makes the code present, and locked where the runtime wants it.
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

/// What was made present.
#[derive(Debug, Default, Clone, Copy)]
pub struct Warmed {
    pub touched_bytes: usize,
    pub locked_bytes: usize,
}

impl Warmed {
    /// What lies on the heap of what calls touch: present as it is, locked now.
    pub(super) fn kept(kept: Kept, lock: Lock) -> Result<Warmed> {
        if kept.elsewhere_bytes != 0 && lock == Lock::Required {
            return Err(Error::new(
                RTW_ERR_MEMLOCK,
                format!("{} bytes of what calls touch could not be put where they can be locked", kept.elsewhere_bytes),
            ));
        }
        let locked = kept.bytes != 0 && locked_heap::lock(lock)?;
        Ok(Warmed { touched_bytes: kept.bytes + kept.elsewhere_bytes, locked_bytes: if locked { kept.bytes } else { 0 } })
    }
}

impl std::ops::AddAssign for Warmed {
    fn add_assign(&mut self, more: Warmed) {
        self.touched_bytes += more.touched_bytes;
        self.locked_bytes += more.locked_bytes;
    }
}
