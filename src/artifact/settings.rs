//! The settings on which compiler and library must agree. What they mean for the engine is said in `engine/profile.rs` alone.

use crate::sys::memory::page_size;

/// The engine that makes and loads code. An artifact names its engine, and another one refuses it; a test compares this string
/// with the lock file.
pub const ENGINE_VERSION: &str = "wasmtime 48.0.8";

/// The way in which code is compiled and traps are caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Guard pages and signal handlers: the fastest code, for a process of the host's own.
    Standalone,
    /// Explicit checks and no signal handler: for a plug-in in another program's process.
    Plugin,
}

impl Profile {
    pub const ALL: [Profile; 2] = [Profile::Standalone, Profile::Plugin];

    pub fn name(self) -> &'static str {
        match self {
            Profile::Standalone => "standalone",
            Profile::Plugin => "plugin",
        }
    }

    pub fn from_name(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// The means of interruption that the compiler puts into the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// Nothing.
    None,
    /// The engine's epoch checks.
    Epoch,
    /// The engine's fuel counting.
    Fuel,
    /// The library's own polls, see `rt/call_word.rs`.
    Guard,
}

impl Interruption {
    pub fn name(self) -> &'static str {
        match self {
            Interruption::None => "none",
            Interruption::Epoch => "epoch",
            Interruption::Fuel => "fuel",
            Interruption::Guard => "guard",
        }
    }
}

/// The settings on which compiler and library must agree; the artifact contains them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub profile: Profile,
    pub interruption: Interruption,
    /// Reserved address space for one linear memory, in bytes. With 4 GiB the standalone profile needs no bounds checks.
    pub memory_reservation_bytes: u64,
    /// Results are the same on every machine: NaNs are canonical, and relaxed SIMD has the meaning that is slow on some processors.
    pub deterministic: bool,
}

pub const FULL_RESERVATION_BYTES: u64 = 4 << 30;
const GUARD_BYTES: u64 = 32 << 20;

impl Settings {
    /// The bytes of guard pages before, and again after, each linear memory.
    pub fn guard_bytes(&self) -> u64 {
        // A memory with a small reservation has no guards either: they count where locked or total memory is limited.
        let guarded = self.profile == Profile::Standalone && self.memory_reservation_bytes == FULL_RESERVATION_BYTES;
        if guarded { GUARD_BYTES } else { 0 }
    }

    /// Address space that an instance reserves for memories of these initial sizes, with the budget guard's memory.
    pub fn address_space_bytes(&self, memories: impl IntoIterator<Item = u64>) -> u64 {
        let page = page_size() as u64;
        let mapping = |reserved: u64| reserved.saturating_add(2 * self.guard_bytes()).max(page);
        let own = memories.into_iter().map(|min_bytes| mapping(self.memory_reservation_bytes.max(min_bytes)));
        let guard = match (self.interruption, self.profile) {
            // If faults arrive as signals, the engine assumes that each memory has all the address space that it requested.
            (Interruption::Guard, Profile::Standalone) => mapping(self.memory_reservation_bytes.max(WASM_PAGE_BYTES)),
            (Interruption::Guard, Profile::Plugin) => WASM_PAGE_BYTES,
            (Interruption::None | Interruption::Epoch | Interruption::Fuel, _) => 0,
        };
        own.fold(guard, u64::saturating_add)
    }
}

/// The size of the budget guard's memory in WebAssembly's terms.
const WASM_PAGE_BYTES: u64 = 65536;

impl Settings {
    pub fn new(profile: Profile) -> Settings {
        Settings {
            profile,
            interruption: Interruption::Guard,
            memory_reservation_bytes: FULL_RESERVATION_BYTES,
            deterministic: false,
        }
    }
}

/// Guest stack, in bytes, if the host sets none.
pub const DEFAULT_GUEST_STACK_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_version_is_the_locked_one() {
        let lock = include_str!("../../Cargo.lock");
        let version = lock.split("name = \"wasmtime\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(ENGINE_VERSION, format!("wasmtime {}", version.expect("wasmtime is locked")));
    }
}
