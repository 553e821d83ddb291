use wasmtime::{Config, Engine, Instance, Module, Store, Val};

use super::*;
use crate::validate;
use rtwasm::engine::artifact::original_offset;
use rtwasm::engine::profile::{DEFAULT_GUEST_STACK_BYTES, Settings, engine};

const PROFILES: [Profile; 2] = [Profile::Standalone, Profile::Plugin];

fn guarded(text: &str, profile: Profile) -> (Vec<u8>, Guarded) {
    let module = wat::parse_str(text).unwrap();
    let checked = validate::module(&module).unwrap();
    let guarded = insert(&module, &checked, profile, &[]).unwrap();
    validate::module(&guarded.module).unwrap_or_else(|error| panic!("{}: {text}", error.message));
    (module, guarded)
}

fn polls(text: &str) -> usize {
    let (module, guarded) = guarded(text, Profile::Standalone);
    let types = validate::module(&module).unwrap().types;
    let polls = Poll::new(Profile::Standalone, types.as_ref().memory_count());
    let poll = polls.alone();
    guarded.module.windows(poll.len()).filter(|window| *window == poll).count()
}

#[test]
fn polls_stand_at_loops_and_where_calls_go_round() {
    for (text, expected) in [
        ("(module)", 0),
        ("(module (func nop))", 0),
        // Nothing goes back to the beginning.
        ("(module (func loop end))", 0),
        ("(module (func loop br 0 end))", 1),
        ("(module (func loop loop br 0 end end) (func loop block br 1 end end))", 2),
        // Each turn of the outer loop passes the inner one's poll, or some do not.
        ("(module (func (param i32) loop loop local.get 0 br_if 0 end local.get 0 br_if 0 end))", 1),
        (
            "(module (func (param i32) loop block local.get 0 br_if 0 loop local.get 0 br_if 0 end end local.get 0 br_if 0 end))",
            2,
        ),
        ("(module (func (param i32) loop local.get 0 if loop local.get 0 br_if 0 end end local.get 0 br_if 0 end))", 2),
        (
            "(module (func (param i32) loop local.get 0 if loop local.get 0 br_if 0 end else loop local.get 0 br_if 0 end end
                local.get 0 br_if 0 end))",
            2,
        ),
        // A poll in a loop that came before is none of this turn.
        (
            "(module (func (param i32) loop loop local.get 0 br_if 0 end loop local.get 0 if loop local.get 0 br_if 0 end end
                local.get 0 br_if 0 end local.get 0 br_if 0 end))",
            3,
        ),
        ("(module (func (param i32) loop local.get 0 br_table 1 0 end))", 1),
        ("(module (memory 1) (memory 1) (func loop (result i32) i32.const 1 br_if 0 i32.const 1 end drop))", 1),
        ("(module (func $f call $f))", 1),
        ("(module (func $f call $g) (func $g call $h) (func $h nop))", 0),
        ("(module (func $f call $g) (func $g call $h) (func $h call $f) (func call $f))", 3),
        ("(module (func $f return_call $g) (func $g return_call $f))", 2),
        // Through a table, where the types are equal, by another index too.
        (
            "(module (type $t (func)) (type $u (func)) (table 1 funcref) (elem (i32.const 0) $f)
                (func $f i32.const 0 call_indirect (type $u)))",
            1,
        ),
        (
            "(module (type $u (func (param i32))) (table 1 funcref) (elem (i32.const 0) $f)
                (func $f i32.const 0 i32.const 0 call_indirect (type $u)))",
            0,
        ),
        (
            "(module (type $t (func)) (table 1 funcref) (elem declare func $f)
                (func $f i32.const 0 ref.func $f table.set i32.const 0 return_call_indirect (type $t)))",
            1,
        ),
    ] {
        assert_eq!(polls(text), expected, "{text}");
    }
}

#[test]
fn loops_of_few_known_turns_have_no_poll() {
    // Longer than what is unrolled around a poll.
    let work = "nop ".repeat(100);
    let counted = |before: &str, inside: &str, change: &str, until: &str| {
        polls(&format!(
            "(module (func $f) (func (param i32) (local i32) {before} loop $l {work} {inside} {change} {until} br_if $l end))"
        ))
    };
    let start = "i32.const 0 local.set 1";
    let change = "local.get 1 i32.const 4 i32.add local.tee 1";
    let until = "i32.const 64 i32.ne";
    for (before, inside, change, until) in [
        (start, "", change, until),
        (start, "", change, "i32.const 61 i32.lt_u"),
        ("i32.const -100 local.set 1", "", change, "i32.const -3 i32.lt_s"),
        ("i32.const -64 local.set 1", "", change, ""),
        ("i32.const 16 local.set 1", "", "local.get 1 i32.const 1 i32.sub local.tee 1", ""),
        (start, "local.get 1 i32.const 4 i32.add local.set 1 nop", "local.get 1", until),
        // Blocks between the start and the loop.
        ("i32.const 0 local.set 1 block local.get 0 br_if 0 end local.get 0 if nop else nop end", "", change, until),
        // Another way out.
        (start, "local.get 0 if return end", change, until),
    ] {
        assert_eq!(counted(before, inside, change, until), 0, "{before} {inside} {change} {until}");
    }
    let within = |around: &str, ends: &str| {
        let text = format!("i32.const 0 local.set 1 {around} loop {work} {change} {until} br_if 0 end {ends}");
        polls(&format!("(module (func (param i32) (local i32) {text}))"))
    };
    assert_eq!(within("block local.get 0 if", "end end"), 0);
    // Each turn of the loop around begins where the one before has ended; the inner loop's poll covers it.
    assert_eq!(within("loop", "local.get 0 br_if 0 end"), 1);
    assert_eq!(within("local.get 0 if nop else", "end"), 1);
    for (before, inside, change, until) in [
        // An unknown start: none, a parameter, one that may be passed over, one for the first turn around only.
        ("", "", change, until),
        ("local.get 0 local.set 1", "", change, until),
        ("i32.const 0 local.set 1 local.get 0 if i32.const 2 local.set 1 end", "", change, until),
        ("block local.get 0 br_if 0 i32.const 0 local.set 1 end", "", change, until),
        // Turns that pass the end, or that are too many; operands in another order.
        (start, "", change, "i32.const 63 i32.ne"),
        (start, "local.get 1 i32.const 4 i32.add local.set 1", "i32.const 64 local.get 1", "i32.ne"),
        (start, "", change, "i32.const -1 i32.lt_u"),
        (start, "", "local.get 1 i32.const -4 i32.add local.tee 1", "i32.const 64 i32.lt_s"),
        (start, "", "local.get 1 i32.const 0 i32.add local.tee 1", "i32.const 64 i32.lt_u"),
        (start, "", change, "i32.const 4000 i32.ne"),
        // A counter that something else changes, or that does not change in each turn.
        (start, "local.get 0 local.set 1", change, until),
        (start, "local.get 0 if local.get 1 i32.const 4 i32.add local.set 1 end", "local.get 1", until),
        (start, "", "local.get 1 local.get 0 i32.add local.tee 1", until),
        (start, "", "local.get 0 i32.const 4 i32.add local.tee 1", until),
        (start, "", "local.get 1 local.get 1 i32.const 4 i32.add local.set 1", until),
        // Another way back; a call; an operation that takes as long as its operand says.
        (start, "local.get 0 br_if $l", change, until),
        (start, "call $f", change, until),
    ] {
        assert_eq!(counted(before, inside, change, until), 1, "{before} {inside} {change} {until}");
    }
}

#[test]
fn turns_without_a_poll_add_up() {
    let counter = "local.get 1 i32.const 1 i32.add local.tee 1";
    // Each of these loops runs for nearly half a stretch.
    let counted = |turns: u64| {
        format!("i32.const 0 local.set 1 loop {} {counter} i32.const {turns} i32.ne br_if 0 end ", "nop ".repeat(200))
    };
    let turns = STRETCH / 2 / 210;
    let in_a_row = |count: usize| polls(&format!("(module (func (param i32) (local i32) {}))", counted(turns).repeat(count)));
    assert_eq!(in_a_row(2), 0);
    // One at the entry, and one before every second loop.
    assert!((10..=12).contains(&in_a_row(20)), "{}", in_a_row(20));
    // Within each other they are as long as their product.
    let nested = |outer: u64| {
        format!(
            "(module (func (param i32) (local i32 i32) i32.const 0 local.set 2 loop {} local.get 2 i32.const 1 i32.add local.tee 2
                i32.const {outer} i32.ne br_if 0 end))",
            counted(10)
        )
    };
    assert_eq!((polls(&nested(10)), polls(&nested(100))), (0, 1));
    // A recursion that unwinds.
    let unwinding = format!("(module (func $f (param i32) (local i32) local.get 0 if local.get 0 call $f {} end))", counted(3));
    assert_eq!(polls(&unwinding), 2);
    // One that unwinds into the next turn of a loop that has no poll of its own, and leaves it there.
    let calling = |callee: &str| {
        polls(&format!(
            "(module (func $other (param i32)) (func $f (param i32) block loop local.get 0 br_if 1 loop local.get 0 br_if 0 end
                local.get 0 call {callee} br 0 end end))"
        ))
    };
    assert_eq!((calling("$f"), calling("$other")), (3, 1));
    // Long code around a loop whose poll ends each turn of the loop around it.
    let around = |nops: u64| {
        let nops = "nop ".repeat(nops as usize);
        polls(&format!("(module (func (param i32) loop {nops} loop local.get 0 br_if 0 end {nops} local.get 0 br_if 0 end))"))
    };
    assert_eq!(around(1000), 1);
    assert!(around(STRETCH / 2 + 1000) > 1);
}

#[test]
fn calls_that_add_up_are_polled() {
    // Without a loop and without a circle, and yet 4^12 calls: each function calls the next four times.
    let mut text = String::from("(module (func $f0 nop)");
    for level in 1..=12 {
        let below = level - 1;
        text += &format!("(func $f{level} call $f{below} call $f{below} call $f{below} call $f{below})");
    }
    let polls = polls(&(text + ")"));
    assert!((1..=4).contains(&polls), "{polls}");
}

/// The number of a module's instructions.
fn instructions(module: &[u8]) -> usize {
    let count = |payload: wasmparser::Result<Payload<'_>>| match payload.unwrap() {
        Payload::CodeSectionEntry(body) => body.get_operators_reader().unwrap().into_iter().count(),
        _ => 0,
    };
    Parser::new(0).parse_all(module).map(count).sum()
}

/// Makes as many calls through one table as it has functions, all of one type; the calls cannot, or can, lead back to their caller.
fn calls_through_one_table(count: usize, circular: bool) -> String {
    let call = "i32.const 0 call_indirect (type $t)\n";
    let caller = if circular { "(type $t)" } else { "(param i32)" };
    format!(
        "(module (type $t (func)) (table {count} funcref) (elem (i32.const 0) func {}) (func {caller} {}) {})",
        (0..count).map(|nth| format!("{} ", if circular { nth } else { nth + 1 })).collect::<String>(),
        call.repeat(count),
        "(func (type $t))\n".repeat(count)
    )
}

#[test]
fn what_is_put_in_grows_with_the_module_and_no_faster() {
    for circular in [false, true] {
        for profile in PROFILES {
            let put_in = |count: usize| {
                let (module, guarded) = guarded(&calls_through_one_table(count, circular), profile);
                instructions(&guarded.module) - instructions(&module)
            };
            let (few, many) = (put_in(10_000), put_in(50_000));
            assert!(many <= 5 * few + 50, "{few} instructions are put into 10,000 functions, {many} into 50,000");
        }
    }
}

#[test]
fn long_straight_code_is_polled() {
    let nops = "nop ".repeat(2 * STRETCH as usize + 100);
    // At its entry, since it is long, and on its way.
    assert_eq!(polls(&format!("(module (func {nops}))")), 3);
    let fills = "i32.const 0 i32.const 0 local.get 0 memory.fill ".repeat(3);
    assert!(polls(&format!("(module (memory 100) (func (param i32) {fills}))")) > 3);
}

#[test]
fn everything_else_stays_as_it_is() {
    let text = r#"(module $named
        (type $t (func (param i32) (result i32)))
        (import "env" "f" (func $imported (param i32)))
        (memory (export "memory") 1 2)
        (global $g (mut i32) (i32.const 7))
        (export "run" (func $run))
        (start $init)
        (func $init nop)
        (func $run (type $t) (local $counter i32)
            (loop $again
                (local.set $counter (i32.add (local.get $counter) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $counter) (local.get 0))))
            (local.get $counter))
        (data (i32.const 0) "abc")
        (@custom "mine" (after last) "content"))"#;
    for profile in PROFILES {
        let (module, guarded) = guarded(text, profile);
        let custom = |module: &[u8]| -> Vec<Vec<u8>> {
            Parser::new(0)
                .parse_all(module)
                .filter_map(|payload| match payload.unwrap() {
                    Payload::CustomSection(section) => Some([section.name().as_bytes(), section.data()].concat()),
                    Payload::ExportSection(section) => Some(module[section.range()].to_vec()),
                    Payload::ImportSection(section) => Some(module[section.range()].to_vec()),
                    Payload::DataSection(section) => Some(module[section.range()].to_vec()),
                    _ => None,
                })
                .collect()
        };
        assert_eq!(custom(&module), custom(&guarded.module));
        assert_eq!(custom(&module).len(), 5);
    }
}

#[test]
fn a_module_without_memory_or_anything_after_it_gets_its_memory_in_place() {
    for text in [
        "(module)",
        "(module (type (func)))",
        r#"(module (import "env" "f" (func)) (func loop end))"#,
        "(module (table 1 funcref) (global i32 (i32.const 0)) (func loop end))",
        r#"(module (import "env" "m" (memory 1)) (func loop end) (data (i32.const 0) "x"))"#,
        "(module (@custom \"first\" (before first) \"x\") (func loop end))",
        "(module (func) (elem declare func 0) (data \"x\"))",
    ] {
        for profile in PROFILES {
            guarded(text, profile);
        }
    }
}

#[test]
fn offsets_lead_back_to_the_module_that_was_given() {
    let text = r#"(module (memory 1)
        (func (local i32) loop loop i32.const 1 br_if 0 f64.const 7 drop end end unreachable)
        (func (param i32) i32.const 0 i32.const 1 local.get 0 memory.fill loop end unreachable))"#;
    let operators = |module: &[u8]| -> Vec<(String, u32)> {
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                for operator in body.get_operators_reader().unwrap().into_iter_with_offsets() {
                    let (operator, offset) = operator.unwrap();
                    found.push((format!("{operator:?}"), offset as u32));
                }
            }
        }
        found
    };
    for profile in PROFILES {
        let (module, guarded) = guarded(text, profile);
        let original = operators(&module);
        // The original place of each instruction is that of itself, or of one it was inserted before; every original place occurs.
        let mut found = std::collections::BTreeSet::new();
        for (operator, offset) in operators(&guarded.module) {
            let back = original_offset(guarded.edits.iter().copied(), offset);
            let (there, _) = original.iter().find(|(_, at)| *at == back).unwrap_or_else(|| panic!("{back} is between two"));
            if *there == operator {
                found.insert(back);
            }
        }
        assert_eq!(found.len(), original.len());
    }
}

#[test]
fn too_many_memories_leave_none_for_the_guard() {
    let text = format!("(module {})", "(memory 0)".repeat(100));
    let module = wat::parse_str(text).unwrap();
    let error = insert(&module, &validate::module(&module).unwrap(), Profile::Plugin, &[]).err().unwrap();
    assert_eq!(error.status, RTW_ERR_LIMIT);
}

/// A module that can run repeatedly, and the conversion of its offsets.
struct Runnable {
    module: Module,
    edits: Vec<Edit>,
}

/// The outcome of a call: its end, the place of a trap, and the content of the memories.
#[derive(PartialEq)]
struct Outcome {
    ended: Option<(String, Option<u32>)>,
    memories: Vec<Vec<u8>>,
}

impl Runnable {
    fn new(module: &[u8], edits: Vec<Edit>) -> Runnable {
        let mut config = Config::new();
        config.wasm_multi_memory(true).wasm_memory64(true).wasm_threads(true).wasm_tail_call(true);
        let engine = Engine::new(&config).unwrap();
        Runnable { module: Module::new(&engine, module).unwrap(), edits }
    }

    /// The module as it is, and guarded.
    fn both(text: &str, profile: Profile) -> (Runnable, Runnable) {
        let (module, guarded) = guarded(text, profile);
        (Runnable::new(&module, Vec::new()), Runnable::new(&guarded.module, guarded.edits))
    }

    /// Runs `run` in a new instance, then `show` if there is one.
    fn run(&self, arguments: &[Val]) -> Outcome {
        let mut store = Store::new(self.module.engine(), ());
        let instance = Instance::new(&mut store, &self.module, &[]).unwrap();
        let run = instance.get_func(&mut store, "run").unwrap();
        let ended = run.call(&mut store, arguments, &mut []).err().map(|error| {
            let offset = error.downcast_ref::<wasmtime::WasmBacktrace>().and_then(|trace| trace.frames()[0].module_offset());
            (error.root_cause().to_string(), offset.map(|offset| original_offset(self.edits.iter().copied(), offset as u32)))
        });
        if let Some(show) = instance.get_func(&mut store, "show") {
            show.call(&mut store, &[], &mut []).unwrap();
        }
        let memories = ["a", "b"].map(|name| instance.get_memory(&mut store, name).unwrap().data(&store).to_vec());
        Outcome { ended, memories: memories.into() }
    }
}

/// An operand of the type that goes with a memory or table.
fn operand(nth: u32, wide: bool) -> String {
    if wide { format!("(local.get {nth})") } else { format!("(i32.wrap_i64 (local.get {nth}))") }
}

/// Ranges that begin and end inside, at the edge, and outside.
fn ranges(size: i64, chunk: i64) -> Vec<[i64; 3]> {
    let mut ranges = Vec::new();
    for length in [1, chunk, chunk + 1, 2 * chunk + 77, -1] {
        let (last, beyond) = (size - length, size - length + 1);
        let places =
            [(0, 0), (0, 5), (5, 0), (3, chunk), (chunk, 3), (last, 0), (0, last), (beyond, 0), (0, beyond), (-1, 0), (0, -1)];
        ranges.extend(places.map(|(to, from)| [to, from, length]));
    }
    ranges
}

/// Holds what a bulk operation does whole against what it does in pieces. The profiles' pieces differ in their polls alone.
fn compare_split(text: &str, size: i64, chunk: i64) {
    static TURN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    {
        let profile = PROFILES[TURN.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2];
        let (plain, split) = Runnable::both(text, profile);
        let (mut trapped, mut worked) = (0, 0);
        for range in ranges(size, chunk) {
            let arguments = range.map(Val::I64);
            let (expected, found) = (plain.run(&arguments), split.run(&arguments));
            *(if expected.ended.is_some() { &mut trapped } else { &mut worked }) += 1;
            assert_eq!(expected.ended, found.ended, "{range:?} {}", &text[text.len().saturating_sub(400)..]);
            assert!(expected == found, "{range:?} {}", &text[text.len().saturating_sub(400)..]);
        }
        assert!(trapped > 5, "{trapped} were out of bounds");
        assert!(worked > 5 || text.contains("drop"), "{worked} were not");
    }
}

#[test]
fn split_operations_on_memories_do_what_whole_ones_do() {
    const PAGES: i64 = 14;
    let size = PAGES * 65536;
    for (wide_a, wide_b) in [(false, false), (true, true), (false, true), (true, false)] {
        let index = |wide| if wide { "i64" } else { "" };
        // A pattern that tells every byte's place.
        let data: String = (0..size / 4).map(|word| format!("{:04}", word % 9973)).collect();
        let start = |operation: &str| {
            format!(
                r#"(module (memory (export "a") {} {PAGES}) (memory (export "b") {} {PAGES})
                    (data (memory 0) ({}.const 0) "{data}") (data $d "{data}")
                    (func (export "run") (param i64 i64 i64) {operation}))"#,
                index(wide_a),
                index(wide_b),
                if wide_a { "i64" } else { "i32" },
            )
        };
        let (to_a, to_b) = (operand(0, wide_a), operand(0, wide_b));
        let operations = [
            format!("{to_b} {} {} memory.fill 1", operand(1, false), operand(2, wide_b)),
            format!("{to_a} {} {} memory.copy 0 0", operand(1, wide_a), operand(2, wide_a)),
            format!("{to_b} {} {} memory.copy 1 0", operand(1, wide_a), operand(2, wide_a && wide_b)),
            format!("{to_b} {} {} memory.init 1 $d", operand(1, false), operand(2, false)),
            format!("data.drop $d {to_b} {} {} memory.init 1 $d", operand(1, false), operand(2, false)),
        ];
        for operation in operations {
            compare_split(&start(&operation), size, bulk::CHUNK_BYTES as i64);
        }
    }
}

#[test]
fn split_operations_on_tables_do_what_whole_ones_do() {
    let chunk = bulk::CHUNK_ENTRIES as i64;
    let size = 2 * chunk + 1000;
    for (wide_a, wide_b) in [(false, false), (false, true), (true, false)] {
        let index = |wide| if wide { "i64" } else { "" };
        let ty = |wide| if wide { "i64" } else { "i32" };
        // Entries that tell their places, roughly: three functions and null; `show` puts them into the memories.
        let entries: String = (0..size).map(|nth| ["$f ", "$g ", "$h "][(nth % 7 % 3) as usize]).collect();
        let show = |table: u32, wide: bool| {
            let at = if wide { "(i64.extend_i32_u (local.get $i))" } else { "(local.get $i)" };
            format!(
                "(local.set $i (i32.const 0))
                (loop $next
                    (if (i32.eqz (ref.is_null (table.get {table} {at})))
                        (then (i32.store8 {table} (local.get $i) (call_indirect {table} (result i32) {at}))))
                    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {size}))))"
            )
        };
        let start = |operation: &str| {
            format!(
                r#"(module (memory (export "a") 1) (memory (export "b") 1)
                    (table {} {size} funcref) (table {} {size} funcref)
                    (elem (table 0) ({}.const 0) func {entries}) (elem $e func {entries})
                    (func $f (result i32) i32.const 1) (func $g (result i32) i32.const 2) (func $h (result i32) i32.const 3)
                    (func (export "show") (local $i i32) {} {})
                    (func (export "run") (param i64 i64 i64) {operation}))"#,
                index(wide_a),
                index(wide_b),
                ty(wide_a),
                show(0, wide_a),
                show(1, wide_b),
            )
        };
        let (to_a, to_b) = (operand(0, wide_a), operand(0, wide_b));
        let operations = [
            format!("{to_b} ref.func $g {} table.fill 1", operand(2, wide_b)),
            format!("{to_a} ref.null func {} table.fill 0", operand(2, wide_a)),
            format!("{to_a} {} {} table.copy 0 0", operand(1, wide_a), operand(2, wide_a)),
            format!("{to_b} {} {} table.copy 1 0", operand(1, wide_a), operand(2, wide_a && wide_b)),
            format!("{to_b} {} {} table.init 1 $e", operand(1, false), operand(2, false)),
            format!("elem.drop $e {to_b} {} {} table.init 1 $e", operand(1, false), operand(2, false)),
        ];
        for operation in operations {
            compare_split(&start(&operation), size, chunk);
        }
    }
}

#[test]
fn operands_have_places_where_all_locals_are_taken() {
    let many = "i32 ".repeat(49_997);
    let more = |operation: &str, globals: &str| {
        format!(
            r#"(module (memory (export "a") 14) (memory (export "b") 1) (table 40000 funcref) {globals}
                (func $f) (elem declare func $f)
                (func (export "run") (param i64 i64 i64) (local {many}) {operation}))"#
        )
    };
    let fill = format!("{} {} {} memory.fill", operand(0, false), operand(1, false), operand(2, false));
    let table_fill = format!("{} ref.func $f {} table.fill", operand(0, false), operand(2, false));
    for globals in ["", "(global (mut i32) (i32.const 7)) (global i64 (i64.const 8))"] {
        compare_split(&more(&fill, globals), 14 * 65536, bulk::CHUNK_BYTES as i64);
        compare_split(&more(&table_fill, globals), 40_000, bulk::CHUNK_ENTRIES as i64);
    }
}

#[test]
fn what_takes_long_is_polled() {
    let table = "(table 10000000 funcref) (table 10000000 funcref) (memory 1) (elem $e funcref (item ref.null func))";
    // The poll in each one's pieces; what is one call of the engine has its poll behind it.
    for (operation, least) in [
        ("(table.fill (i32.const 0) (ref.null func) (i32.const 10000000))", 2000),
        ("(table.copy (i32.const 0) (i32.const 1) (i32.const 9000000))", 4000),
        ("(table.copy 0 1 (i32.const 0) (i32.const 1) (i32.const 9000000))", 2000),
        ("(drop (table.grow (ref.null func) (i32.const 1)))", 2000),
        ("(drop (memory.grow (i32.const 1)))", 2000),
        // Short ones, which add up.
        ("(table.fill (i32.const 0) (ref.null func) (i32.const 16000))", 1000),
        ("(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))", 0),
    ] {
        let text = format!("(module {table} (func {}))", operation.repeat(2000));
        assert!(polls(&text) >= least, "{operation}: {} polls", polls(&text));
    }
}

#[test]
fn polls_are_not_gone_round() {
    // The heavy part is executed every time, and the way past what follows it leads past the poll that stands there.
    let fill = "(table.fill (i32.const 0) (ref.null func) (i32.const 10000))";
    let skipped = |times| {
        let part = format!("{fill} (block (br_if 0 (local.get 0)) {fill} {fill} {fill})");
        format!("(module (table 20000 funcref) (func (param i32) {}))", part.repeat(times))
    };
    // Were one counted after the other, every third would have a poll, and all of them could stand in the blocks.
    let (few, many) = (polls(&skipped(20)), polls(&skipped(40)));
    assert!(many - few >= 20 * 4 / 3, "{few} and {many}");
    // A call to what takes nearly as long as may be.
    let nearly = "nop ".repeat(STRETCH as usize - 1000);
    let called = format!("(module (func $f {nearly}) (func {}))", "(call $f)".repeat(100));
    assert!(polls(&called) >= 99, "{}", polls(&called));
    // An unwinding recursion.
    let after = "nop ".repeat(1000);
    let recursive = format!("(module (func $f (param i32) (if (local.get 0) (then (call $f (i32.const 0)) {after}))))");
    assert_eq!(polls(&recursive), 2);
}

#[test]
fn deep_and_wide_code_takes_no_longer_than_it_is() {
    // With a search through all that is around each call, or all that a call may reach, this would never end.
    let depth = 20_000;
    let nested = format!(
        "(module (func $f) (func {} {} {}))",
        "loop ".repeat(depth),
        "call $f br 0 end loop ".repeat(depth),
        "end ".repeat(depth)
    );
    assert!(polls(&nested) >= depth);
    let loops = |count: usize| {
        let text = format!("(module (func (param i32) {}))", "loop local.get 0 br_if 0 end ".repeat(count));
        let (module, guarded) = guarded(&text, Profile::Plugin);
        instructions(&guarded.module) - instructions(&module)
    };
    let (few, many) = (loops(10_000), loops(50_000));
    assert!(many <= 5 * few, "{few} instructions are put around 10,000 loops, {many} around 50,000");
}

/// Short loops one after the other: with a counter, and with nothing in them.
const SHORT_LOOPS: [&str; 2] =
    ["loop local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end ", "loop local.get 0 br_if 0 end "];

fn short_loops(one: &str, count: usize) -> String {
    format!("(module (func (export \"run\") (param i32) {}))", one.repeat(count))
}

#[test]
fn a_poll_is_few_instructions() {
    for one in SHORT_LOOPS {
        for (profile, most) in [(Profile::Standalone, 3), (Profile::Plugin, 3)] {
            // Code that exists once, and unrolled code, do not count.
            let put_in = |count: usize| {
                let (module, guarded) = guarded(&short_loops(one, count), profile);
                instructions(&guarded.module) - instructions(&module)
            };
            let each = (put_in(6000) - put_in(3000)) / 3000;
            assert!(each <= most, "{profile:?}: {each} instructions are put into each loop, {most} were enough: {one}");
        }
    }
}

/// The size of the machine code of a module's functions, in bytes. Their text as a whole fills pages.
fn code_bytes(module: &[u8], profile: Profile) -> usize {
    let engine = engine(&Settings::new(profile), DEFAULT_GUEST_STACK_BYTES).unwrap();
    Module::new(&engine, module).unwrap().functions().map(|function| function.len).sum()
}

#[test]
fn a_poll_is_few_bytes_of_machine_code() {
    // A load in the standalone profile; in the other one a comparison and a branch as well.
    let added = |one: &str, count: usize, profile| {
        let (module, guarded) = guarded(&short_loops(one, count), profile);
        code_bytes(&guarded.module, profile) - code_bytes(&module, profile)
    };
    for (profile, most) in [(Profile::Standalone, 4), (Profile::Plugin, 13)] {
        for one in SHORT_LOOPS {
            let each = (added(one, 1600, profile) - added(one, 600, profile)) / 1000;
            assert!(each <= most, "{profile:?}: {each} bytes of code are put into each loop, {most} were enough: {one}");
        }
        // Fewer polls than make a function crowded: each of the plugin profile's has a cold part of its own, which calls the engine. More
        // loops than are unrolled.
        let one = SHORT_LOOPS[0];
        let most = if profile == Profile::Plugin { most + 24 } else { most };
        let each = (added(one, 500, profile) - added(one, 300, profile)) / 200;
        assert!(each <= most, "{profile:?}: {each} bytes of code are put into each of few loops, {most} were enough: {one}");
    }
}

#[test]
fn functions_that_get_too_long_are_told() {
    let text = format!("(module (func (param i32) {}))", "loop local.get 0 br_if 0 end ".repeat(900_000));
    let module = wat::parse_str(text).unwrap();
    let error = insert(&module, &validate::module(&module).unwrap(), Profile::Plugin, &[]).err().unwrap();
    assert_eq!(error.status, RTW_ERR_LIMIT);
    assert!(error.message.contains("with the budget guard"), "{error}");
}

/// A module whose function `run` is this, with a counter for `(call_free)` that leaves a trace of every step.
fn stepping(body: &str) -> String {
    let step = "(block (result i32) (local.set 3 (i32.add (local.get 3) (i32.const 1)))
        (i32.store (i32.mul (i32.and (local.get 3) (i32.const 1023)) (i32.const 16)) (i32.add (local.get 3) (local.get 1))) (local.get 3))";
    format!(
        r#"(module (memory (export "a") 1) (memory (export "b") 1)
            (func (export "run") (param i32 i32 i32) (local i32) {}))"#,
        body.replace("(call_free)", step)
    )
}

#[test]
fn crowded_functions_do_what_they_did() {
    // Enough loops that all polls lead to one place, after a block around the function: every way out of it, from everywhere.
    let crowd = "(loop (br_if 0 (i32.eq (call_free) (i32.const -1)))) ".repeat(poll::CROWDED + 10);
    for (way, is_left) in [
        ("(br 0)", true),
        ("(br_if 0 (i32.ge_u (call_free) (local.get 0)))", false),
        ("(block (br 1))", true),
        ("(block (block (br_table 0 1 2 (i32.rem_u (local.get 0) (i32.const 3)))))", false),
        ("(if (local.get 0) (then (br 1)) (else (br 0)))", false),
        ("return", true),
        ("(loop $l (br_if 1 (i32.ge_u (call_free) (local.get 1))) (br_if $l (i32.lt_u (local.get 3) (local.get 0))))", false),
        ("(loop $l (br_table $l 1 (i32.ge_u (call_free) (local.get 0))))", true),
        (
            "(i32.store (i32.const 8) (loop $l (result i32) (br_if $l (i32.lt_u (call_free) (local.get 0))) (local.get 3)))",
            false,
        ),
        ("(memory.fill (local.get 0) (local.get 1) (local.get 2))", false),
        ("unreachable", true),
    ] {
        let after = "(i32.store (i32.const 12) (i32.const 1))";
        // The way out stands before the crowd of loops, where loops are unrolled, or behind it, where no code follows.
        for body in [format!("{way} {after} {crowd}"), format!("{crowd} {way} {after}")] {
            let text = stepping(&body);
            for profile in PROFILES {
                let (plain, crowded) = Runnable::both(&text, profile);
                for rounds in [0, 1, 2, 700] {
                    let arguments = [rounds, rounds * 7 % 11, rounds * 5 % 13].map(Val::I32);
                    let (expected, found) = (plain.run(&arguments), crowded.run(&arguments));
                    assert!(expected == found, "{profile:?} {arguments:?} {way}");
                    let end = &found.memories[0][12..16];
                    assert!(!is_left || *end == [0; 4], "{way} does not leave the function");
                }
            }
        }
    }
    // With results.
    let loops = "(loop (br_if 0 (local.get 0)))".repeat(poll::CROWDED + 1);
    for end in [
        "(i64.const 5) (i32.const 7)",
        "(return (i64.const 5) (i32.const 7))",
        "(br 0 (i64.const 5) (i32.const 7))",
        "unreachable",
    ] {
        for profile in PROFILES {
            guarded(&format!("(module (func (param i32) (result i64 i32) {loops} {end}))"), profile);
        }
    }
}

#[test]
fn unrolled_loops_do_what_plain_ones_do() {
    // Loops that end by falling out, by branching out, by a table, by returning; nested in blocks and in loops; with a result.
    let bodies = [
        "(loop $l (br_if $l (i32.lt_u (call_free) (local.get 0))))",
        "(block $out (loop $l (br_if $out (i32.ge_u (call_free) (local.get 0))) (br $l)))",
        "(block $out (loop $l (block $in (br_table $in $out $l (i32.ge_u (call_free) (local.get 0)))) (br_if $l (i32.lt_u (local.get 3) (local.get 0)))))",
        "(loop $l (if (i32.ge_u (call_free) (local.get 0)) (then (i32.store (i32.const 4) (local.get 3)) return)) (br $l))",
        "(i32.store (i32.const 8) (loop $l (result i32) (br_if $l (i32.lt_u (call_free) (local.get 0))) (local.get 3)))",
        "(block $a (block $b (loop $outer (loop $l (br_if $b (i32.eq (call_free) (local.get 1))) (br_if $a (i32.eq (local.get 3) (local.get 2)))
            (br_if $l (i32.rem_u (local.get 3) (i32.const 5)))) (br_if $outer (i32.lt_u (local.get 3) (local.get 0))))) (i32.store (i32.const 12) (i32.const 1)))",
        "(loop $l (if (i32.rem_u (call_free) (i32.const 3)) (then (br_if $l (i32.lt_u (local.get 3) (local.get 0)))) (else (br $l))))",
        "(loop $l (block (block (block (br_table 0 1 2 3 (i32.rem_u (call_free) (i32.const 4))) ) (br 2)) (br 1)) (br_if $l (i32.lt_u (local.get 3) (local.get 0))))",
    ];
    for body in bodies {
        let text = stepping(body);
        for profile in PROFILES {
            let (module, guarded) = guarded(&text, profile);
            assert!(guarded.module.len() > module.len() + 2 * body.len() / 8, "it is unrolled");
            let (plain, unrolled) = Runnable::both(&text, profile);
            for rounds in 0..40 {
                let arguments = [rounds, rounds * 7 % 11, rounds * 5 % 13].map(Val::I32);
                assert!(plain.run(&arguments) == unrolled.run(&arguments), "{arguments:?} {text}");
            }
        }
    }
}

/// A module's exports for the engine, with and without the guard: those of the module, then the hidden ones.
#[test]
fn hidden_exports_are_reachable_by_the_engine_alone() {
    let sections = [
        ("(module)", &[][..]),
        ("(module (memory 1))", &["\0m0"]),
        ("(module (global (mut i64) (i64.const 5)) (memory 1) (table 1 funcref) (start 0) (func))", &["\0m0", "\0t0", "\0g0"]),
        ("(module (memory (export \"m0\") 1) (func (export \"f\")) (@custom \"x\" \"y\"))", &["m0", "f", "\0m0"]),
        ("(module (global (mut f32) (f32.const 1)))", &["\0g0"]),
        ("(module (import \"e\" \"m\" (memory 1)) (memory 2) (global i32 (i32.const 1)))", &["\0m1"]),
    ];
    for (text, expected) in sections {
        let module = wat::parse_str(text).unwrap();
        let checked = validate::module(&module).unwrap();
        let hidden = crate::facts::gather(&module, &checked).unwrap().hidden;
        for made in [
            expose(&module, &hidden).unwrap(),
            insert(&module, &checked, Profile::Standalone, &hidden).unwrap(),
            insert(&module, &checked, Profile::Plugin, &hidden).unwrap(),
        ] {
            let changed = validate::module(&made.module).unwrap_or_else(|error| panic!("{}: {text}", error.message));
            let runnable = Runnable::new(&made.module, made.edits);
            let names: Vec<&str> = runnable.module.exports().map(|export| export.name()).collect();
            assert_eq!(names, expected, "{text}");
            assert!(changed.types.as_ref().memory_count() >= checked.types.as_ref().memory_count());
        }
    }
    let module = wat::parse_str("(module (global i32 (i32.const 4)) (global (mut i64) (i64.const 5)))").unwrap();
    let hidden = crate::facts::gather(&module, &validate::module(&module).unwrap()).unwrap().hidden;
    let made = expose(&module, &hidden).unwrap();
    let runnable = Runnable::new(&made.module, made.edits);
    let mut store = Store::new(runnable.module.engine(), ());
    let instance = Instance::new(&mut store, &runnable.module, &[]).unwrap();
    let global = instance.get_global(&mut store, &hidden[0].name()).unwrap();
    assert_eq!(global.get(&mut store).unwrap_i64(), 5);
    assert!(instance.get_global(&mut store, "\0g0").is_none(), "an immutable global needs none");
}
