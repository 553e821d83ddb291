// rtwasm for C++17 and newer: handles that destroy themselves, functions with their C++ types, lambdas as host functions and
// callbacks. Header only, over rtwasm.h, whose comments have the rules: roles of functions, ownership, errors, cost.
//
// Errors: each function that can fail in its setup exists twice. `create`, `load`, `func` ... return the object and throw
// rtwasm::error; `try_create`, `try_load`, `try_func` ... return a rtwasm::result, never throw it, and are all that is there with
// -fno-exceptions. Calls in real time never throw: they return a rtwasm::call_result.
//
//     rtwasm::runtime runtime = rtwasm::runtime::create();
//     rtwasm::module module = runtime.load_file("gain.rtw");
//     rtwasm::instance instance = module.instance();
//     auto gain = instance.func<int32_t(uint32_t, int32_t, float)>("gain");
//     rtwasm::attachment attached = runtime.attach();
//     instance.prepare();
//     if (auto frames = gain(address, 256, 0.5f)) use(*frames);

#ifndef RTWASM_HPP
#define RTWASM_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>
#if __has_include(<version>)
#include <version>
#endif
#if defined(__cpp_lib_span)
#include <span>
#endif

#include "rtwasm.h"

#if defined(__cpp_exceptions)
#define RTW_CPP_EXCEPTIONS 1
#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif
#else
#define RTW_CPP_EXCEPTIONS 0
#endif

namespace rtwasm {

// ---- errors ----

/// Why a function failed: what the library says of it. Thrown, and held by result. Copying it does not allocate.
class error : public std::exception {
public:
    explicit error(const rtw_error_t &why) noexcept : why_(why) {}
    explicit error(rtw_status_t status) noexcept : why_() { why_.status = status; }

    /// One of the RTW_ERR_ constants.
    rtw_status_t status() const noexcept { return why_.status; }
    /// errno of the system call that failed, or 0.
    int os_error() const noexcept { return why_.os_error; }
    /// The sentence for the developer; the status in words where the library gives no sentence.
    const char *what() const noexcept override { return why_.message[0] ? why_.message : rtw_status_string(why_.status); }

private:
    rtw_error_t why_;
};

namespace detail {

[[noreturn]] inline void fail(const error &why)
{
#if RTW_CPP_EXCEPTIONS
    throw why;
#else
    std::fprintf(stderr, "rtwasm: %s (%s)\n", why.what(), rtw_status_name(why.status()));
    std::abort();
#endif
}

#if RTW_CPP_EXCEPTIONS
inline std::exception_ptr &kept_exception()
{
    static thread_local std::exception_ptr kept;
    return kept;
}
#endif

}  // namespace detail

/// A T, or the error that kept it from being made.
template <class T>
class [[nodiscard]] result {
public:
    result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    result(rtwasm::error why) : held_(std::in_place_index<1>, why) {}

    bool has_value() const noexcept { return held_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }
    /// RTW_OK, or the error's status.
    rtw_status_t status() const noexcept { return has_value() ? RTW_OK : std::get_if<1>(&held_)->status(); }
    /// The error; only if there is no value.
    const rtwasm::error &error() const noexcept { return *std::get_if<1>(&held_); }

    /// The value; throws the error if there is none.
    T &value() &
    {
        check();
        return *std::get_if<0>(&held_);
    }
    const T &value() const &
    {
        check();
        return *std::get_if<0>(&held_);
    }
    T &&value() &&
    {
        check();
        return std::move(*std::get_if<0>(&held_));
    }
    /// The value; only if there is one.
    T &operator*() noexcept { return *std::get_if<0>(&held_); }
    const T &operator*() const noexcept { return *std::get_if<0>(&held_); }
    T *operator->() noexcept { return std::get_if<0>(&held_); }
    const T *operator->() const noexcept { return std::get_if<0>(&held_); }

private:
    void check() const
    {
        if (!has_value()) detail::fail(error());
    }
    std::variant<T, rtwasm::error> held_;
};

/// Success, or the error.
template <>
class [[nodiscard]] result<void> {
public:
    result() noexcept : why_(RTW_OK) {}
    result(rtwasm::error why) noexcept : why_(why) {}

    bool has_value() const noexcept { return why_.status() == RTW_OK; }
    explicit operator bool() const noexcept { return has_value(); }
    rtw_status_t status() const noexcept { return why_.status(); }
    const rtwasm::error &error() const noexcept { return why_; }
    /// Throws the error if there is one.
    void value() const
    {
        if (!has_value()) detail::fail(why_);
    }

private:
    rtwasm::error why_;
};

#if RTW_CPP_EXCEPTIONS
/// Returns the exception that left a host function on this thread and ended the guest's call with RTW_ERR_HOST, and forgets it; null
/// if there is none.
inline std::exception_ptr take_exception() noexcept { return std::exchange(detail::kept_exception(), nullptr); }
#endif

/// The result of a call in real time: a status, and the value on RTW_OK. Throws only in value().
template <class R>
struct [[nodiscard]] call_result {
    rtw_status_t status = RTW_OK;
    R result{};

    call_result() = default;
    call_result(R value) noexcept(std::is_nothrow_move_constructible_v<R>) : result(std::move(value)) {}
    /// A call that failed: what a host function returns to end the guest's call.
    static call_result failed(rtw_status_t status)
    {
        call_result failed;
        failed.status = status;
        return failed;
    }

    explicit operator bool() const noexcept { return status == RTW_OK; }
    const R &operator*() const noexcept { return result; }
    R value_or(R other) const { return status == RTW_OK ? result : other; }
    /// The value; throws the exception that ended the call, if one left a host function, else an error with the status.
    const R &value() const
    {
        check(status);
        return result;
    }
    static void check(rtw_status_t status)
    {
        if (status == RTW_OK) return;
#if RTW_CPP_EXCEPTIONS
        if (status == RTW_ERR_HOST && detail::kept_exception()) std::rethrow_exception(take_exception());
#endif
        detail::fail(error(status));
    }
};

template <>
struct [[nodiscard]] call_result<void> {
    rtw_status_t status = RTW_OK;

    static call_result failed(rtw_status_t status) noexcept
    {
        call_result failed;
        failed.status = status;
        return failed;
    }
    explicit operator bool() const noexcept { return status == RTW_OK; }
    /// Throws as call_result<R>::value does.
    void value() const { call_result<int>::check(status); }
};

// ---- spans ----

#if defined(__cpp_lib_span)
template <class T>
using span = std::span<T>;
#else
/// What std::span of C++20 is, as far as this header needs it.
template <class T>
class span {
public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

// ---- types of functions ----

/// A v128: 16 bytes, as the guest's lanes lie in them.
struct v128 {
    std::uint8_t bytes[16];

    /// From lanes: 4 floats, 8 numbers of 16 bits, ...
    template <class Lane, std::size_t N>
    static v128 of(const std::array<Lane, N> &lanes) noexcept
    {
        static_assert(sizeof lanes == 16 && std::is_arithmetic_v<Lane>);
        v128 vector;
        std::memcpy(vector.bytes, lanes.data(), 16);
        return vector;
    }
    /// To lanes: `vector.as<float>()` has four.
    template <class Lane>
    std::array<Lane, 16 / sizeof(Lane)> as() const noexcept
    {
        static_assert(std::is_arithmetic_v<Lane>);
        std::array<Lane, 16 / sizeof(Lane)> lanes;
        std::memcpy(lanes.data(), bytes, 16);
        return lanes;
    }
};

namespace detail {

template <class>
inline constexpr bool never = false;

/// The WebAssembly type of a C++ type: its name, and how it is read from and written to a value.
template <class T>
struct wasm_type {
    static_assert(never<T>, "a guest's function takes and returns int32_t, uint32_t, int64_t, uint64_t, float, double and "
                            "rtwasm::v128; addresses in a guest's memory are uint32_t");
};
#define RTW_CPP_TYPE(type, text, member)                                                                \
    template <>                                                                                         \
    struct wasm_type<type> {                                                                            \
        static constexpr char name[] = text;                                                            \
        static type get(const rtw_value_t &value) noexcept { return value.member; }                     \
        static void set(rtw_value_t &value, type number) noexcept { value.member = number; }            \
    }
RTW_CPP_TYPE(std::int32_t, "i32", i32);
RTW_CPP_TYPE(std::uint32_t, "i32", u32);
RTW_CPP_TYPE(std::int64_t, "i64", i64);
RTW_CPP_TYPE(std::uint64_t, "i64", u64);
RTW_CPP_TYPE(float, "f32", f32);
RTW_CPP_TYPE(double, "f64", f64);
#undef RTW_CPP_TYPE
template <>
struct wasm_type<v128> {
    static constexpr char name[] = "v128";
    static v128 get(const rtw_value_t &value) noexcept
    {
        v128 vector;
        std::memcpy(vector.bytes, value.v128, 16);
        return vector;
    }
    static void set(rtw_value_t &value, const v128 &vector) noexcept { std::memcpy(value.v128, vector.bytes, 16); }
};

/// The results of a function: none, one, or a tuple.
template <class R>
struct results {
    static constexpr std::size_t count = 1;
    template <class Visit>
    static constexpr void names(Visit visit) { visit(wasm_type<R>::name); }
    static R get(const rtw_value_t *values) noexcept { return wasm_type<R>::get(values[0]); }
    static void set(rtw_value_t *values, const R &result) noexcept { wasm_type<R>::set(values[0], result); }
};
template <>
struct results<void> {
    static constexpr std::size_t count = 0;
    template <class Visit>
    static constexpr void names(Visit) {}
};
template <class... Rs>
struct results<std::tuple<Rs...>> {
    static constexpr std::size_t count = sizeof...(Rs);
    template <class Visit>
    static constexpr void names(Visit visit) { (visit(wasm_type<Rs>::name), ...); }
    static std::tuple<Rs...> get(const rtw_value_t *values) noexcept { return get(values, std::index_sequence_for<Rs...>()); }
    static void set(rtw_value_t *values, const std::tuple<Rs...> &result) noexcept
    {
        set(values, result, std::index_sequence_for<Rs...>());
    }

private:
    template <std::size_t... I>
    static std::tuple<Rs...> get(const rtw_value_t *values, std::index_sequence<I...>) noexcept
    {
        return std::tuple<Rs...>(wasm_type<Rs>::get(values[I])...);
    }
    template <std::size_t... I>
    static void set(rtw_value_t *values, const std::tuple<Rs...> &result, std::index_sequence<I...>) noexcept
    {
        (wasm_type<Rs>::set(values[I], std::get<I>(result)), ...);
    }
};

template <class Type>
struct function_type {
    static_assert(never<Type>, "the type of a guest's function is written as in func<float(int32_t)>");
};
template <class R, class... Args>
struct function_type<R(Args...)> {
    using result_type = R;
    static constexpr std::size_t params = sizeof...(Args);
    /// Values that a call needs: the larger number of the two.
    static constexpr std::size_t values = params > results<R>::count ? params : results<R>::count;
    static constexpr std::size_t room = values ? values : 1;

    /// The signature as text: "(i32,f32)->(f32)".
    static constexpr auto text()
    {
        std::array<char, 8 + 5 * (sizeof...(Args) + results<R>::count)> out{};
        std::size_t at = 0;
        const auto put = [&](const char *part) {
            while (*part) out[at++] = *part++;
        };
        bool first = true;
        const auto name = [&](const char *part) {
            if (!first) put(",");
            first = false;
            put(part);
        };
        put("(");
        (name(wasm_type<std::decay_t<Args>>::name), ...);
        put(")->(");
        first = true;
        results<R>::names(name);
        put(")");
        return out;
    }
    static constexpr auto signature = text();
};

/// The values of one call of a function: its arguments, then its results.
template <class Type>
class call_values;
template <class R, class... Args>
class call_values<R(Args...)> {
public:
    static constexpr std::size_t count = function_type<R(Args...)>::values;

    explicit call_values(const std::decay_t<Args> &...args) noexcept RTW_NONBLOCKING
    {
        [[maybe_unused]] std::size_t at = 0;
        (wasm_type<std::decay_t<Args>>::set(values_[at++], args), ...);
    }
    rtw_value_t *data() noexcept RTW_NONBLOCKING { return values_; }
    call_result<R> result(rtw_status_t status) const noexcept RTW_NONBLOCKING
    {
        call_result<R> result;
        result.status = status;
        if constexpr (!std::is_void_v<R>) {
            if (status == RTW_OK) result.result = results<R>::get(values_);
        }
        return result;
    }
    std::vector<rtw_value_t> to_vector() const { return std::vector<rtw_value_t>(values_, values_ + function_type<R(Args...)>::room); }

private:
    rtw_value_t values_[function_type<R(Args...)>::room];
};

/// Deletes a handle with the library's function for its kind.
template <class T, void (*Destroy)(T *)>
struct destroyer {
    void operator()(T *handle) const noexcept { Destroy(handle); }
};
template <class T, void (*Destroy)(T *)>
using owned = std::unique_ptr<T, destroyer<T, Destroy>>;

/// What all handles offer.
template <class T, void (*Destroy)(T *)>
class handle {
public:
    handle() noexcept = default;
    /// Owns a handle that a function of rtwasm.h returned.
    explicit handle(T *raw) noexcept : raw_(raw) {}
    /// The handle, for functions of rtwasm.h.
    T *get() const noexcept { return raw_.get(); }
    /// Gives the handle away; the caller destroys it.
    T *release() noexcept { return raw_.release(); }
    explicit operator bool() const noexcept { return raw_ != nullptr; }

private:
    owned<T, Destroy> raw_;
};

/// What `make` makes, or its error.
template <class T, class Make>
result<T> made(Make make)
{
    decltype(std::declval<T>().get()) out = nullptr;
    rtw_error_t why;
    if (make(&out, &why) != RTW_OK) return error(why);
    return T(out);
}

/// The struct that `fill` fills, or its status.
template <class T, class Fill>
result<T> filled(Fill fill)
{
    T filled;
    const rtw_status_t status = fill(&filled);
    if (status != RTW_OK) return error(status);
    return filled;
}

inline result<void> checked(rtw_status_t status)
{
    if (status != RTW_OK) return error(status);
    return {};
}

}  // namespace detail

// ---- configurations: the structs of rtwasm.h with their defaults ----

#define RTW_CPP_STRUCT(name, type, init)  \
    struct name : type {                  \
        name() noexcept : type() { init(this); } \
    }
RTW_CPP_STRUCT(runtime_config, rtw_runtime_config_t, rtw_runtime_config_init);
RTW_CPP_STRUCT(thread_config, rtw_thread_config_t, rtw_thread_config_init);
RTW_CPP_STRUCT(instance_config, rtw_instance_config_t, rtw_instance_config_init);
RTW_CPP_STRUCT(module_info, rtw_module_info_t, rtw_module_info_init);
RTW_CPP_STRUCT(prepare_report, rtw_prepare_report_t, rtw_prepare_report_init);
RTW_CPP_STRUCT(export_config, rtw_export_config_t, rtw_export_config_init);
RTW_CPP_STRUCT(func_stats, rtw_func_stats_t, rtw_func_stats_init);
RTW_CPP_STRUCT(slot_stats, rtw_slot_stats_t, rtw_slot_stats_init);
RTW_CPP_STRUCT(worker_stats, rtw_worker_stats_t, rtw_worker_stats_init);
RTW_CPP_STRUCT(completion, rtw_completion_t, rtw_completion_init);
RTW_CPP_STRUCT(fault, rtw_fault_t, rtw_fault_init);
RTW_CPP_STRUCT(guest_config, rtw_guest_config_t, rtw_guest_config_init);
RTW_CPP_STRUCT(guest_info, rtw_guest_info_t, rtw_guest_info_init);
#undef RTW_CPP_STRUCT

/// A public key from its 64 hexadecimal digits, as `rtwasm keygen` prints it, for runtime_config::trusted_keys. What is not a key gives
/// all zeros, with which no runtime can be created.
inline rtw_public_key_t public_key(std::string_view digits) noexcept
{
    const auto value = [](char digit) {
        if (digit >= '0' && digit <= '9') return digit - '0';
        if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
        if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
        return -1;
    };
    rtw_public_key_t key{};
    if (digits.size() != 2 * sizeof key.bytes) return key;
    for (std::size_t index = 0; index < sizeof key.bytes; ++index) {
        const int high = value(digits[2 * index]), low = value(digits[2 * index + 1]);
        if (high < 0 || low < 0) return rtw_public_key_t{};
        key.bytes[index] = static_cast<std::uint8_t>(16 * high + low);
    }
    return key;
}

// ---- statistics ----

/// Reads what was recorded since its previous read; see rtw_interval_t.
class interval : public detail::handle<rtw_interval_t, rtw_interval_destroy> {
public:
    using handle::handle;
    result<func_stats> try_read()
    {
        return detail::filled<func_stats>([&](func_stats *stats) { return rtw_interval_read(get(), stats); });
    }
    func_stats read() { return try_read().value(); }
};

/// A histogram of the host's own times; see rtw_recorder_t.
class recorder : public detail::handle<rtw_recorder_t, rtw_recorder_destroy> {
public:
    using handle::handle;
    rtw_status_t record_ns(std::uint64_t ns) noexcept RTW_NONBLOCKING { return rtw_recorder_record_ns(get(), ns); }
    result<func_stats> try_stats() const
    {
        return detail::filled<func_stats>([&](func_stats *stats) { return rtw_recorder_stats(get(), stats); });
    }
    func_stats stats() const { return try_stats().value(); }
};

// ---- functions ----

/// A guest's function with its C++ type; somebody else owns it: a func, a slot's block. Calls it as rtw_invoke does.
template <class Type>
class func_ref;
template <class R, class... Args>
class func_ref<R(Args...)> {
public:
    using type = detail::function_type<R(Args...)>;

    func_ref() noexcept = default;
    /// The func must have this type: instance::func has it checked, this has not.
    explicit func_ref(rtw_func_t *raw) noexcept : raw_(raw) {}
    rtw_func_t *get() const noexcept { return raw_; }

    /// Calls the function. [rt & attached & prepared]
    call_result<R> operator()(Args... args) const noexcept RTW_NONBLOCKING
    {
        detail::call_values<R(Args...)> values(args...);
        return values.result(rtw_invoke(raw_, values.data(), values.count));
    }
    /// Calls the function with a budget for this call, as rtw_invoke_budget does. [rt & attached & prepared]
    call_result<R> within(std::uint64_t budget_ns, Args... args) const noexcept RTW_NONBLOCKING
    {
        detail::call_values<R(Args...)> values(args...);
        return values.result(rtw_invoke_budget(raw_, values.data(), values.count, budget_ns));
    }

    /// Calls a table's entry, as rtw_invoke_entry does: with a func of instance::try_entries. [rt & attached & prepared]
    call_result<R> entry(std::uint64_t index, Args... args) const noexcept RTW_NONBLOCKING
    {
        detail::call_values<R(Args...)> values(args...);
        return values.result(rtw_invoke_entry(raw_, index, values.data(), values.count));
    }

    result<func_stats> try_stats() const
    {
        return detail::filled<func_stats>([&](func_stats *stats) { return rtw_func_stats(raw_, stats); });
    }
    func_stats stats() const { return try_stats().value(); }
    result<rtwasm::interval> try_interval() const
    {
        return detail::made<rtwasm::interval>(
            [&](rtw_interval_t **out, rtw_error_t *why) { return rtw_func_interval(raw_, out, why); });
    }
    rtwasm::interval interval() const { return try_interval().value(); }

private:
    rtw_func_t *raw_ = nullptr;
};

/// A guest's function with its C++ type, looked up by instance::func.
template <class Type>
class func : public func_ref<Type> {
public:
    func() noexcept = default;
    explicit func(rtw_func_t *raw) noexcept : func_ref<Type>(raw), owned_(raw) {}

private:
    detail::owned<rtw_func_t, rtw_func_destroy> owned_;
};

/// A guest's global with its C++ type, looked up by instance::global; read and written in real time.
template <class T>
class global : public detail::handle<rtw_global_t, rtw_global_destroy> {
public:
    using handle::handle;
    call_result<T> load() const noexcept RTW_NONBLOCKING
    {
        rtw_value_t value;
        const rtw_status_t status = rtw_global_get(get(), &value);
        return status == RTW_OK ? call_result<T>(detail::wasm_type<T>::get(value)) : call_result<T>::failed(status);
    }
    /// RTW_ERR_ARGUMENT if it is immutable.
    call_result<void> store(T number) const noexcept RTW_NONBLOCKING
    {
        rtw_value_t value;
        detail::wasm_type<T>::set(value, number);
        call_result<void> done;
        done.status = rtw_global_set(get(), &value);
        return done;
    }
};

/// Whether an export may be missing, for rtw_wanted_func_t.
enum class wanted : std::uint32_t { required = 0, optional = 1 };

// ---- instances ----

/// An instance that somebody else owns: the caller of a host function, a block's instance.
class instance_ref {
public:
    instance_ref() noexcept = default;
    explicit instance_ref(rtw_instance_t *raw) noexcept : raw_(raw) {}
    rtw_instance_t *get() const noexcept { return raw_; }

    /// The default memory: all of it. Growth and resets end the span.
    result<span<std::byte>> try_memory(const char *name = nullptr) const
    {
        rtw_memory_view_t view;
        rtw_error_t why;
        if (rtw_instance_memory(raw_, name, &view, &why) != RTW_OK) return error(why);
        return span<std::byte>(static_cast<std::byte *>(view.base), static_cast<std::size_t>(view.size_bytes));
    }
    span<std::byte> memory(const char *name = nullptr) const { return try_memory(name).value(); }

    /// `count` elements at an address of the guest: an empty span if they are not all within its memory, or the address is not a
    /// multiple of T's alignment. As rtw_instance_memory_at.
    template <class T>
    span<T> at(std::uint64_t address, std::size_t count) const noexcept RTW_NONBLOCKING
    {
        static_assert(std::is_trivially_copyable_v<T>);
        if (count > SIZE_MAX / sizeof(T)) return span<T>();
        void *const first = rtw_instance_memory_at(raw_, address, count * sizeof(T));
        if (!first || reinterpret_cast<std::uintptr_t>(first) % alignof(T) != 0) return span<T>();
        return span<T>(static_cast<T *>(first), count);
    }

private:
    rtw_instance_t *raw_ = nullptr;
};

/// The first parameter of a host function that wants to know who called it.
using caller = instance_ref;

/// A guest; see rtw_instance_t.
class instance : public detail::handle<rtw_instance_t, rtw_instance_destroy>, private instance_ref {
public:
    instance() noexcept = default;
    explicit instance(rtw_instance_t *raw) noexcept : handle(raw), instance_ref(raw) {}
    using handle::get;
    using instance_ref::at;
    using instance_ref::memory;
    using instance_ref::try_memory;
    /// This instance for functions that take one that somebody owns.
    instance_ref ref() const noexcept { return *this; }

    /// Looks an exported function up and checks its type.
    template <class Type>
    result<rtwasm::func<Type>> try_func(const char *name) const
    {
        return detail::made<rtwasm::func<Type>>(
            [&](rtw_func_t **out, rtw_error_t *why) {
                return rtw_instance_func(get(), name, detail::function_type<Type>::signature.data(), out, why);
            });
    }
    template <class Type>
    rtwasm::func<Type> func(const char *name) const
    {
        return try_func<Type>(name).value();
    }

    /// Puts a file's pages into this guest's memory, and that of guests that follow; see rtw_instance_map. The span is theirs until
    /// the next reset.
    result<span<std::byte>> try_map(std::uint64_t offset, std::uint64_t length, int descriptor, std::uint64_t file_offset = 0,
                                    std::uint32_t flags = 0)
    {
        rtw_error_t why;
        if (rtw_instance_map(get(), nullptr, offset, length, descriptor, file_offset, flags, &why) != RTW_OK) return error(why);
        return at<std::byte>(offset, static_cast<std::size_t>(length));
    }

    /// Looks a global up, exported or imported, and checks its type.
    template <class T>
    result<rtwasm::global<T>> try_global(const char *name) const
    {
        return detail::made<rtwasm::global<T>>([&](rtw_global_t **out, rtw_error_t *why) {
            return rtw_instance_global(get(), name, detail::wasm_type<T>::name, out, why);
        });
    }

    /// Looks up the function in a table's entry, exported or not; with no table's name, in the module's first table.
    template <class Type>
    result<rtwasm::func<Type>> try_entry(std::uint64_t index, const char *table = nullptr) const
    {
        return detail::made<rtwasm::func<Type>>(
            [&](rtw_func_t **out, rtw_error_t *why) {
                return rtw_instance_table_func(get(), table, index, detail::function_type<Type>::signature.data(), out, why);
            });
    }
    /// Makes a func for all entries of a type: func_ref::entry names the entry in each call.
    template <class Type>
    result<rtwasm::func<Type>> try_entries(const char *table = nullptr) const
    {
        return detail::made<rtwasm::func<Type>>(
            [&](rtw_func_t **out, rtw_error_t *why) {
                return rtw_instance_table_func_dynamic(get(), table, detail::function_type<Type>::signature.data(), out, why);
            });
    }

    /// Puts a lambda, a function object or a function into a table's entry, for this guest and those that follow; see
    /// imports::try_func and rtw_instance_table_set.
    template <class Function>
    result<void> try_set_entry(std::uint64_t index, Function function, const char *table = nullptr, std::uint32_t flags = 0);
    /// Puts a function of this guest's own into a table's entry; nullptr empties it.
    result<void> try_set_entry(std::uint64_t index, rtw_func_t *func, const char *table = nullptr)
    {
        rtw_error_t why;
        if (rtw_instance_table_set_func(get(), table, index, func, &why) != RTW_OK) return error(why);
        return {};
    }
    result<void> try_set_entry(std::uint64_t index, std::nullptr_t, const char *table = nullptr)
    {
        return try_set_entry(index, static_cast<rtw_func_t *>(nullptr), table);
    }

    /// A dry call for prepare: the function, its arguments, and how often.
    struct dry_call {
        rtw_func_t *func;
        std::vector<rtw_value_t> values;
        std::uint32_t repeats;
    };
    template <class R, class... Args>
    static dry_call dry(const func_ref<R(Args...)> &func, std::uint32_t repeats, Args... args)
    {
        return {func.get(), detail::call_values<R(Args...)>(args...).to_vector(), repeats};
    }
    /// Prefaults and locks what calls touch, and makes the dry calls; on the thread that will call.
    result<prepare_report> try_prepare(const std::vector<dry_call> &dry_calls = {})
    {
        std::vector<rtw_dry_call_t> calls;
        calls.reserve(dry_calls.size());
        for (const dry_call &dry : dry_calls)
            calls.push_back({dry.func, dry.values.data(), static_cast<std::uint32_t>(dry.values.size()), dry.repeats, 0});
        rtw_prepare_config_t config;
        rtw_prepare_config_init(&config);
        config.dry_calls = calls.empty() ? nullptr : calls.data();
        config.dry_call_count = static_cast<std::uint32_t>(calls.size());
        prepare_report report;
        rtw_error_t why;
        if (rtw_instance_prepare(get(), &config, &report, &why) != RTW_OK) return error(why);
        return report;
    }
    prepare_report prepare(const std::vector<dry_call> &dry_calls = {}) { return try_prepare(dry_calls).value(); }

    /// Replaces the guest by a new one behind the same handle; see rtw_instance_reset.
    result<void> try_reset()
    {
        rtw_error_t why;
        if (rtw_instance_reset(get(), &why) != RTW_OK) return error(why);
        return {};
    }
    void reset() { try_reset().value(); }

    /// What ended the last call.
    result<rtwasm::fault> try_fault() const
    {
        rtwasm::fault fault;
        rtw_error_t why;
        if (rtw_instance_fault(get(), &fault, &why) != RTW_OK) return error(why);
        return fault;
    }
    rtwasm::fault fault() const { return try_fault().value(); }

    result<func_stats> try_stats() const
    {
        return detail::filled<func_stats>([&](func_stats *stats) { return rtw_instance_stats(get(), stats); });
    }
    func_stats stats() const { return try_stats().value(); }
};

// ---- host functions ----

namespace detail {

/// The type of a callable, from its operator() or its function type.
template <class F>
struct callable : callable<decltype(&F::operator())> {};
template <class R, class... Args>
struct callable<R (*)(Args...)> {
    using type = R(Args...);
    static constexpr bool throws = true;
};
template <class R, class... Args>
struct callable<R (*)(Args...) noexcept> {
    using type = R(Args...);
    static constexpr bool throws = false;
};
#define RTW_CPP_CALLABLE(qualifier, can_throw)                   \
    template <class C, class R, class... Args>                   \
    struct callable<R (C::*)(Args...) qualifier> {               \
        using type = R(Args...);                                 \
        static constexpr bool throws = can_throw;                \
    }
RTW_CPP_CALLABLE(, true);
RTW_CPP_CALLABLE(const, true);
RTW_CPP_CALLABLE(noexcept, false);
RTW_CPP_CALLABLE(const noexcept, false);
#undef RTW_CPP_CALLABLE

/// What a callable returns to the guest: call_result<R> means R, and that the callable can end the call.
template <class R>
struct returned {
    using type = R;
    template <class Call>
    static rtw_status_t to(rtw_value_t *values, Call &&call)
    {
        results<R>::set(values, call());
        return RTW_OK;
    }
};
template <>
struct returned<void> {
    using type = void;
    template <class Call>
    static rtw_status_t to(rtw_value_t *, Call &&call)
    {
        call();
        return RTW_OK;
    }
};
template <class R>
struct returned<call_result<R>> {
    using type = R;
    template <class Call>
    static rtw_status_t to(rtw_value_t *values, Call &&call)
    {
        const call_result<R> result = call();
        if constexpr (!std::is_void_v<R>) {
            if (result.status == RTW_OK) results<R>::set(values, result.result);
        }
        (void)values;
        return result.status;
    }
};

/// Runs a callback of the host. An exception that leaves it becomes RTW_ERR_HOST and is kept for take_exception; a thread's
/// cancellation or exit passes.
template <bool Throws, class Run>
rtw_status_t caught(Run &&run)
{
#if RTW_CPP_EXCEPTIONS
    if constexpr (Throws) {
        try {
            return run();
        }
#if defined(__GLIBCXX__)
        catch (abi::__forced_unwind &) {
            throw;
        }
#endif
        catch (...) {
            kept_exception() = std::current_exception();
            return RTW_ERR_HOST;
        }
    }
#endif
    return run();
}

template <class F, class Type>
struct host_function;
template <class F, class R, class... Args>
struct host_function<F, R(Args...)> {
    using type = typename returned<R>::type(std::decay_t<Args>...);
    static rtw_status_t run(void *user_data, rtw_instance_t *, rtw_value_t *values)
    {
        return call(user_data, values, std::index_sequence_for<Args...>());
    }

private:
    template <std::size_t... I>
    static rtw_status_t call(void *user_data, rtw_value_t *values, std::index_sequence<I...>)
    {
        return caught<callable<F>::throws>([&]() {
            F &function = *static_cast<F *>(user_data);
            return returned<R>::to(values, [&]() { return function(wasm_type<std::decay_t<Args>>::get(values[I])...); });
        });
    }
};
template <class F, class R, class... Args>
struct host_function<F, R(caller, Args...)> {
    using type = typename returned<R>::type(std::decay_t<Args>...);
    static rtw_status_t run(void *user_data, rtw_instance_t *instance, rtw_value_t *values)
    {
        return call(user_data, instance, values, std::index_sequence_for<Args...>());
    }

private:
    template <std::size_t... I>
    static rtw_status_t call(void *user_data, rtw_instance_t *instance, rtw_value_t *values, std::index_sequence<I...>)
    {
        return caught<callable<F>::throws>([&]() {
            F &function = *static_cast<F *>(user_data);
            return returned<R>::to(
                values, [&]() { return function(caller(instance), wasm_type<std::decay_t<Args>>::get(values[I])...); });
        });
    }
};

/// Gives a function to the library, which destroys it when nothing can call it any more.
template <class Function, class Give>
result<void> hand_over(Function function, Give &&give)
{
    using F = std::decay_t<Function>;
    using host = host_function<F, typename callable<F>::type>;
    auto kept = std::make_unique<F>(std::move(function));
    rtw_error_t why;
    const rtw_status_t status = give(
        function_type<typename host::type>::signature.data(), &host::run, kept.get(),
        [](void *user_data) { delete static_cast<F *>(user_data); }, &why);
    if (status != RTW_OK) return error(why);
    (void)kept.release();
    return {};
}

}  // namespace detail

template <class Function>
result<void> instance::try_set_entry(std::uint64_t index, Function function, const char *table, std::uint32_t flags)
{
    return detail::hand_over(std::move(function), [&](const char *signature, auto run, void *data, auto end, rtw_error_t *why) {
        return rtw_instance_table_set(get(), table, index, signature, run, data, end, flags, why);
    });
}

/// The host functions that guests can call; see rtw_imports_t.
class imports : public detail::handle<rtw_imports_t, rtw_imports_destroy> {
public:
    using handle::handle;
    static result<imports> try_create()
    {
        return detail::made<imports>(rtw_imports_create);
    }
    static imports create() { return try_create().value(); }

    /// Adds a lambda, a function object or a function as a host function; its parameters and result give the guest's type. A first
    /// parameter of type rtwasm::caller is the instance that called. It returns a value, or a call_result to be able to end the
    /// guest's call. An exception that leaves it ends the call with RTW_ERR_HOST; call_result::value() throws it again, and
    /// take_exception() returns it. Real-time threads call it: the rules of rtw_host_func_t hold. It is destroyed when nothing
    /// can call it any more.
    template <class Function>
    result<void> try_func(const char *module, const char *name, Function function, std::uint32_t flags = 0)
    {
        return detail::hand_over(std::move(function), [&](const char *signature, auto run, void *data, auto end, rtw_error_t *why) {
            return rtw_imports_func(get(), module, name, signature, run, data, end, flags, why);
        });
    }
    template <class Function>
    imports &func(const char *module, const char *name, Function function, std::uint32_t flags = 0)
    {
        try_func(module, name, std::move(function), flags).value();
        return *this;
    }

    /// Provides mathematics; see rtw_imports_libm.
    result<void> try_libm()
    {
        rtw_error_t why;
        if (rtw_imports_libm(get(), &why) != RTW_OK) return error(why);
        return {};
    }
    imports &libm()
    {
        try_libm().value();
        return *this;
    }
    /// Provides what a libc and a language's runtime import; see rtw_imports_wasi.
    result<void> try_wasi(const rtw_wasi_config_t *config = nullptr)
    {
        rtw_error_t why;
        if (rtw_imports_wasi(get(), config, &why) != RTW_OK) return error(why);
        return {};
    }
    imports &wasi(const rtw_wasi_config_t *config = nullptr)
    {
        try_wasi(config).value();
        return *this;
    }
};

// ---- modules ----

/// A loaded artifact; see rtw_module_t.
class module : public detail::handle<rtw_module_t, rtw_module_destroy> {
public:
    using handle::handle;
    result<rtwasm::instance> try_instance(const instance_config &config = {}, const rtw_imports_t *imports = nullptr) const
    {
        return detail::made<rtwasm::instance>(
            [&](rtw_instance_t **out, rtw_error_t *why) { return rtw_instance_create(get(), imports, &config, out, why); });
    }
    rtwasm::instance instance(const instance_config &config = {}) const { return try_instance(config).value(); }
    rtwasm::instance instance(const rtwasm::imports &imports, const instance_config &config = {}) const
    {
        return try_instance(config, imports.get()).value();
    }

    /// The exports and the imports, in the module's order; their texts live as long as the module.
    std::vector<rtw_extern_t> exports() const { return list(rtw_module_export_count(get()), rtw_module_export); }
    std::vector<rtw_extern_t> imports() const { return list(rtw_module_import_count(get()), rtw_module_import); }

    /// The module's description of its guests; its texts live as long as the module. See rtw_guest_info.
    result<rtwasm::guest_info> try_guest_info() const
    {
        return detail::filled<rtwasm::guest_info>([&](rtwasm::guest_info *info) { return rtw_guest_info(get(), info); });
    }
    rtwasm::guest_info guest_info() const { return try_guest_info().value(); }

private:
    template <class Read>
    std::vector<rtw_extern_t> list(std::size_t count, Read read) const
    {
        std::vector<rtw_extern_t> all(count);
        for (std::size_t index = 0; index < count; ++index) {
            if (read(get(), index, &all[index]) != RTW_OK) all[index] = rtw_extern_t{};
        }
        return all;
    }
};

// ---- runtimes and threads ----

/// Keeps the thread that made it attached to a runtime, and detaches it; on that thread.
class attachment {
public:
    explicit attachment(const rtw_runtime_t *runtime) noexcept : runtime_(runtime) {}
    attachment(attachment &&other) noexcept : runtime_(std::exchange(other.runtime_, nullptr)) {}
    attachment &operator=(attachment &&other) noexcept
    {
        if (this != &other) {
            detach();
            runtime_ = std::exchange(other.runtime_, nullptr);
        }
        return *this;
    }
    ~attachment() { detach(); }
    void detach() noexcept
    {
        if (runtime_) (void)rtw_thread_detach(std::exchange(runtime_, nullptr), nullptr);
    }

private:
    const rtw_runtime_t *runtime_;
};

/// The context of everything; see rtw_runtime_t. It must outlive its attachments.
class runtime : public detail::handle<rtw_runtime_t, rtw_runtime_destroy> {
public:
    using handle::handle;
    static result<runtime> try_create(const runtime_config &config = {})
    {
        return detail::made<runtime>(
            [&](rtw_runtime_t **out, rtw_error_t *why) { return rtw_runtime_create(&config, out, why); });
    }
    static runtime create(const runtime_config &config = {}) { return try_create(config).value(); }

    result<module> try_load(const void *bytes, std::size_t length) const
    {
        return detail::made<module>(
            [&](rtw_module_t **out, rtw_error_t *why) { return rtw_module_load(get(), bytes, length, out, why); });
    }
    module load(const void *bytes, std::size_t length) const { return try_load(bytes, length).value(); }
    result<module> try_load_file(const std::string &path) const
    {
        return detail::made<module>(
            [&](rtw_module_t **out, rtw_error_t *why) { return rtw_module_load_file(get(), path.c_str(), out, why); });
    }
    module load_file(const std::string &path) const { return try_load_file(path).value(); }

    /// Attaches the calling thread; the attachment detaches it.
    result<attachment> try_attach(const thread_config &config = {}) const
    {
        rtw_error_t why;
        if (rtw_thread_attach(get(), &config, &why) != RTW_OK) return error(why);
        return attachment(get());
    }
    attachment attach(const thread_config &config = {}) const { return try_attach(config).value(); }

    result<rtwasm::recorder> try_recorder(const char *name) const
    {
        return detail::made<rtwasm::recorder>(
            [&](rtw_recorder_t **out, rtw_error_t *why) { return rtw_recorder_create(get(), name, out, why); });
    }
    rtwasm::recorder recorder(const char *name) const { return try_recorder(name).value(); }
};

// ---- slots ----

/// A function of a slot, with its C++ type: what slot_setup::func returns.
template <class Type>
struct slot_func {
    std::uint32_t index;
};

/// What a slot needs, collected before it is made.
class slot_setup {
public:
    /// Prepared standby instances to keep, and blocks for which a replaced instance stays callable; see rtw_slot_config_t.
    std::uint32_t standby = 0;
    std::uint32_t hold_blocks = 0;
    std::uint32_t state = RTW_STATE_NONE;
    std::uint64_t memory_limit_bytes = 0;

    /// Adds a function that every instance must export. The result names it in blocks.
    template <class Type>
    slot_func<Type> func(std::string name)
    {
        names_.push_back(std::make_unique<std::string>(std::move(name)));
        wanted_.push_back({names_.back()->c_str(), detail::function_type<Type>::signature.data(), 0});
        return {static_cast<std::uint32_t>(wanted_.size() - 1)};
    }
    /// Adds a dry call that the slot makes on every instance.
    template <class R, class... Args>
    void dry(slot_func<R(Args...)> func, std::uint32_t repeats, Args... args)
    {
        auto values = std::make_unique<std::vector<rtw_value_t>>(detail::call_values<R(Args...)>(args...).to_vector());
        dry_.push_back({nullptr, values->data(), static_cast<std::uint32_t>(values->size()), repeats, func.index});
        values_.push_back(std::move(values));
    }

private:
    friend class slot;
    std::vector<std::unique_ptr<std::string>> names_;
    std::vector<rtw_wanted_func_t> wanted_;
    std::vector<std::unique_ptr<std::vector<rtw_value_t>>> values_;
    std::vector<rtw_dry_call_t> dry_;
};

/// A block on a slot; ends it when it goes. `if (auto block = slot.begin()) block[process](...)`.
class block {
public:
    explicit block(rtw_slot_t *slot) noexcept RTW_NONBLOCKING : slot_(slot), block_(), status_(rtw_slot_begin(slot, &block_)) {}
    block(const block &) = delete;
    block &operator=(const block &) = delete;
    ~block()
    {
        if (status_ == RTW_OK) (void)rtw_slot_end(slot_);
    }

    /// Whether the block has begun.
    explicit operator bool() const noexcept { return status_ == RTW_OK; }
    rtw_status_t status() const noexcept { return status_; }
    /// The sum of RTW_BLOCK_ flags.
    std::uint32_t flags() const noexcept { return block_.flags; }
    /// A function on the block's instance; only in a block that has begun.
    template <class Type>
    func_ref<Type> operator[](slot_func<Type> func) const noexcept
    {
        return func_ref<Type>(block_.funcs[func.index]);
    }
    instance_ref instance() const noexcept { return instance_ref(block_.instance); }
    /// Whether the replaced instance is still callable, for a crossfade, and what is on it.
    bool held() const noexcept { return block_.held_instance != nullptr; }
    template <class Type>
    func_ref<Type> held(slot_func<Type> func) const noexcept
    {
        return func_ref<Type>(block_.held_funcs[func.index]);
    }
    instance_ref held_instance() const noexcept { return instance_ref(block_.held_instance); }

private:
    rtw_slot_t *slot_;
    rtw_block_t block_;
    rtw_status_t status_;
};

/// Through which a real-time thread calls while instances are hot-swapped; see rtw_slot_t.
class slot : public detail::handle<rtw_slot_t, rtw_slot_destroy> {
public:
    using handle::handle;
    static result<slot> try_create(const runtime &runtime, const slot_setup &setup)
    {
        return made(runtime, setup, nullptr, nullptr);
    }
    static slot create(const runtime &runtime, const slot_setup &setup) { return try_create(runtime, setup).value(); }
    /// With an event callback: a callable that takes a const rtw_slot_event_t &. It runs on the housekeeper thread and must not
    /// throw. The caller keeps it until the slot is destroyed.
    template <class OnEvent>
    static result<slot> try_create(const runtime &runtime, const slot_setup &setup, OnEvent &on_event)
    {
        return made(runtime, setup, call<OnEvent>, &on_event);
    }
    template <class OnEvent>
    static slot create(const runtime &runtime, const slot_setup &setup, OnEvent &on_event)
    {
        return try_create(runtime, setup, on_event).value();
    }

    /// For a module's guests, which a `guest` drives; see rtw_guest_slot_create. The setup has no functions and no dry calls.
    static result<slot> try_for_guests(const module &module, const guest_config &guests = {}, const slot_setup &setup = {})
    {
        return made_for_guests(module, guests, setup, nullptr, nullptr);
    }
    static slot for_guests(const module &module, const guest_config &guests = {}, const slot_setup &setup = {})
    {
        return try_for_guests(module, guests, setup).value();
    }
    /// With an event callback, as above.
    template <class OnEvent>
    static result<slot> try_for_guests(const module &module, const guest_config &guests, const slot_setup &setup, OnEvent &on_event)
    {
        return made_for_guests(module, guests, setup, call<OnEvent>, &on_event);
    }
    template <class OnEvent>
    static slot for_guests(const module &module, const guest_config &guests, const slot_setup &setup, OnEvent &on_event)
    {
        return try_for_guests(module, guests, setup, on_event).value();
    }

    /// Publishes an instance; the real-time thread takes it at its next block. The slot keeps the instance alive. Returns the
    /// publication's number.
    result<std::uint64_t> try_publish(const rtwasm::instance &instance)
    {
        std::uint64_t publication = 0;
        rtw_error_t why;
        if (rtw_slot_publish(get(), instance.get(), &publication, &why) != RTW_OK) return error(why);
        return publication;
    }
    std::uint64_t publish(const rtwasm::instance &instance) { return try_publish(instance).value(); }

    /// Begins a block, which ends with the result's scope. [rt & attached]
    block begin() noexcept RTW_NONBLOCKING { return block(get()); }

    /// A block of one call. [rt & attached]
    template <class R, class... Args>
    call_result<R> invoke(slot_func<R(Args...)> func, Args... args) noexcept RTW_NONBLOCKING
    {
        detail::call_values<R(Args...)> values(args...);
        return values.result(rtw_slot_invoke(get(), func.index, values.data(), values.count, nullptr));
    }

    result<slot_stats> try_stats() const
    {
        return detail::filled<slot_stats>([&](slot_stats *stats) { return rtw_slot_stats(get(), stats); });
    }
    slot_stats stats() const { return try_stats().value(); }
    /// Statistics of a function on all instances, by its place in the setup; for guests, RTW_GUEST_FUNC_PROCESS.
    result<rtwasm::func_stats> try_func_stats(std::uint32_t func) const
    {
        return detail::filled<rtwasm::func_stats>([&](rtwasm::func_stats *stats) { return rtw_slot_func_stats(get(), func, stats); });
    }
    rtwasm::func_stats func_stats(std::uint32_t func) const { return try_func_stats(func).value(); }

private:
    template <class OnEvent>
    static void call(void *user_data, const rtw_slot_event_t *event)
    {
        (*static_cast<OnEvent *>(user_data))(*event);
    }
    static rtw_slot_config_t config_of(const slot_setup &setup, rtw_slot_event_func_t on_event, void *user_data)
    {
        rtw_slot_config_t config;
        rtw_slot_config_init(&config);
        config.funcs = setup.wanted_.empty() ? nullptr : setup.wanted_.data();
        config.func_count = static_cast<std::uint32_t>(setup.wanted_.size());
        config.dry_calls = setup.dry_.empty() ? nullptr : setup.dry_.data();
        config.dry_call_count = static_cast<std::uint32_t>(setup.dry_.size());
        config.standby = setup.standby;
        config.hold_blocks = setup.hold_blocks;
        config.state = setup.state;
        config.memory_limit_bytes = setup.memory_limit_bytes;
        config.on_event = on_event;
        config.user_data = user_data;
        return config;
    }
    static result<slot> made(const runtime &runtime, const slot_setup &setup, rtw_slot_event_func_t on_event, void *user_data)
    {
        const rtw_slot_config_t config = config_of(setup, on_event, user_data);
        return detail::made<slot>(
            [&](rtw_slot_t **out, rtw_error_t *why) { return rtw_slot_create(runtime.get(), &config, out, why); });
    }
    static result<slot> made_for_guests(const module &module, const guest_config &guests, const slot_setup &setup,
                                        rtw_slot_event_func_t on_event, void *user_data)
    {
        const rtw_slot_config_t config = config_of(setup, on_event, user_data);
        return detail::made<slot>(
            [&](rtw_slot_t **out, rtw_error_t *why) { return rtw_guest_slot_create(module.get(), &guests, &config, out, why); });
    }
};

// ---- guests for audio and control ----

/// A guest that describes itself, which the library drives: an instance's, or those behind a slot; see rtw_guest_t.
class guest : public detail::handle<rtw_guest_t, rtw_guest_destroy> {
public:
    using handle::handle;
    /// Drives an instance, whose guest this initialises.
    static result<guest> try_create(const module &module, const instance &instance, const guest_config &config = {})
    {
        return made(module, instance.get(), nullptr, config);
    }
    static guest create(const module &module, const instance &instance, const guest_config &config = {})
    {
        return try_create(module, instance, config).value();
    }
    /// Drives what is behind a slot of slot::for_guests, with the same configuration. The slot has to outlive it.
    static result<guest> try_create(const module &module, const slot &slot, const guest_config &config = {})
    {
        return made(module, nullptr, slot.get(), config);
    }
    static guest create(const module &module, const slot &slot, const guest_config &config = {})
    {
        return try_create(module, slot, config).value();
    }

    /// Prepares the instance, with dry calls; behind a slot it does nothing. See rtw_guest_prepare.
    result<void> try_prepare(std::uint32_t repeats = 16)
    {
        rtw_error_t why;
        if (rtw_guest_prepare(get(), repeats, &why) != RTW_OK) return error(why);
        return {};
    }
    void prepare(std::uint32_t repeats = 16) { try_prepare(repeats).value(); }
    /// Makes the guest of an instance anew after a fault; see rtw_guest_renew.
    result<void> try_renew()
    {
        rtw_error_t why;
        if (rtw_guest_renew(get(), &why) != RTW_OK) return error(why);
        return {};
    }
    void renew() { try_renew().value(); }

    /// Computes a block; if it fails, the rest of the outputs is silent. See rtw_guest_process. [rt & attached & prepared]
    rtw_status_t process(const float *const *inputs, float *const *outputs, std::uint32_t frames, const rtw_event_t *events = nullptr,
                         std::size_t event_count = 0) const noexcept RTW_NONBLOCKING
    {
        return rtw_guest_process(get(), inputs, outputs, frames, events, event_count);
    }
    /// Sets a parameter from the next block on. [rt]
    rtw_status_t set(std::uint32_t index, double value) const noexcept RTW_NONBLOCKING { return rtw_guest_set(get(), index, value); }
    /// Value of a parameter, and of a meter after the last block; NaN if there is none. [rt]
    double param(std::uint32_t index) const noexcept RTW_NONBLOCKING { return read(rtw_guest_get, index); }
    double meter(std::uint32_t index) const noexcept RTW_NONBLOCKING { return read(rtw_guest_read_meter, index); }
    /// Clears the guest's past; see rtw_guest_reset. [rt & attached & prepared]
    rtw_status_t reset() const noexcept RTW_NONBLOCKING { return rtw_guest_reset(get()); }
    /// Delay of the outputs in frames. [rt]
    std::uint32_t latency() const noexcept RTW_NONBLOCKING { return rtw_guest_latency(get()); }

private:
    template <class Read>
    double read(Read from, std::uint32_t index) const noexcept
    {
        double value = std::numeric_limits<double>::quiet_NaN();
        (void)from(get(), index, &value);
        return value;
    }
    static result<guest> made(const module &module, rtw_instance_t *instance, rtw_slot_t *slot, const guest_config &config)
    {
        return detail::made<guest>([&](rtw_guest_t **out, rtw_error_t *why) {
            return rtw_guest_create(module.get(), instance, slot, &config, out, why);
        });
    }
};

// ---- workers ----

struct worker_config : rtw_worker_config_t {
    worker_config() noexcept : rtw_worker_config_t() { rtw_worker_config_init(this); }
};

/// A real-time thread of the library's own; see rtw_worker_t.
class worker : public detail::handle<rtw_worker_t, rtw_worker_destroy> {
public:
    using handle::handle;
    /// A worker as the configuration says, with its callbacks as in C.
    static result<worker> try_create(const runtime &runtime, const worker_config &config)
    {
        return detail::made<worker>(
            [&](rtw_worker_t **out, rtw_error_t *why) { return rtw_worker_create(runtime.get(), &config, out, why); });
    }
    static worker create(const runtime &runtime, const worker_config &config) { return try_create(runtime, config).value(); }
    /// A periodic worker whose step is a callable that takes a const rtw_tick_t & and returns void or a status; an exception that
    /// leaves it fails the step. The caller keeps it until the worker is destroyed.
    template <class Step>
    static result<worker> try_periodic(const runtime &runtime, worker_config config, Step &step)
    {
        config.kind = RTW_WORKER_PERIODIC;
        config.user_data = &step;
        config.step = [](void *user_data, const rtw_tick_t *tick) {
            return detail::caught<!std::is_nothrow_invocable_v<Step &, const rtw_tick_t &>>([&]() -> rtw_status_t {
                Step &callable = *static_cast<Step *>(user_data);
                if constexpr (std::is_void_v<std::invoke_result_t<Step &, const rtw_tick_t &>>) {
                    callable(*tick);
                    return RTW_OK;
                } else {
                    return callable(*tick);
                }
            });
        };
        return try_create(runtime, config);
    }
    template <class Step>
    static worker periodic(const runtime &runtime, const worker_config &config, Step &step)
    {
        return try_periodic(runtime, config, step).value();
    }

    result<void> try_start()
    {
        rtw_error_t why;
        if (rtw_worker_start(get(), &why) != RTW_OK) return error(why);
        return {};
    }
    void start() { try_start().value(); }
    result<void> try_stop()
    {
        return detail::checked(rtw_worker_stop(get()));
    }
    void stop() { try_stop().value(); }
    /// Waits until the worker is stopped, by stop or by itself, and returns why its run ended: ended_by of rtw_worker_info_t.
    result<rtw_status_t> try_join(std::uint64_t timeout_ns = RTW_FOREVER)
    {
        rtw_status_t status = rtw_worker_join(get(), timeout_ns);
        rtw_worker_info_t info;
        rtw_worker_info_init(&info);
        if (status == RTW_OK) status = rtw_worker_info(get(), &info);
        if (status != RTW_OK) return error(status);
        return info.ended_by;
    }
    rtw_status_t join(std::uint64_t timeout_ns = RTW_FOREVER) { return try_join(timeout_ns).value(); }

    /// Runs a guest's function on a queue worker and waits for its end, as rtw_worker_invoke does.
    template <class R, class... Args>
    call_result<R> invoke(const func_ref<R(Args...)> &func, std::common_type_t<Args>... args)
    {
        detail::call_values<R(Args...)> values(args...);
        return values.result(rtw_worker_invoke(get(), func.get(), values.data(), values.count));
    }
    /// Gives an invocation to a queue worker and returns at once; wait returns its completion.
    template <class R, class... Args>
    rtw_status_t submit(std::uint64_t tag, const func_ref<R(Args...)> &func, std::common_type_t<Args>... args)
    {
        detail::call_values<R(Args...)> values(args...);
        return rtw_worker_submit(get(), func.get(), values.data(), values.count, tag);
    }
    result<completion> try_wait(std::uint64_t timeout_ns = RTW_FOREVER)
    {
        completion done;
        const rtw_status_t status = rtw_worker_wait(get(), &done, timeout_ns);
        if (status != RTW_OK) return error(status);
        return done;
    }
    completion wait(std::uint64_t timeout_ns = RTW_FOREVER) { return try_wait(timeout_ns).value(); }

    result<worker_stats> try_stats() const
    {
        return detail::filled<worker_stats>([&](worker_stats *stats) { return rtw_worker_stats(get(), stats); });
    }
    worker_stats stats() const { return try_stats().value(); }
};

// ---- exports ----

/// Adds a subject to an export; its type selects the member of rtw_export_subject_t.
inline rtw_export_subject_t subject(const instance &instance, const char *name = nullptr)
{
    rtw_export_subject_t subject{};
    subject.instance = instance.get(), subject.name = name;
    return subject;
}
template <class Type>
rtw_export_subject_t subject(const func_ref<Type> &func, const char *name = nullptr)
{
    rtw_export_subject_t subject{};
    subject.func = func.get(), subject.name = name;
    return subject;
}
inline rtw_export_subject_t subject(const worker &worker, const char *name = nullptr)
{
    rtw_export_subject_t subject{};
    subject.worker = worker.get(), subject.name = name;
    return subject;
}
inline rtw_export_subject_t subject(const recorder &recorder, const char *name = nullptr)
{
    rtw_export_subject_t subject{};
    subject.recorder = recorder.get(), subject.name = name;
    return subject;
}

/// Writes the statistics of several subjects as a text, in one of the RTW_EXPORT_ formats.
inline result<std::string> try_text(const std::vector<rtw_export_subject_t> &subjects, std::uint32_t format = RTW_EXPORT_JSON)
{
    export_config config;
    config.format = format;
    std::string text(1 << 14, '\0');
    for (;;) {
        config.buffer = text.data();
        config.buffer_bytes = text.size();
        std::size_t length = 0;
        rtw_error_t why;
        const rtw_status_t status = rtw_export(subjects.data(), subjects.size(), sizeof(rtw_export_subject_t), &config, &length, &why);
        if (status == RTW_OK) {
            text.resize(length);
            return text;
        }
        if (status != RTW_ERR_LIMIT) return error(why);
        text.assign(length + length / 8 + 1, '\0');
    }
}
inline std::string text(const std::vector<rtw_export_subject_t> &subjects, std::uint32_t format = RTW_EXPORT_JSON)
{
    return try_text(subjects, format).value();
}

}  // namespace rtwasm

#endif  // RTWASM_HPP
