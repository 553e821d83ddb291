// Plays a WAV file through an effect that describes itself, and replaces the effect halfway, while it plays. See README.md.
#include <rtwasm.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>

extern "C" {
#include "../common/wav.h"
}

namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr std::size_t block_frames = 128;

/// A WAV file's sound, or silence as long as another sound.
struct sound : wav_audio_t {
    explicit sound(const char *path) : wav_audio_t() { check(wav_read(path, this, &why), path); }
    sound(const sound &other, std::uint32_t channel_count) : wav_audio_t()
    {
        check(wav_create(this, other.rate_hz, channel_count, other.frames, &why), "silence");
    }
    sound(const sound &) = delete;
    sound &operator=(const sound &) = delete;
    ~sound() { wav_free(this); }
    void write(const char *path) { check(wav_write(path, this, WAV_FLOAT32, false, nullptr, &why), path); }

private:
    void check(bool done, const char *what) const
    {
        if (!done) throw std::runtime_error(what + (": " + std::string(why.message)));
    }
    wav_error_t why{};
};

/// Makes an instance of an effect. The library provides what effects import from their toolchain.
rtwasm::instance instance_of(const rtwasm::module &effect)
{
    rtwasm::instance_config limits;
    limits.budget_ns = 2000000; // a call that takes longer is cut off
    return effect.instance(rtwasm::imports::create().libm().wasi(), limits);
}

/// Plays each block when it is due; `played` is the number of frames so far. Allocates nothing, and sleeps between blocks only.
void play(const rtwasm::guest &effect, const sound &in, const sound &out, std::atomic<std::size_t> &played) noexcept
{
    std::array<const float *, WAV_MAX_CHANNELS> inputs{};
    std::array<float *, WAV_MAX_CHANNELS> outputs{};
    const auto begun = steady_clock::now();
    for (std::size_t at = 0; at < in.frames; at += block_frames) {
        std::this_thread::sleep_until(begun + nanoseconds(at * 1000000000 / in.rate_hz));
        for (std::uint32_t channel = 0; channel < WAV_MAX_CHANNELS; ++channel) inputs[channel] = in.channel[channel % in.channels] + at;
        for (std::uint32_t channel = 0; channel < out.channels; ++channel) outputs[channel] = out.channel[channel] + at;
        const auto frames = static_cast<std::uint32_t>(std::min(block_frames, in.frames - at));
        (void)effect.process(inputs.data(), outputs.data(), frames); // silent if it fails; the slot counts that
        played = at + frames;
    }
}

void run(const char *input, const char *output, const char *first, const char *second)
{
    const sound in(input);
    const auto runtime = rtwasm::runtime::create();
    const auto effect = runtime.load_file(first);
    const rtwasm::guest_info info = effect.guest_info();
    if (info.input_count > WAV_MAX_CHANNELS || info.output_count > WAV_MAX_CHANNELS) throw std::runtime_error("too many channels");
    sound out(in, info.output_count);

    rtwasm::guest_config config;
    config.sample_rate = in.rate_hz;
    config.max_frames = block_frames;
    rtwasm::slot_setup setup;
    setup.standby = 1; // goes on after a fault
    auto slot = rtwasm::slot::for_guests(effect, config, setup);
    const auto guest = rtwasm::guest::create(effect, slot, config);
    slot.publish(instance_of(effect));

    const auto attached = runtime.attach();
    std::atomic<std::size_t> played{0};
    auto replacement = std::async(std::launch::async, [&] { // another thread loads and prepares the second version
        while (played < in.frames / 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        slot.publish(instance_of(runtime.load_file(second)));
    });
    play(guest, in, out, played);
    out.write(output);

    const auto blocks = slot.func_stats(RTW_GUEST_FUNC_PROCESS);
    const auto versions = slot.stats();
    std::printf("%s: %llu calls, p99 %.1f us, max %.1f us of %.0f us\n", info.name, static_cast<unsigned long long>(blocks.call.count),
                blocks.call.p99_ns / 1e3, blocks.call.max_ns / 1e3, 1e6 * block_frames / in.rate_hz);
    std::printf("versions played: %llu, faults: %llu\n", static_cast<unsigned long long>(versions.taken),
                static_cast<unsigned long long>(versions.faults));
    replacement.get(); // throws what has kept the second version from playing
}

}  // namespace

int main(int argc, char **argv)
{
    if (argc != 5) return std::fprintf(stderr, "usage: %s IN.wav OUT.wav FIRST.rtw SECOND.rtw\n", argv[0]), 2;
    try {
        run(argv[1], argv[2], argv[3], argv[4]);
    } catch (const rtwasm::error &why) {
        return std::fprintf(stderr, "effect: %s (%s)\n", why.what(), rtw_status_name(why.status())), 1;
    } catch (const std::exception &why) {
        return std::fprintf(stderr, "effect: %s\n", why.what()), 1;
    }
}
