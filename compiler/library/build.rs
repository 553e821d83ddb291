//! Gives librtwasm_compiler.so what the library's build script gives librtwasm.so: SONAME, bound at load, never unloaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").expect("cargo sets the target OS");
    if os == "linux" {
        // While the major version is 0 the ABI may change with the minor one, so both are in the name.
        let major = env!("CARGO_PKG_VERSION_MAJOR");
        let minor = env!("CARGO_PKG_VERSION_MINOR");
        let soname = if major == "0" { format!("{major}.{minor}") } else { major.to_string() };
        for arg in [format!("-soname,librtwasm_compiler.so.{soname}"), "-z,nodelete".into(), "-z,now".into()] {
            println!("cargo:rustc-cdylib-link-arg=-Wl,{arg}");
        }
    }
}
