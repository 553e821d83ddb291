//! Our modules: every form of loop, with what branches out of and back to it; calls, also through a table and back to the caller;
//! long operations on memories and tables. They end by themselves: loops count down, and everything that is entered takes fuel.

use std::fmt::Write;

use wast::Wat;
use wast::parser::{self, ParseBuffer};

use crate::random::Random;

const FUNCTIONS: u64 = 3;
const MOST_LOOPS: usize = 3;
/// One of this number of modules has memories, tables and segments that long operations are long in.
const ONE_LARGE_OF: u64 = 12;

struct Writer<'a> {
    random: &'a mut Random,
    text: String,
    /// Of the loops that are open: whether branching back to the head is safe.
    loops: Vec<bool>,
    function: u64,
    budget: i32,
    large: bool,
}

/// In binary form.
pub fn module(random: &mut Random) -> Vec<u8> {
    let text = text(random);
    let binary = ParseBuffer::new(&text).and_then(|buffer| parser::parse::<Wat>(&buffer)?.encode());
    binary.unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn text(random: &mut Random) -> String {
    let large = random.below(ONE_LARGE_OF) == 0;
    let (entries, pages, patterned, data) = if large { (40_000, 8, 0x80000, 320_000) } else { (64, 3, 0x10000, 2000) };
    let wide_pages = pages + pages / 2;
    let elements: String = (0..entries / 2).map(|nth| if nth % 3 == 0 { "2 " } else { "3 " }).collect();
    let data: String = (0..data / 8).map(|nth| format!("{:07}.", nth * 7919)).collect();
    let mut text = format!(
        r#"(module (type $t (func (param i32 i32) (result i32)))
  (memory $a (export "a") {pages} 24) (memory $b (export "b") i64 {wide_pages} 20)
  (table $s {entries} 60000 funcref) (table $w i64 {entries} 60000 funcref)
  (global $asked (mut i32) (i32.const 0)) (global $fuel (mut i32) (i32.const 400)) (global $g (export "g") (mut i32) (i32.const 1)) (global $h (export "h") (mut i64) (i64.const 2))
  (elem (table $s) (i32.const 0) func $f0 $f1 $f2) (elem $e func {elements})
  (data $d "{data}") (start $patterned)
  (func $patterned (local $at i32)
    (loop $next
      (i64.store $a (local.get $at) (i64.mul (i64.extend_i32_u (local.get $at)) (i64.const 0x9e3779b97f4a7c15)))
      (i64.store $b (i64.extend_i32_u (local.get $at)) (i64.mul (i64.extend_i32_u (local.get $at)) (i64.const 0xbf58476d1ce4e5b9)))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const {patterned})))))
  (func $taken (result i32) (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1))) (i32.lt_s (global.get $fuel) (i32.const 0)))
"#
    );
    for function in 0..FUNCTIONS {
        let mut writer = Writer { random, text: String::new(), loops: Vec::new(), function, budget: 16, large };
        let statements = 2 + writer.random.below(4);
        for _ in 0..statements {
            writer.statement();
        }
        let _ = write!(
            text,
            "(func $f{function} (export \"f{function}\") (type $t) (local $x i32) (local $y i32) (local $c0 i32) (local $c1 i32) (local $c2 i32)
(if (global.get $asked) (then (return (i32.const {function}))))
(if (call $taken) (then (return (i32.const -1))))
{}(i32.add (local.get $x) (local.get $y)))\n",
            writer.text
        );
    }
    // The tables' contents, as a number: each function that is asked says which it is.
    let entry = |table: &str, at: &str| {
        format!(
            "(if (result i32) (ref.is_null (table.get {table} {at})) (then (i32.const 3))
        (else (call_indirect {table} (type $t) (i32.const 0) (i32.const 0) {at})))"
        )
    };
    let (narrow, wide) = (entry("$s", "(local.get $i)"), entry("$w", "(i64.extend_i32_u (local.get $i))"));
    let _ = write!(
        text,
        r#"(func (export "tables") (result i64) (local $i i32) (local $sum i64)
  (global.set $asked (i32.const 1))
  (loop $next
    (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.extend_i32_u (i32.add
      {narrow}
      (i32.mul (i32.const 4) {wide})))))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {entries}))))
  (global.set $asked (i32.const 0))
  (i64.add (local.get $sum) (i64.add (table.size $w) (i64.extend_i32_u (table.size $s)))))
)"#,
    );
    text
}

impl Random {
    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn expression(&mut self, depth: u32) -> String {
        if depth == 0 || self.random.below(3) == 0 {
            return match self.random.below(4) {
                0 => format!("(i32.const {})", self.random.one_of(&[0, 1, 2, 3, 7, 31, 255, 4096, -1])),
                1 => "(global.get $g)".into(),
                _ => format!("(local.get ${})", self.random.one_of(&["x", "y"])),
            };
        }
        let left = self.expression(depth - 1);
        match self.random.below(14) {
            0 => format!("(i32.load $a (i32.and {left} (i32.const 0xfffc)))"),
            1 => format!("(i32.popcnt {left})"),
            2 => format!("(i32.wrap_i64 (i64.load $b (i64.and (i64.extend_i32_u {left}) (i64.const 0x1fff8))))"),
            3 => {
                let right = self.expression(depth - 1);
                format!("(i32.div_u {left} {right})")
            }
            4 => "(local.get 0)".into(),
            5 => "(local.get 1)".into(),
            _ => {
                let operation =
                    self.random.one_of(&["add", "sub", "mul", "xor", "and", "or", "shl", "shr_u", "rotl", "lt_u", "eq"]);
                let right = self.expression(depth - 1);
                format!("(i32.{operation} {left} {right})")
            }
        }
    }

    fn simple(&mut self) {
        let value = self.expression(2);
        match self.random.below(6) {
            0 | 1 => self.put(&format!("(local.set $x {value})")),
            2 => self.put(&format!("(local.set $y (i32.add (local.get $y) {value}))")),
            3 => {
                let at = self.expression(1);
                self.put(&format!("(i32.store $a (i32.and {at} (i32.const 0xfffc)) {value})"));
            }
            4 => self.put(&format!("(global.set $g {value})")),
            _ => self.put(&format!("(global.set $h (i64.add (global.get $h) (i64.extend_i32_u {value})))")),
        }
    }

    fn statement(&mut self) {
        self.budget -= 1;
        if self.budget < 0 {
            return self.simple();
        }
        match self.random.below(16) {
            0..=2 => self.simple(),
            3 => {
                let condition = self.expression(2);
                self.put(&format!("(if {condition} (then"));
                self.statement();
                self.put(") (else");
                self.statement();
                self.put("))");
            }
            4..=8 if self.loops.len() < MOST_LOOPS => self.a_loop(),
            9 => {
                let (left, right) = (self.expression(1), self.expression(1));
                match self.random.below(3) {
                    // Calls only functions before this one, or any function through the table; the fuel ends a recursion.
                    0 if self.function > 0 => {
                        let callee = self.random.below(self.function);
                        self.put(&format!("(local.set $y (call $f{callee} {left} {right}))"));
                    }
                    1 => self.put(&format!("(local.set $x (call $f{} {left} {right}))", self.function)),
                    _ => {
                        let index = self.random.below(4);
                        self.put(&format!("(local.set $x (call_indirect $s (type $t) {left} {right} (i32.const {index})))"));
                    }
                }
            }
            10..=12 => self.bulk(),
            13 if !self.loops.is_empty() => self.leave(),
            14 => {
                let condition = self.expression(2);
                let end = self.random.one_of(&["unreachable", "(return (i32.const 5))"]);
                self.put(&format!("(if (i32.eq {condition} (i32.const 12345)) (then {end}))"));
            }
            15 => {
                let growth = self.random.one_of(&[
                    "(drop (memory.grow $a (i32.const 1)))",
                    "(drop (memory.grow $b (i64.const 1)))",
                    "(drop (table.grow $s (ref.func $f0) (i32.const 100)))",
                    "(drop (table.grow $w (ref.null func) (i64.const 100)))",
                ]);
                self.put(growth);
            }
            _ => self.simple(),
        }
    }

    /// A branch out of a loop, or back to one where that ends.
    fn leave(&mut self) {
        let level = self.random.below(self.loops.len() as u64) as usize;
        let condition = self.expression(2);
        let label = if self.loops[level] && self.random.below(2) == 0 { "l" } else { "e" };
        match self.random.below(3) {
            0 => self.put(&format!("(if (i32.and {condition} (i32.const 1)) (then (br ${label}{level})))")),
            1 => self
                .put(&format!("(block $in (br_table $in ${label}{level} $in $e{level} (i32.and {condition} (i32.const 7))))")),
            _ => self.put(&format!("(br_if ${label}{level} (i32.and {condition} (i32.const 3)))")),
        }
    }

    fn a_loop(&mut self) {
        let level = self.loops.len();
        let form = self.random.below(4);
        // In the second form the counter goes down first, so that every way back ends.
        let counts_first = form == 1;
        let turns = self.random.one_of(&[1, 2, 3, 5, 8, 9, 17]);
        let turns = if self.random.below(4) == 0 && level > 0 { 1 } else { turns };
        self.put(&format!("(local.set $c{level} (i32.const {turns})) (block $e{level}"));
        let down = format!("(local.tee $c{level} (i32.sub (local.get $c{level}) (i32.const 1)))");
        if form == 2 {
            self.put(&format!("(local.set $x (loop $l{level} (result i32)"));
        } else if form == 3 {
            self.put(&format!("(local.get $x) (loop $l{level} (param i32) (local.set $y)"));
        } else {
            self.put(&format!("(loop $l{level}"));
        }
        if counts_first {
            self.put(&format!("(br_if $e{level} (i32.lt_s {down} (i32.const 0)))"));
        }
        self.loops.push(counts_first);
        let statements = 1 + self.random.below(3);
        if self.random.below(2) == 0 {
            (0..statements).for_each(|_| self.simple());
        } else {
            self.put(&format!("(br_if $e{level} (call $taken))"));
            (0..statements).for_each(|_| self.statement());
        }
        if self.random.below(3) == 0 {
            self.leave();
        }
        self.loops.pop();
        match form {
            1 => self.put(&format!("(br $l{level})))")),
            2 => self.put(&format!("(br_if $l{level} {down}) (local.get $y))))")),
            3 => self.put(&format!("(br_if $l{level} (local.get $y) {down}) (drop)))")),
            _ => self.put(&format!("(br_if $l{level} {down})))")),
        }
    }

    fn bulk(&mut self) {
        let length = if self.large {
            self.random.one_of(&[0u64, 1, 77, 262_143, 262_144, 262_145, 262_145, 300_000, 300_000, 520_000])
        } else {
            self.random.one_of(&[0u64, 1, 77, 300, 300_000])
        };
        let bytes = length;
        let entries = bytes / 16;
        let large = self.large;
        let mut place =
            || self.random.one_of(if large { &[0u64, 1, 3, 100, 5000, 100_000, 262_144] } else { &[0u64, 1, 16, 100, 600] });
        let (to, from) = (place(), place());
        let (to_entry, from_entry) = (to / 16, from / 16);
        let value = self.random.below(256);
        let operations = [
            format!(
                "(memory.fill $a (i32.const {to}) (i32.const {value}) (i32.add (i32.const {bytes}) (i32.and (global.get $g) (i32.const 1))))"
            ),
            format!("(memory.fill $b (i64.const {to}) (i32.const {value}) (i64.const {bytes}))"),
            format!("(memory.copy $a $a (i32.const {to}) (i32.const {from}) (i32.const {bytes}))"),
            format!(
                "(memory.copy $a $a (i32.const {to}) (i32.const {from}) (i32.xor (i32.const {bytes}) (i32.and (local.get $x) (i32.const 7))))"
            ),
            format!("(memory.copy $b $b (i64.const {to}) (i64.const {from}) (i64.const {bytes}))"),
            format!("(memory.copy $b $a (i64.const {to}) (i32.const {from}) (i32.const {bytes}))"),
            format!("(memory.copy $a $b (i32.const {to}) (i64.const {from}) (i32.const {bytes}))"),
            format!("(memory.init $a $d (i32.const {to}) (i32.const {value}) (i32.const {bytes}))"),
            format!("(memory.init $b $d (i64.const {to}) (i32.const {value}) (i32.const {bytes}))"),
            format!("(table.fill $s (i32.const {to_entry}) (ref.func $f2) (i32.const {entries}))"),
            format!("(table.fill $w (i64.const {to_entry}) (ref.null func) (i64.const {entries}))"),
            format!("(table.copy $s $s (i32.const {to_entry}) (i32.const {from_entry}) (i32.const {entries}))"),
            format!("(table.copy $w $s (i64.const {to_entry}) (i32.const {from_entry}) (i32.const {entries}))"),
            format!("(table.copy $w $w (i64.const {to_entry}) (i64.const {from_entry}) (i64.const {entries}))"),
            format!("(table.init $s $e (i32.const {to_entry}) (i32.const {value}) (i32.const {entries}))"),
            format!("(table.init $w $e (i64.const {to_entry}) (i32.const {value}) (i32.const {entries}))"),
            "(data.drop $d)".into(),
            "(elem.drop $e)".into(),
        ];
        let operation = &operations[self.random.below(operations.len() as u64) as usize];
        let text = format!("(if (i32.eqz (call $taken)) (then {operation}))");
        self.put(&text);
    }
}
