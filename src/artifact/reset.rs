//! The reset image: a module's memories and globals as they are after instantiation, for a guest that is to start anew without being
//! created anew. docs/artifacts.md shows its layout.

/// The reasons why a module has no reset image: bits of `Metadata::reset_obstacles`, in the order of their numbers, each with its name
/// and the words for people.
pub const OBSTACLES: [(&str, &str); 9] = [
    ("start_function", "a start function runs when an instance is created; the compiler's option --init runs it before"),
    ("initialiser", "_initialize runs when a guest is created; the compiler's option --init runs it before"),
    ("imported_state", "it imports a memory, a table or a global, which belongs to the host"),
    ("reference_global", "a global that changes holds a reference"),
    ("table_changes", "its code changes a table"),
    ("drops_segment", "its code drops a data or an element segment, which stays away"),
    ("segment_out_of_bounds", "a data segment does not fit into its memory"),
    ("memory_too_large", "its memories exceed 4 GiB at the start"),
    ("computed_reference", "its initial state depends on what only the engine can compute"),
];

/// The bit of an obstacle.
pub fn bit(name: &str) -> u32 {
    OBSTACLES.iter().position(|(known, _)| *known == name).map_or(0, |at| 1 << at)
}

/// The names of the obstacles, and the words.
pub fn named(obstacles: u32) -> impl Iterator<Item = (&'static str, &'static str)> {
    (0..).zip(OBSTACLES).filter(move |(at, _)| obstacles & 1 << at != 0).map(|(_, obstacle)| obstacle)
}
