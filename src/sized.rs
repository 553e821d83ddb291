//! Structs of the C APIs that grow: the first field is the size that the caller's header gives the struct, so that programs and
//! libraries of different versions read and write no more than both know.
//!
//! In: fields that an older caller does not know have their defaults; what a newer caller has set and this library does not know
//! is refused. Out: no more than the caller's size is written, and what this library does not know is zero.

use std::mem::MaybeUninit;

use crate::status::*;

/// The largest valid size; no header sets a larger one.
const LARGEST: usize = 4096;

/// The structs whose first field is their size.
///
/// # Safety
/// It is, and a u32; all-zero is a valid value; every field is a number, a pointer or an array of numbers.
pub unsafe trait Sized32: Sized {
    /// Sets the defaults that are not zero: `_init_sized` writes them, and a caller that does not know a field gets them.
    fn set_defaults(&mut self) {}

    fn defaults() -> Self {
        // SAFETY: `place` initialises the whole value.
        unsafe { place::<Self>().assume_init() }
    }
}

/// A place with the defaults. It is copied as bytes, so that padding between fields is zero, too.
fn place<T: Sized32>() -> MaybeUninit<T> {
    let mut place = MaybeUninit::<T>::zeroed();
    // SAFETY: all-zero is valid by the trait's contract.
    unsafe { place.assume_init_mut() }.set_defaults();
    place
}

/// Elements of arrays with a stride, which have no size of their own.
///
/// # Safety
/// All-zero is a valid value; every field is a number or a pointer.
pub unsafe trait Element: Sized {}

fn is_plausible(size: usize) -> bool {
    (8..=LARGEST).contains(&size) && size.is_multiple_of(4)
}

/// Writes the defaults and the caller's size, up to that size. Does nothing for NULL, or for a size that no struct has.
///
/// # Safety
/// NULL or writable for `size` bytes.
pub unsafe fn init<T: Sized32>(to: *mut T, size: usize) {
    if !to.is_null() && is_plausible(size) {
        // SAFETY: writable for `size` bytes, as the caller promises.
        unsafe { write(to, size, &place()) };
    }
}

/// Copies the fields that the caller has set.
///
/// # Safety
/// Readable for the number of bytes in its first field.
pub unsafe fn read<T: Sized32>(from: *const T, what: &str) -> Result<T> {
    // SAFETY: the size is the first field of all these structs, and limits what is read.
    let size = unsafe { from.cast::<u32>().read() } as usize;
    if !is_plausible(size) {
        return Err(Error::new(
            RTW_ERR_STRUCT_SIZE,
            format!("{what}: struct_size is {size}: call the struct's _init function"),
        ));
    }
    let mut to = T::defaults();
    // SAFETY: readable for `size` bytes, as the caller promises; any bytes are valid for all fields.
    unsafe { copy_in(from.cast(), size, (&raw mut to).cast(), size_of::<T>(), what) }?;
    Ok(to)
}

/// Copies element `at` of an array whose elements are `stride` bytes apart.
///
/// # Safety
/// Readable there for `stride` bytes.
pub unsafe fn element<T: Element>(from: *const T, stride: usize, at: usize, what: &str) -> Result<T> {
    if !is_plausible(stride) {
        return Err(Error::new(RTW_ERR_STRUCT_SIZE, format!("{what}: its size is {stride}: pass sizeof")));
    }
    // SAFETY: all-zero is valid by the trait's contract; the element is readable, as the caller promises.
    unsafe {
        let mut to = std::mem::zeroed::<T>();
        copy_in(from.byte_add(at * stride).cast(), stride, (&raw mut to).cast(), size_of::<T>(), what)?;
        Ok(to)
    }
}

/// # Safety
/// `from` is readable for `size` bytes, `to` is writable for `known`.
unsafe fn copy_in(from: *const u8, size: usize, to: *mut u8, known: usize, what: &str) -> Result<()> {
    // SAFETY: passed on.
    let unknown = unsafe { std::slice::from_raw_parts(from.add(known.min(size)), size.saturating_sub(known)) };
    if let Some(at) = unknown.iter().position(|byte| *byte != 0) {
        let at = known + at;
        return Err(Error::new(
            RTW_ERR_STRUCT_SIZE,
            format!(
                "{what}: the field at byte {at} is set, and this library is too old for it: it knows {known} of {size} bytes"
            ),
        ));
    }
    // SAFETY: passed on.
    unsafe { to.copy_from_nonoverlapping(from, known.min(size)) };
    Ok(())
}

/// The destination of an output.
pub struct Output<T> {
    to: *mut T,
    size: usize,
}

/// An output whose size is valid; nothing is written yet.
///
/// # Safety
/// NULL or writable for the number of bytes in its first field, until [`Output::fill`] was called.
pub unsafe fn output<T: Sized32>(to: *mut T) -> std::result::Result<Output<T>, rtw_status_t> {
    if to.is_null() {
        return Err(RTW_ERR_NULL);
    }
    // SAFETY: as in `read`.
    let size = unsafe { to.cast::<u32>().read() } as usize;
    if is_plausible(size) { Ok(Output { to, size }) } else { Err(RTW_ERR_STRUCT_SIZE) }
}

impl<T: Sized32> Output<T> {
    /// Fills in the defaults with `fill`, and writes them up to the caller's size.
    pub fn fill(self, fill: impl FnOnce(&mut T)) {
        let mut filled = place();
        // SAFETY: `place` initialises the whole value; writable for `size` bytes, as the caller of `output` promised.
        unsafe {
            fill(filled.assume_init_mut());
            write(self.to, self.size, &filled);
        }
    }
}

/// # Safety
/// Writable for `size` bytes.
unsafe fn write<T: Sized32>(to: *mut T, size: usize, value: &MaybeUninit<T>) {
    let known = size_of::<T>().min(size);
    // SAFETY: writable, as the caller promises; the size comes first.
    unsafe {
        to.cast::<u8>().copy_from_nonoverlapping(value.as_ptr().cast(), known);
        to.cast::<u8>().add(known).write_bytes(0, size - known);
        to.cast::<u32>().write(size as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Debug, PartialEq)]
    struct Known {
        size: u32,
        small: u32,
        large: u64,
    }
    // SAFETY: its first field is its size, and all are numbers.
    unsafe impl Sized32 for Known {
        fn set_defaults(&mut self) {
            (self.small, self.large) = (1, 2);
        }
    }
    // SAFETY: all fields are numbers.
    unsafe impl Element for Known {}

    fn with(bytes: &[u32]) -> Result<Known> {
        // SAFETY: readable for the number of bytes in its first word, in these tests.
        unsafe { read(bytes.as_ptr().cast::<Known>(), "thing") }
    }

    #[test]
    fn what_a_caller_does_not_know_has_its_default() {
        assert_eq!(with(&[8, 5]).unwrap(), Known { size: 8, small: 5, large: 2 });
        assert_eq!(with(&[16, 5, 6, 0]).unwrap(), Known { size: 16, small: 5, large: 6 });
    }

    #[test]
    fn what_the_library_does_not_know_has_to_be_zero() {
        assert_eq!(with(&[24, 5, 6, 0, 0, 0]).unwrap().large, 6);
        let error = with(&[24, 5, 6, 0, 0, 7]).unwrap_err();
        assert_eq!(error.status, RTW_ERR_STRUCT_SIZE);
        assert!(error.message.contains("byte 20"), "{}", error.message);
    }

    #[test]
    fn sizes_that_no_struct_has_are_refused() {
        for size in [0, 4, 7, 9, 4100, u32::MAX] {
            assert_eq!(with(&[size, 0]).unwrap_err().status, RTW_ERR_STRUCT_SIZE, "{size}");
            let mut words = [size, 7];
            // SAFETY: nothing is written.
            assert!(unsafe { output(words.as_mut_ptr().cast::<Known>()) }.is_err(), "{size}");
            // SAFETY: nothing is written.
            unsafe { init(words.as_mut_ptr().cast::<Known>(), size as usize) };
            assert_eq!(words, [size, 7]);
        }
    }

    #[test]
    fn no_more_than_the_callers_size_is_written() {
        let cases: [(usize, [u32; 6]); 3] = [(8, [8, 3, 9, 9, 9, 9]), (16, [16, 3, 4, 0, 9, 9]), (24, [24, 3, 4, 0, 0, 0])];
        for (size, expected) in cases {
            let mut words = [size as u32, 9, 9, 9, 9, 9];
            // SAFETY: there is room for all of these sizes.
            let out = unsafe { output(words.as_mut_ptr().cast::<Known>()) }.unwrap();
            out.fill(|known| (known.small, known.large) = (3, 4));
            assert_eq!(words, expected);
            // SAFETY: there is room for all of these sizes.
            unsafe { init(words.as_mut_ptr().cast::<Known>(), size) };
            assert_eq!(words[..2], [size as u32, 1]);
        }
    }

    #[test]
    fn elements_lie_as_far_apart_as_the_caller_says() {
        let words = [0_u32, 1, 2, 0, 0, 0, 0, 3, 4, 0, 5, 0];
        // SAFETY: there are two elements of 24 bytes, or six of 8.
        unsafe {
            assert_eq!(element(words.as_ptr().cast::<Known>(), 24, 0, "one").unwrap().large, 2);
            assert_eq!(element(words.as_ptr().cast::<Known>(), 24, 1, "one").unwrap_err().status, RTW_ERR_STRUCT_SIZE);
            assert_eq!(element(words.as_ptr().cast::<Known>(), 8, 3, "one").unwrap(), Known { size: 0, small: 3, large: 0 });
            assert_eq!(element(words.as_ptr().cast::<Known>(), 6, 0, "one").unwrap_err().status, RTW_ERR_STRUCT_SIZE);
        }
    }
}
