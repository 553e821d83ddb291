// A controller as a guest, from C++: a worker calls it every millisecond, and a simulated motor turns. See README.md.
#include <rtwasm.hpp>

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "../../guests/control/control.h"

namespace {

/// A motor whose speed follows its voltage: 20 rad/s a volt, after 0.1 s to two thirds.
struct motor {
    double speed = 0;
    void turn(double volts, double seconds) { speed += (20 * volts - speed) * seconds / 0.1; }
};

/// Runs 2 s of control towards `wanted` rad/s; prints what came of it.
void run(const char *artifact, double wanted)
{
    constexpr double period_s = 1e-3;
    const auto runtime = rtwasm::runtime::create();
    const auto module = runtime.load_file(artifact);
    rtwasm::instance_config limits;
    limits.budget_ns = 500000; // a step that takes longer than half the period is cut off
    const auto guest = module.instance(limits);
    const auto init = guest.func<std::int32_t(double)>("init");
    const auto set_param = guest.func<std::int32_t(std::int32_t, double)>("set_param");
    const auto control = guest.func<double(double, double)>("step");
    {
        const auto attached = runtime.attach(); // this thread sets the guest up; the worker calls it afterwards
        for (const auto &[id, value] : {std::pair{PID_KP, 0.2}, {PID_KI, 2.0}, {PID_LIMIT_LOW, -12.0}, {PID_LIMIT_HIGH, 12.0}})
            if (set_param(id, value).value() != CONTROL_OK) throw std::runtime_error("the guest refuses a parameter");
        if (init(period_s).value() != CONTROL_OK) throw std::runtime_error("the guest refuses the period");
    }

    motor motor;
    auto step = [&](const rtw_tick_t &tick) noexcept -> rtw_status_t {
        const auto volts = control(wanted, motor.speed);
        if (!volts) return volts.status; // cut off or trapped: the worker stops, the motor gets no more voltage
        motor.turn(*volts, period_s * static_cast<double>(1 + tick.missed));
        return RTW_OK;
    };
    rtwasm::worker_config config;
    config.period_ns = 1000000;
    config.period_limit = 2000;
    auto worker = rtwasm::worker::periodic(runtime, config, step);
    worker.start();
    const rtw_status_t ended_by = worker.join();
    const auto stats = worker.stats();
    std::printf("%.2f rad/s after %llu steps (%s)\n", motor.speed, static_cast<unsigned long long>(stats.ticks), rtw_status_name(ended_by));
    std::printf("wake-up p99 %.1f us, step p99 %.1f us, %llu misses\n", stats.wake_up.p99_ns / 1e3, stats.call.p99_ns / 1e3,
                static_cast<unsigned long long>(stats.misses));
    if (std::abs(motor.speed - wanted) > 0.5) throw std::runtime_error("the motor has not reached its speed");
}

}  // namespace

int main(int argc, char **argv)
{
    if (argc != 2) return std::fprintf(stderr, "usage: %s ARTIFACT.rtw\n", argv[0]), 2;
    try {
        run(argv[1], 100);
    } catch (const rtwasm::error &why) {
        return std::fprintf(stderr, "pid: %s (%s)\n", why.what(), rtw_status_name(why.status())), 1;
    } catch (const std::exception &why) {
        return std::fprintf(stderr, "pid: %s\n", why.what()), 1;
    }
}
