// The C++ header: what it makes of types, errors, exceptions, owners and callbacks. Built for C++17 to C++23 by gcc and clang, with and
// without exceptions.
#include <rtwasm.hpp>

extern "C" {
#include "../support/common.h"
}

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>

namespace {

using rtwasm::call_result;
namespace detail = rtwasm::detail;

// ---- at compile time: the signature of a C++ type ----

template <class Type>
constexpr bool has_signature(const char *text)
{
    std::size_t at = 0;
    for (; text[at]; ++at) {
        if (detail::function_type<Type>::signature[at] != text[at]) return false;
    }
    return detail::function_type<Type>::signature[at] == 0;
}
static_assert(has_signature<void()>("()->()"));
static_assert(has_signature<float(std::int32_t)>("(i32)->(f32)"));
static_assert(has_signature<double(std::uint32_t, std::int64_t, std::uint64_t, float)>("(i32,i64,i64,f32)->(f64)"));
static_assert(has_signature<std::tuple<double, std::int32_t>(rtwasm::v128)>("(v128)->(f64,i32)"));
static_assert(has_signature<void(rtwasm::v128, rtwasm::v128, rtwasm::v128)>("(v128,v128,v128)->()"));
static_assert(detail::function_type<std::tuple<double, std::int32_t>()>::values == 2);
static_assert(std::is_nothrow_move_constructible_v<rtwasm::instance> && !std::is_copy_constructible_v<rtwasm::instance>);
static_assert(!std::is_copy_constructible_v<rtwasm::attachment> && !std::is_copy_constructible_v<rtwasm::block>);

/// Counts how often it is destroyed, moved-from objects not counted.
struct counted {
    explicit counted(int *destroyed) : destroyed_(destroyed) {}
    counted(counted &&other) noexcept : destroyed_(std::exchange(other.destroyed_, nullptr)) {}
    ~counted()
    {
        if (destroyed_) ++*destroyed_;
    }
    int *destroyed_;
};

std::int32_t doubled(std::int32_t number) { return 2 * number; }

struct guest {
    rtwasm::runtime runtime;
    rtwasm::module module;
    rtwasm::imports imports;
    int noted = 0;
    int destroyed = 0;

    explicit guest(const char *path)
    {
        rtwasm::runtime_config config;
        config.watchdog_tick_ns = 1000000;
        runtime = std::move(rtwasm::runtime::try_create(config).value());
        module = std::move(runtime.try_load_file(path).value());
        imports = std::move(rtwasm::imports::try_create().value());
        imports.try_func("env", "mix", [](float a, double b) noexcept { return double(a) * b; }).value();
        imports.try_func("env", "note", [this, owner = counted(&destroyed)](std::int32_t number) { noted += number; }).value();
        imports.try_func("env", "first", &doubled).value();
    }
    rtwasm::instance instance(const rtwasm::instance_config &config = {})
    {
        return std::move(module.try_instance(config, imports.get()).value());
    }
};

void test_calls(guest &guest)
{
    rtwasm::instance instance = guest.instance();
    rtwasm::attachment attached = std::move(guest.runtime.try_attach().value());
    auto add = std::move(instance.try_func<std::int32_t(std::int32_t, std::int32_t)>("add").value());
    auto wide = std::move(instance.try_func<double(std::int64_t, float, double)>("wide").value());
    auto turned = std::move(instance.try_func<std::tuple<double, std::int32_t>(std::int32_t, double)>("turned").value());
    auto same = std::move(instance.try_func<rtwasm::v128(rtwasm::v128)>("same").value());
    auto nothing = std::move(instance.try_func<void()>("nothing").value());
    const auto report = instance.try_prepare({rtwasm::instance::dry(add, 10, 1, 2)});
    check(report.has_value() && report->dry_calls == 10, "prepare makes the dry calls");

    check(*add(40, 2) == 42, "two i32");
    check(*wide(std::int64_t{1} << 40, 0.5f, 0.25) == 1099511627776.75, "i64, f32, f64");
    check(*turned(7, 0.5) == std::tuple<double, std::int32_t>(0.5, 7), "two results");
    const auto lanes = (*same(rtwasm::v128::of(std::array<float, 4>{1, 2, 3, 4}))).as<float>();
    check(lanes[0] == 2 && lanes[3] == 8, "a v128");
    check(bool(nothing()), "no parameters and no results");
    check(*add.within(100000000, 1, 2) == 3 || add.within(100000000, 1, 2).status == RTW_ERR_UNSUPPORTED, "a call with a budget of its own");
    const auto stats = add.try_stats();
    check(stats.has_value() && stats->call.count == 1, "the func's statistics count the real calls");
    check(rtwasm::text({rtwasm::subject(instance, "guest")}).find("\"guest\"") != std::string::npos, "an export as a text");

    auto entry = std::move(instance.try_entry<std::int32_t(std::int32_t, std::int32_t)>(0).value());
    auto entries = std::move(instance.try_entries<std::int32_t(std::int32_t, std::int32_t)>().value());
    check(*entry(40, 2) == 42 && *entries.entry(0, 40, 2) == 42, "a table's entry, bound and by its number");
    check_status(entries.entry(1, 40, 2).status, RTW_ERR_NO_EXPORT, "an empty entry");
    check_status(instance.try_entry<void()>(0).status(), RTW_ERR_SIGNATURE, "an entry of another type");

    int destroyed = 0;
    auto through = std::move(instance.try_func<std::int32_t(std::int32_t, std::int32_t)>("through").value());
    check(instance.try_set_entry(1, [owner = counted(&destroyed)](std::int32_t a, std::int32_t b) noexcept { return a - b; }).has_value(), "a lambda in a table");
    check(*through(1, 40) == 37, "is called by the guest");
    check_status(instance.try_set_entry(2, [](std::int32_t) {}).status(), RTW_ERR_BOUNDS, "not beyond the table");
    check(instance.try_reset().has_value() && *through(1, 40) == 37 && destroyed == 0, "also after a reset");
    check(instance.try_set_entry(1, entry.get()).has_value() && destroyed == 1 && *through(1, 40) == 43, "a function of the guest's own in its place");
    check(instance.try_set_entry(1, nullptr).has_value() && entries.entry(1, 1, 2).status == RTW_ERR_NO_EXPORT, "an emptied entry");

    auto gain = std::move(instance.try_global<float>("gain").value());
    check(*gain.load() == 0.5f && gain.store(2.0f) && *gain.load() == 2.0f, "a global");
    check(instance.try_reset().has_value() && *gain.load() == 0.5f, "is the new guest's after a reset");
    check_status(instance.try_global<double>("gain").status(), RTW_ERR_SIGNATURE, "a global of another type");

    std::FILE *const file = std::tmpfile();
    check(file && ftruncate(fileno(file), 65536) == 0, "a file");
    const auto mapped = instance.try_map(0, 65536, fileno(file), 0, RTW_MAP_VOUCHED);
    check(mapped.has_value() && mapped->size() == 65536, "a mapped file");
    auto store = std::move(instance.try_func<void(std::int32_t, std::int32_t)>("put").value());
    char byte = 0;
    check(store(100, 42) && pread(fileno(file), &byte, 1, 100) == 1 && byte == 42 && (*mapped)[100] == std::byte{42}, "has the guest's bytes");
    check_status(instance.try_map(0, 100, fileno(file)).status(), RTW_ERR_ARGUMENT, "an odd length");
    std::fclose(file);

    const auto missing = instance.try_func<void()>("missing");
    check_status(missing.status(), RTW_ERR_NO_EXPORT, "an export that is missing");
    check(std::string(missing.error().what()).find("missing") != std::string::npos, "its error names it");
    check_status(instance.try_func<void(float)>("add").status(), RTW_ERR_SIGNATURE, "an export of another type");

    rtwasm::func<std::int32_t(std::int32_t, std::int32_t)> moved = std::move(add);
    check(*moved(1, 1) == 2, "a func that has moved");
    rtwasm::attachment second = std::move(attached);
    check(rtw_thread_is_attached(guest.runtime.get()) == 1, "an attachment that has moved keeps the thread attached");
    second.detach();
    check(rtw_thread_is_attached(guest.runtime.get()) == 0, "detach detaches");
    check_status(moved(1, 1).status, RTW_ERR_NOT_ATTACHED, "a call on a thread that is not attached");
}

void test_faults(guest &guest)
{
    rtwasm::instance instance = guest.instance();
    const rtwasm::attachment attached = std::move(guest.runtime.try_attach().value());
    auto divide = std::move(instance.try_func<std::int32_t(std::int32_t, std::int32_t)>("divide").value());
    check(divide(1, 0).status == RTW_ERR_TRAP_DIVIDE_BY_ZERO, "a trap is a status");
    check(divide(6, 3).value_or(-1) == -1, "value_or of a call that was refused");
    auto fault = instance.try_fault();
    check(fault.has_value() && fault->status == RTW_ERR_TRAP_DIVIDE_BY_ZERO, "the fault");
    check(instance.try_reset().has_value() && *divide(6, 3) == 2, "reset makes it callable");
}

void test_memory(guest &guest)
{
    rtwasm::instance instance = guest.instance();
    const rtwasm::attachment attached = std::move(guest.runtime.try_attach().value());
    auto put = std::move(instance.try_func<void(std::uint32_t, std::int32_t)>("put").value());
    check(bool(put(16, -5)), "a store");
    const auto numbers = instance.at<std::int32_t>(16, 4);
    check(numbers.size() == 4 && numbers[0] == -5 && numbers[1] == 0, "a span of the guest's memory");
    check(instance.at<std::int32_t>(65536 - 8, 3).empty(), "a span that reaches outside is empty");
    check(instance.at<std::int32_t>(2, 1).empty(), "so is one at an address that is not aligned");
    check(instance.at<double>(0, SIZE_MAX / 2).empty(), "so is one whose size overflows");
    check(instance.try_memory()->size() == 65536, "the whole memory");
}

void test_host_functions(guest &guest)
{
    {
        rtwasm::instance instance = guest.instance();
        const rtwasm::attachment attached = std::move(guest.runtime.try_attach().value());
        auto mixed = std::move(instance.try_func<double(float, double)>("mixed").value());
        auto noted = std::move(instance.try_func<void(std::int32_t)>("noted").value());
        auto first = std::move(instance.try_func<std::int32_t(std::int32_t)>("first").value());
        check(*mixed(0.5f, 8) == 4, "a lambda that is noexcept");
        check(bool(noted(20)) && bool(noted(3)) && guest.noted == 23, "a lambda with a state");
        check(*first(21) == 42, "a function");
        // Replaced while an instance is linked against it: it goes with the instance.
        guest.imports.try_func("env", "first", [](rtwasm::caller caller, std::uint32_t address) {
            const auto at = caller.at<std::int32_t>(address, 1);
            return at.empty() ? call_result<std::int32_t>::failed(-77) : call_result<std::int32_t>(at[0]);
        }).value();
        check(guest.destroyed == 0, "a host function lives while instances are linked against it");
    }
    rtwasm::instance instance = guest.instance();
    const rtwasm::attachment attached = std::move(guest.runtime.try_attach().value());
    auto first = std::move(instance.try_func<std::int32_t(std::uint32_t)>("first").value());
    auto put = std::move(instance.try_func<void(std::uint32_t, std::int32_t)>("put").value());
    check(bool(put(64, 11)) && *first(64) == 11, "a host function that reads its caller's memory");
    check(first(65536).status == RTW_ERR_HOST, "a host function that ends the call");
    check(instance.try_fault()->host_status == -77, "with its status");
    guest.imports.try_func("env", "note", [](std::int32_t) {}).value();
    check(guest.destroyed == 0, "the replaced lambda still belongs to the instance");
    rtwasm::func<std::int32_t(std::uint32_t)> last = std::move(first);
    instance = rtwasm::instance();
    check(guest.destroyed == 0, "and to its funcs");
    last = {};
    put = {};
    check(guest.destroyed == 1, "and is destroyed with the last of them, once");
}

void test_slot(guest &guest)
{
    rtwasm::slot_setup setup;
    setup.standby = 1;
    const auto count = setup.func<std::int32_t()>("count");
    const auto divide = setup.func<std::int32_t(std::int32_t, std::int32_t)>("divide");
    setup.dry(divide, 3, 1, 1);
    std::atomic<int> events{0};
    auto on_event = [&events](const rtw_slot_event_t &) { ++events; };
    rtwasm::slot slot = std::move(rtwasm::slot::try_create(guest.runtime, setup, on_event).value());
    const rtwasm::attachment attached = std::move(guest.runtime.try_attach().value());
    check(slot.invoke(count).status == RTW_ERR_EMPTY, "an empty slot");
    {
        rtwasm::instance instance = guest.instance();
        check(slot.try_publish(instance).has_value(), "publish; the handle may go");
    }
    {
        const rtwasm::block block = slot.begin();
        check(bool(block) && (block.flags() & RTW_BLOCK_NEW) && *block[count]() == 1 && *block[count]() == 2, "two calls in a block");
        check(block.instance().at<char>(0, 1).size() == 1 && !block.held(), "the block's instance");
        check(slot.begin().status() == RTW_ERR_BUSY, "a block in a block is refused, and does not end the first");
    }
    check(*slot.invoke(count) == 3, "a block of one call, after the block has ended by itself");
    check(*slot.invoke(divide, 9, 3) == 3, "its arguments");
    check(slot.try_stats()->blocks >= 4, "its statistics");
}

/// A guest that describes itself, driven alone and behind a slot; `tone` is its artifact.
void test_described(const rtwasm::runtime &runtime, const char *tone)
{
    const rtwasm::module module = std::move(runtime.try_load_file(tone).value());
    const auto info = module.try_guest_info();
    check(info.has_value() && info->output_count == 1 && std::string(info->name) == "Tone", "the description");
    rtwasm::guest_config config;
    config.max_frames = 64;
    float samples[100];
    float *outputs[] = {samples};
    rtw_event_t on{};
    on.kind = RTW_EVENT_MIDI;
    on.frame = 10;
    on.index = 3;
    const std::uint8_t note[] = {0x90, 69, 100};
    std::copy(note, note + 3, on.data.midi);

    const rtwasm::instance instance = std::move(module.try_instance().value());
    const rtwasm::attachment attached = std::move(runtime.try_attach().value());
    rtwasm::guest alone = std::move(rtwasm::guest::try_create(module, instance, config).value());
    check(alone.try_prepare().has_value(), "a guest is prepared");
    check(alone.set(0, 0.25) == RTW_OK && alone.param(0) == 0.25 && std::isnan(alone.param(9)), "a parameter, and one that is not there");
    check(alone.process(nullptr, outputs, 100, &on, 1) == RTW_OK && samples[9] == 0 && samples[10] == 0.25F, "a block with an event");
    check(alone.meter(0) == 69 && std::isnan(alone.meter(9)) && alone.latency() == 0, "a meter, the latency");
    check(alone.reset() == RTW_OK && alone.process(nullptr, outputs, 10) == RTW_OK && samples[9] == 0, "reset, it is silent");
    check(alone.try_renew().has_value(), "and can be made anew");

    std::atomic<int> events{0};
    auto on_event = [&events](const rtw_slot_event_t &) { ++events; };
    rtwasm::slot_setup setup;
    rtwasm::slot slot = std::move(rtwasm::slot::try_for_guests(module, config, setup, on_event).value());
    const rtwasm::guest behind = std::move(rtwasm::guest::try_create(module, slot, config).value());
    check(behind.process(nullptr, outputs, 10) == RTW_ERR_EMPTY, "an empty slot");
    check(slot.try_publish(*module.try_instance()).has_value(), "publish");
    check(behind.process(nullptr, outputs, 100, &on, 1) == RTW_OK && samples[10] == 0.5F, "a block behind the slot");
    check(slot.try_func_stats(RTW_GUEST_FUNC_PROCESS)->call.count >= 2, "its calls");
    setup.func<void()>("one more");
    check(rtwasm::slot::try_for_guests(module, config, setup).status() == RTW_ERR_ARGUMENT, "a setup with functions is refused");
}

/// The library provides what languages import.
void test_provided(const rtwasm::runtime &runtime, const char *path)
{
    const rtwasm::module module = std::move(runtime.try_load_file(path).value());
    rtwasm::imports imports = std::move(rtwasm::imports::try_create().value());
    check(module.try_instance({}, imports.get()).status() == RTW_ERR_IMPORT_MISSING, "a program with a libc needs imports");
    check(imports.try_libm().has_value() && imports.try_wasi().has_value(), "the library has them");
    check(module.try_instance({}, imports.get()).has_value(), "and provides them");
}

void test_worker(guest &guest)
{
    rtwasm::instance instance = guest.instance();
    auto add = std::move(instance.try_func<std::int32_t(std::int32_t, std::int32_t)>("add").value());
    std::atomic<int> sum{0};
    int steps = 0;
    auto step = [&](const rtw_tick_t &) -> rtw_status_t {
        const auto result = add(sum, 2);
        if (!result) return result.status;
        sum = *result;
        return ++steps == 5 ? RTW_STEP_STOP : RTW_OK;
    };
    rtwasm::worker_config config;
    config.period_ns = 1000000;
    {
        rtwasm::worker worker = std::move(rtwasm::worker::try_periodic(guest.runtime, config, step).value());
        check(worker.try_start().has_value(), "a worker whose step is a lambda starts");
        const auto ended_by = worker.try_join();
        check(ended_by.has_value() && ended_by.value() == RTW_OK, "join waits for its end");
        check(sum == 10 && steps == 5, "it ran until the step said so");
        check(worker.try_stats()->ticks == 5, "its statistics");
    }
    rtwasm::worker_config queue;
    queue.kind = RTW_WORKER_QUEUE;
    rtwasm::worker worker = std::move(rtwasm::worker::try_create(guest.runtime, queue).value());
    check(worker.try_start().has_value(), "a queue starts");
    check(*worker.invoke(add, 20, 22) == 42, "an invocation on its thread");
    check_status(worker.submit(7, add, 1, 2), RTW_OK, "an invocation is submitted");
    const auto done = worker.try_wait();
    check(done.has_value() && done->tag == 7, "and completes");
}

#if RTW_CPP_EXCEPTIONS
void test_exceptions(guest &guest)
{
    const char *thrown = "";
    try {
        (void)guest.runtime.load_file("/nowhere.rtw");
    } catch (const rtwasm::error &why) {
        thrown = why.status() == RTW_ERR_IO && why.os_error() == 2 && std::string(why.what()).find("/nowhere.rtw") != std::string::npos ? "right" : why.what();
    }
    check(std::string(thrown) == "right", "load_file throws what the library says");

    guest.imports.func("env", "note", [](std::int32_t number) {
        if (number < 0) throw std::out_of_range("negative");
    });
    rtwasm::instance instance = guest.module.instance(guest.imports);
    auto noted = instance.func<void(std::int32_t)>("noted");
    const rtwasm::attachment attached = guest.runtime.attach();
    instance.prepare();
    noted(1).value();
    check(noted(-1).status == RTW_ERR_HOST, "an exception that leaves a host function ends the call");
    check(instance.fault().host_status == RTW_ERR_HOST, "its status says so");
    std::string what;
    try {
        std::rethrow_exception(rtwasm::take_exception());
    } catch (const std::out_of_range &kept) {
        what = kept.what();
    }
    check(std::string(what.c_str()) == "negative", "the exception is kept");
    check(!rtwasm::take_exception(), "and taken once");
    instance.reset();
    what = "";
    try {
        noted(-1).value();
    } catch (const std::out_of_range &kept) {
        what = kept.what();
    }
    check(std::string(what.c_str()) == "negative", "value() throws it again");
    thrown = "";
    try {
        noted(1).value();
    } catch (const rtwasm::error &why) {
        thrown = rtw_status_name(why.status());
    }
    check(std::string(thrown) == "RTW_ERR_FAULTED", "value() of a call that was refused throws its status");

    int steps = 0;
    auto step = [&](const rtw_tick_t &) {
        ++steps;
        throw 1;
    };
    rtwasm::worker_config config;
    config.period_ns = 1000000;
    rtwasm::worker worker = rtwasm::worker::periodic(guest.runtime, config, step);
    worker.start();
    check(worker.join() == RTW_ERR_HOST && steps == 1, "an exception that leaves a step fails it");
}
#endif

}  // namespace

void test_keys(const char *path)
{
    // The first key of RFC 8032's examples.
    const rtw_public_key_t key = rtwasm::public_key("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68F707511A");
    check(key.bytes[0] == 0xd7 && key.bytes[31] == 0x1a, "a key from its digits");
    check(rtwasm::public_key("d7").bytes[0] == 0 && rtwasm::public_key(std::string(64, 'g')).bytes[0] == 0, "what is not a key");
    rtwasm::runtime_config config;
    config.trusted_keys = &key;
    config.trusted_key_count = 1;
    rtwasm::runtime runtime = std::move(rtwasm::runtime::try_create(config).value());
    const auto loaded = runtime.try_load_file(path);
    check(!loaded.has_value() && std::string(loaded.error().what()).find("not signed") != std::string::npos, "only what it has signed");
    const rtw_public_key_t none = rtwasm::public_key("");
    config.trusted_keys = &none;
    check(!rtwasm::runtime::try_create(config).has_value(), "what is not a key is refused");
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    guest guest(argv[1]);
    test_calls(guest);
    test_faults(guest);
    test_memory(guest);
    test_host_functions(guest);
    test_slot(guest);
    test_described(guest.runtime, argv[2]);
    test_provided(guest.runtime, argv[3]);
    test_worker(guest);
    test_keys(argv[1]);
#if RTW_CPP_EXCEPTIONS
    test_exceptions(guest);
#endif
    return check_summary();
}
