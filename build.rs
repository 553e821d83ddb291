//! Passes linker options that Cargo has no setting for: the shared library's SONAME, binding at load, and no unloading.
//! The engine leaves signal handlers and thread-local destructors behind, so unmapping its code would crash the host.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").expect("cargo sets the target OS");
    // Cargo hands these arguments on to libraries that depend on this package (the compiler's), which have names of their own.
    let is_the_library = std::env::var_os("CARGO_FEATURE_CAPI").is_some();
    if os == "linux" && is_the_library {
        // While the major version is 0 the ABI may change with the minor one, so both are in the name.
        let major = env!("CARGO_PKG_VERSION_MAJOR");
        let minor = env!("CARGO_PKG_VERSION_MINOR");
        let soname = if major == "0" { format!("{major}.{minor}") } else { major.to_string() };
        for arg in [format!("-soname,librtwasm.so.{soname}"), "-z,nodelete".into(), "-z,now".into()] {
            println!("cargo:rustc-cdylib-link-arg=-Wl,{arg}");
        }
    }
}
