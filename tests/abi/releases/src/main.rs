//! Compiles modules with one release of the engine and the library's own settings, one file for each module and target:
//! `rtwasm-releases FOLDER NAME.PROFILE.wasm ...`.
#![allow(dead_code)]

#[path = "../../../../src/artifact/mod.rs"]
mod artifact;
#[path = "../../../../src/engine/profile.rs"]
mod profile;
#[path = "../../../../src/status.rs"]
mod status;

/// The part of `sys` that the library's sources use here.
mod sys {
    pub mod memory {
        pub fn page_size() -> usize {
            4096
        }
    }
}

use std::path::Path;

use profile::{DEFAULT_GUEST_STACK_BYTES, Profile, Settings};

/// Target, and the features of its code.
const TARGETS: [(&str, &str, &[&str]); 3] = [
    ("x86_64-unknown-linux-gnu", "baseline", &[]),
    (
        "x86_64-unknown-linux-gnu",
        "v3",
        &[
            "has_cmpxchg16b", "has_popcnt", "has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_avx", "has_avx2", "has_bmi1",
            "has_bmi2", "has_fma", "has_lzcnt",
        ],
    ),
    ("aarch64-unknown-linux-gnu", "baseline", &[]),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("a folder");
    for module in arguments {
        let bytes = std::fs::read(&module).expect(&module);
        let name = Path::new(&module).file_stem().expect("a name").to_string_lossy().into_owned();
        let profile = Profile::from_name(name.rsplit('.').next().unwrap_or("")).expect("a profile before the ending");
        for (target, level, features) in TARGETS {
            let mut config = profile::config(&Settings::new(profile), DEFAULT_GUEST_STACK_BYTES);
            config.target(target).expect(target);
            for feature in features {
                // SAFETY: the flags allow instructions; nothing runs the code here.
                unsafe { config.cranelift_flag_enable(feature) };
            }
            config.cranelift_opt_level(wasmtime::OptLevel::Speed);
            let engine = wasmtime::Engine::new(&config).expect("the settings");
            let code = engine.precompile_module(&bytes).expect(&module);
            let architecture = target.split('-').next().unwrap_or("");
            let path = format!("{folder}/{name}.{architecture}.{level}.elf");
            std::fs::write(&path, code).expect(&path);
        }
    }
}
