//! The low pass of biquad.c in Rust, for `wasm32-unknown-unknown`. The description is a custom section. Nothing allocates: Rust's allocator
//! begins with growth, which prepared guests do not have.

use std::ptr::{addr_of_mut, null, null_mut};

const DESCRIPTION_TEXT: &str = r#"{"name": "Low pass", "inputs": 2, "outputs": 2, "parameters": [
  {"id": "frequency", "name": "Frequency", "unit": "Hz", "min": 20, "max": 20000, "default": 1000, "flags": ["logarithmic"]},
  {"id": "q", "name": "Q", "min": 0.1, "max": 18, "default": 0.7}
]}"#;

#[link_section = "rtw_guest"]
#[used]
static DESCRIPTION: [u8; DESCRIPTION_TEXT.len()] = {
    let mut bytes = [0; DESCRIPTION_TEXT.len()];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = DESCRIPTION_TEXT.as_bytes()[at];
        at += 1;
    }
    bytes
};

const CHANNELS: usize = 2;
const MAX_FRAMES: usize = 4096;

/// rtwg_io_t of rtw_guest.h.
#[repr(C)]
pub struct Io {
    inputs: *const *mut f32,
    outputs: *const *mut f32,
    params: *mut f32,
    meters: *mut f32,
    events: *mut u8,
    event_room: u32,
    event_count: u32,
    latency: u32,
}

#[derive(Clone, Copy)]
struct Channel {
    input: [f32; MAX_FRAMES],
    output: [f32; MAX_FRAMES],
    s1: f32,
    s2: f32,
}

struct Guest {
    io: Io,
    inputs: [*mut f32; CHANNELS],
    outputs: [*mut f32; CHANNELS],
    params: [f32; 2],
    tuned: [f32; 2],
    rate: f64,
    coefficients: [f32; 5],
    channels: [Channel; CHANNELS],
}

/// All zeros, so that it takes no place in the module; the host writes the parameters before the first block.
static mut GUEST: Guest = Guest {
    io: Io {
        inputs: null(),
        outputs: null(),
        params: null_mut(),
        meters: null_mut(),
        events: null_mut(),
        event_room: 0,
        event_count: 0,
        latency: 0,
    },
    inputs: [null_mut(); CHANNELS],
    outputs: [null_mut(); CHANNELS],
    params: [0.0; 2],
    tuned: [0.0; 2],
    rate: 0.0,
    coefficients: [0.0; 5],
    channels: [Channel { input: [0.0; MAX_FRAMES], output: [0.0; MAX_FRAMES], s1: 0.0, s2: 0.0 }; CHANNELS],
};

/// The module's only thread runs one exported function at a time, and none calls another with a borrowed guest.
fn guest() -> &'static mut Guest {
    unsafe { &mut *addr_of_mut!(GUEST) }
}

impl Guest {
    fn tune(&mut self) {
        let w = 2.0 * std::f64::consts::PI * f64::from(self.params[0]).min(0.49 * self.rate) / self.rate;
        let alpha = w.sin() / (2.0 * f64::from(self.params[1]));
        let (cosine, a0) = (w.cos(), 1.0 + alpha);
        let outer = ((1.0 - cosine) / 2.0 / a0) as f32;
        self.coefficients = [outer, ((1.0 - cosine) / a0) as f32, outer, (-2.0 * cosine / a0) as f32, ((1.0 - alpha) / a0) as f32];
        self.tuned = self.params;
    }
}

#[no_mangle]
pub extern "C" fn rtw_reset() {
    for channel in &mut guest().channels {
        channel.s1 = 0.0;
        channel.s2 = 0.0;
    }
}

#[no_mangle]
pub extern "C" fn rtw_init(rate: f64, max_frames: i32) -> i32 {
    rtw_reset();
    let guest = guest();
    guest.rate = rate;
    guest.tuned = [0.0; 2];
    for (channel, (input, output)) in guest.channels.iter_mut().zip(guest.inputs.iter_mut().zip(&mut guest.outputs)) {
        *input = channel.input.as_mut_ptr();
        *output = channel.output.as_mut_ptr();
    }
    guest.io.inputs = guest.inputs.as_ptr();
    guest.io.outputs = guest.outputs.as_ptr();
    guest.io.params = guest.params.as_mut_ptr();
    i32::from(!(rate > 0.0 && max_frames > 0 && max_frames as usize <= MAX_FRAMES))
}

#[no_mangle]
pub extern "C" fn rtw_io() -> *const Io {
    &guest().io
}

#[no_mangle]
pub extern "C" fn rtw_process(frames: usize) {
    let guest = guest();
    if guest.params != guest.tuned {
        guest.tune();
    }
    let [b0, b1, b2, a1, a2] = guest.coefficients;
    for channel in &mut guest.channels {
        let (mut s1, mut s2) = (channel.s1, channel.s2);
        for (x, result) in channel.input.iter().zip(&mut channel.output).take(frames) {
            let y = b0 * x + s1;
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *result = y;
        }
        channel.s1 = s1;
        channel.s2 = s2;
    }
}
