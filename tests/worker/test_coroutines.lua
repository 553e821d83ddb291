-- Calls guests from LuaJIT's coroutines, which run C functions on the thread's own stack: attached once, they need nothing more.
-- `luajit test_coroutines.lua LIBRTWASM.SO ARTIFACT DECLARATIONS PROFILE`: the guest exports "alive" and "recurse".
local ffi, shared = require("ffi"), require("rtwasm")
local path, artifact, declarations, profile = unpack(arg)
local rtw = shared.open(path, declarations)
local check, must, made, err = shared.check, shared.must, shared.made, shared.err
local NOT_ATTACHED, TRAP_STACK = -501, -608

local config = ffi.new("rtw_runtime_config_t")
rtw.rtw_runtime_config_init_sized(config, ffi.sizeof(config))
config.profile = profile == "plugin" and 1 or 0
local runtime = made("rtw_runtime_t", function(out) return rtw.rtw_runtime_create(config, out, err) end)
local module = made("rtw_module_t", function(out) return rtw.rtw_module_load_file(runtime, artifact, out, err) end)
local instance = made("rtw_instance_t", function(out) return rtw.rtw_instance_create(module, nil, nil, out, err) end)
local function func(name)
  return made("rtw_func_t", function(out) return rtw.rtw_instance_func(instance, name, nil, out, err) end)
end
local alive, recurse = func("alive"), func("recurse")

local values = ffi.new("rtw_value_t[1]")
local function answer(which)
  values[0].i32 = 0
  return rtw.rtw_invoke(which, values, 1)
end
local function in_coroutine(body) return coroutine.wrap(body)() end
-- `body` at the bottom of so many coroutines, each resumed by the one before.
local function nested(depth, body)
  if depth == 0 then return body() end
  return in_coroutine(function() return nested(depth - 1, body) end)
end

check(in_coroutine(function() return answer(alive) end) == NOT_ATTACHED, "a coroutine of a thread that is not attached")
must(rtw.rtw_thread_attach(runtime, nil, err))
check(answer(alive) == 0 and values[0].i32 == 1, "outside of coroutines")
check(in_coroutine(function() return answer(alive) end) == 0, "in a coroutine")
check(nested(100, function() return answer(alive) end) == 0, "in the last of a hundred coroutines")

local one, other = coroutine.wrap(function() while true do coroutine.yield(answer(alive)) end end),
  coroutine.wrap(function() while true do coroutine.yield(answer(alive)) end end)
local all = true
for _ = 1, 1000 do all = all and one() == 0 and other() == 0 and answer(alive) == 0 end
check(all, "in two coroutines in turn, a thousand times")

check(nested(100, function() return answer(recurse) end) == TRAP_STACK, "endless recursion in the last of a hundred")
must(rtw.rtw_instance_reset(instance, err))
check(one() == 0 and answer(alive) == 0, "after which everything goes on")
must(rtw.rtw_thread_detach(runtime, err))
check(one() == NOT_ATTACHED, "a coroutine whose thread was detached")

shared.finish()
