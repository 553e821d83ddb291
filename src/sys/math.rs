//! C99's mathematics in the C library, by name, in double and single precision. Only their addresses are taken here; callers cast one to
//! the type of its shape.

/// The arguments and the result of a function. `T` is double or float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `T f(T)`
    One,
    /// `T f(T, T)`
    Two,
    /// `T f(T, T, T)`
    Three,
    /// `T f(T, int)`
    Scale,
    /// `int f(T)`
    Int,
    /// `long f(T)`
    Long,
    /// `long long f(T)`
    LongLong,
    /// `T f(T, int *)`
    IntOut,
    /// `T f(T, T *)`
    PartOut,
    /// `T f(T, T, int *)`
    TwoIntOut,
    /// `void f(T, T *, T *)`
    TwoOut,
}

/// A function in both precisions. Each address is that of a C function of this shape, perhaps not the C library's: Rust's own library
/// for compiled code contains some of them (`cbrt`, `fma`, `ceil` ...), and the linker prefers these.
pub struct Function {
    /// The name in double precision; that in single precision has an `f` at its end, or before `_r`.
    pub name: &'static str,
    pub shape: Shape,
    pub double: Address,
    pub single: Address,
}

impl Function {
    /// The function that a guest imports by this name, and true if in single precision: "sin", "sinf", or "_sinf", as Faust and older
    /// compilers name it.
    pub fn named(import: &str) -> Option<(&'static Function, bool)> {
        let name = import.strip_prefix('_').unwrap_or(import);
        let known = |name: &str| {
            let name = match name {
                // It differs in a `long`, which has 32 bits in a guest.
                "scalbln" => "scalbn",
                // It keeps the sign in a variable that all threads share.
                "lgamma" => "lgamma_r",
                name => name,
            };
            FUNCTIONS.iter().find(|function| function.name == name)
        };
        let single = if name == "lgammaf_r" { Some("lgamma_r") } else { name.strip_suffix('f') };
        known(name).map(|function| (function, false)).or_else(|| Some((known(single?)?, true)))
    }
}

impl Function {
    /// The address of the C library's own function, in one of the precisions. In a static program, which cannot be asked, that of the
    /// function that the linker has found. Takes the loader's lock.
    pub fn address(&self, is_single: bool) -> usize {
        let (name, linked) = (self.name.as_bytes(), if is_single { self.single } else { self.double });
        let (stem, end): (&[u8], &[u8]) = match (name.strip_suffix(b"_r"), is_single) {
            (Some(stem), true) => (stem, b"f_r"),
            (None, true) => (name, b"f"),
            (_, false) => (name, b""),
        };
        // It is called by way of `cabs`.
        if self.name == "hypot" {
            return linked.0 as usize;
        }
        let mut text = [0u8; 16];
        text[..stem.len()].copy_from_slice(stem);
        text[stem.len()..stem.len() + end.len()].copy_from_slice(end);
        // SAFETY: the text ends in zero bytes; looking a symbol up runs no code of anybody's.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, text.as_ptr().cast()) };
        if found.is_null() { linked.0 as usize } else { found as usize }
    }
}

/// The address of a C function, which has no type of its own here.
#[derive(Clone, Copy)]
pub struct Address(pub *const ());

// SAFETY: the address of code.
unsafe impl Sync for Address {}

/// A complex number as C has it in both precisions: a structure of two floating-point numbers is passed in the same registers as
/// `_Complex`, on x86-64 and on aarch64.
#[repr(C)]
struct Complex<T> {
    re: T,
    im: T,
}

unsafe extern "C" {
    fn cabs(z: Complex<f64>) -> f64;
    fn cabsf(z: Complex<f32>) -> f32;
}

// The C library's `hypot`, by way of `cabs`, which calls it: a reference to `hypot` itself would need glibc 2.35, whose `hypot` has a
// version of its own.
extern "C" fn hypot(x: f64, y: f64) -> f64 {
    // SAFETY: mathematics works for all values.
    unsafe { cabs(Complex { re: x, im: y }) }
}

extern "C" fn hypotf(x: f32, y: f32) -> f32 {
    // SAFETY: mathematics works for all values.
    unsafe { cabsf(Complex { re: x, im: y }) }
}

macro_rules! functions {
    ($($shape:ident: $($name:ident $single:ident),*;)* + $($own:ident: $own_name:ident $own_single:ident;)*) => {
        unsafe extern "C" {
            $($(fn $name(); fn $single();)*)*
        }

        pub static FUNCTIONS: &[Function] = &[
            $($(Function {
                name: stringify!($name),
                shape: Shape::$shape,
                double: Address($name as *const ()),
                single: Address($single as *const ()),
            },)*)*
            $(Function {
                name: stringify!($own_name),
                shape: Shape::$own,
                double: Address($own_name as *const ()),
                single: Address($own_single as *const ()),
            },)*
        ];
    };
}

functions! {
    One: acos acosf, acosh acoshf, asin asinf, asinh asinhf, atan atanf, atanh atanhf, cbrt cbrtf, ceil ceilf, cos cosf, cosh
        coshf, erf erff, erfc erfcf, exp expf, exp10 exp10f, exp2 exp2f, expm1 expm1f, fabs fabsf, floor floorf, log logf,
        log10 log10f, log1p log1pf, log2 log2f, logb logbf, nearbyint nearbyintf, rint rintf, round roundf, sin sinf, sinh
        sinhf, sqrt sqrtf, tan tanf, tanh tanhf, tgamma tgammaf, trunc truncf;
    Two: atan2 atan2f, copysign copysignf, fdim fdimf, fmax fmaxf, fmin fminf, fmod fmodf, nextafter nextafterf, pow powf,
        remainder remainderf;
    Three: fma fmaf;
    Scale: ldexp ldexpf, scalbn scalbnf;
    Int: ilogb ilogbf;
    Long: lrint lrintf, lround lroundf;
    LongLong: llrint llrintf, llround llroundf;
    IntOut: frexp frexpf, lgamma_r lgammaf_r;
    PartOut: modf modff;
    TwoIntOut: remquo remquof;
    TwoOut: sincos sincosf;
    +
    Two: hypot hypotf;
}
