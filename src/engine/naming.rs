//! Guests' names in messages. A module may have thousands of exports, and each name may be as long as the module: a message
//! shows the first few names, and the beginning of each.

/// The number of names that a message shows.
const FEW: usize = 8;
/// The number of characters of each name.
const CHARACTERS: usize = 60;

/// A name for a message: its beginning, with unprintable characters escaped.
pub fn shown(name: &str) -> String {
    let beginning: String = name.chars().take(CHARACTERS).collect();
    let more = if beginning.len() < name.len() { "..." } else { "" };
    format!("{}{more}", beginning.escape_debug())
}

/// The first few names, and the number of the others; `none` if there are none.
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
