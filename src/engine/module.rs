//! A loaded artifact: immutable, shared between threads and instances.

use std::sync::Arc;

use super::artifact::{self, Artifact, Metadata};
use super::runtime::Runtime;
use crate::rt::memory;
use crate::status::*;

pub struct Module {
    pub runtime: Arc<Runtime>,
    pub metadata: Metadata,
    pub(super) code: wasmtime::Module,
}

/// Whether an artifact with this metadata can be loaded into the runtime, or into any on this machine.
pub fn check(runtime: Option<&Runtime>, metadata: &Metadata) -> Result<()> {
    artifact::check_host(metadata)?;
    let Some(runtime) = runtime else { return Ok(()) };
    let (theirs, ours) = (metadata.settings.profile, runtime.config.profile);
    if theirs != ours {
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
    Ok(())
}

impl Module {
    pub fn load(runtime: &Arc<Runtime>, bytes: &[u8]) -> Result<Arc<Module>> {
        let Artifact { metadata, code, .. } = artifact::read(bytes)?;
        check(Some(runtime), &metadata)?;
        let engine = runtime.engine(&metadata.settings)?;
        // SAFETY: the digest shows that these are the bytes the compiler wrote, and the envelope that it was this engine's.
        // That the compiler was ours is what loading an artifact trusts in.
        let code = unsafe { wasmtime::Module::deserialize(&engine, code) }
            .map_err(|e| Error::new(RTW_ERR_ENGINE, format!("the engine refuses the artifact's code: {e:#}")))?;
        Ok(Arc::new(Module { runtime: runtime.clone(), metadata, code }))
    }

    /// Makes the code present, and locked where the runtime wants it.
    pub(super) fn warm_code(&self) -> Result<Warmed> {
        let image = self.code.image_range();
        let range = image.start as usize..image.end as usize;
        // SAFETY: the engine keeps its image mapped readable as long as the module lives.
        unsafe { memory::touch_for_reading(range.clone()) };
        let locked = memory::lock_as(self.runtime.config.lock, range.clone())?;
        Ok(Warmed { touched_bytes: range.len(), locked_bytes: locked })
    }
}

/// What was made present.
#[derive(Debug, Default, Clone, Copy)]
pub struct Warmed {
    pub touched_bytes: usize,
    pub locked_bytes: usize,
}

impl std::ops::AddAssign for Warmed {
    fn add_assign(&mut self, more: Warmed) {
        self.touched_bytes += more.touched_bytes;
        self.locked_bytes += more.locked_bytes;
    }
}
