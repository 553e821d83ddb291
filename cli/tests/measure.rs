//! `rtwasm bench`, `bisect` and `report` as built: options, results, failures. What they find out is tests/finding's affair.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const GUEST: &str = r#"(module
    (import "env" "number" (func $number (param f32) (result i64)))
    (memory (export "memory") 1 1)
    (global $ready (mut i32) (i32.const 0))
    (func (export "init") (param i32) (global.set $ready (local.get 0)))
    (func (export "work") (param i32 f64) (result i64)
        (if (i32.eqz (global.get $ready)) (then unreachable))
        (call $number (f32.const 1)))
    (func $fails (export "fail") unreachable))"#;

const EFFECT: &str = r#"(module
    (memory (export "memory") 1 1)
    (func (export "input") (param i32) (result i32) (i32.const 1024))
    (func (export "process") (param $frames i32)
        ;; No sound that is not there.
        (if (i32.eqz (i32.load (i32.const 1024))) (then (i32.store (i32.const 0) (local.get $frames))))))"#;

/// Traps if its second parameter is not 0.5, and if there is no sound in its first block after a reset.
const DESCRIBED: &str = r#"(module
    (@custom "rtw_guest" "{\"name\": \"G\", \"inputs\": 1, \"parameters\": [{\"id\": \"a\"}, {\"id\": \"b\", \"default\": 0.5}]}")
    (memory (export "memory") 1 1)
    (data (i32.const 16) "\40\00\00\00\00\00\00\00\48\00\00\00")
    (data (i32.const 64) "\00\10\00\00")
    (global $was_reset (mut i32) (i32.const 0))
    (func (export "rtw_init") (param f64 i32) (result i32) (i32.gt_s (local.get 1) (i32.const 256)))
    (func (export "rtw_io") (result i32) (i32.const 16))
    (func (export "rtw_reset") (global.set $was_reset (i32.const 1)))
    (func (export "rtw_process") (param i32)
        (if (f32.ne (f32.load (i32.const 76)) (f32.const 0.5)) (then unreachable))
        (if (i32.and (global.get $was_reset) (i32.eqz (i32.load (i32.const 0x1000)))) (then unreachable))
        (global.set $was_reset (i32.const 0))))"#;

fn directory(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("measure-{test}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("g.wat"), GUEST).unwrap();
    fs::write(path.join("effect.wat"), EFFECT).unwrap();
    path
}

fn run(directory: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtwasm"));
    command.args(line.split_whitespace()).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn succeeds(directory: &Path, line: &str) -> String {
    let output = run(directory, line);
    assert!(output.status.success(), "{line}: {:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(directory: &Path, line: &str) -> Value {
    serde_json::from_str(&succeeds(directory, line)).unwrap()
}

#[track_caller]
fn fails(directory: &Path, line: &str, exit: i32, part: &str) {
    let output = run(directory, line);
    let told = String::from_utf8(output.stderr).unwrap();
    // After warnings, and what the guest has printed.
    let error = told.find("rtwasm: error: ").map_or("", |at| &told[at..]);
    assert_eq!(output.status.code(), Some(exit), "{line}: {error}");
    assert!(error.starts_with("rtwasm: error: ") && error.contains(part), "{line}: {part:?} is not in {error:?}");
    assert_eq!(error.contains("Try `rtwasm "), exit == 2, "{error}");
}

const WORK: &str = "--before init --args i32:1 --func work --args i32:5,f64:0.5";

#[test]
fn wrong_usage_is_told() {
    let directory = directory("wrong_usage_is_told");
    succeeds(&directory, "compile g.wat -o g.rtw");
    for command in ["bench", "bisect", "report"] {
        let given = format!("{command} g.wat {WORK}");
        for (line, part) in [
            (format!("{given} more.wat"), "more than one module"),
            (format!("{given} --warp"), "unknown option --warp"),
            (format!("{given} --scenario video"), "call, audio, periodic"),
            (format!("{given} --period 100"), "--scenario periodic"),
            (format!("{given} --scenario audio"), "calls process"),
            (format!("{given} --fifo 0"), "from 1 to 99"),
            (format!("{given} --processes many"), "whole number"),
            (format!("{command} g.wat --args i32:1"), "follow a --func"),
            (format!("{command} g.wat --func work --args 1"), "i32:5, i64:-1"),
            (format!("{command} g.wat"), "work (i32,f64)->(i64)"),
            (format!("{command} g.rtw {WORK} --opt none"), "--opt is fixed in an artifact"),
        ] {
            fails(&directory, &line, 2, part);
        }
    }
    fails(&directory, "bench", 2, "missing module");
    fails(&directory, "bisect", 2, "missing module");
    fails(&directory, &format!("bench g.wat {WORK} --calls 0"), 2, "from 1 to");
    fails(&directory, &format!("bench g.wat {WORK} --seconds -1"), 2, "above 0");
    for few in [1, 5, 10] {
        fails(&directory, &format!("bisect g.wat {WORK} --processes {few}"), 2, "from 11 to 1000: fewer rounds prove nothing");
    }
    assert!(succeeds(&directory, "bisect --help").contains("or from 11 to 1000"), "the rule is in the help");
    fails(&directory, &format!("bisect g.wat {WORK} --only weather"), 2, "the settings are optimisation, budget");
    fails(&directory, "report --compare a.json", 2, "two reports");
    fails(&directory, "report --include-module", 2, "missing module");
    fails(&directory, "measure-fresh-process", 2, "for the command itself");
}

#[test]
fn failures_are_told() {
    let directory = directory("failures_are_told");
    for command in ["bench", "bisect", "report"] {
        let fast = "--processes 0";
        for (line, part) in [
            (format!("{command} not.there"), "not.there: No such file"),
            (format!("{command} g.wat --func fail {fast}"), "RTW_ERR_TRAP_UNREACHABLE: fail, in function 3 (fails): "),
            (format!("{command} g.wat --func work --args i32:1 {fast}"), "has type (i32,f64)->(i64); give its arguments"),
            (format!("{command} g.wat --func nothing {fast}"), "there is no export \"nothing\""),
            (format!("{command} g.wat --scenario audio {fast}"), "process(frames)"),
            (format!("{command} g.wat {WORK} --cpu 1000 {fast}"), "cannot pin the thread to CPU 1000"),
        ] {
            fails(&directory, &line, 1, part);
        }
    }
    fails(&directory, "bench g.wat --func fail --processes 1", 1, "RTW_ERR_TRAP_UNREACHABLE: fail, in function 3 (fails): ");
    fs::write(directory.join("a.json"), "{}").unwrap();
    fails(&directory, "report --compare a.json a.json", 1, "a.json: not a report of rtwasm");
    fails(&directory, "report --compare g.wat a.json", 1, "g.wat: this is a WebAssembly module in text form: `rtwasm compile`");
}

#[test]
fn bench_measures_what_it_is_told() {
    let directory = directory("bench_measures_what_it_is_told");
    let found = json(&directory, &format!("bench g.wat {WORK} --calls 300 --processes 2 --json"));
    assert_eq!(found["workload"], "work(i32:5,f64:0.5) after init(i32:1), back to back");
    assert_eq!((found["steady_ns"]["count"].as_u64(), found["warm_ns"]["count"].as_u64()), (Some(300), Some(64)));
    assert_eq!((found["processes"].as_u64(), found["setup"]["prepare"].as_bool()), (Some(2), Some(true)));
    for phase in ["process_start", "runtime", "load", "instance", "attach", "prepare", "first_cycle"] {
        assert!(found["cold"][format!("{phase}_ns")]["median"].as_f64().unwrap() > 0.0, "{phase} in {}", found["cold"]);
    }
    let figure = |of: &str, name: &str| found[of][name].as_f64().unwrap();
    for of in ["warm_ns", "steady_ns", "empty_ns"] {
        let ascending = ["p50", "p90", "p95", "p99", "p999", "max"].map(|name| figure(of, name));
        assert!(ascending[0] > 0.0 && ascending.is_sorted(), "{of}: {ascending:?}");
    }
    assert!(figure("empty_ns", "p50") < figure("steady_ns", "p50"), "nothing is faster than something");
    assert_eq!(found["evidence"]["allocations"], 0);

    let text =
        succeeds(&directory, &format!("bench g.wat {WORK} --func init --args i32:1 --calls 10 --processes 1 --unprepared"));
    for part in ["work(i32:5,f64:0.5), init(i32:1) after", "not prepared", "cold, in 1 fresh process", "suspects:", "empty"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains("  prepare  "), "what was not done has no figure: {text}");
}

#[test]
fn an_artifact_is_measured_like_its_module() {
    let directory = directory("an_artifact_is_measured_like_its_module");
    succeeds(&directory, "compile g.wat -o g.rtw --profile plugin --opt none --budget fuel");
    let found = json(&directory, &format!("bench g.rtw {WORK} --calls 50 --processes 0 --json"));
    assert_eq!([&found["profile"], &found["opt_level"], &found["budget"]], ["plugin", "none", "fuel"]);
    let suspects: Vec<&str> = found["suspects"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert!(suspects.contains(&"budget") && suspects.contains(&"unoptimised"), "{suspects:?}");
    let found = json(&directory, &format!("bisect g.rtw {WORK} --processes 0 --time 0.1 --json"));
    let names = |list: &str| -> Vec<String> {
        found[list].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(names("variants").contains(&"denormals flush".to_owned()), "{found}");
    assert!(names("skipped").contains(&"optimisation speed".to_owned()), "{found}");
}

#[test]
fn periods_are_kept_and_sound_goes_in() {
    let directory = directory("periods_are_kept_and_sound_goes_in");
    let line = format!("bench g.wat {WORK} --scenario periodic --period 500 --calls 40 --processes 0 --json");
    let found = json(&directory, &line);
    assert_eq!(found["response_ns"]["count"], 40);
    assert!(found["evidence"]["elapsed_ns"].as_u64().unwrap() >= 39 * 500_000);
    assert!(found["response_ns"]["p50"].as_f64() >= found["wake_up_ns"]["p50"].as_f64());
    let found = json(&directory, "bench effect.wat --block 32 --rate 96000 --calls 20 --processes 1 --json");
    assert_eq!(found["workload"], "process(i32:32), audio, 32 frames at 96000 Hz");
    // A buffer outside of the memory is reported, and not written to.
    let outside = EFFECT
        .replace("(i32.const 1024))\n    (func (export \"process\")", "(i32.const 65500))\n    (func (export \"process\")");
    fs::write(directory.join("outside.wat"), outside).unwrap();
    fails(&directory, "bench outside.wat --processes 0", 1, "the input buffer at 65500, of 128 frames, is not inside");
}

#[test]
fn a_described_guest_gets_sound_and_its_defaults() {
    let directory = directory("a_described_guest_gets_sound_and_its_defaults");
    let put = |name: &str, text: String| fs::write(directory.join(name), text).unwrap();
    put("described.wat", DESCRIBED.into());
    let text = |frames, rate| {
        format!("rtw_process(i32:{frames}) after rtw_init(f64:{rate},i32:{frames}), audio, {frames} frames at {rate} Hz")
    };
    let found = json(&directory, "bench described.wat --block 32 --rate 96000 --calls 20 --processes 1 --json");
    assert_eq!(found["workload"], text(32, 96_000));
    let found = json(&directory, "bisect described.wat --processes 0 --time 0.1 --only denormals --json");
    assert_eq!(found["workload"], text(128, 48_000));
    fails(&directory, "bench described.wat --block 300", 1, "the guest refuses: rtw_init(f64:48000,i32:300) returned 1");
    put("deaf.wat", DESCRIBED.replace("\\00\\10", "\\00\\20"));
    fails(&directory, "bench deaf.wat", 1, "RTW_ERR_TRAP_UNREACHABLE: rtw_process");
    put("default.wat", DESCRIBED.replace("default\\\": 0.5", "default\\\": 0.6"));
    fails(&directory, "bench default.wat", 1, "RTW_ERR_TRAP_UNREACHABLE: rtw_process");
    for (name, params) in [("outside.wat", "\\48\\00\\7f"), ("null.wat", "\\00\\00\\00")] {
        put(name, DESCRIBED.replace("\\48\\00\\00", params));
        fails(&directory, &format!("bench {name}"), 1, "rtw_io of the guest names a place outside its memory, or NULL");
    }
}

#[test]
fn bisect_tries_every_choice() {
    let directory = directory("bisect_tries_every_choice");
    let found = json(&directory, &format!("bisect g.wat {WORK} --processes 11 --time 0.1 --json"));
    let tried: Vec<&str> = found["variants"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    let skipped: Vec<&str> = found["skipped"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    for name in [
        "twin",
        "optimisation none",
        "optimisation size",
        "budget epoch",
        "budget fuel",
        "traps explicit (plugin)",
        "allocation pooling",
        "memory copy-on-write",
        "tables lazy",
        "prepare left out",
        "denormals flush",
    ] {
        assert!(tried.contains(&name), "{name} is not among {tried:?}; skipped: {}", found["skipped"]);
    }
    for name in ["budget off", "scheduling FIFO 50"] {
        assert!(tried.contains(&name) != skipped.contains(&name), "{name}: {tried:?} {skipped:?}");
    }
    for variant in found["variants"].as_array().unwrap() {
        let mean = &variant["mean"];
        let [low, median, high] = ["low", "median", "high"].map(|name| mean[name].as_f64().unwrap());
        assert!(low <= median && median <= high && low > 0.0, "{variant}");
        assert!(["faster", "slower", "within noise", "inconclusive"].contains(&mean["verdict"].as_str().unwrap()));
    }
    assert!(found["rounds"].as_u64().unwrap() >= 30 && found["processes"] == 11, "{found}");
    let twin = found["variants"].as_array().unwrap().iter().find(|v| v["name"] == "twin").unwrap();
    assert_eq!(twin["within_noise"], true, "what the twin does is what noise is: {twin}");
    let text = succeeds(&directory, &format!("bisect g.wat {WORK} --processes 0 --time 0.1 --only denormals,CPU"));
    assert!(text.contains("denormals flush") && text.contains("CPU pinned to ") && !text.contains("pooling"), "{text}");
}

#[test]
fn reports_go_where_they_shall() {
    let directory = directory("reports_go_where_they_shall");
    let measure = format!("g.wat {WORK} --seconds 0.05 --processes 1");
    let report = json(&directory, &format!("report {measure} --json --include-module"));
    assert_eq!(report["module"]["imports"][0], "func env.number (f32)->(i64)");
    assert_eq!(report["module"]["bytes"], GUEST.len());
    assert!(report["module"]["base64"].as_str().unwrap().starts_with("KG1vZHVsZQ"));
    assert!(report["doctor"]["verdicts"]["audio-128"].is_string() && report["machine"]["kernel"].is_string());
    succeeds(&directory, &format!("report {measure} -o r.md"));
    let markdown = fs::read_to_string(directory.join("r.md")).unwrap();
    for part in ["# rtwasm report\n", "\n## machine\n", "\n## doctor\n", "\n## module\n", "\n## figures\n", "| steady |"] {
        assert!(markdown.contains(part), "{part:?} is not in {markdown}");
    }
    assert!(!markdown.contains("base64"));
    succeeds(&directory, &format!("report {measure} -o r.json"));
    assert!(succeeds(&directory, "report --compare r.json r.json").starts_with("no difference; "));
    let machine_only = json(&directory, "report --json");
    assert!(machine_only["doctor"].is_object() && machine_only["figures"].is_null());
}

const GROWTH_STORY: &str = "was refused before, since the instance is prepared";
const PRINT: &str = "../tests/finding/guests/print.wasm";

/// `rtwasm ...` with the printing guest in place of MODULE.
fn printing(line: &str) -> String {
    line.replace("MODULE", &Path::new(env!("CARGO_MANIFEST_DIR")).join(PRINT).display().to_string())
}

const SHORT: &str = "--seconds 0.05 --processes 1 --json";

#[test]
fn a_libc_gets_answers_that_it_ends_on() {
    let directory = directory("a_libc_gets_answers_that_it_ends_on");
    for profile in ["standalone", "plugin"] {
        let bench = |line: &str| printing(&format!("bench MODULE --profile {profile} --before _initialize {line} {SHORT}"));
        let found = json(&directory, &bench("--func talk --args i32:1"));
        assert!(found["steady_ns"]["count"].as_u64().unwrap() > 0);
        assert!(found["imports"].as_str().unwrap().contains("fd_write"), "{found}");
        assert!(found["imports"].as_str().unwrap().ends_with("provided by rtw_imports_wasi"), "{found}");
        json(&directory, &bench("--func wait"));
        fails(
            &directory,
            &bench("--func leave --args i32:3"),
            1,
            "RTW_ERR_EXITED: leave: the guest ended itself with exit code 3",
        );
        fails(&directory, &bench("--func leave --args i32:0"), 1, "exit code 0: a command runs once");
    }
}

#[test]
fn what_a_guest_prints_is_shown() {
    let directory = directory("what_a_guest_prints_is_shown");
    for profile in ["standalone", "plugin"] {
        for (command, length) in
            [("bench", SHORT), ("report", SHORT), ("bisect", "--time 0.1 --processes 0 --only denormals --json")]
        {
            let told = |line: &str| {
                let output = run(&directory, &printing(&format!("{command} MODULE --profile {profile} {line} {length}")));
                assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8(output.stderr).unwrap()
            };
            let talk = told("--func talk --args i32:17");
            let count = |line: &str| talk.lines().filter(|told| told.ends_with(line)).count();
            assert_eq!(count("print.wasm: cycle 17"), 1, "each line once, with the guest's name: {talk}");
            assert_eq!(count("print.wasm: [warning] and to the other stream"), 1, "{talk}");
            assert!(!told("--func wait").contains("print.wasm: "), "one that prints nothing");
        }
    }
}

#[test]
fn what_only_a_host_has_is_stubbed_or_refused() {
    let directory = directory("what_only_a_host_has_is_stubbed_or_refused");
    for profile in ["standalone", "plugin"] {
        let bench = |how: &str| format!("bench g.wat {WORK} --profile {profile} {how} {SHORT}");
        assert_eq!(json(&directory, &bench(""))["imports"], "env.number (f32)->(i64) stubbed with zeros");
        assert_eq!(json(&directory, &bench("--missing zeros"))["setup"]["missing"], "Zeros");
        fails(&directory, &bench("--missing trap"), 1, "RTW_ERR_STUB: work");
        fails(&directory, &bench("--missing trap"), 1, "\"env\" \"number\"");
        fails(&directory, &bench("--missing refuse"), 1, "RTW_ERR_IMPORT_MISSING: import was not provided: \"env\" \"number\"");
        fails(&directory, &bench("--missing perhaps"), 2, "expected one of zeros, trap, refuse");
        // The library itself provides these, so they are never missing.
        fs::write(directory.join("sine.wat"), SINE).unwrap();
        let line = format!("bench sine.wat --profile {profile} --missing refuse --func ask {SHORT}");
        let found = json(&directory, &line);
        assert_eq!(
            found["imports"],
            "sinf provided by rtw_imports_libm; rtw_log provided by the library's log; memory provided by \
             rtw_imports_memory; base provided by rtw_imports_global"
        );
        let told = String::from_utf8(run(&directory, &line).stderr).unwrap();
        assert!(told.contains("sine.wat: hello"), "{told}");
    }
}

/// Traps if the sine is not that of the host's C library.
const SINE: &str = r#"(module
    (import "env" "sinf" (func $sinf (param f32) (result f32)))
    (import "env" "rtw_log" (func $log (param i32 i32 i32)))
    (import "env" "memory" (memory 1))
    (import "env" "base" (global $base i32))
    (data (i32.const 8) "hello")
    (func (export "ask")
        (call $log (i32.const 0) (i32.add (global.get $base) (i32.const 8)) (i32.const 5))
        (if (f32.ne (call $sinf (f32.const 0.5)) (f32.const 0x1.eaee88p-2)) (then unreachable))))"#;

/// Calls of WASI, of its earlier snapshot and of Emscripten's environment, each compared with a libc's expectation: a trap if it
/// differs.
#[test]
fn every_import_answers_as_its_libc_expects() {
    let directory = directory("every_import_answers_as_its_libc_expects");
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let guest = STUBBED.replace("MODULE", module);
        fs::write(directory.join("stubbed.wat"), &guest).unwrap();
        json(&directory, &format!("bench stubbed.wat --func ask {SHORT}"));
        // The twin: where an answer is not what is expected, it is seen.
        let twin = guest.replacen("(i32.const 11)", "(i32.const 12)", 1);
        assert_ne!(twin, guest);
        fs::write(directory.join("twin.wat"), twin).unwrap();
        fails(&directory, &format!("bench twin.wat --func ask {SHORT}"), 1, "RTW_ERR_TRAP_UNREACHABLE: ask");
    }
    fs::write(directory.join("emscripten.wat"), EMSCRIPTEN).unwrap();
    json(&directory, &format!("bench emscripten.wat --func ask {SHORT}"));
    fails(
        &directory,
        &format!("bench emscripten.wat --func give_up {SHORT}"),
        1,
        "RTW_ERR_ABORTED: give_up: the guest aborted",
    );
}

const STUBBED: &str = r#"(module
    (import "MODULE" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "MODULE" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "MODULE" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
    (import "MODULE" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
    (import "MODULE" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
    (import "MODULE" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
    (import "MODULE" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
    (import "MODULE" "random_get" (func $random_get (param i32 i32) (result i32)))
    (memory (export "memory") 1 1)
    (func $same (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then unreachable)))
    (func (export "ask")
        ;; Two pieces, of 5 and 6 bytes.
        (i32.store (i32.const 4) (i32.const 5)) (i32.store (i32.const 12) (i32.const 6))
        (call $same (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 64)) (i32.const 0))
        (call $same (i32.load (i32.const 64)) (i32.const 11))
        ;; No other file is open; nor is memory that is not there written to.
        (call $same (call $fd_write (i32.const 3) (i32.const 0) (i32.const 2) (i32.const 64)) (i32.const 8))
        (call $same (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 65534)) (i32.const 21))
        (call $same (call $fd_write (i32.const 1) (i32.const -8) (i32.const 9) (i32.const 64)) (i32.const 21))
        (call $same (call $fd_read (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 64)) (i32.const 0))
        (call $same (i32.load (i32.const 64)) (i32.const 0))
        ;; The libc looks for preopened folders until it is told that there is none.
        (call $same (call $fd_prestat_get (i32.const 3) (i32.const 64)) (i32.const 8))
        (call $same (call $fd_seek (i32.const 1) (i64.const 0) (i32.const 1) (i32.const 64)) (i32.const 70))
        (call $same (call $fd_fdstat_get (i32.const 1) (i32.const 64)) (i32.const 0))
        (call $same (i32.load8_u (i32.const 64)) (i32.const 2))
        (i32.store (i32.const 64) (i32.const 1))
        (call $same (call $environ_sizes_get (i32.const 64) (i32.const 68)) (i32.const 0))
        (call $same (i32.load (i32.const 64)) (i32.const 0))
        (call $same (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 64)) (i32.const 0))
        (if (i64.eqz (i64.load (i32.const 64))) (then unreachable))
        (i64.store (i32.const 64) (i64.const 0))
        (call $same (call $random_get (i32.const 64) (i32.const 8)) (i32.const 0))
        (if (i64.eqz (i64.load (i32.const 64))) (then unreachable))))"#;

const EMSCRIPTEN: &str = r#"(module
    (import "env" "abort" (func $abort))
    (import "env" "_emscripten_memcpy_js" (func $copy (param i32 i32 i32)))
    (import "env" "emscripten_get_now" (func $now (result f64)))
    (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
    (import "env" "__syscall_openat" (func $open (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1 1)
    (func (export "ask")
        (i64.store (i32.const 0) (i64.const 77))
        (call $copy (i32.const 64) (i32.const 0) (i32.const 8))
        (if (i64.ne (i64.load (i32.const 64)) (i64.const 77)) (then unreachable))
        (if (f64.le (call $now) (f64.const 0)) (then unreachable))
        (if (call $resize (i32.const 99999999)) (then unreachable))
        (if (i32.ge_s (call $open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0)) (then unreachable)))
    (func (export "give_up") (call $abort)))"#;

#[test]
fn what_does_not_end_is_ended() {
    let directory = directory("what_does_not_end_is_ended");
    let spin = "--func spin --args i32:1 --seconds 0.05 --limit 0.2";
    for command in ["bench", "report", "bisect"] {
        let line = if command == "bisect" { spin.replace("--seconds", "--time") } else { spin.to_owned() };
        for profile in ["standalone", "plugin"] {
            let line = printing(&format!("{command} MODULE {line} --profile {profile}"));
            // Without signals, the place is known once an instance is prepared.
            let place = if profile == "plugin" { "" } else { ", in function " };
            fails(&directory, &line, 1, &format!("RTW_ERR_BUDGET: spin{place}"));
            fails(&directory, &line, 1, "a call may take as long as --limit says");
            // Code that cannot be cut off: the process ends all the same.
            fails(&directory, &format!("{line} --budget off"), 1, "a call did not return");
            fails(&directory, &format!("{line} --budget off"), 1, "compiled with --budget guard, the command could cut it off");
        }
    }
    fails(&directory, &printing("bench MODULE --before spin --args i32:1 --func wait --limit 0.2"), 1, "RTW_ERR_BUDGET: spin");
    // Twin: what ends is not ended by it.
    json(&directory, &printing(&format!("bench MODULE --func spin --args i32:0 --limit 0.2 {SHORT}")));
}

#[test]
fn a_refused_growth_is_told_and_can_be_allowed() {
    let directory = directory("a_refused_growth_is_told_and_can_be_allowed");
    for profile in ["standalone", "plugin"] {
        for command in ["bench", "report"] {
            let line = printing(&format!(
                "{command} MODULE --profile {profile} --func hoard --args i32:400000 --seconds 0.05 --processes 0"
            ));
            fails(&directory, &line, 1, GROWTH_STORY);
            fails(&directory, &line, 1, "--growth allowed");
        }
        let line = format!("bench MODULE --profile {profile} --func hoard --args i32:400 --calls 200 --processes 1 --json");
        let found = json(&directory, &printing(&format!("{line} --growth allowed")));
        assert_eq!(found["setup"]["growth"], "Allowed");
        let ahead = printing(&format!("{line} --growth ahead:8000000"));
        if profile == "plugin" { drop(json(&directory, &ahead)) } else { fails(&directory, &ahead, 1, "plugin profile") }
    }
    let found = json(&directory, &format!("bisect g.wat {WORK} --processes 0 --time 0.1 --only growth --json"));
    let names: Vec<&str> = found["variants"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"growth allowed"), "{names:?}");
}

#[test]
fn addresses_come_from_the_guest() {
    let directory = directory("addresses_come_from_the_guest");
    let take = "--before malloc --args i32:4096 --as p --func process_frame --args";
    for (command, length) in
        [("bench", SHORT), ("report", SHORT), ("bisect", "--time 0.1 --processes 0 --only denormals --json")]
    {
        json(&directory, &printing(&format!("{command} MODULE {take} p,i32:128 {length}")));
        let output =
            run(&directory, &printing(&format!("{command} MODULE --func process_frame --args i32:65536,i32:8 {length}")));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.contains("rtwasm: warning: process_frame: its i32 arguments are numbers, and the module exports malloc"),
            "{told}"
        );
    }
    let found = json(&directory, &printing(&format!("bench MODULE {take} p+64,i32:128 {SHORT}")));
    assert_eq!(
        (found["warnings"].as_array().unwrap().len(), found["workload"].as_str().unwrap().contains("p = malloc(i32:4096)")),
        (0, true)
    );
    fails(&directory, &printing(&format!("bench MODULE {take} p,p,i32:128 {SHORT}")), 1, "has type (i32,i32)->(f32)");
    fails(&directory, &printing(&format!("bench MODULE {take} q,i32:128 {SHORT}")), 2, "no earlier --as defines this name");
    let two = "--before malloc --args i32:8 --as p,q --func wait";
    fails(&directory, &printing(&format!("bench MODULE {two} {SHORT}")), 1, "has 1 results");
}

#[test]
fn a_rack_survives_what_ends_a_host() {
    let directory = directory("rack");
    let found = json(&directory, "bench --rack 4 --seconds 0.05 --json");
    assert_eq!(found["effects"], 4);
    assert_eq!((&found["frames"], &found["period_ns"]), (&64.into(), &1_333_333.into()));
    let ways = found["ways"].as_array().unwrap();
    let names: Vec<&str> = ways.iter().map(|way| way["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["host functions", "rtwasm slots", "processes"]);
    for way in ways {
        assert_eq!(way["effects"], 4);
        assert_eq!(way["run"]["block_ns"]["count"], found["periods"], "{way}");
        assert!(way["run"]["cpu_share"].as_f64().unwrap() > 0.0, "{way}");
    }
    let fault = |way: usize, fault: &str| {
        let faults = ways[way]["faults"].as_array().unwrap();
        faults.iter().find(|found| found["fault"] == fault).unwrap().clone()
    };
    // A function of the host takes the host with it.
    assert!(fault(0, "loop")["outcome"].as_str().unwrap().starts_with("the host hangs"));
    assert_eq!(fault(0, "trap")["outcome"], "the host ends by signal 11");
    for deed in ["loop", "trap"] {
        assert_eq!(fault(0, deed)["host_goes_on"], false);
        // A spare takes over; a process is lost for the remaining 180 periods.
        let missed = |way: usize| fault(way, deed)["unserved_blocks_of_the_faulty"].as_u64().unwrap();
        assert!((1..180).contains(&missed(1)), "{deed}: {}", missed(1));
        assert!(missed(2) >= 180, "{deed}: {}", missed(2));
        assert!([1, 2].iter().all(|way| fault(*way, deed)["host_goes_on"] == true), "{deed}");
    }
    let text = succeeds(&directory, "bench --rack 2 --seconds 0.01 --block 128 --rate 44100 --profile plugin");
    assert!(text.contains("rack of 2 effects") && text.contains("one effect never returns"), "{text}");

    fails(&directory, "bench g.wat --rack 4", 2, "MODULE: a rack has effects of its own");
    fails(&directory, "bench --rack 4 --func work", 2, "--func: a rack has effects of its own");
    fails(&directory, "bench --rack 0", 2, "from 1 to 4096");
    fails(&directory, "bench --rack 4 --block 8193", 2, "at most 8192 frames");
}

#[test]
fn exports_are_listed_when_asked_for() {
    let directory = directory("exports_are_listed_when_asked_for");
    let many: String = (0..3000).map(|n| format!("(func (export \"f{n}\") (param i32))")).collect();
    fs::write(directory.join("many.wat"), format!("(module {many})")).unwrap();
    succeeds(&directory, "compile many.wat -o many.rtw");
    for command in ["bench", "bisect", "report"] {
        let told = String::from_utf8(run(&directory, &format!("{command} many.wat")).stderr).unwrap();
        assert!(told.len() < 500 && told.contains("f7 (i32)->() and 2992 more (--list prints them all)"), "{told}");
        let told = String::from_utf8(run(&directory, &format!("{command} many.rtw --func g --args i32:0")).stderr).unwrap();
        assert!(told.len() < 500 && told.contains("f7 and 2992 more"), "{told}");
        assert_eq!(succeeds(&directory, &format!("{command} many.rtw --list")).lines().count(), 3000);
    }
}

/// Bounds in the help are those in the refusals.
#[test]
fn every_bound_is_in_the_help_and_in_the_refusal() {
    let directory = directory("every_bound_is_in_the_help_and_in_the_refusal");
    for command in ["bench", "bisect", "report"] {
        let help = succeeds(&directory, &format!("{command} --help"));
        let entry = |option: &str| {
            let text = help
                .split(&format!("\n  {option} "))
                .nth(1)
                .unwrap_or_else(|| panic!("{option} is not in the help of {command}"));
            text.split("\n  -").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let counts = [("--block", 1, 65536), ("--rate", 1000, 768000), ("--cpu", 0, 1023), ("--fifo", 1, 99)];
        for (option, least, most) in counts {
            assert!(entry(option).contains(&format!("from {least} to {most}")), "{command} {option}: {}", entry(option));
            for outside in [least - 1, most + 1] {
                let line = format!("{command} g.wat {option} {outside}");
                fails(&directory, &line, 2, &format!("expected a whole number from {least} to {most}"));
            }
        }
        let positive =
            if command == "bisect" { ["--time", "--period", "--limit"] } else { ["--seconds", "--period", "--limit"] };
        for option in positive {
            assert!(entry(option).contains("above 0 and at most 1000000000"), "{command} {option}: {}", entry(option));
            for outside in ["0", "-1", "1000000001", "nan"] {
                fails(&directory, &format!("{command} g.wat {option} {outside}"), 2, "above 0 and at most 1000000000");
            }
        }
        assert!(entry("--processes").contains("1000"), "{}", entry("--processes"));
        fails(&directory, &format!("{command} g.wat {WORK} --processes 1001"), 2, "1000");
    }
}

/// Each of our files, given to each command that takes another.
#[test]
fn a_file_of_another_kind_is_named() {
    let directory = directory("a_file_of_another_kind_is_named");
    succeeds(&directory, "compile g.wat -o g.rtw");
    fs::write(directory.join("g.wasm"), wat::parse_str(GUEST).unwrap()).unwrap();
    fs::write(directory.join("statistics.json"), r#"{"format": "rtwasm-statistics", "version": 1}"#).unwrap();
    succeeds(&directory, "report -o report.json");
    succeeds(&directory, "report -o report.md");
    fs::write(directory.join("bench.json"), succeeds(&directory, &format!("bench g.wat {WORK} {SHORT}"))).unwrap();
    let doctor = run(&directory, "doctor --json").stdout;
    fs::write(directory.join("doctor.json"), doctor).unwrap();
    fs::write(directory.join("page.html"), "<!DOCTYPE html>\n<html></html>").unwrap();
    let kinds = [
        ("g.rtw", "artifact"),
        ("g.wasm", "module"),
        ("g.wat", "module"),
        ("statistics.json", "`rtwasm stats` shows"),
        ("report.json", "`rtwasm report --compare` compares two"),
        ("report.md", "`rtwasm report --compare` reads two in JSON"),
        ("bench.json", "`rtwasm bench --json`"),
        ("doctor.json", "`rtwasm doctor --json`"),
        ("page.html", "a page"),
    ];
    let takes: [(&str, &[&str]); 6] = [
        ("compile FILE -o out.rtw", &["g.wasm", "g.wat"]),
        ("inspect FILE", &["g.rtw"]),
        ("bench FILE", &["g.rtw", "g.wasm", "g.wat"]),
        ("bisect FILE", &["g.rtw", "g.wasm", "g.wat"]),
        ("stats FILE", &["statistics.json"]),
        ("report --compare FILE FILE", &["report.json"]),
    ];
    for (command, taken) in takes {
        for (file, part) in kinds.iter().filter(|(file, _)| !taken.contains(file)) {
            fails(&directory, &command.replace("FILE", file), 1, part);
        }
    }
}

/// The command reports imports that no host can provide before any instance is created.
#[test]
fn what_cannot_be_imported_is_told_early() {
    let directory = directory("what_cannot_be_imported_is_told_early");
    for (import, part) in [
        (r#"(import "env" "g" (global funcref))"#, "uses reference types"),
        (r#"(import "env" "f" (func (param funcref)))"#, "uses reference types"),
    ] {
        fs::write(directory.join("i.wat"), format!("(module {import} (func (export \"f\")))")).unwrap();
        let output = run(&directory, "compile i.wat -o i.rtw");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && told.starts_with("rtwasm: warning: i.wat: no host can create an instance: "),
            "{told}"
        );
        assert!(told.contains(part), "{part:?} is not in {told:?}");
        assert!(run(&directory, "compile -q i.wat -o i.rtw").stderr.is_empty());
        assert!(succeeds(&directory, "inspect i.rtw").contains("runs here      no: import "));
        let inspected = json(&directory, "inspect i.rtw --json");
        assert_eq!((inspected["runs_here"]["ok"].as_bool(), inspected["imports"].is_array()), (Some(false), true));
        fails(&directory, "bench i.rtw --processes 0", 1, part);
    }
    // Twin: functions can be provided.
    succeeds(&directory, "compile g.wat -o g.rtw");
    assert!(run(&directory, "compile g.wat -o g.rtw").stderr.is_empty());
    assert!(succeeds(&directory, "inspect g.rtw").contains("runs here      yes"));
}

#[test]
fn helps_are_complete() {
    let directory = directory("helps_are_complete");
    for command in ["bench", "bisect", "report"] {
        let text = succeeds(&directory, &format!("{command} --help"));
        assert!(text.starts_with(&format!("rtwasm {command}: ")) && text.contains("\nExamples:\n"), "{text}");
        assert!(
            text.lines().all(|line| line.len() <= 120),
            "{:?}",
            text.lines().filter(|line| line.len() > 120).collect::<Vec<_>>()
        );
        assert!(succeeds(&directory, "--help").contains(&format!("\n  {command} ")));
    }
}
