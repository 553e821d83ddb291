//! A header for each noun of an API: each includes what its declarations use, and stands alone.
//!
//! The nouns have an order. A header includes the earlier ones that it uses; of a later one it may use a handle, which it declares
//! as a struct that it knows nothing of.

use std::collections::{BTreeMap, BTreeSet};

/// Where the includes go, in what cbindgen writes.
pub const INCLUDES: &str = "@INCLUDES@";

pub struct Header {
    pub noun: String,
    pub text: String,
}

/// Completes the headers, given in their order, with their includes.
pub fn link(headers: &mut [Header]) -> Result<(), String> {
    let mut defined = BTreeMap::new();
    for (at, header) in headers.iter().enumerate() {
        for name in definitions(&header.text) {
            if let Some(other) = defined.insert(name.clone(), at) {
                let (noun, other) = (&header.noun, &headers[other].noun);
                return Err(format!(
                    "{name} is defined for {other} and for {noun}: does a source declare another as its module?"
                ));
            }
        }
    }
    for at in 0..headers.len() {
        let later = later(headers, at, &defined)?;
        let includes = includes(headers, at, &defined, &later);
        headers[at].text = plain(&headers[at].text, &later).replace(INCLUDES, &includes);
    }
    Ok(())
}

/// The handles that a header uses of later ones, and their headers.
fn later(headers: &[Header], at: usize, defined: &BTreeMap<String, usize>) -> Result<BTreeMap<String, usize>, String> {
    let of_later = |word: String| defined.get(&word).filter(|other| **other > at).map(|other| (word, *other));
    let later: BTreeMap<_, _> = words(&headers[at].text).into_iter().filter_map(of_later).collect();
    for (word, other) in &later {
        let (noun, other) = (&headers[at].noun, &headers[*other]);
        if !other.text.contains(&format!("typedef struct {word} {word};")) {
            return Err(format!("{noun} comes before {}, and uses its {word}, which is no handle", other.noun));
        }
    }
    Ok(later)
}

/// A header whose declarations name types as a reader would write them: with `struct` only where it declares no more.
fn plain(text: &str, later: &BTreeMap<String, usize>) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let is_definition =
            line.starts_with("typedef struct ") || line.starts_with("typedef union ") || line.starts_with("///");
        let mut line = line.to_owned();
        if !is_definition && !line.trim_start().starts_with("///") {
            line = line.replace("struct rtw_", "rtw_").replace("union rtw_", "rtw_");
            for word in later.keys() {
                line = line.replace(word, &format!("struct {word}"));
            }
        }
        out += &line;
    }
    out
}

fn includes(headers: &[Header], at: usize, defined: &BTreeMap<String, usize>, later: &BTreeMap<String, usize>) -> String {
    let (mut system, mut earlier) = (BTreeSet::new(), BTreeSet::new());
    for word in words(&headers[at].text) {
        if let Some(&other) = defined.get(&word) {
            if other < at {
                earlier.insert(other);
            }
        } else if word == "size_t" {
            system.insert("stddef.h");
        } else if (word.starts_with("int") || word.starts_with("uint")) && word.ends_with("_t") {
            system.insert("stdint.h");
        }
    }
    let mut text: String = system.into_iter().map(|name| format!("#include <{name}>\n")).collect();
    text.extend(earlier.into_iter().map(|other| format!("#include \"{}.h\"\n", headers[other].noun)));
    if !later.is_empty() {
        text += "\n";
    }
    for (word, other) in later {
        text += &format!("struct {word}; // {}.h has it\n", headers[*other].noun);
    }
    text.trim_end().to_owned()
}

/// The code of a header, without its comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap_or(""))
}

/// The constants, markers and types that a header defines.
fn definitions(text: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    for line in code(text) {
        let word = |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
        if let Some(rest) = line.strip_prefix("#define ") {
            found.insert(word(rest));
        } else if let Some(rest) = line.strip_prefix("typedef ") {
            // A handle, a struct that begins here, or an alias; of a function pointer the name is in parentheses.
            let rest = rest.trim_end_matches([';', '{', ' ']);
            found.insert(match rest.split_once("(*") {
                Some((_, name)) => word(name),
                None => rest.rsplit(' ').next().unwrap_or("").to_owned(),
            });
        }
    }
    found.into_iter().filter(|name| name.starts_with("rtw_") || name.starts_with("RTW_")).collect()
}

fn words(text: &str) -> BTreeSet<String> {
    // A comment of several lines precedes the includes.
    let after = text.split_once(INCLUDES).map_or(text, |(_, after)| after);
    code(after)
        .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
