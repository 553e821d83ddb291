//! Names of a guest's in messages. A module may have thousands of exports, and each name may be as long as the module: a message
//! shows the first few, and the beginning of each.

/// So many names are shown.
const FEW: usize = 8;
/// Of so many characters each.
const CHARACTERS: usize = 60;

/// A name as a message shows it: its beginning, with what is not printable escaped.
pub fn shown(name: &str) -> String {
    let beginning: String = name.chars().take(CHARACTERS).collect();
    let more = if beginning.len() < name.len() { "..." } else { "" };
    format!("{}{more}", beginning.escape_debug())
}

/// The first few, and how many more there are; `none` of none.
pub fn few<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names.by_ref().take(FEW).map(shown).collect();
    match (first.is_empty(), names.count()) {
        (true, _) => "none".into(),
        (false, 0) => first.join(", "),
        (false, more) => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_shown_and_the_rest_is_counted() {
        assert_eq!(few([]), "none");
        assert_eq!(few(["a", "b"]), "a, b");
        let many: Vec<String> = (0..3000).map(|n| format!("f{n}")).collect();
        assert_eq!(few(many.iter().map(String::as_str)), "f0, f1, f2, f3, f4, f5, f6, f7 and 2992 more");
        let long = "x".repeat(100_000);
        assert_eq!(shown(&long).len(), CHARACTERS + 3);
        assert_eq!(shown("a\nb"), "a\\nb");
    }
}
