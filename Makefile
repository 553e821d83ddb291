header:
	cargo run -q -p rtwasm-headergen -- cbindgen.toml include/rtwasm.h src/capi/version.rs src/status.rs src/capi/error.rs \
	    src/capi/runtime.rs src/capi/module.rs src/capi/imports.rs src/capi/instance.rs src/capi/thread.rs src/capi/prepare.rs \
	    src/capi/call.rs src/capi/stats.rs
