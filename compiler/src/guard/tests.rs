use wasmtime::{Config, Engine, Instance, Module, Store, Val};

use super::*;
use crate::validate;
use rtwasm::engine::artifact::original_offset;

const PROFILES: [Profile; 2] = [Profile::Standalone, Profile::Plugin];

fn guarded(text: &str, profile: Profile) -> (Vec<u8>, Guarded) {
    let module = wat::parse_str(text).unwrap();
    let checked = validate::module(&module).unwrap();
    let guarded = insert(&module, &checked, profile).unwrap();
    validate::module(&guarded.module).unwrap_or_else(|error| panic!("{}: {text}", error.message));
    (module, guarded)
}

fn polls(text: &str) -> usize {
    let (module, guarded) = guarded(text, Profile::Standalone);
    let types = validate::module(&module).unwrap().types;
    let poll = poll(Profile::Standalone, types.as_ref().memory_count());
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
        ("(module (func loop loop br 0 end br 0 end))", 2),
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

/// How many instructions a module has.
fn instructions(module: &[u8]) -> usize {
    let count = |payload: wasmparser::Result<Payload<'_>>| match payload.unwrap() {
        Payload::CodeSectionEntry(body) => body.get_operators_reader().unwrap().into_iter().count(),
        _ => 0,
    };
    Parser::new(0).parse_all(module).map(count).sum()
}

/// As many calls through one table as functions in it, all of one type; they cannot, or can, lead back to where they came from.
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
        // What leads back to an instruction is that instruction, or was put in before it; every instruction is led back to.
        let mut found = std::collections::BTreeSet::new();
        for (operator, offset) in operators(&guarded.module) {
            let back = original_offset(&guarded.edits, offset);
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
    let error = insert(&module, &validate::module(&module).unwrap(), Profile::Plugin).err().unwrap();
    assert_eq!(error.status, RTW_ERR_LIMIT);
}

/// Runs `run(a, b, c)` and answers with how it ended and what the memories then hold.
fn outcome(module: &[u8], arguments: &[i64; 3], wide: bool) -> (Option<String>, Vec<u8>, Vec<u8>) {
    let mut config = Config::new();
    config.wasm_multi_memory(true).wasm_memory64(true).wasm_threads(true);
    let engine = Engine::new(&config).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &Module::new(&engine, module).unwrap(), &[]).unwrap();
    let run = instance.get_func(&mut store, "run").unwrap();
    let arguments = arguments.map(|value| if wide { Val::I64(value) } else { Val::I32(value as i32) });
    let ended = run.call(&mut store, &arguments, &mut []).err().map(|error| format!("{}", error.root_cause()));
    let bytes = |store: &Store<()>, name: &str, instance: &Instance, memory: wasmtime::Memory| {
        let _ = (name, instance);
        memory.data(store).to_vec()
    };
    let first = instance.get_memory(&mut store, "a").unwrap();
    let second = instance.get_memory(&mut store, "b").unwrap();
    (ended, bytes(&store, "a", &instance, first), bytes(&store, "b", &instance, second))
}

#[test]
fn split_operations_do_what_whole_ones_do() {
    const PAGES: i64 = 20;
    let chunk = bulk::CHUNK_BYTES as i64;
    let size = PAGES * 65536;
    for wide in [false, true] {
        let (ty, index) = if wide { ("i64", "i64 ") } else { ("i32", "") };
        let value = if wide { "i32.wrap_i64" } else { "" };
        // A pattern that tells every byte's place, then the operation.
        let module_with = |operation: &str| {
            format!(
                r#"(module (memory (export "a") {index}{PAGES}) (memory (export "b") {index}{PAGES})
                    (func (export "run") (param {ty} {ty} {ty}) (local $i {ty})
                        (loop $next
                            ({ty}.store 0 (local.get $i) ({ty}.mul (local.get $i) ({ty}.const 2654435761)))
                            ({ty}.store 1 (local.get $i) ({ty}.mul (local.get $i) ({ty}.const 40503)))
                            (br_if $next ({ty}.lt_u (local.tee $i ({ty}.add (local.get $i) ({ty}.const 8)))
                                ({ty}.const {size}))))
                        {operation}))"#
            )
        };
        let fill = module_with(&format!("local.get 0 local.get 1 {value} local.get 2 memory.fill 1"));
        let copy = module_with("local.get 0 local.get 1 local.get 2 memory.copy 0 0");
        let across = module_with("local.get 0 local.get 1 local.get 2 memory.copy 1 0");
        let lengths = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 77, 4 * chunk];
        let mut trapped = 0;
        for text in [&fill, &copy, &across] {
            for length in lengths {
                for (to, from) in [
                    (0, 0),
                    (0, 5),
                    (5, 0),
                    (3, chunk),
                    (chunk, 3),
                    (size - length, 0),
                    (0, size - length),
                    (size - length + 1, 0),
                    (0, size - length + 1),
                    (-1, 0),
                    (0, -1),
                ] {
                    let arguments = [to, from, length];
                    let (module, guarded) = guarded(text, Profile::Standalone);
                    let plain = outcome(&module, &arguments, wide);
                    trapped += usize::from(plain.0.is_some());
                    let split = outcome(&guarded.module, &arguments, wide);
                    assert_eq!(plain.0, split.0, "{arguments:?} {text}");
                    assert!(plain == split, "{arguments:?} {text}");
                }
            }
        }
        assert!(trapped > 20, "some were out of bounds: {trapped}");
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
        // Counts, and leaves a trace of every step.
        let step = "(block (result i32) (local.set 3 (i32.add (local.get 3) (i32.const 1)))
            (i32.store (i32.mul (i32.and (local.get 3) (i32.const 1023)) (i32.const 16)) (i32.add (local.get 3) (local.get 1))) (local.get 3))";
        let text = format!(
            r#"(module (memory (export "a") 1) (memory (export "b") 1)
                (func (export "run") (param i32 i32 i32) (local i32) {}))"#,
            body.replace("(call_free)", step)
        );
        for profile in PROFILES {
            let (module, guarded) = guarded(&text, profile);
            assert!(guarded.module.len() > module.len() + 2 * body.len() / 8, "it is unrolled");
            for rounds in 0..40 {
                let arguments = [rounds, rounds * 7 % 11, rounds * 5 % 13];
                let plain = outcome(&module, &arguments, false);
                assert!(plain == outcome(&guarded.module, &arguments, false), "{arguments:?} {text}");
            }
        }
    }
}
