//! Defects that a test plants into the guard, to see that its comparison finds them. In tests/property/planted alone.

use std::sync::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Long copies go upwards, whatever overlaps.
    CopiesUpwards,
    /// In the copies of an unrolled loop, branches that leave it count one label too few.
    LeavesTooFar,
}

/// For all threads: the compiler works on some of its own.
static DEFECT: Mutex<Option<Defect>> = Mutex::new(None);

/// From now on modules are compiled with the defect, or without any.
pub fn plant(defect: Option<Defect>) {
    *DEFECT.lock().expect("nothing panics while it is held") = defect;
}

pub(crate) fn has(defect: Defect) -> bool {
    *DEFECT.lock().expect("nothing panics while it is held") == Some(defect)
}
