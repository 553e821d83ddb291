//! The low pass of biquad.c in Zig. The description is a text to which `rtw_describe` returns the address.

const description: [*:0]const u8 =
    \\{"name": "Low pass", "inputs": 2, "outputs": 2, "parameters": [
    \\  {"id": "frequency", "name": "Frequency", "unit": "Hz", "min": 20, "max": 20000, "default": 1000, "flags": ["logarithmic"]},
    \\  {"id": "q", "name": "Q", "min": 0.1, "max": 18, "default": 0.7}
    \\]}
;

const channels = 2;
const max_frames = 4096;

/// rtwg_io_t of rtw_guest.h.
const Io = extern struct {
    inputs: *const [channels][*]f32,
    outputs: *const [channels][*]f32,
    params: *[2]f32,
    meters: ?*f32 = null,
    events: ?*anyopaque = null,
    event_room: u32 = 0,
    event_count: u32 = 0,
    latency: u32 = 0,
};

var in: [channels][max_frames]f32 = @splat(@splat(0));
var out: [channels][max_frames]f32 = @splat(@splat(0));
const inputs = [channels][*]f32{ &in[0], &in[1] };
const outputs = [channels][*]f32{ &out[0], &out[1] };
var params = [2]f32{ 1000, 0.7 };
const io = Io{ .inputs = &inputs, .outputs = &outputs, .params = &params };

var rate_hz: f64 = 0;
var tuned = [2]f32{ 0, 0 };
var c: struct { b0: f32 = 0, b1: f32 = 0, b2: f32 = 0, a1: f32 = 0, a2: f32 = 0 } = .{};
var states: [channels][2]f32 = @splat(@splat(0));

export fn rtw_describe() [*:0]const u8 {
    return description;
}

export fn rtw_reset() void {
    states = @splat(@splat(0));
}

export fn rtw_init(rate: f64, frames: i32) i32 {
    rate_hz = rate;
    tuned = .{ 0, 0 };
    rtw_reset();
    return if (rate > 0 and frames > 0 and frames <= max_frames) 0 else 1;
}

export fn rtw_io() *const Io {
    return &io;
}

fn tune() void {
    const w = 2 * 3.141592653589793 * @min(@as(f64, params[0]), 0.49 * rate_hz) / rate_hz;
    const alpha = @sin(w) / (2 * @as(f64, params[1]));
    const cosine = @cos(w);
    const a0 = 1 + alpha;
    c.b0 = @floatCast((1 - cosine) / 2 / a0);
    c.b1 = @floatCast((1 - cosine) / a0);
    c.b2 = c.b0;
    c.a1 = @floatCast(-2 * cosine / a0);
    c.a2 = @floatCast((1 - alpha) / a0);
    tuned = params;
}

export fn rtw_process(frames: u32) void {
    if (params[0] != tuned[0] or params[1] != tuned[1]) tune();
    for (&in, &out, &states) |*from, *to, *state| {
        var s1, var s2 = state.*;
        for (from[0..frames], to[0..frames]) |x, *result| {
            const y = c.b0 * x + s1;
            s1 = c.b1 * x - c.a1 * y + s2;
            s2 = c.b2 * x - c.a2 * y;
            result.* = y;
        }
        state.* = .{ s1, s2 };
    }
}
