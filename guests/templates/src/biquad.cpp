// The low pass of biquad.c in C++, with the standard library that comes for WebAssembly, and without exceptions.
#include "rtw_guest.h"

#include <algorithm>
#include <array>
#include <cmath>

RTWG_DESCRIPTION({
    "name": "Low pass",
    "inputs": 2,
    "outputs": 2,
    "parameters": [
        {"id": "frequency", "name": "Frequency", "unit": "Hz", "min": 20, "max": 20000, "default": 1000, "flags": ["logarithmic"]},
        {"id": "q", "name": "Q", "min": 0.1, "max": 18, "default": 0.7}
    ]
})

namespace {

constexpr int max_frames = 4096;

struct Coefficients {
    float b0, b1, b2, a1, a2;

    static Coefficients low_pass(double frequency, double q, double rate) {
        const double w = 2 * 3.141592653589793 * std::min(frequency, 0.49 * rate) / rate;
        const double alpha = std::sin(w) / (2 * q), cosine = std::cos(w), a0 = 1 + alpha;
        const auto outer = static_cast<float>((1 - cosine) / 2 / a0);
        const auto middle = static_cast<float>((1 - cosine) / a0);
        return {outer, middle, outer, static_cast<float>(-2 * cosine / a0), static_cast<float>((1 - alpha) / a0)};
    }
};

class Channel {
  public:
    std::array<float, max_frames> in{}, out{};

    void reset() { s1 = s2 = 0; }

    /* Coefficients and states are copies: the outputs could overwrite what is behind a reference, so it would be read for each sample. */
    void process(const Coefficients c, int frames) {
        float a = s1, b = s2;
        std::transform(in.begin(), in.begin() + frames, out.begin(), [&](float x) {
            const float y = c.b0 * x + a;
            a = c.b1 * x - c.a1 * y + b;
            b = c.b2 * x - c.a2 * y;
            return y;
        });
        s1 = a, s2 = b;
    }

  private:
    float s1 = 0, s2 = 0;
};

std::array<Channel, 2> channels;
float *inputs[] = {channels[0].in.data(), channels[1].in.data()};
float *outputs[] = {channels[0].out.data(), channels[1].out.data()};
std::array<float, 2> params{1000, 0.7f}, tuned{};
const rtwg_io_t io{inputs, outputs, params.data(), nullptr, nullptr, 0, 0, 0};
Coefficients coefficients;
double rate;

} // namespace

RTWG_EXPORT(rtw_reset) void reset() {
    for (auto &channel : channels) {
        channel.reset();
    }
}

RTWG_EXPORT(rtw_init) int32_t init(double sample_rate, int32_t frames) {
    rate = sample_rate;
    tuned = {};
    reset();
    return rate > 0 && frames > 0 && frames <= max_frames ? 0 : 1;
}

RTWG_EXPORT(rtw_io) const rtwg_io_t *buffers() { return &io; }

RTWG_EXPORT(rtw_process) void process(int32_t frames) {
    if (params != tuned) {
        tuned = params;
        coefficients = Coefficients::low_pass(params[0], params[1], rate);
    }
    for (auto &channel : channels) {
        channel.process(coefficients, frames);
    }
}
