//! Provides the functions of libm that a module imports while its exports run at compile time: as the library does at run time, with
//! the C library's own functions. Only those whose arguments and results are numbers; pointers are for the guest's own libm.

use std::mem::transmute;

use rtwasm::engine::artifact::Extern;
use rtwasm::sys::math::{Function, Shape};
use wasmtime::Val;

/// A function of the C library, with its shape and precision.
#[derive(Clone, Copy)]
pub struct Libm {
    address: usize,
    shape: Shape,
    is_single: bool,
}

/// The function for an import such as "env" "sinf", if it has that function's type.
pub fn find(import: &Extern) -> Option<Libm> {
    if import.module != "env" {
        return None;
    }
    let (function, is_single) = Function::named(&import.name)?;
    let ty = match function.shape {
        Shape::One => "(f64)->(f64)",
        Shape::Two => "(f64,f64)->(f64)",
        Shape::Three => "(f64,f64,f64)->(f64)",
        _ => return None,
    };
    let (ty, address) = if is_single { (ty.replace("f64", "f32"), function.single) } else { (ty.to_owned(), function.double) };
    (ty == import.ty).then_some(Libm { address: address.0 as usize, shape: function.shape, is_single })
}

macro_rules! call {
    ($self:ident, $type:ident, $get:ident, $arguments:ident) => {{
        let at = |index: usize| -> $type { $arguments[index].$get().expect("the type has been compared") };
        let answer = match $self.shape {
            Shape::One => {
                // SAFETY: the address of a C function of this type, which works for all values.
                unsafe { transmute::<usize, unsafe extern "C" fn($type) -> $type>($self.address)(at(0)) }
            }
            Shape::Two => {
                // SAFETY: as above.
                unsafe { transmute::<usize, unsafe extern "C" fn($type, $type) -> $type>($self.address)(at(0), at(1)) }
            }
            _ => {
                // SAFETY: as above; `find` takes three shapes.
                unsafe {
                    transmute::<usize, unsafe extern "C" fn($type, $type, $type) -> $type>($self.address)(at(0), at(1), at(2))
                }
            }
        };
        Val::from(answer)
    }};
}

impl Libm {
    pub fn call(self, arguments: &[Val]) -> Val {
        if self.is_single { call!(self, f32, f32, arguments) } else { call!(self, f64, f64, arguments) }
    }
}

#[cfg(test)]
mod tests {
    use rtwasm::engine::artifact::ExternKind;

    use super::*;

    fn answer(name: &str, ty: &str, arguments: &[Val]) -> Option<f64> {
        let import = Extern { kind: ExternKind::Func, module: "env".into(), name: name.into(), ty: ty.into() };
        match find(&import)?.call(arguments) {
            Val::F32(bits) => Some(f32::from_bits(bits).into()),
            Val::F64(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    #[test]
    fn numbers_are_computed_in_both_precisions() {
        assert_eq!(answer("cos", "(f64)->(f64)", &[Val::from(0.0f64)]), Some(1.0));
        assert_eq!(answer("_powf", "(f32,f32)->(f32)", &[Val::from(2.0f32), Val::from(10.0f32)]), Some(1024.0));
        let three = [Val::from(2.0f64), Val::from(3.0f64), Val::from(1.0f64)];
        assert_eq!(answer("fma", "(f64,f64,f64)->(f64)", &three), Some(7.0));
    }

    #[test]
    fn other_types_and_pointers_are_not() {
        assert_eq!(answer("cos", "(f32)->(f32)", &[]), None);
        assert_eq!(answer("frexp", "(f64,i32)->(f64)", &[]), None);
        assert_eq!(answer("cosy", "(f64)->(f64)", &[]), None);
    }
}
