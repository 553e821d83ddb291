//! C99's mathematics for guests: the C library's own functions, called with the guest's values as they are.

use std::ffi::{c_int, c_long, c_longlong};
use std::mem::transmute;
use wasmtime::ValRaw;

use super::{Alone, Ask, Form, Native, Reaches};
use crate::engine::artifact::Extern;
use crate::rt::fork;
use crate::sys::math::{Function, Shape};

/// The function for an import such as "env" "sinf".
pub fn find(import: &Extern) -> Option<Native> {
    if import.module != "env" {
        return None;
    }
    let (function, is_single) = Function::named(&import.name)?;
    let (ty, double, single) = forms(function.shape, import.name.contains("lgamma") && !import.name.contains("_r"));
    // These types are those of double precision.
    let (ty, way) = match is_single {
        false => (ty.to_owned(), double),
        true => (ty.replace("f64", "f32"), single),
    };
    if ty != import.ty {
        return None;
    }
    let (form, reaches) = match way {
        Way::Asks(form) => (form, Reaches::Outside),
        Way::Alone(call) => (never as Form, Reaches::OutsideAlone(call)),
    };
    let data = fork::reading_objects(|| function.address(is_single));
    Some(Native { form, data, speaks: false, reaches })
}

/// The way in which functions of a shape are called.
#[derive(Clone, Copy)]
enum Way {
    Alone(Alone),
    /// They write to the guest's memory.
    Asks(Form),
}

/// The form of functions that are called without one.
unsafe fn never(_: usize, _: Ask<'_>) -> wasmtime::Result<()> {
    Err(wasmtime::Trap::UnreachableCodeReached.into())
}

/// A guest's floating-point type.
trait Float: Copy + Sized {
    const BYTES: usize;
    fn read(raw: ValRaw) -> Self;
    fn raw(self) -> ValRaw;
    fn store(self, to: &mut [u8]);
}

macro_rules! float {
    ($type:ident, $get:ident) => {
        impl Float for $type {
            const BYTES: usize = size_of::<$type>();
            #[inline(always)]
            fn read(raw: ValRaw) -> $type {
                $type::from_bits(raw.$get())
            }
            #[inline(always)]
            fn raw(self) -> ValRaw {
                ValRaw::$type(self.to_bits())
            }
            fn store(self, to: &mut [u8]) {
                to.copy_from_slice(&self.to_le_bytes());
            }
        }
    };
}
float!(f32, get_f32);
float!(f64, get_f64);

/// A shape's type in double precision, and what calls such a function in double and in single precision.
fn forms(shape: Shape, drops_sign: bool) -> (&'static str, Way, Way) {
    macro_rules! both {
        ($ty:literal, $form:ident) => {
            ($ty, Way::Asks($form::<f64>), Way::Asks($form::<f32>))
        };
    }
    macro_rules! alone {
        ($ty:literal, $form:ident) => {
            ($ty, Way::Alone($form::<f64>), Way::Alone($form::<f32>))
        };
    }
    match shape {
        Shape::One => alone!("(f64)->(f64)", one),
        Shape::Two => alone!("(f64,f64)->(f64)", two),
        Shape::Three => alone!("(f64,f64,f64)->(f64)", three),
        Shape::Scale => alone!("(f64,i32)->(f64)", scale),
        Shape::Int => alone!("(f64)->(i32)", int),
        Shape::Long => alone!("(f64)->(i32)", long),
        Shape::LongLong => alone!("(f64)->(i64)", long_long),
        Shape::IntOut if drops_sign => alone!("(f64)->(f64)", lgamma),
        Shape::IntOut => both!("(f64,i32)->(f64)", int_out),
        Shape::PartOut => both!("(f64,i32)->(f64)", part_out),
        Shape::TwoIntOut => both!("(f64,f64,i32)->(f64)", two_int_out),
        Shape::TwoOut => both!("(f64,i32,i32)->()", two_out),
    }
}

/// Defines what calls C functions of one type.
macro_rules! form {
    ($form:ident, fn($($argument:ty),*) $(-> $result:ty)?, |$f:ident, $ask:ident| $body:expr) => {
        unsafe fn $form<T: Float>(address: usize, mut $ask: Ask<'_>) -> wasmtime::Result<()> {
            // SAFETY: the address of a C function of this type, by its shape and precision.
            let $f = unsafe { transmute::<usize, unsafe extern "C" fn($($argument),*) $(-> $result)?>(address) };
            // SAFETY: mathematics works for all values; pointers are to variables here.
            let answer = unsafe { $body };
            $ask.answer(answer);
            Ok(())
        }
    };
}

/// Defines what calls C functions of one type that need nothing but the values.
macro_rules! alone {
    ($form:ident, fn($($argument:ty),*) $(-> $result:ty)?, |$f:ident, $values:ident| $body:expr) => {
        unsafe fn $form<T: Float>(address: usize, values: *mut ValRaw) {
            // SAFETY: the address of a C function of this type, by its shape and precision.
            let $f = unsafe { transmute::<usize, unsafe extern "C" fn($($argument),*) $(-> $result)?>(address) };
            let $values = Arguments(values);
            // SAFETY: mathematics works for all values, of which there are as many as this type has; there is room for the result.
            unsafe { values.write($body) };
        }
    };
}

/// The arguments of a call, all of which are there.
struct Arguments(*mut ValRaw);

impl Arguments {
    /// # Safety
    /// There is such an argument.
    #[inline(always)]
    unsafe fn float<T: Float>(&self, at: usize) -> T {
        // SAFETY: passed on.
        T::read(unsafe { self.0.add(at).read() })
    }

    /// # Safety
    /// There is such an argument.
    #[inline(always)]
    unsafe fn int(&self, at: usize) -> c_int {
        // SAFETY: passed on.
        unsafe { self.0.add(at).read() }.get_i32()
    }
}

alone!(one, fn(T) -> T, |f, values| f(values.float(0)).raw());
alone!(two, fn(T, T) -> T, |f, values| f(values.float(0), values.float(1)).raw());
alone!(three, fn(T, T, T) -> T, |f, values| f(values.float(0), values.float(1), values.float(2)).raw());
alone!(scale, fn(T, c_int) -> T, |f, values| f(values.float(0), values.int(1)).raw());
alone!(int, fn(T) -> c_int, |f, values| ValRaw::i32(f(values.float::<T>(0))));
alone!(long, fn(T) -> c_long, |f, values| ValRaw::i32(f(values.float::<T>(0)) as i32));
alone!(long_long, fn(T) -> c_longlong, |f, values| ValRaw::i64(f(values.float::<T>(0))));
alone!(lgamma, fn(T, *mut c_int) -> T, |f, values| f(values.float(0), &mut 0).raw());
form!(int_out, fn(T, *mut c_int) -> T, |f, ask| {
    let mut number = 0;
    let answer = f(ask.float(0), &mut number);
    ask.store(1, &number.to_le_bytes());
    answer.raw()
});
form!(part_out, fn(T, *mut T) -> T, |f, ask| {
    let mut part: T = ask.float(0);
    let answer = f(part, &mut part);
    ask.store_float(1, part);
    answer.raw()
});
form!(two_int_out, fn(T, T, *mut c_int) -> T, |f, ask| {
    let mut number = 0;
    let answer = f(ask.float(0), ask.float(1), &mut number);
    ask.store(2, &number.to_le_bytes());
    answer.raw()
});
form!(two_out, fn(T, *mut T, *mut T), |f, ask| {
    let mut sine: T = ask.float(0);
    let mut cosine = sine;
    f(sine, &mut sine, &mut cosine);
    ask.store_float(1, sine);
    ask.store_float(2, cosine);
    ValRaw::i64(0)
});

impl Ask<'_> {
    #[inline(always)]
    fn float<T: Float>(&self, at: usize) -> T {
        T::read(self.raw(at))
    }

    /// Writes to the address in an argument; a wrong one is the guest's own fault, as it is for another module's function.
    fn store(&mut self, argument: usize, bytes: &[u8]) {
        if let Some(to) = self.piece(self.u32(argument), bytes.len() as u32) {
            to.copy_from_slice(bytes);
        }
    }

    fn store_float<T: Float>(&mut self, argument: usize, value: T) {
        if let Some(to) = self.piece(self.u32(argument), T::BYTES as u32) {
            value.store(to);
        }
    }
}
