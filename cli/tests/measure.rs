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
    let error = String::from_utf8(output.stderr).unwrap();
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
            (format!("{given} --warp"), "no option --warp"),
            (format!("{given} --scenario video"), "call, audio, periodic"),
            (format!("{given} --period 100"), "--scenario periodic"),
            (format!("{given} --scenario audio"), "calls process"),
            (format!("{given} --fifo 0"), "from 1 to 99"),
            (format!("{given} --processes many"), "whole number"),
            (format!("{command} g.wat --args i32:1"), "behind a --func"),
            (format!("{command} g.wat --func work --args 1"), "i32:5, i64:-1"),
            (format!("{command} g.wat"), "work (i32,f64)->(i64)"),
            (format!("{command} g.rtw {WORK} --opt none"), "--opt is settled in an artifact"),
        ] {
            fails(&directory, &line, 2, part);
        }
    }
    fails(&directory, "bench", 2, "no module given");
    fails(&directory, "bisect", 2, "no module given");
    fails(&directory, &format!("bench g.wat {WORK} --calls 0"), 2, "from 1 to");
    fails(&directory, &format!("bench g.wat {WORK} --seconds -1"), 2, "above 0");
    fails(&directory, &format!("bisect g.wat {WORK} --processes 5"), 2, "tell nothing");
    fails(&directory, &format!("bisect g.wat {WORK} --only weather"), 2, "the choices are optimisation, budget");
    fails(&directory, "report --compare a.json", 2, "two reports");
    fails(&directory, "report --include-module", 2, "no module given");
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
    fails(&directory, "bench g.wat --func fail --processes 1", 1, "a fresh process: ");
    fs::write(directory.join("a.json"), "{}").unwrap();
    fails(&directory, "report --compare a.json a.json", 1, "a.json: not a report of rtwasm");
    fails(&directory, "report --compare g.wat a.json", 1, "g.wat: not a report in JSON");
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
    // A buffer that is not in the memory is told, and not written to.
    let outside = EFFECT
        .replace("(i32.const 1024))\n    (func (export \"process\")", "(i32.const 65500))\n    (func (export \"process\")");
    fs::write(directory.join("outside.wat"), outside).unwrap();
    fails(&directory, "bench outside.wat --processes 0", 1, "the input buffer at 65500, of 128 frames, is not inside");
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
