-- A host that cannot be real-time itself, Lua, has a pinned worker call a guest: LuaJIT's FFI reads the header's own declarations.
-- `luajit test_queue.lua LIBRTWASM.SO ARTIFACT DECLARATIONS`: rtwasm.h without its preprocessor lines; the guest exports "add".
local ffi, shared = require("ffi"), require("rtwasm")
local path, artifact, declarations = unpack(arg)
local rtw = shared.open(path, declarations)
local check, must, made, err = shared.check, shared.must, shared.made, shared.err
local QUEUE, FULL, EMPTY = 1, -701, -702
local FOREVER = 0xffffffffffffffffULL

local runtime = made("rtw_runtime_t", function(out) return rtw.rtw_runtime_create(nil, out, err) end)
local module = made("rtw_module_t", function(out) return rtw.rtw_module_load_file(runtime, artifact, out, err) end)
local instance = made("rtw_instance_t", function(out) return rtw.rtw_instance_create(module, nil, nil, out, err) end)
local add = made("rtw_func_t", function(out) return rtw.rtw_instance_func(instance, "add", "(i32,i32)->(i32)", out, err) end)
local config = ffi.new("rtw_worker_config_t")
rtw.rtw_worker_config_init_sized(config, ffi.sizeof(config))
config.kind, config.name, config.queue_capacity = QUEUE, "from-lua", 32
local worker = made("rtw_worker_t", function(out) return rtw.rtw_worker_create(runtime, config, out, err) end)
must(rtw.rtw_worker_start(worker, err))

local values = ffi.new("rtw_value_t[2]")
values[0].i32, values[1].i32 = 40, 2
must(rtw.rtw_worker_invoke(worker, add, values, 2))
check(values[0].i32 == 42, "an invocation comes back with its result")

local completion = ffi.new("rtw_completion_t")
rtw.rtw_completion_init_sized(completion, ffi.sizeof(completion))
local submitted, answered, right = 0, 0, true
while answered < 1000 do
  values[0].i32, values[1].i32 = submitted, 1000
  local status = submitted < 1000 and rtw.rtw_worker_submit(worker, add, values, 2, submitted) or FULL
  if status == 0 then
    submitted = submitted + 1
  else
    must(rtw.rtw_worker_wait(worker, completion, FOREVER))
    right = right and status == FULL and completion.status == 0 and completion.tag == answered
    right = right and completion.values[0].i32 == 1000 + answered
    answered = answered + 1
  end
end
check(right, "a thousand submissions are answered, each with its own result")
check(rtw.rtw_worker_poll(worker, completion) == EMPTY, "and then there are no more")
rtw.rtw_worker_destroy(worker)
rtw.rtw_func_destroy(add)
rtw.rtw_instance_destroy(instance)
rtw.rtw_module_destroy(module)
rtw.rtw_runtime_destroy(runtime)
shared.finish()
