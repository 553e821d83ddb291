// The low pass of biquad.c in AssemblyScript. The description is a text to which `rtw_describe` returns the address: the compiler calls it.
// `memory.data` lays buffers out when the module is built, so that nothing is allocated while it runs.

const DESCRIPTION = `{"name": "Low pass", "inputs": 2, "outputs": 2, "parameters": [
  {"id": "frequency", "name": "Frequency", "unit": "Hz", "min": 20, "max": 20000, "default": 1000, "flags": ["logarithmic"]},
  {"id": "q", "name": "Q", "min": 0.1, "max": 18, "default": 0.7}
]}`;

const CHANNELS: usize = 2;
const MAX_FRAMES = 4096;
const CHANNEL_BYTES: usize = MAX_FRAMES * sizeof<f32>();

const inputs = memory.data(2 * 4096 * 4, 16);
const outputs = memory.data(2 * 4096 * 4, 16);
const params = memory.data<f32>([1000, 0.7]);
const states = memory.data(2 * 8, 16);
/** Addresses of the channels' buffers: inputs, then outputs. */
const channels = memory.data(4 * 4, 16);
/** rtwg_io_t of rtw_guest.h: eight numbers of 32 bits. */
const io = memory.data(8 * 4, 16);

let rate: f64 = 0;
let frequency: f32 = 0;
let q: f32 = 0;
let b0: f32, b1: f32, b2: f32, a1: f32, a2: f32;

export function rtw_describe(): usize {
  return changetype<usize>(String.UTF8.encode(DESCRIPTION, true));
}

export function rtw_reset(): void {
  memory.fill(states, 0, CHANNELS * 8);
}

export function rtw_init(sampleRate: f64, maxFrames: i32): i32 {
  rate = sampleRate;
  frequency = 0;
  rtw_reset();
  for (let channel: usize = 0; channel < CHANNELS; channel++) {
    store<usize>(channels + channel * 4, inputs + channel * CHANNEL_BYTES);
    store<usize>(channels + channel * 4, outputs + channel * CHANNEL_BYTES, 8);
  }
  store<usize>(io, channels);
  store<usize>(io, channels + 8, 4);
  store<usize>(io, params, 8);
  return i32(!(rate > 0 && maxFrames > 0 && maxFrames <= MAX_FRAMES));
}

export function rtw_io(): usize {
  return io;
}

function tune(): void {
  frequency = load<f32>(params);
  q = load<f32>(params, 4);
  const w = 2 * Math.PI * Math.min(f64(frequency), 0.49 * rate) / rate;
  const alpha = Math.sin(w) / (2 * f64(q)), cosine = Math.cos(w), a0 = 1 + alpha;
  b0 = b2 = f32((1 - cosine) / 2 / a0);
  b1 = f32((1 - cosine) / a0);
  a1 = f32(-2 * cosine / a0);
  a2 = f32((1 - alpha) / a0);
}

export function rtw_process(frames: i32): void {
  if (load<f32>(params) != frequency || load<f32>(params, 4) != q) tune();
  for (let channel: usize = 0; channel < CHANNELS; channel++) {
    const state = states + channel * 8;
    let s1 = load<f32>(state), s2 = load<f32>(state, 4);
    let from = inputs + channel * CHANNEL_BYTES, to = outputs + channel * CHANNEL_BYTES;
    for (const end = from + (usize(frames) << 2); from < end; from += 4, to += 4) {
      const x = load<f32>(from), y = b0 * x + s1;
      s1 = b1 * x - a1 * y + s2;
      s2 = b2 * x - a2 * y;
      store<f32>(to, y);
    }
    store<f32>(state, s1);
    store<f32>(state, s2, 4);
  }
}
