//! C99's mathematics for guests: the C library's own functions, called with the guest's values as they are.

use std::ffi::{c_int, c_long, c_longlong};
use std::mem::transmute;
use wasmtime::ValRaw;

use super::{Ask, Form, Native};
use crate::engine::artifact::Extern;
use crate::sys::math::{Function, Shape};

/// The function for an import such as "env" "sinf".
pub fn find(import: &Extern) -> Option<Native> {
    if import.module != "env" {
        return None;
    }
    let (function, is_single) = Function::named(&import.name)?;
    let (ty, double, single) = forms(function.shape, import.name.contains("lgamma") && !import.name.contains("_r"));
    // These types are those of double precision.
    let (ty, form, address) = match is_single {
        false => (ty.to_owned(), double, function.double),
        true => (ty.replace("f64", "f32"), single, function.single),
    };
    (ty == import.ty).then_some(Native { form, data: address.0 as usize, speaks: false, is_outside: true })
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
fn forms(shape: Shape, drops_sign: bool) -> (&'static str, Form, Form) {
    macro_rules! both {
        ($ty:literal, $form:ident) => {
            ($ty, $form::<f64> as Form, $form::<f32> as Form)
        };
    }
    match shape {
        Shape::One => both!("(f64)->(f64)", one),
        Shape::Two => both!("(f64,f64)->(f64)", two),
        Shape::Three => both!("(f64,f64,f64)->(f64)", three),
        Shape::Scale => both!("(f64,i32)->(f64)", scale),
        Shape::Int => both!("(f64)->(i32)", int),
        Shape::Long => both!("(f64)->(i32)", long),
        Shape::LongLong => both!("(f64)->(i64)", long_long),
        Shape::IntOut if drops_sign => both!("(f64)->(f64)", lgamma),
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

form!(one, fn(T) -> T, |f, ask| f(ask.float(0)).raw());
form!(two, fn(T, T) -> T, |f, ask| f(ask.float(0), ask.float(1)).raw());
form!(three, fn(T, T, T) -> T, |f, ask| f(ask.float(0), ask.float(1), ask.float(2)).raw());
form!(scale, fn(T, c_int) -> T, |f, ask| f(ask.float(0), ask.u32(1) as c_int).raw());
form!(int, fn(T) -> c_int, |f, ask| ValRaw::i32(f(ask.float::<T>(0))));
form!(long, fn(T) -> c_long, |f, ask| ValRaw::i32(f(ask.float::<T>(0)) as i32));
form!(long_long, fn(T) -> c_longlong, |f, ask| ValRaw::i64(f(ask.float::<T>(0))));
form!(lgamma, fn(T, *mut c_int) -> T, |f, ask| f(ask.float(0), &mut 0).raw());
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
