// Rust's standard library without a system (wasm32-unknown-unknown). It imports the host's mathematics and the library's log itself.

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn powf(base: f32, exponent: f32) -> f32;
    fn sin(angle: f64) -> f64;
}

#[link(wasm_import_module = "rtwasm")]
unsafe extern "C" {
    fn rtw_log(level: u32, text: *const u8, length: usize);
}

fn say(level: u32, text: &str) {
    unsafe { rtw_log(level, text.as_ptr(), text.len()) }
}

/// Joins the numbers below n, logs them, and returns the sum of their characters, each times its place.
#[unsafe(no_mangle)]
pub extern "C" fn work(n: i32) -> i32 {
    let text = (0..n).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    say(0, &format!("work {n}: {text}"));
    text.bytes().zip(1..).map(|(byte, place)| i32::from(byte) * place).sum()
}

#[unsafe(no_mangle)]
pub extern "C" fn power(base: f32, exponent: f32) -> f32 {
    unsafe { powf(base, exponent) }
}

#[unsafe(no_mangle)]
pub extern "C" fn sine(angle: f64) -> f64 {
    unsafe { sin(angle) }
}

#[unsafe(no_mangle)]
pub extern "C" fn complain() {
    say(4, "an error");
}

#[unsafe(no_mangle)]
pub extern "C" fn fail() {
    let none: Option<i32> = std::hint::black_box(None);
    none.expect("the guest gives up");
}
