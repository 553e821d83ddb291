//! Text that grows piece by piece.

use std::fmt::{Arguments, Write};

/// Appends formatted text.
pub fn put(text: &mut String, what: Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}
