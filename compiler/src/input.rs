//! Identifies the given bytes, and converts the text format into the binary one.

use std::borrow::Cow;

use rtwasm::engine::artifact;
use rtwasm::status::*;
use wast::Wat;
use wast::parser::{self, ParseBuffer};

const WASM_MAGIC: &[u8] = b"\0asm";
/// Version 1, layer 0: a core module.
const MODULE_HEADER: &[u8] = b"\0asm\x01\0\0\0";
/// The value of `e_ident[EI_OSABI]` in the engine's own precompiled files.
const ELF_OSABI_WASMTIME: u8 = 200;
/// The longest piece of a line of text that an error shows.
const SHOWN_COLUMNS: usize = 72;

/// Returns the module in binary form, from either form.
pub fn binary(input: &[u8]) -> Result<Cow<'_, [u8]>> {
    if input.starts_with(WASM_MAGIC) {
        check_header(input)?;
        return Ok(Cow::Borrowed(input));
    }
    if let Some(what) = recognised(input) {
        return Err(not_wasm(what));
    }
    let text = std::str::from_utf8(input).map_err(|_| not_wasm(first_bytes(input)))?;
    if !begins_as_wat(text) {
        return Err(not_wasm(kind_of_text(text)));
    }
    let bytes = encode(text)?;
    check_header(&bytes)?;
    Ok(Cow::Owned(bytes))
}

fn not_wasm(what: impl std::fmt::Display) -> Error {
    Error::new(RTW_ERR_WASM, format!("not a WebAssembly module: {what}"))
}

fn check_header(module: &[u8]) -> Result<()> {
    let Some(header) = module.get(..MODULE_HEADER.len()) else {
        return Err(not_wasm(format!("it ends at byte {}, within its header", module.len())));
    };
    if header == MODULE_HEADER {
        return Ok(());
    }
    let version = u16::from_le_bytes([header[4], header[5]]);
    match u16::from_le_bytes([header[6], header[7]]) {
        0 => Err(not_wasm(format!("its header has version {version}; version 1 is the known one"))),
        1 => Err(Error::new(
            RTW_ERR_PROPOSAL,
            "this is a WebAssembly component; rtwasm runs core modules: compile the source for a core target such as \
             wasm32-unknown-unknown, or take the core module out of the component",
        )),
        layer => Err(not_wasm(format!("its header names layer {layer}, version {version}; a module has layer 0, version 1"))),
    }
}

/// Names files that users often give by mistake.
fn recognised(input: &[u8]) -> Option<&'static str> {
    match input {
        [] => Some("the input is empty"),
        _ if input.starts_with(&artifact::MAGIC) => Some("it is already an rtwasm artifact: load it"),
        [0x7f, b'E', b'L', b'F', _, _, _, ELF_OSABI_WASMTIME, ..] => {
            Some("it is the engine's own precompiled form (an ELF file): compile the module that it was made from")
        }
        [0x7f, b'E', b'L', b'F', ..] => Some("it is an ELF file: native code or a native library"),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => Some("it is an archive (.a): link it into a module first"),
        [b'B', b'C', 0xc0, 0xde, ..] => Some("it is LLVM bitcode: link it into a module first (wasm-ld)"),
        [0x1f, 0x8b, ..] => Some("it is compressed with gzip: decompress it first"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("it is compressed with zstd: decompress it first"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("it is compressed with xz: decompress it first"),
        [b'P', b'K', 3, 4, ..] => Some("it is a ZIP archive: unpack it first"),
        [b'M', b'Z', ..] => Some("it is a program or library for Windows: native code"),
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            Some("it is a program or library for macOS: native code")
        }
        [b'R', b'I', b'F', b'F', ..] => Some("it is a RIFF file, such as a sound"),
        [0x89, b'P', b'N', b'G', ..] => Some("it is a picture (PNG)"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("it is text in UTF-16: save it as UTF-8"),
        _ if input.iter().all(u8::is_ascii_whitespace) => Some("the input is only white space"),
        _ => None,
    }
}

fn first_bytes(input: &[u8]) -> String {
    let shown: Vec<String> = input.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("it begins with the bytes {}, which begin neither a module nor a text", shown.join(" "))
}

/// The first words of a module in text form, after an opening parenthesis.
const FIRST_WORDS: &[&str] = &[
    "module",
    "component",
    "type",
    "rec",
    "import",
    "func",
    "table",
    "memory",
    "global",
    "export",
    "start",
    "elem",
    "data",
    "tag",
];

/// True if the first words can be those of WebAssembly text.
fn begins_as_wat(text: &str) -> bool {
    let code = behind_comments(text);
    let Some(inner) = code.strip_prefix('(') else { return false };
    let word: String = behind_comments(inner).chars().take_while(|c| c.is_ascii_alphanumeric() || "_.@".contains(*c)).collect();
    // A text that is nearly right gets an error with its place.
    word.starts_with('@')
        || FIRST_WORDS.iter().any(|known| !word.is_empty() && (known.starts_with(&word) || word.starts_with(known)))
}

fn behind_comments(text: &str) -> &str {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        rest = if let Some(comment) = rest.strip_prefix(";;") {
            comment.split_once('\n').map_or("", |(_, behind)| behind)
        } else if let Some(comment) = rest.strip_prefix("(;") {
            behind_block(comment)
        } else {
            return rest;
        }
        .trim_start();
    }
}

/// Skips the rest of a block comment; blocks may be nested.
fn behind_block(text: &str) -> &str {
    let (mut depth, mut rest) = (1, text);
    while let Some(at) = rest.find(['(', ';']) {
        rest = &rest[at..];
        if let Some(inner) = rest.strip_prefix("(;") {
            (depth, rest) = (depth + 1, inner);
        } else if let Some(behind) = rest.strip_prefix(";)") {
            (depth, rest) = (depth - 1, behind);
            if depth == 0 {
                return rest;
            }
        } else {
            rest = &rest[1..];
        }
    }
    ""
}

/// Guesses the kind of a text that is no module, from its beginning.
fn kind_of_text(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let line = text.lines().next().unwrap_or("").trim_end();
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    let has_line = |words: &[&str]| text.lines().take(200).any(|line| words.iter().any(|word| line.starts_with(word)));
    let kind = if begins(&["{", "["]) && !begins(&["[package]", "[workspace]", "[lib]"]) {
        "JSON"
    } else if begins(&["#!"]) {
        "a script"
    } else if begins(&["<"]) {
        "HTML or XML"
    } else if has_line(&[
        "#include", "#define", "#pragma", "#if", "typedef ", "static ", "int ", "void ", "float ", "double ", "extern ",
    ]) {
        "C or C++ source: compile it to a module first (clang --target=wasm32)"
    } else if has_line(&["#![", "#[", "use ", "pub ", "fn ", "mod ", "extern crate "]) {
        "Rust source: compile it to a module first (--target wasm32-unknown-unknown)"
    } else if has_line(&["import ", "export ", "const ", "let ", "function ", "var "]) {
        "JavaScript, TypeScript or AssemblyScript: compile it to a module first"
    } else if has_line(&["# ", "## ", "---", "```"]) {
        "Markdown"
    } else {
        ""
    };
    let shown: String = line.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    match kind {
        "" => format!("it is text that begins with \"{shown}\", where a module begins with (module"),
        kind => format!("it looks like {kind}"),
    }
}

fn encode(text: &str) -> Result<Vec<u8>> {
    let located = |error: wast::Error| text_error(text, &error);
    let buffer = ParseBuffer::new(text).map_err(located)?;
    let mut wat = parser::parse::<Wat>(&buffer).map_err(located)?;
    wat.encode().map_err(located)
}

fn text_error(text: &str, error: &wast::Error) -> Error {
    let (line, column) = error.span().linecol_in(text);
    let (shown, caret) = excerpt(text.lines().nth(line).unwrap_or(""), column);
    let number = (line + 1).to_string();
    let gutter = " ".repeat(number.len());
    Error::new(
        RTW_ERR_WASM,
        format!(
            "WebAssembly text, {number}:{column}: {message}\n {number} | {shown}\n {gutter} | {caret}^",
            column = column + 1,
            message = error.message(),
        ),
    )
}

/// The part of `line` around byte `column`, and the blanks that put a caret below it.
fn excerpt(line: &str, column: usize) -> (String, String) {
    let before = line.get(..column).unwrap_or(line).chars().count();
    let skipped = before.saturating_sub(SHOWN_COLUMNS / 2);
    // A tab's width depends on the terminal: a blank keeps the caret in place.
    let shown: String = line.chars().skip(skipped).take(SHOWN_COLUMNS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    (shown, " ".repeat(before - skipped))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(input: &[u8], status: rtw_status_t, part: &str) {
        let error = binary(input).unwrap_err();
        assert_eq!(error.status, status, "{error}");
        assert!(error.message.contains(part), "{part:?} is not in {:?}", error.message);
    }

    #[test]
    fn both_forms_are_taken() {
        let from_text = binary(b"(module (func (export \"f\")))").unwrap().into_owned();
        assert!(from_text.starts_with(MODULE_HEADER));
        assert_eq!(binary(&from_text).unwrap(), from_text);
        assert!(binary("\n ;; comment \u{e9}\n(func)".as_bytes()).is_ok(), "the module's own parentheses are optional");
    }

    #[test]
    fn files_given_by_mistake_are_named() {
        refused(b"", RTW_ERR_WASM, "empty");
        refused(b" \n\t", RTW_ERR_WASM, "white space");
        refused(&artifact::MAGIC, RTW_ERR_WASM, "already an rtwasm artifact");
        refused(b"\x7fELF\x02\x01\x01\0rest", RTW_ERR_WASM, "ELF file: native");
        refused(b"\x7fELF\x02\x01\x01\xc8rest", RTW_ERR_WASM, "precompiled form");
        refused(b"!<arch>\n", RTW_ERR_WASM, "archive");
        refused(b"BC\xc0\xde", RTW_ERR_WASM, "bitcode");
        refused(b"\x1f\x8b\x08", RTW_ERR_WASM, "gzip");
        refused(b"\xff\xfe\x00\x01", RTW_ERR_WASM, "UTF-16");
        refused(b"\x80\x81\x00\x01", RTW_ERR_WASM, "80 81 00 01");
        refused(b"PK\x03\x04", RTW_ERR_WASM, "ZIP");
    }

    #[test]
    fn texts_given_by_mistake_are_named() {
        for (text, part) in [
            (
                "/* A gain. */\n#include <math.h>\nfloat gain(float x) { return x; }",
                "not a WebAssembly module: it looks like C or C++",
            ),
            ("int main(void) { return 0; }", "C or C++ source"),
            ("{\n  \"format\": 1\n}", "not a WebAssembly module: it looks like JSON"),
            ("[1, 2]", "JSON"),
            ("# A title\n\nWords (in parentheses).", "Markdown"),
            ("//! A crate.\n#![no_std]\nfn f() {}", "Rust source"),
            ("// a module\nexport function gain(x: f32): f32 { return x; }", "AssemblyScript"),
            ("<!DOCTYPE html>", "HTML"),
            ("#!/bin/sh\necho", "a script"),
            ("(define (square x) (* x x))", "not a WebAssembly module: it is text that begins with \"(define"),
            ("(() => { start(); })()", "not a WebAssembly module: "),
            ("hello", "it is text that begins with \"hello\""),
            (";; only a comment", "not a WebAssembly module: "),
        ] {
            refused(text.as_bytes(), RTW_ERR_WASM, part);
            assert!(!binary(text.as_bytes()).unwrap_err().message.contains("WebAssembly text, "), "{text}");
        }
    }

    #[test]
    fn what_is_nearly_a_module_gets_a_place() {
        refused(b";; c\n(; (; d ;) ;)\n(modul)", RTW_ERR_WASM, "WebAssembly text, 3:");
        refused(b"(modules)", RTW_ERR_WASM, "WebAssembly text, 1:");
        refused(b"(func) (fun)", RTW_ERR_WASM, "WebAssembly text, 1:");
        assert!(binary("\u{feff}(module)".as_bytes()).is_err(), "wat itself refuses a byte order mark");
        assert!(binary(b"( ;; c\n module)").is_ok() && binary(b"(@custom \"a\" \"b\") (func)").is_ok());
    }

    #[test]
    fn headers_are_told_apart() {
        for length in 4..8 {
            refused(&MODULE_HEADER[..length], RTW_ERR_WASM, &format!("ends at byte {length}"));
        }
        refused(b"\0asm\x02\0\0\0", RTW_ERR_WASM, "version 2");
        refused(b"\0asm\x0d\0\x01\0", RTW_ERR_PROPOSAL, "component");
        refused(b"(component)", RTW_ERR_PROPOSAL, "component");
        refused(b"\0asm\x01\0\x07\0", RTW_ERR_WASM, "layer 7");
    }

    #[test]
    fn text_errors_show_line_and_column() {
        let error = binary(b"(module\n\t(func i32.addd))").unwrap_err();
        assert_eq!(error.status, RTW_ERR_WASM);
        let lines: Vec<&str> = error.message.lines().collect();
        assert!(lines[0].starts_with("WebAssembly text, 2:8: "), "{error}");
        assert_eq!(lines[1], " 2 |  (func i32.addd))");
        assert_eq!(lines[2], "   |        ^");
    }

    #[test]
    fn names_that_do_not_resolve_are_located_too() {
        refused(b"(module\n (func call $nowhere))", RTW_ERR_WASM, "2:13: unknown func");
    }

    #[test]
    fn text_that_ends_early_is_located() {
        refused(b"(module (func", RTW_ERR_WASM, "1:14: ");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("(module (; {} ;) (func oops) (; {} ;))", "x".repeat(500), "y".repeat(500));
        let error = binary(text.as_bytes()).unwrap_err();
        let lines: Vec<&str> = error.message.lines().collect();
        assert!(lines[1].chars().count() < 90, "{error}");
        let caret = lines[2].find('^').unwrap();
        assert!(lines[1][caret..].starts_with("oops"), "{error}");
    }
}
