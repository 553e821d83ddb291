-- The module for LuaJIT, through the library. Prints `ok WHAT` or `FAIL WHAT` for each test, and the sum.
local rtwasm = require("rtwasm")
local ffi, api = require("ffi"), rtwasm.api
local passed, failed = 0, 0

local function test(what, body)
    local good, why = xpcall(body, function(raised) return debug.traceback(tostring(raised)) end)
    if good then passed = passed + 1 else failed = failed + 1 end
    print((good and "ok " or "FAIL ") .. what .. (good and "" or "\n    " .. why))
end

local function raises(status, body, ...)
    local good, raised = pcall(body, ...)
    assert(not good, "it did not fail")
    if status then assert(type(raised) == "table" and raised.status == status, tostring(raised)) end
    return raised
end

local TYPES = rtwasm.compile([[(module
    (memory (export "memory") 1 1)
    (func (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "wide") (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
    (func (export "third") (param f64) (result f64) (f64.div (local.get 0) (f64.const 3)))
    (func (export "same") (param v128) (result v128) (local.get 0))
    (func (export "swap") (param i32 f32) (result f32 i32) (local.get 1) (local.get 0))
    (func (export "next") (result i32)
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (i32.load (i32.const 0)))
    (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0))))]], { profile = api.RTW_PROFILE_PLUGIN })
local ASKS = rtwasm.compile([[(module
    (import "env" "ask" (func $ask (param i32) (result i32)))
    (func (export "ask") (param i32) (result i32) (i32.add (call $ask (local.get 0)) (i32.const 1))))]], { profile = api.RTW_PROFILE_PLUGIN })

test("the module names the library", function() assert(rtwasm.version():match("^rtwasm 0%.1%.")) end)

test("values of every type cross in both directions", function()
    local instance = rtwasm.runtime():load_bytes(TYPES):instance()
    assert(instance:func("twice")(-3) == -6)
    assert(instance:func("twice")(2 ^ 32 - 1) == -2)
    assert(instance:func("wide", "(i64)->(i64)")(2LL ^ 62) == 2LL ^ 62 + 1)
    assert(instance:func("third")(1) == 1 / 3)
    assert(instance:func("same")("0123456789abcdef") == "0123456789abcdef")
    local half, seven = instance:func("swap")(7, 0.5)
    assert(half == 0.5 and seven == 7)
    raises(nil, instance:func("twice"), 2 ^ 32)
    raises(nil, instance:func("twice"), 1.5)
    raises(nil, instance:func("twice"))
end)

test("a compiled loop makes the calls that it should", function()
    local next_one = rtwasm.runtime():load_bytes(TYPES):instance():func("next")
    local last
    for _ = 1, 10000 do last = next_one() end
    assert(last == 10000 and next_one:stats().call.count == 10000)
end)

test("memory is the guest's own", function()
    local instance = rtwasm.runtime():load_bytes(TYPES):instance()
    local counter = instance:memory("int32_t", 0, 1)
    counter[0] = 41
    assert(instance:func("next")() == 42 and counter[0] == 42)
    raises(nil, instance.memory, instance, "float", 65536 - 4, 2)
end)

test("a trap is described, and a reset renews", function()
    local instance = rtwasm.runtime():load_bytes(TYPES):instance()
    local divide = instance:func("divide")
    local raised = raises(api.RTW_ERR_TRAP_DIVIDE_BY_ZERO, divide, 0)
    assert(raised.fault.function_index == 6 and tostring(raised):match("RTW_ERR_TRAP_DIVIDE_BY_ZERO"))
    raises(api.RTW_ERR_FAULTED, divide, 1)
    instance:reset()
    assert(divide(1) == 1 and instance:fault() == nil)
end)

local function asking(answer)
    local imports = rtwasm.imports()
    imports:func("env", "ask", "(i32)->(i32)", answer)
    local instance = rtwasm.runtime():load_bytes(ASKS):instance(imports)
    return instance:func("ask"), instance
end

test("guests call Lua, in a loop that LuaJIT would compile", function()
    local ask = asking(function(x) return x * 10 end)
    for n = 1, 2000 do assert(ask(n) == n * 10 + 1) end
end)

test("an error in Lua ends the call and is raised from it", function()
    local thrown = { "anything" }
    local ask, instance = asking(function(x) error(thrown) end)
    assert(raises(nil, ask, 1) == thrown)
    assert(instance:fault().status == api.RTW_ERR_HOST)
    raises(api.RTW_ERR_FAULTED, ask, 1)
    local nothing = asking(function() end)
    assert(tostring(raises(nil, nothing, 1)):match("1 values, not 0"))
end)

test("errors cross several guests", function()
    local inner = asking(function(x) if x == 0 then error("zero", 0) end return x end)
    local outer = asking(function(x) return inner(x) end)
    assert(outer(1) == 3)
    assert(raises(nil, outer, 0) == "zero")
end)

test("host functions can be made and collected again and again", function()
    for _ = 1, 1500 do -- more than LuaJIT has callbacks
        asking(function(x) return x end)(1)
        collectgarbage()
    end
end)

test("a worker keeps its period beside Lua", function()
    local runtime = rtwasm.runtime()
    local instance = runtime:load_bytes(TYPES):instance()
    local worker = runtime:periodic(instance:func("next"), {}, { period_ns = 1000000, period_limit = 50 })
    worker:start()
    worker:join()
    local stats = worker:stats()
    assert(stats.ticks + stats.skipped == 50)
    assert(instance:memory("int32_t", 0, 1)[0] == tonumber(stats.ticks))
end)

test("a queue runs what it gets", function()
    local runtime = rtwasm.runtime()
    local instance = runtime:load_bytes(TYPES):instance()
    local worker = runtime:queue()
    raises(api.RTW_ERR_STOPPED, worker.invoke, worker, instance:func("twice"), 1)
    worker:start()
    assert(worker:invoke(instance:func("twice"), 21) == 42)
    raises(api.RTW_ERR_TRAP_DIVIDE_BY_ZERO, worker.invoke, worker, instance:func("divide"), 0)
    worker:stop()
end)

test("a worker refuses a guest that calls Lua", function()
    local ask, instance = asking(function(x) return x end)
    local runtime = instance.module.runtime
    assert(tostring(raises(nil, runtime.periodic, runtime, ask, { 1 }, { period_ns = 1000000 })):match("its own thread only"))
end)

test("an attachment is the host's if it wants", function()
    local runtime = rtwasm.runtime({ attach_on_call = 0 })
    local twice = runtime:load_bytes(TYPES):instance():func("twice")
    raises(api.RTW_ERR_NOT_ATTACHED, twice, 1)
    runtime:attach({ denormals = api.RTW_DENORMALS_FLUSH })
    assert(twice(1) == 2)
    runtime:detach()
end)

local function driven(path, config)
    local file = assert(io.open(path, "rb"))
    local artifact = rtwasm.compile(file:read("*a"), { profile = api.RTW_PROFILE_PLUGIN })
    file:close()
    local guest = rtwasm.runtime():load_bytes(artifact):instance():guest(config)
    guest:prepare()
    return guest
end

test("a guest computes blocks with changes at their frames", function()
    local guest = driven("guests/built/drive.wasm", { sample_rate = 44100, max_frames = 64 })
    local said = guest.description
    assert(said.name == "Drive" and said.inputs == 2 and said.outputs == 2 and #said.params == 2 and said.meters.peak.index == 0)
    assert(said.params.gain.max == 8 and said.params[2].id == "limit" and said.params.limit.labels == "off\non")
    local source, result = ffi.new("float[500]"), ffi.new("float[500]")
    for n = 0, 499 do source[n] = n / 512 end
    guest:set("gain", 2)
    guest:process({ source, false }, { result, false }, 500, { { frame = 300, param = "gain", value = 99 } })
    for n = 0, 499 do assert(result[n] == n / 512 * (n < 300 and 2 or 8), n) end
    assert(guest:get("gain") == 8 and guest:get(0) == 8 and guest:meter("peak") == 8 * 499 / 512 and guest:latency() == 0)
    assert(tonumber(guest:stats().call.count) >= 8)
    assert(tostring(raises(nil, guest.set, guest, "loudness", 1)):match("no loudness"))
    raises(api.RTW_ERR_UNSUPPORTED, function() rtwasm.runtime():load_bytes(TYPES):describe() end)
end)

test("a guest plays MIDI and keeps its state", function()
    local guest, other = driven("guests/built/tone.wasm"), driven("guests/built/tone.wasm")
    local sound, again = ffi.new("float[100]"), ffi.new("float[100]")
    guest:set("level", 0.25)
    guest:process(nil, { sound }, 100, { { frame = 40, midi = "\144\69\100" } })
    for n = 0, 99 do assert(math.abs(sound[n]) == (n < 40 and 0 or 0.25), n) end
    local state = guest:save_state()
    other:load_state(state)
    guest:process(nil, { sound }, 100)
    other:process(nil, { again }, 100)
    assert(ffi.string(sound, 400) == ffi.string(again, 400) and other:get("level") == 0.25)
    raises(api.RTW_ERR_STATE, other.load_state, other, state:sub(2))
    raises(nil, guest.process, guest, nil, { sound }, 1, { { frame = 0, midi = "123456789" } })
    guest:reset()
    guest:process(nil, { sound }, 100)
    assert(sound[99] == 0)
end)

test("a guest that faults is silent until it is renewed", function()
    local guest = driven("tests/capi/guests/driven.wat", { max_frames = 100 })
    local source, result = ffi.new("float[300]", 1), ffi.new("float[300]")
    for n = 0, 299 do source[n] = 1 end
    guest:set(0, 3)
    raises(api.RTW_ERR_TRAP_UNREACHABLE, guest.process, guest, { source }, { result }, 300, { { frame = 250, param = 1, value = 1 } })
    assert(result[249] == 4 and result[250] == 0 and guest:latency() == 7)
    guest:set(1, 0)
    raises(api.RTW_ERR_FAULTED, guest.process, guest, { source }, { result }, 300)
    guest:renew()
    guest:set_budget(0)
    guest:process({ source }, { result }, 300)
    assert(result[299] == 4)
end)

test("errors of setup have the library's words", function()
    local runtime = rtwasm.runtime()
    raises(api.RTW_ERR_NOT_ARTIFACT, runtime.load_bytes, runtime, "nonsense")
    raises(api.RTW_ERR_IO, runtime.load, runtime, "/nowhere.rtw")
    raises(api.RTW_ERR_WASM, rtwasm.compile, "(module (func (result i32)))")
    local instance = runtime:load_bytes(TYPES):instance()
    assert(tostring(raises(api.RTW_ERR_NO_EXPORT, instance.func, instance, "absent")):match("absent"))
    local imports = rtwasm.imports()
    imports:libm()
    imports:wasi({ seed = 1 })
    raises(api.RTW_ERR_IMPORT_MISSING, function() runtime:load_bytes(ASKS):instance(imports) end)
    imports:stubs(api.RTW_STUBS_TRAP)
    raises(api.RTW_ERR_STUB, runtime:load_bytes(ASKS):instance(imports):func("ask"), 1)
end)

print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and 0 or 1)
