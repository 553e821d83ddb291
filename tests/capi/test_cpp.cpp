// The header from C++17: unique_ptr as owner, a lambda as host function, a template around a call.
#include <rtwasm.h>

extern "C" {
#include "../support/common.h"
}

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace {

template <auto destroy> struct Destroy {
    template <typename T> void operator()(T *handle) const { destroy(handle); }
};
using Runtime = std::unique_ptr<rtw_runtime_t, Destroy<rtw_runtime_destroy>>;
using Module = std::unique_ptr<rtw_module_t, Destroy<rtw_module_destroy>>;
using Imports = std::unique_ptr<rtw_imports_t, Destroy<rtw_imports_destroy>>;
using Instance = std::unique_ptr<rtw_instance_t, Destroy<rtw_instance_destroy>>;
using Func = std::unique_ptr<rtw_func_t, Destroy<rtw_func_destroy>>;

static_assert(std::is_trivially_copyable_v<rtw_value_t> && sizeof(rtw_value_t) == 16);
static_assert(std::is_standard_layout_v<rtw_runtime_config_t> && std::is_standard_layout_v<rtw_func_stats_t>);
static_assert(std::is_same_v<rtw_status_t, std::int32_t> && RTW_OK == 0);
static_assert(sizeof(rtw_error_t) == 512);

struct Seen {
    std::vector<std::int32_t> arguments;
};

void test_calls(const Module &module) {
    rtw_instance_config_t config{};
    rtw_instance_config_init(&config);
    rtw_instance_t *made = nullptr;
    rtw_error_t err{};
    check_status(rtw_instance_create(module.get(), nullptr, &config, &made, &err), RTW_OK, "an instance");
    Instance instance{made};
    rtw_func_t *found = nullptr;
    check_status(rtw_instance_func(instance.get(), "add", "(i32,i32)->(i32)", &found, &err), RTW_OK, "a func");
    Func add{found};
    std::vector<rtw_value_t> values(2);
    values[0].i32 = 40;
    values[1].i32 = 2;
    check_status(rtw_invoke(add.get(), values.data(), values.size()), RTW_OK, "a call");
    check(values[0].i32 == 42, "its result");
    rtw_func_stats_t stats{};
    rtw_func_stats_init(&stats);
    check(rtw_func_stats(add.get(), &stats) == RTW_OK && stats.call.count == 1, "its statistics");
}

void test_host_function(const Runtime &runtime) {
    Module module{load(runtime.get(), "host")};
    rtw_imports_t *list = nullptr;
    rtw_error_t err{};
    require(rtw_imports_create(&list, &err), &err, "imports");
    Imports imports{list};
    Seen seen;
    const auto note = [](void *user_data, rtw_instance_t *, rtw_value_t *values) -> rtw_status_t {
        static_cast<Seen *>(user_data)->arguments.push_back(values[0].i32);
        values[0].f32 = values[1].f32;
        return RTW_OK;
    };
    const auto nothing = [](void *, rtw_instance_t *, rtw_value_t *) -> rtw_status_t { return RTW_OK; };
    check_status(rtw_imports_func(imports.get(), "env", "note", "(i32,f32)->(f32)", note, &seen, nullptr, 0, &err), RTW_OK, "a lambda as host function");
    require(rtw_imports_func(imports.get(), "env", "turn", "(i32,i64,f32,f64,v128)->(v128,f64,f32,i64,i32)", nothing, nullptr, nullptr, 0, &err), &err, "turn");
    require(rtw_imports_func(imports.get(), "env", "enter", "(i32)->(i32)", nothing, nullptr, nullptr, 0, &err), &err, "enter");
    require(rtw_imports_func(imports.get(), "env", "silent", "()->()", nothing, nullptr, nullptr, 0, &err), &err, "silent");
    rtw_instance_t *made = nullptr;
    require(rtw_instance_create(module.get(), imports.get(), nullptr, &made, &err), &err, "an instance");
    Instance instance{made};
    rtw_value_t values[2]{};
    values[0].i32 = 17;
    values[1].f32 = 2.0f;
    check_status(call(instance.get(), "note", values, 2), RTW_OK, "a call into the lambda");
    check(seen.arguments.size() == 1 && seen.arguments[0] == 17 && values[0].f32 == 2.5f, "what it saw and answered");
}

} // namespace

int main(int argc, char **argv) {
    read_command_line(argc, argv);
    check(std::string_view{rtw_version_string()}.substr(0, 7) == "rtwasm ", "the version string");
    Runtime runtime{make_runtime()};
    attach_here(runtime.get());
    Module module{load(runtime.get(), "calls")};
    test_calls(module);
    test_host_function(runtime);
    rtw_extern_t one{};
    check(rtw_module_export(module.get(), 0, &one) == RTW_OK && std::string{one.name} == "memory", "an export");
    return check_summary();
}
