//! The built command, from its arguments to its exit status, on real files.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const EXIT_ERROR: i32 = 1;
const EXIT_USAGE: i32 = 2;

const GUEST: &str = r#"(module
    (import "env" "log" (func $log (param i32)))
    (memory (export "memory") 1 4)
    (global (export "gain") (mut f32) (f32.const 0.5))
    (table (export "table") 3 3 funcref)
    (func $unused)
    (func $process (export "process") (param i32 i32) (result f32)
        local.get 0 f32.load global.get 0 f32.mul))"#;

/// A directory of the test's own, empty at first.
fn directory(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn rtwasm(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtwasm"));
    command.current_dir(directory).stdin(Stdio::null());
    command
}

fn run<S: AsRef<OsStr>>(directory: &Path, args: &[S]) -> Output {
    rtwasm(directory).args(args).output().unwrap()
}

fn run_with_input(directory: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child =
        rtwasm(directory).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn succeeds(output: Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

/// The error text, after seeing that it failed with this status and in the agreed form.
#[track_caller]
fn fails(output: Output, exit: i32, parts: &[&str]) -> String {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{error}");
    assert!(error.starts_with("rtwasm: error: "), "{error}");
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    error
}

fn inspect(directory: &Path, artifact: &str) -> Value {
    serde_json::from_str(&succeeds(run(directory, &["inspect", artifact, "--json"]))).unwrap()
}

/// The artifact of `GUEST` as g.rtw, with its source as g.wat.
fn with_artifact(test: &str) -> PathBuf {
    let directory = directory(test);
    fs::write(directory.join("g.wat"), GUEST).unwrap();
    succeeds(run(&directory, &["compile", "g.wat", "-o", "g.rtw"]));
    directory
}

fn foreign_target() -> &'static str {
    if cfg!(target_arch = "x86_64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}

// ---- compile and inspect

#[test]
fn both_profiles_for_both_targets() {
    let directory = directory("both_profiles_for_both_targets");
    fs::write(directory.join("g.wat"), GUEST).unwrap();
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    for profile in ["standalone", "plugin"] {
        for target in [host.as_str(), foreign_target()] {
            let out = succeeds(run(&directory, &["compile", "g.wat", "-o", "g.rtw", "--profile", profile, "--target", target]));
            assert!(out.starts_with("g.rtw: 2 functions for "), "{out}");
            let told = inspect(&directory, "g.rtw");
            assert_eq!((told["profile"].as_str(), told["target"].as_str()), (Some(profile), Some(target)));
            assert_eq!(told["runs_here"]["ok"], target == host);
            if target != host {
                assert_eq!(told["runs_here"]["status"], "RTW_ERR_TARGET");
                let wanted = if target.starts_with("x86_64") { "x86-64-v2" } else { "aarch64" };
                assert_eq!(told["cpu_level"], wanted, "the default for another machine");
            }
        }
    }
}

#[test]
fn inspect_tells_everything_as_json() {
    let directory = with_artifact("inspect_tells_everything_as_json");
    let told = inspect(&directory, "g.rtw");
    let file = fs::read(directory.join("g.rtw")).unwrap();
    assert_eq!(told["file_bytes"], file.len());
    assert!(told["code_bytes"].as_u64().unwrap() < file.len() as u64);
    assert_eq!((&told["part"], told["parts"].as_array().unwrap().len()), (&1.into(), 1));
    let kinds: Vec<_> = told["sections"].as_array().unwrap().iter().map(|section| section["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reset image", "description", "metadata", "notes", "code"]);
    assert_eq!(told["envelope_version"], rtwasm::engine::artifact::VERSION);
    assert_eq!(told["engine"], rtwasm::engine::profile::ENGINE_VERSION);
    assert_eq!(told["producer"], concat!("rtwasm ", env!("CARGO_PKG_VERSION")));
    assert_eq!((told["opt_level"].as_str(), told["interruption"].as_str()), (Some("speed"), Some("guard")));
    assert_eq!(told["memory_reservation_bytes"], 4u64 << 30);
    assert_eq!(told["function_count"], 2);
    let import = serde_json::json!([{
        "kind": "func", "name": "log", "type": "(i32)->()", "module": "env", "provided_by": "rtw_imports_func",
    }]);
    assert_eq!(told["imports"], import);
    let exports: Vec<String> = told["exports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|export| {
            format!(
                "{} {} {}",
                export["kind"].as_str().unwrap(),
                export["name"].as_str().unwrap(),
                export["type"].as_str().unwrap()
            )
        })
        .collect();
    let expected = [
        "memory memory memory 1..4 pages",
        "global gain global mut f32",
        "table table table 3..3 funcref",
        "func process (i32,i32)->(f32)",
    ];
    assert_eq!(exports, expected);
    assert_eq!(told["memories"], serde_json::json!([{ "min_bytes": 65536, "max_bytes": 4 * 65536 }]));
    let hidden = serde_json::json!([
        { "kind": "memory", "index": 0, "type": "memory 1..4 pages" },
        { "kind": "table", "index": 0, "type": "table 3..3 funcref" },
        { "kind": "global", "index": 0, "type": "global mut f32" },
    ]);
    assert_eq!(told["hidden_exports"], hidden);
    assert_eq!(told["deterministic"], false);
    assert_eq!(told["source"]["bytes"], GUEST.len());
    let sum = Command::new("sha256sum").arg(directory.join("g.wat")).output().unwrap();
    assert_eq!(told["source"]["sha256"], text(&sum.stdout).split(' ').next().unwrap());
    assert_eq!(told["runs_here"], serde_json::json!({ "ok": true, "status": "RTW_OK", "number": 0, "message": "" }));
}

#[test]
fn inspect_tells_the_same_in_words() {
    let directory = with_artifact("inspect_tells_the_same_in_words");
    let told = inspect(&directory, "g.rtw");
    let words = succeeds(run(&directory, &["inspect", "g.rtw"]));
    let bytes = |key: &str| told[key].as_u64().unwrap();
    assert_eq!(bytes("guest_bytes"), 65536 + bytes("table_bytes") + bytes("global_bytes") + bytes("record_bytes"));
    assert_eq!((bytes("table_bytes"), bytes("global_bytes")), (3 * 8, 16));
    // The memory and the budget guard's, each with its guard pages.
    assert_eq!(bytes("address_space_bytes"), 2 * ((4u64 << 30) + (64 << 20)));
    for key in ["engine", "producer", "target", "profile", "opt_level", "interruption"] {
        assert!(words.contains(told[key].as_str().unwrap()), "{key} is not in {words}");
    }
    for part in [
        "runs here      yes",
        "env.log  func (i32)->()  the host has to provide it, with rtw_imports_func",
        "process  func (i32,i32)->(f32)",
        "gain  global mut f32",
        "65536 bytes, at most 262144",
        &format!("needs          {} bytes an instance, most for memories (65536)", told["guest_bytes"]),
        &format!("address space  {} bytes an instance", told["address_space_bytes"]),
    ] {
        assert!(words.contains(part), "{part:?} is not in {words}");
    }
    for feature in told["cpu_features"].as_array().unwrap() {
        assert!(words.contains(feature.as_str().unwrap().trim_start_matches("has_")), "{feature} is not in {words}");
    }
    succeeds(run(&directory, &["compile", "g.wat", "-o", "g.rtw", "--target", foreign_target()]));
    let words = succeeds(run(&directory, &["inspect", "g.rtw"]));
    assert!(words.contains("runs here      no: the artifact was made for") && words.contains("[RTW_ERR_TARGET]"), "{words}");
    let level = if foreign_target().starts_with("aarch64") { "aarch64" } else { "x86-64-v2" };
    assert!(words.contains(&format!("CPU features   {level}")), "{words}");
}

/// An import of each provider, growth, proposals, a reactor.
const ASKING: &str = r#"(module
    (import "env" "sinf" (func (param f32) (result f32)))
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "env" "abort" (func (param i32 i32 i32 i32)))
    (import "rtwasm" "rtw_log" (func (param i32 i32 i32)))
    (import "env" "table" (table 2 funcref))
    (import "env" "base" (global i32))
    (import "env" "blink" (func $blink (param i32)))
    (memory (export "memory") 1)
    (func (export "_initialize"))
    (func (export "more") (result i32) (drop (table.grow (ref.null func) (i32.const 1))) (memory.grow (i32.const 1)))
    (func (export "wide") (result v128) (v128.const i64x2 1 2)))"#;

#[test]
fn compile_and_inspect_tell_what_a_host_has_to_do() {
    let directory = directory("compile_and_inspect_tell_what_a_host_has_to_do");
    fs::write(directory.join("a.wat"), ASKING).unwrap();
    for profile in ["standalone", "plugin"] {
        let compiled = succeeds(run(&directory, &["compile", "a.wat", "-o", "a.rtw", "--profile", profile]));
        let words = succeeds(run(&directory, &["inspect", "a.rtw"]));
        for (subject, sentence) in [
            ("imports", "rtw_imports_libm provides sinf"),
            ("imports", "rtw_imports_wasi provides fd_write, abort"),
            ("imports", "the library's log provides rtw_log"),
            ("imports", "rtw_imports_table provides table"),
            ("imports", "rtw_imports_global provides base"),
            ("imports", "the host has to provide env.blink (i32)->(), with rtw_imports_func"),
            ("start", "a reactor: the library calls _initialize in each new guest, once (RTW_INITIALIZE_LEAVE: the host does)"),
            (
                "growth",
                "can grow its memory and table: refused once the instance is prepared, unless its growth is \
                 RTW_GROWTH_ALLOWED or, in the plugin profile, RTW_GROWTH_AHEAD",
            ),
            ("proposals", "uses reference-types, simd"),
        ] {
            assert!(compiled.contains(&format!("\n  {subject}: {sentence}\n")), "{sentence:?} is not in {compiled}");
            assert!(words.contains(&format!("\n  {subject:<14} {sentence}\n")), "{sentence:?} is not in {words}");
        }
        for line in ["env.sinf  func (f32)->(f32)  provided by rtw_imports_libm", "env.table  table 2.. funcref  provided by"] {
            assert!(words.contains(line), "{line:?} is not in {words}");
        }
        let told = inspect(&directory, "a.rtw");
        let providers: Vec<_> =
            told["imports"].as_array().unwrap().iter().map(|one| one["provided_by"].as_str().unwrap()).collect();
        let last = ["rtw_imports_table", "rtw_imports_global", "rtw_imports_func"];
        assert_eq!(providers[..4], ["rtw_imports_libm", "rtw_imports_wasi", "rtw_imports_wasi", "rtw_log"]);
        assert_eq!(providers[4..], last);
        let needs = serde_json::json!({
            "proposals": ["reference-types", "simd"], "grows_memory": true, "grows_tables": true, "starts_as": "reactor",
        });
        assert_eq!(told["needs"], needs);
    }
    // A module that asks for nothing but a call of its start.
    fs::write(directory.join("b.wat"), "(module (func (export \"_start\")))").unwrap();
    let compiled = succeeds(run(&directory, &["compile", "b.wat", "-o", "b.rtw"]));
    assert!(
        compiled.ends_with(" s\n  start: a command: the host calls _start once, and resets the instance to call it again\n")
    );
    let needs = serde_json::json!({ "proposals": [], "grows_memory": false, "grows_tables": false, "starts_as": "command" });
    assert_eq!(inspect(&directory, "b.rtw")["needs"], needs);
    assert_eq!(succeeds(run(&directory, &["compile", "-q", "a.wat", "-o", "a.rtw"])), "");
    // An import that nobody can provide is named.
    fs::write(directory.join("c.wat"), r#"(module (import "env" "kept" (global (mut funcref))) (func (export "f")))"#).unwrap();
    let output = run(&directory, &["compile", "c.wat", "-o", "c.rtw"]);
    let warning = text(&output.stderr);
    assert!(warning.contains("no host can create an instance: import \"env\" \"kept\" uses reference types"), "{warning}");
    let told = inspect(&directory, "c.rtw");
    assert_eq!(
        (&told["imports"][0]["provided_by"], &told["runs_here"]["status"]),
        (&Value::Null, &"RTW_ERR_UNSUPPORTED".into())
    );
    let words = succeeds(run(&directory, &["inspect", "c.rtw"]));
    assert!(words.contains("no host can provide kept: reference types cannot cross into C"), "{words}");
}

#[test]
fn odd_names_reach_a_terminal_escaped() {
    let directory = directory("odd_names_reach_a_terminal_escaped");
    fs::write(directory.join("g.wat"), r#"(module (func (export "a\1b[31m\n\"b") nop))"#).unwrap();
    succeeds(run(&directory, &["compile", "g.wat", "-o", "g.rtw"]));
    let words = succeeds(run(&directory, &["inspect", "g.rtw"]));
    assert!(words.contains(r#"a\u{1b}[31m\n\"b  func ()->()"#), "{words}");
    assert_eq!(inspect(&directory, "g.rtw")["exports"][0]["name"], "a\u{1b}[31m\n\"b");
}

#[test]
fn chosen_options_are_recorded() {
    let directory = directory("chosen_options_are_recorded");
    fs::write(directory.join("g.wat"), GUEST).unwrap();
    let told = |args: &[&str]| {
        succeeds(run(&directory, &[&["compile", "g.wat", "-o", "g.rtw"], args].concat()));
        inspect(&directory, "g.rtw")
    };
    for opt in ["none", "speed", "size"] {
        assert_eq!(told(&["--opt", opt])["opt_level"], opt);
    }
    for (budget, interruption) in [("off", "none"), ("epoch", "epoch"), ("fuel", "fuel"), ("guard", "guard")] {
        assert_eq!(told(&["--budget", budget])["interruption"], interruption);
    }
    assert_eq!(told(&[])["memory_reservation_bytes"], 4u64 << 30);
    let told_declared = told(&["--reservation", "declared"]);
    assert_eq!(told_declared["memory_reservation_bytes"], told_declared["memories"][0]["max_bytes"]);
    let baseline = told(&["--cpu", "baseline"]);
    assert_eq!((baseline["cpu_features"].as_array().unwrap().len(), &baseline["runs_here"]["ok"]), (0, &Value::Bool(true)));
    assert_eq!(told(&["--cpu", "native"]), told(&[]), "native is the default for this machine");
    assert_eq!(told(&["--deterministic"])["deterministic"], true);
    assert_eq!((&baseline["cpu_level"], told(&["--cpu", "sse3"])["cpu_level"].is_null()), (&Value::from("x86-64"), true));
    for (level, count) in [("x86-64-v2", 6), ("x86-64-v3", 12), ("x86-64-v4", 15)] {
        let told = told(&["--cpu", level]);
        assert_eq!((&told["cpu_level"], told["cpu_features"].as_array().unwrap().len()), (&Value::from(level), count));
    }
    assert_eq!(
        told(&["--target", "aarch64-unknown-linux-gnu", "--cpu", "lse"])["cpu_features"],
        serde_json::json!(["has_lse"])
    );
    let on_board = |cpu| told(&["--target", "aarch64-unknown-linux-gnu", "--cpu", cpu])["cpu_features"].clone();
    assert_eq!(on_board("cortex-a53"), serde_json::json!([]));
    assert_eq!(on_board("cortex-a72"), serde_json::json!([]));
    assert_eq!(on_board("cortex-a76"), serde_json::json!(["has_dotprod", "has_fp16", "has_lse"]));
    let x86 = told(&["--target=x86_64-unknown-linux-gnu", "--cpu=has_sse41,sse3"]);
    assert_eq!(x86["cpu_features"], serde_json::json!(["has_sse3", "has_sse41", "has_ssse3"]));
}

#[test]
fn a_declared_reservation_needs_a_declared_maximum() {
    let directory = directory("declared_reservation");
    fs::write(directory.join("g.wat"), "(module (memory (export \"memory\") 1))").unwrap();
    let refused = run(&directory, &["compile", "g.wat", "-o", "g.rtw", "--reservation", "declared"]);
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("needs a declared maximum"), "{text}");
}

#[test]
fn options_change_the_code_and_not_only_its_description() {
    let directory = directory("options_change_the_code");
    let simd = "(module (func (export \"f\") (param v128 v128) (result v128) local.get 0 local.get 1 f32x4.mul local.get 0 f32x4.add))";
    fs::write(directory.join("g.wat"), simd).unwrap();
    let code = |args: &[&str]| {
        succeeds(run(
            &directory,
            &[&["compile", "g.wat", "-o", "g.rtw", "--target", "x86_64-unknown-linux-gnu"], args].concat(),
        ));
        let bytes = fs::read(directory.join("g.rtw")).unwrap();
        rtwasm::engine::artifact::read(&bytes).unwrap().code.to_vec()
    };
    let baseline = code(&["--cpu", "baseline"]);
    assert_eq!(baseline, code(&["--cpu", "baseline", "--profile", "standalone"]));
    for other in [["--cpu", "avx2"], ["--profile", "plugin"], ["--opt", "none"], ["--budget", "epoch"], ["--budget", "off"]] {
        assert_ne!(baseline, code(&other), "{other:?}");
    }
}

#[test]
fn binary_text_and_standard_streams() {
    let directory = with_artifact("binary_text_and_standard_streams");
    let from_file = fs::read(directory.join("g.rtw")).unwrap();
    let piped = run_with_input(&directory, &["compile", "-", "-o", "-"], GUEST.as_bytes());
    assert!(piped.status.success());
    assert_eq!(piped.stdout, from_file, "the same text makes the same artifact, whichever way it comes and goes");
    let inspected = run_with_input(&directory, &["inspect", "-", "--json"], &from_file);
    assert_eq!(serde_json::from_slice::<Value>(&inspected.stdout).unwrap(), inspect(&directory, "g.rtw"));

    fs::write(directory.join("g.wasm"), wat::parse_str(GUEST).unwrap()).unwrap();
    succeeds(run(&directory, &["compile", "g.wasm", "-o", "binary.rtw"]));
    let (text, binary) = (inspect(&directory, "g.rtw"), inspect(&directory, "binary.rtw"));
    assert_eq!((&text["exports"], &text["code_bytes"]), (&binary["exports"], &binary["code_bytes"]));
    assert_ne!(text["source"], binary["source"]);
}

#[test]
fn the_same_input_makes_the_same_artifact() {
    let directory = directory("the_same_input_makes_the_same_artifact");
    // Enough functions for the compiling threads to finish in different orders.
    let functions: String = (0..300)
        .map(|i| {
            format!("(func (export \"f{i}\") (param i32) (result i32) local.get 0 i32.const {i} i32.mul local.get 0 i32.rem_u)")
        })
        .collect();
    fs::write(directory.join("g.wat"), format!("(module {functions})")).unwrap();
    let environments: [&[(&str, &str)]; 6] = [
        &[],
        &[],
        &[("WASMTIME_BACKTRACE_DETAILS", "1")],
        &[("WASMTIME_BACKTRACE_DETAILS", "0"), ("RUST_BACKTRACE", "1"), ("RUST_LOG", "trace")],
        &[("RAYON_NUM_THREADS", "1"), ("LANG", "C")],
        &[("HOME", "/nonexistent"), ("TZ", "Asia/Tokyo")],
    ];
    for profile in ["standalone", "plugin"] {
        let mut first = None;
        for environment in environments {
            let args = ["compile", "g.wat", "-o", "g.rtw", "--profile", profile];
            succeeds(rtwasm(&directory).args(args).envs(environment.iter().copied()).output().unwrap());
            let artifact = fs::read(directory.join("g.rtw")).unwrap();
            assert!(first.get_or_insert_with(|| artifact.clone()) == &artifact, "{profile} {environment:?}");
        }
        let bare =
            rtwasm(&directory).args(["compile", "g.wat", "-o", "g.rtw", "--profile", profile]).env_clear().output().unwrap();
        succeeds(bare);
        assert!(first.unwrap() == fs::read(directory.join("g.rtw")).unwrap(), "{profile} without any environment");
    }
}

#[test]
fn artifacts_load_whatever_the_environment_was() {
    // The engine takes the default of a setting that it compares on load from this variable.
    let directory = directory("artifacts_load_whatever_the_environment_was");
    fs::write(directory.join("g.wat"), "(module (func (export \"f\")))").unwrap();
    for value in ["0", "1"] {
        let args = ["compile", "g.wat", "-o", "g.rtw"];
        succeeds(rtwasm(&directory).args(args).env("WASMTIME_BACKTRACE_DETAILS", value).output().unwrap());
        let bytes = fs::read(directory.join("g.rtw")).unwrap();
        let artifact = rtwasm::engine::artifact::read(&bytes).unwrap();
        let engine = rtwasm::engine::profile::engine(&artifact.metadata.settings, 256 << 10).unwrap();
        // SAFETY: made a moment ago by this project's compiler.
        unsafe { wasmtime::Module::deserialize(&engine, &artifact.code) }.unwrap();
    }
}

#[test]
fn progress_is_for_those_who_ask() {
    let directory = with_artifact("progress_is_for_those_who_ask");
    let run = |flag: &[&str]| run(&directory, &[&["compile", "g.wat", "-o", "g.rtw"], flag].concat());
    let normal = run(&[]);
    assert_eq!(text(&normal.stderr), "", "nothing where standard error is no terminal");
    assert!(!normal.stdout.is_empty());
    let quiet = run(&["--quiet"]);
    assert_eq!((text(&quiet.stderr), text(&quiet.stdout)), (String::new(), String::new()));
    let verbose = text(&run(&["--verbose"]).stderr);
    let phases: Vec<&str> = verbose.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(phases, ["validating", "compiling", "writing"]);
    assert!(verbose.contains("compiling: 2 functions, "), "{verbose}");
}

// ---- what compile refuses

#[test]
fn modules_that_are_refused() {
    let directory = directory("modules_that_are_refused");
    let whole = wat::parse_str(GUEST).unwrap();
    let mut wrong_version = whole.clone();
    wrong_version[4] = 9;
    let invalid = wat::parse_str("(module (import \"a\" \"b\" (func)) (func $process (result i32) f32.const 1))").unwrap();
    let artifact = {
        fs::write(directory.join("g.wat"), GUEST).unwrap();
        succeeds(run(&directory, &["compile", "g.wat", "-o", "made.rtw"]));
        fs::read(directory.join("made.rtw")).unwrap()
    };
    let executable = fs::read(env!("CARGO_BIN_EXE_rtwasm")).unwrap();
    let exceptions = wat::parse_str("(module (tag $e) (func $f throw $e))").unwrap();
    let shared = wat::parse_str("(module (memory 1 1 shared))").unwrap();
    let component = wat::parse_str("(component)").unwrap();

    let cases: [(&str, &[u8], &[&str]); 13] = [
        ("empty", b"", &["RTW_ERR_WASM", "is empty"]),
        ("cut in the header", &whole[..6], &["RTW_ERR_WASM", "ends at byte 6"]),
        ("cut in the code", &whole[..whole.len() - 60], &["RTW_ERR_WASM", "at offset 0x"]),
        ("another version", &wrong_version, &["RTW_ERR_WASM", "version 9"]),
        (
            "a type error",
            &invalid,
            &["RTW_ERR_WASM", "type mismatch", "in function 1 \"process\" at offset 0x", "into its body"],
        ),
        ("exceptions", &exceptions, &["RTW_ERR_PROPOSAL", "exception handling", "in the tag section at offset 0x"]),
        ("a shared memory", &shared, &["RTW_ERR_PROPOSAL", "shared", "in the memory section"]),
        ("a component", &component, &["RTW_ERR_PROPOSAL", "component"]),
        ("an artifact", &artifact, &["RTW_ERR_WASM", "already an rtwasm artifact"]),
        ("an executable", &executable, &["RTW_ERR_WASM", "ELF"]),
        (
            "text with an error",
            b"(module\n  (func i32.addd))\n",
            &["RTW_ERR_WASM", "2:9: ", "\n 2 |   (func i32.addd))\n", "^"],
        ),
        ("no text at all", b"\xff\xd8\xff\xe0 picture", &["RTW_ERR_WASM", "ff d8 ff e0"]),
        ("prose", b"hello there", &["RTW_ERR_WASM", "not a WebAssembly module: it is text that begins with"]),
    ];
    for (what, bytes, parts) in cases {
        fs::write(directory.join("bad"), bytes).unwrap();
        let error = fails(run(&directory, &["compile", "bad", "-o", "bad.rtw"]), EXIT_ERROR, parts);
        assert!(error.starts_with("rtwasm: error: bad: RTW_ERR_"), "{what}: {error}");
        assert!(!directory.join("bad.rtw").exists(), "{what} left an output");
    }
}

#[test]
fn every_changed_byte_of_a_module_is_survived() {
    let directory = directory("every_changed_byte");
    let whole =
        wat::parse_str("(module (memory 1) (func $f (export \"f\") (param i32) (result i32) local.get 0 i32.load))").unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        let output = run_with_input(&directory, &["compile", "-", "-o", "out.rtw", "-q"], &changed);
        match output.status.code() {
            // A changed name or offset may be valid.
            Some(0) => {}
            _ => {
                refused += 1;
                fails(output, EXIT_ERROR, &["RTW_ERR_WASM"]);
            }
        }
    }
    assert!(refused > whole.len() / 2, "{refused} of {}", whole.len());
}

#[test]
fn files_that_cannot_be_read_or_written() {
    let directory = with_artifact("files_that_cannot_be_read_or_written");
    fails(run(&directory, &["compile", "missing.wasm", "-o", "x.rtw"]), EXIT_ERROR, &["missing.wasm: No such file"]);
    fails(run(&directory, &["compile", ".", "-o", "x.rtw"]), EXIT_ERROR, &["it is a directory, not a file"]);
    fails(run(&directory, &["compile", "g.wat", "-o", "missing/x.rtw"]), EXIT_ERROR, &["missing/x.rtw: No such file"]);
    fails(run(&directory, &["compile", "g.wat", "-o", "."]), EXIT_ERROR, &[]);
    fails(run(&directory, &["inspect", "missing.rtw"]), EXIT_ERROR, &["missing.rtw: No such file"]);
    fails(run(&directory, &["compile", "g.wat", "-o", "/dev/full"]), EXIT_ERROR, &["/dev/full: No space left"]);
}

#[test]
fn modules_beyond_a_limit() {
    let directory = with_artifact("modules_beyond_a_limit");
    for (option, value) in [
        ("--max-module-bytes", "10"),
        ("--max-functions", "1"),
        ("--max-nesting", "1"),
        ("--max-locals", "1"),
        ("--max-branches", "1"),
        ("--max-function-bytes", "5"),
        ("--max-time-ms", "1"),
    ] {
        let named = option[2..].replace('-', "_");
        let text = format!(
            "(module (func (local i32 i32) (block (block))) {})",
            "(func (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))".repeat(3000)
        );
        fs::write(directory.join("big.wat"), text).unwrap();
        let args = ["compile", "big.wat", "-o", "x.rtw", option, value];
        fails(run(&directory, &args), EXIT_ERROR, &["RTW_ERR_LIMIT", &named]);
        assert!(!directory.join("x.rtw").exists());
        for bad in ["0", "-1", "many", "99999999999999999999"] {
            fails(run(&directory, &["compile", "g.wat", "-o", "x.rtw", option, bad]), EXIT_USAGE, &[option]);
        }
    }
    fails(run(&directory, &["compile", "g.wat", "-o", "x.rtw", "--max-locals", "50001"]), EXIT_USAGE, &["50000"]);
}

#[test]
fn inputs_that_are_no_files_or_have_no_end() {
    let directory = with_artifact("inputs_that_are_no_files_or_have_no_end");
    assert!(Command::new("mkfifo").arg(directory.join("pipe")).status().unwrap().success());
    let _socket = UnixListener::bind(directory.join("socket")).unwrap();
    fs::File::create(directory.join("sparse")).unwrap().set_len(5 << 30).unwrap();
    fs::copy(directory.join("g.rtw"), directory.join("long.rtw")).unwrap();
    OpenOptions::new().write(true).open(directory.join("long.rtw")).unwrap().set_len(3 << 30).unwrap();
    let cases = [
        ("pipe", "pipe: it is a pipe, not a file: use -"),
        ("socket", "socket: it is a socket, not a file"),
        ("/dev/zero", "/dev/zero: it is a device, not a file"),
        ("sparse", "sparse: it is longer than 1024 MiB"),
    ];
    for (input, part) in cases {
        fails(run(&directory, &["compile", input, "-o", "x.rtw"]), EXIT_ERROR, &[part]);
        fails(run(&directory, &["inspect", input]), EXIT_ERROR, &[part]);
        fails(run(&directory, &["bench", input]), EXIT_ERROR, &[part]);
        fails(run(&directory, &["stats", input]), EXIT_ERROR, &[part]);
    }
    fails(run(&directory, &["inspect", "long.rtw"]), EXIT_ERROR, &["long.rtw: RTW_ERR_ARTIFACT", "bytes follow"]);
    let told = run(&directory, &["inspect", "long.rtw", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&told.stdout).unwrap()["error"]["status"], "RTW_ERR_ARTIFACT");
}

#[test]
fn the_input_is_never_overwritten() {
    let directory = with_artifact("the_input_is_never_overwritten");
    symlink("g.wat", directory.join("link.wat")).unwrap();
    fs::hard_link(directory.join("g.wat"), directory.join("hard.wat")).unwrap();
    for (input, output) in
        [("g.wat", "g.wat"), ("g.wat", "./g.wat"), ("g.wat", "link.wat"), ("link.wat", "g.wat"), ("g.wat", "hard.wat")]
    {
        fails(run(&directory, &["compile", input, "-o", output]), EXIT_ERROR, &["the output is the input"]);
        assert_eq!(fs::read_to_string(directory.join("g.wat")).unwrap(), GUEST);
    }
}

#[test]
fn an_output_appears_complete_or_not_at_all() {
    let directory = with_artifact("an_output_appears_complete_or_not_at_all");
    let before = fs::read(directory.join("g.rtw")).unwrap();
    fs::write(directory.join("bad.wat"), "(module").unwrap();
    fails(run(&directory, &["compile", "bad.wat", "-o", "g.rtw"]), EXIT_ERROR, &[]);
    assert_eq!(fs::read(directory.join("g.rtw")).unwrap(), before, "a failure leaves what was there");

    symlink("g.rtw", directory.join("link.rtw")).unwrap();
    succeeds(run(&directory, &["compile", "g.wat", "-o", "link.rtw", "--profile", "plugin"]));
    assert!(fs::symlink_metadata(directory.join("link.rtw")).unwrap().is_symlink(), "a link stays one");
    assert_eq!(inspect(&directory, "g.rtw")["profile"], "plugin");

    succeeds(run(&directory, &["compile", "g.wat", "-o", "/dev/null"]));
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device(), "a device stays one");

    let mut names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["bad.wat", "g.rtw", "g.wat", "link.rtw"], "nothing temporary stays");
}

// ---- what inspect refuses

#[test]
fn files_that_are_no_sound_artifact() {
    let directory = with_artifact("files_that_are_no_sound_artifact");
    let whole = fs::read(directory.join("g.rtw")).unwrap();
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let longer = [whole.as_slice(), b"\0"].concat();
    let cases: [(&str, Vec<u8>); 9] = [
        ("RTW_ERR_NOT_ARTIFACT", vec![]),
        ("RTW_ERR_NOT_ARTIFACT", b"(module)".to_vec()),
        ("RTW_ERR_NOT_ARTIFACT", b"\x7fELF".to_vec()),
        ("RTW_ERR_PLAIN_WASM", wat::parse_str(GUEST).unwrap()),
        ("RTW_ERR_TRUNCATED", whole[..20].to_vec()),
        ("RTW_ERR_TRUNCATED", whole[..whole.len() - 1].to_vec()),
        ("RTW_ERR_ENVELOPE_VERSION", changed(8)),
        ("RTW_ERR_DIGEST", changed(whole.len() - 1)),
        ("RTW_ERR_ARTIFACT", longer),
    ];
    for (status, bytes) in cases {
        fs::write(directory.join("bad.rtw"), bytes).unwrap();
        let error = fails(run(&directory, &["inspect", "bad.rtw"]), EXIT_ERROR, &[&format!("bad.rtw: {status}: ")]);
        let output = run(&directory, &["inspect", "bad.rtw", "--json"]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(EXIT_ERROR), String::new()));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["error"]["status"], status);
        assert!(told["error"]["number"].as_i64().unwrap() < 0);
        assert!(error.contains(told["error"]["message"].as_str().unwrap()), "{error}");
    }
}

// ---- usage

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    let directory = with_artifact("wrong_usage_has_a_status_of_its_own");
    let compile = ["compile", "g.wat", "-o", "x.rtw"];
    let with = |more: &[&'static str]| [&compile, more].concat();
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec![], "missing command"),
        (vec!["bake"], "bake"),
        (vec!["compile"], "missing input"),
        (vec!["compile", "g.wat"], "-o FILE"),
        (vec!["compile", "g.wat", "-o"], "-o"),
        (with(&["other.wat"]), "more than one input: g.wat and other.wat"),
        (with(&["-o", "y.rtw"]), "more than one output: x.rtw and y.rtw"),
        (with(&["--frobnicate"]), "--frobnicate"),
        (with(&["-z"]), "-z"),
        (with(&["--profile", "server"]), "standalone, plugin"),
        (with(&["--opt", "fast"]), "none, speed, size"),
        (with(&["--target", "wasm32-wasi"]), "aarch64-unknown-linux-gnu"),
        (with(&["--cpu", "warp"]), "\"warp\" is not known"),
        (with(&["--cpu", ""]), "expected baseline, native"),
        (with(&["--cpu", "native", "--target", foreign_target()]), "name the features"),
        (with(&["--budget", "soon"]), "guard, off, epoch, fuel"),
        (with(&["--quiet=yes"]), "--quiet"),
        (vec!["inspect"], "missing artifact"),
        (vec!["inspect", "g.rtw", "g.rtw"], "more than one artifact"),
        (vec!["inspect", "g.rtw", "--yaml"], "--yaml"),
    ];
    for (args, part) in cases {
        let error = fails(run(&directory, &args), EXIT_USAGE, &[part]);
        assert!(error.contains("Try `rtwasm ") && error.contains("--help`."), "{args:?}: {error}");
        assert!(!directory.join("x.rtw").exists(), "{args:?}");
    }
}

#[test]
fn help_and_version() {
    let directory = directory("help_and_version");
    let help = |args: &[&str]| succeeds(run(&directory, args));
    assert_eq!(
        help(&["--version"]),
        format!("rtwasm {} ({})\n", env!("CARGO_PKG_VERSION"), rtwasm::engine::profile::ENGINE_VERSION)
    );
    assert_eq!(help(&["-V"]), help(&["--version"]));
    assert_eq!(help(&["--help"]), help(&["help"]));
    for command in ["compile", "inspect"] {
        assert!(help(&["--help"]).contains(&format!("\n  {command} ")));
        let text = help(&[command, "--help"]);
        assert_eq!(text, help(&["help", command]));
        assert_eq!(text, help(&[command, "some.file", "-h"]));
        assert!(text.starts_with(&format!("rtwasm {command}: ")), "{text}");
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    }
}

/// The examples name features of this architecture.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_examples_in_the_help_work() {
    let directory = directory("the_examples_in_the_help_work");
    for name in ["gain", "control", "eq"] {
        fs::write(directory.join(format!("{name}.wat")), GUEST).unwrap();
        fs::write(directory.join(format!("{name}.wasm")), wat::parse_str(GUEST).unwrap()).unwrap();
    }
    fs::write(directory.join("reverb.dsp"), "process = _ * 0.5;").unwrap();
    let has_faust = Command::new("faust").arg("--version").output().is_ok();
    succeeds(run(&directory, &["keygen", "release"]));
    let mut examples = 0;
    for help in [&["--help"][..], &["compile", "--help"], &["inspect", "--help"], &["recompile", "--help"]] {
        let text = succeeds(run(&directory, help));
        let part = text.split("\nExample").nth(1).expect("every help text ends with examples");
        let lines = part.lines().filter_map(|line| line.strip_prefix("  rtwasm "));
        for line in lines.filter(|line| has_faust || !line.contains(".dsp")) {
            succeeds(run(&directory, &line.split_whitespace().collect::<Vec<_>>()));
            examples += 1;
        }
    }
    assert!(examples >= 7, "{examples}");
}
